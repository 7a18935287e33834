// SPDX-License-Identifier: BSD-2-Clause
/*
 * The camera "berth,model-camera": a sensor and a DMA engine without scatter-gather. Each picture
 * goes to one contiguous buffer, burst by burst while the sensor is read out; then an entry of the
 * completion ring says so. The data sheet is in docs/model-devices.md.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "media.h"

struct registers {
	struct media_registers common;
	uint32_t width, height, bytes, interval, frames;
	uint32_t overruns, sequence; /* that of the next picture */
	uint32_t buffer[2], push, unused, ring[2], ring_entries, code;
};

_Static_assert(offsetof(struct registers, code) == 0x4c, "as in the data sheet");

#define CAMERA_ID 0x43414d31u

#define CONTROL_ENABLE 0x1u
#define CONTROL_RESET 0x2u
#define CONTROL_HOLD 0x4u

#define STATUS_BUSY 0x1u
#define STATUS_WAITING 0x2u
#define STATUS_END 0x4u
#define STATUS_LEVEL_SHIFT 8

#define IRQ_FRAME 0x1u
#define IRQ_OVERRUN 0x2u
#define IRQ_END 0x4u
#define IRQ_ERROR 0x8u

/* Written at any time, and while the camera is neither enabled nor busy. */
#define WRITABLE                                                                             \
	(MEDIA_WORD(struct registers, buffer[0]) | MEDIA_WORD(struct registers, buffer[1]) | \
	 MEDIA_WORD(struct registers, ring[0]) | MEDIA_WORD(struct registers, ring[1]))
#define WRITABLE_IDLE                                                                        \
	(MEDIA_WORD(struct registers, width) | MEDIA_WORD(struct registers, height) |        \
	 MEDIA_WORD(struct registers, bytes) | MEDIA_WORD(struct registers, interval) |      \
	 MEDIA_WORD(struct registers, frames) | MEDIA_WORD(struct registers, ring_entries) | \
	 MEDIA_WORD(struct registers, code))

#define CODE_RUNS 1u

#define FIFO_DEPTH 4
#define MAX_BYTES (256u << 20)
#define MAX_RING 1024u
#define MIN_INTERVAL_NS 1000u

#define ENTRY_DONE 0x1u
#define ENTRY_BUS_ERROR 0x2u
#define ENTRY_PHASE 0x80000000u
#define ENTRY_TEXT 112

/* An entry of the completion ring, as it lies in memory (little-endian). */
struct entry {
	uint32_t sequence;
	uint32_t bytes;
	uint32_t status;
	uint32_t text_length;
	char text[ENTRY_TEXT];
};

struct camera {
	struct registers regs;
	uint32_t ring_at;
	bool ring_phase;
	uint64_t fifo[FIFO_DEPTH];
	unsigned int level;
	bool reading_out, waiting, at_end, stopping;
	uint64_t frame_start_ns;
	uint64_t target; /* the buffer of the picture that is read out */
	uint32_t target_status;
	uint8_t *picture;
	uint8_t *coded; /* NULL: it delivers the picture itself */
	uint32_t bytes; /* of what is read out */
	char text[ENTRY_TEXT + 1];
	bool (*next)(void *data, void *picture, size_t size, char *extra, size_t extra_size);
	void *next_data;
};

static void frame_step(struct model_device *dev, uint64_t arg);
static void burst_step(struct model_device *dev, uint64_t offset);

/*
 * Eight bars of luma that move four pixels a picture, the number of the picture as a row of 16
 * blocks in the lower left corner, two colour ramps; what goes beyond 4:2:0 is zero.
 */
static void test_pattern(struct camera *cam)
{
	uint32_t w = cam->regs.width, h = cam->regs.height, n = cam->regs.sequence;
	uint32_t cw = (w + 1) / 2, ch = (h + 1) / 2;
	uint8_t *out = cam->picture, *end = out + cam->regs.bytes;

	for (uint32_t y = 0; y < h && out < end; y++)
		for (uint32_t x = 0; x < w && out < end; x++) {
			uint32_t bar = (x + 4 * n) * 8 / w % 8;
			uint32_t block = x * 16 / w;

			if (y >= h - h / 8)
				*out++ = n >> (15 - block) & 1 ? 235 : 16;
			else
				*out++ = (uint8_t)(235 - 28 * bar);
		}
	for (uint32_t plane = 0; plane < 2; plane++)
		for (uint32_t y = 0; y < ch && out < end; y++)
			for (uint32_t x = 0; x < cw && out < end; x++)
				*out++ = (uint8_t)(16 + ((plane ? y : x) + 2 * n) % 224);
	memset(out, 0, (size_t)(end - out));
	snprintf(cam->text, sizeof(cam->text), " XPATTERN=%u", n);
}

static bool next_picture(struct camera *cam)
{
	if (cam->regs.frames && cam->regs.sequence >= cam->regs.frames)
		return false;
	memset(cam->text, 0, sizeof(cam->text));
	if (!cam->next) {
		test_pattern(cam);
		return true;
	}
	return cam->next(cam->next_data, cam->picture, cam->regs.bytes, cam->text,
			 sizeof(cam->text));
}

static void end_of_stream(struct model_device *dev)
{
	struct camera *cam = dev->state;

	cam->at_end = true;
	media_raise(dev, IRQ_END);
}

static uint64_t interval(const struct camera *cam)
{
	return cam->regs.interval > MIN_INTERVAL_NS ? cam->regs.interval : MIN_INTERVAL_NS;
}

/* The sensor is read out during three quarters of the interval. */
static uint64_t burst_ns(const struct camera *cam)
{
	uint64_t bursts = (cam->bytes + MODEL_BURST - 1) / MODEL_BURST;
	uint64_t ns = interval(cam) * 3 / 4 / bursts;

	return ns ? ns : 1;
}

/* A frame of the sensor begins. */
static void frame_step(struct model_device *dev, uint64_t arg)
{
	struct camera *cam = dev->state;

	(void)arg;
	cam->frame_start_ns = model_now();
	if (!cam->level && (cam->regs.common.control & CONTROL_HOLD)) {
		cam->waiting = true;
		return;
	}
	if (!next_picture(cam)) {
		end_of_stream(dev);
		return;
	}
	if (!cam->level) {
		cam->regs.sequence++;
		cam->regs.overruns++;
		media_raise(dev, IRQ_OVERRUN);
		model_after(dev, interval(cam), frame_step, 0);
		return;
	}
	cam->target = cam->fifo[0];
	memmove(cam->fifo, cam->fifo + 1, --cam->level * sizeof(cam->fifo[0]));
	cam->target_status = ENTRY_DONE;
	cam->bytes = cam->regs.bytes;
	if (cam->coded)
		cam->bytes = (uint32_t)media_encode(cam->picture, cam->regs.bytes, cam->regs.width,
						    cam->coded);
	cam->reading_out = true;
	model_after(dev, burst_ns(cam), burst_step, 0);
}

/* Tell the driver about the picture: the body of the entry first, then the word that owns it. */
static void complete_frame(struct model_device *dev)
{
	struct camera *cam = dev->state;
	struct entry entry = { .sequence = cam->regs.sequence, .bytes = cam->bytes };
	uint64_t at = media_address(cam->regs.ring) + (uint64_t)cam->ring_at * sizeof(entry);
	uint32_t status = cam->target_status | (cam->ring_phase ? ENTRY_PHASE : 0);
	uint32_t bits = IRQ_FRAME;

	entry.text_length = (uint32_t)strlen(cam->text);
	memcpy(entry.text, cam->text, sizeof(entry.text));
	if (model_dma_write(dev, at, &entry, offsetof(struct entry, status)) ||
	    model_dma_write(dev, at + offsetof(struct entry, text_length), &entry.text_length,
			    sizeof(entry) - offsetof(struct entry, text_length)) ||
	    model_dma_write(dev, at + offsetof(struct entry, status), &status, sizeof(status)) ||
	    cam->target_status != ENTRY_DONE)
		bits |= IRQ_ERROR;
	if (++cam->ring_at == cam->regs.ring_entries) {
		cam->ring_at = 0;
		cam->ring_phase = !cam->ring_phase;
	}
	cam->regs.sequence++;
	media_raise(dev, bits);
}

static void burst_step(struct model_device *dev, uint64_t offset)
{
	struct camera *cam = dev->state;
	const uint8_t *from = cam->coded ? cam->coded : cam->picture;
	uint64_t left = cam->bytes - offset;
	uint64_t size = left < MODEL_BURST ? left : MODEL_BURST;
	uint64_t due;

	if (cam->stopping) {
		cam->reading_out = false;
		cam->stopping = false;
		return;
	}
	if (model_dma_write(dev, cam->target + offset, from + offset, size))
		cam->target_status |= ENTRY_BUS_ERROR;
	if (size < left) {
		model_after(dev, burst_ns(cam), burst_step, offset + size);
		return;
	}
	cam->reading_out = false;
	complete_frame(dev);
	due = cam->frame_start_ns + interval(cam);
	model_after(dev, due > model_now() ? due - model_now() : 0, frame_step, 0);
}

static void camera_reset(struct model_device *dev)
{
	struct camera *cam = dev->state, fresh = { .next = cam->next, .next_data = cam->next_data };

	model_cancel(dev, frame_step);
	model_cancel(dev, burst_step);
	free(cam->picture);
	free(cam->coded);
	*cam = fresh;
	media_raise(dev, 0);
}

static bool camera_memory(struct camera *cam)
{
	free(cam->picture);
	free(cam->coded);
	cam->picture = malloc(cam->regs.bytes);
	cam->coded = cam->regs.code ? malloc(media_code_most(cam->regs.bytes)) : NULL;
	return cam->picture && (cam->coded || !cam->regs.code);
}

static void camera_enable(struct model_device *dev)
{
	struct camera *cam = dev->state;

	if (cam->reading_out || !cam->regs.bytes || cam->regs.bytes > MAX_BYTES ||
	    !cam->regs.ring_entries || cam->regs.ring_entries > MAX_RING ||
	    cam->regs.code > CODE_RUNS ||
	    ((!cam->next || cam->regs.code) && (!cam->regs.width || !cam->regs.height)) ||
	    !camera_memory(cam))
		goto refuse;
	cam->ring_at = 0;
	cam->ring_phase = true;
	cam->regs.sequence = 0;
	cam->regs.overruns = 0;
	cam->at_end = false;
	cam->regs.common.control |= CONTROL_ENABLE;
	model_after(dev, MIN_INTERVAL_NS, frame_step, 0);
	return;
refuse:
	media_raise(dev, IRQ_ERROR);
}

/* The burst under way is still finished; BUSY says when. */
static void camera_disable(struct model_device *dev)
{
	struct camera *cam = dev->state;

	cam->regs.common.control &= ~CONTROL_ENABLE;
	cam->stopping = cam->reading_out;
	cam->waiting = false;
	cam->level = 0;
	model_cancel(dev, frame_step);
}

static void camera_control(struct model_device *dev, uint32_t value)
{
	struct camera *cam = dev->state;
	bool was_enabled = cam->regs.common.control & CONTROL_ENABLE;

	if (value & CONTROL_RESET) {
		camera_reset(dev);
		return;
	}
	cam->regs.common.control = (value & CONTROL_HOLD) |
				   (cam->regs.common.control & CONTROL_ENABLE);
	if (!was_enabled && (value & CONTROL_ENABLE))
		camera_enable(dev);
	else if (was_enabled && !(value & CONTROL_ENABLE))
		camera_disable(dev);
}

static void camera_push(struct model_device *dev)
{
	struct camera *cam = dev->state;

	if (cam->level == FIFO_DEPTH) {
		media_raise(dev, IRQ_ERROR);
		return;
	}
	cam->fifo[cam->level++] = media_address(cam->regs.buffer);
	if (cam->waiting) {
		cam->waiting = false;
		model_after(dev, 0, frame_step, 0);
	}
}

static uint32_t camera_status(const struct camera *cam)
{
	return (cam->reading_out ? STATUS_BUSY : 0) | (cam->waiting ? STATUS_WAITING : 0) |
	       (cam->at_end ? STATUS_END : 0) | cam->level << STATUS_LEVEL_SHIFT;
}

static uint64_t camera_read(struct model_device *dev, uint64_t offset, unsigned int bytes)
{
	struct camera *cam = dev->state;

	cam->regs.common.id = CAMERA_ID;
	cam->regs.common.status = camera_status(cam);
	return media_read(dev, sizeof(cam->regs), offset, bytes);
}

static void camera_write(struct model_device *dev, uint64_t offset, unsigned int bytes,
			 uint64_t value)
{
	struct camera *cam = dev->state;
	bool is_idle = !(cam->regs.common.control & CONTROL_ENABLE) && !cam->reading_out;

	if (bytes != 4)
		return;
	if (offset == offsetof(struct registers, common.control))
		camera_control(dev, (uint32_t)value);
	else if (offset == offsetof(struct registers, push))
		camera_push(dev);
	else
		media_write(dev, WRITABLE | (is_idle ? WRITABLE_IDLE : 0), offset, (uint32_t)value);
}

static void camera_stop(struct model_device *dev)
{
	struct camera *cam = dev->state;

	free(cam->picture);
	free(cam->coded);
	cam->picture = cam->coded = NULL;
}

const struct model_device_type model_camera = {
	.compatible = "berth,model-camera",
	.state_size = sizeof(struct camera),
	.stop = camera_stop,
	.read = camera_read,
	.write = camera_write,
};

int berth_model_camera_source(const char *path,
			      bool (*next)(void *data, void *picture, size_t size, char *extra,
					   size_t extra_size),
			      void *data)
{
	struct model_device *dev = model_find(path);
	struct camera *cam;

	if (!dev || dev->type != &model_camera)
		return -ENODEV;
	cam = dev->state;
	cam->next = next;
	cam->next_data = data;
	return 0;
}
