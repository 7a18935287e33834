// SPDX-License-Identifier: BSD-2-Clause
/*
 * A treap: a search tree by the first address, and a heap by numbers that are as good as drawn, so that its depth is a few times
 * the logarithm of what it has.
 */
#include "check/tree.h"

#include <stddef.h>

static struct check_node *update(struct check_node *node)
{
	node->most = node->last;
	if (node->left && node->left->most > node->most)
		node->most = node->left->most;
	if (node->right && node->right->most > node->most)
		node->most = node->right->most;
	return node;
}

/* No two are equal. */
static bool is_before(const struct check_node *a, const struct check_node *b)
{
	return a->first != b->first ? a->first < b->first : (uintptr_t)a < (uintptr_t)b;
}

/* All of @a are before all of @b. */
static struct check_node *join(struct check_node *a, struct check_node *b)
{
	if (!a || !b)
		return a ? a : b;
	if (a->priority > b->priority) {
		a->right = join(a->right, b);
		return update(a);
	}
	b->left = join(a, b->left);
	return update(b);
}

/* Those before @node become its left side, the others its right one. */
static void split(struct check_node *all, struct check_node *node, struct check_node **before,
		  struct check_node **behind)
{
	if (!all) {
		*before = *behind = NULL;
	} else if (is_before(all, node)) {
		*before = all;
		split(all->right, node, &all->right, behind);
		update(all);
	} else {
		*behind = all;
		split(all->left, node, before, &all->left);
		update(all);
	}
}

static uint32_t draw(void)
{
	static uint32_t state = 1;

	state = state * 1664525u + 1013904223u;
	return state ^ state >> 16;
}

void check_tree_insert(struct check_node **root, struct check_node *node)
{
	node->priority = draw();
	while (*root && (*root)->priority >= node->priority) {
		if ((*root)->most < node->last)
			(*root)->most = node->last;
		root = is_before(node, *root) ? &(*root)->left : &(*root)->right;
	}
	split(*root, node, &node->left, &node->right);
	*root = update(node);
}

static struct check_node *without(struct check_node *all, struct check_node *node)
{
	if (all == node)
		return join(node->left, node->right);
	if (is_before(node, all))
		all->left = without(all->left, node);
	else
		all->right = without(all->right, node);
	return update(all);
}

void check_tree_remove(struct check_node **root, struct check_node *node)
{
	*root = without(*root, node);
}

bool check_tree_each(struct check_node *root, uint64_t first, uint64_t last,
		     bool (*visit)(struct check_node *node, void *data), void *data)
{
	while (root && root->most >= first) {
		if (check_tree_each(root->left, first, last, visit, data))
			return true;
		if (root->first > last)
			return false;
		if (root->last >= first && visit(root, data))
			return true;
		root = root->right;
	}
	return false;
}
