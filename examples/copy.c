/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * copy BOARD.dtb: a board from a file, and one of its DMA controllers copies a buffer. Prints TAP.
 *
 * Memory is mapped for the controller, which does not see the CPU's caches: each buffer changes hands
 * twice, and it is the controller's until the transfer is done or terminated.
 */
#include <string.h>

#include <berth/berth.h>
#include <berth/dma-mapping.h>
#include <berth/dmaengine.h>
#include <berth/drivers/sifive-pdma.h>
#include <berth/slab.h>

#include "tree.h"

#define LENGTH 10000

static const struct berth_driver drivers[] = {
	BERTH_PLATFORM_DRIVER(&berth_pdma_driver),
	BERTH_NO_MORE_DRIVERS,
};

/* Prepare, submit, issue, wait. On return the controller does not touch the buffers any more. */
static int transfer(struct dma_chan *chan, dma_addr_t to, dma_addr_t from)
{
	struct dma_async_tx_descriptor *tx;
	dma_cookie_t cookie;

	tx = dmaengine_prep_dma_memcpy(chan, to, from, LENGTH, DMA_PREP_INTERRUPT | DMA_CTRL_ACK);
	if (!tx)
		return -ENOMEM; /* or the controller cannot do it: berth_last_error() */
	cookie = dmaengine_submit(tx);
	if (dma_submit_error(cookie))
		return dma_submit_error(cookie);
	dma_async_issue_pending(chan);
	if (dma_sync_wait(chan, cookie) == DMA_COMPLETE)
		return 0;
	dmaengine_terminate_sync(chan); /* it may still be under way */
	return -EIO;
}

static int copy(struct dma_chan *chan, void *dst, void *src)
{
	struct device *dev = dmaengine_get_dma_device(chan);
	dma_addr_t to, from;
	int err;

	from = dma_map_single(dev, src, LENGTH, DMA_TO_DEVICE);
	if (dma_mapping_error(dev, from))
		return -ENOMEM;
	to = dma_map_single(dev, dst, LENGTH, DMA_FROM_DEVICE);
	if (dma_mapping_error(dev, to)) {
		dma_unmap_single(dev, from, LENGTH, DMA_TO_DEVICE);
		return -ENOMEM;
	}
	err = transfer(chan, to, from);
	dma_unmap_single(dev, to, LENGTH, DMA_FROM_DEVICE);
	dma_unmap_single(dev, from, LENGTH, DMA_TO_DEVICE);
	return err;
}

int main(int argc, char **argv)
{
	void *tree = start_with_tree(argc, argv, drivers);
	uint8_t *src = kmalloc(LENGTH, GFP_KERNEL), *dst = kzalloc(LENGTH, GFP_KERNEL);
	struct dma_chan *chan;
	dma_cap_mask_t mask;

	dma_cap_zero(mask);
	dma_cap_set(DMA_MEMCPY, mask);
	chan = dma_request_chan_by_mask(&mask);
	result(!IS_ERR(chan) && src && dst, "a controller of the board's can copy");
	if (!nr_failed) {
		for (int i = 0; i < LENGTH; i++)
			src[i] = (uint8_t)(i * 7);
		result(!copy(chan, dst, src), "it copies");
		result(!memcmp(dst, src, LENGTH), "the CPU sees what was copied");
	}
	if (!IS_ERR(chan))
		dma_release_channel(chan);
	kfree(dst);
	kfree(src);
	return stop_with_tree(tree);
}
