/* SPDX-License-Identifier: BSD-2-Clause */
/* The barriers of Zephyr. */
#ifndef BERTH_FRONT_ZEPHYR_SYS_BARRIER_H
#define BERTH_FRONT_ZEPHYR_SYS_BARRIER_H

#include <berth/io.h>

#define barrier_dmem_fence_full() berth_port_mb()
#define barrier_dsync_fence_full() berth_port_mb()
#define barrier_isync_fence_full() __asm__ volatile("" ::: "memory")

#endif
