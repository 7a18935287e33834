/* SPDX-License-Identifier: BSD-2-Clause */
#include <berth/errno.h>
#include <berth/port.h>
#include <berth/ww_mutex.h>

#include "lib/error.h"

void ww_acquire_init(struct ww_acquire_ctx *ctx, struct ww_class *ww_class)
{
	*ctx = (struct ww_acquire_ctx){
		.stamp = __atomic_add_fetch(&ww_class->stamp, 1, __ATOMIC_RELAXED),
	};
}

void ww_acquire_done(struct ww_acquire_ctx *ctx)
{
	ctx->is_done = true;
}

void ww_acquire_fini(struct ww_acquire_ctx *ctx)
{
	ctx->stamp = 0;
}

void ww_mutex_init(struct ww_mutex *lock, struct ww_class *ww_class)
{
	(void)ww_class;
	*lock = (struct ww_mutex){ 0 };
}

/* With the inner lock. The holder's context lives at least until it releases the lock. */
static bool take(struct ww_mutex *lock, struct ww_acquire_ctx *ctx)
{
	if (lock->is_locked)
		return false;
	__atomic_store_n(&lock->is_locked, 1, __ATOMIC_RELAXED);
	__atomic_store_n(&lock->ctx, ctx, __ATOMIC_RELAXED);
	if (ctx)
		ctx->acquired++;
	return true;
}

/* With the inner lock, which is free while it sleeps. */
static void sleep_once(struct ww_mutex *lock)
{
	uint32_t seen = lock->nr_releases;

	lock->nr_waiting++;
	spin_unlock(&lock->lock);
	berth_port_wait(&lock->nr_releases, seen, UINT64_MAX);
	spin_lock(&lock->lock);
	lock->nr_waiting--;
}

int ww_mutex_lock(struct ww_mutex *lock, struct ww_acquire_ctx *ctx)
{
	int err = 0;

	if (ctx && (!ctx->stamp || ctx->is_done))
		return berth_fail(-EINVAL, BERTH_REASON_STATE, "ww_mutex_lock(): context");
	spin_lock(&lock->lock);
	while (!err && !take(lock, ctx)) {
		const struct ww_acquire_ctx *holder = ctx ? lock->ctx : NULL;

		if (holder && holder == ctx)
			err = -EALREADY;
		else if (holder && ctx->acquired && holder->stamp < ctx->stamp)
			err = -EDEADLK;
		else
			sleep_once(lock);
	}
	spin_unlock(&lock->lock);
	return err ? berth_fail(err, BERTH_REASON_STATE, "ww_mutex_lock()") : 0;
}

void ww_mutex_lock_slow(struct ww_mutex *lock, struct ww_acquire_ctx *ctx)
{
	spin_lock(&lock->lock);
	while (!take(lock, ctx))
		sleep_once(lock);
	spin_unlock(&lock->lock);
}

int ww_mutex_trylock(struct ww_mutex *lock, struct ww_acquire_ctx *ctx)
{
	bool is_taken;

	spin_lock(&lock->lock);
	is_taken = take(lock, ctx);
	spin_unlock(&lock->lock);
	return is_taken;
}

void ww_mutex_unlock(struct ww_mutex *lock)
{
	bool is_wanted;

	spin_lock(&lock->lock);
	if (lock->ctx)
		lock->ctx->acquired--;
	__atomic_store_n(&lock->ctx, NULL, __ATOMIC_RELAXED);
	__atomic_store_n(&lock->is_locked, 0, __ATOMIC_RELAXED);
	__atomic_fetch_add(&lock->nr_releases, 1, __ATOMIC_RELAXED);
	is_wanted = lock->nr_waiting;
	spin_unlock(&lock->lock);
	/* The lock may be gone: its address is only a name now. */
	if (is_wanted)
		berth_port_wake(&lock->nr_releases);
}
