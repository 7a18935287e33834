/* SPDX-License-Identifier: BSD-2-Clause */
/* The parts of fences and reservations. */
#ifndef BERTH_DMA_BUF_INTERNAL_H
#define BERTH_DMA_BUF_INTERNAL_H

#include <berth/dma-fence.h>
#include <berth/list.h>

static inline bool berth_dma_fence_flag(const struct dma_fence *fence, unsigned int bit)
{
	return (__atomic_load_n(&fence->flags, __ATOMIC_ACQUIRE) >> bit & 1) != 0;
}

static inline int berth_dma_fence_error(const struct dma_fence *fence)
{
	return __atomic_load_n(&fence->error, __ATOMIC_RELAXED);
}

#define BERTH_DMA_FENCE_WAKES 8

/* Who sleeps until a word is set. */
struct berth_dma_fence_wait {
	struct dma_fence_cb base;
	uint32_t *is_done;
};

/* The callback of one who sleeps: set his word, and wake him. */
void berth_dma_fence_wake(struct dma_fence *fence, struct dma_fence_cb *cb);

/*
 * Words that are set and whose sleepers are to be woken without the lock: who wakes up wants it. Behind the store they may be
 * gone: the address is only a name then.
 */
struct berth_dma_fence_wakes {
	const uint32_t *words[BERTH_DMA_FENCE_WAKES];
	unsigned int nr;
};

/*
 * Signal a fence, with @error unless that is 0 or one was set before. Return: false if it was
 * signalled already. No reason is set: it is called where another thread was interrupted. With the
 * lock, and without. With @wakes some who sleep are left there, for the caller to wake.
 */
bool berth_dma_fence_end_locked(struct dma_fence *fence, int error, uint64_t timestamp,
				struct berth_dma_fence_wakes *wakes);
bool berth_dma_fence_end(struct dma_fence *fence, int error);

/* Ask for signalling, with the lock. Return: false if it is signalled. */
bool berth_dma_fence_enable_locked(struct dma_fence *fence);

/* The owner's part of a fence that was signalled, with the lock, and of one that is released. */
void berth_dma_fence_owner_done(struct dma_fence *fence);
void berth_dma_fence_owner_free(struct dma_fence *fence);

/* The owner's name, "" if nobody was said: BERTH_DMA_FENCE_OWNER_LEN bytes at @name. Without the lock. */
void berth_dma_fence_owner_name(struct dma_fence *fence, char *name);

#endif
