// SPDX-License-Identifier: BSD-2-Clause
/* BCM2835 DMA: channels, interrupts, and what clients ask. */
#include <berth/interrupt.h>
#include <berth/slab.h>

#include "bcm2835-dma.h"

/* What CS holds besides commands: a middling priority, and a write is over when it is answered. */
#define CS_SETTINGS (BDMA_CS_PRIORITY(8) | BDMA_CS_PANIC(8) | BDMA_CS_WAIT_WRITES)
/* Reads of CS until a channel that was stopped has no more writes under way. */
#define STOP_READS 10000
/* As many channels have a line of their own where interrupts have no names; the others share one. */
#define OWN_LINES 11u
#define ADDRESS_BITS 32

static inline uint32_t bdma_read(const struct bdma_chan *c, unsigned int reg)
{
	return readl_relaxed(c->regs + reg);
}

static inline void bdma_write(const struct bdma_chan *c, unsigned int reg, uint32_t value)
{
	writel_relaxed(value, c->regs + reg);
}

/* The hardware; with the lock. */

/* On return nothing of the transfer is under way; its place is lost. */
static void stop(struct bdma_chan *c)
{
	unsigned int reads = 0;

	bdma_write(c, BDMA_CS, CS_SETTINGS);
	while (bdma_read(c, BDMA_CS) & BDMA_CS_WAITING && ++reads < STOP_READS)
		;
	if (reads == STOP_READS)
		dev_err(c->bdma->dma.dev, "%s: writes are not answered\n",
			dma_chan_name(&c->vc.chan));
	bdma_write(c, BDMA_CS, BDMA_CS_INT | BDMA_CS_END);
	bdma_write(c, BDMA_CS, BDMA_CS_RESET);
	bdma_write(c, BDMA_DEBUG, BDMA_DEBUG_ERRORS);
}

static inline void kick(struct bdma_chan *c)
{
	const struct bdma_block *first =
		list_first_entry(&c->desc->blocks, struct bdma_block, node);

	bdma_write(c, BDMA_CONBLK_AD, (uint32_t)first->dma);
	/* With the barrier: the control blocks come before it. */
	writel(CS_SETTINGS | BDMA_CS_ACTIVE, c->regs + BDMA_CS);
}

static void complete_desc(struct bdma_chan *c)
{
	struct bdma_desc *desc = c->desc;

	c->desc = NULL;
	vchan_cookie_complete(&desc->vd);
}

/* One that is in no list. */
static inline void start_desc(struct bdma_chan *c, struct bdma_desc *desc)
{
	c->desc = desc;
	c->least = desc->length;
	if (!desc->last)
		complete_desc(c);
	else
		kick(c);
}

static void start(struct bdma_chan *c)
{
	while (!c->desc && !c->is_paused) {
		struct virt_dma_desc *vd = vchan_next_desc(&c->vc);

		if (!vd)
			return;
		list_del(&vd->node);
		start_desc(c, bdma_desc_of(vd));
	}
}

/* The registers belong together if no control block was loaded between. */
static uint64_t residue(struct bdma_chan *c)
{
	uint32_t at, txfr_len, next;
	uint64_t left;

	do {
		at = bdma_read(c, BDMA_CONBLK_AD);
		/* In this order: where it says that the control block is loaded, so is its length. */
		next = bdma_read(c, BDMA_NEXTCONBK);
		txfr_len = bdma_read(c, BDMA_TXFR_LEN);
	} while (at != bdma_read(c, BDMA_CONBLK_AD));
	left = berth_bdma_left(c->desc, at, txfr_len, next);
	if (c->desc->is_cyclic)
		return left;
	if (left < c->least)
		c->least = left;
	return c->least;
}

static uint32_t clamp(uint64_t value)
{
	return value < UINT32_MAX ? (uint32_t)value : UINT32_MAX;
}

/* The controller reports reads that failed, and nothing of writes. */
static void fail(struct bdma_chan *c)
{
	struct dmaengine_result *result = &c->desc->vd.tx_result;

	result->result = DMA_TRANS_READ_FAILED;
	result->residue = clamp(residue(c));
	stop(c);
	complete_desc(c);
	start(c);
}

/* What the hardware has to say, if anything. With the lock. */
static inline bool look(struct bdma_chan *c)
{
	uint32_t cs = bdma_read(c, BDMA_CS);
	uint32_t said = cs & (c->vc.chan.is_polled ? BDMA_CS_INT | BDMA_CS_END : BDMA_CS_INT);

	if (!said)
		return false;
	/* A write of CS without ACTIVE would pause a ring. Where the chain has ended it does nothing. */
	bdma_write(c, BDMA_CS,
		   CS_SETTINGS | said | (c->is_paused || !c->desc ? 0 : BDMA_CS_ACTIVE));
	rmb();
	if (c->desc && cs & BDMA_CS_ERROR) {
		fail(c);
	} else if (c->desc && c->desc->is_cyclic) {
		vchan_cyclic_callback(&c->desc->vd);
	} else if (c->desc && !bdma_read(c, BDMA_CONBLK_AD)) {
		complete_desc(c);
		if (!list_empty(&c->vc.desc_issued))
			start(c);
	}
	return true;
}

/* An error alone raises no interrupt. */
static void look_for_error(struct bdma_chan *c)
{
	if (bdma_read(c, BDMA_CS) & BDMA_CS_ERROR)
		fail(c);
}

static irqreturn_t bdma_irq(int irq, void *data)
{
	struct bdma_chan *c = data;
	unsigned long flags;
	bool is_mine;

	(void)irq;
	spin_lock_irqsave(&c->vc.lock, flags);
	is_mine = look(c);
	spin_unlock_irqrestore(&c->vc.lock, flags);
	return is_mine ? IRQ_HANDLED : IRQ_NONE;
}

/* What clients ask. */

static int bdma_config(struct dma_chan *chan, struct dma_slave_config *config)
{
	struct bdma_chan *c = bdma_chan_of(chan);
	unsigned long flags;

	if ((config->src_addr_width && config->src_addr_width != BDMA_WORD) ||
	    (config->dst_addr_width && config->dst_addr_width != BDMA_WORD))
		return berth_dma_fail(chan, -EINVAL, BERTH_REASON_ARGUMENT, "addr_width", 0, 0,
				      BDMA_WORD);
	if (config->src_port_window_size || config->dst_port_window_size || config->device_fc)
		return berth_dma_fail(chan, -EINVAL, BERTH_REASON_CAPABILITY, "port window", 0, 0,
				      0);
	spin_lock_irqsave(&c->vc.lock, flags);
	c->config = *config;
	spin_unlock_irqrestore(&c->vc.lock, flags);
	return 0;
}

static int bdma_pause(struct dma_chan *chan)
{
	struct bdma_chan *c = bdma_chan_of(chan);
	unsigned long flags;

	spin_lock_irqsave(&c->vc.lock, flags);
	c->is_paused = true;
	if (c->desc)
		bdma_write(c, BDMA_CS, CS_SETTINGS);
	spin_unlock_irqrestore(&c->vc.lock, flags);
	return 0;
}

static int bdma_resume(struct dma_chan *chan)
{
	struct bdma_chan *c = bdma_chan_of(chan);
	unsigned long flags;

	spin_lock_irqsave(&c->vc.lock, flags);
	c->is_paused = false;
	if (c->desc)
		bdma_write(c, BDMA_CS, CS_SETTINGS | BDMA_CS_ACTIVE);
	else
		start(c);
	spin_unlock_irqrestore(&c->vc.lock, flags);
	return 0;
}

static int bdma_terminate_all(struct dma_chan *chan)
{
	struct bdma_chan *c = bdma_chan_of(chan);
	unsigned long flags;

	spin_lock_irqsave(&c->vc.lock, flags);
	c->is_paused = false;
	if (c->desc) {
		struct bdma_desc *desc = c->desc;

		stop(c);
		c->desc = NULL;
		vchan_terminate_vdesc(&desc->vd);
	}
	berth_vchan_terminate_all(&c->vc);
	spin_unlock_irqrestore(&c->vc.lock, flags);
	return 0;
}

static void bdma_synchronize(struct dma_chan *chan)
{
	vchan_synchronize(to_virt_chan(chan));
}

/* Bytes left of one that waits; with the lock. */
static uint64_t left_of_waiting(struct bdma_chan *c, dma_cookie_t cookie)
{
	struct virt_dma_desc *vd = vchan_find_desc(&c->vc, cookie);

	return vd ? bdma_desc_of(vd)->length : 0;
}

static enum dma_status bdma_tx_status(struct dma_chan *chan, dma_cookie_t cookie,
				      struct dma_tx_state *state)
{
	struct bdma_chan *c = bdma_chan_of(chan);
	enum dma_status status;
	unsigned long flags;

	spin_lock_irqsave(&c->vc.lock, flags);
	if (chan->is_polled)
		look(c);
	if (c->desc)
		look_for_error(c);
	if (chan->is_polled)
		berth_vchan_told(&c->vc);
	status = dma_cookie_status(chan, cookie, state);
	if (status == DMA_IN_PROGRESS && c->desc && c->desc->vd.tx.cookie == cookie) {
		dma_set_residue(state, clamp(residue(c)));
		if (c->is_paused)
			status = DMA_PAUSED;
	} else if (status == DMA_IN_PROGRESS) {
		dma_set_residue(state, clamp(left_of_waiting(c, cookie)));
	}
	spin_unlock_irqrestore(&c->vc.lock, flags);
	return status;
}

static __attribute__((noinline)) void issue_slowly(struct bdma_chan *c)
{
	unsigned long flags;

	spin_lock_irqsave(&c->vc.lock, flags);
	if (vchan_issue_pending(&c->vc))
		start(c);
	spin_unlock_irqrestore(&c->vc.lock, flags);
}

/* Where nobody else is at the channel, which rests, no call is needed. */
static void bdma_issue_pending(struct dma_chan *chan)
{
	struct bdma_chan *c = bdma_chan_of(chan);
	struct virt_dma_desc *vd = NULL;
	unsigned long flags;

	if (!spin_trylock_irqsave(&c->vc.lock, flags)) {
		issue_slowly(c);
		return;
	}
	if (!c->desc && !c->is_paused)
		vd = berth_vchan_issue_first(&c->vc);
	if (vd && bdma_desc_of(vd)->last) {
		c->desc = bdma_desc_of(vd);
		c->least = c->desc->length;
		kick(c);
		spin_unlock_irqrestore(&c->vc.lock, flags);
		return;
	}
	if (vd)
		list_add(&vd->node, &c->vc.desc_issued);
	spin_unlock_irqrestore(&c->vc.lock, flags);
	issue_slowly(c);
}

static int bdma_set_polled(struct dma_chan *chan, bool is_polled)
{
	struct bdma_chan *c = bdma_chan_of(chan);
	unsigned long flags;
	int ret;

	spin_lock_irqsave(&c->vc.lock, flags);
	ret = c->desc ? -EBUSY : berth_vchan_set_polled(&c->vc, is_polled);
	spin_unlock_irqrestore(&c->vc.lock, flags);
	return ret;
}

static void bdma_poll(struct dma_chan *chan)
{
	struct bdma_chan *c = bdma_chan_of(chan);
	unsigned long flags;

	spin_lock_irqsave(&c->vc.lock, flags);
	look(c);
	if (c->desc)
		look_for_error(c);
	berth_vchan_polled(&c->vc, flags);
}

static void bdma_free_chan_resources(struct dma_chan *chan)
{
	struct bdma_chan *c = bdma_chan_of(chan);

	vchan_free_chan_resources(&c->vc);
	berth_bdma_free_kept(c);
	c->dreq = 0;
}

static struct dma_chan *bdma_xlate(struct of_phandle_args *spec, struct of_dma *ofdma)
{
	struct bdma *bdma = ofdma->of_dma_data;
	struct dma_chan *chan;

	if (spec->args_count != 1 || spec->args[0] > BDMA_MAX_DREQ) {
		berth_set_error(dev_name(bdma->dma.dev), -EINVAL, BERTH_REASON_ARGUMENT,
				spec->args[0], 0);
		return ERR_PTR(-EINVAL);
	}
	chan = dma_get_any_slave_channel(&bdma->dma);
	if (chan)
		bdma_chan_of(chan)->dreq = spec->args[0];
	return chan;
}

/* The device. */

static void put(struct bdma *bdma)
{
	if (!__atomic_sub_fetch(&bdma->holders, 1, __ATOMIC_ACQ_REL))
		kfree(bdma);
}

/* Clients may hold a channel for longer than the driver is bound. */
static void bdma_release(struct dma_device *dma)
{
	put(container_of(dma, struct bdma, dma));
}

static void fill_in(struct bdma *bdma, struct device *dev)
{
	struct dma_device *dma = &bdma->dma;

	dma->dev = dev;
	INIT_LIST_HEAD(&dma->channels);
	berth_bdma_set_ops(dma);
	dma->directions = BIT(DMA_MEM_TO_MEM) | BIT(DMA_MEM_TO_DEV) | BIT(DMA_DEV_TO_MEM);
	dma->src_addr_widths = dma->dst_addr_widths = BIT(BDMA_WORD);
	dma->max_burst = BDMA_MAX_BURST;
	dma->residue_granularity = DMA_RESIDUE_GRANULARITY_BURST;
	dma->descriptor_reuse = true;
	dma->device_free_chan_resources = bdma_free_chan_resources;
	dma->device_config = bdma_config;
	dma->device_pause = bdma_pause;
	dma->device_resume = bdma_resume;
	dma->device_terminate_all = bdma_terminate_all;
	dma->device_synchronize = bdma_synchronize;
	dma->device_tx_status = bdma_tx_status;
	dma->device_issue_pending = bdma_issue_pending;
	dma->device_set_polled = bdma_set_polled;
	dma->device_poll = bdma_poll;
	dma->device_release = bdma_release;
}

/* Which of the node's interrupts is a channel's: by its name, or else by its place. */
static int irq_of(struct platform_device *pdev, unsigned int number)
{
	const struct device_node *node = pdev->dev.of_node;
	char name[] = "dma00";
	int index;

	if (!of_property_read_bool(node, "interrupt-names"))
		return platform_get_irq(pdev, number < OWN_LINES ? number : OWN_LINES);
	if (number < 10) {
		name[3] = (char)('0' + number);
		name[4] = '\0';
	} else {
		name[3] = '1';
		name[4] = (char)('0' + number - 10);
	}
	index = of_property_match_string(node, "interrupt-names", name);
	return index < 0 ? -ENXIO : platform_get_irq(pdev, (unsigned int)index);
}

static void free_channels(struct bdma *bdma)
{
	for (unsigned int i = 0; i < BDMA_CHANNELS; i++) {
		struct bdma_chan *c = &bdma->channels[i];

		if (!c->is_there)
			continue;
		stop(c);
		free_irq(c->irq, c);
		vchan_cleanup(&c->vc);
		c->is_there = false;
	}
}

static int add_channel(struct bdma *bdma, char __iomem *regs, unsigned int number, int irq)
{
	struct bdma_chan *c = &bdma->channels[number];
	int ret;

	c->bdma = bdma;
	c->regs = regs + number * BDMA_CHANNEL_STRIDE;
	c->irq = (unsigned int)irq;
	INIT_LIST_HEAD(&c->free_blocks);
	c->vc.desc_free = berth_bdma_desc_free;
	vchan_init(&c->vc, &bdma->dma);
	c->is_lite = bdma_read(c, BDMA_DEBUG) & BDMA_DEBUG_LITE;
	stop(c);
	ret = request_irq(c->irq, bdma_irq, IRQF_SHARED, dev_name(bdma->dma.dev), c);
	if (ret)
		vchan_cleanup(&c->vc);
	else
		c->is_there = true;
	return ret;
}

/* Those that the firmware leaves to the CPU, and that have an interrupt. */
static int add_channels(struct bdma *bdma, struct platform_device *pdev, char __iomem *regs)
{
	const struct device_node *node = pdev->dev.of_node;
	uint32_t mask;
	int ret;

	if (of_property_read_u32(node, "brcm,dma-channel-mask", &mask) &&
	    of_property_read_u32(node, "dma-channel-mask", &mask))
		return berth_set_error("brcm,dma-channel-mask", -EINVAL, BERTH_REASON_ARGUMENT, 0,
				       0);
	for (unsigned int i = 0; i < BDMA_CHANNELS; i++) {
		int irq = mask >> i & 1 ? irq_of(pdev, i) : -ENXIO;

		if (irq < 0)
			continue;
		ret = add_channel(bdma, regs, i, irq);
		if (ret) {
			free_channels(bdma);
			return ret;
		}
	}
	return list_empty(&bdma->dma.channels) ? -ENODEV : 0;
}

static int get_resources(struct bdma *bdma, struct platform_device *pdev)
{
	struct device *dev = &pdev->dev;
	char __iomem *regs = devm_platform_ioremap_resource(pdev, 0);
	int ret;

	if (IS_ERR(regs))
		return (int)PTR_ERR(regs);
	ret = dma_set_mask_and_coherent(dev, DMA_BIT_MASK(ADDRESS_BITS));
	if (!ret)
		ret = dma_set_max_seg_size(dev, BDMA_MAX_RUN);
	if (ret)
		return ret;
	bdma->pool = dmam_pool_create("bcm2835-dma", dev, BDMA_BLOCK_BYTES, BDMA_BLOCK_BYTES, 0);
	if (!bdma->pool)
		return -ENOMEM;
	return add_channels(bdma, pdev, regs);
}

static int bdma_register(struct bdma *bdma, struct device *dev)
{
	int ret;

	bdma->holders++;
	ret = dma_async_device_register(&bdma->dma);
	if (ret) {
		bdma->holders--;
		return ret;
	}
	if (!of_property_read_bool(dev->of_node, "#dma-cells"))
		return 0;
	ret = of_dma_controller_register(dev->of_node, bdma_xlate, bdma);
	if (ret)
		dma_async_device_unregister(&bdma->dma);
	return ret;
}

static int bdma_probe(struct platform_device *pdev)
{
	struct bdma *bdma = kzalloc(sizeof(*bdma), GFP_KERNEL);
	int ret;

	if (!bdma)
		return -ENOMEM;
	bdma->holders = 1;
	fill_in(bdma, &pdev->dev);
	ret = get_resources(bdma, pdev);
	if (ret)
		goto no_resources;
	ret = bdma_register(bdma, &pdev->dev);
	if (ret)
		goto no_device;
	platform_set_drvdata(pdev, bdma);
	return 0;

no_device:
	free_channels(bdma);
no_resources:
	put(bdma);
	return ret;
}

static int bdma_remove(struct platform_device *pdev)
{
	struct bdma *bdma = platform_get_drvdata(pdev);

	if (of_property_read_bool(pdev->dev.of_node, "#dma-cells"))
		of_dma_controller_free(pdev->dev.of_node);
	dma_async_device_unregister(&bdma->dma);
	free_channels(bdma);
	platform_set_drvdata(pdev, NULL);
	put(bdma);
	return 0;
}

static const struct of_device_id bdma_match[] = {
	{ .compatible = "brcm,bcm2835-dma" },
	{ .compatible = "" },
};

const struct platform_driver berth_bcm2835_dma_driver = {
	.probe = bdma_probe,
	.remove = bdma_remove,
	.driver = {
		.name = "bcm2835-dma",
		.of_match_table = bdma_match,
	},
};
