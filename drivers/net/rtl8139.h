/* SPDX-License-Identifier: BSD-2-Clause */
/* The card from the inside: what the files of its driver share. */
#ifndef DRIVERS_NET_RTL8139_H
#define DRIVERS_NET_RTL8139_H

#include <berth/completion.h>
#include <berth/dma-mapping.h>
#include <berth/errno.h>
#include <berth/interrupt.h>
#include <berth/io.h>

#include <berth/drivers/rtl8139.h>

#define IDR 0x00
#define MAR 0x08
#define TSD(n) (0x10 + 4 * (n))
#define TSD_TOK BIT(15)
#define TSD_TUN BIT(14)
#define TSD_TABT BIT(30)
#define TSAD(n) (0x20 + 4 * (n))
#define RBSTART 0x30
#define CR 0x37
#define CR_BUFE BIT(0)
#define CR_TE BIT(2)
#define CR_RE BIT(3)
#define CR_RST BIT(4)
#define CAPR 0x38
#define IMR 0x3c
#define ISR 0x3e
#define INT_ROK BIT(0)
#define INT_RER BIT(1)
#define INT_TOK BIT(2)
#define INT_TER BIT(3)
#define INT_RXOVW BIT(4)
#define INT_LINK BIT(5)
#define INT_FOVW BIT(6)
#define INT_SERR BIT(15)
#define TCR 0x40
#define TCR_CLRABT BIT(0)
#define TCR_MXDMA_1024 (6u << 8)
#define TCR_LOOPBACK (3u << 17)
#define TCR_IFG (3u << 24)
#define RCR 0x44
#define RCR_AAP BIT(0)
#define RCR_APM BIT(1)
#define RCR_AM BIT(2)
#define RCR_AB BIT(3)
#define RCR_WRAP BIT(7)
#define RCR_MXDMA_1024 (6u << 8)
#define RCR_RBLEN_SHIFT 11
#define RCR_RXFTH_NONE (7u << 13)
#define MPC 0x4c
#define MPC_MASK 0xffffffu
#define MSR 0x58
#define MSR_LINKB BIT(2)

/* What a receiver answers to, and what the interrupt handler does by itself. */
#define INT_OVERFLOW (INT_RXOVW | INT_FOVW)
#define INT_RECEIVER (INT_ROK | INT_OVERFLOW)
#define INT_SENDER (INT_TOK | INT_TER)
#define INT_ALL (INT_RECEIVER | INT_RER | INT_SENDER | INT_LINK | INT_SERR)

/* A frame is on the wire only when all of it is in the FIFO: no underrun. In units of 32 bytes. */
#define TSD_THRESHOLD (48u << 16)
/* Attempts of 16 collisions each. */
#define MAX_ABORTS 3

/* In front of each frame in the ring: status, then its length with the checksum. */
#define HEADER 4u
#define HEADER_ROK BIT(0)
#define CHECKSUM 4u
/* The read pointer is this much behind where the driver reads. */
#define CAPR_LAG 16u
/* The longest frame that the card takes for one. */
#define LONGEST 4096u
#define MIN_RING 8192u
/* Of this size the card does not let the last frame run over the end: it goes on at the start. */
#define WRAPPING_RING 65536u
#define DEFAULT_RING 32768u

#define RESET_US 10
#define RESET_TRIES 1000

#define ALL_FLAGS (BERTH_RTL8139_LOOPBACK | BERTH_RTL8139_PROMISCUOUS | BERTH_RTL8139_ALL_MULTICAST)

enum state {
	DOWN,
	CHANGING, /* somebody starts or stops it, and is alone with it */
	UP,
	RESETTING, /* somebody recovers it; goes to UP or BROKEN */
	BROKEN, /* does not come out of its reset */
};

/* A frame that the card has. */
struct sending {
	void *frame;
	dma_addr_t addr;
	unsigned int size;
	unsigned int aborts;
	int error; /* when it is the caller's again */
};

struct nic {
	struct device *dev;
	char __iomem *regs;
	unsigned int irq;
	struct completion news; /* for who receives */
	struct completion left; /* by who received, for who stops */

	spinlock_t lock; /* of everything below, and of the registers while it is UP */
	enum state state;
	bool is_stopping; /* beside the state: nobody comes in any more */
	bool is_receiving;
	struct berth_rtl8139_config config;
	struct berth_rtl8139_stats stats;
	uint16_t imr;

	/* Descriptor n % 4 has frame n, for n from @oldest up to @next. */
	struct sending sending[BERTH_RTL8139_SENDS];
	unsigned int oldest, next;

	/* Read by who receives without the lock; it stays while somebody does. */
	struct page *ring_page;
	uint8_t *ring;
	dma_addr_t ring_dma;
	unsigned int ring_at;
	unsigned int lap; /* of the ring's contents: another one after each reset */
};

/* rtl8139.c */

/* Bind a card. 0, or a negative errno value with everything put back. */
int berth_rtl8139_attach(struct device *dev, char __iomem *regs, unsigned int irq);
void berth_rtl8139_detach(struct device *dev);

/*
 * Reset the card and begin anew. What it had to send may have been sent or not. Any context, without
 * the lock.
 */
void berth_rtl8139_recover(struct nic *nic);

/* With the lock: why nothing can be sent or received; 0: it can. */
int berth_rtl8139_unusable(const struct nic *nic);

/* rtl8139-ring.c; nobody else uses the card. 0, or a negative errno value. */
int berth_rtl8139_allocate_ring(struct nic *nic);
void berth_rtl8139_free_ring(struct nic *nic);

#endif
