/* SPDX-License-Identifier: BSD-2-Clause */
/**
 * DOC: device - struct device and what it can reach (linux/device.h)
 *
 * A device's limits are one record, this one: every back end of the DMA API reads it and nobody
 * keeps a copy. The fields that inline functions read are public and their layout is part of
 * berth's ABI; they are changed by setters only.
 */
#ifndef BERTH_DEVICE_H
#define BERTH_DEVICE_H

#include <berth/gfp.h>
#include <berth/types.h>

#include <berth/names.h>

BERTH_BEGIN_DECLS

struct device_node;
struct device_driver;
struct device_private;
struct cma;

/**
 * enum berth_dma_backend - how the DMA API serves a device
 */
enum berth_dma_backend {
	BERTH_DMA_NONE, /* the device does no DMA */
	BERTH_DMA_DIRECT, /* bus window arithmetic */
	BERTH_DMA_IOMMU, /* addresses of an IOMMU's domain */
};

#define BERTH_DEVICE_COHERENT 0x1u /* sees the CPU's caches: no cache maintenance */
#define BERTH_DEVICE_BOUNCE 0x2u /* every streaming mapping is bounced */
#define BERTH_DEVICE_MAY_BOUNCE 0x4u /* some may have to be */

/**
 * struct device - a device, and what it can reach
 * @map_base: CPU address where the range of the fast path starts
 * @map_span: its bytes; 0: every mapping takes the long way
 * @map_offset: what turns a CPU address of that range into a DMA address
 * @unmap_span: @map_span, or 0 where a DMA address of that range may be a bounce buffer's
 * @dma_mask: highest address of streaming mappings, as the driver said; 0: no DMA
 * @coherent_dma_mask: the same for coherent memory
 * @bus_dma_limit: highest bus address that the interconnect carries; 0: no limit
 * @segment_boundary_mask: no DMA segment crosses a multiple of this + 1
 * @max_segment_size: bytes of the longest DMA segment
 * @min_align_mask: low address bits that a bounce or an IOMMU must preserve
 * @flags: BERTH_DEVICE_*
 * @line_shift: log2 of the cache line that maintenance works on
 * @backend: an enum berth_dma_backend
 * @max_segments: pieces of a shared buffer that the device takes; 0: any number
 * @parent: the device this one sits on, or NULL
 * @of_node: its node in the device tree, or NULL
 * @driver: the driver that is bound to it, or NULL
 * @driver_data: the driver's own, see dev_set_drvdata()
 * @release: called when a device registered by the program goes; may be NULL
 * @p: berth's own
 *
 * A buffer wholly inside [map_base, map_base + map_span) is reachable and needs no work at all; the
 * four map fields follow from all the others.
 */
struct device {
	uintptr_t map_base;
	uint64_t map_span;
	uint64_t map_offset;
	uint64_t unmap_span;
	uint64_t dma_mask;
	uint64_t coherent_dma_mask;
	uint64_t bus_dma_limit;
	uint64_t segment_boundary_mask;
	uint32_t max_segment_size;
	uint32_t min_align_mask;
	uint32_t flags;
	uint8_t line_shift;
	uint8_t backend;
	uint16_t max_segments;
	struct device *parent;
	struct device_node *of_node;
	const struct device_driver *driver;
	void *driver_data;
	void (*release)(struct device *dev);
	struct device_private *p;
};

/**
 * struct of_device_id - one device that a driver serves (linux/mod_devicetable.h)
 * @compatible: the node's compatible string; "" ends a table
 * @data: the driver's own
 */
struct of_device_id {
	char compatible[64];
	const void *data;
};

/**
 * struct device_driver - what all drivers have
 * @name: for reports
 * @of_match_table: devices it serves; ends with an empty entry
 */
struct device_driver {
	const char *name;
	const struct of_device_id *of_match_table;
};

/**
 * struct berth_dma_window - a part of a bus that leads to memory (an entry of dma-ranges)
 * @cpu: physical address
 * @bus: the same place as devices of that bus see it
 * @size: bytes
 */
struct berth_dma_window {
	phys_addr_t cpu;
	dma_addr_t bus;
	uint64_t size;
};

#define BERTH_MAX_DMA_WINDOWS 8

/**
 * device_register() - make a device of the program's own known
 * @dev: zeroed but for @parent, @of_node and @release
 * @name: copied; what dev_name() says
 *
 * For devices that no tree describes. It starts with 32-bit masks, coherent if its parent is (or
 * if it has none), one to one windows. May sleep. Return: 0, -ENOMEM, -EINVAL. The memory of @dev
 * stays the caller's; it must outlive device_unregister().
 */
int device_register(struct device *dev, const char *name);

/** device_unregister() - forget a device; its managed resources are released first. May sleep. */
void device_unregister(struct device *dev);

/** dev_name() - a device's name: its node's full name, or what it was registered with. */
const char *dev_name(const struct device *dev);

/** dev_set_drvdata() - remember something for the driver */
static inline void dev_set_drvdata(struct device *dev, void *data)
{
	dev->driver_data = data;
}

/** dev_get_drvdata() - what dev_set_drvdata() remembered; NULL when no driver is bound */
static inline void *dev_get_drvdata(const struct device *dev)
{
	return dev->driver_data;
}

/**
 * berth_device_set_windows() - what the device's bus reaches
 * @dev: a device with no live mapping
 * @windows: in order of preference; copied, those that continue each other as one
 * @count: 0 to BERTH_MAX_DMA_WINDOWS; 0 means one to one
 *
 * The board does this from dma-ranges. May sleep. Return: 0, -EINVAL (ARGUMENT: empty or wrapping
 * window), -ENOMEM.
 */
int berth_device_set_windows(struct device *dev, const struct berth_dma_window *windows,
			     unsigned int count);

/** berth_device_windows() - the windows of a device; *@count is 0 when it is one to one. */
const struct berth_dma_window *berth_device_windows(const struct device *dev, unsigned int *count);

/** berth_device_set_coherent() - whether the device sees the CPU's caches; no live mapping. */
void berth_device_set_coherent(struct device *dev, bool coherent);

/** dev_is_dma_coherent() - whether the device sees the CPU's caches. Any context. */
static inline bool dev_is_dma_coherent(const struct device *dev)
{
	return (dev->flags & BERTH_DEVICE_COHERENT) != 0;
}

/** berth_device_set_cma() - the area for this device's contiguous memory; NULL for the default. */
void berth_device_set_cma(struct device *dev, struct cma *cma);

/** berth_device_cma() - the area that serves this device; NULL if there is none. */
struct cma *berth_device_cma(const struct device *dev);

/**
 * devm_kmalloc() - kmalloc() that is freed when the driver is unbound
 *
 * Managed resources are released in reverse order after remove() has returned, or after a probe
 * that failed. May sleep. Return: as kmalloc().
 */
void *devm_kmalloc(struct device *dev, size_t size, gfp_t gfp);

/** devm_kzalloc() - devm_kmalloc() filled with zeroes. */
static inline void *devm_kzalloc(struct device *dev, size_t size, gfp_t gfp)
{
	return devm_kmalloc(dev, size, gfp | __GFP_ZERO);
}

/** devm_add_action_or_reset() - call @action(@data) at unbind, or now if that fails. */
int BERTH_MUST_CHECK devm_add_action_or_reset(struct device *dev, void (*action)(void *),
					      void *data);

/**
 * dev_err() - a line on the console with the device's name in front; the newline is the caller's
 *
 * Formats as snprintf() without floating point. Any context.
 */
void dev_err(const struct device *dev, const char *format, ...) BERTH_PRINTF(2, 3);

/** dev_warn() - as dev_err() */
void dev_warn(const struct device *dev, const char *format, ...) BERTH_PRINTF(2, 3);

/** dev_info() - as dev_err(), only if the program asked for it (struct berth_options) */
void dev_info(const struct device *dev, const char *format, ...) BERTH_PRINTF(2, 3);

BERTH_END_DECLS

#ifdef BERTH_NO_SHORT_NAMES
#include <berth/names-off.h>
#endif
#endif
