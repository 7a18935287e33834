// SPDX-License-Identifier: BSD-2-Clause
#include "memory_model.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <berth/gfp.h>
#include <berth/slab.h>

#include "../unit/fake_tenant.h"

#define MAX_PAGES 8192u

/* struct frame - a page. @owner, @extra: an object's number + 1. @kmallocs: objects that lie in it */
struct frame {
	bool is_managed;
	uint8_t owner;
	uint8_t extra;
	uint16_t kmallocs;
	uint64_t mark;
};

struct object model_objects[MODEL_OBJECTS];
struct area areas[MODEL_AREAS];
static struct frame frames[MAX_PAGES];
static uint64_t next_mark;

void require_at(bool holds, const char *what, int line)
{
	if (holds)
		return;
	fprintf(stderr, "line %d: %s\n", line, what);
	abort();
}

/* Banks lie behind each other in the table. */
static struct frame *frame_of(uint64_t pfn)
{
	uint64_t at = 0;

	for (unsigned int i = 0; i < berth_nr_mem_maps; i++) {
		if (pfn - berth_mem_map[i].pfn < berth_mem_map[i].nr)
			return &frames[at + pfn - berth_mem_map[i].pfn];
		at += berth_mem_map[i].nr;
	}
	require_at(false, "a page of no bank", __LINE__);
	return NULL;
}

void model_start(void)
{
	memset(frames, 0, sizeof(frames));
	memset(model_objects, 0, sizeof(model_objects));
	next_mark = 1;
	for (unsigned int i = 0; i < berth_nr_mem_maps; i++)
		for (uint64_t n = 0; n < berth_mem_map[i].nr; n++) {
			enum berth_page_use use = berth_page_use(berth_mem_map[i].pfn + n);

			frame_of(berth_mem_map[i].pfn + n)->is_managed = use == BERTH_PAGE_FREE ||
									 use == BERTH_PAGE_FREE_CMA;
		}
}

struct object *model_new(enum kind kind)
{
	for (unsigned int i = 0; i < MODEL_OBJECTS; i++)
		if (model_objects[i].kind == KIND_NONE) {
			model_objects[i] =
				(struct object){ .kind = kind, .pfn = NO_PFN, .handle = -1 };
			return &model_objects[i];
		}
	return NULL;
}

struct object *model_pick(enum kind kind, unsigned int n)
{
	unsigned int nr = 0;

	for (unsigned int i = 0; i < MODEL_OBJECTS; i++)
		nr += model_objects[i].kind == kind;
	if (!nr)
		return NULL;
	n %= nr;
	for (unsigned int i = 0;; i++)
		if (model_objects[i].kind == kind && !n--)
			return &model_objects[i];
}

static uint8_t number_of(const struct object *object)
{
	return object ? (uint8_t)(object - model_objects + 1) : 0;
}

static void mark(uint64_t pfn)
{
	uint64_t *words = phys_to_virt(PFN_PHYS(pfn));

	frame_of(pfn)->mark = words[0] = ++next_mark * 0x9e3779b97f4a7c15u;
	words[511] = ~words[0];
}

void model_own(struct object *object, uint64_t pfn, uint64_t nr)
{
	object->pfn = pfn;
	object->nr = nr;
	for (uint64_t at = pfn; at < pfn + nr; at++) {
		struct frame *frame = frame_of(at);

		require(frame->is_managed);
		require(!frame->owner && !frame->extra && !frame->kmallocs);
		frame->owner = number_of(object);
	}
}

void model_claim(struct object *object, uint64_t pfn, uint64_t nr, uint64_t end)
{
	require(pfn < end && nr <= end - pfn);
	model_own(object, pfn, nr);
	for (uint64_t at = pfn; at < pfn + nr; at++)
		mark(at);
}

void model_check(uint64_t pfn, uint64_t nr)
{
	for (uint64_t at = pfn; at < pfn + nr; at++) {
		const uint64_t *words = phys_to_virt(PFN_PHYS(at));

		require(words[0] == frame_of(at)->mark && words[511] == ~words[0]);
	}
}

void model_release(struct object *object, uint64_t pfn, uint64_t nr)
{
	for (uint64_t at = pfn; at < pfn + nr; at++) {
		struct frame *frame = frame_of(at);

		require(frame->owner == number_of(object));
		frame->owner = frame->extra;
		frame->extra = 0;
	}
}

struct object *model_extra(uint64_t pfn)
{
	uint8_t extra = frame_of(pfn)->extra;

	return extra ? &model_objects[extra - 1] : NULL;
}

void model_set_extra(uint64_t pfn, struct object *extra)
{
	frame_of(pfn)->extra = number_of(extra);
}

/* kmalloc(). */

static void count_kmalloc(const struct object *object, int step, uint64_t end)
{
	uint64_t first = PFN_DOWN(virt_to_phys(object->bytes));
	uint64_t last = PFN_DOWN(virt_to_phys(object->bytes + object->size - 1));

	for (uint64_t at = first; at <= last; at++) {
		require(frame_of(at)->is_managed && !frame_of(at)->owner && at < end);
		require(!model_area(at));
		frame_of(at)->kmallocs = (uint16_t)(frame_of(at)->kmallocs + step);
	}
}

void model_kmalloc(struct object *object, void *bytes, size_t size, uint64_t end, bool zeroed)
{
	uintptr_t first = (uintptr_t)bytes / 64, last = ((uintptr_t)bytes + size - 1) / 64;

	object->bytes = bytes;
	object->size = size;
	require((uintptr_t)bytes % 64 == 0);
	if (!(size & (size - 1)))
		require((uintptr_t)bytes % (size < PAGE_SIZE ? size : PAGE_SIZE) == 0);
	for (unsigned int i = 0; i < MODEL_OBJECTS; i++)
		if (model_objects[i].kind == KIND_KMALLOC && &model_objects[i] != object)
			require(last < (uintptr_t)model_objects[i].bytes / 64 ||
				first > ((uintptr_t)model_objects[i].bytes + model_objects[i].size -
					 1) / 64);
	for (size_t n = 0; zeroed && n < size; n++)
		require(!object->bytes[n]);
	count_kmalloc(object, 1, end);
	memset(bytes, number_of(object), size);
}

void model_kfree(struct object *object)
{
	for (size_t n = 0; n < object->size; n += n % 64 ? 1 : 63)
		require(object->bytes[n] == number_of(object));
	count_kmalloc(object, -1, NO_PFN);
	object->kind = KIND_NONE;
}

/* Tenants. */

void model_follow_tenants(const struct object *moved)
{
	for (unsigned int i = 0; i < MODEL_OBJECTS; i++) {
		struct object *object = &model_objects[i];
		struct page *page;

		if (object->kind != KIND_TENANT)
			continue;
		page = fake_object_page(object->handle);
		if (page && page_to_pfn(page) == object->pfn)
			continue;
		if (object->pfn == NO_PFN)
			continue;
		require(!object->is_fixed);
		require(object == moved || (!object->pins && !object->refs));
		require(!page || !model_area(page_to_pfn(page)));
		model_release(object, object->pfn, 1);
		object->pfn = NO_PFN;
	}
	for (unsigned int i = 0; i < MODEL_OBJECTS; i++) {
		struct object *object = &model_objects[i];
		struct page *page = object->kind == KIND_TENANT ? fake_object_page(object->handle)
								: NULL;

		if (page && object->pfn == NO_PFN)
			model_own(object, page_to_pfn(page), 1);
		if (page && model_area(object->pfn) && model_area(object->pfn)->guaranteed)
			require(berth_page_is_clean(page) || object->is_fixed);
	}
}

/* What is where. */

const struct area *model_area(uint64_t pfn)
{
	for (unsigned int i = 0; i < MODEL_AREAS; i++)
		if (areas[i].cma && pfn - areas[i].pfn < areas[i].nr)
			return &areas[i];
	return NULL;
}

bool model_is_free(uint64_t pfn)
{
	const struct frame *frame = frame_of(pfn);

	/* Slabs without objects may be kept. */
	return frame->is_managed && !frame->owner && !frame->kmallocs &&
	       berth_page_use(pfn) != BERTH_PAGE_SLAB;
}

uint64_t model_room(uint64_t pfn, uint64_t end)
{
	struct berth_memory_info info;
	uint64_t room;

	/* These figures are looked after by model_check_counters(). */
	berth_memory_info(&info);
	room = PFN_DOWN(info.free - info.free_cma);
	for (uint64_t at = pfn & ~(pageblock_nr_pages - 1);
	     at < ((end + pageblock_nr_pages - 1) & ~(pageblock_nr_pages - 1)); at++)
		if (pfn_valid(at) && room)
			room -= model_is_free(at) && !model_area(at);
	return room;
}

bool model_has_block(unsigned int order, uint64_t end)
{
	for (unsigned int i = 0; i < berth_nr_mem_maps; i++) {
		const struct berth_mem_map *bank = &berth_mem_map[i];
		uint64_t run = 0;

		for (uint64_t at = bank->pfn; at < bank->pfn + bank->nr && at < end; at++) {
			if (at % (1u << order) == 0)
				run = 0;
			run = model_is_free(at) && !model_area(at) ? run + 1 : 0;
			if (run == 1u << order)
				return true;
		}
	}
	return false;
}

/* What a page is to who wants it. */
enum look { LOOK_FREE, LOOK_DROP, LOOK_MOVE, LOOK_STAYS, LOOKS };

static enum look look_at(uint64_t pfn)
{
	const struct frame *frame = frame_of(pfn);
	const struct object *owner = &model_objects[frame->owner ? frame->owner - 1 : 0];

	if (model_is_free(pfn))
		return LOOK_FREE;
	if (!frame->owner || owner->kind != KIND_TENANT || owner->refs || owner->pins ||
	    owner->is_fixed)
		return LOOK_STAYS;
	return berth_page_is_clean(pfn_to_page(pfn)) ? LOOK_DROP : LOOK_MOVE;
}

struct model_window model_look(uint64_t pfn, uint64_t count)
{
	uint64_t sums[LOOKS] = { 0 };

	for (uint64_t at = pfn; at < pfn + count; at++)
		sums[look_at(at)]++;
	return (struct model_window){ .hole = true,
				      .found = !sums[LOOK_STAYS],
				      .moved = sums[LOOK_MOVE],
				      .dropped = sums[LOOK_DROP] };
}

bool model_is_given(uint64_t pfn)
{
	uint8_t owner = frame_of(pfn)->owner;

	return owner && model_objects[owner - 1].kind == KIND_CMA;
}

struct model_window model_find_window(const struct area *area, uint64_t count, unsigned int align)
{
	static uint64_t sums[LOOKS + 1][MAX_PAGES + 1]; /* the last one: units that are given */
	uint64_t unit = 1ULL << area->order, length = (count + unit - 1) & ~(unit - 1);
	struct model_window best = { 0 };

	for (uint64_t n = 0; n < area->nr; n++) {
		enum look look = look_at(area->pfn + n);

		for (unsigned int i = 0; i < LOOKS; i++)
			sums[i][n + 1] = sums[i][n] + (i == look);
		sums[LOOKS][n + 1] = sums[LOOKS][n] + model_is_given(area->pfn + n);
	}
	for (uint64_t n = 0; length <= area->nr && n <= area->nr - length; n += unit) {
		uint64_t moved = sums[LOOK_MOVE][n + count] - sums[LOOK_MOVE][n];
		uint64_t dropped = sums[LOOK_DROP][n + count] - sums[LOOK_DROP][n];

		if ((area->pfn + n) & ((1ULL << align) - 1) ||
		    sums[LOOKS][n + length] != sums[LOOKS][n])
			continue;
		best.hole = true;
		if (sums[LOOK_STAYS][n + count] != sums[LOOK_STAYS][n] ||
		    (best.found &&
		     (moved > best.moved || (moved == best.moved && dropped >= best.dropped))))
			continue;
		best = (struct model_window){ true, true, moved, dropped };
	}
	return best;
}

void model_check_counters(void)
{
	uint64_t used = 0, given = 0, free_cma = 0;
	struct berth_memory_info info;

	for (unsigned int i = 0; i < MAX_PAGES; i++)
		used += frames[i].owner != 0;
	for (unsigned int i = 0; i < MODEL_OBJECTS; i++)
		given += model_objects[i].kind == KIND_CMA ? model_objects[i].nr : 0;
	for (unsigned int i = 0; i < MODEL_AREAS; i++)
		for (uint64_t n = 0; areas[i].cma && n < areas[i].nr; n++)
			free_cma += !frame_of(areas[i].pfn + n)->owner;
	berth_memory_info(&info);
	require(info.used - info.slab == used * PAGE_SIZE);
	require(info.cma_used == given * PAGE_SIZE);
	require(info.free_cma == free_cma * PAGE_SIZE);
	for (unsigned int i = 0; i < MODEL_OBJECTS; i++)
		if (model_objects[i].kind == KIND_TENANT)
			require(fake_object_is_right(model_objects[i].handle));
}
