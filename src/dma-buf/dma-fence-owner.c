/* SPDX-License-Identifier: BSD-2-Clause */
/* Who is to signal a fence, and until when. */
#include <berth/errno.h>
#include <berth/slab.h>
#include <berth/timer.h>

#include "dma-buf/internal.h"
#include "lib/error.h"
#include "lib/printk.h"
#include "lib/string.h"

/* While @timer is pending, and while its function runs, it has a reference of @fence. */
struct berth_dma_fence_owner {
	struct timer_list timer;
	struct dma_fence *fence;
	uint64_t at_ns;
	char name[BERTH_DMA_FENCE_OWNER_LEN];
};

static void tell(struct dma_fence *fence, const char *what)
{
	char owner[BERTH_DMA_FENCE_OWNER_LEN], text[160];

	berth_dma_fence_owner_name(fence, owner);
	berth_dma_fence_describe(fence, text, sizeof(text));
	berth_printk("berth: %s %s a fence: %s\n", owner[0] ? owner : "somebody", what, text);
}

static void expire(struct timer_list *timer)
{
	struct berth_dma_fence_owner *owner =
		container_of(timer, struct berth_dma_fence_owner, timer);
	struct dma_fence *fence = owner->fence;
	uint64_t now = ktime_get_ns();
	bool is_late = false;
	unsigned long flags;

	spin_lock_irqsave(fence->lock, flags);
	/* It may have been given more time meanwhile, or its work has ended and nobody has asked. */
	if (owner->at_ns <= now && !dma_fence_is_signaled_locked(fence))
		is_late = berth_dma_fence_end_locked(fence, -ETIMEDOUT, now, NULL);
	spin_unlock_irqrestore(fence->lock, flags);
	if (is_late)
		tell(fence, "did not signal in time");
	dma_fence_put(fence);
}

/* With the fence's lock. Return: references that are to be given up without it. */
static unsigned int set_timer(struct berth_dma_fence_owner *owner, uint64_t at_ns)
{
	owner->at_ns = at_ns;
	if (at_ns == UINT64_MAX)
		return del_timer(&owner->timer) ? 1 : 0;
	dma_fence_get(owner->fence);
	return berth_mod_timer_ns(&owner->timer, at_ns) ? 1 : 0;
}

int berth_dma_fence_set_deadline(struct dma_fence *fence, const char *owner, uint64_t at_ns)
{
	struct berth_dma_fence_owner *spare = kzalloc(sizeof(*spare), GFP_KERNEL);
	unsigned int nr_puts = 0;
	unsigned long flags;
	int err = 0;

	if (!spare)
		return -ENOMEM;
	timer_setup(&spare->timer, expire, 0);
	spare->fence = fence;
	spin_lock_irqsave(fence->lock, flags);
	if (!berth_dma_fence_enable_locked(fence)) {
		err = -ENOENT;
	} else {
		if (!fence->owner) {
			fence->owner = spare;
			spare = NULL;
		}
		if (owner)
			berth_strlcpy(fence->owner->name, owner, sizeof(fence->owner->name));
		nr_puts = set_timer(fence->owner, at_ns);
	}
	spin_unlock_irqrestore(fence->lock, flags);
	kfree(spare);
	while (nr_puts--)
		dma_fence_put(fence);
	return err;
}

/* Whoever signals has a reference: this one is not the last. */
void berth_dma_fence_owner_done(struct dma_fence *fence)
{
	if (fence->owner && del_timer(&fence->owner->timer))
		dma_fence_put(fence);
}

void berth_dma_fence_owner_free(struct dma_fence *fence)
{
	kfree(fence->owner);
	fence->owner = NULL;
}

void berth_dma_fence_owner_name(struct dma_fence *fence, char *name)
{
	unsigned long flags;

	spin_lock_irqsave(fence->lock, flags);
	berth_strlcpy(name, fence->owner ? fence->owner->name : "", BERTH_DMA_FENCE_OWNER_LEN);
	spin_unlock_irqrestore(fence->lock, flags);
}

int berth_dma_fence_abandon(struct dma_fence *fence, int error)
{
	if (error >= 0 || error < -BERTH_MAX_ERRNO)
		return berth_fail_at(-EINVAL, BERTH_REASON_ARGUMENT, "error",
				     (uint64_t)(int64_t)error);
	if (!berth_dma_fence_end(fence, error))
		return berth_fail_at(-EINVAL, BERTH_REASON_STATE, "a fence that was signalled",
				     fence->seqno);
	tell(fence, "is gone and never signalled");
	return 0;
}
