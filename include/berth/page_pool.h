/* SPDX-License-Identifier: BSD-2-Clause */
/**
 * DOC: page_pool - pages that stay mapped while they are recycled (net/page_pool.h)
 *
 * A network receive ring hands out the same pages again and again; the pool keeps their DMA
 * mapping and syncs only what the device will write. Meaning: Documentation/networking/page_pool.rst.
 * Here are the parameters; the functions come with the pool itself.
 */
#ifndef BERTH_PAGE_POOL_H
#define BERTH_PAGE_POOL_H

#include <berth/device.h>
#include <berth/dma-direction.h>
#include <berth/types.h>

#include <berth/names.h>

BERTH_BEGIN_DECLS

struct page;
struct page_pool;

#define PP_FLAG_DMA_MAP 0x1u /* the pool maps and unmaps its pages */
#define PP_FLAG_DMA_SYNC_DEV 0x2u /* and syncs them for the device when they come back */
#define PP_FLAG_PAGE_FRAG 0x4u /* pages are handed out in parts */

#define PP_ALLOC_CACHE_SIZE 128
#define PP_ALLOC_CACHE_REFILL 64

/**
 * struct page_pool_params - what a pool is like
 * @flags: PP_FLAG_*
 * @order: 2^this pages per allocation
 * @pool_size: entries of the ring that recycled pages wait in; a power of two
 * @nid: ignored: berth has one node
 * @dev: the device, for PP_FLAG_DMA_MAP
 * @dma_dir: DMA_FROM_DEVICE or DMA_BIDIRECTIONAL
 * @max_len: bytes to sync for the device, from @offset on
 * @offset: where the device starts to write
 * @init_callback: called once for each new page; may be NULL
 * @init_arg: handed to it
 */
struct page_pool_params {
	unsigned int flags;
	unsigned int order;
	unsigned int pool_size;
	int nid;
	struct device *dev;
	enum dma_data_direction dma_dir;
	unsigned int max_len;
	unsigned int offset;
	void (*init_callback)(struct page *page, void *arg);
	void *init_arg;
};

BERTH_END_DECLS

#ifdef BERTH_NO_SHORT_NAMES
#include <berth/names-off.h>
#endif
#endif
