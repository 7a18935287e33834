/* SPDX-License-Identifier: BSD-2-Clause */
/* Movable anonymous memory: the tenant whose pages a program uses while they move. */
#include <berth/anon.h>
#include <berth/migrate.h>
#include <berth/port.h>
#include <berth/slab.h>

#include "lib/error.h"
#include "lib/string.h"
#include "mm/internal.h"
#include "mm/swap.h"
#include "mm/user.h"

/*
 * One page of a region. @lock is held over waits (a move, an allocation, swap), so who finds it taken
 * sleeps on it. @entry: the page's number + 1, or ENTRY_SWAP and where in swap it is, or 0.
 */
struct anon_slot {
	uint32_t lock;
	uint32_t entry;
};

#define SLOT_LOCKED 1u
#define SLOT_WAITERS 2u
#define ENTRY_SWAP 0x80000000u

/* struct page::index: the region's number, and the page's place in it. */
#define REGION_SHIFT 40
#define PAGE_AT ((1ULL << REGION_SHIFT) - 1)
/* Of 64 bits as many as an index has, of 32 half of all addresses. */
#define ANON_MAX_SIZE ((size_t)1 << (sizeof(size_t) > 4 ? 40 : 31))
#define MAX_ID ((1u << (64 - REGION_SHIFT)) - 1)

#define SLOTS_PER_CHUNK (PAGE_SIZE / sizeof(struct anon_slot))

struct anon_region {
	struct berth_user_range range;
	struct anon_region *next;
	uint32_t id; /* of the region, in struct page::index */
	uint32_t users; /* isolated pages, and callers between get_region() and put_region() */
	bool is_going; /* no new users */
	uint64_t nr; /* pages */
	struct anon_slot *chunks[]; /* SLOTS_PER_CHUNK each */
};

/*
 * Guards the list of regions and their user counts; a leaf. A slot's lock comes before all others of
 * this file and of the page allocator's, and is never waited for while another slot is locked.
 */
static DEFINE_SPINLOCK(regions_lock);
#define BUCKETS 64u
static struct anon_region *regions[BUCKETS]; /* by number */
static uint32_t next_id;
static struct berth_anon_stats totals; /* atomic */

static struct anon_slot *slot_of(struct anon_region *region, uint64_t at)
{
	return &region->chunks[at / SLOTS_PER_CHUNK][at % SLOTS_PER_CHUNK];
}

static void *address_of(const struct anon_region *region, uint64_t at)
{
	return (char *)region->range.virt + (at << PAGE_SHIFT);
}

static void count(uint64_t *total, int64_t nr)
{
	__atomic_fetch_add(total, (uint64_t)nr, __ATOMIC_RELAXED);
}

static bool slot_trylock(struct anon_slot *slot)
{
	return !(__atomic_fetch_or(&slot->lock, SLOT_LOCKED, __ATOMIC_ACQUIRE) & SLOT_LOCKED);
}

static void slot_lock(struct anon_slot *slot)
{
	while (!slot_trylock(slot)) {
		uint32_t old = __atomic_fetch_or(&slot->lock, SLOT_WAITERS, __ATOMIC_RELAXED);

		if (old & SLOT_LOCKED)
			berth_port_wait(&slot->lock, old | SLOT_WAITERS, UINT64_MAX);
	}
}

/* Unlock; from now on the slot says @entry. */
static void slot_unlock(struct anon_slot *slot, uint32_t entry)
{
	__atomic_store_n(&slot->entry, entry, __ATOMIC_RELAXED);
	if (__atomic_exchange_n(&slot->lock, 0, __ATOMIC_RELEASE) & SLOT_WAITERS)
		berth_port_wake(&slot->lock);
}

static uint32_t entry_of(const struct anon_slot *slot)
{
	return __atomic_load_n(&slot->entry, __ATOMIC_RELAXED);
}

static struct page *page_of(uint32_t entry)
{
	return entry && !(entry & ENTRY_SWAP) ? pfn_to_page(entry - 1) : NULL;
}

static uint32_t entry_for(const struct page *page)
{
	return (uint32_t)page_to_pfn(page) + 1;
}

static uint64_t index_of(const struct anon_region *region, uint64_t at)
{
	return (uint64_t)region->id << REGION_SHIFT | at;
}

/* With the lock of the regions. */
static struct anon_region *find_region(uint64_t index)
{
	struct anon_region *region = regions[(index >> REGION_SHIFT) % BUCKETS];

	while (region && region->id != index >> REGION_SHIFT)
		region = region->next;
	return region;
}

/* With the lock of the regions. */
static void use_region(struct anon_region *region)
{
	__atomic_fetch_add(&region->users, 1, __ATOMIC_RELAXED);
}

/* The region of a page's index, kept until put_region(); NULL if it is going. */
static struct anon_region *get_region(uint64_t index)
{
	struct anon_region *region;
	unsigned long flags;

	spin_lock_irqsave(&regions_lock, flags);
	region = find_region(index);
	/* A page that was pinned when its region went may have an index that means nothing. */
	if (region && (region->is_going || (index & PAGE_AT) >= region->nr))
		region = NULL;
	if (region)
		use_region(region);
	spin_unlock_irqrestore(&regions_lock, flags);
	return region;
}

static void put_region(struct anon_region *region)
{
	unsigned long flags;

	/* Under the lock: after it, the region may be gone. */
	spin_lock_irqsave(&regions_lock, flags);
	if (!__atomic_sub_fetch(&region->users, 1, __ATOMIC_RELEASE))
		berth_port_wake(&region->users);
	spin_unlock_irqrestore(&regions_lock, flags);
}

/* The tenant. An isolated page's slot stays locked until it was moved or put back. */

static bool anon_isolate(struct page *page, unsigned int mode)
{
	struct anon_region *region = get_region(page->index);
	struct anon_slot *slot;

	(void)mode;
	if (!region)
		return false;
	slot = slot_of(region, page->index & PAGE_AT);
	if (slot_trylock(slot)) {
		if (entry_of(slot) == entry_for(page))
			return true;
		slot_unlock(slot, entry_of(slot));
	}
	put_region(region);
	return false;
}

/* The region of an isolated page, which isolate_page() keeps. */
static struct anon_region *isolated_region(const struct page *page, struct anon_slot **slot,
					   uint64_t *at)
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
	struct anon_slot *slot;
	struct anon_region *region = isolated_region(page, &slot, &at);

	slot_unlock(slot, entry_of(slot));
	put_region(region);
}

static unsigned int anon_migrate_pages(struct page *const *dst, struct page *const *src,
				       unsigned int nr, enum migrate_mode mode)
{
	struct berth_port_view view = { NULL, BERTH_ACCESS_WRITE };
	struct anon_region *region = NULL;
	struct anon_slot *slot;
	uint64_t at;
	unsigned int i;

	(void)mode;
	for (i = 0; i < nr; i++) {
		region = isolated_region(src[i], &slot, &at);
		view.virt = address_of(region, at);
		if (berth_port_user_move(&view, 1, page_to_phys(src[i]), page_to_phys(dst[i]),
					 PAGE_SIZE))
			break;
		slot_unlock(slot, entry_for(dst[i]));
		put_region(region);
		count(&totals.moved, 1);
	}
	return i;
}

static int anon_migrate(struct page *dst, struct page *src, enum migrate_mode mode)
{
	return anon_migrate_pages(&dst, &src, 1, mode) ? 0 : -EAGAIN;
}

/* The page goes to swap. Its slot is locked, as that of any isolated page. */
static bool anon_reclaim(struct page *page)
{
	uint64_t at;
	struct anon_slot *slot;
	struct anon_region *region = isolated_region(page, &slot, &at);
	void *virt = address_of(region, at);
	uint32_t place;

	if (!berth_swap_alloc(&place))
		return false;
	if (berth_port_user_protect(virt, PAGE_SIZE, BERTH_ACCESS_NONE)) {
		berth_swap_free(place);
		return false;
	}
	if (berth_swap_write(place, page)) {
		berth_swap_free(place);
		/* If that fails too, the next access asks for it again. */
		berth_port_user_map(virt, page_to_phys(page), PAGE_SIZE, BERTH_ACCESS_WRITE);
		return false;
	}
	count(&totals.pages, -1);
	count(&totals.swapped, 1);
	count(&totals.swap_outs, 1);
	slot_unlock(slot, ENTRY_SWAP | place);
	put_region(region);
	return true;
}

static const struct movable_operations anon_ops = {
	.isolate_page = anon_isolate,
	.migrate_page = anon_migrate,
	.migrate_pages = anon_migrate_pages,
	.putback_page = anon_putback,
	.reclaim_page = anon_reclaim,
	.room = berth_swap_room,
	.name = "anonymous memory",
};

/* A page for a slot that has none, with what is in swap, or zeroes. 0 or a negative errno value. */
static int new_page(struct anon_region *region, uint64_t at, uint32_t entry, struct page **page)
{
	gfp_t gfp = GFP_KERNEL | (entry ? 0 : __GFP_ZERO);
	int err = 0;

	*page = berth_alloc_movable(&anon_ops, gfp, index_of(region, at));
	if (!*page)
		return -ENOMEM;
	if (page_to_pfn(*page) >= ENTRY_SWAP - 1)
		err = berth_fail_at(-ENOMEM, BERTH_REASON_TABLE_FULL, "anonymous memory",
				    page_to_phys(*page));
	if (!err && entry)
		err = berth_swap_read(entry & ~ENTRY_SWAP, *page);
	if (err)
		__free_page(*page);
	return err;
}

/* A page comes into memory, from swap if that is what @old says; or does not after all. */
static void count_in(uint32_t old, int64_t nr)
{
	count(&totals.pages, nr);
	if (!old)
		return;
	count(&totals.swapped, -nr);
	count(&totals.swap_ins, nr);
}

/* With the slot's lock: show its page. Counted before: who waits for it goes on from there. */
static int show_page(struct anon_region *region, uint64_t at, uint32_t *entry)
{
	struct page *page = page_of(*entry);
	uint32_t old = *entry;
	int err;

	if (page)
		return berth_port_user_map(address_of(region, at), page_to_phys(page), PAGE_SIZE,
					   BERTH_ACCESS_WRITE);
	err = new_page(region, at, old, &page);
	if (err)
		return err;
	count_in(old, 1);
	err = berth_port_user_map(address_of(region, at), page_to_phys(page), PAGE_SIZE,
				  BERTH_ACCESS_WRITE);
	if (err) {
		count_in(old, -1);
		__free_page(page);
		return err;
	}
	*entry = entry_for(page);
	if (old)
		berth_swap_free(old & ~ENTRY_SWAP);
	return 0;
}

/* A page is touched; several threads may come for the same one. */
static int populate(struct anon_region *region, uint64_t at)
{
	struct anon_slot *slot = slot_of(region, at);
	uint32_t entry;
	int err;

	slot_lock(slot);
	entry = entry_of(slot);
	err = show_page(region, at, &entry);
	slot_unlock(slot, entry);
	return err;
}

static int anon_fault(void *data, uint64_t offset, bool is_write)
{
	(void)is_write;
	return populate(data, offset >> PAGE_SHIFT);
}

/* struct berth_user_range::page. A page does not move while its slot is locked. */
static int anon_page(void *data, uint64_t offset, bool is_write, struct page **page)
{
	struct anon_region *region = data;
	struct anon_slot *slot = slot_of(region, offset >> PAGE_SHIFT);
	uint32_t entry;
	int err = 0;

	(void)is_write;
	slot_lock(slot);
	entry = entry_of(slot);
	if (!page_of(entry))
		err = show_page(region, offset >> PAGE_SHIFT, &entry);
	if (!err) {
		*page = page_of(entry);
		get_page(*page);
	}
	slot_unlock(slot, entry);
	return err;
}

/* Regions. */

static void free_region(struct anon_region *region)
{
	uint64_t chunks = (region->nr + SLOTS_PER_CHUNK - 1) / SLOTS_PER_CHUNK;

	for (uint64_t i = 0; i < chunks; i++)
		free_pages((unsigned long)region->chunks[i], 0);
	kfree(region);
}

static struct anon_region *new_region(size_t nr)
{
	size_t chunks = (nr + SLOTS_PER_CHUNK - 1) / SLOTS_PER_CHUNK;
	struct anon_region *region =
		kzalloc(sizeof(*region) + chunks * sizeof(region->chunks[0]), GFP_KERNEL);

	if (!region)
		return NULL;
	region->nr = nr;
	for (size_t i = 0; i < chunks; i++) {
		region->chunks[i] = (struct anon_slot *)get_zeroed_page(GFP_KERNEL);
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
	do
		region->id = ++next_id & MAX_ID;
	while (find_region(index_of(region, 0)));
	region->next = regions[region->id % BUCKETS];
	regions[region->id % BUCKETS] = region;
	spin_unlock_irqrestore(&regions_lock, flags);
}

/* Wait until the last page of a region that is going was put back, and forget the region. */
static void unlink_region(struct anon_region *region)
{
	struct anon_region **at = &regions[region->id % BUCKETS];
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

	if (!size || size > ANON_MAX_SIZE) {
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
	region->range = (struct berth_user_range){ .virt = virt,
						   .size = region->nr << PAGE_SHIFT,
						   .fault = anon_fault,
						   .page = anon_page,
						   .data = region };
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
	struct anon_region *region = NULL;
	unsigned long flags;

	spin_lock_irqsave(&regions_lock, flags);
	for (unsigned int i = 0; i < BUCKETS && !region; i++)
		for (region = regions[i]; region; region = region->next) {
			uint64_t at = (uintptr_t)virt - (uintptr_t)region->range.virt;

			if (!region->is_going && (is_whole ? !at : at < region->range.size))
				break;
		}
	if (region && is_going)
		region->is_going = true;
	else if (region)
		use_region(region);
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

		if (entry & ENTRY_SWAP) {
			berth_swap_free(entry & ~ENTRY_SWAP);
			count(&totals.swapped, -1);
		} else if (entry) {
			put_page(page_of(entry));
			count(&totals.pages, -1);
		}
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

/* The region with the lowest number above @id, kept; NULL: there is none. */
static struct anon_region *next_region(uint32_t id)
{
	struct anon_region *found = NULL;
	unsigned long flags;

	spin_lock_irqsave(&regions_lock, flags);
	for (unsigned int i = 0; i < BUCKETS; i++)
		for (struct anon_region *region = regions[i]; region; region = region->next)
			if (!region->is_going && region->id > id &&
			    (!found || region->id < found->id))
				found = region;
	if (found)
		use_region(found);
	spin_unlock_irqrestore(&regions_lock, flags);
	return found;
}

static int bring_back(struct anon_region *region, uint32_t mask, uint32_t places)
{
	int err = 0;

	for (uint64_t at = 0; !err && at < region->nr; at++) {
		uint32_t entry = entry_of(slot_of(region, at));

		if (entry & ENTRY_SWAP && (entry & mask) == places)
			err = populate(region, at);
	}
	return err;
}

int berth_anon_bring_back(uint32_t mask, uint32_t places)
{
	struct anon_region *region;
	uint32_t id = 0;
	int err = 0;

	while (!err && (region = next_region(id)) != NULL) {
		id = region->id;
		err = bring_back(region, mask, places);
		put_region(region);
	}
	return err;
}

void berth_anon_stats(struct berth_anon_stats *stats)
{
	stats->pages = __atomic_load_n(&totals.pages, __ATOMIC_RELAXED);
	stats->swapped = __atomic_load_n(&totals.swapped, __ATOMIC_RELAXED);
	stats->moved = __atomic_load_n(&totals.moved, __ATOMIC_RELAXED);
	stats->swap_outs = __atomic_load_n(&totals.swap_outs, __ATOMIC_RELAXED);
	stats->swap_ins = __atomic_load_n(&totals.swap_ins, __ATOMIC_RELAXED);
}

void berth_anon_reset(void)
{
	for (unsigned int i = 0; i < BUCKETS; i++)
		while (regions[i])
			berth_anon_free(regions[i]->range.virt);
	next_id = 0;
	totals.moved = totals.swap_outs = totals.swap_ins = 0;
}
