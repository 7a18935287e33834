/* SPDX-License-Identifier: BSD-2-Clause */
/* What berth_start() and berth_stop() ask of floor 0. */
#ifndef BERTH_LIB_START_H
#define BERTH_LIB_START_H

/* Forget all timers, handlers and devices: nothing of one run is seen by the next. */
void berth_timers_reset(void);
void berth_interrupts_reset(void);
void berth_tasklets_reset(void);
void berth_devices_reset(void);

#endif
