/* SPDX-License-Identifier: BSD-2-Clause */
/**
 * DOC: dma-resv - the fences of a buffer, by use (linux/dma-resv.h)
 *
 * Who works on a shared buffer leaves a fence here, and who wants to work on it waits for those
 * that matter. Meaning: the section "Reservation Objects" of Documentation/driver-api/dma-buf.rst.
 * Here are the kinds of use; the functions come with the reservation objects.
 */
#ifndef BERTH_DMA_RESV_H
#define BERTH_DMA_RESV_H

#include <berth/dma-fence.h>
#include <berth/types.h>

#include <berth/names.h>

BERTH_BEGIN_DECLS

struct dma_resv;

/**
 * enum dma_resv_usage - what a fence is about; a query for one kind finds the kinds above it too
 * @DMA_RESV_USAGE_KERNEL: memory management: everybody waits for it, always
 * @DMA_RESV_USAGE_WRITE: somebody writes
 * @DMA_RESV_USAGE_READ: somebody reads
 * @DMA_RESV_USAGE_BOOKKEEP: keeps the memory alive; no implicit waiting
 */
enum dma_resv_usage {
	DMA_RESV_USAGE_KERNEL,
	DMA_RESV_USAGE_WRITE,
	DMA_RESV_USAGE_READ,
	DMA_RESV_USAGE_BOOKKEEP,
};

/** dma_resv_usage_rw() - what to wait for: a writer for readers too, a reader for writers. */
static inline enum dma_resv_usage dma_resv_usage_rw(bool write)
{
	return write ? DMA_RESV_USAGE_READ : DMA_RESV_USAGE_WRITE;
}

BERTH_END_DECLS

#ifdef BERTH_NO_SHORT_NAMES
#include <berth/names-off.h>
#endif
#endif
