// SPDX-License-Identifier: BSD-2-Clause
/* The cache: what it is told to do, and what it does by itself. */
#include <string.h>

#include "model/internal.h"
#include "model/line.h"

/*
 * Only lines that an operation or a device's access concerns, and their neighbours, are ever looked
 * at: what happens to the others nobody can see, and a walk of all RAM would touch all of it.
 */

/* The pages outside the linear map that have a cached view. */
static void for_each_view(phys_addr_t first, phys_addr_t end,
			  void (*visit)(uint64_t offset, uint64_t end))
{
	const struct model_ram *ram = &soc.ram;

	for (unsigned int i = 0; i < ram->nr_banks; i++) {
		const struct berth_range *bank = &ram->banks[i];
		phys_addr_t at = first > bank->base ? first : bank->base;
		phys_addr_t last = bank->base + bank->size;

		for (last = end < last ? end : last; at < last;) {
			phys_addr_t next = (at | (MODEL_PAGE - 1)) + 1;

			next = next < last ? next : last;
			if (view_is_cached(at))
				visit(at - ram->base, next - ram->base);
			at = next;
		}
	}
}

/* Calls @visit for the parts of [phys, phys + size), whole lines, of which a line may be cached. */
static void for_each_run(phys_addr_t phys, uint64_t size,
			 void (*visit)(uint64_t offset, uint64_t end))
{
	phys_addr_t first = phys & ~(phys_addr_t)(soc.line - 1);
	phys_addr_t end = phys + size;

	end = end < phys ? UINT64_MAX : end;
	if (end & (soc.line - 1) && end <= UINT64_MAX - soc.line)
		end = (end | (soc.line - 1)) + 1;
	for (unsigned int i = 0; i < soc.ram.nr_mapped; i++) {
		const struct berth_range *range = &soc.ram.mapped[i];
		phys_addr_t from = first > range->base ? first : range->base;
		phys_addr_t to = range->base + range->size;

		to = end < to ? end : to;
		if (from < to)
			visit(from - soc.ram.base, to - soc.ram.base);
	}
	if (soc.ram.nr_viewed)
		for_each_view(first, end, visit);
}

static inline unsigned int look(uint64_t at)
{
	return line_look(c_at(at), soc.ram.d + at, soc.ram.s + at, soc.line);
}

static inline bool clean(uint64_t at)
{
	return line_clean(c_at(at), soc.ram.d + at, soc.ram.s + at, soc.line);
}

static inline void refill(uint64_t at)
{
	line_refill(c_at(at), soc.ram.d + at, soc.ram.s + at, soc.line);
}

static void evict(uint64_t at)
{
	if (clean(at)) {
		soc.stats.evicted++;
		model_note(NOTE_LINE, at, 0);
	}
}

/*
 * Clean and invalidate are one step for a line: what another CPU stores meanwhile stays. Returns
 * LINE_DIRTY if it was written back, LINE_STALE if it was read again.
 */
static inline unsigned int flush_line(uint64_t at)
{
	unsigned int differs = look(at);

	if (differs & LINE_DIRTY)
		return clean(at) ? LINE_DIRTY : 0;
	if (differs)
		refill(at);
	return differs;
}

/*
 * How many lines to pass by until the next that gets a chance, for each of 256 equally likely
 * draws: drawing for every line would cost more than the rest.
 */
void cache_set_chances(void)
{
	uint64_t limit = soc.write_back_limit > soc.refill_limit ? soc.write_back_limit
								 : soc.refill_limit;
	uint64_t left = 1ull << 32; /* the chance that no line had its turn yet, of 2^32 */
	uint16_t gap = 0;

	for (unsigned int i = 256; i-- > 0;) {
		uint64_t wanted = ((2 * (uint64_t)i + 1) << 32) / 512;

		while (left - (left * limit >> 16) > wanted && gap < UINT16_MAX) {
			left -= left * limit >> 16;
			gap++;
		}
		soc.gaps[i] = gap;
	}
	soc.chance_limit = (uint32_t)limit;
}

/* Most lines do not differ, and need no decision. */
static inline void give_chance(uint64_t at, uint32_t draw)
{
	unsigned int differs = look(at);

	if (!differs)
		return;
	if (differs & LINE_DIRTY) {
		if (draw < soc.write_back_limit)
			evict(at);
	} else if (draw < soc.refill_limit) {
		refill(at);
		soc.stats.refilled++;
		model_note(NOTE_LINE, at, 1);
	}
}

/* One drawing serves three lines: 8 bits say how far to go, 13 what happens there. */
static void stir_run(uint64_t at, uint64_t end)
{
	for (;;) {
		uint64_t draws = model_draw(CHANCE_CACHE);

		for (unsigned int i = 0; i < 3; i++, draws >>= 21) {
			at += (uint64_t)soc.gaps[draws & 0xff] * soc.line;
			if (at >= end)
				return;
			give_chance(at, (uint32_t)(draws >> 8 & 0x1fff) * soc.chance_limit >> 13);
			at += soc.line;
		}
	}
}

/* The lines of a range and one neighbour on each side get their chance. */
static void stir(phys_addr_t phys, uint64_t size)
{
	uint64_t before = phys < soc.line ? phys : soc.line;

	if (soc.config.cache == BERTH_MODEL_CACHE_RANDOM && size)
		for_each_run(phys - before, before + size + soc.line, stir_run);
}

static void evict_run(uint64_t at, uint64_t end)
{
	for (; at < end; at += soc.line)
		evict(at);
}

static void clean_run(uint64_t at, uint64_t end)
{
	soc.stats.cache_lines += (end - at) / soc.line;
	for (; at < end; at += soc.line)
		soc.stats.written_back += clean(at);
}

static void clean_and_refill_run(uint64_t at, uint64_t end)
{
	soc.stats.cache_lines += (end - at) / soc.line;
	for (; at < end; at += soc.line) {
		unsigned int done = flush_line(at);

		soc.stats.written_back += done == LINE_DIRTY;
		soc.stats.refilled += done == LINE_STALE;
	}
}

static void flush_run(uint64_t at, uint64_t end)
{
	soc.stats.cache_lines += (end - at) / soc.line;
	for (; at < end; at += soc.line)
		soc.stats.written_back += flush_line(at) == LINE_DIRTY;
}

static void drop_run(uint64_t at, uint64_t end)
{
	for (; at < end; at += soc.line)
		line_drop(c_at(at), soc.ram.d + at, soc.ram.s + at, soc.line);
}

static void drop_run_counted(uint64_t at, uint64_t end)
{
	soc.stats.cache_lines += (end - at) / soc.line;
	drop_run(at, end);
}

/* Lines only partly inside are cleaned first, as arm64 does. */
static void invalidate(phys_addr_t phys, uint64_t size)
{
	phys_addr_t mask = soc.line - 1;
	phys_addr_t end = phys + size;

	if (phys & mask) {
		uint64_t head = soc.line - (phys & mask);

		for_each_run(phys, 1, flush_run);
		if (head >= size)
			return;
		phys += head;
	}
	if (end & mask) {
		for_each_run(end, 1, flush_run);
		end &= ~mask;
	}
	if (phys < end)
		for_each_run(phys, end - phys, drop_run_counted);
}

/* Takes the lock. False: this one is to be left out. */
static bool begin_op(enum berth_model_cache_op op, phys_addr_t phys, uint64_t size)
{
	uint64_t number;

	pthread_mutex_lock(&soc.lock);
	number = ++soc.stats.cache_ops;
	pthread_mutex_unlock(&soc.lock);
	if (soc.config.on_cache_op)
		soc.config.on_cache_op(soc.config.on_cache_op_data, number, op, phys, size);
	model_enter(20 + (size < 1 << 20 ? size / 32 : 1 << 15));
	model_note(NOTE_CACHE_OP, phys << 2 | op, size);
	if (!size || number == soc.config.drop_cache_op)
		return false;
	stir(phys, size);
	return true;
}

void cache_clean(phys_addr_t phys, uint64_t size)
{
	if (begin_op(BERTH_MODEL_CLEAN, phys, size))
		for_each_run(phys, size,
			     soc.config.cache == BERTH_MODEL_CACHE_ADVERSARIAL
				     ? clean_and_refill_run
				     : clean_run);
	model_leave();
}

void cache_invalidate(phys_addr_t phys, uint64_t size)
{
	if (begin_op(BERTH_MODEL_INVALIDATE, phys, size))
		invalidate(phys, size);
	model_leave();
}

void cache_flush(phys_addr_t phys, uint64_t size)
{
	if (begin_op(BERTH_MODEL_FLUSH, phys, size))
		for_each_run(phys, size, flush_run);
	model_leave();
}

static void flush_uncounted(uint64_t at, uint64_t end)
{
	for (; at < end; at += soc.line)
		flush_line(at);
}

void cache_flush_lines(phys_addr_t phys, uint64_t size)
{
	for_each_run(phys, size, flush_uncounted);
}

void cache_drop_lines(phys_addr_t phys, uint64_t size)
{
	for_each_run(phys, size, drop_run);
}

/*
 * An early write-back would help a driver that forgot to clean, so the adversary has none; but what
 * is dirty behind an uncached mapping can only do harm.
 */
void cache_before_device_read(phys_addr_t phys, uint64_t size)
{
	stir(phys, size);
	if (soc.config.cache == BERTH_MODEL_CACHE_ADVERSARIAL && ram_is_uncached(phys))
		for_each_run(phys, size, evict_run);
}

void cache_after_device_write(phys_addr_t phys, uint64_t size)
{
	stir(phys, size);
	if (soc.config.cache == BERTH_MODEL_CACHE_ADVERSARIAL)
		for_each_run(phys, size, evict_run);
}

void cache_before_coherent_read(phys_addr_t phys, uint64_t size)
{
	stir(phys, size);
}

/* What is overwritten whole has its chance when memory follows, or does not. */
void cache_before_coherent_write(phys_addr_t phys, uint64_t size)
{
	if (size <= 2 * soc.line) {
		stir(phys, size);
	} else {
		stir(phys, 1);
		stir(phys + size - 1, 1);
	}
}

typedef uint8_t __attribute__((vector_size(16), aligned(1), may_alias)) unit;

/*
 * The bytes are dirty: their clean values are others. Where one happens to be the same, and memory
 * has another, a value is made up that is not; nowhere else, since the CPU may store just that one.
 */
static RAW void mark_dirty(uint64_t at, const uint8_t *bytes, uint64_t size)
{
	const uint8_t *d = soc.ram.d + at;
	uint8_t *s = soc.ram.s + at;

	for (; size >= 16; size -= 16, s += 16, d += 16, bytes += 16) {
		unit value = *(const unit *)bytes, clean = *(const unit *)s;

		*(unit *)s = clean ^
			     (unit)((clean == value) & (*(const volatile unit *)d != value));
	}
	for (; size--; s++, d++, bytes++)
		if (*s == *bytes && *(const volatile uint8_t *)d != *bytes)
			*s = (uint8_t) ~*bytes;
}

/*
 * Only the bytes that the device writes: the rest of the line keeps what it is, dirty or clean.
 * Memory follows by chance, for eight lines at a time, 16 bits of a drawing each.
 */
void cache_coherent_write(phys_addr_t phys, const void *buffer, uint64_t size)
{
	uint64_t at = phys - soc.ram.base, end = at + size, draws = 0;
	const uint8_t *bytes = buffer;

	raw_write(c_at(at), bytes, size);
	if (soc.config.cache != BERTH_MODEL_CACHE_RANDOM) {
		mark_dirty(at, bytes, size);
		return;
	}
	for (unsigned int i = 0; at < end; i++, draws >>= 16) {
		uint64_t next = (at | (8 * soc.line - 1)) + 1;

		if (i % 4 == 0)
			draws = model_draw(CHANCE_FOLLOW);
		next = next < end ? next : end;
		if ((draws & 0xffff) < soc.follow_limit) {
			raw_write(soc.ram.d + at, bytes, next - at);
			raw_write(soc.ram.s + at, bytes, next - at);
		} else {
			mark_dirty(at, bytes, next - at);
		}
		bytes += next - at;
		at = next;
	}
}

/* A pattern in all copies: without it a memset() to what happens to be there would go unseen. */
void cache_fresh(void *virt, size_t size)
{
	uint64_t at = (uint64_t)((uintptr_t)virt - (uintptr_t)soc.ram.c);
	phys_addr_t phys = soc.ram.base + at;

	if (soc.config.no_fresh_pattern)
		return;
	pthread_mutex_lock(&soc.lock);
	if (ram_run(soc.ram.mapped, soc.ram.nr_mapped, phys, size) == size) {
		raw_fill(c_at(at), phys, size, soc.fresh_key);
		raw_fill(soc.ram.d + at, phys, size, soc.fresh_key);
		raw_fill(soc.ram.s + at, phys, size, soc.fresh_key);
	}
	pthread_mutex_unlock(&soc.lock);
}

/* The key changes at start only: no lock. */
bool cache_fresh_word(const void *virt, uint64_t *word)
{
	uint64_t at = (uint64_t)((uintptr_t)virt - (uintptr_t)soc.ram.c), now;

	*word = raw_fill_word(soc.ram.base + at, soc.fresh_key);
	if (soc.config.no_fresh_pattern || at >= soc.ram.size)
		return false;
	raw_read(&now, c_at(at), sizeof(now));
	return now == *word;
}

unsigned int cache_line_size(void)
{
	return soc.line;
}
