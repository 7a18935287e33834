/* SPDX-License-Identifier: BSD-2-Clause */
/* A client of the tests' own engine: its channel, copies that call back, and the board around them. */
#ifndef TESTS_MODEL_ENGINE_CLIENT_H
#define TESTS_MODEL_ENGINE_CLIENT_H

#include "engine.h"

#include <berth/timer.h>

static struct dma_chan *chan;
static unsigned int nr_calls;

static const struct berth_driver drivers[] = { BERTH_PLATFORM_DRIVER(&engine_driver),
					       BERTH_NO_MORE_DRIVERS };

static inline struct dma_chan *take_any(void)
{
	dma_cap_mask_t mask;
	struct dma_chan *taken;

	dma_cap_zero(mask);
	dma_cap_set(DMA_MEMCPY, mask);
	taken = dma_request_chan_by_mask(&mask);
	assert_false(IS_ERR(taken));
	return taken;
}

static inline int start(void **state)
{
	(void)state;
	nr_calls = nr_engines_released = 0;
	engines[0] = engines[1] = NULL;
	must_start(tree_engines, drivers, NULL);
	assert_non_null(engines[1]);
	chan = take_any();
	return 0;
}

static inline int stop(void **state)
{
	(void)state;
	if (chan)
		dma_release_channel(chan);
	chan = NULL;
	must_stop();
	assert_int_equal(nr_engines_released, 2);
	return 0;
}

static inline void called(void *param)
{
	(void)param;
	nr_calls++;
}

static inline struct dma_async_tx_descriptor *prepare(void)
{
	struct dma_async_tx_descriptor *tx = dmaengine_prep_dma_memcpy(chan, 0x1000, 0x2000, 64, 0);

	assert_non_null(tx);
	tx->callback = called;
	return tx;
}

/* Let what waits for a tasklet happen. */
static inline void settle(void)
{
	usleep_range(1, 1);
}

#define engine_test(name) cmocka_unit_test_setup_teardown(name, start, stop)

#endif
