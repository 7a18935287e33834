/* SPDX-License-Identifier: BSD-2-Clause */
/* What the tests of the software engine and of dmatest share. */
#ifndef TESTS_MODEL_SOFTWARE_H
#define TESTS_MODEL_SOFTWARE_H

#include "machine.h"

#include <berth/dma-mapping.h>
#include <berth/dma-software.h>
#include <berth/dmaengine.h>
#include <berth/drivers/dmatest.h>
#include <berth/gfp.h>
#include <berth/test.h>
#include <berth/timer.h>

/* A free channel that can copy, or NULL. */
static inline struct dma_chan *request_channel(void)
{
	dma_cap_mask_t mask;

	dma_cap_zero(mask);
	dma_cap_set(DMA_MEMCPY, mask);
	return dma_request_channel(mask, NULL, NULL);
}

static inline struct dma_chan *must_request(void)
{
	struct dma_chan *chan = request_channel();

	assert_non_null(chan);
	return chan;
}

static inline void say_failure(void *data, const struct berth_dmatest_failure *failure)
{
	char text[200];

	(void)data;
	berth_dmatest_text(failure, text, sizeof(text));
	print_message("# %s\n", text);
}

/* Memory of the linear map, and what the engine is told of it: it is coherent and one to one. */
static inline uint8_t *buffer(size_t size, int fill)
{
	uint8_t *at = alloc_pages_exact(size, GFP_KERNEL);

	assert_non_null(at);
	memset(at, fill, size);
	return at;
}

static inline dma_addr_t map(struct dma_chan *chan, void *at, size_t size)
{
	struct device *dev = dmaengine_get_dma_device(chan);
	dma_addr_t addr = dma_map_single(dev, at, size, DMA_BIDIRECTIONAL);

	assert_false(dma_mapping_error(dev, addr));
	return addr;
}

static inline void unmap(struct dma_chan *chan, dma_addr_t addr, size_t size)
{
	dma_unmap_single(dmaengine_get_dma_device(chan), addr, size, DMA_BIDIRECTIONAL);
}

#endif
