/* SPDX-License-Identifier: BSD-2-Clause */
/**
 * DOC: swiotlb - bounce buffers (linux/swiotlb.h, Documentation/core-api/swiotlb.rst)
 *
 * Memory that a device does not reach is mapped through memory that it does: a slot of a pool, with
 * copies by the CPU. The DMA API does this by itself, and only where it must. Each pool is slots of
 * 2 KiB; a mapping has at most 256 KiB, less what an alignment costs (dma_max_mapping_size()).
 *
 * The boot argument swiotlb=[SLOTS[,AREAS]][,force|noforce] says how large the pool is that is there
 * from the start, how many locks it has, and whether everything or nothing is bounced. Without it
 * there is one where RAM lies above 4 GiB: 64 MiB, but no more than a sixteenth of RAM. More pools
 * are added in reach of a device that finds no slot. A device whose memory-region is a
 * restricted-dma-pool uses that alone, for all its mappings and its coherent memory.
 */
#ifndef BERTH_SWIOTLB_H
#define BERTH_SWIOTLB_H

#include <berth/device.h>
#include <berth/types.h>

#include <berth/names.h>

BERTH_BEGIN_DECLS

/**
 * struct berth_swiotlb_info - what is bounced
 * @bytes: of the pools
 * @used: of them, in whole slots
 * @nr_pools: how many
 * @nr_maps: mappings that were bounced
 * @bytes_in: copied to devices
 * @bytes_out: copied from them
 * @nr_full: mappings for which no slot was free
 */
struct berth_swiotlb_info {
	uint64_t bytes;
	uint64_t used;
	unsigned int nr_pools;
	uint64_t nr_maps;
	uint64_t bytes_in;
	uint64_t bytes_out;
	uint64_t nr_full;
};

/**
 * berth_swiotlb_info() - figures of the bounce buffers
 * @dev: its own pool and its own mappings (what was copied is counted for all), or NULL: what all
 *	devices share, and all devices' mappings
 * @info: where they go
 *
 * Any context in which no device is registered or unregistered.
 */
void berth_swiotlb_info(const struct device *dev, struct berth_swiotlb_info *info);

BERTH_END_DECLS

#ifdef BERTH_NO_SHORT_NAMES
#include <berth/names-off.h>
#endif
#endif
