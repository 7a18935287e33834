/* SPDX-License-Identifier: BSD-2-Clause */
/* Faults in memory that may move: who is asked, who waits, and what is nobody's but the program's. */
#include <dirent.h>
#include <setjmp.h>
#include <signal.h>
#include <sys/wait.h>

#include "move.h"

#define PAGES 32u
#define THREADS 4u

/* The thread sanitizer does not know that a fault comes before its handler, and after what it sees. */
#define GET(x) __atomic_load_n(&(x), __ATOMIC_SEQ_CST)
#define SET(x, value) __atomic_store_n(&(x), value, __ATOMIC_SEQ_CST)

/* An owner of a range: page n shows frame n, filled at the first access. */
static struct owner {
	pthread_mutex_t locks[PAGES];
	enum berth_port_access access[PAGES];
	uint8_t *virt;
	uint32_t asked[PAGES], asked_to_write[PAGES];
	uint32_t running, most;
	unsigned int delay_us;
	bool is_mean; /* refuses */
	bool is_deep; /* touches the next page first */
} owner;

static uint8_t byte_of(unsigned int page, size_t offset)
{
	return (uint8_t)(page * 13 + offset * 3 + 1);
}

static void fill_frame(unsigned int page)
{
	uint8_t *bytes = soc_virt(FRAME(page));

	for (size_t i = 0; i < PAGE; i++)
		bytes[i] = byte_of(page, i);
}

static int give(unsigned int page, bool is_write)
{
	enum berth_port_access access = is_write ? BERTH_ACCESS_WRITE : BERTH_ACCESS_READ;

	if (GET(owner.access[page]) >= access)
		return 0;
	if (GET(owner.access[page]) == BERTH_ACCESS_NONE)
		fill_frame(page);
	SET(owner.access[page], access);
	if (access == BERTH_ACCESS_WRITE && page % 2)
		return berth_port_user_protect(GET(owner.virt) + page * PAGE, PAGE, access) &&
		       berth_port_user_map(GET(owner.virt) + page * PAGE, FRAME(page), PAGE,
					   access);
	return berth_port_user_map(GET(owner.virt) + page * PAGE, FRAME(page), PAGE, access);
}

static int on_fault(void *data, uint64_t offset, bool is_write)
{
	struct owner *me = data;
	unsigned int page = (unsigned int)(offset / PAGE);
	uint32_t running = __atomic_add_fetch(&me->running, 1, __ATOMIC_RELAXED);
	int ret;

	if (running > __atomic_load_n(&me->most, __ATOMIC_RELAXED))
		__atomic_store_n(&me->most, running, __ATOMIC_RELAXED);
	if (GET(me->delay_us))
		usleep(GET(me->delay_us));
	__atomic_fetch_add(is_write ? &me->asked_to_write[page] : &me->asked[page], 1,
			   __ATOMIC_RELAXED);
	if (GET(me->is_mean))
		ret = -EFAULT;
	else if (GET(me->is_deep) && page + 1 < PAGES)
		ret = ((volatile uint8_t *)GET(me->virt))[(page + 1) * PAGE] == 0;
	else
		ret = 0;
	pthread_mutex_lock(&me->locks[page]);
	if (!ret)
		ret = give(page, is_write);
	pthread_mutex_unlock(&me->locks[page]);
	__atomic_fetch_sub(&me->running, 1, __ATOMIC_RELAXED);
	return ret;
}

static struct berth_user_range range;

static void own(void)
{
	for (unsigned int i = 0; i < PAGES; i++) {
		pthread_mutex_init(&owner.locks[i], NULL);
		SET(owner.access[i], BERTH_ACCESS_NONE);
		SET(owner.asked[i], 0);
		SET(owner.asked_to_write[i], 0);
	}
	SET(owner.most, 0);
	SET(owner.delay_us, 0);
	SET(owner.is_mean, false);
	SET(owner.is_deep, false);
	SET(owner.virt, reserve(PAGES));
	range = (struct berth_user_range){
		.virt = owner.virt,
		.size = PAGES * PAGE,
		.fault = on_fault,
		.data = &owner,
	};
	assert_int_equal(berth_user_range_register(&range), 0);
}

static void disown(void)
{
	berth_user_range_unregister(&range);
	berth_port_user_release(owner.virt, PAGES * PAGE);
	gate_stop();
}

static bool is_page_right(unsigned int page)
{
	for (size_t i = 0; i < PAGE; i++)
		if (((volatile uint8_t *)owner.virt)[page * PAGE + i] != byte_of(page, i))
			return false;
	return true;
}

static void *touch_all(void *arg)
{
	unsigned int first = (unsigned int)(uintptr_t)arg;

	for (unsigned int i = 0; i < PAGES; i++)
		if (!is_page_right((first * 7 + i * (2 * first + 1)) % PAGES))
			return arg ? arg : &owner;
	return NULL;
}

static void pages_come_on_demand(void **state)
{
	pthread_t threads[THREADS];
	void *problem;

	START(state);
	own();
	SET(owner.delay_us, 2000);
	for (uintptr_t i = 0; i < THREADS; i++)
		assert_int_equal(pthread_create(&threads[i], NULL, touch_all, (void *)i), 0);
	for (unsigned int i = 0; i < THREADS; i++) {
		pthread_join(threads[i], &problem);
		assert_null(problem);
	}
	for (unsigned int i = 0; i < PAGES; i++) {
		assert_true(GET(owner.asked[i]) >= 1);
		assert_int_equal(GET(owner.asked_to_write[i]), 0);
	}
	/* Several were asked at once. */
	assert_true(GET(owner.most) >= 2);
	disown();
}

static void a_write_asks_again(void **state)
{
	START(state);
	own();
	for (unsigned int i = 0; i < PAGES; i++) {
		assert_int_equal(owner.virt[i * PAGE], byte_of(i, 0));
		owner.virt[i * PAGE] = (uint8_t)i;
		assert_int_equal(GET(owner.asked[i]), 1);
		assert_int_equal(GET(owner.asked_to_write[i]), 1);
		__atomic_fetch_add((uint32_t *)(void *)(owner.virt + i * PAGE + 8), 1,
				   __ATOMIC_RELAXED);
		assert_int_equal(GET(owner.asked_to_write[i]), 1);
		assert_int_equal(*(uint8_t *)soc_virt(FRAME(i)), i);
	}
	/* Write protected, as for a write-back: readers go on, the next writer asks. */
	assert_int_equal(berth_port_user_protect(owner.virt, PAGES * PAGE, BERTH_ACCESS_READ), 0);
	for (unsigned int i = 0; i < PAGES; i++)
		SET(owner.access[i], BERTH_ACCESS_READ);
	for (unsigned int i = 0; i < PAGES; i++) {
		assert_int_equal(owner.virt[i * PAGE], i);
		owner.virt[i * PAGE + 1] = 7;
		assert_int_equal(GET(owner.asked[i]), 1);
		assert_int_equal(GET(owner.asked_to_write[i]), 2);
		assert_int_equal(((uint8_t *)soc_virt(FRAME(i)))[1], 7);
	}
	/* Taken away: what comes back is what the owner fills in. */
	assert_int_equal(berth_port_user_protect(owner.virt, PAGES * PAGE, BERTH_ACCESS_NONE), 0);
	for (unsigned int i = 0; i < PAGES; i++)
		SET(owner.access[i], BERTH_ACCESS_NONE);
	for (unsigned int i = 0; i < PAGES; i++) {
		assert_true(is_page_right(i));
		assert_int_equal(GET(owner.asked[i]), 2);
	}
	/* A first access that writes asks once. */
	assert_int_equal(berth_port_user_protect(owner.virt, PAGE, BERTH_ACCESS_NONE), 0);
	SET(owner.access[0], BERTH_ACCESS_NONE);
	owner.virt[1] = 99;
	assert_int_equal(GET(owner.asked_to_write[0]), 3);
	assert_int_equal(GET(owner.asked[0]), 2);
	assert_int_equal(owner.virt[0], byte_of(0, 0));
	disown();
}

/* With uffd the calls succeed whole; without, they fail and leave no harm. */
static void system_calls_ask_too(void **state)
{
	static uint8_t sent[3 * PAGE], got[3 * PAGE];
	ssize_t wanted = sizeof(sent);
	int pipes[2];

	START(state);
	wanted = is_uffd() ? wanted : -1;
	own();
	assert_int_equal(pipe2(pipes, O_CLOEXEC | O_NONBLOCK), 0);
	for (size_t i = 0; i < sizeof(sent); i++)
		sent[i] = (uint8_t)(i * 5);
	/* Out of pages that are not there. */
	assert_int_equal(write(pipes[1], owner.virt, sizeof(sent)), wanted);
	if (is_uffd()) {
		assert_int_equal(read(pipes[0], got, sizeof(got)), sizeof(got));
		for (size_t i = 0; i < sizeof(got); i++)
			assert_int_equal(got[i], byte_of((unsigned int)(i / PAGE), i % PAGE));
	}
	/* Into pages that are not there, the first and last of them in part. */
	assert_int_equal(write(pipes[1], sent, sizeof(sent)), sizeof(sent));
	assert_int_equal(read(pipes[0], owner.virt + 5 * PAGE + 100, sizeof(sent)), wanted);
	if (is_uffd())
		assert_memory_equal(owner.virt + 5 * PAGE + 100, sent, sizeof(sent));
	/* Into pages that may be read only. */
	while (read(pipes[0], got, sizeof(got)) > 0)
		;
	for (unsigned int i = 12; i < 16; i++)
		assert_true(is_page_right(i));
	assert_int_equal(write(pipes[1], sent, sizeof(sent)), sizeof(sent));
	assert_int_equal(read(pipes[0], owner.virt + 12 * PAGE + 100, sizeof(sent)), wanted);
	if (is_uffd())
		assert_memory_equal(owner.virt + 12 * PAGE + 100, sent, sizeof(sent));
	close(pipes[0]);
	close(pipes[1]);
	disown();
}

static void a_fault_may_wait_for_another(void **state)
{
	START(state);
	own();
	SET(owner.is_deep, true);
	assert_true(is_page_right(PAGES - 12));
	assert_true(GET(owner.most) >= 12);
	SET(owner.is_deep, false);
	disown();
}

static sigjmp_buf after_signal;

static void jump_back(int signal)
{
	siglongjmp(after_signal, signal);
}

/* The program's own handler, there before ours, gets what is refused. */
static void a_refusal_is_the_programs_fault(void **state)
{
	struct sigaction old, action = { .sa_handler = jump_back, .sa_flags = SA_NODEFER };
	volatile unsigned int caught = 0;
	char byte = 'x';
	int pipes[2];

	sigaction(SIGSEGV, &action, &old);
	if (!gate_start(state)) {
		sigaction(SIGSEGV, &old, NULL);
		skip();
	}
	own();
	assert_true(is_page_right(3));
	SET(owner.is_mean, true);
	if (!sigsetjmp(after_signal, 1))
		((volatile uint8_t *)owner.virt)[PAGE] = 1;
	else
		caught++;
	/* May be read, may not be written. */
	if (!sigsetjmp(after_signal, 1))
		((volatile uint8_t *)owner.virt)[3 * PAGE] = 1;
	else
		caught++;
	assert_int_equal(caught, 2);
	assert_true(is_page_right(3));
	assert_int_equal(pipe2(pipes, O_CLOEXEC), 0);
	assert_int_equal(write(pipes[1], &byte, 1), 1);
	assert_int_equal(read(pipes[0], owner.virt + 2 * PAGE, 1), -1);
	assert_int_equal(errno, EFAULT);
	close(pipes[0]);
	close(pipes[1]);
	/* Not for ever. */
	SET(owner.is_mean, false);
	map(owner.virt, 1, 1, BERTH_ACCESS_WRITE);
	map(owner.virt, 2, 2, BERTH_ACCESS_WRITE);
	map(owner.virt, 3, 3, BERTH_ACCESS_WRITE);
	owner.virt[PAGE] = owner.virt[2 * PAGE] = owner.virt[3 * PAGE] = 5;
	disown();
	assert_int_equal(sigaction(SIGSEGV, &old, &action), 0);
	assert_ptr_equal(action.sa_handler, jump_back);
}

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
	unsigned int rounds = UNDER_TSAN ? 20 : 200;
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
	/* They also take memory of their own at times, but not in every round. */
	assert_in_range(after.mappings, 1, before.mappings + rounds / 8);
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

static void nonsense_is_refused(void **state)
{
	const struct berth_port_view none = { NULL, BERTH_ACCESS_WRITE };

	START(state);
	own();
	assert_int_equal(berth_user_range_register(&(struct berth_user_range){
				 .virt = owner.virt + PAGE, .size = 1, .fault = on_fault }),
			 -EEXIST);
	assert_int_equal(berth_user_range_register(
				 &(struct berth_user_range){ .virt = owner.virt, .size = 1 }),
			 -EINVAL);
	assert_int_equal(berth_fault_handle(owner.virt + PAGES * PAGE, false), -EFAULT);
	assert_null(berth_port_user_reserve(100));
	assert_int_equal(berth_port_user_map(owner.virt + 1, FRAME(0), PAGE, BERTH_ACCESS_READ),
			 -EINVAL);
	assert_int_equal(berth_port_user_map(owner.virt, FRAME(0), PAGE, BERTH_ACCESS_NONE),
			 -EINVAL);
	assert_int_equal(berth_port_user_map(owner.virt, NO_MAP, PAGE, BERTH_ACCESS_READ), -EINVAL);
	assert_int_equal(berth_port_user_map(owner.virt + PAGE, FRAME(0), PAGES * PAGE,
					     BERTH_ACCESS_READ),
			 -EINVAL);
	assert_int_equal(berth_port_user_protect(owner.virt, PAGE, BERTH_ACCESS_WRITE), -EINVAL);
	assert_int_equal(berth_port_user_move(&none, 1, FRAME(0), FRAME(1), PAGE), -EINVAL);
	assert_int_equal(berth_port_user_move(&none, 0, FRAME(0), FRAME(1), PAGE), -EINVAL);
	disown();
	setenv("BERTH_GATE", "neither", 1);
	assert_int_equal(soc_try(soc_tree(), NULL), -EINVAL);
	assert_int_equal(berth_last_error()->reason, BERTH_REASON_ARGUMENT);
	unsetenv("BERTH_GATE");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		BOTH(pages_come_on_demand),
		BOTH(a_write_asks_again),
		BOTH(system_calls_ask_too),
		BOTH(a_fault_may_wait_for_another),
		BOTH(a_refusal_is_the_programs_fault),
		BOTH(real_bugs_still_crash),
		BOTH(nothing_is_left_after_a_stop),
		BOTH(the_limit_of_mappings_is_kept),
		BOTH(nonsense_is_refused),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
