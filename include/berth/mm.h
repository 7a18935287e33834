/* SPDX-License-Identifier: BSD-2-Clause */
/**
 * DOC: mm - pages, and the places where one kind of address becomes another
 *
 * A page frame has 16 bytes of metadata (Linux: 64). Page numbers (pfn) count 4 KiB frames from
 * physical address 0. The conversions here are the only ones in berth.
 */
#ifndef BERTH_MM_H
#define BERTH_MM_H

#include <berth/errno.h>
#include <berth/port.h>
#include <berth/types.h>

#include <berth/names.h>

BERTH_BEGIN_DECLS

#define PAGE_SHIFT 12
#define PAGE_SIZE (1UL << PAGE_SHIFT)
#if ULONG_MAX > UINT32_MAX
#define PAGE_MASK (~(PAGE_SIZE - 1))
#else
/* Signed, so that an address of 64 bits keeps its upper half. */
#define PAGE_MASK ((long)~(PAGE_SIZE - 1))
#endif
#define PAGE_ALIGN(n) (((n) + PAGE_SIZE - 1) & ~(__typeof__((n) + PAGE_SIZE))(PAGE_SIZE - 1))
#define PFN_UP(n) (((n) + PAGE_SIZE - 1) >> PAGE_SHIFT)
#define PFN_DOWN(n) ((n) >> PAGE_SHIFT)
#define PFN_PHYS(n) ((phys_addr_t)(n) << PAGE_SHIFT)
#define offset_in_page(p) ((uintptr_t)(p) & ~PAGE_MASK)

/**
 * struct page - the state of one page frame
 * @flags: order, migrate type, memory type, user, lock; private to berth
 * @refcount: users of the page; a pin counts PAGE_PIN_BIAS; change by get_page() and put_page()
 * @state: both of them, for a change of both at once
 * @index: while used, free for the page's owner (a tenant, a driver)
 * @next: while free, a list link (page number)
 * @prev: while free, a list link (page number)
 */
struct page {
	__extension__ union {
		__extension__ struct {
			uint32_t flags;
			uint32_t refcount;
		};
		uint64_t state;
	};
	__extension__ union {
		uint64_t index;
		__extension__ struct {
			uint32_t next;
			uint32_t prev;
		};
	};
};

/**
 * struct berth_mem_map - the page array of one bank of RAM
 * @pages: struct page of @pfn
 * @pfn: first page of the bank
 * @nr: number of pages
 */
struct berth_mem_map {
	struct page *pages;
	uint64_t pfn;
	uint64_t nr;
};

#define BERTH_MAX_BANKS 16

/* The banks of RAM, sorted. Read only; all zero while berth is stopped. */
extern struct berth_mem_map berth_mem_map[BERTH_MAX_BANKS];
extern unsigned int berth_nr_mem_maps;

/** pfn_valid() - whether RAM of berth's lies at a page number. Any context. */
static inline bool pfn_valid(uint64_t pfn)
{
	for (unsigned int i = 0; i < berth_nr_mem_maps; i++)
		if (pfn - berth_mem_map[i].pfn < berth_mem_map[i].nr)
			return true;
	return false;
}

/**
 * pfn_to_page() - the metadata of a page number
 *
 * Any context. Return: never NULL for a @pfn for which pfn_valid() holds, else NULL.
 */
static inline struct page *pfn_to_page(uint64_t pfn)
{
	for (unsigned int i = 0; i < berth_nr_mem_maps; i++)
		if (pfn - berth_mem_map[i].pfn < berth_mem_map[i].nr)
			return &berth_mem_map[i].pages[pfn - berth_mem_map[i].pfn];
	return NULL;
}

/** page_to_pfn() - the page number of a struct page of berth's. Any context. */
static inline uint64_t page_to_pfn(const struct page *page)
{
	const struct berth_mem_map *map = berth_mem_map;

	while ((uintptr_t)page - (uintptr_t)map->pages >= map->nr * sizeof(*page))
		map++;
	return map->pfn + (uint64_t)(page - map->pages);
}

/** page_to_phys() - the physical address of a page. Any context. */
static inline phys_addr_t page_to_phys(const struct page *page)
{
	return PFN_PHYS(page_to_pfn(page));
}

/** phys_to_page() - the page at a physical address, NULL if there is no RAM. Any context. */
static inline struct page *phys_to_page(phys_addr_t phys)
{
	return pfn_to_page(PFN_DOWN(phys));
}

/**
 * virt_addr_valid() - whether a CPU address lies in the linear map of berth's RAM
 *
 * False for the stack, for the program's own malloc() and static memory, for vmalloc() memory and
 * for mappings of coherent memory. Any context.
 */
static inline bool virt_addr_valid(const void *virt)
{
	uint64_t at = (uintptr_t)virt - berth_port_linear.virt;

	return at < berth_port_linear.size && pfn_valid(PFN_DOWN(berth_port_linear.phys + at));
}

/** virt_to_phys() - the physical address behind a linear map address. Any context. */
static inline phys_addr_t virt_to_phys(const volatile void *virt)
{
	return berth_port_linear.phys + ((uintptr_t)virt - berth_port_linear.virt);
}

/** phys_to_virt() - the linear map address of a physical address. Any context. */
static inline void *phys_to_virt(phys_addr_t phys)
{
	return (void *)(berth_port_linear.virt + (uintptr_t)(phys - berth_port_linear.phys));
}

/** virt_to_page() - the page of a linear map address, NULL if it is not one. Any context. */
static inline struct page *virt_to_page(const void *virt)
{
	return virt_addr_valid(virt) ? phys_to_page(virt_to_phys(virt)) : NULL;
}

/** PageHighMem() - whether a page is high memory: above the linear map. Any context. */
static inline bool PageHighMem(const struct page *page)
{
	return page_to_phys(page) - berth_port_linear.phys >= berth_port_linear.size;
}

/** page_address() - the linear map address of a page, NULL for high memory. Any context. */
static inline void *page_address(const struct page *page)
{
	return PageHighMem(page) ? NULL : phys_to_virt(page_to_phys(page));
}

/** get_order() - the smallest order whose block holds @size bytes; 0 for 0 bytes. */
static inline unsigned int get_order(uint64_t size)
{
	unsigned int order = 0;

	while (order < 52 && (PAGE_SIZE << order) < size)
		order++;
	return order;
}

/** get_page() - one more user of a page that already has one. Any context. */
void get_page(struct page *page);

/**
 * put_page() - one user less; the last one frees the page
 *
 * Meant for order-0 pages; a block of higher order is freed by __free_pages(). Any context.
 */
void put_page(struct page *page);

/** page_count() - users of a page at this moment. Any context. */
static inline unsigned int page_count(const struct page *page)
{
	return __atomic_load_n(&page->refcount, __ATOMIC_RELAXED);
}

/**
 * struct berth_memory_info - where the memory is
 * @total: bytes of RAM
 * @reserved: bytes that nobody is given: reservations, page metadata, the port's image
 * @free: bytes in the page allocator, free CMA included
 * @free_cma: bytes free in CMA areas
 * @used: bytes allocated from the page allocator
 * @cma_total: bytes in CMA areas
 * @cma_used: bytes handed out by cma_alloc()
 * @slab: bytes of @used that kmalloc() holds
 * @atomic_reserve: bytes of @free that only those who may not sleep (GFP_ATOMIC) can have
 * @high: bytes of high memory that the page allocator has
 * @high_free: bytes of it that are free
 * @tables: bytes of @used that the port has for page tables, as long as mappings are split
 */
struct berth_memory_info {
	uint64_t total;
	uint64_t reserved;
	uint64_t free;
	uint64_t free_cma;
	uint64_t used;
	uint64_t cma_total;
	uint64_t cma_used;
	uint64_t slab;
	uint64_t atomic_reserve;
	uint64_t high;
	uint64_t high_free;
	uint64_t tables;
};

/** berth_memory_info() - fill @info; a snapshot if other threads allocate. Any context. */
void berth_memory_info(struct berth_memory_info *info);

/**
 * enum berth_page_use - what a page is doing, for pictures and reports
 */
enum berth_page_use {
	BERTH_PAGE_ABSENT, /* no RAM there */
	BERTH_PAGE_RESERVED, /* reserved at start, never handed out */
	BERTH_PAGE_FREE,
	BERTH_PAGE_FREE_CMA, /* free, in a CMA area */
	BERTH_PAGE_USED,
	BERTH_PAGE_SLAB, /* behind kmalloc() */
	BERTH_PAGE_CMA, /* handed out by cma_alloc() */
	BERTH_PAGE_TENANT, /* a tenant's: can be moved or given up */
	BERTH_PAGE_USES
};

/** berth_page_use() - what the page @pfn is doing at this moment. Any context. */
enum berth_page_use berth_page_use(uint64_t pfn);

BERTH_END_DECLS

#ifdef BERTH_NO_SHORT_NAMES
#include <berth/names-off.h>
#endif
#endif
