// SPDX-License-Identifier: BSD-2-Clause
#include "tenants.h"

#include <stdlib.h>

#include <berth/migrate.h>

#include "mm/internal.h"

static struct page *pages[BENCH_TENANT_PAGES];

static bool isolate_page(struct page *page, unsigned int mode)
{
	(void)mode;
	return pages[page->index] == page;
}

static int migrate_page(struct page *dst, struct page *src, enum migrate_mode mode)
{
	(void)mode;
	berth_copy_page(dst, src);
	pages[src->index] = dst;
	return 0;
}

static unsigned int migrate_pages(struct page *const *dst, struct page *const *src, unsigned int nr,
				  enum migrate_mode mode)
{
	for (unsigned int i = 0; i < nr; i++)
		migrate_page(dst[i], src[i], mode);
	return nr;
}

static bool reclaim_page(struct page *page)
{
	if (!berth_page_is_clean(page))
		return false;
	pages[page->index] = NULL;
	return true;
}

static void putback_page(struct page *page)
{
	(void)page;
}

static const struct movable_operations ops = {
	.isolate_page = isolate_page,
	.migrate_page = migrate_page,
	.putback_page = putback_page,
	.name = "bench",
	.migrate_pages = migrate_pages,
	.reclaim_page = reclaim_page,
};

static void must(bool condition)
{
	if (!condition)
		abort();
}

static void start(void)
{
	must(!berth_tenant_register(&ops));
}

static void fill(uint64_t pfn, unsigned long index, bool clean)
{
	struct page *page = pfn_to_page(pfn);
	uint64_t busy;

	must(!berth_take_free_range(pfn, 1, PG_USED, &busy));
	page->index = index;
	pages[index] = page;
	__SetPageMovable(page, &ops);
	must(!clean || berth_set_page_clean(page, true));
	*(uint64_t *)page_address(page) = index;
}

static struct page *page_of(unsigned long index)
{
	return pages[index];
}

static void drop(unsigned long index)
{
	put_page(pages[index]);
	pages[index] = NULL;
}

static void stop(void)
{
	must(!berth_tenant_unregister(&ops));
}

const struct bench_tenant bench_table_tenant = {
	.name = "table",
	.start = start,
	.fill = fill,
	.page = page_of,
	.drop = drop,
	.stop = stop,
};
