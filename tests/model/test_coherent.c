/* SPDX-License-Identifier: BSD-2-Clause */
/* The kinds of memory for devices; numbers are those of the items in docs/semantics.md. */
#include "pools.h"

#include <berth/io.h>

static int start(void **state)
{
	(void)state;
	pools_start(NULL, false);
	return 0;
}

static int stop(void **state)
{
	(void)state;
	must_stop();
	return 0;
}

/* Memory that had other contents before. */
static void spoil(struct device *dev, size_t size)
{
	dma_addr_t addr;
	struct page *page = dma_alloc_pages(dev, size, &addr, DMA_BIDIRECTIONAL, GFP_KERNEL);

	memset(page_address(page), 0xee, size);
	dma_free_pages(dev, size, page, addr, DMA_BIDIRECTIONAL);
}

static void item_20_zeroed_in_pages_and_aligned(void **state)
{
	static const gfp_t gfps[] = { GFP_KERNEL, GFP_ATOMIC, GFP_KERNEL | __GFP_ZERO };

	(void)state;
	for (unsigned int d = 0; d < 2; d++) {
		struct device *dev = pools_dev(all_paths[d]);

		for (size_t size = 1; size < 400000; size = size * 5 + 3) {
			gfp_t gfp = gfps[size % 3];
			dma_addr_t addr;
			void *virt;

			spoil(dev, size);
			virt = dma_alloc_coherent(dev, size, &addr, gfp);
			assert_non_null(virt);
			assert_zeroed(virt, PAGE_ALIGN(size));
			assert_int_equal(addr % (PAGE_SIZE << get_order(size)), 0);
			assert_int_equal((uintptr_t)virt % PAGE_SIZE, 0);
			memset(virt, 0xff, PAGE_ALIGN(size));
			dma_free_coherent(dev, size, virt, addr);
			assert_reason(BERTH_REASON_NONE);
		}
	}
}

/* What was allocated; what may be said of it at the free. */
static void item_23_a_free_says_all_that_was_said_before(void **state)
{
	(void)state;
	for (unsigned int d = 0; d < 2; d++) {
		struct device *dev = pools_dev(all_paths[d]), *other = pools_dev(all_paths[!d]);
		dma_addr_t addr, at;
		uint64_t used = pages_used();
		char *virt = dma_alloc_coherent(dev, 3 * PAGE_SIZE, &addr, GFP_KERNEL);
		struct page *page = dma_alloc_pages(dev, PAGE_SIZE, &at, DMA_TO_DEVICE, GFP_KERNEL);

#define REFUSED(call)                                  \
	do {                                           \
		berth_clear_error();                   \
		call;                                  \
		assert_reason(BERTH_REASON_NOT_OWNED); \
	} while (0)
		/* One page of a larger buffer, and all other sizes. */
		REFUSED(dma_free_coherent(dev, PAGE_SIZE, virt, addr));
		REFUSED(dma_free_coherent(dev, 2 * PAGE_SIZE, virt, addr));
		REFUSED(dma_free_coherent(dev, 3 * PAGE_SIZE + 1, virt, addr));
		REFUSED(dma_free_coherent(dev, 0, virt, addr));
		REFUSED(dma_free_coherent(dev, SIZE_MAX, virt, addr));
		REFUSED(dma_free_coherent(dev, PAGE_SIZE, virt + PAGE_SIZE, addr + PAGE_SIZE));
		REFUSED(dma_free_coherent(other, 3 * PAGE_SIZE, virt, addr));
		REFUSED(dma_free_coherent(dev, 3 * PAGE_SIZE, virt, addr + PAGE_SIZE));
		REFUSED(dma_free_wc(dev, 3 * PAGE_SIZE, virt, addr));
		REFUSED(dma_free_attrs(dev, 3 * PAGE_SIZE, virt, addr, DMA_ATTR_NO_KERNEL_MAPPING));
		/* By the other kinds' calls. */
		REFUSED(dma_free_noncoherent(dev, 3 * PAGE_SIZE, virt, addr, DMA_BIDIRECTIONAL));
		REFUSED(dma_free_noncoherent(dev, 3 * PAGE_SIZE, virt + 1, addr,
					     DMA_BIDIRECTIONAL));
		REFUSED(dma_free_coherent(dev, PAGE_SIZE, page_address(page), at));
		REFUSED(dma_free_pages(dev, PAGE_SIZE, page, at, DMA_FROM_DEVICE));
		REFUSED(dma_free_pages(other, PAGE_SIZE, page, at, DMA_TO_DEVICE));
		REFUSED(dma_free_pages(dev, 2 * PAGE_SIZE, page, at, DMA_TO_DEVICE));
		REFUSED(dma_free_noncontiguous(dev, PAGE_SIZE, (struct sg_table *)page,
					       DMA_TO_DEVICE));
		assert_int_equal(pages_used(), used + 4 * PAGE_SIZE);

		berth_clear_error();
		dma_free_coherent(dev, 3 * PAGE_SIZE, NULL, addr);
		dma_free_pages(dev, PAGE_SIZE, NULL, at, DMA_TO_DEVICE);
		dma_free_noncoherent(dev, PAGE_SIZE, NULL, at, DMA_TO_DEVICE);
		dma_free_noncontiguous(dev, PAGE_SIZE, NULL, DMA_TO_DEVICE);
		/* NO_WARN is no property of memory. */
		dma_free_attrs(dev, 3 * PAGE_SIZE - 5, virt, addr, DMA_ATTR_NO_WARN);
		dma_free_pages(dev, PAGE_SIZE, page, at, DMA_TO_DEVICE);
		assert_reason(BERTH_REASON_NONE);
		assert_int_equal(pages_used(), used);
		REFUSED(dma_free_coherent(dev, 3 * PAGE_SIZE, virt, addr));
		REFUSED(dma_free_pages(dev, PAGE_SIZE, page, at, DMA_TO_DEVICE));
	}
}

static void item_23_no_kernel_mapping_gives_a_name_only(void **state)
{
	(void)state;
	for (unsigned int d = 0; d < 2; d++) {
		struct device *dev = pools_dev(all_paths[d]);
		uint64_t used = pages_used();
		dma_addr_t addr;
		void *cookie =
			dma_alloc_attrs(dev, 20000, &addr, GFP_KERNEL, DMA_ATTR_NO_KERNEL_MAPPING);

		assert_non_null(cookie);
		assert_false(virt_addr_valid(cookie));
		for (unsigned int i = 0; i < 20000; i += 999)
			assert_int_equal(hw_read(all_paths[d], addr + i), 0);
		REFUSED(dma_free_coherent(dev, 20000, cookie, addr));
		berth_clear_error();
		dma_free_attrs(dev, 20000, cookie, addr, DMA_ATTR_NO_KERNEL_MAPPING);
		assert_reason(BERTH_REASON_NONE);
		assert_int_equal(pages_used(), used);
	}
}

static void item_21_zone_flags(void **state)
{
	struct device *dev = pools_dev(all_paths[0]);
	dma_addr_t addr;
	void *virt;

	(void)state;
	/* Stripped, since the mask decides: there is no memory below 16 MiB here. */
	virt = dma_alloc_coherent(dev, 100, &addr, GFP_KERNEL | __GFP_DMA | __GFP_HIGHMEM);
	assert_non_null(virt);
	dma_free_coherent(dev, 100, virt, addr);
	assert_null(dma_alloc_pages(dev, 100, &addr, DMA_TO_DEVICE, GFP_KERNEL | __GFP_DMA));
	assert_reason(BERTH_REASON_ARGUMENT);
	assert_null(dma_alloc_noncontiguous(dev, 100, DMA_TO_DEVICE, GFP_KERNEL | __GFP_DMA32, 0));
	assert_reason(BERTH_REASON_ARGUMENT);
}

/* Linux's numbers; hints are hints, and what nobody knows is refused. */
static void item_23_attributes(void **state)
{
	const unsigned long hints = DMA_ATTR_WEAK_ORDERING | DMA_ATTR_FORCE_CONTIGUOUS |
				    DMA_ATTR_ALLOC_SINGLE_PAGES | DMA_ATTR_PRIVILEGED |
				    DMA_ATTR_NO_WARN;
	dma_addr_t addr;

	(void)state;
	assert_int_equal(DMA_ATTR_WEAK_ORDERING, 1 << 1);
	assert_int_equal(DMA_ATTR_WRITE_COMBINE, 1 << 2);
	assert_int_equal(DMA_ATTR_NO_KERNEL_MAPPING, 1 << 4);
	assert_int_equal(DMA_ATTR_SKIP_CPU_SYNC, 1 << 5);
	assert_int_equal(DMA_ATTR_FORCE_CONTIGUOUS, 1 << 6);
	assert_int_equal(DMA_ATTR_ALLOC_SINGLE_PAGES, 1 << 7);
	assert_int_equal(DMA_ATTR_NO_WARN, 1 << 8);
	assert_int_equal(DMA_ATTR_PRIVILEGED, 1 << 9);
	for (unsigned int d = 0; d < 2; d++) {
		struct device *dev = pools_dev(all_paths[d]);
		void *virt = dma_alloc_attrs(dev, 9000, &addr, GFP_KERNEL, hints);

		assert_shared(all_paths[d], virt, addr, 9000);
		dma_free_attrs(dev, 9000, virt, addr, hints);
		virt = dma_alloc_wc(dev, 9000, &addr, GFP_KERNEL | __GFP_NOWARN);
		assert_shared(all_paths[d], virt, addr, 9000);
		REFUSED(dma_free_coherent(dev, 9000, virt, addr));
		dma_free_wc(dev, 9000, virt, addr);
		assert_null(dma_alloc_attrs(dev, 9000, &addr, GFP_KERNEL, 1UL << 12));
		assert_reason(BERTH_REASON_ARGUMENT);
		assert_null(dma_alloc_attrs(dev, 0, &addr, GFP_KERNEL, 0));
		assert_reason(BERTH_REASON_ARGUMENT);
	}
}

static void item_26_coherent_memory_needs_no_sync(void **state)
{
	(void)state;
	for (unsigned int d = 0; d < ARRAY_SIZE(all_paths); d++) {
		struct device *dev = pools_dev(all_paths[d]);
		struct berth_model_stats before, after;
		dma_addr_t addr;
		unsigned char *virt = dma_alloc_coherent(dev, 5000, &addr, GFP_KERNEL);

		berth_model_stats(&before);
		for (unsigned int i = 0; i < 20; i++)
			assert_shared(all_paths[d], virt, addr, 5000);
		berth_model_stats(&after);
		assert_int_equal(before.cache_ops, after.cache_ops);
		dma_free_coherent(dev, 5000, virt, addr);
	}
}

/* Ordinary memory: the device sees what was synced. */
static void noncoherent_memory_is_cached(void **state)
{
	(void)state;
	for (unsigned int d = 0; d < 2; d++) {
		struct device *dev = pools_dev(all_paths[d]);
		dma_addr_t addr;
		unsigned char *virt =
			dma_alloc_noncoherent(dev, 10000, &addr, DMA_BIDIRECTIONAL, GFP_KERNEL);

		assert_true(virt_addr_valid(virt));
		assert_zeroed(virt, 10000);
		virt[9999] = 0x77;
		dma_sync_single_for_device(dev, addr, 10000, DMA_BIDIRECTIONAL);
		assert_int_equal(hw_read(all_paths[d], addr + 9999), 0x77);
		hw_write(all_paths[d], addr, 0x21, 100);
		dma_sync_single_for_cpu(dev, addr, 10000, DMA_BIDIRECTIONAL);
		assert_int_equal(virt[99], 0x21);
		REFUSED(dma_free_noncoherent(dev, 10000, virt, addr, DMA_TO_DEVICE));
		berth_clear_error();
		dma_free_noncoherent(dev, 10000, virt, addr, DMA_BIDIRECTIONAL);
		assert_reason(BERTH_REASON_NONE);
		assert_null(dma_alloc_noncoherent(dev, 10000, &addr, DMA_NONE, GFP_KERNEL));
		assert_reason(BERTH_REASON_ARGUMENT);
	}
}

static void item_24_noncontiguous_is_one_segment(void **state)
{
	(void)state;
	for (unsigned int d = 0; d < 2; d++) {
		struct device *dev = pools_dev(all_paths[d]);
		uint64_t used = pages_used();
		struct sg_table *sgt = dma_alloc_noncontiguous(
			dev, 50000, DMA_BIDIRECTIONAL, GFP_KERNEL, DMA_ATTR_ALLOC_SINGLE_PAGES);
		unsigned char *virt;
		dma_addr_t addr;

		assert_non_null(sgt);
		assert_int_equal(sgt->nents, 1);
		assert_true(sgt->orig_nents >= 1);
		assert_int_equal(sg_dma_len(sgt->sgl), PAGE_ALIGN(50000));
		addr = sg_dma_address(sgt->sgl);
		virt = dma_vmap_noncontiguous(dev, 50000, sgt);
		assert_zeroed(virt, PAGE_ALIGN(50000));
		memset(virt, 0x61, 50000);
		dma_sync_sg_for_device(dev, sgt->sgl, (int)sgt->orig_nents, DMA_BIDIRECTIONAL);
		assert_int_equal(hw_read(all_paths[d], addr + 49999), 0x61);
		hw_write(all_paths[d], addr + 4096, 0x16, 4096);
		dma_sync_sg_for_cpu(dev, sgt->sgl, (int)sgt->orig_nents, DMA_BIDIRECTIONAL);
		assert_int_equal(virt[4095], 0x61);
		assert_int_equal(virt[4096], 0x16);

		/* Mapped, it stays. */
		dma_free_noncontiguous(dev, 50000, sgt, DMA_BIDIRECTIONAL);
		assert_reason(BERTH_REASON_PAGE_BUSY);
		REFUSED(dma_vunmap_noncontiguous(dev, virt + PAGE_SIZE));
		dma_vunmap_noncontiguous(dev, virt);
		REFUSED(dma_vunmap_noncontiguous(dev, virt));
		REFUSED(dma_free_noncontiguous(dev, 90000, sgt, DMA_BIDIRECTIONAL));
		REFUSED(dma_free_noncontiguous(dev, 50000, sgt, DMA_TO_DEVICE));
		REFUSED(assert_null(dma_vmap_noncontiguous(dev, 50000, sgt + 1)));
		assert_null(dma_vmap_noncontiguous(dev, 500000, sgt));
		assert_reason(BERTH_REASON_ARGUMENT);
		berth_clear_error();
		dma_free_noncontiguous(dev, 50000, sgt, DMA_BIDIRECTIONAL);
		assert_reason(BERTH_REASON_NONE);
		assert_int_equal(pages_used(), used);

		assert_null(dma_alloc_noncontiguous(dev, 50000, DMA_TO_DEVICE, GFP_KERNEL,
						    DMA_ATTR_WRITE_COMBINE));
		assert_reason(BERTH_REASON_ARGUMENT);
		assert_null(dma_alloc_noncontiguous(dev, 50000, DMA_NONE, GFP_KERNEL, 0));
		assert_null(dma_alloc_noncontiguous(dev, 5ull << 30, DMA_TO_DEVICE, GFP_KERNEL, 0));
		assert_reason(BERTH_REASON_TOO_LARGE);
	}
}

static void managed_memory_goes_with_the_driver(void **state)
{
	static struct device own;
	uint64_t used = pages_used();
	dma_addr_t addr, kept;
	void *virt;

	(void)state;
	memset(&own, 0, sizeof(own));
	assert_int_equal(device_register(&own, "managed"), 0);
	berth_device_set_coherent(&own, false);
	assert_non_null(dmam_alloc_coherent(&own, 10000, &kept, GFP_KERNEL));
	virt = dmam_alloc_attrs(&own, 10000, &addr, GFP_KERNEL, DMA_ATTR_WRITE_COMBINE);
	assert_non_null(virt);
	REFUSED(dmam_free_coherent(&own, 10000, virt, addr)); /* it has attributes */
	virt = dmam_alloc_coherent(&own, 10000, &addr, GFP_KERNEL);
	REFUSED(dmam_free_coherent(&own, 20000, virt, addr));
	REFUSED(dmam_free_coherent(&own, 10000, virt, kept));
	berth_clear_error();
	dmam_free_coherent(&own, 10000, NULL, 0);
	dmam_free_coherent(&own, 10000, virt, addr);
	assert_reason(BERTH_REASON_NONE);
	REFUSED(dmam_free_coherent(&own, 10000, virt, addr));
	assert_int_equal(pages_used(), used + 2 * PAGE_ALIGN(10000));
	device_unregister(&own);
	assert_int_equal(pages_used(), used);
}

/* Each step of each function. */
static bool allocate_all(struct device *dev)
{
	struct sg_table *sgt;
	struct page *page;
	dma_addr_t addr[5];
	void *virt[4];
	bool all;

	virt[0] = dma_alloc_coherent(dev, 8000, &addr[0], GFP_KERNEL);
	virt[1] = dma_alloc_wc(dev, 8000, &addr[1], GFP_ATOMIC);
	virt[2] = dma_alloc_attrs(dev, 8000, &addr[2], GFP_KERNEL, DMA_ATTR_NO_KERNEL_MAPPING);
	virt[3] = dmam_alloc_coherent(dev, 8000, &addr[3], GFP_KERNEL);
	page = dma_alloc_pages(dev, 8000, &addr[4], DMA_TO_DEVICE, GFP_KERNEL);
	sgt = dma_alloc_noncontiguous(dev, 8000, DMA_TO_DEVICE, GFP_KERNEL, 0);
	all = virt[0] && virt[1] && virt[2] && virt[3] && page && sgt;
	if (!all)
		assert_int_equal(berth_last_error()->code, -ENOMEM);
	dma_free_coherent(dev, 8000, virt[0], addr[0]);
	dma_free_wc(dev, 8000, virt[1], addr[1]);
	dma_free_attrs(dev, 8000, virt[2], addr[2], DMA_ATTR_NO_KERNEL_MAPPING);
	dmam_free_coherent(dev, 8000, virt[3], addr[3]);
	dma_free_pages(dev, 8000, page, addr[4], DMA_TO_DEVICE);
	dma_free_noncontiguous(dev, 8000, sgt, DMA_TO_DEVICE);
	return all;
}

static void every_allocation_may_fail(void **state)
{
	(void)state;
	for (unsigned int d = 0; d < 3; d++) {
		struct device *dev = pools_dev(all_paths[d]);
		bool was_perfect = false;
		uint64_t used, n;

		assert_true(allocate_all(dev));
		used = pages_used();
		for (n = 1; !was_perfect; n++) {
			berth_test_fail_nth(n);
			was_perfect = allocate_all(dev) && !berth_test_failed();
			assert_int_equal(pages_used(), used);
		}
		berth_test_fail_nth(0);
		assert_true(n > 6);
	}
}

int main(void)
{
#define TEST(test) cmocka_unit_test_setup_teardown(test, start, stop)
	const struct CMUnitTest tests[] = {
		TEST(item_20_zeroed_in_pages_and_aligned),
		TEST(item_21_zone_flags),
		TEST(item_23_a_free_says_all_that_was_said_before),
		TEST(item_23_no_kernel_mapping_gives_a_name_only),
		TEST(item_23_attributes),
		TEST(item_24_noncontiguous_is_one_segment),
		TEST(item_26_coherent_memory_needs_no_sync),
		TEST(noncoherent_memory_is_cached),
		TEST(managed_memory_goes_with_the_driver),
		TEST(every_allocation_may_fail),
	};

	return cmocka_run_group_tests_name("coherent", tests, NULL, NULL);
}
