/* SPDX-License-Identifier: BSD-2-Clause */
/**
 * DOC: completion - wait until somebody has finished (linux/completion.h)
 */
#ifndef BERTH_COMPLETION_H
#define BERTH_COMPLETION_H

#include <berth/spinlock.h>
#include <berth/types.h>

#include <berth/names.h>

BERTH_BEGIN_DECLS

/**
 * struct completion - counts what is done and not yet waited for
 * @done: how often, and whether somebody sleeps; private
 *
 * Once a waiter has returned, complete() touches the completion no more: the waiter may free it, or
 * return from the function on whose stack it lies.
 */
struct completion {
	uint32_t done;
};

/** init_completion() - nothing is done yet. */
static inline void init_completion(struct completion *x)
{
	__atomic_store_n(&x->done, 0, __ATOMIC_RELAXED);
}

/** reinit_completion() - use a completion again; nobody may be waiting. */
static inline void reinit_completion(struct completion *x)
{
	__atomic_store_n(&x->done, 0, __ATOMIC_RELAXED);
}

/** complete() - let one waiter go on. Any context. What was written before is seen by it. */
void complete(struct completion *x);

/** complete_all() - let everyone go on, now and until reinit_completion(). Any context. */
void complete_all(struct completion *x);

/**
 * wait_for_completion() - sleep until complete()
 *
 * May sleep. Return: nothing; where the port knows that nobody is left to complete it (a model
 * whose devices are all idle), berth stops with a message.
 */
void wait_for_completion(struct completion *x);

/**
 * wait_for_completion_timeout() - sleep until complete(), or until time is up
 * @x: the completion
 * @timeout: in jiffies
 *
 * May sleep. Return: 0 if time was up, else the jiffies that were left, at least 1.
 */
unsigned long wait_for_completion_timeout(struct completion *x, unsigned long timeout);

/** try_wait_for_completion() - take one if there is one. Any context. */
bool try_wait_for_completion(struct completion *x);

/** completion_done() - whether a waiter would not sleep. Any context. */
bool completion_done(const struct completion *x);

BERTH_END_DECLS

#ifdef BERTH_NO_SHORT_NAMES
#include <berth/names-off.h>
#endif
#endif
