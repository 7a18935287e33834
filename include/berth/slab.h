/* SPDX-License-Identifier: BSD-2-Clause */
/**
 * DOC: slab - kmalloc() and kin
 *
 * Objects from 1 byte to 128 KiB, physically contiguous, in the linear map, safe for DMA: no two
 * objects share a cache line of the machine they run on, so a driver may map any of them. The
 * allocator's own records are never in memory that a device is given.
 */
#ifndef BERTH_SLAB_H
#define BERTH_SLAB_H

#include <berth/gfp.h>
#include <berth/types.h>

#include <berth/names.h>

BERTH_BEGIN_DECLS

#define KMALLOC_MAX_SIZE (128UL * 1024)

/**
 * kmalloc() - allocate @size bytes
 * @size: 1 to KMALLOC_MAX_SIZE; 0 gives NULL
 * @gfp: GFP_KERNEL, GFP_ATOMIC, __GFP_ZERO, __GFP_DMA32, ...
 *
 * Aligned to the cache line and, for powers of two, to the size up to a page. Any context with
 * GFP_ATOMIC. The caller owns the object until kfree(). Return: the object or NULL
 * (berth_last_error(): OUT_OF_MEMORY; TOO_LARGE names the legal ways to get more).
 */
void *kmalloc(size_t size, gfp_t gfp);

/** kzalloc() - kmalloc() filled with zeroes. */
static inline void *kzalloc(size_t size, gfp_t gfp)
{
	return kmalloc(size, gfp | __GFP_ZERO);
}

/** kcalloc() - a zeroed array; NULL if @n * @size overflows or cannot be had. */
void *kcalloc(size_t n, size_t size, gfp_t gfp);

/**
 * kfree() - give an object back
 * @object: what kmalloc() returned; NULL and ERR_PTR()s are ignored
 *
 * Any context. Anything else, and a second kfree(), is refused: nothing changes and
 * berth_last_error() says NOT_OWNED.
 */
void kfree(const void *object);

/** ksize() - usable bytes of an object, at least what was asked for; 0 if it is not one. */
size_t ksize(const void *object);

/**
 * kvmalloc() - kmalloc(), or vmalloc() where that has no such block
 * @size: bytes; above KMALLOC_MAX_SIZE only vmalloc() is asked
 * @gfp: GFP_KERNEL, with __GFP_ZERO; without __GFP_DIRECT_RECLAIM only kmalloc() is asked
 *
 * Not for DMA: the memory may be contiguous for the CPU only. Return: the memory, until kvfree(), or
 * NULL with the reason of kmalloc() or vmalloc().
 */
void *kvmalloc(size_t size, gfp_t gfp);

/** kvzalloc() - kvmalloc() filled with zeroes. */
static inline void *kvzalloc(size_t size, gfp_t gfp)
{
	return kvmalloc(size, gfp | __GFP_ZERO);
}

/** kvfree() - give back what kvmalloc() returned, refused as kfree() and vfree() do. May sleep. */
void kvfree(const void *addr);

/** kstrdup() - a copy of a string, freed by kfree(); NULL if @s is NULL or memory is out. */
char *kstrdup(const char *s, gfp_t gfp);

BERTH_END_DECLS

#ifdef BERTH_NO_SHORT_NAMES
#include <berth/names-off.h>
#endif
#endif
