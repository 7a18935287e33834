/* SPDX-License-Identifier: BSD-2-Clause */
/* Vectors of block I/O: iterated, and as scatterlists; numbers are those of the items in docs/semantics.md. */
#include "machine.h"

#include <berth/bvec.h>
#include <berth/gfp.h>
#include <berth/slab.h>

#define NR_BLOCKS 16u
#define BLOCK_ORDER 3u
#define BLOCK_BYTES (PAGE_SIZE << BLOCK_ORDER)
#define MAX_PIECES 40u
#define MAX_BYTES (MAX_PIECES * 9000u)
#define MIB 0x100000ull

static struct device dev;
static struct page *blocks[NR_BLOCKS];
static uint64_t seed;

static unsigned int random_below(unsigned int below)
{
	seed = seed * 6364136223846793005ull + 1442695040888963407ull;
	return (unsigned int)(seed >> 33) % below;
}

static void start(bool coherent)
{
	must_start(tree_minimal, NULL, NULL);
	memset(&dev, 0, sizeof(dev));
	assert_int_equal(device_register(&dev, "test-device"), 0);
	berth_device_set_coherent(&dev, coherent);
	/* Some of them follow each other. */
	blocks[0] = alloc_pages(0, BLOCK_ORDER + 3);
	split_page(blocks[0], BLOCK_ORDER + 3);
	for (unsigned int i = 1; i < 8; i++)
		blocks[i] = blocks[0] + (i << BLOCK_ORDER);
	for (unsigned int i = 8; i < NR_BLOCKS; i++) {
		blocks[i] = alloc_pages(0, BLOCK_ORDER);
		split_page(blocks[i], BLOCK_ORDER);
	}
	seed = 38;
	berth_clear_error();
}

static void stop(void)
{
	for (unsigned int i = 0; i < NR_BLOCKS; i++)
		free_contig_range(page_to_pfn(blocks[i]), 1ul << BLOCK_ORDER);
	device_unregister(&dev);
	must_stop();
}

static struct bio_vec bvecs[MAX_PIECES];
static phys_addr_t bytes[MAX_BYTES];

/* A vector, where its bytes are, and how many there are. */
static unsigned int random_vector(bool may_be_empty)
{
	unsigned int nr = 1 + random_below(MAX_PIECES), size = 0;
	phys_addr_t next = 0;

	for (unsigned int i = 0; i < nr; i++) {
		struct page *block = blocks[random_below(NR_BLOCKS)];
		unsigned int offset = random_below(3) ? random_below(8) * 512 : random_below(5000);
		unsigned int len = random_below(3) ? 512 * random_below(16) : random_below(9000);

		/* Often what comes next is where the piece before ends. */
		if (next && random_below(2)) {
			block = phys_to_page(next);
			offset = (unsigned int)offset_in_page(next);
			len = 512;
		}
		if (!len && !may_be_empty)
			len = 1;
		bvec_set_page(&bvecs[i], block, len, offset);
		for (unsigned int byte = 0; byte < len; byte++)
			bytes[size++] = page_to_phys(block) + offset + byte;
		next = page_to_phys(block) + offset + len;
		if (!pfn_valid(PFN_DOWN(next + 512)))
			next = 0;
	}
	if (!size) {
		bvecs[0].bv_len = 1;
		bytes[size++] = bvec_phys(&bvecs[0]);
	}
	return size;
}

static void vectors_are_iterated(void **state)
{
	(void)state;
	start(true);
	for (unsigned int round = 0; round < 300; round++) {
		unsigned int size = random_vector(round & 1), at = random_below(size);
		struct bvec_iter from = { .bi_size = size, .bi_sector = 7 }, iter;
		struct bio_vec bv;

		assert_true(bvec_iter_advance(bvecs, &from, at));
		assert_int_equal(from.bi_size, size - at);
		if (at < size && random_below(2))
			from.bi_size = 1 + random_below(size - at);
		size = at + from.bi_size;
		for_each_bvec(bv, bvecs, iter, from)
		{
			assert_true(bv.bv_offset + bv.bv_len <= PAGE_SIZE);
			for (unsigned int i = 0; i < bv.bv_len; i++)
				assert_int_equal(bvec_phys(&bv) + i, bytes[at++]);
		}
		assert_int_equal(at, size);
		at -= from.bi_size;
		for_each_mp_bvec(bv, bvecs, iter, from) for (unsigned int i = 0; i < bv.bv_len; i++)
			assert_int_equal(bvec_phys(&bv) + i, bytes[at++]);
		assert_int_equal(at, size);
		assert_int_equal(iter.bi_sector, 7);
		assert_true(bvec_iter_advance(bvecs, &from, from.bi_size));
		assert_int_equal(from.bi_size, 0);
		assert_reason(BERTH_REASON_NONE);
		from.bi_size = 3;
		assert_false(bvec_iter_advance(bvecs, &from, 4));
		assert_reason(BERTH_REASON_ARGUMENT);
		assert_int_equal(from.bi_size, 0);
		berth_clear_error();
	}
	stop();
}

/* The entries that a slow reading of the rules gives: byte by byte. */
static unsigned int wanted_starts[MAX_BYTES + 1];

static dma_addr_t wanted_dma(phys_addr_t phys)
{
	unsigned int nr;
	const struct berth_dma_window *windows = berth_device_windows(&dev, &nr);

	for (unsigned int i = 0; i < nr; i++)
		if (phys >= windows[i].cpu && phys < windows[i].cpu + windows[i].size)
			return phys - windows[i].cpu + windows[i].bus;
	return phys;
}

static unsigned int want(unsigned int from, unsigned int to)
{
	uint64_t max = dma_get_max_seg_size(&dev), boundary = dma_get_seg_boundary(&dev);
	unsigned int nr = 0;

	for (unsigned int i = from; i < to; i++)
		if (i == from || bytes[i] != bytes[i - 1] + 1 ||
		    wanted_dma(bytes[i]) != wanted_dma(bytes[i - 1]) + 1 ||
		    i - wanted_starts[nr - 1] == max || !(wanted_dma(bytes[i]) & boundary))
			wanted_starts[nr++] = i;
	wanted_starts[nr] = to;
	return nr;
}

static void check_list(struct scatterlist *sgl, unsigned int from, unsigned int to)
{
	unsigned int nr = want(from, to), i;
	struct scatterlist *sg;

	assert_int_equal(sg_nents(sgl), nr);
	for_each_sg(sgl, sg, nr, i) {
		assert_int_equal(sg_phys(sg), bytes[wanted_starts[i]]);
		assert_int_equal(sg->length, wanted_starts[i + 1] - wanted_starts[i]);
		assert_true(sg->offset < PAGE_SIZE);
	}
	assert_null(sg_next(sg_last(sgl, nr)));
}

static void random_limits(void)
{
	static const unsigned int sizes[] = { 512, 1000, 4096, 6000, 65536, UINT_MAX };
	static const uint64_t boundaries[] = { 511, 4095, 16383, 0xffff, UINT32_MAX, UINT64_MAX };

	assert_int_equal(dma_set_max_seg_size(&dev, sizes[random_below(ARRAY_SIZE(sizes))]), 0);
	assert_int_equal(
		dma_set_seg_boundary(&dev, boundaries[random_below(ARRAY_SIZE(boundaries))]), 0);
}

/* One list is used for all, so that it is longer and shorter than the time before. */
static void item_5_no_entry_exceeds_the_limits(void **state)
{
	static const struct berth_dma_window windows[] = {
		{ 0x80000000, 0x10000200, 5 * MIB },
		{ 0x80000000 + 5 * MIB, 0x40000000, 64 * MIB },
	};
	struct sg_table sgt;
	unsigned int most = 0;

	(void)state;
	start(true);
	assert_int_equal(sg_alloc_table(&sgt, 1000, GFP_KERNEL), 0);
	for (unsigned int round = 0; round < 400; round++) {
		unsigned int size = random_vector(round & 1), nr;
		unsigned int from = random_below(2) ? 0 : random_below(size);
		struct bvec_iter iter = { .bi_size = size };

		assert_int_equal(berth_device_set_windows(&dev, windows, round % 3 ? 2 : 0), 0);
		random_limits();
		bvec_iter_advance(bvecs, &iter, from);
		if (random_below(2))
			iter.bi_size = 1 + random_below(iter.bi_size);
		nr = want(from, from + iter.bi_size);
		assert_int_equal(berth_bvecs_to_sg(&dev, bvecs, iter, 0, NULL, 0), nr);
		if (nr > sgt.orig_nents)
			continue;
		most = nr > most ? nr : most;
		assert_int_equal(berth_bvecs_to_sg(&dev, bvecs, iter, 0, sgt.sgl, nr), nr);
		check_list(sgt.sgl, from, from + iter.bi_size);
		assert_reason(BERTH_REASON_NONE);
		assert_int_equal(berth_bvecs_to_sg(&dev, bvecs, iter, 0, sgt.sgl, nr - 1), -ENOSPC);
		assert_reason(BERTH_REASON_TABLE_FULL);
		berth_clear_error();
	}
	assert_true(most > 200);
	assert_int_equal(berth_device_set_windows(&dev, NULL, 0), 0);
	sg_free_table(&sgt);
	stop();
}

/* An entry is one piece for the CPU and one on the bus. */
static void an_entry_is_in_one_window(void **state)
{
	struct berth_dma_window windows[2];
	struct bvec_iter iter = { .bi_size = 4096 };
	struct scatterlist sgl[4];

	(void)state;
	start(true);
	sg_init_table(sgl, 4);
	dma_set_seg_boundary(&dev, UINT64_MAX);
	/* One piece, on the bus two: a window ends in its middle. */
	windows[0].cpu = 0x80000000;
	windows[0].bus = 0;
	windows[0].size = page_to_phys(blocks[0]) + 1024 - windows[0].cpu;
	windows[1].cpu = windows[0].cpu + windows[0].size;
	windows[1].bus = windows[0].size + 0x1000000;
	windows[1].size = MIB;
	assert_int_equal(berth_device_set_windows(&dev, windows, 2), 0);
	bvec_set_page(&bvecs[0], blocks[0], 4096, 0);
	assert_int_equal(berth_bvecs_to_sg(&dev, bvecs, iter, 0, sgl, 4), 2);
	assert_int_equal(sgl[0].length, 1024);
	assert_int_equal(sgl[1].length, 3072);
	assert_int_equal(sgl[1].offset, 1024);
	assert_int_equal(dma_map_sg(&dev, sgl, 2, DMA_FROM_DEVICE), 2);
	dma_unmap_sg(&dev, sgl, 2, DMA_FROM_DEVICE);
	/* Two pieces, one on the bus. */
	windows[0].cpu = page_to_phys(blocks[2]);
	windows[0].size = BLOCK_BYTES;
	windows[1].cpu = page_to_phys(blocks[0]);
	windows[1].bus = BLOCK_BYTES;
	windows[1].size = BLOCK_BYTES;
	assert_int_equal(berth_device_set_windows(&dev, windows, 2), 0);
	bvec_set_page(&bvecs[0], blocks[2] + 7, 2048, 2048);
	bvec_set_page(&bvecs[1], blocks[0], 2048, 0);
	assert_int_equal(berth_bvecs_to_sg(&dev, bvecs, iter, 0, sgl, 4), 2);
	assert_int_equal(sgl[0].length, 2048);
	assert_ptr_equal(sg_page(&sgl[1]), blocks[0]);
	assert_int_equal(berth_device_set_windows(&dev, NULL, 0), 0);
	stop();
}

static void a_gap_is_refused(void **state)
{
	struct bvec_iter iter = { .bi_size = 3 * PAGE_SIZE };
	struct scatterlist sgl[4];

	(void)state;
	start(true);
	sg_init_table(sgl, 4);
	bvec_set_page(&bvecs[0], blocks[8], 2048, 2048);
	bvec_set_page(&bvecs[1], blocks[9], PAGE_SIZE, 0);
	bvec_set_page(&bvecs[2], blocks[10], 6144, 0);
	assert_int_equal(berth_bvecs_to_sg(&dev, bvecs, iter, 4095, sgl, 4), 3);
	bvecs[1].bv_len -= 512;
	bvecs[2].bv_len += 512;
	assert_int_equal(berth_bvecs_to_sg(&dev, bvecs, iter, 4095, sgl, 4), -EINVAL);
	assert_reason(BERTH_REASON_ARGUMENT);
	assert_int_equal(berth_bvecs_to_sg(&dev, bvecs, iter, 511, sgl, 4), 3);
	assert_int_equal(berth_bvecs_to_sg(&dev, bvecs, iter, 0, sgl, 4), 3);
	bvec_set_page(&bvecs[1], blocks[9], PAGE_SIZE, 512);
	assert_int_equal(berth_bvecs_to_sg(&dev, bvecs, iter, 4095, sgl, 4), -EINVAL);
	assert_true(bvec_gap_to_prev(&bvecs[0], 512, 4095));
	assert_false(bvec_gap_to_prev(&bvecs[0], 0, 4095));
	stop();
}

static void wrong_pieces_are_refused(void **state)
{
	struct bvec_iter iter = { .bi_size = 100 };
	struct scatterlist sgl[2];
	char text[100];

	(void)state;
	start(true);
	sg_init_table(sgl, 2);
	bvec_set_virt(&bvecs[0], text, 100);
	assert_int_equal(berth_bvecs_to_sg(&dev, bvecs, iter, 0, sgl, 2), -EINVAL);
	assert_reason(BERTH_REASON_ARGUMENT);
	bvec_set_page(&bvecs[0], blocks[8], 100, 64u << 20);
	assert_int_equal(berth_bvecs_to_sg(&dev, bvecs, iter, 0, sgl, 2), -EINVAL);
	assert_reason(BERTH_REASON_NOT_LINEAR);
	bvecs[0].bv_offset = 0;
	iter.bi_size = 0;
	assert_int_equal(berth_bvecs_to_sg(&dev, bvecs, iter, 0, sgl, 2), -EINVAL);
	assert_reason(BERTH_REASON_ARGUMENT);
	stop();
}

/* A device that writes through the list, and one that reads, on a machine with caches. */
static void bytes_go_through_the_list(void **state)
{
	(void)state;
	for (int coherent = 0; coherent < 2; coherent++) {
		struct bvec_iter iter = { .bi_size = 2100 }, at;
		struct scatterlist sgl[8], *sg;
		uint8_t *buf, data[2100];
		struct bio_vec bv;
		dma_addr_t addr;
		int nr, i;

		start(coherent);
		sg_init_table(sgl, 8);
		buf = kmalloc(300, GFP_KERNEL);
		bvec_set_virt(&bvecs[0], buf, 300);
		bvec_set_page(&bvecs[1], blocks[9], 1000, 4000);
		bvec_set_page(&bvecs[2], blocks[10], 800, 0);
		dma_set_max_seg_size(&dev, 512);
		for_each_bvec(bv, bvecs, at, iter)
		{
			memset(data, 0x11, bv.bv_len);
			assert_int_equal(memcpy_to_bvec(&bv, data), 0);
		}
		nr = berth_bvecs_to_sg(&dev, bvecs, iter, 0, sgl, 8);
		assert_int_equal(nr, 5);
		assert_int_equal(dma_map_sg(&dev, sgl, nr, DMA_BIDIRECTIONAL), nr);
		for_each_sg(sgl, sg, nr, i) {
			uint8_t *memory = berth_model_memory(sg_dma_address(sg));

			for (unsigned int n = 0; !coherent && n < sg_dma_len(sg); n++)
				assert_int_equal(memory[n], 0x11);
			if (!coherent)
				memset(memory, 0x22, sg_dma_len(sg));
		}
		dma_unmap_sg(&dev, sgl, nr, DMA_BIDIRECTIONAL);
		for_each_bvec(bv, bvecs, at, iter)
		{
			uint8_t *virt = bvec_kmap_local(&bv);

			assert_int_equal(memcpy_from_bvec(data, &bv), 0);
			assert_memory_equal(data, virt, bv.bv_len);
			for (unsigned int n = 0; n < bv.bv_len; n++)
				assert_int_equal(data[n], coherent ? 0x11 : 0x22);
			kunmap_local(virt);
		}
		addr = dma_map_bvec(&dev, &bvecs[1], DMA_TO_DEVICE, 0);
		assert_false(dma_mapping_error(&dev, addr));
		assert_int_equal(addr, page_to_phys(blocks[9]) + 4000);
		dma_unmap_page(&dev, addr, 1000, DMA_TO_DEVICE);
		kfree(buf);
		stop();
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(vectors_are_iterated),
		cmocka_unit_test(item_5_no_entry_exceeds_the_limits),
		cmocka_unit_test(an_entry_is_in_one_window),
		cmocka_unit_test(a_gap_is_refused),
		cmocka_unit_test(wrong_pieces_are_refused),
		cmocka_unit_test(bytes_go_through_the_list),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
