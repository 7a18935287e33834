// SPDX-License-Identifier: BSD-2-Clause
/* Driver of the SiFive PDMA (FU540-C000 manual, chapter 12): its channels at work. */
#include "sifive-pdma.h"

static inline uint32_t pdma_read(const struct pdma_channel *ch, unsigned int reg)
{
	return readl(ch->regs + reg);
}

static inline void pdma_write(const struct pdma_channel *ch, unsigned int reg, uint32_t value)
{
	writel(value, ch->regs + reg);
}

static inline void pdma_write_relaxed64(char __iomem *at, uint64_t value)
{
	writel_relaxed(lower_32_bits(value), at);
	writel_relaxed(upper_32_bits(value), at + 4);
}

/* One that counts while it is read. */
static uint64_t pdma_read64(const struct pdma_channel *ch, unsigned int reg)
{
	uint32_t low, high;

	do {
		high = pdma_read(ch, reg + 4);
		low = pdma_read(ch, reg);
	} while (high != pdma_read(ch, reg + 4));
	return (uint64_t)high << 32 | low;
}

/* Also ends what runs, and takes back what it has reported. It has arrived when this returns. */
static void pdma_claim(const struct pdma_channel *ch)
{
	char __iomem *control = ch->regs + PDMA_CONTROL;

	writel(PDMA_CONTROL_CLAIM, control);
	(void)readl_relaxed(control);
}

static void pdma_disclaim(const struct pdma_channel *ch)
{
	pdma_claim(ch);
	pdma_write(ch, PDMA_CONTROL, 0);
}

static size_t smaller(size_t a, size_t b)
{
	return a < b ? a : b;
}

/* What CONTROL needs to run; an interrupt at its end, if somebody waits for that. */
static inline void pdma_set_go(struct pdma_channel *ch)
{
	ch->go = PDMA_CONTROL_CLAIM | PDMA_CONTROL_RUN;
	if (ch->nr_irqs && !ch->vc.chan.is_polled)
		ch->go |= PDMA_CONTROL_IE;
}

static inline void pdma_run_bytes(struct pdma_channel *ch, uint32_t config, dma_addr_t dst,
				  dma_addr_t src, size_t len)
{
	char __iomem *regs = ch->regs;
	uint32_t go = ch->go;

	ch->piece = len;
	writel_relaxed(config, regs + PDMA_NEXT_CONFIG);
	pdma_write_relaxed64(regs + PDMA_NEXT_BYTES, len);
	pdma_write_relaxed64(regs + PDMA_NEXT_DESTINATION, dst);
	pdma_write_relaxed64(regs + PDMA_NEXT_SOURCE, src);
	/* With the barrier: what is in memory comes before it. */
	writel(go, regs + PDMA_CONTROL);
}

/* Give the engine what comes next of the descriptor, as much as can be done at once. */
static void pdma_run_piece(struct pdma_channel *ch)
{
	const struct pdma_desc *d = ch->desc;
	const struct pdma_run *run = &d->runs[ch->run];
	dma_addr_t dst = run->dst + ch->at, src = run->src + ch->at;
	size_t len = run->len - ch->at;

	if (d->period)
		len = smaller(len, d->period - ch->at % d->period);
	if (d->port) {
		len = smaller(len, d->port->size - ch->port_at);
		if (d->is_to_port)
			dst = d->port->addr + ch->port_at;
		else
			src = d->port->addr + ch->port_at;
	}
	ch->piece_dst = dst;
	ch->piece_src = src;
	pdma_run_bytes(ch, d->config, dst, src, len);
}

/* It is at rest: so it is where the next one begins. */
static void pdma_forget(struct pdma_channel *ch)
{
	ch->desc = NULL;
	ch->piece = 0;
	ch->run = ch->at = ch->port_at = 0;
	ch->later = 0;
}

/* One that is in no list becomes the current one. */
static inline void pdma_make_current(struct pdma_channel *ch, struct pdma_desc *d)
{
	ch->desc = d;
	ch->later = d->len - d->runs[0].len;
}

static inline void pdma_start_copy(struct pdma_channel *ch, struct pdma_desc *d)
{
	const struct pdma_run *run = d->runs;

	ch->desc = d;
	pdma_run_bytes(ch, PDMA_CONFIG_SIZES(PDMA_MAX_SIZE_LOG2), run->dst, run->src, run->len);
}

/* The engine rests: it gets the rest of its descriptor, or the next one. */
static void pdma_go_on(struct pdma_channel *ch)
{
	struct virt_dma_desc *vd;

	while (!ch->desc && !ch->is_paused && (vd = vchan_next_desc(&ch->vc))) {
		struct pdma_desc *d = to_pdma_desc(vd);

		list_del(&vd->node);
		if (!d->nr_runs) {
			vchan_cookie_complete(vd);
			continue;
		}
		pdma_make_current(ch, d);
	}
	if (ch->desc && !ch->is_paused)
		pdma_run_piece(ch);
}

/* So much of the piece is done; the engine has nothing to do. */
static void pdma_moved(struct pdma_channel *ch, size_t bytes)
{
	struct pdma_desc *d = ch->desc;

	ch->piece = 0;
	if (!bytes)
		return;
	ch->at += bytes;
	ch->port_at += bytes;
	if (d->port && ch->port_at == d->port->size)
		ch->port_at = 0;
	if (d->period && ch->at % d->period == 0)
		vchan_cyclic_callback(&d->vd);
	if (ch->at < d->runs[ch->run].len)
		return;
	ch->at = 0;
	if (d->period)
		return;
	if (++ch->run < d->nr_runs) {
		ch->later -= d->runs[ch->run].len;
		return;
	}
	pdma_forget(ch);
	vchan_cookie_complete(&d->vd);
}

/* Bytes of the piece that are left, as the engine says. */
static size_t pdma_left(const struct pdma_channel *ch)
{
	uint64_t left = pdma_read64(ch, PDMA_EXEC_BYTES);

	return left < ch->piece ? (size_t)left : ch->piece;
}

static uint32_t pdma_residue(const struct pdma_channel *ch)
{
	const struct pdma_desc *d = ch->desc;
	uint64_t left = ch->later + d->runs[ch->run].len - ch->at;

	if (ch->piece)
		left -= ch->piece - pdma_left(ch);
	/* A ring begins again at its end. */
	if (!left)
		left = d->period ? d->len : 0;
	return left < UINT32_MAX ? (uint32_t)left : UINT32_MAX;
}

/*
 * How far it came says which side did not answer: the address of what was read is ahead of the one of
 * what was written.
 */
static void pdma_failed(struct pdma_channel *ch)
{
	struct pdma_desc *d = ch->desc;
	/* A copy that was not paused is one piece. */
	bool is_whole = d->is_copy && !ch->at;
	dma_addr_t src = is_whole ? d->runs[0].src : ch->piece_src;
	dma_addr_t dst = is_whole ? d->runs[0].dst : ch->piece_dst;
	uint64_t read = pdma_read64(ch, PDMA_EXEC_SOURCE) - src;
	uint64_t written = pdma_read64(ch, PDMA_EXEC_DESTINATION) - dst;

	d->vd.tx_result.result = read > written ? DMA_TRANS_WRITE_FAILED : DMA_TRANS_READ_FAILED;
	d->vd.tx_result.residue = pdma_residue(ch);
	pdma_forget(ch);
	vchan_cookie_complete(&d->vd);
}

/* Of what @control says has ended. */
static void pdma_ended(struct pdma_channel *ch, uint32_t control)
{
	if (ch->piece && control & PDMA_CONTROL_ERROR)
		pdma_failed(ch);
	else if (ch->piece)
		pdma_moved(ch, ch->piece);
	pdma_claim(ch);
	pdma_go_on(ch);
}

/* Whether something has; mostly it is a copy, behind which nothing waits. */
static inline bool pdma_look(struct pdma_channel *ch)
{
	uint32_t control = pdma_read(ch, PDMA_CONTROL);
	struct pdma_desc *d = ch->desc;

	if ((control & PDMA_CONTROL_ENDED) == PDMA_CONTROL_DONE && ch->piece && d->is_copy &&
	    list_empty(&ch->vc.desc_issued)) {
		ch->piece = 0;
		ch->desc = NULL;
		pdma_claim(ch);
		vchan_cookie_complete(&d->vd);
		return true;
	}
	if (control & PDMA_CONTROL_ENDED)
		pdma_ended(ch, control);
	return control & PDMA_CONTROL_ENDED;
}

/* Both lines of a channel come here; whichever is first sees to what has happened. */
static irqreturn_t pdma_irq(int irq, void *data)
{
	struct pdma_channel *ch = data;
	unsigned long flags;
	bool is_mine;

	(void)irq;
	spin_lock_irqsave(&ch->vc.lock, flags);
	is_mine = pdma_look(ch);
	spin_unlock_irqrestore(&ch->vc.lock, flags);
	return is_mine ? IRQ_HANDLED : IRQ_NONE;
}

/* A channel without interrupts: of a ring one piece at a time, else it may never end. */
static void pdma_look_often(struct pdma_channel *ch)
{
	bool is_ring;

	do
		is_ring = ch->desc && ch->desc->period;
	while (ch->piece && pdma_look(ch) && !is_ring);
}

static bool pdma_is_polled(const struct pdma_channel *ch)
{
	return !ch->nr_irqs || ch->vc.chan.is_polled;
}

static void pdma_poll(struct dma_chan *chan)
{
	struct pdma_channel *ch = to_pdma_channel(chan);
	unsigned long flags;

	spin_lock_irqsave(&ch->vc.lock, flags);
	pdma_look(ch);
	berth_vchan_polled(&ch->vc, flags);
}

static int pdma_set_polled(struct dma_chan *chan, bool is_polled)
{
	struct pdma_channel *ch = to_pdma_channel(chan);
	unsigned long flags;
	int ret;

	spin_lock_irqsave(&ch->vc.lock, flags);
	ret = ch->desc ? -EBUSY : berth_vchan_set_polled(&ch->vc, is_polled);
	pdma_set_go(ch);
	spin_unlock_irqrestore(&ch->vc.lock, flags);
	return ret;
}

static __attribute__((noinline)) void pdma_issue_slowly(struct pdma_channel *ch)
{
	unsigned long flags;

	spin_lock_irqsave(&ch->vc.lock, flags);
	if (vchan_issue_pending(&ch->vc) && !ch->desc)
		pdma_go_on(ch);
	spin_unlock_irqrestore(&ch->vc.lock, flags);
}

/* Where nobody else is at the channel, which rests, a copy needs no call. */
static void pdma_issue_pending(struct dma_chan *chan)
{
	struct pdma_channel *ch = to_pdma_channel(chan);
	struct virt_dma_desc *vd = NULL;
	unsigned long flags;

	if (!spin_trylock_irqsave(&ch->vc.lock, flags)) {
		pdma_issue_slowly(ch);
		return;
	}
	if (!ch->desc && !ch->is_paused)
		vd = berth_vchan_issue_first(&ch->vc);
	if (vd && to_pdma_desc(vd)->is_copy) {
		pdma_start_copy(ch, to_pdma_desc(vd));
		spin_unlock_irqrestore(&ch->vc.lock, flags);
		return;
	}
	if (vd)
		list_add(&vd->node, &ch->vc.desc_issued);
	spin_unlock_irqrestore(&ch->vc.lock, flags);
	pdma_issue_slowly(ch);
}

/* Of one that has not started. */
static uint64_t pdma_length(struct pdma_channel *ch, dma_cookie_t cookie)
{
	struct virt_dma_desc *vd = vchan_find_desc(&ch->vc, cookie);

	return vd ? to_pdma_desc(vd)->len : 0;
}

static enum dma_status pdma_tx_status(struct dma_chan *chan, dma_cookie_t cookie,
				      struct dma_tx_state *state)
{
	struct pdma_channel *ch = to_pdma_channel(chan);
	enum dma_status status = dma_cookie_status(chan, cookie, state);
	unsigned long flags;

	if (status != DMA_IN_PROGRESS)
		return status;
	spin_lock_irqsave(&ch->vc.lock, flags);
	if (pdma_is_polled(ch)) {
		pdma_look_often(ch);
		berth_vchan_told(&ch->vc);
	}
	status = dma_cookie_status(chan, cookie, state);
	if (status == DMA_IN_PROGRESS && ch->desc && ch->desc->vd.tx.cookie == cookie) {
		if (state)
			dma_set_residue(state, pdma_residue(ch));
		status = ch->is_paused ? DMA_PAUSED : DMA_IN_PROGRESS;
	} else if (status == DMA_IN_PROGRESS) {
		uint64_t length = pdma_length(ch, cookie);

		dma_set_residue(state, length < UINT32_MAX ? (uint32_t)length : UINT32_MAX);
	}
	spin_unlock_irqrestore(&ch->vc.lock, flags);
	return status;
}

/* The engine forgets the rest of its piece; what is left of it is in the Exec registers. */
static int pdma_pause(struct dma_chan *chan)
{
	struct pdma_channel *ch = to_pdma_channel(chan);
	unsigned long flags;

	spin_lock_irqsave(&ch->vc.lock, flags);
	if (!ch->is_paused) {
		ch->is_paused = true;
		if (ch->piece) {
			uint32_t control = pdma_read(ch, PDMA_CONTROL);

			if (control & PDMA_CONTROL_ENDED) {
				pdma_ended(ch, control);
			} else {
				pdma_claim(ch);
				pdma_moved(ch, ch->piece - pdma_left(ch));
			}
		}
	}
	spin_unlock_irqrestore(&ch->vc.lock, flags);
	return 0;
}

static int pdma_resume(struct dma_chan *chan)
{
	struct pdma_channel *ch = to_pdma_channel(chan);
	unsigned long flags;

	spin_lock_irqsave(&ch->vc.lock, flags);
	if (ch->is_paused) {
		ch->is_paused = false;
		pdma_go_on(ch);
	}
	spin_unlock_irqrestore(&ch->vc.lock, flags);
	return 0;
}

static int pdma_terminate_all(struct dma_chan *chan)
{
	struct pdma_channel *ch = to_pdma_channel(chan);
	struct pdma_desc *d;
	unsigned long flags;

	spin_lock_irqsave(&ch->vc.lock, flags);
	d = ch->desc;
	if (d) {
		pdma_claim(ch);
		vchan_terminate_vdesc(&d->vd);
	}
	pdma_forget(ch);
	ch->is_paused = false;
	berth_vchan_terminate_all(&ch->vc);
	spin_unlock_irqrestore(&ch->vc.lock, flags);
	return 0;
}

/* The handler works on what the lock guards: a late one finds nothing. */
static void pdma_synchronize(struct dma_chan *chan)
{
	vchan_synchronize(&to_pdma_channel(chan)->vc);
}

static int pdma_alloc_chan_resources(struct dma_chan *chan)
{
	pdma_set_go(to_pdma_channel(chan));
	pdma_claim(to_pdma_channel(chan));
	return 0;
}

static void pdma_free_chan_resources(struct dma_chan *chan)
{
	struct pdma_channel *ch = to_pdma_channel(chan);

	pdma_disclaim(ch);
	vchan_free_chan_resources(&ch->vc);
	berth_pdma_drain(ch);
	ch->config = (struct dma_slave_config){ 0 };
}

static void pdma_put(struct pdma *pdma)
{
	if (!__atomic_sub_fetch(&pdma->refs, 1, __ATOMIC_ACQ_REL))
		kfree(pdma);
}

/* No client has a channel any more. */
static void pdma_release(struct dma_device *dma)
{
	pdma_put(container_of(dma, struct pdma, dma));
}

static void pdma_free_irqs(struct pdma *pdma)
{
	for (unsigned int i = 0; i < pdma->nr_channels; i++) {
		struct pdma_channel *ch = &pdma->channels[i];

		while (ch->nr_irqs)
			free_irq(ch->irq[--ch->nr_irqs], ch);
	}
}

/* A tree may have none at all. */
static int pdma_request_irqs(struct platform_device *pdev, struct pdma *pdma)
{
	if (platform_get_irq(pdev, 0) == -ENXIO)
		return 0;
	for (unsigned int i = 0; i < pdma->nr_channels * PDMA_IRQS_PER_CHANNEL; i++) {
		struct pdma_channel *ch = &pdma->channels[i / PDMA_IRQS_PER_CHANNEL];
		int irq = platform_get_irq(pdev, i), ret;

		if (irq < 0)
			return irq;
		ret = request_irq((unsigned int)irq, pdma_irq, 0, dev_name(&pdev->dev), ch);
		if (ret)
			return ret;
		ch->irq[ch->nr_irqs++] = (unsigned int)irq;
	}
	return 0;
}

static void pdma_describe(struct pdma *pdma, struct device *dev)
{
	struct dma_device *dma = &pdma->dma;

	dma->dev = dev;
	dma_cap_set(DMA_MEMCPY, dma->cap_mask);
	dma_cap_set(DMA_INTERRUPT, dma->cap_mask);
	dma_cap_set(DMA_SLAVE, dma->cap_mask);
	dma_cap_set(DMA_CYCLIC, dma->cap_mask);
	dma_cap_set(DMA_INTERLEAVE, dma->cap_mask);
	dma->src_addr_widths = BIT(DMA_SLAVE_BUSWIDTH_1_BYTE) | BIT(DMA_SLAVE_BUSWIDTH_2_BYTES) |
			       BIT(DMA_SLAVE_BUSWIDTH_4_BYTES) | BIT(DMA_SLAVE_BUSWIDTH_8_BYTES) |
			       BIT(DMA_SLAVE_BUSWIDTH_16_BYTES);
	dma->dst_addr_widths = dma->src_addr_widths;
	dma->directions = BIT(DMA_MEM_TO_MEM) | BIT(DMA_MEM_TO_DEV) | BIT(DMA_DEV_TO_MEM);
	dma->max_sg_burst = 1;
	dma->descriptor_reuse = true;
	dma->residue_granularity = DMA_RESIDUE_GRANULARITY_BURST;
	dma->device_alloc_chan_resources = pdma_alloc_chan_resources;
	dma->device_free_chan_resources = pdma_free_chan_resources;
	dma->device_pause = pdma_pause;
	dma->device_resume = pdma_resume;
	dma->device_terminate_all = pdma_terminate_all;
	dma->device_synchronize = pdma_synchronize;
	dma->device_tx_status = pdma_tx_status;
	dma->device_issue_pending = pdma_issue_pending;
	dma->device_set_polled = pdma_set_polled;
	dma->device_poll = pdma_poll;
	dma->device_release = pdma_release;
	berth_pdma_set_calls(dma);
}

/* Quiet channels in the controller's list. */
static struct pdma *pdma_new(struct platform_device *pdev, char __iomem *regs)
{
	uint32_t nr = BERTH_PDMA_CHANNELS;
	struct pdma *pdma;

	of_property_read_u32(pdev->dev.of_node, "dma-channels", &nr);
	if (!nr || nr > PDMA_MAX_CHANNELS)
		nr = BERTH_PDMA_CHANNELS;
	pdma = kzalloc(sizeof(*pdma) + nr * sizeof(pdma->channels[0]), GFP_KERNEL);
	if (!pdma)
		return NULL;
	pdma->nr_channels = nr;
	pdma->refs = 1;
	INIT_LIST_HEAD(&pdma->dma.channels);
	pdma_describe(pdma, &pdev->dev);
	for (unsigned int i = 0; i < nr; i++) {
		struct pdma_channel *ch = &pdma->channels[i];

		ch->regs = regs + i * PDMA_CHANNEL_STRIDE;
		ch->dev = &pdev->dev;
		ch->vc.desc_free = berth_pdma_desc_free;
		vchan_init(&ch->vc, &pdma->dma);
		pdma_disclaim(ch);
	}
	return pdma;
}

static int pdma_probe(struct platform_device *pdev)
{
	struct device *dev = &pdev->dev;
	char __iomem *regs = devm_platform_ioremap_resource(pdev, 0);
	struct pdma *pdma;
	int ret;

	if (IS_ERR(regs))
		return (int)PTR_ERR(regs);
	ret = dma_set_mask_and_coherent(dev, DMA_BIT_MASK(64));
	if (ret)
		return ret;
	dma_set_max_seg_size(dev, UINT32_MAX);
	pdma = pdma_new(pdev, regs);
	if (!pdma)
		return -ENOMEM;
	ret = pdma_request_irqs(pdev, pdma);
	if (ret)
		goto free_irqs;
	pdma->refs++;
	ret = dma_async_device_register(&pdma->dma);
	if (ret) {
		pdma->refs--;
		goto free_irqs;
	}
	ret = of_dma_controller_register(dev->of_node, of_dma_xlate_by_chan_id, &pdma->dma);
	if (ret)
		goto unregister;
	platform_set_drvdata(pdev, pdma);
	return 0;

unregister:
	dma_async_device_unregister(&pdma->dma);
free_irqs:
	pdma_free_irqs(pdma);
	pdma_put(pdma);
	return ret;
}

/* Clients that are still there keep the structure, and nothing else, until they let go of it. */
static int pdma_remove(struct platform_device *pdev)
{
	struct pdma *pdma = platform_get_drvdata(pdev);

	of_dma_controller_free(pdev->dev.of_node);
	dma_async_device_unregister(&pdma->dma);
	pdma_free_irqs(pdma);
	platform_set_drvdata(pdev, NULL);
	pdma_put(pdma);
	return 0;
}

static const struct of_device_id pdma_match[] = {
	{ .compatible = "sifive,fu540-c000-pdma" },
	{ .compatible = "" },
};

const struct platform_driver berth_pdma_driver = {
	.probe = pdma_probe,
	.remove = pdma_remove,
	.driver = {
		.name = "sifive-pdma",
		.of_match_table = pdma_match,
	},
};
