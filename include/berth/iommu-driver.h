/* SPDX-License-Identifier: BSD-2-Clause */
/**
 * DOC: iommu-driver - what a driver of an IOMMU provides (linux/iommu.h, struct iommu_ops)
 *
 * A driver registers each IOMMU that it has found. berth then calls it: once per device, per domain,
 * and with whole requests: a run of pages to map or to unmap, one synchronisation at the end. Tables
 * that the hardware walks, requests in a queue, and calls to another system all fit.
 */
#ifndef BERTH_IOMMU_DRIVER_H
#define BERTH_IOMMU_DRIVER_H

#include <berth/iommu.h>
#include <berth/io-pgtable.h>
#include <berth/spinlock.h>
#include <berth/types.h>

#include <berth/names.h>

BERTH_BEGIN_DECLS

struct iommu_device;

/**
 * struct iommu_domain_ops - what a driver does with a domain of its
 * @attach_dev: let a device see this domain, with all its ids, whatever it saw before; return when
 *	it does. One call at a time for each group. May sleep. 0 or a negative errno value with the
 *	reason, the device seeing what it saw before.
 * @map_pages: as in struct io_pgtable_ops
 * @unmap_pages: likewise
 * @iova_to_phys: likewise
 * @iotlb_sync_map: a request was mapped, all of it: for hardware that remembers what was not mapped,
 *	and for requests that wait in a queue. 0, or a negative errno value: it will be unmapped.
 * @iotlb_sync: return when what was gathered is forgotten; a gather that is empty (@pgsize 0) may
 *	still mean requests in a queue
 * @flush_iotlb_all: return when all of the domain is forgotten
 * @free: the end; nothing is attached
 *
 * map_pages() to flush_iotlb_all() are called in any context and by several at once, for ranges that
 * do not meet. A domain with @tables set needs no map_pages(), unmap_pages() and iova_to_phys(): those
 * of the tables are called. iotlb_sync_map() may be NULL.
 */
struct iommu_domain_ops {
	int (*attach_dev)(struct iommu_domain *domain, struct device *dev);
	int (*map_pages)(struct iommu_domain *domain, dma_addr_t iova, phys_addr_t paddr,
			 size_t pgsize, size_t pgcount, int prot, gfp_t gfp, size_t *mapped);
	size_t (*unmap_pages)(struct iommu_domain *domain, dma_addr_t iova, size_t pgsize,
			      size_t pgcount, struct iommu_iotlb_gather *gather);
	phys_addr_t (*iova_to_phys)(struct iommu_domain *domain, dma_addr_t iova);
	int (*iotlb_sync_map)(struct iommu_domain *domain, dma_addr_t iova, size_t size);
	void (*iotlb_sync)(struct iommu_domain *domain, struct iommu_iotlb_gather *gather);
	void (*flush_iotlb_all)(struct iommu_domain *domain);
	void (*free)(struct iommu_domain *domain);
};

/**
 * struct iommu_ops - what a driver does
 * @domain_alloc: a domain of IOMMU_DOMAIN_BLOCKED, IDENTITY or UNMANAGED (berth makes the others of
 *	the last one), inside a structure of the driver's; filled in: @ops, and of one with pages
 *	@pgsize_bitmap, @geometry, and @tables if it has some. BLOCKED and IDENTITY may be the same
 *	static one each time, with free() doing nothing. May sleep. NULL with the reason.
 * @probe_device: a device with ids of this IOMMU is there, see dev_iommu_ids(); dev_iommu_priv_set()
 *	keeps what the driver wants to remember. May sleep. 0, or a negative errno value with the
 *	reason (an id that is out of range, or one whose tables cannot be had): the device is refused.
 * @release_device: it goes, and has been attached to a blocked domain. Its ids are those that no other
 *	device has; there may be none. May be NULL.
 * @of_xlate: an entry of "iommus" becomes an id; NULL: its first argument, or 0 without one
 * @capable: see device_iommu_capable(); may be NULL
 * @resv_regions: ranges that this IOMMU keeps for itself for a device: fill in at most @max, return
 *	how many there are; may be NULL
 */
struct iommu_ops {
	struct iommu_domain *(*domain_alloc)(struct iommu_device *iommu, unsigned int type);
	int (*probe_device)(struct iommu_device *iommu, struct device *dev);
	void (*release_device)(struct iommu_device *iommu, struct device *dev);
	int (*of_xlate)(struct iommu_device *iommu, const uint32_t *args, unsigned int nr,
			uint32_t *id);
	bool (*capable)(struct iommu_device *iommu, enum iommu_cap cap);
	unsigned int (*resv_regions)(struct iommu_device *iommu, struct device *dev,
				     struct iommu_resv_region *regions, unsigned int max);
};

/**
 * struct iommu_domain - an address space; a driver has it inside a structure of its own
 * @ops: set by domain_alloc()
 * @tables: the page tables that the hardware walks; NULL: it has none
 * @pgsize_bitmap: sizes of pages and blocks; set by domain_alloc()
 * @geometry: likewise
 * @type: IOMMU_DOMAIN_*
 * @iommu: whose
 * @p: berth's own
 */
struct iommu_domain {
	const struct iommu_domain_ops *ops;
	struct io_pgtable_ops *tables;
	uint64_t pgsize_bitmap;
	struct iommu_domain_geometry geometry;
	unsigned int type;
	struct iommu_device *iommu;
	struct iommu_domain_private *p;
};

/**
 * struct iommu_device - an IOMMU; a driver has it inside a structure of its own
 * @ops: what its driver does
 * @dev: the IOMMU itself
 * @next: berth's own
 */
struct iommu_device {
	const struct iommu_ops *ops;
	struct device *dev;
	struct iommu_device *next;
};

/**
 * iommu_device_register() - an IOMMU is ready
 * @iommu: zeroed; the driver's until iommu_device_unregister()
 * @ops: what the driver does
 * @dev: its device; devices name @dev's node in "iommus" and "iommu-map"
 *
 * Devices that are there already but have no driver yet are probed when theirs is bound. May sleep.
 * Return: 0, -EINVAL, -EBUSY (STATE: the node has one).
 */
int iommu_device_register(struct iommu_device *iommu, const struct iommu_ops *ops,
			  struct device *dev);

/**
 * iommu_device_unregister() - it goes
 *
 * Drivers of devices behind it are unbound first; the devices do no DMA any more. May sleep.
 */
void iommu_device_unregister(struct iommu_device *iommu);

/** dev_iommu_ids() - the ids of a device, and their number; each once. Any context. */
const uint32_t *dev_iommu_ids(const struct device *dev, unsigned int *count);

/** dev_iommu_priv_set() - remember something for the IOMMU's driver. */
void dev_iommu_priv_set(struct device *dev, void *priv);

/** dev_iommu_priv_get() - what dev_iommu_priv_set() remembered. Any context. */
void *dev_iommu_priv_get(const struct device *dev);

/**
 * iommu_iotlb_gather_add_range() - a run of pages is to be forgotten
 * @gather: not queued
 * @iova: first address
 * @size: bytes
 *
 * For drivers whose hardware forgets ranges: grows the range that is gathered. Any context.
 */
static inline void iommu_iotlb_gather_add_range(struct iommu_iotlb_gather *gather, dma_addr_t iova,
						size_t size)
{
	if (iova < gather->start)
		gather->start = iova;
	if (iova + (size - 1) > gather->end)
		gather->end = iova + (size - 1);
}

/**
 * iommu_iotlb_gather_is_disjoint() - whether a run does not touch what is gathered
 *
 * Any context. Gathering it as well would let the range in between be forgotten for nothing.
 */
static inline bool iommu_iotlb_gather_is_disjoint(const struct iommu_iotlb_gather *gather,
						  dma_addr_t iova, size_t size)
{
	return gather->pgsize && (iova > gather->end + 1 || iova + size < gather->start);
}

/**
 * berth_iommu_report_fault() - an access was refused
 * @iommu: by whom
 * @id: the id that came with it
 * @address: where
 * @flags: IOMMU_FAULT_READ or IOMMU_FAULT_WRITE
 * @reason: why
 *
 * For each record of the hardware's: who else is told, and how often, is berth's business. Called
 * in interrupt context, by one at a time for each IOMMU. Linux: report_iommu_fault().
 */
void berth_iommu_report_fault(struct iommu_device *iommu, uint32_t id, dma_addr_t address,
			      int flags, enum berth_iommu_fault_reason reason);

/** berth_iommu_report_end() - the records that were there are reported: a run of equal ones ends. */
void berth_iommu_report_end(struct iommu_device *iommu);

BERTH_END_DECLS

#ifdef BERTH_NO_SHORT_NAMES
#include <berth/names-off.h>
#endif
#endif
