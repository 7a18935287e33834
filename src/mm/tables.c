// SPDX-License-Identifier: BSD-2-Clause
/* Pages that the port has for page tables while its mappings are split. */
#include <berth/gfp.h>

#include "mm/internal.h"

static uint64_t nr_tables;

phys_addr_t berth_table_alloc(void)
{
	struct page *page = alloc_page(GFP_ATOMIC);

	if (!page)
		return 0;
	__atomic_add_fetch(&nr_tables, 1, __ATOMIC_RELAXED);
	return page_to_phys(page);
}

void berth_table_free(phys_addr_t page)
{
	__atomic_sub_fetch(&nr_tables, 1, __ATOMIC_RELAXED);
	__free_page(phys_to_page(page));
}

uint64_t berth_tables_count(void)
{
	return __atomic_load_n(&nr_tables, __ATOMIC_RELAXED);
}

/* What the port still has goes with it. */
void berth_tables_reset(void)
{
	__atomic_store_n(&nr_tables, 0, __ATOMIC_RELAXED);
}
