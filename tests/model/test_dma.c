/* SPDX-License-Identifier: BSD-2-Clause */
/* The DMA mapping API for direct devices; numbers are those of the items in docs/semantics.md. */
#include "machine.h"

#include <berth/cma.h>
#include <berth/dma-mapping.h>
#include <berth/mm.h>
#include <berth/slab.h>
#include <berth/test.h>

static struct device dev;

static void start_with(bool coherent, const char *bootargs)
{
	must_start(tree_minimal, NULL, bootargs);
	memset(&dev, 0, sizeof(dev));
	assert_int_equal(device_register(&dev, "test-device"), 0);
	berth_device_set_coherent(&dev, coherent);
}

static void start(bool coherent)
{
	start_with(coherent, NULL);
}

/* What kmalloc() keeps for the next buffer is not a buffer's. */
static void warm_up(void)
{
	dma_addr_t handle;
	void *virt = dma_alloc_coherent(&dev, 1, &handle, GFP_KERNEL);

	assert_non_null(virt);
	dma_free_coherent(&dev, 1, virt, handle);
}

static void stop(void)
{
	device_unregister(&dev);
	must_stop();
}

static uint8_t *in_memory(const void *virt)
{
	return berth_model_memory(virt_to_phys(virt));
}

static void map_cleans_and_unmap_invalidates(void **state)
{
	uint8_t *buf;
	dma_addr_t addr;

	(void)state;
	start(false);
	buf = kmalloc(4096, GFP_KERNEL);
	memset(buf, 0x11, 4096);
	addr = dma_map_single(&dev, buf, 4096, DMA_BIDIRECTIONAL);
	assert_int_equal(dma_mapping_error(&dev, addr), 0);
	assert_int_equal(addr, virt_to_phys(buf));
	assert_int_equal(in_memory(buf)[4095], 0x11);
	memset(in_memory(buf), 0x22, 4096); /* the device writes */
	dma_sync_single_for_cpu(&dev, addr + 64, 64, DMA_BIDIRECTIONAL);
	assert_int_equal(buf[64], 0x22);
	assert_int_equal(buf[127], 0x22);
	dma_sync_single_for_device(&dev, addr + 64, 64, DMA_BIDIRECTIONAL);
	dma_unmap_single(&dev, addr, 4096, DMA_BIDIRECTIONAL);
	assert_int_equal(buf[0], 0x22);
	assert_int_equal(buf[4095], 0x22);
	assert_true(dma_need_sync(&dev, addr));
	kfree(buf);
	stop();
}

/* 7: unmapping a buffer that the device only read does nothing to the CPU's view. */
static void item_7_unmap_to_device_keeps_the_cache(void **state)
{
	uint8_t *buf;
	dma_addr_t addr;

	(void)state;
	start(false);
	buf = kmalloc(64, GFP_KERNEL);
	memset(buf, 1, 64);
	addr = dma_map_single(&dev, buf, 64, DMA_TO_DEVICE);
	buf[0] = 2; /* not cleaned yet: only an invalidate would lose it */
	dma_unmap_single(&dev, addr, 64, DMA_TO_DEVICE);
	assert_int_equal(buf[0], 2);
	kfree(buf);
	stop();
}

/* 8 */
static void item_8_skip_cpu_sync_does_no_maintenance(void **state)
{
	struct berth_model_stats before, after;
	dma_addr_t addr;
	void *buf;

	(void)state;
	start(false);
	buf = kmalloc(64, GFP_KERNEL);
	berth_model_stats(&before);
	addr = dma_map_single_attrs(&dev, buf, 64, DMA_FROM_DEVICE, DMA_ATTR_SKIP_CPU_SYNC);
	dma_unmap_single_attrs(&dev, addr, 64, DMA_FROM_DEVICE, DMA_ATTR_SKIP_CPU_SYNC);
	berth_model_stats(&after);
	assert_int_equal(before.cache_ops, after.cache_ops);
	dma_unmap_single(&dev, dma_map_single(&dev, buf, 64, DMA_FROM_DEVICE), 64, DMA_FROM_DEVICE);
	berth_model_stats(&after);
	assert_int_equal(after.cache_ops, before.cache_ops + 2);
	kfree(buf);
	stop();
}

static void a_coherent_device_needs_no_maintenance(void **state)
{
	struct berth_model_stats before, after;
	dma_addr_t addr;
	void *buf;

	(void)state;
	start(true);
	buf = kmalloc(100, GFP_KERNEL);
	berth_model_stats(&before);
	addr = dma_map_single(&dev, buf, 100, DMA_BIDIRECTIONAL);
	assert_int_equal(addr, virt_to_phys(buf));
	dma_sync_single_for_cpu(&dev, addr, 100, DMA_BIDIRECTIONAL);
	dma_sync_single_for_device(&dev, addr, 100, DMA_BIDIRECTIONAL);
	dma_unmap_single(&dev, addr, 100, DMA_BIDIRECTIONAL);
	berth_model_stats(&after);
	assert_int_equal(before.cache_ops, after.cache_ops);
	assert_false(dma_need_sync(&dev, addr));
	kfree(buf);
	stop();
}

/* What must be refused, on both the fast and the long way. */
static void wrong_mappings_are_refused(void **state)
{
	(void)state;
	for (int coherent = 0; coherent < 2; coherent++) {
		char on_stack[64];
		void *outside = malloc(64), *buf;

		start(coherent);
		buf = kmalloc(4096, GFP_KERNEL);
		assert_int_equal(dma_map_single(&dev, on_stack, 64, DMA_TO_DEVICE),
				 DMA_MAPPING_ERROR);
		assert_reason(BERTH_REASON_NOT_LINEAR);
		assert_int_equal(dma_map_single(&dev, outside, 64, DMA_TO_DEVICE),
				 DMA_MAPPING_ERROR);
		assert_reason(BERTH_REASON_NOT_LINEAR);
		assert_int_equal(dma_map_single(&dev, NULL, 64, DMA_TO_DEVICE), DMA_MAPPING_ERROR);
		assert_reason(BERTH_REASON_NOT_LINEAR);
		assert_int_equal(dma_map_single(&dev, buf, 0, DMA_TO_DEVICE), DMA_MAPPING_ERROR);
		assert_reason(BERTH_REASON_ARGUMENT);
		assert_int_equal(dma_map_single(&dev, buf, 64, DMA_NONE), DMA_MAPPING_ERROR);
		assert_reason(BERTH_REASON_ARGUMENT);
		assert_int_equal(dma_map_single(&dev, buf, 64 << 20, DMA_TO_DEVICE),
				 DMA_MAPPING_ERROR);
		assert_reason(BERTH_REASON_NOT_LINEAR);
		assert_int_equal(dma_map_page(&dev, NULL, 0, 64, DMA_TO_DEVICE), DMA_MAPPING_ERROR);
		assert_reason(BERTH_REASON_NOT_LINEAR);
		assert_int_equal(dma_mapping_error(&dev, DMA_MAPPING_ERROR), -ENOMEM);
		dma_unmap_single(&dev, 0x1000, 64, DMA_FROM_DEVICE);
		assert_reason(BERTH_REASON_NOT_OWNED);
		kfree(buf);
		free(outside);
		stop();
	}
}

/* 11: no mask, no DMA. 13: the last byte must be under the mask. */
static void items_11_and_13_masks(void **state)
{
	void *buf;

	(void)state;
	for (int coherent = 0; coherent < 2; coherent++) {
		start_with(coherent, "swiotlb=noforce");
		buf = kmalloc(128, GFP_KERNEL);
		assert_int_equal(dma_set_mask(&dev, DMA_BIT_MASK(24)), -EIO);
		assert_reason(BERTH_REASON_MASK);
		assert_int_equal(dma_get_mask(&dev), DMA_BIT_MASK(32)); /* 19: unchanged */
		assert_int_equal(dma_set_mask(&dev, virt_to_phys(buf) + 63), 0);
		assert_int_equal(dma_map_single(&dev, buf, 64, DMA_TO_DEVICE), virt_to_phys(buf));
		assert_int_equal(dma_map_single(&dev, buf, 65, DMA_TO_DEVICE), DMA_MAPPING_ERROR);
		assert_reason(BERTH_REASON_MASK);
		assert_int_equal(berth_last_error()->address, virt_to_phys(buf) + 64);
		assert_int_equal(berth_last_error()->limit, virt_to_phys(buf) + 63);
		assert_int_equal(dma_set_mask_and_coherent(&dev, DMA_BIT_MASK(64)), 0);
		dev.dma_mask = 0;
		dev.map_span = 0;
		assert_int_equal(dma_map_single(&dev, buf, 64, DMA_TO_DEVICE), DMA_MAPPING_ERROR);
		assert_reason(BERTH_REASON_NO_MASK);
		kfree(buf);
		stop();
	}
}

/* 1: all ones is the error, and nothing else is: a device may be told address 0. */
static void item_1_the_error_address(void **state)
{
	struct berth_dma_window window = { 0, 0, 4096 };
	dma_addr_t addr;
	void *buf;

	(void)state;
	for (int coherent = 0; coherent < 2; coherent++) {
		start_with(coherent, "swiotlb=noforce");
		buf = alloc_pages_exact(4096, GFP_KERNEL);
		window.cpu = virt_to_phys(buf);
		assert_int_equal(berth_device_set_windows(&dev, &window, 1), 0);
		addr = dma_map_single(&dev, buf, 4096, DMA_TO_DEVICE);
		assert_true(addr == 0);
		assert_int_equal(dma_mapping_error(&dev, addr), 0);
		berth_clear_error();
		dma_sync_single_for_cpu(&dev, addr, 64, DMA_TO_DEVICE);
		dma_unmap_single(&dev, addr, 4096, DMA_TO_DEVICE);
		assert_reason(BERTH_REASON_NONE);
		addr = dma_map_single(&dev, buf, 4097, DMA_TO_DEVICE);
		assert_true(addr == ~(dma_addr_t)0);
		assert_int_equal(dma_mapping_error(&dev, addr), -ENOMEM);
		free_pages_exact(buf, 4096);
		stop();
	}
}

/* 17: without an IOMMU nothing is merged. */
static void item_17_nothing_is_merged(void **state)
{
	struct scatterlist sgl[2];
	uint8_t *buf;

	(void)state;
	start(false);
	assert_int_equal(dma_get_merge_boundary(&dev), 0);
	buf = kmalloc(2048, GFP_KERNEL);
	sg_init_table(sgl, 2);
	sg_set_buf(&sgl[0], buf, 1024);
	sg_set_buf(&sgl[1], buf + 1024, 1024);
	assert_int_equal(dma_map_sg(&dev, sgl, 2, DMA_TO_DEVICE), 2);
	assert_int_equal(sg_dma_address(&sgl[1]), sg_dma_address(&sgl[0]) + 1024);
	dma_unmap_sg(&dev, sgl, 2, DMA_TO_DEVICE);
	kfree(buf);
	stop();
}

/* 14: dma = phys - offset, an error outside every window. */
static void item_14_windows(void **state)
{
	const struct berth_dma_window windows[] = { { 0x80000000, 0x1000, 0x800000 },
						    { 0x80800000, 0xf0000000, 0x400000 } };
	const struct berth_dma_window empty = { 0x80000000, 0, 0 };
	struct page *page = NULL;

	(void)state;
	for (int coherent = 0; coherent < 2; coherent++) {
		start_with(coherent, "swiotlb=noforce");
		assert_int_equal(berth_device_set_windows(&dev, windows, 2), 0);
		for (uint64_t phys = 0x80000000; phys < 0x81000000; phys += 0x3ff000) {
			dma_addr_t want = phys < 0x80800000   ? phys - 0x80000000 + 0x1000
					  : phys < 0x80c00000 ? phys - 0x80800000 + 0xf0000000
							      : DMA_MAPPING_ERROR;
			page = phys_to_page(phys);
			assert_int_equal(dma_map_page(&dev, page, 0, 16, DMA_TO_DEVICE), want);
			assert_int_equal(
				dma_map_single(&dev, page_address(page), 16, DMA_TO_DEVICE), want);
			if (want == DMA_MAPPING_ERROR)
				assert_reason(BERTH_REASON_WINDOW);
		}
		/* Across two windows that do not meet on the bus. */
		assert_int_equal(dma_map_page(&dev, phys_to_page(0x807ff000), 0, 0x2000,
					      DMA_TO_DEVICE),
				 DMA_MAPPING_ERROR);
		assert_int_equal(berth_device_set_windows(&dev, &empty, 1), -EINVAL);
		assert_reason(BERTH_REASON_ARGUMENT);
		stop();
	}
}

/* 2 and 4: the count of segments, all or nothing, the CPU side unchanged. */
static void items_2_and_4_scatterlists(void **state)
{
	struct scatterlist sgl[3], *sg;
	uint8_t *bufs[3];
	int i;

	(void)state;
	for (int coherent = 0; coherent < 2; coherent++) {
		start(coherent);
		sg_init_table(sgl, 3);
		for (i = 0; i < 3; i++) {
			bufs[i] = kmalloc(256, GFP_KERNEL);
			memset(bufs[i], i + 1, 256);
			sg_set_buf(&sgl[i], bufs[i], (unsigned int)(100 + i));
		}
		assert_int_equal(dma_map_sg(&dev, sgl, 3, DMA_BIDIRECTIONAL), 3);
		for_each_sg(sgl, sg, 3, i) {
			assert_int_equal(sg_dma_address(sg), virt_to_phys(bufs[i]));
			assert_int_equal(sg_dma_len(sg), 100 + i);
			assert_int_equal(sg->length, 100 + i);
			assert_ptr_equal(sg_virt(sg), bufs[i]);
		}
		if (!coherent) {
			memset(in_memory(bufs[2]), 9, 102);
			dma_sync_sg_for_cpu(&dev, sgl, 3, DMA_BIDIRECTIONAL);
			assert_int_equal(bufs[2][101], 9);
			dma_sync_sg_for_device(&dev, sgl, 3, DMA_BIDIRECTIONAL);
		}
		dma_unmap_sg(&dev, sgl, 3, DMA_BIDIRECTIONAL);
		sg_set_page(&sgl[2], NULL, 10, 0);
		assert_int_equal(dma_map_sg(&dev, sgl, 3, DMA_TO_DEVICE), 0);
		assert_reason(BERTH_REASON_NOT_LINEAR);
		assert_int_equal(dma_map_sg(&dev, sgl, 0, DMA_TO_DEVICE), 0);
		assert_int_equal(dma_map_sg(&dev, sgl, 9, DMA_TO_DEVICE), 0);
		for (i = 0; i < 3; i++)
			kfree(bufs[i]);
		stop();
	}
}

/* 20, 23, 26: zeroed, one truth for CPU and device without syncs, freed only as it was given. */
static void items_20_23_26_coherent_memory(void **state)
{
	struct berth_memory_info before, after;
	dma_addr_t handle;
	uint8_t *virt;

	(void)state;
	for (int coherent = 0; coherent < 2; coherent++) {
		start(coherent);
		warm_up();
		berth_memory_info(&before);
		for (size_t size = 1; size < 2000000; size = size * 3 + 1) {
			virt = dma_alloc_coherent(&dev, size, &handle, GFP_KERNEL);
			assert_non_null(virt);
			assert_int_equal(handle % PAGE_SIZE, 0);
			for (size_t i = 0; i < size; i++)
				assert_int_equal(virt[i], 0);
			virt[size - 1] = 0x5a;
			if (!coherent) {
				assert_int_equal(((uint8_t *)berth_model_memory(handle))[size - 1],
						 0x5a);
				((uint8_t *)berth_model_memory(handle))[0] = 0xa5;
				assert_int_equal(virt[0], 0xa5);
			}
			dma_free_coherent(&dev, size + PAGE_SIZE, virt, handle);
			assert_reason(BERTH_REASON_NOT_OWNED);
			dma_free_coherent(&dev, size, virt + 64, handle);
			assert_reason(BERTH_REASON_NOT_OWNED);
			dma_free_coherent(&dev, size, virt, handle);
			berth_clear_error();
			dma_free_coherent(&dev, size, virt, handle);
			assert_reason(BERTH_REASON_NOT_OWNED);
		}
		berth_clear_error();
		dma_free_coherent(&dev, 1, NULL, 0);
		assert_int_equal(berth_last_error()->code, 0);
		berth_memory_info(&after);
		assert_memory_equal(&before, &after, sizeof(before));
		assert_null(dma_alloc_coherent(&dev, 0, &handle, GFP_KERNEL));
		assert_null(dma_alloc_coherent(&dev, 1ULL << 40, &handle, GFP_KERNEL));
		assert_null(dma_alloc_coherent(&dev, SIZE_MAX, &handle, GFP_KERNEL));
		stop();
	}
}

/* 21 and 22: zone flags, and which allocator serves. */
static void items_21_and_22_where_it_comes_from(void **state)
{
	phys_addr_t base;
	dma_addr_t handle;
	struct page *page;
	void *virt;

	(void)state;
	start(false);
	base = cma_get_base(berth_cma_default());
	virt = dma_alloc_coherent(&dev, 65536, &handle, GFP_KERNEL | __GFP_DMA32);
	assert_true(handle - base < 4 << 20);
	dma_free_coherent(&dev, 65536, virt, handle);
	virt = dma_alloc_coherent(&dev, 65536, &handle, GFP_ATOMIC);
	assert_false(handle - base < 4 << 20);
	dma_free_coherent(&dev, 65536, virt, handle);
	assert_null(dma_alloc_pages(&dev, 4096, &handle, DMA_TO_DEVICE, GFP_KERNEL | __GFP_DMA32));
	assert_reason(BERTH_REASON_ARGUMENT);
	page = dma_alloc_pages(&dev, 70000, &handle, DMA_FROM_DEVICE, GFP_KERNEL);
	assert_non_null(page);
	assert_int_equal(handle, page_to_phys(page));
	assert_true(handle - base < 4 << 20);
	((uint8_t *)page_address(page))[69999] = 3;
	dma_sync_single_for_device(&dev, handle, 70000, DMA_FROM_DEVICE);
	assert_int_equal(((uint8_t *)berth_model_memory(handle))[69999], 3);
	dma_free_pages(&dev, 70000, page, handle, DMA_FROM_DEVICE);
	stop();
}

/* Out of a window that begins in the middle of memory, under a mask. */
static void coherent_memory_is_within_reach(void **state)
{
	const struct berth_dma_window window = { 0x80200000, 0, 0x400000 };
	const struct berth_dma_window elsewhere = { 0x20000000, 0, 0x400000 };
	dma_addr_t handle;
	void *virt;

	(void)state;
	start(false);
	assert_int_equal(berth_device_set_windows(&dev, &window, 1), 0);
	assert_int_equal(dma_set_coherent_mask(&dev, DMA_BIT_MASK(22)), 0);
	berth_clear_error();
	virt = dma_alloc_coherent(&dev, 0x10000, &handle, GFP_KERNEL);
	assert_non_null(virt);
	assert_true(handle < 0x400000);
	assert_reason(BERTH_REASON_NONE); /* wherever it was looked for first */
	dma_free_coherent(&dev, 0x10000, virt, handle);
	assert_null(dma_alloc_coherent(&dev, 0x500000, &handle, GFP_KERNEL));
	assert_int_equal(berth_device_set_windows(&dev, &elsewhere, 1), 0);
	assert_null(dma_alloc_coherent(&dev, 0x1000, &handle, GFP_KERNEL));
	assert_reason(BERTH_REASON_WINDOW);
	stop();
}

static void every_allocation_may_fail(void **state)
{
	struct berth_memory_info before, after;
	uint64_t n;

	(void)state;
	start(false);
	warm_up();
	berth_memory_info(&before);
	for (n = 1;; n++) {
		dma_addr_t first, second;
		struct page *page;
		void *virt;

		berth_test_fail_nth(n);
		virt = dma_alloc_coherent(&dev, 30000, &first, GFP_KERNEL);
		page = dma_alloc_pages(&dev, 30000, &second, DMA_TO_DEVICE, GFP_ATOMIC);
		if (!berth_test_failed()) {
			assert_non_null(virt);
			assert_non_null(page);
		}
		if (page)
			dma_free_pages(&dev, 30000, page, second, DMA_TO_DEVICE);
		else
			assert_int_equal(berth_last_error()->reason, BERTH_REASON_OUT_OF_MEMORY);
		if (virt)
			dma_free_coherent(&dev, 30000, virt, first);
		berth_memory_info(&after);
		assert_memory_equal(&before, &after, sizeof(before));
		if (!berth_test_failed())
			break;
	}
	assert_true(n > 2);
	berth_test_fail_nth(0);
	stop();
}

static void limits_are_kept(void **state)
{
	(void)state;
	start(true);
	assert_int_equal(dma_get_max_seg_size(&dev), 65536);
	assert_int_equal(dma_set_max_seg_size(&dev, 4096), 0);
	assert_int_equal(dma_get_max_seg_size(&dev), 4096);
	assert_int_equal(dma_set_max_seg_size(&dev, 0), -EINVAL);
	assert_int_equal(dma_set_seg_boundary(&dev, 0xffff), 0);
	assert_int_equal(dma_get_seg_boundary(&dev), 0xffff);
	assert_int_equal(dma_set_seg_boundary(&dev, 0xfffe), -EINVAL);
	assert_int_equal(dma_get_cache_alignment(), 64);
	assert_int_equal(dma_max_mapping_size(&dev), SIZE_MAX);
	stop();
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(map_cleans_and_unmap_invalidates),
		cmocka_unit_test(item_7_unmap_to_device_keeps_the_cache),
		cmocka_unit_test(item_8_skip_cpu_sync_does_no_maintenance),
		cmocka_unit_test(a_coherent_device_needs_no_maintenance),
		cmocka_unit_test(wrong_mappings_are_refused),
		cmocka_unit_test(items_11_and_13_masks),
		cmocka_unit_test(item_1_the_error_address),
		cmocka_unit_test(item_14_windows),
		cmocka_unit_test(item_17_nothing_is_merged),
		cmocka_unit_test(items_2_and_4_scatterlists),
		cmocka_unit_test(items_20_23_26_coherent_memory),
		cmocka_unit_test(items_21_and_22_where_it_comes_from),
		cmocka_unit_test(coherent_memory_is_within_reach),
		cmocka_unit_test(every_allocation_may_fail),
		cmocka_unit_test(limits_are_kept),
	};

	return cmocka_run_group_tests_name("dma", tests, NULL, NULL);
}
