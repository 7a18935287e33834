/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Exceptions. Interrupts do not nest; faults have a stack of their own, since the usual one may be
 * the cause. The frame of a fault is struct berth_a64_trap_frame.
 */
#include "layout.h"

#define FRAME_SIZE (36 * 8)

	/* From the usual stack to the other one. SP_EL0 and TPIDRRO_EL0 have no use outside this file. */
	.macro	fault kind
	.balign	0x80
	msr	sp_el0, x0
	msr	tpidrro_el0, x1
	mov	x0, sp
	mrs	x1, tpidr_el1
	add	x1, x1, #1
	lsl	x1, x1, #PORT_TRAP_STACK_SHIFT
	mov	sp, x1
	adrp	x1, berth_a64_trap_stacks
	add	x1, x1, :lo12:berth_a64_trap_stacks
	add	sp, sp, x1
	sub	sp, sp, #FRAME_SIZE
	stp	x30, x0, [sp, #240]
	mov	x0, #\kind
	b	fault_entry
	.endm

	.text
	.balign	2048
	.globl	berth_a64_vectors
berth_a64_vectors:
	fault	0
	fault	1
	fault	2
	fault	3
	fault	4
	.balign	0x80
	b	irq_entry
	fault	6
	fault	7
	.set	kind, 8
	.rept	8
	fault	kind
	.set	kind, kind + 1
	.endr

/*
 * The stack may lie in a block whose entry is invalid for a moment: until ELR and SPSR are safe it is
 * not used. They are at the far end of the other stack; interrupts do not nest.
 */
	.macro	safe_place reg, scratch
	mrs	\reg, tpidr_el1
	lsl	\reg, \reg, #PORT_TRAP_STACK_SHIFT
	adrp	\scratch, berth_a64_trap_stacks
	add	\reg, \reg, \scratch
	add	\reg, \reg, :lo12:berth_a64_trap_stacks
	.endm

irq_entry:
	msr	sp_el0, x0
	msr	tpidrro_el0, x1
	safe_place x0, x1
	mrs	x1, elr_el1
	str	x1, [x0]
	mrs	x1, spsr_el1
	str	x1, [x0, #8]
	mrs	x1, tpidrro_el0
	mrs	x0, sp_el0
	sub	sp, sp, #176
	stp	x0, x1, [sp]
	stp	x2, x3, [sp, #16]
	stp	x4, x5, [sp, #32]
	stp	x6, x7, [sp, #48]
	stp	x8, x9, [sp, #64]
	stp	x10, x11, [sp, #80]
	stp	x12, x13, [sp, #96]
	stp	x14, x15, [sp, #112]
	stp	x16, x17, [sp, #128]
	stp	x18, x30, [sp, #144]
	safe_place x0, x1
	ldr	x0, [x0]
	/* A frame record, so that a backtrace goes on through the interrupt. */
	stp	x29, x0, [sp, #160]
	add	x29, sp, #160
	bl	berth_a64_irq
	ldr	x29, [sp, #160]
	ldp	x18, x30, [sp, #144]
	ldp	x16, x17, [sp, #128]
	ldp	x14, x15, [sp, #112]
	ldp	x12, x13, [sp, #96]
	ldp	x10, x11, [sp, #80]
	ldp	x8, x9, [sp, #64]
	ldp	x6, x7, [sp, #48]
	ldp	x4, x5, [sp, #32]
	ldp	x2, x3, [sp, #16]
	ldp	x0, x1, [sp]
	add	sp, sp, #176
	msr	sp_el0, x0
	msr	tpidrro_el0, x1
	safe_place x0, x1
	ldr	x1, [x0]
	msr	elr_el1, x1
	ldr	x1, [x0, #8]
	msr	spsr_el1, x1
	mrs	x1, tpidrro_el0
	mrs	x0, sp_el0
	eret

fault_entry:
	stp	x2, x3, [sp, #16]
	stp	x4, x5, [sp, #32]
	stp	x6, x7, [sp, #48]
	stp	x8, x9, [sp, #64]
	stp	x10, x11, [sp, #80]
	stp	x12, x13, [sp, #96]
	stp	x14, x15, [sp, #112]
	stp	x16, x17, [sp, #128]
	stp	x18, x19, [sp, #144]
	stp	x20, x21, [sp, #160]
	stp	x22, x23, [sp, #176]
	stp	x24, x25, [sp, #160]
	stp	x26, x27, [sp, #208]
	stp	x28, x29, [sp, #224]
	mrs	x2, sp_el0
	mrs	x3, tpidrro_el0
	stp	x2, x3, [sp]
	mrs	x2, elr_el1
	mrs	x3, spsr_el1
	stp	x2, x3, [sp, #256]
	mrs	x2, esr_el1
	mrs	x3, far_el1
	stp	x2, x3, [sp, #272]
	mov	x1, x0
	mov	x0, sp
	bl	berth_a64_trap

	/* It was cured: go on where ELR says. */
	ldp	x2, x3, [sp, #256]
	msr	elr_el1, x2
	msr	spsr_el1, x3
	ldp	x30, x1, [sp, #240]
	msr	sp_el0, x1
	ldp	x28, x29, [sp, #224]
	ldp	x18, x19, [sp, #144]
	ldp	x16, x17, [sp, #128]
	ldp	x14, x15, [sp, #112]
	ldp	x12, x13, [sp, #96]
	ldp	x10, x11, [sp, #80]
	ldp	x8, x9, [sp, #64]
	ldp	x6, x7, [sp, #48]
	ldp	x4, x5, [sp, #32]
	ldp	x2, x3, [sp, #16]
	ldp	x0, x1, [sp]
	msr	tpidrro_el0, x0
	mrs	x0, sp_el0
	mov	sp, x0
	mrs	x0, tpidrro_el0
	eret
