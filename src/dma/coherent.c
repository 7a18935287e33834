// SPDX-License-Identifier: BSD-2-Clause
/* Memory that device and CPU use at the same time, and pages that they hand to each other. */
#include <berth/dma-mapping.h>
#include <berth/slab.h>

#include "dma/buffers.h"
#include "dma/internal.h"
#include "dma/iommu.h"
#include "lib/device.h"
#include "lib/error.h"
#include "lib/string.h"
#include "mm/internal.h"

#define KNOWN_ATTRS                                                                         \
	(DMA_ATTR_WEAK_ORDERING | DMA_ATTR_WRITE_COMBINE | DMA_ATTR_NO_KERNEL_MAPPING |     \
	 DMA_ATTR_SKIP_CPU_SYNC | DMA_ATTR_FORCE_CONTIGUOUS | DMA_ATTR_ALLOC_SINGLE_PAGES | \
	 DMA_ATTR_NO_WARN | DMA_ATTR_PRIVILEGED)

int berth_buffer_take_pages(struct dma_buffer *buffer, gfp_t gfp)
{
	struct device *dev = buffer->dev;

	/* A device with a pool of its own gets memory from there and from nowhere else. */
	if (dev->p->pool)
		buffer->page = berth_swiotlb_alloc(dev, buffer->nr, &buffer->addr);
	else
		buffer->page = berth_contiguous_alloc(dev, buffer->nr_taken, gfp,
						      dev->coherent_dma_mask, &buffer->addr);
	if (!buffer->page)
		return -ENOMEM;
	buffer->phys = page_to_phys(buffer->page);
	buffer->virt = page_address(buffer->page);
	buffer->type = BERTH_MEMORY_CACHED;
	if (buffer->nr_taken != buffer->nr) {
		size_t rest = (size_t)(buffer->nr_taken - buffer->nr) << PAGE_SHIFT;

		memset((char *)buffer->virt + dma_buffer_size(buffer), 0, rest);
		berth_dma_clean(dev, buffer->phys + dma_buffer_size(buffer), rest);
	}
	return 0;
}

void berth_buffer_put_pages(const struct dma_buffer *buffer)
{
	if (buffer->pages)
		berth_iommu_dma_put_pages(buffer);
	else if (!buffer->dev->p->pool || !berth_swiotlb_free(buffer->dev, buffer->page))
		berth_contiguous_free(buffer->dev, buffer->page, buffer->nr_taken);
}

static void put_memory(const struct dma_buffer *buffer)
{
	if (buffer->pool) {
		berth_coherent_pool_put(buffer);
	} else if (buffer->chunk) {
		berth_atomic_pool_put(buffer);
	} else {
		if (buffer->type != BERTH_MEMORY_CACHED)
			berth_pages_unremap(buffer->virt, buffer->page, buffer->nr);
		berth_buffer_put_pages(buffer);
	}
}

/* Pages of the allocators, seen by the CPU as the device needs it. */
static int take_fresh(struct dma_buffer *buffer, gfp_t gfp)
{
	const struct berth_error before = *berth_last_error();
	struct device *dev = buffer->dev;
	struct berth_error *error;
	int err = berth_buffer_take_pages(buffer, gfp);

	/* Behind an IOMMU pages need not be contiguous, if the CPU can see them so. */
	if (err && dev->backend == BERTH_DMA_IOMMU && dev_is_dma_coherent(dev) &&
	    gfpflags_allow_blocking(gfp) && !(buffer->attrs & DMA_ATTR_FORCE_CONTIGUOUS)) {
		err = berth_iommu_dma_take_pages(buffer, gfp, true);
		if (!err)
			*berth_port_error() = before;
	}
	if (err || dev_is_dma_coherent(buffer->dev))
		return err;
	buffer->type = buffer->attrs & DMA_ATTR_WRITE_COMBINE ? BERTH_MEMORY_WRITE_COMBINE
							      : BERTH_MEMORY_UNCACHED;
	buffer->virt = berth_pages_remap(buffer->page, buffer->nr, buffer->type);
	if (buffer->virt)
		return 0;
	berth_buffer_put_pages(buffer);
	error = berth_error_set(-ENOMEM, BERTH_REASON_MAPPING, dev_name(buffer->dev));
	error->address = buffer->phys;
	error->length = dma_buffer_size(buffer);
	return -ENOMEM;
}

/* Item 22: where coherent memory comes from, in this order. */
static int take_memory(struct dma_buffer *buffer, gfp_t gfp)
{
	struct device *dev = buffer->dev;
	struct coherent_pool *own = dev->p->coherent_pool;
	int err;

	if (own)
		return berth_coherent_pool_take(own, buffer);
	if (!dev_is_dma_coherent(dev) && !dev->p->pool) {
		if (berth_default_pool_take(buffer))
			return 0;
		if (!gfpflags_allow_blocking(gfp) && buffer->nr == buffer->nr_taken &&
		    berth_atomic_pool_take(buffer))
			return 0;
	}
	err = take_fresh(buffer, gfp);
	if (!err && !dev_is_dma_coherent(dev) && gfpflags_allow_blocking(gfp))
		berth_atomic_pools_fill();
	return err;
}

int berth_buffer_map(struct dma_buffer *buffer, gfp_t gfp)
{
	if (buffer->dev->backend != BERTH_DMA_IOMMU || berth_coherent_pool_is_declared(buffer))
		return 0;
	return berth_iommu_dma_map_buffer(buffer, gfp);
}

void berth_buffer_unmap(struct dma_buffer *buffer)
{
	if (buffer->is_mapped)
		berth_iommu_dma_unmap_buffer(buffer);
}

/*
 * A name that is not an address: no machine has memory there. Of 32 bits all may be addresses, and the
 * name is that of the record, which nobody else has.
 */
static void *cookie_of(struct dma_buffer *buffer)
{
#if UINTPTR_MAX > UINT32_MAX
	return (void *)((uintptr_t)1 << (8 * sizeof(uintptr_t) - 2) | PFN_DOWN(buffer->phys));
#else
	return buffer;
#endif
}

void *dma_alloc_attrs(struct device *dev, size_t size, dma_addr_t *dma_handle, gfp_t gfp,
		      unsigned long attrs)
{
	struct dma_buffer *buffer;
	void *name;

	if (attrs & ~KNOWN_ATTRS) {
		berth_fail_at(-EINVAL, BERTH_REASON_ARGUMENT, "attributes of DMA memory", attrs);
		return NULL;
	}
	buffer = berth_buffer_new(DMA_BUFFER_COHERENT, dev, size, gfp, attrs);
	if (!buffer)
		return NULL;
	gfp &= ~DMA_ZONE_FLAGS;
	if (take_memory(buffer, gfp)) {
		kfree(buffer);
		return NULL;
	}
	memset(buffer->virt, 0, dma_buffer_size(buffer));
	if (berth_buffer_map(buffer, gfp)) {
		put_memory(buffer);
		kfree(buffer);
		return NULL;
	}
	*dma_handle = buffer->addr;
	name = attrs & DMA_ATTR_NO_KERNEL_MAPPING ? cookie_of(buffer) : buffer->virt;
	berth_buffer_add(buffer, name);
	return name;
}

void dma_free_attrs(struct device *dev, size_t size, void *cpu_addr, dma_addr_t dma_handle,
		    unsigned long attrs)
{
	struct dma_buffer *buffer;

	if (!cpu_addr)
		return;
	buffer = berth_buffer_take(DMA_BUFFER_COHERENT, dev, size, cpu_addr, dma_handle, attrs);
	if (!buffer)
		return;
	berth_buffer_unmap(buffer);
	put_memory(buffer);
	kfree(buffer);
}

struct page *dma_alloc_pages(struct device *dev, size_t size, dma_addr_t *dma_handle,
			     enum dma_data_direction dir, gfp_t gfp)
{
	struct dma_buffer *buffer;

	if (!valid_dma_direction(dir) || (gfp & DMA_ZONE_FLAGS)) {
		berth_fail_at(-EINVAL, BERTH_REASON_ARGUMENT, "dma_alloc_pages", gfp);
		return NULL;
	}
	buffer = berth_buffer_new(DMA_BUFFER_PAGES, dev, size, gfp, dir);
	if (!buffer)
		return NULL;
	if (berth_buffer_take_pages(buffer, gfp)) {
		kfree(buffer);
		return NULL;
	}
	memset(buffer->virt, 0, dma_buffer_size(buffer));
	if (berth_buffer_map(buffer, gfp)) {
		berth_buffer_put_pages(buffer);
		kfree(buffer);
		return NULL;
	}
	*dma_handle = buffer->addr;
	berth_buffer_add(buffer, buffer->page);
	return buffer->page;
}

void dma_free_pages(struct device *dev, size_t size, struct page *page, dma_addr_t dma_handle,
		    enum dma_data_direction dir)
{
	struct dma_buffer *buffer;

	if (!page)
		return;
	buffer = berth_buffer_take(DMA_BUFFER_PAGES, dev, size, page, dma_handle, dir);
	if (!buffer)
		return;
	berth_buffer_unmap(buffer);
	berth_buffer_put_pages(buffer);
	kfree(buffer);
}

void dma_free_noncoherent(struct device *dev, size_t size, void *virt, dma_addr_t dma_handle,
			  enum dma_data_direction dir)
{
	struct page *page = virt && !offset_in_page(virt) ? virt_to_page(virt) : NULL;

	if (page)
		dma_free_pages(dev, size, page, dma_handle, dir);
	else if (virt)
		berth_fail_at(-EINVAL, BERTH_REASON_NOT_OWNED, dev_name(dev), dma_handle);
}
