/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * GICv2: each CPU sees its own SGIs and PPIs at the distributor's first registers, and its own
 * interface. Where there are security states the interrupts are of group 1, as the non-secure world
 * sees no others; where there are none they stay in group 0. What is not a CPU's own is CPU 0's: nobody else can silence a PPI when berth stops.
 */
#include "gic.h"

#define GICD_CTLR_ENABLE 1u
#define GICD_ITARGETSR 0x0800
#define GICD_SGIR 0x0f00
#define GICD_SGIR_OTHERS (1u << 24)

#define GICC_CTLR 0x0000
#define GICC_CTLR_ENABLE 1u
#define GICC_PMR 0x0004
#define GICC_PMR_ALL 0xf0u
#define GICC_BPR 0x0008
#define GICC_IAR 0x000c
#define GICC_EOIR 0x0010
#define GICC_RPR 0x0014
#define GICC_RPR_IDLE 0xffu
#define GICC_BYTES 0x1000ul

static char __iomem *interface;
static phys_addr_t interface_phys;

/* Everything to the non-secure world, this CPU's own interrupts and interface too. */
static void open_cpu(void)
{
	berth_a64_secure_write(berth_a64_gic.dist_phys + GIC_IGROUPR, ~0u);
	berth_a64_secure_write(interface_phys + GICC_PMR, 0xff);
}

static void open_dist(void)
{
	for (unsigned int irq = GIC_FIRST_SPI; irq < berth_a64_gic.nr_irqs; irq += 32)
		berth_a64_secure_write(berth_a64_gic.dist_phys + GIC_IGROUPR + irq / 8, ~0u);
}

static int start(int node)
{
	struct berth_range range;
	char __iomem *dist;
	uint32_t self;

	if (berth_a64_gic_map(node) || !berth_a64_tree_reg(node, 1, &range))
		return -ENODEV;
	interface_phys = range.base;
	interface =
		berth_a64_map_own(range.base, range.size < GICC_BYTES ? range.size : GICC_BYTES);
	dist = berth_a64_gic.dist;
	if (berth_a64_is_secure())
		open_dist();
	gic_write(dist, GICD_CTLR, 0);
	berth_a64_gic_reset(dist, GIC_FIRST_SPI, berth_a64_gic.nr_irqs);
	/* Of its own interrupts a CPU is the only target; with one CPU there are no targets. */
	self = gic_read(dist, GICD_ITARGETSR) & 0xff;
	for (unsigned int irq = GIC_FIRST_SPI; irq < berth_a64_gic.nr_irqs; irq += 4)
		gic_write(dist, GICD_ITARGETSR + irq, self * 0x01010101u);
	gic_write(dist, GICD_CTLR, GICD_CTLR_ENABLE);
	return 0;
}

static void start_cpu(void)
{
	if (berth_a64_is_secure())
		open_cpu();
	this_cpu()->irq_frame = berth_a64_gic.dist;
	berth_a64_gic_reset(berth_a64_gic.dist, 0, GIC_FIRST_SPI);
	gic_write(berth_a64_gic.dist, GIC_ISENABLER, GIC_OWN);
	gic_write(interface, GICC_BPR, 0);
	gic_write(interface, GICC_PMR, GICC_PMR_ALL);
	gic_write(interface, GICC_CTLR, GICC_CTLR_ENABLE);
}

static bool is_in_reach(unsigned int irq)
{
	return irq >= GIC_FIRST_SPI || !berth_port_slot();
}

static int unmask(unsigned int irq, bool level)
{
	return is_in_reach(irq) ? berth_a64_gic_unmask(irq, level) : -EINVAL;
}

static void mask(unsigned int irq)
{
	if (is_in_reach(irq))
		berth_a64_gic_mask(irq);
}

static void quiet(void)
{
	unsigned long flags = berth_a64_lock(&berth_a64_gic.lock);

	berth_a64_gic_quiet_spis();
	gic_write(berth_a64_gic.dist, GIC_ICENABLER, 0xffff0000u & ~(1u << GIC_TIMER));
	berth_a64_unlock(&berth_a64_gic.lock, flags);
}

static void broadcast(unsigned int sgi)
{
	gic_write(berth_a64_gic.dist, GICD_SGIR, GICD_SGIR_OTHERS | sgi);
}

static bool holds_back(void)
{
	return (gic_read(interface, GICC_RPR) & 0xff) != GICC_RPR_IDLE;
}

static void handle(void)
{
	for (;;) {
		uint32_t taken = gic_read(interface, GICC_IAR);
		unsigned int irq = taken & 0x3ff;

		if (irq >= GIC_FIRST_SPECIAL)
			return;
		dsb(sy);
		if (irq < GIC_FIRST_PPI)
			berth_a64_irq_take_sgi(irq);
		else
			berth_a64_irq_take(irq, GIC_TIMER);
		/* With the CPU that sent it, if it is an SGI. */
		gic_write(interface, GICC_EOIR, taken);
	}
}

const struct berth_a64_irqchip berth_a64_gicv2 = {
	.start = start,
	.start_cpu = start_cpu,
	.quiet = quiet,
	.unmask = unmask,
	.mask = mask,
	.broadcast = broadcast,
	.holds_back = holds_back,
	.handle = handle,
};
