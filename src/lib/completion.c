/* SPDX-License-Identifier: BSD-2-Clause */
#include <berth/completion.h>
#include <berth/port.h>
#include <berth/timer.h>

/* A count that complete_all() sets and nobody takes from. */
#define DONE_FOR_ALL UINT32_MAX

static void wake(struct completion *x)
{
	if (__atomic_load_n(&x->waiters, __ATOMIC_SEQ_CST))
		berth_port_wake(&x->done);
}

void complete(struct completion *x)
{
	uint32_t done = __atomic_load_n(&x->done, __ATOMIC_RELAXED);

	do {
		if (done == DONE_FOR_ALL)
			return;
	} while (!__atomic_compare_exchange_n(&x->done, &done, done + 1, true, __ATOMIC_SEQ_CST,
					      __ATOMIC_RELAXED));
	wake(x);
}

void complete_all(struct completion *x)
{
	__atomic_store_n(&x->done, DONE_FOR_ALL, __ATOMIC_SEQ_CST);
	wake(x);
}

bool try_wait_for_completion(struct completion *x)
{
	uint32_t done = __atomic_load_n(&x->done, __ATOMIC_ACQUIRE);

	do {
		if (!done)
			return false;
		if (done == DONE_FOR_ALL)
			return true;
	} while (!__atomic_compare_exchange_n(&x->done, &done, done - 1, true, __ATOMIC_ACQUIRE,
					      __ATOMIC_ACQUIRE));
	return true;
}

bool completion_done(const struct completion *x)
{
	return __atomic_load_n(&x->done, __ATOMIC_ACQUIRE) != 0;
}

static int wait_until(struct completion *x, uint64_t deadline_ns)
{
	int err = 0;

	while (!try_wait_for_completion(x)) {
		if (err)
			return err;
		__atomic_fetch_add(&x->waiters, 1, __ATOMIC_SEQ_CST);
		err = berth_port_wait(&x->done, 0, deadline_ns);
		__atomic_fetch_sub(&x->waiters, 1, __ATOMIC_SEQ_CST);
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
	uint64_t ns = (uint64_t)timeout * NSEC_PER_MSEC;
	uint64_t deadline = timeout >= MAX_SCHEDULE_TIMEOUT || now + ns < now ? UINT64_MAX
									      : now + ns;

	if (wait_until(x, deadline))
		return 0;
	if (deadline == UINT64_MAX)
		return timeout;
	now = berth_port_now();
	return now < deadline
		       ? (unsigned long)((deadline - now + NSEC_PER_MSEC - 1) / NSEC_PER_MSEC)
		       : 1;
}
