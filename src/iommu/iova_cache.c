// SPDX-License-Identifier: BSD-2-Clause
/*
 * Caches of ranges in front of the tree. A magazine is a stack of first pages, all of one size; a
 * slot has two for each column of sizes, one of them loaded. The slot's word is the address of the
 * top of the loaded one; whoever uses it takes the word away and leaves BERTH_IOVA_BUSY. An atomic
 * exchange: threads may share a slot, an interrupt handler may come at any time, and whoever
 * flushes reaches all slots. A magazine is aligned to its size, so the word says where it begins,
 * and that it is full.
 */
#include <berth/slab.h>

#include "iommu/internal.h"
#include "iommu/iova_tree.h"
#include "lib/error.h"

#define NR_WORDS 64u
#define SMALL_COLUMNS 6u
/* Of a large size few are kept, and few full magazines of any size. */
#define LARGE_ENTRIES 8u
#define DEPOT_MAGAZINES 32u
/* Turns in which who uses a word is waited for. In an interrupt handler it may be for ever. */
#define TURNS 100000u
#define NO_MAGAZINE ((uintptr_t)&berth_iova_marks[63])

/*
 * struct magazine - a block of 512 bytes
 * @other: the slot's other one, or the next in a list
 * @size: pages of each range
 * @bottom: larger than any page
 */
struct magazine {
	union {
		struct magazine *other;
		uint64_t word;
	};
	uint64_t size;
	uint64_t bottom;
	uint64_t pfns[NR_WORDS - 3];
};

/*
 * struct iova_caches - what a domain has of them
 * @full: full magazines of no slot, for each column of small sizes
 * @rows: the words
 */
struct iova_caches {
	spinlock_t lock;
	uint32_t nr_full[SMALL_COLUMNS];
	struct magazine *full[SMALL_COLUMNS];
	uintptr_t rows[(BERTH_PORT_MAX_SLOTS + 1) * BERTH_IOVA_COLUMNS]
		__attribute__((aligned(64)));
};

_Static_assert(sizeof(struct magazine) == 512, "berth/iova.h");

/* At 63 what stands for no magazine, at 127 for one that is in use: full ones without entries. */
const uint64_t berth_iova_marks[128]
	__attribute__((aligned(512))) = { [63] = UINT64_MAX, [127] = UINT64_MAX };

size_t iova_rcache_range(void)
{
	return (size_t)BERTH_IOVA_CACHED_PAGES * 4096;
}

int iova_domain_init_rcaches(struct iova_domain *iovad)
{
	struct iova_caches *caches = kzalloc(sizeof(*caches), GFP_ATOMIC);

	if (!caches)
		return -ENOMEM;
	for (unsigned int i = 0; i < ARRAY_SIZE(caches->rows); i++)
		caches->rows[i] = NO_MAGAZINE;
	iovad->caches = caches;
	iovad->own = caches->rows;
	iovad->slot_mask = UINTPTR_MAX;
	return 0;
}

static uintptr_t grab(uintptr_t *own)
{
	return __atomic_exchange_n(own, BERTH_IOVA_BUSY, __ATOMIC_ACQUIRE);
}

static void put_back(uintptr_t *own, uintptr_t top)
{
	__atomic_store_n(own, top, __ATOMIC_RELEASE);
}

static struct magazine *magazine_of(uintptr_t top)
{
	return top == NO_MAGAZINE ? NULL : (struct magazine *)(top & ~(uintptr_t)511);
}

/* Its top when it holds @nr. */
static uintptr_t top_of(struct magazine *magazine, unsigned int nr)
{
	return (uintptr_t)&magazine->bottom + nr * sizeof(uint64_t);
}

static unsigned int count(uintptr_t top)
{
	return (unsigned int)(top % 512 / sizeof(uint64_t)) - 2;
}

static struct magazine *new_magazine(uint64_t size)
{
	struct magazine *magazine = kmalloc(sizeof(*magazine), GFP_ATOMIC);

	if (magazine) {
		magazine->word = 0;
		magazine->size = size;
		magazine->bottom = UINT64_MAX;
	}
	return magazine;
}

static uint64_t rounded(uint64_t size)
{
	return 1ULL << (63u - (unsigned int)__builtin_clzll(2 * size - 1));
}

static unsigned int column_of(uint64_t size)
{
	if (size <= BERTH_IOVA_CACHED_PAGES)
		return 63u - (unsigned int)__builtin_clzll(2 * size - 1);
	return SMALL_COLUMNS + (unsigned int)((size * 0x9e3779b97f4a7c15u) >> 63);
}

static uintptr_t *own_word(struct iova_domain *iovad, uint64_t size)
{
	return &iovad->own[(berth_port_slot_or_none() & iovad->slot_mask) * BERTH_IOVA_COLUMNS +
			   column_of(size)];
}

/* Give back all that a magazine holds. */
static void empty(struct iova_domain *iovad, struct magazine *magazine, unsigned int nr)
{
	while (nr--)
		berth_iova_free_at(iovad, magazine->pfns[nr], "free_iova_fast");
}

/*
 * The topmost range of @size pages in a magazine that does not reach above the limit; what was on
 * top takes its place. 0: none.
 */
static uint64_t take_below(uintptr_t *top, uint64_t size, uint64_t limit)
{
	uint64_t *last = (uint64_t *)*top, pfn;

	for (uint64_t *at = last; at >= magazine_of(*top)->pfns; at--) {
		if (*at > limit || size - 1 > limit - *at)
			continue;
		pfn = *at;
		*at = *last;
		*top -= sizeof(pfn);
		return pfn;
	}
	return 0;
}

/* A full magazine instead of an empty one, which goes. */
static struct magazine *swap_for_full(struct iova_caches *caches, unsigned int column,
				      struct magazine *magazine)
{
	struct magazine *full;
	unsigned long flags;

	spin_lock_irqsave(&caches->lock, flags);
	full = caches->full[column];
	if (full) {
		caches->full[column] = full->other;
		caches->nr_full[column]--;
	}
	spin_unlock_irqrestore(&caches->lock, flags);
	if (!full)
		return magazine;
	full->other = magazine->other;
	kfree(magazine);
	return full;
}

/*
 * The word is held, and what is on top of the loaded magazine does not do. A slot's other magazine
 * is full or empty; then its first entry is 0.
 */
static uint64_t take_other(struct iova_domain *iovad, uint64_t size, uintptr_t *top, uint64_t limit)
{
	struct magazine *magazine = magazine_of(*top), *other;
	uint64_t pfn;

	if (!magazine)
		return 0;
	pfn = take_below(top, size, limit);
	if (pfn || count(*top))
		return pfn;
	other = magazine->other;
	if (other && other->pfns[0]) {
		other->other = magazine;
		magazine->other = NULL;
		magazine->pfns[0] = 0;
		*top = top_of(other, ARRAY_SIZE(other->pfns));
	} else {
		magazine = swap_for_full(iovad->caches, column_of(size), magazine);
		if (magazine == magazine_of(*top))
			return 0;
		*top = top_of(magazine, ARRAY_SIZE(magazine->pfns));
	}
	return take_below(top, size, limit);
}

static uint64_t take_from_tree(struct iova_domain *iovad, uint64_t size, uint64_t limit, bool flush)
{
	struct iova *iova;

	/* A page number of 0 would be no success. */
	if (!limit) {
		berth_fail_at(-EINVAL, BERTH_REASON_ARGUMENT, "alloc_iova_fast: limit", limit);
		return 0;
	}
	iova = alloc_iova(iovad, size, limit, true);
	if (!iova && flush && berth_iova_flush(iovad))
		iova = alloc_iova(iovad, size, limit, true);
	if (iova && !iova->pfn_lo) {
		__free_iova(iovad, iova);
		berth_fail_at(-ENOSPC, BERTH_REASON_AREA_FULL, "alloc_iova_fast", 0);
		return 0;
	}
	return iova ? iova->pfn_lo : 0;
}

uint64_t berth_iova_alloc_slow(struct iova_domain *iovad, uint64_t size, uint64_t limit_pfn,
			       bool flush_rcache, uintptr_t *own, uintptr_t top)
{
	uint64_t pfn = 0;

	if (top != BERTH_IOVA_BUSY) {
		pfn = take_other(iovad, size, &top, limit_pfn);
		put_back(own, top);
	}
	return pfn ? pfn : take_from_tree(iovad, rounded(size), limit_pfn, flush_rcache);
}

uint64_t berth_iova_alloc_large(struct iova_domain *iovad, uint64_t size, uint64_t limit_pfn,
				bool flush_rcache)
{
	uintptr_t *own = own_word(iovad, size ? size : 1), top = grab(own);
	uint64_t pfn = 0;

	if (top != BERTH_IOVA_BUSY) {
		if (top != NO_MAGAZINE && magazine_of(top)->size == size)
			pfn = take_below(&top, size, limit_pfn);
		put_back(own, top);
	}
	return pfn ? pfn : take_from_tree(iovad, size, limit_pfn, flush_rcache);
}

/* A full magazine goes to those of no slot. False if there are enough. */
static bool keep_full(struct iova_caches *caches, unsigned int column, struct magazine *magazine)
{
	unsigned long flags;
	bool ok;

	spin_lock_irqsave(&caches->lock, flags);
	ok = caches->nr_full[column] < DEPOT_MAGAZINES;
	if (ok) {
		magazine->other = caches->full[column];
		caches->full[column] = magazine;
		caches->nr_full[column]++;
	}
	spin_unlock_irqrestore(&caches->lock, flags);
	return ok;
}

/*
 * The word is held, and its magazine is full, or there is none. An empty one for a range of so many
 * pages, or NULL if memory is out; *@top is what the word is to be then.
 */
static struct magazine *empty_magazine(struct iova_domain *iovad, uint64_t size, uintptr_t *top)
{
	struct magazine *full = magazine_of(*top), *other = full ? full->other : NULL, *magazine;

	/* What was full before is kept for others, if that is not too much. */
	if (other && other->pfns[0]) {
		if (keep_full(iovad->caches, column_of(size), other)) {
			full->other = other = NULL;
		} else {
			empty(iovad, other, ARRAY_SIZE(other->pfns));
			other->pfns[0] = 0;
		}
	}
	magazine = other ? other : new_magazine(size);
	if (!magazine)
		return NULL;
	if (full)
		full->other = NULL;
	magazine->other = full;
	*top = top_of(magazine, 0);
	return magazine;
}

void berth_iova_free_slow(struct iova_domain *iovad, uint64_t pfn, uint64_t size, uintptr_t *own,
			  uintptr_t top)
{
	bool cached = false;

	if (top != BERTH_IOVA_BUSY) {
		if (iovad->caches && empty_magazine(iovad, rounded(size), &top)) {
			top += sizeof(pfn);
			*(uint64_t *)top = pfn;
			cached = true;
		}
		put_back(own, top);
	}
	if (!cached)
		berth_iova_free_at(iovad, pfn, "free_iova_fast");
}

void berth_iova_free_large(struct iova_domain *iovad, uint64_t pfn, uint64_t size)
{
	uintptr_t *own = own_word(iovad, size ? size : 1), top = grab(own);
	struct magazine *magazine;

	if (top == BERTH_IOVA_BUSY || !iovad->caches || !size) {
		if (top != BERTH_IOVA_BUSY)
			put_back(own, top);
		berth_iova_free_at(iovad, pfn, "free_iova_fast");
		return;
	}
	magazine = magazine_of(top);
	if (!magazine) {
		magazine = new_magazine(size);
		if (magazine)
			top = top_of(magazine, 0);
	} else if (magazine->size != size) {
		empty(iovad, magazine, count(top));
		top = top_of(magazine, 0);
		magazine->size = size;
	}
	if (magazine && count(top) < LARGE_ENTRIES) {
		top += sizeof(pfn);
		*(uint64_t *)top = pfn;
		magazine = NULL;
	} else {
		magazine = (struct magazine *)top;
	}
	put_back(own, top);
	if (magazine)
		berth_iova_free_at(iovad, pfn, "free_iova_fast");
}

/* Take a slot's magazines away, if nobody keeps it too long. NULL: there were none. */
static struct magazine *take_away(uintptr_t *own, unsigned int *nr)
{
	uintptr_t top = NO_MAGAZINE;

	if (__atomic_load_n(own, __ATOMIC_RELAXED) == NO_MAGAZINE)
		return NULL;
	for (unsigned int turn = 0; turn < TURNS; turn++) {
		top = grab(own);
		if (top != BERTH_IOVA_BUSY)
			break;
		berth_port_relax();
	}
	if (top == BERTH_IOVA_BUSY)
		return NULL;
	put_back(own, NO_MAGAZINE);
	*nr = top == NO_MAGAZINE ? 0 : count(top);
	return magazine_of(top);
}

/* @keep: the ranges stay taken in the tree. */
static bool drop_all(struct iova_domain *iovad, bool keep)
{
	struct iova_caches *caches = iovad->caches;
	struct magazine *magazine, *other;
	bool found = false;
	unsigned int nr;

	for (unsigned int i = 0; i < ARRAY_SIZE(caches->rows); i++) {
		magazine = take_away(&caches->rows[i], &nr);
		for (; magazine; magazine = other) {
			other = magazine->other;
			if (!keep)
				empty(iovad, magazine, nr);
			found = found || nr;
			if (other)
				nr = other->pfns[0] ? ARRAY_SIZE(other->pfns) : 0;
			kfree(magazine);
		}
	}
	for (unsigned int i = 0; i < SMALL_COLUMNS; i++) {
		unsigned long flags;

		spin_lock_irqsave(&caches->lock, flags);
		magazine = caches->full[i];
		caches->full[i] = NULL;
		caches->nr_full[i] = 0;
		spin_unlock_irqrestore(&caches->lock, flags);
		for (; magazine; magazine = other) {
			other = magazine->other;
			if (!keep)
				empty(iovad, magazine, ARRAY_SIZE(magazine->pfns));
			found = true;
			kfree(magazine);
		}
	}
	return found;
}

bool berth_iova_flush(struct iova_domain *iovad)
{
	return iovad->caches && drop_all(iovad, false);
}

void berth_iova_drop_caches(struct iova_domain *iovad)
{
	if (!iovad->caches)
		return;
	drop_all(iovad, true);
	kfree(iovad->caches);
	iovad->caches = NULL;
	iovad->own = iovad->no_row;
	iovad->slot_mask = 0;
}
