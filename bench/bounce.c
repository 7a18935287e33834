// SPDX-License-Identifier: BSD-2-Clause
/*
 * Mappings through bounce buffers, each a pair of map and unmap: the search for a slot alone, and
 * with the copies, beside which the same two copies are timed.
 */
#include "bench.h"

#include <berth/dma-mapping.h>
#include <berth/gfp.h>

#define BUFFER 65536u
/* Three quarters of the pool. */
#define LIVE 12288

static struct device dev;
static char *buffer;
static dma_addr_t live[LIVE];

static dma_addr_t map(size_t size, unsigned long attrs)
{
	dma_addr_t addr = dma_map_single_attrs(&dev, buffer, size, DMA_BIDIRECTIONAL, attrs);

	bench_must(!dma_mapping_error(&dev, addr), "dma_map_single");
	return addr;
}

static void search(unsigned long size, uint64_t iterations)
{
	for (uint64_t i = 0; i < iterations; i++)
		dma_unmap_single_attrs(&dev, map(size, DMA_ATTR_SKIP_CPU_SYNC), size,
				       DMA_BIDIRECTIONAL, DMA_ATTR_SKIP_CPU_SYNC);
}

static void pair(unsigned long size, uint64_t iterations)
{
	for (uint64_t i = 0; i < iterations; i++)
		dma_unmap_single(&dev, map(size, 0), size, DMA_BIDIRECTIONAL);
}

static void two_copies(unsigned long size, uint64_t iterations)
{
	char *from = buffer, *slot = buffer + BUFFER;

	for (uint64_t i = 0; i < iterations; i++) {
		memcpy(slot, from, size);
		bench_use(slot);
		memcpy(from, slot, size);
		bench_use(from);
	}
}

static void replace(unsigned long size, uint64_t iterations)
{
	static uint64_t random = 1;

	for (uint64_t i = 0; i < iterations; i++) {
		dma_addr_t *addr;

		random ^= random << 13;
		random ^= random >> 7;
		random ^= random << 17;
		addr = &live[random % LIVE];
		dma_unmap_single_attrs(&dev, *addr, size, DMA_BIDIRECTIONAL,
				       DMA_ATTR_SKIP_CPU_SYNC);
		*addr = map(size, DMA_ATTR_SKIP_CPU_SYNC);
	}
}

/* Everything is bounced, through a pool as large as Linux's, 64 MiB. */
static void start(unsigned long arg)
{
	static const struct berth_range more = { 1ull << 32, 256 << 20 };
	static struct berth_machine machine;
	const struct berth_options options = {
		.machine = &machine, .bootargs = "swiotlb=32768,2,force", .mem = &more, .nr_mem = 1
	};

	(void)arg;
	machine = berth_model;
	machine.fresh = NULL;
	bench_start(&options);
	memset(&dev, 0, sizeof(dev));
	bench_must(!device_register(&dev, "bench"), "device_register");
	bench_must(!dma_set_mask(&dev, DMA_BIT_MASK(64)), "dma_set_mask");
	berth_device_set_coherent(&dev, true);
	buffer = alloc_pages_exact(2 * BUFFER, GFP_KERNEL | __GFP_ZERO);
	bench_must(buffer, "alloc_pages_exact");
}

static void start_full(unsigned long size)
{
	start(size);
	for (size_t i = 0; i < LIVE; i++)
		live[i] = map(size, 0);
}

static void stop(void)
{
	free_pages_exact(buffer, 2 * BUFFER);
	device_unregister(&dev);
	bench_stop_machine();
}

static void stop_full(void)
{
	for (size_t i = 0; i < LIVE; i++)
		dma_unmap_single(&dev, live[i], 4096, DMA_BIDIRECTIONAL);
	stop();
}

static const struct bench_case cases[] = {
	{ "bounce_4k_pair_search", search, .arg = 4096, .start = start, .stop = stop },
	{ "bounce_4k_pair", pair, two_copies, .arg = 4096, .start = start, .stop = stop },
	{ "bounce_64k_pair", pair, two_copies, .arg = 65536, .count = 100, .start = start,
	  .stop = stop },
	{ "bounce_4k_replace_75", replace, .arg = 4096, .start = start_full, .stop = stop_full },
};

int main(int argc, char **argv)
{
	return bench_main(argc, argv, cases, ARRAY_SIZE(cases));
}
