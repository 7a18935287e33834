/* SPDX-License-Identifier: BSD-2-Clause */
/* Contiguous pages for a device: its own CMA area, the default one, then the page allocator. */
#include <berth/cma.h>
#include <berth/dma-mapping.h>
#include <berth/gfp.h>
#include <berth/port.h>

#include "dma/internal.h"
#include "lib/device.h"
#include "mm/internal.h"

struct cma *berth_device_cma(const struct device *dev)
{
	return dev->p->cma ? dev->p->cma : berth_cma_default();
}

/* Natural alignment, up to 1 MiB as in Linux: more would leave areas half empty. */
#define MAX_AREA_ALIGN_ORDER 8

static struct page *from_area(struct device *dev, struct cma *area, unsigned long nr, uint64_t mask,
			      dma_addr_t *addr)
{
	unsigned int order = get_order((uint64_t)nr << PAGE_SHIFT);
	struct page *page;

	page = cma_alloc(area, nr, order < MAX_AREA_ALIGN_ORDER ? order : MAX_AREA_ALIGN_ORDER,
			 true);
	if (!page)
		return NULL;
	*addr = berth_dma_from_phys(dev, page_to_phys(page), (uint64_t)nr << PAGE_SHIFT,
				    berth_dma_limit(dev, mask));
	if (*addr != DMA_MAPPING_ERROR)
		return page;
	cma_release(area, page, nr);
	return NULL;
}

/* A block of the next power of two; what is not needed goes back at once. */
static struct page *from_buddy(struct device *dev, unsigned long nr, gfp_t gfp, uint64_t mask,
			       dma_addr_t *addr)
{
	unsigned int order = get_order((uint64_t)nr << PAGE_SHIFT);
	struct page *page;

	page = berth_alloc_pages_below(gfp, order, berth_dma_phys_limit(dev, mask));
	if (!page)
		return NULL;
	split_page(page, order);
	for (unsigned long i = nr; i < 1UL << order; i++)
		__free_page(page + i);
	*addr = berth_dma_from_phys(dev, page_to_phys(page), (uint64_t)nr << PAGE_SHIFT,
				    berth_dma_limit(dev, mask));
	if (*addr != DMA_MAPPING_ERROR)
		return page;
	for (unsigned long i = 0; i < nr; i++)
		__free_page(page + i);
	return NULL;
}

/*
 * The page allocator knows highest addresses only. Where a bus window begins above the lowest RAM,
 * look for a free run inside it.
 */
static struct page *from_window(struct device *dev, unsigned long nr, uint64_t mask,
				dma_addr_t *addr)
{
	uint64_t align = 1ULL << get_order((uint64_t)nr << PAGE_SHIFT), busy;
	phys_addr_t first, last;

	for (unsigned int i = 0; berth_dma_reachable(dev, mask, i, &first, &last); i++) {
		uint64_t pfn = (PFN_UP(first) + align - 1) & ~(align - 1);

		if (PageHighMem(phys_to_page(first)))
			continue;

		while (pfn + nr <= PFN_DOWN(last + 1)) {
			if (berth_take_free_pages(pfn, nr, &busy)) {
				*addr = berth_dma_from_phys(dev, PFN_PHYS(pfn),
							    (uint64_t)nr << PAGE_SHIFT,
							    berth_dma_limit(dev, mask));
				return pfn_to_page(pfn);
			}
			pfn = (busy + align) & ~(align - 1);
		}
	}
	return NULL;
}

struct page *berth_contiguous_alloc(struct device *dev, unsigned long nr, gfp_t gfp, uint64_t mask,
				    dma_addr_t *addr)
{
	const struct berth_error before = *berth_last_error();
	struct page *page = NULL;
	phys_addr_t first, last;

	if (!berth_dma_reachable(dev, mask, 0, &first, &last)) {
		/* Of no page at all: what is wrong with the first one is wrong with all. */
		berth_dma_from_phys(dev, PFN_PHYS(berth_mem_map[0].pfn), (uint64_t)nr << PAGE_SHIFT,
				    berth_dma_limit(dev, mask));
		return NULL;
	}
	if (gfpflags_allow_blocking(gfp)) {
		struct cma *own = dev->p->cma, *shared = berth_cma_default();

		if (own)
			page = from_area(dev, own, nr, mask, addr);
		/* Single pages would only fragment the area that everybody shares. */
		if (!page && shared && shared != own && nr > 1)
			page = from_area(dev, shared, nr, mask, addr);
	}
	if (!page)
		page = from_buddy(dev, nr, gfp, mask, addr);
	if (!page)
		page = from_window(dev, nr, mask, addr);
	/* That one place had no room is no failure when another one had. */
	if (page)
		*berth_port_error() = before;
	return page;
}

struct owner {
	const struct page *page;
	struct cma *area;
};

static int is_owner(struct cma *area, void *data)
{
	struct owner *owner = data;

	if (page_to_phys(owner->page) - cma_get_base(area) >= cma_get_size(area))
		return 0;
	owner->area = area;
	return 1;
}

void berth_contiguous_free(struct device *dev, struct page *page, unsigned long nr)
{
	struct owner owner = { page, NULL };

	(void)dev;
	/* Any area: another one may serve the device by now. */
	if (cma_for_each_area(is_owner, &owner)) {
		cma_release(owner.area, page, nr);
		return;
	}
	for (unsigned long i = 0; i < nr; i++)
		__free_page(page + i);
}
