/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Trees that say of IOMMUs what makes no sense. A device of which it is not known what it is behind
 * does no DMA; nothing is freer than it would be had the tree been silent; the rest goes on.
 */
#include "dma_iommu.h"

#include <berth/drivers/host-generic.h>
#include <berth/pci.h>

#include "dma/iommu.h"
#include "model/internal.h"

#define ECAM 0x10000000u
#define FUNCTIONS 6u

static const struct berth_driver all_drivers[] = {
	BERTH_PLATFORM_DRIVER(&test_driver),
	BERTH_PLATFORM_DRIVER(&berth_pci_host_generic_driver),
	BERTH_NO_MORE_DRIVERS,
};

/* One more device, which is as it should be. */
static void start_with_good(const char *bootargs)
{
	add_client("good", 9, NULL);
	must_start(fdt_finish(&fdt), all_drivers, bootargs);
}

static void works(struct device *dev, uint32_t id)
{
	uint8_t *page = (uint8_t *)__get_free_pages(GFP_KERNEL, 0);
	dma_addr_t addr;

	memset(page, 7, PAGE_SIZE);
	addr = dma_map_single(dev, page, PAGE_SIZE, DMA_TO_DEVICE);
	assert_int_equal(dma_mapping_error(dev, addr), 0);
	assert_true(device_reads(id, addr, 7, PAGE_SIZE));
	dma_unmap_single(dev, addr, PAGE_SIZE, DMA_TO_DEVICE);
	free_pages((unsigned long)page, 0);
}

static void stop_with_good(void)
{
	works(device_at("/good"), 9);
	must_stop();
}

/* It is there, but the DMA API does not serve it. */
static void does_no_dma(struct device *dev)
{
	uint8_t *page = (uint8_t *)__get_free_pages(GFP_KERNEL, 0);

	assert_int_equal(dev->backend, BERTH_DMA_NONE);
	assert_false(device_iommu_mapped(dev));
	berth_clear_error();
	assert_int_equal(dma_map_single(dev, page, 1, DMA_TO_DEVICE), DMA_MAPPING_ERROR);
	assert_int_not_equal(berth_last_error()->code, 0);
	free_pages((unsigned long)page, 0);
}

static void bytes_property(const char *name, const void *bytes, size_t size)
{
	fdt_property(&fdt, name, size);
	fdt_bytes(&fdt, bytes, size);
}

static void begin_device(const char *name)
{
	fdt_begin(&fdt, name);
	fdt_text(&fdt, "compatible", "test,client");
}

static void iommus_that_are_cut_short(void **state)
{
	static const uint8_t cut[11] = { 0, 0, 0, 1, 0, 0, 0, 3, 0, 0, 0 };
	static const char *const names[] = { "/empty", "/none",	  "/half", "/cut",
					     "/more",  "/unsaid", "/many" };

	(void)state;
	begin_tree();
	begin_device("empty");
	fdt_flag(&fdt, "iommus");
	fdt_end(&fdt);
	begin_device("none");
	bytes_property("iommus", cut, 3);
	fdt_end(&fdt);
	begin_device("half");
	bytes_property("iommus", cut, 4);
	fdt_end(&fdt);
	begin_device("cut");
	bytes_property("iommus", cut, 11);
	fdt_end(&fdt);
	begin_device("more");
	fdt_cells(&fdt, "iommus", 1, 3, 1);
	fdt_end(&fdt);
	/* Of how many cells an entry is nobody says; or of too many. */
	fdt_begin(&fdt, "silent");
	fdt_text(&fdt, "compatible", "test,iommu");
	fdt_cells(&fdt, "phandle", 2);
	fdt_end(&fdt);
	begin_device("unsaid");
	fdt_cells(&fdt, "iommus", 2, 3);
	fdt_end(&fdt);
	fdt_begin(&fdt, "loud");
	fdt_text(&fdt, "compatible", "test,iommu");
	fdt_cells(&fdt, "#iommu-cells", 0xffffffff);
	fdt_cells(&fdt, "phandle", 3);
	fdt_end(&fdt);
	begin_device("many");
	fdt_cells(&fdt, "iommus", 3, 3, 3, 3, 3, 3, 3, 3, 3, 3, 3, 3);
	fdt_end(&fdt);
	start_with_good(NULL);
	for (unsigned int i = 0; i < ARRAY_SIZE(names); i++)
		does_no_dma(device_at(names[i]));
	/* The other IOMMUs are nobody's. */
	assert_true(device_iommu_mapped(device_at("/good")));
	must_stop();
}

/* More ids than there is room for; none; the same one again and again. */
static void too_many_ids(void **state)
{
	(void)state;
	begin_tree();
	begin_device("full");
	fdt_property(&fdt, "iommus", 8 * 65);
	for (uint32_t i = 0; i < 65; i++) {
		fdt_cell(&fdt, 1);
		fdt_cell(&fdt, i % 4);
	}
	fdt_end(&fdt);
	begin_device("same");
	fdt_property(&fdt, "iommus", 8 * 64);
	for (uint32_t i = 0; i < 64; i++) {
		fdt_cell(&fdt, 1);
		fdt_cell(&fdt, 5);
	}
	fdt_flag(&fdt, "dma-coherent");
	fdt_end(&fdt);
	start_with_good(NULL);
	does_no_dma(device_at("/full"));
	works(device_at("/same"), 5);
	stop_with_good();
}

/* IOMMUs behind themselves, and behind each other. */
static void iommus_in_a_circle(void **state)
{
	(void)state;
	begin_tree();
	for (uint32_t i = 2; i < 5; i++) {
		static const char *const names[] = { "itself", "first", "second" };

		fdt_begin(&fdt, names[i - 2]);
		fdt_text(&fdt, "compatible", "test,iommu");
		fdt_cells(&fdt, "#iommu-cells", 1);
		fdt_cells(&fdt, "phandle", i);
		fdt_cells(&fdt, "iommus", i == 2 ? 2 : 7 - i, 6);
		fdt_end(&fdt);
	}
	must_start(fdt_finish(&fdt), all_drivers, NULL);
	assert_int_equal(device_at("/itself")->backend, BERTH_DMA_NONE);
	/* One of the two must come first. */
	assert_true(device_at("/first")->backend == BERTH_DMA_NONE ||
		    device_at("/second")->backend == BERTH_DMA_NONE);
	must_stop();
}

/* What cannot be read is strict, whatever its parent and the boot arguments say. */
static void protection_of_another_type(void **state)
{
	static const char *const names[] = { "number", "open", "empty", "two", "unknown", "child" };

	(void)state;
	begin_tree();
	fdt_begin(&fdt, "bus");
	fdt_text(&fdt, "compatible", "simple-bus");
	fdt_text(&fdt, "berth,protection", "passthrough");
	fdt_cells(&fdt, "#address-cells", 2);
	fdt_cells(&fdt, "#size-cells", 2);
	fdt_flag(&fdt, "ranges");
	for (uint32_t i = 0; i < ARRAY_SIZE(names); i++) {
		begin_client(names[i], i, i == 4 ? "Strict" : NULL);
		fdt_flag(&fdt, "dma-coherent");
		if (i == 0)
			fdt_cells(&fdt, "berth,protection", 0x01020304);
		if (i == 1)
			bytes_property("berth,protection", "lazy", 4);
		if (i == 2)
			fdt_flag(&fdt, "berth,protection");
		/* Of a list the first counts. */
		if (i == 3)
			bytes_property("berth,protection", "shadow\0lazy", 12);
		fdt_end(&fdt);
	}
	fdt_end(&fdt);
	start_with_good("iommu.passthrough=1");
	for (uint32_t i = 0; i < ARRAY_SIZE(names); i++) {
		enum berth_protection want = i == 3   ? BERTH_PROTECT_SHADOW
					     : i == 5 ? BERTH_PROTECT_PASSTHROUGH
						      : BERTH_PROTECT_STRICT;
		char path[32];

		snprintf(path, sizeof(path), "/bus/%s", names[i]);
		assert_int_equal(berth_device_protection(device_at(path)), want);
		works(device_at(path), i);
	}
	stop_with_good();
}

/* Copies of no size are of the usual one; of too large a one there are as many as there may be. */
static void shadow_sizes(void **state)
{
	static const uint32_t sizes[] = { 0, 1, 0x100000, 0xffffffff };

	(void)state;
	begin_tree();
	for (uint32_t i = 0; i < ARRAY_SIZE(sizes); i++) {
		static const char *const names[] = { "none", "small", "usual", "huge" };

		begin_client(names[i], i, "shadow");
		fdt_flag(&fdt, "dma-coherent");
		fdt_cells(&fdt, "berth,shadow-size", sizes[i]);
		fdt_end(&fdt);
	}
	/* Of a property without cells: the parent's, or the usual one. */
	begin_client("flag", 4, "shadow");
	fdt_flag(&fdt, "dma-coherent");
	fdt_flag(&fdt, "berth,shadow-size");
	fdt_end(&fdt);
	start_with_good(NULL);
	works(device_at("/none"), 0);
	works(device_at("/small"), 1);
	works(device_at("/usual"), 2);
	works(device_at("/flag"), 4);
	/* There is no such RAM in this machine: told, and the device does no DMA. */
	does_no_dma(device_at("/huge"));
	stop_with_good();
}

/* PCI: functions 0 to 5 of bus 0, each a device. */

static uint64_t ecam_read(struct model_device *host, uint64_t offset, unsigned int bytes)
{
	unsigned int device = (unsigned int)(offset >> 15), reg = offset & 0xfff;
	uint64_t value = 0;

	(void)host;
	if (device >= FUNCTIONS || offset >> 12 & 7)
		return UINT64_MAX;
	if (reg < 4)
		value = (0x1234u | (device + 1) << 16) >> 8 * reg;
	return bytes < 4 ? value & ((1u << 8 * bytes) - 1) : value;
}

static void ecam_write(struct model_device *host, uint64_t offset, unsigned int bytes,
		       uint64_t value)
{
	(void)host;
	(void)offset;
	(void)bytes;
	(void)value;
}

static const struct model_device_type ecam_type = {
	.compatible = "pci-host-ecam-generic",
	.read = ecam_read,
	.write = ecam_write,
};

static void begin_host(void)
{
	model_add_type(&ecam_type);
	fdt_begin(&fdt, "pcie@30000000");
	fdt_text(&fdt, "compatible", "pci-host-ecam-generic");
	fdt_text(&fdt, "device_type", "pci");
	fdt_cells(&fdt, "#address-cells", 3);
	fdt_cells(&fdt, "#size-cells", 2);
	fdt_cells(&fdt, "reg", 0, ECAM, 0, 0x100000);
	fdt_cells(&fdt, "bus-range", 0, 0);
	fdt_cells(&fdt, "ranges", 0x02000000, 0, 0x20000000, 0, 0x20000000, 0, 0x01000000);
	fdt_flag(&fdt, "dma-coherent");
}

static struct device *function(unsigned int device)
{
	struct pci_dev *pdev = pci_get_device(0x1234, device + 1, NULL);

	assert_non_null(pdev);
	return &pdev->dev;
}

static uint32_t only_id(struct device *dev)
{
	unsigned int count;
	const uint32_t *ids = dev_iommu_ids(dev, &count);

	assert_int_equal(count, 1);
	return ids[0];
}

/* Entries that overlap, are empty, name nothing, or lead beyond what ids there are. */
static void maps_that_make_no_sense(void **state)
{
	(void)state;
	begin_tree();
	begin_host();
	fdt_cells(&fdt, "iommu-map", 0x08, 1, 3, 0, /* nobody */
		  0x00, 1, 2, 9, /* the first two */
		  0x08, 1, 7, 1, /* the second one again */
		  0x10, 77, 0, 1, /* an IOMMU that is none */
		  0x18, 0, 0, 1, /* of no phandle */
		  0x20, 1, 7, 0xffffffff); /* beyond the last id */
	fdt_end(&fdt);
	start_with_good(NULL);
	assert_int_equal(only_id(function(0)), 2);
	works(function(0), 2);
	/* As Linux: the first entry counts. */
	assert_int_equal(only_id(function(1)), 10);
	works(function(1), 10);
	does_no_dma(function(2));
	does_no_dma(function(3));
	assert_int_equal(only_id(function(5)), 15);
	works(function(5), 15);
	stop_with_good();
}

static void maps_that_are_cut_short(void **state)
{
	static const uint8_t cut[] = { 0, 0, 0, 0, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0, 1, 0, 0, 0, 8 };

	(void)state;
	for (size_t size = 1; size <= sizeof(cut); size += size == 1 ? 14 : 1) {
		begin_tree();
		begin_host();
		bytes_property("iommu-map", cut, size);
		fdt_end(&fdt);
		start_with_good(NULL);
		if (size == 16) {
			works(function(0), 0);
			/* No entry is about it. */
			assert_int_equal(function(1)->backend, BERTH_DMA_DIRECT);
		} else {
			does_no_dma(function(0));
			does_no_dma(function(1));
		}
		stop_with_good();
	}
}

/* What the hardware cannot tell apart after the mask is one group. */
static void a_mask_makes_one_group(void **state)
{
	(void)state;
	begin_tree();
	begin_host();
	fdt_cells(&fdt, "iommu-map", 0, 1, 4, 1);
	fdt_cells(&fdt, "iommu-map-mask", 0);
	fdt_end(&fdt);
	start_with_good(NULL);
	for (unsigned int i = 1; i < FUNCTIONS; i++)
		assert_ptr_equal(iommu_group_get(function(i)), iommu_group_get(function(0)));
	works(function(3), 4);
	stop_with_good();
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(iommus_that_are_cut_short),
		cmocka_unit_test(too_many_ids),
		cmocka_unit_test(iommus_in_a_circle),
		cmocka_unit_test(protection_of_another_type),
		cmocka_unit_test(shadow_sizes),
		cmocka_unit_test(maps_that_make_no_sense),
		cmocka_unit_test(maps_that_are_cut_short),
		cmocka_unit_test(a_mask_makes_one_group),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
