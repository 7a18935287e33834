/* SPDX-License-Identifier: BSD-2-Clause */
/* Time, waiting, alarms, and keeping them away. */
#include "suite.h"

static uint32_t alarms(void)
{
	return __atomic_load_n(&conformance_alarms, __ATOMIC_SEQ_CST);
}

/* Wait until another alarm has been counted. */
static bool alarm_comes(uint32_t before)
{
	return !conformance_wait(&conformance_alarms, before, berth_port_now() + PATIENCE_NS);
}

/* Let time pass so that what is due arrives, on ports that poll as well. */
static void let_pass(uint64_t ns)
{
	uint32_t word = 0;
	uint64_t until = berth_port_now() + ns;

	while (berth_port_now() < until)
		if (conformance_wait(&word, 0, until) == -ETIMEDOUT)
			return;
}

static void test_now(void)
{
	uint64_t before = berth_port_now();

	for (unsigned int i = 0; i < 10000; i++) {
		uint64_t now = berth_port_now();

		if (!CHECK(now >= before))
			return;
		before = now;
	}
}

static void test_delay(void)
{
	static const uint64_t delays[] = { 0, 1, 999, 10000, 100001, MS, 3 * MS };

	for (unsigned int i = 0; i < ARRAY_SIZE(delays); i++) {
		uint64_t before = berth_port_now(), after;

		berth_port_delay(delays[i]);
		after = berth_port_now();
		CHECK(after - before >= delays[i]);
		CHECK(after - before < delays[i] + PATIENCE_NS);
	}
}

static void test_delay_masked(void)
{
	unsigned long flags = berth_port_irq_save();
	uint64_t before = berth_port_now();

	berth_port_delay(2 * MS);
	CHECK(berth_port_now() - before >= 2 * MS);
	berth_port_irq_restore(flags);
}

static void test_wait_differs(void)
{
	uint32_t word = 5;

	CHECK_EQUAL(berth_port_wait(&word, 4, UINT64_MAX), 0);
	/* A moment that has passed is no reason to say that time is up. */
	CHECK_EQUAL(berth_port_wait(&word, 4, 0), 0);
}

static void test_wait_deadline(void)
{
	static const uint64_t times[] = { 0, 1, 1000, 100000, MS, 5 * MS };
	uint32_t word = 5;

	for (unsigned int i = 0; i < ARRAY_SIZE(times); i++) {
		uint64_t deadline = berth_port_now() + times[i];

		CHECK(conformance_wait(&word, 5, deadline) == -ETIMEDOUT);
		CHECK(berth_port_now() >= deadline);
		CHECK(berth_port_now() < deadline + PATIENCE_NS);
	}
	CHECK(conformance_wait(&word, 5, 0) == -ETIMEDOUT);
}

static void test_wait_alarm(void)
{
	for (unsigned int i = 0; i < 20; i++) {
		uint32_t word = 0;
		uint64_t at = berth_port_now() + MS / 4;
		bool limited = i % 2;

		conformance_alarm_word = &word;
		berth_port_alarm(at);
		CHECK_EQUAL(conformance_wait(&word, 0, limited ? at + PATIENCE_NS : UINT64_MAX), 0);
		CHECK(berth_port_now() >= at);
		CHECK_EQUAL(word, 1);
		conformance_alarm_word = NULL;
	}
}

static void test_alarm_once(void)
{
	uint32_t before = alarms();
	uint64_t at = berth_port_now() + MS;

	berth_port_alarm(at);
	CHECK(alarm_comes(before));
	CHECK(berth_port_now() >= at);
	let_pass(3 * MS);
	CHECK_EQUAL(alarms(), before + 1);
	/* What is late is due at once. */
	berth_port_alarm(1);
	CHECK(alarm_comes(before + 1));
	berth_port_alarm(berth_port_now());
	CHECK(alarm_comes(before + 2));
	let_pass(MS);
	CHECK_EQUAL(alarms(), before + 3);
}

static void test_alarm_replaced(void)
{
	uint32_t before = alarms();
	uint64_t start = berth_port_now();

	/* By an earlier one. */
	berth_port_alarm(start + 100 * PATIENCE_NS);
	berth_port_alarm(start + MS);
	CHECK(alarm_comes(before));

	/* By a later one. */
	start = berth_port_now();
	berth_port_alarm(start + 5 * MS);
	berth_port_alarm(start + 10 * MS);
	CHECK(alarm_comes(before + 1));
	CHECK(berth_port_now() >= start + 10 * MS);
	let_pass(MS);
	CHECK_EQUAL(alarms(), before + 2);
}

static void test_alarm_cancelled(void)
{
	uint32_t before = alarms();

	berth_port_alarm(berth_port_now() + 2 * MS);
	berth_port_alarm(UINT64_MAX);
	let_pass(5 * MS);
	CHECK_EQUAL(alarms(), before);
}

static void test_irq_save(void)
{
	uint32_t before = alarms();
	unsigned long outer, inner;

	outer = berth_port_irq_save();
	berth_port_alarm(berth_port_now() + MS / 10);
	berth_port_delay(2 * MS);
	CHECK_EQUAL(alarms(), before);
	inner = berth_port_irq_save();
	berth_port_delay(MS);
	CHECK(berth_port_irq_was_on(outer) && !berth_port_irq_was_on(inner));
	berth_port_irq_restore(inner);
	/* The inner pair gives back what the outer one took: nothing. */
	berth_port_delay(MS);
	CHECK_EQUAL(alarms(), before);
	berth_port_irq_restore(outer);
	CHECK(alarm_comes(before));
	CHECK_EQUAL(alarms(), before + 1);
}

static void test_wait_and_alarm(void)
{
	uint32_t word = 0, before = alarms();
	uint64_t now = berth_port_now(), deadline = now + 6 * MS;

	/* The alarm's handler delays, on the timer that the wait sleeps by. */
	conformance_alarm_delay_ns = MS;
	berth_port_alarm(now + 2 * MS);
	CHECK(conformance_wait(&word, 0, deadline) == -ETIMEDOUT);
	CHECK(berth_port_now() >= deadline);
	CHECK(berth_port_now() < deadline + PATIENCE_NS);
	CHECK_EQUAL(alarms(), before + 1);

	/* Beyond the deadline. */
	conformance_alarm_delay_ns = 5 * MS;
	now = berth_port_now();
	berth_port_alarm(now + 2 * MS);
	CHECK(conformance_wait(&word, 0, now + 4 * MS) == -ETIMEDOUT);
	CHECK_EQUAL(alarms(), before + 2);
	conformance_alarm_delay_ns = 0;

	now = berth_port_now();
	berth_port_alarm(now + 8 * MS);
	CHECK(conformance_wait(&word, 0, now + 2 * MS) == -ETIMEDOUT);
	CHECK(alarm_comes(before + 2));
	CHECK(berth_port_now() >= now + 8 * MS);
}

static void test_irq_number(void)
{
	CHECK_EQUAL(-berth_port_irq_unmask(UINT_MAX, true), EINVAL);
	berth_port_irq_mask(UINT_MAX);
}

static void test_barriers(void)
{
	berth_port_mb();
	berth_port_rmb();
	berth_port_wmb();
	berth_port_dma_rmb();
	berth_port_dma_wmb();
}

static uint32_t work_begun, work_done;
static volatile uint64_t work_given, work_seen;

static void work(void *data)
{
	__atomic_add_fetch(&work_begun, 1, __ATOMIC_SEQ_CST);
	work_seen = *(volatile uint64_t *)data;
	berth_port_delay(MS / 10);
	__atomic_add_fetch(&work_done, 1, __ATOMIC_SEQ_CST);
	berth_port_wake(&work_done);
}

static void test_worker(void)
{
	struct berth_port_worker *worker;
	int err = berth_port_worker_start(&worker, work, (void *)&work_given);

	if (err == -ENOSYS) {
		CHECK_EQUAL(berth_port_error()->reason, BERTH_REASON_CAPABILITY);
		conformance_skip("this port has no threads");
		return;
	}
	if (!CHECK_EQUAL(err, 0))
		return;
	work_begun = 0;
	work_done = 0;
	for (uint32_t i = 0; i < 100; i++) {
		uint32_t begun = __atomic_load_n(&work_begun, __ATOMIC_SEQ_CST);

		work_given = i + 1;
		for (uint32_t kicks = i % 3 + 1; kicks; kicks--)
			berth_port_worker_kick(worker);
		while (__atomic_load_n(&work_begun, __ATOMIC_SEQ_CST) == begun ||
		       __atomic_load_n(&work_done, __ATOMIC_SEQ_CST) !=
			       __atomic_load_n(&work_begun, __ATOMIC_SEQ_CST))
			conformance_wait(&work_done, begun, berth_port_now() + MS);
		CHECK_EQUAL(work_seen, i + 1);
	}
	/* A call for each kick at most; one that is asked for is made before the end. */
	CHECK(work_done <= 199);
	work_begun = 0;
	work_done = 0;
	berth_port_worker_kick(worker);
	berth_port_worker_stop(worker);
	CHECK(work_done >= 1 && work_done == work_begun);
}

const struct conformance_test conformance_time[] = {
	{ "now never goes back", test_now },
	{ "delay lasts at least as long as asked", test_delay },
	{ "delay works with interrupts away", test_delay_masked },
	{ "wait returns at once when the word differs", test_wait_differs },
	{ "wait is not over before its deadline", test_wait_deadline },
	{ "wait sees a word that an alarm's handler changes", test_wait_alarm },
	{ "an alarm goes off once, not early, at once if late", test_alarm_once },
	{ "an alarm replaces the one before", test_alarm_replaced },
	{ "an alarm that was cancelled does not go off", test_alarm_cancelled },
	{ "irq_save keeps the alarm away until the outer restore", test_irq_save },
	{ "a wait's deadline and an alarm do not disturb each other", test_wait_and_alarm },
	{ "an interrupt that does not exist is refused", test_irq_number },
	{ "barriers can be called", test_barriers },
	{ "a worker does what it is kicked for", test_worker },
	{ NULL, NULL },
};
