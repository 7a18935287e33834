/* SPDX-License-Identifier: BSD-2-Clause */
/* PCI: finding what is behind a host, and binding drivers to it. */
#include <berth/errno.h>
#include <berth/of.h>
#include <berth/slab.h>

#include "board/board.h"
#include "board/pci.h"
#include "lib/device.h"
#include "lib/error.h"
#include "lib/printk.h"

#define PCI_CONFIG_SIZE 4096
#define PCI_HEADER_TYPE_MASK 0x7fu
#define PCI_HEADER_TYPE_BRIDGE 1u
#define PCI_HEADER_MULTIFUNCTION 0x80u
#define PCI_DECODERS (PCI_COMMAND_IO | PCI_COMMAND_MEMORY | PCI_COMMAND_MASTER)

/* All functions of all hosts, in the order in which they were found. */
static struct pci_function *first_function;
static struct pci_function *last_function;

struct pci_function *berth_pci_first_function(void)
{
	return first_function;
}

static void __iomem *config(const struct pci_bus *bus, unsigned int devfn, unsigned int where)
{
	return bus->bridge->ops->map_bus(bus->bridge->sysdata, bus->number, devfn, (int)where);
}

uint32_t berth_pci_bus_read(const struct pci_bus *bus, unsigned int devfn, unsigned int where,
			    unsigned int bytes)
{
	void __iomem *reg = config(bus, devfn, where);

	if (!reg)
		return UINT32_MAX >> (32 - 8 * bytes);
	return bytes == 1 ? readb(reg) : bytes == 2 ? readw(reg) : readl(reg);
}

void berth_pci_bus_write(const struct pci_bus *bus, unsigned int devfn, unsigned int where,
			 unsigned int bytes, uint32_t value)
{
	void __iomem *reg = config(bus, devfn, where);

	if (!reg)
		return;
	if (bytes == 1)
		writeb((uint8_t)value, reg);
	else if (bytes == 2)
		writew((uint16_t)value, reg);
	else
		writel(value, reg);
}

static int check_where(const struct pci_dev *pdev, int where, int bytes)
{
	if (where < 0 || where >= PCI_CONFIG_SIZE || where % bytes)
		return berth_fail_at(-EINVAL, BERTH_REASON_ARGUMENT, dev_name(&pdev->dev),
				     (uint64_t)where);
	return 0;
}

static int read_config(const struct pci_dev *pdev, int where, int bytes, uint32_t *value)
{
	int err = check_where(pdev, where, bytes);

	if (!err)
		*value = berth_pci_bus_read(pdev->bus, pdev->devfn, (unsigned int)where,
					    (unsigned int)bytes);
	return err;
}

static int write_config(const struct pci_dev *pdev, int where, int bytes, uint32_t value)
{
	int err = check_where(pdev, where, bytes);

	if (!err)
		berth_pci_bus_write(pdev->bus, pdev->devfn, (unsigned int)where,
				    (unsigned int)bytes, value);
	return err;
}

int pci_read_config_byte(const struct pci_dev *pdev, int where, uint8_t *value)
{
	uint32_t all = UINT8_MAX;
	int err = read_config(pdev, where, 1, &all);

	*value = (uint8_t)all;
	return err;
}

int pci_read_config_word(const struct pci_dev *pdev, int where, uint16_t *value)
{
	uint32_t all = UINT16_MAX;
	int err = read_config(pdev, where, 2, &all);

	*value = (uint16_t)all;
	return err;
}

int pci_read_config_dword(const struct pci_dev *pdev, int where, uint32_t *value)
{
	*value = UINT32_MAX;
	return read_config(pdev, where, 4, value);
}

int pci_write_config_byte(const struct pci_dev *pdev, int where, uint8_t value)
{
	return write_config(pdev, where, 1, value);
}

int pci_write_config_word(const struct pci_dev *pdev, int where, uint16_t value)
{
	return write_config(pdev, where, 2, value);
}

int pci_write_config_dword(const struct pci_dev *pdev, int where, uint32_t value)
{
	return write_config(pdev, where, 4, value);
}

static void change_command(struct pci_dev *pdev, uint32_t clear, uint32_t set)
{
	uint32_t command = berth_pci_bus_read(pdev->bus, pdev->devfn, PCI_COMMAND, 2);

	berth_pci_bus_write(pdev->bus, pdev->devfn, PCI_COMMAND, 2, (command & ~clear) | set);
}

int pci_enable_device(struct pci_dev *pdev)
{
	const struct pci_function *fn = to_pci_function(pdev);
	bool has_bar = false;

	for (unsigned int bar = 0; bar < PCI_STD_NUM_BARS; bar++) {
		has_bar |= pdev->resource[bar].flags != 0;
		/* One without a place would answer wherever it was left. */
		if (fn->need[bar].size && !pdev->resource[bar].flags)
			return berth_fail_at(-ENODEV, BERTH_REASON_NO_DEVICE, dev_name(&pdev->dev),
					     bar);
	}
	if (!has_bar)
		return berth_fail(-ENODEV, BERTH_REASON_NO_DEVICE, dev_name(&pdev->dev));
	change_command(pdev, 0, PCI_COMMAND_MEMORY);
	return 0;
}

void pci_disable_device(struct pci_dev *pdev)
{
	change_command(pdev, PCI_DECODERS, 0);
}

void pci_set_master(struct pci_dev *pdev)
{
	change_command(pdev, 0, PCI_COMMAND_MASTER);
}

void pci_clear_master(struct pci_dev *pdev)
{
	change_command(pdev, PCI_COMMAND_MASTER, 0);
}

void __iomem *pci_iomap(struct pci_dev *pdev, int bar, unsigned long max)
{
	uint64_t size;

	if (bar < 0 || bar >= PCI_STD_NUM_BARS || !pdev->resource[bar].flags) {
		berth_fail_at(-EINVAL, BERTH_REASON_ARGUMENT, dev_name(&pdev->dev), (uint64_t)bar);
		return NULL;
	}
	size = pci_resource_len(pdev, bar);
	return ioremap(pci_resource_start(pdev, bar), max && max < size ? max : (size_t)size);
}

void pci_iounmap(struct pci_dev *pdev, void __iomem *addr)
{
	(void)pdev;
	iounmap(addr);
}

static bool is_id(unsigned int wanted, unsigned int id)
{
	return wanted == PCI_ANY_ID || wanted == id;
}

struct pci_dev *pci_get_device(unsigned int vendor, unsigned int device, struct pci_dev *from)
{
	struct pci_function *fn = from ? to_pci_function(from)->next : first_function;

	for (; fn; fn = fn->next)
		if (is_id(vendor, fn->pdev.vendor) && is_id(device, fn->pdev.device))
			return &fn->pdev;
	return NULL;
}

/* INTx of a function: bridges turn the pins by slot on the way up, the host's map knows the rest. */
static unsigned int route_interrupt(const struct pci_dev *pdev)
{
	uint32_t pin = berth_pci_bus_read(pdev->bus, pdev->devfn, PCI_INTERRUPT_PIN, 1);
	const struct pci_bus *bus = pdev->bus;
	unsigned int devfn = pdev->devfn;
	uint32_t unit[3] = { 0 };
	int irq;

	if (pin < 1 || pin > 4)
		return 0;
	while (bus->self) {
		pin = (pin - 1 + PCI_SLOT(devfn)) % 4 + 1;
		devfn = bus->self->pdev.devfn;
		bus = bus->self->pdev.bus;
	}
	unit[0] = bus->number << 16 | devfn << 8;
	irq = berth_of_irq_map(bus->bridge->dev->of_node, unit, 3, pin);
	return irq > 0 ? (unsigned int)irq : 0;
}

#define PCI_STATUS_CAP_LIST 0x10u
#define PCI_CAPABILITY_LIST 0x34
#define PCI_CAP_ID_EXP 0x10u
#define PCI_EXT_CAP_START 0x100
#define PCI_EXT_CAP_ID_ACS 0xdu

static uint32_t read_of(const struct pci_dev *pdev, unsigned int where, unsigned int bytes)
{
	return berth_pci_bus_read(pdev->bus, pdev->devfn, where, bytes);
}

/* The next entry of a list of capabilities from @at on that has the id. */
static uint8_t find_cap(const struct pci_dev *pdev, uint32_t at, unsigned int cap)
{
	at &= ~3u;
	/* A list may be damaged: it has no more entries than fit. */
	for (unsigned int i = 0; i < 48 && at >= 0x40; i++) {
		if (read_of(pdev, at, 1) == cap)
			return (uint8_t)at;
		at = read_of(pdev, at + 1, 1) & ~3u;
	}
	return 0;
}

uint8_t pci_find_capability(struct pci_dev *pdev, int cap)
{
	if (!(read_of(pdev, PCI_STATUS, 2) & PCI_STATUS_CAP_LIST))
		return 0;
	return find_cap(pdev, read_of(pdev, PCI_CAPABILITY_LIST, 1), (unsigned int)cap);
}

uint8_t pci_find_next_capability(struct pci_dev *pdev, uint8_t pos, int cap)
{
	return pos < 0x40 ? 0 : find_cap(pdev, read_of(pdev, pos + 1u, 1), (unsigned int)cap);
}

int berth_pci_express_type(struct pci_dev *pdev)
{
	uint8_t at = pci_find_capability(pdev, PCI_CAP_ID_EXP);

	return at ? (int)(read_of(pdev, at + 2u, 2) >> 4 & 0xf) : -1;
}

/* Access control services: what it sends to its neighbours goes by way of the IOMMU. */
static bool has_acs(const struct pci_dev *pdev)
{
	unsigned int at = PCI_EXT_CAP_START;

	for (unsigned int i = 0; i < 960 && at >= PCI_EXT_CAP_START; i++) {
		uint32_t header = read_of(pdev, at, 4);

		if (!header || header == UINT32_MAX)
			return false;
		if ((header & 0xffff) == PCI_EXT_CAP_ID_ACS)
			return true;
		at = header >> 20 & ~3u;
	}
	return false;
}

struct device *berth_pci_same(const struct pci_dev *pdev)
{
	for (struct pci_function *fn = first_function; fn; fn = fn->next)
		if (&fn->pdev != pdev && fn->pdev.bus == pdev->bus &&
		    PCI_SLOT(fn->pdev.devfn) == PCI_SLOT(pdev->devfn) && fn->pdev.dev.p->iommu &&
		    (!has_acs(pdev) || !has_acs(&fn->pdev)))
			return &fn->pdev.dev;
	return NULL;
}

/* The node that describes a function: a child of its bus's whose address is the function's. */
static struct device_node *find_node(const struct pci_bus *bus, unsigned int devfn)
{
	const struct device_node *above = bus->self ? bus->self->pdev.dev.of_node
						    : bus->bridge->dev->of_node;
	struct device_node *child;
	uint32_t unit;

	if (!above)
		return NULL;
	for_each_child_of_node(above, child)
		if (!of_property_read_u32(child, "reg", &unit) && (unit >> 8 & 0xff) == devfn)
			return child;
	return NULL;
}

static void link_function(struct pci_function *fn)
{
	fn->prev = last_function;
	*(last_function ? &last_function->next : &first_function) = fn;
	last_function = fn;
}

static void unlink_function(struct pci_function *fn)
{
	*(fn->prev ? &fn->prev->next : &first_function) = fn->next;
	*(fn->next ? &fn->next->prev : &last_function) = fn->prev;
}

static int add_function(struct pci_bus *bus, unsigned int devfn, uint32_t id, bool is_bridge)
{
	struct pci_function *fn = kzalloc(sizeof(*fn), GFP_KERNEL);
	uint32_t domain = 0;
	char name[24];
	int err;

	if (!fn)
		return -ENOMEM;
	of_property_read_u32(bus->bridge->dev->of_node, "linux,pci-domain", &domain);
	berth_snprintf(name, sizeof(name), "%04x:%02x:%02x.%u", (unsigned int)domain, bus->number,
		       PCI_SLOT(devfn), PCI_FUNC(devfn));
	/* Limits come from the parent: the host has the windows of its bus. */
	fn->pdev.dev.parent = bus->self ? &bus->self->pdev.dev : bus->bridge->dev;
	fn->pdev.dev.of_node = find_node(bus, devfn);
	fn->pdev.bus = bus;
	fn->pdev.devfn = devfn;
	fn->pdev.vendor = (uint16_t)id;
	fn->pdev.device = (uint16_t)(id >> 16);
	fn->pdev.class_code = berth_pci_bus_read(bus, devfn, PCI_CLASS_REVISION, 4) >> 8;
	err = berth_device_add(&fn->pdev.dev, name);
	if (err) {
		kfree(fn);
		return err;
	}
	link_function(fn);
	change_command(&fn->pdev, PCI_DECODERS, 0);
	berth_pci_size_bars(fn, is_bridge ? 2 : PCI_STD_NUM_BARS);
	fn->pdev.irq = route_interrupt(&fn->pdev);
	return 0;
}

static int scan_bus(struct pci_bus *bus, unsigned int *highest);

/* Number the bus behind a bridge, and scan it. */
static int scan_bridge(struct pci_function *fn, unsigned int *highest)
{
	struct pci_bus *bus = fn->pdev.bus;
	unsigned int devfn = fn->pdev.devfn;
	int err;

	if (*highest == bus->bridge->busnr_end) {
		dev_warn(&fn->pdev.dev, "no bus number is left for what is behind it\n");
		return 0;
	}
	fn->below = kzalloc(sizeof(*fn->below), GFP_KERNEL);
	if (!fn->below)
		return -ENOMEM;
	fn->below->bridge = bus->bridge;
	fn->below->self = fn;
	fn->below->number = ++*highest;
	berth_pci_bus_write(bus, devfn, PCI_PRIMARY_BUS, 1, bus->number);
	berth_pci_bus_write(bus, devfn, PCI_SECONDARY_BUS, 1, fn->below->number);
	/* Until it is known which buses are behind it, all are. */
	berth_pci_bus_write(bus, devfn, PCI_SUBORDINATE_BUS, 1, bus->bridge->busnr_end);
	err = scan_bus(fn->below, highest);
	berth_pci_bus_write(bus, devfn, PCI_SUBORDINATE_BUS, 1, *highest);
	return err;
}

static int scan_bus(struct pci_bus *bus, unsigned int *highest)
{
	bool is_multifunction = false;
	int err = 0;

	for (unsigned int devfn = 0; devfn < 256 && !err; devfn++) {
		uint32_t id, type;

		if (PCI_FUNC(devfn) && !is_multifunction)
			continue;
		id = berth_pci_bus_read(bus, devfn, PCI_VENDOR_ID, 4);
		type = berth_pci_bus_read(bus, devfn, PCI_HEADER_TYPE, 1);
		if (!PCI_FUNC(devfn))
			is_multifunction = (uint16_t)id != 0xffff &&
					   (type & PCI_HEADER_MULTIFUNCTION);
		if ((uint16_t)id == 0xffff || !(uint16_t)id)
			continue;
		type &= PCI_HEADER_TYPE_MASK;
		if (type > PCI_HEADER_TYPE_BRIDGE)
			continue;
		err = add_function(bus, devfn, id, type == PCI_HEADER_TYPE_BRIDGE);
	}
	for (struct pci_function *fn = first_function; fn && !err; fn = fn->next)
		if (fn->pdev.bus == bus &&
		    berth_pci_bus_read(bus, fn->pdev.devfn, PCI_HEADER_TYPE, 1) &
			    PCI_HEADER_TYPE_BRIDGE)
			err = scan_bridge(fn, highest);
	return err;
}

static const struct pci_device_id *match(const struct pci_driver *drv, const struct pci_dev *pdev)
{
	const struct pci_device_id *id = drv->id_table;

	for (; id && (id->vendor || id->device || id->class_mask); id++)
		if (is_id(id->vendor, pdev->vendor) && is_id(id->device, pdev->device) &&
		    !((id->class_code ^ pdev->class_code) & id->class_mask))
			return id;
	return NULL;
}

static const struct pci_driver *driver_of(const struct device *dev)
{
	return container_of(dev->driver, const struct pci_driver, driver);
}

static int probe_function(struct device *dev)
{
	struct pci_dev *pdev = to_pci_dev(dev);
	const struct pci_driver *drv = driver_of(dev);

	int err = berth_iommu_before_probe(dev);

	return err ? err : drv->probe(pdev, match(drv, pdev));
}

static void remove_function(struct device *dev)
{
	const struct pci_driver *drv = driver_of(dev);

	if (drv->remove)
		drv->remove(to_pci_dev(dev));
}

bool berth_pci_has_driver(const struct device_node *node)
{
	for (struct pci_function *fn = first_function; fn; fn = fn->next)
		for (const struct berth_driver *d = berth_drivers();
		     fn->pdev.dev.of_node == node && (d->platform || d->pci); d++)
			if (d->pci && match(d->pci, &fn->pdev))
				return true;
	return false;
}

/* One whose IOMMU is another function waits until that has had its turn. */
static void bind_function(struct pci_dev *pdev, bool is_last_try)
{
	const struct berth_driver *list = berth_drivers();

	pdev->dev.p->is_deferred = berth_iommu_configure_pci(pdev, is_last_try) != 0;
	if (pdev->dev.p->is_deferred)
		return;
	for (; list && (list->platform || list->pci) && !pdev->dev.driver; list++) {
		const struct pci_driver *drv = list->pci;
		int err;

		if (!drv || !match(drv, pdev))
			continue;
		err = berth_driver_bind(&pdev->dev, &drv->driver, probe_function, remove_function);
		if (err)
			berth_report_probe(&pdev->dev, drv->name, err);
	}
}

int pci_host_probe(struct pci_host_bridge *bridge)
{
	unsigned int highest = bridge->busnr;
	int err;

	if (!bridge->dev || !bridge->dev->of_node || !bridge->ops ||
	    bridge->busnr > bridge->busnr_end || bridge->busnr_end > 255)
		return berth_fail(-EINVAL, BERTH_REASON_ARGUMENT, "pci_host_probe");
	bridge->bus = kzalloc(sizeof(*bridge->bus), GFP_KERNEL);
	if (!bridge->bus)
		return -ENOMEM;
	bridge->bus->bridge = bridge;
	bridge->bus->number = bridge->busnr;
	err = berth_pci_set_peers(bridge);
	if (!err)
		err = scan_bus(bridge->bus, &highest);
	if (!err)
		err = berth_pci_place_all(bridge);
	if (err) {
		pci_host_remove(bridge);
		return err;
	}
	for (struct pci_function *fn = first_function; fn; fn = fn->next)
		if (fn->pdev.bus->bridge == bridge && fn->below)
			change_command(&fn->pdev, 0, PCI_COMMAND_MEMORY | PCI_COMMAND_MASTER);
	for (struct pci_function *fn = first_function; fn; fn = fn->next)
		if (fn->pdev.bus->bridge == bridge)
			bind_function(&fn->pdev, false);
	for (struct pci_function *fn = first_function; fn; fn = fn->next)
		if (fn->pdev.bus->bridge == bridge && fn->pdev.dev.p->is_deferred)
			bind_function(&fn->pdev, true);
	return 0;
}

void pci_host_remove(struct pci_host_bridge *bridge)
{
	struct pci_function *fn, *prev;

	/* Drivers first, all of them: one may still use another function of its device. */
	for (fn = last_function; fn; fn = fn->prev)
		if (fn->pdev.bus->bridge == bridge)
			berth_driver_unbind(&fn->pdev.dev);
	for (fn = last_function; fn; fn = prev) {
		prev = fn->prev;
		if (fn->pdev.bus->bridge != bridge)
			continue;
		change_command(&fn->pdev, PCI_DECODERS, 0);
		unlink_function(fn);
		berth_device_del(&fn->pdev.dev);
		kfree(fn->below);
		kfree(fn);
	}
	kfree(bridge->bus);
	bridge->bus = NULL;
}
