/* SPDX-License-Identifier: BSD-2-Clause */
/* The ZDMA (UG1085, chapter 19; UG1087, ZDMA module): what the driver's files share. */
#ifndef DRIVERS_DMA_ZYNQMP_ZDMA_H
#define DRIVERS_DMA_ZYNQMP_ZDMA_H

#include <berth/dma-mapping.h>
#include <berth/dmaengine-driver.h>
#include <berth/dmapool.h>
#include <berth/errno.h>
#include <berth/error.h>
#include <berth/io.h>
#include <berth/virt-dma.h>

#include <berth/drivers/zynqmp-zdma.h>

#define ZDMA_ISR 0x100
#define ZDMA_IEN 0x108
#define ZDMA_IDS 0x10c
#define ZDMA_INT_INV_APB 0x001u
#define ZDMA_INT_OVERFLOW 0x008u
#define ZDMA_INT_SRC_ACCT 0x010u
#define ZDMA_INT_DST_ACCT 0x020u
#define ZDMA_INT_RD_SRC_DSCR 0x040u
#define ZDMA_INT_RD_DST_DSCR 0x080u
#define ZDMA_INT_RD_DATA 0x100u
#define ZDMA_INT_WR_DATA 0x200u
#define ZDMA_INT_DONE 0x400u
#define ZDMA_INT_PAUSE 0x800u
#define ZDMA_INT_ALL 0xfffu
/* Those that put the channel into its disabled state. */
#define ZDMA_INT_BUS \
	(ZDMA_INT_RD_SRC_DSCR | ZDMA_INT_RD_DST_DSCR | ZDMA_INT_RD_DATA | ZDMA_INT_WR_DATA)
#define ZDMA_INT_ERRORS (ZDMA_INT_BUS | ZDMA_INT_INV_APB)
#define ZDMA_INT_ACCT (ZDMA_INT_SRC_ACCT | ZDMA_INT_DST_ACCT)
#define ZDMA_INT_WANTED \
	(ZDMA_INT_ERRORS | ZDMA_INT_OVERFLOW | ZDMA_INT_ACCT | ZDMA_INT_DONE | ZDMA_INT_PAUSE)
#define ZDMA_CTRL0 0x110
#define ZDMA_CTRL0_CONT 0x02u
#define ZDMA_CTRL0_WRITE_ONLY 0x10u
#define ZDMA_CTRL0_LISTS 0x40u
#define ZDMA_STATUS 0x11c
#define ZDMA_STATUS_STATE 0x3u
#define ZDMA_STATUS_BUSY 0x2u
#define ZDMA_DATA_ATTR 0x120
#define ZDMA_DATA_ARBURST_INCR (1u << 26)
#define ZDMA_DATA_ARCACHE(n) ((uint32_t)(n) << 22)
#define ZDMA_DATA_ARLEN(n) ((uint32_t)(n) << 14)
#define ZDMA_DATA_AWBURST_INCR (1u << 12)
#define ZDMA_DATA_AWCACHE(n) ((uint32_t)(n) << 8)
#define ZDMA_DATA_AWLEN(n) ((uint32_t)(n))
#define ZDMA_MAX_BEATS 16u
#define ZDMA_DSCR_ATTR 0x124
#define ZDMA_DSCR_COHERENT 0x100u
#define ZDMA_DSCR_CACHE(n) ((uint32_t)(n) << 4)
/* AxCACHE: normal memory not cached, or write-back with allocation. */
#define ZDMA_CACHE_NONE 0x2u
#define ZDMA_CACHE_COHERENT 0xfu
#define ZDMA_SRC_WORDS 0x128
#define ZDMA_DST_WORDS 0x138
#define ZDMA_FILL_WORDS 0x148
#define ZDMA_SRC_START 0x158
#define ZDMA_DST_START 0x160
#define ZDMA_TOTAL_BYTE 0x188
#define ZDMA_SRC_ACCT 0x190
#define ZDMA_DST_ACCT 0x194
#define ZDMA_CTRL2 0x200
#define ZDMA_CTRL2_EN 0x1u

/* The last word of a descriptor, in memory or in registers. */
#define ZDMA_WORD_COHERENT 0x01u
#define ZDMA_WORD_LINKED 0x02u
#define ZDMA_WORD_PAUSE 0x08u
#define ZDMA_WORD_STOP 0x10u
#define ZDMA_WORD_COMMAND 0x18u

#define ZDMA_ADDRESS_BITS 49
/* A size has 30 bits; a round number leaves the pieces aligned. */
#define ZDMA_MAX_RUN 0x20000000u

/* Descriptors are kept in blocks, no descriptor crossing 4 KiB. A linked one is as two linear ones. */
#define ZDMA_BLOCK_BYTES 1024u
#define ZDMA_LINEAR_BYTES 16u
#define ZDMA_LINKED_BYTES 32u
#define ZDMA_BLOCK_LINEAR 63u /* of which the last is a linked one */
#define ZDMA_BLOCK_LINKED 32u

struct zdma_words {
	uint32_t address_low;
	uint32_t address_high;
	uint32_t size;
	uint32_t control;
};

/* A block of coherent memory. Its last descriptor leads to the next block. */
struct zdma_block {
	struct list_head node;
	struct zdma_words *words;
	dma_addr_t dma;
};

/*
 * The source or the destination of a transfer. Runs that continue each other are one; the last one is
 * kept here until there is another, so that a single run needs no block.
 */
struct zdma_side {
	struct list_head blocks;
	uint32_t nr; /* runs in blocks */
	uint32_t nr_last; /* of these, in the last block */
	dma_addr_t address; /* of the run that is in no block */
	uint32_t length;
	bool is_fixed; /* a register: always the same address */
};

enum zdma_kind {
	ZDMA_NOTHING,
	ZDMA_RUN, /* one run, from registers: what most copies are */
	ZDMA_COPY, /* from registers, run by run */
	ZDMA_FILL,
	ZDMA_LIST,
	ZDMA_PERIPHERAL,
	ZDMA_CYCLIC,
};

struct zdma_desc {
	struct virt_dma_desc vd;
	enum zdma_kind kind;
	bool is_linked; /* its blocks are of linked descriptors */
	struct zdma_side src, dst;
	uint64_t length;
	uint32_t period;
	uint32_t piece; /* bytes of a transfer at most */
	uint32_t attributes;
	uint32_t fill;
	dma_addr_t reg; /* the peripheral's, mapped; reg_width 0: there is none */
	uint32_t reg_width;
	enum dma_data_direction reg_dir;
};

/* Where software is in one side of the current descriptor. */
struct zdma_cursor {
	struct zdma_side *side;
	struct zdma_block *block; /* NULL: in the run that is in no block */
	uint32_t index;
	dma_addr_t address;
	uint64_t left; /* of this run */
};

/*
 * A controller and its one channel. What follows @vc is guarded by vc.lock, except what does not change
 * after the probe.
 */
struct zdma {
	struct dma_device dma;
	struct virt_dma_chan vc;
	struct list_head free_blocks;
	struct zdma_desc *desc; /* under way */
	struct zdma_cursor src, dst;
	uint64_t done; /* bytes of pieces that are over; of a ring, since its start */
	uint32_t errors; /* seen since the start of @desc */
	uint32_t nr_wraps; /* of the byte counter */
	uint32_t piece; /* bytes that the hardware was told to move; 0 for a list */
	uint32_t period_left;
	bool is_set_for_runs; /* all registers but the addresses and sizes are as a run needs them */
	bool is_active; /* the hardware is at it */
	bool is_paused; /* the client said so */
	bool is_halted; /* the hardware has met a pause command */
	bool is_dying; /* @desc was terminated, and goes when the hardware is done */
	enum berth_zdma_mode mode; /* atomic */
	uint32_t holders; /* atomic: the driver, and dmaengine with its clients */
	struct dma_slave_config config;

	char __iomem *regs;
	struct dma_pool *pool;
	unsigned int irq;
	uint32_t bus_bytes;
	uint32_t attributes; /* of accesses to memory */
	bool is_coherent;
};

static inline struct zdma *zdma_of(struct dma_chan *chan)
{
	return container_of(to_virt_chan(chan), struct zdma, vc);
}

static inline struct zdma_desc *zdma_desc_of(struct virt_dma_desc *vd)
{
	return container_of(vd, struct zdma_desc, vd);
}

static inline uint32_t zdma_read(const struct zdma *z, unsigned int reg)
{
	return readl_relaxed(z->regs + reg);
}

static inline void zdma_write(const struct zdma *z, unsigned int reg, uint32_t value)
{
	writel_relaxed(value, z->regs + reg);
}

static inline uint32_t zdma_min(uint64_t a, uint64_t b)
{
	return (uint32_t)(a < b ? a : b);
}

/* A descriptor of a block; linked ones take two places. */
static inline struct zdma_words *zdma_entry(const struct zdma_desc *desc,
					    const struct zdma_block *block, uint32_t index)
{
	return block->words + (desc->is_linked ? 2 * index : index);
}

static inline uint32_t zdma_block_entries(const struct zdma_desc *desc)
{
	return desc->is_linked ? ZDMA_BLOCK_LINKED : ZDMA_BLOCK_LINEAR;
}

/* zynqmp-zdma-desc.c */
void berth_zdma_desc_free(struct virt_dma_desc *vd);
/* What is kept for later goes; nobody uses the channel. */
void berth_zdma_free_kept(struct zdma *z);
/* Commands of the descriptors after which the hardware may be stopped: the last of each block. */
void berth_zdma_command(struct zdma_desc *desc, uint32_t command);
void berth_zdma_set_ops(struct dma_device *dma);

/* zynqmp-zdma-run.c; with the lock, but for the handler and the first one */
void berth_zdma_reset(struct zdma *z);
irqreturn_t berth_zdma_irq(int irq, void *data);
void berth_zdma_issue_pending(struct dma_chan *chan);
void berth_zdma_poll(struct dma_chan *chan);
void berth_zdma_start(struct zdma *z);
void berth_zdma_pause(struct zdma *z);
void berth_zdma_resume(struct zdma *z);
void berth_zdma_stop(struct zdma *z);
uint64_t berth_zdma_residue(struct zdma *z);
/* What the hardware has to say, if anything: as an interrupt does. */
bool berth_zdma_look(struct zdma *z);

#endif
