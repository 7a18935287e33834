/* SPDX-License-Identifier: BSD-2-Clause */
/**
 * DOC: spinlock - short mutual exclusion between CPUs or threads (linux/spinlock.h)
 *
 * A spinlock is never held over a wait, a copy of more than a line, or a call of a driver's. A lock
 * that an interrupt handler takes is taken by others with spin_lock_irqsave(). Nobody sleeps until it is
 * woken: a lock is released by one store. On a port with
 * BERTH_PORT_ONE_CPU nobody comes between but an interrupt, which leaves a lock as it has found it:
 * no atomic instructions are needed.
 */
#ifndef BERTH_SPINLOCK_H
#define BERTH_SPINLOCK_H

#include <berth/port.h>
#include <berth/types.h>

#include <berth/names.h>

BERTH_BEGIN_DECLS

/**
 * struct spinlock - a lock; all zero is unlocked
 * @word: 0 free, 1 held
 */
typedef struct spinlock {
	uint32_t word;
} spinlock_t;

#define DEFINE_SPINLOCK(name) spinlock_t name = { 0 }

/** spin_lock_init() - make a lock free, whatever it was. */
static inline void spin_lock_init(spinlock_t *lock)
{
	__atomic_store_n(&lock->word, 0, __ATOMIC_RELAXED);
}

/** berth_spin_lock_slow() - take a lock that was not free at once. */
void berth_spin_lock_slow(spinlock_t *lock);

/** spin_trylock() - take a lock if it is free. Any context. Return: whether it was taken. */
static inline bool spin_trylock(spinlock_t *lock)
{
#ifdef BERTH_PORT_ONE_CPU
	bool is_free = !__atomic_load_n(&lock->word, __ATOMIC_RELAXED);

	__atomic_store_n(&lock->word, 1, __ATOMIC_RELAXED);
	__atomic_signal_fence(__ATOMIC_ACQUIRE);
	return is_free;
#else
	return !__atomic_exchange_n(&lock->word, 1, __ATOMIC_ACQUIRE);
#endif
}

/** spin_lock() - take a lock. Any context in which nobody interrupted can hold it. */
static inline void spin_lock(spinlock_t *lock)
{
	if (!spin_trylock(lock))
		berth_spin_lock_slow(lock);
}

/** spin_unlock() - release a lock. */
static inline void spin_unlock(spinlock_t *lock)
{
#ifdef BERTH_PORT_ONE_CPU
	__atomic_signal_fence(__ATOMIC_RELEASE);
	__atomic_store_n(&lock->word, 0, __ATOMIC_RELAXED);
#else
	__atomic_store_n(&lock->word, 0, __ATOMIC_RELEASE);
#endif
}

/** berth_spin_lock_irqsave() - spin_lock() with interrupts kept away; returns what to restore. */
static inline unsigned long berth_spin_lock_irqsave(spinlock_t *lock)
{
	unsigned long flags = berth_port_irq_save();

	spin_lock(lock);
	return flags;
}

/** berth_spin_trylock_irqsave() - the same if the lock is free; false, and nothing is to restore, if not. */
static inline bool berth_spin_trylock_irqsave(spinlock_t *lock, unsigned long *flags)
{
	*flags = berth_port_irq_save();
	if (spin_trylock(lock))
		return true;
	berth_port_irq_restore(*flags);
	return false;
}

/** spin_unlock_irqrestore() - release a lock and undo its irqsave. */
static inline void spin_unlock_irqrestore(spinlock_t *lock, unsigned long flags)
{
	spin_unlock(lock);
	berth_port_irq_restore(flags);
}

#ifndef BERTH_NO_SHORT_NAMES
/* spin_lock_irqsave() - take @lock with interrupts kept away; @flags is an unsigned long. */
#define spin_lock_irqsave(lock, flags) ((flags) = berth_spin_lock_irqsave(lock))
#define spin_trylock_irqsave(lock, flags) berth_spin_trylock_irqsave(lock, &(flags))
#define local_irq_save(flags) ((flags) = berth_port_irq_save())
#define local_irq_restore(flags) berth_port_irq_restore(flags)
#endif

BERTH_END_DECLS

#ifdef BERTH_NO_SHORT_NAMES
#include <berth/names-off.h>
#endif
#endif
