// SPDX-License-Identifier: BSD-2-Clause
/* The DMA mapping API for direct devices; a pair is one map and one unmap. */
#include "bench.h"

#include <berth/dma-mapping.h>
#include <berth/dmapool.h>
#include <berth/slab.h>

static struct device dev;
static void *buffer;

/* A device that sees the CPU's caches: nothing but arithmetic is left. */
static void map_pair(unsigned long size, uint64_t iterations)
{
	void *at = buffer;

	for (uint64_t i = 0; i < iterations; i++) {
		dma_addr_t addr;

		bench_use(at);
		addr = dma_map_single(&dev, at, size, DMA_FROM_DEVICE);
		bench_must(!dma_mapping_error(&dev, addr), "dma_map_single");
		bench_use(addr);
		dma_unmap_single(&dev, addr, size, DMA_FROM_DEVICE);
	}
}

static void coherent_pair(unsigned long size, uint64_t iterations)
{
	for (uint64_t i = 0; i < iterations; i++) {
		dma_addr_t addr;
		void *virt = dma_alloc_coherent(&dev, size, &addr, GFP_KERNEL);

		bench_must(virt, "dma_alloc_coherent");
		dma_free_coherent(&dev, size, virt, addr);
	}
}

static struct dma_pool *pool;

/* A descriptor of a ring: one block, taken and given back. */
static void pool_pair(unsigned long size, uint64_t iterations)
{
	(void)size;
	for (uint64_t i = 0; i < iterations; i++) {
		dma_addr_t addr;
		void *block = dma_pool_alloc(pool, GFP_ATOMIC, &addr);

		bench_must(block, "dma_pool_alloc");
		bench_use(block);
		dma_pool_free(pool, block, addr);
	}
}

/* 64 out at a time, first in, first out, as on a ring. */
static void pool_ring(unsigned long size, uint64_t iterations)
{
	void *blocks[64] = { 0 };
	dma_addr_t addrs[64];

	(void)size;
	for (uint64_t i = 0; i < iterations + 64; i++) {
		if (blocks[i % 64])
			dma_pool_free(pool, blocks[i % 64], addrs[i % 64]);
		blocks[i % 64] = i < iterations ? dma_pool_alloc(pool, GFP_ATOMIC, &addrs[i % 64])
						: NULL;
	}
}

static void start(bool coherent)
{
	static struct berth_machine machine;

	machine = berth_model;
	machine.fresh = NULL;
	bench_start_machine(&machine);
	memset(&dev, 0, sizeof(dev));
	bench_must(!device_register(&dev, "bench"), "device_register");
	berth_device_set_coherent(&dev, coherent);
	buffer = kzalloc(65536, GFP_KERNEL);
	bench_must(buffer, "kzalloc");
}

static void start_coherent(unsigned long arg)
{
	(void)arg;
	start(true);
}

static void start_noncoherent(unsigned long arg)
{
	(void)arg;
	start(false);
}

static void start_pool(unsigned long size)
{
	start(true);
	pool = dma_pool_create("bench", &dev, size, size, 0);
	bench_must(pool, "dma_pool_create");
}

static void stop(void)
{
	kfree(buffer);
	device_unregister(&dev);
	bench_stop_machine();
}

static void stop_pool(void)
{
	dma_pool_destroy(pool);
	stop();
}

#define COHERENT .start = start_coherent, .stop = stop
#define NONCOHERENT .start = start_noncoherent, .stop = stop

static const struct bench_case cases[] = {
	{ "dma_map_4k_pair_direct", map_pair, .arg = 4096, COHERENT },
	{ "dma_map_2k_pair_noncoherent", map_pair, .arg = 2048, NONCOHERENT },
	{ "dma_map_64k_pair_noncoherent", map_pair, .arg = 65536, .count = 100, NONCOHERENT },
	{ "dma_pool_pair", pool_pair, .arg = 64, .start = start_pool, .stop = stop_pool },
	{ "dma_pool_ring", pool_ring, .arg = 64, .start = start_pool, .stop = stop_pool },
	{ "dma_alloc_coherent_4k_pair", coherent_pair, .arg = 4096, COHERENT },
	{ "dma_alloc_coherent_64k_pair", coherent_pair, .arg = 65536, .count = 100, COHERENT },
};

int main(int argc, char **argv)
{
	return bench_main(argc, argv, cases, ARRAY_SIZE(cases));
}
