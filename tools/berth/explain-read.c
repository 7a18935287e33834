// SPDX-License-Identifier: BSD-2-Clause
/* The explanation of a tree: boot arguments, and each device's way to memory. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <berth/board.h>

#include "explain.h"
#include "run.h"

static bool arg_is_true(const char *arg, bool otherwise)
{
	if (!arg)
		return otherwise;
	if (strchr("yY1tT", *arg) && *arg)
		return true;
	if (strchr("nN0fF", *arg) && *arg)
		return false;
	if (!strncmp(arg, "on", 2) || !strncmp(arg, "off", 3))
		return arg[1] == 'n';
	return otherwise;
}

/* swiotlb=SLABS,AREAS,force or noforce, each of which may be missing. */
static bool arg_lists(const char *arg, const char *word)
{
	size_t length = strlen(word);

	while (arg && *arg && *arg != ' ') {
		size_t n = strcspn(arg, ", ");

		if (n == length && !strncmp(arg, word, n))
			return true;
		arg += n + (arg[n] == ',');
	}
	return false;
}

static void read_bootargs(struct explanation *e)
{
	const char *swiotlb = berth_board_bootarg("swiotlb");

	e->bounce_forced = arg_lists(swiotlb, "force");
	e->bounce_forbidden = arg_lists(swiotlb, "noforce");
	e->is_strict = arg_is_true(berth_board_bootarg("iommu.strict"), true);
	e->is_passthrough = arg_is_true(berth_board_bootarg("iommu.passthrough"), false);
}

static uint32_t cacheline_of(const struct device_node *cpus)
{
	static const char *const names[] = { "d-cache-line-size", "d-cache-block-size",
					     "cache-line-size" };
	struct device_node *cpu;
	uint32_t line = 0, value;

	for_each_child_of_node(cpus, cpu)
		for (size_t i = 0; i < ARRAY_SIZE(names); i++)
			if (!of_property_read_u32(cpu, names[i], &value) && value > line &&
			    value <= 4096 && !(value & (value - 1)))
				line = value;
	return line ? line : 64;
}

static void read_iommus(struct explain_device *device)
{
	struct explain_list list;

	device->has_iommus = of_property_read_bool(device->node, "iommus");
	explain_list_open(&list, device->node, "iommus", "#iommu-cells");
	while (explain_list_next(&list)) {
		if (!list.target)
			break;
		if (!device->iommu)
			device->iommu = list.target;
		device->iommu_works |= explain_is_enabled(list.target);
		for (unsigned int i = 0; list.target == device->iommu && i < list.nr_args; i++) {
			device->ids =
				explain_more(device->ids, &device->nr_ids, sizeof(*device->ids));
			device->ids[device->nr_ids - 1] =
				(uint32_t)of_read_number(list.args + 4 * i, 1);
		}
	}
}

static void read_iommu_map(struct explain_device *device)
{
	int length = 0;
	const uint8_t *map = of_get_property(device->node, "iommu-map", &length);

	device->has_map = map;
	for (; map && length >= 16; length -= 16, map += 16) {
		const struct device_node *iommu =
			of_find_node_by_phandle((uint32_t)of_read_number(map + 4, 1));

		if (!device->iommu)
			device->iommu = iommu;
		device->iommu_works |= iommu && explain_is_enabled(iommu);
	}
}

static bool has_restricted_pool(const struct explanation *e, const struct device_node *node)
{
	struct explain_list list;

	explain_list_open(&list, node, "memory-region", NULL);
	while (explain_list_next(&list)) {
		const struct explain_reserved *res =
			list.target ? explain_reserved_of(e, list.target) : NULL;

		if (res && res->kind == EXPLAIN_RESTRICTED_POOL)
			return true;
	}
	return false;
}

static bool is_trusted(const struct device_node *node)
{
	for (; node; node = of_get_parent(node))
		if (of_property_read_bool(node, "berth,untrusted") ||
		    of_property_read_bool(node, "external-facing"))
			return false;
	return true;
}

/* What the node asks for, or the nearest above; else the boot arguments. At the start it is the same. */
static enum berth_protection protection_of(const struct explanation *e,
					   const struct device_node *node)
{
	enum berth_protection told = e->is_passthrough ? BERTH_PROTECT_PASSTHROUGH
				     : e->is_strict    ? BERTH_PROTECT_STRICT
						       : BERTH_PROTECT_LAZY;
	const struct device_node *says = node;
	const char *name;

	while (says && of_property_read_string(says, "berth,protection", &name))
		says = of_get_parent(says);
	if (says) {
		told = BERTH_PROTECT_STRICT;
		for (int p = BERTH_PROTECT_PASSTHROUGH; p <= BERTH_PROTECT_SHADOW; p++)
			if (!strcmp(name, berth_protection_name((enum berth_protection)p)))
				told = (enum berth_protection)p;
	}
	return told < BERTH_PROTECT_STRICT && !is_trusted(node) ? BERTH_PROTECT_STRICT : told;
}

static enum explain_backend backend_of(const struct explanation *e,
				       const struct explain_device *device)
{
	bool is_host = device->nr_behind; /* then it is about the devices behind it */

	if (!e->nr_memory)
		return EXPLAIN_UNKNOWN;
	if (device->iommu_works && device->protection == BERTH_PROTECT_SHADOW)
		return EXPLAIN_BOUNCE;
	if (device->iommu_works && device->protection != BERTH_PROTECT_PASSTHROUGH)
		return EXPLAIN_IOMMU;
	if (e->bounce_forced || has_restricted_pool(e, device->node))
		return EXPLAIN_BOUNCE;
	for (unsigned int i = 0; i < e->nr_mapped; i++)
		if (explain_beyond(is_host ? device->behind : device->windows,
				   is_host ? device->nr_behind : device->nr_windows,
				   (1ULL << EXPLAIN_MASK_BITS) - 1, e->mapped[i].base,
				   e->mapped[i].size))
			return EXPLAIN_BOUNCE;
	return EXPLAIN_DIRECT;
}

static int read_device(struct explanation *e, struct device_node *node)
{
	struct explain_device *device;
	int err;

	e->devices = explain_more(e->devices, &e->nr_devices, sizeof(*device));
	device = &e->devices[e->nr_devices - 1];
	device->node = node;
	device->is_coherent = of_dma_is_coherent(node);
	err = explain_windows(berth_of_dma_parent(node), &device->windows, &device->nr_windows);
	if (!err && explain_is_host(node))
		err = explain_windows(node, &device->behind, &device->nr_behind);
	if (err)
		return err;
	read_iommus(device);
	read_iommu_map(device);
	device->protection = protection_of(e, node);
	device->backend = backend_of(e, device);
	return 0;
}

static int read_devices(struct explanation *e, bool all)
{
	struct device_node *node = berth_of_root();

	for (; node; node = of_find_all_nodes(node)) {
		bool is_device = explain_is_device(node);

		if ((!is_device && !of_property_read_bool(node, "reg")) ||
		    !explain_is_enabled(node))
			continue;
		if (!is_device && !all)
			e->nr_more += of_property_read_bool(node, "compatible");
		else if (read_device(e, node))
			return -1;
	}
	return 0;
}

static int read_tree(struct explanation *e, const struct explain_options *options)
{
	read_bootargs(e);
	if (of_property_read_string(berth_of_root(), "model", &e->model))
		e->model = "";
	e->cacheline = cacheline_of(of_find_node_by_path("/cpus"));
	explain_read_memory(e);
	explain_read_reserved(e);
	if (read_devices(e, options->all))
		return -1;
	explain_find_reserved(e);
	explain_find_lists(e);
	explain_find_buses(e);
	explain_find_devices(e);
	return 0;
}

/* --cma goes behind the arguments of the tree, which only an open board tells. */
static int open_board(struct explanation *e, const void *board,
		      const struct explain_options *options)
{
	struct berth_options start = { .mem = options->mem, .nr_mem = options->nr_mem };
	size_t bytes = berth_board_bytes(board);
	const char *given = "";

	if (!bytes)
		return -1;
	e->nodes = explain_alloc(bytes);
	if (berth_board_open(board, &start, e->nodes))
		return -1;
	if (!options->cma)
		return 0;
	of_property_read_string(of_find_node_by_path("/chosen"), "bootargs", &given);
	bytes = strlen(given) + strlen(options->cma) + sizeof(" cma=");
	e->bootargs = explain_alloc(bytes);
	snprintf(e->bootargs, bytes, "%s cma=%s", given, options->cma);
	berth_board_close();
	start.bootargs = e->bootargs;
	return berth_board_open(board, &start, e->nodes);
}

int explain_board(const void *board, const struct explain_options *options,
		  struct explanation *result)
{
	memset(result, 0, sizeof(*result));
	result->model = "";
	berth_clear_error();
	if (!open_board(result, board, options) && !read_tree(result, options))
		return 0;
	board_error(result->error, sizeof(result->error));
	return -1;
}

void explain_free(struct explanation *result)
{
	berth_board_close();
	for (unsigned int i = 0; i < result->nr_devices; i++) {
		free(result->devices[i].windows);
		free(result->devices[i].behind);
		free(result->devices[i].ids);
	}
	free(result->devices);
	free(result->reserved);
	free(result->memory);
	free(result->mapped);
	free(result->findings);
	free(result->nodes);
	free(result->bootargs);
}
