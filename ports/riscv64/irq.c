/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The PLIC: all interrupts have one priority and go to CPU 0. What is level and what is edge is
 * wired; an interrupt that has been claimed does not come again before it is completed.
 */
#include "internal.h"

#define PLIC_PRIORITY(irq) (4ul * (irq))
#define PLIC_ENABLE(context, irq) (0x2000 + 0x80ul * (context) + (irq) / 32 * 4)
#define PLIC_THRESHOLD(context) (0x200000 + 0x1000ul * (context))
#define PLIC_CLAIM(context) (0x200004 + 0x1000ul * (context))

/* So many in a row that nobody takes are a line that is stuck. */
#define MAX_UNHANDLED 10000u

static struct berth_rv_lock plic_lock;

static char __iomem *plic_reg(uint64_t reg)
{
	return berth_rv_board.plic + reg;
}

static bool is_enabled(unsigned int irq)
{
	return berth_port_read32(plic_reg(PLIC_ENABLE(berth_rv_board.plic_context, irq))) >>
		       irq % 32 &
	       1;
}

/* With the lock. */
static void enable(unsigned int irq, bool on)
{
	char __iomem *reg = plic_reg(PLIC_ENABLE(berth_rv_board.plic_context, irq));
	uint32_t others = berth_port_read32(reg) & ~(1u << irq % 32);

	berth_port_write32(reg, others | (uint32_t)on << irq % 32);
	/* QEMU looks for what is pending already only when something else is written. */
	berth_port_write32(plic_reg(PLIC_THRESHOLD(berth_rv_board.plic_context)), 0);
}

void berth_rv_plic_quiet(void)
{
	unsigned long flags = berth_rv_lock(&plic_lock);

	for (unsigned int irq = 0; irq <= berth_rv_board.nr_irqs; irq += 32)
		berth_port_write32(plic_reg(PLIC_ENABLE(berth_rv_board.plic_context, irq)), 0);
	berth_rv_unlock(&plic_lock, flags);
}

/* On CPU 0. */
void berth_rv_plic_init(void)
{
	if (!berth_rv_board.nr_irqs)
		return;
	berth_rv_plic_quiet();
	for (unsigned int irq = 1; irq <= berth_rv_board.nr_irqs; irq++)
		berth_port_write32(plic_reg(PLIC_PRIORITY(irq)), 1);
	berth_port_write32(plic_reg(PLIC_THRESHOLD(berth_rv_board.plic_context)), 0);
	__asm__ volatile("csrs mie, %0" ::"r"(1ul << PORT_IRQ_EXTERNAL) : "memory");
}

static int set_enabled(unsigned int irq, bool on)
{
	unsigned long flags;

	if (!irq || irq > berth_rv_board.nr_irqs)
		return -EINVAL;
	flags = berth_rv_lock(&plic_lock);
	enable(irq, on);
	berth_rv_unlock(&plic_lock, flags);
	return 0;
}

int berth_port_irq_unmask(unsigned int irq, bool level)
{
	(void)level;
	return set_enabled(irq, true);
}

void berth_port_irq_mask(unsigned int irq)
{
	set_enabled(irq, false);
}

/* The PLIC takes no notice of the end of an interrupt that is masked: its handler may have done that. */
static void complete(unsigned int irq)
{
	unsigned long flags = berth_rv_lock(&plic_lock);
	bool is_masked = !is_enabled(irq);

	if (is_masked)
		enable(irq, true);
	berth_port_write32(plic_reg(PLIC_CLAIM(berth_rv_board.plic_context)), irq);
	if (is_masked)
		enable(irq, false);
	berth_rv_unlock(&plic_lock, flags);
}

void berth_rv_plic_interrupt(void)
{
	static unsigned int unhandled;
	unsigned int irq;

	while ((irq = berth_port_read32(plic_reg(PLIC_CLAIM(berth_rv_board.plic_context))))) {
		berth_port_mb();
		if (berth_irq_handle(irq)) {
			unhandled = 0;
		} else if (++unhandled == MAX_UNHANDLED) {
			unhandled = 0;
			berth_port_irq_mask(irq);
			berth_rv_puts("berth: nobody takes interrupt ");
			berth_rv_puthex(irq);
			berth_rv_puts("; it is masked\n");
		}
		complete(irq);
	}
}
