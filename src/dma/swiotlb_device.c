// SPDX-License-Identifier: BSD-2-Clause
/* Which runs a device gets: its own, those of a pool in reach, or those of a new pool. */
#include <berth/mm.h>
#include <berth/port.h>
#include <berth/slab.h>

#include "dma/internal.h"
#include "dma/swiotlb.h"
#include "lib/device.h"
#include "lib/error.h"
#include "lib/string.h"
#include "lib/trace.h"
#include "mm/internal.h"

#define MAX_BOUNCE_DEVICES 64
/* A device keeps at most so many runs of a length, and this part of its pool in them. */
#define MAX_KEPT 64u
#define KEPT_PART 64u
/* A new pool has as many bytes as there are already, within these, and all no more than a part of RAM. */
#define MIN_GROWTH (1u << 20)
#define MAX_GROWTH (4u << 20)
#define GROWTH_PART 4u

struct bounce_pool *berth_bounce_pools;

/* The lock is for who has which record; what is in one is its lists' business. */
static struct {
	spinlock_t lock;
	struct bounce_device table[MAX_BOUNCE_DEVICES];
	uint32_t last_owner;
} devices;

#define AT(n) ((n) * (uint8_t)sizeof(struct bounce_list))
#define NONE AT(BOUNCE_KEPT)
const uint8_t berth_bounce_lists[BOUNCE_MAX_KEPT] = {
	AT(0), AT(1), NONE, AT(2), NONE,  NONE, NONE, AT(3), NONE, NONE,  NONE,
	NONE,  NONE,  NONE, NONE,  AT(4), NONE, NONE, NONE,  NONE, NONE,  NONE,
	NONE,  NONE,  NONE, NONE,  NONE,  NONE, NONE, NONE,  NONE, AT(5),
};

void berth_bounce_register(struct device *dev)
{
	dev->p->bounce_owner = __atomic_add_fetch(&devices.last_owner, 1, __ATOMIC_RELAXED);
}

static uint64_t room_for(const struct bounce_pool *pool, unsigned int n)
{
	uint64_t runs = (pool->size / SLOT_SIZE / KEPT_PART) >> n;

	return runs < MAX_KEPT ? runs : MAX_KEPT;
}

static void find_ram(struct bounce_device *d)
{
	d->ram_size = 0;
	for (unsigned int b = 0; b < berth_nr_mem_maps; b++) {
		const struct berth_mem_map *bank = &berth_mem_map[b];

		if (PageHighMem(bank->pages) || bank->nr << PAGE_SHIFT <= d->ram_size)
			continue;
		d->ram = (uintptr_t)phys_to_virt(PFN_PHYS(bank->pfn));
		d->ram_bias = PFN_PHYS(bank->pfn) - d->ram;
		d->ram_size = bank->nr << PAGE_SHIFT;
	}
}

/* The one that it had before, since runs that are mapped may belong there; or one that is nobody's. */
static struct bounce_device *record_for(const struct device *dev)
{
	struct bounce_device *record = NULL;

	for (unsigned int i = 0; i < MAX_BOUNCE_DEVICES; i++) {
		if (devices.table[i].dev == dev)
			return &devices.table[i];
		if (!devices.table[i].dev && !record)
			record = &devices.table[i];
	}
	return record;
}

struct bounce_device *berth_bounce_device(struct device *dev, struct bounce_pool *pool,
					  uint64_t bus)
{
	struct bounce_device *found;
	unsigned long irq;

	spin_lock_irqsave(&devices.lock, irq);
	found = dev->p->bounce ? NULL : record_for(dev);
	if (found) {
		found->dev = dev;
		found->pool = pool;
		found->bus = bus;
		found->size = pool->size;
		found->slots = pool->slots;
		find_ram(found);
		for (unsigned int n = 0; n < BOUNCE_KEPT; n++)
			found->lists[n].counts = room_for(pool, n);
		__atomic_store_n(&dev->p->bounce, found, __ATOMIC_RELEASE);
		if (dev->flags & BERTH_DEVICE_BOUNCE && !dev->min_align_mask &&
		    dev->segment_boundary_mask == UINT64_MAX && !berth_port_is_guarded() &&
		    !berth_is_traced())
			__atomic_store_n(&dev->p->plain, found, __ATOMIC_RELEASE);
	}
	spin_unlock_irqrestore(&devices.lock, irq);
	return dev->p->bounce;
}

/* Give back what a list has; who is just using it keeps it. */
static bool empty(struct bounce_device *d, struct bounce_list *list)
{
	uintptr_t head = __atomic_exchange_n(&list->head, BOUNCE_BUSY, __ATOMIC_ACQUIRE);
	bool found = head > BOUNCE_BUSY;

	if (head == BOUNCE_BUSY)
		return false;
	while (head) {
		struct bounce_slot *slot = (struct bounce_slot *)head;

		head = (uintptr_t)slot->next;
		list->counts++;
		berth_pool_give(d->pool, slot);
	}
	__atomic_store_n(&list->head, 0, __ATOMIC_RELEASE);
	return found;
}

bool berth_bounce_drain(void)
{
	bool found = false;
	unsigned long irq;

	spin_lock_irqsave(&devices.lock, irq);
	for (unsigned int i = 0; i < MAX_BOUNCE_DEVICES; i++)
		for (unsigned int n = 0; devices.table[i].dev && n < BOUNCE_KEPT; n++)
			found |= empty(&devices.table[i], &devices.table[i].lists[n]);
	spin_unlock_irqrestore(&devices.lock, irq);
	return found;
}

void berth_bounce_forget(struct device *dev)
{
	struct bounce_device *d = bounce_of(dev);
	unsigned long irq;

	if (!d)
		return;
	spin_lock_irqsave(&devices.lock, irq);
	__atomic_store_n(&dev->p->bounce, NULL, __ATOMIC_RELAXED);
	__atomic_store_n(&dev->p->plain, NULL, __ATOMIC_RELAXED);
	for (unsigned int n = 0; n < BOUNCE_KEPT; n++) {
		empty(d, &d->lists[n]);
		dev->p->bounce_maps += d->lists[n].counts >> BOUNCE_ROOM_BITS;
		d->lists[n].counts = 0;
	}
	spin_unlock_irqrestore(&devices.lock, irq);
}

/* The next slot from *@at on in which a mapping of @owner begins; NULL. */
static struct bounce_slot *next_live(const struct bounce_pool *pool, uint32_t owner, uint64_t *at)
{
	while (*at < pool->size / SLOT_SIZE) {
		struct bounce_slot *slot = &pool->slots[(*at)++];

		if (__atomic_load_n(&slot->owner, __ATOMIC_RELAXED) == owner &&
		    __atomic_load_n(&slot->size, __ATOMIC_RELAXED))
			return slot;
	}
	return NULL;
}

bool berth_bounce_is_live(const struct device *dev)
{
	const uint32_t owner = dev->p->bounce_owner;
	uint64_t at = 0;

	if (dev->p->pool && next_live(dev->p->pool, owner, &at))
		return true;
	for (struct bounce_pool *pool = bounce_newest(); pool; pool = pool->next) {
		at = 0;
		if (next_live(pool, owner, &at))
			return true;
	}
	return false;
}

/* What a device has mapped when it goes is nobody's any more. */
static unsigned int release_live(struct bounce_pool *pool, uint32_t owner)
{
	struct bounce_slot *slot;
	unsigned int nr = 0;
	uint64_t at = 0;

	while ((slot = next_live(pool, owner, &at)) != NULL) {
		__atomic_store_n(&slot->size, 0, __ATOMIC_RELAXED);
		berth_port_poison(bounce_virt(pool, slot), (size_t)slot->nr << SLOT_SHIFT);
		berth_pool_give(pool, slot);
		nr++;
	}
	return nr;
}

uint64_t berth_bounce_maps(const struct device *dev)
{
	uint64_t maps = __atomic_load_n(&dev->p->bounce_maps, __ATOMIC_RELAXED);
	const struct bounce_device *d = bounce_of(dev);

	for (unsigned int n = 0; d && n < BOUNCE_KEPT; n++)
		maps += d->lists[n].counts >> BOUNCE_ROOM_BITS;
	return maps;
}

void berth_bounce_gone(struct device *dev)
{
	unsigned int nr = 0;
	unsigned long irq;

	berth_bounce_forget(dev);
	if (dev->p->pool)
		nr += release_live(dev->p->pool, dev->p->bounce_owner);
	for (struct bounce_pool *pool = bounce_newest(); pool; pool = pool->next)
		nr += release_live(pool, dev->p->bounce_owner);
	spin_lock_irqsave(&devices.lock, irq);
	for (unsigned int i = 0; i < MAX_BOUNCE_DEVICES; i++)
		if (devices.table[i].dev == dev)
			devices.table[i].dev = NULL;
	spin_unlock_irqrestore(&devices.lock, irq);
	if (nr)
		dev_warn(dev, "goes with %u bounced mappings\n", nr);
}

void berth_bounce_give(struct device *dev, struct bounce_pool *pool, struct bounce_slot *slot)
{
	struct bounce_device *d = bounce_of(dev);

	berth_port_poison(bounce_virt(pool, slot), (size_t)slot->nr << SLOT_SHIFT);
	if (!d || d->pool != pool || slot->nr > BOUNCE_MAX_KEPT ||
	    !bounce_push(bounce_list_of(d, slot->nr - 1), slot))
		berth_pool_give(pool, slot);
}

bool berth_bounce_reaches(const struct device *dev, const struct bounce_pool *pool, uint64_t *bus)
{
	*bus = berth_dma_translate(dev, pool->base, pool->size, berth_dma_limit(dev, dev->dma_mask),
				   NULL);
	return *bus != DMA_MAPPING_ERROR;
}

static uint64_t shared_bytes(void)
{
	uint64_t bytes = 0;

	for (struct bounce_pool *pool = bounce_newest(); pool; pool = pool->next)
		bytes += pool->size;
	return bytes;
}

/* Before those that are there: the last one is the one with room. */
void berth_bounce_add(struct bounce_pool *pool)
{
	pool->next = __atomic_load_n(&berth_bounce_pools, __ATOMIC_RELAXED);
	while (!__atomic_compare_exchange_n(&berth_bounce_pools, &pool->next, pool, false,
					    __ATOMIC_RELEASE, __ATOMIC_RELAXED))
		;
}

static struct bounce_pool *new_pool(struct device *dev, size_t size)
{
	unsigned long nr = (unsigned long)(size >> PAGE_SHIFT);
	unsigned int nr_areas = size >= 4 * SEGMENT_SIZE ? 4 : 1;
	struct page *page;
	dma_addr_t bus;
	void *records;

	page = berth_contiguous_alloc(dev, nr, GFP_NOWAIT | __GFP_NOWARN, dev->dma_mask, &bus);
	if (!page)
		return NULL;
	records = kmalloc(berth_pool_records(size, nr_areas), GFP_NOWAIT | __GFP_NOWARN);
	if (records) {
		struct bounce_pool *pool =
			berth_pool_init(records, page_to_phys(page), size, nr_areas);

		pool->is_grown = true;
		return pool;
	}
	berth_contiguous_free(dev, page, nr);
	return NULL;
}

struct bounce_pool *berth_bounce_grow(struct device *dev, unsigned int nr)
{
	uint64_t have = shared_bytes(), size = have, most = berth_managed_bytes() / GROWTH_PART;
	struct bounce_pool *pool = NULL;

	size = size > MAX_GROWTH ? MAX_GROWTH : size < MIN_GROWTH ? MIN_GROWTH : size;
	while (size > SEGMENT_SIZE && (size & (size - 1)))
		size &= size - 1;
	for (; !pool && size >= (uint64_t)nr << SLOT_SHIFT && size >= SEGMENT_SIZE; size /= 2)
		if (have + size <= most)
			pool = new_pool(dev, (size_t)size);
	if (pool)
		berth_bounce_add(pool);
	return pool;
}

void berth_bounce_reset(void)
{
	struct bounce_pool *pool = berth_bounce_pools, *next;

	berth_bounce_pools = NULL;
	memset(devices.table, 0, sizeof(devices.table));
	for (; pool; pool = next) {
		unsigned long nr = (unsigned long)(pool->size >> PAGE_SHIFT);

		next = pool->next;
		berth_port_unpoison(pool->virt, pool->size);
		if (!pool->is_grown)
			continue;
		berth_contiguous_free(NULL, phys_to_page(pool->base), nr);
		kfree(pool);
	}
}
