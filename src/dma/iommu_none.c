/* SPDX-License-Identifier: BSD-2-Clause */
#include "dma/internal.h"

int berth_dma_iommu_setup(struct device *dev)
{
	berth_dma_forbid(dev);
	return 0;
}

void berth_dma_iommu_teardown(struct device *dev)
{
	berth_dma_forbid(dev);
}
