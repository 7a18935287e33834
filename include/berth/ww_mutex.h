/* SPDX-License-Identifier: BSD-2-Clause */
/**
 * DOC: ww_mutex - several locks of one kind, in any order (linux/ww_mutex.h)
 *
 * Who takes several locks that others take in another order does so with one acquire context. Of two
 * contexts the one that was begun first is the older one. It waits for a lock that the younger one
 * holds; the younger one is told -EDEADLK instead, releases all its locks, waits for the one that it did
 * not get with ww_mutex_lock_slow(), and takes the others anew. (Linux calls that wait-die.) A
 * context that holds no lock may always wait. There is no queue: a lock that is free is taken by who
 * comes first.
 */
#ifndef BERTH_WW_MUTEX_H
#define BERTH_WW_MUTEX_H

#include <berth/spinlock.h>
#include <berth/types.h>

#include <berth/names.h>

BERTH_BEGIN_DECLS

/**
 * struct ww_class - locks that are taken together
 * @stamp: the contexts that were begun; private
 */
struct ww_class {
	uint64_t stamp;
};

/* DEFINE_WW_CLASS() - a class of locks. */
#define DEFINE_WW_CLASS(name) struct ww_class name = { 0 }

/**
 * struct ww_acquire_ctx - one thread's way through several locks
 * @stamp: when it was begun; 0 before and after
 * @acquired: how many locks it holds
 * @is_done: no more will be taken
 *
 * All private, and of one thread; it usually lies on the stack.
 */
struct ww_acquire_ctx {
	uint64_t stamp;
	uint32_t acquired;
	bool is_done;
};

/**
 * struct ww_mutex - a lock for who may sleep; all zero is free
 * @lock: guards the rest; a leaf, which no handler takes
 * @is_locked: whether somebody holds it
 * @nr_waiting: who sleeps
 * @nr_releases: changes when it is released; the sleepers watch it
 * @ctx: with which it was taken, or NULL
 *
 * All private.
 */
struct ww_mutex {
	spinlock_t lock;
	uint32_t is_locked;
	uint32_t nr_waiting;
	uint32_t nr_releases;
	struct ww_acquire_ctx *ctx;
};

/** ww_acquire_init() - begin. @ctx holds no lock. Any context. */
void ww_acquire_init(struct ww_acquire_ctx *ctx, struct ww_class *ww_class);

/** ww_acquire_done() - all locks are taken; with this context no more can be. */
void ww_acquire_done(struct ww_acquire_ctx *ctx);

/** ww_acquire_fini() - the end: all locks are released. The context must be begun anew. */
void ww_acquire_fini(struct ww_acquire_ctx *ctx);

/** ww_mutex_init() - make a lock free, whatever it was. @ww_class: of the contexts it is taken with. */
void ww_mutex_init(struct ww_mutex *lock, struct ww_class *ww_class);

/**
 * ww_mutex_lock() - take a lock
 * @lock: the lock
 * @ctx: of this thread, or NULL if it takes no other one
 *
 * Sleeps. Return: 0; -EALREADY if @ctx holds it; -EDEADLK if an older context holds it and @ctx
 * holds another one: then all of them must be released; -EINVAL if @ctx was not begun, or is done
 * (STATE).
 */
int BERTH_MUST_CHECK ww_mutex_lock(struct ww_mutex *lock, struct ww_acquire_ctx *ctx);

/** ww_mutex_lock_slow() - take the lock that gave -EDEADLK. @ctx holds none. Sleeps. */
void ww_mutex_lock_slow(struct ww_mutex *lock, struct ww_acquire_ctx *ctx);

/** ww_mutex_trylock() - take a lock if it is free. Return: nonzero if it was taken. */
int BERTH_MUST_CHECK ww_mutex_trylock(struct ww_mutex *lock, struct ww_acquire_ctx *ctx);

/** ww_mutex_unlock() - release a lock. Behind it another one may take the lock and free it. */
void ww_mutex_unlock(struct ww_mutex *lock);

/** ww_mutex_is_locked() - whether somebody holds it. Any context. */
static inline bool ww_mutex_is_locked(const struct ww_mutex *lock)
{
	return __atomic_load_n(&lock->is_locked, __ATOMIC_RELAXED) != 0;
}

BERTH_END_DECLS

#ifdef BERTH_NO_SHORT_NAMES
#include <berth/names-off.h>
#endif
#endif
