// SPDX-License-Identifier: BSD-2-Clause
/* Pools of memory that devices see: blocks of dma_pool, pages of page_pool. */
#include "bench.h"

#include <berth/dmapool.h>
#include <berth/page_pool.h>

static struct device dev;
static struct dma_pool *blocks;
static struct page_pool *pages;

/* A descriptor of a ring: one block, taken and given back. */
static void block_pair(unsigned long arg, uint64_t iterations)
{
	(void)arg;
	for (uint64_t i = 0; i < iterations; i++) {
		dma_addr_t addr;
		void *block = dma_pool_alloc(blocks, GFP_ATOMIC, &addr);

		bench_must(block, "dma_pool_alloc");
		bench_use(block);
		dma_pool_free(blocks, block, addr);
	}
}

/* 64 out at a time, first in, first out, as on a ring. */
static void block_ring(unsigned long arg, uint64_t iterations)
{
	void *ring[64] = { 0 };
	dma_addr_t addrs[64];

	(void)arg;
	for (uint64_t i = 0; i < iterations + 64; i++) {
		if (ring[i % 64])
			dma_pool_free(blocks, ring[i % 64], addrs[i % 64]);
		ring[i % 64] = i < iterations ? dma_pool_alloc(blocks, GFP_ATOMIC, &addrs[i % 64])
					      : NULL;
	}
}

/* A receive ring that is refilled with what was just received. */
static void page_pair(unsigned long arg, uint64_t iterations)
{
	(void)arg;
	for (uint64_t i = 0; i < iterations; i++) {
		struct page *page = page_pool_alloc_pages(pages, GFP_ATOMIC);

		bench_use(page);
		page_pool_recycle_direct(pages, page);
	}
}

/* The same, the page given back as another thread does it. */
static void page_pair_remote(unsigned long arg, uint64_t iterations)
{
	(void)arg;
	for (uint64_t i = 0; i < iterations; i++) {
		struct page *page = page_pool_alloc_pages(pages, GFP_ATOMIC);

		bench_use(page);
		page_pool_put_full_page(pages, page, false);
	}
}

static void start(unsigned long size)
{
	static struct berth_machine machine;
	const struct page_pool_params params = {
		.flags = PP_FLAG_DMA_MAP | PP_FLAG_DMA_SYNC_DEV,
		.dev = &dev,
		.dma_dir = DMA_FROM_DEVICE,
		.max_len = PAGE_SIZE,
	};

	machine = berth_model;
	machine.fresh = NULL;
	bench_start_machine(&machine);
	memset(&dev, 0, sizeof(dev));
	bench_must(!device_register(&dev, "bench"), "device_register");
	berth_device_set_coherent(&dev, true);
	blocks = dma_pool_create("bench", &dev, size, size, 0);
	bench_must(blocks, "dma_pool_create");
	pages = page_pool_create(&params);
	bench_must(!IS_ERR(pages), "page_pool_create");
}

static void stop(void)
{
	page_pool_destroy(pages);
	dma_pool_destroy(blocks);
	device_unregister(&dev);
	bench_stop_machine();
}

#define POOLS .arg = 64, .start = start, .stop = stop

static const struct bench_case cases[] = {
	{ "dma_pool_pair", block_pair, POOLS },
	{ "dma_pool_ring", block_ring, POOLS },
	{ "page_pool_pair", page_pair, POOLS },
	{ "page_pool_pair_remote", page_pair_remote, POOLS },
};

int main(int argc, char **argv)
{
	return bench_main(argc, argv, cases, ARRAY_SIZE(cases));
}
