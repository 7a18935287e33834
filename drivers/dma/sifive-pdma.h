/* SPDX-License-Identifier: BSD-2-Clause */
/* The SiFive PDMA: its registers, and what the driver's files share. */
#ifndef DRIVERS_DMA_SIFIVE_PDMA_H
#define DRIVERS_DMA_SIFIVE_PDMA_H

#include <berth/dma-mapping.h>
#include <berth/interrupt.h>
#include <berth/slab.h>
#include <berth/virt-dma.h>

#include <berth/drivers/sifive-pdma.h>

#define PDMA_CHANNEL_STRIDE 0x1000
#define PDMA_CONTROL 0x000
#define PDMA_CONTROL_CLAIM BIT(0)
#define PDMA_CONTROL_RUN BIT(1)
#define PDMA_CONTROL_DONE_IE BIT(14)
#define PDMA_CONTROL_ERROR_IE BIT(15)
#define PDMA_CONTROL_DONE BIT(30)
#define PDMA_CONTROL_ERROR BIT(31)
#define PDMA_CONTROL_IE (PDMA_CONTROL_DONE_IE | PDMA_CONTROL_ERROR_IE)
#define PDMA_CONTROL_ENDED (PDMA_CONTROL_DONE | PDMA_CONTROL_ERROR)
#define PDMA_NEXT_CONFIG 0x004
#define PDMA_NEXT_BYTES 0x008
#define PDMA_NEXT_DESTINATION 0x010
#define PDMA_NEXT_SOURCE 0x018
#define PDMA_EXEC_BYTES 0x108
#define PDMA_EXEC_DESTINATION 0x110
#define PDMA_EXEC_SOURCE 0x118

/* log2 of a transaction's bytes, for reads and for writes: they must be equal. */
#define PDMA_CONFIG_SIZES(log2) ((uint32_t)(log2) << 24 | (uint32_t)(log2) << 28)
#define PDMA_MAX_SIZE_LOG2 6
#define PDMA_IRQS_PER_CHANNEL 2
#define PDMA_MAX_CHANNELS 16

/* Bytes that follow each other on both sides. */
struct pdma_run {
	dma_addr_t dst, src;
	size_t len;
};

/* A peripheral's window as the engine reaches it; descriptors and the channel hold it. */
struct pdma_port {
	phys_addr_t phys;
	dma_addr_t addr;
	size_t size;
	enum dma_data_direction dir; /* as the engine sees it */
	uint32_t refs;
};

struct pdma_desc {
	struct virt_dma_desc vd;
	uint64_t len;
	size_t period; /* of a ring, which is one run; 0: it is none */
	struct pdma_port *port; /* held; NULL: memory on both sides */
	bool is_to_port;
	bool is_copy; /* one run, of memory to memory */
	uint32_t config;
	size_t nr_runs; /* 0: nothing but a callback */
	size_t max_runs;
	struct pdma_run one, *runs; /* &one, or allocated; kept when it is recycled */
};

/* @vc's lock guards all that may change while the channel is somebody's. */
struct pdma_channel {
	struct virt_dma_chan vc;
	char __iomem *regs;
	struct device *dev;
	unsigned int irq[PDMA_IRQS_PER_CHANNEL]; /* done, error */
	unsigned int nr_irqs; /* that were requested */

	struct dma_slave_config config;
	struct pdma_port *ports[2]; /* to read from, to write to; held */

	struct pdma_desc *desc; /* under way; NULL: none */
	bool is_paused;
	uint32_t go; /* what CONTROL is told */
	size_t run, at; /* where it is, without the piece that the engine has */
	uint64_t later; /* bytes of the runs behind this one */
	size_t port_at; /* where in the window */
	size_t piece; /* bytes that the engine was given; 0: it rests */
	dma_addr_t piece_dst, piece_src;
};

struct pdma {
	struct dma_device dma;
	uint32_t refs; /* the driver, and the clients by way of @dma */
	unsigned int nr_channels;
	struct pdma_channel channels[];
};

static inline struct pdma_channel *to_pdma_channel(struct dma_chan *chan)
{
	return container_of(to_virt_chan(chan), struct pdma_channel, vc);
}

static inline struct pdma_desc *to_pdma_desc(struct virt_dma_desc *vd)
{
	return container_of(vd, struct pdma_desc, vd);
}

/* sifive-pdma-prep.c: descriptors, and the calls that make them. */
void berth_pdma_set_calls(struct dma_device *dma);
void berth_pdma_desc_free(struct virt_dma_desc *vd);
/* Of a channel that nobody has: what is kept for the next descriptor goes. */
void berth_pdma_drain(struct pdma_channel *ch);

#endif
