// SPDX-License-Identifier: BSD-2-Clause
/* Pages that are one segment for the device: without an IOMMU they are contiguous RAM. */
#include <berth/dma-mapping.h>
#include <berth/slab.h>
#include <berth/vmalloc.h>

#include "dma/buffers.h"
#include "dma/iommu.h"
#include "lib/device.h"
#include "lib/error.h"
#include "lib/string.h"

static bool is_legal(size_t size, enum dma_data_direction dir, gfp_t gfp, unsigned long attrs)
{
	if (!valid_dma_direction(dir) || gfp & DMA_ZONE_FLAGS ||
	    attrs & ~DMA_ATTR_ALLOC_SINGLE_PAGES) {
		berth_fail_at(-EINVAL, BERTH_REASON_ARGUMENT, "dma_alloc_noncontiguous", attrs);
		return false;
	}
	if (size <= UINT32_MAX - PAGE_SIZE)
		return true;
	/* The length of an entry has 32 bits. */
	berth_fail_limit(-EINVAL, BERTH_REASON_TOO_LARGE, "dma_alloc_noncontiguous", size,
			 UINT32_MAX & ~(PAGE_SIZE - 1));
	return false;
}

static struct sg_table *new_table(const struct dma_buffer *buffer, gfp_t gfp)
{
	struct sg_table *sgt = kmalloc(sizeof(*sgt), gfp);
	size_t size = dma_buffer_size(buffer);
	int err;

	if (!sgt)
		return NULL;
	if (buffer->pages)
		err = sg_alloc_table_from_pages(sgt, buffer->pages, (unsigned int)buffer->nr, 0,
						size, gfp);
	else
		err = sg_alloc_table(sgt, 1, gfp);
	if (err) {
		kfree(sgt);
		return NULL;
	}
	if (!buffer->pages)
		sg_set_page(sgt->sgl, buffer->page, (unsigned int)size, 0);
	sgt->nents = 1;
	sgt->sgl->dma_address = buffer->addr;
	sgt->sgl->dma_length = (uint32_t)size;
	return sgt;
}

/* Zeroed, and where the device sees it. */
static int take_memory(struct dma_buffer *buffer, gfp_t gfp)
{
	int err;

	if (buffer->dev->backend == BERTH_DMA_IOMMU)
		err = berth_iommu_dma_take_pages(buffer, gfp, false);
	else
		err = berth_buffer_take_pages(buffer, gfp);
	if (err)
		return err;
	if (!buffer->pages)
		memset(buffer->virt, 0, dma_buffer_size(buffer));
	err = berth_buffer_map(buffer, gfp);
	if (err)
		berth_buffer_put_pages(buffer);
	return err;
}

struct sg_table *dma_alloc_noncontiguous(struct device *dev, size_t size,
					 enum dma_data_direction dir, gfp_t gfp,
					 unsigned long attrs)
{
	struct dma_buffer *buffer;
	struct sg_table *sgt;

	if (!is_legal(size, dir, gfp, attrs))
		return NULL;
	buffer = berth_buffer_new(DMA_BUFFER_TABLE, dev, size, gfp, dir);
	if (!buffer)
		return NULL;
	buffer->is_single = attrs & DMA_ATTR_ALLOC_SINGLE_PAGES;
	if (take_memory(buffer, gfp)) {
		kfree(buffer);
		return NULL;
	}
	sgt = new_table(buffer, gfp & __GFP_DIRECT_RECLAIM);
	if (!sgt) {
		berth_buffer_unmap(buffer);
		berth_buffer_put_pages(buffer);
		kfree(buffer);
		return NULL;
	}
	berth_buffer_add(buffer, sgt);
	return sgt;
}

void dma_free_noncontiguous(struct device *dev, size_t size, struct sg_table *sgt,
			    enum dma_data_direction dir)
{
	struct dma_buffer *buffer;

	if (!sgt)
		return;
	buffer = berth_buffer_take(DMA_BUFFER_TABLE, dev, size, sgt, 0, dir);
	if (!buffer)
		return;
	berth_buffer_unmap(buffer);
	berth_buffer_put_pages(buffer);
	kfree(buffer);
	sg_free_table(sgt);
	kfree(sgt);
}

/* Where the CPU sees all of it: scattered pages once somebody asks, until they are freed. */
static void *address_of(struct dma_buffer *buffer)
{
	void *virt = __atomic_load_n(&buffer->virt, __ATOMIC_ACQUIRE), *other = NULL;

	if (virt)
		return virt;
	virt = vmap(buffer->pages, (unsigned int)buffer->nr, VM_MAP, PAGE_KERNEL);
	if (!virt || __atomic_compare_exchange_n(&buffer->virt, &other, virt, false,
						 __ATOMIC_ACQ_REL, __ATOMIC_ACQUIRE))
		return virt;
	vunmap(virt);
	return other;
}

void *dma_vmap_noncontiguous(struct device *dev, size_t size, struct sg_table *sgt)
{
	struct dma_buffer *buffer = berth_buffer_view(DMA_BUFFER_TABLE, dev, sgt, 0, 0);
	void *virt;

	if (!buffer)
		return NULL;
	if (PFN_UP(size) == buffer->nr) {
		virt = address_of(buffer);
		if (virt)
			return virt;
		berth_buffer_unview(buffer);
		return NULL;
	}
	berth_buffer_unview(buffer);
	berth_fail_at(-EINVAL, BERTH_REASON_ARGUMENT, "size of dma_vmap_noncontiguous", size);
	return NULL;
}

void dma_vunmap_noncontiguous(struct device *dev, void *vaddr)
{
	if (vaddr)
		berth_buffer_unview_at(dev, vaddr);
}
