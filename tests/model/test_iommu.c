/* SPDX-License-Identifier: BSD-2-Clause */
/* The IOMMU core over an IOMMU of the test's own: who is behind it, what they see, what is mapped. */
#include "own_iommu.h"

static void a_device_waits_for_its_iommu(void **state)
{
	struct device *dev, *other;
	unsigned int count;

	(void)state;
	start_simple(NULL);
	dev = device_at("/client");
	other = device_at("/free");
	assert_int_equal(nr_probed, 1);
	assert_true(device_iommu_mapped(dev));
	assert_true(device_iommu_mapped(other));
	assert_int_equal(dev_iommu_ids(dev, &count)[0], 3);
	assert_int_equal(count, 1);
	assert_int_not_equal(iommu_group_id(iommu_group_get(dev)),
			     iommu_group_id(iommu_group_get(other)));
	assert_int_equal(iommu_domain_type(iommu_get_domain_for_dev(dev)), IOMMU_DOMAIN_DMA);
	assert_ptr_equal(seen[3], iommu_get_domain_for_dev(dev));
	assert_false(device_iommu_capable(dev, IOMMU_CAP_NOEXEC));
	must_stop();
	assert_int_equal(nr_released, 2);
	assert_int_equal(nr_fakes, 0);
}

static void without_a_driver_the_iommu_is_not_there(void **state)
{
	(void)state;
	begin_tree();
	add_client("client", "test,client", 3, NULL);
	add_iommu("iommu", 1);
	must_start(fdt_finish(&fdt), drivers_without, NULL);
	assert_int_equal(nr_probed, 1);
	assert_false(device_iommu_mapped(device_at("/client")));
	assert_null(iommu_domain_alloc(device_at("/client")));
	assert_reason(BERTH_REASON_NO_IOMMU);
	assert_int_equal(device_at("/client")->backend, BERTH_DMA_DIRECT);
	assert_int_equal(berth_device_protection(device_at("/client")), BERTH_PROTECT_PASSTHROUGH);
	must_stop();
}

static void an_iommu_that_fails_takes_dma_away(void **state)
{
	(void)state;
	begin_tree();
	add_client("client", "test,client", 3, NULL);
	add_iommu("iommu", 1);
	fails_probe = true;
	must_start(fdt_finish(&fdt), drivers, NULL);
	assert_int_equal(nr_probed, 1);
	assert_int_equal(device_at("/client")->backend, BERTH_DMA_NONE);
	must_stop();

	/* An id that the driver refuses; two IOMMUs for one device; an IOMMU that is none. */
	begin_tree();
	add_client("client", "test,client", 15, NULL);
	add_iommu("iommu", 1);
	add_iommu("other", 2);
	fdt_begin(&fdt, "two");
	fdt_text(&fdt, "compatible", "test,client");
	fdt_cells(&fdt, "iommus", 1, 1, 2, 2);
	fdt_end(&fdt);
	fdt_begin(&fdt, "none");
	fdt_text(&fdt, "compatible", "test,client");
	fdt_cells(&fdt, "iommus", 77, 1);
	fdt_end(&fdt);
	fdt_begin(&fdt, "cut");
	fdt_text(&fdt, "compatible", "test,client");
	fdt_cells(&fdt, "iommus", 1);
	fdt_end(&fdt);
	must_start(fdt_finish(&fdt), drivers, NULL);
	assert_int_equal(nr_probed, 4);
	assert_int_equal(device_at("/client")->backend, BERTH_DMA_NONE);
	assert_int_equal(device_at("/two")->backend, BERTH_DMA_NONE);
	assert_int_equal(device_at("/none")->backend, BERTH_DMA_NONE);
	assert_int_equal(device_at("/cut")->backend, BERTH_DMA_NONE);
	assert_false(device_iommu_mapped(device_at("/two")));
	must_stop();
}

static int count_device(struct device *dev, void *data)
{
	(void)dev;
	return ++*(int *)data == 3;
}

static void the_same_id_is_the_same_group(void **state)
{
	struct iommu_domain *domain;
	struct iommu_group *group;
	struct device *dev;
	int count = 0;

	(void)state;
	begin_tree();
	add_iommu("iommu", 1);
	add_client("one", "test,free", 4, NULL);
	fdt_begin(&fdt, "two");
	fdt_text(&fdt, "compatible", "test,free");
	fdt_cells(&fdt, "iommus", 1, 6, 1, 4, 1, 6);
	fdt_end(&fdt);
	must_start(fdt_finish(&fdt), drivers, NULL);
	dev = device_at("/one");
	group = iommu_group_get(dev);
	assert_ptr_equal(group, iommu_group_get(device_at("/two")));
	dev_iommu_ids(device_at("/two"), (unsigned int *)&count);
	assert_int_equal(count, 2);
	count = 0;
	assert_int_equal(iommu_group_for_each_dev(group, &count, count_device), 0);
	assert_int_equal(count, 2);

	domain = iommu_domain_alloc(dev);
	assert_int_equal(iommu_attach_device(domain, dev), -EINVAL);
	assert_reason(BERTH_REASON_GROUP);
	assert_string_equal(berth_last_error()->holder, "two");
	/* The second attach fails: both see what they saw. */
	attaches_left = 2;
	assert_int_equal(iommu_attach_group(domain, group), -EIO);
	assert_ptr_equal(seen[4], iommu_get_domain_for_dev(dev));
	assert_int_equal(iommu_domain_type(seen[4]), IOMMU_DOMAIN_DMA);
	assert_int_equal(iommu_attach_group(domain, group), 0);
	assert_ptr_equal(seen[4], domain);
	assert_ptr_equal(seen[6], domain);
	iommu_domain_free(domain);
	assert_reason(BERTH_REASON_STATE);
	iommu_detach_group(domain, group);
	assert_int_equal(iommu_domain_type(seen[4]), IOMMU_DOMAIN_DMA);
	iommu_domain_free(domain);
	/* One goes: the other one keeps the id that they shared. */
	domain = iommu_get_domain_for_dev(dev);
	device_unregister(device_at("/two"));
	assert_ptr_equal(seen[4], domain);
	assert_ptr_equal(seen[6], &fakes[0]->blocked);
	must_stop();
}

static void the_largest_pages_that_fit(void **state)
{
	struct iommu_domain *domain;

	(void)state;
	start_simple(NULL);
	domain = new_domain(device_at("/free"));
	assert_int_equal(iommu_domain_pgsizes(domain), 4 * KIB | 2 * MIB);
	/* Up to the next block in pages, two blocks, and the rest in pages. */
	assert_int_equal(iommu_map(domain, 6 * MIB - 8 * KIB, RAM + 2 * MIB - 8 * KIB,
				   4 * MIB + 12 * KIB, IOMMU_READ, GFP_KERNEL),
			 0);
	assert_int_equal(nr_calls, 3);
	assert_int_equal(calls[0].pgsize, 4 * KIB);
	assert_int_equal(calls[0].count, 2);
	assert_int_equal(calls[1].iova, 6 * MIB);
	assert_int_equal(calls[1].pgsize, 2 * MIB);
	assert_int_equal(calls[1].count, 2);
	assert_int_equal(calls[2].pgsize, 4 * KIB);
	assert_int_equal(calls[2].count, 1);
	assert_int_equal(fakes[0]->nr_map_syncs, 1);
	assert_int_equal(iommu_iova_to_phys(domain, 8 * MIB + 5), RAM + 4 * MIB + 5);
	assert_int_equal(iommu_unmap(domain, 6 * MIB - 8 * KIB, 4 * MIB + 12 * KIB),
			 4 * MIB + 12 * KIB);
	assert_int_equal(fakes[0]->nr_syncs, 1);
	assert_true(iommu_iova_to_phys(domain, 8 * MIB) == BERTH_PHYS_NONE);
	/* Addresses that do not meet as blocks: pages only. */
	nr_calls = 0;
	assert_int_equal(iommu_map(domain, 2 * MIB, RAM + 4 * KIB, 2 * MIB, IOMMU_READ, GFP_KERNEL),
			 0);
	assert_int_equal(nr_calls, 1);
	assert_int_equal(calls[0].count, 512);
	assert_int_equal(iommu_unmap(domain, 2 * MIB, 2 * MIB), 2 * MIB);
	assert_int_equal(iommu_unmap(domain, 2 * MIB, 2 * MIB), 0);
	berth_io_pgtable_trim(real);
	end_domain(domain);
	must_stop();
}

static void lists_join_where_entries_meet(void **state)
{
	struct iommu_domain *domain;
	struct scatterlist sg[4];
	struct page *pages;

	(void)state;
	start_simple(NULL);
	pages = alloc_pages(GFP_KERNEL, 3);
	sg_init_table(sg, 4);
	sg_set_page(&sg[0], pages, 4096, 0);
	sg_set_page(&sg[1], pages + 1, 8192, 0);
	sg_set_page(&sg[2], pages + 5, 4096, 0);
	sg_set_page(&sg[3], pages + 4, 4096, 0);
	domain = new_domain(device_at("/free"));
	assert_int_equal(iommu_map_sg(domain, 0x10000, sg, 4, IOMMU_WRITE, GFP_KERNEL), 20480);
	assert_int_equal(nr_calls, 3);
	assert_int_equal(calls[0].count, 3);
	assert_int_equal(iommu_iova_to_phys(domain, 0x14000), page_to_phys(pages + 4));
	assert_int_equal(iommu_unmap(domain, 0x10000, 20480), 20480);
	/* The last entry is no whole page: nothing stays. */
	sg[3].length = 100;
	assert_int_equal(iommu_map_sg(domain, 0x10000, sg, 4, IOMMU_WRITE, GFP_KERNEL), -EINVAL);
	assert_reason(BERTH_REASON_ARGUMENT);
	assert_true(iommu_iova_to_phys(domain, 0x10000) == BERTH_PHYS_NONE);
	assert_int_equal(iommu_map_sg(domain, 0x10000, sg, 0, IOMMU_WRITE, GFP_KERNEL), -EINVAL);
	assert_int_equal(iommu_map_sg(domain, 0x10000, sg, 5, IOMMU_WRITE, GFP_KERNEL), -EINVAL);
	berth_io_pgtable_trim(real);
	end_domain(domain);
	__free_pages(pages, 3);
	must_stop();
}

static void what_fails_leaves_nothing(void **state)
{
	struct iommu_domain *domain;
	uint64_t n;

	(void)state;
	start_simple(NULL);
	domain = new_domain(device_at("/free"));
	assert_int_equal(iommu_map(domain, 0x1001, RAM, 4096, IOMMU_READ, GFP_KERNEL), -EINVAL);
	assert_int_equal(iommu_map(domain, 0x1000, RAM + 1, 4096, IOMMU_READ, GFP_KERNEL), -EINVAL);
	assert_int_equal(iommu_map(domain, 0x1000, RAM, 100, IOMMU_READ, GFP_KERNEL), -EINVAL);
	assert_int_equal(iommu_map(domain, 0x1000, RAM, 0, IOMMU_READ, GFP_KERNEL), -EINVAL);
	assert_int_equal(iommu_map(domain, 0x1000, RAM, 4096, 0, GFP_KERNEL), -EINVAL);
	assert_int_equal(iommu_map(domain, APERTURE_END - 4095, RAM, 8192, IOMMU_READ, GFP_KERNEL),
			 -ERANGE);
	assert_int_equal(berth_last_error()->limit, APERTURE_END);
	assert_int_equal(iommu_unmap(domain, 0x1001, 4096), 0);
	/* Something is there already: what was mapped before it goes, that stays. */
	assert_int_equal(iommu_map(domain, 0x4000, RAM, 4096, IOMMU_READ, GFP_KERNEL), 0);
	assert_int_equal(iommu_map(domain, 0x1000, RAM, 0x8000, IOMMU_READ, GFP_KERNEL), -EEXIST);
	assert_true(iommu_iova_to_phys(domain, 0x3000) == BERTH_PHYS_NONE);
	assert_int_equal(iommu_iova_to_phys(domain, 0x4000), RAM);
	assert_int_equal(iommu_unmap(domain, 0x4000, 4096), 4096);
	fails_sync_map = true;
	assert_int_equal(iommu_map(domain, 0x1000, RAM, 0x8000, IOMMU_READ, GFP_KERNEL), -EIO);
	fails_sync_map = false;
	assert_true(iommu_iova_to_phys(domain, 0x1000) == BERTH_PHYS_NONE);
	for (n = 1;; n++) {
		int err;

		berth_io_pgtable_trim(real);
		berth_test_fail_nth(n);
		err = iommu_map(domain, 1024 * MIB - 8192, RAM, 16384, IOMMU_READ, GFP_KERNEL);
		berth_test_fail_nth(0);
		if (!err)
			break;
		assert_int_equal(err, -ENOMEM);
		assert_reason(BERTH_REASON_OUT_OF_MEMORY);
		assert_true(iommu_iova_to_phys(domain, 1024 * MIB - 8192) == BERTH_PHYS_NONE);
	}
	assert_true(n > 4);
	assert_int_equal(iommu_unmap(domain, 1024 * MIB - 8192, 16384), 16384);
	berth_io_pgtable_trim(real);
	end_domain(domain);
	must_stop();
}

static void an_owner_decides_alone(void **state)
{
	struct device *dev, *used;
	struct iommu_domain *domain, *own, *second;
	struct iommu_group *group;

	(void)state;
	start_simple(NULL);
	dev = device_at("/free");
	used = device_at("/client");
	own = iommu_get_domain_for_dev(dev);
	group = iommu_group_get(dev);
	assert_int_equal(iommu_group_claim_dma_owner(iommu_group_get(used), &group), -EBUSY);
	assert_reason(BERTH_REASON_OWNED);
	assert_int_equal(iommu_group_claim_dma_owner(group, NULL), -EINVAL);
	assert_int_equal(iommu_group_claim_dma_owner(group, &group), 0);
	assert_true(iommu_group_dma_owner_claimed(group));
	assert_ptr_equal(seen[5], &fakes[0]->blocked);
	assert_int_equal(iommu_group_claim_dma_owner(group, &dev), -EBUSY);
	domain = iommu_domain_alloc(dev);
	second = iommu_domain_alloc(dev);
	assert_int_equal(iommu_attach_group(domain, group), 0);
	assert_int_equal(iommu_attach_group(second, group), -EBUSY);
	assert_ptr_equal(seen[5], domain);
	iommu_detach_group(domain, group);
	assert_ptr_equal(seen[5], &fakes[0]->blocked);
	iommu_group_release_dma_owner(group);
	assert_false(iommu_group_dma_owner_claimed(group));
	assert_ptr_equal(seen[5], own);
	/* A release that cannot go back takes away what the owner had attached all the same. */
	assert_int_equal(iommu_group_claim_dma_owner(group, &group), 0);
	assert_int_equal(iommu_attach_group(domain, group), 0);
	attaches_left = 1;
	iommu_group_release_dma_owner(group);
	assert_ptr_equal(seen[5], &fakes[0]->blocked);
	assert_int_equal(iommu_attach_group(domain, group), 0);
	iommu_detach_group(domain, group);
	assert_ptr_equal(seen[5], own);
	/* Without an owner, from a domain of one's own back to the default. */
	assert_int_equal(iommu_attach_device(domain, used), 0);
	assert_ptr_equal(iommu_get_domain_for_dev(used), domain);
	iommu_detach_device(second, used);
	assert_reason(BERTH_REASON_ARGUMENT);
	iommu_detach_device(domain, used);
	iommu_domain_free(domain);
	iommu_domain_free(second);
	must_stop();
}

static struct berth_iommu_fault told[8];
static unsigned int nr_told;

static void listen(const struct berth_iommu_fault *fault, void *data)
{
	assert_ptr_equal(data, told);
	told[nr_told++ % 8] = *fault;
}

static int nr_handled;

static int handle(struct iommu_domain *domain, struct device *dev, dma_addr_t iova, int flags,
		  void *token)
{
	(void)domain;
	(void)dev;
	assert_int_equal(flags, IOMMU_FAULT_READ);
	nr_handled++;
	return iova == *(dma_addr_t *)token ? 0 : -ENOSYS;
}

static void faults_are_told_once(void **state)
{
	struct iommu_device *iommu;
	struct iommu_domain *domain;
	struct berth_iommu_fault last;
	dma_addr_t mine = 0x7000;
	struct device *dev;
	char text[300];

	(void)state;
	start_simple(NULL);
	nr_told = 0;
	dev = device_at("/free");
	iommu = &fakes[0]->iommu;
	berth_iommu_set_listener(listen, told);
	domain = new_domain(dev);
	assert_int_equal(iommu_attach_device(domain, dev), 0);
	assert_false(berth_iommu_last_fault(dev, &last));
	for (dma_addr_t at = 0x10000; at < 0x30000; at += 0x10000) {
		assert_int_equal(iommu_map(domain, at, RAM, 8192, IOMMU_READ, GFP_KERNEL), 0);
		assert_int_equal(iommu_unmap(domain, at, 8192), 8192);
	}
	for (unsigned int i = 0; i < 16; i++)
		berth_iommu_report_fault(iommu, 5, 0x11000 + 4 * i, IOMMU_FAULT_WRITE,
					 BERTH_IOMMU_FAULT_TRANSLATION);
	assert_int_equal(nr_told, 0);
	berth_iommu_report_fault(iommu, 5, 0x11000, IOMMU_FAULT_READ,
				 BERTH_IOMMU_FAULT_TRANSLATION);
	assert_int_equal(nr_told, 1);
	assert_ptr_equal(told[0].dev, dev);
	assert_int_equal(told[0].count, 16);
	assert_int_equal(told[0].address, 0x11000);
	assert_int_equal(told[0].flags, IOMMU_FAULT_WRITE);
	assert_int_equal(told[0].last_start, 0x10000);
	assert_int_equal(told[0].last_size, 8192);
	assert_int_equal(told[0].ended, 2);
	berth_iommu_fault_text(&told[0], text, sizeof(text));
	assert_string_equal(text,
			    "free (id 0x5): write at 0x11000 refused: nothing is mapped there; "
			    "the last mapping there was 8192 bytes at 0x10000, 2 mappings ago "
			    "(16 times)");
	berth_iommu_report_end(iommu);
	berth_iommu_report_end(iommu);
	assert_int_equal(nr_told, 2);
	assert_int_equal(berth_iommu_faults(dev), 17);
	assert_true(berth_iommu_last_fault(dev, &last));
	assert_int_equal(last.flags, IOMMU_FAULT_READ);
	/* Of an id that nobody has. */
	berth_iommu_report_fault(iommu, 9, 0, IOMMU_FAULT_READ, BERTH_IOMMU_FAULT_STREAM);
	berth_iommu_report_end(iommu);
	assert_null(told[2].dev);
	assert_int_equal(told[2].id, 9);
	/* A handler is asked first. */
	iommu_set_fault_handler(domain, handle, &mine);
	berth_iommu_report_fault(iommu, 5, mine, IOMMU_FAULT_READ, BERTH_IOMMU_FAULT_TRANSLATION);
	berth_iommu_report_fault(iommu, 5, 0x9000, IOMMU_FAULT_READ, BERTH_IOMMU_FAULT_TRANSLATION);
	berth_iommu_report_end(iommu);
	assert_int_equal(nr_handled, 2);
	assert_int_equal(nr_told, 4);
	assert_int_equal(told[3].address, 0x9000);
	assert_int_equal(told[3].last_size, 0);
	berth_io_pgtable_trim(real);
	iommu_detach_device(domain, dev);
	end_domain(domain);
	must_stop();
}

static void reserved_ranges_are_joined(void **state)
{
	struct iommu_resv_region regions[8];

	(void)state;
	begin_tree();
	add_iommu("iommu", 1);
	fdt_begin(&fdt, "reserved-memory");
	fdt_cells(&fdt, "#address-cells", 2);
	fdt_cells(&fdt, "#size-cells", 2);
	fdt_flag(&fdt, "ranges");
	fdt_begin(&fdt, "screen@81000000");
	fdt_cells(&fdt, "reg", 0, 0x81000000, 0, 0x10000);
	fdt_cells(&fdt, "iommu-addresses", 7, 0, 0x81000000, 0, 0x10000, 8, 0, 0, 0, 0x1000);
	fdt_cells(&fdt, "phandle", 9);
	fdt_end(&fdt);
	fdt_begin(&fdt, "hole");
	fdt_cells(&fdt, "iommu-addresses", 7, 0, 0x2000, 0, 0x3000);
	fdt_cells(&fdt, "phandle", 10);
	fdt_end(&fdt);
	fdt_end(&fdt);
	fdt_begin(&fdt, "client");
	fdt_text(&fdt, "compatible", "test,client");
	fdt_cells(&fdt, "iommus", 1, 3);
	fdt_cells(&fdt, "memory-region", 9, 10);
	fdt_cells(&fdt, "phandle", 7);
	fdt_end(&fdt);
	must_start(fdt_finish(&fdt), drivers, NULL);
	memset(regions, 0, sizeof(regions));
	assert_int_equal(iommu_get_resv_regions(device_at("/client"), regions, 8), 3);
	assert_int_equal(regions[0].start, 0x1000);
	assert_int_equal(regions[0].length, 0x4000);
	assert_int_equal(regions[0].type, IOMMU_RESV_RESERVED);
	assert_int_equal(regions[1].start, 0x81000000);
	assert_int_equal(regions[1].type, IOMMU_RESV_DIRECT);
	assert_int_equal(regions[2].start, 0xfee00000);
	assert_int_equal(regions[2].length, 0x20000);
	memset(regions, 0, sizeof(regions));
	assert_int_equal(iommu_get_resv_regions(device_at("/client"), regions, 1), 3);
	assert_int_equal(regions[1].length, 0);
	must_stop();
}

static void protection_is_the_nearest_that_is_said(void **state)
{
	(void)state;
	begin_tree();
	add_iommu("iommu", 1);
	add_client("silent", "test,client", 1, NULL);
	add_client("wrong", "test,client", 2, "safe");
	fdt_begin(&fdt, "bus");
	fdt_text(&fdt, "compatible", "simple-bus");
	fdt_text(&fdt, "berth,protection", "lazy");
	fdt_cells(&fdt, "#address-cells", 2);
	fdt_cells(&fdt, "#size-cells", 2);
	fdt_flag(&fdt, "ranges");
	add_client("inherits", "test,client", 3, NULL);
	add_client("says", "test,client", 4, "strict");
	add_client("passes", "test,client", 5, "passthrough");
	fdt_end(&fdt);
	must_start(fdt_finish(&fdt), drivers, "iommu.strict=0");
	assert_int_equal(berth_device_protection(device_at("/silent")), BERTH_PROTECT_LAZY);
	assert_int_equal(berth_device_protection(device_at("/wrong")), BERTH_PROTECT_STRICT);
	assert_int_equal(berth_device_protection(device_at("/bus/inherits")), BERTH_PROTECT_LAZY);
	assert_int_equal(berth_device_protection(device_at("/bus/says")), BERTH_PROTECT_STRICT);
	assert_int_equal(iommu_domain_type(iommu_get_domain_for_dev(device_at("/bus/passes"))),
			 IOMMU_DOMAIN_IDENTITY);
	assert_int_equal(iommu_domain_type(iommu_get_domain_for_dev(device_at("/silent"))),
			 IOMMU_DOMAIN_DMA_FQ);
	assert_ptr_equal(seen[5], &fakes[0]->identity);
	must_stop();
	start_simple("iommu.passthrough=1");
	assert_int_equal(berth_device_protection(device_at("/client")), BERTH_PROTECT_PASSTHROUGH);
	must_stop();
}

static void every_failure_of_a_start_ends_well(void **state)
{
	uint64_t n;

	(void)state;
	for (n = 1;; n++) {
		bool has_failed;
		int err;

		begin_tree();
		add_client("client", "test,client", 3, NULL);
		add_iommu("iommu", 1);
		add_client("other", "test,client", 3, NULL);
		berth_test_fail_nth(n);
		err = start_tree(fdt_finish(&fdt), drivers, NULL);
		has_failed = berth_test_failed();
		berth_test_fail_nth(0);
		if (!err) {
			must_stop();
			assert_int_equal(nr_fakes, 0);
		}
		if (!has_failed)
			break;
	}
	assert_true(n > 20);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_device_waits_for_its_iommu),
		cmocka_unit_test(without_a_driver_the_iommu_is_not_there),
		cmocka_unit_test(an_iommu_that_fails_takes_dma_away),
		cmocka_unit_test(the_same_id_is_the_same_group),
		cmocka_unit_test(the_largest_pages_that_fit),
		cmocka_unit_test(lists_join_where_entries_meet),
		cmocka_unit_test(what_fails_leaves_nothing),
		cmocka_unit_test(an_owner_decides_alone),
		cmocka_unit_test(faults_are_told_once),
		cmocka_unit_test(reserved_ranges_are_joined),
		cmocka_unit_test(protection_is_the_nearest_that_is_said),
		cmocka_unit_test(every_failure_of_a_start_ends_well),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
