/* SPDX-License-Identifier: BSD-2-Clause */
/* A tree as berth_start() would read it, for those who only ask; see berth/board.h. */
#include <berth/board.h>

#include "board/blob.h"
#include "board/board.h"
#include "lib/error.h"
#include "mm/internal.h"

static const void *open_board; /* NULL: none */
static const char *bootargs;

bool berth_board_is_open(void)
{
	return open_board;
}

size_t berth_board_bytes(const void *board)
{
	return berth_check_tree(board) ? 0 : berth_nodes_bytes(board);
}

int berth_board_open(const void *board, const struct berth_options *options, void *memory)
{
	static const struct berth_options defaults;
	int err;

	if (berth_running() || open_board)
		return berth_fail(-EBUSY, BERTH_REASON_STATE,
				  open_board ? "a board is open" : "berth is running");
	if (!options)
		options = &defaults;
	open_board = board;
	bootargs = options->bootargs ? options->bootargs : berth_early_bootargs(board);
	berth_memblock_reset();
	berth_nodes_link(board, memory);
	err = berth_early_read(board, options);
	if (err)
		berth_board_close();
	return err;
}

void berth_board_close(void)
{
	if (!open_board)
		return;
	open_board = NULL;
	bootargs = NULL;
	berth_nodes_reset();
	berth_early_reset();
	berth_memblock_reset();
}

bool berth_board_reserved(unsigned int index, struct berth_board_reserved *reserved)
{
	const struct berth_reserved *res;

	if (!open_board || index >= berth_nr_reserved)
		return false;
	res = &berth_reserved[index];
	*reserved = (struct berth_board_reserved){
		.node = berth_node_at(res->offset),
		.name = res->name,
		.base = res->base,
		.size = res->size,
		.is_placed = res->is_placed,
	};
	if (reserved->node)
		reserved->name = berth_of_node_name(reserved->node);
	return true;
}

bool berth_board_memreserve(unsigned int index, struct berth_range *range)
{
	return open_board && berth_blob_reserve(open_board, index, &range->base, &range->size);
}

const char *berth_board_bootarg(const char *key)
{
	return berth_bootarg(bootargs, key);
}
