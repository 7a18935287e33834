/* SPDX-License-Identifier: BSD-2-Clause */
/* Where coherent memory comes from; numbers are those of the items in docs/semantics.md. */
#include "pools.h"

#include <berth/of_reserved_mem.h>

#define PLAIN all_paths[0]
#define COHERENT all_paths[1]
#define OWN all_paths[2]
#define SHARED all_paths[3]
#define IN_LINEAR all_paths[4]
#define OFFSET all_paths[5]

static int start(void **state)
{
	(void)state;
	pools_start(NULL, false);
	return 0;
}

static int start_with_default(void **state)
{
	(void)state;
	pools_start(NULL, true);
	return 0;
}

static int stop(void **state)
{
	(void)state;
	must_stop();
	return 0;
}

static bool is_in(dma_addr_t addr, uint64_t base, uint64_t pages)
{
	return addr - base < pages << PAGE_SHIFT;
}

/* Nothing is rounded to a power of two, and nothing comes from elsewhere. */
static void item_22_a_pool_of_the_device_is_exclusive_and_packs_exactly(void **state)
{
	struct device *dev = pools_dev(OWN);
	unsigned char *virt[POOL_PAGES];
	dma_addr_t addr[POOL_PAGES], rest;
	uint64_t used = pages_used();

	(void)state;
	/* 12 pages are four times three. */
	for (unsigned int i = 0; i < 4; i++) {
		virt[i] = dma_alloc_coherent(dev, 3 * PAGE_SIZE, &addr[i],
					     i & 1 ? GFP_KERNEL : GFP_ATOMIC);
		assert_non_null(virt[i]);
		assert_true(is_in(addr[i], POOL, POOL_PAGES));
		assert_zeroed(virt[i], 3 * PAGE_SIZE);
		memset(virt[i], 0xdd, 3 * PAGE_SIZE);
		for (unsigned int j = 0; j < i; j++)
			assert_true(addr[j] >= addr[i] + 3 * PAGE_SIZE ||
				    addr[i] >= addr[j] + 3 * PAGE_SIZE);
	}
	assert_null(dma_alloc_coherent(dev, 1, &rest, GFP_KERNEL));
	assert_reason(BERTH_REASON_AREA_FULL);
	assert_null(dma_alloc_coherent(dev, 1, &rest, GFP_ATOMIC));
	dma_free_coherent(dev, 3 * PAGE_SIZE, virt[1], addr[1]);
	dma_free_coherent(dev, 3 * PAGE_SIZE, virt[2], addr[2]);
	assert_null(dma_alloc_coherent(dev, 7 * PAGE_SIZE, &rest, GFP_KERNEL));
	assert_int_equal(berth_last_error()->limit, 6 * PAGE_SIZE);
	assert_null(dma_alloc_coherent(dev, 1000 * PAGE_SIZE, &rest, GFP_KERNEL));
	virt[1] = dma_alloc_coherent(dev, 6 * PAGE_SIZE, &addr[1], GFP_KERNEL);
	assert_zeroed(virt[1], 6 * PAGE_SIZE);
	berth_clear_error();
	dma_free_coherent(dev, 6 * PAGE_SIZE, virt[1], addr[1]);
	dma_free_coherent(dev, 3 * PAGE_SIZE, virt[0], addr[0]);
	dma_free_coherent(dev, 3 * PAGE_SIZE, virt[3], addr[3]);
	dma_free_coherent(dev, 1, NULL, 0);
	assert_reason(BERTH_REASON_NONE);
	assert_int_equal(pages_used(), used);
	/* While there is room, natural alignment. */
	virt[0] = dma_alloc_coherent(dev, 1, &addr[0], GFP_KERNEL);
	virt[1] = dma_alloc_coherent(dev, 4 * PAGE_SIZE, &addr[1], GFP_KERNEL);
	assert_int_equal(addr[1] % (4 * PAGE_SIZE), 0);
	dma_free_coherent(dev, 1, virt[0], addr[0]);
	dma_free_coherent(dev, 4 * PAGE_SIZE, virt[1], addr[1]);
	/* Pages that a CPU works on are not the pool's business. */
	virt[0] = dma_alloc_noncoherent(dev, 1, &addr[0], DMA_TO_DEVICE, GFP_KERNEL);
	assert_false(is_in(addr[0], POOL, POOL_PAGES));
	dma_free_noncoherent(dev, 1, virt[0], addr[0], DMA_TO_DEVICE);
}

/* Coherent or not, with a bus offset or not: one pool, and each sees it at its own address. */
static void item_22_several_devices_share_a_pool(void **state)
{
	const char *const paths[] = { OWN, SHARED, OFFSET };
	unsigned char *virt[3];
	dma_addr_t addr[3], other;

	(void)state;
	for (unsigned int i = 0; i < 3; i++) {
		virt[i] = dma_alloc_coherent(pools_dev(paths[i]), 4 * PAGE_SIZE, &addr[i],
					     GFP_KERNEL);
		assert_non_null(virt[i]);
	}
	assert_true(is_in(addr[2], POOL - BUS_OFFSET, POOL_PAGES));
	for (unsigned int i = 0; i < 3; i++) {
		assert_null(dma_alloc_coherent(pools_dev(paths[i]), 1, &other, GFP_KERNEL));
		for (unsigned int j = 0; j < 3; j++)
			assert_shared(paths[j], virt[j], addr[j], 4 * PAGE_SIZE);
	}
	for (unsigned int i = 0; i < 3; i++) {
		berth_clear_error();
		dma_free_coherent(pools_dev(paths[(i + 1) % 3]), 4 * PAGE_SIZE, virt[i], addr[i]);
		assert_reason(BERTH_REASON_NOT_OWNED);
	}
	for (unsigned int i = 0; i < 3; i++)
		dma_free_coherent(pools_dev(paths[i]), 4 * PAGE_SIZE, virt[i], addr[i]);
}

/* Without no-map the linear map gives the pages up. */
static void item_22_a_pool_may_be_in_the_linear_map(void **state)
{
	struct device *dev = pools_dev(IN_LINEAR);
	dma_addr_t addr;
	unsigned char *virt;

	(void)state;
	for (unsigned int i = 0; i < 3; i++) {
		virt = dma_alloc_coherent(dev, LINEAR_PAGES << PAGE_SHIFT, &addr, GFP_KERNEL);
		assert_int_equal(addr, LINEAR);
		assert_zeroed(virt, LINEAR_PAGES << PAGE_SHIFT);
		assert_shared(IN_LINEAR, virt, addr, LINEAR_PAGES << PAGE_SHIFT);
		dma_free_coherent(dev, LINEAR_PAGES << PAGE_SHIFT, virt, addr);
	}
}

static void a_pool_out_of_reach_is_of_no_use(void **state)
{
	struct device *dev = pools_dev(OFFSET);
	dma_addr_t addr, other;
	void *virt;

	(void)state;
	assert_int_equal(dma_set_coherent_mask(dev, POOL - BUS_OFFSET + 0x7fff), 0);
	virt = dma_alloc_coherent(dev, 0x8000, &addr, GFP_KERNEL);
	assert_non_null(virt);
	assert_null(dma_alloc_coherent(dev, 1, &other, GFP_KERNEL));
	assert_reason(BERTH_REASON_MASK);
	dma_free_coherent(dev, 0x8000, virt, addr);
	dev->coherent_dma_mask = 0;
	assert_null(dma_alloc_coherent(dev, 1, &addr, GFP_KERNEL));
	assert_reason(BERTH_REASON_NO_MASK);
}

/* What a program has not given back is reported, also if it is no page of the allocator's. */
static void what_is_left_in_a_pool_is_a_leak(void **state)
{
	dma_addr_t addr;

	(void)state;
	pools_start(NULL, false);
	assert_non_null(dma_alloc_coherent(pools_dev(OWN), 5000, &addr, GFP_KERNEL));
	assert_int_not_equal(berth_stop(), 0);
	assert_reason(BERTH_REASON_LEAK);
	assert_int_equal(berth_last_error()->length, 8192);
	pools_start(NULL, false);
	assert_non_null(dma_alloc_coherent(pools_dev(PLAIN), 5000, &addr, GFP_ATOMIC));
	assert_int_not_equal(berth_stop(), 0);
	assert_reason(BERTH_REASON_LEAK);
	assert_int_equal(berth_last_error()->length, 8192);
}

static void drivers_choose_a_region(void **state)
{
	struct device *dev = pools_dev(PLAIN);
	struct device_node *own = of_find_node_by_path(OWN);
	dma_addr_t addr;
	void *virt;

	(void)state;
	assert_int_equal(of_reserved_mem_device_init_by_idx(dev, own, 0), 0);
	assert_int_equal(of_reserved_mem_device_init_by_idx(dev, own, 0), 0);
	virt = dma_alloc_coherent(dev, 1, &addr, GFP_KERNEL);
	assert_true(is_in(addr, POOL, POOL_PAGES));
	of_reserved_mem_device_release(dev);
	dma_free_coherent(dev, 1, virt, addr); /* it goes where it came from */
	assert_reason(BERTH_REASON_NONE);
	virt = dma_alloc_coherent(dev, 1, &addr, GFP_KERNEL);
	assert_false(is_in(addr, POOL, POOL_PAGES));
	dma_free_coherent(dev, 1, virt, addr);
}

static void declared_memory(void **state)
{
	struct device *dev = pools_dev(PLAIN);
	uint64_t used = pages_used();
	dma_addr_t addr;
	unsigned char *virt;

	(void)state;
	assert_int_equal(dma_declare_coherent_memory(dev, SPARE + 1, SPARE, 0x4000), -EINVAL);
	assert_reason(BERTH_REASON_ARGUMENT);
	assert_int_equal(dma_declare_coherent_memory(dev, SPARE, SPARE, 0), -EINVAL);
	assert_int_equal(dma_declare_coherent_memory(dev, RAM, RAM, 0x4000), -ENXIO);
	assert_reason(BERTH_REASON_MAPPING);
	assert_int_equal(dma_declare_coherent_memory(dev, SPARE, SPARE, 0x4000), 0);
	assert_int_equal(dma_declare_coherent_memory(dev, SPARE, SPARE, 0x4000), -EBUSY);
	assert_reason(BERTH_REASON_STATE);
	virt = dma_alloc_coherent(dev, 0x4000, &addr, GFP_ATOMIC);
	assert_int_equal(addr, SPARE);
	assert_shared(PLAIN, virt, addr, 0x4000);
	assert_null(dma_alloc_coherent(dev, 1, &addr, GFP_KERNEL));
	assert_reason(BERTH_REASON_AREA_FULL);
	dma_release_coherent_memory(dev);
	assert_reason(BERTH_REASON_PAGE_BUSY);
	assert_int_equal(berth_last_error()->pfn, PFN_DOWN(SPARE));
	dma_free_coherent(dev, 0x4000, virt, SPARE);
	berth_clear_error();
	dma_release_coherent_memory(dev);
	dma_release_coherent_memory(dev);
	assert_reason(BERTH_REASON_NONE);
	/* The device's own address for it, which it must be able to say. */
	assert_int_equal(dma_declare_coherent_memory(dev, SPARE, 0xfffff000, 0x4000), 0);
	virt = dma_alloc_coherent(dev, 1, &addr, GFP_KERNEL);
	assert_int_equal(addr, 0xfffff000);
	assert_null(dma_alloc_coherent(dev, 1, &addr, GFP_KERNEL));
	assert_reason(BERTH_REASON_MASK);
	dma_free_coherent(dev, 1, virt, 0xfffff000);
	dma_release_coherent_memory(dev);
	assert_int_equal(pages_used(), used);
}

/* The default pool is for devices that do not see the caches; others are served as ever. */
static void item_22_the_default_pool(void **state)
{
	struct device *plain = pools_dev(PLAIN), *coherent = pools_dev(COHERENT);
	dma_addr_t addr, all, rest;
	unsigned char *virt;
	void *full, *other;

	(void)state;
	virt = dma_alloc_coherent(plain, 5000, &addr, GFP_KERNEL);
	assert_true(is_in(addr, DEFAULT, DEFAULT_PAGES));
	assert_shared(PLAIN, virt, addr, 5000);
	dma_free_coherent(plain, 5000, virt, addr);
	virt = dma_alloc_coherent(coherent, 5000, &addr, GFP_KERNEL);
	assert_false(is_in(addr, DEFAULT, DEFAULT_PAGES));
	dma_free_coherent(coherent, 5000, virt, addr);
	virt = dma_alloc_coherent(pools_dev(OWN), 5000, &addr, GFP_KERNEL);
	assert_true(is_in(addr, POOL, POOL_PAGES));
	dma_free_coherent(pools_dev(OWN), 5000, virt, addr);
	/* It is not exclusive. */
	full = dma_alloc_coherent(plain, DEFAULT_PAGES << PAGE_SHIFT, &all, GFP_KERNEL);
	assert_int_equal(all, DEFAULT);
	other = dma_alloc_coherent(plain, 1, &rest, GFP_KERNEL);
	assert_non_null(other);
	assert_false(is_in(rest, DEFAULT, DEFAULT_PAGES));
	assert_reason(BERTH_REASON_NONE);
	dma_free_coherent(plain, 1, other, rest);
	dma_free_coherent(plain, DEFAULT_PAGES << PAGE_SHIFT, full, all);
}

/* What GFP_ATOMIC buffers of one page are made of before pages leave the allocator. */
static uint64_t atomic_pages(struct device *dev)
{
	static void *virt[1024];
	static dma_addr_t addr[1024];
	uint64_t used = pages_used(), nr = 0;

	do {
		virt[nr] = dma_alloc_coherent(dev, PAGE_SIZE, &addr[nr], GFP_ATOMIC);
		assert_non_null(virt[nr]);
		assert_zeroed(virt[nr], PAGE_SIZE);
		memset(virt[nr], 0xcc, PAGE_SIZE);
	} while (pages_used() == used && ++nr < 1024);
	for (uint64_t i = 0; i <= nr; i++)
		dma_free_coherent(dev, PAGE_SIZE, virt[i], addr[i]);
	assert_int_equal(pages_used(), used);
	return nr;
}

static void item_22_who_may_not_sleep_has_a_pool(void **state)
{
	static const struct {
		const char *bootargs;
		uint64_t pages;
	} sizes[] = {
		{ NULL, 32 },
		{ "coherent_pool=64K", 16 },
		{ "coherent_pool=20K", 8 },
		{ "coherent_pool=256K quiet", 64 },
	};

	(void)state;
	for (unsigned int i = 0; i < ARRAY_SIZE(sizes); i++) {
		struct device *plain, *coherent;
		dma_addr_t addr;
		unsigned char *virt;

		pools_start(sizes[i].bootargs, false);
		plain = pools_dev(PLAIN);
		coherent = pools_dev(COHERENT);
		assert_int_equal(atomic_pages(plain), sizes[i].pages);
		assert_int_equal(atomic_pages(plain), sizes[i].pages);
		/* Others need no such memory. */
		assert_int_equal(atomic_pages(coherent), 0);
		virt = dma_alloc_coherent(plain, 9000, &addr, GFP_ATOMIC);
		assert_shared(PLAIN, virt, addr, 9000);
		assert_int_equal(addr % 0x4000, 0);
		dma_free_coherent(plain, 9000, virt, addr);
		must_stop();
	}
}

/* Below half of the size it began with, it doubles in the next call that may sleep. */
static void item_22_the_atomic_pool_grows(void **state)
{
	struct device *dev = pools_dev(PLAIN);
	dma_addr_t addr[40], other;
	void *virt[40], *sleeping;

	(void)state;
	assert_int_equal(atomic_pages(dev), 32);
	for (unsigned int i = 0; i < 17; i++)
		virt[i] = dma_alloc_coherent(dev, 1, &addr[i], GFP_ATOMIC);
	assert_int_equal(atomic_pages(dev), 15);
	sleeping = dma_alloc_coherent(dev, 1, &other, GFP_KERNEL);
	dma_free_coherent(dev, 1, sleeping, other);
	assert_int_equal(atomic_pages(dev), 15 + 32);
	for (unsigned int i = 0; i < 17; i++)
		dma_free_coherent(dev, 1, virt[i], addr[i]);
	sleeping = dma_alloc_coherent(dev, 1, &other, GFP_KERNEL);
	dma_free_coherent(dev, 1, sleeping, other);
	assert_int_equal(atomic_pages(dev), 64);
}

static void atomic_memory_is_within_reach(void **state)
{
	const struct berth_dma_window window = { RAM + 2 * MIB, 0, 2 * MIB };
	struct device *dev = pools_dev(PLAIN);
	dma_addr_t addr;
	void *virt;

	(void)state;
	assert_int_equal(berth_device_set_windows(dev, &window, 1), 0);
	virt = dma_alloc_coherent(dev, 5000, &addr, GFP_ATOMIC);
	assert_non_null(virt);
	assert_true(addr < 2 * MIB);
	assert_reason(BERTH_REASON_NONE);
	dma_free_coherent(dev, 5000, virt, addr);
	assert_int_equal(berth_device_set_windows(dev, NULL, 0), 0);
}

static void every_step_may_fail(void **state)
{
	bool was_perfect = false;
	uint64_t used, n;

	(void)state;
	used = pages_used();
	for (n = 1; !was_perfect; n++) {
		struct device *dev = pools_dev(PLAIN);
		dma_addr_t addr;
		void *virt;
		int err;

		berth_test_fail_nth(n);
		err = dma_declare_coherent_memory(dev, SPARE, SPARE, 0x4000);
		virt = dma_alloc_coherent(dev, 1, &addr, GFP_KERNEL);
		was_perfect = !berth_test_failed();
		berth_test_fail_nth(0);
		assert_true(!err || err == berth_last_error()->code || virt);
		if (err)
			assert_true(err == -ENOMEM || err == -ENXIO);
		if (virt)
			assert_int_equal(!err, addr == SPARE);
		dma_free_coherent(dev, 1, virt, addr);
		dma_release_coherent_memory(dev);
		assert_int_equal(pages_used(), used);
	}
	assert_true(n > 4);
}

int main(void)
{
#define TEST(test) cmocka_unit_test_setup_teardown(test, start, stop)
	const struct CMUnitTest tests[] = {
		TEST(item_22_a_pool_of_the_device_is_exclusive_and_packs_exactly),
		TEST(item_22_several_devices_share_a_pool),
		TEST(item_22_a_pool_may_be_in_the_linear_map),
		TEST(drivers_choose_a_region),
		TEST(declared_memory),
		cmocka_unit_test_setup_teardown(item_22_the_default_pool, start_with_default, stop),
		cmocka_unit_test(item_22_who_may_not_sleep_has_a_pool),
		TEST(item_22_the_atomic_pool_grows),
		TEST(atomic_memory_is_within_reach),
		cmocka_unit_test(what_is_left_in_a_pool_is_a_leak),
		TEST(every_step_may_fail),
		TEST(a_pool_out_of_reach_is_of_no_use),
	};

	return cmocka_run_group_tests_name("coherent pools", tests, NULL, NULL);
}
