/* SPDX-License-Identifier: BSD-2-Clause */
/* Memory that device and CPU use at the same time, and pages that they hand to each other. */
#include <berth/dma-mapping.h>

#include "dma/internal.h"
#include "lib/device.h"
#include "lib/error.h"
#include "lib/string.h"
#include "mm/internal.h"

#define ZONE_FLAGS (__GFP_DMA | __GFP_DMA32 | __GFP_HIGHMEM)

/*
 * What was handed out is remembered where its owner may write: the pages' own index. The first
 * page has the CPU's address, which no page on its way through an allocator has; the second, if
 * there is one, the number of pages.
 */
static void remember(struct page *page, unsigned long nr, const void *cpu_addr)
{
	page[0].index = (uintptr_t)cpu_addr;
	if (nr > 1)
		page[1].index = nr;
}

static bool is_remembered(const struct page *page, unsigned long nr, const void *cpu_addr)
{
	enum berth_page_use use = berth_page_use(page_to_pfn(page));

	if (use != BERTH_PAGE_USED && use != BERTH_PAGE_CMA)
		return false;
	return page[0].index == (uintptr_t)cpu_addr && (nr < 2 || page[1].index == nr);
}

static void forget(struct page *page, unsigned long nr)
{
	page[0].index = 0;
	if (nr > 1)
		page[1].index = 0;
}

/* The number of pages of a request; 0, with the reason, if it is not a legal one. */
static unsigned long pages_of(const struct device *dev, size_t size)
{
	if (!dev->coherent_dma_mask || dev->backend == BERTH_DMA_NONE) {
		berth_fail(-EIO, BERTH_REASON_NO_MASK, dev_name(dev));
		return 0;
	}
	if (!size || size > SIZE_MAX - PAGE_SIZE) {
		berth_fail_at(-EINVAL, BERTH_REASON_ARGUMENT, "size of coherent memory", size);
		return 0;
	}
	return PFN_UP(size);
}

void *dma_alloc_attrs(struct device *dev, size_t size, dma_addr_t *dma_handle, gfp_t gfp,
		      unsigned long attrs)
{
	unsigned long nr = pages_of(dev, size);
	uint64_t length = (uint64_t)nr << PAGE_SHIFT;
	struct page *page;
	void *virt;

	if (!nr)
		return NULL;
	page = berth_contiguous_alloc(dev, nr, gfp & ~ZONE_FLAGS, dev->coherent_dma_mask,
				      dma_handle);
	if (!page)
		return NULL;
	if (dev_is_dma_coherent(dev))
		virt = page_address(page);
	else
		virt = berth_pages_remap(page, nr,
					 attrs & DMA_ATTR_WRITE_COMBINE ? BERTH_MEMORY_WRITE_COMBINE
									: BERTH_MEMORY_UNCACHED);
	if (!virt) {
		struct berth_error *error =
			berth_error_set(-ENOMEM, BERTH_REASON_MAPPING, dev_name(dev));

		error->address = page_to_phys(page);
		error->length = length;
		berth_contiguous_free(dev, page, nr);
		return NULL;
	}
	memset(virt, 0, length);
	remember(page, nr, virt);
	return virt;
}

/* The pages behind a handle, if they were handed out as @cpu_addr; NULL with the reason. */
static struct page *handed_out(struct device *dev, size_t size, const void *cpu_addr,
			       dma_addr_t dma_handle)
{
	unsigned long nr = pages_of(dev, size);
	phys_addr_t phys;
	struct page *page;

	if (!nr || !berth_dma_to_phys(dev, dma_handle, (uint64_t)nr << PAGE_SHIFT, &phys))
		return NULL;
	page = phys_to_page(phys);
	if (!(phys & ~PAGE_MASK) && is_remembered(page, nr, cpu_addr))
		return page;
	berth_fail_at(-EINVAL, BERTH_REASON_NOT_OWNED, dev_name(dev), dma_handle);
	return NULL;
}

void dma_free_attrs(struct device *dev, size_t size, void *cpu_addr, dma_addr_t dma_handle,
		    unsigned long attrs)
{
	struct page *page;

	(void)attrs;
	if (!cpu_addr)
		return;
	page = handed_out(dev, size, cpu_addr, dma_handle);
	if (!page)
		return;
	forget(page, PFN_UP(size));
	if (!dev_is_dma_coherent(dev))
		berth_pages_unremap(cpu_addr, page, PFN_UP(size));
	berth_contiguous_free(dev, page, PFN_UP(size));
}

struct page *dma_alloc_pages(struct device *dev, size_t size, dma_addr_t *dma_handle,
			     enum dma_data_direction dir, gfp_t gfp)
{
	unsigned long nr = pages_of(dev, size);
	struct page *page;

	if (!nr)
		return NULL;
	if (!valid_dma_direction(dir) || (gfp & ZONE_FLAGS)) {
		berth_fail_at(-EINVAL, BERTH_REASON_ARGUMENT, "dma_alloc_pages", gfp);
		return NULL;
	}
	page = berth_contiguous_alloc(dev, nr, gfp, dev->coherent_dma_mask, dma_handle);
	if (!page)
		return NULL;
	memset(page_address(page), 0, (size_t)nr << PAGE_SHIFT);
	remember(page, nr, page_address(page));
	return page;
}

void dma_free_pages(struct device *dev, size_t size, struct page *page, dma_addr_t dma_handle,
		    enum dma_data_direction dir)
{
	(void)dir;
	if (!page || handed_out(dev, size, page_address(page), dma_handle) != page)
		return;
	forget(page, PFN_UP(size));
	berth_contiguous_free(dev, page, PFN_UP(size));
}
