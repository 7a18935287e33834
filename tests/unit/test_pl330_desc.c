/* SPDX-License-Identifier: BSD-2-Clause */
/* The PL330's descriptors: their programs one after the other, and how far each is at any moment. */
#include "pl330_thread.h"

#define CODE_AT 0x12340000u
#define SPANS 40u

static uint8_t code[PL330_CODE_BYTES];
static struct pl330_span spans[SPANS];

/* With its first program written. */
static struct pl330_desc make_desc(enum pl330_kind kind, uint8_t shift)
{
	struct pl330_desc desc = {
		.shape = { .kind = kind,
			   .shift = shift,
			   .beats = (uint8_t)(1 + below(PL330_MAX_BEATS)),
			   .request = PL330_NO_REQUEST },
		.event = EVENT,
		.code = code,
		.code_dma = CODE_AT,
		.spans = spans,
		.nr_frames = 1,
		/* Somewhere else, so that it is written. */
		.first = { .frame = 1 },
	};

	if (kind >= PL330_TO_DEVICE && below(2))
		desc.shape.request = below(32);
	return desc;
}

static void add(struct pl330_desc *desc, uint32_t src, uint32_t dst, uint32_t len)
{
	spans[desc->nr_spans++] = (struct pl330_span){ src, dst, len };
	desc->total += len;
}

/* What is known from outside of a thread is not more than a burst away from what has happened. */
static void check_done(const struct pl330_desc *desc, const struct thread *thread)
{
	uint64_t done = berth_pl330_done(desc, CODE_AT + thread->pc, thread->src, thread->dst);
	uint64_t moved = desc->first.done + thread->stored;
	uint64_t ahead = desc->shape.kind == PL330_TO_DEVICE
				 ? (uint64_t)desc->shape.beats << desc->shape.shift
				 : 0;

	if (done < moved || done > moved + ahead || done > desc->total)
		fail_msg("%lu done, %lu moved at %u", (unsigned long)done, (unsigned long)moved,
			 thread->pc);
}

static void run_program(struct pl330_desc *desc)
{
	const struct pl330_program program = { .bytes = code, .used = PL330_PATTERN_AT };
	struct thread thread = make_thread(&program, &desc->shape);
	uint64_t wanted_end = desc->next.done > desc->first.done ? desc->next.done : desc->total;

	while (!run(&thread, 1 + below(20)))
		check_done(desc, &thread);
	assert_int_equal(desc->first.done + thread.stored, wanted_end);
	assert_int_equal(thread.events, 1);
}

static unsigned int run_all(struct pl330_desc *desc)
{
	unsigned int nr = 0;

	berth_pl330_rewind(desc);
	assert_int_equal(desc->first.done, 0);
	do {
		memset(code + PL330_PATTERN_AT, 0xff, PL330_PATTERN_BYTES);
		run_program(desc);
		nr++;
	} while (berth_pl330_advance(desc));
	assert_int_equal(desc->next.done, desc->total);
	return nr;
}

static void patterns_of_copies(void **unused)
{
	(void)unused;
	for (unsigned int i = 0; i < 400; i++) {
		struct pl330_desc desc = make_desc(PL330_COPY, (uint8_t)(2 + below(3)));
		unsigned int nr = 1 + below(SPANS - 1);
		uint32_t src = below(64), dst = MEMORY / 2 + below(64);

		desc.nr_frames = 1 + below(3);
		if (i % 100 == 0)
			fill_memory();
		for (unsigned int n = 0; n < nr; n++) {
			uint32_t len = length(2000);

			add(&desc, src, dst, len);
			src += len + below(3);
			dst += len + below(2) * below(50);
		}
		desc.src_stride = src;
		desc.dst_stride = dst - MEMORY / 2;
		desc.total *= desc.nr_frames;
		for (uint32_t frame = 0; frame < desc.nr_frames; frame++)
			for (unsigned int n = 0; n < nr; n++)
				memcpy(wanted + spans[n].dst + frame * desc.dst_stride,
				       wanted + spans[n].src + frame * desc.src_stride,
				       spans[n].len);
		run_all(&desc);
		assert_memory_equal(memory, wanted, MEMORY);
		/* And once more: an end is no obstacle. */
		if (i % 50 == 0)
			run_all(&desc);
	}
}

static void lists_of_peripherals(void **unused)
{
	(void)unused;
	fill_memory();
	for (unsigned int i = 0; i < 1000; i++) {
		enum pl330_kind kind = below(2) ? PL330_TO_DEVICE : PL330_FROM_DEVICE;
		struct pl330_desc desc = make_desc(kind, (uint8_t)below(4));
		unsigned int nr = 1 + below(SPANS - 1);

		for (unsigned int n = 0; n < nr; n++) {
			uint32_t len = length(500) << desc.shape.shift;
			uint32_t at = below((MEMORY - len) >> desc.shape.shift) << desc.shape.shift;

			add(&desc, kind == PL330_TO_DEVICE ? at : DEVICE,
			    kind == PL330_TO_DEVICE ? DEVICE : at, len);
		}
		run_all(&desc);
	}
}

/* A program is a period, and the ring has no end. */
static void rings(void **unused)
{
	(void)unused;
	fill_memory();
	for (unsigned int i = 0; i < 300; i++) {
		enum pl330_kind kind = below(2) ? PL330_TO_DEVICE : PL330_FROM_DEVICE;
		struct pl330_desc desc = make_desc(kind, (uint8_t)below(4));
		uint32_t period = length(1000) << desc.shape.shift, at = below(100) * 16;

		add(&desc, kind == PL330_TO_DEVICE ? at : DEVICE,
		    kind == PL330_TO_DEVICE ? DEVICE : at, period);
		desc.is_cyclic = true;
		desc.nr_frames = 1 + below(6);
		desc.total *= desc.nr_frames;
		desc.src_stride = kind == PL330_TO_DEVICE ? period : 0;
		desc.dst_stride = kind == PL330_TO_DEVICE ? 0 : period;
		berth_pl330_rewind(&desc);
		for (uint32_t n = 0; n < 20; n++) {
			assert_int_equal(desc.first.done, n % desc.nr_frames * period);
			run_program(&desc);
			assert_true(berth_pl330_advance(&desc));
		}
	}
}

static void nothing_is_done_at_once(void **unused)
{
	struct pl330_desc desc = make_desc(PL330_COPY, 3);

	(void)unused;
	assert_int_equal(run_all(&desc), 1);
}

static void faults_have_a_meaning(void **unused)
{
	(void)unused;
	assert_int_equal(berth_pl330_result(1u << 18), DMA_TRANS_READ_FAILED);
	assert_int_equal(berth_pl330_result(1u << 17), DMA_TRANS_WRITE_FAILED);
	assert_int_equal(berth_pl330_result(1u << 16), DMA_TRANS_ABORTED);
	assert_int_equal(berth_pl330_result(1u << 0), DMA_TRANS_ABORTED);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(patterns_of_copies),
		cmocka_unit_test(lists_of_peripherals),
		cmocka_unit_test(rings),
		cmocka_unit_test(nothing_is_done_at_once),
		cmocka_unit_test(faults_have_a_meaning),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
