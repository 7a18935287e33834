// SPDX-License-Identifier: BSD-2-Clause
/* BCM2835 DMA: chains of control blocks, and preparing them. */
#include <berth/slab.h>

#include "bcm2835-dma.h"

/* More than the one that each keeps for the next time. */
static bool has_more_blocks(const struct bdma_desc *desc)
{
	return desc->blocks.next != desc->blocks.prev;
}

void berth_bdma_desc_free(struct virt_dma_desc *vd)
{
	struct bdma_desc *desc = bdma_desc_of(vd);
	struct bdma_chan *c = bdma_chan_of(vd->tx.chan);
	unsigned long flags;

	if (desc->has_reg)
		dma_unmap_resource(c->bdma->dma.dev, desc->reg, BDMA_WORD, desc->reg_dir, 0);
	desc->has_reg = false;
	spin_lock_irqsave(&c->vc.lock, flags);
	while (has_more_blocks(desc))
		list_move_tail(desc->blocks.prev, &c->free_blocks);
	spin_unlock_irqrestore(&c->vc.lock, flags);
	berth_vchan_recycle(vd);
}

void berth_bdma_free_kept(struct bdma_chan *c)
{
	struct bdma_block *block, *next;
	struct virt_dma_desc *vd;

	while ((vd = berth_vchan_drain(&c->vc))) {
		list_splice_tail_init(&bdma_desc_of(vd)->blocks, &c->free_blocks);
		kfree(bdma_desc_of(vd));
	}
	list_for_each_entry_safe(block, next, &c->free_blocks, struct bdma_block, node) {
		dma_pool_free(c->bdma->pool, block->cbs, block->dma);
		kfree(block);
	}
	INIT_LIST_HEAD(&c->free_blocks);
}

static struct bdma_desc *new_desc(struct bdma_chan *c)
{
	struct bdma_desc *desc = kzalloc(sizeof(*desc), GFP_ATOMIC);

	if (!desc)
		return NULL;
	INIT_LIST_HEAD(&desc->blocks);
	berth_vchan_add(&c->vc, &desc->vd);
	return desc;
}

/* Without a control block, though perhaps with a block. */
static struct bdma_desc *get_desc(struct bdma_chan *c)
{
	struct virt_dma_desc *vd = berth_vchan_recycled(&c->vc);
	struct bdma_desc *desc = vd ? bdma_desc_of(vd) : new_desc(c);

	if (!desc)
		return NULL;
	desc->last = NULL;
	desc->nr_last = 0;
	desc->length = 0;
	desc->is_cyclic = false;
	return desc;
}

static struct bdma_block *get_block(struct bdma_chan *c)
{
	struct bdma_block *block;
	unsigned long flags;

	spin_lock_irqsave(&c->vc.lock, flags);
	block = list_first_entry_or_null(&c->free_blocks, struct bdma_block, node);
	if (block)
		list_del(&block->node);
	spin_unlock_irqrestore(&c->vc.lock, flags);
	if (block)
		return block;
	block = kmalloc(sizeof(*block), GFP_ATOMIC);
	if (!block)
		return NULL;
	block->cbs = dma_pool_zalloc(c->bdma->pool, GFP_ATOMIC, &block->dma);
	if (block->cbs)
		return block;
	kfree(block);
	return NULL;
}

/* Room for one more control block behind the last one; NULL: there is no memory. */
static struct bdma_cb *next_cb(struct bdma_chan *c, struct bdma_desc *desc)
{
	struct bdma_block *block;
	struct bdma_cb *cb;

	if (list_empty(&desc->blocks) || desc->nr_last == BDMA_BLOCK_CBS) {
		block = get_block(c);
		if (!block)
			return NULL;
		list_add_tail(&block->node, &desc->blocks);
		desc->nr_last = 0;
	} else {
		block = list_last_entry(&desc->blocks, struct bdma_block, node);
	}
	cb = &block->cbs[desc->nr_last];
	if (desc->last)
		desc->last->next = (uint32_t)block->dma + desc->nr_last * (uint32_t)sizeof(*cb);
	desc->last = cb;
	desc->nr_last++;
	return cb;
}

static int add_cb(struct bdma_chan *c, struct bdma_desc *desc, const struct bdma_cb *wanted)
{
	struct bdma_cb *cb = next_cb(c, desc);

	if (!cb)
		return -ENOMEM;
	*cb = *wanted;
	return 0;
}

static int fail_alignment(struct bdma_chan *c, const char *what, dma_addr_t address,
			  uint64_t length)
{
	return berth_dma_fail(&c->vc.chan, -EINVAL, BERTH_REASON_ALIGNMENT, what, address, length,
			      BDMA_WORD);
}

/* A run of bytes, in as many control blocks as the channel needs. */
static int add_run(struct bdma_chan *c, struct bdma_desc *desc, uint32_t info, dma_addr_t src,
		   dma_addr_t dst, uint64_t length)
{
	uint32_t max = c->is_lite ? BDMA_MAX_LITE_RUN : BDMA_MAX_RUN;

	if ((src | dst | length) & (BDMA_WORD - 1))
		return fail_alignment(c, "run", (src | dst) & (BDMA_WORD - 1) ? src | dst : length,
				      length);
	while (length) {
		uint32_t step = length < max ? (uint32_t)length : max;
		const struct bdma_cb cb = {
			.info = info,
			.src = (uint32_t)src,
			.dst = (uint32_t)dst,
			.length = step,
		};

		if (add_cb(c, desc, &cb))
			return -ENOMEM;
		if (info & BDMA_TI_SRC_INC)
			src += step;
		if (info & BDMA_TI_DST_INC)
			dst += step;
		desc->length += step;
		length -= step;
	}
	return 0;
}

/* Rows of bytes that a control block in 2D mode moves; elsewhere the number of rows is 1. */
static uint32_t row_of(const struct bdma_cb *cb)
{
	return cb->info & BDMA_TI_2D ? cb->length & 0xffff : cb->length;
}

/* Rows that are left in a TXFR_LEN; the register counts those behind the current one. */
static uint64_t bytes_of(const struct bdma_cb *cb, uint32_t length)
{
	if (!(cb->info & BDMA_TI_2D))
		return length;
	return (uint64_t)(length >> 16) * row_of(cb) + (length & 0xffff);
}

/* Of the current one, where the hardware is between two: it has loaded it, and is done, or not yet. */
static uint64_t left_of_current(const struct bdma_desc *desc, const struct bdma_cb *cb,
				uint32_t txfr_len, uint32_t nextconbk)
{
	if (txfr_len)
		return bytes_of(cb, txfr_len);
	return desc->is_cyclic && nextconbk == cb->next ? 0 : bytes_of(cb, cb->length);
}

uint64_t berth_bdma_left(const struct bdma_desc *desc, uint32_t conblk_ad, uint32_t txfr_len,
			 uint32_t nextconbk)
{
	struct bdma_block *block, *last;
	bool is_found = false;
	uint64_t left = 0;

	if (!desc->last)
		return 0;
	last = list_last_entry(&desc->blocks, struct bdma_block, node);
	list_for_each_entry(block, &desc->blocks, struct bdma_block, node) {
		uint32_t nr = block == last ? desc->nr_last : BDMA_BLOCK_CBS;

		for (uint32_t i = 0; i < nr; i++) {
			const struct bdma_cb *cb = &block->cbs[i];

			if (is_found)
				left += bytes_of(cb, cb->length);
			else if ((uint32_t)block->dma + i * sizeof(*cb) == conblk_ad)
				left = left_of_current(desc, cb, txfr_len, nextconbk);
			else
				continue;
			is_found = true;
		}
	}
	return left;
}

static inline uint32_t interrupt_info(const struct bdma_chan *c)
{
	return c->vc.chan.is_polled ? BDMA_TI_WAIT_RESP : BDMA_TI_INTEN | BDMA_TI_WAIT_RESP;
}

/* The end is told when the last write has been answered. */
static struct dma_async_tx_descriptor *finish(struct bdma_desc *desc, int ret, unsigned long flags)
{
	if (ret) {
		berth_bdma_desc_free(&desc->vd);
		return NULL;
	}
	if (desc->last)
		desc->last->info |= interrupt_info(bdma_chan_of(desc->vd.tx.chan));
	/* A spare one has exactly one block. */
	desc->vd.is_plain = !desc->has_reg && !list_empty(&desc->blocks) && !has_more_blocks(desc);
	return berth_vchan_prepared(&desc->vd, flags);
}

static uint32_t copy_info(const struct bdma_chan *c)
{
	uint32_t info = BDMA_TI_SRC_INC | BDMA_TI_DST_INC;

	return c->is_lite ? info : info | BDMA_TI_SRC_WIDE | BDMA_TI_DST_WIDE;
}

/* One control block, the first of its block; that all is aligned is known. */
static inline struct dma_async_tx_descriptor *prepare_run(struct bdma_chan *c,
							  struct bdma_desc *desc, dma_addr_t dst,
							  dma_addr_t src, size_t len,
							  unsigned long flags)
{
	struct bdma_cb *cb = list_first_entry(&desc->blocks, struct bdma_block, node)->cbs;

	cb->info = copy_info(c) | interrupt_info(c);
	cb->src = (uint32_t)src;
	cb->dst = (uint32_t)dst;
	cb->length = (uint32_t)len;
	cb->stride = 0;
	cb->next = 0;
	desc->last = cb;
	desc->nr_last = 1;
	desc->length = len;
	desc->is_cyclic = false;
	desc->vd.is_plain = true;
	return berth_vchan_prepared(&desc->vd, flags);
}

static __attribute__((noinline)) struct dma_async_tx_descriptor *
prep_any_copy(struct dma_chan *chan, dma_addr_t dst, dma_addr_t src, size_t len,
	      unsigned long flags)
{
	struct bdma_chan *c = bdma_chan_of(chan);
	struct bdma_desc *desc = get_desc(c);

	if (!desc)
		return NULL;
	return finish(desc, add_run(c, desc, copy_info(c), src, dst, len), flags);
}

static inline bool is_run(const struct bdma_chan *c, size_t len)
{
	return len <= (c->is_lite ? BDMA_MAX_LITE_RUN : BDMA_MAX_RUN);
}

/* Mostly there is a descriptor with a block, and no call is needed. */
static struct dma_async_tx_descriptor *bdma_prep_memcpy(struct dma_chan *chan, dma_addr_t dst,
							dma_addr_t src, size_t len,
							unsigned long flags)
{
	struct bdma_chan *c = bdma_chan_of(chan);
	struct virt_dma_desc *vd = NULL;

	if (is_run(c, len))
		vd = berth_vchan_spare(&c->vc);
	if (!vd)
		return prep_any_copy(chan, dst, src, len, flags);
	return prepare_run(c, bdma_desc_of(vd), dst, src, len, flags);
}

static struct dma_async_tx_descriptor *bdma_prep_interrupt(struct dma_chan *chan,
							   unsigned long flags)
{
	struct bdma_chan *c = bdma_chan_of(chan);
	struct bdma_desc *desc = get_desc(c);

	return desc ? finish(desc, 0, flags) : NULL;
}

/* From the end of a row to the start of the next one. */
static int64_t stride(bool moves, size_t size, size_t gap)
{
	return moves ? (int64_t)gap : -(int64_t)size;
}

static bool is_stride(int64_t value)
{
	return value >= INT16_MIN && value <= INT16_MAX && !(value & (BDMA_WORD - 1));
}

/* Frames of one run each are one control block, where its fields are wide enough. */
static bool is_2d(const struct bdma_chan *c, const struct dma_interleaved_template *xt)
{
	const struct data_chunk *run = &xt->sgl[0];

	return !c->is_lite && xt->frame_size == 1 && xt->numf > 1 && xt->numf <= BDMA_MAX_ROWS &&
	       run->size && run->size <= BDMA_MAX_ROW &&
	       is_stride(stride(xt->src_inc, run->size, dmaengine_get_src_icg(xt, run))) &&
	       is_stride(stride(xt->dst_inc, run->size, dmaengine_get_dst_icg(xt, run)));
}

static int add_2d(struct bdma_chan *c, struct bdma_desc *desc,
		  const struct dma_interleaved_template *xt)
{
	const struct data_chunk *run = &xt->sgl[0];
	int64_t src = stride(xt->src_inc, run->size, dmaengine_get_src_icg(xt, run));
	int64_t dst = stride(xt->dst_inc, run->size, dmaengine_get_dst_icg(xt, run));
	const struct bdma_cb cb = {
		.info = copy_info(c) | BDMA_TI_2D,
		.src = (uint32_t)xt->src_start,
		.dst = (uint32_t)xt->dst_start,
		.length = (uint32_t)(xt->numf - 1) << 16 | (uint32_t)run->size,
		.stride = (uint32_t)(uint16_t)dst << 16 | (uint16_t)src,
	};

	if ((xt->src_start | xt->dst_start | run->size) & (BDMA_WORD - 1))
		return fail_alignment(c, "rows", xt->src_start | xt->dst_start, run->size);
	desc->length = (uint64_t)xt->numf * run->size;
	return add_cb(c, desc, &cb);
}

static int add_frames(struct bdma_chan *c, struct bdma_desc *desc,
		      const struct dma_interleaved_template *xt)
{
	dma_addr_t src = xt->src_start, dst = xt->dst_start;

	for (size_t frame = 0; frame < xt->numf; frame++) {
		for (size_t i = 0; i < xt->frame_size; i++) {
			const struct data_chunk *run = &xt->sgl[i];
			int ret = add_run(c, desc, copy_info(c), src, dst, run->size);

			if (ret)
				return ret;
			if (xt->src_inc)
				src += run->size + dmaengine_get_src_icg(xt, run);
			if (xt->dst_inc)
				dst += run->size + dmaengine_get_dst_icg(xt, run);
		}
	}
	return desc->length ? 0
			    : berth_dma_fail(&c->vc.chan, -EINVAL, BERTH_REASON_ARGUMENT,
					     "template", 0, 0, 0);
}

static struct dma_async_tx_descriptor *
bdma_prep_interleaved(struct dma_chan *chan, const struct dma_interleaved_template *xt,
		      unsigned long flags)
{
	struct bdma_chan *c = bdma_chan_of(chan);
	struct bdma_desc *desc;

	if (xt->dir != DMA_MEM_TO_MEM) {
		berth_dma_fail(chan, -EINVAL, BERTH_REASON_CAPABILITY, "interleaved peripheral", 0,
			       0, 0);
		return NULL;
	}
	desc = get_desc(c);
	if (!desc)
		return NULL;
	return finish(desc, is_2d(c, xt) ? add_2d(c, desc, xt) : add_frames(c, desc, xt), flags);
}

/* The register as the controller's bus sees it; *@info: how a run to or from it is told. */
static int map_peripheral(struct bdma_chan *c, struct bdma_desc *desc,
			  enum dma_transfer_direction dir, uint32_t *info)
{
	bool to_dev = dir == DMA_MEM_TO_DEV;
	phys_addr_t phys = to_dev ? c->config.dst_addr : c->config.src_addr;
	uint32_t width = to_dev ? c->config.dst_addr_width : c->config.src_addr_width;
	uint32_t burst = to_dev ? c->config.dst_maxburst : c->config.src_maxburst;
	struct device *dev = c->bdma->dma.dev;

	if (width != BDMA_WORD)
		return berth_dma_fail(&c->vc.chan, -EINVAL, BERTH_REASON_ARGUMENT, "slave_config",
				      width, 0, BDMA_WORD);
	desc->reg_dir = to_dev ? DMA_TO_DEVICE : DMA_FROM_DEVICE;
	desc->reg = dma_map_resource(dev, phys, BDMA_WORD, desc->reg_dir, 0);
	if (dma_mapping_error(dev, desc->reg))
		return -EIO;
	desc->has_reg = true;
	*info = to_dev ? BDMA_TI_SRC_INC : BDMA_TI_DST_INC;
	*info |= BDMA_TI_WAIT_RESP;
	if (c->dreq)
		*info |= BDMA_TI_DREQ(c->dreq) | (to_dev ? BDMA_TI_DST_DREQ : BDMA_TI_SRC_DREQ);
	if (burst > 1)
		*info |= BDMA_TI_BURST((burst < BDMA_MAX_BURST ? burst : BDMA_MAX_BURST) - 1);
	return 0;
}

static int add_memory(struct bdma_chan *c, struct bdma_desc *desc, uint32_t info,
		      dma_addr_t address, uint64_t length)
{
	bool to_dev = desc->reg_dir == DMA_TO_DEVICE;

	return add_run(c, desc, info, to_dev ? address : desc->reg, to_dev ? desc->reg : address,
		       length);
}

static struct dma_async_tx_descriptor *
bdma_prep_slave_sg(struct dma_chan *chan, struct scatterlist *sgl, unsigned int sg_len,
		   enum dma_transfer_direction dir, unsigned long flags)
{
	struct bdma_chan *c = bdma_chan_of(chan);
	struct bdma_desc *desc = get_desc(c);
	struct scatterlist *sg = sgl;
	uint32_t info;
	int ret;

	if (!desc)
		return NULL;
	ret = map_peripheral(c, desc, dir, &info);
	for (unsigned int i = 0; i < sg_len && !ret; i++, sg = sg_next(sg))
		ret = add_memory(c, desc, info, sg_dma_address(sg), sg_dma_len(sg));
	return finish(desc, ret, flags);
}

/* A ring of control blocks; the last one of each period tells. */
static struct dma_async_tx_descriptor *bdma_prep_cyclic(struct dma_chan *chan, dma_addr_t buf,
							size_t buf_len, size_t period_len,
							enum dma_transfer_direction dir,
							unsigned long flags)
{
	struct bdma_chan *c = bdma_chan_of(chan);
	struct bdma_desc *desc = get_desc(c);
	uint32_t info;
	int ret;

	if (!desc)
		return NULL;
	desc->is_cyclic = true;
	ret = map_peripheral(c, desc, dir, &info);
	for (size_t at = 0; at < buf_len && !ret; at += period_len) {
		ret = add_memory(c, desc, info, buf + at, period_len);
		if (!ret)
			desc->last->info |= BDMA_TI_INTEN;
	}
	if (!ret)
		desc->last->next =
			(uint32_t)list_first_entry(&desc->blocks, struct bdma_block, node)->dma;
	return finish(desc, ret, flags);
}

void berth_bdma_set_ops(struct dma_device *dma)
{
	static const enum dma_transaction_type caps[] = {
		DMA_MEMCPY, DMA_INTERRUPT, DMA_SLAVE, DMA_CYCLIC, DMA_INTERLEAVE,
	};

	for (unsigned int i = 0; i < ARRAY_SIZE(caps); i++)
		__dma_cap_set(caps[i], &dma->cap_mask);
	dma->copy_align = DMAENGINE_ALIGN_4_BYTES;
	dma->device_prep_dma_memcpy = bdma_prep_memcpy;
	dma->device_prep_dma_interrupt = bdma_prep_interrupt;
	dma->device_prep_slave_sg = bdma_prep_slave_sg;
	dma->device_prep_dma_cyclic = bdma_prep_cyclic;
	dma->device_prep_interleaved_dma = bdma_prep_interleaved;
}
