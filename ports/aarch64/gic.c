/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * GICv3 without security states: all interrupts are group 1, of one priority. Shared peripheral
 * interrupts go to CPU 0.
 */
#include "internal.h"

#define GICD_CTLR 0x0000
#define GICD_CTLR_RWP (1u << 31)
#define GICD_CTLR_ARE (1u << 4)
#define GICD_CTLR_GROUP1 (1u << 1)
#define GICD_TYPER 0x0004
#define GICD_IROUTER 0x6000
#define GICR_CTLR_RWP (1u << 3)
#define GICR_TYPER 0x0008
#define GICR_WAKER 0x0014
#define GICR_WAKER_SLEEP (1u << 1)
#define GICR_WAKER_ASLEEP (1u << 2)
#define GICR_SGI_FRAME 0x10000
/* In the distributor for SPIs, in the frame of a redistributor for SGIs and PPIs. */
#define IGROUPR 0x0080
#define ISENABLER 0x0100
#define ICENABLER 0x0180
#define ICPENDR 0x0280
#define ICACTIVER 0x0380
#define IPRIORITYR 0x0400
#define ICFGR 0x0c00

#define ICC_PMR "s3_0_c4_c6_0"
#define ICC_SGI1R "s3_0_c12_c11_5"
#define ICC_BPR1 "s3_0_c12_c12_3"
#define ICC_CTLR "s3_0_c12_c12_4"
#define ICC_SRE "s3_0_c12_c12_5"
#define ICC_IGRPEN1 "s3_0_c12_c12_7"
#define ICC_IAR1 "s3_0_c12_c12_0"
#define ICC_EOIR1 "s3_0_c12_c12_1"
#define ICC_SGI1R_OTHERS (1ull << 40)

#define FIRST_SPI 32u
#define FIRST_SPECIAL 1020u
#define PRIORITY 0xa0a0a0a0u
/* So many in a row that nobody takes are a line that is stuck. */
#define MAX_UNHANDLED 10000u

static unsigned int nr_irqs;
static struct berth_a64_lock gic_lock;

static uint32_t read_reg(uintptr_t base, uintptr_t reg)
{
	return berth_port_read32((const volatile void __iomem *)(base + reg));
}

static void write_reg(uintptr_t base, uintptr_t reg, uint32_t value)
{
	berth_port_write32((volatile void __iomem *)(base + reg), value);
}

/* The registers of an interrupt are in the caller's redistributor or in the distributor. */
static uintptr_t frame_of(unsigned int irq)
{
	return irq < FIRST_SPI ? this_cpu()->gicr + GICR_SGI_FRAME : BOARD_GICD;
}

static void wait_for_writes(unsigned int irq)
{
	if (irq < FIRST_SPI)
		while (read_reg(this_cpu()->gicr, 0) & GICR_CTLR_RWP)
			berth_port_relax();
	else
		while (read_reg(BOARD_GICD, GICD_CTLR) & GICD_CTLR_RWP)
			berth_port_relax();
}

static void set_bit(unsigned int irq, uintptr_t reg)
{
	write_reg(frame_of(irq), reg + irq / 32 * 4, 1u << irq % 32);
}

void berth_a64_gic_init(void)
{
	uint64_t boot_cpu = read_sysreg("mpidr_el1") & 0xff00ffffffull;

	nr_irqs = ((read_reg(BOARD_GICD, GICD_TYPER) & 0x1f) + 1) * 32;
	if (nr_irqs > FIRST_SPECIAL)
		nr_irqs = FIRST_SPECIAL;
	write_reg(BOARD_GICD, GICD_CTLR, 0);
	wait_for_writes(FIRST_SPI);
	write_reg(BOARD_GICD, GICD_CTLR, GICD_CTLR_ARE);
	for (unsigned int irq = FIRST_SPI; irq < nr_irqs; irq += 32) {
		write_reg(BOARD_GICD, IGROUPR + irq / 8, ~0u);
		write_reg(BOARD_GICD, ICENABLER + irq / 8, ~0u);
		write_reg(BOARD_GICD, ICPENDR + irq / 8, ~0u);
		write_reg(BOARD_GICD, ICACTIVER + irq / 8, ~0u);
	}
	for (unsigned int irq = FIRST_SPI; irq < nr_irqs; irq++) {
		if (irq % 4 == 0)
			write_reg(BOARD_GICD, IPRIORITYR + irq, PRIORITY);
		berth_port_write64((void __iomem *)(BOARD_GICD + GICD_IROUTER + irq * 8ul),
				   boot_cpu);
	}
	wait_for_writes(FIRST_SPI);
	write_reg(BOARD_GICD, GICD_CTLR, GICD_CTLR_ARE | GICD_CTLR_GROUP1);
	wait_for_writes(FIRST_SPI);
}

static uintptr_t find_redistributor(void)
{
	uint64_t mpidr = read_sysreg("mpidr_el1");
	uint64_t affinity = (mpidr >> 8 & 0xff000000) | (mpidr & 0xffffff);

	for (unsigned int i = 0; i < BOARD_MAX_CPUS; i++) {
		uintptr_t at = BOARD_GICR + (uintptr_t)i * BOARD_GICR_STRIDE;
		uint64_t typer = berth_port_read64((const void __iomem *)(at + GICR_TYPER));

		if (typer >> 32 == affinity)
			return at;
		if (typer & 1 << 4)
			break;
	}
	berth_port_panic("this CPU has no GIC redistributor");
}

void berth_a64_gic_init_cpu(void)
{
	uintptr_t gicr = find_redistributor(), sgi = gicr + GICR_SGI_FRAME;

	this_cpu()->gicr = gicr;
	write_reg(gicr, GICR_WAKER, read_reg(gicr, GICR_WAKER) & ~GICR_WAKER_SLEEP);
	while (read_reg(gicr, GICR_WAKER) & GICR_WAKER_ASLEEP)
		berth_port_relax();
	write_reg(sgi, IGROUPR, ~0u);
	write_reg(sgi, ICENABLER, ~0u);
	write_reg(sgi, ICPENDR, ~0u);
	write_reg(sgi, ICACTIVER, ~0u);
	for (uintptr_t irq = 0; irq < FIRST_SPI; irq += 4)
		write_reg(sgi, IPRIORITYR + irq, PRIORITY);
	write_reg(sgi, ISENABLER,
		  1u << PORT_SGI_WAKE | 1u << PORT_SGI_TABLES | 1u << PORT_TIMER_IRQ);
	wait_for_writes(0);

	write_sysreg(ICC_SRE, read_sysreg(ICC_SRE) | 1);
	isb();
	write_sysreg(ICC_CTLR, 0);
	write_sysreg(ICC_BPR1, 0);
	write_sysreg(ICC_PMR, 0xf0);
	write_sysreg(ICC_IGRPEN1, 1);
	isb();
}

/* Mask and forget all interrupts but those that the port itself lives on. */
void berth_a64_gic_quiet(void)
{
	unsigned long flags = berth_a64_lock(&gic_lock);

	for (unsigned int irq = FIRST_SPI; irq < nr_irqs; irq += 32) {
		write_reg(BOARD_GICD, ICENABLER + irq / 8, ~0u);
		write_reg(BOARD_GICD, ICPENDR + irq / 8, ~0u);
	}
	wait_for_writes(FIRST_SPI);
	for (unsigned int i = 0; i < BERTH_PORT_MAX_SLOTS; i++)
		if (berth_a64_cpus[i].gicr)
			write_reg(berth_a64_cpus[i].gicr + GICR_SGI_FRAME, ICENABLER,
				  0xffff0000u & ~(1u << PORT_TIMER_IRQ));
	berth_a64_unlock(&gic_lock, flags);
}

static bool is_for_others(unsigned int irq)
{
	return irq >= 16 && irq < nr_irqs && irq != PORT_TIMER_IRQ;
}

int berth_port_irq_unmask(unsigned int irq, bool level)
{
	uintptr_t reg = ICFGR + irq / 16 * 4;
	uint32_t edge = 2u << irq % 16 * 2, config;
	unsigned long flags;

	if (!is_for_others(irq))
		return -EINVAL;
	flags = berth_a64_lock(&gic_lock);
	/* The trigger may change only while the interrupt is disabled. */
	config = read_reg(frame_of(irq), reg);
	if (!(config & edge) != level) {
		set_bit(irq, ICENABLER);
		wait_for_writes(irq);
		write_reg(frame_of(irq), reg, config ^ edge);
	}
	set_bit(irq, ISENABLER);
	berth_a64_unlock(&gic_lock, flags);
	return 0;
}

void berth_port_irq_mask(unsigned int irq)
{
	unsigned long flags;

	if (!is_for_others(irq))
		return;
	flags = berth_a64_lock(&gic_lock);
	set_bit(irq, ICENABLER);
	wait_for_writes(irq);
	berth_a64_unlock(&gic_lock, flags);
}

/* To all CPUs but this one; memory written before is seen by who takes it. */
void berth_a64_gic_broadcast(unsigned int sgi)
{
	dsb(ishst);
	write_sysreg(ICC_SGI1R, ICC_SGI1R_OTHERS | (uint64_t)sgi << 24);
	isb();
}

static void dispatch(unsigned int irq)
{
	static unsigned int unhandled;

	if (irq == PORT_TIMER_IRQ) {
		berth_a64_timer_interrupt();
	} else if (irq == PORT_SGI_TABLES) {
		berth_a64_mmu_adopt();
	} else if (irq >= 16) {
		if (berth_irq_handle(irq)) {
			unhandled = 0;
		} else if (++unhandled == MAX_UNHANDLED) {
			unhandled = 0;
			berth_port_irq_mask(irq);
			berth_a64_puts("berth: nobody takes interrupt ");
			berth_a64_puthex(irq);
			berth_a64_puts("; it is masked\n");
		}
	}
}

/* From vectors.S, interrupts masked. */
void berth_a64_irq(void)
{
	for (;;) {
		unsigned int irq = (unsigned int)read_sysreg(ICC_IAR1) & 0xffffff;

		if (irq >= FIRST_SPECIAL)
			return;
		dsb(sy);
		dispatch(irq);
		write_sysreg(ICC_EOIR1, irq);
		isb();
	}
}
