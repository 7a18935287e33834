/* SPDX-License-Identifier: BSD-2-Clause */
/**
 * DOC: zynqmp-zdma - driver of the general-purpose DMA of Zynq UltraScale+ and Versal (ZDMA)
 *
 * "xlnx,zynqmp-dma-1.0": one channel per node, for dmaengine.h. docs/zdma.md says what it does.
 */
#ifndef BERTH_DRIVERS_ZYNQMP_ZDMA_H
#define BERTH_DRIVERS_ZYNQMP_ZDMA_H

#include <berth/device.h>
#include <berth/platform_device.h>

#include <berth/names.h>

BERTH_BEGIN_DECLS

extern const struct platform_driver berth_zdma_driver;

/**
 * enum berth_zdma_mode - how a channel hands its work to the hardware
 * @BERTH_ZDMA_AUTO: one run of bytes from registers, several by linear descriptors
 * @BERTH_ZDMA_SIMPLE: always from registers: an interrupt for each run
 * @BERTH_ZDMA_LINEAR: arrays of descriptors; the last of each array leads to the next one
 * @BERTH_ZDMA_LINKED: each descriptor leads to the next one
 */
enum berth_zdma_mode {
	BERTH_ZDMA_AUTO,
	BERTH_ZDMA_SIMPLE,
	BERTH_ZDMA_LINEAR,
	BERTH_ZDMA_LINKED,
};

/**
 * berth_zdma_set_mode() - choose how copies are handed to the hardware
 * @dev: a device that this driver has bound
 * @mode: for the copies that are prepared afterwards
 *
 * For tests and for comparing: the result is the same. What is done for a peripheral, and memset, is
 * always done from registers, since the hardware has neither in its lists. Any context. Return: 0,
 * -ENODEV (the driver is not bound), -EINVAL (no such mode).
 */
int berth_zdma_set_mode(struct device *dev, enum berth_zdma_mode mode);

BERTH_END_DECLS

#ifdef BERTH_NO_SHORT_NAMES
#include <berth/names-off.h>
#endif
#endif
