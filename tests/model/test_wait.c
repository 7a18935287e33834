/* SPDX-License-Identifier: BSD-2-Clause */
/* Timers, completions, interrupts and locks: on virtual time, and between real threads. */
#include "machine.h"

#include <pthread.h>
#include <sched.h>

#include <unistd.h>

#include <berth/completion.h>
#include <berth/interrupt.h>
#include <berth/spinlock.h>
#include <berth/timer.h>

static uint64_t fired_at[8];
static int fired;

static void note_time(struct timer_list *timer)
{
	(void)timer;
	fired_at[fired++ % 8] = ktime_get_ns();
}

static void timers_fire_in_order(void **state)
{
	struct timer_list timers[4];
	uint64_t start;

	(void)state;
	must_start(tree_minimal, NULL, NULL);
	fired = 0;
	start = ktime_get_ns();
	for (int i = 0; i < 4; i++)
		timer_setup(&timers[i], note_time, 0);
	assert_int_equal(berth_mod_timer_ns(&timers[0], start + 3000000), 0);
	assert_int_equal(berth_mod_timer_ns(&timers[1], start + 1000000), 0);
	assert_int_equal(berth_mod_timer_ns(&timers[2], start + 2000000), 0);
	assert_int_equal(berth_mod_timer_ns(&timers[3], start + 9000000), 0);
	assert_int_equal(berth_mod_timer_ns(&timers[0], start + 4000000), 1);
	assert_true(timer_pending(&timers[3]));
	assert_int_equal(del_timer(&timers[3]), 1);
	assert_int_equal(del_timer(&timers[3]), 0);
	msleep(20);
	assert_int_equal(fired, 3);
	for (int i = 0; i < 3; i++)
		assert_in_range(fired_at[i], start + (unsigned)(i == 2 ? 4 : i + 1) * 1000000,
				start + 20000000);
	assert_true(fired_at[0] < fired_at[1] && fired_at[1] < fired_at[2]);
	assert_int_equal(del_timer_sync(&timers[0]), 0);
	must_stop();
}

static void restart(struct timer_list *timer)
{
	if (++fired < 5)
		mod_timer(timer, jiffies + 1);
}

static void a_timer_may_start_itself_again(void **state)
{
	struct timer_list timer;

	(void)state;
	must_start(tree_minimal, NULL, NULL);
	fired = 0;
	timer_setup(&timer, restart, 0);
	mod_timer(&timer, jiffies + 1);
	msleep(50);
	assert_int_equal(fired, 5);
	must_stop();
}

static int depth, deepest;

/* Due again at once; and another CPU's alarm goes off, which is told from here. */
static void is_not_entered_again(struct timer_list *timer)
{
	if (++depth > deepest)
		deepest = depth;
	if (++fired < 5) {
		berth_mod_timer_ns(timer, 0);
		berth_timer_handle();
	}
	depth--;
}

static void a_timer_runs_once_at_a_time(void **state)
{
	struct timer_list timer;

	(void)state;
	must_start(tree_minimal, NULL, NULL);
	fired = depth = deepest = 0;
	timer_setup(&timer, is_not_entered_again, 0);
	mod_timer(&timer, jiffies + 1);
	msleep(50);
	assert_int_equal(fired, 5);
	assert_int_equal(deepest, 1);
	must_stop();
}

static void a_sleep_without_a_machine_ends(void **state)
{
	(void)state;
	alarm(10);
	msleep(1);
	alarm(0);
}

static int irqs, irq_depth, irq_deepest;

static irqreturn_t count_edge(int irq, void *data)
{
	bool *is_told_again = data;

	if (++irq_depth > irq_deepest)
		irq_deepest = irq_depth;
	irqs++;
	if (*is_told_again) {
		*is_told_again = false;
		berth_irq_handle((unsigned int)irq); /* as another CPU would */
	}
	irq_depth--;
	return IRQ_HANDLED;
}

/* An edge that arrives while its line is held back, or its handler runs, comes once, later. */
static void edges_are_not_lost(void **state)
{
	bool is_told_again = false;

	(void)state;
	must_start(tree_minimal, NULL, NULL);
	irqs = irq_depth = irq_deepest = 0;
	assert_int_equal(request_irq(50, count_edge, IRQF_TRIGGER_RISING, "edge", &is_told_again),
			 0);
	disable_irq(50);
	disable_irq(50);
	assert_true(berth_irq_handle(50));
	enable_irq(50);
	msleep(1);
	assert_int_equal(irqs, 0);
	enable_irq(50);
	msleep(1);
	assert_int_equal(irqs, 1);
	is_told_again = true;
	assert_true(berth_irq_handle(50));
	assert_int_equal(irqs, 3);
	assert_int_equal(irq_deepest, 1);
	free_irq(50, &is_told_again);

	/* A level that has gone was nothing. */
	assert_int_equal(request_irq(50, count_edge, 0, "level", &is_told_again), 0);
	disable_irq(50);
	assert_false(berth_irq_handle(50));
	enable_irq(50);
	msleep(1);
	assert_int_equal(irqs, 3);
	free_irq(50, &is_told_again);
	must_stop();
}

struct timed_completion {
	struct timer_list timer;
	struct completion done;
};

static void finish(struct timer_list *timer)
{
	complete(&container_of(timer, struct timed_completion, timer)->done);
}

static void completions_count(void **state)
{
	struct timed_completion tc;
	uint64_t before;

	(void)state;
	must_start(tree_minimal, NULL, NULL);
	init_completion(&tc.done);
	assert_false(try_wait_for_completion(&tc.done));
	assert_false(completion_done(&tc.done));
	complete(&tc.done);
	complete(&tc.done);
	assert_true(completion_done(&tc.done));
	wait_for_completion(&tc.done);
	assert_true(try_wait_for_completion(&tc.done));
	assert_false(try_wait_for_completion(&tc.done));

	before = ktime_get_ns();
	assert_int_equal(wait_for_completion_timeout(&tc.done, 25), 0);
	assert_in_range(ktime_get_ns() - before, 25000000, 26000000);

	timer_setup(&tc.timer, finish, 0);
	mod_timer(&tc.timer, jiffies + 10);
	assert_in_range(wait_for_completion_timeout(&tc.done, 1000), 980, 995);

	complete_all(&tc.done);
	wait_for_completion(&tc.done);
	assert_int_equal(wait_for_completion_timeout(&tc.done, 5), 5);
	reinit_completion(&tc.done);
	assert_false(completion_done(&tc.done));
	must_stop();
}

static void a_very_long_time_is_not_a_short_one(void **state)
{
	struct timed_completion tc;

	(void)state;
	must_start(tree_minimal, NULL, NULL);
	init_completion(&tc.done);
	timer_setup(&tc.timer, finish, 0);
	for (unsigned int bits = 40; bits < 63; bits++) {
		mod_timer(&tc.timer, jiffies + 10);
		assert_true(wait_for_completion_timeout(&tc.done, 1UL << bits) > 0);
	}
	must_stop();
}

static void delays_pass_virtual_time(void **state)
{
	uint64_t before;

	(void)state;
	must_start(tree_minimal, NULL, NULL);
	before = ktime_get_ns();
	udelay(100);
	assert_in_range(ktime_get_ns() - before, 100000, 110000);
	before = ktime_get_ns();
	msleep(3600 * 1000); /* an hour, at once */
	assert_true(ktime_get_ns() - before >= 3600ULL * NSEC_PER_SEC);
	must_stop();
}

/* Threads: the handlers run on whichever thread steps the model. */

#define THREADS 4
#define ROUNDS 2000

static DEFINE_SPINLOCK(counter_lock);
static long counter;
static struct completion turns[THREADS];

static void *count_under_lock(void *arg)
{
	unsigned long flags;

	for (int i = 0; i < ROUNDS; i++) {
		spin_lock_irqsave(&counter_lock, flags);
		counter++;
		if (i % 64 == 0)
			sched_yield(); /* injected: the lock is held for long, sometimes */
		spin_unlock_irqrestore(&counter_lock, flags);
	}
	return arg;
}

static void spinlocks_exclude_threads(void **state)
{
	pthread_t threads[THREADS];

	(void)state;
	must_start(tree_minimal, NULL, NULL);
	counter = 0;
	for (int i = 0; i < THREADS; i++)
		pthread_create(&threads[i], NULL, count_under_lock, NULL);
	for (int i = 0; i < THREADS; i++)
		pthread_join(threads[i], NULL);
	assert_int_equal(counter, THREADS * ROUNDS);
	must_stop();
}

static long baton;

static void *pass_the_baton(void *arg)
{
	long me = (long)(intptr_t)arg;

	for (int i = 0; i < 200; i++) {
		wait_for_completion(&turns[me]);
		baton++;
		complete(&turns[(me + 1) % THREADS]);
	}
	return NULL;
}

static void completions_order_threads(void **state)
{
	pthread_t threads[THREADS];

	(void)state;
	must_start(tree_minimal, NULL, NULL);
	baton = 0;
	for (int i = 0; i < THREADS; i++)
		init_completion(&turns[i]);
	for (long i = 0; i < THREADS; i++)
		pthread_create(&threads[i], NULL, pass_the_baton, (void *)(intptr_t)i);
	complete(&turns[0]);
	for (int i = 0; i < THREADS; i++)
		pthread_join(threads[i], NULL);
	assert_int_equal(baton, THREADS * 200);
	assert_true(try_wait_for_completion(&turns[0]));
	must_stop();
}

static struct completion *handed_over;

static void *complete_what_comes(void *arg)
{
	struct completion *x;

	for (int i = 0; i < ROUNDS; i++) {
		while (!(x = __atomic_exchange_n(&handed_over, NULL, __ATOMIC_ACQ_REL)))
			sched_yield();
		complete(x);
	}
	return arg;
}

/* The waiter may free it at once: a sanitizer sees who comes too late. */
static void a_completion_is_the_waiters_to_free(void **state)
{
	pthread_t thread;

	(void)state;
	must_start(tree_minimal, NULL, NULL);
	pthread_create(&thread, NULL, complete_what_comes, NULL);
	for (int i = 0; i < ROUNDS; i++) {
		struct completion *x = malloc(sizeof(*x));

		init_completion(x);
		__atomic_store_n(&handed_over, x, __ATOMIC_RELEASE);
		/* Half of them without sleeping. */
		while (i % 2 && !try_wait_for_completion(x))
			;
		if (!(i % 2))
			wait_for_completion(x);
		free(x);
	}
	pthread_join(thread, NULL);
	must_stop();
}

static void tick(struct timer_list *timer)
{
	unsigned long flags;

	spin_lock_irqsave(&counter_lock, flags);
	counter++;
	spin_unlock_irqrestore(&counter_lock, flags);
	mod_timer(timer, jiffies + 1);
}

static void *sleep_and_lock(void *arg)
{
	for (int i = 0; i < 200; i++) {
		unsigned long flags;

		msleep(1);
		spin_lock_irqsave(&counter_lock, flags);
		counter++;
		ktime_get_ns(); /* the port is called with the lock held: handlers must wait */
		spin_unlock_irqrestore(&counter_lock, flags);
	}
	return arg;
}

static void timers_run_beside_threads(void **state)
{
	struct timer_list timer;
	pthread_t threads[THREADS];

	(void)state;
	must_start(tree_minimal, NULL, NULL);
	counter = 0;
	timer_setup(&timer, tick, 0);
	mod_timer(&timer, jiffies + 1);
	for (int i = 0; i < THREADS; i++)
		pthread_create(&threads[i], NULL, sleep_and_lock, NULL);
	for (int i = 0; i < THREADS; i++)
		pthread_join(threads[i], NULL);
	del_timer_sync(&timer);
	assert_false(timer_pending(&timer));
	assert_true(counter > THREADS * 200);
	must_stop();
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(timers_fire_in_order),
		cmocka_unit_test(a_timer_may_start_itself_again),
		cmocka_unit_test(a_timer_runs_once_at_a_time),
		cmocka_unit_test(a_sleep_without_a_machine_ends),
		cmocka_unit_test(edges_are_not_lost),
		cmocka_unit_test(completions_count),
		cmocka_unit_test(a_very_long_time_is_not_a_short_one),
		cmocka_unit_test(delays_pass_virtual_time),
		cmocka_unit_test(spinlocks_exclude_threads),
		cmocka_unit_test(completions_order_threads),
		cmocka_unit_test(a_completion_is_the_waiters_to_free),
		cmocka_unit_test(timers_run_beside_threads),
	};

	return cmocka_run_group_tests_name("wait", tests, NULL, NULL);
}
