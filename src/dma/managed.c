// SPDX-License-Identifier: BSD-2-Clause
/* Coherent memory and pools that go when the driver is unbound. */
#include <berth/dma-mapping.h>
#include <berth/dmapool.h>
#include <berth/slab.h>

#include "dma/pool.h"
#include "lib/device.h"
#include "lib/error.h"

/* A record of either: @pool, or the rest. */
struct managed_dma {
	struct devres res;
	struct device *dev;
	struct dma_pool *pool;
	size_t size;
	void *virt;
	dma_addr_t addr;
	unsigned long attrs;
};

static void free_managed(void *data)
{
	struct managed_dma *managed = data;

	if (managed->pool)
		dma_pool_destroy(managed->pool);
	else
		dma_free_attrs(managed->dev, managed->size, managed->virt, managed->addr,
			       managed->attrs);
	kfree(managed);
}

static struct managed_dma *new_managed(struct device *dev, gfp_t gfp)
{
	struct managed_dma *managed = kzalloc(sizeof(*managed), gfp & __GFP_DIRECT_RECLAIM);

	if (!managed)
		return NULL;
	managed->dev = dev;
	managed->res.action = free_managed;
	managed->res.data = managed;
	return managed;
}

void *dmam_alloc_attrs(struct device *dev, size_t size, dma_addr_t *dma_handle, gfp_t gfp,
		       unsigned long attrs)
{
	struct managed_dma *managed = new_managed(dev, gfp);

	if (!managed)
		return NULL;
	managed->virt = dma_alloc_attrs(dev, size, dma_handle, gfp, attrs);
	if (!managed->virt) {
		kfree(managed);
		return NULL;
	}
	managed->size = size;
	managed->addr = *dma_handle;
	managed->attrs = attrs;
	berth_devres_add(dev, &managed->res);
	return managed->virt;
}

static bool is_memory(const struct devres *res, const void *virt)
{
	const struct managed_dma *managed = res->data;

	return res->action == free_managed && !managed->pool && managed->virt == virt;
}

void dmam_free_coherent(struct device *dev, size_t size, void *vaddr, dma_addr_t dma_handle)
{
	struct managed_dma *managed;
	struct devres *res;

	if (!vaddr)
		return;
	res = berth_devres_find(dev, is_memory, vaddr);
	managed = res ? res->data : NULL;
	if (!managed || managed->addr != dma_handle || PFN_UP(managed->size) != PFN_UP(size) ||
	    managed->attrs & ~DMA_ATTR_NO_WARN) {
		berth_fail_at(-EINVAL, BERTH_REASON_NOT_OWNED, dev_name(dev), dma_handle);
		return;
	}
	berth_devres_remove(dev, res);
	free_managed(managed);
}

struct dma_pool *dmam_pool_create(const char *name, struct device *dev, size_t size, size_t align,
				  size_t allocation)
{
	struct managed_dma *managed = new_managed(dev, GFP_KERNEL);

	if (!managed)
		return NULL;
	managed->pool = dma_pool_create(name, dev, size, align, allocation);
	if (!managed->pool) {
		kfree(managed);
		return NULL;
	}
	berth_devres_add(dev, &managed->res);
	return managed->pool;
}

static bool is_pool(const struct devres *res, const void *pool)
{
	return res->action == free_managed && ((struct managed_dma *)res->data)->pool == pool;
}

void dmam_pool_destroy(struct dma_pool *pool)
{
	struct device *dev;
	struct devres *res;

	if (!pool)
		return;
	dev = berth_dma_pool_device(pool);
	res = berth_devres_find(dev, is_pool, pool);
	if (!res) {
		berth_fail_at(-EINVAL, BERTH_REASON_NOT_OWNED, dev_name(dev), (uintptr_t)pool);
		return;
	}
	if (berth_dma_pool_used(pool)) {
		dma_pool_destroy(pool); /* it says why not */
		return;
	}
	berth_devres_remove(dev, res);
	free_managed(res->data);
}
