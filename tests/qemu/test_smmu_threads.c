/* SPDX-License-Identifier: BSD-2-Clause */
/* The SMMUv3 driver with several threads: one queue of commands, one domain, one device. */
#include <pthread.h>

#include <berth/io-pgtable.h>

#include "smmu.h"

#define NR_THREADS 3u
#define ROUNDS 400u
#define SPACE 0x400000ull

static struct raw edu;
static uint8_t *page;
static uint64_t nr_faults;
static uint32_t failures;

static void note(const struct berth_iommu_fault *fault, void *data)
{
	(void)data;
	__atomic_fetch_add(&nr_faults, fault->count, __ATOMIC_RELAXED);
}

static void expect(bool holds)
{
	if (!holds)
		__atomic_fetch_add(&failures, 1, __ATOMIC_RELAXED);
}

/* Maps and unmaps in a part of the domain that is its own. */
static void *mapper(void *arg)
{
	uint64_t base = IOVA + (uintptr_t)arg * SPACE;

	for (unsigned int i = 0; i < ROUNDS; i++) {
		struct iommu_iotlb_gather gather;
		size_t size = (i % 7 + 1) * PAGE_SIZE;
		uint64_t iova = base + (i * 37 % 64) * 0x8000;

		for (size_t at = 0; at < size; at += PAGE_SIZE)
			expect(!iommu_map(edu.domain, iova + at, virt_to_phys(page), PAGE_SIZE, RW,
					  GFP_KERNEL));
		iommu_iotlb_gather_init(&gather);
		expect(iommu_unmap_fast(edu.domain, iova, size, &gather) == size);
		iommu_iotlb_sync(edu.domain, &gather);
		expect(iommu_iova_to_phys(edu.domain, iova) == BERTH_PHYS_NONE);
		if (i % 50 == 0)
			iommu_flush_iotlb_all(edu.domain);
	}
	return NULL;
}

/* Commands that are refused are its own, whatever stands beside them in the queue. */
static void *bad(void *arg)
{
	(void)arg;
	for (unsigned int i = 0; i < ROUNDS; i++) {
		bool is_bad = i % 3 == 0;

		expect(berth_smmu_v3_command(smmu, is_bad ? 0xf5 : 0x46, 0) == (is_bad ? -EIO : 0));
	}
	return NULL;
}

/* Domains come and go. */
static void *maker(void *arg)
{
	(void)arg;
	for (unsigned int i = 0; i < ROUNDS / 5; i++) {
		struct iommu_domain *domain = iommu_domain_alloc(&edu.pdev->dev);

		expect(domain != NULL);
		if (!domain)
			break;
		expect(!iommu_map(domain, IOVA, virt_to_phys(page), PAGE_SIZE, RW, GFP_KERNEL));
		iommu_domain_free(domain);
	}
	return NULL;
}

/* Meanwhile edu sees what is mapped, and nothing of it when it is not. */
static void watch(unsigned int rounds)
{
	uint64_t iova = IOVA + (NR_THREADS + 1) * SPACE;

	for (unsigned int i = 0; i < rounds; i++) {
		must_map(&edu, iova, page, PAGE_SIZE, RW);
		dma(&edu, false, iova, 16);
		assert_int_equal(__atomic_load_n(&nr_faults, __ATOMIC_RELAXED), i);
		assert_int_equal(iommu_unmap(edu.domain, iova, PAGE_SIZE), PAGE_SIZE);
		dma(&edu, false, iova, 4);
		/* Another thread may have taken the interrupt. */
		while (__atomic_load_n(&nr_faults, __ATOMIC_RELAXED) != i + 1)
			msleep(1);
	}
}

static void all_at_once(void **unused)
{
	pthread_t threads[NR_THREADS + 2];
	struct berth_smmu_v3_stats stats;

	(void)unused;
	start_machine(one_edu, NULL);
	find_smmu();
	take_edu(&edu, NULL);
	berth_iommu_set_listener(note, NULL);
	page = must_get_pages(0);
	for (uintptr_t i = 0; i < NR_THREADS; i++)
		assert_int_equal(pthread_create(&threads[i], NULL, mapper, (void *)i), 0);
	assert_int_equal(pthread_create(&threads[NR_THREADS], NULL, bad, NULL), 0);
	assert_int_equal(pthread_create(&threads[NR_THREADS + 1], NULL, maker, NULL), 0);
	watch(20);
	for (unsigned int i = 0; i < NR_THREADS + 2; i++)
		pthread_join(threads[i], NULL);
	assert_int_equal(failures, 0);
	berth_smmu_v3_stats(smmu, &stats);
	assert_int_equal(stats.command_errors, (ROUNDS + 2) / 3);
	assert_int_equal(stats.timeouts, 0);
	assert_int_equal(stats.lost, 0);
	/* Nobody rings twice for the same, and who is overtaken need not ring or look at all. */
	assert_true(stats.doorbells <= stats.syncs);
	assert_true(stats.tlbi_va >= NR_THREADS * ROUNDS);
	for (uint64_t iova = IOVA; iova < IOVA + NR_THREADS * SPACE; iova += PAGE_SIZE)
		assert_true(iommu_iova_to_phys(edu.domain, iova) == BERTH_PHYS_NONE);
	put_pages(page, 0);
	leave_edu(&edu);
	must_stop();
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(all_at_once),
	};

	return has_emulator() ? cmocka_run_group_tests(tests, NULL, NULL) : 0;
}
