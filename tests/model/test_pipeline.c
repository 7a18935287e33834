// SPDX-License-Identifier: BSD-2-Clause
/*
 * The main job through a decoder: shared buffers, fences, and another process that looks at the pictures.
 * This program is that process as well.
 */
#include "machine.h"

#include <berth/test.h>

#include "boards.h"
#include "run.h"
#include "screen.h"

static struct run_options small(uint64_t seed)
{
	return (struct run_options){
		.board = board_multimedia,
		.frames = 6,
		.width = 70, /* no whole number of cache lines */
		.height = 46,
		.model.seed = seed,
	};
}

/* Without an IOMMU's tables every cache operation is one on what is sent. */
static struct run_options plain(enum berth_model_cache cache)
{
	struct run_options options = small(1);

	options.is_protection_chosen = true;
	options.protection = BERTH_PROTECT_PASSTHROUGH;
	options.model.cache = cache;
	options.frames = 4;
	return options;
}

static void must_be_identical(const struct run_options *options, struct run_result *result)
{
	const struct run_pipeline *p = &result->pipeline;
	int status = run_job(options, result);

	if (status || result->identical_display != options->frames ||
	    result->identical_cpu != options->frames || p->seen != options->frames ||
	    p->fences != 4 * options->frames || p->fences_failed || p->damaged || result->copied)
		fail_msg("seed %llu, lines of %u: status %d: %s%s",
			 (unsigned long long)options->model.seed, options->model.line_size, status,
			 result->error, result->difference);
	assert_false(berth_running());
}

static void identical_whatever_the_cache_does(void **state)
{
	struct run_result result;

	(void)state;
	for (unsigned int line_size = 32; line_size <= 128; line_size *= 2)
		for (int cache = BERTH_MODEL_CACHE_RANDOM; cache <= BERTH_MODEL_CACHE_QUIET;
		     cache++)
			for (uint64_t seed = 1; seed <= 5; seed++) {
				struct run_options options = small(seed);

				options.model.line_size = line_size;
				options.model.cache = (enum berth_model_cache)cache;
				must_be_identical(&options, &result);
			}
}

static void every_protection_and_coherency(void **state)
{
	struct run_options options = small(2);
	struct run_result result;

	(void)state;
	options.is_protection_chosen = true;
	for (int p = BERTH_PROTECT_PASSTHROUGH; p <= BERTH_PROTECT_SHADOW; p++) {
		options.protection = (enum berth_protection)p;
		if (p != BERTH_PROTECT_SHADOW) {
			must_be_identical(&options, &result);
			continue;
		}
		/* What the display sees then are copies. */
		assert_int_equal(run_job(&options, &result), RUN_DONE);
		assert_in_range(result.copied, options.frames * result.frame_bytes,
				options.frames * (result.frame_bytes + 4096));
	}
	options = small(3);
	options.board = board_multimedia_coherent;
	must_be_identical(&options, &result);
	assert_int_equal(result.stats.cache_ops, 0);
}

static void the_other_process_changes_nothing(void **state)
{
	struct run_result one, two;

	(void)state;
	for (uint64_t seed = 1; seed <= 3; seed++) {
		struct run_options options = small(seed);

		must_be_identical(&options, &one);
		must_be_identical(&options, &two);
		assert_memory_equal(&one.stats, &two.stats, sizeof(one.stats));
	}
}

static void frames_out_of_memory_in_use(void **state)
{
	struct run_options options = small(3);
	struct run_result result;

	(void)state;
	options.tenants = true;
	options.width = options.height = 0;
	must_be_identical(&options, &result);
	assert_int_equal(result.tenants.wrong, 0);
	assert_int_equal(result.buffers, RUN_BUFFERS);
	for (unsigned int i = 0; i < result.buffers; i++)
		assert_true(result.buffer[i].held[TENANT_FILE] +
				    result.buffer[i].held[TENANT_ANON] >
			    result.buffer[i].pages / 2);
	/* Nobody needs contiguous pictures. */
	assert_true(result.pipeline.pieces > 1);
	assert_int_equal(result.display.pages, PFN_UP(result.frame_bytes));
}

/*
 * Of each frame its paint, the stream for the decoder, the picture for the display, and three on the
 * network. Once the card's ring; and, which change no frame, a table that the SMMU does not use, and the slot
 * that the card's frames go through.
 */
static void every_sync_matters(void **state)
{
	struct run_options options = plain(BERTH_MODEL_CACHE_ADVERSARIAL);
	unsigned int harmless = 0;
	struct run_result result;

	(void)state;
	must_be_identical(&options, &result);
	assert_int_equal(result.pipeline.cleans, 2 * options.frames);
	assert_int_equal(result.pipeline.invalidates, options.frames);
	assert_int_equal(result.stats.cache_ops, 6 * options.frames + 3);
	for (uint64_t n = 1; n <= 6 * options.frames + 3; n++) {
		options.model.drop_cache_op = n;
		if (run_job(&options, &result) == RUN_FOUND)
			continue;
		assert_true(result.dropped);
		harmless++;
		if (n != 1 && result.dropped_size != 2048)
			fail_msg("operation %llu", (unsigned long long)n);
	}
	assert_int_equal(harmless, 2);
}

/* Whatever fails: a reason, nothing left behind, and the other process ends. */
static void every_allocation_may_fail(void **state)
{
	struct run_options options = small(4);
	unsigned int failures = 0;
	bool happened = true;

	(void)state;
	options.frames = 2;
	for (uint64_t n = 1; happened; n += 1 + n / 25) {
		struct run_result result;
		int status;

		berth_test_fail_nth(n);
		status = run_job(&options, &result);
		happened = berth_test_failed();
		berth_test_fail_nth(0);
		assert_false(berth_running());
		if (status != RUN_DONE) {
			assert_true(happened);
			assert_true(result.error[0] || result.differs);
			assert_null(strstr(result.error, "stop cleanly"));
			failures++;
		}
	}
	assert_in_range(failures, 10, 10000);
}

int main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(identical_whatever_the_cache_does),
		cmocka_unit_test(every_protection_and_coherency),
		cmocka_unit_test(the_other_process_changes_nothing),
		cmocka_unit_test(frames_out_of_memory_in_use),
		cmocka_unit_test(every_sync_matters),
		cmocka_unit_test(every_allocation_may_fail),
	};

	if (argc > 1 && !strcmp(argv[1], SCREEN_COMMAND))
		return screen_command();
	return cmocka_run_group_tests(tests, NULL, NULL);
}
