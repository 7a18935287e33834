/* SPDX-License-Identifier: BSD-2-Clause */
/* Ranges by where they begin, which may overlap: who has one of these addresses? */
#ifndef BERTH_CHECK_TREE_H
#define BERTH_CHECK_TREE_H

#include <stdbool.h>
#include <stdint.h>

#include "check/names.h"

/*
 * struct check_node - a range, part of what it belongs to
 * @first, @last: its first and last address
 * @most: the last address of all below it
 * @priority: above those that are below it
 */
struct check_node {
	struct check_node *left, *right;
	uint64_t first, last, most;
	uint32_t priority;
};

void check_tree_insert(struct check_node **root, struct check_node *node);
void check_tree_remove(struct check_node **root, struct check_node *node);
/* Those with an address from @first to @last, in order, until @visit says true; what it says. It changes no tree. */
bool check_tree_each(struct check_node *root, uint64_t first, uint64_t last,
		     bool (*visit)(struct check_node *node, void *data), void *data);

#endif
