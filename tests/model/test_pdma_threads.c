// SPDX-License-Identifier: BSD-2-Clause
/*
 * The PDMA with several threads: they share channels, callbacks run on whichever calls berth next, and
 * channels are stopped meanwhile.
 */
#include <pthread.h>

#include "pdma.h"

#include <berth/completion.h>

#define THREADS 3u
#define COPIES 200u
#define BYTES 3000u
#define ENDS 10000u
#define PERIOD 1024u
#define PERIODS 8u
#define RING (PERIOD * PERIODS)
#define PLAYED 3000u

static uint32_t wrong;

#define EXPECT(condition)                                                \
	do {                                                             \
		if (!(condition))                                        \
			__atomic_fetch_add(&wrong, 1, __ATOMIC_RELAXED); \
	} while (0)

/* Who shares the channel; every other one has one of its own. */
struct worker {
	struct dma_chan *chan;
	uint32_t seed;
	const uint32_t *until; /* goes on until it is set; NULL: COPIES times */
};

static void done(void *data, const struct dmaengine_result *result)
{
	EXPECT(result->result == DMA_TRANS_NOERROR);
	complete(data);
}

/* One copy, by a callback or by its cookie. */
static void one_copy(struct dma_chan *chan, uint8_t *src, uint8_t *dst, size_t size)
{
	struct device *dev = dmaengine_get_dma_device(chan);
	dma_addr_t from = dma_map_single(dev, src, size, DMA_TO_DEVICE);
	dma_addr_t to = dma_map_single(dev, dst, size, DMA_FROM_DEVICE);
	struct dma_async_tx_descriptor *tx;
	bool by_callback = any(2);
	struct completion ended;
	dma_cookie_t cookie;

	EXPECT(!dma_mapping_error(dev, from) && !dma_mapping_error(dev, to));
	init_completion(&ended);
	tx = dmaengine_prep_dma_memcpy(chan, to, from, size, 0);
	EXPECT(tx);
	if (by_callback) {
		tx->callback_result = done;
		tx->callback_param = &ended;
	}
	cookie = dmaengine_submit(tx);
	dma_async_issue_pending(chan);
	if (by_callback)
		wait_for_completion(&ended);
	/* However long another thread is in the handler. */
	EXPECT(!berth_dma_wait(chan, cookie, 600000));
	dma_unmap_single(dev, from, size, DMA_TO_DEVICE);
	dma_unmap_single(dev, to, size, DMA_FROM_DEVICE);
}

static void *copy_all(void *data)
{
	const struct worker *w = data;
	uint8_t *src = kzalloc(BYTES, GFP_KERNEL), *dst = kmalloc(BYTES, GFP_KERNEL);

	pdma_seed = w->seed;
	for (unsigned int i = 0;
	     w->until ? !__atomic_load_n(w->until, __ATOMIC_ACQUIRE) : i < COPIES; i++) {
		size_t size = 1 + any(BYTES);

		for (unsigned int byte = 0; byte < size; byte += 97)
			src[byte] = (uint8_t)any(256);
		one_copy(w->chan, src, dst, size);
		for (unsigned int byte = 0; byte < size; byte += 97)
			EXPECT(src[byte] == dst[byte]);
	}
	kfree(src);
	kfree(dst);
	return NULL;
}

/* All of a channel's, on every engine that has interrupts. */
static void a_channel_of_several(void **state)
{
	(void)state;
	for (unsigned int e = 0; e < ARRAY_SIZE(engines); e++) {
		struct worker workers[THREADS];
		pthread_t threads[THREADS];
		struct dma_chan *chan;

		if (!strcmp(engines[e], POLLED))
			continue;
		pdma_boot(NULL);
		wrong = 0;
		chan = must_request(engines[e]);
		for (unsigned int i = 0; i < THREADS; i++) {
			workers[i] = (struct worker){ chan, i + 1, NULL };
			assert_int_equal(pthread_create(&threads[i], NULL, copy_all, &workers[i]),
					 0);
		}
		for (unsigned int i = 0; i < THREADS; i++)
			pthread_join(threads[i], NULL);
		assert_int_equal(wrong, 0);
		dma_release_channel(chan);
		must_stop();
	}
}

/* What a callback touches; gone as soon as the channel was synchronized. */
struct victim {
	struct dma_chan *chan;
	uint32_t calls;
	bool ends_itself;
	bool is_over;
};

static void called(void *data)
{
	struct victim *v = data;

	EXPECT(!v->is_over);
	/* It takes its time: whoever synchronizes has to wait. */
	for (unsigned int turns = any(16); turns; turns--)
		berth_port_now();
	v->calls++;
	if (v->ends_itself && v->calls == 3)
		dmaengine_terminate_async(v->chan);
}

static void submit_one(struct victim *v, dma_addr_t addr)
{
	unsigned int kind = any(4);
	struct dma_async_tx_descriptor *tx;

	if (kind == 0)
		tx = dmaengine_prep_dma_cyclic(v->chan, addr, 512, 64, DMA_MEM_TO_DEV, 0);
	else if (kind == 1)
		tx = dmaengine_prep_slave_single(v->chan, addr, 8 * (1 + any(64)), DMA_DEV_TO_MEM,
						 0);
	else if (kind == 2)
		tx = dmaengine_prep_dma_memcpy(v->chan, addr, addr + 2048, 1 + any(2048), 0);
	else
		tx = dmaengine_prep_dma_interrupt(v->chan, 0);
	EXPECT(tx);
	tx->callback = called;
	tx->callback_param = v;
	EXPECT(dmaengine_submit(tx) > 0);
	dma_async_issue_pending(v->chan);
}

static void ended_while_others_work(void **state)
{
	struct worker workers[THREADS - 1];
	pthread_t threads[THREADS - 1];
	uint32_t is_over = 0;
	struct dma_chan *chan;
	struct device *dev;
	uint8_t *memory;
	dma_addr_t addr;

	(void)state;
	pdma_boot(NULL);
	wrong = 0;
	for (unsigned int i = 0; i < THREADS - 1; i++) {
		workers[i] = (struct worker){ must_request(PLAIN), i + 1, &is_over };
		assert_int_equal(pthread_create(&threads[i], NULL, copy_all, &workers[i]), 0);
	}
	chan = must_request(PLAIN);
	dev = dmaengine_get_dma_device(chan);
	memory = kzalloc(4096, GFP_KERNEL);
	addr = must_map(dev, memory, 4096, DMA_BIDIRECTIONAL);
	must_configure(chan);
	for (unsigned int i = 0; i < ENDS; i++) {
		struct victim *v = malloc(sizeof(*v));

		*v = (struct victim){ .chan = chan, .ends_itself = any(4) == 0 };
		for (unsigned int nr = 1 + any(3); nr; nr--)
			submit_one(v, addr);
		for (unsigned int turns = any(12); turns; turns--)
			berth_port_now();
		if (any(2))
			dmaengine_terminate_async(chan);
		dmaengine_terminate_sync(chan);
		v->is_over = true;
		free(v);
	}
	__atomic_store_n(&is_over, 1, __ATOMIC_RELEASE);
	for (unsigned int i = 0; i < THREADS - 1; i++) {
		pthread_join(threads[i], NULL);
		dma_release_channel(workers[i].chan);
	}
	assert_int_equal(wrong, 0);
	dma_unmap_single(dev, addr, 4096, DMA_BIDIRECTIONAL);
	kfree(memory);
	dma_release_channel(chan);
	must_stop();
}

/*
 * A ring that is played over and over, while others ask how far it is. Nobody refills it: that could be
 * late. Its words begin anew with each lap, which is one break; whatever is lost or doubled is one more.
 */
struct player {
	struct dma_chan *chan;
	dma_cookie_t cookie;
	uint64_t calls;
};

static void period_ended(void *data)
{
	struct player *p = data;

	p->calls++;
}

static void *ask(void *data)
{
	struct player *p = data;
	uint64_t before, after;

	do {
		struct dma_tx_state at;

		before = fifo_stats().consumed;
		EXPECT(dmaengine_tx_status(p->chan, p->cookie, &at) == DMA_IN_PROGRESS);
		after = fifo_stats().consumed;
		EXPECT(at.residue >= 1 && at.residue <= RING);
		EXPECT((2 * RING - at.residue - before % RING) % RING <= after - before);
		usleep_range(5, 20);
	} while (after < PLAYED * PERIOD);
	return NULL;
}

static void a_ring_and_its_readers(void **state)
{
	uint8_t *ring;
	struct dma_async_tx_descriptor *tx;
	pthread_t threads[THREADS];
	struct player p = { 0 };
	struct device *dev;
	dma_addr_t addr;

	(void)state;
	pdma_boot(NULL);
	wrong = 0;
	p.chan = must_request(PLAIN);
	dev = dmaengine_get_dma_device(p.chan);
	must_configure(p.chan);
	ring = kmalloc(RING, GFP_KERNEL);
	fill_sequence(ring, 0, RING);
	addr = must_map(dev, ring, RING, DMA_TO_DEVICE);
	assert_int_equal(berth_model_pdma_speed(PLAIN, 10000), 0);
	tx = dmaengine_prep_dma_cyclic(p.chan, addr, RING, PERIOD, DMA_MEM_TO_DEV, 0);
	tx->callback = period_ended;
	tx->callback_param = &p;
	p.cookie = dmaengine_submit(tx);
	dma_async_issue_pending(p.chan);
	for (unsigned int i = 0; i < THREADS; i++)
		assert_int_equal(pthread_create(&threads[i], NULL, ask, &p), 0);
	for (unsigned int i = 0; i < THREADS; i++)
		pthread_join(threads[i], NULL);
	assert_int_equal(dmaengine_terminate_sync(p.chan), 0);
	assert_int_equal(wrong, 0);
	assert_int_equal(fifo_stats().breaks, (fifo_stats().consumed / 8 - 1) / (RING / 8));
	assert_in_range(p.calls, 1, fifo_stats().consumed / PERIOD);
	dma_unmap_single(dev, addr, RING, DMA_TO_DEVICE);
	kfree(ring);
	dma_release_channel(p.chan);
	must_stop();
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_channel_of_several),
		cmocka_unit_test(ended_while_others_work),
		cmocka_unit_test(a_ring_and_its_readers),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
