/* SPDX-License-Identifier: BSD-2-Clause */
/**
 * DOC: scatterlist - a list of pieces of memory (linux/scatterlist.h)
 *
 * Each entry has a CPU side (page, offset, length) and, once mapped, a DMA side (address, length).
 * The two sides have different counts: dma_map_sg() may merge, so iterate the DMA side for the
 * count it returned, and unmap and sync with the original count.
 */
#ifndef BERTH_SCATTERLIST_H
#define BERTH_SCATTERLIST_H

#include <berth/mm.h>
#include <berth/types.h>

#include <berth/names.h>

BERTH_BEGIN_DECLS

/**
 * struct scatterlist - one entry
 * @page_link: the page, or the next chunk; bit 0: a link, bit 1: the last entry
 * @offset: first byte within the page; may exceed it
 * @length: bytes
 * @dma_address: what the device is told, after dma_map_sg()
 * @dma_length: bytes of the DMA segment; 0: nothing (merged into an earlier one)
 * @dma_flags: private to berth
 */
struct scatterlist {
	uintptr_t page_link;
	uint32_t offset;
	uint32_t length;
	dma_addr_t dma_address;
	uint32_t dma_length;
	uint32_t dma_flags;
};

#define SG_CHAIN 0x01UL
#define SG_END 0x02UL
#define SG_PAGE_LINK_MASK (SG_CHAIN | SG_END)

#define sg_dma_address(sg) ((sg)->dma_address)
#define sg_dma_len(sg) ((sg)->dma_length)

/** sg_is_chain() - whether an entry is a link to the next chunk. */
static inline bool sg_is_chain(const struct scatterlist *sg)
{
	return (sg->page_link & SG_CHAIN) != 0;
}

/** sg_is_last() - whether an entry is the end of its list. */
static inline bool sg_is_last(const struct scatterlist *sg)
{
	return (sg->page_link & SG_END) != 0;
}

/** sg_chain_ptr() - the chunk that a link leads to. */
static inline struct scatterlist *sg_chain_ptr(const struct scatterlist *sg)
{
	return (struct scatterlist *)(sg->page_link & ~SG_PAGE_LINK_MASK);
}

/** sg_page() - the page of an entry. */
static inline struct page *sg_page(const struct scatterlist *sg)
{
	return (struct page *)(sg->page_link & ~SG_PAGE_LINK_MASK);
}

/** sg_set_page() - make an entry describe @len bytes at @offset of @page; keeps the end mark. */
static inline void sg_set_page(struct scatterlist *sg, struct page *page, unsigned int len,
			       unsigned int offset)
{
	sg->page_link = (uintptr_t)page | (sg->page_link & SG_END);
	sg->offset = offset;
	sg->length = len;
}

/**
 * sg_set_buf() - make an entry describe memory of the linear map
 *
 * Memory that is not berth's leaves an entry without a page, which dma_map_sg() refuses.
 */
static inline void sg_set_buf(struct scatterlist *sg, const void *buf, unsigned int len)
{
	sg_set_page(sg, virt_to_page(buf), len, (unsigned int)offset_in_page(buf));
}

/** sg_phys() - the physical address of an entry. */
static inline phys_addr_t sg_phys(const struct scatterlist *sg)
{
	return page_to_phys(sg_page(sg)) + sg->offset;
}

/** sg_virt() - the linear map address of an entry, NULL for high memory. */
static inline void *sg_virt(const struct scatterlist *sg)
{
	return PageHighMem(sg_page(sg)) ? NULL : phys_to_virt(sg_phys(sg));
}

/** sg_mark_end() - make an entry the last one. */
static inline void sg_mark_end(struct scatterlist *sg)
{
	sg->page_link = (sg->page_link | SG_END) & ~SG_CHAIN;
}

/** sg_unmark_end() - make an entry not the last one. */
static inline void sg_unmark_end(struct scatterlist *sg)
{
	sg->page_link &= ~SG_END;
}

/** sg_init_table() - an empty list of @nents entries, the last one marked. @nents >= 1. */
void sg_init_table(struct scatterlist *sgl, unsigned int nents);

/** sg_init_one() - a list of one entry for memory of the linear map. */
void sg_init_one(struct scatterlist *sg, const void *buf, unsigned int len);

/** sg_chain() - make the last of @prv's @prv_nents entries a link to @sgl. */
void sg_chain(struct scatterlist *prv, unsigned int prv_nents, struct scatterlist *sgl);

/** sg_next() - the next entry; skips links; NULL at the end. */
struct scatterlist *sg_next(struct scatterlist *sg);

/** sg_last() - the last of @nents entries. */
struct scatterlist *sg_last(struct scatterlist *sgl, unsigned int nents);

/** sg_nents() - entries of a list, links not counted; 0 for NULL. */
int sg_nents(struct scatterlist *sg);

/** sg_nents_for_len() - entries that hold @len bytes; -EINVAL if the list is shorter. */
int sg_nents_for_len(struct scatterlist *sg, uint64_t len);

#define for_each_sg(sglist, sg, nr, i) \
	for ((i) = 0, (sg) = (sglist); (i) < (nr); (i)++, (sg) = sg_next(sg))

BERTH_END_DECLS

#ifdef BERTH_NO_SHORT_NAMES
#include <berth/names-off.h>
#endif
#endif
