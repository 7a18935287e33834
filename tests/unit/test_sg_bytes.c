/* SPDX-License-Identifier: BSD-2-Clause */
/* The pages and bytes of scatterlists against simple models of them. */
#include "sg.h"

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

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(bytes_are_copied),
		TEST(pieces_are_consumed),
		TEST(a_page_without_an_address_can_be_asked_for_again),
		TEST(pages_are_iterated),
		TEST(lists_are_split),
		TEST(a_part_may_have_more_segments_than_pieces),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
