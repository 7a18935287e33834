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

#include <berth/dmaengine.h>
#include <berth/of.h>

#include <berth/names.h>

BERTH_BEGIN_DECLS

/**
 * struct dma_slave_map - a channel for a device that no tree tells of it
 * @devname: dev_name() of the client
 * @slave: the name it asks for
 * @param: handed to the filter
 */
struct dma_slave_map {
	const char *devname;
	const char *slave;
	void *param;
};

/**
 * struct dma_filter - a controller's table of such channels
 * @fn: chooses a channel by the parameter of the table's entry
 * @mapcnt: entries
 * @map: the table
 */
struct dma_filter {
	dma_filter_fn fn;
	int mapcnt;
	const struct dma_slave_map *map;
};

/**
 * struct dma_device - a DMA controller
 * @dev: the device; clients map memory for it
 * @cap_mask: what it can do. Each bit needs its prepare call
 * @channels: its channels; INIT_LIST_HEAD(), then vchan_init() or list_add_tail()
 * @filter: for clients that no tree describes
 * @desc_metadata_modes: enum desc_metadata_mode that it takes
 * @max_xor: sources of an XOR at most
 * @max_pq: sources of a PQ at most
 * @copy_align: log2 of the alignment of copies: both addresses and the length
 * @xor_align: the same of XOR
 * @pq_align: the same of PQ
 * @fill_align: the same of memset
 * @src_addr_widths: bit n: accesses of n bytes; see enum dma_slave_buswidth. 0: any
 * @dst_addr_widths: the same
 * @directions: bit n: enum dma_transfer_direction n
 * @min_burst: accesses in a burst at least
 * @max_burst: and at most; 0: any
 * @max_sg_burst: see struct dma_slave_caps
 * @descriptor_reuse: DMA_CTRL_REUSE is honoured
 * @residue_granularity: how exact a residue is
 * @device_alloc_chan_resources: before the first client; may sleep; descriptors made or a negative
 *	errno value; may be NULL
 * @device_free_chan_resources: after the last one; nothing is under way; may sleep; may be NULL
 * @device_prep_dma_memcpy: and the others: see their namesakes in dmaengine.h, which check
 *	capability, lengths and alignment before they call; NULL with the reason on failure
 * @device_caps: change a channel's capabilities from the controller's; may be NULL
 * @device_config: see dmaengine_slave_config()
 * @device_pause: see dmaengine_pause(); NULL if it cannot
 * @device_resume: likewise
 * @device_terminate_all: see dmaengine_terminate_async(); NULL if it cannot
 * @device_synchronize: see dmaengine_synchronize(); may be NULL
 * @device_tx_status: see dmaengine_tx_status()
 * @device_issue_pending: start what was submitted
 * @device_release: the last channel was released, and the controller was unregistered: free it. With
 *	NULL, the structure has to outlive its clients
 * @dev_id: private
 * @refs: private
 * @privatecnt: private: clients that have taken its channels for themselves
 * @is_gone: private: it was unregistered
 * @global_node: private
 */
struct dma_device {
	struct device *dev;
	dma_cap_mask_t cap_mask;
	struct list_head channels;
	struct dma_filter filter;
	uint32_t desc_metadata_modes;
	uint16_t max_xor;
	uint16_t max_pq;
	enum dmaengine_alignment copy_align;
	enum dmaengine_alignment xor_align;
	enum dmaengine_alignment pq_align;
	enum dmaengine_alignment fill_align;
	uint32_t src_addr_widths;
	uint32_t dst_addr_widths;
	uint32_t directions;
	uint32_t min_burst;
	uint32_t max_burst;
	uint32_t max_sg_burst;
	bool descriptor_reuse;
	enum dma_residue_granularity residue_granularity;

	int (*device_alloc_chan_resources)(struct dma_chan *chan);
	void (*device_free_chan_resources)(struct dma_chan *chan);
	struct dma_async_tx_descriptor *(*device_prep_dma_memcpy)(struct dma_chan *chan,
								  dma_addr_t dst, dma_addr_t src,
								  size_t len, unsigned long flags);
	struct dma_async_tx_descriptor *(*device_prep_dma_xor)(struct dma_chan *chan,
							       dma_addr_t dst, dma_addr_t *src,
							       unsigned int src_cnt, size_t len,
							       unsigned long flags);
	struct dma_async_tx_descriptor *(*device_prep_dma_xor_val)(struct dma_chan *chan,
								   dma_addr_t *src,
								   unsigned int src_cnt, size_t len,
								   enum sum_check_flags *result,
								   unsigned long flags);
	struct dma_async_tx_descriptor *(*device_prep_dma_pq)(struct dma_chan *chan,
							      dma_addr_t *dst, dma_addr_t *src,
							      unsigned int src_cnt,
							      const unsigned char *scf, size_t len,
							      unsigned long flags);
	struct dma_async_tx_descriptor *(*device_prep_dma_memset)(struct dma_chan *chan,
								  dma_addr_t dest, int value,
								  size_t len, unsigned long flags);
	struct dma_async_tx_descriptor *(*device_prep_dma_interrupt)(struct dma_chan *chan,
								     unsigned long flags);
	struct dma_async_tx_descriptor *(*device_prep_slave_sg)(
		struct dma_chan *chan, struct scatterlist *sgl, unsigned int sg_len,
		enum dma_transfer_direction direction, unsigned long flags);
	struct dma_async_tx_descriptor *(*device_prep_dma_cyclic)(
		struct dma_chan *chan, dma_addr_t buf_addr, size_t buf_len, size_t period_len,
		enum dma_transfer_direction direction, unsigned long flags);
	struct dma_async_tx_descriptor *(*device_prep_interleaved_dma)(
		struct dma_chan *chan, const struct dma_interleaved_template *xt,
		unsigned long flags);
	void (*device_caps)(struct dma_chan *chan, struct dma_slave_caps *caps);
	int (*device_config)(struct dma_chan *chan, struct dma_slave_config *config);
	int (*device_pause)(struct dma_chan *chan);
	int (*device_resume)(struct dma_chan *chan);
	int (*device_terminate_all)(struct dma_chan *chan);
	void (*device_synchronize)(struct dma_chan *chan);
	enum dma_status (*device_tx_status)(struct dma_chan *chan, dma_cookie_t cookie,
					    struct dma_tx_state *txstate);
	void (*device_issue_pending)(struct dma_chan *chan);
	void (*device_release)(struct dma_device *device);

	int dev_id;
	uint32_t refs;
	uint32_t privatecnt;
	bool is_gone;
	struct list_head global_node;
};

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
 * STATE. No call of the driver's is made afterwards, but for @device_release. May sleep.
 */
void dma_async_device_unregister(struct dma_device *device);

/** dma_async_device_channel_register() - a channel more, of a registered controller. May sleep. */
int dma_async_device_channel_register(struct dma_device *device, struct dma_chan *chan);

/** dma_async_device_channel_unregister() - a channel less; clients as on the controller's end. */
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
	__atomic_store_n(&tx->chan->cookie, tx->cookie, __ATOMIC_RELEASE);
	return tx->cookie;
}

/**
 * dma_cookie_complete() - a descriptor is done: before its callback
 *
 * Whoever sleeps in dma_sync_wait() wakes up.
 */
void dma_cookie_complete(struct dma_async_tx_descriptor *tx);

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
