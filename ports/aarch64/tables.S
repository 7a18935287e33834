/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Translation tables that are there before any code: 39 bits of address, 4 KiB pages. boot.S maps the
 * image, start.c the device tree and the port's registers, and berth_port_ram() the rest of RAM.
 * Registers are global, RAM is not: the two maps of it have an ASID each, so that going from blocks
 * to pages needs no break.
 */
#include "layout.h"

	.data
	.balign	4096
	.globl	berth_a64_boot_l1, berth_a64_boot_l2, berth_a64_linear_l1
	.globl	berth_a64_io_l1, berth_a64_io_l2, berth_a64_io_l3, berth_a64_tree_l3, berth_a64_own_l3

berth_a64_boot_l1:
	.space	4096
berth_a64_boot_l2:
	.space	PORT_BOOT_GIBS * 4096
berth_a64_linear_l1:
	.space	4096

berth_a64_io_l1:
	.quad	berth_a64_io_l2 + PTE_TABLE
	.org	berth_a64_io_l1 + 511 * 8
	.quad	own_l2 + PTE_TABLE
berth_a64_io_l2:
	.set	at, 0
	.rept	PORT_IO_TABLES
	.quad	berth_a64_io_l3 + at + PTE_TABLE
	.set	at, at + 4096
	.endr
	.balign	4096
berth_a64_io_l3:
	.space	PORT_IO_TABLES * 4096

own_l2:
	.quad	berth_a64_tree_l3 + PTE_TABLE
	.quad	berth_a64_own_l3 + PTE_TABLE
	.balign	4096
berth_a64_tree_l3:
	.space	4096
berth_a64_own_l3:
	.space	4096
