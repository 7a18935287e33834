/* SPDX-License-Identifier: BSD-2-Clause */
/* The NVMe card of the tests, for bench/check.c: a device is not built as a driver under the checker is. */
#ifndef BENCH_CHECK_H
#define BENCH_CHECK_H

#include <stdint.h>

#define CARD_BYTES (1u << 20)

/* What its disk holds: CARD_BYTES. */
const uint8_t *bench_card_disk(void);
/* berth with the card and its driver. Return: as berth_start(). */
int bench_card_start(void);
/* What its driver has done that is forbidden. */
unsigned int bench_card_complaints(void);

#endif
