/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * copy BOARD.dtb: a board from a file, and one of its DMA controllers copies a buffer. Prints TAP.
 *
 * Memory is mapped for the controller, which does not see the CPU's caches: each buffer changes hands
 * twice, and it is the controller's until the transfer is done or terminated.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <berth/berth.h>
#include <berth/dma-mapping.h>
#include <berth/dmaengine.h>
#include <berth/drivers/sifive-pdma.h>
#include <berth/model.h>
#include <berth/slab.h>

#define LENGTH 10000

static const struct berth_driver drivers[] = {
	BERTH_PLATFORM_DRIVER(&berth_pdma_driver),
	BERTH_NO_MORE_DRIVERS,
};

static int number;

static int result(bool is_ok, const char *what)
{
	printf("%sok %d - %s\n", is_ok ? "" : "not ", ++number, what);
	return !is_ok;
}

/* The tree stays in memory until berth_stop(); malloc() aligns it well enough. */
static void *read_tree(const char *name)
{
	FILE *file = fopen(name, "rb");
	void *tree = NULL;
	long size;

	if (!file)
		return NULL;
	if (!fseek(file, 0, SEEK_END) && (size = ftell(file)) >= 40 && !fseek(file, 0, SEEK_SET)) {
		tree = malloc((size_t)size);
		if (tree && fread(tree, 1, (size_t)size, file) != (size_t)size) {
			free(tree);
			tree = NULL;
		}
	}
	fclose(file);
	return tree;
}

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

static int run(void)
{
	uint8_t *src = kmalloc(LENGTH, GFP_KERNEL), *dst = kzalloc(LENGTH, GFP_KERNEL);
	struct dma_chan *chan;
	dma_cap_mask_t mask;
	int failed;

	dma_cap_zero(mask);
	dma_cap_set(DMA_MEMCPY, mask);
	chan = dma_request_chan_by_mask(&mask);
	failed = result(!IS_ERR(chan) && src && dst, "a controller of the board's can copy");
	if (!failed) {
		for (int i = 0; i < LENGTH; i++)
			src[i] = (uint8_t)(i * 7);
		failed |= result(!copy(chan, dst, src), "it copies");
		failed |= result(!memcmp(dst, src, LENGTH), "the CPU sees what was copied");
	}
	if (!IS_ERR(chan))
		dma_release_channel(chan);
	kfree(dst);
	kfree(src);
	return failed;
}

int main(int argc, char **argv)
{
	const struct berth_options options = { .machine = &berth_model };
	void *tree = argc == 2 ? read_tree(argv[1]) : NULL;
	char why[200];
	int failed;

	if (!tree) {
		fprintf(stderr, "usage: %s BOARD.dtb\n", argv[0]);
		return 2;
	}
	if (berth_start(tree, drivers, &options)) {
		berth_error_text(NULL, why, sizeof(why));
		fprintf(stderr, "%s: %s\n", argv[1], why);
		free(tree);
		return 2;
	}
	failed = run();
	failed |= result(!berth_stop(), "nothing is left");
	printf("1..%d\n", number);
	free(tree);
	return failed;
}
