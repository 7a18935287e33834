/* SPDX-License-Identifier: BSD-2-Clause */
/**
 * DOC: iommu - address spaces of devices (linux/iommu.h)
 *
 * A domain is an address space; devices are attached to it, in groups that the hardware cannot tell
 * apart. Drivers use the DMA API and meet none of this; who manages an address space of its own
 * does. Meaning: include/linux/iommu.h and the comments of drivers/iommu/iommu.c. Here are the bits
 * and kinds; the functions come with the IOMMU core.
 */
#ifndef BERTH_IOMMU_H
#define BERTH_IOMMU_H

#include <berth/device.h>
#include <berth/types.h>

#include <berth/names.h>

BERTH_BEGIN_DECLS

struct iommu_domain;
struct iommu_group;

/* What a mapping allows and how it behaves. */
#define IOMMU_READ 0x01
#define IOMMU_WRITE 0x02
#define IOMMU_CACHE 0x04 /* the device's accesses see the CPU's caches */
#define IOMMU_NOEXEC 0x08
#define IOMMU_MMIO 0x10 /* device registers, such as an MSI doorbell */
#define IOMMU_PRIV 0x20 /* for privileged accesses only */

/* What a device tried when it faulted. */
#define IOMMU_FAULT_READ 0x0
#define IOMMU_FAULT_WRITE 0x1

/* What domains are made of; drivers use the kinds below. */
#define __IOMMU_DOMAIN_PAGING 0x1u /* has page tables */
#define __IOMMU_DOMAIN_DMA_API 0x2u /* the DMA API manages its addresses */
#define __IOMMU_DOMAIN_PT 0x4u /* addresses pass as they are */
#define __IOMMU_DOMAIN_DMA_FQ 0x8u /* invalidates through a flush queue */

/* The kinds of domain. */
#define IOMMU_DOMAIN_BLOCKED 0x0u /* nothing is reachable */
#define IOMMU_DOMAIN_IDENTITY __IOMMU_DOMAIN_PT
#define IOMMU_DOMAIN_UNMANAGED __IOMMU_DOMAIN_PAGING /* its user maps */
#define IOMMU_DOMAIN_DMA (__IOMMU_DOMAIN_PAGING | __IOMMU_DOMAIN_DMA_API) /* strict */
#define IOMMU_DOMAIN_DMA_FQ (IOMMU_DOMAIN_DMA | __IOMMU_DOMAIN_DMA_FQ) /* lazy */

/**
 * enum iommu_cap - what an IOMMU can do
 * @IOMMU_CAP_CACHE_COHERENCY: IOMMU_CACHE is honoured
 * @IOMMU_CAP_INTR_REMAP: it isolates interrupts
 * @IOMMU_CAP_NOEXEC: IOMMU_NOEXEC is honoured
 * @IOMMU_CAP_PRE_BOOT_PROTECTION: the firmware says that it was on before the start
 */
enum iommu_cap {
	IOMMU_CAP_CACHE_COHERENCY,
	IOMMU_CAP_INTR_REMAP,
	IOMMU_CAP_NOEXEC,
	IOMMU_CAP_PRE_BOOT_PROTECTION,
};

/**
 * enum iommu_resv_type - why a range of a device's addresses is not free for allocation
 * @IOMMU_RESV_DIRECT: mapped one to one before the device is used, and for good
 * @IOMMU_RESV_DIRECT_RELAXABLE: the same, but may be given up with the device
 * @IOMMU_RESV_RESERVED: never an address of a mapping
 * @IOMMU_RESV_MSI: the hardware's doorbell, not translated
 * @IOMMU_RESV_SW_MSI: where software maps the doorbell
 */
enum iommu_resv_type {
	IOMMU_RESV_DIRECT,
	IOMMU_RESV_DIRECT_RELAXABLE,
	IOMMU_RESV_RESERVED,
	IOMMU_RESV_MSI,
	IOMMU_RESV_SW_MSI,
};

/**
 * struct iommu_domain_geometry - which addresses a domain can map
 * @aperture_start: first
 * @aperture_end: last, inclusive
 * @force_aperture: whether addresses outside are blocked, rather than passed on as they are
 */
struct iommu_domain_geometry {
	dma_addr_t aperture_start;
	dma_addr_t aperture_end;
	bool force_aperture;
};

/**
 * struct iommu_iotlb_gather - what is to be forgotten at the next synchronisation
 * @start: first address
 * @end: last address, inclusive
 * @pgsize: size of the pages; 0: none yet
 * @queued: a flush queue sees to it: nothing is gathered
 */
struct iommu_iotlb_gather {
	dma_addr_t start;
	dma_addr_t end;
	size_t pgsize;
	bool queued;
};

/** iommu_iotlb_gather_init() - nothing is to be forgotten yet. Any context. */
static inline void iommu_iotlb_gather_init(struct iommu_iotlb_gather *gather)
{
	*gather = (struct iommu_iotlb_gather){ ~(dma_addr_t)0, 0, 0, false };
}

/** iommu_iotlb_gather_queued() - whether a flush queue sees to it; @gather may be NULL. */
static inline bool iommu_iotlb_gather_queued(const struct iommu_iotlb_gather *gather)
{
	return gather && gather->queued;
}

/*
 * Called in interrupt context for an access that had no mapping, with the address, IOMMU_FAULT_* and
 * the token of its registration. Returns 0 if it took care of the fault.
 */
typedef int (*iommu_fault_handler_t)(struct iommu_domain *domain, struct device *dev,
				     dma_addr_t iova, int flags, void *token);

BERTH_END_DECLS

#ifdef BERTH_NO_SHORT_NAMES
#include <berth/names-off.h>
#endif
#endif
