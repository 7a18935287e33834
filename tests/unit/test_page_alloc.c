// SPDX-License-Identifier: BSD-2-Clause
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include <berth/cma.h>
#include <berth/error.h>
#include <berth/gfp.h>
#include <berth/io.h>
#include <berth/memblock.h>
#include <berth/slab.h>
#include <berth/test.h>

#include "fake_port.h"
#include "mm/internal.h"

#define MIB (1ULL << 20)
#define GIB (1ULL << 30)

/* One bank per zone, odd sizes, and a hole inside a page block. */
static const struct berth_range odd_banks[] = {
	{ 3 * MIB, 9 * MIB + 0x5000 },
	{ 0x7ff03000, 5 * MIB + 0x2000 },
	{ 0x80500000, 0x7000 },
	{ 4 * GIB - 3 * MIB, 8 * MIB },
};

static struct berth_memory_info info(void)
{
	struct berth_memory_info i;

	berth_memory_info(&i);
	assert_int_equal(i.total, i.reserved + i.free + i.used);
	return i;
}

static void check_refused(int line)
{
	if (berth_last_error()->reason != BERTH_REASON_NOT_OWNED)
		fail_msg("line %d was not refused", line);
	assert_int_equal(berth_last_error()->code, -EINVAL);
	berth_clear_error();
}

#define assert_refused() check_refused(__LINE__)

/* Random traces. */

#define MAX_BLOCKS 700u

struct block {
	struct page *page;
	unsigned int order;
	uint8_t mark;
};

static struct block blocks[MAX_BLOCKS];
static unsigned int nr_blocks;

static uint64_t pages_in_use(void)
{
	uint64_t pages = 0;

	for (unsigned int i = 0; i < nr_blocks; i++)
		pages += 1ULL << blocks[i].order;
	return pages;
}

/* Whether 2^@order free pages, aligned and not CMA's, lie below @end. */
static bool fits_below(unsigned int order, uint64_t end)
{
	uint64_t step = 1ULL << order;

	for (unsigned int i = 0; i < berth_nr_mem_maps; i++) {
		const struct berth_mem_map *bank = &berth_mem_map[i];
		uint64_t pfn = (bank->pfn + step - 1) & ~(step - 1);

		for (; pfn + step <= bank->pfn + bank->nr && pfn + step <= end; pfn += step) {
			uint64_t n = 0;

			while (n < step && berth_page_use(pfn + n) == BERTH_PAGE_FREE)
				n++;
			if (n == step)
				return true;
		}
	}
	return false;
}

static void fill(const struct block *b)
{
	for (uint64_t i = 0; i < 1u << b->order; i++)
		memset(page_address(b->page + i), b->mark, 64);
}

static void check_and_free(unsigned int index)
{
	struct block b = blocks[index];

	for (uint64_t i = 0; i < 1u << b.order; i++) {
		const uint8_t *bytes = page_address(b.page + i);

		assert_int_equal(bytes[0], b.mark);
		assert_int_equal(bytes[63], b.mark);
		assert_int_equal(berth_page_use(page_to_pfn(b.page) + i), BERTH_PAGE_USED);
	}
	__free_pages(b.page, b.order);
	blocks[index] = blocks[--nr_blocks];
}

static void one_allocation(unsigned int max_order)
{
	static const gfp_t kinds[] = { GFP_KERNEL,	  GFP_ATOMIC, __GFP_MOVABLE,
				       __GFP_RECLAIMABLE, GFP_DMA32,  GFP_DMA };
	gfp_t gfp = kinds[fake_random(ARRAY_SIZE(kinds))];
	struct block *b = &blocks[nr_blocks];
	phys_addr_t limit = UINT64_MAX;
	uint64_t end;

	b->order = fake_random(4) ? fake_random(3) : fake_random(max_order + 1);
	b->mark = (uint8_t)(1 + fake_random(255));
	if (fake_random(4) == 0) {
		const struct berth_mem_map *bank = &berth_mem_map[fake_random(berth_nr_mem_maps)];

		limit = PFN_PHYS(bank->pfn) + fake_random((uint32_t)bank->nr << PAGE_SHIFT);
	}
	end = berth_gfp_end(gfp);
	if (limit != UINT64_MAX && PFN_DOWN(limit + 1) < end)
		end = PFN_DOWN(limit + 1);

	b->page = berth_alloc_pages_below(gfp, b->order, limit);
	if (!b->page) {
		assert_int_equal(berth_last_error()->reason, BERTH_REASON_OUT_OF_MEMORY);
		assert_int_equal(berth_last_error()->length, PAGE_SIZE << b->order);
		assert_false(fits_below(b->order, end));
		return;
	}
	assert_int_equal(page_to_pfn(b->page) % (1u << b->order), 0);
	assert_true(page_to_pfn(b->page) + (1ULL << b->order) <= end);
	assert_int_equal(page_count(b->page), 1);
	if (gfp & __GFP_ZERO)
		assert_int_equal(*(char *)page_address(b->page), 0);
	nr_blocks++;
	fill(b);
}

static void random_trace(unsigned int seed, unsigned int steps, unsigned int max_order)
{
	uint64_t before = fake_free_hash();
	uint64_t nr_free = info().free;
	unsigned int bias = 0;

	fake_seed(seed);
	nr_blocks = 0;
	for (unsigned int step = 0; step < steps; step++) {
		if (step % 256 == 0)
			bias = fake_random(4);
		if (nr_blocks < MAX_BLOCKS && (!nr_blocks || fake_random(5) > bias))
			one_allocation(max_order);
		else
			check_and_free(fake_random(nr_blocks));
		assert_int_equal(info().free, nr_free - (pages_in_use() << PAGE_SHIFT));
		assert_int_equal(berth_mm_leaked(), pages_in_use() << PAGE_SHIFT);
		if (step % 500 == 0)
			fake_check_zones();
	}
	while (nr_blocks)
		check_and_free(nr_blocks - 1);
	fake_check_zones();
	assert_int_equal(fake_free_hash(), before);
	assert_int_equal(info().free, nr_free);
	assert_int_equal(berth_mm_leaked(), 0);
}

static void random_traces_on_odd_banks(void **state)
{
	(void)state;
	for (unsigned int seed = 1; seed <= 3; seed++) {
		fake_start(odd_banks, ARRAY_SIZE(odd_banks));
		fake_check_zones();
		random_trace(seed, 3000, MAX_ORDER);
		fake_stop();
	}
}

static void random_traces_beside_cma(void **state)
{
	const struct berth_range bank = { 0x80000000, 16 * MIB };
	struct cma *cma;

	(void)state;
	fake_ram(&bank, 1);
	assert_int_equal(memblock_reserve(0x80400000, 6 * MIB), 0);
	assert_int_equal(cma_init_reserved_mem(0x80400000, 6 * MIB, 0, "area", &cma), 0);
	assert_int_equal(berth_mm_start(), 0);
	fake_check_zones();
	assert_int_equal(info().free_cma, 6 * MIB);
	for (unsigned int seed = 10; seed < 13; seed++)
		random_trace(seed, 2000, 9);
	/* Movable or not, nobody in this trace was given a page of the area. */
	for (nr_blocks = 0; nr_blocks < MAX_BLOCKS; nr_blocks++) {
		struct page *page = alloc_pages(nr_blocks % 2 ? __GFP_MOVABLE : 0, 4);

		if (!page)
			break;
		assert_true(page_to_phys(page) < 0x80400000 || page_to_phys(page) >= 0x80a00000);
		blocks[nr_blocks] = (struct block){ page, 4, 0 };
	}
	assert_int_equal(berth_last_error()->limit, info().free - info().free_cma);
	assert_int_equal(info().free_cma, 6 * MIB);
	fake_check_zones();
	for (unsigned int i = 0; i < nr_blocks; i++)
		__free_pages(blocks[i].page, 4);
	fake_check_zones();
	fake_stop();
}

/* Banks. */

static void hand_over_gives_all_that_is_free(void **state)
{
	uint64_t total = 0, reserved;

	(void)state;
	fake_ram(odd_banks, ARRAY_SIZE(odd_banks));
	assert_int_equal(memblock_reserve(4 * MIB + 0x800, 0x1000), 0); /* two pages are touched */
	assert_int_equal(memblock_mark_nomap(6 * MIB, MIB), 0);
	assert_int_equal(berth_mm_start(), 0);
	for (unsigned int i = 0; i < ARRAY_SIZE(odd_banks); i++)
		total += odd_banks[i].size;
	assert_int_equal(info().total, total);
	assert_int_equal(berth_nr_mem_maps, ARRAY_SIZE(odd_banks) + 1); /* no-map divides a bank */
	assert_int_equal(berth_page_use(PFN_DOWN(4 * MIB)), BERTH_PAGE_RESERVED);
	assert_int_equal(berth_page_use(PFN_DOWN(4 * MIB) + 1), BERTH_PAGE_RESERVED);
	assert_int_equal(berth_page_use(PFN_DOWN(4 * MIB) + 2), BERTH_PAGE_FREE);
	assert_int_equal(berth_page_use(PFN_DOWN(6 * MIB)), BERTH_PAGE_RESERVED);
	assert_int_equal(berth_page_use(PFN_DOWN(MIB)), BERTH_PAGE_ABSENT);
	assert_false(virt_addr_valid(phys_to_virt(6 * MIB)));
	assert_true(virt_addr_valid(phys_to_virt(7 * MIB)));

	/* 16 bytes and a little a page, and no more than that is kept back. */
	reserved = info().reserved - MIB - 2 * PAGE_SIZE;
	assert_true(reserved >= (total - MIB) / PAGE_SIZE * 16);
	assert_true(reserved <= (total - MIB) / PAGE_SIZE * 17 + 5 * PAGE_SIZE);
	fake_check_zones();
	fake_stop();
	assert_int_equal(berth_nr_mem_maps, 0);
	assert_null(pfn_to_page(PFN_DOWN(4 * MIB)));
}

static void a_tiny_machine(void **state)
{
	const struct berth_range bank = { 0x20000000, 64 << 10 };
	struct page *pages[16];
	unsigned int n = 0;
	void *object;

	(void)state;
	fake_start(&bank, 1);
	assert_int_equal(info().free, 60 << 10);
	object = kmalloc(100, 0);
	assert_non_null(object);
	kfree(object);
	object = kmalloc(8000, 0);
	assert_non_null(object);
	kfree(object);
	berth_slab_shrink();
	random_trace(7, 1000, 4);
	while ((pages[n] = alloc_page(0)))
		n++;
	assert_int_equal(n, 15);
	while (n)
		__free_page(pages[--n]);
	fake_check_zones();
	fake_stop();

	const struct berth_range smallest = { 0x20000000, 2 * PAGE_SIZE };

	fake_start(&smallest, 1);
	assert_non_null(alloc_page(0));
	assert_null(alloc_page(0));
	assert_int_equal(berth_mm_leaked(), PAGE_SIZE);
	fake_stop();
}

static void starting_can_fail(void **state)
{
	struct berth_range bank = { 0x80000000, 4 * MIB };
	struct cma *cma;

	(void)state;
	/* Bitmap and page array: each may be refused. */
	for (unsigned int nth = 1; nth <= 3; nth++) {
		fake_ram(&bank, 1);
		assert_int_equal(memblock_reserve(0x80000000, 2 * MIB), 0);
		assert_int_equal(cma_init_reserved_mem(0x80000000, 2 * MIB, 0, NULL, &cma), 0);
		berth_test_fail_nth(nth);
		assert_int_equal(berth_mm_start(), nth < 3 ? -ENOMEM : 0);
		berth_test_fail_nth(0);
		assert_int_equal(berth_nr_mem_maps, nth < 3 ? 0 : 1);
		fake_stop();
	}
	fake_ram(&bank, 1);
	for (unsigned int i = 0; i < BERTH_MAX_BANKS; i++)
		assert_int_equal(memblock_mark_nomap(0x80000000 + i * 2 * PAGE_SIZE, PAGE_SIZE), 0);
	assert_int_equal(berth_mm_start(), 0);
	berth_mm_stop();
	berth_memblock_reset();
	assert_int_equal(berth_mm_start(), -EINVAL);
	assert_int_equal(berth_last_error()->reason, BERTH_REASON_NO_MEMORY_NODE);
	for (unsigned int i = 0; i <= BERTH_MAX_BANKS; i++)
		assert_int_equal(memblock_add(0x80000000 + i * 2 * PAGE_SIZE, PAGE_SIZE), 0);
	assert_int_equal(berth_mm_start(), -ENOSPC);
	assert_int_equal(berth_last_error()->reason, BERTH_REASON_TABLE_FULL);
	fake_stop();
}

/* Limits. */

static void zones_and_limits(void **state)
{
	struct page *page;

	(void)state;
	fake_start(odd_banks, ARRAY_SIZE(odd_banks));
	page = alloc_pages(GFP_KERNEL, 0);
	assert_true(page_to_phys(page) >= 4 * GIB);
	__free_page(page);
	page = alloc_pages(GFP_DMA32, 3);
	assert_true(page_to_phys(page) < 4 * GIB && page_to_phys(page) >= 16 * MIB);
	__free_pages(page, 3);
	page = alloc_pages(GFP_DMA, 3);
	assert_true(page_to_phys(page) < 16 * MIB);
	__free_pages(page, 3);

	/* The last byte counts, not the first; a byte less is a page less. */
	page = berth_alloc_pages_below(0, 0, 3 * MIB + PAGE_SIZE - 1);
	assert_int_equal(page_to_phys(page), 3 * MIB);
	__free_page(page);
	assert_null(berth_alloc_pages_below(0, 0, 3 * MIB + PAGE_SIZE - 2));
	page = berth_alloc_pages_below(0, 8, 4 * MIB - 1);
	assert_int_equal(page_to_phys(page), 3 * MIB);
	__free_pages(page, 8);
	assert_null(berth_alloc_pages_below(0, 8, 4 * MIB - 2));
	assert_null(berth_alloc_pages_below(0, 0, 0));
	/* Inside the zone above 4 GiB as well. */
	page = berth_alloc_pages_below(0, 0, 4 * GIB + PAGE_SIZE - 1);
	assert_int_equal(page_to_phys(page), 4 * GIB);
	__free_page(page);

	assert_null(alloc_pages(0, MAX_ORDER + 1));
	assert_int_equal(berth_last_error()->reason, BERTH_REASON_TOO_LARGE);
	assert_int_equal(berth_last_error()->limit, PAGE_SIZE << MAX_ORDER);
	assert_null(alloc_pages(0, 4000));
	fake_check_zones();
	fake_stop();
}

/* References and refusals. */

static void zeroed_pages_and_addresses(void **state)
{
	const struct berth_range bank = { 0x80000000, 4 * MIB };
	unsigned long addr;

	(void)state;
	fake_start(&bank, 1);
	addr = __get_free_pages(__GFP_ZERO, 2);
	for (unsigned long i = 0; i < 4 * PAGE_SIZE; i++)
		assert_int_equal(((char *)addr)[i], 0);
	assert_true(virt_addr_valid((void *)addr));
	assert_int_equal(virt_to_phys((void *)addr), page_to_phys(virt_to_page((void *)addr)));
	free_pages(addr + PAGE_SIZE, 2);
	assert_refused();
	free_pages(addr + 1, 2);
	assert_refused();
	free_pages((unsigned long)&addr, 0);
	assert_refused();
	free_pages(0, 0);
	assert_int_equal(berth_last_error()->code, 0);
	free_pages(addr, 2);
	assert_int_equal(berth_last_error()->code, 0);
	addr = get_zeroed_page(0);
	assert_int_equal(*(char *)addr, 0);
	free_pages(addr, 0);
	assert_int_equal(berth_mm_leaked(), 0);
	assert_false(virt_addr_valid(&addr));
	assert_null(virt_to_page(&addr));
	fake_stop();
}

static void wrong_frees_change_nothing(void **state)
{
	const struct berth_range bank = { 0x80000000, 4 * MIB };
	static struct page foreign;
	struct page *page, *single;
	uint64_t before, nr_free;

	(void)state;
	fake_start(&bank, 1);
	berth_clear_error();
	single = alloc_page(0);
	page = alloc_pages(0, 3);
	before = fake_free_hash();
	nr_free = info().free;

	__free_pages(NULL, 0);
	assert_int_equal(berth_last_error()->code, 0);
	for (unsigned int order = 0; order < 40; order++) {
		if (order == 3)
			continue;
		__free_pages(page, order);
		assert_refused();
	}
	__free_pages(page + 1, 0);
	assert_refused();
	page->index = 1ULL << 32 | page->flags; /* as if there were a struct page here as well */
	__free_pages((struct page *)((char *)page + 8), 3);
	assert_refused();
	__free_pages(&foreign, 0);
	assert_refused();
	__free_pages(pfn_to_page(PFN_DOWN(0x80200000)), 0); /* never handed out */
	assert_refused();
	__free_pages(pfn_to_page(PFN_DOWN(0x80000000 + 4 * MIB) - 1), 0); /* the page array */
	assert_refused();
	split_page(page, 2);
	assert_refused();
	split_page(page + 1, 0);
	assert_refused();
	put_page(&foreign);
	assert_refused();
	get_page(&foreign);
	assert_refused();
	get_page(pfn_to_page(PFN_DOWN(0x80200000)));
	assert_refused();
	assert_int_equal(fake_free_hash(), before);
	assert_int_equal(info().free, nr_free);
	assert_int_equal(page_count(page), 1);

	__free_pages(page, 3);
	before = fake_free_hash();
	__free_pages(page, 3);
	assert_refused();
	assert_int_equal(berth_last_error()->code, 0);
	__free_page(single);
	__free_page(single);
	assert_refused();
	put_page(single);
	assert_refused();
	fake_check_zones();
	fake_stop();
}

static void the_last_reference_frees(void **state)
{
	const struct berth_range bank = { 0x80000000, 4 * MIB };
	struct page *page;
	uint64_t before;

	(void)state;
	fake_start(&bank, 1);
	berth_clear_error();
	before = fake_free_hash();
	page = alloc_page(0);
	get_page(page);
	get_page(page);
	assert_int_equal(page_count(page), 3);
	__free_page(page);
	put_page(page);
	assert_int_equal(page_count(page), 1);
	assert_int_equal(info().used, PAGE_SIZE);
	*(char *)page_address(page) = 1;
	put_page(page);
	assert_int_equal(fake_free_hash(), before);

	/* A block of several pages has one count, and goes when that does. */
	page = alloc_pages(0, 4);
	get_page(page + 3);
	assert_int_equal(page_count(page), 2);
	__free_pages(page, 4);
	assert_int_equal(info().used, 16 * PAGE_SIZE);
	put_page(page + 5);
	assert_int_equal(fake_free_hash(), before);
	assert_int_equal(berth_last_error()->code, 0);
	fake_stop();
}

static void split_pages_are_freed_one_by_one(void **state)
{
	const struct berth_range bank = { 0x80000000, 4 * MIB };
	struct page *page;
	uint64_t before;

	(void)state;
	fake_start(&bank, 1);
	berth_clear_error();
	before = fake_free_hash();
	page = alloc_pages(0, 5);
	split_page(page, 5);
	__free_pages(page, 5);
	assert_refused();
	for (unsigned int i = 0; i < 32; i++) {
		assert_int_equal(page_count(page + i * 7 % 32), 1);
		__free_page(page + i * 7 % 32);
		fake_check_zones();
		assert_int_equal(berth_mm_leaked(), (31 - i) * PAGE_SIZE);
	}
	assert_int_equal(fake_free_hash(), before);
	assert_int_equal(berth_last_error()->code, 0);
	fake_stop();
}

/* Whole page blocks change hands, and parts of them do not mix more than they must. */
static void page_blocks_are_stolen_whole(void **state)
{
	const struct berth_range bank = { 0x80000000, 64 * MIB };
	struct page *unmovable[64];
	unsigned int kinds[MIGRATE_TYPES] = { 0 };

	(void)state;
	fake_start(&bank, 1);
	for (unsigned int i = 0; i < 64; i++) {
		blocks[i].page = alloc_pages(__GFP_MOVABLE, 5);
		unmovable[i] = alloc_pages(i % 3 ? 0 : __GFP_RECLAIMABLE, 1);
		assert_non_null(unmovable[i]);
	}
	/* 64 small unmovable blocks are in no more page blocks than they need. */
	for (uint64_t pfn = PFN_DOWN(0x80000000); pfn < PFN_DOWN(0x84000000); pfn += 512)
		kinds[*block_type(bank_of(pfn), pfn)]++;
	assert_true(kinds[MIGRATE_UNMOVABLE] >= 1 && kinds[MIGRATE_UNMOVABLE] <= 4);
	assert_true(kinds[MIGRATE_RECLAIMABLE] >= 1 && kinds[MIGRATE_RECLAIMABLE] <= 4);
	for (unsigned int i = 0; i < 64; i++) {
		uint64_t pfn = page_to_pfn(unmovable[i]);

		assert_int_not_equal(*block_type(bank_of(pfn), pfn), MIGRATE_MOVABLE);
		__free_pages(blocks[i].page, 5);
		__free_pages(unmovable[i], 1);
	}
	fake_check_zones();
	fake_stop();
}

/* A page block of which half is free changes its type, one of which less is free does not. */
static void half_a_page_block_is_stolen(void **state)
{
	const struct berth_range bank = { 0x80000000, 2 * MIB };
	const uint64_t pfn = PFN_DOWN(bank.base);
	struct page *page, *movable;

	(void)state;
	for (unsigned int i = 0; i < 2; i++) {
		fake_start(&bank, 1);
		movable = i ? alloc_pages(__GFP_MOVABLE, 8) : NULL;
		page = alloc_pages(0, 0);
		assert_non_null(page);
		assert_int_equal(*block_type(bank_of(pfn), pfn),
				 i ? MIGRATE_MOVABLE : MIGRATE_UNMOVABLE);
		fake_check_zones();
		__free_pages(movable, 8);
		__free_page(page);
		fake_check_zones();
		fake_stop();
	}
}

static void exact_ranges(void **state)
{
	const struct berth_range bank = { 0x80000000, 8 * MIB };
	const uint64_t first = PFN_DOWN(0x80000000);
	uint64_t before, busy = 0;
	struct page *held;

	(void)state;
	fake_start(&bank, 1);
	before = fake_free_hash();
	fake_seed(3);
	for (unsigned int i = 0; i < 300; i++) {
		uint64_t pfn = first + fake_random(1500);
		uint64_t nr = 1 + fake_random(i % 2 ? 500 : 9);

		assert_int_equal(berth_take_free_range(pfn, nr, PG_USED, &busy), 0);
		assert_int_equal(info().used, nr << PAGE_SHIFT);
		fake_check_zones();
		for (uint64_t n = pfn; n < pfn + nr; n++) {
			assert_int_equal(page_count(pfn_to_page(n)), 1);
			assert_false(fake_is_poisoned(phys_to_virt(PFN_PHYS(n))));
		}
		/* Meeting it anywhere is refused, and the first page in the way is named. */
		uint64_t low = pfn - first > 20 ? pfn - 20 : first;

		assert_int_equal(berth_take_free_range(low, pfn - low + 1, PG_USED, &busy), -EBUSY);
		assert_int_equal(busy, pfn);
		assert_int_equal(info().used, nr << PAGE_SHIFT);
		held = pfn_to_page(pfn + fake_random((uint32_t)nr));
		get_page(held);
		berth_put_range(pfn, nr);
		assert_int_equal(info().used, PAGE_SIZE);
		fake_check_zones();
		__free_page(held);
		assert_int_equal(fake_free_hash(), before);
	}
	assert_int_equal(berth_take_free_range(first - 1, 4, PG_USED, &busy), -EINVAL);
	assert_int_equal(berth_take_free_range(first, 0, PG_USED, &busy), -EINVAL);
	assert_int_equal(berth_take_free_range(first + 2000, 4000, PG_USED, &busy), -EINVAL);
	assert_int_equal(berth_take_free_range(first, UINT64_MAX, PG_USED, &busy), -EINVAL);
	assert_int_equal(fake_free_hash(), before);
	fake_stop();
}

static void a_range_across_zones(void **state)
{
	const struct berth_range bank = { 4 * GIB - 8 * MIB, 16 * MIB };
	uint64_t before, busy = 0;

	(void)state;
	fake_start(&bank, 1);
	before = fake_free_hash();
	assert_int_equal(berth_take_free_range(PFN_DOWN(4 * GIB) - 700, 1000, PG_USED, &busy), 0);
	fake_check_zones();
	berth_put_range(PFN_DOWN(4 * GIB) - 700, 1000);
	fake_check_zones();
	assert_int_equal(fake_free_hash(), before);
	fake_stop();
}

static void free_memory_is_poisoned(void **state)
{
	const struct berth_range bank = { 0x80000000, 4 * MIB };
	struct page *page;
	char *bytes;

	(void)state;
	fake_start(&bank, 1);
	page = alloc_pages(0, 2);
	bytes = page_address(page);
	assert_false(fake_is_poisoned(bytes));
	assert_false(fake_is_poisoned(bytes + 4 * PAGE_SIZE - 1));
	__free_pages(page, 2);
	assert_int_equal(fake_is_poisoned(bytes), fake_has_asan());
	assert_int_equal(fake_is_poisoned(bytes + 4 * PAGE_SIZE - 1), fake_has_asan());
	fake_stop();
}

static void every_allocation_can_fail(void **state)
{
	const struct berth_range bank = { 0x80000000, 4 * MIB };
	uint64_t before;

	(void)state;
	fake_start(&bank, 1);
	before = fake_free_hash();
	for (unsigned int nth = 1; nth <= 4; nth++) {
		struct page *pages[3];

		berth_test_fail_nth(nth);
		for (unsigned int i = 0; i < 3; i++) {
			berth_clear_error();
			pages[i] = alloc_pages(0, i * 3);
			assert_int_equal(pages[i] == NULL, i + 1 == nth);
			assert_int_equal(berth_last_error()->reason,
					 pages[i] ? BERTH_REASON_NONE : BERTH_REASON_OUT_OF_MEMORY);
		}
		assert_int_equal(berth_test_failed(), nth <= 3);
		berth_test_fail_nth(0);
		for (unsigned int i = 0; i < 3; i++)
			__free_pages(pages[i], i * 3);
		assert_int_equal(fake_free_hash(), before);
	}
	fake_stop();
}

static void registers_are_not_ram(void **state)
{
	const struct berth_range bank = { 0x80000000, 4 * MIB };
	void __iomem *regs;

	(void)state;
	fake_ram(&bank, 1);
	assert_int_equal(memblock_mark_nomap(0x80000000, PAGE_SIZE), 0);
	assert_int_equal(berth_mm_start(), 0);
	regs = ioremap(0x1000, 0x100);
	assert_non_null(regs);
	writel(0x12345678, (char *)regs + 4);
	assert_int_equal(readl((char *)regs + 4), 0x12345678);
	iounmap(regs);
	iounmap(NULL);
	assert_null(ioremap(0x80001000, 4));
	assert_int_equal(berth_last_error()->reason, BERTH_REASON_MAPPING);
	assert_null(ioremap(0x80000ffc, 8));
	assert_int_equal(berth_last_error()->reason, BERTH_REASON_MAPPING);
	assert_null(ioremap(0x7ffffffc, 0x2000));
	assert_int_equal(berth_last_error()->reason, BERTH_REASON_MAPPING);
	/* No-map memory is for the board to use as it likes; this port has nothing there. */
	assert_null(ioremap(0x80000000, 0x1000));
	assert_int_equal(berth_last_error()->reason, BERTH_REASON_NO_DEVICE);
	assert_null(ioremap(0x5000, 4));
	assert_int_equal(berth_last_error()->reason, BERTH_REASON_NO_DEVICE);
	assert_null(ioremap(0x1000, 0));
	assert_int_equal(berth_last_error()->reason, BERTH_REASON_ARGUMENT);
	assert_null(ioremap(UINT64_MAX - 3, 8));
	assert_int_equal(berth_last_error()->reason, BERTH_REASON_ARGUMENT);
	fake_stop();
}

static void exact_sizes(void **state)
{
	static const size_t sizes[] = { 1,	   4096,       4097, 3 * 4096, 5 * 4096 + 1,
					40 * 4096, 1000 * 4096 };
	const struct berth_range bank = { 0x80000000, 32 * MIB };
	uint64_t before;

	(void)state;
	fake_start(&bank, 1);
	before = berth_mm_leaked();
	berth_clear_error();
	for (unsigned int i = 0; i < ARRAY_SIZE(sizes); i++) {
		uint64_t nr = PFN_UP(sizes[i]);
		char *p = alloc_pages_exact(sizes[i], __GFP_ZERO);

		assert_non_null(p);
		assert_int_equal(berth_mm_leaked(), before + nr * PAGE_SIZE);
		for (uint64_t n = 0; n < nr; n++) {
			assert_int_equal(page_count(virt_to_page(p + n * PAGE_SIZE)), 1);
			assert_int_equal(p[n * PAGE_SIZE + 4095], 0);
		}
		free_pages_exact(p, (nr + 1) * PAGE_SIZE);
		assert_int_equal(berth_last_error()->reason, BERTH_REASON_NOT_OWNED);
		free_pages_exact(p + 1, sizes[i]);
		free_pages_exact(p, SIZE_MAX);
		assert_int_equal(berth_mm_leaked(), before + nr * PAGE_SIZE);
		berth_clear_error();
		free_pages_exact(p, sizes[i]);
		assert_int_equal(berth_last_error()->code, 0);
		assert_int_equal(berth_mm_leaked(), before);
		free_pages_exact(p, sizes[i]);
		assert_int_equal(berth_last_error()->reason, BERTH_REASON_NOT_OWNED);
	}
	fake_check_zones();
	free_pages_exact(NULL, 1);
	assert_null(alloc_pages_exact(0, 0));
	assert_int_equal(berth_last_error()->reason, BERTH_REASON_ARGUMENT);
	assert_null(alloc_pages_exact((PAGE_SIZE << MAX_ORDER) + 1, 0));
	assert_int_equal(berth_last_error()->reason, BERTH_REASON_TOO_LARGE);
	berth_test_fail_nth(1);
	assert_null(alloc_pages_exact(5 * PAGE_SIZE, 0));
	berth_test_fail_nth(0);
	assert_int_equal(berth_last_error()->reason, BERTH_REASON_OUT_OF_MEMORY);
	assert_int_equal(berth_mm_leaked(), before);
	fake_stop();
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(random_traces_on_odd_banks),
		cmocka_unit_test(random_traces_beside_cma),
		cmocka_unit_test(hand_over_gives_all_that_is_free),
		cmocka_unit_test(a_tiny_machine),
		cmocka_unit_test(starting_can_fail),
		cmocka_unit_test(zones_and_limits),
		cmocka_unit_test(zeroed_pages_and_addresses),
		cmocka_unit_test(wrong_frees_change_nothing),
		cmocka_unit_test(the_last_reference_frees),
		cmocka_unit_test(split_pages_are_freed_one_by_one),
		cmocka_unit_test(page_blocks_are_stolen_whole),
		cmocka_unit_test(half_a_page_block_is_stolen),
		cmocka_unit_test(exact_ranges),
		cmocka_unit_test(exact_sizes),
		cmocka_unit_test(a_range_across_zones),
		cmocka_unit_test(free_memory_is_poisoned),
		cmocka_unit_test(every_allocation_can_fail),
		cmocka_unit_test(registers_are_not_ram),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
