/* SPDX-License-Identifier: BSD-2-Clause */
/* Pools of mapped pages; numbers are those of the items in docs/semantics.md. */
#include "pool.h"

#define MANY 300u

/* Coherent or not, a page comes back as it went: mapped, at the same address. */
static void a_page_stays_mapped(void **state)
{
	(void)state;
	for (int coherent = 0; coherent < 2; coherent++)
		for (int direct = 0; direct < 2; direct++) {
			struct page_pool *pool;
			struct page *page;
			dma_addr_t addr;
			uint64_t before;

			start(coherent);
			pool = create(FLAGS, 0, 0);
			page = take(pool);
			addr = page_pool_get_dma_addr(page);
			assert_int_equal(addr, page_to_phys(page));
			assert_int_equal(page_pool_get_dma_dir(pool), DMA_FROM_DEVICE);
			before = cache_ops();
			for (unsigned int i = 0; i < 10; i++) {
				assert_int_equal(berth_page_pool_inflight(pool), 1);
				page_pool_put_full_page(pool, page, direct);
				assert_int_equal(berth_page_pool_inflight(pool), 0);
				assert_ptr_equal(take(pool), page);
				assert_int_equal(page_pool_get_dma_addr(page), addr);
				assert_int_equal(page_count(page), 1);
			}
			/* One operation each time, the sync. */
			assert_int_equal(cache_ops() - before, coherent ? 0 : 10);
			page_pool_recycle_direct(pool, page);
			page_pool_destroy(pool);
			assert_reason(BERTH_REASON_NONE);
			stop();
		}
}

/*
 * The CPU has written to a page; the device gets it again and writes. What the CPU wrote may fall out of
 * its cache at any time: if that was not synced, the device's bytes are gone.
 */
static uint8_t byte_after_recycling(unsigned int flags, unsigned int sync_size, bool direct)
{
	struct page_pool *pool = create(flags, 0, 0);
	struct page *page = take(pool);
	dma_addr_t addr = page_pool_get_dma_addr(page);
	uint8_t byte;

	memset(page_address(page), 0x11, PAGE_SIZE);
	page_pool_put_page(pool, page, sync_size, direct);
	assert_ptr_equal(take(pool), page);
	memset(in_memory(page), 0x22, PAGE_SIZE);
	berth_port_cache_clean(page_to_phys(page), PAGE_SIZE);
	dma_sync_single_for_cpu(&dev, addr, PAGE_SIZE, DMA_FROM_DEVICE);
	byte = *(volatile uint8_t *)page_address(page);
	page_pool_recycle_direct(pool, page);
	page_pool_destroy(pool);
	return byte;
}

static void recycled_pages_are_synced_for_the_device(void **state)
{
	(void)state;
	start(false);
	for (int direct = 0; direct < 2; direct++) {
		assert_int_equal(byte_after_recycling(FLAGS, PAGE_SIZE, direct), 0x22);
		assert_int_equal(byte_after_recycling(FLAGS, UINT_MAX, direct), 0x22);
		assert_int_equal(byte_after_recycling(FLAGS, 64, direct), 0x22);
		/* Wrong bytes, where it was left out. */
		assert_int_equal(byte_after_recycling(FLAGS, 0, direct), 0x11);
		assert_int_equal(byte_after_recycling(PP_FLAG_DMA_MAP, PAGE_SIZE, direct), 0x11);
	}
	stop();
}

/* New pages too: what their last owner wrote is in the cache still. */
static void new_pages_are_synced_for_the_device(void **state)
{
	(void)state;
	start(false);
	for (int synced = 0; synced < 2; synced++) {
		struct page_pool *pool = create(synced ? FLAGS : PP_FLAG_DMA_MAP, 0, 0);
		unsigned int wrong = 0;
		struct page *pages[200];

		for (unsigned int i = 0; i < ARRAY_SIZE(pages); i++) {
			pages[i] = alloc_page(GFP_KERNEL);
			memset(page_address(pages[i]), synced + 1, PAGE_SIZE);
		}
		for (unsigned int i = 0; i < ARRAY_SIZE(pages); i++)
			__free_page(pages[i]);
		for (unsigned int i = 0; i < ARRAY_SIZE(pages); i++) {
			pages[i] = take(pool);
			wrong += memcmp(in_memory(pages[i]), page_address(pages[i]), PAGE_SIZE) !=
				 0;
		}
		assert_int_equal(wrong > 0, !synced);
		page_pool_put_page_bulk(pool, (void **)pages, ARRAY_SIZE(pages));
		page_pool_destroy(pool);
	}
	stop();
}

static void item_10_only_what_the_device_writes_is_synced(void **state)
{
	static const unsigned int sizes[] = { 0, 64, 640, 1024, 4000 };
	struct page_pool_params params = {
		.flags = FLAGS,
		.dev = &dev,
		.dma_dir = DMA_BIDIRECTIONAL,
		.offset = 128,
		.max_len = 1024,
	};

	(void)state;
	start(false);
	for (unsigned int i = 0; i < ARRAY_SIZE(sizes); i++) {
		unsigned int synced = sizes[i] < 1024 ? sizes[i] : 1024;
		struct page_pool *pool = page_pool_create(&params);
		struct page *page = take(pool);

		memset(in_memory(page), 0, PAGE_SIZE);
		memset(page_address(page), 0x11, PAGE_SIZE);
		page_pool_put_page(pool, page, sizes[i], i & 1);
		for (unsigned int byte = 0; byte < PAGE_SIZE; byte++)
			assert_int_equal(in_memory(page)[byte],
					 byte >= 128 && byte < 128 + synced ? 0x11 : 0);
		page_pool_destroy(pool);
	}
	stop();
}

static void pages_wait_in_the_cache_and_in_the_ring(void **state)
{
	static struct page *pages[MANY];

	(void)state;
	start(true);
	for (unsigned int order = 0; order < 2; order++) {
		struct page_pool *pool = create(FLAGS, order, 16);
		struct page_pool_stats stats;

		for (unsigned int i = 0; i < MANY; i++)
			pages[i] = take(pool);
		stats = stats_of(pool);
		assert_int_equal(stats.alloc_stats.slow, order ? 0 : MANY);
		assert_int_equal(stats.alloc_stats.slow_high_order, order ? MANY : 0);
		assert_int_equal(stats.alloc_stats.empty, MANY);
		assert_int_equal(berth_page_pool_inflight(pool), MANY);
		for (unsigned int i = 0; i < MANY; i++)
			page_pool_recycle_direct(pool, pages[i]);
		stats = stats_of(pool);
		assert_int_equal(stats.recycle_stats.cached, PP_ALLOC_CACHE_SIZE);
		assert_int_equal(stats.recycle_stats.cache_full, MANY - PP_ALLOC_CACHE_SIZE);
		assert_int_equal(stats.recycle_stats.ring, 16);
		assert_int_equal(stats.recycle_stats.ring_full, MANY - PP_ALLOC_CACHE_SIZE - 16);
		assert_int_equal(berth_page_pool_inflight(pool), 0);
		for (unsigned int i = 0; i < PP_ALLOC_CACHE_SIZE + 17; i++)
			pages[i] = take(pool);
		stats = stats_of(pool);
		assert_int_equal(stats.alloc_stats.fast, PP_ALLOC_CACHE_SIZE + 15);
		assert_int_equal(stats.alloc_stats.refill, 1);
		assert_int_equal(stats.alloc_stats.slow + stats.alloc_stats.slow_high_order,
				 MANY + 1);
		page_pool_put_page_bulk(pool, (void **)pages, PP_ALLOC_CACHE_SIZE + 17);
		assert_int_equal(stats_of(pool).recycle_stats.ring, 32);
		assert_int_equal(stats_of(pool).recycle_stats.cached, PP_ALLOC_CACHE_SIZE);
		assert_false(page_pool_get_stats(pool, NULL));
		page_pool_destroy(pool);
		assert_int_equal(used(), used_at_start);
	}
	stop();
}

/* More pages than the inline way knows, and more of the ring than a refill takes. */
static void a_pool_has_any_number_of_pages(void **state)
{
	static struct page *pages[2500];
	struct page_pool *pool;

	(void)state;
	start(true);
	pool = create(FLAGS, 0, 2000);
	for (unsigned int round = 0; round < 3; round++) {
		for (unsigned int i = 0; i < ARRAY_SIZE(pages); i++) {
			pages[i] = take(pool);
			assert_int_equal(page_pool_get_dma_addr(pages[i]), page_to_phys(pages[i]));
			*(unsigned int *)page_address(pages[i]) = i;
		}
		for (unsigned int i = 0; i < ARRAY_SIZE(pages); i++)
			assert_int_equal(*(unsigned int *)page_address(pages[i]), i);
		assert_int_equal(berth_page_pool_inflight(pool), ARRAY_SIZE(pages));
		for (unsigned int i = 0; i < ARRAY_SIZE(pages); i++)
			page_pool_put_full_page(pool, pages[i], i % 3);
		assert_int_equal(berth_page_pool_inflight(pool), 0);
	}
	assert_reason(BERTH_REASON_NONE);
	page_pool_destroy(pool);
	stop();
}

/* What a pool knows of pages that have gone is used for the next ones. */
static void a_pool_does_not_grow(void **state)
{
	struct page_pool *pool;
	struct page *pages[100];
	uint64_t before = 0;

	(void)state;
	start(true);
	pool = create(FLAGS, 0, 1);
	for (unsigned int round = 0; round < 100; round++) {
		for (unsigned int i = 0; i < ARRAY_SIZE(pages); i++)
			pages[i] = take(pool);
		for (unsigned int i = 0; i < ARRAY_SIZE(pages); i++)
			page_pool_put_full_page(pool, pages[i], false);
		before = round ? before : used();
	}
	assert_int_equal(used(), before);
	page_pool_destroy(pool);
	stop();
}

static void a_page_of_others_is_not_recycled(void **state)
{
	(void)state;
	start(true);
	for (unsigned int which = 0; which < 4; which++) {
		struct page_pool *pool = create(FLAGS, which & 1, 0);
		struct page *page = take(pool), *other;

		if (which < 2)
			get_page(page);
		else
			assert_int_equal(pin_pages(&page, 1, 0, "test"), 0);
		page_pool_put_full_page(pool, page, which != 1);
		assert_int_equal(page_pool_get_dma_addr(page), DMA_MAPPING_ERROR);
		assert_int_equal(berth_page_pool_inflight(pool), 0);
		assert_int_equal(stats_of(pool).recycle_stats.released_refcnt, 1);
		other = take(pool);
		assert_ptr_not_equal(other, page);
		page_pool_recycle_direct(pool, other);
		page_pool_recycle_direct(pool, page);
		assert_reason(BERTH_REASON_NOT_OWNED);
		if (which < 2)
			put_page(page);
		else
			unpin_user_pages(&page, 1);
		page_pool_destroy(pool);
		assert_int_equal(used(), used_at_start);
		berth_clear_error();
	}
	stop();
}

static void assert_refused(struct page_pool *pool, struct page *page)
{
	for (int direct = 0; direct < 2; direct++) {
		berth_clear_error();
		page_pool_put_full_page(pool, page, direct);
		assert_reason(BERTH_REASON_NOT_OWNED);
	}
	berth_clear_error();
	page_pool_release_page(pool, page);
	assert_reason(BERTH_REASON_NOT_OWNED);
}

static void wrong_pages_are_refused(void **state)
{
	struct page_pool *pool, *other;
	struct page *page, *foreign, *high;

	(void)state;
	start(true);
	pool = create(FLAGS, 1, 0);
	other = create(FLAGS, 0, 0);
	page = take(pool);
	foreign = alloc_page(GFP_KERNEL);
	high = take(other);
	assert_refused(pool, NULL);
	assert_refused(pool, page + 1);
	assert_refused(pool, high);
	assert_refused(other, page);
	assert_refused(pool, foreign);
	foreign->index = 0x1234;
	assert_refused(pool, foreign);
	foreign->index = (uintptr_t)page_address(foreign);
	assert_refused(pool, foreign);
	foreign->index = page->index;
	assert_refused(pool, foreign);
	foreign->index = page->index + 1;
	assert_refused(pool, foreign);
	foreign->index = (uintptr_t)pool->items;
	assert_refused(pool, foreign);
	for (int direct = 0; direct < 2; direct++) {
		page_pool_put_full_page(pool, page, direct);
		assert_refused(pool, page);
		assert_ptr_equal(take(pool), page);
	}
	assert_int_equal(page_count(foreign), 1);
	assert_int_equal(berth_page_pool_inflight(pool), 1);
	page_pool_recycle_direct(pool, page);
	page_pool_recycle_direct(other, high);
	page_pool_destroy(pool);
	page_pool_destroy(other);
	page_pool_destroy(NULL);
	__free_page(foreign);
	stop();
}

/* Pages that are out keep the pool; with the last one everything ends. */
static void a_destroyed_pool_ends_with_its_last_page(void **state)
{
	struct page *pages[20], *waiting[3];
	struct page_pool *pool;
	uint64_t with_pages;

	(void)state;
	start(false);
	for (int parts = 0; parts < 2; parts++) {
		unsigned int offset;

		pool = create(FLAGS | (parts ? PP_FLAG_PAGE_FRAG : 0), 0, 0);
		for (unsigned int i = 0; i < 3; i++)
			waiting[i] = take(pool);
		for (unsigned int i = 0; i < 20; i++)
			pages[i] = parts ? page_pool_dev_alloc_frag(pool, &offset, 1500)
					 : take(pool);
		page_pool_recycle_direct(pool, waiting[0]);
		page_pool_put_full_page(pool, waiting[1], false);
		page_pool_put_full_page(pool, waiting[2], false);
		with_pages = used();
		page_pool_destroy(pool);
		assert_int_equal(with_pages - used(), 3 * PAGE_SIZE);
		assert_null(page_pool_dev_alloc_pages(pool));
		assert_reason(BERTH_REASON_ARGUMENT);
		berth_clear_error();
		for (unsigned int i = 0; i < 20; i++) {
			assert_int_equal(page_pool_get_dma_addr(pages[i]), page_to_phys(pages[i]));
			assert_true(used() > used_at_start);
			if (parts || i % 4)
				page_pool_put_full_page(pool, pages[i], i & 1);
			else
				page_pool_release_page(pool, pages[i]);
		}
		assert_reason(BERTH_REASON_NONE);
		for (unsigned int i = 0; !parts && i < 20; i += 4)
			put_page(pages[i]);
		assert_int_equal(used(), used_at_start);
	}
	stop();
}

static void a_released_page_is_the_callers(void **state)
{
	struct page_pool *pool;
	struct page *page;
	uint64_t before;

	(void)state;
	start(false);
	pool = create(FLAGS, 0, 0);
	page = take(pool);
	before = cache_ops();
	page_pool_release_page(pool, page);
	assert_int_equal(cache_ops(), before);
	assert_int_equal(page_pool_get_dma_addr(page), DMA_MAPPING_ERROR);
	assert_int_equal(page_count(page), 1);
	assert_refused(pool, page);
	page_pool_destroy(pool);
	assert_int_equal(used(), used_at_start + PAGE_SIZE);
	put_page(page);
	stop();
}

static void pages_are_where_the_device_reaches(void **state)
{
	static const struct berth_dma_window window = { 0x80000000, 0x1000, 4 * MIB };
	struct page *pages[64], *page;
	struct page_pool *pool;

	(void)state;
	start(true);
	assert_int_equal(berth_device_set_windows(&dev, &window, 1), 0);
	pool = create(FLAGS, 0, 0);
	for (unsigned int i = 0; i < ARRAY_SIZE(pages); i++) {
		pages[i] = take(pool);
		assert_true(page_to_phys(pages[i]) < window.cpu + window.size);
		assert_int_equal(page_pool_get_dma_addr(pages[i]),
				 page_to_phys(pages[i]) - window.cpu + window.bus);
	}
	page_pool_put_page_bulk(pool, (void **)pages, ARRAY_SIZE(pages));
	page_pool_destroy(pool);
	/* Without a mapping any page will do, and none has an address. */
	pool = create(0, 0, 0);
	page = take(pool);
	assert_int_equal(page_pool_get_dma_addr(page), DMA_MAPPING_ERROR);
	page_pool_recycle_direct(pool, page);
	page_pool_destroy(pool);
	assert_int_equal(berth_device_set_windows(&dev, NULL, 0), 0);
	stop();
}

static void count_page(struct page *page, void *arg)
{
	assert_int_not_equal(page_pool_get_dma_addr(page), DMA_MAPPING_ERROR);
	(*(unsigned int *)arg)++;
}

static void new_pages_are_shown_once(void **state)
{
	unsigned int nr = 0;
	struct page_pool_params params = {
		.flags = PP_FLAG_DMA_MAP,
		.dev = &dev,
		.dma_dir = DMA_BIDIRECTIONAL,
		.init_callback = count_page,
		.init_arg = &nr,
	};
	struct page_pool *pool;
	struct page *page;

	(void)state;
	start(true);
	pool = page_pool_create(&params);
	for (unsigned int i = 0; i < 5; i++)
		page_pool_recycle_direct(pool, take(pool));
	assert_int_equal(nr, 1);
	page = take(pool);
	page_pool_recycle_direct(pool, take(pool));
	assert_int_equal(nr, 2);
	page_pool_recycle_direct(pool, page);
	page_pool_destroy(pool);
	stop();
}

static void wrong_pools_are_refused(void **state)
{
	const struct page_pool_params good = {
		.flags = FLAGS,
		.dev = &dev,
		.dma_dir = DMA_FROM_DEVICE,
		.offset = 96,
		.max_len = PAGE_SIZE - 96,
		.pool_size = 32768,
	};
	struct page_pool_params bad[10];

	(void)state;
	start(true);
	for (unsigned int i = 0; i < ARRAY_SIZE(bad); i++)
		bad[i] = good;
	bad[0].pool_size++;
	bad[1].flags |= 8;
	bad[2].dev = NULL;
	bad[3].dma_dir = DMA_TO_DEVICE;
	bad[4].dma_dir = DMA_NONE;
	bad[5].flags = PP_FLAG_DMA_SYNC_DEV;
	bad[6].max_len = 0;
	bad[7].max_len++;
	bad[8].offset = PAGE_SIZE;
	bad[9].order = MAX_ORDER + 1;
	for (unsigned int i = 0; i < ARRAY_SIZE(bad); i++) {
		berth_clear_error();
		assert_ptr_equal(page_pool_create(&bad[i]), ERR_PTR(i ? -EINVAL : -E2BIG));
		assert_reason(BERTH_REASON_ARGUMENT);
	}
	page_pool_destroy(page_pool_create(&good));
	stop();
}

static void a_device_without_dma_gets_no_page(void **state)
{
	struct page_pool *pool;
	uint64_t mask;

	(void)state;
	start(true);
	pool = create(FLAGS, 0, 0);
	mask = dev.dma_mask;
	dev.dma_mask = 0;
	assert_null(page_pool_dev_alloc_pages(pool));
	assert_reason(BERTH_REASON_NO_MASK);
	dev.dma_mask = mask;
	assert_int_equal(berth_page_pool_inflight(pool), 0);
	page_pool_recycle_direct(pool, take(pool));
	page_pool_destroy(pool);
	stop();
}

/* Pages enough that the pool needs memory for itself, with each allocation failing once. */
static void every_allocation_may_fail(void **state)
{
	const struct page_pool_params params = {
		.flags = FLAGS | PP_FLAG_PAGE_FRAG,
		.dev = &dev,
		.dma_dir = DMA_FROM_DEVICE,
		.max_len = PAGE_SIZE,
	};
	static struct page *pages[1100];
	unsigned int nr_failures = 0;
	uint64_t nth = 0;
	bool hit = true;

	(void)state;
	start(true);
	for (; hit; nth++) {
		struct page_pool *pool;
		unsigned int nr = 0, offset;

		if (nth == 6)
			nth = 1015; /* one page is like the other */
		berth_clear_error();
		berth_test_fail_nth(nth + 1);
		pool = page_pool_create(&params);
		pool = IS_ERR(pool) ? NULL : pool;
		while (pool && nr < ARRAY_SIZE(pages)) {
			pages[nr] = nr % 200
					    ? page_pool_alloc_pages(pool, GFP_KERNEL)
					    : page_pool_alloc_frag(pool, &offset, 4096, GFP_KERNEL);
			if (!pages[nr])
				break;
			nr++;
		}
		hit = berth_test_failed();
		berth_test_fail_nth(0);
		/* kmalloc() may have found another way. */
		if (nr < ARRAY_SIZE(pages)) {
			assert_true(hit);
			assert_reason(BERTH_REASON_OUT_OF_MEMORY);
			nr_failures++;
		}
		if (pool) {
			assert_in_range(berth_page_pool_inflight(pool), nr, nr + 1);
			page_pool_put_page_bulk(pool, (void **)pages, (int)nr);
			page_pool_destroy(pool);
		}
		assert_int_equal(used(), used_at_start);
	}
	assert_in_range(nth, 1100, 1200);
	assert_true(nr_failures > 50);
	stop();
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_page_stays_mapped),
		cmocka_unit_test(recycled_pages_are_synced_for_the_device),
		cmocka_unit_test(new_pages_are_synced_for_the_device),
		cmocka_unit_test(item_10_only_what_the_device_writes_is_synced),
		cmocka_unit_test(pages_wait_in_the_cache_and_in_the_ring),
		cmocka_unit_test(a_pool_has_any_number_of_pages),
		cmocka_unit_test(a_pool_does_not_grow),
		cmocka_unit_test(a_page_of_others_is_not_recycled),
		cmocka_unit_test(wrong_pages_are_refused),
		cmocka_unit_test(a_destroyed_pool_ends_with_its_last_page),
		cmocka_unit_test(a_released_page_is_the_callers),
		cmocka_unit_test(pages_are_where_the_device_reaches),
		cmocka_unit_test(new_pages_are_shown_once),
		cmocka_unit_test(wrong_pools_are_refused),
		cmocka_unit_test(a_device_without_dma_gets_no_page),
		cmocka_unit_test(every_allocation_may_fail),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
