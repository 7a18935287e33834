/* SPDX-License-Identifier: BSD-2-Clause */
/* What the files of the suite share. */
#ifndef CONFORMANCE_SUITE_H
#define CONFORMANCE_SUITE_H

#include "conformance.h"

#define PAGE_BYTES 4096ul
#define MS 1000000ull
/* How long a test waits for what must come, before it calls it missing. */
#define PATIENCE_NS (2000 * MS)

extern const struct conformance_env *conformance_env;

/* The linear map's ranges, and what of it is free for tests. */
#define MAX_RANGES 64
struct ranges {
	struct berth_range at[MAX_RANGES];
	unsigned int nr;
};
extern struct ranges conformance_mapped, conformance_free;

/* Between them is what berth_start() and berth_stop() do to a port. */
int conformance_start(void);
void conformance_stop(void);

/* How often berth_timer_handle() was called, how long it takes, and what it sets to 1. */
extern uint32_t conformance_alarms;
/* When the last one came. */
extern uint64_t conformance_alarm_at;
extern volatile uint64_t conformance_alarm_delay_ns;
extern uint32_t *volatile conformance_alarm_word;

/* berth_port_wait() without its early returns. */
int conformance_wait(const uint32_t *word, uint32_t value, uint64_t deadline_ns);

void *memcpy(void *dst, const void *src, size_t n);
void *memmove(void *dst, const void *src, size_t n);
void *memset(void *dst, int byte, size_t n);
int memcmp(const void *a, const void *b, size_t n);

extern const struct conformance_test conformance_bytes[], conformance_time[], conformance_memory[],
	conformance_cpus[], conformance_moves[], conformance_ranges[], conformance_share[],
	conformance_lifecycle[];

#endif
