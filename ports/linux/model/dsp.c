// SPDX-License-Identifier: BSD-2-Clause
/*
 * The signal processor "berth,model-dsp". Its registers are words of dual-ported RAM: nothing happens when one is
 * written, but the device looks at them at a fixed period. So who has them mapped, in whatever process, drives it.
 * The data sheet is in docs/model-devices.md.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include <libfdt.h>

#include "devices.h"
#include "internal.h"

struct registers {
	uint32_t id, control, status, irq_status, irq_enable, irq_ack, doorbell, done;
	uint32_t command, length, source[2], target[2], key, result;
	uint32_t looks, hang;
};

_Static_assert(offsetof(struct registers, hang) == 0x44, "as in the data sheet");

#define DSP_ID 0x44535031u
#define CONTROL_ENABLE 0x1u
#define STATUS_RUNNING 0x1u
#define STATUS_WRITING 0x2u
#define STATUS_BUS_ERROR 0x4u
#define STATUS_BAD_COMMAND 0x8u
#define IRQ_DONE 0x1u
#define IRQ_ERROR 0x2u

#define MAX_LENGTH (16u << 20)
#define DEFAULT_PERIOD_US 100u

enum { COPY = 1, XOR, CHECKSUM, WRITE, STOP };

struct dsp {
	uint64_t period_ns;
	bool is_up;
	uint32_t status, irq_status, done, result, looks;
	/* Of the writer: where it goes, and how often it has been there. */
	uint64_t target;
	uint32_t length, laps;
};

static uint64_t address(const uint32_t *words)
{
	return (uint64_t)words[1] << 32 | words[0];
}

static bool has_bytes(uint32_t command)
{
	return command == COPY || command == XOR || command == CHECKSUM;
}

/* 0, or the bit of STATUS that says what went wrong. */
static uint32_t work(struct model_device *dev, const struct registers *regs, uint8_t *bytes)
{
	struct dsp *dsp = dev->state;

	if (model_dma_read(dev, address(regs->source), bytes, regs->length))
		return STATUS_BUS_ERROR;
	if (regs->command == CHECKSUM) {
		dsp->result = regs->key;
		for (uint32_t i = 0; i < regs->length; i++)
			dsp->result = dsp->result * 31 + bytes[i];
		return 0;
	}
	for (uint32_t i = 0; regs->command == XOR && i < regs->length; i++)
		bytes[i] ^= (uint8_t)(regs->key >> 8 * (i % 4));
	return model_dma_write(dev, address(regs->target), bytes, regs->length) ? STATUS_BUS_ERROR
										: 0;
}

static uint32_t execute(struct model_device *dev, const struct registers *regs)
{
	struct dsp *dsp = dev->state;
	uint32_t status;
	uint8_t *bytes;

	if (regs->command == STOP) {
		dsp->status &= ~STATUS_WRITING;
		return 0;
	}
	if (!regs->length || regs->length > MAX_LENGTH)
		return STATUS_BAD_COMMAND;
	if (regs->command == WRITE && regs->length >= 4) {
		dsp->target = address(regs->target);
		dsp->length = regs->length & ~3u;
		dsp->laps = 0;
		dsp->status |= STATUS_WRITING;
		return 0;
	}
	if (!has_bytes(regs->command))
		return STATUS_BAD_COMMAND;
	bytes = malloc(regs->length);
	if (!bytes)
		model_oom();
	status = work(dev, regs, bytes);
	free(bytes);
	return status;
}

static void take_command(struct model_device *dev, const struct registers *regs)
{
	struct dsp *dsp = dev->state;
	uint32_t errors;

	dsp->status &= ~(STATUS_BUS_ERROR | STATUS_BAD_COMMAND);
	errors = execute(dev, regs);
	dsp->status |= errors;
	dsp->irq_status |= IRQ_DONE | (errors ? IRQ_ERROR : 0);
	dsp->done = regs->doorbell;
}

/* The writer's word of this look. */
static void write_on(struct model_device *dev)
{
	struct dsp *dsp = dev->state;
	const uint32_t value = ++dsp->laps;
	const uint64_t at = dsp->target + (uint64_t)(value - 1) * 4 % dsp->length;

	if (!model_dma_write(dev, at, &value, sizeof(value)))
		return;
	dsp->status = (dsp->status & ~STATUS_WRITING) | STATUS_BUS_ERROR;
	dsp->irq_status |= IRQ_ERROR;
}

static void write_word(struct model_device *dev, size_t offset, uint32_t value)
{
	dma_write_physical(dev, dev->base + offset, &value, sizeof(value));
}

/* RAM holds anything at first. ID tells that the device has come up. */
static void power_up(struct model_device *dev)
{
	static const struct registers none;
	struct dsp *dsp = dev->state;

	if (dma_write_physical(dev, dev->base, &none, sizeof(none)))
		return;
	write_word(dev, offsetof(struct registers, id), DSP_ID);
	dsp->is_up = true;
}

static void look(struct model_device *dev, uint64_t arg)
{
	struct dsp *dsp = dev->state;
	struct registers regs;

	(void)arg;
	model_after(dev, dsp->period_ns, look, 0);
	if (!dsp->is_up) {
		power_up(dev);
		return;
	}
	if (dma_read_physical(dev, dev->base, &regs, sizeof(regs)))
		return;
	if (regs.irq_ack) {
		dsp->irq_status &= ~regs.irq_ack;
		write_word(dev, offsetof(struct registers, irq_ack), 0);
	}
	if (regs.control & CONTROL_ENABLE)
		dsp->status |= STATUS_RUNNING;
	else if (!regs.hang)
		dsp->status = 0;
	if ((dsp->status & STATUS_RUNNING) && regs.doorbell != dsp->done)
		take_command(dev, &regs);
	if (dsp->status & STATUS_WRITING)
		write_on(dev);
	write_word(dev, offsetof(struct registers, irq_status), dsp->irq_status);
	write_word(dev, offsetof(struct registers, result), dsp->result);
	write_word(dev, offsetof(struct registers, looks), ++dsp->looks);
	write_word(dev, offsetof(struct registers, status), dsp->status);
	/* Last: who sees it, sees the others. */
	write_word(dev, offsetof(struct registers, done), dsp->done);
	model_irq(dev, 0, (dsp->irq_status & regs.irq_enable) != 0);
}

static int start(struct model_device *dev)
{
	struct dsp *dsp = dev->state;
	int size;
	const fdt32_t *period = fdt_getprop(dev->fdt, dev->node, "berth,period-us", &size);
	const uint32_t us = period && size == 4 ? fdt32_to_cpu(*period) : DEFAULT_PERIOD_US;

	if (!us || dev->size < sizeof(struct registers) || dev->base % 4)
		return -EINVAL;
	dsp->period_ns = us * 1000ull;
	model_after(dev, dsp->period_ns, look, 0);
	return 0;
}

/* Through a cookie it is RAM as well. */
static uint64_t dsp_read(struct model_device *dev, uint64_t offset, unsigned int bytes)
{
	uint64_t value = 0;

	dma_read_physical(dev, dev->base + offset, &value, bytes);
	return value;
}

static void dsp_write(struct model_device *dev, uint64_t offset, unsigned int bytes, uint64_t value)
{
	dma_write_physical(dev, dev->base + offset, &value, bytes);
}

const struct model_device_type model_dsp = {
	.compatible = "berth,model-dsp",
	.state_size = sizeof(struct dsp),
	.start = start,
	.read = dsp_read,
	.write = dsp_write,
};
