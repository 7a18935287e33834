/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Memory for devices behind an IOMMU: wherever it lies, the device sees it in one piece, and so does
 * the CPU where it must.
 */
#include <berth/gfp.h>
#include <berth/slab.h>
#include <berth/vmalloc.h>

#include "dma/internal.h"
#include "dma/iommu.h"
#include "lib/device.h"
#include "lib/error.h"
#include "lib/string.h"

/* Blocks of pages are no larger than this. */
#define MAX_BLOCK_ORDER 8u

static void free_pages_of(struct page **pages, unsigned long nr)
{
	for (unsigned long i = 0; i < nr; i++)
		__free_page(pages[i]);
	kvfree(pages);
}

/* In blocks as large as there are: they need fewer entries. NULL with the reason. */
static struct page **take_blocks(unsigned long nr, gfp_t gfp, unsigned int least, bool is_single)
{
	struct page **pages = kvmalloc(nr * sizeof(struct page *), gfp & ~__GFP_ZERO);
	unsigned int order = is_single || least > MAX_BLOCK_ORDER ? least : MAX_BLOCK_ORDER;
	unsigned long done = 0;

	while (pages && done < nr) {
		const struct berth_error before = *berth_last_error();
		struct page *block;

		while (order > least && 1ul << order > nr - done)
			order--;
		block = alloc_pages(gfp | __GFP_ZERO | (order > least ? __GFP_NOWARN : 0), order);
		if (!block && order > least) {
			*berth_port_error() = before;
			order--;
			continue;
		}
		if (!block) {
			free_pages_of(pages, done);
			return NULL;
		}
		split_page(block, order);
		for (unsigned long i = 0; i < 1ul << order; i++)
			pages[done++] = block + i;
	}
	return pages;
}

int berth_iommu_dma_take_pages(struct dma_buffer *buffer, gfp_t gfp, bool is_seen)
{
	const struct iommu_dma *d = iommu_dma_of(buffer->dev);

	buffer->pages =
		take_blocks(buffer->nr_taken, gfp, d->shift - PAGE_SHIFT, buffer->is_single);
	if (!buffer->pages)
		return -ENOMEM;
	buffer->page = buffer->pages[0];
	buffer->phys = page_to_phys(buffer->page);
	buffer->type = BERTH_MEMORY_CACHED;
	if (!is_seen)
		return 0;
	buffer->virt = vmap(buffer->pages, (unsigned int)buffer->nr, VM_MAP, PAGE_KERNEL);
	if (buffer->virt)
		return 0;
	free_pages_of(buffer->pages, buffer->nr_taken);
	buffer->pages = NULL;
	return -ENOMEM;
}

void berth_iommu_dma_put_pages(const struct dma_buffer *buffer)
{
	vunmap(buffer->virt);
	free_pages_of(buffer->pages, buffer->nr_taken);
}

/* Pages in a row from the @first-th on. */
static size_t run_of(const struct dma_buffer *buffer, unsigned long first)
{
	unsigned long nr = 1;

	if (!buffer->pages)
		return (size_t)buffer->nr_taken << PAGE_SHIFT;
	while (first + nr < buffer->nr_taken &&
	       page_to_pfn(buffer->pages[first + nr]) == page_to_pfn(buffer->pages[first]) + nr)
		nr++;
	return (size_t)nr << PAGE_SHIFT;
}

static int map_pages(const struct iommu_dma *d, const struct dma_buffer *buffer, dma_addr_t iova,
		     int prot, gfp_t gfp)
{
	size_t size = (size_t)buffer->nr_taken << PAGE_SHIFT, done = 0;

	while (done < size) {
		phys_addr_t phys = buffer->pages ? page_to_phys(buffer->pages[done >> PAGE_SHIFT])
						 : buffer->phys;
		size_t run = run_of(buffer, done >> PAGE_SHIFT);
		int err = iommu_map(d->domain, iova + done, phys, run, prot, gfp);

		if (err) {
			const struct berth_error why = *berth_last_error();

			if (done)
				iommu_unmap(d->domain, iova, done);
			*berth_port_error() = why;
			return err;
		}
		done += run;
	}
	return 0;
}

int berth_iommu_dma_map_buffer(struct dma_buffer *buffer, gfp_t gfp)
{
	struct device *dev = buffer->dev;
	const struct iommu_dma *d = iommu_dma_of(dev);
	uint64_t limit = berth_dma_bus_limit(dev, dev->coherent_dma_mask);
	uint64_t size = (uint64_t)buffer->nr_taken << PAGE_SHIFT, last;
	int prot = d->prot[DMA_BIDIRECTIONAL], err;

	if (buffer->kind == DMA_BUFFER_COHERENT && buffer->attrs & DMA_ATTR_PRIVILEGED)
		prot |= IOMMU_PRIV;
	if (limit > d->cookie->last)
		limit = d->cookie->last;
	last = (limit >> d->shift) - ((limit & d->granule_mask) != d->granule_mask);
	buffer->addr = berth_iommu_dma_take_iova(d, size, last);
	if (buffer->addr == DMA_MAPPING_ERROR)
		return -ENOMEM;
	err = map_pages(d, buffer, buffer->addr, prot, gfp & ~(__GFP_ZERO | DMA_ZONE_FLAGS));
	if (err)
		iommu_put_iova(d, buffer->addr, size);
	else
		buffer->is_mapped = true;
	return err;
}

void berth_iommu_dma_unmap_buffer(struct dma_buffer *buffer)
{
	const struct iommu_dma *d = iommu_dma_of(buffer->dev);

	/* The domain of before may be gone, with all that was mapped there. */
	if (buffer->is_mapped && d)
		berth_iommu_dma_unmap_range(buffer->dev, d, buffer->addr,
					    (uint64_t)buffer->nr_taken << PAGE_SHIFT);
	buffer->is_mapped = false;
}
