// SPDX-License-Identifier: BSD-2-Clause
/* Pages that the port has for page tables while its mappings are split. */
#include <berth/gfp.h>

#include "mm/internal.h"

phys_addr_t berth_table_alloc(void)
{
	struct page *page = alloc_page(GFP_ATOMIC);

	if (!page)
		return 0;
	__atomic_add_fetch(&berth_nr_tables, 1, __ATOMIC_RELAXED);
	return page_to_phys(page);
}

void berth_table_free(phys_addr_t page)
{
	__atomic_sub_fetch(&berth_nr_tables, 1, __ATOMIC_RELAXED);
	__free_page(phys_to_page(page));
}
