/* SPDX-License-Identifier: BSD-2-Clause */
/* Addresses of a device that are not free for allocation. */
#include <berth/errno.h>
#include <berth/slab.h>

#include "iommu/internal.h"
#include "lib/device.h"
#include "lib/error.h"
#include "lib/string.h"

/* What an IOMMU may reserve for one device; what is more is told, and not reserved. */
#define MAX_OWN 8u

int berth_iommu_set_resv(struct device *dev, const struct iommu_resv_region *regions,
			 unsigned int count)
{
	struct dev_iommu *record = dev->p->iommu;
	struct iommu_resv_region *copy = NULL;

	if (!record)
		return berth_fail(-ENODEV, BERTH_REASON_NO_IOMMU, dev_name(dev));
	if (count) {
		copy = kmalloc(count * sizeof(*copy), GFP_KERNEL);
		if (!copy)
			return -ENOMEM;
		memcpy(copy, regions, count * sizeof(*copy));
	}
	kfree(record->resv);
	record->resv = copy;
	record->nr_resv = count;
	return 0;
}

/* The index-th of all, the tree's first. */
static const struct iommu_resv_region *nth(const struct dev_iommu *record,
					   const struct iommu_resv_region *own, unsigned int index)
{
	return index < record->nr_resv ? &record->resv[index] : &own[index - record->nr_resv];
}

static dma_addr_t last_of(const struct iommu_resv_region *region)
{
	return region->start + (region->length - 1);
}

/* The one that begins lowest at or behind @start, by type where they begin together. */
static const struct iommu_resv_region *lowest(const struct dev_iommu *record,
					      const struct iommu_resv_region *own,
					      unsigned int count,
					      const struct iommu_resv_region *after)
{
	const struct iommu_resv_region *best = NULL;

	for (unsigned int i = 0; i < count; i++) {
		const struct iommu_resv_region *one = nth(record, own, i);
		bool is_behind =
			!after || one->start > after->start ||
			(one->start == after->start &&
			 (one->type > after->type || (one->type == after->type && one > after)));

		if (one->length && is_behind &&
		    (!best || one->start < best->start ||
		     (one->start == best->start &&
		      (one->type < best->type || (one->type == best->type && one < best)))))
			best = one;
	}
	return best;
}

/* Whether one of a type continues the other, or lies in it; @one begins no later. */
static bool meets(const struct iommu_resv_region *one, const struct iommu_resv_region *next)
{
	return one->type == next->type && one->prot == next->prot &&
	       (next->start <= last_of(one) || next->start - 1 == last_of(one));
}

unsigned int iommu_get_resv_regions(struct device *dev, struct iommu_resv_region *regions,
				    unsigned int max)
{
	const struct dev_iommu *record = dev->p ? dev->p->iommu : NULL;
	const struct iommu_resv_region *one = NULL;
	struct iommu_resv_region own[MAX_OWN], merged = { 0 };
	unsigned int nr_own = 0, nr = 0;

	if (!record)
		return 0;
	if (record->iommu->ops->resv_regions)
		nr_own = record->iommu->ops->resv_regions(record->iommu, dev, own, MAX_OWN);
	if (nr_own > MAX_OWN)
		nr_own = MAX_OWN;
	while ((one = lowest(record, own, record->nr_resv + nr_own, one))) {
		if (merged.length && meets(&merged, one)) {
			if (last_of(one) > last_of(&merged))
				merged.length = last_of(one) - merged.start + 1;
			continue;
		}
		if (merged.length && nr++ < max)
			regions[nr - 1] = merged;
		merged = *one;
	}
	if (merged.length && nr++ < max)
		regions[nr - 1] = merged;
	return nr;
}
