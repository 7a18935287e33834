// SPDX-License-Identifier: BSD-2-Clause
/* The network card: frames of all sizes, the ring, overflow, errors, and cards that stop in between. */
#include "nic.h"

#define SEEDS 20
#define RINGS 4

static uint8_t buffer[2048];

static void test_all_sizes(void **state)
{
	(void)state;
	for (unsigned int ring = 8192; ring <= 65536; ring *= 2) {
		struct device *dev = nic_boot(NULL);
		uint8_t *frame = nic_frames(1);

		assert_int_equal(nic_open(dev, ring, BERTH_RTL8139_LOOPBACK), 0);
		for (size_t size = MIN; size <= MAX; size++) {
			nic_fill(frame, size, (uint32_t)size, mac_a);
			assert_int_equal(nic_send(dev, frame, size), 0);
			assert_true(nic_is(buffer, nic_receive(dev, buffer), size, (uint32_t)size,
					   mac_a));
		}
		assert_int_equal(nic_log.sent, MAX - MIN + 1);
		assert_int_equal(nic_stats(dev).rx_frames, MAX - MIN + 1);
		assert_int_equal(nic_stats(dev).resets, 0);
		nic_free_frames(frame, 1);
		assert_int_equal(berth_rtl8139_stop(dev), 0);
		must_stop();
	}
}

static void test_arguments(void **state)
{
	struct device *dev = nic_boot(NULL);
	uint8_t *frame = nic_frames(1), small[MAX - 1], mac[6];
	struct berth_rtl8139_config bad = { .ring_bytes = 4096 };

	(void)state;
	assert_int_equal(berth_rtl8139_mac(dev, mac), 0);
	assert_memory_equal(mac, mac_a, 6);
	assert_int_equal(berth_rtl8139_mac(nic_find(CARD_B), mac), 0);
	assert_memory_equal(mac, mac_b, 6);
	assert_int_equal(berth_rtl8139_send(dev, frame, MIN), -ENXIO);
	assert_int_equal(nic_receive(dev, buffer), -ENXIO);
	assert_int_equal(berth_rtl8139_stop(dev), -ENXIO);
	assert_int_equal(berth_rtl8139_start(dev, &bad), -EINVAL);
	bad.ring_bytes = 131072;
	assert_int_equal(berth_rtl8139_start(dev, &bad), -EINVAL);
	bad.ring_bytes = 24576;
	assert_int_equal(berth_rtl8139_start(dev, &bad), -EINVAL);
	bad = (struct berth_rtl8139_config){ .flags = 8 };
	assert_int_equal(berth_rtl8139_start(dev, &bad), -EINVAL);
	assert_int_equal(nic_open(dev, 0, BERTH_RTL8139_LOOPBACK), 0);
	assert_int_equal(nic_open(dev, 0, 0), -EBUSY);
	assert_int_equal(berth_rtl8139_send(dev, frame, MIN - 1), -EINVAL);
	assert_int_equal(berth_rtl8139_send(dev, frame, MAX + 1), -EINVAL);
	assert_int_equal(berth_rtl8139_send(dev, frame, 0), -EINVAL);
	for (unsigned int i = 1; i < 4; i++)
		assert_int_equal(berth_rtl8139_send(dev, frame + i, MIN), -EINVAL);
	assert_int_equal(berth_rtl8139_send(dev, buffer, MIN), -ENOMEM);
	assert_reason(BERTH_REASON_NOT_LINEAR);
	assert_int_equal(berth_rtl8139_receive(dev, small, sizeof(small), 0), -EINVAL);
	assert_int_equal(berth_rtl8139_receive(dev, NULL, MAX, 0), -EINVAL);
	assert_int_equal(berth_rtl8139_receive(dev, buffer, MAX, 0), -ETIMEDOUT);
	assert_int_equal(nic_log.sent + nic_log.failed + nic_log.stopped, 0);
	nic_free_frames(frame, 1);
	must_stop(); /* which stops the card */
}

/* Frames that go round alone, one after the other. *@ops: cache operations there were. */
static bool frames_are_right(uint64_t seed, enum berth_model_cache cache, uint64_t dropped,
			     uint64_t *ops)
{
	const struct berth_model_config config = {
		.seed = seed,
		.cache = cache,
		.drop_cache_op = dropped,
	};
	struct device *dev = nic_boot(&config);
	uint8_t *frames = nic_frames(4);
	struct berth_model_stats stats;
	bool right = true;

	assert_int_equal(nic_open(dev, 8192, BERTH_RTL8139_LOOPBACK), 0);
	for (uint32_t i = 0; i < 4 && right; i++) {
		size_t size = 300 + 400 * i;

		nic_fill(frames + 2048 * i, size, i, mac_a);
		right = !nic_send(dev, frames + 2048 * i, size) &&
			nic_is(buffer, nic_receive(dev, buffer), size, i, mac_a);
	}
	right = right && !nic_stats(dev).resets;
	nic_free_frames(frames, 4);
	must_stop();
	berth_model_stats(&stats);
	*ops = stats.cache_ops;
	return right;
}

static void test_every_sync_matters(void **state)
{
	uint64_t total, ops;

	(void)state;
	assert_true(frames_are_right(1, BERTH_MODEL_CACHE_RANDOM, 0, &total));
	/* The ring once; of each frame that it is sent, its header, and its bytes. */
	assert_int_equal(total, 1 + 3 * 4);
	for (uint64_t n = 1; n <= total; n++) {
		bool found = false;

		for (uint64_t seed = 1; seed <= SEEDS && !found; seed++)
			found = !frames_are_right(seed, BERTH_MODEL_CACHE_RANDOM, n, &ops);
		if (!found)
			fail_msg("operation %llu", (unsigned long long)n);
		if (frames_are_right(1, BERTH_MODEL_CACHE_ADVERSARIAL, n, &ops))
			fail_msg("operation %llu, adversarial", (unsigned long long)n);
	}
}

/* Bursts from the wire that go round the ring several times, whatever the cache does. */
static void burst(const struct berth_model_config *config, unsigned int ring)
{
	struct device *dev = nic_boot(config);
	uint32_t sent = 0, got = 0, noise = (uint32_t)config->seed;

	assert_int_equal(nic_open(dev, ring, 0), 0);
	while (got < 4 * ring / 800) {
		uint32_t target = sent + 1 + noise % 6;

		for (; sent < target; sent++)
			nic_deliver(CARD_A, MIN + sent * 131 % (MAX - MIN + 1), sent, mac_a);
		noise = noise * 1664525u + 1013904223u;
		noise >>= 4;
		for (; got < sent; got++) {
			size_t size = MIN + got * 131 % (MAX - MIN + 1);

			if (!nic_is(buffer, nic_receive(dev, buffer), size, got, mac_a))
				fail_msg("seed %llu, ring %u, frame %u",
					 (unsigned long long)config->seed, ring, got);
		}
	}
	assert_int_equal(nic_stats(dev).rx_frames, got);
	assert_int_equal(nic_stats(dev).rx_missed, 0);
	must_stop();
}

static void test_bursts(void **state)
{
	static const unsigned int lines[] = { 32, 64, 128 };

	(void)state;
	for (uint64_t seed = 1; seed <= SEEDS; seed++) {
		struct berth_model_config config = {
			.seed = seed,
			.cache = seed % 2 ? BERTH_MODEL_CACHE_RANDOM
					  : BERTH_MODEL_CACHE_ADVERSARIAL,
			.line_size = lines[seed % ARRAY_SIZE(lines)],
		};

		burst(&config, 8192u << seed / 2 % RINGS);
	}
}

/* Four at once, as fast as they go, in order. */
static void test_sending_in_bursts(void **state)
{
	struct device *dev = nic_boot(NULL);
	uint8_t *frames = nic_frames(SENDS + 1);
	uint32_t next = 0, busy = 0;

	(void)state;
	assert_int_equal(nic_open(dev, 65536, BERTH_RTL8139_LOOPBACK), 0);
	for (uint32_t got = 0; got < 200;) {
		uint8_t *frame = frames + 2048 * (next % (SENDS + 1));
		int err;

		nic_fill(frame, MIN + next * 37 % 1400, next, mac_a);
		err = berth_rtl8139_send(dev, frame, MIN + next * 37 % 1400);
		if (!err) {
			next++;
			continue;
		}
		assert_int_equal(err, -EBUSY);
		busy++;
		assert_true(nic_is(buffer, nic_receive(dev, buffer), MIN + got * 37 % 1400, got,
				   mac_a));
		got++;
	}
	assert_true(busy > 100);
	assert_int_equal(berth_rtl8139_stop(dev), 0); /* it may have the last ones still */
	nic_free_frames(frames, SENDS + 1);
	must_stop();
}

static void test_overflow(void **state)
{
	struct device *dev = nic_boot(NULL);
	struct berth_rtl8139_stats stats;
	unsigned int got;

	(void)state;
	assert_int_equal(nic_open(dev, 8192, 0), 0);
	for (unsigned int round = 0; round < 5; round++) {
		unsigned int before = (unsigned int)nic_stats(dev).rx_missed;

		for (uint32_t i = 0; i < 12; i++)
			nic_deliver(CARD_A, MAX, i, mac_a);
		msleep(10);
		for (got = 0; got < 12; got++) {
			int ret = nic_receive(dev, buffer);

			if (ret == -ETIMEDOUT)
				break;
			assert_true(nic_is(buffer, ret, MAX, got, mac_a));
		}
		stats = nic_stats(dev);
		assert_int_equal(got, 5);
		assert_int_equal(stats.rx_missed - before, 12 - got);
		assert_int_equal(stats.rx_overflows, round + 1);
		assert_int_equal(stats.resets, 0);
	}
	must_stop();
}

/* What is no good frame is counted, and those around it come. */
static void test_bad_frames(void **state)
{
	struct device *dev = nic_boot(NULL);
	uint8_t damaged[1000] = { 0 };

	(void)state;
	memcpy(damaged, mac_a, 6);
	assert_int_equal(nic_open(dev, 8192, 0), 0);
	for (uint32_t i = 0; i < 40; i++) {
		size_t odd = i % 3 == 0 ? 14 + i : i % 3 == 1 ? 4092 - 7 * i : MAX + 1;

		nic_deliver(CARD_A, 700, i, mac_a);
		if (i % 4)
			nic_deliver(CARD_A, odd, i, mac_a);
		else
			berth_model_rtl8139_deliver(CARD_A, damaged, sizeof(damaged), true);
		assert_true(nic_is(buffer, nic_receive(dev, buffer), 700, i, mac_a));
		assert_int_equal(nic_receive(dev, buffer), -ETIMEDOUT);
	}
	assert_int_equal(nic_stats(dev).rx_frames, 40);
	/* 10 damaged; of the others, those that are no runts. */
	assert_int_equal(nic_stats(dev).rx_errors, 10 + 20);
	assert_int_equal(nic_stats(dev).resets, 0);
	must_stop();
}

static void test_aborts(void **state)
{
	struct device *dev = nic_boot(NULL);
	uint8_t *frames = nic_frames(3);

	(void)state;
	assert_int_equal(nic_open(dev, 0, BERTH_RTL8139_LOOPBACK), 0);
	for (unsigned int i = 0; i < 3; i++)
		nic_fill(frames + 2048 * i, 500 + i, i, mac_a);
	/* Three times, and it goes at last; the others behind it. */
	assert_int_equal(berth_model_rtl8139_jam(CARD_A, 3), 0);
	for (unsigned int i = 0; i < 3; i++)
		assert_int_equal(berth_rtl8139_send(dev, frames + 2048 * i, 500 + i), 0);
	for (unsigned int i = 0; i < 3; i++)
		assert_true(nic_is(buffer, nic_receive(dev, buffer), 500 + i, i, mac_a));
	assert_int_equal(nic_log.sent, 3);
	assert_int_equal(nic_stats(dev).tx_aborts, 3);
	/* Four times are too many: it comes back, with the one behind it. */
	assert_int_equal(berth_model_rtl8139_jam(CARD_A, 4), 0);
	assert_int_equal(berth_rtl8139_send(dev, frames, 500), 0);
	assert_int_equal(berth_rtl8139_send(dev, frames + 2048, 501), 0);
	assert_int_equal(nic_receive(dev, buffer), -ETIMEDOUT);
	assert_int_equal(nic_log.failed, 2);
	assert_int_equal(nic_stats(dev).tx_aborts, 7);
	assert_int_equal(nic_stats(dev).resets, 1);
	assert_int_equal(berth_rtl8139_send(dev, frames + 4096, 502), 0);
	assert_true(nic_is(buffer, nic_receive(dev, buffer), 502, 2, mac_a));
	assert_int_equal(nic_stats(dev).tx_errors, 2);
	assert_int_equal(nic_stats(dev).tx_frames, 4);
	nic_free_frames(frames, 3);
	must_stop();
}

/* The card is told a wrong address behind the driver's back: it stops, and is set up again. */
static void test_bus_errors(void **state)
{
	struct device *dev = nic_boot(NULL);
	char __iomem *regs = ioremap(REGISTERS_A, 0x100);
	uint8_t *frame = nic_frames(1);
	struct berth_model_stats stats;

	(void)state;
	assert_non_null(regs);
	assert_int_equal(nic_open(dev, 0, BERTH_RTL8139_LOOPBACK), 0);
	writel(0x40000000, regs + 0x30);
	nic_fill(frame, MAX, 1, mac_a);
	assert_int_equal(nic_send(dev, frame, MAX), 0);
	assert_int_equal(nic_receive(dev, buffer), -ETIMEDOUT);
	berth_model_stats(&stats);
	assert_int_equal(stats.bus_errors, 1);
	assert_int_equal(nic_stats(dev).bus_errors, 1);
	assert_int_equal(nic_stats(dev).resets, 1);

	assert_int_equal(berth_rtl8139_send(dev, frame, MAX), 0);
	writel(0x40000000, regs + 0x20);
	assert_int_equal(nic_receive(dev, buffer), -ETIMEDOUT);
	assert_int_equal(nic_log.failed, 1);
	assert_int_equal(nic_stats(dev).bus_errors, 2);

	reinit_completion(&nic_log.back);
	assert_int_equal(nic_send(dev, frame, MAX), 0);
	assert_true(nic_is(buffer, nic_receive(dev, buffer), MAX, 1, mac_a));
	iounmap(regs);
	nic_free_frames(frame, 1);
	must_stop();
}

/* Each header that is none. */
static void test_bad_headers(void **state)
{
	static const uint32_t headers[] = {
		0x03ec0000, 0x00000001, 0x003f0001, 0x10010001, 0xfff00001, 0xffffffff,
	};
	struct device *dev = nic_boot(NULL);
	char __iomem *regs = ioremap(REGISTERS_A, 0x100);

	(void)state;
	assert_non_null(regs);
	assert_int_equal(nic_open(dev, 8192, 0), 0);
	for (uint32_t i = 0; i < ARRAY_SIZE(headers); i++) {
		nic_deliver(CARD_A, 300, 0, mac_a);
		nic_deliver(CARD_A, 1000, i, mac_a);
		assert_true(nic_is(buffer, nic_receive(dev, buffer), 300, 0, mac_a));
		msleep(2);
		memcpy(berth_model_memory(readl(regs + 0x30) + 308), &headers[i], 4);
		assert_int_equal(nic_receive(dev, buffer), -ETIMEDOUT);
		assert_int_equal(nic_stats(dev).resets, i + 1);
		assert_int_equal(nic_stats(dev).rx_errors, 0);
	}
	nic_deliver(CARD_A, 1000, 7, mac_a);
	assert_true(nic_is(buffer, nic_receive(dev, buffer), 1000, 7, mac_a));
	iounmap(regs);
	must_stop();
}

/* The card is reset while a frame is being copied out: what was copied counts for nothing. */
struct trap {
	char __iomem *regs;
	bool is_set;
};

static void reset_card(void *data, uint64_t number, enum berth_model_cache_op op, phys_addr_t phys,
		       uint64_t size)
{
	struct trap *trap = data;

	(void)number;
	(void)phys;
	if (!trap->is_set || op != BERTH_MODEL_INVALIDATE || size < MIN)
		return;
	trap->is_set = false;
	writel(0x40000000, trap->regs + 0x30);
	nic_deliver(CARD_A, 400, 2, mac_a);
	msleep(1);
}

static void test_reset_under_reader(void **state)
{
	struct trap trap = { .is_set = true };
	const struct berth_model_config config = {
		.on_cache_op = reset_card,
		.on_cache_op_data = &trap,
	};
	struct device *dev = nic_boot(&config);

	(void)state;
	trap.regs = ioremap(REGISTERS_A, 0x100);
	assert_non_null(trap.regs);
	assert_int_equal(nic_open(dev, 8192, 0), 0);
	nic_deliver(CARD_A, 300, 1, mac_a);
	assert_int_equal(nic_receive(dev, buffer), -ETIMEDOUT);
	assert_false(trap.is_set);
	assert_int_equal(nic_stats(dev).resets, 1);
	assert_int_equal(nic_stats(dev).rx_frames, 0);
	nic_deliver(CARD_A, 500, 3, mac_a);
	assert_true(nic_is(buffer, nic_receive(dev, buffer), 500, 3, mac_a));
	iounmap(trap.regs);
	must_stop();
}

/* What was sent before the card was stopped counts as sent, whether it could say so or not. */
static void test_stop_after_sending(void **state)
{
	struct device *dev = nic_boot(NULL);
	unsigned int irq = (unsigned int)platform_get_irq(to_platform_device(dev), 0);
	uint8_t *frame = nic_frames(1);

	(void)state;
	assert_int_equal(nic_open(dev, 0, 0), 0);
	disable_irq(irq);
	nic_fill(frame, 100, 0, mac_b);
	assert_int_equal(berth_rtl8139_send(dev, frame, 100), 0);
	msleep(1);
	assert_int_equal(nic_log.sent, 0);
	assert_int_equal(berth_rtl8139_stop(dev), 0);
	enable_irq(irq);
	assert_int_equal(nic_log.sent, 1);
	assert_int_equal(nic_log.stopped, 0);
	nic_free_frames(frame, 1);
	must_stop();
}

/* Stopped at every moment of a burst: each frame comes back once, and memory is left alone. */
static void test_stop_in_between(void **state)
{
	struct device *dev = nic_boot(NULL);
	uint8_t *frames = nic_frames(SENDS);
	struct berth_model_stats at_stop, later;
	uint32_t stopped = 0;

	(void)state;
	for (unsigned int us = 0; us < 700; us += 7) {
		nic_log = (struct nic_log){ 0 };
		assert_int_equal(nic_open(dev, 8192, us % 2 ? BERTH_RTL8139_LOOPBACK : 0), 0);
		for (uint32_t i = 0; i < SENDS; i++) {
			nic_fill(frames + 2048 * i, 1000 + i, i, mac_a);
			assert_int_equal(berth_rtl8139_send(dev, frames + 2048 * i, 1000 + i), 0);
			nic_deliver(CARD_A, 900, i, mac_a);
		}
		udelay(us);
		assert_int_equal(berth_rtl8139_stop(dev), 0);
		assert_int_equal(nic_log.sent + nic_log.stopped, SENDS);
		assert_int_equal(nic_log.failed, 0);
		stopped += nic_log.stopped;
		berth_model_stats(&at_stop);
		msleep(5);
		berth_model_stats(&later);
		assert_int_equal(at_stop.dma_read, later.dma_read);
		assert_int_equal(at_stop.dma_written, later.dma_written);
		assert_int_equal(nic_log.sent + nic_log.stopped, SENDS);
	}
	assert_true(stopped > 50 && stopped < 300);
	nic_free_frames(frames, SENDS);
	must_stop();
}

static void test_remove_with_live_transfers(void **state)
{
	struct device *dev = nic_boot(NULL);
	struct platform_device *pdev = to_platform_device(dev);
	uint8_t *frames = nic_frames(SENDS), mac[6];
	struct berth_model_stats at_remove, later;

	(void)state;
	assert_int_equal(nic_open(dev, 8192, BERTH_RTL8139_LOOPBACK), 0);
	for (uint32_t i = 0; i < SENDS; i++) {
		nic_fill(frames + 2048 * i, MAX, i, mac_a);
		assert_int_equal(berth_rtl8139_send(dev, frames + 2048 * i, MAX), 0);
	}
	udelay(250); /* one is sent and comes in, one is being sent */
	assert_int_equal(berth_rtl8139_platform_driver.remove(pdev), 0);
	assert_int_equal(nic_log.sent, 1);
	assert_int_equal(nic_log.stopped, SENDS - 1);
	berth_model_stats(&at_remove);
	assert_true(at_remove.dma_written > 0);
	msleep(10);
	berth_model_stats(&later);
	assert_int_equal(at_remove.dma_read, later.dma_read);
	assert_int_equal(at_remove.dma_written, later.dma_written);
	assert_int_equal(berth_rtl8139_mac(dev, mac), -ENODEV);
	assert_int_equal(nic_open(dev, 0, 0), -ENODEV);
	assert_int_equal(berth_rtl8139_stop(dev), -ENODEV);
	assert_int_equal(berth_rtl8139_send(dev, frames, MAX), -ENODEV);
	assert_int_equal(nic_receive(dev, buffer), -ENODEV);
	assert_int_equal(berth_rtl8139_stats(dev, NULL), -ENODEV);
	assert_false(berth_rtl8139_has_link(dev));

	assert_int_equal(berth_rtl8139_platform_driver.probe(pdev), 0);
	assert_int_equal(nic_open(dev, 8192, BERTH_RTL8139_LOOPBACK), 0);
	reinit_completion(&nic_log.back);
	assert_int_equal(nic_send(dev, frames, MAX), 0);
	assert_true(nic_is(buffer, nic_receive(dev, buffer), MAX, 0, mac_a));
	nic_free_frames(frames, SENDS);
	must_stop();
}

static bool job(struct device *dev, uint8_t *frame)
{
	bool is_done = false;

	if (nic_open(dev, 16384, BERTH_RTL8139_LOOPBACK))
		return false;
	if (!nic_send(dev, frame, 800))
		is_done = nic_is(buffer, nic_receive(dev, buffer), 800, 5, mac_a);
	assert_int_equal(berth_rtl8139_stop(dev), 0);
	return is_done;
}

/* Whichever allocation fails, nothing is lost; and without a failure the job is done. */
static void test_failures(void **state)
{
	unsigned int failed = 0;

	(void)state;
	for (uint64_t nth = 1;; nth++) {
		struct device *dev = nic_boot(NULL);
		struct platform_device *pdev = to_platform_device(dev);
		uint8_t *frame = nic_frames(1);
		bool is_done = false, has_failed;

		nic_fill(frame, 800, 5, mac_a);
		assert_int_equal(berth_rtl8139_platform_driver.remove(pdev), 0);
		berth_test_fail_nth(nth);
		if (!berth_rtl8139_platform_driver.probe(pdev))
			is_done = job(dev, frame);
		has_failed = berth_test_failed();
		berth_test_fail_nth(0);
		if (!dev_get_drvdata(dev))
			assert_int_equal(berth_rtl8139_platform_driver.probe(pdev), 0);
		nic_free_frames(frame, 1);
		must_stop();
		failed += !is_done;
		if (!has_failed) {
			assert_true(is_done);
			break;
		}
	}
	assert_true(failed >= 2);
}

static irqreturn_t not_mine(int irq, void *data)
{
	(void)irq;
	(void)data;
	return IRQ_NONE;
}

static void test_taken_interrupt(void **state)
{
	struct device *dev = nic_boot(NULL);
	struct platform_device *pdev = to_platform_device(dev);
	unsigned int irq = (unsigned int)platform_get_irq(pdev, 0);

	(void)state;
	assert_int_equal(berth_rtl8139_platform_driver.remove(pdev), 0);
	assert_int_equal(request_irq(irq, not_mine, 0, "test", &irq), 0);
	assert_int_equal(berth_rtl8139_platform_driver.probe(pdev), -EBUSY);
	assert_null(dev_get_drvdata(dev));
	free_irq(irq, &irq);
	assert_int_equal(berth_rtl8139_platform_driver.probe(pdev), 0);
	must_stop();
}

static void carry(void *data, const void *frame, size_t size)
{
	assert_int_equal(berth_model_rtl8139_deliver(data, frame, size, false), 0);
}

/* Two cards and a cable, and who hears what. */
static void test_two_cards(void **state)
{
	static const uint8_t group[6] = { 1, 0, 0x5e, 0, 0, 9 };
	static const uint8_t other[6] = { 2, 0, 0, 0, 0, 3 };
	static const uint8_t all[6] = { 255, 255, 255, 255, 255, 255 };
	static const struct {
		const uint8_t *to;
		unsigned int flags;
		bool is_heard;
	} cases[] = {
		{ mac_b, 0, true },
		{ all, 0, true },
		{ mac_a, 0, false },
		{ other, 0, false },
		{ group, 0, false },
		{ group, BERTH_RTL8139_ALL_MULTICAST, true },
		{ other, BERTH_RTL8139_ALL_MULTICAST, false },
		{ other, BERTH_RTL8139_PROMISCUOUS, true },
		{ group, BERTH_RTL8139_PROMISCUOUS, true },
	};
	struct device *a = nic_boot(NULL), *b = nic_find(CARD_B);
	uint8_t *frame = nic_frames(1);

	(void)state;
	assert_int_equal(berth_model_rtl8139_wire(CARD_A, carry, (void *)(uintptr_t)CARD_B), 0);
	assert_int_equal(nic_open(a, 0, 0), 0);
	for (uint32_t i = 0; i < ARRAY_SIZE(cases); i++) {
		assert_int_equal(nic_open(b, 0, cases[i].flags), 0);
		nic_fill(frame, 100 + i, i, cases[i].to);
		assert_int_equal(nic_send(a, frame, 100 + i), 0);
		if (cases[i].is_heard)
			assert_true(
				nic_is(buffer, nic_receive(b, buffer), 100 + i, i, cases[i].to));
		assert_int_equal(nic_receive(b, buffer), -ETIMEDOUT);
		assert_int_equal(berth_rtl8139_stop(b), 0);
	}
	assert_int_equal(nic_receive(a, buffer), -ETIMEDOUT);
	nic_free_frames(frame, 1);
	must_stop();
}

static unsigned int links, link_ups;

static void on_link(void *data, bool is_up)
{
	(void)data;
	links++;
	link_ups += is_up;
}

static void test_link(void **state)
{
	const struct berth_rtl8139_config config = { .link = on_link };
	struct device *dev = nic_boot(NULL);
	uint8_t *frame = nic_frames(1);

	(void)state;
	links = link_ups = 0;
	assert_int_equal(berth_rtl8139_start(dev, &config), 0);
	assert_true(berth_rtl8139_has_link(dev));
	assert_int_equal(berth_model_rtl8139_plug(CARD_A, false), 0);
	msleep(1);
	assert_int_equal(links, 1);
	assert_false(berth_rtl8139_has_link(dev));
	/* Nobody asked to be told about frames. */
	assert_int_equal(berth_rtl8139_send(dev, frame, MIN), 0);
	msleep(1);
	assert_int_equal(berth_model_rtl8139_plug(CARD_A, true), 0);
	msleep(1);
	assert_int_equal(links, 2);
	assert_int_equal(link_ups, 1);
	assert_true(berth_rtl8139_has_link(dev));
	assert_int_equal(nic_stats(dev).tx_frames, 1);
	nic_free_frames(frame, 1);
	must_stop();
}

static void test_no_such_card(void **state)
{
	uint8_t frame[4096] = { 0 };

	(void)state;
	nic_boot(NULL);
	assert_int_equal(berth_model_rtl8139_wire("/soc-bus", NULL, NULL), -ENODEV);
	assert_int_equal(berth_model_rtl8139_plug("/nowhere", true), -ENODEV);
	assert_int_equal(berth_model_rtl8139_jam("/nowhere", 1), -ENODEV);
	assert_int_equal(berth_model_rtl8139_deliver("/nowhere", frame, 60, false), -ENODEV);
	assert_int_equal(berth_model_rtl8139_deliver(CARD_A, frame, 13, false), -EINVAL);
	assert_int_equal(berth_model_rtl8139_deliver(CARD_A, frame, 4093, false), -EINVAL);
	for (unsigned int i = 0; i < 1024; i++)
		assert_int_equal(berth_model_rtl8139_deliver(CARD_A, frame, 4092, false), 0);
	assert_int_equal(berth_model_rtl8139_deliver(CARD_A, frame, 60, false), -EBUSY);
	must_stop();
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_all_sizes),
		cmocka_unit_test(test_arguments),
		cmocka_unit_test(test_every_sync_matters),
		cmocka_unit_test(test_bursts),
		cmocka_unit_test(test_sending_in_bursts),
		cmocka_unit_test(test_overflow),
		cmocka_unit_test(test_bad_frames),
		cmocka_unit_test(test_aborts),
		cmocka_unit_test(test_bus_errors),
		cmocka_unit_test(test_bad_headers),
		cmocka_unit_test(test_reset_under_reader),
		cmocka_unit_test(test_stop_after_sending),
		cmocka_unit_test(test_stop_in_between),
		cmocka_unit_test(test_remove_with_live_transfers),
		cmocka_unit_test(test_failures),
		cmocka_unit_test(test_taken_interrupt),
		cmocka_unit_test(test_two_cards),
		cmocka_unit_test(test_link),
		cmocka_unit_test(test_no_such_card),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
