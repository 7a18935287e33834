/* SPDX-License-Identifier: BSD-2-Clause */
/* Virtual time, events and waiting, with one thread: everything is repeatable. */
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

static uint64_t digest_of(const void *data, size_t size)
{
	soc.stats.digest = 0;
	model_note_data(data, size);
	return soc.stats.digest;
}

/* Of zeroes as of anything else. */
static void the_digest_tells_every_bit_and_the_order(void **state)
{
	static uint8_t data[4096], other[4096];

	(void)state;
	start(0);
	for (unsigned int round = 0; round < 2; round++) {
		for (size_t size = 1; size <= sizeof(data);
		     size = size < 150 ? size + 1 : size * 2) {
			uint64_t digest = digest_of(data, size);

			assert_int_not_equal(digest_of(data, size - 1), digest);
			for (size_t bit = 0; bit < 8 * size; bit++) {
				data[bit / 8] ^= (uint8_t)(1u << bit % 8);
				assert_int_not_equal(digest_of(data, size), digest);
				data[bit / 8] ^= (uint8_t)(1u << bit % 8);
			}
		}
		for (unsigned int i = 0; i < sizeof(data); i++)
			data[i] = (uint8_t)(i / 8 % 251);
	}
	/* Any two words the other way round. */
	for (size_t i = 0; i < sizeof(data); i += 8)
		for (size_t j = (i / 8 + 1) * 8; j < sizeof(data); j += 8) {
			if (!memcmp(data + i, data + j, 8))
				continue;
			memcpy(other, data, sizeof(data));
			memcpy(other + i, data + j, 8);
			memcpy(other + j, data + i, 8);
			assert_int_not_equal(digest_of(other, sizeof(data)),
					     digest_of(data, sizeof(data)));
		}
	berth_port_stop();
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
		cmocka_unit_test(equal_runs_are_equal),
		cmocka_unit_test(the_digest_tells_every_bit_and_the_order),
		cmocka_unit_test(stats_stay_until_the_next_start),
		cmocka_unit_test(each_device_has_chances_of_its_own),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
