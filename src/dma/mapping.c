/* SPDX-License-Identifier: BSD-2-Clause */
/* Streaming mappings: who owns the bytes, and the cache maintenance that makes it true. */
#include <berth/dma-mapping.h>

#include "dma/internal.h"
#include "dma/iommu.h"
#include "dma/swiotlb.h"
#include "lib/device.h"
#include "lib/error.h"
#include "lib/trace.h"

/*
 * To the device: what the CPU wrote must be in memory, and no dirty line may be left that could
 * fall over the device's data later. A clean does both, and keeps the bytes that a device that
 * writes less than expected leaves alone.
 */
void berth_dma_clean(const struct device *dev, phys_addr_t phys, size_t size)
{
	if (!dev_is_dma_coherent(dev))
		berth_port_cache_clean(phys, size);
}

/* To the CPU: lines read before, or refilled meanwhile, must not hide what the device wrote. */
void berth_dma_invalidate(const struct device *dev, phys_addr_t phys, size_t size,
			  enum dma_data_direction dir)
{
	if (!dev_is_dma_coherent(dev) && dir != DMA_TO_DEVICE)
		berth_port_cache_invalidate(phys, size);
}

bool berth_dma_legal(const struct device *dev, size_t size, enum dma_data_direction dir)
{
	if (!dev->dma_mask || dev->backend == BERTH_DMA_NONE)
		berth_fail(-EIO, BERTH_REASON_NO_MASK, dev_name(dev));
	else if (!size)
		berth_fail_at(-EINVAL, BERTH_REASON_ARGUMENT, "size of a DMA mapping", size);
	else if (!valid_dma_direction(dir))
		berth_fail_at(-EINVAL, BERTH_REASON_ARGUMENT, "direction of a DMA mapping",
			      (uint64_t)dir);
	else
		return true;
	return false;
}

dma_addr_t berth_dma_refuse_segment(const struct device *dev, phys_addr_t phys, size_t size,
				    uint64_t limit)
{
	struct berth_error *error = berth_error_set(-EINVAL, BERTH_REASON_SEGMENT, dev_name(dev));

	error->address = phys;
	error->length = size;
	error->limit = limit;
	return DMA_MAPPING_ERROR;
}

/*
 * Directly if that leads there, and @size bytes cross no multiple of @boundary + 1; else through a
 * bounce buffer.
 */
static dma_addr_t map_phys(struct device *dev, phys_addr_t phys, size_t size,
			   enum dma_data_direction dir, unsigned long attrs, uint64_t boundary)
{
	uint64_t limit = berth_dma_limit(dev, dev->dma_mask);
	dma_addr_t addr;

	if (dev->backend == BERTH_DMA_IOMMU)
		return berth_iommu_dma_map_phys(dev, phys, size, dir, attrs);
	if (dev->flags & BERTH_DEVICE_BOUNCE)
		return berth_swiotlb_map(dev, phys, size, dir, attrs);
	addr = berth_dma_translate(dev, phys, size, limit, NULL);
	if (addr != DMA_MAPPING_ERROR && !((addr ^ (addr + (size - 1))) & ~boundary)) {
		if (!(attrs & DMA_ATTR_SKIP_CPU_SYNC))
			berth_dma_clean(dev, phys, size);
		return addr;
	}
	if (dev->flags & BERTH_DEVICE_MAY_BOUNCE)
		return berth_swiotlb_map(dev, phys, size, dir, attrs);
	if (addr != DMA_MAPPING_ERROR)
		return berth_dma_refuse_segment(dev, phys, size, boundary - (addr & boundary) + 1);
	return berth_dma_from_phys(dev, phys, size, limit);
}

/* Memory that no device may be given is told about once: it is the same mistake every time. */
dma_addr_t berth_dma_refuse_memory(const struct device *dev, uint64_t address)
{
	static bool is_told;

	berth_fail_at(-EINVAL, BERTH_REASON_NOT_LINEAR, dev_name(dev), address);
	if (!__atomic_exchange_n(&is_told, true, __ATOMIC_RELAXED))
		dev_warn(dev, "%#llx is not memory that a device may be given\n",
			 (unsigned long long)address);
	return DMA_MAPPING_ERROR;
}

/* Apart, since an event takes room on the stack that short ways should not have to make. */
static __attribute__((noinline)) void trace_range(enum berth_trace_kind kind,
						  const struct device *dev, dma_addr_t addr,
						  size_t size, enum dma_data_direction dir,
						  phys_addr_t phys)
{
	berth_trace(.kind = kind, .dev = dev, .detail = (int)dir, .address = addr, .length = size,
		    .other = phys);
}

/* Tells of what went well. */
static inline dma_addr_t traced(const struct device *dev, dma_addr_t addr, phys_addr_t phys,
				size_t size, enum dma_data_direction dir)
{
	if (berth_is_traced() && addr != DMA_MAPPING_ERROR)
		trace_range(BERTH_TRACE_DMA_MAP, dev, addr, size, dir, phys);
	return addr;
}

dma_addr_t berth_dma_map_virt_long(struct device *dev, void *ptr, size_t size,
				   enum dma_data_direction dir, unsigned long attrs)
{
	uint64_t at = (uintptr_t)ptr - berth_port_linear.virt;
	phys_addr_t phys = berth_port_linear.phys + at;

	if (!berth_dma_legal(dev, size, dir))
		return DMA_MAPPING_ERROR;
	if (at >= berth_port_linear.size || !berth_dma_is_ram(phys, size))
		return berth_dma_refuse_memory(dev, (uintptr_t)ptr);
	return traced(dev, map_phys(dev, phys, size, dir, attrs, UINT64_MAX), phys, size, dir);
}

dma_addr_t berth_dma_map_virt(struct device *dev, void *ptr, size_t size,
			      enum dma_data_direction dir, unsigned long attrs)
{
	struct bounce_device *d = bounce_plain_of(dev);

	if (d) {
		struct bounce_slot *slot = bounce_map_plain(d, ptr, size, dir);

		if (__builtin_expect(slot != NULL, 1))
			return attrs & DMA_ATTR_SKIP_CPU_SYNC
				       ? bounce_bus(d, slot)
				       : berth_bounce_fill(dev, d, slot, ptr, attrs);
	}
	if (dev->backend == BERTH_DMA_IOMMU)
		return berth_iommu_dma_map_virt(dev, ptr, size, dir, attrs);
	return berth_dma_map_virt_long(dev, ptr, size, dir, attrs);
}

static dma_addr_t map_page(struct device *dev, struct page *page, size_t offset, size_t size,
			   enum dma_data_direction dir, unsigned long attrs, uint64_t boundary)
{
	phys_addr_t phys = page ? page_to_phys(page) + offset : 0;

	if (!berth_dma_legal(dev, size, dir))
		return DMA_MAPPING_ERROR;
	if (!page || !berth_dma_is_ram(phys, size))
		return berth_dma_refuse_memory(dev, phys);
	return traced(dev, map_phys(dev, phys, size, dir, attrs, boundary), phys, size, dir);
}

dma_addr_t dma_map_page_attrs(struct device *dev, struct page *page, size_t offset, size_t size,
			      enum dma_data_direction dir, unsigned long attrs)
{
	return map_page(dev, page, offset, size, dir, attrs, UINT64_MAX);
}

/*
 * What a device's address leads to: a bounce buffer, or *@phys. False, with the reason, if it is not
 * one that the device was given. Where everything is bounced, memory that was allocated for DMA is
 * not: it is synced, but never unmapped.
 */
static bool lookup(const struct device *dev, dma_addr_t addr, size_t size, bool is_sync,
		   phys_addr_t *phys, struct berth_bounce *bounce)
{
	if (dev->flags & BERTH_DEVICE_MAY_BOUNCE && berth_swiotlb_find(dev, addr, bounce))
		return true;
	bounce->pool = NULL;
	if (dev->flags & BERTH_DEVICE_BOUNCE && !is_sync) {
		berth_fail_at(-EINVAL, BERTH_REASON_NOT_OWNED, dev_name(dev), addr);
		return false;
	}
	return berth_dma_to_phys(dev, addr, size, phys);
}

static __attribute__((noinline)) void unmap(struct device *dev, dma_addr_t addr, size_t size,
					    enum dma_data_direction dir, unsigned long attrs)
{
	struct bounce_device *d = bounce_plain_of(dev);
	struct berth_bounce bounce;
	phys_addr_t phys;

	if (d && !(attrs & DMA_ATTR_SKIP_CPU_SYNC) && berth_bounce_fetch(dev, d, addr, size, dir) &&
	    bounce_unmap_plain(d, addr, size, dir))
		return;
	if (!berth_dma_legal(dev, size, dir) || !lookup(dev, addr, size, false, &phys, &bounce))
		return;
	if (bounce.pool)
		berth_swiotlb_unmap(dev, &bounce, addr, size, dir, attrs);
	else if (!(attrs & DMA_ATTR_SKIP_CPU_SYNC))
		berth_dma_invalidate(dev, phys, size, dir);
}

/* A call in the last place costs the short way nothing. */
static __attribute__((noinline)) void unmap_traced(struct device *dev, dma_addr_t addr, size_t size,
						   enum dma_data_direction dir, unsigned long attrs)
{
	trace_range(BERTH_TRACE_DMA_UNMAP, dev, addr, size, dir, 0);
	if (dev->backend == BERTH_DMA_IOMMU)
		berth_iommu_dma_unmap(dev, addr, size, dir, attrs);
	else
		unmap(dev, addr, size, dir, attrs);
}

void dma_unmap_page_attrs(struct device *dev, dma_addr_t addr, size_t size,
			  enum dma_data_direction dir, unsigned long attrs)
{
	struct bounce_device *d = bounce_plain_of(dev);

	if (d && attrs & DMA_ATTR_SKIP_CPU_SYNC && bounce_unmap_plain(d, addr, size, dir))
		return;
	if (berth_is_traced())
		unmap_traced(dev, addr, size, dir, attrs);
	else if (dev->backend == BERTH_DMA_IOMMU)
		berth_iommu_dma_unmap(dev, addr, size, dir, attrs);
	else
		unmap(dev, addr, size, dir, attrs);
}

void dma_sync_single_for_cpu(struct device *dev, dma_addr_t addr, size_t size,
			     enum dma_data_direction dir)
{
	struct berth_bounce bounce;
	phys_addr_t phys;

	if (!berth_dma_legal(dev, size, dir))
		return;
	if (berth_is_traced())
		trace_range(BERTH_TRACE_SYNC_FOR_CPU, dev, addr, size, dir, 0);
	if (dev->backend == BERTH_DMA_IOMMU) {
		berth_iommu_dma_sync_for_cpu(dev, addr, size, dir);
		return;
	}
	if (!lookup(dev, addr, size, true, &phys, &bounce))
		return;
	if (bounce.pool)
		berth_swiotlb_sync_for_cpu(dev, &bounce, addr, size, dir);
	else
		berth_dma_invalidate(dev, phys, size, dir);
}

void dma_sync_single_for_device(struct device *dev, dma_addr_t addr, size_t size,
				enum dma_data_direction dir)
{
	struct berth_bounce bounce;
	phys_addr_t phys;

	if (!berth_dma_legal(dev, size, dir))
		return;
	if (berth_is_traced())
		trace_range(BERTH_TRACE_SYNC_FOR_DEVICE, dev, addr, size, dir, 0);
	if (dev->backend == BERTH_DMA_IOMMU) {
		berth_iommu_dma_sync_for_device(dev, addr, size, dir);
		return;
	}
	if (!lookup(dev, addr, size, true, &phys, &bounce))
		return;
	if (bounce.pool)
		berth_swiotlb_sync_for_device(dev, &bounce, addr, size, dir);
	else
		berth_dma_clean(dev, phys, size);
}

/*
 * One entry of a list. Unlike a mapping of its own it is held to the device's segments: too long a
 * one is refused, one that crosses a boundary goes through a bounce buffer, which does not.
 */
static int map_entry(struct device *dev, struct scatterlist *sg, enum dma_data_direction dir,
		     unsigned long attrs)
{
	uint64_t boundary = dev->segment_boundary_mask, most = dev->max_segment_size;

	if (boundary < most - 1)
		most = boundary + 1;
	if (sg->length > most)
		sg->dma_address = berth_dma_refuse_segment(dev, sg->offset, sg->length, most);
	else
		sg->dma_address =
			map_page(dev, sg_page(sg), sg->offset, sg->length, dir, attrs, boundary);
	if (sg->dma_address == DMA_MAPPING_ERROR)
		return berth_last_error()->code;
	sg->dma_length = sg->length;
	return 0;
}

/* Behind an IOMMU a list is mapped as one: each of its segments is told of. */
static __attribute__((noinline)) void trace_sg(const struct device *dev, struct scatterlist *sg,
					       int nents, enum dma_data_direction dir,
					       enum berth_trace_kind kind)
{
	for (; nents > 0 && sg && sg->dma_length; nents--, sg = sg_next(sg))
		berth_trace(.kind = kind, .dev = dev, .detail = (int)dir,
			    .address = sg->dma_address, .length = sg->dma_length);
}

/* Return: the number of segments, or a negative errno value with nothing mapped. */
static int map_sg(struct device *dev, struct scatterlist *sgl, int nents,
		  enum dma_data_direction dir, unsigned long attrs)
{
	struct scatterlist *sg = sgl;
	int err = 0, i = 0;

	if (nents < 1)
		return berth_fail_at(-EINVAL, BERTH_REASON_ARGUMENT, "entries of a scatterlist",
				     (uint64_t)nents);
	if (dev->backend == BERTH_DMA_IOMMU) {
		err = berth_iommu_dma_map_sg(dev, sgl, nents, dir, attrs);
		if (berth_is_traced() && err > 0)
			trace_sg(dev, sgl, err, dir, BERTH_TRACE_DMA_MAP);
		return err;
	}
	for (; sg && i < nents; i++, sg = sg_next(sg)) {
		err = map_entry(dev, sg, dir, attrs);
		if (err)
			break;
	}
	if (i == nents)
		return nents;
	if (!err)
		err = berth_fail_at(-EINVAL, BERTH_REASON_ARGUMENT, "entries of a scatterlist",
				    (uint64_t)nents);
	/* Nothing was transferred: the bytes go back as they were. */
	if (i)
		dma_unmap_sg_attrs(dev, sgl, i, dir, attrs | DMA_ATTR_SKIP_CPU_SYNC);
	return err;
}

unsigned int dma_map_sg_attrs(struct device *dev, struct scatterlist *sgl, int nents,
			      enum dma_data_direction dir, unsigned long attrs)
{
	int ret = map_sg(dev, sgl, nents, dir, attrs);

	return ret > 0 ? (unsigned int)ret : 0;
}

int dma_map_sgtable(struct device *dev, struct sg_table *sgt, enum dma_data_direction dir,
		    unsigned long attrs)
{
	int ret = map_sg(dev, sgt->sgl, (int)sgt->orig_nents, dir, attrs);

	if (ret > 0) {
		sgt->nents = (unsigned int)ret;
		return 0;
	}
	switch (berth_last_error()->reason) {
	case BERTH_REASON_BOUNCE_FULL:
	case BERTH_REASON_OUT_OF_MEMORY:
	case BERTH_REASON_AREA_FULL:
		return -ENOMEM;
	case BERTH_REASON_MASK:
	case BERTH_REASON_WINDOW:
	case BERTH_REASON_NO_MASK:
		return -EIO;
	default:
		return -EINVAL;
	}
}

void dma_unmap_sg_attrs(struct device *dev, struct scatterlist *sgl, int nents,
			enum dma_data_direction dir, unsigned long attrs)
{
	struct scatterlist *sg = sgl;

	if (dev->backend == BERTH_DMA_IOMMU) {
		if (berth_is_traced())
			trace_sg(dev, sgl, nents, dir, BERTH_TRACE_DMA_UNMAP);
		berth_iommu_dma_unmap_sg(dev, sgl, nents, dir, attrs);
		return;
	}
	for (int i = 0; i < nents && sg; i++, sg = sg_next(sg))
		dma_unmap_page_attrs(dev, sg->dma_address, sg->dma_length, dir, attrs);
}

void dma_sync_sg_for_cpu(struct device *dev, struct scatterlist *sgl, int nents,
			 enum dma_data_direction dir)
{
	struct scatterlist *sg = sgl;

	if (dev->backend == BERTH_DMA_IOMMU) {
		if (berth_is_traced())
			trace_sg(dev, sgl, nents, dir, BERTH_TRACE_SYNC_FOR_CPU);
		berth_iommu_dma_sync_sg(dev, sgl, nents, dir, true);
		return;
	}
	for (int i = 0; i < nents && sg; i++, sg = sg_next(sg))
		dma_sync_single_for_cpu(dev, sg->dma_address, sg->dma_length, dir);
}

void dma_sync_sg_for_device(struct device *dev, struct scatterlist *sgl, int nents,
			    enum dma_data_direction dir)
{
	struct scatterlist *sg = sgl;

	if (dev->backend == BERTH_DMA_IOMMU) {
		if (berth_is_traced())
			trace_sg(dev, sgl, nents, dir, BERTH_TRACE_SYNC_FOR_DEVICE);
		berth_iommu_dma_sync_sg(dev, sgl, nents, dir, false);
		return;
	}
	for (int i = 0; i < nents && sg; i++, sg = sg_next(sg))
		dma_sync_single_for_device(dev, sg->dma_address, sg->dma_length, dir);
}

static dma_addr_t map_resource(struct device *dev, phys_addr_t phys_addr, size_t size,
			       enum dma_data_direction dir)
{
	uint64_t limit = berth_dma_limit(dev, dev->dma_mask);
	const struct berth_dma_window *peer;

	if (!berth_dma_legal(dev, size, dir))
		return DMA_MAPPING_ERROR;
	if (phys_addr + (size - 1) < phys_addr || berth_dma_touches_ram(phys_addr, size)) {
		berth_fail_at(-EINVAL, BERTH_REASON_ARGUMENT, "dma_map_resource() of RAM",
			      phys_addr);
		return DMA_MAPPING_ERROR;
	}
	peer = berth_dma_peer_window(dev, phys_addr, size);
	if (!peer && iommu_dma_of(dev))
		return berth_iommu_dma_map_resource(dev, phys_addr, size, dir);
	if (!peer)
		return berth_dma_from_phys(dev, phys_addr, size, limit);
	limit = berth_dma_bus_limit(dev, dev->dma_mask);
	if (peer->bus + (phys_addr - peer->cpu) + (size - 1) <= limit)
		return peer->bus + (phys_addr - peer->cpu);
	berth_dma_mask_error(dev, phys_addr, size, limit);
	return DMA_MAPPING_ERROR;
}

dma_addr_t dma_map_resource(struct device *dev, phys_addr_t phys_addr, size_t size,
			    enum dma_data_direction dir, unsigned long attrs)
{
	(void)attrs;
	return traced(dev, map_resource(dev, phys_addr, size, dir), phys_addr, size, dir);
}

static bool is_of_peer(const struct device *dev, dma_addr_t addr)
{
	for (unsigned int i = 0; i < dev->p->nr_peers; i++)
		if (addr - dev->p->peers[i].bus < dev->p->peers[i].size)
			return true;
	return false;
}

void dma_unmap_resource(struct device *dev, dma_addr_t addr, size_t size,
			enum dma_data_direction dir, unsigned long attrs)
{
	(void)attrs;
	if (!berth_dma_legal(dev, size, dir))
		return;
	if (berth_is_traced())
		trace_range(BERTH_TRACE_DMA_UNMAP, dev, addr, size, dir, 0);
	if (addr + (size - 1) < addr)
		berth_fail_at(-EINVAL, BERTH_REASON_NOT_OWNED, dev_name(dev), addr);
	else if (iommu_dma_of(dev) && !is_of_peer(dev, addr))
		berth_iommu_dma_unmap_resource(dev, addr, size);
}
