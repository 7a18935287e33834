// SPDX-License-Identifier: BSD-2-Clause
/* Descriptors of the SiFive PDMA: lists of runs, of which the engine gets one at a time. */
#include "sifive-pdma.h"

enum { PORT_SOURCE, PORT_TARGET };

static void put_port(struct device *dev, struct pdma_port *port)
{
	if (!port || __atomic_sub_fetch(&port->refs, 1, __ATOMIC_ACQ_REL))
		return;
	dma_unmap_resource(dev, port->addr, port->size, port->dir, 0);
	kfree(port);
}

static struct pdma_port *map_port(struct pdma_channel *ch, phys_addr_t phys, size_t size,
				  enum dma_data_direction dir)
{
	struct pdma_port *port = kmalloc(sizeof(*port), GFP_NOWAIT);

	if (!port)
		return NULL;
	*port = (struct pdma_port){ .phys = phys, .size = size, .dir = dir, .refs = 1 };
	port->addr = dma_map_resource(ch->dev, phys, size, dir, 0);
	if (dma_mapping_error(ch->dev, port->addr)) {
		kfree(port);
		return NULL;
	}
	return port;
}

/* The channel's port, if it is this one; held for the caller. */
static struct pdma_port *same_port(struct pdma_channel *ch, unsigned int which, phys_addr_t phys,
				   size_t size)
{
	struct pdma_port *port;
	unsigned long flags;

	spin_lock_irqsave(&ch->vc.lock, flags);
	port = ch->ports[which];
	if (port && port->phys == phys && port->size == size)
		__atomic_fetch_add(&port->refs, 1, __ATOMIC_RELAXED);
	else
		port = NULL;
	spin_unlock_irqrestore(&ch->vc.lock, flags);
	return port;
}

static void set_port(struct pdma_channel *ch, unsigned int which, struct pdma_port *port)
{
	struct pdma_port *before;
	unsigned long flags;

	spin_lock_irqsave(&ch->vc.lock, flags);
	before = ch->ports[which];
	ch->ports[which] = port;
	spin_unlock_irqrestore(&ch->vc.lock, flags);
	put_port(ch->dev, before);
}

/* Mapped once for all descriptors that use it, and for those to come. Held for the caller. */
static struct pdma_port *get_port(struct pdma_channel *ch, bool is_target, phys_addr_t phys,
				  size_t size)
{
	unsigned int which = is_target ? PORT_TARGET : PORT_SOURCE;
	struct pdma_port *port = same_port(ch, which, phys, size);

	if (port)
		return port;
	port = map_port(ch, phys, size, is_target ? DMA_FROM_DEVICE : DMA_TO_DEVICE);
	if (!port)
		return NULL;
	port->refs++;
	set_port(ch, which, port);
	return port;
}

static void free_desc(struct pdma_desc *d)
{
	if (d->runs != &d->one)
		kfree(d->runs);
	kfree(d);
}

void berth_pdma_desc_free(struct virt_dma_desc *vd)
{
	struct pdma_desc *d = to_pdma_desc(vd);

	put_port(to_pdma_channel(vd->tx.chan)->dev, d->port);
	d->port = NULL;
	berth_vchan_recycle(vd);
}

void berth_pdma_drain(struct pdma_channel *ch)
{
	struct virt_dma_desc *vd;

	while ((vd = berth_vchan_drain(&ch->vc)))
		free_desc(to_pdma_desc(vd));
	set_port(ch, PORT_SOURCE, NULL);
	set_port(ch, PORT_TARGET, NULL);
}

static struct pdma_desc *new_desc(struct pdma_channel *ch)
{
	struct pdma_desc *d = kzalloc(sizeof(*d), GFP_NOWAIT);

	if (d) {
		d->runs = &d->one;
		d->max_runs = 1;
		berth_vchan_add(&ch->vc, &d->vd);
	}
	return d;
}

static bool grow(struct pdma_desc *d, size_t max_runs)
{
	struct pdma_run *runs = kcalloc(max_runs, sizeof(*runs), GFP_NOWAIT);

	if (!runs)
		return false;
	if (d->runs != &d->one)
		kfree(d->runs);
	d->runs = runs;
	d->max_runs = max_runs;
	return true;
}

/* With room for so many runs; NULL with the reason. */
static struct pdma_desc *get_desc(struct pdma_channel *ch, size_t max_runs)
{
	struct virt_dma_desc *vd = berth_vchan_recycled(&ch->vc);
	struct pdma_desc *d = vd ? to_pdma_desc(vd) : new_desc(ch);

	if (!d)
		return NULL;
	if (max_runs > d->max_runs && !grow(d, max_runs)) {
		berth_vchan_recycle(&d->vd);
		return NULL;
	}
	d->len = 0;
	d->period = 0;
	d->nr_runs = 0;
	d->config = PDMA_CONFIG_SIZES(PDMA_MAX_SIZE_LOG2);
	d->vd.is_plain = true;
	d->is_copy = false;
	return d;
}

/* A run more; one that continues the last one makes that longer. A peripheral's side is 0. */
static void add_run(struct pdma_desc *d, dma_addr_t dst, dma_addr_t src, size_t len)
{
	struct pdma_run *last = d->nr_runs ? &d->runs[d->nr_runs - 1] : NULL;

	d->len += len;
	if (last && !d->port && last->dst + last->len == dst && last->src + last->len == src &&
	    last->len + len >= len) {
		last->len += len;
		return;
	}
	d->runs[d->nr_runs++] = (struct pdma_run){ dst, src, len };
}

/* Of a descriptor that holds nothing. */
static inline struct dma_async_tx_descriptor *
prepare_copy(struct pdma_desc *d, dma_addr_t dst, dma_addr_t src, size_t len, unsigned long flags)
{
	d->runs[0] = (struct pdma_run){ dst, src, len };
	d->len = len;
	/* Mostly it was one before. */
	if (!d->is_copy) {
		d->period = 0;
		d->nr_runs = 1;
		d->config = PDMA_CONFIG_SIZES(PDMA_MAX_SIZE_LOG2);
		d->is_copy = true;
	}
	return berth_vchan_prepared(&d->vd, flags);
}

static __attribute__((noinline)) struct dma_async_tx_descriptor *
prep_any_copy(struct dma_chan *chan, dma_addr_t dst, dma_addr_t src, size_t len,
	      unsigned long flags)
{
	struct pdma_desc *d = get_desc(to_pdma_channel(chan), 1);

	return d ? prepare_copy(d, dst, src, len, flags) : NULL;
}

/* Mostly there is a descriptor, and no call is needed. */
static struct dma_async_tx_descriptor *pdma_prep_memcpy(struct dma_chan *chan, dma_addr_t dst,
							dma_addr_t src, size_t len,
							unsigned long flags)
{
	struct virt_dma_desc *vd = berth_vchan_spare(to_virt_chan(chan));

	if (!vd)
		return prep_any_copy(chan, dst, src, len, flags);
	return prepare_copy(to_pdma_desc(vd), dst, src, len, flags);
}

static struct dma_async_tx_descriptor *pdma_prep_interrupt(struct dma_chan *chan,
							   unsigned long flags)
{
	struct pdma_channel *ch = to_pdma_channel(chan);
	struct pdma_desc *d = get_desc(ch, 1);

	return d ? berth_vchan_prepared(&d->vd, flags) : NULL;
}

/* A peripheral as the configuration describes it. */
struct peripheral {
	bool is_target;
	phys_addr_t phys;
	uint32_t width;
	uint32_t window; /* accesses */
};

static int look_at_peripheral(struct pdma_channel *ch, enum dma_transfer_direction dir,
			      struct peripheral *p)
{
	struct dma_chan *chan = &ch->vc.chan;
	struct dma_slave_config config;
	unsigned long flags;

	if (dir != DMA_MEM_TO_DEV && dir != DMA_DEV_TO_MEM)
		return berth_dma_fail(chan, -EINVAL, BERTH_REASON_CAPABILITY, "direction", 0, 0, 0);
	spin_lock_irqsave(&ch->vc.lock, flags);
	config = ch->config;
	spin_unlock_irqrestore(&ch->vc.lock, flags);
	p->is_target = dir == DMA_MEM_TO_DEV;
	p->phys = p->is_target ? config.dst_addr : config.src_addr;
	p->width = p->is_target ? config.dst_addr_width : config.src_addr_width;
	p->window = p->is_target ? config.dst_port_window_size : config.src_port_window_size;
	if (!p->width || p->width > 64 || p->width & (p->width - 1))
		return berth_dma_fail(chan, -EINVAL, BERTH_REASON_ARGUMENT, "address width",
				      p->width, 0, 0);
	if (p->phys & (p->width - 1))
		return berth_dma_fail(chan, -EINVAL, BERTH_REASON_ALIGNMENT, NULL, p->phys, 0,
				      p->width);
	return 0;
}

/* The engine's accesses are @p's; the reason says why a piece of @len bytes is none it can do. */
static int check_piece(struct pdma_channel *ch, const struct peripheral *p, uint64_t len)
{
	if (!len || len & (p->width - 1))
		return berth_dma_fail(&ch->vc.chan, -EINVAL, BERTH_REASON_ALIGNMENT, NULL, 0, len,
				      p->width);
	if (!p->window && len > p->width)
		return berth_dma_fail(&ch->vc.chan, -EINVAL, BERTH_REASON_CAPABILITY,
				      "an address that stays", p->phys, len, p->width);
	return 0;
}

static int set_peripheral(struct pdma_channel *ch, struct pdma_desc *d, const struct peripheral *p)
{
	size_t accesses = p->window ? p->window : 1;

	if (accesses > SIZE_MAX / p->width)
		return berth_dma_fail(&ch->vc.chan, -EINVAL, BERTH_REASON_ARGUMENT, "port window",
				      accesses, 0, 0);
	d->port = get_port(ch, p->is_target, p->phys, accesses * p->width);
	if (!d->port)
		return -ENOMEM;
	d->vd.is_plain = false;
	d->is_to_port = p->is_target;
	d->config = PDMA_CONFIG_SIZES(__builtin_ctz(p->width));
	return 0;
}

static struct dma_async_tx_descriptor *
pdma_prep_slave_sg(struct dma_chan *chan, struct scatterlist *sgl, unsigned int sg_len,
		   enum dma_transfer_direction dir, unsigned long flags)
{
	struct pdma_channel *ch = to_pdma_channel(chan);
	struct scatterlist *sg;
	struct peripheral p;
	struct pdma_desc *d;
	uint64_t total = 0;
	unsigned int i;

	if (look_at_peripheral(ch, dir, &p))
		return NULL;
	for_each_sg(sgl, sg, sg_len, i) {
		total += sg_dma_len(sg);
		if (check_piece(ch, &p, sg_dma_len(sg)) || check_piece(ch, &p, total))
			return NULL;
	}
	d = get_desc(ch, sg_len);
	if (!d)
		return NULL;
	if (set_peripheral(ch, d, &p)) {
		berth_pdma_desc_free(&d->vd);
		return NULL;
	}
	for_each_sg(sgl, sg, sg_len, i)
		add_run(d, p.is_target ? 0 : sg_dma_address(sg),
			p.is_target ? sg_dma_address(sg) : 0, sg_dma_len(sg));
	return berth_vchan_prepared(&d->vd, flags);
}

static struct dma_async_tx_descriptor *pdma_prep_cyclic(struct dma_chan *chan, dma_addr_t buf_addr,
							size_t buf_len, size_t period_len,
							enum dma_transfer_direction dir,
							unsigned long flags)
{
	struct pdma_channel *ch = to_pdma_channel(chan);
	struct peripheral p;
	struct pdma_desc *d;

	if (look_at_peripheral(ch, dir, &p) || check_piece(ch, &p, period_len) ||
	    check_piece(ch, &p, buf_len))
		return NULL;
	d = get_desc(ch, 1);
	if (!d)
		return NULL;
	if (set_peripheral(ch, d, &p)) {
		berth_pdma_desc_free(&d->vd);
		return NULL;
	}
	d->period = period_len;
	add_run(d, p.is_target ? 0 : buf_addr, p.is_target ? buf_addr : 0, buf_len);
	return berth_vchan_prepared(&d->vd, flags);
}

static void add_frames(struct pdma_desc *d, const struct dma_interleaved_template *xt)
{
	dma_addr_t src = xt->src_start, dst = xt->dst_start;

	for (size_t frame = 0; frame < xt->numf; frame++) {
		for (size_t i = 0; i < xt->frame_size; i++) {
			const struct data_chunk *chunk = &xt->sgl[i];

			if (chunk->size)
				add_run(d, dst, src, chunk->size);
			src += chunk->size + dmaengine_get_src_icg(xt, chunk);
			dst += chunk->size + dmaengine_get_dst_icg(xt, chunk);
		}
	}
}

static struct dma_async_tx_descriptor *
pdma_prep_interleaved(struct dma_chan *chan, const struct dma_interleaved_template *xt,
		      unsigned long flags)
{
	struct pdma_channel *ch = to_pdma_channel(chan);
	struct pdma_desc *d;
	size_t nr;

	if (xt->dir != DMA_MEM_TO_MEM || !xt->src_inc || !xt->dst_inc) {
		berth_dma_fail(chan, -EINVAL, BERTH_REASON_CAPABILITY, "an address that stays", 0,
			       0, 0);
		return NULL;
	}
	if (!xt->numf || !xt->frame_size || __builtin_mul_overflow(xt->numf, xt->frame_size, &nr)) {
		berth_dma_fail(chan, -EINVAL, BERTH_REASON_ARGUMENT, "frames", xt->numf, 0, 0);
		return NULL;
	}
	d = get_desc(ch, nr);
	if (!d)
		return NULL;
	add_frames(d, xt);
	return berth_vchan_prepared(&d->vd, flags);
}

static int pdma_config(struct dma_chan *chan, struct dma_slave_config *config)
{
	struct pdma_channel *ch = to_pdma_channel(chan);
	unsigned long flags;

	if (config->device_fc)
		return berth_dma_fail(chan, -EINVAL, BERTH_REASON_CAPABILITY,
				      "flow control of the peripheral's", 0, 0, 0);
	spin_lock_irqsave(&ch->vc.lock, flags);
	ch->config = *config;
	spin_unlock_irqrestore(&ch->vc.lock, flags);
	return 0;
}

void berth_pdma_set_calls(struct dma_device *dma)
{
	dma->device_prep_dma_memcpy = pdma_prep_memcpy;
	dma->device_prep_dma_interrupt = pdma_prep_interrupt;
	dma->device_prep_slave_sg = pdma_prep_slave_sg;
	dma->device_prep_dma_cyclic = pdma_prep_cyclic;
	dma->device_prep_interleaved_dma = pdma_prep_interleaved;
	dma->device_config = pdma_config;
}
