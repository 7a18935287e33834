/* SPDX-License-Identifier: BSD-2-Clause */
/* No store is lost while pages that are in use are shared and unshared, whoever makes it. */
#include <sched.h>

#include "move.h"

#include "client.h"
#include "share.h"

#define PAGES 24u
#define WRITERS 3u

/* In each page: a number of each writer's own, one of the device's, one that all add to. */
#define DEVICE_WORD 8u
#define COMMON_WORD 16u

static phys_addr_t pages[PAGES];
static uint8_t *range, *direct[PAGES];
static uint32_t is_over;
static uint64_t waits_before;

struct writer {
	pthread_t thread;
	unsigned int index;
	uint64_t turns[PAGES], common[PAGES];
};

static struct writer writers[WRITERS];
static uint64_t device_turns[PAGES];

static uint64_t *word(uint8_t *page, unsigned int which)
{
	return (uint64_t *)(void *)(page + 64 * which);
}

static uint8_t *view_of(unsigned int page, uint32_t chance)
{
	return chance % 3 ? direct[page] : range + page * PAGE;
}

/* Reads what it has written, adds, writes; whatever is between. */
static void *write_all_the_time(void *arg)
{
	struct writer *writer = arg;
	uint32_t chance = writer->index + 1;

	while (!__atomic_load_n(&is_over, __ATOMIC_RELAXED)) {
		unsigned int page = next_random(&chance) % PAGES;
		volatile uint64_t *own = word(view_of(page, chance), writer->index);

		if (*own != writer->turns[page])
			fail_msg("writer %u, page %u: %llu and not %llu", writer->index, page,
				 (unsigned long long)*own, (unsigned long long)writer->turns[page]);
		*own = ++writer->turns[page];
		__atomic_fetch_add(word(view_of(page, chance >> 8), COMMON_WORD), 1,
				   __ATOMIC_RELAXED);
		writer->common[page]++;
	}
	return NULL;
}

static struct model_device *device;

static void *work_as_device(void *arg)
{
	uint32_t chance = 77;

	while (!__atomic_load_n(&is_over, __ATOMIC_RELAXED)) {
		unsigned int page = next_random(&chance) % PAGES;
		uint64_t bus = pages[page] + 64 * DEVICE_WORD, value = 0;

		model_lock();
		if (model_dma_read(device, bus, &value, sizeof(value)) ||
		    value != device_turns[page])
			fail_msg("device, page %u: %llu", page, (unsigned long long)value);
		value = ++device_turns[page];
		if (model_dma_write(device, bus, &value, sizeof(value)))
			fail_msg("device, page %u", page);
		model_unlock();
		sched_yield();
	}
	return arg;
}

/* Have the others run when it hurts most; not always, since they run for long. */
static RAW void let_others_run(enum gate_step step)
{
	static uint32_t calls;

	if (__atomic_fetch_add(&calls, 1, __ATOMIC_RELAXED) % 64)
		return;
	if (step == GATE_SHUT || step == GATE_COPIED || step == GATE_SHOWING)
		syscall(SYS_sched_yield);
}

static void start_writers(pthread_t *device_thread)
{
	__atomic_store_n(&is_over, 0, __ATOMIC_RELAXED);
	memset(device_turns, 0, sizeof(device_turns));
	for (unsigned int i = 0; i < WRITERS; i++) {
		writers[i] = (struct writer){ .index = i };
		assert_int_equal(pthread_create(&writers[i].thread, NULL, write_all_the_time,
						&writers[i]),
				 0);
	}
	assert_int_equal(pthread_create(device_thread, NULL, work_as_device, NULL), 0);
}

static void stop_writers(pthread_t device_thread)
{
	__atomic_store_n(&is_over, 1, __ATOMIC_RELAXED);
	for (unsigned int i = 0; i < WRITERS; i++)
		pthread_join(writers[i].thread, NULL);
	pthread_join(device_thread, NULL);
}

/* @more: what others have added to the common word of page 0. */
static void check_words(uint64_t more)
{
	for (unsigned int page = 0; page < PAGES; page++) {
		uint64_t common = page ? 0 : more;

		for (unsigned int i = 0; i < WRITERS; i++) {
			assert_int_equal(*word(direct[page], i), writers[i].turns[page]);
			common += writers[i].common[page];
		}
		assert_int_equal(*word(direct[page], COMMON_WORD), common);
		assert_int_equal(*word(range + page * PAGE, COMMON_WORD), common);
		assert_int_equal(*word(direct[page], DEVICE_WORD), device_turns[page]);
	}
}

/* Pages here and there, some of them neighbours, each seen directly and in a range. */
static void show_pages(enum berth_memory_type type)
{
	range = berth_port_range_reserve(PAGES * PAGE);
	assert_non_null(range);
	for (unsigned int i = 0; i < PAGES; i++) {
		pages[i] = FRAME(100 + i + i / 3 * 2);
		direct[i] = type == BERTH_MEMORY_CACHED ? soc_virt(pages[i])
							: berth_port_remap(pages[i], PAGE, type);
		assert_non_null(direct[i]);
		memset(direct[i], 0, PAGE);
		assert_int_equal(berth_port_range_map(range + i * PAGE, pages[i], PAGE, type), 0);
	}
}

/* Some of the pages, or all. Returns how many runs. */
static unsigned int choose(struct berth_range *runs, uint32_t *chance)
{
	unsigned int nr = 0, first = next_random(chance) % PAGES;
	unsigned int end = first + 1 + next_random(chance) % (PAGES - first);

	for (unsigned int i = first; i < end; i++) {
		if (nr && runs[nr - 1].base + runs[nr - 1].size == pages[i])
			runs[nr - 1].size += PAGE;
		else
			runs[nr++] = (struct berth_range){ pages[i], PAGE };
	}
	return nr;
}

static void share_under_writers(enum berth_memory_type type, unsigned int rounds)
{
	struct berth_range runs[PAGES];
	pthread_t device_thread;
	uint32_t chance = 5;

	show_pages(type);
	device = type == BERTH_MEMORY_CACHED ? coherent : plain;
	waits_before = __atomic_load_n(&berth_port_gate_stats.waits, __ATOMIC_RELAXED);
	__atomic_store_n(&berth_port_gate_hook, let_others_run, __ATOMIC_RELAXED);
	start_writers(&device_thread);
	for (unsigned int i = 0; i < rounds; i++) {
		int fd = berth_port_share(runs, choose(runs, &chance), type);

		assert_true(fd >= 0);
		if (i % 4 == 0)
			sched_yield();
		berth_port_unshare(fd);
	}
	stop_writers(device_thread);
	__atomic_store_n(&berth_port_gate_hook, NULL, __ATOMIC_RELAXED);
	check_words(0);
	print_message("# %llu faults on a gated page\n",
		      (unsigned long long)(berth_port_gate_stats.waits - waits_before));
	assert_true(berth_port_gate_stats.waits > waits_before);
}

static void no_store_is_lost(void **state)
{
	START(state);
	share_under_writers(BERTH_MEMORY_CACHED, UNDER_TSAN ? 400 : 1000);
	gate_stop();
}

static void no_uncached_store_is_lost(void **state)
{
	START(state);
	share_under_writers(BERTH_MEMORY_WRITE_COMBINE, UNDER_TSAN ? 200 : 400);
	gate_stop();
}

/* A process adds to what the threads and the device add to. */
static void two_processes_add_up(void **state)
{
	struct berth_range runs[PAGES];
	unsigned int nr = 0, rounds = UNDER_TSAN ? 30 : 100;
	pthread_t device_thread;
	struct client client;

	START(state);
	client_start(&client);
	show_pages(BERTH_MEMORY_CACHED);
	device = coherent;
	for (unsigned int i = 0; i < PAGES; i++)
		runs[nr++] = (struct berth_range){ pages[i], PAGE };
	start_writers(&device_thread);
	for (unsigned int i = 0; i < rounds; i++) {
		int fd = berth_port_share(runs, nr, BERTH_MEMORY_CACHED);

		assert_true(fd >= 0);
		assert_int_equal(client_give(&client, fd, PAGES * PAGE), 0);
		assert_int_equal(client_ask(&client, CLIENT_COUNT, 64 * COMMON_WORD, 5000), 0);
		berth_port_unshare(fd);
		/* Too late: nobody sees it. */
		assert_int_equal(client_ask(&client, CLIENT_COUNT, 64 * COMMON_WORD, 7), 0);
	}
	stop_writers(device_thread);
	check_words(5000ull * rounds);
	client_end(&client, false);
	gate_stop();
}

static struct probe {
	uint8_t *at;
	enum gate_step step;
	uint32_t is_asked, is_done, was_early;
} probe;

static void *write_when_asked(void *arg)
{
	while (!__atomic_load_n(&probe.is_asked, __ATOMIC_ACQUIRE))
		sched_yield();
	__atomic_store_n(probe.at, 0x99, __ATOMIC_SEQ_CST);
	__atomic_store_n(&probe.is_done, 1, __ATOMIC_RELEASE);
	return arg;
}

/* The writer has time enough to get through, should it be let. */
static RAW void ask_for_a_write(enum gate_step step)
{
	struct timespec time;

	if (step != probe.step || __atomic_load_n(&probe.is_asked, __ATOMIC_RELAXED))
		return;
	__atomic_store_n(&probe.is_asked, 1, __ATOMIC_RELEASE);
	time.tv_sec = 0;
	time.tv_nsec = 5000000;
	syscall(SYS_nanosleep, &time, NULL);
	probe.was_early = __atomic_load_n(&probe.is_done, __ATOMIC_ACQUIRE);
}

static void check_write_waits(uint8_t *at, enum gate_step step, bool is_back)
{
	const struct berth_range run = { pages[0], PAGE };
	pthread_t thread;
	int fd;

	probe = (struct probe){ .at = at + 5, .step = step };
	__atomic_store_n(&direct[0][5], 0x11, __ATOMIC_SEQ_CST);
	assert_int_equal(pthread_create(&thread, NULL, write_when_asked, NULL), 0);
	if (!is_back)
		__atomic_store_n(&berth_port_gate_hook, ask_for_a_write, __ATOMIC_RELAXED);
	fd = berth_port_share(&run, 1, BERTH_MEMORY_CACHED);
	assert_true(fd >= 0);
	__atomic_store_n(&berth_port_gate_hook, ask_for_a_write, __ATOMIC_RELAXED);
	if (!is_back)
		pthread_join(thread, NULL);
	assert_int_equal(__atomic_load_n(&direct[0][5], __ATOMIC_SEQ_CST), is_back ? 0x11 : 0x99);
	berth_port_unshare(fd);
	if (is_back)
		pthread_join(thread, NULL);
	__atomic_store_n(&berth_port_gate_hook, NULL, __ATOMIC_RELAXED);
	assert_int_equal(probe.was_early, 0);
	assert_int_equal(direct[0][5], 0x99);
	assert_int_equal(range[5], 0x99);
}

/* From the copy on until all see the copy, wherever it is that one writes. */
static void writers_wait_until_all_is_shown(void **state)
{
	static const enum gate_step steps[] = { GATE_SHUT, GATE_COPIED, GATE_SHOWING };

	START(state);
	show_pages(BERTH_MEMORY_CACHED);
	for (unsigned int i = 0; i < 4 * ARRAY_SIZE(steps); i++)
		check_write_waits(i & 1 ? direct[0] : range, steps[i / 4], i & 2);
	gate_stop();
}

struct sharer {
	pthread_t thread;
	unsigned int first, nr, rounds;
};

static void *share_own_pages(void *arg)
{
	const struct sharer *sharer = arg;
	uint8_t *view = berth_port_range_reserve(PAGE);

	for (unsigned int i = 0; i < sharer->rounds; i++) {
		unsigned int page = sharer->first + i % sharer->nr;
		const struct berth_range run = { pages[page], PAGE };
		int fd = berth_port_share(&run, 1, BERTH_MEMORY_CACHED);

		/* A mapping comes while it is shared and goes when it is not, or the other way. */
		if (fd < 0 || berth_port_range_map(view, run.base, PAGE, BERTH_MEMORY_CACHED))
			fail_msg("page %u", page);
		__atomic_fetch_add(word(view, 20), 1, __ATOMIC_RELAXED);
		if (i % 2)
			berth_port_range_unmap(view, run.base, PAGE, BERTH_MEMORY_CACHED);
		berth_port_unshare(fd);
		__atomic_fetch_add(word(i % 2 ? direct[page] : view, 20), 1, __ATOMIC_RELAXED);
		if (i % 2 == 0)
			berth_port_range_unmap(view, run.base, PAGE, BERTH_MEMORY_CACHED);
	}
	berth_port_range_release(view, PAGE);
	return NULL;
}

/* Several threads share, each its own pages, while others write to them. */
static void several_share_at_once(void **state)
{
	struct sharer sharers[3];
	pthread_t device_thread;
	uint64_t sum = 0, rounds = UNDER_TSAN ? 100 : 200;

	START(state);
	show_pages(BERTH_MEMORY_CACHED);
	device = coherent;
	start_writers(&device_thread);
	for (unsigned int i = 0; i < ARRAY_SIZE(sharers); i++) {
		sharers[i] =
			(struct sharer){ .first = i * 8, .nr = 8, .rounds = (unsigned int)rounds };
		assert_int_equal(
			pthread_create(&sharers[i].thread, NULL, share_own_pages, &sharers[i]), 0);
	}
	for (unsigned int i = 0; i < ARRAY_SIZE(sharers); i++)
		pthread_join(sharers[i].thread, NULL);
	stop_writers(device_thread);
	check_words(0);
	for (unsigned int i = 0; i < PAGES; i++)
		sum += *word(direct[i], 20);
	assert_int_equal(sum, 2 * ARRAY_SIZE(sharers) * rounds);
	gate_stop();
}

int main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		BOTH(writers_wait_until_all_is_shown), BOTH(no_store_is_lost),
		BOTH(no_uncached_store_is_lost),       BOTH(two_processes_add_up),
		BOTH(several_share_at_once),
	};

	if (argc > 1 && !strcmp(argv[1], CLIENT_ARGUMENT))
		return client_main();
	return cmocka_run_group_tests(tests, NULL, NULL);
}
