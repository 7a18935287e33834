/* SPDX-License-Identifier: BSD-2-Clause */
/* The model's interrupt lines and its alarm: who gets which, when, how often. */
#include "soc.h"

#include "handlers.h"

static char __iomem *registers;
static uint32_t word;

static void start(uint64_t seed)
{
	const struct berth_model_config config = { .seed = seed };

	soc_start(&config);
	registers = berth_port_ioremap(REGISTERS, 0x1000);
	on_irq = NULL;
	on_alarm = NULL;
}

static unsigned int delivered[64], nr_delivered, depth, deepest;
static uint64_t delivered_at;
static bool must_calm;

static bool count_irq(unsigned int irq)
{
	depth++;
	deepest = depth > deepest ? depth : deepest;
	assert_true(berth_port_thread.irq_depth > 0);
	delivered_at = soc_stats().now_ns;
	if (nr_delivered < ARRAY_SIZE(delivered))
		delivered[nr_delivered] = irq;
	nr_delivered++;
	/* Any call of the port's may be made here, and none nests. */
	berth_port_read32(registers);
	berth_port_delay(100);
	if (must_calm)
		model_irq(plain, 0, false);
	depth--;
	return true;
}

static void start_irqs(uint64_t seed, bool calm)
{
	start(seed);
	on_irq = count_irq;
	nr_delivered = deepest = 0;
	must_calm = calm;
}

static void a_level_stays_until_the_device_lets_go(void **state)
{
	unsigned int before;

	(void)state;
	start_irqs(1, false);
	assert_int_equal(berth_port_irq_unmask(IRQ, true), 0);
	model_irq(plain, 0, true);
	assert_int_equal(nr_delivered, 0);
	/* Again and again, and the program goes on meanwhile. */
	for (unsigned int i = 0; i < 20; i++)
		berth_port_mb();
	assert_int_equal(nr_delivered, 20);
	must_calm = true;
	berth_port_mb();
	before = nr_delivered;
	for (unsigned int i = 0; i < 20; i++)
		berth_port_mb();
	assert_int_equal(nr_delivered, before);
	assert_int_equal(deepest, 1);
	assert_int_equal(soc_stats().interrupts, nr_delivered);
	berth_port_stop();
}

static void an_edge_comes_once(void **state)
{
	(void)state;
	start_irqs(1, false);
	assert_int_equal(berth_port_irq_unmask(IRQ, false), 0);
	model_irq(plain, 0, true);
	for (unsigned int i = 0; i < 20; i++)
		berth_port_mb();
	assert_int_equal(nr_delivered, 1);
	model_irq(plain, 0, true);
	berth_port_mb();
	assert_int_equal(nr_delivered, 1);
	model_irq(plain, 0, false);
	model_irq(plain, 0, true);
	berth_port_mb();
	assert_int_equal(nr_delivered, 2);
	berth_port_stop();
}

static void masked_interrupts_wait(void **state)
{
	unsigned long outer, inner;

	(void)state;
	start_irqs(1, true);
	model_irq(plain, 0, true);
	berth_port_delay(1000);
	assert_int_equal(nr_delivered, 0);
	assert_int_equal(berth_port_irq_unmask(IRQ, true), 0);
	assert_int_equal(nr_delivered, 1);

	berth_port_irq_mask(IRQ);
	model_irq(plain, 0, true);
	berth_port_delay(1000);
	assert_int_equal(nr_delivered, 1);
	model_irq(plain, 0, false);
	assert_int_equal(berth_port_irq_unmask(IRQ, true), 0);
	berth_port_delay(1000);
	/* A level that went again is gone. */
	assert_int_equal(nr_delivered, 1);

	outer = berth_port_irq_save();
	inner = berth_port_irq_save();
	model_irq(plain, 0, true);
	berth_port_delay(1000);
	berth_port_irq_restore(inner);
	berth_port_delay(1000);
	assert_int_equal(nr_delivered, 1);
	berth_port_irq_restore(outer);
	assert_int_equal(nr_delivered, 2);
	assert_int_equal(berth_port_irq_unmask(1020, true), -EINVAL);
	assert_int_equal(berth_port_error()->reason, BERTH_REASON_IRQ);
	berth_port_irq_mask(1020);
	berth_port_stop();
}

static void a_line_may_be_shared(void **state)
{
	(void)state;
	start_irqs(1, true);
	assert_int_equal(berth_port_irq_unmask(IRQ, true), 0);
	model_irq(coherent, 0, true);
	model_irq(plain, 0, true);
	berth_port_mb();
	assert_int_equal(nr_delivered, 1);
	/* The other device still holds it. */
	berth_port_mb();
	assert_int_equal(nr_delivered, 2);
	model_irq(coherent, 0, false);
	berth_port_mb();
	assert_int_equal(nr_delivered, 2);
	berth_port_stop();
}

static void raise_irq(struct model_device *dev, uint64_t index)
{
	model_irq(dev, (unsigned int)index, true);
}

static void interrupts_come_at_their_moment(void **state)
{
	uint64_t now;

	(void)state;
	start_irqs(1, true);
	assert_int_equal(berth_port_irq_unmask(IRQ, true), 0);
	now = soc_stats().now_ns;
	model_after(plain, 30000, raise_irq, 0);
	berth_port_delay(1000000);
	assert_int_equal(nr_delivered, 1);
	assert_int_equal(delivered_at, now + 30000);
	now = soc_stats().now_ns;
	model_after(plain, 40000, raise_irq, 0);
	word = 0;
	assert_int_equal(berth_port_wait(&word, 0, now + 1000000), -ETIMEDOUT);
	assert_int_equal(nr_delivered, 2);
	assert_in_range(delivered_at, now + 40000, now + 41000);
	berth_port_stop();
}

/* Two lines at once: the order is the seed's. */
static void the_seed_decides_between_interrupts(void **state)
{
	unsigned int first = 0;

	(void)state;
	for (unsigned int seed = 0; seed < 64; seed++) {
		unsigned long flags;

		start_irqs(seed, false);
		assert_int_equal(berth_port_irq_unmask(IRQ, false), 0);
		assert_int_equal(berth_port_irq_unmask(IRQ + 1, false), 0);
		flags = berth_port_irq_save();
		model_irq(plain, 0, true);
		model_irq(plain, 1, true);
		berth_port_mb();
		berth_port_irq_restore(flags);
		assert_int_equal(nr_delivered, 2);
		assert_int_equal(delivered[0] + delivered[1], 2 * IRQ + 1);
		first += delivered[0] == IRQ;
		berth_port_stop();
	}
	assert_in_range(first, 12, 52);
}

static bool refuse_irq(unsigned int irq)
{
	(void)irq;
	nr_delivered++;
	return false;
}

static void a_line_that_nobody_serves_is_masked(void **state)
{
	(void)state;
	start_irqs(1, false);
	on_irq = refuse_irq;
	assert_int_equal(berth_port_irq_unmask(IRQ, true), 0);
	model_irq(plain, 0, true);
	word = 0;
	assert_int_equal(berth_port_wait(&word, 0, UINT64_MAX), -EDEADLK);
	assert_int_equal(nr_delivered, 100000);
	berth_port_stop();
}

static unsigned int alarms;

static void count_alarm(void)
{
	assert_true(berth_port_thread.irq_depth > 0);
	alarms++;
}

static void the_alarm_goes_off_once(void **state)
{
	uint64_t at;

	(void)state;
	start(1);
	alarms = 0;
	on_alarm = count_alarm;
	at = berth_port_now() + 1000000;
	berth_port_alarm(at);
	while (berth_port_now() < at)
		assert_int_equal(alarms, 0);
	assert_int_equal(alarms, 1);
	berth_port_delay(10000000);
	assert_int_equal(alarms, 1);
	berth_port_alarm(berth_port_now() + 1000);
	berth_port_alarm(UINT64_MAX);
	berth_port_delay(10000000);
	assert_int_equal(alarms, 1);
	berth_port_alarm(0);
	assert_int_equal(alarms, 2);
	berth_port_stop();
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_level_stays_until_the_device_lets_go),
		cmocka_unit_test(an_edge_comes_once),
		cmocka_unit_test(masked_interrupts_wait),
		cmocka_unit_test(a_line_may_be_shared),
		cmocka_unit_test(interrupts_come_at_their_moment),
		cmocka_unit_test(the_seed_decides_between_interrupts),
		cmocka_unit_test(a_line_that_nobody_serves_is_masked),
		cmocka_unit_test(the_alarm_goes_off_once),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
