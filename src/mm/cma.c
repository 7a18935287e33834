// SPDX-License-Identifier: BSD-2-Clause
/*
 * An area has a bit per unit of 2^order_per_bit pages, set while somebody has it. The bits are set
 * before the pages are taken and cleared after they are free again, so the area's lock is not held
 * meanwhile, and whoever finds a run of clear bits finds free pages.
 */
#include <berth/cma.h>
#include <berth/memblock.h>

#include "lib/bitmap.h"
#include "lib/error.h"
#include "lib/fault.h"
#include "lib/printk.h"
#include "lib/string.h"
#include "mm/internal.h"

struct cma {
	spinlock_t lock;
	unsigned int order_per_bit;
	uint64_t base_pfn;
	uint64_t nr_pages;
	uint64_t *bitmap;
	uint64_t used;
	uint64_t alloc_success;
	uint64_t alloc_fail;
	char name[48];
};

/*
 * struct window - a run of units in a hole, and how far a search has come
 * @hole_length: units of the hole that it lies in
 * @hole: first unit of the hole
 * @start: first unit of the window
 *
 * Windows are tried in the order of these three.
 */
struct window {
	uint64_t hole_length;
	uint64_t hole;
	uint64_t start;
};

static struct cma areas[MAX_CMA_AREAS];
static unsigned int nr_areas;
static struct cma *default_area;

static uint64_t nr_units(const struct cma *cma)
{
	return cma->nr_pages >> cma->order_per_bit;
}

static uint64_t units_for(const struct cma *cma, uint64_t count)
{
	return (count + (1ULL << cma->order_per_bit) - 1) >> cma->order_per_bit;
}

/* The first unit at or behind @unit whose page number is a multiple of 2^@align. */
static uint64_t align_unit(const struct cma *cma, uint64_t unit, unsigned int align)
{
	uint64_t first = cma->base_pfn >> cma->order_per_bit;
	uint64_t mask = align > cma->order_per_bit ? (1ULL << (align - cma->order_per_bit)) - 1 : 0;

	return ((first + unit + mask) & ~mask) - first;
}

/*
 * The first window of @length units, in the order of struct window, that is not before @window:
 * so the smallest hole is used first. False if there is none; *@longest is the longest hole.
 */
static bool find_window(const struct cma *cma, uint64_t length, unsigned int align,
			struct window *window, uint64_t *longest)
{
	uint64_t size = nr_units(cma);
	struct window best = { UINT64_MAX, 0, 0 };
	uint64_t end;

	*longest = 0;
	for (uint64_t hole = bitmap_find(cma->bitmap, size, 0, false); hole < size;
	     hole = bitmap_find(cma->bitmap, size, end, false)) {
		uint64_t hole_length, start = hole;

		end = bitmap_find(cma->bitmap, size, hole, true);
		hole_length = end - hole;
		if (hole_length > *longest)
			*longest = hole_length;
		if (hole_length < length || hole_length >= best.hole_length ||
		    hole_length < window->hole_length)
			continue;
		if (hole_length == window->hole_length) {
			if (hole < window->hole)
				continue;
			if (hole == window->hole && start < window->start)
				start = window->start;
		}
		start = align_unit(cma, start, align);
		if (start < end && end - start >= length)
			best = (struct window){ hole_length, hole, start };
	}
	*window = best;
	return best.hole_length != UINT64_MAX;
}

static uint64_t longest_hole(const struct cma *cma)
{
	struct window window = { 0, 0, 0 };
	uint64_t longest;

	find_window(cma, UINT64_MAX, 0, &window, &longest);
	return longest << cma->order_per_bit;
}

static const char *holder_of(uint64_t pfn)
{
	switch (berth_page_use(pfn)) {
	case BERTH_PAGE_SLAB:
		return "kmalloc()";
	case BERTH_PAGE_CMA:
		return "cma_alloc()";
	case BERTH_PAGE_RESERVED:
		return "a reservation";
	default:
		return "a reference to the page";
	}
}

static void fail_busy(const struct cma *cma, uint64_t count, uint64_t pfn)
{
	struct berth_error *error = berth_error_set(-EBUSY, BERTH_REASON_PAGE_BUSY, cma->name);

	error->length = count << PAGE_SHIFT;
	error->pfn = pfn;
	error->address = PFN_PHYS(pfn);
	berth_strlcpy(error->holder, holder_of(pfn), sizeof(error->holder));
}

struct page *cma_alloc(struct cma *cma, unsigned long count, unsigned int align, bool no_warn)
{
	struct window window = { 0, 0, 0 };
	uint64_t length, longest, pfn = 0;
	uint64_t busy = NO_PAGE;
	int err = -ENOSPC;

	(void)no_warn;
	if (!cma || !count || align >= 64 - PAGE_SHIFT) {
		berth_fail_at(-EINVAL, BERTH_REASON_ARGUMENT,
			      !cma     ? "cma"
			      : !count ? "count"
				       : "align",
			      cma && count ? align : 0);
		return NULL;
	}
	if (!cma->bitmap) {
		berth_fail(-EINVAL, BERTH_REASON_STATE, "cma_alloc");
		return NULL;
	}
	if (berth_should_fail()) {
		berth_fail_limit(-ENOMEM, BERTH_REASON_OUT_OF_MEMORY, cma->name,
				 (uint64_t)count << PAGE_SHIFT, 0);
		spin_lock(&cma->lock);
		goto fail;
	}

	length = units_for(cma, count);
	spin_lock(&cma->lock);
	while (find_window(cma, length, align, &window, &longest)) {
		bitmap_fill(cma->bitmap, window.start, length, true);
		spin_unlock(&cma->lock);

		pfn = cma->base_pfn + (window.start << cma->order_per_bit);
		err = berth_take_free_range(pfn, count, PG_CMA, &busy);

		spin_lock(&cma->lock);
		if (!err)
			break;
		bitmap_fill(cma->bitmap, window.start, length, false);
		/* No window with the busy page in it can do. */
		window.start = ((busy - cma->base_pfn) >> cma->order_per_bit) + 1;
	}
	if (!err) {
		cma->used += count;
		cma->alloc_success++;
		spin_unlock(&cma->lock);
		return pfn_to_page(pfn);
	}
	if (busy != NO_PAGE)
		fail_busy(cma, count, busy);
	else
		berth_fail_limit(-ENOSPC, BERTH_REASON_AREA_FULL, cma->name,
				 (uint64_t)count << PAGE_SHIFT,
				 longest << cma->order_per_bit << PAGE_SHIFT);
fail:
	cma->alloc_fail++;
	spin_unlock(&cma->lock);
	return NULL;
}

/* Whether @nr pages from @pfn on are all handed out. */
static bool all_given(uint64_t pfn, uint64_t nr)
{
	const struct page *pages = pfn_to_page(pfn);

	for (uint64_t i = 0; i < nr; i++)
		if (page_state(&pages[i]) != PG_CMA)
			return false;
	return true;
}

/* Clear the bit of a unit of which no page is handed out any more. */
static void clear_unit(struct cma *cma, uint64_t unit)
{
	uint64_t nr = 1ULL << cma->order_per_bit;
	const struct page *pages = pfn_to_page(cma->base_pfn + (unit << cma->order_per_bit));

	for (uint64_t i = 0; i < nr; i++)
		if (page_state(&pages[i]) == PG_CMA)
			return;
	bitmap_fill(cma->bitmap, unit, 1, false);
}

bool cma_release(struct cma *cma, const struct page *pages, unsigned long count)
{
	const struct berth_mem_map *bank = berth_bank_of_page(pages);
	uint64_t pfn, at, first, last;

	if (!cma || !bank)
		return false;
	pfn = bank->pfn + (uint64_t)(pages - bank->pages);
	at = pfn - cma->base_pfn;
	if (at >= cma->nr_pages)
		return false;

	spin_lock(&cma->lock);
	if (!count || count > cma->nr_pages - at || !all_given(pfn, count)) {
		spin_unlock(&cma->lock);
		berth_not_owned(cma->name, PFN_PHYS(pfn), pfn);
		return false;
	}
	/* From here on nobody else can release them. */
	for (uint64_t i = pfn; i < pfn + count; i++)
		page_set_flags(pfn_to_page(i), PG_USED);
	cma->used -= count;
	spin_unlock(&cma->lock);

	berth_put_range(pfn, count);

	first = at >> cma->order_per_bit;
	last = (at + count - 1) >> cma->order_per_bit;
	spin_lock(&cma->lock);
	if (last - first > 1)
		bitmap_fill(cma->bitmap, first + 1, last - first - 1, false);
	clear_unit(cma, first);
	if (last != first)
		clear_unit(cma, last);
	spin_unlock(&cma->lock);
	return true;
}

phys_addr_t cma_get_base(const struct cma *cma)
{
	return PFN_PHYS(cma->base_pfn);
}

unsigned long cma_get_size(const struct cma *cma)
{
	return (unsigned long)cma->nr_pages << PAGE_SHIFT;
}

const char *cma_get_name(const struct cma *cma)
{
	return cma->name;
}

int cma_for_each_area(int (*it)(struct cma *cma, void *data), void *data)
{
	for (unsigned int i = 0; i < nr_areas; i++) {
		int result = it(&areas[i], data);

		if (result)
			return result;
	}
	return 0;
}

struct cma *berth_cma_default(void)
{
	return default_area;
}

void berth_cma_set_default(struct cma *cma)
{
	default_area = cma;
}

void berth_cma_stats(struct cma *cma, struct berth_cma_stats *stats)
{
	spin_lock(&cma->lock);
	stats->pages = cma->nr_pages;
	stats->used = cma->used;
	stats->longest_free_run = longest_hole(cma);
	stats->alloc_success = cma->alloc_success;
	stats->alloc_fail = cma->alloc_fail;
	spin_unlock(&cma->lock);
}

/* Whether a range is memory in the linear map, in one piece. */
static bool is_mapped_memory(phys_addr_t base, uint64_t size)
{
	struct berth_range range;
	enum memblock_flags flags;

	for (unsigned int i = 0; berth_memblock_next(false, i, &range, &flags); i++)
		if (!(flags & MEMBLOCK_NOMAP) && base >= range.base &&
		    base - range.base < range.size && size <= range.size - (base - range.base))
			return true;
	return false;
}

static bool is_reserved(phys_addr_t base, uint64_t size)
{
	struct berth_range range;

	for (unsigned int i = 0; berth_memblock_next(true, i, &range, NULL); i++)
		if (base >= range.base && base - range.base < range.size &&
		    size <= range.size - (base - range.base))
			return true;
	return false;
}

static bool meets_area(phys_addr_t base, uint64_t size)
{
	for (unsigned int i = 0; i < nr_areas; i++)
		if (base < cma_get_base(&areas[i]) + cma_get_size(&areas[i]) &&
		    base + size > cma_get_base(&areas[i]))
			return true;
	return false;
}

int cma_init_reserved_mem(phys_addr_t base, phys_addr_t size, unsigned int order_per_bit,
			  const char *name, struct cma **res_cma)
{
	struct cma *cma;

	if (nr_areas == MAX_CMA_AREAS)
		return berth_fail_limit(-ENOSPC, BERTH_REASON_TABLE_FULL, "CMA areas", 0,
					MAX_CMA_AREAS);
	if (berth_nr_mem_maps)
		return berth_fail(-EBUSY, BERTH_REASON_STATE, "CMA area");
	if (order_per_bit > MAX_ORDER || ((base | size) & ((PAGE_SIZE << order_per_bit) - 1)))
		return berth_fail_at(-EINVAL, BERTH_REASON_ARGUMENT, "order_per_bit",
				     order_per_bit);
	if (!size || ((base | size) & (CMA_MIN_ALIGNMENT_BYTES - 1)))
		return berth_fail_at(-EINVAL, BERTH_REASON_ARGUMENT,
				     size ? "alignment of a CMA area" : "size of a CMA area", base);
	if (!is_mapped_memory(base, size) || !is_reserved(base, size) || meets_area(base, size))
		return berth_fail_at(-EINVAL, BERTH_REASON_ARGUMENT,
				     "CMA area that is not reserved memory of its own", base);

	cma = &areas[nr_areas];
	*cma = (struct cma){
		.order_per_bit = order_per_bit,
		.base_pfn = PFN_DOWN(base),
		.nr_pages = PFN_DOWN(size),
	};
	if (name)
		berth_strlcpy(cma->name, name, sizeof(cma->name));
	else
		berth_snprintf(cma->name, sizeof(cma->name), "cma%u", nr_areas);
	nr_areas++;
	*res_cma = cma;
	return 0;
}

int berth_cma_prepare(void)
{
	for (unsigned int i = 0; i < nr_areas; i++) {
		uint64_t words = BITS_TO_WORDS(nr_units(&areas[i]));

		areas[i].bitmap = memblock_alloc(words * sizeof(uint64_t), sizeof(uint64_t));
		if (!areas[i].bitmap)
			return berth_last_error()->code;
	}
	return 0;
}

void berth_cma_activate(void)
{
	for (unsigned int i = 0; i < nr_areas; i++) {
		uint64_t pfn = areas[i].base_pfn;

		memset(block_type(bank_of(pfn), pfn), MIGRATE_CMA,
		       (size_t)(areas[i].nr_pages >> pageblock_order));
		berth_pages_add(pfn, areas[i].nr_pages);
	}
}

void berth_cma_stop(void)
{
	memset(areas, 0, sizeof(areas));
	nr_areas = 0;
	default_area = NULL;
}

void berth_cma_count(uint64_t *pages, uint64_t *used)
{
	*pages = *used = 0;
	for (unsigned int i = 0; i < nr_areas; i++) {
		spin_lock(&areas[i].lock);
		*pages += areas[i].nr_pages;
		*used += areas[i].used;
		spin_unlock(&areas[i].lock);
	}
}
