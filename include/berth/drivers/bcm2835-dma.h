/* SPDX-License-Identifier: BSD-2-Clause */
/**
 * DOC: bcm2835-dma - driver of the DMA controller of the Raspberry Pi 0 to 3 (BCM2835 and kin)
 *
 * "brcm,bcm2835-dma": up to 15 channels, for dmaengine.h. The cell of a dmas entry is the DREQ line of
 * the peripheral. docs/bcm2835-dma.md says what it does.
 */
#ifndef BERTH_DRIVERS_BCM2835_DMA_H
#define BERTH_DRIVERS_BCM2835_DMA_H

#include <berth/platform_device.h>

#include <berth/names.h>

BERTH_BEGIN_DECLS

extern const struct platform_driver berth_bcm2835_dma_driver;

BERTH_END_DECLS

#ifdef BERTH_NO_SHORT_NAMES
#include <berth/names-off.h>
#endif
#endif
