/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A board on which three devices share buffers: a camera that is told one address below 1 GiB, a processor behind the
 * SMMU that takes any pages, both of which see memory, and a display that sees the CPU's caches below 4 GiB. RAM is in
 * three places, one within reach of each of them.
 */
#ifndef TESTS_MODEL_DMA_BUF_H
#define TESTS_MODEL_DMA_BUF_H

#include "soc.h"

#include <berth/berth.h>
#include <berth/cma.h>
#include <berth/dma-buf.h>
#include <berth/dma-heap.h>
#include <berth/dma-mapping.h>
#include <berth/gfp.h>
#include <berth/of.h>
#include <berth/platform_device.h>
#include <berth/test.h>

#include <berth/drivers/smmu-v3.h>

#define LOW_RAM 0x20000000u
#define MIDDLE_RAM 0x80000000u
#define BANK_SIZE (64u * (uint32_t)MIB)
#define POOL (LOW_RAM + 16u * (uint32_t)MIB)
#define POOL_SIZE (16u * (uint32_t)MIB)
#define KEPT (LOW_RAM + 32u * (uint32_t)MIB)
#define KEPT_SIZE (4u * (uint32_t)MIB)

struct station {
	struct model_device *model;
	struct device *dev;
};

static struct station camera, processor, display;

static const struct berth_driver dma_buf_drivers[] = {
	BERTH_PLATFORM_DRIVER(&berth_smmu_v3_driver),
	BERTH_NO_MORE_DRIVERS,
};

static inline void dma_buf_device(struct fdt *fdt, const char *name, uint32_t at, uint32_t sid,
				  bool is_coherent)
{
	fdt_begin(fdt, name);
	fdt_text(fdt, "compatible", "test,device");
	fdt_cells(fdt, "reg", 0, at, 0, 0x1000);
	if (sid)
		fdt_cells(fdt, "iommus", 1, sid);
	if (is_coherent)
		fdt_flag(fdt, "dma-coherent");
	fdt_end(fdt);
}

static inline const void *dma_buf_tree(void)
{
	static struct fdt fdt;

	fdt_start(&fdt, 2, 2);
	fdt_begin(&fdt, "memory@20000000");
	fdt_text(&fdt, "device_type", "memory");
	fdt_cells(&fdt, "reg", 0, LOW_RAM, 0, BANK_SIZE, 0, MIDDLE_RAM, 0, BANK_SIZE, 1, 0, 0,
		  BANK_SIZE);
	fdt_end(&fdt);
	fdt_begin(&fdt, "reserved-memory");
	fdt_cells(&fdt, "#address-cells", 2);
	fdt_cells(&fdt, "#size-cells", 2);
	fdt_flag(&fdt, "ranges");
	fdt_begin(&fdt, "pool@21000000");
	fdt_text(&fdt, "compatible", "shared-dma-pool");
	fdt_flag(&fdt, "reusable");
	fdt_flag(&fdt, "linux,cma-default");
	fdt_cells(&fdt, "reg", 0, POOL, 0, POOL_SIZE);
	fdt_end(&fdt);
	fdt_begin(&fdt, "kept@22000000");
	fdt_text(&fdt, "compatible", "shared-dma-pool");
	fdt_flag(&fdt, "reusable");
	fdt_flag(&fdt, "berth,guaranteed");
	fdt_cells(&fdt, "reg", 0, KEPT, 0, KEPT_SIZE);
	fdt_end(&fdt);
	fdt_end(&fdt);
	fdt_begin(&fdt, "smmu@30000000");
	fdt_text(&fdt, "compatible", "arm,smmu-v3");
	fdt_cells(&fdt, "reg", 0, 0x30000000, 0, 0x20000);
	fdt_cells(&fdt, "#iommu-cells", 1);
	fdt_cells(&fdt, "phandle", 1);
	fdt_end(&fdt);
	dma_buf_device(&fdt, "camera@10000000", 0x10000000, 0, false);
	dma_buf_device(&fdt, "processor@10010000", 0x10010000, 7, false);
	dma_buf_device(&fdt, "display@10020000", 0x10020000, 0, true);
	return fdt_finish(&fdt);
}

static inline struct station find_station(const char *path, uint64_t mask)
{
	struct device_node *node = of_find_node_by_path(path);
	struct platform_device *pdev = node ? of_find_device_by_node(node) : NULL;
	struct station station = { model_find(path), pdev ? &pdev->dev : NULL };

	assert_non_null(station.model);
	assert_non_null(station.dev);
	assert_int_equal(dma_set_mask_and_coherent(station.dev, mask), 0);
	assert_int_equal(dma_set_max_seg_size(station.dev, 1u << 30), 0);
	return station;
}

static inline void dma_buf_start(const struct berth_model_config *config)
{
	const struct berth_options options = { .machine = &berth_model, .machine_config = config };
	char why[200];

	if (berth_running())
		berth_stop(); /* a test before this one has failed */
	model_add_type(&test_type);
	if (berth_start(dma_buf_tree(), dma_buf_drivers, &options)) {
		berth_error_text(NULL, why, sizeof(why));
		fail_msg("berth_start: %s", why);
	}
	camera = find_station("/camera@10000000", DMA_BIT_MASK(30));
	processor = find_station("/processor@10010000", DMA_BIT_MASK(32));
	display = find_station("/display@10020000", DMA_BIT_MASK(32));
	berth_dma_set_max_segments(camera.dev, 1);
}

static inline void dma_buf_stop(void)
{
	char why[200];

	if (berth_stop()) {
		berth_error_text(NULL, why, sizeof(why));
		fail_msg("berth_stop: %s", why);
	}
}

static inline void assert_why(enum berth_reason reason)
{
	char why[200];

	berth_error_text(NULL, why, sizeof(why));
	if (berth_last_error()->reason != reason)
		fail_msg("wanted reason %d, got %d: %s", reason, berth_last_error()->reason, why);
}

static inline struct dma_buf *new_buffer(const char *heap, size_t size)
{
	struct dma_heap *from = dma_heap_find(heap);
	struct dma_buf *dmabuf;

	assert_non_null(from);
	dmabuf = dma_heap_buffer_alloc(from, size, BERTH_O_RDWR, 0);
	assert_false(IS_ERR(dmabuf));
	return dmabuf;
}

static inline struct dma_buf_attachment *must_attach(struct dma_buf *dmabuf,
						     const struct station *station)
{
	struct dma_buf_attachment *attach = dma_buf_attach(dmabuf, station->dev);
	char why[200];

	if (IS_ERR(attach)) {
		berth_error_text(NULL, why, sizeof(why));
		fail_msg("dma_buf_attach: %s", why);
	}
	return attach;
}

static inline struct sg_table *must_map(struct dma_buf_attachment *attach,
					enum dma_data_direction dir)
{
	struct sg_table *sgt = dma_buf_map_attachment_unlocked(attach, dir);
	char why[200];

	if (IS_ERR(sgt)) {
		berth_error_text(NULL, why, sizeof(why));
		fail_msg("dma_buf_map_attachment: %s", why);
	}
	return sgt;
}

/* A byte of a picture. */
static inline uint8_t pixel(unsigned int picture, size_t at)
{
	return (uint8_t)((at * 31 + at / 4096 * 7 + picture * 101 + 1) & 0xff);
}

static inline void device_writes(const struct station *station, const struct sg_table *sgt,
				 unsigned int picture)
{
	struct scatterlist *sg;
	size_t at = 0;
	unsigned int i;

	for_each_sgtable_dma_sg(sgt, sg, i) {
		uint8_t *bytes = malloc(sg_dma_len(sg));

		assert_non_null(bytes);
		for (size_t b = 0; b < sg_dma_len(sg); b++)
			bytes[b] = pixel(picture, at++);
		model_lock();
		assert_int_equal(model_dma_write(station->model, sg_dma_address(sg), bytes,
						 sg_dma_len(sg)),
				 0);
		model_unlock();
		free(bytes);
	}
}

/* How many bytes are not as in the picture. */
static inline size_t device_reads(const struct station *station, const struct sg_table *sgt,
				  unsigned int picture)
{
	struct scatterlist *sg;
	size_t at = 0, wrong = 0;
	unsigned int i;

	for_each_sgtable_dma_sg(sgt, sg, i) {
		uint8_t *bytes = malloc(sg_dma_len(sg));

		assert_non_null(bytes);
		model_lock();
		assert_int_equal(model_dma_read(station->model, sg_dma_address(sg), bytes,
						sg_dma_len(sg)),
				 0);
		model_unlock();
		for (size_t b = 0; b < sg_dma_len(sg); b++)
			wrong += bytes[b] != pixel(picture, at++);
		free(bytes);
	}
	return wrong;
}

static inline size_t cpu_reads(const uint8_t *bytes, size_t size, unsigned int picture)
{
	size_t wrong = 0;

	for (size_t at = 0; at < size; at++)
		wrong += bytes[at] != pixel(picture, at);
	return wrong;
}

static inline void cpu_writes(uint8_t *bytes, size_t size, unsigned int picture)
{
	for (size_t at = 0; at < size; at++)
		bytes[at] = pixel(picture, at);
}

static inline struct berth_dma_buf_stats stats_of(struct dma_buf *dmabuf)
{
	struct berth_dma_buf_stats stats;

	berth_dma_buf_get_stats(dmabuf, &stats);
	return stats;
}

#endif
