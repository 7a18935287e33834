/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * From the first instruction to C: down to EL1, the MMU and the caches on, a stack. Written to run
 * at the address it is linked at, with the MMU off up to the write of SCTLR_EL1.
 */
#include "layout.h"

#define TCR_VALUE (25 | 1 << 8 | 1 << 10 | 3 << 12 | 25 << 16 | 1 << 24 | 1 << 26 | 3 << 28 | 2 << 30)
#define SCTLR_OFF 0x30d00800
#define SCTLR_ON 0x30d0180d
#define SPSR_EL1H_MASKED 0x3c5
/* ID_AA64PFR0_EL1: the CPU has system registers of an interrupt controller. */
#define ID_GIC 0xf000000
#define ICC_SRE_EL2 s3_4_c12_c9_5
#define ICC_SRE_EL3 s3_6_c12_c12_5

	.section .text.boot, "ax"
	.globl	_start
_start:
	mov	x20, x0
	mov	x19, xzr
	/* Without PSCI all CPUs start here at once: the others wait until smp.c calls one by its affinity. */
	mrs	x1, mpidr_el1
	and	x1, x1, #0xffffff
	cbz	x1, boot
	adrp	x2, berth_a64_called
	add	x2, x2, :lo12:berth_a64_called
park:	wfe
	ldr	x3, [x2]
	cmp	x3, x1
	b.ne	park
	ldr	x0, [x2, #8]

	.globl	berth_a64_secondary_entry
berth_a64_secondary_entry:
	mov	x19, x0
	mov	x20, xzr

boot:	msr	daifset, #15
	mrs	x21, CurrentEL
	lsr	x21, x21, #2
	cmp	x21, #2
	b.hi	from_el3
	b.eq	from_el2

at_el1:	ldr	x0, =SCTLR_OFF
	msr	sctlr_el1, x0
	msr	spsel, #1
	isb
	/* Floating point traps: an interrupt does not save its registers. */
	msr	cpacr_el1, xzr
	msr	tpidr_el1, x19
	adrp	x0, berth_a64_vectors
	add	x0, x0, :lo12:berth_a64_vectors
	msr	vbar_el1, x0

	ldr	x0, =MAIR_VALUE
	msr	mair_el1, x0
	ldr	x0, =TCR_VALUE
	mrs	x1, id_aa64mmfr0_el1
	and	x1, x1, #0xf
	mov	x2, #5
	cmp	x1, x2
	csel	x1, x2, x1, hi
	bfi	x0, x1, #32, #3
	msr	tcr_el1, x0
	cbz	x19, 1f
	/* Not even for a moment a map that shows as cached what others have made uncached. */
	adrp	x0, berth_a64_ttbr0
	ldr	x0, [x0, :lo12:berth_a64_ttbr0]
	b	2f
1:	bl	map_image
	adrp	x0, berth_a64_boot_l1
2:	msr	ttbr0_el1, x0
	adrp	x0, berth_a64_io_l1
	msr	ttbr1_el1, x0
	isb
	tlbi	vmalle1
	ic	iallu
	dsb	sy
	isb
	ldr	x0, =SCTLR_ON
	msr	sctlr_el1, x0
	isb

	adrp	x0, berth_a64_stacks
	ldr	x1, =PORT_STACK_SIZE + 4096
	madd	x0, x19, x1, x0
	add	sp, x0, x1
	mov	x29, xzr
	mov	x30, xzr
	cbnz	x19, 2f

	adrp	x0, __bss_start
	add	x0, x0, :lo12:__bss_start
	adrp	x1, __bss_end
	add	x1, x1, :lo12:__bss_end
1:	cmp	x0, x1
	b.hs	1f
	stp	xzr, xzr, [x0], #16
	b	1b
1:	mov	x0, x20
	mov	x1, x21
	bl	berth_a64_boot
2:	bl	berth_a64_secondary
	b	.

/* Its blocks of 2 MiB, in the table of each GiB that it is in. */
map_image:
	adrp	x0, __image_start
	adrp	x1, __image_end
	adrp	x2, berth_a64_boot_l1
	adrp	x3, berth_a64_boot_l2
	ldr	x4, =PORT_BOOT_BLOCK
	lsr	x0, x0, #21
1:	lsl	x5, x0, #21
	cmp	x5, x1
	b.hs	2f
	orr	x6, x5, x4
	str	x6, [x3, x0, lsl #3]
	lsr	x5, x0, #9
	add	x6, x3, x5, lsl #12
	orr	x6, x6, #PTE_TABLE
	str	x6, [x2, x5, lsl #3]
	add	x0, x0, #1
	b	1b
2:	dsb	sy
	ret

from_el3:
	mrs	x0, id_aa64pfr0_el1
	tst	x0, #ID_GIC
	b.eq	1f
	mov	x0, #0xf
	msr	ICC_SRE_EL3, x0
1:	adrp	x0, el3_vectors
	add	x0, x0, :lo12:el3_vectors
	msr	vbar_el3, x0
	msr	cptr_el3, xzr
	msr	mdcr_el3, xzr
	mov	x0, #0x531
	msr	scr_el3, x0
	isb
	adr	x0, at_el1
	msr	elr_el3, x0
	mov	x0, #SPSR_EL1H_MASKED
	msr	spsr_el3, x0
	mrs	x0, id_aa64pfr0_el1
	tst	x0, #0xf00
	b.eq	1f
	bl	set_up_el2
1:	eret

from_el2:
	bl	set_up_el2
	adr	x0, at_el1
	msr	elr_el2, x0
	mov	x0, #SPSR_EL1H_MASKED
	msr	spsr_el2, x0
	eret

set_up_el2:
	mov	x0, #1 << 31
	msr	hcr_el2, x0
	mov	x0, #3
	msr	cnthctl_el2, x0
	msr	cntvoff_el2, xzr
	mrs	x0, midr_el1
	msr	vpidr_el2, x0
	mrs	x0, mpidr_el1
	msr	vmpidr_el2, x0
	msr	vttbr_el2, xzr
	mov	x0, #0x33ff
	msr	cptr_el2, x0
	msr	hstr_el2, xzr
	msr	mdcr_el2, xzr
	mrs	x0, id_aa64pfr0_el1
	tst	x0, #ID_GIC
	b.eq	1f
	mov	x0, #0xf
	msr	ICC_SRE_EL2, x0
1:	isb
	ret

/*
 * All that stays at EL3: SMC stores w1 at the physical address x0 as the secure world does. The interrupt
 * controller is opened with it, once its place is known.
 */
	.balign	2048
el3_vectors:
	.org	el3_vectors + 0x400
	str	w1, [x0]
	dsb	sy
	eret
	.org	el3_vectors + 0x800

	.section .noinit, "aw", %nobits
	.globl	berth_a64_stacks, berth_a64_trap_stacks
	.balign	4096
berth_a64_stacks:
	.space	PORT_MAX_CPUS * (4096 + PORT_STACK_SIZE)
berth_a64_trap_stacks:
	.space	PORT_MAX_CPUS * PORT_TRAP_STACK_SIZE
