/* SPDX-License-Identifier: BSD-2-Clause */
/* Addresses through the buses of the tree: registers downwards, memory upwards. */
#include <berth/dma-mapping.h>
#include <berth/port.h>

#include "board/board.h"
#include "lib/error.h"
#include "lib/string.h"

/* Longer ways to memory are taken for circles, which interconnects make possible. */
#define MAX_HOPS 64

/* One entry of ranges or dma-ranges. */
struct entry {
	uint64_t child;
	uint64_t parent;
	uint64_t size;
};

/* Walks the entries of a bus's property. */
struct ranges {
	const uint8_t *at;
	int left;
	int na, pna, ns; /* cells of the child's address, the parent's, and the size */
};

static int own_cells(const struct device_node *bus, const char *name, int otherwise)
{
	uint32_t count;

	return of_property_read_u32(bus, name, &count) ? otherwise : count <= 4 ? (int)count : 4;
}

/* False if the bus has no such property; an empty one has no entries. */
static bool open_ranges(const struct device_node *bus, const char *name, struct ranges *ranges)
{
	ranges->at = of_get_property(bus, name, &ranges->left);
	if (!ranges->at)
		return false;
	ranges->na = own_cells(bus, "#address-cells", of_n_addr_cells(bus));
	ranges->ns = own_cells(bus, "#size-cells", of_n_size_cells(bus));
	ranges->pna = of_n_addr_cells(bus);
	return true;
}

static uint64_t take(struct ranges *ranges, int cells)
{
	uint64_t value = of_read_number(ranges->at, cells);

	ranges->at += cells * 4;
	ranges->left -= cells * 4;
	return value;
}

static bool next_entry(struct ranges *ranges, struct entry *entry)
{
	int bytes = (ranges->na + ranges->pna + ranges->ns) * 4;

	if (!bytes || ranges->left < bytes)
		return false;
	/* PCI's addresses have a first cell of flags, which of_read_number() shifts out. */
	entry->child = take(ranges, ranges->na);
	entry->parent = take(ranges, ranges->pna);
	entry->size = take(ranges, ranges->ns);
	return true;
}

/* One bus upwards. */
static bool translate_once(const struct device_node *bus, const char *name, bool must,
			   uint64_t *addr)
{
	struct ranges ranges;
	struct entry entry;

	if (!open_ranges(bus, name, &ranges))
		return !must;
	if (!ranges.left)
		return true;
	while (next_entry(&ranges, &entry)) {
		if (*addr - entry.child < entry.size) {
			*addr = entry.parent + (*addr - entry.child);
			return true;
		}
	}
	return false;
}

bool berth_of_translate(const struct device_node *bus, uint64_t addr, uint64_t *cpu)
{
	for (; of_get_parent(bus); bus = of_get_parent(bus))
		if (!translate_once(bus, "ranges", true, &addr))
			return false;
	*cpu = addr;
	return true;
}

int berth_of_address(const struct device_node *node, unsigned int index, struct berth_range *range)
{
	int na = of_n_addr_cells(node), ns = of_n_size_cells(node), length;
	const uint8_t *reg = of_get_property(node, "reg", &length);
	int bytes = (na + ns) * 4;

	if (!reg || !bytes || (unsigned int)(length / bytes) <= index)
		return -EINVAL;
	reg += index * (unsigned int)bytes;
	range->size = of_read_number(reg + na * 4, ns);
	if (!berth_of_translate(of_get_parent(node), of_read_number(reg, na), &range->base))
		return -ERANGE;
	return 0;
}

struct device_node *berth_of_dma_parent(const struct device_node *node)
{
	int length;
	const char *names = of_get_property(node, "interconnect-names", &length);
	int index = 0;

	for (int at = 0; names && at < length; index++) {
		size_t n = berth_strnlen(names + at, (size_t)(length - at));

		/* Entries of interconnects have as many cells as their provider says. */
		if (n == 7 && !memcmp(names + at, "dma-mem", 7)) {
			int cell = 0;

			for (int i = 0; i <= index; i++) {
				struct device_node *provider =
					of_parse_phandle(node, "interconnects", cell);

				if (!provider)
					return of_get_parent(node);
				if (i == index)
					return provider;
				cell += 1 + own_cells(provider, "#interconnect-cells", 0);
			}
		}
		at += (int)n + 1;
	}
	return of_get_parent(node);
}

static bool translate_dma(const struct device_node *bus, uint64_t *addr)
{
	for (; bus && of_get_parent(bus); bus = berth_of_dma_parent(bus))
		if (!translate_once(bus, "dma-ranges", false, addr))
			return false;
	return true;
}

/* The nearest bus with a non-empty dma-ranges; NULL if there is none, or if one has none at all. */
static struct device_node *bus_with_ranges(struct device_node *bus)
{
	bool is_first = true;

	for (; bus; bus = berth_of_dma_parent(bus)) {
		int length;
		const void *ranges = of_get_property(bus, "dma-ranges", &length);

		if (ranges && length > 0)
			return bus;
		if (!ranges && !is_first)
			return NULL;
		is_first = false;
	}
	return NULL;
}

static bool is_way_to_memory(const struct device_node *bus)
{
	int hops = 0;

	while (bus && hops++ < MAX_HOPS)
		bus = berth_of_dma_parent(bus);
	return !bus;
}

int berth_of_dma_windows(struct device_node *bus, struct berth_dma_window *windows,
			 unsigned int max)
{
	unsigned int count = 0;
	struct ranges ranges;
	struct entry entry;

	if (!is_way_to_memory(bus))
		return berth_fail(-EINVAL, BERTH_REASON_TREE, berth_of_node_name(bus));
	bus = bus_with_ranges(bus);
	if (!bus || !open_ranges(bus, "dma-ranges", &ranges))
		return 0;
	while (next_entry(&ranges, &entry)) {
		uint64_t cpu = entry.parent;

		if (!entry.size || !translate_dma(berth_of_dma_parent(bus), &cpu))
			continue;
		/* A window may not run over the end of the address space, on either side. */
		if (entry.size - 1 > UINT64_MAX - cpu)
			entry.size = UINT64_MAX - cpu + 1;
		if (entry.size - 1 > UINT64_MAX - entry.child)
			entry.size = UINT64_MAX - entry.child + 1;
		if (count == max)
			return berth_fail_limit(-ENOSPC, BERTH_REASON_TABLE_FULL,
						berth_of_node_name(bus), count + 1, max);
		windows[count++] = (struct berth_dma_window){ .cpu = cpu,
							      .bus = entry.child,
							      .size = entry.size };
	}
	return (int)count;
}

unsigned int berth_of_dma_entries(const struct device_node *bus, unsigned int *rest)
{
	struct ranges ranges;
	unsigned int bytes;

	*rest = 0;
	if (!open_ranges(bus, "dma-ranges", &ranges) || !ranges.left)
		return 0;
	bytes = (unsigned int)(ranges.na + ranges.pna + ranges.ns) * 4;
	*rest = bytes ? (unsigned int)ranges.left % bytes : (unsigned int)ranges.left;
	return bytes ? (unsigned int)ranges.left / bytes : 0;
}

bool of_dma_is_coherent(const struct device_node *node)
{
	for (int hops = 0; node && hops < MAX_HOPS; node = berth_of_dma_parent(node), hops++) {
		if (of_property_read_bool(node, "dma-coherent"))
			return true;
		if (of_property_read_bool(node, "dma-noncoherent"))
			return false;
	}
	return BERTH_PORT_DMA_DEFAULT_COHERENT;
}
