/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Buffers that dma_alloc_*() has handed out, and the pools that they may come from.
 *
 * Locks; none is held while memory is taken or freed, and all are taken with interrupts away:
 *
 *   dma_pool->lock      groups of one dma_pool (pool.c)
 *   buffers.lock        the records of all buffers (buffers.c); a leaf
 *   coherent_pool->lock bitmap of one pool (device_pool.c); a leaf
 *   pools.lock          the list of those pools and who uses them (device_pool.c); a leaf
 *   atomic.lock         the atomic pools (atomic_pool.c); a leaf
 */
#ifndef BERTH_DMA_BUFFERS_H
#define BERTH_DMA_BUFFERS_H

#include <berth/dma-mapping.h>

struct coherent_pool;
struct atomic_chunk;

/* By whose function it was allocated, and is freed. */
enum dma_buffer_kind {
	DMA_BUFFER_COHERENT, /* dma_alloc_attrs(); its name is the CPU's address, or a cookie */
	DMA_BUFFER_PAGES, /* dma_alloc_pages(); its name is the first page */
	DMA_BUFFER_TABLE, /* dma_alloc_noncontiguous(); its name is the table */
};

/*
 * struct dma_buffer - what was handed out
 * @name: what its user calls it
 * @virt: the CPU's address
 * @page: the first page; NULL if the memory has none
 * @attrs: of a coherent buffer those that it was allocated with, of others their direction
 * @type: how the CPU sees it
 * @views: other mappings of it
 * @nr_taken: @nr with what fills up the IOMMU's last page
 * @pages: all pages, if they are scattered; else NULL
 * @is_mapped: an IOMMU leads to it
 * @is_single: its pages are to be taken one by one
 * @pool, @chunk: where it is from, if not from the allocators of pages
 */
struct dma_buffer {
	struct dma_buffer *next;
	const void *name;
	void *virt;
	struct page *page;
	struct device *dev;
	phys_addr_t phys;
	dma_addr_t addr;
	unsigned long nr;
	unsigned long nr_taken;
	unsigned long attrs;
	enum dma_buffer_kind kind;
	enum berth_memory_type type;
	uint32_t views;
	bool is_mapped;
	bool is_single;
	struct page **pages;
	struct coherent_pool *pool;
	struct atomic_chunk *chunk;
};

static inline size_t dma_buffer_size(const struct dma_buffer *buffer)
{
	return (size_t)buffer->nr << PAGE_SHIFT;
}

/* buffers.c */

/* Linux's zones are the implementation's business. */
#define DMA_ZONE_FLAGS (__GFP_DMA | __GFP_DMA32 | __GFP_HIGHMEM)

/*
 * A record for a legal request, in no list; NULL with the reason. @kind, @dev, @nr and @attrs are
 * filled in.
 */
struct dma_buffer *berth_buffer_new(enum dma_buffer_kind kind, struct device *dev, size_t size,
				    gfp_t gfp, unsigned long attrs);
/* From now on others may find it, by @name. */
void berth_buffer_add(struct dma_buffer *buffer, const void *name);
/*
 * Take a buffer out of the list if all is as it was handed out, and it has no views; the record is
 * the caller's to kfree(). NULL with the reason. TABLE: @addr is not compared.
 */
struct dma_buffer *berth_buffer_take(enum dma_buffer_kind kind, const struct device *dev,
				     size_t size, const void *name, dma_addr_t addr,
				     unsigned long attrs);
/*
 * A buffer by its name, with one view more, so that it stays. NULL with the reason. Only of COHERENT
 * are @addr and @attrs compared.
 */
struct dma_buffer *berth_buffer_view(enum dma_buffer_kind kind, const struct device *dev,
				     const void *name, dma_addr_t addr, unsigned long attrs);
void berth_buffer_unview(struct dma_buffer *buffer);
/* One view less of the table at a CPU address; false with the reason. */
bool berth_buffer_unview_at(const struct device *dev, const void *virt);
/* Whether a device has any. */
bool berth_buffers_any(const struct device *dev);
/* Forget all records. Return: bytes of buffers that are from a coherent_pool. */
uint64_t berth_buffers_reset(void);

/* coherent.c: pages for a buffer, from CMA or the page allocator: 0, or with the reason. */
int berth_buffer_take_pages(struct dma_buffer *buffer, gfp_t gfp);
void berth_buffer_put_pages(const struct dma_buffer *buffer);
/* An IOMMU leads to a buffer's memory, if one is in the way: 0, or with the reason. And back. */
int berth_buffer_map(struct dma_buffer *buffer, gfp_t gfp);
void berth_buffer_unmap(struct dma_buffer *buffer);

/* device_pool.c */

/*
 * The pool of a reservation, whole pages: outside the linear map, or (@is_linear) reserved in it.
 * NULL with the reason.
 */
struct coherent_pool *berth_coherent_pool_create(phys_addr_t phys, uint64_t size, bool is_linear);
/* The pool that a device's coherent memory comes from. 0, or -EBUSY if it has one. */
int berth_device_set_pool(struct device *dev, struct coherent_pool *pool);
/* The pool for the devices without one that do not see the caches; NULL: none. */
void berth_coherent_pool_set_default(struct coherent_pool *pool);
/* Memory of the device's own pool. 0, or with the reason. */
int berth_coherent_pool_take(struct coherent_pool *pool, struct dma_buffer *buffer);
/* Whether its memory is the device's own, which no IOMMU is before. */
bool berth_coherent_pool_is_declared(const struct dma_buffer *buffer);
/* Memory of the default pool; false, without a reason, if it cannot be had there. */
bool berth_default_pool_take(struct dma_buffer *buffer);
void berth_coherent_pool_put(const struct dma_buffer *buffer);
/* A device that has a pool has none any more: it goes, for one. */
void berth_coherent_pool_leave(struct device_private *p);
void berth_coherent_pools_stop(void);

/* atomic_pool.c */

/* Bytes that each of the pools begins with; 0: by how much RAM there is. While berth starts. */
void berth_atomic_pools_set_size(uint64_t bytes);
/* False, without a reason, if there is no room. */
bool berth_atomic_pool_take(struct dma_buffer *buffer);
void berth_atomic_pool_put(const struct dma_buffer *buffer);
/* Make the pools as large as they should be. May sleep. */
void berth_atomic_pools_fill(void);
void berth_atomic_pools_stop(void);

/* Runs of pages in a bitmap. */

/*
 * The first run of @nr clear bits of @size whose beginning, counted from @base, is a multiple of
 * @align; @size if there is none.
 */
uint64_t berth_find_clear_run(const uint64_t *map, uint64_t size, uint64_t nr, uint64_t base,
			      uint64_t align);

/* Start and stop of what is in this file's functions. */

/* Once devices are there: @any_noncoherent: there is one that does not see the caches. */
void berth_dma_start(bool any_noncoherent);
/* Bytes of pools that users have not given back; those of pages are counted where pages are. */
uint64_t berth_dma_stop(void);

#endif
