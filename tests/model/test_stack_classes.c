// SPDX-License-Identifier: BSD-2-Clause
/*
 * The classes of docs/bug-classes.md that are faults of a DMA stack and not of a driver, each as what would show it in
 * berth. The names are the classes' numbers.
 */
#include "dma_iommu.h"

#include <berth/iommu.h>
#include <berth/swiotlb.h>

#include "boards.h"

#define STRICT 1u
#define IOVA 0x40000000ull
#define RW (IOMMU_READ | IOMMU_WRITE)

static struct device *strict;

static int start(void **state)
{
	(void)state;
	begin_tree();
	nr_test_resv = 1;
	/* Of no length, as firmware describes it. */
	test_resv[0] = (struct iommu_resv_region){ .start = 0x8000000,
						   .length = 0,
						   .type = IOMMU_RESV_RESERVED };
	add_client("strict", STRICT, NULL);
	must_start(fdt_finish(&fdt), test_drivers, NULL);
	strict = device_at("/strict");
	return 0;
}

static int stop(void **state)
{
	(void)state;
	must_stop();
	return 0;
}

static struct iommu_domain *attach(void)
{
	struct iommu_domain *domain = iommu_domain_alloc(strict);

	assert_non_null(domain);
	assert_int_equal(iommu_attach_device(domain, strict), 0);
	return domain;
}

static void detach(struct iommu_domain *domain)
{
	iommu_detach_device(domain, strict);
	iommu_domain_free(domain);
}

/* Another thread takes the address between a free and the end of its record. */
static void *allocate_and_free(void *data)
{
	struct device *dev = data;

	for (unsigned int i = 0; i < 2000; i++) {
		dma_addr_t addr;
		void *virt = dmam_alloc_coherent(dev, 4096, &addr, GFP_KERNEL);

		if (!virt)
			return (void *)1;
		*(volatile uint32_t *)virt = i;
		berth_clear_error();
		dmam_free_coherent(dev, 4096, virt, addr);
		if (berth_last_error()->reason != BERTH_REASON_NONE)
			return (void *)1;
	}
	return NULL;
}

static void class_31_freed_before_its_record_is_gone(void **state)
{
	static struct device dev;
	struct berth_memory_info before, after;
	pthread_t other;
	void *failed;

	(void)state;
	memset(&dev, 0, sizeof(dev));
	assert_int_equal(device_register(&dev, "managed"), 0);
	assert_null(allocate_and_free(&dev)); /* what stays in caches is there */
	berth_memory_info(&before);
	assert_int_equal(pthread_create(&other, NULL, allocate_and_free, &dev), 0);
	assert_null(allocate_and_free(&dev));
	assert_int_equal(pthread_join(other, &failed), 0);
	assert_null(failed);
	device_unregister(&dev);
	berth_memory_info(&after);
	assert_true(after.used <= before.used + 4 * PAGE_SIZE);
}

/* What the device remembers of the middle of a large mapping goes, and of the rest nothing; a part of a block stays. */
static void class_34_invalidated_as_much_as_unmapped(void **state)
{
	struct iommu_domain *domain = attach();

	(void)state;
	assert_int_equal(iommu_map(domain, IOVA, RAM + 8 * MIB, 8 * MIB, RW, GFP_KERNEL), 0);
	for (uint64_t at = 0; at < 8 * MIB; at += 64 * KIB)
		assert_true(device_reaches(STRICT, IOVA + at)); /* and remembers */
	assert_int_equal(iommu_unmap(domain, IOVA + 1 * MIB, 64 * KIB), 0);
	assert_int_equal(iommu_unmap(domain, IOVA + 2 * MIB, 4 * MIB), 4 * MIB);
	for (uint64_t at = 0; at < 8 * MIB; at += 64 * KIB) {
		const bool is_gone = at >= 2 * MIB && at < 6 * MIB;

		if (device_reaches(STRICT, IOVA + at) == is_gone)
			fail_msg("at %#llx", (unsigned long long)at);
	}
	assert_int_equal(iommu_unmap(domain, IOVA, 2 * MIB), 2 * MIB);
	assert_int_equal(iommu_unmap(domain, IOVA + 6 * MIB, 2 * MIB), 2 * MIB);
	detach(domain);
}

static void class_35_nothing_is_mapped(void **state)
{
	uint8_t *page = (uint8_t *)__get_free_pages(GFP_KERNEL, 0);
	struct iommu_domain *domain;
	struct scatterlist sg[2];
	dma_addr_t addr;

	(void)state;
	/* The region of no length has reserved nothing. */
	addr = dma_map_single(strict, page, PAGE_SIZE, DMA_TO_DEVICE);
	assert_false(dma_mapping_error(strict, addr));
	dma_unmap_single(strict, addr, PAGE_SIZE, DMA_TO_DEVICE);
	assert_true(dma_mapping_error(strict, dma_map_single(strict, page, 0, DMA_TO_DEVICE)));
	sg_init_table(sg, 2);
	sg_set_buf(&sg[0], page, 100);
	sg_set_buf(&sg[1], page + 200, 0);
	assert_int_equal(dma_map_sg(strict, sg, 2, DMA_TO_DEVICE), 0);
	assert_false(device_reaches(STRICT, addr));
	domain = attach();
	assert_int_equal(iommu_map(domain, IOVA, RAM, 0, RW, GFP_KERNEL), -EINVAL);
	assert_int_equal(iommu_unmap(domain, IOVA, 0), 0);
	/* The second half is mapped already: the first half goes again, and nothing else. */
	assert_int_equal(iommu_map(domain, IOVA + 8 * PAGE_SIZE, RAM, PAGE_SIZE, RW, GFP_KERNEL),
			 0);
	assert_true(iommu_map(domain, IOVA, RAM, 16 * PAGE_SIZE, RW, GFP_KERNEL) < 0);
	for (unsigned int i = 0; i < 16; i++)
		assert_int_equal(device_reaches(STRICT, IOVA + i * PAGE_SIZE), i == 8);
	assert_int_equal(iommu_unmap(domain, IOVA + 8 * PAGE_SIZE, PAGE_SIZE), PAGE_SIZE);
	detach(domain);
	free_pages((unsigned long)page, 0);
}

/* An address and a length that would both do in the other's place. */
static void class_36_arguments_in_their_place(void **state)
{
	struct iommu_domain *domain = attach();
	const uint64_t iova = 2 * MIB, size = 4 * MIB;

	(void)state;
	assert_int_equal(iommu_map(domain, iova, RAM, size, RW, GFP_KERNEL), 0);
	assert_int_equal(iommu_map(domain, iova + size, RAM, MIB, RW, GFP_KERNEL), 0);
	assert_true(device_reaches(STRICT, iova) && device_reaches(STRICT, iova + size));
	assert_int_equal(iommu_unmap(domain, iova, size), size);
	assert_false(device_reaches(STRICT, iova));
	assert_false(device_reaches(STRICT, iova + size - 1));
	assert_true(device_reaches(STRICT, iova + size));
	assert_int_equal(iommu_unmap(domain, iova + size, MIB), MIB);
	detach(domain);
}

static void class_37_a_part_goes_the_rest_stays(void **state)
{
	struct iommu_domain *domain = attach();

	(void)state;
	assert_int_equal(iommu_map(domain, IOVA, RAM, 64 * PAGE_SIZE, RW, GFP_KERNEL), 0);
	assert_int_equal(iommu_unmap(domain, IOVA + 20 * PAGE_SIZE, 3 * PAGE_SIZE), 3 * PAGE_SIZE);
	for (unsigned int i = 0; i < 64; i++) {
		const uint64_t at = translate(STRICT, IOVA + i * PAGE_SIZE, true);

		assert_int_equal(at, i >= 20 && i < 23 ? UINT64_MAX : RAM + i * PAGE_SIZE);
	}
	assert_int_equal(iommu_unmap(domain, IOVA, 20 * PAGE_SIZE), 20 * PAGE_SIZE);
	assert_int_equal(iommu_unmap(domain, IOVA + 23 * PAGE_SIZE, 41 * PAGE_SIZE),
			 41 * PAGE_SIZE);
	detach(domain);
}

static void class_39_no_more_permission_than_asked_for(void **state)
{
	uint8_t *page = (uint8_t *)__get_free_pages(GFP_KERNEL, 0);
	struct iommu_domain *domain;
	unsigned int shift;
	dma_addr_t addr;

	(void)state;
	addr = dma_map_single(strict, page, PAGE_SIZE, DMA_TO_DEVICE);
	assert_false(device_write(STRICT, addr, 1, 1));
	dma_unmap_single(strict, addr, PAGE_SIZE, DMA_TO_DEVICE);
	domain = attach();
	assert_int_equal(
		iommu_map(domain, IOVA, RAM, PAGE_SIZE, IOMMU_READ | IOMMU_NOEXEC, GFP_KERNEL), 0);
	/* UXN. */
	assert_true(walk(domain_of(strict), IOVA, &shift) & 1ull << 54);
	assert_false(device_write(STRICT, IOVA, 1, 1));
	assert_int_equal(iommu_unmap(domain, IOVA, PAGE_SIZE), PAGE_SIZE);
	detach(domain);
	free_pages((unsigned long)page, 0);
}

/* What was mapped directly ends so, and what was bounced, too, though the device's reach changes between. */
static void class_43_an_unmap_undoes_its_own_map(void **state)
{
	static struct device dev;
	uint8_t *direct = alloc_pages_exact(PAGE_SIZE, GFP_KERNEL);
	uint8_t *bounced = alloc_pages_exact(PAGE_SIZE, GFP_KERNEL);
	struct berth_swiotlb_info info;
	dma_addr_t addr, through;

	(void)state;
	memset(&dev, 0, sizeof(dev));
	assert_int_equal(device_register(&dev, "changing"), 0);
	berth_device_set_coherent(&dev, true);
	assert_int_equal(dma_set_mask(&dev, DMA_BIT_MASK(64)), 0);
	memset(direct, 1, PAGE_SIZE);
	memset(bounced, 2, PAGE_SIZE);
	addr = dma_map_single(&dev, direct, PAGE_SIZE, DMA_BIDIRECTIONAL);
	assert_int_equal(addr, virt_to_phys(direct));
	assert_int_equal(dma_set_mask(&dev, DMA_BIT_MASK(32)), 0);
	through = dma_map_single(&dev, bounced, PAGE_SIZE, DMA_BIDIRECTIONAL);
	assert_int_not_equal(through, virt_to_phys(bounced));
	assert_true(through <= DMA_BIT_MASK(32));
	memset(phys_to_virt(through), 3, PAGE_SIZE);
	berth_clear_error();
	dma_unmap_single(&dev, addr, PAGE_SIZE, DMA_BIDIRECTIONAL);
	assert_reason(BERTH_REASON_NONE);
	assert_true(are(direct, 1, PAGE_SIZE));
	assert_int_equal(dma_set_mask(&dev, DMA_BIT_MASK(64)), 0);
	dma_unmap_single(&dev, through, PAGE_SIZE, DMA_BIDIRECTIONAL);
	assert_reason(BERTH_REASON_NONE);
	assert_true(are(bounced, 3, PAGE_SIZE));
	berth_swiotlb_info(&dev, &info);
	assert_int_equal(info.used, 0);
	device_unregister(&dev);
	free_pages_exact(direct, PAGE_SIZE);
	free_pages_exact(bounced, PAGE_SIZE);
}

static int start_with_high_memory(void **state)
{
	(void)state;
	must_start(board_network, NULL, NULL);
	return 0;
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(class_31_freed_before_its_record_is_gone),
		cmocka_unit_test(class_34_invalidated_as_much_as_unmapped),
		cmocka_unit_test(class_35_nothing_is_mapped),
		cmocka_unit_test(class_36_arguments_in_their_place),
		cmocka_unit_test(class_37_a_part_goes_the_rest_stays),
		cmocka_unit_test(class_39_no_more_permission_than_asked_for),
	};
	const struct CMUnitTest high[] = {
		cmocka_unit_test(class_43_an_unmap_undoes_its_own_map),
	};

	return cmocka_run_group_tests(tests, start, stop) +
	       cmocka_run_group_tests(high, start_with_high_memory, stop);
}
