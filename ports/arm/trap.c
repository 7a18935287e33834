/* SPDX-License-Identifier: BSD-2-Clause */
/* Faults: they are told, and end the machine. */
#include "internal.h"

enum { KIND_UNDEFINED, KIND_PREFETCH, KIND_DATA };

#define DFSR_IS_WRITE (1u << 11)
#define EXIT_FAULT 134

static uint32_t traps;

static void put_field(const char *name, uint32_t value)
{
	berth_arm_puts(name);
	berth_arm_puthex(value);
}

/* VFP and NEON are coprocessors 10 and 11; NEON's own encodings are those without a condition. */
static bool is_float(uint32_t pc)
{
	uint32_t code = *(const uint32_t *)pc;

	if ((code & 0xfe000000) == 0xf2000000 || (code & 0xff100000) == 0xf4000000)
		return true;
	return (code & 0x0c000000) == 0x0c000000 && (code & 0xe00) == 0xa00;
}

static const char *cause_of(const struct berth_arm_trap_frame *frame, unsigned int kind,
			    uint32_t status)
{
	if (kind == KIND_UNDEFINED)
		return is_float(frame->pc) ? "use of floating point registers"
					   : "an instruction that there is not";
	if (kind == KIND_PREFETCH)
		return "a jump to where no code is";
	return status & DFSR_IS_WRITE ? "a write that is not allowed"
				      : "a read that is not allowed";
}

static const char *status_of(uint32_t status)
{
	switch ((status & 0xf) | (status >> 6 & 0x10)) {
	case 0x01:
		return " (not aligned)";
	case 0x05:
	case 0x07:
		return " (not mapped)";
	case 0x0d:
	case 0x0f:
		return " (not permitted)";
	case 0x08:
	case 0x16:
		return " (no device answers)";
	default:
		return "";
	}
}

static void report(const struct berth_arm_trap_frame *frame, unsigned int kind)
{
	uint32_t status = kind == KIND_DATA ? read_cp15("0, %0, c5, c0, 0")
					    : read_cp15("0, %0, c5, c0, 1");
	uint32_t address = kind == KIND_DATA ? read_cp15("0, %0, c6, c0, 0")
					     : read_cp15("0, %0, c6, c0, 2");
	uintptr_t frames[16];
	unsigned int count;

	berth_arm_puts("\nberth: ");
	berth_arm_puts(cause_of(frame, kind, status));
	if (kind != KIND_UNDEFINED) {
		put_field(" at ", address);
		berth_arm_puts(status_of(status));
	}
	put_field("\n  PC ", frame->pc);
	put_field("  LR ", frame->lr);
	put_field("  SP ", frame->sp);
	put_field("  PSR ", frame->psr);
	put_field("  FSR ", status);
	for (unsigned int i = 0; i < 13; i++) {
		const char name[] = { i % 4 ? ' ' : '\n',   ' ', 'r', (char)('0' + i / 10),
				      (char)('0' + i % 10), ' ', 0 };

		put_field(name, frame->r[i]);
	}
	berth_arm_puts("\n");
	/* Of a function that calls none its own return address is nowhere else. */
	if (berth_arm_is_text(frame->lr)) {
		put_field("  called from ", frame->lr);
		berth_arm_puts("\n");
	}
	count = berth_arm_walk_frames(frame->r[11], frames, ARRAY_SIZE(frames));
	for (unsigned int i = 0; i < count; i++) {
		put_field("  called from ", frames[i]);
		berth_arm_puts("\n");
	}
}

/* From vectors.S, on a stack of its own. */
void berth_arm_trap(const struct berth_arm_trap_frame *frame, unsigned int kind)
{
	if (!traps++)
		report(frame, kind);
	berth_exit(EXIT_FAULT);
}
