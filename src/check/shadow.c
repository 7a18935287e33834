// SPDX-License-Identifier: BSD-2-Clause
/*
 * The state of each byte that somebody has mapped: a byte of shadow per byte, by page, found through two tables. Pages
 * that were never mapped have none. A page's shadow stays until the checker stops: who looks needs no lock.
 */
#include "check/check.h"

#define PAGE_BITS 12
#define TABLE_BITS 13
#define TABLE_SIZE (1u << TABLE_BITS)

/* A page that somebody has mapped: its bytes, and who has some of them; with the lock. */
struct page_shadow {
	uint8_t state[1u << PAGE_BITS];
	struct check_link *links;
};

struct table {
	struct page_shadow *page[TABLE_SIZE];
};

/* By hash of what is above a table's reach: addresses are of the linear map and of mappings beside it. */
#define ROWS 1024u

struct row {
	struct row *next;
	uintptr_t key;
	struct table table;
};

static struct row *rows[ROWS];

static unsigned int hash(uintptr_t key)
{
	return (unsigned int)((uint64_t)key * 0x9e3779b97f4a7c15ull >> 54) % ROWS;
}

static struct row *find_row(uintptr_t key)
{
	struct row *row = __atomic_load_n(&rows[hash(key)], __ATOMIC_ACQUIRE);

	while (row && row->key != key)
		row = row->next;
	return row;
}

static struct page_shadow *page_of(uintptr_t at)
{
	const struct row *row = find_row(at >> PAGE_BITS >> TABLE_BITS);

	return row ? __atomic_load_n(&row->table.page[(at >> PAGE_BITS) % TABLE_SIZE],
				     __ATOMIC_ACQUIRE)
		   : NULL;
}

static const uint8_t *shadow_of(uintptr_t at)
{
	const struct page_shadow *page = page_of(at);

	return page ? page->state : NULL;
}

static struct page_shadow *make_shadow(uintptr_t at)
{
	const uintptr_t key = at >> PAGE_BITS >> TABLE_BITS;
	struct row *row = find_row(key);
	struct page_shadow **page;

	if (!row) {
		row = check_alloc(sizeof(*row));
		if (!row)
			return NULL;
		row->key = key;
		row->next = rows[hash(key)];
		__atomic_store_n(&rows[hash(key)], row, __ATOMIC_RELEASE);
	}
	page = &row->table.page[(at >> PAGE_BITS) % TABLE_SIZE];
	if (!*page)
		__atomic_store_n(page, check_alloc(sizeof(**page)), __ATOMIC_RELEASE);
	return *page;
}

/* Bytes from @at to the end of its page, @size at most. */
static uint64_t in_page(uintptr_t at, uint64_t size)
{
	uint64_t room = (1u << PAGE_BITS) - (at & ((1u << PAGE_BITS) - 1));

	return size < room ? size : room;
}

static uint8_t state(const uint8_t *shadow, uintptr_t at)
{
	return __atomic_load_n(&shadow[at & ((1u << PAGE_BITS) - 1)], __ATOMIC_RELAXED);
}

uint8_t check_shadow_any(uintptr_t at, uint64_t size)
{
	uint8_t any = 0;

	while (size) {
		const uint64_t part = in_page(at, size);
		const uint8_t *shadow = shadow_of(at);

		for (uint64_t i = 0; shadow && i < part; i++)
			any |= state(shadow, at + i);
		at += part;
		size -= part;
	}
	return any;
}

uint8_t check_shadow_all(uintptr_t at, uint64_t size)
{
	uint8_t all = 0xff;

	while (size && all) {
		const uint64_t part = in_page(at, size);
		const uint8_t *shadow = shadow_of(at);

		if (!shadow)
			return 0;
		for (uint64_t i = 0; all && i < part; i++)
			all &= state(shadow, at + i);
		at += part;
		size -= part;
	}
	return all;
}

uintptr_t check_shadow_find(uintptr_t at, uint64_t size, uint8_t bits)
{
	while (size) {
		const uint64_t part = in_page(at, size);
		const uint8_t *shadow = shadow_of(at);

		for (uint64_t i = 0; shadow && i < part; i++)
			if (state(shadow, at + i) & bits)
				return at + i;
		at += part;
		size -= part;
	}
	return at;
}

bool check_shadow_set(uintptr_t at, uint64_t size, uint8_t bits)
{
	while (size) {
		const uint64_t part = in_page(at, size);
		struct page_shadow *page = make_shadow(at);

		if (!page)
			return false;
		for (uint64_t i = 0; i < part; i++)
			__atomic_fetch_or(&page->state[(at + i) & ((1u << PAGE_BITS) - 1)], bits,
					  __ATOMIC_RELAXED);
		at += part;
		size -= part;
	}
	return true;
}

void check_shadow_clear(uintptr_t at, uint64_t size, uint8_t bits)
{
	while (size) {
		const uint64_t part = in_page(at, size);
		struct page_shadow *page = page_of(at);

		for (uint64_t i = 0; page && i < part; i++)
			__atomic_fetch_and(&page->state[(at + i) & ((1u << PAGE_BITS) - 1)],
					   (uint8_t)~bits, __ATOMIC_RELAXED);
		at += part;
		size -= part;
	}
}

void check_shadow_written(uintptr_t at, uint64_t size)
{
	while (size) {
		const uint64_t part = in_page(at, size);
		struct page_shadow *page = page_of(at);

		for (uint64_t i = 0; page && i < part; i++) {
			const uint8_t is = state(page->state, at + i);

			if (is & SHADOW_MAPPED && !(is & (SHADOW_COHERENT | SHADOW_WRITTEN |
							  SHADOW_DEV_READ | SHADOW_DEV_WRITE)))
				__atomic_fetch_or(&page->state[(at + i) & ((1u << PAGE_BITS) - 1)],
						  SHADOW_WRITTEN, __ATOMIC_RELAXED);
		}
		at += part;
		size -= part;
	}
}

void check_shadow_reset(void)
{
	__builtin_memset(rows, 0, sizeof(rows));
}
