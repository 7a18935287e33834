/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The PL330 driver's own: its programs, which pl330-code.c writes, and its descriptors. Registers and
 * instructions: CoreLink DMA-330 technical reference manual, Arm DDI 0424, chapters 3 and 4.
 */
#ifndef BERTH_DRIVERS_PL330_INTERNAL_H
#define BERTH_DRIVERS_PL330_INTERNAL_H

#include <berth/types.h>

/* What a thread has to do with each burst. */
enum pl330_kind {
	PL330_COPY, /* memory to memory */
	PL330_FILL, /* one place of memory, again and again, to memory */
	PL330_TO_DEVICE,
	PL330_FROM_DEVICE,
};

#define PL330_NO_REQUEST UINT32_MAX
#define PL330_MAX_BEATS 16u

/**
 * struct pl330_shape - how bytes are moved
 * @kind: between what
 * @shift: log2 of the bytes of a beat: of the widest for memory, of each for a peripheral
 * @beats: of a burst at most
 * @request: the peripheral's request line, or PL330_NO_REQUEST
 * @is_non_secure: the thread's accesses are
 */
struct pl330_shape {
	enum pl330_kind kind;
	uint8_t shift;
	uint8_t beats;
	uint32_t request;
	bool is_non_secure;
};

/**
 * struct pl330_program - a program that is being written
 * @bytes: where to; NULL to count only
 * @size: how many there may be, the end's included
 * @used: how many there are
 * @moves: where the last addition first moves a byte: before, its addresses are being set
 * @src: the thread's registers, if @is_set
 * @dst: likewise
 * @ccr: likewise
 * @is_set: which registers were set: BIT(number)
 */
struct pl330_program {
	uint8_t *bytes;
	unsigned int size;
	unsigned int used;
	unsigned int moves;
	uint32_t src, dst, ccr;
	uint32_t is_set;
};

/* Begin a program of at most @size bytes, PL330_MIN_PROGRAM or more. */
void berth_pl330_begin(struct pl330_program *program, uint8_t *bytes, unsigned int size,
		       const struct pl330_shape *shape);

/*
 * Move bytes; those whose address does not move are at it. For a peripheral its address, those of
 * memory and @len are multiples of a beat. Returns how many bytes there was room for.
 */
uint32_t berth_pl330_add(struct pl330_program *program, const struct pl330_shape *shape,
			 uint32_t src, uint32_t dst, uint32_t len);

/* All bytes are where they belong, then @event, then the end. */
void berth_pl330_end(struct pl330_program *program, unsigned int event);

/* Begin, the end, and the longest single step. */
#define PL330_MIN_PROGRAM 48u

#endif
