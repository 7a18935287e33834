// SPDX-License-Identifier: BSD-2-Clause
/* Where the memory of a buffer may be, so that every device that is attached reaches it. */
#include <berth/dma-mapping.h>
#include <berth/gfp.h>
#include <berth/slab.h>

#include "dma-buf/heap.h"
#include "dma/internal.h"
#include "lib/bitmap.h"
#include "lib/error.h"
#include "lib/string.h"
#include "mm/internal.h"

/* Blocks that are tried one after the other: large ones keep page tables and lists short. */
static const unsigned int orders[] = { 8, 4, 0 };

/* Natural alignment, up to 1 MiB: as for other contiguous memory. */
#define MAX_AREA_ALIGN_ORDER 8

/* What is left of @place where @dev reaches; ranges without room for a page are dropped. */
static void narrow(struct heap_place *place, const struct device *dev)
{
	const struct heap_place before = *place;
	phys_addr_t first, last;

	place->nr = 0;
	for (unsigned int i = 0; i < before.nr; i++) {
		for (unsigned int r = 0; berth_dma_reachable(dev, dev->dma_mask, r, &first, &last);
		     r++) {
			if (first < before.range[i].first)
				first = before.range[i].first;
			if (last > before.range[i].last)
				last = before.range[i].last;
			first = PFN_PHYS(PFN_UP(first));
			if (first <= last && last - first >= PAGE_SIZE - 1 &&
			    place->nr < HEAP_MAX_RANGES)
				place->range[place->nr++] = (struct heap_range){ first, last };
		}
	}
	/* Behind an IOMMU any pages are in one piece. */
	if (dev->max_segments && dev->backend != BERTH_DMA_IOMMU)
		place->is_contiguous = true;
}

static int nowhere(const struct device *dev)
{
	return berth_fail_at(-EINVAL, BERTH_REASON_WINDOW, dev_name(dev), 0);
}

int berth_heap_place(const struct heap_buffer *buffer, const struct device *more,
		     struct heap_place *place)
{
	const struct heap_attachment *a;

	memset(place, 0, sizeof(*place));
	for (unsigned int b = 0; b < berth_nr_mem_maps && place->nr < HEAP_MAX_RANGES; b++)
		if (!PageHighMem(berth_mem_map[b].pages))
			place->range[place->nr++] = (struct heap_range){
				PFN_PHYS(berth_mem_map[b].pfn),
				PFN_PHYS(berth_mem_map[b].pfn + berth_mem_map[b].nr) - 1,
			};
	list_for_each_entry(a, &buffer->attachments, struct heap_attachment, node) {
		if (!a->is_copied)
			narrow(place, a->attach->dev);
		if (!place->nr)
			return nowhere(a->attach->dev);
	}
	if (more)
		narrow(place, more);
	return place->nr ? 0 : nowhere(more);
}

static bool is_inside(const struct heap_place *place, phys_addr_t phys, uint64_t size)
{
	for (unsigned int i = 0; i < place->nr; i++)
		if (phys >= place->range[i].first && phys + (size - 1) <= place->range[i].last)
			return true;
	return false;
}

static phys_addr_t highest(const struct heap_place *place)
{
	phys_addr_t last = 0;

	for (unsigned int i = 0; i < place->nr; i++)
		if (place->range[i].last > last)
			last = place->range[i].last;
	return last;
}

/* The next run of contiguous pages from @at on: how many. */
static unsigned long run_of(const struct heap_memory *memory, unsigned long at)
{
	unsigned long nr = 1;

	while (at + nr < memory->nr &&
	       page_to_pfn(memory->pages[at + nr]) == page_to_pfn(memory->pages[at]) + nr)
		nr++;
	return nr;
}

int berth_heap_fits(const struct heap_memory *memory, const struct device *dev)
{
	uint64_t limit = berth_dma_limit(dev, dev->dma_mask);
	unsigned long runs = 0;

	for (unsigned long at = 0, nr; at < memory->nr; at += nr, runs++) {
		nr = run_of(memory, at);
		if (berth_dma_from_phys(dev, page_to_phys(memory->pages[at]),
					(uint64_t)nr << PAGE_SHIFT, limit) == DMA_MAPPING_ERROR)
			return -EINVAL;
	}
	if (dev->max_segments && dev->backend != BERTH_DMA_IOMMU && runs > dev->max_segments)
		return berth_fail_limit(-EINVAL, BERTH_REASON_SEGMENTS, dev_name(dev), runs,
					dev->max_segments);
	return 0;
}

/* Taking */

static void name_pages(struct heap_memory *memory, unsigned long at, struct page *page,
		       unsigned long nr)
{
	for (unsigned long i = 0; i < nr; i++)
		memory->pages[at + i] = page + i;
}

static bool from_area(struct heap_memory *memory, struct cma *area, const struct heap_place *place)
{
	unsigned int order = get_order((uint64_t)memory->nr << PAGE_SHIFT);
	struct page *page;

	page = cma_alloc(area, memory->nr,
			 order < MAX_AREA_ALIGN_ORDER ? order : MAX_AREA_ALIGN_ORDER, true);
	if (!page)
		return false;
	if (!is_inside(place, page_to_phys(page), (uint64_t)memory->nr << PAGE_SHIFT)) {
		berth_fail_at(-EINVAL, BERTH_REASON_WINDOW, cma_get_name(area), page_to_phys(page));
		cma_release(area, page, memory->nr);
		return false;
	}
	name_pages(memory, 0, page, memory->nr);
	memory->area = area;
	return true;
}

/* A block of which the end that is not needed goes back. */
static bool from_buddy(struct heap_memory *memory, const struct heap_place *place)
{
	unsigned int order = get_order((uint64_t)memory->nr << PAGE_SHIFT);
	struct page *page = berth_alloc_pages_below(GFP_KERNEL, order, highest(place));

	if (!page)
		return false;
	split_page(page, order);
	for (unsigned long i = memory->nr; i < 1UL << order; i++)
		__free_page(page + i);
	if (is_inside(place, page_to_phys(page), (uint64_t)memory->nr << PAGE_SHIFT)) {
		name_pages(memory, 0, page, memory->nr);
		return true;
	}
	for (unsigned long i = 0; i < memory->nr; i++)
		__free_page(page + i);
	return false;
}

/* A free run inside one of the ranges, where the page allocator would go above or below; or NULL. */
static struct page *take_run(const struct heap_place *place, unsigned long nr)
{
	uint64_t busy;

	for (unsigned int i = 0; i < place->nr; i++) {
		uint64_t pfn = PFN_UP(place->range[i].first);

		while (pfn + nr <= PFN_DOWN(place->range[i].last + 1)) {
			if (berth_take_free_pages(pfn, nr, &busy))
				return pfn_to_page(pfn);
			pfn = busy + 1;
		}
	}
	return NULL;
}

static bool from_ranges(struct heap_memory *memory, const struct heap_place *place)
{
	struct page *page = take_run(place, memory->nr);

	if (page)
		name_pages(memory, 0, page, memory->nr);
	return page != NULL;
}

static bool take_contiguous(const struct heap_buffer *buffer, const struct heap_place *place,
			    struct heap_memory *memory)
{
	const struct heap_attachment *a;
	struct cma *common = berth_cma_default();

	list_for_each_entry(a, &buffer->attachments, struct heap_attachment, node) {
		struct cma *own = berth_device_cma(a->attach->dev);

		if (own && own != common && from_area(memory, own, place))
			return true;
	}
	return (common && memory->nr > 1 && from_area(memory, common, place)) ||
	       from_buddy(memory, place) || from_ranges(memory, place);
}

/* One block of the largest order that is to be had; how many pages. */
static unsigned long take_block(struct heap_memory *memory, unsigned long at,
				const struct heap_place *place)
{
	const phys_addr_t limit = highest(place);
	struct page *page;

	for (unsigned int i = 0; i < ARRAY_SIZE(orders); i++) {
		unsigned long nr = 1UL << orders[i];

		if (nr > memory->nr - at)
			continue;
		/* Nobody's memory is reclaimed for a large block. */
		page = berth_alloc_pages_below(orders[i] ? GFP_NOWAIT : GFP_KERNEL, orders[i],
					       limit);
		if (!page)
			continue;
		split_page(page, orders[i]);
		if (is_inside(place, page_to_phys(page), (uint64_t)nr << PAGE_SHIFT)) {
			name_pages(memory, at, page, nr);
			return nr;
		}
		for (unsigned long p = 0; p < nr; p++)
			__free_page(page + p);
	}
	page = take_run(place, 1);
	if (page)
		name_pages(memory, at, page, 1);
	return page ? 1 : 0;
}

static bool take_scattered(struct heap_memory *memory, const struct heap_place *place)
{
	unsigned long at = 0, nr;

	while (at < memory->nr) {
		nr = take_block(memory, at, place);
		if (!nr)
			break;
		at += nr;
	}
	if (at == memory->nr)
		return true;
	while (at)
		__free_page(memory->pages[--at]);
	return false;
}

static void forget(struct heap_memory *memory)
{
	kvfree(memory->pages);
	kfree(memory->memory_stale);
	*memory = (struct heap_memory){ 0 };
}

int berth_heap_take(const struct heap_buffer *buffer, const struct heap_place *place,
		    struct heap_memory *memory)
{
	const struct berth_error before = *berth_last_error();
	const size_t words = BITS_TO_WORDS(buffer->nr);
	bool is_taken;

	*memory = (struct heap_memory){ .nr = buffer->nr };
	memory->pages = kvmalloc(buffer->nr * sizeof(*memory->pages), GFP_KERNEL);
	memory->memory_stale = kcalloc(2 * words, sizeof(uint64_t), GFP_KERNEL);
	if (!memory->pages || !memory->memory_stale) {
		forget(memory);
		return -ENOMEM;
	}
	memory->cache_stale = memory->memory_stale + words;
	if (buffer->area)
		is_taken = from_area(memory, buffer->area, place);
	else if (place->is_contiguous)
		is_taken = take_contiguous(buffer, place, memory);
	else
		is_taken = take_scattered(memory, place);
	if (!is_taken) {
		forget(memory);
		return berth_last_error()->code == -EINVAL ? -EINVAL : -ENOMEM;
	}
	/* That one place had no room is no failure when another one had. */
	*berth_port_error() = before;
	return 0;
}

void berth_heap_give(struct heap_memory *memory)
{
	if (memory->area)
		cma_release(memory->area, memory->pages[0], memory->nr);
	else
		for (unsigned long i = 0; i < memory->nr; i++)
			__free_page(memory->pages[i]);
	forget(memory);
}

/* Tables */

/* Bytes from @phys on that are one entry for the device, @left at most. */
static uint64_t piece(const struct device *dev, phys_addr_t phys, uint64_t left)
{
	uint64_t most = dma_get_max_seg_size(dev) & ~(uint64_t)(PAGE_SIZE - 1);

	if (dev->backend != BERTH_DMA_IOMMU && dev->segment_boundary_mask != UINT64_MAX) {
		uint64_t limit = berth_dma_limit(dev, dev->dma_mask);
		dma_addr_t addr = berth_dma_translate(dev, phys, 1, limit, NULL);
		uint64_t room = dev->segment_boundary_mask - (addr & dev->segment_boundary_mask);

		if (addr != DMA_MAPPING_ERROR && room < most)
			most = room + 1;
	}
	if (!most)
		most = PAGE_SIZE;
	return left < most ? left : most;
}

/* Fill a table, or only count its entries if @sg is NULL. */
static unsigned int pieces(const struct heap_memory *memory, const struct device *dev,
			   struct scatterlist *sg)
{
	unsigned int count = 0;

	for (unsigned long at = 0, nr; at < memory->nr; at += nr) {
		phys_addr_t phys = page_to_phys(memory->pages[at]);
		uint64_t left, size;

		nr = run_of(memory, at);
		for (left = (uint64_t)nr << PAGE_SHIFT; left; left -= size, phys += size) {
			size = piece(dev, phys, left);
			if (sg) {
				sg_set_page(sg, phys_to_page(phys), (unsigned int)size,
					    (unsigned int)(phys & (PAGE_SIZE - 1)));
				sg = sg_next(sg);
			}
			count++;
		}
	}
	return count;
}

struct sg_table *berth_heap_table(const struct heap_memory *memory, const struct device *dev)
{
	struct sg_table *sgt = kmalloc(sizeof(*sgt), GFP_KERNEL);
	int err;

	if (!sgt)
		return ERR_PTR(-ENOMEM);
	err = sg_alloc_table(sgt, pieces(memory, dev, NULL), GFP_KERNEL);
	if (err) {
		kfree(sgt);
		return ERR_PTR(err);
	}
	pieces(memory, dev, sgt->sgl);
	return sgt;
}
