/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Sizes, addresses and bits that C and assembly share. Nothing of a board is here: what there is, and
 * where, is read from the device tree; where RAM begins is said when the firmware is linked.
 */
#ifndef PORT_LAYOUT_H
#define PORT_LAYOUT_H

#define PORT_MAX_CPUS 8

#define PORT_STACK_SIZE 0x8000
#define PORT_TRAP_STACK_SHIFT 13
#define PORT_TRAP_STACK_SIZE (1 << PORT_TRAP_STACK_SHIFT)

/* The ASIDs of the tables at boot, and of the linear map. */
#define PORT_ASID_BOOT 0
#define PORT_ASID_LINEAR 1

/* Entries of the translation tables. */
#define PTE_TABLE 0x3
#define PTE_PAGE 0x3
#define PTE_BLOCK 0x1
#define PTE_ATTR_CACHED (0 << 2)
#define PTE_ATTR_UNCACHED (1 << 2)
#define PTE_ATTR_DEVICE (2 << 2)
#define PTE_ATTR (7 << 2)
#define PTE_RO (1 << 7)
#define PTE_INNER (3 << 8)
#define PTE_AF (1 << 10)
#define PTE_NG (1 << 11)
#define PTE_PXN 0x0020000000000000
#define PTE_UXN 0x0040000000000000
#define PTE_XN 0x0060000000000000
#define MAIR_VALUE 0x0444ff

/* RAM at boot: below this many GiB, where registers are as well, in blocks of 2 MiB. */
#define PORT_BOOT_GIBS 4
#define PORT_BOOT_BLOCK (PTE_BLOCK | PTE_ATTR_CACHED | PTE_INNER | PTE_AF | PTE_NG)

/* Addresses of ioremap()'s mappings: TTBR1's half, see ioremap.c. */
#define PORT_IO_BASE 0xffffff8000000000
#define PORT_IO_TABLES 16

/* The last GiB of that half: 2 MiB for the device tree, and 2 MiB for the port's own registers. */
#define PORT_TREE_BASE 0xffffffffc0000000
#define PORT_OWN_BASE 0xffffffffc0200000

#endif
