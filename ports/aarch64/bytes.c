/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The four functions that compilers call by name. Compiled with -fno-tree-loop-distribute-patterns,
 * or their loops would become calls of themselves. Words are read and written unaligned, which
 * normal memory allows, cached or not; device registers are no business of theirs.
 */
#include "internal.h"

struct pair {
	uint64_t low, high;
};

static inline struct pair load_pair(const unsigned char *at)
{
	struct pair p;

	__asm__ volatile("ldp %0, %1, [%2]" : "=r"(p.low), "=r"(p.high) : "r"(at) : "memory");
	return p;
}

static inline void store_pair(unsigned char *at, struct pair p)
{
	__asm__ volatile("stp %0, %1, [%2]" ::"r"(p.low), "r"(p.high), "r"(at) : "memory");
}

static inline uint64_t load(const unsigned char *at)
{
	uint64_t value;

	__asm__ volatile("ldr %0, [%1]" : "=r"(value) : "r"(at) : "memory");
	return value;
}

static inline void store(unsigned char *at, uint64_t value)
{
	__asm__ volatile("str %0, [%1]" ::"r"(value), "r"(at) : "memory");
}

/* Upwards; right for overlaps with dst below src as well, since loads run ahead of stores. */
static void copy_up(unsigned char *dst, const unsigned char *src, size_t n)
{
	for (; n >= 32; n -= 32, dst += 32, src += 32) {
		struct pair a = load_pair(src), b = load_pair(src + 16);

		store_pair(dst, a);
		store_pair(dst + 16, b);
	}
	for (; n >= 8; n -= 8, dst += 8, src += 8)
		store(dst, load(src));
	while (n--)
		*dst++ = *src++;
}

static void copy_down(unsigned char *dst, const unsigned char *src, size_t n)
{
	for (; n >= 32; n -= 32) {
		struct pair a = load_pair(src + n - 16), b = load_pair(src + n - 32);

		store_pair(dst + n - 16, a);
		store_pair(dst + n - 32, b);
	}
	for (; n >= 8; n -= 8)
		store(dst + n - 8, load(src + n - 8));
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

	for (; n >= 32; n -= 32, at += 32) {
		store_pair(at, (struct pair){ word, word });
		store_pair(at + 16, (struct pair){ word, word });
	}
	for (; n >= 8; n -= 8, at += 8)
		store(at, word);
	while (n--)
		*at++ = (unsigned char)byte;
	return dst;
}

int memcmp(const void *a, const void *b, size_t n)
{
	const unsigned char *p = a, *q = b;

	for (; n >= 8 && load(p) == load(q); n -= 8)
		p += 8, q += 8;
	for (; n; n--, p++, q++)
		if (*p != *q)
			return *p - *q;
	return 0;
}
