/* SPDX-License-Identifier: BSD-2-Clause */
/* How a device is held to what was mapped for it, chosen by call. */
#include <berth/iommu.h>

#include "dma/internal.h"
#include "dma/iommu.h"
#include "lib/device.h"
#include "lib/error.h"

static unsigned int domain_type(enum berth_protection protection)
{
	switch (protection) {
	case BERTH_PROTECT_PASSTHROUGH:
		return IOMMU_DOMAIN_IDENTITY;
	case BERTH_PROTECT_LAZY:
		return IOMMU_DOMAIN_DMA_FQ;
	default:
		return IOMMU_DOMAIN_DMA;
	}
}

/* Another default domain, and the DMA API over it. */
static int change(struct device *dev, enum berth_protection protection)
{
	int err = berth_iommu_set_default(dev, domain_type(protection));

	if (err)
		return err;
	dev->p->iommu->protection = protection;
	return berth_dma_iommu_setup(dev);
}

static int check(struct device *dev, enum berth_protection protection)
{
	struct dev_iommu *record = dev->p ? dev->p->iommu : NULL;

	if (!record)
		return berth_fail(-ENODEV, BERTH_REASON_NO_IOMMU, dev_name(dev));
	if ((unsigned int)protection > BERTH_PROTECT_SHADOW ||
	    (dev->p->is_untrusted && protection < BERTH_PROTECT_STRICT))
		return berth_fail_at(-EINVAL, BERTH_REASON_ARGUMENT, "protection",
				     (uint64_t)protection);
	if (record->group->first->next)
		return berth_fail(-EINVAL, BERTH_REASON_GROUP, dev_name(dev));
	if (record->group->owner || record->group->domain != record->group->default_domain)
		return berth_fail(-EBUSY, BERTH_REASON_OWNED, dev_name(dev));
	if (berth_dma_iommu_is_busy(dev))
		return berth_fail(-EBUSY, BERTH_REASON_STATE, "something is mapped");
	return 0;
}

int berth_device_set_protection(struct device *dev, enum berth_protection protection)
{
	enum berth_protection old = berth_device_protection(dev);
	int err = check(dev, protection);

	if (err || protection == old)
		return err;
	berth_dma_iommu_teardown(dev);
	err = change(dev, protection);
	if (err) {
		const struct berth_error why = *berth_last_error();

		berth_dma_iommu_teardown(dev);
		if (change(dev, old))
			dev_err(dev,
				"does no DMA: the protection of before cannot be had either\n");
		*berth_port_error() = why;
	}
	return err;
}
