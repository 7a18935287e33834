/* SPDX-License-Identifier: BSD-2-Clause */
/**
 * DOC: dma - all drivers of DMA controllers, for programs that run on any board
 */
#ifndef BERTH_DRIVERS_DMA_H
#define BERTH_DRIVERS_DMA_H

#include <berth/berth.h>

BERTH_BEGIN_DECLS

/* For berth_start(): every driver of a DMA controller, and of the IOMMUs that may be in front of one. */
extern const struct berth_driver berth_dma_drivers[];

BERTH_END_DECLS

#endif
