/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The engine of the corpus: a device with descriptors in coherent memory. It reads the own word of the next one, the rest
 * if that is set, writes the result, and gives the descriptor back by clearing the word.
 */
#ifndef TESTS_CHECK_ENGINE_H
#define TESTS_CHECK_ENGINE_H

#include <stdint.h>

/* Registers, of 32 bits. */
#define ENGINE_MODE 0x00
#define ENGINE_RING 0x04 /* bus address of the descriptors */
#define ENGINE_COMPLETIONS 0x08 /* of the completions; 0: none */
#define ENGINE_KICK 0x0c /* look; with TAIL: there are so many descriptors */
#define ENGINE_ACK 0x10 /* the interrupt goes */
#define ENGINE_DONE 0x14 /* descriptors done */

#define ENGINE_POLL 1u /* looks again and again, without a kick */
#define ENGINE_WHOLE 2u /* reads a descriptor, and writes a completion, as a whole */
#define ENGINE_TAIL 4u /* no own words: ENGINE_KICK says how many there are */
#define ENGINE_IRQ 8u
#define ENGINE_SCAN 16u /* reads the page at ENGINE_RING again and again, as a display does */

#define ENGINE_DESCRIPTORS 16u

struct engine_desc {
	uint64_t addr;
	uint32_t length;
	uint32_t result; /* by the engine: addr + length */
	uint64_t cookie; /* the program's own; the engine keeps out of it */
	uint32_t flags;
	uint32_t own;
};

/* What has become of it; the phase is 1 in the first round, then 2. */
struct engine_completion {
	uint32_t index;
	uint32_t result;
	uint32_t reserved;
	uint32_t phase;
};

/* The test's side: its node goes into the tree after "memory". */
#define ENGINE_NODE "engine@10010000"
#define ENGINE_BASE 0x10010000u
#define ENGINE_LINE 40u

struct berth_model_device_type;
extern const struct berth_model_device_type engine_type;

#endif
