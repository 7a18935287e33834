/* SPDX-License-Identifier: BSD-2-Clause */
/* What the tests of the PL330 on QEMU's Zynq share. */
#ifndef TESTS_QEMU_ZYNQ_H
#define TESTS_QEMU_ZYNQ_H

#include <berth/dma-mapping.h>
#include <berth/dmaengine.h>
#include <berth/platform_device.h>
#include <berth/slab.h>
#include <berth/test.h>
#include <berth/timer.h>

#include <berth/drivers/pl330.h>

#include "board.h"
#include "trees.h"

static const struct berth_driver zynq_drivers[] = {
	BERTH_PLATFORM_DRIVER(&berth_pl330_driver),
	BERTH_NO_MORE_DRIVERS,
};

static inline int start_zynq_with(const struct berth_driver *drivers, const char *const *arguments)
{
	const struct berth_qemu_config config = {
		.machine = "xilinx-zynq-a9",
		.arguments = arguments,
		.timeout_ms = 120000,
		.slow_down = SLOW_DOWN,
	};
	const struct berth_options options = { .machine = &berth_qemu, .machine_config = &config };

	if (berth_running())
		berth_stop(); /* a test before this one has failed */
	return berth_start(tree_qemu_zynq, drivers, &options);
}

static inline void must_start_zynq(const char *const *arguments)
{
	char why[200];

	if (start_zynq_with(zynq_drivers, arguments)) {
		berth_error_text(NULL, why, sizeof(why));
		fail_msg("berth_start: %s", why);
	}
}

static inline struct dma_chan *must_take(enum dma_transaction_type type)
{
	struct dma_chan *chan;
	dma_cap_mask_t mask;

	dma_cap_zero(mask);
	dma_cap_set(type, mask);
	chan = dma_request_chan_by_mask(&mask);
	assert_false(IS_ERR(chan));
	return chan;
}

static inline struct device *device_of(struct dma_chan *chan)
{
	return dmaengine_get_dma_device(chan);
}

static inline dma_addr_t must_map(struct dma_chan *chan, void *bytes, size_t size,
				  enum dma_data_direction dir)
{
	dma_addr_t at = dma_map_single(device_of(chan), bytes, size, dir);

	assert_int_equal(dma_mapping_error(device_of(chan), at), 0);
	return at;
}

/* Submits and starts. */
static inline dma_cookie_t must_begin(struct dma_async_tx_descriptor *tx)
{
	struct dma_chan *chan;
	dma_cookie_t cookie;
	char why[200];

	if (!tx) {
		berth_error_text(NULL, why, sizeof(why));
		fail_msg("prepare: %s", why);
	}
	chan = tx->chan;
	cookie = dmaengine_submit(tx);
	assert_int_equal(dma_submit_error(cookie), 0);
	dma_async_issue_pending(chan);
	return cookie;
}

static inline void must_run(struct dma_async_tx_descriptor *tx)
{
	struct dma_chan *chan = tx ? tx->chan : NULL;
	dma_cookie_t cookie = must_begin(tx);

	assert_int_equal(dma_sync_wait(chan, cookie), DMA_COMPLETE);
}

/* Whether a copy came out right; both buffers have @size bytes and more. */
static inline bool copies(struct dma_chan *chan, uint8_t *dst, uint8_t *src, size_t size)
{
	dma_addr_t to, from;
	dma_cookie_t cookie;

	from = dma_map_single(device_of(chan), src, size, DMA_TO_DEVICE);
	to = dma_map_single(device_of(chan), dst, size, DMA_FROM_DEVICE);
	if (dma_mapping_error(device_of(chan), from) || dma_mapping_error(device_of(chan), to))
		return false;
	cookie = dmaengine_submit(
		dmaengine_prep_dma_memcpy(chan, to, from, size, DMA_PREP_INTERRUPT | DMA_CTRL_ACK));
	dma_async_issue_pending(chan);
	if (cookie < 0 || dma_sync_wait(chan, cookie) != DMA_COMPLETE)
		return false;
	dma_unmap_single(device_of(chan), from, size, DMA_TO_DEVICE);
	dma_unmap_single(device_of(chan), to, size, DMA_FROM_DEVICE);
	return !memcmp(dst, src, size);
}

#endif
