/* SPDX-License-Identifier: BSD-2-Clause */
/* The console, the stack, and the end. */
#include "internal.h"

#define SYS_WRITEC 0x03
#define SYS_EXIT_EXTENDED 0x20
#define ADP_STOPPED_APPLICATION_EXIT 0x20026

/* Turns of the loop for which a dying CPU waits for a line that another one prints. */
#define SEIZE_TURNS 1000000u
/* As a shell reports SIGABRT. */
#define EXIT_PANIC 134

static struct berth_a64_lock console_lock;

static void semihosting(uint64_t operation, const void *argument)
{
	register uint64_t x0 __asm__("x0") = operation;
	register const void *x1 __asm__("x1") = argument;

	__asm__ volatile("hlt #0xf000" : "+r"(x0) : "r"(x1) : "memory");
}

/* Before there is a UART: what is wrong with the device tree. */
static void put_bytes(const char *text, size_t length)
{
	for (; length--; text++)
		if (!berth_a64_uart_put((unsigned char)*text))
			semihosting(SYS_WRITEC, text);
}

void berth_port_print(const char *text, size_t length)
{
	unsigned long flags = berth_a64_lock(&console_lock);

	put_bytes(text, length);
	berth_a64_unlock(&console_lock, flags);
}

void berth_a64_puts(const char *text)
{
	size_t length = 0;

	while (text[length])
		length++;
	berth_port_print(text, length);
}

void berth_a64_puthex(uint64_t value)
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
void berth_a64_console_seize(void)
{
	for (unsigned int i = 0; i < SEIZE_TURNS; i++) {
		if (!__atomic_load_n(&console_lock.word, __ATOMIC_RELAXED))
			return;
		berth_port_relax();
	}
	__atomic_store_n(&console_lock.word, 0, __ATOMIC_RELEASE);
}

/* Frame records from @fp on, as long as they lie upwards on one of this CPU's two stacks. */
unsigned int berth_a64_walk_frames(uintptr_t fp, uintptr_t *frames, unsigned int max)
{
	const uintptr_t stacks[2][2] = {
		{ (uintptr_t)berth_a64_stacks[berth_port_slot()] + PAGE_BYTES,
		  (uintptr_t)berth_a64_stacks[berth_port_slot() + 1] },
		{ (uintptr_t)berth_a64_trap_stacks[berth_port_slot()],
		  (uintptr_t)berth_a64_trap_stacks[berth_port_slot() + 1] },
	};
	unsigned int count = 0;

	for (unsigned int i = 0; i < 2; i++) {
		if (fp < stacks[i][0] || fp >= stacks[i][1])
			continue;
		while (count < max && !(fp & 7) && fp >= stacks[i][0] && fp + 16 <= stacks[i][1]) {
			const uintptr_t *record = (const uintptr_t *)fp;

			if (!record[1])
				break;
			frames[count++] = record[1];
			if (record[0] <= fp)
				break;
			fp = record[0];
		}
	}
	return count;
}

bool berth_port_is_stack(uintptr_t at)
{
	return at - (uintptr_t)berth_a64_stacks < sizeof(berth_a64_stacks) ||
	       at - (uintptr_t)berth_a64_trap_stacks < sizeof(berth_a64_trap_stacks);
}

unsigned int berth_port_backtrace(uintptr_t *frames, unsigned int max)
{
	const uintptr_t *record = __builtin_frame_address(0);

	/* This function's own record is gone when the walk is a tail call. */
	if (!max)
		return 0;
	frames[0] = record[1];
	return 1 + berth_a64_walk_frames(record[0], frames + 1, max - 1);
}

void berth_port_panic(const char *message)
{
	uintptr_t frames[16];
	unsigned int count;

	berth_port_irq_save();
	berth_a64_console_seize();
	berth_a64_puts("berth: ");
	berth_a64_puts(message);
	berth_a64_puts("\n");
	count = berth_port_backtrace(frames, ARRAY_SIZE(frames));
	for (unsigned int i = 0; i < count; i++) {
		berth_a64_puts("  called from ");
		berth_a64_puthex(frames[i]);
		berth_a64_puts("\n");
	}
	berth_exit(EXIT_PANIC);
}

void berth_exit(int code)
{
	const uint64_t block[2] = { ADP_STOPPED_APPLICATION_EXIT, (uint64_t)(int64_t)code };

	berth_port_irq_save();
	for (;;)
		semihosting(SYS_EXIT_EXTENDED, block);
}
