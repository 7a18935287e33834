// SPDX-License-Identifier: BSD-2-Clause
/*
 * The display "berth,model-display": reads a header and a picture by DMA, each from one contiguous
 * range, and shows the picture if the header is that of the request. The data sheet is in
 * docs/model-devices.md.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "devices.h"

enum {
	REG_ID = 0x00,
	REG_CONTROL = 0x04,
	REG_STATUS = 0x08,
	REG_IRQ_STATUS = 0x0c,
	REG_IRQ_ENABLE = 0x10,
	REG_BYTES = 0x14,
	REG_HEADER_LO = 0x18,
	REG_HEADER_HI = 0x1c,
	REG_PICTURE_LO = 0x20,
	REG_PICTURE_HI = 0x24,
	REG_SEQUENCE = 0x28,
	REG_START = 0x2c,
	REG_SHOWN = 0x30,
};

#define DISPLAY_ID 0x44495331u

#define CONTROL_ENABLE 0x1u
#define CONTROL_RESET 0x2u

#define STATUS_BUSY 0x1u
#define STATUS_HEADER_ERROR 0x2u
#define STATUS_BUS_ERROR 0x4u

#define IRQ_DONE 0x1u
#define IRQ_ERROR 0x2u

#define HEADER_MAGIC 0x42545246u
#define HEADER_TEXT 240
#define MAX_BYTES (256u << 20)
#define BYTES_PER_NS 1u

/* What stands in memory about a picture (little-endian). */
struct header {
	uint32_t magic;
	uint32_t sequence;
	uint32_t bytes;
	uint32_t text_length;
	char text[HEADER_TEXT];
};

struct display {
	uint32_t control, status, irq_status, irq_enable;
	uint32_t bytes, sequence, shown;
	uint64_t header, picture;
	uint8_t *screen;
	char text[HEADER_TEXT + 1];
	void (*sink)(void *data, const void *picture, size_t size, const char *extra);
	void *sink_data;
};

static void update_irq(struct model_device *dev)
{
	struct display *dis = dev->state;

	model_irq(dev, 0, (dis->irq_status & dis->irq_enable) != 0);
}

static void burst_step(struct model_device *dev, uint64_t offset);

static void finish(struct model_device *dev)
{
	struct display *dis = dev->state;
	bool failed = dis->status & (STATUS_HEADER_ERROR | STATUS_BUS_ERROR);

	if (failed)
		memset(dis->screen, 0, dis->bytes);
	dis->status &= ~STATUS_BUSY;
	dis->shown++;
	if (dis->sink)
		dis->sink(dis->sink_data, dis->screen, dis->bytes, dis->text);
	dis->irq_status |= IRQ_DONE | (failed ? IRQ_ERROR : 0);
	update_irq(dev);
}

static void header_step(struct model_device *dev, uint64_t arg)
{
	struct display *dis = dev->state;
	struct header header;

	(void)arg;
	if (model_dma_read(dev, dis->header, &header, sizeof(header))) {
		dis->status |= STATUS_BUS_ERROR;
	} else if (header.magic != HEADER_MAGIC || header.sequence != dis->sequence ||
		   header.bytes != dis->bytes || header.text_length > HEADER_TEXT) {
		dis->status |= STATUS_HEADER_ERROR;
	} else {
		memcpy(dis->text, header.text, header.text_length);
		model_after(dev, MODEL_BURST / BYTES_PER_NS, burst_step, 0);
		return;
	}
	finish(dev);
}

static void burst_step(struct model_device *dev, uint64_t offset)
{
	struct display *dis = dev->state;
	uint64_t left = dis->bytes - offset;
	uint64_t size = left < MODEL_BURST ? left : MODEL_BURST;

	if (model_dma_read(dev, dis->picture + offset, dis->screen + offset, size))
		dis->status |= STATUS_BUS_ERROR;
	else if (size < left) {
		model_after(dev, MODEL_BURST / BYTES_PER_NS, burst_step, offset + size);
		return;
	}
	finish(dev);
}

/* Stops at once: no access to memory follows. */
static void abort_request(struct model_device *dev)
{
	struct display *dis = dev->state;

	model_cancel(dev, header_step);
	model_cancel(dev, burst_step);
	dis->status &= ~STATUS_BUSY;
}

static void display_start_request(struct model_device *dev)
{
	struct display *dis = dev->state;
	uint8_t *screen = NULL;

	if (!(dis->control & CONTROL_ENABLE) || (dis->status & STATUS_BUSY))
		return;
	if (dis->bytes && dis->bytes <= MAX_BYTES)
		screen = realloc(dis->screen, dis->bytes);
	if (!screen) {
		dis->irq_status |= IRQ_ERROR;
		update_irq(dev);
		return;
	}
	dis->screen = screen;
	memset(screen, 0, dis->bytes);
	memset(dis->text, 0, sizeof(dis->text));
	dis->status = STATUS_BUSY;
	model_after(dev, sizeof(struct header) / BYTES_PER_NS, header_step, 0);
}

static void display_control(struct model_device *dev, uint32_t value)
{
	struct display *dis = dev->state;

	if (!(value & CONTROL_ENABLE) || (value & CONTROL_RESET))
		abort_request(dev);
	if (value & CONTROL_RESET) {
		free(dis->screen);
		*dis = (struct display){ .sink = dis->sink, .sink_data = dis->sink_data };
		update_irq(dev);
		return;
	}
	dis->control = value & CONTROL_ENABLE;
}

static uint64_t display_read(struct model_device *dev, uint64_t offset, unsigned int bytes)
{
	const struct display *dis = dev->state;

	if (bytes != 4)
		return 0;
	switch (offset) {
	case REG_ID:
		return DISPLAY_ID;
	case REG_CONTROL:
		return dis->control;
	case REG_STATUS:
		return dis->status;
	case REG_IRQ_STATUS:
		return dis->irq_status;
	case REG_IRQ_ENABLE:
		return dis->irq_enable;
	case REG_BYTES:
		return dis->bytes;
	case REG_HEADER_LO:
		return (uint32_t)dis->header;
	case REG_HEADER_HI:
		return dis->header >> 32;
	case REG_PICTURE_LO:
		return (uint32_t)dis->picture;
	case REG_PICTURE_HI:
		return dis->picture >> 32;
	case REG_SEQUENCE:
		return dis->sequence;
	case REG_SHOWN:
		return dis->shown;
	default:
		return 0;
	}
}

static uint64_t set_low(uint64_t old, uint64_t value)
{
	return (old & ~0xffffffffULL) | (uint32_t)value;
}

static uint64_t set_high(uint64_t old, uint64_t value)
{
	return (uint32_t)old | value << 32;
}

/* What a request reads from; while one is under way it stays as it is. */
static void write_request(struct display *dis, uint64_t offset, uint64_t value)
{
	if (dis->status & STATUS_BUSY)
		return;
	switch (offset) {
	case REG_BYTES:
		dis->bytes = (uint32_t)value;
		break;
	case REG_HEADER_LO:
		dis->header = set_low(dis->header, value);
		break;
	case REG_HEADER_HI:
		dis->header = set_high(dis->header, value);
		break;
	case REG_PICTURE_LO:
		dis->picture = set_low(dis->picture, value);
		break;
	case REG_PICTURE_HI:
		dis->picture = set_high(dis->picture, value);
		break;
	case REG_SEQUENCE:
		dis->sequence = (uint32_t)value;
		break;
	}
}

static void display_write(struct model_device *dev, uint64_t offset, unsigned int bytes,
			  uint64_t value)
{
	struct display *dis = dev->state;

	if (bytes != 4)
		return;
	switch (offset) {
	case REG_CONTROL:
		display_control(dev, (uint32_t)value);
		break;
	case REG_IRQ_STATUS:
		dis->irq_status &= ~(uint32_t)value;
		update_irq(dev);
		break;
	case REG_IRQ_ENABLE:
		dis->irq_enable = (uint32_t)value;
		update_irq(dev);
		break;
	case REG_START:
		display_start_request(dev);
		break;
	default:
		write_request(dis, offset, value);
		break;
	}
}

static void display_stop(struct model_device *dev)
{
	struct display *dis = dev->state;

	free(dis->screen);
	dis->screen = NULL;
}

const struct model_device_type model_display = {
	.compatible = "berth,model-display",
	.state_size = sizeof(struct display),
	.stop = display_stop,
	.read = display_read,
	.write = display_write,
};

int berth_model_display_sink(const char *path,
			     void (*shown)(void *data, const void *picture, size_t size,
					   const char *extra),
			     void *data)
{
	struct model_device *dev = model_find(path);
	struct display *dis;

	if (!dev || dev->type != &model_display)
		return -ENODEV;
	dis = dev->state;
	dis->sink = shown;
	dis->sink_data = data;
	return 0;
}
