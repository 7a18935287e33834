/* SPDX-License-Identifier: BSD-2-Clause */
/**
 * DOC: pci - PCI devices and their hosts (linux/pci.h)
 *
 * A host bridge driver hands its configuration space to pci_host_probe(); berth finds the devices
 * behind it, places their BARs in the bridge's windows, routes INTx through interrupt-map, and
 * binds the drivers that berth_start() was given.
 */
#ifndef BERTH_PCI_H
#define BERTH_PCI_H

#include <berth/device.h>
#include <berth/io.h>
#include <berth/platform_device.h>
#include <berth/types.h>

#include <berth/names.h>

BERTH_BEGIN_DECLS

#define PCI_ANY_ID (~0u)
#define PCI_STD_NUM_BARS 6
#define PCI_DEVFN(slot, func) ((((slot)&0x1fu) << 3) | ((func)&0x7u))
#define PCI_SLOT(devfn) (((devfn) >> 3) & 0x1fu)
#define PCI_FUNC(devfn) ((devfn)&0x7u)

#define PCI_VENDOR_ID 0x00
#define PCI_DEVICE_ID 0x02
#define PCI_COMMAND 0x04
#define PCI_COMMAND_IO 0x1u
#define PCI_COMMAND_MEMORY 0x2u
#define PCI_COMMAND_MASTER 0x4u
#define PCI_COMMAND_INTX_DISABLE 0x400u
#define PCI_STATUS 0x06
#define PCI_CLASS_REVISION 0x08
#define PCI_HEADER_TYPE 0x0e
#define PCI_BASE_ADDRESS_0 0x10
#define PCI_PRIMARY_BUS 0x18
#define PCI_SECONDARY_BUS 0x19
#define PCI_SUBORDINATE_BUS 0x1a
#define PCI_INTERRUPT_LINE 0x3c
#define PCI_INTERRUPT_PIN 0x3d

struct pci_bus;

/**
 * struct pci_device_id - one device that a driver serves (linux/mod_devicetable.h)
 * @vendor: or PCI_ANY_ID
 * @device: or PCI_ANY_ID
 * @class_code: base class, sub class, interface
 * @class_mask: which of its bits count; 0: none
 * @driver_data: the driver's own
 *
 * An entry of zeroes ends a table.
 */
struct pci_device_id {
	uint32_t vendor;
	uint32_t device;
	uint32_t class_code;
	uint32_t class_mask;
	uintptr_t driver_data;
};

#define PCI_DEVICE(vend, dev) .vendor = (vend), .device = (dev)

/**
 * struct pci_dev - a PCI function
 * @dev: the device
 * @bus: its bus
 * @devfn: PCI_DEVFN(slot, function)
 * @vendor: vendor id
 * @device: device id
 * @class_code: base class, sub class, interface
 * @irq: INTx as the port numbers it; 0: none
 * @resource: the BARs as the CPU sees them; flags 0: not there
 */
struct pci_dev {
	struct device dev;
	struct pci_bus *bus;
	unsigned int devfn;
	uint16_t vendor;
	uint16_t device;
	uint32_t class_code;
	unsigned int irq;
	struct resource resource[PCI_STD_NUM_BARS];
};

/**
 * struct pci_driver - a driver for PCI functions
 * @name: for reports
 * @id_table: functions it serves
 * @probe: take the function: 0, or a negative errno value with everything put back
 * @remove: give it back; it must be quiet on return
 * @driver: berth's own; leave it zero
 */
struct pci_driver {
	const char *name;
	const struct pci_device_id *id_table;
	int (*probe)(struct pci_dev *pdev, const struct pci_device_id *id);
	void (*remove)(struct pci_dev *pdev);
	struct device_driver driver;
};

/** to_pci_dev() - the function around a struct device */
static inline struct pci_dev *to_pci_dev(struct device *dev)
{
	return container_of(dev, struct pci_dev, dev);
}

/**
 * pci_find_capability() - where a function's capability begins in configuration space
 * @pdev: the function
 * @cap: its id (PCI_CAP_ID_*)
 *
 * Any context. Return: 0 if there is none.
 */
uint8_t pci_find_capability(struct pci_dev *pdev, int cap);

/** pci_find_next_capability() - the next one of that id behind the one at @pos; 0 at the end. */
uint8_t pci_find_next_capability(struct pci_dev *pdev, uint8_t pos, int cap);

/** pci_set_drvdata() - dev_set_drvdata() */
static inline void pci_set_drvdata(struct pci_dev *pdev, void *data)
{
	pdev->dev.driver_data = data;
}

/** pci_get_drvdata() - dev_get_drvdata() */
static inline void *pci_get_drvdata(const struct pci_dev *pdev)
{
	return pdev->dev.driver_data;
}

#define pci_resource_start(pdev, bar) ((pdev)->resource[bar].start)
#define pci_resource_len(pdev, bar) \
	((pdev)->resource[bar].flags ? resource_size(&(pdev)->resource[bar]) : 0)

/**
 * pci_read_config_byte() - a register of configuration space
 * @pdev: the function
 * @where: its offset
 * @value: where its value goes; all ones if nothing answers or on failure
 *
 * Any context. Return: 0, or -EINVAL for an offset that is out of range or not aligned (ARGUMENT).
 */
int pci_read_config_byte(const struct pci_dev *pdev, int where, uint8_t *value);
/** pci_read_config_word() - as pci_read_config_byte() */
int pci_read_config_word(const struct pci_dev *pdev, int where, uint16_t *value);
/** pci_read_config_dword() - as pci_read_config_byte() */
int pci_read_config_dword(const struct pci_dev *pdev, int where, uint32_t *value);
/** pci_write_config_byte() - as pci_read_config_byte() */
int pci_write_config_byte(const struct pci_dev *pdev, int where, uint8_t value);
/** pci_write_config_word() - as pci_read_config_byte() */
int pci_write_config_word(const struct pci_dev *pdev, int where, uint16_t value);
/** pci_write_config_dword() - as pci_read_config_byte() */
int pci_write_config_dword(const struct pci_dev *pdev, int where, uint32_t value);

/**
 * pci_enable_device() - let memory accesses through
 *
 * Return: 0, or -ENODEV if the function has no BAR, or one that found no place (NO_DEVICE).
 */
int pci_enable_device(struct pci_dev *pdev);

/** pci_disable_device() - no more memory accesses, no more DMA. */
void pci_disable_device(struct pci_dev *pdev);

/** pci_set_master() - let the function do DMA. */
void pci_set_master(struct pci_dev *pdev);

/** pci_clear_master() - no more DMA. */
void pci_clear_master(struct pci_dev *pdev);

/**
 * pci_iomap() - map a BAR
 * @pdev: the function
 * @bar: 0 to 5
 * @max: bytes at most; 0 for all
 *
 * May sleep. Return: a cookie until pci_iounmap(), or NULL.
 */
void __iomem *pci_iomap(struct pci_dev *pdev, int bar, unsigned long max);

/** pci_iounmap() - give back a cookie. May sleep. */
void pci_iounmap(struct pci_dev *pdev, void __iomem *addr);

/** pci_get_device() - the next function with these ids behind @from; NULL at the end. */
struct pci_dev *pci_get_device(unsigned int vendor, unsigned int device, struct pci_dev *from);

/**
 * struct pci_ops - how a host bridge reaches configuration space
 * @map_bus: the cookie of a register, or NULL if nothing can be there
 */
struct pci_ops {
	void __iomem *(*map_bus)(void *host, unsigned int bus, unsigned int devfn, int where);
};

/**
 * struct pci_host_bridge - what a host bridge driver hands over
 * @dev: the bridge's own device; its node has ranges, interrupt-map, dma-ranges
 * @ops: access to configuration space
 * @sysdata: handed to @ops
 * @busnr: first bus number
 * @busnr_end: last bus number
 * @bus: filled in by pci_host_probe()
 */
struct pci_host_bridge {
	struct device *dev;
	const struct pci_ops *ops;
	void *sysdata;
	unsigned int busnr;
	unsigned int busnr_end;
	struct pci_bus *bus;
};

/**
 * pci_host_probe() - find, place and bind everything behind a bridge
 *
 * May sleep. Return: 0, or a negative errno value with nothing left behind. Ends with
 * pci_host_remove(); @bridge must live until then.
 */
int pci_host_probe(struct pci_host_bridge *bridge);

/** pci_host_remove() - unbind and forget everything behind a bridge. May sleep. */
void pci_host_remove(struct pci_host_bridge *bridge);

BERTH_END_DECLS

#ifdef BERTH_NO_SHORT_NAMES
#include <berth/names-off.h>
#endif
#endif
