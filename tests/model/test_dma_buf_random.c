// SPDX-License-Identifier: BSD-2-Clause
/* Random calls about shared buffers against the reference of dma_buf_play.h. */
#include "dma_buf_play.h"

#define SEEDS 250u
#define LENGTH 3000u

static uint64_t seed;

static void play_wrong(int line, const char *what)
{
	char why[200];

	berth_error_text(NULL, why, sizeof(why));
	fail_msg("seed %d, %d bytes left, call %d of device %d, line %d: not %s; last error: %s",
		 (int)seed, (int)play.left, (int)play.what, (int)play.who, line, what, why);
	abort(); /* fail_msg() does not return */
}

static uint64_t draw(uint64_t *state)
{
	*state += 0x9e3779b97f4a7c15u;
	uint64_t z = (*state ^ (*state >> 30)) * 0xbf58476d1ce4e5b9u;

	z = (z ^ (z >> 27)) * 0x94d049bb133111ebu;
	return z ^ (z >> 31);
}

static void test_random_calls(void **state)
{
	uint8_t bytes[LENGTH];

	(void)state;
	for (seed = 1; seed <= SEEDS; seed++) {
		uint64_t random = seed;

		for (unsigned int i = 0; i < LENGTH; i++)
			bytes[i] = (uint8_t)draw(&random);
		play_all(bytes, LENGTH);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_random_calls),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
