// SPDX-License-Identifier: BSD-2-Clause
/*
 * Where the newest bytes of a buffer are. The CPU and the devices that see its caches are one side, devices
 * that see memory the other. Bytes that pass from one side to the other cost one clean or one
 * invalidate; bytes that stay on a side cost nothing. A device that uses bounce buffers has a copy of its own, which
 * the CPU makes.
 *
 * Who has a mapping and has not said that he does nothing may use it at any time: what he wrote counts, and he sees
 * what others have written.
 */
#include <berth/device.h>
#include <berth/dma-mapping.h>
#include <berth/port.h>

#include "dma-buf/heap.h"
#include "lib/bitmap.h"

/* Copies are made by the CPU: such a device sees what the CPU sees. */
static bool sees_caches(const struct heap_attachment *a)
{
	return a->is_copied || dev_is_dma_coherent(a->attach->dev);
}

static bool may_write(const struct heap_attachment *a)
{
	return a->has_access && a->access != DMA_TO_DEVICE;
}

/*
 * Clear the marks of some pages, and for each run of RAM that was marked, in @also too if that is not NULL, do
 * what @op does. A buffer that is one run costs one operation.
 */
static uint64_t sweep(const struct heap_memory *memory, uint64_t *marks, const uint64_t *also,
		      uint64_t first, uint64_t nr, void (*op)(phys_addr_t phys, uint64_t size))
{
	const uint64_t end = first + nr;
	uint64_t runs = 0;

	while ((first = bitmap_find(marks, end, first, true)) < end) {
		phys_addr_t start = page_to_phys(memory->pages[first]), next = start;
		uint64_t from = first;

		if (also && !bitmap_test(also, first)) {
			first++;
			continue;
		}
		do {
			next += PAGE_SIZE;
			first++;
		} while (first < end && bitmap_test(marks, first) &&
			 (!also || bitmap_test(also, first)) &&
			 page_to_phys(memory->pages[first]) == next);
		bitmap_fill(marks, from, first - from, false);
		op(start, next - start);
		runs++;
	}
	return runs;
}

/* An invalidate would take what is being written through the caches, and is in no memory yet: cleaned before. */
static void keep_dirty(struct heap_buffer *buffer, unsigned long first, unsigned long nr)
{
	struct heap_memory *memory = &buffer->memory;
	const struct heap_attachment *a;
	uint64_t from = buffer->nr, end = 0;

	if (buffer->cpu_writers) {
		from = buffer->cpu_first;
		end = buffer->cpu_last + 1;
	}
	list_for_each_entry(a, &buffer->attachments, struct heap_attachment, node)
		if (may_write(a) && !a->is_copied && sees_caches(a)) {
			from = 0;
			end = buffer->nr;
		}
	from = from > first ? from : first;
	end = end < first + nr ? end : first + nr;
	for (; (from = bitmap_find(memory->cache_stale, end, from, true)) < end; from++)
		bitmap_fill(memory->memory_stale, from, 1, true);
}

void berth_heap_begin(struct heap_buffer *buffer, unsigned long first, unsigned long nr,
		      bool is_coherent)
{
	struct heap_memory *memory = &buffer->memory;
	struct berth_dma_buf_stats *stats = &buffer->dmabuf->stats;

	/* A line that is dirty must not fall over what a device is about to write, either. */
	if (!is_coherent) {
		stats->cleans += sweep(memory, memory->memory_stale, NULL, first, nr,
				       berth_port_cache_clean);
		return;
	}
	if (bitmap_find(memory->cache_stale, first + nr, first, true) == first + nr)
		return;
	keep_dirty(buffer, first, nr);
	stats->cleans += sweep(memory, memory->memory_stale, memory->cache_stale, first, nr,
			       berth_port_cache_clean);
	stats->invalidates +=
		sweep(memory, memory->cache_stale, NULL, first, nr, berth_port_cache_invalidate);
}

static void mark(struct heap_buffer *buffer, unsigned long first, unsigned long nr,
		 bool is_coherent)
{
	struct heap_memory *memory = &buffer->memory;

	bitmap_fill(is_coherent ? memory->memory_stale : memory->cache_stale, first, nr, true);
}

void berth_heap_count_copy(const struct heap_attachment *a)
{
	a->buffer->dmabuf->stats.copies += (uint64_t)a->buffer->nr << PAGE_SHIFT;
}

/* Pages of a device's copy: what it has written, or for it what was. */
static void copy(const struct heap_attachment *a, unsigned long first, unsigned long nr,
		 bool for_device)
{
	const uint64_t from = (uint64_t)first << PAGE_SHIFT, end = (uint64_t)(first + nr)
								   << PAGE_SHIFT;
	struct scatterlist *sg;
	uint64_t at = 0;
	unsigned int i;

	for_each_sgtable_dma_sg(a->sgt, sg, i) {
		uint64_t next = at + sg_dma_len(sg), start = from > at ? from : at,
			 stop = end < next ? end : next;
		dma_addr_t addr = sg_dma_address(sg) + (start - at);

		at = next;
		if (start >= stop)
			continue;
		a->buffer->dmabuf->stats.copies += stop - start;
		if (for_device)
			dma_sync_single_for_device(a->attach->dev, addr, (size_t)(stop - start),
						   a->mapped_dir);
		else
			dma_sync_single_for_cpu(a->attach->dev, addr, (size_t)(stop - start),
						a->mapped_dir);
	}
}

/* But for pages that the CPU is writing: there the device's copy is the older one. */
static void fetch(const struct heap_attachment *a)
{
	struct heap_buffer *buffer = a->buffer;
	const unsigned long first = buffer->cpu_writers ? buffer->cpu_first : buffer->nr;
	const unsigned long behind = buffer->cpu_writers ? buffer->cpu_last + 1 : buffer->nr;

	copy(a, 0, first, false);
	mark(buffer, 0, first, true);
	copy(a, behind, buffer->nr - behind, false);
	mark(buffer, behind, buffer->nr - behind, true);
}

static void refill(const struct heap_attachment *a, unsigned long first, unsigned long nr)
{
	berth_heap_begin(a->buffer, first, nr, true);
	copy(a, first, nr, true);
}

void berth_heap_note_writes(struct heap_buffer *buffer)
{
	const struct heap_attachment *a;

	list_for_each_entry(a, &buffer->attachments, struct heap_attachment, node) {
		if (!may_write(a))
			continue;
		if (a->is_copied)
			fetch(a);
		else
			mark(buffer, 0, buffer->nr, sees_caches(a));
	}
}

void berth_heap_wrote(struct heap_buffer *buffer, unsigned long first, unsigned long nr,
		      bool is_coherent)
{
	const struct heap_attachment *a;

	mark(buffer, first, nr, is_coherent);
	list_for_each_entry(a, &buffer->attachments, struct heap_attachment, node) {
		if (!a->has_access)
			continue;
		if (a->is_copied)
			refill(a, first, nr);
		else if (sees_caches(a) != is_coherent)
			berth_heap_begin(buffer, first, nr, !is_coherent);
	}
}

void berth_heap_begin_access(struct heap_attachment *a, enum dma_data_direction dir)
{
	berth_heap_note_writes(a->buffer);
	berth_heap_begin(a->buffer, 0, a->buffer->nr, sees_caches(a));
	a->access = dir;
	a->has_access = true;
}

void berth_heap_end_access(struct heap_attachment *a)
{
	bool has_written = may_write(a);

	if (has_written && a->is_copied)
		fetch(a);
	a->has_access = false;
	if (has_written)
		berth_heap_wrote(a->buffer, 0, a->buffer->nr, sees_caches(a));
}

void berth_heap_begin_cpu(struct heap_buffer *buffer, unsigned long first, unsigned long nr,
			  bool writes)
{
	berth_heap_note_writes(buffer);
	berth_heap_begin(buffer, first, nr, true);
	if (!writes)
		return;
	if (!buffer->cpu_writers++) {
		buffer->cpu_first = first;
		buffer->cpu_last = first + nr - 1;
	}
	if (first < buffer->cpu_first)
		buffer->cpu_first = first;
	if (first + nr - 1 > buffer->cpu_last)
		buffer->cpu_last = first + nr - 1;
}

void berth_heap_end_cpu(struct heap_buffer *buffer, unsigned long first, unsigned long nr)
{
	if (buffer->cpu_writers)
		buffer->cpu_writers--;
	berth_heap_wrote(buffer, first, nr, true);
}
