/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What the GIC versions share: the distributor. All interrupts are of one group and one priority;
 * shared peripheral interrupts go to CPU 0.
 */
#ifndef PORT_GIC_H
#define PORT_GIC_H

#include "internal.h"

#define GICD_CTLR 0x0000
#define GICD_TYPER 0x0004
/* In the distributor for SPIs, in a CPU's own frame for SGIs and PPIs. */
#define GIC_IGROUPR 0x0080
#define GIC_ISENABLER 0x0100
#define GIC_ICENABLER 0x0180
#define GIC_ICPENDR 0x0280
#define GIC_ICACTIVER 0x0380
#define GIC_IPRIORITYR 0x0400
#define GIC_ICFGR 0x0c00

#define GIC_FIRST_PPI 16u
#define GIC_FIRST_SPI 32u
#define GIC_FIRST_SPECIAL 1020u
/* The virtual timer's PPI. */
#define GIC_TIMER 27u
#define GIC_OWN (1u << PORT_SGI_WAKE | 1u << PORT_SGI_TABLES | 1u << GIC_TIMER)

struct berth_a64_gic {
	char __iomem *dist;
	phys_addr_t dist_phys;
	unsigned int nr_irqs;
	struct berth_a64_lock lock;
};

extern struct berth_a64_gic berth_a64_gic;

static inline uint32_t gic_read(const char __iomem *base, unsigned int reg)
{
	return berth_port_read32(base + reg);
}

static inline void gic_write(char __iomem *base, unsigned int reg, uint32_t value)
{
	berth_port_write32(base + reg, value);
}

/* gic.c */
int berth_a64_gic_map(int node);
/* Until what was written about interrupts from @irq on has an effect. */
void berth_a64_gic_settle(unsigned int irq);
/* All SPIs, or this CPU's SGIs and PPIs: off, and forgotten. */
void berth_a64_gic_reset(char __iomem *frame, unsigned int first, unsigned int end);
/* Mask and forget all SPIs. With the lock. */
void berth_a64_gic_quiet_spis(void);
bool berth_a64_gic_is_for_others(unsigned int irq);
int berth_a64_gic_unmask(unsigned int irq, bool level);
void berth_a64_gic_mask(unsigned int irq);

#endif
