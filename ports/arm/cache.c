/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Cache maintenance to the point of coherency: the first level by CPU address, then the outer cache
 * (PL310) by physical address, if the boot loader has turned it on. RAM outside the linear map is reached
 * through a window while range.c shows it; of what is not mapped nothing is in a cache.
 */
#include "internal.h"

#define L2_CONTROL 0x100
#define L2_SYNC 0x730
#define L2_INVALIDATE_LINE 0x770
#define L2_CLEAN_LINE 0x7b0
#define L2_FLUSH_LINE 0x7f0
#define L2_LINE 32u

volatile uint32_t *berth_arm_outer_sync;

void berth_arm_cache_init(void)
{
	bool is_on = read_reg(PORT_L2CC, L2_CONTROL) & 1;

	berth_arm_outer_sync = is_on ? (volatile uint32_t *)(PORT_L2CC + L2_SYNC) : NULL;
}

static uintptr_t step(void)
{
	return 4u << (read_cp15("0, %0, c0, c0, 1") >> 16 & 0xf);
}

unsigned int berth_port_line_size(void)
{
	unsigned int granule = (unsigned int)(read_cp15("0, %0, c0, c0, 1") >> 24 & 0xf);
	unsigned int line = granule ? 4u << granule : (unsigned int)step();

	return line < L2_LINE ? L2_LINE : line;
}

static void outer(uintptr_t reg, phys_addr_t first, phys_addr_t end)
{
	if (!berth_arm_outer_sync)
		return;
	for (phys_addr_t at = first & ~(phys_addr_t)(L2_LINE - 1); at < end; at += L2_LINE)
		write_reg(PORT_L2CC, reg, (uint32_t)at);
	berth_arm_drain();
}

static void clean_lines(uintptr_t first, uintptr_t end)
{
	uintptr_t line = step();

	for (uintptr_t at = first & ~(line - 1); at < end; at += line)
		write_cp15("0, %0, c7, c10, 1", at);
	dsb();
}

static void flush_lines(uintptr_t first, uintptr_t end)
{
	uintptr_t line = step();

	for (uintptr_t at = first & ~(line - 1); at < end; at += line)
		write_cp15("0, %0, c7, c14, 1", at);
	dsb();
}

static void invalidate_lines(uintptr_t first, uintptr_t end)
{
	uintptr_t line = step();

	for (uintptr_t at = first & ~(line - 1); at < end; at += line)
		write_cp15("0, %0, c7, c6, 1", at);
	dsb();
}

static void clean(uintptr_t virt, phys_addr_t phys, uint64_t size)
{
	clean_lines(virt, virt + (uintptr_t)size);
	outer(L2_CLEAN_LINE, phys, phys + size);
}

/* What the first level has fetched from the outer cache meanwhile goes as well. */
void berth_arm_flush(uintptr_t virt, phys_addr_t phys, uint64_t size)
{
	if (berth_arm_outer_sync) {
		clean_lines(virt, virt + (uintptr_t)size);
		outer(L2_FLUSH_LINE, phys, phys + size);
	}
	flush_lines(virt, virt + (uintptr_t)size);
}

/* Whole lines only. */
static void invalidate(uintptr_t virt, phys_addr_t phys, uint64_t size)
{
	invalidate_lines(virt, virt + (uintptr_t)size);
	if (!berth_arm_outer_sync)
		return;
	outer(L2_INVALIDATE_LINE, phys, phys + size);
	invalidate_lines(virt, virt + (uintptr_t)size);
}

/* A line that is partly somebody else's is written back first. */
static void invalidate_partly(uintptr_t virt, phys_addr_t phys, uint64_t size)
{
	uint64_t line = berth_port_line_size(), before = phys & (line - 1), after;

	if (before) {
		uint64_t part = line - before < size ? line - before : size;

		berth_arm_flush(virt, phys, part);
		virt += (uintptr_t)part;
		phys += part;
		size -= part;
	}
	after = size & (line - 1);
	if (after)
		berth_arm_flush(virt + (uintptr_t)(size - after), phys + size - after, after);
	if (size > after)
		invalidate(virt, phys, size - after);
}

/* Part of a page. */
static void maintain_page(phys_addr_t phys, uint64_t size,
			  void (*op)(uintptr_t virt, phys_addr_t phys, uint64_t size))
{
	phys_addr_t page = phys & ~(phys_addr_t)(PAGE_BYTES - 1);
	unsigned long flags = berth_port_irq_save();

	if (berth_arm_is_mapped(page)) {
		op((uintptr_t)to_virt(phys), phys, size);
	} else if (berth_arm_kind_of(page) == RAM_NOMAP && berth_arm_view(page, 0)) {
		op(berth_arm_window_open(page) + (uintptr_t)(phys - page), phys, size);
		berth_arm_window_close();
	}
	berth_port_irq_restore(flags);
}

static void maintain(phys_addr_t phys, uint64_t size,
		     void (*op)(uintptr_t virt, phys_addr_t phys, uint64_t size))
{
	while (size) {
		uint64_t part = PAGE_BYTES - (phys & (PAGE_BYTES - 1));

		part = part < size ? part : size;
		maintain_page(phys, part, op);
		phys += part;
		size -= part;
	}
}

void berth_port_cache_clean(phys_addr_t phys, uint64_t size)
{
	maintain(phys, size, clean);
}

void berth_port_cache_invalidate(phys_addr_t phys, uint64_t size)
{
	maintain(phys, size, invalidate_partly);
}

void berth_port_cache_flush(phys_addr_t phys, uint64_t size)
{
	maintain(phys, size, berth_arm_flush);
}
