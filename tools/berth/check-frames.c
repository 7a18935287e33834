// SPDX-License-Identifier: BSD-2-Clause
/* What the child says, over a pipe. A frame is written at once, or not at all: it is shorter than PIPE_BUF. */
#include <errno.h>
#include <string.h>
#include <unistd.h>

#include "check.h"

#define MAGIC 0x62636b31u
#define HEAD offsetof(struct check_frame, bytes)

static uint32_t sum_of(const struct check_frame *frame)
{
	uint32_t sum = 2166136261u ^ frame->kind;

	for (uint32_t i = 0; i < frame->size; i++)
		sum = (sum ^ frame->bytes[i]) * 16777619u;
	return sum;
}

void check_frame_begin(struct check_frame *frame, enum check_kind kind)
{
	frame->magic = MAGIC;
	frame->kind = kind;
	frame->size = 0;
}

static void put(struct check_frame *frame, const void *bytes, size_t size)
{
	if (size > CHECK_PAYLOAD - frame->size)
		return;
	memcpy(frame->bytes + frame->size, bytes, size);
	frame->size += (uint32_t)size;
}

void check_frame_number(struct check_frame *frame, uint64_t value)
{
	put(frame, &value, sizeof(value));
}

void check_frame_text(struct check_frame *frame, const char *text)
{
	size_t length = text ? strnlen(text, 2 * CHECK_TEXT - 1) : 0;

	put(frame, text ? text : "", length);
	put(frame, "", 1);
}

void check_frame_stack(struct check_frame *frame, const struct check_stack *stack)
{
	check_frame_number(frame, stack->nr | (stack->is_exact ? 256u : 0));
	for (unsigned int i = 0; i < stack->nr; i++) {
		check_frame_number(frame, stack->frame[i].module);
		check_frame_number(frame, stack->frame[i].offset);
	}
}

void check_frame_send(struct check_frame *frame, int fd)
{
	ssize_t done;

	frame->sum = sum_of(frame);
	do
		done = write(fd, frame, HEAD + frame->size);
	while (done < 0 && errno == EINTR);
}

unsigned char *check_input_room(struct check_input *input, size_t *size)
{
	*size = sizeof(input->bytes) - input->used;
	return input->bytes + input->used;
}

static void drop(struct check_input *input, size_t size)
{
	memmove(input->bytes, input->bytes + size, input->used - size);
	input->used -= size;
}

bool check_input_next(struct check_input *input, struct check_frame *frame)
{
	while (input->used >= HEAD) {
		memcpy(frame, input->bytes, HEAD);
		if (frame->magic == MAGIC && frame->size <= CHECK_PAYLOAD) {
			if (input->used < HEAD + frame->size)
				return false;
			memcpy(frame->bytes, input->bytes + HEAD, frame->size);
			if (frame->sum == sum_of(frame)) {
				drop(input, HEAD + frame->size);
				return true;
			}
		}
		/* The program has written into the pipe: look for the next frame. */
		input->damaged++;
		drop(input, 1);
	}
	return false;
}

uint64_t check_read_number(struct check_reader *reader)
{
	uint64_t value = 0;

	if (reader->frame->size - reader->at < sizeof(value))
		return 0;
	memcpy(&value, reader->frame->bytes + reader->at, sizeof(value));
	reader->at += sizeof(value);
	return value;
}

void check_read_text(struct check_reader *reader, char *text, size_t size)
{
	const unsigned char *from = reader->frame->bytes + reader->at;
	const size_t left = reader->frame->size - reader->at;
	const size_t length = strnlen((const char *)from, left);
	const size_t kept = length < size - 1 ? length : size - 1;

	memcpy(text, from, kept);
	text[kept] = '\0';
	reader->at += length < left ? length + 1 : left;
}

void check_read_stack(struct check_reader *reader, struct check_stack *stack)
{
	const uint64_t head = check_read_number(reader);
	const unsigned int nr = (unsigned int)(head & 255);

	stack->is_exact = head & 256;
	stack->nr = nr < CHECK_FRAMES ? nr : CHECK_FRAMES;
	for (unsigned int i = 0; i < stack->nr; i++) {
		stack->frame[i].module = (unsigned int)check_read_number(reader);
		stack->frame[i].offset = check_read_number(reader);
	}
}
