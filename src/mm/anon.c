/* SPDX-License-Identifier: BSD-2-Clause */
/* Movable anonymous memory: the tenant whose pages a program uses while they move. */
#include <berth/anon.h>
#include <berth/migrate.h>
#include <berth/port.h>
#include <berth/slab.h>

#include "lib/error.h"
#include "lib/string.h"
#include "mm/internal.h"
#include "mm/user.h"

/*
 * One page of a region: its page number + 1, 0 while there is none, and a lock in the top bit. The
 * lock is held over waits (a move, an allocation), so who finds it taken sleeps on the word.
 */
#define SLOT_LOCKED 0x80000000u
#define SLOT_WAITERS 0x40000000u
#define SLOT_PFN 0x3fffffffu

/* struct page::index: the region's number, and the page's place in it. */
#define REGION_SHIFT 40
#define PAGE_AT ((1ULL << REGION_SHIFT) - 1)

#define SLOTS_PER_CHUNK (PAGE_SIZE / sizeof(uint32_t))

struct anon_region {
	struct berth_user_range range;
	struct anon_region *next;
	uint32_t id; /* of the region, in struct page::index */
	uint32_t users; /* isolated pages, and callers between get_region() and put_region() */
	bool is_going; /* no new users */
	uint64_t nr; /* pages */
	uint32_t *chunks[]; /* SLOTS_PER_CHUNK slots each */
};

/*
 * Guards the list of regions and their user counts; a leaf. A slot's lock comes before all others of
 * this file and of the page allocator's, and is never waited for while another slot is locked.
 */
static DEFINE_SPINLOCK(regions_lock);
static struct anon_region *regions;
static uint32_t next_id;
static uint64_t nr_pages, nr_moved;

static uint32_t *slot_of(struct anon_region *region, uint64_t at)
{
	return &region->chunks[at / SLOTS_PER_CHUNK][at % SLOTS_PER_CHUNK];
}

static void *address_of(const struct anon_region *region, uint64_t at)
{
	return (char *)region->range.virt + (at << PAGE_SHIFT);
}

static bool slot_trylock(uint32_t *slot)
{
	uint32_t old = __atomic_load_n(slot, __ATOMIC_RELAXED);

	return !(old & SLOT_LOCKED) &&
	       __atomic_compare_exchange_n(slot, &old, old | SLOT_LOCKED, false, __ATOMIC_ACQUIRE,
					   __ATOMIC_RELAXED);
}

static void slot_lock(uint32_t *slot)
{
	while (!slot_trylock(slot)) {
		uint32_t old = __atomic_load_n(slot, __ATOMIC_RELAXED);

		if (!(old & SLOT_LOCKED))
			continue;
		if (!(old & SLOT_WAITERS) &&
		    !__atomic_compare_exchange_n(slot, &old, old | SLOT_WAITERS, false,
						 __ATOMIC_RELAXED, __ATOMIC_RELAXED))
			continue;
		berth_port_wait(slot, old | SLOT_WAITERS, UINT64_MAX);
	}
}

/* Unlock, and let the slot name @pfn; UINT32_MAX for none. */
static void slot_unlock(uint32_t *slot, uint32_t entry)
{
	if (__atomic_exchange_n(slot, entry, __ATOMIC_RELEASE) & SLOT_WAITERS)
		berth_port_wake(slot);
}

static uint32_t entry_of(const uint32_t *slot)
{
	return __atomic_load_n(slot, __ATOMIC_RELAXED) & SLOT_PFN;
}

static uint64_t index_of(const struct anon_region *region, uint64_t at)
{
	return (uint64_t)region->id << REGION_SHIFT | at;
}

/* With the lock of the regions. */
static struct anon_region *find_region(uint64_t index)
{
	struct anon_region *region = regions;

	while (region && region->id != index >> REGION_SHIFT)
		region = region->next;
	return region;
}

/* The region of a page's index, kept until put_region(); NULL if it is going. */
static struct anon_region *get_region(uint64_t index)
{
	struct anon_region *region;
	unsigned long flags;

	spin_lock_irqsave(&regions_lock, flags);
	region = find_region(index);
	if (region && region->is_going)
		region = NULL;
	if (region)
		region->users++;
	spin_unlock_irqrestore(&regions_lock, flags);
	return region;
}

static void put_region(struct anon_region *region)
{
	unsigned long flags;

	/* Under the lock: after it, the region may be gone. */
	spin_lock_irqsave(&regions_lock, flags);
	region->users--;
	berth_port_wake(&region->users);
	spin_unlock_irqrestore(&regions_lock, flags);
}

/* The tenant. An isolated page's slot stays locked until it was moved or put back. */

static bool anon_isolate(struct page *page, unsigned int mode)
{
	struct anon_region *region = get_region(page->index);
	uint32_t *slot;

	(void)mode;
	if (!region)
		return false;
	slot = slot_of(region, page->index & PAGE_AT);
	if (slot_trylock(slot)) {
		if (entry_of(slot) == page_to_pfn(page) + 1)
			return true;
		slot_unlock(slot, entry_of(slot));
	}
	put_region(region);
	return false;
}

/* The region of an isolated page, which isolate_page() keeps. */
static struct anon_region *isolated_region(const struct page *page, uint32_t **slot, uint64_t *at)
{
	struct anon_region *region;
	unsigned long flags;

	spin_lock_irqsave(&regions_lock, flags);
	region = find_region(page->index);
	spin_unlock_irqrestore(&regions_lock, flags);
	*at = page->index & PAGE_AT;
	*slot = slot_of(region, *at);
	return region;
}

static void anon_putback(struct page *page)
{
	uint64_t at;
	uint32_t *slot;
	struct anon_region *region = isolated_region(page, &slot, &at);

	slot_unlock(slot, entry_of(slot));
	put_region(region);
}

static unsigned int anon_migrate_pages(struct page *const *dst, struct page *const *src,
				       unsigned int nr, enum migrate_mode mode)
{
	struct berth_port_view view = { NULL, BERTH_ACCESS_WRITE };
	struct anon_region *region = NULL;
	uint32_t *slot;
	uint64_t at;
	unsigned int i;

	(void)mode;
	for (i = 0; i < nr; i++) {
		region = isolated_region(src[i], &slot, &at);
		view.virt = address_of(region, at);
		if (berth_port_user_move(&view, 1, page_to_phys(src[i]), page_to_phys(dst[i]),
					 PAGE_SIZE))
			break;
		slot_unlock(slot, (uint32_t)page_to_pfn(dst[i]) + 1);
		put_region(region);
		__atomic_fetch_add(&nr_moved, 1, __ATOMIC_RELAXED);
	}
	return i;
}

static int anon_migrate(struct page *dst, struct page *src, enum migrate_mode mode)
{
	return anon_migrate_pages(&dst, &src, 1, mode) ? 0 : -EAGAIN;
}

static const struct movable_operations anon_ops = {
	.isolate_page = anon_isolate,
	.migrate_page = anon_migrate,
	.migrate_pages = anon_migrate_pages,
	.putback_page = anon_putback,
	.name = "anonymous memory",
};

/* The first touch of a page; several threads may come for the same one. */
static int populate(struct anon_region *region, uint64_t at)
{
	uint32_t *slot = slot_of(region, at);
	struct page *page = NULL;
	uint32_t entry;
	int err = 0;

	slot_lock(slot);
	entry = entry_of(slot);
	if (entry)
		goto unlock;
	page = berth_alloc_movable(&anon_ops, GFP_KERNEL | __GFP_ZERO, index_of(region, at));
	if (!page) {
		err = -ENOMEM;
		goto unlock;
	}
	/* Counted before it is mapped: who waits for it goes on from there. */
	__atomic_fetch_add(&nr_pages, 1, __ATOMIC_RELAXED);
	err = berth_port_user_map(address_of(region, at), page_to_phys(page), PAGE_SIZE,
				  BERTH_ACCESS_WRITE);
	if (err) {
		__atomic_fetch_sub(&nr_pages, 1, __ATOMIC_RELAXED);
		__free_page(page);
	} else {
		entry = (uint32_t)page_to_pfn(page) + 1;
	}
unlock:
	slot_unlock(slot, entry);
	return err;
}

static int anon_fault(void *data, uint64_t offset, bool is_write)
{
	(void)is_write;
	return populate(data, offset >> PAGE_SHIFT);
}

/* Regions. */

static void free_region(struct anon_region *region)
{
	uint64_t chunks = (region->nr + SLOTS_PER_CHUNK - 1) / SLOTS_PER_CHUNK;

	for (uint64_t i = 0; i < chunks; i++)
		free_pages((unsigned long)region->chunks[i], 0);
	kfree(region);
}

static struct anon_region *new_region(uint64_t nr)
{
	uint64_t chunks = (nr + SLOTS_PER_CHUNK - 1) / SLOTS_PER_CHUNK;
	struct anon_region *region =
		kzalloc(sizeof(*region) + chunks * sizeof(region->chunks[0]), GFP_KERNEL);

	if (!region)
		return NULL;
	region->nr = nr;
	for (uint64_t i = 0; i < chunks; i++) {
		region->chunks[i] = (uint32_t *)get_zeroed_page(GFP_KERNEL);
		if (!region->chunks[i]) {
			free_region(region);
			return NULL;
		}
	}
	return region;
}

/* From here on its pages can be found. */
static void link_region(struct anon_region *region)
{
	unsigned long flags;

	spin_lock_irqsave(&regions_lock, flags);
	region->id = ++next_id & 0xffffff;
	region->next = regions;
	regions = region;
	spin_unlock_irqrestore(&regions_lock, flags);
}

/* Wait until the last page of a region that is going was put back, and forget the region. */
static void unlink_region(struct anon_region *region)
{
	struct anon_region **at = &regions;
	unsigned long flags;
	uint32_t users;

	while ((users = __atomic_load_n(&region->users, __ATOMIC_ACQUIRE)) != 0)
		berth_port_wait(&region->users, users, UINT64_MAX);
	/* With the lock, which the last one may still have in put_region(). */
	spin_lock_irqsave(&regions_lock, flags);
	while (*at != region)
		at = &(*at)->next;
	*at = region->next;
	spin_unlock_irqrestore(&regions_lock, flags);
}

void *berth_anon_alloc(size_t size)
{
	struct anon_region *region;
	void *virt;

	if (!size || size > 1ULL << 40) {
		berth_fail_at(-EINVAL, BERTH_REASON_ARGUMENT, "berth_anon_alloc", size);
		return NULL;
	}
	if (berth_tenant_register(&anon_ops))
		return NULL;
	region = new_region(PFN_UP(size));
	if (!region)
		return NULL;
	virt = berth_port_user_reserve(region->nr << PAGE_SHIFT);
	if (!virt)
		goto free;
	region->range = (struct berth_user_range){
		.virt = virt, .size = region->nr << PAGE_SHIFT, .fault = anon_fault, .data = region
	};
	link_region(region);
	if (!berth_user_range_register(&region->range))
		return virt;
	unlink_region(region);
	berth_port_user_release(virt, region->nr << PAGE_SHIFT);
free:
	free_region(region);
	return NULL;
}

/* The region around @virt; NULL with the reason. With @is_whole @virt must be its start. */
static struct anon_region *region_at(const void *virt, bool is_whole, bool is_going)
{
	struct anon_region *region;
	unsigned long flags;

	spin_lock_irqsave(&regions_lock, flags);
	for (region = regions; region; region = region->next) {
		uint64_t at = (uintptr_t)virt - (uintptr_t)region->range.virt;

		if (!region->is_going && (is_whole ? !at : at < region->range.size))
			break;
	}
	if (region && is_going)
		region->is_going = true;
	else if (region)
		region->users++;
	spin_unlock_irqrestore(&regions_lock, flags);
	if (!region)
		berth_fail_at(-EINVAL, BERTH_REASON_NOT_OWNED, "anonymous memory", (uintptr_t)virt);
	return region;
}

void berth_anon_free(void *virt)
{
	struct anon_region *region;

	if (!virt)
		return;
	region = region_at(virt, true, true);
	if (!region)
		return;
	unlink_region(region);
	berth_user_range_unregister(&region->range);
	berth_port_user_release(virt, region->range.size);
	for (uint64_t at = 0; at < region->nr; at++) {
		uint32_t entry = entry_of(slot_of(region, at));

		if (!entry)
			continue;
		put_page(pfn_to_page(entry - 1));
		__atomic_fetch_sub(&nr_pages, 1, __ATOMIC_RELAXED);
	}
	free_region(region);
}

int berth_anon_populate(void *virt, size_t size)
{
	struct anon_region *region = region_at(virt, false, false);
	uint64_t at, last;
	int err = 0;

	if (!region)
		return -EINVAL;
	at = ((uintptr_t)virt - (uintptr_t)region->range.virt) >> PAGE_SHIFT;
	if (!size || size > region->range.size - (at << PAGE_SHIFT)) {
		err = berth_fail_at(-EINVAL, BERTH_REASON_ARGUMENT, "berth_anon_populate", size);
	} else {
		last = ((uintptr_t)virt + size - 1 - (uintptr_t)region->range.virt) >> PAGE_SHIFT;
		for (; !err && at <= last; at++)
			err = populate(region, at);
	}
	put_region(region);
	return err;
}

void berth_anon_stats(struct berth_anon_stats *stats)
{
	stats->pages = __atomic_load_n(&nr_pages, __ATOMIC_RELAXED);
	stats->moved = __atomic_load_n(&nr_moved, __ATOMIC_RELAXED);
}

void berth_anon_reset(void)
{
	while (regions)
		berth_anon_free(regions->range.virt);
	next_id = 0;
	nr_moved = 0;
}
