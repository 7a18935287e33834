/* SPDX-License-Identifier: BSD-2-Clause */
/* What berth_start() makes of a device tree: memory, reservations, devices and their ways to memory. */
#include "machine.h"

#include <berth/cma.h>
#include <berth/dma-mapping.h>
#include <berth/memblock.h>
#include <berth/mm.h>
#include <berth/of.h>
#include <berth/slab.h>

static struct device *device_at(const char *path)
{
	struct platform_device *pdev = of_find_device_by_node(of_find_node_by_path(path));

	return pdev ? &pdev->dev : NULL;
}

static void memory_is_what_the_tree_says(void **state)
{
	struct berth_memory_info info;

	(void)state;
	must_start(tree_buses, NULL, NULL);
	berth_memory_info(&info);
	/* 32 MiB and 16 MiB, less the 1 MiB that is kept out of the map. */
	assert_in_range(info.total, 47 << 20, 48 << 20);
	assert_true(memblock_is_memory(0x40000000));
	assert_true(memblock_is_memory(0x100000000));
	assert_false(memblock_is_memory(0x50000000));
	assert_true(memblock_is_region_reserved(0x40010000, 1));
	assert_int_equal(berth_page_use(PFN_DOWN(0x40010000)), BERTH_PAGE_RESERVED);
	assert_int_equal(berth_page_use(PFN_DOWN(0x50000000)), BERTH_PAGE_ABSENT);
	must_stop();
}

static void boot_arguments_count(void **state)
{
	struct berth_memory_info info;
	static const struct berth_range more = { 0x200000000, 8 << 20 };
	struct berth_options options = { .machine = &berth_model, .mem = &more, .nr_mem = 1 };

	(void)state;
	must_start(tree_buses, NULL, "mem=16M cma=0");
	berth_memory_info(&info);
	assert_in_range(info.total, 1, 16 << 20);
	assert_null(berth_cma_default());
	must_stop();

	must_start(tree_buses, NULL, "cma=6M");
	assert_non_null(berth_cma_default());
	assert_int_equal(cma_get_size(berth_cma_default()), 6 << 20);
	assert_string_equal(cma_get_name(berth_cma_default()), "default");
	must_stop();

	must_start(tree_buses, NULL, "cma=2M@0x100000000");
	assert_int_equal(cma_get_base(berth_cma_default()), 0x100000000);
	must_stop();

	assert_int_equal(berth_start(tree_buses, NULL, &options), 0);
	assert_true(memblock_is_memory(0x200000000));
	must_stop();
}

static int count_area(struct cma *cma, void *count)
{
	(void)cma;
	(*(int *)count)++;
	return 0;
}

static void areas_go_to_their_devices(void **state)
{
	struct berth_cma_report report;
	struct device *own, *other;
	int areas = 0;

	(void)state;
	must_start(tree_buses, NULL, NULL);
	own = device_at("/bus@20000000/dev@100");
	other = device_at("/plain-bus/dev@30000000");
	cma_for_each_area(count_area, &areas);
	assert_int_equal(areas,
			 2); /* the crooked one stays reserved, the impossible one is left out */
	assert_string_equal(cma_get_name(berth_device_cma(own)), "own@100400000");
	assert_string_equal(cma_get_name(berth_device_cma(other)), "shared");
	assert_ptr_equal(berth_device_cma(other), berth_cma_default());
	assert_int_equal(berth_cma_explain(berth_device_cma(own), 1, 0, &report), 0);
	assert_true(report.guaranteed);
	assert_int_equal(berth_cma_explain(berth_cma_default(), 1, 0, &report), 0);
	assert_false(report.guaranteed);
	assert_true(cma_get_base(berth_cma_default()) >= 0x40000000 &&
		    cma_get_base(berth_cma_default()) + (4 << 20) <= 0x42000000);
	assert_true(memblock_is_region_reserved(0x100a01000, 1));
	must_stop();
}

static void registers_are_translated_through_buses(void **state)
{
	struct platform_device *pdev;
	struct resource *res;

	(void)state;
	must_start(tree_buses, NULL, NULL);
	pdev = of_find_device_by_node(of_find_node_by_path("cam"));
	assert_non_null(pdev);
	res = platform_get_resource(pdev, IORESOURCE_MEM, 1);
	assert_int_equal(res->start, 0x20000200);
	assert_int_equal(resource_size(res), 0x20);
	assert_string_equal(res->name, "data");
	assert_null(platform_get_resource(pdev, IORESOURCE_MEM, 2));
	pdev = of_find_device_by_node(of_find_node_by_path("/bus@20000000/bus@800000/dev@10"));
	assert_int_equal(platform_get_resource(pdev, IORESOURCE_MEM, 0)->start, 0x20800010);
	must_stop();
}

static void interrupts_are_numbered_as_the_port_does(void **state)
{
	struct platform_device *pdev;

	(void)state;
	must_start(tree_buses, NULL, NULL);
	pdev = of_find_device_by_node(of_find_node_by_path("/bus@20000000/dev@100"));
	assert_int_equal(platform_get_irq(pdev, 0), 32 + 5);
	assert_int_equal(platform_get_irq(pdev, 1), 16 + 9);
	assert_int_equal(platform_get_irq(pdev, 2), -ENXIO);
	pdev = of_find_device_by_node(of_find_node_by_path("/bus@20000000/bus@800000/dev@10"));
	assert_int_equal(platform_get_irq(pdev, 0), 32 + 6);
	assert_int_equal(platform_get_irq(pdev, 1), 32 + 71);
	pdev = of_find_device_by_node(of_find_node_by_path("/plain-bus/dev@30000000"));
	assert_int_equal(platform_get_irq(pdev, 0), 32 + 70);
	must_stop();
}

static void windows_follow_the_buses(void **state)
{
	const struct berth_dma_window *windows;
	struct device *dev;
	unsigned int count;

	(void)state;
	must_start(tree_buses, NULL, NULL);
	dev = device_at("/bus@20000000/dev@100");
	windows = berth_device_windows(dev, &count);
	assert_int_equal(count, 2);
	assert_int_equal(windows[0].cpu, 0x40000000);
	assert_int_equal(windows[0].bus, 0);
	assert_int_equal(windows[0].size, 0x1000000);
	assert_int_equal(windows[1].cpu, 0x100000000);
	assert_int_equal(windows[1].bus, 0x80000000);
	assert_true(dev_is_dma_coherent(dev));
	dev = device_at("/bus@20000000/bus@800000/dev@10");
	windows = berth_device_windows(dev, &count);
	assert_int_equal(count, 1);
	assert_int_equal(windows[0].bus, 0x10000000);
	assert_int_equal(windows[0].cpu, 0x40800000);
	assert_false(dev_is_dma_coherent(dev));
	dev = device_at("/plain-bus/dev@30000000");
	berth_device_windows(dev, &count);
	assert_int_equal(count, 0);
	assert_false(dev_is_dma_coherent(dev));
	must_stop();
}

static void a_circle_of_buses_ends(void **state)
{
	struct device *dev;
	unsigned int count;

	(void)state;
	must_start(tree_buses, NULL, NULL);
	dev = device_at("/plain-bus/loop@33000000");
	assert_non_null(dev);
	berth_device_windows(dev, &count);
	assert_int_equal(count, 0);
	assert_false(dev_is_dma_coherent(dev));
	must_stop();
}

static void nodes_can_be_walked(void **state)
{
	struct device_node *node, *bus;
	char path[64];
	uint32_t value;
	uint64_t wide;
	const char *text;
	int n = 0;

	(void)state;
	must_start(tree_buses, NULL, NULL);
	bus = of_find_node_by_path("/bus");
	assert_non_null(bus);
	assert_string_equal(berth_of_node_name(bus), "bus@20000000");
	for_each_child_of_node(bus, node)
		n++;
	assert_int_equal(n, 2);
	node = of_find_compatible_node(NULL, NULL, "berth,test-nested");
	assert_int_equal(berth_of_node_path(node, path, sizeof(path)),
			 strlen("/bus@20000000/bus@800000/dev@10"));
	assert_string_equal(path, "/bus@20000000/bus@800000/dev@10");
	assert_int_equal(berth_of_node_path(node, path, 8),
			 strlen("/bus@20000000/bus@800000/dev@10"));
	assert_string_equal(path, "/bus@20");
	assert_int_equal(of_property_read_u32_index(bus, "dma-ranges", 3, &value), 0);
	assert_int_equal(value, 0x01000000);
	assert_int_equal(of_property_read_u32_index(bus, "dma-ranges", 8, &value), -EOVERFLOW);
	assert_int_equal(of_property_read_u32(bus, "dma-coherent", &value), -ENODATA);
	assert_int_equal(of_property_read_u32(bus, "no-such-thing", &value), -EINVAL);
	assert_int_equal(of_property_read_string(bus, "ranges", &text), 0);
	assert_int_equal(of_property_read_string(node, "reg", &text), 0);
	assert_int_equal(
		of_property_read_u64(of_find_node_by_path("/memory@40000000"), "reg", &wide), 0);
	assert_int_equal(wide, 0x40000000);
	assert_true(of_device_is_compatible(of_find_node_by_path("cam"), "berth,test-windows") >
		    of_device_is_compatible(of_find_node_by_path("cam"), "berth,test"));
	assert_null(of_find_node_by_path("/bus@20000000/nobody"));
	assert_null(of_find_node_by_path("nobody"));
	assert_null(device_at("/plain-bus/dead@32000000"));
	must_stop();
	assert_null(berth_of_root());
}

/* Drivers. */

static int probes, removes, late_tries;
static bool fail_probe, leave_late_waiting;

static int test_probe(struct platform_device *pdev)
{
	void *managed = devm_kzalloc(&pdev->dev, 100, GFP_KERNEL);

	if (!managed)
		return -ENOMEM;
	if (fail_probe)
		return -EIO;
	probes++;
	platform_set_drvdata(pdev, managed);
	assert_string_equal(of_device_get_match_data(&pdev->dev), "match data");
	return 0;
}

static int test_remove(struct platform_device *pdev)
{
	assert_non_null(platform_get_drvdata(pdev));
	removes++;
	return 0;
}

/* Waits for the nested device, which comes first in the tree but binds with the second driver. */
static int late_probe(struct platform_device *pdev)
{
	struct device *other = device_at("/plain-bus/late@31000000");

	(void)pdev;
	late_tries++;
	return leave_late_waiting || !dev_get_drvdata(other) ? -EPROBE_DEFER : 0;
}

static int early_probe(struct platform_device *pdev)
{
	static int something;

	platform_set_drvdata(pdev, &something);
	return 0;
}

static const struct of_device_id test_ids[] = {
	{ .compatible = "berth,test-plain", .data = "match data" },
	{ .compatible = "berth,test", .data = "match data" },
	{ .compatible = "" },
};
static const struct of_device_id nested_ids[] = { { .compatible = "berth,test-nested" },
						  { "", NULL } };
static const struct of_device_id late_ids[] = { { .compatible = "berth,test-late" }, { "", NULL } };

static const struct platform_driver test_driver = {
	.probe = test_probe,
	.remove = test_remove,
	.driver = { .name = "test", .of_match_table = test_ids },
};
static const struct platform_driver waiting_driver = {
	.probe = late_probe,
	.driver = { .name = "waiting", .of_match_table = nested_ids },
};
static const struct platform_driver early_driver = {
	.probe = early_probe,
	.driver = { .name = "early", .of_match_table = late_ids },
};

static const struct berth_driver drivers[] = {
	BERTH_PLATFORM_DRIVER(&test_driver),
	BERTH_PLATFORM_DRIVER(&waiting_driver),
	BERTH_PLATFORM_DRIVER(&early_driver),
	BERTH_NO_MORE_DRIVERS,
};

static void drivers_bind_by_compatible_and_wait_for_others(void **state)
{
	(void)state;
	probes = removes = late_tries = 0;
	fail_probe = leave_late_waiting = false;
	must_start(tree_buses, drivers, NULL);
	assert_int_equal(probes, 2);
	assert_int_equal(late_tries, 2);
	assert_non_null(device_at("/bus@20000000/bus@800000/dev@10")->driver);
	must_stop();
	assert_int_equal(removes, 2);
}

static void a_failed_probe_leaves_nothing(void **state)
{
	(void)state;
	fail_probe = leave_late_waiting = true;
	must_start(tree_buses, drivers, NULL);
	assert_null(device_at("/bus@20000000/dev@100")->driver);
	assert_null(device_at("/bus@20000000/bus@800000/dev@10")->driver);
	assert_int_equal(berth_last_error()->reason, BERTH_REASON_DRIVER);
	must_stop();
}

/* Bad trees. */

static void a_tree_without_memory_is_refused(void **state)
{
	unsigned char *copy = malloc(tree_minimal_size);
	char *type;

	(void)state;
	memcpy(copy, tree_minimal, tree_minimal_size);
	type = memmem(copy, tree_minimal_size, "memory\0", 7);
	while (type && memcmp(type - 12, "\0\0\0\3\0\0\0\7", 8))
		type = memmem(type + 1,
			      tree_minimal_size - (size_t)((unsigned char *)type + 1 - copy),
			      "memory\0", 7);
	assert_non_null(type);
	*type = 'x';
	assert_int_equal(start_tree(copy, NULL, NULL), -ENODEV);
	assert_reason(BERTH_REASON_NO_MEMORY_NODE);
	assert_false(berth_running());
	free(copy);
}

/* Every byte of the tree changed, one at a time: an answer or an error, nothing else. */
static void damaged_trees_are_survived(void **state)
{
	unsigned char *copy = malloc(tree_buses_size);
	int refused = 0;

	(void)state;
	for (size_t at = 8; at < tree_buses_size; at += 3) {
		memcpy(copy, tree_buses, tree_buses_size);
		copy[at] = (unsigned char)(copy[at] ^ (1u << at % 8));
		/* A length that is a lie is the caller's to find out. */
		if (start_tree(copy, NULL, NULL)) {
			assert_true(berth_last_error()->code < 0);
			refused++;
		} else {
			must_stop();
		}
	}
	assert_true(refused > 0);
	assert_int_equal(start_tree(NULL, NULL, NULL), -EINVAL);
	free(copy);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(memory_is_what_the_tree_says),
		cmocka_unit_test(boot_arguments_count),
		cmocka_unit_test(areas_go_to_their_devices),
		cmocka_unit_test(registers_are_translated_through_buses),
		cmocka_unit_test(interrupts_are_numbered_as_the_port_does),
		cmocka_unit_test(windows_follow_the_buses),
		cmocka_unit_test(a_circle_of_buses_ends),
		cmocka_unit_test(nodes_can_be_walked),
		cmocka_unit_test(drivers_bind_by_compatible_and_wait_for_others),
		cmocka_unit_test(a_failed_probe_leaves_nothing),
		cmocka_unit_test(a_tree_without_memory_is_refused),
		cmocka_unit_test(damaged_trees_are_survived),
	};

	return cmocka_run_group_tests_name("tree", tests, NULL, NULL);
}
