/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The order of accesses to coherent memory. Each of them, of CPUs and of devices, and each barrier, has a number of
 * its own: a tick. All of it is with the checker's lock.
 */
#ifndef BERTH_CHECK_ORDER_H
#define BERTH_CHECK_ORDER_H

#include "check/check.h"

#define ORDER_WORD 8u
/* Longer accesses are no descriptors: their words are not followed one by one. */
#define ORDER_MOST 4096u

/*
 * struct check_word - what happened last to an aligned word of coherent memory
 * @at: its address; 0: none is kept here
 * @dev: the device that touched it; two have: nobody, and @is_shared
 * @dev_read, @dev_write, @cpu_load, @cpu_store: ticks; 0: not since it is kept
 * @seen: what the last load has read: @seen_size bytes at @seen_at
 * @dev_seen: what the last read of a device has read
 * @reader: the thread that has loaded it last
 * @loader: the return address of that load
 * @lost: the newest tick of what was kept here before
 * @is_polled: a device has read it twice though nobody had written it between
 */
struct check_word {
	uintptr_t at;
	const void *dev;
	uint64_t dev_read, dev_write, cpu_load, cpu_store, lost;
	uint64_t seen, seen_size, dev_seen;
	uintptr_t seen_at;
	const void *reader;
	uintptr_t loader;
	bool is_shared, is_polled;
};

/*
 * struct check_store - stores of a thread that follow each other, by one instruction
 * @epoch: how many write barriers the thread had had
 * @first, @last: ticks of the first and the last of them
 */
struct check_store {
	uintptr_t at;
	uint64_t size;
	uint64_t first, last, epoch;
	uintptr_t caller;
};

#define ORDER_STORES 128u

/*
 * struct check_thread - what a thread has done of late
 * @epoch: write barriers so far
 * @nr: stores so far; the newest ORDER_STORES of them are kept
 * @valid: the word that has just told the thread that a device has finished; 0: none
 * @old, @new: ticks of the loads that have seen the word before it changed, and afterwards
 * @written: tick of the device's write between
 * @loads_left: how many more loads may be of what that word speaks for
 */
struct check_thread {
	uint64_t epoch;
	unsigned int nr;
	struct check_store stores[ORDER_STORES];
	uintptr_t valid, valid_caller;
	uint64_t old, new, written;
	unsigned int loads_left;
};

/* words.c */

uint64_t check_tick(void);
/* The word that @at lies in. NULL: no memory, or with !@make it is not kept. */
struct check_word *check_word(uintptr_t at, bool make);
/* No later than this the device read the word last; 0: never. */
uint64_t check_word_dev_read(uintptr_t at);
uint64_t check_word_cpu_load(uintptr_t at);
void check_words_forget(uintptr_t at, uint64_t size);
void check_words_reset(void);

/* order.c */

/* What is known of the thread with that slot; NULL: nothing yet. */
const struct check_thread *check_thread_at(unsigned int slot);
/* The tick at which devices had their turn last, as a thread let time pass. */
uint64_t check_turn(void);
/* The tick at which some thread has ordered its loads last. */
uint64_t check_reads_ordered(void);

/* doubts.c: pairs of stores that a device saw though nothing had ordered them; see there. */

void check_doubt_block(const void *dev, const struct check_thread *thread, uintptr_t at,
		       uint64_t size);
void check_doubt_pair(const void *dev, const struct check_store *body,
		      const struct check_store *valid, uintptr_t body_at, uintptr_t valid_at);
void check_doubts_device_reads(const void *dev, uintptr_t at, uint64_t size);
void check_doubts_device_writes(const void *dev, uintptr_t at, uint64_t size);
void check_doubts_cpu_stores(uintptr_t at, uint64_t size);
void check_doubts_forget(uintptr_t at, uint64_t size);
void check_doubts_reset(void);

/* hostile.c: devices that are not trusted. */

void check_hostile_load(const struct check_thread *self, uintptr_t at, uint64_t size,
			uintptr_t caller);
void check_hostile_restore(void);
void check_hostile_forget(uintptr_t at, uint64_t size);
void check_hostile_reset(uint64_t seed);

/* loads.c: what the CPU reads of what a device has written. */
void check_order_load(struct check_thread *self, uintptr_t at, uint64_t size, uintptr_t caller);

static inline bool check_overlap(uintptr_t a, uint64_t a_size, uintptr_t b, uint64_t b_size)
{
	return a < b + b_size && b < a + a_size;
}

/* What a word is now, whatever others do meanwhile. */
static inline uint64_t check_word_value(uintptr_t at)
{
	return __atomic_load_n((const uint64_t *)at, __ATOMIC_RELAXED);
}

static inline uintptr_t check_word_of(uintptr_t at)
{
	return at & ~(uintptr_t)(ORDER_WORD - 1);
}

/* The newest store of the thread's since @oldest that the range touches, of those for which @epoch is right; NULL. */
const struct check_store *check_store_in(const struct check_thread *thread, uint64_t epoch,
					 uintptr_t at, uint64_t size);

#define FOREACH_STORE(thread, store)                                                               \
	for (unsigned int i_ = (thread)->nr; i_ && i_ + ORDER_STORES > (thread)->nr; i_--)         \
		for (const struct check_store *store = &(thread)->stores[(i_ - 1) % ORDER_STORES]; \
		     store; store = NULL)

#endif
