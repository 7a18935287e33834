// SPDX-License-Identifier: BSD-2-Clause
/* How tables of an IOMMU come and go; pgtable.h says by which rules. */
#include "iommu/pgtable.h"

#include "lib/error.h"
#include "mm/internal.h"

static unsigned int table_order(const struct pgtable *pt)
{
	return pt->shape.page_shift - 12u;
}

uint64_t *berth_pgtable_new(struct pgtable *pt, dma_addr_t iova, unsigned int level, gfp_t gfp)
{
	struct page *page;
	uint64_t *table;

	if (pt->cfg.oas <= 32)
		gfp |= __GFP_DMA32;
	page = alloc_pages(gfp | __GFP_ZERO, table_order(pt));
	if (!page)
		return NULL;
	table = page_address(page);
	if (virt_to_phys(table) > pt->last_phys) {
		struct berth_error *error =
			berth_error_set(-ENOMEM, BERTH_REASON_MASK, "page table");

		error->address = virt_to_phys(table);
		error->limit = pt->last_phys;
		__free_pages(page, table_order(pt));
		return NULL;
	}
	page->index = table_key(pt, iova, level) << 32;
	__atomic_fetch_add(&pt->nr_tables, 1, __ATOMIC_RELAXED);
	clean_entries(pt, table, 1ULL << pt->shape.bits);
	berth_port_dma_wmb();
	return table;
}

static void free_page_of(struct pgtable *pt, struct page *page)
{
	page->index = 0;
	__free_pages(page, table_order(pt));
	__atomic_fetch_sub(&pt->nr_tables, 1, __ATOMIC_RELAXED);
}

uint64_t *berth_pgtable_other_count(const uint64_t *table)
{
	return &virt_to_page(table)->index;
}

void berth_pgtable_discard(struct pgtable *pt, uint64_t *table)
{
	free_page_of(pt, virt_to_page(table));
}

uint64_t berth_pgtable_marker(struct pgtable *pt)
{
	/* The low byte holds whatever could make it valid. */
	return __atomic_add_fetch(&pt->marker, 1, __ATOMIC_RELAXED) << 8;
}

void berth_pgtable_hint(struct pgtable *pt, uint64_t *table)
{
	uint64_t *count = count_of(pt, table), *hint = table;
	uint64_t key = __atomic_load_n(count, __ATOMIC_ACQUIRE) >> 32;

	if (table == pt->root || !has_quick_count(pt, table))
		return;
	__atomic_store_n(hint_at(pt, key), table, __ATOMIC_SEQ_CST);
	if (__atomic_load_n(count, __ATOMIC_SEQ_CST) & PGTABLE_DEAD)
		__atomic_compare_exchange_n(hint_at(pt, key), &hint, pt->root, false,
					    __ATOMIC_SEQ_CST, __ATOMIC_RELAXED);
}

/* Put a table on a chain, whose first page is at @first. */
static void chain_table(struct pgtable *pt, uint64_t *table, uint32_t *first)
{
	uint64_t *count = count_of(pt, table), *hint = table;
	uint64_t key = __atomic_load_n(count, __ATOMIC_RELAXED) >> 32;

	__atomic_compare_exchange_n(hint_at(pt, key), &hint, pt->root, false, __ATOMIC_SEQ_CST,
				    __ATOMIC_SEQ_CST);
	/* Late ones may still look whether it is dead. */
	__atomic_fetch_add(count, (*first - key) << 32, __ATOMIC_RELAXED);
	*first = (uint32_t)PFN_DOWN(virt_to_phys(table));
}

static void chain_all(struct pgtable *pt, uint64_t *table, unsigned int level, uint32_t *first)
{
	uint64_t *count = count_of(pt, table);

	__atomic_fetch_or(count, PGTABLE_DEAD, __ATOMIC_SEQ_CST);
	for (unsigned int i = 0; level && i < 1u << pt->shape.bits; i++) {
		uint64_t entry = read_entry(&table[i]);

		if (is_link(pt->format, entry, level))
			chain_all(pt, table_at(pt, entry), level - 1, first);
	}
	chain_table(pt, table, first);
}

static struct page *page_at(uint32_t pfn)
{
	struct page *page = pfn_to_page(pfn);

	if (!page)
		berth_port_panic("page tables: a chain is broken");
	return page;
}

static void free_chain(struct pgtable *pt, uint32_t first)
{
	while (first != NO_PAGE) {
		struct page *page = page_at(first);

		first = (uint32_t)(__atomic_load_n(&page->index, __ATOMIC_RELAXED) >> 32);
		free_page_of(pt, page);
	}
}

static bool is_anyone_inside(const struct pgtable_walkers *row)
{
	for (unsigned int i = 0; i <= BERTH_PORT_MAX_SLOTS; i++)
		if (__atomic_load_n(&row[i].inside, __ATOMIC_SEQ_CST))
			return true;
	return false;
}

void berth_pgtable_do_free_retired(struct pgtable *pt)
{
	unsigned long flags;
	uint32_t first;

	do {
		uint32_t *taken_out = pt->taken_out;
		struct pgtable_walkers *next;
		bool any;

		spin_lock_irqsave(&pt->lock, flags);
		do {
			first = NO_PAGE;
			any = taken_out[0] != NO_PAGE || taken_out[1] != NO_PAGE ||
			      taken_out[2] != NO_PAGE;
			next = pt->walkers[pt->now == pt->walkers[0]];
			if (!any || is_anyone_inside(next))
				break;
			__atomic_store_n(&pt->now, next, __ATOMIC_SEQ_CST);
			first = taken_out[2];
			taken_out[2] = taken_out[1];
			taken_out[1] = taken_out[0];
			taken_out[0] = NO_PAGE;
		} while (first == NO_PAGE);
		__atomic_store_n(&pt->has_retired, any, __ATOMIC_RELAXED);
		spin_unlock_irqrestore(&pt->lock, flags);
		free_chain(pt, first);
	} while (first != NO_PAGE);
}

/* The last page of a chain. */
static struct page *chain_end(uint32_t first)
{
	for (;;) {
		struct page *page = page_at(first);

		first = (uint32_t)(__atomic_load_n(&page->index, __ATOMIC_RELAXED) >> 32);
		if (first == NO_PAGE)
			return page;
	}
}

void berth_pgtable_retire(struct pgtable *pt, uint64_t *table, unsigned int level)
{
	uint32_t first = NO_PAGE, change;
	unsigned long flags;

	chain_all(pt, table, level, &first);
	spin_lock_irqsave(&pt->lock, flags);
	/* The last one's link is NO_PAGE; to it, from that, is the difference. */
	change = pt->taken_out[0] - NO_PAGE;
	__atomic_fetch_add(&chain_end(first)->index, (uint64_t)change << 32, __ATOMIC_RELAXED);
	pt->taken_out[0] = first;
	__atomic_store_n(&pt->has_retired, true, __ATOMIC_RELAXED);
	spin_unlock_irqrestore(&pt->lock, flags);
}

/* The entry that leads to a table of @level, and the table above; false if there is no such table. */
static bool find_link(struct pgtable *pt, dma_addr_t iova, unsigned int level, uint64_t **above,
		      uint64_t **entry)
{
	uint64_t *table = pt->root;

	for (unsigned int at = pt->top; at > level; at--) {
		*above = table;
		*entry = &table[table_index(pt, iova, at)];
		if (!is_link(pt->format, read_entry(*entry), at))
			return false;
		table = table_at(pt, read_entry(*entry));
	}
	return level < pt->top;
}

/*
 * If a table is empty, its link becomes a marker; the table is returned. Inside, and under the lock:
 * links to tables are taken away here only, but by who owns the addresses.
 */
static uint64_t *take_out(struct pgtable *pt, dma_addr_t iova, unsigned int level, uint64_t **above,
			  uint64_t **entry, uint64_t *marker)
{
	uint64_t *table = NULL, count, link;
	unsigned long flags;

	*marker = berth_pgtable_marker(pt);
	spin_lock_irqsave(&pt->lock, flags);
	if (find_link(pt, iova, level, above, entry)) {
		link = read_entry(*entry);
		if (is_link(pt->format, link, level + 1)) {
			table = table_at(pt, link);
			count = __atomic_load_n(count_of(pt, table), __ATOMIC_RELAXED);
			if ((uint32_t)count ||
			    !__atomic_compare_exchange_n(count_of(pt, table), &count,
							 count | PGTABLE_DEAD, false,
							 __ATOMIC_SEQ_CST, __ATOMIC_RELAXED))
				table = NULL;
			else
				__atomic_exchange_n(*entry, *marker, __ATOMIC_SEQ_CST);
		}
	}
	spin_unlock_irqrestore(&pt->lock, flags);
	return table;
}

/* The table of a place goes if it is empty, and those above it that are empty then. */
static void reap(struct pgtable *pt, uint64_t place)
{
	while (place) {
		unsigned int level = (unsigned int)(place / 2) & 3;
		dma_addr_t iova = (place >> 3) << level_shift(pt, level + 1);
		uint64_t *above = NULL, *entry = NULL, marker = 0, *table;
		struct visit visit;

		place = 0;
		visit_enter(&visit, pt);
		table = take_out(pt, iova, level, &above, &entry, &marker);
		if (table) {
			clean_entries(pt, entry, 1);
			flush_walk(pt, iova, table_size(pt, level));
			if (__atomic_compare_exchange_n(entry, &marker, 0, false, __ATOMIC_RELEASE,
							__ATOMIC_RELAXED) &&
			    (uint32_t)__atomic_sub_fetch(count_of(pt, above), 1,
							 __ATOMIC_ACQ_REL) == 0)
				place = place_of(pt, iova, level + 1);
		}
		visit_leave(&visit);
		if (table)
			berth_pgtable_retire(pt, table, 0);
	}
	berth_pgtable_free_retired(pt);
}

void berth_pgtable_settle(struct pgtable *pt, uint64_t place, bool now)
{
	if (!now)
		place = __atomic_exchange_n(kept_place(pt, place), place, __ATOMIC_RELAXED);
	if (place)
		reap(pt, place);
}

void berth_io_pgtable_trim(struct io_pgtable_ops *ops)
{
	struct pgtable *pt = container_of(ops, struct pgtable, ops);

	for (unsigned int i = 0; i < PGTABLE_KEPT; i++)
		reap(pt, __atomic_exchange_n(&pt->kept[i], 0, __ATOMIC_RELAXED));
	berth_pgtable_free_retired(pt);
}

unsigned int berth_io_pgtable_tables(struct io_pgtable_ops *ops)
{
	struct pgtable *pt = container_of(ops, struct pgtable, ops);

	return __atomic_load_n(&pt->nr_tables, __ATOMIC_RELAXED);
}

void berth_pgtable_free_all(struct pgtable *pt)
{
	unsigned int nr = 1u << (pt->cfg.ias - level_shift(pt, pt->top));
	uint32_t first = NO_PAGE;

	for (unsigned int i = 0; pt->top && i < nr; i++) {
		uint64_t entry = read_entry(&pt->root[i]);

		if (is_link(pt->format, entry, pt->top))
			chain_all(pt, table_at(pt, entry), pt->top - 1u, &first);
	}
	free_chain(pt, first);
	for (unsigned int i = 0; i < 3; i++)
		free_chain(pt, pt->taken_out[i]);
}
