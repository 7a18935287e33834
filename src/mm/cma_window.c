// SPDX-License-Identifier: BSD-2-Clause
/*
 * The window that costs least, over all windows that honour the alignment: its sum of costs slides
 * over the pages of each hole, 64 pages at a time where that is exact. No lock is held; what is found may have changed before it is used.
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

#define STRIP 64u
#define NR_STRIPS 16u

/*
 * struct strip - what @STRIP pages cost, a bit each
 * @pfn: the first of them, a multiple of @STRIP
 * @stays: pages that may not be in a window
 */
struct strip {
	uint64_t pfn;
	uint64_t moved;
	uint64_t dropped;
	uint64_t stays;
};

/*
 * struct slide - the window as it moves over a hole
 * @strips: those last looked at. Of a large window, one where pages enter and one where they leave.
 */
struct slide {
	const struct cma_search *search;
	const struct berth_mem_map *bank;
	bool is_area;
	uint64_t hole;
	uint64_t end;
	uint64_t moved;
	uint64_t dropped;
	struct strip strips[NR_STRIPS];
};

enum side { IN, OUT };

/* Bits for the pages [@from, @end) of a strip. */
static uint64_t bits(const struct strip *strip, uint64_t from, uint64_t end)
{
	return (UINT64_MAX >> (STRIP - (end - from))) << (from - strip->pfn);
}

static unsigned int count_bits(uint64_t word)
{
	word -= (word >> 1) & 0x5555555555555555u;
	word = (word & 0x3333333333333333u) + ((word >> 2) & 0x3333333333333333u);
	word = (word + (word >> 4)) & 0x0f0f0f0f0f0f0f0fu;
	return (unsigned int)((word * 0x0101010101010101u) >> 56);
}

/* Pages that are neither free nor can be moved at once. Return: bits of those that are held. */
static uint64_t look_closer(struct strip *strip, uint64_t others)
{
	uint64_t held = 0;

	while (others) {
		unsigned int n = lowest_bit(others);
		uint64_t run, bit = 1ULL << n;
		enum page_class class = berth_page_class(strip->pfn + n, &run);

		if (class == CLASS_DROP)
			strip->dropped |= bit;
		else if (class == CLASS_MOVE)
			strip->moved |= bit;
		else if (class == CLASS_HELD)
			held |= bit;
		else if (class != CLASS_FREE)
			strip->stays |= bit;
		others &= run < STRIP - n ? UINT64_MAX << (n + run) : 0;
	}
	return held;
}

/* What the pages that are held cost, and those that are not wanted, is the search's to say. */
static void judge(const struct cma_search *search, struct strip *strip, uint64_t held)
{
	if (search->mode == SEARCH_BLOCKERS) {
		strip->moved = held | strip->stays;
		strip->dropped = strip->stays = 0;
		return;
	}
	if (search->mode == SEARCH_LENIENT)
		strip->moved |= held;
	else
		strip->stays |= held;
	for (unsigned int i = 0; i < search->nr_busy; i++)
		if (search->busy[i] - strip->pfn < STRIP)
			strip->stays |= 1ULL << (search->busy[i] - strip->pfn);
}

/*
 * The pages [@from, @end) of a strip. The search looks at each page of an area, free and used ones
 * alternate, and a branch on which of them it is would cost more than all the rest. @tail: a state of
 * free pages besides PG_FREE, the one below it; in an area there are no blocks but free ones. Return: bits of those that
 * need a closer look.
 */
static uint64_t look(struct strip *strip, const struct page *pages, unsigned int from,
		     unsigned int end, uint32_t tail)
{
	uint64_t free = 0, clean = 0, can_go = 0;

	for (const struct page *page = pages + end; page-- > pages + from;) {
		uint32_t flags = page_flags(page);
		uint32_t unlike = (flags & (PG_STATE | PG_ORDER | PG_ISOLATED)) ^ PG_USED;

		unlike |= (page_count(page) ^ 1) | !(flags & PG_TENANT);
		free = free << 1 | ((flags & PG_STATE) - tail <= PG_FREE - tail);
		clean = clean << 1 | !!(flags & PG_CLEAN);
		can_go = can_go << 1 | !unlike;
	}
	strip->moved = (can_go & ~clean) << from;
	strip->dropped = (can_go & clean) << from;
	return (~(free | can_go) & (UINT64_MAX >> (STRIP - (end - from)))) << from;
}

static const struct strip *strip_at(struct slide *s, enum side side, uint64_t pfn)
{
	bool is_small = s->search->count < (NR_STRIPS - 1) * STRIP;
	struct strip *strip = &s->strips[is_small ? pfn / STRIP % NR_STRIPS : side];
	uint64_t first = pfn & ~(uint64_t)(STRIP - 1), end = min_u64(first + STRIP, s->end);
	uint64_t from = first > s->hole ? first : s->hole, others = 0;

	if (strip->pfn == first)
		return strip;
	*strip = (struct strip){ .pfn = first };
	if (has_tenant(page_flags(page_in(s->bank, from))) ||
	    berth_free_from(s->bank, from) < end - from)
		others = look(strip, page_in(s->bank, from) - (from - first),
			      (unsigned int)(from - first), (unsigned int)(end - first),
			      s->is_area ? PG_TAIL : PG_FREE);
	judge(s->search, strip, look_closer(strip, others));
	return strip;
}

/*
 * Take in the pages [@from, @end). Return: @end, or a page that may not be there: the last one before
 * which no window can begin.
 */
static uint64_t enter(struct slide *s, uint64_t from, uint64_t end)
{
	while (from < end) {
		const struct strip *strip = strip_at(s, IN, from);
		uint64_t stop = min_u64(strip->pfn + STRIP, end);
		uint64_t mask = bits(strip, from, stop);

		if (strip->stays & mask)
			return strip->pfn + highest_bit(strip->stays & mask);
		s->moved += count_bits(strip->moved & mask);
		s->dropped += count_bits(strip->dropped & mask);
		from = stop;
	}
	return end;
}

/* Others may have changed a page since it was counted: a sum does not go below nothing. */
static void leave(struct slide *s, uint64_t from, uint64_t end)
{
	while (from < end) {
		const struct strip *strip = strip_at(s, OUT, from);
		uint64_t stop = min_u64(strip->pfn + STRIP, end);
		uint64_t mask = bits(strip, from, stop);

		s->moved -= min_u64(count_bits(strip->moved & mask), s->moved);
		s->dropped -= min_u64(count_bits(strip->dropped & mask), s->dropped);
		from = stop;
	}
}

/* What is compared first and second, as one number: no bank has 2^32 pages. */
static uint64_t cost_of(uint64_t moved, uint64_t dropped)
{
	return moved << 32 | dropped;
}

/* Windows of a hole of @length that cost less than this are better than the best one. */
static uint64_t limit_of(const struct cma_window *best, uint64_t length)
{
	return best->found ? cost_of(best->moved, best->dropped) + (length < best->hole_length)
			   : UINT64_MAX;
}

static void set_best(struct cma_window *best, const struct slide *s, uint64_t pfn, uint64_t cost)
{
	*best = (struct cma_window){ true, pfn, cost >> 32, (uint32_t)cost, s->end - s->hole };
}

/*
 * Go on from the window at @start page by page, as far as its two strips go and all pages may be in a
 * window. Where even the loss of what leaves would make no window better than the best one, at once.
 * Return: how many pages.
 */
static uint64_t glide(struct slide *s, uint64_t start, struct cma_window *best)
{
	uint64_t behind = start + s->search->count, limit = limit_of(best, s->end - s->hole), nr;
	const struct strip *out = strip_at(s, OUT, start), *in = strip_at(s, IN, behind);
	struct strip from = { 0, out->moved >> start % STRIP, out->dropped >> start % STRIP, 0 };
	struct strip to = { 0, in->moved >> behind % STRIP, in->dropped >> behind % STRIP,
			    in->stays >> behind % STRIP };
	uint64_t cost, most, mask;

	nr = STRIP - (start % STRIP > behind % STRIP ? start % STRIP : behind % STRIP);
	nr = min_u64(nr, s->end - behind);
	nr = min_u64(nr, s->search->count); /* what leaves is in the sums */
	if (to.stays)
		nr = min_u64(nr, lowest_bit(to.stays));
	if (!nr)
		return 0;
	mask = UINT64_MAX >> (STRIP - nr);
	most = cost_of(count_bits(from.moved & mask), count_bits(from.dropped & mask));
	/* Others may have changed pages since they were counted: no sum goes below nothing. */
	s->moved = s->moved > most >> 32 ? s->moved : most >> 32;
	s->dropped = s->dropped > (uint32_t)most ? s->dropped : (uint32_t)most;
	cost = cost_of(s->moved, s->dropped);
	if (cost - most >= limit) {
		cost += cost_of(count_bits(to.moved & mask), count_bits(to.dropped & mask)) - most;
	} else {
		for (unsigned int i = 0; i < nr; i++) {
			cost += cost_of(to.moved >> i & 1, to.dropped >> i & 1) -
				cost_of(from.moved >> i & 1, from.dropped >> i & 1);
			if (cost < limit) {
				set_best(best, s, start + i + 1, cost);
				limit = cost;
			}
		}
	}
	s->moved = cost >> 32;
	s->dropped = (uint32_t)cost;
	return nr;
}

static uint64_t round_up(uint64_t pfn, uint64_t step)
{
	return (pfn + step - 1) & ~(step - 1);
}

/* Windows start at multiples of @step pages and need @length. */
static void search_hole(const struct cma_search *search, uint64_t hole, uint64_t end, uint64_t step,
			uint64_t length, struct cma_window *best)
{
	const struct berth_mem_map *bank = bank_of(hole);
	struct slide s = { .search = search,
			   .bank = bank,
			   .is_area = is_cma_type(own_block_type(bank, hole)),
			   .hole = hole,
			   .end = end };
	uint64_t start = round_up(hole, step);
	uint64_t in = start; /* pages before this one are in the sums */

	for (unsigned int i = 0; i < NR_STRIPS; i++)
		s.strips[i].pfn = UINT64_MAX;
	while (start < end && end - start >= length) {
		uint64_t stop = enter(&s, in, start + search->count), cost;

		if (stop < start + search->count) {
			start = in = round_up(stop + 1, step);
			s.moved = s.dropped = 0;
			continue;
		}
		cost = cost_of(s.moved, s.dropped);
		if (cost < limit_of(best, end - hole))
			set_best(best, &s, start, cost);
		while (step == 1 && start + length < end && limit_of(best, end - hole)) {
			uint64_t nr = glide(&s, start, best);

			start += nr;
			if (!nr)
				break;
		}
		if (!limit_of(best, end - hole))
			return;
		in = start + search->count;
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
