// SPDX-License-Identifier: BSD-2-Clause
/* Which window an allocation takes, what it costs, and that a failure leaves everything alone. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include <berth/cma.h>
#include <berth/error.h>
#include <berth/gfp.h>
#include <berth/memblock.h>
#include <berth/test.h>

#include "fake_port.h"
#include "fake_tenant.h"
#include "mm/internal.h"

#define MIB (1ULL << 20)
#define BASE 0x80600000ULL
#define PAGES 1024u
#define NR_LAYOUTS 10000u

static const struct berth_range bank = { 0x80000000, 20 * MIB };
static struct cma *cma;

enum content { FREE, CLEAN, MOVABLE, PINNED, UNMOVABLE, GIVEN };

/* The area, as the test has laid it out; handles of tenants' pages, else -1. */
static enum content contents[PAGES];
static int handles[PAGES];

static void start_area(unsigned int order_per_bit, bool guaranteed)
{
	fake_ram(&bank, 1);
	fake_tenant_reset();
	assert_int_equal(memblock_reserve(BASE, PAGES * PAGE_SIZE), 0);
	assert_int_equal(
		cma_init_reserved_mem(BASE, PAGES * PAGE_SIZE, order_per_bit, "camera", &cma), 0);
	if (guaranteed)
		berth_cma_set_guaranteed(cma);
	assert_int_equal(berth_mm_start(), 0);
	assert_int_equal(berth_tenant_register(&fake_plain_ops), 0);
	assert_int_equal(berth_tenant_register(&fake_full_ops), 0);
	berth_clear_error();
}

static struct page *page_at(unsigned int n)
{
	return pfn_to_page(PFN_DOWN(BASE) + n);
}

static uint64_t mix(uint64_t hash, uint64_t value)
{
	hash = (hash ^ value) * 0x9e3779b97f4a7c15u;
	return hash ^ (hash >> 29);
}

/* Everything that a failure must not change. */
static uint64_t snapshot(void)
{
	const struct berth_mem_map *map = &berth_mem_map[0];
	struct berth_cma_stats stats;
	uint64_t hash = fake_free_hash();

	berth_cma_stats(cma, &stats);
	hash = mix(hash, stats.used);
	hash = mix(hash, stats.longest_free_run);
	for (uint64_t n = 0; n < bank_nr_blocks(map->pfn, map->nr); n++) {
		hash = mix(hash, *block_type(map, map->pfn + n * pageblock_nr_pages));
		hash = mix(hash, *block_isolation(map, map->pfn + n * pageblock_nr_pages));
	}
	for (unsigned int i = 0; i < NR_ZONES; i++) {
		hash = mix(hash, berth_zones[i].free);
		hash = mix(hash, berth_zones[i].free_cma);
		hash = mix(hash, berth_zones[i].free_isolated);
	}
	for (uint64_t n = 0; n < map->nr; n++)
		if (page_state(&map->pages[n]) != PG_FREE && page_state(&map->pages[n]) != PG_TAIL)
			hash = mix(hash,
				   (uint64_t)map->pages[n].flags << 32 | map->pages[n].refcount);
	return hash;
}

static void take_page(unsigned int n, enum content content)
{
	uint64_t busy;

	contents[n] = content;
	if (content == FREE)
		return;
	assert_int_equal(berth_take_free_range(PFN_DOWN(BASE) + n, 1, PG_USED, &busy), 0);
	if (content == UNMOVABLE)
		return;
	handles[n] = fake_object_adopt(content != CLEAN && n % 2 ? &fake_plain_ops : &fake_full_ops,
				       page_at(n), content == CLEAN);
	if (content == PINNED) {
		struct page *page = page_at(n);

		assert_int_equal(pin_pages(&page, 1, FOLL_WRITE, "display"), 0);
	}
}

/* Runs of random lengths; @weights of the contents, in percent. */
static void lay_out(const unsigned int *weights)
{
	for (unsigned int n = 0; n < PAGES;) {
		unsigned int run = 1 + fake_random(1 + fake_random(60)), dice = fake_random(100);
		unsigned int content = FREE;

		while (content < UNMOVABLE && dice >= weights[content])
			dice -= weights[content++];
		for (; run && n < PAGES; run--, n++)
			take_page(n, (enum content)content);
	}
}

static void clear_layout(void)
{
	for (unsigned int n = 0; n < PAGES; n++) {
		if (contents[n] == PINNED)
			unpin_user_page(page_at(n));
		if (handles[n] >= 0) {
			assert_true(fake_object_is_right(handles[n]));
			fake_object_free(handles[n]);
		} else if (contents[n] == UNMOVABLE) {
			__free_page(page_at(n));
		}
		handles[n] = -1;
		contents[n] = FREE;
	}
}

/* The cheapest window by looking at all of them. False if none can serve. */
static bool search_all(unsigned int count, unsigned int align, unsigned int *moved,
		       unsigned int *dropped)
{
	static unsigned int sum[3][PAGES + 1];
	bool found = false;

	for (unsigned int n = 0; n < PAGES; n++) {
		sum[0][n + 1] = sum[0][n] + (contents[n] == MOVABLE);
		sum[1][n + 1] = sum[1][n] + (contents[n] == CLEAN);
		sum[2][n + 1] = sum[2][n] + (contents[n] >= PINNED);
	}
	for (unsigned int n = 0; n + count <= PAGES; n++) {
		unsigned int to_move = sum[0][n + count] - sum[0][n];
		unsigned int to_drop = sum[1][n + count] - sum[1][n];

		if ((PFN_DOWN(BASE) + n) % (1u << align) || sum[2][n + count] != sum[2][n])
			continue;
		if (!found || to_move < *moved || (to_move == *moved && to_drop < *dropped)) {
			*moved = to_move;
			*dropped = to_drop;
		}
		found = true;
	}
	return found;
}

static void check_failure(unsigned int count, unsigned int align, uint64_t before)
{
	struct berth_cma_report report;
	const struct berth_error *error = berth_last_error();
	struct berth_cma_stats stats;
	unsigned int culprit;
	bool is_named;

	assert_int_equal(snapshot(), before);
	assert_int_equal(error->reason, BERTH_REASON_PAGE_BUSY);
	culprit = (unsigned int)(error->pfn - PFN_DOWN(BASE));
	assert_true(culprit < PAGES && contents[culprit] >= PINNED);
	berth_cma_stats(cma, &stats);
	if (contents[culprit] == UNMOVABLE)
		assert_string_equal(error->holder, "a reference to the page");
	else if (stats.pins_unnamed == 0)
		assert_string_equal(error->holder, "display");
	is_named = !strcmp(error->holder, "display");
	assert_int_equal(berth_cma_explain(cma, count, align, &report), 0);
	assert_int_equal(report.verdict, BERTH_CMA_BLOCKED);
	assert_int_equal(report.pfn, error->pfn);
	assert_int_equal(report.since_ns, error->since_ns);
	assert_int_equal(report.since_ns != 0, is_named);
}

static void check_success(struct page *page, unsigned int count, unsigned int align,
			  unsigned int moved, unsigned int dropped)
{
	unsigned int first = (unsigned int)(page_to_pfn(page) - PFN_DOWN(BASE));

	assert_int_equal(page_to_pfn(page) % (1u << align), 0);
	assert_int_equal(fake_tenant.moved, moved);
	assert_int_equal(fake_tenant.dropped, dropped);
	assert_int_equal(fake_tenant.isolated, moved + dropped);
	for (unsigned int n = 0; n < PAGES; n++) {
		bool is_inside = n >= first && n < first + count;

		if (handles[n] < 0)
			continue;
		if (is_inside)
			assert_ptr_not_equal(fake_object_page(handles[n]), page_at(n));
		else
			assert_ptr_equal(fake_object_page(handles[n]), page_at(n));
		assert_true(fake_object_is_right(handles[n]));
	}
	for (unsigned int n = first; n < first + count; n++) {
		assert_int_equal(page_at(n)->flags, PG_CMA);
		assert_int_equal(page_count(page_at(n)), 1);
	}
	memset(page_address(page), 0x11, count * PAGE_SIZE);
}

static void try_layout(unsigned int *nr_failed)
{
	/* Free, clean, movable, pinned in percent; the rest is unmovable. */
	static const unsigned int weights[][5] = {
		{ 30, 30, 38, 1, 1 },	{ 5, 5, 88, 2, 0 },   { 20, 60, 20, 0, 0 },
		{ 25, 25, 30, 10, 10 }, { 60, 10, 28, 1, 1 }, { 0, 10, 90, 0, 0 },
	};
	unsigned int count = 1 + fake_random(fake_random(2) ? 40 : PAGES), moved = 0, dropped = 0;
	unsigned int align = fake_random(2) ? 0 : fake_random(10);
	struct berth_cma_report report;
	uint64_t before;
	struct page *page;

	lay_out(weights[fake_random(ARRAY_SIZE(weights))]);
	fake_tenant.moved = fake_tenant.dropped = fake_tenant.isolated = 0;
	before = snapshot();
	if (!search_all(count, align, &moved, &dropped)) {
		assert_null(cma_alloc(cma, count, align, true));
		if (count <= PAGES - (1u << align) || align == 0)
			check_failure(count, align, before);
		assert_int_equal(fake_tenant.isolated, 0);
		(*nr_failed)++;
		clear_layout();
		return;
	}
	assert_int_equal(berth_cma_explain(cma, count, align, &report), 0);
	assert_int_equal(report.verdict, BERTH_CMA_FITS);
	assert_int_equal(report.to_move, moved);
	assert_int_equal(report.to_drop, dropped);
	page = cma_alloc(cma, count, align, true);
	assert_non_null(page);
	check_success(page, count, align, moved, dropped);
	assert_int_equal(page_to_pfn(page), report.window);
	assert_true(cma_release(cma, page, count));
	clear_layout();
}

static void the_window_costs_least(void **state)
{
	unsigned int nr_failed = 0;
	uint64_t before;

	(void)state;
	start_area(0, false);
	memset(handles, 0xff, sizeof(handles));
	before = fake_free_hash();
	fake_seed(1);
	for (unsigned int i = 0; i < NR_LAYOUTS; i++) {
		try_layout(&nr_failed);
		if (i % 500 == 0) {
			fake_check_zones();
			assert_int_equal(fake_free_hash(), before);
		}
	}
	assert_true(nr_failed > NR_LAYOUTS / 20 && nr_failed < NR_LAYOUTS / 2);
	assert_int_equal(fake_free_hash(), before);
	fake_check_zones();
	assert_int_equal(berth_mm_leaked(), 0);
	fake_stop();
}

/* 90 % of memory is free, 30 % of it is asked for: once without an area, once with. */
static void the_documents_case(void **state)
{
	static const struct berth_range ram = { 0x80000000, 16 * MIB };
	static int objects[4096];
	unsigned int wanted = 4096 * 3 / 10, nr = 0;
	struct page *page;

	(void)state;
	for (unsigned int with_area = 0; with_area < 2; with_area++) {
		fake_ram(&ram, 1);
		fake_tenant_reset();
		if (with_area) {
			assert_int_equal(memblock_reserve(0x80400000, 6 * MIB), 0);
			assert_int_equal(cma_init_reserved_mem(0x80400000, 6 * MIB, 0, "cma", &cma),
					 0);
		}
		assert_int_equal(berth_mm_start(), 0);
		assert_int_equal(berth_tenant_register(&fake_full_ops), 0);
		/* The tenants fill memory, then 9 of 10 pages are free again, everywhere. */
		for (nr = 0; (objects[nr] = fake_object_new(&fake_full_ops, 0)) >= 0;)
			nr++;
		for (unsigned int i = 0; i < nr; i++)
			if (i % 10) {
				fake_object_free(objects[i]);
				objects[i] = -1;
			}
		if (!with_area) {
			assert_null(alloc_pages(0, get_order((uint64_t)wanted * PAGE_SIZE)));
			assert_null(alloc_pages(0, 8)); /* nor even a MiB of it */
		} else {
			page = cma_alloc(cma, wanted, 0, false);
			assert_non_null(page);
			assert_true(fake_tenant.moved > 100);
			memset(page_address(page), 0, wanted * PAGE_SIZE);
			for (unsigned int i = 0; i < nr; i += 10)
				assert_true(fake_object_is_right(objects[i]));
			assert_true(cma_release(cma, page, wanted));
		}
		for (unsigned int i = 0; i < nr; i += 10)
			fake_object_free(objects[i]);
		fake_check_zones();
		assert_int_equal(berth_mm_leaked(), 0);
		fake_stop();
	}
}

/* Fill memory outside the area, so that @left pages of it are free. */
static unsigned int fill_memory(struct page **hogs, unsigned int max, unsigned int left)
{
	unsigned int nr = 0;

	while (nr < max && (hogs[nr] = alloc_page(0)))
		nr++;
	assert_true(nr < max && nr > left);
	for (unsigned int i = 0; i < left; i++)
		__free_page(hogs[--nr]);
	berth_clear_error();
	return nr;
}

static void nothing_moves_without_room(void **state)
{
	static const unsigned int all_movable[] = { 0, 0, 100, 0, 0 };
	static struct page *hogs[8192];
	struct berth_cma_report report;
	struct page *page;
	char text[1000];
	uint64_t before;
	unsigned int nr;
	int clean[20];

	(void)state;
	start_area(0, false);
	memset(handles, 0xff, sizeof(handles));
	fake_seed(2);
	lay_out(all_movable);
	for (unsigned int i = 0; i < ARRAY_SIZE(clean); i++)
		clean[i] = fake_object_new(&fake_full_ops, BERTH_GFP_CLEAN);
	nr = fill_memory(hogs, ARRAY_SIZE(hogs), 10);
	before = snapshot();
	assert_null(cma_alloc(cma, 31, 0, true)); /* 10 free, 20 clean */
	assert_int_equal(berth_last_error()->reason, BERTH_REASON_NO_ROOM);
	assert_int_equal(berth_last_error()->length, 31 * PAGE_SIZE);
	assert_int_equal(berth_last_error()->limit, 30 * PAGE_SIZE);
	assert_int_equal(snapshot(), before);
	assert_int_equal(fake_tenant.moved + fake_tenant.dropped, 0);
	assert_int_equal(berth_cma_explain(cma, 31, 0, &report), 0);
	assert_int_equal(report.verdict, BERTH_CMA_NO_ROOM);
	assert_int_equal(report.to_move, 31);
	assert_int_equal(report.room, 30);
	berth_cma_report_text(&report, text, sizeof(text));
	assert_non_null(strstr(text, "31 pages are in the way"));

	page = cma_alloc(cma, 30, 0, true);
	assert_non_null(page);
	assert_int_equal(fake_tenant.moved, 30);
	assert_int_equal(fake_tenant.dropped, 20);
	assert_true(cma_release(cma, page, 30));

	fake_tenant.swap_slots = 100;
	before = snapshot();
	/* 30 are free now. Every other of the rest has a tenant that writes nothing away. */
	assert_null(cma_alloc(cma, 80, 0, true));
	assert_int_equal(berth_last_error()->reason, BERTH_REASON_NO_ROOM);
	assert_int_equal(berth_last_error()->limit, 25 * PAGE_SIZE);
	assert_int_equal(snapshot(), before);
	for (unsigned int i = 0; i < 25; i++)
		__free_page(hogs[--nr]);
	page = cma_alloc(cma, 80, 0, true);
	assert_non_null(page);
	assert_int_equal(fake_tenant.moved, 30 + 25);
	assert_int_equal(fake_tenant.written, 25);
	assert_int_equal(fake_tenant.swap_slots, 75);
	assert_true(cma_release(cma, page, 80));
	while (nr--)
		__free_page(hogs[nr]);
	for (unsigned int i = 0; i < ARRAY_SIZE(clean); i++)
		fake_object_free(clean[i]);
	clear_layout();
	fake_check_zones();
	assert_int_equal(berth_mm_leaked(), 0);
	fake_stop();
}

static void guaranteed_areas_never_copy(void **state)
{
	static int objects[8192];
	struct page *page, *pinned;
	unsigned int nr = 0;
	bool guaranteed_used = false;

	(void)state;
	start_area(0, true);
	/* What is dirty, or cannot be dropped, does not get in even if nothing else is left. */
	while ((objects[nr] = fake_object_new(nr % 2 ? &fake_full_ops : &fake_plain_ops,
					      nr % 2 ? 0 : BERTH_GFP_CLEAN)) >= 0)
		nr++;
	for (unsigned int i = 0; i < PAGES; i++)
		assert_int_equal(page_state(page_at(i)) == PG_USED, false);
	while (nr)
		fake_object_free(objects[--nr]);
	while ((objects[nr] = fake_object_new(&fake_full_ops, BERTH_GFP_CLEAN)) >= 0)
		nr++;
	for (unsigned int i = 0; i < PAGES; i++)
		guaranteed_used |= PageMovable(page_at(i));
	assert_true(guaranteed_used);
	assert_true(nr > 4000);

	/* A pin, even a short one, moves the page out; so does becoming dirty. */
	for (unsigned int i = 0; i < nr; i++)
		if (fake_object_page(objects[i]) == page_at(5)) {
			assert_false(berth_set_page_clean(page_at(5), false));
			assert_true(berth_page_is_clean(page_at(5)));
			pinned = fake_object_get(objects[i]);
			assert_int_equal(pin_pages(&pinned, 1, 0, "nvme"), 0);
			assert_ptr_equal(pinned, fake_object_page(objects[i]));
			assert_ptr_not_equal(pinned, page_at(5));
			assert_int_equal(page_count(pinned), 2 + PAGE_PIN_BIAS);
			assert_true(berth_set_page_clean(pinned, false));
			unpin_user_page(pinned);
			put_page(pinned);
		}
	fake_tenant.moved = 0;
	page = cma_alloc(cma, PAGES, 0, false);
	assert_non_null(page);
	assert_int_equal(fake_tenant.moved, 0);
	assert_true(cma_release(cma, page, PAGES));
	while (nr)
		fake_object_free(objects[--nr]);
	fake_check_zones();
	assert_int_equal(berth_mm_leaked(), 0);
	fake_stop();
}

/* A page that is in use for the moment is waited for, and left alone if it stays in use. */
static void held_pages(void **state)
{
	struct berth_cma_stats stats;
	struct page *held, *page;
	uint64_t before;

	(void)state;
	start_area(0, false);
	memset(handles, 0xff, sizeof(handles));
	for (unsigned int n = 0; n < PAGES; n++)
		take_page(n, MOVABLE);
	held = fake_object_get(handles[500]);
	before = snapshot();
	assert_null(cma_alloc(cma, 600, 0, true));
	assert_int_equal(berth_last_error()->reason, BERTH_REASON_PAGE_BUSY);
	assert_int_equal(berth_last_error()->pfn, page_to_pfn(held));
	assert_string_equal(berth_last_error()->holder, "full");
	assert_int_equal(snapshot(), before);
	assert_int_equal(fake_tenant.moved, 0);
	page = cma_alloc(cma, 523, 0, true); /* the place behind it */
	assert_ptr_equal(page, held + 1);
	assert_true(cma_release(cma, page, 523));
	put_page(held);
	/* A tenant that refuses some times is asked again. */
	fake_tenant.refuse_isolate = 5;
	fake_tenant.refuse_move = 5;
	fake_clock_step = 1; /* however long it is kept waiting here */
	page = cma_alloc(cma, PAGES, 0, true);
	fake_clock_step = 0;
	assert_non_null(page);
	assert_true(cma_release(cma, page, PAGES));
	berth_cma_stats(cma, &stats);
	assert_int_equal(stats.migrated, PAGES);
	assert_int_equal(fake_tenant.moved, PAGES);
	assert_true(stats.retries > 0 && stats.time_ns >= stats.time_max_ns);
	clear_layout();
	fake_check_zones();
	assert_int_equal(berth_mm_leaked(), 0);
	fake_stop();
}

/* Of a clean page that its tenant keeps all the same, a copy is made. */
static void a_clean_page_that_is_kept(void **state)
{
	struct page *page;

	(void)state;
	start_area(0, false);
	memset(handles, 0xff, sizeof(handles));
	for (unsigned int n = 0; n < PAGES; n++)
		take_page(n, CLEAN);
	fake_tenant.refuse_reclaim = 7;
	page = cma_alloc(cma, PAGES, 0, true);
	assert_non_null(page);
	assert_int_equal(fake_tenant.dropped, PAGES - 7);
	assert_int_equal(fake_tenant.moved, 7);
	assert_true(cma_release(cma, page, PAGES));
	clear_layout();
	fake_stop();
}

/* Every allocation on the way fails once. */
static void fail_the_nth(void **state)
{
	static const unsigned int weights[] = { 10, 20, 70, 0, 0 };
	uint64_t nth, before;
	struct page *page;

	(void)state;
	start_area(0, false);
	memset(handles, 0xff, sizeof(handles));
	fake_seed(3);
	lay_out(weights);
	for (nth = 1; nth < 2000; nth++) {
		before = snapshot();
		berth_test_fail_nth(nth);
		page = cma_alloc(cma, 300, 0, true);
		if (!berth_test_failed())
			break;
		berth_test_fail_nth(0);
		if (!page)
			assert_int_equal(snapshot(), before);
		else
			assert_true(cma_release(cma, page, 300));
		for (unsigned int n = 0; n < PAGES; n++)
			if (handles[n] >= 0)
				assert_true(fake_object_is_right(handles[n]));
		clear_layout();
		lay_out(weights);
	}
	berth_test_fail_nth(0);
	assert_true(nth > 20 && nth < 2000);
	assert_non_null(page);
	assert_true(cma_release(cma, page, 300));
	clear_layout();
	fake_check_zones();
	assert_int_equal(berth_mm_leaked(), 0);
	fake_stop();
}

/* Units of several pages: windows start at units, and what lies in the last one is not touched. */
static void units_of_several_pages(void **state)
{
	struct page *page;

	(void)state;
	start_area(3, false);
	memset(handles, 0xff, sizeof(handles));
	for (unsigned int n = 0; n < PAGES; n++)
		if (n % 16 != 3)
			take_page(n, MOVABLE);
	page = cma_alloc(cma, 5, 0, true);
	assert_int_equal(page_to_pfn(page) % 16, 0);
	assert_int_equal(fake_tenant.moved, 4);
	assert_ptr_equal(fake_object_page(handles[5]), page_at(5));
	assert_true(cma_release(cma, page, 5));
	clear_layout();
	fake_stop();
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_window_costs_least),
		cmocka_unit_test(the_documents_case),
		cmocka_unit_test(nothing_moves_without_room),
		cmocka_unit_test(guaranteed_areas_never_copy),
		cmocka_unit_test(held_pages),
		cmocka_unit_test(a_clean_page_that_is_kept),
		cmocka_unit_test(fail_the_nth),
		cmocka_unit_test(units_of_several_pages),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
