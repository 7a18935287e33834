// SPDX-License-Identifier: BSD-2-Clause
/*
 * Where the newest bytes of a buffer are. The CPU and the devices that see its caches are one side, devices
 * that see memory the other. Bytes that pass from one side to the other cost one clean or one
 * invalidate; bytes that stay on a side cost nothing.
 */
#include <berth/dma-mapping.h>
#include <berth/port.h>

#include "dma-buf/heap.h"
#include "lib/bitmap.h"

/*
 * Clear the marks of some pages, and for each run of RAM that was marked do what @op does. A buffer that is one
 * run costs one operation.
 */
static uint64_t sweep(const struct heap_memory *memory, uint64_t *marks, uint64_t first,
		      uint64_t nr, void (*op)(phys_addr_t phys, uint64_t size))
{
	const uint64_t end = first + nr;
	uint64_t runs = 0;

	while ((first = bitmap_find(marks, end, first, true)) < end) {
		phys_addr_t start = page_to_phys(memory->pages[first]), next = start;
		uint64_t from = first;

		do {
			next += PAGE_SIZE;
			first++;
		} while (first < end && bitmap_test(marks, first) &&
			 page_to_phys(memory->pages[first]) == next);
		bitmap_fill(marks, from, first - from, false);
		op(start, next - start);
		runs++;
	}
	return runs;
}

void berth_heap_begin(struct heap_buffer *buffer, unsigned long first, unsigned long nr,
		      bool is_coherent)
{
	struct heap_memory *memory = &buffer->memory;
	struct berth_dma_buf_stats *stats = &buffer->dmabuf->stats;

	/* A line that is dirty must not fall over what a device is about to write, either. */
	if (is_coherent)
		stats->invalidates +=
			sweep(memory, memory->cache_stale, first, nr, berth_port_cache_invalidate);
	else
		stats->cleans +=
			sweep(memory, memory->memory_stale, first, nr, berth_port_cache_clean);
}

void berth_heap_wrote(struct heap_buffer *buffer, unsigned long first, unsigned long nr,
		      bool is_coherent)
{
	struct heap_memory *memory = &buffer->memory;

	bitmap_fill(is_coherent ? memory->memory_stale : memory->cache_stale, first, nr, true);
}
