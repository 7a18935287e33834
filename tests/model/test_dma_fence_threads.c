// SPDX-License-Identifier: BSD-2-Clause
/* Fences under threads that signal, wait, add and remove callbacks, chain, and drop references at random. */
#include "fence.h"

#include <fcntl.h>
#include <pthread.h>
#include <sched.h>

#include <berth/dma-fence-array.h>
#include <berth/dma-fence-chain.h>
#include <berth/dma-fence-unwrap.h>
#include <berth/dma-resv.h>

#define THREADS 4u
#define SLOTS 6u
#define ROUNDS 3000u

/* Fences that all threads see, with a reference each. */
static struct slot {
	pthread_mutex_t lock;
	struct dma_fence *fence;
} slots[SLOTS];
static struct dma_resv resvs[4];
static uint32_t wrong_line, nr_added, nr_called, nr_removed;

/* Not cmocka's: it is called by any thread. One of the lines that were wrong is told. */
#define must(condition)                                                            \
	do {                                                                       \
		if (!(condition))                                                  \
			__atomic_store_n(&wrong_line, __LINE__, __ATOMIC_RELAXED); \
	} while (0)

static uint32_t pick(uint32_t *seed, uint32_t below)
{
	*seed = *seed * 1664525u + 1013904223u;
	return (*seed >> 8) % below;
}

static struct dma_fence *look(uint32_t *seed)
{
	struct slot *slot = &slots[pick(seed, SLOTS)];
	struct dma_fence *fence;

	pthread_mutex_lock(&slot->lock);
	fence = dma_fence_get(slot->fence);
	pthread_mutex_unlock(&slot->lock);
	return fence ? fence : dma_fence_get_stub();
}

/* Its reference is the slot's from now on. */
static void show(uint32_t *seed, struct dma_fence *fence)
{
	struct slot *slot = &slots[pick(seed, SLOTS)];
	struct dma_fence *old;

	pthread_mutex_lock(&slot->lock);
	old = slot->fence;
	slot->fence = fence;
	pthread_mutex_unlock(&slot->lock);
	dma_fence_put(old);
}

/* A timer signals it, if nobody does so before. */
static struct dma_fence *make_work(uint32_t *seed)
{
	/* They end in any order, which those of one context must not. */
	struct dma_fence *fence = work_alone();

	work_of(fence)->is_refused = !pick(seed, 16);
	signal_in(fence, pick(seed, 4));
	if (!pick(seed, 4))
		berth_dma_fence_set_deadline(fence, "thread",
					     ktime_get_ns() + pick(seed, 3) * NSEC_PER_MSEC);
	return fence;
}

static struct dma_fence *make_array(uint32_t *seed)
{
	struct dma_fence **fences = kcalloc(3, sizeof(struct dma_fence *), GFP_KERNEL);

	/* No array in an array: a fence could be in it many times over. */
	for (int i = 0; i < 3; i++)
		fences[i] = make_work(seed);
	return &dma_fence_array_create(3, fences, dma_fence_context_alloc(1), 1, pick(seed, 2))
			->base;
}

static struct dma_fence *make_link(uint32_t *seed)
{
	struct dma_fence_chain *chain = dma_fence_chain_alloc();
	struct dma_fence *prev = look(seed);

	dma_fence_chain_init(chain, prev, pick(seed, 2) ? make_work(seed) : make_array(seed),
			     prev->seqno + 1);
	return &chain->base;
}

/* Lies on the stack of who removes it, or is freed when it is called. */
struct once {
	struct dma_fence_cb cb;
	uint32_t nr_calls;
	bool is_own;
};

static void call_once(struct dma_fence *fence, struct dma_fence_cb *cb)
{
	struct once *once = container_of(cb, struct once, cb);

	__atomic_fetch_add(&nr_called, 1, __ATOMIC_RELAXED);
	must(__atomic_fetch_add(&once->nr_calls, 1, __ATOMIC_RELAXED) == 0);
	if (once->is_own) {
		free(once);
		dma_fence_put(fence);
	}
}

static void add_and_remove(struct dma_fence *fence, uint32_t *seed)
{
	struct once once = { .is_own = false };
	int err = dma_fence_add_callback(fence, &once.cb, call_once);

	if (err) {
		must(err == -ENOENT && dma_fence_is_signaled(fence));
		return;
	}
	__atomic_fetch_add(&nr_added, 1, __ATOMIC_RELAXED);
	if (pick(seed, 2))
		sched_yield();
	if (dma_fence_remove_callback(fence, &once.cb)) {
		must(once.nr_calls == 0);
		__atomic_fetch_add(&nr_removed, 1, __ATOMIC_RELAXED);
	} else {
		must(once.nr_calls == 1);
	}
}

/* The callback has a reference, which it gives up. */
static void add_and_forget(struct dma_fence *fence)
{
	struct once *once = calloc(1, sizeof(*once));

	once->is_own = true;
	if (dma_fence_add_callback(dma_fence_get(fence), &once->cb, call_once)) {
		dma_fence_put(fence);
		free(once);
		return;
	}
	__atomic_fetch_add(&nr_added, 1, __ATOMIC_RELAXED);
}

static void wait_some(struct dma_fence *fence, uint32_t *seed)
{
	struct dma_fence *fences[3] = { fence, look(seed), look(seed) };
	uint32_t idx = 0;
	long left = pick(seed, 2)
			    ? dma_fence_wait_timeout(fence, true, pick(seed, 4))
			    : dma_fence_wait_any_timeout(fences, 3, true, pick(seed, 4), &idx);

	must(left >= 0 && (!left || dma_fence_is_signaled(fences[idx])));
	dma_fence_put(fences[1]);
	dma_fence_put(fences[2]);
}

static void merge(struct dma_fence *fence, uint32_t *seed)
{
	struct dma_fence *with = look(seed), *all = dma_fence_unwrap_merge(fence, with);

	must(all);
	must(dma_fence_wait_timeout(all, true, 100000) > 0);
	/* An array of the same fences is told by callbacks of its own, perhaps a moment later. */
	must(dma_fence_wait_timeout(fence, true, 100000) > 0);
	must(dma_fence_wait_timeout(with, true, 100000) > 0);
	dma_fence_put(all);
	dma_fence_put(with);
}

static void reserve(struct dma_fence *fence, uint32_t *seed)
{
	struct dma_resv *resv = &resvs[pick(seed, ARRAY_SIZE(resvs))];

	must(!dma_resv_lock(resv, NULL));
	must(!dma_resv_reserve_fences(resv, 1 + pick(seed, 3)));
	must(!dma_resv_add_fence(resv, fence, pick(seed, 4)));
	if (!pick(seed, 8))
		dma_resv_replace_fences(resv, fence->context, fence, DMA_RESV_USAGE_READ);
	dma_resv_unlock(resv);
}

static void read_reserved(uint32_t *seed)
{
	struct dma_resv *resv = &resvs[pick(seed, ARRAY_SIZE(resvs))];
	struct dma_fence *all;

	if (pick(seed, 2)) {
		must(dma_resv_wait_timeout(resv, pick(seed, 4), true, pick(seed, 3)) >= 0);
	} else {
		must(!dma_resv_get_singleton(resv, pick(seed, 4), &all));
		dma_fence_put(all);
	}
}

static void do_something(uint32_t *seed)
{
	struct dma_fence *fence = look(seed);
	uint32_t what = pick(seed, 16);

	if (what < 2)
		show(seed, make_work(seed));
	else if (what == 2)
		show(seed, make_array(seed));
	else if (what < 5)
		show(seed, make_link(seed));
	else if (what < 7 && !dma_fence_is_container(fence))
		dma_fence_signal(fence);
	else if (what < 9)
		add_and_remove(fence, seed);
	else if (what == 9)
		add_and_forget(fence);
	else if (what < 12)
		wait_some(fence, seed);
	else if (what == 12)
		merge(fence, seed);
	else if (what == 13)
		reserve(fence, seed);
	else if (what == 14)
		read_reserved(seed);
	else
		must(dma_fence_get_status(fence) >= -ETIMEDOUT);
	dma_fence_put(fence);
}

static void *live(void *arg)
{
	uint32_t seed = (uint32_t)(uintptr_t)arg;

	for (unsigned int i = 0; i < ROUNDS; i++)
		do_something(&seed);
	return NULL;
}

static void run_all(void *(*function)(void *))
{
	pthread_t threads[THREADS];

	for (uintptr_t i = 0; i < THREADS; i++)
		assert_int_equal(pthread_create(&threads[i], NULL, function, (void *)(i + 1)), 0);
	for (unsigned int i = 0; i < THREADS; i++)
		pthread_join(threads[i], NULL);
}

static void at_random(void **state)
{
	int console = dup(STDERR_FILENO), nowhere = open("/dev/null", O_WRONLY);
	unsigned int i;

	(void)state;
	wrong_line = nr_added = nr_called = nr_removed = 0;
	for (i = 0; i < SLOTS; i++)
		pthread_mutex_init(&slots[i].lock, NULL);
	for (i = 0; i < ARRAY_SIZE(resvs); i++)
		dma_resv_init(&resvs[i]);
	dup2(nowhere, STDERR_FILENO); /* deadlines are told */
	run_all(live);
	for (i = 0; i < SLOTS; i++) {
		dma_fence_put(slots[i].fence);
		slots[i].fence = NULL;
	}
	for (i = 0; i < ARRAY_SIZE(resvs); i++)
		dma_resv_fini(&resvs[i]);
	/* Every work has a timer that signals it; then nothing is left. */
	for (i = 0; i < 1000 && __atomic_load_n(&nr_works, __ATOMIC_ACQUIRE); i++)
		msleep(1);
	dup2(console, STDERR_FILENO);
	close(console);
	close(nowhere);
	assert_int_equal(wrong_line, 0);
	assert_int_equal(nr_works, 0);
	assert_int_equal(nr_called + nr_removed, nr_added);
	assert_true(nr_called && nr_removed);
}

/* One fence after the other: a thread signals it and drops its reference, the others wait and drop theirs. */
static struct dma_fence *turns[500];
static size_t results[ARRAY_SIZE(turns)]; /* plain: the fence alone orders them */

static void *take_turns(void *arg)
{
	uintptr_t me = (uintptr_t)arg;

	for (size_t i = 0; i < ARRAY_SIZE(turns); i++) {
		if (me == 1) {
			results[i] = i;
			must(dma_fence_signal(turns[i]) == 0);
		} else if (me == 2) {
			while (!dma_fence_is_signaled(turns[i]))
				usleep_range(10, 20);
			must(results[i] == i);
		} else {
			must(dma_fence_wait_timeout(turns[i], false, 1000000) > 0);
			must(results[i] == i);
		}
		dma_fence_put(turns[i]);
	}
	return NULL;
}

static void the_last_to_leave_frees(void **state)
{
	(void)state;
	wrong_line = 0;
	for (size_t i = 0; i < ARRAY_SIZE(turns); i++) {
		results[i] = SIZE_MAX;
		turns[i] = work_alone();
		for (unsigned int n = 1; n < THREADS; n++)
			dma_fence_get(turns[i]);
	}
	run_all(take_turns);
	assert_int_equal(wrong_line, 0);
	assert_int_equal(nr_works, 0);
}

/* Plain variables: the locks alone keep them right. */
static uint32_t nr_locked[ARRAY_SIZE(resvs)];

/* Takes those from @first on, @nr of them, in a ring. -EDEADLK: begins with the one that it did not get. */
static void lock_some(struct ww_acquire_ctx *ctx, unsigned int first, unsigned int nr,
		      uint32_t *nr_died)
{
	const unsigned int none = ARRAY_SIZE(resvs);
	unsigned int slow = none, n, at;

	do {
		int err = 0;

		if (slow != none)
			dma_resv_lock_slow(&resvs[slow], ctx);
		for (n = 0; n < nr && !err; n++) {
			at = (first + n) % none;
			err = at == slow ? 0 : dma_resv_lock(&resvs[at], ctx);
		}
		if (!err)
			return;
		must(err == -EDEADLK);
		__atomic_fetch_add(nr_died, 1, __ATOMIC_RELAXED);
		for (n -= 1; n--;)
			if ((first + n) % none != slow)
				dma_resv_unlock(&resvs[(first + n) % none]);
		if (slow != none)
			dma_resv_unlock(&resvs[slow]);
		slow = at;
	} while (true);
}

static uint32_t nr_died;

static void *lock_at_random(void *arg)
{
	uint32_t seed = (uint32_t)(uintptr_t)arg;

	for (unsigned int i = 0; i < ROUNDS; i++) {
		unsigned int first = pick(&seed, 4), nr = 1 + pick(&seed, 4);
		struct ww_acquire_ctx ctx;

		ww_acquire_init(&ctx, &reservation_ww_class);
		lock_some(&ctx, first, nr, &nr_died);
		ww_acquire_done(&ctx);
		for (unsigned int n = 0; n < nr; n++)
			nr_locked[(first + n) % 4]++;
		if (!pick(&seed, 4))
			sched_yield();
		for (unsigned int n = 0; n < nr; n++) {
			__atomic_fetch_add(&nr_added, 1, __ATOMIC_RELAXED);
			dma_resv_unlock(&resvs[(first + n) % 4]);
		}
		must(!ctx.acquired);
		ww_acquire_fini(&ctx);
	}
	return NULL;
}

static void locks_in_any_order(void **state)
{
	uint32_t sum = 0;

	(void)state;
	wrong_line = nr_added = 0;
	memset(nr_locked, 0, sizeof(nr_locked));
	for (unsigned int i = 0; i < ARRAY_SIZE(resvs); i++)
		dma_resv_init(&resvs[i]);
	run_all(lock_at_random);
	for (unsigned int i = 0; i < ARRAY_SIZE(resvs); i++) {
		sum += nr_locked[i];
		assert_false(dma_resv_is_locked(&resvs[i]));
		dma_resv_fini(&resvs[i]);
	}
	assert_int_equal(wrong_line, 0);
	assert_int_equal(sum, nr_added);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		fence_test(at_random),
		fence_test(the_last_to_leave_frees),
		fence_test(locks_in_any_order),
	};

	return cmocka_run_group_tests_name("dma_fence_threads", tests, NULL, NULL);
}
