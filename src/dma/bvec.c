/* SPDX-License-Identifier: BSD-2-Clause */
/* Vectors of block I/O: iteration, and as scatterlists within a device's limits. */
#include <berth/bvec.h>

#include "dma/internal.h"
#include "lib/error.h"

bool bvec_iter_advance(const struct bio_vec *bv, struct bvec_iter *iter, unsigned int bytes)
{
	if (bytes > iter->bi_size) {
		berth_fail_limit(-EINVAL, BERTH_REASON_ARGUMENT, "bytes of a bvec_iter", bytes,
				 iter->bi_size);
		iter->bi_size = 0;
		return false;
	}
	iter->bi_size -= bytes;
	bytes += iter->bi_bvec_done;
	while (bytes && bytes >= bv[iter->bi_idx].bv_len)
		bytes -= bv[iter->bi_idx++].bv_len;
	iter->bi_bvec_done = bytes;
	return true;
}

/*
 * struct list - the scatterlist so far
 * @sg: its last entry; @nr: their number
 * @phys, @dma: where that ends, for the CPU and on the bus
 * @length: its bytes
 */
struct list {
	const struct device *dev;
	struct scatterlist *sgl;
	struct scatterlist *sg;
	unsigned int nents;
	unsigned int nr;
	phys_addr_t phys;
	dma_addr_t dma;
	uint64_t length;
};

/*
 * The place on the bus, where the boundary counts: windows may move it. *@size becomes no more than
 * the window has. What no window leads to is bounced or refused when it is mapped.
 */
static dma_addr_t on_bus(const struct device *dev, phys_addr_t phys, uint64_t *size)
{
	unsigned int nr;
	const struct berth_dma_window *windows = berth_device_windows(dev, &nr);

	for (unsigned int i = 0; i < nr; i++) {
		uint64_t at = phys - windows[i].cpu;

		if (at >= windows[i].size)
			continue;
		if (*size > windows[i].size - at)
			*size = windows[i].size - at;
		return windows[i].bus + at;
	}
	return phys;
}

/* Bytes that a segment of @length bytes which ends at @dma may still get. */
static uint64_t room(const struct device *dev, dma_addr_t dma, uint64_t length)
{
	uint64_t mask = dma_get_seg_boundary(dev);
	uint64_t size = dma_get_max_seg_size(dev) - length;

	/* At a boundary there is room for all that follows it, but not for this segment. */
	if (length && !(dma & mask))
		return 0;
	return mask - (dma & mask) < size ? mask - (dma & mask) + 1 : size;
}

static int new_entry(struct list *list)
{
	if (list->sgl && list->nr == list->nents)
		return berth_fail_limit(-ENOSPC, BERTH_REASON_TABLE_FULL, "scatterlist", 0,
					list->nents);
	if (list->sgl && list->sg) {
		/* A list that was shorter last time. */
		sg_unmark_end(list->sg);
		list->sg = sg_next(list->sg);
	} else if (list->sgl) {
		list->sg = list->sgl;
	}
	list->nr++;
	list->length = 0;
	return 0;
}

/* Append physically contiguous bytes. */
static int append(struct list *list, struct page *page, uint64_t offset, uint64_t left)
{
	phys_addr_t phys = page_to_phys(page) + offset;

	while (left) {
		uint64_t size = left, most = 0;
		dma_addr_t dma = on_bus(list->dev, phys, &size);
		int err;

		if (list->nr && list->phys == phys && list->dma == dma)
			most = room(list->dev, dma, list->length);
		if (!most) {
			err = new_entry(list);
			if (err)
				return err;
			most = room(list->dev, dma, 0);
			if (list->sgl)
				sg_set_page(list->sg, page + (offset >> PAGE_SHIFT), 0,
					    (unsigned int)offset_in_page(offset));
		}
		if (size > most)
			size = most;
		list->length += size;
		if (list->sgl)
			list->sg->length = (uint32_t)list->length;
		list->phys = phys += size;
		list->dma = dma + size;
		offset += size;
		left -= size;
	}
	return 0;
}

static int check(const struct device *dev, const struct bio_vec *piece, const struct bio_vec *prev,
		 uint64_t virt_boundary_mask)
{
	if (!piece->bv_page)
		return berth_fail_at(-EINVAL, BERTH_REASON_ARGUMENT, "page of a bio_vec", 0);
	if (!berth_dma_is_ram(bvec_phys(piece), piece->bv_len))
		return berth_fail_at(-EINVAL, BERTH_REASON_NOT_LINEAR, dev_name(dev),
				     bvec_phys(piece));
	if (prev->bv_len && bvec_gap_to_prev(prev, piece->bv_offset, virt_boundary_mask))
		return berth_fail_at(-EINVAL, BERTH_REASON_ARGUMENT, "gap between bio_vecs",
				     piece->bv_offset);
	return 0;
}

int berth_bvecs_to_sg(const struct device *dev, const struct bio_vec *bvecs, struct bvec_iter iter,
		      uint64_t virt_boundary_mask, struct scatterlist *sgl, unsigned int nents)
{
	struct list list = { .dev = dev, .sgl = sgl, .nents = nents };
	struct bio_vec piece, prev = { .bv_len = 0 };
	int err;

	if (!iter.bi_size || !dev->max_segment_size)
		return berth_fail_at(-EINVAL, BERTH_REASON_ARGUMENT, "bytes of bio_vecs",
				     iter.bi_size);
	while (iter.bi_size) {
		piece = mp_bvec_iter_bvec(bvecs, iter);
		if (piece.bv_len) {
			err = check(dev, &piece, &prev, virt_boundary_mask);
			if (!err)
				err = append(&list, piece.bv_page, piece.bv_offset, piece.bv_len);
			if (err)
				return err;
			prev = piece;
		}
		bvec_iter_advance_single(bvecs, &iter, piece.bv_len);
	}
	if (sgl)
		sg_mark_end(list.sg);
	return (int)list.nr;
}
