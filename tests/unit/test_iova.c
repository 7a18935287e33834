// SPDX-License-Identifier: BSD-2-Clause
/* IOVA domains against a plain list of which pages are taken, and against what must hold of the tree. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include <berth/errno.h>
#include <berth/error.h>
#include <berth/iova.h>
#include <berth/slab.h>
#include <berth/test.h>

#include "fake_port.h"
#include "iommu/internal.h"
#include "iommu/iova_tree.h"
#include "mm/internal.h"

#define MIB (1ULL << 20)
/* The model knows so many pages, from this one on. */
#define PAGES 4096u
#define BASE 0xff000ULL
#define MAX_LIVE 2048u

static const struct berth_range bank = { 0x80000000, 32 * MIB };
static struct iova_domain domain;
/* Who has each page: 0, or the number of a range. */
static uint32_t owners[PAGES];
static uint32_t next_owner;

static int start(void **state)
{
	(void)state;
	fake_start(&bank, 1);
	fake_seed(1);
	init_iova_domain(&domain, 4096, 1);
	memset(owners, 0, sizeof(owners));
	next_owner = 1;
	return 0;
}

static int stop(void **state)
{
	(void)state;
	put_iova_domain(&domain);
	assert_int_equal(berth_mm_leaked(), 0);
	fake_stop();
	return 0;
}

/* The tree, from scratch. */

struct seen {
	uint64_t max_gap, max_fit, height;
	const struct iova *first, *last;
};

/* By trying every size: slow, and obviously right. */
static uint64_t slow_fit(uint64_t lo, uint64_t hi)
{
	uint64_t best = 0;

	for (uint64_t size = 1; size <= hi - lo && size <= 3 * PAGES; size++) {
		uint64_t align = 1;

		while (align < size)
			align *= 2;
		if ((lo + align - 1) / align * align + size <= hi)
			best = size;
	}
	return best;
}

static uint64_t larger(uint64_t a, uint64_t b)
{
	return a > b ? a : b;
}

static struct seen check_tree(const struct iova *node, const struct iova *parent)
{
	struct seen left, right, both;

	if (!node)
		return (struct seen){ 0 };
	assert_ptr_equal(node->parent, parent);
	assert_true(node->pfn_lo <= node->pfn_hi && node->gap_lo <= node->pfn_lo);
	left = check_tree(node->left, node);
	right = check_tree(node->right, node);
	if (left.last)
		assert_int_equal(left.last->pfn_hi + 1, node->gap_lo);
	if (right.first)
		assert_int_equal(node->pfn_hi + 1, right.first->gap_lo);
	assert_true(left.height <= right.height + 1 && right.height <= left.height + 1);
	both = (struct seen){
		.max_gap = larger(node->pfn_lo - node->gap_lo, larger(left.max_gap, right.max_gap)),
		.max_fit = larger(left.max_fit, right.max_fit),
		.height = 1 + larger(left.height, right.height),
		.first = left.first ? left.first : node,
		.last = right.last ? right.last : node,
	};
	/* The gaps around the model's pages are too large to be tried. */
	if (node->pfn_lo - node->gap_lo > 3 * PAGES)
		both.max_fit = node->max_fit;
	else
		both.max_fit = larger(both.max_fit, slow_fit(node->gap_lo, node->pfn_lo));
	assert_int_equal(node->max_gap, both.max_gap);
	assert_int_equal(node->max_fit, both.max_fit);
	assert_int_equal(node->height, both.height);
	return both;
}

static void check(void)
{
	check_tree(domain.root, NULL);
	assert_int_equal(domain.lock.word, 0);
}

/* Where a range belongs, by looking at every page: 0 if nowhere. */
static uint64_t model_find(uint64_t size, uint64_t limit, bool aligned)
{
	uint64_t align = 1;

	while (aligned && align < size)
		align *= 2;
	if (limit > BASE + PAGES - 1)
		limit = BASE + PAGES - 1;
	for (uint64_t lo = limit + 1 - size; lo >= BASE && lo <= limit; lo--) {
		uint64_t n = 0;

		if (lo % align)
			continue;
		while (n < size && !owners[lo - BASE + n])
			n++;
		if (n == size)
			return lo;
	}
	return 0;
}

static void model_set(uint64_t lo, uint64_t size, uint32_t owner)
{
	for (uint64_t i = 0; i < size; i++) {
		assert_int_equal(!owners[lo - BASE + i], owner != 0);
		owners[lo - BASE + i] = owner;
	}
}

/* Only the model's pages can be had. */
static void fence(void)
{
	assert_non_null(reserve_iova(&domain, 1, BASE - 1));
	assert_non_null(reserve_iova(&domain, BASE + PAGES, IOVA_END - 1));
}

static uint64_t random_size(void)
{
	return 1 + (fake_random(4) ? fake_random(12) : fake_random(200));
}

static uint64_t random_limit(void)
{
	return fake_random(2) ? BASE + fake_random(PAGES) : UINT64_MAX >> fake_random(3);
}

static void allocations_are_the_highest_that_fit(void **state)
{
	static struct iova *live[MAX_LIVE];
	unsigned int nr = 0, failed = 0;

	(void)state;
	fence();
	for (unsigned int step = 0; step < 6000; step++) {
		/* Long times of filling and of emptying. */
		bool take = fake_random(100) < ((step / 1000) % 2 ? 35u : 65u);

		if (take && nr < MAX_LIVE) {
			uint64_t size = random_size(), limit = random_limit();
			bool aligned = fake_random(2);
			uint64_t expected = model_find(size, limit, aligned);
			struct iova *iova = alloc_iova(&domain, size, limit, aligned);

			assert_int_equal(iova != NULL, expected != 0);
			failed += !iova;
			if (!iova) {
				assert_int_equal(berth_last_error()->reason,
						 BERTH_REASON_AREA_FULL);
				continue;
			}
			assert_int_equal(iova->pfn_lo, expected);
			assert_int_equal(iova_size(iova), size);
			model_set(iova->pfn_lo, size, next_owner++);
			live[nr++] = iova;
		} else if (nr) {
			unsigned int i = fake_random(nr);
			struct iova *iova = live[i];
			uint64_t page = iova->pfn_lo + fake_random((uint32_t)iova_size(iova));

			assert_ptr_equal(find_iova(&domain, page), iova);
			model_set(iova->pfn_lo, iova_size(iova), 0);
			if (fake_random(2))
				free_iova(&domain, page);
			else
				__free_iova(&domain, iova);
			assert_null(find_iova(&domain, page));
			live[i] = live[--nr];
		}
		if (step % 16 == 0)
			check();
	}
	assert_in_range(failed, 20, 5000);
}

static void a_failure_says_what_was_free(void **state)
{
	struct iova *iova;

	(void)state;
	fence();
	assert_non_null(reserve_iova(&domain, BASE + 100, BASE + PAGES - 1));
	assert_null(alloc_iova(&domain, 101, UINT64_MAX, false));
	assert_int_equal(berth_last_error()->code, -ENOSPC);
	assert_int_equal(berth_last_error()->length, 101 * 4096);
	assert_int_equal(berth_last_error()->limit, 100 * 4096);
	assert_null(alloc_iova(&domain, 51, BASE + 49, false));
	assert_int_equal(berth_last_error()->limit, 50 * 4096);
	assert_null(alloc_iova(&domain, 0, UINT64_MAX, false));
	assert_int_equal(berth_last_error()->reason, BERTH_REASON_ARGUMENT);
	assert_null(alloc_iova(&domain, UINT64_MAX, UINT64_MAX, true));
	/* The limit is inclusive. */
	iova = alloc_iova(&domain, 50, BASE + 49, false);
	assert_non_null(iova);
	assert_int_equal(iova->pfn_hi, BASE + 49);
	/* Nothing that is free is given back. */
	berth_clear_error();
	free_iova(&domain, BASE + 50);
	assert_int_equal(berth_last_error()->reason, BERTH_REASON_NOT_OWNED);
	free_iova(&domain, UINT64_MAX);
	assert_int_equal(berth_last_error()->reason, BERTH_REASON_NOT_OWNED);
	check();
}

static void page_zero_is_never_given(void **state)
{
	(void)state;
	assert_int_equal(alloc_iova(&domain, 7, 7, false)->pfn_lo, 1);
	assert_null(alloc_iova(&domain, 1, 7, false));
	assert_null(alloc_iova(&domain, 1, 0, false));
	assert_int_equal(alloc_iova_fast(&domain, 1, 7, true), 0);
	assert_int_equal(alloc_iova_fast(&domain, 1, 0, true), 0);
	/* Nor by a call whose answer it would make a failure. */
	put_iova_domain(&domain);
	init_iova_domain(&domain, 4096, 0);
	assert_int_equal(alloc_iova_fast(&domain, 1, 0, true), 0);
	assert_int_equal(alloc_iova_fast(&domain, 1, 1, true), 1);
	assert_int_equal(alloc_iova_fast(&domain, 1, 1, true), 0);
	assert_int_equal(alloc_iova(&domain, 1, 1, true)->pfn_lo, 0);
	/* There is no page beyond 64 bits. */
	assert_int_equal(alloc_iova(&domain, 1, UINT64_MAX, false)->pfn_hi, IOVA_END - 1);
	check();
}

static void reservations_may_overlap(void **state)
{
	(void)state;
	fence();
	for (unsigned int step = 0; step < 300; step++) {
		uint64_t lo = BASE + fake_random(PAGES), size = 1 + fake_random(40);
		struct iova *iova;

		if (lo + size > BASE + PAGES)
			continue;
		if (fake_random(3) == 0) {
			iova = alloc_iova(&domain, size, lo + size, fake_random(2));
			for (uint64_t i = 0; iova && i < size; i++)
				owners[iova->pfn_lo - BASE + i] = next_owner;
			continue;
		}
		iova = reserve_iova(&domain, lo, lo + size - 1);
		assert_non_null(iova);
		assert_true(iova->pfn_lo <= lo + size - 1 && iova->pfn_hi >= lo + size - 1);
		for (uint64_t i = 0; i < size; i++)
			owners[lo - BASE + i] = next_owner;
		check();
	}
	for (uint64_t i = 0; i < PAGES; i++)
		assert_int_equal(find_iova(&domain, BASE + i) != NULL, owners[i] != 0);
	assert_null(reserve_iova(&domain, 5, 4));
	assert_null(reserve_iova(&domain, 5, UINT64_MAX));
}

/* What the fast calls give is never given twice, fits the limit, and nothing gets lost. */
static void caches_give_each_range_once(void **state)
{
	static struct {
		uint64_t pfn, size, room;
	} live[MAX_LIVE];
	unsigned int nr = 0, failed = 0;

	(void)state;
	assert_int_equal(iova_domain_init_rcaches(&domain), 0);
	fence();
	for (unsigned int step = 0; step < 40000; step++) {
		bool take = fake_random(100) < ((step / 2000) % 2 ? 30u : 70u);

		berth_fake_slot = 1 + fake_random(2);
		if (take && nr < MAX_LIVE) {
			uint64_t limit = random_limit(), room = 1;
			uint64_t size = fake_random(50) ? 1 + fake_random(4) : random_size();
			uint64_t pfn = alloc_iova_fast(&domain, size, limit, fake_random(8) == 0);

			while (room < size)
				room *= 2;
			failed += !pfn;
			if (!pfn)
				continue;
			assert_int_equal(pfn % room, 0);
			room = size <= 32 ? room : size;
			assert_true(pfn + size - 1 <= limit);
			model_set(pfn, room, next_owner++);
			live[nr].pfn = pfn;
			live[nr].room = room;
			live[nr++].size = size;
		} else if (nr) {
			unsigned int i = fake_random(nr);

			model_set(live[i].pfn, live[i].room, 0);
			free_iova_fast(&domain, live[i].pfn, live[i].size);
			live[i] = live[--nr];
		}
		if (step % 500 == 0)
			check();
	}
	assert_in_range(failed, 20, 30000);
	while (nr--)
		free_iova_fast(&domain, live[nr].pfn, live[nr].size);
	assert_true(berth_iova_flush(&domain));
	assert_false(berth_iova_flush(&domain));
	/* All of it is one range again. */
	assert_int_equal(alloc_iova_fast(&domain, PAGES, UINT64_MAX, false), BASE);
	check();
	berth_fake_slot = 1;
}

static void caches_grow_and_are_flushed(void **state)
{
	static uint64_t pfns[PAGES];

	(void)state;
	assert_int_equal(iova_domain_init_rcaches(&domain), 0);
	fence();
	/* More than two magazines of a slot, and the full ones of no slot. */
	for (unsigned int round = 0; round < 3; round++) {
		for (unsigned int i = 0; i < PAGES; i++) {
			pfns[i] = alloc_iova_fast(&domain, 1, UINT64_MAX, false);
			assert_int_not_equal(pfns[i], 0);
			model_set(pfns[i], 1, 1);
		}
		assert_int_equal(alloc_iova_fast(&domain, 1, UINT64_MAX, true), 0);
		for (unsigned int i = 0; i < PAGES; i++) {
			model_set(pfns[i], 1, 0);
			free_iova_fast(&domain, pfns[i], 1);
		}
	}
	/* One slot's cache is taken from, by another one, only by a flush. */
	berth_fake_slot = 2;
	assert_int_equal(alloc_iova_fast(&domain, PAGES, UINT64_MAX, false), 0);
	assert_int_equal(alloc_iova_fast(&domain, PAGES, UINT64_MAX, true), BASE);
	berth_fake_slot = 1;
	check();
	assert_int_equal(iova_rcache_range(), 128 * 1024);
}

static void large_sizes_lose_nothing(void **state)
{
	uint64_t a, b;

	(void)state;
	assert_int_equal(iova_domain_init_rcaches(&domain), 0);
	fence();
	a = alloc_iova_fast(&domain, 100, UINT64_MAX, false);
	b = alloc_iova_fast(&domain, 28, UINT64_MAX, false);
	assert_int_equal(a % 128, 0);
	assert_int_equal(a + 128, BASE + PAGES);
	assert_null(find_iova(&domain, a + 100));
	free_iova_fast(&domain, a, 100);
	assert_int_equal(alloc_iova_fast(&domain, 101, UINT64_MAX, false), a - 256);
	assert_int_equal(alloc_iova_fast(&domain, 100, UINT64_MAX, false), a);
	/* A cached one above the limit is of no use. */
	free_iova_fast(&domain, a, 100);
	b = alloc_iova_fast(&domain, 100, a + 98, false);
	assert_true(b && b + 99 <= a + 98);
	check();
}

static void failing_memory_leaves_all_as_it_was(void **state)
{
	(void)state;
	fence();
	alloc_iova(&domain, 5, BASE + 100, false);
	alloc_iova(&domain, 5, BASE + 200, false);
	for (uint64_t n = 1;; n++) {
		berth_test_fail_nth(n);
		if (reserve_iova(&domain, BASE + 50, BASE + 300)) {
			assert_false(berth_test_failed());
			berth_test_fail_nth(0);
			for (uint64_t pfn = BASE + 50; pfn <= BASE + 300; pfn++)
				assert_non_null(find_iova(&domain, pfn));
			break;
		}
		assert_true(berth_test_failed());
		assert_int_equal(berth_last_error()->reason, BERTH_REASON_OUT_OF_MEMORY);
		berth_test_fail_nth(0);
		assert_null(find_iova(&domain, BASE + 50));
		assert_null(find_iova(&domain, BASE + 150));
		assert_null(find_iova(&domain, BASE + 300));
		assert_true(n < 10);
		check();
	}
	berth_test_fail_nth(1);
	assert_null(alloc_iova(&domain, 1, UINT64_MAX, false));
	berth_test_fail_nth(1);
	assert_int_equal(iova_domain_init_rcaches(&domain), -ENOMEM);
	berth_test_fail_nth(0);
	assert_int_equal(iova_domain_init_rcaches(&domain), 0);
	/* Without memory for a magazine the range goes back to the tree. */
	for (unsigned int size = 1; size < 300; size *= 3) {
		uint64_t pfn = alloc_iova_fast(&domain, size, UINT64_MAX, false);

		assert_int_not_equal(pfn, 0);
		berth_test_fail_nth(1);
		free_iova_fast(&domain, pfn, size);
		assert_true(berth_test_failed());
		berth_test_fail_nth(0);
		assert_null(find_iova(&domain, pfn));
	}
	check();
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(allocations_are_the_highest_that_fit, start, stop),
		cmocka_unit_test_setup_teardown(a_failure_says_what_was_free, start, stop),
		cmocka_unit_test_setup_teardown(page_zero_is_never_given, start, stop),
		cmocka_unit_test_setup_teardown(reservations_may_overlap, start, stop),
		cmocka_unit_test_setup_teardown(caches_give_each_range_once, start, stop),
		cmocka_unit_test_setup_teardown(caches_grow_and_are_flushed, start, stop),
		cmocka_unit_test_setup_teardown(large_sizes_lose_nothing, start, stop),
		cmocka_unit_test_setup_teardown(failing_memory_leaves_all_as_it_was, start, stop),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
