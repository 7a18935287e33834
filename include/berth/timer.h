/* SPDX-License-Identifier: BSD-2-Clause */
/**
 * DOC: timer - time, delays and timers (linux/timer.h, linux/ktime.h, linux/jiffies.h)
 *
 * A jiffy is a millisecond here. On the model time is virtual: it passes only when the program
 * waits or calls into the port.
 */
#ifndef BERTH_TIMER_H
#define BERTH_TIMER_H

#include <berth/types.h>

#include <berth/names.h>

BERTH_BEGIN_DECLS

#define HZ 1000
#define NSEC_PER_USEC 1000UL
#define NSEC_PER_MSEC 1000000UL
#define NSEC_PER_SEC 1000000000UL
#define MAX_SCHEDULE_TIMEOUT LONG_MAX

/** ktime_get_ns() - nanoseconds since some moment; never goes back. Any context. */
uint64_t ktime_get_ns(void);

/** berth_jiffies() - milliseconds since some moment; wraps. Any context. */
unsigned long berth_jiffies(void);

/** msecs_to_jiffies() - rounded up */
static inline unsigned long msecs_to_jiffies(unsigned int ms)
{
	return ms;
}

/** usecs_to_jiffies() - rounded up */
static inline unsigned long usecs_to_jiffies(unsigned int us)
{
	return us / 1000 + (us % 1000 != 0);
}

/** udelay() - let at least @us microseconds pass without sleeping. Any context. */
void udelay(unsigned long us);

/** ndelay() - let at least @ns nanoseconds pass without sleeping. Any context. */
void ndelay(unsigned long ns);

/** msleep() - sleep for at least @ms milliseconds. */
void msleep(unsigned int ms);

/** usleep_range() - sleep for at least @min_us microseconds. */
void usleep_range(unsigned long min_us, unsigned long max_us);

/**
 * struct timer_list - a timer that goes off once
 * @expires: in jiffies, set by mod_timer()
 * @function: called in interrupt context, with no lock held, never twice at once for one timer; may
 *	start the timer again or free it
 *
 * The other fields are private. A timer must not be freed before del_timer_sync().
 */
struct timer_list {
	unsigned long expires;
	void (*function)(struct timer_list *timer);
	uint64_t at_ns;
	struct timer_list *next;
	uint32_t state;
};

/** timer_setup() - initialise a timer. @flags: 0. Any context. */
void timer_setup(struct timer_list *timer, void (*function)(struct timer_list *), unsigned flags);

/** mod_timer() - (re)start a timer. Any context. Return: 1 if it was pending, else 0. */
int mod_timer(struct timer_list *timer, unsigned long expires);

/** berth_mod_timer_ns() - mod_timer() on the clock of ktime_get_ns(). */
int berth_mod_timer_ns(struct timer_list *timer, uint64_t at_ns);

/** del_timer() - stop a timer; its function may be running. Return: 1 if it was pending. */
int del_timer(struct timer_list *timer);

/** del_timer_sync() - stop a timer and wait until its function has returned. May sleep. */
int del_timer_sync(struct timer_list *timer);

/** timer_pending() - whether a timer is waiting to go off. Any context. */
bool timer_pending(const struct timer_list *timer);

BERTH_END_DECLS

#ifndef BERTH_NO_SHORT_NAMES
#define jiffies berth_jiffies()
#endif

#ifdef BERTH_NO_SHORT_NAMES
#include <berth/names-off.h>
#endif
#endif
