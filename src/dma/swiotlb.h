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
#include <berth/spinlock.h>
#include <berth/swiotlb.h>
#include <berth/types.h>

#define SLOT_SHIFT 11
#define SLOT_SIZE (1u << SLOT_SHIFT)
#define SEGMENT_SLOTS 128u
#define SEGMENT_SIZE (SEGMENT_SLOTS * SLOT_SIZE)
#define SLOTS_OF(bytes) (((bytes) + SLOT_SIZE - 1) >> SLOT_SHIFT)

/*
 * struct bounce_slot - a slot; all but @owner is about the run that begins with it
 * @orig: the first byte that is mapped; of a run that a device keeps, the next one
 * @size: bytes mapped; 0: none
 * @owner: the device whose bytes are in the slot
 * @offset: where the mapping begins in the slot
 * @nr: slots of the run
 * @dir: an enum dma_data_direction
 */
struct bounce_slot {
	uint64_t orig;
	uint32_t size;
	uint32_t owner;
	uint16_t offset;
	uint8_t nr;
	uint8_t dir;
};

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
	uint64_t size;
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
size_t berth_pool_records(uint64_t size, unsigned int nr_areas);

/* Make @records, zeroed, the records of @size bytes from @base on. Return: the pool. */
struct bounce_pool *berth_pool_init(void *records, phys_addr_t base, uint64_t size,
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

/* Runs of these many slots are kept: 1, 2, 4, 8, 16, 32. */
#define BOUNCE_LISTS 6u
#define BOUNCE_BUSY 1u

/*
 * struct bounce_list - runs of one length that a device keeps
 * @head: the first, 0, or BOUNCE_BUSY while somebody has the list: that is its lock, and nobody waits
 * @room: how many more
 * @nr_maps: how often one was taken
 */
struct bounce_list {
	uintptr_t head;
	uint32_t room;
	uint32_t nr_maps;
};

/*
 * struct bounce_device - a device's runs
 * @dev: whose; NULL: nobody's
 * @pool: the only pool they are of
 * @bus: what the device is told for the pool's first byte
 */
struct bounce_device {
	const struct device *dev;
	struct bounce_pool *pool;
	uint64_t bus;
	struct bounce_list lists[BOUNCE_LISTS];
};

/* The pools that all devices share, the newest first. */
extern struct bounce_pool *berth_bounce_pools;
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

/* The number by which slots know the device. */
uint32_t berth_bounce_owner(struct device *dev);

/* One of the device's own runs, or NULL; poisoned still. */
struct bounce_slot *berth_bounce_take_kept(struct bounce_device *d,
					   const struct bounce_request *request);

/* A run goes back, to the device's own if it has room there. */
void berth_bounce_give(struct device *dev, struct bounce_pool *pool, struct bounce_slot *slot);

/* All devices give back what they keep. Return: whether that was anything. */
bool berth_bounce_drain(void);

/* How many mappings of the device were bounced. */
uint64_t berth_bounce_maps(const struct device *dev);

#endif
