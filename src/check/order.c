// SPDX-License-Identifier: BSD-2-Clause
/*
 * Stores to coherent memory, and the devices that read them.
 *
 * A thread's stores between two write barriers are of one epoch: a device may see them in any order. That is no mistake
 * yet. One is that a device read a word which speaks for another one, both of the same epoch, before anything else
 * told it: a write of one of its registers with a barrier before, as writel() has. What speaks for what is told by what the
 * device does: see check_order_device(). And a write of a register with no barrier before is a mistake when it
 * brings the device to read what was not ordered before it.
 */
#include <berth/port.h>

#include "check/order.h"

#define DEVICES 64u
#define BELLS 4u
/* A device that has read that it is to begin begins at once: in so many accesses. */
#define SOON 8u

/*
 * struct bell - a write of a register that nothing had ordered behind the thread's stores
 * @thread: NULL: none
 * @epoch: of the stores
 * @tick: when
 * @cause: the number of the write
 * @place: who did it
 */
struct bell {
	const struct check_thread *thread;
	uint64_t epoch, tick, cause;
	struct berth_check_place place;
};

/*
 * struct follower - a device
 * @told: tick of the last write of one of its registers
 * @bells: those since the last one that was ordered
 * @accesses: of coherent memory, so far
 * @saw: the store that it has just seen, at @saw_at, whose word was another one at tick @before; .size 0: none
 * @saw_by: the thread that did it
 * @until: up to this access what it reads may be what that word speaks for
 */
struct follower {
	const void *dev;
	uint64_t told, accesses, before, until;
	struct bell bells[BELLS];
	unsigned int nr_bells;
	struct check_store saw;
	const struct check_thread *saw_by;
	uintptr_t saw_at;
};

static struct check_thread *threads[BERTH_PORT_MAX_SLOTS];
static struct follower *followers;
static unsigned int nr_followers;
static uint64_t reads_ordered, turn, cause;
static bool is_in_use;

/* The port is asked for the slot without the lock: it may have to tell others of a new thread. NULL: no memory. */
static struct check_thread *thread_of(unsigned int slot)
{
	if (!threads[slot])
		threads[slot] = check_alloc(sizeof(*threads[slot]));
	return threads[slot];
}

uint64_t check_turn(void)
{
	return turn;
}

const struct check_thread *check_thread_at(unsigned int slot)
{
	return threads[slot];
}

uint64_t check_reads_ordered(void)
{
	return reads_ordered;
}

static struct follower *follower_of(const void *dev)
{
	for (unsigned int i = 0; i < nr_followers; i++)
		if (followers[i].dev == dev)
			return &followers[i];
	if (!followers)
		followers = check_alloc(DEVICES * sizeof(*followers));
	if (!followers || nr_followers == DEVICES || !dev)
		return NULL;
	followers[nr_followers].dev = dev;
	return &followers[nr_followers++];
}

const struct check_store *check_store_in(const struct check_thread *thread, uint64_t epoch,
					 uintptr_t at, uint64_t size)
{
	FOREACH_STORE(thread, store)
	if (store->epoch == epoch && check_overlap(store->at, store->size, at, size))
		return store;
	return NULL;
}

static bool is_descriptor_memory(uintptr_t at)
{
	const struct check_record *record = check_record_at(at, 0);

	return record && check_is_coherent(record->call.kind);
}

/* Bytes that follow each other, by one instruction, are one store: a loop that copies. */
static void note_store(struct check_thread *self, uintptr_t at, uint64_t size, uintptr_t caller)
{
	struct check_store *last = &self->stores[(self->nr - 1) % ORDER_STORES];

	if (self->nr && last->epoch == self->epoch && last->caller == caller &&
	    last->at + last->size == at) {
		last->size += size;
		last->last = check_tick();
		return;
	}
	last = &self->stores[self->nr++ % ORDER_STORES];
	*last = (struct check_store){
		.at = at, .size = size, .epoch = self->epoch, .caller = caller
	};
	last->first = last->last = check_tick();
}

static void order_store(struct check_thread *self, uintptr_t at, uint64_t size, uintptr_t caller)
{
	const uint64_t part = size < ORDER_MOST ? size : ORDER_MOST;

	check_doubts_cpu_stores(at, size);
	note_store(self, at, size, caller);
	for (uintptr_t word = check_word_of(at); word < at + part; word += ORDER_WORD) {
		struct check_word *w = check_word(word, true);

		if (w)
			w->cpu_store = self->stores[(self->nr - 1) % ORDER_STORES].last;
	}
}

void check_order_cpu(uintptr_t at, uint64_t size, bool is_store, uintptr_t caller)
{
	const unsigned int slot = berth_port_slot();
	unsigned long flags = check_lock();
	struct check_thread *self = is_descriptor_memory(at) ? thread_of(slot) : NULL;

	if (self) {
		__atomic_store_n(&is_in_use, true, __ATOMIC_RELAXED);
		if (is_store)
			order_store(self, at, size, caller);
		else
			check_order_load(self, at, size, caller);
		if (check_hostile && !is_store)
			check_hostile_load(self, at, size, caller);
	}
	check_unlock(flags);
}

void check_ordered(unsigned int what)
{
	struct check_thread *self;
	unsigned long flags;
	unsigned int slot;

	if (!__atomic_load_n(&is_in_use, __ATOMIC_RELAXED))
		return;
	slot = berth_port_slot();
	flags = check_lock();
	self = threads[slot];
	if (what & BERTH_ORDERS_WRITES && self)
		self->epoch++;
	turn = check_tick();
	if (what & BERTH_ORDERS_READS)
		reads_ordered = turn;
	check_unlock(flags);
}

void check_order_cause(uint64_t of)
{
	__atomic_store_n(&cause, of, __ATOMIC_RELAXED);
}

/* Whether the thread has stored anything since its last barrier. */
static bool has_open(const struct check_thread *thread)
{
	return thread && thread->nr &&
	       thread->stores[(thread->nr - 1) % ORDER_STORES].epoch == thread->epoch;
}

void check_told(const char *name, uint64_t number)
{
	const struct check_thread *self;
	struct follower *follower;
	unsigned long flags;
	unsigned int slot;

	if (!__atomic_load_n(&is_in_use, __ATOMIC_RELAXED))
		return;
	slot = berth_port_slot();
	flags = check_lock();
	self = threads[slot];
	follower = follower_of(check_device_of(name));
	if (follower) {
		follower->told = check_tick();
		follower->saw.size = 0;
		if (!number || !has_open(self)) {
			__builtin_memset(follower->bells, 0, sizeof(follower->bells));
		} else {
			struct bell *bell = &follower->bells[follower->nr_bells++ % BELLS];

			*bell = (struct bell){ .thread = self,
					       .epoch = self->epoch,
					       .tick = follower->told,
					       .cause = number };
			check_place_here(&bell->place, 0);
		}
	}
	check_unlock(flags);
}

/* Whether the device was told since, and not too early. */
static bool is_told(const struct follower *follower, const struct check_thread *thread,
		    const struct check_store *store)
{
	if (store->last > follower->told)
		return false;
	for (unsigned int i = 0; i < BELLS; i++)
		if (follower->bells[i].thread == thread &&
		    follower->bells[i].epoch == store->epoch &&
		    store->first <= follower->bells[i].tick)
			return false;
	return true;
}

/* Was it brought to this by a write of a register that came too early for what it reads? */
static bool look_for_bell(const struct follower *follower, const char *name, uintptr_t at,
			  uint64_t size)
{
	const uint64_t why = __atomic_load_n(&cause, __ATOMIC_RELAXED);

	for (unsigned int i = 0; why && i < BELLS; i++) {
		const struct bell *bell = &follower->bells[i];
		const struct check_store *store;
		struct check_finding finding = { .rule = BERTH_CHECK_UNORDERED_DOORBELL,
						 .device = name,
						 .touched = &bell->place };

		if (!bell->thread || bell->cause != why)
			continue;
		store = check_store_in(bell->thread, bell->epoch, at, size);
		if (!store || store->first > bell->tick)
			continue;
		finding.at = store->at;
		finding.size = store->size;
		finding.is_store = true;
		finding.other = store->caller;
		finding.record = check_record_at(store->at, 0);
		check_report_finding(&finding);
		return true;
	}
	return false;
}

/* What the word speaks for that it has just seen: it is read now, and was not as long as the word was another one. */
static void look_for_body(struct follower *follower, uintptr_t at, uint64_t size)
{
	const struct check_store *valid = &follower->saw;
	bool is_found = false;

	if (!valid->size || follower->accesses > follower->until)
		return;
	FOREACH_STORE(follower->saw_by, store)
	{
		uintptr_t body = store->at > at ? store->at : at;
		const struct check_word *word;

		if (store->epoch != valid->epoch || store->first > valid->first ||
		    !check_overlap(store->at, store->size, at, size))
			continue;
		if (check_word_of(body) == check_word_of(follower->saw_at))
			body = check_word_of(body) + ORDER_WORD;
		word = check_word(body, true);
		if (body >= store->at + store->size || body >= at + size || !word ||
		    word->is_polled || check_word_dev_read(body) >= follower->before)
			continue;
		check_doubt_pair(follower->dev, store, valid, body, follower->saw_at);
		is_found = true;
	}
	if (is_found)
		follower->saw.size = 0;
}

/* A word that the device has read before, and that has changed since: it may speak for others. */
static void look_for_valid(struct follower *follower, const struct check_thread *thread,
			   uintptr_t at, uint64_t size)
{
	unsigned int open = 0;

	FOREACH_STORE(thread, store)
	{
		const uintptr_t from = store->at > at ? store->at : at;
		const struct check_word *word;

		if (store->epoch != thread->epoch ||
		    !check_overlap(store->at, store->size, at, size) ||
		    is_told(follower, thread, store))
			continue;
		open++;
		word = check_word(from, false);
		if (follower->saw.size || !word || word->is_shared || !word->dev_read ||
		    word->dev != follower->dev || word->dev_read > store->first ||
		    word->dev_seen == check_word_value(word->at))
			continue;
		follower->saw = *store;
		follower->saw_by = thread;
		follower->saw_at = from;
		follower->before = word->dev_read;
		follower->until = follower->accesses + SOON;
	}
	if (open && size > ORDER_WORD)
		check_doubt_block(follower->dev, thread, at, size);
}

static void note_device(const struct follower *follower, uintptr_t at, uint64_t size, bool is_write)
{
	const uint64_t now = check_tick();

	for (uintptr_t at_word = check_word_of(at); at_word < at + size; at_word += ORDER_WORD) {
		struct check_word *word = check_word(at_word, true);

		if (!word)
			return;
		word->is_shared |= word->dev && word->dev != follower->dev;
		word->dev = follower->dev;
		word->is_polled |= !is_write && word->dev_read > word->cpu_store &&
				   word->dev_read > word->dev_write;
		if (!is_write)
			word->dev_seen = check_word_value(at_word);
		*(is_write ? &word->dev_write : &word->dev_read) = now;
	}
}

static void device_reads(struct follower *follower, const char *name, uintptr_t at, uint64_t size)
{
	check_doubts_device_reads(follower->dev, at, size);
	if (look_for_bell(follower, name, at, size))
		return;
	look_for_body(follower, at, size);
	/* It looks again: that was not yet what it waits for. */
	if (follower->accesses > follower->until ||
	    check_overlap(check_word_of(follower->saw_at), ORDER_WORD, at, size))
		follower->saw.size = 0;
	for (unsigned int i = 0; i < BERTH_PORT_MAX_SLOTS; i++)
		if (has_open(threads[i]))
			look_for_valid(follower, threads[i], at, size);
}

/*
 * A device reads or writes coherent memory. A word that it reads speaks for others if it reads those only once that word has
 * changed, or if they lie together and it gives them back by a write to that word: so does a device with descriptors. What a
 * display or a sound card reads, again and again, is in no order, and need not be.
 */
void check_order_device(const void *dev, const struct check_record *record, uintptr_t at,
			uint64_t size, bool is_write)
{
	struct follower *follower;

	if (!check_is_coherent(record->call.kind) || size > ORDER_MOST)
		return;
	follower = follower_of(dev);
	if (!follower)
		return;
	__atomic_store_n(&is_in_use, true, __ATOMIC_RELAXED);
	follower->accesses++;
	check_hostile_restore();
	if (is_write)
		check_doubts_device_writes(dev, at, size);
	else
		device_reads(follower, record->name, at, size);
	note_device(follower, at, size, is_write);
}

/* Before the memory is given back. */
void check_order_forget(uintptr_t at, uint64_t size)
{
	if (!__atomic_load_n(&is_in_use, __ATOMIC_RELAXED))
		return;
	check_doubts_forget(at, size);
	check_hostile_forget(at, size);
	check_words_forget(at, size);
	for (unsigned int i = 0; i < nr_followers; i++)
		if (check_overlap(followers[i].saw_at, 1, at, size))
			followers[i].saw.size = 0;
	for (unsigned int t = 0; t < BERTH_PORT_MAX_SLOTS; t++) {
		if (!threads[t])
			continue;
		for (unsigned int i = 0; i < ORDER_STORES; i++)
			if (check_overlap(threads[t]->stores[i].at, threads[t]->stores[i].size, at,
					  size))
				threads[t]->stores[i] = (struct check_store){ .epoch = UINT64_MAX };
	}
}

void check_order_reset(uint64_t hostile)
{
	__builtin_memset(threads, 0, sizeof(threads));
	followers = NULL;
	nr_followers = 0;
	reads_ordered = turn = cause = 0;
	is_in_use = false;
	check_words_reset();
	check_doubts_reset();
	check_hostile_reset(hostile);
}
