// SPDX-License-Identifier: BSD-2-Clause
/* A board as a machine has it: the tree is copied, with what the machine adds. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <libfdt.h>

#include <berth/check-run.h>
#include <berth/model-device.h>

#include "check/fdt.h"
#include "host.h"

#define RAM 0x80000000u
#define RAM_SIZE (64u << 20)
#define FIRST_DEVICE 0x10000000u
#define DEVICE_STEP 0x10000u
#define FIRST_SPI 32u
#define SMMU_SIZE 0x20000u
#define SMMU_IRQ 1000u
#define MAX_DEPTH 32

/* The built-in board: RAM, and a device of each kind. */
static void *smallest(const struct berth_model_device_type *const *devices)
{
	struct fdt_out out = { 0 };

	fdt_out_begin(&out, "");
	FDT_OUT_CELLS(&out, "#address-cells", 2);
	FDT_OUT_CELLS(&out, "#size-cells", 2);
	FDT_OUT_CELLS(&out, "interrupt-parent", 1);
	fdt_out_text(&out, "model", "berth check");
	fdt_out_begin(&out, "memory@80000000");
	fdt_out_text(&out, "device_type", "memory");
	FDT_OUT_CELLS(&out, "reg", 0, RAM, 0, RAM_SIZE);
	fdt_out_end(&out);
	fdt_out_begin(&out, "interrupt-controller@8000000");
	fdt_out_text(&out, "compatible", "arm,gic-v3");
	FDT_OUT_CELLS(&out, "reg", 0, 0x08000000, 0, 0x10000);
	fdt_out_property(&out, "interrupt-controller", NULL, 0);
	FDT_OUT_CELLS(&out, "#interrupt-cells", 3);
	FDT_OUT_CELLS(&out, "phandle", 1);
	fdt_out_end(&out);
	for (unsigned int i = 0; devices && devices[i]; i++) {
		const char *comma = strchr(devices[i]->compatible, ',');
		const uint32_t base = FIRST_DEVICE + i * DEVICE_STEP;
		char name[64];

		snprintf(name, sizeof(name), "%.40s@%x", comma ? comma + 1 : devices[i]->compatible,
			 base);
		fdt_out_begin(&out, name);
		fdt_out_text(&out, "compatible", devices[i]->compatible);
		FDT_OUT_CELLS(&out, "reg", 0, base, 0, 0x1000);
		FDT_OUT_CELLS(&out, "interrupts", 0, FIRST_SPI + i, 4);
		fdt_out_end(&out);
	}
	fdt_out_end(&out);
	return fdt_out_finish(&out);
}

struct copy {
	const void *fdt;
	const struct berth_check_machine *machine;
	struct fdt_out out;
	bool has_iommu; /* the board has one itself */
	uint32_t phandle; /* of the one that is added; 0: none is */
	uint32_t stream;
	uint32_t smmu_at;
};

static bool has(const void *fdt, int node, const char *property)
{
	return fdt_getprop(fdt, node, property, NULL) != NULL;
}

static uint32_t cell(const void *fdt, int node, const char *property, uint32_t otherwise)
{
	int size;
	const fdt32_t *value = fdt_getprop(fdt, node, property, &size);

	return value && size == 4 ? fdt32_to_cpu(*value) : otherwise;
}

static bool is(const void *fdt, int node, const char *property, const char *text)
{
	return fdt_stringlist_search(fdt, node, property, text) >= 0;
}

/* Does it read or write memory by itself, as far as a tree tells? */
static bool is_master(const void *fdt, int node)
{
	static const char *const other[] = { "iommus", "iommu-map", "#iommu-cells",
					     "#interrupt-cells", "device_type" };

	for (size_t i = 0; i < sizeof(other) / sizeof(other[0]); i++)
		if (has(fdt, node, other[i]))
			return false;
	return has(fdt, node, "compatible") && has(fdt, node, "reg") &&
	       !is(fdt, node, "compatible", "simple-bus") && !is(fdt, node, "status", "disabled");
}

static uint64_t number(const fdt32_t *cells, uint32_t nr)
{
	uint64_t value = 0;

	for (uint32_t i = nr > 2 ? nr - 2 : 0; i < nr; i++)
		value = value << 32 | fdt32_to_cpu(cells[i]);
	return value;
}

/* Whether entries of (..., address, size) of a property meet the SMMU's registers at @at. */
static bool meets(const void *fdt, int node, const char *name, uint32_t before, uint32_t address,
		  uint32_t size, uint32_t at)
{
	const uint32_t entry = before + address + size;
	int bytes;
	const fdt32_t *cells = fdt_getprop(fdt, node, name, &bytes);

	if (!cells || bytes <= 0 || !entry || address > 4 || size > 4 || before > 4)
		return false;
	for (uint32_t i = 0; i + entry <= (uint32_t)bytes / 4; i += entry) {
		const uint64_t from = number(cells + i + before, address);
		const uint64_t length = number(cells + i + before + address, size);

		if (from < (uint64_t)at + SMMU_SIZE && at < from + (length ? length : 1))
			return true;
	}
	return false;
}

/* Registers and windows anywhere in the tree, each read as if it were the CPU's. */
static bool is_taken(const void *fdt, uint32_t at)
{
	for (int node = 0; node >= 0; node = fdt_next_node(fdt, node, NULL)) {
		const int parent = node ? fdt_parent_offset(fdt, node) : -1;
		const uint32_t address = parent < 0 ? 2 : cell(fdt, parent, "#address-cells", 2);
		const uint32_t size = parent < 0 ? 1 : cell(fdt, parent, "#size-cells", 1);

		if (parent >= 0 && (meets(fdt, node, "reg", 0, address, size, at) ||
				    meets(fdt, node, "ranges", cell(fdt, node, "#address-cells", 2),
					  address, cell(fdt, node, "#size-cells", 1), at)))
			return true;
	}
	return false;
}

/* Where an SMMU has room, and by what name it goes. */
static void plan_smmu(struct copy *copy)
{
	const void *fdt = copy->fdt;

	for (int node = 0; node >= 0; node = fdt_next_node(fdt, node, NULL))
		copy->has_iommu |= has(fdt, node, "#iommu-cells");
	if (copy->has_iommu || !copy->machine->has_iommu)
		return;
	for (uint32_t at = 0x09050000; at < 0xf0000000 && !copy->phandle; at += 0x01000000) {
		if (is_taken(fdt, at))
			continue;
		copy->smmu_at = at;
		if (fdt_find_max_phandle(fdt, &copy->phandle))
			copy->phandle = 0;
		copy->phandle++;
	}
}

static void put_address(struct fdt_out *out, const char *name, uint32_t address_cells,
			uint32_t address, uint32_t size_cells, uint32_t size)
{
	uint32_t cells[8] = { 0 };

	cells[address_cells - 1] = address;
	cells[address_cells + size_cells - 1] = size;
	fdt_out_cells(out, name, cells, address_cells + size_cells);
}

static void put_smmu(struct copy *copy)
{
	const uint32_t address_cells = cell(copy->fdt, 0, "#address-cells", 2);
	const uint32_t size_cells = cell(copy->fdt, 0, "#size-cells", 1);

	if (!copy->phandle || !address_cells || address_cells > 4 || !size_cells || size_cells > 4)
		return;
	fdt_out_begin(&copy->out, "iommu-of-berth-check");
	fdt_out_text(&copy->out, "compatible", "arm,smmu-v3");
	put_address(&copy->out, "reg", address_cells, copy->smmu_at, size_cells, SMMU_SIZE);
	FDT_OUT_CELLS(&copy->out, "interrupts-extended", copy->phandle + 1, SMMU_IRQ);
	fdt_out_text(&copy->out, "interrupt-names", "combined");
	FDT_OUT_CELLS(&copy->out, "#iommu-cells", 1);
	FDT_OUT_CELLS(&copy->out, "phandle", copy->phandle);
	fdt_out_end(&copy->out);
	/* Whatever the board's own is like. */
	fdt_out_begin(&copy->out, "interrupts-of-berth-check");
	fdt_out_property(&copy->out, "interrupt-controller", NULL, 0);
	FDT_OUT_CELLS(&copy->out, "#interrupt-cells", 1);
	FDT_OUT_CELLS(&copy->out, "phandle", copy->phandle + 1);
	fdt_out_end(&copy->out);
}

/* What a node gets beside its own properties. */
static void add(struct copy *copy, int node, int depth)
{
	const void *fdt = copy->fdt;

	if (!depth) {
		if (copy->machine->is_coherent && !has(fdt, 0, "dma-coherent") &&
		    !has(fdt, 0, "dma-noncoherent"))
			fdt_out_property(&copy->out, "dma-coherent", NULL, 0);
		if (!has(fdt, 0, "berth,protection"))
			fdt_out_text(&copy->out, "berth,protection",
				     berth_protection_name(copy->machine->has_iommu
								   ? copy->machine->protection
								   : BERTH_PROTECT_PASSTHROUGH));
	} else if (copy->phandle && is_master(fdt, node)) {
		FDT_OUT_CELLS(&copy->out, "iommus", copy->phandle, ++copy->stream);
	}
}

/* Are they devices that are below this node? */
static bool has_devices(const void *fdt, int node)
{
	const char *name = fdt_get_name(fdt, node, NULL);

	return name && strcmp(name, "reserved-memory") != 0 && strcmp(name, "cpus") != 0 &&
	       strcmp(name, "chosen") != 0 && strcmp(name, "aliases") != 0;
}

static int copy_all(struct copy *copy)
{
	int offset = 0, next, depth = -1, plain = MAX_DEPTH, size;
	const void *value;
	const char *name;

	for (;; offset = next) {
		switch (fdt_next_tag(copy->fdt, offset, &next)) {
		case FDT_BEGIN_NODE:
			if (++depth == MAX_DEPTH)
				return -EINVAL;
			fdt_out_begin(&copy->out, fdt_get_name(copy->fdt, offset, NULL));
			if (plain > depth && !has_devices(copy->fdt, offset))
				plain = depth;
			if (plain > depth)
				add(copy, offset, depth);
			break;
		case FDT_PROP:
			value = fdt_getprop_by_offset(copy->fdt, offset, &name, &size);
			if (!value || size < 0)
				return -EINVAL;
			fdt_out_property(&copy->out, name, value, (size_t)size);
			break;
		case FDT_END_NODE:
			if (!depth)
				put_smmu(copy);
			fdt_out_end(&copy->out);
			plain = plain == depth ? MAX_DEPTH : plain;
			if (!depth--)
				return 0;
			break;
		case FDT_NOP:
			break;
		default:
			return -EINVAL;
		}
	}
}

static bool is_good(const void *fdt)
{
	return !((uintptr_t)fdt % 8) && !fdt_check_header(fdt) &&
	       fdt_totalsize(fdt) >= sizeof(struct fdt_header) &&
	       !fdt_check_full(fdt, fdt_totalsize(fdt));
}

void *berth_check_board(const void *board, const struct berth_model_device_type *const *devices,
			const struct berth_check_machine *machine)
{
	void *own = board ? NULL : smallest(devices), *tree;
	struct copy copy = { .fdt = board ? board : own, .machine = machine };
	int err;

	if (!copy.fdt || !is_good(copy.fdt)) {
		berth_port_fail(copy.fdt ? -EINVAL : -ENOMEM,
				copy.fdt ? BERTH_REASON_TREE : BERTH_REASON_OUT_OF_MEMORY, "board",
				0, 0);
		free(own);
		return NULL;
	}
	plan_smmu(&copy);
	err = copy_all(&copy);
	tree = fdt_out_finish(&copy.out);
	free(own);
	if (!err && tree)
		return tree;
	free(tree);
	berth_port_fail(err ? err : -ENOMEM, err ? BERTH_REASON_TREE : BERTH_REASON_OUT_OF_MEMORY,
			"board", 0, 0);
	return NULL;
}
