// SPDX-License-Identifier: BSD-2-Clause
/*
 * Driver of the PL330, the CoreLink DMA-330 (Arm DDI 0424). Each channel is one of its threads, and one
 * of its events, with which the thread's programs say that they have ended.
 */
#include <berth/dma-mapping.h>
#include <berth/errno.h>
#include <berth/error.h>
#include <berth/io.h>
#include <berth/platform_device.h>
#include <berth/slab.h>

#include <berth/drivers/pl330.h>

#include "pl330.h"

#define MIN_WIDTH 2u
#define MAX_WIDTH 4u

/* A request line belongs to one channel at a time. */
static struct dma_chan *take_for_request(struct pl330 *pl, uint32_t request)
{
	uint32_t bit = request == PL330_NO_REQUEST ? 0 : 1u << request;
	struct dma_chan *chan;
	unsigned long flags;
	bool is_taken;

	spin_lock_irqsave(&pl->lock, flags);
	is_taken = pl->requests & bit;
	pl->requests |= bit;
	spin_unlock_irqrestore(&pl->lock, flags);
	if (is_taken)
		return ERR_PTR(berth_set_error(dev_name(pl->dev), -EBUSY, BERTH_REASON_NO_CHANNEL,
					       request, 0));
	chan = dma_get_any_slave_channel(&pl->dma);
	if (chan && !IS_ERR(chan)) {
		to_pl330_channel(chan)->request = request;
		return chan;
	}
	spin_lock_irqsave(&pl->lock, flags);
	pl->requests &= ~bit;
	spin_unlock_irqrestore(&pl->lock, flags);
	return chan;
}

static struct dma_chan *xlate(struct of_phandle_args *args, struct of_dma *ofdma)
{
	struct pl330 *pl = ofdma->of_dma_data;
	uint32_t request = args->args[0];
	bool is_good = args->args_count == 1;

	if (is_good && request != PL330_NO_REQUEST)
		is_good = request < pl->nr_requests &&
			  (!pl->limits.is_non_secure ||
			   read_reg(pl, CR4_NON_SECURE_REQUESTS) & 1u << request);
	if (!is_good)
		return ERR_PTR(berth_set_error(dev_name(pl->dev), -EINVAL, BERTH_REASON_ARGUMENT,
					       request, 0));
	return take_for_request(pl, request);
}

/* A burst has its part of the FIFO, so that no thread ever waits for another one to empty it. */
static void read_limits(struct pl330 *pl)
{
	uint32_t crd = read_reg(pl, CRD), beats = CRD_LINES(crd) / pl->nr_channels;
	uint32_t widths = 0;

	if (beats > PL330_MAX_BEATS)
		beats = PL330_MAX_BEATS;
	pl->limits.shift = (uint8_t)CRD_WIDTH(crd);
	pl->limits.beats = (uint8_t)(beats ? beats : 1);
	pl->limits.request = PL330_NO_REQUEST;
	for (unsigned int i = 0; i <= pl->limits.shift; i++)
		widths |= 1u << (1u << i);
	pl->dma.src_addr_widths = widths;
	pl->dma.dst_addr_widths = widths;
	pl->dma.max_burst = pl->limits.beats;
}

/* Each of the threads that can have an event becomes a channel. */
static int read_configuration(struct pl330 *pl)
{
	uint32_t cr0 = read_reg(pl, CR0), usable = UINT32_MAX, width;
	uint32_t id = read_reg(pl, PERIPH_ID0) | read_reg(pl, PERIPH_ID1) << 8;
	unsigned int event = 0;

	width = CRD_WIDTH(read_reg(pl, CRD));
	if ((id & PERIPH_ID_MASK) != PERIPH_ID || width < MIN_WIDTH || width > MAX_WIDTH)
		return berth_set_error(dev_name(pl->dev), -ENODEV, BERTH_REASON_NO_DEVICE, id, 0);
	pl->limits.is_non_secure = read_reg(pl, DSR) & DSR_NON_SECURE;
	if (pl->limits.is_non_secure)
		usable = read_reg(pl, CR3_NON_SECURE_EVENTS);
	if (cr0 & CR0_HAS_REQUESTS)
		pl->nr_requests = CR0_REQUESTS(cr0);
	for (unsigned int i = 0; i < CR0_CHANNELS(cr0); i++, event++) {
		while (event < CR0_EVENTS(cr0) && !(usable & 1u << event))
			event++;
		if (event >= CR0_EVENTS(cr0))
			break;
		pl->channels[i].thread = i;
		pl->channels[i].event = event;
		pl->of_event[event] = (uint8_t)i;
		pl->events |= 1u << event;
		pl->nr_channels++;
	}
	if (!pl->nr_channels)
		return berth_set_error("its events are all secure", -ENODEV, BERTH_REASON_STATE, 0,
				       0);
	read_limits(pl);
	return 0;
}

/* Whoever was here before may have left it at work. */
static int stop_all(struct pl330 *pl)
{
	write_reg(pl, INTEN, 0);
	write_reg(pl, INTCLR, UINT32_MAX);
	if (read_reg(pl, FSRD) & 1)
		berth_pl330_execute(pl, DEBUG_KILL | DBGINST0_MANAGER, 0);
	for (unsigned int i = 0; i < pl->nr_channels; i++)
		if (!berth_pl330_kill(&pl->channels[i]))
			return berth_set_error(dev_name(pl->dev), -ETIMEDOUT, BERTH_REASON_TIMEOUT,
					       i, 0);
	return 0;
}

static void put(struct pl330 *pl)
{
	if (__atomic_sub_fetch(&pl->refs, 1, __ATOMIC_ACQ_REL))
		return;
	kfree(pl);
}

/* Clients may keep their channels longer than the driver is there. */
static void release(struct dma_device *dma)
{
	struct pl330 *pl = container_of(dma, struct pl330, dma);

	for (unsigned int i = 0; i < pl->nr_channels; i++)
		vchan_cleanup(&pl->channels[i].vc);
	put(pl);
}

static void fill_in(struct pl330 *pl)
{
	static const enum dma_transaction_type types[] = { DMA_MEMCPY, DMA_MEMSET, DMA_INTERRUPT,
							   DMA_SLAVE,  DMA_CYCLIC, DMA_INTERLEAVE };
	struct dma_device *dma = &pl->dma;

	INIT_LIST_HEAD(&dma->channels);
	dma->dev = pl->dev;
	for (unsigned int i = 0; i < ARRAY_SIZE(types); i++)
		dma_cap_set(types[i], dma->cap_mask);
	dma->directions = 1u << DMA_MEM_TO_MEM | 1u << DMA_MEM_TO_DEV | 1u << DMA_DEV_TO_MEM;
	dma->residue_granularity = DMA_RESIDUE_GRANULARITY_BURST;
	dma->descriptor_reuse = true;
	dma->device_free_chan_resources = berth_pl330_free_resources;
	dma->device_config = berth_pl330_config;
	berth_pl330_set_calls(dma);
	dma->device_release = release;
	berth_pl330_prepares(dma);
	for (unsigned int i = 0; i < pl->nr_channels; i++) {
		struct pl330_channel *ch = &pl->channels[i];

		ch->pl = pl;
		ch->go = DEBUG_GO(ch->thread, pl->limits.is_non_secure) | DBGINST0_MANAGER;
		ch->request = PL330_NO_REQUEST;
		ch->vc.desc_free = berth_vchan_recycle;
		vchan_init(&ch->vc, dma);
	}
}

static void free_irqs(struct pl330 *pl)
{
	while (pl->nr_irqs)
		free_irq(pl->irqs[--pl->nr_irqs], pl);
}

static int request_irqs(struct platform_device *pdev, struct pl330 *pl)
{
	for (unsigned int i = 0; i < ARRAY_SIZE(pl->irqs); i++) {
		int irq = platform_get_irq(pdev, i), ret;

		if (irq < 0)
			return i ? 0 : irq;
		ret = request_irq((unsigned int)irq, berth_pl330_irq, 0, dev_name(&pdev->dev), pl);
		if (ret)
			return ret;
		pl->irqs[pl->nr_irqs++] = (unsigned int)irq;
	}
	return 0;
}

/* What ends with the device. */
static int set_up(struct platform_device *pdev, struct pl330 *pl)
{
	struct device *dev = &pdev->dev;
	int ret;

	pl->dev = dev;
	pl->refs = 1;
	spin_lock_init(&pl->lock);
	pl->regs = devm_platform_ioremap_resource(pdev, 0);
	if (IS_ERR(pl->regs))
		return (int)PTR_ERR(pl->regs);
	ret = dma_set_mask_and_coherent(dev, DMA_BIT_MASK(32));
	if (!ret)
		ret = dma_set_max_seg_size(dev, UINT32_MAX);
	if (ret)
		return ret;
	pl->code = dmam_pool_create("pl330", dev, PL330_CODE_BYTES, PL330_CODE_ALIGN, 0);
	return pl->code ? 0 : -ENOMEM;
}

static int offer(struct platform_device *pdev, struct pl330 *pl)
{
	struct device_node *np = pdev->dev.of_node;
	int ret;

	pl->refs++;
	ret = dma_async_device_register(&pl->dma);
	if (ret)
		put(pl);
	if (ret || !of_property_read_bool(np, "#dma-cells"))
		return ret;
	ret = of_dma_controller_register(np, xlate, pl);
	if (ret)
		dma_async_device_unregister(&pl->dma);
	return ret;
}

static int pl330_probe(struct platform_device *pdev)
{
	struct pl330 *pl = kzalloc(sizeof(*pl), GFP_KERNEL);
	int ret;

	if (!pl)
		return -ENOMEM;
	ret = set_up(pdev, pl);
	if (!ret)
		ret = read_configuration(pl);
	if (ret) {
		put(pl);
		return ret;
	}
	fill_in(pl);
	ret = stop_all(pl);
	if (!ret)
		ret = request_irqs(pdev, pl);
	if (!ret) {
		write_reg(pl, INTEN, pl->events);
		ret = offer(pdev, pl);
	}
	if (!ret) {
		platform_set_drvdata(pdev, pl);
		return 0;
	}
	write_reg(pl, INTEN, 0);
	free_irqs(pl);
	put(pl);
	return ret;
}

static int pl330_remove(struct platform_device *pdev)
{
	struct pl330 *pl = platform_get_drvdata(pdev);

	of_dma_controller_free(pdev->dev.of_node);
	dma_async_device_unregister(&pl->dma);
	stop_all(pl);
	free_irqs(pl);
	platform_set_drvdata(pdev, NULL);
	put(pl);
	return 0;
}

static const struct of_device_id pl330_match[] = {
	{ .compatible = "arm,pl330" },
	{ .compatible = "" },
};

const struct platform_driver berth_pl330_driver = {
	.probe = pl330_probe,
	.remove = pl330_remove,
	.driver = {
		.name = "pl330",
		.of_match_table = pl330_match,
	},
};
