// SPDX-License-Identifier: BSD-2-Clause
/* Driver of the video decoder "berth,model-decoder"; its data sheet is in docs/model-devices.md. */
#include <berth/completion.h>
#include <berth/dma-mapping.h>
#include <berth/interrupt.h>
#include <berth/timer.h>

#include <berth/drivers/decoder.h>

#define DECODER_ID 0x00
#define DECODER_ID_VALUE 0x44454331u
#define DECODER_CONTROL 0x04
#define DECODER_CONTROL_ENABLE BIT(0)
#define DECODER_CONTROL_RESET BIT(1)
#define DECODER_STATUS 0x08
#define DECODER_STATUS_CODE_ERROR BIT(1)
#define DECODER_STATUS_DAMAGE(status) ((status) >> 8 & 0xffu)
#define DECODER_IRQ_STATUS 0x0c
#define DECODER_IRQ_ENABLE 0x10
#define DECODER_IRQ_DONE BIT(0)
#define DECODER_IRQ_ERROR BIT(1)
#define DECODER_IRQS (DECODER_IRQ_DONE | DECODER_IRQ_ERROR)
#define DECODER_BYTES 0x14
#define DECODER_STRIDE 0x18
#define DECODER_CODED 0x1c
#define DECODER_SOURCE 0x20
#define DECODER_SOURCES 0x24
#define DECODER_TARGET 0x28
#define DECODER_TARGETS 0x2c
#define DECODER_START 0x30
#define DECODER_POSITION 0x34

#define MAX_PIECES 65536u

/* An entry of a list, as the device reads it. */
struct decoder_piece {
	uint32_t address;
	uint32_t bytes;
};

struct decoder {
	struct device *dev;
	void __iomem *regs;
	unsigned int irq;
	struct completion completed;

	/* The lists: the source's pieces, then the target's; kept from request to request. */
	struct decoder_piece *list;
	dma_addr_t list_dma;
	size_t list_size;

	spinlock_t lock; /* of what follows */
	bool is_busy; /* from start to wait */
	bool is_running; /* the device has it */
	struct berth_decoder_request request;
	struct berth_decoder_result result;
};

static uint32_t decoder_read(struct decoder *dec, unsigned int reg)
{
	return readl((char __iomem *)dec->regs + reg);
}

static void decoder_write(struct decoder *dec, unsigned int reg, uint32_t value)
{
	writel(value, (char __iomem *)dec->regs + reg);
}

/* The device has ended, or was stopped: whoever comes first says how. */
static void decoder_end(struct decoder *dec, const struct berth_decoder_result *result)
{
	void (*done)(void *data, const struct berth_decoder_result *result) = NULL;
	unsigned long flags;
	bool was_running;

	spin_lock_irqsave(&dec->lock, flags);
	was_running = dec->is_running;
	dec->is_running = false;
	if (was_running) {
		dec->result = *result;
		done = dec->request.done;
	}
	spin_unlock_irqrestore(&dec->lock, flags);
	if (done)
		done(dec->request.data, result);
	if (was_running)
		complete(&dec->completed);
}

static irqreturn_t decoder_irq(int irq, void *data)
{
	struct decoder *dec = data;
	struct berth_decoder_result result = { 0 };
	uint32_t raised = decoder_read(dec, DECODER_IRQ_STATUS), status;

	(void)irq;
	if (!(raised & DECODER_IRQS))
		return IRQ_NONE;
	decoder_write(dec, DECODER_IRQ_STATUS, raised);
	status = decoder_read(dec, DECODER_STATUS);
	if (status & DECODER_STATUS_CODE_ERROR) {
		result.error = -EILSEQ;
		result.damage = (enum berth_decoder_damage)DECODER_STATUS_DAMAGE(status);
		result.position = decoder_read(dec, DECODER_POSITION);
	} else if (raised & DECODER_IRQ_ERROR) {
		result.error = -EIO;
	}
	decoder_end(dec, &result);
	return IRQ_HANDLED;
}

/* The pieces that hold the first @bytes bytes of a table; 0: they do not. */
static uint32_t pieces_of(const struct sg_table *table, uint64_t bytes)
{
	struct scatterlist *sg = table->sgl;
	uint32_t nr = 0;

	while (bytes && nr < table->nents && sg) {
		bytes -= sg_dma_len(sg) < bytes ? sg_dma_len(sg) : bytes;
		nr++;
		sg = sg_next(sg);
	}
	return bytes || nr > MAX_PIECES ? 0 : nr;
}

static void write_list(struct decoder_piece *list, const struct sg_table *table, uint32_t nr,
		       uint64_t bytes)
{
	struct scatterlist *sg = table->sgl;

	for (uint32_t i = 0; i < nr; i++, sg = sg_next(sg)) {
		uint64_t now = sg_dma_len(sg) < bytes ? sg_dma_len(sg) : bytes;

		list[i].address = lower_32_bits(sg_dma_address(sg));
		list[i].bytes = (uint32_t)now;
		bytes -= now;
	}
}

static int make_room(struct decoder *dec, uint32_t nr)
{
	size_t size = nr * sizeof(*dec->list);

	if (size <= dec->list_size)
		return 0;
	dma_free_coherent(dec->dev, dec->list_size, dec->list, dec->list_dma);
	dec->list_size = 0;
	dec->list = dma_alloc_coherent(dec->dev, size, &dec->list_dma, GFP_KERNEL);
	if (!dec->list)
		return -ENOMEM;
	dec->list_size = size;
	return 0;
}

static bool decoder_take(struct decoder *dec)
{
	unsigned long flags;
	bool was_busy;

	spin_lock_irqsave(&dec->lock, flags);
	was_busy = dec->is_busy;
	dec->is_busy = true;
	spin_unlock_irqrestore(&dec->lock, flags);
	return !was_busy;
}

static void decoder_release(struct decoder *dec)
{
	unsigned long flags;

	spin_lock_irqsave(&dec->lock, flags);
	dec->is_busy = false;
	spin_unlock_irqrestore(&dec->lock, flags);
}

static void decoder_program(struct decoder *dec, uint32_t sources, uint32_t targets)
{
	const struct berth_decoder_request *request = &dec->request;
	unsigned long flags;

	write_list(dec->list, request->source, sources, request->coded_bytes);
	write_list(dec->list + sources, request->target, targets, request->bytes);
	reinit_completion(&dec->completed);
	spin_lock_irqsave(&dec->lock, flags);
	dec->is_running = true;
	spin_unlock_irqrestore(&dec->lock, flags);
	decoder_write(dec, DECODER_BYTES, request->bytes);
	decoder_write(dec, DECODER_STRIDE, request->stride);
	decoder_write(dec, DECODER_CODED, request->coded_bytes);
	decoder_write(dec, DECODER_SOURCE, lower_32_bits(dec->list_dma));
	decoder_write(dec, DECODER_SOURCES, sources);
	decoder_write(dec, DECODER_TARGET,
		      lower_32_bits(dec->list_dma) + sources * (uint32_t)sizeof(*dec->list));
	decoder_write(dec, DECODER_TARGETS, targets);
	decoder_write(dec, DECODER_START, 1);
}

int berth_decoder_start(struct device *dev, const struct berth_decoder_request *request)
{
	struct decoder *dec = dev_get_drvdata(dev);
	uint32_t sources, targets;
	int ret;

	if (!dec)
		return -ENODEV;
	if (!request->source || !request->target || !request->bytes || !request->coded_bytes ||
	    !request->stride)
		return -EINVAL;
	sources = pieces_of(request->source, request->coded_bytes);
	targets = pieces_of(request->target, request->bytes);
	if (!sources || !targets)
		return -EINVAL;
	if (!decoder_take(dec))
		return -EBUSY;
	ret = make_room(dec, sources + targets);
	if (ret) {
		decoder_release(dec);
		return ret;
	}
	dec->request = *request;
	decoder_program(dec, sources, targets);
	return 0;
}

/* On return the device does not touch memory any more. */
static void decoder_abort(struct decoder *dec, int error)
{
	const struct berth_decoder_result result = { .error = error };

	decoder_write(dec, DECODER_CONTROL, 0);
	/* A handler that was late must not end the next picture. */
	synchronize_irq(dec->irq);
	decoder_end(dec, &result);
	decoder_write(dec, DECODER_IRQ_STATUS, DECODER_IRQS);
	decoder_write(dec, DECODER_CONTROL, DECODER_CONTROL_ENABLE);
}

int berth_decoder_wait(struct device *dev, unsigned long timeout,
		       struct berth_decoder_result *result)
{
	struct decoder *dec = dev_get_drvdata(dev);
	int ret;

	if (!dec)
		return -ENODEV;
	if (!dec->is_busy)
		return -ENOENT;
	if (!wait_for_completion_timeout(&dec->completed, timeout))
		decoder_abort(dec, -ETIMEDOUT);
	if (result)
		*result = dec->result;
	ret = dec->result.error;
	decoder_release(dec);
	return ret;
}

static int decoder_probe(struct platform_device *pdev)
{
	struct device *dev = &pdev->dev;
	struct decoder *dec = devm_kzalloc(dev, sizeof(*dec), GFP_KERNEL);
	int irq, ret;

	if (!dec)
		return -ENOMEM;
	dec->dev = dev;
	spin_lock_init(&dec->lock);
	init_completion(&dec->completed);

	dec->regs = devm_platform_ioremap_resource(pdev, 0);
	if (IS_ERR(dec->regs))
		return (int)PTR_ERR(dec->regs);
	irq = platform_get_irq(pdev, 0);
	if (irq < 0)
		return irq;
	dec->irq = (unsigned int)irq;
	if (decoder_read(dec, DECODER_ID) != DECODER_ID_VALUE)
		return -ENODEV;
	ret = dma_set_mask_and_coherent(dev, DMA_BIT_MASK(32));
	if (ret)
		return ret;
	/* Of segments it takes any. */
	dma_set_max_seg_size(dev, UINT32_MAX);
	decoder_write(dec, DECODER_CONTROL, DECODER_CONTROL_RESET);
	ret = request_irq(dec->irq, decoder_irq, 0, dev_name(dev), dec);
	if (ret)
		return ret;
	decoder_write(dec, DECODER_IRQ_ENABLE, DECODER_IRQS);
	decoder_write(dec, DECODER_CONTROL, DECODER_CONTROL_ENABLE);
	platform_set_drvdata(pdev, dec);
	return 0;
}

static int decoder_remove(struct platform_device *pdev)
{
	struct decoder *dec = platform_get_drvdata(pdev);
	const struct berth_decoder_result stopped = { .error = -ETIMEDOUT };

	decoder_write(dec, DECODER_CONTROL, DECODER_CONTROL_RESET);
	free_irq(dec->irq, dec);
	decoder_end(dec, &stopped);
	dma_free_coherent(&pdev->dev, dec->list_size, dec->list, dec->list_dma);
	platform_set_drvdata(pdev, NULL);
	return 0;
}

static const struct of_device_id decoder_match[] = {
	{ .compatible = "berth,model-decoder" },
	{ .compatible = "" },
};

const struct platform_driver berth_decoder_driver = {
	.probe = decoder_probe,
	.remove = decoder_remove,
	.driver = {
		.name = "decoder",
		.of_match_table = decoder_match,
	},
};
