/* SPDX-License-Identifier: BSD-2-Clause */
/* The PL330's programs, run by an interpreter: every byte that moves is looked at. */
#include "pl330_thread.h"

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

/* Another program of the same kind, without being written. */
static void addresses_are_changed(void **unused)
{
	(void)unused;
	for (unsigned int i = 0; i < 5000; i++) {
		struct pl330_shape shape = memory_shape(PL330_COPY);
		uint32_t len = length(100000), src = below(1u << 27), dst = below(1u << 27);
		uint32_t src2 = src + (below(1u << 27) & ~15u),
			 dst2 = dst + (below(1u << 27) & ~15u);
		static _Alignas(4) uint8_t changed[CODE];
		static uint8_t code[CODE];
		struct pl330_program program;

		berth_pl330_begin(&program, changed, CODE, &shape);
		assert_int_equal(berth_pl330_add(&program, &shape, src, dst, len), len);
		berth_pl330_end(&program, EVENT);
		berth_pl330_change(changed, src2, dst2);
		berth_pl330_begin(&program, code, CODE, &shape);
		berth_pl330_add(&program, &shape, src2, dst2, len);
		berth_pl330_end(&program, EVENT);
		assert_memory_equal(changed, code, program.used);
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
		cmocka_unit_test(addresses_are_changed),
		cmocka_unit_test(aligned_copies_are_quick),
		cmocka_unit_test(the_longest_copies_fit),
		cmocka_unit_test(accesses_are_as_secure_as_the_thread),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
