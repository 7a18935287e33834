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

/* Behind an IOMMU any pages are in one piece, if it takes them one by one. */
static bool makes_one_piece(const struct device *dev)
{
	return dev->backend == BERTH_DMA_IOMMU &&
	       dma_get_merge_boundary((struct device *)dev) < PAGE_SIZE;
}

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
	if (dev->max_segments && !makes_one_piece(dev))
		place->is_contiguous = true;
}

static int nowhere(const char *who)
{
	return berth_fail_at(-EINVAL, BERTH_REASON_WINDOW, who, 0);
}

/* Memory that has an address, and is the area's if there is one. */
static void begin_place(const struct cma *area, struct heap_place *place)
{
	memset(place, 0, sizeof(*place));
	for (unsigned int b = 0; b < berth_nr_mem_maps && place->nr < HEAP_MAX_RANGES; b++) {
		struct heap_range range = {
			PFN_PHYS(berth_mem_map[b].pfn),
			PFN_PHYS(berth_mem_map[b].pfn + berth_mem_map[b].nr) - 1,
		};

		if (area && range.first < cma_get_base(area))
			range.first = cma_get_base(area);
		if (area && range.last > cma_get_base(area) + (cma_get_size(area) - 1))
			range.last = cma_get_base(area) + (cma_get_size(area) - 1);
		if (range.first < range.last && !PageHighMem(berth_mem_map[b].pages))
			place->range[place->nr++] = range;
	}
}

int berth_heap_place(const struct heap_buffer *buffer, const struct device *more,
		     struct heap_place *place)
{
	const struct heap_attachment *a;

	begin_place(buffer->area, place);
	if (!place->nr)
		return nowhere(buffer->area ? cma_get_name(buffer->area) : "dma-buf");
	list_for_each_entry(a, &buffer->attachments, struct heap_attachment, node) {
		if (!a->is_copied)
			narrow(place, a->attach->dev);
		if (!place->nr)
			return nowhere(dev_name(a->attach->dev));
	}
	if (more)
		narrow(place, more);
	return place->nr ? 0 : nowhere(dev_name(more));
}

static bool is_inside(const struct heap_place *place, phys_addr_t phys, uint64_t size)
{
	for (unsigned int i = 0; i < place->nr; i++)
		if (phys >= place->range[i].first && phys + (size - 1) <= place->range[i].last)
			return true;
	return false;
}

/* A run that need not be in one piece for the devices: it may lie in two windows that follow each other. */
static bool is_inside_by_pages(const struct heap_place *place, phys_addr_t phys, uint64_t size)
{
	for (uint64_t at = 0; at < size; at += PAGE_SIZE)
		if (!is_inside(place, phys + at, PAGE_SIZE))
			return false;
	return true;
}

static phys_addr_t highest(const struct heap_place *place)
{
	phys_addr_t last = 0;

	for (unsigned int i = 0; i < place->nr; i++)
		if (place->range[i].last > last)
			last = place->range[i].last;
	return last;
}

unsigned long berth_heap_run(const struct heap_memory *memory, unsigned long at)
{
	unsigned long nr = 1;

	if (at < memory->first_run)
		return memory->first_run - at;
	while (at + nr < memory->nr &&
	       page_to_pfn(memory->pages[at + nr]) == page_to_pfn(memory->pages[at]) + nr)
		nr++;
	return nr;
}

/* Bytes of RAM from @phys on, whole pages, that lie in one of a device's windows; 0: none. */
static uint64_t reach_from(const struct device *dev, phys_addr_t phys)
{
	phys_addr_t first, last;

	for (unsigned int i = 0; berth_dma_reachable(dev, dev->dma_mask, i, &first, &last); i++)
		if (phys >= first && phys <= last)
			return (last - phys + 1) & ~(uint64_t)(PAGE_SIZE - 1);
	return 0;
}

int berth_heap_fits(const struct heap_memory *memory, const struct device *dev)
{
	const uint64_t limit = berth_dma_limit(dev, dev->dma_mask);
	unsigned long runs = 0;

	for (unsigned long at = 0, nr; at < memory->nr; at += nr, runs++) {
		phys_addr_t phys = page_to_phys(memory->pages[at]);
		uint64_t room = reach_from(dev, phys) >> PAGE_SHIFT;

		if (!room && berth_dma_from_phys(dev, phys, PAGE_SIZE, limit) == DMA_MAPPING_ERROR)
			return -EINVAL;
		nr = berth_heap_run(memory, at);
		if (nr > room)
			nr = room ? (unsigned long)room : 1;
	}
	if (dev->max_segments && !makes_one_piece(dev) && runs > dev->max_segments)
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
	const uint64_t size = (uint64_t)memory->nr << PAGE_SHIFT;
	unsigned int order = get_order(size);
	struct page *page;

	page = cma_alloc(area, memory->nr,
			 order < MAX_AREA_ALIGN_ORDER ? order : MAX_AREA_ALIGN_ORDER, true);
	if (!page)
		return false;
	if (place->is_contiguous ? !is_inside(place, page_to_phys(page), size)
				 : !is_inside_by_pages(place, page_to_phys(page), size)) {
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

/*
 * A free run inside one of the ranges, where the page allocator would go above or below; or NULL. The search begins at
 * *@from, and is gone on with there.
 */
static struct page *take_run(const struct heap_place *place, unsigned long nr, uint64_t *from)
{
	uint64_t busy;

	/* The ranges are sorted by device and bank: each pass takes what lies behind. */
	for (;;) {
		const struct heap_range *next = NULL;
		uint64_t pfn;

		for (unsigned int i = 0; i < place->nr; i++)
			if (PFN_DOWN(place->range[i].last + 1) > *from &&
			    (!next || place->range[i].first < next->first))
				next = &place->range[i];
		if (!next)
			return NULL;
		pfn = PFN_UP(next->first) > *from ? PFN_UP(next->first) : *from;
		while (pfn + nr <= PFN_DOWN(next->last + 1)) {
			if (berth_take_free_pages(pfn, nr, &busy)) {
				*from = pfn + nr;
				return pfn_to_page(pfn);
			}
			pfn = busy + 1;
		}
		*from = PFN_DOWN(next->last + 1);
	}
}

static bool from_ranges(struct heap_memory *memory, const struct heap_place *place)
{
	uint64_t from = 0;
	struct page *page = take_run(place, memory->nr, &from);

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

/* A block that the page allocator has, split; or NULL if there is none, or *@is_elsewhere. */
static struct page *take_buddy(const struct heap_place *place, unsigned int order,
			       bool *is_elsewhere)
{
	/* Nobody's memory is reclaimed for a large block. */
	struct page *page =
		berth_alloc_pages_below(order ? GFP_NOWAIT : GFP_KERNEL, order, highest(place));

	if (!page)
		return NULL;
	split_page(page, order);
	if (is_inside(place, page_to_phys(page), PAGE_SIZE << order))
		return page;
	for (unsigned long p = 0; p < 1UL << order; p++)
		__free_page(page + p);
	*is_elsewhere = true;
	return NULL;
}

/* Blocks of one order, until there are no more; how many pages there are now. */
static unsigned long take_blocks(struct heap_memory *memory, unsigned long at,
				 const struct heap_place *place, unsigned int order)
{
	const unsigned long nr = 1UL << order;
	bool is_elsewhere = false;
	struct page *page;
	uint64_t from = 0;

	for (; nr <= memory->nr - at; at += nr) {
		page = is_elsewhere ? NULL : take_buddy(place, order, &is_elsewhere);
		if (!page && (is_elsewhere || !order))
			page = take_run(place, nr, &from);
		if (!page)
			break;
		name_pages(memory, at, page, nr);
	}
	return at;
}

static bool take_scattered(struct heap_memory *memory, const struct heap_place *place)
{
	unsigned long at = 0;

	for (unsigned int i = 0; i < ARRAY_SIZE(orders); i++)
		at = take_blocks(memory, at, place, orders[i]);
	if (at == memory->nr)
		return true;
	while (at)
		__free_page(memory->pages[--at]);
	return false;
}

static void forget(struct heap_memory *memory)
{
	kvfree(memory->pages);
	kvfree(memory->memory_stale);
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
	memory->memory_stale = kvzalloc(2 * words * sizeof(uint64_t), GFP_KERNEL);
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
		/* Of the places that were tried none is the one to name. */
		if (!buffer->area)
			berth_fail_limit(-ENOMEM, BERTH_REASON_OUT_OF_MEMORY, "dma-buf",
					 (uint64_t)buffer->nr << PAGE_SHIFT,
					 berth_free_bytes(highest(place) + 1));
		return berth_last_error()->code == -EINVAL ? -EINVAL : -ENOMEM;
	}
	memory->first_run = berth_heap_run(memory, 0);
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
	const uint64_t boundary = dev->segment_boundary_mask;
	uint64_t most = dma_get_max_seg_size((struct device *)dev), room;

	if (dev->backend != BERTH_DMA_IOMMU && dev->flags & BERTH_DEVICE_BOUNCE &&
	    dma_max_mapping_size((struct device *)dev) < most)
		most = dma_max_mapping_size((struct device *)dev);
	most &= ~(uint64_t)(PAGE_SIZE - 1);
	if (dev->backend == BERTH_DMA_IOMMU) {
		if (boundary < most)
			most = boundary + 1;
	} else {
		dma_addr_t addr = berth_dma_translate(dev, phys, 1,
						      berth_dma_limit(dev, dev->dma_mask), NULL);

		room = reach_from(dev, phys);
		if (room && room < most)
			most = room;
		if (addr != DMA_MAPPING_ERROR && boundary - (addr & boundary) < most)
			most = boundary - (addr & boundary) + 1;
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

		nr = berth_heap_run(memory, at);
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
