/* SPDX-License-Identifier: BSD-2-Clause */
/* Descriptors of the emulator's. */
#ifndef QEMU_PROCESS_H
#define QEMU_PROCESS_H

#include "qemu/internal.h"

#define QEMU_FD_QTEST 3
#define QEMU_FD_MONITOR 4
#define QEMU_FD_RAM 5
/* Ours lie at this one or above: none is in the way of those. */
#define QEMU_FD_OURS 10

#endif
