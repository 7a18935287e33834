/* SPDX-License-Identifier: BSD-2-Clause */
#include <berth/errno.h>
#include <berth/port.h>
#include <berth/spinlock.h>
#include <berth/timer.h>

#include "lib/interrupt.h"
#include "lib/start.h"

enum { TIMER_IDLE, TIMER_PENDING };

/* A timer whose function runs: on the stack of berth_timer_handle(). */
struct run {
	const struct timer_list *timer;
	struct run *next;
};

/* Guards both lists and the states. Taken with interrupts away; a leaf. */
static DEFINE_SPINLOCK(timer_lock);
static struct timer_list *timers; /* by time, the next one first */
static struct run *runs;
static uint32_t finished; /* counts functions that have returned, for del_timer_sync() */

uint64_t ktime_get_ns(void)
{
	return berth_port_now();
}

unsigned long berth_jiffies(void)
{
	return (unsigned long)(berth_port_now() / NSEC_PER_MSEC);
}

void udelay(unsigned long us)
{
	berth_port_delay((uint64_t)us * NSEC_PER_USEC);
}

void ndelay(unsigned long ns)
{
	berth_port_delay(ns);
}

static void sleep_ns(uint64_t ns)
{
	uint32_t never = 0;
	uint64_t deadline = berth_port_now() + ns;

	/* Without a machine there is no time that could pass. */
	while (berth_port_now() < deadline && berth_port_wait(&never, 0, deadline) != -EDEADLK)
		;
}

void msleep(unsigned int ms)
{
	sleep_ns((uint64_t)ms * NSEC_PER_MSEC);
}

void usleep_range(unsigned long min_us, unsigned long max_us)
{
	(void)max_us;
	sleep_ns((uint64_t)min_us * NSEC_PER_USEC);
}

void timer_setup(struct timer_list *timer, void (*function)(struct timer_list *), unsigned flags)
{
	(void)flags;
	*timer = (struct timer_list){ .function = function };
}

static bool unlink_timer(struct timer_list *timer)
{
	if (timer->state != TIMER_PENDING)
		return false;
	for (struct timer_list **at = &timers; *at; at = &(*at)->next) {
		if (*at == timer) {
			*at = timer->next;
			break;
		}
	}
	timer->state = TIMER_IDLE;
	return true;
}

static bool is_running(const struct timer_list *timer)
{
	for (const struct run *run = runs; run; run = run->next)
		if (run->timer == timer)
			return true;
	return false;
}

/* The next one that may run: a function never runs twice at once, and whoever is in it comes back. */
static struct timer_list *first_timer(void)
{
	struct timer_list *timer = timers;

	while (timer && is_running(timer))
		timer = timer->next;
	return timer;
}

static void set_alarm(void)
{
	const struct timer_list *timer = first_timer();

	berth_port_alarm(timer ? timer->at_ns : UINT64_MAX);
}

int berth_mod_timer_ns(struct timer_list *timer, uint64_t at_ns)
{
	unsigned long flags;
	struct timer_list **at;
	bool was_pending;

	spin_lock_irqsave(&timer_lock, flags);
	was_pending = unlink_timer(timer);
	timer->at_ns = at_ns;
	timer->state = TIMER_PENDING;
	for (at = &timers; *at && (*at)->at_ns <= at_ns; at = &(*at)->next)
		;
	timer->next = *at;
	*at = timer;
	set_alarm();
	spin_unlock_irqrestore(&timer_lock, flags);
	return was_pending;
}

int mod_timer(struct timer_list *timer, unsigned long expires)
{
	uint64_t now = berth_port_now();
	long left = (long)(expires - (unsigned long)(now / NSEC_PER_MSEC));

	timer->expires = expires;
	return berth_mod_timer_ns(
		timer, left > 0 ? (now / NSEC_PER_MSEC + (uint64_t)left) * NSEC_PER_MSEC : now);
}

int del_timer(struct timer_list *timer)
{
	unsigned long flags;
	bool was_pending;

	spin_lock_irqsave(&timer_lock, flags);
	was_pending = unlink_timer(timer);
	set_alarm();
	spin_unlock_irqrestore(&timer_lock, flags);
	return was_pending;
}

int del_timer_sync(struct timer_list *timer)
{
	int was_pending = 0;

	for (;;) {
		unsigned long flags;
		uint32_t seen;
		bool busy;

		was_pending |= del_timer(timer);
		spin_lock_irqsave(&timer_lock, flags);
		busy = is_running(timer) || timer->state == TIMER_PENDING;
		seen = __atomic_load_n(&finished, __ATOMIC_RELAXED);
		spin_unlock_irqrestore(&timer_lock, flags);
		if (!busy)
			return was_pending;
		berth_port_wait(&finished, seen, berth_port_now() + NSEC_PER_MSEC);
	}
}

bool timer_pending(const struct timer_list *timer)
{
	return __atomic_load_n(&timer->state, __ATOMIC_RELAXED) == TIMER_PENDING;
}

static void leave(const struct run *run)
{
	struct run **at = &runs;

	while (*at != run)
		at = &(*at)->next;
	*at = run->next;
}

void berth_timer_handle(void)
{
	struct berth_handlers *mine = berth_handler_enter();
	struct timer_list *timer;
	unsigned long flags;

	spin_lock_irqsave(&timer_lock, flags);
	while ((timer = first_timer()) && timer->at_ns <= berth_port_now()) {
		void (*function)(struct timer_list *) = timer->function;
		struct run run = { timer, runs };

		unlink_timer(timer);
		runs = &run;
		spin_unlock_irqrestore(&timer_lock, flags);
		/* The function may free its timer. */
		function(timer);
		spin_lock_irqsave(&timer_lock, flags);
		leave(&run);
		__atomic_fetch_add(&finished, 1, __ATOMIC_RELAXED);
		berth_port_wake(&finished);
	}
	set_alarm();
	spin_unlock_irqrestore(&timer_lock, flags);
	berth_handler_leave(mine);
}

void berth_timers_reset(void)
{
	timers = NULL;
	runs = NULL;
	berth_port_alarm(UINT64_MAX);
}
