// SPDX-License-Identifier: BSD-2-Clause
/*
 * Where kmalloc() keeps its descriptors: in pages of their own, as many to a page as fit, and at most
 * one for each bit of a word.
 */
#include "mm/slab.h"

#include "lib/bitmap.h"
#include "lib/string.h"
#include "mm/internal.h"

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

static struct {
	spinlock_t lock;
	struct descriptor_page *partial;
} descriptors;

static uint64_t slab_pages;

void berth_slab_count_pages(uint64_t nr)
{
	__atomic_fetch_add(&slab_pages, nr, __ATOMIC_RELAXED);
}

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

struct slab *berth_slab_new_descriptor(gfp_t gfp)
{
	struct descriptor_page *page;
	unsigned long flags;
	struct slab *slab;

	spin_lock_irqsave(&descriptors.lock, flags);
	page = descriptors.partial;
	if (!page) {
		struct page *fresh;

		spin_unlock_irqrestore(&descriptors.lock, flags);
		fresh = berth_try_pages(gfp, 0, NO_PAGE);
		if (!fresh)
			return NULL;
		page_set_flags(fresh, PG_META);
		berth_slab_count_pages(1);
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

void berth_slab_free_descriptor(struct slab *slab)
{
	struct descriptor_page *page = (void *)((uintptr_t)slab & ~(PAGE_SIZE - 1));
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
		berth_slab_count_pages(-1ULL);
		berth_put_range(page_to_pfn(virt_to_page(page)), 1);
	}
}

void berth_slab_forget_descriptors(void)
{
	memset(&descriptors, 0, sizeof(descriptors));
	slab_pages = 0;
}

uint64_t berth_slab_pages(void)
{
	return __atomic_load_n(&slab_pages, __ATOMIC_RELAXED);
}
