// SPDX-License-Identifier: BSD-2-Clause
/* The DMA mapping API for direct devices; a pair is one map and one unmap. */
#include "bench.h"

#include <berth/dma-mapping.h>
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

static void stop(void)
{
	kfree(buffer);
	device_unregister(&dev);
	bench_stop_machine();
}

#define COHERENT .start = start_coherent, .stop = stop
#define NONCOHERENT .start = start_noncoherent, .stop = stop

static const struct bench_case cases[] = {
	{ "dma_map_4k_pair_direct", map_pair, .arg = 4096, COHERENT },
	{ "dma_map_2k_pair_noncoherent", map_pair, .arg = 2048, NONCOHERENT },
	{ "dma_map_64k_pair_noncoherent", map_pair, .arg = 65536, .count = 100, NONCOHERENT },
	{ "dma_alloc_coherent_4k_pair", coherent_pair, .arg = 4096, COHERENT },
	{ "dma_alloc_coherent_64k_pair", coherent_pair, .arg = 65536, .count = 100, COHERENT },
};

int main(int argc, char **argv)
{
	return bench_main(argc, argv, cases, ARRAY_SIZE(cases));
}
