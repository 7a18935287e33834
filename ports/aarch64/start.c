/* SPDX-License-Identifier: BSD-2-Clause */
/* Taking the machine and giving it back. */
#include "internal.h"

#define FDT_MAGIC 0xd00dfeedu

static const void *caller_fdt;
static bool started, is_secure;

static uint32_t be32(const void *at)
{
	return __builtin_bswap32(*(const uint32_t *)at);
}

static bool is_fdt(const void *at)
{
	return at && !((uintptr_t)at & 7) && be32(at) == FDT_MAGIC;
}

bool berth_a64_is_secure(void)
{
	return is_secure;
}

void berth_a64_secure_write(phys_addr_t phys, uint32_t value)
{
	register uint64_t x0 __asm__("x0") = phys;
	register uint64_t x1 __asm__("x1") = value;

	/* See boot.S. */
	__asm__ volatile("smc #0" ::"r"(x0), "r"(x1) : "memory");
}

/* Called by boot.S on CPU 0, with the MMU on and BSS clear. */
void berth_a64_boot(phys_addr_t hint, unsigned int boot_el)
{
	is_secure = boot_el >= 3;
	berth_a64_mmu_init_cpu();
	berth_a64_tree_find(hint);
	if (!berth_boot_tree())
		berth_port_panic("there is no device tree at the start of RAM");
	berth_a64_uart_init();
	if (!read_sysreg("cntfrq_el0"))
		berth_port_panic("CNTFRQ_EL0 is 0: nobody has said how fast the timer counts");
	berth_a64_timer_init_cpu();
	berth_a64_irq_init();
	berth_a64_smp_init();
	berth_port_irq_restore(0);
	berth_exit(main());
}

int berth_port_start(const void **fdt, const struct berth_machine *machine, const void *config)
{
	const void *tree = *fdt ? *fdt : berth_boot_tree();

	if (started)
		return -EBUSY;
	if (machine || config || !is_fdt(tree))
		return -EINVAL;
	berth_a64_irq_quiet();
	caller_fdt = *fdt;
	*fdt = tree;
	started = true;
	return 0;
}

void berth_port_stop(void)
{
	berth_port_alarm(UINT64_MAX);
	berth_a64_irq_quiet();
	/* When all CPUs have changed tables, their handlers have returned. */
	berth_a64_mmu_stop();
	berth_a64_ioremap_stop();
	caller_fdt = NULL;
	started = false;
}

static struct berth_range pages_of(uintptr_t first, uintptr_t end)
{
	struct berth_range range = { .base = first & ~(PAGE_BYTES - 1) };

	range.size = PAGE_ROUND(end) - range.base;
	return range;
}

static bool in_image(const void *at)
{
	return (uintptr_t)at >= (uintptr_t)__image_start && (uintptr_t)at < (uintptr_t)__image_end;
}

bool berth_port_reserved(unsigned int index, struct berth_range *range)
{
	const char *tree = caller_fdt;

	switch (index) {
	case 0:
		*range = pages_of((uintptr_t)__image_start, (uintptr_t)__image_end);
		return true;
	case 1:
		/* The tree of the boot loader stays, whichever is in use: the next start may want it. */
		berth_a64_tree_place(range);
		*range = pages_of(range->base, range->base + range->size);
		return true;
	case 2:
		/* It may be at address 0, to which there are no pointers. */
		*range = pages_of((uintptr_t)__ram_start, (uintptr_t)__ram_start + 1);
		return true;
	case 3:
		if (!tree || tree == berth_boot_tree() || in_image(tree))
			return false;
		*range = pages_of((uintptr_t)tree, (uintptr_t)tree + be32(tree + 4));
		return true;
	default:
		return false;
	}
}
