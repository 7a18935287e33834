// SPDX-License-Identifier: BSD-2-Clause
/* Findings about devices, and about the buses between them and memory. */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "explain.h"

#define MASK ((1ULL << EXPLAIN_MASK_BITS) - 1)

static void dangling(struct explanation *e, const struct device_node *node, const char *name,
		     unsigned int index)
{
	explain_find(e, EXPLAIN_ERROR, "phandle-dangling", node,
		     "entry %u of %s leads nowhere: no node has that phandle, or cells are missing",
		     index, name);
}

static void find_region(struct explanation *e, const struct device_node *node,
			const struct device_node *target)
{
	const struct explain_reserved *res = explain_reserved_of(e, target);
	const char *name = berth_of_node_name(target);

	if (of_get_parent(target) != explain_reserved_root())
		explain_find(e, EXPLAIN_ERROR, "memory-region-elsewhere", node,
			     "memory-region points at %.60s, which is no child of /reserved-memory",
			     name);
	else if (!of_device_is_available(target))
		explain_find(e, EXPLAIN_ERROR, "memory-region-disabled", node,
			     "memory-region points at %.60s, which is disabled", name);
	else if (res && (res->kind == EXPLAIN_STATIC || res->kind == EXPLAIN_CARVEOUT))
		explain_find(e, EXPLAIN_NOTE, "memory-region-not-a-pool", node,
			     "%.60s is no pool: allocations do not come out of it, only the "
			     "device's own driver can use it",
			     name);
}

static unsigned int count_strings(const struct device_node *node, const char *name)
{
	int length = 0;
	const char *list = of_get_property(node, name, &length);
	unsigned int count = 0;

	for (int i = 0; list && i < length; i++)
		count += !list[i];
	return count;
}

/* A list of phandles, the names beside it, and what each of them leads to. */
static void check_list(struct explanation *e, const struct device_node *node, const char *name,
		       const char *count_name, const char *names)
{
	struct explain_list list;
	unsigned int nowhere = 0;

	explain_list_open(&list, node, name, count_name);
	while (explain_list_next(&list)) {
		/* Where one is wrong, all may be: the first is enough. */
		if (!list.target && !nowhere++)
			dangling(e, node, name, list.entries - 1);
		else if (list.target && !count_name)
			find_region(e, node, list.target);
	}
	if (nowhere && count_name)
		return;
	if (names && of_property_read_bool(node, names) &&
	    count_strings(node, names) != list.entries)
		explain_find(e, EXPLAIN_WARNING, "names-count", node, "%s has %u entries, %s %u",
			     name, list.entries, names, count_strings(node, names));
}

/*
 * The ids of the devices behind a host that no entry of iommu-map covers. A map that covers few of
 * them is a list of the devices that are there; one that covers most leaves something out.
 */
static void find_gap(struct explanation *e, const struct device_node *node, const uint8_t *map,
		     int entries)
{
	uint8_t *covered = explain_alloc(0x10000);
	uint32_t first_bus = 0, last_bus = 0xff, mask = 0xffff;
	uint32_t gap = 0, gaps = 0, count = 0;

	memset(covered, 0, 0x10000);
	of_property_read_u32_index(node, "bus-range", 0, &first_bus);
	of_property_read_u32_index(node, "bus-range", 1, &last_bus);
	of_property_read_u32(node, "iommu-map-mask", &mask);
	for (int i = 0; i < entries; i++) {
		uint32_t rid = (uint32_t)of_read_number(map + 16 * i, 1);
		uint32_t length = (uint32_t)of_read_number(map + 16 * i + 12, 1);

		if (rid < 0x10000)
			memset(covered + rid, 1, length < 0x10000 - rid ? length : 0x10000 - rid);
	}
	for (uint32_t bus = first_bus; bus <= last_bus && bus <= 0xff; bus++)
		for (uint32_t id = bus << 8; id < (bus + 1) << 8; id++, count++)
			if (!covered[id & mask & 0xffff] && !gaps++)
				gap = id;
	if (gaps)
		explain_find(
			e, gaps > count / 2 ? EXPLAIN_NOTE : EXPLAIN_WARNING, "iommu-map-gap", node,
			"%u of %u ids on buses %u to %u have no entry, %02x:%02x.%u the first: "
			"devices there get no IOMMU",
			gaps, count, first_bus, last_bus, gap >> 8, gap >> 3 & 31, gap & 7);
	free(covered);
}

static void check_map(struct explanation *e, const struct device_node *node)
{
	int length;
	const uint8_t *map = of_get_property(node, "iommu-map", &length);
	bool is_used = false, is_whole = true;

	if (!map)
		return;
	if (!length || length % 16)
		explain_find(e, EXPLAIN_ERROR, "iommu-map-length", node,
			     "iommu-map has %d bytes, which are not entries of 4 cells", length);
	for (int i = 0; i < length / 16; i++) {
		const struct device_node *iommu =
			of_find_node_by_phandle((uint32_t)of_read_number(map + 16 * i + 4, 1));

		if (!iommu && is_whole)
			dangling(e, node, "iommu-map", (unsigned int)i);
		is_whole &= iommu != NULL;
		is_used |= iommu && explain_is_enabled(iommu);
	}
	if (is_used && explain_is_host(node))
		find_gap(e, node, map, length / 16);
}

void explain_find_lists(struct explanation *e)
{
	for (unsigned int i = 0; i < e->nr_devices; i++) {
		const struct device_node *node = e->devices[i].node;

		check_list(e, node, "memory-region", NULL, "memory-region-names");
		check_list(e, node, "iommus", "#iommu-cells", NULL);
		check_list(e, node, "dmas", "#dma-cells", "dma-names");
		check_map(e, node);
	}
}

/* Bytes of memory that are not in reach. */
static uint64_t beyond(const struct explanation *e, const struct berth_dma_window *windows,
		       unsigned int count, uint64_t mask, uint64_t *total)
{
	uint64_t sum = 0;

	*total = 0;
	for (unsigned int i = 0; i < e->nr_mapped; i++) {
		*total += e->mapped[i].size;
		sum += explain_beyond(windows, count, mask, e->mapped[i].base, e->mapped[i].size);
	}
	return sum;
}

static void check_ranges(struct explanation *e, struct device_node *bus)
{
	struct berth_dma_window *windows;
	unsigned int count, rest, entries = berth_of_dma_entries(bus, &rest);
	uint64_t lost, total;

	if (explain_windows(bus, &windows, &count))
		return;
	if (rest)
		explain_find(e, EXPLAIN_ERROR, "dma-ranges-length", bus,
			     "dma-ranges: behind %u whole entries %u bytes are left over; are the "
			     "cells right?",
			     entries, rest);
	if (count < entries)
		explain_find(e, EXPLAIN_ERROR, "dma-ranges-untranslated", bus,
			     "%u of %u entries of dma-ranges lead nowhere: no size, or a bus above "
			     "does not pass them on",
			     entries - count, entries);
	lost = count ? beyond(e, windows, count, UINT64_MAX, &total) : 0;
	if (lost && !of_property_read_bool(bus, "iommu-map"))
		explain_find(e, lost == total ? EXPLAIN_ERROR : EXPLAIN_WARNING, "ram-out-of-reach",
			     bus,
			     "its devices do not reach %" PRIu64 " of %" PRIu64 " MiB of memory%s",
			     (lost + (1 << 19)) >> 20, (total + (1 << 19)) >> 20,
			     lost == total	   ? ", which is all"
			     : e->bounce_forbidden ? ""
						   : ": mapping those takes a copy (bounce)");
	free(windows);
}

void explain_find_buses(struct explanation *e)
{
	struct device_node *node = berth_of_root();

	for (; node; node = of_find_all_nodes(node)) {
		int length;

		if (of_get_property(node, "dma-ranges", &length) && length &&
		    explain_is_enabled(node) && of_get_parent(node))
			check_ranges(e, node);
	}
}

static void find_reach(struct explanation *e, const struct explain_device *device)
{
	struct explain_list list;

	explain_list_open(&list, device->node, "memory-region", NULL);
	while (explain_list_next(&list)) {
		const struct explain_reserved *res =
			list.target ? explain_reserved_of(e, list.target) : NULL;
		bool is_window;

		if (!res || !res->is_placed || !res->size || res->kind == EXPLAIN_STATIC ||
		    res->kind == EXPLAIN_CARVEOUT || res->base + res->size - 1 < res->base)
			continue;
		if (!explain_beyond(device->windows, device->nr_windows, MASK, res->base,
				    res->size))
			continue;
		is_window = explain_beyond(device->windows, device->nr_windows, UINT64_MAX,
					   res->base, res->size);
		explain_find(e, is_window ? EXPLAIN_ERROR : EXPLAIN_WARNING, "pool-out-of-reach",
			     device->node,
			     "%.60s at %#" PRIx64 " to %#" PRIx64 " is not all within %s",
			     res->name, res->base, res->base + res->size - 1,
			     is_window ? "the windows of its bus (dma-ranges)"
				       : "32 bits, which is what a driver gets that asks for no "
					 "more");
	}
}

static void find_coherency(struct explanation *e, const struct device_node *node)
{
	const struct device_node *bus = node;

	if (!of_property_read_bool(node, "dma-coherent"))
		return;
	for (int hops = 0; bus && hops < 64; bus = berth_of_dma_parent(bus), hops++) {
		if (bus != node && of_property_read_bool(bus, "dma-coherent"))
			return;
		if (!of_property_read_bool(bus, "dma-noncoherent"))
			continue;
		explain_find(e, EXPLAIN_WARNING, "coherency-contradiction", node,
			     "dma-coherent, but %.60s says dma-noncoherent: if it is wrong, data "
			     "will be too",
			     bus == node ? "the node itself" : berth_of_node_name(bus));
		return;
	}
}

static void find_iommu(struct explanation *e, const struct explain_device *device)
{
	if (device->iommu && !device->iommu_works)
		explain_find(e, EXPLAIN_NOTE, "iommu-disabled", device->node,
			     "its IOMMU %.60s is disabled: the device gets bus addresses",
			     berth_of_node_name(device->iommu));
}

static bool is_found(const struct explanation *e, const char *code, const struct device_node *node)
{
	for (unsigned int i = 0; i < e->nr_findings; i++)
		if (e->findings[i].node == node && !strcmp(e->findings[i].code, code))
			return true;
	return false;
}

/* Whether a device is worse off without the windows of a bus. */
static bool do_windows_matter(const struct explanation *e, struct device_node *bus)
{
	struct berth_dma_window *windows;
	unsigned int count;
	uint64_t total;
	bool matters = false;

	if (explain_windows(bus, &windows, &count))
		return false;
	for (unsigned int i = 0; i < count; i++)
		matters |= windows[i].cpu != windows[i].bus;
	if (count && beyond(e, windows, count, UINT64_MAX, &total))
		matters = true;
	free(windows);
	return matters;
}

/* A bus without dma-ranges, other than the device's own, hides those above it. */
static void find_hidden(struct explanation *e, const struct explain_device *device)
{
	struct device_node *hiding = NULL, *bus = berth_of_dma_parent(device->node);

	if (device->iommu_works || !explain_is_device(device->node))
		return;
	for (int level = 0; bus && level < 64; bus = berth_of_dma_parent(bus), level++) {
		int length = 0;
		const void *ranges = of_get_property(bus, "dma-ranges", &length);

		if (ranges && length)
			break;
		if (!ranges && level && !hiding)
			hiding = bus;
	}
	if (bus && hiding && of_get_parent(bus) && !is_found(e, "dma-ranges-hidden", hiding) &&
	    do_windows_matter(e, bus))
		explain_find(e, EXPLAIN_WARNING, "dma-ranges-hidden", hiding,
			     "it has no dma-ranges (an empty one would do), so %.60s below it does "
			     "not get those of %.60s",
			     berth_of_node_name(device->node), berth_of_node_name(bus));
}

/* Bounce buffers help only where they are in reach. Said once of the devices of a bus. */
static void find_nothing(struct explanation *e, const struct explain_device *device)
{
	const struct device_node *bus = berth_of_dma_parent(device->node);
	uint64_t total;

	if (device->backend != EXPLAIN_BOUNCE || device->nr_behind ||
	    is_found(e, "mask-reaches-nothing", bus) ||
	    beyond(e, device->windows, device->nr_windows, MASK, &total) < total ||
	    beyond(e, device->windows, device->nr_windows, UINT64_MAX, &total) == total)
		return;
	explain_find(e, EXPLAIN_NOTE, "mask-reaches-nothing", bus,
		     "no memory is in reach of %d bits, not even for bounce buffers: drivers here, "
		     "as of %.60s, have to ask for more",
		     EXPLAIN_MASK_BITS, berth_of_node_name(device->node));
}

void explain_find_devices(struct explanation *e)
{
	for (unsigned int i = 0; i < e->nr_devices; i++) {
		const struct explain_device *device = &e->devices[i];

		find_hidden(e, device);
		find_nothing(e, device);
		find_coherency(e, device->node);
		find_iommu(e, device);
		if (e->nr_memory && device->backend != EXPLAIN_IOMMU)
			find_reach(e, device);
		if (device->backend == EXPLAIN_BOUNCE && e->bounce_forbidden)
			explain_find(e, EXPLAIN_ERROR, "bounce-forbidden", device->node,
				     "it does not reach all memory, and swiotlb=noforce forbids "
				     "the copy: mappings will fail");
	}
}
