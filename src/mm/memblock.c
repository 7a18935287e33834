// SPDX-License-Identifier: BSD-2-Clause
#include <berth/memblock.h>
#include <berth/mm.h>

#include "lib/error.h"
#include "lib/fault.h"
#include "lib/string.h"
#include "mm/internal.h"

#define MAX_REGIONS 128
#define DEFAULT_ALIGN 128

struct region {
	phys_addr_t base;
	phys_addr_t end;
	enum memblock_flags flags;
};

/* Sorted by address, disjoint; neighbours that touch have different flags. */
struct list {
	unsigned int count;
	struct region regions[MAX_REGIONS];
};

enum change {
	CHANGE_ADD,
	CHANGE_REMOVE,
	CHANGE_FLAGS,
};

static struct list memory;
static struct list reserved;
static struct list scratch;
static bool is_frozen;

void berth_memblock_reset(void)
{
	memory.count = 0;
	reserved.count = 0;
	is_frozen = false;
}

void berth_memblock_freeze(void)
{
	is_frozen = true;
}

/* Append to the scratch list; false if it is full. */
static bool emit(phys_addr_t base, phys_addr_t end, enum memblock_flags flags)
{
	struct region *last = scratch.count ? &scratch.regions[scratch.count - 1] : NULL;

	if (base >= end)
		return true;
	if (last && last->end == base && last->flags == flags) {
		last->end = end;
		return true;
	}
	if (scratch.count == MAX_REGIONS)
		return false;
	scratch.regions[scratch.count++] = (struct region){ base, end, flags };
	return true;
}

/* Rebuild @list with [base, end) changed, in the scratch list. */
static bool rebuild(const struct list *list, phys_addr_t base, phys_addr_t end, enum change change,
		    enum memblock_flags flags)
{
	phys_addr_t at = base; /* what is below this is done */
	bool ok = true;

	scratch.count = 0;
	for (unsigned int i = 0; i < list->count; i++) {
		struct region r = list->regions[i];
		phys_addr_t low = r.base > base ? r.base : base;
		phys_addr_t high = r.end < end ? r.end : end;

		if (r.base >= end && change == CHANGE_ADD && at < end) {
			ok &= emit(at, end, flags);
			at = end;
		}
		ok &= emit(r.base, r.end < base ? r.end : base, r.flags);
		if (low < high) {
			if (change == CHANGE_ADD)
				ok &= emit(at, low, flags);
			if (change != CHANGE_REMOVE)
				ok &= emit(low, high, change == CHANGE_FLAGS ? flags : r.flags);
			at = high;
		}
		ok &= emit(r.base > end ? r.base : end, r.end, r.flags);
	}
	if (change == CHANGE_ADD)
		ok &= emit(at, end, flags);
	return ok;
}

static int change_list(struct list *list, phys_addr_t base, uint64_t size, enum change change,
		       enum memblock_flags flags)
{
	const char *name = list == &memory ? "memblock memory" : "memblock reserved";

	if (is_frozen)
		return berth_fail(-EBUSY, BERTH_REASON_STATE, name);
	if (base + size < base)
		return berth_fail_at(-EINVAL, BERTH_REASON_ARGUMENT, name, base);
	if (!size)
		return 0;
	if (!rebuild(list, base, base + size, change, flags))
		return berth_fail_limit(-ENOSPC, BERTH_REASON_TABLE_FULL, name, 0, MAX_REGIONS);
	list->count = scratch.count;
	memcpy(list->regions, scratch.regions, scratch.count * sizeof(scratch.regions[0]));
	return 0;
}

int memblock_add(phys_addr_t base, uint64_t size)
{
	return change_list(&memory, base, size, CHANGE_ADD, MEMBLOCK_NONE);
}

int memblock_remove(phys_addr_t base, uint64_t size)
{
	return change_list(&memory, base, size, CHANGE_REMOVE, MEMBLOCK_NONE);
}

int memblock_reserve(phys_addr_t base, uint64_t size)
{
	return change_list(&reserved, base, size, CHANGE_ADD, MEMBLOCK_NONE);
}

int memblock_mark_nomap(phys_addr_t base, uint64_t size)
{
	return change_list(&memory, base, size, CHANGE_FLAGS, MEMBLOCK_NOMAP);
}

int berth_memblock_mark_highmem(phys_addr_t base, uint64_t size)
{
	return change_list(&memory, base, size, CHANGE_FLAGS, MEMBLOCK_HIGHMEM);
}

int memblock_phys_free(phys_addr_t base, uint64_t size)
{
	return change_list(&reserved, base, size, CHANGE_REMOVE, MEMBLOCK_NONE);
}

/* The highest aligned @size bytes inside [low, high), or 0. Page 0 is not for anybody. */
static phys_addr_t fit(phys_addr_t low, phys_addr_t high, uint64_t size, uint64_t align)
{
	phys_addr_t base;

	if (low < PAGE_SIZE)
		low = PAGE_SIZE;
	if (low >= high || high - low < size)
		return 0;
	base = (high - size) & ~(align - 1);
	return base >= low ? base : 0;
}

static phys_addr_t find_top_down(uint64_t size, uint64_t align, phys_addr_t start, phys_addr_t end)
{
	for (unsigned int i = memory.count; i-- > 0;) {
		const struct region *m = &memory.regions[i];
		phys_addr_t low = m->base > start ? m->base : start;
		phys_addr_t high = m->end < end ? m->end : end;
		phys_addr_t found;

		if (m->flags & (MEMBLOCK_NOMAP | MEMBLOCK_HIGHMEM))
			continue;
		for (unsigned int j = reserved.count; j-- > 0;) {
			const struct region *r = &reserved.regions[j];

			found = fit(low > r->end ? low : r->end, high, size, align);
			if (found)
				return found;
			if (high > r->base)
				high = r->base;
		}
		found = fit(low, high, size, align);
		if (found)
			return found;
	}
	return 0;
}

phys_addr_t memblock_phys_alloc_range(uint64_t size, uint64_t align, phys_addr_t start,
				      phys_addr_t end)
{
	phys_addr_t base = 0;

	if (!align)
		align = DEFAULT_ALIGN;
	if (!size || (align & (align - 1))) {
		berth_fail_at(-EINVAL, BERTH_REASON_ARGUMENT, size ? "align" : "size",
			      size ? align : size);
		return 0;
	}
	if (!berth_should_fail())
		base = find_top_down(size, align, start, end);
	if (!base) {
		berth_fail_limit(-ENOMEM, BERTH_REASON_OUT_OF_MEMORY, "memblock", size,
				 memblock_phys_mem_size() - memblock_reserved_size());
		return 0;
	}
	return memblock_reserve(base, size) ? 0 : base;
}

void *memblock_alloc(uint64_t size, uint64_t align)
{
	phys_addr_t start = berth_port_linear.phys;
	phys_addr_t base =
		memblock_phys_alloc_range(size, align, start, start + berth_port_linear.size);

	return base ? memset(phys_to_virt(base), 0, (size_t)size) : NULL;
}

bool memblock_is_memory(phys_addr_t addr)
{
	for (unsigned int i = 0; i < memory.count; i++)
		if (addr >= memory.regions[i].base && addr < memory.regions[i].end)
			return true;
	return false;
}

bool memblock_is_region_reserved(phys_addr_t base, uint64_t size)
{
	for (unsigned int i = 0; i < reserved.count; i++)
		if (base < reserved.regions[i].end && base + size > reserved.regions[i].base)
			return true;
	return false;
}

uint64_t memblock_phys_mem_size(void)
{
	uint64_t size = 0;

	for (unsigned int i = 0; i < memory.count; i++)
		size += memory.regions[i].end - memory.regions[i].base;
	return size;
}

uint64_t memblock_reserved_size(void)
{
	uint64_t size = 0;

	for (unsigned int i = 0; i < memory.count; i++)
		for (unsigned int j = 0; j < reserved.count; j++) {
			const struct region *m = &memory.regions[i];
			const struct region *r = &reserved.regions[j];
			phys_addr_t low = m->base > r->base ? m->base : r->base;
			phys_addr_t high = m->end < r->end ? m->end : r->end;

			if (low < high)
				size += high - low;
		}
	return size;
}

bool berth_memblock_next(bool of_reserved, unsigned int index, struct berth_range *range,
			 enum memblock_flags *flags)
{
	const struct list *list = of_reserved ? &reserved : &memory;

	if (index >= list->count)
		return false;
	range->base = list->regions[index].base;
	range->size = list->regions[index].end - range->base;
	if (flags)
		*flags = list->regions[index].flags;
	return true;
}

bool berth_memblock_next_free(phys_addr_t *cursor, struct berth_range *range)
{
	for (unsigned int i = 0; i < memory.count; i++) {
		const struct region *m = &memory.regions[i];
		phys_addr_t low = m->base > *cursor ? m->base : *cursor;
		phys_addr_t high = m->end;

		if (m->flags & MEMBLOCK_NOMAP)
			continue;
		for (unsigned int j = 0; j < reserved.count && low < high; j++) {
			const struct region *r = &reserved.regions[j];

			if (r->end <= low)
				continue;
			if (r->base > low) {
				high = r->base < high ? r->base : high;
				break;
			}
			low = r->end;
		}
		if (low < high) {
			range->base = low;
			range->size = high - low;
			*cursor = high;
			return true;
		}
	}
	return false;
}
