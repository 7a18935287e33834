/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * No translation: an address is an address, and what it is (RAM that is cached, registers that are
 * not) is wired. So nothing can be mapped in another way, and devices see the caches.
 */
#include "internal.h"

/* Where no cache says anything else: the FU540's, and what QEMU's tree says of its own. */
#define LINE_SIZE 64u

/* cbo.*, which assemblers do not all know: an address in a0. */
#define CBO_INVAL ".4byte 0x0005200f"
#define CBO_CLEAN ".4byte 0x0015200f"
#define CBO_FLUSH ".4byte 0x0025200f"
/*
 * Only devices that do not see the caches have them cleaned. Where a machine has such devices and no
 * instructions for it, nothing can be done but to say so, once.
 */
static bool can_maintain(void)
{
	static uint32_t is_told;

	if (!berth_rv_board.cbom_size && !__atomic_exchange_n(&is_told, 1, __ATOMIC_RELAXED))
		berth_rv_puts("berth: a device does not see the caches, and there is no Zicbom\n");
	return berth_rv_board.cbom_size;
}

/* All lines that a range touches, to the point of coherency. */
#define CBO_RANGE(op, phys, size)                                                      \
	do {                                                                           \
		uint64_t step_ = berth_rv_board.cbom_size, end_ = (phys) + (size);     \
                                                                                       \
		if (!(size) || !can_maintain())                                        \
			break;                                                         \
		berth_port_mb();                                                       \
		for (uint64_t at_ = (phys) & ~(step_ - 1); at_ < end_; at_ += step_) { \
			register uint64_t a0_ __asm__("a0") = at_;                     \
                                                                                       \
			__asm__ volatile(op ::"r"(a0_) : "memory");                    \
		}                                                                      \
		berth_port_mb();                                                       \
	} while (0)

struct berth_port_linear berth_port_linear;

int berth_port_ram(const struct berth_port_ram *ram)
{
	const struct berth_range *last = &ram->mapped[ram->nr_mapped - 1];

	berth_port_linear.virt = ram->mapped[0].base;
	berth_port_linear.phys = ram->mapped[0].base;
	berth_port_linear.size = last->base + last->size - ram->mapped[0].base;
	return 0;
}

void *berth_port_remap(phys_addr_t phys, uint64_t size, enum berth_memory_type type)
{
	(void)phys;
	(void)size;
	(void)type;
	return NULL;
}

void berth_port_unremap(void *virt, phys_addr_t phys, uint64_t size)
{
	(void)virt;
	(void)phys;
	(void)size;
}

void __iomem *berth_port_ioremap(phys_addr_t phys, uint64_t size)
{
	bool is_sane = size && phys + size - 1 >= phys;

	return is_sane ? (void __iomem *)phys : NULL;
}

void __iomem *berth_port_ioremap_wc(phys_addr_t phys, uint64_t size)
{
	return berth_port_ioremap(phys, size);
}

void berth_port_iounmap(void __iomem *cookie)
{
	(void)cookie;
}

unsigned int berth_port_line_size(void)
{
	return berth_rv_board.cbom_size > LINE_SIZE ? berth_rv_board.cbom_size : LINE_SIZE;
}

void berth_port_cache_clean(phys_addr_t phys, uint64_t size)
{
	CBO_RANGE(CBO_CLEAN, phys, size);
}

void berth_port_cache_flush(phys_addr_t phys, uint64_t size)
{
	CBO_RANGE(CBO_FLUSH, phys, size);
}

void berth_port_cache_invalidate(phys_addr_t phys, uint64_t size)
{
	uint64_t mask = berth_rv_board.cbom_size - 1ul, end = phys + size;

	if (!size || !can_maintain())
		return;
	/* What of a line is somebody else's is not lost. */
	if (phys & mask)
		berth_port_cache_flush(phys, 1);
	if (end & mask)
		berth_port_cache_flush(end, 1);
	phys = (phys + mask) & ~mask;
	end &= ~mask;
	if (phys < end)
		CBO_RANGE(CBO_INVAL, phys, end - phys);
}
