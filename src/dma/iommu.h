/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The DMA API of devices behind an IOMMU.
 *
 * A domain has one address space to allocate from, its cookie, which all devices of the group share;
 * a device has a record of its own limits. Locks, all with interrupts away; none is held while a
 * function of the IOMMU's driver runs:
 *
 *   iommu_queue->lock    unmapped ranges that the IOTLB may still hold, of one slot
 *   cookie->lock         doorbells and bounced granules; a leaf
 *
 * Those of the IOVA domain come after the first.
 */
#ifndef BERTH_DMA_IOMMU_H
#define BERTH_DMA_IOMMU_H

#include <berth/dma-mapping.h>
#include <berth/iommu.h>
#include <berth/iova.h>
#include <berth/timer.h>

#include "dma/buffers.h"
#include "iommu/internal.h"
#include "lib/device.h"

/* Rows of a hash of granules. */
#define IOMMU_BOUNCED_ROWS 64u

struct iommu_queues;
struct pgtable;
struct iommu_msi;
struct iommu_bounced;

/*
 * struct iommu_dma_cookie - the address space of a domain
 * @queues: ranges that wait for the IOTLB; NULL: an unmap waits itself
 * @last: last address that the domain can map
 * @nr_reserved: ranges that are taken for good
 * @msis: doorbells that are mapped
 * @bounced: granules that are copies, by address
 */
struct iommu_dma_cookie {
	struct iova_domain iovad;
	struct iommu_domain *domain;
	struct iommu_queues *queues;
	dma_addr_t last;
	uint64_t nr_reserved;
	spinlock_t lock;
	struct iommu_msi *msis;
	struct iommu_bounced *bounced[IOMMU_BOUNCED_ROWS];
};

/*
 * struct iommu_dma - how the DMA API serves a device
 * @ram, @ram_size: the largest bank of RAM in the linear map; @ram_size is 0 where the short way is
 *	closed: not coherent, not trusted, or an IOMMU that wants to be told of mappings
 * @ram_bias: physical less virtual address
 * @granule_mask: low bits of an address
 * @iovad, @tables: of the domain; @tables may be NULL
 * @pt: the tables where the short way is open
 * @leaf: the bits of a page, by direction
 * @limit_pfn: the last page for streaming mappings, which is tried first
 * @far_pfn: the last page that the device reaches
 * @shift: log2 of the granule
 * @is_lazy: unmapped ranges wait in a queue
 * @is_untrusted: pieces of granules are bounced
 * @prot: by direction
 * @group: whose default domain @domain is
 * @bank_pages, @bank_nr, @bank_phys: pages of all RAM of that bank
 * @pool: SHADOW: its copies are there, at @pool_iova; the windows that it had before are in @windows
 */
struct iommu_dma {
	uintptr_t ram;
	uint64_t ram_size;
	uint64_t ram_bias;
	uint64_t granule_mask;
	struct iova_domain *iovad;
	struct io_pgtable_ops *tables;
	struct pgtable *pt;
	uint64_t limit_pfn;
	uint64_t far_pfn;
	struct iommu_domain *domain;
	struct iommu_group *group;
	struct iommu_dma_cookie *cookie;
	unsigned int shift;
	bool is_lazy;
	bool is_untrusted;
	int prot[4];
	uint64_t leaf[4];
	struct page *bank_pages;
	uint64_t bank_nr;
	phys_addr_t bank_phys;
	struct bounce_pool *pool;
	dma_addr_t pool_iova;
	unsigned int nr_windows;
	struct berth_dma_window windows[BERTH_MAX_DMA_WINDOWS];
};

static inline struct iommu_dma *iommu_dma_of(const struct device *dev)
{
	return dev->p->iommu_dma;
}

static inline size_t iommu_granule(const struct iommu_dma *d)
{
	return (size_t)1 << d->shift;
}

/* Whether the domain of the DMA API is what the device sees. */
static inline bool iommu_dma_serves(const struct iommu_dma *d)
{
	return __atomic_load_n(&d->group->domain, __ATOMIC_RELAXED) == d->domain;
}

/* Setup (iommu_setup.c). */

/* Whether something of the device's, or of its group's, is mapped. */
bool berth_dma_iommu_is_busy(struct device *dev);

/* Cookies (iommu_cookie.c). */

struct iommu_dma_cookie *berth_iommu_dma_cookie(struct iommu_domain *domain);
/* What this device keeps from being given: reserved regions, its bus's windows and gaps. */
int berth_iommu_dma_reserve(struct device *dev, struct iommu_dma_cookie *cookie);
/* Ranges that are taken now; what caches and queues hold is given back first. */
uint64_t berth_iommu_dma_count_ranges(struct iommu_dma_cookie *cookie);
/* @size bytes, a multiple of the granule, up to @last. DMA_MAPPING_ERROR with the reason. */
dma_addr_t berth_iommu_dma_take_iova(const struct iommu_dma *d, uint64_t size, uint64_t last_pfn);

static inline void iommu_put_iova(const struct iommu_dma *d, dma_addr_t iova, uint64_t size)
{
	free_iova_fast(d->iovad, iova >> d->shift, size >> d->shift);
}

/* Queues (iommu_queue.c). */

/* NULL with the reason. */
struct iommu_queues *berth_iommu_dma_queues(struct iommu_dma_cookie *cookie);
void berth_iommu_dma_queues_free(struct iommu_queues *queues);
/* An unmapped range; its pages are free once the IOTLB does not hold them. Any context. */
void berth_iommu_dma_queue(struct iommu_queues *queues, uint64_t pfn, uint64_t nr);
/* All that waits is free. Any context. */
void berth_iommu_dma_queue_flush(struct iommu_queues *queues);

/* Mappings (iommu.c); of a device whose arguments are legal. */

dma_addr_t berth_iommu_dma_map_virt(struct device *dev, void *ptr, size_t size,
				    enum dma_data_direction dir, unsigned long attrs);
dma_addr_t berth_iommu_dma_map_phys(struct device *dev, phys_addr_t phys, size_t size,
				    enum dma_data_direction dir, unsigned long attrs);
void berth_iommu_dma_unmap(struct device *dev, dma_addr_t addr, size_t size,
			   enum dma_data_direction dir, unsigned long attrs);
void berth_iommu_dma_sync_for_cpu(struct device *dev, dma_addr_t addr, size_t size,
				  enum dma_data_direction dir);
void berth_iommu_dma_sync_for_device(struct device *dev, dma_addr_t addr, size_t size,
				     enum dma_data_direction dir);
dma_addr_t berth_iommu_dma_map_resource(struct device *dev, phys_addr_t phys, size_t size,
					enum dma_data_direction dir);
void berth_iommu_dma_unmap_resource(struct device *dev, dma_addr_t addr, size_t size);

/*
 * Unmap what is in [@iova, @iova + @size), whole granules, and give the addresses back when nobody
 * remembers them. False, with the reason, if not all of it was mapped.
 */
bool berth_iommu_dma_unmap_range(const struct device *dev, const struct iommu_dma *d,
				 dma_addr_t iova, uint64_t size);
/* Cache maintenance of what a range of addresses leads to. False, with the reason, at a hole. */
bool berth_iommu_dma_sync_range(const struct device *dev, dma_addr_t addr, size_t size,
				enum dma_data_direction dir, bool for_cpu);
/* The second half of it: @done bytes of the range were unmapped. */
bool berth_iommu_dma_unmapped(const struct device *dev, const struct iommu_dma *d, dma_addr_t iova,
			      uint64_t size, uint64_t done, struct iommu_iotlb_gather *gather);

/* Ownership by physical address, and legality (mapping.c). */
void berth_dma_clean(const struct device *dev, phys_addr_t phys, size_t size);
void berth_dma_invalidate(const struct device *dev, phys_addr_t phys, size_t size,
			  enum dma_data_direction dir);
bool berth_dma_legal(const struct device *dev, size_t size, enum dma_data_direction dir);
dma_addr_t berth_dma_map_virt_long(struct device *dev, void *ptr, size_t size,
				   enum dma_data_direction dir, unsigned long attrs);
/* Records that memory which no device may be given was to be mapped. DMA_MAPPING_ERROR. */
dma_addr_t berth_dma_refuse_memory(const struct device *dev, uint64_t address);
/* Records that a piece does not fit into a segment. DMA_MAPPING_ERROR. */
dma_addr_t berth_dma_refuse_segment(const struct device *dev, phys_addr_t phys, size_t size,
				    uint64_t limit);

/* Lists (iommu_sg.c). */

/* The number of segments, or a negative errno value with nothing mapped. */
int berth_iommu_dma_map_sg(struct device *dev, struct scatterlist *sgl, int nents,
			   enum dma_data_direction dir, unsigned long attrs);
void berth_iommu_dma_unmap_sg(struct device *dev, struct scatterlist *sgl, int nents,
			      enum dma_data_direction dir, unsigned long attrs);
void berth_iommu_dma_sync_sg(struct device *dev, struct scatterlist *sgl, int nents,
			     enum dma_data_direction dir, bool for_cpu);

/* Bounced granules (iommu_bounce.c). */

/* Map at @iova, copying the first and the last granule unless they are whole. 0, or with the reason. */
int berth_iommu_dma_bounce_map(struct device *dev, dma_addr_t iova, phys_addr_t phys, size_t size,
			       enum dma_data_direction dir, unsigned long attrs);
/* Undo it. False, with the reason and nothing changed, if it was not mapped so. */
bool berth_iommu_dma_bounce_unmap(struct device *dev, dma_addr_t addr, size_t size,
				  enum dma_data_direction dir, unsigned long attrs);
/* Copy what of a range is bounced, if there is any. */
void berth_iommu_dma_bounce_sync(struct device *dev, dma_addr_t addr, size_t size,
				 enum dma_data_direction dir, bool for_cpu);
bool berth_iommu_dma_is_bounced(const struct device *dev, dma_addr_t addr);
/* All of them go. */
void berth_iommu_dma_bounce_clear(struct iommu_dma_cookie *cookie);

/* Buffers (iommu_alloc.c). */

/* Scattered pages, zeroed; contiguous for the CPU if @is_seen. 0, or with the reason. */
int berth_iommu_dma_take_pages(struct dma_buffer *buffer, gfp_t gfp, bool is_seen);
void berth_iommu_dma_put_pages(const struct dma_buffer *buffer);
/* Tell the device where a buffer's memory is: fills in @addr. 0, or with the reason. */
int berth_iommu_dma_map_buffer(struct dma_buffer *buffer, gfp_t gfp);
void berth_iommu_dma_unmap_buffer(struct dma_buffer *buffer);

/* The limits changed: what follows from them. */
void berth_iommu_dma_limits_changed(struct device *dev);
/* Whether there are addresses under a mask. */
bool berth_iommu_dma_reaches(const struct device *dev, uint64_t mask);

#endif
