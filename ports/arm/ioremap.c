/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Registers: pages of static tables, so that ioremap() takes no memory. Between any two mappings is
 * a hole, which ends them and catches who runs over. RAM outside the linear map can be had like registers.
 */
#include "internal.h"

#define NR_PAGES ((PORT_IO_MIB - 1) * 256u)
#define PLAIN ((uint32_t)(PTE_PAGE | PTE_AP | PTE_XN))

/* The first entry of @nr with a hole in front and behind; 0 if there is none. */
static uint32_t find_room(uint32_t nr)
{
	uint32_t run = 0;

	for (uint32_t i = 0; i < NR_PAGES; i++) {
		run = berth_arm_io_l2[i] ? 0 : run + 1;
		if (run == nr + 2)
			return i - nr;
	}
	return 0;
}

static void __iomem *ioremap_as(phys_addr_t phys, uint64_t size, uint32_t attr)
{
	phys_addr_t first = phys & ~(phys_addr_t)(PAGE_BYTES - 1);
	uint32_t nr, at = 0;
	unsigned long flags;
	uintptr_t virt;
	bool is_ram;

	if (!size || phys > UINT32_MAX || size - 1 > UINT32_MAX - phys ||
	    size > NR_PAGES * PAGE_BYTES)
		return NULL;
	nr = (uint32_t)(PAGE_ROUND(phys + size) - first) / PAGE_BYTES;
	flags = berth_port_irq_save();
	is_ram = berth_arm_is_ram(phys, size);
	if (!is_ram || berth_arm_is_spare(phys, size))
		at = find_room(nr);
	for (uint32_t i = 0; at && i < nr; i++)
		berth_arm_io_l2[at + i] = ((uint32_t)first + i * PAGE_BYTES) | PLAIN | attr;
	berth_arm_written();
	berth_port_irq_restore(flags);
	if (!at)
		return NULL;
	virt = PORT_IO_BASE + at * PAGE_BYTES;
	/* What the map at boot has left. */
	if (is_ram)
		berth_arm_flush(virt, first, (uint64_t)nr * PAGE_BYTES);
	return (void __iomem *)(virt + (uintptr_t)(phys - first));
}

void __iomem *berth_port_ioremap(phys_addr_t phys, uint64_t size)
{
	return ioremap_as(phys, size, PTE_ATTR_DEVICE);
}

void __iomem *berth_port_ioremap_wc(phys_addr_t phys, uint64_t size)
{
	return ioremap_as(phys, size, PTE_ATTR_UNCACHED);
}

void berth_port_iounmap(void __iomem *cookie)
{
	uintptr_t first = ((uintptr_t)cookie - PORT_IO_BASE) / PAGE_BYTES, nr = 0;
	unsigned long flags = berth_port_irq_save();

	while (first + nr < NR_PAGES && berth_arm_io_l2[first + nr])
		berth_arm_io_l2[first + nr++] = 0;
	berth_arm_forget(PORT_IO_BASE + first * PAGE_BYTES, nr * PAGE_BYTES);
	berth_port_irq_restore(flags);
}

void berth_arm_ioremap_stop(void)
{
	memset(berth_arm_io_l2, 0, NR_PAGES * sizeof(*berth_arm_io_l2));
	berth_arm_forget_all();
}
