// SPDX-License-Identifier: BSD-2-Clause
/* ZDMA: what the hardware is told, and what it says. All with the channel's lock. */
#include "zynqmp-zdma.h"

/* Reads of STATUS until a channel has come to rest: after a bus error, or as the boot loader left it. */
#define REST_READS 1000

void berth_zdma_reset(struct zdma *z)
{
	zdma_write(z, ZDMA_IDS, ZDMA_INT_ALL);
	zdma_write(z, ZDMA_CTRL2, 0);
	for (unsigned int i = 0; i < REST_READS; i++)
		if ((zdma_read(z, ZDMA_STATUS) & ZDMA_STATUS_STATE) != ZDMA_STATUS_BUSY)
			break;
	zdma_write(z, ZDMA_CTRL0, 0);
	z->is_set_for_runs = false;
	zdma_write(z, ZDMA_ISR, ZDMA_INT_ALL);
	/* Both are cleared by being read. */
	zdma_read(z, ZDMA_SRC_ACCT);
	zdma_read(z, ZDMA_DST_ACCT);
	zdma_write(z, ZDMA_TOTAL_BYTE, UINT32_MAX);
	zdma_write(z, ZDMA_DSCR_ATTR,
		   z->is_coherent ? ZDMA_DSCR_COHERENT | ZDMA_DSCR_CACHE(ZDMA_CACHE_COHERENT)
				  : ZDMA_DSCR_CACHE(ZDMA_CACHE_NONE));
	if (!z->vc.chan.is_polled)
		zdma_write(z, ZDMA_IEN, ZDMA_INT_WANTED);
}

/* Software's way through a side, run by run. */

static void load_run(const struct zdma_desc *desc, struct zdma_cursor *at)
{
	const struct zdma_side *side = at->side;

	if (at->block) {
		const struct zdma_words *entry = zdma_entry(desc, at->block, at->index);

		at->address = (uint64_t)entry->address_high << 32 | entry->address_low;
		at->left = entry->size;
	} else {
		at->address = side->address;
		at->left = side->is_fixed ? desc->length : side->length;
	}
}

static void rewind_side(const struct zdma_desc *desc, struct zdma_cursor *at)
{
	at->block = list_first_entry_or_null(&at->side->blocks, struct zdma_block, node);
	at->index = 0;
	load_run(desc, at);
}

/* Behind the last run of a ring comes its first one. */
static void move_on(const struct zdma_desc *desc, struct zdma_cursor *at, uint32_t bytes)
{
	const struct zdma_side *side = at->side;
	bool is_last_block;

	at->left -= bytes;
	if (!side->is_fixed)
		at->address += bytes;
	if (at->left)
		return;
	if (!at->block) {
		if (desc->kind == ZDMA_CYCLIC)
			rewind_side(desc, at);
		return;
	}
	is_last_block = at->block->node.next == &side->blocks;
	if (++at->index == (is_last_block ? side->nr_last : zdma_block_entries(desc))) {
		at->block = is_last_block
				    ? NULL
				    : list_entry(at->block->node.next, struct zdma_block, node);
		at->index = 0;
	}
	load_run(desc, at);
}

/* Starting. */

/* Whether a list leaves the commands in WORD3 alone is nowhere said. */
static void write_mode(struct zdma *z, uint32_t ctrl0, uint32_t attributes)
{
	uint32_t command = z->is_coherent ? ZDMA_WORD_COHERENT : 0;

	zdma_write(z, ZDMA_CTRL0, ctrl0);
	zdma_write(z, ZDMA_DATA_ATTR, attributes);
	zdma_write(z, ZDMA_SRC_WORDS + 12, command);
	zdma_write(z, ZDMA_DST_WORDS + 12, command);
	z->is_set_for_runs = !ctrl0 && attributes == z->attributes;
}

static inline void write_run(char __iomem *regs, dma_addr_t src, dma_addr_t dst, uint32_t size)
{
	writel_relaxed(lower_32_bits(src), regs + ZDMA_SRC_WORDS);
	writel_relaxed(upper_32_bits(src), regs + ZDMA_SRC_WORDS + 4);
	writel_relaxed(size, regs + ZDMA_SRC_WORDS + 8);
	writel_relaxed(lower_32_bits(dst), regs + ZDMA_DST_WORDS);
	writel_relaxed(upper_32_bits(dst), regs + ZDMA_DST_WORDS + 4);
	writel_relaxed(size, regs + ZDMA_DST_WORDS + 8);
}

static void kick_piece(struct zdma *z, const struct zdma_desc *desc)
{
	uint32_t size = zdma_min(desc->piece, zdma_min(z->src.left, z->dst.left));

	if (desc->kind == ZDMA_CYCLIC)
		size = zdma_min(size, z->period_left);
	if (desc->kind == ZDMA_FILL)
		for (unsigned int i = 0; i < 16; i += 4)
			zdma_write(z, ZDMA_FILL_WORDS + i, desc->fill);
	write_mode(z, desc->kind == ZDMA_FILL ? ZDMA_CTRL0_WRITE_ONLY : 0, desc->attributes);
	write_run(z->regs, z->src.address, z->dst.address, size);
	z->piece = size;
}

static dma_addr_t first_of(const struct zdma_side *side)
{
	return list_first_entry(&side->blocks, struct zdma_block, node)->dma;
}

static void kick_list(struct zdma *z, const struct zdma_desc *desc)
{
	dma_addr_t src = first_of(&desc->src), dst = first_of(&desc->dst);

	write_mode(z, ZDMA_CTRL0_LISTS, desc->attributes);
	zdma_write(z, ZDMA_SRC_START, lower_32_bits(src));
	zdma_write(z, ZDMA_SRC_START + 4, upper_32_bits(src));
	zdma_write(z, ZDMA_DST_START, lower_32_bits(dst));
	zdma_write(z, ZDMA_DST_START + 4, upper_32_bits(dst));
	z->piece = 0;
}

static void complete_desc(struct zdma *z)
{
	struct zdma_desc *desc = z->desc;

	z->desc = NULL;
	vchan_cookie_complete(&desc->vd);
}

/* With the barrier: what is in memory, the descriptors too, comes before it. */
static inline void enable(struct zdma *z)
{
	z->is_active = true;
	z->is_halted = false;
	writel(ZDMA_CTRL2_EN, z->regs + ZDMA_CTRL2);
}

static void kick(struct zdma *z)
{
	const struct zdma_desc *desc = z->desc;

	zdma_write(z, ZDMA_TOTAL_BYTE, UINT32_MAX);
	z->nr_wraps = 0;
	if (desc->kind == ZDMA_LIST)
		kick_list(z, desc);
	else
		kick_piece(z, desc);
	enable(z);
}

/* One that is in no list. */
static inline void make_current(struct zdma *z, struct zdma_desc *desc)
{
	z->desc = desc;
	z->done = 0;
	z->errors = 0;
}

static inline void start_run(struct zdma *z, struct zdma_desc *desc)
{
	make_current(z, desc);
	z->nr_wraps = 0;
	z->piece = (uint32_t)desc->length;
	z->is_active = true;
	z->is_halted = false;
	zdma_write(z, ZDMA_TOTAL_BYTE, UINT32_MAX);
	write_run(z->regs, desc->src.address, desc->dst.address, (uint32_t)desc->length);
	writel(ZDMA_CTRL2_EN, z->regs + ZDMA_CTRL2);
}

static void start_desc(struct zdma *z, struct zdma_desc *desc)
{
	make_current(z, desc);
	z->period_left = desc->period;
	z->src.side = &desc->src;
	z->dst.side = &desc->dst;
	rewind_side(desc, &z->src);
	rewind_side(desc, &z->dst);
	if (desc->kind == ZDMA_NOTHING)
		complete_desc(z);
	else
		kick(z);
}

static void start_any(struct zdma *z, struct zdma_desc *desc)
{
	if (desc->kind != ZDMA_RUN) {
		start_desc(z, desc);
		return;
	}
	if (!z->is_set_for_runs)
		write_mode(z, 0, z->attributes);
	start_run(z, desc);
}

void berth_zdma_start(struct zdma *z)
{
	while (!z->is_active && !z->is_paused) {
		struct virt_dma_desc *vd;

		if (z->desc) {
			kick(z);
			return;
		}
		vd = vchan_next_desc(&z->vc);
		if (!vd)
			return;
		list_del(&vd->node);
		start_any(z, zdma_desc_of(vd));
	}
}

static __attribute__((noinline)) void issue_slowly(struct zdma *z)
{
	unsigned long flags;

	spin_lock_irqsave(&z->vc.lock, flags);
	if (vchan_issue_pending(&z->vc))
		berth_zdma_start(z);
	spin_unlock_irqrestore(&z->vc.lock, flags);
}

/* Where nobody else is at the channel, which rests, a run needs no call. */
void berth_zdma_issue_pending(struct dma_chan *chan)
{
	struct zdma *z = zdma_of(chan);
	struct virt_dma_desc *vd;
	unsigned long flags;
	bool is_run = false;

	if (!spin_trylock_irqsave(&z->vc.lock, flags)) {
		issue_slowly(z);
		return;
	}
	if (!z->desc && !z->is_paused && z->is_set_for_runs) {
		vd = berth_vchan_issue_first(&z->vc);
		if (vd && zdma_desc_of(vd)->kind == ZDMA_RUN) {
			start_run(z, zdma_desc_of(vd));
			is_run = true;
		} else if (vd) {
			list_add(&vd->node, &z->vc.desc_issued);
		}
	}
	spin_unlock_irqrestore(&z->vc.lock, flags);
	if (!is_run)
		issue_slowly(z);
}

uint64_t berth_zdma_residue(struct zdma *z)
{
	const struct zdma_desc *desc = z->desc;
	uint64_t done = z->done, now = 0;

	if (z->is_active) {
		now = ((uint64_t)z->nr_wraps << 32) + zdma_read(z, ZDMA_TOTAL_BYTE);
		if (z->piece && now > z->piece)
			now = z->piece;
	}
	done += now;
	if (desc->kind == ZDMA_CYCLIC && done >= desc->length)
		done = 0;
	return done < desc->length ? desc->length - done : 0;
}

/* Ending. */

static void fail(struct zdma *z)
{
	struct dmaengine_result *result = &z->desc->vd.tx_result;

	result->result = z->errors & ZDMA_INT_WR_DATA ? DMA_TRANS_WRITE_FAILED
						      : DMA_TRANS_READ_FAILED;
	result->residue = zdma_min(berth_zdma_residue(z), UINT32_MAX);
	berth_zdma_reset(z);
	z->is_active = false;
	complete_desc(z);
}

static void piece_is_done(struct zdma *z)
{
	struct zdma_desc *desc = z->desc;

	z->is_active = false;
	z->done += z->piece;
	if (desc->kind == ZDMA_RUN || desc->kind == ZDMA_LIST ||
	    (desc->kind != ZDMA_CYCLIC && z->done == desc->length)) {
		complete_desc(z);
		return;
	}
	move_on(desc, &z->src, z->piece);
	move_on(desc, &z->dst, z->piece);
	if (desc->kind != ZDMA_CYCLIC)
		return;
	if (z->done == desc->length)
		z->done = 0;
	z->period_left -= z->piece;
	if (!z->period_left) {
		z->period_left = desc->period;
		vchan_cyclic_callback(&desc->vd);
	}
}

static void go_on(struct zdma *z)
{
	z->is_halted = false;
	zdma_write(z, ZDMA_CTRL0, ZDMA_CTRL0_LISTS | ZDMA_CTRL0_CONT);
	writel(ZDMA_CTRL2_EN, z->regs + ZDMA_CTRL2);
}

/* From a pause, the channel is not disabled by CTRL2 alone. */
static void leave_pause(struct zdma *z)
{
	z->is_halted = false;
	zdma_write(z, ZDMA_CTRL2, 0);
	zdma_write(z, ZDMA_CTRL0, ZDMA_CTRL0_LISTS | ZDMA_CTRL0_CONT);
	berth_zdma_reset(z);
}

static void die(struct zdma *z)
{
	struct zdma_desc *desc = z->desc;

	z->is_active = z->is_dying = false;
	z->desc = NULL;
	/* It may be used again. */
	berth_zdma_command(desc, 0);
	vchan_terminate_vdesc(&desc->vd);
}

static void count_wraps(struct zdma *z, uint32_t status)
{
	if (status & ZDMA_INT_OVERFLOW) {
		zdma_write(z, ZDMA_TOTAL_BYTE, UINT32_MAX);
		z->nr_wraps++;
	}
	if (status & ZDMA_INT_SRC_ACCT)
		zdma_read(z, ZDMA_SRC_ACCT);
	if (status & ZDMA_INT_DST_ACCT)
		zdma_read(z, ZDMA_DST_ACCT);
}

/* The hardware is at rest, where it should not be. False: it goes on, or waits for the client. */
static bool has_paused(struct zdma *z)
{
	z->is_halted = true;
	if (z->is_dying)
		leave_pause(z);
	else if (!z->is_paused)
		go_on(z);
	return z->is_dying;
}

static bool is_at_rest(struct zdma *z, uint32_t status)
{
	if (z->errors & ZDMA_INT_BUS)
		return true;
	if (status & ZDMA_INT_PAUSE)
		return has_paused(z);
	if (!(status & ZDMA_INT_DONE))
		return false;
	/* Perhaps one descriptor of a list is done, and not the list. */
	return z->piece || (zdma_read(z, ZDMA_STATUS) & ZDMA_STATUS_STATE) != ZDMA_STATUS_BUSY;
}

static __attribute__((noinline)) void handle(struct zdma *z, uint32_t status)
{
	if (status & (ZDMA_INT_OVERFLOW | ZDMA_INT_ACCT))
		count_wraps(z, status);
	if (!z->is_active)
		return;
	z->errors |= status & ZDMA_INT_ERRORS;
	if (!is_at_rest(z, status))
		return;
	if (z->is_dying) {
		if (z->errors)
			berth_zdma_reset(z);
		die(z);
	} else if (z->errors) {
		fail(z);
	} else {
		piece_is_done(z);
	}
	if (z->desc || !list_empty(&z->vc.desc_issued))
		berth_zdma_start(z);
}

/* A run has ended, as nearly all do. */
static inline bool is_good_end(const struct zdma *z, uint32_t status)
{
	return status == ZDMA_INT_DONE && z->desc && z->desc->kind == ZDMA_RUN && !z->is_dying &&
	       !z->errors;
}

static inline bool look(struct zdma *z)
{
	uint32_t status = zdma_read(z, ZDMA_ISR) & ZDMA_INT_WANTED;

	if (!status)
		return false;
	zdma_write(z, ZDMA_ISR, status);
	/* What the hardware wrote to memory is looked at from here on. */
	rmb();
	if (is_good_end(z, status)) {
		z->is_active = false;
		complete_desc(z);
		if (!list_empty(&z->vc.desc_issued))
			berth_zdma_start(z);
	} else {
		handle(z, status);
	}
	return true;
}

bool berth_zdma_look(struct zdma *z)
{
	return look(z);
}

irqreturn_t berth_zdma_irq(int irq, void *data)
{
	struct zdma *z = data;
	unsigned long flags;
	bool is_mine;

	(void)irq;
	spin_lock_irqsave(&z->vc.lock, flags);
	is_mine = look(z);
	spin_unlock_irqrestore(&z->vc.lock, flags);
	return is_mine ? IRQ_HANDLED : IRQ_NONE;
}

void berth_zdma_poll(struct dma_chan *chan)
{
	struct zdma *z = zdma_of(chan);
	unsigned long flags;

	spin_lock_irqsave(&z->vc.lock, flags);
	look(z);
	berth_vchan_polled(&z->vc, flags);
}

void berth_zdma_pause(struct zdma *z)
{
	z->is_paused = true;
	if (z->is_active && !z->is_dying)
		berth_zdma_command(z->desc, ZDMA_WORD_PAUSE);
}

void berth_zdma_resume(struct zdma *z)
{
	z->is_paused = false;
	if (z->is_active && !z->is_dying) {
		berth_zdma_command(z->desc, 0);
		if (z->is_halted)
			go_on(z);
	}
	berth_zdma_start(z);
}

/* A transfer cannot be broken off: a list ends with its block, anything else with its piece. */
void berth_zdma_stop(struct zdma *z)
{
	z->is_paused = false;
	if (!z->desc || z->is_dying)
		return;
	z->is_dying = true;
	if (!z->is_active || z->is_halted) {
		if (z->is_halted)
			leave_pause(z);
		die(z);
		return;
	}
	berth_zdma_command(z->desc, ZDMA_WORD_STOP);
}
