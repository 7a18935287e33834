/* SPDX-License-Identifier: BSD-2-Clause */
/* What the tests of scatterlists share: a machine with high memory, and pages of all kinds. */
#ifndef TESTS_UNIT_SG_H
#define TESTS_UNIT_SG_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include <berth/error.h>
#include <berth/highmem.h>
#include <berth/scatterlist.h>
#include <berth/slab.h>
#include <berth/test.h>
#include <berth/vmalloc.h>

#include "fake_port.h"
#include "mm/internal.h"

#define MIB (1ULL << 20)
#define MAX_PAGES 700u

static const struct berth_range two_banks[] = {
	{ 0x80000000, 16 * MIB },
	{ 0x81800000, 8 * MIB },
};
static uint64_t hash_at_start;

static inline int start(void **state)
{
	(void)state;
	fake_ram(two_banks, 2);
	fake_high(4 * MIB);
	assert_int_equal(berth_mm_start(), 0);
	hash_at_start = fake_free_hash();
	fake_seed(38);
	berth_clear_error();
	return 0;
}

static inline void check_empty(void)
{
	assert_int_equal(berth_mm_leaked(), 0);
	berth_slab_shrink();
	fake_check_zones();
	assert_int_equal(fake_free_hash(), hash_at_start);
}

/* Whatever a test did, nothing of it is left. */
static inline int stop(void **state)
{
	(void)state;
	check_empty();
	fake_stop();
	return 0;
}

static inline void check_reason(enum berth_reason reason, int line)
{
	if (berth_last_error()->reason != reason)
		fail_msg("line %d: reason %d", line, berth_last_error()->reason);
	berth_clear_error();
}
#define assert_reason(reason) check_reason(reason, __LINE__)

/* Pages in the order of their numbers, but for some gaps and jumps. */
static struct page *pages[MAX_PAGES];
static struct page *blocks[MAX_PAGES];
static unsigned int nr_blocks;

static inline void take_pages(unsigned int nr)
{
	unsigned int taken = 0;

	for (nr_blocks = 0; taken < nr; nr_blocks++) {
		struct page *block = alloc_pages(fake_random(3) ? 0 : __GFP_HIGHMEM, 3);
		unsigned int first = fake_random(3) ? 0 : fake_random(8);

		assert_non_null(block);
		blocks[nr_blocks] = block;
		for (unsigned int i = first; i < 8 && taken < nr; i++)
			pages[taken++] = block + i;
	}
}

static inline void give_pages(void)
{
	while (nr_blocks)
		__free_pages(blocks[--nr_blocks], 3);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, start, stop)

#endif
