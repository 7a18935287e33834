/* SPDX-License-Identifier: BSD-2-Clause */
/**
 * DOC: dma-buf - one buffer, shared by devices and processes (linux/dma-buf.h)
 *
 * An exporter owns the memory; importers attach their devices and map it. Meaning:
 * Documentation/driver-api/dma-buf.rst, and include/uapi/linux/dma-buf.h for what user space sees.
 * Here are the numbers of that interface; the functions come with the buffers. A hosted
 * <linux/dma-buf.h> may be included as well.
 */
#ifndef BERTH_DMA_BUF_H
#define BERTH_DMA_BUF_H

#include <berth/dma-direction.h>
#include <berth/dma-fence.h>
#include <berth/dma-resv.h>
#include <berth/types.h>

#include <berth/names.h>

BERTH_BEGIN_DECLS

struct dma_buf;
struct dma_buf_attachment;

/* The flags of DMA_BUF_IOCTL_SYNC: who touches the bytes (READ, WRITE), and when. */
#ifndef DMA_BUF_SYNC_READ
#define DMA_BUF_SYNC_READ (1 << 0)
#endif
#ifndef DMA_BUF_SYNC_WRITE
#define DMA_BUF_SYNC_WRITE (2 << 0)
#endif
#ifndef DMA_BUF_SYNC_RW
#define DMA_BUF_SYNC_RW (DMA_BUF_SYNC_READ | DMA_BUF_SYNC_WRITE)
#endif
#ifndef DMA_BUF_SYNC_START
#define DMA_BUF_SYNC_START (0 << 2)
#endif
#ifndef DMA_BUF_SYNC_END
#define DMA_BUF_SYNC_END (1 << 2)
#endif
#ifndef DMA_BUF_SYNC_VALID_FLAGS_MASK
#define DMA_BUF_SYNC_VALID_FLAGS_MASK (DMA_BUF_SYNC_RW | DMA_BUF_SYNC_END)
#endif

/* Bytes of a buffer's name, the end mark included. */
#ifndef DMA_BUF_NAME_LEN
#define DMA_BUF_NAME_LEN 32
#endif

BERTH_END_DECLS

#ifdef BERTH_NO_SHORT_NAMES
#include <berth/names-off.h>
#endif
#endif
