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

/*
 * Signal a fence, with @error unless that is 0 or one was set before. Return: false if it was
 * signalled already. No reason is set: it is called where another thread was interrupted. With the
 * lock, and without.
 */
bool berth_dma_fence_end_locked(struct dma_fence *fence, int error, uint64_t timestamp);
bool berth_dma_fence_end(struct dma_fence *fence, int error);

/* Ask for signalling, with the lock. Return: false if it is signalled. */
bool berth_dma_fence_enable_locked(struct dma_fence *fence);

/* The owner's part of a fence that was signalled, with the lock, and of one that is released. */
void berth_dma_fence_owner_done(struct dma_fence *fence);
void berth_dma_fence_owner_free(struct dma_fence *fence);

/* The owner's name, "" if nobody was said: BERTH_DMA_FENCE_OWNER_LEN bytes at @name. Without the lock. */
void berth_dma_fence_owner_name(struct dma_fence *fence, char *name);

#endif
