/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A tenant for the tests of src/mm/: objects of one page, behind handles, so that a move is seen only
 * by who asks where the page is. Any thread.
 */
#ifndef BERTH_TESTS_FAKE_TENANT_H
#define BERTH_TESTS_FAKE_TENANT_H

#include <berth/migrate.h>

#define FAKE_MAX_OBJECTS 16384u

/* What the tenant has done and shall do; all zero at fake_tenant_reset(). */
struct fake_tenant {
	uint64_t isolated;
	uint64_t moved;
	uint64_t batches;
	uint64_t dropped;
	uint64_t written;
	uint64_t put_back;
	uint64_t swap_slots; /* free ones */
	uint32_t refuse_isolate; /* so many calls fail */
	uint32_t refuse_move;
	uint32_t refuse_reclaim;
	bool delays; /* yield in the middle of things */
};

extern struct fake_tenant fake_tenant;
/* The same objects behind two tenants: one has Linux's functions only, the other all. */
extern const struct movable_operations fake_plain_ops;
extern const struct movable_operations fake_full_ops;

/* Forget all objects, without freeing. */
void fake_tenant_reset(void);

/* A new object of which @gfp is given to berth_alloc_movable(); -1 if there is no memory. */
int fake_object_new(const struct movable_operations *ops, gfp_t gfp);
/* Make an object of a page in use that is nobody's. */
int fake_object_adopt(const struct movable_operations *ops, struct page *page, bool clean);
/* Free an object, wherever its contents are. */
void fake_object_free(int handle);

/* Where the object is now; NULL if it was dropped or written to swap. */
struct page *fake_object_page(int handle);
/* The same with a reference. */
struct page *fake_object_get(int handle);
/* Whether its bytes are what they were; true for an object without a page. */
bool fake_object_is_right(int handle);
/* Add one to a counter in the object, which a move must not lose. */
void fake_object_touch(int handle);
uint32_t fake_object_touches(int handle);

#endif
