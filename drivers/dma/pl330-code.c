// SPDX-License-Identifier: BSD-2-Clause
/*
 * Programs of the PL330: DDI 0424, chapter 4.
 *
 * A burst is loaded into the controller's FIFO and stored from there, with beats of the same size on
 * both sides and both addresses aligned to it: what is in the FIFO then never straddles one of its
 * lines, and each burst is out of it before the registers change. So beats are as wide as both addresses
 * have in common, with single bytes in front and behind. Bursts may cross a multiple of 4 KiB; the
 * controller splits those.
 */
#include "pl330.h"

#define END 0x00u
#define LD 0x04u
#define ST 0x08u
#define WMB 0x13u
#define LP(counter) (0x20u | (counter) << 1)
#define LDP(is_burst) (0x25u | (is_burst) << 1)
#define STP(is_burst) (0x29u | (is_burst) << 1)
#define WFP(is_burst) (0x30u | (is_burst) << 1)
#define SEV 0x34u
#define FLUSHP 0x35u
#define LPEND(counter) (0x38u | (counter) << 2)
#define MOV 0xbcu
#define OPERAND(number) ((number) << 3)

#define MOV_BYTES 6u
#define END_BYTES 4u

#define REG_SRC 0u
#define REG_CCR 1u
#define REG_DST 2u

#define CCR_SRC_INC 1u
#define CCR_SRC(shift, beats) ((uint32_t)(shift) << 1 | ((beats)-1) << 4)
#define CCR_SRC_NON_SECURE (1u << 9)
#define CCR_DST_INC (1u << 14)
#define CCR_DST(shift, beats) ((uint32_t)(shift) << 15 | ((beats)-1) << 18)
#define CCR_DST_NON_SECURE (1u << 23)

/* A loop's counter has 8 bits, and there are two. */
#define TURNS 256u

/* Bursts of one kind, one behind the other. */
struct run {
	unsigned int shift, beats;
	uint32_t inner, outer; /* as many bursts as their product */
};

static void put(struct pl330_program *program, unsigned int opcode)
{
	if (program->bytes)
		program->bytes[program->used] = (uint8_t)opcode;
	program->used++;
}

static void put_two(struct pl330_program *program, unsigned int opcode, unsigned int operand)
{
	if (program->bytes) {
		uint8_t *at = program->bytes + program->used;

		at[0] = (uint8_t)opcode;
		at[1] = (uint8_t)operand;
	}
	program->used += 2;
}

static void write_move(uint8_t *at, unsigned int reg, uint32_t value)
{
	at[0] = MOV;
	at[1] = (uint8_t)reg;
	at[2] = (uint8_t)value;
	at[3] = (uint8_t)(value >> 8);
	at[4] = (uint8_t)(value >> 16);
	at[5] = (uint8_t)(value >> 24);
}

static void put_move(struct pl330_program *program, unsigned int reg, uint32_t value)
{
	if (program->bytes)
		write_move(program->bytes + program->used, reg, value);
	program->used += MOV_BYTES;
}

static void set(struct pl330_program *program, unsigned int reg, uint32_t *now, uint32_t value)
{
	if ((program->is_set & 1u << reg) && *now == value)
		return;
	put_move(program, reg, value);
	*now = value;
	program->is_set |= 1u << reg;
}

static bool is_src_moving(const struct pl330_shape *shape)
{
	return shape->kind == PL330_COPY || shape->kind == PL330_TO_DEVICE;
}

static bool is_dst_moving(const struct pl330_shape *shape)
{
	return shape->kind != PL330_TO_DEVICE;
}

static uint32_t ccr_of(const struct pl330_shape *shape, const struct run *run)
{
	uint32_t ccr = CCR_SRC(run->shift, run->beats) | CCR_DST(run->shift, run->beats);

	if (is_src_moving(shape))
		ccr |= CCR_SRC_INC;
	if (is_dst_moving(shape))
		ccr |= CCR_DST_INC;
	if (shape->is_non_secure)
		ccr |= CCR_SRC_NON_SECURE | CCR_DST_NON_SECURE;
	return ccr;
}

static bool is_requested(const struct pl330_shape *shape)
{
	return shape->request != PL330_NO_REQUEST;
}

/* A peripheral asks for a whole burst, or for one beat: so it is not asked for part of a burst. */
static bool is_burst(const struct run *run, const struct pl330_shape *shape)
{
	return shape->beats > 1 && run->beats == shape->beats;
}

static void put_burst(struct pl330_program *program, const struct pl330_shape *shape,
		      const struct run *run)
{
	unsigned int whole = is_burst(run, shape);

	if (!is_requested(shape)) {
		put(program, LD);
		put(program, ST);
		return;
	}
	put_two(program, WFP(whole), OPERAND(shape->request));
	if (shape->kind == PL330_TO_DEVICE) {
		put(program, LD);
		put_two(program, STP(whole), OPERAND(shape->request));
	} else {
		put_two(program, LDP(whole), OPERAND(shape->request));
		put(program, ST);
	}
}

static void put_loop_end(struct pl330_program *program, unsigned int counter, unsigned int body)
{
	unsigned int back = program->used - body;

	put_two(program, LPEND(counter), back);
}

static void put_loops(struct pl330_program *program, const struct pl330_shape *shape,
		      const struct run *run)
{
	unsigned int outer = 0, inner = 0;

	if (run->outer > 1) {
		put_two(program, LP(0u), run->outer - 1);
		outer = program->used;
	}
	if (run->inner > 1) {
		put_two(program, LP(1u), run->inner - 1);
		inner = program->used;
	}
	put_burst(program, shape, run);
	if (run->inner > 1)
		put_loop_end(program, 1, inner);
	if (run->outer > 1)
		put_loop_end(program, 0, outer);
}

static uint32_t smaller(uint32_t a, uint32_t b)
{
	return a < b ? a : b;
}

/* As many bursts of @beats as loops can do at once; fewer beats if there is not one whole burst. */
static struct run take_beats(unsigned int shift, unsigned int beats, uint32_t left)
{
	struct run run = { .shift = shift, .beats = smaller(beats, left), .outer = 1 };

	run.inner = left / run.beats;
	if (run.inner > TURNS) {
		run.outer = smaller(run.inner / TURNS, TURNS);
		run.inner = TURNS;
	}
	return run;
}

static struct run next_of_memory(const struct pl330_shape *shape, uint32_t src, uint32_t dst,
				 uint32_t left)
{
	uint32_t apart = shape->kind == PL330_FILL ? 0 : src ^ dst, beat, front;
	unsigned int shift = shape->shift;

	while (apart & ((1u << shift) - 1))
		shift--;
	beat = 1u << shift;
	front = -dst & (beat - 1);
	if (front)
		return take_beats(0, shape->beats, smaller(front, left));
	if (left < beat)
		return take_beats(0, shape->beats, left);
	return take_beats(shift, shape->beats, left >> shift);
}

static struct run next_run(const struct pl330_shape *shape, uint32_t src, uint32_t dst,
			   uint32_t left)
{
	uint32_t beats = left >> shape->shift;

	if (shape->kind == PL330_COPY || shape->kind == PL330_FILL)
		return next_of_memory(shape, src, dst, left);
	if (is_requested(shape) && beats < shape->beats)
		return take_beats(shape->shift, 1, beats);
	return take_beats(shape->shift, shape->beats, beats);
}

void berth_pl330_begin(struct pl330_program *program, uint8_t *bytes, unsigned int size,
		       const struct pl330_shape *shape)
{
	*program = (struct pl330_program){ .bytes = bytes, .size = size };
	if (is_requested(shape)) {
		put_two(program, FLUSHP, OPERAND(shape->request));
	}
}

uint32_t berth_pl330_add(struct pl330_program *program, const struct pl330_shape *shape,
			 uint32_t src, uint32_t dst, uint32_t len)
{
	uint32_t left = len;

	while (left) {
		struct run run = next_run(shape, src, dst, left);
		uint32_t bytes = run.beats * run.inner * run.outer << run.shift;
		/* Both loops, three registers and a burst: the most that is put below. */
		unsigned int most = 8 + 3 * MOV_BYTES + 5;

		if (program->used + most + END_BYTES > program->size)
			break;
		set(program, REG_SRC, &program->src, src);
		set(program, REG_DST, &program->dst, dst);
		set(program, REG_CCR, &program->ccr, ccr_of(shape, &run));
		if (left == len)
			program->moves = program->used;
		put_loops(program, shape, &run);
		if (is_src_moving(shape))
			src += bytes;
		if (is_dst_moving(shape))
			dst += bytes;
		program->src = src;
		program->dst = dst;
		left -= bytes;
	}
	return len - left;
}

void berth_pl330_end(struct pl330_program *program, unsigned int event)
{
	put(program, WMB);
	put_two(program, SEV, OPERAND(event));
	put(program, END);
}
