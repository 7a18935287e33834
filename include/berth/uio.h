/* SPDX-License-Identifier: BSD-2-Clause */
/**
 * DOC: uio - drivers in user space (linux/uio_driver.h)
 *
 * A UIO device shows a program its registers and memory as maps and its interrupt as a counter.
 * Meaning: Documentation/driver-api/uio-howto.rst. Here are the numbers and the record of one map;
 * the functions come with the UIO core.
 */
#ifndef BERTH_UIO_H
#define BERTH_UIO_H

#include <berth/types.h>

#include <berth/names.h>

BERTH_BEGIN_DECLS

struct page;
struct uio_device;
struct uio_info;

#define MAX_UIO_MAPS 5
#define MAX_UIO_PORT_REGIONS 5

/* Interrupt numbers with a meaning of their own. */
#define UIO_IRQ_CUSTOM (-1) /* the driver counts events itself */
#define UIO_IRQ_NONE 0

/* What lies behind a map. */
#define UIO_MEM_NONE 0
#define UIO_MEM_PHYS 1 /* registers or RAM by physical address */
#define UIO_MEM_LOGICAL 2 /* memory of the linear map */
#define UIO_MEM_VIRTUAL 3 /* vmalloc() memory */
#define UIO_MEM_IOVA 4 /* memory by the device's address */

/* What kind of ports a port region has. */
#define UIO_PORT_NONE 0
#define UIO_PORT_X86 1
#define UIO_PORT_GPIO 2
#define UIO_PORT_OTHER 3

/**
 * struct uio_mem - one map of a device
 * @name: what maps/mapN/name says; may be NULL
 * @addr: first byte as the CPU's bus sees it, for a map that is contiguous there
 * @dma_addr: the same place as the device is told; not for registers
 * @pages: the CPU's pages where they are not contiguous (behind an IOMMU); else NULL
 * @offs: first byte within the first page
 * @size: bytes; a multiple of the page size
 * @memtype: UIO_MEM_*
 * @internal_addr: the driver's own mapping, or NULL
 *
 * Linux keeps the device's address of dynamic memory in @addr and maps it as if it were the CPU's;
 * here the two are apart, so that a bus offset or an IOMMU changes nothing for the program.
 */
struct uio_mem {
	const char *name;
	phys_addr_t addr;
	dma_addr_t dma_addr;
	struct page **pages;
	unsigned long offs;
	resource_size_t size;
	int memtype;
	void __iomem *internal_addr;
};

/**
 * struct uio_port - one region of ports of a device
 * @name: what portio/portN/name says; may be NULL
 * @start: first port
 * @size: how many
 * @porttype: UIO_PORT_*
 */
struct uio_port {
	const char *name;
	unsigned long start;
	unsigned long size;
	int porttype;
};

BERTH_END_DECLS

#ifdef BERTH_NO_SHORT_NAMES
#include <berth/names-off.h>
#endif
#endif
