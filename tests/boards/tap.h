/* SPDX-License-Identifier: BSD-2-Clause */
/* Results of firmware, line by line, as tests/run.py counts them. */
#ifndef TESTS_BOARDS_TAP_H
#define TESTS_BOARDS_TAP_H

#include <berth/port.h>
#include <berth/types.h>

static unsigned int checks, failures;

static void say(const char *text)
{
	for (; *text; text++)
		berth_port_print(text, 1);
}

static void say_number(uint64_t n)
{
	char digit = (char)('0' + n % 10);

	if (n >= 10)
		say_number(n / 10);
	berth_port_print(&digit, 1);
}

static void check(bool is_ok, const char *what)
{
	failures += !is_ok;
	say(is_ok ? "ok " : "not ok ");
	say_number(++checks);
	say(" - ");
	say(what);
	say("\n");
}

#endif
