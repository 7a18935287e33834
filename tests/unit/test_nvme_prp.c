/* SPDX-License-Identifier: BSD-2-Clause */
/* The NVMe driver's commands and PRP entries, against what every single byte says. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "../../drivers/nvme/nvme.h"

#define PIECES 24u
#define PAGES 4096u
#define LIST_DMA 0x123456000ull

static struct page pages[PAGES];
static uint32_t state = 1;

static unsigned int below(unsigned int limit)
{
	state = state * 1664525u + 1013904223u;
	return (unsigned int)((uint64_t)(state >> 4) * limit >> 28);
}

/* The bus address of a page: upside down, so that neighbours are not neighbours there. */
static uint64_t address(const struct page *page, uint64_t offset)
{
	return (uint64_t)(PAGES - 1 - (uint64_t)(page - pages)) * 0x100000000ull + offset;
}

/* Pieces: mostly legal ones. Return: bytes. */
static unsigned int make_pieces(struct bio_vec *pieces, unsigned int nr, unsigned int block)
{
	unsigned int bytes = 0, end = 0;

	for (unsigned int i = 0; i < nr; i++) {
		unsigned int offset = below(2) ? 0 : below(3000) * 4;
		unsigned int len = (1 + below(20)) * (below(2) ? NVME_PAGE : block);

		/* Goes on where the last one ended, with whole pages or up to the end of one. */
		if (i && end % NVME_PAGE == 0 && below(3))
			offset = 0;
		if (below(3) == 0)
			len = NVME_PAGE - offset % NVME_PAGE + below(3) * NVME_PAGE;
		if (!below(60))
			offset |= 2;
		if (!below(30))
			len = 0;
		bvec_set_page(&pieces[i], &pages[i * 64], len, offset);
		end = len ? offset + len : end;
		bytes += len;
	}
	return bytes;
}

/* Byte by byte: which address each has; where it is legal to cut. False: no command can have it. */
static bool reference(const struct bio_vec *pieces, unsigned int nr, unsigned int block,
		      uint64_t *bytes)
{
	unsigned int at = 0, gap = 0, end = 0;

	for (unsigned int i = 0; i < nr; i++) {
		if (!pieces[i].bv_len)
			continue;
		if (pieces[i].bv_offset % 4)
			return false;
		if (at && (pieces[i].bv_offset % NVME_PAGE || end % NVME_PAGE)) {
			if ((at - gap) % block)
				return false;
			gap = at;
		}
		for (unsigned int k = 0; k < pieces[i].bv_len; k++)
			bytes[at++] = address(pieces[i].bv_page, pieces[i].bv_offset + k);
		end = pieces[i].bv_offset + pieces[i].bv_len;
	}
	return at && (at - gap) % block == 0;
}

/* What a controller does with PRP entries: returns the address of one byte. */
static uint64_t of_byte(const uint64_t prp[2], const uint64_t *list, unsigned int bytes,
			unsigned int n)
{
	unsigned int first = NVME_PAGE - (unsigned int)(prp[0] % NVME_PAGE), entry;

	if (n < first)
		return prp[0] + n;
	n -= first;
	entry = n / NVME_PAGE;
	if (bytes - first <= NVME_PAGE)
		return prp[1] + n;
	assert_true(prp[1] == LIST_DMA);
	assert_true(list[entry] % NVME_PAGE == 0);
	return list[entry] + n % NVME_PAGE;
}

/* One command: its bytes are the next ones of the reference. */
static void check_command(struct scatterlist *sgl, unsigned int nents, unsigned int bytes,
			  const struct nvme_limits *limits, const uint64_t *wanted)
{
	uint64_t list[LIST_ENTRIES + 1], prp[2];
	unsigned int i, sum = 0;
	struct scatterlist *sg;

	memset(list, 0xa5, sizeof(list));
	assert_true(bytes <= limits->max_bytes && bytes % limits->block_bytes == 0);
	assert_true(nents && nents <= limits->max_segments);
	for_each_sg(sgl, sg, nents, i) {
		assert_true(sg->length <= limits->max_segment);
		sg_dma_address(sg) = address(sg_page(sg), sg->offset);
		sg_dma_len(sg) = sg->length;
		sum += sg->length;
	}
	assert_int_equal(sum, bytes);
	assert_int_equal(berth_nvme_build_prps(sgl, nents, list, LIST_DMA, LIST_ENTRIES, prp), 0);
	assert_true(list[LIST_ENTRIES] == 0xa5a5a5a5a5a5a5a5ull);
	for (unsigned int n = 0; n < bytes; n++)
		assert_true(of_byte(prp, list, bytes, n) == wanted[n]);
}

/* All commands of a request, and the dry run beside them. */
static void check_request(const struct berth_nvme_request *request,
			  const struct nvme_limits *limits, bool is_legal, unsigned int bytes,
			  const uint64_t *wanted)
{
	struct berth_nvme_cursor at, dry;
	unsigned int done = 0, nents;
	int got;

	berth_nvme_start_cursor(&at, request);
	dry = at;
	do {
		struct scatterlist sgl[MAX_SEGMENTS];

		sg_init_table(sgl, MAX_SEGMENTS);
		got = berth_nvme_cut(&at, limits, sgl, &nents);
		assert_int_equal(berth_nvme_cut(&dry, limits, NULL, NULL), got);
		if (got > 0) {
			assert_true(done + (unsigned int)got <= bytes);
			check_command(sgl, nents, (unsigned int)got, limits, wanted + done);
			done += (unsigned int)got;
		}
	} while (got > 0);
	if (is_legal)
		assert_true(!got && done == bytes);
	else
		assert_true(got == -EINVAL || !bytes);
}

static void test_requests(void **unused)
{
	uint64_t *wanted = malloc((size_t)PIECES * 21 * NVME_PAGE * sizeof(*wanted));
	unsigned int legal = 0;

	(void)unused;
	assert_non_null(wanted);
	for (unsigned int round = 0; round < 800; round++) {
		const struct nvme_limits limits = {
			.block_bytes = 512u << below(4),
			.max_bytes = NVME_PAGE << below(8),
			.max_segment = NVME_PAGE * (1 + below(16)),
			.max_segments = 2 + below(MAX_SEGMENTS - 1),
		};
		struct berth_nvme_request request = { .op = BERTH_NVME_READ };
		struct scatterlist sgl[PIECES];
		struct bio_vec pieces[PIECES];
		unsigned int nr = 1 + below(below(2) ? PIECES : 4);
		unsigned int bytes = make_pieces(pieces, nr, limits.block_bytes);
		bool is_legal = reference(pieces, nr, limits.block_bytes, wanted);

		legal += is_legal;
		request.bvecs = pieces;
		request.iter.bi_size = bytes;
		check_request(&request, &limits, is_legal, bytes, wanted);
		sg_init_table(sgl, nr);
		for (unsigned int i = 0; i < nr; i++)
			sg_set_page(&sgl[i], pieces[i].bv_page, pieces[i].bv_len,
				    pieces[i].bv_offset);
		request.sgl = sgl;
		request.nents = nr;
		check_request(&request, &limits, is_legal, bytes, wanted);
	}
	assert_in_range(legal, 160, 640);
	free(wanted);
}

/* Lists that an IOMMU, or a bug, made so. */
static void test_bad_lists(void **unused)
{
	uint64_t list[LIST_ENTRIES], prp[2];
	struct scatterlist sgl[2];

	(void)unused;
	sg_init_table(sgl, 2);
	sg_dma_address(&sgl[0]) = 0x1000;
	sg_dma_len(&sgl[0]) = 0x1000;
	sg_dma_address(&sgl[1]) = 0x5004;
	sg_dma_len(&sgl[1]) = 0x1000;
	assert_int_equal(berth_nvme_build_prps(sgl, 2, list, LIST_DMA, 8, prp), -EINVAL);
	sg_dma_address(&sgl[1]) = 0x5000;
	assert_int_equal(berth_nvme_build_prps(sgl, 2, list, LIST_DMA, 8, prp), 0);
	assert_true(prp[0] == 0x1000 && prp[1] == 0x5000);
	sg_dma_len(&sgl[0]) = 0xffc;
	assert_int_equal(berth_nvme_build_prps(sgl, 2, list, LIST_DMA, 8, prp), -EINVAL);
	sg_dma_len(&sgl[0]) = 0x8000;
	assert_int_equal(berth_nvme_build_prps(sgl, 2, list, LIST_DMA, 8, prp), 0);
	sg_dma_len(&sgl[1]) = 0x1004;
	assert_int_equal(berth_nvme_build_prps(sgl, 2, list, LIST_DMA, 8, prp), -EINVAL);
	sg_dma_address(&sgl[0]) = 2;
	assert_int_equal(berth_nvme_build_prps(sgl, 1, list, LIST_DMA, 8, prp), -EINVAL);
	assert_int_equal(berth_nvme_build_prps(sgl, 0, list, LIST_DMA, 8, prp), -EINVAL);
}

/* The list's room is enough for the longest command, wherever in a page it begins. */
static void test_longest(void **unused)
{
	uint64_t list[LIST_ENTRIES], prp[2];
	struct scatterlist sg;

	(void)unused;
	sg_init_table(&sg, 1);
	sg_dma_address(&sg) = 0x7ffc;
	sg_dma_len(&sg) = MAX_TRANSFER;
	assert_int_equal(berth_nvme_build_prps(&sg, 1, list, LIST_DMA, LIST_ENTRIES, prp), 0);
	assert_true(list[LIST_ENTRIES - 1] == 0x8000 + (uint64_t)(LIST_ENTRIES - 1) * NVME_PAGE);
}

static void test_statuses(void **unused)
{
	(void)unused;
	assert_int_equal(berth_nvme_errno(0), 0);
	assert_int_equal(berth_nvme_errno(0x2000), 0); /* "more", which says nothing */
	assert_int_equal(berth_nvme_errno(0x4080), -EREMOTEIO);
	assert_int_equal(berth_nvme_errno(0x281), -ENODATA);
	assert_int_equal(berth_nvme_errno(0x7ff), -EIO);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_requests),
		cmocka_unit_test(test_bad_lists),
		cmocka_unit_test(test_longest),
		cmocka_unit_test(test_statuses),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
