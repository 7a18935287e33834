// SPDX-License-Identifier: BSD-2-Clause
/* The PL330's channels at work: what its threads are told, and what they say. */
#include <berth/dma-mapping.h>
#include <berth/errno.h>
#include <berth/error.h>
#include <berth/io.h>
#include <berth/platform_device.h>
#include <berth/slab.h>
#include <berth/timer.h>

#include <berth/drivers/pl330.h>

#include "pl330.h"

/* Whatever is waited for takes some cycles of the controller's. */
#define PATIENCE_US 10000u

#define RESIDUE_TRIES 4u

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
bool berth_pl330_execute(struct pl330 *pl, uint32_t inst0, uint32_t inst1)
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
bool berth_pl330_kill(struct pl330_channel *ch)
{
	bool is_dead = is_stopped(ch);

	if (!is_dead)
		is_dead =
			berth_pl330_execute(ch->pl, DEBUG_KILL | DBGINST0_THREAD(ch->thread), 0) &&
			wait_for(ch->pl, CSR(ch->thread), CSR_STATE);
	write_reg(ch->pl, INTCLR, 1u << ch->event);
	if (!is_dead)
		dev_err(ch->pl->dev, "thread %u cannot be stopped\n", ch->thread);
	return is_dead;
}

/* The last program may not quite have reached its end when its event came. */
static bool run(struct pl330_channel *ch)
{
	if (!wait_for(ch->pl, CSR(ch->thread), CSR_STATE) && !berth_pl330_kill(ch))
		return false;
	return berth_pl330_execute(ch->pl, ch->go, (uint32_t)ch->active->code_dma);
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

/*
 * A copy in one program, where nobody has to be waited for. False: not so, and nothing was done. With the
 * lock.
 */
static inline bool start_copy(struct pl330_channel *ch, struct pl330_desc *desc)
{
	struct pl330 *pl = ch->pl;
	char __iomem *regs = pl->regs;

	if (!desc->copy_len || !spin_trylock(&pl->lock))
		return false;
	if (readl_relaxed(regs + DBGSTATUS) & DBGSTATUS_BUSY ||
	    (readl_relaxed(regs + CSR(ch->thread)) & CSR_STATE) != STATE_STOPPED) {
		spin_unlock(&pl->lock);
		return false;
	}
	ch->active = desc;
	writel_relaxed(ch->go, regs + DBGINST0);
	writel_relaxed((uint32_t)desc->code_dma, regs + DBGINST1);
	/* With the barrier: the program is in memory. */
	writel(DBGCMD_EXECUTE, regs + DBGCMD);
	/* From then on the thread is not stopped until its end. */
	if (!wait_for(pl, DBGSTATUS, DBGSTATUS_BUSY))
		end(ch, DMA_TRANS_ABORTED, desc->total);
	spin_unlock(&pl->lock);
	return true;
}

/* The event came: a program has ended. */
static void ended(struct pl330_channel *ch)
{
	struct pl330_desc *desc = ch->active;
	uint32_t period;

	if (!desc)
		return;
	if (desc->copy_len) {
		ch->active = NULL;
		vchan_cookie_complete(&desc->vd);
		if (!list_empty(&ch->vc.desc_issued))
			start_next(ch);
		return;
	}
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
	berth_pl330_kill(ch);
	if (ch->active)
		end(ch, berth_pl330_result(type), residue);
	start_next(ch);
}

/* The manager has met one: the thread that it was to start last has not started. */
static void manager_faulted(struct pl330 *pl)
{
	dev_err(pl->dev, "manager: fault 0x%x\n", (unsigned int)read_reg(pl, FTRD));
	berth_pl330_execute(pl, DEBUG_KILL | DBGINST0_MANAGER, 0);
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
irqreturn_t berth_pl330_irq(int irq, void *data)
{
	struct pl330 *pl = data;
	uint32_t events = readl_relaxed(pl->regs + INTMIS) & pl->events;

	(void)irq;
	if (!events || events & (events - 1) || readl_relaxed(pl->regs + FSRC))
		return serve_all(pl, events);
	serve(&pl->channels[pl->of_event[__builtin_ctz(events)]], false);
	return IRQ_HANDLED;
}

/* Whether the program is over, well or not. */
static inline bool has_stopped(const struct pl330_channel *ch)
{
	uint32_t state = readl_relaxed(ch->pl->regs + CSR(ch->thread)) & CSR_STATE;

	/* What the controller wrote to memory is looked at from here on. */
	rmb();
	return state == STATE_STOPPED;
}

static __attribute__((noinline)) void poll_channel(struct pl330_channel *ch)
{
	if (!ch->active)
		return;
	if (has_stopped(ch))
		ended(ch);
	else if (read_reg(ch->pl, FSRC) & 1u << ch->thread)
		faulted(ch);
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
	struct pl330_desc *desc;
	unsigned long flags;

	spin_lock_irqsave(&ch->vc.lock, flags);
	desc = ch->active;
	/* Mostly a copy, behind which there is nothing to start. */
	if (desc && desc->copy_len && list_empty(&ch->vc.desc_issued) && has_stopped(ch)) {
		ch->active = NULL;
		if (berth_vchan_complete_here(&desc->vd, flags))
			return;
		ch->active = desc;
	}
	poll_channel(ch);
	berth_vchan_polled(&ch->vc, flags);
}

static __attribute__((noinline)) void issue_slowly(struct pl330_channel *ch)
{
	unsigned long flags;

	spin_lock_irqsave(&ch->vc.lock, flags);
	if (vchan_issue_pending(&ch->vc))
		start_next(ch);
	spin_unlock_irqrestore(&ch->vc.lock, flags);
}

/* Where nobody else is at the channel, which rests, a copy needs no call. */
static void issue_pending(struct dma_chan *chan)
{
	struct pl330_channel *ch = to_pl330_channel(chan);
	struct virt_dma_desc *vd = NULL;
	unsigned long flags;

	if (!spin_trylock_irqsave(&ch->vc.lock, flags)) {
		issue_slowly(ch);
		return;
	}
	if (!ch->active)
		vd = berth_vchan_issue_first(&ch->vc);
	if (vd && start_copy(ch, to_pl330_desc(vd))) {
		spin_unlock_irqrestore(&ch->vc.lock, flags);
		return;
	}
	if (vd)
		list_add(&vd->node, &ch->vc.desc_issued);
	spin_unlock_irqrestore(&ch->vc.lock, flags);
	issue_slowly(ch);
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
		is_dead = berth_pl330_kill(ch);
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

void berth_pl330_set_calls(struct dma_device *dma)
{
	dma->device_issue_pending = issue_pending;
	dma->device_set_polled = set_polled;
	dma->device_poll = poll;
	dma->device_tx_status = tx_status;
	dma->device_terminate_all = terminate_all;
	dma->device_synchronize = synchronize;
}
