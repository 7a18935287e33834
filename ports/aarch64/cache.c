/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Cache maintenance to the point of coherency. RAM is mapped at its own address; what is not mapped
 * at all (no-map) has nothing in a cache, see berth_a64_trap().
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

void berth_port_cache_clean(phys_addr_t phys, uint64_t size)
{
	uintptr_t line = step();

	for (uintptr_t at = phys & ~(line - 1); size && at < phys + size; at += line)
		__asm__ volatile("dc cvac, %0" ::"r"(at) : "memory");
	dsb(sy);
}

void berth_port_cache_invalidate(phys_addr_t phys, uint64_t size)
{
	uintptr_t line = step();
	uintptr_t first = phys, end = phys + size;

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

void berth_port_cache_flush(phys_addr_t phys, uint64_t size)
{
	berth_a64_cache_flush_virt(phys, size);
}
