// SPDX-License-Identifier: BSD-2-Clause
/* Mapping, and looking up where an address leads. */
#include "iommu/pgtable.h"

#include "lib/error.h"

/*
 * struct run - what is still to be mapped
 * @level: of the table that its entries are in
 * @bits: of an entry, without its address
 */
struct run {
	dma_addr_t iova;
	phys_addr_t paddr;
	uint64_t count;
	uint64_t bits;
	unsigned int level;
	gfp_t gfp;
};

/* What became of a step: how many entries, a negative errno value, or this: from the root again. */
#define AGAIN 0

/* A link to a new table in the place of @old, which is empty or a marker. */
static long add_table(struct visit *visit, const struct run *run, uint64_t *table, uint64_t *entry,
		      uint64_t old, unsigned int level)
{
	struct pgtable *pt = visit->pt;
	uint64_t *new = berth_pgtable_new(pt, run->gfp), link;

	if (!new) {
		/* Perhaps nothing is in the one above, either. */
		visit->empty = place_of(pt, run->iova, level);
		return -ENOMEM;
	}
	if (old)
		flush_walk(pt, run->iova, 1ULL << level_shift(pt, level));
	else if (__atomic_fetch_add(count_of(pt, table), 1, __ATOMIC_ACQ_REL) & PGTABLE_DEAD)
		old = UINT64_MAX;
	link = encode(pt, virt_to_phys(new)) | pt->format->link;
	if (old == UINT64_MAX || !__atomic_compare_exchange_n(entry, &old, link, false,
							      __ATOMIC_ACQ_REL, __ATOMIC_ACQUIRE)) {
		berth_pgtable_discard(pt, new);
		return -EAGAIN;
	}
	if (pt->clean) {
		clean_entries(pt, entry, 1);
		__atomic_compare_exchange_n(entry, &link, link | pt->format->synced, false,
					    __ATOMIC_RELEASE, __ATOMIC_RELAXED);
	}
	return 1;
}

/* Somebody else has linked the table; it is not known that the IOMMU sees that. */
static void sync_link(const struct pgtable *pt, uint64_t *entry, uint64_t link)
{
	clean_entries(pt, entry, 1);
	__atomic_compare_exchange_n(entry, &link, link | pt->format->synced, false,
				    __ATOMIC_RELEASE, __ATOMIC_RELAXED);
}

/* What is above the table, at @entry of @level, is no link: make it one. 1, or the end of the step. */
static long extend(struct visit *visit, const struct run *run, uint64_t *table, uint64_t *entry,
		   uint64_t old, unsigned int level)
{
	struct pgtable *pt = visit->pt;
	long ret;

	if (old & pt->format->valid)
		return berth_fail_at(-EEXIST, BERTH_REASON_ARGUMENT,
				     "map_pages: in a block that is mapped", run->iova);
	ret = add_table(visit, run, table, entry, old, level);
	if (ret != -EAGAIN)
		return ret;
	/* Not counted if there was a marker. If the table is dead, its count does not matter. */
	if (!old)
		berth_pgtable_uncount(visit, table, 1, run->iova, level);
	return AGAIN;
}

/* The table of the run's level; in *@ret, if it is NULL, why. */
static uint64_t *table_for(struct visit *visit, const struct run *run, long *ret)
{
	struct pgtable *pt = visit->pt;
	uint64_t *table = pt->root, *entry, value;

	for (unsigned int level = pt->top; level > run->level; level--) {
		entry = &table[table_index(pt, run->iova, level)];
		value = read_entry(entry);
		if (__builtin_expect(!is_link(pt->format, value, level), 0)) {
			*ret = extend(visit, run, table, entry, value, level);
			if (*ret != 1)
				return NULL;
			value = read_entry(entry);
			/* Gone again already? */
			if (!is_link(pt->format, value, level)) {
				*ret = AGAIN;
				return NULL;
			}
		} else if (pt->clean && !(value & pt->format->synced)) {
			sync_link(pt, entry, value);
		}
		table = table_at(pt, value);
	}
	return table;
}

/* How many of @nr entries are empty, up to the first that is not. */
static uint64_t count_empty(const uint64_t *entry, uint64_t nr, unsigned int level)
{
	uint64_t n = 0;

	/* Nobody else writes entries of these pages, so plain loads do. */
	while (!level && n + 8 <= nr &&
	       !(entry[n] | entry[n + 1] | entry[n + 2] | entry[n + 3] | entry[n + 4] |
		 entry[n + 5] | entry[n + 6] | entry[n + 7]))
		n += 8;
	while (n < nr && !read_entry(&entry[n]))
		n++;
	return n;
}

static inline void write_entry(uint64_t *entry, uint64_t value)
{
	__atomic_store_n(entry, value, __ATOMIC_RELAXED);
}

static void write_run(const struct pgtable *pt, uint64_t *entry, const struct run *run, uint64_t nr)
{
	uint64_t size = 1ULL << level_shift(pt, run->level), step = size >> pt->shape.address_right;
	uint64_t value = encode(pt, run->paddr) | run->bits;

	if (pt->shape.high) {
		for (uint64_t i = 0; i < nr; i++)
			write_entry(&entry[i], encode(pt, run->paddr + i * size) | run->bits);
		return;
	}
	for (; nr >= 8; nr -= 8, entry += 8) {
		write_entry(&entry[0], value);
		write_entry(&entry[1], value += step);
		write_entry(&entry[2], value += step);
		write_entry(&entry[3], value += step);
		write_entry(&entry[4], value += step);
		write_entry(&entry[5], value += step);
		write_entry(&entry[6], value += step);
		write_entry(&entry[7], value += step);
		value += step;
	}
	for (; nr; nr--, value += step)
		write_entry(entry++, value);
}

/*
 * One block in the place of what is not empty; its entry is counted twice. A table goes, with all
 * that it leads to; of a marker the IOMMU forgets what it stands for.
 */
static long replace_entry(struct visit *visit, const struct run *run, uint64_t *table,
			  uint64_t *entry)
{
	struct pgtable *pt = visit->pt;
	uint64_t old = read_entry(entry), size = 1ULL << level_shift(pt, run->level);
	uint64_t block = encode(pt, run->paddr) | run->bits, *child = NULL;
	bool done = false;

	if (old & pt->format->valid && !is_link(pt->format, old, run->level)) {
		berth_pgtable_uncount(visit, table, 1, run->iova, run->level);
		return berth_fail_at(-EEXIST, BERTH_REASON_ARGUMENT,
				     "map_pages: where something is mapped", run->iova);
	}
	if (is_link(pt->format, old, run->level)) {
		uint64_t marker = berth_pgtable_marker(pt), link = old;
		unsigned long flags;

		/* Who takes out empty tables must not take this one out as well. */
		spin_lock_irqsave(&pt->lock, flags);
		if (__atomic_compare_exchange_n(entry, &link, marker, false, __ATOMIC_SEQ_CST,
						__ATOMIC_RELAXED)) {
			child = table_at(pt, old);
			__atomic_fetch_or(count_of(pt, child), PGTABLE_DEAD, __ATOMIC_ACQ_REL);
		}
		spin_unlock_irqrestore(&pt->lock, flags);
		clean_entries(pt, entry, 1);
		old = child ? marker : 0;
	}
	if (old) {
		flush_walk(pt, run->iova, size);
		done = __atomic_compare_exchange_n(entry, &old, block, false, __ATOMIC_RELEASE,
						   __ATOMIC_RELAXED);
		clean_entries(pt, entry, 1);
	}
	/* Done: the block is counted as what was there. Else: tried again. */
	berth_pgtable_uncount(visit, table, 1, run->iova, run->level);
	if (child)
		berth_pgtable_retire(pt, child, run->level - 1);
	return done;
}

/* One step: the entries of one table. Return: how many were written, or AGAIN, or why none was. */
static inline long map_run(struct visit *visit, const struct run *run)
{
	struct pgtable *pt = visit->pt;
	unsigned int index = table_index(pt, run->iova, run->level);
	uint64_t room = (1ULL << pt->shape.bits) - index;
	uint64_t nr = run->count < room ? run->count : room, empty = nr, before, *table;
	long ret = AGAIN;

	table = table_for(visit, run, &ret);
	if (!table)
		return ret;
	before = __atomic_fetch_add(count_of(pt, table), nr, __ATOMIC_ACQ_REL);
	if (__builtin_expect(before & PGTABLE_DEAD, 0)) {
		__atomic_fetch_sub(count_of(pt, table), nr, __ATOMIC_RELAXED);
		return AGAIN;
	}
	/* In a table in which nothing was counted all is empty. */
	if ((uint32_t)before)
		empty = count_empty(&table[index], nr, run->level);
	if (__builtin_expect(!empty, 0)) {
		if (nr > 1)
			berth_pgtable_uncount(visit, table, nr - 1, run->iova, run->level);
		return replace_entry(visit, run, table, &table[index]);
	}
	write_run(pt, &table[index], run, empty);
	if (empty < nr)
		berth_pgtable_uncount(visit, table, nr - empty, run->iova, run->level);
	clean_entries(pt, &table[index], empty);
	return (long)empty;
}

static int check_map(const struct pgtable *pt, dma_addr_t iova, phys_addr_t paddr, uint64_t pgsize,
		     uint64_t pgcount, int prot)
{
	uint64_t pages = pgcount - 1;

	if (!(pgsize & pt->cfg.pgsize_bitmap) || pgsize & (pgsize - 1))
		return berth_fail_at(-EINVAL, BERTH_REASON_ARGUMENT, "map_pages: page size",
				     pgsize);
	if ((iova | paddr) & (pgsize - 1))
		return berth_fail_at(-EINVAL, BERTH_REASON_ARGUMENT, "map_pages: alignment",
				     iova & (pgsize - 1) ? iova : paddr);
	if (!(prot & (IOMMU_READ | IOMMU_WRITE)))
		return berth_fail_at(-EINVAL, BERTH_REASON_ARGUMENT, "map_pages: protection",
				     (uint64_t)prot);
	if (!pgcount)
		return berth_fail_at(-EINVAL, BERTH_REASON_ARGUMENT, "map_pages: no pages", iova);
	if (iova > pt->last_iova || pages > (pt->last_iova - iova) / pgsize) {
		berth_error_set(-ERANGE, BERTH_REASON_MASK, "map_pages: the device");
		berth_port_error()->address = iova;
		berth_port_error()->limit = pt->last_iova;
		return -ERANGE;
	}
	if (paddr > pt->last_phys || pages > (pt->last_phys - paddr) / pgsize) {
		berth_error_set(-ERANGE, BERTH_REASON_MASK, "map_pages: the IOMMU");
		berth_port_error()->address = paddr;
		berth_port_error()->limit = pt->last_phys;
		return -ERANGE;
	}
	return 0;
}

int berth_pgtable_map(struct io_pgtable_ops *ops, dma_addr_t iova, phys_addr_t paddr, size_t pgsize,
		      size_t pgcount, int prot, gfp_t gfp, size_t *mapped)
{
	struct pgtable *pt = container_of(ops, struct pgtable, ops);
	int ret = check_map(pt, iova, paddr, pgsize, pgcount, prot);
	struct visit visit = { .pt = pt };
	struct run run;

	if (ret)
		return ret;
	run = (struct run){
		.iova = iova,
		.paddr = paddr,
		.count = pgcount,
		.level = level_of(pt, pgsize),
		.gfp = gfp,
	};
	run.bits = pt->format->leaf(prot) | (run.level ? pt->format->block : pt->format->page);
	while (run.count) {
		long nr;

		visit_enter(&visit, pt);
		nr = map_run(&visit, &run);
		berth_pgtable_leave(&visit, nr < 0);
		if (nr < 0)
			return (int)nr;
		if (nr == AGAIN)
			berth_port_relax();
		if (mapped)
			*mapped += (size_t)nr * pgsize;
		run.iova += (uint64_t)nr * pgsize;
		run.paddr += (uint64_t)nr * pgsize;
		run.count -= (uint64_t)nr;
	}
	berth_pgtable_free_retired(pt);
	return 0;
}

phys_addr_t berth_pgtable_iova_to_phys(struct io_pgtable_ops *ops, dma_addr_t iova)
{
	struct pgtable *pt = container_of(ops, struct pgtable, ops);
	phys_addr_t phys = BERTH_PHYS_NONE;
	unsigned int level = pt->top, shift = level_shift(pt, level);
	uint64_t *table = pt->root, entry;
	struct visit visit;

	if (iova > pt->last_iova)
		return phys;
	visit_enter(&visit, pt);
	for (;;) {
		entry = read_entry(&table[(iova >> shift) & ((1u << pt->shape.bits) - 1)]);
		if (!is_link(pt->format, entry, level))
			break;
		table = table_at(pt, entry);
		shift -= pt->shape.bits;
		level--;
	}
	if (entry & pt->format->valid)
		phys = decode(pt, entry) | (iova & ((1ULL << shift) - 1));
	visit_leave(&visit);
	return phys;
}
