// SPDX-License-Identifier: BSD-2-Clause
/* Memory for devices, of checked programs. */
#include <berth/slab.h>

#include "dma/checked.h"

#include "lib/device.h"

#define HERE __builtin_return_address(0)

void berth_checked_note(struct check_call *call, void *virt)
{
	if (!berth_check_is_on())
		return;
	if (!virt) {
		berth_check_failed(call, true);
		return;
	}
	call->virt = (uintptr_t)virt;
	__atomic_store_n(&check_object_size, ksize, __ATOMIC_RELAXED);
	berth_check_added(call);
}

bool berth_checked_forget(struct check_call *call, void *virt)
{
	if (!virt || !berth_check_is_on())
		return true;
	call->virt = (uintptr_t)virt;
	return berth_check_removing(call);
}

void *berth_checked_alloc(struct device *dev, size_t size, dma_addr_t *dma_handle, gfp_t gfp,
			  unsigned long attrs)
{
	void *virt = berth_checked_fails(dev) ? NULL
					      : dma_alloc_attrs(dev, size, dma_handle, gfp, attrs);
	struct check_call call = berth_checked_call(dev, CHECK_COHERENT, virt ? *dma_handle : 0,
						    size, DMA_BIDIRECTIONAL, HERE);

	/* Without an address nobody can touch it. */
	if (virt && attrs & DMA_ATTR_NO_KERNEL_MAPPING)
		berth_check_unseen(dev);
	else
		berth_checked_note(&call, virt);
	return virt;
}

void berth_checked_free(struct device *dev, size_t size, void *cpu_addr, dma_addr_t dma_handle,
			unsigned long attrs)
{
	struct check_call call =
		berth_checked_call(dev, CHECK_COHERENT, dma_handle, size, DMA_BIDIRECTIONAL, HERE);

	if (attrs & DMA_ATTR_NO_KERNEL_MAPPING || berth_checked_forget(&call, cpu_addr))
		dma_free_attrs(dev, size, cpu_addr, dma_handle, attrs);
}

void *berth_checked_alloc_managed(struct device *dev, size_t size, dma_addr_t *dma_handle,
				  gfp_t gfp, unsigned long attrs)
{
	void *virt = berth_checked_fails(dev) ? NULL
					      : dmam_alloc_attrs(dev, size, dma_handle, gfp, attrs);
	struct check_call call = berth_checked_call(dev, CHECK_COHERENT, virt ? *dma_handle : 0,
						    size, DMA_BIDIRECTIONAL, HERE);

	call.is_managed = true;
	if (virt && attrs & DMA_ATTR_NO_KERNEL_MAPPING)
		berth_check_unseen(dev);
	else
		berth_checked_note(&call, virt);
	return virt;
}

void berth_checked_free_managed(struct device *dev, size_t size, void *vaddr, dma_addr_t dma_handle)
{
	struct check_call call =
		berth_checked_call(dev, CHECK_COHERENT, dma_handle, size, DMA_BIDIRECTIONAL, HERE);

	call.is_managed = true;
	if (berth_checked_forget(&call, vaddr))
		dmam_free_coherent(dev, size, vaddr, dma_handle);
}

void *berth_checked_alloc_noncoherent(struct device *dev, size_t size, dma_addr_t *dma_handle,
				      enum dma_data_direction dir, gfp_t gfp)
{
	void *virt = berth_checked_fails(dev)
			     ? NULL
			     : dma_alloc_noncoherent(dev, size, dma_handle, dir, gfp);
	struct check_call call =
		berth_checked_call(dev, CHECK_PAGES, virt ? *dma_handle : 0, size, dir, HERE);

	berth_checked_note(&call, virt);
	return virt;
}

void berth_checked_free_noncoherent(struct device *dev, size_t size, void *vaddr,
				    dma_addr_t dma_handle, enum dma_data_direction dir)
{
	struct check_call call = berth_checked_call(dev, CHECK_PAGES, dma_handle, size, dir, HERE);

	if (berth_checked_forget(&call, vaddr))
		dma_free_noncoherent(dev, size, vaddr, dma_handle, dir);
}

/* Where the CPU sees the pages: nowhere, if they are above the linear map. */
static void *address_of(struct page *page)
{
	return page && !PageHighMem(page) ? page_address(page) : NULL;
}

struct page *berth_checked_alloc_pages(struct device *dev, size_t size, dma_addr_t *dma_handle,
				       enum dma_data_direction dir, gfp_t gfp)
{
	struct page *page =
		berth_checked_fails(dev) ? NULL : dma_alloc_pages(dev, size, dma_handle, dir, gfp);
	struct check_call call =
		berth_checked_call(dev, CHECK_PAGES, page ? *dma_handle : 0, size, dir, HERE);

	if (page && !address_of(page))
		berth_check_unseen(dev);
	else
		berth_checked_note(&call, address_of(page));
	return page;
}

void berth_checked_free_pages(struct device *dev, size_t size, struct page *page,
			      dma_addr_t dma_handle, enum dma_data_direction dir)
{
	struct check_call call = berth_checked_call(dev, CHECK_PAGES, dma_handle, size, dir, HERE);

	if (berth_checked_forget(&call, address_of(page)))
		dma_free_pages(dev, size, page, dma_handle, dir);
}

/*
 * One segment for the device, and one record: of the memory where the CPU sees it, if that is one piece; or where it is
 * seen by dma_vmap_noncontiguous().
 */
struct sg_table *berth_checked_alloc_table(struct device *dev, size_t size,
					   enum dma_data_direction dir, gfp_t gfp,
					   unsigned long attrs)
{
	struct sg_table *sgt = berth_checked_fails(dev)
				       ? NULL
				       : dma_alloc_noncontiguous(dev, size, dir, gfp, attrs);
	struct check_call call = berth_checked_call(
		dev, CHECK_TABLE, sgt ? sg_dma_address(sgt->sgl) : 0, size, dir, HERE);

	if (!berth_check_is_on())
		return sgt;
	if (!sgt) {
		berth_check_failed(&call, true);
		return NULL;
	}
	call.owner = sgt;
	if (sgt->orig_nents == 1)
		call.virt = (uintptr_t)address_of(sg_page(sgt->sgl));
	berth_check_added(&call);
	return sgt;
}

void *berth_checked_vmap_table(struct device *dev, size_t size, struct sg_table *sgt)
{
	void *virt = dma_vmap_noncontiguous(dev, size, sgt);

	if (virt && berth_check_is_on())
		berth_check_seen_at(dev, sg_dma_address(sgt->sgl), (uintptr_t)virt);
	return virt;
}

/* What the linear map shows as well is followed on. */
void berth_checked_vunmap_table(struct device *dev, void *vaddr)
{
	if (vaddr && berth_check_is_on() && !virt_addr_valid(vaddr))
		berth_check_unseen_at(dev, (uintptr_t)vaddr);
	dma_vunmap_noncontiguous(dev, vaddr);
}

void berth_checked_free_table(struct device *dev, size_t size, struct sg_table *sgt,
			      enum dma_data_direction dir)
{
	struct check_call call = berth_checked_call(
		dev, CHECK_TABLE, sgt ? sg_dma_address(sgt->sgl) : 0, size, dir, HERE);

	call.owner = sgt;
	if (!sgt || !berth_check_is_on() || berth_check_removing(&call))
		dma_free_noncontiguous(dev, size, sgt, dir);
}
