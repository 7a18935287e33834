/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * One cache line, in three copies: C is changed by the CPU at any moment, from any thread, without
 * the model's lock; D by the CPU through uncached mappings; S by the model alone. Unseen by
 * sanitizers, as what hardware does is; in a build without them all of it is inlined.
 */
#ifndef MODEL_LINE_H
#define MODEL_LINE_H

#include "host.h"

/*
 * Two words at a time: none is torn, and any CPU has it. Everything that the CPU may change is read
 * through volatile, or a compiler could read it twice.
 */
typedef uint64_t __attribute__((vector_size(16), may_alias)) pair;
typedef uint64_t __attribute__((may_alias)) word64;

#define LINE_LIMIT 128

/* How the copies of a line differ. */
#define LINE_DIRTY 1u /* C from S: the CPU has changed it */
#define LINE_STALE 2u /* D from S: memory was changed since it was read */

static RAW inline pair line_load(const void *at)
{
	return *(const volatile pair *)at;
}

static RAW inline void line_store(void *at, pair value)
{
	*(volatile pair *)at = value;
}

static RAW inline bool line_is_zero(pair value)
{
	return !(value[0] | value[1]);
}

static RAW inline unsigned int line_compare(const uint8_t *c, const uint8_t *d, const uint8_t *s,
					    unsigned int line)
{
	pair dirty = { 0 }, stale = { 0 };

	for (unsigned int i = 0; i < line; i += 16) {
		pair clean = line_load(s + i);

		dirty |= line_load(c + i) ^ clean;
		stale |= line_load(d + i) ^ clean;
	}
	if (line_is_zero(dirty | stale))
		return 0;
	return (line_is_zero(dirty) ? 0 : LINE_DIRTY) | (line_is_zero(stale) ? 0 : LINE_STALE);
}

/* See above. The usual line is unrolled. */
static RAW inline unsigned int line_look(const uint8_t *c, const uint8_t *d, const uint8_t *s,
					 unsigned int line)
{
	return line == 64 ? line_compare(c, d, s, 64) : line_compare(c, d, s, line);
}

/*
 * Write back if dirty. The line is read once: what is compared is what is written, or a store that
 * falls between would be taken for written back and be lost for ever.
 */
static RAW inline bool line_write_back(const uint8_t *c, uint8_t *d, uint8_t *s, unsigned int line)
{
	pair read[LINE_LIMIT / 16];
	pair difference = { 0 };

	for (unsigned int i = 0; i < line; i += 16) {
		read[i / 16] = line_load(c + i);
		difference |= read[i / 16] ^ line_load(s + i);
	}
	if (line_is_zero(difference))
		return false;
	for (unsigned int i = 0; i < line; i += 16) {
		line_store(d + i, read[i / 16]);
		line_store(s + i, read[i / 16]);
	}
	return true;
}

static RAW inline bool line_clean(const uint8_t *c, uint8_t *d, uint8_t *s, unsigned int line)
{
	return line == 64 ? line_write_back(c, d, s, 64) : line_write_back(c, d, s, line);
}

/*
 * Read a line that was clean a moment ago again. A store that falls between wins: its word is left
 * alone, and dirty from now on.
 */
static RAW inline void line_refill(uint8_t *c, const uint8_t *d, uint8_t *s, unsigned int line)
{
	for (unsigned int i = 0; i < line; i += 8) {
		word64 memory = *(const volatile word64 *)(const void *)(d + i);
		word64 clean = *(word64 *)(void *)(s + i);

		if (memory == clean)
			continue;
		*(word64 *)(void *)(s + i) = memory;
		__atomic_compare_exchange_n((word64 *)(void *)(c + i), &clean, memory, false,
					    __ATOMIC_RELAXED, __ATOMIC_RELAXED);
	}
}

/* What the CPU changed is gone, as on hardware: that may be somebody else's. */
static RAW inline void line_drop(uint8_t *c, const uint8_t *d, uint8_t *s, unsigned int line)
{
	if (!line_look(c, d, s, line))
		return;
	for (unsigned int i = 0; i < line; i += 16) {
		pair memory = line_load(d + i);

		if (!line_is_zero(line_load(c + i) ^ memory))
			line_store(c + i, memory);
		line_store(s + i, memory);
	}
}

#endif
