/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Bugs of drivers that the modelled cache must show by wrong data, and right drivers that it must
 * leave alone, at each line size. The numbers are those of the list that the model was made from;
 * docs/model.md tells them one by one.
 */
#include "soc.h"

#include "handlers.h"

static const unsigned int lines[] = { 32, 64, 128 };

#define BUF (RAM + 0x10000)

#define FOR_EACH_LINE(line) \
	for (unsigned int nr_ = 0, line; nr_ < ARRAY_SIZE(lines) && (line = lines[nr_], 1); nr_++)

static void case_1_no_clean_before_to_device(void **state)
{
	(void)state;
	FOR_EACH_LINE(line)
	{
		soc_start_quiet(line);
		cpu_fill(BUF, 0x11, 3 * line);
		berth_port_cache_clean(BUF, 3 * line);
		assert_int_equal(dev_byte(plain, BUF + line), 0x11);
		cpu_fill(BUF, 0x22, 3 * line);
		assert_int_equal(dev_byte(plain, BUF + line), 0x11);
		berth_port_cache_clean(BUF, 3 * line);
		for (unsigned int i = 0; i < 3 * line; i++)
			assert_int_equal(dev_byte(plain, BUF + i), 0x22);
		berth_port_stop();
	}
}

static void case_2_no_invalidate_after_from_device(void **state)
{
	(void)state;
	FOR_EACH_LINE(line)
	{
		soc_start_quiet(line);
		cpu_fill(BUF, 0, 3 * line);
		berth_port_cache_flush(BUF, 3 * line);
		dev_fill(plain, BUF, 0x33, 3 * line);
		assert_int_equal(cpu_byte(BUF + line), 0);
		assert_int_equal(memory_byte(BUF + line), 0x33);
		berth_port_cache_invalidate(BUF, 3 * line);
		for (unsigned int i = 0; i < 3 * line; i++)
			assert_int_equal(cpu_byte(BUF + i), 0x33);
		berth_port_stop();
	}
}

/* Which lines are right depends on the moment: some are, some are not, and not always the same. */
static void case_2b_refill_between(void **state)
{
	uint64_t seen[8] = { 0 };

	(void)state;
	for (unsigned int seed = 0; seed < 8; seed++) {
		const struct berth_model_config config = {
			.seed = seed,
			.refill_permille = 500,
		};

		soc_start(&config);
		berth_port_cache_invalidate(BUF, 64 * 64);
		dev_fill(plain, BUF, 0x33, 64 * 64);
		for (unsigned int i = 0; i < 64; i++)
			if (cpu_byte(BUF + 64 * i) == 0x33)
				seen[seed] |= 1ull << i;
		assert_true(seen[seed] != 0 && ~seen[seed] != 0);
		/* Which the invalidate afterwards mends. */
		berth_port_cache_invalidate(BUF, 64 * 64);
		for (unsigned int i = 0; i < 64; i++)
			assert_int_equal(cpu_byte(BUF + 64 * i), 0x33);
		berth_port_stop();
	}
	assert_true(seen[0] != seen[1] && seen[1] != seen[2]);
}

static void case_3_no_invalidate_before(void **state)
{
	(void)state;
	FOR_EACH_LINE(line)
	{
		soc_start_adversarial(line, 0);
		cpu_fill(BUF, 0x44, 3 * line);
		dev_fill(plain, BUF, 0x33, 3 * line);
		berth_port_cache_invalidate(BUF, 3 * line);
		assert_int_equal(cpu_byte(BUF + line), 0x44);

		/* The same with what is owed. */
		cpu_fill(BUF, 0x44, 3 * line);
		berth_port_cache_flush(BUF, 3 * line);
		dev_fill(plain, BUF, 0x33, 3 * line);
		berth_port_cache_invalidate(BUF, 3 * line);
		assert_int_equal(cpu_byte(BUF + line), 0x33);
		berth_port_stop();
	}
}

/* A counter in the second half of the line whose first half is a buffer. */
static void share_a_line(unsigned int line)
{
	cpu_fill(BUF, 0, 2 * line);
	cpu_fill(BUF + line / 2, 1, 1);
	berth_port_cache_flush(BUF, 2 * line);
	/* The device owns the buffer, and somebody counts. */
	cpu_fill(BUF + line / 2, 7, 1);
}

static void case_4_line_shared_with_a_counter(void **state)
{
	(void)state;
	FOR_EACH_LINE(line)
	{
		soc_start_quiet(line);
		share_a_line(line);
		dev_fill(plain, BUF, 0x33, line / 2);
		/* Rounded up by the driver: the counter goes back. */
		berth_port_cache_invalidate(BUF, line);
		assert_int_equal(cpu_byte(BUF), 0x33);
		assert_int_equal(cpu_byte(BUF + line / 2), 1);

		/* Not rounded: the line is cleaned first, and the received bytes are gone. */
		share_a_line(line);
		dev_fill(plain, BUF, 0x33, line / 2);
		berth_port_cache_invalidate(BUF, line / 2);
		assert_int_equal(cpu_byte(BUF), 0);
		assert_int_equal(cpu_byte(BUF + line / 2), 7);
		berth_port_stop();
	}
}

static void case_4_eviction_destroys_received_bytes(void **state)
{
	(void)state;
	FOR_EACH_LINE(line)
	{
		soc_start_adversarial(line, 0);
		share_a_line(line);
		/* The buffer goes on in a line of its own. */
		dev_fill(plain, BUF, 0x33, line / 2);
		dev_fill(plain, BUF + line, 0x33, line);
		assert_int_equal(memory_byte(BUF), 0);
		assert_int_equal(memory_byte(BUF + line / 2), 7);
		assert_int_equal(memory_byte(BUF + line), 0x33);
		berth_port_stop();
	}
}

static void case_5_cached_and_uncached_alias(void **state)
{
	(void)state;
	FOR_EACH_LINE(line)
	{
		volatile uint8_t *alias;

		soc_start_adversarial(line, 0);
		alias = berth_port_remap(BUF, 4096, BERTH_MEMORY_UNCACHED);
		assert_non_null((void *)(uintptr_t)alias);
		alias[0] = 98;
		assert_int_equal(dev_byte(plain, BUF), 98);
		/* Somebody still uses the linear mapping. */
		cpu_fill(BUF + 1, 1, 1);
		alias[0] = 99;
		assert_int_not_equal(dev_byte(plain, BUF), 99);
		assert_int_not_equal(alias[0], 99);
		berth_port_stop();
	}
}

static void case_6_ring_polled_without_sync(void **state)
{
	unsigned int seen = 0;

	(void)state;
	soc_start_quiet(64);
	berth_port_cache_flush(BUF, 64);
	dev_fill(plain, BUF, 1, 1);
	for (unsigned int i = 0; i < 1000000; i++)
		seen += cpu_byte(BUF) == 1;
	for (unsigned int i = 0; i < 1000; i++) {
		berth_port_rmb();
		seen += cpu_byte(BUF) == 1;
	}
	assert_int_equal(seen, 0);
	berth_port_cache_invalidate(BUF, 64);
	assert_int_equal(cpu_byte(BUF), 1);
	berth_port_stop();
}

static void case_6b_two_descriptors_in_a_line(void **state)
{
	(void)state;
	FOR_EACH_LINE(line)
	{
		soc_start_quiet(line);
		cpu_fill(BUF, 0, line);
		berth_port_cache_clean(BUF, line);
		/* The device has done the first while the CPU prepares the second. */
		dev_fill(plain, BUF, 1, 1);
		cpu_fill(BUF + line / 2, 5, 8);
		berth_port_cache_clean(BUF + line / 2, 8);
		assert_int_equal(memory_byte(BUF + line / 2), 5);
		assert_int_equal(memory_byte(BUF), 0);
		berth_port_stop();
	}
}

static void case_7_coherent_device_needs_no_sync(void **state)
{
	(void)state;
	for (unsigned int seed = 0; seed < 20; seed++) {
		const struct berth_model_config config = {
			.seed = seed,
			.cache = seed % 3,
			.line_size = lines[seed % 3],
		};

		soc_start(&config);
		for (unsigned int i = 1; i < 100; i++) {
			cpu_fill(BUF + i, (int)i, 200);
			assert_int_equal(dev_byte(coherent, BUF + i + 150), i);
			dev_fill(coherent, BUF + i + 3, (int)(i ^ 0xff), 180);
			assert_int_equal(cpu_byte(BUF + i + 2), i);
			assert_int_equal(cpu_byte(BUF + i + 3), i ^ 0xff);
			assert_int_equal(cpu_byte(BUF + i + 182), i ^ 0xff);
			assert_int_equal(cpu_byte(BUF + i + 183), i);
		}
		berth_port_stop();
	}
}

/* A store of what is there already cannot be seen: so what is new holds a pattern. */
static void case_8_silent_store(void **state)
{
	struct berth_model_config config = {
		.cache = BERTH_MODEL_CACHE_ADVERSARIAL,
		.no_fresh_pattern = true,
	};

	(void)state;
	soc_start(&config);
	berth_port_unpoison(soc_virt(BUF), 4096);
	cpu_fill(BUF, 0, 64);
	dev_fill(plain, BUF, 0x33, 64);
	assert_int_equal(memory_byte(BUF), 0x33);
	berth_port_stop();

	config.no_fresh_pattern = false;
	soc_start(&config);
	berth_port_unpoison(soc_virt(BUF), 4096);
	cpu_fill(BUF, 0, 64);
	dev_fill(plain, BUF, 0x33, 64);
	assert_int_equal(memory_byte(BUF), 0);
	berth_port_stop();
}

/* Every way of being right, under every setting and chance. */
static void right_drivers_see_right_data(void **state)
{
	(void)state;
	for (unsigned int seed = 0; seed < 90; seed++) {
		const struct berth_model_config config = {
			.seed = seed,
			.cache = seed % 3,
			.line_size = lines[seed / 3 % 3],
			.write_back_permille = 400,
			.refill_permille = 400,
		};

		soc_start(&config);
		for (unsigned int i = 1; i < 50; i++) {
			cpu_fill(BUF, (int)i, 1024);
			berth_port_cache_clean(BUF, 1024);
			assert_int_equal(dev_byte(plain, BUF + 17 * i), i);
			berth_port_cache_invalidate(BUF, 1024);
			dev_fill(plain, BUF + 5, (int)i + 100, 1000);
			berth_port_cache_invalidate(BUF, 1024);
			assert_int_equal(cpu_byte(BUF + 4), i);
			assert_int_equal(cpu_byte(BUF + 5), i + 100);
			assert_int_equal(cpu_byte(BUF + 1004), i + 100);
			assert_int_equal(cpu_byte(BUF + 1005), i);
		}
		berth_port_stop();
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(case_1_no_clean_before_to_device),
		cmocka_unit_test(case_2_no_invalidate_after_from_device),
		cmocka_unit_test(case_2b_refill_between),
		cmocka_unit_test(case_3_no_invalidate_before),
		cmocka_unit_test(case_4_line_shared_with_a_counter),
		cmocka_unit_test(case_4_eviction_destroys_received_bytes),
		cmocka_unit_test(case_5_cached_and_uncached_alias),
		cmocka_unit_test(case_6_ring_polled_without_sync),
		cmocka_unit_test(case_6b_two_descriptors_in_a_line),
		cmocka_unit_test(case_7_coherent_device_needs_no_sync),
		cmocka_unit_test(case_8_silent_store),
		cmocka_unit_test(right_drivers_see_right_data),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
