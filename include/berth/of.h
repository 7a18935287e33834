/* SPDX-License-Identifier: BSD-2-Clause */
/**
 * DOC: of - reading the device tree (linux/of.h)
 *
 * Nodes exist from berth_start() to berth_stop(); a pointer to one needs no reference. The tree is
 * read in place. Any context, all functions; strings point into the tree.
 */
#ifndef BERTH_OF_H
#define BERTH_OF_H

#include <berth/device.h>
#include <berth/types.h>

#include <berth/names.h>

BERTH_BEGIN_DECLS

/** berth_of_root() - the root node; NULL while berth is stopped. Linux: of_root. */
struct device_node *berth_of_root(void);

/** berth_of_node_name() - a node's name with its unit address; "/" for the root. */
const char *berth_of_node_name(const struct device_node *node);

/** berth_of_node_path() - a node's whole path; always terminated. Return: its length. */
size_t berth_of_node_path(const struct device_node *node, char *path, size_t size);

/** of_get_parent() - the node above; NULL for the root. */
struct device_node *of_get_parent(const struct device_node *node);

/** of_get_next_child() - the child behind @prev; NULL @prev for the first; NULL at the end. */
struct device_node *of_get_next_child(const struct device_node *node, struct device_node *prev);

#define for_each_child_of_node(parent, child)                      \
	for ((child) = of_get_next_child((parent), NULL); (child); \
	     (child) = of_get_next_child((parent), (child)))

/** of_find_all_nodes() - the node behind @prev as the tree lists them; NULL @prev for the root. */
struct device_node *of_find_all_nodes(const struct device_node *prev);

/** of_find_node_by_path() - a node by its whole path or alias; NULL if there is none. */
struct device_node *of_find_node_by_path(const char *path);

/** of_find_node_by_phandle() - a node by phandle; NULL if there is none. */
struct device_node *of_find_node_by_phandle(uint32_t phandle);

/**
 * of_find_compatible_node() - the next node that is compatible
 * @from: start behind this node; NULL for the whole tree
 * @type: ignored; NULL
 * @compatible: string to look for
 */
struct device_node *of_find_compatible_node(struct device_node *from, const char *type,
					    const char *compatible);

/** of_device_is_compatible() - 0 if not, else the higher the earlier in the node's list. */
int of_device_is_compatible(const struct device_node *node, const char *compatible);

/** of_device_is_available() - whether the node's status is absent, "okay" or "ok". */
bool of_device_is_available(const struct device_node *node);

/** of_match_node() - the best entry of a table for a node; NULL if none. */
const struct of_device_id *of_match_node(const struct of_device_id *table,
					 const struct device_node *node);

/** of_get_property() - raw bytes of a property and their number; NULL if it does not exist. */
const void *of_get_property(const struct device_node *node, const char *name, int *length);

/** of_property_read_bool() - whether a property exists. */
bool of_property_read_bool(const struct device_node *node, const char *name);

/** of_property_read_u32_index() - 0, -EINVAL (none), -ENODATA (empty), -EOVERFLOW (too short). */
int of_property_read_u32_index(const struct device_node *node, const char *name, uint32_t index,
			       uint32_t *value);

/** of_property_read_u32() - the first cell; errors as of_property_read_u32_index(). */
int of_property_read_u32(const struct device_node *node, const char *name, uint32_t *value);

/** of_property_read_u64() - the first two cells. */
int of_property_read_u64(const struct device_node *node, const char *name, uint64_t *value);

/** of_property_read_string() - 0, -EINVAL, -ENODATA, or -EILSEQ (not terminated). */
int of_property_read_string(const struct device_node *node, const char *name, const char **value);

/** of_property_read_string_index() - one of a list; errors as above, -ENODATA behind the last. */
int of_property_read_string_index(const struct device_node *node, const char *name, int index,
				  const char **value);

/** of_parse_phandle() - the node that the @index-th cell of a list of phandles points at. */
struct device_node *of_parse_phandle(const struct device_node *node, const char *name, int index);

#define MAX_PHANDLE_ARGS 16

/**
 * struct of_phandle_args - an entry of a list of phandles with arguments
 * @np: the node that the phandle leads to
 * @args_count: how many cells follow
 * @args: the cells
 */
struct of_phandle_args {
	struct device_node *np;
	int args_count;
	uint32_t args[MAX_PHANDLE_ARGS];
};

/**
 * of_parse_phandle_with_args() - an entry of a list of phandles with arguments
 * @np: whose property
 * @list_name: the list
 * @cells_name: the property of each target that says how many arguments it takes
 * @index: which entry
 * @out_args: filled in on success, if not NULL
 *
 * Any context. Return: 0; -ENOENT (no such entry, an empty one, or no such property); -EINVAL (@index
 * is negative; or, up to that entry, the list leads nowhere, has an entry of more than MAX_PHANDLE_ARGS
 * arguments, or ends within one: TREE names the node).
 */
int of_parse_phandle_with_args(const struct device_node *np, const char *list_name,
			       const char *cells_name, int index, struct of_phandle_args *out_args);

/** of_count_phandle_with_args() - entries of such a list; -ENOENT (none), -EINVAL. */
int of_count_phandle_with_args(const struct device_node *np, const char *list_name,
			       const char *cells_name);

/** of_property_count_strings() - strings of a property; -EINVAL, -ENODATA, -EILSEQ. */
int of_property_count_strings(const struct device_node *node, const char *name);

/** of_property_match_string() - the index of a string in a list; -ENODATA: it is not there. */
int of_property_match_string(const struct device_node *node, const char *name, const char *string);

/** of_n_addr_cells() - #address-cells that apply to @node's reg. */
int of_n_addr_cells(const struct device_node *node);

/** of_n_size_cells() - #size-cells that apply to @node's reg. */
int of_n_size_cells(const struct device_node *node);

/** of_read_number() - a big-endian number of @cells 32-bit cells at @cell. */
uint64_t of_read_number(const void *cell, int cells);

/**
 * berth_of_address() - the @index-th reg entry as the CPU sees it, through all buses above
 *
 * Return: 0, -EINVAL (no such entry), -ERANGE (a bus above does not translate it).
 */
int berth_of_address(const struct device_node *node, unsigned int index, struct berth_range *range);

/**
 * of_dma_is_coherent() - whether a device sees the CPU's caches
 *
 * Its node, or the next one above on its way to memory, says so: ``dma-coherent`` or
 * ``dma-noncoherent``. Where none says anything it is as the port's architecture has it: RISC-V's
 * devices do, others do not.
 */
bool of_dma_is_coherent(const struct device_node *node);

/**
 * berth_of_dma_parent() - the next bus on the way from a device to memory
 *
 * The interconnect named "dma-mem", or else the node above. Such ways may lead in a circle. Return:
 * NULL for the root.
 */
struct device_node *berth_of_dma_parent(const struct device_node *node);

/**
 * berth_of_dma_windows() - what devices on a bus reach: Linux's of_dma_get_range()
 * @bus: berth_of_dma_parent() of a device; of devices behind a PCI host the host
 * @windows: where they go, in the order of the tree
 * @max: how many have room
 *
 * The nearest bus with a dma-ranges that is not empty counts, through the buses above it. Return: how
 * many; 0 means one to one; -ENOSPC if there are more than @max (TABLE_FULL), -EINVAL if the way
 * leads in a circle (TREE).
 */
int berth_of_dma_windows(struct device_node *bus, struct berth_dma_window *windows,
			 unsigned int max);

/**
 * berth_of_dma_entries() - how many entries a bus's own dma-ranges have
 * @rest: where the number of bytes goes that are left over behind them
 */
unsigned int berth_of_dma_entries(const struct device_node *bus, unsigned int *rest);

/**
 * of_irq_get() - the @index-th interrupt as the port numbers it
 *
 * Return: the number, or a negative errno value (-ENXIO: no such interrupt).
 */
int of_irq_get(const struct device_node *node, int index);

BERTH_END_DECLS

#ifdef BERTH_NO_SHORT_NAMES
#include <berth/names-off.h>
#endif
#endif
