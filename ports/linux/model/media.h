/* SPDX-License-Identifier: BSD-2-Clause */
/* What camera, decoder and display have alike: registers that are words, and one interrupt. */
#ifndef MODEL_MEDIA_H
#define MODEL_MEDIA_H

#include "devices.h"

/* The first registers of each; a device's state begins with them and its own behind. */
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

/* The code of pictures (media-code.c). */

/* Bytes at the end of what is coded. */
#define MEDIA_CHECKSUM 4u

enum media_damage {
	MEDIA_INTACT,
	MEDIA_NO_PACKET, /* no packet begins so */
	MEDIA_CUT, /* it ends too early */
	MEDIA_TOO_LONG, /* it goes on when the picture is full */
	MEDIA_CHECKSUM_WRONG,
};

/* Bytes of which @size bytes of picture become no more. */
size_t media_code_most(size_t size);

/* Return: the bytes at @coded, where media_code_most() must have room. */
size_t media_encode(const uint8_t *picture, size_t size, size_t stride, uint8_t *coded);

/* *@position: of the packet, or of the checksum, that is damaged. */
enum media_damage media_decode(const uint8_t *coded, size_t nr_coded, size_t stride,
			       uint8_t *picture, size_t size, size_t *position);

#endif
