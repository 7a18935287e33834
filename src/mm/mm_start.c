// SPDX-License-Identifier: BSD-2-Clause
/* Banks of RAM, the hand-over from memblock, and where the memory is. */
#include <berth/memblock.h>
#include <berth/mm.h>

#include "lib/error.h"
#include "lib/fault.h"
#include "lib/string.h"
#include "mm/internal.h"
#include "mm/vma.h"

struct berth_mem_map berth_mem_map[BERTH_MAX_BANKS];
unsigned int berth_nr_mem_maps;
uint64_t berth_nr_tables;

/* A bank is memory that touches no other and is in the linear map, or high. */
static int find_banks(struct berth_mem_map *banks, unsigned int *nr_banks)
{
	struct berth_range range;
	enum memblock_flags flags;

	*nr_banks = 0;
	for (unsigned int i = 0; berth_memblock_next(false, i, &range, &flags); i++) {
		uint64_t pfn = PFN_UP(range.base);
		uint64_t end = PFN_DOWN(range.base + range.size);

		if ((flags & MEMBLOCK_NOMAP) || pfn >= end)
			continue;
		if (end > NO_PAGE)
			return berth_fail_at(-EINVAL, BERTH_REASON_ARGUMENT, "memory above 16 TiB",
					     range.base);
		if ((flags & MEMBLOCK_HIGHMEM) && berth_high_pfn == UINT64_MAX)
			berth_high_pfn = pfn;
		if (*nr_banks == BERTH_MAX_BANKS)
			return berth_fail_limit(-ENOSPC, BERTH_REASON_TABLE_FULL, "banks of RAM", 0,
						BERTH_MAX_BANKS);
		banks[*nr_banks].pfn = pfn;
		banks[*nr_banks].nr = end - pfn;
		(*nr_banks)++;
	}
	if (!*nr_banks)
		return berth_fail(-EINVAL, BERTH_REASON_NO_MEMORY_NODE, "memblock");
	return 0;
}

static void add_free_memory(void)
{
	struct berth_range range;
	phys_addr_t cursor = 0;

	while (berth_memblock_next_free(&cursor, &range)) {
		uint64_t pfn = PFN_UP(range.base);
		uint64_t end = PFN_DOWN(range.base + range.size);

		/* Its address would be NULL, which means failure. */
		if (pfn < end && !phys_to_virt(PFN_PHYS(pfn)))
			pfn++;
		if (pfn < end)
			berth_pages_add(pfn, end - pfn);
	}
}

/* Where a test counts allocations nothing is inline. */
static void use_inline_ways(bool counted)
{
	berth_pcp_inline(!counted);
	berth_slab_inline(!counted);
}

int berth_mm_start(void)
{
	struct berth_mem_map banks[BERTH_MAX_BANKS];
	unsigned int nr_banks;
	int err;

	berth_zones_reset();
	err = find_banks(banks, &nr_banks);
	if (!err)
		err = berth_cma_prepare();
	if (err)
		return err;
	for (unsigned int i = 0; i < nr_banks; i++) {
		uint64_t nr_blocks = bank_nr_blocks(banks[i].pfn, banks[i].nr);

		uint64_t views = banks[i].pfn < berth_high_pfn ? 0 : 2 * banks[i].nr;

		banks[i].pages = memblock_alloc(
			banks[i].nr * sizeof(struct page) + 2 * nr_blocks + views, 64);
		if (!banks[i].pages)
			return berth_last_error()->code;
		memset(block_type(&banks[i], banks[i].pfn), MIGRATE_MOVABLE, (size_t)nr_blocks);
	}
	berth_memblock_freeze();
	memcpy(berth_mem_map, banks, nr_banks * sizeof(banks[0]));
	berth_nr_mem_maps = nr_banks;
	berth_cma_activate();
	add_free_memory();
	berth_zones_set_reserves();
	berth_pcp_start();
	berth_slab_start();
	berth_fault_on_change(use_inline_ways);
	return berth_highmem_start();
}

void berth_mm_stop(void)
{
	berth_cma_stop();
	berth_tenants_reset();
	berth_reclaim_reset();
	berth_vmalloc_reset();
	berth_ioremap_reset();
	berth_vma_shares_reset();
	berth_fault_on_change(NULL);
	use_inline_ways(true);
	/* First: then a thread that ends just now has nothing to give back. */
	berth_pcp_stop();
	berth_slab_stop();
	berth_nr_mem_maps = 0;
	memset(berth_mem_map, 0, sizeof(berth_mem_map));
	berth_highmem_stop();
	/* What the port still has goes with it. */
	__atomic_store_n(&berth_nr_tables, 0, __ATOMIC_RELAXED);
	berth_zones_reset();
}

/* Pages handed over, free, and free for CMA. */
static void count_pages(uint64_t *managed, uint64_t *nr_free, uint64_t *free_cma)
{
	*managed = *free_cma = 0;
	*nr_free = berth_pcp_count();
	for (unsigned int i = 0; i < NR_ZONES; i++) {
		struct zone *zone = &berth_zones[i];
		unsigned long flags;

		spin_lock_irqsave(&zone->lock, flags);
		*managed += zone->managed;
		*nr_free += zone->free;
		*free_cma += zone->free_cma;
		spin_unlock_irqrestore(&zone->lock, flags);
	}
}

uint64_t berth_managed_bytes(void)
{
	uint64_t managed, nr_free, free_cma;

	count_pages(&managed, &nr_free, &free_cma);
	return managed << PAGE_SHIFT;
}

void berth_memory_info(struct berth_memory_info *info)
{
	uint64_t managed, nr_free, free_cma, cma, cma_used;
	struct zone *high = &berth_zones[ZONE_HIGHMEM];
	unsigned long flags;

	count_pages(&managed, &nr_free, &free_cma);
	berth_cma_count(&cma, &cma_used);
	info->total = memblock_phys_mem_size();
	info->reserved = info->total - (managed << PAGE_SHIFT);
	info->free = nr_free << PAGE_SHIFT;
	info->free_cma = free_cma << PAGE_SHIFT;
	info->used = (managed - nr_free) << PAGE_SHIFT;
	info->cma_total = cma << PAGE_SHIFT;
	info->cma_used = cma_used << PAGE_SHIFT;
	info->slab = berth_slab_pages() << PAGE_SHIFT;
	info->tables = __atomic_load_n(&berth_nr_tables, __ATOMIC_RELAXED) << PAGE_SHIFT;
	info->atomic_reserve = 0;
	for (unsigned int i = 0; i < NR_ZONES; i++)
		info->atomic_reserve += berth_zones[i].reserve << PAGE_SHIFT;
	spin_lock_irqsave(&high->lock, flags);
	info->high = high->managed << PAGE_SHIFT;
	info->high_free = high->free << PAGE_SHIFT;
	spin_unlock_irqrestore(&high->lock, flags);
}

uint64_t berth_mm_leaked(void)
{
	uint64_t managed, nr_free, free_cma;

	count_pages(&managed, &nr_free, &free_cma);
	/* The port's tables are as many as its users' mappings need. */
	managed -= berth_slab_pages() + __atomic_load_n(&berth_nr_tables, __ATOMIC_RELAXED);
	return ((managed - nr_free) << PAGE_SHIFT) + berth_slab_live_bytes();
}

enum berth_page_use berth_page_use(uint64_t pfn)
{
	const struct berth_mem_map *bank = bank_of(pfn);
	uint64_t head;

	if (!bank)
		return memblock_is_memory(PFN_PHYS(pfn)) ? BERTH_PAGE_RESERVED : BERTH_PAGE_ABSENT;
	head = berth_block_head(bank, pfn);
	if (head == NO_PAGE)
		return BERTH_PAGE_USED;
	switch (page_state(&bank->pages[head - bank->pfn])) {
	case PG_RESERVED:
		return BERTH_PAGE_RESERVED;
	case PG_LISTED:
		return BERTH_PAGE_FREE;
	case PG_FREE:
		return is_cma_type(own_block_type(bank, pfn)) ? BERTH_PAGE_FREE_CMA
							      : BERTH_PAGE_FREE;
	case PG_SLAB:
	case PG_LARGE:
	case PG_META:
		return BERTH_PAGE_SLAB;
	case PG_CMA:
		return BERTH_PAGE_CMA;
	default:
		return PageMovable(&bank->pages[head - bank->pfn]) ? BERTH_PAGE_TENANT
								   : BERTH_PAGE_USED;
	}
}
