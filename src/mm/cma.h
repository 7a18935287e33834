/* SPDX-License-Identifier: BSD-2-Clause */
/* What the files of CMA share, and the search for the cheapest window. */
#ifndef BERTH_MM_CMA_H
#define BERTH_MM_CMA_H

#include <berth/cma.h>
#include <berth/spinlock.h>

#define BERTH_CMA_PINS 64

/* Who has pinned a page; @nr is 0 in an entry that is not used. */
struct cma_pin {
	uint64_t pfn;
	uint64_t since_ns;
	uint32_t nr;
	char who[28];
};

/*
 * struct cma - an area
 * @lock: bitmap and figures; held for a few words' time only
 * @bitmap: changed with the lock held; a search reads it without
 * @in_flight: allocations that have marked a window and are not done
 * @given_back: times that bits were cleared
 * @pin_lock: @pins, @pins_unnamed
 */
struct cma {
	spinlock_t lock;
	unsigned int order_per_bit;
	uint64_t base_pfn;
	uint64_t nr_pages;
	uint64_t *bitmap;
	bool guaranteed;
	uint32_t in_flight;
	uint64_t given_back;
	uint64_t used;
	struct berth_cma_stats stats;
	char name[48];

	spinlock_t pin_lock;
	struct cma_pin pins[BERTH_CMA_PINS];
	uint64_t pins_unnamed;
};

/* What a page is to a search. */
enum page_class {
	CLASS_FREE,
	CLASS_DROP, /* a clean page */
	CLASS_MOVE,
	CLASS_HELD, /* a tenant's page that is in use, or on its way to another state */
	CLASS_PINNED,
	CLASS_FIXED, /* nobody can move it */
	NR_CLASSES
};

/* Which pages a window may contain, and what it costs. */
enum search_mode {
	SEARCH_STRICT, /* free pages, and those that can be dropped or moved now */
	SEARCH_LENIENT, /* and those that are held for the moment */
	SEARCH_BLOCKERS, /* any; the cost is the number of those that SEARCH_STRICT refuses */
};

#define BERTH_BUSY_PAGES 16u

/*
 * struct cma_search - what is wanted
 * @busy: pages that are not to be in the window, whatever they are
 */
struct cma_search {
	uint64_t count;
	unsigned int align;
	enum search_mode mode;
	const uint64_t *busy;
	unsigned int nr_busy;
};

/*
 * struct cma_window - the best one so far
 * @moved: pages to move, or pages that stay (SEARCH_BLOCKERS): compared first
 * @dropped: clean pages to drop: compared second
 * @hole_length: pages of the hole that it is in: compared third
 */
struct cma_window {
	bool found;
	uint64_t pfn;
	uint64_t moved;
	uint64_t dropped;
	uint64_t hole_length;
};

/* @run: if not NULL, pages from @pfn on, within its block, of the same class; at least 1. */
enum page_class berth_page_class(uint64_t pfn, uint64_t *run);

/* The cheapest window of an area; @longest: pages of its longest hole. */
bool berth_find_window(const struct cma *cma, const struct cma_search *search,
		       struct cma_window *best, uint64_t *longest);
/* The same outside of areas, in one bank and zone, below page number @limit. */
bool berth_find_contig(const struct cma_search *search, uint64_t limit, uint64_t *pfn,
		       uint64_t *longest);

/* Leave the reason of a failed cma_alloc() behind. */
void berth_cma_fail(struct cma *cma, const struct cma_search *search);

/* The area of a page; NULL if it is in none. */
struct cma *berth_cma_of(uint64_t pfn);
void berth_cma_fill_report(struct cma *cma, uint64_t count, unsigned int align,
			   struct berth_cma_report *report);
/* Who pinned a page, if that is known, and since when; false if not. */
bool berth_cma_who_pinned(struct cma *cma, uint64_t pfn, char *who, size_t size,
			  uint64_t *since_ns);
uint64_t berth_cma_pins_unnamed(struct cma *cma);

static inline uint64_t cma_nr_units(const struct cma *cma)
{
	return cma->nr_pages >> cma->order_per_bit;
}

static inline uint64_t cma_units_for(const struct cma *cma, uint64_t count)
{
	return (count + (1ULL << cma->order_per_bit) - 1) >> cma->order_per_bit;
}

#endif
