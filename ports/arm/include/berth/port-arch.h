/* SPDX-License-Identifier: BSD-2-Clause */
/* The inline part of the port for ARMv7-A without an operating system; port.h says what it means. */
#ifndef BERTH_PORT_ARCH_H
#define BERTH_PORT_ARCH_H

#include <berth/types.h>

#ifdef __cplusplus
extern "C" {
#endif

#define BERTH_PORT_ONE_CPU 1
#define BERTH_PORT_MAX_SLOTS 1
#define BERTH_PORT_REDZONE 0

static inline unsigned int berth_port_slot(void)
{
	return 0;
}

static inline unsigned int berth_port_slot_or_none(void)
{
	return 1;
}

static inline void berth_port_relax(void)
{
	__asm__ volatile("yield" ::: "memory");
}

static inline unsigned long berth_port_irq_save(void)
{
	unsigned long flags;

	__asm__ volatile("mrs %0, cpsr\n\tcpsid i" : "=r"(flags)::"memory");
	return flags;
}

static inline bool berth_port_irq_was_on(unsigned long flags)
{
	return !(flags & 0x80);
}

static inline void berth_port_irq_restore(unsigned long flags)
{
	__asm__ volatile("msr cpsr_c, %0" ::"r"(flags) : "memory");
}

/* The outer cache's register that empties its buffers; NULL: it is off. */
extern volatile uint32_t *berth_arm_outer_sync;

/* Behind a DSB: what was written has left the CPU, but not the outer cache's buffers. */
static inline void berth_arm_drain(void)
{
	if (!berth_arm_outer_sync)
		return;
	__asm__ volatile("str %0, [%1]\n\tdsb sy" ::"r"(0), "r"(berth_arm_outer_sync) : "memory");
}

static inline void berth_port_mb(void)
{
	__asm__ volatile("dsb sy" ::: "memory");
	berth_arm_drain();
}

static inline void berth_port_rmb(void)
{
	__asm__ volatile("dsb sy" ::: "memory");
}

static inline void berth_port_wmb(void)
{
	__asm__ volatile("dsb st" ::: "memory");
	berth_arm_drain();
}

/* ARMv7 has no barrier for reads alone. */
static inline void berth_port_dma_rmb(void)
{
	__asm__ volatile("dmb osh" ::: "memory");
}

static inline void berth_port_dma_wmb(void)
{
	__asm__ volatile("dmb oshst" ::: "memory");
}

/* Inline assembly, not a volatile access, which a compiler may split. */
static inline uint8_t berth_port_read8(const volatile void __iomem *addr)
{
	uint32_t value;

	__asm__ volatile("ldrb %0, [%1]" : "=r"(value) : "r"(addr));
	return (uint8_t)value;
}

static inline uint16_t berth_port_read16(const volatile void __iomem *addr)
{
	uint32_t value;

	__asm__ volatile("ldrh %0, [%1]" : "=r"(value) : "r"(addr));
	return (uint16_t)value;
}

static inline uint32_t berth_port_read32(const volatile void __iomem *addr)
{
	uint32_t value;

	__asm__ volatile("ldr %0, %1" : "=r"(value) : "Qo"(*(const volatile uint32_t *)addr));
	return value;
}

/* One instruction; the bus of most devices makes two accesses of it, the lower word first. */
static inline uint64_t berth_port_read64(const volatile void __iomem *addr)
{
	uint64_t value;

	__asm__ volatile("ldrd %Q0, %R0, [%1]" : "=r"(value) : "r"(addr));
	return value;
}

static inline void berth_port_write8(volatile void __iomem *addr, uint8_t value)
{
	__asm__ volatile("strb %0, [%1]" ::"r"((uint32_t)value), "r"(addr));
}

static inline void berth_port_write16(volatile void __iomem *addr, uint16_t value)
{
	__asm__ volatile("strh %0, [%1]" ::"r"((uint32_t)value), "r"(addr));
}

static inline void berth_port_write32(volatile void __iomem *addr, uint32_t value)
{
	__asm__ volatile("str %1, %0" : "=Qo"(*(volatile uint32_t *)addr) : "r"(value));
}

static inline void berth_port_write64(volatile void __iomem *addr, uint64_t value)
{
	__asm__ volatile("strd %Q0, %R0, [%1]" ::"r"(value), "r"(addr));
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
