/* SPDX-License-Identifier: BSD-2-Clause */
/* The UART, the stack, and the end. */
#include "internal.h"

#define UART_CR 0x00
#define UART_CR_ON 0x14
#define UART_SR 0x2c
#define UART_SR_FULL (1u << 4)
#define UART_FIFO 0x30

#define SYS_EXIT_EXTENDED 0x20
#define ADP_STOPPED_APPLICATION_EXIT 0x20026

/* As a shell reports SIGABRT. */
#define EXIT_PANIC 134

void berth_port_print(const char *text, size_t length)
{
	unsigned long flags = berth_port_irq_save();

	write_reg(PORT_UART, UART_CR, UART_CR_ON);
	while (length--) {
		while (read_reg(PORT_UART, UART_SR) & UART_SR_FULL)
			berth_port_relax();
		write_reg(PORT_UART, UART_FIFO, (unsigned char)*text++);
	}
	berth_port_irq_restore(flags);
}

void berth_arm_puts(const char *text)
{
	size_t length = 0;

	while (text[length])
		length++;
	berth_port_print(text, length);
}

void berth_arm_puthex(uint32_t value)
{
	char text[10];
	unsigned int at = sizeof(text);

	do {
		text[--at] = "0123456789abcdef"[value & 0xf];
		value >>= 4;
	} while (value);
	text[--at] = 'x';
	text[--at] = '0';
	berth_port_print(text + at, sizeof(text) - at);
}

bool berth_arm_is_text(uintptr_t at)
{
	return at >= (uintptr_t)__image_start && at < (uintptr_t)__text_end;
}

/*
 * The frame pointer points at the return address, below which is the caller's frame pointer. Only in
 * a function that calls none, where a fault may happen, it points at the latter.
 */
unsigned int berth_arm_walk_frames(uintptr_t fp, uintptr_t *frames, unsigned int max)
{
	const uintptr_t stacks[2][2] = {
		{ (uintptr_t)berth_arm_stack + PAGE_BYTES,
		  (uintptr_t)berth_arm_stack + sizeof(berth_arm_stack) },
		{ (uintptr_t)berth_arm_trap_stack,
		  (uintptr_t)berth_arm_trap_stack + sizeof(berth_arm_trap_stack) },
	};
	unsigned int count = 0;

	for (unsigned int i = 0; i < 2; i++) {
		if (fp < stacks[i][0] || fp >= stacks[i][1])
			continue;
		while (count < max && !(fp & 3) && fp >= stacks[i][0] + 4 && fp < stacks[i][1]) {
			const uintptr_t *record = (const uintptr_t *)fp;
			uintptr_t next = *record;

			if (berth_arm_is_text(next)) {
				frames[count++] = next;
				next = record[-1];
			}
			if (next <= fp)
				break;
			fp = next;
		}
	}
	return count;
}

bool berth_port_is_stack(uintptr_t at)
{
	return at - (uintptr_t)berth_arm_stack < sizeof(berth_arm_stack) ||
	       at - (uintptr_t)berth_arm_trap_stack < sizeof(berth_arm_trap_stack);
}

unsigned int berth_port_backtrace(uintptr_t *frames, unsigned int max)
{
	return berth_arm_walk_frames((uintptr_t)__builtin_frame_address(0), frames, max);
}

void berth_port_panic(const char *message)
{
	uintptr_t frames[16];
	unsigned int count;

	berth_port_irq_save();
	berth_arm_puts("berth: ");
	berth_arm_puts(message);
	berth_arm_puts("\n");
	count = berth_port_backtrace(frames, ARRAY_SIZE(frames));
	for (unsigned int i = 0; i < count; i++) {
		berth_arm_puts("  called from ");
		berth_arm_puthex(frames[i]);
		berth_arm_puts("\n");
	}
	berth_exit(EXIT_PANIC);
}

void berth_exit(int code)
{
	const uint32_t block[2] = { ADP_STOPPED_APPLICATION_EXIT, (uint32_t)code };
	register uint32_t r0 __asm__("r0") = SYS_EXIT_EXTENDED;
	register const uint32_t *r1 __asm__("r1") = block;

	berth_port_irq_save();
	for (;;)
		__asm__ volatile("svc #0x123456" : "+r"(r0) : "r"(r1) : "memory", "lr");
}
