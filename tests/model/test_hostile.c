/* SPDX-License-Identifier: BSD-2-Clause */
/* Trees that mean harm, or nothing: berth_start() ends, and nobody is given what is not his. */
#include "hostile.h"

#include <berth/cma.h>
#include <berth/dma-mapping.h>
#include <berth/interrupt.h>
#include <berth/memblock.h>
#include <berth/of.h>
#include <berth/slab.h>

#include "model/internal.h"

static irqreturn_t no_interrupt(int irq, void *data)
{
	(void)irq;
	(void)data;
	return IRQ_NONE;
}

/* Neither address nor size: an entry of reg has no bytes. */
static void entries_of_no_cells_end(void **state)
{
	(void)state;
	fdt_start(&fdt, 0, 0);
	fdt_begin(&fdt, "memory");
	fdt_text(&fdt, "device_type", "memory");
	fdt_cells(&fdt, "reg", RAM, RAM_SIZE);
	fdt_end(&fdt);
	start_within_seconds(-ENODEV);

	begin_with_memory();
	fdt_begin(&fdt, "reserved-memory");
	fdt_cells(&fdt, "#address-cells", 0);
	fdt_cells(&fdt, "#size-cells", 0);
	fdt_begin(&fdt, "buffer");
	fdt_cells(&fdt, "reg", RAM, MIB);
	fdt_end(&fdt);
	fdt_end(&fdt);
	start_within_seconds(0);
	must_stop();
}

/* The way to memory leads back to where it began: such a device does no DMA. */
static void circles_of_interconnects_end(void **state)
{
	char *object;

	(void)state;
	begin_with_memory();
	begin_device("self");
	fdt_cells(&fdt, "phandle", 1);
	fdt_cells(&fdt, "interconnects", 1);
	fdt_text(&fdt, "interconnect-names", "dma-mem");
	fdt_end(&fdt);
	begin_device("device");
	fdt_cells(&fdt, "interconnects", 2);
	fdt_text(&fdt, "interconnect-names", "dma-mem");
	fdt_end(&fdt);
	for (uint32_t i = 2; i < 4; i++) {
		fdt_begin(&fdt, i == 2 ? "there" : "back");
		fdt_cells(&fdt, "phandle", i);
		fdt_flag(&fdt, "dma-ranges");
		fdt_cells(&fdt, "interconnects", 5 - i);
		fdt_text(&fdt, "interconnect-names", "dma-mem");
		fdt_end(&fdt);
	}
	begin_device("behind");
	fdt_cells(&fdt, "interconnects", 4);
	fdt_text(&fdt, "interconnect-names", "dma-mem");
	fdt_end(&fdt);
	fdt_begin(&fdt, "window");
	fdt_cells(&fdt, "phandle", 4);
	fdt_cells(&fdt, "dma-ranges", 0, RAM, RAM_SIZE);
	fdt_cells(&fdt, "interconnects", 2);
	fdt_text(&fdt, "interconnect-names", "dma-mem");
	fdt_end(&fdt);
	start_within_seconds(0);
	assert_false(dev_is_dma_coherent(device_at("/self")));
	object = kmalloc(100, GFP_KERNEL);
	assert_int_equal(dma_map_single(device_at("/behind"), object, 100, DMA_TO_DEVICE),
			 DMA_MAPPING_ERROR);
	kfree(object);
	must_stop();
}

/* Interrupts that lead to each other, and properties with very many of them. */
static void circles_of_interrupts_end(void **state)
{
	(void)state;
	begin_with_memory();
	for (uint32_t i = 1; i < 3; i++) {
		begin_device(i == 1 ? "one" : "two");
		fdt_cells(&fdt, "phandle", i);
		fdt_cells(&fdt, "#interrupt-cells", 1);
		fdt_cells(&fdt, "interrupt-parent", 3 - i);
		fdt_cells(&fdt, "interrupts", 7);
		fdt_cells(&fdt, "interrupt-map", 7, 3 - i, 7);
		fdt_end(&fdt);
	}
	start_within_seconds(0);
	assert_int_equal(platform_get_irq(to_platform_device(device_at("/one")), 0), -ENXIO);
	must_stop();
}

/* A GIC's numbers end: what lies behind them is not another device's interrupt. */
static void interrupts_that_are_none_have_no_number(void **state)
{
	static const uint32_t wrong[][2] = { { 0, 988 }, { 1, 16 }, { 1, 40 }, { 2, 5 }, { 3, 5 } };
	struct platform_device *pdev;

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(wrong); i++) {
		begin_with_memory();
		fdt_begin(&fdt, "gic");
		fdt_cells(&fdt, "phandle", 1);
		fdt_cells(&fdt, "#interrupt-cells", 3);
		fdt_flag(&fdt, "interrupt-controller");
		fdt_end(&fdt);
		begin_device("dev");
		fdt_cells(&fdt, "interrupt-parent", 1);
		fdt_cells(&fdt, "interrupts", 0, 987, 4, 1, 15, 4, wrong[i][0], wrong[i][1], 4);
		fdt_end(&fdt);
		start_within_seconds(0);
		pdev = to_platform_device(device_at("/dev"));
		assert_int_equal(platform_get_irq(pdev, 0), 1019);
		assert_int_equal(platform_get_irq(pdev, 1), 31);
		assert_int_equal(platform_get_irq(pdev, 2), -ENXIO);
		must_stop();
	}
}

/* The tree says how an interrupt is triggered, unless the driver does. */
static void triggers_are_the_trees(void **state)
{
	static const unsigned long says[] = { 0, 0, IRQF_TRIGGER_HIGH, IRQF_TRIGGER_RISING };
	static const bool is_level[] = { false, true, true, false };
	struct platform_device *pdev;
	int mine;

	(void)state;
	begin_with_memory();
	fdt_begin(&fdt, "gic");
	fdt_cells(&fdt, "phandle", 1);
	fdt_cells(&fdt, "#interrupt-cells", 3);
	fdt_end(&fdt);
	begin_device("dev");
	fdt_cells(&fdt, "interrupt-parent", 1);
	fdt_cells(&fdt, "interrupts", 0, 40, 1, 0, 41, 4, 0, 42, 1, 0, 43, 4);
	fdt_end(&fdt);
	start_within_seconds(0);
	pdev = to_platform_device(device_at("/dev"));
	for (unsigned int i = 0; i < 4; i++) {
		unsigned int irq = (unsigned int)platform_get_irq(pdev, i);

		assert_int_equal(request_irq(irq, no_interrupt, says[i], "test", &mine), 0);
		assert_int_equal(soc.irqs[irq].is_level, is_level[i]);
		free_irq(irq, &mine);
	}
	must_stop();
}

/* Two cells, but each of the two controllers means something else, and neither the port's other formats. */
static void a_bcm2836_has_two_ways_of_counting(void **state)
{
	static const uint32_t wrong[][2] = { { 3, 0 }, { 1, 32 }, { UINT32_MAX, 0 } };
	struct platform_device *pdev;

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(wrong); i++) {
		begin_with_memory();
		fdt_begin(&fdt, "local");
		fdt_text(&fdt, "compatible", "brcm,bcm2836-l1-intc");
		fdt_cells(&fdt, "phandle", 1);
		fdt_cells(&fdt, "#interrupt-cells", 2);
		fdt_end(&fdt);
		/* It is the local controller's interrupt 8, and counts by itself all the same. */
		fdt_begin(&fdt, "banks");
		fdt_text(&fdt, "compatible", "brcm,bcm2836-armctrl-ic");
		fdt_cells(&fdt, "phandle", 2);
		fdt_cells(&fdt, "#interrupt-cells", 2);
		fdt_cells(&fdt, "interrupt-parent", 1);
		fdt_cells(&fdt, "interrupts", 8, 4);
		fdt_end(&fdt);
		begin_device("dev");
		fdt_cells(&fdt, "interrupts-extended", 2, 0, 1, 2, 1, 16, 2, 2, 25, 1, 3, 4, 1, 32,
			  4, 2, wrong[i][0], wrong[i][1]);
		fdt_end(&fdt);
		start_within_seconds(0);
		pdev = to_platform_device(device_at("/dev"));
		assert_int_equal(platform_get_irq(pdev, 0), 33);
		assert_int_equal(platform_get_irq(pdev, 1), 80);
		assert_int_equal(platform_get_irq(pdev, 2), 121);
		assert_int_equal(platform_get_irq(pdev, 3), 3);
		assert_int_equal(platform_get_irq(pdev, 4), -ENXIO);
		assert_int_equal(platform_get_irq(pdev, 5), -ENXIO);
		must_stop();
	}
}

/* An interrupt's number in a bank is not how it is triggered. */
static void a_bcm2836_has_levels_only(void **state)
{
	struct platform_device *pdev;
	int irq, mine;

	(void)state;
	begin_with_memory();
	fdt_begin(&fdt, "banks");
	fdt_text(&fdt, "compatible", "brcm,bcm2836-armctrl-ic");
	fdt_cells(&fdt, "phandle", 2);
	fdt_cells(&fdt, "#interrupt-cells", 2);
	fdt_end(&fdt);
	begin_device("dev");
	fdt_cells(&fdt, "interrupt-parent", 2);
	fdt_cells(&fdt, "interrupts", 0, 1);
	fdt_end(&fdt);
	start_within_seconds(0);
	pdev = to_platform_device(device_at("/dev"));
	irq = platform_get_irq(pdev, 0);
	assert_int_equal(irq, 33);
	assert_int_equal(request_irq((unsigned int)irq, no_interrupt, 0, "test", &mine), 0);
	assert_true(soc.irqs[irq].is_level);
	free_irq((unsigned int)irq, &mine);
	must_stop();
}

/* A driver asks for registers by their place in reg: what is missing must not move the others up. */
static void registers_keep_their_places(void **state)
{
	struct platform_device *pdev;

	(void)state;
	begin_with_memory();
	fdt_begin(&fdt, "bus");
	fdt_text(&fdt, "compatible", "simple-bus");
	fdt_cells(&fdt, "#address-cells", 1);
	fdt_cells(&fdt, "#size-cells", 1);
	fdt_cells(&fdt, "ranges", 0, 0x10000000, 0x10000);
	begin_device("dev");
	fdt_cells(&fdt, "reg", 0x100, 0, 0x200, 0x10, 0x80000, 0x10, 0x300, 0x10);
	fdt_end(&fdt);
	fdt_end(&fdt);
	start_within_seconds(0);
	pdev = to_platform_device(device_at("/bus/dev"));
	assert_int_equal(platform_get_resource(pdev, IORESOURCE_MEM, 1)->start, 0x10000200);
	assert_int_equal(resource_size(platform_get_resource(pdev, IORESOURCE_MEM, 0)), 0);
	assert_null(platform_get_resource(pdev, IORESOURCE_MEM, 2));
	assert_true(IS_ERR(devm_platform_ioremap_resource(pdev, 0)));
	must_stop();
}

/* The fifth pin of a GPIO chip is not the fifth interrupt of the GIC. */
static void interrupts_of_other_controllers_are_not_the_ports(void **state)
{
	(void)state;
	begin_with_memory();
	fdt_begin(&fdt, "gic");
	fdt_cells(&fdt, "phandle", 1);
	fdt_cells(&fdt, "#interrupt-cells", 3);
	fdt_cells(&fdt, "interrupt-parent", 1);
	fdt_cells(&fdt, "interrupts", 1, 9, 4);
	fdt_end(&fdt);
	fdt_begin(&fdt, "expander");
	fdt_cells(&fdt, "phandle", 2);
	fdt_cells(&fdt, "#interrupt-cells", 2);
	fdt_cells(&fdt, "interrupt-parent", 1);
	fdt_cells(&fdt, "interrupts", 0, 9, 4);
	fdt_end(&fdt);
	fdt_begin(&fdt, "gpio");
	fdt_cells(&fdt, "phandle", 3);
	fdt_cells(&fdt, "#interrupt-cells", 2);
	fdt_flag(&fdt, "gpio-controller");
	fdt_end(&fdt);
	fdt_begin(&fdt, "wakeup");
	fdt_cells(&fdt, "phandle", 4);
	fdt_cells(&fdt, "#interrupt-cells", 3);
	fdt_cells(&fdt, "interrupt-parent", 1);
	fdt_cells(&fdt, "interrupts", 0, 89, 4);
	fdt_end(&fdt);
	begin_device("dev");
	fdt_cells(&fdt, "interrupts-extended", 1, 0, 5, 4, 4, 0, 6, 4, 2, 5, 4);
	fdt_end(&fdt);
	begin_device("button");
	fdt_cells(&fdt, "interrupts-extended", 3, 5, 4);
	fdt_end(&fdt);
	start_within_seconds(0);
	assert_int_equal(platform_get_irq(to_platform_device(device_at("/dev")), 0), 37);
	assert_int_equal(platform_get_irq(to_platform_device(device_at("/dev")), 1), 38);
	assert_int_equal(platform_get_irq(to_platform_device(device_at("/dev")), 2), -ENXIO);
	assert_int_equal(platform_get_irq(to_platform_device(device_at("/button")), 0), -ENXIO);
	must_stop();
}

/* A PLIC's numbers are the port's, of how many cells ever; a hart's own, of its timer, are nobody's. */
static void interrupts_of_a_plic_are_the_ports(void **state)
{
	(void)state;
	begin_with_memory();
	fdt_begin(&fdt, "hart");
	fdt_text(&fdt, "compatible", "riscv,cpu-intc");
	fdt_cells(&fdt, "phandle", 1);
	fdt_cells(&fdt, "#interrupt-cells", 1);
	fdt_end(&fdt);
	for (uint32_t cells = 1; cells <= 2; cells++) {
		fdt_begin(&fdt, cells == 1 ? "plic" : "plic-2");
		fdt_cells(&fdt, "phandle", 1 + cells);
		fdt_cells(&fdt, "#interrupt-cells", cells);
		fdt_cells(&fdt, "interrupts-extended", 1, 11, 1, 9);
		fdt_end(&fdt);
	}
	begin_device("dev");
	fdt_cells(&fdt, "interrupts-extended", 2, 5, 3, 6, 4, 1, 7);
	fdt_end(&fdt);
	start_within_seconds(0);
	assert_int_equal(platform_get_irq(to_platform_device(device_at("/dev")), 0), 5);
	assert_int_equal(platform_get_irq(to_platform_device(device_at("/dev")), 1), 6);
	assert_int_equal(platform_get_irq(to_platform_device(device_at("/dev")), 2), -ENXIO);
	must_stop();
}

/* More windows than there is room for: berth does not know what is within reach, and says so. */
static void a_way_that_cannot_be_followed_maps_nothing(void **state)
{
	struct device *dev;
	dma_addr_t handle;
	char *object;

	(void)state;
	begin_with_memory();
	fdt_begin(&fdt, "bus");
	fdt_text(&fdt, "compatible", "simple-bus");
	fdt_cells(&fdt, "#address-cells", 1);
	fdt_cells(&fdt, "#size-cells", 1);
	fdt_flag(&fdt, "ranges");
	fdt_property(&fdt, "dma-ranges", (BERTH_MAX_DMA_WINDOWS + 1) * 12);
	for (uint32_t i = 0; i <= BERTH_MAX_DMA_WINDOWS; i++) {
		fdt_cell(&fdt, 0x80000000u + i * 2 * MIB);
		fdt_cell(&fdt, RAM + i * 2 * MIB);
		fdt_cell(&fdt, MIB);
	}
	begin_device("dev");
	fdt_flag(&fdt, "dma-coherent");
	fdt_end(&fdt);
	fdt_end(&fdt);
	start_within_seconds(0);
	dev = device_at("/bus/dev");
	assert_int_equal(dma_set_mask_and_coherent(dev, DMA_BIT_MASK(64)), -EIO);
	assert_reason(BERTH_REASON_NO_MASK);
	object = kmalloc(100, GFP_KERNEL);
	assert_int_equal(dma_map_single(dev, object, 100, DMA_TO_DEVICE), DMA_MAPPING_ERROR);
	assert_reason(BERTH_REASON_NO_MASK);
	assert_null(dma_alloc_coherent(dev, 100, &handle, GFP_KERNEL));
	kfree(object);
	must_stop();
}

/* Two entries that continue each other are one window, as on Linux: a buffer may lie across. */
static void windows_that_continue_are_one(void **state)
{
	const struct berth_dma_window *windows;
	struct device *dev;
	unsigned int count;

	(void)state;
	begin_with_memory();
	fdt_begin(&fdt, "bus");
	fdt_text(&fdt, "compatible", "simple-bus");
	fdt_cells(&fdt, "#address-cells", 1);
	fdt_cells(&fdt, "#size-cells", 1);
	fdt_flag(&fdt, "ranges");
	fdt_cells(&fdt, "dma-ranges", 0x80000000u, RAM, 16 * MIB, 0x81000000u, RAM + 16 * MIB,
		  8 * MIB, 0x90000000u, RAM + 24 * MIB, 8 * MIB);
	begin_device("dev");
	fdt_end(&fdt);
	fdt_end(&fdt);
	start_within_seconds(0);
	dev = device_at("/bus/dev");
	windows = berth_device_windows(dev, &count);
	assert_int_equal(count, 2);
	assert_int_equal(windows[0].size, 24 * MIB);
	assert_int_equal(windows[1].bus, 0x90000000u);
	must_stop();
}

static void begin_reserved(void)
{
	begin_with_memory();
	fdt_begin(&fdt, "reserved-memory");
	fdt_cells(&fdt, "#address-cells", 1);
	fdt_cells(&fdt, "#size-cells", 1);
	fdt_flag(&fdt, "ranges");
}

static void reserve(const char *name, uint32_t base, uint32_t size, bool is_pool)
{
	fdt_begin(&fdt, name);
	fdt_cells(&fdt, "reg", base, size);
	if (is_pool) {
		fdt_text(&fdt, "compatible", "shared-dma-pool");
		fdt_flag(&fdt, "reusable");
		fdt_flag(&fdt, "linux,cma-default");
	}
	fdt_end(&fdt);
}

/* What a firmware keeps for itself is not handed out, whichever of the two comes first. */
static void a_pool_over_another_reservation_is_none(void **state)
{
	(void)state;
	for (int order = 0; order < 2; order++) {
		begin_reserved();
		if (order)
			reserve("firmware", RAM + 5 * MIB, MIB, false);
		reserve("pool", RAM + 4 * MIB, 4 * MIB, true);
		if (!order)
			reserve("firmware", RAM + 5 * MIB, MIB, false);
		fdt_end(&fdt);
		start_within_seconds(0);
		assert_null(berth_cma_default());
		assert_true(memblock_is_region_reserved(RAM + 4 * MIB, 1));
		must_stop();
	}
	begin_reserved();
	reserve("pool", RAM + 4 * MIB, 4 * MIB, true);
	reserve("behind", RAM + 8 * MIB, MIB, false);
	fdt_end(&fdt);
	start_within_seconds(0);
	assert_non_null(berth_cma_default());
	must_stop();
}

/* cma=SIZE@BASE where something lies already: Linux refuses that area, too. */
static void cma_does_not_go_over_a_reservation(void **state)
{
	(void)state;
	begin_reserved();
	reserve("firmware", RAM + 5 * MIB, MIB, false);
	fdt_end(&fdt);
	must_start(fdt_finish(&fdt), NULL, "cma=4M@0x40400000");
	assert_null(berth_cma_default());
	must_stop();
	must_start(fdt.blob, NULL, "cma=4M@0x40800000");
	assert_non_null(berth_cma_default());
	must_stop();
}

/* Two areas on one place: one of them, and no failure for it. */
static void two_pools_on_one_place_do_not_stop_a_start(void **state)
{
	(void)state;
	begin_reserved();
	reserve("pool", RAM + 4 * MIB, 4 * MIB, true);
	reserve("twin", RAM + 4 * MIB, 4 * MIB, true);
	fdt_end(&fdt);
	start_within_seconds(0);
	must_stop();
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(entries_of_no_cells_end),
		cmocka_unit_test(circles_of_interconnects_end),
		cmocka_unit_test(circles_of_interrupts_end),
		cmocka_unit_test(interrupts_that_are_none_have_no_number),
		cmocka_unit_test(triggers_are_the_trees),
		cmocka_unit_test(a_bcm2836_has_two_ways_of_counting),
		cmocka_unit_test(a_bcm2836_has_levels_only),
		cmocka_unit_test(registers_keep_their_places),
		cmocka_unit_test(interrupts_of_other_controllers_are_not_the_ports),
		cmocka_unit_test(interrupts_of_a_plic_are_the_ports),
		cmocka_unit_test(a_way_that_cannot_be_followed_maps_nothing),
		cmocka_unit_test(windows_that_continue_are_one),
		cmocka_unit_test(a_pool_over_another_reservation_is_none),
		cmocka_unit_test(cma_does_not_go_over_a_reservation),
		cmocka_unit_test(two_pools_on_one_place_do_not_stop_a_start),
	};

	return cmocka_run_group_tests_name("hostile", tests, NULL, NULL);
}
