// SPDX-License-Identifier: BSD-2-Clause
/*
 * Pairs of stores of one epoch that a device saw before anything told it: the later one seems to speak for the earlier
 * one. Seems: they may be two descriptors, each complete in itself, and then their order is of no account. A device
 * gives back what is complete in itself: whoever is given back on its own is no body. So a pair is a mistake only when
 * it is over, and the earlier one was not given back: when the later one is stored anew, or the memory goes.
 */
#include "check/order.h"

#define DOUBTS 64u

enum doubt_kind {
	NO_DOUBT,
	DOUBT_BLOCK, /* the device has read both with one access: it has still to give back one of them */
	DOUBT_PAIR,
};

/*
 * struct doubt - see above
 * @at, @size: of a block
 * @body, @valid: of a pair: the stores, and the words in them, at @body_at and @valid_at
 */
struct doubt {
	enum doubt_kind kind;
	const void *dev;
	const struct check_thread *thread;
	uint64_t epoch, tick;
	uintptr_t at;
	uint64_t size;
	struct check_store body, valid;
	uintptr_t body_at, valid_at;
};

static struct doubt doubts[DOUBTS];
/* As long as it is 0 there is nothing to look at: so with most programs, always. */
static unsigned int nr_doubts;

static struct doubt *new_doubt(enum doubt_kind kind, const void *dev)
{
	struct doubt *doubt = &doubts[nr_doubts++ % DOUBTS];

	*doubt = (struct doubt){ .kind = kind, .dev = dev, .tick = check_tick() };
	return doubt;
}

void check_doubt_block(const void *dev, const struct check_thread *thread, uintptr_t at,
		       uint64_t size)
{
	struct doubt *doubt = new_doubt(DOUBT_BLOCK, dev);

	doubt->thread = thread;
	doubt->epoch = thread->epoch;
	doubt->at = at;
	doubt->size = size;
}

void check_doubt_pair(const void *dev, const struct check_store *body,
		      const struct check_store *valid, uintptr_t body_at, uintptr_t valid_at)
{
	struct doubt *doubt = new_doubt(DOUBT_PAIR, dev);

	doubt->body = *body;
	doubt->valid = *valid;
	doubt->body_at = body_at;
	doubt->valid_at = check_word_of(valid_at);
}

static void report(struct doubt *doubt)
{
	const struct check_record *record = check_record_at(doubt->valid_at, 0);
	const struct berth_check_place place = { .frame = { doubt->valid.caller }, .nr = 1 };
	const struct check_finding finding = {
		.rule = BERTH_CHECK_UNORDERED_STORE,
		.record = record,
		.at = doubt->valid.at,
		.size = doubt->valid.size,
		.is_store = true,
		.touched = &place,
		.other = doubt->body.caller,
	};

	check_report_finding(&finding);
	/* One is enough, whatever else it seems to speak for. */
	for (unsigned int i = 0; i < DOUBTS && i < nr_doubts; i++)
		if (&doubts[i] != doubt && doubts[i].kind == DOUBT_PAIR &&
		    doubts[i].valid_at == doubt->valid_at)
			doubts[i].kind = NO_DOUBT;
	doubt->kind = NO_DOUBT;
}

/* What the store has of that word. */
static uint64_t body_size(const struct doubt *doubt)
{
	const uintptr_t word_end = check_word_of(doubt->body_at) + ORDER_WORD;
	const uintptr_t end = doubt->body.at + (uintptr_t)doubt->body.size;

	return (end < word_end ? end : word_end) - doubt->body_at;
}

/* What it reads again it has not made use of. */
void check_doubts_device_reads(const void *dev, uintptr_t at, uint64_t size)
{
	for (unsigned int i = 0; i < DOUBTS && i < nr_doubts; i++)
		if (doubts[i].kind == DOUBT_BLOCK && doubts[i].dev == dev &&
		    check_overlap(doubts[i].at, doubts[i].size, at, size))
			doubts[i].kind = NO_DOUBT;
}

/* The one that lies nearest to the word before it, and is no part of it. */
static const struct check_store *find_body(const struct doubt *block,
					   const struct check_store *valid, uintptr_t valid_at,
					   uintptr_t *body_at)
{
	const struct check_store *best = NULL;
	uint64_t nearest = UINT64_MAX;

	FOREACH_STORE(block->thread, store)
	{
		if (store->epoch != block->epoch || store->first > valid->first)
			continue;
		for (uintptr_t at = check_word_of(block->at); at < block->at + block->size;
		     at += ORDER_WORD) {
			const uint64_t far = at < valid_at ? valid_at - at : at - valid_at;

			if (at == check_word_of(valid_at) || far >= nearest ||
			    !check_overlap(store->at, store->size, at, ORDER_WORD))
				continue;
			nearest = far;
			best = store;
			*body_at = store->at > at ? store->at : at;
		}
	}
	return best;
}

/* A word of a block is given back: what was read with it, and stored before, was its body. */
static void block_is_given_back(struct doubt *block, uintptr_t at, uint64_t size)
{
	const uintptr_t end = at + (uintptr_t)size;

	for (uintptr_t word = check_word_of(at); word < end; word += ORDER_WORD) {
		const uintptr_t from = word > at ? word : at;
		const uintptr_t to = word + ORDER_WORD < end ? word + ORDER_WORD : end;
		const struct check_store *valid, *body;
		uintptr_t body_at = 0;

		if (!check_overlap(block->at, block->size, word, ORDER_WORD))
			continue;
		valid = check_store_in(block->thread, block->epoch, from, to - from);
		if (!valid || valid->first > block->tick)
			continue;
		body = find_body(block, valid, word, &body_at);
		if (!body || check_overlap(check_word_of(body_at), ORDER_WORD, at, size))
			continue;
		check_doubt_pair(block->dev, body, valid, body_at, word);
		block->kind = NO_DOUBT;
		return;
	}
}

void check_doubts_device_writes(const void *dev, uintptr_t at, uint64_t size)
{
	for (unsigned int i = 0; i < DOUBTS && i < nr_doubts; i++) {
		struct doubt *doubt = &doubts[i];

		if (doubt->kind == NO_DOUBT || doubt->dev != dev)
			continue;
		if (doubt->kind == DOUBT_BLOCK)
			block_is_given_back(doubt, at, size);
		else if (check_overlap(doubt->body_at, body_size(doubt), at, size) &&
			 !check_overlap(doubt->valid_at, ORDER_WORD, at, size))
			doubt->kind = NO_DOUBT;
	}
}

void check_doubts_cpu_stores(uintptr_t at, uint64_t size)
{
	for (unsigned int i = 0; i < DOUBTS && i < nr_doubts; i++)
		if (doubts[i].kind == DOUBT_PAIR &&
		    check_overlap(doubts[i].valid_at, ORDER_WORD, at, size))
			report(&doubts[i]);
}

void check_doubts_forget(uintptr_t at, uint64_t size)
{
	check_doubts_cpu_stores(at, size);
	for (unsigned int i = 0; i < DOUBTS && i < nr_doubts; i++)
		if (doubts[i].kind == DOUBT_BLOCK &&
		    check_overlap(doubts[i].at, doubts[i].size, at, size))
			doubts[i].kind = NO_DOUBT;
}

void check_doubts_reset(void)
{
	__builtin_memset(doubts, 0, sizeof(doubts));
	nr_doubts = 0;
}
