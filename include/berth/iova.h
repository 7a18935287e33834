/* SPDX-License-Identifier: BSD-2-Clause */
/**
 * DOC: iova - addresses that devices behind an IOMMU are given (linux/iova.h)
 *
 * An allocator hands out numbers of IOVA pages (pfn); the granule, the smallest page of the IOMMU,
 * turns them into addresses. Meaning: drivers/iommu/iova.c; limits are inclusive. Here is the
 * arithmetic, by the granule's shift; the functions come with the allocator.
 */
#ifndef BERTH_IOVA_H
#define BERTH_IOVA_H

#include <berth/types.h>

#include <berth/names.h>

BERTH_BEGIN_DECLS

struct iova_domain;

/** berth_iova_pfn() - the number of the IOVA page that holds an address. Any context. */
static inline uint64_t berth_iova_pfn(unsigned int shift, dma_addr_t iova)
{
	return iova >> shift;
}

/** berth_iova_addr() - the first address of an IOVA page. Any context. */
static inline dma_addr_t berth_iova_addr(unsigned int shift, uint64_t pfn)
{
	return pfn << shift;
}

/** berth_iova_offset() - where an address lies within its IOVA page. Any context. */
static inline uint64_t berth_iova_offset(unsigned int shift, uint64_t address)
{
	return address & ((UINT64_C(1) << shift) - 1);
}

/**
 * berth_iova_pages() - IOVA pages that a buffer touches
 * @shift: log2 of the granule
 * @address: of its first byte; only its place within a page counts
 * @size: bytes; @size plus a granule does not exceed 64 bits
 *
 * Any context. Return: 0 for @size 0.
 */
static inline uint64_t berth_iova_pages(unsigned int shift, uint64_t address, uint64_t size)
{
	uint64_t last = berth_iova_offset(shift, address) + size - 1;

	return size ? (last >> shift) + 1 : 0;
}

BERTH_END_DECLS

#ifdef BERTH_NO_SHORT_NAMES
#include <berth/names-off.h>
#endif
#endif
