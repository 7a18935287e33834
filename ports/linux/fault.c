// SPDX-License-Identifier: BSD-2-Clause
/*
 * The one place that decides what a fault means: which range it is in, and who is asked.
 *
 * berth_fault_handle() never runs on the thread that has faulted. That thread is at an arbitrary
 * point of the program, perhaps inside a sanitizer's runtime or on a small signal stack, and its
 * berth_last_error() must stay what it was; or it is inside a system call.
 */
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>

#include "gate.h"

/*
 * Faults that can be waited for at once: a handler that waits for another fault, at most this deep.
 * There are as many threads as were ever needed at once.
 */
#define MAX_THREADS 32

struct table {
	unsigned int nr;
	struct trap_range *at[];
};

uint32_t berth_port_trap_news;
static uint32_t nr_waiting;

/* Sorted; replaced as a whole, under the lock. Who reads it is counted in one of two places. */
static struct table *ranges;
static uint32_t readers[2], phase;

/* Taken inside user.c's; a leaf but for @pool_lock. */
static pthread_mutex_t ranges_lock = PTHREAD_MUTEX_INITIALIZER;

static pthread_mutex_t pool_lock = PTHREAD_MUTEX_INITIALIZER;
static pthread_t threads[MAX_THREADS];
static unsigned int nr_threads;
static uint32_t nr_idle;
static int requests[2] = { -1, -1 };

static RAW unsigned int enter(void)
{
	unsigned int side = __atomic_load_n(&phase, __ATOMIC_SEQ_CST) & 1;

	__atomic_fetch_add(&readers[side], 1, __ATOMIC_SEQ_CST);
	return side;
}

static RAW void leave(unsigned int side)
{
	__atomic_fetch_sub(&readers[side], 1, __ATOMIC_SEQ_CST);
}

/* RAW, between enter() and leave(). */
static RAW struct trap_range *find(uintptr_t at)
{
	const struct table *table = __atomic_load_n(&ranges, __ATOMIC_SEQ_CST);
	unsigned int low = 0, high = table ? table->nr : 0;

	while (low < high) {
		unsigned int middle = (low + high) / 2;
		struct trap_range *range = table->at[middle];

		if (at < range->start)
			high = middle;
		else if (at - range->start >= range->size)
			low = middle + 1;
		else
			return range;
	}
	return NULL;
}

RAW enum trap_answer berth_port_trap_look(uintptr_t at, bool is_write)
{
	unsigned int side = enter();
	const struct trap_range *range = find(at);
	enum trap_answer answer = range ? range->look(range, at, is_write) : TRAP_FOREIGN;

	leave(side);
	return answer;
}

RAW const struct trap_range *berth_port_trap_find(uintptr_t at)
{
	unsigned int side = enter();
	const struct trap_range *range = find(at);

	leave(side);
	return range;
}

/* Twice: a reader may have picked a side and be counted there only now. */
static void publish(struct table *table)
{
	struct table *old = __atomic_exchange_n(&ranges, table, __ATOMIC_SEQ_CST);

	for (unsigned int turn = 0; turn < 2; turn++) {
		unsigned int side = __atomic_fetch_xor(&phase, 1, __ATOMIC_SEQ_CST) & 1;

		while (__atomic_load_n(&readers[side], __ATOMIC_SEQ_CST))
			sched_yield();
	}
	free(old);
}

int berth_port_trap_add(struct trap_range *range)
{
	struct table *table;
	unsigned int nr, place = 0;

	pthread_mutex_lock(&ranges_lock);
	nr = ranges ? ranges->nr : 0;
	table = malloc(sizeof(*table) + (nr + 1) * sizeof(table->at[0]));
	if (table) {
		while (place < nr && ranges->at[place]->start < range->start)
			place++;
		for (unsigned int i = 0; i < nr; i++)
			table->at[i < place ? i : i + 1] = ranges->at[i];
		table->at[place] = range;
		table->nr = nr + 1;
		publish(table);
	}
	pthread_mutex_unlock(&ranges_lock);
	return table ? 0 : -ENOMEM;
}

void berth_port_trap_remove(struct trap_range *range)
{
	struct table *table = NULL;
	unsigned int nr = 0;

	pthread_mutex_lock(&ranges_lock);
	/* What is left fits into the space of what was. */
	if (ranges->nr > 1)
		table = malloc(sizeof(*table) + ranges->nr * sizeof(table->at[0]));
	if (ranges->nr > 1 && !table)
		berth_port_panic("no memory to forget a range with");
	for (unsigned int i = 0; table && i < ranges->nr; i++)
		if (ranges->at[i] != range)
			table->at[nr++] = ranges->at[i];
	if (table)
		table->nr = nr;
	publish(table);
	pthread_mutex_unlock(&ranges_lock);
	/* A fault may be asked about although another answer has long let the thread go on. */
	while (__atomic_load_n(&range->calls, __ATOMIC_SEQ_CST))
		sched_yield();
}

RAW void berth_port_trap_wake(void)
{
	__atomic_fetch_add(&berth_port_trap_news, 1, __ATOMIC_SEQ_CST);
	if (__atomic_load_n(&nr_waiting, __ATOMIC_SEQ_CST))
		syscall(SYS_futex, &berth_port_trap_news, FUTEX_WAKE_PRIVATE, INT_MAX, NULL, NULL,
			0);
}

RAW void berth_port_trap_wait(uint32_t news)
{
	__atomic_fetch_add(&nr_waiting, 1, __ATOMIC_SEQ_CST);
	if (__atomic_load_n(&berth_port_trap_news, __ATOMIC_SEQ_CST) == news)
		syscall(SYS_futex, &berth_port_trap_news, FUTEX_WAIT_PRIVATE, news, NULL, NULL, 0);
	__atomic_fetch_sub(&nr_waiting, 1, __ATOMIC_SEQ_CST);
}

/* At most PIPE_BUF bytes: all of it or nothing. */
RAW bool berth_port_trap_submit(const struct trap_fault *fault)
{
	return syscall(SYS_write, requests[1], fault, sizeof(*fault)) == sizeof(*fault);
}

typedef int (*ask_fn)(void *virt, bool is_write);

/* Whom to ask; NULL if nobody need be asked any more. Until end_of_asking() it is not removed. */
static RAW ask_fn whom_to_ask(const struct trap_fault *fault, struct trap_range **range)
{
	unsigned int side = enter();
	struct trap_range *found = find(fault->at);

	if (found && found->look(found, fault->at, fault->is_write != 0) != TRAP_ASK)
		found = NULL;
	if (found)
		__atomic_fetch_add(&found->calls, 1, __ATOMIC_SEQ_CST);
	leave(side);
	*range = found;
	return found ? found->ask : NULL;
}

static RAW void end_of_asking(struct trap_range *range)
{
	__atomic_fetch_sub(&range->calls, 1, __ATOMIC_SEQ_CST);
}

/* A page that is gated just now is not asked about: its waiters are woken, and may ask again. */
static void handle(const struct trap_fault *fault)
{
	struct trap_range *range;
	ask_fn ask = whom_to_ask(fault, &range);
	int ret = 0;

	if (ask) {
		__atomic_fetch_add(&berth_port_gate_stats.asked, 1, __ATOMIC_RELAXED);
		ret = ask((void *)fault->at, fault->is_write != 0);
		end_of_asking(range);
	}
	berth_port_leave();
	fault->done(fault, ret);
}

static int spawn(void);

static void *serve(void *arg)
{
	struct trap_fault fault;

	(void)arg;
	for (;;) {
		uint32_t left;
		ssize_t size;

		__atomic_fetch_add(&nr_idle, 1, __ATOMIC_SEQ_CST);
		do
			size = read(requests[0], &fault, sizeof(fault));
		while (size < 0 && errno == EINTR);
		left = __atomic_sub_fetch(&nr_idle, 1, __ATOMIC_SEQ_CST);
		if (size != sizeof(fault) || !fault.done)
			break;
		if (!left)
			spawn();
		handle(&fault);
	}
	berth_port_trap_submit(&fault);
	return NULL;
}

/* One more thread; it gets no signals but those of its own faults. */
static int spawn(void)
{
	int ret = EAGAIN;

	pthread_mutex_lock(&pool_lock);
	if (nr_threads < MAX_THREADS)
		ret = berth_port_helper(&threads[nr_threads], serve);
	if (!ret)
		nr_threads++;
	pthread_mutex_unlock(&pool_lock);
	return -ret;
}

int berth_port_trap_start(void)
{
	int ret;

	if (pipe2(requests, O_CLOEXEC))
		return -errno;
	/* Those who submit must not wait here: one of them is the reader of faults. */
	fcntl(requests[1], F_SETFL, O_NONBLOCK);
	ret = spawn();
	if (ret)
		berth_port_trap_close();
	return ret;
}

/* A request without a function is the end of who takes it, and is handed on. */
void berth_port_trap_stop(void)
{
	const struct trap_fault end = { .done = NULL };

	if (!berth_port_trap_submit(&end))
		berth_port_panic("threads cannot be told to stop");
	for (unsigned int nr = 0;; nr++) {
		bool is_last;

		/* One that has just found no other idle may still add a thread. */
		pthread_mutex_lock(&pool_lock);
		is_last = nr == nr_threads;
		if (is_last)
			nr_threads = 0;
		pthread_mutex_unlock(&pool_lock);
		if (is_last)
			return;
		berth_port_join_helper(threads[nr]);
	}
}

void berth_port_trap_close(void)
{
	for (unsigned int i = 0; i < 2; i++) {
		if (requests[i] >= 0)
			close(requests[i]);
		requests[i] = -1;
	}
}

void berth_port_trap_forget(void)
{
	__atomic_store_n(&ranges, NULL, __ATOMIC_SEQ_CST);
	berth_port_trap_close();
	nr_threads = nr_idle = nr_waiting = 0;
	readers[0] = readers[1] = 0;
}
