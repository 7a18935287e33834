/* SPDX-License-Identifier: BSD-2-Clause */
/**
 * DOC: platform_device - devices that a device tree describes (linux/platform_device.h)
 *
 * berth_start() makes a device of each enabled node with a compatible string below the root and
 * below buses (simple-bus and kin), and binds the drivers it was given by their match tables.
 */
#ifndef BERTH_PLATFORM_DEVICE_H
#define BERTH_PLATFORM_DEVICE_H

#include <berth/device.h>
#include <berth/io.h>
#include <berth/of.h>
#include <berth/types.h>

#include <berth/names.h>

BERTH_BEGIN_DECLS

#define IORESOURCE_MEM 0x00000200u
#define IORESOURCE_IRQ 0x00000400u

/**
 * struct resource - registers or an interrupt of a device (linux/ioport.h)
 * @start: first address, or the interrupt's number
 * @end: last address, inclusive
 * @name: from reg-names or interrupt-names, or the device's name
 * @flags: IORESOURCE_MEM or IORESOURCE_IRQ
 */
struct resource {
	resource_size_t start;
	resource_size_t end;
	const char *name;
	unsigned long flags;
};

/** resource_size() - bytes of a resource */
static inline resource_size_t resource_size(const struct resource *res)
{
	return res->end - res->start + 1;
}

/**
 * struct platform_device - a device with registers at fixed addresses
 * @name: dev_name() of @dev
 * @dev: the device
 * @num_resources: how many
 * @resource: its registers, then its interrupts, in the order of the tree
 */
struct platform_device {
	const char *name;
	struct device dev;
	uint32_t num_resources;
	struct resource *resource;
};

/**
 * struct platform_driver - a driver for such devices
 * @probe: take the device: 0, or a negative errno value with everything put back
 * @remove: give it back; the device must be quiet on return
 * @driver: name and match table
 *
 * Both are called from berth_start() and berth_stop() and may sleep.
 */
struct platform_driver {
	int (*probe)(struct platform_device *pdev);
	int (*remove)(struct platform_device *pdev);
	struct device_driver driver;
};

/** to_platform_device() - the platform device around a struct device */
static inline struct platform_device *to_platform_device(struct device *dev)
{
	return container_of(dev, struct platform_device, dev);
}

/** platform_set_drvdata() - dev_set_drvdata() */
static inline void platform_set_drvdata(struct platform_device *pdev, void *data)
{
	pdev->dev.driver_data = data;
}

/** platform_get_drvdata() - dev_get_drvdata() */
static inline void *platform_get_drvdata(const struct platform_device *pdev)
{
	return pdev->dev.driver_data;
}

/**
 * platform_get_resource() - the @index-th resource of a type; NULL if there is none
 *
 * Places are those of reg and of interrupts, which end at the first one that cannot be reached.
 */
struct resource *platform_get_resource(struct platform_device *pdev, unsigned int type,
				       unsigned int index);

/** platform_get_irq() - the @index-th interrupt; -ENXIO if there is none. */
int platform_get_irq(struct platform_device *pdev, unsigned int index);

/**
 * devm_platform_ioremap_resource() - the @index-th register range, mapped until unbind
 *
 * May sleep. Return: the cookie, or ERR_PTR(-EINVAL: no such range; -ENOMEM, -ENODEV).
 */
void __iomem *devm_platform_ioremap_resource(struct platform_device *pdev, unsigned int index);

/** of_find_device_by_node() - the device of a node; NULL if there is none. */
struct platform_device *of_find_device_by_node(struct device_node *node);

/** of_device_get_match_data() - the data of the table entry that bound the driver. */
const void *of_device_get_match_data(const struct device *dev);

BERTH_END_DECLS

#ifdef BERTH_NO_SHORT_NAMES
#include <berth/names-off.h>
#endif
#endif
