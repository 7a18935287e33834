// SPDX-License-Identifier: BSD-2-Clause
/* What a map of a device's shows in an area. It is the file that keeps the memory. */
#include <berth/dma-mapping.h>
#include <berth/vmalloc.h>

#include "lib/error.h"
#include "mm/vma.h"
#include "uio/uio.h"

static void keep(void *data)
{
	(void)data;
}

static int refuse(int code, const struct uio_mem *mem)
{
	return berth_fail_at(code, BERTH_REASON_ARGUMENT, "address of a map", mem->addr);
}

static int show_phys(const struct uio_mem *mem, struct vm_area_struct *vma)
{
	if (offset_in_page(mem->addr))
		return refuse(-ENODEV, mem);
	return remap_pfn_range(vma, vma->vm_start, (unsigned long)PFN_DOWN(mem->addr),
			       vma->vm_end - vma->vm_start,
			       mem->is_cached ? BERTH_MEMORY_CACHED : BERTH_MEMORY_UNCACHED);
}

static int show_logical(const struct uio_mem *mem, struct vm_area_struct *vma)
{
	return remap_pfn_range(vma, vma->vm_start, (unsigned long)PFN_DOWN(mem->addr),
			       vma->vm_end - vma->vm_start, BERTH_MEMORY_CACHED);
}

/* Page n of scattered memory; NULL if there is none. */
static struct page *nth_page(const struct uio_mem *mem, unsigned long n)
{
	if (mem->memtype == UIO_MEM_IOVA)
		return mem->pages[n];
	return vmalloc_to_page((char *)mem->internal_addr + (n << PAGE_SHIFT));
}

static int show_pages(const struct uio_mem *mem, struct vm_area_struct *vma)
{
	const unsigned long end = vma_pages(vma);
	int err = 0;

	for (unsigned long at = 0, nr; !err && at < end; at += nr) {
		const struct page *first = nth_page(mem, at);

		if (!first)
			return refuse(-ENODEV, mem);
		for (nr = 1; at + nr < end && nth_page(mem, at + nr) &&
			     page_to_pfn(nth_page(mem, at + nr)) == page_to_pfn(first) + nr;)
			nr++;
		err = berth_vma_show(vma, (uint64_t)at << PAGE_SHIFT, page_to_phys(first),
				     (uint64_t)nr << PAGE_SHIFT, BERTH_MEMORY_CACHED, keep, NULL);
	}
	return err;
}

static int show_coherent(const struct uio_mem *mem, struct vm_area_struct *vma)
{
	const unsigned long index = vma->vm_pgoff;
	int err;

	if (!mem->dma_device || mem->dma_addr == DMA_MAPPING_ERROR)
		return refuse(-ENODEV, mem);
	vma->vm_pgoff = 0;
	err = dma_mmap_coherent(mem->dma_device, vma, mem->internal_addr, mem->dma_addr,
				(size_t)mem->size);
	vma->vm_pgoff = index;
	return err;
}

int berth_uio_show_map(const struct uio_mem *mem, struct vm_area_struct *vma)
{
	switch (mem->memtype) {
	case UIO_MEM_IOVA:
		return mem->pages ? show_pages(mem, vma) : show_phys(mem, vma);
	case UIO_MEM_PHYS:
		return show_phys(mem, vma);
	case UIO_MEM_LOGICAL:
		return show_logical(mem, vma);
	case UIO_MEM_VIRTUAL:
		return show_pages(mem, vma);
	case UIO_MEM_DMA_COHERENT:
		return show_coherent(mem, vma);
	default:
		return berth_fail_at(-EINVAL, BERTH_REASON_ARGUMENT, "memtype of a map",
				     (unsigned int)mem->memtype);
	}
}
