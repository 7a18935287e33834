/* SPDX-License-Identifier: BSD-2-Clause */
/* Two CPUs, or threads: what is theirs alone, and what they see of each other. */
#include "suite.h"

#define ROUNDS 2000u
#define LOCKED 20000u

static struct {
	void (*fn)(void *);
	void *arg;
	uint32_t is_running;
} other;

static void run_and_tell(void *unused)
{
	(void)unused;
	berth_port_now(); /* a port of threads knows this one from here on */
	__atomic_store_n(&other.is_running, 1, __ATOMIC_RELEASE);
	other.fn(other.arg);
}

/* Returns once the other CPU runs: how long a host takes to start a thread is no test. */
static bool run_other(void (*fn)(void *), void *arg)
{
	if (!conformance_env->run_on_other_cpu) {
		conformance_skip("one CPU only");
		return false;
	}
	other.fn = fn;
	other.arg = arg;
	__atomic_store_n(&other.is_running, 0, __ATOMIC_RELEASE);
	if (!CHECK_EQUAL(conformance_env->run_on_other_cpu(run_and_tell, NULL), 0))
		return false;
	while (!__atomic_load_n(&other.is_running, __ATOMIC_ACQUIRE))
		berth_port_relax();
	return true;
}

static void store_and_wake(uint32_t *word, uint32_t value)
{
	__atomic_store_n(word, value, __ATOMIC_SEQ_CST);
	berth_port_wake(word);
}

struct identity {
	unsigned int slot, slots_in_use;
	struct berth_error *error;
	int code;
};

static void identify(void *arg)
{
	struct identity *it = arg;

	it->slot = berth_port_slot();
	it->slots_in_use = berth_port_slots_in_use();
	it->error = berth_port_error();
	it->code = it->error->code;
	it->error->code = -ENOMEM;
}

static void test_identity(void)
{
	struct identity it = { .slot = UINT_MAX };

	berth_port_error()->code = -EIO;
	if (!run_other(identify, &it))
		return;
	conformance_env->join_other_cpu();
	CHECK(it.slot < BERTH_PORT_MAX_SLOTS);
	CHECK(it.slot != berth_port_slot());
	CHECK(it.slots_in_use > it.slot && it.slots_in_use > berth_port_slot());
	CHECK(it.error && it.error != berth_port_error());
	CHECK(it.code != -EIO);
	CHECK_EQUAL(-berth_port_error()->code, EIO);
	berth_port_error()->code = 0;
}

static void count_up(void *arg)
{
	(*(unsigned int *)arg)++;
}

static void test_restart(void)
{
	unsigned int count = 0;

	for (unsigned int i = 0; i < 200; i++) {
		if (!run_other(count_up, &count))
			return;
		conformance_env->join_other_cpu();
		if (!CHECK_EQUAL(count, i + 1))
			return;
	}
}

/* As berth's spinlock uses the port. */
static void lock(uint32_t *word)
{
	while (__atomic_exchange_n(word, 1, __ATOMIC_ACQUIRE))
		berth_port_lock_wait(word, 1);
}

static void unlock(uint32_t *word)
{
	__atomic_store_n(word, 0, __ATOMIC_RELEASE);
}

struct locked {
	uint32_t lock;
	uint32_t started;
	uint64_t a, b;
};

static void add_locked(void *arg)
{
	struct locked *it = arg;

	__atomic_add_fetch(&it->started, 1, __ATOMIC_SEQ_CST);
	for (unsigned int i = 0; i < LOCKED; i++) {
		lock(&it->lock);
		it->a++;
		/* Now and then the other one runs into a lock that is held for a while. */
		if (i % 256 == 0)
			for (unsigned int j = 0; j < 100; j++)
				berth_port_relax();
		it->b = it->a;
		unlock(&it->lock);
	}
}

static void test_lock(void)
{
	struct locked it = { .lock = 0 };

	if (!run_other(add_locked, &it))
		return;
	while (!__atomic_load_n(&it.started, __ATOMIC_SEQ_CST))
		berth_port_relax();
	add_locked(&it);
	conformance_env->join_other_cpu();
	CHECK_EQUAL(it.a, 2 * LOCKED);
	CHECK_EQUAL(it.b, 2 * LOCKED);
	CHECK_EQUAL(it.lock, 0);
}

struct message {
	uint32_t ready __attribute__((aligned(128)));
	uint32_t taken __attribute__((aligned(128)));
	uint32_t data[8] __attribute__((aligned(128)));
	uint32_t wrong;
};

/* Data, barrier, flag; no ordering by the flag's own accesses. */
static void receive(void *arg)
{
	struct message *m = arg;

	for (uint32_t i = 1; i <= ROUNDS; i++) {
		while (__atomic_load_n(&m->ready, __ATOMIC_RELAXED) != i)
			berth_port_relax();
		if (i % 2)
			berth_port_rmb();
		else
			berth_port_dma_rmb();
		for (unsigned int j = 0; j < 8; j++)
			if (__atomic_load_n(&m->data[j], __ATOMIC_RELAXED) != i * 8 + j)
				m->wrong++;
		berth_port_mb();
		__atomic_store_n(&m->taken, i, __ATOMIC_RELAXED);
	}
}

static void test_message(void)
{
	static struct message m;

	m = (struct message){ .ready = 0 };
	if (!run_other(receive, &m))
		return;
	for (uint32_t i = 1; i <= ROUNDS; i++) {
		for (unsigned int j = 0; j < 8; j++)
			__atomic_store_n(&m.data[j], i * 8 + j, __ATOMIC_RELAXED);
		if (i % 2)
			berth_port_wmb();
		else
			berth_port_dma_wmb();
		__atomic_store_n(&m.ready, i, __ATOMIC_RELAXED);
		while (__atomic_load_n(&m.taken, __ATOMIC_RELAXED) != i)
			berth_port_relax();
		berth_port_mb();
	}
	conformance_env->join_other_cpu();
	CHECK_EQUAL(m.wrong, 0);
}

struct ball {
	uint32_t there, back;
	uint32_t errors;
};

static void play(void *arg)
{
	struct ball *ball = arg;

	for (uint32_t i = 1; i <= ROUNDS; i++) {
		if (conformance_wait(&ball->there, i - 1, UINT64_MAX))
			ball->errors++;
		store_and_wake(&ball->back, i);
	}
}

/* Both sleep without a deadline: one wake that is lost is the end. */
static void test_wake(void)
{
	struct ball ball = { .there = 0 };

	if (!run_other(play, &ball))
		return;
	for (uint32_t i = 1; i <= ROUNDS; i++) {
		store_and_wake(&ball.there, i);
		CHECK_EQUAL(conformance_wait(&ball.back, i - 1, UINT64_MAX), 0);
	}
	conformance_env->join_other_cpu();
	CHECK_EQUAL(ball.errors, 0);
}

static void sleep_then_wake(void *arg)
{
	uint32_t word = 0;

	/* A deadline of this CPU's own, while the other sleeps with one of its own. */
	conformance_wait(&word, 0, berth_port_now() + 2 * MS);
	store_and_wake(arg, 1);
}

static void test_wake_deadline(void)
{
	uint32_t word = 0, nobody = 0;
	uint64_t start = berth_port_now();

	if (!run_other(sleep_then_wake, &word))
		return;
	CHECK_EQUAL(conformance_wait(&word, 0, start + PATIENCE_NS), 0);
	CHECK(berth_port_now() - start >= 2 * MS);
	conformance_env->join_other_cpu();
	CHECK(conformance_wait(&nobody, 0, berth_port_now() + MS) == -ETIMEDOUT);
}

struct order {
	uint64_t at;
	uint32_t before; /* alarms until then */
};

static void ask_for_alarm(void *arg)
{
	struct order *order = arg;

	order->before = __atomic_load_n(&conformance_alarms, __ATOMIC_SEQ_CST);
	berth_port_alarm(order->at);
}

/* What another CPU has asked for is taken back here. */
static void take_back(void)
{
	struct order order;
	uint32_t word = 0;

	for (unsigned int i = 0; i < 10; i++) {
		order.at = berth_port_now() + (20 * MS << i);
		if (!run_other(ask_for_alarm, &order))
			return;
		conformance_env->join_other_cpu();
		berth_port_alarm(UINT64_MAX);
		/* On a busy host its moment may have come before. */
		if (berth_port_now() >= order.at)
			continue;
		conformance_wait(&word, 0, order.at + MS);
		CHECK_EQUAL(__atomic_load_n(&conformance_alarms, __ATOMIC_SEQ_CST), order.before);
		return;
	}
	conformance_skip("this machine is too busy");
}

/* There is one alarm, whoever asked for it. */
static void test_alarm_shared(void)
{
	uint32_t before = __atomic_load_n(&conformance_alarms, __ATOMIC_SEQ_CST);
	uint64_t at = berth_port_now() + 2 * MS;
	struct order late = { .at = berth_port_now() + 8 * MS };

	berth_port_alarm(at);
	if (!run_other(ask_for_alarm, &late)) {
		berth_port_alarm(UINT64_MAX);
		return;
	}
	conformance_env->join_other_cpu();
	/* Its moment may have come before the other replaced it: then there were two. */
	CHECK_EQUAL(conformance_wait(&conformance_alarms, before, late.at + PATIENCE_NS), 0);
	if (berth_port_now() < late.at)
		conformance_wait(&conformance_alarms, before + 1, late.at + PATIENCE_NS);
	CHECK(berth_port_now() >= late.at);
	take_back();
}

static void ask_later(void *arg)
{
	berth_port_delay(2 * MS);
	berth_port_alarm(berth_port_now() + MS);
	/* Busy on, or the end of this function would wake the other CPU. */
	while (!__atomic_load_n((uint32_t *)arg, __ATOMIC_ACQUIRE))
		berth_port_delay(MS / 10);
}

/* It comes although this CPU was asleep already. */
static void test_alarm_of_other(void)
{
	uint32_t before = __atomic_load_n(&conformance_alarms, __ATOMIC_SEQ_CST), is_over = 0;
	uint64_t start = berth_port_now();

	if (!run_other(ask_later, &is_over))
		return;
	CHECK_EQUAL(conformance_wait(&conformance_alarms, before, start + PATIENCE_NS), 0);
	/* By itself, not because the deadline woke this CPU; when this CPU goes on is another matter. */
	CHECK(__atomic_load_n(&conformance_alarm_at, __ATOMIC_SEQ_CST) - start < PATIENCE_NS / 2);
	__atomic_store_n(&is_over, 1, __ATOMIC_RELEASE);
	conformance_env->join_other_cpu();
}

struct shared_page {
	unsigned char *linear;
	uint32_t go, wrong;
};

static void read_after(void *arg)
{
	struct shared_page *it = arg;

	for (uint32_t i = 1; i <= 50; i++) {
		conformance_wait(&it->go, 2 * i - 2, UINT64_MAX);
		for (unsigned int j = 0; j < PAGE_BYTES; j += 64)
			if (it->linear[j] != (unsigned char)(i + j / 64))
				it->wrong++;
		store_and_wake(&it->go, 2 * i);
	}
}

/* A page that was remapped and came back is right on a CPU that had its old mapping cached. */
static void test_remap_seen(void)
{
	struct shared_page it = { .linear = conformance_pages(1) };

	if (!it.linear || !run_other(read_after, &it))
		return;
	for (uint32_t i = 1; i <= 50; i++) {
		phys_addr_t phys = conformance_phys(it.linear);
		unsigned char *mapping = berth_port_remap(phys, PAGE_BYTES, BERTH_MEMORY_UNCACHED);
		unsigned char *at = mapping ? mapping : it.linear;

		for (unsigned int j = 0; j < PAGE_BYTES; j += 64)
			at[j] = (unsigned char)(i + j / 64);
		berth_port_mb();
		if (mapping)
			berth_port_unremap(mapping, phys, PAGE_BYTES);
		store_and_wake(&it.go, 2 * i - 1);
		conformance_wait(&it.go, 2 * i - 1, UINT64_MAX);
	}
	conformance_env->join_other_cpu();
	CHECK_EQUAL(it.wrong, 0);
}

const struct conformance_test conformance_cpus[] = {
	{ "another CPU has its own slot and error record", test_identity },
	{ "another CPU is used again and again", test_restart },
	{ "a lock keeps two CPUs apart", test_lock },
	{ "messages pass by wmb and rmb", test_message },
	{ "no wake is lost between two sleepers", test_wake },
	{ "a wake comes before a deadline, on each CPU's clock", test_wake_deadline },
	{ "two CPUs share one alarm", test_alarm_shared },
	{ "an alarm that another CPU asked for comes while this one sleeps", test_alarm_of_other },
	{ "a remapped page is seen by another CPU", test_remap_seen },
	{ NULL, NULL },
};
