// SPDX-License-Identifier: BSD-2-Clause
/* Reclaim: which pages tenants give up, when, and for whom. */
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
#include <berth/spinlock.h>
#include <berth/test.h>

#include "fake_port.h"
#include "fake_tenant.h"
#include "mm/internal.h"

#define MIB (1ULL << 20)
#define AREA 0x80400000ULL
#define AREA_PAGES 1024u

static const struct berth_range bank = { 0x80000000, 24 * MIB };
static struct cma *cma;
static int objects[FAKE_MAX_OBJECTS];
static unsigned int nr_objects;
static struct page *hogs[8192];
static unsigned int nr_hogs;
static uint64_t hash_at_start;

static int start(void **state)
{
	(void)state;
	fake_ram(&bank, 1);
	fake_tenant_reset();
	nr_objects = nr_hogs = 0;
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
	while (nr_objects)
		fake_object_free(objects[--nr_objects]);
	while (nr_hogs)
		__free_page(hogs[--nr_hogs]);
	berth_slab_shrink();
	assert_int_equal(berth_mm_leaked(), 0);
	fake_check_zones();
	assert_int_equal(fake_free_hash(), hash_at_start);
	fake_stop();
	return 0;
}

static bool in_area(const struct page *page)
{
	return page_to_pfn(page) - PFN_DOWN(AREA) < AREA_PAGES;
}

/* So many objects in pages of no area. */
static void add_objects(const struct movable_operations *ops, unsigned int nr, bool clean)
{
	while (nr--)
		objects[nr_objects++] = fake_object_adopt(ops, alloc_page(__GFP_MOVABLE), clean);
}

/* A tenant's page at this place. */
static int object_at(uint64_t pfn, bool clean)
{
	uint64_t busy;

	assert_int_equal(berth_take_free_range(pfn, 1, PG_USED, &busy), 0);
	return fake_object_adopt(&fake_full_ops, pfn_to_page(pfn), clean);
}

/* Nothing is left but what tenants have, and the area. */
static void fill_memory(void)
{
	while ((hogs[nr_hogs] = alloc_page(GFP_ATOMIC)))
		nr_hogs++;
	assert_int_equal(berth_last_error()->reason, BERTH_REASON_OUT_OF_MEMORY);
	berth_clear_error();
}

static unsigned int nr_present(unsigned int first, unsigned int nr)
{
	unsigned int present = 0;

	for (unsigned int i = first; i < first + nr; i++)
		present += fake_object_page(objects[i]) != NULL;
	return present;
}

static struct page *hog(gfp_t gfp)
{
	struct page *page = alloc_page(gfp);

	if (page)
		hogs[nr_hogs++] = page;
	return page;
}

static void clean_pages_go_before_dirty_ones(void **state)
{
	(void)state;
	add_objects(&fake_full_ops, 100, false);
	add_objects(&fake_full_ops, 100, true);
	fake_tenant.swap_slots = 60;
	fill_memory();
	assert_int_equal(nr_present(0, 200), 200);
	for (unsigned int i = 0; i < 100; i++)
		assert_non_null(hog(GFP_KERNEL));
	assert_int_equal(fake_tenant.written, 0);
	assert_int_equal(fake_tenant.dropped, 100);
	assert_int_equal(berth_last_error()->code, 0);
	/* As many as can be written, and no more. */
	for (unsigned int i = 0; i < 60; i++)
		assert_non_null(hog(GFP_KERNEL));
	assert_int_equal(fake_tenant.written, 60);
	assert_null(hog(GFP_KERNEL));
	assert_int_equal(berth_last_error()->reason, BERTH_REASON_OUT_OF_MEMORY);
	assert_int_equal(nr_present(0, 100), 40);
	for (unsigned int i = 0; i < 200; i++)
		assert_true(fake_object_is_right(objects[i]));
}

static void atomic_allocations_reclaim_nothing(void **state)
{
	(void)state;
	add_objects(&fake_full_ops, 100, true);
	fill_memory();
	assert_null(hog(GFP_ATOMIC));
	assert_null(kmalloc(100000, GFP_ATOMIC));
	assert_int_equal(berth_reclaim(GFP_ATOMIC, 10), 0);
	assert_int_equal(nr_present(0, 100), 100);
	assert_int_equal(fake_tenant.isolated, 0);
}

static void what_was_used_has_a_second_chance(void **state)
{
	const uint64_t first = PFN_DOWN(AREA) + AREA_PAGES + 300;

	(void)state;
	/* The hand is in front of them. */
	objects[0] = object_at(first - 1, true);
	assert_int_equal(berth_reclaim(GFP_KERNEL, 1), 1);
	fake_object_free(objects[0]);
	while (nr_objects < 100) {
		objects[nr_objects] = object_at(first + nr_objects, true);
		nr_objects++;
	}
	for (unsigned int i = 0; i < 100; i += 2)
		mark_page_accessed(fake_object_page(objects[i]));
	assert_int_equal(berth_reclaim(GFP_KERNEL, 50), 50);
	for (unsigned int i = 0; i < 100; i++)
		assert_int_equal(fake_object_page(objects[i]) != NULL, i % 2 == 0);
	/* The hand has passed them: some are used again, and those stay. */
	for (unsigned int i = 0; i < 100; i += 4)
		mark_page_accessed(fake_object_page(objects[i]));
	assert_int_equal(berth_reclaim(GFP_KERNEL, 25), 25);
	for (unsigned int i = 0; i < 100; i++)
		assert_int_equal(fake_object_page(objects[i]) != NULL, i % 4 == 0);
	/* One chance, and dirty pages that were not used do not go for those that were. */
	add_objects(&fake_full_ops, 25, false);
	fake_tenant.swap_slots = 100;
	assert_int_equal(berth_reclaim(GFP_KERNEL, 25), 25);
	assert_int_equal(nr_present(0, 100), 0);
	assert_int_equal(nr_present(100, 25), 25);
	/* The same among dirty ones. */
	for (unsigned int i = 100; i < 110; i++)
		mark_page_accessed(fake_object_page(objects[i]));
	assert_int_equal(berth_reclaim(GFP_KERNEL, 15), 15);
	assert_int_equal(nr_present(100, 10), 10);
	assert_int_equal(berth_reclaim(GFP_KERNEL, 100), 10);
	assert_int_equal(berth_reclaim(GFP_KERNEL, 100), 0);
}

static void a_mark_is_for_tenants_pages_only(void **state)
{
	struct page *page = alloc_page(0);
	uint32_t flags = page_flags(page);

	(void)state;
	mark_page_accessed(page);
	assert_int_equal(page_flags(page), flags);
	__SetPageMovable(page, &fake_plain_ops);
	mark_page_accessed(page);
	assert_true(page_flags(page) & PG_REFERENCED);
	__ClearPageMovable(page);
	assert_int_equal(page_flags(page), PG_USED);
	__free_page(page);
	mark_page_accessed(page);
	assert_false(page_flags(page) & PG_REFERENCED);
}

static void pages_in_use_stay(void **state)
{
	struct page *held;

	(void)state;
	add_objects(&fake_full_ops, 3, true);
	add_objects(&fake_plain_ops, 3, false);
	fake_tenant.swap_slots = 100;
	held = fake_object_get(objects[1]);
	assert_int_equal(berth_isolate_page(fake_object_page(objects[2]), 0, MIGRATE_SYNC), 0);
	assert_int_equal(berth_reclaim(GFP_KERNEL, 100), 1);
	assert_int_equal(nr_present(0, 6), 5);
	put_page(held);
	berth_putback_page(fake_object_page(objects[2]));
	/* A tenant that refuses loses nothing. */
	fake_tenant.refuse_isolate = 2;
	assert_int_equal(berth_reclaim(GFP_KERNEL, 1), 1);
	fake_tenant.refuse_isolate = 0;
	fake_tenant.refuse_reclaim = 2;
	assert_int_equal(berth_reclaim(GFP_KERNEL, 1), 0);
	assert_int_equal(fake_tenant.refuse_reclaim, 0);
	assert_int_equal(fake_tenant.put_back, 3);
	assert_int_equal(berth_reclaim(GFP_KERNEL, 1), 1);
}

/* Writing fails for all: it is not tried for every page. */
static void a_broken_disk_is_given_up(void **state)
{
	(void)state;
	add_objects(&fake_full_ops, 2000, false);
	fake_tenant.swap_slots = 5000;
	fake_tenant.refuse_reclaim = 100000;
	fill_memory();
	assert_null(hog(GFP_KERNEL));
	assert_int_equal(berth_last_error()->reason, BERTH_REASON_OUT_OF_MEMORY);
	assert_in_range(100000 - fake_tenant.refuse_reclaim, 1, 64);
	fake_tenant.refuse_reclaim = 0;
	assert_non_null(hog(GFP_KERNEL));
}

static void pages_of_areas_help_tenants_only(void **state)
{
	int object;

	(void)state;
	for (unsigned int i = 0; i < AREA_PAGES / 2; i++) {
		objects[nr_objects++] = object_at(PFN_DOWN(AREA) + i, true);
	}
	fill_memory();
	assert_null(hog(GFP_KERNEL));
	assert_null(hog(GFP_KERNEL | __GFP_MOVABLE));
	assert_int_equal(berth_reclaim(GFP_KERNEL, 10), 0);
	assert_int_equal(nr_present(0, AREA_PAGES / 2), AREA_PAGES / 2);
	/* Nor do pages that the allocation could not use. */
	assert_int_equal(berth_reclaim(GFP_KERNEL | GFP_DMA | __GFP_MOVABLE, 10), 0);
	while ((object = fake_object_new(&fake_full_ops, GFP_ATOMIC)) >= 0)
		objects[nr_objects++] = object;
	assert_int_equal(nr_objects, AREA_PAGES);
	object = fake_object_new(&fake_full_ops, GFP_KERNEL);
	assert_true(object >= 0);
	assert_true(in_area(fake_object_page(object)));
	assert_int_equal(fake_tenant.dropped, BERTH_MIGRATE_BATCH);
	fake_object_free(object);
	assert_int_equal(berth_reclaim(GFP_KERNEL | __GFP_MOVABLE, 10), 10);
}

static void page_blocks_being_emptied_are_left_alone(void **state)
{
	uint64_t first = PFN_DOWN(AREA) + AREA_PAGES + 512, busy;

	(void)state;
	for (unsigned int i = 0; i < 8; i++) {
		objects[nr_objects++] = object_at(first + i, true);
	}
	assert_int_equal(berth_isolate_blocks(first, 1, false, &busy), 0);
	assert_int_equal(berth_reclaim(GFP_KERNEL, 10), 0);
	berth_unisolate_blocks(first, 1);
	assert_int_equal(berth_reclaim(GFP_KERNEL, 10), 8);
}

static void kmalloc_and_blocks_of_pages_reclaim(void **state)
{
	struct page *block;
	void *small, *large;

	(void)state;
	add_objects(&fake_full_ops, 3000, true);
	fill_memory();
	small = kmalloc(200, GFP_KERNEL);
	assert_non_null(small);
	large = kmalloc(100000, GFP_KERNEL);
	assert_non_null(large);
	block = alloc_pages(GFP_KERNEL, 3);
	assert_non_null(block);
	assert_int_equal(berth_last_error()->code, 0);
	/* A block that cannot come about does not cost tenants all that they have. */
	assert_null(alloc_pages(GFP_KERNEL, 10));
	assert_true(nr_present(0, 3000) > 1000);
	kfree(small);
	kfree(large);
	__free_pages(block, 3);
}

/* A tenant that allocates while it gives a page up, and whose pages have one lock. */
static struct page *own_page;
static spinlock_t tenant_lock;
static unsigned int depth, deepest, nr_calls, nr_inner_failures;

static bool locking_isolate(struct page *page, unsigned int mode)
{
	assert_int_equal(mode, MIGRATE_ASYNC);
	if (!spin_trylock(&tenant_lock))
		return false;
	spin_unlock(&tenant_lock);
	return page == own_page;
}

static int never_move(struct page *dst, struct page *src, enum migrate_mode mode)
{
	(void)dst;
	(void)src;
	(void)mode;
	return -EAGAIN;
}

static void no_putback(struct page *page)
{
	(void)page;
}

static bool greedy_reclaim(struct page *page)
{
	struct page *inner;

	(void)page;
	nr_calls++;
	if (++depth > deepest)
		deepest = depth;
	inner = alloc_page(GFP_KERNEL);
	nr_inner_failures += !inner;
	if (inner)
		hogs[nr_hogs++] = inner;
	depth--;
	own_page = NULL;
	return true;
}

static const struct movable_operations greedy_ops = {
	.isolate_page = locking_isolate,
	.migrate_page = never_move,
	.putback_page = no_putback,
	.name = "greedy",
	.reclaim_page = greedy_reclaim,
};

static void reclaim_does_not_enter_itself(void **state)
{
	(void)state;
	depth = deepest = nr_calls = nr_inner_failures = 0;
	own_page = alloc_page(0);
	__SetPageMovable(own_page, &greedy_ops);
	assert_true(berth_set_page_clean(own_page, true));
	add_objects(&fake_full_ops, 1, true);
	mark_page_accessed(fake_object_page(objects[0]));
	fill_memory();
	/* Somebody has the tenant's lock, the allocating thread perhaps: nobody waits. */
	spin_lock(&tenant_lock);
	assert_int_equal(berth_reclaim(GFP_KERNEL, 1), 1);
	spin_unlock(&tenant_lock);
	assert_non_null(own_page);
	assert_int_equal(nr_present(0, 1), 0);
	/* There is a page that the inner allocation could have, if it looked for one. */
	add_objects(&fake_full_ops, 1, true);
	mark_page_accessed(fake_object_page(objects[1]));
	assert_null(hog(GFP_ATOMIC));
	berth_clear_error();
	assert_non_null(hog(GFP_KERNEL));
	assert_int_equal(nr_calls, 1);
	assert_int_equal(deepest, 1);
	assert_int_equal(nr_inner_failures, 1);
	/* The inner failure is not the outer call's. */
	assert_int_equal(berth_last_error()->code, 0);
}

static void every_allocation_can_fail(void **state)
{
	bool has_failed;
	unsigned int nth = 0;

	(void)state;
	do {
		unsigned int held, nr_failed = 0;
		void *object;
		int more;

		add_objects(&fake_full_ops, 200, true);
		fill_memory();
		held = nr_hogs;
		berth_test_fail_nth(++nth);
		nr_failed += !hog(GFP_KERNEL);
		object = kmalloc(300, GFP_KERNEL);
		nr_failed += !object;
		more = fake_object_new(&fake_full_ops, GFP_KERNEL);
		nr_failed += more < 0;
		has_failed = berth_test_failed();
		berth_test_fail_nth(0);
		assert_true(nr_failed <= has_failed);
		if (nr_failed)
			assert_int_equal(berth_last_error()->reason, BERTH_REASON_OUT_OF_MEMORY);
		kfree(object);
		if (more >= 0)
			fake_object_free(more);
		assert_true(nr_hogs <= held + 1);
		while (nr_objects)
			fake_object_free(objects[--nr_objects]);
		while (nr_hogs)
			__free_page(hogs[--nr_hogs]);
		berth_slab_shrink();
		assert_int_equal(berth_mm_leaked(), 0);
	} while (has_failed);
	assert_true(nth > 4);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, start, stop)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(clean_pages_go_before_dirty_ones),
		TEST(atomic_allocations_reclaim_nothing),
		TEST(what_was_used_has_a_second_chance),
		TEST(a_mark_is_for_tenants_pages_only),
		TEST(pages_in_use_stay),
		TEST(a_broken_disk_is_given_up),
		TEST(pages_of_areas_help_tenants_only),
		TEST(page_blocks_being_emptied_are_left_alone),
		TEST(kmalloc_and_blocks_of_pages_reclaim),
		TEST(reclaim_does_not_enter_itself),
		TEST(every_allocation_can_fail),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
