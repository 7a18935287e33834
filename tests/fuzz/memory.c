// SPDX-License-Identifier: BSD-2-Clause
/*
 * Any bytes as a trace of memory calls, against the model of memory_model.h: no page has two owners,
 * nobody's contents change, limits hold, what must succeed does, and cheaply, a failure has a reason,
 * and all pages are there again when all is given back.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <berth/error.h>
#include <berth/gfp.h>
#include <berth/memblock.h>
#include <berth/slab.h>
#include <berth/test.h>

#include "../unit/fake_port.h"
#include "../unit/fake_tenant.h"
#include "memory_model.h"
#include "memory_trace.h"
#include "mm/internal.h"

#define MAX_CALLS 600

/* All three zones; one bank goes across the border of two. */
static const struct berth_range banks[] = {
	{ 12 * MIB, 3 * MIB + 0x5000 },
	{ 4 * GIB - 8 * MIB, 16 * MIB },
};

static const uint8_t *input;
static size_t input_left;

uint8_t take(void)
{
	return input_left ? (input_left--, *input++) : 0;
}

unsigned int take2(void)
{
	unsigned int low = take();

	return low | (unsigned int)take() << 8;
}

/* Whether an allocation is to fail; then what must succeed need not. */
static bool is_armed;

/* Of the call that comes: whether an allocation in it may fail, and whether its cost is known. */
bool was_armed, is_exact;

void before(void)
{
	was_armed = is_armed;
	is_exact = !is_armed && !fake_tenant.refuse_isolate && !fake_tenant.refuse_move &&
		   !fake_tenant.refuse_reclaim && !model_pick(KIND_ORPHAN, 0);
	berth_clear_error();
}

void failed_with(int code, unsigned int reasons)
{
	char text[200];

	require(code < 0 && berth_last_error()->code == code);
	require(reasons >> berth_last_error()->reason & 1);
	require(berth_error_text(NULL, text, sizeof(text)) > 0);
}

void refused(void)
{
	failed_with(-EINVAL, REASON(NOT_OWNED));
	berth_clear_error();
}

uint64_t min(uint64_t a, uint64_t b)
{
	return a < b ? a : b;
}

gfp_t take_gfp(void)
{
	static const gfp_t bits[] = { __GFP_DMA,	 __GFP_DMA32, __GFP_MOVABLE,
				      __GFP_RECLAIMABLE, __GFP_ZERO,  __GFP_DIRECT_RECLAIM };
	unsigned int byte = take();
	gfp_t gfp = 0;

	/* Each limit at every fourth call. */
	for (unsigned int i = 0; i < ARRAY_SIZE(bits); i++)
		if (byte >> i & 1 && (i > 1 || byte & 0x80))
			gfp |= bits[i];
	return gfp;
}

uint64_t end_of(gfp_t gfp)
{
	return gfp & __GFP_DMA	   ? PFN_DOWN(16 * MIB)
	       : gfp & __GFP_DMA32 ? PFN_DOWN(4 * GIB)
				   : NO_PFN;
}

/* Pages. */

static void get_block(uint64_t limit)
{
	gfp_t gfp = take_gfp();
	unsigned int order = take() % 16;
	uint64_t end = min(end_of(gfp), limit);
	struct object *object = model_new(KIND_BLOCK);
	struct page *page;

	if (!object)
		return;
	if (order > 4 && order != 9)
		order %= 12;
	before();
	page = limit == NO_PFN ? alloc_pages(gfp, order)
			       : berth_alloc_pages_below(gfp, order, PFN_PHYS(limit) - 1);
	/* Who may sleep has tenants give pages up. */
	model_follow_tenants(NULL);
	if (!page) {
		failed_with(berth_last_error()->code, REASON(OUT_OF_MEMORY) | REASON(TOO_LARGE));
		require(was_armed || order > MAX_ORDER || !model_has_block(order, end));
		object->kind = KIND_NONE;
		return;
	}
	require(order <= MAX_ORDER && page_count(page) == 1);
	require(page_to_pfn(page) % (1u << order) == 0 && !model_area(page_to_pfn(page)));
	require(!model_area(page_to_pfn(page) + (1u << order) - 1));
	for (unsigned int n = 0; gfp & __GFP_ZERO && n < PAGE_SIZE << order; n += 1016)
		require(!((uint8_t *)page_address(page))[n]);
	object->order = order;
	model_claim(object, page_to_pfn(page), 1ULL << order, end);
}

void wrong_free(struct page *page, unsigned int order)
{
	berth_clear_error();
	__free_pages(page, order);
	refused();
}

static void put_block(void)
{
	struct object *object = model_pick(KIND_BLOCK, take());
	unsigned int how = take() % 8;
	struct page *page;

	if (!object)
		return;
	page = pfn_to_page(object->pfn);
	model_check(object->pfn, object->nr);
	if (how == 0)
		wrong_free(page, object->order + 1);
	if (how == 1 && object->order)
		wrong_free(page + 1, 0);
	if (how == 1 && object->order)
		wrong_free(page, object->order - 1);
	if (how == 2)
		free_pages((unsigned long)page_address(page), object->order);
	else
		__free_pages(page, object->order);
	if (object->refs--)
		return;
	model_release(object, object->pfn, object->nr);
	object->kind = KIND_NONE;
	if (how == 3)
		wrong_free(page, object->order);
}

static void split_block(void)
{
	struct object *object = model_pick(KIND_BLOCK, take());

	if (!object || object->refs)
		return;
	split_page(pfn_to_page(object->pfn), object->order);
	object->kind = KIND_RANGE;
}

/* Some pages from the beginning or the end of a range or of an area's pages. */
uint64_t take_part(const struct object *object, uint64_t *nr)
{
	unsigned int how = take();

	*nr = how & 1 ? 1 + take2() % object->nr : object->nr;
	return how & 2 ? object->pfn + object->nr - *nr : object->pfn;
}

void shrink(struct object *object, uint64_t pfn, uint64_t nr)
{
	model_release(object, pfn, nr);
	if (pfn == object->pfn)
		object->pfn += nr;
	object->nr -= nr;
	if (!object->nr)
		object->kind = KIND_NONE;
}

static void put_range(void)
{
	struct object *object = model_pick(KIND_RANGE, take());
	uint64_t pfn, nr;

	if (!object)
		return;
	pfn = take_part(object, &nr);
	model_check(pfn, nr);
	berth_clear_error();
	if (nr == object->nr && (pfn + nr == PFN_DOWN(banks[1].base + banks[1].size) ||
				 model_is_free(pfn + nr - 1 + (pfn_valid(pfn + nr) ? 1 : 0)))) {
		free_contig_range(pfn, nr + 1);
		refused();
	}
	if (nr == 1)
		__free_page(pfn_to_page(pfn));
	else
		free_contig_range(pfn, nr);
	require(!berth_last_error()->code);
	shrink(object, pfn, nr);
}

static const uint8_t refs_kinds[] = { KIND_BLOCK, KIND_RANGE, KIND_CMA };

static void get_ref(void)
{
	enum kind kind = refs_kinds[take() % ARRAY_SIZE(refs_kinds)];
	struct object *object = model_pick(kind, take()), *extra;
	unsigned int n = take2();
	uint64_t pfn;

	if (!object)
		return;
	pfn = object->pfn + n % object->nr;
	if (kind == KIND_BLOCK) {
		get_page(pfn_to_page(pfn)); /* a page of a block stands for it */
		object->refs++;
		return;
	}
	extra = model_extra(pfn) ? NULL : model_new(KIND_EXTRA);
	if (!extra)
		return;
	get_page(pfn_to_page(pfn));
	extra->pfn = pfn;
	extra->nr = 1;
	model_set_extra(pfn, extra);
}

static void put_ref(void)
{
	struct object *extra = model_pick(KIND_EXTRA, take());
	uint64_t pfn = extra ? extra->pfn : 0;

	if (!extra)
		return;
	model_check(pfn, 1);
	put_page(pfn_to_page(pfn));
	if (model_extra(pfn) == extra)
		model_set_extra(pfn, NULL);
	else
		model_release(extra, pfn, 1);
	extra->kind = KIND_NONE;
}

/* Memory becomes short, or is there again. */
static void hog(void)
{
	static struct page *pages[8192];
	static unsigned int nr;
	struct object *object = model_pick(KIND_HOG, 0);
	unsigned int left = take() % 64;
	bool is_new = !object;

	if (is_armed || (!object && !(object = model_new(KIND_HOG))))
		return;
	for (nr = is_new ? 0 : nr; is_new && (pages[nr] = alloc_page(0)); nr++)
		model_own(object, page_to_pfn(pages[nr]), 1);
	for (left = is_new ? left : nr; left && nr; left--) {
		model_release(object, page_to_pfn(pages[--nr]), 1);
		__free_page(pages[nr]);
	}
	if (!nr)
		object->kind = KIND_NONE;
}

static void arm(void)
{
	is_armed = true;
	berth_test_fail_nth(1 + take() % 40);
}

static void any_block(void)
{
	get_block(NO_PFN);
}

static void low_block(void)
{
	get_block(PFN_DOWN(banks[take() & 1].base) + take2());
}

static void (*const calls[])(void) = {
	any_block,   low_block,	 put_block,   put_block,  split_block, put_range,
	get_ref,     put_ref,	 get_range,   get_contig, get_cma,     get_cma,
	put_cma,     explain,	 get_object,  get_object, put_object,  new_tenants,
	new_tenants, new_tenant, free_tenant, put_orphan, adopt,       clean_or_dirty,
	pin,	     unpin,	 hold,	      move,	  set_tenant,  arm,
	hog,
};

/* All back, and it is as it was. */
static void give_back(uint64_t hash)
{
	static void (*const puts[])(void) = {
		[KIND_BLOCK] = put_block,    [KIND_RANGE] = put_range,
		[KIND_CMA] = put_cma,	     [KIND_KMALLOC] = put_object,
		[KIND_TENANT] = free_tenant, [KIND_ORPHAN] = put_orphan,
		[KIND_EXTRA] = put_ref,	     [KIND_HOG] = hog,
	};

	input_left = 0;
	is_armed = false;
	berth_test_fail_nth(0);
	for (unsigned int kind = KIND_BLOCK; kind <= KIND_EXTRA; kind++)
		while (model_pick((enum kind)kind, 0))
			puts[kind]();
	model_check_counters();
	berth_slab_shrink();
	require(!berth_mm_leaked());
	fake_check_zones();
	require(fake_free_hash() == hash);
	for (unsigned int i = 0; i < NR_ZONES; i++)
		require(!berth_zones[i].free_isolated);
}

/* Before the start. */

static void add_area(unsigned int number, uint64_t base, uint64_t size, unsigned int order,
		     bool guaranteed)
{
	struct area *area = &areas[number];

	*area = (struct area){ .pfn = PFN_DOWN(base),
			       .nr = PFN_DOWN(size),
			       .order = order,
			       .guaranteed = guaranteed };
	if (memblock_is_region_reserved(base, size) || memblock_reserve(base, size) ||
	    cma_init_reserved_mem(base, size, order, NULL, &area->cma))
		return;
	if (guaranteed)
		berth_cma_set_guaranteed(area->cma);
}

/* What memblock was told, a byte a page: 1 memory, 2 no map, 4 reserved. */
static uint8_t told[32 * MIB >> PAGE_SHIFT];
#define TOLD_BASE (4 * GIB - 16 * MIB)

static uint64_t best_fit(uint64_t pages, uint64_t align)
{
	uint64_t run = 0;

	for (uint64_t n = ARRAY_SIZE(told); n-- > 0;) {
		run = (told[n] & 7) == 1 ? run + 1 : 0;
		if (run >= pages && (PFN_DOWN(TOLD_BASE) + n) % align == 0)
			return PFN_DOWN(TOLD_BASE) + n;
	}
	return 0;
}

static void memblock_call(void)
{
	static int (*const change[])(phys_addr_t base, uint64_t size) = {
		memblock_reserve,    memblock_phys_free, memblock_remove,
		memblock_mark_nomap, memblock_add,
	};
	static const uint8_t set[] = { 4, 0, 0, 2, 1 }, clear[] = { 0, 4, 3, 0, 0 };
	unsigned int what = take() % 6, first = 2048 + take2() % 4096, nr = 1 + take() % 64;
	uint64_t base = TOLD_BASE + first * PAGE_SIZE, found, align;

	if (what == 5) {
		align = 1u << (first % 6);
		found = memblock_phys_alloc_range(nr * PAGE_SIZE, align * PAGE_SIZE, TOLD_BASE,
						  TOLD_BASE + sizeof(told) * PAGE_SIZE);
		require(found == PFN_PHYS(best_fit(nr, align)));
		if (!found)
			failed_with(-ENOMEM, REASON(OUT_OF_MEMORY));
		for (unsigned int n = 0; found && n < nr; n++)
			told[PFN_DOWN(found - TOLD_BASE) + n] |= 4;
		return;
	}
	if (first + nr > 6144)
		nr = 6144 - first;
	if (change[what](base, nr * PAGE_SIZE)) {
		failed_with(berth_last_error()->code, REASON(TABLE_FULL));
		return;
	}
	for (unsigned int n = first; n < first + nr; n++) {
		if (what == 3 && !(told[n] & 1))
			continue;
		told[n] = (uint8_t)((told[n] & ~clear[what]) | set[what]);
	}
}

static bool start(void)
{
	unsigned int nr = take() % 8;

	fake_ram(banks, ARRAY_SIZE(banks));
	fake_tenant_reset();
	memset(areas, 0, sizeof(areas));
	memset(told, 0, sizeof(told));
	memset(told + 2048, 1, 4096);
	berth_clear_error();
	while (nr--)
		memblock_call();
	add_area(0, 4 * GIB - 2 * MIB, 4 * MIB, 0, false);
	add_area(1, 4 * GIB + 2 * MIB, 2 * MIB, 0, true);
	add_area(2, 4 * GIB - 6 * MIB, 2 * MIB, 2, false);
	if (berth_mm_start()) {
		require(berth_last_error()->reason != BERTH_REASON_NONE);
		return false;
	}
	for (unsigned int n = 2048; n < 6144; n++)
		require((told[n] & 7) == 1 || !pfn_valid(PFN_DOWN(TOLD_BASE) + n) ||
			berth_page_use(PFN_DOWN(TOLD_BASE) + n) == BERTH_PAGE_RESERVED);
	require(!berth_tenant_register(&fake_plain_ops));
	require(!berth_tenant_register(&fake_full_ops));
	model_start();
	return true;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	uint64_t hash;

	input = data;
	input_left = size;
	fake_clock_step = 500000;
	is_armed = false;
	berth_test_fail_nth(0);
	if (start()) {
		hash = fake_free_hash();
		for (unsigned int n = 1; input_left && n < MAX_CALLS; n++) {
			calls[take() % ARRAY_SIZE(calls)]();
			if (is_armed && berth_test_failed())
				is_armed = false;
			if (n % 8 == 0)
				model_check_counters();
			if (n % 64 == 0)
				fake_check_zones();
		}
		model_check_counters();
		give_back(hash);
	}
	fake_stop();
	return 0;
}
