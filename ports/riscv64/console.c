/* SPDX-License-Identifier: BSD-2-Clause */
/* The UART, the stack, and the end. */
#include "internal.h"

/* SiFive's, and the 16550. */
#define UART_TXDATA 0x00
#define UART_TXDATA_FULL (1u << 31)
#define UART_TXCTRL 0x08
#define UART_TXCTRL_ENABLE 1u
#define UART_THR 0x00
#define UART_LSR 0x05
#define UART_LSR_THRE (1u << 5)

#define SYS_EXIT_EXTENDED 0x20
#define ADP_STOPPED_APPLICATION_EXIT 0x20026

/* Turns of the loop for which a dying CPU waits for a line that another one prints. */
#define SEIZE_TURNS 1000000u
/* As a shell reports SIGABRT. */
#define EXIT_PANIC 134
#define MAX_FRAMES 16

static struct berth_rv_lock console_lock;

static void put_byte(char __iomem *uart, unsigned char byte)
{
	if (berth_rv_board.uart_is_16550) {
		while (!(berth_port_read8(uart + UART_LSR) & UART_LSR_THRE))
			berth_port_relax();
		berth_port_write8(uart + UART_THR, byte);
		return;
	}
	berth_port_write32(uart + UART_TXCTRL, UART_TXCTRL_ENABLE);
	while (berth_port_read32(uart + UART_TXDATA) & UART_TXDATA_FULL)
		berth_port_relax();
	berth_port_write32(uart + UART_TXDATA, byte);
}

void berth_port_print(const char *text, size_t length)
{
	unsigned long flags = berth_rv_lock(&console_lock);

	for (; berth_rv_board.uart && length; length--)
		put_byte(berth_rv_board.uart, (unsigned char)*text++);
	berth_rv_unlock(&console_lock, flags);
}

void berth_rv_puts(const char *text)
{
	size_t length = 0;

	while (text[length])
		length++;
	berth_port_print(text, length);
}

void berth_rv_puthex(uint64_t value)
{
	char text[18];
	unsigned int at = sizeof(text);

	do {
		text[--at] = "0123456789abcdef"[value & 0xf];
		value >>= 4;
	} while (value);
	text[--at] = 'x';
	text[--at] = '0';
	berth_port_print(text + at, sizeof(text) - at);
}

/* For a report of the last kind: whoever holds the console may be this CPU, or hang. */
void berth_rv_console_seize(void)
{
	for (unsigned int i = 0; i < SEIZE_TURNS; i++) {
		if (!__atomic_load_n(&console_lock.word, __ATOMIC_RELAXED))
			return;
		berth_port_relax();
	}
	__atomic_store_n(&console_lock.word, 0, __ATOMIC_RELEASE);
}

/*
 * A frame ends at @fp: below it lie the return address and the caller's @fp. A function that calls
 * nobody stores only the latter there: its return address is still in the register, @ra.
 */
static __attribute__((noinline)) unsigned int walk(uintptr_t fp, uintptr_t ra, uintptr_t *frames,
						   unsigned int max)
{
	uintptr_t first = (uintptr_t)berth_rv_stacks[berth_port_slot()] + PORT_GUARD_SIZE;
	unsigned int count = 0;

	while (count < max && !(fp & 7) && fp - 16 - first <= PORT_STACK_SIZE - 16) {
		uintptr_t upper = ((const uintptr_t *)fp)[-1], lower = ((const uintptr_t *)fp)[-2];
		bool is_leaf = upper - first <= PORT_STACK_SIZE;

		if (!(is_leaf ? ra : upper))
			break;
		frames[count++] = is_leaf ? ra : upper;
		if ((is_leaf ? upper : lower) <= fp)
			break;
		fp = is_leaf ? upper : lower;
	}
	return count;
}

unsigned int berth_port_backtrace(uintptr_t *frames, unsigned int max)
{
	const uintptr_t *end = __builtin_frame_address(0);

	/* This function's own frame is gone when the walk is a tail call. */
	if (!max)
		return 0;
	frames[0] = (uintptr_t)__builtin_return_address(0);
	return 1 + walk(end[-2], 0, frames + 1, max - 1);
}

void berth_rv_put_frames(uintptr_t fp, uintptr_t ra)
{
	uintptr_t frames[MAX_FRAMES];
	unsigned int count = walk(fp, ra, frames, MAX_FRAMES);

	for (unsigned int i = 0; i < count; i++) {
		berth_rv_puts("  called from ");
		berth_rv_puthex(frames[i]);
		berth_rv_puts("\n");
	}
}

void berth_port_panic(const char *message)
{
	berth_port_irq_save();
	berth_rv_console_seize();
	berth_rv_puts("berth: ");
	berth_rv_puts(message);
	berth_rv_puts("\n");
	berth_rv_put_frames((uintptr_t)__builtin_frame_address(0), 0);
	berth_exit(EXIT_PANIC);
}

void berth_exit(int code)
{
	const uint64_t block[2] = { ADP_STOPPED_APPLICATION_EXIT, (uint64_t)(int64_t)code };
	register uint64_t a0 __asm__("a0");
	register const uint64_t *a1 __asm__("a1");

	berth_port_irq_save();
	/* Where nobody listens EBREAK is an exception. */
	write_csr("mtvec", (uintptr_t)berth_rv_park);
	/* Set last: a call would use the registers. */
	a0 = SYS_EXIT_EXTENDED;
	a1 = block;
	/* The three are a sign, of full size and in one page. */
	for (;;)
		__asm__ volatile(".balign 16\n\t"
				 ".option push\n\t"
				 ".option norvc\n\t"
				 "slli zero, zero, 0x1f\n\t"
				 "ebreak\n\t"
				 "srai zero, zero, 7\n\t"
				 ".option pop"
				 : "+r"(a0)
				 : "r"(a1)
				 : "memory");
}
