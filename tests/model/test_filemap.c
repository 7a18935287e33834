/* SPDX-License-Identifier: BSD-2-Clause */
/* Mapped files, and everything at once. Both gates. */
#include "files.h"

#include <pthread.h>
#include <sched.h>
#include <setjmp.h>
#include <signal.h>

#include "gate.h"
#include "mm/user.h"

#include <berth/migrate.h>

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

static bool start(void **state)
{
	return start_gate(tree_minimal, *state, berth_port_gate_name);
}

static struct berth_filecache_stats stats_of(const struct cached_file *file)
{
	struct berth_filecache_stats stats;

	berth_filecache_stats(file, &stats);
	return stats;
}

static sigjmp_buf after_signal;

static void jump(int signal)
{
	siglongjmp(after_signal, signal);
}

/* Whether an access is refused. */
static bool is_refused(volatile uint8_t *at, bool is_write)
{
	struct sigaction action = { .sa_handler = jump, .sa_flags = SA_NODEFER }, old;
	bool refused;

	sigaction(SIGSEGV, &action, &old);
	refused = sigsetjmp(after_signal, 1);
	if (!refused) {
		if (is_write)
			*at = 1;
		else
			(void)*at;
	}
	sigaction(SIGSEGV, &old, NULL);
	return refused;
}

static void a_mapping_is_the_file(void **state)
{
	enum { SIZE = 300000 };
	uint8_t *bytes = malloc(SIZE), found[100];
	uint8_t *map, *second, *reader;
	struct cached_file *file;

	if (!start(state))
		skip();
	for (size_t i = 0; i < SIZE; i++)
		bytes[i] = (uint8_t)(i * 3 + i / 4096);
	make_file(bytes, SIZE);
	file = open_cached();
	map = berth_filecache_map(file, 0, SIZE, BERTH_ACCESS_WRITE);
	second = berth_filecache_map(file, 8192, 100000, BERTH_ACCESS_WRITE);
	reader = berth_filecache_map(file, 4096, 50000, BERTH_ACCESS_READ);
	assert_non_null(map);
	assert_non_null(second);
	assert_non_null(reader);
	assert_int_equal(stats_of(file).pages, 0);
	assert_memory_equal(map, bytes, SIZE);
	assert_memory_equal(second, bytes + 8192, 100000);
	assert_memory_equal(reader, bytes + 4096, 50000);
	/* Few requests: it was read from one end to the other. */
	assert_true(GET(faulty.reads) < 10);
	assert_int_equal(stats_of(file).dirty, 0);

	/* Stores and copies are seen by each other. */
	map[10000] = bytes[10000] = 1;
	second[4096] = bytes[12288] = 2;
	assert_int_equal(second[10000 - 8192], 1);
	assert_int_equal(reader[12288 - 4096], 2);
	assert_int_equal(stats_of(file).dirty, 2);
	assert_int_equal(berth_filecache_read(file, found, 9990, 100), 100);
	assert_memory_equal(found, bytes + 9990, 100);
	memset(bytes + 20000, 0xee, 5000);
	assert_int_equal(berth_filecache_write(file, bytes + 20000, 20000, 5000), 5000);
	assert_memory_equal(map + 19000, bytes + 19000, 7000);
	assert_memory_equal(reader + 19000 - 4096, bytes + 19000, 7000);

	/* Written: the next store makes it dirty again. */
	assert_int_equal(berth_filecache_msync(map, SIZE), 0);
	assert_int_equal(stats_of(file).dirty, 0);
	file_is(bytes, SIZE);
	map[10001] = bytes[10001] = 3;
	second[10002 - 8192] = bytes[10002] = 4;
	assert_int_equal(stats_of(file).dirty, 1);
	assert_int_equal(berth_filecache_sync(file), 0);
	file_is(bytes, SIZE);
	/* A part only. */
	map[0] = bytes[0] = 9;
	map[100000] ^= 1;
	assert_int_equal(berth_filecache_msync(map, 4096), 0);
	file_is(bytes, SIZE);
	bytes[100000] ^= 1;

	/* Dropped under the mappings, and back. */
	assert_true(berth_filecache_drop(file) > 60);
	assert_int_equal(stats_of(file).pages, 1);
	assert_memory_equal(map, bytes, SIZE);

	assert_true(is_refused(reader, true));
	assert_int_equal(berth_filecache_close(file), -EBUSY);
	assert_reason(BERTH_REASON_STATE);
	berth_filecache_unmap(reader);
	berth_filecache_unmap(second);
	berth_filecache_unmap(map);
	berth_filecache_unmap(NULL);
	berth_filecache_unmap(found);
	assert_reason(BERTH_REASON_NOT_OWNED);
	assert_int_equal(berth_filecache_msync(found, 1), -EINVAL);
	assert_int_equal(stats_of(file).dirty, 1);
	close_cached(file);
	must_stop();
	file_is(bytes, SIZE);
	remove_file();
	free(bytes);
}

static void behind_the_end_is_nothing(void **state)
{
	void *maps[BERTH_FILECACHE_MAX_MAPPINGS];
	struct cached_file *file;
	uint8_t *map, page[PAGE_SIZE];

	if (!start(state))
		skip();
	memset(page, 7, sizeof(page));
	make_file(page, 4096);
	file = open_cached();
	assert_int_equal(berth_filecache_write(file, page, 4096, 4096), 4096);
	map = berth_filecache_map(file, 0, 10 * PAGE_SIZE, BERTH_ACCESS_WRITE);
	assert_int_equal(map[8191], 7);
	map[4096] = 8;
	assert_true(is_refused(map + 8192, false));
	assert_int_equal(berth_filecache_truncate(file, 100), 0);
	assert_true(is_refused(map + 4096, false));
	assert_true(is_refused(map + 2 * 4096, true));
	assert_int_equal(map[99], 7);
	assert_int_equal(map[100], 0);
	/* Stores behind the end of the last page are lost. */
	map[101] = 1;
	assert_int_equal(berth_filecache_truncate(file, 30000), 0);
	assert_int_equal(map[101], 0);
	assert_int_equal(map[20000], 0);
	map[20000] = 5;

	assert_null(berth_filecache_map(file, 1, 1, BERTH_ACCESS_READ));
	assert_null(berth_filecache_map(file, 0, 0, BERTH_ACCESS_READ));
	assert_null(berth_filecache_map(file, 0, 1, BERTH_ACCESS_NONE));
	assert_null(berth_filecache_map(file, 0, BERTH_FILECACHE_MAX_SIZE, BERTH_ACCESS_READ));
	assert_reason(BERTH_REASON_MAPPING);
	maps[0] = map;
	for (unsigned int i = 1; i < BERTH_FILECACHE_MAX_MAPPINGS; i++) {
		maps[i] = berth_filecache_map(file, 4096ull * i, 4096, BERTH_ACCESS_READ);
		assert_non_null(maps[i]);
	}
	assert_null(berth_filecache_map(file, 0, 4096, BERTH_ACCESS_READ));
	assert_reason(BERTH_REASON_TABLE_FULL);
	for (unsigned int i = 0; i < BERTH_FILECACHE_MAX_MAPPINGS; i++)
		berth_filecache_unmap(maps[i]);
	close_cached(file);
	must_stop();
	remove_file();
}

/* What pins user pages asks for the page behind an address. */
static void the_page_behind_an_address(void **state)
{
	uint8_t bytes[8192], *map, *reader;
	struct cached_file *file;
	struct page *page, *out;

	if (!start(state))
		skip();
	memset(bytes, 3, sizeof(bytes));
	make_file(bytes, sizeof(bytes));
	file = open_cached();
	map = berth_filecache_map(file, 0, 3 * 4096, BERTH_ACCESS_WRITE);
	reader = berth_filecache_map(file, 0, 3 * 4096, BERTH_ACCESS_READ);
	assert_int_equal(berth_user_page(map + 4096 + 5, true, &page), 0);
	assert_int_equal(((uint8_t *)page_address(page))[1], 3);
	assert_int_equal(stats_of(file).dirty, 1);
	assert_int_equal(berth_user_page(map + 2 * 4096, false, &out), -EFAULT);
	assert_int_equal(berth_user_page(reader, true, &out), -EACCES);
	/* A pin: what is written to through it does not get lost by a write in between. */
	assert_int_equal(pin_pages(&page, 1, FOLL_LONGTERM, "test"), 0);
	put_page(page);
	assert_int_equal(berth_filecache_sync(file), 0);
	((uint8_t *)page_address(page))[0] = bytes[4096] = 99;
	assert_int_equal(berth_filecache_drop(file), 0);
	unpin_user_page(page);
	berth_filecache_unmap(map);
	berth_filecache_unmap(reader);
	close_cached(file);
	must_stop();
	file_is(bytes, sizeof(bytes));
	remove_file();
}

/* A device's pages by address: they are out of the area, and are the file's all the time. */
static void pages_are_pinned_by_address(void **state)
{
	uint8_t bytes[6 * 4096 - 100], *map, stack[4096];
	struct cached_file *file;
	struct page *pages[8], *area;

	if (!start(state))
		skip();
	memset(bytes, 7, sizeof(bytes));
	make_file(bytes, sizeof(bytes));
	file = open_cached();
	map = berth_filecache_map(file, 0, 8 * 4096, BERTH_ACCESS_WRITE);
	assert_int_equal(
		pin_user_pages((unsigned long)map + 10, 8, FOLL_WRITE | FOLL_LONGTERM, pages), 6);
	assert_reason(BERTH_REASON_ARGUMENT); /* the seventh is behind the end */
	area = cma_alloc(berth_cma_default(), 1024, 0, false);
	assert_non_null(area);
	for (unsigned int i = 0; i < 6; i++) {
		assert_true(page_maybe_dma_pinned(pages[i]));
		assert_int_equal(((uint8_t *)page_address(pages[i]))[0], 7);
		((uint8_t *)page_address(pages[i]))[0] = map[i * 4096 + 1] = (uint8_t)(40 + i);
		bytes[i * 4096] = bytes[i * 4096 + 1] = (uint8_t)(40 + i);
	}
	assert_true(cma_release(berth_cma_default(), area, 1024));
	assert_memory_equal(map, bytes, sizeof(bytes));
	unpin_user_pages(pages, 6);
	assert_int_equal(pin_user_pages((unsigned long)stack, 1, 0, pages), -EFAULT);
	assert_reason(BERTH_REASON_NOT_OWNED);
	assert_int_equal(pin_user_pages((unsigned long)map, 0, 0, pages), 0);
	berth_filecache_unmap(map);
	close_cached(file);
	must_stop();
	file_is(bytes, sizeof(bytes));
	remove_file();
}

/* So much less memory outside of the area that most of what comes now is lent from it. */
static struct page *ballast[8];

static void take_ballast(unsigned int nr)
{
	for (unsigned int i = 0; i < nr; i++) {
		ballast[i] = alloc_pages(GFP_KERNEL, 8);
		assert_non_null(ballast[i]);
	}
}

static void drop_ballast(void)
{
	for (unsigned int i = 0; i < 8; i++) {
		__free_pages(ballast[i], 8);
		ballast[i] = NULL;
	}
}

/* Random traces against a copy of the file. */

#define TRACE_MAX (3 * MIB)
#define TRACES (UNDER_TSAN ? 2u : 4u)
#define STEPS (UNDER_TSAN ? 1200 : 2500)

static struct {
	uint8_t *bytes;
	uint64_t size;
	struct cached_file *file;
	uint8_t *maps[3];
	struct page *pages[4];
	unsigned int nr[4];
	uint32_t seed;
	uint64_t done[10];
} trace;

static uint32_t random_below(uint64_t end)
{
	return (uint32_t)(next_random(&trace.seed) % (end ? end : 1));
}

static void trace_read(void)
{
	static uint8_t found[40000];
	uint64_t at = random_below(trace.size + 1000), size = random_below(sizeof(found));
	int64_t expected = at >= trace.size	    ? 0
			   : size > trace.size - at ? (int64_t)(trace.size - at)
						    : (int64_t)size;
	int64_t ret = berth_filecache_read(trace.file, found, at, size);

	if (GET(faulty.fail_reads) && ret < expected) {
		trace.done[9]++;
		expected = ret < 0 ? 0 : ret;
	} else {
		assert_int_equal(ret, expected);
	}
	assert_memory_equal(found, trace.bytes + at, (size_t)expected);
}

static void trace_write(void)
{
	static uint8_t bytes[40000];
	uint64_t at = random_below(TRACE_MAX - sizeof(bytes)), size = random_below(sizeof(bytes));
	int64_t ret;

	if (random_below(4) == 0) {
		at &= ~4095ull;
		size = (size | 4095) + 1 < sizeof(bytes) ? (size | 4095) + 1 : 4096;
	}
	for (size_t i = 0; i < size; i += 1 + random_below(8))
		bytes[i] = (uint8_t)random_below(256);
	ret = berth_filecache_write(trace.file, bytes, at, size);
	if (GET(faulty.fail_reads) && ret < (int64_t)size) {
		trace.done[9]++;
		ret = ret < 0 ? 0 : ret;
	} else {
		assert_int_equal(ret, size);
	}
	memcpy(trace.bytes + at, bytes, (size_t)ret);
	if (ret && at + (uint64_t)ret > trace.size)
		trace.size = at + (uint64_t)ret;
}

/* No refusals here: they end programs. */
static void trace_touch(bool is_store)
{
	uint8_t *map = trace.maps[random_below(3)];
	uint64_t shift = map == trace.maps[2] ? 65536 : 0;

	if (GET(faulty.fail_reads))
		return;
	for (int i = 0; i < 20 && trace.size > shift; i++) {
		uint64_t at = random_below(trace.size - shift);

		assert_int_equal(map[at], trace.bytes[at + shift]);
		if (is_store)
			map[at] = trace.bytes[at + shift] = (uint8_t)i;
	}
}

static void trace_size(void)
{
	uint64_t size = random_below(3) ? trace.size / 2 + random_below(trace.size)
					: random_below(TRACE_MAX);

	if (size > TRACE_MAX)
		size = TRACE_MAX;
	if (berth_filecache_truncate(trace.file, size)) {
		assert_true(GET(faulty.fail_resizes));
		return;
	}
	if (size < trace.size)
		memset(trace.bytes + size, 0, trace.size - size);
	trace.size = size;
}

static void trace_sync(void)
{
	int err = berth_filecache_sync(trace.file);

	if (!err) {
		assert_int_equal(stats_of(trace.file).dirty, 0);
		file_is(trace.bytes, trace.size);
	}
}

static void trace_area(void)
{
	unsigned int i = random_below(4);

	if (trace.pages[i]) {
		cma_release(berth_cma_default(), trace.pages[i], trace.nr[i]);
		trace.pages[i] = NULL;
		return;
	}
	trace.nr[i] = 1 + random_below(500);
	trace.pages[i] = cma_alloc(berth_cma_default(), trace.nr[i], 0, true);
	if (trace.pages[i]) {
		memset(page_address(trace.pages[i]), 0xdd, trace.nr[i] * PAGE_SIZE);
		trace.done[8]++;
	}
}

static void fail_writes(uint32_t one_of)
{
	SET(faulty.fail_writes, one_of);
	SET(faulty.fail_resizes, one_of);
}

static void trace_step(void)
{
	unsigned int what = random_below(32);

	if (what < 8)
		trace_read();
	else if (what < 15)
		trace_write();
	else if (what < 24)
		trace_touch(what < 20);
	else if (what < 25)
		trace_size();
	else if (what < 26)
		trace_sync();
	else if (what < 27)
		berth_filecache_drop(trace.file);
	else if (what < 30)
		trace_area();
	else if (what < 31)
		SET(faulty.fail_reads, random_below(3) ? 0 : 3);
	else
		fail_writes(random_below(3) ? 0 : 3);
	trace.done[0]++;
}

static void random_traces(void **state)
{
	struct berth_filecache_stats stats;
	uint64_t moved = 0;

	for (uint32_t seed = 1; seed <= TRACES; seed++) {
		if (!start(state))
			skip();
		memset(&trace, 0, sizeof(trace));
		trace.seed = seed * 77777;
		trace.bytes = calloc(1, TRACE_MAX + 50000);
		make_file("", 0);
		trace.file = open_cached();
		take_ballast(8);
		/* Twice the same pages, and some once more at another place. */
		trace.maps[0] = berth_filecache_map(trace.file, 0, TRACE_MAX, BERTH_ACCESS_WRITE);
		trace.maps[1] = berth_filecache_map(trace.file, 0, TRACE_MAX, BERTH_ACCESS_WRITE);
		trace.maps[2] =
			berth_filecache_map(trace.file, 65536, TRACE_MAX, BERTH_ACCESS_WRITE);
		for (int i = 0; i < STEPS; i++)
			trace_step();
		SET(faulty.fail_reads, 0);
		fail_writes(0);
		for (unsigned int i = 0; i < 4; i++)
			if (trace.pages[i])
				cma_release(berth_cma_default(), trace.pages[i], trace.nr[i]);
		stats = stats_of(trace.file);
		for (unsigned int i = 0; i < 3; i++)
			berth_filecache_unmap(trace.maps[i]);
		berth_filecache_sync(trace.file);
		close_cached(trace.file);
		drop_ballast();
		must_stop();
		file_is(trace.bytes, trace.size);
		remove_file();
		free(trace.bytes);
		print_message("# seed %u: %llu allocations, %llu pages moved, %llu dropped, "
			      "%llu I/O errors seen\n",
			      seed, (unsigned long long)trace.done[8],
			      (unsigned long long)stats.moved, (unsigned long long)stats.dropped,
			      (unsigned long long)trace.done[9]);
		moved += stats.moved;
		assert_true(stats.dropped > 100);
		assert_true(trace.done[8] > 20);
	}
	assert_true(moved > (UNDER_TSAN ? 20 : 100));
}

/*
 * Under fire. Each worker has words of its own in each page, through a mapping, by read() and write(),
 * and a word that all add to.
 */

#define WORKERS 3
#define ROUNDS (UNDER_TSAN ? 50 : 500)
#define MOVES (UNDER_TSAN ? 150u : 3000u)
#define FIRE_SIZE (9 * MIB)

static struct cached_file *fire;
static uint8_t *first_map, *second_map;
static uint32_t is_over;

struct worker {
	pthread_t thread;
	uint32_t seed;
	unsigned int number;
	uint64_t added, wrong, failed_calls;
	uint64_t *mapped, *copied; /* what the own words should hold */
};

static uint64_t *word(uint8_t *map, size_t page, unsigned int at)
{
	return (uint64_t *)(void *)(map + page * PAGE_SIZE) + at;
}

static void use_page(struct worker *me, size_t page)
{
	uint8_t *map = me->added % 2 ? first_map : second_map;
	uint64_t *own = word(map, page, 8 + me->number);
	uint64_t at = page * PAGE_SIZE + 1024 + 64 * me->number, value;

	if (*own != me->mapped[page])
		me->wrong++;
	*own = ++me->mapped[page];
	__atomic_fetch_add(word(map, page, 0), 1, __ATOMIC_RELAXED);
	me->added++;
	if (me->added % 4)
		return;
	if (berth_filecache_read(fire, &value, at, 8) != 8)
		me->failed_calls++;
	else if (value != me->copied[page])
		me->wrong++;
	value = ++me->copied[page];
	if (berth_filecache_write(fire, &value, at, 8) != 8)
		me->failed_calls++;
}

static void *work(void *arg)
{
	struct worker *me = arg;

	while (!__atomic_load_n(&is_over, __ATOMIC_ACQUIRE))
		use_page(me, next_random(&me->seed) % (FIRE_SIZE / PAGE_SIZE));
	return NULL;
}

/* Writes, drops, and at times lets some of the writes fail. */
static void *write_back(void *arg)
{
	struct worker *me = arg;

	for (unsigned int i = 0; !__atomic_load_n(&is_over, __ATOMIC_ACQUIRE); i++) {
		uint32_t fail = i % 8 == 7 ? 4 : 0;
		int err;

		__atomic_store_n(&faulty.fail_writes, fail, __ATOMIC_RELAXED);
		err = i % 2 ? berth_filecache_sync(fire)
			    : berth_filecache_msync(second_map + i % 7 * MIB, 2 * MIB);
		if (err && err != -EIO)
			me->failed_calls++;
		if (i % 5 == 0)
			me->added += berth_filecache_drop(fire);
		usleep(20000);
	}
	__atomic_store_n(&faulty.fail_writes, 0, __ATOMIC_RELAXED);
	return NULL;
}

static void check_file(const struct worker *workers)
{
	uint8_t *found = malloc(FIRE_SIZE);
	uint64_t added = 0, sum = 0;
	int fd = open(file_path, O_RDONLY | O_CLOEXEC);

	assert_int_equal(pread(fd, found, FIRE_SIZE, 0), FIRE_SIZE);
	close(fd);
	for (unsigned int i = 0; i < WORKERS; i++)
		added += workers[i].added;
	for (size_t page = 0; page < FIRE_SIZE / PAGE_SIZE; page++) {
		sum += *word(found, page, 0);
		for (unsigned int i = 0; i < WORKERS; i++) {
			assert_int_equal(*word(found, page, 8 + i), workers[i].mapped[page]);
			assert_int_equal(*word(found, page, 128 + 8 * i), workers[i].copied[page]);
		}
	}
	assert_int_equal(sum, added);
	free(found);
}

static void under_fire(void **state)
{
	struct worker workers[WORKERS], writer = { .number = WORKERS };
	struct berth_filecache_stats stats = { 0 };
	int successes = 0, rounds;
	uint32_t seed = 77;

	if (!start(state))
		skip();
	make_file("", 0);
	assert_int_equal(truncate(file_path, FIRE_SIZE), 0);
	fire = open_cached();
	take_ballast(4);
	first_map = berth_filecache_map(fire, 0, FIRE_SIZE, BERTH_ACCESS_WRITE);
	second_map = berth_filecache_map(fire, 0, FIRE_SIZE, BERTH_ACCESS_WRITE);
	assert_non_null(first_map);
	assert_non_null(second_map);
	is_over = 0;
	for (unsigned int i = 0; i < WORKERS; i++) {
		workers[i] = (struct worker){ .number = i, .seed = i + 1 };
		workers[i].mapped = calloc(FIRE_SIZE / PAGE_SIZE, sizeof(uint64_t));
		workers[i].copied = calloc(FIRE_SIZE / PAGE_SIZE, sizeof(uint64_t));
		pthread_create(&workers[i].thread, NULL, work, &workers[i]);
	}
	pthread_create(&writer.thread, NULL, write_back, &writer);
	for (rounds = 0; rounds < ROUNDS || (stats.moved < MOVES && rounds < 40 * ROUNDS);
	     rounds++) {
		unsigned long nr = rounds % 2 ? 1024 : next_random(&seed) % 512 + 1;
		struct page *pages = cma_alloc(berth_cma_default(), nr, 0, true);

		if (pages) {
			successes++;
			memset(page_address(pages), 0xdd, nr * PAGE_SIZE);
			for (size_t i = 0; i < nr * PAGE_SIZE; i += 512)
				assert_int_equal(((uint8_t *)page_address(pages))[i], 0xdd);
			assert_true(cma_release(berth_cma_default(), pages, nr));
		}
		usleep(1000);
		stats = stats_of(fire);
	}
	__atomic_store_n(&is_over, 1, __ATOMIC_RELEASE);
	pthread_join(writer.thread, NULL);
	for (unsigned int i = 0; i < WORKERS; i++) {
		pthread_join(workers[i].thread, NULL);
		assert_int_equal(workers[i].wrong, 0);
		assert_int_equal(workers[i].failed_calls, 0);
	}
	assert_int_equal(writer.failed_calls, 0);
	berth_filecache_unmap(first_map);
	berth_filecache_unmap(second_map);
	berth_filecache_sync(fire);
	stats = stats_of(fire);
	close_cached(fire);
	drop_ballast();
	must_stop();
	check_file(workers);
	print_message("# %s: %d of %d allocations, %llu pages moved, %llu dropped, %llu read, %llu "
		      "written\n",
		      (const char *)*state, successes, rounds, (unsigned long long)stats.moved,
		      (unsigned long long)stats.dropped, (unsigned long long)stats.read,
		      (unsigned long long)stats.written);
	assert_true(successes > 0);
	/* How many is up to who gets the CPU. */
	assert_true(stats.moved > 0);
	for (unsigned int i = 0; i < WORKERS; i++) {
		free(workers[i].mapped);
		free(workers[i].copied);
	}
	remove_file();
}

/* What is cut off does not come back, whoever reads ahead or writes pages meanwhile. */

static void *read_on_and_on(void *arg)
{
	struct worker *me = arg;
	static uint8_t bytes[300000];

	while (!__atomic_load_n(&is_over, __ATOMIC_ACQUIRE)) {
		if (berth_filecache_read(fire, bytes, next_random(&me->seed) % MIB, sizeof(bytes)) <
		    0)
			me->failed_calls++;
		berth_filecache_drop(fire);
	}
	return NULL;
}

static void *sync_on_and_on(void *arg)
{
	struct worker *me = arg;

	while (!__atomic_load_n(&is_over, __ATOMIC_ACQUIRE))
		if (berth_filecache_sync(fire))
			me->failed_calls++;
	return NULL;
}

static void check_end(size_t size)
{
	static uint8_t found[MIB];
	struct stat status;

	assert_int_equal(berth_filecache_truncate(fire, size), 0);
	assert_int_equal(stat(file_path, &status), 0);
	assert_int_equal(status.st_size, size);
	usleep(100);
	assert_int_equal(stat(file_path, &status), 0);
	assert_int_equal(status.st_size, size);
	if (size % 2)
		assert_int_equal(berth_filecache_truncate(fire, MIB), 0);
	else
		assert_int_equal(berth_filecache_write(fire, "", MIB - 1, 1), 1);
	assert_int_equal(berth_filecache_read(fire, found, 0, MIB), MIB);
	for (size_t i = 0; i < MIB; i++)
		if (found[i] != (i < size ? 0x77 : 0))
			fail_msg("byte %zu of %zu is %#x", i, size, found[i]);
}

static void truncation_under_fire(void **state)
{
	struct worker reader = { .seed = 4 }, syncer = { .seed = 5 };
	static uint8_t bytes[MIB];
	uint32_t seed = 6;

	if (UNDER_TSAN || !start(state)) /* readers and writers of the same bytes */
		skip();
	memset(bytes, 0x77, sizeof(bytes));
	make_file("", 0);
	fire = open_cached();
	is_over = 0;
	pthread_create(&reader.thread, NULL, read_on_and_on, &reader);
	pthread_create(&syncer.thread, NULL, sync_on_and_on, &syncer);
	for (int i = 0; i < 300; i++) {
		assert_int_equal(berth_filecache_write(fire, bytes, 0, MIB), MIB);
		check_end(next_random(&seed) % MIB);
	}
	__atomic_store_n(&is_over, 1, __ATOMIC_RELEASE);
	pthread_join(reader.thread, NULL);
	pthread_join(syncer.thread, NULL);
	assert_int_equal(reader.failed_calls, 0);
	assert_int_equal(syncer.failed_calls, 0);
	close_cached(fire);
	must_stop();
	remove_file();
}

#define GATED(test, gate)                                                  \
	{                                                                  \
#test ", " gate, test, NULL, NULL, (void *)(uintptr_t)gate \
	}

int main(void)
{
	const struct CMUnitTest tests[] = {
		GATED(a_mapping_is_the_file, "uffd"),
		GATED(a_mapping_is_the_file, "signal"),
		GATED(behind_the_end_is_nothing, "uffd"),
		GATED(behind_the_end_is_nothing, "signal"),
		GATED(the_page_behind_an_address, "uffd"),
		GATED(the_page_behind_an_address, "signal"),
		GATED(pages_are_pinned_by_address, "uffd"),
		GATED(pages_are_pinned_by_address, "signal"),
		GATED(random_traces, "uffd"),
		GATED(random_traces, "signal"),
		GATED(truncation_under_fire, "uffd"),
		GATED(under_fire, "uffd"),
		GATED(under_fire, "signal"),
	};

	return cmocka_run_group_tests_name("filemap", tests, NULL, NULL);
}
