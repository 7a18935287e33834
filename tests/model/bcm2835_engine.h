/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A DMA controller of the model's, after "BCM2835 ARM Peripherals", chapter 4: channels take time, may be
 * paused and reset, and note reads that are not answered. QEMU's does a whole chain at once, and a ring
 * for ever.
 */
#ifndef TESTS_MODEL_BCM2835_ENGINE_H
#define TESTS_MODEL_BCM2835_ENGINE_H

#include <string.h>

#include "model/model.h"

#define PI_CHANNELS 15u
#define PI_FIRST_LITE 7u
/* Which of the node's interrupts is a channel's; the model has few: channels 0, 1, 7 and 8 have one. */
#define PI_LINE(index) ((index) < PI_FIRST_LITE ? (index) : (index)-PI_FIRST_LITE + 2)
#define PI_CHUNK 64u
#define PI_NS 500u

enum { P_CS, P_CONBLK, P_TI, P_SRC, P_DST, P_LEN, P_STRIDE, P_NEXT, P_DEBUG, P_REGS };

#define P_ACTIVE 0x1u
#define P_END 0x2u
#define P_INT 0x4u
#define P_PAUSED 0x10u
#define P_ERROR 0x100u
#define P_RESET 0x80000000u
#define P_LITE 0x10000000u

struct pi_channel {
	uint32_t regs[P_REGS];
	uint32_t turn; /* steps of an earlier one are void */
	uint32_t row; /* bytes of a row, in 2D mode */
	bool is_loaded;
};

struct pi_engine {
	struct pi_channel channels[PI_CHANNELS];
	uint64_t nr_blocks, nr_2d;
	uint32_t last_info;
};

static inline void pi_step(struct model_device *dev, uint64_t arg);

static inline void pi_go(struct model_device *dev, unsigned int index)
{
	struct pi_engine *e = dev->state;

	model_after(dev, PI_NS, pi_step, (uint64_t)e->channels[index].turn << 8 | index);
}

static inline void pi_irq(struct model_device *dev, unsigned int index)
{
	struct pi_engine *e = dev->state;

	if (PI_LINE(index) < dev->nr_irqs)
		model_irq(dev, PI_LINE(index), e->channels[index].regs[P_CS] & P_INT);
}

static inline void pi_fail(struct pi_channel *ch, uint32_t error)
{
	ch->regs[P_DEBUG] |= error;
	ch->regs[P_CS] = (ch->regs[P_CS] & ~P_ACTIVE) | P_ERROR;
}

/* False: there is no other one, or it cannot be read. */
static inline bool pi_load(struct model_device *dev, struct pi_channel *ch)
{
	struct pi_engine *e = dev->state;
	uint32_t cb[8];

	if (!ch->regs[P_CONBLK]) {
		ch->regs[P_CS] &= ~P_ACTIVE;
		return false;
	}
	if (ch->regs[P_CONBLK] % sizeof(cb) ||
	    model_dma_read(dev, ch->regs[P_CONBLK], cb, sizeof(cb))) {
		pi_fail(ch, 4);
		return false;
	}
	memcpy(&ch->regs[P_TI], cb, 6 * sizeof(cb[0]));
	ch->row = ch->regs[P_LEN] & 0xffff;
	ch->is_loaded = true;
	e->nr_blocks++;
	e->nr_2d += ch->regs[P_TI] >> 1 & 1;
	e->last_info = ch->regs[P_TI];
	return true;
}

static inline void pi_end_block(struct model_device *dev, unsigned int index)
{
	struct pi_engine *e = dev->state;
	struct pi_channel *ch = &e->channels[index];

	ch->is_loaded = false;
	ch->regs[P_CS] |= P_END | (ch->regs[P_TI] & 1 ? P_INT : 0);
	ch->regs[P_CONBLK] = ch->regs[P_NEXT];
	if (!ch->regs[P_CONBLK])
		ch->regs[P_CS] &= ~P_ACTIVE;
	pi_irq(dev, index);
	if (ch->regs[P_CS] & P_ACTIVE)
		pi_go(dev, index);
}

/* A signed number of 16 bits. */
static inline uint32_t pi_extend(uint32_t half)
{
	return (half ^ 0x8000) - 0x8000;
}

/* Part of a row. In 2D mode the rows that follow are counted above its bytes. */
static inline bool pi_move(struct model_device *dev, struct pi_channel *ch)
{
	bool is_2d = ch->regs[P_TI] & 2;
	uint32_t left = is_2d ? ch->regs[P_LEN] & 0xffff : ch->regs[P_LEN];
	uint32_t size = left < PI_CHUNK ? left : PI_CHUNK;
	uint8_t data[PI_CHUNK];

	if (!(ch->regs[P_TI] & 0x10) || !(ch->regs[P_TI] & 0x100))
		size = left < 4 ? left : 4;
	if (model_dma_read(dev, ch->regs[P_SRC], data, size)) {
		pi_fail(ch, 4);
		return false;
	}
	/* A write that is not answered is told to nobody. */
	model_dma_write(dev, ch->regs[P_DST], data, size);
	ch->regs[P_LEN] -= size;
	ch->regs[P_SRC] += ch->regs[P_TI] & 0x100 ? size : 0;
	ch->regs[P_DST] += ch->regs[P_TI] & 0x10 ? size : 0;
	if (is_2d && size == left && ch->regs[P_LEN] >> 16) {
		ch->regs[P_LEN] += ch->row - 0x10000;
		ch->regs[P_SRC] += pi_extend(ch->regs[P_STRIDE] & 0xffff);
		ch->regs[P_DST] += pi_extend(ch->regs[P_STRIDE] >> 16);
	}
	return true;
}

static inline void pi_step(struct model_device *dev, uint64_t arg)
{
	struct pi_engine *e = dev->state;
	unsigned int index = arg & 0xff;
	struct pi_channel *ch = &e->channels[index];

	if (arg >> 8 != ch->turn || !(ch->regs[P_CS] & P_ACTIVE))
		return;
	if ((!ch->is_loaded && !pi_load(dev, ch)) || !pi_move(dev, ch))
		return;
	if (ch->regs[P_LEN])
		pi_go(dev, index);
	else
		pi_end_block(dev, index);
}

static inline void pi_control(struct model_device *dev, unsigned int index, uint32_t value)
{
	struct pi_engine *e = dev->state;
	struct pi_channel *ch = &e->channels[index];
	bool was_active = ch->regs[P_CS] & P_ACTIVE;

	ch->regs[P_CS] &= ~(value & (P_END | P_INT)) & ~P_ACTIVE;
	ch->regs[P_CS] |= value & P_ACTIVE;
	if (value & P_RESET) {
		ch->regs[P_CS] = 0;
		ch->regs[P_CONBLK] = 0;
		ch->is_loaded = false;
	}
	if (!ch->regs[P_CONBLK])
		ch->regs[P_CS] &= ~P_ACTIVE;
	pi_irq(dev, index);
	if (!(ch->regs[P_CS] & P_ACTIVE)) {
		ch->turn++;
	} else if (!was_active) {
		ch->turn++;
		pi_go(dev, index);
	}
}

static inline uint64_t pi_read(struct model_device *dev, uint64_t offset, unsigned int bytes)
{
	struct pi_engine *e = dev->state;
	unsigned int index = (unsigned int)(offset / 0x100),
		     reg = (unsigned int)(offset % 0x100 / 4);

	(void)bytes;
	return index < PI_CHANNELS && reg < P_REGS ? e->channels[index].regs[reg] : 0;
}

static inline void pi_write(struct model_device *dev, uint64_t offset, unsigned int bytes,
			    uint64_t value)
{
	struct pi_engine *e = dev->state;
	unsigned int index = (unsigned int)(offset / 0x100),
		     reg = (unsigned int)(offset % 0x100 / 4);

	(void)bytes;
	if (index >= PI_CHANNELS)
		return;
	if (reg == P_CS)
		pi_control(dev, index, (uint32_t)value);
	else if (reg == P_CONBLK)
		e->channels[index].regs[reg] = (uint32_t)value;
	else if (reg == P_DEBUG)
		e->channels[index].regs[reg] &= ~((uint32_t)value & 7);
	if (reg == P_DEBUG && !(e->channels[index].regs[reg] & 7))
		e->channels[index].regs[P_CS] &= ~P_ERROR;
}

static inline int pi_begin(struct model_device *dev)
{
	struct pi_engine *e = dev->state;

	for (unsigned int i = PI_FIRST_LITE; i < PI_CHANNELS; i++)
		e->channels[i].regs[P_DEBUG] = P_LITE;
	return 0;
}

static const struct model_device_type pi_engine_type = {
	.compatible = "brcm,bcm2835-dma",
	.state_size = sizeof(struct pi_engine),
	.start = pi_begin,
	.read = pi_read,
	.write = pi_write,
};

#endif
