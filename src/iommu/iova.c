// SPDX-License-Identifier: BSD-2-Clause
/* IOVA domains: the calls that go to the tree. The caches in front of it are in iova_cache.c. */
#include <berth/iova.h>
#include <berth/slab.h>

#include "iommu/internal.h"
#include "iommu/iova_tree.h"
#include "lib/error.h"

void init_iova_domain(struct iova_domain *iovad, uint64_t granule, uint64_t start_pfn)
{
	*iovad = (struct iova_domain){
		.granule = granule,
		.start_pfn = start_pfn,
		.dma_32bit_pfn = (1ULL << 32) / granule,
	};
	iovad->own = iovad->no_row;
	for (unsigned int i = 0; i < BERTH_IOVA_COLUMNS; i++)
		iovad->no_row[i] = (uintptr_t)&berth_iova_marks[63];
	berth_iova_tree_init(iovad, start_pfn);
}

void put_iova_domain(struct iova_domain *iovad)
{
	berth_iova_drop_caches(iovad);
	berth_iova_tree_clear(iovad);
}

/* @longest: the longest free run, in pages. */
static void record_full(const struct iova_domain *iovad, uint64_t size, uint64_t limit_pfn,
			uint64_t longest)
{
	struct berth_error *error = berth_error_set(-ENOSPC, BERTH_REASON_AREA_FULL, "alloc_iova");

	error->length = size << iova_shift(iovad);
	error->limit = longest << iova_shift(iovad);
	error->address = limit_pfn << iova_shift(iovad);
}

struct iova *alloc_iova(struct iova_domain *iovad, uint64_t size, uint64_t limit_pfn,
			bool size_aligned)
{
	struct iova *iova, *above;
	uint64_t longest = 0;
	unsigned long flags;

	if (!size || size > IOVA_END) {
		berth_fail_at(-EINVAL, BERTH_REASON_ARGUMENT, "alloc_iova: size", size);
		return NULL;
	}
	if (limit_pfn >= IOVA_END)
		limit_pfn = IOVA_END - 1;
	iova = kmalloc(sizeof(*iova), GFP_ATOMIC);
	if (!iova)
		return NULL;
	spin_lock_irqsave(&iovad->lock, flags);
	above = berth_iova_tree_gap(iovad, size, limit_pfn, size_aligned);
	if (above) {
		iova->pfn_lo = berth_iova_tree_place(above, size, limit_pfn, size_aligned);
		iova->pfn_hi = iova->pfn_lo + size - 1;
		berth_iova_tree_insert(iovad, iova, above);
	} else {
		longest = berth_iova_tree_longest(iovad, limit_pfn);
	}
	spin_unlock_irqrestore(&iovad->lock, flags);
	if (above)
		return iova;
	kfree(iova);
	record_full(iovad, size, limit_pfn, longest);
	return NULL;
}

/* The range that holds a page. The lock is held. */
static struct iova *holder_of(const struct iova_domain *iovad, uint64_t pfn)
{
	struct iova *iova = pfn < IOVA_END ? berth_iova_tree_at(iovad, pfn) : NULL;

	return iova && iova->pfn_lo <= pfn ? iova : NULL;
}

struct iova *find_iova(struct iova_domain *iovad, uint64_t pfn)
{
	struct iova *iova;
	unsigned long flags;

	spin_lock_irqsave(&iovad->lock, flags);
	iova = holder_of(iovad, pfn);
	spin_unlock_irqrestore(&iovad->lock, flags);
	return iova;
}

bool berth_iova_free_at(struct iova_domain *iovad, uint64_t pfn, const char *subject)
{
	struct iova *iova;
	unsigned long flags;

	spin_lock_irqsave(&iovad->lock, flags);
	iova = holder_of(iovad, pfn);
	if (iova)
		berth_iova_tree_remove(iovad, iova);
	spin_unlock_irqrestore(&iovad->lock, flags);
	if (!iova) {
		struct berth_error *error =
			berth_error_set(-EINVAL, BERTH_REASON_NOT_OWNED, subject);

		error->pfn = pfn;
		error->address = pfn << iova_shift(iovad);
	}
	kfree(iova);
	return iova;
}

void free_iova(struct iova_domain *iovad, uint64_t pfn)
{
	berth_iova_free_at(iovad, pfn, "free_iova");
}

void __free_iova(struct iova_domain *iovad, struct iova *iova)
{
	unsigned long flags;

	spin_lock_irqsave(&iovad->lock, flags);
	berth_iova_tree_remove(iovad, iova);
	spin_unlock_irqrestore(&iovad->lock, flags);
	kfree(iova);
}

/* Of [@lo, @hi], the highest part that is free, and what lies above it. False: there is none. */
static bool highest_free(const struct iova_domain *iovad, uint64_t lo, uint64_t *hi, uint64_t *from,
			 struct iova **above)
{
	for (;;) {
		*above = berth_iova_tree_at(iovad, *hi);
		if ((*above)->pfn_lo > *hi && (*above)->gap_lo <= *hi)
			break;
		/* No page of the gap is wanted, or @hi is taken: go on below. */
		*hi = (*above)->pfn_lo > *hi ? (*above)->gap_lo : (*above)->pfn_lo;
		if (*hi <= lo)
			return false;
		--*hi;
	}
	*from = (*above)->gap_lo > lo ? (*above)->gap_lo : lo;
	return true;
}

/* Take what is free of [@lo, @hi]; the new ranges are a chain through iova->left until then. */
static struct iova *take_free(struct iova_domain *iovad, uint64_t lo, uint64_t hi)
{
	struct iova *chain = NULL, *above, *iova;
	uint64_t from, end = hi;

	for (;;) {
		if (!highest_free(iovad, lo, &end, &from, &above))
			break;
		iova = kmalloc(sizeof(*iova), GFP_ATOMIC);
		if (!iova) {
			while (chain) {
				iova = chain;
				chain = chain->left;
				kfree(iova);
			}
			return NULL;
		}
		iova->pfn_lo = from;
		iova->pfn_hi = end;
		iova->left = chain;
		chain = iova;
		if (from == lo)
			break;
		end = from - 1;
	}
	while (chain) {
		iova = chain;
		chain = chain->left;
		berth_iova_tree_insert(iovad, iova, berth_iova_tree_at(iovad, iova->pfn_hi));
	}
	return holder_of(iovad, hi);
}

struct iova *reserve_iova(struct iova_domain *iovad, uint64_t pfn_lo, uint64_t pfn_hi)
{
	struct iova *iova;
	unsigned long flags;

	if (pfn_lo > pfn_hi || pfn_hi >= IOVA_END) {
		berth_fail_at(-EINVAL, BERTH_REASON_ARGUMENT, "reserve_iova: range", pfn_lo);
		return NULL;
	}
	/* What lies below the first page is never given anyway. */
	if (pfn_hi < iovad->start_pfn)
		pfn_hi = iovad->start_pfn;
	spin_lock_irqsave(&iovad->lock, flags);
	iova = take_free(iovad, pfn_lo, pfn_hi);
	spin_unlock_irqrestore(&iovad->lock, flags);
	return iova;
}
