/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The DMA API of a program that is built with BERTH_CHECKED: each call goes through the checker, which then makes it.
 * Included by dma-mapping.h. The names below the short ones are replaced, so that the short
 * ones read as ever.
 */
#ifndef BERTH_CHECK_DMA_H
#define BERTH_CHECK_DMA_H

#include <berth/dma-mapping.h>

#include <berth/names.h>

BERTH_BEGIN_DECLS

dma_addr_t berth_checked_map_single(struct device *dev, void *ptr, size_t size,
				    enum dma_data_direction dir, unsigned long attrs);
dma_addr_t berth_checked_map_page(struct device *dev, struct page *page, size_t offset, size_t size,
				  enum dma_data_direction dir, unsigned long attrs);
void berth_checked_unmap(struct device *dev, dma_addr_t addr, size_t size,
			 enum dma_data_direction dir, unsigned long attrs);
unsigned int berth_checked_map_sg(struct device *dev, struct scatterlist *sgl, int nents,
				  enum dma_data_direction dir, unsigned long attrs);
void berth_checked_unmap_sg(struct device *dev, struct scatterlist *sgl, int nents,
			    enum dma_data_direction dir, unsigned long attrs);
int BERTH_MUST_CHECK berth_checked_map_sgtable(struct device *dev, struct sg_table *sgt,
					       enum dma_data_direction dir, unsigned long attrs);
dma_addr_t berth_checked_map_resource(struct device *dev, phys_addr_t phys_addr, size_t size,
				      enum dma_data_direction dir, unsigned long attrs);
void berth_checked_unmap_resource(struct device *dev, dma_addr_t addr, size_t size,
				  enum dma_data_direction dir, unsigned long attrs);
int berth_checked_mapping_error(struct device *dev, dma_addr_t addr);
void berth_checked_sync_for_cpu(struct device *dev, dma_addr_t addr, size_t size,
				enum dma_data_direction dir);
void berth_checked_sync_for_device(struct device *dev, dma_addr_t addr, size_t size,
				   enum dma_data_direction dir);
void berth_checked_sync_sg_for_cpu(struct device *dev, struct scatterlist *sgl, int nents,
				   enum dma_data_direction dir);
void berth_checked_sync_sg_for_device(struct device *dev, struct scatterlist *sgl, int nents,
				      enum dma_data_direction dir);

void *berth_checked_alloc(struct device *dev, size_t size, dma_addr_t *dma_handle, gfp_t gfp,
			  unsigned long attrs);
void berth_checked_free(struct device *dev, size_t size, void *cpu_addr, dma_addr_t dma_handle,
			unsigned long attrs);
void *berth_checked_alloc_managed(struct device *dev, size_t size, dma_addr_t *dma_handle,
				  gfp_t gfp, unsigned long attrs);
void berth_checked_free_managed(struct device *dev, size_t size, void *vaddr,
				dma_addr_t dma_handle);
void *berth_checked_alloc_noncoherent(struct device *dev, size_t size, dma_addr_t *dma_handle,
				      enum dma_data_direction dir, gfp_t gfp);
void berth_checked_free_noncoherent(struct device *dev, size_t size, void *vaddr,
				    dma_addr_t dma_handle, enum dma_data_direction dir);

struct page *berth_checked_alloc_pages(struct device *dev, size_t size, dma_addr_t *dma_handle,
				       enum dma_data_direction dir, gfp_t gfp);
void berth_checked_free_pages(struct device *dev, size_t size, struct page *page,
			      dma_addr_t dma_handle, enum dma_data_direction dir);
struct sg_table *berth_checked_alloc_table(struct device *dev, size_t size,
					   enum dma_data_direction dir, gfp_t gfp,
					   unsigned long attrs);
void *berth_checked_vmap_table(struct device *dev, size_t size, struct sg_table *sgt);
void berth_checked_vunmap_table(struct device *dev, void *vaddr);
void berth_checked_free_table(struct device *dev, size_t size, struct sg_table *sgt,
			      enum dma_data_direction dir);

void berth_checked_unmap_sgtable(struct device *dev, struct sg_table *sgt,
				 enum dma_data_direction dir, unsigned long attrs);
void berth_checked_sync_sgtable_for_cpu(struct device *dev, struct sg_table *sgt,
					enum dma_data_direction dir);
void berth_checked_sync_sgtable_for_device(struct device *dev, struct sg_table *sgt,
					   enum dma_data_direction dir);

BERTH_END_DECLS

#ifdef BERTH_CHECKED
#define berth_dma_map_single_attrs berth_checked_map_single
#define berth_dma_map_single(dev, ptr, size, dir) berth_checked_map_single(dev, ptr, size, dir, 0)
#define berth_dma_map_page_attrs berth_checked_map_page
#define berth_dma_map_page(dev, page, offset, size, dir) \
	berth_checked_map_page(dev, page, offset, size, dir, 0)
#define berth_dma_unmap_page_attrs berth_checked_unmap
#define berth_dma_unmap_single_attrs berth_checked_unmap
#define berth_dma_unmap_page(dev, addr, size, dir) berth_checked_unmap(dev, addr, size, dir, 0)
#define berth_dma_unmap_single(dev, addr, size, dir) berth_checked_unmap(dev, addr, size, dir, 0)
#define berth_dma_map_sg_attrs berth_checked_map_sg
#define berth_dma_map_sg(dev, sgl, nents, dir) berth_checked_map_sg(dev, sgl, nents, dir, 0)
#define berth_dma_unmap_sg_attrs berth_checked_unmap_sg
#define berth_dma_unmap_sg(dev, sgl, nents, dir) berth_checked_unmap_sg(dev, sgl, nents, dir, 0)
#define berth_dma_map_sgtable berth_checked_map_sgtable
#define berth_dma_unmap_sgtable berth_checked_unmap_sgtable
#define berth_dma_map_resource berth_checked_map_resource
#define berth_dma_unmap_resource berth_checked_unmap_resource
#define berth_dma_mapping_error berth_checked_mapping_error
#define berth_dma_sync_single_for_cpu berth_checked_sync_for_cpu
#define berth_dma_sync_single_for_device berth_checked_sync_for_device
#define berth_dma_sync_single_range_for_cpu(dev, addr, offset, size, dir) \
	berth_checked_sync_for_cpu(dev, (addr) + (offset), size, dir)
#define berth_dma_sync_single_range_for_device(dev, addr, offset, size, dir) \
	berth_checked_sync_for_device(dev, (addr) + (offset), size, dir)
#define berth_dma_sync_sg_for_cpu berth_checked_sync_sg_for_cpu
#define berth_dma_sync_sg_for_device berth_checked_sync_sg_for_device
#define berth_dma_sync_sgtable_for_cpu berth_checked_sync_sgtable_for_cpu
#define berth_dma_sync_sgtable_for_device berth_checked_sync_sgtable_for_device

#define berth_dma_alloc_attrs berth_checked_alloc
#define berth_dma_alloc_coherent(dev, size, handle, gfp) \
	berth_checked_alloc(dev, size, handle, gfp, 0)
#define berth_dma_alloc_wc(dev, size, handle, gfp) \
	berth_checked_alloc(dev, size, handle, gfp, DMA_ATTR_WRITE_COMBINE)
#define berth_dma_free_attrs berth_checked_free
#define berth_dma_free_coherent(dev, size, vaddr, handle) \
	berth_checked_free(dev, size, vaddr, handle, 0)
#define berth_dma_free_wc(dev, size, vaddr, handle) \
	berth_checked_free(dev, size, vaddr, handle, DMA_ATTR_WRITE_COMBINE)
#define berth_dmam_alloc_attrs berth_checked_alloc_managed
#define berth_dmam_alloc_coherent(dev, size, handle, gfp) \
	berth_checked_alloc_managed(dev, size, handle, gfp, 0)
#define berth_dmam_free_coherent berth_checked_free_managed
#define berth_dma_alloc_noncoherent berth_checked_alloc_noncoherent
#define berth_dma_free_noncoherent berth_checked_free_noncoherent
#define berth_dma_alloc_pages berth_checked_alloc_pages
#define berth_dma_free_pages berth_checked_free_pages
#define berth_dma_alloc_noncontiguous berth_checked_alloc_table
#define berth_dma_free_noncontiguous berth_checked_free_table
#define berth_dma_vmap_noncontiguous berth_checked_vmap_table
#define berth_dma_vunmap_noncontiguous berth_checked_vunmap_table
#endif

#ifdef BERTH_NO_SHORT_NAMES
#include <berth/names-off.h>
#endif
#endif
