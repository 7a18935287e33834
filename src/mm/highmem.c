// SPDX-License-Identifier: BSD-2-Clause
/* Pages outside the linear map: addresses for a while, and the one memory type that each page has. */
#include <berth/highmem.h>

#include "lib/error.h"
#include "lib/fault.h"
#include "lib/string.h"
#include "mm/internal.h"

#define PER_SLOT 16u
#define NR_PLACES (BERTH_PORT_MAX_SLOTS * PER_SLOT)
#define NR_WORDS ((NR_PLACES + 63) / 64)

uint64_t berth_high_pfn = UINT64_MAX;

/* A place is taken by setting its bit, and belongs to who set it. */
static struct {
	char *range; /* NULL: there is no high memory */
	uint64_t taken[NR_WORDS];
	struct page *pages[NR_PLACES]; /* what a place shows; NULL: nothing yet */
} places;

/*
 * Of a page of high memory: how many mappings it has, and above that their type. Two bytes each,
 * behind what the page blocks have. Nobody waits: one compare-and-exchange.
 */
#define VIEWS 0x3fffu
#define VIEW_TYPE_SHIFT 14

static uint16_t *views_of(struct page *page)
{
	const struct berth_mem_map *bank = berth_bank_of_page(page);

	return (uint16_t *)(void *)(block_isolation(bank, bank->pfn) +
				    bank_nr_blocks(bank->pfn, bank->nr)) +
	       (page - bank->pages);
}

static int another_type(struct page *page)
{
	return berth_fail_at(-EINVAL, BERTH_REASON_MAPPING, "another memory type",
			     page_to_phys(page));
}

int berth_view_get(struct page *page, enum berth_memory_type type)
{
	uint16_t *views, old;

	if (!PageHighMem(page))
		return type == BERTH_MEMORY_CACHED && !is_uncached(page) ? 0 : another_type(page);
	views = views_of(page);
	old = __atomic_load_n(views, __ATOMIC_RELAXED);
	do {
		if (old & VIEWS && old >> VIEW_TYPE_SHIFT != (unsigned int)type)
			return another_type(page);
		if ((old & VIEWS) == VIEWS)
			return berth_fail_limit(-ENOSPC, BERTH_REASON_TABLE_FULL,
						"mappings of a page", 0, VIEWS);
	} while (!__atomic_compare_exchange_n(views, &old,
					      (uint16_t)((unsigned int)type << VIEW_TYPE_SHIFT |
							 ((old & VIEWS) + 1)),
					      true, __ATOMIC_ACQUIRE, __ATOMIC_RELAXED));
	return 0;
}

void berth_view_put(struct page *page)
{
	if (PageHighMem(page))
		__atomic_sub_fetch(views_of(page), 1, __ATOMIC_RELEASE);
}

void *berth_pages_remap(struct page *page, uint64_t nr, enum berth_memory_type type)
{
	void *virt = berth_port_remap(page_to_phys(page), nr << PAGE_SHIFT, type);

	for (uint64_t i = 0; virt && i < nr; i++)
		page_set_flags(page + i, page_flags(page + i) | PG_UNCACHED);
	return virt;
}

void berth_pages_unremap(void *virt, struct page *page, uint64_t nr)
{
	berth_port_unremap(virt, page_to_phys(page), nr << PAGE_SHIFT);
	for (uint64_t i = 0; i < nr; i++)
		page_set_flags(page + i, page_flags(page + i) & ~PG_UNCACHED);
}

static uint64_t bit_of(unsigned int place)
{
	return 1ULL << place % 64;
}

/* The caller's own slot first. NR_PLACES: all are taken. */
static unsigned int take_place(void)
{
	unsigned int first = berth_port_slot() * PER_SLOT;

	for (unsigned int i = 0; i < NR_PLACES; i++) {
		unsigned int place = (first + i) % NR_PLACES;
		uint64_t *word = &places.taken[place / 64], bit = bit_of(place);

		if (!(__atomic_load_n(word, __ATOMIC_RELAXED) & bit) &&
		    !(__atomic_fetch_or(word, bit, __ATOMIC_ACQUIRE) & bit))
			return place;
	}
	return NR_PLACES;
}

static void give_place(unsigned int place)
{
	__atomic_fetch_and(&places.taken[place / 64], ~bit_of(place), __ATOMIC_RELEASE);
}

static void *map_high(struct page *page)
{
	unsigned int place = take_place();
	char *virt;

	if (place == NR_PLACES) {
		berth_fail_limit(-ENOMEM, BERTH_REASON_TABLE_FULL, "kmap_local_page", 0, NR_PLACES);
		return NULL;
	}
	virt = places.range + (uint64_t)place * PAGE_SIZE;
	if (berth_port_range_map(virt, page_to_phys(page), PAGE_SIZE, BERTH_MEMORY_CACHED)) {
		give_place(place);
		return NULL;
	}
	__atomic_store_n(&places.pages[place], page, __ATOMIC_RELEASE);
	return virt;
}

void *kmap_local_page(struct page *page)
{
	void *virt;

	if (!page || !berth_bank_of_page(page)) {
		berth_fail_at(-EINVAL, BERTH_REASON_ARGUMENT, "kmap_local_page", (uintptr_t)page);
		return NULL;
	}
	if (!PageHighMem(page))
		return page_address(page);
	if (berth_should_fail()) {
		berth_fail_at(-ENOMEM, BERTH_REASON_MAPPING, "kmap_local_page", page_to_phys(page));
		return NULL;
	}
	if (berth_view_get(page, BERTH_MEMORY_CACHED))
		return NULL;
	virt = map_high(page);
	if (!virt)
		berth_view_put(page);
	return virt;
}

void kunmap_local(const void *addr)
{
	uint64_t at = (uintptr_t)addr - (uintptr_t)places.range;
	struct page *page = NULL;

	if (!addr || virt_addr_valid(addr))
		return;
	/* Of two who unmap it at once one gets the page. */
	if (places.range && at < NR_PLACES * PAGE_SIZE)
		page = __atomic_exchange_n(&places.pages[at >> PAGE_SHIFT], NULL, __ATOMIC_ACQ_REL);
	if (!page) {
		berth_not_owned("kunmap_local", (uintptr_t)addr, 0);
		return;
	}
	berth_port_range_unmap(places.range + (at & ~(PAGE_SIZE - 1)), page_to_phys(page),
			       PAGE_SIZE, BERTH_MEMORY_CACHED);
	berth_view_put(page);
	give_place((unsigned int)(at >> PAGE_SHIFT));
}

/* One of the two sides is a page; the other is what the CPU sees anyway. */
static int copy(struct page *page, size_t offset, void *to, const void *from, size_t len)
{
	char *virt;

	if (len > PAGE_SIZE || offset > PAGE_SIZE - len)
		return berth_fail_at(-EINVAL, BERTH_REASON_ARGUMENT, "bytes of a page", offset);
	virt = kmap_local_page(page);
	if (!virt)
		return -ENOMEM;
	if (to)
		memcpy(to, virt + offset, len);
	else if (from)
		memcpy(virt + offset, from, len);
	else
		memset(virt + offset, 0, len);
	kunmap_local(virt);
	return 0;
}

int memcpy_from_page(void *to, struct page *page, size_t offset, size_t len)
{
	return copy(page, offset, to, NULL, len);
}

int memcpy_to_page(struct page *page, size_t offset, const void *from, size_t len)
{
	return copy(page, offset, NULL, from, len);
}

int clear_highpage(struct page *page)
{
	return copy(page, 0, NULL, NULL, PAGE_SIZE);
}

int copy_highpage(struct page *to, struct page *from)
{
	void *virt = kmap_local_page(from);
	int err;

	if (!virt)
		return -ENOMEM;
	err = copy(to, 0, NULL, virt, PAGE_SIZE);
	kunmap_local(virt);
	return err;
}

bool berth_clear_high(struct page *page, unsigned int order)
{
	for (uint64_t i = 0; i < 1ULL << order; i++)
		if (clear_highpage(page + i))
			return false;
	return true;
}

int berth_highmem_start(void)
{
	if (berth_high_pfn == UINT64_MAX)
		return 0;
	places.range = berth_port_range_reserve(NR_PLACES * PAGE_SIZE);
	return places.range ? 0 : berth_last_error()->code;
}

/* The addresses go with the port. */
void berth_highmem_stop(void)
{
	memset(&places, 0, sizeof(places));
	berth_high_pfn = UINT64_MAX;
}
