// SPDX-License-Identifier: BSD-2-Clause
/*
 * kmalloc(): a slab is a block of pages cut into at most 64 objects of one size, whose free ones
 * are bits of one word. That word is in a descriptor, and descriptors are in pages of their own:
 * a device that writes past its buffer meets data, never the allocator's records.
 */
#include <berth/slab.h>

#include "lib/bitmap.h"
#include "lib/error.h"
#include "lib/fault.h"
#include "lib/string.h"
#include "mm/internal.h"

#define MAX_SLAB_OBJECT 8192u
#define MAX_SLAB_ORDER 3
#define GOOD_SLAB_OBJECTS 8
/* Sizes of kmalloc() come in steps of the smallest cache line. */
#define SIZE_STEP 64u

static const uint16_t class_sizes[] = { 64,   128,  192,  256,	384,  512,  768,
					1024, 1536, 2048, 3072, 4096, 6144, 8192 };
#define NR_CLASSES ARRAY_SIZE(class_sizes)

struct slab_cache;

/*
 * struct slab - descriptor of one slab
 * @free: bit n is set while object n is free
 * @next: in the list of slabs with free and used objects
 * @asked: what kmalloc() was asked for, where a red zone begins right behind it
 */
struct slab {
	uint64_t free;
	struct slab *next;
	struct slab *prev;
	struct slab_cache *cache;
	char *base;
	uint16_t nr_objects;
	uint16_t nr_pages;
	uint16_t asked[BERTH_PORT_REDZONE ? 64 : 2];
};

/*
 * struct slab_cache - the slabs of one size in one zone
 * @partial: slabs with free and used objects; slabs without free ones are in no list
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
	struct slab *partial;
	struct slab *spare;
	uint64_t nr_objects;
};

/* struct descriptor_page - the start of a page full of descriptors */
struct descriptor_page {
	uint64_t free;
	struct descriptor_page *next;
	struct descriptor_page *prev;
	struct slab slabs[];
};

#define DESCRIPTORS_THAT_FIT ((PAGE_SIZE - sizeof(struct descriptor_page)) / sizeof(struct slab))
#define DESCRIPTORS_PER_PAGE (DESCRIPTORS_THAT_FIT < 64 ? DESCRIPTORS_THAT_FIT : 64)
#define ALL_DESCRIPTORS (UINT64_MAX >> (64 - DESCRIPTORS_PER_PAGE))

static struct slab_cache caches[NR_ZONES][NR_CLASSES];
static uint8_t class_of_size[MAX_SLAB_OBJECT / SIZE_STEP];
static uint64_t slab_pages;
static uint64_t large_bytes;

static struct {
	spinlock_t lock;
	struct descriptor_page *partial;
} descriptors;

static uint64_t all_objects(const struct slab *slab)
{
	return UINT64_MAX >> (64 - slab->nr_objects);
}

static void count_slab_pages(uint64_t nr)
{
	__atomic_fetch_add(&slab_pages, nr, __ATOMIC_RELAXED);
}

/* Descriptors. */

static void link_descriptors(struct descriptor_page *page)
{
	page->prev = NULL;
	page->next = descriptors.partial;
	if (page->next)
		page->next->prev = page;
	descriptors.partial = page;
}

static void unlink_descriptors(struct descriptor_page *page)
{
	if (page->next)
		page->next->prev = page->prev;
	if (page->prev)
		page->prev->next = page->next;
	else
		descriptors.partial = page->next;
}

static struct slab *new_descriptor(void)
{
	struct descriptor_page *page;
	unsigned long flags;
	struct slab *slab;

	spin_lock_irqsave(&descriptors.lock, flags);
	page = descriptors.partial;
	if (!page) {
		struct page *fresh;

		spin_unlock_irqrestore(&descriptors.lock, flags);
		fresh = berth_try_pages(0, 0, NO_PAGE);
		if (!fresh)
			return NULL;
		page_set_flags(fresh, PG_META);
		count_slab_pages(1);
		page = page_address(fresh);
		page->free = ALL_DESCRIPTORS;
		spin_lock_irqsave(&descriptors.lock, flags);
		link_descriptors(page);
	}
	slab = &page->slabs[lowest_bit(page->free)];
	page->free &= page->free - 1;
	if (!page->free)
		unlink_descriptors(page);
	spin_unlock_irqrestore(&descriptors.lock, flags);
	return slab;
}

static void free_descriptor(struct slab *slab)
{
	struct descriptor_page *page = (void *)((uintptr_t)slab & PAGE_MASK);
	unsigned long flags;
	bool is_empty;

	spin_lock_irqsave(&descriptors.lock, flags);
	if (!page->free)
		link_descriptors(page);
	page->free |= 1ULL << (slab - page->slabs);
	is_empty = page->free == ALL_DESCRIPTORS;
	if (is_empty)
		unlink_descriptors(page);
	spin_unlock_irqrestore(&descriptors.lock, flags);
	if (is_empty) {
		count_slab_pages(-1ULL);
		berth_put_range(page_to_pfn(virt_to_page(page)), 1);
	}
}

/* Slabs. The cache's lock is held for the list, not for making and giving back slabs. */

static void link_slab(struct slab_cache *cache, struct slab *slab)
{
	slab->prev = NULL;
	slab->next = cache->partial;
	if (slab->next)
		slab->next->prev = slab;
	cache->partial = slab;
}

static void unlink_slab(struct slab_cache *cache, struct slab *slab)
{
	if (slab->next)
		slab->next->prev = slab->prev;
	if (slab->prev)
		slab->prev->next = slab->next;
	else
		cache->partial = slab->next;
}

static struct slab *new_slab(struct slab_cache *cache)
{
	struct slab *slab = new_descriptor();
	unsigned int order = cache->order;
	struct page *page;

	if (!slab)
		return NULL;
	page = berth_try_pages(0, order, berth_gfp_end(cache->gfp));
	if (!page && cache->min_order < order) {
		order = cache->min_order;
		page = berth_try_pages(0, order, berth_gfp_end(cache->gfp));
	}
	if (!page) {
		free_descriptor(slab);
		return NULL;
	}

	split_page(page, order);
	for (unsigned int i = 0; i < 1u << order; i++) {
		page[i].index = (uintptr_t)slab;
		page_set_flags(&page[i], PG_SLAB);
	}
	slab->cache = cache;
	slab->base = page_address(page);
	slab->nr_pages = (uint16_t)(1u << order);
	slab->nr_objects = (uint16_t)((PAGE_SIZE << order) / cache->stride);
	if (slab->nr_objects > 64)
		slab->nr_objects = 64;
	slab->free = all_objects(slab);
	berth_port_poison(slab->base, PAGE_SIZE << order);
	count_slab_pages(slab->nr_pages);
	return slab;
}

static void free_slab(struct slab *slab)
{
	uint64_t pfn = PFN_DOWN(virt_to_phys(slab->base));
	uint64_t nr = slab->nr_pages;

	free_descriptor(slab);
	count_slab_pages(-nr);
	berth_put_range(pfn, nr);
}

static void *take_object(struct slab_cache *cache, size_t size)
{
	unsigned int object;
	struct slab *slab;
	unsigned long flags;

	spin_lock_irqsave(&cache->lock, flags);
	slab = cache->partial;
	if (!slab) {
		slab = cache->spare;
		cache->spare = NULL;
		if (!slab) {
			spin_unlock_irqrestore(&cache->lock, flags);
			slab = new_slab(cache);
			if (!slab)
				return NULL;
			spin_lock_irqsave(&cache->lock, flags);
			cache->nr_objects += slab->nr_objects;
		}
		link_slab(cache, slab);
	}
	object = lowest_bit(slab->free);
	slab->free &= slab->free - 1;
	if (!slab->free)
		unlink_slab(cache, slab);
	if (BERTH_PORT_REDZONE)
		slab->asked[object] = (uint16_t)size;
	spin_unlock_irqrestore(&cache->lock, flags);
	return slab->base + (size_t)object * cache->stride;
}

/* False if @object is not an object that is in use. */
static bool give_object(struct slab *slab, const char *object)
{
	struct slab_cache *cache = slab->cache;
	uint32_t offset = (uint32_t)(object - slab->base);
	uint32_t index = offset / cache->stride;
	struct slab *empty = NULL;
	unsigned long flags;

	if (index * cache->stride != offset || index >= slab->nr_objects)
		return false;
	spin_lock_irqsave(&cache->lock, flags);
	if (slab->free & BIT_ULL(index)) {
		spin_unlock_irqrestore(&cache->lock, flags);
		return false;
	}
	berth_port_poison(object, cache->size);
	if (!slab->free)
		link_slab(cache, slab);
	slab->free |= BIT_ULL(index);
	if (slab->free == all_objects(slab)) {
		unlink_slab(cache, slab);
		if (cache->spare) {
			empty = slab;
			cache->nr_objects -= slab->nr_objects;
		} else {
			cache->spare = slab;
		}
	}
	spin_unlock_irqrestore(&cache->lock, flags);
	if (empty)
		free_slab(empty);
	return true;
}

/* Usable bytes of an object in use, else 0. */
static size_t object_size(struct slab *slab, const char *object)
{
	struct slab_cache *cache = slab->cache;
	uint32_t offset = (uint32_t)(object - slab->base);
	uint32_t index = offset / cache->stride;
	size_t size = 0;
	unsigned long flags;

	if (index * cache->stride != offset || index >= slab->nr_objects)
		return 0;
	spin_lock_irqsave(&cache->lock, flags);
	if (!(slab->free & BIT_ULL(index)))
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
	count_slab_pages(1ULL << order);
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
	count_slab_pages(-(1ULL << order));
	__free_pages(page, order);
	return true;
}

void *kmalloc(size_t size, gfp_t gfp)
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
			unsigned int zone = gfp & __GFP_DMA	? ZONE_DMA
					    : gfp & __GFP_DMA32 ? ZONE_DMA32
								: ZONE_NORMAL;
			unsigned int class = class_of_size[(size - 1) / SIZE_STEP];

			object = take_object(&caches[zone][class], size);
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

void kfree(const void *object)
{
	struct page *page;
	bool is_freed = false;

	if (!object || IS_ERR(object))
		return;
	page = virt_to_page(object);
	if (page && page_state(page) == PG_SLAB)
		is_freed = give_object((struct slab *)(uintptr_t)page->index, object);
	else if (page && !offset_in_page(object))
		is_freed = give_large(page);
	if (!is_freed)
		berth_not_owned("kfree", (uintptr_t)object, page ? page_to_pfn(page) : 0);
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

void berth_slab_start(void)
{
	static const gfp_t zone_gfp[NR_ZONES] = { __GFP_DMA, __GFP_DMA32, 0 };
	uint32_t line = berth_port_line_size() > SIZE_STEP ? berth_port_line_size() : SIZE_STEP;
	unsigned int class = 0;

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
			};
		for (; class < ARRAY_SIZE(class_of_size) && (class + 1) * SIZE_STEP <= size;
		     class ++)
			class_of_size[class] = (uint8_t)i;
	}
}

void berth_slab_stop(void)
{
	memset(caches, 0, sizeof(caches));
	memset(&descriptors, 0, sizeof(descriptors));
	slab_pages = 0;
	large_bytes = 0;
}

void berth_slab_shrink(void)
{
	for (unsigned int i = 0; i < NR_ZONES * NR_CLASSES; i++) {
		struct slab_cache *cache = &caches[i / NR_CLASSES][i % NR_CLASSES];
		struct slab *spare;
		unsigned long flags;

		spin_lock_irqsave(&cache->lock, flags);
		spare = cache->spare;
		cache->spare = NULL;
		if (spare)
			cache->nr_objects -= spare->nr_objects;
		spin_unlock_irqrestore(&cache->lock, flags);
		if (spare)
			free_slab(spare);
	}
}

uint64_t berth_slab_pages(void)
{
	return __atomic_load_n(&slab_pages, __ATOMIC_RELAXED);
}

uint64_t berth_slab_live_bytes(void)
{
	uint64_t bytes = __atomic_load_n(&large_bytes, __ATOMIC_RELAXED);

	for (unsigned int i = 0; i < NR_ZONES * NR_CLASSES; i++) {
		struct slab_cache *cache = &caches[i / NR_CLASSES][i % NR_CLASSES];
		unsigned long flags;
		uint64_t live;

		spin_lock_irqsave(&cache->lock, flags);
		live = cache->nr_objects;
		for (const struct slab *slab = cache->partial; slab; slab = slab->next)
			for (uint64_t objects = slab->free; objects; objects &= objects - 1)
				live--;
		if (cache->spare)
			live -= cache->spare->nr_objects;
		bytes += live * cache->size;
		spin_unlock_irqrestore(&cache->lock, flags);
	}
	return bytes;
}
