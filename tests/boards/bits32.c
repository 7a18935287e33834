/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What is another thing where an address of the CPU has 32 bits: masks of addresses that have 64, sizes that
 * have no number, names of memory that nobody sees, and the DMA API for devices that do not see the caches.
 */
#include <berth/berth.h>
#include <berth/dma-mapping.h>
#include <berth/dmapool.h>
#include <berth/gfp.h>
#include <berth/page_pool.h>
#include <berth/scatterlist.h>
#include <berth/slab.h>
#include <berth/vmalloc.h>

#include "tap.h"

#define MIB 0x100000u

static struct device dev;

static bool masks(void)
{
	volatile uint64_t high = 0x123456789abcull;
	volatile size_t low = 0x1234567u;

	return PAGE_ALIGN(high) == 0x12345678a000ull && PAGE_ALIGN(low) == 0x1235000u &&
	       (high & (uint64_t)PAGE_MASK) == 0x123456789000ull && sizeof(PAGE_ALIGN(low)) == 4 &&
	       PFN_PHYS(0x123456789ull) == 0x123456789000ull && upper_32_bits(high) == 0x1234u &&
	       sizeof(dma_addr_t) == 8 && sizeof(phys_addr_t) == 8;
}

/* One that has a number only with 64 bits, or whose rounded value has none. */
static bool sizes_without_a_number(void)
{
	dma_addr_t addr;
	unsigned int nents;
	bool good = true;

	for (size_t less = 1; less <= 2 * PAGE_SIZE; less += PAGE_SIZE / 2) {
		size_t size = SIZE_MAX - less + 1;

		good = good && !kmalloc(size, GFP_KERNEL) && !vmalloc(size) &&
		       !kvmalloc(size, GFP_KERNEL) &&
		       !dma_alloc_coherent(&dev, size, &addr, GFP_KERNEL) &&
		       !dma_alloc_pages(&dev, size, &addr, DMA_BIDIRECTIONAL, GFP_KERNEL) &&
		       !dma_alloc_noncontiguous(&dev, size, DMA_BIDIRECTIONAL, GFP_KERNEL, 0);
	}
	good = good && !kcalloc(0x10001, 0x10000, GFP_KERNEL);
	for (unsigned int bits = 28; bits < 64; bits++)
		good = good && !sgl_alloc((1ull << bits) + PAGE_SIZE, GFP_KERNEL, &nents);
	return good;
}

/* A name that is nobody's address, and that gives the memory back. */
static bool names(void)
{
	void *name[20];
	dma_addr_t addr[20];
	bool good = true;

	for (unsigned int i = 0; i < ARRAY_SIZE(name); i++) {
		name[i] = dma_alloc_attrs(&dev, 3 * PAGE_SIZE, &addr[i], GFP_KERNEL,
					  DMA_ATTR_NO_KERNEL_MAPPING);
		good = good && name[i] && name[i] != phys_to_virt(addr[i]);
		for (unsigned int j = 0; j < i; j++)
			good = good && name[i] != name[j];
	}
	for (unsigned int i = 0; i < ARRAY_SIZE(name); i++)
		dma_free_attrs(&dev, 3 * PAGE_SIZE, name[i], addr[i], DMA_ATTR_NO_KERNEL_MAPPING);
	return good && !berth_last_error()->code;
}

static uint64_t *seen_by_device(dma_addr_t addr)
{
	return phys_to_virt(addr);
}

/* In both directions; where it lies beyond the device's reach, by way of a copy. */
static bool streams(uint64_t mask, bool bounces)
{
	const unsigned int words = 3000 / 8;
	uint64_t *buffer = kmalloc(3000, GFP_KERNEL);
	bool good = buffer && !dma_set_mask(&dev, mask);
	dma_addr_t addr;

	for (unsigned int round = 0; good && round < 20; round++) {
		for (unsigned int i = 0; i < words; i++)
			buffer[i] = (uint64_t)round << 40 | i;
		addr = dma_map_single(&dev, buffer, 3000, DMA_BIDIRECTIONAL);
		if (dma_mapping_error(&dev, addr))
			return false;
		good = addr + 2999 <= mask && (addr != virt_to_phys(buffer)) == bounces &&
		       seen_by_device(addr)[words - 1] == ((uint64_t)round << 40 | (words - 1));
		seen_by_device(addr)[7] = round;
		dma_sync_single_for_cpu(&dev, addr, 3000, DMA_BIDIRECTIONAL);
		good = good && buffer[7] == round;
		buffer[8] = 0x88;
		dma_sync_single_for_device(&dev, addr, 3000, DMA_BIDIRECTIONAL);
		good = good && seen_by_device(addr)[8] == 0x88;
		seen_by_device(addr)[words - 1] = 0x1122334455667788ull;
		dma_unmap_single(&dev, addr, 3000, DMA_BIDIRECTIONAL);
		good = good && buffer[words - 1] == 0x1122334455667788ull;
	}
	kfree(buffer);
	return good;
}

static bool lists(void)
{
	struct scatterlist *sgl, *sg;
	unsigned int nents;
	uint64_t total = 0;
	int nr, i;

	sgl = sgl_alloc(300 * PAGE_SIZE + 100, GFP_KERNEL, &nents);
	nr = sgl ? (int)dma_map_sg(&dev, sgl, (int)nents, DMA_FROM_DEVICE) : 0;
	if (nr <= 0)
		return false;
	for_each_sg(sgl, sg, nr, i) {
		*seen_by_device(sg_dma_address(sg)) = (unsigned int)i;
		total += sg_dma_len(sg);
	}
	dma_unmap_sg(&dev, sgl, (int)nents, DMA_FROM_DEVICE);
	if (nr == (int)nents)
		for_each_sg(sgl, sg, nr, i)
			total += *(uint64_t *)sg_virt(sg) != (unsigned int)i;
	sgl_free(sgl);
	return total == 300 * PAGE_SIZE + 100;
}

/* Blocks whose size is no power of two; what is none of them is refused. */
static bool pools(void)
{
	struct dma_pool *pool = dma_pool_create("blocks", &dev, 200, 8, 4096);
	static char *block[500];
	static dma_addr_t addr[500];
	bool good = pool;

	for (unsigned int i = 0; good && i < ARRAY_SIZE(block); i++) {
		block[i] = dma_pool_alloc(pool, GFP_KERNEL, &addr[i]);
		good = block[i] && !(addr[i] & 7) && (addr[i] ^ (addr[i] + 199)) < 4096;
	}
	for (unsigned int i = 0; good && i < ARRAY_SIZE(block); i++) {
		unsigned int n = i * 7 % ARRAY_SIZE(block);

		berth_clear_error();
		dma_pool_free(pool, block[n] + 8, addr[n] + 8);
		good = berth_last_error()->reason == BERTH_REASON_NOT_OWNED;
		dma_pool_free(pool, (char *)&pool, addr[n]);
		berth_clear_error();
		dma_pool_free(pool, block[n], addr[n]);
		good = good && !berth_last_error()->code;
	}
	dma_pool_destroy(pool);
	return good && !berth_last_error()->code;
}

static bool page_pools(void)
{
	const struct page_pool_params params = {
		.flags = PP_FLAG_DMA_MAP | PP_FLAG_DMA_SYNC_DEV,
		.dev = &dev,
		.dma_dir = DMA_FROM_DEVICE,
		.max_len = PAGE_SIZE,
	};
	struct page_pool *pool = page_pool_create(&params);
	struct page *page[40];
	bool good = !IS_ERR(pool);

	for (unsigned int round = 0; good && round < 10; round++) {
		for (unsigned int i = 0; i < ARRAY_SIZE(page); i++) {
			page[i] = page_pool_dev_alloc_pages(pool);
			good = good && page[i] &&
			       page_pool_get_dma_addr(page[i]) == page_to_phys(page[i]);
		}
		for (unsigned int i = 0; good && i < ARRAY_SIZE(page); i++)
			page_pool_put_full_page(pool, page[i], true);
	}
	if (!IS_ERR(pool))
		page_pool_destroy(pool);
	return good;
}

/* Registers at the end of all addresses, and beyond. */
static bool resources(void)
{
	dma_addr_t addr = dma_map_resource(&dev, 0xfffff000u, 4096, DMA_BIDIRECTIONAL, 0);
	bool good = addr == 0xfffff000u;

	dma_unmap_resource(&dev, addr, 4096, DMA_BIDIRECTIONAL, 0);
	addr = dma_map_resource(&dev, 0xfffff000u, 8192, DMA_BIDIRECTIONAL, 0);
	good = good && addr == DMA_MAPPING_ERROR && berth_last_error()->reason == BERTH_REASON_MASK;
	berth_clear_error();
	return good;
}

int main(void)
{
	static const struct berth_options options = { .bootargs = "cma=32M swiotlb=2048" };
	phys_addr_t middle = DMA_BIT_MASK(27);

	say("1..10\n");
	if (berth_start(NULL, NULL, &options) || device_register(&dev, "device")) {
		say("Bail out! berth_start\n");
		return 1;
	}
	check(masks(), "masks of addresses keep their upper half");
	check(sizes_without_a_number(), "sizes that have no number are refused");
	berth_clear_error();
	check(names(), "memory that the CPU does not see has a name");
	check(streams(DMA_BIT_MASK(32), false), "streaming mappings");
	check(streams(middle, true), "streaming mappings of memory beyond the device's reach");
	check(!dma_set_mask(&dev, DMA_BIT_MASK(32)) && lists(), "a list");
	check(pools(), "a pool of blocks");
	check(page_pools(), "a pool of pages");
	check(resources(), "registers at the end of all addresses");
	device_unregister(&dev);
	check(!berth_stop(), "nothing is left");
	return failures != 0;
}
