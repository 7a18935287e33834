/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A board of devices that differ in everything that matters to a shared buffer: what they reach, in how many pieces,
 * whether they see the CPU's caches, and whether the CPU copies for them.
 */
#ifndef TESTS_MODEL_DMA_BUF_BOARD_H
#define TESTS_MODEL_DMA_BUF_BOARD_H

#include "soc.h"

#include <berth/berth.h>
#include <berth/dma-buf.h>
#include <berth/dma-heap.h>
#include <berth/dma-mapping.h>
#include <berth/gfp.h>
#include <berth/of.h>
#include <berth/platform_device.h>
#include <berth/slab.h>
#include <berth/test.h>

#include <berth/drivers/smmu-v3.h>

#include "dma-buf/heap.h"

#define BOARD_LOW 0x20000000u
#define BOARD_MIDDLE 0x80000000u
#define BOARD_BANK (8u * (uint32_t)MIB)
#define BOARD_POOL (BOARD_LOW + 4u * (uint32_t)MIB)
#define BOARD_POOL_SIZE (2u * (uint32_t)MIB)
#define BOARD_RESTRICTED (BOARD_MIDDLE + 6u * (uint32_t)MIB)
/* The windows of the scaler's bus. */
#define BOARD_WINDOW_LOW (6u * (uint32_t)MIB)
#define BOARD_WINDOW_MIDDLE MIB

enum board_device { CAMERA, PROCESSOR, DISPLAY, SCALER, TUNER, NR_DEVICES };

struct board_actor {
	struct model_device *model;
	struct device *dev;
	bool is_coherent;
	bool is_copied;
};

struct board {
	struct board_actor actors[NR_DEVICES];
	bool is_forced;
};

static inline void board_device(struct fdt *fdt, const char *name, uint32_t at, bool is_coherent)
{
	fdt_begin(fdt, name);
	fdt_text(fdt, "compatible", "test,device");
	fdt_cells(fdt, "reg", 0, at, 0, 0x1000);
	if (is_coherent)
		fdt_flag(fdt, "dma-coherent");
}

static inline void board_memory(struct fdt *fdt)
{
	fdt_begin(fdt, "memory@20000000");
	fdt_text(fdt, "device_type", "memory");
	fdt_cells(fdt, "reg", 0, BOARD_LOW, 0, BOARD_BANK, 0, BOARD_MIDDLE, 0, BOARD_BANK, 1, 0, 0,
		  BOARD_BANK);
	fdt_end(fdt);
	fdt_begin(fdt, "reserved-memory");
	fdt_cells(fdt, "#address-cells", 2);
	fdt_cells(fdt, "#size-cells", 2);
	fdt_flag(fdt, "ranges");
	fdt_begin(fdt, "pool@20400000");
	fdt_text(fdt, "compatible", "shared-dma-pool");
	fdt_flag(fdt, "reusable");
	fdt_flag(fdt, "linux,cma-default");
	fdt_cells(fdt, "reg", 0, BOARD_POOL, 0, BOARD_POOL_SIZE);
	fdt_end(fdt);
	fdt_begin(fdt, "restricted@80600000");
	fdt_text(fdt, "compatible", "restricted-dma-pool");
	fdt_cells(fdt, "phandle", 2);
	fdt_cells(fdt, "reg", 0, BOARD_RESTRICTED, 0, (uint32_t)MIB);
	fdt_end(fdt);
	fdt_end(fdt);
}

/* Of @shape: bit 0: the camera sees the CPU's caches; bit 1: nobody else does; bit 2: the processor does. */
static inline const void *board_tree(unsigned int shape)
{
	static struct fdt fdt;

	fdt_start(&fdt, 2, 2);
	board_memory(&fdt);
	fdt_begin(&fdt, "smmu@30000000");
	fdt_text(&fdt, "compatible", "arm,smmu-v3");
	fdt_cells(&fdt, "reg", 0, 0x30000000, 0, 0x20000);
	fdt_cells(&fdt, "interrupts", 40, 41, 42);
	fdt_cells(&fdt, "#iommu-cells", 1);
	fdt_cells(&fdt, "phandle", 1);
	fdt_end(&fdt);
	board_device(&fdt, "camera@10000000", 0x10000000, shape & 1);
	fdt_end(&fdt);
	board_device(&fdt, "processor@10010000", 0x10010000, shape & 4);
	fdt_cells(&fdt, "iommus", 1, 7);
	fdt_end(&fdt);
	board_device(&fdt, "display@10020000", 0x10020000, !(shape & 2));
	fdt_end(&fdt);
	board_device(&fdt, "tuner@10030000", 0x10030000, false);
	fdt_cells(&fdt, "memory-region", 2);
	fdt_end(&fdt);
	fdt_begin(&fdt, "bus");
	fdt_text(&fdt, "compatible", "simple-bus");
	fdt_cells(&fdt, "#address-cells", 1);
	fdt_cells(&fdt, "#size-cells", 1);
	fdt_cells(&fdt, "ranges", 0, 0, 0x10040000, 0x10000);
	fdt_cells(&fdt, "dma-ranges", 0x1000000, 0, BOARD_LOW, BOARD_WINDOW_LOW, 0xc0000000, 0,
		  BOARD_MIDDLE, (uint32_t)BOARD_WINDOW_MIDDLE);
	fdt_begin(&fdt, "scaler@100");
	fdt_text(&fdt, "compatible", "test,device");
	fdt_cells(&fdt, "reg", 0x100, 0x80);
	fdt_end(&fdt);
	fdt_end(&fdt);
	return fdt_finish(&fdt);
}

/* 0, or what is not as it should be. */
static inline int board_find(struct board_actor *actor, const char *path, uint64_t mask)
{
	struct device_node *node = of_find_node_by_path(path);
	struct platform_device *pdev = node ? of_find_device_by_node(node) : NULL;

	*actor = (struct board_actor){ model_find(path), pdev ? &pdev->dev : NULL, false, false };
	if (!actor->model || !actor->dev || dma_set_mask_and_coherent(actor->dev, mask) ||
	    dma_set_max_seg_size(actor->dev, 1u << 30))
		return -ENODEV;
	actor->is_coherent = dev_is_dma_coherent(actor->dev);
	actor->is_copied = actor->dev->backend == BERTH_DMA_DIRECT &&
			   actor->dev->flags & BERTH_DEVICE_BOUNCE;
	return 0;
}

static inline int board_start(struct board *board, const struct berth_model_config *config,
			      unsigned int shape, bool is_forced)
{
	static const struct berth_driver drivers[] = {
		BERTH_PLATFORM_DRIVER(&berth_smmu_v3_driver),
		BERTH_NO_MORE_DRIVERS,
	};
	static const char *const paths[NR_DEVICES] = {
		[CAMERA] = "/camera@10000000",	 [PROCESSOR] = "/processor@10010000",
		[DISPLAY] = "/display@10020000", [SCALER] = "/bus/scaler@100",
		[TUNER] = "/tuner@10030000",
	};
	const struct berth_options options = { .machine = &berth_model,
					       .machine_config = config,
					       .bootargs = is_forced ? "swiotlb=512,force" : NULL };
	int err;

	model_add_type(&test_type);
	err = berth_start(board_tree(shape), drivers, &options);
	board->is_forced = is_forced;
	for (unsigned int i = 0; !err && i < NR_DEVICES; i++)
		err = board_find(&board->actors[i], paths[i],
				 i == CAMERA ? DMA_BIT_MASK(30) : DMA_BIT_MASK(32));
	if (!err)
		berth_dma_set_max_segments(board->actors[CAMERA].dev, 1);
	return err;
}

/* What a device reaches, said once more in other words. */
static inline bool board_reaches(const struct board *board, enum board_device who, uint64_t phys)
{
	const bool is_low = phys >= BOARD_LOW && phys < BOARD_LOW + BOARD_BANK;
	const bool is_middle = phys >= BOARD_MIDDLE && phys < BOARD_MIDDLE + BOARD_BANK;

	if (board->actors[who].is_copied || who == PROCESSOR)
		return true;
	if (who == SCALER)
		return (is_low && phys < BOARD_LOW + BOARD_WINDOW_LOW) ||
		       (is_middle && phys < BOARD_MIDDLE + BOARD_WINDOW_MIDDLE);
	return is_low || (is_middle && who == DISPLAY);
}

#endif
