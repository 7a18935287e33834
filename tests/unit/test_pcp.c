// SPDX-License-Identifier: BSD-2-Clause
/* Lists of free blocks per slot. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include <berth/error.h>
#include <berth/gfp.h>
#include <berth/memblock.h>
#include <berth/slab.h>
#include <berth/test.h>

#include "fake_port.h"
#include "mm/internal.h"

#define MIB (1ULL << 20)

static const struct berth_range bank = { 0x80000000, 128 * MIB };

static uint64_t nr_free(void)
{
	struct berth_memory_info info;

	berth_memory_info(&info);
	assert_int_equal(info.total, info.reserved + info.free + info.used);
	return info.free;
}

static void refused(int line)
{
	if (berth_last_error()->reason != BERTH_REASON_NOT_OWNED)
		fail_msg("line %d was not refused", line);
	berth_clear_error();
}

#define assert_refused() refused(__LINE__)

static int start(void **state)
{
	(void)state;
	berth_fake_slot = 1;
	fake_start(&bank, 1);
	berth_clear_error();
	return 0;
}

static int stop(void **state)
{
	(void)state;
	berth_fake_slot = 1;
	fake_stop();
	return 0;
}

static void a_page_goes_round_in_its_list(void **state)
{
	static const unsigned int orders[] = { 0, 1, 2, 3, 4, 9 };
	uint64_t before = nr_free();

	(void)state;
	for (unsigned int i = 0; i < ARRAY_SIZE(orders); i++) {
		unsigned int order = orders[i];
		struct page *page = alloc_pages(GFP_KERNEL, order);
		uint64_t pfn = page_to_pfn(page);

		assert_int_equal(page_count(page), 1);
		assert_int_equal(berth_page_use(pfn), BERTH_PAGE_USED);
		assert_int_equal(nr_free(), before - (PAGE_SIZE << order));
		assert_int_equal(berth_mm_leaked(), PAGE_SIZE << order);
		__free_pages(page, order);
		/* Free for whoever looks, in the list, and not to be freed again. */
		assert_int_equal(page_state(page), PG_LISTED);
		assert_int_equal(page_count(page), 0);
		assert_int_equal(berth_page_use(pfn), BERTH_PAGE_FREE);
		assert_int_equal(berth_page_use(pfn + (1ULL << order) - 1), BERTH_PAGE_FREE);
		assert_int_equal(fake_is_poisoned(page_address(page)), fake_has_asan());
		assert_int_equal(nr_free(), before);
		assert_int_equal(berth_mm_leaked(), 0);
		__free_pages(page, order);
		assert_refused();
		put_page(page);
		assert_refused();
		get_page(page);
		assert_refused();
		split_page(page, order);
		assert_refused();
		assert_ptr_equal(alloc_pages(GFP_KERNEL, order), page);
		__free_pages(page, order + 1);
		assert_refused();
		__free_pages(page, 12 + order);
		assert_refused();
		__free_pages((struct page *)((char *)page + 8), order);
		assert_refused();
		__free_pages(page, order);
		assert_int_equal(nr_free(), before);
	}
	assert_true(berth_pcp_count() > 0);
	assert_true(berth_pcp_drain());
	assert_int_equal(berth_pcp_count(), 0);
	assert_false(berth_pcp_drain());
	assert_int_equal(nr_free(), before);
	fake_check_zones();
}

static void types_and_limits_are_kept_apart(void **state)
{
	struct page *unmovable = alloc_page(0), *movable = alloc_page(__GFP_MOVABLE);
	struct page *page;

	(void)state;
	__free_page(unmovable);
	__free_page(movable);
	assert_ptr_equal(alloc_page(__GFP_MOVABLE), movable);
	assert_ptr_equal(alloc_page(GFP_DMA32), unmovable);
	/* No list knows about limits. */
	__free_page(unmovable);
	page = berth_alloc_pages_below(0, 0, 0x80000fff);
	assert_int_equal(page_to_phys(page), 0x80000000);
	__free_page(page);
	__free_page(movable);
	/* Zeroes, and whatever the list gave before. */
	page = alloc_page(0);
	memset(page_address(page), 0xff, PAGE_SIZE);
	__free_page(page);
	page = alloc_page(__GFP_ZERO);
	for (unsigned int i = 0; i < PAGE_SIZE; i++)
		assert_int_equal(((char *)page_address(page))[i], 0);
	__free_page(page);
	fake_check_zones();
}

static void what_is_listed_does_not_make_memory_short(void **state)
{
	static struct page *pages[32768];
	uint64_t total = nr_free() / PAGE_SIZE;
	struct page *page;

	(void)state;
	for (unsigned int i = 0; i < total; i++) {
		berth_fake_slot = 1 + i % 2;
		pages[i] = alloc_page(i % 3 ? 0 : __GFP_MOVABLE);
		assert_non_null(pages[i]);
	}
	assert_null(alloc_page(0));
	assert_int_equal(berth_last_error()->limit, 0);
	assert_int_equal(nr_free(), 0);
	/* Two neighbours in the lists of two slots become one block. */
	for (unsigned int i = 0; i < total; i++)
		if (!(page_to_pfn(pages[i]) & 1)) {
			for (unsigned int j = 0; j < total; j++)
				if (pages[j] == pages[i] + 1) {
					berth_fake_slot = 1;
					__free_page(pages[i]);
					berth_fake_slot = 2;
					__free_page(pages[j]);
					page = alloc_pages(0, 1);
					assert_ptr_equal(page, pages[i]);
					split_page(page, 1);
					break;
				}
			break;
		}
	/* An exact range, part of it listed. */
	berth_fake_slot = 1;
	for (unsigned int i = 0; i < total; i++)
		__free_page(pages[i]);
	assert_true(berth_pcp_count() > 0);
	uint64_t busy;

	page = alloc_page(0);
	__free_page(page);
	assert_true(berth_take_free_pages(page_to_pfn(page), 1, &busy));
	__free_page(page);
	assert_int_equal(nr_free(), total * PAGE_SIZE);
	fake_check_zones();
}

static void lists_overflow_into_the_zone(void **state)
{
	static struct page *pages[3000];
	uint64_t before = nr_free(), hash = fake_free_hash();

	(void)state;
	for (unsigned int round = 0; round < 4; round++) {
		unsigned int order = round % 2 ? 2 : 0;

		for (unsigned int i = 0; i < ARRAY_SIZE(pages); i++) {
			pages[i] = alloc_pages(0, order);
			assert_non_null(pages[i]);
		}
		assert_int_equal(nr_free(), before - (ARRAY_SIZE(pages) * PAGE_SIZE << order));
		for (unsigned int i = 0; i < ARRAY_SIZE(pages); i++)
			__free_pages(pages[round < 2 ? i : ARRAY_SIZE(pages) - 1 - i], order);
		assert_int_equal(nr_free(), before);
		assert_true(berth_pcp_count() <= 2048);
	}
	assert_int_equal(fake_free_hash(), hash);
	fake_check_zones();
}

static void a_slot_that_ends_leaves_nothing(void **state)
{
	struct page *page = alloc_page(0);

	(void)state;
	__free_page(page);
	berth_fake_slot = 2;
	__free_page(alloc_page(0));
	assert_int_equal(page_state(page), PG_LISTED);
	berth_slot_handle(0);
	assert_int_not_equal(page_state(page), PG_LISTED);
	assert_true(berth_pcp_count() > 0);
	berth_slot_handle(1);
	assert_int_equal(berth_pcp_count(), 0);
	/* Whoever gets the slot next opens the lists again. */
	__free_page(alloc_page(0));
	assert_true(berth_pcp_count() > 0);
}

static void shut_lists_stay_empty(void **state)
{
	struct page *page = alloc_page(0), *other = alloc_page(0);

	(void)state;
	__free_page(other);
	berth_pcp_shut();
	berth_pcp_shut();
	assert_int_equal(berth_pcp_count(), 0);
	__free_page(page);
	assert_int_equal(berth_pcp_count(), 0);
	assert_int_not_equal(page_state(page), PG_LISTED);
	page = alloc_page(0);
	berth_pcp_open();
	__free_page(page);
	assert_int_equal(berth_pcp_count(), 0);
	berth_pcp_open();
	__free_page(alloc_page(0));
	assert_true(berth_pcp_count() > 0);
	fake_check_zones();
}

/* Somebody else has the list: nobody waits. */
static void a_list_in_use_is_no_obstacle(void **state)
{
	struct page *page = alloc_page(0), *other;

	(void)state;
	for (unsigned int list = 0; list < BERTH_PCP_LISTS; list++) {
		uintptr_t head =
			__atomic_exchange_n(&berth_pcp[1][list], BERTH_PCP_BUSY, __ATOMIC_ACQUIRE);

		other = alloc_page(0);
		assert_non_null(other);
		__free_page(other);
		__free_page(other);
		assert_refused();
		berth_pcp_drain();
		__atomic_store_n(&berth_pcp[1][list], 0, __ATOMIC_RELEASE);
		berth_zone_give(&berth_zones[ZONE_DMA32], (struct page *)head);
		if (head)
			berth_pcp[1][list + BERTH_PCP_LISTS] = 0;
	}
	assert_int_equal(page_count(page), 1);
	__free_page(page);
}

/* Else what one of them has no room for would count as free. */
static void lists_open_all_or_none(void **state)
{
	uintptr_t *list = &berth_pcp[1][2 * BERTH_PCP_COLUMNS];
	uint64_t before = nr_free();

	(void)state;
	__atomic_store_n(list, BERTH_PCP_BUSY, __ATOMIC_RELEASE);
	__free_page(alloc_page(0));
	assert_int_equal(berth_pcp_count(), 0);
	assert_int_equal(nr_free(), before);
	__atomic_store_n(list, 0, __ATOMIC_RELEASE);
	__free_page(alloc_page(0));
	assert_true(berth_pcp_count() > 0);
	assert_int_equal(nr_free(), before);
}

static void a_test_counts_inline_allocations_too(void **state)
{
	struct page *page = alloc_page(0);

	(void)state;
	__free_page(page);
	for (unsigned int nth = 1; nth < 4; nth++) {
		struct page *pages[3];

		berth_test_fail_nth(nth);
		for (unsigned int i = 0; i < 3; i++)
			pages[i] = alloc_page(0);
		assert_true(berth_test_failed());
		berth_test_fail_nth(0);
		for (unsigned int i = 0; i < 3; i++) {
			assert_int_equal(pages[i] == NULL, i + 1 == nth);
			__free_page(pages[i]);
		}
	}
	assert_int_equal(berth_mm_leaked(), 0);
}

/* kmalloc() has a slab per slot and size; nothing is inline where memory is poisoned. */
static void objects_are_freed_by_any_slot(void **state)
{
	enum { NR = 500 };
	static char *objects[NR];

	(void)state;
	for (unsigned int round = 0; round < 3; round++) {
		for (unsigned int i = 0; i < NR; i++) {
			berth_fake_slot = 1 + i % 2;
			objects[i] = kmalloc(256, 0);
			assert_non_null(objects[i]);
			memset(objects[i], (int)i, 256);
		}
		for (unsigned int i = 0; i < NR; i++) {
			assert_int_equal((uint8_t)objects[i][255], i & 0xff);
			/* Round 0: by who did not allocate it. */
			berth_fake_slot = 1 + (i + (round == 0)) % 2;
			kfree(objects[i]);
			assert_int_equal(berth_last_error()->code, 0);
			kfree(objects[i]);
			assert_refused();
			kfree(objects[i] + 64);
			assert_refused();
			assert_int_equal(ksize(objects[i]), 0);
		}
		assert_int_equal(berth_mm_leaked(), 0);
	}
	/* Slots that end, one with an object in use, leave no slab to themselves. */
	berth_fake_slot = 1;
	objects[0] = kmalloc(256, 0);
	berth_slot_handle(0);
	berth_slot_handle(1);
	for (unsigned int slot = 0; slot <= BERTH_PORT_MAX_SLOTS; slot++)
		for (unsigned int i = 0; i < 32; i++)
			assert_int_equal(berth_slabs[slot][i], 0);
	berth_fake_slot = 2;
	kfree(objects[0]);
	assert_int_equal(berth_mm_leaked(), 0);
	berth_slab_shrink();
	assert_int_equal(berth_slab_pages(), 0);
	fake_check_zones();
}

/* Somebody else has the slot's slab: nobody waits, and what is then freed is not lost. */
static void a_slab_in_use_is_no_obstacle(void **state)
{
	static char *objects[300];
	uintptr_t own[32];

	(void)state;
	for (unsigned int round = 0; round < 2; round++) {
		for (unsigned int i = 0; i < ARRAY_SIZE(objects); i += 2)
			objects[i] = kmalloc(256, 0);
		for (unsigned int i = 0; i < 32; i++)
			own[i] = __atomic_exchange_n(&berth_slabs[1][i], BERTH_SLAB_BUSY,
						     __ATOMIC_ACQUIRE);
		for (unsigned int i = 1; i < ARRAY_SIZE(objects); i += 2) {
			objects[i] = kmalloc(256, 0);
			assert_non_null(objects[i]);
		}
		for (unsigned int i = 0; i < ARRAY_SIZE(objects); i++) {
			kfree(objects[i]);
			assert_int_equal(berth_last_error()->code, 0);
		}
		for (unsigned int i = 0; i < 32; i++)
			__atomic_store_n(&berth_slabs[1][i], own[i], __ATOMIC_RELEASE);
		assert_int_equal(berth_mm_leaked(), 0);
	}
	berth_slab_shrink();
	assert_int_equal(berth_slab_pages(), 0);
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, start, stop)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(a_page_goes_round_in_its_list),
		TEST(types_and_limits_are_kept_apart),
		TEST(what_is_listed_does_not_make_memory_short),
		TEST(lists_overflow_into_the_zone),
		TEST(a_slot_that_ends_leaves_nothing),
		TEST(shut_lists_stay_empty),
		TEST(a_list_in_use_is_no_obstacle),
		TEST(lists_open_all_or_none),
		TEST(a_test_counts_inline_allocations_too),
		TEST(objects_are_freed_by_any_slot),
		TEST(a_slab_in_use_is_no_obstacle),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
