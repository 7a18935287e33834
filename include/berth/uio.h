/* SPDX-License-Identifier: BSD-2-Clause */
/**
 * DOC: uio - drivers in user space (linux/uio_driver.h)
 *
 * A UIO device shows a program its registers and memory as maps and its interrupt as a counter.
 * Meaning: Documentation/driver-api/uio-howto.rst, and docs/uio.md. The program opens /dev/uioN and
 * reads /sys/class/uio/uioN/ (berth/fs.h).
 */
#ifndef BERTH_UIO_H
#define BERTH_UIO_H

#include <berth/interrupt.h>
#include <berth/types.h>

#include <berth/names.h>

BERTH_BEGIN_DECLS

struct device;
struct inode;
struct page;
struct uio_device;
struct uio_info;
struct vm_area_struct;

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
#define UIO_MEM_IOVA 4 /* memory that the device reaches by dma_addr */
#define UIO_MEM_DMA_COHERENT 5 /* memory of dma_alloc_coherent() */

/* What kind of ports a port region has. */
#define UIO_PORT_NONE 0
#define UIO_PORT_X86 1
#define UIO_PORT_GPIO 2
#define UIO_PORT_OTHER 3

/**
 * struct uio_mem - one map of a device
 * @name: what maps/mapN/name says; may be NULL
 * @addr: first byte as the CPU's bus sees it; PHYS, LOGICAL and IOVA: page-aligned
 * @dma_addr: of IOVA and DMA_COHERENT what the device is told, and what maps/mapN/addr says; ~0: nothing just now
 * @pages: of IOVA the CPU's pages, cached, where they are not contiguous (behind an IOMMU); else NULL
 * @offs: first byte of the device's within the first page
 * @size: bytes from @addr on; rounded up to pages where it is mapped; 0: no map
 * @memtype: UIO_MEM_*
 * @is_cached: PHYS and IOVA: the CPU caches it; memory of the linear map always is, and cannot be shown otherwise
 * @internal_addr: the driver's own mapping, or NULL; of VIRTUAL and DMA_COHERENT the CPU's address
 * @dma_device: of DMA_COHERENT the device that it was allocated for
 *
 * Linux keeps whatever address a map has in @addr, and maps a device's address as if it were the CPU's;
 * here they are apart, so that a bus offset or an IOMMU changes nothing for the program.
 */
struct uio_mem {
	const char *name;
	phys_addr_t addr;
	dma_addr_t dma_addr;
	struct page **pages;
	unsigned long offs;
	resource_size_t size;
	int memtype;
	bool is_cached;
	void __iomem *internal_addr;
	struct device *dma_device;
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

/**
 * struct uio_info - what a driver offers
 * @uio_dev: written by uio_register_device()
 * @name: what /sys/class/uio/uioN/name says
 * @version: likewise
 * @mem: its maps; /sys shows those before the first without a size
 * @port: its port regions; likewise
 * @irq: a number, UIO_IRQ_CUSTOM or UIO_IRQ_NONE
 * @irq_flags: IRQF_*
 * @priv: the driver's own
 * @handler: of the interrupt; IRQ_HANDLED counts an event
 * @mmap: shows a map instead of the core, which has checked the size; vm_pgoff is the map's number
 * @open: at each open
 * @release: when an open file has gone, its mappings too; not after uio_unregister_device()
 * @irqcontrol: a program wrote 1 (on), 0 (off) or another number
 * @ioctl: an ioctl of a program's; Linux has none
 * @gone: after uio_unregister_device(), once no file and no mapping is left: what maps show can be freed. Without
 *	it, memory of maps has to stay for ever, and @name and this record until uio_unregister_device() only;
 *	with it, this record until then. Linux has none
 *
 * NULL where a driver has no such function. Those of programs' calls may sleep, one of them runs at a time, and none
 * after uio_unregister_device().
 */
struct uio_info {
	struct uio_device *uio_dev;
	const char *name;
	const char *version;
	struct uio_mem mem[MAX_UIO_MAPS];
	struct uio_port port[MAX_UIO_PORT_REGIONS];
	long irq;
	unsigned long irq_flags;
	void *priv;
	irqreturn_t (*handler)(int irq, struct uio_info *info);
	int (*mmap)(struct uio_info *info, struct vm_area_struct *vma);
	int (*open)(struct uio_info *info, struct inode *inode);
	int (*release)(struct uio_info *info, struct inode *inode);
	int (*irqcontrol)(struct uio_info *info, int32_t irq_on);
	long (*ioctl)(struct uio_info *info, unsigned int request, unsigned long arg);
	void (*gone)(struct uio_info *info);
};

/**
 * uio_register_device() - programs can open /dev/uioN from now on
 * @parent: the device behind it
 * @info: with @name and @version; stays until uio_unregister_device() or @gone
 *
 * N is the lowest that is free. May sleep. Return: 0; or with the reason and nothing left -EINVAL (ARGUMENT), -ENOMEM,
 * -ENOSPC, or what request_irq() returns.
 */
int BERTH_MUST_CHECK uio_register_device(struct device *parent, struct uio_info *info);

/** devm_uio_register_device() - the same, until the driver is unbound */
int BERTH_MUST_CHECK devm_uio_register_device(struct device *parent, struct uio_info *info);

/**
 * uio_unregister_device() - no program can open it any more
 *
 * On return none of the driver's functions runs any more, and the interrupt is free. Files that are open read -EIO,
 * mappings stay. @gone may be called here, or later by who closes the last file. May sleep.
 */
void uio_unregister_device(struct uio_info *info);

/** uio_event_notify() - count an event, and wake those who wait for it. The device is registered. Any context. */
void uio_event_notify(struct uio_info *info);

BERTH_END_DECLS

#ifdef BERTH_NO_SHORT_NAMES
#include <berth/names-off.h>
#endif
#endif
