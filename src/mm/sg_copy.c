/* SPDX-License-Identifier: BSD-2-Clause */
/* What the CPU does with the bytes of a scatterlist, wherever its pages are. */
#include <berth/highmem.h>
#include <berth/scatterlist.h>

#include "lib/string.h"

void sg_miter_start(struct sg_mapping_iter *miter, struct scatterlist *sgl, unsigned int nents,
		    unsigned int flags)
{
	memset(miter, 0, sizeof(*miter));
	__sg_page_iter_start(&miter->piter, sgl, nents, 0);
	miter->__flags = flags;
}

/* Be at a piece with bytes left; false if there is none. */
static bool get_piece(struct sg_mapping_iter *miter)
{
	struct sg_page_iter *piter = &miter->piter;

	while (!miter->__remaining) {
		uint64_t at, end;

		if (!__sg_page_iter_next(piter))
			return false;
		/* An entry may begin pages behind its page. */
		if (piter->sg_pgoffset < piter->sg->offset >> PAGE_SHIFT)
			piter->sg_pgoffset = piter->sg->offset >> PAGE_SHIFT;
		at = (uint64_t)piter->sg_pgoffset << PAGE_SHIFT;
		end = (uint64_t)piter->sg->offset + piter->sg->length;
		miter->__offset = at < piter->sg->offset ? piter->sg->offset & (PAGE_SIZE - 1) : 0;
		at += miter->__offset;
		if (end > at)
			miter->__remaining = (unsigned int)(end - at);
		if (miter->__remaining > PAGE_SIZE - miter->__offset)
			miter->__remaining = (unsigned int)(PAGE_SIZE - miter->__offset);
	}
	return true;
}

static void pass_over(struct sg_mapping_iter *miter, unsigned int bytes)
{
	miter->__offset += bytes;
	miter->__remaining -= bytes;
}

bool sg_miter_skip(struct sg_mapping_iter *miter, int64_t offset)
{
	sg_miter_stop(miter);
	while (offset > 0) {
		unsigned int bytes;

		if (!get_piece(miter))
			return false;
		bytes = offset < miter->__remaining ? (unsigned int)offset : miter->__remaining;
		pass_over(miter, bytes);
		offset -= bytes;
	}
	return true;
}

bool sg_miter_next(struct sg_mapping_iter *miter)
{
	char *virt;

	sg_miter_stop(miter);
	if (!get_piece(miter))
		return false;
	miter->page = sg_page_iter_page(&miter->piter);
	virt = kmap_local_page(miter->page);
	if (!virt)
		return false;
	miter->addr = virt + miter->__offset;
	miter->length = miter->consumed = miter->__remaining;
	return true;
}

void sg_miter_stop(struct sg_mapping_iter *miter)
{
	if (miter->addr) {
		kunmap_local(miter->addr);
		pass_over(miter, (unsigned int)(miter->consumed < miter->length ? miter->consumed
										: miter->length));
	}
	miter->page = NULL;
	miter->addr = NULL;
	miter->length = miter->consumed = 0;
}

/* One of @to and @from, or none: then zeroes go into the list. Return: bytes done. */
static size_t copy(struct scatterlist *sgl, unsigned int nents, char *to, const char *from,
		   size_t size, int64_t skip)
{
	struct sg_mapping_iter miter;
	size_t done = 0;

	sg_miter_start(&miter, sgl, nents,
		       SG_MITER_ATOMIC | (to ? SG_MITER_FROM_SG : SG_MITER_TO_SG));
	if (!sg_miter_skip(&miter, skip))
		return 0;
	while (done < size && sg_miter_next(&miter)) {
		size_t bytes = size - done < miter.length ? size - done : miter.length;

		if (to)
			memcpy(to + done, miter.addr, bytes);
		else if (from)
			memcpy(miter.addr, from + done, bytes);
		else
			memset(miter.addr, 0, bytes);
		done += bytes;
	}
	sg_miter_stop(&miter);
	return done;
}

size_t sg_copy_buffer(struct scatterlist *sgl, unsigned int nents, void *buf, size_t buflen,
		      int64_t skip, bool to_buffer)
{
	return copy(sgl, nents, to_buffer ? buf : NULL, to_buffer ? NULL : buf, buflen, skip);
}

size_t sg_pcopy_from_buffer(struct scatterlist *sgl, unsigned int nents, const void *buf,
			    size_t buflen, int64_t skip)
{
	return copy(sgl, nents, NULL, buf, buflen, skip);
}

size_t sg_zero_buffer(struct scatterlist *sgl, unsigned int nents, size_t buflen, int64_t skip)
{
	return copy(sgl, nents, NULL, NULL, buflen, skip);
}
