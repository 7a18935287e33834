/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Ranges of addresses in which the caller maps RAM: pages in the second GiB of TTBR1's half, as many
 * as there is RAM, but 16 MiB at least and 1 GiB at most. The tables are made with the linear map.
 *
 * An entry is 0: free; RESERVED: of a range, or in front of one, not mapped; or valid. In the linear
 * map's tables the entry of a page that is not mapped there counts the cached mappings here. The
 * first page is a window: cache maintenance reaches such a page through it.
 */
#include "internal.h"

#define RANGES_BASE (PORT_IO_BASE + (1ull << 30))
#define TABLE_BYTES (1ull << 21)
#define MIN_TABLES 8
#define MAX_TABLES 512
#define RESERVED 2ull
#define SHOWN ((uint64_t)(PTE_PAGE | PTE_INNER | PTE_AF) | PTE_XN)
#define TLBI_ALL_PAGES 64

extern uint64_t berth_a64_io_l1[512];

/* A leaf: of the entries, and of the counts in the linear map's tables. */
static struct berth_a64_lock ranges_lock;
static uint64_t *level2;
static uint64_t nr_pages, next_page;

uint64_t berth_a64_nr_views;

static int refuse(int code, uint64_t address, uint64_t size)
{
	static const char subject[] = "range of addresses";
	struct berth_error *error = berth_port_error();

	memset(error, 0, sizeof(*error));
	memcpy(error->subject, subject, sizeof(subject));
	error->code = code;
	error->reason = BERTH_REASON_MAPPING;
	error->address = address;
	error->length = size;
	return code;
}

static uint64_t *entry_of(uintptr_t virt)
{
	uint64_t at = virt - RANGES_BASE;
	uint64_t *table = (uint64_t *)(uintptr_t)(level2[at >> 21] & PTE_ADDRESS);

	return &table[at >> 12 & 511];
}

static uintptr_t address_of(uint64_t page)
{
	return RANGES_BASE + page * PAGE_BYTES;
}

static void tlbi(uintptr_t virt, uint64_t size)
{
	dsb(ishst);
	if (size > TLBI_ALL_PAGES * PAGE_BYTES)
		__asm__ volatile("tlbi vmalle1is" ::: "memory");
	else
		for (uint64_t at = 0; at < size; at += PAGE_BYTES)
			__asm__ volatile(
				"tlbi vaae1is, %0" ::"r"((virt + at) >> 12 & 0xfffffffffffull)
				: "memory");
	dsb(ish);
	isb();
}

int berth_a64_ranges_start(const struct berth_port_ram *ram)
{
	uint64_t total = 0, tables;
	phys_addr_t page = ram->alloc_page();

	for (unsigned int i = 0; i < ram->nr_banks; i++)
		total += ram->banks[i].size;
	tables = total / TABLE_BYTES;
	tables = tables < MIN_TABLES ? MIN_TABLES : tables > MAX_TABLES ? MAX_TABLES : tables;
	if (!page)
		return -ENOMEM;
	level2 = memset((void *)page, 0, PAGE_BYTES);
	for (uint64_t i = 0; i < tables; i++) {
		page = ram->alloc_page();
		if (!page)
			return -ENOMEM;
		memset((void *)page, 0, PAGE_BYTES);
		level2[i] = page | PTE_TABLE;
	}
	nr_pages = tables * 512;
	next_page = 1;
	*entry_of(RANGES_BASE) = RESERVED;
	berth_a64_io_l1[1] = (uintptr_t)level2 | PTE_TABLE;
	dsb(ishst);
	isb();
	return 0;
}

void berth_a64_ranges_stop(void)
{
	berth_a64_io_l1[1] = 0;
	tlbi(RANGES_BASE, UINT64_MAX);
	level2 = NULL;
	nr_pages = berth_a64_nr_views = 0;
}

/* @nr free entries in [from, end); @end if there are none. */
static uint64_t find_room(uint64_t from, uint64_t end, uint64_t nr)
{
	uint64_t run = 0;

	for (uint64_t page = from; page < end; page++) {
		run = *entry_of(address_of(page)) ? 0 : run + 1;
		if (run == nr)
			return page + 1 - nr;
	}
	return end;
}

void *berth_port_range_reserve(uint64_t size)
{
	/* One more: it stays free of mappings in front of this range, and so behind another. */
	uint64_t nr = size / PAGE_BYTES + 1, first;
	unsigned long flags;

	if (!size || size & (PAGE_BYTES - 1) || nr > nr_pages) {
		refuse(-EINVAL, 0, size);
		return NULL;
	}
	flags = berth_a64_lock(&ranges_lock);
	first = find_room(next_page, nr_pages, nr);
	if (first == nr_pages)
		first = find_room(1, nr_pages, nr);
	if (first < nr_pages) {
		for (uint64_t i = 0; i < nr; i++)
			*entry_of(address_of(first + i)) = RESERVED;
		next_page = first + nr;
	}
	berth_a64_unlock(&ranges_lock, flags);
	if (first < nr_pages)
		return (void *)address_of(first + 1);
	refuse(-ENOMEM, 0, size);
	return NULL;
}

static bool is_range(uintptr_t virt, uint64_t size)
{
	return size && !((virt | size) & (PAGE_BYTES - 1)) && virt > RANGES_BASE &&
	       (virt - RANGES_BASE) / PAGE_BYTES < nr_pages &&
	       size / PAGE_BYTES <= nr_pages - (virt - RANGES_BASE) / PAGE_BYTES;
}

void berth_port_range_release(void *virt, uint64_t size)
{
	uintptr_t first = (uintptr_t)virt - PAGE_BYTES;
	unsigned long flags;

	if (!is_range((uintptr_t)virt, size))
		return;
	flags = berth_a64_lock(&ranges_lock);
	for (uint64_t at = 0; at <= size; at += PAGE_BYTES)
		*entry_of(first + at) = 0;
	berth_a64_unlock(&ranges_lock, flags);
}

/* With the lock. Whether pages may be shown as a type: all in the linear map with it, or none. */
static bool is_showable(phys_addr_t phys, uint64_t size, enum berth_memory_type type)
{
	bool is_nomap, is_cached = type == BERTH_MEMORY_CACHED;

	if (phys & (PAGE_BYTES - 1) || phys + size < phys || type == BERTH_MEMORY_DEVICE)
		return false;
	is_nomap = berth_a64_mmu_is_nomap(phys);
	for (phys_addr_t at = phys; at < phys + size; at += PAGE_BYTES)
		if (is_nomap	? !berth_a64_mmu_is_nomap(at)
		    : is_cached ? !berth_a64_mmu_is_cached(at)
				: !berth_a64_mmu_is_remapped(at))
			return false;
	return true;
}

int berth_port_range_map(void *virt, phys_addr_t phys, uint64_t size, enum berth_memory_type type)
{
	uint64_t bits = SHOWN | (type == BERTH_MEMORY_CACHED ? PTE_ATTR_CACHED : PTE_ATTR_UNCACHED);
	unsigned long flags;
	bool is_nomap;

	if (!is_range((uintptr_t)virt, size))
		return refuse(-EINVAL, (uintptr_t)virt, size);
	flags = berth_a64_lock(&ranges_lock);
	if (!is_showable(phys, size, type)) {
		berth_a64_unlock(&ranges_lock, flags);
		return refuse(-EINVAL, phys, size);
	}
	is_nomap = berth_a64_mmu_is_nomap(phys);
	for (uint64_t at = 0; at < size; at += PAGE_BYTES) {
		*entry_of((uintptr_t)virt + at) = (phys + at) | bits;
		if (is_nomap && type == BERTH_MEMORY_CACHED && !berth_a64_mmu_view(phys + at, 1))
			berth_a64_nr_views++;
	}
	dsb(ishst);
	isb();
	berth_a64_unlock(&ranges_lock, flags);
	/* What the map at boot, or a device behind its back, has left. */
	if (is_nomap)
		berth_a64_cache_flush_virt((uintptr_t)virt, size);
	return 0;
}

/* With the lock. Nothing can bring a line back while all mappings there are do not cache. */
static void flush_last(uintptr_t virt, phys_addr_t phys)
{
	*entry_of(virt) = phys | SHOWN | PTE_ATTR_UNCACHED;
	dsb(ishst);
	isb();
	berth_a64_cache_flush_virt(virt, PAGE_BYTES);
	*entry_of(virt) = RESERVED;
	tlbi(virt, PAGE_BYTES);
}

void berth_port_range_unmap(void *virt, phys_addr_t phys, uint64_t size,
			    enum berth_memory_type type)
{
	uintptr_t first = (uintptr_t)virt;
	unsigned long flags;

	if (!is_range(first, size))
		return;
	/* No write may still be on its way when a cache starts to hold lines of it. */
	dsb(sy);
	flags = berth_a64_lock(&ranges_lock);
	for (uint64_t at = 0; at < size; at += PAGE_BYTES)
		*entry_of(first + at) = RESERVED;
	tlbi(first, size);
	if (type == BERTH_MEMORY_CACHED && berth_a64_mmu_is_nomap(phys))
		for (uint64_t at = 0; at < size; at += PAGE_BYTES)
			if (berth_a64_mmu_view(phys + at, -1) == 1) {
				flush_last(first + at, phys + at);
				berth_a64_nr_views--;
			}
	berth_a64_unlock(&ranges_lock, flags);
}

bool berth_a64_view_op(phys_addr_t phys, uint64_t size, void (*op)(uintptr_t virt, uint64_t size))
{
	phys_addr_t page = phys & ~(PAGE_BYTES - 1);
	unsigned long flags = berth_a64_lock(&ranges_lock);
	bool is_viewed = berth_a64_mmu_is_nomap(page) && berth_a64_mmu_view(page, 0);

	if (is_viewed) {
		*entry_of(RANGES_BASE) = page | SHOWN | PTE_ATTR_CACHED;
		dsb(ishst);
		isb();
		op(RANGES_BASE + (phys - page), size);
		*entry_of(RANGES_BASE) = RESERVED;
		tlbi(RANGES_BASE, PAGE_BYTES);
	}
	berth_a64_unlock(&ranges_lock, flags);
	return is_viewed;
}
