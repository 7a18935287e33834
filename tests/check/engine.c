// SPDX-License-Identifier: BSD-2-Clause
/* The engine of the corpus, as a device of the model: see engine.h. */
#include <stddef.h>
#include <string.h>

#include "check/engine.h"
#include "model/model.h"

#define STEP_NS 400u
#define PAGE 4096u
#define CHUNK 64u

struct engine {
	uint32_t mode, ring, completions, tail;
	uint32_t done, scanned;
	bool is_running, is_kicked;
};

static void step(struct model_device *dev, uint64_t arg);

static void go_on(struct model_device *dev)
{
	model_after(dev, STEP_NS / 2 + model_random(STEP_NS), step, 0);
}

static void scan(struct model_device *dev, struct engine *e)
{
	unsigned char bytes[CHUNK];

	model_dma_read(dev, e->ring + e->scanned, bytes, sizeof(bytes));
	e->scanned = (e->scanned + CHUNK) % PAGE;
	go_on(dev);
}

static bool fetch(struct model_device *dev, struct engine *e, struct engine_desc *desc)
{
	const uint32_t at = e->ring + e->done % ENGINE_DESCRIPTORS * (uint32_t)sizeof(*desc);

	if (e->mode & ENGINE_WHOLE || e->mode & ENGINE_TAIL) {
		if (e->mode & ENGINE_TAIL && e->done == e->tail)
			return false;
		model_dma_read(dev, at, desc, sizeof(*desc));
		return e->mode & ENGINE_TAIL || desc->own;
	}
	model_dma_read(dev, at + offsetof(struct engine_desc, own), &desc->own, 4);
	if (!desc->own)
		return false;
	model_dma_read(dev, at, desc, 16);
	return true;
}

static void complete(struct model_device *dev, struct engine *e, uint32_t result)
{
	const struct engine_completion completion = {
		.index = e->done,
		.result = result,
		.phase = e->done / ENGINE_DESCRIPTORS % 2 + 1,
	};
	const uint32_t at =
		e->completions + e->done % ENGINE_DESCRIPTORS * (uint32_t)sizeof(completion);

	if (!e->completions)
		return;
	if (e->mode & ENGINE_WHOLE) {
		model_dma_write(dev, at, &completion, sizeof(completion));
		return;
	}
	model_dma_write(dev, at, &completion, 8);
	model_dma_write(dev, at + 12, &completion.phase, 4);
}

static void step(struct model_device *dev, uint64_t arg)
{
	struct engine *e = dev->state;
	const uint32_t at =
		e->ring + e->done % ENGINE_DESCRIPTORS * (uint32_t)sizeof(struct engine_desc);
	const uint32_t none = 0;
	struct engine_desc desc = { 0 };
	uint32_t result;

	(void)arg;
	if (e->mode & ENGINE_SCAN) {
		scan(dev, e);
		return;
	}
	e->is_kicked = false;
	if (!fetch(dev, e, &desc)) {
		e->is_running = e->mode & ENGINE_POLL;
		if (e->is_running)
			go_on(dev);
		return;
	}
	result = (uint32_t)desc.addr + desc.length;
	model_dma_write(dev, at + offsetof(struct engine_desc, result), &result, 4);
	if (!(e->mode & ENGINE_TAIL))
		model_dma_write(dev, at + offsetof(struct engine_desc, own), &none, 4);
	complete(dev, e, result);
	e->done++;
	if (e->mode & ENGINE_IRQ)
		model_irq(dev, 0, true);
	go_on(dev);
}

static uint64_t engine_read(struct model_device *dev, uint64_t offset, unsigned int bytes)
{
	const struct engine *e = dev->state;

	(void)bytes;
	return offset == ENGINE_DONE ? e->done : 0;
}

static void start(struct model_device *dev, struct engine *e)
{
	e->is_kicked = true;
	if (e->is_running)
		return;
	e->is_running = true;
	go_on(dev);
}

static void set_mode(struct model_device *dev, struct engine *e, uint32_t mode)
{
	e->mode = mode;
	model_cancel(dev, step);
	e->is_running = false;
	if (mode & (ENGINE_POLL | ENGINE_SCAN))
		start(dev, e);
}

static void engine_write(struct model_device *dev, uint64_t offset, unsigned int bytes,
			 uint64_t value)
{
	struct engine *e = dev->state;

	(void)bytes;
	switch (offset) {
	case ENGINE_MODE:
		set_mode(dev, e, (uint32_t)value);
		break;
	case ENGINE_RING:
		e->ring = (uint32_t)value;
		break;
	case ENGINE_COMPLETIONS:
		e->completions = (uint32_t)value;
		break;
	case ENGINE_KICK:
		e->tail = (uint32_t)value;
		start(dev, e);
		break;
	case ENGINE_ACK:
		model_irq(dev, 0, false);
		break;
	default:
		break;
	}
}

const struct model_device_type engine_type = {
	.compatible = "test,engine",
	.state_size = sizeof(struct engine),
	.read = engine_read,
	.write = engine_write,
};
