/* SPDX-License-Identifier: BSD-2-Clause */
/* Virtual time, events, interrupts and waiting, with one thread: everything is repeatable. */
#include "soc.h"

#include "handlers.h"

static char __iomem *registers;

static void start(uint64_t seed)
{
	const struct berth_model_config config = { .seed = seed };

	soc_start(&config);
	registers = berth_port_ioremap(REGISTERS, 0x1000);
	on_irq = NULL;
	on_alarm = NULL;
}

/* Steps. */

static uint64_t steps[64], moments[64];
static unsigned int nr_steps;

static void note_step(struct model_device *dev, uint64_t arg)
{
	(void)dev;
	if (nr_steps < ARRAY_SIZE(steps)) {
		steps[nr_steps] = arg;
		moments[nr_steps] = model_now();
	}
	nr_steps++;
}

static void note_other_step(struct model_device *dev, uint64_t arg)
{
	note_step(dev, arg + 1000);
}

static void steps_happen_in_the_order_of_their_moments(void **state)
{
	uint64_t at[50], now;

	(void)state;
	start(1);
	nr_steps = 0;
	model_lock();
	now = model_now();
	for (unsigned int i = 0; i < 50; i++) {
		at[i] = 1000 + model_random(100000);
		model_after(plain, at[i], note_step, i);
	}
	model_unlock();
	berth_port_delay(200000);
	assert_int_equal(nr_steps, 50);
	for (unsigned int i = 0; i < 50; i++) {
		/* Not a bit later than they asked for. */
		assert_int_equal(moments[i], now + at[steps[i]]);
		assert_true(!i || moments[i] >= moments[i - 1]);
	}
	assert_int_equal(soc_stats().events, 50);
	berth_port_stop();
}

static void the_seed_decides_ties(void **state)
{
	uint64_t order[4][8];

	(void)state;
	for (unsigned int round = 0; round < 4; round++) {
		start(round / 2);
		nr_steps = 0;
		model_lock();
		for (unsigned int i = 0; i < 8; i++)
			model_after(i % 2 ? plain : coherent, 5000, note_step, i);
		model_unlock();
		berth_port_delay(10000);
		assert_int_equal(nr_steps, 8);
		memcpy(order[round], steps, sizeof(order[0]));
		berth_port_stop();
	}
	assert_memory_equal(order[0], order[1], sizeof(order[0]));
	assert_memory_equal(order[2], order[3], sizeof(order[0]));
	assert_memory_not_equal(order[0], order[2], sizeof(order[0]));
}

static void cancelled_steps_do_not_happen(void **state)
{
	(void)state;
	start(1);
	nr_steps = 0;
	model_lock();
	for (unsigned int i = 0; i < 20; i++) {
		model_after(plain, 1000 + i, note_step, i);
		model_after(plain, 1000 + i, note_other_step, i);
		model_after(coherent, 2000 + i, note_step, i + 100);
	}
	model_cancel(plain, note_step);
	model_unlock();
	berth_port_delay(10000);
	assert_int_equal(nr_steps, 40);
	for (unsigned int i = 0; i < 40; i++)
		assert_int_equal(steps[i], i < 20 ? 1000 + i : 80 + i);
	berth_port_stop();
}

static void time_passes_at_calls_only(void **state)
{
	uint64_t before, last;

	(void)state;
	start(1);
	last = berth_port_now();
	for (unsigned int i = 0; i < 1000; i++) {
		uint64_t now = berth_port_now();

		assert_true(now > last);
		last = now;
	}
	before = soc_stats().now_ns;
	for (volatile unsigned int i = 0; i < 100000; i++)
		;
	assert_int_equal(soc_stats().now_ns, before);
	for (unsigned int i = 0; i < 1000; i++)
		berth_port_read32(registers);
	assert_in_range(soc_stats().now_ns - before, 70000, 130000);
	before = soc_stats().now_ns;
	for (unsigned int i = 0; i < 1000; i++)
		berth_port_relax();
	assert_in_range(soc_stats().now_ns - before, 5000, 20000);
	before = soc_stats().now_ns;
	berth_port_delay(3600ull * 1000000000);
	assert_in_range(soc_stats().now_ns - before, 3600ull * 1000000000,
			3600ull * 1000000000 + 1000);
	berth_port_stop();
}

/* Waiting. */

static uint32_t word;

static void set_word(void)
{
	word = 1;
	berth_port_wake(&word);
}

static void set_word_step(struct model_device *dev, uint64_t arg)
{
	(void)dev;
	(void)arg;
	word = 2;
}

static void waits_end_by_change_deadline_or_never(void **state)
{
	uint64_t at;

	(void)state;
	start(1);
	word = 0;
	assert_int_equal(berth_port_wait(&word, 1, UINT64_MAX), 0);
	assert_int_equal(berth_port_wait(&word, 0, UINT64_MAX), -EDEADLK);
	at = berth_port_now() + 123456789;
	assert_int_equal(berth_port_wait(&word, 0, at), -ETIMEDOUT);
	assert_in_range(berth_port_now(), at, at + 1000);
	assert_int_equal(berth_port_wait(&word, 0, 5), -ETIMEDOUT);

	on_alarm = set_word;
	at = berth_port_now() + 50000000;
	berth_port_alarm(at);
	assert_int_equal(berth_port_wait(&word, 0, UINT64_MAX), 0);
	assert_int_equal(word, 1);
	assert_in_range(berth_port_now(), at, at + 1000);
	assert_int_equal(berth_port_wait(&word, 1, UINT64_MAX), -EDEADLK);

	at = berth_port_now();
	model_after(plain, 777777, set_word_step, 0);
	assert_int_equal(berth_port_wait(&word, 1, at + 5000000), 0);
	assert_in_range(berth_port_now(), at + 777777, at + 780000);
	/* What is left afterwards is still nothing. */
	assert_int_equal(berth_port_wait(&word, 2, UINT64_MAX), -EDEADLK);
	berth_port_stop();
}

/* Interrupts. */

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

/* The run. */

static void run_device(struct model_device *dev, uint64_t left)
{
	unsigned char bytes[100];
	uint64_t bus = RAM + 0x1000 + model_random(1000);

	assert_int_equal(model_dma_read(dev, bus, bytes, sizeof(bytes)), 0);
	bytes[left % sizeof(bytes)] ^= (unsigned char)left;
	assert_int_equal(model_dma_write(dev, bus + 200, bytes, sizeof(bytes)), 0);
	model_irq(dev, 0, true);
	if (left)
		model_after(dev, 500 + model_random(1000), run_device, left - 1);
}

static bool serve(unsigned int irq)
{
	(void)irq;
	model_irq(plain, 0, false);
	model_irq(coherent, 0, false);
	word++;
	berth_port_wake(&word);
	return true;
}

/* Two devices at work, a program that prepares and syncs. @touch: one byte is different. */
static struct berth_model_stats run(uint64_t seed, int touch)
{
	struct berth_model_stats stats;

	start(seed);
	on_irq = serve;
	word = 0;
	assert_int_equal(berth_port_irq_unmask(IRQ, true), 0);
	cpu_fill(RAM + 0x1000, 0x5a, 4096);
	cpu_fill(RAM + 0x1400, 0x5a + touch, 1);
	berth_port_cache_clean(RAM + 0x1000, 4096);
	model_after(plain, 1000, run_device, 200);
	model_after(coherent, 1000, run_device, 200);
	while (word < 200) {
		uint32_t seen = word;

		berth_port_write32(registers + 4, seen);
		berth_port_cache_invalidate(RAM + 0x1000 + 8 * (seen % 100), 300);
		berth_port_wmb();
		assert_int_equal(berth_port_wait(&word, seen, UINT64_MAX), 0);
	}
	stats = soc_stats();
	berth_port_stop();
	return stats;
}

static void equal_runs_are_equal(void **state)
{
	struct berth_model_stats first = run(7, 0), second = run(7, 0);

	(void)state;
	assert_memory_equal(&first, &second, sizeof(first));
	assert_true(first.events >= 200 && first.interrupts >= 200 && first.dma_read > 0);
	assert_true(first.evicted > 0 && first.refilled > 0 && first.cache_ops > 50);
	second = run(8, 0);
	assert_int_not_equal(first.digest, second.digest);
	assert_int_not_equal(first.now_ns, second.now_ns);
	/* One byte that a device read. */
	second = run(7, 1);
	assert_int_not_equal(first.digest, second.digest);
}

static void stats_stay_until_the_next_start(void **state)
{
	struct berth_model_stats stats = run(9, 0), after;

	(void)state;
	berth_model_stats(&after);
	assert_memory_equal(&stats, &after, sizeof(stats));
	start(9);
	assert_int_equal(soc_stats().events, 0);
	berth_port_stop();
}

static uint32_t numbers[2][16];
static unsigned int asked_more;

static void ask(struct model_device *dev, uint64_t arg)
{
	for (unsigned int i = 0; i < asked_more && dev == coherent; i++)
		model_random(1000);
	if (dev == plain)
		numbers[arg / 16][arg % 16] = model_random(1000000);
}

/* One device that asks for more leaves the other's numbers alone. */
static void each_device_has_chances_of_its_own(void **state)
{
	(void)state;
	for (unsigned int round = 0; round < 2; round++) {
		start(3);
		asked_more = round;
		model_lock();
		for (unsigned int i = 0; i < 16; i++) {
			model_after(coherent, 1000 * i + 500, ask, 0);
			model_after(plain, 1000 * i + 1000, ask, 16 * round + i);
		}
		model_unlock();
		berth_port_delay(100000);
		berth_port_stop();
	}
	assert_memory_equal(numbers[0], numbers[1], sizeof(numbers[0]));
	assert_int_not_equal(numbers[0][0], numbers[0][1]);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(steps_happen_in_the_order_of_their_moments),
		cmocka_unit_test(the_seed_decides_ties),
		cmocka_unit_test(cancelled_steps_do_not_happen),
		cmocka_unit_test(time_passes_at_calls_only),
		cmocka_unit_test(waits_end_by_change_deadline_or_never),
		cmocka_unit_test(a_level_stays_until_the_device_lets_go),
		cmocka_unit_test(an_edge_comes_once),
		cmocka_unit_test(masked_interrupts_wait),
		cmocka_unit_test(a_line_may_be_shared),
		cmocka_unit_test(interrupts_come_at_their_moment),
		cmocka_unit_test(the_seed_decides_between_interrupts),
		cmocka_unit_test(a_line_that_nobody_serves_is_masked),
		cmocka_unit_test(the_alarm_goes_off_once),
		cmocka_unit_test(equal_runs_are_equal),
		cmocka_unit_test(stats_stay_until_the_next_start),
		cmocka_unit_test(each_device_has_chances_of_its_own),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
