/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What the compiler calls where this instruction set has no instruction: bits and bytes of a word,
 * and atomic operations on less than 32 bits. libgcc has them too, for another calling convention.
 */
#include "internal.h"

int berth_rv_clz(uint64_t value) __asm__("__clzdi2");
int berth_rv_ctz(uint64_t value) __asm__("__ctzdi2");
int berth_rv_popcount(uint64_t value) __asm__("__popcountdi2");
uint32_t berth_rv_bswap32(uint32_t value) __asm__("__bswapsi2");
uint64_t berth_rv_bswap64(uint64_t value) __asm__("__bswapdi2");

int berth_rv_clz(uint64_t value)
{
	int zeroes = 0;

	for (int step = 32; step; step /= 2)
		if (!(value >> (64 - step))) {
			value <<= step;
			zeroes += step;
		}
	return zeroes;
}

int berth_rv_ctz(uint64_t value)
{
	int zeroes = 0;

	for (int step = 32; step; step /= 2)
		if (!(value << (64 - step))) {
			value >>= step;
			zeroes += step;
		}
	return zeroes;
}

int berth_rv_popcount(uint64_t value)
{
	value -= value >> 1 & 0x5555555555555555;
	value = (value & 0x3333333333333333) + (value >> 2 & 0x3333333333333333);
	value = (value + (value >> 4)) & 0x0f0f0f0f0f0f0f0f;
	return (int)(value * 0x0101010101010101 >> 56);
}

uint32_t berth_rv_bswap32(uint32_t value)
{
	return value << 24 | (value & 0xff00) << 8 | (value >> 8 & 0xff00) | value >> 24;
}

uint64_t berth_rv_bswap64(uint64_t value)
{
	return (uint64_t)berth_rv_bswap32((uint32_t)value) << 32 |
	       berth_rv_bswap32((uint32_t)(value >> 32));
}

/*
 * Replace a part of an aligned word in which it has the value *@old, and put into *@old what it had.
 * Whatever order was asked for, it is the strongest.
 */
static bool replace(uintptr_t at, uint32_t mask, uint32_t *old, uint32_t new)
{
	uint32_t *word = (uint32_t *)(at & ~3ul);
	unsigned int shift = (unsigned int)(at & 3) * 8;
	uint32_t seen = __atomic_load_n(word, __ATOMIC_RELAXED);

	do {
		if ((seen >> shift & mask) != *old) {
			*old = seen >> shift & mask;
			__atomic_thread_fence(__ATOMIC_SEQ_CST);
			return false;
		}
	} while (!__atomic_compare_exchange_n(word, &seen,
					      (seen & ~(mask << shift)) | (new &mask) << shift,
					      true, __ATOMIC_SEQ_CST, __ATOMIC_RELAXED));
	return true;
}

#define ATOMIC_FETCH(op, bytes, type, expression)                                    \
	type berth_rv_##op##_##bytes(volatile void *at, type with,                   \
				     int order) __asm__("__atomic_" #op "_" #bytes); \
	type berth_rv_##op##_##bytes(volatile void *at, type with, int order)        \
	{                                                                            \
		uint32_t old = 0;                                                    \
                                                                                     \
		(void)order;                                                         \
		while (!replace((uintptr_t)at, (type)-1, &old, expression))          \
			;                                                            \
		return (type)old;                                                    \
	}

#define ATOMIC_ALL(bytes, type)                                                                    \
	ATOMIC_FETCH(exchange, bytes, type, with)                                                  \
	ATOMIC_FETCH(fetch_add, bytes, type, old + with)                                           \
	ATOMIC_FETCH(fetch_sub, bytes, type, old - with)                                           \
	ATOMIC_FETCH(fetch_and, bytes, type, old &with)                                            \
	ATOMIC_FETCH(fetch_or, bytes, type, old | with)                                            \
	bool berth_rv_compare_##bytes(volatile void *at, void *expected, type with, bool weak,     \
				      int order,                                                   \
				      int otherwise) __asm__("__atomic_compare_exchange_" #bytes); \
	bool berth_rv_compare_##bytes(volatile void *at, void *expected, type with, bool weak,     \
				      int order, int otherwise)                                    \
	{                                                                                          \
		uint32_t old = *(type *)expected;                                                  \
		bool done = replace((uintptr_t)at, (type)-1, &old, with);                          \
                                                                                                   \
		(void)weak;                                                                        \
		(void)order;                                                                       \
		(void)otherwise;                                                                   \
		*(type *)expected = (type)old;                                                     \
		return done;                                                                       \
	}

ATOMIC_ALL(1, uint8_t)
ATOMIC_ALL(2, uint16_t)
