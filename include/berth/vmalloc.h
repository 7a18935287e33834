/* SPDX-License-Identifier: BSD-2-Clause */
/**
 * DOC: vmalloc - memory that is contiguous for the CPU only (linux/vmalloc.h)
 *
 * Pages from anywhere behind one range of CPU addresses. Such memory is outside the linear map, so
 * the DMA API refuses its addresses (NOT_LINEAR): it reaches a device page by page, through a
 * scatterlist. Meaning: Documentation/core-api/memory-allocation.rst. Here are the flag bits of a
 * mapping; the functions come with the memory types of floor 2.
 */
#ifndef BERTH_VMALLOC_H
#define BERTH_VMALLOC_H

#include <berth/types.h>

#include <berth/names.h>

BERTH_BEGIN_DECLS

struct vm_struct;

/* What a range is, struct vm_struct's flags and vmap()'s argument. */
#define VM_IOREMAP 0x00000001u /* device registers */
#define VM_ALLOC 0x00000002u /* vmalloc(): owns its pages */
#define VM_MAP 0x00000004u /* vmap(): pages of somebody else's */
#define VM_USERMAP 0x00000008u /* fit for user space: was zeroed */
#define VM_DMA_COHERENT 0x00000010u /* the CPU's view of dma_alloc_coherent() memory */
#define VM_MAP_PUT_PAGES 0x00000200u /* with VM_MAP: vfree() gives the pages up as well */

BERTH_END_DECLS

#ifdef BERTH_NO_SHORT_NAMES
#include <berth/names-off.h>
#endif
#endif
