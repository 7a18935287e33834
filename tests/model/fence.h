/* SPDX-License-Identifier: BSD-2-Clause */
/* A fence of the tests', whose implementation does what a test says. */
#ifndef TESTS_MODEL_FENCE_H
#define TESTS_MODEL_FENCE_H

#include "machine.h"

#include <unistd.h>

#include <berth/dma-fence.h>
#include <berth/slab.h>
#include <berth/test.h>
#include <berth/timer.h>

struct work {
	struct dma_fence base;
	spinlock_t lock;
	bool has_ended; /* what signaled() says */
	bool is_refused; /* enable_signaling() says no */
	uint32_t nr_enabled;
	struct timer_list timer; /* signals it */
};

/* All works that were made and not yet freed. */
static uint32_t nr_works;

static inline struct work *work_of(struct dma_fence *fence)
{
	return container_of(fence, struct work, base);
}

static inline const char *work_driver(struct dma_fence *fence)
{
	(void)fence;
	return "worker";
}

static inline const char *work_timeline(struct dma_fence *fence)
{
	(void)fence;
	return "line";
}

static inline bool work_enable(struct dma_fence *fence)
{
	__atomic_fetch_add(&work_of(fence)->nr_enabled, 1, __ATOMIC_RELAXED);
	return !work_of(fence)->is_refused;
}

static inline bool work_signaled(struct dma_fence *fence)
{
	return __atomic_load_n(&work_of(fence)->has_ended, __ATOMIC_ACQUIRE);
}

static inline void work_release(struct dma_fence *fence)
{
	__atomic_fetch_sub(&nr_works, 1, __ATOMIC_RELAXED);
	/* Whoever still looks at it, sees it. */
	memset(fence, 0x5a, sizeof(struct work));
	free(work_of(fence));
}

static const struct dma_fence_ops work_ops = {
	.get_driver_name = work_driver,
	.get_timeline_name = work_timeline,
	.enable_signaling = work_enable,
	.signaled = work_signaled,
	.release = work_release,
};

/* One that is not freed by kfree(): the sanitizer knows its memory best. */
static inline struct dma_fence *work_new(uint64_t context, uint64_t seqno)
{
	struct work *work = calloc(1, sizeof(*work));

	__atomic_fetch_add(&nr_works, 1, __ATOMIC_RELAXED);
	dma_fence_init(&work->base, &work_ops, &work->lock, context, seqno);
	return &work->base;
}

static inline struct dma_fence *work_alone(void)
{
	return work_new(dma_fence_context_alloc(1), 1);
}

static inline void work_time_out(struct timer_list *timer)
{
	struct work *work = container_of(timer, struct work, timer);

	dma_fence_signal(&work->base);
	dma_fence_put(&work->base);
}

/* Signal it in so many milliseconds. */
static inline void signal_in(struct dma_fence *fence, unsigned int ms)
{
	struct work *work = work_of(dma_fence_get(fence));

	timer_setup(&work->timer, work_time_out, 0);
	mod_timer(&work->timer, berth_jiffies() + ms);
}

/* A callback that notes what it has seen. */
struct note {
	struct dma_fence_cb cb;
	unsigned int nr_calls;
	int error;
	bool is_locked, is_irq_on;
};

static inline void note(struct dma_fence *fence, struct dma_fence_cb *cb)
{
	struct note *n = container_of(cb, struct note, cb);
	unsigned long flags;

	n->nr_calls++;
	n->error = fence->error;
	n->is_locked = !spin_trylock(fence->lock);
	flags = berth_port_irq_save();
	n->is_irq_on = berth_port_irq_was_on(flags);
	berth_port_irq_restore(flags);
}

/* What berth prints between these two. */
static int console_kept = -1, console_pipe[2];

static inline void console_take(void)
{
	assert_int_equal(pipe(console_pipe), 0);
	console_kept = dup(STDERR_FILENO);
	dup2(console_pipe[1], STDERR_FILENO);
	close(console_pipe[1]);
}

static inline void console_give(char *text, size_t size)
{
	ssize_t length;

	dup2(console_kept, STDERR_FILENO);
	close(console_kept);
	length = read(console_pipe[0], text, size - 1);
	text[length > 0 ? length : 0] = '\0';
	close(console_pipe[0]);
}

static inline int fences_start(void **state)
{
	(void)state;
	must_start(tree_minimal, NULL, NULL);
	nr_works = 0;
	return 0;
}

/* Timers that are due go first. */
static inline int fences_stop(void **state)
{
	(void)state;
	msleep(1);
	assert_int_equal(nr_works, 0);
	must_stop();
	return 0;
}

#define fence_test(name) cmocka_unit_test_setup_teardown(name, fences_start, fences_stop)

#endif
