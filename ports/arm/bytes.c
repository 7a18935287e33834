/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The four functions that compilers call by name. Compiled with -fno-tree-loop-distribute-patterns,
 * or their loops would become calls of themselves. Single words are read and written unaligned, which
 * normal memory allows, cached or not; device registers are no business of theirs.
 */
#include "internal.h"

#define ARE_ALIGNED(a, b) (!(((uintptr_t)(a) | (uintptr_t)(b)) & 3))

static inline uint32_t load(const unsigned char *at)
{
	uint32_t value;

	__asm__ volatile("ldr %0, [%1]" : "=r"(value) : "r"(at) : "memory");
	return value;
}

static inline void store(unsigned char *at, uint32_t value)
{
	__asm__ volatile("str %0, [%1]" ::"r"(value), "r"(at) : "memory");
}

/* Upwards; right for overlaps with dst below src as well, since loads run ahead of stores. */
static void copy_up(unsigned char *dst, const unsigned char *src, size_t n)
{
	for (; n >= 32 && ARE_ALIGNED(dst, src); n -= 32)
		__asm__ volatile("ldmia %0!, {r3-r10}\n\tstmia %1!, {r3-r10}"
				 : "+r"(src), "+r"(dst)
				 :
				 : "r3", "r4", "r5", "r6", "r7", "r8", "r9", "r10", "memory");
	for (; n >= 4; n -= 4, dst += 4, src += 4)
		store(dst, load(src));
	while (n--)
		*dst++ = *src++;
}

static void copy_down(unsigned char *dst, const unsigned char *src, size_t n)
{
	dst += n;
	src += n;
	for (; n >= 32 && ARE_ALIGNED(dst, src); n -= 32)
		__asm__ volatile("ldmdb %0!, {r3-r10}\n\tstmdb %1!, {r3-r10}"
				 : "+r"(src), "+r"(dst)
				 :
				 : "r3", "r4", "r5", "r6", "r7", "r8", "r9", "r10", "memory");
	for (; n >= 4; n -= 4)
		store(dst -= 4, load(src -= 4));
	while (n--)
		*--dst = *--src;
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
	uint32_t word = (unsigned char)byte * 0x01010101u;
	unsigned char *at = dst;

	for (; n >= 16; n -= 16, at += 16) {
		store(at, word);
		store(at + 4, word);
		store(at + 8, word);
		store(at + 12, word);
	}
	for (; n >= 4; n -= 4, at += 4)
		store(at, word);
	while (n--)
		*at++ = (unsigned char)byte;
	return dst;
}

int memcmp(const void *a, const void *b, size_t n)
{
	const unsigned char *p = a, *q = b;

	for (; n >= 4 && load(p) == load(q); n -= 4)
		p += 4, q += 4;
	for (; n; n--, p++, q++)
		if (*p != *q)
			return *p - *q;
	return 0;
}
