/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The PL330's programs, run by an interpreter that was written from the manual (DDI 0424, chapter 4):
 * every byte that moves is looked at, and every rule that the manual has for programs.
 */
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

static uint32_t below(uint32_t limit)
{
	state = state * 1664525u + 1013904223u;
	return (uint32_t)((uint64_t)(state >> 4) * limit >> 28);
}

/* A small length, a middle one, or a long one. */
static uint32_t length(uint32_t most)
{
	uint32_t few = below(3) == 0 ? 40 : below(2) ? 1500 : most;

	return 1 + below(few < most ? few : most);
}

static void stop(struct thread *thread, const char *why)
{
	if (!thread->fault)
		thread->fault = why;
}

static uint32_t word(const uint8_t *bytes)
{
	return bytes[0] | (uint32_t)bytes[1] << 8 | (uint32_t)bytes[2] << 16 |
	       (uint32_t)bytes[3] << 24;
}

/* What the device gives as its n-th byte. */
static uint8_t given(unsigned int n)
{
	return (uint8_t)(n * 7 + 3);
}

static void load_beat(struct thread *thread, uint32_t address, unsigned int bytes)
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

static void store_beat(struct thread *thread, uint32_t address, unsigned int bytes)
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
	thread->nr_fifo -= bytes;
	memmove(thread->fifo, thread->fifo + bytes, thread->nr_fifo);
}

typedef void (*beat_t)(struct thread *thread, uint32_t address, unsigned int bytes);

/* A burst of one side; @fields: where that side's begin in CCR. */
static void burst(struct thread *thread, uint32_t *address, uint32_t fields, beat_t move)
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

static void load(struct thread *thread)
{
	burst(thread, &thread->src, thread->ccr & 0x3fff, load_beat);
}

static void store(struct thread *thread)
{
	burst(thread, &thread->dst, thread->ccr >> 14 & 0x3fff, store_beat);
}

/* DMALDP, DMASTP: the peripheral has asked for just that. */
static void requested(struct thread *thread, bool is_burst, unsigned int operand, uint32_t beats)
{
	if (operand >> 3 != thread->request || operand & 7)
		stop(thread, "another peripheral");
	if (!thread->has_request || thread->is_burst != is_burst)
		stop(thread, "no such request");
	if (!is_burst && beats)
		stop(thread, "more than was asked for");
	thread->has_request = false;
}

static void move_immediate(struct thread *thread, unsigned int reg, uint32_t value)
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

static void loop_end(struct thread *thread, unsigned int counter, unsigned int back)
{
	if (!thread->loops[counter])
		return;
	thread->loops[counter]--;
	if (back > thread->pc)
		stop(thread, "a jump out of the program");
	else
		thread->pc -= back + 2;
}

static bool step_of_two(struct thread *thread, unsigned int opcode, unsigned int operand)
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

static unsigned int size_of(unsigned int opcode)
{
	if (opcode == 0xbc)
		return 6;
	return opcode == 0x00 || opcode == 0x04 || opcode == 0x08 || opcode == 0x13 ? 1 : 2;
}

static void step(struct thread *thread)
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
static bool run(struct thread *thread, uint64_t steps)
{
	while (steps-- && !thread->is_done && !thread->fault)
		step(thread);
	if (thread->fault)
		fail_msg("%s at %u of %u", thread->fault, thread->pc, thread->size);
	return thread->is_done;
}

static struct thread make_thread(const struct pl330_program *program,
				 const struct pl330_shape *shape)
{
	return (struct thread){ .code = program->bytes,
				.size = program->used,
				.sent = port,
				.request = shape->request,
				.widest = 1u << shape->shift };
}

/* All programs that a piece takes, each run to its end. Return: how many programs. */
static unsigned int move_all(const struct pl330_shape *shape, uint32_t src, uint32_t dst,
			     uint32_t len, unsigned int room, struct thread *last)
{
	static uint8_t code[CODE];
	unsigned int nr = 0, nr_sent = 0, nr_read = 0;

	while (len) {
		struct pl330_program program;
		uint32_t got;

		memset(code, 0xff, sizeof(code));
		berth_pl330_begin(&program, code, room, shape);
		got = berth_pl330_add(&program, shape, src, dst, len);
		assert_true(got > 0 && got <= len);
		berth_pl330_end(&program, EVENT);
		assert_true(program.used <= room);
		assert_true(program.moves < program.used);
		*last = make_thread(&program, shape);
		last->nr_sent = nr_sent;
		last->nr_read = nr_read;
		assert_true(run(last, 100000000));
		assert_int_equal(last->pc, program.used);
		assert_int_equal(last->events, 1);
		assert_int_equal(last->nr_fifo, 0);
		assert_false(last->has_request);
		nr_sent = last->nr_sent;
		nr_read = last->nr_read;
		src += shape->kind == PL330_COPY || shape->kind == PL330_TO_DEVICE ? got : 0;
		dst += shape->kind == PL330_TO_DEVICE ? 0 : got;
		len -= got;
		nr++;
	}
	return nr;
}

static void fill_memory(void)
{
	for (uint32_t i = 0; i < MEMORY; i++)
		memory[i] = (uint8_t)((i + state) * 2654435761u >> 11);
	memcpy(wanted, memory, MEMORY);
}

static struct pl330_shape memory_shape(enum pl330_kind kind)
{
	return (struct pl330_shape){ .kind = kind,
				     .shift = (uint8_t)(below(3) + 2),
				     .beats = (uint8_t)(1 + below(PL330_MAX_BEATS)),
				     .request = PL330_NO_REQUEST };
}

static void copies_of_any_kind(void **unused)
{
	(void)unused;
	fill_memory();
	for (unsigned int i = 0; i < 20000; i++) {
		struct pl330_shape shape = memory_shape(PL330_COPY);
		uint32_t len = length(i % 100 ? 3000 : 300000);
		/* In two halves, so that they are apart. */
		uint32_t src = below(MEMORY / 2 - len), dst = MEMORY / 2 + below(MEMORY / 2 - len);
		unsigned int room = below(4) ? CODE : PL330_MIN_PROGRAM + below(60);
		struct thread thread;

		move_all(&shape, src, dst, len, room, &thread);
		memcpy(wanted + dst, wanted + src, len);
		if (memcmp(memory + dst, wanted + dst, len))
			fail_msg("%u bytes from %x to %x", len, src, dst);
		if (i % 100 == 0)
			assert_memory_equal(memory, wanted, MEMORY);
	}
	assert_memory_equal(memory, wanted, MEMORY);
}

static void fills_of_any_kind(void **unused)
{
	(void)unused;
	fill_memory();
	for (unsigned int i = 0; i < 5000; i++) {
		struct pl330_shape shape = memory_shape(PL330_FILL);
		uint32_t len = length(i % 100 ? 3000 : 300000);
		uint32_t pattern = below(100) * 16, dst = 4096 + below(MEMORY - 4096 - len);
		struct thread thread;

		memset(memory + pattern, (int)i & 0xff, 16);
		memcpy(wanted + pattern, memory + pattern, 16);
		move_all(&shape, pattern, dst, len, CODE, &thread);
		memset(wanted + dst, (int)i & 0xff, len);
		if (memcmp(memory + dst, wanted + dst, len))
			fail_msg("%u bytes to %x", len, dst);
	}
	assert_memory_equal(memory, wanted, MEMORY);
}

static void peripherals_of_any_kind(void **unused)
{
	(void)unused;
	fill_memory();
	for (unsigned int i = 0; i < 10000; i++) {
		bool is_out = below(2);
		struct pl330_shape shape = {
			.kind = is_out ? PL330_TO_DEVICE : PL330_FROM_DEVICE,
			.shift = (uint8_t)below(5),
			.beats = (uint8_t)(1 + below(PL330_MAX_BEATS)),
			.request = below(3) ? below(32) : PL330_NO_REQUEST,
		};
		uint32_t len = length(3000) << shape.shift;
		uint32_t at = (below((MEMORY - len) >> shape.shift)) << shape.shift;
		struct thread thread;

		if (is_out) {
			move_all(&shape, at, DEVICE, len, CODE, &thread);
			assert_int_equal(thread.nr_sent, len);
			assert_memory_equal(port, memory + at, len);
		} else {
			move_all(&shape, DEVICE, at, len, CODE, &thread);
			assert_int_equal(thread.nr_read, len);
			for (uint32_t n = 0; n < len; n++)
				assert_int_equal(memory[at + n], given(n));
		}
		assert_int_equal(thread.flushes, shape.request != PL330_NO_REQUEST);
	}
}

/* Several pieces in a program: registers are set only where they have to be. */
static void pieces_share_a_program(void **unused)
{
	(void)unused;
	for (unsigned int i = 0; i < 3000; i++) {
		struct pl330_shape shape = memory_shape(PL330_COPY);
		static uint8_t code[CODE];
		struct pl330_program program, counted;
		struct thread thread;
		uint32_t dst = MEMORY / 2, done = 0;

		fill_memory();
		berth_pl330_begin(&program, code, CODE, &shape);
		berth_pl330_begin(&counted, NULL, CODE, &shape);
		for (unsigned int piece = 0; piece < 20; piece++) {
			uint32_t len = length(2000), src = below(MEMORY / 2 - len), got;

			/* Every other one goes on where the last one ended. */
			if (below(2))
				dst += below(100);
			got = berth_pl330_add(&program, &shape, src, dst, len);
			assert_int_equal(berth_pl330_add(&counted, &shape, src, dst, len), got);
			assert_int_equal(counted.used, program.used);
			assert_int_equal(counted.moves, program.moves);
			memcpy(wanted + dst, wanted + src, got);
			dst += got;
			done += got;
			if (got < len)
				break;
		}
		assert_true(done > 0);
		berth_pl330_end(&program, EVENT);
		assert_true(program.used <= CODE);
		thread = make_thread(&program, &shape);
		assert_true(run(&thread, 100000000));
		assert_memory_equal(memory, wanted, MEMORY);
		if (i >= 300)
			i += 9;
	}
}

static void aligned_copies_are_quick(void **unused)
{
	const struct pl330_shape shape = {
		.kind = PL330_COPY, .shift = 3, .beats = 16, .request = PL330_NO_REQUEST
	};
	struct thread thread;

	(void)unused;
	fill_memory();
	/* 64 KiB: 512 bursts each way, in two loops, one program of fewer than 50 bytes. */
	assert_int_equal(move_all(&shape, 0x1000, 0x40000, 65536, CODE, &thread), 1);
	assert_int_equal(thread.bursts, 2 * 512);
	assert_int_equal(thread.beats, 2 * 8192);
	assert_true(thread.size < 50);
	/* Three bytes in front, five behind: two bursts more each way. */
	assert_int_equal(move_all(&shape, 0x1005, 0x4000d, 65536 + 8, CODE, &thread), 1);
	assert_int_equal(thread.bursts, 2 * (512 + 2));
	/* Apart by one: single bytes. */
	assert_int_equal(move_all(&shape, 0x1001, 0x40000, 4096, CODE, &thread), 1);
	assert_int_equal(thread.beats, 2 * 4096);
}

/* What no memory of the test's is long enough for: only counted. */
static void the_longest_copies_fit(void **unused)
{
	struct pl330_shape shape = {
		.kind = PL330_COPY, .shift = 3, .beats = 16, .request = PL330_NO_REQUEST
	};
	struct pl330_program program;

	(void)unused;
	berth_pl330_begin(&program, NULL, CODE, &shape);
	assert_int_equal(berth_pl330_add(&program, &shape, 0, 0, 512u << 20), 512u << 20);
	/* By bytes it takes several programs; none of them is empty. */
	for (uint32_t left = UINT32_MAX, got; left; left -= got) {
		berth_pl330_begin(&program, NULL, CODE, &shape);
		got = berth_pl330_add(&program, &shape, 1, 0, left);
		assert_true(got == left || got >= 64u << 20);
	}
}

static void accesses_are_as_secure_as_the_thread(void **unused)
{
	struct pl330_shape shape = memory_shape(PL330_COPY);
	struct thread thread;

	(void)unused;
	fill_memory();
	move_all(&shape, 0, MEMORY / 2, 64, CODE, &thread);
	assert_int_equal(thread.ccr & (BIT(9) | BIT(23)), 0);
	shape.is_non_secure = true;
	move_all(&shape, 0, MEMORY / 2, 64, CODE, &thread);
	assert_int_equal(thread.ccr & (BIT(9) | BIT(23)), BIT(9) | BIT(23));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(copies_of_any_kind),
		cmocka_unit_test(fills_of_any_kind),
		cmocka_unit_test(peripherals_of_any_kind),
		cmocka_unit_test(pieces_share_a_program),
		cmocka_unit_test(aligned_copies_are_quick),
		cmocka_unit_test(the_longest_copies_fit),
		cmocka_unit_test(accesses_are_as_secure_as_the_thread),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
