/* SPDX-License-Identifier: BSD-2-Clause */
/* The parts of dmatest: dmatest.c drives, dmatest-plan.c chooses, dmatest-bytes.c fills and compares. */
#ifndef DRIVERS_DMA_DMATEST_H
#define DRIVERS_DMA_DMATEST_H

#include <berth/drivers/dmatest.h>

/* Below @below, which is not 0. */
size_t berth_dmatest_random(struct berth_dmatest *test, size_t below);

/* Choose the next transfer: kind, length, places, pieces. */
void berth_dmatest_plan(struct berth_dmatest *test);

/* Fill the buffers, and work out what should be in the destinations afterwards. */
void berth_dmatest_fill(struct berth_dmatest *test);

/* True if all bytes are right; else @failure is filled in but for what berth_dmatest_fill() knows not. */
bool berth_dmatest_compare(struct berth_dmatest *test, struct berth_dmatest_failure *failure);

/* Stop the transfer that is under way. */
void berth_dmatest_abandon(struct berth_dmatest *test);

void *memcpy(void *dst, const void *src, size_t n);
void *memset(void *dst, int byte, size_t n);
int memcmp(const void *a, const void *b, size_t n);

#endif
