/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The maps of RAM. At boot: the image, and then all RAM in blocks. Between berth_port_ram() and
 * berth_port_stop(): the largest blocks that there can be, each at its own address; split.c divides
 * them where the type of a part changes. Each map has an ASID, and no entry of either is
 * global: a CPU goes from one to the other by one write of TTBR0.
 *
 * RAM that is not mapped has an entry all the same, which says that RAM is there.
 */
#include "internal.h"

#define PTE_RAM ((uint64_t)(PTE_BLOCK | PTE_INNER | PTE_AF | PTE_NG))
#define PTE_DATA (PTE_RAM | PTE_ATTR_CACHED | PTE_XN)
/* In the entry of such a page: how many cached mappings range.c has made of it. */
#define VIEW_SHIFT 2
#define VIEWS (0xffffull << VIEW_SHIFT)
#define GIB (1ull << 30)
#define BLOCK (1ull << 21)
#define MAX_BANKS 16
/* From here on one invalidation of everything is cheaper than one per entry. */
#define TLBI_ALL_ENTRIES 64
/* Tables for RAM outside the linear map are made at start as long as they take no more of it. */
#define NOMAP_SHARE 64

struct berth_port_linear berth_port_linear;

static struct berth_range banks[MAX_BANKS];
static unsigned int nr_banks;
static uint32_t switching;

/* What all CPUs use. */
uint64_t berth_a64_ttbr0;

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

static uint64_t size_of(const struct berth_a64_place *place)
{
	return 1ull << place->shift;
}

/* What an entry at some level has besides the type: block or page, and where. */
static uint64_t leaf_bits(phys_addr_t phys, const struct berth_a64_place *place)
{
	return (phys & ~(size_of(place) - 1)) | (place->shift == PAGE_SHIFT ? PTE_PAGE : PTE_BLOCK);
}

/* While nobody uses the map. */
static int grow(const struct berth_a64_place *place, const struct berth_port_ram *ram)
{
	phys_addr_t page = ram->alloc_page();

	if (!page)
		return -ENOMEM;
	berth_a64_table_fill((uint64_t *)page, place);
	*place->entry = page | PTE_TABLE;
	return 0;
}

/* Have a range read as @bits, and its address if that makes it valid. */
static int fill(const struct berth_range *range, uint64_t bits, const struct berth_port_ram *ram)
{
	phys_addr_t at = range->base, end = range->base + range->size;
	struct berth_a64_place place;

	while (at < end && berth_a64_find(at, &place)) {
		if (at & (size_of(&place) - 1) || end - at < size_of(&place)) {
			if (grow(&place, ram))
				return -ENOMEM;
			continue;
		}
		*place.entry = bits & PTE_VALID ? bits | leaf_bits(at, &place) : bits;
		at += size_of(&place);
	}
	return 0;
}

/* So that mapping RAM outside the linear map takes no memory, if there is not too much of it. */
static int prepare_nomap(const struct berth_range *bank, uint64_t *nr,
			 const struct berth_port_ram *ram)
{
	phys_addr_t at = bank->base, end = bank->base + bank->size;
	struct berth_a64_place place;

	while (at < end && *nr && berth_a64_find(at, &place)) {
		if (*place.entry == PTE_NOMAP && place.shift > PAGE_SHIFT) {
			if (grow(&place, ram))
				return -ENOMEM;
			--*nr;
			continue;
		}
		at = (at | (size_of(&place) - 1)) + 1;
	}
	return 0;
}

static int check_ranges(const struct berth_range *ranges, unsigned int nr)
{
	for (unsigned int i = 0; i < nr; i++) {
		phys_addr_t base = ranges[i].base, size = ranges[i].size;

		if ((base | size) & (PAGE_BYTES - 1) || !size || base >= 512 * GIB ||
		    size > 512 * GIB - base)
			return -EINVAL;
	}
	return nr ? 0 : -EINVAL;
}

static int set_page(uintptr_t at, uint64_t bits, const struct berth_port_ram *ram)
{
	const struct berth_range page = { at, PAGE_BYTES };
	struct berth_a64_place place;

	return berth_a64_find(at, &place) && *place.entry ? fill(&page, bits, ram) : 0;
}

/*
 * Text is read-only, only text can be executed, and below each stack is a hole. There is nothing at
 * NULL, be it RAM.
 */
static int protect_image(const struct berth_port_ram *ram)
{
	int err = set_page(0, 0, ram);

	for (uintptr_t at = (uintptr_t)__image_start; at < (uintptr_t)__rodata_end && !err;
	     at += PAGE_BYTES) {
		uint64_t xn = at < (uintptr_t)__text_end ? PTE_UXN : PTE_XN;

		err = set_page(at, PTE_RAM | PTE_ATTR_CACHED | PTE_RO | xn, ram);
	}
	for (unsigned int i = 0; i < BERTH_PORT_MAX_SLOTS && !err; i++)
		err = set_page((uintptr_t)berth_a64_stacks[i], 0, ram);
	return err;
}

/* The tables of the linear map, which nobody uses yet. */
static int build(const struct berth_port_ram *ram)
{
	uint64_t mapped = 0, nr_tables;
	int err = 0;

	memset(berth_a64_linear_l1, 0, sizeof(berth_a64_linear_l1));
	for (unsigned int i = 0; i < ram->nr_banks && !err; i++)
		err = fill(&ram->banks[i], PTE_NOMAP, ram);
	for (unsigned int i = 0; i < ram->nr_mapped && !err; i++) {
		err = fill(&ram->mapped[i], PTE_DATA, ram);
		mapped += ram->mapped[i].size;
	}
	if (!err)
		err = protect_image(ram);
	nr_tables = mapped / NOMAP_SHARE / PAGE_BYTES;
	for (unsigned int i = 0; i < ram->nr_banks && !err; i++)
		err = prepare_nomap(&ram->banks[i], &nr_tables, ram);
	return err ? err : berth_a64_ranges_start(ram, mapped);
}

/* Load what all CPUs are to use. */
void berth_a64_mmu_adopt(void)
{
	uint64_t ttbr0 = __atomic_load_n(&berth_a64_ttbr0, __ATOMIC_SEQ_CST);

	write_sysreg("ttbr0_el1", ttbr0);
	isb();
	__atomic_store_n(&this_cpu()->ttbr0, ttbr0, __ATOMIC_SEQ_CST);
}

/* Nobody changes tables, or starts a CPU, meanwhile. Interrupts are let through: others may wait. */
void berth_a64_mmu_hold(void)
{
	while (__atomic_exchange_n(&switching, 1, __ATOMIC_ACQUIRE))
		berth_port_relax();
}

void berth_a64_mmu_release(void)
{
	__atomic_store_n(&switching, 0, __ATOMIC_RELEASE);
}

/* On every CPU that is online, in whatever function it is. */
static void use_tables(uint64_t ttbr0)
{
	uint32_t others;

	dsb(ish);
	berth_a64_mmu_hold();
	__atomic_store_n(&berth_a64_ttbr0, ttbr0, __ATOMIC_SEQ_CST);
	berth_a64_mmu_adopt();
	others = berth_a64_cpus_online() & ~(1u << berth_port_slot());
	if (others)
		berth_a64_irq_broadcast(PORT_SGI_TABLES);
	for (unsigned int i = 0; i < BERTH_PORT_MAX_SLOTS; i++)
		while (others & 1u << i &&
		       __atomic_load_n(&berth_a64_cpus[i].ttbr0, __ATOMIC_SEQ_CST) != ttbr0)
			berth_port_relax();
	berth_a64_mmu_release();
}

void berth_a64_mmu_init_cpu(void)
{
	if (!berth_a64_ttbr0)
		berth_a64_ttbr0 = ttbr0_of(berth_a64_boot_l1, PORT_ASID_BOOT);
	berth_a64_mmu_adopt();
}

static void add_boot_block(uint64_t *entry, phys_addr_t at)
{
	if (!(*entry & PTE_VALID))
		*entry = at | PORT_BOOT_BLOCK | PTE_XN;
}

/* Have the map of boot show a bank as well. What is no RAM, as far as may be, it does not show. */
static void extend_boot(const struct berth_range *bank)
{
	phys_addr_t at = bank->base & ~(BLOCK - 1), end = bank->base + bank->size;

	for (; at < end && at < PORT_BOOT_GIBS * GIB; at += BLOCK) {
		uint64_t gib = at / GIB;

		berth_a64_boot_l1[gib] = (uintptr_t)&berth_a64_boot_l2[512 * gib] | PTE_TABLE;
		add_boot_block(&berth_a64_boot_l2[at / BLOCK], at);
	}
	for (at &= ~(GIB - 1); at < end; at += GIB)
		add_boot_block(&berth_a64_boot_l1[at / GIB], at);
	dsb(ishst);
	isb();
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
	for (unsigned int i = 0; i < ram->nr_banks; i++)
		extend_boot(&ram->banks[i]);
	ret = build(ram);
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
	berth_a64_split_stop();
	use_tables(ttbr0_of(berth_a64_boot_l1, PORT_ASID_BOOT));
	tlbi_asid(PORT_ASID_LINEAR);
	memset(berth_a64_linear_l1, 0, sizeof(berth_a64_linear_l1));
	memset(&berth_port_linear, 0, sizeof(berth_port_linear));
	nr_banks = 0;
}

bool berth_a64_mmu_is_spare(phys_addr_t phys, uint64_t size)
{
	unsigned long flags = berth_a64_lock(&berth_a64_tables_lock);
	struct berth_a64_place place;
	phys_addr_t at = phys;
	bool is_spare = true;

	while (at < phys + size && is_spare) {
		is_spare = berth_a64_find(at, &place) && *place.entry == PTE_NOMAP;
		at = is_spare ? (at | (size_of(&place) - 1)) + 1 : at;
	}
	berth_a64_unlock(&berth_a64_tables_lock, flags);
	return is_spare;
}

bool berth_a64_mmu_is_ram(phys_addr_t phys, uint64_t size)
{
	for (unsigned int i = 0; i < nr_banks; i++)
		if (phys < banks[i].base + banks[i].size && phys + size > banks[i].base)
			return true;
	return false;
}

enum berth_a64_kind berth_a64_kind_of(phys_addr_t phys)
{
	struct berth_a64_place place;

	if (!berth_a64_find(phys, &place) || !*place.entry)
		return RAM_NONE;
	if ((*place.entry & ~VIEWS) == PTE_NOMAP)
		return RAM_NOMAP;
	if (!(*place.entry & PTE_VALID) || *place.entry & PTE_NOMAP)
		return RAM_NONE;
	return *place.entry & PTE_ATTR ? RAM_UNCACHED : RAM_CACHED;
}

unsigned int berth_a64_mmu_view(phys_addr_t phys, int more)
{
	struct berth_a64_place place;
	unsigned int views;

	berth_a64_find(phys, &place);
	views = (unsigned int)((*place.entry & VIEWS) >> VIEW_SHIFT);
	if (more)
		*place.entry = (*place.entry & ~VIEWS) | (uint64_t)(views + (unsigned int)more)
								 << VIEW_SHIFT;
	return views;
}

/* With the lock. All of it not in the linear map, without a view; or all in it, as it was made. */
static bool is_plain(phys_addr_t phys, uint64_t size)
{
	bool is_nomap = berth_a64_kind_of(phys) == RAM_NOMAP;
	struct berth_a64_place place;

	for (phys_addr_t at = phys; at < phys + size; at = (at | (size_of(&place) - 1)) + 1)
		if (!berth_a64_find(at, &place) ||
		    *place.entry != (is_nomap ? PTE_NOMAP : PTE_DATA | leaf_bits(at, &place)))
			return false;
	return true;
}

static bool is_remapped(phys_addr_t phys, uint64_t size)
{
	struct berth_a64_place place;

	for (phys_addr_t at = phys; at < phys + size; at = (at | (size_of(&place) - 1)) + 1)
		if (!berth_a64_find(at, &place) ||
		    (*place.entry & (PTE_VALID | PTE_ATTR)) != (PTE_VALID | PTE_ATTR_UNCACHED))
			return false;
	return true;
}

/* With the lock, and no entry reaching beyond the range. Nobody uses it between the two steps. */
static void break_and_make(phys_addr_t phys, uint64_t size, bool uncached,
			   struct berth_a64_spare *spare)
{
	unsigned int nr = 0;
	struct berth_a64_place place;

	for (phys_addr_t at = phys; at < phys + size; at += size_of(&place), nr++) {
		berth_a64_find(at, &place);
		if (*place.entry & PTE_KEPT)
			berth_a64_unkeep(spare);
		*place.entry &= PTE_NOMAP;
	}
	dsb(ishst);
	for (phys_addr_t at = phys; at < phys + size && nr <= TLBI_ALL_ENTRIES;
	     at += size_of(&place)) {
		berth_a64_find(at, &place);
		__asm__ volatile(
			"tlbi vae1is, %0" ::"r"((uint64_t)PORT_ASID_LINEAR << 48 | at >> 12)
			: "memory");
	}
	if (nr > TLBI_ALL_ENTRIES)
		tlbi_asid(PORT_ASID_LINEAR);
	dsb(ish);
	isb();
	for (phys_addr_t at = phys; at < phys + size; at += size_of(&place)) {
		berth_a64_find(at, &place);
		if (uncached)
			*place.entry |= PTE_RAM | PTE_ATTR_UNCACHED | PTE_XN |
					leaf_bits(at, &place);
		else if (!*place.entry)
			*place.entry = PTE_DATA | leaf_bits(at, &place);
	}
	dsb(ishst);
	isb();
}

/* With the lock. */
static void change(phys_addr_t phys, uint64_t size, bool uncached, struct berth_a64_spare *spare)
{
	berth_a64_split(phys, size, spare);
	break_and_make(phys, size, uncached, spare);
	berth_a64_join(phys, size, spare);
}

void *berth_port_remap(phys_addr_t phys, uint64_t size, enum berth_memory_type type)
{
	struct berth_a64_spare spare = { 0 };
	unsigned int needed;
	unsigned long flags;
	bool is_done;

	if ((phys | size) & (PAGE_BYTES - 1) || !size || phys + size < phys)
		return NULL;
	if (type != BERTH_MEMORY_UNCACHED && type != BERTH_MEMORY_WRITE_COMBINE)
		return NULL;
	/* Tables first, without the lock; what is needed may change meanwhile. */
	do {
		flags = berth_a64_lock(&berth_a64_tables_lock);
		needed = berth_a64_tables_needed(phys, size);
		is_done = is_plain(phys, size) && needed <= spare.nr;
		if (is_done)
			change(phys, size, true, &spare);
		else if (!is_plain(phys, size))
			needed = 0;
		berth_a64_unlock(&berth_a64_tables_lock, flags);
	} while (!is_done && needed && berth_a64_spare_get(&spare, needed));
	berth_a64_spare_put(&spare);
	if (!is_done)
		return NULL;
	/* Through the new mapping: with the old one gone nothing can bring a line back. */
	berth_a64_cache_flush_virt(phys, size);
	return (void *)phys;
}

void berth_port_unremap(void *virt, phys_addr_t phys, uint64_t size)
{
	struct berth_a64_spare spare = { 0 };
	unsigned long flags;

	(void)virt;
	/* No write may still be on its way when the cache starts to hold lines of it. */
	dsb(sy);
	flags = berth_a64_lock(&berth_a64_tables_lock);
	/* What was taken together is never in a block with more, unless a table is kept for that. */
	if (is_remapped(phys, size) && !berth_a64_tables_needed(phys, size))
		change(phys, size, false, &spare);
	berth_a64_unlock(&berth_a64_tables_lock, flags);
	berth_a64_spare_put(&spare);
}
