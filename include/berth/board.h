/* SPDX-License-Identifier: BSD-2-Clause */
/**
 * DOC: board - what a device tree says, without starting it
 *
 * A boot loader, a hypervisor or a tool may ask what berth would make of a tree: which memory there
 * is, where reservations come to lie, what each device reaches. The tree is read by the code that
 * berth_start() uses, and nothing is touched: no port, no memory of the board's. While it is open,
 * of.h tells about nodes, and berth_memblock_next() about memory.
 */
#ifndef BERTH_BOARD_H
#define BERTH_BOARD_H

#include <berth/berth.h>
#include <berth/of.h>
#include <berth/types.h>

#include <berth/names.h>

BERTH_BEGIN_DECLS

/**
 * berth_board_bytes() - memory that berth_board_open() needs for a tree
 * @board: a flattened device tree, as long as its header says
 *
 * Every byte of the tree is checked. Not in parallel with any other call. Return: bytes; 0 if the
 * tree is damaged (TREE: the node, and where).
 */
size_t berth_board_bytes(const void *board);

/**
 * berth_board_open() - read a tree as berth_start() would
 * @board: a tree for which berth_board_bytes() told a number; readable until berth_board_close()
 * @options: @bootargs, @mem and @nr_mem count; NULL for the defaults
 * @memory: so many bytes, aligned as for a pointer; the caller's again after berth_board_close()
 *
 * A tree that tells of no memory is no error. Not in parallel with any other call. Return: 0, or a
 * negative errno value with nothing left open: -EBUSY if berth is running or a board is open (STATE),
 * -EINVAL (TREE, ARGUMENT), -ENOSPC (TABLE_FULL).
 */
int berth_board_open(const void *board, const struct berth_options *options, void *memory);

/** berth_board_close() - forget the tree; legal when none is open. */
void berth_board_close(void);

/**
 * struct berth_board_reserved - a range that the board keeps free
 * @node: the child of /reserved-memory; NULL for an area that cma= asks for
 * @name: its name with its unit address; of the area: "default"
 * @base: first byte; says nothing if not @is_placed
 * @size: bytes, rounded up to what can be reserved
 * @is_placed: false if it may lie at several places, and none of them is free
 */
struct berth_board_reserved {
	const struct device_node *node;
	const char *name;
	phys_addr_t base;
	uint64_t size;
	bool is_placed;
};

/**
 * berth_board_reserved() - the @index-th of them; those with an address of their own come first
 *
 * Entries of reg that are empty are left out. Any context. Return: false behind the last one.
 */
bool berth_board_reserved(unsigned int index, struct berth_board_reserved *reserved);

/** berth_board_memreserve() - the @index-th /memreserve/ entry. Return: false behind the last. */
bool berth_board_memreserve(unsigned int index, struct berth_range *range);

/**
 * berth_board_bootarg() - the value of a boot argument
 * @key: the name in front of the "="
 *
 * Any context. Return: the value, which ends at a space or with the string; of several the last;
 * NULL if it is not there.
 */
const char *berth_board_bootarg(const char *key);

BERTH_END_DECLS

#ifdef BERTH_NO_SHORT_NAMES
#include <berth/names-off.h>
#endif
#endif
