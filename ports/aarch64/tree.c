/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The device tree that the boot loader left: mapped by itself, read-only, since it may lie at address 0,
 * and what the port reads of it: where its console, its interrupt controller and its CPUs are.
 */
#include <libfdt.h>

#include "internal.h"

#define TREE_MAX (512 * PAGE_BYTES)
#define TREE_PAGE ((uint64_t)(PTE_PAGE | PTE_ATTR_CACHED | PTE_INNER | PTE_AF | PTE_RO) | PTE_XN)
#define MAX_BUSES 8

static const void *tree;
static struct berth_range place;

static const void *map(phys_addr_t phys, uint64_t size)
{
	phys_addr_t first = phys & ~(PAGE_BYTES - 1);
	uint64_t nr = (PAGE_ROUND(phys + size) - first) / PAGE_BYTES;

	for (uint64_t i = 0; i < nr; i++)
		berth_a64_tree_l3[i] = (first + i * PAGE_BYTES) | TREE_PAGE;
	dsb(ishst);
	isb();
	return (const void *)(PORT_TREE_BASE + (phys - first));
}

static void unmap(void)
{
	memset(berth_a64_tree_l3, 0, sizeof(berth_a64_tree_l3));
	dsb(ishst);
	__asm__ volatile("tlbi vmalle1" ::: "memory");
	dsb(ish);
	isb();
}

static bool take(phys_addr_t phys)
{
	const void *at = phys & 7 ? NULL : map(phys, sizeof(struct fdt_header));

	if (at && !fdt_check_header(at) && fdt_totalsize(at) <= TREE_MAX - PAGE_BYTES) {
		tree = at;
		place.base = phys;
		place.size = fdt_totalsize(at);
		map(phys, place.size);
		return true;
	}
	unmap();
	return false;
}

void berth_a64_tree_find(phys_addr_t hint)
{
	/* QEMU says where the tree is only to a Linux image; for an ELF it is at the start of RAM. */
	if (!take((uintptr_t)__ram_start))
		take(hint);
}

const void *berth_boot_tree(void)
{
	return tree;
}

bool berth_a64_tree_place(struct berth_range *range)
{
	*range = place;
	return tree;
}

/* Whether a node is in use, and which entry of an array, with @stride bytes each, it is compatible with. */
static int entry_of(int node, const void *entries, unsigned int nr, size_t stride)
{
	int length;
	const char *status = fdt_getprop(tree, node, "status", &length);

	if (status && (length < 2 || memcmp(status, "ok", 2)))
		return -1;
	for (unsigned int i = 0; i < nr; i++) {
		const char *const *compatible = (const void *)((const char *)entries + i * stride);

		if (!fdt_node_check_compatible(tree, node, *compatible))
			return (int)i;
	}
	return -1;
}

int berth_a64_tree_match(const void *entries, unsigned int nr, size_t stride, int *node)
{
	int entry;

	if (!tree)
		return -1;
	for (*node = fdt_next_node(tree, -1, NULL); *node >= 0;
	     *node = fdt_next_node(tree, *node, NULL)) {
		entry = entry_of(*node, entries, nr, stride);
		if (entry >= 0)
			return entry;
	}
	return -1;
}

int berth_a64_tree_stdout(const void *entries, unsigned int nr, size_t stride, int *node)
{
	int chosen = tree ? fdt_path_offset(tree, "/chosen") : -1, length = 0, entry = -1;
	const char *path = chosen < 0 ? NULL : fdt_getprop(tree, chosen, "stdout-path", &length);

	/* "serial0:115200n8" */
	for (int i = 0; path && i < length; i++)
		if (path[i] == ':')
			length = i;
	if (path && length && !path[length - 1])
		length--;
	*node = path ? fdt_path_offset_namelen(tree, path, length) : -1;
	if (*node >= 0)
		entry = entry_of(*node, entries, nr, stride);
	return entry >= 0 ? entry : berth_a64_tree_match(entries, nr, stride, node);
}

static uint64_t number(const fdt32_t *at, int cells)
{
	uint64_t value = 0;

	while (cells-- > 0)
		value = value << 32 | fdt32_ld(at++);
	return value;
}

/* From the addresses of @bus's children to those of its own bus. */
static bool translate(int bus, int parent, phys_addr_t *at)
{
	int length, na = fdt_address_cells(tree, bus), ns = fdt_size_cells(tree, bus);
	int up = fdt_address_cells(tree, parent);
	const fdt32_t *ranges = fdt_getprop(tree, bus, "ranges", &length);

	if (!ranges || na < 0 || ns < 0 || up < 0)
		return false;
	if (!length)
		return true;
	for (; length >= (na + up + ns) * 4; ranges += na + up + ns, length -= (na + up + ns) * 4) {
		uint64_t child = number(ranges, na), size = number(ranges + na + up, ns);

		if (*at >= child && *at - child < size) {
			*at = *at - child + number(ranges + na, up);
			return true;
		}
		if (!(na + up + ns))
			break;
	}
	return false;
}

bool berth_a64_tree_reg(int node, int index, struct berth_range *range)
{
	int bus = fdt_parent_offset(tree, node), length;
	int na = fdt_address_cells(tree, bus), ns = fdt_size_cells(tree, bus);
	const fdt32_t *reg = fdt_getprop(tree, node, "reg", &length);

	if (!reg || bus < 0 || na < 0 || ns < 0 || length / 4 < (index + 1) * (na + ns))
		return false;
	range->base = number(reg + index * (na + ns), na);
	range->size = number(reg + index * (na + ns) + na, ns);
	for (int hops = 0; bus > 0 && hops < MAX_BUSES; hops++) {
		int parent = fdt_parent_offset(tree, bus);

		if (parent < 0 || !translate(bus, parent, &range->base))
			return false;
		bus = parent;
	}
	return !bus;
}

unsigned int berth_a64_tree_cpus(uint64_t *ids, unsigned int max, const char *method)
{
	int cpus = fdt_path_offset(tree, "/cpus"), node;
	int na = cpus < 0 ? 0 : fdt_address_cells(tree, cpus);
	unsigned int nr = 0;

	for (node = cpus < 0 ? cpus : fdt_first_subnode(tree, cpus); node >= 0 && nr < max;
	     node = fdt_next_subnode(tree, node)) {
		int length;
		const char *type = fdt_getprop(tree, node, "device_type", &length);
		const fdt32_t *reg;

		if (!type || length < 4 || memcmp(type, "cpu", 4) ||
		    (method && fdt_stringlist_search(tree, node, "enable-method", method) < 0))
			continue;
		reg = fdt_getprop(tree, node, "reg", &length);
		if (reg && na > 0 && length >= na * 4)
			ids[nr++] = number(reg, na);
	}
	return nr;
}

char berth_a64_tree_psci(void)
{
	int node = fdt_path_offset(tree, "/psci");
	int length;
	const char *method = node < 0 ? NULL : fdt_getprop(tree, node, "method", &length);

	return method && length ? method[0] : 0;
}
