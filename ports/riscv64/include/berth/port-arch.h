/* SPDX-License-Identifier: BSD-2-Clause */
/* The inline part of the port for RISC-V in machine mode; port.h says what it means. */
#ifndef BERTH_PORT_ARCH_H
#define BERTH_PORT_ARCH_H

#include <berth/types.h>

#ifdef __cplusplus
extern "C" {
#endif

#define BERTH_PORT_MAX_SLOTS 4
#define BERTH_PORT_REDZONE 0
#define BERTH_PORT_DMA_DEFAULT_COHERENT 1

/* A CPU is a slot. Hart 0 is none: see ports/riscv64/board.h. */
static inline unsigned int berth_port_slot(void)
{
	uint64_t hart;

	__asm__("csrr %0, mhartid" : "=r"(hart));
	return (unsigned int)hart - 1;
}

static inline unsigned int berth_port_slot_or_none(void)
{
	return berth_port_slot() + 1;
}

/* `pause`, which assemblers do not all know; a fence of nothing where there is no such thing. */
static inline void berth_port_relax(void)
{
	__asm__ volatile(".4byte 0x0100000f" ::: "memory");
}

/* mstatus.MIE */
static inline unsigned long berth_port_irq_save(void)
{
	unsigned long flags;

	__asm__ volatile("csrrci %0, mstatus, 8" : "=r"(flags)::"memory");
	return flags & 8;
}

static inline bool berth_port_irq_was_on(unsigned long flags)
{
	return flags != 0;
}

static inline void berth_port_irq_restore(unsigned long flags)
{
	__asm__ volatile("csrs mstatus, %0" ::"r"(flags) : "memory");
}

static inline void berth_port_mb(void)
{
	__asm__ volatile("fence iorw, iorw" ::: "memory");
}

static inline void berth_port_rmb(void)
{
	__asm__ volatile("fence ir, ir" ::: "memory");
}

static inline void berth_port_wmb(void)
{
	__asm__ volatile("fence ow, ow" ::: "memory");
}

/* With devices' bits too: what a board has as uncached memory may count as a device. */
static inline void berth_port_dma_rmb(void)
{
	__asm__ volatile("fence ir, ir" ::: "memory");
}

static inline void berth_port_dma_wmb(void)
{
	__asm__ volatile("fence ow, ow" ::: "memory");
}

/*
 * Inline assembly, so that no access is split. A write comes before the release of a lock that it
 * was made under, which orders memory only.
 */
#define BERTH_PORT_ACCESS(bits, load, store)                                                  \
	static inline uint##bits##_t berth_port_read##bits(const volatile void __iomem *addr) \
	{                                                                                     \
		uint64_t value;                                                               \
                                                                                              \
		__asm__ volatile(load " %0, %1"                                               \
				 : "=r"(value)                                                \
				 : "m"(*(const volatile uint##bits##_t *)addr));              \
		return (uint##bits##_t)value;                                                 \
	}                                                                                     \
	static inline void berth_port_write##bits(volatile void __iomem *addr,                \
						  uint##bits##_t value)                       \
	{                                                                                     \
		__asm__ volatile(store " %z1, %0\n\tfence o, w"                               \
				 : "=m"(*(volatile uint##bits##_t *)addr)                     \
				 : "rJ"(value)                                                \
				 : "memory");                                                 \
	}

BERTH_PORT_ACCESS(8, "lbu", "sb")
BERTH_PORT_ACCESS(16, "lhu", "sh")
BERTH_PORT_ACCESS(32, "lwu", "sw")
BERTH_PORT_ACCESS(64, "ld", "sd")

#undef BERTH_PORT_ACCESS

/* In ports/baremetal/poison.c. */
void berth_port_do_poison(const void *addr, size_t size);

/* The checker began before berth_start(). */
static inline bool berth_port_is_guarded(void)
{
	return __builtin_expect(!!__atomic_load_n(&berth_port_watch, __ATOMIC_RELAXED), 0);
}

/* Memory is free: the checker is told. */
static inline void berth_port_poison(const void *addr, size_t size)
{
	if (berth_port_is_guarded())
		berth_port_do_poison(addr, size);
}

static inline void berth_port_unpoison(const void *addr, size_t size)
{
	(void)addr;
	(void)size;
}

#ifdef __cplusplus
}
#endif
#endif
