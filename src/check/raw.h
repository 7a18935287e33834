/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Memory that no call of the DMA API has mapped, of a driver that works the caches itself: what is known of each byte
 * follows from who has touched it, and from the cache calls. What was written unseen is not known, and not told of.
 */
#ifndef BERTH_CHECK_RAW_H
#define BERTH_CHECK_RAW_H

#include "check/check.h"

enum {
	RAW_DIRTY = 1, /* the CPU has written it since it was last cleaned */
	RAW_STALE = 2, /* a device that is not coherent has, since it was last invalidated */
	RAW_LOST =
		4, /* what was written last is nowhere, or may be: an operation has destroyed it */
	RAW_ABSENT = 8, /* its line was dropped, and the CPU has not touched it since */
	RAW_FETCHED =
		16, /* with RAW_STALE: absent when the device wrote, so only a fetch on the cache's own makes it stale */
};

/* The least line: of each the shadow keeps who was there last. */
#define RAW_LINE 32u

/* A page in which instrumented code has written, or a device. */
struct raw_page {
	struct raw_page *next;
	uintptr_t key;
	uint8_t state[4096];
	uintptr_t stored[4096 / RAW_LINE]; /* by the return address, who stored last */
	uintptr_t done[4096 / RAW_LINE]; /* the cache call that destroyed something */
};

/* No lock. NULL: nothing is known there. */
struct raw_page *check_raw_page(uintptr_t at);
/* With the lock. NULL: there is no memory for it. */
struct raw_page *check_raw_make(uintptr_t at);
/* All of them, in any order. With the lock. */
void check_raw_each(void (*visit)(struct raw_page *page));
void check_raw_pages_reset(void);

static inline uint8_t check_raw_get(const struct raw_page *page, uintptr_t at)
{
	return __atomic_load_n(&page->state[at & 4095], __ATOMIC_RELAXED);
}

static inline void check_raw_put(struct raw_page *page, uintptr_t at, uint8_t state)
{
	__atomic_store_n(&page->state[at & 4095], state, __ATOMIC_RELAXED);
}

/* Whether such memory is followed. */
extern bool check_raw_is_on;

void check_raw_reset(bool is_on);
void check_front_reset(void);
/* An access of the CPU. No lock. */
void check_raw_cpu(uintptr_t at, uint64_t size, bool is_store, uintptr_t caller);
/* A device touches RAM there. No lock. */
void check_raw_device(const char *name, uintptr_t at, uint64_t size, bool is_write,
		      bool is_coherent);
/* The bytes are somebody else's from now on, by the DMA API or an allocator. With the lock. */
void check_raw_forget(uintptr_t at, uint64_t size);

/* How an invalidate treats a line that is only partly in its range. */
enum raw_part { RAW_PART_DROPPED, RAW_PART_FLUSHED };

enum raw_op { RAW_CLEAN, RAW_INVALIDATE, RAW_FLUSH };

/* Cache calls (front.c): @line of the processor that the front end is of; 0: the machine's. No lock. */
void check_raw_op(enum raw_op op, uintptr_t at, uint64_t size, enum raw_part part,
		  unsigned int line, uintptr_t caller);
void check_raw_op_all(enum raw_op op, uintptr_t caller);
void check_raw_switch(bool is_on);

#endif
