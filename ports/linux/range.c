// SPDX-License-Identifier: BSD-2-Clause
/*
 * Ranges of addresses in which the caller maps RAM; a page without access on either side. What shows
 * what is remembered, by page: RAM that other processes are to see has to change under it.
 */
#include <errno.h>
#include <stdlib.h>
#include <sys/mman.h>

#include "share.h"

#define PAGE 4096ull
#define NOTHING (MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE)

#define HASH_BITS 12

struct range {
	char *virt;
	uint64_t size;
	struct trap_range trap;
	bool is_trapped;
	struct range *next;
	struct range_page *pages; /* what a page shows, and one that shows nothing at both ends */
};

/* Under the lock of what is shared. */
static struct range *ranges, *recent;
static struct range_page *hash[1 << HASH_BITS];

static RAW struct range_page **chain(phys_addr_t page)
{
	return &hash[page / PAGE * 0x9e3779b97f4a7c15ull >> (64 - HASH_BITS)];
}

/* With the lock; NULL. Most calls are about the range that the one before was about. */
static struct range *range_at(const void *virt)
{
	struct range *range = recent;

	if (range && (uintptr_t)virt - (uintptr_t)range->virt < range->size)
		return range;
	for (range = ranges; range; range = range->next)
		if ((uintptr_t)virt - (uintptr_t)range->virt < range->size)
			break;
	recent = range;
	return range;
}

static bool is_inside(const struct range *range, const void *virt, uint64_t size)
{
	return range && size <= range->size - ((uintptr_t)virt - (uintptr_t)range->virt);
}

static struct range_page *page_at(const struct range *range, const void *virt)
{
	return &range->pages[((uintptr_t)virt - (uintptr_t)range->virt) / PAGE + 1];
}

static void add(struct range_page *page, uintptr_t virt, uint64_t shows)
{
	struct range_page **head = chain(shows);

	page->shows = shows;
	page->virt = virt;
	page->next = *head;
	*head = page;
}

static void drop_page(struct range_page *page)
{
	struct range_page **link;

	if (!page->shows)
		return;
	link = chain(page->shows);
	while (*link != page)
		link = &(*link)->next;
	*link = page->next;
	page->shows = 0;
}

RAW void berth_port_range_first(struct range_cursor *cursor, phys_addr_t phys, uint64_t size,
				uint64_t key)
{
	cursor->phys = phys;
	cursor->size = size;
	cursor->key = key;
	cursor->inside = 0;
	cursor->page = *chain(phys);
}

/* Of a run its first page is found. */
RAW bool berth_port_range_next(struct range_cursor *cursor)
{
	while (cursor->inside < cursor->size) {
		uint64_t wanted = (cursor->phys + cursor->inside) | cursor->key;
		const struct range_page *page = cursor->page;

		while (page && (page->shows != wanted ||
				(cursor->inside && page[-1].shows == wanted - PAGE)))
			page = page->next;
		if (page) {
			uint64_t nr = 1;

			while (cursor->inside + nr * PAGE < cursor->size &&
			       page[nr].shows == wanted + nr * PAGE)
				nr++;
			cursor->virt = page->virt;
			cursor->length = nr * PAGE;
			cursor->page = page->next;
			return true;
		}
		cursor->inside += PAGE;
		cursor->page = *chain(cursor->phys + cursor->inside);
	}
	return false;
}

static int trap(struct range *range)
{
	if (range->is_trapped)
		return 0;
	if (berth_port_share_fails() || berth_port_trap_add(&range->trap))
		return -ENOMEM;
	range->is_trapped = true;
	return 0;
}

int berth_port_range_trap(uintptr_t virt)
{
	return trap(range_at((const void *)virt));
}

static struct range *make_range(uint64_t size)
{
	struct range *range = malloc(sizeof(*range));
	char *area = MAP_FAILED;

	if (range)
		area = mmap(NULL, size + 2 * PAGE, PROT_NONE, NOTHING, -1, 0);
	if (area == MAP_FAILED) {
		free(range);
		return NULL;
	}
	*range = (struct range){
		.virt = area + PAGE,
		.size = size,
		.trap = { .start = (uintptr_t)area + PAGE,
			  .size = size,
			  .look = berth_port_share_look },
		.pages = calloc(size / PAGE + 2, sizeof(range->pages[0])),
	};
	if (range->pages)
		return range;
	munmap(area, size + 2 * PAGE);
	free(range);
	return NULL;
}

void *berth_port_range_reserve(uint64_t size)
{
	const struct berth_machine *machine = berth_port_machine();
	struct range *range;
	unsigned long flags;

	if (!machine || !machine->show || !size || size & (PAGE - 1) || size > UINT64_MAX / 2) {
		berth_port_fail(-EINVAL, BERTH_REASON_MAPPING, "range of addresses", 0, size);
		return NULL;
	}
	range = make_range(size);
	if (!range) {
		berth_port_fail(-ENOMEM, BERTH_REASON_MAPPING, "range of addresses", 0, size);
		return NULL;
	}
	flags = berth_port_share_lock();
	range->next = ranges;
	ranges = range;
	berth_port_share_unlock(flags);
	return range->virt;
}

/* With the lock. */
static void drop(struct range *range)
{
	if (range == recent)
		recent = NULL;
	for (uint64_t i = 1; i <= range->size / PAGE; i++)
		drop_page(&range->pages[i]);
	if (range->is_trapped)
		berth_port_trap_remove(&range->trap);
	munmap(range->virt - PAGE, range->size + 2 * PAGE);
	free(range->pages);
	free(range);
}

void berth_port_range_release(void *virt, uint64_t size)
{
	unsigned long flags = berth_port_share_lock();
	struct range **at, *range;

	for (at = &ranges; *at && (*at)->virt != virt; at = &(*at)->next)
		;
	range = *at;
	if (range && range->size == size) {
		*at = range->next;
		drop(range);
	}
	berth_port_share_unlock(flags);
}

void berth_port_ranges_stop(void)
{
	unsigned long flags = berth_port_share_lock();
	struct range *range;

	while ((range = ranges)) {
		ranges = range->next;
		drop(range);
	}
	berth_port_share_unlock(flags);
}

static bool cover(void *virt, uint64_t size)
{
	return mmap(virt, size, PROT_NONE, NOTHING | MAP_FIXED, -1, 0) != MAP_FAILED;
}

/* With the lock. Every part from the file in which it is now. */
static int map(struct range *range, char *virt, phys_addr_t phys, uint64_t size, uint64_t key,
	       int home, uint64_t home_offset)
{
	for (uint64_t at = 0, length; at < size; at += length) {
		uint64_t offset;
		int fd;

		length = berth_port_share_find(phys + at, size - at, key, &fd, &offset);
		if (fd < 0)
			offset = home_offset + at;
		else if (trap(range))
			length = 0;
		if (length && !berth_port_share_fails() &&
		    mmap(virt + at, length, PROT_READ | PROT_WRITE,
			 MAP_SHARED | MAP_FIXED | MAP_NORESERVE, fd < 0 ? home : fd,
			 (off_t)offset) != MAP_FAILED)
			continue;
		/* To split a mapping may be one too many: then it is at least not accessible any more. */
		if (at && !cover(virt, at))
			mprotect(virt, at, PROT_NONE);
		return -ENOMEM;
	}
	return 0;
}

static int show(void *virt, phys_addr_t phys, uint64_t size, enum berth_memory_type type)
{
	const struct berth_machine *machine = berth_port_machine();
	struct range *range = range_at(virt);
	uint64_t offset;
	int fd = -EINVAL;

	if (machine && machine->show && is_inside(range, virt, size))
		fd = machine->show(phys, size, type, &offset);
	if (fd < 0)
		return fd;
	if (map(range, virt, phys, size, share_key(type), fd, offset)) {
		machine->hide(phys, size, type);
		return -ENOMEM;
	}
	for (uint64_t at = 0; at < size; at += PAGE)
		add(page_at(range, (char *)virt + at), (uintptr_t)virt + at,
		    (phys + at) | share_key(type));
	return 0;
}

int berth_port_range_map(void *virt, phys_addr_t phys, uint64_t size, enum berth_memory_type type)
{
	unsigned long flags = berth_port_share_lock();
	int ret = show(virt, phys, size, type);

	berth_port_share_unlock(flags);
	if (ret == -ENOMEM)
		return berth_port_fail(ret, BERTH_REASON_MAPPING,
				       "vm.max_map_count: mappings of the process", phys, size);
	return ret ? berth_port_fail(ret, BERTH_REASON_MAPPING, "RAM at a range", phys, size) : 0;
}

void berth_port_range_unmap(void *virt, phys_addr_t phys, uint64_t size,
			    enum berth_memory_type type)
{
	const struct berth_machine *machine = berth_port_machine();
	unsigned long flags = berth_port_share_lock();
	struct range *range = range_at(virt);

	if (!cover(virt, size))
		mprotect(virt, size, PROT_NONE);
	for (uint64_t at = 0; is_inside(range, virt, size) && at < size; at += PAGE)
		drop_page(page_at(range, (char *)virt + at));
	if (machine && machine->hide)
		machine->hide(phys, size, type);
	berth_port_share_unlock(flags);
}
