/* SPDX-License-Identifier: BSD-2-Clause */
/* Taking the machine and giving it back. */
#include "internal.h"

#define FDT_MAGIC 0xd00dfeedu

static const void *boot_fdt;
static const void *caller_fdt;
static bool started;

static uint32_t be32(const void *at)
{
	return __builtin_bswap32(*(const uint32_t *)at);
}

static bool is_fdt(const void *at)
{
	return at && !((uintptr_t)at & 7) && be32(at) == FDT_MAGIC;
}

/* Called by boot.S on CPU 0, with the MMU on and BSS clear. */
void berth_a64_boot(const void *fdt, unsigned int boot_el)
{
	const void *ram = (const void *)BOARD_RAM;

	/* QEMU says where the tree is only to a Linux image; for an ELF it is at the start of RAM. */
	boot_fdt = is_fdt(ram) ? ram : is_fdt(fdt) ? fdt : NULL;
	berth_a64_mmu_init_cpu();
	berth_a64_timer_init_cpu();
	berth_a64_gic_init();
	berth_a64_gic_init_cpu();
	berth_a64_smp_init(boot_el);
	berth_port_irq_restore(0);
	berth_exit(main());
}

int berth_port_start(const void **fdt, const struct berth_machine *machine, const void *config)
{
	const void *tree = *fdt ? *fdt : boot_fdt;

	if (started)
		return -EBUSY;
	if (machine || config || !is_fdt(tree))
		return -EINVAL;
	berth_a64_gic_quiet();
	caller_fdt = *fdt;
	*fdt = tree;
	started = true;
	return 0;
}

void berth_port_stop(void)
{
	berth_port_alarm(UINT64_MAX);
	berth_a64_gic_quiet();
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
	/* The tree of the boot loader stays, whichever is in use: the next start may want it. */
	const void *trees[] = { boot_fdt, caller_fdt };

	if (index-- == 0) {
		*range = pages_of((uintptr_t)__image_start, (uintptr_t)__image_end);
		return true;
	}
	for (unsigned int i = 0; i < ARRAY_SIZE(trees); i++) {
		const char *tree = trees[i];

		if (!tree || in_image(tree) || (i && tree == boot_fdt) || index--)
			continue;
		*range = pages_of((uintptr_t)tree, (uintptr_t)tree + be32(tree + 4));
		return true;
	}
	return false;
}
