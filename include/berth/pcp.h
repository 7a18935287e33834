/* SPDX-License-Identifier: BSD-2-Clause */
/**
 * DOC: pcp - lists of free pages per slot: the inline way through alloc_pages() and __free_pages()
 *
 * Included by gfp.h; nothing here is for others. A slot has a list of free blocks for each order
 * of a few, each migrate type that is not lent, and each zone but the lowest. Whoever uses a list
 * takes its head away and leaves BERTH_PCP_BUSY: that is its lock. Nobody waits for it: a thread
 * that shares the slot, or an interrupt handler, goes to the zone instead. So neither interrupts
 * nor a second lock matter here. A block that is in a list says so in its flags, with the list's
 * number, and has no reference: who frees it again is refused as ever.
 */
#ifndef BERTH_PCP_H
#define BERTH_PCP_H

#include <berth/mm.h>
#include <berth/types.h>

#include <berth/names.h>

BERTH_BEGIN_DECLS

#define BERTH_PCP_BUSY 1u
/* A list's number is a row, of a zone and a type, and a column: orders 0 to 4, then order 9. */
#define BERTH_PCP_COLUMNS 8u
#define BERTH_PCP_LISTS 64u
#define BERTH_PCP_MAX_ORDER 4u
#define BERTH_PCP_LARGE_ORDER 9u

/* struct page::state: flags in the low half, references in the high half. */
#define BERTH_PAGE_IN_USE 0x30u
#define BERTH_PAGE_IN_LIST 0x80u
#define BERTH_PAGE_LIST_SHIFT 24
#define BERTH_PAGE_ONE_USER (1ULL << 32)

/*
 * One row per slot, behind that of nobody, which holds nothing: for each list its first block, 0, or
 * BERTH_PCP_BUSY (the next block is in struct page::index), and then, for each, how many more it
 * may hold.
 */
extern uintptr_t berth_pcp[BERTH_PORT_MAX_SLOTS + 1][2 * BERTH_PCP_LISTS];
/* First list by the low bits of gfp flags; 0, which has no room, while the inline way is shut. */
extern uintptr_t berth_pcp_rows[32];
/* The page array of the largest bank; none where the inline way is shut. */
extern struct page *berth_pcp_pages;
extern uint64_t berth_pcp_nr_pages;

/* The other ways: what the inline one does not decide. */
struct page *berth_do_alloc_pages(gfp_t gfp, unsigned int order);
void berth_do_free_pages(struct page *page, unsigned int order);
/* Undo: a list is as it was, with room for one more, and nobody uses it. Return: false. */
bool berth_pcp_put_back(uintptr_t *list, uintptr_t head);

static inline struct page *berth_pcp_take(gfp_t gfp, unsigned int order)
{
	struct page *page;
	uintptr_t *list;
	uintptr_t head, row;

	if (order == BERTH_PCP_LARGE_ORDER)
		order = BERTH_PCP_MAX_ORDER + 1;
	else if (order > BERTH_PCP_MAX_ORDER)
		return NULL;
	/* Not zeroed memory: that is not worth inlining. */
	if (gfp & 0x100u)
		return NULL;
	row = __atomic_load_n(&berth_pcp_rows[gfp & 31u], __ATOMIC_RELAXED);
	list = &berth_pcp[berth_port_slot_or_none()][row + order];
	head = __atomic_exchange_n(list, BERTH_PCP_BUSY, __ATOMIC_ACQUIRE);
	if (__builtin_expect(head <= BERTH_PCP_BUSY, 0)) {
		if (!head)
			__atomic_store_n(list, 0, __ATOMIC_RELEASE);
		return NULL;
	}
	page = (struct page *)head;
	list[BERTH_PCP_LISTS]++;
	__atomic_store_n(list, (uintptr_t)page->index, __ATOMIC_RELEASE);
	page->index = 0;
	__atomic_store_n(&page->state,
			 __atomic_load_n(&page->state, __ATOMIC_RELAXED) + BERTH_PAGE_ONE_USER -
				 (BERTH_PAGE_IN_LIST - BERTH_PAGE_IN_USE),
			 __ATOMIC_RELAXED);
	return page;
}

/* False, and nothing has changed, unless the block is one that this way may take back. */
static inline bool berth_pcp_give(struct page *page, unsigned int order)
{
	uint64_t at = (uint64_t)((uintptr_t)page - (uintptr_t)berth_pcp_pages);
	uintptr_t *list;
	uintptr_t head;
	uint64_t state;

	/* Rotated, an address between two pages is larger than any number of pages. */
	at = at >> 4 | at << 60;
	if (__builtin_expect(at >= berth_pcp_nr_pages, 0))
		return false;
	state = __atomic_load_n(&page->state, __ATOMIC_RELAXED);
	/* What is left is the list's number if the rest is as it should be. */
	at = state ^ (BERTH_PAGE_ONE_USER | BERTH_PAGE_IN_USE | order);
	at = at >> BERTH_PAGE_LIST_SHIFT | at << (64 - BERTH_PAGE_LIST_SHIFT);
	if (__builtin_expect(at >= BERTH_PCP_LISTS, 0))
		return false;
	list = &berth_pcp[berth_port_slot_or_none()][(uintptr_t)at];
	head = __atomic_exchange_n(list, BERTH_PCP_BUSY, __ATOMIC_ACQUIRE);
	if (__builtin_expect(head == BERTH_PCP_BUSY, 0))
		return false;
	if (__builtin_expect((intptr_t)--list[BERTH_PCP_LISTS] < 0, 0))
		return berth_pcp_put_back(list, head);
	/* Of two who free it at once, one gets no further than here. */
	if (__builtin_expect(!__atomic_compare_exchange_n(
				     &page->state, &state,
				     (uint32_t)state + (BERTH_PAGE_IN_LIST - BERTH_PAGE_IN_USE),
				     false, __ATOMIC_ACQ_REL, __ATOMIC_RELAXED),
			     0))
		return berth_pcp_put_back(list, head);
	page->index = head;
	__atomic_store_n(list, (uintptr_t)page, __ATOMIC_RELEASE);
	return true;
}

BERTH_END_DECLS

#ifdef BERTH_NO_SHORT_NAMES
#include <berth/names-off.h>
#endif
#endif
