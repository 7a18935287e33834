// SPDX-License-Identifier: BSD-2-Clause
/*
 * Rings: playing to a FIFO that hears whatever is lost or doubled, sampling from it, and stopping at any
 * moment. Of each period as it is refilled every word is new.
 */
#include "pdma.h"

#define PERIOD 1024u
#define PERIODS 8u
#define RING (PERIOD * PERIODS)
#define PERIOD_NS 10000u
#define PLAYED 100000u
#define ENDS 10000u

/* A client that plays or samples a ring. */
struct player {
	struct dma_chan *chan;
	struct device *dev;
	bool is_capture;
	uint8_t *ring;
	dma_addr_t addr;
	dma_cookie_t cookie;
	uint64_t done; /* periods that were played, and refilled */
	uint64_t calls;
	uint64_t wrong;
	uint32_t at; /* the period of the ring that is next */
};

static enum dma_data_direction direction(const struct player *p)
{
	return p->is_capture ? DMA_FROM_DEVICE : DMA_TO_DEVICE;
}

/* The CPU's turn with a period of the ring: the next words, or whether they came. */
static void turn(struct player *p, uint32_t period, uint64_t number)
{
	dma_addr_t addr = p->addr + PERIOD * period;
	uint8_t *at = p->ring + PERIOD * period;

	dma_sync_single_for_cpu(p->dev, addr, PERIOD, direction(p));
	if (!p->is_capture)
		fill_sequence(at, PERIOD * number, PERIOD);
	else if (!is_sequence(at, PERIOD * number, PERIOD))
		p->wrong++;
	dma_sync_single_for_device(p->dev, addr, PERIOD, direction(p));
}

/* All periods that have ended since the last time. */
static void period_ended(void *data)
{
	struct player *p = data;
	struct dma_tx_state at;
	uint32_t now;

	p->calls++;
	dmaengine_tx_status(p->chan, p->cookie, &at);
	now = (RING - at.residue) / PERIOD;
	while (p->at != now) {
		turn(p, p->at, p->done + (p->is_capture ? 0 : PERIODS));
		p->at = (p->at + 1) % PERIODS;
		__atomic_fetch_add(&p->done, 1, __ATOMIC_RELAXED);
	}
}

static void open_player(struct player *p, const char *engine, bool is_capture)
{
	struct dma_async_tx_descriptor *tx;

	*p = (struct player){ .chan = must_request(engine), .is_capture = is_capture };
	p->dev = dmaengine_get_dma_device(p->chan);
	must_configure(p->chan);
	p->ring = kmalloc(RING, GFP_KERNEL);
	assert_non_null(p->ring);
	fill_sequence(p->ring, 0, RING);
	p->addr = must_map(p->dev, p->ring, RING, direction(p));
	tx = dmaengine_prep_dma_cyclic(p->chan, p->addr, RING, PERIOD,
				       is_capture ? DMA_DEV_TO_MEM : DMA_MEM_TO_DEV,
				       DMA_PREP_INTERRUPT);
	assert_non_null(tx);
	tx->callback = period_ended;
	tx->callback_param = p;
	p->cookie = dmaengine_submit(tx);
	assert_true(p->cookie > 0);
	assert_int_equal(berth_model_pdma_speed(engine, PERIOD_NS * 1024ull / PERIOD), 0);
	dma_async_issue_pending(p->chan);
}

static void close_player(struct player *p)
{
	dma_release_channel(p->chan);
	dma_unmap_single(p->dev, p->addr, RING, direction(p));
	kfree(p->ring);
}

/* What the FIFO has heard, or said. */
static uint64_t moved(const struct player *p)
{
	struct berth_model_fifo_stats stats = fifo_stats();

	return p->is_capture ? stats.produced : stats.consumed;
}

/* At this very moment: between what the FIFO had before the question and what it had after. */
static void check_residue(const struct player *p)
{
	uint64_t before = moved(p), after;
	struct dma_tx_state at;

	assert_int_equal(dmaengine_tx_status(p->chan, p->cookie, &at), DMA_IN_PROGRESS);
	after = moved(p);
	assert_in_range(at.residue, 1, RING);
	/* 256 bytes are on their way at a time. */
	if ((RING - at.residue + RING - before % RING) % RING > after - before)
		fail_msg("%u left, when %llu to %llu were moved", at.residue,
			 (unsigned long long)before, (unsigned long long)after);
	if (after - before > PERIOD)
		fail_msg("a question took a period");
}

static void play(const char *engine, bool is_capture, uint64_t periods,
		 const struct berth_model_config *config)
{
	struct berth_model_stats stats;
	uint64_t last = 0, start_ns;
	struct player p;

	pdma_boot(config);
	open_player(&p, engine, is_capture);
	berth_model_stats(&stats);
	start_ns = stats.now_ns;
	while (p.done < periods) {
		check_residue(&p);
		assert_true(p.done >= last);
		last = p.done;
		udelay(any(40));
	}
	berth_model_stats(&stats);
	check_residue(&p);
	assert_int_equal(dmaengine_terminate_sync(p.chan), 0);
	assert_int_equal(fifo_stats().breaks, 0);
	assert_int_equal(p.wrong, 0);
	assert_int_equal(moved(&p) / PERIOD, p.done);
	/* Each has had its callback, and its time. */
	if (strcmp(engine, POLLED) != 0)
		assert_int_equal(p.calls, p.done);
	assert_true(stats.now_ns - start_ns >= p.done * PERIOD_NS);
	assert_true(stats.now_ns - start_ns < (p.done + 1) * (PERIOD_NS + PERIOD_NS / 4));
	close_player(&p);
	must_stop();
}

static void a_hundred_thousand_periods(void **state)
{
	(void)state;
	play(PLAIN, false, PLAYED, NULL);
}

static void on_every_engine(void **state)
{
	const struct berth_model_config config = { .cache = BERTH_MODEL_CACHE_ADVERSARIAL };

	(void)state;
	for (unsigned int e = 0; e < ARRAY_SIZE(engines); e++) {
		if (!strcmp(engines[e], POLLED))
			continue;
		play(engines[e], false, 1000, &config);
		play(engines[e], true, 1000, &config);
	}
}

/* Without interrupts a period ends when somebody asks. */
static void asked_for(void **state)
{
	struct player p;

	(void)state;
	pdma_boot(NULL);
	open_player(&p, POLLED, false);
	for (unsigned int i = 0; i < 5000; i++) {
		udelay(any(8));
		assert_int_equal(dmaengine_tx_status(p.chan, p.cookie, NULL), DMA_IN_PROGRESS);
	}
	assert_int_equal(dmaengine_terminate_sync(p.chan), 0);
	assert_int_equal(fifo_stats().breaks, 0);
	assert_in_range(p.done, 500, 5000);
	assert_int_equal(moved(&p) / PERIOD, p.done);
	close_player(&p);
	must_stop();
}

/* A handler that is late, for longer than the whole ring: the engine has waited. */
static void late_handlers(void **state)
{
	struct player p;

	(void)state;
	pdma_boot(NULL);
	open_player(&p, PLAIN, false);
	for (unsigned int i = 0; i < 500; i++) {
		unsigned long flags = berth_port_irq_save();

		udelay(any(200));
		berth_port_irq_restore(flags);
		udelay(any(30));
		check_residue(&p);
	}
	assert_int_equal(dmaengine_terminate_sync(p.chan), 0);
	assert_int_equal(fifo_stats().breaks, 0);
	assert_int_equal(moved(&p) / PERIOD, p.done);
	close_player(&p);
	must_stop();
}

/* Paused at any moment: it goes on with the byte that is next. */
static void paused_rings(void **state)
{
	struct player p;

	(void)state;
	pdma_boot(NULL);
	for (unsigned int e = 0; e < ARRAY_SIZE(engines); e++) {
		open_player(&p, engines[e], true);
		for (unsigned int i = 0; i < 500; i++) {
			struct dma_tx_state at;
			uint64_t before;

			udelay(any(15));
			assert_int_equal(dmaengine_pause(p.chan), 0);
			before = moved(&p);
			assert_int_equal(dmaengine_tx_status(p.chan, p.cookie, &at), DMA_PAUSED);
			assert_int_equal((RING - at.residue) % PERIOD, before % PERIOD);
			udelay(any(15));
			assert_int_equal(moved(&p), before);
			assert_int_equal(dmaengine_resume(p.chan), 0);
		}
		assert_int_equal(dmaengine_terminate_sync(p.chan), 0);
		assert_int_equal(p.wrong, 0);
		assert_true(p.done > 100);
		close_player(&p);
		/* The next one's sequence begins where it began. */
		pdma_boot(NULL);
	}
	must_stop();
}

/* An error ends a ring, and its client hears of it. */
static void errors_in_a_ring(void **state)
{
	struct dma_async_tx_descriptor *tx;
	struct told told = { 0 };
	struct player p;
	dma_cookie_t cookie;

	(void)state;
	pdma_boot(NULL);
	open_player(&p, PLAIN, false);
	assert_int_equal(dmaengine_terminate_sync(p.chan), 0);
	tx = dmaengine_prep_dma_cyclic(p.chan, p.addr, RING, PERIOD, DMA_MEM_TO_DEV, 0);
	tx->callback_result = tell;
	tx->callback_param = &told;
	cookie = dmaengine_submit(tx);
	/* The 300th access of 8 bytes. */
	assert_int_equal(berth_model_pdma_fail(PLAIN, 300, true), 0);
	dma_async_issue_pending(p.chan);
	assert_int_equal(berth_dma_wait(p.chan, cookie, 100), -EIO);
	msleep(1);
	assert_int_equal(told.calls, 3); /* two periods, and the end */
	assert_int_equal(told.last.result, DMA_TRANS_WRITE_FAILED);
	assert_int_equal(told.last.residue, RING - 299 * 8);
	assert_int_equal(dmaengine_tx_status(p.chan, cookie, NULL), DMA_ERROR);
	close_player(&p);
	must_stop();
}

/* One of many transfers that are ended at any moment. */
struct victim {
	struct dma_chan *chan;
	bool is_over; /* it was synchronized */
	bool ends_itself; /* in its callback */
	uint32_t calls, late_calls;
};

static void called(void *data)
{
	struct victim *v = data;

	v->calls++;
	if (v->is_over)
		v->late_calls++;
	if (v->ends_itself && any(4) == 0)
		dmaengine_terminate_async(v->chan);
}

/* Rings, lists, copies and callbacks alone, at once in one channel. */
static void submit_some(struct victim *v, dma_addr_t addr)
{
	unsigned int nr = 1 + any(4);

	for (unsigned int i = 0; i < nr; i++) {
		struct dma_async_tx_descriptor *tx;
		unsigned int kind = any(4);

		if (kind == 0)
			tx = dmaengine_prep_dma_cyclic(v->chan, addr, 2048, 256u << any(3),
						       any(2) ? DMA_MEM_TO_DEV : DMA_DEV_TO_MEM, 0);
		else if (kind == 1)
			tx = dmaengine_prep_slave_single(v->chan, addr, 8 * (1 + any(256)),
							 DMA_DEV_TO_MEM, 0);
		else if (kind == 2)
			tx = dmaengine_prep_dma_memcpy(v->chan, addr, addr + 4096, 1 + any(4096),
						       0);
		else
			tx = dmaengine_prep_dma_interrupt(v->chan, 0);
		assert_non_null(tx);
		tx->callback = called;
		tx->callback_param = v;
		/* Some are prepared for nothing. */
		if (any(8))
			assert_true(dmaengine_submit(tx) > 0);
		if (any(4))
			dma_async_issue_pending(v->chan);
	}
}

/*
 * Memory and what the callbacks are told are gone as soon as the channel was synchronized. The channel
 * mostly stays: what was forgotten must not come up with what is issued next.
 */
static struct dma_chan *end_one(const char *engine, struct dma_chan *chan)
{
	struct victim *v = malloc(sizeof(*v));
	struct device *dev = dmaengine_get_dma_device(chan);
	uint8_t *memory = kzalloc(8192, GFP_KERNEL);
	dma_addr_t addr = must_map(dev, memory, 8192, DMA_BIDIRECTIONAL);
	struct berth_model_fifo_stats before, after;

	*v = (struct victim){ .chan = chan, .ends_itself = any(3) == 0 };
	must_configure(chan);
	submit_some(v, addr);
	udelay(any(3));
	for (unsigned int i = any(20); i; i--)
		berth_port_now();
	if (any(8) == 0)
		dmaengine_pause(chan);
	if (any(8) == 0)
		dmaengine_terminate_sync(chan);
	submit_some(v, addr);
	udelay(any(6));
	if (any(3) == 0) {
		dma_release_channel(chan);
		chan = NULL;
	} else if (any(2)) {
		assert_int_equal(dmaengine_terminate_async(chan), 0);
		dmaengine_synchronize(chan);
	} else {
		assert_int_equal(dmaengine_terminate_sync(chan), 0);
	}
	v->is_over = true;
	before = fifo_stats();
	if (any(16) == 0) {
		udelay(30);
		after = fifo_stats();
		assert_memory_equal(&before, &after, sizeof(after));
	}
	assert_int_equal(v->late_calls, 0);
	dma_unmap_single(dev, addr, 8192, DMA_BIDIRECTIONAL);
	kfree(memory);
	if (any(16))
		memset(v, 0xff, sizeof(*v));
	free(v);
	return chan ? chan : must_request(engine);
}

static void ended_at_any_moment(void **state)
{
	const struct berth_model_config config = { .cache = BERTH_MODEL_CACHE_QUIET };
	struct dma_chan *chans[ARRAY_SIZE(engines)];
	uint64_t used = 0;

	(void)state;
	pdma_boot(&config);
	for (unsigned int e = 0; e < ARRAY_SIZE(engines); e++)
		chans[e] = must_request(engines[e]);
	for (unsigned int i = 0; i < ENDS; i++) {
		unsigned int e = i % ARRAY_SIZE(engines);

		/* By then there is what is kept. */
		if (i == 200)
			used = memory_in_use();
		chans[e] = end_one(engines[e], chans[e]);
	}
	assert_in_range(memory_in_use(), 0, used + 64 * 1024);
	for (unsigned int e = 0; e < ARRAY_SIZE(engines); e++)
		dma_release_channel(chans[e]);
	must_stop();
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_hundred_thousand_periods),
		cmocka_unit_test(on_every_engine),
		cmocka_unit_test(asked_for),
		cmocka_unit_test(late_handlers),
		cmocka_unit_test(paused_rings),
		cmocka_unit_test(errors_in_a_ring),
		cmocka_unit_test(ended_at_any_moment),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
