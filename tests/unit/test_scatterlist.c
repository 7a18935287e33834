/* SPDX-License-Identifier: BSD-2-Clause */
/* Tables of scatterlists against simple models; numbers are those of the items in docs/semantics.md. */
#include "sg.h"

#define CHUNK ((unsigned int)SG_MAX_SINGLE_ALLOC)

/* The address of byte @at of the pages. */
static phys_addr_t byte_of_pages(unsigned int offset, uint64_t at)
{
	return page_to_phys(pages[(offset + at) >> PAGE_SHIFT]) + offset_in_page(offset + at);
}

/* Few entries: no two neighbours could be one. */
static void check_entries(const struct sg_table *sgt, unsigned int offset, uint64_t size,
			  unsigned int max)
{
	struct scatterlist *sg, *prev = NULL;
	unsigned int i;
	uint64_t at = 0;

	for_each_sgtable_sg(sgt, sg, i) {
		assert_non_null(sg);
		assert_in_range(sg->length, 1, max);
		for (uint64_t byte = 0; byte < sg->length; byte += 512)
			assert_int_equal(sg_phys(sg) + byte, byte_of_pages(offset, at + byte));
		assert_int_equal(sg_phys(sg) + sg->length - 1,
				 byte_of_pages(offset, at + sg->length - 1));
		if (prev && sg_phys(prev) + prev->length == sg_phys(sg))
			assert_true(prev->length + PAGE_SIZE > max ||
				    prev->length + sg->length > max);
		at += sg->length;
		prev = sg;
	}
	assert_int_equal(at, size);
	assert_int_equal(sgt->nents, sgt->orig_nents);
	assert_int_equal(sg_nents(sgt->sgl), sgt->orig_nents);
	assert_ptr_equal(sg_last(sgt->sgl, sgt->orig_nents), prev);
	assert_null(sg_next(prev));
}

static void item_38_chunks_are_linked(void **state)
{
	static const unsigned int sizes[] = { 1,   2,	CHUNK - 1,     CHUNK,	      CHUNK + 1,
					      254, 255, 2 * CHUNK - 1, 2 * CHUNK,     2 * CHUNK + 1,
					      381, 382, 3 * CHUNK - 2, 3 * CHUNK - 1, 5000 };

	(void)state;
	for (unsigned int n = 0; n < ARRAY_SIZE(sizes); n++) {
		struct scatterlist *sg, *chunk;
		struct sg_table sgt;
		unsigned int i, in_chunk = 0;

		assert_int_equal(sg_alloc_table(&sgt, sizes[n], GFP_KERNEL), 0);
		assert_int_equal(sgt.nents, sizes[n]);
		assert_int_equal(sgt.orig_nents, sizes[n]);
		chunk = sgt.sgl;
		for_each_sgtable_sg(&sgt, sg, i) {
			assert_non_null(sg);
			assert_false(sg_is_chain(sg));
			assert_int_equal(sg_is_last(sg), i == sizes[n] - 1);
			assert_null(sg_page(sg));
			if (sg != chunk + in_chunk) {
				/* The last entry of a full chunk was the link. */
				assert_int_equal(in_chunk, CHUNK - 1);
				assert_true(sg_is_chain(chunk + in_chunk));
				chunk = sg;
				in_chunk = 0;
			}
			in_chunk++;
			assert_in_range(in_chunk, 1, CHUNK);
			sg_set_page(sg, NULL, i + 1, 0);
		}
		assert_int_equal(sg_nents(sgt.sgl), sizes[n]);
		assert_int_equal(sg_last(sgt.sgl, sizes[n])->length, sizes[n]);
		assert_null(sg_next(sg_last(sgt.sgl, sizes[n])));
		/* A driver may have cut the list short. */
		sg_mark_end(sgt.sgl);
		sg_free_table(&sgt);
		assert_null(sgt.sgl);
		assert_int_equal(sgt.orig_nents, 0);
		sg_free_table(&sgt);
		check_empty();
	}
}

static void item_38_no_entries_are_refused(void **state)
{
	struct sg_table sgt;

	(void)state;
	memset(&sgt, 0xff, sizeof(sgt));
	assert_int_equal(sg_alloc_table(&sgt, 0, GFP_KERNEL), -EINVAL);
	assert_reason(BERTH_REASON_ARGUMENT);
	assert_null(sgt.sgl);
	assert_int_equal(sgt.nents + sgt.orig_nents, 0);
	sg_free_table(&sgt);
}

/* Chunks from elsewhere: which were asked for, and that all come back with their sizes. */
static struct scatterlist *own_chunks[64];
static unsigned int own_sizes[64], nr_own, own_limit;

static struct scatterlist *own_alloc(unsigned int nents, gfp_t gfp)
{
	assert_int_equal(gfp, __GFP_NOWARN);
	if (nr_own == own_limit)
		return NULL;
	own_sizes[nr_own] = nents;
	own_chunks[nr_own] = kmalloc(nents * sizeof(struct scatterlist), 0);
	return own_chunks[nr_own++];
}

static void own_free(struct scatterlist *sgl, unsigned int nents)
{
	unsigned int i = 0;

	while (i < nr_own && own_chunks[i] != sgl)
		i++;
	assert_in_range(i, 0, nr_own - 1);
	assert_int_equal(own_sizes[i], nents);
	own_chunks[i] = NULL;
	kfree(sgl);
}

static void chunks_come_from_the_callers_functions(void **state)
{
	struct scatterlist first[5];

	(void)state;
	for (unsigned int round = 0; round < 400; round++) {
		unsigned int nents = 1 + fake_random(40), max = 2 + fake_random(6);
		unsigned int nr_first = fake_random(2) ? 2 + fake_random(4) : 0;
		struct sg_table sgt;
		int err;

		nr_own = 0;
		own_limit = fake_random(3) ? 64 : fake_random(10);
		err = __sg_alloc_table(&sgt, nents, max, nr_first ? first : NULL, nr_first,
				       __GFP_NOWARN, own_alloc);
		if (err) {
			assert_int_equal(err, -ENOMEM);
			assert_int_equal(nr_own, own_limit);
		} else {
			assert_int_equal(sgt.orig_nents, nents);
			assert_int_equal(sg_nents(sgt.sgl), nents);
			if (nr_first)
				assert_ptr_equal(sgt.sgl, first);
		}
		__sg_free_table(&sgt, max, nr_first, own_free, sgt.orig_nents);
		for (unsigned int i = 0; i < nr_own; i++)
			assert_null(own_chunks[i]);
		assert_null(sgt.sgl);
		if (!err)
			continue;
		berth_clear_error();
	}
	{
		struct sg_table sgt;

		assert_int_equal(__sg_alloc_table(&sgt, 3, 1, NULL, 0, 0, own_alloc), -EINVAL);
		assert_reason(BERTH_REASON_ARGUMENT);
		assert_int_equal(__sg_alloc_table(&sgt, 3, 4, first, 1, 0, own_alloc), -EINVAL);
		assert_reason(BERTH_REASON_ARGUMENT);
		assert_int_equal(__sg_alloc_table(&sgt, 3, 4, NULL, 2, 0, own_alloc), -EINVAL);
		assert_reason(BERTH_REASON_ARGUMENT);
	}
}

static void item_38_adjacent_pages_are_one_entry(void **state)
{
	(void)state;
	for (unsigned int round = 0; round < 60; round++) {
		unsigned int nr = 1 + fake_random(fake_random(2) ? 20 : MAX_PAGES);
		unsigned int offset = fake_random(2) ? 0 : fake_random(PAGE_SIZE);
		uint64_t size = (uint64_t)nr * PAGE_SIZE - offset;
		unsigned int max = UINT_MAX;
		struct sg_table sgt;

		if (fake_random(2))
			size = 1 + fake_random((uint32_t)size);
		if (fake_random(2))
			max = PAGE_SIZE + fake_random(40000);
		take_pages(nr);
		assert_int_equal(sg_alloc_table_from_pages_segment(&sgt, pages, nr, offset, size,
								   max, GFP_KERNEL),
				 0);
		check_entries(&sgt, offset, size, max & (unsigned int)PAGE_MASK);
		assert_int_equal(sgt.sgl->offset, offset);
		sg_free_table(&sgt);
		give_pages();
	}
}

/* One block with each limit: entries are as long as the limit, rounded down to a page. */
static void item_38_the_longest_segment_is_rounded_down(void **state)
{
	static const unsigned int limits[][2] = {
		{ 4096, 8 },  { 8191, 8 },  { 8192, 4 },     { 12288, 3 },
		{ 32767, 2 }, { 32768, 1 }, { UINT_MAX, 1 },
	};
	struct sg_table sgt;

	(void)state;
	blocks[0] = alloc_pages(0, 3);
	for (unsigned int i = 0; i < 8; i++)
		pages[i] = blocks[0] + i;
	for (unsigned int i = 0; i < ARRAY_SIZE(limits); i++) {
		assert_int_equal(sg_alloc_table_from_pages_segment(&sgt, pages, 8, 0, 32768,
								   limits[i][0], 0),
				 0);
		assert_int_equal(sgt.orig_nents, limits[i][1]);
		sg_free_table(&sgt);
	}
	assert_int_equal(sg_alloc_table_from_pages(&sgt, pages, 8, 100, 1, 0), 0);
	assert_int_equal(sgt.orig_nents, 1);
	assert_int_equal(sgt.sgl->offset, 100);
	assert_int_equal(sgt.sgl->length, 1);
	sg_free_table(&sgt);
	assert_int_equal(sg_alloc_table_from_pages_segment(&sgt, pages, 8, 0, 32768, 4095, 0),
			 -EINVAL);
	assert_reason(BERTH_REASON_ARGUMENT);
	assert_null(sgt.sgl);
	__free_pages(blocks[0], 3);
}

static void wrong_pages_are_refused(void **state)
{
	struct sg_table sgt;

	(void)state;
	take_pages(4);
	assert_int_equal(sg_alloc_table_from_pages(&sgt, pages, 0, 0, 4096, 0), -EINVAL);
	assert_reason(BERTH_REASON_ARGUMENT);
	assert_int_equal(sg_alloc_table_from_pages(&sgt, pages, 4, 0, 0, 0), -EINVAL);
	assert_reason(BERTH_REASON_ARGUMENT);
	assert_int_equal(sg_alloc_table_from_pages(&sgt, pages, 4, 4096, 4096, 0), -EINVAL);
	assert_reason(BERTH_REASON_ARGUMENT);
	assert_int_equal(sg_alloc_table_from_pages(&sgt, pages, 4, 1, 16384, 0), -EINVAL);
	assert_reason(BERTH_REASON_ARGUMENT);
	pages[2] = NULL; /* as vmalloc_to_page() says for a wrong address */
	assert_int_equal(sg_alloc_table_from_pages(&sgt, pages, 4, 0, 16384, 0), -EINVAL);
	assert_reason(BERTH_REASON_ARGUMENT);
	assert_int_equal(sg_alloc_table_from_pages(&sgt, pages, 4, 0, 8192, 0), 0);
	sg_free_table(&sgt);
	give_pages();
}

static void tables_grow(void **state)
{
	(void)state;
	for (unsigned int round = 0; round < 80; round++) {
		unsigned int nr = 1 + fake_random(MAX_PAGES), done = 0;
		unsigned int max = fake_random(2) ? UINT_MAX : 4096 + fake_random(40000);
		unsigned int offset = fake_random(2) ? 0 : fake_random(PAGE_SIZE);
		struct sg_append_table table;

		memset(&table, 0, sizeof(table));
		take_pages(nr);
		while (done < nr) {
			unsigned int some = 1 + fake_random(nr - done), left = nr - done - some;
			unsigned int at = done ? 0 : offset;

			/* What is left is a guess, but for whether it is nothing. */
			if (left && fake_random(2))
				left = 1 + fake_random(1000);
			assert_int_equal(sg_alloc_append_table_from_pages(
						 &table, pages + done, some, at,
						 (uint64_t)some * PAGE_SIZE - at, max, left, 0),
					 0);
			done += some;
		}
		check_entries(&table.sgt, offset, (uint64_t)nr * PAGE_SIZE - offset,
			      max & (unsigned int)PAGE_MASK);
		assert_in_range(table.sgt.orig_nents, 1, table.total_nents);
		assert_int_equal(sg_alloc_append_table_from_pages(&table, pages, 1, 0, 4096, max, 0,
								  0),
				 -EINVAL);
		assert_reason(BERTH_REASON_ARGUMENT);
		sg_free_append_table(&table);
		sg_free_append_table(&table);
		give_pages();
		check_empty();
	}
}

/* Page by page, over the ends of chunks; and what ends within a page is not made longer. */
static void tables_grow_by_single_pages(void **state)
{
	struct sg_append_table table;

	(void)state;
	memset(&table, 0, sizeof(table));
	take_pages(MAX_PAGES);
	for (unsigned int i = 0; i < MAX_PAGES; i++)
		assert_int_equal(sg_alloc_append_table_from_pages(&table, pages + i, 1, 0, 4096,
								  4096, MAX_PAGES - i - 1, 0),
				 0);
	check_entries(&table.sgt, 0, MAX_PAGES * PAGE_SIZE, 4096);
	sg_free_append_table(&table);
	assert_int_equal(sg_alloc_append_table_from_pages(&table, pages, 1, 0, 100, UINT_MAX, 1, 0),
			 0);
	assert_int_equal(
		sg_alloc_append_table_from_pages(&table, pages, 1, 0, 4096, UINT_MAX, 0, 0), 0);
	assert_int_equal(table.sgt.orig_nents, 2);
	assert_int_equal(table.sgt.sgl[0].length, 100);
	assert_int_equal(table.sgt.sgl[1].length, 4096);
	assert_int_equal(table.sgt.sgl[1].offset, 0);
	sg_free_append_table(&table);
	give_pages();
}

static void lists_bring_pages(void **state)
{
	(void)state;
	for (unsigned int order = 0; order < 4; order++)
		for (unsigned int chainable = 0; chainable < 2; chainable++) {
			uint64_t block = PAGE_SIZE << order, length = 3 * block + 5, total = 0;
			struct scatterlist *sgl, *sg, more;
			unsigned int nents = 0, i;

			sgl = sgl_alloc_order(length, order, chainable, GFP_KERNEL, &nents);
			assert_non_null(sgl);
			assert_int_equal(nents, 4);
			for_each_sg(sgl, sg, nents, i) {
				assert_int_equal(sg->length, i < 3 ? block : 5);
				assert_int_equal(page_count(sg_page(sg)), 1);
				total += sg->length;
			}
			assert_int_equal(total, length);
			assert_int_equal(sg_nents(sgl), nents + chainable);
			if (chainable) {
				sg_init_table(&more, 1);
				sg_chain(sgl, nents + 1, &more);
				assert_int_equal(sg_nents(sgl), nents + 1);
			}
			sgl_free_order(sgl, (int)order);
			check_empty();
		}
	sgl_free(sgl_alloc(4096, __GFP_HIGHMEM | __GFP_ZERO, NULL));
	sgl_free(NULL);
	assert_null(sgl_alloc(0, 0, NULL));
	assert_reason(BERTH_REASON_ARGUMENT);
	assert_null(sgl_alloc_order(4096, MAX_ORDER + 1, false, 0, NULL));
	assert_reason(BERTH_REASON_ARGUMENT);
	assert_null(sgl_alloc(~0ULL, 0, NULL));
	assert_reason(BERTH_REASON_TOO_LARGE);
	assert_null(sgl_alloc(20 * MIB, 0, NULL));
	assert_reason(BERTH_REASON_TOO_LARGE);
	assert_null(sgl_alloc_order(32 * MIB, 4, false, 0, NULL));
	assert_reason(BERTH_REASON_OUT_OF_MEMORY);
}

/* What a refused mapping of such memory names: the way that works. */
static void memory_of_vmalloc_becomes_a_table(void **state)
{
	const size_t size = 200 * PAGE_SIZE;
	uint8_t *virt = vmalloc(size);
	struct sg_table sgt;
	static uint8_t data[200 * PAGE_SIZE];
	uint64_t offset = 123;

	(void)state;
	assert_non_null(virt);
	for (unsigned int i = 0; i < 200; i++) {
		pages[i] = vmalloc_to_page(virt + i * PAGE_SIZE);
		assert_non_null(pages[i]);
	}
	for (size_t i = 0; i < size; i++)
		virt[i] = (uint8_t)(i * 31 >> 3);
	assert_int_equal(sg_alloc_table_from_pages(&sgt, pages, 200, (unsigned int)offset,
						   size - 2 * offset, GFP_KERNEL),
			 0);
	check_entries(&sgt, (unsigned int)offset, size - 2 * offset, UINT_MAX);
	assert_int_equal(sg_copy_to_buffer(sgt.sgl, sgt.orig_nents, data, size), size - 2 * offset);
	assert_memory_equal(data, virt + offset, size - 2 * offset);
	memset(data, 0x77, size);
	assert_int_equal(sg_copy_from_buffer(sgt.sgl, sgt.orig_nents, data, size),
			 size - 2 * offset);
	assert_int_equal(virt[offset], 0x77);
	assert_int_equal(virt[size - offset - 1], 0x77);
	assert_int_not_equal(virt[offset - 1], 0x77);
	sg_free_table(&sgt);
	vfree(virt);
}

static void lists_are_counted_by_bytes(void **state)
{
	struct scatterlist sgl[4];

	(void)state;
	sg_init_table(sgl, 4);
	for (unsigned int i = 0; i < 4; i++)
		sg_set_page(&sgl[i], NULL, 100 * (i + 1), 0);
	assert_int_equal(sg_nents_for_len(sgl, 0), 0);
	assert_int_equal(sg_nents_for_len(sgl, 100), 1);
	assert_int_equal(sg_nents_for_len(sgl, 101), 2);
	assert_int_equal(sg_nents_for_len(sgl, 1000), 4);
	assert_int_equal(sg_nents_for_len(sgl, 1001), -EINVAL);
	assert_false(sg_dma_is_bus_address(sgl));
	sg_dma_mark_bus_address(sgl);
	assert_true(sg_dma_is_bus_address(sgl));
	assert_false(sg_dma_is_bus_address(sgl + 1));
	sg_dma_unmark_bus_address(sgl);
	assert_false(sg_dma_is_bus_address(sgl));
}

/* Calls that allocate: 0 or a negative number, and what undoes a success. */
static struct sg_append_table grown;
static unsigned int nr_grown;
static struct scatterlist *list;

static int call(unsigned int which, struct sg_table *sgt)
{
	uint64_t left = 600 - nr_grown;

	switch (which) {
	case 0:
		return sg_alloc_table(sgt, 1000, 0);
	case 1:
		return sg_alloc_table_from_pages_segment(sgt, pages, 600, 5, 600 * PAGE_SIZE - 5,
							 4096, 0);
	case 2:
		return sg_alloc_append_table_from_pages(&grown, pages + nr_grown,
							(unsigned int)left, 0, left * PAGE_SIZE,
							8192, 0, 0);
	default:
		list = sgl_alloc_order(10 * PAGE_SIZE, 1, true, 0, NULL);
		return list ? 0 : berth_last_error()->code;
	}
}

static void undo(unsigned int which, struct sg_table *sgt)
{
	if (which < 2)
		sg_free_table(sgt);
	else if (which == 3)
		sgl_free_order(list, 1);
}

/* A table whose last entry the next page makes longer. */
static void grow(void)
{
	for (nr_grown = 100; nr_grown < 200; nr_grown++) {
		memset(&grown, 0, sizeof(grown));
		assert_int_equal(sg_alloc_append_table_from_pages(&grown, pages, nr_grown, 0,
								  nr_grown * PAGE_SIZE, 8192, 1, 0),
				 0);
		if (grown.prv->length == PAGE_SIZE && pages[nr_grown] == pages[nr_grown - 1] + 1)
			return;
		sg_free_append_table(&grown);
	}
	fail();
}

/* The table that grows keeps chunks for the next try, but nothing that it describes. */
static void check_failure(unsigned int which, struct sg_table *sgt, uint64_t leaked)
{
	struct sg_append_table before = grown;

	assert_reason(BERTH_REASON_OUT_OF_MEMORY);
	assert_int_equal(grown.prv->length, PAGE_SIZE);
	assert_int_equal(grown.sgt.nents, grown.sgt.orig_nents);
	if (which == 2)
		assert_int_equal(call(2, sgt), 0);
	else
		assert_int_equal(berth_mm_leaked(), leaked);
	assert_ptr_equal(before.sgt.sgl, grown.sgt.sgl);
}

static void every_allocation_may_fail(void **state)
{
	static const unsigned int points[] = { 8, 5, 2, 6 };

	(void)state;
	for (unsigned int which = 0; which < ARRAY_SIZE(points); which++) {
		unsigned int nth = 0, nents;
		bool hit = true;

		while (hit) {
			struct sg_table sgt;
			uint64_t leaked;
			int err;

			take_pages(600);
			grow();
			nents = grown.sgt.orig_nents;
			leaked = berth_mm_leaked();
			berth_test_fail_nth(++nth);
			err = call(which, &sgt);
			hit = berth_test_failed();
			berth_test_fail_nth(0);
			if (err) {
				assert_true(hit);
				assert_int_equal(err, -ENOMEM);
				assert_int_equal(grown.sgt.orig_nents, nents);
				check_failure(which, &sgt, leaked);
			} else {
				undo(which, &sgt);
			}
			if (which == 2)
				check_entries(&grown.sgt, 0, 600 * PAGE_SIZE, 8192);
			sg_free_append_table(&grown);
			give_pages();
			check_empty();
		}
		if (nth - 1 < points[which])
			fail_msg("call %u: %u allocations can fail", which, nth - 1);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(item_38_chunks_are_linked),
		TEST(item_38_no_entries_are_refused),
		TEST(chunks_come_from_the_callers_functions),
		TEST(item_38_adjacent_pages_are_one_entry),
		TEST(item_38_the_longest_segment_is_rounded_down),
		TEST(wrong_pages_are_refused),
		TEST(tables_grow),
		TEST(tables_grow_by_single_pages),
		TEST(lists_bring_pages),
		TEST(memory_of_vmalloc_becomes_a_table),
		TEST(lists_are_counted_by_bytes),
		TEST(every_allocation_may_fail),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
