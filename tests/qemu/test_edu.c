/* SPDX-License-Identifier: BSD-2-Clause */
/* PCI and edu on QEMU's virt board, by the drivers that run everywhere. */
#include <berth/dma-mapping.h>
#include <berth/gfp.h>
#include <berth/mm.h>
#include <berth/pci.h>
#include <berth/slab.h>
#include <berth/swiotlb.h>

#include "board.h"

static const struct berth_driver drivers[] = {
	BERTH_PLATFORM_DRIVER(&berth_pci_host_generic_driver),
	BERTH_PCI_DRIVER(&berth_edu_driver),
	BERTH_NO_MORE_DRIVERS,
};

static const char *const edu_28[] = { "-device", "edu", NULL };
static const char *const edu_32[] = { "-device", "edu,dma_mask=0xffffffff", NULL };
static const char *const edu_64[] = { "-device", "edu,dma_mask=0xffffffffffffffff", NULL };

static struct pci_dev *edu;

static void start_edu(uint64_t ram_size, const char *const *arguments)
{
	must_start(drivers, ram_size, NULL, arguments);
	edu = must_find(BERTH_EDU_VENDOR, BERTH_EDU_DEVICE, NULL);
	assert_non_null(pci_get_drvdata(edu));
}

static void the_bus_is_scanned(void **state)
{
	static const char *const arguments[] = {
		"-device", "pcie-root-port,id=port1,chassis=1,addr=2",
		"-device", "pcie-pci-bridge,id=bridge,bus=port1",
		"-device", "edu,bus=bridge,addr=3",
		"-device", "edu,bus=bridge,addr=7",
		NULL,
	};
	static const char *const names[] = { "0000:00:00.0", "0000:00:02.0", "0000:01:00.0",
					     "0000:02:03.0", "0000:02:07.0" };
	struct pci_dev *pdev = NULL;
	unsigned int nr = 0;

	(void)state;
	must_start(drivers, 0, NULL, arguments);
	while ((pdev = pci_get_device(PCI_ANY_ID, PCI_ANY_ID, pdev))) {
		assert_true(nr < ARRAY_SIZE(names));
		assert_string_equal(dev_name(&pdev->dev), names[nr]);
		nr++;
	}
	assert_int_equal(nr, ARRAY_SIZE(names));
	/* Two behind bridges share a line, and each gets its interrupts. */
	pdev = must_find(BERTH_EDU_VENDOR, BERTH_EDU_DEVICE, NULL);
	edu = must_find(BERTH_EDU_VENDOR, BERTH_EDU_DEVICE, pdev);
	assert_int_equal(pdev->irq, edu->irq);
	assert_int_equal(berth_edu_interrupt(pdev, 0x2), 0);
	assert_int_equal(berth_edu_interrupt(edu, 0x4), 0);
	assert_int_equal(berth_edu_interrupt(pdev, 0x8), 0);
	must_stop();
}

static void edu_computes(void **state)
{
	struct berth_qemu_stats stats;
	uint32_t result = 0;

	(void)state;
	start_edu(0, edu_28);
	assert_int_equal(berth_edu_version(edu), 0x010000ed);
	assert_int_equal(berth_edu_check_alive(edu), 0);
	assert_int_equal(berth_edu_factorial(edu, 10, &result), 0);
	assert_int_equal(result, 3628800);
	for (uint32_t i = 0; i < 20; i++)
		assert_int_equal(berth_edu_interrupt(edu, 0x1000u << i % 8), 0);
	berth_qemu_stats(&stats);
	/* Level triggered: calm when it is acknowledged, so each comes once. */
	assert_int_equal(stats.interrupts, 21);
	must_stop();
}

/* Memory to the device and back, at both ends and in the middle of the device's buffer. */
static void move(uint8_t *from, uint8_t *to)
{
	static const struct {
		uint32_t offset;
		size_t size;
	} cases[] = { { 0, BERTH_EDU_BUFFER_BYTES }, { 0, 1 }, { 4094, 1 }, { 1001, 777 } };

	for (unsigned int i = 0; i < ARRAY_SIZE(cases); i++) {
		fill(from, 4096, i + 1);
		memset(to, 0xa5, 4096);
		assert_int_equal(berth_edu_copy_to(edu, cases[i].offset, from, cases[i].size), 0);
		assert_int_equal(berth_edu_copy_from(edu, to + 8, cases[i].offset,
						     cases[i].size > 4088 ? 4088 : cases[i].size),
				 0);
		assert_memory_equal(to + 8, from, cases[i].size > 4088 ? 4088 : cases[i].size);
		assert_int_equal(to[7], 0xa5);
		if (cases[i].size < 4088)
			assert_int_equal(to[8 + cases[i].size], 0xa5);
	}
}

static void edu_moves_with_64_bits(void **state)
{
	uint8_t *from, *to;

	(void)state;
	start_edu(0, edu_64);
	assert_int_equal(berth_edu_set_dma_bits(edu, 64), 0);
	from = kmalloc(4096, GFP_KERNEL);
	to = kmalloc(4096, GFP_KERNEL);
	move(from, to);
	/* More than the device's buffer holds, by pieces. */
	kfree(from);
	kfree(to);
	from = kmalloc(20000, GFP_KERNEL);
	to = kmalloc(20000, GFP_KERNEL);
	fill(from, 20000, 99);
	assert_int_equal(berth_edu_copy(edu, to, from, 20000), 0);
	assert_memory_equal(from, to, 20000);
	kfree(from);
	kfree(to);
	must_stop();
}

/* A page above 4 GiB: what lies below is taken until one comes. */
static struct page *high_page(void)
{
	struct page *page = alloc_page(GFP_KERNEL);

	assert_non_null(page);
	assert_true(page_to_phys(page) >= 4 * GIB);
	return page;
}

/* RAM lies from 1 to 5 GiB. */
static void edu_moves_with_32_bits_through_bounce_buffers(void **state)
{
	struct berth_swiotlb_info bounce;
	struct page *pages[2];
	dma_addr_t addr;

	(void)state;
	start_edu(4 * GIB, edu_32);
	assert_int_equal(berth_edu_set_dma_bits(edu, 32), 0);
	pages[0] = high_page();
	pages[1] = high_page();
	addr = dma_map_page(&edu->dev, pages[0], 0, 4096, DMA_TO_DEVICE);
	assert_int_equal(dma_mapping_error(&edu->dev, addr), 0);
	berth_swiotlb_info(&edu->dev, &bounce);
	assert_true(addr < 4 * GIB && bounce.nr_maps == 1);
	dma_unmap_page(&edu->dev, addr, 4096, DMA_TO_DEVICE);
	move(page_address(pages[0]), page_address(pages[1]));
	__free_page(pages[0]);
	__free_page(pages[1]);
	must_stop();
}

static void edu_moves_above_4_gib_with_64_bits(void **state)
{
	struct page *pages[2];
	dma_addr_t addr;

	(void)state;
	start_edu(4 * GIB, edu_64);
	assert_int_equal(berth_edu_set_dma_bits(edu, 64), 0);
	pages[0] = high_page();
	pages[1] = high_page();
	addr = dma_map_page(&edu->dev, pages[0], 0, 4096, DMA_TO_DEVICE);
	assert_false(dma_mapping_error(&edu->dev, addr));
	assert_int_equal(addr, page_to_phys(pages[0]));
	dma_unmap_page(&edu->dev, addr, 4096, DMA_TO_DEVICE);
	move(page_address(pages[0]), page_address(pages[1]));
	__free_page(pages[0]);
	__free_page(pages[1]);
	must_stop();
}

/* RAM begins at 1 GiB: nothing is in reach of 28 bits. */
static void edu_with_28_bits_reaches_nothing(void **state)
{
	uint8_t *bytes;

	(void)state;
	start_edu(0, edu_28);
	bytes = kmalloc(64, GFP_KERNEL);
	assert_int_equal(berth_edu_copy_to(edu, 0, bytes, 64), -EIO);
	berth_clear_error();
	assert_int_equal(berth_edu_set_dma_bits(edu, 28), -EIO);
	assert_reason(BERTH_REASON_MASK);
	assert_string_equal(berth_last_error()->subject, dev_name(&edu->dev));
	assert_int_equal(berth_last_error()->limit, (1u << 28) - 1);
	assert_int_equal(berth_edu_copy_to(edu, 0, bytes, 64), -EIO);
	kfree(bytes);
	must_stop();
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_bus_is_scanned),
		cmocka_unit_test(edu_computes),
		cmocka_unit_test(edu_moves_with_64_bits),
		cmocka_unit_test(edu_moves_with_32_bits_through_bounce_buffers),
		cmocka_unit_test(edu_moves_above_4_gib_with_64_bits),
		cmocka_unit_test(edu_with_28_bits_reaches_nothing),
	};

	return has_emulator() ? cmocka_run_group_tests(tests, NULL, NULL) : 0;
}
