// SPDX-License-Identifier: BSD-2-Clause
/* The network card with several threads: who sends, who receives, and who stops it meanwhile. */
#include <pthread.h>
#include <unistd.h>

#include "nic.h"

#define FRAMES 400u
#define ROUNDS 40u
/* So far may who receives be behind: less than the smallest ring holds. */
#define AHEAD 4u

static uint32_t wrong;

#define EXPECT(condition)                                                \
	do {                                                             \
		if (!(condition))                                        \
			__atomic_fetch_add(&wrong, 1, __ATOMIC_RELAXED); \
	} while (0)

/* One direction: from a card to another one, or to itself. */
struct way {
	struct device *from, *to;
	const uint8_t *mac;
	uint8_t *frames;
	struct nic_log log;
	uint32_t received;
	bool is_over;
	uint32_t taken; /* by the card */
};

static size_t size_of(uint32_t number)
{
	return MIN + number * 131 % (MAX - MIN + 1);
}

/* A place is free again when its frame and all before it are back. */
static void *send_all(void *data)
{
	struct way *way = data;

	for (uint32_t n = 0; n < FRAMES;) {
		uint8_t *frame = way->frames + 2048 * (n % SENDS);
		int err;

		while (n - __atomic_load_n(&way->log.sent, __ATOMIC_ACQUIRE) >= SENDS ||
		       n - __atomic_load_n(&way->received, __ATOMIC_ACQUIRE) >= AHEAD)
			usleep_range(20, 40);
		nic_fill(frame, size_of(n), n, way->mac);
		err = berth_rtl8139_send(way->from, frame, size_of(n));
		EXPECT(!err || err == -EBUSY);
		n += !err;
		if (err)
			usleep_range(20, 40);
	}
	return NULL;
}

static void *receive_all(void *data)
{
	struct way *way = data;
	uint8_t buffer[2048];

	for (uint32_t n = 0; n < FRAMES;) {
		int got = berth_rtl8139_receive(way->to, buffer, sizeof(buffer), 10);

		if (got == -ETIMEDOUT)
			continue;
		EXPECT(nic_is(buffer, got, size_of(n), n, way->mac));
		__atomic_store_n(&way->received, ++n, __ATOMIC_RELEASE);
	}
	return NULL;
}

static void must_open(struct device *dev, unsigned int ring, unsigned int flags, struct way *way)
{
	const struct berth_rtl8139_config config = {
		.ring_bytes = ring,
		.flags = flags,
		.sent = nic_sent,
		.data = &way->log,
	};

	assert_int_equal(berth_rtl8139_start(dev, &config), 0);
}

static void run(struct way *ways, unsigned int nr)
{
	pthread_t threads[4];

	wrong = 0;
	for (unsigned int i = 0; i < nr; i++)
		ways[i].frames = nic_frames(SENDS);
	for (unsigned int i = 0; i < nr; i++) {
		assert_int_equal(pthread_create(&threads[2 * i], NULL, receive_all, &ways[i]), 0);
		assert_int_equal(pthread_create(&threads[2 * i + 1], NULL, send_all, &ways[i]), 0);
	}
	for (unsigned int i = 0; i < 2 * nr; i++)
		pthread_join(threads[i], NULL);
	assert_int_equal(wrong, 0);
	for (unsigned int i = 0; i < nr; i++)
		nic_free_frames(ways[i].frames, SENDS);
}

static void test_alone(void **state)
{
	const enum berth_model_cache caches[] = {
		BERTH_MODEL_CACHE_RANDOM,
		BERTH_MODEL_CACHE_ADVERSARIAL,
	};

	(void)state;
	for (unsigned int i = 0; i < ARRAY_SIZE(caches); i++) {
		const struct berth_model_config config = { .cache = caches[i] };
		struct device *dev = nic_boot(&config);
		struct way way = { .from = dev, .to = dev, .mac = mac_a };

		must_open(dev, 8192, BERTH_RTL8139_LOOPBACK, &way);
		run(&way, 1);
		assert_int_equal(nic_stats(dev).rx_frames, FRAMES);
		must_stop();
	}
}

static void carry(void *data, const void *frame, size_t size)
{
	EXPECT(!berth_model_rtl8139_deliver(data, frame, size, false));
}

static void test_both_ways(void **state)
{
	struct device *a = nic_boot(NULL), *b = nic_find(CARD_B);
	struct way ways[2] = {
		{ .from = a, .to = b, .mac = mac_b },
		{ .from = b, .to = a, .mac = mac_a },
	};

	(void)state;
	assert_int_equal(berth_model_rtl8139_wire(CARD_A, carry, (void *)(uintptr_t)CARD_B), 0);
	assert_int_equal(berth_model_rtl8139_wire(CARD_B, carry, (void *)(uintptr_t)CARD_A), 0);
	must_open(a, 65536, 0, &ways[0]);
	must_open(b, 8192, 0, &ways[1]);
	run(ways, 2);
	must_stop();
}

/* Whatever comes is whole; whoever is told that the card is stopped tries again. */
static void *send_some(void *data)
{
	struct way *way = data;
	uint32_t taken = 0;

	while (!__atomic_load_n(&way->is_over, __ATOMIC_ACQUIRE)) {
		/* Their contents stay, so they may be sent while they are on their way. */
		int err = berth_rtl8139_send(way->from, way->frames + 2048 * (taken % SENDS),
					     size_of(taken % SENDS));

		EXPECT(!err || err == -EBUSY || err == -ENXIO);
		taken += !err;
		if (err)
			usleep_range(20, 40);
	}
	__atomic_store_n(&way->taken, taken, __ATOMIC_RELEASE);
	return NULL;
}

static void *receive_some(void *data)
{
	struct way *way = data;
	uint8_t buffer[2048];

	while (!__atomic_load_n(&way->is_over, __ATOMIC_ACQUIRE)) {
		int got = berth_rtl8139_receive(way->to, buffer, sizeof(buffer), 10);

		if (got > 0) {
			uint32_t n;

			memcpy(&n, buffer + 14, 4);
			EXPECT(n < SENDS && nic_is(buffer, got, size_of(n), n, way->mac));
			__atomic_fetch_add(&way->received, 1, __ATOMIC_RELEASE);
		} else if (got != -ETIMEDOUT) {
			EXPECT(got == -ENXIO);
			usleep_range(20, 40);
		}
	}
	return NULL;
}

static void test_stopped_meanwhile(void **state)
{
	struct device *dev = nic_boot(NULL);
	struct way way = { .from = dev, .to = dev, .mac = mac_a, .frames = nic_frames(SENDS) };
	pthread_t sender, receiver;

	(void)state;
	wrong = 0;
	for (uint32_t n = 0; n < SENDS; n++)
		nic_fill(way.frames + 2048 * n, size_of(n), n, mac_a);
	must_open(dev, 8192, BERTH_RTL8139_LOOPBACK, &way);
	assert_int_equal(pthread_create(&sender, NULL, send_some, &way), 0);
	assert_int_equal(pthread_create(&receiver, NULL, receive_some, &way), 0);
	for (unsigned int round = 0; round < ROUNDS; round++) {
		uint32_t received = __atomic_load_n(&way.received, __ATOMIC_ACQUIRE);

		while (__atomic_load_n(&way.received, __ATOMIC_ACQUIRE) == received)
			usleep_range(50, 100);
		udelay(round * 7);
		assert_int_equal(berth_rtl8139_stop(dev), 0);
		if (round == ROUNDS - 1)
			__atomic_store_n(&way.is_over, true, __ATOMIC_RELEASE);
		must_open(dev, 8192u << round % 4, BERTH_RTL8139_LOOPBACK, &way);
	}
	pthread_join(sender, NULL);
	pthread_join(receiver, NULL);
	assert_int_equal(berth_rtl8139_stop(dev), 0);
	assert_int_equal(wrong, 0);
	/* Each came back once. */
	assert_int_equal(way.log.sent + way.log.stopped + way.log.failed, way.taken);
	assert_int_equal(way.log.failed, 0);
	nic_free_frames(way.frames, SENDS);
	must_stop();
}

/* Stopped while somebody waits for a frame that does not come, and one receives at a time. */
static void *wait_for_frame(void *data)
{
	uint8_t buffer[2048];
	int got;

	do
		got = berth_rtl8139_receive(data, buffer, sizeof(buffer), MAX_SCHEDULE_TIMEOUT);
	while (got == -EBUSY);
	EXPECT(got == -ENXIO);
	return NULL;
}

static void test_stopped_while_waiting(void **state)
{
	struct device *dev = nic_boot(NULL);
	struct way way = { .from = dev };
	uint8_t buffer[2048];
	pthread_t waiter;
	int err;

	(void)state;
	wrong = 0;
	for (unsigned int round = 0; round < 5; round++) {
		must_open(dev, 0, 0, &way);
		assert_int_equal(pthread_create(&waiter, NULL, wait_for_frame, dev), 0);
		do {
			usleep_range(50, 100);
			err = berth_rtl8139_receive(dev, buffer, sizeof(buffer), 0);
		} while (err == -ETIMEDOUT);
		assert_int_equal(err, -EBUSY);
		assert_int_equal(berth_rtl8139_stop(dev), 0);
		pthread_join(waiter, NULL);
	}
	assert_int_equal(wrong, 0);
	must_stop();
}

/* Stopped while another thread is in the handler: nobody is called any more when it is stopped. */
static uint32_t is_called, is_done;

static void be_slow(void *data, void *frame, int error)
{
	(void)data;
	(void)frame;
	EXPECT(!error);
	__atomic_store_n(&is_called, 1, __ATOMIC_RELEASE);
	usleep(20000);
	__atomic_store_n(&is_called, 2, __ATOMIC_RELEASE);
}

static void *take_interrupts(void *data)
{
	(void)data;
	while (!__atomic_load_n(&is_done, __ATOMIC_ACQUIRE))
		usleep_range(50, 100);
	return NULL;
}

static void test_stopped_in_handler(void **state)
{
	const struct berth_rtl8139_config config = { .sent = be_slow };
	struct device *dev = nic_boot(NULL);
	uint8_t *frame = nic_frames(1);
	pthread_t other;

	(void)state;
	wrong = is_called = is_done = 0;
	assert_int_equal(berth_rtl8139_start(dev, &config), 0);
	assert_int_equal(berth_rtl8139_send(dev, frame, MIN), 0);
	assert_int_equal(pthread_create(&other, NULL, take_interrupts, NULL), 0);
	while (!__atomic_load_n(&is_called, __ATOMIC_ACQUIRE))
		usleep(100);
	assert_int_equal(berth_rtl8139_stop(dev), 0);
	assert_int_equal(__atomic_load_n(&is_called, __ATOMIC_ACQUIRE), 2);
	__atomic_store_n(&is_done, 1, __ATOMIC_RELEASE);
	pthread_join(other, NULL);
	assert_int_equal(wrong, 0);
	nic_free_frames(frame, 1);
	must_stop();
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_alone),
		cmocka_unit_test(test_both_ways),
		cmocka_unit_test(test_stopped_meanwhile),
		cmocka_unit_test(test_stopped_while_waiting),
		cmocka_unit_test(test_stopped_in_handler),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
