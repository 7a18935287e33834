/* SPDX-License-Identifier: BSD-2-Clause */
/**
 * DOC: dmapool - small pieces of coherent memory (linux/dmapool.h)
 *
 * A pool cuts memory of dma_alloc_coherent() into blocks of one size, for descriptors and the like.
 * No block is lost at the end of a page or before a boundary, and what the pool knows of its blocks
 * is in memory that the device cannot write. Meaning: the section "DMA pools" of
 * Documentation/core-api/dma-api.rst.
 */
#ifndef BERTH_DMAPOOL_H
#define BERTH_DMAPOOL_H

#include <berth/device.h>
#include <berth/gfp.h>
#include <berth/port.h>
#include <berth/types.h>

#include <berth/names.h>

BERTH_BEGIN_DECLS

/* Smaller blocks are rounded up to this. */
#define BERTH_DMA_POOL_MIN_SIZE 4

/*
 * The inline way through a pool; private. Blocks are in groups of 64 at most, whose free ones are
 * bits of one word. A block is taken by clearing its bit and freed by setting it, whoever does that.
 * A slot has a group that it looks into first; one that is empty if it has none. Groups stay until
 * the pool goes.
 */
struct berth_dma_group {
	uint64_t free; /* bit n: block n */
	uintptr_t virt; /* of block 0 */
	uint64_t delta; /* from a block's CPU address to its DMA address */
	uint64_t nr;
};

struct berth_dma_pool_slot {
	struct berth_dma_group *group;
} __attribute__((aligned(64)));

struct dma_pool {
	struct berth_dma_pool_slot own[BERTH_PORT_MAX_SLOTS + 1]; /* slot + 1; the first is empty */
	uint32_t stride; /* from a block to the next of its group, all of which are below 4 GiB */
	uint32_t shift; /* its even part */
	uint64_t inverse; /* of its odd part, modulo 2^64 */
	struct berth_dma_pool_core *core;
};

/* The other ways: what the inline one does not decide. */
void *berth_dma_pool_do_alloc(struct dma_pool *pool, gfp_t gfp, dma_addr_t *handle);
void berth_dma_pool_do_free(struct dma_pool *pool, void *vaddr, dma_addr_t addr);

/**
 * dma_pool_create() - a pool of blocks for a device
 * @name: copied; for reports
 * @dev: the device
 * @size: bytes of a block, 1 to INT_MAX; rounded up to a multiple of @align, and to 4 at least
 * @align: of the blocks, for the device: a power of two; 0 as 1
 * @boundary: a block does not cross a multiple of this: a power of two, not below the rounded
 *	@size; 0: it crosses what it likes
 *
 * May sleep. It has no memory yet. Return: the pool, until dma_pool_destroy(), or NULL (ARGUMENT,
 * OUT_OF_MEMORY).
 */
struct dma_pool *dma_pool_create(const char *name, struct device *dev, size_t size, size_t align,
				 size_t boundary);

/**
 * dma_pool_destroy() - give a pool and its memory back
 * @pool: NULL is ignored
 *
 * Nobody else uses it. May sleep. While blocks are out it is refused: the pool stays as it is, a
 * line on the console says so, and berth_last_error() is LEAK with their bytes.
 */
void dma_pool_destroy(struct dma_pool *pool);

/**
 * dma_pool_alloc() - a block
 * @pool: the pool
 * @gfp: GFP_KERNEL or GFP_ATOMIC; with __GFP_ZERO it is zeroed
 * @handle: where the device's address goes
 *
 * Any context with GFP_ATOMIC; sleeps, if at all, with no lock held. The contents are undefined
 * without __GFP_ZERO. Several threads may use a pool. Return: the CPU's address, until
 * dma_pool_free(), or NULL as dma_alloc_coherent().
 */
static inline void *dma_pool_alloc(struct dma_pool *pool, gfp_t gfp, dma_addr_t *handle)
{
	struct berth_dma_group *group =
		__atomic_load_n(&pool->own[berth_port_slot_or_none()].group, __ATOMIC_ACQUIRE);
	uint64_t blocks = __atomic_load_n(&group->free, __ATOMIC_RELAXED), bit;
	unsigned int block;
	uintptr_t virt;

	if (__builtin_expect(!blocks || gfp & __GFP_ZERO, 0))
		return berth_dma_pool_do_alloc(pool, gfp, handle);
	block = (unsigned int)__builtin_ctzll(blocks);
	bit = 1ULL << block;
	/* Of two who want it, one gets it. */
	if (__builtin_expect(!(__atomic_fetch_and(&group->free, ~bit, __ATOMIC_ACQUIRE) & bit), 0))
		return berth_dma_pool_do_alloc(pool, gfp, handle);
	virt = group->virt + pool->stride * block;
	*handle = virt + group->delta;
	return (void *)virt;
}

/** dma_pool_zalloc() - dma_pool_alloc() filled with zeroes. */
static inline void *dma_pool_zalloc(struct dma_pool *pool, gfp_t gfp, dma_addr_t *handle)
{
	return dma_pool_alloc(pool, gfp | __GFP_ZERO, handle);
}

/**
 * dma_pool_free() - give a block back
 * @pool: the pool
 * @vaddr: what dma_pool_alloc() returned
 * @addr: its handle
 *
 * Any context. What is no block of this pool that is out, with that handle, is refused (NOT_OWNED):
 * nothing changes.
 */
static inline void dma_pool_free(struct dma_pool *pool, void *vaddr, dma_addr_t addr)
{
	struct berth_dma_group *group =
		__atomic_load_n(&pool->own[berth_port_slot_or_none()].group, __ATOMIC_ACQUIRE);
	/* Multiplied and rotated like this, nothing but a multiple of the stride is small. */
	uint64_t at = ((uintptr_t)vaddr - group->virt) * pool->inverse;

	at = at >> pool->shift | at << (-pool->shift & 63);
	if (__builtin_expect(at < group->nr && addr - (uintptr_t)vaddr == group->delta, 1)) {
		uint64_t bit = 1ULL << (at & 63);

		if (__builtin_expect(
			    !(__atomic_fetch_or(&group->free, bit, __ATOMIC_RELEASE) & bit), 1))
			return;
	}
	berth_dma_pool_do_free(pool, vaddr, addr);
}

/** dmam_pool_create() - dma_pool_create() of a pool that goes when the driver is unbound. */
struct dma_pool *dmam_pool_create(const char *name, struct device *dev, size_t size, size_t align,
				  size_t boundary);

/** dmam_pool_destroy() - give such a pool back before. NULL is ignored. May sleep. */
void dmam_pool_destroy(struct dma_pool *pool);

BERTH_END_DECLS

#ifdef BERTH_CHECKED
#include <berth/check-dmapool.h>
#endif

#ifdef BERTH_NO_SHORT_NAMES
#include <berth/names-off.h>
#endif
#endif
