/* SPDX-License-Identifier: BSD-2-Clause */
/* Where QEMU's virt machine has what the port itself uses. For C and assembly. */
#ifndef PORT_BOARD_H
#define PORT_BOARD_H

#define BOARD_RAM 0x40000000
#define BOARD_UART 0x09000000
#define BOARD_GICD 0x08000000
#define BOARD_GICD_SIZE 0x10000
#define BOARD_GICR 0x080a0000
/* Each CPU's redistributor: its registers, and those of its SGIs and PPIs. */
#define BOARD_GICR_STRIDE 0x20000
#define BOARD_MAX_CPUS 8

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

/* Addresses of the port's own mappings of registers: TTBR1's half, see ioremap.c. */
#define PORT_IO_BASE 0xffffff8000000000
#define PORT_IO_TABLES 16

#endif
