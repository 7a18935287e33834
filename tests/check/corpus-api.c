// SPDX-License-Identifier: BSD-2-Clause
/* Mistakes with pools, allocations, failures and addresses of mappings: see corpus.h. */
#include <string.h>

#include <berth/dma-mapping.h>
#include <berth/dmapool.h>
#include <berth/errno.h>
#include <berth/gfp.h>
#include <berth/page_pool.h>
#include <berth/slab.h>

#include "check/corpus.h"

#define SIZE 256u

/* Memory of one kind. */

/* A list of 512 bytes is from the pool, the larger one is not (a request's data segment descriptors). */
static void pool_free_of_coherent(const struct rig *rig, bool is_mended)
{
	struct dma_pool *pool = dma_pool_create("dsd", rig->dev, 512, 8, 0);
	dma_addr_t addr;
	void *list = dma_alloc_coherent(rig->dev, 4088, &addr, GFP_KERNEL);

	if (!pool || !list)
		return;
	if (is_mended)
		dma_free_coherent(rig->dev, 4088, list, addr);
	else
		dma_pool_free(pool, list, addr); /* BUG free-kind */
	dma_pool_destroy(pool);
}

static void coherent_free_of_block(const struct rig *rig, bool is_mended)
{
	struct dma_pool *pool = dma_pool_create("cmd", rig->dev, 64, 64, 0);
	dma_addr_t addr;
	void *cmd = dma_pool_alloc(pool, GFP_KERNEL, &addr);

	if (!cmd)
		return;
	if (is_mended)
		dma_pool_free(pool, cmd, addr);
	else
		dma_free_coherent(rig->dev, 64, cmd, addr); /* BUG free-kind */
	dma_pool_destroy(pool);
}

static void block_of_another_pool(const struct rig *rig, bool is_mended)
{
	struct dma_pool *small = dma_pool_create("small", rig->dev, 64, 64, 0);
	struct dma_pool *large = dma_pool_create("large", rig->dev, 256, 64, 0);
	struct dma_pool *from = is_mended ? small : large;
	dma_addr_t addr;
	void *prp = dma_pool_alloc(small, GFP_KERNEL, &addr);

	if (!prp)
		return;
	dma_pool_free(from, prp, addr); /* BUG free-pool */
	dma_pool_destroy(small);
	dma_pool_destroy(large);
}

static void block_by_wrong_address(const struct rig *rig, bool is_mended)
{
	struct dma_pool *pool = dma_pool_create("link", rig->dev, 64, 64, 0);
	dma_addr_t addr, next;
	void *first = dma_pool_alloc(pool, GFP_KERNEL, &addr);
	void *second = dma_pool_alloc(pool, GFP_KERNEL, &next);

	if (!first || !second)
		return;
	dma_pool_free(pool, second, next);
	dma_pool_free(pool, first, is_mended ? addr : next); /* BUG free-address */
	dma_pool_destroy(pool);
}

static void block_twice(const struct rig *rig, bool is_mended)
{
	struct dma_pool *pool = dma_pool_create("sense", rig->dev, 96, 16, 0);
	dma_addr_t addr;
	void *sense = dma_pool_zalloc(pool, GFP_KERNEL, &addr);

	if (!sense)
		return;
	dma_pool_free(pool, sense, addr);
	if (!is_mended)
		dma_pool_free(pool, sense, addr); /* BUG free-twice */
	dma_pool_destroy(pool);
}

static void coherent_twice(const struct rig *rig, bool is_mended)
{
	dma_addr_t addr;
	void *ring = dma_alloc_wc(rig->dev, 4096, &addr, GFP_KERNEL);

	if (!ring)
		return;
	dma_free_wc(rig->dev, 4096, ring, addr);
	if (!is_mended)
		dma_free_wc(rig->dev, 4096, ring, addr); /* BUG free-twice */
}

static void managed_as_if_not(const struct rig *rig, bool is_mended)
{
	dma_addr_t addr;
	void *ring = dmam_alloc_coherent(rig->dev, 4096, &addr, GFP_KERNEL);

	if (ring && !is_mended)
		dma_free_coherent(rig->dev, 4096, ring, addr); /* BUG free-kind */
}

static void pages_size(const struct rig *rig, bool is_mended)
{
	const size_t size = is_mended ? 8192 : 4096;
	dma_addr_t addr;
	struct page *page = dma_alloc_pages(rig->dev, 8192, &addr, DMA_FROM_DEVICE, GFP_KERNEL);

	if (!page)
		return;
	dma_free_pages(rig->dev, size, page, addr, DMA_FROM_DEVICE); /* BUG free-size */
}

static void table_size(const struct rig *rig, bool is_mended)
{
	const size_t size = is_mended ? 8192 : 4096;
	struct sg_table *sgt =
		dma_alloc_noncontiguous(rig->dev, 8192, DMA_TO_DEVICE, GFP_KERNEL, 0);

	if (!sgt)
		return;
	dma_free_noncontiguous(rig->dev, size, sgt, DMA_TO_DEVICE); /* BUG free-size */
}

/* The queue is destroyed before what still uses its memory. */
static void pool_before_blocks(const struct rig *rig, bool is_mended)
{
	struct dma_pool *pool = dma_pool_create("queue", rig->dev, 128, 64, 0);
	dma_addr_t addr;
	void *entry = dma_pool_alloc(pool, GFP_KERNEL, &addr);

	if (!entry)
		return;
	if (is_mended)
		dma_pool_free(pool, entry, addr);
	dma_pool_destroy(pool); /* BUG pool-busy */
	if (!is_mended)
		dma_pool_free(pool, entry, addr);
}

static void block_left(const struct rig *rig, bool is_mended)
{
	struct dma_pool *pool = dmam_pool_create("left", rig->dev, 128, 64, 0);
	dma_addr_t addr;
	void *entry = dma_pool_alloc(pool, GFP_KERNEL, &addr); /* BUG leak */

	if (entry && is_mended)
		dma_pool_free(pool, entry, addr);
}

static void block_after_free(const struct rig *rig, bool is_mended)
{
	struct dma_pool *pool = dma_pool_create("status", rig->dev, 64, 64, 0);
	dma_addr_t addr;
	void *status = dma_pool_alloc(pool, GFP_KERNEL, &addr);

	if (!status)
		return;
	if (is_mended)
		rig->device_writes(addr, 16);
	dma_pool_free(pool, status, addr);
	if (!is_mended)
		rig->device_writes(addr, 16); /* BUG device-unmapped */
	dma_pool_destroy(pool);
}

/* Pages whose owner changes. */

static void noncoherent_not_synced(const struct rig *rig, bool is_mended)
{
	dma_addr_t addr;
	unsigned char *buf =
		dma_alloc_noncoherent(rig->dev, 4096, &addr, DMA_FROM_DEVICE, GFP_KERNEL);

	if (!buf)
		return;
	dma_sync_single_for_device(rig->dev, addr, 4096, DMA_FROM_DEVICE);
	rig->device_writes(addr, 256);
	if (is_mended)
		dma_sync_single_for_cpu(rig->dev, addr, 256, DMA_FROM_DEVICE);
	*rig->seen = buf[3]; /* BUG cpu-read */
	dma_free_noncoherent(rig->dev, 4096, buf, addr, DMA_FROM_DEVICE);
}

static void noncoherent_not_given(const struct rig *rig, bool is_mended)
{
	dma_addr_t addr;
	unsigned char *buf =
		dma_alloc_noncoherent(rig->dev, 4096, &addr, DMA_TO_DEVICE, GFP_KERNEL);

	if (!buf)
		return;
	buf[0] = 1;
	if (is_mended)
		dma_sync_single_for_device(rig->dev, addr, 4096, DMA_TO_DEVICE);
	rig->device_reads(addr, 256); /* BUG device-early */
	dma_free_noncoherent(rig->dev, 4096, buf, addr, DMA_TO_DEVICE);
}

static void table_not_synced(const struct rig *rig, bool is_mended)
{
	struct sg_table *sgt =
		dma_alloc_noncontiguous(rig->dev, 8192, DMA_FROM_DEVICE, GFP_KERNEL, 0);
	unsigned char *buf = sgt ? dma_vmap_noncontiguous(rig->dev, 8192, sgt) : NULL;

	if (!buf)
		return;
	dma_sync_sgtable_for_device(rig->dev, sgt, DMA_FROM_DEVICE);
	rig->device_writes(sg_dma_address(sgt->sgl), 512);
	if (is_mended)
		dma_sync_sgtable_for_cpu(rig->dev, sgt, DMA_FROM_DEVICE);
	*rig->seen = buf[100]; /* BUG cpu-read */
	dma_vunmap_noncontiguous(rig->dev, buf);
	dma_free_noncontiguous(rig->dev, 8192, sgt, DMA_FROM_DEVICE);
}

static void table_not_given(const struct rig *rig, bool is_mended)
{
	struct sg_table *sgt =
		dma_alloc_noncontiguous(rig->dev, 8192, DMA_TO_DEVICE, GFP_KERNEL, 0);
	unsigned char *buf = sgt ? dma_vmap_noncontiguous(rig->dev, 8192, sgt) : NULL;

	if (!buf)
		return;
	memset(buf, 0, 8192);
	if (is_mended)
		dma_sync_sgtable_for_device(rig->dev, sgt, DMA_TO_DEVICE);
	rig->device_reads(sg_dma_address(sgt->sgl), 512); /* BUG device-early */
	dma_vunmap_noncontiguous(rig->dev, buf);
	dma_free_noncontiguous(rig->dev, 8192, sgt, DMA_TO_DEVICE);
}

/* Where the CPU has seen one table it sees another one later, or none. */
static void legal_views(const struct rig *rig, bool is_mended)
{
	struct sg_table *sgt[2];
	unsigned char *buf;

	(void)is_mended;
	for (unsigned int i = 0; i < 2; i++) {
		sgt[i] = dma_alloc_noncontiguous(rig->dev, 8192, DMA_FROM_DEVICE, GFP_KERNEL, 0);
		buf = sgt[i] ? dma_vmap_noncontiguous(rig->dev, 8192, sgt[i]) : NULL;
		if (!buf)
			return;
		memset(buf, 0, 8192);
		dma_sync_sgtable_for_device(rig->dev, sgt[i], DMA_FROM_DEVICE);
		dma_vunmap_noncontiguous(rig->dev, buf);
	}
	for (unsigned int i = 0; i < 2; i++) {
		rig->device_writes(sg_dma_address(sgt[i]->sgl), 512);
		dma_sync_sgtable_for_cpu(rig->dev, sgt[i], DMA_FROM_DEVICE);
		buf = dma_vmap_noncontiguous(rig->dev, 8192, sgt[i]);
		if (!buf)
			return;
		*rig->seen = buf[100];
		dma_vunmap_noncontiguous(rig->dev, buf);
		dma_free_noncontiguous(rig->dev, 8192, sgt[i], DMA_FROM_DEVICE);
	}
}

static struct page_pool *new_pool(const struct rig *rig, unsigned int flags)
{
	const struct page_pool_params params = {
		.flags = PP_FLAG_DMA_MAP | PP_FLAG_DMA_SYNC_DEV | flags,
		.dev = rig->dev,
		.dma_dir = DMA_FROM_DEVICE,
		.offset = 64,
		.max_len = 2048,
	};
	struct page_pool *pool = page_pool_create(&params);

	return IS_ERR(pool) ? NULL : pool;
}

/* Frames of the kind that the firmware answers itself are looked at on another way, which forgets it. */
static void pool_page_not_synced(const struct rig *rig, bool is_mended)
{
	struct page_pool *pool = new_pool(rig, 0);
	struct page *page = pool ? page_pool_dev_alloc_pages(pool) : NULL;
	dma_addr_t addr;
	unsigned char *frame;

	if (!page)
		return;
	addr = page_pool_get_dma_addr(page) + 64;
	frame = (unsigned char *)page_address(page) + 64;
	rig->device_writes(addr, 60);
	if (is_mended)
		dma_sync_single_for_cpu(rig->dev, addr, 60, page_pool_get_dma_dir(pool));
	*rig->seen = frame[12]; /* BUG cpu-read */
	page_pool_put_full_page(pool, page, true);
	page_pool_destroy(pool);
}

static void pool_page_after_put(const struct rig *rig, bool is_mended)
{
	struct page_pool *pool = new_pool(rig, 0);
	struct page *page = pool ? page_pool_dev_alloc_pages(pool) : NULL;
	dma_addr_t addr;

	if (!page)
		return;
	addr = page_pool_get_dma_addr(page) + 64;
	if (is_mended)
		rig->device_writes(addr, 60);
	page_pool_recycle_direct(pool, page);
	if (!is_mended)
		rig->device_writes(addr, 60); /* BUG device-unmapped */
	page_pool_destroy(pool);
}

/* Addresses of mappings. */

/* The chain's next descriptor is unmapped, not the buffer. */
static void descriptor_unmapped(const struct rig *rig, bool is_mended)
{
	struct dma_pool *pool = dma_pool_create("chain", rig->dev, 64, 64, 0);
	unsigned char *buf = kzalloc(SIZE, GFP_KERNEL);
	dma_addr_t chain, next, addr;
	void *desc = dma_pool_alloc(pool, GFP_KERNEL, &chain);

	addr = dma_map_single(rig->dev, buf, SIZE, DMA_TO_DEVICE);
	if (!desc || dma_mapping_error(rig->dev, addr))
		return;
	next = is_mended ? addr : chain;
	dma_unmap_single(rig->dev, next, SIZE, DMA_TO_DEVICE); /* BUG unmap-address */
	if (!is_mended)
		dma_unmap_single(rig->dev, addr, SIZE, DMA_TO_DEVICE);
	dma_pool_free(pool, desc, chain);
	dma_pool_destroy(pool);
	kfree(buf);
}

/* The controller keeps a flag in bit 2 of the descriptor's address. */
static void flag_in_the_address(const struct rig *rig, bool is_mended)
{
	unsigned char *buf = kzalloc(SIZE, GFP_KERNEL);
	dma_addr_t addr = dma_map_single(rig->dev, buf, SIZE, DMA_FROM_DEVICE), word;

	if (dma_mapping_error(rig->dev, addr))
		return;
	word = addr | 4;
	if (is_mended)
		word &= ~(dma_addr_t)7;
	dma_unmap_single(rig->dev, word, SIZE, DMA_FROM_DEVICE); /* BUG unmap-address */
	if (!is_mended)
		dma_unmap_single(rig->dev, addr, SIZE, DMA_FROM_DEVICE);
	kfree(buf);
}

/* One slot's address is unmapped where the other one's is meant. */
static void other_slot_unmapped(const struct rig *rig, bool is_mended)
{
	unsigned char *one = kzalloc(SIZE, GFP_KERNEL), *two = kzalloc(SIZE, GFP_KERNEL);
	dma_addr_t slot[2] = { dma_map_single(rig->dev, one, SIZE, DMA_TO_DEVICE),
			       dma_map_single(rig->dev, two, SIZE, DMA_TO_DEVICE) };

	if (dma_mapping_error(rig->dev, slot[0]) || dma_mapping_error(rig->dev, slot[1]))
		return;
	dma_unmap_single(rig->dev, slot[0], SIZE, DMA_TO_DEVICE);
	dma_unmap_single(rig->dev, slot[is_mended], SIZE, DMA_TO_DEVICE); /* BUG unmap-twice */
	if (!is_mended)
		dma_unmap_single(rig->dev, slot[1], SIZE, DMA_TO_DEVICE);
	kfree(one);
	kfree(two);
}

/* Of the descriptors that take two fragments each only the first is unmapped. */
static void second_fragment_skipped(const struct rig *rig, bool is_mended)
{
	unsigned char *frags = kzalloc(4 * SIZE, GFP_KERNEL);
	dma_addr_t addr[4];

	for (unsigned int i = 0; i < 4; i++) {
		addr[i] = dma_map_single(rig->dev, frags + i * SIZE, SIZE, DMA_TO_DEVICE);
		if (dma_mapping_error(rig->dev, addr[i]))
			return;
	}
	rig->device_reads(addr[0], SIZE);
	for (unsigned int i = 0; i < 4; i += is_mended ? 1 : 2)
		dma_unmap_single(rig->dev, addr[i], SIZE, DMA_TO_DEVICE);
	kfree(frags); /* BUG free-mapped */
}

/* Failures. */

/* The error is seen, and the operation ends as if there were none. */
static void error_is_success(const struct rig *rig, bool is_mended)
{
	unsigned char *buf = kzalloc(SIZE, GFP_KERNEL);
	dma_addr_t addr;
	int ret = 0;

	rig->fail_nth(1);
	addr = dma_map_single(rig->dev, buf, SIZE, DMA_TO_DEVICE); /* BUG error-lost */
	if (dma_mapping_error(rig->dev, addr)) {
		if (is_mended)
			ret = -ENOMEM;
	} else {
		rig->device_reads(addr, SIZE);
		dma_unmap_single(rig->dev, addr, SIZE, DMA_TO_DEVICE);
	}
	rig->returned(ret);
	kfree(buf);
}

/* The third fragment cannot be mapped, and the first two stay. */
static void left_on_the_failing_path(const struct rig *rig, bool is_mended)
{
	unsigned char *frags = kzalloc(3 * SIZE, GFP_KERNEL), *frag;
	dma_addr_t addr[3];
	unsigned int nr;
	int ret = 0;

	*rig->to_free = frags;
	rig->fail_nth(3);
	for (nr = 0; nr < 3; nr++) {
		frag = frags + SIZE * nr;
		addr[nr] = dma_map_single(rig->dev, frag, SIZE, DMA_TO_DEVICE); /* BUG leak */
		if (dma_mapping_error(rig->dev, addr[nr])) {
			ret = -ENOMEM;
			break;
		}
	}
	while ((is_mended || !ret) && nr-- > 0)
		dma_unmap_single(rig->dev, addr[nr], SIZE, DMA_TO_DEVICE);
	rig->returned(ret);
}

static void list_of_which_one_failed(const struct rig *rig, bool is_mended)
{
	unsigned char *buf = kzalloc(SIZE, GFP_KERNEL);
	struct scatterlist list;
	int ret = 0;

	sg_init_one(&list, buf, SIZE);
	rig->fail_nth(1);
	if (!dma_map_sg(rig->dev, &list, 1, DMA_TO_DEVICE)) /* BUG error-lost */
		ret = is_mended ? -EIO : 0;
	else
		dma_unmap_sg(rig->dev, &list, 1, DMA_TO_DEVICE);
	rig->returned(ret);
	kfree(buf);
}

struct command {
	uint32_t words[8];
};

static void alloc_not_asked(const struct rig *rig, bool is_mended)
{
	dma_addr_t addr;
	struct command *command;

	rig->fail_nth(1);
	command = dma_alloc_coherent(rig->dev, sizeof(*command), &addr, GFP_KERNEL);
	if (is_mended && !command)
		return;
	command->words[3] = 1; /* BUG alloc-unchecked */
	dma_free_coherent(rig->dev, sizeof(*command), command, addr);
}

static void pool_not_asked(const struct rig *rig, bool is_mended)
{
	struct dma_pool *pool;
	dma_addr_t addr;
	void *block;

	rig->fail_nth(1);
	pool = dma_pool_create("events", rig->dev, 64, 64, 0);
	if (is_mended && !pool)
		return;
	block = dma_pool_alloc(pool, GFP_KERNEL, &addr); /* BUG alloc-unchecked */
	if (block)
		dma_pool_free(pool, block, addr);
	dma_pool_destroy(pool);
}

/* A list that one request of the block layer becomes, for a device that nobody asked about its segments. */
static void segment_too_long(const struct rig *rig, bool is_mended)
{
	unsigned char *buf = kzalloc(128 << 10, GFP_KERNEL);
	struct scatterlist list;

	dma_set_max_seg_size(rig->dev, is_mended ? 1 << 20 : 64 << 10);
	sg_init_one(&list, buf, 128 << 10);
	if (dma_map_sg(rig->dev, &list, 1, DMA_TO_DEVICE)) /* BUG segment */
		dma_unmap_sg(rig->dev, &list, 1, DMA_TO_DEVICE);
	kfree(buf);
}

/* What is legal. */

static void legal_pools(const struct rig *rig, bool is_mended)
{
	struct dma_pool *pool = dma_pool_create("any", rig->dev, 40, 8, 0);
	dma_addr_t addr[100];
	unsigned char *block[100];

	(void)is_mended;
	for (unsigned int i = 0; i < 100; i++) {
		block[i] = dma_pool_zalloc(pool, GFP_KERNEL, &addr[i]);
		if (!block[i])
			return;
		block[i][39] = (unsigned char)i;
		rig->device_writes(addr[i], 40);
		/* What is fetched is whole lines. */
		rig->device_reads(addr[i], (size_t)(((addr[i] + 103) & ~63ull) - addr[i]));
	}
	for (unsigned int i = 0; i < 100; i++) {
		*rig->seen = block[i][3];
		dma_pool_free(pool, block[99 - i], addr[99 - i]);
	}
	dma_pool_destroy(pool);
}

static void legal_managed(const struct rig *rig, bool is_mended)
{
	dma_addr_t addr, other;
	struct dma_pool *pool = dmam_pool_create("managed", rig->dev, 64, 64, 0);
	unsigned char *ring = dmam_alloc_coherent(rig->dev, 4096, &addr, GFP_KERNEL);
	unsigned char *spare = dmam_alloc_coherent(rig->dev, 100, &other, GFP_KERNEL);

	(void)is_mended;
	if (!pool || !ring || !spare)
		return;
	ring[0] = 1;
	rig->device_reads(addr, 4096);
	dmam_free_coherent(rig->dev, 100, spare, other);
}

static void legal_page_pool(const struct rig *rig, bool is_mended)
{
	struct page_pool *pool = new_pool(rig, PP_FLAG_PAGE_FRAG);
	unsigned int at[2];
	struct page *page = page_pool_dev_alloc_pages(pool), *part[2];
	unsigned char *frame;

	(void)is_mended;
	if (!page)
		return;
	frame = page_address(page);
	frame[0] = 1; /* before what the device is told of */
	frame[3000] = 1; /* and behind */
	frame[100] = 2; /* a new page may be written first */
	dma_sync_single_for_device(rig->dev, page_pool_get_dma_addr(page) + 64, 2048,
				   DMA_FROM_DEVICE);
	rig->device_writes(page_pool_get_dma_addr(page) + 64, 2048);
	dma_sync_single_for_cpu(rig->dev, page_pool_get_dma_addr(page) + 64, 2048, DMA_FROM_DEVICE);
	*rig->seen = frame[64];
	page_pool_put_page(pool, page, 2048, false);
	for (unsigned int i = 0; i < 2; i++) {
		part[i] = page_pool_dev_alloc_frag(pool, &at[i], 512);
		if (!part[i])
			return;
		rig->device_writes(page_pool_get_dma_addr(part[i]) + at[i], 512);
		dma_sync_single_for_cpu(rig->dev, page_pool_get_dma_addr(part[i]) + at[i], 512,
					DMA_FROM_DEVICE);
		*rig->seen = ((unsigned char *)page_address(part[i]))[at[i]];
	}
	for (unsigned int i = 0; i < 2; i++)
		page_pool_put_full_page(pool, part[i], i);
	page_pool_destroy(pool);
}

/* Each half of a page is synced in its turn while the other one is unmapped. */
static void legal_neighbours(const struct rig *rig, bool is_mended)
{
	unsigned char *page = kzalloc(4096, GFP_KERNEL);
	dma_addr_t one = dma_map_single(rig->dev, page, 2048, DMA_FROM_DEVICE);
	dma_addr_t two = dma_map_single(rig->dev, page + 2048, 2048, DMA_FROM_DEVICE);

	(void)is_mended;
	if (dma_mapping_error(rig->dev, one) || dma_mapping_error(rig->dev, two))
		return;
	dma_sync_single_for_cpu(rig->dev, one, 512, DMA_FROM_DEVICE);
	*rig->seen = page[17];
	dma_unmap_single(rig->dev, two, 2048, DMA_FROM_DEVICE);
	page[2048] = 1;
	*rig->seen = page[18];
	page[19] = 1;
	dma_unmap_single(rig->dev, one, 2048, DMA_FROM_DEVICE);
	kfree(page);
}

static void legal_skip_sync(const struct rig *rig, bool is_mended)
{
	unsigned char *buf = kzalloc(SIZE, GFP_KERNEL);
	dma_addr_t addr = dma_map_single_attrs(rig->dev, buf, SIZE, DMA_BIDIRECTIONAL,
					       DMA_ATTR_SKIP_CPU_SYNC);

	(void)is_mended;
	if (dma_mapping_error(rig->dev, addr))
		return;
	buf[0] = 1; /* it is the CPU's as yet */
	dma_sync_single_for_device(rig->dev, addr, SIZE, DMA_BIDIRECTIONAL);
	rig->device_writes(addr, SIZE);
	dma_sync_single_for_cpu(rig->dev, addr, SIZE, DMA_BIDIRECTIONAL);
	*rig->seen = buf[1];
	dma_unmap_single_attrs(rig->dev, addr, SIZE, DMA_BIDIRECTIONAL, DMA_ATTR_SKIP_CPU_SYNC);
	kfree(buf);
}

/* A mapping fails: tried again, in smaller pieces, done by the CPU, or given up. */
static void legal_failures(const struct rig *rig, bool is_mended)
{
	unsigned char *buf = kzalloc(SIZE, GFP_KERNEL), *lost = kzalloc(SIZE, GFP_KERNEL);
	dma_addr_t addr;
	int sum = 0;

	(void)is_mended;
	rig->fail_nth(1);
	for (unsigned int tries = 0; tries < 2; tries++) {
		addr = dma_map_single(rig->dev, buf, SIZE, DMA_TO_DEVICE);
		if (!dma_mapping_error(rig->dev, addr))
			dma_unmap_single(rig->dev, addr, SIZE, DMA_TO_DEVICE);
	}
	rig->returned(0);
	rig->fail_nth(1);
	addr = dma_map_single(rig->dev, buf, SIZE, DMA_TO_DEVICE);
	if (dma_mapping_error(rig->dev, addr))
		for (unsigned int i = 0; i < SIZE; i++)
			sum += buf[i];
	else
		dma_unmap_single(rig->dev, addr, SIZE, DMA_TO_DEVICE);
	rig->returned(sum);
	rig->fail_nth(1);
	addr = dma_map_single(rig->dev, lost, SIZE, DMA_TO_DEVICE);
	if (!dma_mapping_error(rig->dev, addr))
		dma_unmap_single(rig->dev, addr, SIZE, DMA_TO_DEVICE);
	kfree(lost); /* a packet that is dropped */
	rig->returned(0);
	kfree(buf);
}

const struct mistake corpus_api[] = {
	MISTAKE(pool_free_of_coherent, 6),
	MISTAKE(coherent_free_of_block, 6),
	MISTAKE(block_of_another_pool, 6),
	MISTAKE(block_by_wrong_address, 6),
	MISTAKE(block_twice, 7),
	MISTAKE(coherent_twice, 7),
	MISTAKE(managed_as_if_not, 6),
	MISTAKE(pages_size, 6),
	MISTAKE(table_size, 6),
	MISTAKE(pool_before_blocks, 38),
	MISTAKE(block_left, 13),
	MISTAKE(block_after_free, 27),
	MISTAKE(noncoherent_not_synced, 1),
	MISTAKE(noncoherent_not_given, 2),
	MISTAKE(table_not_synced, 1),
	MISTAKE(table_not_given, 2),
	MISTAKE(pool_page_not_synced, 1),
	MISTAKE(pool_page_after_put, 27),
	MISTAKE(descriptor_unmapped, 8),
	MISTAKE(flag_in_the_address, 42),
	MISTAKE(other_slot_unmapped, 8),
	MISTAKE(second_fragment_skipped, 10),
	MISTAKE(error_is_success, 12),
	MISTAKE(left_on_the_failing_path, 13),
	MISTAKE(list_of_which_one_failed, 12),
	MISTAKE(alloc_not_asked, 33),
	MISTAKE(pool_not_asked, 33),
	MISTAKE(segment_too_long, 20),
	LEGAL(legal_pools),
	LEGAL(legal_managed),
	LEGAL(legal_page_pool),
	LEGAL(legal_neighbours),
	LEGAL(legal_skip_sync),
	LEGAL(legal_failures),
	LEGAL(legal_views),
	CORPUS_END,
};
