// SPDX-License-Identifier: BSD-2-Clause
/*
 * The display "berth,model-display": reads a header and a picture by DMA, each from one contiguous
 * range, and shows the picture if the header is that of the request. The data sheet is in
 * docs/model-devices.md.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "media.h"

struct registers {
	struct media_registers common;
	uint32_t bytes, header[2], picture[2], sequence, start, shown;
};

_Static_assert(offsetof(struct registers, shown) == 0x30, "as in the data sheet");

#define DISPLAY_ID 0x44495331u

#define CONTROL_ENABLE 0x1u
#define CONTROL_RESET 0x2u

#define STATUS_BUSY 0x1u
#define STATUS_HEADER_ERROR 0x2u
#define STATUS_BUS_ERROR 0x4u

#define IRQ_DONE 0x1u
#define IRQ_ERROR 0x2u

/* What a request reads from; while one is under way it stays as it is. */
#define WRITABLE_IDLE                                                                         \
	(MEDIA_WORD(struct registers, bytes) | MEDIA_WORD(struct registers, header[0]) |      \
	 MEDIA_WORD(struct registers, header[1]) | MEDIA_WORD(struct registers, picture[0]) | \
	 MEDIA_WORD(struct registers, picture[1]) | MEDIA_WORD(struct registers, sequence))

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
	struct registers regs;
	uint8_t *screen;
	char text[HEADER_TEXT + 1];
	void (*sink)(void *data, const void *picture, size_t size, const char *extra);
	void *sink_data;
};

static void burst_step(struct model_device *dev, uint64_t offset);

static void finish(struct model_device *dev)
{
	struct display *dis = dev->state;
	bool failed = dis->regs.common.status & (STATUS_HEADER_ERROR | STATUS_BUS_ERROR);

	if (failed)
		memset(dis->screen, 0, dis->regs.bytes);
	dis->regs.common.status &= ~STATUS_BUSY;
	dis->regs.shown++;
	if (dis->sink)
		dis->sink(dis->sink_data, dis->screen, dis->regs.bytes, dis->text);
	media_raise(dev, IRQ_DONE | (failed ? IRQ_ERROR : 0));
}

static void header_step(struct model_device *dev, uint64_t arg)
{
	struct display *dis = dev->state;
	struct header header;

	(void)arg;
	if (model_dma_read(dev, media_address(dis->regs.header), &header, sizeof(header))) {
		dis->regs.common.status |= STATUS_BUS_ERROR;
	} else if (header.magic != HEADER_MAGIC || header.sequence != dis->regs.sequence ||
		   header.bytes != dis->regs.bytes || header.text_length > HEADER_TEXT) {
		dis->regs.common.status |= STATUS_HEADER_ERROR;
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
	uint64_t left = dis->regs.bytes - offset;
	uint64_t size = left < MODEL_BURST ? left : MODEL_BURST;

	if (model_dma_read(dev, media_address(dis->regs.picture) + offset, dis->screen + offset,
			   size))
		dis->regs.common.status |= STATUS_BUS_ERROR;
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
	dis->regs.common.status &= ~STATUS_BUSY;
}

static void display_start_request(struct model_device *dev)
{
	struct display *dis = dev->state;
	uint8_t *screen = NULL;

	if (!(dis->regs.common.control & CONTROL_ENABLE) || (dis->regs.common.status & STATUS_BUSY))
		return;
	if (dis->regs.bytes && dis->regs.bytes <= MAX_BYTES)
		screen = realloc(dis->screen, dis->regs.bytes);
	if (!screen) {
		media_raise(dev, IRQ_ERROR);
		return;
	}
	dis->screen = screen;
	memset(screen, 0, dis->regs.bytes);
	memset(dis->text, 0, sizeof(dis->text));
	dis->regs.common.status = STATUS_BUSY;
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
		media_raise(dev, 0);
		return;
	}
	dis->regs.common.control = value & CONTROL_ENABLE;
}

static uint64_t display_read(struct model_device *dev, uint64_t offset, unsigned int bytes)
{
	struct display *dis = dev->state;

	dis->regs.common.id = DISPLAY_ID;
	return media_read(dev, sizeof(dis->regs), offset, bytes);
}

static void display_write(struct model_device *dev, uint64_t offset, unsigned int bytes,
			  uint64_t value)
{
	struct display *dis = dev->state;
	bool is_idle = !(dis->regs.common.status & STATUS_BUSY);

	if (bytes != 4)
		return;
	if (offset == offsetof(struct registers, common.control))
		display_control(dev, (uint32_t)value);
	else if (offset == offsetof(struct registers, start))
		display_start_request(dev);
	else
		media_write(dev, is_idle ? WRITABLE_IDLE : 0, offset, (uint32_t)value);
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
