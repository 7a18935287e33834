// SPDX-License-Identifier: BSD-2-Clause
/*
 * Loads of coherent memory that a device has written. A thread that has seen a word change, and then reads for the first
 * time since what the device had written before, or with it, has let the word speak for the rest. The
 * rest may be older than the word, unless something has ordered the loads since the device wrote: a barrier, readl(), an
 * interrupt, a wait. Of any thread: who orders may be another one, and locks say it to this one.
 */
#include "check/order.h"

/* What a word speaks for is read soon. */
#define SOON 16u

/* As it is now, whatever a device does meanwhile. */
static uint64_t value_at(uintptr_t at, uint64_t size)
{
	switch (size) {
	case 1:
		return __atomic_load_n((const uint8_t *)at, __ATOMIC_RELAXED);
	case 2:
		return at % 2 ? 0 : __atomic_load_n((const uint16_t *)at, __ATOMIC_RELAXED);
	case 4:
		return at % 4 ? 0 : __atomic_load_n((const uint32_t *)at, __ATOMIC_RELAXED);
	case 8:
		return at % 8 ? 0 : __atomic_load_n((const uint64_t *)at, __ATOMIC_RELAXED);
	default:
		return 0;
	}
}

static bool is_news(const struct check_word *word)
{
	return word->dev_write > check_reads_ordered() && !word->is_shared;
}

static void look_for_change(struct check_thread *self, const struct check_word *word, uintptr_t at,
			    uint64_t size, uintptr_t caller)
{
	if (word->reader != self || word->seen_at != at || word->seen_size != size ||
	    word->cpu_load > word->dev_write || word->cpu_load < word->cpu_store ||
	    word->seen == value_at(at, size))
		return;
	self->valid = word->at;
	self->valid_caller = caller;
	self->old = word->cpu_load;
	self->new = check_tick();
	self->written = word->dev_write;
	self->loads_left = SOON;
}

static bool is_body(const struct check_thread *self, const struct check_word *word)
{
	return self->valid && self->loads_left && self->new > check_reads_ordered() &&
	       word->at != self->valid && word->dev_write <= self->written &&
	       word->dev_write > self->old &&check_word_cpu_load(word->at) < self->old &&
	       word->cpu_store < word->dev_write;
}

static void report(enum berth_check_rule rule, uintptr_t at, uint64_t size, uintptr_t caller,
		   uintptr_t other)
{
	const struct check_finding finding = {
		.rule = rule,
		.record = check_record_at(at, 0),
		.at = at,
		.size = size,
		.caller = caller,
		.other = other,
	};

	check_report_finding(&finding);
}

/* The same bytes, elsewhere in the program, with nothing between that would have made them new ones. */
static bool is_fetched_again(const struct check_thread *self, const struct check_word *word,
			     uintptr_t at, uint64_t size, uintptr_t caller)
{
	return word->dev_write && word->reader == self && word->loader != caller &&
	       check_overlap(word->seen_at, word->seen_size, at, size) &&
	       word->cpu_load > word->dev_write && word->cpu_load > word->cpu_store &&
	       word->cpu_load > check_turn();
}

void check_order_load(struct check_thread *self, uintptr_t at, uint64_t size, uintptr_t caller)
{
	const uint64_t part = size < ORDER_MOST ? size : ORDER_MOST;
	bool is_told = false;

	for (uintptr_t at_word = check_word_of(at); at_word < at + part; at_word += ORDER_WORD) {
		struct check_word *word = check_word(at_word, true);

		if (!word)
			return;
		if (is_news(word) && !is_told && is_body(self, word)) {
			report(BERTH_CHECK_UNORDERED_LOAD, at, size, caller, self->valid_caller);
			self->valid = 0;
			is_told = true;
		} else if (is_news(word) && size <= ORDER_WORD) {
			look_for_change(self, word, at, size, caller);
		}
		if (check_hostile && is_fetched_again(self, word, at, size, caller))
			report(BERTH_CHECK_DOUBLE_FETCH, at, size, caller, word->loader);
		word->cpu_load = check_tick();
		word->reader = self;
		word->loader = caller;
		word->seen_at = at;
		word->seen_size = size;
		word->seen = size <= ORDER_WORD ? value_at(at, size) : 0;
	}
	if (self->loads_left)
		self->loads_left--;
}
