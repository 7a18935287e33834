// SPDX-License-Identifier: BSD-2-Clause
/*
 * Driver of the PL330, the CoreLink DMA-330 (Arm DDI 0424). Each channel is one of its threads, and one
 * of its events, with which the thread's programs say that they have ended.
 */
#include <berth/dma-mapping.h>
#include <berth/errno.h>
#include <berth/error.h>
#include <berth/io.h>
#include <berth/platform_device.h>
#include <berth/slab.h>
#include <berth/timer.h>

#include <berth/drivers/pl330.h>

#include "pl330.h"

#define DSR 0x000
#define DSR_NON_SECURE (1u << 9)
#define INTEN 0x020
#define INTMIS 0x028
#define INTCLR 0x02c
#define FSRD 0x030
#define FSRC 0x034
#define FTRD 0x038
#define FTR(n) (0x040u + 4 * (n))
#define FTR_WRITE_FAILED (1u << 17)
#define FTR_READ_FAILED (1u << 18)
#define CSR(n) (0x100u + 8 * (n))
#define CSR_STATE 0xfu
#define STATE_STOPPED 0u
#define CPC(n) (0x104u + 8 * (n))
#define SAR(n) (0x400u + 0x20 * (n))
#define DAR(n) (0x404u + 0x20 * (n))
#define DBGSTATUS 0xd00
#define DBGSTATUS_BUSY 1u
#define DBGCMD 0xd04
#define DBGCMD_EXECUTE 0u
#define DBGINST0 0xd08
#define DBGINST0_THREAD(n) (1u | (n) << 8)
#define DBGINST0_MANAGER 0u
#define DBGINST1 0xd0c
#define CR0 0xe00
#define CR0_HAS_REQUESTS 1u
#define CR0_CHANNELS(cr) (((cr) >> 4 & 7) + 1)
#define CR0_REQUESTS(cr) (((cr) >> 12 & 31) + 1)
#define CR0_EVENTS(cr) (((cr) >> 17 & 31) + 1)
#define CR3_NON_SECURE_EVENTS 0xe0c
#define CR4_NON_SECURE_REQUESTS 0xe10
#define CRD 0xe14
#define CRD_WIDTH(crd) ((crd)&7)
#define CRD_LINES(crd) (((crd) >> 20 & 0x3ff) + 1)
#define PERIPH_ID0 0xfe0
#define PERIPH_ID1 0xfe4
#define PERIPH_ID 0x330u
#define PERIPH_ID_MASK 0xfffu

/* Instructions given through the debug registers, at their place in DBGINST0. */
#define DEBUG_GO(thread, is_non_secure) \
	((0xa0u | (uint32_t)(is_non_secure) << 1) << 16 | (thread) << 24)
#define DEBUG_KILL (0x01u << 16)

#define MIN_WIDTH 2u
#define MAX_WIDTH 4u

/* Whatever is waited for takes some cycles of the controller's. */
#define PATIENCE_US 10000u

#define RESIDUE_TRIES 4u

static uint32_t read_reg(const struct pl330 *pl, unsigned int reg)
{
	return readl(pl->regs + reg);
}

static void write_reg(struct pl330 *pl, unsigned int reg, uint32_t value)
{
	writel(value, pl->regs + reg);
}

static __attribute__((noinline)) bool wait_long_for(const struct pl330 *pl, unsigned int reg,
						    uint32_t bits)
{
	for (unsigned int us = 0; read_reg(pl, reg) & bits; us++) {
		if (us == PATIENCE_US)
			return false;
		udelay(1);
	}
	return true;
}

/* Until the bits of a register are 0. */
static inline bool wait_for(const struct pl330 *pl, unsigned int reg, uint32_t bits)
{
	return !(readl_relaxed(pl->regs + reg) & bits) || wait_long_for(pl, reg, bits);
}

/* Have an instruction executed. What was written to memory before is there for the controller. */
static bool execute(struct pl330 *pl, uint32_t inst0, uint32_t inst1)
{
	unsigned long flags;
	bool is_done;

	spin_lock_irqsave(&pl->lock, flags);
	is_done = wait_for(pl, DBGSTATUS, DBGSTATUS_BUSY);
	if (is_done) {
		writel_relaxed(inst0, pl->regs + DBGINST0);
		writel_relaxed(inst1, pl->regs + DBGINST1);
		write_reg(pl, DBGCMD, DBGCMD_EXECUTE);
		is_done = wait_for(pl, DBGSTATUS, DBGSTATUS_BUSY);
	}
	spin_unlock_irqrestore(&pl->lock, flags);
	return is_done;
}

static bool is_stopped(const struct pl330_channel *ch)
{
	return (read_reg(ch->pl, CSR(ch->thread)) & CSR_STATE) == STATE_STOPPED;
}

/* On return the thread does not touch memory, and its event is not pending. False: it goes on. */
static bool kill(struct pl330_channel *ch)
{
	bool is_dead = is_stopped(ch);

	if (!is_dead)
		is_dead = execute(ch->pl, DEBUG_KILL | DBGINST0_THREAD(ch->thread), 0) &&
			  wait_for(ch->pl, CSR(ch->thread), CSR_STATE);
	write_reg(ch->pl, INTCLR, 1u << ch->event);
	if (!is_dead)
		dev_err(ch->pl->dev, "thread %u cannot be stopped\n", ch->thread);
	return is_dead;
}

/* The last program may not quite have reached its end when its event came. */
static bool run(struct pl330_channel *ch)
{
	bool is_non_secure = ch->pl->limits.is_non_secure;

	if (!wait_for(ch->pl, CSR(ch->thread), CSR_STATE) && !kill(ch))
		return false;
	return execute(ch->pl, DEBUG_GO(ch->thread, is_non_secure) | DBGINST0_MANAGER,
		       (uint32_t)ch->active->code_dma);
}

static uint64_t residue_of(struct pl330_channel *ch)
{
	const struct pl330_desc *desc = ch->active;
	unsigned int n = ch->thread, tries = 0;
	uint32_t src, dst, pc;
	uint64_t done, again;

	if (is_stopped(ch))
		return desc->total - desc->next.done;
	/* Three registers are of one moment if the thread was in one piece before and after. */
	do {
		pc = read_reg(ch->pl, CPC(n));
		src = read_reg(ch->pl, SAR(n));
		dst = read_reg(ch->pl, DAR(n));
		done = berth_pl330_done(desc, pc, src, dst);
		again = berth_pl330_done(desc, read_reg(ch->pl, CPC(n)), src, dst);
	} while (done != again && ++tries < RESIDUE_TRIES);
	return desc->total - (done < again ? done : again);
}

static void end(struct pl330_channel *ch, enum dmaengine_tx_result result, uint64_t residue)
{
	struct pl330_desc *desc = ch->active;

	ch->active = NULL;
	desc->vd.tx_result.result = result;
	desc->vd.tx_result.residue = (uint32_t)residue;
	vchan_cookie_complete(&desc->vd);
}

static void start_next(struct pl330_channel *ch)
{
	struct virt_dma_desc *vd;

	while (!ch->active && (vd = vchan_next_desc(&ch->vc))) {
		list_del(&vd->node);
		ch->active = to_pl330_desc(vd);
		berth_pl330_rewind(ch->active);
		if (!run(ch))
			end(ch, DMA_TRANS_ABORTED, ch->active->total);
	}
}

/* The event came: a program has ended. */
static void ended(struct pl330_channel *ch)
{
	struct pl330_desc *desc = ch->active;
	uint32_t period;

	if (!desc)
		return;
	period = desc->is_cyclic && !desc->next.offset;
	if (!berth_pl330_advance(desc)) {
		end(ch, DMA_TRANS_NOERROR, 0);
	} else {
		if (period)
			vchan_cyclic_callback(&desc->vd);
		if (!run(ch))
			end(ch, DMA_TRANS_ABORTED, desc->total - desc->first.done);
	}
	start_next(ch);
}

enum dmaengine_tx_result berth_pl330_result(uint32_t type)
{
	if (type & FTR_READ_FAILED)
		return DMA_TRANS_READ_FAILED;
	if (type & FTR_WRITE_FAILED)
		return DMA_TRANS_WRITE_FAILED;
	return DMA_TRANS_ABORTED;
}

/* A thread has met a fault, and stands. */
static void faulted(struct pl330_channel *ch)
{
	uint32_t type = read_reg(ch->pl, FTR(ch->thread));
	uint64_t residue = ch->active ? residue_of(ch) : 0;

	dev_err(ch->pl->dev, "thread %u: fault 0x%x at 0x%x, source 0x%x, destination 0x%x\n",
		ch->thread, (unsigned int)type, (unsigned int)read_reg(ch->pl, CPC(ch->thread)),
		(unsigned int)read_reg(ch->pl, SAR(ch->thread)),
		(unsigned int)read_reg(ch->pl, DAR(ch->thread)));
	kill(ch);
	if (ch->active)
		end(ch, berth_pl330_result(type), residue);
	start_next(ch);
}

/* The manager has met one: the thread that it was to start last has not started. */
static void manager_faulted(struct pl330 *pl)
{
	dev_err(pl->dev, "manager: fault 0x%x\n", (unsigned int)read_reg(pl, FTRD));
	execute(pl, DEBUG_KILL | DBGINST0_MANAGER, 0);
	for (unsigned int i = 0; i < pl->nr_channels; i++) {
		struct pl330_channel *ch = &pl->channels[i];
		unsigned long flags;

		spin_lock_irqsave(&ch->vc.lock, flags);
		if (ch->active && is_stopped(ch) && !(read_reg(pl, INTMIS) & 1u << ch->event)) {
			end(ch, DMA_TRANS_ABORTED, ch->active->total - ch->active->first.done);
			start_next(ch);
		}
		spin_unlock_irqrestore(&ch->vc.lock, flags);
	}
}

/* A program of the channel has ended, or its thread has met a fault. */
static bool look(struct pl330_channel *ch, bool is_fault)
{
	if (is_fault && read_reg(ch->pl, FSRC) & 1u << ch->thread) {
		faulted(ch);
		return true;
	}
	if (!(readl_relaxed(ch->pl->regs + INTMIS) & 1u << ch->event))
		return false;
	/* What the controller wrote to memory is looked at from here on. */
	rmb();
	writel_relaxed(1u << ch->event, ch->pl->regs + INTCLR);
	ended(ch);
	return true;
}

/* Asked again with the lock: handlers of several lines may be here for the same reason. */
static void serve(struct pl330_channel *ch, bool is_fault)
{
	unsigned long flags;

	spin_lock_irqsave(&ch->vc.lock, flags);
	look(ch, is_fault);
	spin_unlock_irqrestore(&ch->vc.lock, flags);
}

/* Which lines there are, and what each is for, differs between chips: all are the same here. */
static irqreturn_t serve_all(struct pl330 *pl, uint32_t events)
{
	uint32_t faults = read_reg(pl, FSRC);
	bool has_manager_faulted = read_reg(pl, FSRD) & 1;
	bool is_mine = events || faults || has_manager_faulted;
	/* A channel has the number of its thread. */
	uint32_t channels = faults & ((1u << pl->nr_channels) - 1);

	for (; events; events &= events - 1)
		channels |= 1u << pl->of_event[__builtin_ctz(events)];
	for (; channels; channels &= channels - 1) {
		unsigned int i = (unsigned int)__builtin_ctz(channels);

		serve(&pl->channels[i], faults & 1u << i);
	}
	if (has_manager_faulted)
		manager_faulted(pl);
	return is_mine ? IRQ_HANDLED : IRQ_NONE;
}

/* Mostly one channel's program has ended; what else there is raises the interrupt again. */
static irqreturn_t pl330_irq(int irq, void *data)
{
	struct pl330 *pl = data;
	uint32_t events = readl_relaxed(pl->regs + INTMIS) & pl->events;

	(void)irq;
	if (!events || events & (events - 1) || readl_relaxed(pl->regs + FSRC))
		return serve_all(pl, events);
	serve(&pl->channels[pl->of_event[__builtin_ctz(events)]], false);
	return IRQ_HANDLED;
}

static void poll_channel(struct pl330_channel *ch)
{
	if (!ch->active)
		return;
	if (read_reg(ch->pl, FSRC) & 1u << ch->thread)
		faulted(ch);
	else if (is_stopped(ch))
		ended(ch);
}

static int set_polled(struct dma_chan *chan, bool is_polled)
{
	struct pl330_channel *ch = to_pl330_channel(chan);
	struct pl330 *pl = ch->pl;
	unsigned long flags;
	int ret;

	spin_lock_irqsave(&ch->vc.lock, flags);
	ret = ch->active ? -EBUSY : berth_vchan_set_polled(&ch->vc, is_polled);
	if (!ret) {
		/* Other channels' events are in the same register. */
		spin_lock(&pl->lock);
		if (is_polled)
			pl->polled |= 1u << ch->event;
		else
			pl->polled &= ~(1u << ch->event);
		write_reg(pl, INTEN, pl->events & ~pl->polled);
		write_reg(pl, INTCLR, 1u << ch->event);
		spin_unlock(&pl->lock);
	}
	spin_unlock_irqrestore(&ch->vc.lock, flags);
	return ret;
}

static void poll(struct dma_chan *chan)
{
	struct pl330_channel *ch = to_pl330_channel(chan);
	unsigned long flags;
	bool has_calls;

	if (!chan->is_polled)
		return;
	spin_lock_irqsave(&ch->vc.lock, flags);
	poll_channel(ch);
	has_calls = berth_vchan_has_calls(&ch->vc);
	spin_unlock_irqrestore(&ch->vc.lock, flags);
	if (has_calls)
		berth_vchan_call_back(&ch->vc);
}

static void issue_pending(struct dma_chan *chan)
{
	struct pl330_channel *ch = to_pl330_channel(chan);
	unsigned long flags;

	spin_lock_irqsave(&ch->vc.lock, flags);
	if (vchan_issue_pending(&ch->vc))
		start_next(ch);
	spin_unlock_irqrestore(&ch->vc.lock, flags);
}

static struct pl330_desc *find_waiting(struct pl330_channel *ch, dma_cookie_t cookie)
{
	struct virt_dma_desc *vd = vchan_find_desc(&ch->vc, cookie);

	return vd ? to_pl330_desc(vd) : NULL;
}

static enum dma_status tx_status(struct dma_chan *chan, dma_cookie_t cookie,
				 struct dma_tx_state *state)
{
	struct pl330_channel *ch = to_pl330_channel(chan);
	enum dma_status status = dma_cookie_status(chan, cookie, state);
	struct pl330_desc *desc;
	uint64_t residue = 0;
	unsigned long flags;

	if (status != DMA_IN_PROGRESS || (!state && !chan->is_polled))
		return status;
	spin_lock_irqsave(&ch->vc.lock, flags);
	if (chan->is_polled) {
		poll_channel(ch);
		berth_vchan_told(&ch->vc);
		status = dma_cookie_status(chan, cookie, state);
	}
	desc = find_waiting(ch, cookie);
	if (desc)
		residue = desc->total;
	else if (ch->active && ch->active->vd.tx.cookie == cookie)
		residue = residue_of(ch);
	spin_unlock_irqrestore(&ch->vc.lock, flags);
	dma_set_residue(state, residue > UINT32_MAX ? UINT32_MAX : (uint32_t)residue);
	return status;
}

static int terminate_all(struct dma_chan *chan)
{
	struct pl330_channel *ch = to_pl330_channel(chan);
	bool is_dead = true;
	unsigned long flags;

	spin_lock_irqsave(&ch->vc.lock, flags);
	if (ch->active) {
		is_dead = kill(ch);
		/* What a thread may still be reading is never freed: berth_stop() will tell. */
		if (is_dead)
			vchan_terminate_vdesc(&ch->active->vd);
		ch->active = NULL;
	}
	berth_vchan_terminate_all(&ch->vc);
	spin_unlock_irqrestore(&ch->vc.lock, flags);
	return is_dead ? 0
		       : berth_dma_fail(chan, -ETIMEDOUT, BERTH_REASON_TIMEOUT, "terminate", 0, 0,
					PATIENCE_US / 1000);
}

static void synchronize(struct dma_chan *chan)
{
	vchan_synchronize(&to_pl330_channel(chan)->vc);
}

/* A request line belongs to one channel at a time. */
static struct dma_chan *take_for_request(struct pl330 *pl, uint32_t request)
{
	uint32_t bit = request == PL330_NO_REQUEST ? 0 : 1u << request;
	struct dma_chan *chan;
	unsigned long flags;
	bool is_taken;

	spin_lock_irqsave(&pl->lock, flags);
	is_taken = pl->requests & bit;
	pl->requests |= bit;
	spin_unlock_irqrestore(&pl->lock, flags);
	if (is_taken)
		return ERR_PTR(berth_set_error(dev_name(pl->dev), -EBUSY, BERTH_REASON_NO_CHANNEL,
					       request, 0));
	chan = dma_get_any_slave_channel(&pl->dma);
	if (chan && !IS_ERR(chan)) {
		to_pl330_channel(chan)->request = request;
		return chan;
	}
	spin_lock_irqsave(&pl->lock, flags);
	pl->requests &= ~bit;
	spin_unlock_irqrestore(&pl->lock, flags);
	return chan;
}

static struct dma_chan *xlate(struct of_phandle_args *args, struct of_dma *ofdma)
{
	struct pl330 *pl = ofdma->of_dma_data;
	uint32_t request = args->args[0];
	bool is_good = args->args_count == 1;

	if (is_good && request != PL330_NO_REQUEST)
		is_good = request < pl->nr_requests &&
			  (!pl->limits.is_non_secure ||
			   read_reg(pl, CR4_NON_SECURE_REQUESTS) & 1u << request);
	if (!is_good)
		return ERR_PTR(berth_set_error(dev_name(pl->dev), -EINVAL, BERTH_REASON_ARGUMENT,
					       request, 0));
	return take_for_request(pl, request);
}

/* A burst has its part of the FIFO, so that no thread ever waits for another one to empty it. */
static void read_limits(struct pl330 *pl)
{
	uint32_t crd = read_reg(pl, CRD), beats = CRD_LINES(crd) / pl->nr_channels;
	uint32_t widths = 0;

	if (beats > PL330_MAX_BEATS)
		beats = PL330_MAX_BEATS;
	pl->limits.shift = (uint8_t)CRD_WIDTH(crd);
	pl->limits.beats = (uint8_t)(beats ? beats : 1);
	pl->limits.request = PL330_NO_REQUEST;
	for (unsigned int i = 0; i <= pl->limits.shift; i++)
		widths |= 1u << (1u << i);
	pl->dma.src_addr_widths = widths;
	pl->dma.dst_addr_widths = widths;
	pl->dma.max_burst = pl->limits.beats;
}

/* Each of the threads that can have an event becomes a channel. */
static int read_configuration(struct pl330 *pl)
{
	uint32_t cr0 = read_reg(pl, CR0), usable = UINT32_MAX, width;
	uint32_t id = read_reg(pl, PERIPH_ID0) | read_reg(pl, PERIPH_ID1) << 8;
	unsigned int event = 0;

	width = CRD_WIDTH(read_reg(pl, CRD));
	if ((id & PERIPH_ID_MASK) != PERIPH_ID || width < MIN_WIDTH || width > MAX_WIDTH)
		return berth_set_error(dev_name(pl->dev), -ENODEV, BERTH_REASON_NO_DEVICE, id, 0);
	pl->limits.is_non_secure = read_reg(pl, DSR) & DSR_NON_SECURE;
	if (pl->limits.is_non_secure)
		usable = read_reg(pl, CR3_NON_SECURE_EVENTS);
	if (cr0 & CR0_HAS_REQUESTS)
		pl->nr_requests = CR0_REQUESTS(cr0);
	for (unsigned int i = 0; i < CR0_CHANNELS(cr0); i++, event++) {
		while (event < CR0_EVENTS(cr0) && !(usable & 1u << event))
			event++;
		if (event >= CR0_EVENTS(cr0))
			break;
		pl->channels[i].thread = i;
		pl->channels[i].event = event;
		pl->of_event[event] = (uint8_t)i;
		pl->events |= 1u << event;
		pl->nr_channels++;
	}
	if (!pl->nr_channels)
		return berth_set_error("its events are all secure", -ENODEV, BERTH_REASON_STATE, 0,
				       0);
	read_limits(pl);
	return 0;
}

/* Whoever was here before may have left it at work. */
static int stop_all(struct pl330 *pl)
{
	write_reg(pl, INTEN, 0);
	write_reg(pl, INTCLR, UINT32_MAX);
	if (read_reg(pl, FSRD) & 1)
		execute(pl, DEBUG_KILL | DBGINST0_MANAGER, 0);
	for (unsigned int i = 0; i < pl->nr_channels; i++)
		if (!kill(&pl->channels[i]))
			return berth_set_error(dev_name(pl->dev), -ETIMEDOUT, BERTH_REASON_TIMEOUT,
					       i, 0);
	return 0;
}

static void put(struct pl330 *pl)
{
	if (__atomic_sub_fetch(&pl->refs, 1, __ATOMIC_ACQ_REL))
		return;
	kfree(pl);
}

/* Clients may keep their channels longer than the driver is there. */
static void release(struct dma_device *dma)
{
	struct pl330 *pl = container_of(dma, struct pl330, dma);

	for (unsigned int i = 0; i < pl->nr_channels; i++)
		vchan_cleanup(&pl->channels[i].vc);
	put(pl);
}

static void fill_in(struct pl330 *pl)
{
	static const enum dma_transaction_type types[] = { DMA_MEMCPY, DMA_MEMSET, DMA_INTERRUPT,
							   DMA_SLAVE,  DMA_CYCLIC, DMA_INTERLEAVE };
	struct dma_device *dma = &pl->dma;

	INIT_LIST_HEAD(&dma->channels);
	dma->dev = pl->dev;
	for (unsigned int i = 0; i < ARRAY_SIZE(types); i++)
		dma_cap_set(types[i], dma->cap_mask);
	dma->directions = 1u << DMA_MEM_TO_MEM | 1u << DMA_MEM_TO_DEV | 1u << DMA_DEV_TO_MEM;
	dma->residue_granularity = DMA_RESIDUE_GRANULARITY_BURST;
	dma->descriptor_reuse = true;
	dma->device_free_chan_resources = berth_pl330_free_resources;
	dma->device_config = berth_pl330_config;
	dma->device_issue_pending = issue_pending;
	dma->device_set_polled = set_polled;
	dma->device_poll = poll;
	dma->device_tx_status = tx_status;
	dma->device_terminate_all = terminate_all;
	dma->device_synchronize = synchronize;
	dma->device_release = release;
	berth_pl330_prepares(dma);
	for (unsigned int i = 0; i < pl->nr_channels; i++) {
		struct pl330_channel *ch = &pl->channels[i];

		ch->pl = pl;
		ch->request = PL330_NO_REQUEST;
		ch->vc.desc_free = berth_vchan_recycle;
		vchan_init(&ch->vc, dma);
	}
}

static void free_irqs(struct pl330 *pl)
{
	while (pl->nr_irqs)
		free_irq(pl->irqs[--pl->nr_irqs], pl);
}

static int request_irqs(struct platform_device *pdev, struct pl330 *pl)
{
	for (unsigned int i = 0; i < ARRAY_SIZE(pl->irqs); i++) {
		int irq = platform_get_irq(pdev, i), ret;

		if (irq < 0)
			return i ? 0 : irq;
		ret = request_irq((unsigned int)irq, pl330_irq, 0, dev_name(&pdev->dev), pl);
		if (ret)
			return ret;
		pl->irqs[pl->nr_irqs++] = (unsigned int)irq;
	}
	return 0;
}

/* What ends with the device. */
static int set_up(struct platform_device *pdev, struct pl330 *pl)
{
	struct device *dev = &pdev->dev;
	int ret;

	pl->dev = dev;
	pl->refs = 1;
	spin_lock_init(&pl->lock);
	pl->regs = devm_platform_ioremap_resource(pdev, 0);
	if (IS_ERR(pl->regs))
		return (int)PTR_ERR(pl->regs);
	ret = dma_set_mask_and_coherent(dev, DMA_BIT_MASK(32));
	if (!ret)
		ret = dma_set_max_seg_size(dev, UINT32_MAX);
	if (ret)
		return ret;
	pl->code = dmam_pool_create("pl330", dev, PL330_CODE_BYTES, PL330_CODE_ALIGN, 0);
	return pl->code ? 0 : -ENOMEM;
}

static int offer(struct platform_device *pdev, struct pl330 *pl)
{
	struct device_node *np = pdev->dev.of_node;
	int ret;

	pl->refs++;
	ret = dma_async_device_register(&pl->dma);
	if (ret)
		put(pl);
	if (ret || !of_property_read_bool(np, "#dma-cells"))
		return ret;
	ret = of_dma_controller_register(np, xlate, pl);
	if (ret)
		dma_async_device_unregister(&pl->dma);
	return ret;
}

static int pl330_probe(struct platform_device *pdev)
{
	struct pl330 *pl = kzalloc(sizeof(*pl), GFP_KERNEL);
	int ret;

	if (!pl)
		return -ENOMEM;
	ret = set_up(pdev, pl);
	if (!ret)
		ret = read_configuration(pl);
	if (ret) {
		put(pl);
		return ret;
	}
	fill_in(pl);
	ret = stop_all(pl);
	if (!ret)
		ret = request_irqs(pdev, pl);
	if (!ret) {
		write_reg(pl, INTEN, pl->events);
		ret = offer(pdev, pl);
	}
	if (!ret) {
		platform_set_drvdata(pdev, pl);
		return 0;
	}
	write_reg(pl, INTEN, 0);
	free_irqs(pl);
	put(pl);
	return ret;
}

static int pl330_remove(struct platform_device *pdev)
{
	struct pl330 *pl = platform_get_drvdata(pdev);

	of_dma_controller_free(pdev->dev.of_node);
	dma_async_device_unregister(&pl->dma);
	stop_all(pl);
	free_irqs(pl);
	platform_set_drvdata(pdev, NULL);
	put(pl);
	return 0;
}

static const struct of_device_id pl330_match[] = {
	{ .compatible = "arm,pl330" },
	{ .compatible = "" },
};

const struct platform_driver berth_pl330_driver = {
	.probe = pl330_probe,
	.remove = pl330_remove,
	.driver = {
		.name = "pl330",
		.of_match_table = pl330_match,
	},
};
