/* SPDX-License-Identifier: BSD-2-Clause */
/* Taking the machine and giving it back. */
#include "internal.h"

#define FDT_MAGIC 0xd00dfeedu

static const void *boot_fdt;
static const void *caller_fdt;
static struct berth_error error;
static bool started;

static uint32_t be32(const void *at)
{
	return __builtin_bswap32(*(const uint32_t *)at);
}

static bool is_fdt(const void *at)
{
	return at && !((uintptr_t)at & 7) && be32(at) == FDT_MAGIC;
}

/* Called by boot.S, with the MMU on and BSS clear. @fdt: what the boot loader said, a physical address. */
void berth_arm_boot(const void *fdt)
{
	const void *ram = to_virt(0), *told = to_virt((uintptr_t)fdt);

	/* QEMU says where the tree is only to a Linux image; for an ELF it is at the start of RAM. */
	if (is_fdt(ram))
		boot_fdt = ram;
	else if (fdt && (uintptr_t)fdt < PORT_BOOT_MIB * MIB && is_fdt(told))
		boot_fdt = told;
	berth_arm_mmu_init();
	berth_arm_cache_init();
	berth_arm_gic_init();
	berth_arm_timer_init();
	__asm__ volatile("cpsie ia" ::: "memory");
	berth_exit(main());
}

const void *berth_boot_tree(void)
{
	return boot_fdt;
}

int berth_port_start(const void **fdt, const struct berth_machine *machine, const void *config)
{
	const void *tree = *fdt ? *fdt : boot_fdt;

	if (started)
		return -EBUSY;
	if (machine || config || !is_fdt(tree))
		return -EINVAL;
	berth_arm_cache_init();
	berth_arm_gic_quiet();
	caller_fdt = *fdt;
	*fdt = tree;
	started = true;
	return 0;
}

void berth_port_stop(void)
{
	berth_port_alarm(NEVER);
	berth_arm_gic_quiet();
	berth_arm_mmu_stop();
	berth_arm_ioremap_stop();
	caller_fdt = NULL;
	started = false;
}

static struct berth_range pages_of(phys_addr_t first, phys_addr_t end)
{
	struct berth_range range = { .base = first & ~(phys_addr_t)(PAGE_BYTES - 1) };

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

	if (index == 0) {
		*range = pages_of(to_phys(__image_start), to_phys(__image_end));
		return true;
	}
	/* Physical 0 is RAM, and no page: where pages are given, 0 says that there is none. */
	if (index == 1) {
		*range = pages_of(0, 1);
		return true;
	}
	index -= 2;
	for (unsigned int i = 0; i < ARRAY_SIZE(trees); i++) {
		const char *tree = trees[i];

		if (!tree || in_image(tree) || (i && tree == boot_fdt) || index--)
			continue;
		*range = pages_of(to_phys(tree), to_phys(tree) + be32(tree + 4));
		return true;
	}
	return false;
}

unsigned int berth_port_slots_in_use(void)
{
	return 1;
}

struct berth_error *berth_port_error(void)
{
	return &error;
}
