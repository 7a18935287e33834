// SPDX-License-Identifier: BSD-2-Clause
/* Bounce buffers: the pool from the start, restricted pools, and coherent memory out of those. */
#include <berth/memblock.h>
#include <berth/mm.h>
#include <berth/slab.h>

#include "dma/internal.h"
#include "dma/swiotlb.h"
#include "lib/device.h"
#include "lib/error.h"
#include "lib/string.h"
#include "mm/internal.h"

#define DEFAULT_SIZE (64ull << 20)
/* Of RAM; without swiotlb=N. */
#define DEFAULT_PART 16u
#define DEFAULT_AREAS 4u
#define MAX_AREAS 64u
/* Where nearly all devices reach. */
#define LOW_LIMIT (1ull << 32)

enum berth_swiotlb_mode berth_swiotlb_mode;

static struct {
	uint64_t slots;
	unsigned int nr_areas;
	struct bounce_pool *pool;
} first;

/* The pools of memory-region. */
static struct bounce_pool *restricted;

static bool digits(const char **at, uint64_t *value)
{
	const char *start = *at;

	for (*value = 0; **at >= '0' && **at <= '9' && *value < 1ull << 40; ++*at)
		*value = *value * 10 + (uint64_t)(**at - '0');
	return *at != start;
}

static bool word(const char **at, const char *wanted)
{
	size_t length = berth_strlen(wanted);
	char end = berth_strnlen(*at, length) == length ? (*at)[length] : 'x';

	if (memcmp(*at, wanted, berth_strnlen(*at, length)) || (end && end != ' ' && end != ','))
		return false;
	*at += length;
	return true;
}

/* [SLOTS[,AREAS]][,force|noforce] */
static int parse(const char *arg)
{
	const char *at = arg;
	uint64_t areas = 0;

	if (digits(&at, &first.slots) && *at == ',') {
		at++;
		if (digits(&at, &areas) && *at == ',')
			at++;
	}
	if (word(&at, "force"))
		berth_swiotlb_mode = BERTH_SWIOTLB_FORCE;
	else if (word(&at, "noforce"))
		berth_swiotlb_mode = BERTH_SWIOTLB_OFF;
	if (at == arg || (*at && *at != ' ') || first.slots > UINT32_MAX)
		return berth_fail_at(-EINVAL, BERTH_REASON_ARGUMENT, "swiotlb=", first.slots);
	if (areas)
		first.nr_areas = (unsigned int)(areas < MAX_AREAS ? areas : MAX_AREAS);
	return 0;
}

static bool is_there_high_ram(void)
{
	struct berth_range range;
	enum memblock_flags flags;

	for (unsigned int i = 0; berth_memblock_next(false, i, &range, &flags); i++)
		if (!(flags & MEMBLOCK_NOMAP) && range.base + range.size > LOW_LIMIT)
			return true;
	return false;
}

static uint64_t wanted_bytes(void)
{
	uint64_t bytes = memblock_phys_mem_size() / DEFAULT_PART;

	if (berth_swiotlb_mode == BERTH_SWIOTLB_OFF)
		return 0;
	if (first.slots)
		bytes = first.slots << SLOT_SHIFT;
	else if (berth_swiotlb_mode != BERTH_SWIOTLB_FORCE && !is_there_high_ram())
		return 0;
	else if (bytes > DEFAULT_SIZE)
		bytes = DEFAULT_SIZE;
	return (bytes + SEGMENT_SIZE - 1) & ~(uint64_t)(SEGMENT_SIZE - 1);
}

/* A power of two, and a segment for each. */
static unsigned int areas_of(uint64_t bytes)
{
	uint64_t most = bytes / SEGMENT_SIZE < first.nr_areas ? bytes / SEGMENT_SIZE
							      : first.nr_areas;
	unsigned int areas = 1;

	while (2 * areas <= most)
		areas *= 2;
	return areas;
}

int berth_swiotlb_reserve(const char *arg)
{
	unsigned int areas;
	phys_addr_t base;
	uint64_t bytes;
	void *records;
	int err;

	berth_swiotlb_mode = BERTH_SWIOTLB_AUTO;
	memset(&first, 0, sizeof(first));
	first.nr_areas = DEFAULT_AREAS;
	err = arg ? parse(arg) : 0;
	bytes = err ? 0 : wanted_bytes();
	if (!bytes)
		return err;
	areas = areas_of(bytes);
	base = memblock_phys_alloc_range(bytes, SEGMENT_SIZE, 0, LOW_LIMIT);
	if (!base)
		base = memblock_phys_alloc_range(bytes, SEGMENT_SIZE, 0, MEMBLOCK_ALLOC_ANYWHERE);
	records = base ? memblock_alloc(berth_pool_records((size_t)bytes, areas), 64) : NULL;
	if (!records)
		return berth_fail_limit(-ENOMEM, BERTH_REASON_OUT_OF_MEMORY, "swiotlb=", bytes, 0);
	first.pool = berth_pool_init(records, base, (size_t)bytes, areas);
	return 0;
}

void berth_swiotlb_start(void)
{
	berth_swiotlb_reset_counts();
	if (first.pool)
		berth_bounce_add(first.pool);
}

void berth_swiotlb_stop(void)
{
	struct bounce_pool *pool;

	berth_bounce_reset();
	first.pool = NULL;
	while ((pool = restricted)) {
		restricted = pool->next;
		berth_port_unpoison(pool->virt, pool->size);
		kvfree(pool);
	}
}

struct bounce_pool *berth_swiotlb_restricted(phys_addr_t base, uint64_t size)
{
	phys_addr_t end = PFN_PHYS(PFN_DOWN(base + size));
	struct bounce_pool *pool;
	size_t bytes;

	base = PAGE_ALIGN(base);
	for (pool = restricted; pool; pool = pool->next)
		if (pool->base == base)
			return pool;
	if (end <= base || !berth_dma_is_ram(base, end - base) || PageHighMem(phys_to_page(base))) {
		berth_fail_at(-EINVAL, BERTH_REASON_MAPPING, "restricted-dma-pool", base);
		return NULL;
	}
	bytes = (size_t)(end - base);
	pool = kvmalloc(berth_pool_records(bytes, 1), GFP_KERNEL);
	if (!pool)
		return NULL;
	berth_pool_init(pool, base, bytes, 1);
	pool->next = restricted;
	restricted = pool;
	return pool;
}

void berth_swiotlb_attach(struct device *dev, struct bounce_pool *pool)
{
	dev->p->pool = pool;
	dev->flags |= BERTH_DEVICE_BOUNCE;
	berth_dma_limits_changed(dev);
}

struct page *berth_swiotlb_alloc(struct device *dev, unsigned long nr, dma_addr_t *addr)
{
	uint64_t size = (uint64_t)nr << PAGE_SHIFT;
	struct bounce_request request = { .boundary = UINT64_MAX, .pages = true };
	struct bounce_slot *slot;
	struct berth_error *error;

	*addr = berth_dma_from_phys(dev, dev->p->pool->base, dev->p->pool->size,
				    berth_dma_limit(dev, dev->coherent_dma_mask));
	if (*addr == DMA_MAPPING_ERROR)
		return NULL;
	if (size <= SEGMENT_SIZE) {
		request.size = (uint32_t)size;
		request.nr = SLOTS_OF(request.size);
		slot = berth_pool_take(dev->p->pool, &request);
		if (!slot && berth_bounce_drain())
			slot = berth_pool_take(dev->p->pool, &request);
		if (slot) {
			*addr += (uint64_t)(slot - dev->p->pool->slots) << SLOT_SHIFT;
			berth_port_unpoison(bounce_virt(dev->p->pool, slot), (size_t)size);
			slot->key = bounce_key(0, DMA_NONE);
			__atomic_store_n(&slot->owner, dev->p->bounce_owner, __ATOMIC_RELAXED);
			__atomic_store_n(&slot->size, request.size, __ATOMIC_RELEASE);
			return phys_to_page(bounce_phys(dev->p->pool, slot));
		}
	}
	error = berth_error_set(-ENOMEM, BERTH_REASON_BOUNCE_FULL, dev_name(dev));
	error->address = dev->p->pool->base;
	error->length = size;
	return NULL;
}

bool berth_swiotlb_free(struct device *dev, struct page *page)
{
	uint64_t at = page_to_phys(page) - dev->p->pool->base;
	struct bounce_slot *slot = &dev->p->pool->slots[at >> SLOT_SHIFT];

	if (at >= dev->p->pool->size)
		return false;
	__atomic_store_n(&slot->size, 0, __ATOMIC_RELAXED);
	berth_bounce_give(dev, dev->p->pool, slot);
	return true;
}
