/* SPDX-License-Identifier: BSD-2-Clause */
/* What is known before the device tree has been read. For C and assembly. */
#ifndef PORT_BOARD_H
#define PORT_BOARD_H

/*
 * Hart 0 of SiFive's FU540 is its monitor core: no data cache, and no LR/SC to RAM, which locks are
 * made of. CPU 0 is the hart after it; hart n is CPU n - 1.
 */
#define BOARD_FIRST_HART 1
#define BOARD_MAX_CPUS 4

#define PORT_STACK_SIZE 0x8000
#define PORT_TRAP_STACK_SIZE 0x1000
/* Of all CPUs' stacks one after the other, each with a page below it that nobody may touch. */
#define PORT_GUARD_SIZE 0x1000
#define PORT_STACK_STRIDE (PORT_GUARD_SIZE + PORT_STACK_SIZE)

/* The bits of an interrupt in mie and mip, and its number in mcause. */
#define PORT_IRQ_SOFTWARE 3
#define PORT_IRQ_TIMER 7
#define PORT_IRQ_EXTERNAL 11

#endif
