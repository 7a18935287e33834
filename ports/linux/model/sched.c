// SPDX-License-Identifier: BSD-2-Clause
/* Virtual time: what is due happens in the order of its moments, whatever thread steps it. */
#include <errno.h>
#include <stdlib.h>

#include "model/internal.h"

/* Shorter jumps of the clock are not waited for. */
#define PACE_NS 50000u
/* How long a thread that never called berth is expected to do so. */
#define GRACE_NS 100000000u
#define MOST_GRACES 20u

static bool is_before(const struct event *a, const struct event *b)
{
	return a->at != b->at ? a->at < b->at : a->order < b->order;
}

static void sift_up(size_t at)
{
	struct event moving = soc.events[at];

	while (at && is_before(&moving, &soc.events[(at - 1) / 2])) {
		soc.events[at] = soc.events[(at - 1) / 2];
		at = (at - 1) / 2;
	}
	soc.events[at] = moving;
}

static void sift_down(size_t at)
{
	struct event moving = soc.events[at];

	for (size_t child; (child = 2 * at + 1) < soc.nr_events; at = child) {
		if (child + 1 < soc.nr_events &&
		    is_before(&soc.events[child + 1], &soc.events[child]))
			child++;
		if (!is_before(&soc.events[child], &moving))
			break;
		soc.events[at] = soc.events[child];
	}
	soc.events[at] = moving;
}

void model_after(struct model_device *dev, uint64_t delay_ns,
		 void (*step)(struct model_device *dev, uint64_t arg), uint64_t arg)
{
	pthread_mutex_lock(&soc.lock);
	if (soc.nr_events == soc.max_events) {
		size_t max = soc.max_events ? 2 * soc.max_events : 64;
		struct event *events = realloc(soc.events, max * sizeof(*events));

		if (!events)
			model_oom();
		soc.events = events;
		soc.max_events = max;
	}
	soc.events[soc.nr_events++] = (struct event){
		.at = soc.now + delay_ns < delay_ns ? UINT64_MAX - 1 : soc.now + delay_ns,
		.order = (uint64_t)model_chance(CHANCE_TIES, UINT32_MAX) << 32 | soc.event_number++,
		.dev = dev,
		.step = step,
		.arg = arg,
		.cause = soc.cause,
	};
	sift_up(soc.nr_events - 1);
	soc.has_news = true;
	pthread_mutex_unlock(&soc.lock);
}

void model_cancel(struct model_device *dev, void (*step)(struct model_device *dev, uint64_t arg))
{
	size_t kept = 0;

	pthread_mutex_lock(&soc.lock);
	for (size_t i = 0; i < soc.nr_events; i++)
		if (soc.events[i].dev != dev || soc.events[i].step != step)
			soc.events[kept++] = soc.events[i];
	soc.nr_events = kept;
	for (size_t i = kept / 2; i-- > 0;)
		sift_down(i);
	soc.has_news = true;
	pthread_mutex_unlock(&soc.lock);
}

static void run_first(void)
{
	struct event event = soc.events[0];
	struct model_device *outer = soc.current;
	uint64_t cause = soc.cause;

	soc.events[0] = soc.events[--soc.nr_events];
	if (soc.nr_events)
		sift_down(0);
	soc.stats.events++;
	model_note(NOTE_EVENT, event.at, (uint64_t)box_of(event.dev)->index << 48 ^ event.arg);
	soc.current = event.dev;
	soc.cause = event.cause;
	event.step(event.dev, event.arg);
	soc.current = outer;
	soc.cause = cause;
}

/* Read without the lock by who traces. */
static void set_now(uint64_t ns)
{
	__atomic_store_n(&soc.now, ns, __ATOMIC_RELAXED);
}

/* A step sees the moment that it was due, not the one to which the clock is on its way. */
void sched_advance(uint64_t to_ns)
{
	while (soc.nr_events && soc.events[0].at <= to_ns) {
		if (soc.events[0].at > soc.now)
			set_now(soc.events[0].at);
		run_first();
	}
	if (to_ns > soc.now)
		set_now(to_ns);
}

/* The next moment at which something happens by itself; UINT64_MAX: never. */
uint64_t sched_next(void)
{
	uint64_t next = soc.nr_events ? soc.events[0].at : UINT64_MAX;

	if (!soc.is_alarm_running && soc.alarm_at < next)
		next = soc.alarm_at;
	return next;
}

uint64_t model_now(void)
{
	return soc.now;
}

uint64_t sched_now(void)
{
	uint64_t now;

	model_enter(20);
	now = soc.now;
	model_leave();
	return now;
}

void sched_barrier(unsigned int orders)
{
	model_enter(10);
	model_leave();
	watch_ordered(orders);
}

/* Whoever sleeps looks again. Return: how many are to be woken, without the lock: they want it at once. */
static unsigned int kick_sleepers(void)
{
	unsigned int sleepers = soc.nr_asleep;

	soc.nr_asleep = soc.nr_blocked = 0;
	__atomic_fetch_add(&soc.kick, 1, __ATOMIC_RELAXED);
	return sleepers;
}

void sched_kick(void)
{
	if (kick_sleepers())
		futex_wake(&soc.kick, INT_MAX);
}

/* Threads that had their grace; see strangers_are_settled(). */
static unsigned int settled;

/* With NULL: a thread has come or gone. Fewer strangers than before: the next new one has a grace again. */
void sched_wake(const uint32_t *word)
{
	unsigned int sleepers, strangers = word ? UINT_MAX : berth_port_strangers();

	pthread_mutex_lock(&soc.lock);
	if (strangers < settled)
		settled = strangers;
	sleepers = kick_sleepers();
	pthread_mutex_unlock(&soc.lock);
	if (sleepers)
		futex_wake(&soc.kick, INT_MAX);
}

static uint64_t host_ns(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (uint64_t)now.tv_sec * 1000000000u + (uint64_t)now.tv_nsec;
}

/*
 * With the lock, which it drops meanwhile. True if somebody kicked; else the time is over, and no less: a futex may wake
 * for no reason, as when the one who kicked before wakes those who sleep only now.
 */
static bool sleep_until_kick(uint32_t kick, uint64_t ns)
{
	const uint64_t start = ns == UINT64_MAX ? 0 : host_ns();
	uint64_t slept = 0;

	soc.nr_asleep++;
	pthread_mutex_unlock(&soc.lock);
	while (__atomic_load_n(&soc.kick, __ATOMIC_RELAXED) == kick && slept < ns) {
		futex_wait(&soc.kick, kick, ns == UINT64_MAX ? ns : ns - slept);
		slept = ns == UINT64_MAX ? 0 : host_ns() - start;
	}
	pthread_mutex_lock(&soc.lock);
	if (soc.kick != kick)
		return true;
	soc.nr_asleep--;
	return false;
}

/*
 * Threads that have not called berth yet may be about to: one that was just created for the thing
 * that is waited for. They get a grace, once; those that let it pass (a sanitizer's own thread, a
 * user interface) do not count from then on. False: look again.
 */
static bool strangers_are_settled(uint32_t kick)
{
	static unsigned int graces;
	unsigned int before = berth_port_strangers();

	if (before <= settled) {
		settled = before;
		return true;
	}
	if (!sleep_until_kick(kick, GRACE_NS)) {
		/* One that was just exiting is gone by now. */
		unsigned int after = berth_port_strangers();

		/* One that has had no CPU yet has not let its grace pass. */
		if (berth_port_threads() <= soc.nr_asleep + 1 && berth_port_others_run() &&
		    ++graces < MOST_GRACES)
			return false;
		graces = 0;
		settled = after < before ? after : before;
	}
	return false;
}

/*
 * While other threads work, the clock must not run away from them in a jump: their work takes
 * virtual time, too, and a deadline that they would have met must not pass. Then the jump takes as
 * long as it says. False: look again.
 */
static bool pace(uint32_t kick, uint64_t jump)
{
	if (jump < PACE_NS && soc.pace_ns + jump < PACE_NS) {
		soc.pace_ns += jump;
		return true;
	}
	if (!strangers_are_settled(kick))
		return false;
	if (berth_port_threads() > soc.nr_asleep + 1 && sleep_until_kick(kick, jump + soc.pace_ns))
		return false;
	soc.pace_ns = 0;
	return true;
}

/*
 * Nothing that the model knows of will happen. -EDEADLK: no other thread will do it either. While one that is known
 * runs, nobody is asked for.
 */
static int block(uint32_t kick)
{
	if (soc.nr_blocked + 1 >= berth_port_threads())
		return strangers_are_settled(kick) ? -EDEADLK : 0;
	soc.nr_blocked++;
	if (!sleep_until_kick(kick, UINT64_MAX))
		soc.nr_blocked--;
	return 0;
}

/* The earliest deadline of the others that wait: the clock stops there, too. */
static uint64_t others_deadline(const struct waiter *own)
{
	uint64_t earliest = UINT64_MAX;

	for (const struct waiter *waiter = soc.waiters; waiter; waiter = waiter->next)
		if (waiter != own && waiter->deadline_ns < earliest)
			earliest = waiter->deadline_ns;
	return earliest;
}

/* One look, one step. -EAGAIN: look again. */
static int wait_step(const uint32_t *word, uint32_t value, const struct waiter *own)
{
	uint32_t kick = soc.kick;
	uint64_t next, others;

	if (__atomic_load_n(word, __ATOMIC_ACQUIRE) != value)
		return 0;
	if (!berth_port_thread.irq_depth && irq_is_ready())
		return -EAGAIN;
	if (soc.now >= own->deadline_ns)
		return -ETIMEDOUT;
	others = others_deadline(own);
	if (others <= soc.now) {
		/* It was woken, and may do what is waited for here. */
		sleep_until_kick(kick, PACE_NS);
		return -EAGAIN;
	}
	next = sched_next();
	next = own->deadline_ns < next ? own->deadline_ns : next;
	next = others < next ? others : next;
	if (next == UINT64_MAX)
		return block(kick) ? -EDEADLK : -EAGAIN;
	if (next > soc.now && !pace(kick, next - soc.now))
		return -EAGAIN;
	sched_advance(next);
	if (others <= soc.now)
		soc.has_news = true;
	return -EAGAIN;
}

static void leave_waiters(const struct waiter *own)
{
	struct waiter **at = &soc.waiters;

	while (*at != own)
		at = &(*at)->next;
	*at = own->next;
}

int sched_wait(const uint32_t *word, uint32_t value, uint64_t deadline_ns)
{
	struct waiter own = { .deadline_ns = deadline_ns };
	int ret;

	pthread_mutex_lock(&soc.lock);
	own.next = soc.waiters;
	soc.waiters = &own;
	pthread_mutex_unlock(&soc.lock);
	do {
		model_enter(40);
		ret = wait_step(word, value, &own);
		if (ret != -EAGAIN)
			leave_waiters(&own);
		model_leave();
	} while (ret == -EAGAIN);
	watch_ordered(BERTH_ORDERS_READS);
	return ret;
}

/* Interrupts come at their moments, not at the end. */
void sched_delay(uint64_t ns)
{
	uint64_t end;

	model_enter(0);
	end = soc.now + ns < ns ? UINT64_MAX - 1 : soc.now + ns;
	while (soc.now < end) {
		uint64_t next = sched_next();

		next = next > soc.now && next < end ? next : end;
		sched_advance(next);
		model_leave();
		model_enter(0);
	}
	model_leave();
	watch_ordered(0);
}
