// SPDX-License-Identifier: BSD-2-Clause
/* Fences for several: arrays, chains, and what is in them. */
#include "fence.h"

#include <pthread.h>

#include <berth/dma-fence-array.h>
#include <berth/dma-fence-chain.h>
#include <berth/dma-fence-unwrap.h>

#define NR 4u
#define LONG 20000u

static struct dma_fence *works[NR];

/* The works are the test's; the array has references of its own. */
static struct dma_fence_array *must_create(bool signal_on_any)
{
	struct dma_fence **fences = kcalloc(NR, sizeof(struct dma_fence *), GFP_KERNEL);
	struct dma_fence_array *array;

	for (unsigned int i = 0; i < NR; i++) {
		works[i] = work_alone();
		fences[i] = dma_fence_get(works[i]);
	}
	array = dma_fence_array_create(NR, fences, dma_fence_context_alloc(1), 1, signal_on_any);
	assert_non_null(array);
	return array;
}

static void put_works(void)
{
	for (unsigned int i = 0; i < NR; i++) {
		dma_fence_put(works[i]);
		works[i] = NULL;
	}
}

/* A link more of a timeline: its reference, and that of the one before, go into the new one. */
static struct dma_fence *add_link(struct dma_fence *prev, struct dma_fence *fence, uint64_t seqno)
{
	struct dma_fence_chain *chain = dma_fence_chain_alloc();

	assert_non_null(chain);
	dma_fence_chain_init(chain, prev, fence, seqno);
	return &chain->base;
}

static void an_array_waits_for_all(void **state)
{
	struct dma_fence_array *array = must_create(false);
	struct note n = { .nr_calls = 0 };
	struct dma_fence *fence;
	unsigned int index;

	(void)state;
	assert_true(dma_fence_is_array(&array->base));
	assert_true(dma_fence_is_container(&array->base));
	assert_false(dma_fence_is_array(works[0]));
	assert_false(dma_fence_is_array(NULL));
	assert_null(to_dma_fence_array(works[0]));
	assert_int_equal(work_of(works[0])->nr_enabled, 0);
	dma_fence_array_for_each(fence, index, &array->base)
		assert_ptr_equal(fence, works[index]);
	assert_int_equal(index, NR);
	dma_fence_array_for_each(fence, index, works[0])
		assert_ptr_equal(fence, works[0]);
	assert_int_equal(index, 1);
	dma_fence_signal(works[2]);
	assert_int_equal(dma_fence_add_callback(&array->base, &n.cb, note), 0);
	for (unsigned int i = 0; i < NR; i++)
		assert_int_equal(work_of(works[i])->nr_enabled, i != 2);
	dma_fence_signal(works[0]);
	dma_fence_set_error(works[3], -EIO);
	dma_fence_signal(works[3]);
	assert_int_equal(dma_fence_wait_timeout(&array->base, false, 5), 0);
	assert_int_equal(n.nr_calls, 0);
	dma_fence_set_error(works[1], -ENOMEM);
	dma_fence_signal(works[1]);
	assert_int_equal(dma_fence_wait(&array->base, false), 0);
	assert_int_equal(n.nr_calls, 1);
	assert_int_equal(dma_fence_get_status(&array->base), -EIO);
	dma_fence_put(&array->base);
	put_works();
}

static void an_array_waits_for_any(void **state)
{
	struct dma_fence_array *array = must_create(true);
	struct dma_fence *last;

	(void)state;
	signal_in(works[3], 5);
	assert_int_equal(dma_fence_wait(&array->base, false), 0);
	assert_int_equal(dma_fence_get_status(works[0]), 0);
	assert_int_equal(dma_fence_get_status(&array->base), 1);
	/* What fails later changes nothing; what is never signalled keeps the array. */
	dma_fence_set_error(works[1], -EIO);
	dma_fence_signal(works[1]);
	dma_fence_put(&array->base);
	msleep(1);
	assert_int_equal(dma_fence_get_status(&array->base), 1);
	dma_fence_signal(works[0]);
	last = dma_fence_get(works[2]);
	put_works();
	assert_int_equal(nr_works, 4);
	dma_fence_signal(last);
	dma_fence_put(last);
}

static void arrays_that_are_ready(void **state)
{
	struct dma_fence_array *array = must_create(false);
	struct note n = { .nr_calls = 0 };

	(void)state;
	/* Looking asks nobody. */
	assert_false(dma_fence_is_signaled(&array->base));
	for (unsigned int i = 0; i < NR; i++)
		work_of(works[i])->has_ended = true;
	dma_fence_set_error(works[1], -EIO);
	assert_int_equal(dma_fence_get_status(&array->base), -EIO);
	assert_int_equal(work_of(works[0])->nr_enabled, 0);
	dma_fence_put(&array->base);
	put_works();
	array = must_create(false);
	for (unsigned int i = 0; i < NR; i++)
		dma_fence_signal(works[i]);
	assert_int_equal(dma_fence_add_callback(&array->base, &n.cb, note), -ENOENT);
	assert_int_equal(dma_fence_get_status(&array->base), 1);
	dma_fence_put(&array->base);
	put_works();
	array = must_create(true);
	assert_false(dma_fence_is_signaled(&array->base));
	dma_fence_signal(works[2]);
	assert_true(dma_fence_is_signaled(&array->base));
	dma_fence_put(&array->base);
	put_works();
}

static void arrays_of_arrays(void **state)
{
	struct dma_fence **fences = kcalloc(2, sizeof(struct dma_fence *), GFP_KERNEL);
	struct dma_fence_array *outer;

	(void)state;
	fences[0] = &must_create(false)->base;
	fences[1] = dma_fence_get_stub();
	outer = dma_fence_array_create(2, fences, dma_fence_context_alloc(1), 1, false);
	assert_non_null(outer);
	assert_int_equal(dma_fence_wait_timeout(&outer->base, false, 5), 0);
	for (unsigned int i = 0; i < NR; i++)
		signal_in(works[i], 5 * i);
	put_works();
	assert_int_equal(dma_fence_wait(&outer->base, false), 0);
	dma_fence_put(&outer->base);
}

/* All of one timeline have one lock: that which the array's callbacks are called with. */
static void fences_that_share_a_lock(void **state)
{
	struct dma_fence *all[2] = { work_new(5, 1), work_new(5, 2) };
	struct dma_fence **fences = kcalloc(2, sizeof(struct dma_fence *), GFP_KERNEL);
	static spinlock_t lock;
	struct dma_fence_array *array;

	(void)state;
	for (int i = 0; i < 2; i++) {
		all[i]->lock = &lock;
		fences[i] = dma_fence_get(all[i]);
	}
	array = dma_fence_array_create(2, fences, dma_fence_context_alloc(1), 1, false);
	dma_fence_enable_sw_signaling(&array->base);
	assert_true(dma_fence_match_context(&array->base, 5));
	assert_false(dma_fence_match_context(&array->base, 6));
	assert_true(dma_fence_match_context(all[0], 5));
	dma_fence_signal(all[0]);
	dma_fence_signal(all[1]);
	assert_int_equal(dma_fence_wait(&array->base, false), 0);
	dma_fence_put(&array->base);
	dma_fence_put(all[0]);
	dma_fence_put(all[1]);
}

static void a_container_with_a_deadline(void **state)
{
	struct dma_fence_array *array = must_create(false);
	char text[300];

	(void)state;
	console_take();
	berth_dma_fence_set_deadline(&array->base, "client", ktime_get_ns() + NSEC_PER_MSEC);
	assert_int_equal(dma_fence_wait(&array->base, false), 0);
	console_give(text, sizeof(text));
	assert_non_null(strstr(text, "client"));
	for (unsigned int i = 0; i < NR; i++) {
		dma_fence_set_error(works[i], -EIO);
		dma_fence_signal(works[i]);
	}
	msleep(1);
	assert_int_equal(dma_fence_get_status(&array->base), -ETIMEDOUT);
	dma_fence_put(&array->base);
	put_works();
}

/* Nor does what goes on later touch the error of the thread that it interrupts. */
static void signalling_allocates_nothing(void **state)
{
	struct dma_fence *head = add_link(NULL, &must_create(false)->base, 1);
	struct note n = { .nr_calls = 0 };

	(void)state;
	head = add_link(head, dma_fence_get(works[0]), 2);
	assert_int_equal(berth_dma_fence_set_deadline(head, "me", ktime_get_ns() + NSEC_PER_SEC),
			 0);
	assert_int_equal(dma_fence_add_callback(head, &n.cb, note), 0);
	berth_set_error("mine", -EIO, BERTH_REASON_IO, 0, 0);
	berth_test_fail_nth(1);
	for (unsigned int i = 0; i < NR; i++)
		dma_fence_signal(works[i]);
	msleep(1);
	assert_false(berth_test_failed());
	berth_test_fail_nth(0);
	assert_int_equal(n.nr_calls, 1);
	assert_string_equal(berth_last_error()->subject, "mine");
	dma_fence_put(head);
	put_works();
}

static void bad_arrays(void **state)
{
	struct dma_fence *fence = work_alone(), *with_null[2] = { fence, NULL };

	(void)state;
	assert_null(dma_fence_array_create(0, with_null, 1, 1, false));
	assert_reason(BERTH_REASON_ARGUMENT);
	assert_null(dma_fence_array_create(-1, with_null, 1, 1, false));
	assert_null(dma_fence_array_create(1, NULL, 1, 1, false));
	assert_null(dma_fence_array_create(2, with_null, 1, 1, false));
	assert_reason(BERTH_REASON_ARGUMENT);
	assert_null(dma_fence_array_create(INT32_MAX, with_null, 1, 1, false));
	berth_test_fail_nth(1);
	assert_null(dma_fence_array_create(1, with_null, 1, 1, false));
	berth_test_fail_nth(0);
	assert_reason(BERTH_REASON_OUT_OF_MEMORY);
	dma_fence_put(fence);
}

/* Points 10, 20, 30, 40; the works are the test's. */
static struct dma_fence *make_timeline(void)
{
	struct dma_fence *head = NULL;

	for (unsigned int i = 0; i < NR; i++) {
		works[i] = work_alone();
		head = add_link(head, dma_fence_get(works[i]), 10 * (i + 1));
	}
	return head;
}

static void a_chain_waits_for_what_is_before(void **state)
{
	struct dma_fence *head = make_timeline();
	struct note n = { .nr_calls = 0 };

	(void)state;
	assert_true(dma_fence_is_chain(head));
	assert_ptr_equal(dma_fence_chain_contained(head), works[3]);
	assert_ptr_equal(dma_fence_chain_contained(works[3]), works[3]);
	assert_null(to_dma_fence_chain(works[0]));
	assert_int_equal(dma_fence_add_callback(head, &n.cb, note), 0);
	dma_fence_signal(works[3]);
	dma_fence_signal(works[0]);
	assert_int_equal(dma_fence_wait_timeout(head, false, 5), 0);
	dma_fence_signal(works[2]);
	assert_int_equal(dma_fence_wait_timeout(head, false, 5), 0);
	assert_false(dma_fence_is_signaled(head));
	assert_int_equal(n.nr_calls, 0);
	dma_fence_signal(works[1]);
	assert_int_equal(dma_fence_wait(head, false), 0);
	assert_int_equal(n.nr_calls, 1);
	dma_fence_put(head);
	put_works();
}

static void points_of_a_timeline(void **state)
{
	struct dma_fence *head = make_timeline(), *at;

	(void)state;
	at = dma_fence_get(head);
	assert_int_equal(dma_fence_chain_find_seqno(&at, 0), 0);
	assert_ptr_equal(at, head);
	assert_int_equal(dma_fence_chain_find_seqno(&at, 41), -EINVAL);
	assert_reason(BERTH_REASON_ARGUMENT);
	assert_ptr_equal(at, head);
	assert_int_equal(dma_fence_chain_find_seqno(&at, 40), 0);
	assert_ptr_equal(at, head);
	assert_int_equal(dma_fence_chain_find_seqno(&at, 11), 0);
	assert_int_equal(at->seqno, 20);
	assert_int_equal(at->context, head->context);
	dma_fence_put(at);
	at = dma_fence_get(works[0]);
	assert_int_equal(dma_fence_chain_find_seqno(&at, 1), -EINVAL);
	dma_fence_put(at);
	/* Reached points are gone, and the next one stands for them. */
	dma_fence_signal(works[0]);
	dma_fence_signal(works[1]);
	at = dma_fence_get(head);
	assert_int_equal(dma_fence_chain_find_seqno(&at, 5), 0);
	assert_null(at);
	at = dma_fence_get(head);
	assert_int_equal(dma_fence_chain_find_seqno(&at, 25), 0);
	assert_int_equal(at->seqno, 30);
	assert_null(to_dma_fence_chain(at)->prev);
	dma_fence_put(at);
	assert_int_equal(kref_read(&works[0]->refcount), 1);
	dma_fence_signal(works[2]);
	dma_fence_signal(works[3]);
	assert_true(dma_fence_is_signaled(head));
	dma_fence_put(head);
	put_works();
}

static void points_out_of_order(void **state)
{
	struct dma_fence *first = add_link(NULL, dma_fence_get_stub(), 10);
	struct dma_fence *second = add_link(dma_fence_get(first), dma_fence_get_stub(), 5), *third;

	(void)state;
	assert_int_not_equal(first->context, second->context);
	assert_int_equal(second->seqno, 10);
	assert_int_equal(to_dma_fence_chain(second)->prev_seqno, 0);
	/* Behind a fence that is no link a timeline begins. */
	third = add_link(dma_fence_get_stub(), dma_fence_get_stub(), 3);
	assert_int_equal(third->seqno, 3);
	assert_true(dma_fence_is_signaled(third));
	dma_fence_put(first);
	dma_fence_put(second);
	dma_fence_put(third);
}

static struct dma_fence *make_long(struct dma_fence *last)
{
	struct dma_fence *head = NULL;

	for (uint64_t i = 1; i <= LONG; i++)
		head = add_link(head, dma_fence_get(last), i);
	return head;
}

static void *live_long(void *arg)
{
	struct dma_fence *last = work_alone(), *head = make_long(last), *at;

	(void)arg;
	dma_fence_enable_sw_signaling(head);
	dma_fence_signal(last);
	assert_int_equal(dma_fence_wait(head, false), 0);
	assert_null(to_dma_fence_chain(head)->prev);
	dma_fence_put(head);
	dma_fence_put(last);
	/* One that nobody signals. */
	last = work_alone();
	head = make_long(last);
	dma_fence_chain_for_each(at, head)
		if (at->seqno == LONG / 2)
			break;
	dma_fence_put(head);
	assert_int_equal(kref_read(&last->refcount), LONG / 2 + 1);
	dma_fence_put(at);
	assert_int_equal(kref_read(&last->refcount), 1);
	dma_fence_put(last);
	return NULL;
}

/* It is walked, signalled, and freed on a stack that is much shorter than it. */
static void a_long_chain(void **state)
{
	pthread_attr_t attr;
	pthread_t thread;

	(void)state;
	pthread_attr_init(&attr);
	assert_int_equal(pthread_attr_setstacksize(&attr, 256 << 10), 0);
	assert_int_equal(pthread_create(&thread, &attr, live_long, NULL), 0);
	pthread_join(thread, NULL);
	pthread_attr_destroy(&attr);
}

static void what_is_inside(void **state)
{
	struct dma_fence *head = add_link(work_alone(), &must_create(false)->base, 1), *fence;
	struct dma_fence_unwrap cursor;
	unsigned int nr = 0;

	(void)state;
	head = add_link(head, dma_fence_get_stub(), 2);
	dma_fence_unwrap_for_each(fence, &cursor, head) {
		assert_false(dma_fence_is_container(fence));
		nr++;
	}
	assert_int_equal(nr, 1 + NR + 1);
	nr = 0;
	dma_fence_unwrap_for_each(fence, &cursor, works[0])
		nr++;
	assert_int_equal(nr, 1);
	assert_null(dma_fence_unwrap_first(NULL, &cursor));
	dma_fence_put(head);
	put_works();
}

static void merged(void **state)
{
	struct dma_fence *early = work_new(1000, 1), *late = work_new(1000, 2);
	struct dma_fence *other = work_new(1001, 1), *done = work_alone(), *head, *all;
	struct dma_fence_array *array;
	bool failed = true;

	(void)state;
	dma_fence_signal(done);
	all = dma_fence_unwrap_merge(done, NULL);
	assert_ptr_equal(all, dma_fence_get_stub());
	dma_fence_put(all);
	dma_fence_put(all);
	all = dma_fence_unwrap_merge(late, done, early);
	assert_ptr_equal(all, late);
	dma_fence_put(all);
	head = add_link(dma_fence_get(early), dma_fence_get(other), 1);
	for (uint64_t n = 1; failed; n++) {
		berth_test_fail_nth(n);
		all = dma_fence_unwrap_merge(done, head, late);
		failed = berth_test_failed();
		berth_test_fail_nth(0);
		assert_true(failed || all);
		assert_true(!failed || !all);
		assert_int_equal(kref_read(&early->refcount), 2);
	}
	array = to_dma_fence_array(all);
	assert_non_null(array);
	assert_int_equal(array->num_fences, 2);
	assert_ptr_equal(array->fences[0], late);
	assert_ptr_equal(array->fences[1], other);
	dma_fence_put(all);
	dma_fence_put(head);
	dma_fence_put(early);
	dma_fence_put(late);
	dma_fence_put(other);
	dma_fence_put(done);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		fence_test(an_array_waits_for_all),
		fence_test(an_array_waits_for_any),
		fence_test(arrays_that_are_ready),
		fence_test(arrays_of_arrays),
		fence_test(fences_that_share_a_lock),
		fence_test(a_container_with_a_deadline),
		fence_test(signalling_allocates_nothing),
		fence_test(bad_arrays),
		fence_test(a_chain_waits_for_what_is_before),
		fence_test(points_of_a_timeline),
		fence_test(points_out_of_order),
		fence_test(a_long_chain),
		fence_test(what_is_inside),
		fence_test(merged),
	};

	return cmocka_run_group_tests_name("dma_fence_containers", tests, NULL, NULL);
}
