/* SPDX-License-Identifier: BSD-2-Clause */
/**
 * DOC: mutex - locks that may be held while sleeping (linux/mutex.h)
 */
#ifndef BERTH_MUTEX_H
#define BERTH_MUTEX_H

#include <berth/types.h>

#include <berth/names.h>

BERTH_BEGIN_DECLS

/**
 * struct mutex - a lock for who may sleep; all zero is free
 * @word: private
 */
struct mutex {
	uint32_t word;
};

#define DEFINE_MUTEX(name) struct mutex name = { 0 }

/** mutex_init() - make a lock free, whatever it was. */
static inline void mutex_init(struct mutex *lock)
{
	__atomic_store_n(&lock->word, 0, __ATOMIC_RELAXED);
}

/** mutex_trylock() - take a lock if it is free. Return: whether it was taken. */
static inline bool mutex_trylock(struct mutex *lock)
{
	uint32_t unlocked = 0;

	return __atomic_compare_exchange_n(&lock->word, &unlocked, 1, false, __ATOMIC_ACQUIRE,
					   __ATOMIC_RELAXED);
}

/** mutex_lock() - take a lock. Sleeps. Not from a handler, a tasklet, or with a spinlock held. */
void mutex_lock(struct mutex *lock);

/** mutex_unlock() - release a lock. */
void mutex_unlock(struct mutex *lock);

/** mutex_is_locked() - whether somebody holds it. Any context. */
static inline bool mutex_is_locked(const struct mutex *lock)
{
	return __atomic_load_n(&lock->word, __ATOMIC_RELAXED) != 0;
}

BERTH_END_DECLS

#ifdef BERTH_NO_SHORT_NAMES
#include <berth/names-off.h>
#endif
#endif
