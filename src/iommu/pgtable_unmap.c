// SPDX-License-Identifier: BSD-2-Clause
/* Unmapping. */
#include "iommu/pgtable.h"

#include "lib/error.h"

/*
 * struct spot - where a walk has come to
 * @level: of @table; above the one asked for if there is no link
 */
struct spot {
	uint64_t *table;
	uint64_t *entry;
	unsigned int level;
};

/* How many of @nr entries are pages or blocks, up to the first that is not. */
static __attribute__((noinline)) uint64_t
count_leaves(const struct pgtable *pt, const uint64_t *entry, uint64_t nr, unsigned int level)
{
	uint64_t valid = pt->format->valid, n = 0;

	/* A bit that is set in all of them; most often there is one. Nobody else writes them. */
#define ALL_4(at) \
	(entry[n + (at)] & entry[n + (at) + 1] & entry[n + (at) + 2] & entry[n + (at) + 3])
	while (!level && n + 16 <= nr && ALL_4(0) & ALL_4(4) & ALL_4(8) & ALL_4(12) & valid)
		n += 16;
	for (; n < nr; n++) {
		uint64_t value = read_entry(&entry[n]);

		if (!(value & valid) || is_link(pt->format, value, level))
			break;
	}
	return n;
}

static inline void tell(const struct pgtable *pt, struct iommu_iotlb_gather *gather,
			dma_addr_t iova, uint64_t pgsize, uint64_t nr)
{
	if (!iommu_iotlb_gather_queued(gather))
		berth_pgtable_tell(pt, gather, iova, pgsize, nr);
}

/*
 * An entry that is @old becomes a marker, and the IOMMU forgets what it led to. Return: the marker,
 * or 0 if it was not @old any more.
 */
static uint64_t break_entry(struct pgtable *pt, uint64_t *entry, uint64_t old, dma_addr_t iova,
			    unsigned int level)
{
	uint64_t marker = berth_pgtable_marker(pt);
	unsigned long flags;
	bool ok;

	/* Who takes out empty tables must not take the same one out. */
	spin_lock_irqsave(&pt->lock, flags);
	ok = __atomic_compare_exchange_n(entry, &old, marker, false, __ATOMIC_SEQ_CST,
					 __ATOMIC_RELAXED);
	if (ok && is_link(pt->format, old, level))
		__atomic_fetch_or(count_of(pt, table_at(pt, old)), PGTABLE_DEAD, __ATOMIC_ACQ_REL);
	spin_unlock_irqrestore(&pt->lock, flags);
	if (!ok)
		return 0;
	clean_entries(pt, entry, 1);
	flush_walk(pt, iova, 1ULL << level_shift(pt, level));
	return marker;
}

/* A table in the place of what is to be unmapped goes with all that it leads to. */
static uint64_t remove_table(struct visit *visit, const struct spot *spot, dma_addr_t iova)
{
	struct pgtable *pt = visit->pt;
	uint64_t link = read_entry(spot->entry);
	uint64_t marker = break_entry(pt, spot->entry, link, iova, spot->level);

	if (!marker)
		return 0;
	if (__atomic_compare_exchange_n(spot->entry, &marker, 0, false, __ATOMIC_RELEASE,
					__ATOMIC_RELAXED))
		berth_pgtable_uncount(visit, spot->table, 1, iova, spot->level);
	berth_pgtable_retire(pt, table_at(pt, link), spot->level - 1);
	return 1;
}

/* A block becomes a table of the next smaller pages or blocks. False with the reason. */
static bool split(struct visit *visit, const struct spot *spot, dma_addr_t iova)
{
	const struct pgtable *pt = visit->pt;
	const struct pgtable_format *format = pt->format;
	uint64_t block = read_entry(spot->entry), lower = 1ULL << level_shift(pt, spot->level - 1);
	uint64_t bits = block & ~(pt->shape.address | pt->shape.high | format->block);
	bool live = pt->cfg.quirks & BERTH_IO_PGTABLE_SPLIT_LIVE, ok;
	uint64_t *table, old = block;

	if (!(pt->cfg.quirks & (BERTH_IO_PGTABLE_SPLIT_BREAK | BERTH_IO_PGTABLE_SPLIT_LIVE)) ||
	    !(pt->cfg.pgsize_bitmap & lower)) {
		berth_fail_at(-EINVAL, BERTH_REASON_ARGUMENT, "unmap_pages: a part of a block",
			      iova);
		return false;
	}
	table = berth_pgtable_new(visit->pt, iova, spot->level - 1, GFP_ATOMIC);
	if (!table)
		return false;
	bits |= spot->level - 1 ? format->block : format->page;
	for (uint64_t i = 0; i < 1ULL << pt->shape.bits; i++)
		table[i] = encode(pt, decode(pt, block) + i * lower) | bits;
	*count_of(pt, table) += 1ULL << pt->shape.bits;
	clean_entries(pt, table, 1ULL << pt->shape.bits);
	berth_port_dma_wmb();
	if (!live)
		old = break_entry(visit->pt, spot->entry, block, iova, spot->level);
	ok = old && __atomic_compare_exchange_n(spot->entry, &old,
						encode(pt, virt_to_phys(table)) | format->link |
							(pt->clean ? format->synced : 0),
						false, __ATOMIC_RELEASE, __ATOMIC_RELAXED);
	clean_entries(pt, spot->entry, 1);
	if (ok && live)
		flush_walk(pt, iova, 1ULL << level_shift(pt, spot->level));
	if (!ok)
		berth_pgtable_discard(visit->pt, table);
	return ok;
}

/*
 * One step: entries of one table. Return: how many pages were unmapped; 0 at a hole. *@again: it
 * was not that.
 */
static inline uint64_t unmap_run(struct visit *visit, dma_addr_t iova, unsigned int level,
				 uint64_t count, struct iommu_iotlb_gather *gather, bool *again)
{
	struct pgtable *pt = visit->pt;
	unsigned int shift = level_shift(pt, level), at = shift, index;
	uint64_t *count_at, *table = hinted(pt, table_key(pt, iova, level), &count_at), nr;
	struct spot spot;

	if (__builtin_expect(!table, 0)) {
		table = descend(pt, iova, shift, &at);
		count_at = count_of(pt, table);
	}
	index = (unsigned int)(iova >> at) & pt->index_mask;
	spot = (struct spot){ table, &table[index], level };
	if (__builtin_expect(at != shift, 0)) {
		spot.level = (at - pt->shape.page_shift) / pt->bits;
		*again = read_entry(spot.entry) & pt->format->valid && split(visit, &spot, iova);
		return 0;
	}
	nr = pt->index_mask + 1u - index;
	if (count < nr)
		nr = count;
	nr = count_leaves(pt, spot.entry, nr, level);
	if (__builtin_expect(!nr, 0)) {
		uint64_t value = read_entry(spot.entry);

		/* A table without entries is a hole like any other. */
		if (!is_link(pt->format, value, level) ||
		    !(uint32_t)__atomic_load_n(count_of(pt, table_at(pt, value)), __ATOMIC_RELAXED))
			return 0;
		nr = remove_table(visit, &spot, iova);
		*again = !nr;
		return nr;
	}
	entries_clear(spot.entry, nr);
	clean_entries(pt, spot.entry, nr);
	tell(pt, gather, iova, 1ULL << shift, nr);
	uncount(visit, count_at, nr, iova, level);
	return nr;
}

/* Why nothing is unmapped. */
static __attribute__((noinline, cold)) size_t refuse_unmap(const struct pgtable *pt,
							   dma_addr_t iova, uint64_t pgsize)
{
	if (!(pgsize & pt->sizes) || pgsize & (pgsize - 1) || iova & (pgsize - 1))
		berth_fail_at(-EINVAL, BERTH_REASON_ARGUMENT, "unmap_pages: size or alignment",
			      iova | pgsize);
	else
		berth_fail_at(-ERANGE, BERTH_REASON_ARGUMENT, "unmap_pages: range", iova);
	return 0;
}

/* Step by step. */
static __attribute__((noinline)) size_t unmap_steps(struct pgtable *pt, dma_addr_t iova,
						    unsigned int shift, uint64_t count,
						    struct iommu_iotlb_gather *gather)
{
	struct visit visit = { .pt = pt };
	uint64_t left = count, nr;
	bool again;

	do {
		again = false;
		visit_enter(&visit, pt);
		nr = unmap_run(&visit, iova, pt->by_shift[shift].level, left, gather, &again);
		berth_pgtable_leave(&visit, false);
		left -= nr;
		iova += nr << shift;
	} while (left && (nr || again));
	berth_pgtable_free_retired(pt);
	return (size_t)(count - left) << shift;
}

__attribute__((noinline)) size_t berth_pgtable_unmap_many(struct io_pgtable_ops *ops,
							  dma_addr_t iova, size_t pgsize,
							  size_t pgcount,
							  struct iommu_iotlb_gather *gather)
{
	struct pgtable *pt = container_of(ops, struct pgtable, ops);
	unsigned int shift = (unsigned int)__builtin_ctzll(pgsize | 1ULL << 63);
	uint64_t more = (uint64_t)(pgcount - 1) << shift;

	/* A limit is all ones: what is above it has a bit that it has not. */
	if (!(pgsize & pt->sizes) || ((iova | pgsize) & (pgsize - 1)) ||
	    (uint64_t)(pgcount - 1) >> 32 || (iova | (iova + more)) > pt->last_iova)
		return refuse_unmap(pt, iova, pgsize);
	return unmap_steps(pt, iova, shift, pgcount, gather);
}

__attribute__((noinline)) void berth_pgtable_tell_pages(const struct pgtable *pt,
							struct iommu_iotlb_gather *gather,
							dma_addr_t iova, uint64_t pgsize,
							uint64_t nr)
{
	const struct iommu_flush_ops *tlb = pt->cfg.tlb;

	for (; tlb->tlb_add_page && nr; nr--, iova += pgsize)
		tlb->tlb_add_page(gather, iova, (size_t)pgsize, pt->cookie);
}

__attribute__((noinline)) void berth_pgtable_after(struct pgtable *pt, uint64_t place)
{
	if (place && __atomic_load_n(kept_place(pt, place), __ATOMIC_RELAXED) != place)
		berth_pgtable_settle(pt, place, false);
	berth_pgtable_free_retired(pt);
}

/*
 * What is left to do for a page or block that is unmapped; the first arguments are where add_run()
 * has them.
 */
static __attribute__((noinline)) size_t finish(struct iommu_iotlb_gather *gather, dma_addr_t iova,
					       size_t pgsize, struct pgtable *pt, uint64_t place)
{
	tell(pt, gather, iova, pgsize, 1);
	berth_pgtable_after(pt, place);
	return pgsize;
}

static __attribute__((noinline)) size_t
finish_strict(struct iommu_iotlb_gather *gather, dma_addr_t iova, size_t pgsize, struct pgtable *pt)
{
	if (__builtin_expect(!pt->add_run, 0))
		return finish(gather, iova, pgsize, pt, 0);
	pt->add_run(gather, iova, pgsize, 1, pt->cookie);
	return pgsize;
}

/* One page or block, in a table that has a hint: without calls but the last one, and so short. */
static inline __attribute__((always_inline)) size_t unmap_one(struct pgtable *pt, dma_addr_t iova,
							      size_t pgsize,
							      struct iommu_iotlb_gather *gather,
							      unsigned int level)
{
	uint64_t prefix, place, *count, *entry, value;
	uint32_t *inside;

	if (__builtin_expect((iova & (pgsize - 1)) != 0, 0))
		goto many;
	if (!walker_try(pt, &inside))
		goto leave;
	prefix = iova >> pt->shifts[level + 1];
	entry = hinted_at(pt, prefix, &count);
	if (__builtin_expect(!has_mark(count, table_mark(prefix, level)), 0))
		goto leave;
	entry += (unsigned int)(iova >> pt->shifts[level]) & pt->index_mask;
	value = read_entry(entry);
	if (!(value & pt->valid) || (level && (value & pt->kind) == pt->link))
		goto leave;
	write_entry(entry, 0);
	value = __atomic_fetch_sub(count, 1, __ATOMIC_ACQ_REL);
	walker_leave(inside);
	place = table_mark(prefix, level) + 1;
	/* Most often it was empty before. */
	if (__builtin_expect((uint32_t)value == 1 && __atomic_load_n(kept_place(pt, place),
								     __ATOMIC_RELAXED) != place,
			     0) ||
	    __builtin_expect(__atomic_load_n(&pt->has_retired, __ATOMIC_RELAXED), 0))
		return finish(gather, iova, pgsize, pt, (uint32_t)value == 1 ? place : 0);
	return iommu_iotlb_gather_queued(gather) ? pgsize : finish_strict(gather, iova, pgsize, pt);
leave:
	walker_leave(inside);
many:
	return berth_pgtable_unmap_many(&pt->ops, iova, pgsize, 1, gather);
}

/* Several pages in such a table. */
static __attribute__((noinline)) size_t unmap_several(struct pgtable *pt, dma_addr_t iova,
						      size_t pgsize, size_t pgcount,
						      struct iommu_iotlb_gather *gather)
{
	if (__builtin_expect(pgsize == pt->one[0].size && !(iova & (pgsize - 1)) &&
				     pgtable_is_one(pt, iova, pgcount),
			     1) &&
	    pgtable_clear(pt, iova, pgcount, gather))
		return pgcount * pgsize;
	return berth_pgtable_unmap_many(&pt->ops, iova, pgsize, pgcount, gather);
}

size_t berth_pgtable_unmap(struct io_pgtable_ops *ops, dma_addr_t iova, size_t pgsize,
			   size_t pgcount, struct iommu_iotlb_gather *gather)
{
	struct pgtable *pt = container_of(ops, struct pgtable, ops);

	if (__builtin_expect(pgcount != 1, 0))
		return unmap_several(pt, iova, pgsize, pgcount, gather);
	if (pgsize == pt->one[0].size)
		return unmap_one(pt, iova, pgsize, gather, 0);
	if (pgsize == pt->one[1].size)
		return unmap_one(pt, iova, pgsize, gather, 1);
	return berth_pgtable_unmap_many(ops, iova, pgsize, pgcount, gather);
}
