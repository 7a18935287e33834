/* SPDX-License-Identifier: BSD-2-Clause */
/* dma_pool of a program that is built with BERTH_CHECKED; included by dmapool.h. See check-dma.h. */
#ifndef BERTH_CHECK_DMAPOOL_H
#define BERTH_CHECK_DMAPOOL_H

#include <berth/dmapool.h>

#include <berth/names.h>

BERTH_BEGIN_DECLS

struct dma_pool *berth_checked_pool_create(const char *name, struct device *dev, size_t size,
					   size_t align, size_t boundary);
void berth_checked_pool_destroy(struct dma_pool *pool);
void *berth_checked_pool_alloc(struct dma_pool *pool, gfp_t gfp, dma_addr_t *handle);
void berth_checked_pool_free(struct dma_pool *pool, void *vaddr, dma_addr_t addr);
struct dma_pool *berth_checked_pool_create_managed(const char *name, struct device *dev,
						   size_t size, size_t align, size_t boundary);
void berth_checked_pool_destroy_managed(struct dma_pool *pool);

BERTH_END_DECLS

#ifdef BERTH_CHECKED
#define berth_dma_pool_create berth_checked_pool_create
#define berth_dma_pool_destroy berth_checked_pool_destroy
#define berth_dma_pool_alloc berth_checked_pool_alloc
#define berth_dma_pool_zalloc(pool, gfp, handle) \
	berth_checked_pool_alloc(pool, (gfp) | __GFP_ZERO, handle)
#define berth_dma_pool_free berth_checked_pool_free
#define berth_dmam_pool_create berth_checked_pool_create_managed
#define berth_dmam_pool_destroy berth_checked_pool_destroy_managed
#endif

#ifdef BERTH_NO_SHORT_NAMES
#include <berth/names-off.h>
#endif
#endif
