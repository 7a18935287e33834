/* SPDX-License-Identifier: BSD-2-Clause */
/* The board of the tests of the SiFive PDMA: engines, and a FIFO that judges what they move. */
#ifndef TESTS_MODEL_PDMA_H
#define TESTS_MODEL_PDMA_H

#include "machine.h"

#include <berth/dma-mapping.h>
#include <berth/dmaengine-driver.h>
#include <berth/of.h>
#include <berth/platform_device.h>
#include <berth/slab.h>
#include <berth/test.h>
#include <berth/timer.h>

#include <berth/drivers/sifive-pdma.h>
#include <berth/drivers/smmu-v3.h>

#include "dma_copy.h"

#define FIFO "/fifo@10000000"
#define FIFO_WINDOW 0x10001000u
#define FIFO_WINDOW_BYTES 4096u

/* The engines: as it should be, without interrupts, behind an SMMU, on a bus with an offset. */
#define PLAIN "/dma-controller@3000000"
#define POLLED "/dma-controller@3010000"
#define BEHIND "/dma-controller@3020000"
#define SHIFTED "/bus/dma-controller@0"

static const char *const engines[] = { PLAIN, POLLED, BEHIND, SHIFTED };

static const struct berth_driver pdma_drivers[] = {
	BERTH_PLATFORM_DRIVER(&berth_smmu_v3_driver),
	BERTH_PLATFORM_DRIVER(&berth_pdma_driver),
	BERTH_NO_MORE_DRIVERS,
};

static inline void pdma_boot(const struct berth_model_config *config)
{
	if (berth_running())
		berth_stop(); /* a test before this one has failed */
	assert_int_equal(start_tree(tree_playback, pdma_drivers, config), 0);
}

static inline struct device *device_of(const char *path)
{
	struct platform_device *pdev = of_find_device_by_node(of_find_node_by_path(path));

	assert_non_null(pdev);
	return &pdev->dev;
}

static inline struct dma_chan *must_request(const char *engine)
{
	struct dma_chan *chan = dma_chan_of(device_of(engine));

	assert_non_null(chan);
	return chan;
}

static inline struct berth_model_fifo_stats fifo_stats(void)
{
	struct berth_model_fifo_stats stats;

	assert_int_equal(berth_model_fifo_stats(FIFO, &stats), 0);
	return stats;
}

/* The FIFO's next accesses, 8 bytes wide, through its window. */
static inline void must_configure(struct dma_chan *chan)
{
	struct dma_slave_config config = {
		.src_addr = FIFO_WINDOW,
		.dst_addr = FIFO_WINDOW,
		.src_addr_width = DMA_SLAVE_BUSWIDTH_8_BYTES,
		.dst_addr_width = DMA_SLAVE_BUSWIDTH_8_BYTES,
		.src_port_window_size = FIFO_WINDOW_BYTES / 8,
		.dst_port_window_size = FIFO_WINDOW_BYTES / 8,
	};

	assert_int_equal(dmaengine_slave_config(chan, &config), 0);
}

/* What the FIFO wants to hear, from its byte @first on; a multiple of 8. */
static inline void fill_sequence(void *at, uint64_t first, size_t size)
{
	uint64_t *words = at;

	for (size_t i = 0; i < size / 8; i++)
		words[i] = first / 8 + i;
}

static inline bool is_sequence(const void *at, uint64_t first, size_t size)
{
	const uint64_t *words = at;

	for (size_t i = 0; i < size / 8; i++)
		if (words[i] != first / 8 + i)
			return false;
	return true;
}

static _Thread_local uint32_t pdma_seed = 1;

static inline uint32_t any(uint32_t bound)
{
	pdma_seed = pdma_seed * 1664525u + 1013904223u;
	return (uint32_t)((uint64_t)(pdma_seed >> 4) * bound >> 28);
}

static inline void fill_random(uint8_t *at, size_t size)
{
	for (size_t i = 0; i < size; i++)
		at[i] = (uint8_t)any(256);
}

static inline uint64_t memory_in_use(void)
{
	struct berth_memory_info info;

	berth_memory_info(&info);
	return info.used - info.slab;
}

static inline dma_addr_t must_map(struct device *dev, void *at, size_t size,
				  enum dma_data_direction dir)
{
	dma_addr_t addr = dma_map_single(dev, at, size, dir);

	assert_int_equal(dma_mapping_error(dev, addr), 0);
	return addr;
}

/* A pattern of memory with gaps on both sides, for free(). */
static inline struct dma_interleaved_template *
make_template(size_t numf, const struct data_chunk *chunks, size_t nr)
{
	struct dma_interleaved_template *xt = calloc(1, sizeof(*xt) + nr * sizeof(*chunks));

	assert_non_null(xt);
	xt->dir = DMA_MEM_TO_MEM;
	xt->src_inc = xt->dst_inc = xt->src_sgl = xt->dst_sgl = true;
	xt->numf = numf;
	xt->frame_size = nr;
	memcpy(xt->sgl, chunks, nr * sizeof(*chunks));
	return xt;
}

/* What a callback was told. */
struct told {
	unsigned int calls;
	struct dmaengine_result last;
};

static inline void tell(void *data, const struct dmaengine_result *result)
{
	struct told *told = data;

	told->calls++;
	told->last = *result;
}

#endif
