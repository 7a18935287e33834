/* SPDX-License-Identifier: BSD-2-Clause */
/* Devices of the tree: made from their nodes, bound to the drivers that know them. */
#include <berth/errno.h>
#include <berth/io.h>
#include <berth/platform_device.h>
#include <berth/slab.h>

#include "board/board.h"
#include "dma/internal.h"
#include "lib/device.h"
#include "lib/error.h"
#include "lib/printk.h"
#include "lib/string.h"

/* Up to the first that the CPU cannot reach, as on Linux: those behind it would count wrongly. */
static unsigned int count_regs(const struct device_node *node)
{
	struct berth_range range;
	unsigned int count = 0;

	while (!berth_of_address(node, count, &range))
		count++;
	return count;
}

/* More than one device has; finding the last of n in interrupts-extended takes n steps. */
#define MAX_IRQS 1024

static unsigned int count_irqs(const struct device_node *node)
{
	int count = 0;

	while (count < MAX_IRQS && of_irq_get(node, count) >= 0)
		count++;
	return (unsigned int)count;
}

static int fill_resources(struct platform_device *pdev, const struct device_node *node)
{
	unsigned int regs = count_regs(node), irqs = count_irqs(node);
	struct resource *res;

	if (!(regs + irqs))
		return 0;
	pdev->resource = kcalloc(regs + irqs, sizeof(*pdev->resource), GFP_KERNEL);
	if (!pdev->resource)
		return -ENOMEM;
	res = pdev->resource;
	for (unsigned int i = 0; i < regs; i++) {
		struct berth_range range;

		if (berth_of_address(node, i, &range))
			break;
		res->start = range.base;
		res->end = range.base + range.size - 1;
		of_property_read_string_index(node, "reg-names", (int)i, &res->name);
		res->flags = IORESOURCE_MEM;
		res++;
	}
	for (unsigned int i = 0; i < irqs; i++) {
		res->start = res->end = (resource_size_t)of_irq_get(node, (int)i);
		of_property_read_string_index(node, "interrupt-names", (int)i, &res->name);
		res->flags = IORESOURCE_IRQ;
		res++;
	}
	pdev->num_resources = (uint32_t)(res - pdev->resource);
	return 0;
}

/* A device that is to see one pool only sees no memory at all if that cannot be had. */
static int set_restricted(struct device *dev, const struct device_node *node)
{
	const struct berth_reserved *res = berth_of_restricted(node);
	struct bounce_pool *pool;

	if (!res)
		return 0;
	pool = res->is_placed ? berth_swiotlb_restricted(res->base, res->size) : NULL;
	if (!pool)
		return res->is_placed ? berth_last_error()->code : -ENOMEM;
	berth_swiotlb_attach(dev, pool);
	return 0;
}

/* What the tree says about the device's way to memory. */
static int set_limits(struct device *dev, struct device_node *node)
{
	struct berth_dma_window windows[BERTH_MAX_DMA_WINDOWS];
	const char *type;
	bool is_host = !of_property_read_string(node, "device_type", &type) &&
		       !berth_strcmp(type, "pci");
	int count;

	berth_device_set_coherent(dev, of_dma_is_coherent(node));
	/* A PCI host's own dma-ranges are those of the devices behind it. */
	count = berth_of_dma_windows(is_host ? node : berth_of_dma_parent(node), windows,
				     BERTH_MAX_DMA_WINDOWS);
	if (count < 0)
		return count;
	count = berth_device_set_windows(dev, windows, (unsigned int)count);
	if (count)
		return count;
	/* As on Linux, where it is the driver's business to ask, and to do without. */
	if (berth_of_set_region(dev, node))
		dev_warn(dev, "its memory-region cannot be used: %s\n",
			 berth_error_name(berth_last_error()->code));
	return set_restricted(dev, node);
}

static void free_device(struct device *dev)
{
	struct platform_device *pdev = to_platform_device(dev);

	if (dev->of_node)
		berth_node_set_device(dev->of_node, NULL);
	kfree(pdev->resource);
	kfree(pdev);
}

static int create(struct device_node *node, struct device *parent)
{
	struct platform_device *pdev = kzalloc(sizeof(*pdev), GFP_KERNEL);
	int err;

	if (!pdev)
		return -ENOMEM;
	err = fill_resources(pdev, node);
	if (!err)
		err = berth_device_add(&pdev->dev, berth_of_node_name(node));
	if (err) {
		kfree(pdev->resource);
		kfree(pdev);
		return err;
	}
	pdev->dev.parent = parent;
	pdev->dev.of_node = node;
	pdev->dev.release = free_device;
	pdev->name = dev_name(&pdev->dev);
	for (uint32_t i = 0; i < pdev->num_resources; i++)
		if (!pdev->resource[i].name)
			pdev->resource[i].name = pdev->name;
	berth_node_set_device(node, pdev);
	err = set_limits(&pdev->dev, node);
	if (err) {
		dev_err(&pdev->dev, "its way to memory cannot be followed: %s\n",
			berth_error_name(err));
		berth_dma_forbid(&pdev->dev);
	}
	return 0;
}

static bool is_bus(const struct device_node *node)
{
	static const char *const buses[] = { "simple-bus", "simple-mfd", "isa", "arm,amba-bus" };

	for (unsigned int i = 0; i < ARRAY_SIZE(buses); i++)
		if (of_device_is_compatible(node, buses[i]))
			return true;
	return false;
}

/* Whether all nodes from @node up to the root lead there: enabled, and buses but for the last. */
static bool is_reachable(const struct device_node *node)
{
	if (!of_device_is_available(node))
		return false;
	for (node = of_get_parent(node); of_get_parent(node); node = of_get_parent(node))
		if (!of_device_is_available(node) || !is_bus(node))
			return false;
	return true;
}

int berth_platform_populate(void)
{
	struct device_node *node = berth_of_root();

	while ((node = of_find_all_nodes(node))) {
		struct platform_device *parent;
		int err;

		if (!of_property_read_bool(node, "compatible") || !is_reachable(node))
			continue;
		parent = berth_node_device(of_get_parent(node));
		err = create(node, parent ? &parent->dev : NULL);
		if (err)
			return err;
	}
	return 0;
}

bool berth_platform_any_noncoherent(void)
{
	const struct device *dev = berth_device_first();

	while (dev && dev_is_dma_coherent(dev))
		dev = berth_device_next(dev);
	return dev != NULL;
}

static const struct platform_driver *driver_of(const struct device *dev)
{
	return (const struct platform_driver *)(const void *)((const char *)dev->driver -
							      offsetof(struct platform_driver,
								       driver));
}

static int call_probe(struct device *dev)
{
	int err = berth_iommu_before_probe(dev);

	return err ? err : driver_of(dev)->probe(to_platform_device(dev));
}

static void call_remove(struct device *dev)
{
	if (driver_of(dev)->remove)
		driver_of(dev)->remove(to_platform_device(dev));
}

void berth_report_probe(const struct device *dev, const char *driver, int err)
{
	char why[160] = "";
	struct berth_error *error;

	if (berth_last_error()->code)
		berth_error_text(NULL, why, sizeof(why));
	dev_err(dev, "%s: probe failed: %s%s%s\n", driver, berth_error_name(err),
		why[0] ? ": " : "", why);
	error = berth_error_set(err, BERTH_REASON_DRIVER, dev_name(dev));
	berth_strlcpy(error->holder, driver, sizeof(error->holder));
}

/* Try the drivers on one device. With @is_last_try a driver that wants to wait has failed. */
static void try_bind(struct device *dev, const struct berth_driver *drivers, bool is_last_try)
{
	dev->p->is_deferred = berth_iommu_configure(dev, is_last_try) != 0;
	if (dev->p->is_deferred)
		return;
	for (; drivers && (drivers->platform || drivers->pci); drivers++) {
		const struct platform_driver *driver = drivers->platform;
		const struct of_device_id *match;
		int err;

		match = driver ? of_match_node(driver->driver.of_match_table, dev->of_node) : NULL;
		if (!match)
			continue;
		dev->p->match_data = match->data;
		err = berth_driver_bind(dev, &driver->driver, call_probe, call_remove);
		if (!err)
			return;
		dev->p->match_data = NULL;
		if (err == -EPROBE_DEFER && !is_last_try) {
			dev->p->is_deferred = true;
			return;
		}
		berth_report_probe(dev, driver->driver.name, err);
	}
}

/* Try the devices that wait for others; how many still do. */
static unsigned int bind_deferred(const struct berth_driver *drivers, bool is_last_try)
{
	unsigned int left = 0;

	for (struct device_node *node = berth_of_root(); node; node = of_find_all_nodes(node)) {
		struct platform_device *pdev = berth_node_device(node);

		if (!pdev || !pdev->dev.p->is_deferred)
			continue;
		try_bind(&pdev->dev, drivers, is_last_try);
		left += pdev->dev.p->is_deferred;
	}
	return left;
}

/* Devices in the order of the tree; those that wait for others again, while that gets on. */
void berth_platform_bind(const struct berth_driver *drivers)
{
	unsigned int left = UINT_MAX, before;

	for (struct device_node *node = berth_of_root(); node; node = of_find_all_nodes(node))
		if (berth_node_device(node))
			try_bind(&berth_node_device(node)->dev, drivers, false);
	do {
		before = left;
		left = bind_deferred(drivers, false);
	} while (left && left < before);
	bind_deferred(drivers, true);
}

void berth_platform_remove_all(void)
{
	while (berth_device_first())
		berth_device_del(berth_device_first());
}

struct resource *platform_get_resource(struct platform_device *pdev, unsigned int type,
				       unsigned int index)
{
	for (uint32_t i = 0; i < pdev->num_resources; i++)
		if ((pdev->resource[i].flags & type) && index-- == 0)
			return &pdev->resource[i];
	return NULL;
}

int platform_get_irq(struct platform_device *pdev, unsigned int index)
{
	struct resource *res = platform_get_resource(pdev, IORESOURCE_IRQ, index);

	return res ? (int)res->start : berth_fail_at(-ENXIO, BERTH_REASON_IRQ, pdev->name, index);
}

static void unmap(void *cookie)
{
	iounmap(cookie);
}

void __iomem *devm_platform_ioremap_resource(struct platform_device *pdev, unsigned int index)
{
	struct resource *res = platform_get_resource(pdev, IORESOURCE_MEM, index);
	void __iomem *cookie;

	if (!res) {
		berth_fail_at(-EINVAL, BERTH_REASON_ARGUMENT, pdev->name, index);
		return ERR_PTR(-EINVAL);
	}
	cookie = ioremap(res->start, (size_t)resource_size(res));
	if (!cookie)
		return ERR_PTR(-ENOMEM);
	if (devm_add_action_or_reset(&pdev->dev, unmap, cookie))
		return ERR_PTR(-ENOMEM);
	return cookie;
}

struct platform_device *of_find_device_by_node(struct device_node *node)
{
	return node ? berth_node_device(node) : NULL;
}

const void *of_device_get_match_data(const struct device *dev)
{
	return dev->p ? dev->p->match_data : NULL;
}
