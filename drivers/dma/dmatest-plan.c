// SPDX-License-Identifier: BSD-2-Clause
/* What the next transfer is to be. */
#include <berth/dmaengine-driver.h>

#include "dmatest.h"

/* Runs of a pattern, and frames, at most. */
#define MAX_FRAMES 4u

size_t berth_dmatest_random(struct berth_dmatest *test, size_t below)
{
	uint64_t value = test->random += 0x9e3779b97f4a7c15ull;

	value = (value ^ value >> 30) * 0xbf58476d1ce4e5b9ull;
	value = (value ^ value >> 27) * 0x94d049bb133111ebull;
	return (size_t)(value ^ value >> 31) % below;
}

static enum berth_dmatest_kind choose_kind(struct berth_dmatest *test)
{
	unsigned int nr = 0, kind = 0;
	size_t chosen;

	for (uint32_t left = test->kinds; left; left &= left - 1)
		nr++;
	chosen = test->params.no_random ? (size_t)test->stats.tests % nr
					: berth_dmatest_random(test, nr);
	for (;; kind++)
		if (test->kinds >> kind & 1 && !chosen--)
			return (enum berth_dmatest_kind)kind;
}

/* Sources and destinations that are mapped. */
static void count_buffers(struct berth_dmatest *test)
{
	unsigned int max = test->kind == BERTH_DMATEST_PQ ? test->params.pq_sources
							  : test->params.xor_sources;

	test->nr_src = 1;
	test->nr_dst = 1;
	switch (test->kind) {
	case BERTH_DMATEST_MEMSET:
	case BERTH_DMATEST_SLAVE_IN:
		test->nr_src = 0;
		break;
	case BERTH_DMATEST_INTERRUPT:
		test->nr_src = 0;
		test->nr_dst = 0;
		break;
	case BERTH_DMATEST_XOR:
	case BERTH_DMATEST_XOR_VAL:
	case BERTH_DMATEST_PQ:
		test->nr_src = max;
		if (!test->params.no_random && max > 1)
			test->nr_src = 2 + (unsigned int)berth_dmatest_random(test, max - 1);
		test->nr_dst = test->kind == BERTH_DMATEST_PQ	     ? 2
			       : test->kind == BERTH_DMATEST_XOR_VAL ? 0
								     : 1;
		break;
	case BERTH_DMATEST_SLAVE_OUT:
		test->nr_dst = 0;
		break;
	default:
		break;
	}
}

/* A length, in units of the alignment, or of the peripheral's. */
static size_t choose_length(struct berth_dmatest *test, size_t unit)
{
	const struct berth_dmatest_params *params = &test->params;
	size_t max = params->transfer_size ? params->transfer_size : params->buffer_size;

	if (test->kind == BERTH_DMATEST_SLAVE_OUT || test->kind == BERTH_DMATEST_SLAVE_IN)
		if (params->peripheral->max && params->peripheral->max < max)
			max = params->peripheral->max;
	max = max < unit ? 1 : max / unit;
	if (params->transfer_size || params->no_random)
		return max * unit;
	return (1 + berth_dmatest_random(test, max)) * unit;
}

static size_t choose_offset(struct berth_dmatest *test, size_t length)
{
	size_t room = (test->params.buffer_size - length) / test->align;

	if (test->params.no_random || !room)
		return BERTH_DMATEST_GUARD;
	return BERTH_DMATEST_GUARD + berth_dmatest_random(test, room + 1) * test->align;
}

/* Cut the source into pieces with gaps between them. */
static void plan_pieces(struct berth_dmatest *test)
{
	size_t left = test->length / test->align, at = test->src[0].offset;
	size_t slack =
		(BERTH_DMATEST_GUARD + test->params.buffer_size - at - test->length) / test->align;
	unsigned int nr =
		1 + (unsigned int)berth_dmatest_random(test, left < BERTH_DMATEST_MAX_PIECES
								     ? left
								     : BERTH_DMATEST_MAX_PIECES);

	test->nr_pieces = nr;
	sg_init_table(test->pieces, nr);
	for (unsigned int i = 0; i < nr; i++) {
		size_t units = i + 1 == nr ? left
					   : 1 + berth_dmatest_random(test, left - (nr - 1 - i));
		size_t gap = berth_dmatest_random(test, slack + 1);

		at += gap * test->align;
		sg_set_buf(&test->pieces[i], test->src[0].cpu + at,
			   (unsigned int)(units * test->align));
		at += units * test->align;
		slack -= gap;
		left -= units;
	}
}

/* Runs and gaps that fit into the length; it is what the runs have together from here on. */
static void plan_pattern(struct berth_dmatest *test)
{
	struct dma_interleaved_template *xt = test->pattern;
	size_t room, sum = 0;

	xt->numf = 1 + berth_dmatest_random(test, MAX_FRAMES);
	xt->frame_size = 1 + berth_dmatest_random(test, BERTH_DMATEST_MAX_PIECES);
	room = test->length / test->align / xt->numf / xt->frame_size;
	if (room < 2) {
		xt->numf = 1;
		xt->frame_size = 1;
		room = test->length / test->align;
	}
	for (size_t i = 0; i < xt->frame_size; i++) {
		size_t units = 1 + berth_dmatest_random(test, room);
		struct data_chunk *run = &xt->sgl[i];

		*run = (struct data_chunk){ .size = units * test->align };
		run->dst_icg = berth_dmatest_random(test, room - units + 1) * test->align;
		run->src_icg = berth_dmatest_random(test, room - units + 1) * test->align;
		sum += run->size;
	}
	xt->dir = DMA_MEM_TO_MEM;
	xt->src_inc = true;
	xt->dst_inc = true;
	xt->src_sgl = berth_dmatest_random(test, 2) != 0;
	xt->dst_sgl = berth_dmatest_random(test, 2) != 0;
	test->length = sum * xt->numf;
}

void berth_dmatest_plan(struct berth_dmatest *test)
{
	const struct berth_dmatest_peripheral *peripheral = test->params.peripheral;
	size_t unit = test->align;

	test->kind = choose_kind(test);
	count_buffers(test);
	if ((test->kind == BERTH_DMATEST_SLAVE_OUT || test->kind == BERTH_DMATEST_SLAVE_IN) &&
	    peripheral->unit > unit)
		unit = peripheral->unit;
	test->length = choose_length(test, unit);
	for (unsigned int i = 0; i < test->nr_src; i++)
		test->src[i].offset = choose_offset(test, test->length);
	for (unsigned int i = 0; i < test->nr_dst; i++)
		test->dst[i].offset = choose_offset(test, test->length);
	test->value = (uint8_t)berth_dmatest_random(test, 256);
	test->is_zero = berth_dmatest_random(test, 2) != 0;
	for (unsigned int i = 0; i < test->nr_src; i++)
		test->coefficient[i] = (uint8_t)berth_dmatest_random(test, 256);
	if (test->kind == BERTH_DMATEST_SG)
		plan_pieces(test);
	else if (test->kind == BERTH_DMATEST_INTERLEAVED)
		plan_pattern(test);
	else if (test->kind == BERTH_DMATEST_INTERRUPT)
		test->length = 0;
}
