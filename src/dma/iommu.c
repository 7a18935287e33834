/* SPDX-License-Identifier: BSD-2-Clause */
/* Streaming mappings of devices behind an IOMMU. */
#include "dma/iommu.h"

#include "dma/internal.h"
#include "iommu/pgtable.h"
#include "lib/device.h"
#include "lib/error.h"
#include "lib/trace.h"

static void refuse_unmap(const struct device *dev, enum berth_reason reason, dma_addr_t addr,
			 uint64_t size, uint64_t mapped)
{
	struct berth_error *error = berth_error_set(-EINVAL, reason, dev_name(dev));

	error->address = addr;
	error->length = size;
	error->limit = mapped;
}

static bool serves(const struct device *dev, const struct iommu_dma *d)
{
	if (iommu_dma_serves(d))
		return true;
	berth_fail(-EBUSY, BERTH_REASON_OWNED, dev_name(dev));
	return false;
}

/* @phys is of one or more granules, at *@iova and what follows, which becomes known. */
static bool map_at(const struct iommu_dma *d, phys_addr_t phys, uint64_t size, int prot,
		   dma_addr_t *iova)
{
	/* More than the CPU's addresses. */
	if ((size_t)size != size) {
		berth_fail_at(-EINVAL, BERTH_REASON_TOO_LARGE, "dma_map_resource", phys);
		return false;
	}
	*iova = berth_iommu_dma_take_iova(d, size, d->far_pfn);
	if (*iova == DMA_MAPPING_ERROR)
		return false;
	if (!iommu_map(d->domain, *iova, phys, (size_t)size, prot, GFP_ATOMIC))
		return true;
	iommu_put_iova(d, *iova, size);
	return false;
}

dma_addr_t berth_iommu_dma_map_phys(struct device *dev, phys_addr_t phys, size_t size,
				    enum dma_data_direction dir, unsigned long attrs)
{
	const struct iommu_dma *d = iommu_dma_of(dev);
	uint64_t offset = phys & d->granule_mask, all;
	dma_addr_t iova;

	if (!serves(dev, d))
		return DMA_MAPPING_ERROR;
	all = (offset + size + d->granule_mask) & ~d->granule_mask;
	if (d->is_untrusted && ((phys | size) & d->granule_mask)) {
		iova = berth_iommu_dma_take_iova(d, all, d->far_pfn);
		if (iova == DMA_MAPPING_ERROR)
			return iova;
		if (!berth_iommu_dma_bounce_map(dev, iova, phys, size, dir, attrs)) {
			berth_trace(.kind = BERTH_TRACE_BOUNCE, .dev = dev, .detail = (int)dir,
				    .address = iova + offset, .length = size, .other = phys);
			return iova + offset;
		}
		iommu_put_iova(d, iova, all);
		return DMA_MAPPING_ERROR;
	}
	if (!(attrs & DMA_ATTR_SKIP_CPU_SYNC))
		berth_dma_clean(dev, phys, size);
	return map_at(d, phys - offset, all, d->prot[dir], &iova) ? iova + offset
								  : DMA_MAPPING_ERROR;
}

/* The first attempt found no address: that it failed is nobody's business if another one does not. */
static dma_addr_t map_virt_full(struct device *dev, void *ptr, size_t size,
				enum dma_data_direction dir, unsigned long attrs)
{
	dma_addr_t addr = berth_dma_map_virt_long(dev, ptr, size, dir, attrs);

	if (addr != DMA_MAPPING_ERROR)
		berth_clear_error();
	return addr;
}

/* One granule, at an address that is there already. */
static __attribute__((noinline)) dma_addr_t
map_granule(const struct iommu_dma *d, uint64_t pfn, phys_addr_t phys, enum dma_data_direction dir)
{
	uint64_t mask = d->granule_mask;

	if (d->tables->map_pages(d->tables, pfn << d->shift, phys & ~mask, iommu_granule(d), 1,
				 d->prot[dir], GFP_ATOMIC, NULL)) {
		free_iova_fast(d->iovad, pfn, 1);
		return DMA_MAPPING_ERROR;
	}
	return pfn << d->shift | (phys & mask);
}

/* The slot's cache has no address for it. */
static __attribute__((noinline)) dma_addr_t map_virt_other(struct device *dev, void *ptr,
							   size_t size, enum dma_data_direction dir,
							   unsigned long attrs)
{
	const struct iommu_dma *d = iommu_dma_of(dev);
	uint64_t pfn = alloc_iova_fast(d->iovad, 1, d->limit_pfn, false);

	return pfn ? map_granule(d, pfn, (uintptr_t)ptr + d->ram_bias, dir)
		   : map_virt_full(dev, ptr, size, dir, attrs);
}

/* One granule for a device that needs no more than that: without calls. */
dma_addr_t berth_iommu_dma_map_virt(struct device *dev, void *ptr, size_t size,
				    enum dma_data_direction dir, unsigned long attrs)
{
	const struct iommu_dma *d = iommu_dma_of(dev);
	uint64_t at = (uintptr_t)ptr - d->ram, mask = d->granule_mask, pfn;
	phys_addr_t phys = (uintptr_t)ptr + d->ram_bias, offset = phys & mask;
	struct pgtable_window w;
	dma_addr_t iova;

	/* A granule of RAM is RAM. */
	if (__builtin_expect(at >= d->ram_size || (uint64_t)size - 1 > mask - offset ||
				     !valid_dma_direction(dir) || !iommu_dma_serves(d),
			     0))
		return berth_dma_map_virt_long(dev, ptr, size, dir, attrs);
	pfn = berth_iova_alloc_cached(d->iovad, 1, d->limit_pfn);
	if (__builtin_expect(!pfn, 0))
		return map_virt_other(dev, ptr, size, dir, attrs);
	iova = pfn << d->shift;
	if (__builtin_expect(!pgtable_open(d->pt, iova, 1, &w), 0))
		return map_granule(d, pfn, phys, dir);
	write_entry(w.entry, (phys - offset) | d->leaf[dir]);
	walker_leave(w.inside);
	return iova | offset;
}

bool berth_iommu_dma_unmapped(const struct device *dev, const struct iommu_dma *d, dma_addr_t iova,
			      uint64_t size, uint64_t done, struct iommu_iotlb_gather *gather)
{
	if (__builtin_expect(!done, 0)) {
		refuse_unmap(dev, BERTH_REASON_NOT_OWNED, iova, size, 0);
		return false;
	}
	if (!d->is_lazy)
		iommu_iotlb_sync(d->domain, gather);
	if (__builtin_expect(done == size, 1)) {
		if (d->is_lazy)
			berth_iommu_dma_queue(d->cookie->queues, iova >> d->shift,
					      size >> d->shift);
		else
			iommu_put_iova(d, iova, size);
		return true;
	}
	/* How long the range is only the tree knows. */
	if (d->is_lazy)
		iommu_flush_iotlb_all(d->domain);
	berth_iova_free_at(d->iovad, iova >> d->shift, dev_name(dev));
	refuse_unmap(dev, BERTH_REASON_UNMAP, iova, size, done);
	return false;
}

bool berth_iommu_dma_unmap_range(const struct device *dev, const struct iommu_dma *d,
				 dma_addr_t iova, uint64_t size)
{
	struct iommu_iotlb_gather gather;
	uint64_t done;

	iommu_iotlb_gather_init(&gather);
	gather.queued = d->is_lazy;
	done = iommu_unmap_fast(d->domain, iova, (size_t)size, &gather);
	return berth_iommu_dma_unmapped(dev, d, iova, size, done, &gather);
}

bool berth_iommu_dma_sync_range(const struct device *dev, dma_addr_t addr, size_t size,
				enum dma_data_direction dir, bool for_cpu)
{
	const struct iommu_dma *d = iommu_dma_of(dev);

	while (size) {
		phys_addr_t phys = iommu_iova_to_phys(d->domain, addr);
		uint64_t left = d->granule_mask + 1 - (addr & d->granule_mask);
		size_t piece = left < size ? (size_t)left : size;

		if (phys == BERTH_PHYS_NONE) {
			refuse_unmap(dev, BERTH_REASON_NOT_OWNED, addr, size, 0);
			return false;
		}
		if (for_cpu)
			berth_dma_invalidate(dev, phys, piece, dir);
		else
			berth_dma_clean(dev, phys, piece);
		addr += piece;
		size -= piece;
	}
	return true;
}

static __attribute__((noinline)) void unmap_long(struct device *dev, dma_addr_t addr, size_t size,
						 enum dma_data_direction dir, unsigned long attrs)
{
	const struct iommu_dma *d = iommu_dma_of(dev);
	uint64_t offset = addr & d->granule_mask;

	if (addr + (size - 1) < addr) {
		refuse_unmap(dev, BERTH_REASON_NOT_OWNED, addr, size, 0);
		return;
	}
	if (d->is_untrusted && ((addr | size) & d->granule_mask)) {
		berth_iommu_dma_bounce_unmap(dev, addr, size, dir, attrs);
		return;
	}
	if (!dev_is_dma_coherent(dev) && !(attrs & DMA_ATTR_SKIP_CPU_SYNC) &&
	    dir != DMA_TO_DEVICE && !berth_iommu_dma_sync_range(dev, addr, size, dir, true))
		return;
	berth_iommu_dma_unmap_range(dev, d, addr - offset,
				    (offset + size + d->granule_mask) & ~d->granule_mask);
}

/* A granule is unmapped: its address may be given again when nobody remembers it. */
static inline void put_granule(const struct iommu_dma *d, dma_addr_t iova,
			       struct iommu_iotlb_gather *gather)
{
	if (d->is_lazy) {
		berth_iommu_dma_queue(d->cookie->queues, iova >> d->shift, 1);
		return;
	}
	d->domain->ops->iotlb_sync(d->domain, gather);
	free_iova_fast(d->iovad, iova >> d->shift, 1);
}

static __attribute__((noinline)) void unmap_granule(const struct device *dev, dma_addr_t addr,
						    size_t size)
{
	const struct iommu_dma *d = iommu_dma_of(dev);
	uint64_t mask = d->granule_mask;
	struct iommu_iotlb_gather gather;

	iommu_iotlb_gather_init(&gather);
	gather.queued = d->is_lazy;
	if (d->tables->unmap_pages(d->tables, addr & ~mask, iommu_granule(d), 1, &gather))
		put_granule(d, addr & ~mask, &gather);
	else
		refuse_unmap(dev, BERTH_REASON_NOT_OWNED, addr, size, 0);
}

static __attribute__((noinline)) void unmap_other(struct device *dev, dma_addr_t addr, size_t size,
						  enum dma_data_direction dir, unsigned long attrs)
{
	if (berth_dma_legal(dev, size, dir))
		unmap_long(dev, addr, size, dir, attrs);
}

void berth_iommu_dma_unmap(struct device *dev, dma_addr_t addr, size_t size,
			   enum dma_data_direction dir, unsigned long attrs)
{
	const struct iommu_dma *d = iommu_dma_of(dev);
	uint64_t mask = d->granule_mask;
	dma_addr_t iova = addr & ~mask;
	struct iommu_iotlb_gather gather;

	if (__builtin_expect((uint64_t)size - 1 > mask - (addr & mask) || !d->ram_size ||
				     !valid_dma_direction(dir),
			     0)) {
		unmap_other(dev, addr, size, dir, attrs);
		return;
	}
	iommu_iotlb_gather_init(&gather);
	gather.queued = d->is_lazy;
	berth_iommu_ended(d->domain, iova, mask + 1);
	if (__builtin_expect(pgtable_clear(d->pt, iova, 1, &gather), 1))
		put_granule(d, iova, &gather);
	else
		unmap_granule(dev, addr, size);
}

void berth_iommu_dma_sync_for_cpu(struct device *dev, dma_addr_t addr, size_t size,
				  enum dma_data_direction dir)
{
	const struct iommu_dma *d = iommu_dma_of(dev);

	if (!dev_is_dma_coherent(dev) && !berth_iommu_dma_sync_range(dev, addr, size, dir, true))
		return;
	if (d->is_untrusted)
		berth_iommu_dma_bounce_sync(dev, addr, size, dir, true);
}

void berth_iommu_dma_sync_for_device(struct device *dev, dma_addr_t addr, size_t size,
				     enum dma_data_direction dir)
{
	const struct iommu_dma *d = iommu_dma_of(dev);

	if (d->is_untrusted)
		berth_iommu_dma_bounce_sync(dev, addr, size, dir, false);
	if (!dev_is_dma_coherent(dev))
		berth_iommu_dma_sync_range(dev, addr, size, dir, false);
}

dma_addr_t berth_iommu_dma_map_resource(struct device *dev, phys_addr_t phys, size_t size,
					enum dma_data_direction dir)
{
	const struct iommu_dma *d = iommu_dma_of(dev);
	uint64_t offset = phys & d->granule_mask;
	dma_addr_t iova;

	if (!serves(dev, d) ||
	    !map_at(d, phys - offset, (offset + size + d->granule_mask) & ~d->granule_mask,
		    (d->prot[dir] & ~IOMMU_CACHE) | IOMMU_MMIO, &iova))
		return DMA_MAPPING_ERROR;
	return iova + offset;
}

void berth_iommu_dma_unmap_resource(struct device *dev, dma_addr_t addr, size_t size)
{
	const struct iommu_dma *d = iommu_dma_of(dev);
	uint64_t offset = addr & d->granule_mask;

	berth_iommu_dma_unmap_range(dev, d, addr - offset,
				    (offset + size + d->granule_mask) & ~d->granule_mask);
}
