// SPDX-License-Identifier: BSD-2-Clause
/* References to pages: who takes the last one away frees the block. */
#include <berth/gfp.h>
#include <berth/migrate.h>

#include "mm/internal.h"

static void refuse_page(const char *subject, const struct page *page)
{
	const struct berth_mem_map *bank = berth_bank_of_page(page);
	uint64_t pfn = bank ? bank->pfn + (uint64_t)(page - bank->pages) : 0;

	berth_not_owned(subject, bank ? PFN_PHYS(pfn) : (uintptr_t)page, pfn);
}

/* Drop a reference. Return: 1 if it was the last, 0 if it was not, -1 if there was none. */
static int drop_reference(struct page *page)
{
	uint32_t old = __atomic_load_n(&page->refcount, __ATOMIC_RELAXED);

	do {
		if (!old)
			return -1;
	} while (!__atomic_compare_exchange_n(&page->refcount, &old, old - 1, true,
					      __ATOMIC_ACQ_REL, __ATOMIC_RELAXED));
	return old == 1;
}

void berth_do_free_pages(struct page *page, unsigned int order)
{
	const struct berth_mem_map *bank;
	int last;

	if (!page)
		return;
	bank = berth_bank_of_page(page);
	last = -1;
	if (bank && order <= MAX_ORDER && is_head(page, PG_USED, order))
		last = drop_reference(page);
	if (last < 0)
		refuse_page("__free_pages", page);
	else if (last)
		berth_pcp_free(bank, bank->pfn + (uint64_t)(page - bank->pages), order);
}

unsigned long __get_free_pages(gfp_t gfp, unsigned int order)
{
	struct page *page = alloc_pages(gfp & ~__GFP_HIGHMEM, order);

	return page ? (unsigned long)page_address(page) : 0;
}

unsigned long get_zeroed_page(gfp_t gfp)
{
	return __get_free_pages(gfp | __GFP_ZERO, 0);
}

void free_pages(unsigned long addr, unsigned int order)
{
	struct page *page = virt_to_page((void *)addr);

	if (!addr)
		return;
	if (page && !offset_in_page(addr))
		__free_pages(page, order);
	else
		berth_not_owned("free_pages", addr, 0);
}

void split_page(struct page *page, unsigned int order)
{
	if (!berth_bank_of_page(page) || order > MAX_ORDER || !is_head(page, PG_USED, order)) {
		refuse_page("split_page", page);
		return;
	}
	for (unsigned int i = 1; i < 1u << order; i++) {
		page[i].index = 0;
		__atomic_store_n(&page[i].refcount, 1, __ATOMIC_RELAXED);
		page_set_flags(&page[i], PG_USED);
	}
	page_set_flags(page, PG_USED);
}

/* The page that counts the references of a block. */
static struct page *counting_page(struct page *page)
{
	const struct berth_mem_map *bank = berth_bank_of_page(page);
	uint64_t head;

	if (!bank)
		return NULL;
	if (page_state(page) != PG_TAIL)
		return page;
	head = berth_block_head(bank, bank->pfn + (uint64_t)(page - bank->pages));
	return head == NO_PAGE ? NULL : page_in(bank, head);
}

void get_page(struct page *page)
{
	struct page *head = counting_page(page);
	uint32_t old = head ? page_count(head) : 0;

	do {
		if (!old) {
			refuse_page("get_page", page);
			return;
		}
	} while (!__atomic_compare_exchange_n(&head->refcount, &old, old + 1, true,
					      __ATOMIC_RELAXED, __ATOMIC_RELAXED));
}

bool get_page_unless_zero(struct page *page)
{
	uint32_t old = page_count(page);

	do {
		if (!old)
			return false;
	} while (!__atomic_compare_exchange_n(&page->refcount, &old, old + 1, true,
					      __ATOMIC_ACQUIRE, __ATOMIC_RELAXED));
	return true;
}

void berth_drop_page(struct page *page)
{
	if (drop_reference(page) == 1)
		berth_free_block(berth_bank_of_page(page), page_to_pfn(page), page_order(page));
}

void put_page(struct page *page)
{
	struct page *head = counting_page(page);
	uint32_t old = head ? __atomic_load_n(&head->refcount, __ATOMIC_ACQUIRE) : 0;
	uint32_t flags;

	/* The last reference of a page of kmalloc()'s or cma_alloc()'s is theirs. */
	do {
		flags = old ? page_flags(head) : 0;
		if (!old || (old == 1 && (flags & PG_STATE) != PG_USED)) {
			refuse_page("put_page", page);
			return;
		}
	} while (!__atomic_compare_exchange_n(&head->refcount, &old, old - 1, true,
					      __ATOMIC_ACQ_REL, __ATOMIC_ACQUIRE));
	if (old == 1)
		berth_pcp_free(berth_bank_of_page(head), page_to_pfn(head), flags & PG_ORDER);
}

void berth_put_range(uint64_t pfn, uint64_t nr)
{
	const struct berth_mem_map *bank = bank_of(pfn);
	uint64_t end = pfn + nr;
	uint64_t start = pfn; /* of the pages that nobody else holds */

	for (; pfn < end; pfn++) {
		struct page *page = page_in(bank, pfn);

		page_set_flags(page, PG_USED);
		if (drop_reference(page) == 1) {
			page_set_flags(page, PG_TAIL);
			continue;
		}
		berth_free_run(bank, start, pfn - start);
		start = pfn + 1;
	}
	berth_free_run(bank, start, pfn - start);
}
