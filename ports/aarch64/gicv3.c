/* SPDX-License-Identifier: BSD-2-Clause */
/* GICv3: a redistributor for each CPU, and system registers. One security state; all interrupts are of group 1. */
#include "gic.h"

#define GICD_CTLR_DS (1u << 6)
#define GICD_CTLR_ARE (1u << 4)
#define GICD_CTLR_GROUP1 (1u << 1)
#define GICD_IROUTER 0x6000
#define GICR_TYPER 0x0008
#define GICR_TYPER_LAST (1u << 4)
#define GICR_WAKER 0x0014
#define GICR_WAKER_SLEEP (1u << 1)
#define GICR_WAKER_ASLEEP (1u << 2)
/* Each CPU's redistributor: its registers, and those of its SGIs and PPIs. */
#define GICR_STRIDE 0x20000ul
#define GICR_SGI_FRAME 0x10000

#define ICC_PMR "s3_0_c4_c6_0"
#define ICC_RPR "s3_0_c12_c11_3"
#define ICC_RPR_IDLE 0xff
#define ICC_SGI1R "s3_0_c12_c11_5"
#define ICC_BPR1 "s3_0_c12_c12_3"
#define ICC_CTLR "s3_0_c12_c12_4"
#define ICC_SRE "s3_0_c12_c12_5"
#define ICC_IGRPEN1 "s3_0_c12_c12_7"
#define ICC_IAR1 "s3_0_c12_c12_0"
#define ICC_EOIR1 "s3_0_c12_c12_1"
#define ICC_SGI1R_OTHERS (1ull << 40)

static char __iomem *redistributors;
static unsigned int nr_redistributors;

static int start(int node)
{
	uint64_t boot_cpu = read_sysreg("mpidr_el1") & 0xff00ffffffull;
	struct berth_range range;
	char __iomem *dist;

	if (berth_a64_gic_map(node) || !berth_a64_tree_reg(node, 1, &range))
		return -ENODEV;
	nr_redistributors = (unsigned int)(range.size / GICR_STRIDE);
	if (nr_redistributors > PORT_MAX_CPUS)
		nr_redistributors = PORT_MAX_CPUS;
	redistributors = berth_a64_map_own(range.base, nr_redistributors * GICR_STRIDE);

	dist = berth_a64_gic.dist;
	/* One security state. */
	if (berth_a64_is_secure())
		berth_a64_secure_write(berth_a64_gic.dist_phys + GICD_CTLR, GICD_CTLR_DS);
	gic_write(dist, GICD_CTLR, 0);
	berth_a64_gic_settle(GIC_FIRST_SPI);
	gic_write(dist, GICD_CTLR, GICD_CTLR_ARE);
	berth_a64_gic_reset(dist, GIC_FIRST_SPI, berth_a64_gic.nr_irqs);
	for (unsigned int irq = GIC_FIRST_SPI; irq < berth_a64_gic.nr_irqs; irq += 32)
		gic_write(dist, GIC_IGROUPR + irq / 8, ~0u);
	for (unsigned int irq = GIC_FIRST_SPI; irq < berth_a64_gic.nr_irqs; irq++)
		berth_port_write64(dist + GICD_IROUTER + irq * 8, boot_cpu);
	berth_a64_gic_settle(GIC_FIRST_SPI);
	gic_write(dist, GICD_CTLR, GICD_CTLR_ARE | GICD_CTLR_GROUP1);
	berth_a64_gic_settle(GIC_FIRST_SPI);
	return 0;
}

static char __iomem *find_redistributor(void)
{
	uint64_t mpidr = read_sysreg("mpidr_el1");
	uint64_t affinity = (mpidr >> 8 & 0xff000000) | (mpidr & 0xffffff);

	for (unsigned int i = 0; i < nr_redistributors; i++) {
		char __iomem *at = redistributors + i * GICR_STRIDE;
		uint64_t typer = berth_port_read64(at + GICR_TYPER);

		if (typer >> 32 == affinity)
			return at;
		if (typer & GICR_TYPER_LAST)
			break;
	}
	berth_port_panic("this CPU has no GIC redistributor");
}

static void start_cpu(void)
{
	char __iomem *gicr = find_redistributor(), *sgi = gicr + GICR_SGI_FRAME;

	this_cpu()->gicr = gicr;
	this_cpu()->irq_frame = sgi;
	gic_write(gicr, GICR_WAKER, gic_read(gicr, GICR_WAKER) & ~GICR_WAKER_SLEEP);
	while (gic_read(gicr, GICR_WAKER) & GICR_WAKER_ASLEEP)
		berth_port_relax();
	berth_a64_gic_reset(sgi, 0, GIC_FIRST_SPI);
	gic_write(sgi, GIC_IGROUPR, ~0u);
	gic_write(sgi, GIC_ISENABLER, GIC_OWN);
	berth_a64_gic_settle(0);

	write_sysreg(ICC_SRE, read_sysreg(ICC_SRE) | 1);
	isb();
	write_sysreg(ICC_CTLR, 0);
	write_sysreg(ICC_BPR1, 0);
	write_sysreg(ICC_PMR, 0xf0);
	write_sysreg(ICC_IGRPEN1, 1);
	isb();
}

static void quiet(void)
{
	unsigned long flags = berth_a64_lock(&berth_a64_gic.lock);

	berth_a64_gic_quiet_spis();
	for (unsigned int i = 0; i < BERTH_PORT_MAX_SLOTS; i++)
		if (berth_a64_cpus[i].gicr)
			gic_write(berth_a64_cpus[i].irq_frame, GIC_ICENABLER,
				  0xffff0000u & ~(1u << GIC_TIMER));
	berth_a64_unlock(&berth_a64_gic.lock, flags);
}

static void broadcast(unsigned int sgi)
{
	write_sysreg(ICC_SGI1R, ICC_SGI1R_OTHERS | (uint64_t)sgi << 24);
	isb();
}

/* An interrupt that was taken holds back all others of its priority, until its end. */
static bool holds_back(void)
{
	return read_sysreg(ICC_RPR) != ICC_RPR_IDLE;
}

static void handle(void)
{
	for (;;) {
		unsigned int irq = (unsigned int)read_sysreg(ICC_IAR1) & 0xffffff;

		if (irq >= GIC_FIRST_SPECIAL)
			return;
		dsb(sy);
		if (irq < GIC_FIRST_PPI)
			berth_a64_irq_take_sgi(irq);
		else
			berth_a64_irq_take(irq, GIC_TIMER);
		write_sysreg(ICC_EOIR1, irq);
		isb();
	}
}

const struct berth_a64_irqchip berth_a64_gicv3 = {
	.start = start,
	.start_cpu = start_cpu,
	.quiet = quiet,
	.unmask = berth_a64_gic_unmask,
	.mask = berth_a64_gic_mask,
	.broadcast = broadcast,
	.holds_back = holds_back,
	.handle = handle,
};
