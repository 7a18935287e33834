// SPDX-License-Identifier: BSD-2-Clause
/* Blocks of a dma_pool, and pages of a page_pool, of checked programs. */
#include <berth/page_pool.h>

#include "dma/checked.h"
#include "dma/internal.h"
#include "dma/pool.h"
#include "lib/device.h"
#include "lib/error.h"

#include <berth/check-dmapool.h>
#include <berth/check-page_pool.h>

#define HERE __builtin_return_address(0)

static struct dma_pool *note_pool(struct device *dev, struct dma_pool *pool, size_t size,
				  void *caller)
{
	struct check_call call =
		berth_checked_call(dev, CHECK_POOL, 0, size, DMA_BIDIRECTIONAL, caller);

	if (!pool && dev && berth_check_is_on())
		berth_check_failed(&call, true);
	return pool;
}

struct dma_pool *berth_checked_pool_create(const char *name, struct device *dev, size_t size,
					   size_t align, size_t boundary)
{
	struct dma_pool *pool =
		berth_checked_fails(dev) ? NULL : dma_pool_create(name, dev, size, align, boundary);

	return note_pool(dev, pool, size, HERE);
}

struct dma_pool *berth_checked_pool_create_managed(const char *name, struct device *dev,
						   size_t size, size_t align, size_t boundary)
{
	struct dma_pool *pool = berth_checked_fails(dev)
					? NULL
					: dmam_pool_create(name, dev, size, align, boundary);

	return note_pool(dev, pool, size, HERE);
}

static void look_for_blocks(struct dma_pool *pool, void *caller)
{
	struct device *dev;

	if (!pool || !berth_check_is_on())
		return;
	dev = berth_dma_pool_device(pool);
	berth_check_owner_going(dev, dev_name(dev), pool, BERTH_CHECK_POOL_BUSY, (uintptr_t)caller);
}

void berth_checked_pool_destroy(struct dma_pool *pool)
{
	look_for_blocks(pool, HERE);
	dma_pool_destroy(pool);
}

void berth_checked_pool_destroy_managed(struct dma_pool *pool)
{
	look_for_blocks(pool, HERE);
	dmam_pool_destroy(pool);
}

static struct check_call block_call(struct dma_pool *pool, dma_addr_t bus, void *caller)
{
	struct check_call call = berth_checked_call(berth_dma_pool_device(pool), CHECK_POOL, bus,
						    berth_dma_pool_block(pool), DMA_BIDIRECTIONAL,
						    caller);

	call.owner = pool;
	return call;
}

void *berth_checked_pool_alloc(struct dma_pool *pool, gfp_t gfp, dma_addr_t *handle)
{
	struct check_call call;
	void *virt;

	if (!berth_check_is_on())
		return dma_pool_alloc(pool, gfp, handle);
	if (!pool) {
		berth_check_null_used("", (uintptr_t)HERE);
		berth_fail(-EINVAL, BERTH_REASON_ARGUMENT, "dma_pool_alloc without a pool");
		return NULL;
	}
	virt = berth_checked_fails(berth_dma_pool_device(pool)) ? NULL
								: dma_pool_alloc(pool, gfp, handle);
	call = block_call(pool, virt ? *handle : 0, HERE);
	berth_checked_note(&call, virt);
	return virt;
}

void berth_checked_pool_free(struct dma_pool *pool, void *vaddr, dma_addr_t addr)
{
	struct check_call call;

	if (berth_check_is_on() && pool) {
		call = block_call(pool, addr, HERE);
		if (!berth_checked_forget(&call, vaddr))
			return;
	}
	dma_pool_free(pool, vaddr, addr);
}

/* Pages of a page_pool. */

static bool is_followed(const struct page_pool_params *p, const struct page *page)
{
	return berth_check_is_on() && page && p->flags & PP_FLAG_DMA_MAP && !PageHighMem(page);
}

static struct check_call page_call(struct page_pool *pool, struct page *page, void *caller)
{
	const struct page_pool_params *p = berth_page_pool_params(pool);
	struct check_call call = berth_checked_call(p->dev, CHECK_PAGE_POOL,
						    berth_page_pool_addr(pool, page),
						    PAGE_SIZE << p->order, p->dma_dir, caller);

	call.virt = (uintptr_t)page_address(page);
	call.owner = pool;
	return call;
}

/* From @from on the pool has synced @len bytes for the device, if it does that. */
static void note_page(struct page_pool *pool, struct page *page, unsigned int from,
		      unsigned int len, void *caller)
{
	const struct page_pool_params *p = berth_page_pool_params(pool);
	struct check_call call;

	if (!is_followed(p, page))
		return;
	call = page_call(pool, page, caller);
	if (!(p->flags & PP_FLAG_DMA_SYNC_DEV))
		len = 0;
	berth_check_handed_out(&call, from, len);
}

struct page *berth_checked_page_pool_alloc(struct page_pool *pool, gfp_t gfp)
{
	const struct page_pool_params *p = berth_page_pool_params(pool);
	struct page *page;

	if (p->dev && berth_checked_fails(p->dev))
		return NULL;
	page = page_pool_alloc_pages(pool, gfp);
	note_page(pool, page, p->offset, p->max_len, HERE);
	return page;
}

struct page *berth_checked_page_pool_alloc_frag(struct page_pool *pool, unsigned int *offset,
						unsigned int size, gfp_t gfp)
{
	const struct page_pool_params *p = berth_page_pool_params(pool);
	struct page *page;

	if (p->dev && berth_checked_fails(p->dev))
		return NULL;
	page = page_pool_alloc_frag(pool, offset, size, gfp);
	note_page(pool, page, page ? *offset : 0, size, HERE);
	return page;
}

static void page_back(struct page_pool *pool, struct page *page, void *caller)
{
	struct check_call call;

	if (!is_followed(berth_page_pool_params(pool), page))
		return;
	call = page_call(pool, page, caller);
	if (call.bus == DMA_MAPPING_ERROR)
		return;
	berth_check_handed_back(&call);
}

void berth_checked_page_pool_put(struct page_pool *pool, struct page *page,
				 unsigned int dma_sync_size, bool allow_direct)
{
	page_back(pool, page, HERE);
	page_pool_put_page(pool, page, dma_sync_size, allow_direct);
}

void berth_checked_page_pool_put_bulk(struct page_pool *pool, void **data, int count)
{
	for (int i = 0; i < count; i++)
		page_back(pool, data[i], HERE);
	page_pool_put_page_bulk(pool, data, count);
}

void berth_checked_page_pool_release(struct page_pool *pool, struct page *page)
{
	page_back(pool, page, HERE);
	page_pool_release_page(pool, page);
}
