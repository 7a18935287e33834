/* SPDX-License-Identifier: BSD-2-Clause */
/**
 * DOC: pl330 - driver of the Arm CoreLink DMA-330, "arm,pl330" in device trees
 *
 * Its channels are used through dmaengine.h; docs/pl330.md tells what they can do.
 */
#ifndef BERTH_DRIVERS_PL330_H
#define BERTH_DRIVERS_PL330_H

#include <berth/platform_device.h>

BERTH_BEGIN_DECLS

/* In a dmas entry instead of the number of a request line: the peripheral has none. */
#define BERTH_PL330_NO_REQUEST UINT32_MAX

/* For the list of berth_start(). */
extern const struct platform_driver berth_pl330_driver;

BERTH_END_DECLS

#endif
