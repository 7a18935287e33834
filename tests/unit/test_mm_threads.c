// SPDX-License-Identifier: BSD-2-Clause
/* Several threads at once; what matters most runs under the thread sanitizer. */
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
#include <berth/slab.h>

#include "fake_port.h"
#include "mm/internal.h"

#define MIB (1ULL << 20)
#define NR_THREADS 4u
#define STEPS 4000u
#define HELD 48u

static const struct berth_range bank = { 0x80000000, 24 * MIB };
static struct cma *areas[2];
/* Objects on their way from the thread that allocates to the one that frees. */
static void *mailbox[64];

struct held {
	struct page *page;
	char *object;
	unsigned long count;
	struct cma *cma;
};

static void require(bool condition, const char *what)
{
	if (!condition)
		berth_port_panic(what);
}

static void give_back(struct held *h)
{
	if (h->object) {
		require(*h->object == (char)(uintptr_t)h, "an object changed");
		kfree(h->object);
	} else if (h->page) {
		require(*(char *)page_address(h->page) == (char)(uintptr_t)h, "a page changed");
		if (h->cma)
			require(cma_release(h->cma, h->page, h->count), "cma_release");
		else
			__free_pages(h->page, (unsigned int)h->count);
	}
	memset(h, 0, sizeof(*h));
}

static void take(struct held *h)
{
	switch (fake_random(4)) {
	case 0:
		h->count = fake_random(5);
		h->page = alloc_pages(fake_random(2) ? __GFP_MOVABLE : 0, (unsigned int)h->count);
		break;
	case 1:
		h->cma = areas[fake_random(2)];
		h->count = 1 + fake_random(100);
		h->page = cma_alloc(h->cma, h->count, fake_random(5), true);
		break;
	default:
		h->object = kmalloc(1 + fake_random(fake_random(9) ? 700 : 20000), GFP_ATOMIC);
		break;
	}
	if (h->object)
		*h->object = (char)(uintptr_t)h;
	if (h->page)
		*(char *)page_address(h->page) = (char)(uintptr_t)h;
}

static void *thread(void *seed)
{
	struct held held[HELD] = { { 0 } };
	struct berth_memory_info info;
	struct berth_cma_stats stats;

	/* More threads than slots. */
	berth_fake_slot = 1 + (unsigned int)((uintptr_t)seed % BERTH_PORT_MAX_SLOTS);
	fake_seed((uintptr_t)seed);
	for (unsigned int step = 0; step < STEPS; step++) {
		struct held *h = &held[fake_random(HELD)];
		void **slot = &mailbox[fake_random(ARRAY_SIZE(mailbox))];

		give_back(h);
		take(h);
		kfree(__atomic_exchange_n(slot, kmalloc(100, 0), __ATOMIC_ACQ_REL));
		if (step % 64 == 0) {
			berth_memory_info(&info);
			require(info.total == info.reserved + info.free + info.used, "the sums");
			berth_cma_stats(areas[0], &stats);
			require(stats.used <= stats.pages, "the area");
			berth_page_use(PFN_DOWN(bank.base) + fake_random(6144));
			berth_slab_shrink();
		}
		if (step % 256 == 0) {
			berth_pcp_drain();
			berth_slot_handle(berth_fake_slot - 1);
			berth_pcp_shut();
			berth_pcp_open();
		}
		/* A reference of another's outlives the owner's. */
		if (h->page && !h->cma && h->count == 0) {
			get_page(h->page);
			put_page(h->page);
		}
	}
	for (unsigned int i = 0; i < HELD; i++)
		give_back(&held[i]);
	return NULL;
}

static void many_threads(void **state)
{
	pthread_t threads[NR_THREADS];
	uint64_t before;

	(void)state;
	fake_ram(&bank, 1);
	assert_int_equal(memblock_reserve(0x80400000, 8 * MIB), 0);
	assert_int_equal(cma_init_reserved_mem(0x80400000, 4 * MIB, 0, "a", &areas[0]), 0);
	assert_int_equal(cma_init_reserved_mem(0x80800000, 4 * MIB, 2, "b", &areas[1]), 0);
	assert_int_equal(berth_mm_start(), 0);
	before = fake_free_hash();
	for (uintptr_t i = 0; i < NR_THREADS; i++)
		assert_int_equal(pthread_create(&threads[i], NULL, thread, (void *)(i + 1)), 0);
	for (unsigned int i = 0; i < NR_THREADS; i++)
		assert_int_equal(pthread_join(threads[i], NULL), 0);
	for (unsigned int i = 0; i < ARRAY_SIZE(mailbox); i++)
		kfree(mailbox[i]);
	assert_int_equal(berth_mm_leaked(), 0);
	berth_slab_shrink();
	fake_check_zones();
	assert_int_equal(fake_free_hash(), before);
	fake_stop();
}

/* Of several who free one thing, one succeeds and the others are refused. */
#define ROUNDS 500u
static void *contended;
static uint32_t round_number;
static uint32_t nr_refused;

static void *freeing_thread(void *is_second)
{
	berth_fake_slot = is_second ? 2 : 1;
	for (uint32_t round = 1; round <= ROUNDS; round++) {
		while (__atomic_load_n(&round_number, __ATOMIC_ACQUIRE) < round)
			sched_yield();
		berth_clear_error();
		if (round % 2)
			__free_pages(contended, 2);
		else
			kfree(contended);
		if (berth_last_error()->reason == BERTH_REASON_NOT_OWNED)
			__atomic_fetch_add(&nr_refused, 1, __ATOMIC_ACQ_REL);
		else
			__atomic_fetch_add(&nr_refused, 0x10000, __ATOMIC_ACQ_REL);
	}
	return NULL;
}

static void double_frees_at_once(void **state)
{
	pthread_t threads[2];

	(void)state;
	fake_start(&bank, 1);
	__atomic_store_n(&round_number, 0, __ATOMIC_RELEASE);
	for (unsigned int i = 0; i < 2; i++)
		assert_int_equal(
			pthread_create(&threads[i], NULL, freeing_thread, i ? threads : NULL), 0);
	for (uint32_t round = 1; round <= ROUNDS; round++) {
		contended = round % 2 ? (void *)alloc_pages(0, 2) : kmalloc(20000, 0);
		nr_refused = 0;
		__atomic_store_n(&round_number, round, __ATOMIC_RELEASE);
		while (__atomic_load_n(&nr_refused, __ATOMIC_ACQUIRE) % 0x10000 +
			       __atomic_load_n(&nr_refused, __ATOMIC_ACQUIRE) / 0x10000 <
		       2)
			sched_yield();
		assert_int_equal(nr_refused, 0x10001);
	}
	for (unsigned int i = 0; i < 2; i++)
		assert_int_equal(pthread_join(threads[i], NULL), 0);
	assert_int_equal(berth_mm_leaked(), 0);
	fake_stop();
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(many_threads),
		cmocka_unit_test(double_frees_at_once),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
