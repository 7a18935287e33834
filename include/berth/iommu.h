/* SPDX-License-Identifier: BSD-2-Clause */
/**
 * DOC: iommu - address spaces of devices (linux/iommu.h)
 *
 * A domain is an address space; devices are attached to it, in groups that the hardware cannot tell
 * apart. Drivers use the DMA API and meet none of this; who manages an address space of its own
 * does, and so do drivers of IOMMUs (iommu-driver.h). Meaning: include/linux/iommu.h and the comments
 * of drivers/iommu/iommu.c. Every function that fails keeps its reason, see berth_last_error().
 * Guide: docs/iommu.md.
 */
#ifndef BERTH_IOMMU_H
#define BERTH_IOMMU_H

#include <berth/device.h>
#include <berth/scatterlist.h>
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

/* Domains. */

/**
 * iommu_domain_alloc() - an address space for devices like this one
 * @dev: a device behind an IOMMU
 *
 * IOMMU_DOMAIN_UNMANAGED: who allocates it maps. It fits devices behind the same IOMMU. May sleep.
 * Return: the domain, until iommu_domain_free(); NULL with the reason (NO_IOMMU, OUT_OF_MEMORY, or
 * the driver's). Linux: iommu_paging_domain_alloc().
 */
struct iommu_domain *iommu_domain_alloc(struct device *dev);

/**
 * iommu_domain_free() - the end of an address space
 *
 * No device is attached any more, else it is refused (STATE) and the domain stays. What is mapped
 * is forgotten. May sleep. NULL is ignored.
 */
void iommu_domain_free(struct iommu_domain *domain);

/** iommu_domain_geometry() - which addresses a domain can map. Any context. */
const struct iommu_domain_geometry *iommu_domain_geometry(const struct iommu_domain *domain);

/** iommu_domain_pgsizes() - sizes of pages and blocks that a domain can map, as bits. Any context. */
uint64_t iommu_domain_pgsizes(const struct iommu_domain *domain);

/** iommu_domain_type() - IOMMU_DOMAIN_*. Any context. */
unsigned int iommu_domain_type(const struct iommu_domain *domain);

/**
 * iommu_attach_device() - let a device that is alone in its group see a domain
 * @domain: an unmanaged domain for its IOMMU
 * @dev: the device; the DMA API does not serve it until it is detached, and has nothing mapped
 *
 * May sleep. Return: 0, -EINVAL (another IOMMU; not alone: GROUP), -EBUSY (another domain is
 * attached: OWNED), -ENODEV (NO_IOMMU), or the driver's error; then it
 * sees what it saw before.
 */
int iommu_attach_device(struct iommu_domain *domain, struct device *dev);

/** iommu_detach_device() - back to the default domain; ends iommu_attach_device(). May sleep. */
void iommu_detach_device(struct iommu_domain *domain, struct device *dev);

/** iommu_attach_group() - the same for all devices of a group, or none. Errors as for a device. */
int iommu_attach_group(struct iommu_domain *domain, struct iommu_group *group);

/** iommu_detach_group() - ends iommu_attach_group(). May sleep. */
void iommu_detach_group(struct iommu_domain *domain, struct iommu_group *group);

/** iommu_get_domain_for_dev() - what a device sees; NULL if no IOMMU is in its way. Any context. */
struct iommu_domain *iommu_get_domain_for_dev(struct device *dev);

/**
 * iommu_map() - let addresses lead to memory
 * @domain: a domain with page tables
 * @iova: first address, a multiple of the smallest page size
 * @paddr: where it leads, likewise
 * @size: bytes, likewise
 * @prot: IOMMU_READ or IOMMU_WRITE, and others
 * @gfp: for tables
 *
 * In the largest pages that fit. Several threads may map and unmap ranges that do not meet. May
 * sleep if @gfp says so. Return: 0; -EINVAL (alignment, direction), -ERANGE (not in the aperture),
 * -EEXIST, -ENOMEM; then nothing of the range is mapped that was not before.
 */
int iommu_map(struct iommu_domain *domain, dma_addr_t iova, phys_addr_t paddr, size_t size,
	      int prot, gfp_t gfp);

/**
 * iommu_map_sg() - let a range of addresses lead to the pieces of a list, one after the other
 *
 * As iommu_map(), for each entry's page, offset and length. Return: bytes mapped, all or none: a
 * negative errno value if it failed.
 */
ptrdiff_t iommu_map_sg(struct iommu_domain *domain, dma_addr_t iova, struct scatterlist *sg,
		       unsigned int nents, int prot, gfp_t gfp);

/**
 * iommu_unmap() - undo it; on return no device reaches the range any more
 *
 * A part of a block is unmapped only where the hardware allows it. Any context. Return: bytes
 * unmapped: fewer than @size at a hole; 0 with the reason for what is not aligned.
 */
size_t iommu_unmap(struct iommu_domain *domain, dma_addr_t iova, size_t size);

/**
 * iommu_unmap_fast() - iommu_unmap() but for the invalidation, which @gather collects
 *
 * The range is not free for others before iommu_iotlb_sync().
 */
size_t iommu_unmap_fast(struct iommu_domain *domain, dma_addr_t iova, size_t size,
			struct iommu_iotlb_gather *gather);

/** iommu_iotlb_sync() - what was gathered is forgotten on return; @gather is empty again. */
void iommu_iotlb_sync(struct iommu_domain *domain, struct iommu_iotlb_gather *gather);

/** iommu_flush_iotlb_all() - all that the IOMMU remembers of a domain is forgotten on return. */
void iommu_flush_iotlb_all(struct iommu_domain *domain);

/** iommu_iova_to_phys() - where an address leads; BERTH_PHYS_NONE of io-pgtable.h if nowhere. */
phys_addr_t iommu_iova_to_phys(struct iommu_domain *domain, dma_addr_t iova);

/* Groups. */

/** iommu_group_get() - a device's group; NULL if no IOMMU is in its way. Any context. */
struct iommu_group *iommu_group_get(struct device *dev);

/** iommu_group_id() - a number for reports, from 0 on, as they were found. Any context. */
unsigned int iommu_group_id(const struct iommu_group *group);

/**
 * iommu_group_for_each_dev() - @fn for the devices of a group, until it returns another value than 0
 *
 * No device comes or goes meanwhile. Return: the last value.
 */
int iommu_group_for_each_dev(struct iommu_group *group, void *data,
			     int (*fn)(struct device *dev, void *data));

/**
 * iommu_group_claim_dma_owner() - nobody else decides what the group sees
 * @group: the group
 * @owner: who; not NULL
 *
 * For drivers in user space: afterwards the devices see nothing, until a domain is attached. No driver
 * can be bound to them, and what the DMA API maps for them does not reach them: it refuses (OWNED), but
 * for PASSTHROUGH and SHADOW, where a mapping asks no IOMMU. May sleep. Return: 0, -EBUSY (a driver uses one of
 * them, or somebody else owns it: OWNED), or the IOMMU driver's error.
 */
int iommu_group_claim_dma_owner(struct iommu_group *group, void *owner);

/** iommu_group_release_dma_owner() - back to the default domain. May sleep. */
void iommu_group_release_dma_owner(struct iommu_group *group);

/** iommu_group_dma_owner_claimed() - whether somebody did. Any context. */
bool iommu_group_dma_owner_claimed(const struct iommu_group *group);

/* What a device or its IOMMU can do. */

/** device_iommu_mapped() - whether a device is behind an IOMMU that berth drives. Any context. */
bool device_iommu_mapped(struct device *dev);

/** device_iommu_capable() - whether its IOMMU can do something. Any context. */
bool device_iommu_capable(struct device *dev, enum iommu_cap cap);

/**
 * struct iommu_resv_region - addresses that are not free for allocation
 * @start: first
 * @length: bytes
 * @prot: IOMMU_READ and others, of those that are mapped
 * @type: why
 */
struct iommu_resv_region {
	dma_addr_t start;
	uint64_t length;
	int prot;
	enum iommu_resv_type type;
};

/**
 * iommu_get_resv_regions() - a device's reserved ranges, by address
 * @dev: the device
 * @regions: where they go; those of one type that meet are one
 * @max: how many have room
 *
 * From the tree (iommu-addresses of its memory-region) and from its IOMMU. Any context. Return: how
 * many there are, which may be more than @max.
 */
unsigned int iommu_get_resv_regions(struct device *dev, struct iommu_resv_region *regions,
				    unsigned int max);

/* Protection: what a device can do to memory that it was not given. */

/**
 * enum berth_protection - how a device behind an IOMMU is held to what was mapped for it
 * @BERTH_PROTECT_PASSTHROUGH: not at all; the IOMMU passes its addresses on
 * @BERTH_PROTECT_LAZY: for some time after an unmap it may still reach what it had
 * @BERTH_PROTECT_STRICT: an unmap returns when it does not
 * @BERTH_PROTECT_SHADOW: it never sees a driver's memory, only copies of what was mapped, in a pool
 *	that stays mapped: nothing else in the same page, and no invalidations
 */
enum berth_protection {
	BERTH_PROTECT_PASSTHROUGH,
	BERTH_PROTECT_LAZY,
	BERTH_PROTECT_STRICT,
	BERTH_PROTECT_SHADOW,
};

/**
 * berth_device_protection() - how a device is held
 *
 * From "berth,protection" in its node, or the nearest node above that has one; else from the boot
 * arguments iommu.passthrough and iommu.strict; else STRICT. Any context. Return: PASSTHROUGH for a
 * device without an IOMMU.
 */
enum berth_protection berth_device_protection(const struct device *dev);

/**
 * berth_device_set_protection() - choose another one
 * @dev: a device behind an IOMMU, alone in its group, with nothing mapped and no coherent memory
 * @protection: which
 *
 * May sleep. Return: 0; -ENODEV (NO_IOMMU), -EINVAL, -EBUSY (something is mapped; OWNED), -ENOMEM, or
 * the IOMMU driver's error; then the old one holds.
 */
int berth_device_set_protection(struct device *dev, enum berth_protection protection);

/** berth_protection_name() - "strict" and so on, as "berth,protection" has it. Any context. */
const char *berth_protection_name(enum berth_protection protection);

/* Faults. */

/*
 * Called in interrupt context for an access that had no mapping, with the address, IOMMU_FAULT_* and
 * the token of its registration; once for accesses that are alike. Returns 0 if it took care of it.
 */
typedef int (*iommu_fault_handler_t)(struct iommu_domain *domain, struct device *dev,
				     dma_addr_t iova, int flags, void *token);

/** iommu_set_fault_handler() - who is told of faults in an unmanaged domain, first. Any context. */
void iommu_set_fault_handler(struct iommu_domain *domain, iommu_fault_handler_t handler,
			     void *token);

/**
 * enum berth_iommu_fault_reason - why an access was refused
 * @BERTH_IOMMU_FAULT_UNKNOWN: the IOMMU does not say
 * @BERTH_IOMMU_FAULT_STREAM: it knows no such device: a stream id that nobody has
 * @BERTH_IOMMU_FAULT_CONTEXT: what it was told of the device is damaged
 * @BERTH_IOMMU_FAULT_TRANSLATION: nothing is mapped there
 * @BERTH_IOMMU_FAULT_PERMISSION: mapped, but not for this direction
 * @BERTH_IOMMU_FAULT_SIZE: the address has too many bits
 * @BERTH_IOMMU_FAULT_WALK: tables could not be read
 */
enum berth_iommu_fault_reason {
	BERTH_IOMMU_FAULT_UNKNOWN,
	BERTH_IOMMU_FAULT_STREAM,
	BERTH_IOMMU_FAULT_CONTEXT,
	BERTH_IOMMU_FAULT_TRANSLATION,
	BERTH_IOMMU_FAULT_PERMISSION,
	BERTH_IOMMU_FAULT_SIZE,
	BERTH_IOMMU_FAULT_WALK,
};

/**
 * struct berth_iommu_fault - an access that was refused
 * @dev: whose; NULL: no device has the id
 * @id: the id that came with it
 * @address: where
 * @flags: IOMMU_FAULT_READ or IOMMU_FAULT_WRITE
 * @reason: why
 * @count: how many of the same page, direction and reason came one after the other
 * @last_start: the mapping that was last there: first address
 * @last_size: its bytes; 0: none is known
 * @ended: how many mappings of the domain have ended since, itself counted; 0: it is still there
 */
struct berth_iommu_fault {
	struct device *dev;
	uint32_t id;
	dma_addr_t address;
	int flags;
	enum berth_iommu_fault_reason reason;
	uint64_t count;
	dma_addr_t last_start;
	uint64_t last_size;
	uint32_t ended;
};

/**
 * berth_iommu_set_listener() - who is told of all faults that no handler took care of
 * @listener: called in interrupt context, once for accesses that are alike: same device, page,
 *	direction and reason, one after the other; NULL: they are told on the console
 * @data: handed to it
 *
 * Until berth_stop(). A listener takes no device or driver away.
 */
void berth_iommu_set_listener(void (*listener)(const struct berth_iommu_fault *fault, void *data),
			      void *data);

/** berth_iommu_faults() - how many accesses of a device were refused. Any context. */
uint64_t berth_iommu_faults(const struct device *dev);

/** berth_iommu_last_fault() - the last one; false: none. Any context. */
bool berth_iommu_last_fault(const struct device *dev, struct berth_iommu_fault *fault);

/** berth_iommu_fault_text() - a sentence; always terminated. Return: its length. */
size_t berth_iommu_fault_text(const struct berth_iommu_fault *fault, char *text, size_t size);

BERTH_END_DECLS

#ifdef BERTH_NO_SHORT_NAMES
#include <berth/names-off.h>
#endif
#endif
