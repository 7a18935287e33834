// SPDX-License-Identifier: BSD-2-Clause
/*
 * Pools of coherent memory: reservations that are one device's, or several devices', and the default
 * one. The CPU sees them write-combining, whether or not a device sees the caches.
 */
#include <berth/dma-mapping.h>
#include <berth/io.h>
#include <berth/slab.h>
#include <berth/spinlock.h>

#include "dma/buffers.h"
#include "dma/internal.h"
#include "lib/bitmap.h"
#include "lib/device.h"
#include "lib/error.h"
#include "lib/fault.h"
#include "lib/string.h"
#include "mm/internal.h"

/*
 * struct coherent_pool - memory, and which pages of it are out
 * @users: devices, and the default
 * @used: pages that are out
 * @is_linear: its pages are in the linear map, which does not show them meanwhile
 * @is_declared: it goes with its only user, which sees it at @bus
 */
struct coherent_pool {
	struct coherent_pool *next;
	spinlock_t lock;
	phys_addr_t phys;
	uint64_t nr;
	char *virt;
	dma_addr_t bus;
	uint32_t users;
	uint64_t used;
	bool is_linear;
	bool is_declared;
	uint64_t map[];
};

static struct {
	spinlock_t lock;
	struct coherent_pool *first;
	struct coherent_pool *by_default;
} pools;

static char *map_pool(phys_addr_t phys, size_t size, bool is_linear)
{
	struct page *page = phys_to_page(phys);
	void *virt = NULL;

	if (berth_should_fail())
		;
	else if (!is_linear)
		virt = memremap(phys, size, MEMREMAP_WC);
	else if (page)
		virt = berth_pages_remap(page, size >> PAGE_SHIFT, BERTH_MEMORY_WRITE_COMBINE);
	if (!virt)
		berth_fail_at(-ENXIO, BERTH_REASON_MAPPING, "pool of coherent memory", phys);
	return virt;
}

struct coherent_pool *berth_coherent_pool_create(phys_addr_t phys, uint64_t size, bool is_linear)
{
	size_t nr = (size_t)size >> PAGE_SHIFT;
	struct coherent_pool *pool;
	unsigned long flags;

	if (!nr || nr << PAGE_SHIFT != size || phys & (PAGE_SIZE - 1) || phys + size < phys) {
		berth_fail_at(-EINVAL, BERTH_REASON_ARGUMENT, "pool of coherent memory", phys);
		return NULL;
	}
	pool = kvzalloc(sizeof(*pool) + BITS_TO_WORDS(nr) * sizeof(pool->map[0]), GFP_KERNEL);
	if (!pool)
		return NULL;
	pool->phys = phys;
	pool->nr = nr;
	pool->is_linear = is_linear;
	pool->virt = map_pool(phys, (size_t)size, is_linear);
	if (!pool->virt) {
		kvfree(pool);
		return NULL;
	}
	spin_lock_irqsave(&pools.lock, flags);
	pool->next = pools.first;
	pools.first = pool;
	spin_unlock_irqrestore(&pools.lock, flags);
	return pool;
}

static void destroy(struct coherent_pool *pool)
{
	struct coherent_pool **at = &pools.first;
	unsigned long flags;

	spin_lock_irqsave(&pools.lock, flags);
	while (*at && *at != pool)
		at = &(*at)->next;
	if (*at)
		*at = pool->next;
	spin_unlock_irqrestore(&pools.lock, flags);
	if (pool->is_linear)
		berth_pages_unremap(pool->virt, phys_to_page(pool->phys), pool->nr);
	else
		memunmap(pool->virt);
	kvfree(pool);
}

int berth_device_set_pool(struct device *dev, struct coherent_pool *pool)
{
	unsigned long flags;
	int err = 0;

	spin_lock_irqsave(&pools.lock, flags);
	if (dev->p->coherent_pool) {
		err = -EBUSY;
	} else {
		dev->p->coherent_pool = pool;
		pool->users++;
	}
	spin_unlock_irqrestore(&pools.lock, flags);
	return err ? berth_fail(err, BERTH_REASON_STATE, "a pool of the device's is there already")
		   : 0;
}

void berth_coherent_pool_set_default(struct coherent_pool *pool)
{
	pools.by_default = pool;
}

/* What the device is told for pages of the pool; DMA_MAPPING_ERROR with the reason. */
static dma_addr_t address_in(const struct coherent_pool *pool, const struct device *dev,
			     uint64_t first, uint64_t nr)
{
	uint64_t limit = berth_dma_limit(dev, dev->coherent_dma_mask), size = nr << PAGE_SHIFT;
	dma_addr_t addr = pool->bus + PFN_PHYS(first);
	struct berth_error *error;

	if (!pool->is_declared)
		return berth_dma_from_phys(dev, pool->phys + PFN_PHYS(first), size, limit);
	if (addr + (size - 1) >= addr && addr + (size - 1) <= limit)
		return addr;
	error = berth_error_set(-ENOMEM, BERTH_REASON_MASK, dev_name(dev));
	error->address = addr + (size - 1);
	error->length = size;
	error->limit = limit;
	return DMA_MAPPING_ERROR;
}

/*
 * Pages in a row; @pool->nr: none. They are aligned as their number is, while there is such room: a
 * power of two naturally, and no size leaves a gap to the next of its kind.
 */
static uint64_t take_run(struct coherent_pool *pool, uint64_t nr)
{
	uint64_t first;
	unsigned long flags;

	spin_lock_irqsave(&pool->lock, flags);
	first = berth_find_clear_run(pool->map, pool->nr, nr, PFN_DOWN(pool->phys), nr & (0 - nr));
	if (first == pool->nr)
		first = berth_find_clear_run(pool->map, pool->nr, nr, 0, 1);
	if (first < pool->nr) {
		bitmap_fill(pool->map, first, nr, true);
		pool->used += nr;
	}
	spin_unlock_irqrestore(&pool->lock, flags);
	return first;
}

static void give_run(struct coherent_pool *pool, uint64_t first, uint64_t nr)
{
	unsigned long flags;

	spin_lock_irqsave(&pool->lock, flags);
	bitmap_fill(pool->map, first, nr, false);
	pool->used -= nr;
	spin_unlock_irqrestore(&pool->lock, flags);
}

static uint64_t longest_run(struct coherent_pool *pool)
{
	uint64_t longest = 0, at = 0;
	unsigned long flags;

	spin_lock_irqsave(&pool->lock, flags);
	while (at < pool->nr) {
		uint64_t start = bitmap_find(pool->map, pool->nr, at, false);

		at = bitmap_find(pool->map, pool->nr, start, true);
		longest = at - start > longest ? at - start : longest;
	}
	spin_unlock_irqrestore(&pool->lock, flags);
	return longest;
}

int berth_coherent_pool_take(struct coherent_pool *pool, struct dma_buffer *buffer)
{
	uint64_t first = take_run(pool, buffer->nr);

	if (first == pool->nr)
		return berth_fail_limit(-ENOMEM, BERTH_REASON_AREA_FULL, dev_name(buffer->dev),
					dma_buffer_size(buffer), longest_run(pool) << PAGE_SHIFT);
	buffer->addr = address_in(pool, buffer->dev, first, buffer->nr);
	if (buffer->addr == DMA_MAPPING_ERROR) {
		give_run(pool, first, buffer->nr);
		return -ENOMEM;
	}
	buffer->pool = pool;
	buffer->phys = pool->phys + PFN_PHYS(first);
	buffer->page = pool->is_linear ? phys_to_page(buffer->phys) : NULL;
	buffer->virt = pool->virt + PFN_PHYS(first);
	buffer->type = BERTH_MEMORY_WRITE_COMBINE;
	return 0;
}

bool berth_coherent_pool_is_declared(const struct dma_buffer *buffer)
{
	return buffer->pool && buffer->pool->is_declared;
}

bool berth_default_pool_take(struct dma_buffer *buffer)
{
	const struct berth_error before = *berth_last_error();

	if (!pools.by_default)
		return false;
	if (!berth_coherent_pool_take(pools.by_default, buffer))
		return true;
	*berth_port_error() = before;
	return false;
}

void berth_coherent_pool_put(const struct dma_buffer *buffer)
{
	give_run(buffer->pool, PFN_DOWN(buffer->phys - buffer->pool->phys), buffer->nr);
}

void berth_coherent_pool_leave(struct device_private *p)
{
	struct coherent_pool *pool = p->coherent_pool;
	unsigned long flags;
	bool is_last;

	if (!pool)
		return;
	spin_lock_irqsave(&pools.lock, flags);
	p->coherent_pool = NULL;
	is_last = !--pool->users;
	spin_unlock_irqrestore(&pools.lock, flags);
	/* The others belong to their reservations, until berth stops. */
	if (is_last && pool->is_declared && !pool->used)
		destroy(pool);
}

int dma_declare_coherent_memory(struct device *dev, phys_addr_t phys_addr, dma_addr_t device_addr,
				size_t size)
{
	struct coherent_pool *pool;
	int err;

	if (dev->p->coherent_pool)
		return berth_fail(-EBUSY, BERTH_REASON_STATE,
				  "a pool of the device's is there already");
	pool = berth_coherent_pool_create(phys_addr, size, false);
	if (!pool)
		return berth_last_error()->code;
	pool->bus = device_addr;
	pool->is_declared = true;
	err = berth_device_set_pool(dev, pool);
	if (err)
		destroy(pool);
	return err;
}

void dma_release_coherent_memory(struct device *dev)
{
	struct coherent_pool *pool = dev->p->coherent_pool;
	struct berth_error *error;

	if (!pool)
		return;
	if (!pool->is_declared || !pool->used) {
		berth_coherent_pool_leave(dev->p);
		return;
	}
	error = berth_error_set(-EBUSY, BERTH_REASON_PAGE_BUSY, dev_name(dev));
	error->pfn = PFN_DOWN(pool->phys) + bitmap_find(pool->map, pool->nr, 0, true);
	berth_strlcpy(error->holder, "dma_alloc_coherent()", sizeof(error->holder));
}

void berth_coherent_pools_stop(void)
{
	pools.by_default = NULL;
	while (pools.first)
		destroy(pools.first);
}
