/* SPDX-License-Identifier: BSD-2-Clause */
/* The SMMUv3 driver, judged by QEMU's SMMU: what edu sees through it, and what it says. */
#include "smmu_edu.h"

/* RAM begins at 1 GiB: without the SMMU edu reaches nothing of it. */
static void edu_reaches_what_is_mapped(void **state)
{
	uint8_t *from, *to;

	(void)state;
	start(one_edu);
	from = must_get_pages(0);
	to = must_get_pages(0);
	fill(from, PAGE_SIZE, 1);
	must_map(&edu, IOVA, from, PAGE_SIZE, RW);
	must_map(&edu, IOVA + 0x5000, to, PAGE_SIZE, RW);
	moves(&edu, IOVA, IOVA + 0x5000, 4095);
	assert_memory_equal(from, to, 4095);
	assert_int_equal(to[4095], 0);
	assert_int_equal(iommu_iova_to_phys(edu.domain, IOVA + 0x5123), virt_to_phys(to) + 0x123);
	assert_int_equal(nr_told, 0);
	assert_true(device_iommu_capable(&edu.pdev->dev, IOMMU_CAP_CACHE_COHERENCY));
	assert_true(device_iommu_capable(&edu.pdev->dev, IOMMU_CAP_NOEXEC));
	assert_false(device_iommu_capable(&edu.pdev->dev, IOMMU_CAP_INTR_REMAP));
	put_pages(from, 0);
	put_pages(to, 0);
	stop();
}

static void assert_fault(uint64_t iova, int flags, enum berth_iommu_fault_reason reason,
			 uint64_t count)
{
	assert_int_equal(nr_faults, count);
	assert_ptr_equal(last.dev, &edu.pdev->dev);
	assert_int_equal(last.reason, reason);
	assert_int_equal(last.flags, flags);
	assert_int_equal(last.address & ~4095ull, iova);
	forget_faults();
}

static void stray_accesses_are_told(void **state)
{
	uint8_t *at, old[64];

	(void)state;
	start(one_edu);
	at = must_get_pages(0);
	fill(at, PAGE_SIZE, 7);
	memcpy(old, at, sizeof(old));
	/* One record for each 4 bytes. */
	dma(&edu, false, IOVA, 64);
	assert_int_equal(nr_told, 1);
	assert_fault(IOVA, IOMMU_FAULT_READ, BERTH_IOMMU_FAULT_TRANSLATION, 16);
	dma(&edu, true, IOVA + 0x3000, 8);
	assert_fault(IOVA + 0x3000, IOMMU_FAULT_WRITE, BERTH_IOMMU_FAULT_TRANSLATION, 2);
	/* May be read, not written. */
	must_map(&edu, IOVA, at, PAGE_SIZE, IOMMU_READ);
	dma(&edu, false, IOVA + 4, 4);
	assert_int_equal(nr_told, 0);
	dma(&edu, true, IOVA, 64);
	assert_fault(IOVA, IOMMU_FAULT_WRITE, BERTH_IOMMU_FAULT_PERMISSION, 16);
	assert_memory_equal(at, old, sizeof(old));
	assert_int_equal(berth_iommu_faults(&edu.pdev->dev), 34);
	assert_int_equal(stats_now().events, 34);
	/* What was not there is not remembered. */
	must_map(&edu, IOVA + 0x3000, at, PAGE_SIZE, RW);
	dma(&edu, true, IOVA + 0x3000, 4);
	assert_int_equal(nr_told, 0);
	put_pages(at, 0);
	stop();
}

/* QEMU remembers translations: what nobody tells it to forget stays. */
static void a_forgotten_invalidation_shows(void **state)
{
	struct iommu_iotlb_gather gather;
	uint8_t *at;

	(void)state;
	start(one_edu);
	at = must_get_pages(0);
	must_map(&edu, IOVA, at, PAGE_SIZE, RW);
	fill(at, 64, 3);
	dma(&edu, false, IOVA, 64);
	/* As a flush queue does it: unmapped, and still reachable. */
	iommu_iotlb_gather_init(&gather);
	gather.queued = true;
	assert_int_equal(iommu_unmap_fast(edu.domain, IOVA, PAGE_SIZE, &gather), PAGE_SIZE);
	dma(&edu, true, IOVA + 128, 64);
	assert_int_equal(nr_told, 0);
	assert_memory_equal(at, at + 128, 64);
	iommu_flush_iotlb_all(edu.domain);
	dma(&edu, true, IOVA + 256, 64);
	assert_fault(IOVA, IOMMU_FAULT_WRITE, BERTH_IOMMU_FAULT_TRANSLATION, 16);
	/* An unmap that does it itself. */
	must_map(&edu, IOVA, at, PAGE_SIZE, RW);
	dma(&edu, false, IOVA, 64);
	assert_int_equal(iommu_unmap(edu.domain, IOVA, PAGE_SIZE), PAGE_SIZE);
	dma(&edu, false, IOVA, 64);
	assert_fault(IOVA, IOMMU_FAULT_READ, BERTH_IOMMU_FAULT_TRANSLATION, 16);
	put_pages(at, 0);
	stop();
}

/* Pages and blocks of each granule: data, and that they are forgotten, each with one command. */
static void all_granules_work(void **state)
{
	static const struct {
		size_t granule, block;
	} kinds[] = { { 4 * KIB, 2 * MIB }, { 16 * KIB, 32 * MIB }, { 64 * KIB, 512 * MIB } };
	uint8_t *at, *block;

	(void)state;
	start(one_edu);
	leave_edu(&edu);
	at = must_get_pages(4);
	for (unsigned int i = 0; i < ARRAY_SIZE(kinds); i++) {
		const size_t granule = kinds[i].granule;
		struct berth_smmu_v3_stats before;

		assert_int_equal(berth_smmu_v3_set_granule(smmu, granule), 0);
		take_edu(&edu, NULL);
		assert_int_equal(iommu_domain_pgsizes(edu.domain) & (64 * KIB - 1 + 64 * KIB),
				 granule);
		assert_true(iommu_domain_pgsizes(edu.domain) & kinds[i].block);
		fill(at, granule, i);
		must_map(&edu, IOVA + granule, at, granule, RW);
		/* At the end of the page, into its middle. */
		memset(at + granule / 2, 0, 1000);
		moves(&edu, IOVA + 2 * granule - 1000, IOVA + granule + granule / 2, 1000);
		assert_memory_equal(at + granule - 1000, at + granule / 2, 1000);
		before = stats_now();
		assert_int_equal(iommu_unmap(edu.domain, IOVA + granule, granule), granule);
		assert_int_equal(stats_now().tlbi_va - before.tlbi_va, 1);
		assert_int_equal(stats_now().syncs - before.syncs, 1);
		dma(&edu, false, IOVA + 2 * granule - 4, 4);
		dma(&edu, false, IOVA + granule, 4);
		assert_int_equal(nr_faults, 2);
		forget_faults();
		leave_edu(&edu);
	}
	assert_int_equal(berth_smmu_v3_set_granule(smmu, 8192), -EINVAL);
	assert_int_equal(berth_smmu_v3_set_granule(smmu, 0), 0);
	put_pages(at, 4);
	/* A block: 2 MiB; of it one page is taken away, and then the rest. */
	block = must_get_pages(9);
	take_edu(&edu, NULL);
	must_map(&edu, 16 * IOVA / 8, block, 2 * MIB, RW);
	fill(block + 0x1ff000, 64, 1);
	moves(&edu, 2 * IOVA + 0x1ff000, 2 * IOVA, 64);
	assert_memory_equal(block, block + 0x1ff000, 64);
	assert_int_equal(iommu_unmap(edu.domain, 2 * IOVA, 4096), 4096);
	moves(&edu, 2 * IOVA + 0x1ff000, 2 * IOVA + 4096, 64);
	assert_memory_equal(block + 4096, block + 0x1ff000, 64);
	assert_int_equal(nr_told, 0);
	dma(&edu, false, 2 * IOVA, 4);
	assert_fault(2 * IOVA, IOMMU_FAULT_READ, BERTH_IOMMU_FAULT_TRANSLATION, 1);
	assert_int_equal(iommu_unmap(edu.domain, 2 * IOVA + 4096, 2 * MIB - 4096), 2 * MIB - 4096);
	dma(&edu, false, 2 * IOVA + 0x1ff000, 4);
	assert_fault(2 * IOVA + 0x1ff000, IOMMU_FAULT_READ, BERTH_IOMMU_FAULT_TRANSLATION, 1);
	put_pages(block, 9);
	stop();
}

/* 64 pages: one command and a synchronisation, one register written and one read. */
static void what_an_unmap_costs(void **state)
{
	struct berth_smmu_v3_stats before, after;
	struct berth_qemu_stats regs_before, regs_after;
	struct iommu_iotlb_gather gather;
	uint8_t *at;

	(void)state;
	start(one_edu);
	at = must_get_pages(6);
	for (unsigned int round = 0; round < 300; round++) {
		for (unsigned int i = 0; i < 64; i++)
			must_map(&edu, IOVA + i * PAGE_SIZE, at + (63 - i) * PAGE_SIZE, PAGE_SIZE,
				 RW);
		before = stats_now();
		berth_qemu_stats(&regs_before);
		assert_int_equal(iommu_unmap(edu.domain, IOVA, 64 * PAGE_SIZE), 64 * PAGE_SIZE);
		berth_qemu_stats(&regs_after);
		after = stats_now();
		assert_int_equal(after.commands - before.commands, 2);
		assert_int_equal(after.tlbi_va - before.tlbi_va, 1);
		assert_int_equal(after.syncs - before.syncs, 1);
		assert_int_equal(after.doorbells - before.doorbells, 1);
		assert_int_equal(after.looks - before.looks, 1);
		assert_int_equal(regs_after.writes - regs_before.writes, 1);
		assert_int_equal(regs_after.reads - regs_before.reads, 1);
	}
	/* Ranges that do not touch: still one synchronisation. */
	for (unsigned int i = 0; i < 8; i++)
		must_map(&edu, IOVA + i * 0x10000, at + i * PAGE_SIZE, PAGE_SIZE, RW);
	before = stats_now();
	iommu_iotlb_gather_init(&gather);
	for (unsigned int i = 0; i < 8; i++)
		iommu_unmap_fast(edu.domain, IOVA + i * 0x10000, PAGE_SIZE, &gather);
	iommu_iotlb_sync(edu.domain, &gather);
	after = stats_now();
	assert_int_equal(after.tlbi_va - before.tlbi_va, 8);
	assert_int_equal(after.syncs - before.syncs, 1);
	assert_int_equal(after.doorbells - before.doorbells, 1);
	assert_int_equal(after.looks - before.looks, 1);
	assert_int_equal(after.fullness, 0);
	/* More of them than the queue has room for. */
	for (unsigned int i = 0; i < 600; i++)
		must_map(&edu, IOVA + i * 0x2000, at, PAGE_SIZE, RW);
	dma(&edu, false, IOVA + 599 * 0x2000, 4);
	before = stats_now();
	iommu_iotlb_gather_init(&gather);
	for (unsigned int i = 0; i < 600; i++)
		assert_int_equal(iommu_unmap_fast(edu.domain, IOVA + i * 0x2000, PAGE_SIZE,
						  &gather),
				 PAGE_SIZE);
	iommu_iotlb_sync(edu.domain, &gather);
	after = stats_now();
	assert_true(after.tlbi_va - before.tlbi_va >= 600);
	assert_true(after.fullness > 0 && after.looks - before.looks < 20);
	dma(&edu, false, IOVA + 599 * 0x2000, 4);
	assert_int_equal(nr_faults, 1);
	put_pages(at, 6);
	stop();
}

/* A table of pages is unmapped as one block: all of it is forgotten. */
static void a_table_goes_at_once(void **state)
{
	struct berth_smmu_v3_stats before;
	uint8_t *at;

	(void)state;
	start(one_edu);
	at = must_get_pages(9);
	for (unsigned int i = 0; i < 512; i++)
		must_map(&edu, 2 * IOVA + i * PAGE_SIZE, at + (511 - i) * PAGE_SIZE, PAGE_SIZE, RW);
	dma(&edu, false, 2 * IOVA, 4);
	dma(&edu, false, 2 * IOVA + 0x1ff000, 4);
	assert_int_equal(nr_told, 0);
	before = stats_now();
	assert_int_equal(iommu_unmap(edu.domain, 2 * IOVA, 2 * MIB), 2 * MIB);
	assert_int_equal(stats_now().tlbi_va - before.tlbi_va, 1);
	dma(&edu, false, 2 * IOVA, 4);
	assert_fault(2 * IOVA, IOMMU_FAULT_READ, BERTH_IOMMU_FAULT_TRANSLATION, 1);
	dma(&edu, false, 2 * IOVA + 0x1ff000, 4);
	assert_fault(2 * IOVA + 0x1ff000, IOMMU_FAULT_READ, BERTH_IOMMU_FAULT_TRANSLATION, 1);
	put_pages(at, 9);
	stop();
}

/* More domains than there are ASIDs, one after the other; and one that is there all the time. */
static void asids_are_given_back(void **state)
{
	uint8_t *at;

	(void)state;
	start(one_edu);
	at = must_get_pages(0);
	must_map(&edu, IOVA, at, PAGE_SIZE, RW);
	for (unsigned int i = 0; i < 66000; i++) {
		struct iommu_domain *domain = iommu_domain_alloc(&edu.pdev->dev);

		assert_non_null(domain);
		iommu_domain_free(domain);
	}
	dma(&edu, false, IOVA, 64);
	assert_int_equal(nr_told, 0);
	assert_int_equal(stats_now().domains, 3);
	put_pages(at, 0);
	stop();
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(edu_reaches_what_is_mapped),
		cmocka_unit_test(stray_accesses_are_told),
		cmocka_unit_test(a_forgotten_invalidation_shows),
		cmocka_unit_test(all_granules_work),
		cmocka_unit_test(what_an_unmap_costs),
		cmocka_unit_test(a_table_goes_at_once),
		cmocka_unit_test(asids_are_given_back),
	};

	return has_emulator() ? cmocka_run_group_tests(tests, NULL, NULL) : 0;
}
