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
#include <berth/slab.h>
#include <berth/test.h>
#include <berth/vmalloc.h>

#include "fake_port.h"
#include "mm/internal.h"

#define MIB (1ULL << 20)

static const struct berth_range two_banks[] = {
	{ 0x80000000, 16 * MIB },
	{ 0x81800000, 8 * MIB },
};
static uint64_t hash_at_start;

static int start(void **state)
{
	(void)state;
	fake_start(two_banks, 2);
	hash_at_start = fake_free_hash();
	berth_clear_error();
	return 0;
}

static void check_empty(void)
{
	assert_int_equal(berth_mm_leaked(), 0);
	assert_int_equal(fake_ranges, 0);
	assert_int_equal(fake_range_pages, 0);
	berth_slab_shrink();
	fake_check_zones();
	assert_int_equal(fake_free_hash(), hash_at_start);
}

/* Whatever a test did, nothing of it is left. */
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

static void fill(void *at, size_t size, uint64_t seed)
{
	uint64_t *words = at;

	for (size_t i = 0; i < size / 8; i++)
		words[i] = seed * 1000003 + i;
}

static bool is_filled(const void *at, size_t size, uint64_t seed)
{
	const uint64_t *words = at;

	for (size_t i = 0; i < size / 8; i++)
		if (words[i] != seed * 1000003 + i)
			return false;
	return true;
}

/* What is behind the addresses are pages of the page allocator, each once. */
static void test_pages(void **state)
{
	static const size_t sizes[] = { 1, 4096, 4097, 12288, 100000, 3 * MIB };
	char *areas[ARRAY_SIZE(sizes)];

	(void)state;
	for (unsigned int i = 0; i < ARRAY_SIZE(sizes); i++) {
		areas[i] = vmalloc(sizes[i]);
		assert_non_null(areas[i]);
		assert_int_equal(offset_in_page(areas[i]), 0);
		fill(areas[i], PAGE_ALIGN(sizes[i]), i);
	}
	for (unsigned int i = 0; i < ARRAY_SIZE(sizes); i++) {
		assert_true(is_filled(areas[i], PAGE_ALIGN(sizes[i]), i));
		assert_false(virt_addr_valid(areas[i]));
		assert_false(is_vmalloc_addr(areas[i] - 1));
		assert_false(is_vmalloc_addr(areas[i] + PAGE_ALIGN(sizes[i])));
		for (size_t at = 0; at < sizes[i]; at += PAGE_SIZE) {
			struct page *page = vmalloc_to_page(areas[i] + at);

			assert_non_null(page);
			assert_ptr_equal(vmalloc_to_page(areas[i] + at + 4095), page);
			assert_int_equal(vmalloc_to_pfn(areas[i] + at), page_to_pfn(page));
			assert_true(is_vmalloc_addr(areas[i] + at));
			assert_int_equal(page_count(page), 1);
			assert_int_equal(berth_page_use(page_to_pfn(page)), BERTH_PAGE_USED);
			assert_memory_equal(page_address(page), areas[i] + at, PAGE_SIZE);
		}
	}
	for (unsigned int i = 0; i < ARRAY_SIZE(sizes); i++) {
		vfree(areas[i]);
		assert_null(vmalloc_to_page(areas[i]));
		assert_reason(BERTH_REASON_NOT_OWNED);
		assert_int_equal(vmalloc_to_pfn(areas[i]), 0);
		assert_reason(BERTH_REASON_NOT_OWNED);
	}
}

/* Also where memory was used before. */
static void test_zero(void **state)
{
	(void)state;
	for (unsigned int round = 0; round < 3; round++) {
		uint64_t *area = vzalloc(10 * PAGE_SIZE);

		assert_non_null(area);
		for (size_t i = 0; i < 10 * PAGE_SIZE / 8; i++)
			assert_int_equal(area[i], 0);
		memset(area, 0x5a, 10 * PAGE_SIZE);
		vfree(area);
	}
}

/* No two free pages touch: kmalloc() has nothing of two pages, vmalloc() has all there is. */
static void test_scattered(void **state)
{
	static struct page *pages[6144];
	unsigned int nr = 0, nr_free = 0;
	char *area;

	(void)state;
	/* Records and array need memory of their own: a slab of each is there. */
	area = vmalloc(500 * PAGE_SIZE);
	while (nr < ARRAY_SIZE(pages) && (pages[nr] = alloc_page(GFP_KERNEL)))
		nr++;
	assert_true(nr < ARRAY_SIZE(pages));
	berth_clear_error();
	vfree(area);
	area = NULL;
	for (unsigned int i = 0; i < nr; i++)
		if (page_to_pfn(pages[i]) % 2) {
			__free_page(pages[i]);
			pages[i] = NULL;
			nr_free++;
		}
	assert_true(nr_free > 2000);
	area = vmalloc(2000 * PAGE_SIZE);
	assert_non_null(area);
	fill(area, 2000 * PAGE_SIZE, 1);
	assert_true(is_filled(area, 2000 * PAGE_SIZE, 1));
	vfree(area);
	for (unsigned int i = 0; i < nr; i++)
		if (pages[i])
			__free_page(pages[i]);
}

static void test_refused(void **state)
{
	char *area = vmalloc(3 * PAGE_SIZE), *object = kmalloc(100, GFP_KERNEL), local;
	struct page *page = alloc_page(GFP_KERNEL);
	char *map = vmap(&page, 1, VM_MAP, PAGE_KERNEL);

	(void)state;
	vfree(NULL);
	vunmap(NULL);
	kvfree(NULL);
	assert_reason(BERTH_REASON_NONE);
	vfree(area + 1);
	assert_reason(BERTH_REASON_NOT_OWNED);
	vfree(area + PAGE_SIZE);
	assert_reason(BERTH_REASON_NOT_OWNED);
	kvfree(area + PAGE_SIZE);
	assert_reason(BERTH_REASON_NOT_OWNED);
	vfree(&local);
	assert_reason(BERTH_REASON_NOT_OWNED);
	vfree(object);
	assert_reason(BERTH_REASON_NOT_OWNED);
	kfree(area);
	assert_reason(BERTH_REASON_NOT_OWNED);
	vunmap(area);
	assert_reason(BERTH_REASON_NOT_OWNED);
	vfree(map);
	assert_reason(BERTH_REASON_NOT_OWNED);
	vunmap(map + 4);
	assert_reason(BERTH_REASON_NOT_OWNED);
	fill(area, 3 * PAGE_SIZE, 4);
	assert_true(is_filled(area, 3 * PAGE_SIZE, 4));
	vfree(area);
	assert_reason(BERTH_REASON_NONE);
	vfree(area);
	assert_reason(BERTH_REASON_NOT_OWNED);
	vunmap(map);
	assert_reason(BERTH_REASON_NONE);
	vunmap(map);
	assert_reason(BERTH_REASON_NOT_OWNED);
	kfree(object);
	__free_page(page);
}

static void test_too_large(void **state)
{
	(void)state;
	assert_null(vmalloc(0));
	assert_reason(BERTH_REASON_ARGUMENT);
	assert_null(vmalloc(24 * MIB));
	assert_int_equal(berth_last_error()->limit, berth_managed_bytes());
	assert_reason(BERTH_REASON_TOO_LARGE);
	assert_null(vmalloc(ULONG_MAX));
	assert_reason(BERTH_REASON_TOO_LARGE);
	/* All that there is, but its own records take some of that. */
	assert_null(vmalloc(berth_managed_bytes()));
	assert_reason(BERTH_REASON_OUT_OF_MEMORY);
	check_empty();
}

static void test_vmap(void **state)
{
	enum { NR = 5 };
	struct page *block = alloc_pages(GFP_KERNEL, 3), *pages[NR], *other[2] = { NULL };
	char *map;

	(void)state;
	split_page(block, 3);
	/* Backwards, and one twice. */
	for (unsigned int i = 0; i < NR; i++) {
		pages[i] = block + 4 - i;
		fill(page_address(pages[i]), PAGE_SIZE, i);
	}
	pages[4] = pages[0];
	map = vmap(pages, NR, VM_MAP, PAGE_KERNEL);
	assert_non_null(map);
	memset(pages, 0, sizeof(pages));
	for (unsigned int i = 0; i < NR; i++)
		assert_true(is_filled(map + i * PAGE_SIZE, PAGE_SIZE, i % 4));
	map[0] = 17;
	assert_int_equal(map[4 * PAGE_SIZE], 17);
	assert_ptr_equal(vmalloc_to_page(map + PAGE_SIZE), block + 3);
	vunmap(map);
	for (unsigned int i = 0; i < 8; i++)
		assert_int_equal(page_count(block + i), 1);

	other[0] = block;
	assert_null(vmap(other, 2, VM_MAP, PAGE_KERNEL));
	assert_reason(BERTH_REASON_ARGUMENT);
	assert_null(vmap(other, 0, VM_MAP, PAGE_KERNEL));
	assert_reason(BERTH_REASON_ARGUMENT);
	assert_null(vmap(NULL, 1, VM_MAP, PAGE_KERNEL));
	assert_reason(BERTH_REASON_ARGUMENT);
	assert_null(vmap(other, 1, VM_ALLOC, PAGE_KERNEL));
	assert_reason(BERTH_REASON_ARGUMENT);
	assert_null(vmap(other, 1, VM_MAP, BERTH_MEMORY_DEVICE));
	assert_reason(BERTH_REASON_ARGUMENT);
	/* It is in the linear map, which is cached. */
	assert_null(vmap(other, 1, VM_MAP, pgprot_writecombine(PAGE_KERNEL)));
	assert_reason(BERTH_REASON_MAPPING);
	assert_null(vmap(other, 1, VM_MAP, pgprot_noncached(PAGE_KERNEL)));
	assert_reason(BERTH_REASON_MAPPING);
	for (unsigned int i = 0; i < 8; i++)
		__free_page(block + i);
}

/* Pages and array become the mapping's; what somebody else holds stays. */
static void test_put_pages(void **state)
{
	for (unsigned int with_vfree = 0; with_vfree < 2; with_vfree++) {
		struct page **pages = kvmalloc(3 * sizeof(*pages), GFP_KERNEL);
		struct page *kept;
		void *map;

		(void)state;
		for (unsigned int i = 0; i < 3; i++)
			pages[i] = alloc_page(GFP_KERNEL);
		kept = pages[1];
		get_page(kept);
		map = vmap(pages, 3, VM_MAP | VM_MAP_PUT_PAGES, PAGE_KERNEL);
		assert_non_null(map);
		if (with_vfree) {
			vfree(map);
		} else {
			vunmap(map);
			assert_int_equal(page_count(kept), 2);
			for (unsigned int i = 0; i < 3; i++)
				__free_page(pages[i]);
			kvfree(pages);
		}
		assert_reason(BERTH_REASON_NONE);
		assert_int_equal(page_count(kept), 1);
		__free_page(kept);
	}
}

static void test_kvmalloc(void **state)
{
	struct page *blocks[4096];
	unsigned int nr = 0;
	char *object;

	(void)state;
	assert_null(kvmalloc(0, GFP_KERNEL));
	object = kvmalloc(KMALLOC_MAX_SIZE, GFP_KERNEL);
	assert_true(virt_addr_valid(object));
	kvfree(object);
	object = kvzalloc(KMALLOC_MAX_SIZE + 1, GFP_KERNEL);
	assert_true(is_vmalloc_addr(object));
	assert_int_equal(object[KMALLOC_MAX_SIZE], 0);
	kvfree(object);
	assert_null(kvmalloc(KMALLOC_MAX_SIZE + 1, GFP_ATOMIC));
	assert_reason(BERTH_REASON_TOO_LARGE);
	assert_null(kvmalloc(KMALLOC_MAX_SIZE + 1, GFP_KERNEL | GFP_DMA32));
	assert_reason(BERTH_REASON_TOO_LARGE);

	/* No block of 64 KiB is left. */
	while (nr < ARRAY_SIZE(blocks) && (blocks[nr] = alloc_pages(GFP_KERNEL, 3)))
		nr++;
	berth_clear_error();
	for (unsigned int i = 0; i < nr; i++)
		if (page_to_pfn(blocks[i]) & 8) {
			__free_pages(blocks[i], 3);
			blocks[i] = NULL;
		}
	assert_null(kvmalloc(65536, GFP_ATOMIC));
	assert_reason(BERTH_REASON_OUT_OF_MEMORY);
	object = kvmalloc(65536, GFP_KERNEL);
	assert_true(is_vmalloc_addr(object));
	assert_reason(BERTH_REASON_NONE);
	kvfree(object);
	for (unsigned int i = 0; i < nr; i++)
		if (blocks[i])
			__free_pages(blocks[i], 3);
}

/* Each allocation in turn fails: the reason is there, and nothing else. */
static void fail_all(void *(*call)(void))
{
	void *result = NULL;

	for (uint64_t n = 1; !result; n++) {
		bool failed;

		berth_test_fail_nth(n);
		result = call();
		failed = berth_test_failed();
		berth_test_fail_nth(0);
		assert_true(n < 1000);
		if (result) {
			kvfree(result);
			continue;
		}
		assert_true(failed);
		assert_int_not_equal(berth_last_error()->code, 0);
		assert_int_not_equal(berth_last_error()->reason, BERTH_REASON_NONE);
		berth_clear_error();
		assert_int_equal(berth_mm_leaked(), 0);
		assert_int_equal(fake_ranges, 0);
		assert_int_equal(fake_range_pages, 0);
	}
	check_empty();
}

static void *call_small(void)
{
	return vmalloc(5 * PAGE_SIZE);
}

/* Its array is from vmalloc(), too. */
static void *call_large(void)
{
	return vzalloc(68 * MIB);
}

static void *call_put_pages(void)
{
	struct page **pages = kvmalloc(4 * sizeof(*pages), GFP_KERNEL);
	void *map = NULL;
	unsigned int nr = 0;

	while (pages && nr < 4 && (pages[nr] = alloc_page(GFP_KERNEL)))
		nr++;
	if (nr == 4)
		map = vmap(pages, 4, VM_MAP | VM_MAP_PUT_PAGES, PAGE_KERNEL);
	while (!map && nr)
		__free_page(pages[--nr]);
	if (!map)
		kvfree(pages);
	return map;
}

static void test_failures(void **state)
{
	static const struct berth_range large = { 0x80000000, 96 * MIB };

	(void)state;
	fail_all(call_small);
	fail_all(call_put_pages);
	fake_stop();
	fake_start(&large, 1);
	hash_at_start = fake_free_hash();
	fail_all(call_large);
}

#define MAX_AREAS 300

struct owned {
	char *at;
	size_t size;
	uint64_t seed;
};

static void change_one(struct owned *owned, uint32_t draw, uint64_t seed)
{
	if (owned->at) {
		if (!is_filled(owned->at, owned->size, owned->seed) ||
		    !vmalloc_to_page(owned->at + owned->size - 1))
			abort();
		vfree(owned->at);
		owned->at = NULL;
		return;
	}
	owned->size = (1 + draw % 9) * PAGE_SIZE;
	owned->seed = seed;
	owned->at = vmalloc(owned->size);
	if (!owned->at)
		abort();
	fill(owned->at, owned->size, seed);
}

/* Many ranges come and go; each address belongs to the one that it should. */
static void test_random(void **state)
{
	static struct owned owned[MAX_AREAS];

	(void)state;
	fake_seed(7);
	for (unsigned int i = 0; i < 6000; i++) {
		change_one(&owned[fake_random(MAX_AREAS)], fake_random(1000), i);
		if (i % 100)
			continue;
		for (unsigned int n = 0; n < MAX_AREAS; n++)
			if (owned[n].at) {
				assert_true(is_vmalloc_addr(owned[n].at));
				assert_true(is_vmalloc_addr(owned[n].at + owned[n].size - 1));
				assert_false(is_vmalloc_addr(owned[n].at + owned[n].size));
				assert_false(is_vmalloc_addr(owned[n].at - 1));
			}
	}
	for (unsigned int n = 0; n < MAX_AREAS; n++)
		if (owned[n].at)
			change_one(&owned[n], 0, 0);
}

static void *hammer(void *arg)
{
	struct owned owned[8] = { { NULL, 0, 0 } };
	uint64_t seed = (uintptr_t)arg, number = seed + 1;

	for (unsigned int i = 0; i < 1500; i++) {
		number = number * 6364136223846793005u + 1442695040888963407u;
		change_one(&owned[number >> 61], (uint32_t)(number >> 40), seed << 32 | i);
	}
	for (unsigned int n = 0; n < 8; n++)
		if (owned[n].at)
			change_one(&owned[n], 0, 0);
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

/* What is forgotten is a leak, and gone after a stop. */
static void test_leak(void **state)
{
	char *area = vmalloc(2 * PAGE_SIZE);

	(void)state;
	assert_true(berth_mm_leaked() >= 2 * PAGE_SIZE);
	fake_stop();
	fake_start(two_banks, 2);
	assert_false(is_vmalloc_addr(area));
	assert_int_equal(berth_mm_leaked(), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_pages, start, stop),
		cmocka_unit_test_setup_teardown(test_zero, start, stop),
		cmocka_unit_test_setup_teardown(test_scattered, start, stop),
		cmocka_unit_test_setup_teardown(test_refused, start, stop),
		cmocka_unit_test_setup_teardown(test_too_large, start, stop),
		cmocka_unit_test_setup_teardown(test_vmap, start, stop),
		cmocka_unit_test_setup_teardown(test_put_pages, start, stop),
		cmocka_unit_test_setup_teardown(test_kvmalloc, start, stop),
		cmocka_unit_test_setup_teardown(test_failures, start, stop),
		cmocka_unit_test_setup_teardown(test_random, start, stop),
		cmocka_unit_test_setup_teardown(test_threads, start, stop),
		cmocka_unit_test_setup_teardown(test_leak, start, stop),
	};

	return cmocka_run_group_tests_name("vmalloc", tests, NULL, NULL);
}
