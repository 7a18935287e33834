/* SPDX-License-Identifier: BSD-2-Clause */
/**
 * DOC: virtio-iommu - an IOMMU of virtual machines (virtio specification 1.2, section 5.13)
 *
 * It has no tables: what is mapped is sent to it as requests. As a PCI function, by the modern
 * transport.
 */
#ifndef BERTH_DRIVERS_VIRTIO_IOMMU_H
#define BERTH_DRIVERS_VIRTIO_IOMMU_H

#include <berth/pci.h>
#include <berth/types.h>

BERTH_BEGIN_DECLS

#define BERTH_VIRTIO_IOMMU_VENDOR 0x1af4
#define BERTH_VIRTIO_IOMMU_DEVICE 0x1057

/* For the list of berth_start(). */
extern const struct pci_driver berth_virtio_iommu_driver;

/**
 * struct berth_virtio_iommu_counts - what it was asked
 * @requests: in all
 * @maps: of those, MAP
 * @unmaps: of those, UNMAP
 * @kicks: notifications: writes to a register
 * @faults: records of the event queue
 */
struct berth_virtio_iommu_counts {
	uint64_t requests;
	uint64_t maps;
	uint64_t unmaps;
	uint64_t kicks;
	uint64_t faults;
};

/** berth_virtio_iommu_counts() - of a function to which the driver is bound. Any context. */
void berth_virtio_iommu_counts(struct pci_dev *pdev, struct berth_virtio_iommu_counts *counts);

BERTH_END_DECLS

#endif
