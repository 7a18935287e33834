// SPDX-License-Identifier: BSD-2-Clause
/* Swap: places for pages in backings, a bit each. */
#include <berth/gfp.h>
#include <berth/spinlock.h>

#include "lib/bitmap.h"
#include "lib/error.h"
#include "lib/string.h"
#include "mm/internal.h"
#include "mm/swap.h"

/* @is_closing: nobody gets a place any more; @hand: where the next one is looked for */
struct swap_area {
	struct backing *backing;
	uint64_t *map;
	uint64_t nr, used, hand;
	bool is_closing;
};

/* A leaf. An area with a used place stays as it is. */
static DEFINE_SPINLOCK(swap_lock);
static struct swap_area areas[BERTH_MAX_SWAPS];

static size_t map_bytes(uint64_t nr)
{
	return (size_t)((nr + 63) / 64) * sizeof(uint64_t);
}

/* With the lock. */
static struct swap_area *find_area(const struct backing *backing)
{
	for (unsigned int i = 0; i < BERTH_MAX_SWAPS; i++)
		if (areas[i].backing == backing)
			return &areas[i];
	return NULL;
}

/* With the lock: the first free place from the hand on, round about. There is one. */
static uint64_t take_place(struct swap_area *area)
{
	uint64_t words = (area->nr + 63) / 64;

	for (uint64_t n = area->hand / 64;; n = n + 1 == words ? 0 : n + 1) {
		uint64_t valid = n + 1 == words && area->nr % 64 ? BIT_ULL(area->nr % 64) - 1
								 : UINT64_MAX;
		uint64_t free = ~area->map[n] & valid;
		uint64_t at;

		if (!free)
			continue;
		at = n * 64 + lowest_bit(free);
		area->map[n] |= free & (0 - free);
		area->used++;
		area->hand = at + 1 < area->nr ? at + 1 : 0;
		return at;
	}
}

bool berth_swap_alloc(uint32_t *place)
{
	bool found = false;
	unsigned long flags;

	spin_lock_irqsave(&swap_lock, flags);
	for (unsigned int i = 0; i < BERTH_MAX_SWAPS && !found; i++) {
		struct swap_area *area = &areas[i];

		if (area->is_closing || area->used == area->nr)
			continue;
		*place = i << SWAP_AREA_SHIFT | (uint32_t)take_place(area);
		found = true;
	}
	spin_unlock_irqrestore(&swap_lock, flags);
	return found;
}

void berth_swap_free(uint32_t place)
{
	struct swap_area *area = &areas[place >> SWAP_AREA_SHIFT];
	uint32_t at = place & ~SWAP_AREA;
	unsigned long flags;

	spin_lock_irqsave(&swap_lock, flags);
	area->map[at / 64] &= ~BIT_ULL(at % 64);
	area->used--;
	spin_unlock_irqrestore(&swap_lock, flags);
}

int berth_swap_write(uint32_t place, struct page *page)
{
	struct backing *backing = areas[place >> SWAP_AREA_SHIFT].backing;

	return backing->ops->write_pages(backing, place & ~SWAP_AREA, &page, 1);
}

int berth_swap_read(uint32_t place, struct page *page)
{
	struct backing *backing = areas[place >> SWAP_AREA_SHIFT].backing;

	return backing->ops->read_pages(backing, place & ~SWAP_AREA, &page, 1);
}

uint64_t berth_swap_room(void)
{
	uint64_t room = 0;
	unsigned long flags;

	spin_lock_irqsave(&swap_lock, flags);
	for (unsigned int i = 0; i < BERTH_MAX_SWAPS; i++)
		if (!areas[i].is_closing)
			room += areas[i].nr - areas[i].used;
	spin_unlock_irqrestore(&swap_lock, flags);
	return room;
}

/* An entry of the table; NULL with the reason. */
static struct swap_area *add_area(struct backing *backing, uint64_t *map, uint64_t nr)
{
	struct swap_area *area;
	unsigned long flags;
	int err = 0;

	spin_lock_irqsave(&swap_lock, flags);
	area = find_area(backing);
	if (area)
		err = -EBUSY;
	else
		area = find_area(NULL);
	if (area && !err)
		*area = (struct swap_area){ .backing = backing, .map = map, .nr = nr };
	spin_unlock_irqrestore(&swap_lock, flags);
	if (err)
		berth_fail(err, BERTH_REASON_STATE, backing->name);
	else if (!area)
		berth_fail_limit(-ENOSPC, BERTH_REASON_TABLE_FULL, "swap areas", 0,
				 BERTH_MAX_SWAPS);
	return err ? NULL : area;
}

int berth_swapon(struct backing *backing)
{
	uint64_t size = backing ? __atomic_load_n(&backing->size, __ATOMIC_ACQUIRE) : 0;
	uint64_t nr = min_u64(size >> PAGE_SHIFT, BERTH_SWAP_MAX_PAGES);
	uint64_t *map;

	if (!nr || !backing->ops->write_pages)
		return berth_fail_at(-EINVAL, BERTH_REASON_ARGUMENT,
				     backing ? backing->name : "berth_swapon", size);
	map = alloc_pages_exact(map_bytes(nr), GFP_KERNEL | __GFP_ZERO);
	if (!map)
		return -ENOMEM;
	if (add_area(backing, map, nr))
		return 0;
	free_pages_exact(map, map_bytes(nr));
	return berth_last_error()->code;
}

/* Nobody gets a place from now on, or they do again. False if that was so already. */
static bool close_area(struct swap_area *area, bool is_closing)
{
	unsigned long flags;
	bool is_changed;

	spin_lock_irqsave(&swap_lock, flags);
	is_changed = area->is_closing != is_closing;
	area->is_closing = is_closing;
	spin_unlock_irqrestore(&swap_lock, flags);
	return is_changed;
}

static uint64_t used_of(const struct swap_area *area)
{
	unsigned long flags;
	uint64_t used;

	spin_lock_irqsave(&swap_lock, flags);
	used = area->used;
	spin_unlock_irqrestore(&swap_lock, flags);
	return used;
}

int berth_swapoff(struct backing *backing)
{
	struct swap_area *area, old;
	unsigned long flags;
	uint32_t number;
	int err = 0;

	spin_lock_irqsave(&swap_lock, flags);
	area = backing ? find_area(backing) : NULL;
	spin_unlock_irqrestore(&swap_lock, flags);
	if (!area)
		return berth_fail_at(-EINVAL, BERTH_REASON_NOT_OWNED, "berth_swapoff",
				     (uintptr_t)backing);
	if (!close_area(area, true))
		return berth_fail(-EBUSY, BERTH_REASON_STATE, backing->name);
	number = (uint32_t)(area - areas);
	/* Who got a place before is about to write to it, or to say that it is there. */
	for (unsigned int turn = 0; !err && used_of(area); turn++) {
		err = berth_anon_bring_back(SWAP_AREA, number << SWAP_AREA_SHIFT);
		berth_pause(turn);
	}
	if (err) {
		close_area(area, false);
		return err;
	}
	spin_lock_irqsave(&swap_lock, flags);
	old = *area;
	*area = (struct swap_area){ .backing = NULL };
	spin_unlock_irqrestore(&swap_lock, flags);
	free_pages_exact(old.map, map_bytes(old.nr));
	return 0;
}

void berth_swap_stats(struct berth_swap_stats *stats)
{
	unsigned long flags;

	*stats = (struct berth_swap_stats){ 0, 0 };
	spin_lock_irqsave(&swap_lock, flags);
	for (unsigned int i = 0; i < BERTH_MAX_SWAPS; i++) {
		stats->pages += areas[i].nr;
		stats->used += areas[i].used;
	}
	spin_unlock_irqrestore(&swap_lock, flags);
}

void berth_swap_reset(void)
{
	memset(areas, 0, sizeof(areas));
}
