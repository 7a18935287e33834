/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Bounce buffers from the inside: pools of slots, and the runs of slots that mappings get.
 *
 * A pool is cut into segments of 128 slots; a run is slots of one segment. The segments are shared
 * out among areas with a lock each. In front of them each device keeps runs of its own that it has
 * given back: taken again by an exchange, still warm, and with no other device's bytes in them.
 */
#ifndef BERTH_DMA_SWIOTLB_H
#define BERTH_DMA_SWIOTLB_H

#include <berth/device.h>
#include <berth/dma-mapping.h>
#include <berth/spinlock.h>
#include <berth/swiotlb.h>
#include <berth/types.h>

#include "lib/device.h"

#define SLOT_SHIFT 11
#define SLOT_SIZE (1u << SLOT_SHIFT)
#define SEGMENT_SLOTS 128u
#define SEGMENT_SIZE (SEGMENT_SLOTS * SLOT_SIZE)
#define SLOTS_OF(bytes) (((bytes) + SLOT_SIZE - 1) >> SLOT_SHIFT)

/*
 * struct bounce_slot - a slot; all but @owner is about the run that begins with it
 * @orig: the first byte that is mapped
 * @next: of a run that a device keeps, the next one; of one that it has from its list, that list
 * @size: bytes mapped; 0: none
 * @key: where the mapping begins in the slot, and its direction: bounce_key()
 * @owner: the device whose bytes are in the slot
 * @nr: slots of the run
 */
struct bounce_slot {
	uint64_t orig;
	uint64_t next;
	uint32_t size;
	uint32_t key;
	uint32_t owner;
	uint32_t nr;
};

static inline uint32_t bounce_key(uint32_t offset, enum dma_data_direction dir)
{
	return offset | (uint32_t)dir << SLOT_SHIFT;
}

static inline uint32_t bounce_offset(const struct bounce_slot *slot)
{
	return slot->key & (SLOT_SIZE - 1);
}

static inline enum dma_data_direction bounce_dir(const struct bounce_slot *slot)
{
	return (enum dma_data_direction)(slot->key >> SLOT_SHIFT);
}

/*
 * struct bounce_segment - which slots are free, and where runs begin
 * @longest: no free run is longer than this
 */
struct bounce_segment {
	uint64_t free[2];
	uint64_t starts[2];
	uint8_t longest;
};

/*
 * struct bounce_area - some segments of a pool
 * @lock: of all that is here and of its segments; nothing else is taken with it
 * @warm: where a run was given back last
 */
struct bounce_area {
	spinlock_t lock;
	struct bounce_segment *segments;
	unsigned int nr_segments;
	unsigned int warm;
	unsigned int nr_free;
};

/*
 * struct bounce_pool - memory to copy through
 * @base: where it is; aligned to a page
 * @virt: the same for the CPU
 * @next: the next pool that all devices share; they are only added to
 * @is_grown: its memory is the page allocator's, its records are kmalloc()'s
 */
struct bounce_pool {
	phys_addr_t base;
	size_t size;
	char *virt;
	struct bounce_slot *slots;
	struct bounce_area *areas;
	unsigned int nr_areas;
	struct bounce_pool *next;
	bool is_grown;
};

/*
 * struct bounce_request - a run that is looked for
 * @nr: slots
 * @pages: only runs that begin with a page
 * @align_mask: these bits of the run's address are as in @align; multiples of a slot
 * @boundary: @size bytes from @offset on do not cross a multiple of this + 1, as the device sees it
 * @bus: what the device is told for the pool's first byte
 */
struct bounce_request {
	unsigned int nr;
	bool pages;
	uint64_t align_mask;
	uint64_t align;
	uint64_t boundary;
	uint64_t bus;
	uint32_t offset;
	uint32_t size;
};

/* Pools (swiotlb_pool.c). */

/* Bytes of records for a pool of @size bytes. */
size_t berth_pool_records(size_t size, unsigned int nr_areas);

/* Make @records, zeroed, the records of @size bytes from @base on. Return: the pool. */
struct bounce_pool *berth_pool_init(void *records, phys_addr_t base, size_t size,
				    unsigned int nr_areas);

/* A run; NULL if there is none. The caller unpoisons it. */
struct bounce_slot *berth_pool_take(struct bounce_pool *pool, const struct bounce_request *request);

/* A run goes back, and joins the free ones around it. */
void berth_pool_give(struct bounce_pool *pool, struct bounce_slot *slot);

/* The first slot of the run around the @index-th slot; NULL if that is free. */
struct bounce_slot *berth_pool_run(struct bounce_pool *pool, uint64_t index);

uint64_t berth_pool_free_slots(struct bounce_pool *pool);

static inline phys_addr_t bounce_phys(const struct bounce_pool *pool,
				      const struct bounce_slot *slot)
{
	return pool->base + ((uint64_t)(slot - pool->slots) << SLOT_SHIFT);
}

static inline char *bounce_virt(const struct bounce_pool *pool, const struct bounce_slot *slot)
{
	return pool->virt + ((size_t)(slot - pool->slots) << SLOT_SHIFT);
}

/* Whether the @index-th slot is one that @request may begin with. */
static inline bool bounce_fits(const struct bounce_pool *pool, const struct bounce_request *request,
			       uint64_t index)
{
	uint64_t at = index << SLOT_SHIFT;
	uint64_t first = request->bus + at + request->offset;

	if (((pool->base + at) ^ request->align) & request->align_mask)
		return false;
	return !((first ^ (first + (request->size - 1))) & ~request->boundary);
}

/* What each device has (swiotlb_device.c). */

/* Runs of 1, 2, 4, 8, 16 and 32 slots are kept; all others are of the last list, which has no room. */
#define BOUNCE_KEPT 6u
#define BOUNCE_LISTS (BOUNCE_KEPT + 1)
#define BOUNCE_MAX_KEPT (1u << (BOUNCE_KEPT - 1))
#define BOUNCE_BUSY 1u

/*
 * struct bounce_list - runs of one length that a device keeps
 * @head: the first, 0, or BOUNCE_BUSY while somebody has the list: that is its lock, and nobody waits
 * @counts: how many more, in the low BOUNCE_ROOM_BITS; above, how often one was taken
 */
struct bounce_list {
	uintptr_t head;
	uint64_t counts;
};

#define BOUNCE_ROOM_BITS 16
#define BOUNCE_ROOM(counts) ((uint16_t)(counts))
#define BOUNCE_ONE_MORE ((1ull << BOUNCE_ROOM_BITS) + 1)

/*
 * struct bounce_device - a device's runs
 * @dev: whose, until it goes; NULL: nobody's
 * @pool: the only pool they are of
 * @bus: what the device is told for the pool's first byte
 * @size: the pool's
 * @slots: the pool's
 * @ram, @ram_size: the largest bank of RAM in the linear map
 * @ram_bias: physical less virtual address
 */
struct bounce_device {
	const struct device *dev;
	struct bounce_pool *pool;
	uint64_t bus;
	uint64_t size;
	struct bounce_slot *slots;
	uintptr_t ram;
	uint64_t ram_size;
	uint64_t ram_bias;
	struct bounce_list lists[BOUNCE_LISTS];
};

/* Where the list for runs of so many slots and one more is, in bytes. */
extern const uint8_t berth_bounce_lists[BOUNCE_MAX_KEPT];

/* The device's record; NULL before its first mapping. And the same where the short way is open. */
static inline struct bounce_device *bounce_of(const struct device *dev)
{
	return __atomic_load_n(&dev->p->bounce, __ATOMIC_ACQUIRE);
}

static inline struct bounce_device *bounce_plain_of(const struct device *dev)
{
	return __atomic_load_n(&dev->p->plain, __ATOMIC_ACQUIRE);
}

/* The list for runs of @nr + 1 slots, BOUNCE_MAX_KEPT at most. */
static inline struct bounce_list *bounce_list_of(struct bounce_device *d, uint32_t nr)
{
	return (struct bounce_list *)(void *)((char *)d->lists + berth_bounce_lists[nr]);
}

/* The address of a run as the device is told. */
static inline dma_addr_t bounce_bus(const struct bounce_device *d, const struct bounce_slot *slot)
{
	return d->bus + (((uintptr_t)slot - (uintptr_t)d->slots) << (SLOT_SHIFT - 5));
}

_Static_assert(sizeof(struct bounce_slot) == 1 << 5, "bounce_bus()");

static inline struct bounce_slot *bounce_pop(struct bounce_list *list)
{
	uintptr_t head = __atomic_exchange_n(&list->head, BOUNCE_BUSY, __ATOMIC_ACQUIRE);
	struct bounce_slot *slot = (struct bounce_slot *)head;

	if (__builtin_expect(head <= BOUNCE_BUSY, 0)) {
		if (!head)
			__atomic_store_n(&list->head, 0, __ATOMIC_RELEASE);
		return NULL;
	}
	list->counts += BOUNCE_ONE_MORE;
	__atomic_store_n(&list->head, (uintptr_t)slot->next, __ATOMIC_RELEASE);
	slot->next = (uintptr_t)list;
	return slot;
}

/* False, and nothing has changed, if there is no room or somebody has the list. */
static inline bool bounce_push(struct bounce_list *list, struct bounce_slot *slot)
{
	uintptr_t head = __atomic_exchange_n(&list->head, BOUNCE_BUSY, __ATOMIC_ACQUIRE);

	if (__builtin_expect(head == BOUNCE_BUSY, 0))
		return false;
	if (__builtin_expect(!BOUNCE_ROOM(list->counts), 0)) {
		__atomic_store_n(&list->head, head, __ATOMIC_RELEASE);
		return false;
	}
	list->counts--;
	slot->next = head;
	__atomic_store_n(&list->head, (uintptr_t)slot, __ATOMIC_RELEASE);
	return true;
}

/*
 * The short way of a mapping, but for its copies, for a device of which everything is bounced, with
 * nothing to align or to poison. NULL or false,
 * and nothing has changed, where it does not lead.
 */
static inline struct bounce_slot *bounce_map_plain(struct bounce_device *d, const void *virt,
						   size_t size, enum dma_data_direction dir)
{
	uint64_t more = (uint64_t)size - 1, last = (uintptr_t)virt + more - d->ram;
	struct bounce_slot *slot;

	if (last >= d->ram_size || more > last || more >= BOUNCE_MAX_KEPT * SLOT_SIZE ||
	    !valid_dma_direction(dir))
		return NULL;
	slot = bounce_pop(bounce_list_of(d, (uint32_t)more >> SLOT_SHIFT));
	if (__builtin_expect(!slot, 0))
		return NULL;
	slot->orig = (uintptr_t)virt + d->ram_bias;
	slot->key = bounce_key(0, dir);
	__atomic_store_n(&slot->size, (uint32_t)size, __ATOMIC_RELEASE);
	return slot;
}

static inline bool bounce_unmap_plain(struct bounce_device *d, dma_addr_t addr, size_t size,
				      enum dma_data_direction dir)
{
	uint64_t at = addr - d->bus;
	struct bounce_slot *slot = &d->slots[at >> SLOT_SHIFT];
	uint32_t mapped = (uint32_t)size;
	struct bounce_list *list;

	if (at >= d->size || at & (SLOT_SIZE - 1) || slot->key != bounce_key(0, dir) ||
	    size - 1 >= SEGMENT_SIZE)
		return false;
	list = (struct bounce_list *)(uintptr_t)slot->next;
	/* Of two who unmap it at once, one gets no further than here. */
	if (!__atomic_compare_exchange_n(&slot->size, &mapped, 0, false, __ATOMIC_ACQ_REL,
					 __ATOMIC_RELAXED))
		return false;
	if (!list || !bounce_push(list, slot))
		berth_pool_give(d->pool, slot);
	return true;
}

/*
 * The copies of the short way: in, from @virt, where the address of the run is returned; and out,
 * true if the mapping is as it is said to be.
 */
dma_addr_t berth_bounce_fill(const struct device *dev, const struct bounce_device *d,
			     const struct bounce_slot *slot, const void *virt, unsigned long attrs);
bool berth_bounce_fetch(const struct device *dev, const struct bounce_device *d, dma_addr_t addr,
			size_t size, enum dma_data_direction dir);

/* Copy between memory, which may be high, and a run. Return: 0, or what was not copied. */
size_t berth_bounce_copy(phys_addr_t phys, char *slot, size_t size, bool in);

/* The pools that all devices share, the newest first; another thread may add one at any time. */
extern struct bounce_pool *berth_bounce_pools;
static inline struct bounce_pool *bounce_newest(void)
{
	return __atomic_load_n(&berth_bounce_pools, __ATOMIC_ACQUIRE);
}

void berth_bounce_add(struct bounce_pool *pool);

/* Forget the pools; nobody uses them any more. */
void berth_bounce_reset(void);

/* More slots for @dev, @nr in a row at least; NULL if that cannot be. Any context. */
struct bounce_pool *berth_bounce_grow(struct device *dev, unsigned int nr);

/* Whether @dev reaches all of @pool; *@bus is what it is told for the first byte. */
bool berth_bounce_reaches(const struct device *dev, const struct bounce_pool *pool, uint64_t *bus);

/* The device's record, made when it is missing; NULL if there are too many. */
struct bounce_device *berth_bounce_device(struct device *dev, struct bounce_pool *pool,
					  uint64_t bus);

/* A run goes back, to the device's own if it has room there. */
void berth_bounce_give(struct device *dev, struct bounce_pool *pool, struct bounce_slot *slot);

/* All devices give back what they keep. Return: whether that was anything. */
bool berth_bounce_drain(void);

/* How many mappings of the device were bounced. */
uint64_t berth_bounce_maps(const struct device *dev);

#endif
