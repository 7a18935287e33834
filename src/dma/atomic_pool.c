// SPDX-License-Identifier: BSD-2-Clause
/*
 * Uncached memory for who may not sleep. There is a pool in each zone that has memory, since a device
 * may reach the lower ones only. A pool is chunks of pages that nobody caches; it begins with 128 KiB
 * for each GiB of RAM and doubles, by the next call that may sleep, once half of that is out.
 */
#include <berth/gfp.h>
#include <berth/slab.h>
#include <berth/spinlock.h>

#include "dma/buffers.h"
#include "dma/internal.h"
#include "lib/bitmap.h"
#include "lib/device.h"
#include "lib/error.h"
#include "mm/internal.h"

#define MIN_BYTES (128ULL << 10)
#define BYTES_PER_GIB (128ULL << 10)
#define MAX_POOL_ORDER 10u /* Linux's limit: 4 MiB */
#define NR_POOLS 3u

struct atomic_chunk {
	struct atomic_chunk *next;
	struct page *page;
	char *virt;
	uint64_t nr;
	unsigned int pool;
	uint64_t map[BITS_TO_WORDS(1ULL << MAX_POOL_ORDER)];
};

/* @first: pages that each begins with, once known; @nr, @nr_free: of each, and of them not out */
static struct {
	spinlock_t lock;
	uint64_t asked; /* coherent_pool= */
	uint64_t first;
	bool is_filling;
	struct atomic_chunk *chunks[NR_POOLS];
	uint64_t nr[NR_POOLS];
	uint64_t nr_free[NR_POOLS];
} atomic;

static const gfp_t pool_gfp[NR_POOLS] = { __GFP_DMA, __GFP_DMA32, 0 };

void berth_atomic_pools_set_size(uint64_t bytes)
{
	atomic.asked = bytes;
}

/* Pages that a pool begins with: a power of two, as Linux has it. */
static uint64_t first_size(void)
{
	uint64_t bytes = atomic.asked;

	if (!bytes)
		bytes = (berth_managed_bytes() >> 30) * BYTES_PER_GIB;
	if (!atomic.asked && bytes < MIN_BYTES)
		bytes = MIN_BYTES;
	if (bytes > PAGE_SIZE << MAX_POOL_ORDER)
		bytes = PAGE_SIZE << MAX_POOL_ORDER;
	return 1ULL << get_order(bytes);
}

/* With the lock. The first run that the device reaches. */
static bool take_from(struct atomic_chunk *chunk, struct dma_buffer *buffer, uint64_t limit)
{
	uint64_t base = page_to_pfn(chunk->page);
	uint64_t at = berth_find_clear_run(chunk->map, chunk->nr, buffer->nr, base,
					   1ULL << get_order(dma_buffer_size(buffer)));

	if (at == chunk->nr)
		return false;
	buffer->addr = berth_dma_from_phys(buffer->dev, PFN_PHYS(base + at),
					   dma_buffer_size(buffer), limit);
	if (buffer->addr == DMA_MAPPING_ERROR)
		return false;
	bitmap_fill(chunk->map, at, buffer->nr, true);
	atomic.nr_free[chunk->pool] -= buffer->nr;
	buffer->chunk = chunk;
	buffer->page = chunk->page + at;
	buffer->phys = PFN_PHYS(base + at);
	buffer->virt = chunk->virt + PFN_PHYS(at);
	buffer->type = BERTH_MEMORY_UNCACHED;
	return true;
}

bool berth_atomic_pool_take(struct dma_buffer *buffer)
{
	const struct berth_error before = *berth_last_error();
	uint64_t limit = berth_dma_limit(buffer->dev, buffer->dev->coherent_dma_mask);
	bool is_taken = false;
	unsigned long flags;

	if (buffer->nr > 1ULL << MAX_POOL_ORDER)
		return false;
	spin_lock_irqsave(&atomic.lock, flags);
	/* The lower ones are for those who reach nothing else. */
	for (unsigned int i = NR_POOLS; i-- > 0 && !is_taken;)
		for (struct atomic_chunk *chunk = atomic.chunks[i]; chunk && !is_taken;
		     chunk = chunk->next)
			is_taken = take_from(chunk, buffer, limit);
	spin_unlock_irqrestore(&atomic.lock, flags);
	*berth_port_error() = before;
	return is_taken;
}

void berth_atomic_pool_put(const struct dma_buffer *buffer)
{
	struct atomic_chunk *chunk = buffer->chunk;
	unsigned long flags;

	spin_lock_irqsave(&atomic.lock, flags);
	bitmap_fill(chunk->map, (uint64_t)(buffer->page - chunk->page), buffer->nr, false);
	atomic.nr_free[chunk->pool] += buffer->nr;
	spin_unlock_irqrestore(&atomic.lock, flags);
}

/* How many pages a pool lacks. */
static uint64_t lacking(unsigned int pool)
{
	uint64_t first = atomic.first, nr;
	unsigned long flags;

	if (!berth_zones[pool].managed)
		return 0;
	spin_lock_irqsave(&atomic.lock, flags);
	nr = atomic.nr[pool];
	if (nr)
		first = atomic.nr_free[pool] < first / 2 ? nr : 0;
	spin_unlock_irqrestore(&atomic.lock, flags);
	return first;
}

static void put_pages(struct page *page, uint64_t nr)
{
	for (uint64_t i = 0; i < nr; i++)
		__free_page(page + i);
}

/* Up to @nr pages, as many as there are in one piece; no more than one in eight of the free ones. */
static struct page *take_pages(unsigned int pool, uint64_t nr, unsigned int *order)
{
	gfp_t gfp = pool_gfp[pool] | GFP_KERNEL | __GFP_NOWARN;
	uint64_t most = berth_free_bytes(berth_gfp_end(gfp)) / 8;
	struct page *page = NULL;

	*order = get_order(nr << PAGE_SHIFT);
	*order = *order > MAX_POOL_ORDER ? MAX_POOL_ORDER : *order;
	while (*order && PAGE_SIZE << *order > most)
		--*order;
	/* Memory of another zone serves nobody who needs this one. */
	for (;; --*order) {
		page = berth_try_pages(gfp, *order, berth_gfp_end(gfp));
		if (page || !*order)
			return page;
	}
}

static bool grow(unsigned int pool, uint64_t nr)
{
	struct atomic_chunk *chunk = kzalloc(sizeof(*chunk), GFP_KERNEL);
	unsigned long flags;
	unsigned int order;

	if (!chunk)
		return false;
	chunk->page = take_pages(pool, nr, &order);
	if (!chunk->page)
		goto free_chunk;
	chunk->nr = 1ULL << order;
	chunk->pool = pool;
	split_page(chunk->page, order);
	chunk->virt = berth_pages_remap(chunk->page, chunk->nr, BERTH_MEMORY_UNCACHED);
	if (!chunk->virt)
		goto free_pages;
	spin_lock_irqsave(&atomic.lock, flags);
	chunk->next = atomic.chunks[pool];
	atomic.chunks[pool] = chunk;
	atomic.nr[pool] += chunk->nr;
	atomic.nr_free[pool] += chunk->nr;
	spin_unlock_irqrestore(&atomic.lock, flags);
	return true;

free_pages:
	put_pages(chunk->page, chunk->nr);
free_chunk:
	kfree(chunk);
	return false;
}

void berth_atomic_pools_fill(void)
{
	const struct berth_error before = *berth_last_error();
	uint64_t nr;

	/* One at a time: two would both see what is lacking. */
	if (__atomic_exchange_n(&atomic.is_filling, true, __ATOMIC_ACQUIRE))
		return;
	if (!atomic.first)
		atomic.first = first_size();
	for (unsigned int i = 0; i < NR_POOLS; i++) {
		nr = lacking(i);
		if (nr)
			grow(i, nr);
	}
	__atomic_store_n(&atomic.is_filling, false, __ATOMIC_RELEASE);
	*berth_port_error() = before;
}

/* What is out is its user's leak. */
static void free_chunk(struct atomic_chunk *chunk)
{
	berth_pages_unremap(chunk->virt, chunk->page, chunk->nr);
	for (uint64_t i = 0; i < chunk->nr; i++)
		if (!bitmap_test(chunk->map, i))
			__free_page(chunk->page + i);
	kfree(chunk);
}

void berth_atomic_pools_stop(void)
{
	for (unsigned int i = 0; i < NR_POOLS; i++) {
		while (atomic.chunks[i]) {
			struct atomic_chunk *chunk = atomic.chunks[i];

			atomic.chunks[i] = chunk->next;
			free_chunk(chunk);
		}
		atomic.nr[i] = atomic.nr_free[i] = 0;
	}
	atomic.asked = atomic.first = 0;
}
