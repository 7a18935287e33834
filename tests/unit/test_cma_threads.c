// SPDX-License-Identifier: BSD-2-Clause
/*
 * Areas under fire: tenants' objects are used, pinned and replaced while their pages are taken.
 * Memory is short, so what is free in an area is lent again at once.
 */
#include <pthread.h>
#include <sched.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include <berth/cma.h>
#include <berth/gfp.h>
#include <berth/memblock.h>

#include "fake_port.h"
#include "fake_tenant.h"
#include "mm/internal.h"

#define MIB (1ULL << 20)
#define NR_OBJECTS 1500u
#define ROUNDS 300u

static const struct berth_range bank = { 0x80000000, 12 * MIB };
static struct cma *areas[2];
static int objects[NR_OBJECTS];
static uint32_t touches[NR_OBJECTS];
static uint32_t stop;
static uint64_t allocated;

static void require(bool condition, const char *what)
{
	if (!condition)
		berth_port_panic(what);
}

static void *taking_thread(void *argument)
{
	struct cma *cma = areas[(uintptr_t)argument & 1];

	fake_seed((uintptr_t)argument + 1);
	for (unsigned int round = 0; round < ROUNDS; round++) {
		unsigned long count = 1 + fake_random(fake_random(4) ? 60 : 400);
		struct page *page = cma_alloc(cma, count, fake_random(5), true);
		struct berth_cma_report report;

		if (!page) {
			require(!berth_cma_explain(cma, count, 0, &report), "berth_cma_explain");
			continue;
		}
		__atomic_fetch_add(&allocated, 1, __ATOMIC_RELAXED);
		memset(page_address(page), 0xee, count * PAGE_SIZE);
		sched_yield();
		require(*(uint8_t *)page_address(page + count - 1) == 0xee, "a buffer changed");
		require(cma_release(cma, page, count), "cma_release");
	}
	return NULL;
}

static void *using_thread(void *argument)
{
	fake_seed((uintptr_t)argument + 100);
	while (!__atomic_load_n(&stop, __ATOMIC_RELAXED)) {
		unsigned int i = fake_random(NR_OBJECTS);

		fake_object_touch(objects[i]);
		__atomic_fetch_add(&touches[i], 1, __ATOMIC_RELAXED);
		require(fake_object_is_right(objects[i]), "an object changed");
	}
	return NULL;
}

static void pin_one(void)
{
	int object = objects[fake_random(NR_OBJECTS)];
	bool longterm = fake_random(3) == 0;
	struct page *page;
	int err;

	do {
		page = fake_object_get(object);
		if (!page)
			return;
		err = pin_pages(&page, 1, longterm ? FOLL_LONGTERM : 0, "display");
		if (err) {
			put_page(page);
			sched_yield();
		}
	} while (err == -EAGAIN && !__atomic_load_n(&stop, __ATOMIC_RELAXED));
	if (err)
		return;
	require(fake_object_page(object) == page, "a pinned page moved");
	sched_yield();
	require(fake_object_page(object) == page, "a pinned page moved");
	require(!longterm ||
			!is_cma_type(own_block_type(bank_of(page_to_pfn(page)), page_to_pfn(page))),
		"pinned for long in an area");
	unpin_user_page(page);
	put_page(page);
}

static void *pinning_thread(void *argument)
{
	fake_seed((uintptr_t)argument + 200);
	while (!__atomic_load_n(&stop, __ATOMIC_RELAXED)) {
		pin_one();
		sched_yield();
	}
	return NULL;
}

/* Makes new objects, some of them in the areas, and frees them while they may be moving. */
static void *replacing_thread(void *argument)
{
	int own[300];

	fake_seed((uintptr_t)argument + 300);
	memset(own, 0xff, sizeof(own));
	while (!__atomic_load_n(&stop, __ATOMIC_RELAXED)) {
		int *slot = &own[fake_random(ARRAY_SIZE(own))];

		if (*slot >= 0)
			fake_object_free(*slot);
		*slot = fake_object_new(fake_random(2) ? &fake_full_ops : &fake_plain_ops, 0);
	}
	for (unsigned int i = 0; i < ARRAY_SIZE(own); i++)
		if (own[i] >= 0)
			fake_object_free(own[i]);
	return NULL;
}

static void under_fire(unsigned int nr_areas)
{
	static void *(*const others[])(void *) = { using_thread, pinning_thread, replacing_thread };
	pthread_t taking[2], other[ARRAY_SIZE(others)];
	uint64_t before;

	fake_ram(&bank, 1);
	fake_tenant_reset();
	memset(touches, 0, sizeof(touches));
	allocated = stop = 0;
	assert_int_equal(memblock_reserve(0x80400000, 4 * MIB), 0);
	assert_int_equal(cma_init_reserved_mem(0x80400000, nr_areas == 1 ? 4 * MIB : 2 * MIB, 0,
					       "a", &areas[0]),
			 0);
	areas[1] = areas[0];
	if (nr_areas == 2)
		assert_int_equal(cma_init_reserved_mem(0x80600000, 2 * MIB, 0, "b", &areas[1]), 0);
	assert_int_equal(berth_mm_start(), 0);
	assert_int_equal(berth_tenant_register(&fake_full_ops), 0);
	assert_int_equal(berth_tenant_register(&fake_plain_ops), 0);
	before = fake_free_hash();
	/* Half of the areas is the tenants'. */
	for (unsigned int i = 0; i < NR_OBJECTS; i++) {
		struct page *page;
		uint64_t busy;

		if (i >= 512) {
			objects[i] = fake_object_new(&fake_full_ops, 0);
			continue;
		}
		assert_int_equal(
			berth_take_free_range(PFN_DOWN(0x80400000) + 2 * i, 1, PG_USED, &busy), 0);
		page = pfn_to_page(PFN_DOWN(0x80400000) + 2 * i);
		objects[i] = fake_object_adopt(&fake_full_ops, page, false);
	}
	fake_tenant.delays = true;
	for (uintptr_t i = 0; i < 2; i++)
		assert_int_equal(pthread_create(&taking[i], NULL, taking_thread, (void *)i), 0);
	for (uintptr_t i = 0; i < ARRAY_SIZE(others); i++)
		assert_int_equal(pthread_create(&other[i], NULL, others[i], (void *)i), 0);
	for (unsigned int i = 0; i < 2; i++)
		assert_int_equal(pthread_join(taking[i], NULL), 0);
	__atomic_store_n(&stop, 1, __ATOMIC_RELAXED);
	for (unsigned int i = 0; i < ARRAY_SIZE(others); i++)
		assert_int_equal(pthread_join(other[i], NULL), 0);
	fake_check_zones();
	for (unsigned int i = 0; i < NR_OBJECTS; i++) {
		assert_true(fake_object_is_right(objects[i]));
		assert_int_equal(fake_object_touches(objects[i]), touches[i]);
		assert_int_equal(page_count(fake_object_page(objects[i])), 1);
		fake_object_free(objects[i]);
	}
	assert_true(allocated > ROUNDS);
	assert_true(fake_tenant.moved > 100);
	fake_check_zones();
	assert_int_equal(fake_free_hash(), before);
	assert_int_equal(berth_mm_leaked(), 0);
	assert_int_equal(berth_tenant_unregister(&fake_full_ops), 0);
	fake_stop();
}

static void two_threads_on_one_area(void **state)
{
	(void)state;
	under_fire(1);
}

static void two_threads_on_two_areas(void **state)
{
	(void)state;
	under_fire(2);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(two_threads_on_one_area),
		cmocka_unit_test(two_threads_on_two_areas),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
