// SPDX-License-Identifier: BSD-2-Clause
/*
 * Handlers come and go while other CPUs' interrupts are on their way to them. A line of the table has one
 * number after the other: who was looking for the one must not call the other's handler.
 */
#include "machine.h"

#include <pthread.h>
#include <sched.h>
#include <stdlib.h>

#include <berth/interrupt.h>
#include <berth/spinlock.h>

#include "lib/interrupt.h"

/* Of the same place in the table; nobody raises the second one. */
#define RAISED 50u
#define QUIET 114u
#define NR_THREADS 3u
#define ROUNDS 4000u

struct guest {
	unsigned int irq;
	uint32_t nr_calls;
};

static uint32_t is_over, nr_wrong;

static irqreturn_t called(int irq, void *data)
{
	struct guest *guest = data;

	/* One that has gone is found by the address sanitizer. */
	if (guest->irq != RAISED || irq != (int)RAISED)
		__atomic_fetch_add(&nr_wrong, 1, __ATOMIC_RELAXED);
	__atomic_fetch_add(&guest->nr_calls, 1, __ATOMIC_RELAXED);
	return IRQ_HANDLED;
}

static void *raise_it(void *data)
{
	unsigned long flags;

	(void)data;
	while (!__atomic_load_n(&is_over, __ATOMIC_RELAXED)) {
		local_irq_save(flags);
		for (unsigned int i = 0; i < 100; i++)
			berth_irq_handle(RAISED);
		local_irq_restore(flags);
		sched_yield();
	}
	return NULL;
}

static uint32_t come_and_go(unsigned int irq, unsigned long flags)
{
	struct guest *guest = calloc(1, sizeof(*guest));
	uint32_t nr_calls;

	assert_non_null(guest);
	guest->irq = irq;
	assert_int_equal(request_irq(irq, called, flags, "guest", guest), 0);
	if (irq == RAISED)
		sched_yield();
	free_irq(irq, guest);
	nr_calls = guest->nr_calls;
	free(guest);
	return nr_calls;
}

static void nobody_gets_anothers(unsigned long flags)
{
	pthread_t threads[NR_THREADS];
	uint32_t nr_calls = 0;

	must_start(tree_minimal, NULL, NULL);
	is_over = nr_wrong = 0;
	for (unsigned int i = 0; i < NR_THREADS; i++)
		assert_int_equal(pthread_create(&threads[i], NULL, raise_it, NULL), 0);
	/* Until an interrupt has been there at all, however the threads get the CPU. */
	for (unsigned int i = 0; i < ROUNDS || !nr_calls; i++) {
		nr_calls += come_and_go(RAISED, flags);
		assert_int_equal(come_and_go(QUIET, flags), 0);
	}
	__atomic_store_n(&is_over, 1, __ATOMIC_RELAXED);
	for (unsigned int i = 0; i < NR_THREADS; i++)
		pthread_join(threads[i], NULL);
	assert_int_equal(nr_wrong, 0);
	must_stop();
}

static void edges_of_another_number(void **state)
{
	(void)state;
	nobody_gets_anothers(IRQF_TRIGGER_RISING);
}

static void levels_of_another_number(void **state)
{
	(void)state;
	nobody_gets_anothers(IRQF_TRIGGER_HIGH);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(edges_of_another_number),
		cmocka_unit_test(levels_of_another_number),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
