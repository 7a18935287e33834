/* SPDX-License-Identifier: BSD-2-Clause */
/* The Cortex-A9's GIC, of version 1: all interrupts are of one priority. */
#include "internal.h"

#define GICD_CTLR 0x000
#define GICD_TYPER 0x004
#define GICD_ISENABLER 0x100
#define GICD_ICENABLER 0x180
#define GICD_ICPENDR 0x280
#define GICD_IPRIORITYR 0x400
#define GICD_ITARGETSR 0x800
#define GICD_ICFGR 0xc00
#define GICC_CTLR 0x00
#define GICC_PMR 0x04
#define GICC_BPR 0x08
#define GICC_IAR 0x0c
#define GICC_EOIR 0x10
#define GICC_RPR 0x14

#define FIRST_PPI 16u
#define FIRST_SPI 32u
#define FIRST_SPECIAL 1020u
#define NUMBER 0x3ffu
#define IDLE 0xff
#define PRIORITY 0xa0a0a0a0u
#define CPU0 0x01010101u
/* So many in a row that nobody takes are a line that is stuck. */
#define MAX_UNHANDLED 10000u

static unsigned int nr_irqs;

static void set_bit(unsigned int irq, uintptr_t reg)
{
	write_reg(PORT_GICD, reg + irq / 32 * 4, 1u << irq % 32);
}

/* Mask and forget all interrupts but the port's own. */
void berth_arm_gic_quiet(void)
{
	for (unsigned int irq = 0; irq < nr_irqs; irq += 32) {
		uint32_t own = irq ? 0 : 1u << PORT_TIMER_IRQ;

		write_reg(PORT_GICD, GICD_ICENABLER + irq / 8, ~own);
		write_reg(PORT_GICD, GICD_ICPENDR + irq / 8, ~own);
	}
	dsb();
}

void berth_arm_gic_init(void)
{
	nr_irqs = ((read_reg(PORT_GICD, GICD_TYPER) & 0x1f) + 1) * 32;
	if (nr_irqs > FIRST_SPECIAL)
		nr_irqs = FIRST_SPECIAL;
	write_reg(PORT_GICD, GICD_CTLR, 0);
	berth_arm_gic_quiet();
	for (unsigned int irq = 0; irq < nr_irqs; irq += 4) {
		write_reg(PORT_GICD, GICD_IPRIORITYR + irq, PRIORITY);
		if (irq >= FIRST_SPI)
			write_reg(PORT_GICD, GICD_ITARGETSR + irq, CPU0);
	}
	set_bit(PORT_TIMER_IRQ, GICD_ISENABLER);
	write_reg(PORT_GICD, GICD_CTLR, 1);
	write_reg(PORT_GICC, GICC_BPR, 0);
	write_reg(PORT_GICC, GICC_PMR, 0xf0);
	write_reg(PORT_GICC, GICC_CTLR, 1);
	dsb();
}

bool berth_arm_gic_is_busy(void)
{
	return (read_reg(PORT_GICC, GICC_RPR) & 0xff) != IDLE;
}

static bool is_for_others(unsigned int irq)
{
	return irq >= FIRST_PPI && irq < nr_irqs && irq != PORT_TIMER_IRQ;
}

int berth_port_irq_unmask(unsigned int irq, bool level)
{
	uintptr_t reg = GICD_ICFGR + irq / 16 * 4;
	uint32_t edge = 2u << irq % 16 * 2, config;
	unsigned long flags;

	if (!is_for_others(irq))
		return -EINVAL;
	flags = berth_port_irq_save();
	/* The trigger may change only while the interrupt is disabled. */
	config = read_reg(PORT_GICD, reg);
	if (!(config & edge) != level) {
		set_bit(irq, GICD_ICENABLER);
		write_reg(PORT_GICD, reg, config ^ edge);
	}
	set_bit(irq, GICD_ISENABLER);
	berth_port_irq_restore(flags);
	return 0;
}

void berth_port_irq_mask(unsigned int irq)
{
	if (!is_for_others(irq))
		return;
	set_bit(irq, GICD_ICENABLER);
	/* It has arrived when the distributor answers. */
	read_reg(PORT_GICD, GICD_CTLR);
	dsb();
}

static void dispatch(unsigned int irq)
{
	static unsigned int unhandled;

	if (irq == PORT_TIMER_IRQ) {
		berth_arm_timer_interrupt();
	} else if (irq >= FIRST_PPI) {
		if (berth_irq_handle(irq)) {
			unhandled = 0;
		} else if (++unhandled == MAX_UNHANDLED) {
			unhandled = 0;
			berth_port_irq_mask(irq);
			berth_arm_puts("berth: nobody takes interrupt ");
			berth_arm_puthex(irq);
			berth_arm_puts("; it is masked\n");
		}
	}
}

/* From vectors.S, interrupts masked. */
void berth_arm_irq(void)
{
	for (;;) {
		uint32_t ack = read_reg(PORT_GICC, GICC_IAR);

		if ((ack & NUMBER) >= FIRST_SPECIAL)
			return;
		dispatch(ack & NUMBER);
		/* What the handler told its device comes first. */
		dsb();
		write_reg(PORT_GICC, GICC_EOIR, ack);
	}
}
