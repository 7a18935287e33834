/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A thread of the PL330, as the manual has it (DDI 0424, chapter 4): an interpreter of its instructions
 * that looks at every rule for programs. For the tests of its driver.
 */
#ifndef TESTS_UNIT_PL330_THREAD_H
#define TESTS_UNIT_PL330_THREAD_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "../../drivers/dma/pl330.h"

#define MEMORY (1u << 20)
#define DEVICE 0xe0000030u
#define FIFO_BYTES 256u
#define EVENT 5u
#define CODE 1024u

struct thread {
	const uint8_t *code;
	unsigned int size, pc;
	uint32_t src, dst, ccr;
	unsigned int loops[2];
	uint8_t fifo[FIFO_BYTES];
	unsigned int nr_fifo;
	bool has_request, is_burst; /* DMAWFP was done, and for what */
	bool is_done;
	const char *fault;
	unsigned int events, bursts, beats, flushes;
	unsigned int stored; /* bytes */
	/* What a port saw: bytes written to DEVICE, or how many were read from it. */
	uint8_t *sent;
	unsigned int nr_sent, nr_read;
	uint32_t request;
	unsigned int widest;
};

static uint8_t memory[MEMORY];
static uint8_t wanted[MEMORY];
static uint8_t port[MEMORY];
static uint32_t state = 1;

static inline uint32_t below(uint32_t limit)
{
	state = state * 1664525u + 1013904223u;
	return (uint32_t)((uint64_t)(state >> 4) * limit >> 28);
}

/* A small length, a middle one, or a long one. */
static inline uint32_t length(uint32_t most)
{
	uint32_t few = below(3) == 0 ? 40 : below(2) ? 1500 : most;

	return 1 + below(few < most ? few : most);
}

static inline void stop(struct thread *thread, const char *why)
{
	if (!thread->fault)
		thread->fault = why;
}

static inline uint32_t word(const uint8_t *bytes)
{
	return bytes[0] | (uint32_t)bytes[1] << 8 | (uint32_t)bytes[2] << 16 |
	       (uint32_t)bytes[3] << 24;
}

/* What the device gives as its n-th byte. */
static inline uint8_t given(unsigned int n)
{
	return (uint8_t)(n * 7 + 3);
}

static inline void load_beat(struct thread *thread, uint32_t address, unsigned int bytes)
{
	for (unsigned int i = 0; i < bytes; i++) {
		if (thread->nr_fifo == FIFO_BYTES) {
			stop(thread, "the FIFO is full");
			return;
		}
		if (address == DEVICE) {
			thread->fifo[thread->nr_fifo++] = given(thread->nr_read++);
			continue;
		}
		if (address + i >= MEMORY) {
			stop(thread, "a load outside");
			return;
		}
		thread->fifo[thread->nr_fifo++] = memory[address + i];
	}
}

static inline void store_beat(struct thread *thread, uint32_t address, unsigned int bytes)
{
	if (thread->nr_fifo < bytes) {
		stop(thread, "the FIFO is empty");
		return;
	}
	for (unsigned int i = 0; i < bytes; i++) {
		if (address == DEVICE)
			thread->sent[thread->nr_sent++] = thread->fifo[i];
		else if (address + i < MEMORY)
			memory[address + i] = thread->fifo[i];
		else
			stop(thread, "a store outside");
	}
	thread->stored += bytes;
	thread->nr_fifo -= bytes;
	memmove(thread->fifo, thread->fifo + bytes, thread->nr_fifo);
}

typedef void (*beat_t)(struct thread *thread, uint32_t address, unsigned int bytes);

/* A burst of one side; @fields: where that side's begin in CCR. */
static inline void burst(struct thread *thread, uint32_t *address, uint32_t fields, beat_t move)
{
	bool is_moving = fields & 1;
	unsigned int bytes = 1u << (fields >> 1 & 7), beats = (fields >> 4 & 15) + 1;

	if (*address % bytes)
		stop(thread, "a burst is not aligned");
	if (bytes > thread->widest)
		stop(thread, "a beat is wider than the bus");
	for (unsigned int i = 0; i < beats && !thread->fault; i++) {
		move(thread, *address, bytes);
		if (is_moving)
			*address += bytes;
	}
	thread->bursts++;
	thread->beats += beats;
}

static inline void load(struct thread *thread)
{
	burst(thread, &thread->src, thread->ccr & 0x3fff, load_beat);
}

static inline void store(struct thread *thread)
{
	burst(thread, &thread->dst, thread->ccr >> 14 & 0x3fff, store_beat);
}

/* DMALDP, DMASTP: the peripheral has asked for just that. */
static inline void requested(struct thread *thread, bool is_burst, unsigned int operand,
			     uint32_t beats)
{
	if (operand >> 3 != thread->request || operand & 7)
		stop(thread, "another peripheral");
	if (!thread->has_request || thread->is_burst != is_burst)
		stop(thread, "no such request");
	if (!is_burst && beats)
		stop(thread, "more than was asked for");
	thread->has_request = false;
}

static inline void move_immediate(struct thread *thread, unsigned int reg, uint32_t value)
{
	/* Bytes in the FIFO would be lost. */
	if (thread->nr_fifo)
		stop(thread, "a register changes in mid-burst");
	if (reg == 0)
		thread->src = value;
	else if (reg == 1)
		thread->ccr = value;
	else if (reg == 2)
		thread->dst = value;
	else
		stop(thread, "no such register");
}

static inline void loop_end(struct thread *thread, unsigned int counter, unsigned int back)
{
	if (!thread->loops[counter])
		return;
	thread->loops[counter]--;
	if (back > thread->pc)
		stop(thread, "a jump out of the program");
	else
		thread->pc -= back + 2;
}

static inline bool step_of_two(struct thread *thread, unsigned int opcode, unsigned int operand)
{
	switch (opcode) {
	case 0x20:
	case 0x22:
		thread->loops[opcode >> 1 & 1] = operand;
		return true;
	case 0x38:
	case 0x3c:
		loop_end(thread, opcode >> 2 & 1, operand);
		return true;
	case 0x25:
	case 0x27:
		requested(thread, opcode & 2, operand, thread->ccr >> 4 & 15);
		load(thread);
		return true;
	case 0x29:
	case 0x2b:
		requested(thread, opcode & 2, operand, thread->ccr >> 18 & 15);
		store(thread);
		return true;
	case 0x30:
	case 0x32:
		if (thread->has_request || operand >> 3 != thread->request)
			stop(thread, "a request nobody serves");
		thread->has_request = true;
		thread->is_burst = opcode & 2;
		return true;
	case 0x34:
		if (thread->nr_fifo || operand != EVENT << 3)
			stop(thread, "the event");
		thread->events++;
		return true;
	case 0x35:
		thread->flushes++;
		return operand >> 3 == thread->request;
	default:
		return false;
	}
}

static inline unsigned int size_of(unsigned int opcode)
{
	if (opcode == 0xbc)
		return 6;
	return opcode == 0x00 || opcode == 0x04 || opcode == 0x08 || opcode == 0x13 ? 1 : 2;
}

static inline void step(struct thread *thread)
{
	const uint8_t *at = thread->code + thread->pc;
	unsigned int opcode = at[0], size = size_of(opcode);

	if (thread->pc + size > thread->size) {
		stop(thread, "the program has no end");
		return;
	}
	thread->pc += size;
	if (opcode == 0x00)
		thread->is_done = true;
	else if (opcode == 0x04)
		load(thread);
	else if (opcode == 0x08)
		store(thread);
	else if (opcode == 0xbc)
		move_immediate(thread, at[1], word(at + 2));
	else if (opcode != 0x13 && !step_of_two(thread, opcode, at[1]))
		stop(thread, "no such instruction");
}

/* Steps of it; whether it ended in that time. */
static inline bool run(struct thread *thread, uint64_t steps)
{
	while (steps-- && !thread->is_done && !thread->fault)
		step(thread);
	if (thread->fault)
		fail_msg("%s at %u of %u", thread->fault, thread->pc, thread->size);
	return thread->is_done;
}

static inline struct thread make_thread(const struct pl330_program *program,
					const struct pl330_shape *shape)
{
	return (struct thread){ .code = program->bytes,
				.size = program->used,
				.sent = port,
				.request = shape->request,
				.widest = 1u << shape->shift };
}

static inline void fill_memory(void)
{
	for (uint32_t i = 0; i < MEMORY; i++)
		memory[i] = (uint8_t)((i + state) * 2654435761u >> 11);
	memcpy(wanted, memory, MEMORY);
}

#endif
