// SPDX-License-Identifier: BSD-2-Clause
/*
 * The window that costs least, over all windows that honour the alignment: its sum of costs slides
 * over the pages of each hole. No lock is held; what is found may have changed before it is used.
 */
#include "lib/bitmap.h"
#include "mm/cma.h"
#include "mm/internal.h"

uint64_t berth_free_from(const struct berth_mem_map *bank, uint64_t pfn)
{
	uint64_t head = berth_block_head(bank, pfn);
	uint32_t flags = head == NO_PAGE ? 0 : page_flags(page_in(bank, head));

	if ((flags & PG_STATE) != PG_FREE || head + (1ULL << (flags & PG_ORDER)) <= pfn)
		return 0;
	return head + (1ULL << (flags & PG_ORDER)) - pfn;
}

static enum page_class class_of_tenants(const struct page *page, uint32_t flags)
{
	uint32_t refs = page_count(page);

	if (refs >= PAGE_PIN_BIAS)
		return CLASS_PINNED;
	if (refs != 1 || flags & PG_ISOLATED)
		return CLASS_HELD;
	return flags & PG_CLEAN ? CLASS_DROP : CLASS_MOVE;
}

enum page_class berth_page_class(uint64_t pfn, uint64_t *run)
{
	const struct berth_mem_map *bank = bank_of(pfn);
	const struct page *page = page_in(bank, pfn);
	struct zone *zone = &berth_zones[zone_index(pfn)];
	uint32_t flags = page_flags(page);
	enum page_class class;
	unsigned long irq;
	uint64_t nr = 1;

	if (has_tenant(flags)) {
		class = class_of_tenants(page, flags);
	} else if ((nr = berth_free_from(bank, pfn))) {
		class = CLASS_FREE;
	} else {
		/* It may be changing hands: what the zone's lock shows is so. */
		spin_lock_irqsave(&zone->lock, irq);
		flags = page_flags(page);
		nr = berth_free_from(bank, pfn);
		if (has_tenant(flags))
			class = class_of_tenants(page, flags);
		else if (nr)
			class = CLASS_FREE;
		else if (page_count(page) >= PAGE_PIN_BIAS)
			class = CLASS_PINNED;
		else if ((flags & PG_STATE) == PG_USED && !page_count(page))
			class = CLASS_HELD;
		else
			class = CLASS_FIXED;
		spin_unlock_irqrestore(&zone->lock, irq);
	}
	if (run)
		*run = nr ? nr : 1;
	return class;
}

/*
 * struct slide - the window as it moves over a hole
 * @free_end: pages before this one, from where a side last looked, are free
 */
struct slide {
	const struct cma_search *search;
	const struct berth_mem_map *bank;
	uint64_t moved;
	uint64_t dropped;
	uint64_t free_end[2];
};

static bool is_busy(const struct cma_search *search, uint64_t pfn)
{
	for (unsigned int i = 0; i < search->nr_busy; i++)
		if (search->busy[i] == pfn)
			return true;
	return false;
}

/*
 * The common cases without a branch on which of them it is: a free page, or a tenant's page that can
 * go. The search looks at each page of an area, and they alternate.
 */
static inline bool usual_cost(const struct page *page, uint64_t *moved, uint64_t *dropped)
{
	uint32_t flags = page_flags(page);
	unsigned int is_tenants = ((flags & (PG_STATE | PG_ORDER)) == PG_USED) &
				  ((flags & PG_TENANT) != 0) & ((flags & PG_ISOLATED) == 0) &
				  (page_count(page) == 1);
	unsigned int is_clean = (flags & PG_CLEAN) != 0;

	*moved = is_tenants & !is_clean;
	*dropped = is_tenants & is_clean;
	return is_tenants | ((flags & (PG_STATE | PG_ORDER)) == PG_FREE);
}

/* The cost of a page as it enters (@side 0) or leaves (1) the window; false if it may not enter. */
static bool cost_of(struct slide *s, unsigned int side, uint64_t pfn, uint64_t *moved,
		    uint64_t *dropped)
{
	enum search_mode mode = s->search->mode;
	enum page_class class = CLASS_FREE;
	uint32_t flags;
	uint64_t run;

	if (mode == SEARCH_BLOCKERS) {
		*dropped = 0;
		*moved = berth_page_class(pfn, NULL) >= CLASS_HELD;
		return true;
	}
	if (s->search->nr_busy && is_busy(s->search, pfn)) {
		*moved = *dropped = 0;
		return false;
	}
	*moved = *dropped = 0;
	if (pfn < s->free_end[side] || usual_cost(page_in(s->bank, pfn), moved, dropped))
		return true;
	flags = page_flags(page_in(s->bank, pfn));
	run = 1ULL << (flags & PG_ORDER);
	if ((flags & PG_STATE) != PG_FREE)
		class = berth_page_class(pfn, &run);
	if (class == CLASS_FREE)
		s->free_end[side] = pfn + run;
	*dropped = class == CLASS_DROP;
	*moved = class == CLASS_MOVE || class == CLASS_HELD;
	return class < CLASS_HELD || (class == CLASS_HELD && mode == SEARCH_LENIENT);
}

/* Take in the pages [@from, @end). Return: @end, or the first page that may not be there. */
static uint64_t enter(struct slide *s, uint64_t from, uint64_t end)
{
	uint64_t moved, dropped;

	for (; from < end; from++) {
		if (!cost_of(s, 0, from, &moved, &dropped))
			return from;
		s->moved += moved;
		s->dropped += dropped;
		/* The rest of a free block costs nothing; a busy page has to be looked for. */
		if (!s->search->nr_busy && s->free_end[0] > from + 1)
			from = (s->free_end[0] < end ? s->free_end[0] : end) - 1;
	}
	return end;
}

/* Others may have changed a page since it was counted: a sum does not go below nothing. */
static void leave(struct slide *s, uint64_t from, uint64_t end)
{
	uint64_t moved, dropped;

	for (; from < end; from++) {
		cost_of(s, 1, from, &moved, &dropped);
		s->moved -= moved < s->moved ? moved : s->moved;
		s->dropped -= dropped < s->dropped ? dropped : s->dropped;
	}
}

static bool is_better(const struct slide *s, uint64_t hole_length, const struct cma_window *best)
{
	if (!best->found || s->moved != best->moved)
		return !best->found || s->moved < best->moved;
	if (s->dropped != best->dropped)
		return s->dropped < best->dropped;
	return hole_length < best->hole_length;
}

static uint64_t round_up(uint64_t pfn, uint64_t step)
{
	return (pfn + step - 1) & ~(step - 1);
}

/* Windows start at multiples of @step pages and need @length. */
static void search_hole(const struct cma_search *search, uint64_t hole, uint64_t end, uint64_t step,
			uint64_t length, struct cma_window *best)
{
	struct slide s = { .search = search, .bank = bank_of(hole) };
	uint64_t start = round_up(hole, step);
	uint64_t in = start; /* pages before this one are in the sums */

	while (start < end && end - start >= length) {
		uint64_t stop = enter(&s, in, start + search->count);

		if (stop < start + search->count) {
			start = in = round_up(stop + 1, step);
			s.moved = s.dropped = 0;
			continue;
		}
		if (is_better(&s, end - hole, best))
			*best = (struct cma_window){ true, start, s.moved, s.dropped, end - hole };
		if (!s.moved && !s.dropped)
			return;
		in = stop;
		if (step < search->count) {
			leave(&s, start, start + step);
		} else {
			s.moved = s.dropped = 0;
			in = start + step;
		}
		start += step;
	}
}

static uint64_t step_of(const struct cma_search *search, unsigned int order)
{
	return 1ULL << (search->align > order ? search->align : order);
}

bool berth_find_window(const struct cma *cma, const struct cma_search *search,
		       struct cma_window *best, uint64_t *longest)
{
	uint64_t size = cma_nr_units(cma), length = size + 1, end;
	unsigned int shift = cma->order_per_bit;

	if (search->count <= cma->nr_pages)
		length = cma_units_for(cma, search->count);
	*best = (struct cma_window){ 0 };
	*longest = 0;
	for (uint64_t hole = bitmap_find(cma->bitmap, size, 0, false); hole < size;
	     hole = bitmap_find(cma->bitmap, size, end, false)) {
		end = bitmap_find(cma->bitmap, size, hole, true);
		if (end - hole > *longest >> shift)
			*longest = (end - hole) << shift;
		if (end - hole < length || (best->found && !best->moved && !best->dropped &&
					    (end - hole) << shift >= best->hole_length))
			continue;
		search_hole(search, cma->base_pfn + (hole << shift), cma->base_pfn + (end << shift),
			    step_of(search, shift), length << shift, best);
	}
	return best->found;
}

/* Behind the last page from @pfn on that is in the same zone, and in an area as @pfn is or is not. */
static uint64_t end_of_stretch(const struct berth_mem_map *bank, uint64_t pfn)
{
	bool in_area = is_cma_type(own_block_type(bank, pfn));
	uint64_t at = pfn, end = bank->pfn + bank->nr;

	while (at < end && zone_index(at) == zone_index(pfn) &&
	       is_cma_type(own_block_type(bank, at)) == in_area)
		at = (at | (pageblock_nr_pages - 1)) + 1;
	return at < end ? at : end;
}

bool berth_find_contig(const struct cma_search *search, uint64_t limit, uint64_t *pfn,
		       uint64_t *longest)
{
	struct cma_window best = { 0 };

	*longest = 0;
	for (unsigned int i = 0; i < berth_nr_mem_maps; i++) {
		const struct berth_mem_map *bank = &berth_mem_map[i];
		uint64_t end;

		for (uint64_t at = bank->pfn; at < bank->pfn + bank->nr && at < limit; at = end) {
			uint64_t stop;

			end = end_of_stretch(bank, at);
			stop = end < limit ? end : limit;
			if (is_cma_type(own_block_type(bank, at)))
				continue;
			if (stop - at > *longest)
				*longest = stop - at;
			search_hole(search, at, stop, step_of(search, 0), search->count, &best);
		}
	}
	*pfn = best.pfn;
	return best.found;
}
