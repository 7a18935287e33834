/* SPDX-License-Identifier: BSD-2-Clause */
/**
 * DOC: dmaengine-types - what clients and DMA controllers fill in, and the arithmetic of cookies
 *
 * A part of dmaengine.h, which is the header to include.
 */
#ifndef BERTH_DMAENGINE_TYPES_H
#define BERTH_DMAENGINE_TYPES_H

#include <berth/dma-direction.h>
#include <berth/types.h>

#include <berth/names.h>

BERTH_BEGIN_DECLS

struct dma_chan;

/* Names a submitted descriptor of a channel; negative: the submission failed with that errno. */
typedef int32_t dma_cookie_t;

#define DMA_MIN_COOKIE 1

/** dma_submit_error() - the errno value in a cookie, 0 if there is none. */
static inline int dma_submit_error(dma_cookie_t cookie)
{
	return cookie < 0 ? cookie : 0;
}

/** berth_dma_cookie_next() - the cookie behind one: they count up and wrap to DMA_MIN_COOKIE. */
static inline dma_cookie_t berth_dma_cookie_next(dma_cookie_t cookie)
{
	return cookie < DMA_MIN_COOKIE || cookie == INT32_MAX ? DMA_MIN_COOKIE : cookie + 1;
}

/**
 * enum dma_status - how far a transfer is
 * @DMA_COMPLETE: done
 * @DMA_IN_PROGRESS: not done
 * @DMA_PAUSED: its channel is paused
 * @DMA_ERROR: it failed
 * @DMA_OUT_OF_ORDER: the channel completes in any order, so a cookie says nothing
 */
enum dma_status {
	DMA_COMPLETE,
	DMA_IN_PROGRESS,
	DMA_PAUSED,
	DMA_ERROR,
	DMA_OUT_OF_ORDER,
};

/**
 * dma_async_is_complete() - whether a cookie's transfer is done
 * @cookie: the cookie
 * @last_complete: the channel's last cookie that was completed
 * @last_used: the channel's last cookie that was given out
 *
 * Right across the wrap, for a cookie that was given out less than a whole turn ago. Any context.
 * Return: DMA_COMPLETE or DMA_IN_PROGRESS.
 */
static inline enum dma_status dma_async_is_complete(dma_cookie_t cookie, dma_cookie_t last_complete,
						    dma_cookie_t last_used)
{
	bool is_done;

	/* What is under way are the cookies behind last_complete up to last_used, going around. */
	if (last_complete <= last_used)
		is_done = cookie <= last_complete || cookie > last_used;
	else
		is_done = cookie <= last_complete && cookie > last_used;
	return is_done ? DMA_COMPLETE : DMA_IN_PROGRESS;
}

/**
 * enum dma_transaction_type - what a controller can do; bits of a dma_cap_mask_t
 */
enum dma_transaction_type {
	DMA_MEMCPY,
	DMA_XOR,
	DMA_PQ,
	DMA_XOR_VAL,
	DMA_PQ_VAL,
	DMA_MEMSET,
	DMA_MEMSET_SG,
	DMA_INTERRUPT,
	DMA_PRIVATE, /* channels are taken by name only */
	DMA_ASYNC_TX,
	DMA_SLAVE,
	DMA_CYCLIC,
	DMA_INTERLEAVE,
	DMA_COMPLETION_NO_ORDER, /* completes in any order */
	DMA_REPEAT, /* DMA_PREP_REPEAT is honoured */
	DMA_LOAD_EOT, /* DMA_PREP_LOAD_EOT is honoured */
	DMA_TX_TYPE_END,
};

/**
 * enum sum_check_flags - what a check of XOR or PQ found; a set bit: it does not fit
 * @SUM_CHECK_P_RESULT: P, or the XOR, is wrong
 * @SUM_CHECK_Q_RESULT: Q is wrong
 */
enum sum_check_flags {
	SUM_CHECK_P_RESULT = 1 << 0,
	SUM_CHECK_Q_RESULT = 1 << 1,
};

/**
 * struct dma_cap_mask - a set of enum dma_transaction_type
 * @bits: private; use dma_cap_set() and kin
 */
typedef struct dma_cap_mask {
	uint32_t bits;
} dma_cap_mask_t;

/** __dma_cap_zero() - dma_cap_zero() by pointer. */
static inline void __dma_cap_zero(dma_cap_mask_t *mask)
{
	mask->bits = 0;
}

/** __dma_cap_set() - dma_cap_set() by pointer. */
static inline void __dma_cap_set(enum dma_transaction_type type, dma_cap_mask_t *mask)
{
	__atomic_fetch_or(&mask->bits, 1u << (unsigned int)type, __ATOMIC_RELAXED);
}

/** __dma_cap_clear() - dma_cap_clear() by pointer. */
static inline void __dma_cap_clear(enum dma_transaction_type type, dma_cap_mask_t *mask)
{
	__atomic_fetch_and(&mask->bits, ~(1u << (unsigned int)type), __ATOMIC_RELAXED);
}

/** __dma_has_cap() - dma_has_cap() by pointer. A controller's may become DMA_PRIVATE meanwhile. */
static inline bool __dma_has_cap(enum dma_transaction_type type, const dma_cap_mask_t *mask)
{
	return (__atomic_load_n(&mask->bits, __ATOMIC_RELAXED) >> (unsigned int)type) & 1u;
}

#ifndef BERTH_NO_SHORT_NAMES
#define dma_cap_zero(mask) __dma_cap_zero(&(mask))
#define dma_cap_set(type, mask) __dma_cap_set((type), &(mask))
#define dma_cap_clear(type, mask) __dma_cap_clear((type), &(mask))
#define dma_has_cap(type, mask) __dma_has_cap((type), &(mask))
#endif

/**
 * enum dma_transfer_direction - from where to where; "device" is the client's peripheral
 */
enum dma_transfer_direction {
	DMA_MEM_TO_MEM,
	DMA_MEM_TO_DEV,
	DMA_DEV_TO_MEM,
	DMA_DEV_TO_DEV,
	DMA_TRANS_NONE,
};

/**
 * enum dma_ctrl_flags - flags of a descriptor
 * @DMA_PREP_INTERRUPT: call back when it is done
 * @DMA_CTRL_ACK: it may be reused once it is done
 * @DMA_PREP_PQ_DISABLE_P: leave P out
 * @DMA_PREP_PQ_DISABLE_Q: leave Q out
 * @DMA_PREP_CONTINUE: the results so far are a source
 * @DMA_PREP_FENCE: what follows depends on the result
 * @DMA_CTRL_REUSE: the client submits it again and frees it
 * @DMA_PREP_CMD: the data is a command for the peripheral
 * @DMA_PREP_REPEAT: over and over, until another one is issued
 * @DMA_PREP_LOAD_EOT: take over from a repeated one when that is at its end
 */
enum dma_ctrl_flags {
	DMA_PREP_INTERRUPT = 1 << 0,
	DMA_CTRL_ACK = 1 << 1,
	DMA_PREP_PQ_DISABLE_P = 1 << 2,
	DMA_PREP_PQ_DISABLE_Q = 1 << 3,
	DMA_PREP_CONTINUE = 1 << 4,
	DMA_PREP_FENCE = 1 << 5,
	DMA_CTRL_REUSE = 1 << 6,
	DMA_PREP_CMD = 1 << 7,
	DMA_PREP_REPEAT = 1 << 8,
	DMA_PREP_LOAD_EOT = 1 << 9,
};

/**
 * enum dma_slave_buswidth - bytes of one access to a peripheral
 */
enum dma_slave_buswidth {
	DMA_SLAVE_BUSWIDTH_UNDEFINED = 0,
	DMA_SLAVE_BUSWIDTH_1_BYTE = 1,
	DMA_SLAVE_BUSWIDTH_2_BYTES = 2,
	DMA_SLAVE_BUSWIDTH_3_BYTES = 3,
	DMA_SLAVE_BUSWIDTH_4_BYTES = 4,
	DMA_SLAVE_BUSWIDTH_8_BYTES = 8,
	DMA_SLAVE_BUSWIDTH_16_BYTES = 16,
	DMA_SLAVE_BUSWIDTH_32_BYTES = 32,
	DMA_SLAVE_BUSWIDTH_64_BYTES = 64,
	DMA_SLAVE_BUSWIDTH_128_BYTES = 128,
};

/**
 * struct dma_slave_config - how a channel talks to the client's peripheral
 * @direction: for controllers that ask; the prep calls say it as well
 * @src_addr: register to read from, as the CPU's bus sees it
 * @dst_addr: register to write to
 * @src_addr_width: bytes of an access to @src_addr
 * @dst_addr_width: bytes of an access to @dst_addr
 * @src_maxburst: accesses in one burst at most, as the peripheral's FIFO is made
 * @dst_maxburst: the same for @dst_addr
 * @src_port_window_size: accesses after which the address starts again; 0: it stays
 * @dst_port_window_size: the same for @dst_addr
 * @device_fc: the peripheral says how much, not the controller
 * @peripheral_config: what this pair of controller and peripheral needs besides
 * @peripheral_size: its bytes
 */
struct dma_slave_config {
	enum dma_transfer_direction direction;
	phys_addr_t src_addr;
	phys_addr_t dst_addr;
	enum dma_slave_buswidth src_addr_width;
	enum dma_slave_buswidth dst_addr_width;
	uint32_t src_maxburst;
	uint32_t dst_maxburst;
	uint32_t src_port_window_size;
	uint32_t dst_port_window_size;
	bool device_fc;
	void *peripheral_config;
	size_t peripheral_size;
};

/**
 * enum dma_residue_granularity - how exactly a channel knows what is left
 * @DMA_RESIDUE_GRANULARITY_DESCRIPTOR: all or nothing
 * @DMA_RESIDUE_GRANULARITY_SEGMENT: by segment of a list, by period of a ring
 * @DMA_RESIDUE_GRANULARITY_BURST: by burst
 */
enum dma_residue_granularity {
	DMA_RESIDUE_GRANULARITY_DESCRIPTOR = 0,
	DMA_RESIDUE_GRANULARITY_SEGMENT = 1,
	DMA_RESIDUE_GRANULARITY_BURST = 2,
};

/**
 * struct dma_slave_caps - what a channel can do for a peripheral
 * @src_addr_widths: bit n: accesses of n bytes, see enum dma_slave_buswidth
 * @dst_addr_widths: the same for the destination
 * @directions: bit n: enum dma_transfer_direction n
 * @min_burst: accesses in a burst at least
 * @max_burst: and at most
 * @max_sg_burst: segments that run without software in between; 0: any number
 * @cmd_pause: can be paused
 * @cmd_resume: and resumed
 * @cmd_terminate: can be terminated
 * @residue_granularity: how exact a residue is
 * @descriptor_reuse: DMA_CTRL_REUSE is honoured
 */
struct dma_slave_caps {
	uint32_t src_addr_widths;
	uint32_t dst_addr_widths;
	uint32_t directions;
	uint32_t min_burst;
	uint32_t max_burst;
	uint32_t max_sg_burst;
	bool cmd_pause;
	bool cmd_resume;
	bool cmd_terminate;
	enum dma_residue_granularity residue_granularity;
	bool descriptor_reuse;
};

/**
 * enum dmaengine_tx_result - how a transfer ended
 */
enum dmaengine_tx_result {
	DMA_TRANS_NOERROR = 0,
	DMA_TRANS_READ_FAILED, /* the source did not answer */
	DMA_TRANS_WRITE_FAILED, /* the destination did not answer */
	DMA_TRANS_ABORTED, /* it never started */
};

/**
 * struct dmaengine_result - what a callback_result is told
 * @result: how it ended
 * @residue: bytes that were not transferred
 */
struct dmaengine_result {
	enum dmaengine_tx_result result;
	uint32_t residue;
};

/* Called when a transfer is done: not in interrupt context, no lock of the channel's held. */
typedef void (*dma_async_tx_callback)(void *param);
/* The same, told how it ended. It takes precedence over the other one. */
typedef void (*dma_async_tx_callback_result)(void *param, const struct dmaengine_result *result);
/* Whether a client wants this channel. */
typedef bool (*dma_filter_fn)(struct dma_chan *chan, void *filter_param);

/**
 * struct dma_tx_state - where a channel and a transfer are
 * @last: the last cookie that was completed
 * @used: the last cookie that was given out
 * @residue: bytes of the transfer that are left
 * @in_flight_bytes: bytes that the controller has read but not written yet
 */
struct dma_tx_state {
	dma_cookie_t last;
	dma_cookie_t used;
	uint32_t residue;
	uint32_t in_flight_bytes;
};

/**
 * dma_set_tx_state() - fill in a state that may not be wanted
 * @st: the state; NULL is ignored
 * @last: see struct dma_tx_state
 * @used: see struct dma_tx_state
 * @residue: see struct dma_tx_state
 */
static inline void dma_set_tx_state(struct dma_tx_state *st, dma_cookie_t last, dma_cookie_t used,
				    uint32_t residue)
{
	if (!st)
		return;
	st->last = last;
	st->used = used;
	st->residue = residue;
}

/**
 * enum dmaengine_alignment - log2 of the alignment that a controller needs
 */
enum dmaengine_alignment {
	DMAENGINE_ALIGN_1_BYTE = 0,
	DMAENGINE_ALIGN_2_BYTES = 1,
	DMAENGINE_ALIGN_4_BYTES = 2,
	DMAENGINE_ALIGN_8_BYTES = 3,
	DMAENGINE_ALIGN_16_BYTES = 4,
	DMAENGINE_ALIGN_32_BYTES = 5,
	DMAENGINE_ALIGN_64_BYTES = 6,
	DMAENGINE_ALIGN_128_BYTES = 7,
	DMAENGINE_ALIGN_256_BYTES = 8,
};

/**
 * struct data_chunk - a run of bytes of an interleaved transfer, and the gap behind it
 * @size: bytes to move
 * @icg: bytes to skip behind it, at the source and at the destination
 * @dst_icg: bytes to skip at the destination; 0: @icg is it
 * @src_icg: bytes to skip at the source; 0: @icg is it
 */
struct data_chunk {
	size_t size;
	size_t icg;
	size_t dst_icg;
	size_t src_icg;
};

/**
 * struct dma_interleaved_template - a pattern of runs and gaps, repeated
 * @src_start: first byte of the source
 * @dst_start: first byte of the destination
 * @dir: from where to where
 * @src_inc: the source's address moves on; else every run reads the same one
 * @dst_inc: the same for the destination
 * @src_sgl: the gaps count at the source; else its runs follow each other
 * @dst_sgl: the same for the destination
 * @numf: frames: how often the pattern is worked through
 * @frame_size: runs of the pattern
 * @sgl: the runs, in memory of the client's behind the structure
 */
struct dma_interleaved_template {
	dma_addr_t src_start;
	dma_addr_t dst_start;
	enum dma_transfer_direction dir;
	bool src_inc;
	bool dst_inc;
	bool src_sgl;
	bool dst_sgl;
	size_t numf;
	size_t frame_size;
	struct data_chunk sgl[];
};

/** dmaengine_get_dst_icg() - the gap behind a run at the destination. Any context. */
static inline size_t dmaengine_get_dst_icg(const struct dma_interleaved_template *xt,
					   const struct data_chunk *chunk)
{
	if (!xt->dst_inc || !xt->dst_sgl)
		return 0;
	return chunk->dst_icg ? chunk->dst_icg : chunk->icg;
}

/** dmaengine_get_src_icg() - the gap behind a run at the source. Any context. */
static inline size_t dmaengine_get_src_icg(const struct dma_interleaved_template *xt,
					   const struct data_chunk *chunk)
{
	if (!xt->src_inc || !xt->src_sgl)
		return 0;
	return chunk->src_icg ? chunk->src_icg : chunk->icg;
}

/**
 * enum dma_desc_metadata_mode - who keeps the data that goes with a descriptor
 * @DESC_METADATA_NONE: there is none
 * @DESC_METADATA_CLIENT: the client attaches a buffer of its own
 * @DESC_METADATA_ENGINE: the controller has the room
 */
enum dma_desc_metadata_mode {
	DESC_METADATA_NONE = 0,
	DESC_METADATA_CLIENT = 1 << 0,
	DESC_METADATA_ENGINE = 1 << 1,
};

BERTH_END_DECLS

#ifdef BERTH_NO_SHORT_NAMES
#include <berth/names-off.h>
#endif
#endif
