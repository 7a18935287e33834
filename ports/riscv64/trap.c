/* SPDX-License-Identifier: BSD-2-Clause */
/* Interrupts are handed on; exceptions are told, and end the machine. */
#include "internal.h"

#define EXIT_FAULT 134
#define REG_RA 1
#define REG_FP 8

/* From boot.S, interrupts masked. */
void berth_rv_interrupt(uint64_t cause)
{
	switch (cause & 0xff) {
	case PORT_IRQ_SOFTWARE:
		berth_rv_answer();
		break;
	case PORT_IRQ_TIMER:
		berth_rv_timer_interrupt();
		break;
	case PORT_IRQ_EXTERNAL:
		berth_rv_plic_interrupt();
		break;
	default:
		berth_port_panic("an interrupt that nobody asked for");
	}
}

static const char *cause_of(uint64_t cause)
{
	switch (cause) {
	case 0:
	case 1:
		return "a jump to where no code is";
	case 2:
		return "an instruction that is not allowed";
	case 3:
		return "a breakpoint";
	case 4:
	case 6:
		return "an address that is not aligned";
	case 5:
		return "a read that is not allowed";
	case 7:
		return "a write that is not allowed";
	default:
		return "an exception";
	}
}

static bool is_stack_guard(uint64_t address)
{
	return address - (uintptr_t)berth_rv_stacks[berth_port_slot()] < PORT_GUARD_SIZE;
}

static void report(const struct berth_rv_frame *frame)
{
	uint64_t cause = read_csr("mcause"), address = read_csr("mtval");

	berth_rv_puts("\nberth: CPU ");
	berth_rv_puthex(berth_port_slot());
	berth_rv_puts(": ");
	berth_rv_puts(cause_of(cause));
	if (cause <= 2 || (cause >= 4 && cause <= 7)) {
		/* What instruction it is, or where. */
		berth_rv_puts(cause == 2 ? ": " : " at ");
		berth_rv_puthex(address);
		berth_rv_puts(is_stack_guard(address) ? " (the stack is full)" : "");
	}
	berth_rv_puts("\n  PC ");
	berth_rv_puthex(frame->x[0]);
	for (unsigned int i = 1; i < 32; i++) {
		const char name[] = { i % 4 == 1 ? '\n' : ' ', ' ', 'x', (char)('0' + i / 10),
				      (char)('0' + i % 10),    ' ', 0 };

		berth_rv_puts(name);
		berth_rv_puthex(frame->x[i]);
	}
	berth_rv_puts("\n");
	berth_rv_put_frames(frame->x[REG_FP], frame->x[REG_RA]);
}

/* From boot.S, on a stack of its own. */
void berth_rv_exception(const struct berth_rv_frame *frame)
{
	if (!this_cpu()->traps++) {
		berth_rv_console_seize();
		report(frame);
	}
	berth_exit(EXIT_FAULT);
}
