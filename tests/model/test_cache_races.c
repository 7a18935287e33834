/* SPDX-License-Identifier: BSD-2-Clause */
/* What the modelled cache does beside a CPU that goes on storing: no store is lost. */
#include <pthread.h>

#include "soc.h"

#include "model/line.h"

#include "handlers.h"

#define BUF (RAM + 0x10000)

static uint32_t is_over;

struct counter {
	uint32_t *word;
	uint32_t added;
};

static void *count(void *arg)
{
	struct counter *counter = arg;

	while (!__atomic_load_n(&is_over, __ATOMIC_RELAXED)) {
		__atomic_fetch_add(counter->word, 1, __ATOMIC_RELAXED);
		counter->added++;
	}
	return NULL;
}

/* Runs @disturb(i) many times beside a thread that counts in a word. Returns how many are missing. */
static uint32_t missing_beside(uint32_t *word, void (*disturb)(unsigned int turn),
			       unsigned int turns)
{
	struct counter counter = { .word = word };
	pthread_t thread;

	__atomic_store_n(&is_over, 0, __ATOMIC_RELAXED);
	__atomic_store_n(word, 0, __ATOMIC_RELAXED);
	assert_int_equal(pthread_create(&thread, NULL, count, &counter), 0);
	while (!__atomic_load_n(word, __ATOMIC_RELAXED))
		;
	for (unsigned int i = 0; i < turns; i++)
		disturb(i);
	__atomic_store_n(&is_over, 1, __ATOMIC_RELAXED);
	pthread_join(thread, NULL);
	return counter.added - __atomic_load_n(word, __ATOMIC_RELAXED);
}

/*
 * The device writes beside the counter, into the same word of 64 bits and further away: the line is
 * written back and refilled by chance.
 */
static void write_beside(unsigned int turn)
{
	dev_fill(plain, BUF + 4, (int)turn, 4);
	dev_fill(plain, BUF + 16, (int)turn, 8);
	berth_port_cache_clean(BUF + 128, 1);
	if (turn % 2)
		berth_port_cache_flush(BUF + 24, 8);
	else
		berth_port_cache_invalidate(BUF + 24, 8);
}

static void refill_never_loses_atomics(void **state)
{
	const struct berth_model_config config = {
		.write_back_permille = 1000,
		.refill_permille = 1000,
	};

	(void)state;
	soc_start(&config);
	assert_int_equal(missing_beside(soc_virt(BUF), write_beside, 100000), 0);
	assert_true(soc_stats().evicted + soc_stats().refilled > 0);
	berth_port_stop();
}

/* The primitive itself, with nothing between: a hundred times more refills. */
static uint32_t line_c[16] __attribute__((aligned(64)));
static uint32_t line_d[16] __attribute__((aligned(64))), line_s[16] __attribute__((aligned(64)));

/* Both variants let the other thread in between looking at the line and changing it. */
static void moment(void)
{
	for (volatile unsigned int i = 0; i < 30; i++)
		;
}

static void refill_line(unsigned int turn)
{
	line_clean((uint8_t *)line_c, (uint8_t *)line_d, (uint8_t *)line_s, 64);
	line_d[1] = line_d[8] = turn;
	if (line_look((uint8_t *)line_c, (uint8_t *)line_d, (uint8_t *)line_s, 64) == LINE_STALE) {
		moment();
		line_refill((uint8_t *)line_c, (uint8_t *)line_d, (uint8_t *)line_s, 64);
	}
}

/* What it must not be: the same by copying. */
static RAW __attribute__((noinline)) void refill_naively(unsigned int turn)
{
	line_clean((uint8_t *)line_c, (uint8_t *)line_d, (uint8_t *)line_s, 64);
	line_d[1] = line_d[8] = turn;
	moment();
	for (unsigned int i = 0; i < 16; i++)
		*(volatile uint32_t *)&line_c[i] = *(volatile uint32_t *)&line_s[i] = line_d[i];
}

static void refill_of_a_line_never_loses_atomics(void **state)
{
	(void)state;
	assert_int_equal(missing_beside(&line_c[0], refill_line, 500000), 0);
}

/* That the tests above can fail. */
static void a_naive_refill_loses_atomics(void **state)
{
	uint32_t missing = 0;

	(void)state;
	for (unsigned int i = 0; i < 50 && !missing; i++)
		missing = missing_beside(&line_c[0], refill_naively, 200000);
	assert_int_not_equal(missing, 0);
}

/* Alone on its line, counted by a thread while the line is cleaned: the last value gets to memory. */
static void clean_reads_a_line_once(void **state)
{
	(void)state;
	soc_start_quiet(64);
	for (unsigned int round = 0; round < 300; round++) {
		uint32_t *word = soc_virt(BUF);
		struct counter counter = { .word = word };
		pthread_t thread;

		__atomic_store_n(&is_over, 0, __ATOMIC_RELAXED);
		assert_int_equal(pthread_create(&thread, NULL, count, &counter), 0);
		for (unsigned int i = 0; i < 200; i++)
			berth_port_cache_clean(BUF, 8);
		__atomic_store_n(&is_over, 1, __ATOMIC_RELAXED);
		pthread_join(thread, NULL);
		berth_port_cache_clean(BUF, 8);
		assert_int_equal(*(volatile uint32_t *)berth_model_memory(BUF), *word);
	}
	berth_port_stop();
}

/* What a clean leaves in the two copies is one and the same reading, however the CPU stores. */
static void a_cleaned_line_is_one_reading(void **state)
{
	struct counter counter = { .word = &line_c[0] };
	pthread_t thread;
	unsigned int torn = 0;

	(void)state;
	memset(line_s, 0xff, sizeof(line_s));
	__atomic_store_n(&is_over, 0, __ATOMIC_RELAXED);
	assert_int_equal(pthread_create(&thread, NULL, count, &counter), 0);
	for (unsigned int i = 0; i < 400000; i++) {
		line_clean((uint8_t *)line_c, (uint8_t *)line_d, (uint8_t *)line_s, 64);
		torn += memcmp(line_d, line_s, 64) != 0;
	}
	__atomic_store_n(&is_over, 1, __ATOMIC_RELAXED);
	pthread_join(thread, NULL);
	assert_int_equal(torn, 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(refill_never_loses_atomics),
		cmocka_unit_test(refill_of_a_line_never_loses_atomics),
		cmocka_unit_test(a_naive_refill_loses_atomics),
		cmocka_unit_test(clean_reads_a_line_once),
		cmocka_unit_test(a_cleaned_line_is_one_reading),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
