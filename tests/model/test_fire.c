/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Movable memory and mapped files under fire. Threads use them with stores, atomics and system calls;
 * the main thread takes contiguous memory from under them, and replaces a region now and then, so
 * that pages come back into the area. What is not movable leaves so little that the pages are always
 * in the way.
 */
#include "machine.h"

#include <fcntl.h>
#include <pthread.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include <berth/anon.h>
#include <berth/cma.h>
#include <berth/file.h>
#include <berth/filecache.h>
#include <berth/gfp.h>

#include "gate.h"

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

#define WORKERS 3
#define REGIONS 16u
#define REGION_PAGES 56u
/* Free pages besides the 1024 of the area, before there is movable memory. */
#define ORDINARY_PAGES 1200u
#define ROUNDS (UNDER_TSAN ? 100u : 1000u)
#define MOST_ROUNDS (UNDER_TSAN ? 3000u : 20000u)
/* Writes that had to wait because their page was just being moved. */
#define WANTED (UNDER_TSAN ? 100u : 1000u)
/* A worker's words of a page, from here on, and room for what it reads. */
#define OWN_WORD 8u
#define BUFFER_BYTES 64u
#define BUFFER_AT 1024u

/*
 * A region, and what is in it. Workers share its lock; who replaces it has it alone. Every other one is a
 * file: what is in it stays when it is mapped anew.
 */
static struct region {
	pthread_rwlock_t lock;
	uint8_t *memory;
	struct backing *backing;
	struct cached_file *file; /* NULL: movable memory */
	uint64_t own[WORKERS][REGION_PAGES]; /* what the worker's words hold */
	uint64_t added; /* to the shared words; atomic */
} regions[REGIONS];

static uint32_t is_over;

struct worker {
	pthread_t thread;
	uint32_t seed;
	unsigned int number;
	bool is_transparent; /* system calls may do as they like */
	int pipe[2];
	uint64_t uses, calls, wrong;
};

static uint32_t next_random(uint32_t *state)
{
	*state ^= *state << 13;
	*state ^= *state >> 17;
	return *state ^= *state << 5;
}

static uint64_t *word(const struct region *region, uint32_t page, unsigned int at)
{
	return (uint64_t *)(void *)(region->memory + page * PAGE_SIZE) + at;
}

/*
 * Out by write(), and back by read() where that is safe: the kernel's copies are right as well. Without
 * userfaultfd only what is always there may be given to the kernel, and only to be read.
 */
static void call_the_kernel(struct worker *me, const struct region *region, uint32_t page)
{
	uint8_t *bytes =
		region->memory + page * PAGE_SIZE + BUFFER_AT + me->number * 2 * BUFFER_BYTES;
	uint8_t here[BUFFER_BYTES], *back = me->is_transparent ? bytes + BUFFER_BYTES : here;

	memset(bytes, (int)(me->uses & 0xff), BUFFER_BYTES);
	me->calls++;
	if (write(me->pipe[1], bytes, BUFFER_BYTES) != BUFFER_BYTES ||
	    read(me->pipe[0], back, BUFFER_BYTES) != BUFFER_BYTES ||
	    memcmp(bytes, back, BUFFER_BYTES) != 0)
		me->wrong++;
}

static void use(struct worker *me, struct region *region)
{
	for (unsigned int i = 0; i < 64; i++) {
		uint32_t page = next_random(&me->seed) % REGION_PAGES;
		uint64_t *own = word(region, page, OWN_WORD + me->number);

		if (*own != region->own[me->number][page])
			me->wrong++;
		*own = ++region->own[me->number][page];
		__atomic_fetch_add(word(region, page, 0), 1, __ATOMIC_RELAXED);
		__atomic_fetch_add(&region->added, 1, __ATOMIC_RELAXED);
		if (++me->uses % 16 == 0 && (me->is_transparent || !region->file))
			call_the_kernel(me, region, page);
	}
}

static void *work(void *arg)
{
	struct worker *me = arg;

	while (!__atomic_load_n(&is_over, __ATOMIC_ACQUIRE)) {
		struct region *region = &regions[next_random(&me->seed) % REGIONS];

		if (pthread_rwlock_tryrdlock(&region->lock))
			continue;
		use(me, region);
		pthread_rwlock_unlock(&region->lock);
	}
	return NULL;
}

/* What is in a region is what was written. With its lock, alone. */
static void check_region(const struct region *region)
{
	uint64_t found = 0;

	for (uint32_t page = 0; page < REGION_PAGES; page++) {
		found += *word(region, page, 0);
		for (unsigned int i = 0; i < WORKERS; i++)
			assert_int_equal(*word(region, page, OWN_WORD + i), region->own[i][page]);
	}
	assert_int_equal(found, region->added);
}

static void fill_region(struct region *region)
{
	size_t size = REGION_PAGES * PAGE_SIZE;

	if (region->file) {
		region->memory = berth_filecache_map(region->file, 0, size, BERTH_ACCESS_WRITE);
		assert_non_null(region->memory);
		return;
	}
	memset(region->own, 0, sizeof(region->own));
	region->added = 0;
	region->memory = berth_anon_alloc(size);
	assert_non_null(region->memory);
	assert_int_equal(berth_anon_populate(region->memory, size), 0);
}

/* The pages of a file are read again, too. */
static void empty_region(struct region *region)
{
	check_region(region);
	if (!region->file) {
		berth_anon_free(region->memory);
		return;
	}
	berth_filecache_unmap(region->memory);
	assert_int_equal(berth_filecache_sync(region->file), 0);
	berth_filecache_drop(region->file);
}

static void make_region(struct region *region, bool is_file)
{
	char path[] = "/tmp/berth-fire-XXXXXX";
	int fd;

	memset(region, 0, sizeof(*region));
	pthread_rwlock_init(&region->lock, NULL);
	if (is_file) {
		fd = mkstemp(path);
		assert_true(fd >= 0 && !ftruncate(fd, REGION_PAGES * PAGE_SIZE));
		region->backing = berth_file_open(path, BERTH_FILE_WRITE);
		close(fd);
		unlink(path);
		assert_non_null(region->backing);
		region->file = berth_filecache_open(region->backing);
		assert_non_null(region->file);
	}
	fill_region(region);
}

static void destroy_region(struct region *region)
{
	empty_region(region);
	if (region->file)
		assert_int_equal(berth_filecache_close(region->file), 0);
	berth_file_close(region->backing);
	pthread_rwlock_destroy(&region->lock);
}

/* The next region that nobody uses at this moment. */
static void replace_region(uint32_t *next)
{
	struct region *region;

	do
		region = &regions[(*next)++ % REGIONS];
	while (pthread_rwlock_trywrlock(&region->lock));
	empty_region(region);
	fill_region(region);
	pthread_rwlock_unlock(&region->lock);
}

/* Take memory that does not move until so many pages are free besides the area's. */
static struct page *take_ballast(void)
{
	struct berth_memory_info info;
	struct page *ballast = NULL;

	for (;;) {
		struct page *page;

		berth_memory_info(&info);
		if (info.free - info.free_cma <= ORDINARY_PAGES * PAGE_SIZE)
			return ballast;
		page = alloc_page(GFP_KERNEL);
		assert_non_null(page);
		page->index = (uint64_t)(uintptr_t)ballast;
		ballast = page;
	}
}

static void drop_ballast(struct page *ballast)
{
	while (ballast) {
		struct page *next = (struct page *)(uintptr_t)ballast->index;

		__free_page(ballast);
		ballast = next;
	}
}

/* The device's: whoever still wrote to a page's old place would be seen. False: not to be had. */
static bool take_and_release(unsigned long nr)
{
	struct page *pages = cma_alloc(berth_cma_default(), nr, 0, true);
	const uint64_t *words;

	if (!pages)
		return false;
	words = page_address(pages);
	memset(page_address(pages), 0xdd, nr * PAGE_SIZE);
	for (size_t i = 0; i < nr * PAGE_SIZE / sizeof(*words); i += 16)
		assert_int_equal(words[i], 0xddddddddddddddddull);
	assert_true(cma_release(berth_cma_default(), pages, nr));
	return true;
}

/*
 * In the middle of every fourth move: let others run, until somebody writes to what moves or everybody
 * had a chance. RAW: whoever waits may have been stopped anywhere.
 */
static RAW void linger(enum gate_step step)
{
	static uint32_t turn;
	uint64_t before = __atomic_load_n(&berth_port_gate_stats.waits, __ATOMIC_RELAXED);

	if (step != GATE_SHUT || __atomic_fetch_add(&turn, 1, __ATOMIC_RELAXED) % 4)
		return;
	for (unsigned int i = 0; i < 4; i++) {
		struct timespec pause;

		if (__atomic_load_n(&berth_port_gate_stats.waits, __ATOMIC_RELAXED) != before)
			return;
		pause.tv_sec = 0;
		pause.tv_nsec = 10000;
		syscall(SYS_nanosleep, &pause, NULL);
	}
}

static uint64_t waits(void)
{
	return __atomic_load_n(&berth_port_gate_stats.waits, __ATOMIC_RELAXED);
}

static void start_workers(struct worker *workers, bool is_transparent)
{
	__atomic_store_n(&is_over, 0, __ATOMIC_RELEASE);
	for (unsigned int i = 0; i < WORKERS; i++) {
		workers[i] = (struct worker){ .number = i,
					      .seed = i + 1,
					      .is_transparent = is_transparent };
		assert_int_equal(pipe2(workers[i].pipe, O_CLOEXEC), 0);
		assert_int_equal(pthread_create(&workers[i].thread, NULL, work, &workers[i]), 0);
	}
}

static void end_workers(struct worker *workers, uint64_t *uses, uint64_t *calls)
{
	__atomic_store_n(&is_over, 1, __ATOMIC_RELEASE);
	for (unsigned int i = 0; i < WORKERS; i++) {
		pthread_join(workers[i].thread, NULL);
		assert_int_equal(workers[i].wrong, 0);
		*uses += workers[i].uses;
		*calls += workers[i].calls;
		close(workers[i].pipe[0]);
		close(workers[i].pipe[1]);
	}
}

static void under_fire(void **state)
{
	struct worker workers[WORKERS];
	struct berth_filecache_stats files;
	struct berth_anon_stats stats;
	uint64_t uses = 0, calls = 0, waited, rounds, successes = 0;
	struct page *ballast;
	uint32_t seed = 77, next = 0;

	setenv("BERTH_GATE", *state, 1);
	must_start(tree_minimal, NULL, NULL);
	if (strcmp(berth_port_gate_name(), *state) != 0) {
		must_stop();
		skip();
	}
	ballast = take_ballast();
	for (unsigned int i = 0; i < REGIONS; i++)
		make_region(&regions[i], i % 2);
	start_workers(workers, !strcmp(*state, "uffd"));
	__atomic_store_n(&berth_port_gate_hook, linger, __ATOMIC_RELAXED);
	waited = waits();
	/* As many rounds as it takes until enough pages were in use when they moved. */
	for (rounds = 0; rounds < ROUNDS || (waits() - waited < WANTED && rounds < MOST_ROUNDS);
	     rounds++) {
		successes += take_and_release(next_random(&seed) % 900 + 1);
		replace_region(&next);
	}
	__atomic_store_n(&berth_port_gate_hook, NULL, __ATOMIC_RELAXED);
	end_workers(workers, &uses, &calls);
	waited = waits() - waited;
	berth_anon_stats(&stats);
	berth_filecache_stats(NULL, &files);
	print_message(
		"# %s: %llu of %llu allocations; %llu pages of memory and %llu of files moved, "
		"%llu writes met a page that was just moving; %llu of files dropped; %llu "
		"uses, %llu with system calls\n",
		(const char *)*state, (unsigned long long)successes, (unsigned long long)rounds,
		(unsigned long long)stats.moved, (unsigned long long)files.moved,
		(unsigned long long)waited, (unsigned long long)files.dropped,
		(unsigned long long)uses, (unsigned long long)calls);
	for (unsigned int i = 0; i < REGIONS; i++)
		destroy_region(&regions[i]);
	drop_ballast(ballast);
	assert_true(successes > ROUNDS / 2);
	assert_true(waited >= WANTED);
	assert_true(calls > 0);
	assert_true(stats.moved > 0 && files.moved > 0);
	must_stop();
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		{ "under_fire, uffd", under_fire, NULL, NULL, (void *)(uintptr_t) "uffd" },
		{ "under_fire, signal", under_fire, NULL, NULL, (void *)(uintptr_t) "signal" },
	};

	return cmocka_run_group_tests_name("fire", tests, NULL, NULL);
}
