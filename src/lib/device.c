/* SPDX-License-Identifier: BSD-2-Clause */
#include <stdarg.h>

#include <berth/errno.h>
#include <berth/port.h>

#include "lib/device.h"
#include "lib/error.h"
#include "lib/printk.h"
#include "lib/start.h"
#include "lib/string.h"

/*
 * Devices come and go while berth starts and stops, and in the calls of one thread that registers
 * its own: device_register() is not to be called in parallel, so the lists have no lock.
 */
static struct device *devices;
static struct device *bound;

bool berth_verbose;

void berth_device_link(struct device *dev, struct device_private *p, const char *name)
{
	memset(p, 0, sizeof(*p));
	berth_strlcpy(p->name, name, sizeof(p->name));
	dev->p = p;
	p->next = devices;
	devices = dev;
}

struct device *berth_device_first(void)
{
	return devices;
}

struct device *berth_device_next(const struct device *dev)
{
	return dev->p->next;
}

const char *dev_name(const struct device *dev)
{
	return dev && dev->p ? dev->p->name : "(no device)";
}

void berth_devres_add(struct device *dev, struct devres *res)
{
	unsigned long flags;

	spin_lock_irqsave(&dev->p->devres_lock, flags);
	res->next = dev->p->devres;
	dev->p->devres = res;
	spin_unlock_irqrestore(&dev->p->devres_lock, flags);
}

static bool any_resource(const struct devres *res, const void *data)
{
	(void)data;
	return res != NULL;
}

struct devres *berth_devres_find(struct device *dev,
				 bool (*match)(const struct devres *res, const void *data),
				 const void *data)
{
	struct devres *res;
	unsigned long flags;

	spin_lock_irqsave(&dev->p->devres_lock, flags);
	res = dev->p->devres;
	while (res && !match(res, data))
		res = res->next;
	spin_unlock_irqrestore(&dev->p->devres_lock, flags);
	return res;
}

void berth_devres_remove(struct device *dev, struct devres *res)
{
	struct devres **at = &dev->p->devres;
	unsigned long flags;

	spin_lock_irqsave(&dev->p->devres_lock, flags);
	while (*at && *at != res)
		at = &(*at)->next;
	if (*at)
		*at = res->next;
	spin_unlock_irqrestore(&dev->p->devres_lock, flags);
}

static void release_resources(struct device *dev)
{
	struct devres *res;

	while ((res = berth_devres_find(dev, any_resource, NULL)) != NULL) {
		berth_devres_remove(dev, res);
		res->action(res->data);
	}
}

int berth_driver_bind(struct device *dev, const struct device_driver *driver,
		      int (*probe)(struct device *dev), void (*remove)(struct device *dev))
{
	const struct berth_error before = *berth_last_error();
	int err;

	if (dev->driver)
		return berth_fail(-EBUSY, BERTH_REASON_STATE, dev_name(dev));
	berth_clear_error();
	dev->driver = driver;
	err = probe(dev);
	/* One that goes well leaves the failure of another one, or of one behind it, as it was. */
	if (!err && berth_last_error()->reason != BERTH_REASON_DRIVER)
		*berth_port_error() = before;
	if (err) {
		release_resources(dev);
		if (berth_driver_gone)
			berth_driver_gone(dev);
		dev->driver = NULL;
		dev->driver_data = NULL;
		return err;
	}
	dev->p->remove = remove;
	dev->p->next_bound = bound;
	bound = dev;
	return 0;
}

void (*berth_driver_gone)(const struct device *dev);

void berth_driver_unbind(struct device *dev)
{
	struct device **at = &bound;

	if (!dev->driver)
		return;
	if (dev->p->remove)
		dev->p->remove(dev);
	release_resources(dev);
	if (berth_driver_gone)
		berth_driver_gone(dev);
	while (*at && *at != dev)
		at = &(*at)->p->next_bound;
	if (*at)
		*at = dev->p->next_bound;
	dev->driver = NULL;
	dev->driver_data = NULL;
	dev->p->remove = NULL;
	dev->p->match_data = NULL;
}

void berth_device_unlink(struct device *dev)
{
	struct device **at = &devices;

	berth_driver_unbind(dev);
	release_resources(dev);
	if (berth_driver_gone)
		berth_driver_gone(dev);
	while (*at && *at != dev)
		at = &(*at)->p->next;
	if (*at)
		*at = dev->p->next;
	dev->p = NULL;
}

void berth_driver_unbind_all(void)
{
	while (bound)
		berth_driver_unbind(bound);
}

void berth_devices_reset(void)
{
	devices = NULL;
	bound = NULL;
}

static void print_line(const struct device *dev, const char *level, const char *format,
		       va_list args)
{
	char line[200];

	berth_vsnprintf(line, sizeof(line), format, args);
	berth_printk("%s: %s%s", dev_name(dev), level, line);
}

void dev_err(const struct device *dev, const char *format, ...)
{
	va_list args;

	va_start(args, format);
	print_line(dev, "error: ", format, args);
	va_end(args);
}

void dev_warn(const struct device *dev, const char *format, ...)
{
	va_list args;

	va_start(args, format);
	print_line(dev, "warning: ", format, args);
	va_end(args);
}

void dev_info(const struct device *dev, const char *format, ...)
{
	va_list args;

	if (!berth_verbose)
		return;
	va_start(args, format);
	print_line(dev, "", format, args);
	va_end(args);
}
