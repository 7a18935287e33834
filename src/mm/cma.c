// SPDX-License-Identifier: BSD-2-Clause
/*
 * An area has a bit per unit of 2^order_per_bit pages, set while somebody has it. The bits are set
 * before the pages are emptied and taken, and cleared after they are free again, so the area's lock
 * is held for neither, and windows that do not meet are emptied at the same time.
 */
#include <berth/cma.h>
#include <berth/memblock.h>

#include "lib/bitmap.h"
#include "lib/error.h"
#include "lib/fault.h"
#include "lib/printk.h"
#include "lib/string.h"
#include "lib/trace.h"
#include "mm/cma.h"
#include "mm/internal.h"

/* How long a call may go on looking for another place. */
#define SEARCH_NS 100000000u

static struct cma areas[MAX_CMA_AREAS];
static unsigned int nr_areas;
static struct cma *default_area;

/* Mark a window whose bits were clear when it was found. False if they are not any more. */
static bool mark_window(struct cma *cma, uint64_t unit, uint64_t length)
{
	bool is_clear;

	spin_lock(&cma->lock);
	is_clear = bitmap_find(cma->bitmap, unit + length, unit, true) == unit + length;
	if (is_clear) {
		bitmap_fill(cma->bitmap, unit, length, true);
		__atomic_fetch_add(&cma->in_flight, 1, __ATOMIC_RELAXED);
	}
	spin_unlock(&cma->lock);
	return is_clear;
}

static void unmark_window(struct cma *cma, uint64_t unit, uint64_t length)
{
	spin_lock(&cma->lock);
	bitmap_fill(cma->bitmap, unit, length, false);
	__atomic_fetch_add(&cma->given_back, 1, __ATOMIC_RELEASE);
	__atomic_fetch_sub(&cma->in_flight, 1, __ATOMIC_RELEASE);
	spin_unlock(&cma->lock);
}

/* One allocation on its way. @given_back: of the area, when the search began. */
struct attempt {
	struct cma *cma;
	struct cma_search search;
	struct contig contig;
	uint64_t busy[BERTH_BUSY_PAGES];
	uint64_t given_back;
	uint64_t deadline;
	uint64_t pfn;
};

/*
 * What to do when no window was found: look again, less strictly, or if others have given something
 * back meanwhile or may still do so.
 */
static bool look_again(struct attempt *a, unsigned int turn)
{
	if (a->search.mode == SEARCH_STRICT) {
		a->search.mode = SEARCH_LENIENT;
		return true;
	}
	if (berth_port_now() > a->deadline ||
	    (!__atomic_load_n(&a->cma->in_flight, __ATOMIC_ACQUIRE) &&
	     __atomic_load_n(&a->cma->given_back, __ATOMIC_ACQUIRE) == a->given_back))
		return false;
	a->search.mode = SEARCH_STRICT;
	a->search.nr_busy = 0;
	a->contig.retries++;
	berth_pause(turn);
	return true;
}

/* Empty and take a window that is marked. */
static int take_window(struct attempt *a, const struct cma_window *window)
{
	uint64_t nr = a->search.count;

	if (!window->moved && !window->dropped &&
	    !berth_take_free_range(window->pfn, nr, PG_CMA, &a->contig.busy))
		return 0;
	return berth_contig_take(window->pfn, nr, PG_CMA, true, &a->contig);
}

/* Return: 0, -ENOMEM (no room for what is in the way), -EBUSY (no window, or none could be had). */
static int find_and_take(struct attempt *a)
{
	struct cma *cma = a->cma;
	uint64_t length = cma_units_for(cma, a->search.count), longest;
	struct cma_window window;

	for (unsigned int turn = 0;; turn++) {
		uint64_t unit;
		int err;

		if (a->search.mode == SEARCH_STRICT)
			a->given_back = __atomic_load_n(&cma->given_back, __ATOMIC_ACQUIRE);
		if (!berth_find_window(cma, &a->search, &window, &longest)) {
			if (look_again(a, turn))
				continue;
			return -EBUSY;
		}
		unit = (window.pfn - cma->base_pfn) >> cma->order_per_bit;
		if (!mark_window(cma, unit, length))
			continue;
		err = take_window(a, &window);
		if (!err) {
			a->pfn = window.pfn;
			return 0;
		}
		unmark_window(cma, unit, length);
		a->given_back++; /* this one is no news */
		/* Every other place has as many pages to move, or more. */
		if (err != -EBUSY)
			return err;
		if (a->search.nr_busy == BERTH_BUSY_PAGES || berth_port_now() > a->deadline)
			return err;
		a->contig.retries++;
		a->busy[a->search.nr_busy++] = a->contig.busy;
	}
}

static void account(struct attempt *a, int err, uint64_t ns)
{
	struct cma *cma = a->cma;
	struct berth_cma_stats *stats = &cma->stats;

	spin_lock(&cma->lock);
	if (err) {
		stats->alloc_fail++;
	} else {
		stats->alloc_success++;
		cma->used += a->search.count;
		__atomic_fetch_sub(&cma->in_flight, 1, __ATOMIC_RELEASE);
	}
	stats->migrated += a->contig.migrated;
	stats->dropped += a->contig.dropped;
	stats->written += a->contig.written;
	stats->retries += a->contig.retries;
	stats->time_ns += ns;
	if (ns > stats->time_max_ns)
		stats->time_max_ns = ns;
	spin_unlock(&cma->lock);
}

static int check_arguments(const struct cma *cma, unsigned long count, unsigned int align)
{
	if (!cma || !count || align >= 64 - PAGE_SHIFT)
		return berth_fail_at(-EINVAL, BERTH_REASON_ARGUMENT,
				     !cma     ? "cma"
				     : !count ? "count"
					      : "align",
				     cma && count ? align : 0);
	if (!cma->bitmap)
		return berth_fail(-EINVAL, BERTH_REASON_STATE, "cma_alloc");
	return 0;
}

struct page *cma_alloc(struct cma *cma, unsigned long count, unsigned int align, bool no_warn)
{
	struct attempt a = { .cma = cma, .search = { .count = count, .align = align } };
	uint64_t start;
	int err;

	(void)no_warn;
	if (check_arguments(cma, count, align))
		return NULL;
	start = berth_port_now();
	a.deadline = start + SEARCH_NS;
	a.search.busy = a.busy;
	if (berth_should_fail()) {
		err = berth_fail_limit(-ENOMEM, BERTH_REASON_OUT_OF_MEMORY, cma->name,
				       (uint64_t)count << PAGE_SHIFT, 0);
	} else {
		err = find_and_take(&a);
		if (err == -ENOMEM)
			berth_fail_limit(err, BERTH_REASON_NO_ROOM, cma->name,
					 a.contig.displaced << PAGE_SHIFT,
					 a.contig.room << PAGE_SHIFT);
		else if (err)
			berth_cma_fail(cma, &a.search);
	}
	account(&a, err, berth_port_now() - start);
	berth_trace(.kind = BERTH_TRACE_CMA_ALLOC, .name = cma->name, .detail = err,
		    .address = err ? 0 : PFN_PHYS(a.pfn), .length = (uint64_t)count << PAGE_SHIFT);
	return err ? NULL : pfn_to_page(a.pfn);
}

int berth_cma_explain(struct cma *cma, unsigned long count, unsigned int align,
		      struct berth_cma_report *report)
{
	int err = check_arguments(cma, count, align);

	if (!err)
		berth_cma_fill_report(cma, count, align, report);
	return err;
}

/* Whether @nr pages from @pfn on are all handed out. */
static bool all_given(uint64_t pfn, uint64_t nr)
{
	const struct page *pages = pfn_to_page(pfn);

	for (uint64_t i = 0; i < nr; i++)
		if (page_state(&pages[i]) != PG_CMA)
			return false;
	return true;
}

/* Clear the bit of a unit of which no page is handed out any more. */
static void clear_unit(struct cma *cma, uint64_t unit)
{
	uint64_t nr = 1ULL << cma->order_per_bit;
	const struct page *pages = pfn_to_page(cma->base_pfn + (unit << cma->order_per_bit));

	for (uint64_t i = 0; i < nr; i++)
		if (page_state(&pages[i]) == PG_CMA)
			return;
	bitmap_fill(cma->bitmap, unit, 1, false);
}

bool cma_release(struct cma *cma, const struct page *pages, unsigned long count)
{
	const struct berth_mem_map *bank = berth_bank_of_page(pages);
	uint64_t pfn, at, first, last;

	if (!cma || !bank)
		return false;
	pfn = bank->pfn + (uint64_t)(pages - bank->pages);
	at = pfn - cma->base_pfn;
	if (at >= cma->nr_pages)
		return false;

	spin_lock(&cma->lock);
	if (!count || count > cma->nr_pages - at || !all_given(pfn, count)) {
		spin_unlock(&cma->lock);
		berth_not_owned(cma->name, PFN_PHYS(pfn), pfn);
		return false;
	}
	/* From here on nobody else can release them. */
	for (uint64_t i = pfn; i < pfn + count; i++)
		page_set_flags(pfn_to_page(i), PG_USED);
	cma->used -= count;
	spin_unlock(&cma->lock);

	berth_trace(.kind = BERTH_TRACE_CMA_RELEASE, .name = cma->name, .address = PFN_PHYS(pfn),
		    .length = (uint64_t)count << PAGE_SHIFT);
	berth_put_range(pfn, count);

	first = at >> cma->order_per_bit;
	last = (at + count - 1) >> cma->order_per_bit;
	spin_lock(&cma->lock);
	if (last - first > 1)
		bitmap_fill(cma->bitmap, first + 1, last - first - 1, false);
	clear_unit(cma, first);
	if (last != first)
		clear_unit(cma, last);
	__atomic_fetch_add(&cma->given_back, 1, __ATOMIC_RELEASE);
	spin_unlock(&cma->lock);
	return true;
}

phys_addr_t cma_get_base(const struct cma *cma)
{
	return PFN_PHYS(cma->base_pfn);
}

unsigned long cma_get_size(const struct cma *cma)
{
	return (unsigned long)cma->nr_pages << PAGE_SHIFT;
}

const char *cma_get_name(const struct cma *cma)
{
	return cma->name;
}

int cma_for_each_area(int (*it)(struct cma *cma, void *data), void *data)
{
	for (unsigned int i = 0; i < nr_areas; i++) {
		int result = it(&areas[i], data);

		if (result)
			return result;
	}
	return 0;
}

struct cma *berth_cma_default(void)
{
	return default_area;
}

void berth_cma_set_default(struct cma *cma)
{
	default_area = cma;
}

void berth_cma_stats(struct cma *cma, struct berth_cma_stats *stats)
{
	const struct cma_search search = { .count = UINT64_MAX };
	struct cma_window none;

	spin_lock(&cma->lock);
	*stats = cma->stats;
	stats->pages = cma->nr_pages;
	stats->used = cma->used;
	berth_find_window(cma, &search, &none, &stats->longest_free_run);
	spin_unlock(&cma->lock);
	stats->pins_unnamed = berth_cma_pins_unnamed(cma);
}

/* Whether a range is memory in the linear map, in one piece. */
static bool is_mapped_memory(phys_addr_t base, uint64_t size)
{
	struct berth_range range;
	enum memblock_flags flags;

	for (unsigned int i = 0; berth_memblock_next(false, i, &range, &flags); i++)
		if (!(flags & MEMBLOCK_NOMAP) && base >= range.base &&
		    base - range.base < range.size && size <= range.size - (base - range.base))
			return true;
	return false;
}

static bool is_reserved(phys_addr_t base, uint64_t size)
{
	struct berth_range range;

	for (unsigned int i = 0; berth_memblock_next(true, i, &range, NULL); i++)
		if (base >= range.base && base - range.base < range.size &&
		    size <= range.size - (base - range.base))
			return true;
	return false;
}

static bool meets_area(phys_addr_t base, uint64_t size)
{
	for (unsigned int i = 0; i < nr_areas; i++)
		if (base < cma_get_base(&areas[i]) + cma_get_size(&areas[i]) &&
		    base + size > cma_get_base(&areas[i]))
			return true;
	return false;
}

int cma_init_reserved_mem(phys_addr_t base, phys_addr_t size, unsigned int order_per_bit,
			  const char *name, struct cma **res_cma)
{
	struct cma *cma;

	if (nr_areas == MAX_CMA_AREAS)
		return berth_fail_limit(-ENOSPC, BERTH_REASON_TABLE_FULL, "CMA areas", 0,
					MAX_CMA_AREAS);
	if (berth_nr_mem_maps)
		return berth_fail(-EBUSY, BERTH_REASON_STATE, "CMA area");
	if (order_per_bit > MAX_ORDER || ((base | size) & ((PAGE_SIZE << order_per_bit) - 1)))
		return berth_fail_at(-EINVAL, BERTH_REASON_ARGUMENT, "order_per_bit",
				     order_per_bit);
	if (!size || ((base | size) & (CMA_MIN_ALIGNMENT_BYTES - 1)))
		return berth_fail_at(-EINVAL, BERTH_REASON_ARGUMENT,
				     size ? "alignment of a CMA area" : "size of a CMA area", base);
	if (!is_mapped_memory(base, size) || !is_reserved(base, size) || meets_area(base, size))
		return berth_fail_at(-EINVAL, BERTH_REASON_ARGUMENT,
				     "CMA area that is not reserved memory of its own", base);

	cma = &areas[nr_areas];
	*cma = (struct cma){
		.order_per_bit = order_per_bit,
		.base_pfn = PFN_DOWN(base),
		.nr_pages = PFN_DOWN(size),
	};
	if (name)
		berth_strlcpy(cma->name, name, sizeof(cma->name));
	else
		berth_snprintf(cma->name, sizeof(cma->name), "cma%u", nr_areas);
	nr_areas++;
	*res_cma = cma;
	return 0;
}

void berth_cma_set_guaranteed(struct cma *cma)
{
	cma->guaranteed = true;
}

struct cma *berth_cma_of(uint64_t pfn)
{
	for (unsigned int i = 0; i < nr_areas; i++)
		if (pfn - areas[i].base_pfn < areas[i].nr_pages)
			return &areas[i];
	return NULL;
}

int berth_cma_prepare(void)
{
	for (unsigned int i = 0; i < nr_areas; i++) {
		uint64_t words = BITS_TO_WORDS(cma_nr_units(&areas[i]));

		areas[i].bitmap = memblock_alloc(words * sizeof(uint64_t), sizeof(uint64_t));
		if (!areas[i].bitmap)
			return berth_last_error()->code;
	}
	return 0;
}

void berth_cma_activate(void)
{
	for (unsigned int i = 0; i < nr_areas; i++) {
		uint64_t pfn = areas[i].base_pfn;

		memset(block_type(bank_of(pfn), pfn),
		       areas[i].guaranteed ? MIGRATE_CMA_GUARANTEED : MIGRATE_CMA,
		       (size_t)(areas[i].nr_pages >> pageblock_order));
		berth_pages_add(pfn, areas[i].nr_pages);
	}
}

void berth_cma_stop(void)
{
	memset(areas, 0, sizeof(areas));
	nr_areas = 0;
	default_area = NULL;
}

void berth_cma_count(uint64_t *pages, uint64_t *used)
{
	*pages = *used = 0;
	for (unsigned int i = 0; i < nr_areas; i++) {
		spin_lock(&areas[i].lock);
		*pages += areas[i].nr_pages;
		*used += areas[i].used;
		spin_unlock(&areas[i].lock);
	}
}
