/* SPDX-License-Identifier: BSD-2-Clause */
/**
 * DOC: dma-fence - a promise that work on a buffer will end (linux/dma-fence.h)
 *
 * A fence is signalled once, by who does the work. Fences of one context are ordered by their
 * sequence numbers. Meaning: the section "DMA Fences" of Documentation/driver-api/dma-buf.rst.
 *
 * Who signals a fence, asks for its status, or waits for it holds a reference meanwhile; then it does
 * not matter who gives up which reference in a callback. Signalling allocates nothing.
 *
 * Order of locks: the lock of an array or a chain, then those of the fences in it, then those of
 * timers. Callbacks run inside the lock of their fence: they take no fence's lock. (Arrays and chains
 * signal later, in interrupt context with no lock held, from a timer that is due at once.)
 */
#ifndef BERTH_DMA_FENCE_H
#define BERTH_DMA_FENCE_H

#include <berth/kref.h>
#include <berth/list.h>
#include <berth/spinlock.h>
#include <berth/types.h>

#include <berth/names.h>

BERTH_BEGIN_DECLS

struct berth_dma_fence_owner;
struct dma_fence;
struct dma_fence_cb;
struct dma_fence_ops;

/**
 * enum dma_fence_flag_bits - bit numbers of a fence's flags
 * @DMA_FENCE_FLAG_SIGNALED_BIT: the work has ended
 * @DMA_FENCE_FLAG_TIMESTAMP_BIT: the fence knows when
 * @DMA_FENCE_FLAG_ENABLE_SIGNAL_BIT: somebody waits, so that signalling was asked for
 * @DMA_FENCE_FLAG_USER_BITS: the first bit that is free for the fence's implementation
 */
enum dma_fence_flag_bits {
	DMA_FENCE_FLAG_SIGNALED_BIT,
	DMA_FENCE_FLAG_TIMESTAMP_BIT,
	DMA_FENCE_FLAG_ENABLE_SIGNAL_BIT,
	DMA_FENCE_FLAG_USER_BITS,
};

/* Called once when a fence is signalled: with its lock held and interrupts kept away. */
typedef void (*dma_fence_func_t)(struct dma_fence *fence, struct dma_fence_cb *cb);

/**
 * struct dma_fence - a promise
 * @lock: the implementation's; taken with interrupts away; fences may share one
 * @ops: the implementation
 * @cb_list: who is to be called; with @lock
 * @timestamp: when it was signalled, on the clock of ktime_get_ns(); once it is
 * @context: of which timeline, see dma_fence_context_alloc()
 * @seqno: its place in it
 * @flags: enum dma_fence_flag_bits; changed atomically
 * @refcount: its users
 * @error: 0, or a negative errno value: the work failed; see dma_fence_set_error()
 * @owner: private: see berth_dma_fence_set_deadline()
 */
struct dma_fence {
	spinlock_t *lock;
	const struct dma_fence_ops *ops;
	struct list_head cb_list;
	uint64_t timestamp;
	uint64_t context;
	uint64_t seqno;
	unsigned long flags;
	struct kref refcount;
	int error;
	struct berth_dma_fence_owner *owner;
};

/**
 * struct dma_fence_cb - a callback, in memory of who waits
 * @node: its place in the fence's list; private
 * @func: what to call
 *
 * When @func is called it is in no list any more, and may be freed or used again.
 */
struct dma_fence_cb {
	struct list_head node;
	dma_fence_func_t func;
};

/**
 * struct dma_fence_ops - an implementation of fences
 * @use_64bit_seqno: sequence numbers have 64 bits; else 32, and they wrap
 * @get_driver_name: who signals it
 * @get_timeline_name: of what context it is
 * @enable_signaling: somebody waits: see to it that dma_fence_signal() is called. Called once at
 *	most, with the fence's lock held. Return: false if the work has ended (the core signals the
 *	fence then; its error may have been set). NULL: the fence is always signalled when its work
 *	ends
 * @signaled: whether the work has ended; once true, it stays so. May set the error when true. Called
 *	with or without the fence's lock held. NULL: nobody knows before it is signalled
 * @wait: instead of dma_fence_default_wait()
 * @release: frees the fence; any context, perhaps with another fence's lock held. NULL: dma_fence_free()
 * @fence_value_str: its number as text, for reports
 * @timeline_value_str: how far its timeline is, for reports
 *
 * All but the two names are optional.
 */
struct dma_fence_ops {
	bool use_64bit_seqno;
	const char *(*get_driver_name)(struct dma_fence *fence);
	const char *(*get_timeline_name)(struct dma_fence *fence);
	bool (*enable_signaling)(struct dma_fence *fence);
	bool (*signaled)(struct dma_fence *fence);
	long (*wait)(struct dma_fence *fence, bool intr, long timeout);
	void (*release)(struct dma_fence *fence);
	void (*fence_value_str)(struct dma_fence *fence, char *str, int size);
	void (*timeline_value_str)(struct dma_fence *fence, char *str, int size);
};

/**
 * dma_fence_context_alloc() - numbers for new timelines
 * @num: how many
 *
 * They are never given out again. Any context. Return: the first of @num numbers; not 0.
 */
uint64_t dma_fence_context_alloc(unsigned int num);

/**
 * dma_fence_init() - begin a fence
 * @fence: in memory of the caller's, usually in a larger structure
 * @ops: the implementation
 * @lock: an initialised lock that lives as long as the fence
 * @context: its timeline
 * @seqno: later than those of the fences before it in @context
 *
 * The caller has the only reference. Any context.
 */
void dma_fence_init(struct dma_fence *fence, const struct dma_fence_ops *ops, spinlock_t *lock,
		    uint64_t context, uint64_t seqno);

/**
 * dma_fence_release() - for kref_put(): the last reference is gone
 *
 * Callbacks of a fence that was never signalled are called, with the error -EDEADLK, and a line on the
 * console names it: then the fence's lock must not be held.
 */
void dma_fence_release(struct kref *kref);

/** dma_fence_free() - what happens to a fence without a release: kfree(). */
void dma_fence_free(struct dma_fence *fence);

/** dma_fence_get() - one more reference; NULL is ignored. Any context. Return: @fence. */
static inline struct dma_fence *dma_fence_get(struct dma_fence *fence)
{
	if (fence)
		kref_get(&fence->refcount);
	return fence;
}

/** dma_fence_put() - one less; the last one releases the fence. NULL is ignored. Any context. */
static inline void dma_fence_put(struct dma_fence *fence)
{
	if (fence)
		kref_put(&fence->refcount, dma_fence_release);
}

/**
 * dma_fence_signal() - the work has ended
 * @fence: of which the caller has a reference
 *
 * Callbacks are called, waiters woken. What was written before is seen by them. Any context without
 * the fence's lock. Return: 0; -EINVAL if it was signalled before (STATE), or is NULL.
 */
int dma_fence_signal(struct dma_fence *fence);

/** dma_fence_signal_locked() - the same with the fence's lock held. */
int dma_fence_signal_locked(struct dma_fence *fence);

/** dma_fence_signal_timestamp() - dma_fence_signal(), and it ended at @timestamp (ktime_get_ns()). */
int dma_fence_signal_timestamp(struct dma_fence *fence, uint64_t timestamp);

/** dma_fence_signal_timestamp_locked() - the same with the fence's lock held. */
int dma_fence_signal_timestamp_locked(struct dma_fence *fence, uint64_t timestamp);

/**
 * dma_fence_set_error() - the work has failed; the fence is to be signalled next
 * @fence: not signalled yet
 * @error: a negative errno value
 *
 * For who signals it. Any context. Return (Linux: nothing): 0; -EINVAL with nothing changed if it
 * was signalled (STATE), or
 * @error is none (ARGUMENT).
 */
int dma_fence_set_error(struct dma_fence *fence, int error);

/**
 * dma_fence_enable_sw_signaling() - have the fence signalled when its work ends
 *
 * Waiting and dma_fence_add_callback() do that, too. Any context without the fence's lock.
 */
void dma_fence_enable_sw_signaling(struct dma_fence *fence);

/**
 * dma_fence_add_callback() - be called when the fence is signalled
 * @fence: of which the caller has a reference
 * @cb: memory that stays until @func is called or dma_fence_remove_callback() has returned
 * @func: called with the fence's lock held and interrupts kept away: it must not sleep, signal or ask
 *	a fence, or add and remove callbacks; it may put references
 *
 * Any context without the fence's lock. Return: 0; -ENOENT if the fence is signalled: then @func is
 * never called, and as this is no failure there is no reason; -EINVAL if something is NULL
 * (ARGUMENT).
 */
int dma_fence_add_callback(struct dma_fence *fence, struct dma_fence_cb *cb, dma_fence_func_t func);

/**
 * dma_fence_remove_callback() - be called no more
 * @fence: of which the caller has a reference
 * @cb: given to dma_fence_add_callback() before
 *
 * On return the callback does not run, nor will it. Any context without the fence's lock. Return: true
 * if it has not run.
 */
bool dma_fence_remove_callback(struct dma_fence *fence, struct dma_fence_cb *cb);

/**
 * dma_fence_is_signaled_locked() - whether the work has ended; with the fence's lock held
 *
 * A fence whose implementation says so is signalled by that.
 */
static inline bool dma_fence_is_signaled_locked(struct dma_fence *fence)
{
	if (__atomic_load_n(&fence->flags, __ATOMIC_ACQUIRE) & BIT(DMA_FENCE_FLAG_SIGNALED_BIT))
		return true;
	if (!fence->ops->signaled || !fence->ops->signaled(fence))
		return false;
	if (!(__atomic_load_n(&fence->flags, __ATOMIC_ACQUIRE) & BIT(DMA_FENCE_FLAG_SIGNALED_BIT)))
		dma_fence_signal_locked(fence);
	return true;
}

/** dma_fence_is_signaled() - the same without the lock. Any context. */
bool dma_fence_is_signaled(struct dma_fence *fence);

/** dma_fence_get_status_locked() - dma_fence_get_status() with the fence's lock held. */
static inline int dma_fence_get_status_locked(struct dma_fence *fence)
{
	int error;

	if (!dma_fence_is_signaled_locked(fence))
		return 0;
	error = __atomic_load_n(&fence->error, __ATOMIC_RELAXED);
	return error ? error : 1;
}

/** dma_fence_get_status() - 0 not signalled yet, 1 signalled, negative: its error. Any context. */
int dma_fence_get_status(struct dma_fence *fence);

/** dma_fence_timestamp() - when it was signalled, ktime_get_ns(); now, if it is not. Any context. */
uint64_t dma_fence_timestamp(struct dma_fence *fence);

/**
 * berth_dma_fence_seqno_later() - whether sequence number @a comes after @b in their context
 * @a: a sequence number
 * @b: another
 * @is_64bit: whether they count with 64 bits; else 32 bits count, and they wrap
 *
 * Any context. Return: true if later; false for equal numbers.
 */
static inline bool berth_dma_fence_seqno_later(uint64_t a, uint64_t b, bool is_64bit)
{
	return is_64bit ? a > b : (uint32_t)((uint32_t)a - (uint32_t)b - 1u) < 0x7fffffffu;
}

/** dma_fence_is_later() - whether @f1 comes after @f2; false if they are of two contexts. */
static inline bool dma_fence_is_later(const struct dma_fence *f1, const struct dma_fence *f2)
{
	return f1->context == f2->context &&
	       berth_dma_fence_seqno_later(f1->seqno, f2->seqno, f1->ops->use_64bit_seqno);
}

/** dma_fence_is_later_or_same() - the same, or they are one fence. */
static inline bool dma_fence_is_later_or_same(const struct dma_fence *f1,
					      const struct dma_fence *f2)
{
	return f1 == f2 || dma_fence_is_later(f1, f2);
}

/** dma_fence_later() - the later one of two of one context; NULL if it is signalled, or they are of two. */
static inline struct dma_fence *dma_fence_later(struct dma_fence *f1, struct dma_fence *f2)
{
	struct dma_fence *later = dma_fence_is_later(f1, f2) ? f1 : f2;

	return f1->context != f2->context || dma_fence_is_signaled(later) ? NULL : later;
}

/**
 * dma_fence_wait_timeout() - sleep until a fence is signalled
 * @fence: of which the caller has a reference
 * @intr: may be interrupted; berth has no signals: nothing interrupts it
 * @timeout: in jiffies; 0 only looks; MAX_SCHEDULE_TIMEOUT: for ever
 *
 * May sleep, also for 0 if the fence's own wait does. Return: the jiffies left, at least 1; 0 if
 * time was up; -EINVAL for less than 0 (ARGUMENT); -EDEADLK if the port knows that nobody is left to
 * signal it (NEVER).
 */
long dma_fence_wait_timeout(struct dma_fence *fence, bool intr, long timeout);

/** dma_fence_default_wait() - how dma_fence_wait_timeout() waits where the ops have no other way. */
long dma_fence_default_wait(struct dma_fence *fence, bool intr, long timeout);

/** dma_fence_wait() - dma_fence_wait_timeout() for ever. Return: 0 or a negative errno value. */
static inline long dma_fence_wait(struct dma_fence *fence, bool intr)
{
	long left = dma_fence_wait_timeout(fence, intr, LONG_MAX);

	return left < 0 ? left : 0;
}

/**
 * dma_fence_wait_any_timeout() - sleep until one of several fences is signalled
 * @fences: of which the caller has references
 * @count: how many
 * @intr: as dma_fence_wait_timeout()
 * @timeout: as dma_fence_wait_timeout()
 * @idx: where the index of one that is signalled goes; or NULL
 *
 * May sleep. Return: as dma_fence_wait_timeout(); -EINVAL if there is none, -ENOMEM.
 */
long dma_fence_wait_any_timeout(struct dma_fence **fences, uint32_t count, bool intr, long timeout,
				uint32_t *idx);

/** dma_fence_get_stub() - a reference of a fence that is always signalled, of context 0. Any context. */
struct dma_fence *dma_fence_get_stub(void);

/** dma_fence_allocate_private_stub() - a new signalled fence; or ERR_PTR(-ENOMEM). May sleep. */
struct dma_fence *dma_fence_allocate_private_stub(void);

/** dma_fence_is_array() - whether a fence is one for several; false for NULL. Any context. */
bool dma_fence_is_array(const struct dma_fence *fence);

/** dma_fence_is_chain() - whether a fence is a link of a chain; false for NULL. Any context. */
bool dma_fence_is_chain(const struct dma_fence *fence);

/** dma_fence_is_container() - whether a fence is an array or a link. Any context. */
static inline bool dma_fence_is_container(const struct dma_fence *fence)
{
	return dma_fence_is_array(fence) || dma_fence_is_chain(fence);
}

/**
 * berth_dma_fence_describe() - a fence as one line (Linux: dma_fence_describe())
 * @fence: the fence
 * @text: where the line goes; always terminated if @size > 0
 * @size: bytes at @text
 *
 * Names, context and number, whether it is signalled, its error, its owner. Any context without the
 * fence's lock. Return: the length of the whole line, which may exceed @size - 1.
 */
size_t berth_dma_fence_describe(struct dma_fence *fence, char *text, size_t size);

/* Bytes of an owner's name, the end mark included. */
#define BERTH_DMA_FENCE_OWNER_LEN 32

/**
 * berth_dma_fence_set_deadline() - say who is to signal a fence, and until when
 * @fence: of which the caller has a reference
 * @owner: a name for reports, such as that of a process; copied, cut if too long; NULL: as before
 * @at_ns: on the clock of ktime_get_ns(); UINT64_MAX: no deadline, and that before is taken back
 *
 * Asks for signalling. A fence that is not signalled at its deadline is signalled with the error
 * -ETIMEDOUT, and a line on the console names the fence and its owner. That is done in interrupt
 * context. Until then the fence is not freed. May sleep. Return: 0; -ENOENT if it is signalled (no
 * reason is set); -ENOMEM.
 */
int berth_dma_fence_set_deadline(struct dma_fence *fence, const char *owner, uint64_t at_ns);

/**
 * berth_dma_fence_abandon() - who was to signal a fence is gone
 * @fence: of which the caller has a reference
 * @error: a negative errno value
 *
 * Signals it with @error, and a line on the console names the fence and its owner. Any context
 * without the fence's lock. Return: 0; -EINVAL if it was signalled before (STATE) or @error is none
 * (ARGUMENT).
 */
int berth_dma_fence_abandon(struct dma_fence *fence, int error);

BERTH_END_DECLS

#ifdef BERTH_NO_SHORT_NAMES
#include <berth/names-off.h>
#endif
#endif
