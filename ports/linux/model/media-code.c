// SPDX-License-Identifier: BSD-2-Clause
/*
 * The code in which the camera hands on pictures and which the decoder reads: runs of the difference
 * to the line above, and a checksum. It is described in docs/model-devices.md.
 */
#include "media.h"

#define MAX_PACKET 128u
/* Shorter ones cost as much as they save. */
#define MIN_RUN 3u
#define CHECKSUM_MODULUS 65521u

static uint32_t checksum(const uint8_t *bytes, size_t size)
{
	uint32_t a = 1, b = 0;

	for (size_t i = 0; i < size; i++) {
		a = (a + bytes[i]) % CHECKSUM_MODULUS;
		b = (b + a) % CHECKSUM_MODULUS;
	}
	return b << 16 | a;
}

static uint8_t difference(const uint8_t *picture, size_t at, size_t stride)
{
	return (uint8_t)(picture[at] - (at < stride ? 0 : picture[at - stride]));
}

/* How often the difference at @at follows itself, up to @most. */
static size_t run_length(const uint8_t *picture, size_t at, size_t end, size_t stride)
{
	uint8_t first = difference(picture, at, stride);
	size_t nr = 1;

	while (nr < MAX_PACKET && at + nr < end && difference(picture, at + nr, stride) == first)
		nr++;
	return nr;
}

size_t media_code_most(size_t size)
{
	return size + (size + MAX_PACKET - 1) / MAX_PACKET + MEDIA_CHECKSUM;
}

/* Bytes from @at on until a run begins that is worth a packet. */
static size_t literal_length(const uint8_t *picture, size_t at, size_t end, size_t stride)
{
	size_t nr = 0;

	while (nr < MAX_PACKET && at + nr < end &&
	       run_length(picture, at + nr, end, stride) < MIN_RUN)
		nr++;
	return nr;
}

size_t media_encode(const uint8_t *picture, size_t size, size_t stride, uint8_t *coded)
{
	uint32_t sum = checksum(picture, size);
	uint8_t *out = coded;

	for (size_t at = 0; at < size;) {
		size_t nr = literal_length(picture, at, size, stride);

		if (nr) {
			*out++ = (uint8_t)(nr - 1);
			for (size_t end = at + nr; at < end; at++)
				*out++ = difference(picture, at, stride);
			continue;
		}
		nr = run_length(picture, at, size, stride);
		*out++ = (uint8_t)(257 - nr);
		*out++ = difference(picture, at, stride);
		at += nr;
	}
	for (unsigned int i = 0; i < MEDIA_CHECKSUM; i++)
		*out++ = (uint8_t)(sum >> 8 * i);
	return (size_t)(out - coded);
}

/* What a packet says, against what is left. */
static enum media_damage check_packet(uint8_t control, size_t left_in, size_t left_out, size_t *nr)
{
	bool is_run = control > MAX_PACKET;

	if (control == MAX_PACKET)
		return MEDIA_NO_PACKET;
	*nr = is_run ? 257u - control : control + 1u;
	if ((is_run ? 1 : *nr) > left_in)
		return MEDIA_CUT;
	return *nr > left_out ? MEDIA_TOO_LONG : MEDIA_INTACT;
}

enum media_damage media_decode(const uint8_t *coded, size_t nr_coded, size_t stride,
			       uint8_t *picture, size_t size, size_t *position)
{
	size_t end = nr_coded < MEDIA_CHECKSUM ? 0 : nr_coded - MEDIA_CHECKSUM;
	size_t in = 0, out = 0, nr;
	uint32_t sum = 0;

	while (in < end) {
		uint8_t control = coded[in];
		enum media_damage damage = check_packet(control, end - in - 1, size - out, &nr);

		*position = in++;
		if (damage)
			return damage;
		for (size_t i = 0; i < nr; i++, out++) {
			picture[out] =
				(uint8_t)(coded[in] + (out < stride ? 0 : picture[out - stride]));
			in += control < MAX_PACKET;
		}
		in += control > MAX_PACKET;
	}
	*position = in;
	if (out < size || nr_coded < MEDIA_CHECKSUM)
		return MEDIA_CUT;
	for (unsigned int i = 0; i < MEDIA_CHECKSUM; i++)
		sum |= (uint32_t)coded[in + i] << 8 * i;
	return sum == checksum(picture, size) ? MEDIA_INTACT : MEDIA_CHECKSUM_WRONG;
}
