// SPDX-License-Identifier: BSD-2-Clause
/*
 * The video decoder "berth,model-decoder": reads a coded picture by DMA, decodes it in memory of its
 * own, and writes the picture by DMA; both from and to pieces that lists in memory name. The data
 * sheet is in docs/model-devices.md.
 */
#include <stdlib.h>
#include <string.h>

#include "media.h"

struct registers {
	struct media_registers common;
	uint32_t bytes, stride, coded, source, sources, target, targets, start;
	uint32_t position, done;
};

_Static_assert(offsetof(struct registers, done) == 0x38, "as in the data sheet");

#define DECODER_ID 0x44454331u

#define CONTROL_ENABLE 0x1u
#define CONTROL_RESET 0x2u

#define STATUS_BUSY 0x1u
#define STATUS_CODE_ERROR 0x2u
#define STATUS_BUS_ERROR 0x4u
#define STATUS_LIST_ERROR 0x8u
#define STATUS_DAMAGE_SHIFT 8

#define IRQ_DONE 0x1u
#define IRQ_ERROR 0x2u

/* What a request works with; while one is under way it stays as it is. */
#define WRITABLE_IDLE                                                                   \
	(MEDIA_WORD(struct registers, bytes) | MEDIA_WORD(struct registers, stride) |   \
	 MEDIA_WORD(struct registers, coded) | MEDIA_WORD(struct registers, source) |   \
	 MEDIA_WORD(struct registers, sources) | MEDIA_WORD(struct registers, target) | \
	 MEDIA_WORD(struct registers, targets))

#define MAX_BYTES (256u << 20)
#define MAX_PIECES 65536u
#define BYTES_PER_NS 1u

/* An entry of a list, as it lies in memory (little-endian). */
struct piece {
	uint32_t address;
	uint32_t bytes;
};

/* A list, and how far it is done. */
struct pieces {
	struct piece *list;
	uint32_t nr, at;
	uint64_t offset; /* in the current one */
};

struct decoder {
	struct registers regs;
	struct pieces source, target;
	uint8_t *coded, *picture;
};

static void read_step(struct model_device *dev, uint64_t offset);
static void write_step(struct model_device *dev, uint64_t offset);

static void forget_request(struct decoder *dec)
{
	free(dec->source.list);
	free(dec->target.list);
	free(dec->coded);
	free(dec->picture);
	memset(&dec->source, 0, sizeof(dec->source));
	memset(&dec->target, 0, sizeof(dec->target));
	dec->coded = dec->picture = NULL;
}

static void finish(struct model_device *dev, uint32_t errors)
{
	struct decoder *dec = dev->state;

	forget_request(dec);
	dec->regs.common.status = errors;
	dec->regs.done++;
	media_raise(dev, IRQ_DONE | (errors ? IRQ_ERROR : 0));
}

/* 0, or the errors. */
static uint32_t read_list(struct model_device *dev, struct pieces *pieces, uint32_t at, uint32_t nr,
			  uint64_t needed)
{
	uint64_t bytes = 0;

	if (!nr || nr > MAX_PIECES)
		return STATUS_LIST_ERROR;
	pieces->list = calloc(nr, sizeof(*pieces->list));
	if (!pieces->list)
		return STATUS_LIST_ERROR;
	pieces->nr = nr;
	if (model_dma_read(dev, at, pieces->list, nr * sizeof(*pieces->list)))
		return STATUS_BUS_ERROR;
	for (uint32_t i = 0; i < nr; i++)
		bytes += pieces->list[i].bytes;
	return bytes < needed ? STATUS_LIST_ERROR : 0;
}

/* Move up to a burst, piece by piece; there is room for it. */
static bool move(struct model_device *dev, struct pieces *pieces, uint8_t *bytes, uint64_t size,
		 bool is_write)
{
	while (size) {
		const struct piece *piece = &pieces->list[pieces->at];
		uint64_t left = piece->bytes - pieces->offset, now = size < left ? size : left;
		uint64_t address = (uint64_t)piece->address + pieces->offset;

		if (now && (is_write ? model_dma_write(dev, address, bytes, now)
				     : model_dma_read(dev, address, bytes, now)))
			return false;
		bytes += now;
		size -= now;
		pieces->offset += now;
		if (now == left) {
			pieces->at++;
			pieces->offset = 0;
		}
	}
	return true;
}

static void list_step(struct model_device *dev, uint64_t arg)
{
	struct decoder *dec = dev->state;
	uint32_t errors =
		read_list(dev, &dec->source, dec->regs.source, dec->regs.sources, dec->regs.coded);

	(void)arg;
	if (!errors)
		errors = read_list(dev, &dec->target, dec->regs.target, dec->regs.targets,
				   dec->regs.bytes);
	if (errors)
		finish(dev, errors);
	else
		model_after(dev, MODEL_BURST / BYTES_PER_NS, read_step, 0);
}

static void read_step(struct model_device *dev, uint64_t offset)
{
	struct decoder *dec = dev->state;
	uint64_t left = dec->regs.coded - offset;
	uint64_t size = left < MODEL_BURST ? left : MODEL_BURST;
	enum media_damage damage;
	size_t position = 0;

	if (!move(dev, &dec->source, dec->coded + offset, size, false)) {
		finish(dev, STATUS_BUS_ERROR);
		return;
	}
	if (size < left) {
		model_after(dev, MODEL_BURST / BYTES_PER_NS, read_step, offset + size);
		return;
	}
	damage = media_decode(dec->coded, dec->regs.coded, dec->regs.stride, dec->picture,
			      dec->regs.bytes, &position);
	if (damage) {
		dec->regs.position = (uint32_t)position;
		finish(dev, STATUS_CODE_ERROR | (uint32_t)damage << STATUS_DAMAGE_SHIFT);
		return;
	}
	model_after(dev, MODEL_BURST / BYTES_PER_NS, write_step, 0);
}

static void write_step(struct model_device *dev, uint64_t offset)
{
	struct decoder *dec = dev->state;
	uint64_t left = dec->regs.bytes - offset;
	uint64_t size = left < MODEL_BURST ? left : MODEL_BURST;

	if (!move(dev, &dec->target, dec->picture + offset, size, true))
		finish(dev, STATUS_BUS_ERROR);
	else if (size < left)
		model_after(dev, MODEL_BURST / BYTES_PER_NS, write_step, offset + size);
	else
		finish(dev, 0);
}

/* Stops at once: no access to memory follows. */
static void abort_request(struct model_device *dev)
{
	struct decoder *dec = dev->state;

	model_cancel(dev, list_step);
	model_cancel(dev, read_step);
	model_cancel(dev, write_step);
	forget_request(dec);
	dec->regs.common.status &= ~STATUS_BUSY;
}

static bool is_in_range(const struct registers *regs)
{
	return regs->bytes && regs->bytes <= MAX_BYTES && regs->stride && regs->coded &&
	       regs->coded <= media_code_most(MAX_BYTES);
}

static void decoder_start_request(struct model_device *dev)
{
	struct decoder *dec = dev->state;

	if (!(dec->regs.common.control & CONTROL_ENABLE) || (dec->regs.common.status & STATUS_BUSY))
		return;
	if (is_in_range(&dec->regs)) {
		dec->coded = malloc(dec->regs.coded);
		dec->picture = malloc(dec->regs.bytes);
	}
	if (!dec->coded || !dec->picture) {
		forget_request(dec);
		dec->regs.common.status = STATUS_LIST_ERROR;
		media_raise(dev, IRQ_ERROR);
		return;
	}
	dec->regs.position = 0;
	dec->regs.common.status = STATUS_BUSY;
	model_after(dev, 0, list_step, 0);
}

static void decoder_control(struct model_device *dev, uint32_t value)
{
	struct decoder *dec = dev->state;

	if (!(value & CONTROL_ENABLE) || (value & CONTROL_RESET))
		abort_request(dev);
	if (value & CONTROL_RESET) {
		*dec = (struct decoder){ 0 };
		media_raise(dev, 0);
		return;
	}
	dec->regs.common.control = value & CONTROL_ENABLE;
}

static uint64_t decoder_read(struct model_device *dev, uint64_t offset, unsigned int bytes)
{
	struct decoder *dec = dev->state;

	dec->regs.common.id = DECODER_ID;
	return media_read(dev, sizeof(dec->regs), offset, bytes);
}

static void decoder_write(struct model_device *dev, uint64_t offset, unsigned int bytes,
			  uint64_t value)
{
	struct decoder *dec = dev->state;
	bool is_idle = !(dec->regs.common.status & STATUS_BUSY);

	if (bytes != 4)
		return;
	if (offset == offsetof(struct registers, common.control))
		decoder_control(dev, (uint32_t)value);
	else if (offset == offsetof(struct registers, start))
		decoder_start_request(dev);
	else
		media_write(dev, is_idle ? WRITABLE_IDLE : 0, offset, (uint32_t)value);
}

static void decoder_stop(struct model_device *dev)
{
	forget_request(dev->state);
}

const struct model_device_type model_decoder = {
	.compatible = "berth,model-decoder",
	.state_size = sizeof(struct decoder),
	.stop = decoder_stop,
	.read = decoder_read,
	.write = decoder_write,
};
