/* SPDX-License-Identifier: BSD-2-Clause */
/**
 * DOC: memblock - memory before there is an allocator
 *
 * Two sorted lists, memory and reserved (linux/memblock.h). A board adds its banks and its
 * reservations; berth_start() hands what is left to the page allocator. Used by boards and ports
 * while berth starts, on one CPU; afterwards read only.
 */
#ifndef BERTH_MEMBLOCK_H
#define BERTH_MEMBLOCK_H

#include <berth/types.h>

#include <berth/names.h>

BERTH_BEGIN_DECLS

/**
 * enum memblock_flags - properties of a region
 */
enum memblock_flags {
	MEMBLOCK_NONE = 0,
	MEMBLOCK_NOMAP = 4, /* kept out of the linear map */
	MEMBLOCK_HIGHMEM =
		0x100, /* not in the linear map, but the page allocator's (not Linux's) */
};

#define MEMBLOCK_ALLOC_ANYWHERE UINT64_MAX

/**
 * memblock_add() - RAM is there
 * @base: first byte
 * @size: bytes; overlaps with what is known already are accepted
 *
 * Return: 0, or -ENOSPC (TABLE_FULL), or -EINVAL if the range wraps.
 */
int memblock_add(phys_addr_t base, uint64_t size);

/** memblock_remove() - no RAM there after all (a mem= limit). Return: as memblock_add(). */
int memblock_remove(phys_addr_t base, uint64_t size);

/** memblock_reserve() - never hand this out. Return: as memblock_add(). */
int memblock_reserve(phys_addr_t base, uint64_t size);

/** memblock_mark_nomap() - keep a part of memory out of the linear map. */
int memblock_mark_nomap(phys_addr_t base, uint64_t size);

/**
 * berth_memblock_mark_highmem() - make memory high: see highmem.h
 *
 * Nothing that is not marked lies above it. Return: as memblock_add().
 */
int berth_memblock_mark_highmem(phys_addr_t base, uint64_t size);

/** memblock_phys_free() - undo a memblock_reserve(). Return: as memblock_add(). */
int memblock_phys_free(phys_addr_t base, uint64_t size);

/**
 * memblock_phys_alloc_range() - find and reserve memory
 * @size: bytes
 * @align: a power of two; 0 means a cache line of 128 bytes
 * @start: lowest address
 * @end: first address behind the highest byte, or MEMBLOCK_ALLOC_ANYWHERE
 *
 * From the top down; never page 0; never no-map or high memory. Return: the address, or 0
 * (berth_last_error(): OUT_OF_MEMORY).
 */
phys_addr_t memblock_phys_alloc_range(uint64_t size, uint64_t align, phys_addr_t start,
				      phys_addr_t end);

/** memblock_alloc() - zeroed memory as an address in the linear map; NULL when there is none. */
void *memblock_alloc(uint64_t size, uint64_t align);

/** memblock_is_memory() - whether RAM lies at @addr. */
bool memblock_is_memory(phys_addr_t addr);

/** memblock_is_region_reserved() - whether a range meets a reservation. */
bool memblock_is_region_reserved(phys_addr_t base, uint64_t size);

/** memblock_phys_mem_size() - bytes of memory, reserved or not. */
uint64_t memblock_phys_mem_size(void);

/** memblock_reserved_size() - bytes of memory that are reserved. */
uint64_t memblock_reserved_size(void);

/**
 * berth_memblock_next() - walk the regions of one list
 * @reserved: the list of reservations rather than that of memory
 * @index: counts from 0
 * @range: where the region goes
 * @flags: where its flags go, or NULL
 *
 * Return: true and a region, or false behind the last one.
 */
bool berth_memblock_next(bool reserved, unsigned int index, struct berth_range *range,
			 enum memblock_flags *flags);

/**
 * berth_memblock_next_free() - walk what is memory, not reserved and not no-map
 * @cursor: 0 at first; the address to go on from
 * @range: where the range goes
 *
 * Return: true and a range, or false behind the last one.
 */
bool berth_memblock_next_free(phys_addr_t *cursor, struct berth_range *range);

BERTH_END_DECLS

#ifdef BERTH_NO_SHORT_NAMES
#include <berth/names-off.h>
#endif
#endif
