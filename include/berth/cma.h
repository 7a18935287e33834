/* SPDX-License-Identifier: BSD-2-Clause */
/**
 * DOC: cma - the contiguous memory allocator (linux/cma.h)
 *
 * An area is a range of page blocks that belongs to devices and is lent to tenants (migrate.h) while
 * they are idle. An allocation takes the place that costs least: the fewest pages to move, then the
 * fewest clean pages to drop, never a page that is pinned. docs/cma.md says what may be relied on.
 * Areas come from the device tree (``shared-dma-pool`` with ``reusable``) and from ``cma=`` in the
 * boot arguments.
 */
#ifndef BERTH_CMA_H
#define BERTH_CMA_H

#include <berth/mm.h>
#include <berth/types.h>

#include <berth/names.h>

BERTH_BEGIN_DECLS

#define MAX_CMA_AREAS 16
#define CMA_MIN_ALIGNMENT_BYTES (2UL << 20)

struct cma;

/**
 * cma_alloc() - @count contiguous pages
 * @cma: the area
 * @count: pages, 1 to the size of the area
 * @align: the first page number is a multiple of 2^@align
 * @no_warn: a failure is expected
 *
 * May sleep. Tenants' pages in the way are dropped or moved; if that cannot succeed nothing is
 * touched. The pages are single pages with one reference each, the caller's, until cma_release();
 * their contents are undefined, none is zeroed. Return: the first page or NULL (berth_last_error():
 * AREA_FULL, PAGE_BUSY with who holds the page, NO_ROOM, ARGUMENT; all of it: berth_cma_explain()).
 */
struct page *cma_alloc(struct cma *cma, unsigned long count, unsigned int align, bool no_warn);

/**
 * cma_release() - give pages back to their area
 * @cma: the area
 * @pages: what cma_alloc() returned
 * @count: as given to cma_alloc(), or a part: any range of pages that were handed out
 *
 * May sleep. Return: false if @pages do not lie in @cma (the caller frees them elsewhere), or if
 * any of them was not handed out (NOT_OWNED); then nothing changes.
 */
bool cma_release(struct cma *cma, const struct page *pages, unsigned long count);

/** cma_get_base() - physical address of an area. */
phys_addr_t cma_get_base(const struct cma *cma);

/** cma_get_size() - bytes of an area. */
unsigned long cma_get_size(const struct cma *cma);

/** cma_get_name() - name of an area: its node's, or "default". */
const char *cma_get_name(const struct cma *cma);

/** cma_for_each_area() - call @it for every area until it returns non-zero; return that. */
int cma_for_each_area(int (*it)(struct cma *cma, void *data), void *data);

/** berth_cma_default() - the area for devices without one of their own; NULL if there is none. */
struct cma *berth_cma_default(void);

/**
 * cma_init_reserved_mem() - make an area of memory that memblock has reserved
 * @base: a multiple of CMA_MIN_ALIGNMENT_BYTES
 * @size: a multiple of CMA_MIN_ALIGNMENT_BYTES
 * @order_per_bit: 2^this pages are the smallest unit that is handed out
 * @name: copied
 * @res_cma: where the area goes
 *
 * While berth starts, before the page allocator; see berth_start(). Return: 0, -EINVAL
 * (ARGUMENT), -ENOSPC (TABLE_FULL).
 */
int cma_init_reserved_mem(phys_addr_t base, phys_addr_t size, unsigned int order_per_bit,
			  const char *name, struct cma **res_cma);

/**
 * struct berth_cma_stats - figures of one area since berth_start()
 * @pages: size
 * @used: pages handed out
 * @longest_free_run: pages that are not handed out in one piece; tenants may have them
 * @alloc_success: calls of cma_alloc() that succeeded
 * @alloc_fail: calls that failed
 * @migrated: pages moved for them
 * @dropped: clean pages given up for them
 * @written: pages written to files or swap for them, since there was no memory to move them to
 * @retries: times that a page was in use for a moment and was waited for, or another place tried
 * @time_ns: time spent in cma_alloc()
 * @time_max_ns: the longest call
 * @pins_unnamed: pins for which there was no space in the table of who pinned what
 */
struct berth_cma_stats {
	uint64_t pages;
	uint64_t used;
	uint64_t longest_free_run;
	uint64_t alloc_success;
	uint64_t alloc_fail;
	uint64_t migrated;
	uint64_t dropped;
	uint64_t written;
	uint64_t retries;
	uint64_t time_ns;
	uint64_t time_max_ns;
	uint64_t pins_unnamed;
};

/** berth_cma_stats() - fill @stats. May sleep. */
void berth_cma_stats(struct cma *cma, struct berth_cma_stats *stats);

/**
 * enum berth_cma_verdict - what would become of a request now
 */
enum berth_cma_verdict {
	BERTH_CMA_FITS, /* it would succeed */
	BERTH_CMA_FULL, /* what is handed out leaves no place */
	BERTH_CMA_BLOCKED, /* every place has a page that stays: @pfn is in the best of them */
	BERTH_CMA_NO_ROOM, /* the pages in the way have nowhere to go */
};

#define BERTH_CMA_RUNS 20

/**
 * struct berth_cma_report - why a request fails, or what it would cost
 * @name: the area's
 * @count: pages asked for
 * @align: alignment asked for
 * @verdict: what would happen
 * @guaranteed: the area holds clean pages only
 * @pages: size of the area
 * @handed_out: pages that devices have
 * @free: free pages; this and the next five count what is not handed out
 * @droppable: clean tenants' pages
 * @movable: other tenants' pages
 * @held: tenants' pages that somebody uses for the moment
 * @pinned: pinned pages
 * @unmovable: pages that are no tenant's
 * @free_runs: runs of 2^n to 2^(n+1)-1 free pages; the last entry counts longer ones as well
 * @longest_hole: longest run that is not handed out
 * @longest_usable: longest run of free, droppable and movable pages
 * @window: first page number of the place that costs least (FITS, NO_ROOM), or has the fewest
 *	pages that stay (BLOCKED)
 * @to_move: pages to move there
 * @to_drop: clean pages to drop there
 * @to_stay: pages there that stay
 * @room: pages that could be displaced now: free memory outside of areas, clean pages there (counted
 *	as far as they are needed); what tenants can write away comes on top
 * @pfn: the first page that stays
 * @use: what it is doing
 * @references: its count; each pin counts PAGE_PIN_BIAS
 * @tenant: whose it is, "" if nobody's
 * @holder: who pinned it, or what else holds it
 * @since_ns: since when it is pinned, on berth_port_now()'s clock; 0 if not known
 */
struct berth_cma_report {
	char name[48];
	uint64_t count;
	unsigned int align;
	enum berth_cma_verdict verdict;
	bool guaranteed;
	uint64_t pages;
	uint64_t handed_out;
	uint64_t free;
	uint64_t droppable;
	uint64_t movable;
	uint64_t held;
	uint64_t pinned;
	uint64_t unmovable;
	uint64_t free_runs[BERTH_CMA_RUNS];
	uint64_t longest_hole;
	uint64_t longest_usable;
	uint64_t window;
	uint64_t to_move;
	uint64_t to_drop;
	uint64_t to_stay;
	uint64_t room;
	uint64_t pfn;
	enum berth_page_use use;
	uint32_t references;
	char tenant[32];
	char holder[32];
	uint64_t since_ns;
};

/**
 * berth_cma_explain() - what stands in the way of cma_alloc(@cma, @count, @align)
 * @report: filled in; a snapshot if others allocate meanwhile
 *
 * Moves nothing. May sleep. Return: 0, or -EINVAL (ARGUMENT, STATE).
 */
int berth_cma_explain(struct cma *cma, unsigned long count, unsigned int align,
		      struct berth_cma_report *report);

/**
 * berth_cma_report_text() - a report as a few lines of text
 *
 * Any context. Return: the length of the whole text, which may exceed @size - 1, as snprintf().
 */
size_t berth_cma_report_text(const struct berth_cma_report *report, char *text, size_t size);

BERTH_END_DECLS

#ifdef BERTH_NO_SHORT_NAMES
#include <berth/names-off.h>
#endif
#endif
