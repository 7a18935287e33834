/* SPDX-License-Identifier: BSD-2-Clause */
/* Movable memory and the process it is in: crashes, forks, what is left behind, mappings. */
#include <dirent.h>
#include <signal.h>
#include <sys/wait.h>

#include "owner.h"

/* Runs @crash in a child that has the port started. Returns how the child ended. */
static int status_of_child(void **state, void (*crash)(void))
{
	int status = 0;
	pid_t child = fork();

	if (!child) {
		signal(SIGSEGV, SIG_DFL);
		if (!gate_start(state))
			_exit(77);
		own();
		if (!is_page_right(1))
			_exit(1);
		crash();
		_exit(0);
	}
	assert_int_equal(waitpid(child, &status, 0), child);
	return status;
}

static void store_wildly(void)
{
	*(volatile int *)(uintptr_t)(owner.virt + (1ull << 44)) = 1;
}

static void store_to_constant(void)
{
	static const int constant = 5;

	*(volatile int *)(uintptr_t)&constant = 1;
}

static void send_it(void)
{
	kill(getpid(), SIGSEGV);
	sleep(1);
}

static void touch_in_grandchild(void)
{
	int status;
	pid_t child = fork();

	if (!child) {
		((volatile uint8_t *)owner.virt)[PAGE] = 1;
		_exit(0);
	}
	waitpid(child, &status, 0);
	if (WIFSIGNALED(status))
		kill(getpid(), WTERMSIG(status));
	_exit(0);
}

static void real_bugs_still_crash(void **state)
{
	static void (*const crashes[])(void) = { store_wildly, store_to_constant, send_it,
						 touch_in_grandchild };

	for (unsigned int i = 0; i < ARRAY_SIZE(crashes); i++) {
		int status = status_of_child(state, crashes[i]);

		if (WIFEXITED(status) && WEXITSTATUS(status) == 77)
			skip();
		if (!WIFSIGNALED(status) || WTERMSIG(status) != SIGSEGV)
			fail_msg("crash %u: status %#x", i, (unsigned int)status);
	}
}

static unsigned int entries(const char *folder)
{
	DIR *dir = opendir(folder);
	unsigned int nr = 0;

	while (readdir(dir))
		nr++;
	closedir(dir);
	return nr;
}

struct held {
	unsigned int threads, fds, mappings;
};

static struct held count_held(void)
{
	return (struct held){ entries("/proc/self/task"), entries("/proc/self/fd"),
			      host_mappings(NULL, SIZE_MAX) };
}

static void nothing_is_left_after_a_stop(void **state)
{
	unsigned int rounds = UNDER_TSAN ? 100 : 200;
	struct held before = { 0 }, after;

	for (unsigned int round = 0; round < rounds; round++) {
		START(state);
		own();
		owner.virt[PAGE] = 1;
		assert_true(is_page_right(2));
		assert_int_equal(owner.virt[PAGE], 1);
		/* Given back, or left to the stop. */
		berth_user_range_unregister(&range);
		if (round % 2)
			berth_port_user_release(owner.virt, PAGES * PAGE);
		gate_stop();
		assert_int_equal(berth_port_gate_mappings(), 0);
		/* The C library and sanitizers keep stacks for the next thread. */
		if (round == 9)
			before = count_held();
	}
	after = count_held();
	assert_int_equal(after.threads, before.threads);
	assert_int_equal(after.fds, before.fds);
	/* They also take memory of their own at times, but not in every other round. */
	assert_in_range(after.mappings, 1, before.mappings + rounds / 4);
}

/* As many mappings as the host really has, and a refusal at the limit that changes nothing. */
static void the_limit_of_mappings_is_kept(void **state)
{
	char why[200];
	unsigned int page = 0;
	int ret = 0;

	berth_port_gate_limit = 20;
	START(state);
	own();
	for (unsigned int i = 0; i < PAGES; i++)
		fill_frame(i);
	/* Every second page of the range: each costs two. */
	for (; page < PAGES && !ret; page += 2) {
		ret = berth_port_user_map(owner.virt + page * PAGE, FRAME(page), PAGE,
					  BERTH_ACCESS_WRITE);
		if (!ret)
			assert_int_equal(host_mappings(owner.virt, PAGES * PAGE),
					 berth_port_gate_mappings());
	}
	assert_int_equal(ret, -ENOMEM);
	assert_int_equal(berth_port_gate_mappings(), 20);
	assert_int_equal(berth_last_error()->reason, BERTH_REASON_MAPPING);
	assert_int_equal(berth_last_error()->limit, 20);
	berth_error_text(NULL, why, sizeof(why));
	assert_non_null(strstr(why, "max_map_count"));
	page -= 2;
	ret = 0;
	/* What was refused is as before, and comes when it costs nothing: between its neighbours. */
	assert_int_equal(berth_port_user_map(owner.virt + PAGE, FRAME(1), PAGE, BERTH_ACCESS_WRITE),
			 0);
	assert_int_equal(host_mappings(owner.virt, PAGES * PAGE), 18);
	assert_int_equal(berth_port_gate_mappings(), 18);
	map(owner.virt, page, page, BERTH_ACCESS_WRITE);
	assert_int_equal(berth_port_gate_mappings(), 20);
	/* A move that would split is refused, one that does not is done. */
	assert_int_equal(move(owner.virt + PAGE, 1, 101, 1), -ENOMEM);
	assert_int_equal(move(owner.virt + 4 * PAGE, 4, 104, 1), 0);
	for (unsigned int i = 0; i <= page; i += i < 2 ? 1 : 2)
		assert_true(is_page_right(i));
	assert_int_equal(host_mappings(owner.virt, PAGES * PAGE), 20);
	/* Put back in order, all of it is one mapping. */
	for (unsigned int i = 0; i < PAGES; i++)
		ret |= berth_port_user_map(owner.virt + i * PAGE, FRAME(i), PAGE,
					   BERTH_ACCESS_WRITE);
	assert_int_equal(ret, 0);
	assert_int_equal(host_mappings(owner.virt, PAGES * PAGE), 1);
	assert_int_equal(berth_port_gate_mappings(), 1);
	berth_port_gate_limit = 1;
	assert_null(berth_port_user_reserve(PAGE));
	assert_int_equal(berth_last_error()->reason, BERTH_REASON_MAPPING);
	berth_port_gate_limit = 0;
	disown();
}

/* The real limit: refused before the process meets it, with room for what it needs itself. */
static void the_process_never_runs_out_of_mappings(void **state)
{
	unsigned int page = 0, pages = 200000;
	uint8_t *virt;
	int ret = 0;

	START(state);
	virt = reserve(pages);
	cpu_fill(FRAME(0), 0x5a, PAGE);
	/* The same frame again and again: no two pages are neighbours. */
	while (page < pages && !ret)
		ret = berth_port_user_map(virt + page++ * PAGE, FRAME(0), PAGE, BERTH_ACCESS_WRITE);
	if (page == pages) {
		gate_stop();
		skip();
	}
	assert_int_equal(ret, -ENOMEM);
	assert_int_equal(berth_last_error()->reason, BERTH_REASON_MAPPING);
	assert_int_equal(berth_last_error()->limit, berth_port_gate_mappings());
	assert_int_equal(host_mappings(virt, pages * PAGE), berth_port_gate_mappings());
	for (unsigned int i = 0; i < 100; i++) {
		void *own = mmap(NULL, PAGE, i % 2 ? PROT_READ : PROT_NONE,
				 MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

		assert_ptr_not_equal(own, MAP_FAILED);
		munmap(own, PAGE);
	}
	assert_int_equal(move(virt + 7 * PAGE, 0, 100, 1), 0);
	assert_int_equal(virt[7 * PAGE], 0x5a);
	assert_int_equal(virt[8 * PAGE], 0x5a);
	berth_port_user_release(virt, pages * PAGE);
	assert_int_equal(berth_port_gate_mappings(), 0);
	gate_stop();
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		BOTH(real_bugs_still_crash),
		BOTH(nothing_is_left_after_a_stop),
		BOTH(the_limit_of_mappings_is_kept),
		BOTH(the_process_never_runs_out_of_mappings),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
