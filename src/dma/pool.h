/* SPDX-License-Identifier: BSD-2-Clause */
/* What managed.c asks a pool. */
#ifndef BERTH_DMA_POOL_H
#define BERTH_DMA_POOL_H

#include <berth/dmapool.h>

struct device *berth_dma_pool_device(const struct dma_pool *pool);
/* Bytes of a block. */
size_t berth_dma_pool_block(const struct dma_pool *pool);
/* Bytes of blocks that are out. */
uint64_t berth_dma_pool_used(struct dma_pool *pool);

#endif
