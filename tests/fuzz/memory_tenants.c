// SPDX-License-Identifier: BSD-2-Clause
/* Calls of memory.c: kmalloc() and tenants' pages. */
#include "memory_trace.h"

#include <berth/gfp.h>
#include <berth/slab.h>

#include "../unit/fake_tenant.h"
#include "memory_model.h"

/* kmalloc(). */

void get_object(void)
{
	gfp_t gfp = take_gfp() & ~(__GFP_MOVABLE | __GFP_RECLAIMABLE);
	unsigned int how = take();
	size_t size = how % 8 == 0 ? 8000ul + take2() * 2
		      : how & 1	   ? 1u + take()
				   : 1u + take2() % 8192;
	struct object *object = model_new(KIND_KMALLOC);
	void *bytes;

	if (!object)
		return;
	before();
	bytes = kmalloc(size, gfp);
	model_follow_tenants(NULL);
	if (!bytes) {
		failed_with(berth_last_error()->code, REASON(OUT_OF_MEMORY) | REASON(TOO_LARGE));
		/* The allocator's own records need a page too. */
		require(was_armed || size > KMALLOC_MAX_SIZE ||
			!model_has_block(get_order(size + BERTH_PORT_REDZONE) + 2, end_of(gfp)));
		object->kind = KIND_NONE;
		return;
	}
	require(ksize(bytes) >= size && size <= KMALLOC_MAX_SIZE);
	object->kind = KIND_NONE; /* not one of those that it is compared with */
	object->kind = KIND_KMALLOC;
	model_kmalloc(object, bytes, size, end_of(gfp), gfp & __GFP_ZERO);
}

void put_object(void)
{
	struct object *object = model_pick(KIND_KMALLOC, take());
	unsigned int how = take() % 8;
	uint8_t *bytes = object ? object->bytes : NULL;

	if (!object)
		return;
	berth_clear_error();
	if (how == 0) {
		kfree(bytes + 16);
		refused();
	}
	model_kfree(object);
	kfree(bytes);
	require(!berth_last_error()->code);
	if (how == 1) {
		kfree(bytes);
		refused();
		require(!ksize(bytes));
	}
}

/* Tenants. */

static const struct movable_operations *const tenants[] = { &fake_plain_ops, &fake_full_ops };

void new_tenant(void)
{
	unsigned int how = take();
	struct object *object = model_new(KIND_TENANT);
	struct page *page;

	if (!object)
		return;
	before();
	object->pfn = NO_PFN;
	object->handle = fake_object_new(tenants[how & 1], (how & 2 ? BERTH_GFP_CLEAN : 0) |
								   (how & 4 ? GFP_KERNEL : 0));
	if (object->handle < 0) {
		object->kind = KIND_NONE;
		model_follow_tenants(NULL);
		failed_with(-ENOMEM, REASON(OUT_OF_MEMORY));
		require(was_armed || !model_has_block(0, NO_PFN));
		return;
	}
	page = fake_object_page(object->handle);
	require(page_count(page) == 1 && PageMovable(page));
	model_follow_tenants(NULL);
	if (model_area(object->pfn) && model_area(object->pfn)->guaranteed)
		require((how & 3) == 3);
}

/* Many at once: the interesting states are full ones. */
void new_tenants(void)
{
	for (unsigned int n = take() % 16; n-- > 0;)
		new_tenant();
}

void free_tenant(void)
{
	struct object *object = model_pick(KIND_TENANT, take());

	if (!object)
		return;
	require(fake_object_is_right(object->handle));
	fake_object_free(object->handle);
	if (object->refs || object->pins) {
		object->kind = KIND_ORPHAN;
		return;
	}
	if (object->pfn != NO_PFN)
		model_release(object, object->pfn, 1);
	object->kind = KIND_NONE;
}

void put_orphan(void)
{
	struct object *object = model_pick(KIND_ORPHAN, take());

	if (!object)
		return;
	if (object->pins) {
		object->pins--;
		unpin_user_page(pfn_to_page(object->pfn));
	} else {
		object->refs--;
		put_page(pfn_to_page(object->pfn));
	}
	if (object->pins || object->refs)
		return;
	model_release(object, object->pfn, 1);
	object->kind = KIND_NONE;
}

void adopt(void)
{
	struct object *object = model_pick(KIND_BLOCK, take());

	if (!object || object->order || object->refs)
		return;
	object->kind = KIND_TENANT;
	object->handle = fake_object_adopt(&fake_full_ops, pfn_to_page(object->pfn), take() & 1);
}

void clean_or_dirty(void)
{
	struct object *object = model_pick(KIND_TENANT, take());
	const struct area *area;
	struct page *page;
	bool clean = take() & 1;

	if (!object || object->pfn == NO_PFN || object->is_fixed)
		return;
	page = pfn_to_page(object->pfn);
	area = model_area(object->pfn);
	if (take() % 16 == 0 && !(area && area->guaranteed)) {
		__ClearPageMovable(page);
		object->is_fixed = true;
		require(!PageMovable(page) && !berth_set_page_clean(page, true));
		return;
	}
	if (berth_set_page_clean(page, clean))
		require(berth_page_is_clean(page) == clean);
	else
		require(clean ? berth_page_tenant(page) == &fake_plain_ops
			      : area && area->guaranteed);
}

void pin(void)
{
	struct object *object = model_pick(KIND_TENANT, take());
	unsigned int flags = take() & 1 ? FOLL_LONGTERM : FOLL_WRITE;
	const struct area *area;
	struct page *page;
	bool must_leave;
	int err;

	if (!object || object->pfn == NO_PFN || object->pins > 3)
		return;
	area = model_area(object->pfn);
	must_leave = area && (flags & FOLL_LONGTERM || area->guaranteed);
	page = fake_object_get(object->handle);
	before();
	err = pin_pages(&page, 1, flags, "fuzz");
	model_follow_tenants(err ? NULL : object);
	require(page_to_pfn(page) == object->pfn);
	if (err) {
		failed_with(err, REASON(PAGE_BUSY) | REASON(NO_ROOM));
		require(must_leave);
	} else {
		require(!must_leave || !model_area(object->pfn));
		object->pins++;
	}
	put_page(page);
}

void unpin(void)
{
	struct object *object = model_pick(KIND_TENANT, take());

	if (!object || object->pfn == NO_PFN)
		return;
	berth_clear_error();
	unpin_user_page(pfn_to_page(object->pfn));
	if (!object->pins)
		refused();
	else
		object->pins--;
}

void hold(void)
{
	struct object *object = model_pick(KIND_TENANT, take());

	if (!object || object->pfn == NO_PFN)
		return;
	if (object->refs && take() & 1) {
		put_page(pfn_to_page(object->pfn));
		object->refs--;
	} else {
		require(fake_object_get(object->handle) == pfn_to_page(object->pfn));
		object->refs++;
	}
}

void move(void)
{
	struct object *object = model_pick(KIND_TENANT, take());
	struct page *page;
	bool in_area;
	int err;

	if (!object || object->pfn == NO_PFN)
		return;
	in_area = model_area(object->pfn) != NULL;
	page = fake_object_get(object->handle);
	before();
	err = berth_move_page(&page);
	model_follow_tenants(err ? NULL : object);
	require(page_to_pfn(page) == object->pfn);
	if (err)
		failed_with(err, REASON(PAGE_BUSY) | REASON(NO_ROOM));
	require(err ? in_area : !model_area(object->pfn));
	require(!in_area || !(object->refs || object->pins) || err);
	put_page(page);
}

void set_tenant(void)
{
	unsigned int byte = take();

	fake_tenant.refuse_isolate = byte & 3;
	fake_tenant.refuse_move = byte >> 2 & 3;
	fake_tenant.refuse_reclaim = byte >> 4 & 3;
	fake_tenant.swap_slots = byte & 0x40 ? take() : 0;
}
