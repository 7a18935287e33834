/* SPDX-License-Identifier: BSD-2-Clause */
/* Faults in memory that may move: who is asked, who waits, who is refused. */
#include <sched.h>
#include <signal.h>

#include "owner.h"

#define THREADS 4u

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
		assert_true(GET(owner.given[i]) >= 1);
		assert_int_equal(GET(owner.given_to_write[i]), 0);
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
		assert_int_equal(GET(owner.given[i]), 1);
		assert_int_equal(GET(owner.given_to_write[i]), 1);
		__atomic_fetch_add((uint32_t *)(void *)(owner.virt + i * PAGE + 8), 1,
				   __ATOMIC_RELAXED);
		assert_int_equal(GET(owner.given_to_write[i]), 1);
		assert_int_equal(*(uint8_t *)soc_virt(FRAME(i)), i);
	}
	/* Write protected, as for a write-back: readers go on, the next writer asks. */
	assert_int_equal(berth_port_user_protect(owner.virt, PAGES * PAGE, BERTH_ACCESS_READ), 0);
	for (unsigned int i = 0; i < PAGES; i++)
		SET(owner.access[i], BERTH_ACCESS_READ);
	for (unsigned int i = 0; i < PAGES; i++) {
		assert_int_equal(owner.virt[i * PAGE], i);
		owner.virt[i * PAGE + 1] = 7;
		assert_int_equal(GET(owner.given[i]), 1);
		assert_int_equal(GET(owner.given_to_write[i]), 2);
		assert_int_equal(((uint8_t *)soc_virt(FRAME(i)))[1], 7);
	}
	/* Taken away: what comes back is what the owner fills in. */
	assert_int_equal(berth_port_user_protect(owner.virt, PAGES * PAGE, BERTH_ACCESS_NONE), 0);
	for (unsigned int i = 0; i < PAGES; i++)
		SET(owner.access[i], BERTH_ACCESS_NONE);
	for (unsigned int i = 0; i < PAGES; i++) {
		assert_true(is_page_right(i));
		assert_int_equal(GET(owner.given[i]), 2);
	}
	/* A first access that writes asks once. */
	assert_int_equal(berth_port_user_protect(owner.virt, PAGE, BERTH_ACCESS_NONE), 0);
	SET(owner.access[0], BERTH_ACCESS_NONE);
	owner.virt[1] = 99;
	assert_int_equal(GET(owner.given_to_write[0]), 3);
	assert_int_equal(GET(owner.given[0]), 2);
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

struct lodger {
	struct berth_user_range range;
	uint32_t is_here;
};

static uint32_t is_over, calls_done;

static int knock(void *data, uint64_t offset, bool is_write)
{
	struct lodger *lodger = data;

	(void)offset;
	(void)is_write;
	sched_yield();
	return GET(lodger->is_here) == 77 ? 0 : -EIO;
}

static void *call_all_the_time(void *arg)
{
	while (!GET(is_over)) {
		int ret = berth_fault_handle((char *)arg + 5, false);

		if (ret && ret != -EFAULT)
			abort();
		if (!ret)
			__atomic_fetch_add(&calls_done, 1, __ATOMIC_SEQ_CST);
	}
	return NULL;
}

/* The owner goes while it is being asked: nothing of it is touched after unregister. */
static void an_owner_may_go_at_any_time(void **state)
{
	unsigned int turns = UNDER_TSAN ? 2000 : 5000;
	pthread_t threads[2];
	char *at = (char *)0x100000;

	START(state);
	SET(is_over, 0);
	SET(calls_done, 0);
	for (unsigned int i = 0; i < 2; i++)
		assert_int_equal(pthread_create(&threads[i], NULL, call_all_the_time, at), 0);
	for (unsigned int i = 0; i < turns || (GET(calls_done) < 100 && i < 100 * turns); i++) {
		struct lodger *lodger = malloc(sizeof(*lodger));

		*lodger = (struct lodger){
			.range = { .virt = at, .size = PAGE, .fault = knock, .data = lodger },
			.is_here = 77
		};
		assert_int_equal(berth_user_range_register(&lodger->range), 0);
		if (i % 8 == 0)
			sched_yield();
		berth_user_range_unregister(&lodger->range);
		lodger->is_here = 0;
		free(lodger);
	}
	SET(is_over, 1);
	for (unsigned int i = 0; i < 2; i++)
		pthread_join(threads[i], NULL);
	assert_true(GET(calls_done) >= 100);
	gate_stop();
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
		{ "an_owner_may_go_at_any_time", an_owner_may_go_at_any_time, NULL, NULL,
		  (void *)(uintptr_t) "signal" },
		BOTH(nonsense_is_refused),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
