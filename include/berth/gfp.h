/* SPDX-License-Identifier: BSD-2-Clause */
/**
 * DOC: gfp - the page allocator
 *
 * A buddy allocator of blocks of 2^order pages, naturally aligned, orders 0 to MAX_ORDER (8 MiB;
 * inclusive, as in Linux since 6.4). Each 2 MiB page block has a migrate type.
 */
#ifndef BERTH_GFP_H
#define BERTH_GFP_H

#include <berth/mm.h>
#include <berth/pcp.h>
#include <berth/types.h>

#include <berth/names.h>

BERTH_BEGIN_DECLS

#define MAX_ORDER 11
#define MAX_ORDER_NR_PAGES (1UL << MAX_ORDER)
#define pageblock_order 9
#define pageblock_nr_pages (1UL << pageblock_order)

#define __GFP_DMA ((gfp_t)0x01u) /* below 16 MiB */
#define __GFP_HIGHMEM ((gfp_t)0x02u) /* the caller needs no linear mapping */
#define __GFP_DMA32 ((gfp_t)0x04u) /* below 4 GiB */
#define __GFP_MOVABLE ((gfp_t)0x08u) /* the owner lets the page be moved */
#define __GFP_RECLAIMABLE ((gfp_t)0x10u) /* the owner gives the page back when asked */
#define __GFP_ZERO ((gfp_t)0x100u) /* filled with zeroes */
#define __GFP_DIRECT_RECLAIM ((gfp_t)0x400u) /* may sleep */
#define __GFP_NOWARN ((gfp_t)0x2000u) /* a failure is expected */

#define GFP_ATOMIC ((gfp_t)0u)
#define GFP_NOWAIT ((gfp_t)0u)
#define GFP_KERNEL __GFP_DIRECT_RECLAIM
#define GFP_DMA __GFP_DMA
#define GFP_DMA32 __GFP_DMA32

/** gfpflags_allow_blocking() - whether an allocation with @gfp may sleep */
static inline bool gfpflags_allow_blocking(gfp_t gfp)
{
	return (gfp & __GFP_DIRECT_RECLAIM) != 0;
}

/**
 * enum migratetype - what a 2 MiB page block is for (linux/mmzone.h)
 */
enum migratetype {
	MIGRATE_UNMOVABLE,
	MIGRATE_MOVABLE,
	MIGRATE_RECLAIMABLE,
	MIGRATE_CMA, /* lent to tenants only, until a device asks; never stolen */
	MIGRATE_CMA_GUARANTEED, /* lent for clean pages only; see docs/cma.md */
	MIGRATE_ISOLATE, /* being emptied: nothing is allocated from it */
	MIGRATE_TYPES
};

/**
 * alloc_pages() - a block of 2^@order pages
 * @gfp: GFP_KERNEL and kin; __GFP_DMA, __GFP_DMA32 limit the address
 * @order: 0 to MAX_ORDER
 *
 * Any context; sleeps only with __GFP_DIRECT_RECLAIM. The block is naturally aligned, its contents
 * are undefined without __GFP_ZERO, and its first page has one reference, the caller's, given back
 * by __free_pages(). Return: the first page, or NULL (berth_last_error(): OUT_OF_MEMORY, TOO_LARGE).
 */
static inline struct page *alloc_pages(gfp_t gfp, unsigned int order)
{
	struct page *page = berth_pcp_take(gfp, order);

	return page ? page : berth_do_alloc_pages(gfp, order);
}

/**
 * berth_alloc_pages_below() - alloc_pages() under an address limit
 * @limit: the highest address of the block's last byte
 */
struct page *berth_alloc_pages_below(gfp_t gfp, unsigned int order, phys_addr_t limit);

/** alloc_page() - one page; see alloc_pages(). */
static inline struct page *alloc_page(gfp_t gfp)
{
	return alloc_pages(gfp, 0);
}

/**
 * __free_pages() - give up the caller's reference to a block; the last one frees it
 * @page: what alloc_pages() returned; NULL is ignored
 * @order: as given to alloc_pages()
 *
 * Any context. A block that was not handed out like this is refused: nothing changes and
 * berth_last_error() says NOT_OWNED.
 */
static inline void __free_pages(struct page *page, unsigned int order)
{
	if (!berth_pcp_give(page, order))
		berth_do_free_pages(page, order);
}

/** __free_page() - __free_pages() of one page. */
static inline void __free_page(struct page *page)
{
	__free_pages(page, 0);
}

/**
 * __get_free_pages() - alloc_pages(), as an address in the linear map
 *
 * Return: the address, 0 on failure. Freed by free_pages().
 */
unsigned long __get_free_pages(gfp_t gfp, unsigned int order);

/** get_zeroed_page() - one zeroed page as an address in the linear map; 0 on failure. */
unsigned long get_zeroed_page(gfp_t gfp);

/** free_pages() - free what __get_free_pages() returned; 0 is ignored. Any context. */
void free_pages(unsigned long addr, unsigned int order);

/**
 * alloc_pages_exact() - as many pages as @size needs, in one piece
 * @size: bytes, rounded up to pages; up to those of a block of MAX_ORDER
 * @gfp: as for alloc_pages()
 *
 * What a block of pages has more than that is free again. Any context; sleeps only with
 * __GFP_DIRECT_RECLAIM. The pages are single ones with a reference each. Return: an address in the
 * linear map, or NULL (OUT_OF_MEMORY, TOO_LARGE; ARGUMENT: no size).
 */
void *alloc_pages_exact(size_t size, gfp_t gfp);

/**
 * free_pages_exact() - free what alloc_pages_exact() returned
 * @virt: what it returned; NULL is ignored
 * @size: as given to it
 *
 * Any context. With a page that was not handed out all is refused (NOT_OWNED).
 */
void free_pages_exact(void *virt, size_t size);

/**
 * split_page() - turn a block into 2^@order single pages, each with a reference of its own
 *
 * Any context. Afterwards each page is freed by itself.
 */
void split_page(struct page *page, unsigned int order);

/**
 * alloc_contig_range() - take exactly the pages [@start, @end), whoever of the tenants has them
 * @start: first page number; any alignment
 * @end: page number behind the last
 * @migratetype: MIGRATE_MOVABLE: the range is in no CMA area (for those there is cma_alloc())
 * @gfp: GFP_KERNEL
 *
 * May sleep: tenants' pages are moved or given up. The range is in one bank of RAM and one zone.
 * The pages become single pages with one reference each, contents undefined. Return: 0, or nothing
 * is taken and everything is as before: -EINVAL (ARGUMENT), -EBUSY (PAGE_BUSY: a page that cannot
 * be moved, or another such call in the same page block), -ENOMEM (NO_ROOM: nowhere to move to).
 */
int alloc_contig_range(unsigned long start, unsigned long end, unsigned int migratetype, gfp_t gfp);

/**
 * alloc_contig_pages() - @nr_pages contiguous pages, where that costs least
 *
 * As alloc_contig_range(), at the best place outside CMA areas. @gfp may limit the address. Return:
 * the first page or NULL (AREA_FULL, PAGE_BUSY, NO_ROOM). Freed by free_contig_range().
 */
struct page *alloc_contig_pages(unsigned long nr_pages, gfp_t gfp);

/**
 * free_contig_range() - free single pages of a range, or a part of it
 *
 * Any context. A range with a page that was not handed out is refused whole (NOT_OWNED).
 */
void free_contig_range(unsigned long pfn, unsigned long nr_pages);

BERTH_END_DECLS

#ifdef BERTH_CHECKED
#include <berth/check-gfp.h>
#endif

#ifdef BERTH_NO_SHORT_NAMES
#include <berth/names-off.h>
#endif
#endif
