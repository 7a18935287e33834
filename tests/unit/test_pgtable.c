// SPDX-License-Identifier: BSD-2-Clause
/*
 * Page tables of an IOMMU against an array of pages. What the device sees is found by a walker of
 * the test's own, written after the architecture's rules (Arm DDI 0487, D5 and D8), that starts at
 * the register values and reads memory as it is: what was not cleaned it does not see. It remembers
 * translations and tables, as a TLB does, until it is told to forget them.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include <berth/errno.h>
#include <berth/error.h>
#include <berth/gfp.h>
#include <berth/io-pgtable.h>
#include <berth/test.h>

#include "fake_port.h"
#include "mm/internal.h"

#define KIB 1024ULL
#define MIB (1024 * KIB)
#define GIB (1024 * MIB)
#define RAM_SIZE (64 * MIB)
#define MAX_PAGES 3072u

static const struct berth_range bank = { 0x80000000, RAM_SIZE };

/* What the tests of random histories differ in. */
struct variant {
	uint64_t granule, block;
	unsigned int ias, oas, levels;
	unsigned long quirks;
	bool coherent, queued;
};

static const struct variant *v;
static struct io_pgtable_cfg cfg;
static struct io_pgtable_ops *ops;
static unsigned char *memory; /* what has been cleaned */
static uint64_t free_hash;

/* The pages of a window, its first address in the middle of nowhere. */
static uint64_t base;
static unsigned int nr_pages, per_block;
static struct {
	phys_addr_t phys; /* BERTH_PHYS_NONE: not mapped */
	int prot;
	bool in_block;
} model[MAX_PAGES];
/* What the device remembers: of each page, and the lowest table for each block's range. */
static phys_addr_t tlb[MAX_PAGES];
static uint64_t tables[MAX_PAGES];
static unsigned int nr_added, nr_walks, nr_alls, nr_cleans;
static bool map_meanwhile;

static void clean(phys_addr_t phys, uint64_t size)
{
	uint64_t from = (phys - bank.base) & ~(uint64_t)63;
	uint64_t to = (phys - bank.base + size + 63) & ~(uint64_t)63;

	assert_true(phys >= bank.base && to <= RAM_SIZE);
	memcpy(memory + from, (char *)phys_to_virt(bank.base) + from, to - from);
	nr_cleans++;
}

/*
 * The architecture's walk. Return: the descriptor that ends it, or 0; *@shift: log2 of what it maps,
 * or would, and *@table: where it is.
 */
static uint64_t arm_walk(uint64_t iova, unsigned int *shift, uint64_t *table)
{
	static const unsigned int granule_bits[] = { 12, 16, 14 };
	unsigned int g = granule_bits[cfg.arm_lpae_s1_cfg.tcr.tg];
	unsigned int bits = 64 - cfg.arm_lpae_s1_cfg.tcr.tsz, stride = g - 3;
	unsigned int level = 4 - (bits - g + stride - 1) / stride;
	uint64_t at = cfg.arm_lpae_s1_cfg.ttbr;

	if (iova >> bits)
		return 0;
	for (;; level++) {
		uint64_t index, descriptor, here;

		*shift = g + (3 - level) * stride;
		index = (iova >> *shift) & ((1ULL << stride) - 1);
		here = at + 8 * index;
		assert_true(here >= bank.base && here < bank.base + RAM_SIZE);
		memcpy(&descriptor,
		       v->coherent ? phys_to_virt(here) : (void *)(memory + (here - bank.base)), 8);
		*table = at;
		if (!(descriptor & 1))
			return 0;
		if (level == 3) {
			assert_true(descriptor & 2);
			return descriptor;
		}
		if (!(descriptor & 2)) {
			assert_true(level == 2 || (level == 1 && g == 12));
			return descriptor;
		}
		/* No restrictions for what lies below. */
		assert_int_equal(descriptor >> 59, 0);
		at = descriptor & 0xffffffffffff & ~((1ULL << g) - 1);
		if (cfg.oas == 52)
			at |= (descriptor >> 12 & 0xf) << 48;
	}
}

static phys_addr_t arm_phys(uint64_t iova, uint64_t descriptor, unsigned int shift)
{
	phys_addr_t phys = descriptor & 0xffffffffffff & ~((1ULL << shift) - 1);

	if (cfg.oas == 52)
		phys |= (descriptor >> 12 & 0xf) << 48;
	return phys | (iova & ((1ULL << shift) - 1));
}

/* Attributes by the architecture: read only, unprivileged, memory, executable. */
static void check_attributes(uint64_t descriptor, int prot)
{
	uint64_t memory_type = cfg.arm_lpae_s1_cfg.mair >> 8 * (descriptor >> 2 & 7) & 0xff;

	assert_true(descriptor >> 10 & 1);
	assert_int_equal(descriptor >> 7 & 1, !(prot & IOMMU_WRITE));
	assert_int_equal(descriptor >> 6 & 1, !(prot & IOMMU_PRIV));
	assert_int_equal(descriptor >> 53 & 3, prot & IOMMU_NOEXEC ? 3 : 0);
	assert_int_equal(memory_type, prot & IOMMU_MMIO ? 0x04 : prot & IOMMU_CACHE ? 0xff : 0x44);
	assert_int_equal(descriptor >> 8 & 3, prot & IOMMU_CACHE ? 3 : 2);
}

/* The device looks at everything: it sees what it should, also where it remembers. */
static void check(void)
{
	for (unsigned int i = 0; i < nr_pages; i++) {
		uint64_t iova = base + i * v->granule + fake_random((uint32_t)v->granule);
		uint64_t within = iova % v->granule, table = 0, descriptor;
		unsigned int shift = 0, b = i / per_block;
		phys_addr_t phys = BERTH_PHYS_NONE;

		descriptor = arm_walk(iova, &shift, &table);
		if (descriptor) {
			phys = arm_phys(iova, descriptor, shift) - within;
			check_attributes(descriptor, model[i].prot);
			assert_int_equal(shift > 20, model[i].in_block);
		}
		assert_int_equal(phys, model[i].phys);
		assert_int_equal(ops->iova_to_phys(ops, iova),
				 phys == BERTH_PHYS_NONE ? phys : phys + within);
		if (tlb[i] != BERTH_PHYS_NONE && !v->queued)
			assert_int_equal(tlb[i], phys);
		tlb[i] = phys;
		/* It remembers empty tables as well. */
		if (1ULL << shift == v->granule) {
			assert_true(!tables[b] || tables[b] == table);
			tables[b] = table;
		} else {
			assert_int_equal(tables[b], 0);
		}
	}
}

static void forget(uint64_t iova, uint64_t size, bool walks)
{
	for (unsigned int i = 0; i < nr_pages; i++)
		if (base + i * v->granule - iova < size) {
			tlb[i] = BERTH_PHYS_NONE;
			if (walks)
				tables[i / per_block] = 0;
		}
}

static void tlb_flush_all(void *cookie)
{
	assert_ptr_equal(cookie, &cfg);
	nr_alls++;
}

static void tlb_flush_walk(dma_addr_t iova, size_t size, size_t granule, void *cookie)
{
	assert_ptr_equal(cookie, &cfg);
	assert_int_equal(granule, v->granule);
	assert_int_equal(iova % size, 0);
	nr_walks++;
	forget(iova, size, true);
	/* Another CPU maps there just now. */
	if (map_meanwhile) {
		map_meanwhile = false;
		assert_int_equal(ops->map_pages(ops, iova + 0x3000, 0x5000, 4096, 1, IOMMU_READ,
						GFP_ATOMIC, NULL),
				 0);
	}
}

static void tlb_add_page(struct iommu_iotlb_gather *gather, dma_addr_t iova, size_t granule,
			 void *cookie)
{
	assert_ptr_equal(cookie, &cfg);
	assert_false(gather && gather->queued);
	nr_added++;
	forget(iova, granule, false);
}

static void tlb_add_run(struct iommu_iotlb_gather *gather, dma_addr_t iova, size_t granule,
			size_t count, void *cookie)
{
	for (size_t i = 0; i < count; i++)
		tlb_add_page(gather, iova + i * granule, granule, cookie);
}

static const struct iommu_flush_ops by_page = { tlb_flush_all, tlb_flush_walk, tlb_add_page, NULL };
static const struct iommu_flush_ops by_run = { tlb_flush_all, tlb_flush_walk, NULL, tlb_add_run };

static void begin(const struct variant *variant)
{
	v = variant;
	fake_start(&bank, 1);
	memory = calloc(1, RAM_SIZE);
	assert_non_null(memory);
	fake_cache_clean = clean;
	free_hash = fake_free_hash();
	nr_added = nr_walks = nr_alls = nr_cleans = 0;
	cfg = (struct io_pgtable_cfg){
		.quirks = v->quirks,
		.pgsize_bitmap = v->granule | v->block,
		.ias = v->ias,
		.oas = v->oas,
		.coherent_walk = v->coherent,
		.tlb = v->levels & 1 ? &by_page : &by_run,
	};
	ops = alloc_io_pgtable_ops(ARM_64_LPAE_S1, &cfg, &cfg);
	assert_non_null(ops);
	per_block = (unsigned int)(v->block / v->granule);
	nr_pages = per_block < 1024 ? 6 * per_block : 3 * 1024;
	base = (1ULL << (v->ias - 1)) - v->block;
	if (per_block > 1024)
		nr_pages = MAX_PAGES;
	for (unsigned int i = 0; i < MAX_PAGES; i++) {
		model[i].phys = tlb[i] = BERTH_PHYS_NONE;
		model[i].in_block = false;
		tables[i] = 0;
	}
}

static void end(void)
{
	free_io_pgtable_ops(ops);
	assert_int_equal(nr_alls, 1);
	assert_int_equal(berth_mm_leaked(), 0);
	berth_slab_shrink();
	assert_int_equal(fake_free_hash(), free_hash);
	fake_cache_clean = NULL;
	free(memory);
	fake_stop();
}

/* What map_pages() should do: the pages that it maps, in units of @per pages; *@ret its answer. */
static unsigned int model_map(unsigned int first, unsigned int per, unsigned int count,
			      phys_addr_t phys, int prot, int *ret)
{
	*ret = 0;
	for (unsigned int unit = 0; unit < count; unit++, first += per) {
		for (unsigned int i = 0; i < per; i++)
			if (model[first + i].in_block ||
			    (per == 1 && model[first + i].phys != BERTH_PHYS_NONE)) {
				*ret = -EEXIST;
				return unit * per;
			}
		for (unsigned int i = 0; i < per; i++, phys += v->granule) {
			model[first + i].phys = phys;
			model[first + i].prot = prot;
			model[first + i].in_block = per > 1;
		}
	}
	return count * per;
}

static unsigned int model_unmap(unsigned int first, unsigned int per, unsigned int count)
{
	for (unsigned int unit = 0; unit < count; unit++, first += per) {
		bool found = false;

		for (unsigned int i = 0; i < per; i++)
			found |= model[first + i].phys != BERTH_PHYS_NONE;
		if (!found || (per == 1 && model[first].in_block && !v->quirks))
			return unit * per;
		/* A block falls apart. */
		if (per == 1 && model[first].in_block)
			for (unsigned int i = 0; i < per_block; i++)
				model[first / per_block * per_block + i].in_block = false;
		for (unsigned int i = 0; i < per; i++) {
			model[first + i].phys = BERTH_PHYS_NONE;
			model[first + i].in_block = false;
		}
	}
	return count * per;
}

static void random_step(void)
{
	static const int prots[] = { IOMMU_READ, IOMMU_WRITE, IOMMU_READ | IOMMU_WRITE };
	bool block = fake_random(5) == 0;
	unsigned int per = block ? per_block : 1, units = nr_pages / per;
	unsigned int first = fake_random(units), count = 1;
	uint64_t pgsize = block ? v->block : v->granule, iova = base + first * pgsize;
	int prot = prots[fake_random(3)] | (int)(fake_random(16) << 2), expected;
	struct iommu_iotlb_gather gather;

	if (fake_random(3) == 0)
		count += fake_random(block ? 2 : 700);
	if (count > units - first)
		count = units - first;
	if (fake_random(30) == 0)
		berth_io_pgtable_trim(ops);
	if (fake_random(100) < 50) {
		phys_addr_t phys = ((uint64_t)fake_random(1u << 20) << 28) + first * pgsize;
		size_t mapped = 5;
		unsigned int pages;
		int ret;

		phys &= (UINT64_MAX >> (64 - cfg.oas) >> 1) & ~(v->block - 1);
		phys += block ? 0 : first % per_block * pgsize;
		ret = ops->map_pages(ops, iova, phys, pgsize, count, prot, GFP_KERNEL, &mapped);
		pages = model_map(first * per, per, count, phys, prot, &expected);
		assert_int_equal(ret, expected);
		assert_int_equal(mapped, 5 + pages * v->granule);
	} else {
		size_t size;

		iommu_iotlb_gather_init(&gather);
		gather.queued = v->queued;
		size = ops->unmap_pages(ops, iova, pgsize, count, &gather);
		assert_int_equal(size, model_unmap(first * per, per, count) * v->granule);
	}
}

static void random_history(const struct variant *variant, unsigned int steps)
{
	unsigned int left;

	begin(variant);
	assert_int_equal(cfg.arm_lpae_s1_cfg.tcr.tsz, 64 - v->ias);
	for (unsigned int step = 0; step < steps; step++) {
		random_step();
		if (step % 4 == 0)
			check();
	}
	for (unsigned int i = 0; i < nr_pages; i++) {
		uint64_t pgsize = model[i].in_block ? v->block : v->granule;

		if (model[i].phys == BERTH_PHYS_NONE)
			continue;
		assert_int_equal(ops->unmap_pages(ops, base + i * v->granule, pgsize, 1, NULL),
				 pgsize);
		model_unmap(i, model[i].in_block ? per_block : 1, 1);
	}
	check();
	/* Few are kept, and none for good. */
	left = berth_io_pgtable_tables(ops);
	assert_in_range(left, 1, 8 * v->levels);
	berth_io_pgtable_trim(ops);
	assert_int_equal(berth_io_pgtable_tables(ops), 0);
	assert_int_not_equal(nr_walks, 0);
	assert_int_equal(nr_cleans == 0, v->coherent);
	end();
}

static void random_4k(void **state)
{
	static const struct variant variants[] = {
		{ 4 * KIB, 2 * MIB, 48, 48, 4, BERTH_IO_PGTABLE_SPLIT_BREAK, true, false },
		{ 4 * KIB, 2 * MIB, 39, 40, 3, 0, false, false },
		{ 4 * KIB, 2 * MIB, 32, 36, 3, BERTH_IO_PGTABLE_SPLIT_LIVE, false, true },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(variants); i++)
		random_history(&variants[i], 1200);
}

static void random_16k(void **state)
{
	static const struct variant variants[] = {
		{ 16 * KIB, 32 * MIB, 48, 48, 4, 0, true, false },
		{ 16 * KIB, 32 * MIB, 36, 44, 2, BERTH_IO_PGTABLE_SPLIT_LIVE, false, false },
	};

	(void)state;
	/* Three tables for the window at most, less than a block in the last. */
	for (size_t i = 0; i < ARRAY_SIZE(variants); i++)
		random_history(&variants[i], 500);
}

static int start(void **state)
{
	(void)state;
	fake_seed(7);
	return 0;
}

static const struct variant plain = { 4 * KIB, 2 * MIB, 48, 48, 4, 0, true, false };
static const struct variant with_1g = { 4 * KIB, 2 * MIB | GIB, 48, 48, 4, 0, true, false };

/* Tables of 64 KiB pages are for 512 MiB each: a few pages, and blocks. */
static void granule_64k(void **state)
{
	static const struct variant variants[] = {
		{ 64 * KIB, 512 * MIB, 48, 48, 3, 0, false, false },
		{ 64 * KIB, 512 * MIB, 52, 52, 3, BERTH_IO_PGTABLE_SPLIT_BREAK, true, false },
		{ 64 * KIB, 512 * MIB, 42, 40, 2, 0, true, false },
	};

	(void)state;
	for (size_t n = 0; n < ARRAY_SIZE(variants); n++) {
		phys_addr_t high, got;
		uint64_t table, descriptor;
		unsigned int shift;
		size_t mapped = 0;

		begin(&variants[n]);
		assert_int_equal(cfg.arm_lpae_s1_cfg.tcr.tg, 1);
		high = 1ULL << (v->oas - 1);
		assert_int_equal(ops->map_pages(ops, 0x40000000 - 0x20000, high + 0x10000, 65536, 4,
						IOMMU_READ, GFP_KERNEL, &mapped),
				 0);
		assert_int_equal(mapped, 4 * 65536);
		for (unsigned int i = 0; i < 4; i++) {
			uint64_t iova = 0x40000000 - 0x20000 + i * 65536 + 0x1234;

			descriptor = arm_walk(iova, &shift, &table);
			assert_int_equal(shift, 16);
			got = arm_phys(iova, descriptor, shift);
			assert_int_equal(got, high + 0x10000 + i * 65536 + 0x1234);
			assert_int_equal(ops->iova_to_phys(ops, iova), got);
		}
		assert_int_equal(ops->map_pages(ops, 512 * MIB * 4, high, 512 * MIB, 2, IOMMU_READ,
						GFP_KERNEL, NULL),
				 0);
		descriptor = arm_walk(512 * MIB * 5 + 0x123456, &shift, &table);
		assert_int_equal(shift, 29);
		assert_int_equal(arm_phys(512 * MIB * 5 + 0x123456, descriptor, shift),
				 high + 512 * MIB + 0x123456);
		assert_int_equal(ops->unmap_pages(ops, 512 * MIB * 4 + 0x10000, 65536, 1, NULL),
				 v->quirks ? 65536 : 0);
		if (v->quirks) {
			descriptor = arm_walk(512 * MIB * 4 + 0x2abcd, &shift, &table);
			assert_int_equal(shift, 16);
			assert_int_equal(arm_phys(512 * MIB * 4 + 0x2abcd, descriptor, shift),
					 high + 0x2abcd);
		}
		end();
	}
}

static void a_gigabyte_takes_the_place_of_tables(void **state)
{
	uint64_t table;
	unsigned int shift;

	(void)state;
	begin(&with_1g);
	nr_pages = 0;
	for (unsigned int i = 0; i < 100; i++)
		assert_int_equal(ops->map_pages(ops, GIB + i * 4 * MIB, 0x1000, 4096, 1, IOMMU_READ,
						GFP_KERNEL, NULL),
				 0);
	assert_int_equal(berth_io_pgtable_tables(ops), 102);
	assert_int_equal(ops->map_pages(ops, GIB, 4 * GIB, GIB, 2, IOMMU_WRITE, GFP_KERNEL, NULL),
			 0);
	assert_int_equal(nr_walks, 1);
	assert_int_equal(berth_io_pgtable_tables(ops), 1);
	assert_int_not_equal(arm_walk(GIB + 5, &shift, &table), 0);
	assert_int_equal(shift, 30);
	assert_int_equal(ops->iova_to_phys(ops, 2 * GIB + 0x123456789 % GIB),
			 5 * GIB + 0x123456789 % GIB);
	/* Not over a block, nor in it. */
	assert_int_equal(ops->map_pages(ops, GIB, 4 * GIB, GIB, 1, IOMMU_WRITE, GFP_KERNEL, NULL),
			 -EEXIST);
	assert_int_equal(ops->map_pages(ops, GIB + 4096, 0, 4096, 1, IOMMU_WRITE, GFP_KERNEL, NULL),
			 -EEXIST);
	assert_int_equal(ops->unmap_pages(ops, GIB, GIB, 3, NULL), 2 * GIB);
	/* A table with all that is in it. */
	assert_int_equal(ops->map_pages(ops, GIB, 0, 2 * MIB, 3, IOMMU_READ, GFP_KERNEL, NULL), 0);
	assert_int_equal(
		ops->map_pages(ops, GIB + 6 * MIB, 0, 4096, 3, IOMMU_READ, GFP_KERNEL, NULL), 0);
	nr_walks = nr_added = 0;
	assert_int_equal(ops->unmap_pages(ops, GIB, GIB, 1, NULL), GIB);
	assert_int_equal(nr_walks, 1);
	assert_int_equal(nr_added, 0);
	assert_int_equal(ops->iova_to_phys(ops, GIB), BERTH_PHYS_NONE);
	berth_io_pgtable_trim(ops);
	assert_int_equal(berth_io_pgtable_tables(ops), 0);
	end();
}

static void wrong_arguments(void **state)
{
	size_t mapped = 0;

#define MAP(iova, phys, size, count, prot) \
	ops->map_pages(ops, iova, phys, size, count, prot, GFP_KERNEL, &mapped)
	(void)state;
	begin(&plain);
	assert_int_equal(MAP(0x1000, 0, 4096, 1, IOMMU_CACHE), -EINVAL);
	assert_int_equal(MAP(0x1000, 0, 8192, 1, IOMMU_READ), -EINVAL);
	assert_int_equal(MAP(0x1000, 0, GIB, 1, IOMMU_READ), -EINVAL);
	assert_int_equal(MAP(0x1800, 0, 4096, 1, IOMMU_READ), -EINVAL);
	assert_int_equal(MAP(0x1000, 0x10, 4096, 1, IOMMU_READ), -EINVAL);
	assert_int_equal(MAP(0x1000, 0, 2 * MIB, 1, IOMMU_READ), -EINVAL);
	assert_int_equal(MAP(0x1000, 0, 4096, 0, IOMMU_READ), -EINVAL);
	assert_int_equal(berth_last_error()->reason, BERTH_REASON_ARGUMENT);
	assert_int_equal(MAP(1ULL << 48, 0, 4096, 1, IOMMU_READ), -ERANGE);
	assert_int_equal(MAP((1ULL << 48) - 4096, 0, 4096, 2, IOMMU_READ), -ERANGE);
	assert_int_equal(MAP(0x1000, 0, 4096, SIZE_MAX, IOMMU_READ), -ERANGE);
	assert_int_equal(MAP(0x1000, 1ULL << 48, 4096, 1, IOMMU_READ), -ERANGE);
	assert_int_equal(MAP(0x1000, (1ULL << 48) - 4096, 4096, 2, IOMMU_READ), -ERANGE);
	assert_int_equal(berth_last_error()->reason, BERTH_REASON_MASK);
	assert_int_equal(mapped, 0);
	assert_int_equal(berth_io_pgtable_tables(ops), 0);
	assert_int_equal(ops->unmap_pages(ops, 0x1000, 4096, 1, NULL), 0);
	assert_int_equal(ops->unmap_pages(ops, 0x1800, 4096, 1, NULL), 0);
	assert_int_equal(ops->unmap_pages(ops, 0x1000, 4096, 0, NULL), 0);
	assert_int_equal(ops->unmap_pages(ops, 1ULL << 50, 4096, 1, NULL), 0);
	assert_int_equal(ops->iova_to_phys(ops, UINT64_MAX), BERTH_PHYS_NONE);
	/* Physical page 0 is a page like any other, and so are the last ones. */
	assert_int_equal(MAP((1ULL << 48) - 4096, 0, 4096, 1, IOMMU_READ), 0);
	assert_int_equal(ops->iova_to_phys(ops, (1ULL << 48) - 4096), 0);
	assert_int_equal(MAP(0, (1ULL << 48) - 4096, 4096, 1, IOMMU_READ), 0);
	assert_int_equal(ops->iova_to_phys(ops, 5), (1ULL << 48) - 4096 + 5);
	end();
}

static void what_is_narrowed(void **state)
{
	static const struct {
		uint64_t sizes;
		unsigned int ias, oas;
		uint64_t left;
		unsigned int tsz, ips, tg, new_oas;
	} rows[] = {
		{ 0xffffffffffffffff, 64, 64, 4 * KIB | 2 * MIB | GIB, 16, 5, 0, 48 },
		{ 4 * KIB | 64 * KIB | 512 * MIB, 30, 39, 4 * KIB, 34, 1, 0, 36 },
		{ 16 * KIB | 64 * KIB | 32 * MIB, 48, 52, 16 * KIB | 32 * MIB, 16, 5, 2, 48 },
		{ 64 * KIB | 512 * MIB | GIB, 52, 52, 64 * KIB | 512 * MIB, 12, 6, 1, 52 },
		{ 64 * KIB, 25, 32, 64 * KIB, 39, 0, 1, 32 },
	};
	static const struct io_pgtable_cfg bad[] = {
		{ .pgsize_bitmap = 2 * MIB, .ias = 48, .oas = 48 },
		{ .pgsize_bitmap = 0, .ias = 48, .oas = 48 },
		{ .pgsize_bitmap = 4 * KIB, .ias = 24, .oas = 48 },
		{ .pgsize_bitmap = 4 * KIB, .ias = 65, .oas = 48 },
		{ .pgsize_bitmap = 4 * KIB, .ias = 48, .oas = 31 },
		{ .pgsize_bitmap = 4 * KIB, .ias = 48, .oas = 48, .quirks = 1 },
	};
	struct io_pgtable_ops *some;

	(void)state;
	begin(&plain);
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		struct io_pgtable_cfg c = { .pgsize_bitmap = rows[i].sizes,
					    .ias = rows[i].ias,
					    .oas = rows[i].oas,
					    .coherent_walk = i % 2 };

		/* Nothing is at hand below 4 GiB but for the RAM there is. */
		some = alloc_io_pgtable_ops(ARM_64_LPAE_S1, &c, NULL);
		assert_non_null(some);
		assert_int_equal(c.pgsize_bitmap, rows[i].left);
		assert_int_equal(c.arm_lpae_s1_cfg.tcr.tsz, rows[i].tsz);
		assert_int_equal(c.ias, 64 - rows[i].tsz);
		assert_int_equal(c.oas, rows[i].new_oas);
		assert_int_equal(c.arm_lpae_s1_cfg.tcr.ips, rows[i].ips);
		assert_int_equal(c.arm_lpae_s1_cfg.tcr.tg, rows[i].tg);
		assert_int_equal(c.arm_lpae_s1_cfg.tcr.sh, i % 2 ? 3 : 2);
		assert_int_equal(c.arm_lpae_s1_cfg.tcr.irgn, i % 2);
		assert_int_equal(c.arm_lpae_s1_cfg.tcr.orgn, i % 2);
		assert_int_equal(some->map_pages(some, 0x10000, 0x20000,
						 1u << (12 + 2 * (i == 2) + 4 * (i > 2)), 1,
						 IOMMU_READ, GFP_KERNEL, NULL),
				 0);
		assert_int_equal(some->iova_to_phys(some, 0x10010), 0x20010);
		free_io_pgtable_ops(some);
	}
	for (size_t i = 0; i < ARRAY_SIZE(bad); i++) {
		struct io_pgtable_cfg c = bad[i];

		assert_null(alloc_io_pgtable_ops(ARM_64_LPAE_S1, &c, NULL));
		assert_int_equal(berth_last_error()->reason, BERTH_REASON_ARGUMENT);
	}
	assert_null(alloc_io_pgtable_ops((enum io_pgtable_fmt)99, &cfg, NULL));
	free_io_pgtable_ops(NULL);
	end();
}

/* Runs are cleaned and told of as runs. */
static void costs_are_by_run(void **state)
{
	static const struct variant variant = { 4 * KIB, 2 * MIB, 48, 48, 4, 0, false, false };
	struct iommu_iotlb_gather gather;

	(void)state;
	begin(&variant);
	assert_int_equal(ops->map_pages(ops, GIB, 0, 4096, 1, IOMMU_READ, GFP_KERNEL, NULL), 0);
	nr_cleans = 0;
	assert_int_equal(
		ops->map_pages(ops, GIB + 4096, 0, 4096, 511, IOMMU_READ, GFP_KERNEL, NULL), 0);
	assert_int_equal(nr_cleans, 1);
	iommu_iotlb_gather_init(&gather);
	assert_int_equal(ops->unmap_pages(ops, GIB, 4096, 512, &gather), 2 * MIB);
	assert_int_equal(nr_cleans, 2);
	assert_int_equal(nr_added, 512);
	assert_int_equal(nr_walks, 0);
	/* One page again and again builds no tables. */
	for (unsigned int i = 0; i < 100; i++) {
		ops->map_pages(ops, GIB, 0, 4096, 1, IOMMU_READ, GFP_KERNEL, NULL);
		ops->unmap_pages(ops, GIB, 4096, 1, &gather);
	}
	assert_int_equal(nr_cleans, 202);
	assert_int_equal(nr_walks, 0);
	end();
}

/* Somebody needs a table that is just being taken out: he makes the IOMMU forget it as well. */
static void a_table_is_needed_while_it_goes(void **state)
{
	uint64_t table, descriptor;
	unsigned int shift;

	(void)state;
	begin(&plain);
	for (unsigned int round = 0; round < 2; round++) {
		nr_walks = 0;
		assert_int_equal(ops->map_pages(ops, GIB, 0, 4096, 1, IOMMU_READ, GFP_KERNEL, NULL),
				 0);
		assert_int_equal(ops->unmap_pages(ops, GIB, 4096, 1, NULL), 4096);
		map_meanwhile = true;
		berth_io_pgtable_trim(ops);
		assert_false(map_meanwhile);
		assert_int_equal(nr_walks, 2);
		assert_int_equal(ops->iova_to_phys(ops, GIB + 0x3abc), 0x5abc);
		descriptor = arm_walk(GIB + 0x3abc, &shift, &table);
		assert_int_equal(arm_phys(GIB + 0x3abc, descriptor, shift), 0x5abc);
		assert_int_equal(berth_io_pgtable_tables(ops), 3);
		assert_int_equal(ops->unmap_pages(ops, GIB + 0x3000, 4096, 1, NULL), 4096);
		berth_io_pgtable_trim(ops);
		assert_int_equal(berth_io_pgtable_tables(ops), 0);
	}
	end();
}

static void failing_memory_leaves_no_table(void **state)
{
	struct io_pgtable_cfg c = { .pgsize_bitmap = 4 * KIB, .ias = 48, .oas = 48 };

	(void)state;
	begin(&plain);
	for (uint64_t n = 1;; n++) {
		size_t mapped = 0;
		int ret;

		berth_test_fail_nth(n);
		ret = ops->map_pages(ops, GIB - 8192, 0, 4096, 4, IOMMU_READ, GFP_ATOMIC, &mapped);
		if (!ret)
			assert_false(berth_test_failed());
		else
			assert_int_equal(ret, -ENOMEM);
		berth_test_fail_nth(0);
		assert_int_equal(mapped, ret ? (n > 3 ? 8192 : 0) : 16384);
		if (mapped)
			assert_int_equal(ops->unmap_pages(ops, GIB - 8192, 4096, mapped / 4096,
							  NULL),
					 mapped);
		else
			assert_int_equal(berth_io_pgtable_tables(ops), 0);
		berth_io_pgtable_trim(ops);
		assert_int_equal(berth_io_pgtable_tables(ops), 0);
		if (!ret) {
			assert_true(n > 4);
			break;
		}
	}
	for (uint64_t n = 1; n <= 2; n++) {
		berth_test_fail_nth(n);
		assert_null(alloc_io_pgtable_ops(ARM_64_LPAE_S1, &c, NULL));
		berth_test_fail_nth(0);
	}
	end();
}

static void failing_memory_leaves_a_block_whole(void **state)
{
	static const struct variant variant = { 4 * KIB, 2 * MIB, 48,
						48,	 4,	  BERTH_IO_PGTABLE_SPLIT_BREAK,
						true,	 false };

	(void)state;
	begin(&variant);
	assert_int_equal(ops->map_pages(ops, GIB, GIB, 2 * MIB, 1, IOMMU_READ, GFP_KERNEL, NULL),
			 0);
	berth_test_fail_nth(1);
	assert_int_equal(ops->unmap_pages(ops, GIB, 4096, 1, NULL), 0);
	berth_test_fail_nth(0);
	assert_int_equal(berth_last_error()->reason, BERTH_REASON_OUT_OF_MEMORY);
	assert_int_equal(ops->iova_to_phys(ops, GIB + 4096), GIB + 4096);
	assert_int_equal(ops->unmap_pages(ops, GIB, 2 * MIB, 1, NULL), 2 * MIB);
	end();
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(wrong_arguments, start),
		cmocka_unit_test_setup(what_is_narrowed, start),
		cmocka_unit_test_setup(costs_are_by_run, start),
		cmocka_unit_test_setup(random_4k, start),
		cmocka_unit_test_setup(random_16k, start),
		cmocka_unit_test_setup(granule_64k, start),
		cmocka_unit_test_setup(a_gigabyte_takes_the_place_of_tables, start),
		cmocka_unit_test_setup(a_table_is_needed_while_it_goes, start),
		cmocka_unit_test_setup(failing_memory_leaves_no_table, start),
		cmocka_unit_test_setup(failing_memory_leaves_a_block_whole, start),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
