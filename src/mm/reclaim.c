// SPDX-License-Identifier: BSD-2-Clause
/*
 * Reclaim: when memory is short tenants give pages up. A clock goes over the memory map: what was
 * used since its hand last passed has a second chance, clean pages go before those that must be
 * written first.
 */
#include <berth/gfp.h>
#include <berth/migrate.h>

#include "mm/internal.h"

/* So many pages that are not clean may refuse in one sweep: a disk that fails fails for all. */
#define MAX_REFUSALS 32u

/*
 * struct sweep - one turn of the clock's hand
 * @gfp, @end: where pages are of use
 * @max: how many to find
 * @dirty: those that are not clean, else clean ones
 * @second_chance: spare what was used, and forget that it was
 * @counts: only count
 * @has_clean, @has_dirty: whether there were such pages, whatever was looked for
 * @full: by number, tenants that can write nothing now
 */
struct sweep {
	gfp_t gfp;
	uint64_t end;
	uint64_t max;
	bool dirty;
	bool second_chance;
	bool counts;
	bool has_clean;
	bool has_dirty;
	unsigned int refusals;
	uint64_t found;
	uint64_t full[(BERTH_MAX_TENANTS + 64) / 64];
};

/* struct reclaimer - a thread that reclaims, on its stack; @who is unique to a thread */
struct reclaimer {
	const struct berth_error *who;
	struct reclaimer *next;
};

static struct {
	spinlock_t lock;
	struct reclaimer *first;
} reclaimers;

/* Where the next sweep goes on, so that all have their turn. */
static uint64_t clock_hand;

void berth_reclaim_reset(void)
{
	__atomic_store_n(&clock_hand, 0, __ATOMIC_RELAXED);
}

/* Whether a page there would be of use once it is free. */
static bool is_useful(const struct sweep *sweep, const struct berth_mem_map *bank, uint64_t pfn)
{
	gfp_t gfp = sweep->gfp;
	unsigned int type;

	if (__atomic_load_n(block_isolation(bank, pfn), __ATOMIC_RELAXED))
		return false;
	type = __atomic_load_n(block_type(bank, pfn), __ATOMIC_RELAXED);
	if (type == MIGRATE_CMA)
		return gfp & __GFP_MOVABLE;
	if (type == MIGRATE_CMA_GUARANTEED)
		return gfp & __GFP_MOVABLE && gfp & BERTH_GFP_CLEAN;
	return type != MIGRATE_ISOLATE;
}

/* Whether the tenant of a page says that it can write one now. */
static bool has_room(struct sweep *sweep, uint32_t flags)
{
	unsigned int number = (flags & PG_TENANT) >> PG_TENANT_SHIFT;
	const struct movable_operations *ops;
	bool can;

	if (sweep->full[number / 64] & BIT_ULL(number % 64))
		return false;
	ops = berth_tenant_get(flags);
	can = ops && ops->reclaim_page && ops->room && ops->room();
	if (ops)
		berth_tenant_put(flags);
	if (!can)
		sweep->full[number / 64] |= BIT_ULL(number % 64);
	return can;
}

static bool give_up(struct page *page)
{
	/* Never waits: the caller may hold a lock of this tenant's. */
	if (berth_isolate_page(page, 0, MIGRATE_ASYNC))
		return false;
	if (berth_reclaim_page(page)) {
		berth_isolated_done(page);
		return true;
	}
	berth_putback_page(page);
	return false;
}

static bool visit(struct sweep *sweep, struct page *page, uint32_t flags)
{
	bool is_clean = flags & PG_CLEAN;

	sweep->has_clean |= is_clean;
	sweep->has_dirty |= !is_clean;
	if (is_clean == sweep->dirty)
		return false;
	if (sweep->counts)
		return true;
	if (sweep->second_chance && flags & PG_REFERENCED) {
		berth_change_page_flags(page, PG_REFERENCED, 0);
		return false;
	}
	if (sweep->dirty && !has_room(sweep, flags))
		return false;
	if (give_up(page))
		return true;
	sweep->refusals += sweep->dirty;
	return false;
}

static void sweep_part(struct sweep *sweep, const struct berth_mem_map *bank, uint64_t pfn,
		       uint64_t end)
{
	end = end < sweep->end ? end : sweep->end;
	for (; pfn < end && sweep->found < sweep->max && sweep->refusals < MAX_REFUSALS; pfn++) {
		struct page *page = page_in(bank, pfn);
		uint32_t flags = page_flags(page);

		if (!has_tenant(flags) || flags & PG_ISOLATED || page_count(page) != 1 ||
		    !is_useful(sweep, bank, pfn) || !visit(sweep, page, flags))
			continue;
		sweep->found++;
		__atomic_store_n(&clock_hand, pfn + 1, __ATOMIC_RELAXED);
	}
}

/* From the hand on, once around. */
static void sweep_once(struct sweep *sweep)
{
	uint64_t hand = __atomic_load_n(&clock_hand, __ATOMIC_RELAXED);

	for (unsigned int i = 0; i < 2 * berth_nr_mem_maps; i++) {
		const struct berth_mem_map *bank = &berth_mem_map[i % berth_nr_mem_maps];
		uint64_t end = bank->pfn + bank->nr;
		uint64_t at = hand < bank->pfn ? bank->pfn : hand > end ? end : hand;

		if (i < berth_nr_mem_maps)
			sweep_part(sweep, bank, at, end);
		else
			sweep_part(sweep, bank, bank->pfn, at);
	}
}

uint64_t berth_clean_pages(uint64_t max)
{
	struct sweep sweep = { .end = NO_PAGE, .max = max, .counts = true };

	sweep_once(&sweep);
	return sweep.found;
}

/* False if this thread reclaims already: a tenant's function allocates. */
static bool enter(struct reclaimer *own)
{
	bool found = false;
	unsigned long irq;

	own->who = berth_port_error();
	spin_lock_irqsave(&reclaimers.lock, irq);
	for (const struct reclaimer *r = reclaimers.first; r; r = r->next)
		found |= r->who == own->who;
	if (!found) {
		own->next = reclaimers.first;
		reclaimers.first = own;
	}
	spin_unlock_irqrestore(&reclaimers.lock, irq);
	return !found;
}

static void leave(const struct reclaimer *own)
{
	struct reclaimer **at = &reclaimers.first;
	unsigned long irq;

	spin_lock_irqsave(&reclaimers.lock, irq);
	while (*at != own)
		at = &(*at)->next;
	*at = own->next;
	spin_unlock_irqrestore(&reclaimers.lock, irq);
}

/* @writes: for how many pages in all others may be written */
static uint64_t reclaim(gfp_t gfp, uint64_t nr, uint64_t end, uint64_t writes)
{
	struct sweep sweep = { .gfp = gfp, .end = end, .max = nr, .second_chance = true };
	struct berth_error saved = *berth_port_error();
	struct reclaimer own;

	if (!berth_have_tenants() || !enter(&own))
		return 0;
	sweep_once(&sweep);
	sweep.second_chance = false;
	if (sweep.has_clean && sweep.found < nr)
		sweep_once(&sweep);
	sweep.dirty = sweep.has_dirty && sweep.found < writes;
	if (sweep.dirty) {
		sweep.second_chance = true;
		sweep_once(&sweep);
		sweep.second_chance = false;
		if (sweep.found < nr)
			sweep_once(&sweep);
	}
	leave(&own);
	/* What a tenant could not do is not what its caller's call failed for. */
	*berth_port_error() = saved;
	return sweep.found;
}

uint64_t berth_reclaim_below(gfp_t gfp, uint64_t nr, uint64_t end)
{
	/* For one allocation anything clean will do. */
	return gfpflags_allow_blocking(gfp) ? reclaim(gfp, nr, end, 1) : 0;
}

uint64_t berth_reclaim(gfp_t gfp, uint64_t nr)
{
	return gfpflags_allow_blocking(gfp) ? reclaim(gfp, nr, berth_gfp_end(gfp), nr) : 0;
}

uint64_t berth_drop_clean_pages(uint64_t nr)
{
	return reclaim(0, nr, NO_PAGE, 0);
}
