/* SPDX-License-Identifier: BSD-2-Clause */
/* Devices that see nothing but a restricted-dma-pool of their own, or of theirs together. */
#include "machine.h"

#include <berth/dma-mapping.h>
#include <berth/gfp.h>
#include <berth/page_pool.h>
#include <berth/platform_device.h>
#include <berth/slab.h>
#include <berth/swiotlb.h>
#include <berth/test.h>

#include "fdt.h"
#include "model/model.h"

#define KIB 1024u
#define RAM 0x80000000u
#define POOL 0x80100000u
#define POOL_SIZE (600 * KIB) /* two segments and a part of a third */
#define NOMAP 0x80200000u

enum { RESTRICTED = 1, UNMAPPED };

static struct fdt fdt;
static struct device *first, *second, *plain, *broken;

static void device(const char *name, uint32_t base, uint32_t region)
{
	fdt_begin(&fdt, name);
	fdt_text(&fdt, "compatible", "test,restricted");
	fdt_cells(&fdt, "reg", 0, base, 0, 0x1000);
	if (region)
		fdt_cells(&fdt, "memory-region", region);
	fdt_end(&fdt);
}

static void region(const char *name, uint32_t phandle, uint32_t base, uint32_t size)
{
	fdt_begin(&fdt, name);
	fdt_text(&fdt, "compatible", "restricted-dma-pool");
	fdt_cells(&fdt, "phandle", phandle);
	fdt_cells(&fdt, "reg", 0, base, 0, size);
	if (phandle == UNMAPPED)
		fdt_flag(&fdt, "no-map");
	fdt_end(&fdt);
}

static struct device *find(const char *path)
{
	struct platform_device *pdev = of_find_device_by_node(of_find_node_by_path(path));

	assert_non_null(pdev);
	return &pdev->dev;
}

static int start(void **state)
{
	static const struct model_device_type type = { .compatible = "test,restricted" };

	(void)state;
	model_add_type(&type);
	fdt_start(&fdt, 2, 2);
	fdt_begin(&fdt, "memory@80000000");
	fdt_text(&fdt, "device_type", "memory");
	fdt_cells(&fdt, "reg", 0, RAM, 0, 16 << 20);
	fdt_end(&fdt);
	fdt_begin(&fdt, "reserved-memory");
	fdt_cells(&fdt, "#address-cells", 2);
	fdt_cells(&fdt, "#size-cells", 2);
	fdt_flag(&fdt, "ranges");
	region("pool@80100000", RESTRICTED, POOL, POOL_SIZE);
	region("unmapped@80200000", UNMAPPED, NOMAP, 256 * KIB);
	fdt_end(&fdt);
	device("first@10000000", 0x10000000, RESTRICTED);
	device("second@10010000", 0x10010000, RESTRICTED);
	device("plain@10020000", 0x10020000, 0);
	device("broken@10030000", 0x10030000, UNMAPPED);
	must_start(fdt_finish(&fdt), NULL, NULL);
	first = find("/first@10000000");
	second = find("/second@10010000");
	plain = find("/plain@10020000");
	broken = find("/broken@10030000");
	return 0;
}

static int stop(void **state)
{
	(void)state;
	must_stop();
	return 0;
}

static bool is_in_pool(dma_addr_t addr, size_t size)
{
	return addr >= POOL && addr + size <= POOL + POOL_SIZE;
}

static uint64_t used(const struct device *dev)
{
	struct berth_swiotlb_info info;

	berth_swiotlb_info(dev, &info);
	return info.used;
}

static void all_mappings_go_through_the_pool(void **state)
{
	uint8_t *buf = kmalloc(5000, GFP_KERNEL);
	dma_addr_t addr, other;

	(void)state;
	memset(buf, 0x31, 5000);
	addr = dma_map_single(first, buf, 5000, DMA_BIDIRECTIONAL);
	other = dma_map_single(second, buf, 5000, DMA_TO_DEVICE);
	assert_false(dma_mapping_error(first, addr) || dma_mapping_error(second, other));
	assert_true(is_in_pool(addr, 5000) && is_in_pool(other, 5000));
	assert_int_equal(((uint8_t *)berth_model_memory(addr))[4999], 0x31);
	((uint8_t *)berth_model_memory(addr))[4999] = 0x32;
	/* One device's mapping is not the other one's, though the pool is. */
	assert_int_equal(used(first), used(second));
	dma_unmap_single(first, addr, 5000, DMA_BIDIRECTIONAL);
	dma_unmap_single(second, other, 5000, DMA_TO_DEVICE);
	assert_int_equal(buf[4999], 0x32);
	addr = dma_map_single(plain, buf, 5000, DMA_TO_DEVICE);
	assert_false(dma_mapping_error(plain, addr));
	assert_int_equal(addr, virt_to_phys(buf));
	dma_unmap_single(plain, addr, 5000, DMA_TO_DEVICE);
	assert_int_equal(used(first), 0);
	kfree(buf);
}

/* 22: coherent memory comes from there, and from nowhere else. */
static void item_22_coherent_memory_is_the_pools(void **state)
{
	dma_addr_t addr[4];
	unsigned int nr = 0;
	struct page *page;
	uint8_t *virt[4];

	(void)state;
	for (nr = 0; nr < 4; nr++) {
		virt[nr] = dma_alloc_coherent(first, 200 * KIB, &addr[nr], GFP_KERNEL);
		if (!virt[nr])
			break;
		assert_true(is_in_pool(addr[nr], 200 * KIB));
		virt[nr][0] = 9;
		assert_int_equal(*(uint8_t *)berth_model_memory(addr[nr]), 9);
	}
	assert_int_equal(nr, 2);
	assert_reason(BERTH_REASON_BOUNCE_FULL);
	while (nr--)
		dma_free_coherent(first, 200 * KIB, virt[nr], addr[nr]);
	assert_null(dma_alloc_coherent(first, 257 * KIB, &addr[0], GFP_KERNEL));
	assert_reason(BERTH_REASON_BOUNCE_FULL);
	/* Pages are synced where they are: there is nothing to copy. */
	page = dma_alloc_pages(first, 8192, &addr[0], DMA_FROM_DEVICE, GFP_KERNEL);
	assert_non_null(page);
	assert_true(is_in_pool(addr[0], 8192) && addr[0] == page_to_phys(page));
	dma_sync_single_for_device(first, addr[0], 8192, DMA_FROM_DEVICE);
	((uint8_t *)berth_model_memory(addr[0]))[8191] = 7;
	berth_clear_error();
	dma_sync_single_for_cpu(first, addr[0], 8192, DMA_FROM_DEVICE);
	assert_reason(BERTH_REASON_NONE);
	assert_int_equal(((uint8_t *)page_address(page))[8191], 7);
	dma_free_pages(first, 8192, page, addr[0], DMA_FROM_DEVICE);
	assert_int_equal(used(first), 0);
}

static void a_full_pool_does_not_grow(void **state)
{
	uint8_t *buf = alloc_pages_exact(256 * KIB, GFP_KERNEL);
	dma_addr_t addr[400];
	unsigned int nr = 0;

	(void)state;
	for (; nr < 400; nr++) {
		addr[nr] = dma_map_single_attrs(first, buf, 2048, DMA_TO_DEVICE, DMA_ATTR_NO_WARN);
		if (dma_mapping_error(first, addr[nr]))
			break;
	}
	assert_int_equal(nr, POOL_SIZE / 2048);
	assert_reason(BERTH_REASON_BOUNCE_FULL);
	while (nr--)
		dma_unmap_single(first, addr[nr], 2048, DMA_TO_DEVICE);
	addr[0] = dma_map_single(first, buf, 256 * KIB, DMA_TO_DEVICE);
	assert_int_equal(dma_mapping_error(first, addr[0]), 0);
	dma_unmap_single(first, addr[0], 256 * KIB, DMA_TO_DEVICE);
	free_pages_exact(buf, 256 * KIB);
}

/* Pages of a pool that keeps them mapped: bounced, and synced as they come and go. */
static void a_page_pool_bounces(void **state)
{
	const struct page_pool_params params = { .flags = PP_FLAG_DMA_MAP | PP_FLAG_DMA_SYNC_DEV,
						 .pool_size = 8,
						 .dev = first,
						 .dma_dir = DMA_FROM_DEVICE,
						 .max_len = PAGE_SIZE };
	struct page_pool *pool = page_pool_create(&params);

	(void)state;
	assert_false(IS_ERR(pool));
	for (unsigned int round = 0; round < 20; round++) {
		struct page *page = page_pool_alloc_pages(pool, GFP_KERNEL);
		dma_addr_t addr;

		assert_non_null(page);
		addr = page_pool_get_dma_addr(page);
		assert_true(is_in_pool(addr, PAGE_SIZE));
		memset(berth_model_memory(addr), (int)round, 100);
		dma_sync_single_for_cpu(first, addr, 100, DMA_FROM_DEVICE);
		assert_int_equal(((uint8_t *)page_address(page))[99], round);
		page_pool_put_full_page(pool, page, round & 1);
	}
	page_pool_destroy(pool);
	assert_int_equal(used(first), 0);
}

/* What cannot be kept apart gets no memory at all. */
static void without_its_pool_a_device_does_no_dma(void **state)
{
	void *buf = kmalloc(64, GFP_KERNEL);
	dma_addr_t addr;

	(void)state;
	assert_int_equal(dma_map_single(broken, buf, 64, DMA_TO_DEVICE), DMA_MAPPING_ERROR);
	assert_reason(BERTH_REASON_NO_MASK);
	assert_null(dma_alloc_coherent(broken, 64, &addr, GFP_KERNEL));
	assert_reason(BERTH_REASON_NO_MASK);
	kfree(buf);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(all_mappings_go_through_the_pool, start, stop),
		cmocka_unit_test_setup_teardown(item_22_coherent_memory_is_the_pools, start, stop),
		cmocka_unit_test_setup_teardown(a_full_pool_does_not_grow, start, stop),
		cmocka_unit_test_setup_teardown(a_page_pool_bounces, start, stop),
		cmocka_unit_test_setup_teardown(without_its_pool_a_device_does_no_dma, start, stop),
	};

	return cmocka_run_group_tests_name("restricted pools", tests, NULL, NULL);
}
