// SPDX-License-Identifier: BSD-2-Clause
/* Tenants, isolation of page blocks, exact ranges and pins. */
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
#include <berth/migrate.h>
#include <berth/slab.h>
#include <berth/test.h>

#include "fake_port.h"
#include "fake_tenant.h"
#include "mm/internal.h"

#define MIB (1ULL << 20)
#define AREA 0x80400000ULL
#define AREA_PAGES 1024u

static const struct berth_range bank = { 0x80000000, 24 * MIB };
static struct cma *cma;
static uint64_t hash_at_start;

static int start(void **state)
{
	(void)state;
	fake_ram(&bank, 1);
	fake_tenant_reset();
	assert_int_equal(memblock_reserve(AREA, AREA_PAGES * PAGE_SIZE), 0);
	assert_int_equal(cma_init_reserved_mem(AREA, AREA_PAGES * PAGE_SIZE, 0, "a", &cma), 0);
	assert_int_equal(berth_mm_start(), 0);
	assert_int_equal(berth_tenant_register(&fake_full_ops), 0);
	assert_int_equal(berth_tenant_register(&fake_plain_ops), 0);
	hash_at_start = fake_free_hash();
	berth_clear_error();
	return 0;
}

static int stop(void **state)
{
	(void)state;
	berth_slab_shrink();
	assert_int_equal(berth_mm_leaked(), 0);
	fake_check_zones();
	assert_int_equal(fake_free_hash(), hash_at_start);
	for (unsigned int i = 0; i < NR_ZONES; i++)
		assert_int_equal(berth_zones[i].free_isolated, 0);
	fake_stop();
	return 0;
}

static void check_reason(enum berth_reason reason, int line)
{
	if (berth_last_error()->reason != reason)
		fail_msg("line %d: reason %d", line, (int)berth_last_error()->reason);
	berth_clear_error();
}
#define assert_reason(reason) check_reason(reason, __LINE__)

static bool in_area(const struct page *page)
{
	return page_to_pfn(page) - PFN_DOWN(AREA) < AREA_PAGES;
}

/* A tenant's page at this place. */
static int object_at(uint64_t pfn, bool clean)
{
	uint64_t busy;

	assert_int_equal(berth_take_free_range(pfn, 1, PG_USED, &busy), 0);
	return fake_object_adopt(&fake_full_ops, pfn_to_page(pfn), clean);
}

static void tenants_come_and_go(void **state)
{
	static struct movable_operations many[BERTH_MAX_TENANTS];
	struct movable_operations incomplete = fake_plain_ops;
	int object;

	(void)state;
	incomplete.putback_page = NULL;
	assert_int_equal(berth_tenant_register(&incomplete), -EINVAL);
	assert_reason(BERTH_REASON_ARGUMENT);
	assert_int_equal(berth_tenant_register(NULL), -EINVAL);
	assert_int_equal(berth_tenant_unregister(&incomplete), -EINVAL);
	assert_null(berth_alloc_movable(&incomplete, 0, 0));
	assert_reason(BERTH_REASON_ARGUMENT);
	object = fake_object_new(&fake_full_ops, 0);
	assert_ptr_equal(berth_page_tenant(fake_object_page(object)), &fake_full_ops);
	assert_int_equal(berth_page_use(page_to_pfn(fake_object_page(object))), BERTH_PAGE_TENANT);
	assert_int_equal(berth_tenant_unregister(&fake_full_ops), -EBUSY);
	assert_reason(BERTH_REASON_STATE);
	fake_object_free(object);
	assert_int_equal(berth_tenant_unregister(&fake_full_ops), 0);
	assert_int_equal(fake_object_new(&fake_full_ops, 0), -1);
	for (unsigned int i = 0; i < BERTH_MAX_TENANTS - 1; i++) {
		many[i] = fake_plain_ops;
		assert_int_equal(berth_tenant_register(&many[i]), 0);
		assert_int_equal(berth_tenant_register(&many[i]), 0);
	}
	assert_int_equal(berth_tenant_register(&fake_full_ops), -ENOSPC);
	assert_reason(BERTH_REASON_TABLE_FULL);
	assert_int_equal(berth_tenant_unregister(&many[100]), 0);
	assert_int_equal(berth_tenant_register(&fake_full_ops), 0);
}

static void pages_become_movable_and_back(void **state)
{
	struct page *page = alloc_page(GFP_KERNEL), *block = alloc_pages(GFP_KERNEL, 2);
	void *object = kmalloc(10, GFP_KERNEL);

	(void)state;
	assert_false(PageMovable(page));
	__SetPageMovable(page, &fake_full_ops);
	assert_true(PageMovable(page));
	assert_false(berth_page_is_clean(page));
	assert_true(berth_set_page_clean(page, true));
	assert_true(berth_page_is_clean(page));
	__SetPageMovable(page, &fake_full_ops); /* is one already */
	assert_reason(BERTH_REASON_NOT_OWNED);
	__ClearPageMovable(page);
	assert_false(PageMovable(page));
	assert_false(berth_page_is_clean(page));
	assert_false(berth_set_page_clean(page, true));
	__ClearPageMovable(page);
	assert_reason(BERTH_REASON_NOT_OWNED);
	__SetPageMovable(page, &fake_plain_ops);
	assert_false(berth_set_page_clean(page, true)); /* nobody could give it up */
	__free_page(page);
	assert_false(PageMovable(page));
	__SetPageMovable(block, &fake_full_ops);
	assert_reason(BERTH_REASON_NOT_OWNED);
	__SetPageMovable(virt_to_page(object), &fake_full_ops);
	assert_reason(BERTH_REASON_NOT_OWNED);
	__free_pages(block, 2);
	kfree(object);
}

static void only_tenants_are_lent_an_area(void **state)
{
	static struct page *pages[8192];
	static int objects[8192];
	const struct zone *zone = &berth_zones[ZONE_DMA32];
	unsigned int nr = 0, nr_objects = 0;

	(void)state;
	while ((pages[nr] = alloc_page(__GFP_MOVABLE)))
		assert_false(in_area(pages[nr++]));
	assert_reason(BERTH_REASON_OUT_OF_MEMORY);
	/* Linux's rule: while more than half of what is free is CMA's, that is taken. */
	for (unsigned int i = 0; i < 1500; i++)
		__free_page(pages[--nr]);
	while ((objects[nr_objects] = fake_object_new(&fake_full_ops, 0)) >= 0) {
		bool from_area = in_area(fake_object_page(objects[nr_objects++]));
		uint64_t before_cma = zone->free_cma + from_area, before = zone->free + 1;

		if (before_cma && before > before_cma)
			assert_int_equal(from_area, before_cma > before / 2);
	}
	assert_int_equal(nr_objects, 1500 + AREA_PAGES);
	while (nr_objects)
		fake_object_free(objects[--nr_objects]);
	while (nr)
		__free_page(pages[--nr]);
}

/* Pages come and go while blocks are isolated; in the end all is as if they had not been. */
static void isolation_is_undone_exactly(void **state)
{
	static struct page *pages[6000];
	const uint64_t first = PFN_DOWN(bank.base) + 3 * 512;
	uint64_t busy, held = 0;

	(void)state;
	fake_seed(5);
	for (unsigned int round = 0; round < 200; round++) {
		uint64_t pfn = PFN_DOWN(AREA) + fake_random(AREA_PAGES - 1);
		uint64_t nr = 1 + fake_random((uint32_t)(PFN_DOWN(AREA) + AREA_PAGES - pfn));
		uint64_t other = PFN_DOWN(AREA) + AREA_PAGES + fake_random(2000);
		uint64_t before;

		while (held < ARRAY_SIZE(pages) && fake_random(30))
			if ((pages[held] = berth_alloc_movable(&fake_full_ops, 0, 0)))
				held++;
		before = fake_free_hash();
		assert_int_equal(berth_isolate_blocks(pfn, nr, true, &busy), 0);
		assert_int_equal(berth_isolate_blocks(pfn, nr, true, &busy), 0);
		assert_int_equal(berth_isolate_blocks(pfn, nr, false, &busy), -EBUSY);
		assert_int_equal(berth_isolate_blocks(other, 700, false, &busy), 0);
		assert_int_equal(berth_isolate_blocks(other + 699, 1, false, &busy), -EBUSY);
		assert_int_equal(berth_isolate_blocks(pfn, 4000, true, &busy), -EBUSY);
		fake_check_zones();
		assert_int_equal(own_block_type(bank_of(pfn), pfn), MIGRATE_CMA);
		struct page *page = berth_alloc_movable(&fake_full_ops, 0, 0);

		if (page) {
			assert_false(page_to_pfn(page) / 512 >= pfn / 512 &&
				     page_to_pfn(page) / 512 <= (pfn + nr - 1) / 512);
			__free_page(page);
		}
		berth_unisolate_blocks(pfn, nr);
		berth_unisolate_blocks(other, 700);
		if (round % 2)
			berth_unisolate_blocks(pfn, nr);
		else
			assert_int_equal(fake_random(1), 0);
		if (round % 2)
			assert_int_equal(fake_free_hash(), before);
		for (unsigned int i = fake_random((uint32_t)held + 1); i-- > 0;)
			__free_page(pages[--held]);
		if (round % 2 == 0)
			berth_unisolate_blocks(pfn, nr);
		fake_check_zones();
	}
	while (held)
		__free_page(pages[--held]);
	assert_int_equal(own_block_type(bank_of(first), first), MIGRATE_CMA);
}

static void exact_ranges(void **state)
{
	uint64_t first = PFN_DOWN(AREA) + AREA_PAGES + 300, before;
	struct page *page;
	int objects[200];

	(void)state;
	for (unsigned int i = 0; i < 200; i++)
		objects[i] = object_at(first + 2 * i, i % 3 == 0);
	before = fake_free_hash();
	assert_int_equal(alloc_contig_range(first + 1, first + 1, MIGRATE_MOVABLE, GFP_KERNEL),
			 -EINVAL);
	assert_reason(BERTH_REASON_ARGUMENT);
	assert_int_equal(alloc_contig_range(0x10, 0x20, MIGRATE_MOVABLE, GFP_KERNEL), -EINVAL);
	assert_int_equal(alloc_contig_range(first, first + 9999, MIGRATE_MOVABLE, GFP_KERNEL),
			 -EINVAL);
	assert_int_equal(alloc_contig_range(first, first + 9, MIGRATE_CMA, GFP_KERNEL), -EINVAL);
	assert_int_equal(alloc_contig_range(first, first + 9, MIGRATE_MOVABLE, GFP_ATOMIC),
			 -EINVAL);
	assert_int_equal(alloc_contig_range(PFN_DOWN(AREA), PFN_DOWN(AREA) + 9, MIGRATE_MOVABLE,
					    GFP_KERNEL),
			 -EBUSY);
	assert_reason(BERTH_REASON_PAGE_BUSY);
	assert_int_equal(fake_free_hash(), before);

	assert_int_equal(alloc_contig_range(first + 1, first + 350, MIGRATE_MOVABLE, GFP_KERNEL),
			 0);
	assert_true(fake_tenant.moved > 100 && fake_tenant.dropped > 50);
	assert_true(fake_tenant.batches > 1 && fake_tenant.batches < 10);
	for (unsigned int i = 0; i < 200; i++)
		assert_true(fake_object_is_right(objects[i]));
	assert_int_equal(pfn_to_page(first + 1)->flags, PG_USED);
	assert_int_equal(page_count(pfn_to_page(first + 349)), 1);
	memset(page_address(pfn_to_page(first + 1)), 1, 349 * PAGE_SIZE);
	free_contig_range(first + 1, 350);
	assert_reason(BERTH_REASON_NOT_OWNED);
	free_contig_range(first + 1, 349);
	assert_int_equal(berth_last_error()->code, 0);

	page = alloc_contig_pages(3000, GFP_KERNEL);
	assert_non_null(page);
	assert_false(in_area(page) || in_area(page + 2999));
	for (unsigned int i = 0; i < 200; i++)
		assert_true(fake_object_is_right(objects[i]));
	free_contig_range(page_to_pfn(page), 3000);
	assert_null(alloc_contig_pages(9000, GFP_KERNEL));
	assert_reason(BERTH_REASON_AREA_FULL);
	assert_null(alloc_contig_pages(0, GFP_KERNEL));
	assert_null(alloc_contig_pages(10, GFP_DMA));
	for (unsigned int i = 0; i < 200; i++)
		fake_object_free(objects[i]);
}

/* One page that stays: nothing else moves. */
static void a_range_with_a_page_that_stays(void **state)
{
	uint64_t first = PFN_DOWN(AREA) + AREA_PAGES + 300, before;
	struct page *blocker;
	int objects[200];

	(void)state;
	for (unsigned int i = 0; i < 200; i++)
		objects[i] = object_at(first + i, false);
	__ClearPageMovable(fake_object_page(objects[150]));
	blocker = fake_object_page(objects[150]);
	before = fake_free_hash();
	assert_int_equal(alloc_contig_range(first, first + 200, MIGRATE_MOVABLE, GFP_KERNEL),
			 -EBUSY);
	assert_int_equal(berth_last_error()->pfn, page_to_pfn(blocker));
	assert_int_equal(fake_free_hash(), before);
	assert_int_equal(fake_tenant.moved, 0);
	for (unsigned int i = 0; i < 200; i++)
		fake_object_free(objects[i]);
}

static void pins_block_and_move_out(void **state)
{
	int object = object_at(PFN_DOWN(AREA) + 700, false);
	struct page *page = fake_object_get(object), *first = page;

	(void)state;
	/* For a short while: it stays, and blocks. */
	assert_int_equal(pin_pages(&page, 1, FOLL_WRITE, "a camera with a very long name indeed"),
			 0);
	assert_ptr_equal(page, first);
	assert_int_equal(page_count(page), 2 + PAGE_PIN_BIAS);
	assert_true(page_maybe_dma_pinned(page));
	put_page(page);
	assert_null(cma_alloc(cma, AREA_PAGES, 0, true));
	assert_int_equal(berth_last_error()->pfn, page_to_pfn(first));
	assert_string_equal(berth_last_error()->holder, "a camera with a very long n");
	assert_true(berth_last_error()->since_ns > 0);
	assert_reason(BERTH_REASON_PAGE_BUSY);
	unpin_user_page(page);
	assert_false(page_maybe_dma_pinned(page));
	unpin_user_page(page);
	assert_reason(BERTH_REASON_NOT_OWNED);
	assert_int_equal(page_count(page), 1);

	/* For long: it moves out. */
	page = fake_object_get(object);
	assert_int_equal(pin_pages(&page, 1, FOLL_LONGTERM, "nvme"), 0);
	assert_false(in_area(page));
	assert_ptr_equal(fake_object_page(object), page);
	assert_true(fake_object_is_right(object));
	assert_int_equal(page_count(page), 2 + PAGE_PIN_BIAS);
	assert_int_equal(berth_page_use(page_to_pfn(first)), BERTH_PAGE_FREE_CMA);
	/* The tenant lets go first: the pin keeps the page. */
	put_page(page);
	fake_object_free(object);
	assert_int_equal(page_count(page), PAGE_PIN_BIAS);
	unpin_user_page(page);
	assert_int_equal(page_count(page), 0);
}

static void pins_that_cannot_be(void **state)
{
	int object = object_at(PFN_DOWN(AREA) + 700, false);
	struct page *page = fake_object_get(object), *given, *wrong;

	(void)state;
	/* Somebody else has it: no move. */
	get_page(page);
	assert_int_equal(pin_pages(&page, 1, FOLL_LONGTERM, "nvme"), -EBUSY);
	assert_reason(BERTH_REASON_PAGE_BUSY);
	assert_int_equal(page_count(page), 3);
	put_page(page);
	assert_int_equal(berth_isolate_page(page, 0, MIGRATE_SYNC), 0);
	assert_int_equal(pin_pages(&page, 1, FOLL_LONGTERM, "nvme"), -EAGAIN);
	berth_putback_page(page);
	berth_test_fail_nth(1);
	assert_int_equal(pin_pages(&page, 1, FOLL_LONGTERM, "nvme"), -ENOMEM);
	assert_reason(BERTH_REASON_NO_ROOM);
	put_page(page);
	fake_object_free(object);

	/* What a device has is pinned where it is; what nobody has is not. */
	given = cma_alloc(cma, 1, 0, true);
	assert_int_equal(pin_pages(&given, 1, FOLL_LONGTERM, "display"), 0);
	unpin_user_page(given);
	wrong = given;
	assert_true(cma_release(cma, given, 1));
	assert_int_equal(pin_pages(&wrong, 1, 0, "display"), -EINVAL);
	assert_reason(BERTH_REASON_NOT_OWNED);
}

/* One page that stays in use, and nowhere else to go: 10 ms, not all of the 100. */
static void a_place_is_waited_for_once(void **state)
{
	int object = object_at(PFN_DOWN(AREA) + 500, false);
	struct page *page = fake_object_get(object);
	uint64_t began;

	(void)state;
	fake_clock_step = 100000;
	began = berth_port_now();
	assert_null(cma_alloc(cma, AREA_PAGES, 0, true));
	assert_in_range(berth_port_now() - began, 10000000, 30000000);
	fake_clock_step = 0;
	assert_int_equal(berth_last_error()->pfn, page_to_pfn(page));
	assert_reason(BERTH_REASON_PAGE_BUSY);
	put_page(page);
	fake_object_free(object);
}

static void the_table_of_pins_has_an_end(void **state)
{
	struct berth_cma_stats stats;
	unsigned int nobody = 0;
	struct page *page;

	(void)state;
	page = cma_alloc(cma, 100, 0, true);
	for (unsigned int i = 0; i < 100; i++) {
		struct page *one = page + i;

		assert_int_equal(pin_pages(&one, 1, 0, "many"), 0);
	}
	berth_cma_stats(cma, &stats);
	assert_int_equal(stats.pins_unnamed, 100 - 64);
	assert_true(cma_release(cma, page, 100));
	for (unsigned int i = 0; i < 100; i++) {
		nobody += page_state(page + i) == PG_USED;
		unpin_user_page(page + i);
	}
	assert_int_equal(nobody, 100);
}

/* A random trace of all calls against what must hold of them. */
static struct {
	struct page *page;
	unsigned long count;
	bool is_cma;
} buffers[12];
static struct page *pinned[400];
static int traced[400];
static struct page *hogs[4400];

static void release_buffer(unsigned int b)
{
	if (!buffers[b].page)
		return;
	assert_int_equal(*(uint8_t *)page_address(buffers[b].page), b);
	if (buffers[b].is_cma)
		assert_true(cma_release(cma, buffers[b].page, buffers[b].count));
	else
		free_contig_range(page_to_pfn(buffers[b].page), buffers[b].count);
	buffers[b].page = NULL;
}

static void trace_buffer(unsigned int b)
{
	unsigned long count = 1 + fake_random(fake_random(2) ? 20 : 500);
	struct page *page;

	if (buffers[b].page) {
		release_buffer(b);
		return;
	}
	buffers[b].count = count;
	buffers[b].is_cma = fake_random(3);
	page = buffers[b].is_cma ? cma_alloc(cma, count, fake_random(6), true)
				 : alloc_contig_pages(count, GFP_KERNEL);
	buffers[b].page = page;
	if (page)
		memset(page_address(page), (int)b, count * PAGE_SIZE);
}

static void trace_pin(unsigned int i)
{
	bool is_long = fake_random(2);
	struct page *page;

	if (pinned[i]) {
		assert_ptr_equal(pinned[i], fake_object_page(traced[i]));
		unpin_user_page(pinned[i]);
		pinned[i] = NULL;
		return;
	}
	page = traced[i] >= 0 ? fake_object_get(traced[i]) : NULL;
	if (!page)
		return;
	if (!pin_pages(&page, 1, is_long ? FOLL_LONGTERM : 0, "trace")) {
		assert_false(is_long && in_area(page));
		pinned[i] = page;
	}
	put_page(page);
}

static void free_traced(unsigned int i)
{
	if (pinned[i])
		unpin_user_page(pinned[i]);
	pinned[i] = NULL;
	if (traced[i] >= 0) {
		assert_true(fake_object_is_right(traced[i]));
		fake_object_free(traced[i]);
	}
	traced[i] = -1;
}

static void trace_object(unsigned int i)
{
	if (traced[i] >= 0)
		free_traced(i);
	else
		traced[i] = fake_object_new(i % 2 ? &fake_full_ops : &fake_plain_ops,
					    i % 4 == 1 ? BERTH_GFP_CLEAN : 0);
}

static void check_trace(struct berth_cma_stats *stats)
{
	uint64_t used = ARRAY_SIZE(hogs), handed_out = 0;

	fake_check_zones();
	for (unsigned int n = 0; n < ARRAY_SIZE(buffers); n++) {
		used += buffers[n].page ? buffers[n].count : 0;
		handed_out += buffers[n].page && buffers[n].is_cma ? buffers[n].count : 0;
	}
	for (unsigned int n = 0; n < ARRAY_SIZE(traced); n++)
		used += traced[n] >= 0 && fake_object_page(traced[n]);
	assert_int_equal(berth_mm_leaked(), used * PAGE_SIZE);
	berth_cma_stats(cma, stats);
	assert_int_equal(stats->used, handed_out);
}

static void random_trace(void **state)
{
	struct berth_cma_stats stats;

	(void)state;
	fake_seed(9);
	memset(traced, 0xff, sizeof(traced));
	fake_tenant.swap_slots = 1000000;
	for (unsigned int i = 0; i < ARRAY_SIZE(hogs); i++)
		assert_non_null(hogs[i] = alloc_page(GFP_KERNEL));
	for (unsigned int step = 0; step < 20000; step++) {
		unsigned int i = fake_random(ARRAY_SIZE(traced)), dice = fake_random(12);

		if (dice == 0)
			trace_buffer(fake_random(ARRAY_SIZE(buffers)));
		else if (dice <= 2)
			trace_pin(i);
		else if (dice > 3)
			trace_object(i);
		else {
			fake_tenant.refuse_isolate = fake_random(3);
			fake_tenant.refuse_move = fake_random(3);
			fake_tenant.refuse_reclaim = fake_random(3);
		}
		if (step % 200 == 0)
			check_trace(&stats);
	}
	assert_true(stats.alloc_success > 100 && stats.alloc_fail > 10);
	assert_true(stats.migrated > 100 && stats.dropped > 10 && stats.retries > 10);
	for (unsigned int n = 0; n < ARRAY_SIZE(buffers); n++)
		release_buffer(n);
	for (unsigned int n = 0; n < ARRAY_SIZE(traced); n++)
		free_traced(n);
	for (unsigned int i = 0; i < ARRAY_SIZE(hogs); i++)
		__free_page(hogs[i]);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, start, stop)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(tenants_come_and_go),
		TEST(pages_become_movable_and_back),
		TEST(only_tenants_are_lent_an_area),
		TEST(isolation_is_undone_exactly),
		TEST(exact_ranges),
		TEST(a_range_with_a_page_that_stays),
		TEST(pins_block_and_move_out),
		TEST(pins_that_cannot_be),
		TEST(a_place_is_waited_for_once),
		TEST(the_table_of_pins_has_an_end),
		TEST(random_trace),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
