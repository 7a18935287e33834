// SPDX-License-Identifier: BSD-2-Clause
/*
 * One cache line, in three copies: C is changed by the CPU at any moment, from any thread, without
 * the model's lock; D by the CPU through uncached mappings; S by the model alone.
 */
#include "model/internal.h"

/*
 * Two words at a time: none is torn, and any CPU has it. Everything that the CPU may change is read
 * through volatile, or a compiler could read it twice.
 */
typedef uint64_t __attribute__((vector_size(16), may_alias)) pair;

#define LINE_PAIRS 8

static RAW inline pair load(const void *at)
{
	return *(const volatile pair *)at;
}

static RAW inline void store(void *at, pair value)
{
	*(volatile pair *)at = value;
}

static RAW inline bool is_zero(pair value)
{
	return !(value[0] | value[1]);
}

/*
 * The memory side moves in the widest units that its alignment allows, each at once: a word that
 * the CPU polls or writes is never torn. The other side is the model's own buffer.
 */
typedef uint64_t __attribute__((may_alias)) word64;
typedef uint32_t __attribute__((may_alias)) word32;
typedef uint16_t __attribute__((may_alias)) word16;

#define READ_UNIT(type)                                                   \
	do {                                                              \
		type unit = *(const volatile type *)(const void *)memory; \
		__builtin_memcpy(own, &unit, sizeof(unit));               \
		memory += sizeof(unit);                                   \
		own += sizeof(unit);                                      \
		size -= sizeof(unit);                                     \
	} while (0)

#define WRITE_UNIT(type)                                    \
	do {                                                \
		type unit;                                  \
		__builtin_memcpy(&unit, own, sizeof(unit)); \
		*(volatile type *)(void *)memory = unit;    \
		memory += sizeof(unit);                     \
		own += sizeof(unit);                        \
		size -= sizeof(unit);                       \
	} while (0)

#define MOVE(UNIT)                                   \
	while (size) {                               \
		uintptr_t at = (uintptr_t)memory;    \
		if (size >= 64 && !(at & 15)) {      \
			do {                         \
				UNIT(pair);          \
				UNIT(pair);          \
				UNIT(pair);          \
				UNIT(pair);          \
			} while (size >= 64);        \
		} else if (size >= 8 && !(at & 7)) { \
			UNIT(word64);                \
		} else if (size >= 4 && !(at & 3)) { \
			UNIT(word32);                \
		} else if (size >= 2 && !(at & 1)) { \
			UNIT(word16);                \
		} else {                             \
			UNIT(uint8_t);               \
		}                                    \
	}

RAW void raw_read(void *buffer, const uint8_t *memory, uint64_t size)
{
	uint8_t *own = buffer;

	MOVE(READ_UNIT)
}

RAW void raw_write(uint8_t *memory, const void *buffer, uint64_t size)
{
	const uint8_t *own = buffer;

	MOVE(WRITE_UNIT)
}

/* Whole lines, of which none of the bytes is what it is in the other. */
RAW void raw_invert(uint8_t *memory, const uint8_t *other, uint64_t size)
{
	for (uint64_t at = 0; at < size; at += 16)
		store(memory + at, ~load(other + at));
}

/* The same bytes for the same address, none of the words zero. */
RAW void raw_fill(uint8_t *memory, phys_addr_t phys, uint64_t size, uint64_t key)
{
	while (size) {
		uint64_t word = ((phys & ~7ull) ^ key) * 0x9e3779b97f4a7c15ull | 1;

		if (size >= 8 && !(phys & 7)) {
			*(volatile word64 *)(void *)memory = word;
			memory += 8;
			phys += 8;
			size -= 8;
		} else {
			*(volatile uint8_t *)memory++ = (uint8_t)(word >> (phys & 7) * 8);
			phys++;
			size--;
		}
	}
}

RAW bool line_is_dirty(const uint8_t *c, const uint8_t *s, unsigned int line)
{
	pair difference = { 0 };

	for (unsigned int i = 0; i < line; i += 16)
		difference |= load(c + i) ^ *(const pair *)(const void *)(s + i);
	return !is_zero(difference);
}

/*
 * Write back if dirty. The line is read once: what is compared is what is written, or a store that
 * falls between would be taken for written back and be lost for ever.
 */
RAW bool line_clean(const uint8_t *c, uint8_t *d, uint8_t *s, unsigned int line)
{
	pair read[LINE_PAIRS];
	pair difference = { 0 };

	for (unsigned int i = 0; i < line; i += 16) {
		read[i / 16] = load(c + i);
		difference |= read[i / 16] ^ *(const pair *)(const void *)(s + i);
	}
	if (is_zero(difference))
		return false;
	for (unsigned int i = 0; i < line; i += 16) {
		store(d + i, read[i / 16]);
		store(s + i, read[i / 16]);
	}
	return true;
}

static RAW void refill_word(uint8_t *c, const uint8_t *d, uint8_t *s)
{
	word64 memory = *(const volatile word64 *)(const void *)d;
	word64 clean = *(word64 *)(void *)s;

	*(word64 *)(void *)s = memory;
	if (memory != clean)
		__atomic_compare_exchange_n((word64 *)(void *)c, &clean, memory, false,
					    __ATOMIC_RELAXED, __ATOMIC_RELAXED);
}

/*
 * Read a line that was clean a moment ago again. A store that falls between wins: its word is left
 * alone, and dirty from now on.
 */
RAW bool line_refill(uint8_t *c, const uint8_t *d, uint8_t *s, unsigned int line)
{
	if (!line_is_dirty(d, s, line))
		return false;
	for (unsigned int i = 0; i < line; i += 8)
		refill_word(c + i, d + i, s + i);
	return true;
}

/* What the CPU changed is gone, as on hardware: that may be somebody else's. */
RAW void line_drop(uint8_t *c, const uint8_t *d, uint8_t *s, unsigned int line)
{
	for (unsigned int i = 0; i < line; i += 16) {
		pair memory = load(d + i);

		if (!is_zero(load(c + i) ^ memory))
			store(c + i, memory);
		*(pair *)(void *)(s + i) = memory;
	}
}
