// SPDX-License-Identifier: BSD-2-Clause
/* Which page of a file is where: a tree of 64-fold nodes that has only the parts that are used. */
#include <berth/migrate.h>
#include <berth/slab.h>

#include "mm/filecache.h"
#include "mm/internal.h"

bool berth_word_trylock(uint32_t *word)
{
	uint32_t old = word_bits(word);

	return !(old & SLOT_LOCKED) &&
	       __atomic_compare_exchange_n(word, &old, old | SLOT_LOCKED, false, __ATOMIC_ACQUIRE,
					   __ATOMIC_RELAXED);
}

void berth_word_lock(uint32_t *word)
{
	while (!berth_word_trylock(word)) {
		uint32_t old = word_bits(word);

		if (!(old & SLOT_LOCKED))
			continue;
		if (!(old & SLOT_WAITERS) &&
		    !__atomic_compare_exchange_n(word, &old, old | SLOT_WAITERS, false,
						 __ATOMIC_RELAXED, __ATOMIC_RELAXED))
			continue;
		berth_port_wait(word, old | SLOT_WAITERS, UINT64_MAX);
	}
}

void berth_word_unlock(uint32_t *word)
{
	uint32_t old = __atomic_fetch_and(word, ~(SLOT_LOCKED | SLOT_WAITERS), __ATOMIC_RELEASE);

	if (old & SLOT_WAITERS)
		berth_port_wake(word);
}

void berth_word_wait(uint32_t *word, uint32_t bits)
{
	uint32_t value;

	while ((value = word_bits(word)) & bits) {
		/* Whoever changes the bits unlocks after that, sees the mark and wakes us. */
		value = (value | SLOT_WAITERS) & ~SLOT_LOCKED;
		word_set(word, SLOT_WAITERS);
		__atomic_fetch_and(word, ~SLOT_LOCKED, __ATOMIC_RELEASE);
		berth_port_wake(word);
		berth_port_wait(word, value, UINT64_MAX);
		berth_word_lock(word);
	}
}

static struct file_node *leaf_of(struct slot *slot, uint64_t index)
{
	slot -= index % NODE_SLOTS;
	return (struct file_node *)(void *)((char *)slot - offsetof(struct file_node, slots));
}

static unsigned int place_in(const struct file_node *node, uint64_t index)
{
	return (unsigned int)(index >> node->shift) % NODE_SLOTS;
}

/* Behind the last index of a node. */
static uint64_t node_end(const struct file_node *node)
{
	return node->first + ((uint64_t)NODE_SLOTS << node->shift);
}

/* All below: with the file's lock. */

static struct file_node *new_node(struct file_node *parent, uint64_t index, uint32_t shift)
{
	struct file_node *node = kzalloc(sizeof(*node), GFP_ATOMIC);

	if (!node)
		return NULL;
	node->parent = parent;
	node->shift = shift;
	node->first = index & ~(((uint64_t)NODE_SLOTS << shift) - 1);
	return node;
}

/* Free a node that holds nothing, and what becomes empty by that. */
static void prune(struct cached_file *file, struct file_node *node)
{
	while (node && !node->count) {
		struct file_node *parent = node->parent;

		if (parent) {
			parent->children[place_in(parent, node->first)] = NULL;
			parent->count--;
		} else {
			file->root = NULL;
		}
		kfree(node);
		node = parent;
	}
}

/* Make the root high enough for @index. */
static bool grow(struct cached_file *file, uint64_t index)
{
	if (!file->root)
		file->root = new_node(NULL, index, 0);
	while (file->root && index - file->root->first >= (uint64_t)NODE_SLOTS
								  << file->root->shift) {
		struct file_node *old = file->root;
		struct file_node *root = new_node(NULL, old->first, old->shift + NODE_SHIFT);

		if (!root)
			return false;
		root->children[place_in(root, old->first)] = old;
		root->count = 1;
		old->parent = root;
		file->root = root;
	}
	return file->root;
}

static struct file_node *get_leaf(struct cached_file *file, uint64_t index, bool create)
{
	struct file_node *node;

	if (create && !grow(file, index)) {
		prune(file, file->root);
		return NULL;
	}
	node = file->root;
	if (!node || index - node->first >= (uint64_t)NODE_SLOTS << node->shift)
		return NULL;
	while (node->shift) {
		struct file_node **child = &node->children[place_in(node, index)];

		if (!*child && create) {
			*child = new_node(node, index, node->shift - NODE_SHIFT);
			node->count += *child != NULL;
		}
		if (!*child) {
			prune(file, node);
			return NULL;
		}
		node = *child;
	}
	return node;
}

/* The first slot of a tree from *@index on; as deep as the tree is high. */
static struct slot *first_slot(struct file_node *node, uint64_t *index, bool any)
{
	if (*index < node->first)
		*index = node->first;
	while (*index < node_end(node)) {
		unsigned int at = place_in(node, *index);
		struct slot *slot = NULL;

		if (!node->shift && (any || slot_page(&node->slots[at])))
			return &node->slots[at];
		if (node->shift && node->children[at])
			slot = first_slot(node->children[at], index, any);
		if (slot)
			return slot;
		*index = node->first + ((uint64_t)(at + 1) << node->shift);
	}
	return NULL;
}

struct slot *berth_slot_next(struct cached_file *file, uint64_t *index, bool any)
{
	unsigned long flags;
	struct slot *slot;

	spin_lock_irqsave(&file->lock, flags);
	slot = file->root ? first_slot(file->root, index, any) : NULL;
	if (slot)
		leaf_of(slot, *index)->count++;
	spin_unlock_irqrestore(&file->lock, flags);
	return slot;
}

struct slot *berth_slot_get(struct cached_file *file, uint64_t index, bool create)
{
	struct file_node *leaf;
	unsigned long flags;

	do {
		spin_lock_irqsave(&file->lock, flags);
		leaf = get_leaf(file, index, create);
		if (leaf)
			leaf->count++;
		spin_unlock_irqrestore(&file->lock, flags);
	} while (!leaf && create && berth_drop_clean_pages(FILE_BATCH));
	return leaf ? &leaf->slots[index % NODE_SLOTS] : NULL;
}

void berth_slot_put(struct cached_file *file, struct slot *slot, uint64_t index)
{
	struct file_node *leaf = leaf_of(slot, index);
	unsigned long flags;

	spin_lock_irqsave(&file->lock, flags);
	leaf->count--;
	prune(file, leaf);
	spin_unlock_irqrestore(&file->lock, flags);
}

void berth_slot_fill(struct cached_file *file, struct slot *slot, uint64_t index, struct page *page)
{
	unsigned long flags;

	spin_lock_irqsave(&file->lock, flags);
	leaf_of(slot, index)->count++;
	__atomic_store_n(&slot->frame, (uint32_t)page_to_pfn(page) + 1, __ATOMIC_RELAXED);
	spin_unlock_irqrestore(&file->lock, flags);
	FILE_COUNT(file, pages, 1);
}

void berth_slot_empty(struct cached_file *file, struct slot *slot, uint64_t index)
{
	unsigned long flags;

	berth_slot_undirty(file, slot);
	word_clear(&slot->word, SLOT_ACCESSED | SLOT_MAPPED | SLOT_ISOLATED);
	spin_lock_irqsave(&file->lock, flags);
	leaf_of(slot, index)->count--; /* the caller holds it as well */
	__atomic_store_n(&slot->frame, 0, __ATOMIC_RELAXED);
	spin_unlock_irqrestore(&file->lock, flags);
	FILE_COUNT(file, pages, -1);
}
