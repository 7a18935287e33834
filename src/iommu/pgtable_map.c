// SPDX-License-Identifier: BSD-2-Clause
/* Mapping, and looking up where an address leads. */
#include "iommu/pgtable.h"

#include "lib/error.h"

/*
 * struct run - what is still to be mapped
 * @level: of the table that its entries are in
 * @shift: log2 of what each of them maps
 * @bits: of an entry, without its address
 */
struct run {
	dma_addr_t iova;
	phys_addr_t paddr;
	uint64_t count;
	uint64_t bits;
	unsigned int level;
	unsigned int shift;
	gfp_t gfp;
};

/* What became of a step: how many entries, a negative errno value, or this: from the root again. */
#define AGAIN 0

/* A link to a new table in the place of @old, which is empty or a marker. */
static long add_table(struct visit *visit, const struct run *run, uint64_t *table, uint64_t *entry,
		      uint64_t old, unsigned int level)
{
	struct pgtable *pt = visit->pt;
	uint64_t *new = berth_pgtable_new(pt, run->iova, level - 1, run->gfp), link;

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

/* The table of the run's level, made if need be; in *@ret, if it is NULL, why. */
static uint64_t *make_table(struct visit *visit, const struct run *run, long *ret)
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

static inline void write_values(uint64_t *entry, uint64_t value, uint64_t step, uint64_t nr)
{
#define WRITE_4(at)                                 \
	write_entry(&entry[at], value);             \
	write_entry(&entry[at + 1], value += step); \
	write_entry(&entry[at + 2], value += step); \
	write_entry(&entry[at + 3], value += step); \
	value += step
	uint64_t *end = entry + nr, *last = entry + (nr & ~15ull);

	for (; entry != last; entry += 16) {
		WRITE_4(0);
		WRITE_4(4);
		WRITE_4(8);
		WRITE_4(12);
	}
	for (; entry != end; entry++, value += step)
		write_entry(entry, value);
}

static void write_run(const struct pgtable *pt, uint64_t *entry, const struct run *run, uint64_t nr)
{
	uint64_t size = 1ULL << run->shift;

	if (!pt->shape.high) {
		write_values(entry, encode(pt, run->paddr) | run->bits,
			     size >> pt->shape.address_right, nr);
		return;
	}
	for (uint64_t i = 0; i < nr; i++)
		write_entry(&entry[i], encode(pt, run->paddr + i * size) | run->bits);
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
	unsigned int index = (unsigned int)(run->iova >> run->shift) & pt->index_mask, at;
	uint64_t nr = pt->index_mask + 1u - index, empty, before, *table, *count;
	long ret = AGAIN;

	if (run->count < nr)
		nr = run->count;
	empty = nr;
	table = hinted(pt, table_key(pt, run->iova, run->level), &count);
	if (__builtin_expect(!table, 0)) {
		table = descend(pt, run->iova, run->shift, &at);
		/* Who finds a link that may not be in memory yet sees to it. */
		if (at != run->shift || pt->clean)
			table = make_table(visit, run, &ret);
		if (!table)
			return ret;
		berth_pgtable_hint(pt, table);
		count = count_of(pt, table);
	}
	before = __atomic_fetch_add(count, nr, __ATOMIC_ACQ_REL);
	if (__builtin_expect((before & PGTABLE_DEAD) != 0, 0)) {
		__atomic_fetch_sub(count, nr, __ATOMIC_RELAXED);
		return AGAIN;
	}
	/* In a table in which nothing was counted all is empty. */
	if ((uint32_t)before && (nr > 1 || read_entry(&table[index])))
		empty = count_empty(&table[index], nr, run->level);
	if (__builtin_expect(!empty, 0)) {
		if (nr > 1)
			berth_pgtable_uncount(visit, table, nr - 1, run->iova, run->level);
		return replace_entry(visit, run, table, &table[index]);
	}
	write_run(pt, &table[index], run, empty);
	if (empty < nr)
		uncount(visit, count, nr - empty, run->iova, run->level);
	clean_entries(pt, &table[index], empty);
	return (long)empty;
}

/* Why a mapping is not legal. */
static __attribute__((noinline, cold)) int refuse_map(const struct pgtable *pt, dma_addr_t iova,
						      phys_addr_t paddr, uint64_t pgsize,
						      uint64_t pgcount, int prot)
{
	struct berth_error *error;

	if (!(pgsize & pt->sizes) || pgsize & (pgsize - 1))
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
	error = berth_error_set(-ERANGE, BERTH_REASON_MASK, "map_pages");
	error->address = paddr;
	error->limit = pt->last_phys;
	if (iova > pt->last_iova || pgcount - 1 > (pt->last_iova - iova) / pgsize) {
		error->address = iova;
		error->limit = pt->last_iova;
	}
	return -ERANGE;
}

/* Step by step. */
static __attribute__((noinline)) int map_steps(struct pgtable *pt, const struct run *whole,
					       size_t *mapped)
{
	struct visit visit = { .pt = pt };
	struct run run = *whole;

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
			*mapped += (size_t)nr << run.shift;
		run.iova += (uint64_t)nr << run.shift;
		run.paddr += (uint64_t)nr << run.shift;
		run.count -= (uint64_t)nr;
	}
	berth_pgtable_free_retired(pt);
	return 0;
}

__attribute__((noinline)) int berth_pgtable_map_many(struct io_pgtable_ops *ops, dma_addr_t iova,
						     phys_addr_t paddr, size_t pgsize,
						     size_t pgcount, int prot, gfp_t gfp,
						     size_t *mapped)
{
	struct pgtable *pt = container_of(ops, struct pgtable, ops);
	unsigned int shift = (unsigned int)__builtin_ctzll(pgsize | 1ULL << 63);
	const struct pgtable_size *size = &pt->by_shift[shift];
	uint64_t more = (uint64_t)(pgcount - 1) << shift;
	const struct run run = { iova,	      paddr, pgcount, pt->leaf[size->leaf + (prot & 63)],
				 size->level, shift, gfp };

	/* A limit is all ones: what is above it has a bit that it has not. */
	if (!(pgsize & pt->sizes) || ((iova | paddr | pgsize) & (pgsize - 1)) || !run.bits ||
	    (uint64_t)(pgcount - 1) >> 32 || (iova | (iova + more)) > pt->last_iova ||
	    (paddr | (paddr + more)) > pt->last_phys)
		return refuse_map(pt, iova, paddr, pgsize, pgcount, prot);
	return map_steps(pt, &run, mapped);
}

/*
 * One page or block, in a table that has a hint: without calls, and so short. There are no bits for a
 * size that there is not, and no hint for an address that is too large.
 */
static inline __attribute__((always_inline)) bool
map_one(struct pgtable *pt, dma_addr_t iova, phys_addr_t paddr, int prot, unsigned int level)
{
	uint64_t prefix, before, *count, *entry;
	uint32_t *inside;
	bool done = false;

	if (__builtin_expect(((iova | paddr) & (pt->one[level].size - 1)) ||
				     !(prot & (IOMMU_READ | IOMMU_WRITE)) || paddr > pt->last_phys,
			     0))
		return false;
	if (!walker_try(pt, &inside))
		goto leave;
	prefix = iova >> pt->shifts[level + 1];
	entry = hinted_at(pt, prefix, &count);
	if (__builtin_expect(!has_mark(count, table_mark(prefix, level)), 0))
		goto leave;
	before = __atomic_fetch_add(count, 1, __ATOMIC_ACQ_REL);
	if (__builtin_expect((before & PGTABLE_DEAD) != 0, 0))
		goto cancel;
	entry += (unsigned int)(iova >> pt->shifts[level]) & pt->index_mask;
	if (__builtin_expect(read_entry(entry) != 0, 0))
		goto cancel;
	write_entry(entry, paddr | pt->one[level].leaf[(unsigned int)prot & 63]);
	done = true;
	goto leave;
cancel:
	__atomic_fetch_sub(count, 1, __ATOMIC_RELAXED);
leave:
	walker_leave(inside);
	return done;
}

static __attribute__((noinline)) int map_single(struct io_pgtable_ops *ops, dma_addr_t iova,
						phys_addr_t paddr, size_t pgsize, size_t pgcount,
						int prot, gfp_t gfp, size_t *mapped)
{
	struct pgtable *pt = container_of(ops, struct pgtable, ops);

	if (!(pgsize == pt->one[0].size	  ? map_one(pt, iova, paddr, prot, 0)
	      : pgsize == pt->one[1].size ? map_one(pt, iova, paddr, prot, 1)
					  : false))
		return berth_pgtable_map_many(ops, iova, paddr, pgsize, pgcount, prot, gfp, mapped);
	if (mapped)
		*mapped += pgsize;
	return 0;
}

/* Several pages in such a table. */
static __attribute__((noinline)) int map_several(struct io_pgtable_ops *ops, dma_addr_t iova,
						 phys_addr_t paddr, size_t pgsize, size_t pgcount,
						 int prot, gfp_t gfp, size_t *mapped)
{
	struct pgtable *pt = container_of(ops, struct pgtable, ops);
	uint64_t more = (pgcount - 1) * pgsize;
	struct pgtable_window w;

	if (__builtin_expect(pgsize != pt->one[0].size || ((iova | paddr) & (pgsize - 1)) ||
				     !(prot & (IOMMU_READ | IOMMU_WRITE)) ||
				     !pgtable_is_one(pt, iova, pgcount) ||
				     (paddr | (paddr + more)) > pt->last_phys,
			     0) ||
	    __builtin_expect(!pgtable_open(pt, iova, pgcount, &w), 0))
		return berth_pgtable_map_many(ops, iova, paddr, pgsize, pgcount, prot, gfp, mapped);
	write_values(w.entry, paddr | pt->one[0].leaf[(unsigned int)prot & 63], pgsize, pgcount);
	walker_leave(w.inside);
	if (mapped)
		*mapped += pgcount * pgsize;
	return 0;
}

int berth_pgtable_map(struct io_pgtable_ops *ops, dma_addr_t iova, phys_addr_t paddr, size_t pgsize,
		      size_t pgcount, int prot, gfp_t gfp, size_t *mapped)
{
	if (__builtin_expect(pgcount == 1, 1))
		return map_single(ops, iova, paddr, pgsize, pgcount, prot, gfp, mapped);
	return map_several(ops, iova, paddr, pgsize, pgcount, prot, gfp, mapped);
}

static __attribute__((noinline)) phys_addr_t look_up(struct pgtable *pt, dma_addr_t iova)
{
	phys_addr_t phys = BERTH_PHYS_NONE;
	uint64_t *table, entry;
	unsigned int shift;
	struct visit visit;

	if (iova > pt->last_iova)
		return phys;
	visit_enter(&visit, pt);
	table = descend(pt, iova, pt->shifts[0], &shift);
	if (shift == pt->shifts[0] && !pt->clean)
		berth_pgtable_hint(pt, table);
	entry = read_entry(&table[(unsigned int)(iova >> shift) & pt->index_mask]);
	if (entry & pt->valid && ((entry & pt->kind) != pt->link || shift == pt->shifts[0]))
		phys = decode(pt, entry) | (iova & ((1ULL << shift) - 1));
	visit_leave(&visit);
	return phys;
}

phys_addr_t berth_pgtable_iova_to_phys(struct io_pgtable_ops *ops, dma_addr_t iova)
{
	struct pgtable *pt = container_of(ops, struct pgtable, ops);
	struct pgtable_window w;
	uint64_t value;

	if (!pgtable_find(pt, iova, &w))
		return look_up(pt, iova);
	value = read_entry(w.entry);
	walker_leave(w.inside);
	if (__builtin_expect(!(value & pt->plain_valid), 0))
		return look_up(pt, iova);
	return (value & pt->address) | (iova & pt->page_mask);
}
