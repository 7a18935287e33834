// SPDX-License-Identifier: BSD-2-Clause
/*
 * Allocations: which zones they may use, and what is tried before one fails. A slot's list, the
 * zones, what is kept in lists and slabs, and then what tenants give up.
 */
#include <berth/gfp.h>
#include <berth/migrate.h>

#include "lib/error.h"
#include "lib/fault.h"
#include "lib/string.h"
#include "mm/internal.h"

/* As Linux: above it an allocation is not worth much trouble. */
#define COSTLY_ORDER 3u
#define RECLAIM_TURNS 16u

unsigned int berth_gfp_type(gfp_t gfp)
{
	return gfp & __GFP_MOVABLE	 ? MIGRATE_MOVABLE
	       : gfp & __GFP_RECLAIMABLE ? MIGRATE_RECLAIMABLE
					 : MIGRATE_UNMOVABLE;
}

uint64_t berth_gfp_end(gfp_t gfp)
{
	uint64_t end = gfp & __GFP_DMA	   ? PFN_DOWN(16ULL << 20)
		       : gfp & __GFP_DMA32 ? PFN_DOWN(4ULL << 30)
					   : NO_PAGE;

	return gfp & __GFP_HIGHMEM ? end : min_u64(end, berth_high_pfn);
}

uint64_t berth_free_bytes(uint64_t end)
{
	uint64_t pages = 0;

	for (unsigned int i = 0; end && i <= zone_index(end - 1); i++) {
		struct zone *zone = &berth_zones[i];
		unsigned long flags;

		spin_lock_irqsave(&zone->lock, flags);
		pages += zone->free - zone->free_cma - zone->free_isolated;
		spin_unlock_irqrestore(&zone->lock, flags);
	}
	return pages << PAGE_SHIFT;
}

static struct page *take_from_zones(gfp_t gfp, unsigned int order, uint64_t end)
{
	struct page *page = NULL;

	if (!(gfp & __GFP_HIGHMEM))
		end = min_u64(end, berth_high_pfn);
	if (!end)
		return NULL;
	for (unsigned int i = zone_index(end - 1) + 1; i-- > 0 && !page;) {
		if (berth_zones[i].managed)
			page = berth_zone_alloc(&berth_zones[i], gfp, order, end);
	}
	return page;
}

/* What is kept for the next allocation of its kind. False if there was nothing. */
static bool give_back_spares(void)
{
	bool found = berth_slab_shrink();

	return berth_pcp_drain() || found;
}

static struct page *take_or_drain(gfp_t gfp, unsigned int order, uint64_t end)
{
	struct page *page = NULL;

	if (end == berth_gfp_end(gfp))
		page = berth_pcp_alloc(gfp, order);
	if (!page)
		page = take_from_zones(gfp, order, end);
	if (!page && give_back_spares())
		page = take_from_zones(gfp, order, end);
	return page;
}

/* Turns of reclaim before an allocation fails: single pages do not make a large block. */
static unsigned int reclaim_turns(unsigned int order)
{
	return order > COSTLY_ORDER ? 1 : RECLAIM_TURNS;
}

static uint64_t reclaim_batch(unsigned int order)
{
	return 1ULL << order > BERTH_MIGRATE_BATCH ? 1ULL << order : BERTH_MIGRATE_BATCH;
}

/* What was free, for its user. NULL if high memory cannot be zeroed; then it is free again. */
static struct page *make_ready(struct page *page, gfp_t gfp, unsigned int order)
{
	if (!PageHighMem(page)) {
		berth_port_unpoison(page_address(page), PAGE_SIZE << order);
		if (gfp & __GFP_ZERO)
			memset(page_address(page), 0, PAGE_SIZE << order);
	} else if (gfp & __GFP_ZERO && !berth_clear_high(page, order)) {
		__free_pages(page, order);
		return NULL;
	}
	return page;
}

struct page *berth_try_pages(gfp_t gfp, unsigned int order, uint64_t end)
{
	struct page *page;

	if (berth_should_fail() || !end)
		return NULL;
	page = take_or_drain(gfp, order, end);
	/* Only tenants are given pages of CMA areas. */
	for (unsigned int turn = 0;
	     !page && turn < reclaim_turns(order) &&
	     berth_reclaim_below(gfp & ~__GFP_MOVABLE, reclaim_batch(order), end);
	     turn++)
		page = take_or_drain(gfp, order, end);
	if (!page)
		return NULL;
	return make_ready(page, gfp, order);
}

static struct page *take_for_tenant(gfp_t gfp, uint32_t flags, uint64_t index)
{
	/* Tenants read and write their pages, and move them. */
	uint64_t end = berth_gfp_end(gfp & ~__GFP_HIGHMEM);
	struct page *page = NULL;

	for (unsigned int i = zone_index(end - 1) + 1; i-- > 0 && !page;) {
		if (berth_zones[i].managed)
			page = berth_zone_alloc_movable(&berth_zones[i], gfp, end, flags, index);
	}
	if (page && gfp & __GFP_ZERO)
		memset(page_address(page), 0, PAGE_SIZE);
	return page;
}

struct page *berth_take_movable(gfp_t gfp, uint32_t flags, uint64_t index)
{
	struct page *page;

	if (berth_should_fail())
		return NULL;
	page = take_for_tenant(gfp, flags, index);
	if (!page && give_back_spares())
		page = take_for_tenant(gfp, flags, index);
	for (unsigned int turn = 0;
	     !page && turn < RECLAIM_TURNS &&
	     berth_reclaim_below(gfp | __GFP_MOVABLE, BERTH_MIGRATE_BATCH, berth_gfp_end(gfp));
	     turn++)
		page = take_for_tenant(gfp, flags, index);
	return page;
}

struct page *berth_alloc_pages_below(gfp_t gfp, unsigned int order, phys_addr_t limit)
{
	uint64_t end = limit == UINT64_MAX ? NO_PAGE : PFN_DOWN(limit + 1);
	struct page *page;

	if (order > MAX_ORDER) {
		berth_fail_limit(-EINVAL, BERTH_REASON_TOO_LARGE, "page allocator",
				 order < 52 ? (uint64_t)PAGE_SIZE << order : UINT64_MAX,
				 PAGE_SIZE << MAX_ORDER);
		return NULL;
	}
	end = min_u64(end, berth_gfp_end(gfp));
	page = berth_try_pages(gfp, order, end);
	if (!page)
		berth_fail_limit(-ENOMEM, BERTH_REASON_OUT_OF_MEMORY, "page allocator",
				 PAGE_SIZE << order, berth_free_bytes(end));
	return page;
}

struct page *berth_do_alloc_pages(gfp_t gfp, unsigned int order)
{
	return berth_alloc_pages_below(gfp, order, UINT64_MAX);
}
