/* SPDX-License-Identifier: BSD-2-Clause */
/* A board with pools of coherent memory, and devices that the tests drive from both sides. */
#ifndef TESTS_MODEL_POOLS_H
#define TESTS_MODEL_POOLS_H

#include "machine.h"

#include <berth/cma.h>
#include <berth/dma-mapping.h>
#include <berth/dmapool.h>
#include <berth/mm.h>
#include <berth/of.h>
#include <berth/platform_device.h>
#include <berth/slab.h>
#include <berth/test.h>

#include "fdt.h"
#include "model/model.h"

#define MIB 0x100000ull
#define RAM 0x80000000ull
#define POOL (RAM + 12 * MIB) /* outside the linear map */
#define POOL_PAGES 12ull
#define LINEAR (RAM + 13 * MIB) /* inside */
#define LINEAR_PAGES 8ull
#define DEFAULT (RAM + 14 * MIB)
#define DEFAULT_PAGES 16ull
#define SPARE (RAM + 15 * MIB) /* for dma_declare_coherent_memory() */
#define BUS_OFFSET 0x40000000ull /* of the device "offset" */

static const struct model_device_type hw_type = { .compatible = "test,dma" };

static inline void pools_device(struct fdt *fdt, const char *name, uint32_t reg, uint32_t region,
				bool coherent)
{
	fdt_begin(fdt, name);
	fdt_text(fdt, "compatible", "test,dma");
	fdt_cells(fdt, "reg", 0, reg, 0, 0x1000);
	if (region)
		fdt_cells(fdt, "memory-region", region);
	if (coherent)
		fdt_flag(fdt, "dma-coherent");
	fdt_end(fdt);
}

static inline void pools_region(struct fdt *fdt, const char *name, uint64_t base, uint64_t pages,
				uint32_t phandle, bool no_map, bool is_default)
{
	fdt_begin(fdt, name);
	fdt_text(fdt, "compatible", "shared-dma-pool");
	fdt_cells(fdt, "reg", 0, (uint32_t)base, 0, (uint32_t)(pages << PAGE_SHIFT));
	fdt_cells(fdt, "phandle", phandle);
	if (no_map)
		fdt_flag(fdt, "no-map");
	if (is_default)
		fdt_flag(fdt, "linux,dma-default");
	fdt_end(fdt);
}

/* Without the pattern for fresh memory; then, but for sanitizers, allocators work inline. */
static bool pools_inline;

static inline void pools_start(const char *bootargs, bool with_default)
{
	static struct berth_machine machine;
	static struct fdt fdt;
	const struct berth_options options = { .machine = &machine, .bootargs = bootargs };

	model_add_type(&hw_type);
	fdt_start(&fdt, 2, 2);
	fdt_begin(&fdt, "memory@80000000");
	fdt_text(&fdt, "device_type", "memory");
	fdt_cells(&fdt, "reg", 0, RAM, 0, 16 * MIB);
	fdt_end(&fdt);
	fdt_begin(&fdt, "reserved-memory");
	fdt_cells(&fdt, "#address-cells", 2);
	fdt_cells(&fdt, "#size-cells", 2);
	fdt_flag(&fdt, "ranges");
	pools_region(&fdt, "pool@80c00000", POOL, POOL_PAGES, 1, true, false);
	pools_region(&fdt, "linear@80d00000", LINEAR, LINEAR_PAGES, 2, false, false);
	if (with_default)
		pools_region(&fdt, "default@80e00000", DEFAULT, DEFAULT_PAGES, 3, true, true);
	fdt_begin(&fdt, "spare@80f00000");
	fdt_cells(&fdt, "reg", 0, SPARE, 0, 0x10000);
	fdt_flag(&fdt, "no-map");
	fdt_end(&fdt);
	fdt_end(&fdt);
	pools_device(&fdt, "plain@10000000", 0x10000000, 0, false);
	pools_device(&fdt, "coherent@10010000", 0x10010000, 0, true);
	pools_device(&fdt, "own@10020000", 0x10020000, 1, false);
	pools_device(&fdt, "shared@10030000", 0x10030000, 1, true);
	pools_device(&fdt, "linear@10040000", 0x10040000, 2, false);
	fdt_begin(&fdt, "bus");
	fdt_text(&fdt, "compatible", "simple-bus");
	fdt_cells(&fdt, "#address-cells", 1);
	fdt_cells(&fdt, "#size-cells", 1);
	fdt_cells(&fdt, "ranges", 0, 0, 0x20000000, 0x10000);
	fdt_cells(&fdt, "dma-ranges", RAM - BUS_OFFSET, 0, RAM, 16 * MIB);
	fdt_begin(&fdt, "offset@100");
	fdt_text(&fdt, "compatible", "test,dma");
	fdt_cells(&fdt, "reg", 0x100, 0x80);
	fdt_cells(&fdt, "memory-region", 1);
	fdt_end(&fdt);
	fdt_end(&fdt);
	machine = berth_model;
	if (pools_inline)
		machine.fresh = NULL;
	if (berth_running())
		berth_stop(); /* a test before this one has failed */
	assert_int_equal(berth_start(fdt_finish(&fdt), NULL, &options), 0);
	berth_clear_error();
}

static inline struct device *pools_dev(const char *path)
{
	struct device_node *node = of_find_node_by_path(path);
	struct platform_device *pdev = of_find_device_by_node(node);

	assert_non_null(pdev);
	return &pdev->dev;
}

static const char *const all_paths[] = {
	"/plain@10000000",  "/coherent@10010000", "/own@10020000",
	"/shared@10030000", "/linear@10040000",	  "/bus/offset@100"
};

/* The device reads and writes memory, as hardware does. */
static inline void hw_write(const char *path, dma_addr_t addr, int byte, size_t size)
{
	unsigned char *bytes = malloc(size);

	memset(bytes, byte, size);
	model_lock();
	assert_int_equal(model_dma_write(model_find(path), addr, bytes, size), 0);
	model_unlock();
	free(bytes);
}

static inline int hw_read(const char *path, dma_addr_t addr)
{
	unsigned char byte;

	model_lock();
	assert_int_equal(model_dma_read(model_find(path), addr, &byte, 1), 0);
	model_unlock();
	return byte;
}

/* CPU and device see the same bytes, without a sync. */
static inline void assert_shared(const char *path, volatile unsigned char *virt, dma_addr_t addr,
				 size_t size)
{
	virt[0] = 0x5a;
	virt[size - 1] = 0xa5;
	wmb();
	assert_int_equal(hw_read(path, addr), 0x5a);
	assert_int_equal(hw_read(path, addr + size - 1), 0xa5);
	hw_write(path, addr, 0x33, size);
	rmb();
	assert_int_equal(virt[0], 0x33);
	assert_int_equal(virt[size / 2], 0x33);
	assert_int_equal(virt[size - 1], 0x33);
}

static inline void assert_zeroed(const void *virt, size_t size)
{
	const unsigned char *bytes = virt;

	for (size_t i = 0; i < size; i++)
		if (bytes[i])
			fail_msg("byte %zu is %#x", i, bytes[i]);
}

/* Memory that is not kmalloc()'s own: what that keeps for later does not count. */
static inline uint64_t pages_used(void)
{
	struct berth_memory_info info;

	berth_memory_info(&info);
	return info.used - info.slab + info.cma_used;
}

#endif
