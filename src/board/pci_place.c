/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Where BARs go. A bus gives out its windows in order of falling alignment, so that sizes, which
 * are powers of two, leave no gaps. What lies behind a bridge is one piece with a 1 MiB granule.
 */
#include <berth/errno.h>
#include <berth/of.h>

#include "board/board.h"
#include "board/pci.h"
#include "dma/internal.h"
#include "lib/error.h"

#define PCI_MEMORY_BASE 0x20
#define PCI_PREF_MEMORY_BASE 0x24
#define PCI_IO_BASE 0x1c
#define PCI_IO_BASE_UPPER16 0x30
#define PCI_PREF_BASE_UPPER32 0x28

#define BAR_IS_IO 0x1u
#define BAR_TYPE_MASK 0x6u
#define BAR_TYPE_64 0x4u
#define BAR_PREFETCH 0x8u

/* phys.hi of an address in a device tree. */
#define OF_PCI_SPACE(hi) (((hi) >> 24) & 0x3u)
#define OF_PCI_MEM32 2u
#define OF_PCI_MEM64 3u
#define OF_PCI_PREFETCH 0x40000000u

#define MAX_WINDOWS BERTH_MAX_DMA_WINDOWS
#define BRIDGE_GRANULE 0x100000u
/* A BAR at 0 counts as one that was never placed. */
#define LOWEST_ADDRESS 0x1000u

/* A part of the bus's address space that nobody has yet: [next, last]; CPU address = + offset. */
struct window {
	uint64_t next;
	uint64_t last;
	uint64_t offset;
	bool is_prefetchable;
	bool is_full;
};

struct windows {
	struct window window[MAX_WINDOWS];
	unsigned int nr;
};

static uint64_t align_up(uint64_t n, uint64_t align)
{
	return (n + align - 1) & ~(align - 1);
}

void berth_pci_size_bars(struct pci_function *fn, unsigned int nr_bars)
{
	const struct pci_bus *bus = fn->pdev.bus;
	unsigned int devfn = fn->pdev.devfn;

	for (unsigned int bar = 0; bar < nr_bars; bar++) {
		unsigned int where = PCI_BASE_ADDRESS_0 + 4 * bar;
		struct pci_need *need = &fn->need[bar];
		uint32_t old = berth_pci_bus_read(bus, devfn, where, 4);
		uint64_t mask;

		if (old & BAR_IS_IO)
			continue;
		berth_pci_bus_write(bus, devfn, where, 4, UINT32_MAX);
		mask = berth_pci_bus_read(bus, devfn, where, 4) & ~0xfu;
		berth_pci_bus_write(bus, devfn, where, 4, old);
		need->is_prefetchable = (old & BAR_PREFETCH) != 0;
		need->is_64bit = (old & BAR_TYPE_MASK) == BAR_TYPE_64 && bar + 1 < nr_bars;
		if (need->is_64bit) {
			uint32_t high = berth_pci_bus_read(bus, devfn, where + 4, 4);

			berth_pci_bus_write(bus, devfn, where + 4, 4, UINT32_MAX);
			mask |= (uint64_t)berth_pci_bus_read(bus, devfn, where + 4, 4) << 32;
			berth_pci_bus_write(bus, devfn, where + 4, 4, high);
			bar++;
		} else if (mask) {
			mask |= (uint64_t)UINT32_MAX << 32;
		}
		need->size = mask & (0 - mask);
		need->align = need->size;
	}
}

/* Call @visit for all that needs a place on a bus, the largest alignment first. */
static void for_each_need(const struct pci_bus *bus,
			  void (*visit)(struct pci_function *fn, unsigned int index, void *data),
			  void *data)
{
	for (uint64_t align = 1ULL << 63; align; align >>= 1) {
		for (struct pci_function *fn = berth_pci_first_function(); fn; fn = fn->next) {
			if (fn->pdev.bus != bus)
				continue;
			for (unsigned int i = 0; i < PCI_NUM_PLACES; i++)
				if (fn->need[i].size && fn->need[i].align == align)
					visit(fn, i, data);
		}
	}
}

static void add_up(struct pci_function *fn, unsigned int index, void *data)
{
	const struct pci_need *need = &fn->need[index];
	struct pci_need *sum = data;

	sum->size = align_up(sum->size, need->align) + need->size;
	if (sum->align < need->align)
		sum->align = need->align;
}

/* The windows of bridges: as large as what lies behind them, the deepest first. */
static void measure_bus(const struct pci_bus *bus)
{
	for (struct pci_function *fn = berth_pci_first_function(); fn; fn = fn->next) {
		struct pci_need *window = &fn->need[PCI_BRIDGE_WINDOW];

		if (fn->pdev.bus != bus || !fn->below)
			continue;
		measure_bus(fn->below);
		window->align = BRIDGE_GRANULE;
		for_each_need(fn->below, add_up, window);
		window->size = align_up(window->size, BRIDGE_GRANULE);
	}
}

/* A place in a window for @need; what has 32 bits of address stays below 4 GiB. */
static bool take(struct window *window, const struct pci_need *need, uint64_t *at)
{
	uint64_t start = align_up(window->next, need->align);
	uint64_t end = start + (need->size - 1);

	if (window->is_full || start < window->next || end < start || end > window->last ||
	    (window->is_prefetchable && !need->is_prefetchable) ||
	    (!need->is_64bit && end > UINT32_MAX))
		return false;
	window->next = end + 1;
	window->is_full = end == window->last;
	*at = start;
	return true;
}

static void place_bus(const struct pci_bus *bus, struct windows *windows);

static void set_bar(struct pci_function *fn, unsigned int bar, uint64_t at, uint64_t offset)
{
	struct resource *res = &fn->pdev.resource[bar];
	unsigned int where = PCI_BASE_ADDRESS_0 + 4 * bar;

	berth_pci_bus_write(fn->pdev.bus, fn->pdev.devfn, where, 4, lower_32_bits(at));
	if (fn->need[bar].is_64bit)
		berth_pci_bus_write(fn->pdev.bus, fn->pdev.devfn, where + 4, 4, upper_32_bits(at));
	res->start = at + offset;
	res->end = at + offset + (fn->need[bar].size - 1);
	res->name = dev_name(&fn->pdev.dev);
	res->flags = IORESOURCE_MEM;
}

/* Base and limit of a bridge's memory window; base above limit closes it. */
static void set_bridge_window(const struct pci_function *fn, uint64_t first, uint64_t last)
{
	uint32_t value = (lower_32_bits(first) >> 16 & 0xfff0u) |
			 (lower_32_bits(last) & 0xfff00000u);

	berth_pci_bus_write(fn->pdev.bus, fn->pdev.devfn, PCI_MEMORY_BASE, 4, value);
}

static void place(struct pci_function *fn, unsigned int index, void *data)
{
	const struct pci_need *need = &fn->need[index];
	struct windows *windows = data;
	struct windows inner = { 0 };
	unsigned int i;
	uint64_t at = 0;

	for (i = 0; i < windows->nr; i++)
		if (take(&windows->window[i], need, &at))
			break;
	if (i == windows->nr) {
		dev_warn(&fn->pdev.dev, "%s %u of %llu bytes fits in no window of the bus\n",
			 index == PCI_BRIDGE_WINDOW ? "bridge window" : "BAR", index,
			 (unsigned long long)need->size);
		return;
	}
	if (index != PCI_BRIDGE_WINDOW) {
		set_bar(fn, index, at, windows->window[i].offset);
		return;
	}
	set_bridge_window(fn, at, at + (need->size - 1));
	inner.nr = 1;
	inner.window[0].next = at;
	inner.window[0].last = at + (need->size - 1);
	inner.window[0].offset = windows->window[i].offset;
	place_bus(fn->below, &inner);
}

static void place_bus(const struct pci_bus *bus, struct windows *windows)
{
	for (struct pci_function *fn = berth_pci_first_function(); fn; fn = fn->next) {
		if (fn->pdev.bus != bus || !fn->below)
			continue;
		/* Everything goes into the memory window: the other two stay closed. */
		set_bridge_window(fn, 0xfff00000u, 0);
		berth_pci_bus_write(bus, fn->pdev.devfn, PCI_PREF_MEMORY_BASE, 4, 0x0000fff0u);
		berth_pci_bus_write(bus, fn->pdev.devfn, PCI_PREF_BASE_UPPER32, 4, 0);
		berth_pci_bus_write(bus, fn->pdev.devfn, PCI_PREF_BASE_UPPER32 + 4, 4, 0);
		berth_pci_bus_write(bus, fn->pdev.devfn, PCI_IO_BASE, 2, 0x00f0u);
		berth_pci_bus_write(bus, fn->pdev.devfn, PCI_IO_BASE_UPPER16, 4, 0);
	}
	for_each_need(bus, place, windows);
}

/* The memory entries of ranges, those below 4 GiB first: they serve every BAR. */
static int read_ranges(const struct device_node *node, struct windows *windows)
{
	const struct device_node *parent = of_get_parent(node);
	int parent_cells = of_n_addr_cells(node);
	uint32_t size_cells = 2;
	int length, stride;
	const uint8_t *ranges = of_get_property(node, "ranges", &length);

	of_property_read_u32(node, "#size-cells", &size_cells);
	/* Checked first: what a tree says may make a stride of 0. */
	stride = size_cells > 2 ? 0 : (3 + parent_cells + (int)size_cells) * 4;
	if (!parent || !ranges || !stride || length % stride)
		return berth_fail(-EINVAL, BERTH_REASON_TREE, berth_of_node_name(node));
	for (int pass = 0; pass < 2; pass++) {
		for (int at = 0; at < length && windows->nr < MAX_WINDOWS; at += stride) {
			const uint8_t *entry = ranges + at;
			uint32_t hi = (uint32_t)of_read_number(entry, 1);
			uint64_t bus = of_read_number(entry + 4, 2);
			uint64_t cpu = of_read_number(entry + 12, parent_cells);
			uint64_t size =
				of_read_number(entry + 12 + 4 * parent_cells, (int)size_cells);
			struct window *window = &windows->window[windows->nr];

			if (OF_PCI_SPACE(hi) != OF_PCI_MEM32 && OF_PCI_SPACE(hi) != OF_PCI_MEM64)
				continue;
			if (!size || bus + (size - 1) < bus ||
			    (bus + (size - 1) <= UINT32_MAX) != (pass == 0) ||
			    !berth_of_translate(parent, cpu, &cpu))
				continue;
			window->next = bus ? bus : LOWEST_ADDRESS;
			window->last = bus + (size - 1);
			window->offset = cpu - bus;
			window->is_prefetchable = (hi & OF_PCI_PREFETCH) != 0;
			windows->nr++;
		}
	}
	return 0;
}

int berth_pci_set_peers(struct pci_host_bridge *bridge)
{
	struct berth_dma_window peers[MAX_WINDOWS];
	struct windows windows = { 0 };
	int err = read_ranges(bridge->dev->of_node, &windows);

	if (err)
		return err;
	for (unsigned int i = 0; i < windows.nr; i++) {
		const struct window *window = &windows.window[i];

		peers[i].cpu = window->next + window->offset;
		peers[i].bus = window->next;
		peers[i].size = window->last - window->next + 1;
	}
	berth_dma_set_peers(bridge->dev, peers, windows.nr);
	return 0;
}

int berth_pci_place_all(struct pci_host_bridge *bridge)
{
	struct windows windows = { 0 };
	int err = read_ranges(bridge->dev->of_node, &windows);

	if (err)
		return err;
	measure_bus(bridge->bus);
	place_bus(bridge->bus, &windows);
	return 0;
}
