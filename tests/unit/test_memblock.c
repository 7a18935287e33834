// SPDX-License-Identifier: BSD-2-Clause
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include <berth/error.h>
#include <berth/memblock.h>
#include <berth/test.h>

#include "fake_port.h"
#include "mm/internal.h"

#define UNITS 384u
#define UNIT 1024u /* smaller than a page: memblock counts bytes */

/* What each unit of address space is, by the simplest means. */
static struct {
	bool is_memory[UNITS], is_nomap[UNITS], is_reserved[UNITS];
} model;

static bool is_free(unsigned int unit)
{
	return model.is_memory[unit] && !model.is_nomap[unit] && !model.is_reserved[unit];
}

static void check_list_against_model(bool reserved)
{
	bool seen[UNITS] = { false };
	struct berth_range r;
	enum memblock_flags flags, last_flags = MEMBLOCK_NONE;
	phys_addr_t last_end = 0;

	for (unsigned int i = 0; berth_memblock_next(reserved, i, &r, &flags); i++) {
		assert_true(r.size > 0 && r.base % UNIT == 0 && r.size % UNIT == 0);
		/* Sorted, disjoint, and merged where that is legal. */
		if (i)
			assert_true(r.base > last_end ||
				    (r.base == last_end && flags != last_flags));
		last_end = r.base + r.size;
		last_flags = flags;
		for (uint64_t u = r.base / UNIT; u < last_end / UNIT; u++) {
			seen[u] = true;
			assert_int_equal(flags == MEMBLOCK_NOMAP, !reserved && model.is_nomap[u]);
		}
	}
	assert_memory_equal(seen, reserved ? model.is_reserved : model.is_memory, sizeof(seen));
}

static void check_free_walk(void)
{
	struct berth_range r;
	phys_addr_t cursor = 0;
	unsigned int unit = 0;

	while (berth_memblock_next_free(&cursor, &r)) {
		assert_int_equal(cursor, r.base + r.size);
		for (; unit < r.base / UNIT; unit++)
			assert_false(is_free(unit));
		for (; unit < cursor / UNIT; unit++)
			assert_true(is_free(unit));
	}
	for (; unit < UNITS; unit++)
		assert_false(is_free(unit));
}

/* Where memory of @size units must be found: the highest fit. 0: nowhere. */
static unsigned int model_find(unsigned int size, unsigned int align, unsigned int start,
			       unsigned int end)
{
	for (unsigned int at = end >= size ? end - size : 0; at * UNIT >= PAGE_SIZE && at >= start;
	     at--) {
		unsigned int n = 0;

		while (at % align == 0 && n < size && is_free(at + n))
			n++;
		if (n == size)
			return at;
	}
	return 0;
}

static void random_changes(void **state)
{
	(void)state;
	for (unsigned int seed = 1; seed <= 20; seed++) {
		fake_seed(seed);
		memset(&model, 0, sizeof(model));
		berth_memblock_reset();
		for (unsigned int step = 0; step < 400; step++) {
			unsigned int at = fake_random(UNITS);
			unsigned int n = fake_random(UNITS - at < 40 ? UNITS - at : 40);
			unsigned int op = fake_random(7);
			phys_addr_t base = (phys_addr_t)at * UNIT;
			uint64_t size = (uint64_t)n * UNIT;

			if (op <= 1) {
				assert_int_equal(memblock_add(base, size), 0);
				for (unsigned int u = at; u < at + n; u++)
					model.is_memory[u] = true;
			} else if (op == 2) {
				assert_int_equal(memblock_remove(base, size / 2 / UNIT * UNIT), 0);
				for (unsigned int u = at; u < at + n / 2; u++)
					model.is_memory[u] = model.is_nomap[u] = false;
			} else if (op == 3) {
				assert_int_equal(memblock_reserve(base, size / 2 / UNIT * UNIT), 0);
				for (unsigned int u = at; u < at + n / 2; u++)
					model.is_reserved[u] = true;
			} else if (op == 4) {
				assert_int_equal(memblock_phys_free(base, size), 0);
				for (unsigned int u = at; u < at + n; u++)
					model.is_reserved[u] = false;
			} else if (op == 5) {
				assert_int_equal(memblock_mark_nomap(base, size / 4 / UNIT * UNIT),
						 0);
				for (unsigned int u = at; u < at + n / 4; u++)
					model.is_nomap[u] = model.is_memory[u];
			} else {
				unsigned int align = 1u << fake_random(4);
				unsigned int end = at + fake_random(UNITS - at + 1);
				unsigned int expected = model_find(n / 8 + 1, align, at / 2, end);

				assert_int_equal(
					memblock_phys_alloc_range((n / 8 + 1) * UNIT, align * UNIT,
								  at / 2 * UNIT, end * UNIT),
					expected * UNIT);
				for (unsigned int u = 0; expected && u < n / 8 + 1; u++)
					model.is_reserved[expected + u] = true;
			}
			check_list_against_model(false);
			check_list_against_model(true);
			check_free_walk();

			uint64_t memory = 0, reserved = 0;

			for (unsigned int u = 0; u < UNITS; u++) {
				memory += model.is_memory[u] * UNIT;
				reserved += (model.is_memory[u] && model.is_reserved[u]) * UNIT;
				assert_int_equal(memblock_is_memory(u * UNIT + 5),
						 model.is_memory[u]);
				assert_int_equal(memblock_is_region_reserved(u * UNIT + 5, 1),
						 model.is_reserved[u]);
			}
			assert_int_equal(memblock_phys_mem_size(), memory);
			assert_int_equal(memblock_reserved_size(), reserved);
		}
	}
}

static void neighbours_merge_only_with_equal_flags(void **state)
{
	struct berth_range r;

	(void)state;
	berth_memblock_reset();
	assert_int_equal(memblock_add(0x10000, 0x1000), 0);
	assert_int_equal(memblock_add(0x12000, 0x1000), 0);
	assert_int_equal(memblock_add(0x11000, 0x1000), 0);
	assert_true(berth_memblock_next(false, 0, &r, NULL));
	assert_int_equal(r.size, 0x3000);
	assert_int_equal(memblock_mark_nomap(0x11000, 0x1000), 0);
	assert_true(berth_memblock_next(false, 2, &r, NULL));
	assert_false(berth_memblock_next(false, 3, &r, NULL));
	/* Adding it again does not make it mapped. */
	assert_int_equal(memblock_add(0x10000, 0x3000), 0);
	assert_true(berth_memblock_next(false, 2, &r, NULL));
}

static void a_full_table_is_an_error_that_changes_nothing(void **state)
{
	struct berth_range r;
	unsigned int n = 0;

	(void)state;
	berth_memblock_reset();
	while (!memblock_reserve((n * 2 + 1) * 0x1000ULL, 0x1000))
		n++;
	assert_true(n >= 64);
	assert_int_equal(berth_last_error()->reason, BERTH_REASON_TABLE_FULL);
	assert_int_equal(berth_last_error()->code, -ENOSPC);
	assert_int_equal(berth_last_error()->limit, n);
	/* A hole in the middle needs an entry as well; what needs none is still possible. */
	assert_int_equal(memblock_phys_free(0x1400, 0x400), -ENOSPC);
	for (unsigned int i = 0; i < n; i++) {
		assert_true(berth_memblock_next(true, i, &r, NULL));
		assert_int_equal(r.base, (i * 2 + 1) * 0x1000ULL);
		assert_int_equal(r.size, 0x1000);
	}
	assert_int_equal(memblock_reserve(0x2000, 0x1000), 0);
	assert_false(berth_memblock_next(true, n - 1, &r, NULL));
	/* With one entry left a change that needs two on the way, but one in the end, is possible. */
	assert_int_equal(memblock_reserve(0x1000, 2ULL * n * 0x1000), 0);
	assert_false(berth_memblock_next(true, 1, &r, NULL));
}

static void bad_arguments_are_refused(void **state)
{
	struct berth_range r;

	(void)state;
	berth_memblock_reset();
	assert_int_equal(memblock_add(UINT64_MAX - 0xfff, 0x2000), -EINVAL);
	assert_int_equal(berth_last_error()->reason, BERTH_REASON_ARGUMENT);
	assert_int_equal(memblock_add(0x1000, 0), 0);
	assert_false(berth_memblock_next(false, 0, &r, NULL));
	assert_int_equal(memblock_add(0x100000, 0x100000), 0);
	assert_int_equal(memblock_phys_alloc_range(0x1000, 3, 0, MEMBLOCK_ALLOC_ANYWHERE), 0);
	assert_int_equal(berth_last_error()->reason, BERTH_REASON_ARGUMENT);
	assert_int_equal(memblock_phys_alloc_range(0, 1, 0, MEMBLOCK_ALLOC_ANYWHERE), 0);
	assert_int_equal(memblock_phys_alloc_range(UINT64_MAX, 1, 0, MEMBLOCK_ALLOC_ANYWHERE), 0);
	assert_int_equal(berth_last_error()->reason, BERTH_REASON_OUT_OF_MEMORY);
	assert_int_equal(berth_last_error()->length, UINT64_MAX);
	assert_int_equal(berth_last_error()->limit, 0x100000);
	assert_false(berth_memblock_next(true, 0, &r, NULL));
	/* Alignment 0 is a large cache line. */
	assert_int_equal(memblock_phys_alloc_range(1, 0, 0, MEMBLOCK_ALLOC_ANYWHERE), 0x1fff80);
}

static void page_zero_is_never_given(void **state)
{
	(void)state;
	berth_memblock_reset();
	assert_int_equal(memblock_add(0, 0x2000), 0);
	assert_int_equal(memblock_phys_alloc_range(0x1000, 1, 0, MEMBLOCK_ALLOC_ANYWHERE), 0x1000);
	assert_int_equal(memblock_phys_alloc_range(0x10, 1, 0, MEMBLOCK_ALLOC_ANYWHERE), 0);
}

static void memory_comes_zeroed_and_mapped(void **state)
{
	/* The second bank is not in the linear map. */
	const struct berth_range bank = { 0x80000000, 0x100000 };
	unsigned char *p;

	(void)state;
	fake_ram(&bank, 1);
	assert_int_equal(memblock_add(0x90000000, 0x100000), 0);
	memset(phys_to_virt(0x80000000), 0x5a, 0x100000);
	p = memblock_alloc(5000, 4096);
	assert_non_null(p);
	assert_int_equal(virt_to_phys(p), 0x800fe000);
	for (unsigned int i = 0; i < 5000; i++)
		assert_int_equal(p[i], 0);
	assert_int_equal(p[5000], 0x5a);

	berth_test_fail_nth(1);
	assert_null(memblock_alloc(64, 64));
	assert_true(berth_test_failed());
	assert_int_equal(berth_last_error()->reason, BERTH_REASON_OUT_OF_MEMORY);
	assert_non_null(memblock_alloc(64, 64));

	assert_int_equal(memblock_mark_nomap(0x80000000, 0xfe000), 0);
	while (memblock_alloc(64, 64))
		;
	assert_true(memblock_is_region_reserved(0x800fe000, 0x2000));
	assert_false(memblock_is_region_reserved(0x80000000, 0xfe000));
	fake_stop();
}

/* High memory is for the page allocator: nobody else would have an address for it. */
static void high_memory_is_handed_over_only(void **state)
{
	struct berth_range range;
	enum memblock_flags flags;
	phys_addr_t cursor = 0;

	(void)state;
	berth_memblock_reset();
	assert_int_equal(memblock_add(0x10000, 0x40000), 0);
	assert_int_equal(berth_memblock_mark_highmem(0x30000, 0x20000), 0);
	assert_int_equal(memblock_phys_alloc_range(0x1000, 0x1000, 0, MEMBLOCK_ALLOC_ANYWHERE),
			 0x2f000);
	assert_int_equal(
		memblock_phys_alloc_range(0x1000, 0x1000, 0x30000, MEMBLOCK_ALLOC_ANYWHERE), 0);
	assert_true(berth_memblock_next(false, 1, &range, &flags));
	assert_int_equal(flags, MEMBLOCK_HIGHMEM);
	assert_int_equal(range.base, 0x30000);
	assert_int_equal(memblock_phys_mem_size(), 0x40000);
	assert_true(berth_memblock_next_free(&cursor, &range));
	assert_int_equal(range.size, 0x1f000);
	assert_true(berth_memblock_next_free(&cursor, &range));
	assert_int_equal(range.base, 0x30000);
	assert_int_equal(range.size, 0x20000);
	/* A no-map reservation there is nobody's. */
	assert_int_equal(memblock_mark_nomap(0x38000, 0x8000), 0);
	cursor = 0x30000;
	assert_true(berth_memblock_next_free(&cursor, &range));
	assert_int_equal(range.size, 0x8000);
	assert_true(berth_memblock_next_free(&cursor, &range));
	assert_int_equal(range.base, 0x40000);
}

static void after_the_hand_over_it_is_read_only(void **state)
{
	const struct berth_range bank = { 0x80000000, 0x100000 };

	(void)state;
	fake_start(&bank, 1);
	assert_int_equal(memblock_reserve(0x80000000, 0x1000), -EBUSY);
	assert_int_equal(berth_last_error()->reason, BERTH_REASON_STATE);
	assert_null(memblock_alloc(64, 64));
	assert_true(memblock_is_memory(0x80000000));
	fake_stop();
	assert_false(memblock_is_memory(0x80000000));
	assert_int_equal(memblock_add(0x80000000, 0x1000), 0);
	berth_memblock_reset();
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(random_changes),
		cmocka_unit_test(neighbours_merge_only_with_equal_flags),
		cmocka_unit_test(a_full_table_is_an_error_that_changes_nothing),
		cmocka_unit_test(bad_arguments_are_refused),
		cmocka_unit_test(page_zero_is_never_given),
		cmocka_unit_test(memory_comes_zeroed_and_mapped),
		cmocka_unit_test(high_memory_is_handed_over_only),
		cmocka_unit_test(after_the_hand_over_it_is_read_only),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
