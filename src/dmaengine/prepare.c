/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Preparing: what every controller would have to check is checked here. Each test is one against a
 * field of the controller, so that the way of a good request is short.
 */
#include <berth/dma-mapping.h>
#include <berth/errno.h>

#include "dmaengine/internal.h"
#include "lib/error.h"
#include "lib/printk.h"
#include "lib/string.h"

int berth_dma_fail(const struct dma_chan *chan, int code, enum berth_reason reason,
		   const char *what, uint64_t address, uint64_t length, uint64_t limit)
{
	struct berth_error *error = berth_error_set(code, reason, NULL);

	berth_snprintf(error->subject, sizeof(error->subject), "%s (%s)", chan->name,
		       chan->device && chan->device->dev ? dev_name(chan->device->dev) : "gone");
	if (what)
		berth_strlcpy(error->holder, what, sizeof(error->holder));
	error->address = address;
	error->length = length;
	error->limit = limit;
	return code;
}

/* Always false: why the controller cannot do it. What a good request does not need is not on its way. */
__attribute__((cold, noinline)) static bool cannot(const struct dma_chan *chan, const char *what)
{
	if (__atomic_load_n(&chan->is_gone, __ATOMIC_ACQUIRE))
		berth_fail(-ENODEV, BERTH_REASON_STATE, chan->name);
	else
		berth_dma_fail(chan, -EOPNOTSUPP, BERTH_REASON_CAPABILITY, what, 0, 0, 0);
	return false;
}

/* Whether the controller is there and can do it. */
static inline bool can(const struct dma_chan *chan, enum dma_transaction_type type,
		       const char *what)
{
	const struct dma_device *device = chan->device;

	return (!__atomic_load_n(&chan->is_gone, __ATOMIC_ACQUIRE) &&
		dma_has_cap(type, device->cap_mask)) ||
	       cannot(chan, what);
}

__attribute__((cold, noinline)) static bool is_no_length(const struct dma_chan *chan)
{
	berth_dma_fail(chan, -EINVAL, BERTH_REASON_ARGUMENT, NULL, 0, 0, 0);
	return false;
}

static inline bool is_good_length(const struct dma_chan *chan, uint64_t len)
{
	return len || is_no_length(chan);
}

__attribute__((cold, noinline)) static bool is_misaligned(const struct dma_chan *chan,
							  uint64_t bits, uint64_t first,
							  enum dmaengine_alignment align)
{
	if (!(first & ((1ull << align) - 1)))
		first = bits;
	berth_dma_fail(chan, -EINVAL, BERTH_REASON_ALIGNMENT, NULL, first, 0, 1ull << align);
	return false;
}

/* @bits: all that has to be aligned, or-ed together; @first: the address that is told. */
static inline bool is_aligned(const struct dma_chan *chan, uint64_t bits, uint64_t first,
			      enum dmaengine_alignment align)
{
	return !(bits & ((1ull << align) - 1)) || is_misaligned(chan, bits, first, align);
}

__attribute__((cold, noinline)) struct dma_async_tx_descriptor *
berth_dma_refuse_memcpy(struct dma_chan *chan, dma_addr_t dst, dma_addr_t src, size_t len)
{
	if (can(chan, DMA_MEMCPY, "memcpy") && is_good_length(chan, len))
		is_aligned(chan, dst | src | len, dst, chan->device->copy_align);
	return NULL;
}

struct dma_async_tx_descriptor *dmaengine_prep_dma_memset(struct dma_chan *chan, dma_addr_t dest,
							  int value, size_t len,
							  unsigned long flags)
{
	struct dma_device *device = chan->device;

	if (!can(chan, DMA_MEMSET, "memset") || !is_good_length(chan, len) ||
	    !is_aligned(chan, dest | len, dest, device->fill_align))
		return NULL;
	return device->device_prep_dma_memset(chan, dest, value, len, flags);
}

static bool are_sources_good(const struct dma_chan *chan, const dma_addr_t *src, unsigned int nr,
			     unsigned int max, uint64_t others, enum dmaengine_alignment align)
{
	uint64_t bits = others;

	if (!nr || nr > max) {
		berth_dma_fail(chan, -EINVAL, BERTH_REASON_TOO_LARGE, NULL, 0, nr, max);
		return false;
	}
	for (unsigned int i = 0; i < nr; i++)
		bits |= src[i];
	return is_aligned(chan, bits, src[0], align);
}

struct dma_async_tx_descriptor *dmaengine_prep_dma_xor(struct dma_chan *chan, dma_addr_t dst,
						       dma_addr_t *src, unsigned int src_cnt,
						       size_t len, unsigned long flags)
{
	struct dma_device *device = chan->device;

	if (!can(chan, DMA_XOR, "xor") || !is_good_length(chan, len) ||
	    !are_sources_good(chan, src, src_cnt, device->max_xor, dst | len, device->xor_align))
		return NULL;
	return device->device_prep_dma_xor(chan, dst, src, src_cnt, len, flags);
}

struct dma_async_tx_descriptor *dmaengine_prep_dma_xor_val(struct dma_chan *chan, dma_addr_t *src,
							   unsigned int src_cnt, size_t len,
							   enum sum_check_flags *result,
							   unsigned long flags)
{
	struct dma_device *device = chan->device;

	if (!can(chan, DMA_XOR_VAL, "xor_val") || !is_good_length(chan, len) ||
	    !are_sources_good(chan, src, src_cnt, device->max_xor, len, device->xor_align))
		return NULL;
	return device->device_prep_dma_xor_val(chan, src, src_cnt, len, result, flags);
}

struct dma_async_tx_descriptor *dmaengine_prep_dma_pq(struct dma_chan *chan, dma_addr_t *dst,
						      dma_addr_t *src, unsigned int src_cnt,
						      const unsigned char *scf, size_t len,
						      unsigned long flags)
{
	struct dma_device *device = chan->device;
	uint64_t others = len;

	if (!(flags & DMA_PREP_PQ_DISABLE_P))
		others |= dst[0];
	if (!(flags & DMA_PREP_PQ_DISABLE_Q))
		others |= dst[1];
	if (!can(chan, DMA_PQ, "pq") || !is_good_length(chan, len) ||
	    !are_sources_good(chan, src, src_cnt, device->max_pq, others, device->pq_align))
		return NULL;
	return device->device_prep_dma_pq(chan, dst, src, src_cnt, scf, len, flags);
}

struct dma_async_tx_descriptor *dmaengine_prep_dma_interrupt(struct dma_chan *chan,
							     unsigned long flags)
{
	if (!can(chan, DMA_INTERRUPT, "interrupt"))
		return NULL;
	return chan->device->device_prep_dma_interrupt(chan, flags);
}

static const char *direction_name(enum dma_transfer_direction dir)
{
	static const char *const names[] = { "memory to memory", "memory to device",
					     "device to memory", "device to device" };

	return (unsigned int)dir < ARRAY_SIZE(names) ? names[dir] : "no direction";
}

#define ANY_DIRECTION UINT32_MAX
/* A list, or a ring, is one of the two sides. */
#define SLAVE_DIRECTIONS (1u << DMA_MEM_TO_DEV | 1u << DMA_DEV_TO_MEM | 1u << DMA_DEV_TO_DEV)

/* @legal: bit n: direction n makes sense here. */
static bool is_direction(const struct dma_chan *chan, enum dma_transfer_direction dir,
			 uint32_t legal)
{
	uint32_t directions = chan->device->directions;

	if (directions)
		legal &= directions;
	if ((unsigned int)dir < DMA_TRANS_NONE && legal >> dir & 1)
		return true;
	berth_dma_fail(chan, -EOPNOTSUPP, BERTH_REASON_CAPABILITY, direction_name(dir), 0, 0, 0);
	return false;
}

static bool is_segment(const struct dma_chan *chan, dma_addr_t addr, uint64_t len)
{
	uint64_t max = dma_get_max_seg_size(chan->device->dev);

	if (len <= max)
		return true;
	berth_dma_fail(chan, -EINVAL, BERTH_REASON_SEGMENT, NULL, addr, len, max);
	return false;
}

struct dma_async_tx_descriptor *
dmaengine_prep_slave_sg(struct dma_chan *chan, struct scatterlist *sgl, unsigned int sg_len,
			enum dma_transfer_direction dir, unsigned long flags)
{
	struct scatterlist *sg = sgl;

	if (!can(chan, DMA_SLAVE, "slave_sg") || !is_direction(chan, dir, SLAVE_DIRECTIONS) ||
	    !is_good_length(chan, sg_len))
		return NULL;
	if (!chan->device->device_prep_slave_sg) {
		berth_dma_fail(chan, -EOPNOTSUPP, BERTH_REASON_CAPABILITY, "slave_sg", 0, 0, 0);
		return NULL;
	}
	for (unsigned int i = 0; i < sg_len; i++, sg = sg_next(sg))
		if (!is_good_length(chan, sg ? sg_dma_len(sg) : 0) ||
		    !is_segment(chan, sg_dma_address(sg), sg_dma_len(sg)))
			return NULL;
	return chan->device->device_prep_slave_sg(chan, sgl, sg_len, dir, flags);
}

struct dma_async_tx_descriptor *dmaengine_prep_slave_single(struct dma_chan *chan, dma_addr_t buf,
							    size_t len,
							    enum dma_transfer_direction dir,
							    unsigned long flags)
{
	struct scatterlist sg;

	if (len > UINT32_MAX) {
		berth_dma_fail(chan, -EINVAL, BERTH_REASON_SEGMENT, NULL, buf, len, UINT32_MAX);
		return NULL;
	}
	sg_init_table(&sg, 1);
	sg_dma_address(&sg) = buf;
	sg_dma_len(&sg) = (unsigned int)len;
	return dmaengine_prep_slave_sg(chan, &sg, 1, dir, flags);
}

struct dma_async_tx_descriptor *
dmaengine_prep_dma_cyclic(struct dma_chan *chan, dma_addr_t buf_addr, size_t buf_len,
			  size_t period_len, enum dma_transfer_direction dir, unsigned long flags)
{
	if (!can(chan, DMA_CYCLIC, "cyclic") || !is_direction(chan, dir, SLAVE_DIRECTIONS) ||
	    !is_good_length(chan, buf_len) || !is_good_length(chan, period_len))
		return NULL;
	if (buf_len % period_len) {
		berth_dma_fail(chan, -EINVAL, BERTH_REASON_ALIGNMENT, NULL, buf_len, 0, period_len);
		return NULL;
	}
	if (!is_segment(chan, buf_addr, period_len))
		return NULL;
	return chan->device->device_prep_dma_cyclic(chan, buf_addr, buf_len, period_len, dir,
						    flags);
}

struct dma_async_tx_descriptor *
dmaengine_prep_interleaved_dma(struct dma_chan *chan, const struct dma_interleaved_template *xt,
			       unsigned long flags)
{
	if (!can(chan, DMA_INTERLEAVE, "interleaved") ||
	    !is_direction(chan, xt->dir, ANY_DIRECTION) || !is_good_length(chan, xt->numf) ||
	    !is_good_length(chan, xt->frame_size))
		return NULL;
	for (size_t i = 0; i < xt->frame_size; i++)
		if (!is_good_length(chan, xt->sgl[i].size))
			return NULL;
	return chan->device->device_prep_interleaved_dma(chan, xt, flags);
}

/* One by one: for all of them at once compilers call memset(). */
void dma_async_tx_descriptor_init(struct dma_async_tx_descriptor *tx, struct dma_chan *chan)
{
	tx->cookie = 0;
	tx->flags = 0;
	tx->chan = chan;
	tx->tx_submit = NULL;
	tx->desc_free = NULL;
	tx->callback = NULL;
	tx->callback_result = NULL;
	tx->callback_param = NULL;
	tx->unmap = NULL;
	tx->desc_metadata_mode = DESC_METADATA_NONE;
}
