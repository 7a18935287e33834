/* SPDX-License-Identifier: BSD-2-Clause */
/* The inline part of the port for AArch64 without an operating system; port.h says what it means. */
#ifndef BERTH_PORT_ARCH_H
#define BERTH_PORT_ARCH_H

#include <berth/types.h>

#ifdef __cplusplus
extern "C" {
#endif

#define BERTH_PORT_MAX_SLOTS 8
#define BERTH_PORT_REDZONE 0

/* A CPU is a slot; its number is in TPIDR_EL1 from the first instructions on. */
static inline unsigned int berth_port_slot(void)
{
	uint64_t slot;

	__asm__("mrs %0, tpidr_el1" : "=r"(slot));
	return (unsigned int)slot;
}

static inline unsigned int berth_port_slot_or_none(void)
{
	return berth_port_slot() + 1;
}

static inline void berth_port_relax(void)
{
	__asm__ volatile("yield" ::: "memory");
}

static inline unsigned long berth_port_irq_save(void)
{
	unsigned long flags;

	__asm__ volatile("mrs %0, daif\n\tmsr daifset, #2" : "=r"(flags)::"memory");
	return flags;
}

static inline bool berth_port_irq_was_on(unsigned long flags)
{
	return !(flags & 0x80);
}

static inline void berth_port_irq_restore(unsigned long flags)
{
	__asm__ volatile("msr daif, %0" ::"r"(flags) : "memory");
}

static inline void berth_port_mb(void)
{
	__asm__ volatile("dsb sy" ::: "memory");
}

static inline void berth_port_rmb(void)
{
	__asm__ volatile("dsb ld" ::: "memory");
}

static inline void berth_port_wmb(void)
{
	__asm__ volatile("dsb st" ::: "memory");
}

static inline void berth_port_dma_rmb(void)
{
	__asm__ volatile("dmb oshld" ::: "memory");
}

static inline void berth_port_dma_wmb(void)
{
	__asm__ volatile("dmb oshst" ::: "memory");
}

/*
 * Inline assembly, not a volatile access: a compiler may choose a form with write-back of the base
 * register, which a hypervisor cannot emulate, and may split an access. An offset is no write-back.
 */
static inline uint8_t berth_port_read8(const volatile void __iomem *addr)
{
	uint32_t value;

	__asm__ volatile("ldrb %w0, %1" : "=r"(value) : "Qo"(*(const volatile uint8_t *)addr));
	return (uint8_t)value;
}

static inline uint16_t berth_port_read16(const volatile void __iomem *addr)
{
	uint32_t value;

	__asm__ volatile("ldrh %w0, %1" : "=r"(value) : "Qo"(*(const volatile uint16_t *)addr));
	return (uint16_t)value;
}

static inline uint32_t berth_port_read32(const volatile void __iomem *addr)
{
	uint32_t value;

	__asm__ volatile("ldr %w0, %1" : "=r"(value) : "Qo"(*(const volatile uint32_t *)addr));
	return value;
}

static inline uint64_t berth_port_read64(const volatile void __iomem *addr)
{
	uint64_t value;

	__asm__ volatile("ldr %0, %1" : "=r"(value) : "Qo"(*(const volatile uint64_t *)addr));
	return value;
}

static inline void berth_port_write8(volatile void __iomem *addr, uint8_t value)
{
	__asm__ volatile("strb %w1, %0" : "=Qo"(*(volatile uint8_t *)addr) : "rZ"((uint32_t)value));
}

static inline void berth_port_write16(volatile void __iomem *addr, uint16_t value)
{
	__asm__ volatile("strh %w1, %0"
			 : "=Qo"(*(volatile uint16_t *)addr)
			 : "rZ"((uint32_t)value));
}

static inline void berth_port_write32(volatile void __iomem *addr, uint32_t value)
{
	__asm__ volatile("str %w1, %0" : "=Qo"(*(volatile uint32_t *)addr) : "rZ"(value));
}

static inline void berth_port_write64(volatile void __iomem *addr, uint64_t value)
{
	__asm__ volatile("str %x1, %0" : "=Qo"(*(volatile uint64_t *)addr) : "rZ"(value));
}

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
