/* SPDX-License-Identifier: BSD-2-Clause */
/* RAM, its linear map, mappings of other types, registers, caches. */
#include "suite.h"

static bool is_inside(struct berth_range range, const struct berth_range *ranges, unsigned int nr)
{
	for (unsigned int i = 0; i < nr; i++)
		if (range.base >= ranges[i].base && range.size <= ranges[i].size &&
		    range.base - ranges[i].base <= ranges[i].size - range.size)
			return true;
	return false;
}

static bool is_reserved(phys_addr_t phys)
{
	struct berth_range range;

	for (unsigned int i = 0; i < MAX_RANGES && berth_port_reserved(i, &range); i++)
		if (phys - range.base < range.size)
			return true;
	return false;
}

/* An object of the program's: where the linear map covers it, nobody else may get its page. */
static void check_kept(const void *object)
{
	uintptr_t at = (uintptr_t)object - berth_port_linear.virt;
	struct berth_range byte = { .base = berth_port_linear.phys + at, .size = 1 };

	if (at < berth_port_linear.size &&
	    is_inside(byte, conformance_env->banks, conformance_env->nr_banks))
		CHECK(is_reserved(byte.base));
}

static void test_reserved(void)
{
	static int in_data = 1, in_bss;
	int on_stack = 0;
	struct berth_range range, again;
	unsigned int nr = 0;

	while (nr < MAX_RANGES && berth_port_reserved(nr, &range)) {
		CHECK(range.size);
		CHECK(is_inside(range, conformance_env->banks, conformance_env->nr_banks));
		CHECK(berth_port_reserved(nr, &again));
		CHECK(again.base == range.base && again.size == range.size);
		nr++;
	}
	CHECK(nr < MAX_RANGES);
	CHECK(!berth_port_reserved(nr + 1, &range));
	check_kept(&in_data);
	check_kept(&in_bss);
	check_kept(&on_stack);
	check_kept((const void *)test_reserved);
	check_kept("a constant");
}

static void test_linear(void)
{
	const struct ranges *mapped = &conformance_mapped;
	const struct berth_range *last = &mapped->at[mapped->nr - 1];

	CHECK_EQUAL(berth_port_linear.phys, mapped->at[0].base);
	CHECK_EQUAL(berth_port_linear.size, last->base + last->size - mapped->at[0].base);
	CHECK_EQUAL(berth_port_linear.virt % PAGE_BYTES, 0);
	for (unsigned int i = 0; i < mapped->nr; i++) {
		phys_addr_t phys = mapped->at[i].base;

		CHECK_EQUAL(conformance_phys(conformance_virt(phys)), phys);
		phys += mapped->at[i].size - 1;
		CHECK_EQUAL(conformance_phys(conformance_virt(phys)), phys);
	}
}

/* Each page keeps a value of its own at both ends: all RAM is there, none of it twice. */
static void test_ram(void)
{
	for (unsigned int pass = 0; pass < 2; pass++)
		for (unsigned int i = 0; i < conformance_free.nr; i++) {
			phys_addr_t at = conformance_free.at[i].base;
			phys_addr_t end = at + conformance_free.at[i].size;

			for (; at < end; at += PAGE_BYTES) {
				uint64_t *page = conformance_virt(at);

				if (!pass) {
					page[0] = at;
					page[511] = ~at;
				} else if (!CHECK_EQUAL(page[0], at) ||
					   !CHECK_EQUAL(page[511], ~at)) {
					return;
				}
			}
		}
}

static void fill(unsigned char *at, size_t n, unsigned int seed)
{
	for (size_t i = 0; i < n; i++)
		at[i] = (unsigned char)(i * 31 + (i >> 8) + seed);
}

static bool is_filled(const unsigned char *at, size_t n, unsigned int seed)
{
	for (size_t i = 0; i < n; i++)
		if (at[i] != (unsigned char)(i * 31 + (i >> 8) + seed))
			return false;
	return true;
}

static void remap_once(unsigned int nr, enum berth_memory_type type, unsigned int seed)
{
	size_t size = nr * PAGE_BYTES;
	unsigned char *pages = conformance_pages(nr + 2), *inner, *mapping;

	if (!pages)
		return;
	inner = pages + PAGE_BYTES;
	fill(pages, size + 2 * PAGE_BYTES, seed);
	mapping = berth_port_remap(conformance_phys(inner), size, type);
	if (!mapping) {
		conformance_skip("this port cannot map RAM uncached");
		return;
	}
	CHECK_EQUAL((uintptr_t)mapping % PAGE_BYTES, 0);
	/* What was written through the cache is seen beside it. */
	for (size_t i = 0; i < size; i++)
		if (!CHECK_EQUAL(mapping[i], (unsigned char)((i + PAGE_BYTES) * 31 +
							     ((i + PAGE_BYTES) >> 8) + seed)))
			break;
	fill(mapping, size, seed + 7);
	memmove(mapping + 1, mapping + 6, 41);
	memset(mapping + 13, 0xee, 22);
	CHECK_EQUAL(mapping[34], 0xee);
	fill(mapping, size, seed + 9);
	CHECK(is_filled(mapping, size, seed + 9));
	/* The neighbours are used all the while. */
	CHECK(is_filled(pages, PAGE_BYTES, seed));
	pages[size + PAGE_BYTES] ^= 0xff;
	berth_port_mb();
	berth_port_unremap(mapping, conformance_phys(inner), size);
	CHECK(is_filled(inner, size, seed + 9));
	CHECK(is_filled(pages, PAGE_BYTES, seed));
	pages[size + PAGE_BYTES] ^= 0xff;
	fill(inner, size, seed + PAGE_BYTES * 31 + (PAGE_BYTES >> 8));
	CHECK(is_filled(pages, size + PAGE_BYTES, seed));
}

static void test_remap_uncached(void)
{
	remap_once(1, BERTH_MEMORY_UNCACHED, 1);
	remap_once(3, BERTH_MEMORY_UNCACHED, 2);
}

static void test_remap_combine(void)
{
	remap_once(1, BERTH_MEMORY_WRITE_COMBINE, 3);
	remap_once(5, BERTH_MEMORY_WRITE_COMBINE, 4);
}

static void test_remap_large(void)
{
	remap_once(700, BERTH_MEMORY_UNCACHED, 5);
}

static void test_remap_repeat(void)
{
	unsigned char *page = conformance_pages(1);
	phys_addr_t phys = conformance_phys(page);

	for (unsigned int i = 0; page && i < 1000; i++) {
		unsigned char *mapping;

		page[i] = (unsigned char)i;
		mapping = berth_port_remap(phys, PAGE_BYTES, BERTH_MEMORY_UNCACHED);
		if (!mapping)
			return;
		if (!CHECK_EQUAL(mapping[i], (unsigned char)i))
			return;
		mapping[i] ^= 0x55;
		berth_port_mb();
		berth_port_unremap(mapping, phys, PAGE_BYTES);
		if (!CHECK_EQUAL(page[i], (unsigned char)i ^ 0x55))
			return;
	}
}

static void test_remap_nomap(void)
{
	if (!conformance_env->nr_nomap) {
		conformance_skip("no RAM outside the linear map");
		return;
	}
	for (unsigned int i = 0; i < conformance_env->nr_nomap; i++) {
		struct berth_range range = conformance_env->nomap[i];
		size_t size = (size_t)range.size;

		for (unsigned int round = 0; round < 2; round++) {
			unsigned char *mapping =
				berth_port_remap(range.base, range.size, BERTH_MEMORY_UNCACHED);

			if (!mapping) {
				conformance_skip("this port cannot map RAM uncached");
				return;
			}
			/* It is the same memory the second time. */
			if (round)
				CHECK(is_filled(mapping, size, i));
			fill(mapping, size, i);
			CHECK(is_filled(mapping, size, i));
			berth_port_unremap(mapping, range.base, range.size);
		}
	}
}

static void test_remap_refused(void)
{
	unsigned char *page = conformance_pages(1);
	phys_addr_t phys = conformance_phys(page);

	if (!page)
		return;
	CHECK(!berth_port_remap(phys, PAGE_BYTES, BERTH_MEMORY_CACHED));
	CHECK(!berth_port_remap(phys, PAGE_BYTES, BERTH_MEMORY_DEVICE));
	page[0] = 1;
	CHECK_EQUAL(page[0], 1);
}

static void test_ioremap(void)
{
	phys_addr_t phys = conformance_env->registers;
	uint64_t size = conformance_env->registers_size;
	const char __iomem *first, *second;

	if (!phys) {
		conformance_skip("no registers that can be read without effect");
		return;
	}
	/* Many times: nothing is left behind. */
	for (unsigned int i = 0; i < 5000; i++) {
		char __iomem *cookie = berth_port_ioremap(phys, size);

		if (!CHECK(cookie) ||
		    !CHECK_EQUAL(berth_port_read32(cookie), conformance_env->registers_value))
			return;
		berth_port_iounmap(cookie);
	}
	first = berth_port_ioremap(phys, size);
	second = berth_port_ioremap(phys, 4);
	CHECK(first && second);
	CHECK_EQUAL(berth_port_read32(second), conformance_env->registers_value);
	berth_port_iounmap((void __iomem *)second);
	CHECK_EQUAL(berth_port_read32(first), conformance_env->registers_value);
	berth_port_iounmap((void __iomem *)first);
}

static void test_line_size(void)
{
	unsigned int size = berth_port_line_size();

	CHECK(size >= 32 && size <= 128);
	CHECK_EQUAL(size & (size - 1), 0);
	CHECK_EQUAL(berth_port_line_size(), size);
}

enum { CLEAN, INVALIDATE, FLUSH };

static void sync(unsigned int how, phys_addr_t phys, uint64_t size)
{
	if (how == CLEAN)
		berth_port_cache_clean(phys, size);
	else if (how == INVALIDATE)
		berth_port_cache_invalidate(phys, size);
	else
		berth_port_cache_flush(phys, size);
}

/* Odd ranges: bytes around them stay, and so do those inside unless they were to be dropped. */
static void test_caches(void)
{
	unsigned int line = berth_port_line_size();
	unsigned char *page = conformance_pages(2);

	for (unsigned int how = CLEAN; page && how <= FLUSH; how++)
		for (unsigned int from = 0; from < 2 * line; from += 7)
			for (unsigned int size = 0; size < 3 * line; size += 5) {
				phys_addr_t phys = conformance_phys(page + line + from);

				/* Dirty all around, the range itself clean if it is dropped. */
				fill(page, 2 * PAGE_BYTES, from + size);
				if (how == INVALIDATE) {
					berth_port_cache_clean(phys, size);
					page[line + from - 1] ^= 0xff;
					page[line + from + size] ^= 0xff;
				}
				sync(how, phys, size);
				if (how == INVALIDATE) {
					page[line + from - 1] ^= 0xff;
					page[line + from + size] ^= 0xff;
				}
				if (!CHECK(is_filled(page, 2 * PAGE_BYTES, from + size)))
					return;
			}
}

static void test_caches_large(void)
{
	unsigned char *pages = conformance_pages(64);
	size_t size = 64 * PAGE_BYTES;

	if (!pages)
		return;
	for (unsigned int how = CLEAN; how <= FLUSH; how++) {
		fill(pages, size, how);
		if (how == INVALIDATE)
			berth_port_cache_clean(conformance_phys(pages), size);
		sync(how, conformance_phys(pages), size);
		CHECK(is_filled(pages, size, how));
	}
}

/* What a clean wrote back is in memory, and what an invalidate drops is read from there. */
static void test_cache_order(void)
{
	unsigned char *page = conformance_pages(1), *mapping;
	phys_addr_t phys = conformance_phys(page);

	if (!page)
		return;
	fill(page, PAGE_BYTES, 1);
	berth_port_cache_clean(phys, PAGE_BYTES);
	berth_port_cache_invalidate(phys, PAGE_BYTES);
	CHECK(is_filled(page, PAGE_BYTES, 1));
	mapping = berth_port_remap(phys, PAGE_BYTES, BERTH_MEMORY_UNCACHED);
	if (!mapping)
		return;
	CHECK(is_filled(mapping, PAGE_BYTES, 1));
	fill(mapping, PAGE_BYTES, 2);
	berth_port_mb();
	berth_port_unremap(mapping, phys, PAGE_BYTES);
	berth_port_cache_invalidate(phys, PAGE_BYTES);
	CHECK(is_filled(page, PAGE_BYTES, 2));
}

const struct conformance_test conformance_memory[] = {
	{ "reserved ranges are RAM and hold the program", test_reserved },
	{ "the linear map spans the mapped ranges", test_linear },
	{ "all RAM of the linear map is there, once", test_ram },
	{ "an uncached mapping sees cached bytes, and leaves its own", test_remap_uncached },
	{ "a write-combining mapping does the same", test_remap_combine },
	{ "a large uncached mapping", test_remap_large },
	{ "one page is remapped a thousand times", test_remap_repeat },
	{ "RAM outside the linear map can be mapped", test_remap_nomap },
	{ "remap refuses types that it does not know", test_remap_refused },
	{ "registers are mapped, again and again", test_ioremap },
	{ "a cache line is 32 to 128 bytes", test_line_size },
	{ "cache calls on odd ranges lose no neighbour's byte", test_caches },
	{ "cache calls on many pages", test_caches_large },
	{ "cleaned bytes are in memory, invalidated ones come from there", test_cache_order },
	{ NULL, NULL },
};
