/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A ZDMA of the model's, after UG1085: transfers take time, memory that does not answer is an error,
 * and descriptors may pause it. QEMU's does all at once and knows no error.
 */
#ifndef TESTS_MODEL_ZDMA_ENGINE_H
#define TESTS_MODEL_ZDMA_ENGINE_H

#include <string.h>

#include "model/model.h"

#define ENGINE_BUS 16u /* bytes */
#define ENGINE_CHUNK 64u
#define ENGINE_NS 100u /* for a chunk */
#define ENGINE_REGS 0x210u

enum {
	E_ISR = 0x100 / 4,
	E_IMR = 0x104 / 4,
	E_IEN = 0x108 / 4,
	E_IDS = 0x10c / 4,
	E_CTRL0 = 0x110 / 4,
	E_STATUS = 0x11c / 4,
	E_DATA_ATTR = 0x120 / 4,
	E_DSCR_ATTR = 0x124 / 4,
	E_SRC = 0x128 / 4,
	E_DST = 0x138 / 4,
	E_FILL = 0x148 / 4,
	E_SRC_START = 0x158 / 4,
	E_DST_START = 0x160 / 4,
	E_TOTAL = 0x188 / 4,
	E_SRC_ACCT = 0x190 / 4,
	E_CTRL2 = 0x200 / 4,
};

enum { E_IDLE, E_PAUSED, E_BUSY, E_FAILED };

struct engine_side {
	uint64_t at; /* the descriptor's address */
	uint64_t address;
	uint32_t size, control;
};

struct zdma_engine {
	uint32_t regs[ENGINE_REGS / 4];
	struct engine_side src, dst;
	uint64_t nr_pauses, nr_stops, nr_transfers;
	uint32_t wrap_at; /* the byte counter says so that it has overflowed at so many; 0: never */
	bool is_stuck; /* a transfer that begins does not go on */
	bool tells_each; /* says that it is done at each descriptor */
};

static inline void engine_irq(struct model_device *dev)
{
	struct zdma_engine *e = dev->state;

	model_irq(dev, 0, e->regs[E_ISR] & ~e->regs[E_IMR]);
}

static inline void engine_ends(struct model_device *dev, uint32_t status, uint32_t isr)
{
	struct zdma_engine *e = dev->state;

	e->regs[E_STATUS] = status;
	/* After an error the registers are not to be relied on. */
	if (status == E_FAILED)
		e->regs[E_DSCR_ATTR] = e->regs[E_CTRL0] = 0xff;
	if (status != E_PAUSED)
		e->regs[E_CTRL2] = 0;
	e->regs[E_ISR] |= isr;
	engine_irq(dev);
}

static inline bool engine_load(struct model_device *dev, struct engine_side *side)
{
	uint32_t words[4];

	if (side->at % sizeof(words) || model_dma_read(dev, side->at, words, sizeof(words)))
		return false;
	side->address = (uint64_t)words[1] << 32 | words[0];
	side->size = words[2];
	side->control = words[3];
	return true;
}

static inline bool engine_next(struct model_device *dev, struct engine_side *side)
{
	uint64_t next = side->at + 16;

	if (side->control & 2 && model_dma_read(dev, side->at + 16, &next, 8))
		return false;
	side->at = next;
	return engine_load(dev, side);
}

static inline void engine_step(struct model_device *dev, uint64_t arg);

static inline void engine_go(struct model_device *dev)
{
	struct zdma_engine *e = dev->state;

	e->regs[E_STATUS] = E_BUSY;
	if (!e->is_stuck)
		model_after(dev, ENGINE_NS, engine_step, 0);
}

/* The current source descriptor is done. */
static inline void engine_command(struct model_device *dev)
{
	struct zdma_engine *e = dev->state;
	uint32_t command = e->src.control >> 3 & 3;

	if (!(e->regs[E_CTRL0] & 0x40) || command == 2) {
		e->nr_stops += command == 2;
		engine_ends(dev, E_IDLE, 1u << 10);
	} else if (command == 1) {
		e->nr_pauses++;
		engine_ends(dev, E_PAUSED, 1u << 11);
	} else if (!engine_next(dev, &e->src)) {
		engine_ends(dev, E_FAILED, 1u << 6);
	} else {
		e->regs[E_ISR] |= e->tells_each ? 1u << 10 : 0;
		engine_irq(dev);
		engine_go(dev);
	}
}

/* Addresses of a fixed burst stay. */
static inline void engine_step(struct model_device *dev, uint64_t arg)
{
	struct zdma_engine *e = dev->state;
	bool is_list = e->regs[E_CTRL0] & 0x40, fills = e->regs[E_CTRL0] & 0x10;
	bool src_moves = is_list || e->regs[E_DATA_ATTR] >> 26 & 1;
	bool dst_moves = is_list || e->regs[E_DATA_ATTR] >> 12 & 1;
	uint32_t size = e->src.size, total = e->regs[E_TOTAL];
	uint8_t data[ENGINE_CHUNK];

	(void)arg;
	if (size > ENGINE_CHUNK)
		size = ENGINE_CHUNK;
	if ((!src_moves || !dst_moves) && size > ENGINE_BUS)
		size = ENGINE_BUS;
	if (is_list && !e->dst.size && !engine_next(dev, &e->dst)) {
		engine_ends(dev, E_FAILED, 1u << 7);
		return;
	}
	if (is_list && size > e->dst.size)
		size = e->dst.size;
	for (uint32_t i = 0; fills && i < size; i += 16)
		memcpy(data + i, &e->regs[E_FILL], 16);
	if (!fills && model_dma_read(dev, e->src.address, data, size)) {
		engine_ends(dev, E_FAILED, 1u << 8);
		return;
	}
	if (model_dma_write(dev, e->dst.address, data, size)) {
		engine_ends(dev, E_FAILED, 1u << 9);
		return;
	}
	e->src.address += src_moves ? size : 0;
	e->dst.address += dst_moves ? size : 0;
	e->src.size -= size;
	e->dst.size -= size;
	e->regs[E_TOTAL] += size;
	if (e->wrap_at && total < e->wrap_at && e->regs[E_TOTAL] >= e->wrap_at) {
		e->wrap_at = 0;
		e->regs[E_ISR] |= 1u << 3;
		engine_irq(dev);
	}
	if (e->src.size)
		engine_go(dev);
	else
		engine_command(dev);
}

static inline void engine_start(struct model_device *dev)
{
	struct zdma_engine *e = dev->state;
	uint32_t *r = e->regs;

	e->nr_transfers++;
	if (r[E_CTRL0] & 0x40) {
		e->src.at = (uint64_t)r[E_SRC_START + 1] << 32 | r[E_SRC_START];
		e->dst.at = (uint64_t)r[E_DST_START + 1] << 32 | r[E_DST_START];
		if (!engine_load(dev, &e->src) || !engine_load(dev, &e->dst)) {
			engine_ends(dev, E_FAILED, 1u << 6);
			return;
		}
	} else {
		uint32_t from = r[E_CTRL0] & 0x10 ? E_DST : E_SRC;

		e->src.address = (uint64_t)r[E_SRC + 1] << 32 | r[E_SRC];
		e->dst.address = (uint64_t)r[E_DST + 1] << 32 | r[E_DST];
		e->src.size = e->dst.size = r[from + 2];
		e->src.control = 0;
	}
	engine_go(dev);
}

/* Only a channel that is paused can be continued, or be left disabled. */
static inline void engine_control(struct model_device *dev)
{
	struct zdma_engine *e = dev->state;
	uint32_t *r = e->regs;

	if (r[E_STATUS] == E_PAUSED && r[E_CTRL0] & 2) {
		r[E_CTRL0] &= ~2u;
		if (!r[E_CTRL2])
			r[E_STATUS] = E_IDLE;
		else if (!engine_next(dev, &e->src))
			engine_ends(dev, E_FAILED, 1u << 6);
		else
			engine_go(dev);
	} else if (r[E_CTRL2] && r[E_STATUS] != E_BUSY && r[E_STATUS] != E_PAUSED) {
		engine_start(dev);
	}
}

static inline uint64_t engine_read(struct model_device *dev, uint64_t offset, unsigned int bytes)
{
	struct zdma_engine *e = dev->state;

	if (bytes != 4 || offset >= ENGINE_REGS || (offset && offset < 0x100)) {
		e->regs[E_ISR] |= 1;
		engine_irq(dev);
		return 0;
	}
	return e->regs[offset / 4];
}

static inline void engine_write(struct model_device *dev, uint64_t offset, unsigned int bytes,
				uint64_t value)
{
	struct zdma_engine *e = dev->state;
	uint32_t bits = (uint32_t)value;

	(void)bytes;
	switch (offset / 4) {
	case E_ISR:
	case E_TOTAL:
		e->regs[offset / 4] &= ~bits;
		break;
	case E_IEN:
		e->regs[E_IMR] &= ~bits;
		break;
	case E_IDS:
		e->regs[E_IMR] |= bits;
		break;
	case E_STATUS:
	case E_IMR:
		break;
	case E_CTRL0:
	case E_CTRL2:
		/* A channel that is busy is not disabled by its enable bit. */
		if (e->regs[E_STATUS] != E_BUSY)
			e->regs[offset / 4] = bits;
		engine_control(dev);
		break;
	default:
		if (offset < ENGINE_REGS)
			e->regs[offset / 4] = bits;
	}
	engine_irq(dev);
}

static inline int engine_begin(struct model_device *dev)
{
	struct zdma_engine *e = dev->state;

	e->regs[E_IMR] = 0xfff;
	return 0;
}

static const struct model_device_type zdma_engine_type = {
	.compatible = "xlnx,zynqmp-dma-1.0",
	.state_size = sizeof(struct zdma_engine),
	.start = engine_begin,
	.read = engine_read,
	.write = engine_write,
};

#endif
