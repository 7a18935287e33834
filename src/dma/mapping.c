/* SPDX-License-Identifier: BSD-2-Clause */
/* Streaming mappings: who owns the bytes, and the cache maintenance that makes it true. */
#include <berth/dma-mapping.h>

#include "dma/internal.h"
#include "lib/device.h"
#include "lib/error.h"

/*
 * To the device: what the CPU wrote must be in memory, and no dirty line may be left that could
 * fall over the device's data later. A clean does both, and keeps the bytes that a device that
 * writes less than expected leaves alone.
 */
static void sync_for_device(const struct device *dev, phys_addr_t phys, size_t size)
{
	if (!dev_is_dma_coherent(dev))
		berth_port_cache_clean(phys, size);
}

/* To the CPU: lines read before, or refilled meanwhile, must not hide what the device wrote. */
static void sync_for_cpu(const struct device *dev, phys_addr_t phys, size_t size,
			 enum dma_data_direction dir)
{
	if (!dev_is_dma_coherent(dev) && dir != DMA_TO_DEVICE)
		berth_port_cache_invalidate(phys, size);
}

static bool legal(const struct device *dev, size_t size, enum dma_data_direction dir)
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

/* The long way out: what is refused says why. */
static dma_addr_t map_phys(struct device *dev, phys_addr_t phys, size_t size,
			   enum dma_data_direction dir, unsigned long attrs)
{
	uint64_t limit = berth_dma_limit(dev, dev->dma_mask);
	dma_addr_t addr;

	if (dev->flags & BERTH_DEVICE_BOUNCE)
		return berth_swiotlb_map(dev, phys, size, dir, attrs);
	addr = berth_dma_translate(dev, phys, size, limit, NULL);
	if (addr == DMA_MAPPING_ERROR)
		return dev->flags & BERTH_DEVICE_MAY_BOUNCE
			       ? berth_swiotlb_map(dev, phys, size, dir, attrs)
			       : berth_dma_from_phys(dev, phys, size, limit);
	if (!(attrs & DMA_ATTR_SKIP_CPU_SYNC))
		sync_for_device(dev, phys, size);
	return addr;
}

/* Memory that no device may be given is told about once: it is the same mistake every time. */
static dma_addr_t refuse_memory(const struct device *dev, uint64_t address)
{
	static bool is_told;

	berth_fail_at(-EINVAL, BERTH_REASON_NOT_LINEAR, dev_name(dev), address);
	if (!__atomic_exchange_n(&is_told, true, __ATOMIC_RELAXED))
		dev_warn(dev, "%#llx is not memory that a device may be given\n",
			 (unsigned long long)address);
	return DMA_MAPPING_ERROR;
}

dma_addr_t berth_dma_map_virt(struct device *dev, void *ptr, size_t size,
			      enum dma_data_direction dir, unsigned long attrs)
{
	uint64_t at;

	if (!legal(dev, size, dir))
		return DMA_MAPPING_ERROR;
	at = (uintptr_t)ptr - berth_port_linear.virt;
	if (at >= berth_port_linear.size || !berth_dma_is_ram(berth_port_linear.phys + at, size))
		return refuse_memory(dev, (uintptr_t)ptr);
	return map_phys(dev, berth_port_linear.phys + at, size, dir, attrs);
}

dma_addr_t dma_map_page_attrs(struct device *dev, struct page *page, size_t offset, size_t size,
			      enum dma_data_direction dir, unsigned long attrs)
{
	phys_addr_t phys;

	if (!legal(dev, size, dir))
		return DMA_MAPPING_ERROR;
	phys = page ? page_to_phys(page) + offset : 0;
	if (!page || !berth_dma_is_ram(phys, size))
		return refuse_memory(dev, phys);
	return map_phys(dev, phys, size, dir, attrs);
}

/*
 * What a device's address leads to: a bounce buffer, or *@phys. False, with the reason, if it is not
 * one that the device was given.
 */
static bool lookup(const struct device *dev, dma_addr_t addr, size_t size, phys_addr_t *phys,
		   struct berth_bounce *bounce)
{
	bounce->pool = NULL;
	if (dev->flags & BERTH_DEVICE_MAY_BOUNCE) {
		if (berth_swiotlb_find(dev, addr, bounce))
			return true;
		bounce->pool = NULL;
		if (dev->flags & BERTH_DEVICE_BOUNCE) {
			berth_fail_at(-EINVAL, BERTH_REASON_NOT_OWNED, dev_name(dev), addr);
			return false;
		}
	}
	return berth_dma_to_phys(dev, addr, size, phys);
}

void dma_unmap_page_attrs(struct device *dev, dma_addr_t addr, size_t size,
			  enum dma_data_direction dir, unsigned long attrs)
{
	struct berth_bounce bounce;
	phys_addr_t phys;

	if (!legal(dev, size, dir) || !lookup(dev, addr, size, &phys, &bounce))
		return;
	if (bounce.pool)
		berth_swiotlb_unmap(dev, &bounce, addr, size, dir, attrs);
	else if (!(attrs & DMA_ATTR_SKIP_CPU_SYNC))
		sync_for_cpu(dev, phys, size, dir);
}

void dma_sync_single_for_cpu(struct device *dev, dma_addr_t addr, size_t size,
			     enum dma_data_direction dir)
{
	struct berth_bounce bounce;
	phys_addr_t phys;

	if (!legal(dev, size, dir) || !lookup(dev, addr, size, &phys, &bounce))
		return;
	if (bounce.pool)
		berth_swiotlb_sync_for_cpu(dev, &bounce, addr, size, dir);
	else
		sync_for_cpu(dev, phys, size, dir);
}

void dma_sync_single_for_device(struct device *dev, dma_addr_t addr, size_t size,
				enum dma_data_direction dir)
{
	struct berth_bounce bounce;
	phys_addr_t phys;

	if (!legal(dev, size, dir) || !lookup(dev, addr, size, &phys, &bounce))
		return;
	if (bounce.pool)
		berth_swiotlb_sync_for_device(dev, &bounce, addr, size, dir);
	else
		sync_for_device(dev, phys, size);
}

unsigned int dma_map_sg_attrs(struct device *dev, struct scatterlist *sgl, int nents,
			      enum dma_data_direction dir, unsigned long attrs)
{
	struct scatterlist *sg;
	int i;

	if (nents < 1) {
		berth_fail_at(-EINVAL, BERTH_REASON_ARGUMENT, "entries of a scatterlist",
			      (uint64_t)nents);
		return 0;
	}
	for_each_sg(sgl, sg, nents, i) {
		if (!sg) {
			berth_fail_at(-EINVAL, BERTH_REASON_ARGUMENT, "entries of a scatterlist",
				      (uint64_t)nents);
			goto unmap;
		}
		sg->dma_address =
			dma_map_page_attrs(dev, sg_page(sg), sg->offset, sg->length, dir, attrs);
		if (sg->dma_address == DMA_MAPPING_ERROR)
			goto unmap;
		sg->dma_length = sg->length;
	}
	return (unsigned int)nents;

unmap:
	/* Nothing was transferred: the bytes go back as they were. */
	if (i)
		dma_unmap_sg_attrs(dev, sgl, i, dir, attrs | DMA_ATTR_SKIP_CPU_SYNC);
	return 0;
}

void dma_unmap_sg_attrs(struct device *dev, struct scatterlist *sgl, int nents,
			enum dma_data_direction dir, unsigned long attrs)
{
	struct scatterlist *sg = sgl;

	for (int i = 0; i < nents && sg; i++, sg = sg_next(sg))
		dma_unmap_page_attrs(dev, sg->dma_address, sg->dma_length, dir, attrs);
}

void dma_sync_sg_for_cpu(struct device *dev, struct scatterlist *sgl, int nents,
			 enum dma_data_direction dir)
{
	struct scatterlist *sg = sgl;

	for (int i = 0; i < nents && sg; i++, sg = sg_next(sg))
		dma_sync_single_for_cpu(dev, sg->dma_address, sg->dma_length, dir);
}

void dma_sync_sg_for_device(struct device *dev, struct scatterlist *sgl, int nents,
			    enum dma_data_direction dir)
{
	struct scatterlist *sg = sgl;

	for (int i = 0; i < nents && sg; i++, sg = sg_next(sg))
		dma_sync_single_for_device(dev, sg->dma_address, sg->dma_length, dir);
}
