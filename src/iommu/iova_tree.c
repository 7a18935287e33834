// SPDX-License-Identifier: BSD-2-Clause
/*
 * An AVL tree of ranges. Each gap between two of them belongs to the upper one. Two numbers are kept
 * for each subtree, so that a search goes down one path only: the longest gap, and the most pages
 * that fit size-aligned. The second is one number because less fits wherever more does: what is
 * smaller needs no stricter alignment.
 */
#include "iommu/iova_tree.h"

#include <berth/slab.h>

#include "lib/bitmap.h"

/* What fits into struct iova::gap_lo. */
#define GAP_MASK (((uint64_t)1 << 56) - 1)

static const struct iova none;

static inline const struct iova *or_none(const struct iova *node)
{
	return node ? node : &none;
}

static inline uint64_t round_up_to(uint64_t value, uint64_t power)
{
	return (value + power - 1) & ~(power - 1);
}

/* @size rounded up to a power of two. */
static inline uint64_t alignment_of(uint64_t size)
{
	return 1ULL << (63u - (unsigned int)__builtin_clzll(2 * size - 1));
}

static inline uint64_t gap_of(const struct iova *node)
{
	return node->pfn_lo - (uint64_t)node->gap_lo;
}

/* The most pages that fit size-aligned into [@lo, @hi), which is not empty. */
static uint64_t fit_of(uint64_t lo, uint64_t hi)
{
	uint64_t block = 1ULL << highest_bit(hi - lo), tail;

	/* Half of that block fits in any case. */
	if (round_up_to(lo, block) + block > hi)
		block /= 2;
	/* More than a block fits behind a multiple of the next size, if one lies there. */
	tail = round_up_to(lo, 2 * block);
	return tail < hi && hi - tail > block ? hi - tail : block;
}

static inline uint64_t larger(uint64_t a, uint64_t b)
{
	return a > b ? a : b;
}

/* What a node says of its subtree. False if it has said so before. */
static bool update(struct iova *node)
{
	const struct iova *left = or_none(node->left), *right = or_none(node->right);
	uint64_t gap = gap_of(node), fit = larger(left->max_fit, right->max_fit);
	uint64_t longest = larger(gap, larger(left->max_gap, right->max_gap));
	uint8_t height = (uint8_t)(1 + larger(left->height, right->height));

	if (gap > fit)
		fit = larger(fit, fit_of(node->gap_lo, node->pfn_lo));
	if (node->height == height && node->max_gap == longest && node->max_fit == fit)
		return false;
	node->height = height;
	node->max_gap = longest;
	node->max_fit = fit;
	return true;
}

/* @new takes the place of @old below @parent. */
static inline void replace(struct iova_domain *iovad, struct iova *parent, const struct iova *old,
			   struct iova *new)
{
	if (!parent)
		iovad->root = new;
	else if (parent->left == old)
		parent->left = new;
	else
		parent->right = new;
	if (new)
		new->parent = parent;
}

/* One child takes its parent's place; it is returned. */
static struct iova *rotate(struct iova_domain *iovad, struct iova *node, bool to_left)
{
	struct iova *up = to_left ? node->right : node->left;
	struct iova *over = to_left ? up->left : up->right;

	replace(iovad, node->parent, node, up);
	if (to_left) {
		up->left = node;
		node->right = over;
	} else {
		up->right = node;
		node->left = over;
	}
	node->parent = up;
	if (over)
		over->parent = node;
	update(node);
	update(up);
	return up;
}

static inline int lean(const struct iova *node)
{
	return (int)or_none(node->left)->height - (int)or_none(node->right)->height;
}

/* From @node, below which something has changed, to where nothing changes any more. */
static void mend(struct iova_domain *iovad, struct iova *node)
{
	for (; node; node = node->parent) {
		int side = lean(node);

		if (side > 1) {
			if (lean(node->left) < 0)
				rotate(iovad, node->left, true);
			node = rotate(iovad, node, false);
		} else if (side < -1) {
			if (lean(node->right) > 0)
				rotate(iovad, node->right, false);
			node = rotate(iovad, node, true);
		} else if (!update(node)) {
			return;
		}
	}
}

void berth_iova_tree_init(struct iova_domain *iovad, uint64_t start_pfn)
{
	iovad->anchor = (struct iova){ .pfn_lo = IOVA_END, .pfn_hi = IOVA_END };
	iovad->anchor.gap_lo = (start_pfn < IOVA_END ? start_pfn : IOVA_END) & GAP_MASK;
	iovad->root = &iovad->anchor;
	update(iovad->root);
}

/* Whether so many pages fit into the gap below @node, cut off behind @limit. */
static bool fits(const struct iova *node, uint64_t size, uint64_t limit, bool aligned)
{
	uint64_t end = node->pfn_lo <= limit ? node->pfn_lo : limit + 1;
	uint64_t lo = node->gap_lo;

	if (end < lo || end - lo < size)
		return false;
	return !aligned || ((end - size) & ~(alignment_of(size) - 1)) >= lo;
}

uint64_t berth_iova_tree_place(const struct iova *above, uint64_t size, uint64_t limit,
			       bool aligned)
{
	uint64_t end = above->pfn_lo <= limit ? above->pfn_lo : limit + 1;

	return aligned ? (end - size) & ~(alignment_of(size) - 1) : end - size;
}

static inline uint64_t best(const struct iova *node, bool aligned)
{
	return !node ? 0 : aligned ? node->max_fit : node->max_gap;
}

struct iova *berth_iova_tree_gap(struct iova_domain *iovad, uint64_t size, uint64_t limit,
				 bool aligned)
{
	struct iova *node = iovad->root, *cut = NULL, *last = NULL;

	/* The lowest range above the limit, whose gap may be cut; and the highest one below it with
	 * a gap of its own, or in its left subtree. */
	while (node && best(node, aligned) >= size) {
		if (node->pfn_lo > limit) {
			cut = node;
			node = node->left;
			continue;
		}
		if (best(node->left, aligned) >= size || fits(node, size, limit, aligned))
			last = node;
		node = node->right;
	}
	if (cut && fits(cut, size, limit, aligned))
		return cut;
	for (node = last; node && !fits(node, size, limit, aligned);) {
		node = node->left;
		while (best(node->right, aligned) >= size)
			node = node->right;
	}
	return node;
}

uint64_t berth_iova_tree_longest(const struct iova_domain *iovad, uint64_t limit)
{
	const struct iova *node = iovad->root;
	uint64_t longest = 0;

	while (node) {
		uint64_t end = node->pfn_lo <= limit ? node->pfn_lo : limit + 1;

		if (end > node->gap_lo)
			longest = larger(longest, end - node->gap_lo);
		if (node->pfn_lo > limit) {
			node = node->left;
		} else {
			longest = larger(longest, best(node->left, false));
			node = node->right;
		}
	}
	return longest;
}

struct iova *berth_iova_tree_at(const struct iova_domain *iovad, uint64_t pfn)
{
	struct iova *node = iovad->root, *found = NULL;

	while (node) {
		if (node->pfn_hi < pfn) {
			node = node->right;
		} else {
			found = node;
			if (node->pfn_lo <= pfn)
				break;
			node = node->left;
		}
	}
	return found;
}

struct iova *berth_iova_tree_next(const struct iova *node)
{
	if (node->right) {
		node = node->right;
		while (node->left)
			node = node->left;
		return (struct iova *)(uintptr_t)node;
	}
	while (node->parent && node == node->parent->right)
		node = node->parent;
	return node->parent;
}

void berth_iova_tree_insert(struct iova_domain *iovad, struct iova *node, struct iova *above)
{
	struct iova *parent = above->left;

	node->gap_lo = above->gap_lo;
	above->gap_lo = (node->pfn_hi + 1) & GAP_MASK;
	node->left = node->right = NULL;
	node->height = 0;
	if (!parent) {
		parent = above;
		parent->left = node;
	} else {
		while (parent->right)
			parent = parent->right;
		parent->right = node;
	}
	node->parent = parent;
	update(node);
	mend(iovad, parent);
	mend(iovad, above);
}

void berth_iova_tree_remove(struct iova_domain *iovad, struct iova *node)
{
	struct iova *above = berth_iova_tree_next(node), *from = node->parent;

	above->gap_lo = node->gap_lo;
	if (!node->left || !node->right) {
		replace(iovad, from, node, node->left ? node->left : node->right);
	} else {
		/* The next one is the lowest of the right subtree and takes the place. */
		from = above;
		if (above != node->right) {
			from = above->parent;
			replace(iovad, from, above, above->right);
			above->right = node->right;
			above->right->parent = above;
		}
		above->left = node->left;
		above->left->parent = above;
		replace(iovad, node->parent, node, above);
		/* What the nodes above it have been told so far. */
		above->height = node->height;
		above->max_gap = node->max_gap;
		above->max_fit = node->max_fit;
	}
	mend(iovad, from);
	mend(iovad, above);
}

void berth_iova_tree_clear(struct iova_domain *iovad)
{
	struct iova *node = iovad->root;

	while (node) {
		struct iova *parent = node->parent;

		if (node->left || node->right) {
			node = node->left ? node->left : node->right;
			continue;
		}
		replace(iovad, parent, node, NULL);
		if (node != &iovad->anchor)
			kfree(node);
		node = parent;
	}
}
