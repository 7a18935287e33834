/* SPDX-License-Identifier: BSD-2-Clause */
/* Faults. One kind is cured; all others are told, and end the machine. */
#include "internal.h"

#define EC_DATA_ABORT 0x25
#define EC_INSTRUCTION_ABORT 0x21
#define ESR_IS_CACHE_OP (1u << 8)
#define ESR_IS_WRITE (1u << 6)
/* The lowest two bits are a level. */
#define ESR_STATUS 0x3c
#define ESR_NOT_MAPPED 0x04
#define KIND_SYNC 4
#define EXIT_FAULT 134

static void put_field(const char *name, uint64_t value)
{
	berth_a64_puts(name);
	berth_a64_puthex(value);
}

static const char *cause_of(unsigned int kind, uint64_t esr)
{
	if (kind != KIND_SYNC)
		return kind == 7 ? "a system error" : "an unexpected exception";
	switch (esr >> 26) {
	case EC_DATA_ABORT:
		return esr & ESR_IS_WRITE ? "a write that is not allowed"
					  : "a read that is not allowed";
	case EC_INSTRUCTION_ABORT:
		return "a jump to where no code is";
	case 0x07:
		return "use of floating point registers";
	case 0x22:
	case 0x26:
		return "an address that is not aligned";
	case 0x3c:
		return "a breakpoint";
	default:
		return "an exception";
	}
}

static const char *status_of(uint64_t esr)
{
	switch (esr & ESR_STATUS) {
	case 0x00:
		return " (address too large)";
	case ESR_NOT_MAPPED:
		return " (not mapped)";
	case 0x0c:
		return " (not permitted)";
	case 0x10:
		return " (no device answers)";
	case 0x20:
		return " (not aligned for device memory)";
	default:
		return "";
	}
}

static void report(const struct berth_a64_trap_frame *frame, unsigned int kind)
{
	uintptr_t frames[16];
	unsigned int count;
	bool is_abort = kind == KIND_SYNC && (frame->esr >> 26 == EC_DATA_ABORT ||
					      frame->esr >> 26 == EC_INSTRUCTION_ABORT);

	put_field("\nberth: CPU ", berth_port_slot());
	berth_a64_puts(": ");
	berth_a64_puts(cause_of(kind, frame->esr));
	if (is_abort) {
		put_field(" at ", frame->far);
		berth_a64_puts(status_of(frame->esr));
	}
	put_field("\n  ELR ", frame->elr);
	put_field("  ESR ", frame->esr);
	put_field("  FAR ", frame->far);
	put_field("  SPSR ", frame->spsr);
	put_field("  SP ", frame->sp);
	for (unsigned int i = 0; i < 31; i++) {
		const char name[] = { i % 4 ? ' ' : '\n',   ' ', 'x', (char)('0' + i / 10),
				      (char)('0' + i % 10), ' ', 0 };

		put_field(name, frame->x[i]);
	}
	berth_a64_puts("\n");
	count = berth_a64_walk_frames(frame->x[29], frames, ARRAY_SIZE(frames));
	for (unsigned int i = 0; i < count; i++) {
		put_field("  called from ", frames[i]);
		berth_a64_puts("\n");
	}
}

static bool is_outside(phys_addr_t phys)
{
	unsigned long flags = berth_a64_lock(&berth_a64_tables_lock);
	bool is_nomap = berth_a64_kind_of(phys) == RAM_NOMAP;

	berth_a64_unlock(&berth_a64_tables_lock, flags);
	return is_nomap;
}

static bool is_cured(struct berth_a64_trap_frame *frame)
{
	bool is_op = frame->esr & ESR_IS_CACHE_OP;

	if (frame->esr >> 26 != EC_DATA_ABORT || (frame->esr & ESR_STATUS) != ESR_NOT_MAPPED)
		return false;
	/* Somebody was replacing the entry of the block. */
	if (berth_a64_settles(frame->far, frame->esr & ESR_IS_WRITE && !is_op))
		return true;
	/*
	 * Cache maintenance of RAM outside the linear map: there is no mapping through which a line
	 * could have come into a cache, and so nothing to do.
	 */
	if (!is_op || !is_outside(frame->far))
		return false;
	frame->elr += 4;
	return true;
}

/* From vectors.S, on a stack of its own. */
void berth_a64_trap(struct berth_a64_trap_frame *frame, unsigned int kind)
{
	if (kind == KIND_SYNC && is_cured(frame))
		return;
	if (!this_cpu()->traps++) {
		berth_a64_console_seize();
		report(frame, kind);
	}
	berth_exit(EXIT_FAULT);
}
