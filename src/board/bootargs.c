/* SPDX-License-Identifier: BSD-2-Clause */
#include "board/board.h"
#include "lib/string.h"

const char *berth_bootarg(const char *bootargs, const char *key)
{
	size_t length = berth_strlen(key);
	const char *found = NULL;

	/* The last one counts, as on Linux. */
	for (const char *s = bootargs; s && *s;) {
		while (*s == ' ')
			s++;
		if (berth_strnlen(s, length) == length && !memcmp(s, key, length) &&
		    s[length] == '=')
			found = s + length + 1;
		while (*s && *s != ' ')
			s++;
	}
	return found;
}
