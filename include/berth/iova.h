/* SPDX-License-Identifier: BSD-2-Clause */
/**
 * DOC: iova - addresses that devices behind an IOMMU are given (linux/iova.h)
 *
 * An allocator hands out numbers of IOVA pages (pfn); the granule, the smallest page of the IOMMU,
 * turns them into addresses. Meaning: drivers/iommu/iova.c; limits are inclusive. Each call takes
 * time logarithmic in the number of ranges, whatever the size, the limit and the outcome. Guide:
 * docs/iova.md.
 */
#ifndef BERTH_IOVA_H
#define BERTH_IOVA_H

#include <berth/port.h>
#include <berth/spinlock.h>
#include <berth/types.h>

#include <berth/names.h>

BERTH_BEGIN_DECLS

/**
 * struct iova - a range that is taken
 * @pfn_lo: first page
 * @pfn_hi: last page
 *
 * The rest is the allocator's: a balanced tree by address. A node stands for itself and for the gap
 * below it.
 */
struct iova {
	uint64_t pfn_lo;
	uint64_t pfn_hi;
	/* private: */
	struct iova *parent, *left, *right;
	uint64_t gap_lo : 56; /* where the gap begins */
	uint64_t height : 8;
	uint64_t max_gap; /* pages of the longest gap in the subtree */
	uint64_t max_fit; /* the most pages that fit size-aligned into a gap in the subtree */
};

/* Columns of the caches: six sizes, 1 to 32 pages, and two that take any larger size. */
#define BERTH_IOVA_COLUMNS 8u
#define BERTH_IOVA_CACHED_PAGES 32u

/**
 * struct iova_domain - an address space to allocate from
 * @lock: of the tree; see src/iommu/internal.h
 * @granule: bytes of a page
 * @start_pfn: first page that may be given
 * @dma_32bit_pfn: first page that needs more than 32 bits
 */
struct iova_domain {
	spinlock_t lock;
	uint64_t granule;
	uint64_t start_pfn;
	uint64_t dma_32bit_pfn;
	/* private: */
	struct iova *root;
	struct iova anchor; /* above everything */
	struct iova_caches *caches;
	uintptr_t *own; /* a row for nobody, and for each slot; or the one below for all */
	uintptr_t slot_mask;
	uintptr_t no_row[BERTH_IOVA_COLUMNS];
};

/**
 * init_iova_domain() - an empty address space
 * @iovad: where; put_iova_domain() ends it
 * @granule: bytes of a page, a power of two
 * @start_pfn: first page that may be given; 1 keeps address 0 out of use, and alloc_iova_fast()
 *	needs it to be at least 1
 *
 * Without caches; see iova_domain_init_rcaches(). Any context.
 */
void init_iova_domain(struct iova_domain *iovad, uint64_t granule, uint64_t start_pfn);

/**
 * iova_domain_init_rcaches() - caches per slot for the fast calls
 *
 * Once per domain, before it is used. May be called where nobody may sleep. Return: 0 or -ENOMEM
 * with the reason; the domain is usable without caches.
 */
int iova_domain_init_rcaches(struct iova_domain *iovad);

/**
 * put_iova_domain() - the end of an address space
 *
 * All ranges go, in use or not; nobody uses the domain any more. Any context.
 */
void put_iova_domain(struct iova_domain *iovad);

/**
 * alloc_iova() - take a range
 * @iovad: the address space
 * @size: pages, not 0
 * @limit_pfn: the last page that it may reach, inclusive
 * @size_aligned: begin at a multiple of @size rounded up to a power of two
 *
 * The highest range that fits. Any context. Return: the range, until free_iova() or __free_iova(),
 * or NULL with the reason (AREA_FULL: its limit is the longest free run in bytes, of any alignment;
 * OUT_OF_MEMORY; ARGUMENT).
 */
struct iova *alloc_iova(struct iova_domain *iovad, uint64_t size, uint64_t limit_pfn,
			bool size_aligned);

/** find_iova() - the range that a page is in, NULL if it is free. Any context. */
struct iova *find_iova(struct iova_domain *iovad, uint64_t pfn);

/**
 * free_iova() - give back the range that a page is in
 *
 * Any context. A page that is free is refused: nothing changes and berth_last_error() says
 * NOT_OWNED.
 */
void free_iova(struct iova_domain *iovad, uint64_t pfn);

/** __free_iova() - give back what alloc_iova() returned, without a search. Any context. */
void __free_iova(struct iova_domain *iovad, struct iova *iova);

/**
 * reserve_iova() - keep a range from being given
 * @iovad: the address space
 * @pfn_lo: first page
 * @pfn_hi: last page, inclusive
 *
 * What of the range is taken already stays as it is: reservations may overlap. Any context.
 * Return: what holds the highest page of the range, or NULL with the reason and nothing changed.
 */
struct iova *reserve_iova(struct iova_domain *iovad, uint64_t pfn_lo, uint64_t pfn_hi);

/** iova_rcache_range() - bytes up to which alloc_iova_fast() rounds sizes up to powers of two. */
size_t iova_rcache_range(void);

/* The other ways of the fast calls; private. */
extern const uint64_t berth_iova_marks[128];
#define BERTH_IOVA_BUSY ((uintptr_t)&berth_iova_marks[127])
uint64_t berth_iova_alloc_large(struct iova_domain *iovad, uint64_t size, uint64_t limit_pfn,
				bool flush_rcache);
uint64_t berth_iova_alloc_slow(struct iova_domain *iovad, uint64_t size, uint64_t limit_pfn,
			       bool flush_rcache, uintptr_t *own, uintptr_t top);
void berth_iova_free_large(struct iova_domain *iovad, uint64_t pfn, uint64_t size);
void berth_iova_free_slow(struct iova_domain *iovad, uint64_t pfn, uint64_t size, uintptr_t *own,
			  uintptr_t top);

/* The word of the caller's slot for sizes from 1 to BERTH_IOVA_CACHED_PAGES. */
static inline uintptr_t *berth_iova_own(struct iova_domain *iovad, uint64_t size)
{
	/* Rounded up, as the highest bit. */
	unsigned int order = 63u ^ (unsigned int)__builtin_clzll(2 * size - 1);

	return &iovad->own[(berth_port_slot_or_none() & iovad->slot_mask) * BERTH_IOVA_COLUMNS +
			   order];
}

/*
 * What the caller's slot's cache has on top, for sizes from 1 to BERTH_IOVA_CACHED_PAGES; 0, without a
 * reason, if that does not do. Private.
 */
static inline uint64_t berth_iova_alloc_cached(struct iova_domain *iovad, uint64_t size,
					       uint64_t limit_pfn)
{
	uintptr_t *own = berth_iova_own(iovad, size);
	uintptr_t top = __atomic_exchange_n(own, BERTH_IOVA_BUSY, __ATOMIC_ACQUIRE);
	uint64_t pfn = *(const uint64_t *)top;

	if (__builtin_expect((pfn | (size - 1)) > (limit_pfn & INT64_MAX), 0)) {
		/* If somebody else has the word he puts it back. */
		if (top != BERTH_IOVA_BUSY)
			__atomic_store_n(own, top, __ATOMIC_RELEASE);
		return 0;
	}
	__atomic_store_n(own, top - sizeof(pfn), __ATOMIC_RELEASE);
	return pfn;
}

/**
 * alloc_iova_fast() - take a size-aligned range, from the caller's slot's cache if it has one
 * @iovad: the address space, with a first page other than 0
 * @size: pages; up to 32 it is rounded up to a power of two
 * @limit_pfn: the last page that it may reach, inclusive
 * @flush_rcache: before failing, give back what all the caches hold and try again
 *
 * Any context. The caller owns the range until free_iova_fast() with the same @size. Return: its
 * first page, or 0 with the reason, as alloc_iova().
 */
static inline uint64_t alloc_iova_fast(struct iova_domain *iovad, uint64_t size, uint64_t limit_pfn,
				       bool flush_rcache)
{
	uintptr_t *own, top;
	uint64_t pfn;

	if (__builtin_expect(size - 1 >= BERTH_IOVA_CACHED_PAGES, 0))
		return berth_iova_alloc_large(iovad, size, limit_pfn, flush_rcache);
	own = berth_iova_own(iovad, size);
	top = __atomic_exchange_n(own, BERTH_IOVA_BUSY, __ATOMIC_ACQUIRE);
	/* Below the last of a magazine, and where there is none, is a number beyond all limits. */
	pfn = *(const uint64_t *)top;
	if (__builtin_expect((pfn | (size - 1)) > (limit_pfn & INT64_MAX), 0))
		return berth_iova_alloc_slow(iovad, size, limit_pfn, flush_rcache, own, top);
	__atomic_store_n(own, top - sizeof(pfn), __ATOMIC_RELEASE);
	return pfn;
}

/**
 * free_iova_fast() - give back what alloc_iova_fast() returned
 * @iovad: the address space
 * @pfn: what it returned
 * @size: what it was given
 *
 * The range may stay in a cache, and is then still taken for the calls that have no cache. Any
 * context.
 */
static inline void free_iova_fast(struct iova_domain *iovad, uint64_t pfn, uint64_t size)
{
	uintptr_t *own, top;

	if (__builtin_expect(size - 1 >= BERTH_IOVA_CACHED_PAGES, 0)) {
		berth_iova_free_large(iovad, pfn, size);
		return;
	}
	own = berth_iova_own(iovad, size);
	top = __atomic_exchange_n(own, BERTH_IOVA_BUSY, __ATOMIC_ACQUIRE) + sizeof(pfn);
	/* A full magazine ends here, and so does what stands for none. */
	if (__builtin_expect(top % 512 == 0, 0)) {
		berth_iova_free_slow(iovad, pfn, size, own, top - sizeof(pfn));
		return;
	}
	*(uint64_t *)top = pfn;
	__atomic_store_n(own, top, __ATOMIC_RELEASE);
}

/** iova_size() - pages of a range. Any context. */
static inline uint64_t iova_size(const struct iova *iova)
{
	return iova->pfn_hi - iova->pfn_lo + 1;
}

/** iova_shift() - log2 of the granule. Any context. */
static inline unsigned int iova_shift(const struct iova_domain *iovad)
{
	return (unsigned int)__builtin_ctzll(iovad->granule);
}

/** iova_mask() - the bits of an address within a page. Any context. */
static inline uint64_t iova_mask(const struct iova_domain *iovad)
{
	return iovad->granule - 1;
}

/** iova_offset() - where an address lies within its page. Any context. */
static inline uint64_t iova_offset(const struct iova_domain *iovad, dma_addr_t iova)
{
	return iova & iova_mask(iovad);
}

/** iova_align() - bytes rounded up to whole pages. Any context. */
static inline uint64_t iova_align(const struct iova_domain *iovad, uint64_t size)
{
	return (size + iova_mask(iovad)) & ~iova_mask(iovad);
}

/** iova_dma_addr() - the first address of a range. Any context. */
static inline dma_addr_t iova_dma_addr(const struct iova_domain *iovad, const struct iova *iova)
{
	return iova->pfn_lo << iova_shift(iovad);
}

/** iova_pfn() - the number of the page that holds an address. Any context. */
static inline uint64_t iova_pfn(const struct iova_domain *iovad, dma_addr_t iova)
{
	return iova >> iova_shift(iovad);
}

/**
 * berth_iova_pages() - pages that a buffer touches
 * @shift: log2 of the granule
 * @address: of its first byte; only its place within a page counts
 * @size: bytes; @size plus a granule does not exceed 64 bits
 *
 * Any context. Return: 0 for @size 0.
 */
static inline uint64_t berth_iova_pages(unsigned int shift, uint64_t address, uint64_t size)
{
	uint64_t last = (address & ((UINT64_C(1) << shift) - 1)) + size - 1;

	return size ? (last >> shift) + 1 : 0;
}

BERTH_END_DECLS

#ifdef BERTH_NO_SHORT_NAMES
#include <berth/names-off.h>
#endif
#endif
