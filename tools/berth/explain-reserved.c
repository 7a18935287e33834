// SPDX-License-Identifier: BSD-2-Clause
/* Memory, and what is reserved of it: as the tree lists it, with the places that berth finds. */
#include <string.h>

#include <berth/board.h>
#include <berth/memblock.h>

#include "explain.h"

static void join(struct berth_range **ranges, unsigned int *count, const struct berth_range *range)
{
	struct berth_range *last = *count ? &(*ranges)[*count - 1] : NULL;

	if (last && last->base + last->size == range->base) {
		last->size += range->size;
		return;
	}
	*ranges = explain_more(*ranges, count, sizeof(**ranges));
	(*ranges)[*count - 1] = *range;
}

void explain_read_memory(struct explanation *e)
{
	enum memblock_flags flags;
	struct berth_range range;

	for (unsigned int i = 0; berth_memblock_next(false, i, &range, &flags); i++) {
		join(&e->memory, &e->nr_memory, &range);
		if (!(flags & MEMBLOCK_NOMAP))
			join(&e->mapped, &e->nr_mapped, &range);
	}
}

static enum explain_kind kind_of(const struct device_node *node)
{
	if (of_device_is_compatible(node, "shared-dma-pool"))
		return of_property_read_bool(node, "reusable") &&
				       !of_property_read_bool(node, "no-map")
			       ? EXPLAIN_CMA
			       : EXPLAIN_COHERENT_POOL;
	if (of_device_is_compatible(node, "restricted-dma-pool"))
		return EXPLAIN_RESTRICTED_POOL;
	return of_property_read_bool(node, "no-map") || !of_property_read_bool(node, "reg")
		       ? EXPLAIN_CARVEOUT
		       : EXPLAIN_STATIC;
}

static struct explain_reserved *new_reserved(struct explanation *e, const char *name,
					     const struct device_node *node)
{
	struct explain_reserved *res;

	e->reserved = explain_more(e->reserved, &e->nr_reserved, sizeof(*res));
	res = &e->reserved[e->nr_reserved - 1];
	res->name = name;
	res->node = node;
	if (node) {
		res->kind = kind_of(node);
		res->is_nomap = of_property_read_bool(node, "no-map");
		res->is_reusable = of_property_read_bool(node, "reusable");
		res->is_bypassed = res->kind == EXPLAIN_CMA && berth_board_bootarg("cma") &&
				   of_property_read_bool(node, "linux,cma-default");
	}
	return res;
}

/* Where berth has put a reservation that has no place of its own; false if nowhere. */
static bool find_place(const struct device_node *node, struct berth_board_reserved *place)
{
	for (unsigned int i = 0; berth_board_reserved(i, place); i++)
		if (place->node == node && place->is_placed)
			return true;
	return false;
}

static void read_dynamic(struct explanation *e, const struct device_node *node, int ns)
{
	struct explain_reserved *res = new_reserved(e, berth_of_node_name(node), node);
	struct berth_board_reserved place;
	int length;
	const void *size = of_get_property(node, "size", &length);

	res->is_dynamic = true;
	res->size = size && length >= ns * 4 ? of_read_number(size, ns) : 0;
	if (find_place(node, &place)) {
		res->is_placed = true;
		res->base = place.base;
		res->size = place.size;
	}
}

static void read_static(struct explanation *e, const struct device_node *node, int na, int ns)
{
	int length, bytes = (na + ns) * 4;
	const uint8_t *reg = of_get_property(node, "reg", &length);

	for (; bytes && length >= bytes; length -= bytes, reg += bytes) {
		struct explain_reserved *res = new_reserved(e, berth_of_node_name(node), node);

		res->is_placed = !res->is_bypassed;
		res->base = of_read_number(reg, na);
		res->size = of_read_number(reg + 4 * na, ns);
	}
}

/* The last one counts, as when berth starts and on Linux. */
static void mark_defaults(struct explanation *e)
{
	const struct device_node *cma = NULL, *coherent = NULL;

	for (int dynamic = 0; dynamic < 2; dynamic++)
		for (unsigned int i = 0; i < e->nr_reserved; i++) {
			const struct explain_reserved *res = &e->reserved[i];

			if (!res->node || res->is_dynamic != dynamic ||
			    (e->nr_memory && !res->is_placed))
				continue;
			if (res->kind == EXPLAIN_CMA && !res->is_bypassed &&
			    of_property_read_bool(res->node, "linux,cma-default"))
				cma = res->node;
			if (res->kind == EXPLAIN_COHERENT_POOL &&
			    of_property_read_bool(res->node, "linux,dma-default"))
				coherent = res->node;
		}
	for (unsigned int i = 0; i < e->nr_reserved; i++) {
		struct explain_reserved *res = &e->reserved[i];

		res->is_default = res->node && (res->node == cma || res->node == coherent);
	}
}

static void read_memreserve(struct explanation *e)
{
	struct berth_range range;

	for (unsigned int i = 0; berth_board_memreserve(i, &range); i++) {
		struct explain_reserved *res;

		if (!range.size)
			continue;
		res = new_reserved(e, "/memreserve/", NULL);
		res->base = range.base;
		res->size = range.size;
		res->is_placed = true;
	}
}

/* The area that cma= asks for. */
static void read_argument(struct explanation *e)
{
	struct berth_board_reserved area;

	for (unsigned int i = 0; berth_board_reserved(i, &area); i++) {
		struct explain_reserved *res;

		if (area.node)
			continue;
		res = new_reserved(e, area.name, NULL);
		res->base = area.base;
		res->size = area.size;
		res->is_placed = area.is_placed;
		res->is_dynamic = res->is_reusable = res->is_default = true;
		res->kind = EXPLAIN_CMA;
	}
}

void explain_read_reserved(struct explanation *e)
{
	const struct device_node *root = explain_reserved_root();
	struct device_node *node;

	read_memreserve(e);
	for (node = of_get_next_child(root, NULL); node; node = of_get_next_child(root, node)) {
		int na = of_n_addr_cells(node), ns = of_n_size_cells(node);

		if (!of_device_is_available(node))
			continue;
		if (of_property_read_bool(node, "reg"))
			read_static(e, node, na, ns);
		else
			read_dynamic(e, node, ns);
	}
	mark_defaults(e);
	read_argument(e);
}
