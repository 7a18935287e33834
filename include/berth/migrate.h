/* SPDX-License-Identifier: BSD-2-Clause */
/**
 * DOC: migrate - pages that can be moved or given up, and pages that must stay (linux/migrate.h)
 *
 * A *tenant* uses pages that a device may want later: a file cache, movable anonymous memory. It is
 * a set of functions, struct movable_operations, and a page is its own while PageMovable(). Only
 * such pages are lent from CMA areas.
 *
 * Who holds what. A tenant's page has one reference, the tenant's. Everyone who uses the page for
 * a moment takes another with get_page_unless_zero(), under the tenant's lock and before using
 * what he has looked up; a page with such a reference is not moved, only waited for. While a page
 * moves its count is 0, so get_page_unless_zero() fails: let go of the lock, call
 * berth_wait_on_page(), look the page up again. Who holds a page for long pins it.
 *
 * What berth promises to a tenant. Its functions are called in task context, with no lock held, by
 * several threads at once for different pages and by one thread for one page. isolate_page() finds
 * out under the tenant's lock, by struct page::index, whether the page is still the tenant's: it
 * may have been given up a moment ago. When isolate_page() has returned true, exactly one of these
 * follows: migrate_page() with success, reclaim_page() with success, or putback_page(). Until then
 * the tenant does not drop its reference (its own freeing waits, or is left to putback_page() and
 * migrate_page()). A function must not wait for a thread that may be allocating memory: reclaim runs
 * inside of allocations, whatever locks of the tenant's the allocating thread holds. With
 * MIGRATE_ASYNC isolate_page() only tries locks; reclaim_page() allocates with GFP_ATOMIC only.
 */
#ifndef BERTH_MIGRATE_H
#define BERTH_MIGRATE_H

#include <berth/gfp.h>
#include <berth/mm.h>
#include <berth/types.h>

#include <berth/names.h>

BERTH_BEGIN_DECLS

/**
 * enum migrate_mode - how much a migration may do to have its way (linux/migrate_mode.h)
 */
enum migrate_mode {
	MIGRATE_ASYNC, /* never wait */
	MIGRATE_SYNC_LIGHT, /* wait for a lock, not for I/O */
	MIGRATE_SYNC, /* wait for I/O as well */
	MIGRATE_SYNC_NO_COPY, /* as MIGRATE_SYNC; the caller copies: not used by berth */
};

/**
 * struct movable_operations - a tenant
 * @isolate_page: the page will be moved or given up: from now on the tenant changes nothing about
 *	where it is. @mode is an enum migrate_mode. Return: false if it is not the tenant's any more,
 *	or is busy. Readers and writers go on.
 * @migrate_page: copy @src to @dst (berth_copy_page()), make @dst the tenant's and forget @src.
 *	@src has no references (get_page_unless_zero() fails), @dst has the tenant's one and the
 *	index of @src. Return: 0; or -EAGAIN and any other negative value with nothing changed.
 * @putback_page: neither happened: undo isolate_page(). Not called after success.
 *
 * What Linux has not; all of it may be left out (zero):
 *
 * @name: for reports; "tenant" if NULL
 * @gfp: where the tenant's pages may be: __GFP_DMA, __GFP_DMA32, __GFP_HIGHMEM
 * @migrate_pages: migrate_page() for up to BERTH_MIGRATE_BATCH pages at once, @src in ascending
 *	order, so that one remapping serves many. Return: how many were moved: the first ones.
 * @reclaim_page: give an isolated page up instead: forget it, after writing it to a file or to swap
 *	if it is not clean. It has no references meanwhile (get_page_unless_zero() fails); with
 *	success the tenant's is gone. Return: false if that is not possible now, with nothing changed.
 * @room: how many pages that are not clean reclaim_page() could write away now (free swap slots);
 *	asked when there is no memory to move pages to. None if NULL.
 */
struct movable_operations {
	bool (*isolate_page)(struct page *page, unsigned int mode);
	int (*migrate_page)(struct page *dst, struct page *src, enum migrate_mode mode);
	void (*putback_page)(struct page *page);

	const char *name;
	gfp_t gfp;
	unsigned int (*migrate_pages)(struct page *const *dst, struct page *const *src,
				      unsigned int nr, enum migrate_mode mode);
	bool (*reclaim_page)(struct page *page);
	uint64_t (*room)(void);
};

#define BERTH_MIGRATE_BATCH 32u
#define BERTH_MAX_TENANTS 255u

/**
 * berth_tenant_register() - announce a tenant
 * @ops: stays readable until berth_tenant_unregister() or berth_stop()
 *
 * May sleep. A repeat does nothing. Return: 0, -EINVAL (ARGUMENT: one of Linux's three functions
 * is missing), -ENOSPC (TABLE_FULL).
 */
int berth_tenant_register(const struct movable_operations *ops);

/**
 * berth_tenant_unregister() - a tenant goes
 *
 * May sleep: waits until no function of the tenant's runs. Return: 0, -EBUSY (STATE) while a page
 * is still the tenant's, -EINVAL (ARGUMENT) if it was not registered.
 */
int berth_tenant_unregister(const struct movable_operations *ops);

/* Flag of berth_alloc_movable(): the page is a copy of something that can be had again. */
#define BERTH_GFP_CLEAN ((gfp_t)0x10000u)

/**
 * berth_alloc_movable() - a page for a tenant
 * @ops: the tenant, registered
 * @gfp: as for alloc_pages(); ops->gfp is added. BERTH_GFP_CLEAN: the page is clean, as
 *	berth_set_page_clean() would make it; only such pages may be in a guaranteed area.
 * @index: struct page::index
 *
 * May come from a CMA area: when more than half of the zone's free memory is CMA's, and before
 * page blocks of another type are taken over. The page is the tenant's at once, with one reference:
 * isolate_page() may be called for it before this function returns. Given back by put_page() or
 * __free_page(). Any context. Return: the page, or NULL (OUT_OF_MEMORY; ARGUMENT: no such tenant).
 */
struct page *berth_alloc_movable(const struct movable_operations *ops, gfp_t gfp, uint64_t index);

/**
 * __SetPageMovable() - make an ordinary page a tenant's
 * @page: one page that alloc_page() gave; the caller has its only reference
 * @ops: the tenant; registered now if it was not
 *
 * May sleep. If that is not possible the page stays as it was (berth_last_error(): NOT_OWNED,
 * TABLE_FULL, ARGUMENT).
 */
void __SetPageMovable(struct page *page, const struct movable_operations *ops);

/**
 * __ClearPageMovable() - a tenant's page becomes an ordinary page
 *
 * Any context. A page in a CMA area then blocks it until it is freed: a page that shall stay is
 * moved out with berth_move_page() first. Freeing a page needs no such call.
 */
void __ClearPageMovable(struct page *page);

/** PageMovable() - whether a page is a tenant's. Any context. */
bool PageMovable(const struct page *page);

/** berth_page_tenant() - whose page it is; NULL for none. Any context. */
const struct movable_operations *berth_page_tenant(const struct page *page);

/**
 * berth_set_page_clean() - say whether a page's contents can be had again
 * @page: a tenant's page; the tenant has a reclaim_page() that succeeds for clean pages
 * @clean: true: reclaim_page() needs no I/O, so giving it up is cheaper than moving it
 *
 * Any context. Return: false, and nothing changed, for a page in a guaranteed area that would
 * become dirty: berth_move_page() first.
 */
bool berth_set_page_clean(struct page *page, bool clean);

/** berth_page_is_clean() - what berth_set_page_clean() said. Any context. */
bool berth_page_is_clean(const struct page *page);

/**
 * mark_page_accessed() - a tenant's page has been used
 *
 * Reclaim spares it once, when there are others. Nothing for a page of no tenant. Any context.
 */
void mark_page_accessed(struct page *page);

/**
 * berth_reclaim() - have tenants give pages up
 * @gfp: __GFP_DIRECT_RECLAIM, or nothing happens; __GFP_DMA, __GFP_DMA32: only pages there.
 *	__GFP_MOVABLE: pages of CMA areas too; of guaranteed ones with BERTH_GFP_CLEAN as well
 * @nr: how many pages
 *
 * First clean pages, of which those with mark_page_accessed() since the last time are spared once;
 * then, written by reclaim_page(), pages of tenants whose room() is not 0. Pages with references
 * besides the tenant's stay. An allocation that may sleep does this by itself before it fails.
 *
 * May sleep. The caller may hold locks of a tenant's that its isolate_page() with MIGRATE_ASYNC and
 * its reclaim_page() only try. Called by a tenant's function that reclaim itself runs, it does
 * nothing. berth_last_error() stays as it is. Return: how many pages became free.
 */
uint64_t berth_reclaim(gfp_t gfp, uint64_t nr);

/**
 * get_page_unless_zero() - a reference to a page that was looked up
 *
 * Any context. Return: false if the page is being moved, or is free.
 */
bool get_page_unless_zero(struct page *page);

/**
 * berth_wait_on_page() - wait until a page is not being moved
 * @page: a page for which get_page_unless_zero() failed
 *
 * May sleep; holds no reference: look the page up again afterwards.
 */
void berth_wait_on_page(const struct page *page);

/** berth_copy_page() - the bytes of one page to another, as a migration wants them. */
void berth_copy_page(struct page *dst, const struct page *src);

/**
 * berth_move_page() - move a tenant's page out of its CMA area, through its tenant
 * @page: in: a page that the caller has one reference to, besides the tenant's; out: where it is
 *
 * May sleep. The caller's reference goes over to the new page. A page that is in no CMA area stays
 * where it is. Return: 0; -EAGAIN: it is just being moved: put the reference, look it up again;
 * -EBUSY (PAGE_BUSY): others hold it or its tenant refuses; -ENOMEM: there is no room elsewhere.
 */
int berth_move_page(struct page **page);

/* What a pin adds to struct page::refcount. */
#define PAGE_PIN_BIAS 1024u

#define FOLL_WRITE 0x01u /* the bytes will be written */
#define FOLL_LONGTERM 0x10000u /* held for longer than one transfer */

/**
 * pin_pages() - keep pages where they are, for a device
 * @pages: looked up by the caller, who has one reference to each; changed if pages move
 * @nr: how many
 * @gup_flags: FOLL_LONGTERM: pages of CMA areas are moved out of them first. Pages of a guaranteed
 *	area are moved out by any pin.
 * @who: the pinner's name for reports; copied
 *
 * May sleep. The caller's references stay the caller's (of the new page if a page moves), the pins
 * are on top. Return: 0, or nothing is pinned: -EAGAIN: a page is just being moved: put the
 * references, look all up again; -EBUSY, -ENOMEM as berth_move_page(); -EINVAL (NOT_OWNED).
 */
int pin_pages(struct page **pages, unsigned long nr, unsigned int gup_flags, const char *who);

/** unpin_user_page() - take one pin away; the last user frees the page. Any context. */
void unpin_user_page(struct page *page);

/** unpin_user_pages() - unpin_user_page() for each of @nr pages. */
void unpin_user_pages(struct page **pages, unsigned long nr);

/** page_maybe_dma_pinned() - whether a page has a pin (or very many references). Any context. */
static inline bool page_maybe_dma_pinned(const struct page *page)
{
	return page_count(page) >= PAGE_PIN_BIAS;
}

BERTH_END_DECLS

#ifdef BERTH_NO_SHORT_NAMES
#include <berth/names-off.h>
#endif
#endif
