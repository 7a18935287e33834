// SPDX-License-Identifier: BSD-2-Clause
/* The explanation of a tree: memory, reservations, and each device's way to memory. */
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <berth/berth.h>
#include <berth/memblock.h>

#include "board/blob.h"
#include "board/board.h"
#include "explain.h"
#include "mm/internal.h"
#include "run.h"

#define MAX_WINDOWS 1024

void *explain_more(void *array, unsigned int *count, size_t size)
{
	/* Room is doubled; what there is follows from the count. */
	if (!(*count & (*count - 1))) {
		array = realloc(array, (*count ? 2 * (size_t)*count : 1) * size);
		if (!array) {
			fputs("berth explain: out of memory\n", stderr);
			exit(RUN_UNUSABLE);
		}
	}
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

	list->at = of_get_property(node, name, &length);
	list->left = list->at ? (unsigned int)length / 4 : 0;
	list->count_name = count_name;
}

bool explain_list_next(struct explain_list *list)
{
	uint32_t count = 0;

	if (!list->left)
		return false;
	list->target = of_find_node_by_phandle((uint32_t)of_read_number(list->at, 1));
	list->args = list->at + 4;
	list->left--;
	if (list->target && list->count_name)
		of_property_read_u32(list->target, list->count_name, &count);
	if (count > list->left)
		list->target = NULL;
	/* How long an entry is that points nowhere, nobody knows. */
	if (!list->target && list->count_name)
		list->left = 0;
	list->nr_args = list->target ? count : 0;
	list->at = list->args + 4 * list->nr_args;
	list->left -= list->target ? list->nr_args : 0;
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

uint64_t explain_beyond(const struct berth_dma_window *windows, unsigned int count, uint64_t mask,
			uint64_t base, uint64_t size)
{
	static const struct berth_dma_window all = { 0, 0, UINT64_MAX };
	uint64_t at = base, last = base + size - 1, beyond = 0;

	if (!count) {
		windows = &all;
		count = 1;
	}
	while (at <= last) {
		uint64_t reached = at,
			 next = last; /* the first byte not reached, the last before a window */

		for (unsigned int i = 0; i < count; i++) {
			const struct berth_dma_window *w = &windows[i];
			uint64_t room, end;

			if (w->bus > mask)
				continue;
			room = mask - w->bus < w->size - 1 ? mask - w->bus : w->size - 1;
			end = w->cpu + room;
			if (w->cpu > at && w->cpu - 1 < next)
				next = w->cpu - 1;
			if (w->cpu <= at && end >= at && end - at >= reached - at)
				reached = end == UINT64_MAX ? end : end + 1;
		}
		if (reached == at) {
			beyond += next - at + 1;
			reached = next == UINT64_MAX ? next : next + 1;
		}
		if (reached == UINT64_MAX)
			break;
		at = reached;
	}
	return beyond;
}

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

static void read_bootargs(struct explanation *e, const void *board,
			  const struct explain_options *options)
{
	const char *given = berth_early_bootargs(board), *swiotlb;
	size_t size = (given ? strlen(given) : 0) + (options->cma ? strlen(options->cma) : 0) + 8;

	e->bootargs = malloc(size);
	if (!e->bootargs) {
		fputs("berth explain: out of memory\n", stderr);
		exit(RUN_UNUSABLE);
	}
	snprintf(e->bootargs, size, "%s%s%s", given ? given : "", options->cma ? " cma=" : "",
		 options->cma ? options->cma : "");
	swiotlb = berth_bootarg(e->bootargs, "swiotlb");
	e->bounce_forced = arg_lists(swiotlb, "force");
	e->bounce_forbidden = arg_lists(swiotlb, "noforce");
	e->is_strict = arg_is_true(berth_bootarg(e->bootargs, "iommu.strict"), true);
	e->is_passthrough = arg_is_true(berth_bootarg(e->bootargs, "iommu.passthrough"), false);
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

static void read_memory(struct explanation *e)
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
	}
	return res;
}

/* Where berth has put a reservation that has no place of its own; NULL if nowhere. */
static const struct berth_reserved *placed(int offset)
{
	for (unsigned int i = 0; i < berth_nr_reserved; i++)
		if (berth_reserved[i].offset == offset && berth_reserved[i].is_placed)
			return &berth_reserved[i];
	return NULL;
}

static void read_dynamic(struct explanation *e, const struct device_node *node, int ns)
{
	struct explain_reserved *res = new_reserved(e, berth_of_node_name(node), node);
	const struct berth_reserved *place = placed(berth_node_offset(node));
	int length;
	const void *size = of_get_property(node, "size", &length);

	res->is_dynamic = true;
	res->size = size && length >= ns * 4 ? of_read_number(size, ns) : 0;
	if (place) {
		res->is_placed = true;
		res->base = place->base;
		res->size = place->size;
	}
}

static void read_static(struct explanation *e, const struct device_node *node, int na, int ns)
{
	int length, bytes = (na + ns) * 4;
	const uint8_t *reg = of_get_property(node, "reg", &length);

	for (; bytes && length >= bytes; length -= bytes, reg += bytes) {
		struct explain_reserved *res = new_reserved(e, berth_of_node_name(node), node);

		res->is_placed = true;
		res->base = of_read_number(reg, na);
		res->size = of_read_number(reg + 4 * na, ns);
	}
}

/* The last one counts, as when berth starts and on Linux; cma= comes behind those of the tree. */
static void mark_defaults(struct explanation *e, bool by_argument)
{
	const struct device_node *cma = NULL, *coherent = NULL;

	for (int dynamic = 0; dynamic < 2; dynamic++)
		for (unsigned int i = 0; i < e->nr_reserved; i++) {
			const struct explain_reserved *res = &e->reserved[i];

			if (!res->node || res->is_dynamic != dynamic ||
			    (e->nr_memory && !res->is_placed))
				continue;
			if (res->kind == EXPLAIN_CMA && !by_argument &&
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

static void read_reserved(struct explanation *e, const void *board)
{
	const char *arg = berth_bootarg(e->bootargs, "cma");
	const struct device_node *root = explain_reserved_root();
	struct device_node *node;
	uint64_t base, size;

	for (unsigned int i = 0; berth_blob_reserve(board, i, &base, &size); i++) {
		struct explain_reserved *res;

		if (!size)
			continue;
		res = new_reserved(e, "/memreserve/", NULL);
		res->base = base;
		res->size = size;
		res->is_placed = true;
	}
	for (node = of_get_next_child(root, NULL); node; node = of_get_next_child(root, node)) {
		int na = of_n_addr_cells(node), ns = of_n_size_cells(node);

		if (!of_device_is_available(node))
			continue;
		if (of_property_read_bool(node, "reg"))
			read_static(e, node, na, ns);
		else
			read_dynamic(e, node, ns);
	}
	mark_defaults(e, arg);
	for (unsigned int i = 0; i < berth_nr_reserved; i++) {
		const struct berth_reserved *area = &berth_reserved[i];
		struct explain_reserved *res;

		if (area->offset >= 0)
			continue;
		res = new_reserved(e, area->name, NULL);
		res->base = area->base;
		res->size = area->size;
		res->is_placed = area->is_placed;
		res->is_dynamic = res->is_reusable = res->is_default = true;
		res->kind = EXPLAIN_CMA;
	}
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

static enum explain_backend backend_of(const struct explanation *e,
				       const struct explain_device *device)
{
	bool is_host = device->nr_behind; /* then it is about the devices behind it */

	if (!e->nr_memory)
		return EXPLAIN_UNKNOWN;
	if (device->iommu_works && !e->is_passthrough)
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
	device->is_coherent = berth_of_is_coherent(node);
	err = explain_windows(berth_of_dma_parent(node), &device->windows, &device->nr_windows);
	if (!err && explain_is_host(node))
		err = explain_windows(node, &device->behind, &device->nr_behind);
	if (err)
		return err;
	read_iommus(device);
	read_iommu_map(device);
	device->backend = backend_of(e, device);
	return 0;
}

static int read_devices(struct explanation *e, const struct explain_options *options)
{
	struct device_node *node = berth_of_root();

	for (; node; node = berth_node_next(node)) {
		bool is_device = explain_is_device(node);

		if ((!is_device && !of_property_read_bool(node, "reg")) ||
		    !explain_is_enabled(node))
			continue;
		if (!is_device && !options->all)
			e->nr_more += of_property_read_bool(node, "compatible");
		else if (read_device(e, node))
			return -1;
	}
	return 0;
}

static struct device_node *find_device(const char *name)
{
	struct device_node *found = of_find_node_by_path(name), *node;

	for (node = berth_of_root(); node && !found; node = berth_node_next(node))
		if (!strcmp(berth_of_node_name(node), name))
			found = node;
	return found;
}

static bool is_above(const struct device_node *above, const struct device_node *node)
{
	while (node && node != above)
		node = of_get_parent(node);
	return node;
}

static bool is_region_of(const struct device_node *region, const struct device_node *node)
{
	struct explain_list list;

	explain_list_open(&list, node, "memory-region", NULL);
	while (explain_list_next(&list))
		if (list.target == region)
			return true;
	return false;
}

/* Keep what is about one device: its own, its buses' and its pools' findings. */
static int keep_device(struct explanation *e, const char *name)
{
	struct device_node *node = find_device(name);
	unsigned int kept = 0;

	if (!node) {
		snprintf(e->error, sizeof(e->error), "no device '%.80s' in this tree", name);
		return -1;
	}
	for (unsigned int i = 0; i < e->nr_findings; i++)
		if (!e->findings[i].node || is_above(e->findings[i].node, node) ||
		    is_region_of(e->findings[i].node, node))
			e->findings[kept++] = e->findings[i];
	e->nr_findings = kept;
	for (unsigned int i = 0; i < e->nr_devices; i++) {
		free(e->devices[i].windows);
		free(e->devices[i].behind);
		free(e->devices[i].ids);
	}
	free(e->devices);
	e->devices = NULL;
	e->nr_devices = e->nr_more = 0;
	return read_device(e, node);
}

static int read_tree(struct explanation *e, const void *board,
		     const struct explain_options *options)
{
	const struct berth_options start = { .bootargs = e->bootargs,
					     .mem = options->mem,
					     .nr_mem = options->nr_mem };
	size_t bytes;

	if (berth_early_read(board, &start))
		return -1;
	bytes = berth_nodes_bytes(board);
	if (!bytes)
		return -1;
	e->nodes = malloc(bytes);
	if (!e->nodes) {
		snprintf(e->error, sizeof(e->error), "out of memory");
		return -1;
	}
	berth_nodes_link(board, e->nodes);
	if (of_property_read_string(berth_of_root(), "model", &e->model))
		e->model = "";
	e->cacheline = cacheline_of(of_find_node_by_path("/cpus"));
	read_memory(e);
	read_reserved(e, board);
	if (read_devices(e, options))
		return -1;
	explain_find_reserved(e);
	explain_find_lists(e);
	explain_find_buses(e);
	explain_find_devices(e);
	return options->device ? keep_device(e, options->device) : 0;
}

int explain_board(const void *board, const struct explain_options *options,
		  struct explanation *result)
{
	int damage, err;

	memset(result, 0, sizeof(*result));
	result->model = "";
	if (berth_running()) {
		snprintf(result->error, sizeof(result->error), "berth is running");
		return -1;
	}
	if (!berth_blob_check(board, &damage)) {
		snprintf(result->error, sizeof(result->error), "the device tree is damaged: %s",
			 berth_blob_error_name(damage));
		return -1;
	}
	berth_memblock_reset();
	berth_early_reset();
	read_bootargs(result, board, options);
	berth_clear_error();
	err = read_tree(result, board, options);
	if (err && !result->error[0])
		berth_error_text(NULL, result->error, sizeof(result->error));
	berth_early_reset();
	berth_memblock_reset();
	return err;
}

void explain_free(struct explanation *result)
{
	berth_nodes_reset();
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
