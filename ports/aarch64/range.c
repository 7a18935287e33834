/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Ranges of addresses in which the caller maps RAM: pages in the second GiB of TTBR1's half, as many
 * as there is RAM, but 16 MiB at least and 1 GiB at most. The tables are made with the linear map,
 * of which they take no more than one page in 32.
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
/* Of pages that the linear map shows. */
#define TABLES_SHARE 32
#define RESERVED 2ull
#define SHOWN ((uint64_t)(PTE_PAGE | PTE_INNER | PTE_AF) | PTE_XN)
#define TLBI_ALL_PAGES 64

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

int berth_a64_ranges_start(const struct berth_port_ram *ram, uint64_t mapped)
{
	uint64_t total = 0, most = mapped / PAGE_BYTES / TABLES_SHARE, tables;
	phys_addr_t page = ram->alloc_page();

	for (unsigned int i = 0; i < ram->nr_banks; i++)
		total += ram->banks[i].size;
	tables = total / TABLE_BYTES;
	tables = tables > most ? most : tables;
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
	flags = berth_a64_lock(&berth_a64_tables_lock);
	first = find_room(next_page, nr_pages, nr);
	if (first == nr_pages)
		first = find_room(1, nr_pages, nr);
	if (first < nr_pages) {
		for (uint64_t i = 0; i < nr; i++)
			*entry_of(address_of(first + i)) = RESERVED;
		next_page = first + nr;
	}
	berth_a64_unlock(&berth_a64_tables_lock, flags);
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
	flags = berth_a64_lock(&berth_a64_tables_lock);
	for (uint64_t at = 0; at <= size; at += PAGE_BYTES)
		*entry_of(first + at) = 0;
	berth_a64_unlock(&berth_a64_tables_lock, flags);
}

uintptr_t berth_a64_window_open(phys_addr_t page)
{
	*entry_of(RANGES_BASE) = page | SHOWN | PTE_ATTR_CACHED;
	dsb(ishst);
	isb();
	return RANGES_BASE;
}

void berth_a64_window_close(void)
{
	*entry_of(RANGES_BASE) = RESERVED;
	tlbi(RANGES_BASE, PAGE_BYTES);
}

/* With the lock. Whether pages may be shown as a type: all in the linear map with it, or none. */
static bool is_showable(phys_addr_t phys, uint64_t size, enum berth_memory_type type)
{
	enum berth_a64_kind kind = berth_a64_kind_of(phys);

	if (phys & (PAGE_BYTES - 1) || phys + size < phys || type == BERTH_MEMORY_DEVICE)
		return false;
	if (kind != RAM_NOMAP && kind != (type == BERTH_MEMORY_CACHED ? RAM_CACHED : RAM_UNCACHED))
		return false;
	for (phys_addr_t at = phys; at < phys + size; at += PAGE_BYTES)
		if (berth_a64_kind_of(at) != kind)
			return false;
	return true;
}

/* With the lock. */
static void show(uintptr_t virt, phys_addr_t phys, uint64_t size, enum berth_memory_type type,
		 bool is_view)
{
	uint64_t bits = SHOWN | (type == BERTH_MEMORY_CACHED ? PTE_ATTR_CACHED : PTE_ATTR_UNCACHED);

	for (uint64_t at = 0; at < size; at += PAGE_BYTES) {
		*entry_of(virt + at) = (phys + at) | bits;
		if (is_view && !berth_a64_mmu_view(phys + at, 1))
			berth_a64_nr_views++;
	}
	dsb(ishst);
	isb();
}

int berth_port_range_map(void *virt, phys_addr_t phys, uint64_t size, enum berth_memory_type type)
{
	struct berth_a64_spare spare = { 0 };
	bool is_nomap, is_view, is_fit, is_done = false;
	unsigned int needed;
	unsigned long flags;

	if (!is_range((uintptr_t)virt, size))
		return refuse(-EINVAL, (uintptr_t)virt, size);
	/* Tables first, without the lock: views are counted for each page. */
	do {
		flags = berth_a64_lock(&berth_a64_tables_lock);
		is_fit = is_showable(phys, size, type);
		is_nomap = is_fit && berth_a64_kind_of(phys) == RAM_NOMAP;
		is_view = is_nomap && type == BERTH_MEMORY_CACHED;
		needed = is_view ? berth_a64_tables_needed_pages(phys, size) : 0;
		if (is_fit && needed <= spare.nr) {
			if (is_view)
				berth_a64_split_pages(phys, size, &spare);
			show((uintptr_t)virt, phys, size, type, is_view);
			is_done = true;
		}
		berth_a64_unlock(&berth_a64_tables_lock, flags);
	} while (is_fit && !is_done && berth_a64_spare_get(&spare, needed));
	berth_a64_spare_put(&spare);
	if (!is_done)
		return refuse(is_fit ? -ENOMEM : -EINVAL, phys, size);
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

/* With the lock, and no entry left. */
static void drop_views(uintptr_t virt, phys_addr_t phys, uint64_t size,
		       struct berth_a64_spare *spare)
{
	for (uint64_t at = 0; at < size; at += PAGE_BYTES)
		if (berth_a64_mmu_view(phys + at, -1) == 1) {
			flush_last(virt + at, phys + at);
			berth_a64_nr_views--;
		}
	berth_a64_join(phys, size, spare);
}

void berth_port_range_unmap(void *virt, phys_addr_t phys, uint64_t size,
			    enum berth_memory_type type)
{
	struct berth_a64_spare spare = { 0 };
	uintptr_t first = (uintptr_t)virt;
	unsigned long flags;

	if (!is_range(first, size))
		return;
	/* No write may still be on its way when a cache starts to hold lines of it. */
	dsb(sy);
	flags = berth_a64_lock(&berth_a64_tables_lock);
	for (uint64_t at = 0; at < size; at += PAGE_BYTES)
		*entry_of(first + at) = RESERVED;
	tlbi(first, size);
	if (type == BERTH_MEMORY_CACHED && berth_a64_kind_of(phys) == RAM_NOMAP)
		drop_views(first, phys, size, &spare);
	berth_a64_unlock(&berth_a64_tables_lock, flags);
	berth_a64_spare_put(&spare);
}

bool berth_a64_view_op(phys_addr_t phys, uint64_t size, void (*op)(uintptr_t virt, uint64_t size))
{
	phys_addr_t page = phys & ~(PAGE_BYTES - 1);
	unsigned long flags = berth_a64_lock(&berth_a64_tables_lock);
	bool is_viewed = berth_a64_kind_of(page) == RAM_NOMAP && berth_a64_mmu_view(page, 0);

	if (is_viewed) {
		op(berth_a64_window_open(page) + (phys - page), size);
		berth_a64_window_close();
	}
	berth_a64_unlock(&berth_a64_tables_lock, flags);
	return is_viewed;
}
