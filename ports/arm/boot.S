/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * From the first instruction to C: supervisor mode, the MMU and the caches on, stacks. Entered at the
 * physical address with the MMU off.
 */
#include "board.h"

#define PHYS(label) label - PORT_RAM_OFFSET
/* Walks read the tables through the caches: write-back, write-allocate, not shareable. */
#define TTBR_FLAGS (1 << 6 | 1 << 3)
/* MMU, data cache, instruction cache and branch prediction. */
#define SCTLR_ON (1 << 0 | 1 << 2 | 1 << 12 | 1 << 11)
/* Alignment faults, high vectors, access flag, TEX remap, big-endian exceptions, Thumb exceptions. */
#define SCTLR_OFF (1 << 1 | 1 << 13 | 1 << 29 | 1 << 28 | 1 << 25 | 1 << 30)
#define MODE_IRQ 0x12
#define MODE_SVC 0x13
#define MODE_ABT 0x17
#define MODE_UND 0x1b

	.arm
	.section .text.boot, "ax"
	.globl	_start
_start:
	cpsid	aif, #MODE_SVC
	/* A boot loader that follows Linux's rules says where the tree is. */
	mov	r10, r2
	mrc	p15, 0, r0, c0, c0, 5
	tst	r0, #3
	bne	park

	mrc	p15, 0, r9, c1, c0, 0
	ldr	r1, =SCTLR_ON | SCTLR_OFF
	bic	r9, r9, r1
	mcr	p15, 0, r9, c1, c0, 0
	isb
	/* After a reset the data cache holds anything; a boot loader has written its own back. */
	bl	invalidate_data_cache
	mov	r0, #0
	mcr	p15, 0, r0, c7, c5, 0
	mcr	p15, 0, r0, c7, c5, 6
	mcr	p15, 0, r0, c8, c7, 0
	mcr	p15, 0, r0, c2, c0, 2
	mcr	p15, 0, r0, c13, c0, 1
	/* Floating point traps: an interrupt does not save its registers. */
	mcr	p15, 0, r0, c1, c0, 2
	/* Domain 0 obeys the tables. */
	mov	r0, #1
	mcr	p15, 0, r0, c3, c0, 0
	ldr	r0, =PHYS(berth_arm_l1) + TTBR_FLAGS
	mcr	p15, 0, r0, c2, c0, 0
	dsb	sy
	isb
	ldr	r1, =SCTLR_ON
	orr	r9, r9, r1
	mcr	p15, 0, r9, c1, c0, 0
	isb
	ldr	pc, =mapped

mapped:
	ldr	r0, =berth_arm_vectors
	mcr	p15, 0, r0, c12, c0, 0
	isb
	ldr	r0, =berth_arm_trap_stack + PORT_TRAP_STACK_SIZE
	cps	#MODE_ABT
	mov	sp, r0
	cps	#MODE_UND
	mov	sp, r0
	cps	#MODE_SVC
	ldr	sp, =berth_arm_stack + 4096 + PORT_STACK_SIZE
	mov	fp, #0
	mov	lr, #0

	ldr	r0, =__bss_start
	ldr	r1, =__bss_end
	mov	r2, #0
1:	cmp	r0, r1
	strlo	r2, [r0], #4
	blo	1b
	mov	r0, r10
	bl	berth_arm_boot
park:	wfe
	b	park

/* The first level, by set and way: the sizes are in CCSIDR. */
invalidate_data_cache:
	mov	r0, #0
	mcr	p15, 2, r0, c0, c0, 0
	isb
	mrc	p15, 1, r0, c0, c0, 0
	and	r1, r0, #7
	add	r1, r1, #4
	ubfx	r2, r0, #3, #10
	ubfx	r3, r0, #13, #15
	clz	r4, r2
1:	mov	r5, r2
2:	lsl	r6, r5, r4
	lsl	r7, r3, r1
	orr	r6, r6, r7
	mcr	p15, 0, r6, c7, c6, 2
	subs	r5, r5, #1
	bpl	2b
	subs	r3, r3, #1
	bpl	1b
	dsb	sy
	isb
	bx	lr

	.section .noinit, "aw", %nobits
	.globl	berth_arm_stack, berth_arm_trap_stack
	.balign	4096
/* A page that is never mapped, then the stack. */
berth_arm_stack:
	.space	4096 + PORT_STACK_SIZE
berth_arm_trap_stack:
	.space	PORT_TRAP_STACK_SIZE
