// SPDX-License-Identifier: BSD-2-Clause
/*
 * A peripheral for DMA engines: what is written into its window is played, what is read from there was
 * sampled. Both are a sequence, so that whatever is lost, doubled or out of order shows.
 */
#include <errno.h>
#include <string.h>

#include "devices.h"

enum {
	REG_ID = 0x00,
	REG_CONTROL = 0x04,
	REG_CONSUMED = 0x08,
	REG_PRODUCED = 0x10,
	REG_BREAKS = 0x18,
	WINDOW = 0x1000,
	WINDOW_END = 0x2000,
};

#define ID 0x46494631u
#define CONTROL_RESET 0x1u
#define WORD 8u

struct fifo {
	uint64_t consumed, produced; /* bytes */
	uint64_t breaks, first_break;
	uint64_t next; /* the word that is expected */
	uint8_t word[WORD]; /* the one that is coming in */
};

static void take_word(struct fifo *fifo)
{
	uint64_t word;

	memcpy(&word, fifo->word, WORD);
	if (word != fifo->next && !fifo->breaks++)
		fifo->first_break = fifo->consumed - WORD;
	fifo->next = word + 1;
}

static void consume(struct fifo *fifo, uint64_t value, unsigned int bytes)
{
	for (unsigned int i = 0; i < bytes; i++) {
		fifo->word[fifo->consumed++ % WORD] = (uint8_t)(value >> 8 * i);
		if (fifo->consumed % WORD == 0)
			take_word(fifo);
	}
}

static uint64_t produce(struct fifo *fifo, unsigned int bytes)
{
	uint64_t value = 0;

	for (unsigned int i = 0; i < bytes; i++, fifo->produced++)
		value |= (fifo->produced / WORD >> 8 * (fifo->produced % WORD) & 0xff) << 8 * i;
	return value;
}

static uint32_t half(uint64_t value, uint64_t offset)
{
	return (uint32_t)(offset & 4 ? value >> 32 : value);
}

static uint64_t fifo_read(struct model_device *dev, uint64_t offset, unsigned int bytes)
{
	struct fifo *fifo = dev->state;

	if (offset >= WINDOW)
		return offset < WINDOW_END ? produce(fifo, bytes) : 0;
	if (bytes != 4)
		return 0;
	switch (offset & ~4ull) {
	case REG_CONSUMED:
		return half(fifo->consumed, offset);
	case REG_PRODUCED:
		return half(fifo->produced, offset);
	case REG_BREAKS:
		return half(fifo->breaks, offset);
	default:
		return offset == REG_ID ? ID : 0;
	}
}

static void fifo_write(struct model_device *dev, uint64_t offset, unsigned int bytes,
		       uint64_t value)
{
	struct fifo *fifo = dev->state;

	if (offset >= WINDOW && offset < WINDOW_END)
		consume(fifo, value, bytes);
	else if (offset == REG_CONTROL && bytes == 4 && value & CONTROL_RESET)
		memset(fifo, 0, sizeof(*fifo));
}

const struct model_device_type model_fifo = {
	.compatible = "berth,model-fifo",
	.state_size = sizeof(struct fifo),
	.read = fifo_read,
	.write = fifo_write,
};

int berth_model_fifo_stats(const char *path, struct berth_model_fifo_stats *stats)
{
	const struct model_device *dev;
	int ret = -ENODEV;

	model_lock();
	dev = model_find(path);
	if (dev && dev->type == &model_fifo) {
		const struct fifo *fifo = dev->state;

		*stats = (struct berth_model_fifo_stats){
			.consumed = fifo->consumed,
			.produced = fifo->produced,
			.breaks = fifo->breaks,
			.first_break = fifo->first_break,
		};
		ret = 0;
	}
	model_unlock();
	return ret;
}
