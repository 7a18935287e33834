/* SPDX-License-Identifier: BSD-2-Clause */
/**
 * DOC: dmaengine - DMA controllers that work for others (linux/dmaengine.h)
 *
 * A client takes a channel, prepares a descriptor, submits it for a cookie, and issues what is
 * pending; memory is mapped for the controller, dmaengine_get_dma_device(), by the client. Meaning:
 * Documentation/driver-api/dmaengine/client.rst. What a controller's driver provides is in
 * dmaengine-driver.h. A call that fails leaves its reason in berth_last_error().
 */
#ifndef BERTH_DMAENGINE_H
#define BERTH_DMAENGINE_H

#include <berth/device.h>
#include <berth/dmaengine-types.h>
#include <berth/list.h>
#include <berth/scatterlist.h>
#include <berth/types.h>

#include <berth/names.h>

BERTH_BEGIN_DECLS

struct dma_async_tx_descriptor;
struct dma_device;
struct device_node;

/* Failed transfers that a channel remembers for those who ask with a cookie. */
#define BERTH_DMA_FAILED_COOKIES 4

/**
 * struct dma_chan - a channel of a controller
 * @device: the controller; NULL once it is gone and nobody holds the channel
 * @slave: the device for which it was taken by name, or NULL
 * @cookie: the last that was given out
 * @completed_cookie: the last that is done
 * @failed_cookies: the last ones that failed
 * @nr_failed: how many have failed, ever
 * @nr_waiting: who sleeps in dma_sync_wait()
 * @chan_id: its number in the controller
 * @client_count: how often it was taken
 * @table_count: how many kinds of work it is offered for by dma_find_channel()
 * @name: "dma0chan1"
 * @client: what it was taken for, for reports
 * @device_node: its place in the controller's list of channels
 * @private_data: for filters; Linux: private
 * @is_public: private: held for those between dmaengine_get() and dmaengine_put()
 * @is_gone: private: it or its controller was unregistered
 * @is_polled: see berth_dma_set_polled(); of the driver's lock
 */
struct dma_chan {
	struct dma_device *device;
	struct device *slave;
	dma_cookie_t cookie;
	dma_cookie_t completed_cookie;
	dma_cookie_t failed_cookies[BERTH_DMA_FAILED_COOKIES];
	uint32_t nr_failed;
	uint32_t nr_waiting;
	int chan_id;
	uint32_t client_count;
	uint32_t table_count;
	char name[24];
	char client[32];
	struct list_head device_node;
	void *private_data;
	bool is_public;
	bool is_gone;
	bool is_polled;
};

/**
 * struct dmaengine_unmap_data - what to unmap when a transfer is done
 * @map_cnt: entries of @addr that there is room for
 * @to_cnt: entries mapped DMA_TO_DEVICE, the first ones
 * @from_cnt: entries mapped DMA_FROM_DEVICE, behind them
 * @bidi_cnt: entries mapped DMA_BIDIRECTIONAL, the last ones
 * @refs: who holds it
 * @dev: the controller's device
 * @len: bytes of each entry
 * @addr: the DMA addresses
 */
struct dmaengine_unmap_data {
	uint16_t map_cnt;
	uint16_t to_cnt;
	uint16_t from_cnt;
	uint16_t bidi_cnt;
	uint32_t refs;
	struct device *dev;
	size_t len;
	dma_addr_t *addr;
};

/**
 * struct dma_descriptor_metadata_ops - a controller's own data that goes with a descriptor
 * @attach: take the client's buffer; 0 or a negative errno value
 * @get_ptr: the controller's room, its bytes and how many are in use; or an ERR_PTR
 * @set_len: how many the client has put in; 0 or a negative errno value
 */
struct dma_descriptor_metadata_ops {
	int (*attach)(struct dma_async_tx_descriptor *desc, void *data, size_t len);
	void *(*get_ptr)(struct dma_async_tx_descriptor *desc, size_t *payload_len,
			 size_t *max_len);
	int (*set_len)(struct dma_async_tx_descriptor *desc, size_t payload_len);
};

/**
 * struct dma_async_tx_descriptor - one piece of work
 * @cookie: its name once it was submitted; 0 when it is done
 * @flags: enum dma_ctrl_flags
 * @phys: DMA address of the controller's own descriptor, if it has one
 * @chan: whose work it is
 * @tx_submit: the controller's: queue it
 * @desc_free: the controller's: free one that may be reused; NULL if it cannot be
 * @callback: called when it is done; see dma_async_tx_callback
 * @callback_result: the same, with the result; takes precedence
 * @callback_param: handed to either
 * @unmap: unmapped when it is done, or NULL; see dma_set_unmap()
 * @desc_metadata_mode: which of the metadata calls were used
 * @metadata_ops: the controller's, or NULL
 *
 * A client sets the callback and its parameter between prepare and submit, and nothing else.
 */
struct dma_async_tx_descriptor {
	dma_cookie_t cookie;
	uint32_t flags;
	dma_addr_t phys;
	struct dma_chan *chan;
	dma_cookie_t (*tx_submit)(struct dma_async_tx_descriptor *tx);
	int (*desc_free)(struct dma_async_tx_descriptor *tx);
	dma_async_tx_callback callback;
	dma_async_tx_callback_result callback_result;
	void *callback_param;
	struct dmaengine_unmap_data *unmap;
	enum dma_desc_metadata_mode desc_metadata_mode;
	const struct dma_descriptor_metadata_ops *metadata_ops;
};

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
 * @device_set_polled: see berth_dma_set_polled(); of a channel with interrupts; may be NULL
 * @device_poll: see berth_dma_poll(); with @device_set_polled
 * @device_release: the last channel was released, and the controller was unregistered: free it. With
 *	NULL, the structure has to outlive its clients
 * @dev_id: private
 * @refs: private
 * @privatecnt: private: clients that have taken its channels for themselves
 * @nr_public: private: channels that are held for all others
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
	int (*device_set_polled)(struct dma_chan *chan, bool is_polled);
	void (*device_poll)(struct dma_chan *chan);
	void (*device_release)(struct dma_device *device);

	int dev_id;
	uint32_t refs;
	uint32_t privatecnt;
	uint32_t nr_public;
	struct list_head global_node;
};

/* Channels. */

/**
 * dma_request_chan() - take the channel that the device tree gives a device for a purpose
 * @dev: the client
 * @name: an entry of its dma-names
 *
 * Where the tree says nothing, controllers' own tables (struct dma_filter) are asked. The channel is
 * the caller's alone. May sleep. Return: the channel, until dma_release_channel(), or an ERR_PTR:
 * -EPROBE_DEFER (its controller has not come yet, or nothing matches: let the probe return it),
 * -ENODEV (NO_CHANNEL: the tree has no such name; CHANNEL_BUSY: it is taken; TREE).
 */
struct dma_chan *dma_request_chan(struct device *dev, const char *name);

/**
 * dma_request_chan_by_mask() - take any channel that can do some kinds of work
 * @mask: what it has to be able to do
 *
 * May sleep. Return: the channel, or an ERR_PTR: -EPROBE_DEFER (there is no controller at all),
 * -ENODEV (NO_CHANNEL: none that is free can).
 */
struct dma_chan *dma_request_chan_by_mask(const dma_cap_mask_t *mask);

/**
 * __dma_request_channel() - dma_request_chan_by_mask() with a filter
 * @mask: what the channel has to be able to do
 * @fn: is asked about each that is free, with no lock held but the core's, which may not be called;
 *	NULL for any
 * @fn_param: handed to @fn
 * @np: only channels of the controller at this node; NULL for all
 *
 * May sleep. Return: the channel, or NULL with the reason.
 */
struct dma_chan *__dma_request_channel(const dma_cap_mask_t *mask, dma_filter_fn fn, void *fn_param,
				       struct device_node *np);

#ifndef BERTH_NO_SHORT_NAMES
#define dma_request_channel(mask, fn, param) __dma_request_channel(&(mask), (fn), (param), NULL)
#endif

/**
 * dma_release_channel() - give a channel back
 *
 * What is still under way is terminated, and its callbacks are over on return. Descriptors of the
 * channel are gone. One of dma_find_channel() is not the caller's: NOT_OWNED. May sleep; not from a
 * callback.
 */
void dma_release_channel(struct dma_chan *chan);

/** dmaengine_get() - from now on dma_find_channel() may be used: public channels are kept ready. */
void dmaengine_get(void);

/** dmaengine_put() - undo one dmaengine_get(). May sleep. */
void dmaengine_put(void);

/**
 * dma_find_channel() - a public channel for a kind of work, shared with others
 *
 * To be used until dmaengine_put(), also when its controller goes: its calls fail then with STATE. CPUs
 * get different channels where there are enough.
 * Any context. Return: the channel, or NULL: no public channel can do that.
 */
struct dma_chan *dma_find_channel(enum dma_transaction_type tx_type);

/** dma_issue_pending_all() - dma_async_issue_pending() on all public channels in use. Any context. */
void dma_issue_pending_all(void);

/** dma_get_slave_caps() - what a channel can do for a peripheral. Return: 0, -EINVAL, -ENXIO. */
int dma_get_slave_caps(struct dma_chan *chan, struct dma_slave_caps *caps);

/** dmaengine_get_dma_device() - the device for which a client maps memory: the controller's. */
struct device *dmaengine_get_dma_device(struct dma_chan *chan);

/** dma_chan_name() - "dma0chan1" */
static inline const char *dma_chan_name(const struct dma_chan *chan)
{
	return chan->name;
}

/**
 * struct berth_dma_chan_info - one channel, for reports
 * @name: "dma0chan1"
 * @device: name of the controller's device
 * @client: who has taken it, "" if nobody
 * @caps: what its controller can do
 * @is_private: it is taken by name, or by one client alone
 */
struct berth_dma_chan_info {
	char name[24];
	char device[48];
	char client[32];
	dma_cap_mask_t caps;
	bool is_private;
};

/** berth_dma_chan_list() - all channels; up to @max are described. May sleep. Return: how many. */
unsigned int berth_dma_chan_list(struct berth_dma_chan_info *info, unsigned int max);

/* Peripherals. */

/**
 * dmaengine_slave_config() - tell a channel about its peripheral
 * @chan: a channel of a DMA_SLAVE controller
 * @config: copied
 *
 * Counts for descriptors prepared afterwards. Any context. Return: 0, -ENOSYS (CAPABILITY), -EINVAL
 * (the widths or bursts are not the controller's).
 */
int dmaengine_slave_config(struct dma_chan *chan, struct dma_slave_config *config);

/* Preparing. A descriptor is neither queued nor started by it. Any context. */

/** berth_dma_refuse_memcpy() - private: NULL, and why dmaengine_prep_dma_memcpy() cannot be done. */
struct dma_async_tx_descriptor *berth_dma_refuse_memcpy(struct dma_chan *chan, dma_addr_t dst,
							dma_addr_t src, size_t len);

/**
 * dmaengine_prep_dma_memcpy() - copy memory
 * @chan: the channel
 * @dst: where to, mapped for the controller
 * @src: where from, mapped for the controller
 * @len: bytes, at least 1
 * @flags: enum dma_ctrl_flags
 *
 * All prepare calls are for any context and never sleep. The descriptor is the controller's again
 * once it was submitted and is done, or its channel was terminated; one that is never submitted is
 * freed with the channel. Return: the descriptor, or NULL with the reason: CAPABILITY, ALIGNMENT,
 * SEGMENT, ARGUMENT, OUT_OF_MEMORY, STATE (the controller is gone).
 */
static inline struct dma_async_tx_descriptor *dmaengine_prep_dma_memcpy(struct dma_chan *chan,
									dma_addr_t dst,
									dma_addr_t src, size_t len,
									unsigned long flags)
{
	const struct dma_device *device = chan->device;
	/* No alignment is so large that the high bits would count. */
	uint32_t unaligned = ((uint32_t)dst | (uint32_t)src | (uint32_t)len) &
			     ((1u << device->copy_align) - 1);

	/* Asked in one go, and in detail only if it is to be refused. */
	if (__atomic_load_n(&chan->is_gone, __ATOMIC_RELAXED) ||
	    !__dma_has_cap(DMA_MEMCPY, &device->cap_mask) || !len || unaligned)
		return berth_dma_refuse_memcpy(chan, dst, src, len);
	return device->device_prep_dma_memcpy(chan, dst, src, len, flags);
}

/** dmaengine_prep_dma_memset() - fill memory with the byte @value; see dmaengine_prep_dma_memcpy(). */
struct dma_async_tx_descriptor *dmaengine_prep_dma_memset(struct dma_chan *chan, dma_addr_t dest,
							  int value, size_t len,
							  unsigned long flags);

/** dmaengine_prep_dma_xor() - @dst is the XOR of @src_cnt buffers. Linux: device_prep_dma_xor(). */
struct dma_async_tx_descriptor *dmaengine_prep_dma_xor(struct dma_chan *chan, dma_addr_t dst,
						       dma_addr_t *src, unsigned int src_cnt,
						       size_t len, unsigned long flags);

/** dmaengine_prep_dma_xor_val() - whether the XOR is zero; *@result is set by the time it is done. */
struct dma_async_tx_descriptor *dmaengine_prep_dma_xor_val(struct dma_chan *chan, dma_addr_t *src,
							   unsigned int src_cnt, size_t len,
							   enum sum_check_flags *result,
							   unsigned long flags);

/**
 * dmaengine_prep_dma_pq() - the two syndromes of RAID 6
 * @chan: the channel
 * @dst: P and Q
 * @src: the sources
 * @src_cnt: how many
 * @scf: a coefficient for each source, in GF(256) over x^8 + x^4 + x^3 + x^2 + 1
 * @len: bytes of each buffer
 * @flags: with DMA_PREP_PQ_DISABLE_P and Q
 *
 * See dmaengine_prep_dma_memcpy().
 */
struct dma_async_tx_descriptor *dmaengine_prep_dma_pq(struct dma_chan *chan, dma_addr_t *dst,
						      dma_addr_t *src, unsigned int src_cnt,
						      const unsigned char *scf, size_t len,
						      unsigned long flags);

/** dmaengine_prep_dma_interrupt() - nothing but a callback, in its turn. */
struct dma_async_tx_descriptor *dmaengine_prep_dma_interrupt(struct dma_chan *chan,
							     unsigned long flags);

/**
 * dmaengine_prep_slave_sg() - between a list and a peripheral
 * @chan: a channel that was told of the peripheral
 * @sgl: mapped for the controller
 * @sg_len: what dma_map_sg() returned
 * @dir: DMA_MEM_TO_DEV or DMA_DEV_TO_MEM
 * @flags: enum dma_ctrl_flags
 *
 * See dmaengine_prep_dma_memcpy(). The list is not needed after the call; the memory is.
 */
struct dma_async_tx_descriptor *
dmaengine_prep_slave_sg(struct dma_chan *chan, struct scatterlist *sgl, unsigned int sg_len,
			enum dma_transfer_direction dir, unsigned long flags);

/** dmaengine_prep_slave_single() - dmaengine_prep_slave_sg() with one buffer. */
struct dma_async_tx_descriptor *dmaengine_prep_slave_single(struct dma_chan *chan, dma_addr_t buf,
							    size_t len,
							    enum dma_transfer_direction dir,
							    unsigned long flags);

/**
 * dmaengine_prep_dma_cyclic() - between a ring and a peripheral, until it is terminated
 * @chan: a channel that was told of the peripheral
 * @buf_addr: the ring, mapped for the controller
 * @buf_len: its bytes, a multiple of @period_len
 * @period_len: bytes after which the callback is called
 * @dir: DMA_MEM_TO_DEV or DMA_DEV_TO_MEM
 * @flags: enum dma_ctrl_flags
 *
 * Callbacks of periods that end while one is waiting to be called are one call. See
 * dmaengine_prep_dma_memcpy().
 */
struct dma_async_tx_descriptor *
dmaengine_prep_dma_cyclic(struct dma_chan *chan, dma_addr_t buf_addr, size_t buf_len,
			  size_t period_len, enum dma_transfer_direction dir, unsigned long flags);

/** dmaengine_prep_interleaved_dma() - a pattern of runs; the template is not needed afterwards. */
struct dma_async_tx_descriptor *
dmaengine_prep_interleaved_dma(struct dma_chan *chan, const struct dma_interleaved_template *xt,
			       unsigned long flags);

/* Metadata that goes with a descriptor. */

/** dmaengine_is_metadata_mode_supported() - whether a channel's controller can do it so. */
bool dmaengine_is_metadata_mode_supported(struct dma_chan *chan, enum dma_desc_metadata_mode mode);

/** dmaengine_desc_attach_metadata() - give a buffer of the client's along. 0, -EINVAL. */
int dmaengine_desc_attach_metadata(struct dma_async_tx_descriptor *desc, void *data, size_t len);

/** dmaengine_desc_get_metadata_ptr() - the controller's room, or an ERR_PTR. */
void *dmaengine_desc_get_metadata_ptr(struct dma_async_tx_descriptor *desc, size_t *payload_len,
				      size_t *max_len);

/** dmaengine_desc_set_metadata_len() - how much of it was filled. 0, -EINVAL. */
int dmaengine_desc_set_metadata_len(struct dma_async_tx_descriptor *desc, size_t payload_len);

/* Running. */

/**
 * dmaengine_submit() - queue a descriptor
 *
 * It does not start before dma_async_issue_pending(). One that is kept may be submitted again from its
 * own callback on; without one, when its cookie is complete. Any context. Return: its cookie, or a
 * negative errno value, see dma_submit_error(): -EBUSY (it is submitted, or its callback is to come).
 */
static inline dma_cookie_t dmaengine_submit(struct dma_async_tx_descriptor *desc)
{
	return desc->tx_submit(desc);
}

/** dma_async_issue_pending() - start what was submitted. Any context. */
static inline void dma_async_issue_pending(struct dma_chan *chan)
{
	if (!__atomic_load_n(&chan->is_gone, __ATOMIC_RELAXED))
		chan->device->device_issue_pending(chan);
}

/**
 * dmaengine_tx_status() - how far a transfer is
 * @chan: its channel
 * @cookie: which
 * @state: filled in, if not NULL: a residue of 0 when it is done, of its whole length when it has not
 *	started
 *
 * A controller without interrupts completes its transfers in this call. Any context. Return: see
 * enum dma_status; DMA_ERROR for one of the last BERTH_DMA_FAILED_COOKIES that failed.
 */
enum dma_status dmaengine_tx_status(struct dma_chan *chan, dma_cookie_t cookie,
				    struct dma_tx_state *state);

/** dma_async_is_tx_complete() - dmaengine_tx_status() that tells the two cookies; both may be NULL. */
enum dma_status dma_async_is_tx_complete(struct dma_chan *chan, dma_cookie_t cookie,
					 dma_cookie_t *last, dma_cookie_t *used);

/**
 * berth_dma_set_polled() - whether a channel raises interrupts
 * @chan: a channel of the caller's own, for which nothing is prepared; one that was just taken raises them
 * @is_polled: it does not: what has ended is found by berth_dma_poll() and dmaengine_tx_status()
 *
 * For transfers that take less than an interrupt does. Who waits in dma_sync_wait() polls now and then.
 * Any context. Return: 0, -EBUSY (STATE: something is prepared, kept or under way), -ENOSYS (CAPABILITY),
 * -ENODEV.
 */
int berth_dma_set_polled(struct dma_chan *chan, bool is_polled);

/**
 * berth_dma_poll() - what has ended is completed, and what comes next is started
 * @chan: a channel that is polled
 *
 * Their callbacks have been called when it returns, or, while somebody else is in one of the channel's, are
 * soon. Any context in which no lock is held that a callback takes. A channel that is not polled is left
 * alone.
 */
static inline void berth_dma_poll(struct dma_chan *chan)
{
	if (__atomic_load_n(&chan->is_polled, __ATOMIC_RELAXED))
		chan->device->device_poll(chan);
}

/**
 * dma_sync_wait() - issue what is pending and wait for a transfer
 *
 * Sleeps, for 5 seconds at most. Return: DMA_COMPLETE; DMA_ERROR, with TRANSFER or TIMEOUT as the
 * reason. Its buffers are the client's only after DMA_COMPLETE, or dmaengine_terminate_sync().
 */
enum dma_status dma_sync_wait(struct dma_chan *chan, dma_cookie_t cookie);

/**
 * berth_dma_wait() - dma_sync_wait() with a limit of the caller's
 * @timeout: in jiffies
 *
 * Sleeps. Return: 0; -EIO (TRANSFER), -ETIMEDOUT (TIMEOUT: it is still under way).
 */
int berth_dma_wait(struct dma_chan *chan, dma_cookie_t cookie, unsigned long timeout);

/** dmaengine_pause() - stop in mid-transfer. Any context. 0, -ENOSYS (CAPABILITY), or the driver's. */
int dmaengine_pause(struct dma_chan *chan);

/** dmaengine_resume() - go on after dmaengine_pause(). Any context. */
int dmaengine_resume(struct dma_chan *chan);

/**
 * dmaengine_terminate_async() - stop, and forget all that was submitted
 *
 * Any context, also from a callback. On return nothing of it will start, but the controller may be
 * touching memory, and a callback may be running: memory may be freed only after
 * dmaengine_synchronize(). What is forgotten gets no callback. Return: 0, -EINVAL (CAPABILITY).
 */
int dmaengine_terminate_async(struct dma_chan *chan);

/** dmaengine_synchronize() - wait until what was terminated is over. May sleep; not from a callback. */
void dmaengine_synchronize(struct dma_chan *chan);

/** dmaengine_terminate_sync() - dmaengine_terminate_async(), dmaengine_synchronize(). */
int dmaengine_terminate_sync(struct dma_chan *chan);

/* Descriptors that are used again. */

/** dmaengine_desc_set_reuse() - keep a descriptor when it is done. 0, -EPERM, -ENXIO; see caps. */
int dmaengine_desc_set_reuse(struct dma_async_tx_descriptor *tx);

/** dmaengine_desc_clear_reuse() - the next end of it is the last. */
static inline void dmaengine_desc_clear_reuse(struct dma_async_tx_descriptor *tx)
{
	tx->flags &= ~(uint32_t)DMA_CTRL_REUSE;
}

/** dmaengine_desc_test_reuse() - whether a descriptor is kept. */
static inline bool dmaengine_desc_test_reuse(const struct dma_async_tx_descriptor *tx)
{
	return (tx->flags & DMA_CTRL_REUSE) != 0;
}

/**
 * dmaengine_desc_free() - free a descriptor that is kept
 *
 * Any context, also in its callback. Return: 0, -EPERM (it is not kept), -EBUSY (it is submitted, or its
 * callback is to come).
 */
int dmaengine_desc_free(struct dma_async_tx_descriptor *desc);

/** async_tx_ack() - the client does not need the descriptor any more. */
static inline void async_tx_ack(struct dma_async_tx_descriptor *tx)
{
	tx->flags |= DMA_CTRL_ACK;
}

/** async_tx_test_ack() - whether the client said so. */
static inline bool async_tx_test_ack(const struct dma_async_tx_descriptor *tx)
{
	return (tx->flags & DMA_CTRL_ACK) != 0;
}

/* What to unmap. */

/**
 * dmaengine_get_unmap_data() - room for addresses to unmap when a transfer is done
 * @dev: the controller's device
 * @nr: how many, 1 to 256
 * @flags: GFP_*
 *
 * The addresses stand in @addr in the order that struct dmaengine_unmap_data says. Kept and used
 * again: after the first time nothing is allocated. Return: it, held once, or NULL.
 */
struct dmaengine_unmap_data *dmaengine_get_unmap_data(struct device *dev, int nr, gfp_t flags);

/** dmaengine_unmap_put() - let go; the last one unmaps. Any context. */
void dmaengine_unmap_put(struct dmaengine_unmap_data *unmap);

/** dma_set_unmap() - let a descriptor hold it, too, until it is done. */
void dma_set_unmap(struct dma_async_tx_descriptor *tx, struct dmaengine_unmap_data *unmap);

BERTH_END_DECLS

#ifdef BERTH_CHECKED
#include <berth/check-dmaengine.h>
#endif

#ifdef BERTH_NO_SHORT_NAMES
#include <berth/names-off.h>
#endif
#endif
