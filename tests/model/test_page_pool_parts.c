/* SPDX-License-Identifier: BSD-2-Clause */
/* Parts of a pool's pages. */
#include "pool.h"

/* Parts: where they are, and whether their bytes are still what was written. */
static struct part {
	struct page *page;
	unsigned int offset;
	unsigned int size;
	uint8_t byte;
} parts[64];

static void check_part(const struct part *part)
{
	const uint8_t *at = (uint8_t *)page_address(part->page) + part->offset;

	for (unsigned int i = 0; i < part->size; i++)
		assert_int_equal(at[i], part->byte);
}

static void give_part(struct page_pool *pool, struct part *part)
{
	check_part(part);
	page_pool_put_full_page(pool, part->page, random_below(2));
	part->page = NULL;
}

static void parts_of_a_page_are_apart(void **state)
{
	(void)state;
	for (unsigned int order = 0; order < 3; order++) {
		struct page_pool *pool;

		start(order & 1);
		pool = create(FLAGS | PP_FLAG_PAGE_FRAG, order, 8);
		for (unsigned int round = 0; round < 4000; round++) {
			struct part *part = &parts[random_below(ARRAY_SIZE(parts))];

			if (part->page) {
				give_part(pool, part);
				continue;
			}
			part->size = 1 + random_below(random_below(9) ? 700 : 4096u << order);
			part->byte = (uint8_t)round;
			part->page = page_pool_dev_alloc_frag(pool, &part->offset, part->size);
			assert_non_null(part->page);
			assert_int_equal(part->offset % (unsigned int)dma_get_cache_alignment(), 0);
			assert_true(part->offset + part->size <= PAGE_SIZE << order);
			memset((char *)page_address(part->page) + part->offset, part->byte,
			       part->size);
		}
		/* They were used again and again. */
		assert_true(stats_of(pool).alloc_stats.slow +
				    stats_of(pool).alloc_stats.slow_high_order <
			    500);
		for (unsigned int i = 0; i < ARRAY_SIZE(parts); i++)
			if (parts[i].page)
				give_part(pool, &parts[i]);
		assert_reason(BERTH_REASON_NONE);
		page_pool_destroy(pool);
		stop();
	}
}

/* All parts of the current page have come back: it is used again, unless somebody else has it. */
static void the_current_page_is_used_again(void **state)
{
	struct page *page, *next;
	struct page_pool *pool;
	unsigned int offset;

	(void)state;
	start(false);
	for (int held = 0; held < 2; held++) {
		pool = create(FLAGS | PP_FLAG_PAGE_FRAG, 0, 0);
		page = page_pool_dev_alloc_frag(pool, &offset, 3000);
		assert_int_equal(offset, 0);
		memset(in_memory(page), 0, PAGE_SIZE);
		memset(page_address(page), 0x11, PAGE_SIZE);
		if (held)
			get_page(page);
		page_pool_put_page(pool, page, 0, true);
		next = page_pool_dev_alloc_frag(pool, &offset, 2000);
		assert_int_equal(offset, 0);
		assert_int_equal(next == page, !held);
		if (!held)
			assert_int_equal(in_memory(page)[PAGE_SIZE - 1], 0x11);
		page_pool_put_full_page(pool, next, false);
		page_pool_destroy(pool);
		if (held)
			put_page(page);
		assert_int_equal(used(), used_at_start);
	}
	pool = create(FLAGS, 0, 0);
	assert_null(page_pool_dev_alloc_frag(pool, &offset, 100));
	assert_reason(BERTH_REASON_ARGUMENT);
	page_pool_destroy(pool);
	pool = create(FLAGS | PP_FLAG_PAGE_FRAG, 0, 0);
	assert_null(page_pool_dev_alloc_frag(pool, &offset, 0));
	assert_reason(BERTH_REASON_ARGUMENT);
	assert_null(page_pool_dev_alloc_frag(pool, &offset, PAGE_SIZE + 1));
	assert_reason(BERTH_REASON_ARGUMENT);
	page_pool_destroy(pool);
	stop();
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(parts_of_a_page_are_apart),
		cmocka_unit_test(the_current_page_is_used_again),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
