/* SPDX-License-Identifier: BSD-2-Clause */
/* A request's memory, cut into commands; a command's memory as PRP entries. */
#include "nvme.h"

void berth_nvme_start_cursor(struct berth_nvme_cursor *at, const struct berth_nvme_request *request)
{
	*at = (struct berth_nvme_cursor){
		.sg = request->sgl,
		.left = request->sgl ? request->nents : 0,
		.bvecs = request->sgl ? NULL : request->bvecs,
		.iter = request->iter,
	};
}

/* What is left of the piece that the cursor is at; false at the end. */
static bool piece(struct berth_nvme_cursor *at, struct bio_vec *bv)
{
	if (at->bvecs) {
		while (at->iter.bi_size && !mp_bvec_iter_len(at->bvecs, at->iter))
			bvec_iter_advance_single(at->bvecs, &at->iter, 0);
		*bv = at->iter.bi_size ? mp_bvec_iter_bvec(at->bvecs, at->iter)
				       : (struct bio_vec){ .bv_len = 0 };
		return at->iter.bi_size != 0;
	}
	while (at->sg && at->left && at->done == at->sg->length) {
		at->done = 0;
		at->left--;
		at->sg = at->left ? sg_next(at->sg) : NULL;
	}
	if (!at->sg || !at->left)
		return false;
	bvec_set_page(bv, sg_page(at->sg), at->sg->length - at->done, at->sg->offset + at->done);
	return true;
}

bool berth_nvme_is_at_end(const struct berth_nvme_cursor *at)
{
	struct berth_nvme_cursor copy = *at;
	struct bio_vec bv;

	return !piece(&copy, &bv);
}

static void advance(struct berth_nvme_cursor *at, unsigned int bytes)
{
	if (at->bvecs)
		bvec_iter_advance_single(at->bvecs, &at->iter, bytes);
	else
		at->done += bytes;
}

static unsigned int lesser(unsigned int a, unsigned int b)
{
	return a < b ? a : b;
}

int berth_nvme_cut(struct berth_nvme_cursor *at, const struct nvme_limits *limits,
		   struct scatterlist *sgl, unsigned int *nents)
{
	struct berth_nvme_cursor before = *at;
	unsigned int bytes = 0, last = 0, end = 0, nr = 0, over;
	struct bio_vec bv;

	while (bytes < limits->max_bytes && piece(at, &bv)) {
		if (!bv.bv_page || bv.bv_offset % 4)
			return -EINVAL;
		/* A gap: another command, which begins with a block. */
		if (nr && (end | bv.bv_offset) % NVME_PAGE) {
			if (bytes % limits->block_bytes)
				return -EINVAL;
			break;
		}
		if (nr == limits->max_segments)
			break;
		last = lesser(bv.bv_len, limits->max_bytes - bytes);
		last = lesser(last, limits->max_segment - bv.bv_offset % NVME_PAGE);
		if (sgl)
			sg_set_page(&sgl[nr], bv.bv_page, last, bv.bv_offset);
		end = bv.bv_offset + last;
		before = *at;
		advance(at, last);
		bytes += last;
		nr++;
	}
	over = bytes % limits->block_bytes;
	if (over) {
		/* What goes on behind here is in whole pages, which are longer than a part of a block. */
		if (over >= last || !piece(at, &bv))
			return -EINVAL;
		*at = before;
		advance(at, last - over);
		if (sgl)
			sgl[nr - 1].length = last - over;
	}
	if (nents)
		*nents = nr;
	return (int)(bytes - over);
}

int berth_nvme_build_prps(struct scatterlist *sgl, unsigned int nents, uint64_t *list,
			  dma_addr_t list_dma, unsigned int room, uint64_t prp[2])
{
	unsigned int nr = 0, i;
	struct scatterlist *sg;
	uint64_t end = 0;

	prp[0] = prp[1] = 0;
	for_each_sg(sgl, sg, nents, i) {
		uint64_t addr = sg_dma_address(sg);

		if (!sg_dma_len(sg))
			break;
		if (addr % 4 || (nr && (addr | end) % NVME_PAGE))
			return -EINVAL;
		end = addr + sg_dma_len(sg);
		for (; addr < end; addr = (addr | (NVME_PAGE - 1)) + 1) {
			if (nr > room)
				return -EINVAL;
			if (!nr++)
				prp[0] = addr;
			else
				list[nr - 2] = addr;
		}
	}
	if (!nr)
		return -EINVAL;
	if (nr == 2)
		prp[1] = list[0];
	else if (nr > 2)
		prp[1] = list_dma;
	return 0;
}
