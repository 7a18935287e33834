// SPDX-License-Identifier: BSD-2-Clause
/* Pages behind one range of CPU addresses: vmalloc() and vmap(), and kvmalloc() over both kinds. */
#include <berth/gfp.h>
#include <berth/slab.h>
#include <berth/vmalloc.h>

#include "lib/bitmap.h"
#include "lib/error.h"
#include "lib/fault.h"
#include "lib/string.h"
#include "mm/internal.h"

#define MAX_RUN_ORDER 9

/* A range; a node of a tree by address that is a heap by rank. */
struct area {
	struct area *left, *right;
	char *addr;
	uint64_t size;
	struct page **pages;
	uint32_t rank;
	uint32_t flags;
	enum berth_memory_type type;
};

/* A leaf, taken with interrupts away. */
static struct {
	spinlock_t lock;
	struct area *root;
} areas;

static unsigned int nr_pages(const struct area *area)
{
	return (unsigned int)(area->size >> PAGE_SHIFT);
}

static bool is_in(const struct area *area, const void *addr)
{
	return (uintptr_t)addr - (uintptr_t)area->addr < area->size;
}

/* With the lock. The place of the link to the area that @addr is in; that of NULL if there is none. */
static struct area **find(const void *addr)
{
	struct area **at = &areas.root;

	while (*at && !is_in(*at, addr))
		at = (const char *)addr < (*at)->addr ? &(*at)->left : &(*at)->right;
	return at;
}

static void insert(struct area *area)
{
	struct area **at = &areas.root, **left = &area->left, **right = &area->right, *rest;
	unsigned long flags;

	/* No two addresses have much in common after this, so the tree is as good as random. */
	area->rank = (uint32_t)(((uintptr_t)area->addr >> PAGE_SHIFT) * 0x9e3779b97f4a7c15u >> 32);
	spin_lock_irqsave(&areas.lock, flags);
	while (*at && (*at)->rank >= area->rank)
		at = area->addr < (*at)->addr ? &(*at)->left : &(*at)->right;
	rest = *at;
	*at = area;
	while (rest) {
		if (rest->addr < area->addr) {
			*left = rest;
			left = &rest->right;
			rest = *left;
		} else {
			*right = rest;
			right = &rest->left;
			rest = *right;
		}
	}
	*left = *right = NULL;
	spin_unlock_irqrestore(&areas.lock, flags);
}

/* Take out the area that begins at @addr, if it is one of @wanted; NULL otherwise. */
static struct area *take_out(const void *addr, uint32_t wanted)
{
	struct area **at, *area, *left, *right;
	unsigned long flags;

	spin_lock_irqsave(&areas.lock, flags);
	at = find(addr);
	area = *at;
	if (!area || area->addr != addr || !(area->flags & wanted)) {
		spin_unlock_irqrestore(&areas.lock, flags);
		return NULL;
	}
	left = area->left;
	right = area->right;
	while (left && right) {
		if (left->rank > right->rank) {
			*at = left;
			at = &left->right;
			left = *at;
		} else {
			*at = right;
			at = &right->left;
			right = *at;
		}
	}
	*at = left ? left : right;
	spin_unlock_irqrestore(&areas.lock, flags);
	return area;
}

/* Pages from @pages on, at most @nr, that are one piece of RAM. */
static unsigned int run_of(struct page *const *pages, unsigned int nr)
{
	unsigned int run = 1;

	/* Two banks' arrays never touch. */
	while (run < nr && pages[run] == pages[0] + run)
		run++;
	return run;
}

static void put_views(struct page *const *pages, unsigned int nr)
{
	for (unsigned int i = 0; i < nr; i++)
		berth_view_put(pages[i]);
}

static int get_views(struct page *const *pages, unsigned int nr, enum berth_memory_type type)
{
	for (unsigned int i = 0; i < nr; i++) {
		int err = berth_view_get(pages[i], type);

		if (err) {
			put_views(pages, i);
			return err;
		}
	}
	return 0;
}

static void unmap(const struct area *area, unsigned int nr)
{
	for (unsigned int at = 0, run; at < nr; at += run) {
		run = run_of(area->pages + at, nr - at);
		berth_port_range_unmap(area->addr + ((uint64_t)at << PAGE_SHIFT),
				       page_to_phys(area->pages[at]), (uint64_t)run << PAGE_SHIFT,
				       area->type);
	}
	put_views(area->pages, nr);
}

/* One piece of RAM. */
static int map_run(const struct area *area, unsigned int at, unsigned int run)
{
	phys_addr_t phys = page_to_phys(area->pages[at]);
	int err = get_views(area->pages + at, run, area->type);

	if (err)
		return err;
	if (berth_should_fail())
		err = berth_fail_at(-ENOMEM, BERTH_REASON_MAPPING, "vmalloc", phys);
	else
		err = berth_port_range_map(area->addr + ((uint64_t)at << PAGE_SHIFT), phys,
					   (uint64_t)run << PAGE_SHIFT, area->type);
	if (err)
		put_views(area->pages + at, run);
	return err;
}

static int map(const struct area *area)
{
	unsigned int nr = nr_pages(area);

	for (unsigned int at = 0, run; at < nr; at += run) {
		int err;

		run = run_of(area->pages + at, nr - at);
		err = map_run(area, at, run);
		if (err) {
			unmap(area, at);
			return err;
		}
	}
	return 0;
}

/* The record, addresses for @size bytes and, if the caller has none, an array for the pages. */
static struct area *new_area(uint64_t size, struct page **pages)
{
	struct area *area = kzalloc(sizeof(*area), GFP_KERNEL);

	if (!area)
		return NULL;
	area->size = PAGE_ALIGN(size);
	area->pages = pages;
	if (!pages)
		area->pages = kvmalloc(nr_pages(area) * sizeof(area->pages[0]), GFP_KERNEL);
	if (!area->pages) {
		kfree(area);
		return NULL;
	}
	if (berth_should_fail())
		berth_fail_limit(-ENOMEM, BERTH_REASON_MAPPING, "vmalloc", size, 0);
	else
		area->addr = berth_port_range_reserve(area->size);
	if (area->addr)
		return area;
	if (!pages)
		kvfree(area->pages);
	kfree(area);
	return NULL;
}

/* The record, its addresses and its array; nothing is mapped. */
static void free_area(struct area *area, bool has_array)
{
	berth_port_range_release(area->addr, area->size);
	if (has_array)
		kvfree(area->pages);
	kfree(area);
}

static void free_all(struct page **pages, unsigned int nr)
{
	for (unsigned int i = 0; i < nr; i++)
		__free_page(pages[i]);
}

/* In pieces as large as there are: they take fewer mappings. */
static int take_pages(struct area *area, gfp_t gfp)
{
	unsigned int left = nr_pages(area), most = MAX_RUN_ORDER;
	struct page **at = area->pages;

	while (left) {
		unsigned int order = highest_bit(left);
		struct page *page;

		order = order < most ? order : most;
		page = order ? berth_try_pages(gfp, order, berth_gfp_end(gfp)) : alloc_page(gfp);
		if (!page && order) {
			most = order - 1;
			continue;
		}
		if (!page) {
			free_all(area->pages, (unsigned int)(at - area->pages));
			return -ENOMEM;
		}
		if (order)
			split_page(page, order);
		for (unsigned int i = 0; i < 1u << order; i++)
			*at++ = page + i;
		left -= 1u << order;
	}
	return 0;
}

static void *alloc_area(unsigned long size, gfp_t gfp)
{
	uint64_t limit = berth_managed_bytes();
	struct area *area;

	if (!size || size > limit) {
		if (size)
			berth_fail_limit(-ENOMEM, BERTH_REASON_TOO_LARGE, "vmalloc", size, limit);
		else
			berth_fail(-EINVAL, BERTH_REASON_ARGUMENT, "size");
		return NULL;
	}
	area = new_area(size, NULL);
	if (!area)
		return NULL;
	area->flags = VM_ALLOC;
	if (take_pages(area, (gfp & ~__GFP_ZERO) | __GFP_HIGHMEM)) {
		free_area(area, true);
		return NULL;
	}
	if (map(area)) {
		free_all(area->pages, nr_pages(area));
		free_area(area, true);
		return NULL;
	}
	if (gfp & __GFP_ZERO)
		memset(area->addr, 0, (size_t)area->size);
	insert(area);
	return area->addr;
}

void *vmalloc(unsigned long size)
{
	return alloc_area(size, GFP_KERNEL);
}

void *vzalloc(unsigned long size)
{
	return alloc_area(size, GFP_KERNEL | __GFP_ZERO);
}

void vfree(const void *addr)
{
	struct area *area;

	if (!addr)
		return;
	area = take_out(addr, VM_ALLOC | VM_MAP_PUT_PAGES);
	if (!area) {
		berth_not_owned("vfree", (uintptr_t)addr, 0);
		return;
	}
	unmap(area, nr_pages(area));
	free_all(area->pages, nr_pages(area));
	free_area(area, true);
}

/* What is wrong is recorded. */
static bool is_mappable(struct page **pages, unsigned int count, unsigned long flags, pgprot_t prot)
{
	if (!pages || !count || (flags & ~(unsigned long)VM_MAP_PUT_PAGES) != VM_MAP ||
	    (unsigned int)prot >= BERTH_MEMORY_DEVICE) {
		berth_fail_at(-EINVAL, BERTH_REASON_ARGUMENT, "vmap", flags);
		return false;
	}
	for (unsigned int i = 0; i < count; i++) {
		if (!berth_bank_of_page(pages[i])) {
			berth_fail_at(-EINVAL, BERTH_REASON_ARGUMENT, "page of a vmap", i);
			return false;
		}
	}
	return true;
}

void *vmap(struct page **pages, unsigned int count, unsigned long flags, pgprot_t prot)
{
	struct page **own = pages;
	struct area *area;

	if (!is_mappable(pages, count, flags, prot))
		return NULL;
	if (!(flags & VM_MAP_PUT_PAGES)) {
		own = kvmalloc(count * sizeof(*pages), GFP_KERNEL);
		if (!own)
			return NULL;
		memcpy(own, pages, count * sizeof(*pages));
	}
	area = new_area((uint64_t)count << PAGE_SHIFT, own);
	if (area) {
		area->flags = (uint32_t)flags;
		area->type = prot;
		if (!map(area)) {
			insert(area);
			return area->addr;
		}
		free_area(area, false);
	}
	if (own != pages)
		kvfree(own);
	return NULL;
}

void vunmap(const void *addr)
{
	struct area *area;

	if (!addr)
		return;
	area = take_out(addr, VM_MAP);
	if (!area) {
		berth_not_owned("vunmap", (uintptr_t)addr, 0);
		return;
	}
	unmap(area, nr_pages(area));
	/* With VM_MAP_PUT_PAGES, too, only vfree() gives pages and array up. */
	free_area(area, !(area->flags & VM_MAP_PUT_PAGES));
}

bool is_vmalloc_addr(const void *addr)
{
	unsigned long flags;
	bool found;

	spin_lock_irqsave(&areas.lock, flags);
	found = *find(addr);
	spin_unlock_irqrestore(&areas.lock, flags);
	return found;
}

struct page *vmalloc_to_page(const void *addr)
{
	struct page *page = NULL;
	const struct area *area;
	unsigned long flags;

	spin_lock_irqsave(&areas.lock, flags);
	area = *find(addr);
	if (area)
		page = area->pages[((uintptr_t)addr - (uintptr_t)area->addr) >> PAGE_SHIFT];
	spin_unlock_irqrestore(&areas.lock, flags);
	if (!page)
		berth_not_owned("vmalloc_to_page", (uintptr_t)addr, 0);
	return page;
}

unsigned long vmalloc_to_pfn(const void *addr)
{
	const struct page *page = vmalloc_to_page(addr);

	return page ? (unsigned long)page_to_pfn(page) : 0;
}

void *kvmalloc(size_t size, gfp_t gfp)
{
	bool may_vmalloc = gfpflags_allow_blocking(gfp) && !(gfp & (__GFP_DMA | __GFP_DMA32));

	if (size <= PAGE_SIZE || !may_vmalloc)
		return kmalloc(size, gfp);
	if (size <= KMALLOC_MAX_SIZE) {
		const struct berth_error before = *berth_last_error();
		void *object = kmalloc(size, gfp);

		if (object)
			return object;
		/* That one way was closed is no failure when the other one is open. */
		*berth_port_error() = before;
	}
	return alloc_area(size, gfp);
}

void kvfree(const void *addr)
{
	if (is_vmalloc_addr(addr))
		vfree(addr);
	else
		kfree(addr);
}

void berth_vmalloc_reset(void)
{
	areas.root = NULL;
}
