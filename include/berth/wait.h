/* SPDX-License-Identifier: BSD-2-Clause */
/**
 * DOC: wait - sleep until a condition holds (linux/wait.h)
 *
 * Who changes what others wait for says so with wake_up(). There are no signals in berth: the
 * interruptible forms never return -ERESTARTSYS.
 */
#ifndef BERTH_WAIT_H
#define BERTH_WAIT_H

#include <berth/list.h>
#include <berth/spinlock.h>
#include <berth/types.h>

#include <berth/names.h>

BERTH_BEGIN_DECLS

struct wait_queue_entry;

/* Return: not used, as long as nobody waits exclusively. Called with the queue's lock held. */
typedef int (*wait_queue_func_t)(struct wait_queue_entry *entry, unsigned int mode, int flags,
				 void *key);

/**
 * struct wait_queue_entry - one who wants to be told
 * @func: called at each wake_up(), any context
 * @private_data: whatever @func needs (Linux: private, which is a word of C++)
 * @entry: in the queue's list
 */
struct wait_queue_entry {
	wait_queue_func_t func;
	void *private_data;
	struct list_head entry;
};

/**
 * struct wait_queue_head - those who wait for one thing
 * @lock: of the list; taken inside any lock of whoever wakes, and outside those that @func takes
 * @head: entries with a function
 * @turn: changes at each wake_up(); threads sleep on it
 * @sleepers: threads that may sleep on it
 */
struct wait_queue_head {
	spinlock_t lock;
	struct list_head head;
	uint32_t turn;
	uint32_t sleepers;
};
typedef struct wait_queue_head wait_queue_head_t;

/** init_waitqueue_head() - nobody waits. */
void init_waitqueue_head(struct wait_queue_head *queue);

/** init_waitqueue_func_entry() - one who is told by a call of @func */
static inline void init_waitqueue_func_entry(struct wait_queue_entry *entry, wait_queue_func_t func)
{
	entry->func = func;
	entry->private_data = NULL;
	INIT_LIST_HEAD(&entry->entry);
}

/** add_wait_queue() - @entry is told from now on. Any context. */
void add_wait_queue(struct wait_queue_head *queue, struct wait_queue_entry *entry);

/** remove_wait_queue() - @entry is not told any more, nor being told, on return. Any context. */
void remove_wait_queue(struct wait_queue_head *queue, struct wait_queue_entry *entry);

/** waitqueue_active() - whether somebody waits; a barrier of the caller's comes first, as in Linux. Any context. */
bool waitqueue_active(struct wait_queue_head *queue);

/** berth_wake_up() - tell everybody, with @key; behind the macros below. Any context. */
void berth_wake_up(struct wait_queue_head *queue, void *key);

#define wake_up(queue) berth_wake_up(queue, NULL)
#define wake_up_all(queue) berth_wake_up(queue, NULL)
#define wake_up_interruptible(queue) berth_wake_up(queue, NULL)
#define wake_up_interruptible_all(queue) berth_wake_up(queue, NULL)
#define wake_up_poll(queue, events) berth_wake_up(queue, (void *)(uintptr_t)(events))
#define wake_up_interruptible_poll(queue, events) wake_up_poll(queue, events)

/** berth_wait_begin() - before the condition is looked at. Return: what berth_wait_sleep() takes. */
uint32_t berth_wait_begin(struct wait_queue_head *queue);

/**
 * berth_wait_sleep() - sleep unless there was a wake_up() since berth_wait_begin()
 *
 * Return: 0; -ETIME when @deadline_ns of berth_port_now() is over; -EDEADLK (NEVER) where the port knows that
 * nobody is left to wake.
 */
int berth_wait_sleep(struct wait_queue_head *queue, uint32_t turn, uint64_t deadline_ns);

/** berth_wait_end() - after berth_wait_begin(), once the condition holds or the wait was given up */
void berth_wait_end(struct wait_queue_head *queue);

/** berth_wait_deadline() - @timeout jiffies from now, in ns; a negative or largest long: never */
uint64_t berth_wait_deadline(long timeout);

/*
 * Sleep until @condition holds: 0, or -ETIME or -EDEADLK with the condition not met. It is looked at once
 * more after the time is up.
 */
#define berth_wait_event(queue, condition, deadline_ns)                                  \
	__extension__({                                                                  \
		struct wait_queue_head *const berth_queue_ = (queue);                    \
		const uint64_t berth_deadline_ = (deadline_ns);                          \
		int berth_ret_ = 0;                                                      \
		for (;;) {                                                               \
			const uint32_t berth_turn_ = berth_wait_begin(berth_queue_);     \
			const bool berth_holds_ = (condition);                           \
			const int berth_late_ = berth_ret_;                              \
			if (!berth_holds_ && !berth_late_)                               \
				berth_ret_ = berth_wait_sleep(berth_queue_, berth_turn_, \
							      berth_deadline_);          \
			berth_wait_end(berth_queue_);                                    \
			if (berth_holds_)                                                \
				berth_ret_ = 0;                                          \
			if (berth_holds_ || berth_late_)                                 \
				break;                                                   \
		}                                                                        \
		berth_ret_;                                                              \
	})

/** berth_wait_left() - jiffies until a deadline of berth_wait_deadline(), at least 1 */
long berth_wait_left(uint64_t deadline_ns, long timeout);

/** berth_wait_never() - berth stops: a wait without an end of its own would never end */
void berth_wait_never(void) __attribute__((noreturn));

/*
 * As in Linux: nothing; 0 (or -EDEADLK, see above); and the jiffies left, at least 1, or 0 when the
 * condition does not hold after all that time. @timeout is in jiffies. wait_event() cannot say that nobody is
 * left to wake: there berth stops with a message, as for wait_for_completion().
 */
#define wait_event(queue, condition)                                \
	do {                                                        \
		if (berth_wait_event(queue, condition, UINT64_MAX)) \
			berth_wait_never();                         \
	} while (0)
#define wait_event_interruptible(queue, condition) berth_wait_event(queue, condition, UINT64_MAX)
#define wait_event_timeout(queue, condition, timeout)                              \
	__extension__({                                                            \
		const long berth_timeout_ = (timeout);                             \
		const uint64_t berth_until_ = berth_wait_deadline(berth_timeout_); \
		berth_wait_event(queue, condition, berth_until_)                   \
			? 0                                                        \
			: berth_wait_left(berth_until_, berth_timeout_);           \
	})
#define wait_event_interruptible_timeout(queue, condition, timeout) \
	wait_event_timeout(queue, condition, timeout)

BERTH_END_DECLS

#ifdef BERTH_NO_SHORT_NAMES
#include <berth/names-off.h>
#endif
#endif
