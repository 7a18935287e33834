/* SPDX-License-Identifier: BSD-2-Clause */
#include <berth/errno.h>
#include <berth/scatterlist.h>

#include "lib/string.h"

void sg_init_table(struct scatterlist *sgl, unsigned int nents)
{
	memset(sgl, 0, nents * sizeof(*sgl));
	sg_mark_end(&sgl[nents - 1]);
}

void sg_init_one(struct scatterlist *sg, const void *buf, unsigned int len)
{
	sg_init_table(sg, 1);
	sg_set_buf(sg, buf, len);
}

void sg_chain(struct scatterlist *prv, unsigned int prv_nents, struct scatterlist *sgl)
{
	struct scatterlist *link = &prv[prv_nents - 1];

	memset(link, 0, sizeof(*link));
	link->page_link = (uintptr_t)sgl | SG_CHAIN;
}

struct scatterlist *sg_next(struct scatterlist *sg)
{
	if (sg_is_last(sg))
		return NULL;
	sg++;
	return sg_is_chain(sg) ? sg_chain_ptr(sg) : sg;
}

struct scatterlist *sg_last(struct scatterlist *sgl, unsigned int nents)
{
	struct scatterlist *sg = sgl, *last = NULL;

	for (unsigned int i = 0; i < nents && sg; i++, sg = sg_next(sg))
		last = sg;
	return last;
}

int sg_nents(struct scatterlist *sg)
{
	int nents = 0;

	for (; sg; sg = sg_next(sg))
		nents++;
	return nents;
}

int sg_nents_for_len(struct scatterlist *sg, uint64_t len)
{
	uint64_t total = 0;
	int nents = 0;

	if (!len)
		return 0;
	for (; sg; sg = sg_next(sg)) {
		nents++;
		total += sg->length;
		if (total >= len)
			return nents;
	}
	return -EINVAL;
}

void __sg_page_iter_start(struct sg_page_iter *piter, struct scatterlist *sglist,
			  unsigned int nents, unsigned long pgoffset)
{
	piter->sg = sglist;
	piter->sg_pgoffset = (unsigned int)pgoffset;
	piter->__nents = nents;
	piter->__pg_advance = 0;
}

static unsigned int cpu_pages(const struct scatterlist *sg)
{
	return (unsigned int)PFN_UP((uint64_t)sg->offset + sg->length);
}

/* The two sides begin at the same byte of a page, but their lengths have nothing to do with each other. */
static unsigned int dma_pages(const struct scatterlist *sg)
{
	return (unsigned int)PFN_UP(offset_in_page(sg_dma_address(sg)) + sg_dma_len(sg));
}

static bool next_page(struct sg_page_iter *piter, unsigned int (*pages)(const struct scatterlist *))
{
	if (!piter->__nents || !piter->sg)
		return false;
	piter->sg_pgoffset += (unsigned int)piter->__pg_advance;
	piter->__pg_advance = 1;
	while (piter->sg_pgoffset >= pages(piter->sg)) {
		piter->sg_pgoffset -= pages(piter->sg);
		/* Nobody looks behind the last entry: a shorter list need not have an end mark there. */
		piter->sg = --piter->__nents ? sg_next(piter->sg) : NULL;
		if (!piter->sg)
			return false;
	}
	return true;
}

bool __sg_page_iter_next(struct sg_page_iter *piter)
{
	return next_page(piter, cpu_pages);
}

bool __sg_page_iter_dma_next(struct sg_dma_page_iter *dma_iter)
{
	return next_page(&dma_iter->base, dma_pages);
}
