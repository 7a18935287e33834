// SPDX-License-Identifier: BSD-2-Clause
/*
 * Moving the pages of tenants. A page moves only while it has exactly the references that are known
 * about: its count is then set to 0 in one step, so that nobody can take another until it is done.
 */
#include <berth/migrate.h>

#include "lib/error.h"
#include "lib/string.h"
#include "lib/trace.h"
#include "mm/internal.h"

void berth_pause(unsigned int turn)
{
	static const uint32_t never = 0;

	if (turn < 8)
		berth_port_relax();
	else
		berth_port_wait(&never, 0, berth_port_now() + 20000);
}

void berth_copy_page(struct page *dst, const struct page *src)
{
	memcpy(page_address(dst), page_address(src), PAGE_SIZE);
}

void berth_wait_on_page(const struct page *page)
{
	for (unsigned int turn = 0; !page_count(page); turn++) {
		uint32_t flags = page_flags(page);

		if (!has_tenant(flags) || !(flags & PG_ISOLATED))
			return;
		berth_pause(turn);
	}
}

/* No reference can be had any more, if there are @expected now. */
static bool freeze(struct page *page, uint32_t expected)
{
	return __atomic_compare_exchange_n(&page->refcount, &expected, 0, false, __ATOMIC_ACQ_REL,
					   __ATOMIC_RELAXED);
}

static void unfreeze(struct page *page, uint32_t refs)
{
	__atomic_store_n(&page->refcount, refs, __ATOMIC_RELEASE);
}

static void clear_marks(struct page *page)
{
	__atomic_fetch_and(&page->flags, ~(PG_ISOLATED | PG_EMPTYING), __ATOMIC_RELEASE);
}

/* The flags of a page of which the caller has a reference get a mark, unless it is isolated. */
static bool mark_page(struct page *page, uint32_t tenant, uint32_t mark)
{
	uint32_t flags = page_flags(page);

	do {
		if (!has_tenant(flags) || (flags & PG_TENANT) != tenant || flags & PG_ISOLATED)
			return false;
	} while (!__atomic_compare_exchange_n(&page->flags, &flags, flags | PG_ISOLATED | mark,
					      true, __ATOMIC_ACQUIRE, __ATOMIC_RELAXED));
	return true;
}

int berth_isolate_page(struct page *page, uint32_t mark, enum migrate_mode mode)
{
	uint32_t flags = page_flags(page);
	const struct movable_operations *ops;
	int err = -EAGAIN;

	if (!has_tenant(flags))
		return -EBUSY;
	if (flags & PG_ISOLATED)
		return -EAGAIN;
	ops = berth_tenant_get(flags);
	if (!ops)
		return -EBUSY;
	if (get_page_unless_zero(page)) {
		if (mark_page(page, flags & PG_TENANT, mark)) {
			if (ops->isolate_page(page, mode))
				err = 0;
			else
				err = -EBUSY;
			if (err)
				clear_marks(page);
		}
		if (err)
			berth_drop_page(page);
	}
	berth_tenant_put(flags);
	return err;
}

void berth_putback_page(struct page *page)
{
	uint32_t flags = page_flags(page);
	const struct movable_operations *ops = berth_tenant_get(flags);

	ops->putback_page(page);
	berth_tenant_put(flags);
	berth_isolated_done(page);
}

void berth_isolated_done(struct page *page)
{
	clear_marks(page);
	berth_drop_page(page);
}

bool berth_reclaim_page(struct page *page)
{
	uint32_t flags = page_flags(page);
	const struct movable_operations *ops;
	bool gone = false;

	if (!freeze(page, 2))
		return false;
	ops = berth_tenant_get(flags);
	if (ops->reclaim_page)
		gone = ops->reclaim_page(page);
	if (gone)
		berth_trace(.kind = BERTH_TRACE_RECLAIM, .name = ops->name,
			    .address = page_to_phys(page), .length = PAGE_SIZE);
	berth_tenant_put(flags);
	unfreeze(page, gone ? 1 : 2);
	return gone;
}

struct page *berth_migration_target(gfp_t gfp)
{
	return berth_try_pages((gfp & ~__GFP_ZERO) | __GFP_MOVABLE, 0, berth_gfp_end(gfp));
}

/*
 * @dst becomes what @src is, with @refs references, and one of ours: its tenant may free it as soon as
 * it knows of it. Isolated, so that it is left alone for now.
 */
static void dress(struct page *dst, const struct page *src, uint32_t refs)
{
	dst->index = src->index;
	__atomic_fetch_add(&dst->refcount, refs, __ATOMIC_RELAXED);
	__atomic_store_n(&dst->flags, (page_flags(src) & ~PG_EMPTYING) | PG_ISOLATED,
			 __ATOMIC_RELEASE);
}

static void undress(struct page *dst, uint32_t refs)
{
	__atomic_store_n(&dst->flags, PG_USED, __ATOMIC_RELEASE);
	__atomic_fetch_sub(&dst->refcount, refs, __ATOMIC_RELAXED);
	dst->index = 0;
}

unsigned int berth_migrate_isolated(struct page **dst, struct page **src, unsigned int nr,
				    uint32_t extra, uint32_t refs, enum migrate_mode mode)
{
	uint32_t flags = page_flags(src[0]);
	const struct movable_operations *ops = berth_tenant_get(flags);
	unsigned int frozen, moved = 0;

	for (frozen = 0; frozen < nr && freeze(src[frozen], 2 + extra); frozen++)
		dress(dst[frozen], src[frozen], refs);
	if (frozen > 1 && ops->migrate_pages)
		moved = ops->migrate_pages(dst, src, frozen, mode);
	else
		while (moved < frozen && !ops->migrate_page(dst[moved], src[moved], mode))
			moved++;
	for (unsigned int i = 0; i < moved && berth_is_traced(); i++)
		berth_trace(.kind = BERTH_TRACE_MIGRATE, .name = ops->name,
			    .address = page_to_phys(src[i]), .length = PAGE_SIZE,
			    .other = page_to_phys(dst[i]));
	berth_tenant_put(flags);

	for (unsigned int i = 0; i < moved; i++) {
		uint64_t pfn = page_to_pfn(src[i]);

		berth_isolated_done(dst[i]);
		berth_free_block(bank_of(pfn), pfn, 0);
	}
	for (unsigned int i = moved; i < frozen; i++) {
		undress(dst[i], refs);
		unfreeze(src[i], 2 + extra);
	}
	return moved;
}

static int fail_busy(uint64_t pfn, const char *holder)
{
	struct berth_error *error = berth_error_set(-EBUSY, BERTH_REASON_PAGE_BUSY, "migration");

	error->pfn = pfn;
	error->address = PFN_PHYS(pfn);
	berth_strlcpy(error->holder, holder, sizeof(error->holder));
	return -EBUSY;
}

/* @dst: where to. The caller of berth_move_page() has a reference to the page. */
static int try_to_move(struct page *dst, struct page *src)
{
	int err = berth_isolate_page(src, 0, MIGRATE_SYNC);

	if (err)
		return page_flags(src) & PG_ISOLATED ? -EAGAIN : -EBUSY;
	if (berth_migrate_isolated(&dst, &src, 1, 1, 2, MIGRATE_SYNC))
		return 0;
	berth_putback_page(src);
	return -EBUSY;
}

int berth_move_page(struct page **page)
{
	struct page *src = *page, *dst;
	uint64_t pfn = page_to_pfn(src), start = berth_port_now();
	const struct movable_operations *ops = berth_page_tenant(src);
	int err = -EBUSY;

	/* What cma_alloc() gave is where it belongs. */
	if (!is_cma_type(own_block_type(bank_of(pfn), pfn)) || page_state(src) == PG_CMA)
		return 0;
	if (!ops)
		return fail_busy(pfn, "a reference to the page");
	dst = berth_migration_target(ops->gfp);
	if (!dst && berth_reclaim(ops->gfp | __GFP_DIRECT_RECLAIM, 1))
		dst = berth_migration_target(ops->gfp);
	if (!dst)
		return berth_fail_limit(-ENOMEM, BERTH_REASON_NO_ROOM, ops->name, PAGE_SIZE, 0);

	for (unsigned int turn = 0; err == -EBUSY; turn++) {
		err = try_to_move(dst, src);
		if (err != -EBUSY || berth_port_now() - start > BERTH_WAIT_NS)
			break;
		berth_pause(turn);
	}
	if (!err) {
		*page = dst;
		return 0;
	}
	__free_page(dst);
	fail_busy(pfn, berth_tenant_name(page_flags(src)));
	berth_port_error()->code = err;
	return err;
}
