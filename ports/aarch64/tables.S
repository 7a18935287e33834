/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Translation tables that are there before any code: 39 bits of address, 4 KiB pages. The port's
 * own registers lie in tables that the linear map shares. Registers are global, RAM is not: the
 * two maps of it have an ASID each, so that going from blocks to pages needs no break.
 */
#include "board.h"

#define RAM_BLOCK (PTE_BLOCK | PTE_ATTR_CACHED | PTE_INNER | PTE_AF | PTE_NG)
#define DEVICE_PAGE (PTE_PAGE | PTE_ATTR_DEVICE | PTE_AF | PTE_XN)

	.macro	pages phys, count
	.set	at, \phys
	.rept	\count
	.quad	at + DEVICE_PAGE
	.set	at, at + 4096
	.endr
	.endm

	.data
	.balign	4096
	.globl	berth_a64_boot_l1, berth_a64_linear_l1, berth_a64_io_l1, berth_a64_io_l2, berth_a64_io_l3

berth_a64_boot_l1:
	.quad	device_l2 + PTE_TABLE
	.quad	BOARD_RAM + RAM_BLOCK
	.balign	4096
berth_a64_linear_l1:
	.quad	device_l2 + PTE_TABLE
	.balign	4096

device_l2:
	.org	device_l2 + (BOARD_GICD >> 21) * 8
	.quad	gic_l3 + PTE_TABLE
	.org	device_l2 + (BOARD_UART >> 21) * 8
	.quad	uart_l3 + PTE_TABLE
	.balign	4096
gic_l3:
	pages	BOARD_GICD, BOARD_GICD_SIZE / 4096
	.org	gic_l3 + (BOARD_GICR - BOARD_GICD) / 4096 * 8
	pages	BOARD_GICR, BOARD_MAX_CPUS * BOARD_GICR_STRIDE / 4096
	.balign	4096
uart_l3:
	pages	BOARD_UART, 1
	.balign	4096

berth_a64_io_l1:
	.quad	berth_a64_io_l2 + PTE_TABLE
	.balign	4096
berth_a64_io_l2:
	.set	at, 0
	.rept	PORT_IO_TABLES
	.quad	berth_a64_io_l3 + at + PTE_TABLE
	.set	at, at + 4096
	.endr
	.balign	4096
berth_a64_io_l3:
	.space	PORT_IO_TABLES * 4096
