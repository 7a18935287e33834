// SPDX-License-Identifier: BSD-2-Clause
/* The pages of memory that is followed without mappings, by number. They stay until the checker stops. */
#include "check/raw.h"

#define ROWS 4096u

static struct raw_page *rows[ROWS];

static unsigned int row_of(uintptr_t key)
{
	return (unsigned int)((uint64_t)key * 0x9e3779b97f4a7c15ull >> 52) % ROWS;
}

struct raw_page *check_raw_page(uintptr_t at)
{
	const uintptr_t key = at >> 12;
	struct raw_page *page = __atomic_load_n(&rows[row_of(key)], __ATOMIC_ACQUIRE);

	while (page && page->key != key)
		page = page->next;
	return page;
}

struct raw_page *check_raw_make(uintptr_t at)
{
	const uintptr_t key = at >> 12;
	struct raw_page *page = check_raw_page(at);

	if (page)
		return page;
	page = check_alloc(sizeof(*page));
	if (!page)
		return NULL;
	page->key = key;
	page->next = rows[row_of(key)];
	__atomic_store_n(&rows[row_of(key)], page, __ATOMIC_RELEASE);
	return page;
}

void check_raw_each(void (*visit)(struct raw_page *page))
{
	for (unsigned int row = 0; row < ROWS; row++)
		for (struct raw_page *page = rows[row]; page; page = page->next)
			visit(page);
}

void check_raw_pages_reset(void)
{
	__builtin_memset(rows, 0, sizeof(rows));
}
