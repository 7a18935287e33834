// SPDX-License-Identifier: BSD-2-Clause
/* How devices touch C and D: as hardware does, unseen by sanitizers. */
#include "model/internal.h"
#include "model/line.h"

/*
 * The memory side moves in the widest units that its alignment allows, each at once: a word that
 * the CPU polls or writes is never torn. The other side is the model's own buffer.
 */
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
		line_store(memory + at, ~line_load(other + at));
}

/* The same bytes for the same address, none of the words zero. */
RAW void raw_fill(uint8_t *memory, phys_addr_t phys, uint64_t size, uint64_t key)
{
	while (size) {
		uint64_t word = raw_fill_word(phys, key);

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
