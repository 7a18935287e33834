/* SPDX-License-Identifier: BSD-2-Clause */
/**
 * DOC: dmaengine-driver - what the driver of a DMA controller provides
 *
 * linux/dmaengine.h, drivers/dma/dmaengine.h, linux/of_dma.h; meaning:
 * Documentation/driver-api/dmaengine/provider.rst. A driver fills in a struct dma_device, initialises
 * its channels, and registers it; most let virt-dma.h keep their descriptors.
 */
#ifndef BERTH_DMAENGINE_DRIVER_H
#define BERTH_DMAENGINE_DRIVER_H

#include <berth/barrier.h>
#include <berth/dmaengine.h>
#include <berth/trace.h>
#include <berth/of.h>

#include <berth/names.h>

BERTH_BEGIN_DECLS

/**
 * dma_async_device_register() - offer a controller's channels
 * @device: filled in; the driver's until the end, see @device_release
 *
 * May sleep. Return: 0; -EIO (CAPABILITY: a capability without its call, or no @device_tx_status or
 * @device_issue_pending), -ENODEV (no @dev), -EINVAL, -ENOMEM.
 */
int dma_async_device_register(struct dma_device *device);

/**
 * dma_async_device_unregister() - offer them no more
 *
 * Clients that still hold a channel are reported; their transfers are terminated, their callbacks are
 * over on return, and all that they may still do is to release it: every other call fails with
 * STATE. Their descriptors are freed. No call of the driver's is made afterwards, but for
 * @device_release; only one that a client has begun before may not have returned, as in Linux, and a
 * driver that cannot rule that out waits for it. May sleep.
 */
void dma_async_device_unregister(struct dma_device *device);

/** dma_async_device_channel_register() - a channel more, of a registered controller. May sleep. */
int dma_async_device_channel_register(struct dma_device *device, struct dma_chan *chan);

/**
 * dma_async_device_channel_unregister() - a channel less
 *
 * For its clients as if the controller went. Its memory stays until they have released it. May sleep.
 */
void dma_async_device_channel_unregister(struct dma_device *device, struct dma_chan *chan);

/** dma_get_slave_channel() - for of_dma_xlate functions: take that channel, or NULL. May sleep. */
struct dma_chan *dma_get_slave_channel(struct dma_chan *chan);

/** dma_get_any_slave_channel() - the same with any free channel of a controller. May sleep. */
struct dma_chan *dma_get_any_slave_channel(struct dma_device *device);

/* Channels by device tree. */

/**
 * struct of_dma - a controller at a node
 * @of_node: the node
 * @of_dma_xlate: from the cells of a dmas entry to a channel, taken
 * @of_dma_data: the driver's own
 */
struct of_dma {
	struct device_node *of_node;
	struct dma_chan *(*of_dma_xlate)(struct of_phandle_args *dma_spec, struct of_dma *ofdma);
	void *of_dma_data;
};

/**
 * of_dma_controller_register() - let clients find channels by their dmas
 * @np: the controller's node, with #dma-cells
 * @of_dma_xlate: the channel, taken with dma_get_slave_channel(); NULL or an ERR_PTR if there is none
 * @data: for @of_dma_xlate
 *
 * May sleep. Return: 0, -EINVAL, -ENOMEM.
 */
int of_dma_controller_register(struct device_node *np,
			       struct dma_chan *(*of_dma_xlate)(struct of_phandle_args *dma_spec,
								struct of_dma *ofdma),
			       void *data);

/** of_dma_controller_free() - undo of_dma_controller_register(). May sleep. */
void of_dma_controller_free(struct device_node *np);

/** of_dma_xlate_by_chan_id() - one cell: the channel's number. @of_dma_data: the struct dma_device. */
struct dma_chan *of_dma_xlate_by_chan_id(struct of_phandle_args *dma_spec, struct of_dma *ofdma);

/* Cookies, under the channel's lock. */

/** dma_cookie_init() - a channel that has done nothing. */
static inline void dma_cookie_init(struct dma_chan *chan)
{
	chan->cookie = DMA_MIN_COOKIE;
	chan->completed_cookie = DMA_MIN_COOKIE;
	chan->nr_failed = 0;
}

/** dma_cookie_assign() - name a descriptor that is being submitted. */
static inline dma_cookie_t dma_cookie_assign(struct dma_async_tx_descriptor *tx)
{
	tx->cookie = berth_dma_cookie_next(tx->chan->cookie);
	berth_smp_order();
	__atomic_store_n(&tx->chan->cookie, tx->cookie, BERTH_SMP_RELEASE);
	return tx->cookie;
}

/** berth_dma_cookie_wake() - the rest of dma_cookie_complete(): who sleeps in dma_sync_wait() looks again. */
void berth_dma_cookie_wake(struct dma_async_tx_descriptor *tx);

/** berth_dma_cookie_set() - the first part of dma_cookie_complete(); whether berth_dma_cookie_wake() is due. */
static inline bool berth_dma_cookie_set(struct dma_async_tx_descriptor *tx)
{
	struct dma_chan *chan = tx->chan;

	berth_smp_order();
	__atomic_store_n(&chan->completed_cookie, tx->cookie, BERTH_SMP_SEQ_CST);
	berth_smp_order();
	tx->cookie = 0;
	/* Who sleeps has counted himself before he looked at the cookie. */
	return (__atomic_load_n(&chan->nr_waiting, BERTH_SMP_SEQ_CST) |
		__atomic_load_n(&berth_trace_is_on, __ATOMIC_RELAXED)) != 0;
}

/**
 * dma_cookie_complete() - a descriptor is done: before its callback
 *
 * Whoever sleeps in dma_sync_wait() wakes up.
 */
static inline void dma_cookie_complete(struct dma_async_tx_descriptor *tx)
{
	if (berth_dma_cookie_set(tx))
		berth_dma_cookie_wake(tx);
}

/** berth_dma_cookie_fail() - dma_cookie_complete() of one that has failed. */
void berth_dma_cookie_fail(struct dma_async_tx_descriptor *tx);

/**
 * dma_cookie_status() - what the cookies alone say
 *
 * @state is filled in with a residue of 0. Any context, also without the lock.
 */
enum dma_status dma_cookie_status(struct dma_chan *chan, dma_cookie_t cookie,
				  struct dma_tx_state *state);

/** dma_set_residue() - set what is left, in a state that may be NULL. */
static inline void dma_set_residue(struct dma_tx_state *state, uint32_t residue)
{
	if (state)
		state->residue = residue;
}

/** dma_set_in_flight_bytes() - set what was read and not written yet. */
static inline void dma_set_in_flight_bytes(struct dma_tx_state *state, uint32_t in_flight_bytes)
{
	if (state)
		state->in_flight_bytes = in_flight_bytes;
}

/* Callbacks. */

/**
 * struct dmaengine_desc_callback - a descriptor's callback, apart from it
 * @callback: see struct dma_async_tx_descriptor
 * @callback_result: likewise
 * @callback_param: likewise
 */
struct dmaengine_desc_callback {
	dma_async_tx_callback callback;
	dma_async_tx_callback_result callback_result;
	void *callback_param;
};

/** dmaengine_desc_get_callback() - take a copy of a descriptor's callback. */
static inline void dmaengine_desc_get_callback(const struct dma_async_tx_descriptor *tx,
					       struct dmaengine_desc_callback *cb)
{
	cb->callback = tx->callback;
	cb->callback_result = tx->callback_result;
	cb->callback_param = tx->callback_param;
}

/** dmaengine_desc_callback_invoke() - call it; without @result, it went well. No lock is held. */
static inline void dmaengine_desc_callback_invoke(const struct dmaengine_desc_callback *cb,
						  const struct dmaengine_result *result)
{
	const struct dmaengine_result good = { DMA_TRANS_NOERROR, 0 };

	if (cb->callback_result)
		cb->callback_result(cb->callback_param, result ? result : &good);
	else if (cb->callback)
		cb->callback(cb->callback_param);
}

/** dmaengine_desc_get_callback_invoke() - both at once. */
static inline void dmaengine_desc_get_callback_invoke(const struct dma_async_tx_descriptor *tx,
						      const struct dmaengine_result *result)
{
	struct dmaengine_desc_callback cb;

	dmaengine_desc_get_callback(tx, &cb);
	dmaengine_desc_callback_invoke(&cb, result);
}

/** dmaengine_desc_callback_valid() - whether there is a callback. */
static inline bool dmaengine_desc_callback_valid(const struct dmaengine_desc_callback *cb)
{
	return cb->callback || cb->callback_result;
}

/** dma_async_tx_descriptor_init() - the first thing to do with a descriptor. */
void dma_async_tx_descriptor_init(struct dma_async_tx_descriptor *tx, struct dma_chan *chan);

/** dma_descriptor_unmap() - let go of what the descriptor holds mapped; it is done. Any context. */
void dma_descriptor_unmap(struct dma_async_tx_descriptor *tx);

/**
 * berth_dma_fail() - why a channel's prepare call fails
 * @chan: the channel
 * @code: a negative errno value
 * @reason: as in struct berth_error
 * @what: its holder: which capability, which name; NULL for none
 * @address: its address
 * @length: its length
 * @limit: its limit
 *
 * Any context. Return: @code.
 */
int berth_dma_fail(const struct dma_chan *chan, int code, enum berth_reason reason,
		   const char *what, uint64_t address, uint64_t length, uint64_t limit);

BERTH_END_DECLS

#ifdef BERTH_NO_SHORT_NAMES
#include <berth/names-off.h>
#endif
#endif
