/* SPDX-License-Identifier: BSD-2-Clause */
/**
 * DOC: dma-resv - the fences of a buffer, by use (linux/dma-resv.h)
 *
 * Who works on a shared buffer leaves a fence here, and who wants to work on it waits for those
 * that matter. Meaning: the section "Reservation Objects" of Documentation/driver-api/dma-buf.rst.
 *
 * Fences are changed by who holds the lock, and read by anybody. Linux reads with RCU; here a reader takes
 * a spinlock for each step, long enough to take a reference of the next fence, and begins anew when
 * the list has been replaced meanwhile.
 *
 * Order of locks: the lock of dma_resv_lock(), then those of the fences, then @list_lock of struct
 * dma_resv.
 */
#ifndef BERTH_DMA_RESV_H
#define BERTH_DMA_RESV_H

#include <berth/dma-fence.h>
#include <berth/spinlock.h>
#include <berth/types.h>
#include <berth/ww_mutex.h>

#include <berth/names.h>

BERTH_BEGIN_DECLS

struct berth_dma_resv_list;

/**
 * enum dma_resv_usage - what a fence is about; a query for one kind finds the kinds above it too
 * @DMA_RESV_USAGE_KERNEL: memory management: everybody waits for it, always
 * @DMA_RESV_USAGE_WRITE: somebody writes
 * @DMA_RESV_USAGE_READ: somebody reads
 * @DMA_RESV_USAGE_BOOKKEEP: keeps the memory alive; no implicit waiting
 */
enum dma_resv_usage {
	DMA_RESV_USAGE_KERNEL,
	DMA_RESV_USAGE_WRITE,
	DMA_RESV_USAGE_READ,
	DMA_RESV_USAGE_BOOKKEEP,
};

/** dma_resv_usage_rw() - what to wait for: a writer for readers too, a reader for writers. */
static inline enum dma_resv_usage dma_resv_usage_rw(bool write)
{
	return write ? DMA_RESV_USAGE_READ : DMA_RESV_USAGE_WRITE;
}

/**
 * struct dma_resv - the fences of a buffer
 * @lock: who changes them; see dma_resv_lock()
 * @list_lock: private: guards the list; a leaf, taken with interrupts away
 * @fences: private: NULL or the list; changed with both locks
 * @generation: private: changes when the list is replaced
 *
 * Starts with dma_resv_init().
 */
struct dma_resv {
	struct ww_mutex lock;
	spinlock_t list_lock;
	struct berth_dma_resv_list *fences;
	uint64_t generation;
};

/* Of all reservations: for ww_acquire_init(). */
extern struct ww_class reservation_ww_class;

/** dma_resv_init() - no fences, not locked. Any context. */
void dma_resv_init(struct dma_resv *obj);

/** dma_resv_fini() - the end: fences are put. Nobody uses it any more. */
void dma_resv_fini(struct dma_resv *obj);

/** dma_resv_lock() - ww_mutex_lock(): the right to change the fences; @ctx may be NULL. Sleeps. */
static inline int BERTH_MUST_CHECK dma_resv_lock(struct dma_resv *obj, struct ww_acquire_ctx *ctx)
{
	return ww_mutex_lock(&obj->lock, ctx);
}

/** dma_resv_lock_interruptible() - the same: berth has no signals. */
static inline int BERTH_MUST_CHECK dma_resv_lock_interruptible(struct dma_resv *obj,
							       struct ww_acquire_ctx *ctx)
{
	return ww_mutex_lock(&obj->lock, ctx);
}

/** dma_resv_lock_slow() - ww_mutex_lock_slow(): the lock that gave -EDEADLK. Sleeps. */
static inline void dma_resv_lock_slow(struct dma_resv *obj, struct ww_acquire_ctx *ctx)
{
	ww_mutex_lock_slow(&obj->lock, ctx);
}

/** dma_resv_trylock() - take the lock if it is free. Return: whether it was taken. */
static inline bool BERTH_MUST_CHECK dma_resv_trylock(struct dma_resv *obj)
{
	return ww_mutex_trylock(&obj->lock, NULL) != 0;
}

/** dma_resv_is_locked() - whether somebody holds the lock. Any context. */
static inline bool dma_resv_is_locked(const struct dma_resv *obj)
{
	return ww_mutex_is_locked(&obj->lock);
}

/** dma_resv_locking_ctx() - with which context the caller has locked it, or NULL. */
static inline struct ww_acquire_ctx *dma_resv_locking_ctx(const struct dma_resv *obj)
{
	return __atomic_load_n(&obj->lock.ctx, __ATOMIC_RELAXED);
}

/** dma_resv_unlock() - release the lock. */
static inline void dma_resv_unlock(struct dma_resv *obj)
{
	ww_mutex_unlock(&obj->lock);
}

/**
 * dma_resv_reserve_fences() - make room, so that dma_resv_add_fence() cannot fail
 * @obj: locked
 * @num_fences: how many are going to be added
 *
 * The room is there until the lock is released, or it is used. May sleep. Return: 0; -ENOMEM;
 * -EINVAL for none (ARGUMENT); -EPERM if nobody holds the lock (STATE).
 */
int BERTH_MUST_CHECK dma_resv_reserve_fences(struct dma_resv *obj, unsigned int num_fences);

/**
 * dma_resv_add_fence() - one more fence
 * @obj: locked
 * @fence: what is to be waited for; the reservation takes a reference of its own
 * @usage: by whom
 *
 * It takes the place of one that is signalled, or of an earlier one of its context with the same
 * usage or a higher number. Return (Linux: nothing): 0, always after dma_resv_reserve_fences(); else
 * -ENOSPC, -EPERM (STATE), or -EINVAL for NULL.
 */
int dma_resv_add_fence(struct dma_resv *obj, struct dma_fence *fence, enum dma_resv_usage usage);

/**
 * dma_resv_replace_fences() - what is to be waited for instead of a context's fences
 * @obj: locked
 * @context: whose fences; for example of a process whose mapping is gone
 * @fence: signalled not before them all; the reservation takes references of its own
 * @usage: by whom
 *
 * Any fence of that context is replaced. Allocates nothing.
 */
void dma_resv_replace_fences(struct dma_resv *obj, uint64_t context, struct dma_fence *fence,
			     enum dma_resv_usage usage);

/**
 * struct dma_resv_iter - where one is among the fences
 * @obj: the reservation
 * @usage: fences of this usage and of those with lower numbers
 * @fence: the present one, with a reference if without the lock
 * @fence_usage: by whom
 * @index: private
 * @generation: private
 * @is_restarted: the present one is the first again: all before it does not count
 */
struct dma_resv_iter {
	struct dma_resv *obj;
	enum dma_resv_usage usage;
	struct dma_fence *fence;
	enum dma_resv_usage fence_usage;
	unsigned int index;
	uint64_t generation;
	bool is_restarted;
};

/** dma_resv_iter_begin() - look at the fences of @usage and of those with lower numbers. */
static inline void dma_resv_iter_begin(struct dma_resv_iter *cursor, struct dma_resv *obj,
				       enum dma_resv_usage usage)
{
	cursor->obj = obj;
	cursor->usage = usage;
	cursor->fence = NULL;
	cursor->index = 0;
	cursor->generation = 0;
	cursor->is_restarted = false;
}

/** dma_resv_iter_end() - the end; also needed where the loop was left early. */
static inline void dma_resv_iter_end(struct dma_resv_iter *cursor)
{
	dma_fence_put(cursor->fence);
	cursor->fence = NULL;
}

/** dma_resv_iter_usage() - by whom the present fence is. */
static inline enum dma_resv_usage dma_resv_iter_usage(const struct dma_resv_iter *cursor)
{
	return cursor->fence_usage;
}

/** dma_resv_iter_is_restarted() - whether what was found before does not count. */
static inline bool dma_resv_iter_is_restarted(const struct dma_resv_iter *cursor)
{
	return cursor->is_restarted;
}

/**
 * dma_resv_iter_first_unlocked() - the first fence, without the lock
 *
 * Leaves out what is signalled. Any context without a lock of one of the fences. Return: the fence,
 * good until the next step; or NULL.
 */
struct dma_fence *dma_resv_iter_first_unlocked(struct dma_resv_iter *cursor);

/** dma_resv_iter_next_unlocked() - the next one, or the first again: dma_resv_iter_is_restarted(). */
struct dma_fence *dma_resv_iter_next_unlocked(struct dma_resv_iter *cursor);

/** dma_resv_iter_first() - the first fence, signalled or not, with the lock. No reference. */
struct dma_fence *dma_resv_iter_first(struct dma_resv_iter *cursor);

/** dma_resv_iter_next() - the next one, with the lock. */
struct dma_fence *dma_resv_iter_next(struct dma_resv_iter *cursor);

/**
 * dma_resv_get_fences() - the fences that are not signalled, at one moment
 * @obj: locked or not
 * @usage: of this usage and of those with lower numbers
 * @num_fences: where their number goes
 * @fences: where an array from kmalloc() goes, or NULL if there are none
 *
 * May sleep. Return: 0, and the references and the array are the caller's; -ENOMEM.
 */
int BERTH_MUST_CHECK dma_resv_get_fences(struct dma_resv *obj, enum dma_resv_usage usage,
					 unsigned int *num_fences, struct dma_fence ***fences);

/**
 * dma_resv_get_singleton() - the same as one fence
 * @obj: locked or not
 * @usage: as dma_resv_get_fences()
 * @fence: where a reference goes; NULL if there is no fence
 *
 * May sleep. Return: 0 or -ENOMEM.
 */
int BERTH_MUST_CHECK dma_resv_get_singleton(struct dma_resv *obj, enum dma_resv_usage usage,
					    struct dma_fence **fence);

/**
 * dma_resv_copy_fences() - the fences of @src, that are not signalled, instead of those of @dst
 * @dst: locked
 * @src: locked or not
 *
 * May sleep. Return: 0; -ENOMEM or -EPERM (STATE) with nothing changed.
 */
int BERTH_MUST_CHECK dma_resv_copy_fences(struct dma_resv *dst, struct dma_resv *src);

/**
 * dma_resv_wait_timeout() - sleep until all fences are signalled
 * @obj: locked or not
 * @usage: those of this usage and of those with lower numbers; see dma_resv_usage_rw()
 * @intr: as dma_fence_wait_timeout()
 * @timeout: in jiffies, for all together; 0 only looks
 *
 * May sleep. Return: as dma_fence_wait_timeout().
 */
long dma_resv_wait_timeout(struct dma_resv *obj, enum dma_resv_usage usage, bool intr,
			   unsigned long timeout);

/** dma_resv_test_signaled() - whether all of them are signalled. Any context, locked or not. */
bool dma_resv_test_signaled(struct dma_resv *obj, enum dma_resv_usage usage);

/**
 * berth_dma_resv_describe() - the fences that are not signalled, a line each (Linux: dma_resv_describe())
 *
 * As berth_dma_fence_describe().
 */
size_t berth_dma_resv_describe(struct dma_resv *obj, char *text, size_t size);

#ifndef BERTH_NO_SHORT_NAMES
/* dma_resv_for_each_fence_unlocked() - between dma_resv_iter_begin() and dma_resv_iter_end(). */
#define dma_resv_for_each_fence_unlocked(cursor, fence)                       \
	for ((fence) = dma_resv_iter_first_unlocked(cursor); (fence) != NULL; \
	     (fence) = dma_resv_iter_next_unlocked(cursor))

/* dma_resv_for_each_fence() - with the lock. */
#define dma_resv_for_each_fence(cursor, obj, usage, fence)                                   \
	for (dma_resv_iter_begin(cursor, obj, usage), (fence) = dma_resv_iter_first(cursor); \
	     (fence) != NULL; (fence) = dma_resv_iter_next(cursor))
#endif

BERTH_END_DECLS

#ifdef BERTH_NO_SHORT_NAMES
#include <berth/names-off.h>
#endif
#endif
