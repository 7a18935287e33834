// SPDX-License-Identifier: BSD-2-Clause
/* RAM that other processes see: what it takes to begin and to end that; ranges of addresses beside it. */
#include "bench.h"

#include <berth/gfp.h>
#include <berth/mm.h>

#define RUNS 2048u

static struct page *pages;
static unsigned long nr_pages;
static struct berth_range runs[RUNS];
static unsigned int nr_runs;
static char *range;

/* Somebody uses it: what the host does at the first access to a page is not counted. */
static void touch(void)
{
	bench_pause();
	for (unsigned int i = 0; i < nr_runs; i++)
		for (uint64_t at = 0; at < runs[i].size; at += PAGE_SIZE)
			*(volatile char *)phys_to_virt(runs[i].base + at) = 1;
	bench_resume();
}

static void share_pair(unsigned long arg, uint64_t iterations)
{
	(void)arg;
	for (uint64_t i = 0; i < iterations; i++) {
		int handle = berth_port_share(runs, nr_runs, BERTH_MEMORY_CACHED);

		bench_must(handle >= 0, "berth_port_share");
		touch();
		berth_port_unshare(handle);
		touch();
	}
}

static void map_pair(unsigned long arg, uint64_t iterations)
{
	for (uint64_t i = 0; i < iterations; i++) {
		bench_must(!berth_port_range_map(range, runs[0].base, arg, BERTH_MEMORY_CACHED),
			   "berth_port_range_map");
		berth_port_range_unmap(range, runs[0].base, arg, BERTH_MEMORY_CACHED);
	}
}

/* Both gates are timed: BERTH_GATE chooses. */
static void start(unsigned long size)
{
	bench_start_machine(&berth_model);
	nr_pages = size >> PAGE_SHIFT;
	pages = alloc_contig_pages(nr_pages, GFP_KERNEL);
	bench_must(pages, "alloc_contig_pages");
	runs[0] = (struct berth_range){ page_to_phys(pages), size };
	nr_runs = 1;
	memset(page_address(pages), 1, size);
	range = berth_port_range_reserve(size);
	bench_must(range, "berth_port_range_reserve");
}

/* Every second page: none of them is another's neighbour. */
static void start_scattered(unsigned long size)
{
	start(2 * size);
	nr_runs = (unsigned int)(size >> PAGE_SHIFT);
	for (unsigned int i = nr_runs; i--;)
		runs[i] = (struct berth_range){ runs[0].base + 2 * i * PAGE_SIZE, PAGE_SIZE };
}

static void stop(void)
{
	berth_port_range_release(range, nr_pages << PAGE_SHIFT);
	free_contig_range(page_to_pfn(pages), nr_pages);
	bench_stop_machine();
}

#define SHARE(size) .arg = (size), .start = start, .stop = stop, .count = 10

static const struct bench_case cases[] = {
	{ "share_4k_pair", share_pair, SHARE(4 << 10) },
	{ "share_1m_pair", share_pair, SHARE(1 << 20) },
	{ "share_8m_pair", share_pair, SHARE(8 << 20) },
	{ "share_8m_pair_scattered", share_pair, .arg = 8 << 20, .start = start_scattered,
	  .stop = stop, .count = 10 },
	{ "range_map_4k_pair", map_pair, SHARE(4 << 10) },
	{ "range_map_8m_pair", map_pair, SHARE(8 << 20) },
};

int main(int argc, char **argv)
{
	return bench_main(argc, argv, cases, ARRAY_SIZE(cases));
}
