/* SPDX-License-Identifier: BSD-2-Clause */
/* What the camera and the display have alike: registers that are words, and one interrupt. */
#ifndef MODEL_MEDIA_H
#define MODEL_MEDIA_H

#include "devices.h"

/* The first registers of both; a device's state begins with them and its own behind. */
struct media_registers {
	uint32_t id, control, status, irq_status, irq_enable;
};

/* The bit of a register in what media_write() may write. */
#define MEDIA_WORD(registers, name) (1u << offsetof(registers, name) / 4)

/* An address in two registers, the lower half first. */
static inline uint64_t media_address(const uint32_t half[2])
{
	return (uint64_t)half[1] << 32 | half[0];
}

/* Set bits of the interrupt status; none: only see to the line. */
void media_raise(struct model_device *dev, uint32_t bits);

/* A register of the first @size bytes of the state; 0 if there is none, or for another width. */
uint64_t media_read(const struct model_device *dev, size_t size, uint64_t offset,
		    unsigned int bytes);

/* The interrupt's registers, and those whose bit is in @writable. */
void media_write(struct model_device *dev, uint32_t writable, uint64_t offset, uint32_t value);

#endif
