// SPDX-License-Identifier: BSD-2-Clause
/* Fences, each alone. Items are those of docs/semantics.md. */
#include "fence.h"

static void item_50_signalled_once(void **state)
{
	struct dma_fence *fence = work_alone();
	uint64_t before = ktime_get_ns();

	(void)state;
	assert_false(dma_fence_is_signaled(fence));
	assert_int_equal(dma_fence_get_status(fence), 0);
	assert_int_equal(dma_fence_signal(fence), 0);
	assert_true(dma_fence_is_signaled(fence));
	assert_int_equal(dma_fence_get_status(fence), 1);
	assert_true(dma_fence_timestamp(fence) >= before);
	assert_int_equal(dma_fence_signal(fence), -EINVAL);
	assert_reason(BERTH_REASON_STATE);
	assert_int_equal(dma_fence_signal(NULL), -EINVAL);
	assert_reason(BERTH_REASON_ARGUMENT);
	dma_fence_put(fence);
	dma_fence_put(NULL);
	assert_null(dma_fence_get(NULL));
	fence = work_alone();
	assert_int_equal(dma_fence_signal_timestamp(fence, 42), 0);
	assert_int_equal(dma_fence_timestamp(fence), 42);
	dma_fence_put(fence);
}

static void item_50_with_the_lock(void **state)
{
	struct dma_fence *fence = work_alone();
	struct note n = { .nr_calls = 0 };
	unsigned long flags;

	(void)state;
	assert_int_equal(dma_fence_add_callback(fence, &n.cb, note), 0);
	spin_lock_irqsave(fence->lock, flags);
	assert_false(dma_fence_is_signaled_locked(fence));
	assert_int_equal(dma_fence_signal_timestamp_locked(fence, 7), 0);
	assert_int_equal(dma_fence_signal_locked(fence), -EINVAL);
	assert_int_equal(dma_fence_get_status_locked(fence), 1);
	spin_unlock_irqrestore(fence->lock, flags);
	assert_int_equal(n.nr_calls, 1);
	assert_int_equal(dma_fence_timestamp(fence), 7);
	dma_fence_put(fence);
	fence = work_alone();
	assert_true(dma_fence_timestamp(fence) <= ktime_get_ns());
	spin_lock_irqsave(fence->lock, flags);
	work_of(fence)->has_ended = true;
	assert_true(dma_fence_is_signaled_locked(fence));
	spin_unlock_irqrestore(fence->lock, flags);
	assert_int_equal(dma_fence_signal(fence), -EINVAL);
	dma_fence_put(fence);
}

static unsigned int nr_released;

static void released(struct kref *kref)
{
	assert_int_equal(kref_read(kref), 0);
	nr_released++;
}

static void references(void **state)
{
	struct kref kref;

	(void)state;
	nr_released = 0;
	kref_init(&kref);
	kref_get(&kref);
	assert_int_not_equal(kref_get_unless_zero(&kref), 0);
	assert_int_equal(kref_read(&kref), 3);
	assert_int_equal(kref_put(&kref, released), 0);
	assert_int_equal(kref_put(&kref, released), 0);
	assert_int_equal(kref_put(&kref, released), 1);
	assert_int_equal(nr_released, 1);
	assert_int_equal(kref_get_unless_zero(&kref), 0);
}

static void item_50_errors_before_signalling(void **state)
{
	struct dma_fence *fence = work_alone();

	(void)state;
	assert_int_equal(dma_fence_set_error(fence, 0), -EINVAL);
	assert_reason(BERTH_REASON_ARGUMENT);
	assert_int_equal(dma_fence_set_error(fence, 5), -EINVAL);
	assert_int_equal(dma_fence_set_error(fence, -5000), -EINVAL);
	assert_int_equal(dma_fence_set_error(fence, -EIO), 0);
	assert_int_equal(dma_fence_get_status(fence), 0);
	assert_int_equal(dma_fence_signal(fence), 0);
	assert_int_equal(dma_fence_get_status(fence), -EIO);
	assert_int_equal(dma_fence_set_error(fence, -ENOMEM), -EINVAL);
	assert_reason(BERTH_REASON_STATE);
	assert_int_equal(dma_fence_get_status(fence), -EIO);
	dma_fence_put(fence);
}

static void item_50_callbacks(void **state)
{
	struct dma_fence *fence = work_alone();
	struct note first = { .nr_calls = 0 }, gone = { .nr_calls = 0 }, late = { .nr_calls = 0 };

	(void)state;
	assert_int_equal(dma_fence_add_callback(fence, &first.cb, note), 0);
	assert_int_equal(dma_fence_add_callback(fence, &gone.cb, note), 0);
	assert_int_equal(work_of(fence)->nr_enabled, 1);
	assert_true(dma_fence_remove_callback(fence, &gone.cb));
	assert_false(dma_fence_remove_callback(fence, &gone.cb));
	dma_fence_set_error(fence, -EIO);
	assert_int_equal(first.nr_calls, 0);
	assert_int_equal(dma_fence_signal(fence), 0);
	assert_int_equal(first.nr_calls, 1);
	assert_int_equal(first.error, -EIO);
	assert_true(first.is_locked);
	assert_false(first.is_irq_on);
	assert_int_equal(gone.nr_calls, 0);
	assert_false(dma_fence_remove_callback(fence, &first.cb));
	assert_int_equal(dma_fence_add_callback(fence, &late.cb, note), -ENOENT);
	assert_false(dma_fence_remove_callback(fence, &late.cb));
	assert_int_equal(dma_fence_add_callback(NULL, &late.cb, note), -EINVAL);
	assert_reason(BERTH_REASON_ARGUMENT);
	assert_int_equal(dma_fence_add_callback(fence, NULL, note), -EINVAL);
	assert_int_equal(dma_fence_add_callback(fence, &late.cb, NULL), -EINVAL);
	dma_fence_put(fence);
	assert_int_equal(late.nr_calls, 0);
	assert_int_equal(first.nr_calls, 1);
}

/* In the order in which they were added; each may free its own memory. */
static unsigned int last_called;

struct numbered {
	struct dma_fence_cb cb;
	unsigned int nr;
};

static void free_itself(struct dma_fence *fence, struct dma_fence_cb *cb)
{
	struct numbered *me = container_of(cb, struct numbered, cb);

	assert_int_equal(me->nr, last_called + 1);
	last_called = me->nr;
	free(me);
	dma_fence_put(fence);
}

static void item_50_callbacks_put_and_free(void **state)
{
	struct dma_fence *fence = work_alone();

	(void)state;
	last_called = 0;
	for (unsigned int i = 1; i <= 10; i++) {
		struct numbered *me = calloc(1, sizeof(*me));

		me->nr = i;
		assert_int_equal(dma_fence_add_callback(dma_fence_get(fence), &me->cb, free_itself),
				 0);
	}
	dma_fence_signal(fence);
	assert_int_equal(last_called, 10);
	assert_int_equal(kref_read(&fence->refcount), 1);
	dma_fence_put(fence);
	assert_int_equal(nr_works, 0);
}

static void signalling_is_asked_for_once(void **state)
{
	struct dma_fence *fence = work_alone();
	struct note n = { .nr_calls = 0 };

	(void)state;
	assert_false(dma_fence_is_signaled(fence));
	assert_int_equal(work_of(fence)->nr_enabled, 0);
	dma_fence_enable_sw_signaling(fence);
	dma_fence_enable_sw_signaling(fence);
	assert_int_equal(dma_fence_add_callback(fence, &n.cb, note), 0);
	assert_int_equal(work_of(fence)->nr_enabled, 1);
	dma_fence_signal(fence);
	dma_fence_put(fence);
	/* The work has ended before somebody asks. */
	fence = work_alone();
	work_of(fence)->is_refused = true;
	dma_fence_set_error(fence, -EIO);
	n.nr_calls = 0;
	assert_int_equal(dma_fence_add_callback(fence, &n.cb, note), -ENOENT);
	assert_int_equal(dma_fence_get_status(fence), -EIO);
	assert_int_equal(n.nr_calls, 0);
	dma_fence_put(fence);
}

static void asking_signals(void **state)
{
	struct dma_fence *fence = work_alone();
	struct note n = { .nr_calls = 0 };

	(void)state;
	assert_int_equal(dma_fence_add_callback(fence, &n.cb, note), 0);
	assert_false(dma_fence_is_signaled(fence));
	work_of(fence)->has_ended = true;
	assert_true(dma_fence_is_signaled(fence));
	assert_int_equal(n.nr_calls, 1);
	assert_int_equal(dma_fence_signal(fence), -EINVAL);
	dma_fence_put(fence);
	fence = work_alone();
	work_of(fence)->has_ended = true;
	assert_int_equal(dma_fence_get_status(fence), 1);
	dma_fence_put(fence);
}

static void item_51_waiting(void **state)
{
	struct dma_fence *fence = work_alone();
	unsigned long begin;
	long left;

	(void)state;
	assert_int_equal(dma_fence_wait_timeout(fence, false, -1), -EINVAL);
	assert_reason(BERTH_REASON_ARGUMENT);
	assert_int_equal(dma_fence_wait_timeout(fence, false, 0), 0);
	begin = berth_jiffies();
	assert_int_equal(dma_fence_wait_timeout(fence, true, 20), 0);
	assert_true(berth_jiffies() - begin >= 20);
	assert_int_equal(fence->cb_list.next == &fence->cb_list, 1);
	signal_in(fence, 5);
	left = dma_fence_wait_timeout(fence, true, 100000);
	assert_in_range(left, 1, 99996);
	assert_int_equal(dma_fence_wait_timeout(fence, true, 7), 7);
	assert_int_equal(dma_fence_wait_timeout(fence, true, 0), 1);
	assert_int_equal(dma_fence_wait(fence, true), 0);
	dma_fence_put(fence);
	fence = work_alone();
	signal_in(fence, 5);
	assert_int_equal(dma_fence_wait(fence, false), 0);
	dma_fence_put(fence);
}

static void item_51_nobody_is_left(void **state)
{
	struct dma_fence *fence = work_alone();
	struct dma_fence *two[2] = { fence, fence };

	(void)state;
	assert_int_equal(dma_fence_wait(fence, false), -EDEADLK);
	assert_reason(BERTH_REASON_NEVER);
	assert_int_equal(dma_fence_wait_any_timeout(two, 2, false, MAX_SCHEDULE_TIMEOUT, NULL),
			 -EDEADLK);
	assert_reason(BERTH_REASON_NEVER);
	dma_fence_put(fence);
}

static void item_51_waiting_for_any(void **state)
{
	struct dma_fence *fences[3] = { work_alone(), work_alone(), work_alone() };
	uint32_t idx = 77;
	bool failed = true;

	(void)state;
	assert_int_equal(dma_fence_wait_any_timeout(fences, 0, true, 5, &idx), -EINVAL);
	assert_reason(BERTH_REASON_ARGUMENT);
	assert_int_equal(dma_fence_wait_any_timeout(NULL, 3, true, 5, &idx), -EINVAL);
	assert_int_equal(dma_fence_wait_any_timeout(fences, 3, true, -5, &idx), -EINVAL);
	assert_int_equal(dma_fence_wait_any_timeout(fences, 3, true, 0, &idx), 0);
	assert_int_equal(dma_fence_wait_any_timeout(fences, 3, true, 5, &idx), 0);
	assert_int_equal(idx, 77);
	for (uint64_t n = 1; failed; n++) {
		long left;

		berth_test_fail_nth(n);
		left = dma_fence_wait_any_timeout(fences, 3, true, 5, &idx);
		failed = berth_test_failed();
		berth_test_fail_nth(0);
		assert_int_equal(left, failed ? -ENOMEM : 0);
	}
	signal_in(fences[1], 5);
	assert_in_range(dma_fence_wait_any_timeout(fences, 3, true, 100000, &idx), 1, 99996);
	assert_int_equal(idx, 1);
	assert_int_equal(dma_fence_wait_any_timeout(fences, 3, true, 0, NULL), 1);
	for (int i = 0; i < 3; i++) {
		assert_true(list_empty(&fences[i]->cb_list));
		dma_fence_put(fences[i]);
	}
}

static long own_wait(struct dma_fence *fence, bool intr, long timeout)
{
	assert_int_equal(work_of(fence)->nr_enabled, 1);
	return intr ? -ERESTARTSYS : timeout + 1;
}

static void item_51_a_wait_of_its_own(void **state)
{
	struct dma_fence_ops ops = work_ops;
	struct work work = { .nr_enabled = 0 };

	(void)state;
	ops.wait = own_wait;
	dma_fence_init(&work.base, &ops, &work.lock, 1, 1);
	assert_int_equal(dma_fence_wait_timeout(&work.base, true, 5), -ERESTARTSYS);
	assert_int_equal(dma_fence_wait(&work.base, true), -ERESTARTSYS);
	assert_int_equal(dma_fence_wait_timeout(&work.base, false, 5), 6);
}

static void item_51_stubs(void **state)
{
	struct dma_fence *stub = dma_fence_get_stub(), *again = dma_fence_get_stub(), *own;
	struct note n = { .nr_calls = 0 };

	(void)state;
	assert_ptr_equal(stub, again);
	assert_int_equal(stub->context, 0);
	assert_int_equal(dma_fence_get_status(stub), 1);
	assert_int_equal(dma_fence_add_callback(stub, &n.cb, note), -ENOENT);
	assert_int_equal(dma_fence_wait_timeout(stub, true, 0), 1);
	own = dma_fence_allocate_private_stub();
	assert_false(IS_ERR(own));
	assert_ptr_not_equal(own, stub);
	assert_int_equal(own->context, 0);
	assert_true(dma_fence_is_signaled(own));
	dma_fence_put(own);
	dma_fence_put(stub);
	dma_fence_put(again);
	assert_true(dma_fence_is_signaled(dma_fence_get_stub()));
	dma_fence_put(stub);
	berth_test_fail_nth(1);
	own = dma_fence_allocate_private_stub();
	berth_test_fail_nth(0);
	assert_int_equal(PTR_ERR(own), -ENOMEM);
}

static void item_51_order(void **state)
{
	struct dma_fence_ops ops64 = work_ops;
	struct work a = { .nr_enabled = 0 }, b = a, c = a;

	(void)state;
	ops64.use_64bit_seqno = true;
	dma_fence_init(&a.base, &work_ops, &a.lock, 7, 0xffffffffu);
	dma_fence_init(&b.base, &work_ops, &b.lock, 7, 1);
	dma_fence_init(&c.base, &work_ops, &c.lock, 8, 1);
	assert_true(dma_fence_is_later(&b.base, &a.base));
	assert_false(dma_fence_is_later(&a.base, &b.base));
	assert_false(dma_fence_is_later(&a.base, &a.base));
	assert_true(dma_fence_is_later_or_same(&a.base, &a.base));
	assert_false(dma_fence_is_later(&c.base, &a.base));
	assert_ptr_equal(dma_fence_later(&a.base, &b.base), &b.base);
	assert_null(dma_fence_later(&a.base, &c.base));
	dma_fence_signal(&b.base);
	assert_null(dma_fence_later(&b.base, &a.base));
	a.base.ops = b.base.ops = &ops64;
	assert_true(dma_fence_is_later(&a.base, &b.base));
	assert_true(berth_dma_fence_seqno_later(0x80000000u, 1, false));
	assert_false(berth_dma_fence_seqno_later(0x80000001u, 1, false));
}

static void contexts_are_new(void **state)
{
	uint64_t first = dma_fence_context_alloc(10);

	(void)state;
	assert_true(first > 0);
	assert_int_equal(dma_fence_context_alloc(1), first + 10);
}

static void a_deadline(void **state)
{
	struct dma_fence *fence = work_new(77, 5);
	struct note n = { .nr_calls = 0 };
	char text[400], *line;
	uint64_t begin = ktime_get_ns();

	(void)state;
	assert_int_equal(dma_fence_add_callback(fence, &n.cb, note), 0);
	console_take();
	assert_int_equal(berth_dma_fence_set_deadline(fence, "decoder (pid 12)",
						      begin + 20 * NSEC_PER_MSEC),
			 0);
	assert_int_equal(dma_fence_wait_timeout(fence, false, 10), 0);
	assert_in_range(dma_fence_wait_timeout(fence, false, 10000), 1, 10000);
	msleep(50);
	console_give(text, sizeof(text));
	assert_int_equal(dma_fence_get_status(fence), -ETIMEDOUT);
	assert_int_equal(n.nr_calls, 1);
	assert_int_equal(n.error, -ETIMEDOUT);
	assert_true(dma_fence_timestamp(fence) >= begin + 20 * NSEC_PER_MSEC);
	line = strstr(text, "berth: decoder (pid 12) did not signal in time");
	assert_non_null(line);
	assert_non_null(strstr(line, "worker line 77:5"));
	assert_null(strstr(line + 1, "berth:"));
	assert_int_equal(dma_fence_signal(fence), -EINVAL);
	assert_int_equal(berth_dma_fence_set_deadline(fence, "late", 0), -ENOENT);
	assert_int_equal(kref_read(&fence->refcount), 1);
	dma_fence_put(fence);
}

static void a_deadline_that_is_met(void **state)
{
	struct dma_fence *fence = work_alone();
	char text[200];

	(void)state;
	console_take();
	assert_int_equal(
		berth_dma_fence_set_deadline(fence, "a", ktime_get_ns() + 5 * NSEC_PER_MSEC), 0);
	assert_int_equal(kref_read(&fence->refcount), 2);
	/* More time, and then none. */
	assert_int_equal(
		berth_dma_fence_set_deadline(fence, NULL, ktime_get_ns() + 50 * NSEC_PER_MSEC), 0);
	assert_int_equal(kref_read(&fence->refcount), 2);
	msleep(20);
	assert_int_equal(dma_fence_get_status(fence), 0);
	assert_int_equal(dma_fence_signal(fence), 0);
	assert_int_equal(kref_read(&fence->refcount), 1);
	dma_fence_put(fence);
	/* It is taken back. */
	fence = work_alone();
	berth_dma_fence_set_deadline(fence, "a", ktime_get_ns() + 5 * NSEC_PER_MSEC);
	berth_dma_fence_set_deadline(fence, "b", UINT64_MAX);
	assert_int_equal(kref_read(&fence->refcount), 1);
	msleep(20);
	assert_int_equal(dma_fence_get_status(fence), 0);
	dma_fence_put(fence);
	/* The work has ended, and nobody has asked. */
	fence = work_alone();
	berth_dma_fence_set_deadline(fence, "a", ktime_get_ns() + 5 * NSEC_PER_MSEC);
	work_of(fence)->has_ended = true;
	msleep(20);
	assert_int_equal(dma_fence_get_status(fence), 1);
	dma_fence_put(fence);
	/* Only the deadline is left to end it, and to free it. */
	console_give(text, sizeof(text));
	assert_string_equal(text, "");
	fence = work_alone();
	berth_dma_fence_set_deadline(fence, "nobody", ktime_get_ns() + 5 * NSEC_PER_MSEC);
	dma_fence_put(fence);
	assert_int_equal(nr_works, 1);
	console_take();
	msleep(20);
	console_give(text, sizeof(text));
	assert_int_equal(nr_works, 0);
	assert_non_null(strstr(text, "nobody"));
}

static void an_owner_that_dies(void **state)
{
	struct dma_fence *fence = work_alone();
	char text[300];

	(void)state;
	assert_int_equal(berth_dma_fence_set_deadline(
				 fence, "display, whose name is longer than there is room for",
				 UINT64_MAX),
			 0);
	berth_dma_fence_describe(fence, text, sizeof(text));
	assert_non_null(strstr(text, "not signalled, owner display, whose name is longer t"));
	assert_int_equal(berth_dma_fence_abandon(fence, 1), -EINVAL);
	assert_reason(BERTH_REASON_ARGUMENT);
	console_take();
	assert_int_equal(berth_dma_fence_abandon(fence, -EIO), 0);
	console_give(text, sizeof(text));
	assert_non_null(strstr(text, "display, whose name is longer t"));
	assert_non_null(strstr(text, "worker line"));
	assert_int_equal(dma_fence_get_status(fence), -EIO);
	assert_int_equal(berth_dma_fence_abandon(fence, -EIO), -EINVAL);
	assert_reason(BERTH_REASON_STATE);
	dma_fence_put(fence);
	fence = work_alone();
	console_take();
	berth_dma_fence_abandon(fence, -EIO);
	console_give(text, sizeof(text));
	assert_non_null(strstr(text, "somebody"));
	dma_fence_put(fence);
	fence = work_alone();
	berth_test_fail_nth(1);
	assert_int_equal(berth_dma_fence_set_deadline(fence, "x", 0), -ENOMEM);
	berth_test_fail_nth(0);
	assert_int_equal(dma_fence_get_status(fence), 0);
	assert_int_equal(kref_read(&fence->refcount), 1);
	dma_fence_put(fence);
}

/* One that goes though it was never signalled: who waits by a callback is told. */
static void the_last_reference_of_an_open_promise(void **state)
{
	struct dma_fence *fence = work_alone();
	struct note n = { .nr_calls = 0 };
	char text[300];

	(void)state;
	assert_int_equal(dma_fence_add_callback(fence, &n.cb, note), 0);
	console_take();
	dma_fence_put(fence);
	console_give(text, sizeof(text));
	assert_int_equal(n.nr_calls, 1);
	assert_int_equal(n.error, -EDEADLK);
	assert_non_null(strstr(text, "worker line"));
}

static void text_value(struct dma_fence *fence, char *str, int size)
{
	snprintf(str, (size_t)size, "v%d", (int)fence->seqno);
}

static void described(void **state)
{
	struct dma_fence_ops ops = work_ops;
	struct work work = { .nr_enabled = 0 };
	char text[100], little[8];

	(void)state;
	ops.fence_value_str = text_value;
	ops.timeline_value_str = text_value;
	dma_fence_init(&work.base, &ops, &work.lock, 9, 4);
	assert_int_equal(berth_dma_fence_describe(&work.base, text, sizeof(text)),
			 strlen("worker line 9:4 value v4 timeline at v4 not signalled"));
	assert_string_equal(text, "worker line 9:4 value v4 timeline at v4 not signalled");
	dma_fence_set_error(&work.base, -EIO);
	dma_fence_signal(&work.base);
	assert_true(berth_dma_fence_describe(&work.base, little, sizeof(little)) > 40);
	assert_string_equal(little, "worker ");
	berth_dma_fence_describe(&work.base, text, sizeof(text));
	assert_non_null(strstr(text, " signalled, error EIO"));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		fence_test(item_50_signalled_once),
		fence_test(item_50_with_the_lock),
		fence_test(references),
		fence_test(item_50_errors_before_signalling),
		fence_test(item_50_callbacks),
		fence_test(item_50_callbacks_put_and_free),
		fence_test(signalling_is_asked_for_once),
		fence_test(asking_signals),
		fence_test(item_51_waiting),
		fence_test(item_51_nobody_is_left),
		fence_test(item_51_waiting_for_any),
		fence_test(item_51_a_wait_of_its_own),
		fence_test(item_51_stubs),
		fence_test(item_51_order),
		fence_test(contexts_are_new),
		fence_test(a_deadline),
		fence_test(a_deadline_that_is_met),
		fence_test(an_owner_that_dies),
		fence_test(the_last_reference_of_an_open_promise),
		fence_test(described),
	};

	return cmocka_run_group_tests_name("dma_fence", tests, NULL, NULL);
}
