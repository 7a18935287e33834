/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Under fire: threads load, store, count and make system calls on pages while these move, and each
 * old frame is poisoned at once. Not one byte may be wrong.
 */
#include "move.h"

#define PAGES 48u
#define RUN 16u
/* The first pages move one by one, the others in runs. */
#define SINGLES 16u
#define WORKERS 3u
/* Enough for the window between any two steps to be met. */
#define HITS (UNDER_TSAN ? 200u : 1000u)
#define MOVES (UNDER_TSAN ? 400u : 2500u)
#define FILE_SIZE 65536u
/* Words of a page: a shared counter, then one of each worker in turn; the upper half is for reads. */
#define WORDS 256u
#define IO_OFFSET 2048u
#define IO_SIZE 1024u

static uint8_t *area;
static unsigned int frame_of[PAGES];
static uint32_t is_over;
static int file_fd;

struct worker {
	pthread_t thread;
	uint32_t index, seed, bad;
	uint64_t words[PAGES][WORDS];
	uint64_t counted[PAGES];
	uint64_t calls, failed_calls;
};

static struct worker workers[WORKERS];

static uint64_t *word_at(unsigned int page, unsigned int word)
{
	return (uint64_t *)(void *)(area + page * PAGE) + word;
}

static void *load_and_store(void *arg)
{
	struct worker *me = arg;

	while (!__atomic_load_n(&is_over, __ATOMIC_RELAXED)) {
		uint32_t draw = next_random(&me->seed);
		unsigned int page = draw % PAGES;
		unsigned int word = 1 + (draw >> 8) % 80 * WORKERS + me->index;
		uint64_t *at = word_at(page, word);

		if (*(volatile uint64_t *)at != me->words[page][word])
			me->bad++;
		me->words[page][word] = (uint64_t)draw << 32 | me->index;
		*(volatile uint64_t *)at = me->words[page][word];
		__atomic_fetch_add(word_at(page, 0), 1, __ATOMIC_RELAXED);
		me->counted[page]++;
	}
	return NULL;
}

static uint8_t file_byte(size_t offset)
{
	return (uint8_t)(offset * 7 + (offset >> 8));
}

/* Without uffd a call may fail, or stop short: the same is asked for again. */
static bool is_done(struct worker *me, ssize_t done, size_t size)
{
	me->calls++;
	if (done == (ssize_t)size)
		return true;
	me->failed_calls++;
	if (is_uffd() || (done < 0 && errno != EFAULT))
		me->bad++;
	return false;
}

static void read_file(struct worker *me, uint8_t *at, uint32_t draw)
{
	size_t offset = draw % (FILE_SIZE - IO_SIZE);

	while (!is_done(me, pread(file_fd, at, IO_SIZE, (off_t)offset), IO_SIZE) && !is_uffd())
		;
	for (size_t i = 0; i < IO_SIZE; i++)
		if (((volatile uint8_t *)at)[i] != file_byte(offset + i)) {
			me->bad++;
			return;
		}
}

/* From the area into a pipe, and from there to another page. What a failed read has eaten is gone. */
static void through_pipe(struct worker *me, uint8_t *from, uint8_t *to, const int pipes[2])
{
	uint8_t sent[IO_SIZE];
	ssize_t done = write(pipes[1], from, IO_SIZE);

	if (!is_done(me, done, IO_SIZE))
		return;
	for (size_t i = 0; i < IO_SIZE; i++)
		sent[i] = ((volatile uint8_t *)from)[i];
	done = read(pipes[0], to, IO_SIZE);
	if (!is_done(me, done, IO_SIZE)) {
		uint8_t rest[IO_SIZE];
		size_t left = IO_SIZE - (done > 0 ? (size_t)done : 0);

		fcntl(pipes[0], F_SETFL, O_NONBLOCK);
		while (left && read(pipes[0], rest, left) > 0)
			;
		fcntl(pipes[0], F_SETFL, 0);
		return;
	}
	for (size_t i = 0; i < IO_SIZE; i++)
		if (((volatile uint8_t *)to)[i] != sent[i]) {
			me->bad++;
			return;
		}
}

static void *call_system(void *arg)
{
	struct worker *me = arg;
	int pipes[2];

	assert_int_equal(pipe2(pipes, O_CLOEXEC), 0);
	while (!__atomic_load_n(&is_over, __ATOMIC_RELAXED)) {
		uint32_t draw = next_random(&me->seed);
		uint8_t *page = area + draw % PAGES * PAGE + IO_OFFSET;
		uint8_t *other = area + (draw >> 8) % PAGES * PAGE + IO_OFFSET + IO_SIZE;

		read_file(me, page, draw >> 4);
		through_pipe(me, page, other, pipes);
	}
	close(pipes[0]);
	close(pipes[1]);
	return NULL;
}

/* Now and then a step of a move takes long. */
static RAW void dawdle(enum gate_step step)
{
	static uint32_t seed = 1;
	struct timespec time;

	seed ^= seed << 13;
	seed ^= seed >> 17;
	seed ^= seed << 5;
	if (seed % 5 != (uint32_t)step)
		return;
	time.tv_sec = 0;
	time.tv_nsec = seed >> 8 & 0xffff;
	syscall(SYS_nanosleep, &time, NULL);
}

/* A free block of frames for each turn: of @pages, after the last one's. */
static unsigned int next_free(unsigned int *cursor, unsigned int pages)
{
	for (;;) {
		unsigned int frame = *cursor;
		bool is_used = false;

		*cursor = (*cursor + RUN) % FRAMES;
		for (unsigned int i = 0; i < PAGES; i++)
			is_used |= frame_of[i] - frame < RUN;
		if (!is_used)
			return frame + (pages == 1 ? *cursor / RUN % RUN : 0);
	}
}

static void move_something(uint32_t *seed, unsigned int *cursor)
{
	uint32_t draw = next_random(seed);
	bool is_run = draw % 4 == 0;
	unsigned int pages = is_run ? RUN : 1;
	unsigned int page = is_run ? SINGLES + (draw >> 8) % ((PAGES - SINGLES) / RUN) * RUN
				   : (draw >> 8) % SINGLES;
	unsigned int from = frame_of[page], to = next_free(cursor, pages);

	assert_int_equal(move(area + page * PAGE, from, to, pages), 0);
	for (unsigned int i = 0; i < pages; i++)
		frame_of[page + i] = to + i;
	memset(soc_virt(FRAME(from)), 0xdd, pages * PAGE);
}

static void make_file(void)
{
	static uint8_t bytes[FILE_SIZE];

	for (size_t i = 0; i < FILE_SIZE; i++)
		bytes[i] = file_byte(i);
	file_fd = memfd_create("test", MFD_CLOEXEC);
	assert_int_equal(write(file_fd, bytes, FILE_SIZE), FILE_SIZE);
}

static void check_everything(void)
{
	for (unsigned int page = 0; page < PAGES; page++) {
		uint64_t counted = 0;

		for (unsigned int i = 0; i < WORKERS; i++)
			counted += workers[i].counted[page];
		assert_int_equal(*word_at(page, 0), counted);
		for (unsigned int word = 1; word <= 80 * WORKERS; word++)
			assert_int_equal(*word_at(page, word),
					 workers[(word - 1) % WORKERS].words[page][word]);
		assert_memory_equal(area + page * PAGE, soc_virt(FRAME(frame_of[page])), PAGE);
		berth_port_cache_clean(FRAME(frame_of[page]), PAGE);
		assert_memory_equal(area + page * PAGE, berth_model_memory(FRAME(frame_of[page])),
				    PAGE);
	}
}

static void set_up(void)
{
	area = reserve(PAGES);
	for (unsigned int page = 0; page < PAGES; page++) {
		frame_of[page] = page;
		cpu_fill(FRAME(page), 0, PAGE);
	}
	assert_int_equal(berth_port_user_map(area, FRAME(0), PAGES * PAGE, BERTH_ACCESS_WRITE), 0);
	make_file();
	is_over = 0;
	memset(workers, 0, sizeof(workers));
	for (unsigned int i = 0; i < WORKERS; i++) {
		workers[i].index = i;
		workers[i].seed = 77 + i;
	}
}

static void nothing_is_lost_under_fire(void **state)
{
	struct gate_stats before = berth_port_gate_stats, now = before;
	unsigned int cursor = 64;
	uint32_t seed = 5;
	time_t end = time(NULL) + 60;

	START(state);
	set_up();
	__atomic_store_n(&berth_port_gate_hook, dawdle, __ATOMIC_RELAXED);
	for (unsigned int i = 0; i < WORKERS; i++)
		assert_int_equal(pthread_create(&workers[i].thread, NULL,
						i + 1 < WORKERS ? load_and_store : call_system,
						&workers[i]),
				 0);
	while ((now.moves - before.moves < MOVES || now.waits - before.waits < HITS) &&
	       time(NULL) < end) {
		move_something(&seed, &cursor);
		now.moves = __atomic_load_n(&berth_port_gate_stats.moves, __ATOMIC_RELAXED);
		now.waits = __atomic_load_n(&berth_port_gate_stats.waits, __ATOMIC_RELAXED);
	}
	__atomic_store_n(&is_over, 1, __ATOMIC_RELAXED);
	for (unsigned int i = 0; i < WORKERS; i++)
		pthread_join(workers[i].thread, NULL);
	__atomic_store_n(&berth_port_gate_hook, NULL, __ATOMIC_RELAXED);
	print_message("# %s: %lu moves, %lu faults on a gated page, %lu system calls, %lu of them "
		      "failed\n",
		      berth_port_gate_name(), (unsigned long)(now.moves - before.moves),
		      (unsigned long)(now.waits - before.waits),
		      (unsigned long)workers[WORKERS - 1].calls,
		      (unsigned long)workers[WORKERS - 1].failed_calls);
	for (unsigned int i = 0; i < WORKERS; i++)
		assert_int_equal(workers[i].bad, 0);
	assert_true(now.moves - before.moves >= MOVES && now.waits - before.waits >= HITS);
	check_everything();
	berth_port_user_release(area, PAGES * PAGE);
	assert_int_equal(berth_port_gate_mappings(), 0);
	close(file_fd);
	gate_stop();
}

/* Two movers on different pages, and a page that is seen twice. */
struct mover {
	uint8_t *views[2];
	unsigned int frame, other;
	enum berth_port_access access;
};

static void *go_back_and_forth(void *arg)
{
	struct mover *me = arg;
	const struct berth_port_view views[2] = {
		{ me->views[0], BERTH_ACCESS_WRITE },
		{ me->views[1], me->access },
	};

	for (unsigned int i = 0; i < 300; i++) {
		if (berth_port_user_move(views, 2, FRAME(me->frame), FRAME(me->other), PAGE))
			abort();
		memset(soc_virt(FRAME(me->frame)), 0xdd, PAGE);
		me->frame ^= me->other;
		me->other ^= me->frame;
		me->frame ^= me->other;
	}
	return NULL;
}

static void a_page_seen_twice_moves_once(void **state)
{
	struct mover movers[2];
	pthread_t threads[2];
	uint8_t *one, *two;

	START(state);
	__atomic_store_n(&berth_port_gate_hook, dawdle, __ATOMIC_RELAXED);
	one = reserve(2);
	two = reserve(2);
	for (unsigned int i = 0; i < 2; i++) {
		cpu_fill(FRAME(i * 8), 0, PAGE);
		map(one, i, i * 8, BERTH_ACCESS_WRITE);
		map(two, i, i * 8, i ? BERTH_ACCESS_WRITE : BERTH_ACCESS_READ);
		movers[i] = (struct mover){ { one + i * PAGE, two + i * PAGE },
					    i * 8,
					    i * 8 + 1,
					    i ? BERTH_ACCESS_WRITE : BERTH_ACCESS_READ };
		assert_int_equal(pthread_create(&threads[i], NULL, go_back_and_forth, &movers[i]),
				 0);
	}
	for (uint32_t i = 1; i < (UNDER_TSAN ? 5000 : 50000); i++) {
		uint32_t *write_at = (uint32_t *)(void *)(one + i % 2 * PAGE);
		uint32_t *read_at = (uint32_t *)(void *)(two + i % 2 * PAGE);

		/* The second page may be written through both. */
		if (i % 4 == 1) {
			uint32_t *other = write_at;

			write_at = read_at;
			read_at = other;
		}
		__atomic_store_n(write_at, i, __ATOMIC_SEQ_CST);
		if (__atomic_load_n(read_at, __ATOMIC_SEQ_CST) != i)
			fail_msg("%u is %u", i, *read_at);
	}
	for (unsigned int i = 0; i < 2; i++)
		pthread_join(threads[i], NULL);
	__atomic_store_n(&berth_port_gate_hook, NULL, __ATOMIC_RELAXED);
	gate_stop();
}

/* What a move stores counts as stored, even if the line held the same: memory may not. */
static void moved_lines_are_dirty(void **state)
{
	uint8_t *virt;

	START(state);
	virt = reserve(1);
	cpu_fill(FRAME(0), 0x11, PAGE);
	cpu_fill(FRAME(1), 0x11, PAGE);
	berth_port_cache_clean(FRAME(0), 2 * PAGE);
	dev_fill(plain, FRAME(1), 0x33, PAGE);
	map(virt, 0, 0, BERTH_ACCESS_WRITE);
	assert_int_equal(move(virt, 0, 1, 1), 0);
	assert_int_equal(dev_byte(plain, FRAME(1)), 0x33);
	berth_port_cache_clean(FRAME(1), PAGE);
	assert_int_equal(dev_byte(plain, FRAME(1)), 0x11);
	virt[5] = 0x22;
	berth_port_cache_clean(FRAME(1), PAGE);
	assert_int_equal(dev_byte(plain, FRAME(1) + 5), 0x22);
	gate_stop();
}

static double now_us(void)
{
	struct timespec time;

	clock_gettime(CLOCK_MONOTONIC, &time);
	return (double)time.tv_sec * 1e6 + (double)time.tv_nsec / 1e3;
}

static void time_of_a_move(void **state)
{
	unsigned int turns = UNDER_TSAN ? 50 : 500;
	double single, run;

	START(state);
	area = reserve(RUN);
	cpu_fill(FRAME(0), 0, RUN * PAGE);
	assert_int_equal(berth_port_user_map(area, FRAME(0), RUN * PAGE, BERTH_ACCESS_WRITE), 0);
	run = now_us();
	for (unsigned int i = 0; i < 2 * turns; i++) {
		assert_int_equal(move(area, i % 2 * RUN, !(i % 2) * RUN, RUN), 0);
		for (unsigned int page = 0; page < RUN; page++)
			area[page * PAGE] = 1;
	}
	run = (now_us() - run) / (2 * turns);
	single = now_us();
	for (unsigned int i = 0; i < 2 * turns; i++) {
		assert_int_equal(move(area, i % 2 * RUN, !(i % 2) * RUN, 1), 0);
		area[0] = 1;
	}
	single = (now_us() - single) / (2 * turns);
	print_message("# %s: %.1f us for a page, %.1f us for a run of %u\n", berth_port_gate_name(),
		      single, run, RUN);
	gate_stop();
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		BOTH(nothing_is_lost_under_fire),
		BOTH(a_page_seen_twice_moves_once),
		BOTH(moved_lines_are_dirty),
		BOTH(time_of_a_move),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
