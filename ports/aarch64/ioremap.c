/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Registers, in TTBR1's half of the addresses: pages in the first PORT_IO_TABLES * 2 MiB, blocks
 * of 2 MiB in the rest of 1 GiB. Between any two mappings is a hole, which ends them and catches
 * who runs over. RAM outside the linear map can be had like registers. All tables are static: ioremap() takes no memory.
 */
#include "internal.h"

#define VALID 1ull
#define PLAIN ((uint64_t)PTE_AF | PTE_XN)
#define BLOCK_SHIFT 21
#define BLOCK_BYTES (1ull << BLOCK_SHIFT)
#define BLOCKS_BASE (PORT_IO_BASE + PORT_IO_TABLES * BLOCK_BYTES)
#define IO_END (PORT_IO_BASE + (1ull << 30))

struct io_level {
	uintptr_t base;
	uint64_t *entries;
	unsigned int nr, shift;
	uint64_t bits;
};

static const struct io_level pages = { PORT_IO_BASE, berth_a64_io_l3, PORT_IO_TABLES * 512, 12,
				       PLAIN | PTE_PAGE };
static const struct io_level blocks = { BLOCKS_BASE, berth_a64_io_l2 + PORT_IO_TABLES,
					512 - PORT_IO_TABLES, BLOCK_SHIFT, PLAIN | PTE_BLOCK };

static struct berth_a64_lock io_lock;

/* Registers that the port itself uses, always: mapped one behind the other, and never taken away. */
void __iomem *berth_a64_map_own(phys_addr_t phys, uint64_t size)
{
	static unsigned int next;
	phys_addr_t first = phys & ~(PAGE_BYTES - 1);
	uint64_t nr = (PAGE_ROUND(phys + size) - first) / PAGE_BYTES;
	uintptr_t virt = PORT_OWN_BASE + next * PAGE_BYTES;

	if (nr > 512 - next)
		berth_port_panic("the device tree's registers are too large");
	for (uint64_t i = 0; i < nr; i++)
		berth_a64_own_l3[next++] = (first + i * PAGE_BYTES) | PLAIN | PTE_PAGE |
					   PTE_ATTR_DEVICE;
	dsb(ishst);
	isb();
	return (void __iomem *)(virt + (phys - first));
}

static bool is_addressable(phys_addr_t phys, uint64_t size)
{
	static const unsigned char bits[] = { 32, 36, 40, 42, 44, 48 };
	uint64_t range = read_sysreg("id_aa64mmfr0_el1") & 0xf;
	uint64_t end = 1ull << bits[range < sizeof(bits) ? range : sizeof(bits) - 1];

	return size && phys < end && size <= end - phys;
}

/* The first entry of @nr with a hole in front and behind; 0 if there is none. */
static unsigned int find_room(const struct io_level *level, uint64_t nr)
{
	uint64_t run = 0;

	for (unsigned int i = 0; i < level->nr; i++) {
		run = level->entries[i] & VALID ? 0 : run + 1;
		if (run == nr + 2)
			return (unsigned int)(i - nr);
	}
	return 0;
}

static void *map(const struct io_level *level, phys_addr_t phys, uint64_t size, uint64_t type)
{
	uint64_t nr = size >> level->shift;
	unsigned long flags = berth_a64_lock(&io_lock);
	unsigned int first = find_room(level, nr);

	for (uint64_t i = 0; first && i < nr; i++)
		level->entries[first + i] = (phys + (i << level->shift)) | level->bits | type;
	berth_a64_unlock(&io_lock, flags);
	dsb(ishst);
	isb();
	return first ? (void *)(level->base + ((uintptr_t)first << level->shift)) : NULL;
}

static void __iomem *ioremap_as(phys_addr_t phys, uint64_t size, uint64_t type)
{
	phys_addr_t first = phys & ~(PAGE_BYTES - 1);
	bool is_ram = berth_a64_mmu_is_ram(phys, size);
	char *virt = NULL;

	if (!is_addressable(phys, size) || (is_ram && !berth_a64_mmu_is_spare(phys, size)))
		return NULL;
	size = PAGE_ROUND(phys + size) - first;
	if (!((first | size) & (BLOCK_BYTES - 1)))
		virt = map(&blocks, first, size, type);
	if (!virt)
		virt = map(&pages, first, size, type);
	/* What the map at boot has left. */
	if (virt && is_ram)
		berth_a64_cache_flush_virt((uintptr_t)virt, size);
	return virt ? virt + (phys - first) : NULL;
}

void __iomem *berth_port_ioremap(phys_addr_t phys, uint64_t size)
{
	return ioremap_as(phys, size, PTE_ATTR_DEVICE);
}

void __iomem *berth_port_ioremap_wc(phys_addr_t phys, uint64_t size)
{
	return ioremap_as(phys, size, PTE_ATTR_UNCACHED | PTE_INNER);
}

static void unmap(const struct io_level *level, uintptr_t virt)
{
	uint64_t *first = &level->entries[(virt - level->base) >> level->shift];
	unsigned long flags = berth_a64_lock(&io_lock);

	/* A reader of find_room() must not give the place away before the TLBs have forgotten it. */
	for (uint64_t *entry = first; *entry & VALID; entry++, virt += 1ul << level->shift) {
		*entry = 0;
		dsb(ishst);
		__asm__ volatile("tlbi vaae1is, %0" ::"r"(virt >> 12 & 0xfffffffffffull)
				 : "memory");
	}
	dsb(ish);
	isb();
	berth_a64_unlock(&io_lock, flags);
}

void berth_port_iounmap(void __iomem *cookie)
{
	uintptr_t virt = (uintptr_t)cookie & ~(PAGE_BYTES - 1);

	if (virt >= BLOCKS_BASE && virt < IO_END)
		unmap(&blocks, virt);
	else if (virt >= PORT_IO_BASE && virt < BLOCKS_BASE)
		unmap(&pages, virt);
}

void berth_a64_ioremap_stop(void)
{
	memset(pages.entries, 0, pages.nr * sizeof(*pages.entries));
	memset(blocks.entries, 0, blocks.nr * sizeof(*blocks.entries));
	dsb(ishst);
	__asm__ volatile("tlbi vmalle1is" ::: "memory");
	dsb(ish);
	isb();
}
