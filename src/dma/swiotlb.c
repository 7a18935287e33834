// SPDX-License-Identifier: BSD-2-Clause
/* Bounce buffers: mappings of memory that the device does not reach, through slots that it does. */
#include <berth/highmem.h>
#include <berth/mm.h>
#include <berth/port.h>

#include "dma/internal.h"
#include "dma/swiotlb.h"
#include "lib/device.h"
#include "lib/error.h"
#include "lib/string.h"
#include "lib/trace.h"
#include "mm/internal.h"

/* A full pool is told about once in so many ns. */
#define WARN_EVERY_NS 5000000000ull

static uint64_t bytes_in, bytes_out, nr_full, last_warning;

size_t berth_swiotlb_max_size(const struct device *dev)
{
	size_t lost = ((size_t)dev->min_align_mask + SLOT_SIZE - 1) & ~(size_t)(SLOT_SIZE - 1);

	return lost < SEGMENT_SIZE ? SEGMENT_SIZE - lost : 0;
}

size_t berth_bounce_copy(phys_addr_t phys, char *slot, size_t size, bool in)
{
	struct page *page = phys_to_page(phys);
	size_t offset = offset_in_page(phys), done;

	if (!PageHighMem(page)) {
		if (in)
			memcpy(slot, phys_to_virt(phys), size);
		else
			memcpy(phys_to_virt(phys), slot, size);
		return 0;
	}
	for (; size; size -= done, slot += done, offset = 0) {
		done = size < PAGE_SIZE - offset ? size : PAGE_SIZE - offset;
		if (in ? memcpy_from_page(slot, page, offset, done)
		       : memcpy_to_page(page, offset, slot, done))
			return size;
		page++;
	}
	return 0;
}

static bool copy_in(phys_addr_t phys, char *slot, size_t size)
{
	__atomic_add_fetch(&bytes_in, size, __ATOMIC_RELAXED);
	return !berth_bounce_copy(phys, slot, size, true);
}

static void copy_out(const struct device *dev, phys_addr_t phys, char *slot, size_t size)
{
	size_t left = berth_bounce_copy(phys, slot, size, false);

	__atomic_add_fetch(&bytes_out, size, __ATOMIC_RELAXED);
	if (left)
		dev_err(dev, "%zu bytes up to %#llx are lost: high memory without an address\n",
			left, (unsigned long long)(phys + size));
}

static void clean(const struct device *dev, const struct bounce_pool *pool, const char *at,
		  size_t size)
{
	if (!dev_is_dma_coherent(dev))
		berth_port_cache_clean(pool->base + (uint64_t)(at - pool->virt), size);
}

/* A run from a pool: bytes that another device has left there are none of this one's business. */
static void adopt(struct device *dev, const struct bounce_pool *pool, struct bounce_slot *slot,
		  uint32_t owner)
{
	for (unsigned int i = 0; i < slot->nr; i++) {
		char *at = bounce_virt(pool, slot + i);

		if (__atomic_exchange_n(&slot[i].owner, owner, __ATOMIC_RELAXED) == owner)
			continue;
		memset(at, 0, SLOT_SIZE);
		clean(dev, pool, at, SLOT_SIZE);
	}
}

/* From a pool that the device reaches; its own lists are empty, or hold nothing that fits. */
static struct bounce_slot *take_shared(struct device *dev, struct bounce_request *request,
				       struct bounce_pool **pool)
{
	struct bounce_slot *slot = NULL;

	*pool = dev->p->pool ? dev->p->pool : bounce_newest();
	while (*pool) {
		if (berth_bounce_reaches(dev, *pool, &request->bus))
			slot = berth_pool_take(*pool, request);
		if (slot) {
			if (!bounce_of(dev))
				berth_bounce_device(dev, *pool, request->bus);
			return slot;
		}
		*pool = dev->p->pool ? NULL : (*pool)->next;
	}
	return NULL;
}

static struct bounce_slot *take_grown(struct device *dev, struct bounce_request *request,
				      struct bounce_pool **pool)
{
	const struct berth_error before = *berth_last_error();
	struct bounce_slot *slot = NULL;

	*pool = dev->p->pool ? NULL : berth_bounce_grow(dev, request->nr);
	if (*pool && berth_bounce_reaches(dev, *pool, &request->bus))
		slot = berth_pool_take(*pool, request);
	*berth_port_error() = before;
	return slot;
}

/* A run for @request, from wherever there is one. */
static struct bounce_slot *take(struct device *dev, struct bounce_request *request,
				struct bounce_pool **pool)
{
	struct bounce_device *d = bounce_of(dev);
	struct bounce_slot *slot = NULL;

	if (d && request->nr <= BOUNCE_MAX_KEPT) {
		*pool = d->pool;
		request->bus = d->bus;
		slot = bounce_pop(bounce_list_of(d, request->nr - 1));
	}
	if (slot && !bounce_fits(*pool, request, (uint64_t)(slot - (*pool)->slots))) {
		berth_pool_give(*pool, slot);
		slot = NULL;
	}
	if (slot) {
		berth_port_unpoison(bounce_virt(*pool, slot), (size_t)slot->nr << SLOT_SHIFT);
		return slot;
	}
	slot = take_shared(dev, request, pool);
	if (!slot && berth_bounce_drain())
		slot = take_shared(dev, request, pool);
	if (!slot)
		slot = take_grown(dev, request, pool);
	if (slot) {
		__atomic_add_fetch(&dev->p->bounce_maps, 1, __ATOMIC_RELAXED);
		berth_port_unpoison(bounce_virt(*pool, slot), (size_t)slot->nr << SLOT_SHIFT);
		adopt(dev, *pool, slot, dev->p->bounce_owner);
		d = bounce_of(dev);
		if (d && d->pool == *pool && slot->nr <= BOUNCE_MAX_KEPT)
			slot->next = (uintptr_t)bounce_list_of(d, slot->nr - 1);
	}
	return slot;
}

/* No run: nothing but time helps, unless there is no memory at all that the device reaches. */
static void full(struct device *dev, phys_addr_t phys, size_t size, unsigned long attrs)
{
	uint64_t now, limit = berth_dma_limit(dev, dev->dma_mask), last;
	struct berth_error *error;
	phys_addr_t first;

	__atomic_add_fetch(&nr_full, 1, __ATOMIC_RELAXED);
	if (dev->p->pool && berth_dma_from_phys(dev, dev->p->pool->base, dev->p->pool->size,
						limit) == DMA_MAPPING_ERROR)
		return;
	if (!dev->p->pool && !berth_dma_reachable(dev, dev->dma_mask, 0, &first, &first)) {
		berth_dma_from_phys(dev, phys, size, limit);
		return;
	}
	error = berth_error_set(-ENOMEM, BERTH_REASON_BOUNCE_FULL, dev_name(dev));
	error->address = phys;
	error->length = size;
	now = berth_port_now();
	last = __atomic_load_n(&last_warning, __ATOMIC_RELAXED);
	if (attrs & DMA_ATTR_NO_WARN || (last && now - last < WARN_EVERY_NS))
		return;
	__atomic_store_n(&last_warning, now ? now : 1, __ATOMIC_RELAXED);
	dev_warn(dev, "no bounce buffer for %zu bytes\n", size);
}

static void refuse(const struct device *dev, enum berth_reason reason, uint64_t address,
		   uint64_t length, uint64_t limit)
{
	struct berth_error *error = berth_error_set(-EINVAL, reason, dev_name(dev));

	error->address = address;
	error->length = length;
	error->limit = limit;
}

/* What a mapping needs; false, with the reason, if no run could ever be it. */
static bool plan(const struct device *dev, phys_addr_t phys, size_t size,
		 struct bounce_request *request)
{
	uint64_t boundary = dev->segment_boundary_mask, low = phys & dev->min_align_mask;

	if (size > berth_swiotlb_max_size(dev)) {
		refuse(dev, BERTH_REASON_BOUNCE_SIZE, phys, size, berth_swiotlb_max_size(dev));
		return false;
	}
	/* Who maps more than that at once does not mean it. */
	if (boundary < size - 1)
		boundary = UINT64_MAX;
	if ((low & boundary) > boundary - (size - 1)) {
		refuse(dev, BERTH_REASON_SEGMENT, phys, size, boundary - (low & boundary) + 1);
		return false;
	}
	request->boundary = boundary;
	request->size = (uint32_t)size;
	request->offset = (uint32_t)low & (SLOT_SIZE - 1);
	request->nr = SLOTS_OF(request->offset + request->size);
	request->align = low - request->offset;
	request->align_mask = dev->min_align_mask & ~(uint64_t)(SLOT_SIZE - 1);
	request->pages = request->nr > 1 && !request->align_mask;
	return true;
}

dma_addr_t berth_swiotlb_map(struct device *dev, phys_addr_t phys, size_t size,
			     enum dma_data_direction dir, unsigned long attrs)
{
	struct bounce_request request;
	struct bounce_pool *pool;
	struct bounce_slot *slot;
	char *virt;

	if (!plan(dev, phys, size, &request))
		return DMA_MAPPING_ERROR;
	slot = take(dev, &request, &pool);
	if (!slot) {
		full(dev, phys, size, attrs);
		return DMA_MAPPING_ERROR;
	}
	virt = bounce_virt(pool, slot) + request.offset;
	if (!(attrs & DMA_ATTR_SKIP_CPU_SYNC) &&
	    !(attrs & BERTH_ATTR_OVERWRITE && dir == DMA_FROM_DEVICE)) {
		if (!copy_in(phys, virt, size)) {
			berth_bounce_give(dev, pool, slot);
			return DMA_MAPPING_ERROR;
		}
		clean(dev, pool, virt, size);
	}
	slot->orig = phys;
	slot->key = bounce_key(request.offset, dir);
	__atomic_store_n(&slot->size, (uint32_t)size, __ATOMIC_RELEASE);
	berth_trace(.kind = BERTH_TRACE_BOUNCE, .dev = dev, .detail = (int)dir,
		    .address = request.bus + (uint64_t)(virt - pool->virt), .length = size,
		    .other = phys);
	return request.bus + (uint64_t)(virt - pool->virt);
}

static struct bounce_slot *find_in(struct bounce_pool *pool, uint64_t at)
{
	struct bounce_slot *slot = berth_pool_run(pool, at >> SLOT_SHIFT);

	return slot && __atomic_load_n(&slot->size, __ATOMIC_ACQUIRE) ? slot : NULL;
}

bool berth_swiotlb_find(const struct device *dev, dma_addr_t addr, struct berth_bounce *found)
{
	const struct bounce_device *d = bounce_of(dev);
	struct bounce_pool *pool;
	uint64_t bus;

	if (d && addr - d->bus < d->pool->size) {
		pool = d->pool;
		bus = d->bus;
	} else {
		pool = dev->p->pool ? dev->p->pool : bounce_newest();
		while (pool && !(berth_bounce_reaches(dev, pool, &bus) && addr - bus < pool->size))
			pool = dev->p->pool ? NULL : pool->next;
		if (!pool)
			return false;
	}
	found->pool = pool;
	found->slot = find_in(pool, addr - bus);
	found->at = pool->virt + (addr - bus);
	/* Memory that was allocated there is what it is. */
	return !found->slot || bounce_dir(found->slot) != DMA_NONE;
}

/* Where in its mapping the range is; false, with the reason, if it is not in it. */
static bool is_inside(const struct device *dev, const struct berth_bounce *b, dma_addr_t addr,
		      size_t size, size_t *within)
{
	const char *first;

	if (b->slot) {
		first = bounce_virt(b->pool, b->slot) + bounce_offset(b->slot);
		*within = (size_t)(b->at - first);
		if (b->at >= first && *within < b->slot->size && size <= b->slot->size - *within)
			return true;
		refuse(dev, BERTH_REASON_UNMAP, addr, size, b->slot->size);
		return false;
	}
	refuse(dev, BERTH_REASON_NOT_OWNED, addr, size, 0);
	return false;
}

void berth_swiotlb_unmap(struct device *dev, const struct berth_bounce *b, dma_addr_t addr,
			 size_t size, enum dma_data_direction dir, unsigned long attrs)
{
	struct bounce_slot *slot = b->slot;
	uint32_t mapped = (uint32_t)size;
	size_t within;

	if (!is_inside(dev, b, addr, size, &within))
		return;
	if (within || size != slot->size || dir != bounce_dir(slot)) {
		refuse(dev, BERTH_REASON_UNMAP, addr, size, slot->size);
		return;
	}
	if (dir != DMA_TO_DEVICE && !(attrs & DMA_ATTR_SKIP_CPU_SYNC)) {
		if (!dev_is_dma_coherent(dev))
			berth_port_cache_invalidate(
				b->pool->base + (uint64_t)(b->at - b->pool->virt), size);
		copy_out(dev, slot->orig, b->at, size);
	}
	/* Of two who unmap it at once, one gets no further than here. */
	if (!__atomic_compare_exchange_n(&slot->size, &mapped, 0, false, __ATOMIC_ACQ_REL,
					 __ATOMIC_RELAXED)) {
		refuse(dev, BERTH_REASON_NOT_OWNED, addr, size, 0);
		return;
	}
	berth_bounce_give(dev, b->pool, slot);
}

/* A direction other than the mapping's is for those that go both ways. */
static bool may_sync(const struct device *dev, const struct berth_bounce *b, dma_addr_t addr,
		     size_t size, enum dma_data_direction dir, size_t *within)
{
	if (!is_inside(dev, b, addr, size, within))
		return false;
	if (bounce_dir(b->slot) == DMA_BIDIRECTIONAL || bounce_dir(b->slot) == dir)
		return true;
	refuse(dev, BERTH_REASON_UNMAP, addr, size, b->slot->size);
	return false;
}

void berth_swiotlb_sync_for_cpu(struct device *dev, const struct berth_bounce *b, dma_addr_t addr,
				size_t size, enum dma_data_direction dir)
{
	size_t within;

	if (!may_sync(dev, b, addr, size, dir, &within) || dir == DMA_TO_DEVICE)
		return;
	if (!dev_is_dma_coherent(dev))
		berth_port_cache_invalidate(b->pool->base + (uint64_t)(b->at - b->pool->virt),
					    size);
	copy_out(dev, b->slot->orig + within, b->at, size);
}

void berth_swiotlb_sync_for_device(struct device *dev, const struct berth_bounce *b,
				   dma_addr_t addr, size_t size, enum dma_data_direction dir)
{
	size_t within;

	if (!may_sync(dev, b, addr, size, dir, &within))
		return;
	if (dir != DMA_FROM_DEVICE && !copy_in(b->slot->orig + within, b->at, size))
		dev_err(dev, "%zu bytes of high memory are not copied: it has no address\n", size);
	clean(dev, b->pool, b->at, size);
}

dma_addr_t berth_bounce_fill(const struct device *dev, const struct bounce_device *d,
			     const struct bounce_slot *slot, const void *virt, unsigned long attrs)
{
	char *at = bounce_virt(d->pool, slot);

	if (!(attrs & BERTH_ATTR_OVERWRITE) || bounce_dir(slot) != DMA_FROM_DEVICE) {
		__atomic_add_fetch(&bytes_in, slot->size, __ATOMIC_RELAXED);
		memcpy(at, virt, slot->size);
		clean(dev, d->pool, at, slot->size);
	}
	return bounce_bus(d, slot);
}

bool berth_bounce_fetch(const struct device *dev, const struct bounce_device *d, dma_addr_t addr,
			size_t size, enum dma_data_direction dir)
{
	uint64_t at = addr - d->bus;
	const struct bounce_slot *slot = &d->slots[at >> SLOT_SHIFT];

	if (at >= d->size || at & (SLOT_SIZE - 1) || slot->key != bounce_key(0, dir) || !size ||
	    __atomic_load_n(&slot->size, __ATOMIC_ACQUIRE) != size)
		return false;
	if (dir == DMA_TO_DEVICE)
		return true;
	if (!dev_is_dma_coherent(dev))
		berth_port_cache_invalidate(d->pool->base + at, size);
	copy_out(dev, slot->orig, bounce_virt(d->pool, slot), size);
	return true;
}

static void count_pool(struct bounce_pool *pool, struct berth_swiotlb_info *info)
{
	info->bytes += pool->size;
	info->used += pool->size - (berth_pool_free_slots(pool) << SLOT_SHIFT);
	info->nr_pools++;
}

void berth_swiotlb_info(const struct device *dev, struct berth_swiotlb_info *info)
{
	struct bounce_pool *pool = dev ? dev->p->pool : NULL;

	memset(info, 0, sizeof(*info));
	berth_bounce_drain();
	if (pool)
		count_pool(pool, info);
	else
		for (pool = bounce_newest(); pool; pool = pool->next)
			count_pool(pool, info);
	info->nr_maps = dev ? berth_bounce_maps(dev) : 0;
	for (dev = dev ? NULL : berth_device_first(); dev; dev = berth_device_next(dev))
		info->nr_maps += berth_bounce_maps(dev);
	info->bytes_in = __atomic_load_n(&bytes_in, __ATOMIC_RELAXED);
	info->bytes_out = __atomic_load_n(&bytes_out, __ATOMIC_RELAXED);
	info->nr_full = __atomic_load_n(&nr_full, __ATOMIC_RELAXED);
}

void berth_swiotlb_reset_counts(void)
{
	bytes_in = bytes_out = nr_full = last_warning = 0;
}
