/* SPDX-License-Identifier: BSD-2-Clause */
/**
 * DOC: dma-fence-array - one fence for several (linux/dma-fence-array.h)
 *
 * An array is signalled when all its fences are, or when one of them is.
 */
#ifndef BERTH_DMA_FENCE_ARRAY_H
#define BERTH_DMA_FENCE_ARRAY_H

#include <berth/dma-fence.h>
#include <berth/spinlock.h>
#include <berth/timer.h>
#include <berth/types.h>

#include <berth/names.h>

BERTH_BEGIN_DECLS

struct dma_fence_array;

/**
 * struct dma_fence_array_cb - the callback of one of the fences; private
 * @cb: the callback
 * @array: whose
 */
struct dma_fence_array_cb {
	struct dma_fence_cb cb;
	struct dma_fence_array *array;
};

/**
 * struct dma_fence_array - a fence for several
 * @base: the fence that stands for them
 * @lock: of @base; inside it those of @fences
 * @num_fences: how many
 * @fences: the fences, of which it has a reference each
 * @count_lock: private: guards what follows; taken inside the lock of one of @fences, with interrupts
 *	away; inside it that of timers only
 * @num_pending: private: how many must be signalled yet
 * @nr_calls: private: callbacks that are to come
 * @error: private: that of the first that failed
 * @is_decided: private: the error is final
 * @work: private: what a callback has begun goes on here, in interrupt context with no lock held
 * @callbacks: private
 */
struct dma_fence_array {
	struct dma_fence base;
	spinlock_t lock;
	unsigned int num_fences;
	struct dma_fence **fences;
	spinlock_t count_lock;
	unsigned int num_pending;
	unsigned int nr_calls;
	int error;
	bool is_decided;
	struct timer_list work;
	struct dma_fence_array_cb callbacks[];
};

/**
 * dma_fence_array_create() - one fence for several
 * @num_fences: how many, at least one
 * @fences: from kmalloc(); it and a reference of each fence in it are the array's from now on
 * @context: of the new fence
 * @seqno: likewise
 * @signal_on_any: signalled with the first; else with the last
 *
 * The error of the first that failed becomes its own. May sleep. Return: the array, whose base the
 * caller has the only reference of; NULL if memory is out, or there is no fence or one is NULL
 * (ARGUMENT): then @fences is still the caller's.
 */
struct dma_fence_array *dma_fence_array_create(int num_fences, struct dma_fence **fences,
					       uint64_t context, unsigned int seqno,
					       bool signal_on_any);

/** to_dma_fence_array() - the array that a fence is, or NULL. Any context. */
static inline struct dma_fence_array *to_dma_fence_array(struct dma_fence *fence)
{
	return dma_fence_is_array(fence) ? container_of(fence, struct dma_fence_array, base) : NULL;
}

/** dma_fence_match_context() - whether a fence, or each one in an array, is of a context. */
bool dma_fence_match_context(struct dma_fence *fence, uint64_t context);

/** dma_fence_array_first() - the first fence in an array; another fence itself; NULL of NULL. */
struct dma_fence *dma_fence_array_first(struct dma_fence *head);

/** dma_fence_array_next() - that with an index in an array; NULL behind the last. No references. */
struct dma_fence *dma_fence_array_next(struct dma_fence *head, unsigned int index);

#ifndef BERTH_NO_SHORT_NAMES
/* dma_fence_array_for_each() - @fence is each one in @head; @index an unsigned int. No references. */
#define dma_fence_array_for_each(fence, index, head)                              \
	for ((index) = 0, (fence) = dma_fence_array_first(head); (fence) != NULL; \
	     ++(index), (fence) = dma_fence_array_next(head, index))
#endif

BERTH_END_DECLS

#ifdef BERTH_NO_SHORT_NAMES
#include <berth/names-off.h>
#endif
#endif
