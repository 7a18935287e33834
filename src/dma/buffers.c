// SPDX-License-Identifier: BSD-2-Clause
/*
 * Records of what dma_alloc_*() has handed out: a free is compared with what was allocated, in every
 * build. They are found by what their user calls the buffer, in memory that no device can write.
 */
#include <berth/slab.h>
#include <berth/spinlock.h>

#include "dma/buffers.h"
#include "dma/internal.h"
#include "dma/iommu.h"
#include "lib/bitmap.h"
#include "lib/device.h"
#include "lib/error.h"
#include "lib/string.h"
#include "lib/trace.h"

#define NR_ROWS 1024u

static struct {
	spinlock_t lock;
	struct dma_buffer *rows[NR_ROWS];
} buffers;

static struct dma_buffer **row_of(const void *name)
{
	uint64_t hash = ((uintptr_t)name >> 4) * 0x9e3779b97f4a7c15u;

	return &buffers.rows[hash >> 32 & (NR_ROWS - 1)];
}

struct dma_buffer *berth_buffer_new(enum dma_buffer_kind kind, struct device *dev, size_t size,
				    gfp_t gfp, unsigned long attrs)
{
	struct dma_buffer *buffer;

	if (!dev->coherent_dma_mask || dev->backend == BERTH_DMA_NONE) {
		berth_fail(-EIO, BERTH_REASON_NO_MASK, dev_name(dev));
		return NULL;
	}
	if (!size || size > SIZE_MAX - PAGE_SIZE) {
		berth_fail_at(-EINVAL, BERTH_REASON_ARGUMENT, "size of DMA memory", size);
		return NULL;
	}
	buffer = kzalloc(sizeof(*buffer), gfp & __GFP_DIRECT_RECLAIM);
	if (!buffer)
		return NULL;
	buffer->kind = kind;
	buffer->dev = dev;
	buffer->nr = buffer->nr_taken = PFN_UP(size);
	if (dev->backend == BERTH_DMA_IOMMU)
		buffer->nr_taken = (unsigned long)PFN_DOWN(
			iova_align(iommu_dma_of(dev)->iovad, dma_buffer_size(buffer)));
	buffer->attrs = attrs;
	return buffer;
}

static void trace_buffer(enum berth_trace_kind kind, const struct dma_buffer *buffer)
{
	berth_trace(.kind = kind, .dev = buffer->dev, .address = buffer->addr,
		    .length = dma_buffer_size(buffer), .other = buffer->phys);
}

void berth_buffer_add(struct dma_buffer *buffer, const void *name)
{
	struct dma_buffer **row = row_of(name);
	unsigned long flags;

	buffer->name = name;
	trace_buffer(BERTH_TRACE_DMA_ALLOC, buffer);
	spin_lock_irqsave(&buffers.lock, flags);
	buffer->next = *row;
	*row = buffer;
	spin_unlock_irqrestore(&buffers.lock, flags);
}

/* With the lock. The link to a buffer; that of NULL if there is none. */
static struct dma_buffer **find(enum dma_buffer_kind kind, const void *name)
{
	struct dma_buffer **at = row_of(name);

	while (*at && ((*at)->name != name || (*at)->kind != kind))
		at = &(*at)->next;
	return at;
}

static bool is_same(const struct dma_buffer *buffer, const struct device *dev, dma_addr_t addr,
		    unsigned long attrs)
{
	return buffer->dev == dev && (buffer->kind == DMA_BUFFER_TABLE || buffer->addr == addr) &&
	       !((buffer->attrs ^ attrs) & ~DMA_ATTR_NO_WARN);
}

static void refuse(const struct device *dev, const void *name, dma_addr_t addr)
{
	struct berth_error *error = berth_error_set(-EINVAL, BERTH_REASON_NOT_OWNED, dev_name(dev));

	error->address = addr ? addr : (uintptr_t)name;
}

static void refuse_mapped(const struct dma_buffer *buffer)
{
	struct berth_error *error =
		berth_error_set(-EBUSY, BERTH_REASON_PAGE_BUSY, dev_name(buffer->dev));

	error->pfn = PFN_DOWN(buffer->phys);
	berth_strlcpy(error->holder, "a mapping of it", sizeof(error->holder));
}

struct dma_buffer *berth_buffer_take(enum dma_buffer_kind kind, const struct device *dev,
				     size_t size, const void *name, dma_addr_t addr,
				     unsigned long attrs)
{
	struct dma_buffer **at, *buffer, seen = { 0 };
	unsigned long flags;

	spin_lock_irqsave(&buffers.lock, flags);
	at = find(kind, name);
	buffer = *at;
	if (buffer && (!is_same(buffer, dev, addr, attrs) || PFN_UP(size) != buffer->nr))
		buffer = NULL;
	if (buffer)
		seen = *buffer;
	if (buffer && !buffer->views)
		*at = buffer->next;
	spin_unlock_irqrestore(&buffers.lock, flags);
	if (!buffer)
		refuse(dev, name, addr);
	else if (seen.views)
		refuse_mapped(&seen);
	else
		trace_buffer(BERTH_TRACE_DMA_FREE, &seen);
	return seen.views ? NULL : buffer;
}

struct dma_buffer *berth_buffer_view(enum dma_buffer_kind kind, const struct device *dev,
				     const void *name, dma_addr_t addr, unsigned long attrs)
{
	struct dma_buffer *buffer;
	unsigned long flags;

	spin_lock_irqsave(&buffers.lock, flags);
	buffer = *find(kind, name);
	if (buffer && (buffer->dev != dev ||
		       (kind == DMA_BUFFER_COHERENT && !is_same(buffer, dev, addr, attrs))))
		buffer = NULL;
	if (buffer)
		buffer->views++;
	spin_unlock_irqrestore(&buffers.lock, flags);
	if (!buffer)
		refuse(dev, name, addr);
	return buffer;
}

void berth_buffer_unview(struct dma_buffer *buffer)
{
	unsigned long flags;

	spin_lock_irqsave(&buffers.lock, flags);
	buffer->views--;
	spin_unlock_irqrestore(&buffers.lock, flags);
}

bool berth_buffer_unview_at(const struct device *dev, const void *virt)
{
	bool found = false;
	unsigned long flags;

	spin_lock_irqsave(&buffers.lock, flags);
	for (unsigned int i = 0; i < NR_ROWS && !found; i++) {
		struct dma_buffer *buffer = buffers.rows[i];

		while (buffer && (buffer->kind != DMA_BUFFER_TABLE || buffer->dev != dev ||
				  buffer->virt != virt || !buffer->views))
			buffer = buffer->next;
		if (buffer)
			buffer->views--;
		found = buffer != NULL;
	}
	spin_unlock_irqrestore(&buffers.lock, flags);
	if (!found)
		refuse(dev, virt, 0);
	return found;
}

bool berth_buffers_any(const struct device *dev)
{
	bool found = false;
	unsigned long flags;

	spin_lock_irqsave(&buffers.lock, flags);
	for (unsigned int i = 0; i < NR_ROWS && !found; i++)
		for (struct dma_buffer *at = buffers.rows[i]; at && !found; at = at->next)
			found = at->dev == dev;
	spin_unlock_irqrestore(&buffers.lock, flags);
	return found;
}

uint64_t berth_buffers_reset(void)
{
	uint64_t bytes = 0;

	for (unsigned int i = 0; i < NR_ROWS; i++)
		while (buffers.rows[i]) {
			struct dma_buffer *buffer = buffers.rows[i];

			buffers.rows[i] = buffer->next;
			if (buffer->pool)
				bytes += dma_buffer_size(buffer);
			kvfree(buffer->pages);
			kfree(buffer);
		}
	return bytes;
}

uint64_t berth_find_clear_run(const uint64_t *map, uint64_t size, uint64_t nr, uint64_t base,
			      uint64_t align)
{
	uint64_t at = -base & (align - 1);

	while (nr <= size && at <= size - nr) {
		uint64_t busy = bitmap_find(map, at + nr, at, true);

		if (busy == at + nr)
			return at;
		at = ((base + busy + align) & ~(align - 1)) - base;
	}
	return size;
}

void berth_dma_start(bool any_noncoherent)
{
	if (any_noncoherent)
		berth_atomic_pools_fill();
}

uint64_t berth_dma_stop(void)
{
	uint64_t bytes = berth_buffers_reset();

	berth_atomic_pools_stop();
	berth_coherent_pools_stop();
	return bytes;
}
