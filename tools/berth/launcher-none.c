// SPDX-License-Identifier: BSD-2-Clause
/* For machines whose system calls launcher-filter.c and launcher-trace.c do not know. */
#include <stdio.h>

#include "launcher.h"
#include "run.h"

int launcher_run(const struct launcher_options *options, char **argv)
{
	(void)options;
	(void)argv;
	fputs("berth exec: --no-preload: only on x86-64\n", stderr);
	return RUN_UNUSABLE;
}
