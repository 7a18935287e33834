/* SPDX-License-Identifier: BSD-2-Clause */
/* Sleeping until a fence is signalled, or one of several. */
#include <berth/errno.h>
#include <berth/port.h>
#include <berth/slab.h>
#include <berth/timer.h>

#include "dma-buf/internal.h"
#include "lib/error.h"
#include "lib/trace.h"

void berth_dma_fence_wake(struct dma_fence *fence, struct dma_fence_cb *cb)
{
	uint32_t *is_done = container_of(cb, struct berth_dma_fence_wait, base)->is_done;

	(void)fence;
	__atomic_store_n(is_done, 1, __ATOMIC_RELEASE);
	berth_port_wake(is_done);
}

static uint64_t deadline_of(long timeout)
{
	uint64_t now = berth_port_now();

	if (timeout == MAX_SCHEDULE_TIMEOUT ||
	    (uint64_t)timeout >= (UINT64_MAX - now) / NSEC_PER_MSEC)
		return UINT64_MAX;
	return now + (uint64_t)timeout * NSEC_PER_MSEC;
}

static long jiffies_left(uint64_t deadline_ns, long timeout)
{
	uint64_t now = berth_port_now();

	if (deadline_ns == UINT64_MAX)
		return timeout;
	return now < deadline_ns ? (long)((deadline_ns - now + NSEC_PER_MSEC - 1) / NSEC_PER_MSEC)
				 : 1;
}

/* Return: 0 once the word is set; else why not. */
static int sleep_until(const uint32_t *is_done, uint64_t deadline_ns)
{
	int err = 0;

	while (!__atomic_load_n(is_done, __ATOMIC_ACQUIRE)) {
		if (err)
			return err;
		err = berth_port_wait(is_done, 0, deadline_ns);
	}
	return 0;
}

static long not_signaled(int err)
{
	return err == -ETIMEDOUT ? 0 : berth_fail(err, BERTH_REASON_NEVER, "a fence");
}

static long bad_timeout(long timeout)
{
	return berth_fail_at(-EINVAL, BERTH_REASON_ARGUMENT, "timeout", (uint64_t)timeout);
}

long dma_fence_default_wait(struct dma_fence *fence, bool intr, long timeout)
{
	uint64_t deadline_ns = deadline_of(timeout);
	uint32_t is_done = 0;
	struct berth_dma_fence_wait cb = { .is_done = &is_done };
	int err;

	(void)intr;
	if (timeout < 0)
		return bad_timeout(timeout);
	if (dma_fence_is_signaled(fence))
		return timeout ? timeout : 1;
	if (!timeout)
		return 0;
	if (dma_fence_add_callback(fence, &cb.base, berth_dma_fence_wake))
		return timeout;
	err = sleep_until(&is_done, deadline_ns);
	if (err && dma_fence_remove_callback(fence, &cb.base))
		return not_signaled(err);
	return jiffies_left(deadline_ns, timeout);
}

static void trace_wait(const struct dma_fence *fence, enum berth_trace_kind kind, int err)
{
	berth_trace(.kind = kind, .object = fence, .detail = err, .address = fence->context,
		    .other = fence->seqno);
}

long dma_fence_wait_timeout(struct dma_fence *fence, bool intr, long timeout)
{
	long left;

	if (timeout < 0)
		return bad_timeout(timeout);
	dma_fence_enable_sw_signaling(fence);
	trace_wait(fence, BERTH_TRACE_FENCE_WAIT, 0);
	left = fence->ops->wait ? fence->ops->wait(fence, intr, timeout)
				: dma_fence_default_wait(fence, intr, timeout);
	trace_wait(fence, BERTH_TRACE_FENCE_WOKEN, left > 0 ? 0 : (left ? (int)left : -ETIMEDOUT));
	return left;
}

/* The first one that is signalled, or @count. */
static uint32_t find_signaled(struct dma_fence **fences, uint32_t count)
{
	uint32_t i = 0;

	while (i < count && !dma_fence_is_signaled(fences[i]))
		i++;
	return i;
}

/* Return: 0 if one of them is signalled. */
static int wait_any(struct dma_fence **fences, struct berth_dma_fence_wait *cbs, uint32_t count,
		    uint64_t deadline_ns)
{
	uint32_t is_done = 0, nr_added = 0;
	int err = 0;

	for (; !err && nr_added < count; nr_added++) {
		cbs[nr_added].is_done = &is_done;
		err = dma_fence_add_callback(fences[nr_added], &cbs[nr_added].base,
					     berth_dma_fence_wake);
	}
	err = err ? 0 : sleep_until(&is_done, deadline_ns);
	/* Of one that was not added this is false. */
	while (nr_added--)
		dma_fence_remove_callback(fences[nr_added], &cbs[nr_added].base);
	return __atomic_load_n(&is_done, __ATOMIC_ACQUIRE) ? 0 : err;
}

long dma_fence_wait_any_timeout(struct dma_fence **fences, uint32_t count, bool intr, long timeout,
				uint32_t *idx)
{
	uint64_t deadline_ns = deadline_of(timeout);
	struct berth_dma_fence_wait *cbs;
	uint32_t first;
	int err = 0;

	(void)intr;
	if (timeout < 0)
		return bad_timeout(timeout);
	if (!fences || !count)
		return berth_fail(-EINVAL, BERTH_REASON_ARGUMENT, "fences");
	first = find_signaled(fences, count);
	if (first == count && timeout) {
		cbs = kcalloc(count, sizeof(*cbs), GFP_KERNEL);
		if (!cbs)
			return -ENOMEM;
		err = wait_any(fences, cbs, count, deadline_ns);
		kfree(cbs);
		first = find_signaled(fences, count);
	}
	if (first == count)
		return err ? not_signaled(err) : 0;
	if (idx)
		*idx = first;
	return timeout ? jiffies_left(deadline_ns, timeout) : 1;
}
