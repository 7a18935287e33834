// SPDX-License-Identifier: BSD-2-Clause
/* dmaengine of checked programs: the checker is told which memory a transfer uses, and for how long. */
#include <berth/dma-mapping.h>
#include <berth/dmaengine.h>

#include "check/check.h"
#include "dmaengine/internal.h"
#include "lib/device.h"

#include <berth/check-dmaengine.h>

#define HERE ((uintptr_t)__builtin_return_address(0))

/* With a cookie below 0: whether nothing of the channel goes on any more. Any context. */
static bool is_done(const void *of, int32_t cookie)
{
	const struct dma_chan *chan = of;
	/* In this order, as in dma_cookie_status(). */
	dma_cookie_t complete = __atomic_load_n(&chan->completed_cookie, __ATOMIC_ACQUIRE);
	dma_cookie_t used = __atomic_load_n(&chan->cookie, __ATOMIC_ACQUIRE);

	if (__atomic_load_n(&chan->is_gone, __ATOMIC_ACQUIRE))
		return true;
	return cookie >= 0 && dma_async_is_complete(cookie, complete, used) == DMA_COMPLETE;
}

static struct dma_async_tx_descriptor *note(struct dma_async_tx_descriptor *tx, dma_addr_t bus,
					    uint64_t size, bool is_first, uintptr_t caller)
{
	struct check_transfer transfer;
	const struct device *dev;

	if (!tx || !berth_check_is_on())
		return tx;
	dev = dmaengine_get_dma_device(tx->chan);
	transfer = (struct check_transfer){
		.desc = tx,
		.chan = tx->chan,
		.dev = dev,
		.bus = bus,
		.size = size,
		.is_done = is_done,
	};
	berth_check_prepared(&transfer, dev_name(dev), is_first, caller);
	return tx;
}

static struct dma_async_tx_descriptor *note_all(struct dma_async_tx_descriptor *tx,
						const dma_addr_t *bus, unsigned int nr, size_t len,
						bool is_first, uintptr_t caller)
{
	for (unsigned int i = 0; i < nr; i++)
		note(tx, bus[i], len, is_first && !i, caller);
	return tx;
}

struct dma_async_tx_descriptor *berth_checked_prep_memcpy(struct dma_chan *chan, dma_addr_t dst,
							  dma_addr_t src, size_t len,
							  unsigned long flags)
{
	struct dma_async_tx_descriptor *tx = dmaengine_prep_dma_memcpy(chan, dst, src, len, flags);

	note(tx, dst, len, true, HERE);
	return note(tx, src, len, false, HERE);
}

struct dma_async_tx_descriptor *berth_checked_prep_memset(struct dma_chan *chan, dma_addr_t dest,
							  int value, size_t len,
							  unsigned long flags)
{
	return note(dmaengine_prep_dma_memset(chan, dest, value, len, flags), dest, len, true,
		    HERE);
}

struct dma_async_tx_descriptor *berth_checked_prep_xor(struct dma_chan *chan, dma_addr_t dst,
						       dma_addr_t *src, unsigned int src_cnt,
						       size_t len, unsigned long flags)
{
	struct dma_async_tx_descriptor *tx =
		dmaengine_prep_dma_xor(chan, dst, src, src_cnt, len, flags);

	note(tx, dst, len, true, HERE);
	return note_all(tx, src, src_cnt, len, false, HERE);
}

struct dma_async_tx_descriptor *berth_checked_prep_xor_val(struct dma_chan *chan, dma_addr_t *src,
							   unsigned int src_cnt, size_t len,
							   enum sum_check_flags *result,
							   unsigned long flags)
{
	return note_all(dmaengine_prep_dma_xor_val(chan, src, src_cnt, len, result, flags), src,
			src_cnt, len, true, HERE);
}

struct dma_async_tx_descriptor *berth_checked_prep_pq(struct dma_chan *chan, dma_addr_t *dst,
						      dma_addr_t *src, unsigned int src_cnt,
						      const unsigned char *scf, size_t len,
						      unsigned long flags)
{
	struct dma_async_tx_descriptor *tx =
		dmaengine_prep_dma_pq(chan, dst, src, src_cnt, scf, len, flags);

	note_all(tx, src, src_cnt, len, true, HERE);
	if (!(flags & DMA_PREP_PQ_DISABLE_P))
		note(tx, dst[0], len, false, HERE);
	if (!(flags & DMA_PREP_PQ_DISABLE_Q))
		note(tx, dst[1], len, false, HERE);
	return tx;
}

/* Of these no memory is followed: what the descriptor used before is its no more. */
static struct dma_async_tx_descriptor *note_none(struct dma_async_tx_descriptor *tx)
{
	if (tx && berth_check_is_on())
		berth_check_descriptor_freed(tx);
	return tx;
}

struct dma_async_tx_descriptor *berth_checked_prep_interrupt(struct dma_chan *chan,
							     unsigned long flags)
{
	return note_none(dmaengine_prep_dma_interrupt(chan, flags));
}

struct dma_async_tx_descriptor *
berth_checked_prep_interleaved(struct dma_chan *chan, const struct dma_interleaved_template *xt,
			       unsigned long flags)
{
	return note_none(dmaengine_prep_interleaved_dma(chan, xt, flags));
}

struct dma_async_tx_descriptor *
berth_checked_prep_slave_sg(struct dma_chan *chan, struct scatterlist *sgl, unsigned int sg_len,
			    enum dma_transfer_direction dir, unsigned long flags)
{
	struct dma_async_tx_descriptor *tx = dmaengine_prep_slave_sg(chan, sgl, sg_len, dir, flags);

	for (unsigned int i = 0; tx && sgl && i < sg_len; i++, sgl = sg_next(sgl))
		note(tx, sg_dma_address(sgl), sg_dma_len(sgl), !i, HERE);
	return tx;
}

struct dma_async_tx_descriptor *berth_checked_prep_slave_single(struct dma_chan *chan,
								dma_addr_t buf, size_t len,
								enum dma_transfer_direction dir,
								unsigned long flags)
{
	return note(dmaengine_prep_slave_single(chan, buf, len, dir, flags), buf, len, true, HERE);
}

struct dma_async_tx_descriptor *
berth_checked_prep_cyclic(struct dma_chan *chan, dma_addr_t buf_addr, size_t buf_len,
			  size_t period_len, enum dma_transfer_direction dir, unsigned long flags)
{
	return note(dmaengine_prep_dma_cyclic(chan, buf_addr, buf_len, period_len, dir, flags),
		    buf_addr, buf_len, true, HERE);
}

dma_cookie_t berth_checked_submit(struct dma_async_tx_descriptor *desc)
{
	dma_cookie_t cookie;

	if (!berth_check_is_on())
		return desc->tx_submit(desc);
	if (!berth_check_submitting(desc, HERE))
		return berth_dma_fail(desc->chan, -EBUSY, BERTH_REASON_ARGUMENT, NULL, 0, 0, 0);
	cookie = desc->tx_submit(desc);
	if (!dma_submit_error(cookie))
		berth_check_submitted(desc, cookie);
	return cookie;
}

int berth_checked_terminate_async(struct dma_chan *chan)
{
	int err = dmaengine_terminate_async(chan);

	if (!err && berth_check_is_on())
		berth_check_terminated(chan);
	return err;
}

void berth_checked_synchronize(struct dma_chan *chan)
{
	if (berth_check_is_on())
		berth_check_synchronizing(chan);
	dmaengine_synchronize(chan);
	if (berth_check_is_on())
		berth_check_synchronized(chan);
}

int berth_checked_terminate_sync(struct dma_chan *chan)
{
	int err = berth_checked_terminate_async(chan);

	if (!err)
		berth_checked_synchronize(chan);
	return err;
}

int berth_checked_desc_free(struct dma_async_tx_descriptor *desc)
{
	int err = dmaengine_desc_free(desc);

	if (!err && berth_check_is_on())
		berth_check_descriptor_freed(desc);
	return err;
}

void berth_checked_release_channel(struct dma_chan *chan)
{
	if (berth_check_is_on())
		berth_check_channel_going(chan, HERE);
	dma_release_channel(chan);
}

/* What the library is about to unmap for a checked program. */
static void unmapping(const struct dmaengine_unmap_data *unmap)
{
	const unsigned int nr = 0u + unmap->to_cnt + unmap->from_cnt + unmap->bidi_cnt;

	if (!berth_check_is_on())
		return;
	for (unsigned int i = 0; i < nr; i++)
		berth_check_forget(unmap->dev, unmap->addr[i], unmap->len);
}

struct dmaengine_unmap_data *berth_checked_get_unmap_data(struct device *dev, int nr, gfp_t flags)
{
	__atomic_store_n(&berth_dma_unmapping, unmapping, __ATOMIC_RELEASE);
	return dmaengine_get_unmap_data(dev, nr, flags);
}
