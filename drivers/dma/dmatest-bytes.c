// SPDX-License-Identifier: BSD-2-Clause
/*
 * The bytes of a test. Each buffer has numbers of its own, so what should be there can be worked out again.
 * The highest bit tells a source's byte from one that was in the destination before.
 */
#include "dmatest.h"

#define HIGH 0x8080808080808080ull

static uint64_t word(uint64_t tag, size_t index)
{
	uint64_t value = (tag + index) * 0x9e3779b97f4a7c15ull;

	value = (value ^ value >> 29) * 0xbf58476d1ce4e5b9ull;
	return value ^ value >> 32;
}

/* What is in a source, or was in a destination. The size of a buffer is a multiple of 8. */
static uint64_t source_word(const struct berth_dmatest_buffer *b, size_t index)
{
	return word(b->tag, index) | HIGH;
}

static uint64_t old_word(const struct berth_dmatest_buffer *b, size_t index)
{
	return word(b->tag, index) & ~HIGH;
}

static uint8_t old_byte(const struct berth_dmatest_buffer *b, size_t at)
{
	uint64_t value = old_word(b, at / 8);
	uint8_t bytes[8];

	memcpy(bytes, &value, 8);
	return bytes[at % 8];
}

static void fill_source(struct berth_dmatest *test, struct berth_dmatest_buffer *b)
{
	for (size_t i = 0; i < test->size / 8; i++) {
		uint64_t value = source_word(b, i);

		memcpy(b->cpu + 8 * i, &value, 8);
	}
}

static void fill_destination(struct berth_dmatest *test, struct berth_dmatest_buffer *b)
{
	for (size_t i = 0; i < test->size / 8; i++) {
		uint64_t value = old_word(b, i);

		memcpy(b->cpu + 8 * i, &value, 8);
	}
}

/* In GF(256) over x^8 + x^4 + x^3 + x^2 + 1. */
static uint8_t times(unsigned int a, unsigned int b)
{
	unsigned int product = 0;

	for (; b; b >>= 1) {
		if (b & 1)
			product ^= a;
		a = a << 1 ^ (a & 0x80 ? 0x11d : 0);
	}
	return (uint8_t)product;
}

/* @sum += @coefficient * the source, by a table of products. */
static void add_source(const struct berth_dmatest *test, uint8_t *sum, unsigned int source,
		       unsigned int coefficient)
{
	const uint8_t *from = test->src[source].cpu + test->src[source].offset;
	uint8_t low[16], high[16];

	for (unsigned int i = 0; i < 16; i++) {
		low[i] = times(i, coefficient);
		high[i] = times(i << 4, coefficient);
	}
	for (size_t i = 0; i < test->length; i++)
		sum[i] ^= low[from[i] & 15] ^ high[from[i] >> 4];
}

static void want_pattern(struct berth_dmatest *test, uint8_t *to)
{
	const struct dma_interleaved_template *xt = test->pattern;
	const uint8_t *from = test->src[0].cpu + test->src[0].offset;
	const uint8_t *start = to;

	for (size_t f = 0; f < xt->numf; f++) {
		for (size_t i = 0; i < xt->frame_size; i++) {
			const struct data_chunk *run = &xt->sgl[i];

			memcpy(to, from, run->size);
			test->end = test->dst[0].offset + (size_t)(to - start) + run->size;
			to += run->size + dmaengine_get_dst_icg(xt, run);
			from += run->size + dmaengine_get_src_icg(xt, run);
		}
	}
}

static void want_pieces(const struct berth_dmatest *test, uint8_t *to)
{
	for (unsigned int i = 0; i < test->nr_pieces; i++) {
		memcpy(to, sg_virt((struct scatterlist *)(uintptr_t)&test->pieces[i]),
		       test->pieces[i].length);
		to += test->pieces[i].length;
	}
}

/* What should be in the bytes that are written. */
static void want_written(struct berth_dmatest *test, uint8_t *p, uint8_t *q)
{
	switch (test->kind) {
	case BERTH_DMATEST_MEMCPY:
		memcpy(p, test->src[0].cpu + test->src[0].offset, test->length);
		break;
	case BERTH_DMATEST_MEMSET:
		memset(p, test->value, test->length);
		break;
	case BERTH_DMATEST_PQ:
		memset(q, 0, test->length);
		for (unsigned int i = 0; i < test->nr_src; i++)
			add_source(test, q, i, test->coefficient[i]);
		__attribute__((fallthrough));
	case BERTH_DMATEST_XOR:
		memset(p, 0, test->length);
		for (unsigned int i = 0; i < test->nr_src; i++)
			add_source(test, p, i, 1);
		break;
	case BERTH_DMATEST_INTERLEAVED:
		want_pattern(test, p);
		break;
	case BERTH_DMATEST_SG:
		want_pieces(test, p);
		break;
	case BERTH_DMATEST_SLAVE_IN:
		for (size_t i = 0; i < test->length; i++)
			p[i] = (uint8_t)(word(test->dst[0].tag, i) | 0x80);
		break;
	default:
		break;
	}
}

/* The last source may become the sum of the others; what it is then, is kept for the comparison. */
static void make_zero(struct berth_dmatest *test)
{
	struct berth_dmatest_buffer *last = &test->src[test->nr_src - 1];
	uint8_t *sum = test->want[1];

	memset(sum, 0, test->length);
	for (unsigned int i = 0; i + 1 < test->nr_src; i++)
		add_source(test, sum, i, 1);
	if (test->is_zero)
		memcpy(last->cpu + last->offset, sum, test->length);
	test->is_zero = !memcmp(last->cpu + last->offset, sum, test->length);
	memcpy(test->want[0], last->cpu, test->size);
}

void berth_dmatest_fill(struct berth_dmatest *test)
{
	for (unsigned int i = 0; i < test->nr_src; i++) {
		test->src[i].tag = word(test->random, 2 * i);
		fill_source(test, &test->src[i]);
	}
	for (unsigned int i = 0; i < test->nr_dst; i++) {
		test->dst[i].tag = word(test->random, 2 * i + 1);
		fill_destination(test, &test->dst[i]);
		memcpy(test->want[i], test->dst[i].cpu, test->size);
	}
	test->end = test->dst[0].offset + test->length;
	want_written(test, test->want[0] + test->dst[0].offset,
		     test->nr_dst > 1 ? test->want[1] + test->dst[1].offset : NULL);
	if (test->kind == BERTH_DMATEST_XOR_VAL)
		make_zero(test);
}

static void note(struct berth_dmatest_failure *failure, enum berth_dmatest_fault fault,
		 const uint8_t *found, const uint8_t *want, size_t size)
{
	failure->fault = fault;
	failure->nr_wrong = 0;
	for (size_t i = size; i-- > 0;) {
		if (found[i] == want[i])
			continue;
		failure->nr_wrong++;
		failure->at = i;
		failure->found = found[i];
		failure->expected = want[i];
	}
}

static bool is_source_whole(struct berth_dmatest *test, unsigned int number,
			    struct berth_dmatest_failure *failure)
{
	const struct berth_dmatest_buffer *b = &test->src[number];
	bool is_kept = test->kind == BERTH_DMATEST_XOR_VAL && number + 1 == test->nr_src;

	for (size_t i = 0; i < test->size / 8; i++) {
		uint64_t value = source_word(b, i);

		if (is_kept)
			memcpy(&value, test->want[0] + 8 * i, 8);
		if (!memcmp(&value, b->cpu + 8 * i, 8))
			continue;
		note(failure, BERTH_DMATEST_SOURCE, b->cpu + 8 * i, (const uint8_t *)&value, 8);
		failure->at += 8 * i;
		failure->buffer = number;
		return false;
	}
	return true;
}

/* The bytes from @at to the end are those of before. */
static bool is_short(const struct berth_dmatest *test, unsigned int number, size_t at, size_t end)
{
	const struct berth_dmatest_buffer *b = &test->dst[number];

	/* In the gaps of a pattern they are so in any case. */
	for (; at < end; at++)
		if (b->cpu[at] != old_byte(b, at))
			return false;
	return true;
}

static bool is_destination_right(struct berth_dmatest *test, unsigned int number,
				 struct berth_dmatest_failure *failure)
{
	const struct berth_dmatest_buffer *b = &test->dst[number];
	const uint8_t *want = test->want[number];
	size_t end = number ? b->offset + test->length : test->end, at;

	if (!memcmp(b->cpu, want, test->size))
		return true;
	note(failure, BERTH_DMATEST_WRONG, b->cpu, want, test->size);
	failure->buffer = number;
	at = failure->at;
	if (at < b->offset)
		failure->fault = BERTH_DMATEST_IN_FRONT;
	else if (at >= end)
		failure->fault = BERTH_DMATEST_BEHIND;
	else if (test->kind == BERTH_DMATEST_INTERLEAVED && !(want[at] & 0x80))
		failure->fault = BERTH_DMATEST_GAP;
	else if (is_short(test, number, at, end))
		failure->fault = BERTH_DMATEST_SHORT;
	return false;
}

/* What the peripheral has got. */
static bool is_taken(struct berth_dmatest *test, struct berth_dmatest_failure *failure)
{
	const struct berth_dmatest_peripheral *peripheral = test->params.peripheral;
	const uint8_t *from = test->src[0].cpu + test->src[0].offset;

	failure->error = peripheral->take(peripheral->data, test->want[0], test->length);
	if (failure->error) {
		failure->fault = BERTH_DMATEST_ERROR;
		return false;
	}
	if (!memcmp(test->want[0], from, test->length))
		return true;
	note(failure, BERTH_DMATEST_WRONG, test->want[0], from, test->length);
	return false;
}

bool berth_dmatest_compare(struct berth_dmatest *test, struct berth_dmatest_failure *failure)
{
	for (unsigned int i = 0; i < test->nr_dst; i++)
		if (!is_destination_right(test, i, failure))
			return false;
	for (unsigned int i = 0; i < test->nr_src; i++)
		if (!is_source_whole(test, i, failure))
			return false;
	if (test->kind == BERTH_DMATEST_SLAVE_OUT)
		return is_taken(test, failure);
	if (test->kind != BERTH_DMATEST_XOR_VAL)
		return true;
	failure->expected = test->is_zero ? 0 : SUM_CHECK_P_RESULT;
	failure->found = (uint8_t)test->check;
	failure->fault = BERTH_DMATEST_CHECK;
	return failure->expected == failure->found;
}
