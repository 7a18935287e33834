// SPDX-License-Identifier: BSD-2-Clause
/*
 * Slots and threads: what one allocates another frees, threads come and go and share slots, while
 * others drain the lists, empty ranges of page blocks and reclaim. In the end nothing is missing.
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
#include <berth/error.h>
#include <berth/gfp.h>
#include <berth/memblock.h>
#include <berth/migrate.h>
#include <berth/slab.h>

#include "fake_port.h"
#include "fake_tenant.h"
#include "mm/internal.h"

#define MIB (1ULL << 20)
#define NR_THREADS 4u
#define GENERATIONS 6u
#define STEPS 500u
#define NR_BOXES 256u

static const struct berth_range bank = { 0x80000000, 24 * MIB };
static struct cma *cma;
static uint64_t hash_at_start;

/* What is on its way from one thread to another. */
struct parcel {
	struct page *page;
	void *object;
	unsigned int order;
	size_t size;
};

static struct parcel boxes[NR_BOXES];
static spinlock_t box_lock;
static uint32_t over;
static uint32_t nr_ranges, nr_failed;

static void require(bool condition, const char *what)
{
	if (!condition)
		berth_port_panic(what);
}

static int start(void **state)
{
	(void)state;
	fake_ram(&bank, 1);
	fake_tenant_reset();
	fake_tenant.delays = true;
	fake_tenant.swap_slots = 1000000;
	memset(boxes, 0, sizeof(boxes));
	over = nr_ranges = nr_failed = 0;
	assert_int_equal(memblock_reserve(0x80400000, 4 * MIB), 0);
	assert_int_equal(cma_init_reserved_mem(0x80400000, 4 * MIB, 0, "a", &cma), 0);
	assert_int_equal(berth_mm_start(), 0);
	assert_int_equal(berth_tenant_register(&fake_full_ops), 0);
	hash_at_start = fake_free_hash();
	return 0;
}

static int stop(void **state)
{
	(void)state;
	assert_int_equal(berth_mm_leaked(), 0);
	berth_slab_shrink();
	berth_pcp_drain();
	assert_int_equal(berth_slab_pages(), 0);
	assert_int_equal(berth_pcp_count(), 0);
	fake_check_zones();
	assert_int_equal(fake_free_hash(), hash_at_start);
	for (unsigned int i = 0; i < NR_ZONES; i++)
		assert_int_equal(berth_zones[i].free_isolated, 0);
	fake_stop();
	return 0;
}

/* Put a parcel into a box and get what was there. */
static struct parcel post(unsigned int box, struct parcel parcel)
{
	struct parcel old;

	spin_lock(&box_lock);
	old = boxes[box];
	boxes[box] = parcel;
	spin_unlock(&box_lock);
	return old;
}

static void open_parcel(struct parcel parcel)
{
	if (parcel.page) {
		require(*(uint8_t *)page_address(parcel.page) == (uint8_t)parcel.order + 1,
			"a page changed");
		__free_pages(parcel.page, parcel.order);
	}
	if (parcel.object) {
		require(*(uint8_t *)parcel.object == (uint8_t)parcel.size, "an object changed");
		kfree(parcel.object);
	}
}

static struct parcel new_parcel(void)
{
	static const uint8_t orders[] = { 0, 0, 0, 1, 2, 3 };
	struct parcel parcel = { .order = orders[fake_random(ARRAY_SIZE(orders))] };

	if (fake_random(2)) {
		parcel.page = alloc_pages(fake_random(2) ? __GFP_MOVABLE | GFP_KERNEL : GFP_KERNEL,
					  parcel.order);
		if (parcel.page)
			*(uint8_t *)page_address(parcel.page) = (uint8_t)parcel.order + 1;
	} else if (fake_random(2)) {
		/* The inline way. */
		parcel.size = 256;
		parcel.object = kmalloc(256, GFP_KERNEL);
	} else {
		parcel.size = 1 + fake_random(3000);
		parcel.object = kmalloc(parcel.size, GFP_KERNEL);
	}
	if (parcel.object)
		*(uint8_t *)parcel.object = (uint8_t)parcel.size;
	return parcel;
}

/* Short lives: a slot's next thread finds what the last one left. */
static void *life(void *seed)
{
	berth_fake_slot = 1 + (unsigned int)(uintptr_t)seed % BERTH_PORT_MAX_SLOTS;
	fake_seed((uintptr_t)seed);
	for (unsigned int step = 0; step < STEPS; step++)
		open_parcel(post(fake_random(NR_BOXES), new_parcel()));
	berth_slot_handle(berth_fake_slot - 1);
	return NULL;
}

/* One after the other, each on a thread of its own. */
static void *lineage(void *seed)
{
	for (uintptr_t n = 0; n < GENERATIONS; n++) {
		pthread_t child;

		require(!pthread_create(&child, NULL, life, (void *)((uintptr_t)seed * 100 + n)),
			"pthread_create");
		require(!pthread_join(child, NULL), "pthread_join");
	}
	return NULL;
}

/* A range of page blocks outside of the area is emptied, written all over and given back. */
static void take_range(void)
{
	uint64_t nr = 1 + fake_random(100);
	uint64_t pfn = PFN_DOWN(0x80a00000) + fake_random(3000);

	if (alloc_contig_range(pfn, pfn + nr, MIGRATE_MOVABLE, GFP_KERNEL)) {
		__atomic_fetch_add(&nr_failed, 1, __ATOMIC_RELAXED);
		return;
	}
	for (uint64_t at = pfn; at < pfn + nr; at++) {
		require(page_flags(pfn_to_page(at)) == PG_USED, "a page of a range");
		memset(page_address(pfn_to_page(at)), 0xee, PAGE_SIZE);
	}
	free_contig_range(pfn, nr);
	__atomic_fetch_add(&nr_ranges, 1, __ATOMIC_RELAXED);
}

static void *disturber(void *unused)
{
	(void)unused;
	berth_fake_slot = BERTH_PORT_MAX_SLOTS;
	fake_seed(77);
	do {
		struct page *page;

		take_range();
		berth_pcp_drain();
		berth_slab_shrink();
		page = cma_alloc(cma, 1 + fake_random(64), 0, true);
		if (page) {
			require(page_state(page) == PG_CMA, "a page of an area");
			cma_release(cma, page, 1);
			for (struct page *rest = page + 1; page_state(rest) == PG_CMA; rest++)
				cma_release(cma, rest, 1);
		}
		sched_yield();
	} while (!__atomic_load_n(&over, __ATOMIC_ACQUIRE));
	return NULL;
}

/* Objects of a tenant come, are used, are given up by reclaim, and go. */
static void *tenant(void *unused)
{
	int objects[200];

	(void)unused;
	berth_fake_slot = 2;
	fake_seed(78);
	memset(objects, 0xff, sizeof(objects));
	while (!__atomic_load_n(&over, __ATOMIC_ACQUIRE)) {
		for (unsigned int i = 0; i < 50; i++) {
			int *object = &objects[fake_random(ARRAY_SIZE(objects))];
			struct page *page = *object >= 0 ? fake_object_get(*object) : NULL;

			if (page) {
				mark_page_accessed(page);
				put_page(page);
			}
			if (*object >= 0 && fake_random(3) == 0) {
				require(fake_object_is_right(*object), "a tenant's object");
				fake_object_free(*object);
				*object = -1;
			} else if (*object < 0) {
				*object = fake_object_new(
					&fake_full_ops,
					fake_random(2) ? GFP_KERNEL | BERTH_GFP_CLEAN : GFP_KERNEL);
			}
		}
		berth_reclaim(GFP_KERNEL | __GFP_MOVABLE, fake_random(20));
		sched_yield();
	}
	for (unsigned int i = 0; i < ARRAY_SIZE(objects); i++)
		if (objects[i] >= 0)
			fake_object_free(objects[i]);
	return NULL;
}

static void run_threads(void)
{
	pthread_t lineages[NR_THREADS], others[2];

	assert_int_equal(pthread_create(&others[0], NULL, disturber, NULL), 0);
	assert_int_equal(pthread_create(&others[1], NULL, tenant, NULL), 0);
	for (uintptr_t i = 0; i < NR_THREADS; i++)
		assert_int_equal(pthread_create(&lineages[i], NULL, lineage, (void *)(i + 1)), 0);
	for (unsigned int i = 0; i < NR_THREADS; i++)
		assert_int_equal(pthread_join(lineages[i], NULL), 0);
	__atomic_store_n(&over, 1, __ATOMIC_RELEASE);
	for (unsigned int i = 0; i < 2; i++)
		assert_int_equal(pthread_join(others[i], NULL), 0);
	for (unsigned int i = 0; i < NR_BOXES; i++)
		open_parcel(post(i, (struct parcel){ 0 }));
}

static void everything_is_accounted_for(void **state)
{
	(void)state;
	run_threads();
	assert_true(nr_ranges + nr_failed > 0);
}

/* The same with so little memory that tenants' pages are what everyone lives on. */
static void short_of_memory(void **state)
{
	static struct page *hogs[6000];
	unsigned int nr = 0;

	(void)state;
	while (nr < ARRAY_SIZE(hogs) && berth_free_bytes(NO_PAGE) > 1 * MIB)
		hogs[nr++] = alloc_page(GFP_ATOMIC);
	run_threads();
	while (nr)
		__free_page(hogs[--nr]);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, start, stop)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(everything_is_accounted_for),
		TEST(short_of_memory),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
