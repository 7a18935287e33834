/* SPDX-License-Identifier: BSD-2-Clause */
/**
 * DOC: highmem - memory outside the linear map, for a while at an address (linux/highmem.h)
 *
 * The boot argument highmem=SIZE keeps that much RAM, from the highest address down, out of the
 * linear map. alloc_pages() hands it out for __GFP_HIGHMEM only: such a page has no address
 * (page_address() is NULL), until kmap_local_page() gives it one. The DMA API maps and syncs it by
 * its physical address like any other. What needs a memory type of its own finds it here: vmap().
 */
#ifndef BERTH_HIGHMEM_H
#define BERTH_HIGHMEM_H

#include <berth/mm.h>
#include <berth/types.h>

#include <berth/names.h>

BERTH_BEGIN_DECLS

/**
 * kmap_local_page() - an address for a page
 *
 * The linear map's for a page that has one. Nests; each call has its own kunmap_local(), best by
 * the same thread. There are 16 addresses per slot (see port.h), and who finds none free takes
 * another slot's. Any context. Return: the address, cached; NULL if all are taken (TABLE_FULL, which
 * Linux does not know), if the page is mapped with another memory type (MAPPING), or if the port
 * cannot (MAPPING).
 */
void *kmap_local_page(struct page *page);

/**
 * kunmap_local() - give an address of kmap_local_page() back
 * @addr: any byte of the page at that address; NULL and the linear map are ignored
 *
 * Any context. Anything else is refused (NOT_OWNED).
 */
void kunmap_local(const void *addr);

/**
 * clear_highpage() - fill a page with zeroes
 *
 * Any context. Return: 0, or -ENOMEM with the reason of kmap_local_page(); Linux's returns nothing.
 */
int clear_highpage(struct page *page);

/** copy_highpage() - copy a page. Any context. Return: as clear_highpage(). */
int copy_highpage(struct page *to, struct page *from);

/** memcpy_from_page() - copy bytes out of a page. Any context. Return: as clear_highpage(). */
int memcpy_from_page(void *to, struct page *page, size_t offset, size_t len);

/** memcpy_to_page() - copy bytes into a page. Any context. Return: as clear_highpage(). */
int memcpy_to_page(struct page *page, size_t offset, const void *from, size_t len);

BERTH_END_DECLS

#ifdef BERTH_NO_SHORT_NAMES
#include <berth/names-off.h>
#endif
#endif
