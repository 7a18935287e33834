/* SPDX-License-Identifier: BSD-2-Clause */
/* Channels, their clients and their controllers under threads of the test's own. */
#include "machine.h"

#include <pthread.h>

#include <berth/platform_device.h>
#include <berth/port.h>
#include <berth/slab.h>
#include <berth/timer.h>
#include <berth/virt-dma.h>

/* The sanitizers know what malloc() gives. */
#undef kzalloc
#undef kfree
#define kzalloc(size, flags) calloc(1, size)
#define kfree(memory) free(memory)
#include "engine.h"

#define CLIENTS 4
#define ROUNDS 400

static const struct berth_driver drivers[] = { BERTH_PLATFORM_DRIVER(&engine_driver),
					       BERTH_NO_MORE_DRIVERS };

/* What threads count; the test looks when they are over. */
static uint32_t nr_submitted, nr_called, nr_doubled, nr_late, nr_wrong, nr_resubmitted;
static uint32_t is_over;

static void add(uint32_t *counter)
{
	__atomic_fetch_add(counter, 1, __ATOMIC_RELAXED);
}

static uint32_t get(const uint32_t *counter)
{
	return __atomic_load_n(counter, __ATOMIC_ACQUIRE);
}

static int start(void **state)
{
	(void)state;
	nr_submitted = nr_called = nr_doubled = nr_late = nr_wrong = nr_resubmitted = 0;
	is_over = nr_engines_released = 0;
	engines[0] = engines[1] = NULL;
	must_start(tree_engines, drivers, NULL);
	assert_non_null(engines[1]);
	return 0;
}

static int stop(void **state)
{
	(void)state;
	must_stop();
	return 0;
}

static unsigned int next_random(unsigned int *seed)
{
	*seed = *seed * 1103515245 + 12345;
	return *seed >> 16;
}

static void run(unsigned int nr, void *(*function)(void *), pthread_t *threads)
{
	for (uintptr_t i = 0; i < nr; i++)
		assert_int_equal(pthread_create(&threads[i], NULL, function, (void *)i), 0);
}

static void join(unsigned int nr, const pthread_t *threads)
{
	for (unsigned int i = 0; i < nr; i++)
		pthread_join(threads[i], NULL);
}

/* The controller: what is under way ends, or is one that goes round. */
static void *work(void *data)
{
	unsigned int seed = (unsigned int)(uintptr_t)data + 1;

	while (!get(&is_over)) {
		bool any = false;

		for (unsigned int i = 0; i < ENGINE_CHANNELS; i++)
			any |= engine_end(&engines[0]->channels[i].vc.chan,
					  next_random(&seed) % 8 ? DMA_TRANS_NOERROR
								 : DMA_TRANS_WRITE_FAILED,
					  0);
		if (!any)
			usleep_range(20, 50);
	}
	return NULL;
}

/* Channels that several share. */

static struct shared {
	struct dma_chan *chan;
	uint32_t clock; /* counts what happens */
	uint32_t dead; /* what was submitted before was over at the last synchronize */
} shared[2];

/* struct work_item - @stamp: when its submission had returned; 0: it has not */
struct work_item {
	struct shared *shared;
	uint32_t stamp;
	uint32_t nr_calls;
	bool goes_on;
	struct work_item *next;
};

static void submit(struct work_item *item);

static bool is_dead(const struct work_item *item)
{
	uint32_t stamp = get(&item->stamp);

	return stamp && stamp < get(&item->shared->dead);
}

static void item_called(void *param, const struct dmaengine_result *result)
{
	struct work_item *item = param;
	bool was_dead = is_dead(item);

	(void)result;
	add(&nr_called);
	if (__atomic_fetch_add(&item->nr_calls, 1, __ATOMIC_RELAXED))
		add(&nr_doubled);
	if (item->goes_on) {
		add(&nr_resubmitted);
		submit(item->next);
		dma_async_issue_pending(item->shared->chan);
	}
	if (was_dead || is_dead(item))
		add(&nr_late);
}

static dma_cookie_t submit_cookie(struct work_item *item)
{
	struct dma_async_tx_descriptor *tx =
		dmaengine_prep_dma_memcpy(item->shared->chan, 0x1000, 0x2000, 64, 0);
	dma_cookie_t cookie;

	if (!tx) {
		add(&nr_wrong);
		return -1;
	}
	tx->callback_result = item_called;
	tx->callback_param = item;
	cookie = dmaengine_submit(tx);
	if (cookie < 0)
		add(&nr_wrong);
	__atomic_store_n(&item->stamp,
			 __atomic_add_fetch(&item->shared->clock, 1, __ATOMIC_SEQ_CST),
			 __ATOMIC_RELEASE);
	add(&nr_submitted);
	return cookie;
}

static void submit(struct work_item *item)
{
	submit_cookie(item);
}

static struct work_item items[CLIENTS][2 * ROUNDS];

static struct work_item *new_item(uintptr_t me, unsigned int round, unsigned int random)
{
	struct work_item *item = &items[me][2 * round];

	item[0] = (struct work_item){ .shared = &shared[random & 1],
				      .goes_on = (random & 12) == 12,
				      .next = &item[1] };
	item[1] = (struct work_item){ .shared = item[0].shared };
	return item;
}

/* What has ended once does not look as if it were under way later. */
static void check_ended(struct dma_chan *chan, dma_cookie_t cookie)
{
	enum dma_status status = dmaengine_tx_status(chan, cookie, NULL);

	if (status != DMA_COMPLETE && status != DMA_ERROR)
		add(&nr_wrong);
}

static void *wait_for_own(void *data)
{
	uintptr_t me = (uintptr_t)data;
	unsigned int seed = (unsigned int)me + 77;

	for (unsigned int i = 0; i < ROUNDS; i++) {
		struct work_item *item = new_item(me, i, next_random(&seed));
		dma_cookie_t cookie = submit_cookie(item);
		struct dma_chan *chan = item->shared->chan;
		int err;

		if (next_random(&seed) % 4)
			dma_async_issue_pending(chan);
		if (next_random(&seed) % 4)
			continue;
		err = berth_dma_wait(chan, cookie, 100000);
		if (err && err != -EIO)
			add(&nr_wrong);
		for (int j = 0; j < 20; j++)
			check_ended(chan, cookie);
		if (next_random(&seed) % 8 == 0)
			dmaengine_synchronize(chan);
	}
	return NULL;
}

static void take_shared(void)
{
	dma_cap_mask_t mask;

	dma_cap_zero(mask);
	dma_cap_set(DMA_MEMCPY, mask);
	for (int i = 0; i < 2; i++) {
		shared[i] = (struct shared){ .chan = dma_request_chan_by_mask(&mask), .clock = 1 };
		assert_false(IS_ERR(shared[i].chan));
	}
}

/* All that was submitted is called back once. */
static void none_is_lost(void **state)
{
	pthread_t clients[CLIENTS], worker;

	(void)state;
	take_shared();
	run(CLIENTS, wait_for_own, clients);
	run(1, work, &worker);
	join(CLIENTS, clients);
	for (int i = 0; i < 2; i++)
		dma_async_issue_pending(shared[i].chan);
	while (get(&nr_called) != get(&nr_submitted))
		usleep_range(100, 200);
	__atomic_store_n(&is_over, 1, __ATOMIC_RELEASE);
	join(1, &worker);
	for (int i = 0; i < 2; i++) {
		dmaengine_synchronize(shared[i].chan);
		dma_release_channel(shared[i].chan);
	}
	assert_int_equal(nr_called, CLIENTS * ROUNDS + nr_resubmitted);
	assert_true(nr_resubmitted > 0);
	assert_int_equal(nr_doubled, 0);
	assert_int_equal(nr_wrong, 0);
}

static void terminate(struct shared *s)
{
	uint32_t before = __atomic_fetch_add(&s->clock, 1, __ATOMIC_SEQ_CST) + 1, dead;

	if (dmaengine_terminate_sync(s->chan))
		add(&nr_wrong);
	dead = get(&s->dead);
	while (dead < before && !__atomic_compare_exchange_n(&s->dead, &dead, before, false,
							     __ATOMIC_ACQ_REL, __ATOMIC_ACQUIRE))
		;
}

static void *terminate_others(void *data)
{
	uintptr_t me = (uintptr_t)data;
	unsigned int seed = (unsigned int)me + 99;

	for (unsigned int i = 0; i < ROUNDS; i++) {
		struct work_item *item = new_item(me, i, next_random(&seed));
		dma_cookie_t cookie = submit_cookie(item);

		switch (next_random(&seed) % 16) {
		case 0:
			terminate(item->shared);
			break;
		case 1:
			dmaengine_terminate_async(item->shared->chan);
			break;
		case 2:
			dmaengine_synchronize(item->shared->chan);
			break;
		case 3:
			/* Whose it is may be terminated for ever. */
			berth_dma_wait(item->shared->chan, cookie, 1);
			break;
		default:
			dma_async_issue_pending(item->shared->chan);
		}
	}
	return NULL;
}

/* None twice, and none behind a synchronize. */
static void none_is_late(void **state)
{
	pthread_t clients[CLIENTS], worker;
	unsigned int nr_freed = 0;

	(void)state;
	take_shared();
	run(CLIENTS, terminate_others, clients);
	run(1, work, &worker);
	join(CLIENTS, clients);
	for (int i = 0; i < 2; i++) {
		terminate(&shared[i]);
		nr_freed += engine_chan(shared[i].chan)->nr_freed_descs;
	}
	__atomic_store_n(&is_over, 1, __ATOMIC_RELEASE);
	join(1, &worker);
	for (int i = 0; i < 2; i++)
		dma_release_channel(shared[i].chan);
	assert_int_equal(nr_freed, nr_submitted);
	assert_true(nr_called > 0 && nr_called < nr_submitted);
	assert_int_equal(nr_doubled, 0);
	assert_int_equal(nr_late, 0);
	assert_int_equal(nr_wrong, 0);
}

/* One that goes round: its client's memory goes when it is over. */

struct ring {
	struct dma_chan *chan;
	uint32_t nr;
	uint32_t stops_itself;
};

static void period(void *param)
{
	struct ring *ring = param;

	add(&ring->nr);
	if (ring->stops_itself && get(&ring->nr) >= 3)
		dmaengine_terminate_async(ring->chan);
}

static void *go_round(void *data)
{
	struct engine_chan *ec = data;

	while (!get(&is_over)) {
		unsigned long flags;

		spin_lock_irqsave(&ec->vc.lock, flags);
		if (ec->running)
			vchan_cyclic_callback(&ec->running->vd);
		spin_unlock_irqrestore(&ec->vc.lock, flags);
		usleep_range(5, 10);
	}
	return NULL;
}

static void a_ring_is_stopped(void **state)
{
	pthread_t worker;
	struct dma_chan *chan;

	(void)state;
	take_shared();
	chan = shared[0].chan;
	assert_int_equal(pthread_create(&worker, NULL, go_round, engine_chan(chan)), 0);
	for (unsigned int i = 0; i < 200; i++) {
		struct ring *ring = calloc(1, sizeof(*ring));
		struct dma_async_tx_descriptor *tx =
			dmaengine_prep_dma_cyclic(chan, 0x1000, 4096, 1024, DMA_MEM_TO_DEV, 0);

		ring->chan = chan;
		ring->stops_itself = i % 2;
		tx->callback = period;
		tx->callback_param = ring;
		dmaengine_submit(tx);
		dma_async_issue_pending(chan);
		while (get(&ring->nr) < (i % 2 ? 3 : i % 5))
			usleep_range(5, 10);
		assert_int_equal(dmaengine_terminate_sync(chan), 0);
		free(ring);
	}
	__atomic_store_n(&is_over, 1, __ATOMIC_RELEASE);
	join(1, &worker);
	for (int i = 0; i < 2; i++)
		dma_release_channel(shared[i].chan);
	assert_int_equal(engine_chan(chan)->nr_freed_descs, 200);
}

/* Threads that share slots: callbacks come whoever is in a handler. */

#define MANY (BERTH_PORT_MAX_SLOTS + 16)

static void told(void *param)
{
	__atomic_store_n((uint32_t *)param, 1, __ATOMIC_RELEASE);
}

static void *end_and_wait(void *data)
{
	struct dma_chan *chan = shared[(uintptr_t)data % 2].chan;

	for (unsigned int i = 0; i < 20; i++) {
		struct dma_async_tx_descriptor *tx =
			dmaengine_prep_dma_memcpy(chan, 0x1000, 0x2000, 64, 0);
		uint32_t is_told = 0;

		tx->callback = told;
		tx->callback_param = &is_told;
		dmaengine_submit(tx);
		dma_async_issue_pending(chan);
		/* Perhaps another one's. */
		engine_end(chan, DMA_TRANS_NOERROR, 0);
		while (!get(&is_told))
			usleep_range(50, 100);
	}
	return NULL;
}

static void more_threads_than_slots(void **state)
{
	static pthread_t threads[MANY];

	(void)state;
	take_shared();
	run(MANY, end_and_wait, threads);
	join(MANY, threads);
	for (int i = 0; i < 2; i++) {
		struct dma_chan *chan = shared[i].chan;

		dmaengine_synchronize(chan);
		assert_int_equal(engine_chan(chan)->nr_freed_descs, MANY / 2 * 20);
		dma_release_channel(chan);
	}
}

/* Channels that are taken and left, while a controller comes and goes. */

/* Preparing and submitting are not to be under way when a controller goes. */
static pthread_rwlock_t there = PTHREAD_RWLOCK_INITIALIZER;

static void nothing(void *param)
{
	add(param);
}

static void use(struct dma_chan *chan)
{
	struct dma_async_tx_descriptor *tx;
	dma_cookie_t cookie = 0;

	pthread_rwlock_rdlock(&there);
	tx = dmaengine_prep_dma_memcpy(chan, 0x1000, 0x2000, 64, 0);
	if (tx) {
		tx->callback = nothing;
		tx->callback_param = &nr_called;
		cookie = dmaengine_submit(tx);
		dma_async_issue_pending(chan);
		engine_end(chan, DMA_TRANS_NOERROR, 0);
	} else if (berth_last_error()->reason != BERTH_REASON_STATE) {
		add(&nr_wrong);
	}
	pthread_rwlock_unlock(&there);
	if (tx && cookie > 0)
		berth_dma_wait(chan, cookie, 1);
	dmaengine_terminate_async(chan);
}

static bool is_odd(struct dma_chan *chan, void *param)
{
	(void)param;
	return chan->chan_id % 2 == 1;
}

static struct device *client_device;

static struct dma_chan *take_one(unsigned int random)
{
	dma_cap_mask_t mask;

	dma_cap_zero(mask);
	dma_cap_set(DMA_MEMCPY, mask);
	switch (random % 4) {
	case 0:
		return dma_request_chan(client_device, random & 4 ? "two-cells" : "tx");
	case 1:
		return dma_request_channel(mask, is_odd, NULL);
	default:
		return dma_request_chan_by_mask(&mask);
	}
}

static void *take_and_leave(void *data)
{
	unsigned int seed = (unsigned int)(uintptr_t)data + 5;

	for (unsigned int i = 0; i < ROUNDS; i++) {
		struct berth_dma_chan_info info[2 * ENGINE_CHANNELS];
		struct dma_chan *chan = take_one(next_random(&seed));

		if (berth_dma_chan_list(info, 2 * ENGINE_CHANNELS) > 2 * ENGINE_CHANNELS)
			add(&nr_wrong);
		if (IS_ERR_OR_NULL(chan)) {
			if (!berth_last_error()->code)
				add(&nr_wrong);
			continue;
		}
		/* His alone. */
		if (__atomic_exchange_n(&chan->private_data, &seed, __ATOMIC_ACQ_REL))
			add(&nr_doubled);
		use(chan);
		__atomic_store_n(&chan->private_data, NULL, __ATOMIC_RELEASE);
		dma_release_channel(chan);
	}
	return NULL;
}

static void *find_and_use(void *data)
{
	unsigned int seed = (unsigned int)(uintptr_t)data + 55;

	for (unsigned int i = 0; i < ROUNDS; i++) {
		dmaengine_get();
		for (unsigned int j = next_random(&seed) % 4; j; j--) {
			struct dma_chan *chan = dma_find_channel(DMA_MEMCPY);

			if (chan)
				use(chan);
			dma_issue_pending_all();
		}
		dmaengine_put();
	}
	return NULL;
}

static void *come_and_go(void *data)
{
	struct platform_device *pdev = data;
	struct berth_dma_chan_info info[2 * ENGINE_CHANNELS];

	while (!get(&is_over)) {
		usleep_range(500, 1000);
		pthread_rwlock_wrlock(&there);
		engine_remove(pdev);
		pthread_rwlock_unlock(&there);
		if (berth_dma_chan_list(info, 2 * ENGINE_CHANNELS) != ENGINE_CHANNELS)
			add(&nr_wrong);
		usleep_range(500, 1000);
		if (engine_probe(pdev))
			add(&nr_wrong);
		add(&nr_resubmitted);
	}
	return NULL;
}

static void channels_come_and_go(void **state)
{
	pthread_t takers[2], finders[2], comer;
	struct platform_device *pdev = of_find_device_by_node(of_find_node_by_path("/engine1"));

	(void)state;
	client_device = &of_find_device_by_node(of_find_node_by_path("/client"))->dev;
	assert_int_equal(pthread_create(&comer, NULL, come_and_go, pdev), 0);
	run(2, take_and_leave, takers);
	run(2, find_and_use, finders);
	join(2, takers);
	join(2, finders);
	while (!get(&nr_resubmitted))
		usleep_range(100, 200);
	__atomic_store_n(&is_over, 1, __ATOMIC_RELEASE);
	join(1, &comer);
	assert_int_equal(nr_doubled, 0);
	assert_int_equal(nr_wrong, 0);
	/* Nobody has anything any more: all that went are released. */
	assert_int_equal(nr_engines_released, nr_resubmitted);
	for (int i = 0; i < 2; i++) {
		assert_int_equal(engines[i]->ddev.refs, 1);
		assert_int_equal(engines[i]->ddev.privatecnt, 0);
	}
}

#define threads_test(name) cmocka_unit_test_setup_teardown(name, start, stop)

int main(void)
{
	const struct CMUnitTest tests[] = {
		threads_test(none_is_lost),	    threads_test(none_is_late),
		threads_test(a_ring_is_stopped),    threads_test(more_threads_than_slots),
		threads_test(channels_come_and_go),
	};

	return cmocka_run_group_tests_name("dmaengine_threads", tests, NULL, NULL);
}
