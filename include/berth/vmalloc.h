/* SPDX-License-Identifier: BSD-2-Clause */
/**
 * DOC: vmalloc - memory that is contiguous for the CPU only (linux/vmalloc.h)
 *
 * Pages from anywhere behind one range of CPU addresses, with a page of no access on either side.
 * Such memory is outside the linear map, so the DMA API refuses its addresses (NOT_LINEAR): it
 * reaches a device page by page, through vmalloc_to_page() and a scatterlist. Meaning:
 * Documentation/core-api/memory-allocation.rst.
 */
#ifndef BERTH_VMALLOC_H
#define BERTH_VMALLOC_H

#include <berth/mm.h>
#include <berth/port.h>
#include <berth/types.h>

#include <berth/names.h>

BERTH_BEGIN_DECLS

/* What a range is, vmap()'s argument. */
#define VM_IOREMAP 0x00000001u /* device registers */
#define VM_ALLOC 0x00000002u /* vmalloc(): owns its pages */
#define VM_MAP 0x00000004u /* vmap(): pages of somebody else's */
#define VM_USERMAP 0x00000008u /* fit for user space: was zeroed */
#define VM_DMA_COHERENT 0x00000010u /* the CPU's view of dma_alloc_coherent() memory */
#define VM_MAP_PUT_PAGES 0x00000200u /* with VM_MAP: vfree() gives the pages up as well */

/* How a mapping treats its pages: Linux's page protection, of which a memory type is left. */
typedef enum berth_memory_type pgprot_t;
#define PAGE_KERNEL BERTH_MEMORY_CACHED

/** pgprot_writecombine() - @prot, but not cached, and writes may be merged */
static inline pgprot_t pgprot_writecombine(pgprot_t prot)
{
	(void)prot;
	return BERTH_MEMORY_WRITE_COMBINE;
}

/** pgprot_noncached() - @prot, but not cached */
static inline pgprot_t pgprot_noncached(pgprot_t prot)
{
	(void)prot;
	return BERTH_MEMORY_UNCACHED;
}

/**
 * vmalloc() - memory for the CPU, in pages from anywhere
 * @size: bytes, rounded up to pages
 *
 * High memory is used first, where there is some. May sleep. Return: the memory, page-aligned,
 * contents undefined, until vfree(); or NULL (TOO_LARGE: more than all RAM that berth has,
 * OUT_OF_MEMORY, MAPPING: no room for addresses).
 */
void *vmalloc(unsigned long size);

/** vzalloc() - vmalloc() filled with zeroes. */
void *vzalloc(unsigned long size);

/**
 * vfree() - give back what vmalloc() or vzalloc() returned
 * @addr: that address, or that of a vmap() with VM_MAP_PUT_PAGES; NULL is ignored
 *
 * May sleep. Anything else, and a second vfree(), is refused: nothing changes and
 * berth_last_error() says NOT_OWNED.
 */
void vfree(const void *addr);

/**
 * vmap() - pages of the caller's at contiguous CPU addresses
 * @pages: the pages, in the order in which they are to be seen; the array may go afterwards
 * @count: how many
 * @flags: VM_MAP; with VM_MAP_PUT_PAGES pages and array (of kvmalloc()) become vfree()'s to free
 * @prot: PAGE_KERNEL; for high memory pgprot_writecombine() and pgprot_noncached() of it, too
 *
 * The caller keeps its references; the pages must not go before the mapping. May sleep. Return: the
 * address, until vunmap(), or NULL (ARGUMENT, OUT_OF_MEMORY, MAPPING: no room, or a page that has
 * another memory type: all pages in the linear map are cached).
 */
void *vmap(struct page **pages, unsigned int count, unsigned long flags, pgprot_t prot);

/**
 * vunmap() - take a vmap() away; the pages stay the caller's
 * @addr: what vmap() returned; NULL is ignored
 *
 * May sleep. Anything else is refused (NOT_OWNED).
 */
void vunmap(const void *addr);

/** is_vmalloc_addr() - whether an address is in memory of vmalloc() or vmap(). Any context. */
bool is_vmalloc_addr(const void *addr);

/**
 * vmalloc_to_page() - the page behind an address of vmalloc() or vmap()
 *
 * Any context. Return: the page, without a reference; NULL if the address is none (NOT_OWNED).
 */
struct page *vmalloc_to_page(const void *addr);

/** vmalloc_to_pfn() - its page number; 0 if the address is none. Any context. */
unsigned long vmalloc_to_pfn(const void *addr);

BERTH_END_DECLS

#ifdef BERTH_CHECKED
#include <berth/check-vmalloc.h>
#endif

#ifdef BERTH_NO_SHORT_NAMES
#include <berth/names-off.h>
#endif
#endif
