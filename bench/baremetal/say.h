/* SPDX-License-Identifier: BSD-2-Clause */
/* Tables on the console of a firmware. */
#ifndef BENCH_BAREMETAL_SAY_H
#define BENCH_BAREMETAL_SAY_H

#include <berth/berth.h>
#include <berth/port.h>

static inline void say(const char *text)
{
	for (; *text; text++)
		berth_port_print(text, 1);
}

static inline void say_left(const char *text, unsigned int width)
{
	say(text);
	while (*text && width)
		text++, width--;
	while (width--)
		say(" ");
}

/* Right-aligned; the last digits are behind the point. */
static inline void say_fixed(uint64_t value, unsigned int decimals, unsigned int width)
{
	char text[32];
	unsigned int at = sizeof(text), digits = 0;

	text[--at] = 0;
	do {
		if (digits && digits == decimals)
			text[--at] = '.';
		text[--at] = (char)('0' + value % 10);
		value /= 10;
	} while (++digits <= decimals || value);
	while (sizeof(text) - 1 - at < width)
		text[--at] = ' ';
	say(text + at);
}

/* Always false, as fail(). */
static inline bool complain(const char *what)
{
	say(what);
	say("\n");
	return false;
}

/* Of what berth gives a reason for. */
static inline bool fail(const char *what)
{
	char why[200];

	berth_error_text(NULL, why, sizeof(why));
	say(what);
	say(": ");
	return complain(why);
}

#endif
