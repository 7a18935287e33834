/* SPDX-License-Identifier: BSD-2-Clause */
/* page_pool of a program that is built with BERTH_CHECKED; included by page_pool.h. See check-dma.h. */
#ifndef BERTH_CHECK_PAGE_POOL_H
#define BERTH_CHECK_PAGE_POOL_H

#include <berth/page_pool.h>

#include <berth/names.h>

BERTH_BEGIN_DECLS

struct page *berth_checked_page_pool_alloc(struct page_pool *pool, gfp_t gfp);
struct page *berth_checked_page_pool_alloc_frag(struct page_pool *pool, unsigned int *offset,
						unsigned int size, gfp_t gfp);
void berth_checked_page_pool_put(struct page_pool *pool, struct page *page,
				 unsigned int dma_sync_size, bool allow_direct);
void berth_checked_page_pool_put_bulk(struct page_pool *pool, void **data, int count);
void berth_checked_page_pool_release(struct page_pool *pool, struct page *page);

BERTH_END_DECLS

#ifdef BERTH_CHECKED
#define berth_page_pool_alloc_pages berth_checked_page_pool_alloc
#define berth_page_pool_dev_alloc_pages(pool) \
	berth_checked_page_pool_alloc(pool, GFP_ATOMIC | __GFP_NOWARN)
#define berth_page_pool_alloc_frag berth_checked_page_pool_alloc_frag
#define berth_page_pool_dev_alloc_frag(pool, offset, size) \
	berth_checked_page_pool_alloc_frag(pool, offset, size, GFP_ATOMIC | __GFP_NOWARN)
#define berth_page_pool_put_page berth_checked_page_pool_put
#define berth_page_pool_put_full_page(pool, page, direct) \
	berth_checked_page_pool_put(pool, page, UINT_MAX, direct)
#define berth_page_pool_recycle_direct(pool, page) \
	berth_checked_page_pool_put(pool, page, UINT_MAX, true)
#define berth_page_pool_put_page_bulk berth_checked_page_pool_put_bulk
#define berth_page_pool_release_page berth_checked_page_pool_release
#endif

#ifdef BERTH_NO_SHORT_NAMES
#include <berth/names-off.h>
#endif
#endif
