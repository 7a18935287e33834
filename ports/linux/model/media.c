// SPDX-License-Identifier: BSD-2-Clause
/* What camera, decoder and display have alike. */
#include "media.h"

void media_raise(struct model_device *dev, uint32_t bits)
{
	struct media_registers *regs = dev->state;

	regs->irq_status |= bits;
	model_irq(dev, 0, (regs->irq_status & regs->irq_enable) != 0);
}

uint64_t media_read(const struct model_device *dev, size_t size, uint64_t offset,
		    unsigned int bytes)
{
	const uint32_t *words = dev->state;

	return bytes == 4 && offset % 4 == 0 && offset < size ? words[offset / 4] : 0;
}

void media_write(struct model_device *dev, uint32_t writable, uint64_t offset, uint32_t value)
{
	struct media_registers *regs = dev->state;
	uint32_t *words = dev->state;

	if (offset == offsetof(struct media_registers, irq_status)) {
		regs->irq_status &= ~value;
		media_raise(dev, 0);
	} else if (offset == offsetof(struct media_registers, irq_enable)) {
		regs->irq_enable = value;
		media_raise(dev, 0);
	} else if (offset % 4 == 0 && offset < 128 && (writable >> offset / 4 & 1)) {
		words[offset / 4] = value;
	}
}
