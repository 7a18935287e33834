/* SPDX-License-Identifier: BSD-2-Clause */
/**
 * DOC: cma - the contiguous memory allocator (linux/cma.h)
 *
 * An area is a range of page blocks that belongs to devices and is lent while they are idle.
 * Areas come from the device tree (``shared-dma-pool`` with ``reusable``) and from ``cma=`` in the
 * boot arguments.
 */
#ifndef BERTH_CMA_H
#define BERTH_CMA_H

#include <berth/mm.h>
#include <berth/types.h>

#include <berth/names.h>

BERTH_BEGIN_DECLS

#define MAX_CMA_AREAS 16
#define CMA_MIN_ALIGNMENT_BYTES (2UL << 20)

struct cma;

/**
 * cma_alloc() - @count contiguous pages
 * @cma: the area
 * @count: pages, 1 to the size of the area
 * @align: the first page number is a multiple of 2^@align
 * @no_warn: a failure is expected
 *
 * May sleep. The pages are single pages with one reference each, the caller's, until
 * cma_release(); their contents are undefined. Return: the first page or NULL
 * (berth_last_error(): AREA_FULL, PAGE_BUSY, ARGUMENT).
 */
struct page *cma_alloc(struct cma *cma, unsigned long count, unsigned int align, bool no_warn);

/**
 * cma_release() - give pages back to their area
 * @cma: the area
 * @pages: what cma_alloc() returned
 * @count: as given to cma_alloc(), or a part: any range of pages that were handed out
 *
 * May sleep. Return: false if @pages do not lie in @cma (the caller frees them elsewhere), or if
 * any of them was not handed out (NOT_OWNED); then nothing changes.
 */
bool cma_release(struct cma *cma, const struct page *pages, unsigned long count);

/** cma_get_base() - physical address of an area. */
phys_addr_t cma_get_base(const struct cma *cma);

/** cma_get_size() - bytes of an area. */
unsigned long cma_get_size(const struct cma *cma);

/** cma_get_name() - name of an area: its node's, or "default". */
const char *cma_get_name(const struct cma *cma);

/** cma_for_each_area() - call @it for every area until it returns non-zero; return that. */
int cma_for_each_area(int (*it)(struct cma *cma, void *data), void *data);

/** berth_cma_default() - the area for devices without one of their own; NULL if there is none. */
struct cma *berth_cma_default(void);

/**
 * cma_init_reserved_mem() - make an area of memory that memblock has reserved
 * @base: a multiple of CMA_MIN_ALIGNMENT_BYTES
 * @size: a multiple of CMA_MIN_ALIGNMENT_BYTES
 * @order_per_bit: 2^this pages are the smallest unit that is handed out
 * @name: copied
 * @res_cma: where the area goes
 *
 * While berth starts, before the page allocator; see berth_start(). Return: 0, -EINVAL
 * (ARGUMENT), -ENOSPC (TABLE_FULL).
 */
int cma_init_reserved_mem(phys_addr_t base, phys_addr_t size, unsigned int order_per_bit,
			  const char *name, struct cma **res_cma);

/**
 * struct berth_cma_stats - figures of one area
 */
struct berth_cma_stats {
	uint64_t pages;
	uint64_t used;
	uint64_t longest_free_run;
	uint64_t alloc_success;
	uint64_t alloc_fail;
};

/** berth_cma_stats() - fill @stats. May sleep. */
void berth_cma_stats(struct cma *cma, struct berth_cma_stats *stats);

BERTH_END_DECLS

#ifdef BERTH_NO_SHORT_NAMES
#include <berth/names-off.h>
#endif
#endif
