// SPDX-License-Identifier: BSD-2-Clause
/* What is kept for those who may not sleep, and what counts as free for whom. */
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

#include "fake_port.h"
#include "fake_tenant.h"
#include "mm/internal.h"

#define MIB (1ULL << 20)
#define AREA 0x81000000ULL
#define AREA_PAGES 4096u

static struct cma *cma;
static struct page *hogs[32768];
static unsigned int nr_hogs;
static int objects[FAKE_MAX_OBJECTS];
static unsigned int nr_objects;

static void start(uint64_t size)
{
	const struct berth_range bank = { 0x80000000, size };

	fake_ram(&bank, 1);
	fake_tenant_reset();
	nr_hogs = nr_objects = 0;
	assert_int_equal(memblock_reserve(AREA, AREA_PAGES * PAGE_SIZE), 0);
	assert_int_equal(cma_init_reserved_mem(AREA, AREA_PAGES * PAGE_SIZE, 0, "a", &cma), 0);
	assert_int_equal(berth_mm_start(), 0);
	assert_int_equal(berth_tenant_register(&fake_full_ops), 0);
}

static void stop(void)
{
	while (nr_objects)
		fake_object_free(objects[--nr_objects]);
	while (nr_hogs)
		__free_page(hogs[--nr_hogs]);
	berth_slab_shrink();
	assert_int_equal(berth_mm_leaked(), 0);
	fake_stop();
}

/* All that @gfp gives, page by page. */
static unsigned int take_all(gfp_t gfp)
{
	unsigned int nr = 0;

	while ((hogs[nr_hogs] = alloc_page(gfp)) != NULL) {
		nr_hogs++;
		nr++;
	}
	assert_int_equal(berth_last_error()->reason, BERTH_REASON_OUT_OF_MEMORY);
	return nr;
}

static uint64_t ordinary_pages(void)
{
	struct berth_memory_info info;

	berth_memory_info(&info);
	return (info.free - info.free_cma) >> PAGE_SHIFT;
}

static uint64_t reserve_pages(void)
{
	struct berth_memory_info info;

	berth_memory_info(&info);
	return info.atomic_reserve >> PAGE_SHIFT;
}

/* A sleeper stops at the reserve, though an area is free; who may not sleep gets all of it. */
static void the_reserve_is_for_those_who_cannot_wait(void **state)
{
	uint64_t pages, reserve;

	(void)state;
	start(80 * MIB);
	pages = ordinary_pages();
	reserve = reserve_pages();
	assert_int_equal(reserve, pages / 256);
	assert_int_equal(take_all(GFP_KERNEL), pages - reserve);
	assert_int_equal(ordinary_pages(), reserve);
	assert_null(alloc_pages(GFP_KERNEL, 3));
	assert_null(kmalloc(8192 * 4, GFP_KERNEL));
	assert_int_equal(take_all(GFP_ATOMIC), reserve);
	assert_int_equal(ordinary_pages(), 0);
	stop();
}

static void a_small_machine_keeps_nothing(void **state)
{
	(void)state;
	start(40 * MIB);
	assert_int_equal(reserve_pages(), 0);
	take_all(GFP_KERNEL);
	assert_int_equal(ordinary_pages(), 0);
	stop();
}

/* Tenants have the area on top, and not the reserve. */
static void tenants_do_not_have_the_reserve(void **state)
{
	uint64_t pages;

	(void)state;
	start(80 * MIB);
	pages = ordinary_pages() + AREA_PAGES - reserve_pages();
	/* Dirty, and with nowhere to be written: none of them goes for the next one. */
	while ((objects[nr_objects] = fake_object_new(&fake_full_ops, GFP_KERNEL)) >= 0)
		if (++nr_objects == FAKE_MAX_OBJECTS)
			break;
	assert_in_range(nr_objects, FAKE_MAX_OBJECTS < pages ? FAKE_MAX_OBJECTS : pages, pages);
	stop();
}

/* Before a sleeper fails at the mark, clean pages go; the reserve stays. */
static void tenants_give_pages_up_first(void **state)
{
	unsigned int nr;

	(void)state;
	start(80 * MIB);
	for (unsigned int i = 0; i < 6000; i++)
		objects[nr_objects++] =
			fake_object_new(&fake_full_ops, GFP_KERNEL | BERTH_GFP_CLEAN);
	take_all(GFP_KERNEL);
	assert_int_equal(ordinary_pages(), reserve_pages());
	assert_true(fake_tenant.dropped > 0);
	nr = take_all(GFP_ATOMIC);
	assert_int_equal(nr, reserve_pages());
	stop();
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_reserve_is_for_those_who_cannot_wait),
		cmocka_unit_test(a_small_machine_keeps_nothing),
		cmocka_unit_test(tenants_do_not_have_the_reserve),
		cmocka_unit_test(tenants_give_pages_up_first),
	};

	return cmocka_run_group_tests_name("watermarks", tests, NULL, NULL);
}
