// SPDX-License-Identifier: BSD-2-Clause
/*
 * Every public call of the memory headers, with its first, second, ... allocation failing until none
 * is left to fail. A call that fails says why and leaves everything as it was; one that copes is
 * undone, and then nothing is missing. A new header adds its calls to the table at the end.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include <berth/cma.h>
#include <berth/error.h>
#include <berth/gfp.h>
#include <berth/io.h>
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
#define OUTSIDE (PFN_DOWN(AREA) + AREA_PAGES + 300)
#define NR_OBJECTS 120u
#define MAX_NTH 2000u

static const struct berth_range bank = { 0x80000000, 16 * MIB };
static struct cma *cma;

/* Tenants' pages, every other one clean, at every third page from some place on. */
static int objects[NR_OBJECTS];
static struct page *places[NR_OBJECTS];
static bool has_objects;

/* What a call is given and what it has returned. */
static struct page *page;
static void *bytes;
static phys_addr_t phys;

/*
 * struct call - a row of the table
 * @points: so many allocations at least can fail in it
 * @run: the call; false if it failed
 * @undo: what gives back what it took, if anything
 * @prepare: what comes before it, @clean_up: what is left to do after it, with or without success
 * @at: where tenants' pages are in its way, or 0
 * @is_early: before the page allocator is there
 */
struct call {
	const char *name;
	unsigned int points;
	bool (*run)(void);
	void (*undo)(void);
	void (*prepare)(void);
	void (*clean_up)(void);
	uint64_t at;
	bool is_early;
};

/* gfp.h */

static bool run_alloc_pages(void)
{
	return (page = alloc_pages(GFP_KERNEL, 3));
}

static bool run_pages_below(void)
{
	return (page = berth_alloc_pages_below(__GFP_ZERO, 3, 0x80800000 - 1));
}

static void undo_pages(void)
{
	__free_pages(page, 3);
}

static bool run_alloc_page(void)
{
	return (page = alloc_page(__GFP_MOVABLE));
}

static void undo_page(void)
{
	__free_page(page);
}

static bool run_get_free_pages(void)
{
	return (bytes = (void *)__get_free_pages(GFP_KERNEL, 3));
}

static void undo_free_pages(void)
{
	free_pages((unsigned long)bytes, 3);
}

static bool run_get_zeroed_page(void)
{
	return (bytes = (void *)get_zeroed_page(0));
}

static void undo_zeroed_page(void)
{
	free_pages((unsigned long)bytes, 0);
}

static void prepare_pages(void)
{
	page = alloc_pages(0, 3);
}

static bool run_split_page(void)
{
	split_page(page, 3);
	return page_count(page + 7) == 1;
}

static void clean_up_range(void)
{
	free_contig_range(page_to_pfn(page), 8);
}

static bool run_free_pages(void)
{
	__free_pages(page, 3);
	return !page_count(page);
}

static bool run_contig_range(void)
{
	return !alloc_contig_range(OUTSIDE, OUTSIDE + 3 * NR_OBJECTS, MIGRATE_MOVABLE, GFP_KERNEL);
}

static void undo_contig_range(void)
{
	free_contig_range(OUTSIDE, 3 * NR_OBJECTS);
}

static bool run_contig_pages(void)
{
	return (page = alloc_contig_pages(1800, GFP_KERNEL));
}

static void undo_contig_pages(void)
{
	free_contig_range(page_to_pfn(page), 1800);
}

/* mm.h */

static bool run_get_page(void)
{
	get_page(page + 1);
	return page_count(page) == 2;
}

static void undo_get_page(void)
{
	put_page(page);
}

static void clean_up_pages(void)
{
	__free_pages(page, 3);
}

static bool run_info(void)
{
	struct berth_memory_info info;

	berth_memory_info(&info);
	return info.total == bank.size && berth_page_use(PFN_DOWN(AREA)) == BERTH_PAGE_FREE_CMA;
}

/* slab.h */

static bool run_kmalloc(void)
{
	return (bytes = kmalloc(100, GFP_KERNEL));
}

static bool run_kmalloc_large(void)
{
	return (bytes = kmalloc(100000, GFP_KERNEL));
}

static bool run_kzalloc(void)
{
	return (bytes = kzalloc(6000, GFP_ATOMIC));
}

static bool run_kcalloc(void)
{
	return (bytes = kcalloc(10, 100, GFP_KERNEL));
}

static bool run_kstrdup(void)
{
	return (bytes = kstrdup("berth", GFP_KERNEL));
}

static void prepare_kmalloc(void)
{
	bytes = kmalloc(300, 0);
}

static bool run_kfree(void)
{
	bool was_there = ksize(bytes) >= 300;

	kfree(bytes);
	return was_there && !ksize(bytes);
}

static void undo_kmalloc(void)
{
	kfree(bytes);
}

/* cma.h */

static bool run_cma_alloc(void)
{
	return (page = cma_alloc(cma, AREA_PAGES, 0, false));
}

static void undo_cma_alloc(void)
{
	assert_true(cma_release(cma, page, AREA_PAGES));
}

static void prepare_cma(void)
{
	page = cma_alloc(cma, 10, 0, false);
}

static bool run_cma_release(void)
{
	return cma_release(cma, page, 10);
}

static bool run_cma_explain(void)
{
	struct berth_cma_report report;
	struct berth_cma_stats stats;
	char text[1000];

	berth_cma_stats(cma, &stats);
	return !berth_cma_explain(cma, AREA_PAGES, 0, &report) &&
	       berth_cma_report_text(&report, text, sizeof(text)) < sizeof(text);
}

static void prepare_early(void)
{
	assert_int_equal(memblock_reserve(0x80c00000, 2 * MIB), 0);
}

static bool run_cma_init(void)
{
	struct cma *other;

	return !cma_init_reserved_mem(0x80c00000, 2 * MIB, 0, "other", &other);
}

/* migrate.h */

static const struct movable_operations *third(void)
{
	static struct movable_operations ops;

	ops = fake_plain_ops;
	return &ops;
}

static bool run_register(void)
{
	return !berth_tenant_register(third());
}

static void undo_register(void)
{
	assert_int_equal(berth_tenant_unregister(third()), 0);
}

static bool run_alloc_movable(void)
{
	return (page = berth_alloc_movable(&fake_full_ops, BERTH_GFP_CLEAN, 0));
}

static void prepare_page(void)
{
	page = alloc_page(0);
}

static bool run_set_movable(void)
{
	__SetPageMovable(page, &fake_full_ops);
	return berth_set_page_clean(page, true) && PageMovable(page);
}

static void undo_set_movable(void)
{
	__ClearPageMovable(page);
}

static void prepare_object(void)
{
	page = fake_object_get(objects[0]);
}

static bool run_move_page(void)
{
	return !berth_move_page(&page);
}

static bool run_pin(void)
{
	return !pin_pages(&page, 1, FOLL_LONGTERM, "test");
}

static void undo_pin(void)
{
	unpin_user_pages(&page, 1);
}

static void clean_up_object(void)
{
	put_page(page);
}

/* memblock.h */

static bool run_phys_alloc(void)
{
	return (phys = memblock_phys_alloc_range(PAGE_SIZE, 0, 0, MEMBLOCK_ALLOC_ANYWHERE));
}

static bool run_memblock_alloc(void)
{
	bytes = memblock_alloc(PAGE_SIZE, PAGE_SIZE);
	phys = bytes ? virt_to_phys(bytes) : 0;
	return bytes;
}

static void undo_phys_alloc(void)
{
	assert_int_equal(memblock_phys_free(phys, PAGE_SIZE), 0);
}

static bool run_memblock_lists(void)
{
	return !memblock_add(0x90000000, MIB) && !memblock_reserve(0x90000000, 4096) &&
	       !memblock_mark_nomap(0x90080000, 4096) && !memblock_phys_free(0x90000000, 4096) &&
	       !memblock_remove(0x90000000, MIB);
}

static bool run_start(void)
{
	int err = berth_mm_start();

	if (err)
		assert_int_equal(err, -ENOMEM);
	/* berth_mm_stop() is owed, whatever came of it. */
	berth_mm_stop();
	return !err;
}

/* io.h */

static bool run_ioremap(void)
{
	return (bytes = ioremap(0x1000, 4096));
}

static void undo_ioremap(void)
{
	iounmap(bytes);
}

#define CALL(text, nr, function, ...)                                    \
	{                                                                \
		.name = text, .points = nr, .run = function, __VA_ARGS__ \
	}
#define IN_AREA .at = PFN_DOWN(AREA) + 7
#define BESIDE .at = OUTSIDE + 1

static const struct call calls[] = {
	CALL("alloc_pages", 1, run_alloc_pages, .undo = undo_pages),
	CALL("berth_alloc_pages_below", 1, run_pages_below, .undo = undo_pages),
	CALL("alloc_page", 1, run_alloc_page, .undo = undo_page),
	CALL("__get_free_pages", 1, run_get_free_pages, .undo = undo_free_pages),
	CALL("get_zeroed_page", 1, run_get_zeroed_page, .undo = undo_zeroed_page),
	CALL("split_page", 0, run_split_page, .prepare = prepare_pages, .clean_up = clean_up_range),
	CALL("__free_pages", 0, run_free_pages, .prepare = prepare_pages),
	CALL("alloc_contig_range", 60, run_contig_range, .undo = undo_contig_range, BESIDE),
	CALL("alloc_contig_pages", 60, run_contig_pages, .undo = undo_contig_pages, BESIDE),
	CALL("get_page, put_page", 0, run_get_page, .undo = undo_get_page, .prepare = prepare_pages,
	     .clean_up = clean_up_pages),
	CALL("berth_memory_info, berth_page_use", 0, run_info),
	CALL("kmalloc", 3, run_kmalloc, .undo = undo_kmalloc),
	CALL("kmalloc, large", 2, run_kmalloc_large, .undo = undo_kmalloc),
	CALL("kzalloc", 3, run_kzalloc, .undo = undo_kmalloc),
	CALL("kcalloc", 3, run_kcalloc, .undo = undo_kmalloc),
	CALL("kstrdup", 3, run_kstrdup, .undo = undo_kmalloc),
	CALL("kfree, ksize", 0, run_kfree, .prepare = prepare_kmalloc),
	CALL("cma_alloc of an empty area", 1, run_cma_alloc, .undo = undo_cma_alloc),
	CALL("cma_alloc", 61, run_cma_alloc, .undo = undo_cma_alloc, IN_AREA),
	CALL("cma_release", 0, run_cma_release, .prepare = prepare_cma),
	CALL("berth_cma_explain", 0, run_cma_explain, IN_AREA),
	CALL("cma_init_reserved_mem", 0, run_cma_init, .prepare = prepare_early, .is_early = true),
	CALL("berth_tenant_register", 0, run_register, .undo = undo_register),
	CALL("berth_alloc_movable", 1, run_alloc_movable, .undo = undo_page),
	CALL("__SetPageMovable", 0, run_set_movable, .undo = undo_set_movable,
	     .prepare = prepare_page, .clean_up = undo_page),
	CALL("berth_move_page", 1, run_move_page, .prepare = prepare_object,
	     .clean_up = clean_up_object, IN_AREA),
	CALL("pin_pages", 1, run_pin, .undo = undo_pin, .prepare = prepare_object,
	     .clean_up = clean_up_object, IN_AREA),
	CALL("memblock_phys_alloc_range", 1, run_phys_alloc, .undo = undo_phys_alloc,
	     .is_early = true),
	CALL("memblock_alloc", 1, run_memblock_alloc, .undo = undo_phys_alloc, .is_early = true),
	CALL("memblock_add and kin", 0, run_memblock_lists, .is_early = true),
	CALL("the start", 2, run_start, .is_early = true),
	CALL("ioremap", 0, run_ioremap, .undo = undo_ioremap),
}; /* The machine, before each run. */

static void place_objects(uint64_t at)
{
	uint64_t busy;

	has_objects = true;
	for (unsigned int i = 0; i < NR_OBJECTS; i++) {
		struct page *place = pfn_to_page(at + 3 * i);

		assert_int_equal(berth_take_free_range(at + 3 * i, 1, PG_USED, &busy), 0);
		objects[i] = fake_object_adopt(i % 4 ? &fake_full_ops : &fake_plain_ops, place,
					       i % 4 == 1);
	}
}

static void remove_objects(void)
{
	for (unsigned int i = 0; has_objects && i < NR_OBJECTS; i++) {
		assert_true(fake_object_is_right(objects[i]));
		fake_object_free(objects[i]);
	}
	has_objects = false;
}

static uint64_t reserved_at_start;

static void start(const struct call *call)
{
	fake_ram(&bank, 1);
	fake_tenant_reset();
	fake_tenant.swap_slots = 10;
	assert_int_equal(memblock_reserve(AREA, AREA_PAGES * PAGE_SIZE), 0);
	assert_int_equal(cma_init_reserved_mem(AREA, AREA_PAGES * PAGE_SIZE, 0, "a", &cma), 0);
	if (!call->is_early) {
		assert_int_equal(berth_mm_start(), 0);
		assert_int_equal(berth_tenant_register(&fake_full_ops), 0);
		assert_int_equal(berth_tenant_register(&fake_plain_ops), 0);
	}
	if (call->at)
		place_objects(call->at);
	if (call->prepare)
		call->prepare();
	reserved_at_start = memblock_reserved_size();
}

/* Everything that a failure leaves alone. */
struct snapshot {
	struct berth_memory_info info;
	uint64_t leaked;
	uint64_t hash;
	uint64_t isolated;
	uint64_t handed_out;
	uint64_t longest_hole;
};

static struct snapshot snapshot(void)
{
	struct berth_cma_stats stats;
	struct snapshot s;

	memset(&s, 0, sizeof(s));
	if (berth_nr_mem_maps) {
		berth_cma_stats(cma, &stats);
		s.handed_out = stats.used;
		s.longest_hole = stats.longest_free_run;
	}
	berth_slab_shrink();
	fake_check_zones();
	s.hash = fake_free_hash();
	berth_memory_info(&s.info);
	s.leaked = berth_mm_leaked();
	for (unsigned int i = 0; i < NR_ZONES; i++)
		s.isolated += berth_zones[i].free_isolated;
	return s;
}

static void check_same(const char *name, uint64_t nth, bool condition)
{
	if (!condition)
		fail_msg("%s, allocation %u: not as it was", name, (unsigned int)nth);
}

static void check_failure(const struct call *call, uint64_t nth, const struct snapshot *before)
{
	const struct berth_error *error = berth_last_error();
	struct snapshot after = snapshot();

	if (error->code >= 0 || error->reason == BERTH_REASON_NONE)
		fail_msg("%s, allocation %u: no reason", call->name, (unsigned int)nth);
	/* What memblock has given to a start is forgotten when the next one begins. */
	if (call->run == run_start)
		return;
	check_same(call->name, nth, !memcmp(before, &after, sizeof(after)));
	check_same(call->name, nth, memblock_reserved_size() == reserved_at_start);
	for (unsigned int i = 0; has_objects && i < NR_OBJECTS; i++)
		check_same(call->name, nth, fake_object_page(objects[i]) == places[i]);
}

static void run_with(const struct call *call, uint64_t nth, bool *hit)
{
	struct snapshot before;
	uint64_t empty;
	bool done;

	start(&(struct call){ .is_early = call->is_early });
	empty = fake_free_hash();
	fake_stop();
	start(call);
	for (unsigned int i = 0; has_objects && i < NR_OBJECTS; i++)
		places[i] = fake_object_page(objects[i]);
	before = snapshot();
	berth_clear_error();
	berth_test_fail_nth(nth);
	done = call->run();
	*hit = berth_test_failed();
	berth_test_fail_nth(0);
	if (!*hit && !done)
		fail_msg("%s fails", call->name);
	if (!done)
		check_failure(call, nth, &before);
	else if (call->undo)
		call->undo();
	if (call->clean_up)
		call->clean_up();
	remove_objects();
	berth_slab_shrink();
	if (!call->is_early || done)
		check_same(call->name, nth, !berth_mm_leaked());
	if (!call->is_early)
		check_same(call->name, nth, fake_free_hash() == empty);
	fake_check_zones();
	fake_stop();
}

static void every_allocation_may_fail(void **state)
{
	(void)state;
	for (unsigned int i = 0; i < ARRAY_SIZE(calls); i++) {
		uint64_t nth = 0;
		bool hit = true;

		while (hit && nth < MAX_NTH)
			run_with(&calls[i], ++nth, &hit);
		if (hit || nth - 1 < calls[i].points)
			fail_msg("%s: %u allocations can fail", calls[i].name,
				 (unsigned int)nth - 1);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_allocation_may_fail),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
