/* SPDX-License-Identifier: BSD-2-Clause */
/**
 * DOC: dma-alloc - memory for devices (the part "allocations" of linux/dma-mapping.h)
 *
 * Included by dma-mapping.h. Coherent memory is seen by CPU and device alike, without syncs. The
 * other kinds are ordinary memory, mapped for the device, that changes its owner by dma_sync_*().
 * docs/dma-coherent.md says which kind is for what, and where the memory comes from.
 *
 * Whoever frees says all that he was given: device, size, address, handle, attributes. Anything
 * else is refused in every build, and nothing changes: NOT_OWNED; or PAGE_BUSY, while the buffer is
 * mapped elsewhere (dma_mmap_*(), dma_vmap_noncontiguous()).
 */
#ifndef BERTH_DMA_ALLOC_H
#define BERTH_DMA_ALLOC_H

#include <berth/dma-mapping.h>
#include <berth/vm_area.h>

#include <berth/names.h>

BERTH_BEGIN_DECLS

/* Linux's numbers, as those in dma-mapping.h. */
#define DMA_ATTR_WEAK_ORDERING (1UL << 1) /* a hint: accesses may pass each other */
#define DMA_ATTR_NO_KERNEL_MAPPING (1UL << 4) /* what is returned is a name, not an address */
#define DMA_ATTR_FORCE_CONTIGUOUS (1UL << 6) /* contiguous RAM behind an IOMMU, too */
#define DMA_ATTR_ALLOC_SINGLE_PAGES (1UL << 7) /* a hint: large pages are not worth looking for */
#define DMA_ATTR_PRIVILEGED (1UL << 9) /* a hint: for the device's privileged accesses */

/**
 * dma_alloc_attrs() - memory that CPU and device see alike without syncs
 * @dev: the device
 * @size: bytes; rounded up to pages
 * @dma_handle: where the device's address goes
 * @gfp: GFP_KERNEL or GFP_ATOMIC; zone flags are ignored
 * @attrs: 0 or DMA_ATTR_*
 *
 * Zeroed, reachable under the coherent mask, aligned to its size rounded up to a power of two (from
 * CMA: up to 1 MiB; from a reserved pool: to the largest power of two that divides its pages, if
 * there is such room, else to a page). A barrier
 * before the doorbell is still the driver's job (writel() has one).
 *
 * Comes from the device's own pool, and from nowhere else if it has one; from the default pool
 * (devices that do not see the caches); from its CMA area or the default one, if the caller may
 * sleep; from the page allocator. Who may not sleep is given memory of the atomic pools first, if
 * the device does not see the caches. Owned by both until dma_free_attrs().
 *
 * With DMA_ATTR_NO_KERNEL_MAPPING there is no address: the return value is good for dma_mmap_attrs()
 * and dma_free_attrs() only. Any context with GFP_ATOMIC. Return: the CPU's address, or NULL
 * (NO_MASK, ARGUMENT, OUT_OF_MEMORY, AREA_FULL, MASK, WINDOW, MAPPING).
 */
void *dma_alloc_attrs(struct device *dev, size_t size, dma_addr_t *dma_handle, gfp_t gfp,
		      unsigned long attrs);

/**
 * dma_free_attrs() - give coherent memory back, with all that dma_alloc_attrs() was given
 *
 * DMA_ATTR_NO_WARN may differ. NULL @cpu_addr is ignored. May sleep.
 */
void dma_free_attrs(struct device *dev, size_t size, void *cpu_addr, dma_addr_t dma_handle,
		    unsigned long attrs);

/** dma_alloc_coherent() - dma_alloc_attrs() without attributes. */
static inline void *dma_alloc_coherent(struct device *dev, size_t size, dma_addr_t *dma_handle,
				       gfp_t gfp)
{
	return dma_alloc_attrs(dev, size, dma_handle, gfp,
			       gfp & __GFP_NOWARN ? DMA_ATTR_NO_WARN : 0);
}

/** dma_free_coherent() - gives back what dma_alloc_coherent() returned. */
static inline void dma_free_coherent(struct device *dev, size_t size, void *cpu_addr,
				     dma_addr_t dma_handle)
{
	dma_free_attrs(dev, size, cpu_addr, dma_handle, 0);
}

/** dma_alloc_wc() - dma_alloc_coherent() where the CPU's writes may be merged. */
static inline void *dma_alloc_wc(struct device *dev, size_t size, dma_addr_t *dma_handle, gfp_t gfp)
{
	return dma_alloc_attrs(dev, size, dma_handle, gfp,
			       DMA_ATTR_WRITE_COMBINE |
				       (gfp & __GFP_NOWARN ? DMA_ATTR_NO_WARN : 0));
}

/** dma_free_wc() - gives back what dma_alloc_wc() returned. */
static inline void dma_free_wc(struct device *dev, size_t size, void *cpu_addr,
			       dma_addr_t dma_handle)
{
	dma_free_attrs(dev, size, cpu_addr, dma_handle, DMA_ATTR_WRITE_COMBINE);
}

/**
 * dma_alloc_pages() - contiguous cached pages, mapped for the device, owned by the CPU
 * @dev: the device
 * @size: bytes; rounded up to pages
 * @dma_handle: where the device's address goes
 * @dir: direction of the mapping
 * @gfp: GFP_KERNEL or GFP_ATOMIC; zone flags are refused (ARGUMENT)
 *
 * For buffers that a CPU works on: cached, so syncs are needed. Zeroed. From CMA or the page
 * allocator, never from a pool of coherent memory. Ends with dma_free_pages(), not with an unmap.
 * Return: the first page, or NULL as dma_alloc_attrs().
 */
struct page *dma_alloc_pages(struct device *dev, size_t size, dma_addr_t *dma_handle,
			     enum dma_data_direction dir, gfp_t gfp);

/** dma_free_pages() - give back what dma_alloc_pages() returned. May sleep. */
void dma_free_pages(struct device *dev, size_t size, struct page *page, dma_addr_t dma_handle,
		    enum dma_data_direction dir);

/** dma_alloc_noncoherent() - dma_alloc_pages(), as an address. */
static inline void *dma_alloc_noncoherent(struct device *dev, size_t size, dma_addr_t *dma_handle,
					  enum dma_data_direction dir, gfp_t gfp)
{
	struct page *page = dma_alloc_pages(dev, size, dma_handle, dir, gfp);

	return page ? page_address(page) : NULL;
}

/** dma_free_noncoherent() - gives back what dma_alloc_noncoherent() returned. May sleep. */
void dma_free_noncoherent(struct device *dev, size_t size, void *virt, dma_addr_t dma_handle,
			  enum dma_data_direction dir);

/**
 * dma_alloc_noncontiguous() - pages that are one segment for the device, wherever they are
 * @dev: the device
 * @size: bytes; rounded up to pages
 * @dir: direction of the mapping
 * @gfp: GFP_KERNEL; zone flags are refused
 * @attrs: 0 or DMA_ATTR_ALLOC_SINGLE_PAGES
 *
 * Cached memory, mapped for the device and owned by the CPU, zeroed. The table has one DMA segment
 * (nents 1), and as many entries as the CPU needs; without an IOMMU that is one entry. Syncs are
 * those of the table: dma_sync_sg_for_cpu() and its kin, with orig_nents. Return: the table, until
 * dma_free_noncontiguous(), or NULL as dma_alloc_pages().
 */
struct sg_table *dma_alloc_noncontiguous(struct device *dev, size_t size,
					 enum dma_data_direction dir, gfp_t gfp,
					 unsigned long attrs);

/** dma_free_noncontiguous() - give pages and table back. NULL @sgt is ignored. May sleep. */
void dma_free_noncontiguous(struct device *dev, size_t size, struct sg_table *sgt,
			    enum dma_data_direction dir);

/**
 * dma_vmap_noncontiguous() - one range of CPU addresses for such a table
 *
 * Cached; the syncs are those of the table. @size as it was allocated. May sleep. Return: the
 * address, until dma_vunmap_noncontiguous(), or NULL (NOT_OWNED).
 */
void *dma_vmap_noncontiguous(struct device *dev, size_t size, struct sg_table *sgt);

/** dma_vunmap_noncontiguous() - end one dma_vmap_noncontiguous(). May sleep. */
void dma_vunmap_noncontiguous(struct device *dev, void *vaddr);

/* Managed: freed when the driver is unbound. */

/** dmam_alloc_attrs() - dma_alloc_attrs() that is freed when the driver is unbound. May sleep. */
void *dmam_alloc_attrs(struct device *dev, size_t size, dma_addr_t *dma_handle, gfp_t gfp,
		       unsigned long attrs);

/** dmam_alloc_coherent() - dmam_alloc_attrs() without attributes. */
static inline void *dmam_alloc_coherent(struct device *dev, size_t size, dma_addr_t *dma_handle,
					gfp_t gfp)
{
	return dmam_alloc_attrs(dev, size, dma_handle, gfp,
				gfp & __GFP_NOWARN ? DMA_ATTR_NO_WARN : 0);
}

/** dmam_free_coherent() - give such memory back before. May sleep. */
void dmam_free_coherent(struct device *dev, size_t size, void *vaddr, dma_addr_t dma_handle);

/* A device's own memory. */

/**
 * dma_declare_coherent_memory() - memory that is all that a device's coherent memory comes from
 * @dev: the device
 * @phys_addr: memory outside the linear map: a reservation with no-map, RAM above mem=; whole pages
 * @device_addr: the same place as the device sees it
 * @size: bytes, whole pages
 *
 * Handed out exactly, page by page. May sleep. Return: 0, until dma_release_coherent_memory() or
 * the device goes; -EINVAL (ARGUMENT), -EBUSY (STATE: it has one already), -ENOMEM, -ENXIO (MAPPING).
 */
int BERTH_MUST_CHECK dma_declare_coherent_memory(struct device *dev, phys_addr_t phys_addr,
						 dma_addr_t device_addr, size_t size);

/**
 * dma_release_coherent_memory() - the device has no memory of its own any more
 *
 * Refused while a buffer of it is out (PAGE_BUSY). Nothing if it has none. May sleep.
 */
void dma_release_coherent_memory(struct device *dev);

/* A buffer at other addresses, for a program. */

/**
 * dma_can_mmap() - whether this port can show a buffer at other addresses
 *
 * May sleep. Return: false where there are no such addresses; then dma_mmap_attrs() fails.
 */
bool dma_can_mmap(struct device *dev);

/**
 * dma_mmap_attrs() - show coherent memory at the addresses of an area
 * @dev: the device
 * @vma: addresses, and how many pages into the buffer they begin
 * @cpu_addr: what dma_alloc_attrs() returned
 * @dma_addr: its handle
 * @size: its bytes
 * @attrs: as given to dma_alloc_attrs()
 *
 * The pages are seen with the type that the memory has: cached, if the device sees the caches,
 * else uncached, or write-combining if it was asked for; it goes into @vma. The buffer cannot be
 * freed before the area is released. May sleep. Return: 0, -ENXIO if @vma reaches beyond the buffer
 * or @size is larger than it is (ARGUMENT), -EINVAL (NOT_OWNED), -EBUSY (STATE: something is shown
 * there), -ENOMEM (MAPPING).
 */
int BERTH_MUST_CHECK dma_mmap_attrs(struct device *dev, struct vm_area_struct *vma, void *cpu_addr,
				    dma_addr_t dma_addr, size_t size, unsigned long attrs);

/** dma_mmap_coherent() - dma_mmap_attrs() without attributes. */
static inline int BERTH_MUST_CHECK dma_mmap_coherent(struct device *dev, struct vm_area_struct *vma,
						     void *cpu_addr, dma_addr_t dma_addr,
						     size_t size)
{
	return dma_mmap_attrs(dev, vma, cpu_addr, dma_addr, size, 0);
}

/** dma_mmap_wc() - dma_mmap_attrs() of dma_alloc_wc() memory. */
static inline int BERTH_MUST_CHECK dma_mmap_wc(struct device *dev, struct vm_area_struct *vma,
					       void *cpu_addr, dma_addr_t dma_addr, size_t size)
{
	return dma_mmap_attrs(dev, vma, cpu_addr, dma_addr, size, DMA_ATTR_WRITE_COMBINE);
}

/** dma_mmap_pages() - the same for dma_alloc_pages(): cached, with syncs. */
int BERTH_MUST_CHECK dma_mmap_pages(struct device *dev, struct vm_area_struct *vma, size_t size,
				    struct page *page);

/** dma_mmap_noncontiguous() - the same for dma_alloc_noncontiguous(): cached, with syncs. */
int BERTH_MUST_CHECK dma_mmap_noncontiguous(struct device *dev, struct vm_area_struct *vma,
					    size_t size, struct sg_table *sgt);

/**
 * dma_get_sgtable_attrs() - the pages of coherent memory, as a table
 * @dev: the device
 * @sgt: filled in: one entry, not mapped; the caller's until sg_free_table()
 * @cpu_addr: what dma_alloc_attrs() returned
 * @dma_addr: its handle
 * @size: bytes, from its beginning on
 * @attrs: as given to dma_alloc_attrs()
 *
 * For handing the buffer to another device; the table holds nothing, so the buffer must outlive it.
 * May sleep. Return: 0, -EINVAL (NOT_OWNED), -ENXIO (ARGUMENT: @size; MAPPING: memory without struct
 * page, that is a no-map reservation), -ENOMEM.
 */
int BERTH_MUST_CHECK dma_get_sgtable_attrs(struct device *dev, struct sg_table *sgt, void *cpu_addr,
					   dma_addr_t dma_addr, size_t size, unsigned long attrs);

/** dma_get_sgtable() - dma_get_sgtable_attrs() without attributes. */
static inline int BERTH_MUST_CHECK dma_get_sgtable(struct device *dev, struct sg_table *sgt,
						   void *cpu_addr, dma_addr_t dma_addr, size_t size)
{
	return dma_get_sgtable_attrs(dev, sgt, cpu_addr, dma_addr, size, 0);
}

BERTH_END_DECLS

#ifdef BERTH_NO_SHORT_NAMES
#include <berth/names-off.h>
#endif
#endif
