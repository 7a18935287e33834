/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The parts of dma-bufs and heaps. Order of locks: a buffer's reservation, then the heaps' list
 * (heap.c) or the table of files (fd.c), which are leaves. Under the reservation memory is allocated, mapped
 * and cleaned; nobody waits for a fence under it but who moves a buffer.
 */
#ifndef BERTH_DMA_BUF_DMA_BUF_H
#define BERTH_DMA_BUF_DMA_BUF_H

#include <berth/dma-buf.h>
#include <berth/dma-heap.h>
#include <berth/trace.h>

extern const struct file_operations berth_dma_buf_fops;

/* An event about all of a buffer. */
void berth_dma_buf_trace(enum berth_trace_kind kind, const struct dma_buf *dmabuf,
			 const struct device *dev, int detail);

/* Told of each buffer and attachment that is made; NULL: nobody is. */
extern void (*berth_dma_buf_made)(const void *object);

/* -ENODEV, with the reason, if the exporter has taken the buffer back; or 0. */
int berth_dma_buf_refuse_revoked(const struct dma_buf *dmabuf);

/* At berth_stop(): the heaps are forgotten, and /dev/sw_sync. */
void berth_dma_heaps_reset(void);
void berth_sw_sync_reset(void);

/* A sync file of that name for a fence, whose reference goes. Return: its number, or -ENOMEM; also of no fence. */
int berth_sync_file_install(struct dma_fence *fence, const char *name);

/* dma_resv_lock() without a context cannot fail. */
static inline void berth_dma_buf_lock(struct dma_buf *dmabuf)
{
	if (dma_resv_lock(dmabuf->resv, NULL))
		__builtin_unreachable();
}

#endif
