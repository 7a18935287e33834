// SPDX-License-Identifier: BSD-2-Clause
/* Memory for devices, of checked programs. */
#include "dma/checked.h"

#include "lib/device.h"

static void note(struct device *dev, enum check_kind kind, void *virt, dma_addr_t bus, size_t size,
		 enum dma_data_direction dir, void *caller)
{
	struct check_call call;

	if (!virt || !berth_check_is_on())
		return;
	call = berth_checked_call(dev, kind, bus, size, dir, caller);
	call.virt = (uintptr_t)virt;
	berth_check_added(&call);
}

static bool forget(struct device *dev, enum check_kind kind, void *virt, dma_addr_t bus,
		   size_t size, enum dma_data_direction dir, void *caller)
{
	struct check_call call;

	if (!virt || !berth_check_is_on())
		return true;
	call = berth_checked_call(dev, kind, bus, size, dir, caller);
	call.virt = (uintptr_t)virt;
	return berth_check_removing(&call);
}

void *berth_checked_alloc(struct device *dev, size_t size, dma_addr_t *dma_handle, gfp_t gfp,
			  unsigned long attrs)
{
	void *virt = dma_alloc_attrs(dev, size, dma_handle, gfp, attrs);

	if (!(attrs & DMA_ATTR_NO_KERNEL_MAPPING))
		note(dev, CHECK_COHERENT, virt, virt ? *dma_handle : 0, size, DMA_BIDIRECTIONAL,
		     __builtin_return_address(0));
	return virt;
}

void berth_checked_free(struct device *dev, size_t size, void *cpu_addr, dma_addr_t dma_handle,
			unsigned long attrs)
{
	if (attrs & DMA_ATTR_NO_KERNEL_MAPPING ||
	    forget(dev, CHECK_COHERENT, cpu_addr, dma_handle, size, DMA_BIDIRECTIONAL,
		   __builtin_return_address(0)))
		dma_free_attrs(dev, size, cpu_addr, dma_handle, attrs);
}

void *berth_checked_alloc_managed(struct device *dev, size_t size, dma_addr_t *dma_handle,
				  gfp_t gfp, unsigned long attrs)
{
	/* It goes with the driver: nothing can leak. */
	return dmam_alloc_attrs(dev, size, dma_handle, gfp, attrs);
}

void berth_checked_free_managed(struct device *dev, size_t size, void *vaddr, dma_addr_t dma_handle)
{
	dmam_free_coherent(dev, size, vaddr, dma_handle);
}

void *berth_checked_alloc_noncoherent(struct device *dev, size_t size, dma_addr_t *dma_handle,
				      enum dma_data_direction dir, gfp_t gfp)
{
	void *virt = dma_alloc_noncoherent(dev, size, dma_handle, dir, gfp);

	note(dev, CHECK_PAGES, virt, virt ? *dma_handle : 0, size, dir,
	     __builtin_return_address(0));
	return virt;
}

void berth_checked_free_noncoherent(struct device *dev, size_t size, void *vaddr,
				    dma_addr_t dma_handle, enum dma_data_direction dir)
{
	if (forget(dev, CHECK_PAGES, vaddr, dma_handle, size, dir, __builtin_return_address(0)))
		dma_free_noncoherent(dev, size, vaddr, dma_handle, dir);
}
