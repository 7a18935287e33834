// SPDX-License-Identifier: BSD-2-Clause
/* The DMA mapping API for direct devices; a pair is one map and one unmap. */
#include "bench.h"

#include <berth/dma-mapping.h>
#include <berth/gfp.h>

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

/* Through a bounce buffer: the search alone, or with both copies. */
static void bounce_pair(unsigned long size, uint64_t iterations)
{
	void *at = buffer;

	for (uint64_t i = 0; i < iterations; i++) {
		dma_addr_t addr;

		bench_use(at);
		addr = dma_map_single(&dev, at, size, DMA_BIDIRECTIONAL);
		bench_must(!dma_mapping_error(&dev, addr), "dma_map_single");
		dma_unmap_single(&dev, addr, size, DMA_BIDIRECTIONAL);
	}
}

static void bounce_search(unsigned long size, uint64_t iterations)
{
	void *at = buffer;

	for (uint64_t i = 0; i < iterations; i++) {
		dma_addr_t addr;

		bench_use(at);
		addr = dma_map_single_attrs(&dev, at, size, DMA_BIDIRECTIONAL,
					    DMA_ATTR_SKIP_CPU_SYNC);
		bench_must(!dma_mapping_error(&dev, addr), "dma_map_single");
		dma_unmap_single_attrs(&dev, addr, size, DMA_BIDIRECTIONAL, DMA_ATTR_SKIP_CPU_SYNC);
	}
}

/* The two copies of a pair, and nothing else. */
static void two_copies(unsigned long size, uint64_t iterations)
{
	char *slot = (char *)buffer + 65536;

	for (uint64_t i = 0; i < iterations; i++) {
		memcpy(slot, buffer, size);
		bench_use(slot);
		memcpy(buffer, slot, size);
		bench_use(slot);
	}
}

#define LIVE 12288

static dma_addr_t live[LIVE];

static void bounce_replace(unsigned long size, uint64_t iterations)
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
		*addr = dma_map_single_attrs(&dev, buffer, size, DMA_BIDIRECTIONAL,
					     DMA_ATTR_SKIP_CPU_SYNC);
		bench_must(!dma_mapping_error(&dev, *addr), "dma_map_single");
	}
}

static void start_with(bool coherent, const char *bootargs)
{
	static const struct berth_range more = { 1ull << 32, 256 << 20 };
	static struct berth_machine machine;
	const struct berth_options options = {
		.machine = &machine, .bootargs = bootargs, .mem = &more, .nr_mem = 1
	};

	machine = berth_model;
	machine.fresh = NULL;
	bench_start(&options);
	memset(&dev, 0, sizeof(dev));
	bench_must(!device_register(&dev, "bench"), "device_register");
	bench_must(!dma_set_mask_and_coherent(&dev, DMA_BIT_MASK(64)), "dma_set_mask");
	berth_device_set_coherent(&dev, coherent);
	buffer = alloc_pages_exact(2 * 65536, GFP_KERNEL);
	bench_must(buffer, "alloc_pages_exact");
}

static void start(bool coherent)
{
	start_with(coherent, NULL);
}

/* Every mapping is bounced, through a pool as large as Linux's. */
static void start_bounce(unsigned long arg)
{
	(void)arg;
	start_with(true, "swiotlb=32768,2,force");
}

static void start_replace(unsigned long size)
{
	start_bounce(size);
	for (size_t i = 0; i < LIVE; i++) {
		live[i] = dma_map_single(&dev, buffer, size, DMA_BIDIRECTIONAL);
		bench_must(!dma_mapping_error(&dev, live[i]), "dma_map_single");
	}
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

static void stop(void)
{
	free_pages_exact(buffer, 2 * 65536);
	device_unregister(&dev);
	bench_stop_machine();
}

#define BOUNCE .start = start_bounce, .stop = stop
#define COHERENT .start = start_coherent, .stop = stop
#define NONCOHERENT .start = start_noncoherent, .stop = stop

static const struct bench_case cases[] = {
	{ "dma_map_4k_pair_direct", map_pair, .arg = 4096, COHERENT },
	{ "dma_map_2k_pair_noncoherent", map_pair, .arg = 2048, NONCOHERENT },
	{ "dma_map_64k_pair_noncoherent", map_pair, .arg = 65536, .count = 100, NONCOHERENT },
	{ "bounce_4k_pair_search", bounce_search, .arg = 4096, BOUNCE },
	{ "bounce_4k_pair", bounce_pair, two_copies, .arg = 4096, BOUNCE },
	{ "bounce_64k_pair", bounce_pair, two_copies, .arg = 65536, .count = 100, BOUNCE },
	{ "bounce_4k_replace_75", bounce_replace, .arg = 4096, .start = start_replace,
	  .stop = stop },
	{ "dma_alloc_coherent_4k_pair", coherent_pair, .arg = 4096, COHERENT },
	{ "dma_alloc_coherent_64k_pair", coherent_pair, .arg = 65536, .count = 100, COHERENT },
};

int main(int argc, char **argv)
{
	return bench_main(argc, argv, cases, ARRAY_SIZE(cases));
}
