// SPDX-License-Identifier: BSD-2-Clause
/* Driver of the SiFive PDMA (FU540-C000 manual, chapter 12). */
#include <berth/completion.h>
#include <berth/dma-mapping.h>
#include <berth/interrupt.h>
#include <berth/timer.h>

#include <berth/drivers/sifive-pdma.h>

#define PDMA_CHANNEL_STRIDE 0x1000
#define PDMA_CONTROL 0x000
#define PDMA_CONTROL_CLAIM BIT(0)
#define PDMA_CONTROL_RUN BIT(1)
#define PDMA_CONTROL_DONE_IE BIT(14)
#define PDMA_CONTROL_ERROR_IE BIT(15)
#define PDMA_CONTROL_DONE BIT(30)
#define PDMA_CONTROL_ERROR BIT(31)
#define PDMA_CONTROL_IE (PDMA_CONTROL_DONE_IE | PDMA_CONTROL_ERROR_IE)
#define PDMA_CONTROL_ENDED (PDMA_CONTROL_DONE | PDMA_CONTROL_ERROR)
#define PDMA_NEXT_CONFIG 0x004
#define PDMA_NEXT_BYTES 0x008
#define PDMA_NEXT_DESTINATION 0x010
#define PDMA_NEXT_SOURCE 0x018
#define PDMA_EXEC_BYTES 0x108

/* Transactions of 64 bytes both ways: the sizes must be equal. */
#define PDMA_CONFIG_SIZES 0x66000000u
#define PDMA_IRQS_PER_CHANNEL 2

#define PDMA_COPY_TIMEOUT_MS 10000
#define PDMA_RETRY_US 10

struct pdma_channel {
	char __iomem *regs;
	unsigned int irq[PDMA_IRQS_PER_CHANNEL]; /* done, error */
	unsigned int nr_irqs; /* that were requested */
	struct completion ended;
	bool is_taken; /* under the lock of struct pdma */
	bool has_failed; /* written before @ended */
};

struct pdma {
	spinlock_t lock;
	struct pdma_channel channels[BERTH_PDMA_CHANNELS];
};

static uint32_t pdma_read(struct pdma_channel *ch, unsigned int reg)
{
	return readl(ch->regs + reg);
}

static void pdma_write(struct pdma_channel *ch, unsigned int reg, uint32_t value)
{
	writel(value, ch->regs + reg);
}

static void pdma_write64(struct pdma_channel *ch, unsigned int reg, uint64_t value)
{
	pdma_write(ch, reg, lower_32_bits(value));
	pdma_write(ch, reg + 4, upper_32_bits(value));
}

/* Both lines of a channel come here; whichever is first acknowledges what has happened. */
static irqreturn_t pdma_irq(int irq, void *data)
{
	struct pdma_channel *ch = data;
	uint32_t control = pdma_read(ch, PDMA_CONTROL);

	(void)irq;
	if (!(control & PDMA_CONTROL_ENDED))
		return IRQ_NONE;
	ch->has_failed = control & PDMA_CONTROL_ERROR;
	pdma_write(ch, PDMA_CONTROL, PDMA_CONTROL_CLAIM);
	complete(&ch->ended);
	return IRQ_HANDLED;
}

/* A channel must be quiet before it can be given up. */
static void pdma_stop(struct pdma_channel *ch)
{
	pdma_write(ch, PDMA_CONTROL, PDMA_CONTROL_CLAIM);
	pdma_write(ch, PDMA_CONTROL, 0);
}

static struct pdma_channel *pdma_take(struct pdma *pdma)
{
	struct pdma_channel *taken = NULL;
	unsigned long flags;

	spin_lock_irqsave(&pdma->lock, flags);
	for (unsigned int i = 0; i < BERTH_PDMA_CHANNELS && !taken; i++)
		if (!pdma->channels[i].is_taken)
			taken = &pdma->channels[i];
	if (taken)
		taken->is_taken = true;
	spin_unlock_irqrestore(&pdma->lock, flags);
	return taken;
}

static void pdma_give_back(struct pdma *pdma, struct pdma_channel *ch)
{
	unsigned long flags;

	spin_lock_irqsave(&pdma->lock, flags);
	ch->is_taken = false;
	spin_unlock_irqrestore(&pdma->lock, flags);
}

int berth_pdma_start(struct device *dev, dma_addr_t dst, dma_addr_t src, size_t len)
{
	struct pdma *pdma = dev_get_drvdata(dev);
	struct pdma_channel *ch;

	if (!pdma)
		return -ENODEV;
	if (!len)
		return -EINVAL;
	ch = pdma_take(pdma);
	if (!ch)
		return -EBUSY;
	reinit_completion(&ch->ended);
	ch->has_failed = false;
	/* The claim clears the Next registers, so it comes first. */
	pdma_write(ch, PDMA_CONTROL, PDMA_CONTROL_CLAIM);
	pdma_write(ch, PDMA_NEXT_CONFIG, PDMA_CONFIG_SIZES);
	pdma_write64(ch, PDMA_NEXT_BYTES, len);
	pdma_write64(ch, PDMA_NEXT_DESTINATION, dst);
	pdma_write64(ch, PDMA_NEXT_SOURCE, src);
	pdma_write(ch, PDMA_CONTROL, PDMA_CONTROL_CLAIM | PDMA_CONTROL_RUN | PDMA_CONTROL_IE);
	return (int)(ch - pdma->channels);
}

static struct pdma_channel *pdma_running(struct pdma *pdma, int channel)
{
	if (channel < 0 || channel >= BERTH_PDMA_CHANNELS || !pdma->channels[channel].is_taken)
		return NULL;
	return &pdma->channels[channel];
}

int berth_pdma_wait(struct device *dev, int channel, unsigned long timeout)
{
	struct pdma *pdma = dev_get_drvdata(dev);
	struct pdma_channel *ch;
	int ret = 0;

	if (!pdma)
		return -ENODEV;
	ch = pdma_running(pdma, channel);
	if (!ch)
		return -EINVAL;
	if (!wait_for_completion_timeout(&ch->ended, timeout)) {
		pdma_stop(ch);
		/* A handler that was late must not end the channel's next copy. */
		for (unsigned int i = 0; i < ch->nr_irqs; i++)
			synchronize_irq(ch->irq[i]);
		ret = -ETIMEDOUT;
	} else if (ch->has_failed) {
		ret = -EIO;
	}
	pdma_stop(ch);
	pdma_give_back(pdma, ch);
	return ret;
}

size_t berth_pdma_residue(struct device *dev, int channel)
{
	struct pdma *pdma = dev_get_drvdata(dev);
	struct pdma_channel *ch = pdma ? pdma_running(pdma, channel) : NULL;
	uint32_t low, high;

	if (!ch)
		return 0;
	do {
		high = pdma_read(ch, PDMA_EXEC_BYTES + 4);
		low = pdma_read(ch, PDMA_EXEC_BYTES);
	} while (high != pdma_read(ch, PDMA_EXEC_BYTES + 4));
	return (size_t)((uint64_t)high << 32 | low);
}

int berth_pdma_copy(struct device *dev, dma_addr_t dst, dma_addr_t src, size_t len)
{
	int channel;

	for (;;) {
		channel = berth_pdma_start(dev, dst, src, len);
		if (channel != -EBUSY)
			break;
		usleep_range(PDMA_RETRY_US, 2 * PDMA_RETRY_US);
	}
	if (channel < 0)
		return channel;
	return berth_pdma_wait(dev, channel, msecs_to_jiffies(PDMA_COPY_TIMEOUT_MS));
}

static void pdma_free_irqs(struct pdma *pdma)
{
	for (unsigned int i = 0; i < BERTH_PDMA_CHANNELS; i++) {
		struct pdma_channel *ch = &pdma->channels[i];

		while (ch->nr_irqs)
			free_irq(ch->irq[--ch->nr_irqs], ch);
	}
}

static int pdma_request_irqs(struct platform_device *pdev, struct pdma_channel *ch,
			     unsigned int first)
{
	for (unsigned int i = 0; i < PDMA_IRQS_PER_CHANNEL; i++) {
		int irq = platform_get_irq(pdev, first + i), ret;

		if (irq < 0)
			return irq;
		ret = request_irq((unsigned int)irq, pdma_irq, 0, dev_name(&pdev->dev), ch);
		if (ret)
			return ret;
		ch->irq[ch->nr_irqs++] = (unsigned int)irq;
	}
	return 0;
}

static int pdma_probe(struct platform_device *pdev)
{
	struct device *dev = &pdev->dev;
	struct pdma *pdma = devm_kzalloc(dev, sizeof(*pdma), GFP_KERNEL);
	char __iomem *regs;
	int ret;

	if (!pdma)
		return -ENOMEM;
	regs = devm_platform_ioremap_resource(pdev, 0);
	if (IS_ERR(regs))
		return (int)PTR_ERR(regs);
	ret = dma_set_mask_and_coherent(dev, DMA_BIT_MASK(64));
	if (ret)
		return ret;
	spin_lock_init(&pdma->lock);
	for (unsigned int i = 0; i < BERTH_PDMA_CHANNELS; i++) {
		struct pdma_channel *ch = &pdma->channels[i];

		ch->regs = regs + i * PDMA_CHANNEL_STRIDE;
		init_completion(&ch->ended);
		pdma_stop(ch);
		ret = pdma_request_irqs(pdev, ch, i * PDMA_IRQS_PER_CHANNEL);
		if (ret)
			goto free_irqs;
	}
	platform_set_drvdata(pdev, pdma);
	return 0;

free_irqs:
	pdma_free_irqs(pdma);
	return ret;
}

static int pdma_remove(struct platform_device *pdev)
{
	struct pdma *pdma = platform_get_drvdata(pdev);

	for (unsigned int i = 0; i < BERTH_PDMA_CHANNELS; i++)
		pdma_stop(&pdma->channels[i]);
	pdma_free_irqs(pdma);
	platform_set_drvdata(pdev, NULL);
	return 0;
}

static const struct of_device_id pdma_match[] = {
	{ .compatible = "sifive,fu540-c000-pdma" },
	{ .compatible = "" },
};

const struct platform_driver berth_pdma_driver = {
	.probe = pdma_probe,
	.remove = pdma_remove,
	.driver = {
		.name = "sifive-pdma",
		.of_match_table = pdma_match,
	},
};
