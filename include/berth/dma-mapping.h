/* SPDX-License-Identifier: BSD-2-Clause */
/**
 * DOC: dma-mapping - the DMA mapping API (linux/dma-mapping.h, Documentation/core-api/dma-api.rst)
 *
 * A mapping has an owner at every moment. Mapping gives the bytes to the device, unmapping gives
 * them back; dma_sync_*_for_cpu() and dma_sync_*_for_device() hand them over in between. Only the
 * owner may touch them.
 *
 * Every function that fails keeps its reason, see berth_last_error(): NO_MASK, MASK, WINDOW,
 * NOT_LINEAR, NOT_OWNED, ARGUMENT, OUT_OF_MEMORY, MAPPING, BOUNCE_FULL, BOUNCE_SIZE, SEGMENT, UNMAP.
 */
#ifndef BERTH_DMA_MAPPING_H
#define BERTH_DMA_MAPPING_H

#include <berth/device.h>
#include <berth/dma-direction.h>
#include <berth/mm.h>
#include <berth/scatterlist.h>
#include <berth/types.h>

#include <berth/names.h>

BERTH_BEGIN_DECLS

#define DMA_MAPPING_ERROR (~(dma_addr_t)0)
#define DMA_BIT_MASK(n) (((n) == 64) ? ~0ULL : ((1ULL << (n)) - 1))

/* Linux's numbers. */
#define DMA_ATTR_WRITE_COMBINE (1UL << 2) /* dma_alloc_attrs(): writes may be merged */
#define DMA_ATTR_SKIP_CPU_SYNC (1UL << 5) /* no change of owner: no cache maintenance, no copy */
#define DMA_ATTR_NO_WARN (1UL << 8) /* a failure is expected: it is not told on the console */
/* The device overwrites all of a DMA_FROM_DEVICE buffer: what is in it need not be kept, from the call on. */
#define BERTH_ATTR_OVERWRITE (1UL << 16)

/* Limits. */

/**
 * dma_set_mask() - the highest address of streaming mappings
 * @dev: the device
 * @mask: DMA_BIT_MASK(n)
 *
 * May sleep. Return: 0, or -EIO if no memory lies under it (MASK) or the device does no DMA at all
 * (NO_MASK); then the mask is unchanged.
 */
int dma_set_mask(struct device *dev, uint64_t mask);

/** dma_set_coherent_mask() - the same for coherent memory. */
int dma_set_coherent_mask(struct device *dev, uint64_t mask);

/** dma_set_mask_and_coherent() - both. */
int dma_set_mask_and_coherent(struct device *dev, uint64_t mask);

/** dma_get_mask() - the streaming mask; 32 bits if none was set. Any context. */
static inline uint64_t dma_get_mask(const struct device *dev)
{
	return dev->dma_mask ? dev->dma_mask : DMA_BIT_MASK(32);
}

/**
 * berth_dma_set_max_segments() - pieces of one buffer that the device takes
 * @nr: 1: it has no list of pieces; 0, the default: any number
 *
 * Who shares buffers looks at it (dma-buf, heaps); a device behind an IOMMU sees one piece anyway.
 */
static inline void berth_dma_set_max_segments(struct device *dev, uint16_t nr)
{
	dev->max_segments = nr;
}

/** dma_set_max_seg_size() - bytes of the longest segment the device takes. Return: 0, -EINVAL. */
int dma_set_max_seg_size(struct device *dev, unsigned int size);

/** dma_get_max_seg_size() - 64 KiB unless it was set. Any context. */
static inline unsigned int dma_get_max_seg_size(const struct device *dev)
{
	return dev->max_segment_size;
}

/** dma_set_seg_boundary() - segments do not cross multiples of @mask + 1. Return: 0, -EINVAL. */
int dma_set_seg_boundary(struct device *dev, uint64_t mask);

/** dma_get_seg_boundary() - all ones unless it was set. Any context. */
static inline uint64_t dma_get_seg_boundary(const struct device *dev)
{
	return dev->segment_boundary_mask;
}

/* What dma_set_min_align_mask() may be told is below this. */
#define BERTH_MAX_ALIGN_MASK 0x20000u

/**
 * dma_set_min_align_mask() - low bits of an address that a bounce buffer or an IOMMU keeps
 * @dev: a device with no live mapping
 * @mask: one less than a power of two, below BERTH_MAX_ALIGN_MASK
 *
 * For devices that take an address apart, as NVMe does with a page and an offset. Return: 0, -EINVAL.
 */
int dma_set_min_align_mask(struct device *dev, unsigned int mask);

/** dma_get_min_align_mask() - 0 unless it was set. Any context. */
static inline unsigned int dma_get_min_align_mask(const struct device *dev)
{
	return dev->min_align_mask;
}

/** dma_get_cache_alignment() - what DMA buffers are best aligned to: the cache line. */
int dma_get_cache_alignment(void);

/**
 * dma_max_mapping_size() - bytes of the largest single mapping
 *
 * SIZE_MAX, unless a mapping of the device may have to be bounced; then what a bounce buffer has.
 * Any context.
 */
size_t dma_max_mapping_size(struct device *dev);

/** dma_opt_mapping_size() - bytes up to which a mapping costs no more than it must. Any context. */
size_t dma_opt_mapping_size(struct device *dev);

/** dma_get_merge_boundary() - 0: segments are not merged for this device. Any context. */
unsigned long dma_get_merge_boundary(struct device *dev);

/** dma_addressing_limited() - whether some RAM is out of the device's reach. Any context. */
bool dma_addressing_limited(struct device *dev);

/** dma_get_required_mask() - the smallest mask that reaches all RAM there is. Any context. */
uint64_t dma_get_required_mask(struct device *dev);

/** dma_need_sync() - whether syncs of this mapping do anything. Any context. */
bool dma_need_sync(struct device *dev, dma_addr_t addr);

/* Streaming mappings. */

/** berth_dma_map_virt() - dma_map_single_attrs() the long way. */
dma_addr_t berth_dma_map_virt(struct device *dev, void *ptr, size_t size,
			      enum dma_data_direction dir, unsigned long attrs);

/**
 * dma_map_single_attrs() - give a buffer of the linear map to a device
 * @dev: the device
 * @ptr: kmalloc() or page memory; not the stack, not malloc() or vmalloc() memory (NOT_LINEAR)
 * @size: bytes, at least 1
 * @dir: which way the data goes
 * @attrs: 0, DMA_ATTR_SKIP_CPU_SYNC, DMA_ATTR_NO_WARN, BERTH_ATTR_OVERWRITE
 *
 * Any context. The CPU must not touch the buffer until it is unmapped or synced for the CPU. Memory
 * out of the device's reach is mapped through a bounce buffer (swiotlb.h).
 * Return: the device's address, or DMA_MAPPING_ERROR, to be checked with dma_mapping_error().
 */
static inline dma_addr_t dma_map_single_attrs(struct device *dev, void *ptr, size_t size,
					      enum dma_data_direction dir, unsigned long attrs)
{
	uint64_t more = (uint64_t)size - 1, last = (uintptr_t)ptr + more - dev->map_base;

	if (last < dev->map_span && more <= last && valid_dma_direction(dir))
		return (uintptr_t)ptr - dev->map_base + dev->map_offset;
	return berth_dma_map_virt(dev, ptr, size, dir, attrs);
}

/**
 * dma_map_page_attrs() - dma_map_single_attrs() by page and offset
 *
 * The way for memory outside the linear map. @offset may exceed a page.
 */
dma_addr_t dma_map_page_attrs(struct device *dev, struct page *page, size_t offset, size_t size,
			      enum dma_data_direction dir, unsigned long attrs);

/**
 * dma_unmap_page_attrs() - take a buffer back, with all that it was mapped with
 *
 * Any context. Return: nothing; a wrong address is refused (NOT_OWNED, MASK, WINDOW).
 */
void dma_unmap_page_attrs(struct device *dev, dma_addr_t addr, size_t size,
			  enum dma_data_direction dir, unsigned long attrs);

/** dma_unmap_single_attrs() - the same for dma_map_single_attrs(). */
static inline void dma_unmap_single_attrs(struct device *dev, dma_addr_t addr, size_t size,
					  enum dma_data_direction dir, unsigned long attrs)
{
	uint64_t more = (uint64_t)size - 1, last = addr + more - dev->map_offset;

	if (last >= dev->unmap_span || more > last || !valid_dma_direction(dir))
		dma_unmap_page_attrs(dev, addr, size, dir, attrs);
}

/** dma_map_single() - dma_map_single_attrs() without attributes. */
static inline dma_addr_t dma_map_single(struct device *dev, void *ptr, size_t size,
					enum dma_data_direction dir)
{
	return dma_map_single_attrs(dev, ptr, size, dir, 0);
}

/** dma_unmap_single() - ends dma_map_single(). */
static inline void dma_unmap_single(struct device *dev, dma_addr_t addr, size_t size,
				    enum dma_data_direction dir)
{
	dma_unmap_single_attrs(dev, addr, size, dir, 0);
}

/** dma_map_page() - dma_map_page_attrs() without attributes. */
static inline dma_addr_t dma_map_page(struct device *dev, struct page *page, size_t offset,
				      size_t size, enum dma_data_direction dir)
{
	return dma_map_page_attrs(dev, page, offset, size, dir, 0);
}

/** dma_unmap_page() - ends dma_map_page(). */
static inline void dma_unmap_page(struct device *dev, dma_addr_t addr, size_t size,
				  enum dma_data_direction dir)
{
	dma_unmap_page_attrs(dev, addr, size, dir, 0);
}

/**
 * dma_map_sg_attrs() - give the pieces of a list to a device
 * @dev: the device
 * @sgl: the list
 * @nents: its entries
 * @dir: which way the data goes
 * @attrs: 0 or DMA_ATTR_SKIP_CPU_SYNC
 *
 * Any context. All or nothing. Return: the number of DMA segments, to be iterated with
 * sg_dma_address() and sg_dma_len(); 0 on failure, never negative.
 */
unsigned int dma_map_sg_attrs(struct device *dev, struct scatterlist *sgl, int nents,
			      enum dma_data_direction dir, unsigned long attrs);

/** dma_unmap_sg_attrs() - take a list back; @nents as given to dma_map_sg_attrs(). */
void dma_unmap_sg_attrs(struct device *dev, struct scatterlist *sgl, int nents,
			enum dma_data_direction dir, unsigned long attrs);

/** dma_map_sg() - dma_map_sg_attrs() without attributes. */
static inline unsigned int dma_map_sg(struct device *dev, struct scatterlist *sgl, int nents,
				      enum dma_data_direction dir)
{
	return dma_map_sg_attrs(dev, sgl, nents, dir, 0);
}

/** dma_unmap_sg() - ends dma_map_sg(). */
static inline void dma_unmap_sg(struct device *dev, struct scatterlist *sgl, int nents,
				enum dma_data_direction dir)
{
	dma_unmap_sg_attrs(dev, sgl, nents, dir, 0);
}

/**
 * dma_map_sgtable() - give a table to a device
 * @dev: the device
 * @sgt: the table; its @nents becomes the number of DMA segments, its @orig_nents stays
 * @dir: which way the data goes
 * @attrs: as dma_map_single_attrs()
 *
 * Any context. Return: 0; -EINVAL: a list, entry or direction that is not legal; -ENOMEM: no bounce
 * buffer is free just now; -EIO: it does not reach the memory.
 */
int BERTH_MUST_CHECK dma_map_sgtable(struct device *dev, struct sg_table *sgt,
				     enum dma_data_direction dir, unsigned long attrs);

/** dma_unmap_sgtable() - take a table back. Any context. */
static inline void dma_unmap_sgtable(struct device *dev, struct sg_table *sgt,
				     enum dma_data_direction dir, unsigned long attrs)
{
	dma_unmap_sg_attrs(dev, sgt->sgl, (int)sgt->orig_nents, dir, attrs);
}

/**
 * dma_map_resource() - the address at which a device reaches another one's registers or memory
 * @dev: the device that will read or write there
 * @phys_addr: what it is to reach, as the CPU's bus sees it: a resource of the other device
 * @size: bytes, at least 1
 * @dir: which way the data goes
 * @attrs: 0
 *
 * No RAM, no bounce, no cache maintenance. Devices of one PCI host reach each other at their bus
 * addresses; others through the windows of their bus. Any context. Return: the address, or
 * DMA_MAPPING_ERROR: WINDOW if the bus does not lead there, MASK, ARGUMENT for RAM.
 */
dma_addr_t dma_map_resource(struct device *dev, phys_addr_t phys_addr, size_t size,
			    enum dma_data_direction dir, unsigned long attrs);

/** dma_unmap_resource() - ends dma_map_resource(). Any context. */
void dma_unmap_resource(struct device *dev, dma_addr_t addr, size_t size,
			enum dma_data_direction dir, unsigned long attrs);

/** dma_mapping_error() - -ENOMEM if @addr is DMA_MAPPING_ERROR, else 0. Any context. */
static inline int dma_mapping_error(struct device *dev, dma_addr_t addr)
{
	(void)dev;
	return addr == DMA_MAPPING_ERROR ? -ENOMEM : 0;
}

/**
 * dma_sync_single_for_cpu() - the CPU may look at a mapping, or a part of it
 * @dev: the device
 * @addr: any address inside a mapping
 * @size: bytes from there
 * @dir: the mapping's direction
 *
 * Any context. The CPU owns the range until dma_sync_single_for_device().
 */
void dma_sync_single_for_cpu(struct device *dev, dma_addr_t addr, size_t size,
			     enum dma_data_direction dir);

/** dma_sync_single_for_device() - the device gets the range back. Any context. */
void dma_sync_single_for_device(struct device *dev, dma_addr_t addr, size_t size,
				enum dma_data_direction dir);

/** dma_sync_single_range_for_cpu() - dma_sync_single_for_cpu() of @addr + @offset. */
static inline void dma_sync_single_range_for_cpu(struct device *dev, dma_addr_t addr,
						 unsigned long offset, size_t size,
						 enum dma_data_direction dir)
{
	dma_sync_single_for_cpu(dev, addr + offset, size, dir);
}

/** dma_sync_single_range_for_device() - dma_sync_single_for_device() of @addr + @offset. */
static inline void dma_sync_single_range_for_device(struct device *dev, dma_addr_t addr,
						    unsigned long offset, size_t size,
						    enum dma_data_direction dir)
{
	dma_sync_single_for_device(dev, addr + offset, size, dir);
}

/** dma_sync_sg_for_cpu() - the CPU may look at a list; @nents as it was mapped with. */
void dma_sync_sg_for_cpu(struct device *dev, struct scatterlist *sgl, int nents,
			 enum dma_data_direction dir);

/** dma_sync_sg_for_device() - the device gets the list back. */
void dma_sync_sg_for_device(struct device *dev, struct scatterlist *sgl, int nents,
			    enum dma_data_direction dir);

/** dma_sync_sgtable_for_cpu() - dma_sync_sg_for_cpu() of a table. */
static inline void dma_sync_sgtable_for_cpu(struct device *dev, struct sg_table *sgt,
					    enum dma_data_direction dir)
{
	dma_sync_sg_for_cpu(dev, sgt->sgl, (int)sgt->orig_nents, dir);
}

/** dma_sync_sgtable_for_device() - dma_sync_sg_for_device() of a table. */
static inline void dma_sync_sgtable_for_device(struct device *dev, struct sg_table *sgt,
					       enum dma_data_direction dir)
{
	dma_sync_sg_for_device(dev, sgt->sgl, (int)sgt->orig_nents, dir);
}

BERTH_END_DECLS

#include <berth/dma-alloc.h>

#ifdef BERTH_CHECKED
#include <berth/check-dma.h>
#endif

#ifdef BERTH_NO_SHORT_NAMES
#include <berth/names-off.h>
#endif
#endif
