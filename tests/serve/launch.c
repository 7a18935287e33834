// SPDX-License-Identifier: BSD-2-Clause
/* berth exec --no-preload -- PROGRAM..., alone. */
#include "launcher.h"

int main(int argc, char **argv)
{
	const struct launcher_options options = { 0 };

	return argc > 1 ? launcher_run(&options, argv + 1) : 2;
}
