// SPDX-License-Identifier: BSD-2-Clause
/*
 * The lists of free blocks per slot: how they are filled, emptied and counted. The way through them
 * that nearly all allocations take is inline, in berth/pcp.h.
 *
 * A list that is shut is empty and has no room; then everything goes to the zones.
 */
#include <berth/gfp.h>

#include "mm/internal.h"

#define COLUMNS BERTH_PCP_COLUMNS
#define LAST_LIST (7 * COLUMNS)
/*
 * A batch, and a full list on a machine with memory enough, in pages. A power of two, and batches
 * that fill a list: then what comes from the zone as one block mostly goes back as one.
 */
#define BATCH_PAGES 32u
#define FULL_PAGES 192u
/* A list holds no larger part of the memory than one in so many, by its column. */
static const uint16_t shares[COLUMNS] = { 64, 256, 256, 256, 256, 16, 1, 1 };
/* Turns in which who has a list is waited for. In an interrupt handler it may be for ever. */
#define TURNS 100000u

uintptr_t berth_pcp[BERTH_PORT_MAX_SLOTS + 1][2 * BERTH_PCP_LISTS] __attribute__((aligned(128)));
uintptr_t berth_pcp_rows[32];
struct page *berth_pcp_pages;
uint64_t berth_pcp_nr_pages;

static const uint8_t column_order[COLUMNS] = { 0, 1, 2, 3, 4, BERTH_PCP_LARGE_ORDER, 0, 0 };
#define NR_COLUMNS 6u

static uint8_t rows[32];
static uint16_t limits[COLUMNS];

/*
 * @is_open: whose lists have room
 * @nr_shut: how often all lists were shut, less how often that was undone
 */
static struct {
	spinlock_t lock;
	bool is_open[BERTH_PORT_MAX_SLOTS + 1];
	bool is_running;
	unsigned int nr_shut;
} slots;

_Static_assert(BERTH_PAGE_IN_USE == PG_USED && BERTH_PAGE_IN_LIST == PG_LISTED &&
		       MIGRATE_RECLAIMABLE == 2 && LAST_LIST <= BERTH_PCP_LISTS,
	       "berth/pcp.h");

static unsigned int column_of(unsigned int order)
{
	return order <= BERTH_PCP_MAX_ORDER	? order
	       : order == BERTH_PCP_LARGE_ORDER ? BERTH_PCP_MAX_ORDER + 1
						: NR_COLUMNS;
}

static unsigned int list_order(unsigned int list)
{
	return column_order[list % COLUMNS];
}

static struct zone *list_zone(unsigned int list)
{
	return &berth_zones[list / COLUMNS <= 3 ? ZONE_DMA32 : ZONE_NORMAL];
}

/* Rows 1 to 3 are the types in ZONE_DMA32, 4 to 6 those in ZONE_NORMAL; 0: no lists. */
static unsigned int row_of(unsigned int zone, unsigned int type)
{
	return zone == ZONE_DMA || zone == ZONE_HIGHMEM
		       ? 0
		       : (1 + (zone - ZONE_DMA32) * 3 + type) * COLUMNS;
}

static bool grab(uintptr_t *list, uintptr_t *head)
{
	*head = __atomic_exchange_n(list, BERTH_PCP_BUSY, __ATOMIC_ACQUIRE);
	return *head != BERTH_PCP_BUSY;
}

static bool grab_soon(uintptr_t *list, uintptr_t *head)
{
	for (unsigned int turn = 0; turn < TURNS; turn++) {
		if (grab(list, head))
			return true;
		berth_port_relax();
	}
	return false;
}

static void put_back(uintptr_t *list, uintptr_t head)
{
	__atomic_store_n(list, head, __ATOMIC_RELEASE);
}

bool berth_pcp_put_back(uintptr_t *list, uintptr_t head)
{
	list[BERTH_PCP_LISTS]++;
	put_back(list, head);
	return false;
}

/* Blocks that fit into a list which somebody has grabbed. */
static unsigned int room(const uintptr_t *list)
{
	return (unsigned int)list[BERTH_PCP_LISTS];
}

static bool is_open(unsigned int slot)
{
	return __atomic_load_n(&slots.is_open[slot], __ATOMIC_RELAXED);
}

/* Give the lists of the caller's slot room. False while all are to be shut. */
static bool open_lists(unsigned int slot)
{
	unsigned long irq;
	uintptr_t head;
	bool ok;

	spin_lock_irqsave(&slots.lock, irq);
	ok = slots.is_running && !slots.nr_shut;
	if (ok && !is_open(slot)) {
		unsigned int grabbed = COLUMNS;

		/* All or none: pages are counted by how much room is left. */
		while (grabbed < LAST_LIST && grab(&berth_pcp[slot][grabbed], &head))
			grabbed++;
		ok = grabbed == LAST_LIST;
		while (grabbed-- > COLUMNS) {
			if (ok)
				berth_pcp[slot][grabbed + BERTH_PCP_LISTS] =
					limits[grabbed % COLUMNS];
			put_back(&berth_pcp[slot][grabbed], 0);
		}
		if (ok)
			__atomic_store_n(&slots.is_open[slot], true, __ATOMIC_RELAXED);
	}
	spin_unlock_irqrestore(&slots.lock, irq);
	return ok;
}

/* Pages in the lists, but for those of one that somebody has for long. */
uint64_t berth_pcp_count(void)
{
	uint64_t pages = 0;
	unsigned long irq;

	spin_lock_irqsave(&slots.lock, irq);
	for (unsigned int slot = 1; slot <= BERTH_PORT_MAX_SLOTS; slot++)
		for (unsigned int n = COLUMNS; is_open(slot) && n < LAST_LIST; n++) {
			uintptr_t *list = &berth_pcp[slot][n];
			uintptr_t head;

			/* Of one that is not to be had, nothing is known. */
			if (!grab_soon(list, &head))
				continue;
			pages += (uint64_t)(limits[n % COLUMNS] - room(list)) << list_order(n);
			put_back(list, head);
		}
	spin_unlock_irqrestore(&slots.lock, irq);
	return pages;
}

/* Cut the first @nr blocks off a list that was grabbed; the rest is returned. */
static uintptr_t cut(uintptr_t head, unsigned int nr)
{
	struct page *page = (struct page *)head;
	uintptr_t rest;

	while (--nr)
		page = (struct page *)(uintptr_t)page->index;
	rest = (uintptr_t)page->index;
	page->index = 0;
	return rest;
}

static bool drain_list(unsigned int slot, unsigned int n, bool shut)
{
	uintptr_t *list = &berth_pcp[slot][n];
	uintptr_t head;

	/* Who shuts lists may sleep, so nobody waits for it while using one. */
	while (!grab_soon(list, &head))
		if (!shut)
			return false;
	list[BERTH_PCP_LISTS] = shut ? 0 : limits[n % COLUMNS];
	put_back(list, 0);
	berth_zone_give(list_zone(n), (struct page *)head);
	return head;
}

/* The lock of the slots is held. */
static bool drain_slot(unsigned int slot, bool shut)
{
	bool found = false;

	if (!is_open(slot))
		return false;
	if (shut)
		__atomic_store_n(&slots.is_open[slot], false, __ATOMIC_RELAXED);
	for (unsigned int list = COLUMNS; list < LAST_LIST; list++)
		found |= drain_list(slot, list, shut);
	return found;
}

bool berth_pcp_drain(void)
{
	bool found = false;
	unsigned long irq;

	spin_lock_irqsave(&slots.lock, irq);
	for (unsigned int slot = 1; slot <= BERTH_PORT_MAX_SLOTS; slot++)
		found |= drain_slot(slot, false);
	spin_unlock_irqrestore(&slots.lock, irq);
	return found;
}

void berth_pcp_shut(void)
{
	unsigned long irq;

	spin_lock_irqsave(&slots.lock, irq);
	slots.nr_shut++;
	for (unsigned int slot = 1; slot <= BERTH_PORT_MAX_SLOTS; slot++)
		drain_slot(slot, true);
	spin_unlock_irqrestore(&slots.lock, irq);
}

void berth_pcp_open(void)
{
	unsigned long irq;

	spin_lock_irqsave(&slots.lock, irq);
	slots.nr_shut--;
	spin_unlock_irqrestore(&slots.lock, irq);
}

void berth_slot_handle(unsigned int slot)
{
	unsigned long irq;

	spin_lock_irqsave(&slots.lock, irq);
	if (slots.is_running) {
		berth_slab_leave(slot);
		drain_slot(slot + 1, true);
	}
	spin_unlock_irqrestore(&slots.lock, irq);
}

/* How many blocks come and go at once. */
static unsigned int batch(unsigned int order, unsigned int most)
{
	unsigned int nr = BATCH_PAGES >> order ? BATCH_PAGES >> order : 1;

	return nr < most ? nr : most;
}

/* The caller's list of one number, NULL where there is none or it is shut. */
static uintptr_t *own_list(unsigned int row, unsigned int column)
{
	unsigned int slot = berth_port_slot() + 1;

	if (!row || !limits[column] || (!is_open(slot) && !open_lists(slot)))
		return NULL;
	return &berth_pcp[slot][row + column];
}

struct page *berth_pcp_alloc(gfp_t gfp, unsigned int order)
{
	unsigned int n = rows[gfp & 31] + column_of(order);
	uintptr_t *list = own_list(rows[gfp & 31], column_of(order));
	struct page *page = NULL;
	unsigned long irq;
	uintptr_t head;

	if (!list)
		return NULL;
	irq = berth_port_irq_save();
	if (grab(list, &head)) {
		if (!head && room(list)) {
			list[BERTH_PCP_LISTS] -= berth_zone_take(
				list_zone(n), order, (n / COLUMNS - 1) % 3,
				batch(order, room(list)),
				PG_LISTED | order | n << BERTH_PAGE_LIST_SHIFT, &page);
			head = (uintptr_t)page;
		}
		page = (struct page *)head;
		if (page) {
			head = (uintptr_t)page->index;
			list[BERTH_PCP_LISTS]++;
		}
		put_back(list, head);
	}
	berth_port_irq_restore(irq);
	if (page) {
		page->index = 0;
		__atomic_store_n(&page->refcount, 1, __ATOMIC_RELAXED);
		page_set_flags(page, PG_USED | order | n << BERTH_PAGE_LIST_SHIFT);
	}
	return page;
}

void berth_pcp_free(const struct berth_mem_map *bank, uint64_t pfn, unsigned int order)
{
	/* Without the lock: who isolates a page block that is no area's has shut the lists. */
	unsigned int type = __atomic_load_n(block_type(bank, pfn), __ATOMIC_RELAXED);
	unsigned int row = type <= MIGRATE_RECLAIMABLE ? row_of(zone_index(pfn), type) : 0;
	unsigned int n = row + column_of(order);
	uintptr_t *list = own_list(row, column_of(order));
	struct page *page = page_in(bank, pfn);
	uintptr_t head, spill = 0;
	unsigned long irq;

	if (!list) {
		berth_free_block(bank, pfn, order);
		return;
	}
	irq = berth_port_irq_save();
	if (grab(list, &head)) {
		if (!room(list) && head) {
			unsigned int nr = batch(order, limits[n % COLUMNS]);

			spill = head;
			head = cut(head, nr);
			list[BERTH_PCP_LISTS] += nr;
		}
		if (room(list)) {
			/* First: others may take it at once. */
			berth_port_poison(page_address(page), PAGE_SIZE << order);
			page->index = head;
			page_set_flags(page, PG_LISTED | order | n << BERTH_PAGE_LIST_SHIFT);
			head = (uintptr_t)page;
			list[BERTH_PCP_LISTS]--;
			page = NULL;
		}
		put_back(list, head);
	}
	berth_zone_give(list_zone(n), (struct page *)spill);
	berth_port_irq_restore(irq);
	if (page)
		berth_free_block(bank, pfn, order);
}

void berth_pcp_inline(bool open)
{
	for (gfp_t gfp = 0; gfp < 32; gfp++)
		__atomic_store_n(&berth_pcp_rows[gfp], open && berth_pcp_nr_pages ? rows[gfp] : 0,
				 __ATOMIC_RELAXED);
}

void berth_pcp_start(void)
{
	uint64_t pages = 0;
	unsigned int highest = ZONE_DMA;
	const struct berth_mem_map *largest = &berth_mem_map[0];

	for (unsigned int i = 0; i <= ZONE_NORMAL; i++) {
		pages += berth_zones[i].managed;
		if (berth_zones[i].managed)
			highest = i;
	}
	for (unsigned int i = 0; i < berth_nr_mem_maps; i++)
		if (berth_mem_map[i].nr > largest->nr && berth_mem_map[i].pfn < berth_high_pfn)
			largest = &berth_mem_map[i];
	for (unsigned int column = 0; column < NR_COLUMNS; column++) {
		unsigned int order = column_order[column];
		uint64_t most = pages / shares[column];

		if (column < 5 && most > FULL_PAGES)
			most = FULL_PAGES;
		if (most > BATCH_PAGES)
			most &= ~(uint64_t)(BATCH_PAGES - 1);
		most >>= order;
		limits[column] = (uint16_t)(column == 5 && most > 2 ? 2 : most);
	}
	for (gfp_t gfp = 0; gfp < 32; gfp++) {
		unsigned int zone = gfp & __GFP_DMA	? ZONE_DMA
				    : gfp & __GFP_DMA32 ? ZONE_DMA32
							: ZONE_NORMAL;

		zone = zone < highest ? zone : highest;
		/* Who may have high memory asks that zone first. */
		if (gfp & __GFP_HIGHMEM && berth_high_pfn != UINT64_MAX)
			zone = ZONE_HIGHMEM;
		rows[gfp] = (uint8_t)row_of(zone, berth_gfp_type(gfp));
	}
	/* Where memory is poisoned nothing is inline. */
	if (!berth_port_is_guarded()) {
		berth_pcp_pages = largest->pages;
		berth_pcp_nr_pages = largest->nr;
	}
	slots.is_running = true;
}

void berth_pcp_stop(void)
{
	unsigned long irq;

	spin_lock_irqsave(&slots.lock, irq);
	for (unsigned int slot = 1; slot <= BERTH_PORT_MAX_SLOTS; slot++)
		drain_slot(slot, true);
	slots.is_running = false;
	slots.nr_shut = 0;
	spin_unlock_irqrestore(&slots.lock, irq);
	berth_pcp_nr_pages = 0;
}
