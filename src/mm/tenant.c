// SPDX-License-Identifier: BSD-2-Clause
/*
 * Who the tenants are, and which pages are theirs. A page names its tenant by a number in its flags;
 * whoever calls the tenant's functions holds the number's entry by berth_tenant_get().
 */
#include <berth/migrate.h>

#include "lib/error.h"
#include "lib/string.h"
#include "mm/internal.h"

/* An entry of the table. @ops: changed with the lock. @calls: functions of the tenant's that run now. */
struct tenant {
	const struct movable_operations *ops;
	uint32_t calls;
};

/* Number 0 is nobody. Entries are taken and given back under the lock. */
static struct {
	spinlock_t lock;
	unsigned int nr; /* entries ever used in this run */
	struct tenant entries[BERTH_MAX_TENANTS + 1];
} tenants;

static uint32_t tenant_number(uint32_t flags)
{
	return (flags & PG_TENANT) >> PG_TENANT_SHIFT;
}

/* The number of a tenant, 0 if it is not there; the lock is held. */
static unsigned int find_tenant(const struct movable_operations *ops)
{
	for (unsigned int i = 1; i <= tenants.nr; i++)
		if (tenants.entries[i].ops == ops)
			return i;
	return 0;
}

static unsigned int number_of(const struct movable_operations *ops)
{
	unsigned long irq;
	unsigned int number;

	spin_lock_irqsave(&tenants.lock, irq);
	number = ops ? find_tenant(ops) : 0;
	spin_unlock_irqrestore(&tenants.lock, irq);
	return number;
}

int berth_tenant_register(const struct movable_operations *ops)
{
	unsigned long irq;
	unsigned int number;

	if (!ops || !ops->isolate_page || !ops->migrate_page || !ops->putback_page)
		return berth_fail(-EINVAL, BERTH_REASON_ARGUMENT, "movable_operations");
	spin_lock_irqsave(&tenants.lock, irq);
	number = find_tenant(ops);
	if (!number)
		number = find_tenant(NULL);
	if (!number && tenants.nr < BERTH_MAX_TENANTS)
		number = tenants.nr + 1;
	if (number)
		__atomic_store_n(&tenants.entries[number].ops, ops, __ATOMIC_RELEASE);
	if (number > tenants.nr)
		__atomic_store_n(&tenants.nr, number, __ATOMIC_RELAXED);
	spin_unlock_irqrestore(&tenants.lock, irq);
	if (!number)
		return berth_fail_limit(-ENOSPC, BERTH_REASON_TABLE_FULL, "tenants", 0,
					BERTH_MAX_TENANTS);
	return 0;
}

static bool has_pages(unsigned int number)
{
	for (unsigned int i = 0; i < berth_nr_mem_maps; i++)
		for (uint64_t n = 0; n < berth_mem_map[i].nr; n++) {
			uint32_t flags = page_flags(&berth_mem_map[i].pages[n]);

			if (tenant_number(flags) == number && (flags & PG_STATE) == PG_USED)
				return true;
		}
	return false;
}

int berth_tenant_unregister(const struct movable_operations *ops)
{
	unsigned int number = number_of(ops);
	unsigned long irq;
	bool gone = false;

	if (!number)
		return berth_fail(-EINVAL, BERTH_REASON_ARGUMENT, "movable_operations");
	if (has_pages(number))
		return berth_fail(-EBUSY, BERTH_REASON_STATE, "a tenant that still has pages");
	for (unsigned int turn = 0; !gone; turn++) {
		spin_lock_irqsave(&tenants.lock, irq);
		gone = !tenants.entries[number].calls;
		if (gone)
			__atomic_store_n(&tenants.entries[number].ops, NULL, __ATOMIC_RELEASE);
		spin_unlock_irqrestore(&tenants.lock, irq);
		if (!gone)
			berth_pause(turn);
	}
	return 0;
}

bool berth_have_tenants(void)
{
	return __atomic_load_n(&tenants.nr, __ATOMIC_RELAXED) != 0;
}

void berth_tenants_reset(void)
{
	memset(&tenants, 0, sizeof(tenants));
}

const struct movable_operations *berth_tenant_get(uint32_t flags)
{
	struct tenant *tenant = &tenants.entries[tenant_number(flags)];
	const struct movable_operations *ops;
	unsigned long irq;

	if (!tenant_number(flags))
		return NULL;
	spin_lock_irqsave(&tenants.lock, irq);
	ops = tenant->ops;
	if (ops)
		tenant->calls++;
	spin_unlock_irqrestore(&tenants.lock, irq);
	return ops;
}

void berth_tenant_put(uint32_t flags)
{
	unsigned long irq;

	spin_lock_irqsave(&tenants.lock, irq);
	tenants.entries[tenant_number(flags)].calls--;
	spin_unlock_irqrestore(&tenants.lock, irq);
}

/* For a look at a page that is kept from going, or a snapshot: without the lock. */
static const struct movable_operations *tenant_of(uint32_t flags)
{
	if ((flags & (PG_STATE | PG_ORDER)) != PG_USED || !tenant_number(flags))
		return NULL;
	return __atomic_load_n(&tenants.entries[tenant_number(flags)].ops, __ATOMIC_ACQUIRE);
}

const char *berth_tenant_name(uint32_t flags)
{
	const struct movable_operations *ops = tenant_of(flags);

	return !ops ? "" : ops->name ? ops->name : "tenant";
}

/* Pages. */

bool PageMovable(const struct page *page)
{
	return has_tenant(page_flags(page));
}

const struct movable_operations *berth_page_tenant(const struct page *page)
{
	return tenant_of(page_flags(page));
}

struct page *berth_alloc_movable(const struct movable_operations *ops, gfp_t gfp, uint64_t index)
{
	unsigned int number = number_of(ops);
	uint32_t flags = PG_USED | number << PG_TENANT_SHIFT;
	struct page *page;

	if (!number) {
		berth_fail(-EINVAL, BERTH_REASON_ARGUMENT, "movable_operations");
		return NULL;
	}
	gfp |= ops->gfp;
	if (gfp & BERTH_GFP_CLEAN && ops->reclaim_page)
		flags |= PG_CLEAN;
	else
		gfp &= ~BERTH_GFP_CLEAN;
	page = berth_take_movable(gfp, flags, index);
	if (!page)
		berth_fail_limit(-ENOMEM, BERTH_REASON_OUT_OF_MEMORY, "page allocator", PAGE_SIZE,
				 berth_free_bytes(berth_gfp_end(gfp)));
	return page;
}

void __SetPageMovable(struct page *page, const struct movable_operations *ops)
{
	uint32_t flags = berth_bank_of_page(page) ? page_flags(page) : 0;

	if (berth_tenant_register(ops))
		return;
	if ((flags & ~PG_LIST) != PG_USED ||
	    !__atomic_compare_exchange_n(&page->flags, &flags,
					 PG_USED | number_of(ops) << PG_TENANT_SHIFT, false,
					 __ATOMIC_RELEASE, __ATOMIC_RELAXED))
		berth_not_owned("__SetPageMovable", (uintptr_t)page, 0);
}

bool berth_change_page_flags(struct page *page, uint32_t mask, uint32_t bits)
{
	uint32_t flags = page_flags(page);

	do {
		if (!has_tenant(flags))
			return false;
	} while (!__atomic_compare_exchange_n(&page->flags, &flags, (flags & ~mask) | bits, true,
					      __ATOMIC_RELEASE, __ATOMIC_RELAXED));
	return true;
}

void __ClearPageMovable(struct page *page)
{
	if (!berth_bank_of_page(page) ||
	    !berth_change_page_flags(page, PG_TENANT | PG_CLEAN | PG_REFERENCED, 0))
		berth_not_owned("__ClearPageMovable", (uintptr_t)page, 0);
}

bool berth_set_page_clean(struct page *page, bool clean)
{
	const struct movable_operations *ops = berth_page_tenant(page);
	uint64_t pfn = page_to_pfn(page);

	if (!ops || (clean && !ops->reclaim_page))
		return false;
	if (!clean && own_block_type(bank_of(pfn), pfn) == MIGRATE_CMA_GUARANTEED)
		return false;
	return berth_change_page_flags(page, PG_CLEAN, clean ? PG_CLEAN : 0);
}

bool berth_page_is_clean(const struct page *page)
{
	return has_tenant(page_flags(page)) && page_flags(page) & PG_CLEAN;
}

void mark_page_accessed(struct page *page)
{
	if (!(page_flags(page) & PG_REFERENCED))
		berth_change_page_flags(page, PG_REFERENCED, PG_REFERENCED);
}
