// SPDX-License-Identifier: BSD-2-Clause
/* Findings about memory and reservations. Each code has its page in docs/findings/. */
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include <berth/board.h>
#include <berth/cma.h>

#include "explain.h"

void explain_find(struct explanation *e, enum explain_severity severity, const char *code,
		  const struct device_node *node, const char *format, ...)
{
	struct explain_finding *finding;
	va_list args;

	e->findings = explain_more(e->findings, &e->nr_findings, sizeof(*finding));
	finding = &e->findings[e->nr_findings - 1];
	finding->severity = severity;
	finding->code = code;
	finding->node = node;
	va_start(args, format);
	vsnprintf(finding->message, sizeof(finding->message), format, args);
	va_end(args);
}

static bool is_pool(const struct explain_reserved *res)
{
	return res->kind == EXPLAIN_CMA || res->kind == EXPLAIN_COHERENT_POOL ||
	       res->kind == EXPLAIN_RESTRICTED_POOL;
}

/* Linux reads /reserved-memory only if it counts as the root does. */
static void find_format(struct explanation *e)
{
	const struct device_node *root = explain_reserved_root();
	uint32_t na = 0, ns = 0;

	if (!root || !of_get_next_child(root, NULL))
		return;
	of_property_read_u32(root, "#address-cells", &na);
	of_property_read_u32(root, "#size-cells", &ns);
	if ((int)na == of_n_addr_cells(root) && (int)ns == of_n_size_cells(root) &&
	    of_property_read_bool(root, "ranges"))
		return;
	explain_find(e, EXPLAIN_ERROR, "reserved-memory-cells", root,
		     "#address-cells and #size-cells must be those of the root (%d and %d), and "
		     "ranges must be there: Linux ignores all of it",
		     of_n_addr_cells(root), of_n_size_cells(root));
}

static void check_length(struct explanation *e, const struct device_node *node, const char *name,
			 int unit, bool is_list)
{
	int length;

	if (!of_get_property(node, name, &length))
		return;
	if (is_list ? unit && length && !(length % unit) : length == unit)
		return;
	explain_find(e, EXPLAIN_ERROR, "reservation-length", node,
		     "%s has %d bytes; with these cells %s of %d belong there", name, length,
		     is_list ? "entries" : "a number", unit);
}

static void find_lengths(struct explanation *e)
{
	const struct device_node *root = explain_reserved_root();
	struct device_node *node;

	for (node = of_get_next_child(root, NULL); node; node = of_get_next_child(root, node)) {
		int na = of_n_addr_cells(node) * 4, ns = of_n_size_cells(node) * 4;

		if (!of_device_is_available(node))
			continue;
		check_length(e, node, "reg", na + ns, true);
		if (of_property_read_bool(node, "reg"))
			continue;
		check_length(e, node, "size", ns, false);
		check_length(e, node, "alignment", ns, false);
		check_length(e, node, "alloc-ranges", na + ns, true);
		if (!of_property_read_bool(node, "size"))
			explain_find(e, EXPLAIN_ERROR, "reservation-length", node,
				     "neither reg nor size: nothing is reserved");
	}
}

static void find_flags(struct explanation *e, const struct explain_reserved *res)
{
	const struct device_node *node = res->node;
	const char *cma = berth_board_bootarg("cma");

	if (res->is_bypassed)
		explain_find(e, EXPLAIN_NOTE, "cma-argument", node,
			     "cma=%.*s takes its place: nothing is reserved here",
			     (int)strcspn(cma, " "), cma);

	if (res->is_nomap && res->is_reusable)
		explain_find(e, EXPLAIN_ERROR, "reusable-and-no-map", node,
			     "reusable memory is lent to programs, no-map memory to nobody: it is "
			     "no area");
	if (res->kind == EXPLAIN_RESTRICTED_POOL &&
	    (res->is_nomap || res->is_reusable ||
	     of_property_read_bool(node, "linux,cma-default") ||
	     of_property_read_bool(node, "linux,dma-default")))
		explain_find(e, EXPLAIN_ERROR, "restricted-pool-flags", node,
			     "a restricted-dma-pool is neither no-map nor reusable nor anybody's "
			     "default: Linux does not set it up");
	if (of_property_read_bool(node, "linux,cma-default") && res->kind != EXPLAIN_CMA &&
	    res->kind != EXPLAIN_RESTRICTED_POOL)
		explain_find(e, EXPLAIN_ERROR, "default-not-reusable", node,
			     "linux,cma-default, but no shared-dma-pool that is reusable: it is "
			     "not the default area");
}

static void find_defaults(struct explanation *e, const char *name)
{
	const struct device_node *root = explain_reserved_root(), *first = NULL;
	struct device_node *node;

	for (node = of_get_next_child(root, NULL); node; node = of_get_next_child(root, node)) {
		if (!of_device_is_available(node) || !of_property_read_bool(node, name))
			continue;
		if (first)
			explain_find(e, EXPLAIN_ERROR, "default-twice", node,
				     "%s is on %.60s as well; only one of them is the default",
				     name, berth_of_node_name(first));
		else
			first = node;
	}
}

static bool is_all_memory(const struct explanation *e, uint64_t base, uint64_t size)
{
	for (unsigned int i = 0; i < e->nr_memory; i++) {
		const struct berth_range *range = &e->memory[i];

		if (base - range->base < range->size && size <= range->size - (base - range->base))
			return true;
	}
	return false;
}

static void find_place(struct explanation *e, const struct explain_reserved *res)
{
	uint64_t mask = CMA_MIN_ALIGNMENT_BYTES - 1, size = res->size;

	if (res->is_dynamic) {
		int length;
		const void *said = res->node ? of_get_property(res->node, "size", &length) : NULL;

		/* What the tree asks for, not what berth made of it. */
		if (said && length / 4 >= of_n_size_cells(res->node))
			size = of_read_number(said, of_n_size_cells(res->node));
	}
	if (res->kind == EXPLAIN_CMA && res->node &&
	    ((size & mask) || (!res->is_dynamic && (res->base & mask))))
		explain_find(e, EXPLAIN_ERROR, "cma-misaligned", res->node,
			     "an area consists of blocks of %#" PRIx64 " bytes: base and size must "
			     "be multiples (size %#" PRIx64 ")",
			     mask + 1, size);
	if (!e->nr_memory || !res->size || res->is_bypassed)
		return;
	if (!res->is_placed)
		explain_find(e, EXPLAIN_ERROR, "reservation-unplaced", res->node,
			     "%.60s: no free range of %#" PRIx64
			     " bytes where it may lie: nothing is reserved",
			     res->name, res->size);
	else if ((res->kind == EXPLAIN_CMA || res->kind == EXPLAIN_RESTRICTED_POOL) &&
		 !is_all_memory(e, res->base, res->size))
		explain_find(e, EXPLAIN_ERROR, "pool-outside-memory", res->node,
			     "not all of %#" PRIx64 " to %#" PRIx64 " is memory", res->base,
			     res->base + res->size - 1);
}

static void find_overlap(struct explanation *e, const struct explain_reserved *a,
			 const struct explain_reserved *b)
{
	bool in_tree = a->node && b->node;

	if (!a->is_placed || !b->is_placed || !a->size || !b->size)
		return;
	if (a->base - b->base >= b->size && b->base - a->base >= a->size)
		return;
	/* Boot loaders list the same memory in both ways; that is no harm but to a pool. */
	if (!in_tree && !is_pool(a) && !is_pool(b))
		return;
	explain_find(e, is_pool(a) || is_pool(b) ? EXPLAIN_ERROR : EXPLAIN_WARNING,
		     "reservations-overlap", b->node ? b->node : a->node,
		     "%#" PRIx64 " to %#" PRIx64 " and %.60s at %#" PRIx64 " to %#" PRIx64
		     " share bytes",
		     b->base, b->base + b->size - 1, a->name, a->base, a->base + a->size - 1);
}

void explain_find_reserved(struct explanation *e)
{
	if (!e->nr_memory)
		explain_find(e, EXPLAIN_NOTE, "memory-unknown", NULL,
			     "the tree tells of no memory, as the boot loader fills it in: give "
			     "it by --mem BASE:SIZE");
	find_format(e);
	find_lengths(e);
	for (unsigned int i = 0; i < e->nr_reserved; i++) {
		const struct explain_reserved *res = &e->reserved[i];

		if (res->node && explain_reserved_of(e, res->node) == res)
			find_flags(e, res);
		find_place(e, res);
		for (unsigned int j = 0; j < i; j++)
			find_overlap(e, &e->reserved[j], res);
	}
	find_defaults(e, "linux,cma-default");
	find_defaults(e, "linux,dma-default");
}
