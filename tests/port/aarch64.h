/* SPDX-License-Identifier: BSD-2-Clause */
/* What the files of the tests of ports/aarch64 share: what the hardware says. */
#ifndef TEST_AARCH64_H
#define TEST_AARCH64_H

#include <berth/aarch64.h>

#include "conformance.h"

#define RAM_BASE 0x40000000ul
#define RAM_VIRT 0x40000000ul
#define UART_BASE 0x09000000ul
/* Registers of nobody: an access is answered with an abort. */
#define NO_DEVICE_BASE 0x0b000000ul

#define MEMORY_CACHED 0xff
#define MEMORY_UNCACHED 0x44
#define MEMORY_DEVICE 0x04
#define NOT_MAPPED (-1)

/* The true type of what the CPU sees at an address: what the MMU says. */
static inline int type_at(const volatile void *virt, bool write)
{
	uint64_t par;

	if (write)
		__asm__ volatile("at s1e1w, %1\n\tisb\n\tmrs %0, par_el1"
				 : "=r"(par)
				 : "r"(virt)
				 : "memory");
	else
		__asm__ volatile("at s1e1r, %1\n\tisb\n\tmrs %0, par_el1"
				 : "=r"(par)
				 : "r"(virt)
				 : "memory");
	return par & 1 ? NOT_MAPPED : (int)(par >> 56);
}

/* A register that can be read without effect, and what it reads as. */
struct aarch64_register {
	phys_addr_t phys;
	uint32_t value;
};

/* A device whose interrupt can be raised. */
struct aarch64_source {
	unsigned int irq;
	void (*raise)(char __iomem *registers);
	void (*calm)(char __iomem *registers);
};

/* What the tests have to know of a board, beside its RAM. */
struct aarch64_board {
	const char *compatible; /* of the tree's root */
	size_t compatible_length;
	struct aarch64_register first, second,
		large; /* the last one begins 256 MiB of them; or none */
	phys_addr_t device; /* registers of a device, */
	struct aarch64_source level; /* and its interrupt, a level */
	struct aarch64_source timer; /* each CPU's second timer */
	/* A GIC's distributor, or 0, and an SPI behind which is no device. */
	phys_addr_t gicd;
	unsigned int free_irq;
	unsigned int refused[3]; /* the port's own, and what is no device's */
};

extern const struct aarch64_board aarch64_boards[];
extern const unsigned int aarch64_nr_boards;
/* The one that this is. */
extern const struct aarch64_board *aarch64_board;

/* aarch64-irqs.c */
extern const struct conformance_test aarch64_irqs[];
#define NR_AARCH64_IRQS 4
static inline void use_float_register(void)
{
	__asm__ volatile(".arch_extension fp\n\tfmov d0, xzr");
}

static inline void run_elsewhere(void (*fn)(void *))
{
	berth_cpu_start(1, fn, NULL);
	berth_cpu_join(1);
}

/* aarch64-blocks.c */
extern const struct conformance_test aarch64_blocks[];
#define NR_AARCH64_BLOCKS 8

#endif
