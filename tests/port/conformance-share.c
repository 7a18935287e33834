/* SPDX-License-Identifier: BSD-2-Clause */
/* RAM that other processes see: what of it can be told from inside. What they see is the port's own test. */
#include "suite.h"

#define NR 6u
#define WORDS (PAGE_BYTES / sizeof(uint64_t))

/* Pages in two runs, the second one in front of the first. Negative: this port does not. */
static int share(char *pages, struct berth_range runs[2])
{
	int handle;

	runs[0] = (struct berth_range){ conformance_phys(pages) + 3 * PAGE_BYTES, 2 * PAGE_BYTES };
	runs[1] = (struct berth_range){ conformance_phys(pages), 2 * PAGE_BYTES };
	handle = berth_port_share(runs, 2, BERTH_MEMORY_CACHED);
	if (handle >= 0)
		return handle;
	CHECK_EQUAL(-handle, EOPNOTSUPP);
	CHECK_EQUAL(berth_port_error()->reason, BERTH_REASON_MAPPING);
	CHECK_EQUAL(-berth_port_error()->code, EOPNOTSUPP);
	CHECK(berth_port_error()->subject[0]);
	berth_port_unshare(0);
	berth_port_unshare(-1);
	conformance_skip("this port shows no other process a part of RAM");
	return handle;
}

static void fill(char *pages, uint64_t seed)
{
	uint64_t *words = (uint64_t *)(void *)pages;

	for (unsigned int i = 0; i < NR * WORDS; i++)
		words[i] = seed + i;
	berth_port_mb();
}

static bool is_filled(const char *at, unsigned int first, unsigned int nr, uint64_t seed)
{
	const volatile uint64_t *words = (const volatile uint64_t *)(const volatile void *)at;

	for (unsigned int i = 0; i < nr * WORDS; i++)
		if (words[i] != seed + first * WORDS + i)
			return false;
	return true;
}

static void test_same_bytes(void)
{
	char *pages = conformance_pages(NR), *before, *meanwhile;
	struct berth_range runs[2];
	phys_addr_t phys;
	int handle;

	if (!pages)
		return;
	phys = conformance_phys(pages);
	fill(pages, 1000);
	handle = share(pages, runs);
	if (handle < 0) {
		CHECK(is_filled(pages, 0, NR, 1000));
		return;
	}
	berth_port_unshare(handle);
	CHECK(is_filled(pages, 0, NR, 1000));
	before = berth_port_range_reserve(NR * PAGE_BYTES);
	meanwhile = berth_port_range_reserve(NR * PAGE_BYTES);
	if (!CHECK(before && meanwhile) ||
	    !CHECK_EQUAL(berth_port_range_map(before, phys, NR * PAGE_BYTES, BERTH_MEMORY_CACHED),
			 0))
		return;
	for (unsigned int i = 0; i < 20; i++) {
		handle = share(pages, runs);
		if (!CHECK(handle >= 0))
			return;
		CHECK(is_filled(before, 0, NR, 1000 + i));
		CHECK_EQUAL(berth_port_range_map(meanwhile, phys, NR * PAGE_BYTES,
						 BERTH_MEMORY_CACHED),
			    0);
		CHECK(is_filled(meanwhile, 0, NR, 1000 + i));
		fill(meanwhile, 5);
		CHECK(is_filled(before, 0, NR, 5) && is_filled(pages, 0, NR, 5));
		if (i % 2)
			berth_port_range_unmap(meanwhile, phys, NR * PAGE_BYTES,
					       BERTH_MEMORY_CACHED);
		berth_port_unshare(handle);
		CHECK(is_filled(before, 0, NR, 5) && is_filled(pages, 0, NR, 5));
		fill(before, 1001 + i);
		CHECK(is_filled(pages, 0, NR, 1001 + i));
		CHECK(i % 2 || is_filled(meanwhile, 0, NR, 1001 + i));
		if (i % 2 == 0)
			berth_port_range_unmap(meanwhile, phys, NR * PAGE_BYTES,
					       BERTH_MEMORY_CACHED);
	}
	berth_port_range_unmap(before, phys, NR * PAGE_BYTES, BERTH_MEMORY_CACHED);
	berth_port_range_release(before, NR * PAGE_BYTES);
	berth_port_range_release(meanwhile, NR * PAGE_BYTES);
}

static void test_cache(void)
{
	unsigned int line = berth_port_line_size();
	char *pages = conformance_pages(NR);
	struct berth_range runs[2];
	int handle;

	if (!pages)
		return;
	handle = share(pages, runs);
	if (handle < 0)
		return;
	for (unsigned int size = 0; size < 3 * line; size += 5) {
		phys_addr_t at = conformance_phys(pages) + 2 * PAGE_BYTES - line - 3;

		fill(pages, size);
		berth_port_cache_clean(at, size);
		berth_port_cache_flush(at, size);
		if (!CHECK(is_filled(pages, 0, NR, size)))
			break;
	}
	berth_port_cache_clean(conformance_phys(pages), NR * PAGE_BYTES);
	berth_port_unshare(handle);
	berth_port_cache_invalidate(conformance_phys(pages), NR * PAGE_BYTES);
	CHECK(is_filled(pages, 0, NR, (3 * line - 1) / 5 * 5));
}

static void test_refused(void)
{
	char *pages = conformance_pages(NR);
	struct berth_range runs[2], bad[3];
	int handle;

	if (!pages)
		return;
	handle = share(pages, runs);
	if (handle < 0)
		return;
	CHECK(berth_port_share(runs, 1, BERTH_MEMORY_CACHED) == -EBUSY);
	CHECK_EQUAL(berth_port_error()->reason, BERTH_REASON_STATE);
	bad[0] = (struct berth_range){ runs[1].base + PAGE_BYTES, 2 * PAGE_BYTES };
	CHECK(berth_port_share(bad, 1, BERTH_MEMORY_CACHED) == -EBUSY);
	berth_port_unshare(handle);
	berth_port_unshare(handle);
	bad[0] = runs[0];
	bad[1] = runs[1];
	bad[2] = (struct berth_range){ runs[0].base + PAGE_BYTES, PAGE_BYTES };
	CHECK(berth_port_share(bad, 3, BERTH_MEMORY_CACHED) == -EBUSY);
	CHECK(berth_port_share(bad, 2, BERTH_MEMORY_UNCACHED) == -EINVAL);
	CHECK(berth_port_share(bad, 2, BERTH_MEMORY_DEVICE) == -EINVAL);
	CHECK(berth_port_share(bad, 0, BERTH_MEMORY_CACHED) == -EINVAL);
	bad[2] = (struct berth_range){ runs[1].base + 8, PAGE_BYTES };
	CHECK(berth_port_share(bad, 3, BERTH_MEMORY_CACHED) == -EINVAL);
	bad[2] = (struct berth_range){ runs[1].base, 0 };
	CHECK(berth_port_share(bad, 3, BERTH_MEMORY_CACHED) == -EINVAL);
	bad[2].size = UINT64_MAX - PAGE_BYTES + 1;
	CHECK(berth_port_share(bad, 3, BERTH_MEMORY_CACHED) == -EINVAL);
	CHECK_EQUAL(berth_port_error()->reason, BERTH_REASON_MAPPING);
	/* As if nothing had been asked. */
	handle = share(pages, runs);
	CHECK(handle >= 0);
	berth_port_unshare(handle);
}

static void test_types(void)
{
	const struct berth_range *ram = conformance_env->nomap;

	for (unsigned int i = 0; i < conformance_env->nr_nomap; i++)
		for (unsigned int n = 0; n < 6; n++) {
			int handle = berth_port_share(&ram[i], 1, (enum berth_memory_type)(n % 3));

			if (handle == -EOPNOTSUPP) {
				conformance_skip("this port shows no other process a part of RAM");
				return;
			}
			if (!CHECK(handle >= 0))
				return;
			berth_port_unshare(handle);
		}
	if (!conformance_env->nr_nomap)
		conformance_skip("no RAM outside the linear map");
}

const struct conformance_test conformance_share[] = {
	{ "what is shared keeps its bytes, wherever it is seen", test_same_bytes },
	{ "what is shared is in the cache as before", test_cache },
	{ "RAM outside the linear map is shared as any type", test_types },
	{ "what cannot be shared is refused", test_refused },
	{ NULL, NULL },
};
