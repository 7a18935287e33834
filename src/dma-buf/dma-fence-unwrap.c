/* SPDX-License-Identifier: BSD-2-Clause */
#include <berth/dma-fence-array.h>
#include <berth/dma-fence-chain.h>
#include <berth/dma-fence-unwrap.h>
#include <berth/slab.h>

#include "dma-buf/internal.h"

static struct dma_fence *enter(struct dma_fence_unwrap *cursor)
{
	cursor->array = dma_fence_chain_contained(cursor->chain);
	cursor->index = 0;
	return dma_fence_array_first(cursor->array);
}

struct dma_fence *dma_fence_unwrap_first(struct dma_fence *head, struct dma_fence_unwrap *cursor)
{
	cursor->chain = dma_fence_get(head);
	return enter(cursor);
}

struct dma_fence *dma_fence_unwrap_next(struct dma_fence_unwrap *cursor)
{
	struct dma_fence *next = dma_fence_array_next(cursor->array, ++cursor->index);

	if (next)
		return next;
	cursor->chain = dma_fence_chain_walk(cursor->chain);
	return enter(cursor);
}

/*
 * References of those that are not signalled, @max at most. Return: how many there are. A fence is
 * never signalled less than before: a second time there are not more.
 */
static size_t collect(unsigned int num_fences, struct dma_fence **fences, struct dma_fence **into,
		      size_t max)
{
	struct dma_fence_unwrap cursor;
	struct dma_fence *fence;
	size_t nr = 0;

	for (unsigned int i = 0; i < num_fences; i++) {
		dma_fence_unwrap_for_each(fence, &cursor, fences[i]) {
			if (dma_fence_is_signaled(fence))
				continue;
			if (nr < max)
				into[nr] = dma_fence_get(fence);
			nr++;
		}
	}
	return nr;
}

/* By context, and in it the latest first: Shell's sort. */
static bool is_before(const struct dma_fence *a, const struct dma_fence *b)
{
	return a->context != b->context ? a->context < b->context : dma_fence_is_later(a, b);
}

static void sort(struct dma_fence **fences, size_t nr)
{
	for (size_t gap = nr / 2; gap; gap /= 2) {
		for (size_t i = gap; i < nr; i++) {
			struct dma_fence *fence = fences[i];
			size_t at = i;

			for (; at >= gap && is_before(fence, fences[at - gap]); at -= gap)
				fences[at] = fences[at - gap];
			fences[at] = fence;
		}
	}
}

/* Return: how many are left, with one of each context; the references of the others are given up. */
static size_t keep_latest(struct dma_fence **fences, size_t nr)
{
	size_t nr_kept = 0;

	for (size_t i = 0; i < nr; i++) {
		if (nr_kept && fences[nr_kept - 1]->context == fences[i]->context)
			dma_fence_put(fences[i]);
		else
			fences[nr_kept++] = fences[i];
	}
	return nr_kept;
}

struct dma_fence *berth_dma_fence_unwrap_merge(unsigned int num_fences, struct dma_fence **fences)
{
	size_t nr = collect(num_fences, fences, NULL, 0), left;
	struct dma_fence_array *array;
	struct dma_fence **all, *only;

	if (!nr)
		return dma_fence_get_stub();
	all = kcalloc(nr, sizeof(struct dma_fence *), GFP_KERNEL);
	if (!all)
		return NULL;
	left = collect(num_fences, fences, all, nr);
	left = left < nr ? left : nr;
	sort(all, left);
	left = keep_latest(all, left);
	if (left <= 1) {
		only = left ? all[0] : dma_fence_get_stub();
		kfree(all);
		return only;
	}
	array = dma_fence_array_create((int)left, all, dma_fence_context_alloc(1), 1, false);
	if (array)
		return &array->base;
	while (left--)
		dma_fence_put(all[left]);
	kfree(all);
	return NULL;
}
