// SPDX-License-Identifier: BSD-2-Clause
/* Buffers at addresses of a program's, and as tables for other devices. */
#include <berth/dma-mapping.h>

#include "dma/buffers.h"
#include "lib/error.h"
#include "mm/vma.h"

bool dma_can_mmap(struct device *dev)
{
	const struct berth_error before = *berth_last_error();
	struct vm_area_struct vma;

	(void)dev;
	if (berth_vma_reserve(&vma, PAGE_SIZE, 0)) {
		*berth_port_error() = before;
		return false;
	}
	berth_vma_release(&vma);
	return true;
}

static void unview(void *buffer)
{
	berth_buffer_unview(buffer);
}

/* Item 25. */
static int is_inside(const struct vm_area_struct *vma, const struct dma_buffer *buffer, size_t size)
{
	unsigned long nr = PFN_UP(size);

	if (!size || nr > buffer->nr)
		return berth_fail_limit(-ENXIO, BERTH_REASON_ARGUMENT, "size of dma_mmap", size,
					dma_buffer_size(buffer));
	if (vma->vm_pgoff >= nr || vma_pages(vma) > nr - vma->vm_pgoff)
		return berth_fail_at(-ENXIO, BERTH_REASON_ARGUMENT, "an area beyond the buffer",
				     vma->vm_pgoff << PAGE_SHIFT);
	return 0;
}

static void keep_view(void *buffer)
{
	(void)buffer;
}

/*
 * Scattered pages, run by run. The view goes with the first one, which goes last; so when another one
 * fails, it goes with the area.
 */
static int show_pages(struct vm_area_struct *vma, struct dma_buffer *buffer)
{
	unsigned long first = vma->vm_pgoff, end = first + vma_pages(vma), nr;
	int err = 0;

	for (unsigned long at = first; !err && at < end; at += nr) {
		for (nr = 1; at + nr < end && page_to_pfn(buffer->pages[at + nr]) ==
						      page_to_pfn(buffer->pages[at]) + nr;)
			nr++;
		err = berth_vma_show(vma, (uint64_t)(at - first) << PAGE_SHIFT,
				     page_to_phys(buffer->pages[at]), (uint64_t)nr << PAGE_SHIFT,
				     buffer->type, at == first ? unview : keep_view, buffer);
		if (err && at == first)
			berth_buffer_unview(buffer);
	}
	return err;
}

/* The caller's view of @buffer becomes that of the area, or is given back. */
static int show(struct vm_area_struct *vma, struct dma_buffer *buffer, size_t size)
{
	int err;

	if (!buffer)
		return -EINVAL;
	err = is_inside(vma, buffer, size);
	if (!err && buffer->pages)
		return show_pages(vma, buffer);
	if (!err)
		err = berth_vma_show(vma, 0, buffer->phys + PFN_PHYS(vma->vm_pgoff),
				     (uint64_t)vma_pages(vma) << PAGE_SHIFT, buffer->type, unview,
				     buffer);
	if (err)
		berth_buffer_unview(buffer);
	return err;
}

int dma_mmap_attrs(struct device *dev, struct vm_area_struct *vma, void *cpu_addr,
		   dma_addr_t dma_addr, size_t size, unsigned long attrs)
{
	return show(vma, berth_buffer_view(DMA_BUFFER_COHERENT, dev, cpu_addr, dma_addr, attrs),
		    size);
}

int dma_mmap_pages(struct device *dev, struct vm_area_struct *vma, size_t size, struct page *page)
{
	return show(vma, berth_buffer_view(DMA_BUFFER_PAGES, dev, page, 0, 0), size);
}

int dma_mmap_noncontiguous(struct device *dev, struct vm_area_struct *vma, size_t size,
			   struct sg_table *sgt)
{
	return show(vma, berth_buffer_view(DMA_BUFFER_TABLE, dev, sgt, 0, 0), size);
}

int dma_get_sgtable_attrs(struct device *dev, struct sg_table *sgt, void *cpu_addr,
			  dma_addr_t dma_addr, size_t size, unsigned long attrs)
{
	struct dma_buffer *buffer =
		berth_buffer_view(DMA_BUFFER_COHERENT, dev, cpu_addr, dma_addr, attrs);
	int err = 0;

	if (!buffer)
		return -EINVAL;
	if (!size || size > dma_buffer_size(buffer) || size > UINT32_MAX - PAGE_SIZE)
		err = berth_fail_at(-ENXIO, BERTH_REASON_ARGUMENT, "size of dma_get_sgtable", size);
	else if (!buffer->page)
		err = berth_fail_at(-ENXIO, BERTH_REASON_MAPPING, "memory without struct page",
				    buffer->phys);
	if (!err && buffer->pages)
		err = sg_alloc_table_from_pages(sgt, buffer->pages, (unsigned int)PFN_UP(size), 0,
						PAGE_ALIGN(size), GFP_KERNEL);
	else if (!err)
		err = sg_alloc_table(sgt, 1, GFP_KERNEL);
	if (!err && !buffer->pages)
		sg_set_page(sgt->sgl, buffer->page, (unsigned int)PAGE_ALIGN(size), 0);
	berth_buffer_unview(buffer);
	return err;
}
