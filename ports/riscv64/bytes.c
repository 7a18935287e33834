/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The four functions that compilers call by name. Compiled with -fno-tree-loop-distribute-patterns,
 * or their loops would become calls of themselves. Words are read and written aligned: anything else
 * may be an exception.
 */
#include "internal.h"

#define WORD sizeof(uint64_t)

static bool is_aligned_alike(const void *a, const void *b)
{
	return !(((uintptr_t)a ^ (uintptr_t)b) % WORD);
}

/* Upwards; right for overlaps with dst below src as well. */
static void copy_up(unsigned char *dst, const unsigned char *src, size_t n)
{
	if (is_aligned_alike(dst, src)) {
		for (; n && (uintptr_t)dst % WORD; n--)
			*dst++ = *src++;
		for (; n >= 4 * WORD; n -= 4 * WORD, dst += 4 * WORD, src += 4 * WORD) {
			const uint64_t *from = (const uint64_t *)src;
			uint64_t a = from[0], b = from[1], c = from[2], d = from[3];
			uint64_t *to = (uint64_t *)dst;

			to[0] = a;
			to[1] = b;
			to[2] = c;
			to[3] = d;
		}
		for (; n >= WORD; n -= WORD, dst += WORD, src += WORD)
			*(uint64_t *)dst = *(const uint64_t *)src;
	}
	while (n--)
		*dst++ = *src++;
}

static void copy_down(unsigned char *dst, const unsigned char *src, size_t n)
{
	if (is_aligned_alike(dst, src)) {
		for (; n && (uintptr_t)(dst + n) % WORD; n--)
			dst[n - 1] = src[n - 1];
		for (; n >= WORD; n -= WORD)
			*(uint64_t *)(dst + n - WORD) = *(const uint64_t *)(src + n - WORD);
	}
	while (n--)
		dst[n] = src[n];
}

void *memcpy(void *dst, const void *src, size_t n)
{
	copy_up(dst, src, n);
	return dst;
}

void *memmove(void *dst, const void *src, size_t n)
{
	if ((uintptr_t)dst - (uintptr_t)src >= n)
		copy_up(dst, src, n);
	else
		copy_down(dst, src, n);
	return dst;
}

void *memset(void *dst, int byte, size_t n)
{
	uint64_t word = (unsigned char)byte * 0x0101010101010101ull;
	unsigned char *at = dst;

	for (; n && (uintptr_t)at % WORD; n--)
		*at++ = (unsigned char)byte;
	for (; n >= WORD; n -= WORD, at += WORD)
		*(uint64_t *)at = word;
	while (n--)
		*at++ = (unsigned char)byte;
	return dst;
}

int memcmp(const void *a, const void *b, size_t n)
{
	const unsigned char *p = a, *q = b;

	for (; n; n--, p++, q++)
		if (*p != *q)
			return *p - *q;
	return 0;
}
