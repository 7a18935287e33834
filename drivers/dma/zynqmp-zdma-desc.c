// SPDX-License-Identifier: BSD-2-Clause
/* ZDMA: descriptors, and preparing them. */
#include <berth/slab.h>

#include "zynqmp-zdma.h"

#define FILL_BYTE 0x01010101u

static void keep_blocks(struct zdma *z, struct zdma_desc *desc)
{
	list_splice_tail_init(&desc->src.blocks, &z->free_blocks);
	list_splice_tail_init(&desc->dst.blocks, &z->free_blocks);
}

void berth_zdma_desc_free(struct virt_dma_desc *vd)
{
	struct zdma_desc *desc = zdma_desc_of(vd);
	struct zdma *z = zdma_of(vd->tx.chan);
	unsigned long flags;

	if (desc->reg_width)
		dma_unmap_resource(z->dma.dev, desc->reg, desc->reg_width, desc->reg_dir, 0);
	desc->reg_width = 0;
	spin_lock_irqsave(&z->vc.lock, flags);
	keep_blocks(z, desc);
	spin_unlock_irqrestore(&z->vc.lock, flags);
	berth_vchan_recycle(vd);
}

void berth_zdma_free_kept(struct zdma *z)
{
	struct zdma_block *block, *next;
	struct virt_dma_desc *vd;

	while ((vd = berth_vchan_drain(&z->vc)))
		kfree(zdma_desc_of(vd));
	list_for_each_entry_safe(block, next, &z->free_blocks, struct zdma_block, node) {
		dma_pool_free(z->pool, block->words, block->dma);
		kfree(block);
	}
	INIT_LIST_HEAD(&z->free_blocks);
}

static void side_clear(struct zdma_side *side)
{
	side->nr = side->nr_last = side->length = 0;
	side->is_fixed = false;
}

/* Those that are kept have no blocks. NULL: there is no memory. */
static struct zdma_desc *new_desc(struct zdma *z)
{
	struct zdma_desc *desc = kzalloc(sizeof(*desc), GFP_ATOMIC);

	if (!desc)
		return NULL;
	INIT_LIST_HEAD(&desc->src.blocks);
	INIT_LIST_HEAD(&desc->dst.blocks);
	berth_vchan_add(&z->vc, &desc->vd);
	return desc;
}

static struct zdma_desc *take_desc(struct zdma *z)
{
	struct virt_dma_desc *vd = berth_vchan_recycled(&z->vc);

	return vd ? zdma_desc_of(vd) : new_desc(z);
}

static enum berth_zdma_mode mode_of(const struct zdma *z)
{
	return __atomic_load_n(&z->mode, __ATOMIC_RELAXED);
}

static struct zdma_desc *get_desc(struct zdma *z, enum zdma_kind kind)
{
	struct zdma_desc *desc = take_desc(z);

	if (!desc)
		return NULL;
	side_clear(&desc->src);
	side_clear(&desc->dst);
	desc->kind = kind;
	desc->vd.is_plain = false;
	desc->is_linked = mode_of(z) == BERTH_ZDMA_LINKED;
	desc->length = 0;
	desc->period = 0;
	desc->piece = ZDMA_MAX_RUN;
	desc->attributes = z->attributes;
	return desc;
}

static struct zdma_block *get_block(struct zdma *z)
{
	struct zdma_block *block;
	unsigned long flags;

	spin_lock_irqsave(&z->vc.lock, flags);
	block = list_first_entry_or_null(&z->free_blocks, struct zdma_block, node);
	if (block)
		list_del(&block->node);
	spin_unlock_irqrestore(&z->vc.lock, flags);
	if (block)
		return block;
	block = kmalloc(sizeof(*block), GFP_ATOMIC);
	if (!block)
		return NULL;
	block->words = dma_pool_alloc(z->pool, GFP_ATOMIC, &block->dma);
	if (block->words)
		return block;
	kfree(block);
	return NULL;
}

/* The last descriptor of a full block leads to the next block. */
static void link(struct zdma_desc *desc, struct zdma_block *last, const struct zdma_block *next)
{
	struct zdma_words *entry = zdma_entry(desc, last, zdma_block_entries(desc) - 1);

	entry->control |= ZDMA_WORD_LINKED;
	entry[1].address_low = lower_32_bits(next->dma);
	entry[1].address_high = upper_32_bits(next->dma);
}

/* Write the run that is in no block into one. */
static int flush_run(struct zdma *z, struct zdma_desc *desc, struct zdma_side *side)
{
	struct zdma_block *last = NULL, *block;
	struct zdma_words *entry;

	if (!list_empty(&side->blocks))
		last = list_last_entry(&side->blocks, struct zdma_block, node);
	if (!last || side->nr_last == zdma_block_entries(desc)) {
		block = get_block(z);
		if (!block)
			return -ENOMEM;
		if (last)
			link(desc, last, block);
		list_add_tail(&block->node, &side->blocks);
		last = block;
		side->nr_last = 0;
	}
	entry = zdma_entry(desc, last, side->nr_last);
	entry->address_low = lower_32_bits(side->address);
	entry->address_high = upper_32_bits(side->address);
	entry->size = side->length;
	entry->control = z->is_coherent ? ZDMA_WORD_COHERENT : 0;
	if (desc->is_linked) {
		entry->control |= ZDMA_WORD_LINKED;
		entry[1].address_low =
			lower_32_bits(last->dma) + (side->nr_last + 1) * ZDMA_LINKED_BYTES;
		entry[1].address_high = upper_32_bits(last->dma);
	}
	side->nr_last++;
	side->nr++;
	side->length = 0;
	return 0;
}

static int add_run(struct zdma *z, struct zdma_desc *desc, struct zdma_side *side,
		   dma_addr_t address, uint64_t length)
{
	while (length) {
		uint32_t step = zdma_min(length, ZDMA_MAX_RUN);
		bool continues = side->length && side->address + side->length == address &&
				 side->length + step <= ZDMA_MAX_RUN;

		if (side->length && !continues && flush_run(z, desc, side))
			return -ENOMEM;
		if (!continues)
			side->address = address;
		side->length += step;
		address += step;
		length -= step;
	}
	return 0;
}

static uint64_t runs_of(const struct zdma_side *side)
{
	return (uint64_t)side->nr + (side->length != 0);
}

/* How a copy that is complete is handed to the hardware. */
static int choose_kind(struct zdma *z, struct zdma_desc *desc)
{
	enum berth_zdma_mode mode = mode_of(z);
	struct zdma_block *last;

	desc->kind = ZDMA_COPY;
	if (mode == BERTH_ZDMA_SIMPLE)
		return 0;
	if (mode == BERTH_ZDMA_AUTO && runs_of(&desc->src) == 1 && runs_of(&desc->dst) == 1)
		return 0;
	desc->kind = ZDMA_LIST;
	if (flush_run(z, desc, &desc->src) || flush_run(z, desc, &desc->dst))
		return -ENOMEM;
	last = list_last_entry(&desc->src.blocks, struct zdma_block, node);
	zdma_entry(desc, last, desc->src.nr_last - 1)->control |= ZDMA_WORD_STOP;
	return 0;
}

void berth_zdma_command(struct zdma_desc *desc, uint32_t command)
{
	struct zdma_block *last, *block;

	if (desc->kind != ZDMA_LIST)
		return;
	last = list_last_entry(&desc->src.blocks, struct zdma_block, node);
	list_for_each_entry(block, &desc->src.blocks, struct zdma_block, node) {
		struct zdma_words *entry = zdma_entry(desc, block, zdma_block_entries(desc) - 1);

		if (block == last)
			break;
		__atomic_store_n(&entry->control, (entry->control & ~ZDMA_WORD_COMMAND) | command,
				 __ATOMIC_RELAXED);
	}
	dma_wmb();
}

static struct dma_async_tx_descriptor *finish(struct zdma_desc *desc, int ret, unsigned long flags)
{
	if (!ret)
		return berth_vchan_prepared(&desc->vd, flags);
	berth_zdma_desc_free(&desc->vd);
	return NULL;
}

/* Nothing else of such a descriptor is looked at. */
static inline struct dma_async_tx_descriptor *
prepare_run(struct zdma_desc *desc, dma_addr_t dst, dma_addr_t src, size_t len, unsigned long flags)
{
	desc->kind = ZDMA_RUN;
	desc->vd.is_plain = true;
	desc->length = len;
	desc->src.address = src;
	desc->dst.address = dst;
	return berth_vchan_prepared(&desc->vd, flags);
}

static struct dma_async_tx_descriptor *prep_copy(struct dma_chan *chan, dma_addr_t dst,
						 dma_addr_t src, size_t len, unsigned long flags)
{
	struct zdma *z = zdma_of(chan);
	bool is_run = len <= ZDMA_MAX_RUN && mode_of(z) == BERTH_ZDMA_AUTO;
	struct zdma_desc *desc = is_run ? take_desc(z) : get_desc(z, ZDMA_COPY);
	int ret;

	if (!desc)
		return NULL;
	if (is_run)
		return prepare_run(desc, dst, src, len, flags);
	desc->length = len;
	ret = add_run(z, desc, &desc->src, src, len);
	if (!ret)
		ret = add_run(z, desc, &desc->dst, dst, len);
	if (!ret)
		ret = choose_kind(z, desc);
	return finish(desc, ret, flags);
}

/* What most copies are needs no call. */
static struct dma_async_tx_descriptor *zdma_prep_memcpy(struct dma_chan *chan, dma_addr_t dst,
							dma_addr_t src, size_t len,
							unsigned long flags)
{
	struct zdma *z = zdma_of(chan);
	struct virt_dma_desc *vd = NULL;

	if (len <= ZDMA_MAX_RUN && mode_of(z) == BERTH_ZDMA_AUTO)
		vd = berth_vchan_spare(&z->vc);
	if (!vd)
		return prep_copy(chan, dst, src, len, flags);
	return prepare_run(zdma_desc_of(vd), dst, src, len, flags);
}

static struct dma_async_tx_descriptor *zdma_prep_memset(struct dma_chan *chan, dma_addr_t dst,
							int value, size_t len, unsigned long flags)
{
	struct zdma *z = zdma_of(chan);
	struct zdma_desc *desc = get_desc(z, ZDMA_FILL);

	if (!desc)
		return NULL;
	desc->length = len;
	desc->fill = (uint8_t)value * FILL_BYTE;
	desc->src.is_fixed = true;
	return finish(desc, add_run(z, desc, &desc->dst, dst, len), flags);
}

static struct dma_async_tx_descriptor *zdma_prep_interrupt(struct dma_chan *chan,
							   unsigned long flags)
{
	struct zdma *z = zdma_of(chan);
	struct zdma_desc *desc = get_desc(z, ZDMA_NOTHING);

	return desc ? finish(desc, 0, flags) : NULL;
}

static int add_frame(struct zdma *z, struct zdma_desc *desc,
		     const struct dma_interleaved_template *xt, dma_addr_t *src, dma_addr_t *dst)
{
	for (size_t i = 0; i < xt->frame_size; i++) {
		const struct data_chunk *chunk = &xt->sgl[i];

		if (add_run(z, desc, &desc->src, *src, chunk->size) ||
		    add_run(z, desc, &desc->dst, *dst, chunk->size))
			return -ENOMEM;
		desc->length += chunk->size;
		if (xt->src_inc)
			*src += chunk->size + dmaengine_get_src_icg(xt, chunk);
		if (xt->dst_inc)
			*dst += chunk->size + dmaengine_get_dst_icg(xt, chunk);
	}
	return 0;
}

static struct dma_async_tx_descriptor *
zdma_prep_interleaved(struct dma_chan *chan, const struct dma_interleaved_template *xt,
		      unsigned long flags)
{
	struct zdma *z = zdma_of(chan);
	dma_addr_t src = xt->src_start, dst = xt->dst_start;
	struct zdma_desc *desc;
	int ret = 0;

	if (xt->dir != DMA_MEM_TO_MEM) {
		berth_dma_fail(chan, -EINVAL, BERTH_REASON_CAPABILITY, "interleaved peripheral", 0,
			       0, 0);
		return NULL;
	}
	desc = get_desc(z, ZDMA_COPY);
	if (!desc)
		return NULL;
	for (size_t frame = 0; frame < xt->numf && !ret; frame++)
		ret = add_frame(z, desc, xt, &src, &dst);
	if (!ret && !desc->length)
		ret = berth_dma_fail(chan, -EINVAL, BERTH_REASON_ARGUMENT, "template", 0, 0, 0);
	if (!ret)
		ret = choose_kind(z, desc);
	return finish(desc, ret, flags);
}

/*
 * Beats of a fixed burst are as wide as the bus. A register that is narrower is accessed once per
 * transfer.
 */
static int set_peripheral(struct zdma *z, struct zdma_desc *desc, enum dma_transfer_direction dir)
{
	bool to_dev = dir == DMA_MEM_TO_DEV;
	const struct dma_slave_config *config = &z->config;
	phys_addr_t phys = to_dev ? config->dst_addr : config->src_addr;
	uint32_t width = to_dev ? config->dst_addr_width : config->src_addr_width;
	uint32_t burst = to_dev ? config->dst_maxburst : config->src_maxburst;
	struct zdma_side *side = to_dev ? &desc->dst : &desc->src;
	uint32_t beats = zdma_min(burst ? burst : 1, ZDMA_MAX_BEATS) - 1;

	if (!width || phys & (width - 1))
		return berth_dma_fail(&z->vc.chan, -EINVAL,
				      width ? BERTH_REASON_ALIGNMENT : BERTH_REASON_ARGUMENT,
				      "slave_config", phys, 0, width);
	desc->reg_dir = to_dev ? DMA_TO_DEVICE : DMA_FROM_DEVICE;
	desc->reg = dma_map_resource(z->dma.dev, phys, width, desc->reg_dir, 0);
	if (dma_mapping_error(z->dma.dev, desc->reg))
		return -EIO;
	desc->reg_width = width;
	side->address = desc->reg;
	side->is_fixed = true;
	if (width < z->bus_bytes)
		desc->piece = width;
	desc->attributes &=
		to_dev ? ~(ZDMA_DATA_AWBURST_INCR | ZDMA_DATA_AWCACHE(0xf) | ZDMA_DATA_AWLEN(0xf))
		       : ~(ZDMA_DATA_ARBURST_INCR | ZDMA_DATA_ARCACHE(0xf) | ZDMA_DATA_ARLEN(0xf));
	desc->attributes |= to_dev ? ZDMA_DATA_AWLEN(beats) : ZDMA_DATA_ARLEN(beats);
	return 0;
}

static int add_memory(struct zdma *z, struct zdma_desc *desc, enum dma_transfer_direction dir,
		      dma_addr_t address, uint32_t length)
{
	struct zdma_side *side = dir == DMA_MEM_TO_DEV ? &desc->src : &desc->dst;

	if (length & (desc->reg_width - 1))
		return berth_dma_fail(&z->vc.chan, -EINVAL, BERTH_REASON_ALIGNMENT, "length",
				      address, length, desc->reg_width);
	desc->length += length;
	return add_run(z, desc, side, address, length);
}

static struct dma_async_tx_descriptor *
zdma_prep_slave_sg(struct dma_chan *chan, struct scatterlist *sgl, unsigned int sg_len,
		   enum dma_transfer_direction dir, unsigned long flags)
{
	struct zdma *z = zdma_of(chan);
	struct zdma_desc *desc = get_desc(z, ZDMA_PERIPHERAL);
	struct scatterlist *sg = sgl;
	int ret;

	if (!desc)
		return NULL;
	ret = set_peripheral(z, desc, dir);
	for (unsigned int i = 0; i < sg_len && !ret; i++, sg = sg_next(sg))
		ret = add_memory(z, desc, dir, sg_dma_address(sg), sg_dma_len(sg));
	return finish(desc, ret, flags);
}

static struct dma_async_tx_descriptor *zdma_prep_cyclic(struct dma_chan *chan, dma_addr_t buf,
							size_t buf_len, size_t period_len,
							enum dma_transfer_direction dir,
							unsigned long flags)
{
	struct zdma *z = zdma_of(chan);
	struct zdma_desc *desc;
	int ret;

	if (buf_len > ZDMA_MAX_RUN) {
		berth_dma_fail(chan, -EINVAL, BERTH_REASON_SEGMENT, "ring", buf, buf_len,
			       ZDMA_MAX_RUN);
		return NULL;
	}
	desc = get_desc(z, ZDMA_CYCLIC);
	if (!desc)
		return NULL;
	desc->period = (uint32_t)period_len;
	ret = set_peripheral(z, desc, dir);
	if (!ret && period_len & (desc->reg_width - 1))
		ret = berth_dma_fail(chan, -EINVAL, BERTH_REASON_ALIGNMENT, "period", buf,
				     period_len, desc->reg_width);
	if (!ret)
		ret = add_memory(z, desc, dir, buf, (uint32_t)buf_len);
	return finish(desc, ret, flags);
}

void berth_zdma_set_ops(struct dma_device *dma)
{
	static const enum dma_transaction_type caps[] = {
		DMA_MEMCPY, DMA_MEMSET, DMA_INTERRUPT, DMA_SLAVE, DMA_CYCLIC, DMA_INTERLEAVE,
	};

	for (unsigned int i = 0; i < ARRAY_SIZE(caps); i++)
		__dma_cap_set(caps[i], &dma->cap_mask);
	dma->device_prep_dma_memcpy = zdma_prep_memcpy;
	dma->device_prep_dma_memset = zdma_prep_memset;
	dma->device_prep_dma_interrupt = zdma_prep_interrupt;
	dma->device_prep_slave_sg = zdma_prep_slave_sg;
	dma->device_prep_dma_cyclic = zdma_prep_cyclic;
	dma->device_prep_interleaved_dma = zdma_prep_interleaved;
}
