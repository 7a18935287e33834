/* SPDX-License-Identifier: BSD-2-Clause */
/**
 * DOC: page_pool - pages that stay mapped while they are recycled (net/page_pool.h)
 *
 * A network receive ring hands out the same pages again and again; the pool keeps their DMA
 * mapping and syncs only what the device will write. Meaning: Documentation/networking/page_pool.rst.
 *
 * One context at a time allocates: the one that fills the ring, say. It may also give pages back with
 * @allow_direct, which takes no atomic operation; everybody else gives them back without, in any
 * context, and they wait until the first one needs them. struct page::index of a page is the pool's.
 */
#ifndef BERTH_PAGE_POOL_H
#define BERTH_PAGE_POOL_H

#include <berth/device.h>
#include <berth/dma-mapping.h>
#include <berth/gfp.h>
#include <berth/types.h>

#include <berth/names.h>

BERTH_BEGIN_DECLS

#define PP_FLAG_DMA_MAP 0x1u /* the pool maps and unmaps its pages */
#define PP_FLAG_DMA_SYNC_DEV 0x2u /* and syncs them for the device when they come back */
#define PP_FLAG_PAGE_FRAG 0x4u /* pages are handed out in parts */

#define PP_ALLOC_CACHE_SIZE 128
#define PP_ALLOC_CACHE_REFILL 64

/**
 * struct page_pool_params - what a pool is like
 * @flags: PP_FLAG_*
 * @order: 2^this pages per allocation
 * @pool_size: how many pages wait, given back by others than who allocates; 0: 1024, at most 32768
 * @nid: ignored: berth has one node
 * @dev: the device, for PP_FLAG_DMA_MAP; it outlives the pool's last page
 * @dma_dir: DMA_FROM_DEVICE or DMA_BIDIRECTIONAL
 * @max_len: bytes to sync for the device, from @offset on
 * @offset: where the device starts to write
 * @init_callback: called once for each new page; may be NULL
 * @init_arg: handed to it
 */
struct page_pool_params {
	unsigned int flags;
	unsigned int order;
	unsigned int pool_size;
	int nid;
	struct device *dev;
	enum dma_data_direction dma_dir;
	unsigned int max_len;
	unsigned int offset;
	void (*init_callback)(struct page *page, void *arg);
	void *init_arg;
};

/* What the pool knows of a page: struct page::index points here. Private. */
struct berth_pp_item {
	struct page *page;
	dma_addr_t dma;
	struct berth_pp_item *next;
	uint32_t users; /* 0: it is in the pool; else parts of it that are out */
	uint32_t needs_sync; /* when it comes back */
};

static inline struct berth_pp_item *berth_pp_item(const struct page *page)
{
	return (struct berth_pp_item *)(uintptr_t)page->index;
}

/*
 * struct page_pool - the part of a pool that the inline functions read; private
 * @nr_cached: pages in @cache
 * @cache_limit: that many fit; 0 when the pool is destroyed
 * @items: most pages' items, @nr_items of them
 * @dma_dir: of the mappings
 * @fast: how many pages came from @cache
 * @recycled: how many went there
 * @cache: pages that wait for the next allocation
 */
struct page_pool {
	unsigned int nr_cached;
	unsigned int cache_limit;
	struct berth_pp_item *items;
	uintptr_t nr_items;
	enum dma_data_direction dma_dir;
	uint64_t fast;
	uint64_t recycled;
	struct page *cache[PP_ALLOC_CACHE_SIZE];
};

/**
 * page_pool_create() - a pool without pages
 * @params: copied
 *
 * May sleep. Return: the pool, until page_pool_destroy(), or ERR_PTR(): -EINVAL (ARGUMENT: unknown
 * flags; PP_FLAG_DMA_MAP without a device or with another direction; PP_FLAG_DMA_SYNC_DEV without
 * PP_FLAG_DMA_MAP, or @offset and @max_len are not a part of a page), -E2BIG (ARGUMENT: @pool_size),
 * -ENOMEM (OUT_OF_MEMORY).
 */
struct page_pool *page_pool_create(const struct page_pool_params *params);

/**
 * page_pool_destroy() - the pool takes no page back any more
 * @pool: NULL is ignored
 *
 * Where pages are allocated. Pages that wait are unmapped and freed now. Those that are out may still
 * be given back, and each is unmapped and freed then; with the last one the pool's own memory goes.
 */
void page_pool_destroy(struct page_pool *pool);

struct page *berth_page_pool_alloc_slow(struct page_pool *pool, gfp_t gfp);
void berth_page_pool_put_slow(struct page_pool *pool, struct page *page, unsigned int dma_sync_size,
			      bool allow_direct);

/**
 * page_pool_alloc_pages() - a page, or a block of the pool's order, for the device
 * @pool: the pool
 * @gfp: GFP_KERNEL or GFP_ATOMIC, should a new page be needed
 *
 * One context at a time. Contents undefined; mapped and synced as the pool's flags say. New pages are
 * from where the device reaches. Return: the page, until page_pool_put_page(), or NULL
 * (OUT_OF_MEMORY, or the reason of dma_map_page()).
 */
static inline struct page *page_pool_alloc_pages(struct page_pool *pool, gfp_t gfp)
{
	unsigned int nr = pool->nr_cached;
	struct page *page;

	if (__builtin_expect(!nr, 0))
		return berth_page_pool_alloc_slow(pool, gfp);
	page = pool->cache[--nr];
	pool->nr_cached = nr;
	pool->fast++;
	__atomic_store_n(&berth_pp_item(page)->users, 1, __ATOMIC_RELAXED);
	return page;
}

/** page_pool_dev_alloc_pages() - page_pool_alloc_pages() that does not sleep. */
static inline struct page *page_pool_dev_alloc_pages(struct page_pool *pool)
{
	return page_pool_alloc_pages(pool, GFP_ATOMIC | __GFP_NOWARN);
}

/**
 * page_pool_alloc_frag() - a part of a page, of a pool with PP_FLAG_PAGE_FRAG
 * @pool: the pool
 * @offset: where the part's place in the page goes
 * @size: bytes, rounded up to cache lines
 * @gfp: as for page_pool_alloc_pages()
 *
 * One context at a time. Parts of a page do not share cache lines; the page goes back to the pool when
 * page_pool_put_page() was called for each. Return: the page, or NULL (ARGUMENT: no such pool or
 * size; as page_pool_alloc_pages()).
 */
struct page *page_pool_alloc_frag(struct page_pool *pool, unsigned int *offset, unsigned int size,
				  gfp_t gfp);

/** page_pool_dev_alloc_frag() - page_pool_alloc_frag() that does not sleep. */
static inline struct page *page_pool_dev_alloc_frag(struct page_pool *pool, unsigned int *offset,
						    unsigned int size)
{
	return page_pool_alloc_frag(pool, offset, size, GFP_ATOMIC | __GFP_NOWARN);
}

/**
 * page_pool_put_page() - give a page, or a part of one, back
 * @pool: where it is from; legal after page_pool_destroy()
 * @page: the page
 * @dma_sync_size: bytes, from the pool's offset on, that the CPU may have touched or the device
 *	written: what is synced for the device, at most max_len
 * @allow_direct: the caller is the context that allocates
 *
 * Any context. A page to which others have references (get_page(), pins) is not used again: it is
 * unmapped, and theirs from then on. What is not out is refused (NOT_OWNED), a second call at the very
 * same moment excepted.
 */
static inline void page_pool_put_page(struct page_pool *pool, struct page *page,
				      unsigned int dma_sync_size, bool allow_direct)
{
	struct berth_pp_item *item;
	uintptr_t at;

	if (allow_direct && page) {
		item = berth_pp_item(page);
		at = (uintptr_t)item - (uintptr_t)pool->items;
		/* Rotated, an address between two items is larger than any number of items. */
		at = at / sizeof(*item) | at << (8 * sizeof(at) - 5);
		if (__builtin_expect(at < pool->nr_items && item->page == page &&
					     __atomic_load_n(&item->users, __ATOMIC_ACQUIRE) == 1 &&
					     !item->needs_sync &&
					     __atomic_load_n(&page->refcount, __ATOMIC_ACQUIRE) ==
						     1 &&
					     pool->nr_cached < pool->cache_limit,
				     1)) {
			__atomic_store_n(&item->users, 0, __ATOMIC_RELAXED);
			pool->cache[pool->nr_cached++] = page;
			pool->recycled++;
			return;
		}
	}
	berth_page_pool_put_slow(pool, page, dma_sync_size, allow_direct);
}

/** page_pool_put_full_page() - page_pool_put_page() of which all of max_len is synced. */
static inline void page_pool_put_full_page(struct page_pool *pool, struct page *page,
					   bool allow_direct)
{
	page_pool_put_page(pool, page, UINT_MAX, allow_direct);
}

/** page_pool_recycle_direct() - page_pool_put_full_page() where pages are allocated. */
static inline void page_pool_recycle_direct(struct page_pool *pool, struct page *page)
{
	page_pool_put_full_page(pool, page, true);
}

/** page_pool_put_page_bulk() - page_pool_put_full_page() of @count pages. Any context. */
void page_pool_put_page_bulk(struct page_pool *pool, void **data, int count);

/**
 * page_pool_release_page() - take a page out of the pool, for good
 *
 * Any context. It is unmapped, without a sync; the caller has the pool's reference, for put_page().
 * A page that is not out, or of which several parts are, is refused (NOT_OWNED).
 */
void page_pool_release_page(struct page_pool *pool, struct page *page);

/** page_pool_get_dma_addr() - what the device is told for a page of a pool. Any context. */
static inline dma_addr_t page_pool_get_dma_addr(const struct page *page)
{
	const struct berth_pp_item *item = berth_pp_item(page);

	return item ? item->dma : DMA_MAPPING_ERROR;
}

/** page_pool_get_dma_dir() - the direction of a pool's mappings. Any context. */
static inline enum dma_data_direction page_pool_get_dma_dir(const struct page_pool *pool)
{
	return pool->dma_dir;
}

/** berth_page_pool_inflight() - pages that are out, and one that parts are cut from. */
uint64_t berth_page_pool_inflight(const struct page_pool *pool);

/**
 * struct page_pool_alloc_stats - where pages came from
 * @fast: the cache
 * @slow: the page allocator, order 0
 * @slow_high_order: the page allocator, higher orders
 * @empty: nobody had given one back
 * @refill: the cache was filled with those that others gave back
 */
struct page_pool_alloc_stats {
	uint64_t fast;
	uint64_t slow;
	uint64_t slow_high_order;
	uint64_t empty;
	uint64_t refill;
};

/**
 * struct page_pool_recycle_stats - where pages went
 * @cached: the cache
 * @cache_full: it was full
 * @ring: they wait
 * @ring_full: pool_size were waiting, so they were freed
 * @released_refcnt: others had references
 */
struct page_pool_recycle_stats {
	uint64_t cached;
	uint64_t cache_full;
	uint64_t ring;
	uint64_t ring_full;
	uint64_t released_refcnt;
};

/**
 * struct page_pool_stats - both
 * @alloc_stats: where pages came from
 * @recycle_stats: where pages went
 */
struct page_pool_stats {
	struct page_pool_alloc_stats alloc_stats;
	struct page_pool_recycle_stats recycle_stats;
};

/** page_pool_get_stats() - add a pool's counts to @stats, where pages are allocated. False: NULL. */
bool page_pool_get_stats(const struct page_pool *pool, struct page_pool_stats *stats);

BERTH_END_DECLS

#ifdef BERTH_CHECKED
#include <berth/check-page_pool.h>
#endif

#ifdef BERTH_NO_SHORT_NAMES
#include <berth/names-off.h>
#endif
#endif
