/* SPDX-License-Identifier: BSD-2-Clause */
/* What the tests of DMA controllers ask of a channel that is polled. Includes cmocka.h's headers. */
#ifndef TESTS_MODEL_POLLED_H
#define TESTS_MODEL_POLLED_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <berth/dmaengine.h>
#include <berth/errno.h>
#include <berth/error.h>
#include <berth/timer.h>

/* Numbers of transfers in the order of their callbacks. */
struct polled {
	struct dma_chan *chan;
	dma_addr_t to, from;
	size_t len;
	uint32_t nr; /* atomic */
	bool are_in_order;
};

struct polled_call {
	struct polled *all;
	uint32_t number;
};

static inline void polled_callback(void *param)
{
	struct polled_call *call = param;
	uint32_t nr = __atomic_fetch_add(&call->all->nr, 1, __ATOMIC_SEQ_CST);

	call->all->are_in_order &= nr == call->number;
}

static inline struct dma_async_tx_descriptor *polled_prepare(struct polled *p,
							     struct polled_call *call)
{
	struct dma_async_tx_descriptor *tx =
		dmaengine_prep_dma_memcpy(p->chan, p->to, p->from, p->len, DMA_PREP_INTERRUPT);

	assert_non_null(tx);
	tx->callback = polled_callback;
	tx->callback_param = call;
	return tx;
}

static inline dma_cookie_t polled_submit(struct polled *p, struct polled_call *call,
					 uint32_t number)
{
	dma_cookie_t cookie;

	*call = (struct polled_call){ p, number };
	cookie = dmaengine_submit(polled_prepare(p, call));
	assert_int_equal(dma_submit_error(cookie), 0);
	return cookie;
}

static inline uint32_t polled_nr(struct polled *p)
{
	return __atomic_load_n(&p->nr, __ATOMIC_SEQ_CST);
}

/* Only polling, until so many have been called back. */
static inline void polled_until(struct polled *p, uint32_t nr)
{
	while (polled_nr(p) < nr) {
		usleep_range(10, 20);
		berth_dma_poll(p->chan);
	}
	assert_int_equal(polled_nr(p), nr);
}

/* Nobody is told of what ends; who looks finds it, one behind the other. */
static inline void polled_finds_what_has_ended(struct polled *p)
{
	struct polled_call calls[5];

	for (unsigned int round = 0; round < 5; round++) {
		p->nr = 0;
		for (unsigned int i = 0; i < 5; i++)
			polled_submit(p, &calls[i], i);
		dma_async_issue_pending(p->chan);
		msleep(2);
		assert_int_equal(polled_nr(p), 0);
		polled_until(p, 5);
	}
	berth_dma_poll(p->chan);
	assert_int_equal(polled_nr(p), 5);
	assert_true(p->are_in_order);
}

/* Its status is looked at as well, and waiting does. Callbacks follow, as after an interrupt. */
static inline void polled_by_its_status(struct polled *p)
{
	struct polled_call calls[2];
	dma_cookie_t cookie;

	p->nr = 0;
	cookie = polled_submit(p, &calls[0], 0);
	dma_async_issue_pending(p->chan);
	while (dmaengine_tx_status(p->chan, cookie, NULL) != DMA_COMPLETE)
		usleep_range(10, 20);
	while (polled_nr(p) < 1)
		usleep_range(10, 20);
	cookie = polled_submit(p, &calls[1], 1);
	assert_int_equal(berth_dma_wait(p->chan, cookie, msecs_to_jiffies(600000)), 0);
	while (polled_nr(p) < 2)
		usleep_range(10, 20);
}

static inline void polled_transfers(struct dma_chan *chan, dma_addr_t to, dma_addr_t from,
				    size_t len)
{
	struct polled p = { chan, to, from, len, 0, true };
	struct polled_call call = { &p, 0 };
	struct dma_async_tx_descriptor *tx = polled_prepare(&p, &call);

	/* What was prepared has been told how it ends. */
	assert_int_equal(berth_dma_set_polled(chan, true), -EBUSY);
	assert_int_equal(berth_last_error()->reason, BERTH_REASON_STATE);
	dmaengine_submit(tx);
	assert_int_equal(berth_dma_set_polled(chan, true), -EBUSY);
	dma_async_issue_pending(chan);
	while (polled_nr(&p) < 1)
		usleep_range(10, 20);
	assert_int_equal(berth_dma_set_polled(chan, true), 0);
	polled_finds_what_has_ended(&p);
	polled_by_its_status(&p);
	/* What is terminated is not called back, whoever looks. */
	p.nr = 0;
	polled_submit(&p, &call, 0);
	dma_async_issue_pending(chan);
	msleep(2);
	assert_int_equal(dmaengine_terminate_sync(chan), 0);
	berth_dma_poll(chan);
	assert_int_equal(polled_nr(&p), 0);
	/* And back. */
	assert_int_equal(berth_dma_set_polled(chan, false), 0);
	polled_submit(&p, &call, 0);
	dma_async_issue_pending(chan);
	while (polled_nr(&p) < 1)
		usleep_range(10, 20);
	assert_true(p.are_in_order);
}

#endif
