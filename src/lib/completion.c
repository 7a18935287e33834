/* SPDX-License-Identifier: BSD-2-Clause */
#include <berth/completion.h>
#include <berth/port.h>
#include <berth/timer.h>

/*
 * One word says it all, so that the access that lets a waiter go is the last one: behind it the
 * completion may be gone, and its address is only a name for those to be woken. SLEEPERS goes with
 * a count of 0 only.
 */
#define SLEEPERS 0x80000000u
/* A count that complete_all() sets and nobody takes from. */
#define DONE_FOR_ALL 0x7fffffffu

void complete(struct completion *x)
{
	uint32_t done = __atomic_load_n(&x->done, __ATOMIC_RELAXED);

	do {
		if (done == DONE_FOR_ALL)
			return;
	} while (!__atomic_compare_exchange_n(&x->done, &done, (done & ~SLEEPERS) + 1, true,
					      __ATOMIC_RELEASE, __ATOMIC_RELAXED));
	if (done & SLEEPERS)
		berth_port_wake(&x->done);
}

void complete_all(struct completion *x)
{
	if (__atomic_exchange_n(&x->done, DONE_FOR_ALL, __ATOMIC_RELEASE) & SLEEPERS)
		berth_port_wake(&x->done);
}

bool try_wait_for_completion(struct completion *x)
{
	uint32_t done = __atomic_load_n(&x->done, __ATOMIC_ACQUIRE);

	do {
		if (!(done & ~SLEEPERS))
			return false;
		if (done == DONE_FOR_ALL)
			return true;
	} while (!__atomic_compare_exchange_n(&x->done, &done, done - 1, true, __ATOMIC_ACQUIRE,
					      __ATOMIC_ACQUIRE));
	return true;
}

bool completion_done(const struct completion *x)
{
	return (__atomic_load_n(&x->done, __ATOMIC_ACQUIRE) & ~SLEEPERS) != 0;
}

static int wait_until(struct completion *x, uint64_t deadline_ns)
{
	int err = 0;

	while (!try_wait_for_completion(x)) {
		uint32_t none = 0;

		if (err)
			return err;
		__atomic_compare_exchange_n(&x->done, &none, SLEEPERS, false, __ATOMIC_RELAXED,
					    __ATOMIC_RELAXED);
		err = berth_port_wait(&x->done, SLEEPERS, deadline_ns);
	}
	return 0;
}

void wait_for_completion(struct completion *x)
{
	if (wait_until(x, UINT64_MAX))
		berth_port_panic("wait_for_completion(): nothing is left that could complete it");
}

unsigned long wait_for_completion_timeout(struct completion *x, unsigned long timeout)
{
	uint64_t now = berth_port_now();
	uint64_t deadline = UINT64_MAX;

	if (timeout < MAX_SCHEDULE_TIMEOUT && timeout < (UINT64_MAX - now) / NSEC_PER_MSEC)
		deadline = now + (uint64_t)timeout * NSEC_PER_MSEC;
	if (wait_until(x, deadline))
		return 0;
	if (deadline == UINT64_MAX)
		return timeout;
	now = berth_port_now();
	return now < deadline
		       ? (unsigned long)((deadline - now + NSEC_PER_MSEC - 1) / NSEC_PER_MSEC)
		       : 1;
}
