/* SPDX-License-Identifier: BSD-2-Clause */
#include <berth/errno.h>
#include <berth/port.h>
#include <berth/slab.h>
#include <berth/timer.h>

#include "dma-buf/internal.h"
#include "lib/error.h"
#include "lib/printk.h"
#include "lib/trace.h"

/* The stub's context is 0. */
static uint64_t next_context = 1;

uint64_t dma_fence_context_alloc(unsigned int num)
{
	return __atomic_fetch_add(&next_context, num, __ATOMIC_RELAXED);
}

void dma_fence_init(struct dma_fence *fence, const struct dma_fence_ops *ops, spinlock_t *lock,
		    uint64_t context, uint64_t seqno)
{
	*fence = (struct dma_fence){
		.lock = lock,
		.ops = ops,
		.context = context,
		.seqno = seqno,
	};
	kref_init(&fence->refcount);
	INIT_LIST_HEAD(&fence->cb_list);
	berth_trace(.kind = BERTH_TRACE_FENCE_INIT, .object = fence, .address = context,
		    .other = seqno);
}

void dma_fence_free(struct dma_fence *fence)
{
	kfree(fence);
}

static void tell_unsignalled(struct dma_fence *fence)
{
	char text[128];

	berth_dma_fence_describe(fence, text, sizeof(text));
	berth_printk("berth: a fence goes that somebody waits for and nobody has signalled: %s\n",
		     text);
}

void dma_fence_release(struct kref *kref)
{
	struct dma_fence *fence = container_of(kref, struct dma_fence, refcount);

	if (!berth_dma_fence_flag(fence, DMA_FENCE_FLAG_SIGNALED_BIT) &&
	    !list_empty(&fence->cb_list)) {
		tell_unsignalled(fence);
		berth_dma_fence_end(fence, -EDEADLK);
	}
	berth_dma_fence_owner_free(fence);
	if (fence->ops->release)
		fence->ops->release(fence);
	else
		dma_fence_free(fence);
}

/* Return: whether it is left for later, with its word set. */
static bool wake_later(struct dma_fence_cb *cb, struct berth_dma_fence_wakes *wakes)
{
	uint32_t *is_done;

	if (!wakes || cb->func != berth_dma_fence_wake || wakes->nr == BERTH_DMA_FENCE_WAKES)
		return false;
	is_done = container_of(cb, struct berth_dma_fence_wait, base)->is_done;
	wakes->words[wakes->nr++] = is_done;
	__atomic_store_n(is_done, 1, __ATOMIC_RELEASE);
	return true;
}

static void wake_all(const struct berth_dma_fence_wakes *wakes)
{
	for (unsigned int i = 0; i < wakes->nr; i++)
		berth_port_wake(wakes->words[i]);
}

bool berth_dma_fence_end_locked(struct dma_fence *fence, int error, uint64_t timestamp,
				struct berth_dma_fence_wakes *wakes)
{
	if (berth_dma_fence_flag(fence, DMA_FENCE_FLAG_SIGNALED_BIT))
		return false;
	if (error && !berth_dma_fence_error(fence))
		__atomic_store_n(&fence->error, error, __ATOMIC_RELAXED);
	fence->timestamp = timestamp;
	/* Whoever sees the flag sees what was written before it. */
	__atomic_fetch_or(&fence->flags,
			  BIT(DMA_FENCE_FLAG_TIMESTAMP_BIT) | BIT(DMA_FENCE_FLAG_SIGNALED_BIT),
			  __ATOMIC_RELEASE);
	berth_trace(.kind = BERTH_TRACE_FENCE_SIGNAL, .object = fence,
		    .detail = berth_dma_fence_error(fence), .address = fence->context,
		    .other = fence->seqno);
	berth_dma_fence_owner_done(fence);
	while (!list_empty(&fence->cb_list)) {
		struct dma_fence_cb *cb =
			list_first_entry(&fence->cb_list, struct dma_fence_cb, node);

		list_del_init(&cb->node);
		if (!wake_later(cb, wakes))
			cb->func(fence, cb);
	}
	return true;
}

static bool end_at(struct dma_fence *fence, int error, uint64_t timestamp)
{
	struct berth_dma_fence_wakes wakes;
	unsigned long flags;
	bool is_first;

	wakes.nr = 0;
	spin_lock_irqsave(fence->lock, flags);
	is_first = berth_dma_fence_end_locked(fence, error, timestamp, &wakes);
	spin_unlock_irqrestore(fence->lock, flags);
	wake_all(&wakes);
	return is_first;
}

bool berth_dma_fence_end(struct dma_fence *fence, int error)
{
	return end_at(fence, error, ktime_get_ns());
}

int dma_fence_signal_timestamp_locked(struct dma_fence *fence, uint64_t timestamp)
{
	if (!fence)
		return berth_fail(-EINVAL, BERTH_REASON_ARGUMENT, "fence");
	if (!berth_dma_fence_end_locked(fence, 0, timestamp, NULL))
		return berth_fail_at(-EINVAL, BERTH_REASON_STATE, "a fence that was signalled",
				     fence->seqno);
	return 0;
}

int dma_fence_signal_timestamp(struct dma_fence *fence, uint64_t timestamp)
{
	uint64_t seqno;

	if (!fence)
		return berth_fail(-EINVAL, BERTH_REASON_ARGUMENT, "fence");
	seqno = fence->seqno;
	if (!end_at(fence, 0, timestamp))
		return berth_fail_at(-EINVAL, BERTH_REASON_STATE, "a fence that was signalled",
				     seqno);
	return 0;
}

int dma_fence_signal_locked(struct dma_fence *fence)
{
	return dma_fence_signal_timestamp_locked(fence, ktime_get_ns());
}

int dma_fence_signal(struct dma_fence *fence)
{
	return dma_fence_signal_timestamp(fence, ktime_get_ns());
}

int dma_fence_set_error(struct dma_fence *fence, int error)
{
	if (error >= 0 || error < -BERTH_MAX_ERRNO)
		return berth_fail_at(-EINVAL, BERTH_REASON_ARGUMENT, "error",
				     (uint64_t)(int64_t)error);
	if (berth_dma_fence_flag(fence, DMA_FENCE_FLAG_SIGNALED_BIT))
		return berth_fail_at(-EINVAL, BERTH_REASON_STATE, "a fence that was signalled",
				     fence->seqno);
	__atomic_store_n(&fence->error, error, __ATOMIC_RELAXED);
	return 0;
}

bool berth_dma_fence_enable_locked(struct dma_fence *fence)
{
	unsigned long was;

	if (berth_dma_fence_flag(fence, DMA_FENCE_FLAG_SIGNALED_BIT))
		return false;
	was = __atomic_fetch_or(&fence->flags, BIT(DMA_FENCE_FLAG_ENABLE_SIGNAL_BIT),
				__ATOMIC_RELAXED);
	if (was & BIT(DMA_FENCE_FLAG_ENABLE_SIGNAL_BIT) || !fence->ops->enable_signaling)
		return true;
	if (!fence->ops->enable_signaling(fence)) {
		berth_dma_fence_end_locked(fence, 0, ktime_get_ns(), NULL);
		return false;
	}
	/* It may have signalled the fence itself. */
	return !berth_dma_fence_flag(fence, DMA_FENCE_FLAG_SIGNALED_BIT);
}

void dma_fence_enable_sw_signaling(struct dma_fence *fence)
{
	unsigned long flags;

	spin_lock_irqsave(fence->lock, flags);
	berth_dma_fence_enable_locked(fence);
	spin_unlock_irqrestore(fence->lock, flags);
}

int dma_fence_add_callback(struct dma_fence *fence, struct dma_fence_cb *cb, dma_fence_func_t func)
{
	unsigned long flags;
	int err = 0;

	if (!fence || !cb || !func)
		return berth_fail(-EINVAL, BERTH_REASON_ARGUMENT,
				  !fence ? "fence" : (!cb ? "callback" : "function"));
	INIT_LIST_HEAD(&cb->node);
	if (berth_dma_fence_flag(fence, DMA_FENCE_FLAG_SIGNALED_BIT))
		return -ENOENT;
	cb->func = func;
	spin_lock_irqsave(fence->lock, flags);
	if (berth_dma_fence_enable_locked(fence))
		list_add_tail(&cb->node, &fence->cb_list);
	else
		err = -ENOENT;
	spin_unlock_irqrestore(fence->lock, flags);
	return err;
}

bool dma_fence_remove_callback(struct dma_fence *fence, struct dma_fence_cb *cb)
{
	unsigned long flags;
	bool has_not_run;

	spin_lock_irqsave(fence->lock, flags);
	has_not_run = !list_empty(&cb->node);
	if (has_not_run)
		list_del_init(&cb->node);
	spin_unlock_irqrestore(fence->lock, flags);
	return has_not_run;
}

bool dma_fence_is_signaled(struct dma_fence *fence)
{
	if (berth_dma_fence_flag(fence, DMA_FENCE_FLAG_SIGNALED_BIT))
		return true;
	if (!fence->ops->signaled || !fence->ops->signaled(fence))
		return false;
	berth_dma_fence_end(fence, 0);
	return true;
}

int dma_fence_get_status(struct dma_fence *fence)
{
	unsigned long flags;
	int status;

	spin_lock_irqsave(fence->lock, flags);
	status = dma_fence_get_status_locked(fence);
	spin_unlock_irqrestore(fence->lock, flags);
	return status;
}

uint64_t dma_fence_timestamp(struct dma_fence *fence)
{
	return berth_dma_fence_flag(fence, DMA_FENCE_FLAG_TIMESTAMP_BIT) ? fence->timestamp
									 : ktime_get_ns();
}

static const char *stub_name(struct dma_fence *fence)
{
	(void)fence;
	return "stub";
}

static const struct dma_fence_ops stub_ops = {
	.get_driver_name = stub_name,
	.get_timeline_name = stub_name,
};

/* The lock of all stubs, and what guards the making of the first one. A leaf: nobody waits for a stub. */
static DEFINE_SPINLOCK(stub_lock);
static struct dma_fence stub;

struct dma_fence *dma_fence_get_stub(void)
{
	unsigned long flags;

	spin_lock_irqsave(&stub_lock, flags);
	if (!stub.ops) {
		dma_fence_init(&stub, &stub_ops, &stub_lock, 0, 0);
		stub.flags = BIT(DMA_FENCE_FLAG_ENABLE_SIGNAL_BIT);
		berth_dma_fence_end_locked(&stub, 0, ktime_get_ns(), NULL);
	}
	spin_unlock_irqrestore(&stub_lock, flags);
	return dma_fence_get(&stub);
}

struct dma_fence *dma_fence_allocate_private_stub(void)
{
	struct dma_fence *fence = kmalloc(sizeof(*fence), GFP_KERNEL);

	if (!fence)
		return ERR_PTR(-ENOMEM);
	dma_fence_init(fence, &stub_ops, &stub_lock, 0, 0);
	fence->flags = BIT(DMA_FENCE_FLAG_ENABLE_SIGNAL_BIT);
	berth_dma_fence_end(fence, 0);
	return fence;
}

size_t berth_dma_fence_describe(struct dma_fence *fence, char *text, size_t size)
{
	const struct dma_fence_ops *ops = fence->ops;
	const char *driver = ops->get_driver_name ? ops->get_driver_name(fence) : "?";
	const char *timeline = ops->get_timeline_name ? ops->get_timeline_name(fence) : "?";
	int error = berth_dma_fence_error(fence);
	bool is_signaled = berth_dma_fence_flag(fence, DMA_FENCE_FLAG_SIGNALED_BIT);
	char value[24] = "", reached[24] = "", owner[BERTH_DMA_FENCE_OWNER_LEN];

	berth_dma_fence_owner_name(fence, owner);
	if (ops->fence_value_str)
		ops->fence_value_str(fence, value, sizeof(value));
	if (ops->timeline_value_str)
		ops->timeline_value_str(fence, reached, sizeof(reached));
	return (size_t)berth_snprintf(text, size, "%s %s %llu:%llu%s%s%s%s %s%s%s%s%s", driver,
				      timeline, (unsigned long long)fence->context,
				      (unsigned long long)fence->seqno, value[0] ? " value " : "",
				      value, reached[0] ? " timeline at " : "", reached,
				      is_signaled ? "signalled" : "not signalled",
				      error ? ", error " : "", error ? berth_error_name(error) : "",
				      owner[0] ? ", owner " : "", owner);
}
