// SPDX-License-Identifier: BSD-2-Clause
#include "fake_tenant.h"

#include <sched.h>
#include <string.h>

#include <berth/spinlock.h>

#include "fake_port.h"
#include "mm/internal.h"

/* @page: NULL if there is none. @touches: what its counter was when the page went. */
struct object {
	struct page *page;
	bool is_used;
	bool is_isolated;
	bool is_away;
	uint32_t touches;
};

struct fake_tenant fake_tenant;
static struct object objects[FAKE_MAX_OBJECTS];
static unsigned int next_handle;
static spinlock_t lock;

static void delay(void)
{
	if (__atomic_load_n(&fake_tenant.delays, __ATOMIC_RELAXED))
		sched_yield();
}

static void count(uint64_t *counter)
{
	__atomic_fetch_add(counter, 1, __ATOMIC_RELAXED);
}

static bool take_refusal(uint32_t *refusals)
{
	uint32_t old = __atomic_load_n(refusals, __ATOMIC_RELAXED);

	while (old)
		if (__atomic_compare_exchange_n(refusals, &old, old - 1, false, __ATOMIC_RELAXED,
						__ATOMIC_RELAXED))
			return true;
	return false;
}

/* The bytes of an object: its handle here and there, a counter in the second word. */
static void fill(int handle, struct page *page)
{
	uint64_t *words = page_address(page);

	memset(words, handle & 0xff, PAGE_SIZE);
	words[0] = (uint64_t)handle * 0x9e3779b97f4a7c15u;
	words[1] = objects[handle].touches;
	words[511] = words[0];
}

static bool is_filled(int handle, const struct page *page)
{
	const uint64_t *words = page_address(page);
	uint64_t same = 0x0101010101010101u * (uint64_t)(handle & 0xff);

	return words[0] == (uint64_t)handle * 0x9e3779b97f4a7c15u && words[511] == words[0] &&
	       words[2] == same && words[300] == same && words[510] == same;
}

/* Functions of the tenant. */

static bool isolate_page(struct page *page, unsigned int mode)
{
	struct object *object = &objects[page->index % FAKE_MAX_OBJECTS];
	bool done;

	(void)mode;
	delay();
	if (take_refusal(&fake_tenant.refuse_isolate))
		return false;
	spin_lock(&lock);
	done = object->page == page && !object->is_isolated;
	if (done)
		object->is_isolated = true;
	spin_unlock(&lock);
	if (done)
		count(&fake_tenant.isolated);
	return done;
}

static void require(bool condition, const char *what)
{
	if (!condition)
		berth_port_panic(what);
}

static void end_isolation(struct page *page, struct page *now)
{
	struct object *object = &objects[page->index];

	spin_lock(&lock);
	require(object->is_isolated && object->page == page, "not isolated");
	object->is_isolated = false;
	object->page = now;
	spin_unlock(&lock);
}

static int migrate_page(struct page *dst, struct page *src, enum migrate_mode mode)
{
	require(mode == MIGRATE_SYNC && page_count(src) == 0 && dst->index == src->index,
		"how a page is moved");
	if (take_refusal(&fake_tenant.refuse_move))
		return -EAGAIN;
	berth_copy_page(dst, src);
	delay();
	end_isolation(src, dst);
	count(&fake_tenant.moved);
	return 0;
}

static unsigned int migrate_pages(struct page *const *dst, struct page *const *src, unsigned int nr,
				  enum migrate_mode mode)
{
	unsigned int moved = 0;

	require(nr > 1 && nr <= BERTH_MIGRATE_BATCH, "the size of a batch");
	count(&fake_tenant.batches);
	while (moved < nr && !migrate_page(dst[moved], src[moved], mode))
		moved++;
	return moved;
}

static void putback_page(struct page *page)
{
	end_isolation(page, page);
	count(&fake_tenant.put_back);
}

static bool reclaim_page(struct page *page)
{
	struct object *object = &objects[page->index];
	bool is_clean = berth_page_is_clean(page);

	require(page_count(page) == 0, "how a page is given up");
	if (take_refusal(&fake_tenant.refuse_reclaim))
		return false;
	if (!is_clean) {
		uint64_t slots = __atomic_load_n(&fake_tenant.swap_slots, __ATOMIC_RELAXED);

		do {
			if (!slots)
				return false;
		} while (!__atomic_compare_exchange_n(&fake_tenant.swap_slots, &slots, slots - 1,
						      false, __ATOMIC_RELAXED, __ATOMIC_RELAXED));
		count(&fake_tenant.written);
	} else {
		count(&fake_tenant.dropped);
	}
	object->touches = (uint32_t)((uint64_t *)page_address(page))[1];
	object->is_away = true;
	delay();
	end_isolation(page, NULL);
	return true;
}

static uint64_t room(void)
{
	return __atomic_load_n(&fake_tenant.swap_slots, __ATOMIC_RELAXED);
}

const struct movable_operations fake_plain_ops = {
	.isolate_page = isolate_page,
	.migrate_page = migrate_page,
	.putback_page = putback_page,
	.name = "plain",
};

const struct movable_operations fake_full_ops = {
	.isolate_page = isolate_page,
	.migrate_page = migrate_page,
	.putback_page = putback_page,
	.name = "full",
	.migrate_pages = migrate_pages,
	.reclaim_page = reclaim_page,
	.room = room,
};

/* Its users. */

void fake_tenant_reset(void)
{
	memset(&fake_tenant, 0, sizeof(fake_tenant));
	memset(objects, 0, sizeof(objects));
	next_handle = 0;
}

static int new_handle(void)
{
	int handle;

	spin_lock(&lock);
	do {
		handle = (int)(next_handle++ % FAKE_MAX_OBJECTS);
	} while (objects[handle].is_used);
	objects[handle] = (struct object){ .is_used = true };
	spin_unlock(&lock);
	return handle;
}

static int publish(int handle, struct page *page)
{
	fill(handle, page);
	spin_lock(&lock);
	objects[handle].page = page;
	spin_unlock(&lock);
	return handle;
}

int fake_object_new(const struct movable_operations *ops, gfp_t gfp)
{
	int handle = new_handle();
	struct page *page = berth_alloc_movable(ops, gfp, (uint64_t)handle);

	if (page)
		return publish(handle, page);
	spin_lock(&lock);
	objects[handle].is_used = false;
	spin_unlock(&lock);
	return -1;
}

int fake_object_adopt(const struct movable_operations *ops, struct page *page, bool clean)
{
	int handle = new_handle();

	page->index = (uint64_t)handle;
	publish(handle, page);
	__SetPageMovable(page, ops);
	if (clean)
		require(berth_set_page_clean(page, true), "berth_set_page_clean");
	return handle;
}

struct page *fake_object_page(int handle)
{
	struct page *page;

	spin_lock(&lock);
	page = objects[handle].page;
	spin_unlock(&lock);
	return page;
}

struct page *fake_object_get(int handle)
{
	for (;;) {
		struct page *page;
		bool have;

		spin_lock(&lock);
		page = objects[handle].page;
		have = page && get_page_unless_zero(page);
		spin_unlock(&lock);
		if (!page || have)
			return page;
		berth_wait_on_page(page);
	}
}

void fake_object_free(int handle)
{
	struct object *object = &objects[handle];
	struct page *page;
	bool done = false;

	while (!done) {
		spin_lock(&lock);
		page = object->page;
		done = !object->is_isolated;
		if (done)
			object->page = NULL;
		spin_unlock(&lock);
		if (!done)
			sched_yield();
	}
	if (page)
		put_page(page);
	spin_lock(&lock);
	object->is_used = false;
	spin_unlock(&lock);
}

bool fake_object_is_right(int handle)
{
	struct page *page = fake_object_get(handle);
	bool right = true;

	if (page) {
		right = is_filled(handle, page);
		put_page(page);
	}
	return right;
}

void fake_object_touch(int handle)
{
	struct page *page = fake_object_get(handle);

	if (!page) {
		__atomic_fetch_add(&objects[handle].touches, 1, __ATOMIC_RELAXED);
		return;
	}
	__atomic_fetch_add((uint64_t *)page_address(page) + 1, 1, __ATOMIC_RELAXED);
	delay();
	put_page(page);
}

uint32_t fake_object_touches(int handle)
{
	struct page *page = fake_object_get(handle);
	uint32_t touches;

	if (!page)
		return __atomic_load_n(&objects[handle].touches, __ATOMIC_RELAXED);
	touches = (uint32_t)((uint64_t *)page_address(page))[1];
	put_page(page);
	return touches;
}
