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

#include <berth/gfp.h>
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
 * @dma_flags: SG_DMA_BUS_ADDRESS, and bits of berth's own; set when mapped
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

/* In @dma_flags: the address is one of a device's memory on its bus; nothing there is unmapped. */
#define SG_DMA_BUS_ADDRESS 0x1u

/* Entries of a chunk of a table: a page of them. */
#define SG_MAX_SINGLE_ALLOC (PAGE_SIZE / sizeof(struct scatterlist))

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

/* Tables: lists with their counts, in memory of berth's. */

/**
 * struct sg_table - a list and its two counts
 * @sgl: the list
 * @nents: DMA segments, once mapped; until then as @orig_nents
 * @orig_nents: entries of the list
 */
struct sg_table {
	struct scatterlist *sgl;
	unsigned int nents;
	unsigned int orig_nents;
};

/* Every entry of a table; every DMA segment of a mapped one. */
#define for_each_sgtable_sg(sgt, sg, i) for_each_sg((sgt)->sgl, sg, (sgt)->orig_nents, i)
#define for_each_sgtable_dma_sg(sgt, sg, i) for_each_sg((sgt)->sgl, sg, (sgt)->nents, i)

/* Memory for @nents entries, or NULL with a reason; and what takes it back. */
typedef struct scatterlist *sg_alloc_fn(unsigned int nents, gfp_t gfp);
typedef void sg_free_fn(struct scatterlist *sgl, unsigned int nents);

/**
 * sg_alloc_table() - a table of empty entries
 * @table: filled in
 * @nents: entries, at least 1
 * @gfp: GFP_KERNEL or GFP_ATOMIC
 *
 * The list is in chunks of SG_MAX_SINGLE_ALLOC entries, of which the last links to the next chunk;
 * sg_next() passes over it. Any context with GFP_ATOMIC. Return: 0, the table the caller's until
 * sg_free_table(); or -EINVAL (ARGUMENT), -ENOMEM (OUT_OF_MEMORY), and the table is empty.
 */
int BERTH_MUST_CHECK sg_alloc_table(struct sg_table *table, unsigned int nents, gfp_t gfp);

/** sg_free_table() - give a table's list back; not its pages. An empty one is ignored. Any context. */
void sg_free_table(struct sg_table *table);

/**
 * __sg_alloc_table() - sg_alloc_table() with memory from elsewhere
 * @table: filled in
 * @nents: entries, at least 1
 * @max_ents: entries of a chunk, at least 2
 * @first_chunk: memory for the first chunk, NULL if it comes from @alloc_fn
 * @nents_first_chunk: its entries, 0 if there is none
 * @gfp: handed to @alloc_fn
 * @alloc_fn: called for each chunk
 *
 * Return: 0, -EINVAL (ARGUMENT), or -ENOMEM; after that __sg_free_table() is still owed: for the
 * entries that the table has then.
 */
int __sg_alloc_table(struct sg_table *table, unsigned int nents, unsigned int max_ents,
		     struct scatterlist *first_chunk, unsigned int nents_first_chunk, gfp_t gfp,
		     sg_alloc_fn *alloc_fn);

/**
 * __sg_free_table() - give the chunks of __sg_alloc_table() back
 * @table: the table; empty afterwards
 * @max_ents: as given there
 * @nents_first_chunk: as given there: that chunk is not freed
 * @free_fn: called for each other chunk, with as many entries as were asked for
 * @num_ents: entries of the table, its @orig_nents
 */
void __sg_free_table(struct sg_table *table, unsigned int max_ents, unsigned int nents_first_chunk,
		     sg_free_fn *free_fn, unsigned int num_ents);

BERTH_END_DECLS

#ifdef BERTH_NO_SHORT_NAMES
#include <berth/names-off.h>
#endif
#endif
