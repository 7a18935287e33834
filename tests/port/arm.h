/* SPDX-License-Identifier: BSD-2-Clause */
/* What the hardware would say of an address on ARMv7-A. QEMU's PAR has no memory types: its walk and ours. */
#ifndef TEST_ARM_H
#define TEST_ARM_H

#include <berth/arm.h>

#define RAM_BASE 0x0u
#define RAM_VIRT 0x40000000u
#define UART_BASE 0xe0001000u
/* QEMU's board answers everywhere. */
#define NO_DEVICE_BASE UART_BASE

#define MEMORY_CACHED 7
#define MEMORY_UNCACHED 4
#define MEMORY_DEVICE 1
#define NOT_MAPPED (-1)

static inline uint32_t *section_entry(const volatile void *virt)
{
	uint32_t table;

	__asm__ volatile("mrc p15, 0, %0, c2, c0, 0" : "=r"(table)::"memory");
	return (uint32_t *)((table & ~0x3fffu) + RAM_VIRT) + ((uintptr_t)virt >> 20);
}

static inline bool is_section(const volatile void *virt)
{
	return *section_entry(virt) & 2;
}

static inline uint32_t *page_entry(const volatile void *virt)
{
	return (uint32_t *)((*section_entry(virt) & ~0x3ffu) + RAM_VIRT) +
	       ((uintptr_t)virt >> 12 & 0xff);
}

/* TEX[0], C and B of an address, as the live tables have it, or NOT_MAPPED if the access would fault. */
static inline int type_at(const volatile void *virt, bool write)
{
	uintptr_t at = (uintptr_t)virt;
	uint32_t par;

	if (write)
		__asm__ volatile("mcr p15, 0, %1, c7, c8, 1\n\tisb\n\tmrc p15, 0, %0, c7, c4, 0"
				 : "=r"(par)
				 : "r"(at)
				 : "memory");
	else
		__asm__ volatile("mcr p15, 0, %1, c7, c8, 0\n\tisb\n\tmrc p15, 0, %0, c7, c4, 0"
				 : "=r"(par)
				 : "r"(at)
				 : "memory");
	if (par & 1)
		return NOT_MAPPED;
	if (is_section(virt))
		return (int)((*section_entry(virt) >> 10 & 4) | (*section_entry(virt) >> 2 & 3));
	return (int)((*page_entry(virt) >> 4 & 4) | (*page_entry(virt) >> 2 & 3));
}

static inline void use_float_register(void)
{
	__asm__ volatile(".fpu neon\n\tvmov.i32 d0, #0");
}

/* There is one CPU. */
static inline void run_elsewhere(void (*fn)(void *))
{
	(void)fn;
}

#endif
