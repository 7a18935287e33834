/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The maps of RAM. At boot: blocks of 1 GiB, from tables.S. Between berth_port_ram() and
 * berth_port_stop(): pages of 4 KiB, each at its own address, so that the type of one page can be
 * changed by break-before-make on it alone. Each map has an ASID, and no entry of either is
 * global: a CPU goes from one to the other by one write of TTBR0.
 *
 * A page of RAM that is not mapped has a table entry all the same, which says that RAM is there.
 */
#include "internal.h"

#define PTE_NOMAP (1ull << 55) /* for software: the page is not part of the linear map */
#define PTE_RAM ((uint64_t)(PTE_PAGE | PTE_INNER | PTE_AF | PTE_NG))
#define PTE_DATA (PTE_RAM | PTE_ATTR_CACHED | PTE_XN)
/* In the entry of such a page: how many cached mappings range.c has made of it. */
#define VIEW_SHIFT 2
#define VIEWS (0xffffull << VIEW_SHIFT)
#define GIB (1ull << 30)
#define MAX_BANKS 16
/* From here on one invalidation of everything is cheaper than one per page. */
#define TLBI_ALL_PAGES 64

struct berth_port_linear berth_port_linear;

static struct berth_range banks[MAX_BANKS];
static unsigned int nr_banks;
static uint64_t current_ttbr0;

static uint64_t ttbr0_of(const uint64_t *table, uint64_t asid)
{
	return (uintptr_t)table | asid << 48;
}

static void tlbi_asid(uint64_t asid)
{
	__asm__ volatile("tlbi aside1is, %0" ::"r"(asid << 48) : "memory");
	dsb(ish);
	isb();
}

static void tlbi_pages(phys_addr_t phys, uint64_t size)
{
	if (size > TLBI_ALL_PAGES * PAGE_BYTES) {
		tlbi_asid(PORT_ASID_LINEAR);
		return;
	}
	for (uint64_t at = 0; at < size; at += PAGE_BYTES)
		__asm__ volatile("tlbi vae1is, %0" ::"r"((uint64_t)PORT_ASID_LINEAR << 48 |
							 (phys + at) >> 12)
				 : "memory");
	dsb(ish);
	isb();
}

/* The page's entry; NULL if there is no table for it. */
static uint64_t *leaf_of(phys_addr_t phys)
{
	uint64_t *table, entry;

	if (phys < GIB || phys >= 512 * GIB)
		return NULL;
	entry = berth_a64_linear_l1[phys >> 30];
	if (!(entry & PTE_VALID))
		return NULL;
	table = (uint64_t *)(uintptr_t)(entry & PTE_ADDRESS);
	entry = table[phys >> 21 & 511];
	if (!(entry & PTE_VALID))
		return NULL;
	table = (uint64_t *)(uintptr_t)(entry & PTE_ADDRESS);
	return &table[phys >> 12 & 511];
}

static int grow(uint64_t *entry, const struct berth_port_ram *ram)
{
	phys_addr_t page;

	if (*entry & PTE_VALID)
		return 0;
	page = ram->alloc_page();
	if (!page)
		return -ENOMEM;
	memset((void *)page, 0, PAGE_BYTES);
	*entry = page | PTE_TABLE;
	return 0;
}

/* Have all pages of a range read as @bits, and their address if that makes them valid. */
static int fill(const struct berth_range *range, uint64_t bits, const struct berth_port_ram *ram)
{
	phys_addr_t end = range->base + range->size;
	int ret;

	for (phys_addr_t at = range->base; at < end;) {
		uint64_t *l2, *leaf;

		ret = grow(&berth_a64_linear_l1[at >> 30], ram);
		if (ret)
			return ret;
		l2 = (uint64_t *)(uintptr_t)(berth_a64_linear_l1[at >> 30] & PTE_ADDRESS);
		ret = grow(&l2[at >> 21 & 511], ram);
		if (ret)
			return ret;
		leaf = leaf_of(at);
		do {
			*leaf++ = bits & PTE_VALID ? bits | at : bits;
			at += PAGE_BYTES;
		} while (at < end && at & 0x1fffff);
	}
	return 0;
}

static int check_ranges(const struct berth_range *ranges, unsigned int nr)
{
	for (unsigned int i = 0; i < nr; i++) {
		phys_addr_t base = ranges[i].base, size = ranges[i].size;

		if ((base | size) & (PAGE_BYTES - 1) || !size || base < GIB || base >= 512 * GIB ||
		    size > 512 * GIB - base)
			return -EINVAL;
	}
	return nr ? 0 : -EINVAL;
}

/* Text is read-only, only text can be executed, and below each stack is a hole. */
static void protect_image(void)
{
	for (uintptr_t at = (uintptr_t)__image_start; at < (uintptr_t)__rodata_end;
	     at += PAGE_BYTES) {
		uint64_t *leaf = leaf_of(at);
		uint64_t xn = at < (uintptr_t)__text_end ? PTE_UXN : PTE_XN;

		if (leaf)
			*leaf = PTE_RAM | PTE_ATTR_CACHED | PTE_RO | xn | at;
	}
	for (unsigned int i = 0; i < BERTH_PORT_MAX_SLOTS; i++) {
		uint64_t *leaf = leaf_of((uintptr_t)berth_a64_stacks[i]);

		if (leaf)
			*leaf = 0;
	}
}

/* Load what all CPUs are to use; again after a CPU has said that it is online. */
void berth_a64_mmu_adopt(void)
{
	uint64_t ttbr0 = __atomic_load_n(&current_ttbr0, __ATOMIC_SEQ_CST);

	write_sysreg("ttbr0_el1", ttbr0);
	isb();
	__atomic_store_n(&this_cpu()->ttbr0, ttbr0, __ATOMIC_SEQ_CST);
}

/* On every CPU that is online, in whatever function it is. */
static void use_tables(uint64_t ttbr0)
{
	uint32_t others;

	dsb(ish);
	__atomic_store_n(&current_ttbr0, ttbr0, __ATOMIC_SEQ_CST);
	berth_a64_mmu_adopt();
	others = berth_a64_cpus_online() & ~(1u << berth_port_slot());
	if (others)
		berth_a64_gic_broadcast(PORT_SGI_TABLES);
	for (unsigned int i = 0; i < BERTH_PORT_MAX_SLOTS; i++)
		while (others & 1u << i &&
		       __atomic_load_n(&berth_a64_cpus[i].ttbr0, __ATOMIC_SEQ_CST) != ttbr0)
			berth_port_relax();
}

void berth_a64_mmu_init_cpu(void)
{
	if (!current_ttbr0)
		current_ttbr0 = ttbr0_of(berth_a64_boot_l1, PORT_ASID_BOOT);
	berth_a64_mmu_adopt();
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

	/* The tables are written through the map of boot. */
	for (unsigned int i = 0; i < ram->nr_banks; i++) {
		phys_addr_t end = ram->banks[i].base + ram->banks[i].size;

		for (phys_addr_t at = ram->banks[i].base & ~(GIB - 1); at < end; at += GIB)
			if (!(berth_a64_boot_l1[at >> 30] & PTE_VALID))
				berth_a64_boot_l1[at >> 30] = at | PTE_BLOCK | PTE_INNER | PTE_AF |
							      PTE_NG | PTE_XN;
	}
	dsb(ishst);
	isb();

	memset(&berth_a64_linear_l1[1], 0,
	       sizeof(berth_a64_linear_l1) - sizeof(berth_a64_linear_l1[0]));
	for (unsigned int i = 0; i < ram->nr_banks; i++) {
		ret = fill(&ram->banks[i], PTE_NOMAP, ram);
		if (ret)
			return ret;
	}
	for (unsigned int i = 0; i < ram->nr_mapped; i++) {
		ret = fill(&ram->mapped[i], PTE_DATA, ram);
		if (ret)
			return ret;
	}
	protect_image();
	ret = berth_a64_ranges_start(ram);
	if (ret)
		return ret;

	use_tables(ttbr0_of(berth_a64_linear_l1, PORT_ASID_LINEAR));
	memcpy(banks, ram->banks, ram->nr_banks * sizeof(banks[0]));
	nr_banks = ram->nr_banks;
	last = &ram->mapped[ram->nr_mapped - 1];
	berth_port_linear.virt = ram->mapped[0].base;
	berth_port_linear.phys = ram->mapped[0].base;
	berth_port_linear.size = last->base + last->size - ram->mapped[0].base;
	return 0;
}

void berth_a64_mmu_stop(void)
{
	if (!berth_port_linear.size)
		return;
	berth_a64_ranges_stop();
	use_tables(ttbr0_of(berth_a64_boot_l1, PORT_ASID_BOOT));
	tlbi_asid(PORT_ASID_LINEAR);
	memset(&berth_a64_linear_l1[1], 0,
	       sizeof(berth_a64_linear_l1) - sizeof(berth_a64_linear_l1[0]));
	memset(&berth_port_linear, 0, sizeof(berth_port_linear));
	nr_banks = 0;
}

bool berth_a64_mmu_is_spare(phys_addr_t phys, uint64_t size)
{
	phys_addr_t at = phys & ~(PAGE_BYTES - 1);

	for (; at < phys + size; at += PAGE_BYTES) {
		const uint64_t *leaf = leaf_of(at);

		if (!leaf || *leaf != PTE_NOMAP)
			return false;
	}
	return true;
}

bool berth_a64_mmu_is_ram(phys_addr_t phys, uint64_t size)
{
	for (unsigned int i = 0; i < nr_banks; i++)
		if (phys < banks[i].base + banks[i].size && phys + size > banks[i].base)
			return true;
	return false;
}

bool berth_a64_mmu_is_nomap(phys_addr_t phys)
{
	const uint64_t *leaf = leaf_of(phys);

	return leaf && (*leaf & ~VIEWS) == PTE_NOMAP;
}

bool berth_a64_mmu_is_cached(phys_addr_t phys)
{
	const uint64_t *leaf = leaf_of(phys);

	return leaf &&
	       (*leaf & (PTE_VALID | PTE_NOMAP | PTE_ATTR)) == (PTE_VALID | PTE_ATTR_CACHED);
}

bool berth_a64_mmu_is_remapped(phys_addr_t phys)
{
	const uint64_t *leaf = leaf_of(phys);

	return leaf &&
	       (*leaf & (PTE_VALID | PTE_NOMAP | PTE_ATTR)) == (PTE_VALID | PTE_ATTR_UNCACHED);
}

unsigned int berth_a64_mmu_view(phys_addr_t phys, int more)
{
	uint64_t *leaf = leaf_of(phys);
	unsigned int views = (unsigned int)((*leaf & VIEWS) >> VIEW_SHIFT);

	*leaf = (*leaf & ~VIEWS) | (uint64_t)(views + (unsigned int)more) << VIEW_SHIFT;
	return views;
}

/* Replace entries that may be in a TLB: what is between the two steps must not be touched. */
static void break_and_make(phys_addr_t phys, uint64_t size, bool uncached)
{
	for (phys_addr_t at = phys; at < phys + size; at += PAGE_BYTES)
		*leaf_of(at) &= PTE_NOMAP;
	dsb(ishst);
	tlbi_pages(phys, size);
	for (phys_addr_t at = phys; at < phys + size; at += PAGE_BYTES) {
		uint64_t *leaf = leaf_of(at);

		if (uncached)
			*leaf |= PTE_RAM | PTE_ATTR_UNCACHED | PTE_XN | at;
		else if (!*leaf)
			*leaf = PTE_DATA | at;
	}
	dsb(ishst);
	isb();
}

void *berth_port_remap(phys_addr_t phys, uint64_t size, enum berth_memory_type type)
{
	bool is_nomap = berth_a64_mmu_is_nomap(phys);

	if ((phys | size) & (PAGE_BYTES - 1) || !size || phys + size < phys)
		return NULL;
	if (type != BERTH_MEMORY_UNCACHED && type != BERTH_MEMORY_WRITE_COMBINE)
		return NULL;
	for (phys_addr_t at = phys; at < phys + size; at += PAGE_BYTES) {
		const uint64_t *leaf = leaf_of(at);

		/* A view of it is a second mapping: refused. */
		if (!leaf || *leaf != (is_nomap ? PTE_NOMAP : PTE_DATA | at))
			return NULL;
	}
	break_and_make(phys, size, true);
	/* Through the new mapping: with the old one gone nothing can bring a line back. */
	berth_a64_cache_flush_virt(phys, size);
	return (void *)phys;
}

void berth_port_unremap(void *virt, phys_addr_t phys, uint64_t size)
{
	(void)virt;
	/* No write may still be on its way when the cache starts to hold lines of it. */
	dsb(sy);
	break_and_make(phys, size, false);
}
