// SPDX-License-Identifier: BSD-2-Clause
/* Pages, kmalloc() and CMA areas; a pair is one allocation and one release. */
#include "bench.h"

#include <berth/cma.h>
#include <berth/gfp.h>
#include <berth/slab.h>

#define BATCH 256u

/* Sizes are constants, as nearly everywhere in a driver. */
#define PAGE_PAIR(order)                                                      \
	static void page_pair_##order(unsigned long arg, uint64_t iterations) \
	{                                                                     \
		(void)arg;                                                    \
		for (uint64_t i = 0; i < iterations; i++) {                   \
			struct page *page = alloc_pages(GFP_KERNEL, order);   \
                                                                              \
			bench_use(page);                                      \
			__free_pages(page, order);                            \
		}                                                             \
	}

PAGE_PAIR(0)
PAGE_PAIR(4)
PAGE_PAIR(9)

static void page_batch(unsigned long arg, uint64_t iterations)
{
	struct page *pages[BATCH];

	(void)arg;
	for (uint64_t i = 0; i < iterations; i++) {
		for (unsigned int j = 0; j < BATCH; j++)
			pages[j] = alloc_page(GFP_KERNEL);
		for (unsigned int j = 0; j < BATCH; j++)
			__free_page(pages[j]);
	}
}

static void kmalloc_pair_256(unsigned long arg, uint64_t iterations)
{
	(void)arg;
	for (uint64_t i = 0; i < iterations; i++) {
		void *object = kmalloc(256, GFP_KERNEL);

		bench_use(object);
		kfree(object);
	}
}

/* The area is empty before and after. */
static void cma_pair(unsigned long size, uint64_t iterations)
{
	struct cma *area = berth_cma_default();

	for (uint64_t i = 0; i < iterations; i++) {
		struct page *pages = cma_alloc(area, PFN_DOWN(size), 0, true);

		bench_must(pages && cma_release(area, pages, PFN_DOWN(size)), "cma_alloc");
	}
}

/* The allocators' own cost: without the pattern that the model fills fresh memory with. */
static void start(unsigned long arg)
{
	static struct berth_machine machine;

	(void)arg;
	machine = berth_model;
	machine.fresh = NULL;
	bench_start_machine(&machine);
}

#define MEMORY .start = start, .stop = bench_stop_machine

static const struct bench_case cases[] = {
	{ "page_4k_pair", page_pair_0, MEMORY },
	{ "page_64k_pair", page_pair_4, MEMORY },
	{ "page_2m_pair", page_pair_9, MEMORY },
	{ "page_4k_batch256", page_batch, .per = BATCH, .count = 20, MEMORY },
	{ "kmalloc_256_pair", kmalloc_pair_256, MEMORY },
	{ "cma_1m_pair", cma_pair, .arg = 1 << 20, .count = 20, MEMORY },
	{ "cma_16m_pair", cma_pair, .arg = 16 << 20, .count = 20, MEMORY },
};

int main(int argc, char **argv)
{
	if (argc == 1)
		printf("{\"case\": \"page_metadata\", \"bytes\": %zu}\n", sizeof(struct page));
	return bench_main(argc, argv, cases, ARRAY_SIZE(cases));
}
