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

/*
 * The inline way through kmalloc(); private. For each size class a slot has a slab of its own, as
 * long as it lasts. As with lists of pages (pcp.h), who takes an object takes the slab away
 * meanwhile, and nobody waits for it. An object is freed by setting its bit, whoever does that.
 */
#define BERTH_SLAB_MAX_OBJECT 8192u
#define BERTH_SLAB_CLASSES 14u
#define BERTH_SLAB_BUSY 1u

/* The part of a slab's descriptor that is needed for that: bit n of @free is object n. */
struct berth_slab {
	uint64_t free;
	char *base;
	uint64_t stride;
};

/* Slabs by slot + 1, in 16 columns that are always empty, and 16 more. */
extern uintptr_t berth_slabs[BERTH_PORT_MAX_SLOTS + 1][32];
/* The columns of the inline way: 16, or 0 while it is shut. */
extern uintptr_t berth_slab_row;

/* The class of a size from 1 to BERTH_SLAB_MAX_OBJECT. */
static inline unsigned int berth_kmalloc_class(size_t size)
{
	return size <= 64     ? 0
	       : size <= 128  ? 1
	       : size <= 192  ? 2
	       : size <= 256  ? 3
	       : size <= 384  ? 4
	       : size <= 512  ? 5
	       : size <= 768  ? 6
	       : size <= 1024 ? 7
	       : size <= 1536 ? 8
	       : size <= 2048 ? 9
	       : size <= 3072 ? 10
	       : size <= 4096 ? 11
	       : size <= 6144 ? 12
			      : 13;
}

static inline void *berth_slab_take(uintptr_t *own)
{
	uintptr_t head = __atomic_exchange_n(own, BERTH_SLAB_BUSY, __ATOMIC_ACQUIRE);
	struct berth_slab *slab = (struct berth_slab *)head;
	void *object = NULL;
	uint64_t objects;

	if (__builtin_expect(head > BERTH_SLAB_BUSY, 1)) {
		objects = __atomic_load_n(&slab->free, __ATOMIC_ACQUIRE);
		if (__builtin_expect(objects != 0, 1)) {
			/* Others set bits; nobody else clears any. */
			__atomic_fetch_xor(&slab->free, objects & (0 - objects), __ATOMIC_RELAXED);
			object = slab->base +
				 slab->stride * ((unsigned int)__builtin_ctzll(objects) & 63);
		}
	}
	if (__builtin_expect(head != BERTH_SLAB_BUSY, 1))
		__atomic_store_n(own, head, __ATOMIC_RELEASE);
	return object;
}

void *berth_do_kmalloc(size_t size, gfp_t gfp);

/**
 * kmalloc() - allocate @size bytes
 * @size: 1 to KMALLOC_MAX_SIZE; 0 gives NULL
 * @gfp: GFP_KERNEL, GFP_ATOMIC, __GFP_ZERO, __GFP_DMA32, ...
 *
 * Aligned to the cache line and, for powers of two, to the size up to a page. Any context with
 * GFP_ATOMIC. The caller owns the object until kfree(). Return: the object or NULL
 * (berth_last_error(): OUT_OF_MEMORY; TOO_LARGE names the legal ways to get more).
 */
static inline void *kmalloc(size_t size, gfp_t gfp)
{
	void *object = NULL;

	if (__builtin_constant_p(size) && size && size <= BERTH_SLAB_MAX_OBJECT &&
	    !(gfp & (__GFP_DMA | __GFP_DMA32 | __GFP_ZERO)))
		object = berth_slab_take(
			&berth_slabs[berth_port_slot_or_none()]
				    [__atomic_load_n(&berth_slab_row, __ATOMIC_RELAXED) +
				     berth_kmalloc_class(size)]);
	return object ? object : berth_do_kmalloc(size, gfp);
}

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
