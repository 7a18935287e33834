/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The linear map's tables: blocks of 1 GiB and of 2 MiB, split where a part of one becomes another
 * type, and joined when all of it is alike again. What a split needs is taken before anything changes.
 *
 * A live entry is replaced by break-before-make, on every CPU alike (FEAT_BBM's second level does not
 * rule out TLB conflict aborts). Nobody is called away for that: a CPU that uses the block while its entry
 * is invalid takes a fault, on a stack that lies in no block, and tries again when the change is over. So
 * a change waits for nobody, and may be made with interrupts away and under any lock.
 */
#include "internal.h"

#define BLOCK_SHIFT 21
#define TOP_SHIFT 30
#define LEVEL_BITS 9
#define GIB (1ull << TOP_SHIFT)
#define IS_TABLE(entry, shift) ((shift) > PAGE_SHIFT && ((entry)&3) == PTE_TABLE)

struct berth_a64_lock berth_a64_tables_lock;

/* Tables of blocks that were joined while their pages are uncached: to split them must not fail. */
static struct berth_a64_spare kept;

/* Odd while an entry is invalid that will be valid again. */
static uint64_t changes;

static uint64_t *table_of(uint64_t entry)
{
	return (uint64_t *)(uintptr_t)(entry & PTE_ADDRESS);
}

/* Spare tables: each holds the address of the next. */

static void push(struct berth_a64_spare *spare, uint64_t *table)
{
	table[0] = (uintptr_t)spare->first;
	spare->first = table;
	spare->nr++;
}

static uint64_t *pop(struct berth_a64_spare *spare)
{
	uint64_t *table = spare->first;

	spare->first = (uint64_t *)(uintptr_t)table[0];
	spare->nr--;
	return table;
}

bool berth_a64_spare_get(struct berth_a64_spare *spare, unsigned int nr)
{
	while (spare->nr < nr) {
		phys_addr_t page = berth_table_alloc();

		if (!page)
			return false;
		push(spare, (uint64_t *)page);
	}
	return true;
}

void berth_a64_spare_put(struct berth_a64_spare *spare)
{
	while (spare->nr)
		berth_table_free((uintptr_t)pop(spare));
}

bool berth_a64_find(phys_addr_t phys, struct berth_a64_place *place)
{
	uint64_t *table = berth_a64_linear_l1;

	if (phys >= 512 * GIB)
		return false;
	for (place->shift = TOP_SHIFT;; place->shift -= LEVEL_BITS) {
		place->entry = &table[phys >> place->shift & 511];
		if (!IS_TABLE(*place->entry, place->shift))
			return true;
		table = table_of(*place->entry);
	}
}

/* Whether the MMU translates an address now. Also in the middle of somebody's own AT. */
bool berth_a64_translates(uintptr_t virt, bool is_write)
{
	uint64_t before = read_sysreg("par_el1"), par;

	isb();
	if (is_write)
		__asm__ volatile("at s1e1w, %0" ::"r"(virt) : "memory");
	else
		__asm__ volatile("at s1e1r, %0" ::"r"(virt) : "memory");
	isb();
	par = read_sysreg("par_el1");
	write_sysreg("par_el1", before);
	return !(par & 1);
}

/* After a fault: wait until no change is under way. Return: whether it was one that has passed. */
bool berth_a64_settles(uintptr_t virt, bool is_write)
{
	uint64_t seen;
	bool translates;

	do {
		while ((seen = __atomic_load_n(&changes, __ATOMIC_ACQUIRE)) & 1)
			berth_port_relax();
		translates = berth_a64_translates(virt, is_write);
	} while (__atomic_load_n(&changes, __ATOMIC_ACQUIRE) != seen);
	return translates;
}

/* From break to make nothing but registers is used: the stack may lie in the block. */
#define BREAK_AND_MAKE(entry, value, tlbi, operand)                                             \
	({                                                                                      \
		uint64_t daif_;                                                                 \
		__asm__ volatile("mrs %0, daif\n\tmsr daifset, #15\n\t"                         \
				 "str xzr, [%1]\n\tdsb ishst\n\t" tlbi "\n\tdsb ish\n\tisb\n\t" \
				 "str %2, [%1]\n\tdsb ishst\n\tisb\n\tmsr daif, %0"             \
				 : "=&r"(daif_)                                                 \
				 : "r"(entry), "r"(value), "r"((uint64_t)(operand))             \
				 : "memory");                                                   \
	})

/* With the lock. Replace the entry of a block by a table that says the same, or the other way. */
static void replace(const struct berth_a64_place *place, phys_addr_t phys, uint64_t value)
{
	const uint64_t asid = (uint64_t)PORT_ASID_LINEAR << 48;
	phys_addr_t table = (uintptr_t)place->entry & ~(PAGE_BYTES - 1);
	bool is_inside = table >> place->shift == phys >> place->shift;
	uint64_t *entry = place->entry;

	/* Where the block's own entry lies in the block it is written at another address. */
	if (is_inside)
		entry = (uint64_t *)(berth_a64_window_open(table) +
				     ((uintptr_t)place->entry & (PAGE_BYTES - 1)));
	__atomic_store_n(&changes, changes + 1, __ATOMIC_RELAXED);
	dsb(ish);
	/* A table may have left an entry for each of its pages in a TLB. */
	if (IS_TABLE(*place->entry, place->shift))
		BREAK_AND_MAKE(entry, value, "tlbi aside1is, %3", asid);
	else
		BREAK_AND_MAKE(entry, value, "tlbi vae1is, %3", asid | phys >> 12);
	__atomic_store_n(&changes, changes + 1, __ATOMIC_RELEASE);
	if (is_inside)
		berth_a64_window_close();
}

void berth_a64_table_fill(uint64_t *table, const struct berth_a64_place *parent)
{
	uint64_t entry = *parent->entry & ~PTE_KEPT, step = 0;

	if (entry & PTE_VALID) {
		step = 1ull << (parent->shift - LEVEL_BITS);
		if (step == PAGE_BYTES)
			entry |= PTE_PAGE;
	}
	for (unsigned int i = 0; i < 512; i++)
		table[i] = entry + i * step;
}

/* With the lock. */
static void split(const struct berth_a64_place *place, phys_addr_t phys,
		  struct berth_a64_spare *spare)
{
	uint64_t *table = pop(*place->entry & PTE_KEPT ? &kept : spare);
	uint64_t value = (uintptr_t)table | PTE_LENT | PTE_TABLE;

	berth_a64_table_fill(table, place);
	dsb(ishst);
	if (*place->entry & PTE_VALID)
		replace(place, phys, value);
	else
		*place->entry = value;
	dsb(ishst);
	isb();
}

/* A border between two types that lies in an entry cuts it. */
static bool is_cut(const struct berth_a64_place *place, phys_addr_t border)
{
	return *place->entry && border & ((1ull << place->shift) - 1);
}

/* Those not counted that the split at an earlier border, @phys, makes in any case. */
static unsigned int tables_for(phys_addr_t border, phys_addr_t phys)
{
	struct berth_a64_place place;
	unsigned int nr = 0;

	if (!berth_a64_find(border, &place) || *place.entry & PTE_KEPT)
		return 0;
	for (; is_cut(&place, border); place.shift -= LEVEL_BITS)
		nr += !is_cut(&place, phys) || phys >> place.shift != border >> place.shift;
	return nr;
}

unsigned int berth_a64_tables_needed(phys_addr_t phys, uint64_t size)
{
	return tables_for(phys, 0) + tables_for(phys + size, phys);
}

unsigned int berth_a64_tables_needed_pages(phys_addr_t phys, uint64_t size)
{
	struct berth_a64_place place;
	unsigned int nr = 0;

	for (phys_addr_t at = phys; at < phys + size; at = (at | ((1ull << BLOCK_SHIFT) - 1)) + 1) {
		if (!berth_a64_find(at, &place))
			break;
		nr += place.shift > PAGE_SHIFT && !(*place.entry & PTE_KEPT);
		/* One for the GiB: at its first block, or at the first that is asked for. */
		nr += place.shift == TOP_SHIFT && (at == phys || !(at & (GIB - 1)));
	}
	return nr;
}

static void split_at(phys_addr_t border, struct berth_a64_spare *spare)
{
	struct berth_a64_place place;

	while (berth_a64_find(border, &place) && is_cut(&place, border))
		split(&place, border, spare);
}

void berth_a64_split(phys_addr_t phys, uint64_t size, struct berth_a64_spare *spare)
{
	split_at(phys, spare);
	split_at(phys + size, spare);
}

void berth_a64_split_pages(phys_addr_t phys, uint64_t size, struct berth_a64_spare *spare)
{
	struct berth_a64_place place;

	for (phys_addr_t at = phys; at < phys + size; at = (at | ((1ull << BLOCK_SHIFT) - 1)) + 1)
		while (berth_a64_find(at, &place) && place.shift > PAGE_SHIFT)
			split(&place, at, spare);
}

/* The entry above @place in a table that is not of boot; false if there is none. */
static bool find_parent(phys_addr_t phys, unsigned int shift, struct berth_a64_place *parent)
{
	uint64_t *table = berth_a64_linear_l1;

	for (parent->shift = TOP_SHIFT;; parent->shift -= LEVEL_BITS) {
		parent->entry = &table[phys >> parent->shift & 511];
		if (!IS_TABLE(*parent->entry, parent->shift))
			return false;
		if (parent->shift == shift + LEVEL_BITS)
			return *parent->entry & PTE_LENT;
		table = table_of(*parent->entry);
	}
}

/* With the lock. What differed the last time most likely still does: it is looked at first. */
static bool are_alike(const uint64_t *table, uint64_t step)
{
	static unsigned int last;
	uint64_t expected = table[0];

	if (table[last] != expected + last * step)
		return false;
	for (unsigned int i = 0; i < 512; i++, expected += step)
		if (table[i] != expected) {
			last = i;
			return false;
		}
	return true;
}

/* What an entry says that can take the place of a table whose entries are these; 0: none can. */
static uint64_t joined(const uint64_t *table, unsigned int shift)
{
	uint64_t first = table[0], step = first & PTE_VALID ? 1ull << shift : 0;

	if (IS_TABLE(first, shift) || (!step && first != PTE_NOMAP) || !are_alike(table, step))
		return 0;
	if (!step)
		return first;
	if ((first & (PTE_ATTR | PTE_NOMAP)) != PTE_ATTR_CACHED) {
		/* It must come apart again when half of it is given back. */
		if (shift > PAGE_SHIFT)
			return 0;
		first |= PTE_KEPT;
	}
	return (first & ~(uint64_t)PTE_PAGE) | PTE_BLOCK;
}

static void join_at(phys_addr_t phys, struct berth_a64_spare *spare)
{
	struct berth_a64_place parent;

	for (unsigned int shift = PAGE_SHIFT; shift < TOP_SHIFT; shift += LEVEL_BITS) {
		uint64_t *table, value;

		if (!find_parent(phys, shift, &parent))
			continue;
		table = table_of(*parent.entry);
		value = joined(table, shift);
		if (!value)
			return;
		replace(&parent, phys, value);
		push(value & PTE_KEPT ? &kept : spare, table);
	}
}

void berth_a64_join(phys_addr_t phys, uint64_t size, struct berth_a64_spare *spare)
{
	for (phys_addr_t at = phys; at < phys + size; at = (at | ((1ull << BLOCK_SHIFT) - 1)) + 1)
		join_at(at, spare);
}

void berth_a64_unkeep(struct berth_a64_spare *spare)
{
	push(spare, pop(&kept));
}

void berth_a64_split_stop(void)
{
	kept = (struct berth_a64_spare){ 0 };
}
