// SPDX-License-Identifier: BSD-2-Clause
/*
 * dma_pool: chunks of coherent memory, cut into groups of at most 64 blocks. Descriptors are in
 * memory of kmalloc(), which is never a device's.
 *
 * A group is some slot's own, or in the list if some of its blocks are free, or in no place. Bits
 * change with the lock or without; places, with it. Who frees without it does so into a slot's own
 * group; if that is taken from the slot at the same moment, it may end in no place although a block
 * is free. Such groups are looked for before an allocation fails.
 */
#include <berth/dma-mapping.h>
#include <berth/dmapool.h>
#include <berth/slab.h>
#include <berth/spinlock.h>

#include "dma/pool.h"
#include "lib/bitmap.h"
#include "lib/device.h"
#include "lib/error.h"
#include "lib/string.h"

#define GROUP_BLOCKS 64u
/* Pages of a chunk, if that is what it takes to waste little; and what is little: 1 in 16. */
#define MAX_CHUNK_PAGES 16u
#define WASTE_SHIFT 4

struct group {
	struct berth_dma_group g; /* the first: what slots point at */
	struct group *next;
	bool is_own;
	bool is_listed;
};

/* A node of a tree by address that is a heap by rank. */
struct chunk {
	struct chunk *left, *right;
	struct chunk *next;
	char *virt;
	dma_addr_t addr;
	uint32_t rank;
	uint32_t nr;
	struct group groups[];
};

struct berth_dma_pool_core {
	spinlock_t lock;
	struct group *listed;
	struct chunk *root;
	struct chunk *chunks; /* all of them */
	struct berth_dma_group none; /* what a slot has that has no group: no block, none free */
	struct device *dev;
	size_t size; /* of a block */
	uint64_t align;
	uint64_t boundary; /* 0: none */
	size_t chunk_size;
	char name[32];
};

static uint64_t round_up(uint64_t n, uint64_t to)
{
	return (n + to - 1) & ~(to - 1);
}

/* Where the blocks are. */

/*
 * The next run of blocks of a chunk from @*at on: no block of it crosses a boundary. Return: how
 * many; @*at is behind the place where they are.
 */
static uint64_t next_run(const struct dma_pool *pool, uint64_t *at, uint64_t end, uint64_t *first)
{
	const struct berth_dma_pool_core *core = pool->core;
	uint64_t stop = end;

	*first = round_up(*at, core->align);
	/* Where the stride divides the boundary no block crosses one. */
	if (core->boundary &&
	    (core->boundary & (pool->stride - 1) || pool->stride > core->boundary ||
	     pool->stride & (pool->stride - 1) || *first & (pool->stride - 1)))
		stop = (*first | (core->boundary - 1)) + 1;
	*at = stop < end ? stop : end;
	if (*first >= *at || *at - *first < core->size)
		return 0;
	return (*at - *first - core->size) / pool->stride + 1;
}

static uint64_t count_blocks(const struct dma_pool *pool, uint64_t size)
{
	uint64_t nr = 0, first;

	for (uint64_t at = 0; at < size;)
		nr += next_run(pool, &at, size, &first);
	return nr;
}

/* The smallest chunk that wastes little, or the one that wastes least. */
static size_t best_chunk(const struct dma_pool *pool)
{
	size_t size = PAGE_ALIGN(pool->core->size), best = size;
	uint64_t least = UINT64_MAX;

	for (; size <= MAX_CHUNK_PAGES * PAGE_SIZE || least == UINT64_MAX; size += PAGE_SIZE) {
		uint64_t waste = size - count_blocks(pool, size) * pool->core->size;

		/* In parts of 2^20, so that sizes can be compared. */
		waste = (waste << 20) / size;
		if (waste < least) {
			least = waste;
			best = size;
		}
		if (least <= 1u << (20 - WASTE_SHIFT))
			break;
	}
	return best;
}

/* The inverse of an odd number modulo 2^64: each step doubles the bits that are right. */
static uint64_t inverse_of(uint64_t odd)
{
	uint64_t inverse = odd;

	for (unsigned int bits = 3; bits < 64; bits *= 2)
		inverse *= 2 - odd * inverse;
	return inverse;
}

static bool is_legal(const char *name, const struct device *dev, size_t size, size_t align,
		     size_t boundary)
{
	if (!name || !dev)
		berth_fail(-EINVAL, BERTH_REASON_ARGUMENT, name ? "device of a pool" : "its name");
	else if (align & (align - 1))
		berth_fail_at(-EINVAL, BERTH_REASON_ARGUMENT, "alignment of a dma_pool", align);
	else if (!size || size > INT_MAX || align > INT_MAX)
		berth_fail_at(-EINVAL, BERTH_REASON_ARGUMENT, "size of a dma_pool", size);
	else if (boundary & (boundary - 1))
		berth_fail_at(-EINVAL, BERTH_REASON_ARGUMENT, "boundary of a dma_pool", boundary);
	else
		return true;
	return false;
}

struct dma_pool *dma_pool_create(const char *name, struct device *dev, size_t size, size_t align,
				 size_t boundary)
{
	struct berth_dma_pool_core *core;
	struct dma_pool *pool;

	if (!is_legal(name, dev, size, align, boundary))
		return NULL;
	align = align ? align : 1;
	size = size < BERTH_DMA_POOL_MIN_SIZE ? BERTH_DMA_POOL_MIN_SIZE : size;
	size = (size_t)round_up(size, align);
	if (boundary && boundary < size) {
		berth_fail_limit(-EINVAL, BERTH_REASON_ARGUMENT, "boundary of a dma_pool", size,
				 boundary);
		return NULL;
	}
	pool = kzalloc(sizeof(*pool), GFP_KERNEL);
	core = pool ? kzalloc(sizeof(*core), GFP_KERNEL) : NULL;
	if (!core) {
		kfree(pool);
		return NULL;
	}
	pool->core = core;
	core->dev = dev;
	core->size = size;
	core->align = align;
	core->boundary = boundary;
	berth_strlcpy(core->name, name, sizeof(core->name));
	/* One block between two boundaries: then all are as far apart. */
	pool->stride = (uint32_t)(boundary && boundary < 2 * size ? boundary : size);
	pool->shift = lowest_bit(pool->stride);
	for (unsigned int slot = 0; slot <= BERTH_PORT_MAX_SLOTS; slot++)
		pool->own[slot].group = &core->none;
	pool->inverse = inverse_of(pool->stride >> pool->shift);
	core->chunk_size = best_chunk(pool);
	return pool;
}

/* Chunks: with the lock. */

static void insert(struct berth_dma_pool_core *core, struct chunk *chunk)
{
	struct chunk **at = &core->root, **left = &chunk->left, **right = &chunk->right, *rest;

	/* No two addresses have much in common after this, so the tree is as good as random. */
	chunk->rank =
		(uint32_t)(((uintptr_t)chunk->virt >> PAGE_SHIFT) * 0x9e3779b97f4a7c15u >> 32);
	while (*at && (*at)->rank >= chunk->rank)
		at = chunk->virt < (*at)->virt ? &(*at)->left : &(*at)->right;
	rest = *at;
	*at = chunk;
	while (rest) {
		if (rest->virt < chunk->virt) {
			*left = rest;
			left = &rest->right;
			rest = *left;
		} else {
			*right = rest;
			right = &rest->left;
			rest = *right;
		}
	}
	*left = *right = NULL;
	chunk->next = core->chunks;
	core->chunks = chunk;
}

/* The group that @virt may be a block of; NULL: it is of none. */
static struct group *find_group(const struct berth_dma_pool_core *core, uintptr_t virt)
{
	struct chunk *chunk = core->root;
	uint32_t low = 0, high;

	while (chunk && virt - (uintptr_t)chunk->virt >= core->chunk_size)
		chunk = virt < (uintptr_t)chunk->virt ? chunk->left : chunk->right;
	if (!chunk)
		return NULL;
	high = chunk->nr;
	while (high - low > 1) {
		uint32_t middle = low + (high - low) / 2;

		if (chunk->groups[middle].g.virt <= virt)
			low = middle;
		else
			high = middle;
	}
	return &chunk->groups[low];
}

static void list_group(struct berth_dma_pool_core *core, struct group *group)
{
	group->is_listed = true;
	group->next = core->listed;
	core->listed = group;
}

/* A group that may have become one that has free blocks and is nobody's. */
static void settle(struct berth_dma_pool_core *core, struct group *group)
{
	if (!group->is_own && !group->is_listed &&
	    __atomic_load_n(&group->g.free, __ATOMIC_ACQUIRE))
		list_group(core, group);
}

/* Growing: without the lock. */

static uint32_t count_groups(const struct dma_pool *pool, dma_addr_t addr)
{
	uint64_t end = addr + pool->core->chunk_size, first, nr = 0;

	for (uint64_t at = addr; at < end;)
		nr += (next_run(pool, &at, end, &first) + GROUP_BLOCKS - 1) / GROUP_BLOCKS;
	return (uint32_t)nr;
}

static void fill_groups(const struct dma_pool *pool, struct chunk *chunk)
{
	uint64_t end = chunk->addr + pool->core->chunk_size, first;
	struct group *group = chunk->groups;

	for (uint64_t at = chunk->addr; at < end;) {
		uint64_t nr = next_run(pool, &at, end, &first);

		while (nr) {
			uint32_t n = nr < GROUP_BLOCKS ? (uint32_t)nr : GROUP_BLOCKS;

			group->g.free = UINT64_MAX >> (GROUP_BLOCKS - n);
			group->g.virt = (uintptr_t)chunk->virt + (uintptr_t)(first - chunk->addr);
			group->g.delta = first - group->g.virt;
			group->g.nr = n;
			group++;
			first += (uint64_t)n * pool->stride;
			nr -= n;
		}
	}
}

/*
 * Under a sanitizer free blocks may not be touched. It knows of 8 bytes at a time, and of memory in
 * the linear map.
 */
static bool is_poisonable(const struct dma_pool *pool, uintptr_t virt)
{
	return berth_port_is_guarded() && !(pool->stride & 7) && virt_addr_valid((void *)virt);
}

static bool grow(struct dma_pool *pool, gfp_t gfp)
{
	struct berth_dma_pool_core *core = pool->core;
	struct chunk *chunk = NULL;
	unsigned long flags;
	dma_addr_t addr;
	uint32_t nr;
	char *virt;

	virt = dma_alloc_coherent(core->dev, core->chunk_size, &addr, gfp & ~__GFP_ZERO);
	if (!virt)
		return false;
	nr = count_groups(pool, addr);
	if (!nr)
		berth_fail_at(-ENOMEM, BERTH_REASON_MAPPING, "alignment of a dma_pool", addr);
	else
		chunk = kzalloc(sizeof(*chunk) + nr * sizeof(chunk->groups[0]),
				gfp & __GFP_DIRECT_RECLAIM);
	if (!chunk) {
		dma_free_coherent(core->dev, core->chunk_size, virt, addr);
		return false;
	}
	chunk->virt = virt;
	chunk->addr = addr;
	chunk->nr = nr;
	fill_groups(pool, chunk);
	if (is_poisonable(pool, (uintptr_t)virt))
		berth_port_poison(virt, core->chunk_size);
	spin_lock_irqsave(&core->lock, flags);
	insert(core, chunk);
	while (nr--)
		list_group(core, &chunk->groups[nr]);
	spin_unlock_irqrestore(&core->lock, flags);
	return true;
}

/* Taking. */

/* With the lock. The slot looks into another group from now on. */
static void set_own(struct dma_pool *pool, unsigned int slot, struct group *group)
{
	struct berth_dma_group *old = pool->own[slot].group;

	if (group)
		group->is_own = true;
	__atomic_store_n(&pool->own[slot].group, group ? &group->g : &pool->core->none,
			 __ATOMIC_RELEASE);
	if (old == &pool->core->none)
		return;
	((struct group *)old)->is_own = false;
	settle(pool->core, (struct group *)old);
}

/* With the lock. A block of a group, 64 if none is free. */
static unsigned int claim(struct group *group)
{
	uint64_t blocks = __atomic_load_n(&group->g.free, __ATOMIC_RELAXED), bit;

	while (blocks) {
		bit = blocks & (0 - blocks);
		blocks = __atomic_fetch_and(&group->g.free, ~bit, __ATOMIC_ACQUIRE);
		if (blocks & bit)
			return lowest_bit(bit);
	}
	return GROUP_BLOCKS;
}

static void *take_block(struct dma_pool *pool, dma_addr_t *handle)
{
	struct berth_dma_pool_core *core = pool->core;
	/* Where memory is poisoned nothing is inline. */
	unsigned int slot = berth_port_is_guarded() ? 0 : berth_port_slot() + 1;
	unsigned int block = GROUP_BLOCKS;
	struct group *group = NULL;
	unsigned long flags;

	spin_lock_irqsave(&core->lock, flags);
	while (block == GROUP_BLOCKS && core->listed) {
		group = core->listed;
		core->listed = group->next;
		group->is_listed = false;
		block = claim(group);
	}
	if (block < GROUP_BLOCKS && slot)
		set_own(pool, slot, group);
	else if (block < GROUP_BLOCKS)
		settle(core, group);
	spin_unlock_irqrestore(&core->lock, flags);
	if (block == GROUP_BLOCKS)
		return NULL;
	*handle = group->g.virt + pool->stride * block + group->g.delta;
	return (void *)(group->g.virt + pool->stride * block);
}

/* List whatever has a free block. False if nothing has. */
static bool collect(struct dma_pool *pool)
{
	struct berth_dma_pool_core *core = pool->core;
	unsigned long flags;
	bool found;

	spin_lock_irqsave(&core->lock, flags);
	for (unsigned int slot = 1; slot <= BERTH_PORT_MAX_SLOTS; slot++)
		set_own(pool, slot, NULL);
	for (struct chunk *chunk = core->chunks; chunk; chunk = chunk->next)
		for (uint32_t i = 0; i < chunk->nr; i++)
			settle(core, &chunk->groups[i]);
	found = core->listed != NULL;
	spin_unlock_irqrestore(&core->lock, flags);
	return found;
}

void *berth_dma_pool_do_alloc(struct dma_pool *pool, gfp_t gfp, dma_addr_t *handle)
{
	const struct berth_error before = *berth_last_error();
	void *block = take_block(pool, handle);

	while (!block) {
		bool has_grown = grow(pool, gfp);

		if (!has_grown && !collect(pool))
			return NULL;
		if (!has_grown)
			*berth_port_error() = before;
		/* Others may have been quicker. */
		block = take_block(pool, handle);
	}
	if (is_poisonable(pool, (uintptr_t)block))
		berth_port_unpoison(block, pool->core->size);
	if (gfp & __GFP_ZERO)
		memset(block, 0, pool->core->size);
	return block;
}

/* Giving back. */

/* The number of a block in its group; the group's @nr or more if it is none. */
static uint64_t index_in(const struct dma_pool *pool, const struct group *group, uintptr_t virt)
{
	uint64_t at = (virt - group->g.virt) * pool->inverse;

	return at >> pool->shift | at << (-pool->shift & 63);
}

static bool give_block(struct dma_pool *pool, uintptr_t virt, dma_addr_t addr)
{
	struct group *group = find_group(pool->core, virt);
	uint64_t block = group ? index_in(pool, group, virt) : 0, bit;

	if (!group || block >= group->g.nr || addr - virt != group->g.delta)
		return false;
	bit = 1ULL << block;
	if (__atomic_load_n(&group->g.free, __ATOMIC_RELAXED) & bit)
		return false;
	if (is_poisonable(pool, virt))
		berth_port_poison((void *)virt, pool->core->size);
	if (__atomic_fetch_or(&group->g.free, bit, __ATOMIC_RELEASE) & bit)
		return false;
	settle(pool->core, group);
	return true;
}

void berth_dma_pool_do_free(struct dma_pool *pool, void *vaddr, dma_addr_t addr)
{
	struct berth_error *error;
	unsigned long flags;
	bool is_given;

	spin_lock_irqsave(&pool->core->lock, flags);
	is_given = give_block(pool, (uintptr_t)vaddr, addr);
	spin_unlock_irqrestore(&pool->core->lock, flags);
	if (is_given)
		return;
	error = berth_error_set(-EINVAL, BERTH_REASON_NOT_OWNED, pool->core->name);
	error->address = addr;
}

struct device *berth_dma_pool_device(const struct dma_pool *pool)
{
	return pool->core->dev;
}

size_t berth_dma_pool_block(const struct dma_pool *pool)
{
	return pool->core->size;
}

uint64_t berth_dma_pool_used(struct dma_pool *pool)
{
	struct berth_dma_pool_core *core = pool->core;
	uint64_t nr = 0;
	unsigned long flags;

	spin_lock_irqsave(&core->lock, flags);
	for (const struct chunk *chunk = core->chunks; chunk; chunk = chunk->next)
		for (uint32_t i = 0; i < chunk->nr; i++) {
			uint64_t bits = __atomic_load_n(&chunk->groups[i].g.free, __ATOMIC_ACQUIRE);

			nr += chunk->groups[i].g.nr;
			for (; bits; bits &= bits - 1)
				nr--;
		}
	spin_unlock_irqrestore(&core->lock, flags);
	return nr * core->size;
}

void dma_pool_destroy(struct dma_pool *pool)
{
	struct berth_dma_pool_core *core;
	uint64_t used;

	if (!pool)
		return;
	core = pool->core;
	used = berth_dma_pool_used(pool);
	if (used) {
		dev_err(core->dev, "dma_pool_destroy: %s: %llu bytes are out; it stays\n",
			core->name, (unsigned long long)used);
		berth_fail_limit(-EBUSY, BERTH_REASON_LEAK, core->name, used, 0);
		return;
	}
	while (core->chunks) {
		struct chunk *chunk = core->chunks;

		core->chunks = chunk->next;
		if (is_poisonable(pool, (uintptr_t)chunk->virt))
			berth_port_unpoison(chunk->virt, core->chunk_size);
		dma_free_coherent(core->dev, core->chunk_size, chunk->virt, chunk->addr);
		kfree(chunk);
	}
	kfree(core);
	kfree(pool);
}
