/* SPDX-License-Identifier: BSD-2-Clause */
/**
 * DOC: bvec - vectors of block I/O (linux/bvec.h)
 *
 * What a block layer hands to its drivers: pieces of memory by page, offset and length, and an iterator
 * that leaves them alone, so that a request can be split, or begun in the middle. A piece may be of
 * several pages that follow each other. Meaning: Documentation/block/biovecs.rst.
 */
#ifndef BERTH_BVEC_H
#define BERTH_BVEC_H

#include <berth/dma-mapping.h>
#include <berth/errno.h>
#include <berth/highmem.h>
#include <berth/mm.h>
#include <berth/types.h>

#include <berth/names.h>

BERTH_BEGIN_DECLS

/**
 * struct bio_vec - a piece of memory
 * @bv_page: its first page
 * @bv_len: bytes
 * @bv_offset: first byte within the page
 */
struct bio_vec {
	struct page *bv_page;
	unsigned int bv_len;
	unsigned int bv_offset;
};

/**
 * struct bvec_iter - a place in a vector, and how much of it is meant
 * @bi_sector: for the block layer; untouched here
 * @bi_size: bytes left
 * @bi_idx: the piece
 * @bi_bvec_done: bytes of it that lie behind
 */
struct bvec_iter {
	uint64_t bi_sector;
	unsigned int bi_size;
	unsigned int bi_idx;
	unsigned int bi_bvec_done;
};

/** bvec_set_page() - describe @len bytes at @offset of @page. */
static inline void bvec_set_page(struct bio_vec *bv, struct page *page, unsigned int len,
				 unsigned int offset)
{
	bv->bv_page = page;
	bv->bv_len = len;
	bv->bv_offset = offset;
}

/** bvec_set_virt() - describe memory of the linear map; other memory leaves no page. */
static inline void bvec_set_virt(struct bio_vec *bv, void *vaddr, unsigned int len)
{
	bvec_set_page(bv, virt_to_page(vaddr), len, (unsigned int)offset_in_page(vaddr));
}

/** bvec_phys() - the physical address of a piece. */
static inline phys_addr_t bvec_phys(const struct bio_vec *bvec)
{
	return page_to_phys(bvec->bv_page) + bvec->bv_offset;
}

/* As long as the piece is: mp_bvec_*(), that may be of several pages; bvec_*() stops at a page's end. */

/** mp_bvec_iter_len() - bytes of the piece from @iter on. */
static inline unsigned int mp_bvec_iter_len(const struct bio_vec *bvec, struct bvec_iter iter)
{
	unsigned int left = bvec[iter.bi_idx].bv_len - iter.bi_bvec_done;

	return iter.bi_size < left ? iter.bi_size : left;
}

/** mp_bvec_iter_offset() - the byte that @iter is at, from the piece's page on. */
static inline unsigned int mp_bvec_iter_offset(const struct bio_vec *bvec, struct bvec_iter iter)
{
	return bvec[iter.bi_idx].bv_offset + iter.bi_bvec_done;
}

/** mp_bvec_iter_page() - the piece's page. */
static inline struct page *mp_bvec_iter_page(const struct bio_vec *bvec, struct bvec_iter iter)
{
	return bvec[iter.bi_idx].bv_page;
}

/** mp_bvec_iter_page_idx() - how many pages behind that @iter is. */
static inline unsigned int mp_bvec_iter_page_idx(const struct bio_vec *bvec, struct bvec_iter iter)
{
	return mp_bvec_iter_offset(bvec, iter) >> PAGE_SHIFT;
}

/** mp_bvec_iter_bvec() - all that is left of the piece. */
static inline struct bio_vec mp_bvec_iter_bvec(const struct bio_vec *bvec, struct bvec_iter iter)
{
	struct bio_vec left;

	bvec_set_page(&left, mp_bvec_iter_page(bvec, iter), mp_bvec_iter_len(bvec, iter),
		      mp_bvec_iter_offset(bvec, iter));
	return left;
}

/** bvec_iter_offset() - the byte of its page that @iter is at. */
static inline unsigned int bvec_iter_offset(const struct bio_vec *bvec, struct bvec_iter iter)
{
	return (unsigned int)offset_in_page(mp_bvec_iter_offset(bvec, iter));
}

/** bvec_iter_len() - bytes from @iter to the end of the piece, or of the page. */
static inline unsigned int bvec_iter_len(const struct bio_vec *bvec, struct bvec_iter iter)
{
	unsigned int left = (unsigned int)PAGE_SIZE - bvec_iter_offset(bvec, iter);
	unsigned int len = mp_bvec_iter_len(bvec, iter);

	return len < left ? len : left;
}

/** bvec_iter_page() - the page that @iter is at. */
static inline struct page *bvec_iter_page(const struct bio_vec *bvec, struct bvec_iter iter)
{
	return mp_bvec_iter_page(bvec, iter) + mp_bvec_iter_page_idx(bvec, iter);
}

/** bvec_iter_bvec() - what is left of that page. */
static inline struct bio_vec bvec_iter_bvec(const struct bio_vec *bvec, struct bvec_iter iter)
{
	struct bio_vec left;

	bvec_set_page(&left, bvec_iter_page(bvec, iter), bvec_iter_len(bvec, iter),
		      bvec_iter_offset(bvec, iter));
	return left;
}

/** bvec_iter_advance() - go on by @bytes. False, @bi_size is 0 then, if there are no so many. */
bool bvec_iter_advance(const struct bio_vec *bv, struct bvec_iter *iter, unsigned int bytes);

/** bvec_iter_advance_single() - the same, not beyond the end of this piece. */
static inline void bvec_iter_advance_single(const struct bio_vec *bv, struct bvec_iter *iter,
					    unsigned int bytes)
{
	unsigned int done = iter->bi_bvec_done + bytes;

	if (done == bv[iter->bi_idx].bv_len) {
		done = 0;
		iter->bi_idx++;
	}
	iter->bi_bvec_done = done;
	iter->bi_size -= bytes;
}

/* Everything from @start on, page by page. @bvl, @iter: what the loop fills in. */
#define for_each_bvec(bvl, bio_vec, iter, start)                                  \
	for ((iter) = (start);                                                    \
	     (iter).bi_size && ((bvl) = bvec_iter_bvec((bio_vec), (iter)), true); \
	     bvec_iter_advance_single((bio_vec), &(iter), (bvl).bv_len))

/* The same, piece by piece. */
#define for_each_mp_bvec(bvl, bio_vec, iter, start)                                  \
	for ((iter) = (start);                                                       \
	     (iter).bi_size && ((bvl) = mp_bvec_iter_bvec((bio_vec), (iter)), true); \
	     bvec_iter_advance_single((bio_vec), &(iter), (bvl).bv_len))

/**
 * bvec_kmap_local() - an address for a piece within a page
 *
 * Any context. Return: as kmap_local_page(), until kunmap_local().
 */
static inline void *bvec_kmap_local(const struct bio_vec *bvec)
{
	char *virt = (char *)kmap_local_page(bvec->bv_page);

	return virt ? virt + bvec->bv_offset : NULL;
}

/** memcpy_from_bvec() - copy out of a piece within a page. Return: as memcpy_from_page(). */
static inline int memcpy_from_bvec(void *to, const struct bio_vec *bvec)
{
	return memcpy_from_page(to, bvec->bv_page, bvec->bv_offset, bvec->bv_len);
}

/** memcpy_to_bvec() - copy into a piece within a page. Return: as memcpy_to_page(). */
static inline int memcpy_to_bvec(const struct bio_vec *bvec, const void *from)
{
	return memcpy_to_page(bvec->bv_page, bvec->bv_offset, from, bvec->bv_len);
}

/* For devices. */

/**
 * dma_map_bvec() - give a piece to a device
 *
 * As dma_map_page_attrs(); ends with dma_unmap_page_attrs().
 */
static inline dma_addr_t dma_map_bvec(struct device *dev, const struct bio_vec *bv,
				      enum dma_data_direction dir, unsigned long attrs)
{
	return dma_map_page_attrs(dev, bv->bv_page, bv->bv_offset, bv->bv_len, dir, attrs);
}

/**
 * bvec_gap_to_prev() - whether a device that knows only whole units must see two requests
 * @prev: a piece
 * @offset: where the next one begins in its page
 * @virt_boundary_mask: the unit, less 1: NVMe's 4095; 0: no such rule
 *
 * Any context. Return: true if @prev does not end, or the next one does not begin, where a unit does.
 */
static inline bool bvec_gap_to_prev(const struct bio_vec *prev, unsigned int offset,
				    uint64_t virt_boundary_mask)
{
	return ((offset | ((uint64_t)prev->bv_offset + prev->bv_len)) & virt_boundary_mask) != 0;
}

/**
 * berth_bvecs_to_sg() - a vector as a scatterlist that the device takes (Linux: blk_rq_map_sg())
 * @dev: whose longest segment and segment boundary count
 * @bvecs: the pieces
 * @iter: the part of them that is meant
 * @virt_boundary_mask: refuse gaps, see bvec_gap_to_prev(); 0: none is wrong
 * @sgl: entries; NULL: only count
 * @nents: how many there are
 *
 * As few entries as the limits allow: memory that follows itself, for the CPU and on the device's bus,
 * becomes one entry, wherever its pieces were cut. The last one is marked as the end. The list can be
 * mapped then, by dma_map_sg(). Any context. Return: how many entries it takes; or, and @sgl is
 * undefined: -EINVAL (ARGUMENT: nothing is meant, a piece without a page, a gap, no limit above 0;
 * NOT_LINEAR: a piece is not memory of berth's), -ENOSPC (TABLE_FULL: more than @nents).
 */
int berth_bvecs_to_sg(const struct device *dev, const struct bio_vec *bvecs, struct bvec_iter iter,
		      uint64_t virt_boundary_mask, struct scatterlist *sgl, unsigned int nents);

BERTH_END_DECLS

#ifdef BERTH_NO_SHORT_NAMES
#include <berth/names-off.h>
#endif
#endif
