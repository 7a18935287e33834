// SPDX-License-Identifier: BSD-2-Clause
/*
 * Pins: references that count PAGE_PIN_BIAS, so that they can be told from passing ones. Who has
 * pinned what is written down for pages in CMA areas, since there it explains a failure.
 */
#include <berth/migrate.h>

#include "lib/error.h"
#include "lib/string.h"
#include "mm/cma.h"
#include "mm/internal.h"

/* Half of what the count can hold: passing references still fit. */
#define MAX_COUNT (UINT32_MAX / 2)

static struct cma_pin *find_pin(struct cma *cma, uint64_t pfn)
{
	for (unsigned int i = 0; i < BERTH_CMA_PINS; i++)
		if (cma->pins[i].nr && cma->pins[i].pfn == pfn)
			return &cma->pins[i];
	return NULL;
}

void berth_cma_pinned(uint64_t pfn, const char *who)
{
	struct cma *cma = berth_cma_of(pfn);
	struct cma_pin *pin = NULL;
	unsigned long irq;

	if (!cma)
		return;
	spin_lock_irqsave(&cma->pin_lock, irq);
	pin = find_pin(cma, pfn);
	for (unsigned int i = 0; i < BERTH_CMA_PINS && !pin; i++)
		if (!cma->pins[i].nr)
			pin = &cma->pins[i];
	if (!pin) {
		cma->pins_unnamed++;
	} else if (!pin->nr++) {
		pin->pfn = pfn;
		pin->since_ns = berth_port_now();
		berth_strlcpy(pin->who, who && *who ? who : "a pin", sizeof(pin->who));
	}
	spin_unlock_irqrestore(&cma->pin_lock, irq);
}

void berth_cma_unpinned(uint64_t pfn)
{
	struct cma *cma = berth_cma_of(pfn);
	struct cma_pin *pin;
	unsigned long irq;

	if (!cma)
		return;
	spin_lock_irqsave(&cma->pin_lock, irq);
	pin = find_pin(cma, pfn);
	/* Of pins without an entry nobody knows which one goes: a named one may lose its name. */
	if (pin)
		pin->nr--;
	spin_unlock_irqrestore(&cma->pin_lock, irq);
}

bool berth_cma_who_pinned(struct cma *cma, uint64_t pfn, char *who, size_t size, uint64_t *since_ns)
{
	const struct cma_pin *pin;
	unsigned long irq;

	spin_lock_irqsave(&cma->pin_lock, irq);
	pin = find_pin(cma, pfn);
	if (pin) {
		berth_strlcpy(who, pin->who, size);
		*since_ns = pin->since_ns;
	}
	spin_unlock_irqrestore(&cma->pin_lock, irq);
	return pin != NULL;
}

uint64_t berth_cma_pins_unnamed(struct cma *cma)
{
	unsigned long irq;
	uint64_t nr;

	spin_lock_irqsave(&cma->pin_lock, irq);
	nr = cma->pins_unnamed;
	spin_unlock_irqrestore(&cma->pin_lock, irq);
	return nr;
}

/* The caller has a reference, so the page neither moves nor goes. */
static int add_pin(struct page *page, const char *who)
{
	uint32_t old = page_count(page);

	do {
		if (!old || old > MAX_COUNT) {
			berth_not_owned("pin_pages", page_to_phys(page), page_to_pfn(page));
			return -EINVAL;
		}
	} while (!__atomic_compare_exchange_n(&page->refcount, &old, old + PAGE_PIN_BIAS, true,
					      __ATOMIC_ACQUIRE, __ATOMIC_RELAXED));
	berth_cma_pinned(page_to_pfn(page), who);
	return 0;
}

static int pin_page(struct page **page, unsigned int gup_flags, const char *who)
{
	const struct berth_mem_map *bank = berth_bank_of_page(*page);
	unsigned int type;
	int err = 0;

	if (!bank || page_state(*page) == PG_TAIL || !page_count(*page)) {
		berth_not_owned("pin_pages", bank ? page_to_phys(*page) : (uintptr_t)*page, 0);
		return -EINVAL;
	}
	type = own_block_type(bank, page_to_pfn(*page));
	if (type == MIGRATE_CMA_GUARANTEED || (type == MIGRATE_CMA && gup_flags & FOLL_LONGTERM))
		err = berth_move_page(page);
	return err ? err : add_pin(*page, who);
}

int pin_pages(struct page **pages, unsigned long nr, unsigned int gup_flags, const char *who)
{
	for (unsigned long i = 0; i < nr; i++) {
		int err = pin_page(&pages[i], gup_flags, who);

		if (err) {
			unpin_user_pages(pages, i);
			return err;
		}
	}
	return 0;
}

void unpin_user_page(struct page *page)
{
	const struct berth_mem_map *bank = berth_bank_of_page(page);
	uint32_t old = bank ? page_count(page) : 0;
	uint64_t pfn = bank ? page_to_pfn(page) : 0;
	uint32_t flags;

	/* The last reference of a page of kmalloc()'s or cma_alloc()'s is theirs. */
	do {
		flags = bank ? page_flags(page) : 0;
		if (old < PAGE_PIN_BIAS ||
		    (old == PAGE_PIN_BIAS && (flags & PG_STATE) != PG_USED)) {
			berth_not_owned("unpin_user_page", PFN_PHYS(pfn), pfn);
			return;
		}
	} while (!__atomic_compare_exchange_n(&page->refcount, &old, old - PAGE_PIN_BIAS, true,
					      __ATOMIC_ACQ_REL, __ATOMIC_RELAXED));
	berth_cma_unpinned(pfn);
	if (old == PAGE_PIN_BIAS)
		berth_free_block(bank, pfn, flags & PG_ORDER);
}

void unpin_user_pages(struct page **pages, unsigned long nr)
{
	for (unsigned long i = 0; i < nr; i++)
		unpin_user_page(pages[i]);
}
