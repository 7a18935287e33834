/* SPDX-License-Identifier: BSD-2-Clause */
/* QEMU's virtio-iommu, and what edu reaches through it. */
#include <berth/io-pgtable.h>
#include <berth/iommu.h>
#include <berth/mm.h>
#include <berth/slab.h>
#include <berth/test.h>
#include <berth/timer.h>

#include <berth/drivers/virtio-iommu.h>

#include "board.h"

static const struct berth_driver drivers[] = {
	BERTH_PLATFORM_DRIVER(&berth_pci_host_generic_driver),
	BERTH_PCI_DRIVER(&berth_virtio_iommu_driver),
	BERTH_NO_MORE_DRIVERS,
};

/* The IOMMU in front of edu on the bus, and behind it. */
static const char *const in_front[] = { "-device", "virtio-iommu-pci,addr=1", "-device",
					"edu,dma_mask=0xffffffff,addr=2", NULL };

static struct pci_dev *edu, *iommu;
static char __iomem *regs;
static struct iommu_domain *domain;

static struct berth_iommu_fault told[4];
static uint32_t nr_told;

static void listen(const struct berth_iommu_fault *fault, void *data)
{
	(void)data;
	told[nr_told % ARRAY_SIZE(told)] = *fault;
	__atomic_fetch_add(&nr_told, 1, __ATOMIC_RELEASE);
}

/* Its interrupt comes when it comes. */
static void wait_until_told(void)
{
	for (unsigned int i = 0; !__atomic_load_n(&nr_told, __ATOMIC_ACQUIRE); i++) {
		assert_true(i < 3000);
		msleep(10);
	}
}

/* Its registers are worked here: no DMA API in between. */
static void start(const char *const *arguments)
{
	must_start(drivers, 2 * GIB, NULL, arguments);
	nr_told = 0;
	berth_iommu_set_listener(listen, NULL);
	iommu = must_find(BERTH_VIRTIO_IOMMU_VENDOR, BERTH_VIRTIO_IOMMU_DEVICE, NULL);
	assert_non_null(pci_get_drvdata(iommu));
	edu = must_find(BERTH_EDU_VENDOR, BERTH_EDU_DEVICE, NULL);
	assert_true(device_iommu_mapped(&edu->dev));
	assert_false(device_iommu_mapped(&iommu->dev));
	assert_int_equal(pci_enable_device(edu), 0);
	pci_set_master(edu);
	regs = pci_iomap(edu, 0, 0);
	assert_non_null(regs);
	domain = iommu_domain_alloc(&edu->dev);
	assert_non_null(domain);
	assert_int_equal(iommu_attach_device(domain, &edu->dev), 0);
}

static void stop(void)
{
	iommu_detach_device(domain, &edu->dev);
	iommu_domain_free(domain);
	pci_clear_master(edu);
	pci_iounmap(edu, regs);
	must_stop();
}

/* One transfer between edu's buffer and @address. */
static void edu_dma(dma_addr_t address, uint32_t size, bool to_memory)
{
	const uint64_t buffer = 0x40000;

	writeq(to_memory ? buffer : address, regs + 0x80);
	writeq(to_memory ? address : buffer, regs + 0x88);
	writeq(size, regs + 0x90);
	writeq(to_memory ? 3 : 1, regs + 0x98);
	while (readq(regs + 0x98) & 1)
		msleep(10);
}

static void data_goes_where_it_is_mapped(void **state)
{
	struct berth_virtio_iommu_counts before, after;
	uint8_t *from, *to;
	struct page *page;

	(void)state;
	start(in_front);
	from = kmalloc(4096, GFP_KERNEL);
	page = alloc_page(GFP_KERNEL | __GFP_ZERO);
	to = page_address(page);
	fill(from, 4000, 1);
	berth_virtio_iommu_counts(iommu, &before);
	assert_int_equal(
		iommu_map(domain, 0x1000000, virt_to_phys(from), 4096, IOMMU_READ, GFP_KERNEL), 0);
	assert_int_equal(iommu_map(domain, 0x2000000, page_to_phys(page), 4096,
				   IOMMU_READ | IOMMU_WRITE, GFP_KERNEL),
			 0);
	assert_int_equal(iommu_iova_to_phys(domain, 0x2000010), page_to_phys(page) + 16);
	edu_dma(0x1000000, 4000, false);
	edu_dma(0x2000000, 4000, true);
	assert_memory_equal(from, to, 4000);
	/* Undone: what is there stays as it is, and the device's next access is told. */
	assert_int_equal(iommu_unmap(domain, 0x2000000, 4096), 4096);
	memset(to, 0x55, 4096);
	edu_dma(0x2000000, 64, true);
	for (unsigned int i = 0; i < 4096; i++)
		assert_int_equal(to[i], 0x55);
	wait_until_told();
	assert_int_equal(berth_iommu_faults(&edu->dev), 16);
	assert_ptr_equal(told[0].dev, &edu->dev);
	assert_int_equal(told[0].address, 0x2000000);
	assert_int_equal(told[0].reason, BERTH_IOMMU_FAULT_TRANSLATION);
	assert_int_equal(told[0].last_start, 0x2000000);
	assert_int_equal(told[0].ended, 1);
	/* Not for writing. */
	nr_told = 0;
	edu_dma(0x1000000, 64, true);
	wait_until_told();
	assert_int_equal(told[0].address, 0x1000000);
	/* Only here does QEMU say which direction it was. */
	assert_int_equal(told[0].flags, IOMMU_FAULT_WRITE);
	berth_virtio_iommu_counts(iommu, &after);
	assert_int_equal(after.maps - before.maps, 2);
	assert_int_equal(after.unmaps - before.unmaps, 1);
	assert_true(after.faults > before.faults);
	assert_int_equal(iommu_unmap(domain, 0x1000000, 4096), 4096);
	kfree(from);
	put_page(page);
	stop();
}

static void a_request_is_undone_as_it_was_made(void **state)
{
	struct page *pages;
	phys_addr_t phys;

	(void)state;
	start(in_front);
	pages = alloc_pages(GFP_KERNEL, 4);
	phys = page_to_phys(pages);
	assert_int_equal(iommu_map(domain, 0x10000, phys, 0x8000, IOMMU_READ, GFP_KERNEL), 0);
	assert_int_equal(iommu_map(domain, 0x18000, phys + 0x8000, 0x8000, IOMMU_READ, GFP_KERNEL),
			 0);
	assert_int_equal(iommu_map(domain, 0x14000, phys, 0x1000, IOMMU_READ, GFP_KERNEL), -EEXIST);
	/* A part of one is not; several together are. */
	assert_int_equal(iommu_unmap(domain, 0x10000, 0x4000), 0);
	assert_int_equal(iommu_unmap(domain, 0x11000, 0x1000), 0);
	assert_int_equal(iommu_unmap(domain, 0x10000, 0xc000), 0x8000);
	assert_true(iommu_iova_to_phys(domain, 0x10000) == BERTH_PHYS_NONE);
	assert_int_equal(iommu_iova_to_phys(domain, 0x18000), phys + 0x8000);
	assert_int_equal(iommu_map(domain, 0x10000, phys, 0x8000, IOMMU_READ, GFP_KERNEL), 0);
	assert_int_equal(iommu_unmap(domain, 0x10000, 0x10000), 0x10000);
	/* Many, so that the ring goes round. */
	for (unsigned int i = 0; i < 300; i++) {
		assert_int_equal(iommu_map(domain, 0x100000 + i * 0x1000ull, phys, 0x1000,
					   IOMMU_READ, GFP_KERNEL),
				 0);
	}
	assert_int_equal(iommu_unmap(domain, 0x100000, 300 * 0x1000), 300 * 0x1000);
	__free_pages(pages, 4);
	stop();
}

/* The IOMMU is found after its devices: those wait. */
static void the_iommu_may_come_last(void **state)
{
	static const char *const behind[] = { "-device", "edu,dma_mask=0xffffffff,addr=2",
					      "-device", "virtio-iommu-pci,addr=3", NULL };

	(void)state;
	start(behind);
	stop();
}

static void passing_on_as_it_is(void **state)
{
	uint8_t *buffer;

	(void)state;
	must_start(drivers, 2 * GIB, "iommu.passthrough=1", in_front);
	edu = must_find(BERTH_EDU_VENDOR, BERTH_EDU_DEVICE, NULL);
	assert_int_equal(iommu_domain_type(iommu_get_domain_for_dev(&edu->dev)),
			 IOMMU_DOMAIN_IDENTITY);
	assert_int_equal(pci_enable_device(edu), 0);
	pci_set_master(edu);
	regs = pci_iomap(edu, 0, 0);
	buffer = kmalloc(4096, GFP_KERNEL);
	fill(buffer, 1024, 9);
	edu_dma(virt_to_phys(buffer), 1024, false);
	edu_dma(virt_to_phys(buffer) + 2048, 1024, true);
	assert_memory_equal(buffer, buffer + 2048, 1024);
	kfree(buffer);
	pci_clear_master(edu);
	pci_iounmap(edu, regs);
	must_stop();
}

/* An allocation fails, each in turn; what works afterwards works, and nothing is lost. */
static void failing_memory(void **state)
{
	uint64_t n;

	(void)state;
	for (n = 1;; n += 3) {
		bool has_failed;
		int err;

		berth_test_fail_nth(n);
		err = start_with(drivers, 0, NULL, in_front);
		has_failed = berth_test_failed();
		berth_test_fail_nth(0);
		if (!err)
			must_stop();
		if (!has_failed)
			break;
	}
	assert_true(n > 30);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(data_goes_where_it_is_mapped),
		cmocka_unit_test(a_request_is_undone_as_it_was_made),
		cmocka_unit_test(the_iommu_may_come_last),
		cmocka_unit_test(passing_on_as_it_is),
		cmocka_unit_test(failing_memory),
	};

	return has_emulator() ? cmocka_run_group_tests(tests, NULL, NULL) : 0;
}
