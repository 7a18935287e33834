/* SPDX-License-Identifier: BSD-2-Clause */
/* Areas of a device's own, one for each kind of its buffers. */
#include "machine.h"

#include <berth/cma.h>
#include <berth/dma-mapping.h>
#include <berth/of_reserved_mem.h>
#include <berth/platform_device.h>

#include "fdt.h"
#include "model/model.h"

#define MIB 0x100000ull
#define RAM 0x80000000ull

enum { FRAMES = 1, STATISTICS, SHARED, FIRMWARE, DISABLED };

static struct fdt fdt;
static struct device *camera, *plain, *unnamed;

static void region(const char *name, uint32_t phandle, uint64_t base, uint64_t size)
{
	fdt_begin(&fdt, name);
	fdt_cells(&fdt, "phandle", phandle);
	if (base)
		fdt_cells(&fdt, "reg", 0, (uint32_t)base, 0, (uint32_t)size);
	else
		fdt_cells(&fdt, "size", 0, (uint32_t)size);
	if (phandle == FIRMWARE) {
		fdt_flag(&fdt, "no-map");
	} else {
		fdt_text(&fdt, "compatible", "shared-dma-pool");
		fdt_flag(&fdt, "reusable");
	}
	if (phandle == SHARED)
		fdt_flag(&fdt, "linux,cma-default");
	if (phandle == DISABLED)
		fdt_text(&fdt, "status", "disabled");
	fdt_end(&fdt);
}

static void devices(void)
{
	static const char names[] = "firmware\0frames\0statistics\0off";

	fdt_begin(&fdt, "camera@10000000");
	fdt_text(&fdt, "compatible", "test,camera");
	fdt_cells(&fdt, "reg", 0, 0x10000000, 0, 0x1000);
	fdt_cells(&fdt, "memory-region", FIRMWARE, FRAMES, STATISTICS, DISABLED, 99);
	fdt_property(&fdt, "memory-region-names", sizeof(names));
	fdt_bytes(&fdt, names, sizeof(names));
	fdt_end(&fdt);
	fdt_begin(&fdt, "plain@10010000");
	fdt_text(&fdt, "compatible", "test,camera");
	fdt_cells(&fdt, "reg", 0, 0x10010000, 0, 0x1000);
	fdt_end(&fdt);
	fdt_begin(&fdt, "unnamed@10020000");
	fdt_text(&fdt, "compatible", "test,camera");
	fdt_cells(&fdt, "reg", 0, 0x10020000, 0, 0x1000);
	fdt_cells(&fdt, "memory-region", STATISTICS);
	fdt_end(&fdt);
}

static struct device *find(const char *path)
{
	struct platform_device *pdev = of_find_device_by_node(of_find_node_by_path(path));

	assert_non_null(pdev);
	return &pdev->dev;
}

static int start(void **state)
{
	static const struct model_device_type type = { .compatible = "test,camera" };

	(void)state;
	model_add_type(&type);
	fdt_start(&fdt, 2, 2);
	fdt_begin(&fdt, "memory@80000000");
	fdt_text(&fdt, "device_type", "memory");
	fdt_cells(&fdt, "reg", 0, RAM, 0, 32 * MIB);
	fdt_end(&fdt);
	fdt_begin(&fdt, "reserved-memory");
	fdt_cells(&fdt, "#address-cells", 2);
	fdt_cells(&fdt, "#size-cells", 2);
	fdt_flag(&fdt, "ranges");
	region("frames@80800000", FRAMES, RAM + 8 * MIB, 4 * MIB);
	region("statistics", STATISTICS, 0, 2 * MIB);
	region("shared", SHARED, 0, 4 * MIB);
	region("firmware@80400000", FIRMWARE, RAM + 4 * MIB, MIB);
	region("disabled@80600000", DISABLED, RAM + 6 * MIB, 2 * MIB);
	fdt_end(&fdt);
	devices();
	must_start(fdt_finish(&fdt), NULL, NULL);
	camera = find("/camera@10000000");
	plain = find("/plain@10010000");
	unnamed = find("/unnamed@10020000");
	berth_clear_error();
	return 0;
}

static int stop(void **state)
{
	(void)state;
	must_stop();
	return 0;
}

static void the_tree_gives_each_kind_its_area(void **state)
{
	struct cma *frames = berth_device_cma_of_kind(camera, "frames");
	struct cma *statistics = berth_device_cma_of_kind(camera, "statistics"), *area = NULL;

	(void)state;
	assert_non_null(frames);
	assert_non_null(statistics);
	assert_string_equal(cma_get_name(frames), "frames@80800000");
	assert_int_equal(cma_get_base(frames), RAM + 8 * MIB);
	assert_string_equal(cma_get_name(statistics), "statistics");
	assert_string_equal(berth_device_kind(camera, 0, &area), "frames");
	assert_ptr_equal(area, frames);
	assert_string_equal(berth_device_kind(camera, 1, NULL), "statistics");
	assert_null(berth_device_kind(camera, 2, &area));
	/* The first that is an area serves the device; without any the default one does. */
	assert_ptr_equal(berth_device_cma(camera), frames);
	assert_ptr_equal(berth_device_cma(unnamed), statistics);
	assert_ptr_equal(berth_device_cma(plain), berth_cma_default());
	assert_string_equal(cma_get_name(berth_cma_default()), "shared");
	assert_null(berth_device_kind(plain, 0, NULL));
	assert_null(berth_device_kind(unnamed, 0, NULL));
	assert_reason(BERTH_REASON_NONE);
}

static void what_is_no_area_is_refused(void **state)
{
	static const char *const kinds[] = { "firmware", "off", "frame", "framess", "" };

	(void)state;
	for (unsigned int i = 0; i < ARRAY_SIZE(kinds); i++) {
		assert_null(berth_device_cma_of_kind(camera, kinds[i]));
		assert_reason(BERTH_REASON_RESERVED);
		berth_clear_error();
	}
	assert_null(berth_device_cma_of_kind(plain, "frames"));
	assert_reason(BERTH_REASON_RESERVED);
	assert_null(berth_device_cma_of_kind(camera, NULL));
	assert_null(berth_device_cma_of_kind(NULL, "frames"));
	assert_int_equal(of_reserved_mem_device_init(camera), -EINVAL);
	assert_reason(BERTH_REASON_RESERVED);
	assert_int_equal(of_reserved_mem_device_init(plain), -ENODEV);
	assert_reason(BERTH_REASON_RESERVED);
	for (int i = 3; i < 6; i++) {
		assert_int_equal(of_reserved_mem_device_init_by_idx(camera, camera->of_node, i),
				 -ENODEV);
		assert_reason(BERTH_REASON_RESERVED);
	}
	assert_int_equal(of_reserved_mem_device_init_by_idx(camera, camera->of_node, -1), -ENODEV);
	assert_int_equal(of_reserved_mem_device_init_by_name(camera, camera->of_node, "none"),
			 -EINVAL);
	assert_reason(BERTH_REASON_RESERVED);
	assert_int_equal(of_reserved_mem_device_init_by_name(camera, NULL, "frames"), -EINVAL);
	assert_reason(BERTH_REASON_ARGUMENT);
	assert_int_equal(of_reserved_mem_device_init_by_idx(NULL, camera->of_node, 1), -EINVAL);
	assert_reason(BERTH_REASON_ARGUMENT);
	/* Nothing has changed. */
	assert_ptr_equal(berth_device_cma(camera), berth_device_cma_of_kind(camera, "frames"));
}

static bool is_from(struct cma *area, dma_addr_t addr)
{
	return addr - cma_get_base(area) < cma_get_size(area);
}

/* Linux's way: a device for each kind. */
static void a_child_has_an_area_of_its_own(void **state)
{
	static struct device child;
	struct cma *statistics = berth_device_cma_of_kind(camera, "statistics");
	dma_addr_t frame, numbers, other;
	void *at[3];

	(void)state;
	memset(&child, 0, sizeof(child));
	child.parent = camera;
	assert_int_equal(device_register(&child, "statistics"), 0);
	assert_ptr_equal(berth_device_cma(&child), berth_device_cma(camera));
	assert_int_equal(of_reserved_mem_device_init_by_name(&child, camera->of_node, "statistics"),
			 0);
	assert_ptr_equal(berth_device_cma(&child), statistics);
	assert_ptr_equal(berth_device_cma_of_kind(&child, "frames"), berth_device_cma(camera));
	at[0] = dma_alloc_coherent(camera, 100000, &frame, GFP_KERNEL);
	at[1] = dma_alloc_coherent(&child, 100000, &numbers, GFP_KERNEL);
	at[2] = dma_alloc_coherent(plain, 100000, &other, GFP_KERNEL);
	assert_true(at[0] && at[1] && at[2]);
	assert_true(is_from(berth_device_cma(camera), frame));
	assert_true(is_from(statistics, numbers));
	assert_true(is_from(berth_cma_default(), other));
	dma_free_coherent(camera, 100000, at[0], frame);
	dma_free_coherent(&child, 100000, at[1], numbers);
	dma_free_coherent(plain, 100000, at[2], other);
	assert_reason(BERTH_REASON_NONE);
	device_unregister(&child);
}

/* What came from one area goes back there, whichever serves the device by then. */
static void an_area_may_change_under_memory(void **state)
{
	struct berth_memory_info before, after;
	dma_addr_t addr[4];
	void *at[4];

	(void)state;
	berth_memory_info(&before);
	at[0] = dma_alloc_coherent(camera, 50000, &addr[0], GFP_KERNEL);
	assert_int_equal(of_reserved_mem_device_init_by_idx(camera, camera->of_node, 2), 0);
	at[1] = dma_alloc_coherent(camera, 50000, &addr[1], GFP_KERNEL);
	of_reserved_mem_device_release(camera);
	at[2] = dma_alloc_coherent(camera, 50000, &addr[2], GFP_KERNEL);
	at[3] = dma_alloc_coherent(camera, 50000, &addr[3], GFP_ATOMIC);
	assert_true(is_from(berth_device_cma_of_kind(camera, "frames"), addr[0]));
	assert_true(is_from(berth_device_cma_of_kind(camera, "statistics"), addr[1]));
	assert_true(is_from(berth_cma_default(), addr[2]));
	for (unsigned int i = 0; i < 4; i++)
		dma_free_coherent(camera, 50000, at[i], addr[i]);
	assert_reason(BERTH_REASON_NONE);
	berth_memory_info(&after);
	assert_int_equal(after.cma_used, before.cma_used);
	assert_int_equal(after.used - after.slab, before.used - before.slab);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(the_tree_gives_each_kind_its_area, start, stop),
		cmocka_unit_test_setup_teardown(what_is_no_area_is_refused, start, stop),
		cmocka_unit_test_setup_teardown(a_child_has_an_area_of_its_own, start, stop),
		cmocka_unit_test_setup_teardown(an_area_may_change_under_memory, start, stop),
	};

	return cmocka_run_group_tests_name("reserved memory", tests, NULL, NULL);
}
