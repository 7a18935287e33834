// SPDX-License-Identifier: BSD-2-Clause
/* Memory that is allocated for the device: coherent and other kinds, blocks and pages of pools. */
#include <berth/dmapool.h>
#include <berth/page_pool.h>

#include <berth/io.h>
#include "dma_world.h"

#define MAX_REGIONS 6u
#define MAX_BLOCKS 24u
#define MAX_PAGES 8u

enum kind { COHERENT, WRITE_COMBINED, NONCOHERENT, PAGES, NONCONTIGUOUS, KINDS };

/* @virt: NULL: none. Kinds that need syncs have a stream. */
struct region {
	enum kind kind;
	uint8_t *virt;
	struct page *page;
	struct sg_table *table;
	dma_addr_t addr;
	size_t size;
	struct stream stream;
};

struct block {
	uint8_t *virt;
	dma_addr_t addr;
	uint8_t fill;
};

static struct region regions[MAX_REGIONS];
static struct dma_pool *pool;
static size_t block_size, block_align, block_boundary;
static struct block blocks[MAX_BLOCKS];
static struct page_pool *page_pool;
static struct page *pages[MAX_PAGES];

static bool is_shared(const struct region *r)
{
	return r->kind == COHERENT || r->kind == WRITE_COMBINED;
}

static bool allocate(struct region *r, gfp_t gfp)
{
	switch (r->kind) {
	case COHERENT:
		r->virt = dma_alloc_coherent(dma_device, r->size, &r->addr, gfp);
		break;
	case WRITE_COMBINED:
		r->virt = dma_alloc_wc(dma_device, r->size, &r->addr, gfp);
		break;
	case NONCOHERENT:
		r->virt = dma_alloc_noncoherent(dma_device, r->size, &r->addr, DMA_BIDIRECTIONAL,
						gfp);
		break;
	case PAGES:
		r->page = dma_alloc_pages(dma_device, r->size, &r->addr, DMA_BIDIRECTIONAL, gfp);
		r->virt = r->page ? page_address(r->page) : NULL;
		break;
	default:
		r->table = dma_alloc_noncontiguous(dma_device, r->size, DMA_BIDIRECTIONAL, gfp, 0);
		if (!r->table)
			return false;
		MUST(r->table->nents == 1);
		r->addr = sg_dma_address(r->table->sgl);
		r->virt = dma_vmap_noncontiguous(dma_device, r->size, r->table);
		if (!r->virt)
			dma_free_noncontiguous(dma_device, r->size, r->table, DMA_BIDIRECTIONAL);
	}
	return r->virt;
}

static void alloc_region(struct region *r)
{
	static const uint8_t zeroes[MAX_BYTES];
	gfp_t gfp = take() & 3 ? GFP_KERNEL : GFP_ATOMIC;

	r->kind = (enum kind)take_below(KINDS);
	r->size = 1 + take2() % MAX_BYTES;
	berth_clear_error();
	if (!allocate(r, gfp)) {
		MUST(berth_last_error()->code);
		return;
	}
	/* 20: zeroed, whatever was asked for. */
	MUST(!memcmp(r->virt, zeroes, r->size));
	MUST(!(r->addr & (PAGE_SIZE - 1)));
	MUST(r->addr + r->size - 1 <= world.coherent_mask);
	if (is_shared(r))
		return;
	/* It is the CPU's at first. */
	memset(r->stream.expected, 0, r->size);
	dma_sync_single_for_device(dma_device, r->addr, r->size, DMA_BIDIRECTIONAL);
	stream_begin(&r->stream, r->virt, r->addr, r->size, DMA_BIDIRECTIONAL);
}

static void free_region(struct region *r)
{
	if (!is_shared(r)) {
		stream_give(&r->stream, 0, r->size);
		dma_sync_single_for_cpu(dma_device, r->addr, r->size, DMA_BIDIRECTIONAL);
		stream_end(&r->stream);
	}
	berth_clear_error();
	switch (r->kind) {
	case COHERENT:
		dma_free_coherent(dma_device, r->size + PAGE_SIZE, r->virt, r->addr);
		MUST(berth_last_error()->reason == BERTH_REASON_NOT_OWNED);
		berth_clear_error();
		dma_free_coherent(dma_device, r->size, r->virt, r->addr);
		break;
	case WRITE_COMBINED:
		dma_free_wc(dma_device, r->size, r->virt, r->addr);
		break;
	case NONCOHERENT:
		dma_free_noncoherent(dma_device, r->size, r->virt, r->addr, DMA_BIDIRECTIONAL);
		break;
	case PAGES:
		dma_free_pages(dma_device, r->size, r->page, r->addr, DMA_BIDIRECTIONAL);
		break;
	default:
		dma_vunmap_noncontiguous(dma_device, r->virt);
		dma_free_noncontiguous(dma_device, r->size, r->table, DMA_BIDIRECTIONAL);
	}
	MUST(!berth_last_error()->code);
	r->virt = NULL;
}

/* Each sees at once what the other one has written. */
static void touch_shared(struct region *r)
{
	size_t at = take2() % r->size;
	uint8_t byte = take(), seen;

	r->virt[at] = byte;
	dma_wmb();
	device_read(r->addr + at, &seen, 1);
	MUST(seen == byte);
	byte ^= 0xff;
	device_write(r->addr + at, &byte, 1);
	MUST(((volatile uint8_t *)r->virt)[at] == byte);
}

static void touch_region(struct region *r)
{
	size_t from;

	if (is_shared(r)) {
		touch_shared(r);
		return;
	}
	from = take2() % r->size / CHUNK * CHUNK;
	switch (take_below(4)) {
	case 0:
		stream_give(&r->stream, from, r->size - from);
		dma_sync_single_for_cpu(dma_device, r->addr + from, r->size - from,
					DMA_BIDIRECTIONAL);
		stream_to_cpu(&r->stream, from, r->size - from);
		break;
	case 1:
		dma_sync_single_for_device(dma_device, r->addr + from, r->size - from,
					   DMA_BIDIRECTIONAL);
		stream_to_device(&r->stream, from, r->size - from);
		break;
	default:
		stream_touch(&r->stream);
	}
}

/* 39: sizes, alignments and boundaries of a pool. */
static void make_pool(void)
{
	size_t size = take2() % 3000, align = 1u << take_below(9), rounded;
	size_t boundary = take() & 1 ? 0 : 1u << (6 + take_below(10));

	berth_clear_error();
	pool = dma_pool_create("fuzz", dma_device, size, align, boundary);
	rounded = ((size < 4 ? 4 : size) + align - 1) & ~(align - 1);
	if (!pool) {
		MUST(berth_last_error()->code);
		MUST(!size || (boundary && boundary < rounded) ||
		     berth_last_error()->code != -EINVAL);
		return;
	}
	MUST(size && !(boundary && boundary < rounded));
	block_size = rounded;
	block_align = align;
	block_boundary = boundary;
}

static void check_block(const struct block *b)
{
	MUST(!(b->addr & (block_align - 1)));
	MUST(b->addr + block_size - 1 <= world.coherent_mask);
	if (block_boundary)
		MUST(!((b->addr ^ (b->addr + block_size - 1)) & ~(uint64_t)(block_boundary - 1)));
	for (unsigned int i = 0; i < MAX_BLOCKS; i++)
		if (&blocks[i] != b && blocks[i].virt)
			MUST(b->addr + block_size <= blocks[i].addr ||
			     blocks[i].addr + block_size <= b->addr);
}

static void block_call(void)
{
	struct block *b = &blocks[take_below(MAX_BLOCKS)];
	uint8_t seen[3000];

	if (!pool) {
		make_pool();
		return;
	}
	berth_clear_error();
	if (!b->virt) {
		b->virt = take() & 1 ? dma_pool_alloc(pool, GFP_KERNEL, &b->addr)
				     : dma_pool_zalloc(pool, GFP_ATOMIC, &b->addr);
		MUST(b->virt || berth_last_error()->code);
		if (!b->virt)
			return;
		check_block(b);
		b->fill = take();
		memset(b->virt, b->fill, block_size);
		return;
	}
	if (block_size <= sizeof(seen)) {
		device_read(b->addr, seen, block_size);
		for (size_t i = 0; i < block_size; i++)
			MUST(seen[i] == b->fill);
	}
	dma_pool_free(pool, b->virt + 1, b->addr + 1);
	MUST(berth_last_error()->code == -EINVAL);
	berth_clear_error();
	dma_pool_free(pool, b->virt, b->addr);
	MUST(!berth_last_error()->code);
	b->virt = NULL;
}

/* A receive ring: the device fills pages that stay mapped. */
static void page_call(void)
{
	const struct page_pool_params params = { .flags = PP_FLAG_DMA_MAP | PP_FLAG_DMA_SYNC_DEV,
						 .pool_size = 16,
						 .dev = dma_device,
						 .dma_dir = DMA_FROM_DEVICE,
						 .max_len = PAGE_SIZE };
	struct page **page = &pages[take_below(MAX_PAGES)];
	uint8_t bytes[CHUNK], *virt;
	dma_addr_t addr;

	if (!page_pool) {
		page_pool = page_pool_create(&params);
		if (IS_ERR(page_pool))
			page_pool = NULL;
		return;
	}
	if (!*page) {
		*page = page_pool_alloc_pages(page_pool, GFP_KERNEL);
		return;
	}
	addr = page_pool_get_dma_addr(*page);
	virt = page_address(*page);
	memset(bytes, take(), sizeof(bytes));
	device_write(addr + 256, bytes, sizeof(bytes));
	dma_sync_single_for_cpu(dma_device, addr + 256, sizeof(bytes), DMA_FROM_DEVICE);
	MUST(!memcmp(virt + 256, bytes, sizeof(bytes)));
	/* Who reads the frame may write into it, too. */
	virt[300] = 1;
	if (take() & 1)
		page_pool_recycle_direct(page_pool, *page);
	else
		page_pool_put_full_page(page_pool, *page, false);
	*page = NULL;
}

void memory_call(void)
{
	struct region *r = &regions[take_below(MAX_REGIONS)];

	switch (take_below(4)) {
	case 0:
		block_call();
		break;
	case 1:
		page_call();
		break;
	default:
		if (!r->virt)
			alloc_region(r);
		else if (take_below(4))
			touch_region(r);
		else
			free_region(r);
	}
}

void memory_stop(void)
{
	for (unsigned int i = 0; i < MAX_REGIONS; i++)
		if (regions[i].virt)
			free_region(&regions[i]);
	for (unsigned int i = 0; i < MAX_BLOCKS; i++) {
		if (blocks[i].virt)
			dma_pool_free(pool, blocks[i].virt, blocks[i].addr);
		blocks[i].virt = NULL;
	}
	dma_pool_destroy(pool);
	pool = NULL;
	for (unsigned int i = 0; i < MAX_PAGES; i++) {
		if (pages[i])
			page_pool_put_full_page(page_pool, pages[i], false);
		pages[i] = NULL;
	}
	page_pool_destroy(page_pool);
	page_pool = NULL;
}
