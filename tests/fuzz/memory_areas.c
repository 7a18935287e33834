// SPDX-License-Identifier: BSD-2-Clause
/* Calls of memory.c: exact ranges and contiguous areas. */
#include "memory_trace.h"

#include <berth/gfp.h>

#include "../unit/fake_tenant.h"
#include "memory_model.h"

/* Exact ranges. */

void get_range(void)
{
	const struct berth_mem_map *bank = &berth_mem_map[take() % berth_nr_mem_maps];
	uint64_t pfn = bank->pfn + take2() % bank->nr;
	uint64_t nr = 1 + (take() % 2 ? take() : take2() % 1500), areas_in_it = 0, room;
	struct object *object = model_new(KIND_RANGE);
	struct model_window window;
	int err;

	if (!object)
		return;
	before();
	nr = min(nr, bank->pfn + bank->nr - pfn);
	for (uint64_t at = pfn; at < pfn + nr; at++)
		areas_in_it += model_area(at) != NULL;
	window = model_look(pfn, nr);
	room = model_room(pfn, pfn + nr);
	err = alloc_contig_range(pfn, pfn + nr, MIGRATE_MOVABLE, GFP_KERNEL);
	model_follow_tenants(NULL);
	if (err) {
		failed_with(err, REASON(ARGUMENT) | REASON(PAGE_BUSY) | REASON(NO_ROOM) |
					 REASON(OUT_OF_MEMORY));
		require(!is_exact || areas_in_it || !window.found || room < window.moved ||
			(pfn < PFN_DOWN(4 * GIB) && pfn + nr > PFN_DOWN(4 * GIB)));
		object->kind = KIND_NONE;
		return;
	}
	require(!areas_in_it && window.found);
	model_claim(object, pfn, nr, NO_PFN);
}

void get_contig(void)
{
	gfp_t gfp = GFP_KERNEL | (take() % 8 ? 0 : __GFP_DMA32);
	uint64_t nr = take() % 2 ? take() : take2() % 1500;
	struct object *object = model_new(KIND_RANGE);
	struct page *page;

	if (!object)
		return;
	before();
	page = alloc_contig_pages(nr, gfp);
	model_follow_tenants(NULL);
	if (!page) {
		failed_with(berth_last_error()->code, REASON(ARGUMENT) | REASON(PAGE_BUSY) |
							      REASON(NO_ROOM) | REASON(AREA_FULL) |
							      REASON(OUT_OF_MEMORY));
		object->kind = KIND_NONE;
		return;
	}
	for (uint64_t n = 0; n < nr; n++)
		require(!model_area(page_to_pfn(page) + n) && page_count(page + n) == 1);
	model_claim(object, page_to_pfn(page), nr, end_of(gfp));
}

/* Areas. */

static const struct area *take_area(unsigned int *number)
{
	*number = take() % MODEL_AREAS;
	return areas[*number].cma ? &areas[*number] : NULL;
}

static void check_cma_failure(const struct area *area, const struct model_window *window,
			      uint64_t count, uint64_t room, const struct fake_tenant *tenant)
{
	enum berth_reason reason = berth_last_error()->reason;

	failed_with(berth_last_error()->code, REASON(AREA_FULL) | REASON(PAGE_BUSY) |
						      REASON(NO_ROOM) | REASON(OUT_OF_MEMORY) |
						      REASON(ARGUMENT));
	if (!count)
		require(reason == BERTH_REASON_ARGUMENT);
	if (!count || !is_exact)
		return;
	/* Nothing has been touched. */
	require(fake_tenant.moved == tenant->moved && fake_tenant.dropped == tenant->dropped &&
		fake_tenant.written == tenant->written);
	require(!window->found || room < window->moved);
	if (!window->hole)
		require(reason == BERTH_REASON_AREA_FULL);
	else if (!window->found)
		require(reason == BERTH_REASON_PAGE_BUSY &&
			berth_last_error()->pfn - area->pfn < area->nr);
	else
		require(reason == BERTH_REASON_NO_ROOM);
}

void get_cma(void)
{
	unsigned int number, align;
	const struct area *area = take_area(&number);
	uint64_t count = take() % 2 ? take() % 64 : take2() % 1100, room = model_room(0, 0);
	struct object *object = model_new(KIND_CMA);
	struct fake_tenant tenant = fake_tenant;
	struct berth_cma_stats stats[2];
	struct model_window window;
	struct page *page;

	align = take() % 4 ? 0 : take() % 12;
	if (!object)
		return;
	object->kind = KIND_NONE;
	if (!area)
		return;
	before();
	window = model_find_window(area, count ? count : 1, align);
	berth_cma_stats(area->cma, &stats[0]);
	page = cma_alloc(area->cma, count, align, take() & 1);
	berth_cma_stats(area->cma, &stats[1]);
	model_follow_tenants(NULL);
	if (!page) {
		check_cma_failure(area, &window, count, room, &tenant);
		return;
	}
	require(count && window.found && page_to_pfn(page) % (1u << align) == 0);
	require((page_to_pfn(page) - area->pfn) % (1u << area->order) == 0);
	require(page_to_pfn(page) - area->pfn <= area->nr - count);
	if (is_exact && room >= window.moved) {
		require(stats[1].migrated - stats[0].migrated == window.moved);
		require(stats[1].dropped - stats[0].dropped == window.dropped);
	}
	require(stats[1].used == stats[0].used + count);
	for (uint64_t n = 0; n < count; n++)
		require(page_count(page + n) == 1);
	for (uint64_t n = count; n % (1u << area->order); n++)
		require(!model_is_given(page_to_pfn(page) + n));
	object->kind = KIND_CMA;
	object->area = number;
	model_claim(object, page_to_pfn(page), count, area->pfn + area->nr);
}

static void wrong_release(const struct object *object, unsigned int how)
{
	const struct area *area = &areas[object->area];
	const struct page *page = pfn_to_page(object->pfn);
	uint64_t behind = object->pfn + object->nr;

	berth_clear_error();
	if (how == 1 && areas[(object->area + 1) % MODEL_AREAS].cma)
		require(!cma_release(areas[(object->area + 1) % MODEL_AREAS].cma, page,
				     object->nr) &&
			!berth_last_error()->code);
	if (how == 2) {
		require(!cma_release(area->cma, page, 0));
		refused();
	}
	if (how == 3 && (behind == area->pfn + area->nr || model_is_free(behind))) {
		require(!cma_release(area->cma, page, object->nr + 1));
		refused();
	}
	if (how == 4 && behind < area->pfn + area->nr && model_is_free(behind)) {
		require(!cma_release(area->cma, page + object->nr, 1));
		refused();
		require(!cma_release(area->cma, page + object->nr - 1, 2));
		refused();
	}
	if (how == 5) {
		put_page(pfn_to_page(object->pfn));
		if (!model_extra(object->pfn)) {
			refused();
		} else {
			get_page(pfn_to_page(object->pfn));
		}
		wrong_free(pfn_to_page(object->pfn), 0);
	}
}

void put_cma(void)
{
	struct object *object = model_pick(KIND_CMA, take());
	uint64_t pfn, nr;

	if (!object)
		return;
	wrong_release(object, take() % 8);
	pfn = take_part(object, &nr);
	model_check(pfn, nr);
	require(cma_release(areas[object->area].cma, pfn_to_page(pfn), nr));
	require(!berth_last_error()->code);
	shrink(object, pfn, nr);
}

/* What is said before is what happens. */
void explain(void)
{
	unsigned int number, align = take() % 4 ? 0 : take() % 11;
	const struct area *area = take_area(&number);
	uint64_t count = 1 + take2() % 1100;
	struct berth_cma_report report;
	struct model_window window;
	char text[2000];

	if (!area)
		return;
	before();
	window = model_find_window(area, count, align);
	require(!berth_cma_explain(area->cma, count, align, &report));
	require(berth_cma_report_text(&report, text, sizeof(text)) < sizeof(text));
	require(report.pages == area->nr && report.handed_out + report.free + report.droppable +
							    report.movable + report.held +
							    report.pinned + report.unmovable ==
						    area->nr);
	if (model_pick(KIND_ORPHAN, 0))
		return;
	require((report.verdict == BERTH_CMA_FULL) == !window.hole);
	require((report.verdict == BERTH_CMA_BLOCKED) == (window.hole && !window.found));
	if (window.found)
		require(report.to_move == window.moved && report.to_drop == window.dropped);
}
