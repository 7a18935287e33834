// SPDX-License-Identifier: BSD-2-Clause
/*
 * kmalloc(): a slab is a block of pages cut into at most 64 objects of one size, whose free ones
 * are bits of one word. That word is in a descriptor, and descriptors are in pages of their own:
 * a device that writes past its buffer meets data, never the allocator's records.
 *
 * A slab is in one of five places: it is a slot's own, which alone takes objects from it; or some
 * of its objects are free, and it is in the cache's list; or none is; or all are, and it is kept
 * for the next one; or that place is taken, and its pages are given back. Bits are set with or
 * without the cache's lock. A slab changes places only with the lock; so who would set the first
 * or the last bit of one that is no slot's takes the lock before.
 */
#include <berth/slab.h>

#include "lib/bitmap.h"
#include "lib/error.h"
#include "lib/fault.h"
#include "lib/string.h"
#include "mm/internal.h"
#include "mm/slab.h"

#define MAX_SLAB_OBJECT BERTH_SLAB_MAX_OBJECT
#define MAX_SLAB_ORDER 3
#define GOOD_SLAB_OBJECTS 8
/* The smallest cache line. */
#define MIN_LINE 64u
/* Columns of a slot's own slabs in berth_slabs[] */
#define OWN_SLABS 16u
/* Turns in which a slot's slab is waited for. In an interrupt handler it may be for ever. */
#define TURNS 100000u

static const uint16_t class_sizes[] = { 64,   128,  192,  256,	384,  512,  768,
					1024, 1536, 2048, 3072, 4096, 6144, 8192 };
#define NR_CLASSES ARRAY_SIZE(class_sizes)

/*
 * struct slab_cache - the slabs of one size in one zone
 * @partial: slabs with free and used objects; slabs without free ones are in no list
 * @own: slots' own slabs
 * @spare: an empty slab, kept for the next kmalloc()
 * @nr_objects: objects of all slabs, used or not
 */
struct slab_cache {
	spinlock_t lock;
	uint32_t size;
	uint32_t stride;
	uint8_t order;
	uint8_t min_order;
	gfp_t gfp;
	uint32_t inverse;
	uint8_t shift;
	struct slab *partial;
	struct slab *own;
	struct slab *spare;
	uint64_t nr_objects;
};

static struct slab_cache caches[NR_ZONES][NR_CLASSES];
uintptr_t berth_slabs[BERTH_PORT_MAX_SLOTS + 1][2 * OWN_SLABS] __attribute__((aligned(128)));
uintptr_t berth_slab_row;
/* The largest bank, for the quick way through kfree(); nothing where memory is poisoned. */
static struct {
	uintptr_t virt;
	uint64_t nr;
	const struct page *pages;
} bank;
static uint64_t large_bytes;

static uint64_t all_objects(const struct slab *slab)
{
	return UINT64_MAX >> (64 - slab->nr_objects);
}

/* Slabs. The cache's lock is held for the list, not for making and giving back slabs. */

static void link_slab(struct slab **list, struct slab *slab)
{
	slab->prev = NULL;
	slab->next = *list;
	if (slab->next)
		slab->next->prev = slab;
	*list = slab;
}

static void unlink_slab(struct slab **list, struct slab *slab)
{
	if (slab->next)
		slab->next->prev = slab->prev;
	if (slab->prev)
		slab->prev->next = slab->next;
	else
		*list = slab->next;
}

static uint64_t free_objects(const struct slab *slab)
{
	return __atomic_load_n(&slab->s.free, __ATOMIC_ACQUIRE);
}

/* A slab that is in no list goes where it belongs. Return: it, if that is away, else NULL. */
static struct slab *settle(struct slab_cache *cache, struct slab *slab)
{
	uint64_t all = all_objects(slab), left;

	slab->is_own = false;
	__atomic_store_n(&slab->last, all, __ATOMIC_RELAXED);
	left = free_objects(slab);
	if (left == all && cache->spare) {
		cache->nr_objects -= slab->nr_objects;
		return slab;
	}
	if (left == all)
		cache->spare = slab;
	else if (left)
		link_slab(&cache->partial, slab);
	return NULL;
}

/* A slot has no use for its slab any more. */
static struct slab *disown(struct slab_cache *cache, uintptr_t own)
{
	struct slab *slab = (struct slab *)own;

	if (!slab)
		return NULL;
	unlink_slab(&cache->own, slab);
	return settle(cache, slab);
}

/* @gfp: whether that may take long; the zone is the cache's. */
static struct slab *new_slab(struct slab_cache *cache, gfp_t gfp)
{
	struct slab *slab = berth_slab_new_descriptor(gfp);
	unsigned int order = cache->order;
	struct page *page;

	if (!slab)
		return NULL;
	/* Nobody gives pages up for a slab that could be smaller. */
	page = berth_try_pages(cache->min_order < order ? 0 : gfp, order,
			       berth_gfp_end(cache->gfp));
	if (!page && cache->min_order < order) {
		order = cache->min_order;
		page = berth_try_pages(gfp, order, berth_gfp_end(cache->gfp));
	}
	if (!page) {
		berth_slab_free_descriptor(slab);
		return NULL;
	}

	split_page(page, order);
	for (unsigned int i = 0; i < 1u << order; i++) {
		page[i].index = (uintptr_t)slab;
		page_set_flags(&page[i], PG_SLAB);
	}
	slab->cache = cache;
	slab->s.base = page_address(page);
	slab->s.stride = cache->stride;
	slab->inverse = cache->inverse;
	slab->shift = cache->shift;
	slab->nr_pages = (uint16_t)(1u << order);
	slab->nr_objects = (uint32_t)((PAGE_SIZE << order) / cache->stride);
	if (slab->nr_objects > 64)
		slab->nr_objects = 64;
	slab->s.free = all_objects(slab);
	berth_port_poison(slab->s.base, PAGE_SIZE << order);
	berth_slab_count_pages(slab->nr_pages);
	return slab;
}

static void free_slab(struct slab *slab)
{
	uint64_t pfn = PFN_DOWN(virt_to_phys(slab->s.base));
	uint64_t nr = slab->nr_pages;

	berth_slab_free_descriptor(slab);
	berth_slab_count_pages(-nr);
	berth_put_range(pfn, nr);
}

/* Take an object, by way of the cache; the slab that has it becomes the slot's, if there is one. */
static void *take_object(struct slab_cache *cache, uintptr_t *own, size_t size, gfp_t gfp)
{
	struct slab *slab, *empty = NULL;
	unsigned int object;
	unsigned long flags;
	uintptr_t old;

	spin_lock_irqsave(&cache->lock, flags);
	slab = cache->partial;
	if (slab) {
		unlink_slab(&cache->partial, slab);
	} else if (cache->spare) {
		slab = cache->spare;
		cache->spare = NULL;
	} else {
		spin_unlock_irqrestore(&cache->lock, flags);
		slab = new_slab(cache, gfp & __GFP_DIRECT_RECLAIM);
		if (!slab)
			return NULL;
		spin_lock_irqsave(&cache->lock, flags);
		cache->nr_objects += slab->nr_objects;
	}
	object = lowest_bit(free_objects(slab));
	__atomic_fetch_and(&slab->s.free, ~BIT_ULL(object), __ATOMIC_RELAXED);
	if (BERTH_PORT_REDZONE)
		slab->asked[object] = (uint16_t)size;
	old = own ? __atomic_exchange_n(own, BERTH_SLAB_BUSY, __ATOMIC_ACQUIRE) : BERTH_SLAB_BUSY;
	if (old != BERTH_SLAB_BUSY) {
		slab->is_own = true;
		__atomic_store_n(&slab->last, 0, __ATOMIC_RELAXED);
		link_slab(&cache->own, slab);
		__atomic_store_n(own, (uintptr_t)slab, __ATOMIC_RELEASE);
		empty = disown(cache, old);
	} else {
		settle(cache, slab);
	}
	spin_unlock_irqrestore(&cache->lock, flags);
	if (empty)
		free_slab(empty);
	return slab->s.base + (size_t)object * cache->stride;
}

/*
 * The number of the object at @object; if there is none, @nr_objects or more. Multiplied by the
 * inverse of the stride's odd part and rotated by its even part, a multiple of the stride is its
 * quotient, and nothing else is that small.
 */
static inline uint32_t object_index(const struct slab *slab, const char *object)
{
	uint32_t offset = (uint32_t)((uintptr_t)object - (uintptr_t)slab->s.base) * slab->inverse;

	return offset >> slab->shift | offset << (32 - slab->shift);
}

/* False if object @index is not in use. */
static bool give_object(struct slab *slab, uint32_t index)
{
	struct slab_cache *cache = slab->cache;
	struct slab *empty = NULL;
	unsigned long flags;
	uint64_t old;

	spin_lock_irqsave(&cache->lock, flags);
	if (free_objects(slab) & BIT_ULL(index)) {
		spin_unlock_irqrestore(&cache->lock, flags);
		return false;
	}
	berth_port_poison(slab->s.base + (size_t)index * cache->stride, cache->size);
	old = __atomic_fetch_or(&slab->s.free, BIT_ULL(index), __ATOMIC_RELEASE);
	if (!(old & BIT_ULL(index)) && !slab->is_own &&
	    (!old || (old | BIT_ULL(index)) == all_objects(slab))) {
		if (old)
			unlink_slab(&cache->partial, slab);
		empty = settle(cache, slab);
	}
	spin_unlock_irqrestore(&cache->lock, flags);
	if (empty)
		free_slab(empty);
	return !(old & BIT_ULL(index));
}

/* Usable bytes of an object in use, else 0. */
static size_t object_size(struct slab *slab, const char *object)
{
	uint32_t index = object_index(slab, object);
	struct slab_cache *cache = slab->cache;
	size_t size = 0;
	unsigned long flags;

	if (index >= slab->nr_objects)
		return 0;
	spin_lock_irqsave(&cache->lock, flags);
	if (!(free_objects(slab) & BIT_ULL(index)))
		size = BERTH_PORT_REDZONE ? slab->asked[index] : cache->size;
	spin_unlock_irqrestore(&cache->lock, flags);
	return size;
}

/* Objects too large for slabs: a block of pages each. */

static void *take_large(size_t size, gfp_t gfp)
{
	unsigned int order = get_order(size + BERTH_PORT_REDZONE);
	struct page *page = berth_try_pages(gfp, order, berth_gfp_end(gfp));
	char *object;

	if (!page)
		return NULL;
	object = page_address(page);
	page->index = size;
	page_set_flags(page, PG_LARGE | order);
	if (BERTH_PORT_REDZONE)
		berth_port_poison(object + size, (PAGE_SIZE << order) - size);
	berth_slab_count_pages(1ULL << order);
	__atomic_fetch_add(&large_bytes, size, __ATOMIC_RELAXED);
	return object;
}

static bool give_large(struct page *page)
{
	uint32_t flags = page_flags(page);
	unsigned int order = flags & PG_ORDER;
	uint64_t size;

	/* Of two who free the same object, one wins. */
	if ((flags & PG_STATE) != PG_LARGE ||
	    !__atomic_compare_exchange_n(&page->flags, &flags, PG_USED | order, false,
					 __ATOMIC_ACQUIRE, __ATOMIC_RELAXED))
		return false;
	size = page->index;
	__atomic_fetch_sub(&large_bytes, size, __ATOMIC_RELAXED);
	berth_slab_count_pages(-(1ULL << order));
	__free_pages(page, order);
	return true;
}

/* An object of one class; still poisoned. */
static void *take_small(size_t size, gfp_t gfp)
{
	unsigned int class = berth_kmalloc_class(size);
	uintptr_t *own = &berth_slabs[berth_port_slot() + 1][OWN_SLABS + class];
	void *object;

	if (gfp & __GFP_DMA)
		return take_object(&caches[ZONE_DMA][class], NULL, size, gfp);
	if (gfp & __GFP_DMA32)
		return take_object(&caches[ZONE_DMA32][class], NULL, size, gfp);
	if (BERTH_PORT_REDZONE || !bank.nr)
		return take_object(&caches[ZONE_NORMAL][class], NULL, size, gfp);
	object = berth_slab_take(own);
	return object ? object : take_object(&caches[ZONE_NORMAL][class], own, size, gfp);
}

void *berth_do_kmalloc(size_t size, gfp_t gfp)
{
	void *object = NULL;

	if (!size)
		return NULL;
	if (size > KMALLOC_MAX_SIZE) {
		berth_fail_limit(-EINVAL, BERTH_REASON_TOO_LARGE, "kmalloc", size,
				 KMALLOC_MAX_SIZE);
		return NULL;
	}
	if (!berth_should_fail()) {
		if (size <= MAX_SLAB_OBJECT) {
			object = take_small(size, gfp);
			if (object)
				berth_port_unpoison(object, size);
		} else {
			object = take_large(size,
					    gfp & ~(__GFP_ZERO | __GFP_MOVABLE | __GFP_HIGHMEM));
		}
	}
	if (!object) {
		berth_fail_limit(-ENOMEM, BERTH_REASON_OUT_OF_MEMORY, "kmalloc", size,
				 berth_free_bytes(berth_gfp_end(gfp)));
		return NULL;
	}
	if (gfp & __GFP_ZERO)
		memset(object, 0, size);
	return object;
}

void *kcalloc(size_t n, size_t size, gfp_t gfp)
{
	size_t bytes;

	if (__builtin_mul_overflow(n, size, &bytes))
		bytes = SIZE_MAX;
	return kmalloc(bytes, gfp | __GFP_ZERO);
}

/* Set the bit of an object of a slab that stays where it is; false if that needs more care. */
static bool give_quickly(const char *object)
{
	uint64_t n = ((uintptr_t)object - bank.virt) >> PAGE_SHIFT;
	struct slab *slab;
	uint64_t old, new;
	uint32_t index;

	if (n >= bank.nr || page_flags(&bank.pages[n]) != PG_SLAB)
		return false;
	slab = (struct slab *)(uintptr_t)bank.pages[n].index;
	index = object_index(slab, object);
	if (index >= slab->nr_objects)
		return false;
	old = __atomic_load_n(&slab->s.free, __ATOMIC_RELAXED);
	new = old | BIT_ULL(index);
	if (new == old || !old || new == __atomic_load_n(&slab->last, __ATOMIC_RELAXED))
		return false;
	return __atomic_compare_exchange_n(&slab->s.free, &old, new, false, __ATOMIC_RELEASE,
					   __ATOMIC_RELAXED);
}

static bool give_small(struct slab *slab, const char *object)
{
	uint32_t index = object_index(slab, object);

	return index < slab->nr_objects && give_object(slab, index);
}

static __attribute__((noinline)) void give_carefully(const void *object)
{
	struct page *page;
	bool is_freed = false;

	if (!object || IS_ERR(object))
		return;
	page = virt_to_page(object);
	if (page && page_state(page) == PG_SLAB)
		is_freed = give_small((struct slab *)(uintptr_t)page->index, object);
	else if (page && !offset_in_page(object))
		is_freed = give_large(page);
	if (!is_freed)
		berth_not_owned("kfree", (uintptr_t)object, page ? page_to_pfn(page) : 0);
}

void kfree(const void *object)
{
	if (!give_quickly(object))
		give_carefully(object);
}

size_t ksize(const void *object)
{
	struct page *page;

	if (!object || IS_ERR(object))
		return 0;
	page = virt_to_page(object);
	if (page && page_state(page) == PG_SLAB)
		return object_size((struct slab *)(uintptr_t)page->index, object);
	if (page && !offset_in_page(object) && page_state(page) == PG_LARGE)
		return BERTH_PORT_REDZONE ? (size_t)page->index
					  : PAGE_SIZE << (page_flags(page) & PG_ORDER);
	return 0;
}

char *kstrdup(const char *s, gfp_t gfp)
{
	size_t size = s ? berth_strlen(s) + 1 : 0;
	char *copy = kmalloc(size, gfp);

	return copy ? memcpy(copy, s, size) : NULL;
}

static uint32_t round_up(uint32_t n, uint32_t to)
{
	return (n + to - 1) / to * to;
}

/* The inverse of an odd number modulo 2^32: each step doubles the bits that are right. */
static uint32_t inverse_of(uint32_t odd)
{
	uint32_t inverse = odd;

	for (unsigned int bits = 3; bits < 32; bits *= 2)
		inverse *= 2 - odd * inverse;
	return inverse;
}

void berth_slab_inline(bool open)
{
	__atomic_store_n(&berth_slab_row, open && bank.nr ? OWN_SLABS : 0, __ATOMIC_RELAXED);
}

void berth_slab_start(void)
{
	static const gfp_t zone_gfp[NR_ZONES] = { __GFP_DMA, __GFP_DMA32, 0 };
	uint32_t line = berth_port_line_size() > MIN_LINE ? berth_port_line_size() : MIN_LINE;
	const struct berth_mem_map *largest = &berth_mem_map[0];

	for (unsigned int i = 0; i < NR_CLASSES; i++) {
		uint32_t size = round_up(class_sizes[i], line);
		uint32_t align = size & (size - 1) ? line : size < PAGE_SIZE ? size : PAGE_SIZE;
		uint32_t stride = round_up(size + BERTH_PORT_REDZONE, align);
		unsigned int min_order = get_order(stride);
		unsigned int order = min_order;

		while (order < MAX_SLAB_ORDER && (PAGE_SIZE << order) / stride < GOOD_SLAB_OBJECTS)
			order++;
		for (unsigned int zone = 0; zone < NR_ZONES; zone++)
			caches[zone][i] = (struct slab_cache){
				.size = size,
				.stride = stride,
				.order = (uint8_t)order,
				.min_order = (uint8_t)min_order,
				.gfp = zone_gfp[zone],
				.shift = (uint8_t)lowest_bit(stride),
				.inverse = inverse_of(stride >> lowest_bit(stride)),
			};
	}
	if (BERTH_PORT_REDZONE || berth_port_is_guarded())
		return;
	for (unsigned int i = 1; i < berth_nr_mem_maps; i++)
		if (berth_mem_map[i].nr > largest->nr)
			largest = &berth_mem_map[i];
	bank.virt = (uintptr_t)phys_to_virt(PFN_PHYS(largest->pfn));
	bank.nr = largest->nr;
	bank.pages = largest->pages;
}

void berth_slab_stop(void)
{
	bank.nr = 0;
	memset(caches, 0, sizeof(caches));
	memset(berth_slabs, 0, sizeof(berth_slabs));
	berth_slab_forget_descriptors();
	large_bytes = 0;
}

bool berth_slab_leave(unsigned int slot)
{
	bool found = false;

	for (unsigned int class = 0; class < NR_CLASSES; class ++) {
		uintptr_t *own = &berth_slabs[slot + 1][OWN_SLABS + class];
		struct slab_cache *cache = &caches[ZONE_NORMAL][class];
		uintptr_t old = BERTH_SLAB_BUSY;
		struct slab *empty = NULL;
		unsigned long flags;

		if (!__atomic_load_n(own, __ATOMIC_RELAXED))
			continue;
		for (unsigned int turn = 0; old == BERTH_SLAB_BUSY && turn < TURNS; turn++) {
			if (turn)
				berth_port_relax();
			spin_lock_irqsave(&cache->lock, flags);
			old = __atomic_exchange_n(own, BERTH_SLAB_BUSY, __ATOMIC_ACQUIRE);
			if (old != BERTH_SLAB_BUSY) {
				__atomic_store_n(own, 0, __ATOMIC_RELEASE);
				empty = disown(cache, old);
				found |= old != 0;
			}
			spin_unlock_irqrestore(&cache->lock, flags);
		}
		if (empty)
			free_slab(empty);
	}
	return found;
}

/* Take out an empty slab: the spare one, or one whose last object came back just as it moved. */
static struct slab *take_empty(struct slab_cache *cache)
{
	struct slab *slab = cache->spare;

	cache->spare = NULL;
	if (!slab) {
		for (slab = cache->partial; slab; slab = slab->next)
			if (free_objects(slab) == all_objects(slab))
				break;
		if (slab)
			unlink_slab(&cache->partial, slab);
	}
	if (slab)
		cache->nr_objects -= slab->nr_objects;
	return slab;
}

bool berth_slab_shrink(void)
{
	bool found = false;

	for (unsigned int slot = 0; slot < BERTH_PORT_MAX_SLOTS; slot++)
		berth_slab_leave(slot);
	for (unsigned int i = 0; i < NR_ZONES * NR_CLASSES; i++) {
		struct slab_cache *cache = &caches[i / NR_CLASSES][i % NR_CLASSES];
		struct slab *empty;
		unsigned long flags;

		do {
			spin_lock_irqsave(&cache->lock, flags);
			empty = take_empty(cache);
			spin_unlock_irqrestore(&cache->lock, flags);
			if (empty)
				free_slab(empty);
			found |= empty != NULL;
		} while (empty);
	}
	return found;
}

static uint64_t count_free(const struct slab *slab)
{
	uint64_t nr = 0;

	for (; slab; slab = slab->next)
		for (uint64_t objects = free_objects(slab); objects; objects &= objects - 1)
			nr++;
	return nr;
}

uint64_t berth_slab_live_bytes(void)
{
	uint64_t bytes = __atomic_load_n(&large_bytes, __ATOMIC_RELAXED);

	for (unsigned int i = 0; i < NR_ZONES * NR_CLASSES; i++) {
		struct slab_cache *cache = &caches[i / NR_CLASSES][i % NR_CLASSES];
		unsigned long flags;
		uint64_t live;

		spin_lock_irqsave(&cache->lock, flags);
		live = cache->nr_objects - count_free(cache->partial) - count_free(cache->own);
		if (cache->spare)
			live -= cache->spare->nr_objects;
		bytes += live * cache->size;
		spin_unlock_irqrestore(&cache->lock, flags);
	}
	return bytes;
}
