/* SPDX-License-Identifier: BSD-2-Clause */
/**
 * DOC: dma-heap - buffers by the name of where they come from (linux/dma-heap.h)
 *
 * A heap makes buffers that devices share. These come with berth:
 *
 *   "system"      any pages; contiguous ones only if a device that is attached needs that
 *   "cma"         the default contiguous area
 *   "guaranteed"  the first area that is guaranteed (berth,guaranteed), whose allocations do not fail
 *   an area's own name, for each contiguous area
 *
 * Their buffers are cached by the CPU. Memory is allocated when the first device maps the buffer, or the
 * CPU first looks at it, within the reach of every device that is attached by then. A system buffer that a
 * device attached later cannot reach moves, if everybody who holds it lets it. Cache maintenance is
 * done exactly where bytes pass between a device that is coherent (or the CPU) and one that is not.
 */
#ifndef BERTH_DMA_HEAP_H
#define BERTH_DMA_HEAP_H

#include <berth/dma-buf.h>
#include <berth/types.h>

#include <berth/names.h>

BERTH_BEGIN_DECLS

struct dma_heap;

/* Flags of a buffer's: it is not zeroed, since its first user writes all of it. */
#define BERTH_HEAP_OVERWRITE 1ul
#define BERTH_HEAP_VALID_FLAGS BERTH_HEAP_OVERWRITE

/* ioctl() of /dev/dma_heap/NAME: the number and the layout of <linux/dma-heap.h>. */
#define BERTH_DMA_HEAP_IOCTL_ALLOC 0xc0184800u

/**
 * struct berth_dma_heap_allocation - argument of that request (struct dma_heap_allocation_data)
 * @len: bytes
 * @fd: out: the buffer's number
 * @fd_flags: BERTH_O_RDWR
 * @heap_flags: 0 or BERTH_HEAP_*
 */
struct berth_dma_heap_allocation {
	uint64_t len;
	uint32_t fd;
	uint32_t fd_flags;
	uint64_t heap_flags;
};

/**
 * struct dma_heap_ops - what a heap does
 * @allocate: a new buffer, or an ERR_PTR()
 */
struct dma_heap_ops {
	struct dma_buf *(*allocate)(struct dma_heap *heap, unsigned long len,
				    unsigned long fd_flags, unsigned long heap_flags);
};

/**
 * struct dma_heap_export_info - how a heap is registered
 * @name: unique; copied
 * @ops: its operations
 * @priv: its own
 */
struct dma_heap_export_info {
	const char *name;
	const struct dma_heap_ops *ops;
	void *priv;
};

/**
 * dma_heap_add() - register a heap; programs see it as /dev/dma_heap/NAME
 *
 * May sleep. Return: the heap, until berth_stop(); an ERR_PTR(): -EINVAL (ARGUMENT: no name, no ops, the name is
 * taken), -ENOMEM.
 */
struct dma_heap *dma_heap_add(const struct dma_heap_export_info *info);

/** dma_heap_get_drvdata() - what it was registered with as @priv */
void *dma_heap_get_drvdata(struct dma_heap *heap);

/** dma_heap_get_name() - its name */
const char *dma_heap_get_name(struct dma_heap *heap);

/** dma_heap_find() - by name, or NULL with the reason (ARGUMENT). Valid until berth_stop(). May sleep. */
struct dma_heap *dma_heap_find(const char *name);

/**
 * berth_dma_heap_each() - visit all heaps in the order in which they came
 *
 * May sleep. Return: what @visit returned last (not 0 ends it), or 0.
 */
int berth_dma_heap_each(int (*visit)(struct dma_heap *heap, void *data), void *data);

/**
 * dma_heap_buffer_alloc() - a new buffer of a heap
 * @heap: which
 * @len: bytes, rounded up to pages
 * @fd_flags: BERTH_O_RDWR
 * @heap_flags: 0 or BERTH_HEAP_*
 *
 * Zeroed unless BERTH_HEAP_OVERWRITE. May sleep. Return: the buffer with one reference; an ERR_PTR() with the reason:
 * -EINVAL for lengths and flags that make no sense, -ENOMEM for more than there is memory.
 */
struct dma_buf *dma_heap_buffer_alloc(struct dma_heap *heap, size_t len, unsigned int fd_flags,
				      unsigned int heap_flags);

/**
 * berth_dma_heaps_offer() - register /dev/dma_heap/NAME for every heap there is
 *
 * May sleep. Return: 0; -ENOMEM with some of them registered.
 */
int BERTH_MUST_CHECK berth_dma_heaps_offer(void);

BERTH_END_DECLS

#ifdef BERTH_NO_SHORT_NAMES
#include <berth/names-off.h>
#endif
#endif
