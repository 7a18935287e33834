/* SPDX-License-Identifier: BSD-2-Clause */
/* The barriers of Xilinx's standalone library. */
#ifndef BERTH_FRONT_XPSEUDO_ASM_H
#define BERTH_FRONT_XPSEUDO_ASM_H

#include <berth/io.h>

#define dsb() berth_port_mb()
#define dmb() berth_port_mb()
#define isb() __asm__ volatile("" ::: "memory")

#endif
