/* SPDX-License-Identifier: BSD-2-Clause */
/* Tasklets and mutexes, alone and under threads. */
#include "machine.h"

#include <pthread.h>

#include <berth/interrupt.h>
#include <berth/mutex.h>
#include <berth/timer.h>

#define THREADS 4
#define ROUNDS 2000

static struct counted {
	struct tasklet_struct tasklet;
	struct tasklet_struct *also; /* scheduled by this one */
	uint32_t nr_wanted; /* raised before it is scheduled */
	uint32_t nr_seen; /* what the last run saw of it */
	uint32_t nr_runs;
	uint32_t is_inside;
	uint32_t more; /* how often it schedules itself */
} counted[3];
static uint32_t nr_overlaps;

static void count(struct tasklet_struct *tasklet)
{
	struct counted *c = container_of(tasklet, struct counted, tasklet);

	if (__atomic_exchange_n(&c->is_inside, 1, __ATOMIC_RELAXED))
		__atomic_fetch_add(&nr_overlaps, 1, __ATOMIC_RELAXED);
	c->nr_seen = __atomic_load_n(&c->nr_wanted, __ATOMIC_RELAXED);
	c->nr_runs++;
	if (c->also)
		tasklet_schedule(c->also);
	if (c->more) {
		c->more--;
		tasklet_schedule(tasklet);
	}
	__atomic_store_n(&c->is_inside, 0, __ATOMIC_RELAXED);
}

static int start(void **state)
{
	(void)state;
	must_start(tree_minimal, NULL, NULL);
	memset(counted, 0, sizeof(counted));
	nr_overlaps = 0;
	for (size_t i = 0; i < ARRAY_SIZE(counted); i++)
		tasklet_setup(&counted[i].tasklet, count);
	return 0;
}

static int stop(void **state)
{
	(void)state;
	must_stop();
	return 0;
}

static void once_for_many(void **state)
{
	unsigned long flags;

	(void)state;
	tasklet_kill(&counted[0].tasklet);
	local_irq_save(flags);
	for (int i = 0; i < 5; i++) {
		tasklet_schedule(&counted[0].tasklet);
		assert_int_equal(counted[0].nr_runs, 0);
	}
	tasklet_schedule(&counted[1].tasklet);
	local_irq_restore(flags);
	assert_int_equal(counted[0].nr_runs, 1);
	assert_int_equal(counted[1].nr_runs, 1);
	tasklet_schedule(&counted[0].tasklet);
	tasklet_kill(&counted[0].tasklet);
	assert_int_equal(counted[0].nr_runs, 2);
}

static void from_itself_and_from_another(void **state)
{
	(void)state;
	counted[0].more = 1000;
	counted[0].also = &counted[1].tasklet;
	counted[1].also = &counted[2].tasklet;
	tasklet_schedule(&counted[0].tasklet);
	while (__atomic_load_n(&counted[0].tasklet.state, __ATOMIC_ACQUIRE))
		usleep_range(10, 20);
	tasklet_kill(&counted[0].tasklet);
	tasklet_kill(&counted[1].tasklet);
	tasklet_kill(&counted[2].tasklet);
	assert_int_equal(counted[0].nr_runs, 1001);
	assert_int_equal(counted[1].nr_runs, 1001);
	assert_int_equal(counted[2].nr_runs, 1001);
}

/* What it was scheduled for is done, and no more follows. */
static void one_that_never_ends_is_killed(void **state)
{
	unsigned long flags;
	uint32_t nr;

	(void)state;
	counted[0].more = UINT32_MAX;
	for (int i = 0; i < 10; i++) {
		nr = counted[0].nr_runs;
		local_irq_save(flags);
		tasklet_schedule(&counted[1].tasklet);
		tasklet_schedule(&counted[0].tasklet);
		local_irq_restore(flags);
		tasklet_kill(&counted[0].tasklet);
		tasklet_kill(&counted[1].tasklet);
		assert_true(counted[0].nr_runs > nr);
		nr = counted[0].nr_runs;
		usleep_range(100, 100);
		assert_int_equal(counted[0].nr_runs, nr);
		assert_int_equal(counted[1].nr_runs, i + 1);
	}
}

static void in_handler(struct timer_list *timer)
{
	(void)timer;
	tasklet_schedule(&counted[0].tasklet);
	/* When the last handler has returned. */
	assert_int_equal(counted[0].nr_runs, 0);
}

static void behind_the_handler(void **state)
{
	struct timer_list timer;

	(void)state;
	timer_setup(&timer, in_handler, 0);
	berth_mod_timer_ns(&timer, 0);
	usleep_range(1, 1);
	assert_int_equal(counted[0].nr_runs, 1);
	del_timer_sync(&timer);
}

static void one_that_is_left_is_forgotten(void **state)
{
	unsigned long flags;

	(void)state;
	local_irq_save(flags);
	tasklet_schedule(&counted[0].tasklet);
	must_stop();
	local_irq_restore(flags);
	must_start(tree_minimal, NULL, NULL);
	tasklet_setup(&counted[0].tasklet, count);
	tasklet_schedule(&counted[0].tasklet);
	tasklet_kill(&counted[0].tasklet);
	assert_int_equal(counted[0].nr_runs, 1);
}

static DEFINE_MUTEX(mutex);
static unsigned int under_mutex;

static void *schedule(void *data)
{
	(void)data;
	for (unsigned int i = 0; i < ROUNDS; i++) {
		for (size_t j = 0; j < ARRAY_SIZE(counted); j++) {
			__atomic_fetch_add(&counted[j].nr_wanted, 1, __ATOMIC_RELAXED);
			tasklet_schedule(&counted[j].tasklet);
		}
		mutex_lock(&mutex);
		under_mutex++;
		if (i % 64 == 0)
			usleep_range(1, 1);
		mutex_unlock(&mutex);
	}
	return NULL;
}

static void threads(void **state)
{
	pthread_t thread[THREADS];

	(void)state;
	under_mutex = 0;
	for (int i = 0; i < THREADS; i++)
		assert_int_equal(pthread_create(&thread[i], NULL, schedule, NULL), 0);
	for (int i = 0; i < THREADS; i++)
		pthread_join(thread[i], NULL);
	for (size_t j = 0; j < ARRAY_SIZE(counted); j++) {
		tasklet_kill(&counted[j].tasklet);
		/* The last one to schedule it was seen. */
		assert_int_equal(counted[j].nr_wanted, THREADS * ROUNDS);
		assert_int_equal(counted[j].nr_seen, THREADS * ROUNDS);
	}
	assert_int_equal(nr_overlaps, 0);
	assert_int_equal(under_mutex, THREADS * ROUNDS);
	assert_true(mutex_trylock(&mutex));
	assert_false(mutex_trylock(&mutex));
	assert_true(mutex_is_locked(&mutex));
	mutex_unlock(&mutex);
	assert_false(mutex_is_locked(&mutex));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(once_for_many, start, stop),
		cmocka_unit_test_setup_teardown(from_itself_and_from_another, start, stop),
		cmocka_unit_test_setup_teardown(one_that_never_ends_is_killed, start, stop),
		cmocka_unit_test_setup_teardown(behind_the_handler, start, stop),
		cmocka_unit_test_setup_teardown(one_that_is_left_is_forgotten, start, stop),
		cmocka_unit_test_setup_teardown(threads, start, stop),
	};

	return cmocka_run_group_tests_name("tasklets", tests, NULL, NULL);
}
