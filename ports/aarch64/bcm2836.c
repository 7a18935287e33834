/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * BCM2836 and BCM2837: a local controller, with timers and mailboxes of each core, and behind it ARMCTRL
 * with three banks of devices' interrupts. All are levels, there are no priorities, and the devices'
 * go to CPU 0. Interrupt n of the local controller is number n, n of bank b is 32 + 32 * b + n.
 */
#include "internal.h"

/* Of the local controller; a register per core. */
#define GPU_ROUTING 0x0c
#define TIMER_CONTROL(core) (0x40u + 4 * (core))
#define MAILBOX_CONTROL(core) (0x50u + 4 * (core))
#define SOURCE(core) (0x60u + 4 * (core))
#define MAILBOX_SET(core) (0x80u + 16 * (core))
#define MAILBOX_CLEAR(core) (0xc0u + 16 * (core))
#define MAX_CORES 4u
#define LOCAL_TIMER 3u
#define NR_LOCAL_TIMERS 4u
#define LOCAL_MAILBOX 4u
#define LOCAL_GPU 8u

/* Of ARMCTRL: the basic bank is bank 0. */
#define NR_BANKS 3u
#define FIRST_OF_BANKS 32u
static const unsigned int pending_reg[] = { 0x00, 0x04, 0x08 };
static const unsigned int enable_reg[] = { 0x18, 0x10, 0x14 };
static const unsigned int disable_reg[] = { 0x24, 0x1c, 0x20 };
/* The rest of bank 0's pending bits say what is in the other banks. */
static const uint32_t bank_mask[] = { 0xff, ~0u, ~0u };

static char __iomem *local;
static char __iomem *banks;
static uint32_t enabled[NR_BANKS];
static struct berth_a64_lock lock;

static const struct {
	const char *compatible;
} bank_nodes[] = { { "brcm,bcm2836-armctrl-ic" } };

static unsigned int core(void)
{
	return (unsigned int)read_sysreg("mpidr_el1") & (MAX_CORES - 1);
}

/* With the lock, or before there is anybody else. */
static void quiet_banks(void)
{
	for (unsigned int bank = 0; bank < NR_BANKS; bank++) {
		berth_port_write32(banks + disable_reg[bank], ~0u);
		enabled[bank] = 0;
	}
}

static int start(int node)
{
	struct berth_range range;

	if (!berth_a64_tree_reg(node, 0, &range))
		return -ENODEV;
	local = berth_a64_map_own(range.base, range.size);
	if (berth_a64_tree_match(bank_nodes, 1, sizeof(bank_nodes[0]), &node) < 0 ||
	    !berth_a64_tree_reg(node, 0, &range))
		return -ENODEV;
	banks = berth_a64_map_own(range.base, range.size);
	quiet_banks();
	berth_port_write32(local + GPU_ROUTING, core());
	return 0;
}

static void start_cpu(void)
{
	berth_port_write32(local + MAILBOX_CLEAR(core()), ~0u);
	berth_port_write32(local + MAILBOX_CONTROL(core()), 1);
	berth_port_write32(local + TIMER_CONTROL(core()), 1u << LOCAL_TIMER);
}

static void quiet(void)
{
	unsigned long flags = berth_a64_lock(&lock);

	quiet_banks();
	for (unsigned int i = 0; i < MAX_CORES; i++)
		berth_port_write32(local + TIMER_CONTROL(i),
				   berth_port_read32(local + TIMER_CONTROL(i)) & 1u << LOCAL_TIMER);
	berth_a64_unlock(&lock, flags);
}

static void switch_timer(unsigned int timer, bool on)
{
	char __iomem *control = local + TIMER_CONTROL(core());
	uint32_t value = berth_port_read32(control) & ~(1u << timer);

	berth_port_write32(control, on ? value | 1u << timer : value);
}

static void switch_bank(unsigned int irq, bool on)
{
	unsigned int bank = (irq - FIRST_OF_BANKS) / 32;
	uint32_t bit = 1u << irq % 32;

	enabled[bank] = on ? enabled[bank] | bit : enabled[bank] & ~bit;
	berth_port_write32(banks + (on ? enable_reg : disable_reg)[bank], bit);
}

/* The timers' interrupts are the calling core's own. */
static int switch_irq(unsigned int irq, bool on)
{
	unsigned long flags;
	int ret = 0;

	flags = berth_a64_lock(&lock);
	if (irq < NR_LOCAL_TIMERS && irq != LOCAL_TIMER)
		switch_timer(irq, on);
	else if (irq >= FIRST_OF_BANKS && irq < FIRST_OF_BANKS + 32 * NR_BANKS &&
		 bank_mask[(irq - FIRST_OF_BANKS) / 32] & 1u << irq % 32)
		switch_bank(irq, on);
	else
		ret = -EINVAL;
	berth_a64_unlock(&lock, flags);
	return ret;
}

static int unmask(unsigned int irq, bool level)
{
	return level ? switch_irq(irq, true) : -EINVAL;
}

static void mask(unsigned int irq)
{
	switch_irq(irq, false);
}

static void broadcast(unsigned int sgi)
{
	uint32_t others = berth_a64_cpus_online() & ~(1u << berth_port_slot());

	for (unsigned int slot = 0; slot < MAX_CORES; slot++)
		if (others & 1u << slot)
			berth_port_write32(local + MAILBOX_SET(berth_a64_cpu_ids[slot] &
							       (MAX_CORES - 1)),
					   1u << sgi);
	dsb(sy);
}

static bool holds_back(void)
{
	return false;
}

static void take_mailbox(void)
{
	char __iomem *mailbox = local + MAILBOX_CLEAR(core());
	uint32_t sgis = berth_port_read32(mailbox);

	berth_port_write32(mailbox, sgis);
	dsb(sy);
	for (; sgis; sgis &= sgis - 1)
		berth_a64_irq_take_sgi((unsigned int)__builtin_ctz(sgis));
}

static void take_banks(void)
{
	for (unsigned int bank = 0; bank < NR_BANKS; bank++) {
		uint32_t pending = berth_port_read32(banks + pending_reg[bank]) & bank_mask[bank] &
				   __atomic_load_n(&enabled[bank], __ATOMIC_RELAXED);

		for (; pending; pending &= pending - 1)
			berth_a64_irq_take(FIRST_OF_BANKS + 32 * bank +
						   (unsigned int)__builtin_ctz(pending),
					   LOCAL_TIMER);
	}
}

static void handle(void)
{
	uint32_t source;

	while ((source = berth_port_read32(local + SOURCE(core())))) {
		uint32_t timers = source & ((1u << NR_LOCAL_TIMERS) - 1);

		dsb(sy);
		for (; timers; timers &= timers - 1)
			berth_a64_irq_take((unsigned int)__builtin_ctz(timers), LOCAL_TIMER);
		if (source & 1u << LOCAL_MAILBOX)
			take_mailbox();
		if (source & 1u << LOCAL_GPU)
			take_banks();
	}
}

const struct berth_a64_irqchip berth_a64_bcm2836 = {
	.start = start,
	.start_cpu = start_cpu,
	.quiet = quiet,
	.unmask = unmask,
	.mask = mask,
	.broadcast = broadcast,
	.holds_back = holds_back,
	.handle = handle,
};
