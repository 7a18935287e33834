/* SPDX-License-Identifier: BSD-2-Clause */
/* Interrupts through the board's controller: edges, levels, and those of one CPU. */
#include <berth/aarch64.h>

#include "aarch64.h"

#define GICD_ISPENDR 0x200
#define GICD_ICFGR 0xc00

static char __iomem *gicd;
static char __iomem *device;
static const struct aarch64_source *source;

static bool is_edge(unsigned int irq)
{
	return berth_port_read32(gicd + GICD_ICFGR + irq / 16 * 4) >> (irq % 16 * 2) & 2;
}

static void pend(unsigned int irq)
{
	berth_port_write32(gicd + GICD_ISPENDR + irq / 32 * 4, 1u << irq % 32);
}

static bool irq_comes(uint32_t before)
{
	uint64_t deadline = berth_port_now() + 1000000000;
	int ret = 0;

	while (!ret && __atomic_load_n(&conformance_irq.count, __ATOMIC_SEQ_CST) == before)
		ret = berth_port_wait(&conformance_irq.count, before, deadline);
	return !ret;
}

static void test_edge(void)
{
	unsigned int irq = aarch64_board->free_irq;
	unsigned long flags;

	if (!aarch64_board->gicd) {
		CHECK_EQUAL(-berth_port_irq_unmask(aarch64_board->level.irq, false), EINVAL);
		conformance_skip("this controller knows levels only");
		return;
	}
	gicd = berth_port_ioremap(aarch64_board->gicd, 0x10000);
	conformance_irq.irq = irq;
	conformance_irq.count = 0;
	CHECK_EQUAL(berth_port_irq_unmask(irq, false), 0);
	for (uint32_t i = 0; i < 100; i++) {
		pend(irq);
		if (!CHECK(irq_comes(i)))
			break;
	}
	/* Held back, and then let through. */
	flags = berth_port_irq_save();
	pend(irq);
	berth_port_delay(1000000);
	CHECK_EQUAL(conformance_irq.count, 100);
	berth_port_irq_restore(flags);
	CHECK(irq_comes(100));
	berth_port_irq_mask(irq);
	pend(irq);
	berth_port_delay(1000000);
	CHECK_EQUAL(conformance_irq.count, 101);
	CHECK_EQUAL(berth_port_irq_unmask(irq, false), 0);
	CHECK(irq_comes(101));
	berth_port_irq_mask(irq);
	CHECK_EQUAL(conformance_irq.count, 102);
	CHECK(is_edge(irq) && !is_edge(irq - 1) && !is_edge(irq + 1));
	CHECK_EQUAL(berth_port_irq_unmask(irq, true), 0);
	CHECK(!is_edge(irq));
	berth_port_irq_mask(irq);
	berth_port_iounmap(gicd);
}

static void calm(void)
{
	source->calm(device);
}

/* A line that stays up until the device is told. */
static void check_level(const struct aarch64_source *which)
{
	source = which;
	conformance_irq.irq = which->irq;
	conformance_irq.count = 0;
	conformance_irq.acknowledge = calm;
	for (uint32_t i = 0; i < 10; i++) {
		CHECK_EQUAL(berth_port_irq_unmask(which->irq, true), 0);
		which->raise(device);
		if (!CHECK(irq_comes(2 * i)))
			break;
		berth_port_delay(1000000);
		CHECK_EQUAL(conformance_irq.count, 2 * i + 1);
		/* Up while it is masked: it comes when it is not. */
		berth_port_irq_mask(which->irq);
		which->raise(device);
		berth_port_delay(1000000);
		CHECK_EQUAL(conformance_irq.count, 2 * i + 1);
		CHECK_EQUAL(berth_port_irq_unmask(which->irq, true), 0);
		if (!CHECK(irq_comes(2 * i + 1)))
			break;
		berth_port_irq_mask(which->irq);
	}
	calm();
	berth_port_irq_mask(which->irq);
	conformance_irq.acknowledge = NULL;
}

static void test_level(void)
{
	device = berth_port_ioremap(aarch64_board->device, 0x1000);
	check_level(&aarch64_board->level);
	berth_port_iounmap(device);
}

static void test_timer(void)
{
	check_level(&aarch64_board->timer);
}

static void test_refused(void)
{
	for (unsigned int i = 0; i < ARRAY_SIZE(aarch64_board->refused); i++) {
		CHECK_EQUAL(-berth_port_irq_unmask(aarch64_board->refused[i], true), EINVAL);
		/* To no effect: time goes on. */
		berth_port_irq_mask(aarch64_board->refused[i]);
	}
	berth_port_delay(1000000);
}

const struct conformance_test aarch64_irqs[NR_AARCH64_IRQS] = {
	{ "aarch64: an edge triggered interrupt", test_edge },
	{ "aarch64: a level triggered interrupt", test_level },
	{ "aarch64: an interrupt of one CPU", test_timer },
	{ "aarch64: the port's own interrupts, and those that are no device's, are refused",
	  test_refused },
};
