/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The maps of RAM, in one table of the first level. At boot: sections from tables.S. Between
 * berth_port_ram() and berth_port_stop() every MiB in which there is RAM has a table of pages, which
 * always says what each page is; where all of them are alike a section takes the table's place. So a
 * part of a section can change type at any time without needing memory.
 *
 * A live entry is replaced by break-before-make, with interrupts away. That is enough, since there is
 * one CPU, and all that it uses in between lies in the image: its code, its stack, the first level.
 */
#include "internal.h"

#define L1_RAM (&berth_arm_l1[PORT_RAM_OFFSET >> MIB_SHIFT])
#define IMAGE_MIB (PORT_IMAGE_PHYS >> MIB_SHIFT)
#define RAM_END (PORT_RAM_MIB * MIB)
#define PTE_RAM ((uint32_t)(PTE_PAGE | PTE_AP | PTE_XN))
#define PTE_DATA (PTE_RAM | PTE_ATTR_CACHED)
#define MAX_BANKS 16
/* From here on one invalidation of everything is cheaper than one per page. */
#define TLBI_ALL_PAGES 64

struct berth_port_linear berth_port_linear;

static struct berth_range banks[MAX_BANKS];
static unsigned int nr_banks;
/* The table of each MiB in which there is RAM. */
static uint32_t *tables[PORT_RAM_MIB];

void berth_arm_written(void)
{
	dsb();
	isb();
}

void berth_arm_forget_all(void)
{
	dsb();
	write_cp15("0, %0, c8, c7, 0", 0);
	dsb();
	isb();
}

void berth_arm_forget(uintptr_t virt, uint64_t size)
{
	if (size > TLBI_ALL_PAGES * PAGE_BYTES) {
		berth_arm_forget_all();
		return;
	}
	dsb();
	for (uintptr_t at = virt; at - virt < size; at += PAGE_BYTES)
		write_cp15("0, %0, c8, c7, 1", at);
	dsb();
	isb();
}

static bool is_image_mib(unsigned int mib)
{
	return mib >= IMAGE_MIB && mib < IMAGE_MIB + PORT_IMAGE_MIB;
}

static bool is_image(phys_addr_t phys)
{
	return phys >= to_phys(__image_start) && phys < to_phys(__image_end);
}

static uint32_t *entry_of(phys_addr_t phys)
{
	uint32_t *table = phys < RAM_END ? tables[phys >> MIB_SHIFT] : NULL;

	return table ? &table[phys >> 12 & 0xff] : NULL;
}

/* What an entry of the first level says for a page's entry that 256 pages have alike. */
static uint32_t section_of(uint32_t page)
{
	uint32_t bits = (page & PTE_ATTR) >> 6 << 12 | (page & (3 << 2));

	return (page & 0xfff00000u) | bits | L1_SECTION | L1_SECTION_AP | L1_SECTION_XN;
}

static uint32_t summary(const uint32_t *table)
{
	uint32_t step = table[0] & PTE_PAGE ? PAGE_BYTES : 0;

	for (unsigned int i = 1; i < 256; i++)
		if (table[i] != table[0] + i * step && (step || table[i] & PTE_PAGE))
			return (uint32_t)to_phys(table) | L1_TABLE;
	return step ? section_of(table[0]) : 0;
}

/* Have the first level say of a MiB what its table says. */
static void settle(unsigned int mib)
{
	uint32_t *entry = &L1_RAM[mib], value;

	if (is_image_mib(mib) || !tables[mib])
		return;
	value = summary(tables[mib]);
	if (*entry == value)
		return;
	*entry = 0;
	berth_arm_forget_all();
	*entry = value;
	berth_arm_written();
}

static void settle_range(phys_addr_t phys, uint64_t size)
{
	for (phys_addr_t mib = phys >> MIB_SHIFT; mib << MIB_SHIFT < phys + size; mib++)
		settle((unsigned int)mib);
}

/* For good: text is read-only, only text can be executed, below the stack is a hole. */
void berth_arm_mmu_init(void)
{
	uint32_t *pages = berth_arm_image_l2;

	for (unsigned int i = 0; i < PORT_IMAGE_MIB * 256; i++) {
		const char *at = __image_start + i * PAGE_BYTES;

		if (at >= __text_end)
			pages[i] |= PTE_XN;
		if (at < __rodata_end)
			pages[i] |= PTE_RO;
		if (at == berth_arm_stack)
			pages[i] = 0;
	}
	berth_arm_l1[IMAGE_MIB] = 0;
	berth_arm_forget_all();
}

uint32_t berth_arm_table(const struct berth_port_ram *ram, phys_addr_t *rest)
{
	phys_addr_t table = *rest;

	if (!(table & (PAGE_BYTES - 1))) {
		table = ram->alloc_page();
		if (!table)
			return 0;
		memset(to_virt(table), 0, PAGE_BYTES);
	}
	*rest = table + TABLE_BYTES;
	return (uint32_t)table | L1_TABLE;
}

/* A table for each MiB of a bank, before any is written: what they lie in is mapped as at boot. */
static int take_tables(const struct berth_range *bank, const struct berth_port_ram *ram,
		       phys_addr_t *rest)
{
	phys_addr_t end = bank->base + bank->size;

	for (phys_addr_t at = bank->base; at < end; at = (at | (MIB - 1)) + 1) {
		unsigned int mib = (unsigned int)(at >> MIB_SHIFT);
		uint32_t entry;

		if (tables[mib])
			continue;
		if (is_image_mib(mib)) {
			tables[mib] = &berth_arm_image_l2[(mib - IMAGE_MIB) * 256];
			continue;
		}
		entry = berth_arm_table(ram, rest);
		if (!entry)
			return -ENOMEM;
		tables[mib] = to_virt(entry & ~(uint32_t)L1_TABLE);
	}
	return 0;
}

/* Of the image's tables, which are live, only what is not to be mapped changes. */
static void fill(phys_addr_t at, phys_addr_t end, bool is_mapped)
{
	for (; at < end; at += PAGE_BYTES)
		if (!is_image(at))
			*entry_of(at) = is_mapped ? (uint32_t)at | PTE_DATA : ENTRY_NOMAP;
}

static void fill_bank(const struct berth_range *bank, const struct berth_port_ram *ram)
{
	phys_addr_t at = bank->base, end = bank->base + bank->size;

	for (unsigned int i = 0; i < ram->nr_mapped; i++) {
		const struct berth_range *mapped = &ram->mapped[i];

		if (mapped->base < at || mapped->base >= end)
			continue;
		fill(at, mapped->base, false);
		at = mapped->base + mapped->size;
		fill(mapped->base, at, true);
	}
	fill(at, end, false);
}

static int check_ranges(const struct berth_range *ranges, unsigned int nr)
{
	for (unsigned int i = 0; i < nr; i++) {
		phys_addr_t base = ranges[i].base, size = ranges[i].size;

		if ((base | size) & (PAGE_BYTES - 1) || !size || base >= RAM_END ||
		    size > RAM_END - base)
			return -EINVAL;
	}
	return nr ? 0 : -EINVAL;
}

/* Have a MiB mapped as all RAM is at boot. */
static void map_as_at_boot(unsigned int mib)
{
	L1_RAM[mib] = section_of(mib << MIB_SHIFT | PTE_ATTR_CACHED);
}

static int build(const struct berth_port_ram *ram)
{
	phys_addr_t rest = 0;
	int err = 0;

	for (unsigned int i = 0; i < ram->nr_banks; i++)
		for (phys_addr_t mib = ram->banks[i].base >> MIB_SHIFT;
		     mib << MIB_SHIFT < ram->banks[i].base + ram->banks[i].size; mib++)
			if (!L1_RAM[mib])
				map_as_at_boot((unsigned int)mib);
	berth_arm_written();
	for (unsigned int i = 0; i < ram->nr_banks && !err; i++)
		err = take_tables(&ram->banks[i], ram, &rest);
	if (!err)
		err = berth_arm_ranges_start(ram, &rest);
	for (unsigned int i = 0; i < ram->nr_banks && !err; i++)
		fill_bank(&ram->banks[i], ram);
	return err;
}

/* What is no RAM is not mapped. */
static void settle_all(void)
{
	unsigned long flags = berth_port_irq_save();

	for (unsigned int mib = 0; mib < PORT_RAM_MIB; mib++) {
		if (is_image_mib(mib))
			continue;
		if (!tables[mib])
			L1_RAM[mib] = 0;
		settle(mib);
	}
	berth_arm_forget_all();
	berth_port_irq_restore(flags);
}

/* Back to the map of boot. */
static void unbuild(void)
{
	unsigned long flags = berth_port_irq_save();

	for (unsigned int i = 0; i < PORT_IMAGE_MIB * 256; i++)
		if (!is_image(PORT_IMAGE_PHYS + i * PAGE_BYTES))
			berth_arm_image_l2[i] = 0;
	for (unsigned int mib = 0; mib < PORT_RAM_MIB; mib++)
		if (!is_image_mib(mib))
			L1_RAM[mib] = 0;
	berth_arm_forget_all();
	for (unsigned int i = 0; i < PORT_IMAGE_MIB * 256; i++)
		if (!is_image(PORT_IMAGE_PHYS + i * PAGE_BYTES))
			berth_arm_image_l2[i] = (PORT_IMAGE_PHYS + i * PAGE_BYTES) | PTE_DATA;
	for (unsigned int mib = 0; mib < PORT_BOOT_MIB; mib++)
		if (!is_image_mib(mib))
			map_as_at_boot(mib);
	berth_arm_written();
	memset(tables, 0, sizeof(tables));
	berth_port_irq_restore(flags);
}

int berth_port_ram(const struct berth_port_ram *ram)
{
	const struct berth_range *last;
	int ret;

	if (berth_port_linear.size)
		return -EBUSY;
	if (ram->nr_banks > MAX_BANKS)
		return -E2BIG;
	if (check_ranges(ram->banks, ram->nr_banks) || check_ranges(ram->mapped, ram->nr_mapped))
		return -EINVAL;
	ret = build(ram);
	if (ret) {
		berth_arm_ranges_stop();
		unbuild();
		return ret;
	}
	settle_all();
	memcpy(banks, ram->banks, ram->nr_banks * sizeof(banks[0]));
	nr_banks = ram->nr_banks;
	last = &ram->mapped[ram->nr_mapped - 1];
	berth_port_linear.phys = ram->mapped[0].base;
	berth_port_linear.virt = (uintptr_t)to_virt(ram->mapped[0].base);
	berth_port_linear.size = last->base + last->size - ram->mapped[0].base;
	return 0;
}

void berth_arm_mmu_stop(void)
{
	if (!berth_port_linear.size)
		return;
	berth_arm_ranges_stop();
	unbuild();
	memset(&berth_port_linear, 0, sizeof(berth_port_linear));
	nr_banks = 0;
}

bool berth_arm_is_spare(phys_addr_t phys, uint64_t size)
{
	for (phys_addr_t at = phys & ~(phys_addr_t)(PAGE_BYTES - 1); at < phys + size;
	     at += PAGE_BYTES) {
		const uint32_t *entry = entry_of(at);

		if (!entry || *entry != ENTRY_NOMAP)
			return false;
	}
	return true;
}

bool berth_arm_is_ram(phys_addr_t phys, uint64_t size)
{
	for (unsigned int i = 0; i < nr_banks; i++)
		if (phys < banks[i].base + banks[i].size && phys + size > banks[i].base)
			return true;
	return false;
}

bool berth_arm_is_mapped(phys_addr_t phys)
{
	const uint32_t *entry = entry_of(phys);

	return entry && *entry & PTE_PAGE;
}

enum berth_arm_kind berth_arm_kind_of(phys_addr_t phys)
{
	const uint32_t *entry = entry_of(phys);

	if (!entry || is_image(phys))
		return RAM_NONE;
	if (!(*entry & PTE_PAGE))
		return *entry & ENTRY_NOMAP ? RAM_NOMAP : RAM_NONE;
	if (*entry & PTE_SPARE)
		return RAM_NONE;
	return (*entry & PTE_ATTR) == PTE_ATTR_CACHED ? RAM_CACHED : RAM_UNCACHED;
}

uint32_t berth_arm_view(phys_addr_t phys, int more)
{
	uint32_t *entry = entry_of(phys), views = *entry >> VIEW_SHIFT;

	if (more)
		*entry = (views + (uint32_t)more) << VIEW_SHIFT | ENTRY_NOMAP;
	return views;
}

/* All of it not in the linear map, without a view; or all in it, as it was made. */
static bool is_plain(phys_addr_t phys, uint64_t size)
{
	enum berth_arm_kind kind = berth_arm_kind_of(phys);

	if (kind != RAM_NOMAP && kind != RAM_CACHED)
		return false;
	for (phys_addr_t at = phys; at < phys + size; at += PAGE_BYTES)
		if (berth_arm_kind_of(at) != kind || (kind == RAM_NOMAP && berth_arm_view(at, 0)))
			return false;
	return true;
}

static bool is_remapped(phys_addr_t phys, uint64_t size)
{
	for (phys_addr_t at = phys; at < phys + size; at += PAGE_BYTES) {
		const uint32_t *entry = entry_of(at);

		if (!entry || is_image(at) || !(*entry & PTE_PAGE) ||
		    (*entry & PTE_ATTR) != PTE_ATTR_UNCACHED)
			return false;
	}
	return true;
}

/* Nobody uses the pages between break and make. */
static void change(phys_addr_t phys, uint64_t size, bool uncached)
{
	bool is_spare = *entry_of(phys) & (*entry_of(phys) & PTE_PAGE ? PTE_SPARE : ENTRY_NOMAP);

	for (phys_addr_t at = phys; at < phys + size; at += PAGE_BYTES)
		*entry_of(at) = is_spare ? ENTRY_NOMAP : 0;
	settle_range(phys, size);
	berth_arm_forget((uintptr_t)to_virt(phys), size);
	for (phys_addr_t at = phys; at < phys + size; at += PAGE_BYTES) {
		if (uncached)
			*entry_of(at) = (uint32_t)at | PTE_RAM | PTE_ATTR_UNCACHED |
					(is_spare ? PTE_SPARE : 0);
		else if (!is_spare)
			*entry_of(at) = (uint32_t)at | PTE_DATA;
	}
	berth_arm_written();
	settle_range(phys, size);
}

void *berth_port_remap(phys_addr_t phys, uint64_t size, enum berth_memory_type type)
{
	unsigned long flags;
	bool is_fit;

	if ((phys | size) & (PAGE_BYTES - 1) || !size || phys + size < phys)
		return NULL;
	if (type != BERTH_MEMORY_UNCACHED && type != BERTH_MEMORY_WRITE_COMBINE)
		return NULL;
	flags = berth_port_irq_save();
	is_fit = is_plain(phys, size);
	if (is_fit)
		change(phys, size, true);
	berth_port_irq_restore(flags);
	if (!is_fit)
		return NULL;
	/* Through the new mapping: with the old one gone nothing can bring a line back. */
	berth_arm_flush((uintptr_t)to_virt(phys), phys, size);
	return to_virt(phys);
}

void berth_port_unremap(void *virt, phys_addr_t phys, uint64_t size)
{
	unsigned long flags;

	(void)virt;
	/* No write may still be on its way when the cache starts to hold lines of it. */
	dsb();
	flags = berth_port_irq_save();
	if (is_remapped(phys, size))
		change(phys, size, false);
	berth_port_irq_restore(flags);
}
