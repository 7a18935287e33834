// SPDX-License-Identifier: BSD-2-Clause
/* The fences of a buffer. Items are those of docs/semantics.md. */
#include "fence.h"

#include <berth/dma-fence-array.h>
#include <berth/dma-resv.h>

static struct dma_resv resv, other;

static void begin(void)
{
	dma_resv_init(&resv);
	dma_resv_init(&other);
	assert_int_equal(dma_resv_lock(&resv, NULL), 0);
}

static void end(void)
{
	dma_resv_unlock(&resv);
	dma_resv_fini(&resv);
	dma_resv_fini(&other);
}

/* Its reference is the reservation's from now on. */
static struct dma_fence *add(struct dma_fence *fence, enum dma_resv_usage usage)
{
	assert_int_equal(dma_resv_reserve_fences(&resv, 1), 0);
	assert_int_equal(dma_resv_add_fence(&resv, fence, usage), 0);
	dma_fence_put(fence);
	return fence;
}

static unsigned int nr_found(enum dma_resv_usage usage)
{
	struct dma_resv_iter cursor;
	struct dma_fence *fence;
	unsigned int nr = 0;

	dma_resv_for_each_fence(&cursor, &resv, usage, fence) {
		assert_true(dma_resv_iter_usage(&cursor) <= usage);
		assert_int_equal(dma_resv_iter_is_restarted(&cursor), nr == 0);
		nr++;
	}
	return nr;
}

static void item_52_room_first(void **state)
{
	struct dma_fence *fence = work_alone();

	(void)state;
	begin();
	assert_int_equal(dma_resv_add_fence(&resv, fence, DMA_RESV_USAGE_READ), -ENOSPC);
	assert_reason(BERTH_REASON_STATE);
	assert_int_equal(dma_resv_reserve_fences(&resv, 0), -EINVAL);
	assert_reason(BERTH_REASON_ARGUMENT);
	assert_int_equal(dma_resv_reserve_fences(&resv, UINT32_MAX), -ENOMEM);
	assert_reason(BERTH_REASON_TOO_LARGE);
	assert_int_equal(dma_resv_reserve_fences(&resv, 20), 0);
	assert_int_equal(dma_resv_add_fence(&resv, NULL, DMA_RESV_USAGE_READ), -EINVAL);
	/* Nothing is allocated from here on. */
	berth_test_fail_nth(1);
	for (int i = 0; i < 20; i++) {
		struct dma_fence *one = work_alone();

		assert_int_equal(dma_resv_add_fence(&resv, one, DMA_RESV_USAGE_READ), 0);
		dma_fence_put(one);
	}
	assert_false(berth_test_failed());
	assert_int_equal(dma_resv_add_fence(&resv, fence, DMA_RESV_USAGE_READ), -ENOSPC);
	assert_int_equal(dma_resv_reserve_fences(&resv, 1), -ENOMEM);
	berth_test_fail_nth(0);
	assert_int_equal(nr_found(DMA_RESV_USAGE_BOOKKEEP), 20);
	dma_resv_unlock(&resv);
	assert_int_equal(dma_resv_reserve_fences(&resv, 1), -EPERM);
	assert_reason(BERTH_REASON_STATE);
	assert_int_equal(dma_resv_add_fence(&resv, fence, DMA_RESV_USAGE_READ), -EPERM);
	assert_int_equal(dma_resv_copy_fences(&resv, &other), -EPERM);
	assert_true(dma_resv_trylock(&resv));
	assert_false(dma_resv_trylock(&resv));
	end();
	dma_fence_put(fence);
}

static void item_52_later_for_earlier(void **state)
{
	(void)state;
	begin();
	add(work_new(50, 1), DMA_RESV_USAGE_READ);
	add(work_new(50, 2), DMA_RESV_USAGE_READ);
	assert_int_equal(nr_found(DMA_RESV_USAGE_BOOKKEEP), 1);
	/* A write covers a read, not the other way round. */
	add(work_new(50, 3), DMA_RESV_USAGE_WRITE);
	assert_int_equal(nr_found(DMA_RESV_USAGE_WRITE), 1);
	assert_int_equal(nr_found(DMA_RESV_USAGE_BOOKKEEP), 1);
	add(work_new(50, 4), DMA_RESV_USAGE_READ);
	assert_int_equal(nr_found(DMA_RESV_USAGE_WRITE), 1);
	assert_int_equal(nr_found(DMA_RESV_USAGE_BOOKKEEP), 2);
	/* An earlier one covers nothing. */
	add(work_new(50, 2), DMA_RESV_USAGE_READ);
	assert_int_equal(nr_found(DMA_RESV_USAGE_BOOKKEEP), 3);
	add(work_new(51, 9), DMA_RESV_USAGE_READ);
	assert_int_equal(nr_found(DMA_RESV_USAGE_BOOKKEEP), 4);
	end();
}

static void item_52_usages(void **state)
{
	static const enum dma_resv_usage usages[] = {
		DMA_RESV_USAGE_BOOKKEEP,
		DMA_RESV_USAGE_READ,
		DMA_RESV_USAGE_WRITE,
		DMA_RESV_USAGE_KERNEL,
	};
	struct dma_fence *fences[4];

	(void)state;
	assert_int_equal(dma_resv_usage_rw(true), DMA_RESV_USAGE_READ);
	assert_int_equal(dma_resv_usage_rw(false), DMA_RESV_USAGE_WRITE);
	begin();
	for (unsigned int i = 0; i < 4; i++)
		fences[i] = add(work_alone(), usages[i]);
	for (unsigned int i = 0; i < 4; i++) {
		assert_int_equal(nr_found(usages[i]), 4 - i);
		assert_false(dma_resv_test_signaled(&resv, usages[i]));
	}
	/* A reader does not wait for readers. */
	dma_fence_signal(fences[3]);
	dma_fence_signal(fences[2]);
	assert_true(dma_resv_test_signaled(&resv, dma_resv_usage_rw(false)));
	assert_false(dma_resv_test_signaled(&resv, dma_resv_usage_rw(true)));
	assert_int_equal(dma_resv_wait_timeout(&resv, dma_resv_usage_rw(false), true, 5), 5);
	assert_int_equal(dma_resv_wait_timeout(&resv, dma_resv_usage_rw(false), true, 0), 1);
	assert_int_equal(dma_resv_wait_timeout(&resv, dma_resv_usage_rw(true), true, 0), 0);
	assert_int_equal(dma_resv_wait_timeout(&resv, dma_resv_usage_rw(true), true, 5), 0);
	signal_in(fences[1], 5);
	assert_in_range(dma_resv_wait_timeout(&resv, dma_resv_usage_rw(true), true, 100000), 1,
			99996);
	signal_in(fences[0], 5);
	assert_true(dma_resv_wait_timeout(&resv, DMA_RESV_USAGE_BOOKKEEP, true, ULONG_MAX) > 0);
	end();
}

static void signalled_ones_make_room(void **state)
{
	struct dma_fence *fence;

	(void)state;
	begin();
	for (int i = 0; i < 100; i++) {
		fence = add(work_alone(), DMA_RESV_USAGE_WRITE);
		dma_fence_signal(fence);
		assert_true(nr_works <= 4);
	}
	end();
	assert_int_equal(nr_works, 0);
}

static void replaced(void **state)
{
	struct dma_fence *stub = dma_fence_get_stub(), *fence;

	(void)state;
	begin();
	add(work_new(60, 1), DMA_RESV_USAGE_BOOKKEEP);
	fence = add(work_new(61, 1), DMA_RESV_USAGE_BOOKKEEP);
	dma_resv_replace_fences(&resv, 60, fence, DMA_RESV_USAGE_READ);
	assert_int_equal(nr_works, 1);
	assert_int_equal(nr_found(DMA_RESV_USAGE_READ), 1);
	dma_resv_replace_fences(&resv, 61, stub, DMA_RESV_USAGE_BOOKKEEP);
	assert_int_equal(nr_works, 0);
	assert_true(dma_resv_test_signaled(&resv, DMA_RESV_USAGE_BOOKKEEP));
	dma_resv_replace_fences(&other, 61, stub, DMA_RESV_USAGE_BOOKKEEP);
	end();
	dma_fence_put(stub);
}

static void an_iteration_begins_anew(void **state)
{
	struct dma_resv_iter cursor;
	struct dma_fence *first, *fence;

	(void)state;
	begin();
	first = add(work_alone(), DMA_RESV_USAGE_READ);
	add(work_alone(), DMA_RESV_USAGE_READ);
	dma_resv_iter_begin(&cursor, &resv, DMA_RESV_USAGE_READ);
	fence = dma_resv_iter_first_unlocked(&cursor);
	assert_ptr_equal(fence, first);
	assert_true(dma_resv_iter_is_restarted(&cursor));
	assert_int_equal(kref_read(&fence->refcount), 2);
	assert_ptr_not_equal(dma_resv_iter_next_unlocked(&cursor), first);
	assert_false(dma_resv_iter_is_restarted(&cursor));
	assert_int_equal(kref_read(&fence->refcount), 1);
	/* The list is replaced: it becomes longer. */
	assert_int_equal(dma_resv_reserve_fences(&resv, 100), 0);
	assert_ptr_equal(dma_resv_iter_next_unlocked(&cursor), first);
	assert_true(dma_resv_iter_is_restarted(&cursor));
	/* Signalled ones are passed over, and what was found stays while it is looked at. */
	dma_fence_signal(first);
	dma_resv_replace_fences(&resv, first->context, dma_fence_get_stub(), DMA_RESV_USAGE_READ);
	dma_fence_put(dma_fence_get_stub());
	dma_fence_put(dma_fence_get_stub());
	assert_int_equal(kref_read(&first->refcount), 1);
	assert_non_null(dma_resv_iter_next_unlocked(&cursor));
	assert_int_equal(nr_works, 1);
	assert_null(dma_resv_iter_next_unlocked(&cursor));
	dma_resv_iter_end(&cursor);
	end();
}

static void all_at_once(void **state)
{
	struct dma_fence **fences, *one, *done;
	bool failed = true;
	unsigned int nr;

	(void)state;
	begin();
	assert_int_equal(dma_resv_get_fences(&resv, DMA_RESV_USAGE_READ, &nr, &fences), 0);
	assert_int_equal(nr, 0);
	assert_null(fences);
	assert_int_equal(dma_resv_get_singleton(&resv, DMA_RESV_USAGE_READ, &one), 0);
	assert_null(one);
	done = add(work_alone(), DMA_RESV_USAGE_WRITE);
	dma_fence_signal(done);
	assert_int_equal(dma_resv_get_fences(&resv, DMA_RESV_USAGE_READ, &nr, &fences), 0);
	assert_int_equal(nr, 0);
	done = add(work_alone(), DMA_RESV_USAGE_WRITE);
	assert_int_equal(dma_resv_get_singleton(&resv, DMA_RESV_USAGE_READ, &one), 0);
	assert_ptr_equal(one, done);
	dma_fence_put(one);
	add(work_alone(), DMA_RESV_USAGE_READ);
	add(work_alone(), DMA_RESV_USAGE_BOOKKEEP);
	for (uint64_t n = 1; failed; n++) {
		int err;

		berth_test_fail_nth(n);
		err = dma_resv_get_singleton(&resv, DMA_RESV_USAGE_READ, &one);
		failed = berth_test_failed();
		berth_test_fail_nth(0);
		assert_int_equal(err, failed ? -ENOMEM : 0);
		assert_int_equal(!one, failed);
	}
	assert_int_equal(to_dma_fence_array(one)->num_fences, 2);
	dma_fence_put(one);
	dma_resv_unlock(&resv);
	assert_int_equal(dma_resv_lock(&other, NULL), 0);
	berth_test_fail_nth(1);
	assert_int_equal(dma_resv_copy_fences(&other, &resv), -ENOMEM);
	berth_test_fail_nth(0);
	assert_int_equal(dma_resv_copy_fences(&other, &resv), 0);
	assert_false(dma_resv_test_signaled(&other, DMA_RESV_USAGE_WRITE));
	assert_int_equal(dma_resv_get_fences(&other, DMA_RESV_USAGE_BOOKKEEP, &nr, &fences), 0);
	assert_int_equal(nr, 3);
	while (nr--)
		dma_fence_put(fences[nr]);
	kfree(fences);
	dma_resv_unlock(&other);
	assert_int_equal(dma_resv_lock(&resv, NULL), 0);
	end();
}

static void described(void **state)
{
	char text[200], little[4];

	(void)state;
	begin();
	assert_int_equal(berth_dma_resv_describe(&resv, text, sizeof(text)), 0);
	assert_string_equal(text, "");
	add(work_new(5, 6), DMA_RESV_USAGE_WRITE);
	add(work_new(7, 8), DMA_RESV_USAGE_KERNEL);
	assert_int_equal(berth_dma_resv_describe(&resv, text, sizeof(text)),
			 strlen("write: worker line 5:6 not signalled\n"
				"kernel: worker line 7:8 not signalled\n"));
	assert_string_equal(text, "write: worker line 5:6 not signalled\n"
				  "kernel: worker line 7:8 not signalled\n");
	assert_true(berth_dma_resv_describe(&resv, little, sizeof(little)) > 50);
	assert_string_equal(little, "wri");
	end();
}

/* Wait-die: the younger one gives way, unless it holds nothing. */
static void locks_in_any_order(void **state)
{
	struct ww_acquire_ctx old, young, never = { 0 };

	(void)state;
	dma_resv_init(&resv);
	dma_resv_init(&other);
	ww_acquire_init(&old, &reservation_ww_class);
	ww_acquire_init(&young, &reservation_ww_class);
	assert_int_equal(dma_resv_lock(&resv, &never), -EINVAL);
	assert_reason(BERTH_REASON_STATE);
	assert_int_equal(dma_resv_lock(&resv, &old), 0);
	assert_ptr_equal(dma_resv_locking_ctx(&resv), &old);
	assert_int_equal(dma_resv_lock(&resv, &old), -EALREADY);
	assert_int_equal(dma_resv_lock_interruptible(&other, &young), 0);
	assert_int_equal(dma_resv_lock(&resv, &young), -EDEADLK);
	assert_true(dma_resv_is_locked(&resv));
	dma_resv_unlock(&other);
	assert_int_equal(dma_resv_lock(&other, &old), 0);
	ww_acquire_done(&old);
	dma_resv_unlock(&resv);
	assert_int_equal(dma_resv_lock(&resv, &old), -EINVAL);
	dma_resv_lock_slow(&resv, &young);
	assert_int_equal(dma_resv_lock(&other, &young), -EDEADLK);
	dma_resv_unlock(&other);
	ww_acquire_fini(&old);
	assert_int_equal(dma_resv_lock(&other, &young), 0);
	dma_resv_unlock(&other);
	dma_resv_unlock(&resv);
	assert_false(dma_resv_is_locked(&resv));
	ww_acquire_fini(&young);
	assert_int_equal(dma_resv_lock(&other, &young), -EINVAL);
	dma_resv_fini(&resv);
	dma_resv_fini(&other);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		fence_test(item_52_room_first), fence_test(item_52_later_for_earlier),
		fence_test(item_52_usages),	fence_test(signalled_ones_make_room),
		fence_test(replaced),		fence_test(an_iteration_begins_anew),
		fence_test(all_at_once),	fence_test(described),
		fence_test(locks_in_any_order),
	};

	return cmocka_run_group_tests_name("dma_resv", tests, NULL, NULL);
}
