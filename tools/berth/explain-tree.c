// SPDX-License-Identifier: BSD-2-Clause
/* What the parts of an explanation ask of the tree, and of arithmetic. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "explain.h"
#include "run.h"

#define MAX_WINDOWS 1024

static void *must(void *memory)
{
	if (memory)
		return memory;
	fputs("berth explain: out of memory\n", stderr);
	exit(RUN_UNUSABLE);
}

void *explain_alloc(size_t size)
{
	return must(malloc(size));
}

void *explain_more(void *array, unsigned int *count, size_t size)
{
	/* Room is doubled; what there is follows from the count. */
	if (!(*count & (*count - 1)))
		array = must(realloc(array, (*count ? 2 * (size_t)*count : 1) * size));
	memset((char *)array + *count * size, 0, size);
	(*count)++;
	return array;
}

bool explain_is_enabled(const struct device_node *node)
{
	while (node && of_device_is_available(node))
		node = of_get_parent(node);
	return !node;
}

bool explain_is_device(const struct device_node *node)
{
	static const char *const marks[] = { "iommus", "iommu-map",    "memory-region",
					     "dmas",   "dma-coherent", "#dma-cells" };

	for (size_t i = 0; i < ARRAY_SIZE(marks); i++)
		if (of_property_read_bool(node, marks[i]))
			return true;
	return false;
}

bool explain_is_host(const struct device_node *node)
{
	const char *type;

	return !of_property_read_string(node, "device_type", &type) && !strcmp(type, "pci");
}

const struct device_node *explain_reserved_root(void)
{
	struct device_node *child;

	for_each_child_of_node(berth_of_root(), child)
		if (!strcmp(berth_of_node_name(child), "reserved-memory"))
			return child;
	return NULL;
}

const struct explain_reserved *explain_reserved_of(const struct explanation *e,
						   const struct device_node *node)
{
	for (unsigned int i = 0; i < e->nr_reserved; i++)
		if (e->reserved[i].node == node)
			return &e->reserved[i];
	return NULL;
}

void explain_list_open(struct explain_list *list, const struct device_node *node, const char *name,
		       const char *count_name)
{
	int length = 0;

	memset(list, 0, sizeof(*list));
	list->at = of_get_property(node, name, &length);
	list->left = list->at ? (unsigned int)length / 4 : 0;
	list->count_name = count_name;
}

bool explain_list_next(struct explain_list *list)
{
	uint32_t phandle = 0, count = 0;

	/* An entry of a phandle that is 0 is left empty on purpose. */
	for (; list->left && !phandle; list->entries++) {
		phandle = (uint32_t)of_read_number(list->at, 1);
		list->at += 4;
		list->left--;
	}
	if (!phandle)
		return false;
	list->target = of_find_node_by_phandle(phandle);
	if (list->target && list->count_name)
		of_property_read_u32(list->target, list->count_name, &count);
	if (count > list->left)
		list->target = NULL;
	list->args = list->at;
	list->nr_args = list->target ? count : 0;
	/* How long an entry is that points nowhere, nobody knows. */
	if (!list->target && list->count_name)
		list->left = 0;
	list->left -= list->nr_args;
	list->at += 4 * list->nr_args;
	return true;
}

int explain_windows(struct device_node *bus, struct berth_dma_window **windows, unsigned int *count)
{
	static struct berth_dma_window found[MAX_WINDOWS];
	int ret = berth_of_dma_windows(bus, found, MAX_WINDOWS);

	*windows = NULL;
	*count = 0;
	if (ret < 0)
		return -1;
	for (int i = 0; i < ret; i++) {
		*windows = explain_more(*windows, count, sizeof(**windows));
		(*windows)[i] = found[i];
	}
	return 0;
}

/* The last byte of a stretch that begins at @at, all of it in reach or none; not behind @last. */
static uint64_t stretch(const struct berth_dma_window *windows, unsigned int count, uint64_t mask,
			uint64_t at, uint64_t last, bool *is_reached)
{
	*is_reached = false;
	for (unsigned int i = 0; i < count; i++) {
		const struct berth_dma_window *w = &windows[i];
		uint64_t final;

		if (w->bus > mask)
			continue;
		final = w->cpu + (mask - w->bus < w->size - 1 ? mask - w->bus : w->size - 1);
		if (w->cpu <= at && at <= final) {
			*is_reached = true;
			return final < last ? final : last;
		}
		if (w->cpu > at && w->cpu <= last)
			last = w->cpu - 1;
	}
	return last;
}

uint64_t explain_beyond(const struct berth_dma_window *windows, unsigned int count, uint64_t mask,
			uint64_t base, uint64_t size)
{
	static const struct berth_dma_window all = { 0, 0, UINT64_MAX };
	uint64_t last = base + size - 1, beyond = 0;

	for (uint64_t at = base;;) {
		bool is_reached;
		uint64_t end = stretch(count ? windows : &all, count ? count : 1, mask, at, last,
				       &is_reached);

		beyond += is_reached ? 0 : end - at + 1;
		if (end == last)
			return beyond;
		at = end + 1;
	}
}
