/* SPDX-License-Identifier: BSD-2-Clause */
/* Which addresses devices behind an IOMMU are given, other granules, caches, and what fails. */
#include "dma_iommu.h"

#include <berth/timer.h>

#include "dma/internal.h"
#include "dma/iommu.h"

static void start_one(const char *protection, bool is_coherent, const char *bootargs)
{
	begin_client("client", 1, protection);
	if (is_coherent)
		fdt_flag(&fdt, "dma-coherent");
	fdt_end(&fdt);
	must_start(fdt_finish(&fdt), test_drivers, bootargs);
}

/* 37: reserved ranges are not given, and those that are direct are mapped. */
static void item_37_reserved_regions(void **state)
{
	uint8_t *page;
	struct device *dev;
	dma_addr_t addr;

	(void)state;
	begin_tree();
	test_resv[0] = (struct iommu_resv_region){ 0xffff0000, 0x10000, 0, IOMMU_RESV_RESERVED };
	test_resv[1] = (struct iommu_resv_region){ 0xfffe0000, 0x10000, 0, IOMMU_RESV_MSI };
	test_resv[2] =
		(struct iommu_resv_region){ 0xfffd0000, 0x10000, IOMMU_READ, IOMMU_RESV_DIRECT };
	test_resv[3] = (struct iommu_resv_region){ 0xfffc0000, 0x10000, 0, IOMMU_RESV_SW_MSI };
	nr_test_resv = 4;
	start_one(NULL, true, NULL);
	dev = device_at("/client");
	page = (uint8_t *)__get_free_pages(GFP_KERNEL, 0);
	addr = dma_map_single(dev, page, PAGE_SIZE, DMA_TO_DEVICE);
	assert_int_equal(addr, 0xfffcf000);
	dma_unmap_single(dev, addr, PAGE_SIZE, DMA_TO_DEVICE);
	assert_int_equal(translate(1, 0xfffd1234, false), 0xfffd1234);
	assert_int_equal(translate(1, 0xfffd1234, true), UINT64_MAX);
	assert_int_equal(translate(1, 0xfffe1234, false), UINT64_MAX);
	/* The hardware's doorbell is not translated. */
	assert_int_equal(berth_dma_map_msi(dev, 0xfffe0040, &addr), 0);
	assert_int_equal(addr, 0xfffe0040);
	/* Direct ones are there whatever the protection, as long as there are tables. */
	assert_int_equal(berth_device_set_protection(dev, BERTH_PROTECT_LAZY), 0);
	assert_int_equal(translate(1, 0xfffd1234, false), 0xfffd1234);
	free_pages((unsigned long)page, 0);
	must_stop();
}

/* 14: what the bus does not carry is not given; two devices of a group avoid the gaps of both. */
static void item_14_gaps_of_the_bus(void **state)
{
	struct device *one, *two;
	dma_addr_t addr[40];
	uint8_t *page;

	(void)state;
	begin_tree();
	fdt_begin(&fdt, "bus");
	fdt_text(&fdt, "compatible", "simple-bus");
	fdt_cells(&fdt, "#address-cells", 1);
	fdt_cells(&fdt, "#size-cells", 1);
	fdt_flag(&fdt, "ranges");
	/* As in the tree of a bus with an offset: the device's side counts. */
	fdt_cells(&fdt, "dma-ranges", 0x10000, 0, RAM, 0x8000, 0x40000, 0, RAM + 0x40000, 0x10000);
	add_client("one", 1, NULL);
	fdt_end(&fdt);
	add_client("two", 1, NULL);
	must_start(fdt_finish(&fdt), test_drivers, NULL);
	one = device_at("/bus/one");
	two = device_at("/two");
	assert_int_equal(two->backend, BERTH_DMA_IOMMU);
	assert_ptr_equal(iommu_dma_of(one)->cookie, iommu_dma_of(two)->cookie);
	page = (uint8_t *)__get_free_pages(GFP_KERNEL, 0);
	for (unsigned int i = 0; i < 24; i++) {
		addr[i] = dma_map_single(i % 2 ? one : two, page, PAGE_SIZE, DMA_TO_DEVICE);
		assert_true(addr[i] - 0x10000 < 0x8000 || addr[i] - 0x40000 < 0x10000);
		for (unsigned int j = 0; j < i; j++)
			assert_int_not_equal(addr[i], addr[j]);
	}
	assert_int_equal(dma_map_single(one, page, PAGE_SIZE, DMA_TO_DEVICE), DMA_MAPPING_ERROR);
	assert_reason(BERTH_REASON_AREA_FULL);
	for (unsigned int i = 0; i < 24; i++)
		dma_unmap_single(one, addr[i], PAGE_SIZE, DMA_TO_DEVICE);
	free_pages((unsigned long)page, 0);
	must_stop();
}

static void move_some(struct device *dev)
{
	uint8_t *block = (uint8_t *)__get_free_pages(GFP_KERNEL, 7);
	dma_addr_t addr;
	void *virt;

	assert_non_null(block);
	for (unsigned int i = 0; i < 6; i++) {
		size_t at = i * 1111, size = 1 + i * 50000;

		memset(block, 1, 300 * KIB);
		addr = dma_map_single(dev, block + at, size, DMA_BIDIRECTIONAL);
		assert_int_equal(dma_mapping_error(dev, addr), 0);
		assert_true(device_reads(1, addr, 1, size));
		assert_true(device_write(1, addr, 2, size));
		dma_unmap_single(dev, addr, size, DMA_BIDIRECTIONAL);
		assert_true(are(block + at, 2, size));
		assert_true(are(block, 1, at) && are(block + at + size, 1, 300 * KIB - at - size));
	}
	free_pages((unsigned long)block, 7);
	for (size_t size = 1; size < 200 * KIB; size = 3 * size + 1) {
		virt = dma_alloc_coherent(dev, size, &addr, GFP_KERNEL);
		assert_non_null(virt);
		assert_true(device_reads(1, addr, 0, PAGE_ALIGN(size)));
		assert_true(device_write(1, addr, 5, size));
		assert_true(are(virt, 5, size));
		dma_free_coherent(dev, size, virt, addr);
	}
}

/* An IOMMU whose pages are larger than the CPU's. */
static void larger_granules(void **state)
{
	static const char *const protections[] = { "strict", "lazy", "shadow" };

	(void)state;
	for (unsigned int g = 0; g < 2; g++) {
		for (unsigned int i = 0; i < ARRAY_SIZE(protections); i++) {
			struct sg_table *sgt;
			struct device *dev;

			test_granule = g ? 16 : 14;
			test_pgsizes = 1ull << test_granule | 1ull << (2 * test_granule - 3);
			begin_tree();
			start_one(protections[i], true, NULL);
			dev = device_at("/client");
			move_some(dev);
			if (i < 2) {
				assert_int_equal(dma_get_merge_boundary(dev),
						 (1u << test_granule) - 1);
				sgt = dma_alloc_noncontiguous(dev, 20 * PAGE_SIZE, DMA_TO_DEVICE,
							      GFP_KERNEL, 0);
				assert_non_null(sgt);
				assert_true(device_reads(1, sg_dma_address(sgt->sgl), 0,
							 20 * PAGE_SIZE));
				dma_free_noncontiguous(dev, 20 * PAGE_SIZE, sgt, DMA_TO_DEVICE);
			}
			must_stop();
		}
	}
	test_granule = 12;
	test_pgsizes = 4 * KIB | 2 * MIB;
}

/* 7 and 9: a device that does not see the CPU's caches. Its memory is what has been cleaned. */
static void items_7_and_9_caches(void **state)
{
	static const char *const protections[] = { "strict", "lazy", "shadow" };
	const struct berth_model_config config = { .cache = BERTH_MODEL_CACHE_QUIET };

	(void)state;
	for (unsigned int i = 0; i < 2 * ARRAY_SIZE(protections); i++) {
		const struct berth_options options = { .machine = &berth_model,
						       .machine_config = &config };
		struct scatterlist sg[2];
		struct device *dev;
		uint8_t *block, *seen_by_device;
		dma_addr_t addr;
		bool is_bounced = i >= 3 || i == 2;

		begin_tree();
		begin_client("client", 1, protections[i % 3]);
		if (i >= 3)
			fdt_flag(&fdt, "berth,untrusted");
		fdt_end(&fdt);
		assert_int_equal(berth_start(fdt_finish(&fdt), test_drivers, &options), 0);
		dev = device_at("/client");
		assert_false(dev_is_dma_coherent(dev));
		block = (uint8_t *)__get_free_pages(GFP_KERNEL, 1);
		memset(block, 0x21, 2 * PAGE_SIZE);
		addr = dma_map_single(dev, block + 128, 5000, DMA_BIDIRECTIONAL);
		assert_true(dma_need_sync(dev, addr));
		seen_by_device = berth_model_memory(translate(1, addr, true));
		assert_true(are(seen_by_device, 0x21, 3000));
		if (!is_bounced)
			assert_int_equal(translate(1, addr, true), virt_to_phys(block + 128));
		memset(seen_by_device, 0x42, 3000);
		dma_sync_single_for_cpu(dev, addr, 5000, DMA_BIDIRECTIONAL);
		assert_true(are(block + 128, 0x42, 3000));
		memset(block + 128, 0x43, 3000);
		assert_true(are(seen_by_device, 0x42, 3000));
		dma_sync_single_for_device(dev, addr, 5000, DMA_BIDIRECTIONAL);
		assert_true(are(seen_by_device, 0x43, 3000));
		memset(seen_by_device, 0x44, 3000);
		dma_unmap_single(dev, addr, 5000, DMA_BIDIRECTIONAL);
		assert_true(are(block + 128, 0x44, 3000));
		assert_true(are(block + 3128, 0x21, 2000));
		/* Lists. */
		memset(block, 0x51, 2 * PAGE_SIZE);
		sg_init_table(sg, 2);
		sg_set_buf(&sg[0], block, PAGE_SIZE);
		sg_set_buf(&sg[1], block + PAGE_SIZE, PAGE_SIZE);
		assert_true(dma_map_sg(dev, sg, 2, DMA_BIDIRECTIONAL));
		seen_by_device = berth_model_memory(translate(1, sg[0].dma_address, true));
		assert_true(are(seen_by_device, 0x51, PAGE_SIZE));
		memset(seen_by_device, 0x52, PAGE_SIZE);
		dma_unmap_sg(dev, sg, 2, DMA_BIDIRECTIONAL);
		assert_true(are(block, 0x52, PAGE_SIZE));
		free_pages((unsigned long)block, 1);
		must_stop();
	}
}

/* Everything once. False if something failed; then nothing is left. */
static bool do_all(struct device *dev, uint8_t *block)
{
	struct scatterlist sg[3];
	struct sg_table *sgt;
	dma_addr_t addr, coherent, resource, msi;
	bool ok = false;
	void *virt;

	sg_init_table(sg, 3);
	for (unsigned int i = 0; i < 3; i++)
		sg_set_buf(&sg[i], block + i * 2 * PAGE_SIZE + 100, PAGE_SIZE);
	addr = dma_map_single(dev, block + 5, 3 * PAGE_SIZE, DMA_BIDIRECTIONAL);
	if (dma_mapping_error(dev, addr))
		return false;
	virt = dma_alloc_coherent(dev, 3 * PAGE_SIZE, &coherent, GFP_KERNEL);
	if (!virt)
		goto unmap;
	if (!dma_map_sg(dev, sg, 3, DMA_TO_DEVICE))
		goto free;
	sgt = dma_alloc_noncontiguous(dev, 9 * PAGE_SIZE, DMA_TO_DEVICE, GFP_KERNEL, 0);
	if (!sgt)
		goto unmap_sg;
	resource = dma_map_resource(dev, 0x10000000, 0x1000, DMA_TO_DEVICE, 0);
	if (resource == DMA_MAPPING_ERROR)
		goto free_table;
	ok = !berth_dma_map_msi(dev, 0x8020000, &msi);
	dma_unmap_resource(dev, resource, 0x1000, DMA_TO_DEVICE, 0);
free_table:
	dma_free_noncontiguous(dev, 9 * PAGE_SIZE, sgt, DMA_TO_DEVICE);
unmap_sg:
	dma_unmap_sg(dev, sg, 3, DMA_TO_DEVICE);
free:
	dma_free_coherent(dev, 3 * PAGE_SIZE, virt, coherent);
unmap:
	dma_unmap_single(dev, addr, 3 * PAGE_SIZE, DMA_BIDIRECTIONAL);
	return ok;
}

/* The n-th allocation fails, for all n: a reason, nothing left, and it goes on. */
static void allocations_fail(void **state)
{
	static const char *const protections[] = { "strict", "lazy", "shadow", "untrusted" };

	(void)state;
	for (unsigned int i = 0; i < ARRAY_SIZE(protections); i++) {
		struct device *dev;
		uint8_t *block;
		bool ok = false;

		begin_tree();
		begin_client("client", 1, i < 3 ? protections[i] : NULL);
		fdt_flag(&fdt, "dma-coherent");
		if (i == 3)
			fdt_flag(&fdt, "berth,untrusted");
		fdt_end(&fdt);
		must_start(fdt_finish(&fdt), test_drivers, NULL);
		dev = device_at("/client");
		block = (uint8_t *)__get_free_pages(GFP_KERNEL, 4);
		for (unsigned int n = 1; !ok; n++) {
			assert_true(n < 200);
			berth_clear_error();
			berth_test_fail_nth(n);
			ok = do_all(dev, block);
			ok = ok && !berth_test_failed();
			berth_test_fail_nth(0);
			if (iommu_dma_of(dev)->pool || i == 1)
				continue;
			assert_int_equal(berth_iommu_dma_count_ranges(iommu_dma_of(dev)->cookie),
					 iommu_dma_of(dev)->cookie->nr_reserved);
		}
		assert_true(do_all(dev, block));
		free_pages((unsigned long)block, 4);
		must_stop();
	}
}

/* The same for another protection: the old one holds. */
static void a_change_that_fails(void **state)
{
	struct device *dev;

	(void)state;
	begin_tree();
	start_one(NULL, true, NULL);
	dev = device_at("/client");
	for (unsigned int p = 0; p < 4; p++) {
		int err = -1;

		if (p == BERTH_PROTECT_STRICT)
			continue;
		for (unsigned int n = 1; err; n++) {
			assert_true(n < 200);
			berth_test_fail_nth(n);
			err = berth_device_set_protection(dev, p);
			berth_test_fail_nth(0);
			assert_int_equal(berth_device_protection(dev),
					 err ? BERTH_PROTECT_STRICT : p);
			move_some(dev);
		}
		assert_int_equal(berth_device_set_protection(dev, BERTH_PROTECT_STRICT), 0);
	}
	must_stop();
}

/* Random mappings, against a note of who has which bytes. */
static void random_histories(void **state)
{
	enum { LIVE = 24, PAGES = 64 };
	static const char *const protections[] = { "strict", "lazy", "untrusted" };

	(void)state;
	for (unsigned int round = 0; round < 60; round++) {
		struct {
			dma_addr_t addr;
			size_t at, size;
		} live[LIVE] = { { 0, 0, 0 } };
		uint8_t *block, note[PAGES * 4096];
		struct device *dev;
		unsigned int seed = round * 7919 + 1;

		begin_tree();
		begin_client("client", 1, round % 3 < 2 ? protections[round % 3] : NULL);
		fdt_flag(&fdt, "dma-coherent");
		if (round % 3 == 2)
			fdt_flag(&fdt, "berth,untrusted");
		fdt_end(&fdt);
		must_start(fdt_finish(&fdt), test_drivers, NULL);
		dev = device_at("/client");
		block = (uint8_t *)__get_free_pages(GFP_KERNEL, 6);
		memset(block, 0, PAGES * 4096);
		memset(note, 0, sizeof(note));
		for (unsigned int step = 0; step < 400; step++) {
			unsigned int r = seed = seed * 1103515245 + 12345, n = (r >> 8) % LIVE;
			uint8_t byte = (uint8_t)(r >> 16);

			if (!live[n].size) {
				live[n].at = (r >> 9) % (PAGES * 4096);
				live[n].size = 1 + (r >> 3) % 9000;
				if (live[n].at + live[n].size > PAGES * 4096)
					live[n].size = PAGES * 4096 - live[n].at;
				/* Nobody else has bytes of it. */
				for (unsigned int i = 0; i < LIVE; i++)
					if (i != n && live[i].size &&
					    live[i].at < live[n].at + live[n].size &&
					    live[n].at < live[i].at + live[i].size)
						live[n].size = 0;
				if (!live[n].size)
					continue;
				live[n].addr = dma_map_single(dev, block + live[n].at, live[n].size,
							      DMA_BIDIRECTIONAL);
				assert_int_equal(dma_mapping_error(dev, live[n].addr), 0);
				continue;
			}
			assert_true(device_write(1, live[n].addr, byte, live[n].size));
			memset(note + live[n].at, byte, live[n].size);
			if (r & 1 << 20) {
				dma_sync_single_for_cpu(dev, live[n].addr, live[n].size,
							DMA_BIDIRECTIONAL);
			} else {
				dma_unmap_single(dev, live[n].addr, live[n].size,
						 DMA_BIDIRECTIONAL);
				if (round % 3 != 1)
					assert_false(device_reaches(1, live[n].addr));
				live[n].size = 0;
			}
		}
		for (unsigned int i = 0; i < LIVE; i++)
			if (live[i].size)
				dma_unmap_single(dev, live[i].addr, live[i].size,
						 DMA_BIDIRECTIONAL);
		assert_memory_equal(block, note, sizeof(note));
		berth_io_pgtable_trim(domain_of(dev)->domain.tables);
		assert_int_equal(berth_io_pgtable_tables(domain_of(dev)->domain.tables), 0);
		free_pages((unsigned long)block, 6);
		must_stop();
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(item_37_reserved_regions),
		cmocka_unit_test(item_14_gaps_of_the_bus),
		cmocka_unit_test(larger_granules),
		cmocka_unit_test(items_7_and_9_caches),
		cmocka_unit_test(allocations_fail),
		cmocka_unit_test(a_change_that_fails),
		cmocka_unit_test(random_histories),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
