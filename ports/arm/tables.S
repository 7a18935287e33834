/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Translation tables that are there before any code; short descriptors. At boot: RAM in sections of
 * 1 MiB, the image in pages, whose tables stay the same ones for good, and the port's own registers.
 */
#include "board.h"

#define PHYS(label) label - PORT_RAM_OFFSET
#define RAM_SECTION (L1_SECTION | L1_SECTION_AP | 1 << 12 | 3 << 2)
#define RAM_PAGE (PTE_PAGE | PTE_ATTR_CACHED | PTE_AP)
#define DEVICE_PAGE (PTE_PAGE | PTE_ATTR_DEVICE | PTE_AP | PTE_XN)

	.macro	sections phys, count, xn=L1_SECTION_XN
	.set	at, \phys
	.rept	\count
	.word	at + RAM_SECTION + \xn
	.set	at, at + 0x100000
	.endr
	.endm

	.macro	tables first, count
	.set	at, 0
	.rept	\count
	.word	PHYS(\first) + at + L1_TABLE
	.set	at, at + 1024
	.endr
	.endm

	.data
	.balign	16384
	.globl	berth_arm_l1, berth_arm_image_l2, berth_arm_io_l2

berth_arm_l1:
	/* Where boot.S turns the MMU on; gone after that. */
	.org	berth_arm_l1 + (PORT_IMAGE_PHYS >> 20) * 4
	sections PORT_IMAGE_PHYS, 1, 0
	.org	berth_arm_l1 + (PORT_RAM_OFFSET >> 20) * 4
	sections 0, PORT_IMAGE_PHYS >> 20
	tables	berth_arm_image_l2, PORT_IMAGE_MIB
	sections PORT_IMAGE_PHYS + PORT_IMAGE_MIB * 0x100000, PORT_BOOT_MIB - PORT_IMAGE_MIB - (PORT_IMAGE_PHYS >> 20)
	.org	berth_arm_l1 + (PORT_IO_BASE >> 20) * 4
	tables	berth_arm_io_l2, PORT_IO_MIB
	.balign	16384

berth_arm_image_l2:
	.set	at, PORT_IMAGE_PHYS
	.rept	PORT_IMAGE_MIB * 256
	.word	at + RAM_PAGE
	.set	at, at + 4096
	.endr

berth_arm_io_l2:
	.org	berth_arm_io_l2 + (PORT_IO_MIB - 1) * 1024
	.word	BOARD_UART + DEVICE_PAGE
	.word	BOARD_MPCORE + DEVICE_PAGE
	.word	BOARD_GICD + DEVICE_PAGE
	.word	BOARD_L2CC + DEVICE_PAGE
	.balign	1024
