// SPDX-License-Identifier: BSD-2-Clause
/*
 * The memory-to-memory engine of the SiFive FU540-C000 (manual, chapter 12): four channels, each a
 * page of registers. The Next registers say what to do, the Exec registers how far it is.
 */
#include <errno.h>
#include <string.h>

#include "devices.h"

#define CHANNELS 4
#define CHANNEL_STRIDE 0x1000u

enum {
	REG_CONTROL = 0x000,
	REG_NEXT_CONFIG = 0x004,
	REG_NEXT_BYTES = 0x008,
	REG_NEXT_DESTINATION = 0x010,
	REG_NEXT_SOURCE = 0x018,
	REG_EXEC_CONFIG = 0x104,
	REG_EXEC_BYTES = 0x108,
	REG_EXEC_DESTINATION = 0x110,
	REG_EXEC_SOURCE = 0x118,
};

#define CONTROL_CLAIM 0x00000001u
#define CONTROL_RUN 0x00000002u
#define CONTROL_DONE_IE 0x00004000u
#define CONTROL_ERROR_IE 0x00008000u
#define CONTROL_DONE 0x40000000u
#define CONTROL_ERROR 0x80000000u
#define CONTROL_WRITABLE                                                                   \
	(CONTROL_CLAIM | CONTROL_RUN | CONTROL_DONE_IE | CONTROL_ERROR_IE | CONTROL_DONE | \
	 CONTROL_ERROR)

#define CONFIG_REPEAT 0x4u
#define CONFIG_ORDER 0x8u
#define CONFIG_WSIZE(config) ((config) >> 24 & 0xf)
#define CONFIG_RSIZE(config) ((config) >> 28 & 0xf)
#define CONFIG_RESET 0x66000000u
#define CONFIG_WRITABLE (0xff000000u | CONFIG_REPEAT | CONFIG_ORDER)

#define MAX_SIZE_LOG2 6u
#define CHUNK 1024u
/* At a speed that was asked for: the Exec registers move often. */
#define SLOW_CHUNK 256u
#define START_NS 50u
/* Each transaction costs this on top of a nanosecond for every four bytes. */
#define TRANSACTION_NS 2u
#define BYTES_PER_NS 4u

struct transfer {
	uint32_t config;
	uint64_t bytes, destination, source;
};

struct channel {
	uint32_t control;
	struct transfer next, exec;
};

struct pdma {
	struct channel channels[CHANNELS];

	/* The outside. */
	uint64_t ns_per_kib; /* 0: as the data sheet says */
	uint64_t fails_in; /* transactions until the one that fails, with it; 0: none does */
	bool fails_at_destination;
	uint32_t hung; /* channels that stand still */
};

static void update_irq(struct model_device *dev, unsigned int index)
{
	struct pdma *pdma = dev->state;
	uint32_t control = pdma->channels[index].control;

	model_irq(dev, 2 * index, (control & CONTROL_DONE_IE) && (control & CONTROL_DONE));
	model_irq(dev, 2 * index + 1, (control & CONTROL_ERROR_IE) && (control & CONTROL_ERROR));
}

/* Bytes of a transaction: 64 at most, whatever the register says. */
static uint64_t transaction(uint32_t config)
{
	uint32_t size = CONFIG_WSIZE(config);

	return 1ULL << (size < MAX_SIZE_LOG2 ? size : MAX_SIZE_LOG2);
}

static uint64_t chunk_bytes(const struct pdma *pdma, const struct channel *ch)
{
	uint64_t chunk = pdma->ns_per_kib ? SLOW_CHUNK : CHUNK;

	return ch->exec.bytes < chunk ? ch->exec.bytes : chunk;
}

static uint64_t transactions(const struct channel *ch, uint64_t bytes)
{
	uint64_t each = transaction(ch->exec.config);

	return (bytes + each - 1) / each;
}

static uint64_t chunk_ns(const struct pdma *pdma, const struct channel *ch)
{
	uint64_t bytes = chunk_bytes(pdma, ch);

	if (pdma->ns_per_kib)
		return bytes * pdma->ns_per_kib / 1024;
	return bytes / BYTES_PER_NS + transactions(ch, bytes) * TRANSACTION_NS;
}

static uint64_t start_ns(const struct pdma *pdma, const struct channel *ch)
{
	return (pdma->ns_per_kib ? 0 : START_NS) + chunk_ns(pdma, ch);
}

static void finish(struct model_device *dev, unsigned int index, uint32_t how)
{
	struct pdma *pdma = dev->state;
	struct channel *ch = &pdma->channels[index];

	ch->control = (ch->control & ~CONTROL_RUN) | how;
	update_irq(dev, index);
}

static void step_0(struct model_device *dev, uint64_t arg);
static void step_1(struct model_device *dev, uint64_t arg);
static void step_2(struct model_device *dev, uint64_t arg);
static void step_3(struct model_device *dev, uint64_t arg);

/* One function for each channel, so that model_cancel() can tell them apart. */
static void (*const chunk_steps[CHANNELS])(struct model_device *dev, uint64_t arg) = {
	step_0,
	step_1,
	step_2,
	step_3,
};

/* So many bytes; -EFAULT if either side does not answer. What was read is told apart from what was written. */
static int move(struct model_device *dev, struct channel *ch, uint64_t size)
{
	uint8_t data[CHUNK];

	if (!size)
		return 0;
	if (model_dma_read(dev, ch->exec.source, data, size))
		return -EFAULT;
	ch->exec.source += size;
	if (model_dma_write(dev, ch->exec.destination, data, size))
		return -EFAULT;
	ch->exec.destination += size;
	ch->exec.bytes -= size;
	return 0;
}

/* The next chunk, of which a transaction may have been asked to fail. */
static int move_chunk(struct model_device *dev, struct channel *ch)
{
	struct pdma *pdma = dev->state;
	uint64_t size = chunk_bytes(pdma, ch), nr = transactions(ch, size);
	uint64_t each = transaction(ch->exec.config), before;

	if (!pdma->fails_in || pdma->fails_in > nr) {
		pdma->fails_in -= pdma->fails_in ? nr : 0;
		return move(dev, ch, size);
	}
	before = (pdma->fails_in - 1) * each;
	pdma->fails_in = 0;
	if (!move(dev, ch, before) && pdma->fails_at_destination)
		ch->exec.source += size - before < each ? size - before : each;
	return -EFAULT;
}

static void chunk_step(struct model_device *dev, unsigned int index)
{
	struct pdma *pdma = dev->state;
	struct channel *ch = &pdma->channels[index];

	if (pdma->hung >> index & 1)
		return;
	if (move_chunk(dev, ch)) {
		finish(dev, index, CONTROL_ERROR);
		return;
	}
	if (ch->exec.bytes) {
		model_after(dev, chunk_ns(pdma, ch), chunk_steps[index], 0);
		return;
	}
	if (!(ch->exec.config & CONFIG_REPEAT)) {
		finish(dev, index, CONTROL_DONE);
		return;
	}
	ch->exec = ch->next;
	ch->control |= CONTROL_DONE;
	update_irq(dev, index);
	model_after(dev, start_ns(pdma, ch), chunk_steps[index], 0);
}

static void step_0(struct model_device *dev, uint64_t arg)
{
	(void)arg;
	chunk_step(dev, 0);
}

static void step_1(struct model_device *dev, uint64_t arg)
{
	(void)arg;
	chunk_step(dev, 1);
}

static void step_2(struct model_device *dev, uint64_t arg)
{
	(void)arg;
	chunk_step(dev, 2);
}

static void step_3(struct model_device *dev, uint64_t arg)
{
	(void)arg;
	chunk_step(dev, 3);
}

static void run(struct model_device *dev, unsigned int index)
{
	struct pdma *pdma = dev->state;
	struct channel *ch = &pdma->channels[index];

	ch->control &= ~(CONTROL_DONE | CONTROL_ERROR);
	if (CONFIG_WSIZE(ch->next.config) != CONFIG_RSIZE(ch->next.config)) {
		finish(dev, index, CONTROL_ERROR);
		return;
	}
	ch->exec = ch->next;
	update_irq(dev, index);
	model_after(dev, start_ns(pdma, ch), chunk_steps[index], 0);
}

/*
 * A claim clears the Next registers. A channel cannot be given up while it runs, and runs only if
 * it was claimed by an earlier write. Clearing RUN stops it: no access to memory follows.
 */
static void write_control(struct model_device *dev, unsigned int index, uint32_t value)
{
	struct pdma *pdma = dev->state;
	struct channel *ch = &pdma->channels[index];
	bool was_claimed = ch->control & CONTROL_CLAIM, was_running = ch->control & CONTROL_RUN;

	if (!was_claimed && (value & CONTROL_CLAIM))
		ch->next = (struct transfer){ .config = CONFIG_RESET };
	if (was_running)
		value |= CONTROL_CLAIM;
	if (!was_claimed)
		value &= ~CONTROL_RUN;
	ch->control = value & CONTROL_WRITABLE;
	if (was_running && !(value & CONTROL_RUN))
		model_cancel(dev, chunk_steps[index]);
	if (!was_running && (ch->control & CONTROL_RUN))
		run(dev, index);
	update_irq(dev, index);
}

/* Half @half of a 64-bit register, or all of it. */
static uint64_t part(uint64_t value, unsigned int half, unsigned int bytes)
{
	return bytes == 8 ? value : (uint32_t)(value >> 32 * half);
}

static uint64_t pdma_read(struct model_device *dev, uint64_t offset, unsigned int bytes)
{
	const struct pdma *pdma = dev->state;
	unsigned int half = offset >> 2 & 1;
	const struct channel *ch;

	if (offset / CHANNEL_STRIDE >= CHANNELS || (bytes != 4 && bytes != 8))
		return 0;
	ch = &pdma->channels[offset / CHANNEL_STRIDE];
	switch (offset % CHANNEL_STRIDE) {
	case REG_CONTROL:
		return ch->control;
	case REG_NEXT_CONFIG:
		return ch->next.config;
	case REG_EXEC_CONFIG:
		return ch->exec.config;
	}
	switch (offset % CHANNEL_STRIDE & ~4ULL) {
	case REG_NEXT_BYTES:
		return part(ch->next.bytes, half, bytes);
	case REG_NEXT_DESTINATION:
		return part(ch->next.destination, half, bytes);
	case REG_NEXT_SOURCE:
		return part(ch->next.source, half, bytes);
	case REG_EXEC_BYTES:
		return part(ch->exec.bytes, half, bytes);
	case REG_EXEC_DESTINATION:
		return part(ch->exec.destination, half, bytes);
	case REG_EXEC_SOURCE:
		return part(ch->exec.source, half, bytes);
	default:
		return 0;
	}
}

static void set_part(uint64_t *reg, unsigned int half, unsigned int bytes, uint64_t value)
{
	if (bytes == 8)
		*reg = value;
	else if (half)
		*reg = (uint32_t)*reg | value << 32;
	else
		*reg = (*reg & ~0xffffffffULL) | (uint32_t)value;
}

static void pdma_write(struct model_device *dev, uint64_t offset, unsigned int bytes,
		       uint64_t value)
{
	struct pdma *pdma = dev->state;
	unsigned int index = (unsigned int)(offset / CHANNEL_STRIDE), half = offset >> 2 & 1;
	struct channel *ch;

	if (index >= CHANNELS || (bytes != 4 && bytes != 8))
		return;
	ch = &pdma->channels[index];
	switch (offset % CHANNEL_STRIDE) {
	case REG_CONTROL:
		write_control(dev, index, (uint32_t)value);
		return;
	case REG_NEXT_CONFIG:
		ch->next.config = (uint32_t)value & CONFIG_WRITABLE;
		return;
	}
	switch (offset % CHANNEL_STRIDE & ~4ULL) {
	case REG_NEXT_BYTES:
		set_part(&ch->next.bytes, half, bytes, value);
		break;
	case REG_NEXT_DESTINATION:
		set_part(&ch->next.destination, half, bytes, value);
		break;
	case REG_NEXT_SOURCE:
		set_part(&ch->next.source, half, bytes, value);
		break;
	}
}

const struct model_device_type model_pdma = {
	.compatible = "sifive,fu540-c000-pdma",
	.state_size = sizeof(struct pdma),
	.read = pdma_read,
	.write = pdma_write,
};

/* The engine at a path, with the model's lock; NULL without it. */
static struct pdma *find(const char *path)
{
	struct model_device *dev;

	model_lock();
	dev = model_find(path);
	if (dev && dev->type == &model_pdma)
		return dev->state;
	model_unlock();
	return NULL;
}

int berth_model_pdma_speed(const char *path, uint64_t ns_per_kib)
{
	struct pdma *pdma = find(path);

	if (!pdma)
		return -ENODEV;
	pdma->ns_per_kib = ns_per_kib;
	model_unlock();
	return 0;
}

int berth_model_pdma_fail(const char *path, uint64_t nth, bool at_destination)
{
	struct pdma *pdma = find(path);

	if (!pdma)
		return -ENODEV;
	pdma->fails_in = nth;
	pdma->fails_at_destination = at_destination;
	model_unlock();
	return 0;
}

int berth_model_pdma_hang(const char *path, uint32_t channels)
{
	struct pdma *pdma = find(path);

	if (!pdma)
		return -ENODEV;
	pdma->hung = channels;
	model_unlock();
	return 0;
}
