// SPDX-License-Identifier: BSD-2-Clause
/* Driver of the display "berth,model-display"; its data sheet is in docs/model-devices.md. */
#include <berth/completion.h>
#include <berth/dma-mapping.h>
#include <berth/interrupt.h>
#include <berth/timer.h>

#include <berth/drivers/display.h>

#define DISPLAY_ID 0x00
#define DISPLAY_ID_VALUE 0x44495331u
#define DISPLAY_CONTROL 0x04
#define DISPLAY_CONTROL_ENABLE BIT(0)
#define DISPLAY_CONTROL_RESET BIT(1)
#define DISPLAY_STATUS 0x08
#define DISPLAY_STATUS_HEADER_ERROR BIT(1)
#define DISPLAY_STATUS_BUS_ERROR BIT(2)
#define DISPLAY_STATUS_ERRORS (DISPLAY_STATUS_HEADER_ERROR | DISPLAY_STATUS_BUS_ERROR)
#define DISPLAY_IRQ_STATUS 0x0c
#define DISPLAY_IRQ_ENABLE 0x10
#define DISPLAY_IRQ_DONE BIT(0)
#define DISPLAY_IRQ_ERROR BIT(1)
#define DISPLAY_IRQS (DISPLAY_IRQ_DONE | DISPLAY_IRQ_ERROR)
#define DISPLAY_BYTES 0x14
#define DISPLAY_HEADER_LO 0x18
#define DISPLAY_HEADER_HI 0x1c
#define DISPLAY_PICTURE_LO 0x20
#define DISPLAY_PICTURE_HI 0x24
#define DISPLAY_SEQUENCE 0x28
#define DISPLAY_START 0x2c

#define DISPLAY_MAGIC 0x42545246u

/* What the device reads in front of the picture. */
struct display_header {
	uint32_t magic;
	uint32_t sequence;
	uint32_t bytes;
	uint32_t text_length;
	char text[BERTH_DISPLAY_TEXT];
};

struct display {
	void __iomem *regs;
	unsigned int irq;
	struct completion completed;
	uint32_t errors; /* written before it */

	spinlock_t lock; /* of what follows */
	bool is_busy;
	dma_addr_t dma;
	size_t size;
	struct sg_table *sgt; /* NULL: one piece */
	bool is_foreign; /* whose mapping is somebody else's */
	bool is_running; /* the device has it */
	void (*done)(void *data, int error);
	void *data;
	struct display_header *header; /* of pictures in pieces; NULL: there was none yet */
	dma_addr_t header_dma;
};

static uint32_t display_read(struct display *dis, unsigned int reg)
{
	return readl((char __iomem *)dis->regs + reg);
}

static void display_write(struct display *dis, unsigned int reg, uint32_t value)
{
	writel(value, (char __iomem *)dis->regs + reg);
}

/* The device has ended, or was stopped: whoever comes first says how. */
static void display_end(struct display *dis, int error)
{
	unsigned long flags;
	bool was_running;

	spin_lock_irqsave(&dis->lock, flags);
	was_running = dis->is_running;
	dis->is_running = false;
	spin_unlock_irqrestore(&dis->lock, flags);
	if (was_running && dis->done)
		dis->done(dis->data, error);
}

static irqreturn_t display_irq(int irq, void *data)
{
	struct display *dis = data;
	uint32_t status = display_read(dis, DISPLAY_IRQ_STATUS);

	(void)irq;
	if (!(status & DISPLAY_IRQS))
		return IRQ_NONE;
	display_write(dis, DISPLAY_IRQ_STATUS, status);
	dis->errors = display_read(dis, DISPLAY_STATUS) & DISPLAY_STATUS_ERRORS;
	if (status & DISPLAY_IRQ_ERROR)
		dis->errors |= DISPLAY_STATUS_HEADER_ERROR;
	display_end(dis, dis->errors ? -EIO : 0);
	complete(&dis->completed);
	return IRQ_HANDLED;
}

static bool display_take(struct display *dis)
{
	unsigned long flags;
	bool was_busy;

	spin_lock_irqsave(&dis->lock, flags);
	was_busy = dis->is_busy;
	dis->is_busy = true;
	spin_unlock_irqrestore(&dis->lock, flags);
	return !was_busy;
}

static void display_release(struct display *dis)
{
	unsigned long flags;

	spin_lock_irqsave(&dis->lock, flags);
	dis->is_busy = false;
	spin_unlock_irqrestore(&dis->lock, flags);
}

static void display_write_header(struct display_header *header,
				 const struct berth_display_picture *picture)
{
	header->magic = DISPLAY_MAGIC;
	header->sequence = picture->sequence;
	header->bytes = picture->bytes;
	header->text_length = picture->text_length;
	__builtin_memcpy(header->text, picture->text, picture->text_length);
	__builtin_memset(header->text + picture->text_length, 0,
			 BERTH_DISPLAY_TEXT - picture->text_length);
}

/* Pieces, as one segment: the display knows no scatter-gather. */
static int display_map_table(struct device *dev, struct display *dis,
			     const struct berth_display_picture *picture)
{
	struct sg_table *sgt = picture->sgt;

	if (!dis->header)
		dis->header =
			dma_alloc_coherent(dev, sizeof(*dis->header), &dis->header_dma, GFP_KERNEL);
	dis->is_foreign = picture->is_mapped;
	if (!dis->header ||
	    (!picture->is_mapped && dma_map_sgtable(dev, sgt, DMA_TO_DEVICE, picture->attrs)))
		return -ENOMEM;
	if (sgt->nents != 1 || sg_dma_len(sgt->sgl) < picture->bytes) {
		if (!picture->is_mapped)
			dma_unmap_sgtable(dev, sgt, DMA_TO_DEVICE, picture->attrs);
		return -EINVAL;
	}
	dis->dma = sg_dma_address(sgt->sgl);
	dis->sgt = sgt;
	display_write_header(dis->header, picture);
	return 0;
}

static int display_map(struct device *dev, struct display *dis,
		       const struct berth_display_picture *picture)
{
	if (picture->sgt)
		return display_map_table(dev, dis, picture);
	display_write_header((void *)((char *)page_address(picture->page) + picture->offset),
			     picture);
	dis->sgt = NULL;
	dis->size = sizeof(struct display_header) + picture->bytes;
	dis->dma = dma_map_page(dev, picture->page, picture->offset, dis->size, DMA_TO_DEVICE);
	return dma_mapping_error(dev, dis->dma) ? -ENOMEM : 0;
}

static void display_unmap(struct device *dev, struct display *dis)
{
	if (dis->sgt && !dis->is_foreign)
		dma_unmap_sgtable(dev, dis->sgt, DMA_TO_DEVICE, DMA_ATTR_SKIP_CPU_SYNC);
	else if (!dis->sgt)
		dma_unmap_page(dev, dis->dma, dis->size, DMA_TO_DEVICE);
}

static bool display_takes(const struct berth_display_picture *picture)
{
	return picture->bytes && picture->text_length <= BERTH_DISPLAY_TEXT &&
	       (picture->sgt || !(picture->offset & (sizeof(uint32_t) - 1)));
}

int berth_display_show(struct device *dev, const struct berth_display_picture *picture)
{
	struct display *dis = dev_get_drvdata(dev);
	dma_addr_t header, at;
	int ret;

	if (!dis)
		return -ENODEV;
	if (!display_takes(picture))
		return -EINVAL;
	if (!display_take(dis))
		return -EBUSY;

	ret = display_map(dev, dis, picture);
	if (ret) {
		display_release(dis);
		return ret;
	}
	header = dis->sgt ? dis->header_dma : dis->dma;
	at = dis->sgt ? dis->dma : dis->dma + sizeof(struct display_header);

	reinit_completion(&dis->completed);
	dis->done = picture->done;
	dis->data = picture->data;
	dis->is_running = true;
	display_write(dis, DISPLAY_BYTES, picture->bytes);
	display_write(dis, DISPLAY_HEADER_LO, lower_32_bits(header));
	display_write(dis, DISPLAY_HEADER_HI, upper_32_bits(header));
	display_write(dis, DISPLAY_PICTURE_LO, lower_32_bits(at));
	display_write(dis, DISPLAY_PICTURE_HI, upper_32_bits(at));
	display_write(dis, DISPLAY_SEQUENCE, picture->sequence);
	display_write(dis, DISPLAY_START, 1);
	return 0;
}

/* On return the device does not touch memory any more. */
static void display_abort(struct display *dis)
{
	display_write(dis, DISPLAY_CONTROL, 0);
	display_write(dis, DISPLAY_CONTROL, DISPLAY_CONTROL_ENABLE);
}

int berth_display_wait(struct device *dev, unsigned long timeout)
{
	struct display *dis = dev_get_drvdata(dev);
	int ret = 0;

	if (!dis)
		return -ENODEV;
	if (!dis->is_busy)
		return -ENOENT;
	if (!wait_for_completion_timeout(&dis->completed, timeout)) {
		display_abort(dis);
		/* A handler that was late must not end the next picture. */
		synchronize_irq(dis->irq);
		display_end(dis, -ETIMEDOUT);
		ret = -ETIMEDOUT;
	} else if (dis->errors) {
		ret = -EIO;
	}
	display_unmap(dev, dis);
	display_release(dis);
	return ret;
}

static int display_probe(struct platform_device *pdev)
{
	struct device *dev = &pdev->dev;
	struct display *dis = devm_kzalloc(dev, sizeof(*dis), GFP_KERNEL);
	int irq, ret;

	if (!dis)
		return -ENOMEM;
	spin_lock_init(&dis->lock);
	init_completion(&dis->completed);

	dis->regs = devm_platform_ioremap_resource(pdev, 0);
	if (IS_ERR(dis->regs))
		return (int)PTR_ERR(dis->regs);
	irq = platform_get_irq(pdev, 0);
	if (irq < 0)
		return irq;
	dis->irq = (unsigned int)irq;
	if (display_read(dis, DISPLAY_ID) != DISPLAY_ID_VALUE)
		return -ENODEV;
	ret = dma_set_mask_and_coherent(dev, DMA_BIT_MASK(32));
	if (ret)
		return ret;
	/* What is one for it may be of any length. */
	dma_set_max_seg_size(dev, UINT32_MAX);
	berth_dma_set_max_segments(dev, 1);
	display_write(dis, DISPLAY_CONTROL, DISPLAY_CONTROL_RESET);
	ret = request_irq(dis->irq, display_irq, 0, dev_name(dev), dis);
	if (ret)
		return ret;
	display_write(dis, DISPLAY_IRQ_ENABLE, DISPLAY_IRQS);
	display_write(dis, DISPLAY_CONTROL, DISPLAY_CONTROL_ENABLE);
	platform_set_drvdata(pdev, dis);
	return 0;
}

static int display_remove(struct platform_device *pdev)
{
	struct display *dis = platform_get_drvdata(pdev);

	display_write(dis, DISPLAY_CONTROL, DISPLAY_CONTROL_RESET);
	free_irq(dis->irq, dis);
	display_end(dis, -ETIMEDOUT);
	if (dis->is_busy)
		display_unmap(&pdev->dev, dis);
	dma_free_coherent(&pdev->dev, sizeof(*dis->header), dis->header, dis->header_dma);
	platform_set_drvdata(pdev, NULL);
	return 0;
}

static const struct of_device_id display_match[] = {
	{ .compatible = "berth,model-display" },
	{ .compatible = "" },
};

const struct platform_driver berth_display_driver = {
	.probe = display_probe,
	.remove = display_remove,
	.driver = {
		.name = "display",
		.of_match_table = display_match,
	},
};
