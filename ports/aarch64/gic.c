/* SPDX-License-Identifier: BSD-2-Clause */
/* A GIC's distributor, and the registers of the same layout that each CPU has. */
#include "gic.h"

#define GICD_CTLR_RWP (1u << 31)
#define GICR_CTLR_RWP (1u << 3)
#define GICD_BYTES 0x10000ul
#define PRIORITY 0xa0a0a0a0u

struct berth_a64_gic berth_a64_gic;

int berth_a64_gic_map(int node)
{
	struct berth_range range;

	if (!berth_a64_tree_reg(node, 0, &range))
		return -ENODEV;
	berth_a64_gic.dist_phys = range.base;
	berth_a64_gic.dist =
		berth_a64_map_own(range.base, range.size < GICD_BYTES ? range.size : GICD_BYTES);
	berth_a64_gic.nr_irqs = ((gic_read(berth_a64_gic.dist, GICD_TYPER) & 0x1f) + 1) * 32;
	if (berth_a64_gic.nr_irqs > GIC_FIRST_SPECIAL)
		berth_a64_gic.nr_irqs = GIC_FIRST_SPECIAL;
	return 0;
}

/* The registers of an interrupt are in the caller's own frame or in the distributor. */
static char __iomem *frame_of(unsigned int irq)
{
	return irq < GIC_FIRST_SPI ? this_cpu()->irq_frame : berth_a64_gic.dist;
}

void berth_a64_gic_settle(unsigned int irq)
{
	if (irq >= GIC_FIRST_SPI)
		while (gic_read(berth_a64_gic.dist, GICD_CTLR) & GICD_CTLR_RWP)
			berth_port_relax();
	else if (this_cpu()->gicr)
		while (gic_read(this_cpu()->gicr, 0) & GICR_CTLR_RWP)
			berth_port_relax();
}

static void set_bit(unsigned int irq, unsigned int reg)
{
	gic_write(frame_of(irq), reg + irq / 32 * 4, 1u << irq % 32);
}

void berth_a64_gic_reset(char __iomem *frame, unsigned int first, unsigned int end)
{
	for (unsigned int irq = first; irq < end; irq += 32) {
		gic_write(frame, GIC_ICENABLER + irq / 8, ~0u);
		gic_write(frame, GIC_ICPENDR + irq / 8, ~0u);
		gic_write(frame, GIC_ICACTIVER + irq / 8, ~0u);
	}
	for (unsigned int irq = first; irq < end; irq += 4)
		gic_write(frame, GIC_IPRIORITYR + irq, PRIORITY);
}

void berth_a64_gic_quiet_spis(void)
{
	for (unsigned int irq = GIC_FIRST_SPI; irq < berth_a64_gic.nr_irqs; irq += 32) {
		gic_write(berth_a64_gic.dist, GIC_ICENABLER + irq / 8, ~0u);
		gic_write(berth_a64_gic.dist, GIC_ICPENDR + irq / 8, ~0u);
	}
	berth_a64_gic_settle(GIC_FIRST_SPI);
}

bool berth_a64_gic_is_for_others(unsigned int irq)
{
	return irq >= GIC_FIRST_PPI && irq < berth_a64_gic.nr_irqs && irq != GIC_TIMER;
}

int berth_a64_gic_unmask(unsigned int irq, bool level)
{
	unsigned int reg = GIC_ICFGR + irq / 16 * 4;
	uint32_t edge = 2u << irq % 16 * 2, config;
	unsigned long flags;

	if (!berth_a64_gic_is_for_others(irq))
		return -EINVAL;
	flags = berth_a64_lock(&berth_a64_gic.lock);
	/* The trigger may change only while the interrupt is disabled. */
	config = gic_read(frame_of(irq), reg);
	if (!(config & edge) != level) {
		set_bit(irq, GIC_ICENABLER);
		berth_a64_gic_settle(irq);
		gic_write(frame_of(irq), reg, config ^ edge);
	}
	set_bit(irq, GIC_ISENABLER);
	berth_a64_unlock(&berth_a64_gic.lock, flags);
	return 0;
}

void berth_a64_gic_mask(unsigned int irq)
{
	unsigned long flags;

	if (!berth_a64_gic_is_for_others(irq))
		return;
	flags = berth_a64_lock(&berth_a64_gic.lock);
	set_bit(irq, GIC_ICENABLER);
	berth_a64_gic_settle(irq);
	berth_a64_unlock(&berth_a64_gic.lock, flags);
}
