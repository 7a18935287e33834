// SPDX-License-Identifier: BSD-2-Clause
/* The buddy allocator: zones and their blocks. Blocks never span zones: their limits are multiples of the largest block. */
#include <berth/gfp.h>
#include <berth/migrate.h>

#include "lib/bitmap.h"
#include "lib/error.h"
#include "lib/fault.h"
#include "lib/string.h"
#include "mm/internal.h"

struct zone berth_zones[NR_ZONES];

/* Whose page blocks a request may take when its own type has nothing. From CMA on: nobody. */
static const uint8_t fallbacks[][2] = {
	[MIGRATE_UNMOVABLE] = { MIGRATE_RECLAIMABLE, MIGRATE_MOVABLE },
	[MIGRATE_MOVABLE] = { MIGRATE_RECLAIMABLE, MIGRATE_UNMOVABLE },
	[MIGRATE_RECLAIMABLE] = { MIGRATE_UNMOVABLE, MIGRATE_MOVABLE },
};

static unsigned int page_type(const struct page *page)
{
	return (page_flags(page) & PG_TYPE) >> PG_TYPE_SHIFT;
}

/* High memory has no address that could be poisoned. */
static void unpoison(uint64_t pfn, uint64_t nr)
{
	if (pfn < berth_high_pfn)
		berth_port_unpoison(phys_to_virt(PFN_PHYS(pfn)), (size_t)nr << PAGE_SHIFT);
}

void berth_not_owned(const char *subject, uint64_t address, uint64_t pfn)
{
	struct berth_error *error = berth_error_set(-EINVAL, BERTH_REASON_NOT_OWNED, subject);

	error->address = address;
	error->pfn = pfn;
}

const struct berth_mem_map *berth_bank_of_page(const struct page *page)
{
	for (unsigned int i = 0; i < berth_nr_mem_maps; i++) {
		const struct berth_mem_map *bank = &berth_mem_map[i];
		uintptr_t at = (uintptr_t)page - (uintptr_t)bank->pages;

		if (at < bank->nr * sizeof(*page))
			return at % sizeof(*page) ? NULL : bank;
	}
	return NULL;
}

uint64_t berth_block_head(const struct berth_mem_map *bank, uint64_t pfn)
{
	for (unsigned int order = 0; order <= MAX_ORDER; order++) {
		uint64_t head = pfn & ~((1ULL << order) - 1);
		const struct page *page;

		if (head < bank->pfn)
			break;
		page = page_in(bank, head);
		if (page_state(page) != PG_TAIL)
			return page_order(page) >= order ? head : NO_PAGE;
	}
	return NO_PAGE;
}

void berth_zones_reset(void)
{
	memset(berth_zones, 0, sizeof(berth_zones));
	for (unsigned int i = 0; i < NR_ZONES; i++)
		memset(berth_zones[i].first, 0xff, sizeof(berth_zones[i].first));
}

/* Pages that everybody may have: those of areas are the tenants', and nobody's while they are emptied. */
static uint64_t ordinary_free(const struct zone *zone)
{
	return zone->free - zone->free_cma - zone->free_isolated;
}

/*
 * A part of the memory is for those who cannot wait until a tenant has given pages up. A small machine
 * needs every page.
 */
#define RESERVE_SHARE 256u
#define SMALL_MACHINE PFN_DOWN(32ULL << 20)

void berth_zones_set_reserves(void)
{
	uint64_t pages = 0;

	for (unsigned int i = 0; i < ZONE_HIGHMEM; i++)
		pages += ordinary_free(&berth_zones[i]);
	for (unsigned int i = 0; i < ZONE_HIGHMEM; i++)
		berth_zones[i].reserve =
			pages < SMALL_MACHINE ? 0 : ordinary_free(&berth_zones[i]) / RESERVE_SHARE;
}

/* Whether @nr pages may be taken by who asks with @gfp. The zone's lock is held. */
static bool may_take(const struct zone *zone, gfp_t gfp, uint64_t nr)
{
	return !gfpflags_allow_blocking(gfp) || ordinary_free(zone) >= nr + zone->reserve;
}

/* The order of the largest block at the start of a run of pages. */
static unsigned int largest_block(uint64_t pfn, uint64_t nr)
{
	unsigned int order = highest_bit(nr);

	if (pfn && lowest_bit(pfn) < order)
		order = lowest_bit(pfn);
	return order < MAX_ORDER ? order : MAX_ORDER;
}

/* Free lists; the zone's lock is held. */

static void list_add(struct zone *zone, const struct berth_mem_map *bank, uint64_t pfn,
		     unsigned int order, unsigned int type)
{
	struct page *page = page_in(bank, pfn);
	uint32_t first = zone->first[order][type];

	page->next = first;
	page->prev = NO_PAGE;
	if (first != NO_PAGE)
		pfn_to_page(first)->prev = (uint32_t)pfn;
	zone->first[order][type] = (uint32_t)pfn;
	zone->orders[type] |= 1u << order;
	page_set_flags(page, PG_FREE | order | type << PG_TYPE_SHIFT);
}

static void list_del(struct zone *zone, struct page *page)
{
	unsigned int order = page_order(page);
	unsigned int type = page_type(page);

	if (page->next != NO_PAGE)
		pfn_to_page(page->next)->prev = page->prev;
	if (page->prev != NO_PAGE)
		pfn_to_page(page->prev)->next = page->next;
	else
		zone->first[order][type] = page->next;
	if (zone->first[order][type] == NO_PAGE)
		zone->orders[type] &= ~(1u << order);
	page_set_flags(page, PG_TAIL);
}

/* @pages more are free in page blocks of one type; negative: less. */
static void count_free(struct zone *zone, unsigned int type, int64_t pages)
{
	zone->free += (uint64_t)pages;
	if (is_cma_type(type))
		zone->free_cma += (uint64_t)pages;
	else if (type == MIGRATE_ISOLATE)
		zone->free_isolated += (uint64_t)pages;
}

static void set_block_types(const struct berth_mem_map *bank, uint64_t pfn, unsigned int order,
			    unsigned int type)
{
	for (uint64_t at = pfn; at < pfn + (1ULL << order); at += pageblock_nr_pages)
		set_block_type(bank, at, type);
}

/*
 * Put a block whose pages are all PG_TAIL into the lists, merged with its neighbours. All page
 * blocks of a free block have one type: that of the list.
 */
static void insert_block(struct zone *zone, const struct berth_mem_map *bank, uint64_t pfn,
			 unsigned int order)
{
	unsigned int type = *block_type(bank, pfn);

	count_free(zone, type, (int64_t)1 << order);
	while (order < MAX_ORDER) {
		uint64_t buddy = pfn ^ (1ULL << order);
		struct page *page;

		if (buddy - bank->pfn >= bank->nr)
			break;
		page = page_in(bank, buddy);
		if (!is_head(page, PG_FREE, order))
			break;
		if (page_type(page) != type) {
			if (type >= MIGRATE_CMA || page_type(page) >= MIGRATE_CMA)
				break;
			set_block_types(bank, buddy, order, type);
		}
		list_del(zone, page);
		pfn &= buddy;
		order++;
	}
	list_add(zone, bank, pfn, order, type);
}

/* Take the lowest 2^@order pages of a free block; the rest goes back. */
static struct page *take_low(struct zone *zone, struct page *page, unsigned int order)
{
	const struct berth_mem_map *bank = berth_bank_of_page(page);
	uint64_t pfn = bank->pfn + (uint64_t)(page - bank->pages);
	unsigned int high = page_order(page);
	unsigned int type = page_type(page);

	list_del(zone, page);
	while (high > order) {
		high--;
		list_add(zone, bank, pfn + (1ULL << high), high, type);
	}
	count_free(zone, type, -((int64_t)1 << order));
	page->index = 0;
	__atomic_store_n(&page->refcount, 1, __ATOMIC_RELAXED);
	page_set_flags(page, PG_USED | order);
	return page;
}

/* A block in one list whose lowest 2^@order pages are below @end. */
static struct page *first_fit(const struct zone *zone, unsigned int list, unsigned int type,
			      unsigned int order, uint64_t end)
{
	uint32_t pfn = zone->first[list][type];

	while (pfn != NO_PAGE) {
		struct page *page = pfn_to_page(pfn);

		if (pfn + (1ULL << order) <= end)
			return page;
		pfn = page->next;
	}
	return NULL;
}

static struct page *smallest_fit(const struct zone *zone, unsigned int type, unsigned int order,
				 uint64_t end)
{
	uint32_t lists = zone->orders[type] & (UINT32_MAX << order);

	for (; lists; lists &= lists - 1) {
		struct page *page = first_fit(zone, lowest_bit(lists), type, order, end);

		if (page)
			return page;
	}
	return NULL;
}

/*
 * Give the page blocks around a free block another type, if that is worth it: when it is whole page
 * blocks, or when at least half of the page block is free.
 */
static bool claim(struct zone *zone, struct page *page, unsigned int type)
{
	const struct berth_mem_map *bank = berth_bank_of_page(page);
	uint64_t pfn = bank->pfn + (uint64_t)(page - bank->pages);
	unsigned int order = page_order(page);
	uint64_t start, end;
	uint64_t nr_free = 0;

	if (order >= pageblock_order) {
		list_del(zone, page);
		set_block_types(bank, pfn, order, type);
		list_add(zone, bank, pfn, order, type);
		return true;
	}
	if (type == MIGRATE_MOVABLE && order < pageblock_order / 2)
		return false;

	start = pfn & ~(pageblock_nr_pages - 1);
	end = min_u64(start + pageblock_nr_pages, bank->pfn + bank->nr);
	start = start > bank->pfn ? start : bank->pfn;
	for (uint64_t at = start; at < end; at++)
		if (page_state(page_in(bank, at)) == PG_FREE)
			nr_free += 1ULL << page_order(page_in(bank, at));
	if (nr_free < (end - start) / 2)
		return false;

	set_block_type(bank, pfn, type);
	for (uint64_t at = start; at < end; at++) {
		page = page_in(bank, at);
		if (page_state(page) == PG_FREE) {
			order = page_order(page);
			list_del(zone, page);
			list_add(zone, bank, at, order, type);
		}
	}
	return true;
}

/* The largest block of another type, so that page blocks of mixed use stay few. */
static struct page *largest_fallback(const struct zone *zone, unsigned int type, unsigned int order,
				     uint64_t end)
{
	const uint8_t *types = fallbacks[type];
	uint32_t lists = (zone->orders[types[0]] | zone->orders[types[1]]) & (UINT32_MAX << order);

	while (lists) {
		unsigned int list = highest_bit(lists);
		struct page *page = first_fit(zone, list, types[0], order, end);

		if (!page)
			page = first_fit(zone, list, types[1], order, end);
		if (page)
			return page;
		lists ^= 1u << list;
	}
	return NULL;
}

static struct page *take(struct zone *zone, unsigned int order, unsigned int type, uint64_t end)
{
	struct page *page = smallest_fit(zone, type, order, end);

	if (page)
		return take_low(zone, page, order);
	page = largest_fallback(zone, type, order, end);
	if (!page)
		return NULL;
	if (claim(zone, page, type))
		return take_low(zone, smallest_fit(zone, type, order, end), order);
	page = smallest_fit(zone, fallbacks[type][0], order, end);
	if (!page)
		page = smallest_fit(zone, fallbacks[type][1], order, end);
	return take_low(zone, page, order);
}

/* Cut a block that was taken into blocks for a list, the lowest first, in front of @first. */
static struct page *chain(struct page *page, unsigned int whole, unsigned int order, uint32_t flags,
			  struct page *first)
{
	for (unsigned int i = 1u << whole; i;) {
		i -= 1u << order;
		page[i].index = (uintptr_t)first;
		__atomic_store_n(&page[i].refcount, 0, __ATOMIC_RELAXED);
		page_set_flags(&page[i], flags);
		first = &page[i];
	}
	return first;
}

unsigned int berth_zone_take(struct zone *zone, unsigned int order, unsigned int type,
			     unsigned int nr, uint32_t flags, struct page **first)
{
	unsigned int taken = 0;
	unsigned long irq;

	*first = NULL;
	spin_lock_irqsave(&zone->lock, irq);
	/* Whoever asks for a list's blocks, they are not the reserve's. */
	while (taken < nr && may_take(zone, GFP_KERNEL, (uint64_t)(nr - taken) << order)) {
		unsigned int whole = order + highest_bit(nr - taken);
		struct page *page = smallest_fit(zone, type, order, NO_PAGE);

		if (page) {
			whole = page_order(page) < whole ? page_order(page) : whole;
			page = take_low(zone, page, whole);
		} else {
			whole = order;
			page = take(zone, order, type, NO_PAGE);
			if (!page)
				break;
		}
		*first = chain(page, whole, order, flags, *first);
		taken += 1u << (whole - order);
	}
	spin_unlock_irqrestore(&zone->lock, irq);
	return taken;
}

/* The zone's lock is held. */
static void insert_run(struct zone *zone, const struct berth_mem_map *bank, uint64_t pfn,
		       uint64_t nr)
{
	while (nr) {
		unsigned int order = largest_block(pfn, nr);

		insert_block(zone, bank, pfn, order);
		pfn += 1ULL << order;
		nr -= 1ULL << order;
	}
}

void berth_zone_give(struct zone *zone, struct page *first)
{
	unsigned long irq;

	if (!first)
		return;
	spin_lock_irqsave(&zone->lock, irq);
	while (first) {
		const struct berth_mem_map *bank = berth_bank_of_page(first);
		uint64_t nr = 1ULL << page_order(first);
		struct page *low = first, *high = first + nr;
		const struct page *end = bank->pages + bank->nr;

		/* What lies side by side goes back in one piece. */
		for (;;) {
			struct page *page = first;

			first = (struct page *)(uintptr_t)page->index;
			page_set_flags(page, PG_TAIL);
			if (first && first == high && first < end)
				high += nr;
			else if (first && first + nr == low && low > bank->pages)
				low = first;
			else
				break;
		}
		insert_run(zone, bank, bank->pfn + (uint64_t)(low - bank->pages),
			   (uint64_t)(high - low));
	}
	spin_unlock_irqrestore(&zone->lock, irq);
}

struct page *berth_zone_alloc(struct zone *zone, gfp_t gfp, unsigned int order, uint64_t end)
{
	struct page *page = NULL;
	unsigned long irq;

	spin_lock_irqsave(&zone->lock, irq);
	if (may_take(zone, gfp, 1ULL << order))
		page = take(zone, order, berth_gfp_type(gfp), end);
	spin_unlock_irqrestore(&zone->lock, irq);
	return page;
}

/* Linux's rule: from CMA first while that is more than half of what is free. */
static struct page *take_movable(struct zone *zone, gfp_t gfp, uint64_t end)
{
	static const uint8_t own[] = { MIGRATE_MOVABLE };
	static const uint8_t lent[] = { MIGRATE_CMA_GUARANTEED, MIGRATE_CMA };
	const uint8_t *clean = gfp & BERTH_GFP_CLEAN ? lent : lent + 1;
	unsigned int nr_lent = (unsigned int)(lent + ARRAY_SIZE(lent) - clean);
	bool lent_first = zone->free_cma > (zone->free - zone->free_isolated) / 2;
	bool may_have_own = may_take(zone, gfp, 1);
	struct page *page = NULL;

	for (unsigned int i = 0; i < 2 && !page; i++) {
		const uint8_t *types = (i == 0) == lent_first ? clean : own;
		unsigned int nr = types != own ? nr_lent : may_have_own ? 1 : 0;

		for (unsigned int n = 0; n < nr && !page; n++)
			page = smallest_fit(zone, types[n], 0, end);
	}
	if (page)
		return take_low(zone, page, 0);
	return may_have_own ? take(zone, 0, MIGRATE_MOVABLE, end) : NULL;
}

struct page *berth_zone_alloc_movable(struct zone *zone, gfp_t gfp, uint64_t end, uint32_t flags,
				      uint64_t index)
{
	struct page *page;
	unsigned long irq;

	spin_lock_irqsave(&zone->lock, irq);
	page = take_movable(zone, gfp, end);
	if (page) {
		/* Whoever looks at pages in use with the zone's lock sees the tenant too. */
		page->index = index;
		__atomic_store_n(&page->flags, flags, __ATOMIC_RELEASE);
		berth_port_unpoison(page_address(page), PAGE_SIZE);
	}
	spin_unlock_irqrestore(&zone->lock, irq);
	return page;
}

void berth_free_block(const struct berth_mem_map *bank, uint64_t pfn, unsigned int order)
{
	struct zone *zone = &berth_zones[zone_index(pfn)];
	unsigned long flags;

	/* First: others may take it at once. */
	if (pfn < berth_high_pfn)
		berth_port_poison(phys_to_virt(PFN_PHYS(pfn)), PAGE_SIZE << order);
	spin_lock_irqsave(&zone->lock, flags);
	page_set_flags(page_in(bank, pfn), PG_TAIL);
	insert_block(zone, bank, pfn, order);
	spin_unlock_irqrestore(&zone->lock, flags);
}

void berth_free_run(const struct berth_mem_map *bank, uint64_t pfn, uint64_t nr)
{
	while (nr) {
		unsigned int order = largest_block(pfn, nr);

		berth_free_block(bank, pfn, order);
		pfn += 1ULL << order;
		nr -= 1ULL << order;
	}
}

void berth_pages_add(uint64_t pfn, uint64_t nr)
{
	const struct berth_mem_map *bank = bank_of(pfn);

	for (uint64_t at = pfn; at < pfn + nr; at++) {
		page_set_flags(page_in(bank, at), PG_TAIL);
		berth_zones[zone_index(at)].managed++;
	}
	berth_free_run(bank, pfn, nr);
}

/* A free block of several page blocks is split until the one around @pfn is a block by itself. */
static void cut_out(struct zone *zone, const struct berth_mem_map *bank, uint64_t pfn)
{
	uint64_t head = berth_block_head(bank, pfn);
	struct page *page;
	unsigned int order, type;

	if (head == NO_PAGE)
		return;
	page = page_in(bank, head);
	order = page_order(page);
	if (page_state(page) != PG_FREE || order <= pageblock_order)
		return;
	type = page_type(page);
	list_del(zone, page);
	while (order-- > pageblock_order) {
		uint64_t half = head + (1ULL << order);

		list_add(zone, bank, pfn < half ? half : head, order, type);
		if (pfn >= half)
			head = half;
	}
	list_add(zone, bank, head, pageblock_order, type);
}

void berth_retype_block(struct zone *zone, const struct berth_mem_map *bank, uint64_t pfn,
			unsigned int type)
{
	uint64_t start = pfn & ~(pageblock_nr_pages - 1);
	uint64_t end = min_u64(start + pageblock_nr_pages, bank->pfn + bank->nr);

	start = start > bank->pfn ? start : bank->pfn;
	cut_out(zone, bank, start);
	/* All of it out first: no list may hold a page block's memory under two types. */
	for (uint64_t at = start; at < end;) {
		struct page *page = page_in(bank, at);
		unsigned int order = page_order(page);

		if (page_state(page) != PG_FREE) {
			at++;
			continue;
		}
		count_free(zone, page_type(page), -((int64_t)1 << order));
		list_del(zone, page);
		page_set_flags(page, PG_TAIL | order | PG_RETYPED);
		at += 1ULL << order;
	}
	set_block_type(bank, pfn, type);
	for (uint64_t at = start; at < end;) {
		struct page *page = page_in(bank, at);
		unsigned int order = page_order(page);

		if (page_flags(page) & PG_RETYPED && page_state(page) == PG_TAIL) {
			page_set_flags(page, PG_TAIL);
			insert_block(zone, bank, at, order);
			at += 1ULL << order;
		} else {
			at++;
		}
	}
}

/* Taking an exact range. */

/* What of a free block lies in [pfn, end) becomes single pages, the rest goes back. */
static void carve(struct zone *zone, const struct berth_mem_map *bank, uint64_t head,
		  unsigned int order, uint64_t pfn, uint64_t end, uint32_t flags)
{
	uint64_t behind = head + (1ULL << order);

	if (behind <= pfn || head >= end) {
		list_add(zone, bank, head, order, *block_type(bank, head));
	} else if (head >= pfn && behind <= end) {
		for (uint64_t at = head; at < behind; at++) {
			struct page *page = page_in(bank, at);

			page->index = 0;
			__atomic_store_n(&page->refcount, 1, __ATOMIC_RELAXED);
			page_set_flags(page, flags);
		}
		count_free(zone, *block_type(bank, head), -((int64_t)1 << order));
	} else {
		order--;
		carve(zone, bank, head, order, pfn, end, flags);
		carve(zone, bank, head + (1ULL << order), order, pfn, end, flags);
	}
}

int berth_take_free_range(uint64_t pfn, uint64_t nr, enum page_state state, uint64_t *busy)
{
	const struct berth_mem_map *bank = bank_of(pfn);
	uint64_t end = pfn + nr;
	unsigned int low = zone_index(pfn);
	unsigned int high = zone_index(end - 1);
	unsigned long irq;
	uint64_t at, head;
	int err = 0;

	if (!nr || !bank || nr > bank->pfn + bank->nr - pfn)
		return -EINVAL;

	irq = berth_port_irq_save();
	for (unsigned int i = low; i <= high; i++)
		spin_lock(&berth_zones[i].lock);

	for (at = pfn; at < end; at = head + (1ULL << page_order(page_in(bank, head)))) {
		head = berth_block_head(bank, at);
		if (head == NO_PAGE || page_state(page_in(bank, head)) != PG_FREE) {
			*busy = at;
			err = -EBUSY;
			goto unlock;
		}
	}
	for (at = pfn; at < end;) {
		struct zone *zone = &berth_zones[zone_index(at)];
		unsigned int order;

		head = berth_block_head(bank, at);
		order = page_order(page_in(bank, head));
		list_del(zone, page_in(bank, head));
		carve(zone, bank, head, order, pfn, end, state);
		at = head + (1ULL << order);
	}
unlock:
	for (unsigned int i = high + 1; i-- > low;)
		spin_unlock(&berth_zones[i].lock);
	berth_port_irq_restore(irq);
	if (!err)
		unpoison(pfn, nr);
	return err;
}

bool berth_take_free_pages(uint64_t pfn, uint64_t nr, uint64_t *busy)
{
	const struct berth_mem_map *bank = bank_of(pfn);

	*busy = pfn;
	if (!bank || nr > bank->pfn + bank->nr - pfn || berth_should_fail())
		return false;
	for (uint64_t at = pfn; at < pfn + nr; at = (at | (pageblock_nr_pages - 1)) + 1) {
		if (is_cma_type(*block_type(bank, at))) {
			*busy = at | (pageblock_nr_pages - 1);
			return false;
		}
	}
	if (!berth_take_free_range(pfn, nr, PG_USED, busy))
		return true;
	return berth_pcp_drain() && !berth_take_free_range(pfn, nr, PG_USED, busy);
}
