/* SPDX-License-Identifier: BSD-2-Clause */
/* The device tree's nodes, linked as a tree; names and properties are read from the blob in place. */
#include <berth/errno.h>
#include <berth/memblock.h>
#include <berth/of.h>

#include "board/blob.h"
#include "board/board.h"
#include "lib/error.h"
#include "lib/string.h"

#define MAX_DEPTH 64

struct device_node {
	int offset;
	uint32_t phandle;
	struct device_node *parent, *child, *sibling;
	struct platform_device *device;
};

static const void *blob;
static struct device_node *nodes; /* in document order */
static unsigned int nr_nodes;

static int count_nodes(const void *fdt, unsigned int *count)
{
	int depth = 0;

	*count = 0;
	for (int node = 0; node >= 0 && depth >= 0; node = berth_blob_next(fdt, node, &depth)) {
		if (depth >= MAX_DEPTH)
			return berth_fail_at(-EINVAL, BERTH_REASON_TREE, berth_blob_name(fdt, node),
					     (uint64_t)node);
		(*count)++;
	}
	return 0;
}

size_t berth_nodes_bytes(const void *fdt)
{
	unsigned int count;

	return count_nodes(fdt, &count) ? 0 : count * sizeof(struct device_node);
}

void berth_nodes_link(const void *fdt, void *memory)
{
	struct device_node *last[MAX_DEPTH] = { NULL }; /* the node seen last at each depth */
	size_t bytes = berth_nodes_bytes(fdt);
	int depth = 0, offset = 0;

	memset(memory, 0, bytes);
	nodes = memory;
	blob = fdt;
	for (nr_nodes = 0; nr_nodes < bytes / sizeof(*nodes); nr_nodes++) {
		struct device_node *node = &nodes[nr_nodes];
		struct device_node *elder = last[depth];

		node->offset = offset;
		node->phandle = berth_blob_phandle(fdt, offset);
		node->parent = depth ? last[depth - 1] : NULL;
		if (elder)
			elder->sibling = node;
		else if (node->parent)
			node->parent->child = node;
		last[depth] = node;
		/* What was seen deeper belongs to other parents. */
		if (depth + 1 < MAX_DEPTH)
			last[depth + 1] = NULL;
		offset = berth_blob_next(fdt, offset, &depth);
	}
}

int berth_nodes_build(const void *fdt)
{
	size_t bytes = berth_nodes_bytes(fdt);
	void *memory;

	if (!bytes)
		return -EINVAL;
	memory = memblock_alloc(bytes, 0);
	if (!memory)
		return -ENOMEM;
	berth_nodes_link(fdt, memory);
	return 0;
}

void berth_nodes_reset(void)
{
	blob = NULL;
	nodes = NULL;
	nr_nodes = 0;
}

struct device_node *of_find_all_nodes(const struct device_node *prev)
{
	size_t index = prev ? (size_t)(prev - nodes) + 1 : 0;

	return index < nr_nodes ? &nodes[index] : NULL;
}

uint32_t berth_node_phandle(const struct device_node *node)
{
	return node->phandle;
}

struct device_node *berth_node_at(int offset)
{
	for (unsigned int i = 0; i < nr_nodes; i++)
		if (nodes[i].offset == offset)
			return &nodes[i];
	return NULL;
}

struct platform_device *berth_node_device(const struct device_node *node)
{
	return node->device;
}

void berth_node_set_device(struct device_node *node, struct platform_device *pdev)
{
	node->device = pdev;
}

struct device_node *berth_of_root(void)
{
	return nodes;
}

const char *berth_of_node_name(const struct device_node *node)
{
	return node->parent ? berth_blob_name(blob, node->offset) : "/";
}

size_t berth_of_node_path(const struct device_node *node, char *path, size_t size)
{
	const struct device_node *chain[MAX_DEPTH];
	size_t length = 0;
	int depth = 0;

	if (!node->parent)
		return berth_strlcpy(path, "/", size);
	for (; node->parent; node = node->parent)
		chain[depth++] = node;
	while (depth--) {
		length += berth_strlcpy(length < size ? path + length : path, "/",
					length < size ? size - length : 0);
		length += berth_strlcpy(length < size ? path + length : path,
					berth_of_node_name(chain[depth]),
					length < size ? size - length : 0);
	}
	return length;
}

struct device_node *of_get_parent(const struct device_node *node)
{
	return node ? node->parent : NULL;
}

struct device_node *of_get_next_child(const struct device_node *node, struct device_node *prev)
{
	return prev ? prev->sibling : node ? node->child : NULL;
}

/* Whether a node goes by a name: in full, or without its unit address. */
static bool is_named(const struct device_node *node, const char *name, size_t length)
{
	const char *own = berth_of_node_name(node);

	if (berth_strnlen(own, length) != length || memcmp(own, name, length))
		return false;
	return !own[length] || own[length] == '@';
}

static struct device_node *walk_path(struct device_node *node, const char *path)
{
	while (node && *path) {
		struct device_node *child;
		size_t length = 0;

		if (*path == '/') {
			path++;
			continue;
		}
		while (path[length] && path[length] != '/')
			length++;
		for_each_child_of_node(node, child)
			if (is_named(child, path, length))
				break;
		node = child;
		path += length;
	}
	return node;
}

struct device_node *of_find_node_by_path(const char *path)
{
	struct device_node *aliases;
	const char *target;
	char alias[32];
	size_t length = 0;

	if (!nodes || !path || !*path)
		return NULL;
	if (*path == '/')
		return walk_path(nodes, path);
	aliases = walk_path(nodes, "/aliases");
	while (path[length] && path[length] != '/')
		length++;
	if (!aliases || length >= sizeof(alias))
		return NULL;
	memcpy(alias, path, length);
	alias[length] = '\0';
	if (of_property_read_string(aliases, alias, &target))
		return NULL;
	return walk_path(walk_path(nodes, target), path + length);
}

struct device_node *of_find_node_by_phandle(uint32_t phandle)
{
	for (unsigned int i = 0; phandle && i < nr_nodes; i++)
		if (nodes[i].phandle == phandle)
			return &nodes[i];
	return NULL;
}

struct device_node *of_find_compatible_node(struct device_node *from, const char *type,
					    const char *compatible)
{
	struct device_node *node = of_find_all_nodes(from);

	(void)type;
	while (node && !of_device_is_compatible(node, compatible))
		node = of_find_all_nodes(node);
	return node;
}

int of_device_is_compatible(const struct device_node *node, const char *compatible)
{
	int length, score = INT_MAX / 2;
	const char *list = of_get_property(node, "compatible", &length);

	for (int at = 0; list && at < length; score--) {
		size_t n = berth_strnlen(list + at, (size_t)(length - at));

		if (n == berth_strlen(compatible) && !memcmp(list + at, compatible, n))
			return score;
		at += (int)n + 1;
	}
	return 0;
}

bool of_device_is_available(const struct device_node *node)
{
	const char *status;

	if (of_property_read_string(node, "status", &status))
		return !of_property_read_bool(node, "status");
	return !berth_strcmp(status, "okay") || !berth_strcmp(status, "ok");
}

const struct of_device_id *of_match_node(const struct of_device_id *table,
					 const struct device_node *node)
{
	const struct of_device_id *best = NULL;
	int best_score = 0;

	for (; table && node && table->compatible[0]; table++) {
		int score = of_device_is_compatible(node, table->compatible);

		if (score > best_score) {
			best = table;
			best_score = score;
		}
	}
	return best;
}

const void *of_get_property(const struct device_node *node, const char *name, int *length)
{
	int ignored;

	return node ? berth_blob_property(blob, node->offset, name, length ? length : &ignored)
		    : NULL;
}

bool of_property_read_bool(const struct device_node *node, const char *name)
{
	return of_get_property(node, name, NULL) != NULL;
}

uint64_t of_read_number(const void *cell, int cells)
{
	const uint8_t *at = cell;
	uint64_t value = 0;

	for (int i = 0; i < cells * 4; i++)
		value = value << 8 | at[i];
	return value;
}

static int read_cells(const struct device_node *node, const char *name, uint32_t first, int cells,
		      uint64_t *value)
{
	int length;
	const uint8_t *at = of_get_property(node, name, &length);

	if (!at)
		return -EINVAL;
	if (!length)
		return -ENODATA;
	if (first >= INT_MAX / 4 - 2 || length < ((int)first + cells) * 4)
		return -EOVERFLOW;
	*value = of_read_number(at + first * 4, cells);
	return 0;
}

int of_property_read_u32_index(const struct device_node *node, const char *name, uint32_t index,
			       uint32_t *value)
{
	uint64_t number;
	int err = read_cells(node, name, index, 1, &number);

	if (!err)
		*value = (uint32_t)number;
	return err;
}

int of_property_read_u32(const struct device_node *node, const char *name, uint32_t *value)
{
	return of_property_read_u32_index(node, name, 0, value);
}

int of_property_read_u64(const struct device_node *node, const char *name, uint64_t *value)
{
	return read_cells(node, name, 0, 2, value);
}

int of_property_read_string(const struct device_node *node, const char *name, const char **value)
{
	int length;
	const char *text = of_get_property(node, name, &length);

	if (!text)
		return -EINVAL;
	if (!length)
		return -ENODATA;
	if (berth_strnlen(text, (size_t)length) == (size_t)length)
		return -EILSEQ;
	*value = text;
	return 0;
}

int of_property_read_string_index(const struct device_node *node, const char *name, int index,
				  const char **value)
{
	int length;
	const char *list = of_get_property(node, name, &length);

	if (!list)
		return -EINVAL;
	for (int at = 0; at < length; index--) {
		size_t n = berth_strnlen(list + at, (size_t)(length - at));

		if (n == (size_t)(length - at))
			return -EILSEQ;
		if (!index) {
			*value = list + at;
			return 0;
		}
		at += (int)n + 1;
	}
	return -ENODATA;
}

struct device_node *of_parse_phandle(const struct device_node *node, const char *name, int index)
{
	uint32_t phandle;

	if (index < 0 || of_property_read_u32_index(node, name, (uint32_t)index, &phandle))
		return NULL;
	return of_find_node_by_phandle(phandle);
}

/* The count that applies to a node's reg: the nearest one above that says so. */
static int cells_above(const struct device_node *node, const char *name)
{
	uint32_t count;

	for (node = node->parent; node; node = node->parent)
		if (!of_property_read_u32(node, name, &count))
			return count <= 4 ? (int)count : 4;
	return 1;
}

int of_n_addr_cells(const struct device_node *node)
{
	return cells_above(node, "#address-cells");
}

int of_n_size_cells(const struct device_node *node)
{
	return cells_above(node, "#size-cells");
}
