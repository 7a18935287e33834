// SPDX-License-Identifier: BSD-2-Clause
/*
 * Taking an exact range of pages, whoever of the tenants has them. Nothing is moved before every
 * page in the way is isolated, has no references but its tenant's, and has somewhere to go.
 */
#include <berth/gfp.h>
#include <berth/migrate.h>

#include "lib/error.h"
#include "lib/fault.h"
#include "lib/string.h"
#include "mm/cma.h"
#include "mm/internal.h"

/*
 * struct emptying - a range on its way
 * @targets: first of the pages to move to, linked by struct page::next in the order of allocation
 * @to_write: pages for which there is no such page, and whose tenants can write them away
 * @lacking: other pages for which there is none
 * @deadline: until when passing references are waited for
 */
struct emptying {
	const struct berth_mem_map *bank;
	uint64_t pfn;
	uint64_t end;
	uint32_t targets;
	uint32_t last_target;
	uint64_t to_write;
	uint64_t lacking;
	uint64_t deadline;
	struct contig *contig;
};

static bool is_mine(const struct page *page)
{
	return page_flags(page) & PG_EMPTYING && has_tenant(page_flags(page));
}

/* Whether a page that seems to be nobody's who could move it is not merely changing hands. */
static bool is_blocked(const struct berth_mem_map *bank, uint64_t pfn)
{
	struct zone *zone = &berth_zones[zone_index(pfn)];
	const struct page *page = page_in(bank, pfn);
	unsigned long irq;
	bool blocked;

	spin_lock_irqsave(&zone->lock, irq);
	blocked = !has_tenant(page_flags(page)) && page_count(page) &&
		  page_state(page) != PG_TAIL && page_state(page) != PG_FREE;
	if (page_state(page) == PG_TAIL) {
		uint64_t head = berth_block_head(bank, pfn);

		blocked = head != NO_PAGE && page_state(page_in(bank, head)) != PG_FREE;
	}
	if (page_state(page) == PG_RESERVED)
		blocked = true;
	spin_unlock_irqrestore(&zone->lock, irq);
	return blocked;
}

/*
 * Isolate what tenants have in the range. Return: 0 when all of it is isolated and nobody else has
 * a reference, -EAGAIN when that may change, -EBUSY when it will not.
 */
static int isolate_pages(struct emptying *e)
{
	int result = 0;

	for (uint64_t at = e->pfn; at < e->end;) {
		struct page *page = page_in(e->bank, at);
		uint64_t skip = 0;
		int err = 0;

		if (page_count(page) >= PAGE_PIN_BIAS)
			err = -EBUSY;
		else if (is_mine(page))
			err = page_count(page) > 2 ? -EAGAIN : 0;
		else if (has_tenant(page_flags(page)))
			err = berth_isolate_page(page, PG_EMPTYING, MIGRATE_SYNC) ? -EAGAIN : 0;
		else
			skip = berth_free_from(e->bank, at);
		if (!skip && !err && !is_mine(page))
			err = is_blocked(e->bank, at) ? -EBUSY : -EAGAIN;
		else if (!skip && !err && page_count(page) > 2)
			err = -EAGAIN;
		if (err) {
			e->contig->busy = at;
			result = err;
		}
		if (err == -EBUSY)
			break;
		at += skip ? skip : 1;
	}
	return result;
}

static gfp_t gfp_of(const struct page *page)
{
	const struct movable_operations *ops = berth_page_tenant(page);

	return ops ? ops->gfp : 0;
}

static bool can_drop(const struct page *page)
{
	return page_flags(page) & PG_CLEAN;
}

static bool can_write(const struct movable_operations *ops)
{
	return ops && ops->room && ops->reclaim_page;
}

uint64_t berth_tenants_room(uint64_t pfn, uint64_t nr)
{
	const struct movable_operations *seen[16];
	uint64_t left[ARRAY_SIZE(seen)]; /* what each can write besides what is counted */
	const struct page *pages = pfn_to_page(pfn);
	unsigned int nr_seen = 0;
	uint64_t room = 0;

	for (uint64_t n = 0; n < nr; n++) {
		const struct movable_operations *ops = berth_page_tenant(&pages[n]);
		unsigned int i = 0;

		if (!can_write(ops) || can_drop(&pages[n]))
			continue;
		while (i < nr_seen && seen[i] != ops)
			i++;
		if (i == ARRAY_SIZE(seen))
			continue;
		if (i == nr_seen) {
			seen[nr_seen] = ops;
			left[nr_seen++] = ops->room();
		}
		if (left[i]) {
			left[i]--;
			room++;
		}
	}
	return room;
}

/* Whether @displaced pages have somewhere to go: free memory, clean pages, files and swap. */
static bool has_room(struct emptying *e, uint64_t displaced)
{
	uint64_t room = berth_free_bytes(berth_gfp_end(0)) >> PAGE_SHIFT;

	e->contig->displaced = displaced;
	if (room < displaced && berth_pcp_drain())
		room = berth_free_bytes(berth_gfp_end(0)) >> PAGE_SHIFT;
	if (room < displaced)
		room += berth_clean_pages(displaced - room);
	if (room < displaced)
		room += berth_tenants_room(e->pfn, e->end - e->pfn);
	e->contig->room = room;
	return room >= displaced;
}

static void add_target(struct emptying *e, struct page *target)
{
	uint32_t pfn = (uint32_t)page_to_pfn(target);

	target->next = NO_PAGE;
	if (e->targets == NO_PAGE)
		e->targets = pfn;
	else
		pfn_to_page(e->last_target)->next = pfn;
	e->last_target = pfn;
}

static struct page *take_target(struct emptying *e, gfp_t gfp)
{
	struct page *target;

	if (e->targets == NO_PAGE || e->targets >= berth_gfp_end(gfp))
		return berth_migration_target(gfp);
	target = pfn_to_page(e->targets);
	e->targets = target->next;
	target->index = 0;
	return target;
}

static void free_targets(struct emptying *e)
{
	while (e->targets != NO_PAGE) {
		struct page *target = pfn_to_page(e->targets);

		e->targets = target->next;
		target->index = 0;
		__free_page(target);
	}
}

/* Get pages to move to for those whose tenants can write them away, or for the others. */
static void add_targets(struct emptying *e, bool writable)
{
	for (uint64_t at = e->pfn; at < e->end; at++) {
		struct page *page = page_in(e->bank, at), *target;

		if (!is_mine(page) || can_drop(page) ||
		    can_write(berth_page_tenant(page)) != writable)
			continue;
		target = berth_migration_target(gfp_of(page));
		/* What can be written away goes without rather than have others written. */
		if (!target && (writable ? berth_drop_clean_pages(BERTH_MIGRATE_BATCH)
					 : berth_reclaim(gfp_of(page) | __GFP_DIRECT_RECLAIM,
							 BERTH_MIGRATE_BATCH)))
			target = berth_migration_target(gfp_of(page));
		if (target)
			add_target(e, target);
		else if (writable)
			e->to_write++;
		else
			e->lacking++;
	}
}

/* Get a page to move to for each page that must move; what can be written away goes without. */
static int find_targets(struct emptying *e)
{
	uint64_t displaced = 0;

	for (uint64_t at = e->pfn; at < e->end; at++)
		displaced += is_mine(page_in(e->bank, at)) && !can_drop(page_in(e->bank, at));
	if (!has_room(e, displaced))
		return -ENOMEM;
	add_targets(e, false);
	if (!e->lacking)
		add_targets(e, true);
	if (e->lacking ||
	    (e->to_write && e->to_write > berth_tenants_room(e->pfn, e->end - e->pfn)))
		return -ENOMEM;
	return 0;
}

static bool give_up(struct page *page)
{
	if (!berth_reclaim_page(page))
		return false;
	berth_isolated_done(page);
	return true;
}

/* Move some pages of one tenant. Those that could not be stay isolated. */
static void move_batch(struct emptying *e, struct page **src, struct page **dst, unsigned int nr)
{
	unsigned int moved = berth_migrate_isolated(dst, src, nr, 0, 1, MIGRATE_SYNC);

	e->contig->migrated += moved;
	for (unsigned int i = moved; i < nr; i++)
		add_target(e, dst[i]);
	if (moved < nr)
		e->contig->busy = page_to_pfn(src[moved]);
}

/* One go at each page that is isolated. */
static void empty_pages(struct emptying *e)
{
	struct page *src[BERTH_MIGRATE_BATCH], *dst[BERTH_MIGRATE_BATCH];
	unsigned int nr = 0;

	for (uint64_t at = e->pfn; at < e->end; at++) {
		struct page *page = page_in(e->bank, at);

		if (!is_mine(page))
			continue;
		if (can_drop(page) && give_up(page)) {
			e->contig->dropped++;
			continue;
		}
		if (nr && (page_flags(page) ^ page_flags(src[0])) & PG_TENANT) {
			move_batch(e, src, dst, nr);
			nr = 0;
		}
		if (e->to_write && can_write(berth_page_tenant(page)) && give_up(page)) {
			e->to_write--;
			e->contig->written++;
			continue;
		}
		dst[nr] = take_target(e, gfp_of(page));
		if (dst[nr])
			src[nr++] = page;
		else
			e->contig->busy = at;
		if (nr == ARRAY_SIZE(src)) {
			move_batch(e, src, dst, nr);
			nr = 0;
		}
	}
	if (nr)
		move_batch(e, src, dst, nr);
}

static void put_back(struct emptying *e)
{
	for (uint64_t at = e->pfn; at < e->end; at++)
		if (is_mine(page_in(e->bank, at)))
			berth_putback_page(page_in(e->bank, at));
	free_targets(e);
}

/* The page blocks are isolated. */
static int empty_range(struct emptying *e, enum page_state state)
{
	bool have_targets = false;
	int err;

	for (unsigned int turn = 0;; turn++) {
		err = isolate_pages(e);
		if (!err && !have_targets) {
			err = find_targets(e);
			have_targets = true;
		}
		if (err == -EBUSY || err == -ENOMEM)
			break;
		if (!err) {
			empty_pages(e);
			err = berth_take_free_range(e->pfn, e->end - e->pfn, state,
						    &e->contig->busy);
			if (!err)
				break;
		}
		if (berth_port_now() > e->deadline) {
			err = -EBUSY;
			break;
		}
		e->contig->retries++;
		berth_pause(turn);
	}
	put_back(e);
	return err;
}

int berth_contig_take(uint64_t pfn, uint64_t nr, enum page_state state, bool cma,
		      struct contig *contig)
{
	struct emptying e = {
		.bank = bank_of(pfn),
		.pfn = pfn,
		.end = pfn + nr,
		.targets = NO_PAGE,
		.deadline = berth_port_now() + BERTH_WAIT_NS,
		.contig = contig,
	};
	unsigned int turn = 0;
	int err;

	/* No page of such blocks may be in a list per slot, nor get there. */
	if (!cma)
		berth_pcp_shut();
	do {
		err = berth_isolate_blocks(pfn, nr, cma, &contig->busy);
		if (err && cma)
			berth_pause(turn++);
	} while (err && cma && berth_port_now() < e.deadline);
	if (!err) {
		err = empty_range(&e, state);
		berth_unisolate_blocks(pfn, nr);
	}
	if (!cma)
		berth_pcp_open();
	return err;
}

/* The page allocator's own calls. */

static int contig_failed(int err, uint64_t nr, const struct contig *contig)
{
	struct berth_error *error;

	if (err == -ENOMEM)
		return berth_fail_limit(err, BERTH_REASON_NO_ROOM, "alloc_contig_range",
					contig->displaced << PAGE_SHIFT,
					contig->room << PAGE_SHIFT);
	error = berth_error_set(err, BERTH_REASON_PAGE_BUSY, "alloc_contig_range");
	error->length = nr << PAGE_SHIFT;
	error->pfn = contig->busy;
	error->address = PFN_PHYS(contig->busy);
	berth_strlcpy(error->holder, berth_page_holder(contig->busy), sizeof(error->holder));
	return err;
}

int alloc_contig_range(unsigned long start, unsigned long end, unsigned int migratetype, gfp_t gfp)
{
	const struct berth_mem_map *bank = bank_of(start);
	struct contig contig = { 0 };
	int err;

	if (start >= end || !bank || end > bank->pfn + bank->nr ||
	    zone_index(start) != zone_index(end - 1))
		return berth_fail_at(-EINVAL, BERTH_REASON_ARGUMENT, "range of pages", start);
	if (migratetype != MIGRATE_MOVABLE || !gfpflags_allow_blocking(gfp))
		return berth_fail_at(-EINVAL, BERTH_REASON_ARGUMENT,
				     gfpflags_allow_blocking(gfp) ? "migratetype" : "gfp",
				     migratetype);
	if (berth_should_fail())
		return berth_fail_limit(-ENOMEM, BERTH_REASON_OUT_OF_MEMORY, "alloc_contig_range",
					(uint64_t)(end - start) << PAGE_SHIFT, 0);
	err = berth_contig_take(start, end - start, PG_USED, false, &contig);
	return err ? contig_failed(err, end - start, &contig) : 0;
}

struct page *alloc_contig_pages(unsigned long nr_pages, gfp_t gfp)
{
	uint64_t first = 0, limit = berth_gfp_end(gfp), longest = 0;
	uint64_t busy[BERTH_BUSY_PAGES];
	struct cma_search search = { .count = nr_pages, .busy = busy };

	if (!nr_pages) {
		berth_fail(-EINVAL, BERTH_REASON_ARGUMENT, "nr_pages");
		return NULL;
	}
	berth_pcp_drain();
	while (berth_find_contig(&search, limit, &first, &longest)) {
		unsigned long start = (unsigned long)first;
		int err = alloc_contig_range(start, start + nr_pages, MIGRATE_MOVABLE,
					     gfp | __GFP_DIRECT_RECLAIM);

		if (!err)
			return pfn_to_page(first);
		if (err != -EBUSY || search.nr_busy == BERTH_BUSY_PAGES)
			return NULL;
		busy[search.nr_busy++] = berth_last_error()->pfn;
	}
	if (!search.nr_busy)
		berth_fail_limit(-ENOSPC, BERTH_REASON_AREA_FULL, "page allocator",
				 (uint64_t)nr_pages << PAGE_SHIFT, longest << PAGE_SHIFT);
	return NULL;
}

/* Single pages of a range go back, all or none. */
static void free_range(const char *subject, uint64_t pfn, uint64_t nr_pages)
{
	const struct berth_mem_map *bank = bank_of(pfn);

	if (!bank || !nr_pages || nr_pages > bank->pfn + bank->nr - pfn) {
		berth_not_owned(subject, PFN_PHYS(pfn), pfn);
		return;
	}
	for (uint64_t at = pfn; at < pfn + nr_pages; at++)
		if ((page_flags(page_in(bank, at)) & ~PG_LIST) != PG_USED ||
		    !page_count(page_in(bank, at))) {
			berth_not_owned(subject, PFN_PHYS(at), at);
			return;
		}
	berth_put_range(pfn, nr_pages);
}

void free_contig_range(unsigned long pfn, unsigned long nr_pages)
{
	free_range("free_contig_range", pfn, nr_pages);
}

void *alloc_pages_exact(size_t size, gfp_t gfp)
{
	unsigned int order = get_order(size);
	struct page *page;
	uint64_t nr = PFN_UP((uint64_t)size);

	if (!size) {
		berth_fail(-EINVAL, BERTH_REASON_ARGUMENT, "size");
		return NULL;
	}
	page = alloc_pages(gfp & ~__GFP_HIGHMEM, order);
	if (!page)
		return NULL;
	split_page(page, order);
	berth_put_range(page_to_pfn(page) + nr, (1ULL << order) - nr);
	return page_address(page);
}

void free_pages_exact(void *virt, size_t size)
{
	struct page *page = virt_to_page(virt);

	if (!virt)
		return;
	if (page && !offset_in_page(virt) && size <= SIZE_MAX - PAGE_SIZE)
		free_range("free_pages_exact", page_to_pfn(page), PFN_UP((uint64_t)size));
	else
		berth_not_owned("free_pages_exact", (uintptr_t)virt, 0);
}
