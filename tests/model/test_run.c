// SPDX-License-Identifier: BSD-2-Clause
/*
 * The main job on the modelled SoC without a decoder: identical whatever the cache does, different without
 * any sync.
 */
#include "machine.h"

#include "boards.h"
#include "boards_less.h"
#include "run.h"

#define SEEDS 20

static struct run_options small(uint64_t seed)
{
	return (struct run_options){
		.board = board_without_decoder(board_multimedia, board_multimedia_size),
		.frames = 6,
		.width = 70, /* no whole number of cache lines */
		.height = 46,
		.model.seed = seed,
	};
}

/* The frames lie above 4 GiB: each was bounced, and nothing else was. */
static bool network_is_right(const struct run_result *result, uint64_t frames)
{
	const struct network_work *network = &result->network;
	const struct berth_swiotlb_info *bounce = &result->bounce;

	return network->is_there && network->frames_out == frames && network->frames_in == frames &&
	       network->bytes_in == network->bytes_out && network->bytes_out >= 60 * frames &&
	       !network->wrong && network->bounced == frames &&
	       network->bounced_bytes == network->bytes_out && bounce->nr_maps == frames &&
	       bounce->bytes_in == network->bytes_out && !bounce->bytes_out && !bounce->used;
}

/* A picture is one invalidation; what leads to its pages is looked for once, not for each picture. */
static bool display_is_right(const struct run_result *result, uint64_t frames)
{
	const struct scatter_work *work = &result->display;

	return work->is_there && work->requests == frames && !work->faults &&
	       work->pages == PFN_UP(result->frame_bytes) &&
	       work->moved == frames * result->frame_bytes && work->invalidations == frames &&
	       work->misses[0] <= 1 && work->misses[1] <= 1 && work->misses[2] <= 1;
}

static void assert_identical(const struct run_options *options)
{
	struct run_result result;
	int status = run_job(options, &result);

	if (status || result.identical_display != options->frames ||
	    result.identical_cpu != options->frames || result.copied ||
	    !network_is_right(&result, options->frames) ||
	    !display_is_right(&result, options->frames))
		fail_msg("seed %llu, lines of %u: status %d: %s%s",
			 (unsigned long long)options->model.seed, options->model.line_size, status,
			 result.error, result.difference);
}

static void test_identical(void **state)
{
	static const enum berth_model_cache caches[] = {
		BERTH_MODEL_CACHE_RANDOM,
		BERTH_MODEL_CACHE_ADVERSARIAL,
		BERTH_MODEL_CACHE_QUIET,
	};

	(void)state;
	for (unsigned int line_size = 32; line_size <= 128; line_size *= 2)
		for (unsigned int c = 0; c < ARRAY_SIZE(caches); c++)
			for (uint64_t seed = 1; seed <= SEEDS; seed++) {
				struct run_options options = small(seed);

				options.model.line_size = line_size;
				options.model.cache = caches[c];
				assert_identical(&options);
			}
}

static void test_coherent(void **state)
{
	struct run_options options;
	struct run_result result;

	(void)state;
	for (uint64_t seed = 1; seed <= SEEDS; seed++) {
		options = small(seed);
		options.board = board_without_decoder(board_multimedia_coherent,
						      board_multimedia_coherent_size);
		assert_identical(&options);
	}
	assert_int_equal(run_job(&options, &result), RUN_DONE);
	assert_int_equal(result.stats.cache_ops, 0);
}

static void test_repeatable(void **state)
{
	struct run_options options;
	struct run_result one, two;

	(void)state;
	for (uint64_t seed = 1; seed <= 5; seed++) {
		options = small(seed);
		assert_int_equal(run_job(&options, &one), RUN_DONE);
		assert_int_equal(run_job(&options, &two), RUN_DONE);
		assert_memory_equal(&one.stats, &two.stats, sizeof(one.stats));
		options = small(seed + 1);
		assert_int_equal(run_job(&options, &two), RUN_DONE);
		assert_true(one.stats.digest != two.stats.digest);
	}
}

/*
 * Frames come out of memory that a program uses, which notices nothing. What devices do is repeated, when is
 * not: threads answer faults, and who waits for them lets time pass.
 */
static void test_tenants(void **state)
{
	static const char *const gates[] = { "uffd", "signal" };
	struct run_options options = small(3);
	struct run_result first = { 0 }, result;

	(void)state;
	options.tenants = true;
	options.width = options.height = 0;
	for (unsigned int turn = 0; turn < 4; turn++) {
		setenv("BERTH_GATE", gates[turn % 2], 1);
		if (run_job(&options, &result) == RUN_UNUSABLE && turn % 2 == 0)
			continue; /* this host lets nobody have userfaultfd */
		if (result.error[0] || result.differs)
			fail_msg("%s: %s%s", gates[turn % 2], result.error, result.difference);
		assert_int_equal(result.tenants.wrong, 0);
		assert_true(result.tenants.checks > result.during.total / PAGE_SIZE / 2);
		assert_true(result.before.free < result.during.total / 50);
		assert_int_equal(result.with_cma, RUN_TRIES);
		assert_true(network_is_right(&result, options.frames));
		assert_int_equal(result.buffers, RUN_BUFFERS);
		for (unsigned int i = 0; i < result.buffers; i++) {
			const struct run_buffer *buffer = &result.buffer[i];

			assert_true(buffer->held[TENANT_FILE] + buffer->held[TENANT_ANON] >
				    buffer->pages / 2);
		}
		assert_true(result.tenants.moved + result.tenants.dropped > 0);
		if (first.stats.digest) {
			assert_int_equal(first.stats.dma_read, result.stats.dma_read);
			assert_int_equal(first.stats.dma_written, result.stats.dma_written);
			assert_int_equal(first.stats.bus_errors, result.stats.bus_errors);
		}
		first = result;
	}
	unsetenv("BERTH_GATE");
}

#define UNUSED "a new table of the SMMU's: each of its entries is cleaned once more when it is used"
#define SAME_LINE "an entry of a table: the next one is in the same line, and cleaned with it"
#define UNMAPPED "it keeps the display from what is not its own any more, which changes no picture"

/*
 * Cache operations of a run of that many pictures, of two pages. Of each its paint, its bytes, two
 * entries of a table and their end; of a frame on the network its bytes and the two parts of what comes
 * back. Once: the card's ring, the slot that its frames go through, the display's two pages, four
 * tables, three links to them, and the entry of the display's header.
 */
static uint64_t ops(uint64_t frames)
{
	return 8 * frames + 12;
}

/* Operations of the run that could be left out without harm, each with its reason. */
struct redundant {
	uint64_t number;
	const char *reason;
};

static const struct redundant redundant[] = {
	{ 1, UNUSED },
	{ 10, UNUSED },
	{ 12, UNUSED },
	{ 14, UNUSED },
	{ 16, SAME_LINE },
	{ 17, SAME_LINE },
	{ 25, SAME_LINE },
	{ 32, SAME_LINE },
	{ 39, SAME_LINE },
	{ 19, UNMAPPED },
	{ 27, UNMAPPED },
	{ 34, UNMAPPED },
	{ 41, UNMAPPED },
	{ 20,
	  "what was in a slot of a pool before is not for the card, which does not look at it" },
};

static bool is_redundant(uint64_t number)
{
	for (unsigned int i = 0; i < ARRAY_SIZE(redundant); i++)
		if (redundant[i].number == number)
			return true;
	return false;
}

static bool some_seed_differs(uint64_t dropped)
{
	for (uint64_t seed = 1; seed <= SEEDS; seed++) {
		struct run_options options = small(seed);
		struct run_result result;

		options.frames = 4;
		options.model.drop_cache_op = dropped;
		if (run_job(&options, &result) == RUN_FOUND) {
			assert_true(result.dropped);
			return true;
		}
	}
	return false;
}

static void test_every_sync_matters(void **state)
{
	struct run_options options = small(1);
	struct run_result result;

	(void)state;
	options.frames = 4;
	assert_int_equal(run_job(&options, &result), RUN_DONE);
	assert_int_equal(result.stats.cache_ops, ops(options.frames));
	assert_int_equal(result.stats.cache_ops,
			 result.cache_ops[0] + result.cache_ops[1] + result.cache_ops[2]);
	for (uint64_t n = 1; n <= result.stats.cache_ops; n++)
		if (some_seed_differs(n) == is_redundant(n))
			fail_msg("operation %llu", (unsigned long long)n);
}

/* A buffer that goes round again, too: more frames than buffers. */
static void test_recycled_buffers(void **state)
{
	struct run_options options = small(1);
	uint64_t found = 0;

	(void)state;
	options.frames = 12;
	for (uint64_t n = 49; n <= 64; n++)
		for (uint64_t seed = 1; seed <= SEEDS; seed++) {
			struct run_result result;

			options.model.seed = seed;
			options.model.drop_cache_op = n;
			if (run_job(&options, &result) == RUN_FOUND) {
				found++;
				break;
			}
		}
	/* Of each of the two pictures an entry, and the end of both, change nothing. */
	assert_int_equal(found, 12);
}

static void test_adversarial_needs_no_luck(void **state)
{
	struct run_options options = small(1);

	(void)state;
	options.frames = 4;
	options.model.cache = BERTH_MODEL_CACHE_ADVERSARIAL;
	for (uint64_t n = 1; n <= ops(options.frames); n++) {
		struct run_result result;

		options.model.drop_cache_op = n;
		if (run_job(&options, &result) != (is_redundant(n) ? RUN_DONE : RUN_FOUND))
			fail_msg("operation %llu", (unsigned long long)n);
	}
}

/* A wrong byte on the network alone fails the run, and so does a frame that is lost. */
static void test_network_counts(void **state)
{
	struct run_options options = small(1);
	unsigned int wrong = 0, lost = 0;

	(void)state;
	options.frames = 2;
	options.model.cache = BERTH_MODEL_CACHE_ADVERSARIAL;
	for (uint64_t n = 1; n <= ops(options.frames); n++) {
		struct run_result result;

		options.model.drop_cache_op = n;
		if (run_job(&options, &result) == RUN_DONE)
			continue;
		if (result.network.wrong) {
			assert_int_equal(result.identical_cpu, options.frames);
			assert_non_null(strstr(result.difference, "on the network"));
			wrong++;
		}
		lost += strstr(result.error, "does not come back") != NULL;
	}
	assert_true(wrong >= 2);
	assert_true(lost >= 2);
}

static void test_protection(void **state)
{
	struct run_options options = small(1);
	struct run_result result;

	(void)state;
	options.is_protection_chosen = true;
	for (int p = BERTH_PROTECT_PASSTHROUGH; p <= BERTH_PROTECT_SHADOW; p++) {
		const struct scatter_work *work = &result.display;
		bool is_strict = p == BERTH_PROTECT_STRICT, is_lazy = p == BERTH_PROTECT_LAZY;

		options.protection = (enum berth_protection)p;
		assert_int_equal(run_job(&options, &result), RUN_DONE);
		assert_int_equal(result.identical_display, options.frames);
		assert_string_equal(work->protection, berth_protection_name(options.protection));
		assert_int_equal(work->requests, options.frames);
		assert_int_equal(work->faults, 0);
		assert_int_equal(work->pages, is_strict || is_lazy ? 2 : 0);
		if (is_strict)
			assert_true(display_is_right(&result, options.frames));
		else if (is_lazy)
			assert_true(work->invalidations <= options.frames);
		else
			assert_int_equal(work->invalidations, 0);
		/* What the display sees then are copies, headers included. */
		assert_int_equal(result.copied,
				 p == BERTH_PROTECT_SHADOW
					 ? options.frames * (256 + result.frame_bytes)
					 : 0);
	}
	options.board = board_network;
	assert_int_equal(run_job(&options, &result), RUN_UNUSABLE);
	assert_non_null(strstr(result.error, "no display behind an IOMMU"));
	assert_false(berth_running());
}

/* As budgeted for requests of 64 pages: an invalidation each, and tables that stay known. */
static void test_large_pictures(void **state)
{
	struct run_options options = small(1);
	struct run_result result;

	(void)state;
	options.width = 512;
	options.height = 340;
	options.frames = 20;
	assert_int_equal(run_job(&options, &result), RUN_DONE);
	assert_int_equal(result.display.pages, 64);
	assert_true(display_is_right(&result, options.frames));
}

/* One line that says why, and nothing left behind. */
static void test_unusable(void **state)
{
	static const char *const bad[] = { "/nonexistent/clip.y4m", "/", "/dev/null" };
	struct run_result result;

	(void)state;
	for (unsigned int i = 0; i < ARRAY_SIZE(bad); i++) {
		struct run_options options = small(1);

		options.video = bad[i];
		assert_int_equal(run_job(&options, &result), RUN_UNUSABLE);
		assert_true(result.error[0]);
		assert_false(berth_running());
	}
}

static void test_too_large(void **state)
{
	struct run_options options = small(1);
	struct run_result result;

	(void)state;
	options.width = 8192;
	options.height = 4096; /* 48 MiB a frame, 32 MiB of CMA */
	options.frames = 1;
	assert_int_equal(run_job(&options, &result), RUN_FOUND);
	assert_non_null(strstr(result.error, "no memory"));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_identical),
		cmocka_unit_test(test_coherent),
		cmocka_unit_test(test_repeatable),
		cmocka_unit_test(test_tenants),
		cmocka_unit_test(test_every_sync_matters),
		cmocka_unit_test(test_recycled_buffers),
		cmocka_unit_test(test_adversarial_needs_no_luck),
		cmocka_unit_test(test_network_counts),
		cmocka_unit_test(test_protection),
		cmocka_unit_test(test_large_pictures),
		cmocka_unit_test(test_unusable),
		cmocka_unit_test(test_too_large),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
