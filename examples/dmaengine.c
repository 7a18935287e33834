/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * dmaengine BOARD.dtb: the driver of a peripheral that is fed by a DMA controller. Prints TAP.
 *
 * What such drivers often get wrong: dmaengine_slave_config() is told the peripheral's register; memory is
 * mapped for the controller, not for the peripheral; a transfer runs only after dma_async_issue_pending(),
 * and its buffer is the driver's again when it is done, or terminated, and unmapped.
 */
#include <berth/berth.h>
#include <berth/completion.h>
#include <berth/dma-mapping.h>
#include <berth/dmaengine.h>
#include <berth/drivers/sifive-pdma.h>
#include <berth/model.h>
#include <berth/slab.h>
#include <berth/timer.h>

#include "tree.h"

#define PLAYER_CONSUMED 0x08
#define PLAYER_BREAKS 0x18
#define PLAYER_WINDOW 0x1000
#define PLAYER_WINDOW_SIZE 0x1000
#define SAMPLES 256

struct player {
	char __iomem *regs;
	struct dma_chan *tx;
	struct completion played;
	enum dmaengine_tx_result how;
};

static struct player *player;

static int player_probe(struct platform_device *pdev)
{
	struct resource *res = platform_get_resource(pdev, IORESOURCE_MEM, 0);
	struct player *p = devm_kzalloc(&pdev->dev, sizeof(*p), GFP_KERNEL);
	struct dma_slave_config config = {
		.direction = DMA_MEM_TO_DEV,
		.dst_addr = res->start + PLAYER_WINDOW, /* as the CPU's bus sees it */
		.dst_addr_width = DMA_SLAVE_BUSWIDTH_8_BYTES,
		.dst_port_window_size = PLAYER_WINDOW_SIZE / DMA_SLAVE_BUSWIDTH_8_BYTES,
	};
	int err;

	if (!p)
		return -ENOMEM;
	p->regs = devm_platform_ioremap_resource(pdev, 0);
	if (IS_ERR(p->regs))
		return (int)PTR_ERR(p->regs);
	p->tx = dma_request_chan(&pdev->dev, "tx");
	if (IS_ERR(p->tx))
		return (int)PTR_ERR(
			p->tx); /* -EPROBE_DEFER: the controller comes later, try again */
	err = dmaengine_slave_config(p->tx, &config);
	if (err) {
		dma_release_channel(p->tx);
		return err;
	}
	init_completion(&p->played);
	platform_set_drvdata(pdev, p);
	player = p;
	return 0;
}

static int player_remove(struct platform_device *pdev)
{
	struct player *p = platform_get_drvdata(pdev);

	player = NULL;
	dmaengine_terminate_sync(p->tx); /* from here on no callback uses p */
	dma_release_channel(p->tx);
	return 0;
}

static const struct of_device_id player_match[] = { { .compatible = "berth,model-fifo" },
						    { .compatible = "" } };

static const struct platform_driver player_driver = {
	.probe = player_probe,
	.remove = player_remove,
	.driver = { .name = "player", .of_match_table = player_match },
};

/* In a tasklet: it may start the next transfer, and must not sleep. */
static void player_done(void *param, const struct dmaengine_result *result)
{
	struct player *p = param;

	p->how = result->result;
	complete(&p->played);
}

static int player_run(struct player *p, struct scatterlist *sg, unsigned int nents)
{
	struct dma_async_tx_descriptor *tx;

	tx = dmaengine_prep_slave_sg(p->tx, sg, nents, DMA_MEM_TO_DEV,
				     DMA_PREP_INTERRUPT | DMA_CTRL_ACK);
	if (!tx)
		return -EIO; /* berth_last_error() says why */
	tx->callback_result = player_done;
	tx->callback_param = p;
	if (dma_submit_error(dmaengine_submit(tx)))
		return -EIO;
	dma_async_issue_pending(p->tx);
	if (!wait_for_completion_timeout(&p->played, msecs_to_jiffies(1000))) {
		dmaengine_terminate_sync(p->tx);
		return -ETIMEDOUT;
	}
	return p->how == DMA_TRANS_NOERROR ? 0 : -EIO;
}

static int player_play(struct player *p, void *samples, unsigned int size)
{
	struct device *dma_dev = dmaengine_get_dma_device(p->tx);
	struct scatterlist sg;
	unsigned int nents;
	int err;

	sg_init_one(&sg, samples, size);
	nents = dma_map_sg(dma_dev, &sg, 1, DMA_TO_DEVICE);
	if (!nents)
		return -ENOMEM;
	err = player_run(p, &sg, nents);
	dma_unmap_sg(dma_dev, &sg, 1, DMA_TO_DEVICE);
	return err;
}

int main(int argc, char **argv)
{
	static const struct berth_driver drivers[] = { BERTH_PLATFORM_DRIVER(&player_driver),
						       BERTH_PLATFORM_DRIVER(&berth_pdma_driver),
						       BERTH_NO_MORE_DRIVERS };
	void *tree = start_with_tree(argc, argv, drivers);
	uint64_t *samples = kmalloc(SAMPLES * sizeof(*samples), GFP_KERNEL);

	result(player && samples, "the driver has its channel, though it comes first in the tree");
	for (uint64_t i = 0; samples && i < SAMPLES; i++)
		samples[i] = i;
	result(player && samples && !player_play(player, samples, SAMPLES * sizeof(*samples)),
	       "the samples are played");
	result(player && readl(player->regs + PLAYER_CONSUMED) == SAMPLES * sizeof(*samples) &&
		       !readl(player->regs + PLAYER_BREAKS),
	       "the player has had all of them, in order");
	kfree(samples);
	return stop_with_tree(tree);
}
