/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Tasklets run where the handlers have run that scheduled them, when the last of them has returned.
 * What is scheduled elsewhere raises the alarm, which the port delivers when nobody keeps interrupts
 * away.
 *
 * There is no lock. A tasklet is in a list from the moment it becomes SCHEDULED while it is not RUNNING,
 * until somebody takes that whole list; so it is in one list at most, and whoever has taken it is alone
 * with it. One that is scheduled while it runs is put into a list by whoever runs it.
 */
#include <berth/interrupt.h>
#include <berth/port.h>
#include <berth/timer.h>

#include "lib/interrupt.h"
#include "lib/start.h"

/* Of a tasklet's state: */
#define SCHEDULED TASKLET_SCHEDULED
#define RUNNING TASKLET_RUNNING
#define FORGOTTEN 4u /* by tasklet_kill(): whoever finds it SCHEDULED as well does not run it */
/* One that schedules itself for ever lets the program go on between. */
#define MAX_AT_ONCE 64
/* For so long: an alarm that is due at once would keep it from looking at its own deadline. */
#define PAUSE_NS 1000

struct berth_handlers berth_handlers[BERTH_PORT_MAX_SLOTS];

/* Those that no handler's end will run: the alarm does. The last one first. */
static struct tasklet_struct *strays;

static uint32_t finished; /* counts callbacks that have returned, while somebody waits for one */
uint32_t berth_tasklet_waiters;

static void push(struct tasklet_struct **list, struct tasklet_struct *tasklet)
{
	struct tasklet_struct *first = __atomic_load_n(list, __ATOMIC_RELAXED);

	do
		tasklet->next = first;
	while (!__atomic_compare_exchange_n(list, &first, tasklet, true, __ATOMIC_SEQ_CST,
					    __ATOMIC_RELAXED));
}

/* A list that was taken, the first one first. */
static struct tasklet_struct *turn(struct tasklet_struct *last)
{
	struct tasklet_struct *first = NULL;

	while (last) {
		struct tasklet_struct *before = last->next;

		last->next = first;
		first = last;
		last = before;
	}
	return first;
}

static void move_all(struct tasklet_struct **from, struct tasklet_struct **to)
{
	struct tasklet_struct *tasklet = turn(__atomic_exchange_n(from, NULL, __ATOMIC_ACQUIRE));

	while (tasklet) {
		struct tasklet_struct *next = tasklet->next;

		push(to, tasklet);
		tasklet = next;
	}
}

/* The alarm has gone off: its handler's end runs them. */
static void collect(struct timer_list *timer)
{
	(void)timer;
	move_all(&strays, &berth_handlers[berth_port_slot()].pending);
}

static struct timer_list alarm = { .function = collect };

void tasklet_setup(struct tasklet_struct *tasklet, void (*callback)(struct tasklet_struct *tasklet))
{
	*tasklet = (struct tasklet_struct){ .callback = callback };
}

/* The alarm is to run it. */
static __attribute__((noinline)) void put_astray(struct tasklet_struct *tasklet)
{
	push(&strays, tasklet);
	berth_mod_timer_ns(&alarm, 0);
}

/* The handler that was to run them was another thread's, and has left meanwhile. */
static __attribute__((noinline)) void lead_astray(struct berth_handlers *mine)
{
	move_all(&mine->pending, &strays);
	berth_mod_timer_ns(&alarm, 0);
}

static inline void put(struct tasklet_struct *tasklet)
{
	struct berth_handlers *mine = &berth_handlers[berth_port_slot()];

	if (!__atomic_load_n(&mine->nr, __ATOMIC_RELAXED)) {
		put_astray(tasklet);
		return;
	}
	push(&mine->pending, tasklet);
	if (!__atomic_load_n(&mine->nr, __ATOMIC_SEQ_CST))
		lead_astray(mine);
}

void tasklet_schedule(struct tasklet_struct *tasklet)
{
	if (!(__atomic_fetch_or(&tasklet->state, SCHEDULED, __ATOMIC_ACQ_REL) &
	      (SCHEDULED | RUNNING)))
		put(tasklet);
}

void berth_tasklet_wake(void)
{
	__atomic_fetch_add(&finished, 1, __ATOMIC_RELAXED);
	berth_port_wake(&finished);
}

/* It was scheduled while it ran; or forgotten as well, and then it is over. */
void berth_tasklet_end_again(struct tasklet_struct *tasklet)
{
	uint32_t state = RUNNING | SCHEDULED;

	if (__atomic_compare_exchange_n(&tasklet->state, &state, SCHEDULED, false, __ATOMIC_SEQ_CST,
					__ATOMIC_RELAXED))
		put(tasklet);
	else
		__atomic_store_n(&tasklet->state, 0, __ATOMIC_SEQ_CST);
}

static inline void run(struct tasklet_struct *tasklet)
{
	if (!(__atomic_exchange_n(&tasklet->state, RUNNING, __ATOMIC_ACQ_REL) & FORGOTTEN)) {
		berth_tasklet_count(tasklet);
		tasklet->callback(tasklet);
	}
	berth_tasklet_end(tasklet);
}

/* Of several, the last one first. Return: how many. */
static __attribute__((noinline)) unsigned int run_list(struct tasklet_struct *last)
{
	struct tasklet_struct *tasklet = turn(last);
	unsigned int nr = 0;

	for (; tasklet; nr++) {
		struct tasklet_struct *next = tasklet->next;

		run(tasklet);
		tasklet = next;
	}
	return nr;
}

void berth_run_tasklets(struct berth_handlers *mine)
{
	unsigned int nr = 0;

	while (__atomic_load_n(&mine->pending, __ATOMIC_RELAXED)) {
		struct tasklet_struct *last;

		if (nr >= MAX_AT_ONCE) {
			move_all(&mine->pending, &strays);
			berth_mod_timer_ns(&alarm, ktime_get_ns() + PAUSE_NS);
			return;
		}
		last = __atomic_exchange_n(&mine->pending, NULL, __ATOMIC_ACQUIRE);
		if (last && last->next) {
			nr += run_list(last);
		} else if (last) {
			run(last);
			nr++;
		}
	}
}

/* It is over, or only scheduled again by itself: then it is forgotten, and soon over. */
static bool is_over(struct tasklet_struct *tasklet, uint32_t end)
{
	uint32_t state = __atomic_load_n(&tasklet->state, __ATOMIC_SEQ_CST);
	uint32_t nr_runs = __atomic_load_n(&tasklet->nr_runs, __ATOMIC_RELAXED);

	if (state & SCHEDULED && (int32_t)(nr_runs - end) >= 0)
		__atomic_compare_exchange_n(&tasklet->state, &state, state | FORGOTTEN, false,
					    __ATOMIC_SEQ_CST, __ATOMIC_RELAXED);
	return !state;
}

/* One that schedules itself for ever ends, too: what it was scheduled for before has been done. */
void tasklet_kill(struct tasklet_struct *tasklet)
{
	uint32_t state = __atomic_load_n(&tasklet->state, __ATOMIC_ACQUIRE);
	uint32_t end =
		__atomic_load_n(&tasklet->nr_runs, __ATOMIC_RELAXED) + (state & SCHEDULED ? 1 : 0);

	if (!state)
		return;
	__atomic_fetch_add(&berth_tasklet_waiters, 1, __ATOMIC_SEQ_CST);
	for (;;) {
		uint32_t seen = __atomic_load_n(&finished, __ATOMIC_RELAXED);

		if (is_over(tasklet, end))
			break;
		berth_port_wait(&finished, seen, berth_port_now() + NSEC_PER_MSEC);
	}
	__atomic_fetch_sub(&berth_tasklet_waiters, 1, __ATOMIC_RELAXED);
}

void berth_tasklets_reset(void)
{
	strays = NULL;
	for (unsigned int i = 0; i < BERTH_PORT_MAX_SLOTS; i++)
		berth_handlers[i].pending = NULL;
}
