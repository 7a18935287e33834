/* SPDX-License-Identifier: BSD-2-Clause */
/**
 * DOC: dma-fence - a promise that work on a buffer will end (linux/dma-fence.h)
 *
 * A fence is signalled once, by who does the work. Fences of one context are ordered by their
 * sequence numbers. Meaning: the section "DMA Fences" of Documentation/driver-api/dma-buf.rst. Here
 * are the flag bits and the order; the functions come with the fences.
 */
#ifndef BERTH_DMA_FENCE_H
#define BERTH_DMA_FENCE_H

#include <berth/types.h>

#include <berth/names.h>

BERTH_BEGIN_DECLS

struct dma_fence;
struct dma_fence_cb;

/**
 * enum dma_fence_flag_bits - bit numbers of a fence's flags
 * @DMA_FENCE_FLAG_SIGNALED_BIT: the work has ended
 * @DMA_FENCE_FLAG_TIMESTAMP_BIT: the fence knows when
 * @DMA_FENCE_FLAG_ENABLE_SIGNAL_BIT: somebody waits, so that signalling was asked for
 * @DMA_FENCE_FLAG_USER_BITS: the first bit that is free for the fence's implementation
 */
enum dma_fence_flag_bits {
	DMA_FENCE_FLAG_SIGNALED_BIT,
	DMA_FENCE_FLAG_TIMESTAMP_BIT,
	DMA_FENCE_FLAG_ENABLE_SIGNAL_BIT,
	DMA_FENCE_FLAG_USER_BITS,
};

/* Called once when a fence is signalled: with its lock held and interrupts kept away. */
typedef void (*dma_fence_func_t)(struct dma_fence *fence, struct dma_fence_cb *cb);

/**
 * berth_dma_fence_seqno_later() - whether sequence number @a comes after @b in their context
 * @a: a sequence number
 * @b: another
 * @is_64bit: whether they count with 64 bits; else 32 bits count, and they wrap
 *
 * Any context. Return: true if later; false for equal numbers.
 */
static inline bool berth_dma_fence_seqno_later(uint64_t a, uint64_t b, bool is_64bit)
{
	return is_64bit ? a > b : (uint32_t)((uint32_t)a - (uint32_t)b - 1u) < 0x7fffffffu;
}

BERTH_END_DECLS

#ifdef BERTH_NO_SHORT_NAMES
#include <berth/names-off.h>
#endif
#endif
