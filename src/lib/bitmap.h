/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Bitmaps in 64-bit words: bit n is bit n % 64 of word n / 64. Whoever changes one holds a lock;
 * others may look meanwhile, at what may not be so any more.
 */
#ifndef BERTH_LIB_BITMAP_H
#define BERTH_LIB_BITMAP_H

#include <berth/types.h>

#define BITS_TO_WORDS(n) (((n) + 63) / 64)

/* Index of the lowest bit that is set; @word is not 0. */
static inline unsigned int lowest_bit(uint64_t word)
{
	return (unsigned int)__builtin_ctzll(word);
}

/* Index of the highest bit that is set; @word is not 0. */
static inline unsigned int highest_bit(uint64_t word)
{
	return 63u - (unsigned int)__builtin_clzll(word);
}

static inline bool bitmap_test(const uint64_t *map, uint64_t bit)
{
	return (__atomic_load_n(&map[bit / 64], __ATOMIC_RELAXED) >> (bit % 64)) & 1;
}

/* The first bit at or behind @from whose value is @value, or @size. */
static inline uint64_t bitmap_find(const uint64_t *map, uint64_t size, uint64_t from, bool value)
{
	uint64_t flip = value ? 0 : UINT64_MAX;

	while (from < size) {
		uint64_t word = (__atomic_load_n(&map[from / 64], __ATOMIC_RELAXED) ^ flip) >>
				(from % 64);

		if (word) {
			from += lowest_bit(word);
			return from < size ? from : size;
		}
		from = (from | 63) + 1;
	}
	return size;
}

/* Give @nr bits from @from on the value @value. */
static inline void bitmap_fill(uint64_t *map, uint64_t from, uint64_t nr, bool value)
{
	while (nr) {
		uint64_t in_word = 64 - from % 64;
		uint64_t n = nr < in_word ? nr : in_word;
		uint64_t mask = (UINT64_MAX >> (64 - n)) << (from % 64);

		__atomic_store_n(&map[from / 64],
				 value ? map[from / 64] | mask : map[from / 64] & ~mask,
				 __ATOMIC_RELAXED);
		from += n;
		nr -= n;
	}
}

#endif
