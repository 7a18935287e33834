/* SPDX-License-Identifier: BSD-2-Clause */
/* From the first instruction of all harts to C, and from an interrupt or exception to C and back. */
#include "board.h"

#define FRAME_SIZE (32 * 8)
/* Locked, so that it binds M-mode too: an area of a power of two without any access. */
#define PMP_LOCKED_NAPOT 0x98

	/* What a call of C does not keep, each in the place of its number. */
	.macro	CALL_CLOBBERED op
	.irp	reg, 1, 5, 6, 7, 10, 11, 12, 13, 14, 15, 16, 17, 28, 29, 30, 31
	\op	x\reg, \reg * 8(sp)
	.endr
	.endm

	.section .text.boot, "ax"
	.globl	_start
_start:
	csrw	mie, zero
	/* Interrupts off, and floating point: an interrupt does not save its registers. */
	csrw	mstatus, zero
	la	t0, vector
	csrw	mtvec, t0
	csrr	s1, mhartid
	addi	s1, s1, -BOARD_FIRST_HART
	li	t0, BOARD_MAX_CPUS
	bgeu	s1, t0, park

	li	t0, PORT_STACK_STRIDE
	mul	t0, t0, s1
	la	sp, berth_rv_stacks
	add	sp, sp, t0
	srli	t1, sp, 2
	ori	t1, t1, PORT_GUARD_SIZE / 8 - 1
	csrw	pmpaddr0, t1
	li	t1, PMP_LOCKED_NAPOT
	csrw	pmpcfg0, t1
	li	t0, PORT_STACK_STRIDE
	add	sp, sp, t0
	slli	t0, s1, 12
	la	t1, berth_rv_trap_stacks + PORT_TRAP_STACK_SIZE
	add	t0, t0, t1
	csrw	mscratch, t0
	li	s0, 0
	bnez	s1, secondary

	la	t0, __bss_start
	la	t1, __bss_end
1:	bgeu	t0, t1, 1f
	sd	zero, (t0)
	addi	t0, t0, 8
	j	1b
1:	mv	a0, a1
	call	berth_rv_boot

	.globl	berth_rv_park
	.balign	4
berth_rv_park:
park:	csrw	mie, zero
1:	wfi
	j	1b

secondary:
	/* Asleep until berth_cpu_start() calls. */
	li	t0, 1 << PORT_IRQ_SOFTWARE
	csrw	mie, t0
1:	wfi
	la	t0, berth_rv_called
	lw	t0, (t0)
	srl	t0, t0, s1
	andi	t0, t0, 1
	beqz	t0, 1b
	fence
	call	berth_rv_secondary
	j	park

	.text
	.balign	4
vector:
	/* mscratch: the end of this hart's stack for exceptions. */
	csrrw	sp, mscratch, sp
	sd	t0, -8(sp)
	csrr	t0, mcause
	bgez	t0, exception
	ld	t0, -8(sp)
	csrrw	sp, mscratch, sp

	addi	sp, sp, -FRAME_SIZE
	CALL_CLOBBERED sd
	csrr	a0, mcause
	call	berth_rv_interrupt
	CALL_CLOBBERED ld
	addi	sp, sp, FRAME_SIZE
	mret

exception:
	/* It ends the machine: nothing is put back. Registers as struct berth_rv_frame has them. */
	ld	t0, -8(sp)
	addi	sp, sp, -FRAME_SIZE
	.irp	reg, 1, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16, 17, 18, 19, 20, 21, 22, 23, 24, 25, 26, 27, 28, 29, 30, 31
	sd	x\reg, \reg * 8(sp)
	.endr
	csrr	t0, mscratch
	sd	t0, 2 * 8(sp)
	csrr	t0, mepc
	sd	t0, 0(sp)
	mv	a0, sp
	call	berth_rv_exception

	.section .noinit, "aw", %nobits
	.globl	berth_rv_stacks, berth_rv_trap_stacks
	.balign	4096
berth_rv_stacks:
	.space	BOARD_MAX_CPUS * PORT_STACK_STRIDE
berth_rv_trap_stacks:
	.space	BOARD_MAX_CPUS * PORT_TRAP_STACK_SIZE
