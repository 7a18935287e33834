/* SPDX-License-Identifier: BSD-2-Clause */
#include <berth/dma-fence-array.h>
#include <berth/errno.h>
#include <berth/slab.h>

#include "dma-buf/internal.h"
#include "lib/error.h"

static const char *driver_name(struct dma_fence *fence)
{
	(void)fence;
	return "dma_fence_array";
}

static const char *timeline_name(struct dma_fence *fence)
{
	(void)fence;
	return "unbound";
}

static struct dma_fence_array *array_of(struct dma_fence *fence)
{
	return container_of(fence, struct dma_fence_array, base);
}

/*
 * How it ended, before it is signalled, once: who comes later may have seen more fail. With the lock.
 * An array that was given up has an error of its own.
 */
static void decide(struct dma_fence_array *array, int error)
{
	int none = 0;

	if (!array->is_decided && error)
		__atomic_compare_exchange_n(&array->base.error, &none, error, false,
					    __ATOMIC_RELAXED, __ATOMIC_RELAXED);
	array->is_decided = true;
}

/*
 * One of the callbacks that were to come has come, or never will; @fence is signalled, or NULL. The
 * callbacks share one reference of the array, which the work gives up after the last one: only it is
 * not called with the lock of some fence held.
 */
static void count(struct dma_fence_array *array, struct dma_fence *fence)
{
	bool is_news = false;
	unsigned long flags;

	spin_lock_irqsave(&array->count_lock, flags);
	if (fence && array->num_pending) {
		if (!array->error)
			array->error = berth_dma_fence_error(fence);
		is_news = !--array->num_pending;
	}
	if (!--array->nr_calls || is_news)
		berth_mod_timer_ns(&array->work, 0);
	/* Behind this the array may be gone. */
	spin_unlock_irqrestore(&array->count_lock, flags);
}

static void called(struct dma_fence *fence, struct dma_fence_cb *cb)
{
	count(container_of(cb, struct dma_fence_array_cb, cb)->array, fence);
}

static void work(struct timer_list *timer)
{
	struct dma_fence_array *array = container_of(timer, struct dma_fence_array, work);
	bool is_signaled, is_over;
	unsigned long flags;

	spin_lock_irqsave(&array->count_lock, flags);
	is_signaled = !array->num_pending;
	if (is_signaled)
		decide(array, array->error);
	/* If it was asked for again meanwhile, the end is for the next run. */
	is_over = !array->nr_calls && !timer_pending(timer);
	spin_unlock_irqrestore(&array->count_lock, flags);
	if (is_signaled)
		berth_dma_fence_end(&array->base, 0);
	if (is_over)
		dma_fence_put(&array->base);
}

static bool enable_signaling(struct dma_fence *fence)
{
	struct dma_fence_array *array = array_of(fence);
	bool is_pending;
	unsigned long flags;

	dma_fence_get(fence);
	/* One more, so that no callback is the last while this goes on. */
	spin_lock_irqsave(&array->count_lock, flags);
	array->nr_calls = array->num_fences + 1;
	spin_unlock_irqrestore(&array->count_lock, flags);
	for (unsigned int i = 0; i < array->num_fences; i++) {
		struct dma_fence_array_cb *cb = &array->callbacks[i];

		cb->array = array;
		if (dma_fence_add_callback(array->fences[i], &cb->cb, called))
			count(array, array->fences[i]);
	}
	spin_lock_irqsave(&array->count_lock, flags);
	is_pending = array->num_pending != 0;
	if (!is_pending)
		decide(array, array->error);
	spin_unlock_irqrestore(&array->count_lock, flags);
	count(array, NULL);
	return is_pending;
}

/* Nobody has asked for signalling yet: look at each. Return: whether enough of them are signalled. */
static bool look(struct dma_fence_array *array, unsigned int num_pending, int *error)
{
	for (unsigned int i = 0; i < array->num_fences && num_pending; i++) {
		if (dma_fence_is_signaled(array->fences[i])) {
			num_pending--;
			*error = *error ? *error : berth_dma_fence_error(array->fences[i]);
		}
	}
	return !num_pending;
}

static bool signaled(struct dma_fence *fence)
{
	struct dma_fence_array *array = array_of(fence);
	unsigned int num_pending;
	unsigned long flags;
	int error;

	spin_lock_irqsave(&array->count_lock, flags);
	num_pending = array->num_pending;
	error = array->error;
	spin_unlock_irqrestore(&array->count_lock, flags);
	if (num_pending && (berth_dma_fence_flag(fence, DMA_FENCE_FLAG_ENABLE_SIGNAL_BIT) ||
			    !look(array, num_pending, &error)))
		return false;
	spin_lock_irqsave(&array->count_lock, flags);
	decide(array, error);
	spin_unlock_irqrestore(&array->count_lock, flags);
	return true;
}

static void release(struct dma_fence *fence)
{
	struct dma_fence_array *array = array_of(fence);

	for (unsigned int i = 0; i < array->num_fences; i++)
		dma_fence_put(array->fences[i]);
	kfree(array->fences);
	kfree(array);
}

static const struct dma_fence_ops array_ops = {
	.get_driver_name = driver_name,
	.get_timeline_name = timeline_name,
	.enable_signaling = enable_signaling,
	.signaled = signaled,
	.release = release,
};

struct dma_fence_array *dma_fence_array_create(int num_fences, struct dma_fence **fences,
					       uint64_t context, unsigned int seqno,
					       bool signal_on_any)
{
	struct dma_fence_array *array;
	size_t nr = num_fences > 0 ? (size_t)num_fences : 0;

	if (!nr || !fences || nr > KMALLOC_MAX_SIZE / sizeof(array->callbacks[0])) {
		berth_fail_at(-EINVAL, BERTH_REASON_ARGUMENT, "fences", (uint64_t)num_fences);
		return NULL;
	}
	for (size_t i = 0; i < nr; i++) {
		if (!fences[i]) {
			berth_fail_at(-EINVAL, BERTH_REASON_ARGUMENT, "a fence", i);
			return NULL;
		}
	}
	array = kzalloc(sizeof(*array) + nr * sizeof(array->callbacks[0]), GFP_KERNEL);
	if (!array)
		return NULL;
	spin_lock_init(&array->lock);
	spin_lock_init(&array->count_lock);
	dma_fence_init(&array->base, &array_ops, &array->lock, context, seqno);
	timer_setup(&array->work, work, 0);
	array->num_fences = (unsigned int)nr;
	array->num_pending = signal_on_any ? 1 : (unsigned int)nr;
	array->fences = fences;
	return array;
}

bool dma_fence_is_array(const struct dma_fence *fence)
{
	return fence && fence->ops == &array_ops;
}

bool dma_fence_match_context(struct dma_fence *fence, uint64_t context)
{
	struct dma_fence_array *array = to_dma_fence_array(fence);

	if (!array)
		return fence->context == context;
	for (unsigned int i = 0; i < array->num_fences; i++)
		if (array->fences[i]->context != context)
			return false;
	return true;
}

struct dma_fence *dma_fence_array_first(struct dma_fence *head)
{
	struct dma_fence_array *array = to_dma_fence_array(head);

	return array ? array->fences[0] : head;
}

struct dma_fence *dma_fence_array_next(struct dma_fence *head, unsigned int index)
{
	struct dma_fence_array *array = to_dma_fence_array(head);

	return array && index < array->num_fences ? array->fences[index] : NULL;
}
