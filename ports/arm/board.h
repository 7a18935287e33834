/* SPDX-License-Identifier: BSD-2-Clause */
/* Where a Zynq-7000 has what the port itself uses. For C and assembly. */
#ifndef PORT_BOARD_H
#define PORT_BOARD_H

#define BOARD_UART 0xe0000000
/* The Cortex-A9's own: at 0x100 the GIC's CPU interface, at 0x200 the global timer; then the distributor. */
#define BOARD_MPCORE 0xf8f00000
#define BOARD_GICD 0xf8f01000
#define BOARD_L2CC 0xf8f02000
/* Half the CPU's clock on silicon; 100 MHz in QEMU. */
#define BOARD_TIMER_TICK_NS 10

#define PORT_STACK_SIZE 0x8000
#define PORT_TRAP_STACK_SIZE 0x2000

/*
 * Addresses. RAM, which is at physical 0, has an offset: nothing is mapped at NULL. Behind it are
 * the ranges (range.c) and registers (ioremap.c); the last MiB of those is the port's own.
 */
#define PORT_RAM_OFFSET 0x40000000
#define PORT_RAM_MIB 2048
#define PORT_RANGES_BASE 0xd0000000
#define PORT_RANGES_MIB 512
#define PORT_IO_BASE 0xf0000000
#define PORT_IO_MIB 16
#define PORT_OWN_BASE (PORT_IO_BASE + (PORT_IO_MIB - 1) * 0x100000)
#define PORT_UART PORT_OWN_BASE
#define PORT_MPCORE (PORT_OWN_BASE + 0x1000)
#define PORT_GICC (PORT_MPCORE + 0x100)
#define PORT_TIMER (PORT_MPCORE + 0x200)
#define PORT_GICD (PORT_OWN_BASE + 0x2000)
#define PORT_L2CC (PORT_OWN_BASE + 0x3000)

/* The image begins at this physical address, and has tables of its own for so many MiB. */
#define PORT_IMAGE_PHYS 0x100000
#define PORT_IMAGE_MIB 16
/* RAM that is mapped at boot. */
#define PORT_BOOT_MIB 1024

/* Entries of the first level: 1 MiB each. */
#define L1_TABLE 0x1
#define L1_SECTION 0x2
#define L1_SECTION_XN (1 << 4)
#define L1_SECTION_AP (1 << 10)
/* Entries of the second level: pages. */
#define PTE_PAGE 0x2
#define PTE_XN (1 << 0)
#define PTE_ATTR_CACHED (1 << 6 | 3 << 2)
#define PTE_ATTR_UNCACHED (1 << 6)
#define PTE_ATTR_DEVICE (1 << 2)
#define PTE_ATTR (7 << 6 | 3 << 2)
#define PTE_AP (1 << 4)
#define PTE_RO (1 << 9)

#endif
