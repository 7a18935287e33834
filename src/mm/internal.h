/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What the files of src/mm/ share, and what berth_start() and berth_stop() call.
 *
 * Locks, in the order in which they may be taken:
 *
 *   cma->lock           bitmap of one area; never held while pages are taken or freed
 *   cma->pin_lock       who pinned pages of one area
 *   slots.lock          which slots' lists of free blocks are open; a list has a lock of its own
 *   slab_cache->lock    one size of kmalloc() objects; never held while pages are taken or freed
 *   descriptors.lock    the slabs' descriptors; likewise
 *   reclaimers.lock     which threads reclaim
 *   areas.lock          the ranges of vmalloc() and vmap(); a leaf
 *   mappings.lock       what ioremap() and memremap() have mapped; a leaf
 *   tenants.lock        the table of tenants
 *   zone->lock          free lists, types of page blocks and their isolation; of several zones,
 *                       the one of lower addresses first
 *
 * No lock is held while a function of a tenant's runs. All but the first are taken with interrupts
 * away. The flags of a page are written by whoever owns it: the zone's lock while it is free, its
 * user otherwise. Neighbours read them at any time. Of a tenant's page, bits come and go by atomic
 * operations (tenant.c, migrate.c): tenant and core both write.
 */
#ifndef BERTH_MM_INTERNAL_H
#define BERTH_MM_INTERNAL_H

#include <berth/cma.h>
#include <berth/error.h>
#include <berth/gfp.h>
#include <berth/migrate.h>
#include <berth/mm.h>
#include <berth/spinlock.h>

/* Start and stop. */

/*
 * Make the page allocator, kmalloc() and the CMA areas from what memblock knows. Called after
 * berth_port_ram() has built the linear map; from then on memblock can only be read.
 * Return: 0, or a negative errno value; then berth_mm_stop() is still owed.
 */
int berth_mm_start(void);

/* Forget everything but memblock. Legal at any time; pages still in use are simply gone. */
void berth_mm_stop(void);

/* Bytes that users have not given back: kmalloc() objects, pages, CMA. For berth_stop(). */
uint64_t berth_mm_leaked(void);

/* Bytes that were handed to the page allocator. */
uint64_t berth_managed_bytes(void);

/* Forget all regions; the next berth_start() begins with this. */
void berth_memblock_reset(void);

/* From now on memblock is read only. */
void berth_memblock_freeze(void);

/* Which area berth_cma_default() is; NULL for none. While berth starts. */
void berth_cma_set_default(struct cma *cma);

/*
 * struct page::flags: bits 0-3 order of a head, 4-7 state, 8-10 migrate type of a free head, 24-31
 * of a head the list per slot (berth/pcp.h) that it is in or came from, if any; of a tenant's page
 * (PG_USED, order 0) 16-23 the tenant's number, and the bits between.
 */
#define PG_ORDER 0x00fu
#define PG_STATE 0x0f0u
#define PG_TYPE_SHIFT 8
#define PG_TYPE 0x700u
#define PG_RETYPED 0x0800u /* out of the lists while its page block gets another type */
#define PG_ISOLATED 0x1000u /* its tenant has let isolate_page() succeed */
#define PG_EMPTYING 0x2000u /* isolated by whoever empties the range that it is in */
#define PG_CLEAN 0x4000u /* its tenant can give it up without I/O */
#define PG_REFERENCED \
	0x8000u /* a tenant's: mark_page_accessed() since the clock passed (reclaim.c) */
#define PG_UNCACHED 0x8000u /* nobody's: its linear mapping is not cached just now */
#define PG_TENANT_SHIFT 16
#define PG_TENANT 0xff0000u
#define PG_LIST (0xffu << BERTH_PAGE_LIST_SHIFT)

enum page_state {
	PG_RESERVED = 0x00, /* never handed to the allocator */
	PG_TAIL = 0x10, /* inside a block: its head says what it is */
	PG_FREE = 0x20, /* head of a block in a free list */
	PG_USED = 0x30, /* head of a block that alloc_pages() gave */
	PG_SLAB = 0x40, /* each page of a slab; index is its descriptor */
	PG_LARGE = 0x50, /* head of a large kmalloc(); index is its size */
	PG_META = 0x60, /* kmalloc()'s own records */
	PG_CMA = 0x70, /* each page that cma_alloc() gave */
	PG_LISTED = 0x80, /* head of a free block in a list of a slot's */
};

#define NO_PAGE UINT32_MAX

/* High memory lies above all of the others. */
enum { ZONE_DMA, ZONE_DMA32, ZONE_NORMAL, ZONE_HIGHMEM, NR_ZONES };

/*
 * struct zone - pages of one range of addresses, with their free lists
 * @orders: bit n is set when the list of order n is not empty, for each migrate type
 * @first: first block of a list
 * @managed: pages that were handed over
 * @free: pages in the lists
 * @free_cma: those of them in CMA page blocks
 * @free_isolated: those of them in page blocks that are being emptied
 * @reserve: pages outside of CMA that are kept for those who may not sleep
 */
struct zone {
	spinlock_t lock;
	uint32_t orders[MIGRATE_TYPES];
	uint32_t first[MAX_ORDER + 1][MIGRATE_TYPES];
	uint64_t managed;
	uint64_t free;
	uint64_t free_cma;
	uint64_t free_isolated;
	uint64_t reserve;
};

extern struct zone berth_zones[NR_ZONES];

/* The first page of high memory; UINT64_MAX if there is none. */
extern uint64_t berth_high_pfn;

static inline unsigned int zone_index(uint64_t pfn)
{
	return pfn >= berth_high_pfn	     ? ZONE_HIGHMEM
	       : pfn < PFN_DOWN(16ULL << 20) ? ZONE_DMA
	       : pfn < PFN_DOWN(4ULL << 30)  ? ZONE_DMA32
					     : ZONE_NORMAL;
}

static inline uint64_t min_u64(uint64_t a, uint64_t b)
{
	return a < b ? a : b;
}

static inline uint32_t page_flags(const struct page *page)
{
	return __atomic_load_n(&page->flags, __ATOMIC_RELAXED);
}

static inline void page_set_flags(struct page *page, uint32_t flags)
{
	__atomic_store_n(&page->flags, flags, __ATOMIC_RELAXED);
}

static inline uint32_t page_state(const struct page *page)
{
	return page_flags(page) & PG_STATE;
}

static inline struct page *page_in(const struct berth_mem_map *bank, uint64_t pfn)
{
	return &bank->pages[pfn - bank->pfn];
}

/* The bit is PG_REFERENCED for a tenant's page. */
static inline bool is_uncached(const struct page *page)
{
	return (page_flags(page) & (PG_UNCACHED | PG_TENANT)) == PG_UNCACHED;
}

static inline unsigned int page_order(const struct page *page)
{
	return page_flags(page) & PG_ORDER;
}

static inline bool is_head(const struct page *page, enum page_state state, unsigned int order)
{
	return (page_flags(page) & (PG_STATE | PG_ORDER)) == (state | order);
}

/* The bank of a page number, or NULL. */
static inline const struct berth_mem_map *bank_of(uint64_t pfn)
{
	for (unsigned int i = 0; i < berth_nr_mem_maps; i++)
		if (pfn - berth_mem_map[i].pfn < berth_mem_map[i].nr)
			return &berth_mem_map[i];
	return NULL;
}

/* A bank's page blocks, the first and last possibly cut off by the bank's ends. */
static inline uint64_t bank_nr_blocks(uint64_t pfn, uint64_t nr)
{
	return ((pfn + nr - 1) >> pageblock_order) - (pfn >> pageblock_order) + 1;
}

/* The migrate type of the page block around @pfn: a byte each, behind the bank's page array. */
static inline uint8_t *block_type(const struct berth_mem_map *bank, uint64_t pfn)
{
	return (uint8_t *)(bank->pages + bank->nr) +
	       ((pfn >> pageblock_order) - (bank->pfn >> pageblock_order));
}

static inline bool is_cma_type(unsigned int type)
{
	return type == MIGRATE_CMA || type == MIGRATE_CMA_GUARANTEED;
}

/*
 * Isolation of the page block around @pfn, a byte each behind the types: how many requests want it
 * isolated in the low 5 bits, and above them the type that it gets back.
 */
static inline uint8_t *block_isolation(const struct berth_mem_map *bank, uint64_t pfn)
{
	return block_type(bank, pfn) + bank_nr_blocks(bank->pfn, bank->nr);
}

#define ISOLATION_COUNT 0x1fu
#define ISOLATION_TYPE_SHIFT 5

static inline void set_block_type(const struct berth_mem_map *bank, uint64_t pfn, unsigned int type)
{
	__atomic_store_n(block_type(bank, pfn), (uint8_t)type, __ATOMIC_RELEASE);
}

/* The type that a page block has when nobody isolates it. Any lock or none: a snapshot. */
static inline unsigned int own_block_type(const struct berth_mem_map *bank, uint64_t pfn)
{
	unsigned int isolation, type;

	do {
		isolation = __atomic_load_n(block_isolation(bank, pfn), __ATOMIC_ACQUIRE);
		if (isolation)
			return isolation >> ISOLATION_TYPE_SHIFT;
		type = __atomic_load_n(block_type(bank, pfn), __ATOMIC_ACQUIRE);
	} while (type == MIGRATE_ISOLATE);
	return type;
}

/* Pages (alloc.c, page_alloc.c, page_ref.c). */

void berth_zones_reset(void);
/* Once all memory is there: what each zone keeps for those who may not sleep. */
void berth_zones_set_reserves(void);

/*
 * The pages [@pfn, @pfn + @nr) of one bank, never handed out before, become free; the types of
 * their page blocks have been set.
 */
void berth_pages_add(uint64_t pfn, uint64_t nr);

/* alloc_pages() without a record of the failure, all pages below page number @end. */
struct page *berth_try_pages(gfp_t gfp, unsigned int order, uint64_t end);

/* What page blocks @gfp asks for. */
unsigned int berth_gfp_type(gfp_t gfp);

/* A block of one zone, below page number @end, that leaves its reserve; it is still poisoned. */
struct page *berth_zone_alloc(struct zone *zone, gfp_t gfp, unsigned int order, uint64_t end);
/* The same for a tenant, of whatever block types @gfp allows. */
struct page *berth_zone_alloc_movable(struct zone *zone, gfp_t gfp, uint64_t end, uint32_t flags,
				      uint64_t index);

/* A page in use with these flags and this index, for a tenant; NULL without a record. */
struct page *berth_take_movable(gfp_t gfp, uint32_t flags, uint64_t index);

/*
 * Give the page block around @pfn another type, with all free memory in it. The zone's lock is held.
 */
void berth_retype_block(struct zone *zone, const struct berth_mem_map *bank, uint64_t pfn,
			unsigned int type);

/* First page number behind what @gfp allows. */
uint64_t berth_gfp_end(gfp_t gfp);

/* Free pages below @end that are not CMA's, in bytes: the limit of OUT_OF_MEMORY. */
uint64_t berth_free_bytes(uint64_t end);

/*
 * Take exactly the pages [@pfn, @pfn + @nr) of one bank out of the free lists: all of them or none.
 * They become single pages in state @state, each with one reference. Return: 0, -EINVAL if they
 * are not one bank's, or -EBUSY with *@busy the first page that is not free.
 */
int berth_take_free_range(uint64_t pfn, uint64_t nr, enum page_state state, uint64_t *busy);

/*
 * berth_take_free_range() for ordinary users: single used pages, none of them an area's. False with
 * *@busy, a page that stands in the way.
 */
bool berth_take_free_pages(uint64_t pfn, uint64_t nr, uint64_t *busy);

/*
 * Drop one reference of each of @nr single pages of one bank. They are freed in the largest blocks
 * possible; a page that somebody else still holds becomes an ordinary used page.
 */
void berth_put_range(uint64_t pfn, uint64_t nr);

/* A block of which nobody has a reference any more goes back to the lists. */
void berth_free_block(const struct berth_mem_map *bank, uint64_t pfn, unsigned int order);
/* Pages that are all PG_TAIL go back in the largest blocks possible. */
void berth_free_run(const struct berth_mem_map *bank, uint64_t pfn, uint64_t nr);

/* Page number of the head of the block that @pfn is in, or NO_PAGE if there is none. */
uint64_t berth_block_head(const struct berth_mem_map *bank, uint64_t pfn);

/* Pages from @pfn on that are free in one block; 0 if @pfn is not free. */
uint64_t berth_free_from(const struct berth_mem_map *bank, uint64_t pfn);

/* The bank of @page, or NULL if it is not a struct page of berth's. */
const struct berth_mem_map *berth_bank_of_page(const struct page *page);

/* Record NOT_OWNED. */
void berth_not_owned(const char *subject, uint64_t address, uint64_t pfn);

/*
 * Take up to @nr blocks for a list: a chain through struct page::index, their flags @flags. Return:
 * how many.
 */
unsigned int berth_zone_take(struct zone *zone, unsigned int order, unsigned int type,
			     unsigned int nr, uint32_t flags, struct page **first);
/* A chain of them goes back. */
void berth_zone_give(struct zone *zone, struct page *first);

/* Lists of free blocks per slot (pcp.c). */

void berth_pcp_start(void);
/* Whether the inline ways may be used. */
void berth_pcp_inline(bool open);
void berth_pcp_stop(void);
/* A block from the list that @gfp and @order ask for, else NULL; it is still poisoned. */
struct page *berth_pcp_alloc(gfp_t gfp, unsigned int order);
/* A block of which nobody has a reference any more goes to a list, or to the zone. */
void berth_pcp_free(const struct berth_mem_map *bank, uint64_t pfn, unsigned int order);
/* Pages in the lists: free, but not in struct zone::free. */
uint64_t berth_pcp_count(void);
/* All blocks go back to the zones; others may come at once. False if there were none. */
bool berth_pcp_drain(void);
/*
 * The same, and none comes until berth_pcp_open(): for who changes the types of page blocks under
 * the zone's lock and must see all that is free in them. Nests. No lock is held.
 */
void berth_pcp_shut(void);
void berth_pcp_open(void);

/* kmalloc() (slab.c). */

void berth_slab_start(void);
void berth_slab_stop(void);
/* Whether kmalloc() may be inline. */
void berth_slab_inline(bool open);
/* Give back the empty slabs that are kept for the next kmalloc(). False if there were none. */
bool berth_slab_shrink(void);
/* A slot ends: its slabs go to whoever needs them. */
bool berth_slab_leave(unsigned int slot);
/* Pages that kmalloc() holds, and bytes of them that users hold. */
uint64_t berth_slab_pages(void);
uint64_t berth_slab_live_bytes(void);

/* Tenants and migration (tenant.c, migrate.c, pin.c). */

#define BERTH_WAIT_NS 10000000u /* how long one may wait for passing references to a page */

void berth_tenants_reset(void);
/* Whether there ever was one since berth_start(). */
bool berth_have_tenants(void);
/* Change the bits @mask of a tenant's page to @bits. False if it is not one. */
bool berth_change_page_flags(struct page *page, uint32_t mask, uint32_t bits);

/* The tenant behind a page's flags, its functions kept from going; NULL if it has gone. */
const struct movable_operations *berth_tenant_get(uint32_t flags);
void berth_tenant_put(uint32_t flags);
/* A name for reports; "" if there is no tenant. */
const char *berth_tenant_name(uint32_t flags);

/* Let some time pass: @turn counts from 0, later turns sleep. */
void berth_pause(unsigned int turn);

/*
 * Ask a page's tenant to isolate it, and mark it PG_ISOLATED with @mark. The caller has a reference
 * of its own afterwards. -EAGAIN: it is isolated by somebody, or just not there; -EBUSY: the tenant
 * refuses, or there is none.
 */
int berth_isolate_page(struct page *page, uint32_t mark, enum migrate_mode mode);
/* Undo: the tenant's putback_page(), and the caller's reference goes. */
void berth_putback_page(struct page *page);
/* After reclaim_page() or a move: no mark, and the caller's reference goes. */
void berth_isolated_done(struct page *page);
/* The isolated page is given up by its tenant: only the caller's reference is left. */
bool berth_reclaim_page(struct page *page);
/*
 * Move @nr isolated pages of one tenant to @dst (berth_migration_target()). Each may have @extra
 * references besides the tenant's and the isolator's. They lose all, the targets have @refs.
 * Return: how many of the first ones were moved; those are free, the others as before.
 */
unsigned int berth_migrate_isolated(struct page **dst, struct page **src, unsigned int nr,
				    uint32_t extra, uint32_t refs, enum migrate_mode mode);
/* A page to move to: outside of CMA, one reference, no tenant yet. */
struct page *berth_migration_target(gfp_t gfp);
/* Drop a reference that was taken with get_page_unless_zero(). */
void berth_drop_page(struct page *page);
/* Whether a page is a tenant's. */
static inline bool has_tenant(uint32_t flags)
{
	return (flags & (PG_STATE | PG_ORDER)) == PG_USED && flags & PG_TENANT;
}

/* Reclaim (reclaim.c). */

/*
 * Clean pages outside of CMA that could be given up, and give up @nr of them; return how many. The
 * second is for task context.
 */
uint64_t berth_clean_pages(uint64_t max);
uint64_t berth_drop_clean_pages(uint64_t nr);
/* For an allocation, of pages below @end: none is written if others are clean. */
uint64_t berth_reclaim_below(gfp_t gfp, uint64_t nr, uint64_t end);

/* The next sweep begins with the first page: so a run is like the one before. */
void berth_reclaim_reset(void);

/* Isolation of page blocks (isolate.c). */

/*
 * No page of the page blocks around [@pfn, @pfn + @nr) is handed out until the undo. Those of CMA
 * areas may be isolated by several at once, whose ranges do not meet; others by one: -EBUSY, and
 * *@busy a page of the block. Each page block of the range is a CMA area's if @cma, else none is.
 */
int berth_isolate_blocks(uint64_t pfn, uint64_t nr, bool cma, uint64_t *busy);
void berth_unisolate_blocks(uint64_t pfn, uint64_t nr);

/* Taking a range from tenants (contig.c). */

/* struct contig - what became of a request; @busy and @displaced, @room say why it failed */
struct contig {
	uint64_t busy;
	uint64_t displaced;
	uint64_t room;
	uint64_t migrated;
	uint64_t dropped;
	uint64_t written;
	uint64_t retries;
};

/*
 * The pages [@pfn, @pfn + @nr) of one bank are emptied and taken as single pages in state @state.
 * Nobody else does the same for a range that meets this one, or it is not @cma. Return: 0, -EBUSY
 * (a page), -ENOMEM (no room), with everything put back.
 */
int berth_contig_take(uint64_t pfn, uint64_t nr, enum page_state state, bool cma,
		      struct contig *contig);

/* Pages that the tenants in a range could write away now, clean ones not counted. */
uint64_t berth_tenants_room(uint64_t pfn, uint64_t nr);

/* High memory and memory types (highmem.c). */

/* Once the page arrays are there. */
int berth_highmem_start(void);
void berth_highmem_stop(void);
/* False with the reason. */
bool berth_clear_high(struct page *page, unsigned int order);

/* Begin a mapping of a page, which must be of the type of the others: 0, or with the reason. */
int berth_view_get(struct page *page, enum berth_memory_type type);
void berth_view_put(struct page *page);
/* berth_port_remap() of pages in the linear map: as long, they have no other mapping. */
void *berth_pages_remap(struct page *page, uint64_t nr, enum berth_memory_type type);
void berth_pages_unremap(void *virt, struct page *page, uint64_t nr);

/* Pages that the port has for page tables (tables.c, which a test of a port may replace). */
extern uint64_t berth_nr_tables;

/* Mappings outside the linear map (vmalloc.c, ioremap.c). */

/* They are gone with the port's addresses. */
void berth_vmalloc_reset(void);
void berth_ioremap_reset(void);

/* CMA (cma.c). */

/* Only clean pages are lent from now on: allocations never copy. While berth starts. */
void berth_cma_set_guaranteed(struct cma *cma);
/* What holds a page, for a message. */
const char *berth_page_holder(uint64_t pfn);
/* Keep, and forget, who pinned a page; nothing for a page of no area. */
void berth_cma_pinned(uint64_t pfn, const char *who);
void berth_cma_unpinned(uint64_t pfn);

/* Memory for the bitmaps, from memblock. */
int berth_cma_prepare(void);
/* Page blocks become MIGRATE_CMA, their pages free. */
void berth_cma_activate(void);
void berth_cma_stop(void);
/* Pages in areas, and pages that cma_alloc() has given. */
void berth_cma_count(uint64_t *pages, uint64_t *used);

#endif
