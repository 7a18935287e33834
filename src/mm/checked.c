// SPDX-License-Identifier: BSD-2-Clause
/*
 * Pages and mappings for the CPU, of checked programs: what is freed is seen here, as the allocator tells of it when it
 * likes; a page has one memory type, and who wants another one is told of.
 */
#include <berth/gfp.h>
#include <berth/io.h>
#include <berth/mm.h>
#include <berth/vmalloc.h>

#include "check/check.h"
#include "lib/error.h"

#include <berth/check-gfp.h>
#include <berth/check-io.h>
#include <berth/check-vmalloc.h>

#define HERE ((uintptr_t)__builtin_return_address(0))

/* With the last reference. */
static void note_freed(struct page *page, unsigned int order)
{
	if (berth_check_is_on() && page && !PageHighMem(page) && page_count(page) == 1)
		berth_check_freed((uintptr_t)page_address(page), PAGE_SIZE << order);
}

void berth_checked_free_block(struct page *page, unsigned int order)
{
	note_freed(page, order);
	__free_pages(page, order);
}

void berth_checked_free_block_at(unsigned long addr, unsigned int order)
{
	if (addr && virt_addr_valid((void *)addr))
		note_freed(virt_to_page((void *)addr), order);
	free_pages(addr, order);
}

/* The failure of before may be of the same kind. */
static bool is_type_error(void)
{
	return berth_last_error()->code == -EINVAL &&
	       berth_last_error()->reason == BERTH_REASON_MAPPING;
}

static void *note(void *virt, const void *at, size_t size, uintptr_t caller)
{
	const struct check_call call = {
		.name = "",
		.virt = (uintptr_t)at,
		.size = size,
		.caller = caller,
	};

	if (!virt && berth_check_is_on() && is_type_error())
		berth_check_refused(&call, BERTH_CHECK_MEMORY_TYPE);
	return virt;
}

static const void *linear_address(phys_addr_t phys)
{
	const void *virt = phys_to_virt(phys);

	return virt_addr_valid(virt) ? virt : NULL;
}

void __iomem *berth_checked_ioremap(phys_addr_t phys, size_t size)
{
	return note(ioremap(phys, size), linear_address(phys), size, HERE);
}

void __iomem *berth_checked_ioremap_wc(phys_addr_t phys, size_t size)
{
	return note(ioremap_wc(phys, size), linear_address(phys), size, HERE);
}

void *berth_checked_memremap(resource_size_t offset, size_t size, unsigned long flags)
{
	return note(memremap(offset, size, flags), linear_address(offset), size, HERE);
}

void *berth_checked_vmap(struct page **pages, unsigned int count, unsigned long flags,
			 pgprot_t prot)
{
	void *virt = vmap(pages, count, flags, prot);
	const bool has_address = !virt && pages && count && pages[0] && !PageHighMem(pages[0]);

	return note(virt, has_address ? page_address(pages[0]) : NULL, (size_t)count << PAGE_SHIFT,
		    HERE);
}
