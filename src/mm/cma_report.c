// SPDX-License-Identifier: BSD-2-Clause
/* Why an allocation from an area fails: what is where, what is in the way, and whose it is. */
#include <berth/cma.h>

#include "lib/bitmap.h"
#include "lib/error.h"
#include "lib/printk.h"
#include "lib/string.h"
#include "mm/cma.h"
#include "mm/internal.h"

typedef unsigned long long ull;

const char *berth_page_holder(uint64_t pfn)
{
	const struct page *page = pfn_to_page(pfn);

	switch (berth_page_use(pfn)) {
	case BERTH_PAGE_SLAB:
		return "kmalloc()";
	case BERTH_PAGE_CMA:
		return "cma_alloc()";
	case BERTH_PAGE_RESERVED:
		return "a reservation";
	case BERTH_PAGE_TENANT:
		return page_maybe_dma_pinned(page) ? "a pin" : berth_tenant_name(page_flags(page));
	default:
		return page && page_maybe_dma_pinned(page) ? "a pin" : "a reference to the page";
	}
}

/* Who holds a page of an area, by name if there is one. */
static void name_holder(struct cma *cma, uint64_t pfn, char *who, size_t size, uint64_t *since_ns)
{
	*since_ns = 0;
	if (!page_maybe_dma_pinned(pfn_to_page(pfn)) ||
	    !berth_cma_who_pinned(cma, pfn, who, size, since_ns))
		berth_strlcpy(who, berth_page_holder(pfn), size);
}

/* The first page of the window that stays. */
static uint64_t first_blocker(uint64_t pfn, uint64_t count)
{
	for (uint64_t at = pfn; at < pfn + count; at++)
		if (berth_page_class(at, NULL) >= CLASS_HELD)
			return at;
	return pfn;
}

void berth_cma_fail(struct cma *cma, const struct cma_search *search)
{
	struct cma_search blockers = *search;
	struct berth_error *error;
	struct cma_window window;
	uint64_t longest;

	blockers.mode = SEARCH_BLOCKERS;
	if (!berth_find_window(cma, &blockers, &window, &longest)) {
		berth_fail_limit(-ENOSPC, BERTH_REASON_AREA_FULL, cma->name,
				 search->count << PAGE_SHIFT, longest << PAGE_SHIFT);
		return;
	}
	error = berth_error_set(-EBUSY, BERTH_REASON_PAGE_BUSY, cma->name);
	error->length = search->count << PAGE_SHIFT;
	error->pfn = window.moved      ? first_blocker(window.pfn, search->count)
		     : search->nr_busy ? search->busy[search->nr_busy - 1]
				       : window.pfn;
	error->address = PFN_PHYS(error->pfn);
	name_holder(cma, error->pfn, error->holder, sizeof(error->holder), &error->since_ns);
}

/* A run of free pages has ended. */
static void add_run(struct berth_cma_report *report, uint64_t length)
{
	unsigned int n = length ? highest_bit(length) : 0;

	if (length)
		report->free_runs[n < BERTH_CMA_RUNS ? n : BERTH_CMA_RUNS - 1]++;
}

static void count_page(struct berth_cma_report *report, enum page_class class, uint64_t nr)
{
	uint64_t *const counters[NR_CLASSES] = {
		[CLASS_FREE] = &report->free,	  [CLASS_DROP] = &report->droppable,
		[CLASS_MOVE] = &report->movable,  [CLASS_HELD] = &report->held,
		[CLASS_PINNED] = &report->pinned, [CLASS_FIXED] = &report->unmovable,
	};

	*counters[class] += nr;
}

static void count_pages(const struct cma *cma, struct berth_cma_report *report)
{
	uint64_t end = cma->base_pfn + cma->nr_pages, free_run = 0, usable = 0, nr;

	for (uint64_t pfn = cma->base_pfn; pfn < end; pfn += nr) {
		enum page_class class = CLASS_FIXED;
		bool is_given = page_state(pfn_to_page(pfn)) == PG_CMA;

		nr = 1;
		if (is_given)
			report->handed_out++;
		else
			class = berth_page_class(pfn, &nr);
		if (nr > end - pfn)
			nr = end - pfn;
		if (!is_given)
			count_page(report, class, nr);
		if (class != CLASS_FREE)
			add_run(report, free_run);
		free_run = class == CLASS_FREE ? free_run + nr : 0;
		usable = class < CLASS_HELD ? usable + nr : 0;
		if (usable > report->longest_usable)
			report->longest_usable = usable;
	}
	add_run(report, free_run);
}

static void name_blocker(struct cma *cma, struct berth_cma_report *report)
{
	const struct page *page;

	report->pfn = first_blocker(report->window, report->count);
	page = pfn_to_page(report->pfn);
	report->use = berth_page_use(report->pfn);
	report->references = page_count(page);
	berth_strlcpy(report->tenant, berth_tenant_name(page_flags(page)), sizeof(report->tenant));
	name_holder(cma, report->pfn, report->holder, sizeof(report->holder), &report->since_ns);
}

/* Pages in the window that would be dropped or moved, by what they are now. */
static void find_place(struct cma *cma, struct berth_cma_report *report)
{
	struct cma_search search = { .count = report->count, .align = report->align };
	struct cma_window window;

	if (berth_find_window(cma, &search, &window, &report->longest_hole)) {
		report->to_move = window.moved;
		report->to_drop = window.dropped;
		report->verdict = BERTH_CMA_FITS;
		if (window.moved > report->room)
			report->room += berth_clean_pages(window.moved - report->room);
		if (window.moved > report->room + berth_tenants_room(window.pfn, report->count))
			report->verdict = BERTH_CMA_NO_ROOM;
		report->window = window.pfn;
		return;
	}
	search.mode = SEARCH_BLOCKERS;
	if (!berth_find_window(cma, &search, &window, &report->longest_hole)) {
		report->verdict = BERTH_CMA_FULL;
		return;
	}
	report->verdict = BERTH_CMA_BLOCKED;
	report->window = window.pfn;
	report->to_stay = window.moved;
	name_blocker(cma, report);
}

void berth_cma_fill_report(struct cma *cma, uint64_t count, unsigned int align,
			   struct berth_cma_report *report)
{
	memset(report, 0, sizeof(*report));
	berth_strlcpy(report->name, cma->name, sizeof(report->name));
	report->count = count;
	report->align = align;
	report->guaranteed = cma->guaranteed;
	report->pages = cma->nr_pages;
	berth_pcp_drain();
	report->room = berth_free_bytes(berth_gfp_end(0)) >> PAGE_SHIFT;
	count_pages(cma, report);
	find_place(cma, report);
}

/* Text. */

/* Append to a text of @size bytes of which @at are there; counts on when it is full. */
static size_t append(char *text, size_t size, size_t at, const char *format, ...)
	BERTH_PRINTF(4, 5);

static size_t append(char *text, size_t size, size_t at, const char *format, ...)
{
	size_t used = at < size ? at : size;
	va_list args;
	int length;

	va_start(args, format);
	length = berth_vsnprintf(text ? text + used : NULL, size - used, format, args);
	va_end(args);
	return at + (size_t)length;
}

static size_t append_verdict(const struct berth_cma_report *r, char *text, size_t size, size_t at)
{
	switch (r->verdict) {
	case BERTH_CMA_FITS:
		return append(text, size, at,
			      "it fits at page %#llx: %llu pages to move, %llu to drop\n",
			      (ull)r->window, (ull)r->to_move, (ull)r->to_drop);
	case BERTH_CMA_FULL:
		return append(text, size, at,
			      "too much is handed out: the longest hole has %llu pages\n",
			      (ull)r->longest_hole);
	case BERTH_CMA_NO_ROOM:
		return append(
			text, size, at,
			"%llu pages are in the way at page %#llx and %llu have room elsewhere\n",
			(ull)r->to_move, (ull)r->window, (ull)r->room);
	default:
		break;
	}
	at = append(text, size, at,
		    "every place has a page that stays; the best, at page %#llx, has %llu:\n"
		    "page %#llx%s%s is held by %s (%u references)",
		    (ull)r->window, (ull)r->to_stay, (ull)r->pfn, r->tenant[0] ? " of " : "",
		    r->tenant, r->holder, (unsigned int)r->references);
	if (r->since_ns)
		at = append(text, size, at, " since %llu ns", (ull)r->since_ns);
	return append(text, size, at, "\n");
}

size_t berth_cma_report_text(const struct berth_cma_report *report, char *text, size_t size)
{
	const struct berth_cma_report *r = report;
	size_t at = 0;

	at = append(text, size, at, "%s%s: %llu pages aligned to %llu\n", r->name,
		    r->guaranteed ? " (guaranteed)" : "", (ull)r->count, 1ULL << r->align);
	at = append_verdict(r, text, size, at);
	at = append(text, size, at,
		    "of %llu pages %llu are handed out, %llu free, %llu clean, %llu movable, "
		    "%llu in use, %llu pinned, %llu unmovable\n",
		    (ull)r->pages, (ull)r->handed_out, (ull)r->free, (ull)r->droppable,
		    (ull)r->movable, (ull)r->held, (ull)r->pinned, (ull)r->unmovable);
	at = append(text, size, at, "free runs:");
	for (unsigned int n = 0; n < BERTH_CMA_RUNS; n++)
		if (r->free_runs[n])
			at = append(text, size, at, " %llu of %llu+", (ull)r->free_runs[n],
				    1ULL << n);
	return append(text, size, at, "\n");
}
