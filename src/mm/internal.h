/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What the files of src/mm/ share, and what berth_start() and berth_stop() call.
 *
 * Locks, in the order in which they may be taken:
 *
 *   cma->lock           bitmap of one area; never held while pages are taken or freed
 *   slab_cache->lock    one size of kmalloc() objects; never held while pages are taken or freed
 *   descriptors.lock    the slabs' descriptors; likewise
 *   zone->lock          free lists; of several zones, the one of lower addresses first
 *
 * All but the first are taken with interrupts away. The flags of a page are written by whoever owns
 * it: the zone's lock while it is free, its user otherwise. Neighbours read them at any time.
 */
#ifndef BERTH_MM_INTERNAL_H
#define BERTH_MM_INTERNAL_H

#include <berth/cma.h>
#include <berth/error.h>
#include <berth/gfp.h>
#include <berth/mm.h>
#include <berth/spinlock.h>

/* Start and stop. */

/*
 * Make the page allocator, kmalloc() and the CMA areas from what memblock knows. Called after
 * berth_port_ram() has built the linear map; from then on memblock can only be read.
 * Return: 0, or a negative errno value; then berth_mm_stop() is still owed.
 */
int berth_mm_start(void);

/* Forget everything but memblock. Legal at any time; pages still in use are simply gone. */
void berth_mm_stop(void);

/* Bytes that users have not given back: kmalloc() objects, pages, CMA. For berth_stop(). */
uint64_t berth_mm_leaked(void);

/* Forget all regions; the next berth_start() begins with this. */
void berth_memblock_reset(void);

/* From now on memblock is read only. */
void berth_memblock_freeze(void);

/* Which area berth_cma_default() is; NULL for none. While berth starts. */
void berth_cma_set_default(struct cma *cma);

/* struct page::flags: bits 0-3 order of a head, 4-7 state, 8-10 migrate type of a free head. */
#define PG_ORDER 0x00fu
#define PG_STATE 0x0f0u
#define PG_TYPE_SHIFT 8
#define PG_TYPE 0x700u

enum page_state {
	PG_RESERVED = 0x00, /* never handed to the allocator */
	PG_TAIL = 0x10, /* inside a block: its head says what it is */
	PG_FREE = 0x20, /* head of a block in a free list */
	PG_USED = 0x30, /* head of a block that alloc_pages() gave */
	PG_SLAB = 0x40, /* each page of a slab; index is its descriptor */
	PG_LARGE = 0x50, /* head of a large kmalloc(); index is its size */
	PG_META = 0x60, /* kmalloc()'s own records */
	PG_CMA = 0x70, /* each page that cma_alloc() gave */
};

#define NO_PAGE UINT32_MAX

enum { ZONE_DMA, ZONE_DMA32, ZONE_NORMAL, NR_ZONES };

/*
 * struct zone - pages of one range of addresses, with their free lists
 * @orders: bit n is set when the list of order n is not empty, for each migrate type
 * @first: first block of a list
 * @managed: pages that were handed over
 * @free: pages in the lists
 * @free_cma: those of them in CMA page blocks
 */
struct zone {
	spinlock_t lock;
	uint32_t orders[MIGRATE_TYPES];
	uint32_t first[MAX_ORDER + 1][MIGRATE_TYPES];
	uint64_t managed;
	uint64_t free;
	uint64_t free_cma;
};

extern struct zone berth_zones[NR_ZONES];

static inline unsigned int zone_index(uint64_t pfn)
{
	return pfn < PFN_DOWN(16ULL << 20)  ? ZONE_DMA
	       : pfn < PFN_DOWN(4ULL << 30) ? ZONE_DMA32
					    : ZONE_NORMAL;
}

static inline uint32_t page_flags(const struct page *page)
{
	return __atomic_load_n(&page->flags, __ATOMIC_RELAXED);
}

static inline void page_set_flags(struct page *page, uint32_t flags)
{
	__atomic_store_n(&page->flags, flags, __ATOMIC_RELAXED);
}

static inline uint32_t page_state(const struct page *page)
{
	return page_flags(page) & PG_STATE;
}

static inline struct page *page_in(const struct berth_mem_map *bank, uint64_t pfn)
{
	return &bank->pages[pfn - bank->pfn];
}

static inline unsigned int page_order(const struct page *page)
{
	return page_flags(page) & PG_ORDER;
}

static inline bool is_head(const struct page *page, enum page_state state, unsigned int order)
{
	return (page_flags(page) & (PG_STATE | PG_ORDER)) == (state | order);
}

/* The bank of a page number, or NULL. */
static inline const struct berth_mem_map *bank_of(uint64_t pfn)
{
	for (unsigned int i = 0; i < berth_nr_mem_maps; i++)
		if (pfn - berth_mem_map[i].pfn < berth_mem_map[i].nr)
			return &berth_mem_map[i];
	return NULL;
}

/* A bank's page blocks, the first and last possibly cut off by the bank's ends. */
static inline uint64_t bank_nr_blocks(uint64_t pfn, uint64_t nr)
{
	return ((pfn + nr - 1) >> pageblock_order) - (pfn >> pageblock_order) + 1;
}

/* The migrate type of the page block around @pfn: a byte each, behind the bank's page array. */
static inline uint8_t *block_type(const struct berth_mem_map *bank, uint64_t pfn)
{
	return (uint8_t *)(bank->pages + bank->nr) +
	       ((pfn >> pageblock_order) - (bank->pfn >> pageblock_order));
}

/* Pages (page_alloc.c, page_ref.c). */

void berth_zones_reset(void);

/*
 * The pages [@pfn, @pfn + @nr) of one bank, never handed out before, become free; the types of
 * their page blocks have been set.
 */
void berth_pages_add(uint64_t pfn, uint64_t nr);

/* alloc_pages() without a record of the failure, all pages below page number @end. */
struct page *berth_try_pages(gfp_t gfp, unsigned int order, uint64_t end);

/* First page number behind what @gfp allows. */
uint64_t berth_gfp_end(gfp_t gfp);

/* Free pages below @end that are not CMA's, in bytes: the limit of OUT_OF_MEMORY. */
uint64_t berth_free_bytes(uint64_t end);

/*
 * Take exactly the pages [@pfn, @pfn + @nr) of one bank out of the free lists: all of them or none.
 * They become single pages in state @state, each with one reference. Return: 0, -EINVAL if they
 * are not one bank's, or -EBUSY with *@busy the first page that is not free.
 */
int berth_take_free_range(uint64_t pfn, uint64_t nr, enum page_state state, uint64_t *busy);

/*
 * berth_take_free_range() for ordinary users: single used pages, none of them an area's. False with
 * *@busy, a page that stands in the way.
 */
bool berth_take_free_pages(uint64_t pfn, uint64_t nr, uint64_t *busy);

/*
 * Drop one reference of each of @nr single pages of one bank. They are freed in the largest blocks
 * possible; a page that somebody else still holds becomes an ordinary used page.
 */
void berth_put_range(uint64_t pfn, uint64_t nr);

/* A block of which nobody has a reference any more goes back to the lists. */
void berth_free_block(const struct berth_mem_map *bank, uint64_t pfn, unsigned int order);
/* Pages that are all PG_TAIL go back in the largest blocks possible. */
void berth_free_run(const struct berth_mem_map *bank, uint64_t pfn, uint64_t nr);

/* Page number of the head of the block that @pfn is in, or NO_PAGE if there is none. */
uint64_t berth_block_head(const struct berth_mem_map *bank, uint64_t pfn);

/* The bank of @page, or NULL if it is not a struct page of berth's. */
const struct berth_mem_map *berth_bank_of_page(const struct page *page);

/* Record NOT_OWNED. */
void berth_not_owned(const char *subject, uint64_t address, uint64_t pfn);

/* kmalloc() (slab.c). */

void berth_slab_start(void);
void berth_slab_stop(void);
/* Give back the empty slabs that are kept for the next kmalloc(). */
void berth_slab_shrink(void);
/* Pages that kmalloc() holds, and bytes of them that users hold. */
uint64_t berth_slab_pages(void);
uint64_t berth_slab_live_bytes(void);

/* CMA (cma.c). */

/* Memory for the bitmaps, from memblock. */
int berth_cma_prepare(void);
/* Page blocks become MIGRATE_CMA, their pages free. */
void berth_cma_activate(void);
void berth_cma_stop(void);
/* Pages in areas, and pages that cma_alloc() has given. */
void berth_cma_count(uint64_t *pages, uint64_t *used);

#endif
