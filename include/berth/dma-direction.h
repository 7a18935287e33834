/* SPDX-License-Identifier: BSD-2-Clause */
/**
 * DOC: dma-direction - which way the data goes (linux/dma-direction.h)
 */
#ifndef BERTH_DMA_DIRECTION_H
#define BERTH_DMA_DIRECTION_H

#include <berth/types.h>

#include <berth/names.h>

/**
 * enum dma_data_direction - seen from memory
 * @DMA_BIDIRECTIONAL: the device reads and writes
 * @DMA_TO_DEVICE: the device reads
 * @DMA_FROM_DEVICE: the device writes
 * @DMA_NONE: for debugging; every mapping with it is refused
 */
enum dma_data_direction {
	DMA_BIDIRECTIONAL = 0,
	DMA_TO_DEVICE = 1,
	DMA_FROM_DEVICE = 2,
	DMA_NONE = 3,
};

/** valid_dma_direction() - whether a mapping may have this direction */
static inline bool valid_dma_direction(enum dma_data_direction direction)
{
	return direction == DMA_BIDIRECTIONAL || direction == DMA_TO_DEVICE ||
	       direction == DMA_FROM_DEVICE;
}

#ifdef BERTH_NO_SHORT_NAMES
#include <berth/names-off.h>
#endif
#endif
