// SPDX-License-Identifier: BSD-2-Clause
/* Pages that are one segment for the device: without an IOMMU they are contiguous RAM. */
#include <berth/dma-mapping.h>
#include <berth/slab.h>

#include "dma/buffers.h"
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
			 UINT32_MAX & PAGE_MASK);
	return false;
}

static struct sg_table *new_table(const struct dma_buffer *buffer, gfp_t gfp)
{
	struct sg_table *sgt = kmalloc(sizeof(*sgt), gfp);

	if (!sgt)
		return NULL;
	if (sg_alloc_table(sgt, 1, gfp)) {
		kfree(sgt);
		return NULL;
	}
	sg_set_page(sgt->sgl, buffer->page, (unsigned int)dma_buffer_size(buffer), 0);
	sgt->sgl->dma_address = buffer->addr;
	sgt->sgl->dma_length = sgt->sgl->length;
	return sgt;
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
	if (berth_buffer_take_pages(buffer, gfp)) {
		kfree(buffer);
		return NULL;
	}
	sgt = new_table(buffer, gfp & __GFP_DIRECT_RECLAIM);
	if (!sgt) {
		berth_buffer_put_pages(buffer);
		kfree(buffer);
		return NULL;
	}
	memset(buffer->virt, 0, dma_buffer_size(buffer));
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
	berth_buffer_put_pages(buffer);
	kfree(buffer);
	sg_free_table(sgt);
	kfree(sgt);
}

void *dma_vmap_noncontiguous(struct device *dev, size_t size, struct sg_table *sgt)
{
	struct dma_buffer *buffer = berth_buffer_view(DMA_BUFFER_TABLE, dev, sgt, 0, 0);

	if (!buffer)
		return NULL;
	if (PFN_UP(size) == buffer->nr)
		return buffer->virt;
	berth_buffer_unview(buffer);
	berth_fail_at(-EINVAL, BERTH_REASON_ARGUMENT, "size of dma_vmap_noncontiguous", size);
	return NULL;
}

void dma_vunmap_noncontiguous(struct device *dev, void *vaddr)
{
	if (vaddr)
		berth_buffer_unview_at(dev, vaddr);
}
