/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Exceptions. An interrupt goes on in supervisor mode, on the usual stack; interrupts do not nest.
 * Faults have a stack of their own, since the usual one may be the cause; struct berth_arm_trap_frame.
 */
#include "board.h"

#define MODE_SVC 0x13
#define MASKED 0xc0

	.arm
	.text
	.balign	32
	.globl	berth_arm_vectors
berth_arm_vectors:
	b	.
	b	undefined
	b	.
	b	prefetch_abort
	b	data_abort
	b	.
	b	irq
	b	.

irq:
	sub	lr, lr, #4
	srsdb	sp!, #MODE_SVC
	cps	#MODE_SVC
	push	{r0-r4, r12, lr}
	/* A frame record, so that a backtrace goes on through the interrupt. */
	mov	r1, fp
	ldr	r2, [sp, #28]
	push	{r1, r2}
	add	fp, sp, #4
	mov	r4, sp
	bic	sp, sp, #7
	bl	berth_arm_irq
	mov	sp, r4
	pop	{r1, r2}
	mov	fp, r1
	/* The handler may have left a reservation, which a STREX of whom it interrupted must not find. */
	clrex
	pop	{r0-r4, r12, lr}
	rfeia	sp!

	.macro	fault kind, past
	sub	lr, lr, #\past
	sub	sp, sp, #20
	push	{r0-r12}
	mrs	r0, spsr
	str	lr, [sp, #60]
	str	r0, [sp, #64]
	mov	r1, #\kind
	b	fault_entry
	.endm

undefined:
	fault	0, 4
prefetch_abort:
	fault	1, 4
data_abort:
	fault	2, 8

fault_entry:
	/* SP and LR of the mode that it came from. */
	mrs	r2, cpsr
	and	r3, r0, #0x1f
	orr	r3, r3, #MASKED
	msr	cpsr_c, r3
	mov	r4, sp
	mov	r5, lr
	msr	cpsr_c, r2
	str	r4, [sp, #52]
	str	r5, [sp, #56]
	mov	r0, sp
	bic	sp, sp, #7
	bl	berth_arm_trap
	b	.
