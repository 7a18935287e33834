// SPDX-License-Identifier: BSD-2-Clause
/*
 * Processes are killed at random moments, 500 of them, while they do anything with buffers, fences and
 * mappings, which they pass on through a socket. Afterwards nothing of them is left, and nobody waits.
 */
#define KILLS 500
#include "processes_killed.h"

int main(void)
{
	const struct CMUnitTest tests[] = { cmocka_unit_test(test_kills) };

	return cmocka_run_group_tests(tests, NULL, NULL);
}
