/* SPDX-License-Identifier: BSD-2-Clause */
/* The inline part of the fake port: no interrupts, no devices; see fake_port.h. */
#ifndef BERTH_PORT_ARCH_H
#define BERTH_PORT_ARCH_H

#include <berth/types.h>

#define BERTH_PORT_MAX_SLOTS 2

/* The build may say it; otherwise the compiler does. */
#ifndef BERTH_FAKE_ASAN
#if defined(__SANITIZE_ADDRESS__)
#define BERTH_FAKE_ASAN 1
#elif defined(__has_feature)
#if __has_feature(address_sanitizer)
#define BERTH_FAKE_ASAN 1
#endif
#endif
#endif
#ifndef BERTH_FAKE_ASAN
#define BERTH_FAKE_ASAN 0
#endif

#define BERTH_PORT_REDZONE (BERTH_FAKE_ASAN ? 32 : 0)

void berth_port_poison(const void *addr, size_t size);
void berth_port_unpoison(const void *addr, size_t size);

/* The caller's slot + 1: 1 at first; a test with threads sets it. */
extern __thread unsigned int berth_fake_slot;
/* Whether memory that is handed out is filled with a pattern, which shuts the inline ways. */
extern bool berth_fake_pattern;

static inline bool berth_port_is_guarded(void)
{
	return BERTH_FAKE_ASAN || berth_fake_pattern;
}

static inline unsigned int berth_port_slot(void)
{
	return berth_fake_slot - 1;
}

static inline unsigned int berth_port_slot_or_none(void)
{
	return berth_fake_slot;
}

void berth_port_relax(void);

extern __thread unsigned int berth_fake_irq_depth;

static inline unsigned long berth_port_irq_save(void)
{
	return berth_fake_irq_depth++;
}

static inline bool berth_port_irq_was_on(unsigned long flags)
{
	return !flags;
}

static inline void berth_port_irq_restore(unsigned long flags)
{
	berth_fake_irq_depth = (unsigned int)flags;
}

static inline void berth_port_mb(void)
{
	__atomic_thread_fence(__ATOMIC_SEQ_CST);
}

static inline void berth_port_rmb(void)
{
	__atomic_thread_fence(__ATOMIC_SEQ_CST);
}

static inline void berth_port_wmb(void)
{
	__atomic_thread_fence(__ATOMIC_SEQ_CST);
}

static inline void berth_port_dma_rmb(void)
{
	__atomic_thread_fence(__ATOMIC_SEQ_CST);
}

static inline void berth_port_dma_wmb(void)
{
	__atomic_thread_fence(__ATOMIC_SEQ_CST);
}

#define BERTH_FAKE_ACCESS(bits)                                                               \
	static inline uint##bits##_t berth_port_read##bits(const volatile void __iomem *addr) \
	{                                                                                     \
		return *(const volatile uint##bits##_t *)addr;                                \
	}                                                                                     \
	static inline void berth_port_write##bits(volatile void __iomem *addr,                \
						  uint##bits##_t value)                       \
	{                                                                                     \
		*(volatile uint##bits##_t *)addr = value;                                     \
	}

BERTH_FAKE_ACCESS(8)
BERTH_FAKE_ACCESS(16)
BERTH_FAKE_ACCESS(32)
BERTH_FAKE_ACCESS(64)

#endif
