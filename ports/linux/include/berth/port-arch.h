/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The inline part of the port to a Linux process; port.h says what it means. Programs and the
 * library may be built with different sanitizers, so whatever depends on one is behind a function
 * of the library.
 */
#ifndef BERTH_PORT_ARCH_H
#define BERTH_PORT_ARCH_H

#include <berth/types.h>

#include <berth/names.h>

BERTH_BEGIN_DECLS

/*
 * A thread gets a slot at its first call of berth and gives it back when it exits. With more threads
 * than slots, the late ones share: a slot's data needs a lock, or atomics, in any case.
 */
#define BERTH_PORT_MAX_SLOTS 64

/* For the library's own files only: a program may be built with another sanitizer. */
#if defined(__SANITIZE_ADDRESS__)
#define BERTH_PORT_REDZONE 32
#elif defined(__has_feature)
#if __has_feature(address_sanitizer)
#define BERTH_PORT_REDZONE 32
#endif
#endif
#ifndef BERTH_PORT_REDZONE
#define BERTH_PORT_REDZONE 0
#endif

/**
 * struct berth_port_thread - what the port keeps per thread
 * @slot: the slot + 1; 0 while the thread has none
 * @irq_depth: 0: interrupts may be delivered to this thread
 */
struct berth_port_thread {
	uint32_t slot;
	uint32_t irq_depth;
};

extern __thread struct berth_port_thread berth_port_thread
	__attribute__((tls_model("initial-exec")));

/* Not 0: berth_port_poison() and berth_port_unpoison() have something to do. */
extern uint32_t berth_port_guarded;
/* Not 0: an interrupt or an alarm waits for a thread that takes it. */
extern uint32_t berth_port_irq_pending;

/* The ways behind the inline functions. */
unsigned int berth_port_new_slot(void);
void berth_port_irq_poll(void);
void berth_port_do_poison(const void *addr, size_t size);
void berth_port_do_unpoison(const void *addr, size_t size);

void berth_port_relax(void);
void berth_port_mb(void);
void berth_port_rmb(void);
void berth_port_wmb(void);
void berth_port_dma_rmb(void);
void berth_port_dma_wmb(void);
uint8_t berth_port_read8(const volatile void __iomem *addr);
uint16_t berth_port_read16(const volatile void __iomem *addr);
uint32_t berth_port_read32(const volatile void __iomem *addr);
uint64_t berth_port_read64(const volatile void __iomem *addr);
void berth_port_write8(volatile void __iomem *addr, uint8_t value);
void berth_port_write16(volatile void __iomem *addr, uint16_t value);
void berth_port_write32(volatile void __iomem *addr, uint32_t value);
void berth_port_write64(volatile void __iomem *addr, uint64_t value);

static inline unsigned int berth_port_slot(void)
{
	uint32_t slot = berth_port_thread.slot;

	return slot ? slot - 1 : berth_port_new_slot();
}

static inline unsigned int berth_port_slot_or_none(void)
{
	return berth_port_thread.slot;
}

static inline unsigned long berth_port_irq_save(void)
{
	return berth_port_thread.irq_depth++;
}

static inline bool berth_port_irq_was_on(unsigned long flags)
{
	return !flags;
}

/* The last one lets in what has been waiting. */
static inline void berth_port_irq_restore(unsigned long flags)
{
	berth_port_thread.irq_depth = (uint32_t)flags;
	if (!flags && __atomic_load_n(&berth_port_irq_pending, __ATOMIC_RELAXED))
		berth_port_irq_poll();
}

static inline bool berth_port_is_guarded(void)
{
	return __atomic_load_n(&berth_port_guarded, __ATOMIC_RELAXED) != 0;
}

/* Memory is free: a sanitizer reports who touches it. */
static inline void berth_port_poison(const void *addr, size_t size)
{
	if (__atomic_load_n(&berth_port_guarded, __ATOMIC_RELAXED))
		berth_port_do_poison(addr, size);
}

/* Memory is in use from now on, with no particular contents. */
static inline void berth_port_unpoison(const void *addr, size_t size)
{
	if (__atomic_load_n(&berth_port_guarded, __ATOMIC_RELAXED))
		berth_port_do_unpoison(addr, size);
}

BERTH_END_DECLS

#ifdef BERTH_NO_SHORT_NAMES
#include <berth/names-off.h>
#endif
#endif
