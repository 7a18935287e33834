// SPDX-License-Identifier: BSD-2-Clause
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

#include "fake_port.h"
#include "mm/internal.h"

#define MIB (1ULL << 20)
#define GIB (1ULL << 30)

static const struct berth_range one_bank = { 0x80000000, 16 * MIB };
static uint64_t hash_at_start;

static int start(void **state)
{
	(void)state;
	fake_start(&one_bank, 1);
	hash_at_start = fake_free_hash();
	berth_clear_error();
	return 0;
}

/* Whatever a test did, nothing of it is left. */
static int stop(void **state)
{
	(void)state;
	assert_int_equal(berth_mm_leaked(), 0);
	berth_slab_shrink();
	assert_int_equal(berth_slab_pages(), 0);
	fake_check_zones();
	assert_int_equal(fake_free_hash(), hash_at_start);
	fake_stop();
	return 0;
}

static void check_refused(int line)
{
	if (berth_last_error()->reason != BERTH_REASON_NOT_OWNED)
		fail_msg("line %d was not refused", line);
	berth_clear_error();
}
#define assert_refused() check_refused(__LINE__)

static uintptr_t alignment_of(size_t size)
{
	if (size & (size - 1))
		return fake_line_size;
	if (size < fake_line_size)
		return fake_line_size;
	return size < PAGE_SIZE ? size : PAGE_SIZE;
}

static void every_size(void **state)
{
	(void)state;
	assert_null(kmalloc(0, 0));
	for (size_t size = 1; size <= KMALLOC_MAX_SIZE; size += size < 9000 ? 1 : 4093) {
		uint8_t *p = kmalloc(size, 0);
		uint8_t *zeroed = kzalloc(size, 0);

		assert_non_null(p);
		assert_non_null(zeroed);
		assert_int_equal((uintptr_t)p % alignment_of(size), 0);
		assert_true(ksize(p) >= size);
		assert_true(virt_addr_valid(p) && virt_addr_valid(p + size - 1));
		memset(p, 0x11, size);
		for (size_t i = 0; i < size; i += 61)
			assert_int_equal(zeroed[i], 0);
		assert_int_equal(zeroed[size - 1], 0);
		memset(zeroed, 0x22, ksize(zeroed));
		assert_int_equal(p[size - 1], 0x11);
		kfree(p);
		kfree(zeroed);
	}
	for (size_t size = 16384; size <= KMALLOC_MAX_SIZE; size *= 2) {
		void *p = kmalloc(size, 0);

		assert_non_null(p);
		assert_int_equal((uintptr_t)p % PAGE_SIZE, 0);
		assert_true(berth_mm_leaked() >= size);
		kfree(p);
	}
	assert_null(kmalloc(KMALLOC_MAX_SIZE + 1, 0));
	assert_int_equal(berth_last_error()->reason, BERTH_REASON_TOO_LARGE);
	assert_int_equal(berth_last_error()->length, KMALLOC_MAX_SIZE + 1);
	assert_int_equal(berth_last_error()->limit, KMALLOC_MAX_SIZE);
}

/* Random traces: what is live keeps its bytes, shares no line, and is all that is counted. */

#define MAX_OBJECTS 600u

static struct object {
	uint8_t *bytes;
	size_t size;
	uint8_t mark;
} objects[MAX_OBJECTS];
static unsigned int nr_objects;

static size_t random_size(void)
{
	switch (fake_random(8)) {
	case 0:
		return 1 + fake_random(KMALLOC_MAX_SIZE);
	case 1:
		return (size_t)1 << fake_random(18);
	case 2:
		return 1 + fake_random(9000);
	default:
		return 1 + fake_random(600);
	}
}

static int by_address(const void *a, const void *b)
{
	const struct object *x = a;
	const struct object *y = b;

	return x->bytes < y->bytes ? -1 : x->bytes > y->bytes;
}

static void check_lines_are_not_shared(void)
{
	uintptr_t mask = ~(uintptr_t)(fake_line_size - 1);

	qsort(objects, nr_objects, sizeof(objects[0]), by_address);
	for (unsigned int i = 1; i < nr_objects; i++) {
		uintptr_t end = (uintptr_t)objects[i - 1].bytes + objects[i - 1].size - 1;

		assert_true((end & mask) < ((uintptr_t)objects[i].bytes & mask));
	}
}

static void check_and_free(unsigned int index)
{
	struct object o = objects[index];

	assert_int_equal(o.bytes[0], o.mark);
	assert_int_equal(o.bytes[o.size / 2], o.mark);
	assert_int_equal(o.bytes[o.size - 1], o.mark);
	assert_true(ksize(o.bytes) >= o.size);
	assert_int_equal(berth_page_use(PFN_DOWN(virt_to_phys(o.bytes))), BERTH_PAGE_SLAB);
	kfree(o.bytes);
	objects[index] = objects[--nr_objects];
}

static void random_trace(unsigned int seed, unsigned int steps)
{
	static const gfp_t kinds[] = { GFP_KERNEL, GFP_ATOMIC,	  GFP_DMA32,
				       __GFP_ZERO, __GFP_MOVABLE, __GFP_RECLAIMABLE };
	unsigned int bias = 0;

	fake_seed(seed);
	nr_objects = 0;
	for (unsigned int step = 0; step < steps; step++) {
		struct object *o = &objects[nr_objects];
		uint64_t live = 0;

		if (step % 256 == 0)
			bias = fake_random(4);
		if (nr_objects && (nr_objects == MAX_OBJECTS || fake_random(5) <= bias)) {
			check_and_free(fake_random(nr_objects));
		} else {
			gfp_t gfp = kinds[fake_random(ARRAY_SIZE(kinds))];

			o->size = random_size();
			o->mark = (uint8_t)(1 + fake_random(255));
			o->bytes = kmalloc(o->size, gfp);
			if (!o->bytes) {
				assert_int_equal(berth_last_error()->reason,
						 BERTH_REASON_OUT_OF_MEMORY);
				assert_int_equal(berth_last_error()->length, o->size);
				continue;
			}
			assert_int_equal((uintptr_t)o->bytes % alignment_of(o->size), 0);
			if (gfp & __GFP_ZERO)
				assert_int_equal(o->bytes[o->size - 1], 0);
			memset(o->bytes, o->mark, o->size);
			nr_objects++;
		}
		if (step % 200)
			continue;
		check_lines_are_not_shared();
		fake_check_zones();
		for (unsigned int i = 0; i < nr_objects; i++)
			live += objects[i].size;
		assert_true(berth_mm_leaked() >= live);
		assert_true(berth_mm_leaked() <= berth_slab_pages() << PAGE_SHIFT);
	}
	while (nr_objects)
		check_and_free(nr_objects - 1);
}

static void random_traces(void **state)
{
	(void)state;
	for (unsigned int seed = 1; seed <= 4; seed++) {
		random_trace(seed, 3000);
		assert_int_equal(berth_mm_leaked(), 0);
	}
}

static void a_line_of_128_bytes(void **state)
{
	(void)state;
	fake_line_size = 128;
	fake_start(&one_bank, 1);
	for (unsigned int seed = 21; seed <= 22; seed++)
		random_trace(seed, 3000);
	assert_int_equal(berth_mm_leaked(), 0);
	fake_stop();
	fake_line_size = 32;
	fake_start(&one_bank, 1);
	fake_line_size = 64; /* no object is smaller than that */
	random_trace(23, 2000);
	fake_stop();
}

static void a_machine_that_is_nearly_full(void **state)
{
	const struct berth_range small = { 0x80000000, 300 << 10 };

	(void)state;
	fake_start(&small, 1);
	hash_at_start = fake_free_hash();
	random_trace(31, 4000);
	stop(NULL);
}

static void wrong_frees_change_nothing(void **state)
{
	static char foreign[64];
	uint64_t before;
	char *p, *large;
	struct page *page;
	char on_stack[64];

	(void)state;
	p = kmalloc(100, 0);
	large = kmalloc(20000, 0);
	page = alloc_pages(0, 1);
	memset(p, 1, 100);
	before = fake_free_hash();

	kfree(NULL);
	kfree(ERR_PTR(-ENOMEM));
	assert_int_equal(berth_last_error()->code, 0);
	for (unsigned int i = 1; i < 128; i++) {
		kfree(p + i);
		assert_refused();
		assert_int_equal(ksize(p + i), 0);
	}
	kfree(large + 1);
	assert_refused();
	kfree(large + PAGE_SIZE);
	assert_refused();
	kfree(page_address(page));
	assert_refused();
	kfree(foreign);
	assert_refused();
	assert_int_equal(berth_last_error()->code, 0);
	kfree(on_stack);
	assert_int_equal(berth_last_error()->code, -EINVAL);
	assert_int_equal(berth_last_error()->address, (uintptr_t)on_stack);
	assert_refused();
	kfree(berth_mem_map[0].pages); /* berth's own, but not kmalloc()'s */
	assert_refused();
	kfree((void *)((uintptr_t)pfn_to_page(0) + 1));
	assert_refused();
	__free_pages(virt_to_page(p), 0);
	assert_refused();
	__free_pages(virt_to_page(large), 3);
	assert_refused();
	put_page(virt_to_page(p));
	assert_refused();
	put_page(virt_to_page(large));
	assert_refused();
	assert_int_equal(fake_free_hash(), before);
	assert_int_equal(p[99], 1);
	assert_int_equal(ksize(foreign), 0);
	assert_int_equal(ksize(NULL), 0);

	kfree(p);
	assert_int_equal(berth_last_error()->code, 0);
	kfree(p);
	assert_refused();
	assert_int_equal(ksize(p), 0);
	kfree(large);
	assert_int_equal(berth_last_error()->code, 0);
	kfree(large);
	assert_refused();
	__free_pages(page, 1);
	berth_slab_shrink();
	kfree(p); /* its slab is gone */
	assert_refused();
}

/* Free objects, what is between objects, and what is behind the last one of a slab. */
static void only_objects_in_use_can_be_freed(void **state)
{
	static const size_t sizes[] = { 64, 192, 256, 768, 1536, 3072, 4096, 6144, 8192 };

	(void)state;
	for (unsigned int i = 0; i < ARRAY_SIZE(sizes); i++) {
		char *used = kmalloc(sizes[i], 0);
		char *at = (void *)((uintptr_t)used & PAGE_MASK);

		while (page_state(virt_to_page(at - 1)) == PG_SLAB)
			at -= PAGE_SIZE;
		for (; page_state(virt_to_page(at)) == PG_SLAB; at += 32) {
			if (at == used)
				continue;
			assert_int_equal(ksize(at), 0);
			kfree(at);
			assert_refused();
		}
		assert_true(ksize(used) >= sizes[i]);
		kfree(used);
		assert_int_equal(berth_last_error()->code, 0);
		berth_slab_shrink();
	}
}

/* Objects are where sanitizers can see them: freed, slack and red zone are out of bounds. */
static void freed_objects_and_red_zones_are_poisoned(void **state)
{
	static const size_t sizes[] = { 1,    13,   63,	  64,	65,   128,   200,   256,   1024,
					4095, 4096, 5000, 8192, 8193, 16384, 40000, 131072 };

	(void)state;
	for (unsigned int i = 0; i < ARRAY_SIZE(sizes); i++) {
		char *p[3];

		for (unsigned int n = 0; n < 3; n++)
			p[n] = kmalloc(sizes[i], 0);
		for (unsigned int n = 0; n < 3; n++) {
			assert_false(fake_is_poisoned(p[n]));
			assert_false(fake_is_poisoned(p[n] + sizes[i] - 1));
			assert_int_equal(fake_is_poisoned(p[n] + sizes[i]), fake_has_asan());
			assert_int_equal(fake_is_poisoned(p[n] + sizes[i] + 15), fake_has_asan());
			if (fake_has_asan())
				assert_int_equal(ksize(p[n]), sizes[i]);
		}
		kfree(p[1]);
		assert_int_equal(fake_is_poisoned(p[1]), fake_has_asan());
		assert_int_equal(fake_is_poisoned(p[1] + sizes[i] - 1), fake_has_asan());
		assert_false(fake_is_poisoned(p[0]));
		assert_false(fake_is_poisoned(p[2]));
		kfree(p[0]);
		kfree(p[2]);
		assert_int_equal(fake_is_poisoned(p[2]), fake_has_asan());
	}
}

static void records_are_not_among_objects(void **state)
{
	uint64_t pages_of_objects = 0;
	char *p[200];

	(void)state;
	for (unsigned int i = 0; i < 200; i++)
		p[i] = kmalloc(512, 0);
	/* Overwriting the whole pages in which objects lie, as a device might, breaks nothing. */
	for (uint64_t pfn = PFN_DOWN(one_bank.base); pfn < PFN_DOWN(one_bank.base) + 4096; pfn++) {
		if ((pfn_to_page(pfn)->flags & PG_STATE) != PG_SLAB)
			continue;
		pages_of_objects++;
		berth_port_unpoison(phys_to_virt(PFN_PHYS(pfn)), PAGE_SIZE);
		memset(phys_to_virt(PFN_PHYS(pfn)), 0xff, PAGE_SIZE);
	}
	assert_true(pages_of_objects >= 25);
	for (unsigned int i = 0; i < 200; i++)
		kfree(p[i]);
	assert_int_equal(berth_last_error()->code, 0);
}

static void empty_slabs_go_back(void **state)
{
	static char *p[4000];
	uint64_t peak, rest;

	(void)state;
	for (unsigned int i = 0; i < 4000; i++)
		p[i] = kmalloc(1000, 0);
	peak = berth_slab_pages();
	assert_true(peak >= 1000);
	for (unsigned int i = 0; i < 4000; i++)
		kfree(p[i * 7 % 4000]);
	rest = berth_slab_pages();
	assert_true(rest <= 10); /* a spare slab and its descriptor */
	p[0] = kmalloc(1000, 0);
	assert_int_equal(berth_slab_pages(), rest);
	kfree(p[0]);
}

static void pages_outlive_their_slab(void **state)
{
	struct page *page;
	char *p;

	(void)state;
	for (size_t size = 64; size <= 32768; size *= 8) {
		p = kmalloc(size, 0);
		page = virt_to_page(p);
		get_page(page);
		kfree(p);
		berth_slab_shrink();
		assert_int_equal(berth_slab_pages(), 0);
		assert_true(berth_mm_leaked() >= PAGE_SIZE);
		assert_int_equal(berth_page_use(page_to_pfn(page)), BERTH_PAGE_USED);
		put_page(page);
		assert_int_equal(berth_mm_leaked(), 0);
		assert_int_equal(berth_last_error()->code, 0);
	}
}

static void zones(void **state)
{
	const struct berth_range banks[] = { { 8 * MIB, 8 * MIB },
					     { 2 * GIB, 4 * MIB },
					     { 5 * GIB, 8 * MIB } };
	static const size_t sizes[] = { 1, 100, 192, 4096, 8000, 16384, 100000 };

	(void)state;
	fake_start(banks, 3);
	hash_at_start = fake_free_hash();
	for (unsigned int i = 0; i < ARRAY_SIZE(sizes); i++) {
		void *any = kmalloc(sizes[i], 0);
		void *dma32 = kmalloc(sizes[i], GFP_DMA32);
		void *dma = kmalloc(sizes[i], GFP_DMA | __GFP_ZERO);

		assert_true(virt_to_phys(any) >= 4 * GIB);
		assert_true(virt_to_phys(dma32) + sizes[i] <= 4 * GIB);
		assert_true(virt_to_phys(dma32) >= 16 * MIB);
		assert_true(virt_to_phys(dma) + sizes[i] <= 16 * MIB);
		kfree(any);
		kfree(dma32);
		kfree(dma);
	}
	stop(NULL);

	/* Where there is no such memory there is no such object. */
	fake_start(&banks[2], 1);
	hash_at_start = fake_free_hash();
	assert_null(kmalloc(100, GFP_DMA32));
	assert_int_equal(berth_last_error()->limit, 0);
	assert_null(kmalloc(100000, GFP_DMA));
	stop(NULL);
}

static void kcalloc_and_kstrdup(void **state)
{
	char *p;

	(void)state;
	p = kcalloc(7, 30, 0);
	for (unsigned int i = 0; i < 210; i++)
		assert_int_equal(p[i], 0);
	kfree(p);
	assert_null(kcalloc(SIZE_MAX / 2, 3, 0));
	assert_int_equal(berth_last_error()->reason, BERTH_REASON_TOO_LARGE);
	berth_clear_error();
	assert_null(kcalloc(SIZE_MAX / 2 + 1, 2, 0)); /* the product wraps to 0 */
	assert_int_equal(berth_last_error()->reason, BERTH_REASON_TOO_LARGE);
	assert_null(kcalloc(0, 3, 0));
	p = kstrdup("berth", 0);
	assert_string_equal(p, "berth");
	kfree(p);
	assert_null(kstrdup(NULL, 0));
}

static void every_allocation_can_fail(void **state)
{
	static const size_t sizes[] = { 64, 64, 3000, 9000, 100 };
	unsigned int nth = 0;
	bool has_failed;

	(void)state;
	/* From an empty heap each time: slabs, their pages and their descriptors may be refused. */
	do {
		void *p[ARRAY_SIZE(sizes)];
		unsigned int nr_failed = 0;

		berth_test_fail_nth(++nth);
		for (unsigned int i = 0; i < ARRAY_SIZE(sizes); i++) {
			berth_clear_error();
			p[i] = kmalloc(sizes[i], 0);
			nr_failed += !p[i];
			assert_int_equal(berth_last_error()->reason,
					 p[i] ? BERTH_REASON_NONE : BERTH_REASON_OUT_OF_MEMORY);
		}
		has_failed = berth_test_failed();
		berth_test_fail_nth(0);
		assert_true(nr_failed <= has_failed); /* a smaller slab may do */
		for (unsigned int i = 0; i < ARRAY_SIZE(sizes); i++)
			kfree(p[i]);
		assert_int_equal(berth_mm_leaked(), 0);
		berth_slab_shrink();
		assert_int_equal(fake_free_hash(), hash_at_start);
	} while (has_failed);
	assert_true(nth > ARRAY_SIZE(sizes) + 4);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, start, stop)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(every_size),
		TEST(random_traces),
		cmocka_unit_test(a_line_of_128_bytes),
		cmocka_unit_test(a_machine_that_is_nearly_full),
		TEST(wrong_frees_change_nothing),
		TEST(only_objects_in_use_can_be_freed),
		TEST(freed_objects_and_red_zones_are_poisoned),
		TEST(records_are_not_among_objects),
		TEST(empty_slabs_go_back),
		TEST(pages_outlive_their_slab),
		cmocka_unit_test(zones),
		TEST(kcalloc_and_kstrdup),
		TEST(every_allocation_can_fail),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
