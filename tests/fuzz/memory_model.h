/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What a trace of memory calls must be: whose each page is, by what the calls have returned, and what
 * is in it. It knows nothing of how src/mm/ does it.
 */
#ifndef BERTH_TESTS_FUZZ_MEMORY_MODEL_H
#define BERTH_TESTS_FUZZ_MEMORY_MODEL_H

#include <berth/cma.h>
#include <berth/mm.h>

#define MODEL_OBJECTS 64
#define MODEL_AREAS 3
#define NO_PFN UINT64_MAX

enum kind {
	KIND_NONE,
	KIND_BLOCK, /* of alloc_pages() */
	KIND_RANGE, /* single pages */
	KIND_CMA,
	KIND_KMALLOC,
	KIND_TENANT, /* an object of fake_tenant.h */
	KIND_ORPHAN, /* a tenant's page that its tenant has let go of */
	KIND_HOG, /* all but a few of the pages that were free */
	KIND_EXTRA, /* a reference to a page of a RANGE or CMA; when those go, the page is its */
};

/*
 * struct object - somebody's memory
 * @pfn: first page, NO_PFN if a tenant has it elsewhere
 * @refs: references beyond the owner's (BLOCK, TENANT, ORPHAN)
 * @is_fixed: a TENANT's page that is not movable any more
 */
struct object {
	enum kind kind;
	uint64_t pfn;
	uint64_t nr;
	unsigned int order;
	unsigned int area;
	unsigned int refs;
	unsigned int pins;
	int handle;
	bool is_fixed;
	uint8_t *bytes;
	size_t size;
};

/* An area: pages that belong to nobody else for good. @cma: NULL if there is none. */
struct area {
	struct cma *cma;
	uint64_t pfn;
	uint64_t nr;
	unsigned int order;
	bool guaranteed;
};

extern struct object model_objects[MODEL_OBJECTS];
extern struct area areas[MODEL_AREAS];

void require_at(bool holds, const char *what, int line);
#define require(condition) require_at(condition, #condition, __LINE__)

/* After the start: what is free now may be handed out, nothing else. */
void model_start(void);

/* An unused object; NULL if there is none. */
struct object *model_new(enum kind kind);
/* The n-th of those of one kind, counted in a ring; NULL if there is none. */
struct object *model_pick(enum kind kind, unsigned int n);

/* An object gets pages, all below @end, that nobody has; they are marked with contents. */
void model_claim(struct object *object, uint64_t pfn, uint64_t nr, uint64_t end);
/* The same for pages whose contents are somebody else's business. */
void model_own(struct object *object, uint64_t pfn, uint64_t nr);
/* The contents are as they were. */
void model_check(uint64_t pfn, uint64_t nr);
/* Pages of an object are given back; those with an EXTRA reference become its. */
void model_release(struct object *object, uint64_t pfn, uint64_t nr);
/* An EXTRA reference to a page; 0 for none. */
struct object *model_extra(uint64_t pfn);
void model_set_extra(uint64_t pfn, struct object *extra);

void model_kmalloc(struct object *object, void *bytes, size_t size, uint64_t end, bool zeroed);
void model_kfree(struct object *object);

/* Tenants' pages may have moved, but not those in use, @moved excepted. */
void model_follow_tenants(const struct object *moved);

/* The area of a page, or NULL. */
const struct area *model_area(uint64_t pfn);
bool model_is_free(uint64_t pfn);
/* Whether cma_alloc() has handed a page out. */
bool model_is_given(uint64_t pfn);
/* Free pages outside of areas and of the page blocks of [@pfn, @end). */
uint64_t model_room(uint64_t pfn, uint64_t end);
/* Whether a block of 2^@order pages below @end is free. */
bool model_has_block(unsigned int order, uint64_t end);

/* struct model_window - what an allocation will find. @hole: a place that nobody was handed */
struct model_window {
	bool hole;
	bool found;
	uint64_t moved;
	uint64_t dropped;
};
struct model_window model_find_window(const struct area *area, uint64_t count, unsigned int align);
/* What is in the way in one range. @found: nothing that stays. */
struct model_window model_look(uint64_t pfn, uint64_t count);

/* The counters say what the model says. */
void model_check_counters(void);

#endif
