/* SPDX-License-Identifier: BSD-2-Clause */
/* Several threads on one model: no race, no lost wake, no handler twice at once. */
#include <pthread.h>

#include "soc.h"

#include "handlers.h"

#define THREADS 4
#define TURNS 300

static char __iomem *registers;
static uint32_t done[THREADS]; /* by handler, per thread */
static uint32_t running, overlaps, served;
static uint32_t failed;

#define EXPECT(condition)                                                 \
	do {                                                              \
		if (!(condition))                                         \
			__atomic_fetch_add(&failed, 1, __ATOMIC_RELAXED); \
	} while (0)

static void start(enum berth_model_cache cache)
{
	const struct berth_model_config config = { .cache = cache };

	soc_start(&config);
	registers = berth_port_ioremap(REGISTERS, 0x1000);
	memset(done, 0, sizeof(done));
	running = overlaps = served = failed = 0;
	on_irq = NULL;
	on_alarm = NULL;
}

static void run_threads(unsigned int nr, void *(*fn)(void *))
{
	pthread_t threads[100];

	assert_in_range(nr, 1, 100);
	for (uintptr_t i = 0; i < nr; i++)
		assert_int_equal(pthread_create(&threads[i], NULL, fn, (void *)i), 0);
	for (unsigned int i = 0; i < nr; i++)
		pthread_join(threads[i], NULL);
	assert_int_equal(failed, 0);
}

/* A write to register n says: raise the interrupt for thread n, a little later. */
static uint32_t asked;

static void finish(struct model_device *dev, uint64_t arg)
{
	__atomic_fetch_or(&asked, 1u << arg, __ATOMIC_RELAXED);
	model_irq(dev, 0, true);
}

static void on_register(struct model_device *dev, uint64_t offset, uint64_t value)
{
	(void)value;
	model_after(dev, 1000 + model_random(3000), finish, offset / 8);
}

static bool serve(unsigned int irq)
{
	uint32_t ready;

	(void)irq;
	if (__atomic_exchange_n(&running, 1, __ATOMIC_ACQUIRE))
		__atomic_fetch_add(&overlaps, 1, __ATOMIC_RELAXED);
	served++;
	model_irq(plain, 0, false);
	ready = __atomic_exchange_n(&asked, 0, __ATOMIC_RELAXED);
	for (unsigned int i = 0; i < THREADS; i++)
		if (ready >> i & 1) {
			__atomic_fetch_add(&done[i], 1, __ATOMIC_RELEASE);
			berth_port_wake(&done[i]);
		}
	__atomic_store_n(&running, 0, __ATOMIC_RELEASE);
	return true;
}

static void *work(void *arg)
{
	uintptr_t self = (uintptr_t)arg;
	phys_addr_t buffer = RAM + 0x10000 + 4096 * self;

	for (uint32_t turn = 0; turn < TURNS; turn++) {
		unsigned long flags;

		cpu_fill(buffer, (int)turn, 1024);
		berth_port_cache_clean(buffer, 1024);
		EXPECT(dev_byte(plain, buffer + turn) == (turn & 0xff));
		berth_port_wmb();
		berth_port_write64(registers + 8 * self, turn);
		if (turn % 7 == 0) {
			uint32_t nothing = 0;

			EXPECT(berth_port_wait(&nothing, 0, berth_port_now() + 500) == -ETIMEDOUT);
		}
		while (__atomic_load_n(&done[self], __ATOMIC_ACQUIRE) == turn)
			EXPECT(!berth_port_wait(&done[self], turn, UINT64_MAX));
		flags = berth_port_irq_save();
		dev_fill(plain, buffer, (int)turn + 1, 1024);
		berth_port_irq_restore(flags);
		berth_port_cache_invalidate(buffer, 1024);
		EXPECT(cpu_byte(buffer + 1023) == ((turn + 1) & 0xff));
	}
	return NULL;
}

static void threads_share_a_device(void **state)
{
	(void)state;
	for (unsigned int cache = 0; cache < 3; cache++) {
		start(cache);
		((struct test_device *)plain->state)->on_write = on_register;
		on_irq = serve;
		assert_int_equal(berth_port_irq_unmask(IRQ, true), 0);
		run_threads(THREADS, work);
		assert_int_equal(overlaps, 0);
		for (unsigned int i = 0; i < THREADS; i++)
			assert_int_equal(done[i], TURNS);
		assert_int_equal(soc_stats().bus_errors, 0);
		berth_port_stop();
	}
}

/* The CPU's threads store into lines that a device's chances go over: nothing that they race with. */
static void *store_all_the_time(void *arg)
{
	uintptr_t self = (uintptr_t)arg;
	volatile uint64_t *words = soc_virt(RAM + 0x20000);

	for (unsigned int turn = 1; turn < 20000; turn++) {
		words[self] = turn;
		EXPECT(words[self] == turn);
		if (turn % 64 == 0)
			berth_port_cache_flush(RAM + 0x20040, 64);
		if (turn % 64 == 32)
			dev_fill(coherent, RAM + 0x20040, (int)turn, 64);
	}
	return NULL;
}

static void stores_beside_the_models_own(void **state)
{
	(void)state;
	start(BERTH_MODEL_CACHE_RANDOM);
	run_threads(THREADS, store_all_the_time);
	berth_port_stop();
}

/* Data, barrier, flag: the thread sanitizer must see that this is right. */
static int message;
static uint32_t is_sent;

static void *receive(void *arg)
{
	(void)arg;
	while (!__atomic_load_n(&is_sent, __ATOMIC_RELAXED))
		berth_port_relax();
	berth_port_rmb();
	EXPECT(message == 42);
	return NULL;
}

static void barriers_order_plain_data(void **state)
{
	pthread_t thread;

	(void)state;
	start(BERTH_MODEL_CACHE_QUIET);
	for (unsigned int i = 0; i < 100; i++) {
		message = 0;
		is_sent = 0;
		assert_int_equal(pthread_create(&thread, NULL, receive, NULL), 0);
		message = 42;
		berth_port_wmb();
		__atomic_store_n(&is_sent, 1, __ATOMIC_RELAXED);
		pthread_join(thread, NULL);
	}
	assert_int_equal(failed, 0);
	berth_port_stop();
}

/* A deadline that another thread's work meets is not missed by a jump of the clock. */
static uint32_t late_word;

static void *wake_later(void *arg)
{
	(void)arg;
	/* Real work, which takes no virtual time. */
	for (volatile unsigned int i = 0; i < 3000000; i++)
		;
	__atomic_store_n(&late_word, 1, __ATOMIC_RELEASE);
	berth_port_wake(&late_word);
	return NULL;
}

static void the_clock_does_not_run_away(void **state)
{
	pthread_t thread;

	(void)state;
	start(BERTH_MODEL_CACHE_QUIET);
	for (unsigned int i = 0; i < 5; i++) {
		__atomic_store_n(&late_word, 0, __ATOMIC_RELAXED);
		assert_int_equal(pthread_create(&thread, NULL, wake_later, NULL), 0);
		assert_int_equal(berth_port_wait(&late_word, 0, berth_port_now() + 20000000000), 0);
		pthread_join(thread, NULL);
		/* And without one: that thread is known to be there before it has made a call. */
		__atomic_store_n(&late_word, 0, __ATOMIC_RELAXED);
		assert_int_equal(pthread_create(&thread, NULL, wake_later, NULL), 0);
		assert_int_equal(berth_port_wait(&late_word, 0, UINT64_MAX), 0);
		pthread_join(thread, NULL);
	}
	berth_port_stop();
}

/* The clock stops at every thread's deadline: one that is short, and then wakes one that is long. */
static uint32_t ping, pong;

static void *answer(void *arg)
{
	uint32_t nothing = 0;

	(void)arg;
	for (uint32_t turn = 0; turn < TURNS; turn++) {
		while (__atomic_load_n(&ping, __ATOMIC_ACQUIRE) == turn)
			EXPECT(!berth_port_wait(&ping, turn, UINT64_MAX));
		EXPECT(berth_port_wait(&nothing, 0, berth_port_now() + 100000) == -ETIMEDOUT);
		__atomic_store_n(&pong, turn + 1, __ATOMIC_RELEASE);
		berth_port_wake(&pong);
	}
	return NULL;
}

static void each_deadline_has_its_turn(void **state)
{
	pthread_t thread;

	(void)state;
	start(BERTH_MODEL_CACHE_QUIET);
	ping = pong = 0;
	assert_int_equal(pthread_create(&thread, NULL, answer, NULL), 0);
	for (uint32_t turn = 0; turn < TURNS; turn++) {
		uint64_t now = berth_port_now();

		__atomic_store_n(&ping, turn + 1, __ATOMIC_RELEASE);
		berth_port_wake(&ping);
		while (__atomic_load_n(&pong, __ATOMIC_ACQUIRE) == turn)
			EXPECT(!berth_port_wait(&pong, turn, now + 1000000000));
		EXPECT(berth_port_now() - now < 10000000);
	}
	pthread_join(thread, NULL);
	assert_int_equal(failed, 0);
	berth_port_stop();
}

static uint32_t nr_deadlocks, release;

static void *wait_for_release(void *arg)
{
	(void)arg;
	if (berth_port_wait(&release, 0, UINT64_MAX) == -EDEADLK) {
		__atomic_fetch_add(&nr_deadlocks, 1, __ATOMIC_RELAXED);
		__atomic_store_n(&release, 1, __ATOMIC_RELEASE);
		berth_port_wake(&release);
	}
	EXPECT(__atomic_load_n(&release, __ATOMIC_ACQUIRE) == 1);
	return NULL;
}

/* All of them wait, for ever: the last one is told so, and can do something about it. */
static void threads_that_wait_for_each_other(void **state)
{
	pthread_t threads[3];

	(void)state;
	start(BERTH_MODEL_CACHE_QUIET);
	for (unsigned int round = 0; round < 20; round++) {
		nr_deadlocks = release = 0;
		for (unsigned int i = 0; i < 3; i++)
			assert_int_equal(pthread_create(&threads[i], NULL, wait_for_release, NULL),
					 0);
		wait_for_release(NULL);
		for (unsigned int i = 0; i < 3; i++)
			pthread_join(threads[i], NULL);
		assert_int_equal(nr_deadlocks, 1);
		assert_int_equal(failed, 0);
	}
	berth_port_stop();
}

static uint32_t nr_here;
static uint8_t slots[100];

static void *take_slot(void *arg)
{
	uintptr_t self = (uintptr_t)arg;
	unsigned int slot = berth_port_slot();

	EXPECT(slot < BERTH_PORT_MAX_SLOTS && slot == berth_port_slot());
	EXPECT(slot < berth_port_slots_in_use());
	slots[self] = (uint8_t)slot;
	/* Until all are here. */
	__atomic_fetch_add(&nr_here, 1, __ATOMIC_SEQ_CST);
	while (__atomic_load_n(&nr_here, __ATOMIC_SEQ_CST) < 100)
		berth_port_relax();
	return NULL;
}

static void more_threads_than_slots_share(void **state)
{
	unsigned int users[BERTH_PORT_MAX_SLOTS] = { 0 };

	(void)state;
	start(BERTH_MODEL_CACHE_QUIET);
	for (unsigned int round = 0; round < 2; round++) {
		nr_here = 0;
		run_threads(100, take_slot);
		memset(users, 0, sizeof(users));
		for (unsigned int i = 0; i < 100; i++)
			users[slots[i]]++;
		for (unsigned int i = 0; i < BERTH_PORT_MAX_SLOTS; i++)
			assert_in_range(users[i], 0, 2);
	}
	berth_port_stop();
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(threads_share_a_device),
		cmocka_unit_test(stores_beside_the_models_own),
		cmocka_unit_test(barriers_order_plain_data),
		cmocka_unit_test(the_clock_does_not_run_away),
		cmocka_unit_test(each_deadline_has_its_turn),
		cmocka_unit_test(threads_that_wait_for_each_other),
		cmocka_unit_test(more_threads_than_slots_share),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
