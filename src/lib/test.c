/* SPDX-License-Identifier: BSD-2-Clause */
#include <berth/errno.h>
#include <berth/test.h>

#include "lib/printk.h"

static uint64_t seed;
static void (*on_failure)(void *data, const char *file, unsigned int line, const char *text);
static void *on_failure_data;

void berth_test_begin(uint64_t new_seed,
		      void (*function)(void *data, const char *file, unsigned int line,
				       const char *text),
		      void *data)
{
	seed = new_seed;
	on_failure = function;
	on_failure_data = data;
}

uint64_t berth_test_seed(void)
{
	return seed;
}

int berth_test_failure(const char *file, unsigned int line, const char *format, ...)
{
	char text[200];
	va_list args;

	va_start(args, format);
	berth_vsnprintf(text, sizeof(text), format, args);
	va_end(args);
	if (on_failure)
		on_failure(on_failure_data, file, line, text);
	else
		berth_printk("%s:%u: %s\n", file, line, text);
	return -EIO;
}
