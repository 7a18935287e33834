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
 * bits of one word. A slot takes blocks from a group of its own, as long as that lasts. Who takes one
 * takes the group away meanwhile, and nobody waits for it. A block is freed by setting its bit,
 * whoever does that.
 */
#define BERTH_DMA_POOL_BUSY 1u

struct berth_dma_group {
	uint64_t free; /* bit n: block n */
	uintptr_t virt; /* of block 0 */
	uint64_t delta; /* from a block's CPU address to its DMA address */
	uint64_t nr;
};

struct berth_dma_pool_slot {
	uintptr_t group; /* 0, or BERTH_DMA_POOL_BUSY */
} __attribute__((aligned(64)));

struct dma_pool {
	uint64_t stride; /* from a block to the next of its group */
	uint64_t inverse; /* of the stride's odd part, modulo 2^64 */
	uint32_t shift; /* its even part */
	struct berth_dma_pool_core *core;
	struct berth_dma_pool_slot own[BERTH_PORT_MAX_SLOTS + 1]; /* slot + 1; the first is empty */
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
	uintptr_t *own = &pool->own[berth_port_slot_or_none()].group;
	struct berth_dma_group *group;
	uintptr_t head, virt;
	uint64_t blocks;

	if (__builtin_expect((gfp & __GFP_ZERO) != 0, 0))
		return berth_dma_pool_do_alloc(pool, gfp, handle);
	head = __atomic_exchange_n(own, BERTH_DMA_POOL_BUSY, __ATOMIC_ACQUIRE);
	if (__builtin_expect(head > BERTH_DMA_POOL_BUSY, 1)) {
		group = (struct berth_dma_group *)head;
		blocks = __atomic_load_n(&group->free, __ATOMIC_ACQUIRE);
		if (__builtin_expect(blocks != 0, 1)) {
			/* Others set bits; nobody else clears any. */
			__atomic_fetch_xor(&group->free, blocks & (0 - blocks), __ATOMIC_RELAXED);
			virt = group->virt + pool->stride * (uint64_t)__builtin_ctzll(blocks);
			*handle = virt + group->delta;
			__atomic_store_n(own, head, __ATOMIC_RELEASE);
			return (void *)virt;
		}
	}
	if (head != BERTH_DMA_POOL_BUSY)
		__atomic_store_n(own, head, __ATOMIC_RELEASE);
	return berth_dma_pool_do_alloc(pool, gfp, handle);
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
	uintptr_t *own = &pool->own[berth_port_slot_or_none()].group;
	uintptr_t head = __atomic_load_n(own, __ATOMIC_ACQUIRE);
	struct berth_dma_group *group = (struct berth_dma_group *)head;
	uint64_t at, old;

	if (__builtin_expect(head > BERTH_DMA_POOL_BUSY, 1)) {
		/* Multiplied and rotated like this, nothing but a multiple of the stride is small. */
		at = ((uintptr_t)vaddr - group->virt) * pool->inverse;
		at = at >> pool->shift | at << (-pool->shift & 63);
		if (__builtin_expect(at < group->nr && addr - (uintptr_t)vaddr == group->delta,
				     1)) {
			old = __atomic_load_n(&group->free, __ATOMIC_RELAXED);
			/* The first one to come back may mean that the group is looked for. */
			if (__builtin_expect(old && !(old >> at & 1), 1) &&
			    __builtin_expect(__atomic_compare_exchange_n(
						     &group->free, &old, old | 1ULL << at, false,
						     __ATOMIC_RELEASE, __ATOMIC_RELAXED),
					     1))
				return;
		}
	}
	berth_dma_pool_do_free(pool, vaddr, addr);
}

/** dmam_pool_create() - dma_pool_create() of a pool that goes when the driver is unbound. */
struct dma_pool *dmam_pool_create(const char *name, struct device *dev, size_t size, size_t align,
				  size_t boundary);

/** dmam_pool_destroy() - give such a pool back before. NULL is ignored. May sleep. */
void dmam_pool_destroy(struct dma_pool *pool);

BERTH_END_DECLS

#ifdef BERTH_NO_SHORT_NAMES
#include <berth/names-off.h>
#endif
#endif
