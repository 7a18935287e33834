/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The whole stack where there is no MMU, and the SiFive PDMA of QEMU's sifive_u behind its DMA API.
 * tests/boards/pdma runs it twice: the engine sees the caches unless the tree says otherwise.
 */
#include <berth/berth.h>
#include <berth/cma.h>
#include <berth/dma-mapping.h>
#include <berth/dmapool.h>
#include <berth/gfp.h>
#include <berth/io.h>
#include <berth/of.h>
#include <berth/riscv64.h>
#include <berth/slab.h>
#include <berth/vmalloc.h>

#include <berth/drivers/sifive-pdma.h>

#include "../model/dma_copy.h"

#include "tap.h"

#define MIB 0x100000ul

void *memset(void *to, int byte, size_t bytes);

static const struct berth_driver drivers[] = {
	BERTH_PLATFORM_DRIVER(&berth_pdma_driver),
	BERTH_NO_MORE_DRIVERS,
};

static struct device *find_engine(bool *is_coherent)
{
	struct device_node *node = of_find_compatible_node(NULL, NULL, "sifive,fu540-c000-pdma");
	struct platform_device *pdev = node ? of_find_device_by_node(node) : NULL;

	*is_coherent = node && !of_property_read_bool(node, "dma-noncoherent");
	return pdev ? &pdev->dev : NULL;
}

/* Bytes that differ at every place and in every round; what they are, or whether they are there. */
static void fill(unsigned char *at, size_t size, unsigned int seed)
{
	for (size_t i = 0; i < size; i++)
		at[i] = (unsigned char)(i * 31 + (i >> 8) * 7 + seed);
}

static bool is_filled(const unsigned char *at, size_t size, unsigned int seed)
{
	for (size_t i = 0; i < size; i++)
		if (at[i] != (unsigned char)(i * 31 + (i >> 8) * 7 + seed))
			return false;
	return true;
}

static bool copies(struct device *dev, size_t size, size_t offset)
{
	unsigned char *src = kmalloc(size + offset + 1, GFP_KERNEL);
	unsigned char *dst = kmalloc(size + offset + 1, GFP_KERNEL);
	dma_addr_t from, to;
	bool good = false;

	if (!src || !dst)
		goto out;
	fill(src + offset, size, (unsigned int)size);
	memset(dst, 0xa5, size + offset + 1);
	from = dma_map_single(dev, src + offset, size, DMA_TO_DEVICE);
	to = dma_map_single(dev, dst + offset, size, DMA_FROM_DEVICE);
	if (dma_mapping_error(dev, from) || dma_mapping_error(dev, to))
		goto out;
	good = !dma_copy(dev, to, from, size);
	dma_unmap_single(dev, to, size, DMA_FROM_DEVICE);
	dma_unmap_single(dev, from, size, DMA_TO_DEVICE);
	good = good && is_filled(dst + offset, size, (unsigned int)size) &&
	       dst[offset + size] == 0xa5 && (!offset || dst[offset - 1] == 0xa5);
out:
	kfree(src);
	kfree(dst);
	return good;
}

static bool all_sizes(struct device *dev)
{
	static const size_t sizes[] = { 1, 3, 63, 64, 65, 4096, 4097, 65536, 100001 };

	for (unsigned int i = 0; i < ARRAY_SIZE(sizes); i++)
		for (size_t offset = 0; offset < 9; offset += 8)
			if (!copies(dev, sizes[i], offset))
				return false;
	return true;
}

/* A large one, out of contiguous memory, and back into it. */
static bool coherent_memory(struct device *dev)
{
	dma_addr_t from, to;
	unsigned char *src = dma_alloc_coherent(dev, 2 * MIB, &from, GFP_KERNEL);
	unsigned char *dst = dma_alloc_coherent(dev, 2 * MIB, &to, GFP_KERNEL);
	bool good = src && dst && (uintptr_t)src == from && virt_to_phys(dst) == to && !dst[99];

	if (good) {
		fill(src, 2 * MIB, 5);
		good = !dma_copy(dev, to, from, 2 * MIB) && is_filled(dst, 2 * MIB, 5);
	}
	if (src)
		dma_free_coherent(dev, 2 * MIB, src, from);
	if (dst)
		dma_free_coherent(dev, 2 * MIB, dst, to);
	return good;
}

static bool pools_and_atomic(struct device *dev)
{
	struct dma_pool *pool = dma_pool_create("descriptors", dev, 64, 64, 4096);
	dma_addr_t at;
	uint64_t *block = pool ? dma_pool_zalloc(pool, GFP_KERNEL, &at) : NULL;
	void *buffer;
	bool good = block && !block[7] && virt_to_phys(block) == at;

	if (block)
		dma_pool_free(pool, block, at);
	dma_pool_destroy(pool);
	buffer = dma_alloc_coherent(dev, 5000, &at, GFP_ATOMIC);
	good = good && buffer;
	if (buffer)
		dma_free_coherent(dev, 5000, buffer, at);
	return good;
}

/* There is no other way to see a page than through the cache: it is said, and nothing is lost. */
static bool is_refused(struct device *dev)
{
	struct berth_memory_info before, after;
	dma_addr_t at;
	void *buffer;

	berth_memory_info(&before);
	buffer = dma_alloc_coherent(dev, 10000, &at, GFP_KERNEL);
	berth_memory_info(&after);
	return !buffer && berth_last_error()->reason == BERTH_REASON_MAPPING &&
	       after.free == before.free;
}

static bool no_other_addresses(void)
{
	void *area = vmalloc(100000);

	return !area && berth_last_error()->reason == BERTH_REASON_MAPPING;
}

static void run(void)
{
	bool is_coherent;
	struct device *dev = find_engine(&is_coherent);

	check(dev && dev_get_drvdata(dev), "the engine is there, and its driver");
	if (!dev)
		return;
	check(dev_is_dma_coherent(dev) == is_coherent,
	      is_coherent ? "it sees the caches, about which the tree says nothing"
			  : "it does not see the caches, as the tree says");
	check(all_sizes(dev),
	      "it copies any number of bytes to any place, with an interrupt at the end");
	if (is_coherent) {
		check(coherent_memory(dev), "2 MiB of coherent memory are at their own address");
		check(pools_and_atomic(dev), "and so are small blocks, and where nobody may sleep");
	} else {
		check(is_refused(dev), "it gets no coherent memory, and the reason");
		check(is_refused(dev), "time and again");
	}
	check(no_other_addresses(), "there is no vmalloc()");
}

int main(void)
{
	static const struct berth_options options = { .bootargs = "cma=16M" };

	say("1..14\n");
	for (unsigned int round = 0; round < 2; round++) {
		if (berth_start(NULL, drivers, &options)) {
			say("Bail out! berth_start\n");
			return 1;
		}
		run();
		check(!berth_stop(), round ? "nothing is left the second time"
					   : "nothing is left, and all of it once more");
	}
	return failures != 0;
}
