/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Tasklets run where the handlers have run that scheduled them, when the last of them has returned.
 * What is scheduled elsewhere raises the alarm, which the port delivers when nobody keeps interrupts
 * away.
 */
#include <berth/interrupt.h>
#include <berth/port.h>
#include <berth/timer.h>

#include "lib/interrupt.h"
#include "lib/start.h"

#define SCHEDULED 1u
#define RUNNING 2u
/* One that schedules itself for ever lets the program go on between. */
#define MAX_AT_ONCE 64
/* For so long: an alarm that is due at once would keep it from looking at its own deadline. */
#define PAUSE_NS 1000

/* Guards the list and the states. Taken with interrupts away; a leaf. */
static DEFINE_SPINLOCK(tasklet_lock);
static struct tasklet_struct *first, **last = &first;
static uint32_t nr_pending;
static uint32_t finished; /* counts callbacks that have returned, while somebody waits for one */
static uint32_t nr_waiting;

/* Handlers that are running in each slot. Threads that share one may see each other's. */
static uint32_t handlers[BERTH_PORT_MAX_SLOTS];

static void nothing(struct timer_list *timer)
{
	(void)timer;
}

/* Going off is all it has to do: what is pending runs behind the timers. */
static struct timer_list alarm = { .function = nothing };

void tasklet_setup(struct tasklet_struct *tasklet, void (*callback)(struct tasklet_struct *tasklet))
{
	*tasklet = (struct tasklet_struct){ .callback = callback };
}

void tasklet_schedule(struct tasklet_struct *tasklet)
{
	unsigned long flags;
	bool is_new;

	spin_lock_irqsave(&tasklet_lock, flags);
	is_new = !(tasklet->state & SCHEDULED);
	if (is_new) {
		tasklet->state |= SCHEDULED;
		tasklet->next = NULL;
		*last = tasklet;
		last = &tasklet->next;
		__atomic_store_n(&nr_pending, nr_pending + 1, __ATOMIC_SEQ_CST);
	}
	spin_unlock_irqrestore(&tasklet_lock, flags);
	/* Either this sees that no handler is left, or the last one sees what is pending. */
	if (is_new && !__atomic_load_n(&handlers[berth_port_slot()], __ATOMIC_SEQ_CST))
		berth_mod_timer_ns(&alarm, 0);
}

/* The first that nobody runs: whoever is in one comes back for it. With the lock. */
static struct tasklet_struct *take(void)
{
	struct tasklet_struct **at = &first, *tasklet;

	while (*at && ((*at)->state & RUNNING))
		at = &(*at)->next;
	tasklet = *at;
	if (!tasklet)
		return NULL;
	*at = tasklet->next;
	if (last == &tasklet->next)
		last = at;
	tasklet->state = RUNNING;
	tasklet->nr_runs++;
	__atomic_store_n(&nr_pending, nr_pending - 1, __ATOMIC_RELAXED);
	return tasklet;
}

static void run(void)
{
	struct tasklet_struct *tasklet;
	unsigned int nr = 0;
	unsigned long flags;

	spin_lock_irqsave(&tasklet_lock, flags);
	while (nr++ < MAX_AT_ONCE && (tasklet = take())) {
		spin_unlock_irqrestore(&tasklet_lock, flags);
		tasklet->callback(tasklet);
		spin_lock_irqsave(&tasklet_lock, flags);
		tasklet->state &= ~RUNNING;
		if (nr_waiting) {
			__atomic_fetch_add(&finished, 1, __ATOMIC_RELAXED);
			berth_port_wake(&finished);
		}
	}
	spin_unlock_irqrestore(&tasklet_lock, flags);
	if (nr > MAX_AT_ONCE)
		berth_mod_timer_ns(&alarm, ktime_get_ns() + PAUSE_NS);
}

void berth_handler_enter(void)
{
	__atomic_fetch_add(&handlers[berth_port_slot()], 1, __ATOMIC_SEQ_CST);
}

void berth_handler_leave(void)
{
	if (__atomic_sub_fetch(&handlers[berth_port_slot()], 1, __ATOMIC_SEQ_CST) == 0 &&
	    __atomic_load_n(&nr_pending, __ATOMIC_SEQ_CST))
		run();
}

/* With the lock. */
static void forget(struct tasklet_struct *tasklet)
{
	struct tasklet_struct **at = &first;

	while (*at != tasklet)
		at = &(*at)->next;
	*at = tasklet->next;
	if (last == &tasklet->next)
		last = at;
	tasklet->state = 0;
	__atomic_store_n(&nr_pending, nr_pending - 1, __ATOMIC_RELAXED);
}

/* One that schedules itself for ever ends, too: what it was scheduled for before has been done. */
void tasklet_kill(struct tasklet_struct *tasklet)
{
	unsigned long flags;
	uint32_t end;

	spin_lock_irqsave(&tasklet_lock, flags);
	nr_waiting++;
	end = tasklet->nr_runs + (tasklet->state & SCHEDULED ? 1 : 0);
	while (tasklet->state & RUNNING ||
	       (tasklet->state & SCHEDULED && (int32_t)(tasklet->nr_runs - end) < 0)) {
		uint32_t seen = __atomic_load_n(&finished, __ATOMIC_RELAXED);

		spin_unlock_irqrestore(&tasklet_lock, flags);
		berth_port_wait(&finished, seen, berth_port_now() + NSEC_PER_MSEC);
		spin_lock_irqsave(&tasklet_lock, flags);
	}
	if (tasklet->state & SCHEDULED)
		forget(tasklet);
	nr_waiting--;
	spin_unlock_irqrestore(&tasklet_lock, flags);
}

void berth_tasklets_reset(void)
{
	first = NULL;
	last = &first;
	nr_pending = 0;
}
