/* SPDX-License-Identifier: BSD-2-Clause */
/* The rules that the modelled cache keeps to: each is a test named for it. */
#include <sys/stat.h>

#include "soc.h"

#include "handlers.h"

#define BUF (RAM + 0x10000)

static const unsigned int lines[] = { 32, 64, 128 };

static void config_random(struct berth_model_config *config, uint64_t seed)
{
	*config = (struct berth_model_config){
		.seed = seed,
		.write_back_permille = 1000,
		.refill_permille = 1000,
	};
}

static void only_lines_concerned_and_neighbours(void **state)
{
	struct berth_model_config config;

	(void)state;
	for (unsigned int i = 0; i < 3; i++) {
		unsigned int line = lines[i];

		config_random(&config, 1);
		config.line_size = line;
		soc_start(&config);
		for (unsigned int at = 0; at < 8; at++)
			cpu_fill(BUF + at * line, 0x77, 1);
		dev_fill(plain, BUF + 4 * line, 0x33, 1);
		/* The line, where the eviction wins, and one on each side. */
		for (unsigned int at = 0; at < 8; at++)
			assert_int_equal(memory_byte(BUF + at * line),
					 at >= 3 && at <= 5 ? 0x77 : 0);
		assert_int_equal(soc_stats().evicted, 3);
		berth_port_cache_clean(BUF + line, 1);
		assert_int_equal(memory_byte(BUF), 0x77);
		assert_int_equal(memory_byte(BUF + 2 * line), 0x77);
		assert_int_equal(memory_byte(BUF + 6 * line), 0);
		berth_port_stop();
	}
}

static void adversary_needs_no_luck(void **state)
{
	(void)state;
	for (uint64_t seed = 0; seed < 100; seed++) {
		soc_start_adversarial(64, seed);
		/* Never early for a device that reads. */
		cpu_fill(BUF, 0x11, 4096);
		for (unsigned int i = 0; i < 4096; i += 64)
			assert_int_equal(dev_byte(plain, BUF + i), 0);
		assert_int_equal(soc_stats().evicted, 0);
		/* Right after a device wrote. */
		dev_fill(plain, BUF, 0x33, 4096);
		for (unsigned int i = 0; i < 4096; i += 64)
			assert_int_equal(memory_byte(BUF + i), 0x11);
		assert_int_equal(soc_stats().evicted, 64);
		/* Lines that are handed over by a clean are read again at once, and then stale. */
		dev_fill(plain, BUF, 0x44, 4096);
		berth_port_cache_clean(BUF, 4096);
		assert_int_equal(cpu_byte(BUF), 0x44);
		dev_fill(plain, BUF, 0x55, 4096);
		for (unsigned int i = 0; i < 4096; i += 64)
			assert_int_equal(cpu_byte(BUF + i), 0x44);
		berth_port_stop();
	}
}

static void quiet_does_only_what_it_is_told(void **state)
{
	(void)state;
	soc_start_quiet(64);
	cpu_fill(BUF, 1, 4096);
	dev_fill(plain, BUF + 1024, 2, 1024);
	for (unsigned int i = 0; i < 1000; i++)
		berth_port_cache_clean(BUF + 2048, 64);
	assert_int_equal(memory_byte(BUF + 64), 0);
	assert_int_equal(memory_byte(BUF + 2048 + 64), 0);
	assert_int_equal(memory_byte(BUF + 1024), 2);
	assert_int_equal(cpu_byte(BUF + 1024), 1);
	assert_int_equal(soc_stats().evicted + soc_stats().refilled, 0);
	assert_int_equal(soc_stats().written_back, 1);
	berth_port_stop();
}

/* Into a line that the CPU has changed elsewhere: both are kept, whether memory follows or not. */
static void coherent_write_merges(void **state)
{
	struct berth_model_config config = { .write_back_permille = 1, .refill_permille = 1 };

	(void)state;
	for (unsigned int i = 0; i < 6; i++) {
		config.line_size = lines[i / 2];
		config.follow_permille = i % 2 ? 1000 : 1;
		soc_start(&config);
		cpu_fill(BUF + 5, 0xaa, 1);
		dev_fill(coherent, BUF + 20, 0xbb, 3);
		assert_int_equal(cpu_byte(BUF + 5), 0xaa);
		assert_int_equal(cpu_byte(BUF + 20), 0xbb);
		assert_int_equal(memory_byte(BUF + 5), 0);
		assert_int_equal(memory_byte(BUF + 20), i % 2 ? 0xbb : 0);
		berth_port_cache_clean(BUF, 64);
		for (unsigned int j = 0; j < 32; j++) {
			unsigned int wanted = j == 5 ? 0xaa : j >= 20 && j < 23 ? 0xbb : 0;

			assert_int_equal(memory_byte(BUF + j), wanted);
			assert_int_equal(cpu_byte(BUF + j), wanted);
		}
		berth_port_stop();
	}
}

/* Between a coherent device and another one a clean is owed, the same value or not. */
static void coherent_to_plain_needs_a_clean(void **state)
{
	const struct berth_model_config never_follows = {
		.write_back_permille = 1,
		.refill_permille = 1,
		.follow_permille = 1,
	};
	unsigned int followed = 0;

	(void)state;
	soc_start_quiet(64);
	dev_fill(plain, BUF, 0x66, 64);
	dev_fill(coherent, BUF, 0, 64);
	assert_int_equal(dev_byte(plain, BUF), 0x66);
	berth_port_cache_clean(BUF, 64);
	assert_int_equal(dev_byte(plain, BUF), 0);
	/* And the other way an invalidate. */
	dev_fill(plain, BUF, 0x67, 64);
	assert_int_equal(dev_byte(coherent, BUF), 0);
	berth_port_cache_invalidate(BUF, 64);
	assert_int_equal(dev_byte(coherent, BUF), 0x67);
	berth_port_stop();

	/* Also where a line at a time may follow. */
	soc_start(&never_follows);
	dev_fill(plain, BUF, 0x66, 64);
	dev_fill(coherent, BUF, 0, 64);
	berth_port_cache_clean(BUF, 64);
	assert_int_equal(memory_byte(BUF), 0);
	berth_port_stop();

	soc_start(NULL);
	dev_fill(coherent, BUF, 0x88, 64 * 64);
	for (unsigned int i = 0; i < 64; i++)
		followed += memory_byte(BUF + 64 * i) == 0x88;
	assert_in_range(followed, 8, 56);
	berth_port_stop();
}

static void invalidate_cleans_the_edges_first(void **state)
{
	(void)state;
	for (unsigned int i = 0; i < 3; i++) {
		unsigned int line = lines[i];

		soc_start_quiet(line);
		for (unsigned int from = 0; from <= line; from += line / 4)
			for (unsigned int to = from + 1; to < 4 * line; to += line / 4 - 1) {
				cpu_fill(BUF, 0, 5 * line);
				berth_port_cache_flush(BUF, 5 * line);
				cpu_fill(BUF, 0xcc, 5 * line);
				berth_port_cache_invalidate(BUF + from, to - from);
				for (unsigned int at = 0; at < 5; at++) {
					unsigned int first = at * line, end = first + line;
					bool is_inside = first >= from && end <= to;
					bool is_apart = end <= from || first >= to;

					assert_int_equal(cpu_byte(BUF + first),
							 is_inside ? 0 : 0xcc);
					assert_int_equal(memory_byte(BUF + first),
							 is_inside || is_apart ? 0 : 0xcc);
				}
			}
		berth_port_stop();
	}
}

static void fresh_memory_is_alike_in_all_copies(void **state)
{
	uint64_t words[2][8];

	(void)state;
	for (unsigned int round = 0; round < 2; round++) {
		const struct berth_model_config config = {
			.cache = BERTH_MODEL_CACHE_QUIET,
			.seed = round,
		};
		volatile uint64_t *at;

		soc_start(&config);
		at = soc_virt(BUF);
		cpu_fill(BUF, 0xdd, 64);
		berth_port_unpoison(soc_virt(BUF + 3), 50);
		/* The neighbours' bytes stay what they are: dirty. */
		assert_int_equal(cpu_byte(BUF + 2), 0xdd);
		assert_int_equal(memory_byte(BUF + 2), 0);
		assert_int_equal(cpu_byte(BUF + 53), 0xdd);
		assert_int_equal(memory_byte(BUF + 53), 0);
		for (unsigned int i = 3; i < 53; i++)
			assert_int_equal(cpu_byte(BUF + i), memory_byte(BUF + i));
		berth_port_unpoison(soc_virt(BUF), 64);
		for (unsigned int i = 0; i < 8; i++) {
			words[round][i] = at[i];
			assert_int_not_equal(at[i], 0);
		}
		berth_port_cache_clean(BUF, 64);
		assert_int_equal(soc_stats().written_back, 0);
		berth_port_stop();
	}
	assert_memory_not_equal(words[0], words[1], sizeof(words[0]));
}

static uint64_t blocks(unsigned int copy)
{
	struct stat file;

	assert_int_equal(fstat(soc.ram.fd[copy], &file), 0);
	return (uint64_t)file.st_blocks * 512;
}

static void unused_pages_are_not_touched(void **state)
{
	struct berth_model_config config;

	(void)state;
	config_random(&config, 3);
	soc_start(&config);
	assert_int_equal(blocks(0) + blocks(1), 0);
	for (unsigned int i = 0; i < 100; i++) {
		cpu_fill(BUF, (int)i, 4096);
		berth_port_cache_clean(BUF, 4096);
		dev_fill(plain, BUF, 0x33, 4096);
		dev_fill(coherent, BUF, 0x34, 4096);
		berth_port_cache_invalidate(BUF, 4096);
		berth_port_delay(1000000);
	}
	/* The page and its two neighbours. */
	assert_in_range(blocks(0), 4096, 3 * 4096);
	assert_in_range(blocks(1), 4096, 3 * 4096);
	berth_port_stop();
}

struct counted_op {
	uint64_t number;
	enum berth_model_cache_op op;
	phys_addr_t phys;
	uint64_t size;
};

static void note_op(void *data, uint64_t number, enum berth_model_cache_op op, phys_addr_t phys,
		    uint64_t size)
{
	struct counted_op *ops = data;

	assert_in_range(number, 1, 3);
	ops[number] = (struct counted_op){ number, op, phys, size };
	/* The model may be asked meanwhile. */
	assert_int_equal(soc_stats().cache_ops, number);
}

static void one_operation_is_left_out(void **state)
{
	(void)state;
	for (uint64_t drop = 0; drop <= 4; drop++) {
		struct counted_op ops[4] = { { 0 } };
		const struct berth_model_config config = {
			.cache = BERTH_MODEL_CACHE_QUIET,
			.drop_cache_op = drop,
			.on_cache_op = note_op,
			.on_cache_op_data = ops,
		};

		soc_start(&config);
		cpu_fill(BUF, 0x11, 192);
		dev_fill(plain, BUF + 64, 0x33, 64);
		berth_port_cache_clean(BUF, 1);
		berth_port_cache_invalidate(BUF + 64, 64);
		berth_port_cache_flush(BUF + 128, 64);
		assert_int_equal(soc_stats().cache_ops, 3);
		assert_int_equal(memory_byte(BUF), drop == 1 ? 0 : 0x11);
		assert_int_equal(cpu_byte(BUF + 64), drop == 2 ? 0x11 : 0x33);
		assert_int_equal(memory_byte(BUF + 128), drop == 3 ? 0 : 0x11);
		for (unsigned int i = 1; i <= 3; i++) {
			assert_int_equal(ops[i].number, i);
			assert_int_equal(ops[i].op, i - 1);
			assert_int_equal(ops[i].phys, BUF + 64 * (i - 1));
			assert_int_equal(ops[i].size, i == 1 ? 1 : 64);
		}
		berth_port_stop();
	}
}

static void an_uncached_mapping_leaves_no_line_behind(void **state)
{
	volatile uint8_t *alias;

	(void)state;
	soc_start_quiet(64);
	cpu_fill(BUF, 0x11, 4096);
	alias = berth_port_remap(BUF, 4096, BERTH_MEMORY_WRITE_COMBINE);
	assert_int_equal(alias[100], 0x11);
	assert_ptr_equal(alias, berth_model_memory(BUF));
	alias[100] = 0x12;
	assert_int_equal(dev_byte(plain, BUF + 100), 0x12);
	dev_fill(plain, BUF + 200, 0x13, 1);
	assert_int_equal(alias[200], 0x13);
	assert_int_equal(cpu_byte(BUF + 100), 0x11);
	berth_port_unremap((void *)(uintptr_t)alias, BUF, 4096);
	assert_int_equal(cpu_byte(BUF + 100), 0x12);
	assert_int_equal(cpu_byte(BUF + 200), 0x13);
	assert_int_equal(soc_stats().cache_ops, 0);
	berth_port_stop();
}

static void bad_settings_are_refused(void **state)
{
	const struct berth_model_config bad[] = {
		{ .line_size = 16 },
		{ .line_size = 48 },
		{ .line_size = 256 },
		{ .cache = 3 },
		{ .write_back_permille = 1001 },
		{ .refill_permille = 1001 },
		{ .follow_permille = 1001 },
	};

	(void)state;
	for (unsigned int i = 0; i < ARRAY_SIZE(bad); i++) {
		assert_int_equal(soc_try(soc_tree(), &bad[i]), -EINVAL);
		assert_int_equal(berth_port_error()->reason, BERTH_REASON_ARGUMENT);
	}
	soc_start(NULL);
	assert_int_equal(berth_port_line_size(), 64);
	berth_port_stop();
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(only_lines_concerned_and_neighbours),
		cmocka_unit_test(adversary_needs_no_luck),
		cmocka_unit_test(quiet_does_only_what_it_is_told),
		cmocka_unit_test(coherent_write_merges),
		cmocka_unit_test(coherent_to_plain_needs_a_clean),
		cmocka_unit_test(invalidate_cleans_the_edges_first),
		cmocka_unit_test(fresh_memory_is_alike_in_all_copies),
		cmocka_unit_test(unused_pages_are_not_touched),
		cmocka_unit_test(one_operation_is_left_out),
		cmocka_unit_test(an_uncached_mapping_leaves_no_line_behind),
		cmocka_unit_test(bad_settings_are_refused),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
