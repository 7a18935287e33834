/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Pools of mapped pages: everything but the way through the cache, which is inline.
 *
 * Pages that others than the allocating context give back are pushed on a stack (@ring); that context
 * takes the whole stack away, so a page that comes back twice meanwhile does no harm. There is no lock.
 * Each page of the pool, in it or out, has a reference to it, and the program has one until
 * page_pool_destroy(). Who gives the last one up frees the pool: after giving a page up nobody but the
 * program looks at it.
 */
#include <berth/page_pool.h>
#include <berth/slab.h>

#include "dma/internal.h"
#include "lib/error.h"

#define MAX_POOL_SIZE 32768u
#define DEFAULT_POOL_SIZE 1024u
/* Items that the inline way knows: no more than this. */
#define MAX_ITEMS 1024u
#define ITEMS_IN_PAGE (PAGE_SIZE / sizeof(struct berth_pp_item))
/* Users of a page from which parts are being cut, less those that were given back. */
#define FRAG_BIAS 0x40000000u

/*
 * struct pool - a pool
 * @p: what the program said
 * @references: pages, and the program's
 * @ring: pages that others gave back, or CLOSED
 * @waiting: those of them that were taken from there; the allocating context's
 * @nr_ring: pages in both
 * @nr_taken: pages that have left them
 * @free_items: items that others have given up
 * @own_items: those of them that were taken from there
 * @chunks: the first item of each chunk of items; it is no page's, and leads to the next chunk
 * @items_order: order of the first one
 * @frag: the page that parts are cut from
 * @frag_offset: where the next part may begin
 * @frag_users: parts that were cut from it
 * @shared: counted by everybody
 */
struct pool {
	struct page_pool pool;
	struct page_pool_params p;
	uint64_t references;
	struct berth_pp_item *ring;
	struct berth_pp_item *waiting;
	uint64_t nr_ring;
	uint64_t nr_taken;
	struct berth_pp_item *free_items;
	struct berth_pp_item *own_items;
	struct berth_pp_item *chunks;
	unsigned int items_order;
	struct berth_pp_item *frag;
	unsigned int frag_offset;
	unsigned int frag_users;
	struct page_pool_alloc_stats alloc;
	struct page_pool_recycle_stats shared;
};

#define CLOSED ((struct berth_pp_item *)1)

_Static_assert(sizeof(struct berth_pp_item) == 32 || sizeof(void *) != 8, "berth/page_pool.h");

static struct pool *of(struct page_pool *pool)
{
	return container_of(pool, struct pool, pool);
}

static void count(uint64_t *counter)
{
	__atomic_fetch_add(counter, 1, __ATOMIC_RELAXED);
}

static size_t block_bytes(const struct pool *pool)
{
	return PAGE_SIZE << pool->p.order;
}

static bool is_closed(const struct pool *pool)
{
	return !pool->pool.cache_limit;
}

/* Items. */

static void push(struct berth_pp_item **stack, struct berth_pp_item *item)
{
	struct berth_pp_item *head = __atomic_load_n(stack, __ATOMIC_RELAXED);

	do
		item->next = head;
	while (!__atomic_compare_exchange_n(stack, &head, item, true, __ATOMIC_RELEASE,
					    __ATOMIC_RELAXED));
}

static bool add_chunk(struct pool *pool, unsigned int order, gfp_t gfp)
{
	struct page *page = alloc_pages((gfp & __GFP_DIRECT_RECLAIM) | __GFP_ZERO, order);
	struct berth_pp_item *items;

	if (!page)
		return false;
	/* Says of an address in it that there are items of this pool. */
	page->index = (uintptr_t)pool;
	items = page_address(page);
	items[0].next = pool->chunks;
	pool->chunks = items;
	for (unsigned int i = 1; i < ITEMS_IN_PAGE << order; i++) {
		items[i].next = pool->own_items;
		pool->own_items = &items[i];
	}
	return true;
}

static struct berth_pp_item *take_item(struct pool *pool, gfp_t gfp)
{
	struct berth_pp_item *item;

	if (!pool->own_items)
		pool->own_items = __atomic_exchange_n(&pool->free_items, NULL, __ATOMIC_ACQUIRE);
	if (!pool->own_items && !add_chunk(pool, 0, gfp))
		return NULL;
	item = pool->own_items;
	pool->own_items = item->next;
	return item;
}

/* The item of a page that is the pool's, NULL for any other. */
static struct berth_pp_item *item_of(struct pool *pool, const struct page *page)
{
	struct berth_pp_item *item = page ? berth_pp_item(page) : NULL;
	uintptr_t at = (uintptr_t)item - (uintptr_t)pool->pool.items;
	struct page *chunk;

	if (!item || (uintptr_t)item % sizeof(*item))
		return NULL;
	if (at / sizeof(*item) >= pool->pool.nr_items) {
		chunk = virt_to_page(item);
		if (!chunk || chunk->index != (uintptr_t)pool)
			return NULL;
	}
	return item->page == page ? item : NULL;
}

static void free_pool(struct pool *pool)
{
	struct berth_pp_item *chunk = pool->chunks, *next;

	for (; chunk; chunk = next) {
		struct page *page = virt_to_page(chunk);

		next = chunk->next;
		page->index = 0;
		__free_pages(page, chunk == pool->pool.items ? pool->items_order : 0);
	}
	kfree(pool);
}

static void drop_reference(struct pool *pool)
{
	if (__atomic_fetch_sub(&pool->references, 1, __ATOMIC_ACQ_REL) == 1)
		free_pool(pool);
}

/* Pages. */

/* The pool has nothing to do with the page any more. It may be gone on return. */
static struct page *forget_page(struct pool *pool, struct berth_pp_item *item)
{
	struct page *page = item->page;

	if (pool->p.flags & PP_FLAG_DMA_MAP)
		dma_unmap_page_attrs(pool->p.dev, item->dma, block_bytes(pool), pool->p.dma_dir,
				     DMA_ATTR_SKIP_CPU_SYNC);
	page->index = 0;
	item->page = NULL;
	push(&pool->free_items, item);
	drop_reference(pool);
	return page;
}

static void release(struct pool *pool, struct berth_pp_item *item)
{
	unsigned int order = pool->p.order;

	__free_pages(forget_page(pool, item), order);
}

static void sync(const struct pool *pool, const struct berth_pp_item *item, unsigned int size)
{
	/* Who gives the last part back knows of that part only. */
	if (size > pool->p.max_len || pool->p.flags & PP_FLAG_PAGE_FRAG)
		size = pool->p.max_len;
	if (item->needs_sync && size)
		dma_sync_single_range_for_device(pool->p.dev, item->dma, pool->p.offset, size,
						 pool->p.dma_dir);
}

static bool map(struct pool *pool, struct berth_pp_item *item)
{
	item->dma = DMA_MAPPING_ERROR;
	item->needs_sync = 0;
	if (!(pool->p.flags & PP_FLAG_DMA_MAP))
		return true;
	item->dma = dma_map_page_attrs(pool->p.dev, item->page, 0, block_bytes(pool),
				       pool->p.dma_dir, DMA_ATTR_SKIP_CPU_SYNC);
	if (item->dma == DMA_MAPPING_ERROR)
		return false;
	item->needs_sync = pool->p.flags & PP_FLAG_DMA_SYNC_DEV &&
			   dma_need_sync(pool->p.dev, item->dma);
	sync(pool, item, UINT_MAX);
	return true;
}

static struct page *alloc_block(const struct pool *pool, gfp_t gfp)
{
	phys_addr_t limit = 0;

	if (pool->p.flags & PP_FLAG_DMA_MAP)
		limit = berth_dma_phys_limit(pool->p.dev, pool->p.dev->dma_mask);
	return limit ? berth_alloc_pages_below(gfp, pool->p.order, limit)
		     : alloc_pages(gfp, pool->p.order);
}

static struct berth_pp_item *new_page(struct pool *pool, gfp_t gfp)
{
	struct berth_pp_item *item = take_item(pool, gfp);

	if (!item)
		return NULL;
	item->page = alloc_block(pool, gfp);
	if (!item->page || !map(pool, item)) {
		if (item->page)
			__free_pages(item->page, pool->p.order);
		item->page = NULL;
		item->next = pool->own_items;
		pool->own_items = item;
		return NULL;
	}
	item->page->index = (uintptr_t)item;
	__atomic_fetch_add(&pool->references, 1, __ATOMIC_RELAXED);
	(*(pool->p.order ? &pool->alloc.slow_high_order : &pool->alloc.slow))++;
	if (pool->p.init_callback)
		pool->p.init_callback(item->page, pool->p.init_arg);
	return item;
}

/* Fill the cache with what others gave back; return one of them. */
static struct berth_pp_item *refill(struct pool *pool)
{
	struct berth_pp_item *item;
	unsigned int nr = 0;

	if (!pool->waiting && __atomic_load_n(&pool->ring, __ATOMIC_RELAXED))
		pool->waiting = __atomic_exchange_n(&pool->ring, NULL, __ATOMIC_ACQUIRE);
	item = pool->waiting;
	if (!item) {
		pool->alloc.empty++;
		return NULL;
	}
	for (pool->waiting = item->next; pool->waiting && nr < PP_ALLOC_CACHE_REFILL - 1; nr++) {
		pool->pool.cache[nr] = pool->waiting->page;
		pool->waiting = pool->waiting->next;
	}
	pool->pool.nr_cached = nr;
	__atomic_fetch_sub(&pool->nr_ring, nr + 1, __ATOMIC_RELAXED);
	pool->nr_taken += nr + 1;
	pool->alloc.refill++;
	return item;
}

struct page *berth_page_pool_alloc_slow(struct page_pool *page_pool, gfp_t gfp)
{
	struct pool *pool = of(page_pool);
	struct berth_pp_item *item;

	if (is_closed(pool)) {
		berth_fail_at(-EINVAL, BERTH_REASON_ARGUMENT, "page_pool that was destroyed",
			      (uintptr_t)page_pool);
		return NULL;
	}
	item = refill(pool);
	if (!item)
		item = new_page(pool, gfp);
	if (!item)
		return NULL;
	__atomic_store_n(&item->users, 1, __ATOMIC_RELAXED);
	return item->page;
}

/* False if no more may wait. If true the pool may be gone on return. */
static bool push_ring(struct pool *pool, struct berth_pp_item *item)
{
	struct berth_pp_item *head = __atomic_load_n(&pool->ring, __ATOMIC_RELAXED);

	if (__atomic_fetch_add(&pool->nr_ring, 1, __ATOMIC_RELAXED) >= pool->p.pool_size) {
		count(&pool->shared.ring_full);
		goto full;
	}
	do {
		if (head == CLOSED)
			goto full;
		item->next = head;
	} while (!__atomic_compare_exchange_n(&pool->ring, &head, item, true, __ATOMIC_RELEASE,
					      __ATOMIC_RELAXED));
	return true;

full:
	__atomic_fetch_sub(&pool->nr_ring, 1, __ATOMIC_RELAXED);
	return false;
}

/* Nobody uses the page any more. */
static void recycle(struct pool *pool, struct berth_pp_item *item, unsigned int size, bool direct)
{
	if (__atomic_load_n(&item->page->refcount, __ATOMIC_ACQUIRE) != 1) {
		count(&pool->shared.released_refcnt);
		release(pool, item);
		return;
	}
	sync(pool, item, size);
	if (direct && pool->pool.nr_cached < pool->pool.cache_limit) {
		pool->pool.cache[pool->pool.nr_cached++] = item->page;
		pool->pool.recycled++;
		return;
	}
	if (direct)
		count(&pool->shared.cache_full);
	if (!push_ring(pool, item))
		release(pool, item);
}

/* One user less. Return: 1 if it was the last, 0 if it was not, -1 if there was none. */
static int drop_user(struct berth_pp_item *item)
{
	uint32_t old = __atomic_load_n(&item->users, __ATOMIC_RELAXED);

	do {
		if (!old)
			return -1;
	} while (!__atomic_compare_exchange_n(&item->users, &old, old - 1, true, __ATOMIC_ACQ_REL,
					      __ATOMIC_RELAXED));
	return old == 1;
}

static void refuse(const char *subject, const struct page *page)
{
	berth_fail_at(-EINVAL, BERTH_REASON_NOT_OWNED, subject, (uintptr_t)page);
}

void berth_page_pool_put_slow(struct page_pool *page_pool, struct page *page,
			      unsigned int dma_sync_size, bool allow_direct)
{
	struct pool *pool = of(page_pool);
	struct berth_pp_item *item = item_of(pool, page);
	int last = item ? drop_user(item) : -1;

	if (last < 0)
		refuse("page_pool_put_page", page);
	else if (last)
		recycle(pool, item, dma_sync_size, allow_direct);
}

void page_pool_put_page_bulk(struct page_pool *pool, void **data, int count)
{
	for (int i = 0; i < count; i++)
		page_pool_put_full_page(pool, data[i], false);
}

void page_pool_release_page(struct page_pool *page_pool, struct page *page)
{
	struct pool *pool = of(page_pool);
	struct berth_pp_item *item = item_of(pool, page);
	uint32_t one = 1;

	if (item && __atomic_compare_exchange_n(&item->users, &one, 0, false, __ATOMIC_ACQ_REL,
						__ATOMIC_RELAXED))
		forget_page(pool, item);
	else
		refuse("page_pool_release_page", page);
}

/* Parts. */

/* No more parts of this page. Returned if all of them have come back, and it can be used again. */
static struct berth_pp_item *end_frag(struct pool *pool)
{
	struct berth_pp_item *item = pool->frag;
	uint32_t rest = FRAG_BIAS - pool->frag_users;

	pool->frag = NULL;
	if (!item || __atomic_sub_fetch(&item->users, rest, __ATOMIC_ACQ_REL))
		return NULL;
	if (__atomic_load_n(&item->page->refcount, __ATOMIC_ACQUIRE) == 1)
		return item;
	count(&pool->shared.released_refcnt);
	release(pool, item);
	return NULL;
}

static bool begin_frag(struct pool *pool, gfp_t gfp)
{
	struct berth_pp_item *item = end_frag(pool);
	struct page *page;

	if (item) {
		sync(pool, item, UINT_MAX);
	} else {
		page = page_pool_alloc_pages(&pool->pool, gfp);
		if (!page)
			return false;
		item = berth_pp_item(page);
	}
	__atomic_store_n(&item->users, FRAG_BIAS, __ATOMIC_RELAXED);
	pool->frag = item;
	pool->frag_users = 0;
	pool->frag_offset = 0;
	return true;
}

struct page *page_pool_alloc_frag(struct page_pool *page_pool, unsigned int *offset,
				  unsigned int size, gfp_t gfp)
{
	struct pool *pool = of(page_pool);
	unsigned int line = (unsigned int)dma_get_cache_alignment();

	if (!(pool->p.flags & PP_FLAG_PAGE_FRAG) || !size || size > block_bytes(pool)) {
		berth_fail_limit(-EINVAL, BERTH_REASON_ARGUMENT, "part of a page_pool's page", size,
				 block_bytes(pool));
		return NULL;
	}
	size = (size + line - 1) / line * line;
	if ((!pool->frag || pool->frag_offset + size > block_bytes(pool)) && !begin_frag(pool, gfp))
		return NULL;
	*offset = pool->frag_offset;
	pool->frag_offset += size;
	pool->frag_users++;
	return pool->frag->page;
}

/* The pool. */

static int check(const struct page_pool_params *p)
{
	bool is_mapped = p->flags & PP_FLAG_DMA_MAP;

	if (p->pool_size > MAX_POOL_SIZE)
		return berth_fail_at(-E2BIG, BERTH_REASON_ARGUMENT, "pool_size of a page_pool",
				     p->pool_size);
	if (p->flags & ~(PP_FLAG_DMA_MAP | PP_FLAG_DMA_SYNC_DEV | PP_FLAG_PAGE_FRAG))
		return berth_fail_at(-EINVAL, BERTH_REASON_ARGUMENT, "flags of a page_pool",
				     p->flags);
	if (p->order > MAX_ORDER)
		return berth_fail_at(-EINVAL, BERTH_REASON_ARGUMENT, "order of a page_pool",
				     p->order);
	if (is_mapped &&
	    (!p->dev || (p->dma_dir != DMA_FROM_DEVICE && p->dma_dir != DMA_BIDIRECTIONAL)))
		return berth_fail_at(-EINVAL, BERTH_REASON_ARGUMENT,
				     "device and direction of a page_pool", (uint64_t)p->dma_dir);
	if (p->flags & PP_FLAG_DMA_SYNC_DEV &&
	    (!is_mapped || !p->max_len || p->offset >= PAGE_SIZE << p->order ||
	     p->max_len > (PAGE_SIZE << p->order) - p->offset))
		return berth_fail_at(-EINVAL, BERTH_REASON_ARGUMENT, "max_len of a page_pool",
				     p->max_len);
	return 0;
}

const struct page_pool_params *berth_page_pool_params(struct page_pool *pool)
{
	return &of(pool)->p;
}

dma_addr_t berth_page_pool_addr(struct page_pool *pool, const struct page *page)
{
	const struct berth_pp_item *item = item_of(of(pool), page);

	return item && item->users ? item->dma : DMA_MAPPING_ERROR;
}

struct page_pool *page_pool_create(const struct page_pool_params *params)
{
	unsigned int nr_items;
	struct pool *pool;
	int err = check(params);

	if (err)
		return ERR_PTR(err);
	pool = kzalloc(sizeof(*pool), GFP_KERNEL);
	if (!pool)
		return ERR_PTR(-ENOMEM);
	pool->p = *params;
	if (!pool->p.pool_size)
		pool->p.pool_size = DEFAULT_POOL_SIZE;
	nr_items = pool->p.pool_size + PP_ALLOC_CACHE_SIZE;
	if (nr_items > MAX_ITEMS)
		nr_items = MAX_ITEMS;
	pool->items_order = get_order(nr_items * sizeof(struct berth_pp_item));
	if (!add_chunk(pool, pool->items_order, GFP_KERNEL)) {
		kfree(pool);
		return ERR_PTR(-ENOMEM);
	}
	pool->references = 1;
	pool->pool.items = pool->chunks;
	pool->pool.nr_items = ITEMS_IN_PAGE << pool->items_order;
	pool->pool.cache_limit = PP_ALLOC_CACHE_SIZE;
	pool->pool.dma_dir = params->dma_dir;
	return &pool->pool;
}

static void release_all(struct pool *pool, struct berth_pp_item *item)
{
	struct berth_pp_item *next;

	for (; item; item = next) {
		next = item->next;
		release(pool, item);
	}
}

void page_pool_destroy(struct page_pool *page_pool)
{
	struct pool *pool = page_pool ? of(page_pool) : NULL;
	struct berth_pp_item *item;

	if (!pool)
		return;
	pool->pool.cache_limit = 0;
	item = end_frag(pool);
	if (item)
		release(pool, item);
	while (pool->pool.nr_cached)
		release(pool, berth_pp_item(pool->pool.cache[--pool->pool.nr_cached]));
	release_all(pool, pool->waiting);
	/* From now on who gives a page back frees it. */
	release_all(pool, __atomic_exchange_n(&pool->ring, CLOSED, __ATOMIC_ACQUIRE));
	drop_reference(pool);
}

uint64_t berth_page_pool_inflight(const struct page_pool *page_pool)
{
	const struct pool *pool = container_of(page_pool, struct pool, pool);

	return __atomic_load_n(&pool->references, __ATOMIC_RELAXED) - 1 -
	       __atomic_load_n(&pool->nr_ring, __ATOMIC_RELAXED) - page_pool->nr_cached;
}

bool page_pool_get_stats(const struct page_pool *page_pool, struct page_pool_stats *stats)
{
	const struct pool *pool = container_of(page_pool, struct pool, pool);
	struct page_pool_recycle_stats *recycled;

	if (!stats)
		return false;
	stats->alloc_stats.fast += page_pool->fast;
	stats->alloc_stats.slow += pool->alloc.slow;
	stats->alloc_stats.slow_high_order += pool->alloc.slow_high_order;
	stats->alloc_stats.empty += pool->alloc.empty;
	stats->alloc_stats.refill += pool->alloc.refill;
	recycled = &stats->recycle_stats;
	recycled->cached += page_pool->recycled;
	recycled->cache_full += __atomic_load_n(&pool->shared.cache_full, __ATOMIC_RELAXED);
	recycled->ring += pool->nr_taken + __atomic_load_n(&pool->nr_ring, __ATOMIC_RELAXED);
	recycled->ring_full += __atomic_load_n(&pool->shared.ring_full, __ATOMIC_RELAXED);
	recycled->released_refcnt +=
		__atomic_load_n(&pool->shared.released_refcnt, __ATOMIC_RELAXED);
	return true;
}
