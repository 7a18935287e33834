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

/* Tables of pages. */

/**
 * sg_alloc_table_from_pages_segment() - a table that describes a range of bytes in pages
 * @sgt: filled in
 * @pages: the pages, in order; of alloc_pages(), vmalloc_to_page(), pin_user_pages(), ...
 * @n_pages: how many
 * @offset: where the range begins in the first page, below PAGE_SIZE
 * @size: bytes, from 1 to what the pages hold
 * @max_segment: no entry is longer than this, rounded down to a page
 * @gfp: GFP_KERNEL or GFP_ATOMIC
 *
 * Physically adjacent pages become one entry. The pages stay the caller's. Any context with
 * GFP_ATOMIC. Return: 0, the table the caller's until sg_free_table(); or -EINVAL (ARGUMENT), -ENOMEM
 * (OUT_OF_MEMORY), and the table is empty.
 */
int BERTH_MUST_CHECK sg_alloc_table_from_pages_segment(struct sg_table *sgt, struct page **pages,
						       unsigned int n_pages, unsigned int offset,
						       unsigned long size, unsigned int max_segment,
						       gfp_t gfp);

/** sg_alloc_table_from_pages() - the same, entries of any length. */
static inline int BERTH_MUST_CHECK sg_alloc_table_from_pages(struct sg_table *sgt,
							     struct page **pages,
							     unsigned int n_pages,
							     unsigned int offset,
							     unsigned long size, gfp_t gfp)
{
	return sg_alloc_table_from_pages_segment(sgt, pages, n_pages, offset, size, UINT_MAX, gfp);
}

/**
 * struct sg_append_table - a table that grows; all zero is an empty one
 * @sgt: the table so far
 * @prv: its last entry
 * @total_nents: entries that there is memory for
 */
struct sg_append_table {
	struct sg_table sgt;
	struct scatterlist *prv;
	unsigned int total_nents;
};

/**
 * sg_alloc_append_table_from_pages() - append pages to a table
 * @sgt_append: the table
 * @pages: as for sg_alloc_table_from_pages_segment()
 * @n_pages: how many
 * @offset: 0 if the table is not empty
 * @size: bytes
 * @max_segment: no entry becomes longer, rounded down to a page
 * @left_pages: pages that later calls will bring, as a guess; 0: this is the last call
 * @gfp: GFP_KERNEL or GFP_ATOMIC
 *
 * Pages that follow the last entry in memory make it longer. The list has an end mark after the last
 * call only. Return: 0; -EINVAL (ARGUMENT; or the last call was made), -ENOMEM: the table describes
 * what it did before, and sg_free_append_table() is owed as ever.
 */
int BERTH_MUST_CHECK sg_alloc_append_table_from_pages(struct sg_append_table *sgt_append,
						      struct page **pages, unsigned int n_pages,
						      unsigned int offset, unsigned long size,
						      unsigned int max_segment,
						      unsigned int left_pages, gfp_t gfp);

/** sg_free_append_table() - give the list back; not its pages. Any context. */
void sg_free_append_table(struct sg_append_table *sgt_append);

/**
 * sgl_alloc_order() - a list with memory of its own
 * @length: bytes, at least 1
 * @order: in blocks of 2^this pages
 * @chainable: with one more entry at the end, for sg_chain()
 * @gfp: GFP_KERNEL and kin, for the blocks
 * @nent_p: where the number of blocks goes; may be NULL
 *
 * The last entry is as long as needed. Any context with GFP_ATOMIC. Return: the list, until
 * sgl_free_order(), or NULL (ARGUMENT, TOO_LARGE: the entries would not be one object of kmalloc(),
 * OUT_OF_MEMORY).
 */
struct scatterlist *sgl_alloc_order(unsigned long long length, unsigned int order, bool chainable,
				    gfp_t gfp, unsigned int *nent_p);

/** sgl_alloc() - sgl_alloc_order() of single pages. Freed by sgl_free(). */
static inline struct scatterlist *sgl_alloc(unsigned long long length, gfp_t gfp,
					    unsigned int *nent_p)
{
	return sgl_alloc_order(length, 0, false, gfp, nent_p);
}

/** sgl_free_n_order() - give back a list of sgl_alloc_order(), and its first @nents blocks. */
void sgl_free_n_order(struct scatterlist *sgl, int nents, int order);

/** sgl_free_order() - give back a list of sgl_alloc_order() and all its blocks. Any context. */
void sgl_free_order(struct scatterlist *sgl, int order);

/** sgl_free() - sgl_free_order() for sgl_alloc(). */
static inline void sgl_free(struct scatterlist *sgl)
{
	sgl_free_order(sgl, 0);
}

/**
 * sg_split() - the parts of a list as lists of their own
 * @in: the list
 * @in_mapped_nents: what dma_map_sg() returned, or 0: only the CPU side is split
 * @skip: bytes before the first part
 * @nb_splits: parts, at least 1
 * @split_sizes: their bytes, each at least 1
 * @out: where the lists go
 * @out_mapped_nents: where their numbers of DMA segments go; may be NULL without @in_mapped_nents
 * @gfp: GFP_KERNEL or GFP_ATOMIC
 *
 * The pages and the mapping stay those of @in; each list is the caller's until kfree(). Any context
 * with GFP_ATOMIC. Return: 0; or nothing is left: -EINVAL (ARGUMENT: @in is shorter; no part), -ENOMEM
 * (OUT_OF_MEMORY; TOO_LARGE: a list would not be one object of kmalloc()).
 */
int sg_split(struct scatterlist *in, int in_mapped_nents, int64_t skip, int nb_splits,
	     const size_t *split_sizes, struct scatterlist **out, int *out_mapped_nents, gfp_t gfp);

/* Page by page. */

/**
 * struct sg_page_iter - a page of a list
 * @sg: the entry
 * @sg_pgoffset: the page's number in it
 * @__nents: entries left
 * @__pg_advance: by how much the next step goes on
 */
struct sg_page_iter {
	struct scatterlist *sg;
	unsigned int sg_pgoffset;
	unsigned int __nents;
	int __pg_advance;
};

/**
 * struct sg_dma_page_iter - the same over the DMA segments of a mapped list
 * @base: as above
 */
struct sg_dma_page_iter {
	struct sg_page_iter base;
};

/** __sg_page_iter_start() - begin before page @pgoffset of a list of @nents entries. */
void __sg_page_iter_start(struct sg_page_iter *piter, struct scatterlist *sglist,
			  unsigned int nents, unsigned long pgoffset);

/** __sg_page_iter_next() - go to the next page; false at the end. */
bool __sg_page_iter_next(struct sg_page_iter *piter);

/** __sg_page_iter_dma_next() - go to the next page of a DMA segment; false at the end. */
bool __sg_page_iter_dma_next(struct sg_dma_page_iter *dma_iter);

/** sg_page_iter_page() - the page that an iterator is at; NULL if the entry has none. */
static inline struct page *sg_page_iter_page(const struct sg_page_iter *piter)
{
	struct page *page = sg_page(piter->sg);

	return page ? page + piter->sg_pgoffset : NULL;
}

/** sg_page_iter_dma_address() - what the device is told for the page that an iterator is at. */
static inline dma_addr_t sg_page_iter_dma_address(const struct sg_dma_page_iter *dma_iter)
{
	return sg_dma_address(dma_iter->base.sg) +
	       ((dma_addr_t)dma_iter->base.sg_pgoffset << PAGE_SHIFT);
}

/* From page @pgoffset of the list on. @nents: entries; @dma_nents: what dma_map_sg() returned. */
#define for_each_sg_page(sglist, piter, nents, pgoffset)                   \
	for (__sg_page_iter_start((piter), (sglist), (nents), (pgoffset)); \
	     __sg_page_iter_next(piter);)
#define for_each_sg_dma_page(sglist, dma_iter, dma_nents, pgoffset)                      \
	for (__sg_page_iter_start(&(dma_iter)->base, (sglist), (dma_nents), (pgoffset)); \
	     __sg_page_iter_dma_next(dma_iter);)
#define for_each_sgtable_page(sgt, piter, pgoffset) \
	for_each_sg_page((sgt)->sgl, piter, (sgt)->orig_nents, pgoffset)
#define for_each_sgtable_dma_page(sgt, dma_iter, pgoffset) \
	for_each_sg_dma_page((sgt)->sgl, dma_iter, (sgt)->nents, pgoffset)

/* The bytes. */

#define SG_MITER_ATOMIC 0x1u /* the caller does not sleep before sg_miter_stop() */
#define SG_MITER_TO_SG 0x2u /* it writes */
#define SG_MITER_FROM_SG 0x4u /* it reads */

/**
 * struct sg_mapping_iter - a piece of a list at an address; no piece crosses a page
 * @page: its page; NULL behind the end
 * @addr: its first byte
 * @length: bytes
 * @consumed: of those, how many the next step passes over; @length unless the caller lowers it
 * @piter: where it is
 * @__offset: first byte in the page
 * @__remaining: bytes of the page's piece that are left
 * @__flags: SG_MITER_*
 */
struct sg_mapping_iter {
	struct page *page;
	void *addr;
	size_t length;
	size_t consumed;
	struct sg_page_iter piter;
	unsigned int __offset;
	unsigned int __remaining;
	unsigned int __flags;
};

/** sg_miter_start() - begin before the first piece of a list of @nents entries. Any context. */
void sg_miter_start(struct sg_mapping_iter *miter, struct scatterlist *sgl, unsigned int nents,
		    unsigned int flags);

/** sg_miter_skip() - pass over @offset bytes. Return: false if the list has no so many. */
bool sg_miter_skip(struct sg_mapping_iter *miter, int64_t offset);

/**
 * sg_miter_next() - go to the next piece; the one before has no address any more
 *
 * Any context; a page of high memory has an address of kmap_local_page() until the next step. Return:
 * false at the end, @page is NULL then; or if the page can have no address just now, with the reason
 * of kmap_local_page(): then the call can be repeated.
 */
bool sg_miter_next(struct sg_mapping_iter *miter);

/** sg_miter_stop() - give the address up; sg_miter_next() goes on where it was. Any context. */
void sg_miter_stop(struct sg_mapping_iter *miter);

/**
 * sg_copy_buffer() - copy between a list and a buffer of the CPU's
 * @sgl: the list
 * @nents: its entries
 * @buf: the buffer, any memory
 * @buflen: its bytes
 * @skip: bytes of the list that are passed over first
 * @to_buffer: from the list into @buf, else the other way
 *
 * Any context. Return: bytes copied: less than @buflen if the list is shorter, or if a page can have
 * no address (the reason of kmap_local_page()).
 */
size_t sg_copy_buffer(struct scatterlist *sgl, unsigned int nents, void *buf, size_t buflen,
		      int64_t skip, bool to_buffer);

/** sg_pcopy_from_buffer() - from a buffer into a list, behind its first @skip bytes. */
size_t sg_pcopy_from_buffer(struct scatterlist *sgl, unsigned int nents, const void *buf,
			    size_t buflen, int64_t skip);

/** sg_pcopy_to_buffer() - from a list, behind its first @skip bytes, into a buffer. */
static inline size_t sg_pcopy_to_buffer(struct scatterlist *sgl, unsigned int nents, void *buf,
					size_t buflen, int64_t skip)
{
	return sg_copy_buffer(sgl, nents, buf, buflen, skip, true);
}

/** sg_copy_from_buffer() - from a buffer into a list. */
static inline size_t sg_copy_from_buffer(struct scatterlist *sgl, unsigned int nents,
					 const void *buf, size_t buflen)
{
	return sg_pcopy_from_buffer(sgl, nents, buf, buflen, 0);
}

/** sg_copy_to_buffer() - from a list into a buffer. */
static inline size_t sg_copy_to_buffer(struct scatterlist *sgl, unsigned int nents, void *buf,
				       size_t buflen)
{
	return sg_copy_buffer(sgl, nents, buf, buflen, 0, true);
}

/** sg_zero_buffer() - fill @buflen bytes of a list, behind its first @skip bytes, with zeroes. */
size_t sg_zero_buffer(struct scatterlist *sgl, unsigned int nents, size_t buflen, int64_t skip);

/* Addresses on a bus. */

/** sg_dma_is_bus_address() - whether the DMA address is one of a device's memory on its bus. */
static inline bool sg_dma_is_bus_address(const struct scatterlist *sg)
{
	return (sg->dma_flags & SG_DMA_BUS_ADDRESS) != 0;
}

/** sg_dma_mark_bus_address() - say so: unmapping passes over the entry. */
static inline void sg_dma_mark_bus_address(struct scatterlist *sg)
{
	sg->dma_flags |= SG_DMA_BUS_ADDRESS;
}

/** sg_dma_unmark_bus_address() - undo it. */
static inline void sg_dma_unmark_bus_address(struct scatterlist *sg)
{
	sg->dma_flags &= ~SG_DMA_BUS_ADDRESS;
}

BERTH_END_DECLS

#ifdef BERTH_NO_SHORT_NAMES
#include <berth/names-off.h>
#endif
#endif
