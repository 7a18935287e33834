/* SPDX-License-Identifier: BSD-2-Clause */
/* Memory that a program uses while a device takes the pages from under it. */
#include "machine.h"

#include <fcntl.h>
#include <pthread.h>
#include <sched.h>
#include <unistd.h>

#include <berth/anon.h>
#include <berth/cma.h>
#include <berth/mm.h>
#include <berth/test.h>

#include "gate.h"

#define WORKERS 3
#if defined(__SANITIZE_THREAD__)
#define UNDER_TSAN 1
#elif defined(__has_feature)
#if __has_feature(thread_sanitizer)
#define UNDER_TSAN 1
#endif
#endif
#ifndef UNDER_TSAN
#define UNDER_TSAN 0
#endif
#define ROUNDS (UNDER_TSAN ? 100 : 1000)
#define MOVES (UNDER_TSAN ? 600u : 3000u)
#define MIB (1ul << 20)

/* Of 16 MiB, 4 of them the area's: so much that what comes on top is lent from the area. */
#define SIZE (9 * MIB)

static bool start(void **state)
{
	const char *gate = *state;

	setenv("BERTH_GATE", gate, 1);
	must_start(tree_minimal, NULL, NULL);
	if (!strcmp(berth_port_gate_name(), gate))
		return true;
	must_stop();
	return false;
}

static uint32_t next_random(uint32_t *state)
{
	*state ^= *state << 13;
	*state ^= *state >> 17;
	return *state ^= *state << 5;
}

static void memory_is_zero_and_keeps_its_bytes(void **state)
{
	struct berth_anon_stats stats;
	uint8_t *memory;

	if (!start(state))
		skip();
	memory = berth_anon_alloc(5 * MIB);
	assert_non_null(memory);
	berth_anon_stats(&stats);
	assert_int_equal(stats.pages, 0);
	for (size_t i = 0; i < 5 * MIB; i += 1000)
		assert_int_equal(memory[i], 0);
	for (size_t i = 0; i < 5 * MIB; i += 1000)
		memory[i] = (uint8_t)(i / 1000);
	for (size_t i = 0; i < 5 * MIB; i += 1000)
		assert_int_equal(memory[i], (uint8_t)(i / 1000));
	berth_anon_stats(&stats);
	assert_int_equal(stats.pages, 5 * MIB / PAGE_SIZE);
	berth_anon_free(memory + 4096);
	assert_reason(BERTH_REASON_NOT_OWNED);
	assert_int_equal(berth_anon_populate(memory, 6 * MIB), -EINVAL);
	assert_int_equal(berth_anon_populate(&stats, 1), -EINVAL);
	berth_anon_free(memory);
	berth_anon_free(NULL);
	berth_anon_stats(&stats);
	assert_int_equal(stats.pages, 0);
	must_stop();
}

/* Under fire: what each worker does to its own words and to a shared one of every page. */

static uint8_t *memory;
static uint32_t is_over;

struct worker {
	pthread_t thread;
	uint32_t seed;
	unsigned int number;
	uint64_t added; /* to shared words */
	uint64_t wrong, failed_calls;
	uint64_t *mine; /* what the own words should hold */
};

static uint64_t *word(size_t page, unsigned int at)
{
	return (uint64_t *)(void *)(memory + page * PAGE_SIZE) + at;
}

static void *work(void *arg)
{
	struct worker *me = arg;
	int zero = open("/dev/zero", O_RDONLY | O_CLOEXEC);
	bool is_transparent = !strcmp(berth_port_gate_name(), "uffd");

	while (!__atomic_load_n(&is_over, __ATOMIC_ACQUIRE)) {
		size_t page = next_random(&me->seed) % (SIZE / PAGE_SIZE);
		uint64_t *own = word(page, 8 + me->number);

		if (*own != me->mine[page])
			me->wrong++;
		*own = ++me->mine[page];
		__atomic_fetch_add(word(page, 0), 1, __ATOMIC_RELAXED);
		me->added++;
		if (is_transparent && me->added % 16 == 0) {
			uint8_t *buffer = (uint8_t *)word(page, 64 + 64 * me->number);

			memset(buffer, 0xff, 64);
			if (read(zero, buffer, 64) != 64)
				me->failed_calls++;
			else if (buffer[0] || buffer[63])
				me->wrong++;
		}
	}
	close(zero);
	return NULL;
}

/* Memory that comes and goes, so that there is always some of it in the area. */
static void *come_and_go(void *arg)
{
	struct worker *me = arg;

	while (!__atomic_load_n(&is_over, __ATOMIC_ACQUIRE)) {
		uint64_t *words = berth_anon_alloc(64 * PAGE_SIZE);

		if (!words) {
			me->failed_calls++;
			break;
		}
		for (int pass = 0; pass < 8; pass++) {
			for (size_t i = 0; i < 64; i++) {
				uint64_t *at = words + i * (PAGE_SIZE / sizeof(*words));

				if (at[i] != (uint64_t)pass * i)
					me->wrong++;
				at[i] += i;
			}
		}
		berth_anon_free(words);
	}
	return NULL;
}

static void under_fire(void **state)
{
	struct worker comer = { .number = WORKERS };
	struct worker workers[WORKERS];
	struct berth_anon_stats stats = { 0, 0 };
	uint64_t added = 0, found = 0;
	uint32_t seed = 77;
	int successes = 0, rounds;

	if (!start(state))
		skip();
	memory = berth_anon_alloc(SIZE);
	assert_non_null(memory);
	is_over = 0;
	for (unsigned int i = 0; i < WORKERS; i++) {
		workers[i] = (struct worker){ .number = i, .seed = i + 1 };
		workers[i].mine = calloc(SIZE / PAGE_SIZE, sizeof(uint64_t));
		assert_int_equal(berth_anon_populate(memory, SIZE), 0);
		pthread_create(&workers[i].thread, NULL, work, &workers[i]);
	}
	pthread_create(&comer.thread, NULL, come_and_go, &comer);
	/* As many rounds as it takes to have moved enough of what came back in between. */
	for (rounds = 0; rounds < ROUNDS || (stats.moved < MOVES && rounds < 100 * ROUNDS);
	     rounds++) {
		unsigned long nr = next_random(&seed) % 512 + 1;
		struct page *pages = cma_alloc(berth_cma_default(), nr, 0, true);

		if (!pages)
			continue;
		successes++;
		/* The device's now: whoever still wrote to the old place would be seen. */
		memset(page_address(pages), 0xdd, nr * PAGE_SIZE);
		for (size_t i = 0; i < nr * PAGE_SIZE; i += 512)
			assert_int_equal(((uint8_t *)page_address(pages))[i], 0xdd);
		assert_true(cma_release(berth_cma_default(), pages, nr));
		sched_yield();
		berth_anon_stats(&stats);
	}
	__atomic_store_n(&is_over, 1, __ATOMIC_RELEASE);
	pthread_join(comer.thread, NULL);
	assert_int_equal(comer.wrong, 0);
	assert_int_equal(comer.failed_calls, 0);
	for (unsigned int i = 0; i < WORKERS; i++) {
		pthread_join(workers[i].thread, NULL);
		added += workers[i].added;
		assert_int_equal(workers[i].wrong, 0);
		assert_int_equal(workers[i].failed_calls, 0);
		for (size_t page = 0; page < SIZE / PAGE_SIZE; page++)
			assert_int_equal(*word(page, 8 + i), workers[i].mine[page]);
		free(workers[i].mine);
	}
	for (size_t page = 0; page < SIZE / PAGE_SIZE; page++)
		found += *word(page, 0);
	assert_int_equal(found, added);
	berth_anon_stats(&stats);
	print_message("# %s: %d of %d allocations, %llu pages moved, %llu additions\n",
		      (const char *)*state, successes, rounds, (unsigned long long)stats.moved,
		      (unsigned long long)added);
	assert_true(successes > 0);
	assert_true(stats.moved >= MOVES);
	berth_anon_free(memory);
	must_stop();
}

static void every_allocation_may_fail(void **state)
{
	struct berth_memory_info before, after;

	if (!start(state))
		skip();
	berth_anon_free(berth_anon_alloc(1)); /* what is kept from the first time on */
	berth_memory_info(&before);
	for (uint64_t n = 1;; n++) {
		bool has_failed;
		void *virt;

		berth_test_fail_nth(n);
		virt = berth_anon_alloc(3 * MIB);
		if (virt && berth_anon_populate(virt, 3 * MIB))
			assert_reason(BERTH_REASON_OUT_OF_MEMORY);
		has_failed = berth_test_failed();
		berth_test_fail_nth(0);
		berth_anon_free(virt);
		berth_memory_info(&after);
		assert_memory_equal(&before, &after, sizeof(before));
		if (!has_failed)
			break;
		if (n > 20)
			n += 50;
	}
	must_stop();
}

#define BOTH(test)                                                               \
	{ #test ", uffd", test, NULL, NULL, (void *)(uintptr_t) "uffd" },        \
	{                                                                        \
#test ", signal", test, NULL, NULL, (void *)(uintptr_t) "signal" \
	}

int main(void)
{
	const struct CMUnitTest tests[] = {
		BOTH(memory_is_zero_and_keeps_its_bytes),
		BOTH(under_fire),
		BOTH(every_allocation_may_fail),
	};

	return cmocka_run_group_tests_name("anon", tests, NULL, NULL);
}
