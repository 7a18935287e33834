/* SPDX-License-Identifier: BSD-2-Clause */
/* The DMA controller of "BCM2835 ARM Peripherals", chapter 4: what the driver's files share. */
#ifndef DRIVERS_DMA_BCM2835_DMA_H
#define DRIVERS_DMA_BCM2835_DMA_H

#include <berth/dma-mapping.h>
#include <berth/dmaengine-driver.h>
#include <berth/dmapool.h>
#include <berth/errno.h>
#include <berth/error.h>
#include <berth/io.h>
#include <berth/virt-dma.h>

#include <berth/drivers/bcm2835-dma.h>

#define BDMA_CHANNELS 15u
#define BDMA_CHANNEL_STRIDE 0x100u

#define BDMA_CS 0x00
#define BDMA_CS_ACTIVE 0x00000001u
#define BDMA_CS_END 0x00000002u
#define BDMA_CS_INT 0x00000004u
#define BDMA_CS_WAITING 0x00000040u /* for writes that are outstanding */
#define BDMA_CS_ERROR 0x00000100u
#define BDMA_CS_PRIORITY(n) ((uint32_t)(n) << 16)
#define BDMA_CS_PANIC(n) ((uint32_t)(n) << 20)
#define BDMA_CS_WAIT_WRITES 0x10000000u
#define BDMA_CS_RESET 0x80000000u
#define BDMA_CONBLK_AD 0x04
#define BDMA_TXFR_LEN 0x14
#define BDMA_NEXTCONBK 0x1c
#define BDMA_DEBUG 0x20
#define BDMA_DEBUG_ERRORS 0x7u
#define BDMA_DEBUG_LITE 0x10000000u

#define BDMA_TI_INTEN 0x0001u
#define BDMA_TI_2D 0x0002u
#define BDMA_TI_WAIT_RESP 0x0008u
#define BDMA_TI_DST_INC 0x0010u
#define BDMA_TI_DST_WIDE 0x0020u
#define BDMA_TI_DST_DREQ 0x0040u
#define BDMA_TI_SRC_INC 0x0100u
#define BDMA_TI_SRC_WIDE 0x0200u
#define BDMA_TI_SRC_DREQ 0x0400u
#define BDMA_TI_BURST(n) ((uint32_t)(n) << 12)
#define BDMA_TI_DREQ(n) ((uint32_t)(n) << 16)
#define BDMA_MAX_BURST 16u
#define BDMA_MAX_DREQ 31u

/* All bytes move in words of this many: see docs/bcm2835-dma.md. */
#define BDMA_WORD 4u
#define BDMA_MAX_RUN 0x20000000u
#define BDMA_MAX_LITE_RUN 0xfffcu
#define BDMA_MAX_ROW 0xfffcu
#define BDMA_MAX_ROWS 0x4000u

#define BDMA_BLOCK_BYTES 1024u
#define BDMA_BLOCK_CBS 32u

/* A control block, aligned to its size. */
struct bdma_cb {
	uint32_t info;
	uint32_t src;
	uint32_t dst;
	uint32_t length;
	uint32_t stride;
	uint32_t next;
	uint32_t reserved[2];
};

struct bdma_block {
	struct list_head node;
	struct bdma_cb *cbs;
	dma_addr_t dma;
};

struct bdma_desc {
	struct virt_dma_desc vd;
	struct list_head blocks; /* the first one stays with it */
	struct bdma_cb *last; /* NULL: there is none */
	uint32_t nr_last; /* control blocks in the last block */
	uint64_t length;
	bool is_cyclic;
	dma_addr_t reg; /* the peripheral's, mapped; @has_reg */
	enum dma_data_direction reg_dir;
	bool has_reg;
};

/* What follows @vc is guarded by vc.lock, except what does not change after the probe. */
struct bdma_chan {
	struct virt_dma_chan vc;
	struct list_head free_blocks;
	struct bdma_desc *desc; /* under way */
	uint64_t least; /* of what was left of it, as far as somebody asked; not of a ring */
	bool is_paused;
	struct dma_slave_config config;
	uint32_t dreq;

	struct bdma *bdma;
	char __iomem *regs;
	unsigned int irq;
	bool is_lite;
	bool is_there;
};

struct bdma {
	struct dma_device dma;
	struct bdma_chan channels[BDMA_CHANNELS];
	struct dma_pool *pool;
	uint32_t holders; /* atomic: the driver, and dmaengine with its clients */
};

static inline struct bdma_chan *bdma_chan_of(struct dma_chan *chan)
{
	return container_of(to_virt_chan(chan), struct bdma_chan, vc);
}

static inline struct bdma_desc *bdma_desc_of(struct virt_dma_desc *vd)
{
	return container_of(vd, struct bdma_desc, vd);
}

/* bcm2835-dma-desc.c */
void berth_bdma_desc_free(struct virt_dma_desc *vd);
/* What is kept for later goes; nobody uses the channel. */
void berth_bdma_free_kept(struct bdma_chan *c);
/*
 * Bytes of a descriptor that are left, by what the hardware's registers of these names say. Between two
 * control blocks the length is 0.
 */
uint64_t berth_bdma_left(const struct bdma_desc *desc, uint32_t conblk_ad, uint32_t txfr_len,
			 uint32_t nextconbk);
void berth_bdma_set_ops(struct dma_device *dma);

#endif
