/* SPDX-License-Identifier: BSD-2-Clause */
/* High memory and memory of vmalloc() on a machine with caches, and under the DMA API. */
#include "machine.h"

#include <berth/cma.h>
#include <berth/dma-mapping.h>
#include <berth/highmem.h>
#include <berth/io.h>
#include <berth/scatterlist.h>
#include <berth/slab.h>
#include <berth/vmalloc.h>

#define MIB 0x100000ull
#define RAM 0x80000000ull
#define HIGH (RAM + 12 * MIB)
#define HIGH_GFP (GFP_KERNEL | __GFP_HIGHMEM)

static struct device dev;

static int try_start(const char *bootargs, enum berth_model_cache cache)
{
	const struct berth_model_config config = { .cache = cache, .seed = 5 };
	const struct berth_options options = {
		.machine = &berth_model,
		.machine_config = &config,
		.bootargs = bootargs,
	};

	return berth_start(tree_minimal, NULL, &options);
}

static void start_with(const char *bootargs, enum berth_model_cache cache, bool coherent)
{
	if (berth_running())
		berth_stop();
	assert_int_equal(try_start(bootargs, cache), 0);
	memset(&dev, 0, sizeof(dev));
	assert_int_equal(device_register(&dev, "test-device"), 0);
	berth_device_set_coherent(&dev, coherent);
	berth_clear_error();
}

static void start(enum berth_model_cache cache, bool coherent)
{
	start_with("highmem=4M", cache, coherent);
}

static void stop(void)
{
	device_unregister(&dev);
	must_stop();
}

static uint8_t *in_memory(struct page *page)
{
	return berth_model_memory(page_to_phys(page));
}

/* It has an address meanwhile: the cache holds what the CPU writes, until it is told. */
static void a_mapped_page_is_synced(void **state)
{
	volatile uint8_t *at;
	struct page *page;
	dma_addr_t addr;

	(void)state;
	start(BERTH_MODEL_CACHE_QUIET, false);
	page = alloc_page(HIGH_GFP);
	assert_true(PageHighMem(page));
	assert_true(page_to_phys(page) >= HIGH);
	at = kmap_local_page(page);
	memset(in_memory(page), 0, PAGE_SIZE);
	at[100] = 0x11;
	assert_int_equal(in_memory(page)[100], 0);
	addr = dma_map_page(&dev, page, 64, 1000, DMA_BIDIRECTIONAL);
	assert_int_equal(addr, page_to_phys(page) + 64);
	assert_int_equal(in_memory(page)[100], 0x11);
	in_memory(page)[200] = 0x22; /* the device writes */
	assert_int_not_equal(at[200], 0x22);
	dma_sync_single_for_cpu(&dev, addr, 1000, DMA_BIDIRECTIONAL);
	assert_int_equal(at[200], 0x22);
	at[300] = 0x33;
	assert_int_not_equal(in_memory(page)[300], 0x33);
	dma_sync_single_for_device(&dev, addr, 1000, DMA_BIDIRECTIONAL);
	assert_int_equal(in_memory(page)[300], 0x33);
	dma_unmap_page(&dev, addr, 1000, DMA_BIDIRECTIONAL);
	kunmap_local((void *)(uintptr_t)at);
	assert_reason(BERTH_REASON_NONE);
	__free_page(page);
	stop();
}

/* Between two mappings everything is in memory. */
static void a_page_without_address_is_in_memory(void **state)
{
	static const enum berth_model_cache caches[] = {
		BERTH_MODEL_CACHE_QUIET,
		BERTH_MODEL_CACHE_RANDOM,
		BERTH_MODEL_CACHE_ADVERSARIAL,
	};

	(void)state;
	for (unsigned int i = 0; i < ARRAY_SIZE(caches); i++) {
		struct page *page;
		dma_addr_t addr;
		uint8_t *at;

		start(caches[i], false);
		page = alloc_page(HIGH_GFP);
		for (unsigned int round = 0; round < 20; round++) {
			at = kmap_local_page(page);
			memset(at, (int)round, PAGE_SIZE);
			kunmap_local(at);
			addr = dma_map_page(&dev, page, 0, PAGE_SIZE, DMA_BIDIRECTIONAL);
			for (unsigned int n = 0; n < PAGE_SIZE; n++)
				assert_int_equal(in_memory(page)[n], round);
			memset(in_memory(page), (int)(100 + round), PAGE_SIZE);
			dma_unmap_page(&dev, addr, PAGE_SIZE, DMA_BIDIRECTIONAL);
			at = kmap_local_page(page);
			for (unsigned int n = 0; n < PAGE_SIZE; n++)
				assert_int_equal(at[n], 100 + round);
			kunmap_local(at);
		}
		__free_page(page);
		stop();
	}
}

static void another_type_is_seen_at_once(void **state)
{
	struct page *page;
	volatile uint8_t *at;

	(void)state;
	start(BERTH_MODEL_CACHE_ADVERSARIAL, false);
	page = alloc_page(HIGH_GFP | __GFP_ZERO);
	at = vmap(&page, 1, VM_MAP, pgprot_writecombine(PAGE_KERNEL));
	assert_non_null(at);
	assert_int_equal(at[50], 0);
	at[50] = 7;
	assert_int_equal(in_memory(page)[50], 7);
	assert_null(kmap_local_page(page));
	assert_reason(BERTH_REASON_MAPPING);
	/* Nothing of it is cached: a sync has nothing to do. */
	dma_unmap_page(&dev, dma_map_page(&dev, page, 0, PAGE_SIZE, DMA_BIDIRECTIONAL), PAGE_SIZE,
		       DMA_BIDIRECTIONAL);
	assert_int_equal(at[50], 7);
	vunmap((void *)(uintptr_t)at);
	__free_page(page);
	stop();
}

/* Addresses that are not the linear map's are refused; the pages behind them are not. */
static void vmalloc_memory_goes_page_by_page(void **state)
{
	enum { NR = 7 };

	(void)state;
	for (unsigned int high = 0; high < 2; high++) {
		struct scatterlist list[NR], *sg;
		char *area;
		int i;

		start_with(high ? "highmem=4M" : NULL, BERTH_MODEL_CACHE_ADVERSARIAL, false);
		area = vmalloc(NR * PAGE_SIZE);
		assert_int_equal(PageHighMem(vmalloc_to_page(area)), high);
		assert_int_equal(dma_map_single(&dev, area, 100, DMA_TO_DEVICE), DMA_MAPPING_ERROR);
		assert_reason(BERTH_REASON_NOT_LINEAR);
		berth_clear_error();
		sg_init_table(list, NR);
		for_each_sg(list, sg, NR, i) {
			memset(area + (size_t)i * PAGE_SIZE, 10 + i, PAGE_SIZE);
			sg_set_page(sg, vmalloc_to_page(area + (size_t)i * PAGE_SIZE), PAGE_SIZE,
				    0);
		}
		assert_int_equal(dma_map_sg(&dev, list, NR, DMA_BIDIRECTIONAL), NR);
		for_each_sg(list, sg, NR, i) {
			assert_int_equal(in_memory(sg_page(sg))[4095], 10 + i);
			memset(in_memory(sg_page(sg)), 50 + i, PAGE_SIZE);
		}
		dma_unmap_sg(&dev, list, NR, DMA_BIDIRECTIONAL);
		for (i = 0; i < NR; i++)
			assert_int_equal(area[(size_t)i * PAGE_SIZE + 4095], 50 + i);
		vfree(area);
		stop();
	}
}

/* The range of the fast path ends where the linear map does, however large high memory is. */
static void addresses_of_high_memory_are_refused(void **state)
{
	struct page *page;
	void *at;

	(void)state;
	start_with("highmem=9M", BERTH_MODEL_CACHE_QUIET, true);
	page = alloc_page(HIGH_GFP);
	at = kmap_local_page(page);
	assert_int_equal(dma_map_single(&dev, at, 100, DMA_TO_DEVICE), DMA_MAPPING_ERROR);
	assert_reason(BERTH_REASON_NOT_LINEAR);
	assert_int_equal(dma_map_single(&dev, phys_to_virt(page_to_phys(page)), 100, DMA_TO_DEVICE),
			 DMA_MAPPING_ERROR);
	assert_reason(BERTH_REASON_NOT_LINEAR);
	assert_int_equal(dma_map_page(&dev, page, 0, 100, DMA_TO_DEVICE), page_to_phys(page));
	kunmap_local(at);
	__free_page(page);
	stop();
}

static void devices_get_low_memory(void **state)
{
	static const struct berth_dma_window only_high = { HIGH, HIGH, 4 * MIB };
	dma_addr_t addr;
	void *at;

	(void)state;
	start(BERTH_MODEL_CACHE_QUIET, true);
	assert_true(cma_get_base(berth_cma_default()) + cma_get_size(berth_cma_default()) <= HIGH);
	/* More than the area has, and more than high memory leaves of blocks that large. */
	at = dma_alloc_coherent(&dev, 5000, &addr, HIGH_GFP);
	assert_true(virt_addr_valid(at));
	assert_true(addr < HIGH);
	dma_free_coherent(&dev, 5000, at, addr);
	assert_int_equal(berth_device_set_windows(&dev, &only_high, 1), 0);
	berth_clear_error();
	assert_null(dma_alloc_coherent(&dev, 5000, &addr, GFP_KERNEL));
	assert_int_not_equal(berth_last_error()->reason, BERTH_REASON_NONE);
	stop();
}

static void others_know_of_it(void **state)
{
	struct page *page;

	(void)state;
	start(BERTH_MODEL_CACHE_QUIET, false);
	page = alloc_page(HIGH_GFP);
	assert_null(memremap(page_to_phys(page), 100, MEMREMAP_WB));
	assert_reason(BERTH_REASON_MAPPING);
	assert_null(memremap(page_to_phys(page), 100, MEMREMAP_WC));
	assert_reason(BERTH_REASON_MAPPING);
	assert_null(ioremap(page_to_phys(page), 100));
	assert_reason(BERTH_REASON_MAPPING);
	assert_false(virt_addr_valid(phys_to_virt(page_to_phys(page))));
	assert_int_equal(berth_page_use(page_to_pfn(page)), BERTH_PAGE_USED);
	__free_page(page);
	assert_int_equal(berth_page_use(HIGH >> PAGE_SHIFT), BERTH_PAGE_FREE);
	stop();
	/* An area must be in the linear map. */
	start_with("highmem=4M cma=2M@0x80c00000", BERTH_MODEL_CACHE_QUIET, false);
	assert_null(berth_cma_default());
	stop();
	assert_true(try_start("highmem=16M", BERTH_MODEL_CACHE_QUIET) == -EINVAL);
	assert_reason(BERTH_REASON_ARGUMENT);
	/* mem= comes first. */
	start_with("mem=8M highmem=1M", BERTH_MODEL_CACHE_QUIET, false);
	page = alloc_page(HIGH_GFP);
	assert_int_equal(page_to_phys(page) & ~(MIB - 1), RAM + 7 * MIB);
	__free_page(page);
	stop();
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_mapped_page_is_synced),
		cmocka_unit_test(a_page_without_address_is_in_memory),
		cmocka_unit_test(another_type_is_seen_at_once),
		cmocka_unit_test(vmalloc_memory_goes_page_by_page),
		cmocka_unit_test(addresses_of_high_memory_are_refused),
		cmocka_unit_test(devices_get_low_memory),
		cmocka_unit_test(others_know_of_it),
	};

	return cmocka_run_group_tests_name("highmem", tests, NULL, NULL);
}
