// SPDX-License-Identifier: BSD-2-Clause
/* Pools of bounce slots: runs are found and put back. */
#include "dma/swiotlb.h"

#include <berth/mm.h>
#include <berth/port.h>

#include "lib/bitmap.h"
#include "lib/string.h"

/* The 128 slots of a segment as one number. */
struct bits {
	uint64_t low, high;
};

static struct bits shift_down(struct bits b, unsigned int by)
{
	struct bits r = { b.high, 0 };

	if (!by)
		return b;
	if (by >= 64) {
		r.low = by > 127 ? 0 : b.high >> (by - 64);
		return r;
	}
	r.low = b.low >> by | b.high << (64 - by);
	r.high = b.high >> by;
	return r;
}

/* The slots at which @nr free ones begin. */
static struct bits runs_of(const struct bounce_segment *segment, unsigned int nr)
{
	struct bits runs = { segment->free[0], segment->free[1] };

	for (unsigned int have = 1; have < nr;) {
		unsigned int more = have < nr - have ? have : nr - have;
		struct bits next = shift_down(runs, more);

		runs.low &= next.low;
		runs.high &= next.high;
		have += more;
	}
	return runs;
}

/* The first slot of a run in a segment, or SEGMENT_SLOTS. */
static unsigned int search(const struct bounce_pool *pool, const struct bounce_segment *segment,
			   uint64_t base, const struct bounce_request *request)
{
	struct bits runs = runs_of(segment, request->nr);

	if (request->pages) {
		runs.low &= 0x5555555555555555;
		runs.high &= 0x5555555555555555;
	}
	while (runs.low | runs.high) {
		unsigned int slot = runs.low ? lowest_bit(runs.low) : 64 + lowest_bit(runs.high);

		if (bounce_fits(pool, request, base + slot))
			return slot;
		if (slot < 64)
			runs.low &= runs.low - 1;
		else
			runs.high &= runs.high - 1;
	}
	return SEGMENT_SLOTS;
}

/* Whether what kept a run from being found was nothing but its length. */
static bool is_plain(const struct bounce_request *request)
{
	return !request->pages && !request->align_mask && request->boundary == UINT64_MAX;
}

static struct bounce_slot *take_in(struct bounce_pool *pool, struct bounce_area *area,
				   unsigned int n, const struct bounce_request *request)
{
	struct bounce_segment *segment = &area->segments[n];
	uint64_t base = (uint64_t)(segment - pool->areas[0].segments) * SEGMENT_SLOTS;
	struct bounce_slot *slot;
	unsigned int first;

	if (segment->longest < request->nr)
		return NULL;
	first = search(pool, segment, base, request);
	if (first == SEGMENT_SLOTS) {
		if (is_plain(request))
			segment->longest = (uint8_t)(request->nr - 1);
		return NULL;
	}
	bitmap_fill(segment->free, first, request->nr, false);
	bitmap_fill(segment->starts, first, 1, true);
	area->nr_free -= request->nr;
	area->warm = n;
	slot = &pool->slots[base + first];
	slot->nr = request->nr;
	slot->next = 0;
	return slot;
}

static struct bounce_slot *take_from(struct bounce_pool *pool, struct bounce_area *area,
				     const struct bounce_request *request)
{
	struct bounce_slot *slot = NULL;
	unsigned long irq;

	spin_lock_irqsave(&area->lock, irq);
	for (unsigned int i = 0, n = area->warm; !slot && i < area->nr_segments; i++) {
		if (area->nr_free < request->nr)
			break;
		slot = take_in(pool, area, n, request);
		n = n + 1 < area->nr_segments ? n + 1 : 0;
	}
	spin_unlock_irqrestore(&area->lock, irq);
	return slot;
}

struct bounce_slot *berth_pool_take(struct bounce_pool *pool, const struct bounce_request *request)
{
	unsigned int first = berth_port_slot() & (pool->nr_areas - 1);
	struct bounce_slot *slot = NULL;

	for (unsigned int i = 0; !slot && i < pool->nr_areas; i++)
		slot = take_from(pool, &pool->areas[(first + i) & (pool->nr_areas - 1)], request);
	return slot;
}

/* Free slots in a row around @first, which is free itself. */
static unsigned int length_around(const struct bounce_segment *segment, unsigned int first,
				  unsigned int nr)
{
	unsigned int end =
		(unsigned int)bitmap_find(segment->free, SEGMENT_SLOTS, first + nr, false);

	while (first && bitmap_test(segment->free, first - 1))
		first--;
	return end - first;
}

/* Areas have equally many segments but for the last one. */
static struct bounce_area *area_of(struct bounce_pool *pool, uint64_t segment, unsigned int *n)
{
	unsigned int each = pool->areas[0].nr_segments;
	uint64_t area = segment / each;

	if (area >= pool->nr_areas)
		area = pool->nr_areas - 1;
	*n = (unsigned int)(segment - area * each);
	return &pool->areas[area];
}

void berth_pool_give(struct bounce_pool *pool, struct bounce_slot *slot)
{
	uint64_t index = (uint64_t)(slot - pool->slots);
	unsigned int first = (unsigned int)(index % SEGMENT_SLOTS), n, nr = slot->nr, length;
	struct bounce_area *area = area_of(pool, index / SEGMENT_SLOTS, &n);
	struct bounce_segment *segment = &area->segments[n];
	unsigned long irq;

	spin_lock_irqsave(&area->lock, irq);
	bitmap_fill(segment->starts, first, 1, false);
	bitmap_fill(segment->free, first, nr, true);
	length = length_around(segment, first, nr);
	if (length > segment->longest)
		segment->longest = (uint8_t)length;
	area->nr_free += nr;
	area->warm = n;
	spin_unlock_irqrestore(&area->lock, irq);
}

struct bounce_slot *berth_pool_run(struct bounce_pool *pool, uint64_t index)
{
	const struct bounce_segment *segment = &pool->areas[0].segments[index / SEGMENT_SLOTS];
	unsigned int at = (unsigned int)(index % SEGMENT_SLOTS);
	struct bounce_slot *slot;

	for (int word = (int)(at / 64); word >= 0; word--) {
		uint64_t starts = __atomic_load_n(&segment->starts[word], __ATOMIC_RELAXED);

		if (word == (int)(at / 64))
			starts &= UINT64_MAX >> (63 - at % 64);
		if (!starts)
			continue;
		at = (unsigned int)word * 64 + highest_bit(starts);
		slot = &pool->slots[(index & ~(uint64_t)(SEGMENT_SLOTS - 1)) + at];
		return index % SEGMENT_SLOTS < at + slot->nr ? slot : NULL;
	}
	return NULL;
}

uint64_t berth_pool_free_slots(struct bounce_pool *pool)
{
	uint64_t slots = 0;

	for (unsigned int i = 0; i < pool->nr_areas; i++) {
		unsigned long irq;

		spin_lock_irqsave(&pool->areas[i].lock, irq);
		slots += pool->areas[i].nr_free;
		spin_unlock_irqrestore(&pool->areas[i].lock, irq);
	}
	return slots;
}

static size_t segments_of(size_t size)
{
	return (size + SEGMENT_SIZE - 1) / SEGMENT_SIZE;
}

size_t berth_pool_records(size_t size, unsigned int nr_areas)
{
	return sizeof(struct bounce_pool) + nr_areas * sizeof(struct bounce_area) +
	       segments_of(size) *
		       (sizeof(struct bounce_segment) + SEGMENT_SLOTS * sizeof(struct bounce_slot));
}

/* The last segment may be shorter than the others. */
static void init_segment(struct bounce_segment *segment, uint64_t slots)
{
	slots = slots < SEGMENT_SLOTS ? slots : SEGMENT_SLOTS;
	bitmap_fill(segment->free, 0, slots, true);
	segment->longest = (uint8_t)slots;
}

struct bounce_pool *berth_pool_init(void *records, phys_addr_t base, size_t size,
				    unsigned int nr_areas)
{
	unsigned int left = (unsigned int)segments_of(size), each = left / nr_areas;
	struct bounce_pool *pool = records;
	uint64_t slots = size / SLOT_SIZE;
	struct bounce_segment *segment;

	memset(pool, 0, berth_pool_records(size, nr_areas));
	pool->base = base;
	pool->size = size;
	pool->virt = phys_to_virt(base);
	pool->slots = (struct bounce_slot *)(pool + 1);
	pool->areas = (struct bounce_area *)(pool->slots + left * SEGMENT_SLOTS);
	segment = (struct bounce_segment *)(pool->areas + nr_areas);
	pool->nr_areas = nr_areas;
	for (unsigned int i = 0; i < nr_areas; i++) {
		struct bounce_area *area = &pool->areas[i];

		area->segments = segment;
		area->nr_segments = i + 1 < nr_areas ? each : left;
		left -= area->nr_segments;
		for (unsigned int n = 0; n < area->nr_segments; n++, segment++) {
			init_segment(segment, slots);
			area->nr_free += segment->longest;
			slots -= segment->longest;
		}
	}
	berth_port_poison(pool->virt, size);
	return pool;
}
