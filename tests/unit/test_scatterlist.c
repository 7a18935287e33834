/* SPDX-License-Identifier: BSD-2-Clause */
/* Scatterlists against simple models; numbers are those of the items in docs/semantics.md. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include <berth/error.h>
#include <berth/highmem.h>
#include <berth/scatterlist.h>
#include <berth/slab.h>
#include <berth/test.h>
#include <berth/vmalloc.h>

#include "fake_port.h"
#include "mm/internal.h"

#define MIB (1ULL << 20)
#define MAX_PAGES 700u
#define CHUNK ((unsigned int)SG_MAX_SINGLE_ALLOC)

static const struct berth_range two_banks[] = {
	{ 0x80000000, 16 * MIB },
	{ 0x81800000, 8 * MIB },
};
static uint64_t hash_at_start;

static int start(void **state)
{
	(void)state;
	fake_ram(two_banks, 2);
	fake_high(4 * MIB);
	assert_int_equal(berth_mm_start(), 0);
	hash_at_start = fake_free_hash();
	fake_seed(38);
	berth_clear_error();
	return 0;
}

static void check_empty(void)
{
	assert_int_equal(berth_mm_leaked(), 0);
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

/* Pages in the order of their numbers, but for some gaps and jumps. */
static struct page *pages[MAX_PAGES];
static struct page *blocks[MAX_PAGES];
static unsigned int nr_blocks;

static void take_pages(unsigned int nr)
{
	unsigned int taken = 0;

	for (nr_blocks = 0; taken < nr; nr_blocks++) {
		struct page *block = alloc_pages(fake_random(3) ? 0 : __GFP_HIGHMEM, 3);
		unsigned int first = fake_random(3) ? 0 : fake_random(8);

		assert_non_null(block);
		blocks[nr_blocks] = block;
		for (unsigned int i = first; i < 8 && taken < nr; i++)
			pages[taken++] = block + i;
	}
}

static void give_pages(void)
{
	while (nr_blocks)
		__free_pages(blocks[--nr_blocks], 3);
}

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

/* A list of random pieces, and where its bytes are. */
static struct scatterlist *random_list(struct sg_table *sgt, phys_addr_t *bytes, uint64_t *size)
{
	unsigned int nr = 1 + fake_random(200), i;
	struct scatterlist *sg;

	take_pages(MAX_PAGES);
	assert_int_equal(sg_alloc_table(sgt, nr, 0), 0);
	*size = 0;
	for_each_sgtable_sg(sgt, sg, i) {
		/* Blocks have eight pages, so that a piece may be of several. */
		struct page *block = blocks[fake_random(nr_blocks)];
		unsigned int offset = fake_random(fake_random(2) ? 5000 : 100);
		unsigned int length = fake_random(fake_random(5) ? 300 : 9000);

		sg_set_page(sg, block, length, offset);
		for (unsigned int byte = 0; byte < length; byte++)
			bytes[(*size)++] = page_to_phys(block) + offset + byte;
	}
	return sgt->sgl;
}

#define MAX_BYTES (200u * 9000u)
static phys_addr_t bytes[MAX_BYTES];
static uint8_t data[MAX_BYTES], wanted[MAX_BYTES];
/* What each byte of the memory is meant to be, from the lowest bank on. */
static uint8_t memory[33 * MIB];

static uint8_t *in_model(phys_addr_t phys)
{
	return &memory[phys - two_banks[0].base];
}

/* Memory of the test's pages is as the model says. */
static void check_memory(void)
{
	for (unsigned int i = 0; i < nr_blocks; i++)
		for (unsigned int n = 0; n < 8; n++) {
			uint8_t *at = kmap_local_page(blocks[i] + n);

			assert_memory_equal(at, in_model(page_to_phys(blocks[i] + n)), PAGE_SIZE);
			kunmap_local(at);
		}
}

static void fill_memory(void)
{
	for (unsigned int i = 0; i < nr_blocks; i++)
		for (unsigned int n = 0; n < 8; n++) {
			uint8_t *at = kmap_local_page(blocks[i] + n);

			for (unsigned int byte = 0; byte < PAGE_SIZE; byte++)
				at[byte] = (uint8_t)fake_random(256);
			memcpy(in_model(page_to_phys(blocks[i] + n)), at, PAGE_SIZE);
			kunmap_local(at);
		}
}

static void bytes_are_copied(void **state)
{
	struct sg_table sgt;
	uint64_t size, skip, len, want;

	(void)state;
	for (unsigned int round = 0; round < 40; round++) {
		struct scatterlist *sgl = random_list(&sgt, bytes, &size);

		fill_memory();
		skip = fake_random(3) ? fake_random((uint32_t)size + 10) : 0;
		len = fake_random((uint32_t)size + 10);
		want = skip >= size ? 0 : len < size - skip ? len : size - skip;
		memset(data, 0xee, sizeof(data));
		memset(wanted, 0xee, sizeof(wanted));
		for (uint64_t i = 0; i < want; i++)
			wanted[i] = *in_model(bytes[skip + i]);
		assert_int_equal(sg_pcopy_to_buffer(sgl, sgt.nents, data, len, (int64_t)skip),
				 want);
		assert_memory_equal(data, wanted, sizeof(data));
		check_memory();
		for (uint64_t i = 0; i < len; i++)
			data[i] = (uint8_t)fake_random(256);
		for (uint64_t i = 0; i < want; i++)
			*in_model(bytes[skip + i]) = data[i];
		assert_int_equal(sg_pcopy_from_buffer(sgl, sgt.nents, data, len, (int64_t)skip),
				 want);
		check_memory();
		for (uint64_t i = 0; i < want; i++)
			*in_model(bytes[skip + i]) = 0;
		assert_int_equal(sg_zero_buffer(sgl, sgt.nents, len, (int64_t)skip), want);
		check_memory();
		assert_int_equal(sg_copy_to_buffer(sgl, sgt.nents, data, MAX_BYTES), size);
		assert_int_equal(sg_copy_from_buffer(sgl, sgt.nents, data, size), size);
		check_memory();
		sg_free_table(&sgt);
		give_pages();
		assert_reason(BERTH_REASON_NONE);
	}
}

/* Pieces, none across a page, and what is taken of each is the caller's to say. */
static void pieces_are_consumed(void **state)
{
	struct sg_mapping_iter miter;
	struct sg_table sgt;
	uint64_t size, at, skip;

	(void)state;
	for (unsigned int round = 0; round < 40; round++) {
		random_list(&sgt, bytes, &size);
		skip = fake_random(2) ? 0 : fake_random((uint32_t)size + 1);
		sg_miter_start(&miter, sgt.sgl, sgt.orig_nents, SG_MITER_ATOMIC | SG_MITER_FROM_SG);
		assert_true(sg_miter_skip(&miter, (int64_t)skip));
		for (at = skip; sg_miter_next(&miter); at += miter.consumed) {
			assert_in_range(miter.length, 1, PAGE_SIZE);
			assert_int_equal(miter.consumed, miter.length);
			assert_int_equal(page_to_phys(miter.page) + offset_in_page(miter.addr),
					 bytes[at]);
			assert_int_equal(page_to_phys(miter.page) + offset_in_page(miter.addr) +
						 miter.length - 1,
					 bytes[at + miter.length - 1]);
			if (fake_random(2))
				miter.consumed = fake_random((uint32_t)miter.length + 1);
			if (fake_random(5))
				continue;
			at += miter.consumed;
			sg_miter_stop(&miter);
			assert_null(miter.addr);
			skip = fake_random(1000);
			if (skip > size - at)
				skip = size - at;
			assert_true(sg_miter_skip(&miter, (int64_t)skip));
			at += skip;
		}
		assert_int_equal(at, size);
		assert_null(miter.page);
		assert_false(sg_miter_next(&miter));
		assert_false(sg_miter_skip(&miter, 1));
		assert_true(sg_miter_skip(&miter, 0));
		sg_miter_stop(&miter);
		sg_free_table(&sgt);
		give_pages();
		assert_reason(BERTH_REASON_NONE);
	}
}

static void a_page_without_an_address_can_be_asked_for_again(void **state)
{
	struct page *page = alloc_pages(__GFP_HIGHMEM, 1);
	struct sg_mapping_iter miter;
	struct scatterlist sg;
	char text[100];

	(void)state;
	assert_true(PageHighMem(page));
	sg_init_table(&sg, 1);
	sg_set_page(&sg, page, 5000, 3000);
	sg_miter_start(&miter, &sg, 1, SG_MITER_TO_SG);
	berth_test_fail_nth(1);
	assert_false(sg_miter_next(&miter));
	berth_test_fail_nth(0);
	assert_reason(BERTH_REASON_MAPPING);
	assert_ptr_equal(miter.page, page);
	assert_true(sg_miter_next(&miter));
	assert_int_equal(miter.length, PAGE_SIZE - 3000);
	sg_miter_stop(&miter);
	berth_test_fail_nth(2);
	assert_int_equal(sg_zero_buffer(&sg, 1, 5000, 3096 - 3000), 1000);
	assert_reason(BERTH_REASON_MAPPING);
	berth_test_fail_nth(0);
	/* Memory that is not berth's has no page. */
	sg_init_one(&sg, text, sizeof(text));
	assert_int_equal(sg_copy_to_buffer(&sg, 1, data, 100), 0);
	assert_reason(BERTH_REASON_ARGUMENT);
	__free_pages(page, 1);
}

static void pages_are_iterated(void **state)
{
	struct sg_dma_page_iter dma_iter;
	struct sg_page_iter iter;
	struct scatterlist *sg;
	struct sg_table sgt;
	unsigned int nr = 0, skip, i;
	static struct page *expected[200 * 4];
	static dma_addr_t dma[200 * 4];
	uint64_t size;

	(void)state;
	for (unsigned int round = 0; round < 40; round++) {
		random_list(&sgt, bytes, &size);
		nr = 0;
		for_each_sgtable_sg(&sgt, sg, i)
			for (unsigned int n = 0; n * PAGE_SIZE < sg->offset + sg->length; n++)
				expected[nr++] = sg_page(sg) + n;
		skip = fake_random(nr + 1);
		i = skip;
		for_each_sgtable_page(&sgt, &iter, skip)
			assert_ptr_equal(sg_page_iter_page(&iter), expected[i++]);
		assert_int_equal(i, nr);
		assert_false(__sg_page_iter_next(&iter));
		/* The DMA side of a part of the list: as merging leaves it. */
		sgt.nents = fake_random(sgt.orig_nents + 1);
		nr = 0;
		for_each_sgtable_dma_sg(&sgt, sg, i) {
			sg_dma_address(sg) = (dma_addr_t)fake_random(1000) << PAGE_SHIFT;
			sg_dma_len(sg) = (1 + fake_random(4)) * (uint32_t)PAGE_SIZE;
			for (unsigned int n = 0; n * PAGE_SIZE < sg_dma_len(sg); n++)
				dma[nr++] = sg_dma_address(sg) + n * PAGE_SIZE;
		}
		skip = fake_random(nr + 1);
		i = skip;
		for_each_sgtable_dma_page(&sgt, &dma_iter, skip)
			assert_int_equal(sg_page_iter_dma_address(&dma_iter), dma[i++]);
		assert_int_equal(i, nr);
		sg_free_table(&sgt);
		give_pages();
	}
}

/* The DMA side: entries that follow each other in memory merged, as an IOMMU does it. */
static dma_addr_t dma_bytes[MAX_BYTES];

static int merge(struct sg_table *sgt)
{
	struct scatterlist *sg, *to = sgt->sgl;
	unsigned int i, at = 0, nr = 0;
	dma_addr_t next = 0x10000;

	for_each_sgtable_sg(sgt, sg, i) {
		if (!nr || fake_random(3)) {
			to = nr++ ? sg_next(to) : to;
			next += 0x10000;
			sg_dma_address(to) = next;
			sg_dma_len(to) = 0;
		}
		sg_dma_len(to) += sg->length;
		for (unsigned int byte = 0; byte < sg->length; byte++)
			dma_bytes[at++] = next++;
	}
	return (int)nr;
}

static void check_part(struct scatterlist *sgl, int mapped, uint64_t at, uint64_t size)
{
	uint64_t cpu = 0, dma = 0;
	struct scatterlist *sg;
	int i;

	for (sg = sgl; sg; sg = sg_next(sg))
		for (unsigned int byte = 0; byte < sg->length; byte++)
			assert_int_equal(sg_phys(sg) + byte, bytes[at + cpu++]);
	assert_int_equal(cpu, size);
	for_each_sg(sgl, sg, mapped, i)
		for (unsigned int byte = 0; byte < sg_dma_len(sg); byte++)
			assert_int_equal(sg_dma_address(sg) + byte, dma_bytes[at + dma++]);
	assert_int_equal(dma, mapped ? size : 0);
}

static void lists_are_split(void **state)
{
	struct scatterlist *out[5];
	size_t sizes[5];
	struct sg_table sgt;
	uint64_t size, at;
	int mapped[5];

	(void)state;
	for (unsigned int round = 0; round < 100; round++) {
		int nr = 1 + (int)fake_random(5), nents;
		uint64_t total = 0, skip;

		random_list(&sgt, bytes, &size);
		nents = round & 1 ? merge(&sgt) : 0;
		skip = fake_random((uint32_t)size / 4 + 1);
		for (int i = 0; i < nr; i++) {
			sizes[i] = 1 + fake_random((uint32_t)size / 5 + 1);
			total += sizes[i];
		}
		if (skip + total > size) {
			assert_int_equal(sg_split(sgt.sgl, nents, (int64_t)skip, nr, sizes, out,
						  mapped, 0),
					 -EINVAL);
			assert_reason(BERTH_REASON_ARGUMENT);
			goto next;
		}
		berth_test_fail_nth(1 + fake_random((uint32_t)nr));
		if (sg_split(sgt.sgl, nents, (int64_t)skip, nr, sizes, out, mapped, 0)) {
			berth_test_fail_nth(0);
			assert_reason(BERTH_REASON_OUT_OF_MEMORY);
			assert_int_equal(sg_split(sgt.sgl, nents, (int64_t)skip, nr, sizes, out,
						  mapped, 0),
					 0);
		}
		berth_test_fail_nth(0);
		at = skip;
		for (int i = 0; i < nr; i++) {
			check_part(out[i], nents ? mapped[i] : 0, at, sizes[i]);
			at += sizes[i];
			kfree(out[i]);
		}
		sizes[0] = 0;
		assert_int_equal(sg_split(sgt.sgl, nents, 0, 1, sizes, out, mapped, 0), -EINVAL);
		assert_reason(BERTH_REASON_ARGUMENT);
		assert_int_equal(sg_split(sgt.sgl, nents, 0, 0, sizes, out, mapped, 0), -EINVAL);
		assert_reason(BERTH_REASON_ARGUMENT);
next:
		sg_free_table(&sgt);
		give_pages();
		check_empty();
	}
}

/* Where pieces and segments are cut does not depend on each other. */
static void a_part_may_have_more_segments_than_pieces(void **state)
{
	struct page *page = alloc_page(0);
	struct scatterlist sgl[2], *out;
	size_t size = 100;
	int mapped;

	(void)state;
	sg_init_table(sgl, 2);
	sg_set_page(&sgl[0], page, 100, 0);
	sg_set_page(&sgl[1], page, 10, 100);
	for (unsigned int i = 0; i < 2; i++) {
		sg_dma_address(&sgl[i]) = 0x1000 * (i + 1);
		sg_dma_len(&sgl[i]) = i ? 60 : 50;
	}
	assert_int_equal(sg_split(sgl, 2, 0, 1, &size, &out, &mapped, 0), 0);
	assert_int_equal(mapped, 2);
	assert_int_equal(sg_nents(out), 1);
	assert_int_equal(out[0].length, 100);
	assert_int_equal(sg_dma_address(&out[1]), 0x2000);
	assert_int_equal(sg_dma_len(&out[1]), 50);
	kfree(out);
	__free_page(page);
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
#define TEST(name) cmocka_unit_test_setup_teardown(name, start, stop)
	const struct CMUnitTest tests[] = {
		TEST(item_38_chunks_are_linked),
		TEST(item_38_no_entries_are_refused),
		TEST(chunks_come_from_the_callers_functions),
		TEST(item_38_adjacent_pages_are_one_entry),
		TEST(item_38_the_longest_segment_is_rounded_down),
		TEST(wrong_pages_are_refused),
		TEST(tables_grow),
		TEST(tables_grow_by_single_pages),
		TEST(bytes_are_copied),
		TEST(pieces_are_consumed),
		TEST(a_page_without_an_address_can_be_asked_for_again),
		TEST(pages_are_iterated),
		TEST(lists_are_split),
		TEST(a_part_may_have_more_segments_than_pieces),
		TEST(lists_bring_pages),
		TEST(memory_of_vmalloc_becomes_a_table),
		TEST(lists_are_counted_by_bytes),
		TEST(every_allocation_may_fail),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
