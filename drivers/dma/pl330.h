/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The PL330 driver's own: its programs, which pl330-code.c writes, and its descriptors. Registers and
 * instructions: CoreLink DMA-330 technical reference manual, Arm DDI 0424, chapters 3 and 4.
 */
#ifndef BERTH_DRIVERS_PL330_INTERNAL_H
#define BERTH_DRIVERS_PL330_INTERNAL_H

#include <berth/dmapool.h>
#include <berth/io.h>
#include <berth/virt-dma.h>

/* What a thread has to do with each burst. */
enum pl330_kind {
	PL330_COPY, /* memory to memory */
	PL330_FILL, /* one place of memory, again and again, to memory */
	PL330_TO_DEVICE,
	PL330_FROM_DEVICE,
};

#define PL330_NO_REQUEST UINT32_MAX
#define PL330_MAX_BEATS 16u

/**
 * struct pl330_shape - how bytes are moved
 * @kind: between what
 * @shift: log2 of the bytes of a beat: of the widest for memory, of each for a peripheral
 * @beats: of a burst at most
 * @request: the peripheral's request line, or PL330_NO_REQUEST
 * @is_non_secure: the thread's accesses are
 */
struct pl330_shape {
	enum pl330_kind kind;
	uint8_t shift;
	uint8_t beats;
	uint32_t request;
	bool is_non_secure;
};

/**
 * struct pl330_program - a program that is being written
 * @bytes: where to; NULL to count only
 * @size: how many there may be, the end's included
 * @used: how many there are
 * @moves: where the last addition first moves a byte: before, its addresses are being set
 * @src: the thread's registers, if @is_set
 * @dst: likewise
 * @ccr: likewise
 * @is_set: which registers were set: BIT(number)
 */
struct pl330_program {
	uint8_t *bytes;
	unsigned int size;
	unsigned int used;
	unsigned int moves;
	uint32_t src, dst, ccr;
	uint32_t is_set;
};

/* Begin a program of at most @size bytes, PL330_MIN_PROGRAM or more. */
void berth_pl330_begin(struct pl330_program *program, uint8_t *bytes, unsigned int size,
		       const struct pl330_shape *shape);

/*
 * Move bytes; those whose address does not move are at it. For a peripheral its address, those of
 * memory and @len are multiples of a beat. Returns how many bytes there was room for.
 */
uint32_t berth_pl330_add(struct pl330_program *program, const struct pl330_shape *shape,
			 uint32_t src, uint32_t dst, uint32_t len);

/* Where such a program has the addresses, which follow an opcode of two bytes each. */
#define PL330_SRC_AT 2u
#define PL330_DST_AT 8u

/*
 * Let a program that consists of one addition of memory to memory move bytes between other addresses,
 * whose remainders modulo the widest beat are the same. The program begins at a multiple of 4.
 */
static inline void berth_pl330_change(uint8_t *bytes, uint32_t src, uint32_t dst)
{
	volatile uint16_t *halves = (volatile uint16_t *)(void *)(bytes + PL330_SRC_AT);

	halves[0] = (uint16_t)src;
	halves[1] = (uint16_t)(src >> 16);
	*(volatile uint32_t *)(void *)(bytes + PL330_DST_AT) = dst;
}

/* All bytes are where they belong, then @event, then the end. */
void berth_pl330_end(struct pl330_program *program, unsigned int event);

/* Begin, the end, and the longest single step. */
#define PL330_MIN_PROGRAM 48u

/* Bytes of a descriptor's memory: a program, then the pattern that it fills memory with. */
#define PL330_CODE_BYTES 1024u
#define PL330_CODE_ALIGN 64u
#define PL330_PATTERN_BYTES 16u
#define PL330_PATTERN_AT (PL330_CODE_BYTES - PL330_PATTERN_BYTES)

/* Pieces for which a descriptor has room of its own. */
#define PL330_OWN_SPANS 4u

/* A piece of work: bytes that follow each other on both sides. */
struct pl330_span {
	uint32_t src, dst, len;
};

/* How far a descriptor is: @done bytes, the next one is at @offset of a span of a frame. */
struct pl330_place {
	uint64_t done;
	uint64_t frame;
	uint32_t span, offset;
};

/**
 * struct pl330_desc - a descriptor
 * @vd: the descriptor
 * @shape: how its bytes are moved
 * @event: its channel's
 * @code: its program
 * @code_dma: where the controller finds it
 * @spans: the pieces of a frame
 * @nr_spans: how many
 * @max_spans: how many there is room for
 * @own: that room, unless more was needed once
 * @nr_frames: how often; a cyclic one has a period in a frame, and goes around
 * @src_stride: from a frame to the next
 * @dst_stride: likewise
 * @total: bytes of all frames
 * @is_cyclic: it does not end
 * @first: where the program begins that is there now. A long descriptor takes several
 * @next: and where the one behind it will
 * @copy_len: the program is a whole copy of so many bytes; 0: it is not
 * @copy_low: the low bits of its addresses
 */
struct pl330_desc {
	struct virt_dma_desc vd;
	struct pl330_shape shape;
	unsigned int event;
	uint8_t *code;
	dma_addr_t code_dma;
	struct pl330_span *spans;
	uint32_t nr_spans, max_spans;
	struct pl330_span own[PL330_OWN_SPANS];
	uint64_t nr_frames;
	uint32_t src_stride, dst_stride;
	uint64_t total;
	bool is_cyclic;
	struct pl330_place first, next;
	uint32_t copy_len, copy_low;
};

/* The register of a peripheral, mapped for the controller. */
struct pl330_port {
	phys_addr_t phys;
	dma_addr_t dma;
	size_t size; /* 0: none is mapped */
};

/**
 * struct pl330_channel - a channel: one thread of the controller, and one event
 * @vc: the channel; its lock guards all of this
 * @pl: the controller
 * @thread: the thread's number
 * @event: the event with which its programs end
 * @go: the instruction that starts it, but for the address
 * @request: the peripheral's request line, or PL330_NO_REQUEST
 * @config: what the client has said of the peripheral
 * @ports: its registers: to it, from it
 * @active: whose program runs, or NULL
 */
struct pl330_channel {
	struct virt_dma_chan vc;
	struct pl330 *pl;
	unsigned int thread;
	unsigned int event;
	uint32_t go;
	uint32_t request;
	struct dma_slave_config config;
	struct pl330_port ports[2];
	struct pl330_desc *active;
};

/**
 * struct pl330 - a controller
 * @dma: the controller
 * @dev: its device
 * @regs: its registers
 * @lock: guards the debug registers, through which it is told what to do, @requests and @polled. Taken inside
 *	a channel's lock
 * @code: blocks of PL330_CODE_BYTES
 * @limits: of copies
 * @events: those that channels use: BIT(number)
 * @polled: those of them that raise no interrupt
 * @of_event: whose an event is: the number of the channel
 * @requests: request lines that channels use: BIT(number)
 * @nr_requests: how many lines there are
 * @irqs: its interrupts
 * @nr_irqs: how many were requested
 * @refs: the driver, and the clients of its channels
 * @nr_channels: how many
 * @channels: the channels
 */
struct pl330 {
	struct dma_device dma;
	struct device *dev;
	char __iomem *regs;
	spinlock_t lock;
	struct dma_pool *code;
	struct pl330_shape limits;
	uint32_t events;
	uint32_t polled;
	uint8_t of_event[32];
	uint32_t requests;
	unsigned int nr_requests;
	unsigned int irqs[33];
	unsigned int nr_irqs;
	uint32_t refs;
	unsigned int nr_channels;
	struct pl330_channel channels[8];
};

static inline struct pl330_channel *to_pl330_channel(struct dma_chan *chan)
{
	return container_of(chan, struct pl330_channel, vc.chan);
}

static inline struct pl330_desc *to_pl330_desc(struct virt_dma_desc *vd)
{
	return container_of(vd, struct pl330_desc, vd);
}

/* pl330-desc.c: the prepare calls, and the end of descriptors. */
void berth_pl330_prepares(struct dma_device *dma);
void berth_pl330_free_resources(struct dma_chan *chan);
int berth_pl330_config(struct dma_chan *chan, struct dma_slave_config *config);

/* With the channel's lock: */
/* Write the program from its first byte on, if it is not there already. */
void berth_pl330_rewind(struct pl330_desc *desc);
/* Write the one behind the one that has ended; false if that was the last. */
bool berth_pl330_advance(struct pl330_desc *desc);
/* Bytes that are done when the thread is at @pc of the program, with these registers. */
uint64_t berth_pl330_done(const struct pl330_desc *desc, uint32_t pc, uint32_t src, uint32_t dst);

/* What a fault's type, register FTRn, means for the client. */
enum dmaengine_tx_result berth_pl330_result(uint32_t type);

/* Registers. */
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

static inline uint32_t read_reg(const struct pl330 *pl, unsigned int reg)
{
	return readl(pl->regs + reg);
}

static inline void write_reg(struct pl330 *pl, unsigned int reg, uint32_t value)
{
	writel(value, pl->regs + reg);
}

/* pl330-run.c */
irqreturn_t berth_pl330_irq(int irq, void *data);
void berth_pl330_set_calls(struct dma_device *dma);
/* Have an instruction executed. What was written to memory before is there for the controller. */
bool berth_pl330_execute(struct pl330 *pl, uint32_t inst0, uint32_t inst1);
/* On return the thread does not touch memory, and its event is not pending. False: it goes on. */
bool berth_pl330_kill(struct pl330_channel *ch);

#endif
