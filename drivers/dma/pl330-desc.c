// SPDX-License-Identifier: BSD-2-Clause
/* The PL330's descriptors: what a client wants, as pieces, and programs for them. */
#include <berth/dma-mapping.h>
#include <berth/errno.h>
#include <berth/slab.h>

#include "pl330.h"

/* Of BERTH_REASON_MASK. */
#define LAST_ADDRESS UINT32_MAX

/* Those that decide what a copy's program looks like: no beat is wider than 16 bytes. */
#define LOW_BITS 15u

static void free_desc(struct pl330_channel *ch, struct pl330_desc *desc)
{
	if (desc->spans != desc->own)
		kfree(desc->spans);
	dma_pool_free(ch->pl->code, desc->code, desc->code_dma);
	kfree(desc);
}

static struct pl330_desc *make_desc(struct pl330_channel *ch)
{
	struct pl330_desc *desc = kzalloc(sizeof(*desc), GFP_NOWAIT);

	if (!desc)
		return NULL;
	desc->code = dma_pool_alloc(ch->pl->code, GFP_NOWAIT, &desc->code_dma);
	if (!desc->code) {
		kfree(desc);
		return NULL;
	}
	desc->spans = desc->own;
	desc->max_spans = PL330_OWN_SPANS;
	desc->event = ch->event;
	desc->vd.tx.phys = desc->code_dma;
	berth_vchan_add(&ch->vc, &desc->vd);
	return desc;
}

static bool grow(struct pl330_desc *desc, uint32_t nr)
{
	struct pl330_span *spans;

	if (nr <= desc->max_spans)
		return true;
	spans = kcalloc(nr, sizeof(*spans), GFP_NOWAIT);
	if (!spans)
		return false;
	if (desc->spans != desc->own)
		kfree(desc->spans);
	desc->spans = spans;
	desc->max_spans = nr;
	return true;
}

static struct pl330_desc *any_desc(struct pl330_channel *ch)
{
	struct virt_dma_desc *vd = berth_vchan_recycled(&ch->vc);

	return vd ? to_pl330_desc(vd) : make_desc(ch);
}

static void empty_desc(const struct pl330_channel *ch, struct pl330_desc *desc,
		       enum pl330_kind kind)
{
	desc->shape = ch->pl->limits;
	desc->shape.kind = kind;
	desc->nr_spans = 0;
	desc->nr_frames = 1;
	desc->src_stride = desc->dst_stride = 0;
	desc->total = 0;
	desc->is_cyclic = false;
}

/* An empty one, with room for pieces. */
static struct pl330_desc *take_desc(struct pl330_channel *ch, enum pl330_kind kind, uint32_t nr)
{
	struct pl330_desc *desc = any_desc(ch);

	if (!desc)
		return NULL;
	if (!grow(desc, nr)) {
		berth_vchan_recycle(&desc->vd);
		return NULL;
	}
	empty_desc(ch, desc, kind);
	return desc;
}

static void unmap_port(struct pl330_channel *ch, unsigned int which)
{
	struct pl330_port *port = &ch->ports[which];

	if (port->size)
		dma_unmap_resource(ch->pl->dev, port->dma, port->size,
				   which ? DMA_TO_DEVICE : DMA_FROM_DEVICE, 0);
	port->size = 0;
}

void berth_pl330_free_resources(struct dma_chan *chan)
{
	struct pl330_channel *ch = to_pl330_channel(chan);
	struct virt_dma_desc *vd;
	unsigned long flags;

	vchan_free_chan_resources(&ch->vc);
	while ((vd = berth_vchan_drain(&ch->vc)))
		free_desc(ch, to_pl330_desc(vd));
	unmap_port(ch, 0);
	unmap_port(ch, 1);
	ch->config = (struct dma_slave_config){ 0 };
	spin_lock_irqsave(&ch->pl->lock, flags);
	if (ch->request != PL330_NO_REQUEST)
		ch->pl->requests &= ~(1u << ch->request);
	ch->request = PL330_NO_REQUEST;
	spin_unlock_irqrestore(&ch->pl->lock, flags);
}

static bool is_idle(struct pl330_channel *ch)
{
	unsigned long flags;
	bool idle;

	spin_lock_irqsave(&ch->vc.lock, flags);
	idle = !ch->active && !berth_vchan_has_prepared(&ch->vc) &&
	       list_empty(&ch->vc.desc_submitted) && list_empty(&ch->vc.desc_issued);
	spin_unlock_irqrestore(&ch->vc.lock, flags);
	return idle;
}

static bool is_other(const struct pl330_port *port, phys_addr_t phys, unsigned int width)
{
	return port->size && (port->phys != phys || port->size != width);
}

int berth_pl330_config(struct dma_chan *chan, struct dma_slave_config *config)
{
	struct pl330_channel *ch = to_pl330_channel(chan);
	bool is_changed[2] = {
		is_other(&ch->ports[0], config->src_addr, config->src_addr_width),
		is_other(&ch->ports[1], config->dst_addr, config->dst_addr_width),
	};

	if (config->device_fc || config->src_port_window_size || config->dst_port_window_size)
		return berth_dma_fail(chan, -EINVAL, BERTH_REASON_CAPABILITY,
				      config->device_fc ? "device_fc" : "port window", 0, 0, 0);
	/* A descriptor that is not done may have the old address. */
	if ((is_changed[0] || is_changed[1]) && !is_idle(ch))
		return berth_dma_fail(chan, -EBUSY, BERTH_REASON_STATE, "slave_config", 0, 0, 0);
	for (unsigned int i = 0; i < ARRAY_SIZE(is_changed); i++)
		if (is_changed[i])
			unmap_port(ch, i);
	ch->config = *config;
	return 0;
}

static bool is_reached(struct pl330_channel *ch, dma_addr_t at, uint64_t len)
{
	if (len - 1 <= LAST_ADDRESS && at <= LAST_ADDRESS - (len - 1))
		return true;
	berth_dma_fail(&ch->vc.chan, -EINVAL, BERTH_REASON_MASK, NULL, at, len, LAST_ADDRESS);
	return false;
}

static void add_span(struct pl330_desc *desc, dma_addr_t src, dma_addr_t dst, uint64_t len)
{
	desc->spans[desc->nr_spans++] =
		(struct pl330_span){ (uint32_t)src, (uint32_t)dst, (uint32_t)len };
	desc->total += len;
}

/* Towards @place, which had @got bytes more; a cyclic one goes around. */
static void move_on(const struct pl330_desc *desc, struct pl330_place *place, uint32_t got)
{
	place->done += got;
	place->offset += got;
	if (place->offset < desc->spans[place->span].len)
		return;
	place->offset = 0;
	if (++place->span < desc->nr_spans)
		return;
	place->span = 0;
	if (++place->frame == desc->nr_frames && desc->is_cyclic)
		*place = (struct pl330_place){ 0 };
}

/* As much as there is room for of the piece at @place. */
static uint32_t add_piece(const struct pl330_desc *desc, struct pl330_program *program,
			  const struct pl330_place *place, struct pl330_span *piece)
{
	const struct pl330_span *span = &desc->spans[place->span];
	uint32_t frame = (uint32_t)place->frame;
	bool is_src_still = desc->shape.kind == PL330_FILL || desc->shape.kind == PL330_FROM_DEVICE;

	piece->src = span->src + frame * desc->src_stride + (is_src_still ? 0 : place->offset);
	piece->dst = span->dst + frame * desc->dst_stride +
		     (desc->shape.kind == PL330_TO_DEVICE ? 0 : place->offset);
	piece->len = berth_pl330_add(program, &desc->shape, piece->src, piece->dst,
				     span->len - place->offset);
	return piece->len;
}

static bool is_more(const struct pl330_desc *desc, const struct pl330_place *place)
{
	return desc->nr_spans && place->frame < desc->nr_frames;
}

/* The program from @first on; a period has one of its own. */
static void write_program(struct pl330_desc *desc)
{
	struct pl330_program program;
	struct pl330_span piece;

	desc->next = desc->first;
	berth_pl330_begin(&program, desc->code, PL330_PATTERN_AT, &desc->shape);
	while (is_more(desc, &desc->next)) {
		uint32_t got = add_piece(desc, &program, &desc->next, &piece);

		if (!got)
			break;
		move_on(desc, &desc->next, got);
		if (desc->is_cyclic && !desc->next.offset)
			break;
	}
	berth_pl330_end(&program, desc->event);
	desc->copy_len = 0;
}

void berth_pl330_rewind(struct pl330_desc *desc)
{
	if (!desc->first.done && !desc->first.frame)
		return;
	desc->first = (struct pl330_place){ 0 };
	write_program(desc);
}

bool berth_pl330_advance(struct pl330_desc *desc)
{
	if (!is_more(desc, &desc->next))
		return false;
	desc->first = desc->next;
	write_program(desc);
	return true;
}

uint64_t berth_pl330_done(const struct pl330_desc *desc, uint32_t pc, uint32_t src, uint32_t dst)
{
	struct pl330_place place = desc->first;
	struct pl330_program program;
	struct pl330_span piece = { 0 };
	uint32_t at = pc - (uint32_t)desc->code_dma, moved;

	/* Written anew without being written: where its pieces begin and end. */
	berth_pl330_begin(&program, NULL, PL330_PATTERN_AT, &desc->shape);
	while (is_more(desc, &place)) {
		uint32_t got = add_piece(desc, &program, &place, &piece);
		uint64_t before = place.done;

		if (!got)
			break;
		if (at < program.moves)
			return before;
		if (at < program.used) {
			moved = desc->shape.kind == PL330_TO_DEVICE ? src - piece.src
								    : dst - piece.dst;
			return before + (moved < got ? moved : got);
		}
		move_on(desc, &place, got);
		if (place.done <= before)
			return desc->total; /* the end of the ring */
		if (desc->is_cyclic && !place.offset)
			break;
	}
	return place.done;
}

static struct dma_async_tx_descriptor *finish(struct pl330_desc *desc, unsigned long flags)
{
	desc->first = (struct pl330_place){ 0 };
	write_program(desc);
	return berth_vchan_prepared(&desc->vd, flags);
}

static inline uint32_t low_bits(dma_addr_t dst, dma_addr_t src)
{
	return ((uint32_t)src & LOW_BITS) << 16 | ((uint32_t)dst & LOW_BITS);
}

static struct dma_async_tx_descriptor *write_copy(struct pl330_channel *ch, struct pl330_desc *desc,
						  dma_addr_t dst, dma_addr_t src, size_t len,
						  unsigned long flags)
{
	struct dma_async_tx_descriptor *tx;

	empty_desc(ch, desc, PL330_COPY);
	add_span(desc, src, dst, len);
	tx = finish(desc, flags);
	if (desc->next.done == desc->total) {
		desc->copy_len = (uint32_t)len;
		desc->copy_low = low_bits(dst, src);
	}
	return tx;
}

/* The last descriptor's program copies as many bytes between addresses that are alike: they are all that changes. */
static inline struct dma_async_tx_descriptor *change_copy(struct pl330_desc *desc, dma_addr_t dst,
							  dma_addr_t src, unsigned long flags)
{
	desc->spans[0].src = (uint32_t)src;
	desc->spans[0].dst = (uint32_t)dst;
	berth_pl330_change(desc->code, (uint32_t)src, (uint32_t)dst);
	return berth_vchan_prepared(&desc->vd, flags);
}

static __attribute__((noinline)) struct dma_async_tx_descriptor *
prep_any_copy(struct dma_chan *chan, dma_addr_t dst, dma_addr_t src, size_t len,
	      unsigned long flags)
{
	struct pl330_channel *ch = to_pl330_channel(chan);
	struct pl330_desc *desc;

	if (!is_reached(ch, src, len) || !is_reached(ch, dst, len))
		return NULL;
	desc = any_desc(ch);
	if (!desc)
		return NULL;
	if (desc->copy_len == len && desc->copy_low == low_bits(dst, src))
		return change_copy(desc, dst, src, flags);
	return write_copy(ch, desc, dst, src, len, flags);
}

/* Below 4 GiB to its last byte; without a reason, unlike is_reached(). */
static inline bool is_low(dma_addr_t dst, dma_addr_t src, uint32_t len)
{
	return !((dst | src) >> 32) && (uint32_t)dst <= LAST_ADDRESS - (len - 1) &&
	       (uint32_t)src <= LAST_ADDRESS - (len - 1);
}

/* Mostly there is one, and it needs no call. */
static struct dma_async_tx_descriptor *prep_memcpy(struct dma_chan *chan, dma_addr_t dst,
						   dma_addr_t src, size_t len, unsigned long flags)
{
	struct virt_dma_desc *vd = berth_vchan_spare(to_virt_chan(chan));
	struct pl330_desc *desc = vd ? to_pl330_desc(vd) : NULL;

	if (!vd)
		return prep_any_copy(chan, dst, src, len, flags);
	if (desc->copy_len == len && desc->copy_low == low_bits(dst, src) &&
	    is_low(dst, src, (uint32_t)len))
		return change_copy(desc, dst, src, flags);
	berth_vchan_put_spare(to_virt_chan(chan), vd);
	return prep_any_copy(chan, dst, src, len, flags);
}

static struct dma_async_tx_descriptor *prep_memset(struct dma_chan *chan, dma_addr_t dst, int value,
						   size_t len, unsigned long flags)
{
	struct pl330_channel *ch = to_pl330_channel(chan);
	struct pl330_desc *desc;

	if (!is_reached(ch, dst, len))
		return NULL;
	desc = take_desc(ch, PL330_FILL, 1);
	if (!desc)
		return NULL;
	for (unsigned int i = 0; i < PL330_PATTERN_BYTES; i++)
		desc->code[PL330_PATTERN_AT + i] = (uint8_t)value;
	add_span(desc, desc->code_dma + PL330_PATTERN_AT, dst, len);
	return finish(desc, flags);
}

static struct dma_async_tx_descriptor *prep_interrupt(struct dma_chan *chan, unsigned long flags)
{
	struct pl330_channel *ch = to_pl330_channel(chan);
	struct pl330_desc *desc = take_desc(ch, PL330_COPY, 0);

	return desc ? finish(desc, flags) : NULL;
}

/* The length of a frame on one side, less what its last gap leads to: whether it can be reached. */
static bool is_frame_reached(struct pl330_channel *ch, dma_addr_t at, uint64_t stride, size_t numf)
{
	uint64_t all;

	if (__builtin_mul_overflow(stride, numf, &all))
		all = UINT64_MAX;
	return is_reached(ch, at, all);
}

static struct dma_async_tx_descriptor *prep_interleaved(struct dma_chan *chan,
							const struct dma_interleaved_template *xt,
							unsigned long flags)
{
	struct pl330_channel *ch = to_pl330_channel(chan);
	struct pl330_desc *desc;
	uint64_t src = 0, dst = 0;

	if (xt->dir != DMA_MEM_TO_MEM || !xt->src_inc || !xt->dst_inc ||
	    xt->frame_size > UINT32_MAX) {
		berth_dma_fail(chan, -EOPNOTSUPP, BERTH_REASON_CAPABILITY, "interleaved", 0, 0, 0);
		return NULL;
	}
	desc = take_desc(ch, PL330_COPY, (uint32_t)xt->frame_size);
	if (!desc)
		return NULL;
	for (size_t i = 0; i < xt->frame_size; i++) {
		const struct data_chunk *chunk = &xt->sgl[i];

		if (!is_reached(ch, xt->src_start + src, chunk->size) ||
		    !is_reached(ch, xt->dst_start + dst, chunk->size))
			goto put_back;
		add_span(desc, xt->src_start + src, xt->dst_start + dst, chunk->size);
		src += chunk->size + dmaengine_get_src_icg(xt, chunk);
		dst += chunk->size + dmaengine_get_dst_icg(xt, chunk);
	}
	if (!is_frame_reached(ch, xt->src_start, src, xt->numf) ||
	    !is_frame_reached(ch, xt->dst_start, dst, xt->numf))
		goto put_back;
	desc->src_stride = (uint32_t)src;
	desc->dst_stride = (uint32_t)dst;
	desc->nr_frames = xt->numf;
	desc->total *= xt->numf;
	return finish(desc, flags);

put_back:
	berth_vchan_recycle(&desc->vd);
	return NULL;
}

/* The peripheral's register, as the controller reaches it. */
static bool map_port(struct pl330_channel *ch, bool is_out, uint32_t width)
{
	struct pl330_port *port = &ch->ports[is_out];
	phys_addr_t phys = is_out ? ch->config.dst_addr : ch->config.src_addr;

	if (port->size)
		return true;
	if (phys % width) {
		berth_dma_fail(&ch->vc.chan, -EINVAL, BERTH_REASON_ALIGNMENT, "register", phys, 0,
			       width);
		return false;
	}
	port->dma = dma_map_resource(ch->pl->dev, phys, width,
				     is_out ? DMA_TO_DEVICE : DMA_FROM_DEVICE, 0);
	if (dma_mapping_error(ch->pl->dev, port->dma))
		return false;
	port->phys = phys;
	port->size = width;
	if (is_reached(ch, port->dma, width))
		return true;
	unmap_port(ch, is_out);
	return false;
}

/* A descriptor for the peripheral as it was configured; NULL with the reason. */
static struct pl330_desc *take_slave_desc(struct pl330_channel *ch, bool is_out, uint32_t nr)
{
	uint32_t width = is_out ? ch->config.dst_addr_width : ch->config.src_addr_width;
	uint32_t burst = is_out ? ch->config.dst_maxburst : ch->config.src_maxburst;
	struct pl330_desc *desc;

	if (!width) {
		berth_dma_fail(&ch->vc.chan, -EINVAL, BERTH_REASON_ARGUMENT, "width", 0, 0, 0);
		return NULL;
	}
	if (!map_port(ch, is_out, width))
		return NULL;
	desc = take_desc(ch, is_out ? PL330_TO_DEVICE : PL330_FROM_DEVICE, nr);
	if (!desc)
		return NULL;
	desc->shape.shift = (uint8_t)__builtin_ctz(width);
	desc->shape.beats = (uint8_t)(burst ? burst : 1);
	desc->shape.request = ch->request;
	return desc;
}

static bool add_slave_span(struct pl330_channel *ch, struct pl330_desc *desc, bool is_out,
			   dma_addr_t at, uint64_t len)
{
	uint64_t width = 1ull << desc->shape.shift;

	if (!is_reached(ch, at, len))
		return false;
	if ((at | len) % width) {
		berth_dma_fail(&ch->vc.chan, -EINVAL, BERTH_REASON_ALIGNMENT, NULL,
			       at % width ? at : len, 0, width);
		return false;
	}
	if (is_out)
		add_span(desc, at, ch->ports[1].dma, len);
	else
		add_span(desc, ch->ports[0].dma, at, len);
	return true;
}

static struct dma_async_tx_descriptor *prep_slave_sg(struct dma_chan *chan, struct scatterlist *sgl,
						     unsigned int sg_len,
						     enum dma_transfer_direction dir,
						     unsigned long flags)
{
	struct pl330_channel *ch = to_pl330_channel(chan);
	bool is_out = dir == DMA_MEM_TO_DEV;
	struct pl330_desc *desc = NULL;

	if (dir == DMA_MEM_TO_MEM)
		berth_dma_fail(chan, -EINVAL, BERTH_REASON_CAPABILITY, "slave_sg", 0, 0, 0);
	else
		desc = take_slave_desc(ch, is_out, sg_len);
	if (!desc)
		return NULL;
	for (; sg_len--; sgl = sg_next(sgl))
		if (!add_slave_span(ch, desc, is_out, sg_dma_address(sgl), sg_dma_len(sgl))) {
			berth_vchan_recycle(&desc->vd);
			return NULL;
		}
	return finish(desc, flags);
}

static struct dma_async_tx_descriptor *prep_cyclic(struct dma_chan *chan, dma_addr_t buf_addr,
						   size_t buf_len, size_t period_len,
						   enum dma_transfer_direction dir,
						   unsigned long flags)
{
	struct pl330_channel *ch = to_pl330_channel(chan);
	bool is_out = dir == DMA_MEM_TO_DEV;
	struct pl330_desc *desc = NULL;

	if (dir == DMA_MEM_TO_MEM)
		berth_dma_fail(chan, -EINVAL, BERTH_REASON_CAPABILITY, "cyclic", 0, 0, 0);
	else if (is_reached(ch, buf_addr, buf_len))
		desc = take_slave_desc(ch, is_out, 1);
	if (!desc)
		return NULL;
	if (!add_slave_span(ch, desc, is_out, buf_addr, period_len)) {
		berth_vchan_recycle(&desc->vd);
		return NULL;
	}
	desc->is_cyclic = true;
	desc->nr_frames = buf_len / period_len;
	desc->total = buf_len;
	if (is_out)
		desc->src_stride = (uint32_t)period_len;
	else
		desc->dst_stride = (uint32_t)period_len;
	return finish(desc, flags);
}

void berth_pl330_prepares(struct dma_device *dma)
{
	dma->device_prep_dma_memcpy = prep_memcpy;
	dma->device_prep_dma_memset = prep_memset;
	dma->device_prep_dma_interrupt = prep_interrupt;
	dma->device_prep_interleaved_dma = prep_interleaved;
	dma->device_prep_slave_sg = prep_slave_sg;
	dma->device_prep_dma_cyclic = prep_cyclic;
}
