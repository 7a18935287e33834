/* SPDX-License-Identifier: BSD-2-Clause */
/* The parts of the DMA mapping API: mapping.c asks a back end; limits.c says what a device reaches. */
#ifndef BERTH_DMA_INTERNAL_H
#define BERTH_DMA_INTERNAL_H

#include <berth/dma-mapping.h>

/* Start from the limits of the parent, or from none: 32-bit masks, one to one, coherent. */
void berth_dma_init_limits(struct device *dev);

/* The device does no DMA, nor do those that inherit its limits: what it reaches is not known. */
void berth_dma_forbid(struct device *dev);

/* Highest address a device may be told, under @mask and its bus. */
uint64_t berth_dma_bus_limit(const struct device *dev, uint64_t mask);

/* The same for addresses of RAM, which are behind an IOMMU, if there is one. */
uint64_t berth_dma_limit(const struct device *dev, uint64_t mask);

/*
 * What the device is told for RAM at @phys; DMA_MAPPING_ERROR, with the reason, if any byte is
 * outside its windows or above @limit.
 */
dma_addr_t berth_dma_from_phys(const struct device *dev, phys_addr_t phys, uint64_t size,
			       uint64_t limit);

/*
 * The same without a reason; *@in_window, if that is not NULL, says whether some window leads to all
 * of it.
 */
dma_addr_t berth_dma_translate(const struct device *dev, phys_addr_t phys, uint64_t size,
			       uint64_t limit, bool *in_window);

/* The way back: false, with the reason, if no window leads there or no RAM is there. */
bool berth_dma_to_phys(const struct device *dev, dma_addr_t addr, uint64_t size, phys_addr_t *phys);

/* Highest physical address that can be within reach under @mask: a hint for allocators. */
phys_addr_t berth_dma_phys_limit(const struct device *dev, uint64_t mask);

/*
 * The @index-th range of RAM that is within reach under @mask, as first and last physical address.
 * False behind the last one.
 */
bool berth_dma_reachable(const struct device *dev, uint64_t mask, unsigned int index,
			 phys_addr_t *first, phys_addr_t *last);

/* Whether all RAM is within reach under the streaming mask, with no seam that a buffer could cross. */
bool berth_dma_reaches_all(const struct device *dev);

/* What was derived from the limits does not hold any more. */
void berth_dma_limits_changed(struct device *dev);

/* From now on the limits of all devices follow berth_trace_set(); or not any more. */
void berth_dma_follow_trace(bool follow);

/* The reason of a failure: the device's limit lies below. */
void berth_dma_mask_error(const struct device *dev, uint64_t address, uint64_t size,
			  uint64_t limit);

/* Whether any of @size bytes from @phys is RAM; they do not wrap. */
bool berth_dma_touches_ram(phys_addr_t phys, uint64_t size);

/*
 * The window through which the device reaches another one's registers or memory on its own bus,
 * whatever its way to RAM is; NULL if @phys is not there.
 */
const struct berth_dma_window *berth_dma_peer_window(const struct device *dev, phys_addr_t phys,
						     uint64_t size);
/* All of those of a bus, for @dev and for the devices that are added below it from now on. */
void berth_dma_set_peers(struct device *dev, const struct berth_dma_window *windows,
			 unsigned int count);

/* Whether @size bytes from @phys are all RAM of one bank. */
bool berth_dma_is_ram(phys_addr_t phys, uint64_t size);

/*
 * @nr contiguous pages within reach of @mask, from the device's CMA area, the default one or the
 * page allocator; *@addr is what the device is told. NULL with the reason.
 */
struct page *berth_contiguous_alloc(struct device *dev, unsigned long nr, gfp_t gfp, uint64_t mask,
				    dma_addr_t *addr);
void berth_contiguous_free(struct device *dev, struct page *page, unsigned long nr);

/* Devices behind an IOMMU (iommu_setup.c). */

/*
 * The device's IOMMU knows it and its group sees the default domain: from now on the DMA API serves
 * it there, as its protection says. is_untrusted and shadow_size of its private record are filled
 * in. May sleep. 0, or with the reason: then it does no DMA.
 */
int berth_dma_iommu_setup(struct device *dev);
/* It does not any more; nothing is mapped. The device does no DMA. May sleep. */
void berth_dma_iommu_teardown(struct device *dev);
/* PCI functions are given long addresses at once where they can (iommu.forcedac). */
extern bool berth_iommu_dma_force_dac;

/*
 * A doorbell for the device's interrupt messages: *@addr is what it is to write to. Mappings are
 * shared by granule, and stay. May sleep. 0, or with the reason.
 */
int berth_dma_map_msi(struct device *dev, phys_addr_t doorbell, dma_addr_t *addr);

/* Bounce buffers (swiotlb.c). */

struct bounce_pool;
struct bounce_slot;

/* What swiotlb= says: only where needed, for everything, or not at all. */
enum berth_swiotlb_mode { BERTH_SWIOTLB_AUTO, BERTH_SWIOTLB_FORCE, BERTH_SWIOTLB_OFF };
extern enum berth_swiotlb_mode berth_swiotlb_mode;

/* An address inside a pool: the run around it, or NULL, and the byte itself. */
struct berth_bounce {
	struct bounce_pool *pool;
	struct bounce_slot *slot;
	char *at;
};

/* Bytes of the largest mapping that can be bounced. */
size_t berth_swiotlb_max_size(const struct device *dev);

/*
 * Map through a slot. Return: what the device is told, or DMA_MAPPING_ERROR: BOUNCE_SIZE,
 * BOUNCE_FULL, or MASK or WINDOW if the device reaches no memory for a pool.
 */
dma_addr_t berth_swiotlb_map(struct device *dev, phys_addr_t phys, size_t size,
			     enum dma_data_direction dir, unsigned long attrs);

/* Whether an address is inside a pool, where nothing was allocated; *@found is what is there. */
bool berth_swiotlb_find(const struct device *dev, dma_addr_t addr, struct berth_bounce *found);

/* Of what berth_swiotlb_find() has found. Refused: NOT_OWNED, UNMAP. */
void berth_swiotlb_unmap(struct device *dev, const struct berth_bounce *b, dma_addr_t addr,
			 size_t size, enum dma_data_direction dir, unsigned long attrs);
void berth_swiotlb_sync_for_cpu(struct device *dev, const struct berth_bounce *b, dma_addr_t addr,
				size_t size, enum dma_data_direction dir);
void berth_swiotlb_sync_for_device(struct device *dev, const struct berth_bounce *b,
				   dma_addr_t addr, size_t size, enum dma_data_direction dir);

/*
 * @nr pages in a row of the device's own pool, for coherent memory; NULL with the reason. They have
 * the contents of before.
 */
struct page *berth_swiotlb_alloc(struct device *dev, unsigned long nr, dma_addr_t *addr);
/* False, without a reason, if the pages are of no pool. */
bool berth_swiotlb_free(struct device *dev, struct page *page);

/* A new device gets a number, by which slots know it. */
void berth_bounce_register(struct device *dev);
/* The device gives back the runs it keeps: its limits change. */
void berth_bounce_forget(struct device *dev);
/* Whether anything of the device is bounced now, whatever its limits say. */
bool berth_bounce_is_live(const struct device *dev);
/* The same for one that goes; what it has mapped is free. */
void berth_bounce_gone(struct device *dev);

/* Before there is an allocator: memory for the pool that all share, if swiotlb= or the RAM says so. */
int berth_swiotlb_reserve(const char *arg);
/* When there is one. */
void berth_swiotlb_start(void);
/* After all devices. */
void berth_swiotlb_stop(void);
void berth_swiotlb_reset_counts(void);

struct page_pool;
const struct page_pool_params *berth_page_pool_params(struct page_pool *pool);
/* Of a page of the pool's that is out; DMA_MAPPING_ERROR for any other. */
dma_addr_t berth_page_pool_addr(struct page_pool *pool, const struct page *page);

/* A restricted-dma-pool. NULL, with the reason, if it is not in the linear map, or for want of memory. */
struct bounce_pool *berth_swiotlb_restricted(phys_addr_t base, uint64_t size);
void berth_swiotlb_attach(struct device *dev, struct bounce_pool *pool);

#endif
