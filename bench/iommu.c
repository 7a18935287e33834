// SPDX-License-Identifier: BSD-2-Clause
/* Addresses for devices, and the page tables behind them; a pair is taken and given, or mapped and unmapped. */
#include "bench.h"
#include "smmu.h"

#include <berth/dma-mapping.h>
#include <berth/gfp.h>
#include <berth/io-pgtable.h>
#include <berth/iommu-driver.h>
#include <berth/iova.h>
#include <berth/of.h>
#include <berth/platform_device.h>

#include <berth/drivers/smmu-v3.h>

#include "dma/internal.h"
#include "iommu/internal.h"

#define LIMIT_48 ((1ull << 36) - 1) /* pages of 4 KiB in 48 bits */
#define LIMIT_32 ((1ull << 20) - 1)
#define WINDOW 256u
#define LIVE 100000u
#define COMB 10u
#define PAGE 4096u
#define MIB (1ull << 20)

static struct iova_domain domain;
static uint64_t live[2 * LIVE];
static uint64_t seed;

static uint64_t next(void)
{
	seed ^= seed << 13;
	seed ^= seed >> 7;
	seed ^= seed << 17;
	return seed;
}

static void iova_pair(unsigned long size, uint64_t iterations)
{
	for (uint64_t i = 0; i < iterations; i++) {
		uint64_t pfn = alloc_iova_fast(&domain, size, LIMIT_48, true);

		bench_use(pfn);
		free_iova_fast(&domain, pfn, size);
	}
}

/* One of a window of ranges is given back, and one of another size taken. */
static void iova_mixed(unsigned long arg, uint64_t iterations)
{
	static uint8_t sizes[WINDOW];

	(void)arg;
	for (uint64_t i = 0; i < iterations; i++) {
		uint64_t r = next();
		unsigned int n = r % WINDOW;

		if (live[n])
			free_iova_fast(&domain, live[n], sizes[n]);
		sizes[n] = (uint8_t)(1u << (r >> 32) % 6);
		live[n] = alloc_iova_fast(&domain, sizes[n], LIMIT_48, true);
	}
}

static void iova_replace(unsigned long limit, uint64_t iterations)
{
	for (uint64_t i = 0; i < iterations; i++) {
		unsigned int n = (unsigned int)(next() % LIVE);

		free_iova(&domain, live[n]);
		live[n] = alloc_iova(&domain, 1, limit, true)->pfn_lo;
	}
}

static void iova_fail(unsigned long limit, uint64_t iterations)
{
	for (uint64_t i = 0; i < iterations; i++)
		bench_must(!alloc_iova(&domain, 16, limit, true), "alloc_iova");
}

static void start_machine(void)
{
	static struct berth_machine machine;

	machine = berth_model;
	machine.fresh = NULL;
	bench_start_machine(&machine);
	seed = 88172645463325252ull;
}

static void start_empty(unsigned long arg)
{
	(void)arg;
	start_machine();
	init_iova_domain(&domain, PAGE, 1);
	bench_must(!iova_domain_init_rcaches(&domain), "iova_domain_init_rcaches");
	memset(live, 0, sizeof(live));
}

/* Twice as many single pages as are to live, and a random half of them given back. */
static void fill(uint64_t limit)
{
	start_empty(0);
	for (unsigned int i = 0; i < 2 * LIVE; i++) {
		struct iova *iova = alloc_iova(&domain, 1, limit, true);

		bench_must(iova, "alloc_iova");
		live[i] = iova->pfn_lo;
	}
	for (unsigned int i = 2 * LIVE - 1; i; i--) {
		unsigned int j = (unsigned int)(next() % (i + 1));
		uint64_t pfn = live[i];

		live[i] = live[j];
		live[j] = pfn;
	}
	for (unsigned int i = LIVE; i < 2 * LIVE; i++)
		free_iova(&domain, live[i]);
}

static void start_full(unsigned long arg)
{
	(void)arg;
	fill(LIMIT_48);
}

/* Many gaps, and none large enough. */
static void start_comb(unsigned long arg)
{
	(void)arg;
	start_empty(0);
	for (unsigned int i = 0; i < LIVE; i++) {
		uint64_t pfn = LIMIT_32 - (uint64_t)i * COMB;

		bench_must(reserve_iova(&domain, pfn, pfn), "reserve_iova");
	}
	bench_must(reserve_iova(&domain, 1, LIMIT_32 - LIVE * COMB), "reserve_iova");
}

static void stop_domain(void)
{
	put_iova_domain(&domain);
	bench_stop_machine();
}

/* Page tables. */

static struct io_pgtable_ops *ops;
static struct iommu_iotlb_gather gather;
static bool lazy;

static void flush_all(void *cookie)
{
	(void)cookie;
}

static void flush_walk(dma_addr_t iova, size_t size, size_t granule, void *cookie)
{
	(void)iova;
	(void)size;
	(void)granule;
	(void)cookie;
}

static void add_run(struct iommu_iotlb_gather *g, dma_addr_t iova, size_t granule, size_t count,
		    void *cookie)
{
	(void)cookie;
	if (iova < g->start)
		g->start = iova;
	if (iova + granule * count - 1 > g->end)
		g->end = iova + granule * count - 1;
	g->pgsize = granule;
}

static const struct iommu_flush_ops tlb = {
	.tlb_flush_all = flush_all,
	.tlb_flush_walk = flush_walk,
	.tlb_add_run = add_run,
};

static void start_tables_for(const struct iommu_flush_ops *flush)
{
	struct io_pgtable_cfg cfg = { .pgsize_bitmap = PAGE | 2 * MIB | 1024 * MIB,
				      .ias = 48,
				      .oas = 48,
				      .coherent_walk = true,
				      .tlb = flush };

	start_machine();
	ops = alloc_io_pgtable_ops(ARM_64_LPAE_S1, &cfg, NULL);
	bench_must(ops, "alloc_io_pgtable_ops");
	lazy = true;
}

static void start_tables(unsigned long arg)
{
	(void)arg;
	start_tables_for(&tlb);
}

static void start_strict(unsigned long arg)
{
	start_tables(arg);
	lazy = false;
}

static void start_mapped(unsigned long pages)
{
	size_t mapped = 0;

	start_tables(0);
	bench_must(!ops->map_pages(ops, 0x600000000000, 0x1200000000, PAGE, pages, IOMMU_READ,
				   GFP_KERNEL, &mapped),
		   "map_pages");
}

static void stop_tables(void)
{
	free_io_pgtable_ops(ops);
	bench_stop_machine();
}

static inline void map_unmap(size_t pgsize, size_t count, uint64_t iterations)
{
	const int prot = IOMMU_READ | IOMMU_WRITE | IOMMU_CACHE;

	for (uint64_t i = 0; i < iterations; i++) {
		size_t mapped = 0;

		if (ops->map_pages(ops, 0x7f0000200000, 0x1234400000, pgsize, count, prot,
				   GFP_ATOMIC, &mapped))
			abort();
		iommu_iotlb_gather_init(&gather);
		gather.queued = lazy;
		if (ops->unmap_pages(ops, 0x7f0000200000, pgsize, count, &gather) != mapped)
			abort();
	}
}

static void map_4k(unsigned long count, uint64_t iterations)
{
	map_unmap(PAGE, count, iterations);
}

static void map_block(unsigned long count, uint64_t iterations)
{
	map_unmap(2 * MIB, count, iterations);
}

static void look_up(unsigned long pages, uint64_t iterations)
{
	for (uint64_t i = 0; i < iterations; i++) {
		phys_addr_t phys = ops->iova_to_phys(ops, 0x600000000000 + next() % pages * PAGE);

		if (phys == BERTH_PHYS_NONE)
			abort();
		bench_use(phys);
	}
}

/* The DMA API, for a device behind an IOMMU that has nothing to invalidate. */

#define SG_ENTRIES 16u

static struct iommu_device iommu;
static struct iommu_domain paging, blocked;
static struct device client;
static struct scatterlist list[SG_ENTRIES];
static void *buffer;

static int attach(struct iommu_domain *d, struct device *dev)
{
	(void)d;
	(void)dev;
	return 0;
}

static void sync_nothing(struct iommu_domain *d, struct iommu_iotlb_gather *g)
{
	(void)d;
	(void)g;
}

static void flush_nothing(struct iommu_domain *d)
{
	(void)d;
}

static const struct iommu_domain_ops domain_ops = { .attach_dev = attach,
						    .iotlb_sync = sync_nothing,
						    .flush_iotlb_all = flush_nothing,
						    .free = flush_nothing };

static struct iommu_domain *domain_alloc(struct iommu_device *device, unsigned int type)
{
	struct iommu_domain *d = type == IOMMU_DOMAIN_UNMANAGED ? &paging : &blocked;

	(void)device;
	*d = (struct iommu_domain){ .ops = &domain_ops };
	if (d == &paging) {
		d->tables = ops;
		d->pgsize_bitmap = PAGE | 2 * MIB | 1024 * MIB;
		d->geometry = (struct iommu_domain_geometry){ 0, (1ull << 48) - 1, true };
	}
	return d;
}

static int probe_device(struct iommu_device *device, struct device *dev)
{
	(void)device;
	(void)dev;
	return 0;
}

static const struct iommu_ops iommu_ops = { .domain_alloc = domain_alloc,
					    .probe_device = probe_device };

static void start_client(unsigned long protection)
{
	const uint32_t id = 1;

	start_tables_for(NULL);
	memset(&iommu, 0, sizeof(iommu));
	memset(&client, 0, sizeof(client));
	client.of_node = berth_of_root();
	bench_must(!device_register(&client, "client"), "device_register");
	bench_must(!iommu_device_register(&iommu, &iommu_ops, &client), "iommu_device_register");
	bench_must(!berth_iommu_probe_device(&client, &iommu, &id, 1, NULL,
					     (enum berth_protection)protection),
		   "berth_iommu_probe_device");
	bench_must(!berth_dma_iommu_setup(&client), "berth_dma_iommu_setup");
	bench_must(!dma_set_mask(&client, DMA_BIT_MASK(48)), "dma_set_mask");
	buffer = (void *)__get_free_pages(GFP_KERNEL, 6);
	bench_must(buffer, "__get_free_pages");
	sg_init_table(list, SG_ENTRIES);
	for (unsigned int i = 0; i < SG_ENTRIES; i++)
		sg_set_buf(&list[i], (char *)buffer + (size_t)i * 3 * PAGE, PAGE);
}

static void stop_client(void)
{
	free_pages((unsigned long)buffer, 6);
	berth_dma_iommu_teardown(&client);
	berth_iommu_release_device(&client);
	iommu_device_unregister(&iommu);
	device_unregister(&client);
	stop_tables();
}

static void dma_4k(unsigned long arg, uint64_t iterations)
{
	(void)arg;
	for (uint64_t i = 0; i < iterations; i++) {
		dma_addr_t addr = dma_map_single(&client, buffer, PAGE, DMA_BIDIRECTIONAL);

		if (dma_mapping_error(&client, addr))
			abort();
		dma_unmap_single(&client, addr, PAGE, DMA_BIDIRECTIONAL);
	}
}

/* The same with the SMMUv3 driver on the modelled SMMU, strict: each unmapping waits for its commands. */

static struct device *behind;

static void start_behind(unsigned long protection)
{
	static const struct berth_driver drivers[] = {
		BERTH_PLATFORM_DRIVER(&berth_smmu_v3_driver),
		BERTH_NO_MORE_DRIVERS,
	};
	static struct berth_machine machine;
	const struct berth_options options = { .machine = &machine };

	machine = berth_model;
	machine.fresh = NULL;
	bench_must(!berth_start(bench_smmu, drivers, &options), "berth_start");
	behind = &of_find_device_by_node(of_find_node_by_path("/client@10000000"))->dev;
	bench_must(!berth_device_set_protection(behind, (enum berth_protection)protection),
		   "berth_device_set_protection");
	bench_must(!dma_set_mask(behind, DMA_BIT_MASK(48)), "dma_set_mask");
	buffer = (void *)__get_free_pages(GFP_KERNEL, 0);
	bench_must(buffer, "__get_free_pages");
}

static void stop_behind(void)
{
	free_pages((unsigned long)buffer, 0);
	bench_stop_machine();
}

static void dma_4k_behind(unsigned long arg, uint64_t iterations)
{
	(void)arg;
	for (uint64_t i = 0; i < iterations; i++) {
		dma_addr_t addr = dma_map_single(behind, buffer, PAGE, DMA_BIDIRECTIONAL);

		if (dma_mapping_error(behind, addr))
			abort();
		dma_unmap_single(behind, addr, PAGE, DMA_BIDIRECTIONAL);
	}
}

static void dma_sg16(unsigned long arg, uint64_t iterations)
{
	(void)arg;
	for (uint64_t i = 0; i < iterations; i++) {
		if (dma_map_sg(&client, list, SG_ENTRIES, DMA_BIDIRECTIONAL) != 1)
			abort();
		dma_unmap_sg(&client, list, SG_ENTRIES, DMA_BIDIRECTIONAL);
	}
}

#define CLIENT .start = start_client, .stop = stop_client
#define EMPTY .start = start_empty, .stop = stop_domain
#define TABLES .start = start_tables, .stop = stop_tables
#define STRICT .start = start_strict, .stop = stop_tables

static const struct bench_case cases[] = {
	{ "iova_4k_pair", iova_pair, .arg = 1, EMPTY },
	{ "iova_mixed_4k_128k", iova_mixed, .count = 20000, EMPTY },
	{ "iova_256k_pair_1e5", iova_pair, .arg = 64, .start = start_full, .stop = stop_domain },
	{ "iova_replace_random_1e5", iova_replace, .arg = LIMIT_48, .start = start_full,
	  .stop = stop_domain },
	{ "iova_fail_32bit_1e5", iova_fail, .arg = LIMIT_32, .start = start_comb,
	  .stop = stop_domain },
	{ "pgtable_4k_pair", map_4k, .arg = 1, TABLES },
	{ "pgtable_4k_pair_strict", map_4k, .arg = 1, STRICT },
	{ "pgtable_64k_as_16x4k_pair", map_4k, .arg = 16, TABLES },
	{ "pgtable_64k_as_16x4k_pair_strict", map_4k, .arg = 16, STRICT },
	{ "pgtable_2m_as_512x4k_pair", map_4k, .arg = 512, .count = 100, TABLES },
	{ "pgtable_2m_as_512x4k_pair_strict", map_4k, .arg = 512, .count = 100, STRICT },
	{ "pgtable_2m_block_pair", map_block, .arg = 1, TABLES },
	{ "pgtable_2m_block_pair_strict", map_block, .arg = 1, STRICT },
	{ "dma_map_4k_pair_iommu", dma_4k, .arg = BERTH_PROTECT_STRICT, CLIENT },
	{ "dma_map_sg16_pair_iommu", dma_sg16, .arg = BERTH_PROTECT_STRICT, CLIENT },
	{ "dma_map_4k_pair_iommu_strict", dma_4k_behind, .arg = BERTH_PROTECT_STRICT,
	  .start = start_behind, .stop = stop_behind },
	{ "dma_map_4k_pair_iommu_lazy", dma_4k, .arg = BERTH_PROTECT_LAZY, CLIENT },
	{ "dma_map_4k_pair_iommu_shadow", dma_4k, .arg = BERTH_PROTECT_SHADOW, CLIENT },
	{ "iova_to_phys_1e5", look_up, .arg = 100000, .start = start_mapped, .stop = stop_tables },
};

int main(int argc, char **argv)
{
	return bench_main(argc, argv, cases, ARRAY_SIZE(cases));
}
