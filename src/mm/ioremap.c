// SPDX-License-Identifier: BSD-2-Clause
#include <berth/io.h>
#include <berth/memblock.h>

#include "lib/error.h"

void __iomem *ioremap(phys_addr_t phys, size_t size)
{
	struct berth_range range;
	enum memblock_flags flags;
	struct berth_error *error;
	void __iomem *cookie;

	if (!size || phys + size < phys) {
		berth_fail_at(-EINVAL, BERTH_REASON_ARGUMENT, "ioremap", phys);
		return NULL;
	}
	for (unsigned int i = 0; berth_memblock_next(false, i, &range, &flags); i++)
		if (!(flags & MEMBLOCK_NOMAP) && phys < range.base + range.size &&
		    phys + size > range.base) {
			error = berth_error_set(-EINVAL, BERTH_REASON_MAPPING, "ioremap of RAM");
			error->address = phys;
			error->length = size;
			return NULL;
		}
	cookie = berth_port_ioremap(phys, size);
	if (!cookie)
		berth_fail_at(-ENXIO, BERTH_REASON_NO_DEVICE, "ioremap", phys);
	return cookie;
}

void iounmap(volatile void __iomem *addr)
{
	if (addr)
		berth_port_iounmap((void __iomem *)(uintptr_t)addr);
}
