/* SPDX-License-Identifier: BSD-2-Clause */
/**
 * DOC: dmapool - small pieces of coherent memory (linux/dmapool.h)
 *
 * A pool cuts pages of dma_alloc_coherent() into blocks of one size, for descriptors and the like.
 * Meaning: the section "DMA pools" of Documentation/core-api/dma-api.rst. Here are the limits of a
 * pool's geometry; the functions come with the pools themselves.
 */
#ifndef BERTH_DMAPOOL_H
#define BERTH_DMAPOOL_H

#include <berth/device.h>
#include <berth/types.h>

#include <berth/names.h>

BERTH_BEGIN_DECLS

struct dma_pool;

/* Smaller blocks are rounded up to this, so is an alignment of 0. */
#define BERTH_DMA_POOL_MIN_SIZE 4

BERTH_END_DECLS

#ifdef BERTH_NO_SHORT_NAMES
#include <berth/names-off.h>
#endif
#endif
