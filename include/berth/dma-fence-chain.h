/* SPDX-License-Identifier: BSD-2-Clause */
/**
 * DOC: dma-fence-chain - the points of a timeline (linux/dma-fence-chain.h)
 *
 * A link has a fence and the link, or fence, before it. It is signalled when its fence and all before
 * it are. Links whose fences are signalled are taken out as somebody walks past; their errors are
 * forgotten, as with Linux.
 */
#ifndef BERTH_DMA_FENCE_CHAIN_H
#define BERTH_DMA_FENCE_CHAIN_H

#include <berth/dma-fence.h>
#include <berth/slab.h>
#include <berth/spinlock.h>
#include <berth/timer.h>
#include <berth/types.h>

#include <berth/names.h>

BERTH_BEGIN_DECLS

/**
 * struct dma_fence_chain - a link, and the point of the timeline up to which all is done
 * @base: the fence that stands for it and all before it; its sequence number is the point
 * @prev: private: what comes before it, with a reference, or NULL; with @prev_lock
 * @prev_seqno: the point before it when it was made, or 0
 * @fence: its own fence, with a reference
 * @lock: of @base; inside it those of all fences in the chain
 * @prev_lock: private: a leaf, taken with interrupts away
 * @cb: private: of the fence that it waits for
 * @waits_for: private: that fence, with a reference
 * @work: private: what the callback has begun goes on here, in interrupt context with no lock held
 */
struct dma_fence_chain {
	struct dma_fence base;
	struct dma_fence *prev;
	uint64_t prev_seqno;
	struct dma_fence *fence;
	spinlock_t lock;
	spinlock_t prev_lock;
	struct dma_fence_cb cb;
	struct dma_fence *waits_for;
	struct timer_list work;
};

/** to_dma_fence_chain() - the link that a fence is, or NULL. Any context. */
static inline struct dma_fence_chain *to_dma_fence_chain(struct dma_fence *fence)
{
	return dma_fence_is_chain(fence) ? container_of(fence, struct dma_fence_chain, base) : NULL;
}

/** dma_fence_chain_contained() - the fence of a link; another fence itself. No reference. */
static inline struct dma_fence *dma_fence_chain_contained(struct dma_fence *fence)
{
	struct dma_fence_chain *chain = to_dma_fence_chain(fence);

	return chain ? chain->fence : fence;
}

/** dma_fence_chain_alloc() - memory for a link, or NULL. May sleep. */
static inline struct dma_fence_chain *dma_fence_chain_alloc(void)
{
	return (struct dma_fence_chain *)kmalloc(sizeof(struct dma_fence_chain), GFP_KERNEL);
}

/** dma_fence_chain_free() - give memory back that was not initialised. NULL is ignored. */
static inline void dma_fence_chain_free(struct dma_fence_chain *chain)
{
	kfree(chain);
}

/**
 * dma_fence_chain_init() - one more point of a timeline
 * @chain: from dma_fence_chain_alloc()
 * @prev: the newest link, or another fence, or NULL; its reference is the link's from now on
 * @fence: what is to be done for the point: no link; its reference is the link's from now on
 * @seqno: the point; if it is not later than that of @prev, a new timeline begins, not below it
 *
 * The caller has the only reference. Any context.
 */
void dma_fence_chain_init(struct dma_fence_chain *chain, struct dma_fence *prev,
			  struct dma_fence *fence, uint64_t seqno);

/**
 * dma_fence_chain_walk() - the link, or fence, before one
 * @fence: a link; its reference is given up
 *
 * Takes out what is signalled in between. Any context without a lock of one of its fences. Return:
 * with a reference; NULL if there is none, or @fence is no link.
 */
struct dma_fence *dma_fence_chain_walk(struct dma_fence *fence);

/**
 * dma_fence_chain_find_seqno() - the link that stands for a point
 * @pfence: in: the newest link; out: the earliest one that covers @seqno, NULL if that point is reached
 * @seqno: the point; 0 leaves @pfence alone
 *
 * The reference at @pfence goes with it. Any context without a lock of one of its fences. Return: 0;
 * -EINVAL if @pfence is no link or the timeline is not that far (ARGUMENT): then @pfence is left
 * alone.
 */
int dma_fence_chain_find_seqno(struct dma_fence **pfence, uint64_t seqno);

#ifndef BERTH_NO_SHORT_NAMES
/*
 * dma_fence_chain_for_each() - @iter is each link, and the fence before the last. It holds a reference
 * of @iter: who leaves the loop early must put it.
 */
#define dma_fence_chain_for_each(iter, head) \
	for ((iter) = dma_fence_get(head); (iter) != NULL; (iter) = dma_fence_chain_walk(iter))
#endif

BERTH_END_DECLS

#ifdef BERTH_NO_SHORT_NAMES
#include <berth/names-off.h>
#endif
#endif
