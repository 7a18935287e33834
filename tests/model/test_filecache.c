/* SPDX-License-Identifier: BSD-2-Clause */
/* Cached files: what is in them, in the cache and in the end in the real file. */
#include "files.h"

#include "mm/user.h"

#include <berth/migrate.h>
#include <berth/test.h>

static struct berth_filecache_stats stats_of(const struct cached_file *file)
{
	struct berth_filecache_stats stats;

	berth_filecache_stats(file, &stats);
	return stats;
}

static uint8_t byte_at(size_t i)
{
	return (uint8_t)(i * 7 + i / 4096 * 3 + 1);
}

static uint8_t *pattern(size_t size)
{
	uint8_t *bytes = malloc(size + 1);

	assert_non_null(bytes);
	for (size_t i = 0; i < size; i++)
		bytes[i] = byte_at(i);
	return bytes;
}

static void reads_what_is_in_the_file(void **state)
{
	size_t size = MIB + 1234;
	uint8_t *bytes = pattern(size), *found = malloc(size);
	struct berth_filecache_stats stats;
	struct cached_file *file;

	(void)state;
	make_file(bytes, size);
	must_start(tree_minimal, NULL, NULL);
	file = open_cached();
	assert_int_equal(berth_filecache_size(file), size);
	for (size_t at = 0; at < size; at += 1000)
		assert_int_equal(berth_filecache_read(file, found + at, at, 1000),
				 size - at < 1000 ? size - at : 1000);
	assert_memory_equal(found, bytes, size);
	assert_int_equal(berth_filecache_read(file, found, size, 1), 0);
	assert_int_equal(berth_filecache_read(file, found, size + 5 * MIB, 1), 0);
	assert_int_equal(berth_filecache_read(file, found, size - 3, 100), 3);

	stats = stats_of(file);
	assert_int_equal(stats.pages, size / PAGE_SIZE + 1);
	assert_int_equal(stats.read, stats.pages);
	assert_int_equal(stats.dirty, 0);
	/* From one end to the other: many pages at once. */
	assert_true(faulty.reads < 20);
	assert_true(stats.misses < 20);
	assert_true(stats.hits > stats.pages);

	assert_int_equal(berth_filecache_drop(file), stats.pages);
	assert_int_equal(stats_of(file).pages, 0);
	assert_int_equal(berth_filecache_read(file, found, 500000, 10), 10);
	assert_memory_equal(found, bytes + 500000, 10);
	assert_int_equal(stats_of(file).pages, 1);
	close_cached(file);
	must_stop();
	file_is(bytes, size);
	remove_file();
	free(bytes);
	free(found);
}

static void writes_reach_the_file_with_sync(void **state)
{
	uint8_t *bytes = pattern(3 * MIB), *old = calloc(1, 3 * MIB), found[20];
	struct cached_file *file;

	(void)state;
	make_file(old, 10000);
	must_start(tree_minimal, NULL, NULL);
	file = open_cached();
	assert_int_equal(berth_filecache_write(file, bytes + 5000, 5000, 100), 100);
	memcpy(old + 5000, bytes + 5000, 100);
	assert_int_equal(stats_of(file).dirty, 1);
	assert_int_equal(faulty.writes, 0);
	assert_int_equal(berth_filecache_drop(file), 0);
	assert_int_equal(berth_filecache_sync(file), 0);
	assert_int_equal(faulty.flushes, 1);
	assert_int_equal(stats_of(file).dirty, 0);
	file_is(old, 10000);

	/* Behind the end, with a gap. */
	assert_int_equal(berth_filecache_write(file, bytes + 100001, 100001, 50000), 50000);
	memcpy(old + 100001, bytes + 100001, 50000);
	assert_int_equal(berth_filecache_size(file), 150001);
	assert_int_equal(berth_filecache_read(file, found, 99995, 20), 20);
	assert_memory_equal(found, old + 99995, 20);
	assert_int_equal(berth_filecache_sync(file), 0);
	file_is(old, 150001);

	/* More than may stay dirty: written before anybody asks for it. */
	assert_int_equal(berth_filecache_write(file, bytes, 0, 3 * MIB), 3 * MIB);
	assert_true(stats_of(file).written > 100);
	assert_true(stats_of(file).dirty < 3 * MIB / PAGE_SIZE);
	close_cached(file);
	file_is(bytes, 3 * MIB);
	must_stop();
	remove_file();
	free(bytes);
	free(old);
}

static void the_size_changes(void **state)
{
	uint8_t *bytes = pattern(100000), *expected = calloc(1, 200000);
	struct cached_file *file;

	(void)state;
	make_file(bytes, 100000);
	must_start(tree_minimal, NULL, NULL);
	file = open_cached();
	assert_int_equal(berth_filecache_write(file, bytes, 99000, 1000), 1000);
	assert_int_equal(berth_filecache_truncate(file, 5000), 0);
	assert_int_equal(stats_of(file).dirty, 0);
	file_is(bytes, 5000);
	/* What was cut off does not come back. */
	assert_int_equal(berth_filecache_truncate(file, 200000), 0);
	memcpy(expected, bytes, 5000);
	file_is(expected, 200000);
	assert_int_equal(berth_filecache_write(file, "x", 7000, 1), 1);
	expected[7000] = 'x';
	/* A page that is in the cache when the file is cut off and grows by a write. */
	assert_int_equal(berth_filecache_truncate(file, 6000), 0);
	assert_int_equal(berth_filecache_write(file, "yz", 9000, 2), 2);
	memset(expected + 6000, 0, 194000);
	memcpy(expected + 9000, "yz", 2);

	faulty.fail_resizes = 1;
	assert_int_equal(berth_filecache_truncate(file, 100), -EIO);
	assert_reason(BERTH_REASON_IO);
	assert_int_equal(berth_filecache_truncate(file, 100000), -EIO);
	assert_int_equal(berth_filecache_size(file), 9002);
	assert_int_equal(berth_filecache_sync(file), -EIO);
	assert_int_equal(stats_of(file).dirty, 2);
	faulty.fail_resizes = 0;
	assert_int_equal(berth_filecache_truncate(file, BERTH_FILECACHE_MAX_SIZE + 1), -EFBIG);
	close_cached(file);
	file_is(expected, 9002);
	must_stop();
	remove_file();
	free(bytes);
	free(expected);
}

static void a_file_may_have_holes(void **state)
{
	static const uint64_t places[] = { 0,	       4096 * 63,  4096 * 64,	1ull << 30,
					   1ull << 40, 7ull << 40, (1ull << 43) };
	struct berth_memory_info before, after;
	struct cached_file *file;
	char found[8];

	(void)state;
	make_file("", 0);
	must_start(tree_minimal, NULL, NULL);
	file = open_cached();
	assert_int_equal(berth_filecache_write(file, "start", 100, 6), 6);
	berth_memory_info(&before);
	for (size_t i = 0; i < sizeof(places) / sizeof(places[0]); i++)
		assert_int_equal(berth_filecache_write(file, &places[i], places[i], 8), 8);
	for (size_t i = sizeof(places) / sizeof(places[0]); i--;) {
		assert_int_equal(berth_filecache_read(file, found, places[i], 8), 8);
		assert_memory_equal(found, &places[i], 8);
	}
	berth_memory_info(&after);
	assert_true(after.used - before.used < 64 * PAGE_SIZE);
	assert_int_equal(berth_filecache_write(file, "x", UINT64_MAX - 3, 1), -EFBIG);
	assert_int_equal(berth_filecache_truncate(file, 1), 0);
	assert_int_equal(stats_of(file).pages, 1);
	close_cached(file);
	file_is("\0", 1);
	must_stop();
	remove_file();
}

static void errors_are_kept_and_nothing_is_lost(void **state)
{
	uint8_t *bytes = pattern(600000), *old = calloc(1, 600000);
	struct cached_file *file;

	(void)state;
	make_file(old, 600000);
	must_start(tree_minimal, NULL, NULL);
	file = open_cached();
	assert_int_equal(berth_filecache_write(file, bytes, 0, 600000), 600000);
	faulty.fail_writes = 1;
	assert_int_equal(berth_filecache_sync(file), -EIO);
	assert_reason(BERTH_REASON_IO);
	assert_int_equal(stats_of(file).dirty, 147);
	assert_int_equal(berth_filecache_drop(NULL), 0);
	assert_int_equal(berth_filecache_close(file), -EIO);
	assert_int_equal(stats_of(file).dirty, 147);

	/* One bad page of many keeps none of the others from being written. */
	faulty.fail_writes = 0;
	faulty.full = 599 * 1000;
	assert_int_equal(berth_filecache_sync(file), -ENOSPC);
	assert_int_equal(stats_of(file).dirty, 1);
	faulty.full = 0;
	faulty.fail_flushes = 1;
	assert_int_equal(berth_filecache_sync(file), -EIO);
	faulty.fail_flushes = 0;
	assert_int_equal(stats_of(file).dirty, 0);
	file_is(bytes, 600000);

	assert_int_equal(berth_filecache_drop(file), 147);
	faulty.fail_reads = 1;
	assert_int_equal(berth_filecache_read(file, old, 0, 10), -EIO);
	assert_int_equal(berth_filecache_write(file, old, 1, 10), -EIO);
	faulty.fail_reads = 0;
	assert_int_equal(berth_filecache_read(file, old, 0, 600000), 600000);
	assert_memory_equal(old, bytes, 600000);

	/* An error that nobody was told of when it happened is told at the next sync. */
	assert_int_equal(berth_filecache_write(file, bytes, 0, 600000), 600000);
	faulty.fail_writes = 1;
	assert_null(cma_alloc(berth_cma_default(), 100000, 0, true));
	for (int i = 0; i < 20; i++)
		berth_filecache_write(file, bytes, 0, 600000);
	free(old);
	old = pattern(4 * MIB);
	assert_int_equal(berth_filecache_write(file, old, 0, 4 * MIB), 4 * MIB);
	assert_true(faulty.failed_writes > 0);
	faulty.fail_writes = 0;
	assert_int_equal(berth_filecache_sync(file), -EIO);
	assert_int_equal(berth_filecache_sync(file), 0);
	close_cached(file);
	file_is(old, 4 * MIB);
	must_stop();
	remove_file();
	free(bytes);
	free(old);
}

static void some_files_are_for_reading(void **state)
{
	uint8_t *bytes = pattern(50000), found[100];
	struct backing *backing, *other;
	struct cached_file *file;

	(void)state;
	make_file(bytes, 50000);
	assert_null(berth_file_open("/nonexistent/file", BERTH_FILE_WRITE));
	assert_reason(BERTH_REASON_IO);
	assert_string_equal(berth_last_error()->subject, "/nonexistent/file");
	assert_int_equal(berth_last_error()->code, -ENOENT);
	assert_null(berth_file_open("/tmp", 0));
	assert_null(berth_file_open(NULL, 0));
	assert_null(berth_file_open(file_path, 0x80));
	must_start(tree_minimal, NULL, NULL);
	backing = berth_file_open(file_path, 0);
	file = berth_filecache_open(backing);
	assert_non_null(file);
	assert_null(berth_filecache_open(backing));
	assert_reason(BERTH_REASON_STATE);
	assert_int_equal(berth_filecache_write(file, "x", 0, 1), -EACCES);
	assert_int_equal(berth_filecache_truncate(file, 0), -EACCES);
	assert_null(berth_filecache_map(file, 0, 1, BERTH_ACCESS_WRITE));
	assert_int_equal(berth_filecache_read(file, found, 40000, 100), 100);
	assert_memory_equal(found, bytes + 40000, 100);
	assert_int_equal(berth_filecache_close(file), 0);
	assert_int_equal(berth_file_close(backing), 0);

	/* As large as it is, for ever. */
	backing = berth_file_open(file_path, BERTH_FILE_WRITE | BERTH_FILE_FIXED);
	other = berth_file_open(file_path, 0);
	file = berth_filecache_open(backing);
	assert_int_equal(berth_filecache_truncate(file, 0), -EOPNOTSUPP);
	assert_int_equal(berth_filecache_write(file, "abc", 49998, 3), 2);
	assert_int_equal(berth_filecache_write(file, "abc", 50000, 3), -ENOSPC);
	assert_reason(BERTH_REASON_IO);
	assert_int_equal(berth_filecache_close(file), 0);
	memcpy(bytes + 49998, "ab", 2);
	file_is(bytes, 50000);
	assert_int_equal(berth_file_close(backing), 0);
	assert_int_equal(berth_file_close(other), 0);
	assert_int_equal(berth_file_close(NULL), 0);
	assert_int_equal(berth_filecache_close(NULL), 0);
	must_stop();
	remove_file();
	free(bytes);
}

/* How many pages tenants have in the area; with @are_clean, all of them are. */
static unsigned int lent_pages(bool are_clean)
{
	uint64_t first = PFN_DOWN(cma_get_base(berth_cma_default()));
	unsigned int nr = 0;

	for (uint64_t i = 0; i < cma_get_size(berth_cma_default()) / PAGE_SIZE; i++) {
		const struct page *page = pfn_to_page(first + i);

		if (PageMovable(page)) {
			assert_true(!are_clean || berth_page_is_clean(page));
			nr++;
		}
	}
	return nr;
}

/* What was written to has left the area, before it was. */
static void is_outside(uint8_t *at)
{
	uint64_t base = cma_get_base(berth_cma_default());
	struct page *page;

	assert_int_equal(berth_filecache_page(at, false, &page), 0);
	assert_true(page_to_phys(page) - base >= cma_get_size(berth_cma_default()));
	put_page(page);
}

static void guaranteed_areas_hold_clean_pages_only(void **state)
{
	size_t size = 6 * MIB;
	uint8_t *bytes = pattern(size), *found = malloc(size), *map;
	struct berth_cma_stats stats;
	struct cached_file *file;
	struct page *pages;
	uint32_t seed = 5;

	(void)state;
	make_file(bytes, size);
	must_start(tree_guaranteed, NULL, NULL);
	file = open_cached();
	map = berth_filecache_map(file, 0, size, BERTH_ACCESS_WRITE);
	assert_non_null(map);
	assert_int_equal(berth_filecache_read(file, found, 0, size), size);
	assert_true(lent_pages(true) > 500);
	for (int i = 0; i < 400; i++) {
		size_t at = next_random(&seed) % (size - 10);

		memset(bytes + at, i, 10);
		if (i % 2)
			assert_int_equal(berth_filecache_write(file, bytes + at, at, 10), 10);
		else
			memset(map + at, i, 10);
		is_outside(map + at);
		is_outside(map + at + 9);
		if (i % 20 == 0)
			assert_true(lent_pages(true) > 100);
	}
	/* The whole area, at once, and nothing is copied for it. */
	pages = cma_alloc(berth_cma_default(), 2048, 0, false);
	assert_non_null(pages);
	berth_cma_stats(berth_cma_default(), &stats);
	assert_true(stats.dropped > 100);
	assert_int_equal(stats.migrated, 0);
	memset(page_address(pages), 0xdd, 2048 * PAGE_SIZE);
	assert_int_equal(berth_filecache_read(file, found, 0, size), size);
	assert_memory_equal(found, bytes, size);
	assert_true(cma_release(berth_cma_default(), pages, 2048));
	berth_filecache_unmap(map);
	close_cached(file);
	must_stop();
	file_is(bytes, size);
	remove_file();
	free(bytes);
	free(found);
}

static void use_everything(uint8_t *bytes)
{
	struct cached_file *file = berth_filecache_open(&faulty.backing);
	uint8_t found[100], *map;
	int64_t ret;

	if (!file) {
		assert_reason(BERTH_REASON_OUT_OF_MEMORY);
		return;
	}
	ret = berth_filecache_read(file, found, 200000, 100);
	assert_true(ret == 100 || ret == -ENOMEM);
	ret = berth_filecache_write(file, bytes + 8192, 8192, 4096);
	assert_true(ret == 4096 || ret == -ENOMEM);
	ret = berth_filecache_write(file, bytes + 123456, 123456, 10);
	assert_true(ret == 10 || ret == -ENOMEM);
	map = berth_filecache_map(file, 0, 300000, BERTH_ACCESS_WRITE);
	if (map)
		assert_int_equal(berth_filecache_msync(map, 300000), 0);
	berth_filecache_unmap(map);
	assert_int_equal(berth_filecache_truncate(file, 300000), 0);
	assert_int_equal(berth_filecache_sync(file), 0);
	assert_int_equal(berth_filecache_close(file), 0);
}

/* Every allocation on the way may fail: the call fails or works, and nothing stays behind. */
static void every_allocation_may_fail(void **state)
{
	struct berth_memory_info before, after;
	uint8_t *bytes = pattern(300000);
	bool has_failed = true;

	(void)state;
	make_file(bytes, 300000);
	must_start(tree_minimal, NULL, NULL);
	for (uint64_t n = 0; has_failed; n++) {
		struct cached_file *file = open_cached();

		assert_int_equal(berth_filecache_close(file), 0);
		berth_test_fail_nth(n);
		use_everything(bytes);
		has_failed = berth_test_failed() || !n;
		berth_test_fail_nth(0);
		berth_file_close(faulty.below);
		/* The first time some of it stays with kmalloc(). */
		if (!n)
			berth_memory_info(&before);
		berth_memory_info(&after);
		assert_memory_equal(&before, &after, sizeof(before));
		assert_true(n < 1000);
	}
	file_is(bytes, 300000);
	must_stop();
	remove_file();
	free(bytes);
}

/* More than fits into memory, and nobody notices. */
static void a_file_may_be_larger_than_memory(void **state)
{
	size_t size = 24 * MIB;
	uint8_t *bytes = pattern(size), *found = malloc(size);
	struct cached_file *file;
	uint32_t seed = 9;

	(void)state;
	make_file(bytes, size);
	must_start(tree_minimal, NULL, NULL);
	file = open_cached();
	assert_int_equal(berth_filecache_read(file, found, 0, size), size);
	assert_memory_equal(found, bytes, size);
	for (int i = 0; i < 3000; i++) {
		size_t at = next_random(&seed) % (size - 5000);

		if (i % 2) {
			assert_int_equal(berth_filecache_read(file, found, at, 5000), 5000);
			assert_memory_equal(found, bytes + at, 5000);
		} else {
			memset(bytes + at, i, 5000);
			assert_int_equal(berth_filecache_write(file, bytes + at, at, 5000), 5000);
		}
	}
	assert_true(stats_of(file).dropped > 2000);
	close_cached(file);
	must_stop();
	file_is(bytes, size);
	remove_file();
	free(bytes);
	free(found);
}

/*
 * The same accesses to a file that is larger than memory, pages at its beginning more often, with the
 * area lent and with the area taken: how many find their page.
 */
static unsigned int hit_permille(const void *tree, bool lent, unsigned int *in_use)
{
	struct cached_file *file;
	struct page *taken = NULL;
	uint32_t seed = 3;
	uint64_t hits = 0, misses = 0, used = 0, samples = 0;
	unsigned long area;
	char byte;

	must_start(tree, NULL, NULL);
	area = cma_get_size(berth_cma_default()) / PAGE_SIZE;
	if (!lent)
		taken = cma_alloc(berth_cma_default(), area, 0, false);
	file = open_cached();
	for (unsigned int i = 0; i < 60000; i++) {
		double u = next_random(&seed) / 4294967296.0;

		if (i == 20000) { /* warm */
			hits = stats_of(file).hits;
			misses = stats_of(file).misses;
		}
		if (i >= 20000 && i % 1000 == 0 && lent) {
			used += lent_pages(false);
			samples += area;
		}
		assert_int_equal(berth_filecache_read(file, &byte, (uint64_t)(u * u * 24 * MIB), 1),
				 1);
	}
	hits = stats_of(file).hits - hits;
	misses = stats_of(file).misses - misses;
	*in_use = samples ? (unsigned int)(used * 1000 / samples) : 0;
	close_cached(file);
	if (taken)
		cma_release(berth_cma_default(), taken, area);
	must_stop();
	return (unsigned int)(hits * 1000 / (hits + misses));
}

static void a_lent_area_makes_hits(void **state)
{
	const struct {
		const char *name;
		const void *tree;
		unsigned int gain; /* at least, in permille */
	} rows[] = {
		{ "4 of 16 MiB", tree_minimal, 50 },
		{ "8 of 16 MiB, guaranteed", tree_guaranteed, 100 },
	};

	(void)state;
	make_file("", 0);
	assert_int_equal(truncate(file_path, 24 * MIB), 0);
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		unsigned int in_use, unused;
		unsigned int with = hit_permille(rows[i].tree, true, &in_use);
		unsigned int without = hit_permille(rows[i].tree, false, &unused);

		print_message("# area of %s: in use %u.%u %%, hits %u.%u %% lent, %u.%u %% not\n",
			      rows[i].name, in_use / 10, in_use % 10, with / 10, with % 10,
			      without / 10, without % 10);
		assert_true(in_use > 900);
		assert_true(with >= without + rows[i].gain);
	}
	remove_file();
}

static void stop_writes_what_is_left(void **state)
{
	uint8_t *bytes = pattern(5000);

	(void)state;
	make_file(bytes, 5000);
	must_start(tree_minimal, NULL, NULL);
	bytes[99] = 0;
	assert_int_equal(berth_filecache_write(open_cached(), bytes + 99, 99, 1), 1);
	assert_int_equal(berth_stop(), -EBUSY);
	assert_reason(BERTH_REASON_LEAK);
	berth_file_close(faulty.below);
	file_is(bytes, 5000);
	remove_file();
	free(bytes);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(reads_what_is_in_the_file),
		cmocka_unit_test(writes_reach_the_file_with_sync),
		cmocka_unit_test(the_size_changes),
		cmocka_unit_test(a_file_may_have_holes),
		cmocka_unit_test(errors_are_kept_and_nothing_is_lost),
		cmocka_unit_test(some_files_are_for_reading),
		cmocka_unit_test(guaranteed_areas_hold_clean_pages_only),
		cmocka_unit_test(every_allocation_may_fail),
		cmocka_unit_test(a_file_may_be_larger_than_memory),
		cmocka_unit_test(a_lent_area_makes_hits),
		cmocka_unit_test(stop_writes_what_is_left),
	};

	return cmocka_run_group_tests_name("filecache", tests, NULL, NULL);
}
