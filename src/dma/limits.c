/* SPDX-License-Identifier: BSD-2-Clause */
/* What a device can reach: masks, bus windows, coherence, and the range of the fast path. */
#include <berth/dma-mapping.h>

#include "dma/internal.h"
#include "dma/iommu.h"
#include "lib/device.h"
#include "lib/error.h"
#include "lib/trace.h"
#include "lib/string.h"

#define DEFAULT_SEGMENT_SIZE 65536u

/* One to one: a single window over everything. */
static const struct berth_dma_window everything = { 0, 0, UINT64_MAX };

static const struct berth_dma_window *windows_of(const struct device *dev, unsigned int *count)
{
	*count = dev->backend == BERTH_DMA_IOMMU ? 0 : dev->p->nr_windows;
	if (*count)
		return dev->p->windows;
	*count = 1;
	return &everything;
}

uint64_t berth_dma_bus_limit(const struct device *dev, uint64_t mask)
{
	return dev->bus_dma_limit && dev->bus_dma_limit < mask ? dev->bus_dma_limit : mask;
}

uint64_t berth_dma_limit(const struct device *dev, uint64_t mask)
{
	return dev->backend == BERTH_DMA_IOMMU ? UINT64_MAX : berth_dma_bus_limit(dev, mask);
}

/*
 * The part of a bank that @window leads to under @limit, as first and last physical
 * address; false if there is none.
 */
static bool reach_of(const struct berth_dma_window *window, const struct berth_mem_map *bank,
		     uint64_t limit, phys_addr_t *first, phys_addr_t *last)
{
	phys_addr_t cpu_last = window->cpu + (window->size - 1);
	phys_addr_t bank_first = PFN_PHYS(bank->pfn);
	phys_addr_t bank_last = PFN_PHYS(bank->pfn + bank->nr) - 1;

	if (window->bus > limit)
		return false;
	if (limit - window->bus < cpu_last - window->cpu)
		cpu_last = window->cpu + (limit - window->bus);
	*first = window->cpu > bank_first ? window->cpu : bank_first;
	*last = cpu_last < bank_last ? cpu_last : bank_last;
	return *first <= *last;
}

static bool reach(const struct device *dev, const struct berth_dma_window *window,
		  const struct berth_mem_map *bank, uint64_t mask, phys_addr_t *first,
		  phys_addr_t *last)
{
	return reach_of(window, bank, berth_dma_limit(dev, mask), first, last);
}

bool berth_dma_reaches_all(const struct device *dev)
{
	const struct berth_dma_window *windows;
	unsigned int count;

	windows = windows_of(dev, &count);
	for (unsigned int b = 0; b < berth_nr_mem_maps; b++) {
		const struct berth_mem_map *bank = &berth_mem_map[b];
		bool is_whole = false;

		for (unsigned int w = 0; !is_whole && w < count; w++) {
			phys_addr_t first, last;

			is_whole = reach(dev, &windows[w], bank, dev->dma_mask, &first, &last) &&
				   last - first + 1 == bank->nr << PAGE_SHIFT;
		}
		if (!is_whole)
			return false;
	}
	return true;
}

/* The fast path covers the largest range that needs no work at all. */
static void set_fast_range(struct device *dev)
{
	const struct berth_dma_window *windows;
	unsigned int count;

	windows = windows_of(dev, &count);
	for (unsigned int w = 0; w < count; w++) {
		for (unsigned int b = 0; b < berth_nr_mem_maps; b++) {
			phys_addr_t first, last;

			if (!reach(dev, &windows[w], &berth_mem_map[b], dev->dma_mask, &first,
				   &last) ||
			    last - first < dev->map_span || PageHighMem(berth_mem_map[b].pages))
				continue;
			dev->map_base = (uintptr_t)phys_to_virt(first);
			dev->map_span = last - first + 1;
			dev->map_offset = windows[w].bus + (first - windows[w].cpu);
		}
	}
}

/* Whether a mapping of the device may have to be bounced. */
static bool may_bounce(const struct device *dev)
{
	if (dev->flags & BERTH_DEVICE_BOUNCE)
		return true;
	return berth_swiotlb_mode != BERTH_SWIOTLB_OFF &&
	       (dev->segment_boundary_mask != UINT64_MAX || !berth_dma_reaches_all(dev));
}

void berth_dma_limits_changed(struct device *dev)
{
	dev->map_base = 0;
	dev->map_span = 0;
	dev->map_offset = 0;
	dev->flags &= ~BERTH_DEVICE_MAY_BOUNCE;
	berth_bounce_forget(dev);
	berth_iommu_dma_limits_changed(dev);
	if (dev->backend == BERTH_DMA_DIRECT && dev->dma_mask) {
		/* What is bounced already has to end so. */
		if (may_bounce(dev) || berth_bounce_is_live(dev))
			dev->flags |= BERTH_DEVICE_MAY_BOUNCE;
		if (dev_is_dma_coherent(dev) && !(dev->flags & BERTH_DEVICE_BOUNCE) &&
		    !berth_is_traced())
			set_fast_range(dev);
	}
	dev->unmap_span = dev->flags & BERTH_DEVICE_MAY_BOUNCE ? 0 : dev->map_span;
}

/* The short ways have no tracepoints. */
static void trace_changed(void)
{
	for (struct device *dev = berth_device_first(); dev; dev = berth_device_next(dev))
		berth_dma_limits_changed(dev);
}

void berth_dma_follow_trace(bool follow)
{
	berth_trace_on_change(follow ? trace_changed : NULL);
}

bool berth_dma_reachable(const struct device *dev, uint64_t mask, unsigned int index,
			 phys_addr_t *first, phys_addr_t *last)
{
	const struct berth_dma_window *windows;
	unsigned int count;

	windows = windows_of(dev, &count);
	for (unsigned int w = 0; w < count; w++)
		for (unsigned int b = 0; b < berth_nr_mem_maps; b++)
			if (reach(dev, &windows[w], &berth_mem_map[b], mask, first, last) &&
			    index-- == 0)
				return true;
	return false;
}

phys_addr_t berth_dma_phys_limit(const struct device *dev, uint64_t mask)
{
	phys_addr_t first, last, highest = 0;

	for (unsigned int i = 0; berth_dma_reachable(dev, mask, i, &first, &last); i++)
		if (last > highest)
			highest = last;
	return highest;
}

bool berth_dma_is_ram(phys_addr_t phys, uint64_t size)
{
	for (unsigned int b = 0; b < berth_nr_mem_maps; b++) {
		uint64_t at = phys - PFN_PHYS(berth_mem_map[b].pfn);
		uint64_t length = berth_mem_map[b].nr << PAGE_SHIFT;

		if (at < length && size <= length - at)
			return true;
	}
	return false;
}

bool berth_dma_touches_ram(phys_addr_t phys, uint64_t size)
{
	for (unsigned int b = 0; b < berth_nr_mem_maps; b++) {
		phys_addr_t first = PFN_PHYS(berth_mem_map[b].pfn);
		phys_addr_t last = first + (berth_mem_map[b].nr << PAGE_SHIFT) - 1;

		if (phys <= last && phys + (size - 1) >= first)
			return true;
	}
	return false;
}

const struct berth_dma_window *berth_dma_peer_window(const struct device *dev, phys_addr_t phys,
						     uint64_t size)
{
	for (unsigned int i = 0; i < dev->p->nr_peers; i++) {
		const struct berth_dma_window *window = &dev->p->peers[i];

		if (phys - window->cpu < window->size &&
		    size <= window->size - (phys - window->cpu))
			return window;
	}
	return NULL;
}

void berth_dma_set_peers(struct device *dev, const struct berth_dma_window *windows,
			 unsigned int count)
{
	dev->p->nr_peers = count < ARRAY_SIZE(dev->p->peers) ? count : ARRAY_SIZE(dev->p->peers);
	memcpy(dev->p->peers, windows, dev->p->nr_peers * sizeof(*windows));
}

static void window_error(const struct device *dev, uint64_t address, uint64_t size)
{
	struct berth_error *error = berth_error_set(-EINVAL, BERTH_REASON_WINDOW, dev_name(dev));

	error->address = address;
	error->length = size;
}

void berth_dma_mask_error(const struct device *dev, uint64_t address, uint64_t size, uint64_t limit)
{
	struct berth_error *error = berth_error_set(-ENOMEM, BERTH_REASON_MASK, dev_name(dev));

	error->address = address + (size - 1);
	error->length = size;
	error->limit = limit;
}

dma_addr_t berth_dma_translate(const struct device *dev, phys_addr_t phys, uint64_t size,
			       uint64_t limit, bool *in_window)
{
	const struct berth_dma_window *windows;
	unsigned int count;

	windows = windows_of(dev, &count);
	for (unsigned int w = 0; w < count; w++) {
		uint64_t at = phys - windows[w].cpu;
		dma_addr_t addr = windows[w].bus + at;

		if (at >= windows[w].size || size > windows[w].size - at)
			continue;
		if (in_window)
			*in_window = true;
		if (addr + (size - 1) >= addr && addr + (size - 1) <= limit)
			return addr;
	}
	return DMA_MAPPING_ERROR;
}

dma_addr_t berth_dma_from_phys(const struct device *dev, phys_addr_t phys, uint64_t size,
			       uint64_t limit)
{
	bool in_window = false;
	dma_addr_t addr = berth_dma_translate(dev, phys, size, limit, &in_window);

	if (addr != DMA_MAPPING_ERROR)
		return addr;
	if (in_window)
		berth_dma_mask_error(dev, phys, size, limit);
	else
		window_error(dev, phys, size);
	return DMA_MAPPING_ERROR;
}

bool berth_dma_to_phys(const struct device *dev, dma_addr_t addr, uint64_t size, phys_addr_t *phys)
{
	const struct berth_dma_window *windows;
	unsigned int count;

	windows = windows_of(dev, &count);
	for (unsigned int w = 0; w < count && size; w++) {
		uint64_t at = addr - windows[w].bus;

		if (at >= windows[w].size || size > windows[w].size - at)
			continue;
		*phys = windows[w].cpu + at;
		if (berth_dma_is_ram(*phys, size))
			return true;
	}
	berth_fail_at(-EINVAL, BERTH_REASON_NOT_OWNED, dev_name(dev), addr);
	return false;
}

void berth_dma_init_limits(struct device *dev)
{
	const struct device *parent = dev->parent;
	unsigned int line = berth_port_line_size();

	berth_bounce_register(dev);
	dev->dma_mask = DMA_BIT_MASK(32);
	dev->coherent_dma_mask = DMA_BIT_MASK(32);
	dev->bus_dma_limit = parent ? parent->bus_dma_limit : 0;
	dev->segment_boundary_mask = UINT64_MAX;
	dev->max_segment_size = DEFAULT_SEGMENT_SIZE;
	dev->min_align_mask = 0;
	dev->max_segments = 0;
	dev->flags = parent ? parent->flags & BERTH_DEVICE_COHERENT : BERTH_DEVICE_COHERENT;
	if (berth_swiotlb_mode == BERTH_SWIOTLB_FORCE ||
	    (parent && parent->p && parent->p->pool && !parent->p->iommu_dma))
		dev->flags |= BERTH_DEVICE_BOUNCE;
	dev->backend = BERTH_DMA_DIRECT;
	dev->line_shift = (uint8_t)__builtin_ctz(line ? line : 1);
	if (parent && parent->p) {
		memcpy(dev->p->windows, parent->p->windows, sizeof(dev->p->windows));
		dev->p->nr_windows = parent->p->nr_windows;
		memcpy(dev->p->peers, parent->p->peers, sizeof(dev->p->peers));
		dev->p->nr_peers = parent->p->nr_peers;
		dev->p->cma = parent->p->cma;
		dev->p->pool = parent->p->pool;
		dev->backend = parent->backend;
		/* What its parent is given it is not. */
		if (parent->p->iommu_dma) {
			dev->backend = BERTH_DMA_NONE;
			dev->p->pool = NULL;
			dev->p->nr_windows = 0;
		}
	}
	berth_dma_limits_changed(dev);
}

void berth_dma_forbid(struct device *dev)
{
	dev->backend = BERTH_DMA_NONE;
	berth_dma_limits_changed(dev);
}

/* Whether @next goes on where @window ends, on both sides. */
static bool continues(const struct berth_dma_window *window, const struct berth_dma_window *next)
{
	return next->cpu > window->cpu && next->cpu - window->cpu == window->size &&
	       next->bus > window->bus && next->bus - window->bus == window->size &&
	       window->size + next->size > window->size;
}

int berth_device_set_windows(struct device *dev, const struct berth_dma_window *windows,
			     unsigned int count)
{
	if (count > BERTH_MAX_DMA_WINDOWS)
		return berth_fail_limit(-EINVAL, BERTH_REASON_TABLE_FULL, dev_name(dev), count,
					BERTH_MAX_DMA_WINDOWS);
	for (unsigned int w = 0; w < count; w++)
		if (!windows[w].size || windows[w].cpu + (windows[w].size - 1) < windows[w].cpu ||
		    windows[w].bus + (windows[w].size - 1) < windows[w].bus)
			return berth_fail_at(-EINVAL, BERTH_REASON_ARGUMENT, dev_name(dev),
					     windows[w].bus);
	dev->p->nr_windows = 0;
	for (unsigned int w = 0; w < count; w++) {
		unsigned int nr = dev->p->nr_windows;

		if (nr && continues(&dev->p->windows[nr - 1], &windows[w]))
			dev->p->windows[nr - 1].size += windows[w].size;
		else
			dev->p->windows[dev->p->nr_windows++] = windows[w];
	}
	berth_dma_limits_changed(dev);
	return 0;
}

const struct berth_dma_window *berth_device_windows(const struct device *dev, unsigned int *count)
{
	*count = dev->p->nr_windows;
	return dev->p->windows;
}

void berth_device_set_coherent(struct device *dev, bool coherent)
{
	dev->flags = coherent ? dev->flags | BERTH_DEVICE_COHERENT
			      : dev->flags & ~BERTH_DEVICE_COHERENT;
	berth_dma_limits_changed(dev);
}

void berth_device_set_cma(struct device *dev, struct cma *cma)
{
	dev->p->cma = cma;
}

/* A device that reaches no RAM at all under a mask cannot do DMA with it. */
static int check_mask(const struct device *dev, uint64_t mask)
{
	struct berth_error *error;
	phys_addr_t first, last;

	if (dev->backend == BERTH_DMA_NONE || !mask)
		return berth_fail(-EIO, BERTH_REASON_NO_MASK, dev_name(dev));
	if (dev->backend == BERTH_DMA_IOMMU
		    ? berth_iommu_dma_reaches(dev, mask)
		    : mask >= DMA_BIT_MASK(32) || berth_dma_reachable(dev, mask, 0, &first, &last))
		return 0;
	error = berth_error_set(-EIO, BERTH_REASON_MASK, dev_name(dev));
	error->address = berth_nr_mem_maps ? PFN_PHYS(berth_mem_map[0].pfn) : 0;
	if (dev->backend == BERTH_DMA_IOMMU)
		error->address = iommu_dma_of(dev)->iovad->granule;
	error->limit = mask;
	return -EIO;
}

int dma_set_mask(struct device *dev, uint64_t mask)
{
	int err = check_mask(dev, mask);

	if (err)
		return err;
	dev->dma_mask = mask;
	berth_dma_limits_changed(dev);
	return 0;
}

int dma_set_coherent_mask(struct device *dev, uint64_t mask)
{
	int err = check_mask(dev, mask);

	if (!err)
		dev->coherent_dma_mask = mask;
	return err;
}

int dma_set_mask_and_coherent(struct device *dev, uint64_t mask)
{
	int err = dma_set_mask(dev, mask);

	if (!err)
		dev->coherent_dma_mask = mask;
	return err;
}

int dma_set_max_seg_size(struct device *dev, unsigned int size)
{
	if (!size)
		return berth_fail_at(-EINVAL, BERTH_REASON_ARGUMENT, "dma_set_max_seg_size", size);
	dev->max_segment_size = size;
	return 0;
}

int dma_set_seg_boundary(struct device *dev, uint64_t mask)
{
	if (mask & (mask + 1))
		return berth_fail_at(-EINVAL, BERTH_REASON_ARGUMENT, "dma_set_seg_boundary", mask);
	dev->segment_boundary_mask = mask;
	berth_dma_limits_changed(dev);
	return 0;
}

int dma_get_cache_alignment(void)
{
	return (int)berth_port_line_size();
}

int dma_set_min_align_mask(struct device *dev, unsigned int mask)
{
	if (mask & (mask + 1) || mask >= BERTH_MAX_ALIGN_MASK)
		return berth_fail_at(-EINVAL, BERTH_REASON_ARGUMENT, "dma_set_min_align_mask",
				     mask);
	dev->min_align_mask = mask;
	berth_dma_limits_changed(dev);
	return 0;
}

bool dma_addressing_limited(struct device *dev)
{
	return !berth_dma_reaches_all(dev);
}

uint64_t dma_get_required_mask(struct device *dev)
{
	uint64_t highest = 0;

	/* Any will do. */
	if (dev->backend == BERTH_DMA_IOMMU)
		return DMA_BIT_MASK(32);
	for (unsigned int b = 0; b < berth_nr_mem_maps; b++) {
		const struct berth_mem_map *bank = &berth_mem_map[b];
		const struct berth_dma_window *windows;
		unsigned int count;

		windows = windows_of(dev, &count);
		for (unsigned int w = 0; w < count; w++) {
			phys_addr_t first, last;

			if (!reach_of(&windows[w], bank, UINT64_MAX, &first, &last))
				continue;
			last = windows[w].bus + (last - windows[w].cpu);
			highest = last > highest ? last : highest;
		}
	}
	return highest ? UINT64_MAX >> __builtin_clzll(highest) : 0;
}

size_t dma_max_mapping_size(struct device *dev)
{
	if (dev->flags & BERTH_DEVICE_BOUNCE ||
	    (berth_swiotlb_mode != BERTH_SWIOTLB_OFF && !berth_dma_reaches_all(dev)))
		return berth_swiotlb_max_size(dev);
	return SIZE_MAX;
}

size_t dma_opt_mapping_size(struct device *dev)
{
	size_t most = dma_max_mapping_size(dev);

	if (dev->backend == BERTH_DMA_IOMMU)
		most = iova_rcache_range();
	return most;
}

unsigned long dma_get_merge_boundary(struct device *dev)
{
	return dev->backend == BERTH_DMA_IOMMU ? iommu_granule(iommu_dma_of(dev)) - 1 : 0;
}

bool dma_need_sync(struct device *dev, dma_addr_t addr)
{
	struct berth_bounce bounce;

	if (dev->backend == BERTH_DMA_IOMMU)
		return !dev_is_dma_coherent(dev) || berth_iommu_dma_is_bounced(dev, addr);
	return !dev_is_dma_coherent(dev) ||
	       (dev->flags & BERTH_DEVICE_MAY_BOUNCE && berth_swiotlb_find(dev, addr, &bounce));
}
