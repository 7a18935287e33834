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
uint64_t berth_dma_limit(const struct device *dev, uint64_t mask);

/*
 * What the device is told for RAM at @phys; DMA_MAPPING_ERROR, with the reason, if any byte is
 * outside its windows or above @limit.
 */
dma_addr_t berth_dma_from_phys(const struct device *dev, phys_addr_t phys, uint64_t size,
			       uint64_t limit);

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

/* Whether @size bytes from @phys are all RAM of one bank. */
bool berth_dma_is_ram(phys_addr_t phys, uint64_t size);

/*
 * @nr contiguous pages within reach of @mask, from the device's CMA area, the default one or the
 * page allocator; *@addr is what the device is told. NULL with the reason.
 */
struct page *berth_contiguous_alloc(struct device *dev, unsigned long nr, gfp_t gfp, uint64_t mask,
				    dma_addr_t *addr);
void berth_contiguous_free(struct device *dev, struct page *page, unsigned long nr);

#endif
