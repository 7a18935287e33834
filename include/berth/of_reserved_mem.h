/* SPDX-License-Identifier: BSD-2-Clause */
/**
 * DOC: of_reserved_mem - the areas that memory-region gives to a device (linux/of_reserved_mem.h)
 *
 * A device may have several contiguous areas, one for each kind of buffer:
 *
 *   memory-region = <&frames>, <&statistics>;
 *   memory-region-names = "frames", "statistics";
 *
 * The first that is an area serves the device by itself. For the others there are two ways: ask for
 * the area of a kind and allocate there, or, as Linux has it, give each kind a device of its own, a
 * child that is assigned an area, and use the DMA API with that.
 */
#ifndef BERTH_OF_RESERVED_MEM_H
#define BERTH_OF_RESERVED_MEM_H

#include <berth/cma.h>
#include <berth/device.h>
#include <berth/of.h>

#include <berth/names.h>

BERTH_BEGIN_DECLS

/**
 * of_reserved_mem_device_init_by_idx() - let an area serve a device
 * @dev: the device
 * @np: the node whose memory-region counts; that of @dev, or of its parent
 * @idx: which entry of memory-region, from 0
 *
 * Takes the place of the area that served the device before; what came from that one is freed as
 * ever. Any context. Return: 0; -ENODEV (RESERVED) if there is no such entry or it leads to no
 * enabled node; -EINVAL if that is not a contiguous area (RESERVED), or without @dev or @np
 * (ARGUMENT).
 */
int of_reserved_mem_device_init_by_idx(struct device *dev, struct device_node *np, int idx);

/**
 * of_reserved_mem_device_init_by_name() - the same, by the entry's name in memory-region-names
 *
 * Return: as by index; -EINVAL (RESERVED) if no entry has that name.
 */
int of_reserved_mem_device_init_by_name(struct device *dev, struct device_node *np,
					const char *name);

/** of_reserved_mem_device_init() - the first entry of the device's own node. Return: as above. */
static inline int of_reserved_mem_device_init(struct device *dev)
{
	return of_reserved_mem_device_init_by_idx(dev, dev->of_node, 0);
}

/** of_reserved_mem_device_release() - the default area serves the device from now on. */
void of_reserved_mem_device_release(struct device *dev);

/**
 * berth_device_cma_of_kind() - the area for one kind of a device's buffers
 * @dev: the device; without a node of its own that of its next ancestor counts
 * @kind: its name in memory-region-names
 *
 * For cma_alloc() and what tells about an area. Any context. Return: the area, or NULL (RESERVED).
 */
struct cma *berth_device_cma_of_kind(const struct device *dev, const char *kind);

/**
 * berth_device_kind() - the kinds that a device has
 * @dev: the device; as above
 * @index: counts from 0
 * @area: where the area goes, or NULL
 *
 * Entries of memory-region that are no contiguous areas, or have no name, are left out. Any context.
 * Return: the name, valid until berth_stop(), or NULL behind the last one.
 */
const char *berth_device_kind(const struct device *dev, unsigned int index, struct cma **area);

BERTH_END_DECLS

#ifdef BERTH_NO_SHORT_NAMES
#include <berth/names-off.h>
#endif
#endif
