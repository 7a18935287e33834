/* SPDX-License-Identifier: BSD-2-Clause */
/* Interrupts, whichever controller the device tree has. */
#include "internal.h"

/* So many in a row that nobody takes are a line that is stuck. */
#define MAX_UNHANDLED 10000u

static const struct {
	const char *compatible;
	const struct berth_a64_irqchip *chip;
} chips[] = {
	{ "arm,gic-v3", &berth_a64_gicv3 },
	{ "arm,gic-400", &berth_a64_gicv2 },
	{ "arm,cortex-a15-gic", &berth_a64_gicv2 },
	{ "brcm,bcm2836-l1-intc", &berth_a64_bcm2836 },
};

static const struct berth_a64_irqchip *chip;
unsigned int berth_a64_unhandled;

void berth_a64_irq_init(void)
{
	int node, entry = berth_a64_tree_match(chips, ARRAY_SIZE(chips), sizeof(chips[0]), &node);

	if (entry < 0)
		berth_port_panic("the device tree has no interrupt controller that the port knows");
	if (chips[entry].chip->start(node))
		berth_port_panic("the device tree's interrupt controller is not complete");
	chip = chips[entry].chip;
	chip->start_cpu();
}

void berth_a64_irq_init_cpu(void)
{
	chip->start_cpu();
}

void berth_a64_irq_quiet(void)
{
	chip->quiet();
}

/* Memory written before is seen by who takes it. */
void berth_a64_irq_broadcast(unsigned int sgi)
{
	dsb(ishst);
	chip->broadcast(sgi);
}

bool berth_a64_irq_holds_back(void)
{
	return chip->holds_back();
}

int berth_port_irq_unmask(unsigned int irq, bool level)
{
	return chip->unmask(irq, level);
}

void berth_port_irq_mask(unsigned int irq)
{
	chip->mask(irq);
}

/* From vectors.S, interrupts masked. */
void berth_a64_irq(void)
{
	chip->handle();
}

void berth_a64_irq_take_sgi(unsigned int sgi)
{
	if (sgi == PORT_SGI_TABLES)
		berth_a64_mmu_adopt();
}

void berth_a64_irq_unhandled(unsigned int irq)
{
	if (++berth_a64_unhandled < MAX_UNHANDLED)
		return;
	berth_a64_unhandled = 0;
	berth_port_irq_mask(irq);
	berth_a64_puts("berth: nobody takes interrupt ");
	berth_a64_puthex(irq);
	berth_a64_puts("; it is masked\n");
}
