/* SPDX-License-Identifier: BSD-2-Clause */
#include <berth/errno.h>
#include <berth/slab.h>

#include "board/board.h"
#include "dma/buffers.h"
#include "dma/internal.h"
#include "iommu/internal.h"
#include "lib/device.h"
#include "lib/error.h"

int berth_device_add(struct device *dev, const char *name)
{
	struct device_private *p = kmalloc(sizeof(*p), GFP_KERNEL);

	if (!p)
		return -ENOMEM;
	berth_device_link(dev, p, name);
	berth_dma_init_limits(dev);
	return 0;
}

void berth_device_del(struct device *dev)
{
	struct device_private *p = dev->p;

	if (!p)
		return;
	berth_driver_unbind(dev);
	berth_iommu_release_device(dev);
	berth_bounce_gone(dev);
	berth_device_unlink(dev);
	berth_coherent_pool_leave(p);
	kfree(p);
	if (dev->release)
		dev->release(dev);
}

int device_register(struct device *dev, const char *name)
{
	if (!name || !*name || dev->p)
		return berth_fail(-EINVAL, BERTH_REASON_ARGUMENT, "device_register");
	if (!berth_running())
		return berth_fail(-EINVAL, BERTH_REASON_STATE, "berth is not running");
	return berth_device_add(dev, name);
}

void device_unregister(struct device *dev)
{
	berth_device_del(dev);
}
