/* SPDX-License-Identifier: BSD-2-Clause */
/* Ranges of addresses in which the caller maps RAM. */
#include "suite.h"

#define WORDS (PAGE_BYTES / sizeof(uint64_t))

static void *reserve(unsigned int nr)
{
	void *range = berth_port_range_reserve(nr * PAGE_BYTES);

	if (!range)
		conformance_skip("this port has no ranges");
	else
		CHECK_EQUAL((uintptr_t)range % PAGE_BYTES, 0);
	return range;
}

static void fill(uint64_t *at, uint64_t seed, size_t words)
{
	for (size_t i = 0; i < words; i++)
		at[i] = seed + i;
}

static bool is_filled(const uint64_t *at, uint64_t seed, size_t words)
{
	for (size_t i = 0; i < words; i++)
		if (at[i] != seed + i)
			return false;
	return true;
}

/* Pages in another order than that of their addresses, beside the linear map. */
static void test_scattered(void)
{
	enum { NR = 9 };
	char *pages = conformance_pages(NR), *range = reserve(NR);
	unsigned int page_at[NR];

	if (!pages || !range)
		return;
	for (unsigned int i = 0; i < NR; i++) {
		page_at[i] = (i * 4 + 3) % NR;
		fill((uint64_t *)(void *)(pages + i * PAGE_BYTES), i << 16, WORDS);
	}
	for (unsigned int i = 0; i < NR; i++)
		CHECK_EQUAL(berth_port_range_map(range + i * PAGE_BYTES,
						 conformance_phys(pages + page_at[i] * PAGE_BYTES),
						 PAGE_BYTES, BERTH_MEMORY_CACHED),
			    0);
	for (unsigned int i = 0; i < NR; i++) {
		uint64_t *here = (uint64_t *)(void *)(range + i * PAGE_BYTES);
		uint64_t *there = (uint64_t *)(void *)(pages + page_at[i] * PAGE_BYTES);

		CHECK(is_filled(here, (uint64_t)page_at[i] << 16, WORDS));
		/* One memory: a store here is seen there, and the other way. */
		fill(here, i, WORDS);
		berth_port_mb();
		CHECK(is_filled(there, i, WORDS));
		there[5] = 77;
		berth_port_mb();
		CHECK_EQUAL(*(volatile uint64_t *)&here[5], 77);
	}
	for (unsigned int i = 0; i < NR; i++)
		berth_port_range_unmap(range + i * PAGE_BYTES,
				       conformance_phys(pages + page_at[i] * PAGE_BYTES),
				       PAGE_BYTES, BERTH_MEMORY_CACHED);
	berth_port_range_release(range, NR * PAGE_BYTES);
}

/* One call for many pages; taken away by parts, with others in their place. */
static void test_run(void)
{
	enum { NR = 600 };
	char *pages = conformance_pages(NR), *range = reserve(NR);
	uint64_t half = NR / 2 * PAGE_BYTES;
	phys_addr_t phys;

	if (!pages || !range)
		return;
	phys = conformance_phys(pages);
	fill((uint64_t *)(void *)pages, 1000, NR * WORDS);
	CHECK_EQUAL(berth_port_range_map(range, phys, 2 * half, BERTH_MEMORY_CACHED), 0);
	CHECK(is_filled((uint64_t *)(void *)range, 1000, NR * WORDS));
	berth_port_range_unmap(range, phys, half, BERTH_MEMORY_CACHED);
	CHECK(is_filled((uint64_t *)(void *)(range + half), 1000 + NR / 2 * WORDS, NR / 2 * WORDS));
	/* The second half is seen twice. */
	CHECK_EQUAL(berth_port_range_map(range, phys + half, half, BERTH_MEMORY_CACHED), 0);
	CHECK(is_filled((uint64_t *)(void *)range, 1000 + NR / 2 * WORDS, NR / 2 * WORDS));
	fill((uint64_t *)(void *)range, 5, NR / 2 * WORDS);
	berth_port_mb();
	CHECK(is_filled((uint64_t *)(void *)(range + half), 5, NR / 2 * WORDS));
	berth_port_range_unmap(range, phys + half, half, BERTH_MEMORY_CACHED);
	berth_port_range_unmap(range + half, phys + half, half, BERTH_MEMORY_CACHED);
	berth_port_range_release(range, 2 * half);
	CHECK(is_filled((uint64_t *)(void *)pages, 1000, NR / 2 * WORDS));
	CHECK(is_filled((uint64_t *)(void *)(pages + half), 5, NR / 2 * WORDS));
}

/* No two meet, and between any two is a page of nobody's. */
static void test_apart(void)
{
	enum { NR = 40 };
	uintptr_t at[NR];

	for (unsigned int round = 0; round < 200; round++) {
		for (unsigned int i = 0; i < NR; i++) {
			at[i] = (uintptr_t)reserve(1 + i % 7);
			/* None at all is a port that has none. */
			if ((!round && !i && !at[i]) || !CHECK(at[i]))
				return;
			for (unsigned int j = 0; j < i; j++)
				CHECK(at[i] + (1 + i % 7) * PAGE_BYTES < at[j] ||
				      at[j] + (1 + j % 7) * PAGE_BYTES < at[i]);
		}
		for (unsigned int i = 0; i < NR; i++) {
			unsigned int which = (i * 7 + round) % NR;

			berth_port_range_release((void *)at[which], (1 + which % 7) * PAGE_BYTES);
		}
	}
	CHECK(!berth_port_range_reserve(0));
	CHECK_EQUAL(berth_port_error()->reason, BERTH_REASON_MAPPING);
	CHECK(!berth_port_range_reserve(100));
	CHECK(!berth_port_range_reserve(1ull << 60));
}

static bool has_nomap(void)
{
	if (!conformance_env->nr_nomap)
		conformance_skip("no RAM outside the linear map");
	return conformance_env->nr_nomap;
}

/* What is written through one kind of mapping is there for the next, which is of another type. */
static void test_types(void)
{
	static const enum berth_memory_type types[] = {
		BERTH_MEMORY_CACHED, BERTH_MEMORY_UNCACHED,	 BERTH_MEMORY_CACHED,
		BERTH_MEMORY_CACHED, BERTH_MEMORY_WRITE_COMBINE, BERTH_MEMORY_UNCACHED,
		BERTH_MEMORY_CACHED,
	};

	for (unsigned int i = 0; has_nomap() && i < conformance_env->nr_nomap; i++) {
		struct berth_range ram = conformance_env->nomap[i];
		uint64_t *range = reserve((unsigned int)(ram.size / PAGE_BYTES));
		size_t words = (size_t)ram.size / sizeof(*range);

		for (unsigned int n = 0; range && n < ARRAY_SIZE(types); n++) {
			if (!CHECK_EQUAL(berth_port_range_map(range, ram.base, ram.size, types[n]),
					 0))
				break;
			if (n)
				CHECK(is_filled(range, n, words));
			fill(range, n + 1, words);
			CHECK(is_filled(range, n + 1, words));
			berth_port_range_unmap(range, ram.base, ram.size, types[n]);
		}
		if (range)
			berth_port_range_release(range, ram.size);
	}
}

/* Cached twice: the cache holds it as long as one mapping is left, and is told by address. */
static void test_twice(void)
{
	unsigned int line = berth_port_line_size();
	uint64_t *one, *two;
	phys_addr_t phys;

	if (!has_nomap())
		return;
	phys = conformance_env->nomap[0].base;
	one = reserve(2);
	two = reserve(1);
	if (!one || !two)
		return;
	CHECK_EQUAL(berth_port_range_map(one, phys, 2 * PAGE_BYTES, BERTH_MEMORY_CACHED), 0);
	CHECK_EQUAL(berth_port_range_map(two, phys + PAGE_BYTES, PAGE_BYTES, BERTH_MEMORY_CACHED),
		    0);
	fill(one, 1, 2 * WORDS);
	berth_port_mb();
	CHECK(is_filled(two, 1 + WORDS, WORDS));
	/* Odd ranges, over the border of two pages. */
	for (unsigned int size = 0; size < 3 * line; size += 5) {
		phys_addr_t at = phys + PAGE_BYTES - line - 3;

		berth_port_cache_clean(at, size);
		berth_port_cache_invalidate(at, size);
		fill(one, size, 2 * WORDS);
		berth_port_cache_flush(at, size);
		if (!CHECK(is_filled(one, size, 2 * WORDS)))
			break;
	}
	fill(one, 9, 2 * WORDS);
	berth_port_range_unmap(one, phys, 2 * PAGE_BYTES, BERTH_MEMORY_CACHED);
	CHECK(is_filled(two, 9 + WORDS, WORDS));
	fill(two, 3, WORDS);
	berth_port_range_unmap(two, phys + PAGE_BYTES, PAGE_BYTES, BERTH_MEMORY_CACHED);
	CHECK_EQUAL(berth_port_range_map(one, phys, 2 * PAGE_BYTES, BERTH_MEMORY_UNCACHED), 0);
	CHECK(is_filled(one, 9, WORDS));
	CHECK(is_filled(one + WORDS, 3, WORDS));
	berth_port_range_unmap(one, phys, 2 * PAGE_BYTES, BERTH_MEMORY_UNCACHED);
	berth_port_range_release(one, 2 * PAGE_BYTES);
	berth_port_range_release(two, PAGE_BYTES);
}

/* What was made uncached can be seen elsewhere like that, and only like that. */
static void test_remapped(void)
{
	char *pages = conformance_pages(3), *range = reserve(2), *uncached;
	phys_addr_t phys;

	if (!pages || !range)
		return;
	phys = conformance_phys(pages);
	uncached = berth_port_remap(phys, 2 * PAGE_BYTES, BERTH_MEMORY_UNCACHED);
	if (!uncached) {
		conformance_skip("this port has no uncached memory");
		berth_port_range_release(range, 2 * PAGE_BYTES);
		return;
	}
	fill((uint64_t *)(void *)uncached, 7, 2 * WORDS);
	berth_port_mb();
	CHECK(berth_port_range_map(range, phys + PAGE_BYTES, 2 * PAGE_BYTES,
				   BERTH_MEMORY_UNCACHED) == -EINVAL);
	CHECK(berth_port_range_map(range, phys, PAGE_BYTES, BERTH_MEMORY_DEVICE) == -EINVAL);
	CHECK(berth_port_range_map(range, phys, PAGE_BYTES, BERTH_MEMORY_CACHED) == -EINVAL);
	CHECK_EQUAL(berth_port_range_map(range, phys, 2 * PAGE_BYTES, BERTH_MEMORY_UNCACHED), 0);
	CHECK(is_filled((uint64_t *)(void *)range, 7, 2 * WORDS));
	fill((uint64_t *)(void *)range, 70, 2 * WORDS);
	berth_port_mb();
	CHECK(is_filled((uint64_t *)(void *)uncached, 70, 2 * WORDS));
	berth_port_range_unmap(range, phys, 2 * PAGE_BYTES, BERTH_MEMORY_UNCACHED);
	berth_port_unremap(uncached, phys, 2 * PAGE_BYTES);
	CHECK(is_filled((uint64_t *)(void *)pages, 70, 2 * WORDS));
	CHECK(berth_port_range_map(range, phys, PAGE_BYTES, BERTH_MEMORY_UNCACHED) == -EINVAL);
	berth_port_range_release(range, 2 * PAGE_BYTES);
}

static void test_refused(void)
{
	const struct ranges *mapped = &conformance_mapped;
	char *page = conformance_pages(1), *range = reserve(2);
	phys_addr_t phys = conformance_phys(page);
	phys_addr_t end = conformance_env->banks[conformance_env->nr_banks - 1].base +
			  conformance_env->banks[conformance_env->nr_banks - 1].size;

	if (!page || !range)
		return;
	CHECK(berth_port_range_map(range, phys, PAGE_BYTES, BERTH_MEMORY_UNCACHED) == -EINVAL);
	CHECK(berth_port_range_map(range, phys, PAGE_BYTES, BERTH_MEMORY_WRITE_COMBINE) == -EINVAL);
	CHECK(berth_port_range_map(range, phys, PAGE_BYTES, BERTH_MEMORY_DEVICE) == -EINVAL);
	CHECK_EQUAL(berth_port_error()->reason, BERTH_REASON_MAPPING);
	CHECK(berth_port_range_map(range, phys + 8, PAGE_BYTES, BERTH_MEMORY_CACHED) == -EINVAL);
	CHECK(berth_port_range_map(range, phys, 0, BERTH_MEMORY_CACHED) == -EINVAL);
	CHECK(berth_port_range_map(range, end, PAGE_BYTES, BERTH_MEMORY_CACHED) == -EINVAL);
	CHECK(berth_port_range_map(range, end - PAGE_BYTES, 2 * PAGE_BYTES, BERTH_MEMORY_CACHED) ==
	      -EINVAL);
	if (mapped->nr > 1 && conformance_env->nr_nomap &&
	    mapped->at[0].base + mapped->at[0].size == conformance_env->nomap[0].base)
		CHECK(berth_port_range_map(range, conformance_env->nomap[0].base - PAGE_BYTES,
					   2 * PAGE_BYTES, BERTH_MEMORY_CACHED) == -EINVAL);
	/* It is as usable as before. */
	CHECK_EQUAL(berth_port_range_map(range, phys, PAGE_BYTES, BERTH_MEMORY_CACHED), 0);
	range[9] = 1;
	berth_port_mb();
	CHECK_EQUAL(*(volatile char *)&page[9], 1);
	berth_port_range_unmap(range, phys, PAGE_BYTES, BERTH_MEMORY_CACHED);
	berth_port_range_release(range, 2 * PAGE_BYTES);
}

static void test_again(void)
{
	char *pages = conformance_pages(3), *range = reserve(1);

	for (unsigned int i = 0; pages && range && i < 1000; i++) {
		char *page = pages + i % 3 * PAGE_BYTES;

		page[i] = (char)i;
		if (!CHECK_EQUAL(berth_port_range_map(range, conformance_phys(page), PAGE_BYTES,
						      BERTH_MEMORY_CACHED),
				 0) ||
		    !CHECK_EQUAL(*(volatile char *)&range[i], (char)i))
			return;
		berth_port_range_unmap(range, conformance_phys(page), PAGE_BYTES,
				       BERTH_MEMORY_CACHED);
	}
	if (range)
		berth_port_range_release(range, PAGE_BYTES);
}

const struct conformance_test conformance_ranges[] = {
	{ "pages are mapped into a range in any order", test_scattered },
	{ "many pages are mapped at once, and taken away by parts", test_run },
	{ "ranges lie apart, again and again", test_apart },
	{ "what is uncached is shown uncached", test_remapped },
	{ "RAM outside the linear map is mapped as one type after the other", test_types },
	{ "RAM outside the linear map is cached as long as it is mapped so", test_twice },
	{ "a range refuses what it cannot show", test_refused },
	{ "one address shows one page after the other", test_again },
	{ NULL, NULL },
};
