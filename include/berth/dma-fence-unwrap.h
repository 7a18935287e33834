/* SPDX-License-Identifier: BSD-2-Clause */
/**
 * DOC: dma-fence-unwrap - the fences in chains and arrays (linux/dma-fence-unwrap.h)
 */
#ifndef BERTH_DMA_FENCE_UNWRAP_H
#define BERTH_DMA_FENCE_UNWRAP_H

#include <berth/dma-fence.h>
#include <berth/types.h>

#include <berth/names.h>

BERTH_BEGIN_DECLS

/**
 * struct dma_fence_unwrap - where one is
 * @chain: the link, or the fence; with a reference
 * @array: the array, or the fence, in it
 * @index: the place in @array
 */
struct dma_fence_unwrap {
	struct dma_fence *chain;
	struct dma_fence *array;
	unsigned int index;
};

/**
 * dma_fence_unwrap_first() - the first fence in a chain of arrays
 * @head: a link, an array, another fence, or NULL
 * @cursor: not initialised
 *
 * Any context without a lock of one of its fences. Return: a fence that is neither link nor, if no
 * array is in an array, array; good until the next step; NULL if there is none.
 */
struct dma_fence *dma_fence_unwrap_first(struct dma_fence *head, struct dma_fence_unwrap *cursor);

/** dma_fence_unwrap_next() - the next one, likewise. */
struct dma_fence *dma_fence_unwrap_next(struct dma_fence_unwrap *cursor);

/**
 * berth_dma_fence_unwrap_merge() - one fence for all in several (Linux: dma_fence_unwrap_merge())
 * @num_fences: how many
 * @fences: links, arrays, or other fences; NULL is ignored
 *
 * What is signalled is left out, and of each context all but the last. May sleep. Return: a reference of
 * an array, of the only one left, or of a stub; NULL if memory is out.
 */
struct dma_fence *berth_dma_fence_unwrap_merge(unsigned int num_fences, struct dma_fence **fences);

#ifndef BERTH_NO_SHORT_NAMES
/*
 * dma_fence_unwrap_for_each() - @fence is each one in @head. Who leaves the loop early must put
 * (@cursor)->chain.
 */
#define dma_fence_unwrap_for_each(fence, cursor, head)                        \
	for ((fence) = dma_fence_unwrap_first(head, cursor); (fence) != NULL; \
	     (fence) = dma_fence_unwrap_next(cursor))

/* dma_fence_unwrap_merge() - berth_dma_fence_unwrap_merge() of those that are named. */
#define dma_fence_unwrap_merge(...)                                                  \
	berth_dma_fence_unwrap_merge(sizeof((struct dma_fence *[]){ __VA_ARGS__ }) / \
					     sizeof(struct dma_fence *),             \
				     (struct dma_fence *[]){ __VA_ARGS__ })
#endif

BERTH_END_DECLS

#ifdef BERTH_NO_SHORT_NAMES
#include <berth/names-off.h>
#endif
#endif
