// SPDX-License-Identifier: BSD-2-Clause
/* Mistakes of clients of a DMA controller: see corpus.h. */
#include <berth/dma-mapping.h>
#include <berth/dmaengine.h>
#include <berth/gfp.h>
#include <berth/slab.h>

#include "check/corpus.h"

#define SIZE 512u

/* A copy that is under way until the channel is polled. */
struct copy {
	struct dma_chan *chan;
	struct device *dev;
	unsigned char *from, *to;
	dma_addr_t src, dst;
	struct dma_async_tx_descriptor *tx;
};

static bool prepare(struct copy *copy)
{
	dma_cap_mask_t mask;

	dma_cap_zero(mask);
	dma_cap_set(DMA_MEMCPY, mask);
	copy->chan = dma_request_chan_by_mask(&mask);
	if (IS_ERR(copy->chan) || berth_dma_set_polled(copy->chan, true))
		return false;
	copy->dev = dmaengine_get_dma_device(copy->chan);
	copy->from = kzalloc(SIZE, GFP_KERNEL);
	copy->to = kzalloc(SIZE, GFP_KERNEL);
	copy->src = dma_map_single(copy->dev, copy->from, SIZE, DMA_TO_DEVICE);
	copy->dst = dma_map_single(copy->dev, copy->to, SIZE, DMA_FROM_DEVICE);
	if (dma_mapping_error(copy->dev, copy->src) || dma_mapping_error(copy->dev, copy->dst))
		return false;
	copy->tx = dmaengine_prep_dma_memcpy(copy->chan, copy->dst, copy->src, SIZE,
					     DMA_PREP_INTERRUPT);
	return copy->tx != NULL;
}

static void unmap(const struct copy *copy)
{
	dma_unmap_single(copy->dev, copy->src, SIZE, DMA_TO_DEVICE);
	dma_unmap_single(copy->dev, copy->dst, SIZE, DMA_FROM_DEVICE);
}

static void end(const struct copy *copy)
{
	dma_release_channel(copy->chan);
	kfree(copy->from);
	kfree(copy->to);
}

/* Not waited for, or not long enough. */
static void unmapped_too_early(const struct rig *rig, bool is_mended)
{
	struct copy copy;
	dma_cookie_t cookie;

	if (!prepare(&copy))
		return;
	cookie = dmaengine_submit(copy.tx);
	dma_async_issue_pending(copy.chan);
	if (is_mended && dma_sync_wait(copy.chan, cookie) != DMA_COMPLETE)
		return;
	dma_unmap_single(copy.dev, copy.src, SIZE, DMA_TO_DEVICE); /* BUG transfer-busy */
	dma_unmap_single(copy.dev, copy.dst, SIZE, DMA_FROM_DEVICE);
	*rig->seen = copy.to[0];
	dmaengine_terminate_sync(copy.chan);
	end(&copy);
}

/* A terminate that does not wait, and the memory goes. */
static void terminated_and_unmapped(const struct rig *rig, bool is_mended)
{
	struct copy copy;

	(void)rig;
	if (!prepare(&copy))
		return;
	dmaengine_submit(copy.tx);
	dma_async_issue_pending(copy.chan);
	dmaengine_terminate_async(copy.chan);
	if (is_mended)
		dmaengine_synchronize(copy.chan);
	dma_unmap_single(copy.dev, copy.src, SIZE, DMA_TO_DEVICE); /* BUG transfer-busy */
	dma_unmap_single(copy.dev, copy.dst, SIZE, DMA_FROM_DEVICE);
	dmaengine_synchronize(copy.chan);
	end(&copy);
}

static void submitted_twice(const struct rig *rig, bool is_mended)
{
	struct copy copy;

	(void)rig;
	if (!prepare(&copy))
		return;
	dmaengine_submit(copy.tx);
	if (!is_mended)
		dmaengine_submit(copy.tx); /* BUG transfer-twice */
	dmaengine_terminate_sync(copy.chan);
	unmap(&copy);
	end(&copy);
}

static void released_while_busy(const struct rig *rig, bool is_mended)
{
	struct copy copy;

	(void)rig;
	if (!prepare(&copy))
		return;
	dmaengine_submit(copy.tx);
	dma_async_issue_pending(copy.chan);
	if (is_mended)
		dmaengine_terminate_sync(copy.chan);
	dma_release_channel(copy.chan); /* BUG transfer-released */
	unmap(&copy);
	kfree(copy.from);
	kfree(copy.to);
}

/* Memory of the transfer is given back by the path for errors, which runs too early. */
static void coherent_freed_too_early(const struct rig *rig, bool is_mended)
{
	struct dma_async_tx_descriptor *tx;
	struct copy copy;
	dma_addr_t addr;
	void *ring;

	(void)rig;
	if (!prepare(&copy))
		return;
	ring = dma_alloc_coherent(copy.dev, 4096, &addr, GFP_KERNEL);
	tx = dmaengine_prep_dma_memcpy(copy.chan, addr, copy.src, SIZE, 0);
	if (!ring || !tx)
		return;
	dmaengine_submit(tx);
	dma_async_issue_pending(copy.chan);
	if (is_mended)
		dmaengine_terminate_sync(copy.chan);
	dma_free_coherent(copy.dev, 4096, ring, addr); /* BUG transfer-busy */
	dmaengine_terminate_sync(copy.chan);
	unmap(&copy);
	end(&copy);
}

/* What is legal. */

static void done(void *data)
{
	struct copy *copy = data;

	unmap(copy); /* it is complete when it is called back */
	copy->tx = NULL;
}

static void legal_callback(const struct rig *rig, bool is_mended)
{
	struct copy copy;

	(void)is_mended;
	if (!prepare(&copy))
		return;
	copy.tx->callback = done;
	copy.tx->callback_param = &copy;
	dmaengine_submit(copy.tx);
	dma_async_issue_pending(copy.chan);
	while (copy.tx)
		berth_dma_poll(copy.chan);
	*rig->seen = copy.to[3];
	end(&copy);
}

/* The controller's side unmaps when it is done. */
static void legal_unmap_data(const struct rig *rig, bool is_mended)
{
	struct dmaengine_unmap_data *data;
	dma_cookie_t cookie;
	struct copy copy;

	(void)is_mended;
	if (!prepare(&copy))
		return;
	data = dmaengine_get_unmap_data(copy.dev, 2, GFP_KERNEL);
	if (!data)
		return;
	data->len = SIZE;
	data->to_cnt = data->from_cnt = 1;
	data->addr[0] = copy.src;
	data->addr[1] = copy.dst;
	dma_set_unmap(copy.tx, data);
	cookie = dmaengine_submit(copy.tx);
	dmaengine_unmap_put(data);
	if (dma_sync_wait(copy.chan, cookie) != DMA_COMPLETE)
		return;
	dmaengine_synchronize(copy.chan); /* until all of it is over */
	*rig->seen = copy.to[3];
	copy.to[3] = 1;
	end(&copy);
}

/* A descriptor that was never submitted holds nothing. */
static void legal_unused(const struct rig *rig, bool is_mended)
{
	struct copy copy;

	(void)rig, (void)is_mended;
	if (!prepare(&copy))
		return;
	unmap(&copy);
	end(&copy);
}

const struct mistake corpus_engine[] = {
	MISTAKE(unmapped_too_early, 41),
	MISTAKE(terminated_and_unmapped, 41),
	MISTAKE(submitted_twice, 41),
	MISTAKE(released_while_busy, 41),
	MISTAKE(coherent_freed_too_early, 27),
	LEGAL(legal_callback),
	LEGAL(legal_unmap_data),
	LEGAL(legal_unused),
	CORPUS_END,
};
