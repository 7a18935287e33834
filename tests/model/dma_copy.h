/* SPDX-License-Identifier: BSD-2-Clause */
/* One copy by a DMA controller, for tests that are about something else. */
#ifndef TESTS_MODEL_DMA_COPY_H
#define TESTS_MODEL_DMA_COPY_H

#include <berth/dmaengine.h>
#include <berth/errno.h>

static inline bool is_of_device(struct dma_chan *chan, void *dev)
{
	return dmaengine_get_dma_device(chan) == dev;
}

/* A free channel of that controller, or NULL. */
static inline struct dma_chan *dma_chan_of(struct device *dev)
{
	dma_cap_mask_t mask;

	dma_cap_zero(mask);
	dma_cap_set(DMA_MEMCPY, mask);
	return dma_request_channel(mask, is_of_device, dev);
}

/* Addresses as the controller has them. 0; -EINVAL: it cannot be prepared; what berth_dma_wait() returns. */
static inline int dma_chan_copy(struct dma_chan *chan, dma_addr_t dst, dma_addr_t src, size_t len)
{
	struct dma_async_tx_descriptor *tx =
		dmaengine_prep_dma_memcpy(chan, dst, src, len, DMA_CTRL_ACK);
	int err;

	if (!tx)
		return -EINVAL;
	err = berth_dma_wait(chan, dmaengine_submit(tx), 10000);
	if (err)
		dmaengine_terminate_sync(chan);
	return err;
}

/* The same with any channel of a controller; -EBUSY: all are taken. */
static inline int dma_copy(struct device *dev, dma_addr_t dst, dma_addr_t src, size_t len)
{
	struct dma_chan *chan = dma_chan_of(dev);
	int err;

	if (!chan)
		return -EBUSY;
	err = dma_chan_copy(chan, dst, src, len);
	dma_release_channel(chan);
	return err;
}

#endif
