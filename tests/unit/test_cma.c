// SPDX-License-Identifier: BSD-2-Clause
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include <berth/cma.h>
#include <berth/error.h>
#include <berth/gfp.h>
#include <berth/memblock.h>
#include <berth/slab.h>
#include <berth/test.h>

#include "fake_port.h"
#include "mm/internal.h"

#define MIB (1ULL << 20)
#define BASE 0x80600000ULL /* aligned to 2 MiB and no more */
#define MAX_UNITS 2048u

static const struct berth_range bank = { 0x80000000, 20 * MIB };
static struct cma *cma;
static uint64_t hash_at_start;

static struct berth_memory_info info(void)
{
	struct berth_memory_info i;

	berth_memory_info(&i);
	assert_int_equal(i.total, i.reserved + i.free + i.used);
	return i;
}

static struct berth_cma_stats stats(void)
{
	struct berth_cma_stats s;

	berth_cma_stats(cma, &s);
	return s;
}

/* One area of 8 MiB. */
static void start_with(unsigned int order_per_bit)
{
	fake_ram(&bank, 1);
	assert_int_equal(memblock_reserve(BASE, 8 * MIB), 0);
	assert_int_equal(cma_init_reserved_mem(BASE, 8 * MIB, order_per_bit, "camera", &cma), 0);
	assert_int_equal(berth_mm_start(), 0);
	hash_at_start = fake_free_hash();
	berth_clear_error();
}

static int start(void **state)
{
	(void)state;
	start_with(0);
	return 0;
}

static int stop(void **state)
{
	(void)state;
	assert_int_equal(stats().used, 0);
	assert_int_equal(stats().longest_free_run, 2048);
	assert_int_equal(info().free_cma, 8 * MIB);
	assert_int_equal(info().cma_used, 0);
	assert_int_equal(berth_mm_leaked(), 0);
	fake_check_zones();
	assert_int_equal(fake_free_hash(), hash_at_start);
	fake_stop();
	return 0;
}

static void check_refused(int line)
{
	if (berth_last_error()->reason != BERTH_REASON_NOT_OWNED)
		fail_msg("line %d was not refused", line);
	berth_clear_error();
}
#define assert_refused() check_refused(__LINE__)

/*
 * The reference: one flag a unit. The smallest hole that has a place for the request is used, of
 * equal ones the lowest, at the lowest aligned place.
 */
static bool is_taken[MAX_UNITS];

static unsigned int model_find(unsigned int nr_units, unsigned int length, unsigned int order,
			       unsigned int order_per_bit)
{
	unsigned int best = nr_units;
	unsigned int best_hole = UINT32_MAX;

	for (unsigned int hole = 0; hole < nr_units; hole++) {
		unsigned int size = 0;

		if (is_taken[hole] || (hole && !is_taken[hole - 1]))
			continue;
		while (hole + size < nr_units && !is_taken[hole + size])
			size++;
		for (unsigned int at = hole; at + length <= hole + size && size < best_hole; at++)
			if (((PFN_DOWN(BASE) + ((uint64_t)at << order_per_bit)) &
			     ((1u << order) - 1)) == 0) {
				best = at;
				best_hole = size;
			}
	}
	return best;
}

static unsigned int model_longest(unsigned int nr_units)
{
	unsigned int longest = 0, run = 0;

	for (unsigned int at = 0; at < nr_units; at++) {
		run = is_taken[at] ? 0 : run + 1;
		if (run > longest)
			longest = run;
	}
	return longest;
}

struct buffer {
	struct page *page;
	unsigned int first_unit;
	unsigned long count;
};

static void random_trace(unsigned int seed, unsigned int order_per_bit)
{
	unsigned int nr_units = MAX_UNITS >> order_per_bit;
	static struct buffer buffers[200];
	unsigned int nr_buffers = 0;
	uint64_t used = 0, success = 0, failed = 0;

	start_with(order_per_bit);
	fake_seed(seed);
	memset(is_taken, 0, sizeof(is_taken));
	for (unsigned int step = 0; step < 1500; step++) {
		if (nr_buffers && (nr_buffers == ARRAY_SIZE(buffers) || fake_random(9) < 4)) {
			unsigned int index = fake_random(nr_buffers);
			struct buffer b = buffers[index];
			unsigned int units = (unsigned int)((b.count - 1) >> order_per_bit) + 1;

			for (unsigned long i = 0; i < b.count; i++)
				assert_int_equal(*(uint8_t *)page_address(b.page + i),
						 (uint8_t)b.first_unit);
			assert_true(cma_release(cma, b.page, b.count));
			memset(&is_taken[b.first_unit], 0, units * sizeof(bool));
			buffers[index] = buffers[--nr_buffers];
			used -= b.count;
		} else {
			struct buffer b;
			unsigned int units, expected, align = fake_random(2) ? 0 : fake_random(11);

			b.count = 1 + fake_random(fake_random(3) ? 40 : 600);
			units = (unsigned int)((b.count - 1) >> order_per_bit) + 1;
			expected = model_find(nr_units, units, align, order_per_bit);
			b.page = cma_alloc(cma, b.count, align, true);
			if (expected == nr_units) {
				assert_null(b.page);
				assert_int_equal(berth_last_error()->reason,
						 BERTH_REASON_AREA_FULL);
				assert_int_equal(berth_last_error()->code, -ENOSPC);
				assert_int_equal(berth_last_error()->length, b.count * PAGE_SIZE);
				assert_int_equal(berth_last_error()->limit,
						 (uint64_t)model_longest(nr_units)
							 << order_per_bit << PAGE_SHIFT);
				assert_string_equal(berth_last_error()->subject, "camera");
				failed++;
				continue;
			}
			assert_non_null(b.page);
			b.first_unit = expected;
			assert_int_equal(page_to_phys(b.page),
					 BASE + ((uint64_t)expected << order_per_bit
								    << PAGE_SHIFT));
			assert_int_equal(page_to_pfn(b.page) % (1u << align), 0);
			for (unsigned long i = 0; i < b.count; i++) {
				assert_int_equal(page_count(b.page + i), 1);
				assert_int_equal(berth_page_use(page_to_pfn(b.page) + i),
						 BERTH_PAGE_CMA);
				memset(page_address(b.page + i), (uint8_t)expected, 32);
			}
			memset(&is_taken[expected], 1, units * sizeof(bool));
			buffers[nr_buffers++] = b;
			used += b.count;
			success++;
		}
		assert_int_equal(stats().used, used);
		assert_int_equal(info().free_cma, 8 * MIB - used * PAGE_SIZE);
		assert_int_equal(info().cma_used, used * PAGE_SIZE);
		assert_int_equal(berth_mm_leaked(), used * PAGE_SIZE);
		if (step % 100 == 0)
			fake_check_zones();
	}
	assert_int_equal(stats().alloc_success, success);
	assert_int_equal(stats().alloc_fail, failed);
	assert_int_equal(stats().longest_free_run, model_longest(nr_units) << order_per_bit);
	assert_true(failed > 10);
	while (nr_buffers--)
		assert_true(cma_release(cma, buffers[nr_buffers].page, buffers[nr_buffers].count));
	stop(NULL);
}

static void best_fit_against_the_reference(void **state)
{
	(void)state;
	for (unsigned int seed = 1; seed <= 3; seed++)
		random_trace(seed, 0);
	random_trace(4, 1);
	random_trace(5, 4);
	random_trace(6, 9);
}

static void bad_arguments(void **state)
{
	(void)state;
	assert_null(cma_alloc(cma, 0, 0, false));
	assert_int_equal(berth_last_error()->reason, BERTH_REASON_ARGUMENT);
	assert_null(cma_alloc(NULL, 1, 0, false));
	assert_int_equal(berth_last_error()->reason, BERTH_REASON_ARGUMENT);
	assert_null(cma_alloc(cma, 1, 64, false));
	assert_int_equal(berth_last_error()->reason, BERTH_REASON_ARGUMENT);
	assert_null(cma_alloc(cma, 2049, 0, false));
	assert_int_equal(berth_last_error()->reason, BERTH_REASON_AREA_FULL);
	assert_int_equal(berth_last_error()->limit, 8 * MIB);
	assert_null(cma_alloc(cma, ULONG_MAX, 0, false));
	assert_int_equal(berth_last_error()->reason, BERTH_REASON_AREA_FULL);
	assert_null(cma_alloc(cma, 1, 40, false)); /* no such page in the area */
	assert_int_equal(berth_last_error()->reason, BERTH_REASON_AREA_FULL);
	/* Alignment counts from address 0, not from the start of the area, which is 6 MiB off. */
	struct page *page = cma_alloc(cma, 1, 11, false);

	assert_int_equal(page_to_phys(page), 0x80800000);
	assert_true(cma_release(cma, page, 1));
	page = cma_alloc(cma, 2048, 0, false);
	assert_int_equal(page_to_phys(page), BASE);
	assert_true(cma_release(cma, page, 2048));
}

static void wrong_releases_change_nothing(void **state)
{
	static struct page foreign;
	struct page *page, *other;
	uint64_t before;

	(void)state;
	other = alloc_page(0);
	page = cma_alloc(cma, 100, 0, false);
	before = fake_free_hash();
	/* Not in this area: the caller's business, and no error. */
	assert_false(cma_release(cma, other, 1));
	assert_false(cma_release(cma, &foreign, 1));
	assert_false(cma_release(cma, NULL, 1));
	assert_false(cma_release(NULL, page, 100));
	assert_int_equal(berth_last_error()->code, 0);
	/* In the area, but not handed out. */
	assert_false(cma_release(cma, page, 101));
	assert_refused();
	assert_false(cma_release(cma, page, 0));
	assert_refused();
	assert_false(cma_release(cma, page, ULONG_MAX));
	assert_refused();
	assert_false(cma_release(cma, page, 5000));
	assert_refused();
	assert_false(cma_release(cma, page + 100, 1));
	assert_refused();
	assert_false(cma_release(cma, page + 99, 2));
	assert_int_equal(berth_last_error()->pfn, page_to_pfn(page) + 99);
	assert_refused();
	/* Nor are they the page allocator's. */
	__free_page(page);
	assert_refused();
	put_page(page);
	assert_refused();
	split_page(page, 0);
	assert_refused();
	kfree(page_address(page));
	assert_refused();
	assert_int_equal(fake_free_hash(), before);
	assert_int_equal(stats().used, 100);
	for (unsigned int i = 0; i < 100; i++)
		*(char *)page_address(page + i) = 1;

	assert_true(cma_release(cma, page, 100));
	assert_false(cma_release(cma, page, 100));
	assert_refused();
	assert_false(cma_release(cma, page, 1));
	assert_refused();
	__free_page(other);
}

static void parts_can_be_released(void **state)
{
	struct page *page, *hole;

	(void)state;
	page = cma_alloc(cma, 300, 0, false);
	assert_true(cma_release(cma, page + 100, 100));
	assert_int_equal(stats().used, 200);
	assert_false(cma_release(cma, page, 300));
	assert_refused();
	hole = cma_alloc(cma, 100, 0, false); /* the smallest hole */
	assert_ptr_equal(hole, page + 100);
	/* What two calls gave, one may take, as in Linux. */
	assert_true(cma_release(cma, page, 300));
}

static void parts_of_a_unit_keep_it(void **state)
{
	struct page *page, *other;

	(void)state;
	start_with(2);
	page = cma_alloc(cma, 6, 0, false);
	assert_int_equal(stats().used, 6);
	assert_int_equal(info().free_cma, 8 * MIB - 6 * PAGE_SIZE);
	assert_false(cma_release(cma, page, 8)); /* the unit is there, but was not asked for */
	assert_refused();
	assert_true(cma_release(cma, page, 3));
	other = cma_alloc(cma, 1, 0, false);
	assert_ptr_equal(other, page + 8);
	assert_true(cma_release(cma, other, 1));
	assert_true(cma_release(cma, page + 3, 1));
	other = cma_alloc(cma, 4, 0, false);
	assert_ptr_equal(other, page);
	assert_true(cma_release(cma, page, 6));
	stop(NULL);
}

static void a_page_that_is_held_is_named_and_avoided(void **state)
{
	struct page *page, *held, *other;

	(void)state;
	page = cma_alloc(cma, 2048, 0, false);
	held = page + 1000;
	get_page(held);
	get_page(held);
	*(char *)page_address(held) = 42;
	assert_true(cma_release(cma, page, 2048));
	assert_int_equal(stats().used, 0);
	assert_int_equal(info().free_cma, 8 * MIB - PAGE_SIZE);
	assert_int_equal(berth_page_use(page_to_pfn(held)), BERTH_PAGE_USED);

	/* Both sides of it can be had, across it nothing can. */
	other = cma_alloc(cma, 1040, 0, false);
	assert_ptr_equal(other, held + 1);
	assert_true(cma_release(cma, other, 1040));
	assert_int_equal(berth_last_error()->code, 0);
	uint64_t before = fake_free_hash();

	assert_null(cma_alloc(cma, 1100, 0, false));
	assert_int_equal(berth_last_error()->reason, BERTH_REASON_PAGE_BUSY);
	assert_int_equal(berth_last_error()->code, -EBUSY);
	assert_int_equal(berth_last_error()->pfn, page_to_pfn(held));
	assert_int_not_equal(berth_last_error()->holder[0], 0);
	assert_int_equal(stats().alloc_fail, 1);
	assert_int_equal(stats().longest_free_run, 2048);
	assert_int_equal(fake_free_hash(), before);

	/* Two held pages: the window between them. */
	other = cma_alloc(cma, 1, 0, false);
	assert_ptr_equal(other, page);
	get_page(other);
	assert_true(cma_release(cma, other, 1));
	assert_int_equal(page_count(other), 1);
	page = cma_alloc(cma, 990, 0, false);
	assert_ptr_equal(page, other + 1);
	assert_true(cma_release(cma, page, 990));
	put_page(other);

	put_page(held);
	assert_int_equal(*(char *)page_address(held), 42);
	put_page(held);
	page = cma_alloc(cma, 2048, 0, false);
	assert_non_null(page);
	assert_true(cma_release(cma, page, 2048));
}

/* A busy page in the smallest hole sends the search on to the next larger one. */
static void the_next_larger_hole_is_tried(void **state)
{
	struct page *all, *page;

	(void)state;
	all = cma_alloc(cma, 2048, 0, false);
	get_page(all + 105);
	assert_true(cma_release(cma, all + 100, 10));
	assert_true(cma_release(cma, all + 500, 20));
	assert_true(cma_release(cma, all + 50, 30));
	page = cma_alloc(cma, 8, 0, false);
	assert_ptr_equal(page, all + 500);
	assert_true(cma_release(cma, page, 8));
	page = cma_alloc(cma, 5, 0, false);
	assert_ptr_equal(page, all + 100);
	assert_true(cma_release(cma, page, 5));
	page = cma_alloc(cma, 21, 0, false);
	assert_ptr_equal(page, all + 50);
	assert_true(cma_release(cma, all + 50, 21));
	put_page(all + 105);
	assert_true(cma_release(cma, all, 50));
	assert_true(cma_release(cma, all + 80, 20));
	assert_true(cma_release(cma, all + 110, 390));
	assert_true(cma_release(cma, all + 520, 1528));
}

static int count_area(struct cma *area, void *data)
{
	unsigned int *nr = data;

	(*nr)++;
	return cma_get_base(area) == 0x80a00000 ? 77 : 0;
}

static void several_areas(void **state)
{
	struct cma *areas[MAX_CMA_AREAS], *one_more;
	struct berth_range large = { 0x80000000, 40 * MIB };
	struct page *page, *other;
	unsigned int nr = 0;

	(void)state;
	fake_ram(&large, 1);
	assert_null(berth_cma_default());
	assert_int_equal(memblock_reserve(0x80200000, 34 * MIB), 0);
	for (unsigned int i = 0; i < MAX_CMA_AREAS; i++) {
		phys_addr_t base = 0x80200000 + i * 2 * MIB;

		assert_int_equal(cma_init_reserved_mem(base, 2 * MIB, 0, NULL, &areas[i]), 0);
		assert_int_equal(cma_get_base(areas[i]), base);
		assert_int_equal(cma_get_size(areas[i]), 2 * MIB);
	}
	assert_string_equal(cma_get_name(areas[3]), "cma3");
	assert_int_equal(cma_init_reserved_mem(0x82200000, 2 * MIB, 0, NULL, &one_more), -ENOSPC);
	assert_int_equal(berth_last_error()->reason, BERTH_REASON_TABLE_FULL);
	assert_int_equal(cma_for_each_area(count_area, &nr), 77);
	assert_int_equal(nr, 5);
	berth_cma_set_default(areas[2]);
	assert_ptr_equal(berth_cma_default(), areas[2]);
	assert_null(cma_alloc(areas[0], 1, 0, true)); /* before the hand-over */
	assert_int_equal(berth_last_error()->reason, BERTH_REASON_STATE);

	assert_int_equal(berth_mm_start(), 0);
	fake_check_zones();
	assert_int_equal(info().cma_total, 32 * MIB);
	assert_int_equal(info().free_cma, 32 * MIB);
	hash_at_start = fake_free_hash();
	/* Areas that touch are one free block and still two areas. */
	page = cma_alloc(areas[1], 512, 0, true);
	assert_int_equal(page_to_phys(page), 0x80400000);
	assert_null(cma_alloc(areas[1], 1, 0, true));
	assert_false(cma_release(areas[0], page, 512));
	assert_false(cma_release(areas[2], page, 512));
	other = cma_alloc(areas[2], 1, 0, true);
	assert_ptr_equal(other, page + 512);
	assert_false(cma_release(areas[1], page, 513));
	assert_true(cma_release(areas[2], other, 1));
	assert_true(cma_release(areas[1], page, 512));
	assert_int_equal(fake_free_hash(), hash_at_start);
	fake_check_zones();
	fake_stop();
	assert_null(berth_cma_default());
	assert_int_equal(cma_for_each_area(count_area, &nr), 0);
}

static void areas_that_cannot_be(void **state)
{
	struct cma *area = NULL;
	struct berth_range banks[] = { bank, { 0x90000000, 8 * MIB } };

	(void)state;
	fake_ram(banks, 2);
	assert_int_equal(memblock_reserve(0x80200000, 6 * MIB), 0);
	assert_int_equal(memblock_reserve(0x90000000, 8 * MIB), 0);
	assert_int_equal(memblock_reserve(0xa0000000, 4 * MIB), 0);
	assert_int_equal(memblock_mark_nomap(0x90200000, 2 * MIB), 0);
	static const struct {
		phys_addr_t base;
		uint64_t size;
		unsigned int order_per_bit;
	} bad[] = {
		{ 0x80200000, 0, 0 },
		{ 0x80300000, 2 * MIB, 0 },
		{ 0x80200000, 3 * MIB, 0 },
		{ 0x80000000, 2 * MIB, 0 }, /* not reserved */
		{ 0x80600000, 4 * MIB, 0 }, /* half of it */
		{ 0xa0000000, 2 * MIB, 0 }, /* no memory */
		{ 0x90000000, 8 * MIB, 0 }, /* with a part that is not mapped */
		{ 0x80200000, 2 * MIB, 10 },
		{ 0x80200000, 2 * MIB, 70 },
		{ UINT64_MAX - 2 * MIB + 1, 4 * MIB, 0 },
	};
	for (unsigned int i = 0; i < ARRAY_SIZE(bad); i++) {
		assert_int_equal(cma_init_reserved_mem(bad[i].base, bad[i].size,
						       bad[i].order_per_bit, "x", &area),
				 -EINVAL);
		assert_int_equal(berth_last_error()->reason, BERTH_REASON_ARGUMENT);
		assert_null(area);
	}
	assert_int_equal(cma_init_reserved_mem(0x80400000, 2 * MIB, 9, "x", &area), 0);
	assert_int_equal(cma_init_reserved_mem(0x80200000, 6 * MIB, 0, "y", &area), -EINVAL);
	assert_int_equal(cma_init_reserved_mem(0x80400000, 2 * MIB, 0, "y", &area), -EINVAL);
	assert_int_equal(berth_mm_start(), 0);
	assert_int_equal(cma_init_reserved_mem(0x80200000, 2 * MIB, 0, "late", &area), -EBUSY);
	assert_int_equal(berth_page_use(PFN_DOWN(0x80200000)), BERTH_PAGE_RESERVED);
	assert_int_equal(berth_page_use(PFN_DOWN(0x80400000)), BERTH_PAGE_FREE_CMA);
	fake_stop();
}

static void an_area_across_zones(void **state)
{
	const struct berth_range low = { 0xff800000, 16 * MIB };
	struct page *page;

	(void)state;
	fake_ram(&low, 1);
	assert_int_equal(memblock_reserve(0xffc00000, 8 * MIB), 0);
	assert_int_equal(cma_init_reserved_mem(0xffc00000, 8 * MIB, 0, "wide", &cma), 0);
	assert_int_equal(berth_mm_start(), 0);
	hash_at_start = fake_free_hash();
	page = cma_alloc(cma, 2000, 0, false);
	assert_non_null(page);
	fake_check_zones();
	assert_true(cma_release(cma, page, 2000));
	stop(NULL);
}

static void memory_is_poisoned_outside_buffers(void **state)
{
	struct page *page;
	char *bytes;

	(void)state;
	page = cma_alloc(cma, 3, 0, false);
	bytes = page_address(page);
	assert_false(fake_is_poisoned(bytes));
	assert_false(fake_is_poisoned(bytes + 3 * PAGE_SIZE - 1));
	assert_int_equal(fake_is_poisoned(bytes + 3 * PAGE_SIZE), fake_has_asan());
	assert_true(cma_release(cma, page + 1, 1));
	assert_int_equal(fake_is_poisoned(bytes + PAGE_SIZE), fake_has_asan());
	assert_false(fake_is_poisoned(bytes + 2 * PAGE_SIZE));
	assert_true(cma_release(cma, page, 1));
	assert_true(cma_release(cma, page + 2, 1));
}

static void allocations_can_fail_on_purpose(void **state)
{
	struct page *page;

	(void)state;
	berth_test_fail_nth(1);
	assert_null(cma_alloc(cma, 8, 0, false));
	assert_true(berth_test_failed());
	assert_int_equal(berth_last_error()->reason, BERTH_REASON_OUT_OF_MEMORY);
	assert_int_equal(stats().alloc_fail, 1);
	assert_int_equal(fake_free_hash(), hash_at_start);
	page = cma_alloc(cma, 8, 0, false);
	assert_non_null(page);
	assert_true(cma_release(cma, page, 8));
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, start, stop)

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(best_fit_against_the_reference),
		TEST(bad_arguments),
		TEST(wrong_releases_change_nothing),
		TEST(parts_can_be_released),
		cmocka_unit_test(parts_of_a_unit_keep_it),
		TEST(a_page_that_is_held_is_named_and_avoided),
		TEST(the_next_larger_hole_is_tried),
		cmocka_unit_test(several_areas),
		cmocka_unit_test(areas_that_cannot_be),
		cmocka_unit_test(an_area_across_zones),
		TEST(memory_is_poisoned_outside_buffers),
		TEST(allocations_can_fail_on_purpose),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
