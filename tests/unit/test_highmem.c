// SPDX-License-Identifier: BSD-2-Clause
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include <berth/error.h>
#include <berth/highmem.h>
#include <berth/migrate.h>
#include <berth/scatterlist.h>
#include <berth/slab.h>
#include <berth/test.h>
#include <berth/vmalloc.h>

#include "fake_port.h"
#include "mm/internal.h"

#define MIB (1ULL << 20)
#define HIGH 0x80c00000u
/* Of all slots: who finds none in its own takes another one's. */
#define PLACES (16 * BERTH_PORT_MAX_SLOTS)

static const struct berth_range bank = { 0x80000000, 16 * MIB };
static uint64_t hash_at_start;

/* 12 MiB low, 4 MiB high. */
static int start(void **state)
{
	(void)state;
	fake_ram(&bank, 1);
	fake_high(4 * MIB);
	assert_int_equal(berth_mm_start(), 0);
	hash_at_start = fake_free_hash();
	berth_clear_error();
	return 0;
}

static void check_empty(void)
{
	assert_int_equal(berth_mm_leaked(), 0);
	assert_int_equal(fake_ranges, 1);
	assert_int_equal(fake_range_pages, 0);
	berth_slab_shrink();
	fake_check_zones();
	assert_int_equal(fake_free_hash(), hash_at_start);
}

static int stop(void **state)
{
	(void)state;
	check_empty();
	fake_stop();
	return 0;
}

static void check_reason(enum berth_reason reason, int line)
{
	if (berth_last_error()->reason != reason)
		fail_msg("line %d: reason %d", line, berth_last_error()->reason);
	berth_clear_error();
}
#define assert_reason(reason) check_reason(reason, __LINE__)

static bool is_high(const struct page *page)
{
	assert_int_equal(PageHighMem(page), page_to_phys(page) >= HIGH);
	assert_int_equal(page_address(page) == NULL, PageHighMem(page));
	return PageHighMem(page);
}

static unsigned int take_all(gfp_t gfp, struct page **pages, unsigned int *nr_high)
{
	unsigned int nr = 0;

	*nr_high = 0;
	while ((pages[nr] = alloc_page(gfp)))
		*nr_high += is_high(pages[nr++]);
	return nr;
}

/* Who does not ask for high memory gets none; who does gets it first, and then all the rest. */
static void test_zones(void **state)
{
	static struct page *pages[4097];
	struct berth_memory_info info;
	unsigned int nr, nr_high;

	(void)state;
	berth_memory_info(&info);
	assert_int_equal(info.total, 16 * MIB);
	assert_int_equal(info.high, 4 * MIB);
	assert_int_equal(info.high_free, 4 * MIB);
	nr = take_all(GFP_KERNEL, pages, &nr_high);
	assert_int_equal(nr_high, 0);
	/* The limit of the failure does not count what could not be had either. */
	assert_int_equal(berth_last_error()->limit, 0);
	assert_reason(BERTH_REASON_OUT_OF_MEMORY);
	assert_null(alloc_page(GFP_DMA32));
	assert_null(berth_alloc_pages_below(GFP_KERNEL, 0, UINT64_MAX));
	assert_null(kmalloc(100000, GFP_KERNEL | __GFP_HIGHMEM));
	assert_int_equal(__get_free_pages(GFP_KERNEL | __GFP_HIGHMEM, 0), 0);
	berth_clear_error();
	while (nr)
		__free_page(pages[--nr]);

	nr = take_all(GFP_KERNEL | __GFP_HIGHMEM, pages, &nr_high);
	assert_int_equal(nr_high, 1024);
	assert_true(is_high(pages[0]) && is_high(pages[1023]) && !is_high(pages[1024]));
	berth_memory_info(&info);
	assert_int_equal(info.high_free, 0);
	assert_int_equal(info.free, 0);
	fake_check_zones();
	while (nr)
		__free_page(pages[--nr]);
	berth_clear_error();
}

static void test_blocks(void **state)
{
	struct page *whole = alloc_pages(GFP_KERNEL | __GFP_HIGHMEM, 10), *part;

	(void)state;
	assert_true(is_high(whole));
	assert_int_equal(page_to_phys(whole), HIGH);
	assert_null(berth_alloc_pages_below(GFP_KERNEL, 0, 0x1000));
	part = berth_alloc_pages_below(GFP_KERNEL | __GFP_HIGHMEM, 0, HIGH - 1);
	assert_false(is_high(part));
	__free_pages(part, 0);
	__free_pages(whole, 10);
	/* An exact range of it, and the way back. */
	assert_int_equal(alloc_contig_range(HIGH / 4096 + 3, HIGH / 4096 + 10, MIGRATE_MOVABLE,
					    GFP_KERNEL),
			 0);
	fake_check_zones();
	free_contig_range(HIGH / 4096 + 3, 7);
	/* Tenants are not there. */
	part = berth_take_movable(GFP_KERNEL | __GFP_HIGHMEM | __GFP_MOVABLE, PG_USED, 0);
	assert_false(is_high(part));
	__free_page(part);
	berth_clear_error();
}

static void test_zero(void **state)
{
	(void)state;
	for (unsigned int round = 0; round < 2; round++) {
		struct page *block = alloc_pages(GFP_KERNEL | __GFP_HIGHMEM | __GFP_ZERO, 2);

		assert_true(is_high(block));
		for (unsigned int i = 0; i < 4; i++) {
			unsigned char *at = kmap_local_page(block + i);

			for (unsigned int n = 0; n < PAGE_SIZE; n++)
				assert_int_equal(at[n], 0);
			memset(at, 0xaa, PAGE_SIZE);
			kunmap_local(at);
		}
		__free_pages(block, 2);
	}
}

/* Several at once, in any order; the same page twice is one memory. */
static void test_kmap(void **state)
{
	struct page *block = alloc_pages(GFP_KERNEL | __GFP_HIGHMEM, 2);
	struct page *low = alloc_page(GFP_KERNEL);
	char *at[PLACES];

	(void)state;
	assert_ptr_equal(kmap_local_page(low), page_address(low));
	kunmap_local(page_address(low));
	for (unsigned int i = 0; i < PLACES; i++) {
		at[i] = kmap_local_page(block + i % 4);
		assert_non_null(at[i]);
		assert_false(virt_addr_valid(at[i]));
		at[i][i] = (char)i;
	}
	for (unsigned int i = 0; i < PLACES; i++)
		assert_int_equal(at[(i + 4) % PLACES][i], i);
	assert_null(kmap_local_page(block));
	assert_int_equal(berth_last_error()->limit, PLACES);
	assert_reason(BERTH_REASON_TABLE_FULL);
	/* The linear map has no such limit. */
	assert_non_null(kmap_local_page(low));
	kunmap_local(at[5] + 17);
	at[5] = kmap_local_page(block + 3);
	assert_int_equal(at[5][7], 7);
	for (unsigned int i = 0; i < PLACES; i++)
		kunmap_local(at[(i * 5) % PLACES]);
	assert_reason(BERTH_REASON_NONE);
	kunmap_local(at[0]);
	assert_reason(BERTH_REASON_NOT_OWNED);
	kunmap_local(&low);
	assert_reason(BERTH_REASON_NOT_OWNED);
	kunmap_local(NULL);
	assert_reason(BERTH_REASON_NONE);
	assert_null(kmap_local_page(NULL));
	assert_reason(BERTH_REASON_ARGUMENT);
	__free_pages(block, 2);
	__free_page(low);
}

static void test_copies(void **state)
{
	struct page *high = alloc_page(GFP_KERNEL | __GFP_HIGHMEM), *low = alloc_page(GFP_KERNEL);
	struct page *other = alloc_page(GFP_KERNEL | __GFP_HIGHMEM);
	char bytes[100];
	struct scatterlist sg;

	(void)state;
	assert_int_equal(clear_highpage(high), 0);
	assert_int_equal(memcpy_to_page(high, 4000, "abcdef", 6), 0);
	assert_int_equal(copy_highpage(low, high), 0);
	assert_string_equal((char *)page_address(low) + 4000, "abcdef");
	assert_int_equal(copy_highpage(other, low), 0);
	assert_int_equal(memcpy_from_page(bytes, other, 3999, 8), 0);
	assert_memory_equal(bytes, "\0abcdef", 8);
	assert_int_equal(memcpy_from_page(bytes, other, 4090, 7), -EINVAL);
	assert_reason(BERTH_REASON_ARGUMENT);
	assert_int_equal(memcpy_to_page(other, 1, bytes, SIZE_MAX), -EINVAL);
	assert_reason(BERTH_REASON_ARGUMENT);
	sg_init_table(&sg, 1);
	sg_set_page(&sg, high, 10, 5);
	assert_null(sg_virt(&sg));
	sg_set_page(&sg, low, 10, 5);
	assert_ptr_equal(sg_virt(&sg), (char *)page_address(low) + 5);
	__free_page(high);
	__free_page(low);
	__free_page(other);
}

/* A page has one type as long as it is mapped at all. */
static void test_types(void **state)
{
	struct page *pages[2] = { alloc_page(GFP_KERNEL | __GFP_HIGHMEM),
				  alloc_page(GFP_KERNEL | __GFP_HIGHMEM) };
	void *first, *second, *local = kmap_local_page(pages[1]);

	(void)state;
	assert_null(vmap(pages, 2, VM_MAP, pgprot_writecombine(PAGE_KERNEL)));
	assert_int_equal(berth_last_error()->address, page_to_phys(pages[1]));
	assert_reason(BERTH_REASON_MAPPING);
	first = vmap(pages, 2, VM_MAP, PAGE_KERNEL);
	assert_non_null(first);
	kunmap_local(local);
	assert_null(vmap(pages, 1, VM_MAP, pgprot_noncached(PAGE_KERNEL)));
	assert_reason(BERTH_REASON_MAPPING);
	vunmap(first);
	first = vmap(pages, 2, VM_MAP, pgprot_writecombine(PAGE_KERNEL));
	second = vmap(pages + 1, 1, VM_MAP, pgprot_writecombine(PAGE_KERNEL));
	assert_true(first && second);
	assert_null(kmap_local_page(pages[1]));
	assert_reason(BERTH_REASON_MAPPING);
	assert_int_equal(clear_highpage(pages[0]), -ENOMEM);
	assert_reason(BERTH_REASON_MAPPING);
	assert_null(vmap(pages, 2, VM_MAP, pgprot_noncached(PAGE_KERNEL)));
	assert_reason(BERTH_REASON_MAPPING);
	vunmap(first);
	assert_null(kmap_local_page(pages[1]));
	assert_reason(BERTH_REASON_MAPPING);
	assert_int_equal(clear_highpage(pages[0]), 0);
	vunmap(second);
	assert_int_equal(clear_highpage(pages[1]), 0);
	__free_page(pages[0]);
	__free_page(pages[1]);
}

/* Neither does one in the linear map, while that is not cached. */
static void test_linear_type(void **state)
{
	struct page *block = alloc_pages(GFP_KERNEL, 1), *pages[2] = { block, block + 1 };
	void *virt = berth_pages_remap(block + 1, 1, BERTH_MEMORY_UNCACHED), *map;

	(void)state;
	assert_null(vmap(pages, 2, VM_MAP, PAGE_KERNEL));
	assert_int_equal(berth_last_error()->address, page_to_phys(block + 1));
	assert_reason(BERTH_REASON_MAPPING);
	berth_pages_unremap(virt, block + 1, 1);
	map = vmap(pages, 2, VM_MAP, PAGE_KERNEL);
	assert_non_null(map);
	vunmap(map);
	__free_pages(block, 1);
}

/* What the port has for tables is in the linear map, is counted, and is nobody's leak. */
static void test_tables(void **state)
{
	enum { NR = 20 };
	struct berth_memory_info info;
	phys_addr_t tables[NR];
	uint64_t used;

	(void)state;
	berth_memory_info(&info);
	used = info.used;
	for (unsigned int i = 0; i < NR; i++) {
		tables[i] = berth_table_alloc();
		assert_true(tables[i] && !offset_in_page(tables[i]));
		assert_false(is_high(phys_to_page(tables[i])));
		memset(phys_to_virt(tables[i]), 0xa5, PAGE_SIZE);
	}
	berth_memory_info(&info);
	assert_int_equal(info.tables, NR * PAGE_SIZE);
	assert_int_equal(info.used, used + NR * PAGE_SIZE);
	assert_int_equal(berth_mm_leaked(), 0);
	berth_test_fail_nth(1);
	assert_int_equal(berth_table_alloc(), 0);
	assert_true(berth_test_failed());
	assert_reason(BERTH_REASON_OUT_OF_MEMORY);
	for (unsigned int i = 0; i < NR; i++)
		berth_table_free(tables[i]);
	berth_memory_info(&info);
	assert_int_equal(info.tables, 0);
	assert_int_equal(info.used, used);
}

/* Memory of vmalloc() needs no linear map: that is left to others. */
static void test_vmalloc(void **state)
{
	char *area = vzalloc(100 * PAGE_SIZE);

	(void)state;
	for (unsigned int i = 0; i < 100; i++) {
		assert_true(is_high(vmalloc_to_page(area + i * PAGE_SIZE)));
		assert_int_equal(area[i * PAGE_SIZE + i], 0);
		area[i * PAGE_SIZE] = (char)i;
	}
	vfree(area);
	/* More than there is of high memory. */
	area = vmalloc(5 * MIB);
	assert_non_null(area);
	memset(area, 3, 5 * MIB);
	vfree(area);
}

static void *call_zero(void)
{
	return alloc_pages(GFP_KERNEL | __GFP_HIGHMEM | __GFP_ZERO, 1);
}

static void *call_vmap(void)
{
	struct page *page = alloc_page(GFP_KERNEL | __GFP_HIGHMEM);
	void *map = NULL;

	if (page)
		map = vmap(&page, 1, VM_MAP, pgprot_writecombine(PAGE_KERNEL));
	if (map)
		vunmap(map);
	if (page)
		__free_page(page);
	return map;
}

static void *call_copy(void)
{
	struct page *to = alloc_page(GFP_KERNEL | __GFP_HIGHMEM);
	struct page *from = alloc_page(GFP_KERNEL | __GFP_HIGHMEM);
	bool done = to && from && !clear_highpage(from) && !copy_highpage(to, from);

	__free_pages(to, 0);
	__free_pages(from, 0);
	return done ? to : NULL;
}

static void test_failures(void **state)
{
	static void *(*const calls[])(void) = { call_zero, call_vmap, call_copy };

	(void)state;
	for (unsigned int i = 0; i < ARRAY_SIZE(calls); i++) {
		void *result = NULL;

		for (uint64_t n = 1; !result; n++) {
			bool failed;

			assert_true(n < 100);
			berth_test_fail_nth(n);
			result = calls[i]();
			failed = berth_test_failed();
			berth_test_fail_nth(0);
			if (!result) {
				assert_true(failed);
				assert_int_not_equal(berth_last_error()->reason, BERTH_REASON_NONE);
				berth_clear_error();
				check_empty();
			}
		}
		if (calls[i] == call_zero)
			__free_pages(result, 1);
	}
}

/* No page is seen with another thread's bytes. */
static void *hammer(void *arg)
{
	struct page *pages[3];
	uint64_t mark = (uintptr_t)arg << 32;

	for (unsigned int i = 0; i < 3; i++)
		pages[i] = alloc_page(GFP_KERNEL | __GFP_HIGHMEM);
	for (unsigned int round = 0; round < 700; round++) {
		uint64_t *at[3];

		for (unsigned int i = 0; i < 3; i++) {
			at[i] = kmap_local_page(pages[i]);
			if (!at[i])
				abort();
			if (round && at[i][i] != (mark | (round - 1)))
				abort();
			at[i][i] = mark | round;
		}
		for (unsigned int i = 0; i < 3; i++)
			kunmap_local(at[(i + round) % 3]);
	}
	for (unsigned int i = 0; i < 3; i++)
		__free_page(pages[i]);
	return NULL;
}

static void test_threads(void **state)
{
	pthread_t threads[4];

	(void)state;
	for (uintptr_t i = 0; i < ARRAY_SIZE(threads); i++)
		assert_int_equal(pthread_create(&threads[i], NULL, hammer, (void *)i), 0);
	for (unsigned int i = 0; i < ARRAY_SIZE(threads); i++)
		pthread_join(threads[i], NULL);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_zones, start, stop),
		cmocka_unit_test_setup_teardown(test_blocks, start, stop),
		cmocka_unit_test_setup_teardown(test_zero, start, stop),
		cmocka_unit_test_setup_teardown(test_kmap, start, stop),
		cmocka_unit_test_setup_teardown(test_copies, start, stop),
		cmocka_unit_test_setup_teardown(test_types, start, stop),
		cmocka_unit_test_setup_teardown(test_linear_type, start, stop),
		cmocka_unit_test_setup_teardown(test_tables, start, stop),
		cmocka_unit_test_setup_teardown(test_vmalloc, start, stop),
		cmocka_unit_test_setup_teardown(test_failures, start, stop),
		cmocka_unit_test_setup_teardown(test_threads, start, stop),
	};

	return cmocka_run_group_tests_name("highmem", tests, NULL, NULL);
}
