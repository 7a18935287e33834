/* SPDX-License-Identifier: BSD-2-Clause */
/* What a client does with its channel besides preparing. */
#include <berth/errno.h>
#include <berth/port.h>
#include <berth/timer.h>

#include "dmaengine/internal.h"
#include "lib/error.h"

#define SYNC_WAIT_MS 5000
/* Between two looks at a controller that may be one without interrupts. */
#define LOOK_NS NSEC_PER_MSEC

static bool is_gone(const struct dma_chan *chan)
{
	return __atomic_load_n(&chan->is_gone, __ATOMIC_ACQUIRE);
}

/* 0 if the controller is there. */
static int check(const struct dma_chan *chan)
{
	return is_gone(chan) ? berth_fail(-ENODEV, BERTH_REASON_STATE, chan->name) : 0;
}

static int cannot(const struct dma_chan *chan, int code, const char *what)
{
	return berth_dma_fail(chan, code, BERTH_REASON_CAPABILITY, what, 0, 0, 0);
}

struct device *dmaengine_get_dma_device(struct dma_chan *chan)
{
	return chan->device->dev;
}

int dma_get_slave_caps(struct dma_chan *chan, struct dma_slave_caps *caps)
{
	const struct dma_device *device;

	if (!chan || !caps)
		return berth_fail(-EINVAL, BERTH_REASON_ARGUMENT, "dma_get_slave_caps");
	device = chan->device;
	if ((!dma_has_cap(DMA_SLAVE, device->cap_mask) &&
	     !dma_has_cap(DMA_CYCLIC, device->cap_mask)) ||
	    !device->directions)
		return cannot(chan, -ENXIO, "slave");
	*caps = (struct dma_slave_caps){
		.src_addr_widths = device->src_addr_widths,
		.dst_addr_widths = device->dst_addr_widths,
		.directions = device->directions,
		.min_burst = device->min_burst,
		.max_burst = device->max_burst,
		.max_sg_burst = device->max_sg_burst,
		.cmd_pause = device->device_pause != NULL,
		.cmd_resume = device->device_resume != NULL,
		.cmd_terminate = device->device_terminate_all != NULL,
		.residue_granularity = device->residue_granularity,
		.descriptor_reuse = device->descriptor_reuse,
	};
	if (device->device_caps)
		device->device_caps(chan, caps);
	return 0;
}

static bool is_width(uint32_t widths, enum dma_slave_buswidth width)
{
	/* The mask has no bits for the widest; a controller that has them says so by 0. */
	return !widths || width == DMA_SLAVE_BUSWIDTH_UNDEFINED ||
	       ((unsigned int)width < 32 && widths >> width & 1);
}

static int check_config(const struct dma_chan *chan, const struct dma_slave_config *config)
{
	const struct dma_device *device = chan->device;
	uint32_t burst = config->src_maxburst > config->dst_maxburst ? config->src_maxburst
								     : config->dst_maxburst;

	if (!is_width(device->src_addr_widths, config->src_addr_width))
		return berth_dma_fail(chan, -EINVAL, BERTH_REASON_CAPABILITY, "source width", 0, 0,
				      0);
	if (!is_width(device->dst_addr_widths, config->dst_addr_width))
		return berth_dma_fail(chan, -EINVAL, BERTH_REASON_CAPABILITY, "destination width",
				      0, 0, 0);
	if (device->max_burst && burst > device->max_burst)
		return berth_dma_fail(chan, -EINVAL, BERTH_REASON_CAPABILITY, "burst", 0, burst,
				      device->max_burst);
	return 0;
}

int dmaengine_slave_config(struct dma_chan *chan, struct dma_slave_config *config)
{
	int err = check(chan);

	if (err)
		return err;
	if (!chan->device->device_config)
		return cannot(chan, -ENOSYS, "slave_config");
	err = check_config(chan, config);
	return err ? err : chan->device->device_config(chan, config);
}

enum dma_status dmaengine_tx_status(struct dma_chan *chan, dma_cookie_t cookie,
				    struct dma_tx_state *state)
{
	if (is_gone(chan))
		return dma_cookie_status(chan, cookie, state);
	return chan->device->device_tx_status(chan, cookie, state);
}

enum dma_status dma_async_is_tx_complete(struct dma_chan *chan, dma_cookie_t cookie,
					 dma_cookie_t *last, dma_cookie_t *used)
{
	struct dma_tx_state state = { 0 };
	enum dma_status status = dmaengine_tx_status(chan, cookie, &state);

	if (last)
		*last = state.last;
	if (used)
		*used = state.used;
	return status;
}

int berth_dma_set_polled(struct dma_chan *chan, bool is_polled)
{
	int err = check(chan);

	if (err)
		return err;
	if (!chan->device->device_set_polled)
		return is_polled ? cannot(chan, -ENOSYS, "polling") : 0;
	err = chan->device->device_set_polled(chan, is_polled);
	return err ? berth_dma_fail(chan, err, BERTH_REASON_STATE, "polling", 0, 0, 0) : 0;
}

static int wait_until(struct dma_chan *chan, dma_cookie_t cookie, uint64_t deadline,
		      uint64_t limit_ms)
{
	for (;;) {
		dma_cookie_t seen = __atomic_load_n(&chan->completed_cookie, __ATOMIC_SEQ_CST);
		enum dma_status status = dmaengine_tx_status(chan, cookie, NULL);
		uint64_t now, look;

		if (status == DMA_COMPLETE)
			return 0;
		if (status == DMA_ERROR)
			return berth_dma_fail(chan, -EIO, BERTH_REASON_TRANSFER, NULL,
					      (uint64_t)cookie, 0, 0);
		if (is_gone(chan))
			return check(chan);
		now = berth_port_now();
		if (now >= deadline)
			return berth_dma_fail(chan, -ETIMEDOUT, BERTH_REASON_TIMEOUT, NULL,
					      (uint64_t)cookie, 0, limit_ms);
		look = deadline - now > LOOK_NS ? now + LOOK_NS : deadline;
		berth_port_wait((const uint32_t *)&chan->completed_cookie, (uint32_t)seen, look);
	}
}

int berth_dma_wait(struct dma_chan *chan, dma_cookie_t cookie, unsigned long timeout)
{
	uint64_t now = berth_port_now(), deadline = UINT64_MAX;
	int err;

	if (dma_submit_error(cookie))
		return berth_dma_fail(chan, dma_submit_error(cookie), BERTH_REASON_ARGUMENT, NULL,
				      (uint64_t)(int64_t)cookie, 0, 0);
	if (timeout < (UINT64_MAX - now) / NSEC_PER_MSEC)
		deadline = now + timeout * NSEC_PER_MSEC;
	dma_async_issue_pending(chan);
	__atomic_fetch_add(&chan->nr_waiting, 1, __ATOMIC_SEQ_CST);
	err = wait_until(chan, cookie, deadline, timeout);
	__atomic_fetch_sub(&chan->nr_waiting, 1, __ATOMIC_RELAXED);
	return err;
}

enum dma_status dma_sync_wait(struct dma_chan *chan, dma_cookie_t cookie)
{
	return berth_dma_wait(chan, cookie, SYNC_WAIT_MS) ? DMA_ERROR : DMA_COMPLETE;
}

int dmaengine_pause(struct dma_chan *chan)
{
	int err = check(chan);

	if (err)
		return err;
	return chan->device->device_pause ? chan->device->device_pause(chan)
					  : cannot(chan, -ENOSYS, "pause");
}

int dmaengine_resume(struct dma_chan *chan)
{
	int err = check(chan);

	if (err)
		return err;
	return chan->device->device_resume ? chan->device->device_resume(chan)
					   : cannot(chan, -ENOSYS, "resume");
}

int dmaengine_terminate_async(struct dma_chan *chan)
{
	int err = check(chan);

	if (err)
		return err;
	return chan->device->device_terminate_all ? chan->device->device_terminate_all(chan)
						  : cannot(chan, -EINVAL, "terminate");
}

void dmaengine_synchronize(struct dma_chan *chan)
{
	if (!is_gone(chan) && chan->device->device_synchronize)
		chan->device->device_synchronize(chan);
}

int dmaengine_terminate_sync(struct dma_chan *chan)
{
	int err = dmaengine_terminate_async(chan);

	if (!err)
		dmaengine_synchronize(chan);
	return err;
}

int dmaengine_desc_set_reuse(struct dma_async_tx_descriptor *tx)
{
	struct dma_slave_caps caps;
	int err = dma_get_slave_caps(tx->chan, &caps);

	if (err)
		return err;
	if (!caps.descriptor_reuse)
		return cannot(tx->chan, -EPERM, "descriptor reuse");
	tx->flags |= DMA_CTRL_REUSE;
	return 0;
}

int dmaengine_desc_free(struct dma_async_tx_descriptor *desc)
{
	if (!dmaengine_desc_test_reuse(desc) || !desc->desc_free)
		return berth_dma_fail(desc->chan, -EPERM, BERTH_REASON_NOT_OWNED, NULL, 0, 0, 0);
	return desc->desc_free(desc);
}

bool dmaengine_is_metadata_mode_supported(struct dma_chan *chan, enum dma_desc_metadata_mode mode)
{
	return (chan->device->desc_metadata_modes & (uint32_t)mode) != 0;
}

/* The two ways must not be mixed in one descriptor. */
static int use_metadata(struct dma_async_tx_descriptor *desc, enum dma_desc_metadata_mode mode,
			bool is_there)
{
	if (!is_there || !dmaengine_is_metadata_mode_supported(desc->chan, mode))
		return cannot(desc->chan, -EINVAL, "metadata");
	if (desc->desc_metadata_mode != DESC_METADATA_NONE && desc->desc_metadata_mode != mode)
		return cannot(desc->chan, -EINVAL, "metadata in two ways");
	desc->desc_metadata_mode = mode;
	return 0;
}

int dmaengine_desc_attach_metadata(struct dma_async_tx_descriptor *desc, void *data, size_t len)
{
	int err = use_metadata(desc, DESC_METADATA_CLIENT,
			       desc->metadata_ops && desc->metadata_ops->attach);

	return err ? err : desc->metadata_ops->attach(desc, data, len);
}

void *dmaengine_desc_get_metadata_ptr(struct dma_async_tx_descriptor *desc, size_t *payload_len,
				      size_t *max_len)
{
	int err = use_metadata(desc, DESC_METADATA_ENGINE,
			       desc->metadata_ops && desc->metadata_ops->get_ptr);

	return err ? ERR_PTR(err) : desc->metadata_ops->get_ptr(desc, payload_len, max_len);
}

int dmaengine_desc_set_metadata_len(struct dma_async_tx_descriptor *desc, size_t payload_len)
{
	int err = use_metadata(desc, DESC_METADATA_ENGINE,
			       desc->metadata_ops && desc->metadata_ops->set_len);

	return err ? err : desc->metadata_ops->set_len(desc, payload_len);
}
