// SPDX-License-Identifier: BSD-2-Clause
/* The one table of drivers of DMA controllers. */
#include <berth/drivers/bcm2835-dma.h>
#include <berth/drivers/dma.h>
#include <berth/drivers/pl330.h>
#include <berth/drivers/sifive-pdma.h>
#include <berth/drivers/smmu-v3.h>
#include <berth/drivers/zynqmp-zdma.h>

const struct berth_driver berth_dma_drivers[] = {
	BERTH_PLATFORM_DRIVER(&berth_smmu_v3_driver),
	BERTH_PLATFORM_DRIVER(&berth_pl330_driver),
	BERTH_PLATFORM_DRIVER(&berth_pdma_driver),
	BERTH_PLATFORM_DRIVER(&berth_zdma_driver),
	BERTH_PLATFORM_DRIVER(&berth_bcm2835_dma_driver),
	BERTH_NO_MORE_DRIVERS,
};
