/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Cache maintenance to the point of coherency. RAM is mapped at its own address; what is not mapped
 * there (no-map) is reached through a window while range.c shows it; what is not mapped at all has
 * nothing in a cache, see berth_a64_trap().
 */
#include "internal.h"

static inline uintptr_t step(void)
{
	return 4ul << (read_sysreg("ctr_el0") >> 16 & 0xf);
}

unsigned int berth_port_line_size(void)
{
	unsigned int granule = (unsigned int)(read_sysreg("ctr_el0") >> 24 & 0xf);

	return granule ? 4u << granule : (unsigned int)step();
}

void berth_a64_cache_flush_virt(uintptr_t virt, uint64_t size)
{
	uintptr_t line = step();

	for (uintptr_t at = virt & ~(line - 1); size && at < virt + size; at += line)
		__asm__ volatile("dc civac, %0" ::"r"(at) : "memory");
	dsb(sy);
}

static void clean_virt(uintptr_t virt, uint64_t size)
{
	uintptr_t line = step();

	for (uintptr_t at = virt & ~(line - 1); size && at < virt + size; at += line)
		__asm__ volatile("dc cvac, %0" ::"r"(at) : "memory");
	dsb(sy);
}

static void invalidate_virt(uintptr_t virt, uint64_t size)
{
	uintptr_t line = step();
	uintptr_t first = virt, end = virt + size;

	if (!size)
		return;
	if (first & (line - 1)) {
		first &= ~(line - 1);
		__asm__ volatile("dc civac, %0" ::"r"(first) : "memory");
		first += line;
	}
	if (end & (line - 1)) {
		end &= ~(line - 1);
		if (end >= first)
			__asm__ volatile("dc civac, %0" ::"r"(end) : "memory");
	}
	for (; first < end; first += line)
		__asm__ volatile("dc ivac, %0" ::"r"(first) : "memory");
	dsb(sy);
}

/* RAM is at its own address; while some is mapped elsewhere only, look at every page. */
static void maintain(phys_addr_t phys, uint64_t size, void (*op)(uintptr_t virt, uint64_t size))
{
	if (!__atomic_load_n(&berth_a64_nr_views, __ATOMIC_RELAXED)) {
		op(phys, size);
		return;
	}
	while (size) {
		uint64_t part = PAGE_BYTES - (phys & (PAGE_BYTES - 1));

		part = part < size ? part : size;
		if (berth_a64_translates(phys, false) || !berth_a64_view_op(phys, part, op))
			op(phys, part);
		phys += part;
		size -= part;
	}
}

void berth_port_cache_clean(phys_addr_t phys, uint64_t size)
{
	maintain(phys, size, clean_virt);
}

void berth_port_cache_invalidate(phys_addr_t phys, uint64_t size)
{
	maintain(phys, size, invalidate_virt);
}

void berth_port_cache_flush(phys_addr_t phys, uint64_t size)
{
	maintain(phys, size, berth_a64_cache_flush_virt);
}
