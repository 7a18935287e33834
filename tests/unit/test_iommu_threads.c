// SPDX-License-Identifier: BSD-2-Clause
/*
 * IOVA domains and page tables under several threads, which share slots, tables and caches: what
 * one maps it finds, nobody else's is lost, and in the end nothing is left.
 */
#include <pthread.h>
#include <sched.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <berth/gfp.h>
#include <berth/io-pgtable.h>
#include <berth/iova.h>
#include <berth/slab.h>

#include "fake_port.h"
#include "mm/internal.h"

#define MIB (1ULL << 20)
#define NR_THREADS 4u
#define STEPS 6000u
#define NR_LIVE 24u

static const struct berth_range bank = { 0x80000000, 64 * MIB };
static struct iova_domain domain;
static struct io_pgtable_cfg cfg;
static struct io_pgtable_ops *ops;
static uint64_t hash_at_start;
static uint64_t nr_walks;
static uint8_t owned[1 << 16];

static void require(bool condition, const char *what)
{
	if (!condition)
		berth_port_panic(what);
}

static void tlb_flush_walk(dma_addr_t iova, size_t size, size_t granule, void *cookie)
{
	(void)iova;
	(void)size;
	(void)granule;
	(void)cookie;
	__atomic_fetch_add(&nr_walks, 1, __ATOMIC_RELAXED);
	/* It takes its time. */
	sched_yield();
}

static const struct iommu_flush_ops tlb = { .tlb_flush_walk = tlb_flush_walk };

static void clean(phys_addr_t phys, uint64_t size)
{
	(void)phys;
	(void)size;
}

static uint32_t next(uint64_t *seed, uint32_t below)
{
	*seed ^= *seed << 13;
	*seed ^= *seed >> 7;
	*seed ^= *seed << 17;
	return (uint32_t)((*seed >> 32) % below);
}

static void run(void *(*thread)(void *))
{
	pthread_t threads[NR_THREADS];

	for (uintptr_t i = 0; i < NR_THREADS; i++)
		assert_int_equal(pthread_create(&threads[i], NULL, thread, (void *)i), 0);
	for (unsigned int i = 0; i < NR_THREADS; i++)
		pthread_join(threads[i], NULL);
}

static int start(void **state)
{
	(void)state;
	fake_start(&bank, 1);
	hash_at_start = fake_free_hash();
	nr_walks = 0;
	fake_cache_clean = clean;
	return 0;
}

static int stop(void **state)
{
	(void)state;
	assert_int_equal(berth_mm_leaked(), 0);
	berth_slab_shrink();
	assert_int_equal(fake_free_hash(), hash_at_start);
	fake_cache_clean = NULL;
	fake_stop();
	return 0;
}

/* Pages of a few tables, at places of the thread's own; now and then a block over a whole table. */
static void *map_and_unmap(void *arg)
{
	unsigned int self = (unsigned int)(uintptr_t)arg, nr = 0;
	uint64_t seed = 88172645463325252u + self;

	berth_fake_slot = 1 + self % 2;
	for (unsigned int step = 0; step < STEPS; step++) {
		bool is_block = next(&seed, 8) == 0;
		/* A slot of a table is the thread's own; a table is shared, a block's range not. */
		uint64_t table = next(&seed, 3), size = is_block ? 2 * MIB : 4096, iova, phys;
		uint64_t count = is_block || next(&seed, 2) ? 1 : 1 + next(&seed, 100);
		size_t mapped = 0;

		if (is_block)
			iova = table << 30 | (8 + self) * 2 * MIB;
		else
			iova = table << 30 | next(&seed, 2) * 2 * MIB | self * 128 * 4096;
		phys = (uint64_t)next(&seed, 1u << 20) * 2 * MIB;
		require(!ops->map_pages(ops, iova, phys, size, count, IOMMU_READ, GFP_ATOMIC,
					&mapped),
			"map_pages");
		require(mapped == count * size, "mapped");
		for (uint64_t i = 0; i < count; i += 9)
			require(ops->iova_to_phys(ops, iova + i * size + 7) == phys + i * size + 7,
				"a mapping is lost");
		/* A look at other threads', which come and go. */
		ops->iova_to_phys(ops, (uint64_t)next(&seed, 3) << 30 | next(&seed, 1u << 25));
		if (!is_block && next(&seed, 16) == 0) {
			/* A table of its own, replaced. */
			uint64_t at = table << 30 | (16 + self) * 2 * MIB;

			require(!ops->map_pages(ops, at, phys, 4096, 3, IOMMU_READ, GFP_ATOMIC,
						NULL),
				"map_pages");
			require(!ops->map_pages(ops, at, phys, 2 * MIB, 1, IOMMU_READ, GFP_ATOMIC,
						NULL),
				"a block over a table");
			require(ops->unmap_pages(ops, at, 4096, 1, NULL) == 4096, "a split");
			require(ops->iova_to_phys(ops, at + 4096) == phys + 4096, "the rest");
			require(ops->unmap_pages(ops, at, 2 * MIB, 1, NULL) == 2 * MIB, "a table");
		}
		require(ops->unmap_pages(ops, iova, size, count, NULL) == count * size,
			"unmap_pages");
		require(ops->iova_to_phys(ops, iova) == BERTH_PHYS_NONE, "unmapped");
		if (++nr % 64 == self * 16)
			berth_io_pgtable_trim(ops);
	}
	return NULL;
}

static void tables_come_and_go(void **state)
{
	(void)state;
	for (unsigned int coherent = 0; coherent < 2; coherent++) {
		cfg = (struct io_pgtable_cfg){
			.pgsize_bitmap = 4096 | 2 * MIB,
			.ias = 48,
			.oas = 48,
			.coherent_walk = coherent,
			.quirks = coherent ? BERTH_IO_PGTABLE_SPLIT_LIVE
					   : BERTH_IO_PGTABLE_SPLIT_BREAK,
			.tlb = &tlb,
		};
		ops = alloc_io_pgtable_ops(ARM_64_LPAE_S1, &cfg, NULL);
		assert_non_null(ops);
		run(map_and_unmap);
		berth_io_pgtable_trim(ops);
		assert_int_equal(berth_io_pgtable_tables(ops), 0);
		assert_true(nr_walks > 10);
		free_io_pgtable_ops(ops);
	}
}

struct range {
	uint64_t pfn, size;
	bool slow;
};

static void give(const struct range *range, unsigned int self)
{
	if (!range->pfn)
		return;
	for (uint64_t i = 0; i < range->size; i++)
		require(__atomic_exchange_n(&owned[range->pfn + i], 0, __ATOMIC_RELAXED) ==
				self + 1,
			"a page had two owners");
	if (range->slow)
		free_iova(&domain, range->pfn);
	else
		free_iova_fast(&domain, range->pfn, range->size);
}

static void *take_and_give(void *arg)
{
	unsigned int self = (unsigned int)(uintptr_t)arg;
	uint64_t seed = 88172645463325252u + self;
	struct range live[NR_LIVE] = { { 0, 0, false } };

	berth_fake_slot = 1 + self % 2;
	for (unsigned int step = 0; step < STEPS * 2; step++) {
		unsigned int i = next(&seed, NR_LIVE);
		uint64_t size = next(&seed, 10) ? 1 + next(&seed, 4) : 1 + next(&seed, 200);
		uint64_t room = 1;
		struct iova *iova;

		give(&live[i], self);
		live[i].slow = next(&seed, 10) == 0;
		live[i].size = size;
		while (room < size)
			room *= 2;
		if (live[i].slow) {
			iova = alloc_iova(&domain, size, 0xffff, next(&seed, 2));
			live[i].pfn = iova ? iova->pfn_lo : 0;
		} else {
			live[i].pfn = alloc_iova_fast(&domain, size, 0xffff, next(&seed, 2));
			require(live[i].pfn % room == 0, "alignment");
		}
		for (uint64_t p = 0; live[i].pfn && p < size; p++)
			require(__atomic_exchange_n(&owned[live[i].pfn + p], (uint8_t)(self + 1),
						    __ATOMIC_RELAXED) == 0,
				"a page was given twice");
	}
	for (unsigned int i = 0; i < NR_LIVE; i++)
		give(&live[i], self);
	return NULL;
}

static void ranges_have_one_owner(void **state)
{
	struct iova *whole;

	(void)state;
	init_iova_domain(&domain, 4096, 1);
	assert_int_equal(iova_domain_init_rcaches(&domain), 0);
	/* So few pages that some calls fail and flush. */
	assert_non_null(reserve_iova(&domain, 1, 0xffff - 8192));
	run(take_and_give);
	assert_int_equal(alloc_iova_fast(&domain, 8192, 0xffff, true), 0x10000 - 8192);
	whole = find_iova(&domain, 0xffff);
	assert_non_null(whole);
	assert_int_equal(iova_size(whole), 8192);
	put_iova_domain(&domain);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(tables_come_and_go, start, stop),
		cmocka_unit_test_setup_teardown(ranges_have_one_owner, start, stop),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
