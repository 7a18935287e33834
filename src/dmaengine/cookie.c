/* SPDX-License-Identifier: BSD-2-Clause */
/* Cookies: what is done, what has failed, and who waits for it. */
#include <berth/port.h>

#include "dmaengine/internal.h"
#include "lib/trace.h"

static __attribute__((noinline)) void trace_complete(const struct dma_async_tx_descriptor *tx)
{
	berth_trace(.kind = BERTH_TRACE_DMA_COMPLETE, .dev = tx->chan->device->dev,
		    .name = dma_chan_name(tx->chan), .object = tx,
		    .other = (uint32_t)tx->chan->completed_cookie);
}

void berth_dma_cookie_wake(struct dma_async_tx_descriptor *tx)
{
	struct dma_chan *chan = tx->chan;

	if (berth_is_traced())
		trace_complete(tx);
	if (__atomic_load_n(&chan->nr_waiting, __ATOMIC_SEQ_CST))
		berth_port_wake((const uint32_t *)&chan->completed_cookie);
}

void berth_dma_cookie_fail(struct dma_async_tx_descriptor *tx)
{
	struct dma_chan *chan = tx->chan;

	__atomic_store_n(&chan->failed_cookies[chan->nr_failed % BERTH_DMA_FAILED_COOKIES],
			 tx->cookie, __ATOMIC_RELAXED);
	__atomic_store_n(&chan->nr_failed, chan->nr_failed + 1, __ATOMIC_RELEASE);
	dma_cookie_complete(tx);
}

static bool has_failed(const struct dma_chan *chan, dma_cookie_t cookie)
{
	uint32_t nr = __atomic_load_n(&chan->nr_failed, __ATOMIC_ACQUIRE);

	for (uint32_t i = 0; i < nr && i < BERTH_DMA_FAILED_COOKIES; i++)
		if (__atomic_load_n(&chan->failed_cookies[i], __ATOMIC_RELAXED) == cookie)
			return true;
	return false;
}

enum dma_status dma_cookie_status(struct dma_chan *chan, dma_cookie_t cookie,
				  struct dma_tx_state *state)
{
	/* In this order: one that was completed meanwhile must not lie behind the last one used. */
	dma_cookie_t complete = __atomic_load_n(&chan->completed_cookie, __ATOMIC_ACQUIRE);
	dma_cookie_t used = __atomic_load_n(&chan->cookie, __ATOMIC_ACQUIRE);
	enum dma_status status = dma_async_is_complete(cookie, complete, used);

	dma_set_tx_state(state, complete, used, 0);
	if (state)
		state->in_flight_bytes = 0;
	return status == DMA_COMPLETE && has_failed(chan, cookie) ? DMA_ERROR : status;
}
