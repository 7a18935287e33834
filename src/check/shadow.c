// SPDX-License-Identifier: BSD-2-Clause
/*
 * The state of each byte that somebody has mapped: a byte of shadow per byte, by page, found through two tables. Pages
 * that were never mapped have none. A page's shadow stays until the checker stops: who looks needs no lock.
 */
#include <berth/port.h>

#include "check/check.h"

#define PAGE_BITS 12
#define TABLE_BITS 13
#define PAGE_WORDS ((1u << PAGE_BITS) / 8)
#define TABLE_SIZE (1u << TABLE_BITS)

/*
 * A page that somebody has mapped: a byte for each of its bytes, eight to the word. What is not in @some no byte has, what
 * is in @all each byte has: most mappings are of whole pages, and nobody has to look at the bytes then.
 */
struct page_shadow {
	uint64_t states[PAGE_WORDS];
	uint8_t some, all;
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

uintptr_t check_low = UINTPTR_MAX, check_high;

static unsigned int hash(uintptr_t key)
{
	return (unsigned int)((uint64_t)key * 0x9e3779b97f4a7c15ull >> 54) % ROWS;
}

/* Mostly the linear map's. */
static struct row *found_last;

static struct row *find_row(uintptr_t key)
{
	struct row *row = __atomic_load_n(&found_last, __ATOMIC_ACQUIRE);

	if (row && row->key == key)
		return row;
	row = __atomic_load_n(&rows[hash(key)], __ATOMIC_ACQUIRE);
	while (row && row->key != key)
		row = row->next;
	if (row)
		__atomic_store_n(&found_last, row, __ATOMIC_RELEASE);
	return row;
}

static struct page_shadow *page_of(uintptr_t at)
{
	const struct row *row = find_row(at >> PAGE_BITS >> TABLE_BITS);

	return row ? __atomic_load_n(&row->table.page[(at >> PAGE_BITS) % TABLE_SIZE],
				     __ATOMIC_ACQUIRE)
		   : NULL;
}

/* No byte below @check_low has a state, and none from @check_high on. */
static void reach(uintptr_t at)
{
	const uintptr_t first = at & ~(uintptr_t)((1u << PAGE_BITS) - 1);
	const uintptr_t end = first + (1u << PAGE_BITS);

	if (first < check_low)
		__atomic_store_n(&check_low, first, __ATOMIC_RELAXED);
	if (end > check_high)
		__atomic_store_n(&check_high, end, __ATOMIC_RELAXED);
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
	if (!*page) {
		reach(at);
		__atomic_store_n(page, check_alloc(sizeof(**page)), __ATOMIC_RELEASE);
	}
	return *page;
}

/* Bytes from @at to the end of its page, @size at most. */
static uint64_t in_page(uintptr_t at, uint64_t size)
{
	uint64_t room = (1u << PAGE_BITS) - (at & ((1u << PAGE_BITS) - 1));

	return size < room ? size : room;
}

static uint8_t *byte_of(struct page_shadow *page, uintptr_t at)
{
	return (uint8_t *)page->states + (at & ((1u << PAGE_BITS) - 1));
}

static uint8_t state(struct page_shadow *page, uintptr_t at)
{
	return __atomic_load_n(byte_of(page, at), __ATOMIC_RELAXED);
}

static uint64_t word_of(struct page_shadow *page, uintptr_t at)
{
	return __atomic_load_n((uint64_t *)(void *)byte_of(page, at), __ATOMIC_RELAXED);
}

/* The same in each byte. */
static uint64_t each(uint8_t bits)
{
	return bits * 0x0101010101010101ull;
}

static uint8_t fold(uint64_t word)
{
	word |= word >> 32;
	word |= word >> 16;
	return (uint8_t)(word | word >> 8);
}

static uint8_t some_of(struct page_shadow *page)
{
	return __atomic_load_n(&page->some, __ATOMIC_RELAXED);
}

static uint8_t any_in(struct page_shadow *page, uintptr_t at, uint64_t size)
{
	uint64_t all = 0;

	if (!some_of(page))
		return 0;

	for (; size && at % 8; at++, size--)
		all |= state(page, at);
	for (; size >= 8; at += 8, size -= 8)
		all |= word_of(page, at);
	for (; size; at++, size--)
		all |= state(page, at);
	return fold(all);
}

uint8_t check_shadow_any(uintptr_t at, uint64_t size)
{
	uint8_t any = 0;

	/* A word, as most accesses are of. */
	if (size == 8 && !(at & 7)) {
		struct page_shadow *page = page_of(at);

		return page ? fold(word_of(page, at)) : 0;
	}
	while (size) {
		const uint64_t part = in_page(at, size);
		struct page_shadow *page = page_of(at);

		any |= page ? any_in(page, at, part) : 0;
		at += (uintptr_t)part;
		size -= part;
	}
	return any;
}

static uint8_t all_in(struct page_shadow *page, uintptr_t at, uint64_t size)
{
	uint64_t words = UINT64_MAX;
	uint8_t all = 0xff;

	for (; size && at % 8; at++, size--)
		all &= state(page, at);
	for (; size >= 8 && words; at += 8, size -= 8)
		words &= word_of(page, at);
	for (; size && words; at++, size--)
		all &= state(page, at);
	words &= words >> 32;
	words &= words >> 16;
	return (uint8_t)(all & words & words >> 8);
}

uint8_t check_shadow_all(uintptr_t at, uint64_t size)
{
	uint8_t all = 0xff;

	while (size && all) {
		const uint64_t part = in_page(at, size);
		struct page_shadow *page = page_of(at);

		all &= page ? all_in(page, at, part) : 0;
		at += (uintptr_t)part;
		size -= part;
	}
	return all;
}

static uintptr_t find_in(struct page_shadow *page, uintptr_t at, uint64_t size, uint8_t bits)
{
	const uintptr_t end = at + (uintptr_t)size;

	if (!(some_of(page) & bits))
		return end;
	while (at < end && !(state(page, at) & bits)) {
		at++;
		while (at % 8 == 0 && end - at >= 8 && !(word_of(page, at) & each(bits)))
			at += 8;
	}
	return at;
}

uintptr_t check_shadow_find(uintptr_t at, uint64_t size, uint8_t bits)
{
	while (size) {
		const uint64_t part = in_page(at, size);
		struct page_shadow *page = page_of(at);
		const uintptr_t found = page ? find_in(page, at, part, bits) : at + (uintptr_t)part;

		if (found < at + part)
			return found;
		at += (uintptr_t)part;
		size -= part;
	}
	return at;
}

static void change_bytes(uint8_t *byte, uint64_t size, uint8_t clear, uint8_t set)
{
	for (; size && (uintptr_t)byte % 8; byte++, size--)
		__atomic_store_n(byte, (uint8_t)((*byte & ~clear) | set), __ATOMIC_RELAXED);
	for (; size >= 8; byte += 8, size -= 8) {
		uint64_t *word = (uint64_t *)(void *)byte;

		__atomic_store_n(word, (*word & ~each(clear)) | each(set), __ATOMIC_RELAXED);
	}
	for (; size; byte++, size--)
		__atomic_store_n(byte, (uint8_t)((*byte & ~clear) | set), __ATOMIC_RELAXED);
}

/* Who changes them has the lock: no change is lost. Who looks without it finds no byte that @some does not have. */
static void change_in(struct page_shadow *page, uintptr_t at, uint64_t size, uint8_t clear,
		      uint8_t set)
{
	const bool is_whole = size == 1u << PAGE_BITS;

	if (!((page->some & clear & ~set) | (set & ~page->all)))
		return;
	__atomic_store_n(&page->some, (uint8_t)(page->some | set), __ATOMIC_RELAXED);
	change_bytes(byte_of(page, at), size, clear, set);
	page->all = (uint8_t)((page->all & ~clear) | (is_whole ? set : page->all & set));
	if (is_whole)
		__atomic_store_n(&page->some, (uint8_t)((page->some & ~clear) | set),
				 __ATOMIC_RELAXED);
}

bool check_shadow_change(uintptr_t at, uint64_t size, uint8_t clear, uint8_t set)
{
	while (size) {
		const uint64_t part = in_page(at, size);
		struct page_shadow *page = set ? make_shadow(at) : page_of(at);

		if (page)
			change_in(page, at, part, clear, set);
		else if (set)
			return false;
		at += (uintptr_t)part;
		size -= part;
	}
	return true;
}

bool check_shadow_set(uintptr_t at, uint64_t size, uint8_t bits)
{
	return check_shadow_change(at, size, 0, bits);
}

void check_shadow_clear(uintptr_t at, uint64_t size, uint8_t bits)
{
	check_shadow_change(at, size, bits, 0);
}

static bool becomes_written(struct page_shadow *page, uintptr_t at)
{
	const uint8_t is = state(page, at);

	return is & SHADOW_MAPPED &&
	       !(is & (SHADOW_COHERENT | SHADOW_WRITTEN | SHADOW_DEV_READ | SHADOW_DEV_WRITE));
}

void check_shadow_written(uintptr_t at, uint64_t size)
{
	struct page_shadow *page = NULL;

	for (const uintptr_t end = at + (uintptr_t)size; at < end; at++) {
		if (!page || !(at & ((1u << PAGE_BITS) - 1)))
			page = page_of(at);
		if (page && becomes_written(page, at))
			change_in(page, at, 1, 0, SHADOW_WRITTEN);
	}
}

void check_shadow_reset(void)
{
	__builtin_memset(rows, 0, sizeof(rows));
	found_last = NULL;
	check_low = UINTPTR_MAX;
	check_high = 0;
}

void check_shadow_cleaned(uintptr_t at, uint64_t size)
{
	const uintptr_t line = berth_port_line_size() ? berth_port_line_size() : 64;
	const uintptr_t first = at & ~(line - 1);
	const uintptr_t end = (at + (uintptr_t)size + line - 1) & ~(line - 1);

	check_shadow_clear(first, end - first, SHADOW_WRITTEN);
}
