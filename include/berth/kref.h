/* SPDX-License-Identifier: BSD-2-Clause */
/**
 * DOC: kref - how many users an object has (linux/kref.h)
 *
 * Who has a reference may take another one. What a user wrote before it gave its reference up is seen
 * by the release.
 */
#ifndef BERTH_KREF_H
#define BERTH_KREF_H

#include <berth/types.h>

#include <berth/names.h>

BERTH_BEGIN_DECLS

/**
 * struct kref - a count of references
 * @refcount: private
 */
struct kref {
	uint32_t refcount;
};

/** kref_init() - one reference: the caller's. */
static inline void kref_init(struct kref *kref)
{
	__atomic_store_n(&kref->refcount, 1, __ATOMIC_RELAXED);
}

/** kref_read() - how many there are; another thread may change it at once. Any context. */
static inline unsigned int kref_read(const struct kref *kref)
{
	return __atomic_load_n(&kref->refcount, __ATOMIC_ACQUIRE);
}

/** kref_get() - one more; the caller has one already. Any context. */
static inline void kref_get(struct kref *kref)
{
	__atomic_fetch_add(&kref->refcount, 1, __ATOMIC_RELAXED);
}

/**
 * kref_put() - one less
 * @kref: the count
 * @release: called for the last one; it frees the object
 *
 * Any context in which @release may be called. Return: 1 if @release was called, else 0.
 */
static inline int kref_put(struct kref *kref, void (*release)(struct kref *kref))
{
	if (__atomic_fetch_sub(&kref->refcount, 1, __ATOMIC_ACQ_REL) != 1)
		return 0;
	release(kref);
	return 1;
}

/**
 * kref_get_unless_zero() - one more, if there is one at all
 *
 * For who finds the object in a place from which its release takes it. Any context. Return: nonzero if
 * it was taken.
 */
static inline int BERTH_MUST_CHECK kref_get_unless_zero(struct kref *kref)
{
	uint32_t count = __atomic_load_n(&kref->refcount, __ATOMIC_RELAXED);

	do {
		if (!count)
			return 0;
	} while (!__atomic_compare_exchange_n(&kref->refcount, &count, count + 1, true,
					      __ATOMIC_ACQUIRE, __ATOMIC_RELAXED));
	return 1;
}

BERTH_END_DECLS

#ifdef BERTH_NO_SHORT_NAMES
#include <berth/names-off.h>
#endif
#endif
