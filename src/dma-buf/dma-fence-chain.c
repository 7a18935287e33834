/* SPDX-License-Identifier: BSD-2-Clause */
#include <berth/dma-fence-chain.h>
#include <berth/errno.h>

#include "dma-buf/internal.h"
#include "lib/error.h"

static const char *driver_name(struct dma_fence *fence)
{
	(void)fence;
	return "dma_fence_chain";
}

static const char *timeline_name(struct dma_fence *fence)
{
	(void)fence;
	return "unbound";
}

static struct dma_fence_chain *chain_of(struct dma_fence *fence)
{
	return container_of(fence, struct dma_fence_chain, base);
}

static struct dma_fence *get_prev(struct dma_fence_chain *chain)
{
	struct dma_fence *prev;
	unsigned long flags;

	spin_lock_irqsave(&chain->prev_lock, flags);
	prev = dma_fence_get(chain->prev);
	spin_unlock_irqrestore(&chain->prev_lock, flags);
	return prev;
}

/* @to takes the place of @from, if that is still there. The reference of @to is given up. */
static void replace_prev(struct dma_fence_chain *chain, struct dma_fence *from,
			 struct dma_fence *to)
{
	struct dma_fence *left = to;
	unsigned long flags;

	spin_lock_irqsave(&chain->prev_lock, flags);
	if (chain->prev == from) {
		chain->prev = to;
		left = from;
	}
	spin_unlock_irqrestore(&chain->prev_lock, flags);
	dma_fence_put(left);
}

struct dma_fence *dma_fence_chain_walk(struct dma_fence *fence)
{
	struct dma_fence_chain *chain = to_dma_fence_chain(fence), *before;
	struct dma_fence *prev = NULL;

	while (chain && (prev = get_prev(chain))) {
		if (!dma_fence_is_signaled(dma_fence_chain_contained(prev)))
			break;
		before = to_dma_fence_chain(prev);
		replace_prev(chain, prev, before ? get_prev(before) : NULL);
		dma_fence_put(prev);
	}
	dma_fence_put(fence);
	return prev;
}

int dma_fence_chain_find_seqno(struct dma_fence **pfence, uint64_t seqno)
{
	struct dma_fence_chain *head = to_dma_fence_chain(*pfence);
	struct dma_fence *at;

	if (!seqno)
		return 0;
	if (!head || head->base.seqno < seqno)
		return berth_fail_at(-EINVAL, BERTH_REASON_ARGUMENT, "point of a timeline", seqno);
	dma_fence_chain_for_each(at, &head->base)
		if (at->context != head->base.context || chain_of(at)->prev_seqno < seqno)
			break;
	*pfence = at;
	dma_fence_put(&head->base);
	return 0;
}

/* Behind the first step the work may run on another CPU, and the link be gone. */
static void called(struct dma_fence *fence, struct dma_fence_cb *cb)
{
	(void)fence;
	berth_mod_timer_ns(&container_of(cb, struct dma_fence_chain, cb)->work, 0);
}

/*
 * Wait for the next fence that is not signalled. Only one at a time does that: who asks for
 * signalling, and then each time the work. Return: false if there is none.
 */
static bool wait_for_next(struct dma_fence_chain *chain)
{
	struct dma_fence *at, *fence;

	dma_fence_chain_for_each(at, &chain->base) {
		fence = dma_fence_get(dma_fence_chain_contained(at));
		chain->waits_for = fence;
		if (!dma_fence_add_callback(fence, &chain->cb, called)) {
			dma_fence_put(at);
			return true;
		}
		chain->waits_for = NULL;
		dma_fence_put(fence);
	}
	return false;
}

/* While it waits it has a reference of itself. */
static bool enable_signaling(struct dma_fence *fence)
{
	dma_fence_get(fence);
	if (wait_for_next(chain_of(fence)))
		return true;
	dma_fence_put(fence);
	return false;
}

static void work(struct timer_list *timer)
{
	struct dma_fence_chain *chain = container_of(timer, struct dma_fence_chain, work);
	struct dma_fence *fence = chain->waits_for;

	chain->waits_for = NULL;
	dma_fence_put(fence);
	if (wait_for_next(chain))
		return;
	berth_dma_fence_end(&chain->base, 0);
	dma_fence_put(&chain->base);
}

static bool signaled(struct dma_fence *fence)
{
	struct dma_fence *at;

	dma_fence_chain_for_each(at, fence) {
		if (!dma_fence_is_signaled(dma_fence_chain_contained(at))) {
			dma_fence_put(at);
			return false;
		}
	}
	return true;
}

/* A long chain is freed link by link, not link in link. */
static void release(struct dma_fence *fence)
{
	struct dma_fence_chain *chain = chain_of(fence), *before;
	struct dma_fence *prev;

	while ((prev = chain->prev)) {
		before = to_dma_fence_chain(prev);
		/* With one reference left, ours, nobody else can get at it. */
		if (!before || kref_read(&prev->refcount) > 1)
			break;
		chain->prev = before->prev;
		before->prev = NULL;
		dma_fence_put(prev);
	}
	dma_fence_put(prev);
	dma_fence_put(chain->fence);
	dma_fence_free(fence);
}

static const struct dma_fence_ops chain_ops = {
	.use_64bit_seqno = true,
	.get_driver_name = driver_name,
	.get_timeline_name = timeline_name,
	.enable_signaling = enable_signaling,
	.signaled = signaled,
	.release = release,
};

bool dma_fence_is_chain(const struct dma_fence *fence)
{
	return fence && fence->ops == &chain_ops;
}

void dma_fence_chain_init(struct dma_fence_chain *chain, struct dma_fence *prev,
			  struct dma_fence *fence, uint64_t seqno)
{
	struct dma_fence_chain *before = to_dma_fence_chain(prev);
	uint64_t context;

	*chain = (struct dma_fence_chain){ .prev = prev, .fence = fence };
	timer_setup(&chain->work, work, 0);
	if (before && seqno > prev->seqno) {
		context = prev->context;
		chain->prev_seqno = prev->seqno;
	} else {
		context = dma_fence_context_alloc(1);
		if (before)
			seqno = prev->seqno;
	}
	dma_fence_init(&chain->base, &chain_ops, &chain->lock, context, seqno);
}
