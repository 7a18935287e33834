// SPDX-License-Identifier: BSD-2-Clause
/* What a process under `berth check` says arrives whole, in any pieces, with anything between. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "check.h"

static uint32_t state = 1;

static uint32_t draw(uint32_t bound)
{
	state = state * 1664525u + 1013904223u;
	return (uint32_t)((uint64_t)state * bound >> 32);
}

static struct check_stack stack_of(unsigned int nr)
{
	struct check_stack stack = { .nr = nr, .is_exact = nr % 2 };

	for (unsigned int i = 0; i < nr; i++)
		stack.frame[i] = (struct check_address){ i % 7, (uint64_t)i << 40 | nr };
	return stack;
}

/* The bytes of the @number-th frame. */
static size_t write_frame(unsigned int number, unsigned char *bytes, size_t size)
{
	const struct check_stack stack = stack_of(number % (CHECK_FRAMES + 1));
	struct check_frame frame;
	int ends[2];
	ssize_t got;

	assert_int_equal(pipe(ends), 0);
	check_frame_begin(&frame, CHECK_SAYS_REPORT);
	check_frame_number(&frame, number);
	check_frame_text(&frame, number % 3 ? "some text" : NULL);
	check_frame_stack(&frame, &stack);
	check_frame_number(&frame, ~(uint64_t)number);
	check_frame_send(&frame, ends[1]);
	got = read(ends[0], bytes, size);
	close(ends[0]);
	close(ends[1]);
	assert_true(got > 0);
	return (size_t)got;
}

static void judge(const struct check_frame *frame, unsigned int number)
{
	struct check_reader reader = { .frame = frame };
	const struct check_stack wanted = stack_of(number % (CHECK_FRAMES + 1));
	struct check_stack stack;
	char text[100];

	assert_int_equal(frame->kind, CHECK_SAYS_REPORT);
	assert_int_equal(check_read_number(&reader), number);
	check_read_text(&reader, text, sizeof(text));
	assert_string_equal(text, number % 3 ? "some text" : "");
	check_read_stack(&reader, &stack);
	assert_int_equal(stack.nr, wanted.nr);
	assert_int_equal(stack.is_exact, wanted.is_exact);
	for (unsigned int i = 0; i < stack.nr; i++) {
		assert_int_equal(stack.frame[i].module, wanted.frame[i].module);
		assert_int_equal(stack.frame[i].offset, wanted.frame[i].offset);
	}
	assert_int_equal(check_read_number(&reader), ~(uint64_t)number);
	/* Behind the end is nothing. */
	assert_int_equal(check_read_number(&reader), 0);
	check_read_text(&reader, text, sizeof(text));
	assert_string_equal(text, "");
}

static unsigned int next; /* frame that is expected */

static void feed(struct check_input *input, const unsigned char *bytes, size_t size)
{
	struct check_frame frame;

	while (size) {
		size_t room, part = 1 + draw(200);
		unsigned char *to = check_input_room(input, &room);

		assert_true(room > 0);
		part = part < size ? part : size;
		part = part < room ? part : room;
		memcpy(to, bytes, part);
		input->used += part;
		bytes += part;
		size -= part;
		while (check_input_next(input, &frame))
			judge(&frame, next++);
	}
}

static void in_pieces(void **unused)
{
	struct check_input input = { .used = 0 };
	unsigned char bytes[8192];

	(void)unused;
	next = 0;
	for (unsigned int i = 0; i < 500; i++)
		feed(&input, bytes, write_frame(i, bytes, sizeof(bytes)));
	assert_int_equal(next, 500);
	assert_int_equal(input.damaged, 0);
	assert_int_equal(input.used, 0);
}

/* Frames that are cut or changed are lost, and no other. */
static void with_rubbish(void **unused)
{
	struct check_input input = { .used = 0 };
	unsigned char bytes[8192], rubbish[9000];
	size_t size;

	(void)unused;
	next = 0;
	for (unsigned int i = 0; i < 500; i++) {
		size = draw(i % 50 ? 300 : sizeof(rubbish));
		for (size_t n = 0; n < size; n++)
			rubbish[n] = (unsigned char)draw(256);
		feed(&input, rubbish, size);
		size = write_frame(next, bytes, sizeof(bytes));
		if (i % 2) {
			bytes[16 + draw((uint32_t)size - 16)] ^= 0x10;
			feed(&input, bytes, size);
			size = write_frame(next, bytes, sizeof(bytes));
			feed(&input, bytes, 16 + draw((uint32_t)size - 16));
		}
		feed(&input, bytes, write_frame(next, bytes, sizeof(bytes)));
		/* A head that was taken for one may want what comes next. */
		memset(rubbish, 0, sizeof(rubbish));
		feed(&input, rubbish, sizeof(rubbish) / 2);
		assert_int_equal(next, i + 1);
	}
	assert_true(input.damaged > 1000);
}

/* What is too long is left out, and spoils nothing. */
static void too_much(void **unused)
{
	struct check_frame frame, got;
	struct check_reader reader = { .frame = &got };
	struct check_input input = { .used = 0 };
	char text[8000];
	int ends[2];
	size_t room;

	(void)unused;
	memset(text, 'x', sizeof(text) - 1);
	text[sizeof(text) - 1] = '\0';
	check_frame_begin(&frame, CHECK_SAYS_TEST);
	for (unsigned int i = 0; i < 20; i++)
		check_frame_text(&frame, text);
	assert_int_equal(pipe(ends), 0);
	check_frame_send(&frame, ends[1]);
	input.used = (size_t)read(ends[0], check_input_room(&input, &room), 8192);
	assert_true(input.used <= 4096);
	assert_true(check_input_next(&input, &got));
	check_read_text(&reader, text, 10);
	assert_string_equal(text, "xxxxxxxxx");
	close(ends[0]);
	close(ends[1]);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(in_pieces),
		cmocka_unit_test(with_rubbish),
		cmocka_unit_test(too_much),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
