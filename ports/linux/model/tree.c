// SPDX-License-Identifier: BSD-2-Clause
/*
 * The devices that the tree describes, as the hardware has them: this is a reading of the tree of
 * its own, which the reading of src/board is judged by.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <libfdt.h>

#include "model/internal.h"

#define MAX_DEPTH 32

/* A node on the way from the root to the one that is looked at. */
struct scope {
	const struct scope *up;
	int node;
	unsigned int depth;
	unsigned int address_cells, size_cells; /* for its children */
	bool is_pci, is_coherent;
};

/* Entries of (child address, parent address, size). */
struct ranges {
	const fdt32_t *cells;
	unsigned int entry; /* cells of one */
	unsigned int nr;
	const struct scope *scope;
};

struct range {
	uint64_t child, parent, size;
	bool is_memory;
};

static const void *fdt;
static unsigned int nr_devices;
static struct model_device **next_device;

static int bad_tree(const char *subject)
{
	return berth_port_fail(-EINVAL, BERTH_REASON_TREE, subject, 0, 0);
}

/* Of three cells (PCI), the first says which space the address is in. */
static bool is_memory_space(const struct scope *bus, const fdt32_t *cells)
{
	return !bus->is_pci || (fdt32_to_cpu(cells[0]) >> 24 & 3) >= 2;
}

/* Of more than two cells, the last two. */
static uint64_t number(const fdt32_t *cells, unsigned int nr)
{
	uint64_t value = 0;

	for (unsigned int i = nr > 2 ? nr - 2 : 0; i < nr; i++)
		value = value << 32 | fdt32_to_cpu(cells[i]);
	return value;
}

static unsigned int cell_property(int node, const char *name, unsigned int otherwise)
{
	int size;
	const fdt32_t *cell = fdt_getprop(fdt, node, name, &size);

	return cell && size == 4 ? fdt32_to_cpu(*cell) : otherwise;
}

/* False: there is no such property. */
static bool get_ranges(const struct scope *scope, const char *name, struct ranges *ranges)
{
	int size;

	ranges->cells = fdt_getprop(fdt, scope->node, name, &size);
	if (!ranges->cells)
		return false;
	ranges->scope = scope;
	ranges->entry = scope->address_cells + scope->up->address_cells + scope->size_cells;
	ranges->nr = ranges->entry ? (unsigned int)size / 4 / ranges->entry : 0;
	return true;
}

static struct range get_range(const struct ranges *ranges, unsigned int index)
{
	const fdt32_t *cells = ranges->cells + index * ranges->entry;
	unsigned int child = ranges->scope->address_cells;
	unsigned int parent = ranges->scope->up->address_cells;

	return (struct range){
		.child = number(cells, child),
		.parent = number(cells + child, parent),
		.size = number(cells + child + parent, ranges->scope->size_cells),
		.is_memory = is_memory_space(ranges->scope, cells),
	};
}

/*
 * From the children's space of @scope to the CPU's, by "ranges" or "dma-ranges". Without the
 * property there is no way for registers, while memory is where it is.
 */
static bool translate(const struct scope *scope, const char *name, bool is_needed,
		      uint64_t *address)
{
	for (; scope->up; scope = scope->up) {
		struct ranges ranges;
		unsigned int i;

		if (!get_ranges(scope, name, &ranges)) {
			if (is_needed)
				return false;
			continue;
		}
		for (i = 0; i < ranges.nr; i++) {
			struct range range = get_range(&ranges, i);

			if (range.is_memory && *address >= range.child &&
			    *address - range.child < range.size) {
				*address = range.parent + (*address - range.child);
				break;
			}
		}
		if (ranges.nr && i == ranges.nr)
			return false;
	}
	return true;
}

static int get_registers(struct model_device *dev, const struct scope *bus)
{
	unsigned int cells = bus->address_cells + bus->size_cells;
	int size;
	const fdt32_t *reg = fdt_getprop(fdt, dev->node, "reg", &size);

	if (!reg)
		return 0;
	if (!cells || (unsigned int)size / 4 < cells)
		return bad_tree(dev->path);
	/* A PCI device's first entry is in configuration space, which the model does not have. */
	if (!is_memory_space(bus, reg))
		return bad_tree(dev->path);
	dev->base = number(reg, bus->address_cells);
	dev->size = number(reg + bus->address_cells, bus->size_cells);
	return translate(bus, "ranges", true, &dev->base) ? 0 : bad_tree(dev->path);
}

/* The nearest bus above that says something decides; what is above it is translated through. */
static int get_windows(struct model_device *dev, const struct scope *bus)
{
	struct ranges ranges;

	for (; bus->up; bus = bus->up)
		if (get_ranges(bus, "dma-ranges", &ranges) && ranges.nr)
			break;
	if (!bus->up)
		return 0;
	for (unsigned int i = 0; i < ranges.nr; i++) {
		struct range range = get_range(&ranges, i);

		if (!range.is_memory)
			continue;
		if (dev->nr_windows == MODEL_MAX_WINDOWS)
			return bad_tree(dev->path);
		if (!translate(bus->up, "dma-ranges", false, &range.parent))
			return bad_tree(dev->path);
		dev->windows[dev->nr_windows++] = (struct model_window){
			.cpu = range.parent,
			.bus = range.child,
			.size = range.size,
		};
	}
	return dev->nr_windows ? 0 : bad_tree(dev->path);
}

/* One cell is the port's number; three are a GIC's: 0 for an SPI or 1 for a PPI, number, flags. */
static int add_irq(struct model_device *dev, const fdt32_t *spec, unsigned int cells)
{
	uint32_t irq;

	if (cells == 1)
		irq = fdt32_to_cpu(spec[0]);
	else if (cells == 3)
		irq = fdt32_to_cpu(spec[1]) + (fdt32_to_cpu(spec[0]) ? 16 : 32);
	else
		return bad_tree(dev->path);
	if (dev->nr_irqs == MODEL_MAX_IRQS || irq >= MODEL_IRQS)
		return bad_tree(dev->path);
	dev->irqs[dev->nr_irqs++] = irq;
	return 0;
}

static int get_irqs(struct model_device *dev, const struct scope *scope)
{
	unsigned int cells = 1;
	int size, ret = 0;
	const fdt32_t *at = fdt_getprop(fdt, dev->node, "interrupts-extended", &size);
	bool is_extended = at != NULL;

	if (!at)
		at = fdt_getprop(fdt, dev->node, "interrupts", &size);
	if (!at)
		return 0;
	for (; !is_extended && scope; scope = scope->up) {
		uint32_t handle = cell_property(scope->node, "interrupt-parent", 0);

		if (handle) {
			int parent = fdt_node_offset_by_phandle(fdt, handle);

			cells = parent < 0 ? 0 : cell_property(parent, "#interrupt-cells", 1);
			break;
		}
	}
	for (size /= 4; size > 0 && !ret; size -= (int)cells, at += cells) {
		if (is_extended) {
			int parent = fdt_node_offset_by_phandle(fdt, fdt32_to_cpu(*at++));

			size--;
			cells = parent < 0 ? 0 : cell_property(parent, "#interrupt-cells", 1);
		}
		if (!cells || cells > (unsigned int)size)
			return bad_tree(dev->path);
		ret = add_irq(dev, at, cells);
	}
	return ret;
}

static int add_device(const struct model_device_type *type, const struct scope *scope)
{
	struct box *box = calloc(1, sizeof(*box));
	struct model_device *dev = &box->dev;
	int ret;

	if (!box)
		model_oom();
	dev->type = type;
	dev->fdt = fdt;
	dev->node = scope->node;
	dev->coherent = scope->is_coherent;
	box->index = ++nr_devices;
	ret = fdt_get_path(fdt, scope->node, dev->path, sizeof(dev->path))
		      ? bad_tree("a path is too long")
		      : 0;
	if (!ret)
		ret = get_registers(dev, scope->up);
	if (!ret)
		ret = get_windows(dev, scope->up);
	if (!ret)
		ret = get_irqs(dev, scope);
	if (ret) {
		free(box);
		return ret;
	}
	box->chance = soc.config.seed;
	for (const char *c = dev->path; *c; c++)
		box->chance = model_mix(box->chance ^ (uint8_t)*c);
	dev->state = calloc(1, type->state_size ? type->state_size : 1);
	if (!dev->state)
		model_oom();
	soc.current = dev;
	ret = type->start ? type->start(dev) : 0;
	soc.current = NULL;
	if (ret) {
		free(dev->state);
		free(box);
		return berth_port_fail(ret, BERTH_REASON_TREE, type->compatible, 0, 0);
	}
	*next_device = dev;
	next_device = &dev->next;
	return 0;
}

/* The first of its names that the model has. */
static const struct model_device_type *find_type(int node)
{
	const struct model_device_type *type = NULL;
	const char *name;

	for (int i = 0; !type && (name = fdt_stringlist_get(fdt, node, "compatible", i, NULL)); i++)
		type = model_type(name);
	return type;
}

static bool is_enabled(int node)
{
	const char *status = fdt_getprop(fdt, node, "status", NULL);

	return !status || !strcmp(status, "okay") || !strcmp(status, "ok");
}

static bool is_pci(int node, unsigned int address_cells)
{
	const char *type = fdt_getprop(fdt, node, "device_type", NULL);

	return address_cells == 3 && type && !strcmp(type, "pci");
}

static int walk(const struct scope *up)
{
	int node, ret = 0;

	if (up->depth == MAX_DEPTH)
		return bad_tree("too deep");
	fdt_for_each_subnode(node, fdt, up->node)
	{
		struct scope scope = {
			.up = up,
			.node = node,
			.depth = up->depth + 1,
			.is_coherent = up->is_coherent,
		};
		const struct model_device_type *type;

		if (!is_enabled(node))
			continue;
		scope.address_cells = cell_property(node, "#address-cells", 2);
		scope.size_cells = cell_property(node, "#size-cells", 1);
		if (scope.address_cells > 4 || scope.size_cells > 4)
			return bad_tree("#address-cells");
		scope.is_pci = is_pci(node, scope.address_cells);
		if (fdt_getprop(fdt, node, "dma-coherent", NULL))
			scope.is_coherent = true;
		else if (fdt_getprop(fdt, node, "dma-noncoherent", NULL))
			scope.is_coherent = false;
		type = find_type(node);
		if (type)
			ret = add_device(type, &scope);
		if (!ret)
			ret = walk(&scope);
		if (ret)
			return ret;
	}
	return 0;
}

/* Behind the first IOMMU it names, if the model has that one and its streams are one cell. */
static int get_iommu(struct model_device *dev)
{
	int size, node;
	const fdt32_t *cells = fdt_getprop(fdt, dev->node, "iommus", &size);

	if (!cells)
		return 0;
	if (size < 8)
		return bad_tree(dev->path);
	node = fdt_node_offset_by_phandle(fdt, fdt32_to_cpu(cells[0]));
	for (struct model_device *iommu = soc.devices; iommu; iommu = iommu->next) {
		if (iommu->node != node || !iommu->type->translate)
			continue;
		if (cell_property(node, "#iommu-cells", 0) != 1)
			return bad_tree(iommu->path);
		dev->iommu = iommu;
		dev->stream = fdt32_to_cpu(cells[1]);
	}
	return 0;
}

int tree_start(const void *tree)
{
	struct scope root = { .up = NULL };
	int ret;

	if (fdt_check_header(tree))
		return bad_tree("header");
	fdt = tree;
	nr_devices = 0;
	next_device = &soc.devices;
	root.address_cells = cell_property(0, "#address-cells", 2);
	root.size_cells = cell_property(0, "#size-cells", 1);
	if (root.address_cells > 4 || root.size_cells > 4)
		return bad_tree("#address-cells");
	root.is_coherent = fdt_getprop(fdt, 0, "dma-coherent", NULL) != NULL;
	ret = walk(&root);
	for (struct model_device *dev = soc.devices; dev && !ret; dev = dev->next)
		ret = get_iommu(dev);
	return ret;
}

void tree_stop(void)
{
	struct model_device *dev;

	while ((dev = soc.devices)) {
		soc.devices = dev->next;
		if (dev->type->stop)
			dev->type->stop(dev);
		free(dev->state);
		free(box_of(dev));
	}
}
