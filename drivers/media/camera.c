// SPDX-License-Identifier: BSD-2-Clause
/* Driver of the camera "berth,model-camera"; its data sheet is in docs/model-devices.md. */
#include <berth/completion.h>
#include <berth/dma-mapping.h>
#include <berth/interrupt.h>
#include <berth/slab.h>
#include <berth/timer.h>

#include <berth/drivers/camera.h>

#define CAMERA_ID 0x00
#define CAMERA_ID_VALUE 0x43414d31u
#define CAMERA_CONTROL 0x04
#define CAMERA_CONTROL_ENABLE BIT(0)
#define CAMERA_CONTROL_RESET BIT(1)
#define CAMERA_CONTROL_HOLD BIT(2)
#define CAMERA_STATUS 0x08
#define CAMERA_STATUS_BUSY BIT(0)
#define CAMERA_IRQ_STATUS 0x0c
#define CAMERA_IRQ_ENABLE 0x10
#define CAMERA_IRQ_FRAME BIT(0)
#define CAMERA_IRQ_END BIT(2)
#define CAMERA_IRQ_ERROR BIT(3)
#define CAMERA_WIDTH 0x14
#define CAMERA_HEIGHT 0x18
#define CAMERA_BYTES 0x1c
#define CAMERA_INTERVAL 0x20
#define CAMERA_FRAMES 0x24
#define CAMERA_BUFFER_LO 0x30
#define CAMERA_BUFFER_HI 0x34
#define CAMERA_BUFFER_PUSH 0x38
#define CAMERA_RING_LO 0x40
#define CAMERA_RING_HI 0x44
#define CAMERA_RING_ENTRIES 0x48
#define CAMERA_CODE 0x4c

#define CAMERA_FIFO_DEPTH 4
#define CAMERA_IRQS (CAMERA_IRQ_FRAME | CAMERA_IRQ_END | CAMERA_IRQ_ERROR)
#define CAMERA_QUIET_US 100
#define CAMERA_QUIET_TRIES 10000

/* More entries than the device can have buffers: one is never overwritten before it was read. */
#define RING_ENTRIES 16
#define RING_SIZE (RING_ENTRIES * sizeof(struct camera_entry))

#define ENTRY_DONE BIT(0)
#define ENTRY_BUS_ERROR BIT(1)
#define ENTRY_PHASE BIT(31)

/* An entry of the completion ring; it is ours when @status carries the phase of this lap. */
struct camera_entry {
	uint32_t sequence;
	uint32_t bytes;
	uint32_t status;
	uint32_t text_length;
	char text[BERTH_CAMERA_TEXT];
};

struct camera {
	struct device *dev;
	void __iomem *regs;
	unsigned int irq;
	struct completion event;
	struct camera_entry *ring;
	dma_addr_t ring_dma;

	spinlock_t lock; /* of everything below */
	struct berth_camera_format format;
	bool is_streaming;
	bool at_end;
	unsigned int ring_at;
	uint32_t ring_phase;
	struct berth_camera_buffer *oldest; /* queued, in the order of queueing */
	struct berth_camera_buffer **tail;
	struct berth_camera_buffer *not_pushed; /* the first that the device does not know yet */
	/* The first whose done() was not called, and the entry that tells of it. */
	struct berth_camera_buffer *not_told;
	unsigned int told_at;
	uint32_t told_phase;
	unsigned int pushed;
};

static uint32_t camera_read(struct camera *cam, unsigned int reg)
{
	return readl((char __iomem *)cam->regs + reg);
}

static void camera_write(struct camera *cam, unsigned int reg, uint32_t value)
{
	writel(value, (char __iomem *)cam->regs + reg);
}

/* Whether the device has filled an entry of the ring. */
static bool is_filled(const struct camera *cam, unsigned int at, uint32_t phase)
{
	const volatile uint32_t *status = &cam->ring[at].status;

	return (*status & ENTRY_DONE) && (*status & ENTRY_PHASE) == phase;
}

/* The next buffer that is filled and whose owner does not know; NULL: none. */
static struct berth_camera_buffer *camera_tell_next(struct camera *cam, int *error)
{
	struct berth_camera_buffer *buffer = NULL;
	unsigned long flags;

	spin_lock_irqsave(&cam->lock, flags);
	if (cam->not_told && cam->not_told != cam->not_pushed &&
	    is_filled(cam, cam->told_at, cam->told_phase)) {
		buffer = cam->not_told;
		*error = cam->ring[cam->told_at].status & ENTRY_BUS_ERROR ? -EIO : 0;
		cam->not_told = buffer->next;
		if (++cam->told_at == RING_ENTRIES) {
			cam->told_at = 0;
			cam->told_phase ^= ENTRY_PHASE;
		}
	}
	spin_unlock_irqrestore(&cam->lock, flags);
	return buffer;
}

static void camera_tell(struct camera *cam)
{
	struct berth_camera_buffer *buffer;
	int error;

	while ((buffer = camera_tell_next(cam, &error)) != NULL)
		if (buffer->done)
			buffer->done(buffer->data, error);
}

static irqreturn_t camera_irq(int irq, void *data)
{
	struct camera *cam = data;
	uint32_t status = camera_read(cam, CAMERA_IRQ_STATUS);

	(void)irq;
	if (!(status & CAMERA_IRQS))
		return IRQ_NONE;
	camera_write(cam, CAMERA_IRQ_STATUS, status);
	if (status & CAMERA_IRQ_END) {
		spin_lock(&cam->lock);
		cam->at_end = true;
		spin_unlock(&cam->lock);
	}
	camera_tell(cam);
	complete(&cam->event);
	return IRQ_HANDLED;
}

struct berth_camera_buffer *berth_camera_buffer_alloc(struct device *dev, uint32_t bytes)
{
	struct berth_camera_buffer *buffer = kzalloc(sizeof(*buffer), GFP_KERNEL);

	if (!buffer)
		return NULL;
	buffer->bytes = bytes;
	buffer->size = PAGE_SIZE + bytes;
	buffer->page =
		dma_alloc_pages(dev, buffer->size, &buffer->dma, DMA_FROM_DEVICE, GFP_KERNEL);
	if (buffer->page)
		return buffer;
	kfree(buffer);
	return NULL;
}

int berth_camera_buffer_moved(struct berth_camera_buffer *buffer, const struct sg_table *table)
{
	if (buffer->is_queued || !table->nents || sg_dma_len(table->sgl) < buffer->bytes)
		return -EINVAL;
	buffer->dma = sg_dma_address(table->sgl);
	return 0;
}

struct berth_camera_buffer *berth_camera_buffer_import(struct device *dev,
						       const struct sg_table *table, uint32_t bytes)
{
	struct berth_camera_buffer *buffer = kzalloc(sizeof(*buffer), GFP_KERNEL);

	(void)dev;
	if (!buffer)
		return NULL;
	buffer->is_foreign = true;
	buffer->bytes = bytes;
	buffer->size = bytes;
	if (!berth_camera_buffer_moved(buffer, table))
		return buffer;
	kfree(buffer);
	return NULL;
}

/* To and from the camera; memory of somebody else's is his business. */
static void sync_buffer(struct device *dev, const struct berth_camera_buffer *buffer, bool for_cpu)
{
	if (buffer->is_foreign)
		return;
	if (for_cpu)
		dma_sync_single_range_for_cpu(dev, buffer->dma, PAGE_SIZE, buffer->bytes,
					      DMA_FROM_DEVICE);
	else
		dma_sync_single_range_for_device(dev, buffer->dma, PAGE_SIZE, buffer->bytes,
						 DMA_FROM_DEVICE);
}

void berth_camera_buffer_free(struct device *dev, struct berth_camera_buffer *buffer)
{
	if (!buffer)
		return;
	if (!buffer->is_foreign)
		dma_free_pages(dev, buffer->size, buffer->page, buffer->dma, DMA_FROM_DEVICE);
	kfree(buffer);
}

/* What a buffer must have room for. */
static uint32_t format_bytes(const struct berth_camera_format *format)
{
	return format->is_coded ? berth_camera_coded_bytes(format->bytes) : format->bytes;
}

/* Tell the device about queued buffers as long as its FIFO has room for sure. */
static void camera_push(struct camera *cam)
{
	while (cam->not_pushed && cam->pushed < CAMERA_FIFO_DEPTH) {
		dma_addr_t picture = cam->not_pushed->dma;

		if (!cam->not_pushed->is_foreign)
			picture += PAGE_SIZE;

		camera_write(cam, CAMERA_BUFFER_LO, lower_32_bits(picture));
		camera_write(cam, CAMERA_BUFFER_HI, upper_32_bits(picture));
		camera_write(cam, CAMERA_BUFFER_PUSH, 1);
		cam->not_pushed = cam->not_pushed->next;
		cam->pushed++;
	}
}

int berth_camera_queue(struct device *dev, struct berth_camera_buffer *buffer)
{
	struct camera *cam = dev_get_drvdata(dev);
	unsigned long flags;
	int ret = 0;

	if (!cam)
		return -ENODEV;
	spin_lock_irqsave(&cam->lock, flags);
	if (buffer->is_queued)
		ret = -EBUSY;
	else if (cam->is_streaming && buffer->bytes != format_bytes(&cam->format))
		ret = -EINVAL;
	else
		buffer->is_queued = true;
	spin_unlock_irqrestore(&cam->lock, flags);
	if (ret)
		return ret;

	sync_buffer(dev, buffer, false);

	spin_lock_irqsave(&cam->lock, flags);
	/* The camera may have been started since, for larger pictures. */
	if (cam->is_streaming && buffer->bytes != format_bytes(&cam->format)) {
		spin_unlock_irqrestore(&cam->lock, flags);
		sync_buffer(dev, buffer, true);
		buffer->is_queued = false;
		return -EINVAL;
	}
	buffer->next = NULL;
	*cam->tail = buffer;
	cam->tail = &buffer->next;
	if (!cam->not_pushed)
		cam->not_pushed = buffer;
	if (!cam->not_told)
		cam->not_told = buffer;
	if (cam->is_streaming)
		camera_push(cam);
	spin_unlock_irqrestore(&cam->lock, flags);
	return 0;
}

/* Take the oldest buffer off the queue; called with the lock held. */
static struct berth_camera_buffer *camera_take(struct camera *cam)
{
	struct berth_camera_buffer *buffer = cam->oldest;

	cam->oldest = buffer->next;
	if (!cam->oldest)
		cam->tail = &cam->oldest;
	buffer->next = NULL;
	return buffer;
}

/* Read the entry and go on to the next one; called with the lock held. */
static int camera_consume(struct camera *cam, struct berth_camera_buffer **filled)
{
	const struct camera_entry *entry = &cam->ring[cam->ring_at];
	struct berth_camera_buffer *buffer;
	uint32_t status = entry->status;

	/* The body was written before the word that hands it over. */
	dma_rmb();
	buffer = camera_take(cam);
	buffer->sequence = entry->sequence;
	buffer->text_length = entry->text_length;
	if (buffer->text_length > BERTH_CAMERA_TEXT)
		buffer->text_length = BERTH_CAMERA_TEXT;
	__builtin_memcpy(buffer->text, entry->text, buffer->text_length);
	buffer->used = entry->bytes;
	if (cam->format.is_coded ? entry->bytes > buffer->bytes : entry->bytes != buffer->bytes)
		status |= ENTRY_BUS_ERROR;
	if (++cam->ring_at == RING_ENTRIES) {
		cam->ring_at = 0;
		cam->ring_phase ^= ENTRY_PHASE;
	}
	cam->pushed--;
	camera_push(cam);
	*filled = buffer;
	return status & ENTRY_BUS_ERROR ? -EIO : 0;
}

int berth_camera_dequeue(struct device *dev, struct berth_camera_buffer **buffer,
			 unsigned long timeout)
{
	struct camera *cam = dev_get_drvdata(dev);
	bool timed_out = false;
	unsigned long flags;
	int ret;

	if (!cam)
		return -ENODEV;
	for (;;) {
		/* Its interrupt may be still to come. */
		camera_tell(cam);
		spin_lock_irqsave(&cam->lock, flags);
		if (!cam->oldest)
			ret = -ENOENT;
		else if (cam->not_told != cam->oldest)
			ret = camera_consume(cam, buffer);
		else if (cam->pushed && is_filled(cam, cam->ring_at, cam->ring_phase))
			ret = -EBUSY; /* just now: told first */
		else if (!cam->is_streaming || cam->at_end)
			ret = -ENODATA;
		else
			ret = timed_out ? -ETIMEDOUT : -EAGAIN;
		spin_unlock_irqrestore(&cam->lock, flags);
		if (ret == -EBUSY)
			continue;
		if (ret != -EAGAIN)
			break;
		timeout = wait_for_completion_timeout(&cam->event, timeout);
		timed_out = !timeout;
	}
	if (ret && ret != -EIO)
		return ret;

	sync_buffer(dev, *buffer, true);
	(*buffer)->is_queued = false;
	return ret;
}

static bool camera_is_legal(const struct camera *cam, const struct berth_camera_format *format)
{
	for (const struct berth_camera_buffer *b = cam->oldest; b; b = b->next)
		if (b->bytes != format_bytes(format))
			return false;
	return format->bytes && format->width && format->height;
}

static void camera_configure(struct camera *cam)
{
	const struct berth_camera_format *format = &cam->format;

	cam->ring_at = cam->told_at = 0;
	cam->ring_phase = cam->told_phase = ENTRY_PHASE;
	cam->at_end = false;
	camera_write(cam, CAMERA_WIDTH, format->width);
	camera_write(cam, CAMERA_HEIGHT, format->height);
	camera_write(cam, CAMERA_BYTES, format->bytes);
	camera_write(cam, CAMERA_INTERVAL, format->interval_ns);
	camera_write(cam, CAMERA_FRAMES, format->frames);
	camera_write(cam, CAMERA_RING_LO, lower_32_bits(cam->ring_dma));
	camera_write(cam, CAMERA_RING_HI, upper_32_bits(cam->ring_dma));
	camera_write(cam, CAMERA_RING_ENTRIES, RING_ENTRIES);
	camera_write(cam, CAMERA_CODE, format->is_coded);
	camera_write(cam, CAMERA_IRQ_STATUS, CAMERA_IRQS);
	camera_write(cam, CAMERA_IRQ_ENABLE, CAMERA_IRQS);
}

int berth_camera_start(struct device *dev, const struct berth_camera_format *format)
{
	struct camera *cam = dev_get_drvdata(dev);
	unsigned long flags;
	int ret = 0;

	if (!cam)
		return -ENODEV;
	spin_lock_irqsave(&cam->lock, flags);
	if (cam->is_streaming) {
		ret = -EBUSY;
	} else if (!camera_is_legal(cam, format)) {
		ret = -EINVAL;
	} else {
		cam->format = *format;
		reinit_completion(&cam->event);
		camera_configure(cam);
		cam->is_streaming = true;
		camera_push(cam);
		camera_write(cam, CAMERA_CONTROL,
			     CAMERA_CONTROL_ENABLE | (format->hold ? CAMERA_CONTROL_HOLD : 0));
	}
	spin_unlock_irqrestore(&cam->lock, flags);
	return ret;
}

/* On return the device does not touch memory any more. */
static void camera_quiesce(struct camera *cam)
{
	camera_write(cam, CAMERA_IRQ_ENABLE, 0);
	camera_write(cam, CAMERA_CONTROL, 0);
	for (int i = 0; i < CAMERA_QUIET_TRIES; i++) {
		if (!(camera_read(cam, CAMERA_STATUS) & CAMERA_STATUS_BUSY))
			break;
		usleep_range(CAMERA_QUIET_US, 2 * CAMERA_QUIET_US);
	}
	camera_write(cam, CAMERA_CONTROL, CAMERA_CONTROL_RESET);
}

static void camera_halt(struct camera *cam)
{
	struct berth_camera_buffer *buffer;
	unsigned long flags;

	spin_lock_irqsave(&cam->lock, flags);
	cam->is_streaming = false;
	spin_unlock_irqrestore(&cam->lock, flags);

	camera_quiesce(cam);
	synchronize_irq(cam->irq);
	/* What this lap has left must not look like the first lap of the next start. */
	__builtin_memset(cam->ring, 0, RING_SIZE);

	spin_lock_irqsave(&cam->lock, flags);
	cam->not_pushed = NULL;
	cam->pushed = 0;
	while (cam->oldest) {
		bool is_told = cam->not_told != cam->oldest;

		if (!is_told)
			cam->not_told = cam->oldest->next;
		buffer = camera_take(cam);
		spin_unlock_irqrestore(&cam->lock, flags);
		sync_buffer(cam->dev, buffer, true);
		if (!is_told && buffer->done)
			buffer->done(buffer->data, -ENODATA);
		spin_lock_irqsave(&cam->lock, flags);
		buffer->is_queued = false;
	}
	spin_unlock_irqrestore(&cam->lock, flags);
	complete(&cam->event);
}

void berth_camera_stop(struct device *dev)
{
	struct camera *cam = dev_get_drvdata(dev);

	if (cam)
		camera_halt(cam);
}

static int camera_probe(struct platform_device *pdev)
{
	struct device *dev = &pdev->dev;
	struct camera *cam = devm_kzalloc(dev, sizeof(*cam), GFP_KERNEL);
	int irq, ret;

	if (!cam)
		return -ENOMEM;
	cam->dev = dev;
	cam->tail = &cam->oldest;
	spin_lock_init(&cam->lock);
	init_completion(&cam->event);

	cam->regs = devm_platform_ioremap_resource(pdev, 0);
	if (IS_ERR(cam->regs))
		return (int)PTR_ERR(cam->regs);
	irq = platform_get_irq(pdev, 0);
	if (irq < 0)
		return irq;
	cam->irq = (unsigned int)irq;
	if (camera_read(cam, CAMERA_ID) != CAMERA_ID_VALUE)
		return -ENODEV;
	ret = dma_set_mask_and_coherent(dev, DMA_BIT_MASK(32));
	if (ret)
		return ret;
	dma_set_max_seg_size(dev, UINT32_MAX);
	berth_dma_set_max_segments(dev, 1);
	/* Whoever used it before us: it must be quiet before its ring is given away. */
	camera_quiesce(cam);

	cam->ring = dma_alloc_coherent(dev, RING_SIZE, &cam->ring_dma, GFP_KERNEL);
	if (!cam->ring)
		return -ENOMEM;
	ret = request_irq(cam->irq, camera_irq, 0, dev_name(dev), cam);
	if (ret)
		goto free_ring;
	platform_set_drvdata(pdev, cam);
	return 0;

free_ring:
	dma_free_coherent(dev, RING_SIZE, cam->ring, cam->ring_dma);
	return ret;
}

static int camera_remove(struct platform_device *pdev)
{
	struct camera *cam = platform_get_drvdata(pdev);

	camera_halt(cam);
	free_irq(cam->irq, cam);
	dma_free_coherent(&pdev->dev, RING_SIZE, cam->ring, cam->ring_dma);
	platform_set_drvdata(pdev, NULL);
	return 0;
}

static const struct of_device_id camera_match[] = {
	{ .compatible = "berth,model-camera" },
	{ .compatible = "" },
};

const struct platform_driver berth_camera_driver = {
	.probe = camera_probe,
	.remove = camera_remove,
	.driver = {
		.name = "camera",
		.of_match_table = camera_match,
	},
};
