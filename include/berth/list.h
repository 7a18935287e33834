/* SPDX-License-Identifier: BSD-2-Clause */
/**
 * DOC: list - doubly linked lists (linux/list.h)
 *
 * A list is a ring through the heads inside its entries and one head that is no entry. No function
 * locks anything; all may be called in any context.
 */
#ifndef BERTH_LIST_H
#define BERTH_LIST_H

#include <berth/types.h>

#include <berth/names.h>

BERTH_BEGIN_DECLS

/**
 * struct list_head - a link of an entry, or the head of a list
 * @next: the entry behind this one
 * @prev: the entry in front of it
 */
struct list_head {
	struct list_head *next, *prev;
};

/** INIT_LIST_HEAD() - an empty list, or an entry that is in none. */
static inline void INIT_LIST_HEAD(struct list_head *list)
{
	list->next = list;
	list->prev = list;
}

/** list_empty() - whether a list has no entry, or an entry made so by INIT_LIST_HEAD() is in none. */
static inline bool list_empty(const struct list_head *head)
{
	return head->next == head;
}

/** list_add() - put an entry behind @head: first into a list. */
static inline void list_add(struct list_head *entry, struct list_head *head)
{
	entry->next = head->next;
	entry->prev = head;
	head->next->prev = entry;
	head->next = entry;
}

/** list_add_tail() - put an entry in front of @head: last into a list. */
static inline void list_add_tail(struct list_head *entry, struct list_head *head)
{
	list_add(entry, head->prev);
}

/** list_del() - take an entry out. It is in no list then, and not empty: do not ask it. */
static inline void list_del(struct list_head *entry)
{
	entry->next->prev = entry->prev;
	entry->prev->next = entry->next;
	entry->next = NULL;
	entry->prev = NULL;
}

/** list_del_init() - take an entry out, so that list_empty() is true of it. */
static inline void list_del_init(struct list_head *entry)
{
	entry->next->prev = entry->prev;
	entry->prev->next = entry->next;
	INIT_LIST_HEAD(entry);
}

/** list_move_tail() - take an entry out and put it last into another list. */
static inline void list_move_tail(struct list_head *entry, struct list_head *head)
{
	entry->next->prev = entry->prev;
	entry->prev->next = entry->next;
	list_add_tail(entry, head);
}

/** list_splice_tail_init() - put all entries of @list last into @head's; @list is empty then. */
static inline void list_splice_tail_init(struct list_head *list, struct list_head *head)
{
	if (list_empty(list))
		return;
	list->next->prev = head->prev;
	head->prev->next = list->next;
	list->prev->next = head;
	head->prev = list->prev;
	INIT_LIST_HEAD(list);
}

#ifndef BERTH_NO_SHORT_NAMES
#define list_entry(ptr, type, member) container_of(ptr, type, member)
#define list_first_entry(head, type, member) list_entry((head)->next, type, member)
#define list_first_entry_or_null(head, type, member) \
	(list_empty(head) ? NULL : list_first_entry(head, type, member))
#define list_last_entry(head, type, member) list_entry((head)->prev, type, member)

/* list_for_each_entry() - @pos is a pointer to @type, the entry; the list must not change. */
#define list_for_each_entry(pos, head, type, member)                                 \
	for ((pos) = list_first_entry(head, type, member); &(pos)->member != (head); \
	     (pos) = list_entry((pos)->member.next, type, member))

/* list_for_each_entry_safe() - the same; @pos may be taken out. @n: of the type of @pos. */
#define list_for_each_entry_safe(pos, n, head, type, member)    \
	for ((pos) = list_first_entry(head, type, member),      \
	    (n) = list_entry((pos)->member.next, type, member); \
	     &(pos)->member != (head);                          \
	     (pos) = (n), (n) = list_entry((n)->member.next, type, member))
#endif

BERTH_END_DECLS

#ifdef BERTH_NO_SHORT_NAMES
#include <berth/names-off.h>
#endif
#endif
