// SPDX-License-Identifier: BSD-2-Clause
/* ZDMA: the driver's ends: probe, channels, and what clients ask. */
#include <berth/interrupt.h>
#include <berth/slab.h>
#include <berth/timer.h>

#include "zynqmp-zdma.h"

/* How long what was terminated may take; a block of a list, or one run. */
#define STOP_TIMEOUT_MS 2000
#define STOP_POLL_US 20

int berth_zdma_set_mode(struct device *dev, enum berth_zdma_mode mode)
{
	struct zdma *z = dev_get_drvdata(dev);

	if (!z || dev->driver != &berth_zdma_driver.driver)
		return berth_set_error(dev_name(dev), -ENODEV, BERTH_REASON_STATE, 0, 0);
	if ((unsigned int)mode > BERTH_ZDMA_LINKED)
		return berth_set_error("mode", -EINVAL, BERTH_REASON_ARGUMENT, (uint64_t)mode, 0);
	__atomic_store_n(&z->mode, mode, __ATOMIC_RELAXED);
	return 0;
}

/* Widths are powers of two up to the bus's. */
static bool is_width(const struct zdma *z, uint32_t width)
{
	return width <= z->bus_bytes && !(width & (width - 1));
}

static int zdma_config(struct dma_chan *chan, struct dma_slave_config *config)
{
	struct zdma *z = zdma_of(chan);
	unsigned long flags;

	if (!is_width(z, config->src_addr_width) || !is_width(z, config->dst_addr_width))
		return berth_dma_fail(chan, -EINVAL, BERTH_REASON_ARGUMENT, "addr_width", 0, 0,
				      z->bus_bytes);
	if (config->src_port_window_size || config->dst_port_window_size || config->device_fc)
		return berth_dma_fail(chan, -EINVAL, BERTH_REASON_CAPABILITY, "port window", 0, 0,
				      0);
	spin_lock_irqsave(&z->vc.lock, flags);
	z->config = *config;
	spin_unlock_irqrestore(&z->vc.lock, flags);
	return 0;
}

static int zdma_device_pause(struct dma_chan *chan)
{
	struct zdma *z = zdma_of(chan);
	unsigned long flags;

	spin_lock_irqsave(&z->vc.lock, flags);
	berth_zdma_pause(z);
	spin_unlock_irqrestore(&z->vc.lock, flags);
	return 0;
}

static int zdma_device_resume(struct dma_chan *chan)
{
	struct zdma *z = zdma_of(chan);
	unsigned long flags;

	spin_lock_irqsave(&z->vc.lock, flags);
	berth_zdma_resume(z);
	spin_unlock_irqrestore(&z->vc.lock, flags);
	return 0;
}

static int zdma_terminate_all(struct dma_chan *chan)
{
	struct zdma *z = zdma_of(chan);
	unsigned long flags;

	spin_lock_irqsave(&z->vc.lock, flags);
	berth_zdma_stop(z);
	berth_vchan_terminate_all(&z->vc);
	spin_unlock_irqrestore(&z->vc.lock, flags);
	return 0;
}

static bool is_dying(struct zdma *z)
{
	unsigned long flags;
	bool dying;

	spin_lock_irqsave(&z->vc.lock, flags);
	dying = z->is_dying;
	spin_unlock_irqrestore(&z->vc.lock, flags);
	return dying;
}

static void zdma_synchronize(struct dma_chan *chan)
{
	struct zdma *z = zdma_of(chan);
	unsigned long start = jiffies;

	while (is_dying(z)) {
		if (jiffies - start > msecs_to_jiffies(STOP_TIMEOUT_MS)) {
			dev_err(z->dma.dev, "does not stop: its transfer goes on\n");
			break;
		}
		usleep_range(STOP_POLL_US, 2 * STOP_POLL_US);
	}
	vchan_synchronize(&z->vc);
}

/* Bytes left of a transfer that has not ended; with the lock. */
static uint64_t left_of(struct zdma *z, dma_cookie_t cookie, bool *is_current)
{
	struct virt_dma_desc *vd;

	*is_current = z->desc && !z->is_dying && z->desc->vd.tx.cookie == cookie;
	if (*is_current)
		return berth_zdma_residue(z);
	vd = vchan_find_desc(&z->vc, cookie);
	return vd ? zdma_desc_of(vd)->length : 0;
}

static enum dma_status zdma_tx_status(struct dma_chan *chan, dma_cookie_t cookie,
				      struct dma_tx_state *state)
{
	struct zdma *z = zdma_of(chan);
	enum dma_status status;
	unsigned long flags;
	bool is_current;

	spin_lock_irqsave(&z->vc.lock, flags);
	if (chan->is_polled && berth_zdma_look(z))
		berth_vchan_told(&z->vc);
	status = dma_cookie_status(chan, cookie, state);
	if (status == DMA_IN_PROGRESS) {
		dma_set_residue(state, zdma_min(left_of(z, cookie, &is_current), UINT32_MAX));
		if (is_current && z->is_paused && (!z->is_active || z->is_halted))
			status = DMA_PAUSED;
	}
	spin_unlock_irqrestore(&z->vc.lock, flags);
	return status;
}

static int zdma_set_polled(struct dma_chan *chan, bool is_polled)
{
	struct zdma *z = zdma_of(chan);
	unsigned long flags;
	int ret;

	spin_lock_irqsave(&z->vc.lock, flags);
	ret = z->desc ? -EBUSY : berth_vchan_set_polled(&z->vc, is_polled);
	if (!ret)
		zdma_write(z, is_polled ? ZDMA_IDS : ZDMA_IEN, ZDMA_INT_WANTED);
	spin_unlock_irqrestore(&z->vc.lock, flags);
	return ret;
}

static void zdma_free_chan_resources(struct dma_chan *chan)
{
	struct zdma *z = zdma_of(chan);

	vchan_free_chan_resources(&z->vc);
	berth_zdma_free_kept(z);
}

/* The binding's one cell says nothing: there is one channel. */
static struct dma_chan *zdma_xlate(struct of_phandle_args *spec, struct of_dma *ofdma)
{
	struct zdma *z = ofdma->of_dma_data;

	(void)spec;
	return dma_get_slave_channel(&z->vc.chan);
}

static void put(struct zdma *z)
{
	if (!__atomic_sub_fetch(&z->holders, 1, __ATOMIC_ACQ_REL))
		kfree(z);
}

/* Clients may hold the channel for longer than the driver is bound. */
static void zdma_release(struct dma_device *dma)
{
	put(container_of(dma, struct zdma, dma));
}

static void fill_in(struct zdma *z, struct device *dev)
{
	struct dma_device *dma = &z->dma;

	dma->dev = dev;
	INIT_LIST_HEAD(&dma->channels);
	berth_zdma_set_ops(dma);
	dma->directions = BIT(DMA_MEM_TO_MEM) | BIT(DMA_MEM_TO_DEV) | BIT(DMA_DEV_TO_MEM);
	for (uint32_t width = 1; width <= z->bus_bytes; width *= 2)
		dma->src_addr_widths |= (uint32_t)BIT(width);
	dma->dst_addr_widths = dma->src_addr_widths;
	dma->residue_granularity = DMA_RESIDUE_GRANULARITY_BURST;
	dma->descriptor_reuse = true;
	dma->device_free_chan_resources = zdma_free_chan_resources;
	dma->device_config = zdma_config;
	dma->device_pause = zdma_device_pause;
	dma->device_resume = zdma_device_resume;
	dma->device_terminate_all = zdma_terminate_all;
	dma->device_synchronize = zdma_synchronize;
	dma->device_tx_status = zdma_tx_status;
	dma->device_issue_pending = berth_zdma_issue_pending;
	dma->device_set_polled = zdma_set_polled;
	dma->device_poll = berth_zdma_poll;
	dma->device_release = zdma_release;
}

static uint32_t attributes(uint32_t cache)
{
	return ZDMA_DATA_ARBURST_INCR | ZDMA_DATA_ARCACHE(cache) |
	       ZDMA_DATA_ARLEN(ZDMA_MAX_BEATS - 1) | ZDMA_DATA_AWBURST_INCR |
	       ZDMA_DATA_AWCACHE(cache) | ZDMA_DATA_AWLEN(ZDMA_MAX_BEATS - 1);
}

static int read_tree(struct zdma *z, struct device *dev)
{
	uint32_t bits;

	if (of_property_read_u32(dev->of_node, "xlnx,bus-width", &bits))
		bits = 64;
	if (bits != 64 && bits != 128)
		return berth_set_error("xlnx,bus-width", -EINVAL, BERTH_REASON_ARGUMENT, bits, 0);
	z->bus_bytes = bits / 8;
	z->is_coherent = dev_is_dma_coherent(dev);
	z->attributes = attributes(z->is_coherent ? ZDMA_CACHE_COHERENT : ZDMA_CACHE_NONE);
	return 0;
}

static int get_resources(struct zdma *z, struct platform_device *pdev)
{
	struct device *dev = &pdev->dev;
	int irq = platform_get_irq(pdev, 0), ret;

	if (irq < 0)
		return irq;
	z->irq = (unsigned int)irq;
	z->regs = devm_platform_ioremap_resource(pdev, 0);
	if (IS_ERR(z->regs))
		return (int)PTR_ERR(z->regs);
	ret = read_tree(z, dev);
	if (!ret)
		ret = dma_set_mask_and_coherent(dev, DMA_BIT_MASK(ZDMA_ADDRESS_BITS));
	if (!ret)
		ret = dma_set_max_seg_size(dev, ZDMA_MAX_RUN);
	if (ret)
		return ret;
	z->pool = dmam_pool_create("zdma", dev, ZDMA_BLOCK_BYTES, ZDMA_BLOCK_BYTES, 0);
	return z->pool ? 0 : -ENOMEM;
}

static int start(struct zdma *z, struct device *dev)
{
	int ret = request_irq(z->irq, berth_zdma_irq, 0, dev_name(dev), z);

	if (ret)
		return ret;
	z->holders++;
	ret = dma_async_device_register(&z->dma);
	if (ret) {
		z->holders--;
		goto no_device;
	}
	if (!of_property_read_bool(dev->of_node, "#dma-cells"))
		return 0;
	ret = of_dma_controller_register(dev->of_node, zdma_xlate, z);
	if (!ret)
		return 0;
	dma_async_device_unregister(&z->dma);

no_device:
	zdma_write(z, ZDMA_IDS, ZDMA_INT_ALL);
	free_irq(z->irq, z);
	return ret;
}

static int zdma_probe(struct platform_device *pdev)
{
	struct device *dev = &pdev->dev;
	struct zdma *z = kzalloc(sizeof(*z), GFP_KERNEL);
	int ret;

	if (!z)
		return -ENOMEM;
	z->holders = 1;
	ret = get_resources(z, pdev);
	if (ret)
		goto no_resources;
	fill_in(z, dev);
	INIT_LIST_HEAD(&z->free_blocks);
	z->vc.desc_free = berth_zdma_desc_free;
	vchan_init(&z->vc, &z->dma);
	berth_zdma_reset(z);
	ret = start(z, dev);
	if (ret)
		goto no_start;
	platform_set_drvdata(pdev, z);
	return 0;

no_start:
	vchan_cleanup(&z->vc);
no_resources:
	put(z);
	return ret;
}

static int zdma_remove(struct platform_device *pdev)
{
	struct zdma *z = platform_get_drvdata(pdev);

	if (of_property_read_bool(pdev->dev.of_node, "#dma-cells"))
		of_dma_controller_free(pdev->dev.of_node);
	dma_async_device_unregister(&z->dma);
	zdma_write(z, ZDMA_IDS, ZDMA_INT_ALL);
	free_irq(z->irq, z);
	vchan_cleanup(&z->vc);
	platform_set_drvdata(pdev, NULL);
	put(z);
	return 0;
}

static const struct of_device_id zdma_match[] = {
	{ .compatible = "xlnx,zynqmp-dma-1.0" },
	{ .compatible = "" },
};

const struct platform_driver berth_zdma_driver = {
	.probe = zdma_probe,
	.remove = zdma_remove,
	.driver = {
		.name = "zynqmp-zdma",
		.of_match_table = zdma_match,
	},
};
