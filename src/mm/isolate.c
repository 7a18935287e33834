// SPDX-License-Identifier: BSD-2-Clause
/*
 * Page blocks from which nothing is handed out while a range in them is being emptied. What is free
 * in them moves to lists of its own and back, so the undo leaves what was there before.
 *
 * Several requests may want a page block of a CMA area isolated: the area's bitmap sees to it that
 * their ranges do not meet. Outside of areas a second request is refused: that is what keeps two of
 * them from emptying the same pages.
 */
#include "mm/internal.h"

/* The zone's lock is held. */
static int isolate_block(struct zone *zone, const struct berth_mem_map *bank, uint64_t pfn,
			 bool cma)
{
	uint8_t *isolation = block_isolation(bank, pfn);
	unsigned int type = *block_type(bank, pfn);
	unsigned int own = *isolation ? *isolation >> ISOLATION_TYPE_SHIFT : type;

	if (is_cma_type(own) != cma)
		return -EBUSY;
	if (*isolation && (!cma || (*isolation & ISOLATION_COUNT) == ISOLATION_COUNT))
		return -EBUSY;
	if (*isolation) {
		__atomic_store_n(isolation, (uint8_t)(*isolation + 1), __ATOMIC_RELEASE);
		return 0;
	}
	__atomic_store_n(isolation, (uint8_t)(type << ISOLATION_TYPE_SHIFT | 1), __ATOMIC_RELEASE);
	berth_retype_block(zone, bank, pfn, MIGRATE_ISOLATE);
	return 0;
}

static void unisolate_block(struct zone *zone, const struct berth_mem_map *bank, uint64_t pfn)
{
	uint8_t *isolation = block_isolation(bank, pfn);

	if ((*isolation & ISOLATION_COUNT) > 1) {
		__atomic_store_n(isolation, (uint8_t)(*isolation - 1), __ATOMIC_RELEASE);
		return;
	}
	berth_retype_block(zone, bank, pfn, *isolation >> ISOLATION_TYPE_SHIFT);
	__atomic_store_n(isolation, 0, __ATOMIC_RELEASE);
}

int berth_isolate_blocks(uint64_t pfn, uint64_t nr, bool cma, uint64_t *busy)
{
	const struct berth_mem_map *bank = bank_of(pfn);
	int err = 0;

	for (uint64_t at = pfn; at < pfn + nr; at = (at | (pageblock_nr_pages - 1)) + 1) {
		struct zone *zone = &berth_zones[zone_index(at)];
		unsigned long irq;

		spin_lock_irqsave(&zone->lock, irq);
		err = isolate_block(zone, bank, at, cma);
		spin_unlock_irqrestore(&zone->lock, irq);
		if (err) {
			*busy = at;
			if (at > pfn)
				berth_unisolate_blocks(pfn, (at & ~(pageblock_nr_pages - 1)) - pfn);
			return err;
		}
	}
	return 0;
}

void berth_unisolate_blocks(uint64_t pfn, uint64_t nr)
{
	const struct berth_mem_map *bank = bank_of(pfn);

	for (uint64_t at = pfn; at < pfn + nr; at = (at | (pageblock_nr_pages - 1)) + 1) {
		struct zone *zone = &berth_zones[zone_index(at)];
		unsigned long irq;

		spin_lock_irqsave(&zone->lock, irq);
		unisolate_block(zone, bank, at);
		spin_unlock_irqrestore(&zone->lock, irq);
	}
}
