/* SPDX-License-Identifier: BSD-2-Clause */
#include "lib/string.h"

size_t berth_strlen(const char *s)
{
	size_t n = 0;

	while (s[n])
		n++;
	return n;
}

size_t berth_strnlen(const char *s, size_t max)
{
	size_t n = 0;

	while (n < max && s[n])
		n++;
	return n;
}

int berth_strcmp(const char *a, const char *b)
{
	while (*a && *a == *b) {
		a++;
		b++;
	}
	return (unsigned char)*a - (unsigned char)*b;
}

size_t berth_strlcpy(char *dst, const char *src, size_t size)
{
	size_t length = berth_strlen(src);
	size_t n = length < size ? length : size - 1;

	if (size) {
		memcpy(dst, src, n);
		dst[n] = '\0';
	}
	return length;
}

static int digit(char c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	if (c >= 'a' && c <= 'f')
		return c - 'a' + 10;
	if (c >= 'A' && c <= 'F')
		return c - 'A' + 10;
	return 16;
}

uint64_t berth_memparse(const char *s, const char **end)
{
	int base = 10;
	uint64_t value = 0;

	if (s[0] == '0' && (s[1] == 'x' || s[1] == 'X') && digit(s[2]) < 16) {
		base = 16;
		s += 2;
	}
	for (; digit(*s) < base; s++)
		value = value * (uint64_t)base + (uint64_t)digit(*s);
	switch (*s) {
	case 'T':
	case 't':
		value <<= 40;
		s++;
		break;
	case 'G':
	case 'g':
		value <<= 30;
		s++;
		break;
	case 'M':
	case 'm':
		value <<= 20;
		s++;
		break;
	case 'K':
	case 'k':
		value <<= 10;
		s++;
		break;
	default:
		break;
	}
	if (end)
		*end = s;
	return value;
}
