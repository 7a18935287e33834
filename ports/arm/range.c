/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Ranges of addresses in which the caller maps RAM: as many pages as there is RAM, but 16 MiB at
 * least and 512 MiB at most. Their tables are made with the linear map.
 *
 * An entry is 0: free; RESERVED: of a range, or in front of one, not mapped; or valid. The first page is
 * a window, through which cache maintenance reaches a page that only ranges show.
 */
#include "internal.h"

#define L1_RANGES (&berth_arm_l1[PORT_RANGES_BASE >> MIB_SHIFT])
#define MIN_MIB 16
#define RESERVED 4u
#define SHOWN ((uint32_t)(PTE_PAGE | PTE_AP | PTE_XN))

static uint32_t nr_pages, next_page;

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

static uint32_t *entry_of(uintptr_t virt)
{
	uint32_t table = L1_RANGES[(virt - PORT_RANGES_BASE) >> MIB_SHIFT];

	return (uint32_t *)to_virt(table & 0xfffffc00u) + (virt >> 12 & 0xff);
}

static uintptr_t address_of(uint32_t page)
{
	return PORT_RANGES_BASE + page * PAGE_BYTES;
}

int berth_arm_ranges_start(const struct berth_port_ram *ram, phys_addr_t *rest)
{
	uint64_t total = 0;
	unsigned int mib;

	for (unsigned int i = 0; i < ram->nr_banks; i++)
		total += ram->banks[i].size;
	mib = (unsigned int)(total >> MIB_SHIFT);
	mib = mib < MIN_MIB ? MIN_MIB : mib > PORT_RANGES_MIB ? PORT_RANGES_MIB : mib;
	for (unsigned int i = 0; i < mib; i++) {
		L1_RANGES[i] = berth_arm_table(ram, rest);
		if (!L1_RANGES[i])
			return -ENOMEM;
	}
	nr_pages = mib * 256;
	next_page = 1;
	*entry_of(PORT_RANGES_BASE) = RESERVED;
	berth_arm_written();
	return 0;
}

void berth_arm_ranges_stop(void)
{
	memset(L1_RANGES, 0, PORT_RANGES_MIB * sizeof(*L1_RANGES));
	berth_arm_forget_all();
	nr_pages = 0;
}

/* @nr free entries in [from, end); @end if there are none. */
static uint32_t find_room(uint32_t from, uint32_t end, uint32_t nr)
{
	uint32_t run = 0;

	for (uint32_t page = from; page < end; page++) {
		run = *entry_of(address_of(page)) ? 0 : run + 1;
		if (run == nr)
			return page + 1 - nr;
	}
	return end;
}

void *berth_port_range_reserve(uint64_t size)
{
	/* One more: it stays free of mappings in front of this range, and so behind another. */
	uint32_t nr, first;
	unsigned long flags;

	if (!size || size & (PAGE_BYTES - 1) || size / PAGE_BYTES >= nr_pages) {
		refuse(-EINVAL, 0, size);
		return NULL;
	}
	nr = (uint32_t)(size / PAGE_BYTES) + 1;
	flags = berth_port_irq_save();
	first = find_room(next_page, nr_pages, nr);
	if (first == nr_pages)
		first = find_room(1, nr_pages, nr);
	if (first < nr_pages) {
		for (uint32_t i = 0; i < nr; i++)
			*entry_of(address_of(first + i)) = RESERVED;
		next_page = first + nr;
	}
	berth_port_irq_restore(flags);
	if (first < nr_pages)
		return (void *)address_of(first + 1);
	refuse(-ENOMEM, 0, size);
	return NULL;
}

static bool is_range(uintptr_t virt, uint64_t size)
{
	uint32_t page = (virt - PORT_RANGES_BASE) / PAGE_BYTES;

	return size && !((virt | size) & (PAGE_BYTES - 1)) && virt > PORT_RANGES_BASE &&
	       page < nr_pages && size / PAGE_BYTES <= nr_pages - page;
}

void berth_port_range_release(void *virt, uint64_t size)
{
	uintptr_t first = (uintptr_t)virt - PAGE_BYTES;
	unsigned long flags;

	if (!is_range((uintptr_t)virt, size))
		return;
	flags = berth_port_irq_save();
	for (uintptr_t at = 0; at <= size; at += PAGE_BYTES)
		*entry_of(first + at) = 0;
	berth_port_irq_restore(flags);
}

uintptr_t berth_arm_window_open(phys_addr_t page)
{
	*entry_of(PORT_RANGES_BASE) = (uint32_t)page | SHOWN | PTE_ATTR_CACHED;
	berth_arm_written();
	return PORT_RANGES_BASE;
}

void berth_arm_window_close(void)
{
	*entry_of(PORT_RANGES_BASE) = RESERVED;
	berth_arm_forget(PORT_RANGES_BASE, PAGE_BYTES);
}

/* Whether pages may be shown as a type: all in the linear map with it, or none. */
static bool is_showable(phys_addr_t phys, uint64_t size, enum berth_memory_type type)
{
	enum berth_arm_kind kind = berth_arm_kind_of(phys);

	if (phys & (PAGE_BYTES - 1) || phys + size < phys || type == BERTH_MEMORY_DEVICE)
		return false;
	if (kind != RAM_NOMAP && kind != (type == BERTH_MEMORY_CACHED ? RAM_CACHED : RAM_UNCACHED))
		return false;
	for (phys_addr_t at = phys; at < phys + size; at += PAGE_BYTES)
		if (berth_arm_kind_of(at) != kind)
			return false;
	return true;
}

int berth_port_range_map(void *virt, phys_addr_t phys, uint64_t size, enum berth_memory_type type)
{
	uint32_t attr = type == BERTH_MEMORY_CACHED ? PTE_ATTR_CACHED : PTE_ATTR_UNCACHED;
	unsigned long flags;
	bool is_nomap;

	if (!is_range((uintptr_t)virt, size))
		return refuse(-EINVAL, (uintptr_t)virt, size);
	flags = berth_port_irq_save();
	if (!is_showable(phys, size, type)) {
		berth_port_irq_restore(flags);
		return refuse(-EINVAL, phys, size);
	}
	is_nomap = berth_arm_kind_of(phys) == RAM_NOMAP;
	for (uintptr_t at = 0; at < size; at += PAGE_BYTES) {
		*entry_of((uintptr_t)virt + at) = (uint32_t)(phys + at) | SHOWN | attr;
		if (is_nomap && type == BERTH_MEMORY_CACHED)
			berth_arm_view(phys + at, 1);
	}
	berth_arm_written();
	berth_port_irq_restore(flags);
	/* What the map at boot, or a device behind its back, has left. */
	if (is_nomap)
		berth_arm_flush((uintptr_t)virt, phys, size);
	return 0;
}

/* Nothing can bring a line back while all mappings there are do not cache. */
static void flush_last(uintptr_t virt, phys_addr_t phys)
{
	*entry_of(virt) = (uint32_t)phys | SHOWN | PTE_ATTR_UNCACHED;
	berth_arm_written();
	berth_arm_flush(virt, phys, PAGE_BYTES);
	*entry_of(virt) = RESERVED;
	berth_arm_forget(virt, PAGE_BYTES);
}

void berth_port_range_unmap(void *virt, phys_addr_t phys, uint64_t size,
			    enum berth_memory_type type)
{
	uintptr_t first = (uintptr_t)virt;
	unsigned long flags;

	if (!is_range(first, size))
		return;
	/* No write may still be on its way when a cache starts to hold lines of it. */
	dsb();
	flags = berth_port_irq_save();
	for (uintptr_t at = 0; at < size; at += PAGE_BYTES)
		*entry_of(first + at) = RESERVED;
	berth_arm_forget(first, size);
	if (type == BERTH_MEMORY_CACHED && berth_arm_kind_of(phys) == RAM_NOMAP)
		for (uintptr_t at = 0; at < size; at += PAGE_BYTES)
			if (berth_arm_view(phys + at, -1) == 1)
				flush_last(first + at, phys + at);
	berth_port_irq_restore(flags);
}
