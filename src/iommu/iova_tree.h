/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The ranges of an IOVA domain: a balanced tree by address, whose nodes know the best gap of their
 * subtree. The domain's lock is held, or nobody else uses the domain.
 */
#ifndef BERTH_IOMMU_IOVA_TREE_H
#define BERTH_IOMMU_IOVA_TREE_H

#include <berth/iova.h>

/* All page numbers are below this. */
#define IOVA_END ((uint64_t)1 << 55)

void berth_iova_tree_init(struct iova_domain *iovad, uint64_t start_pfn);

/*
 * The range above the highest gap that holds @size pages not above @limit; if @aligned, at a
 * multiple of @align, @size rounded up to a power of two. NULL if there is none.
 */
struct iova *berth_iova_tree_gap(struct iova_domain *iovad, uint64_t size, uint64_t limit,
				 bool aligned);

/* Pages of the longest gap, as far as it does not lie above @limit. */
uint64_t berth_iova_tree_longest(const struct iova_domain *iovad, uint64_t limit);

/* Where in the gap below @above so many pages begin, as high as possible; they do fit. */
uint64_t berth_iova_tree_place(const struct iova *above, uint64_t size, uint64_t limit,
			       bool aligned);

/* The lowest range that ends at @pfn or above: it holds @pfn, or the gap below it does. */
struct iova *berth_iova_tree_at(const struct iova_domain *iovad, uint64_t pfn);

/* The next range above. */
struct iova *berth_iova_tree_next(const struct iova *node);

/* @node, whose pages lie in the gap below @above, is taken; and free again. */
void berth_iova_tree_insert(struct iova_domain *iovad, struct iova *node, struct iova *above);
void berth_iova_tree_remove(struct iova_domain *iovad, struct iova *node);

/* All nodes but the anchor are freed. */
void berth_iova_tree_clear(struct iova_domain *iovad);

#endif
