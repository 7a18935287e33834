// SPDX-License-Identifier: BSD-2-Clause
/* Single mappings of checked programs: the checker is told, and the call is made. */
#include <berth/dma-mapping.h>
#include <berth/port.h>

#include "check/check.h"
#include "dma/checked.h"
#include "lib/device.h"

/* As far as a frame of this thread may be away. */
#define STACK_REACH (1u << 20)

struct check_call berth_checked_call(struct device *dev, enum check_kind kind, dma_addr_t bus,
				     size_t size, enum dma_data_direction dir, void *caller)
{
	return (struct check_call){
		.dev = dev,
		.name = dev ? dev_name(dev) : NULL,
		.kind = kind,
		.dir = dir,
		.bus = bus,
		.size = size,
		.caller = (uintptr_t)caller,
		.is_cpu = dev && dev->p && dev->p->is_cpu,
	};
}

/* Why a mapping failed, if that is the program's fault. */
static void note_refusal(struct check_call *call)
{
	const uintptr_t frame = (uintptr_t)__builtin_frame_address(0);

	switch (berth_last_error()->reason) {
	case BERTH_REASON_NOT_LINEAR:
		berth_check_refused(call, call->virt - (frame - STACK_REACH) < 2 * STACK_REACH
						  ? BERTH_CHECK_STACK
						  : BERTH_CHECK_NOT_DMA_MEMORY);
		break;
	case BERTH_REASON_SEGMENT:
		berth_check_refused(call, BERTH_CHECK_SEGMENT);
		break;
	default:
		break;
	}
}

bool berth_checked_fails(const struct device *dev)
{
	return berth_check_is_on() && dev && berth_check_should_fail(dev_name(dev));
}

static dma_addr_t note(struct device *dev, uintptr_t virt, dma_addr_t bus, size_t size,
		       enum dma_data_direction dir, unsigned long attrs, void *caller)
{
	struct check_call call;

	if (!berth_check_is_on())
		return bus;
	call = berth_checked_call(dev, CHECK_SINGLE, bus, size, dir, caller);
	call.virt = virt;
	call.is_skipped = (attrs & DMA_ATTR_SKIP_CPU_SYNC) != 0;
	if (bus == DMA_MAPPING_ERROR) {
		note_refusal(&call);
		berth_check_failed(&call, false);
	} else {
		/* What its bytes are is not followed: they are others' soon. */
		if (berth_port_is_stack(virt)) {
			berth_check_refused(&call, BERTH_CHECK_STACK);
			call.virt = 0;
		}
		berth_check_added(&call);
	}
	return bus;
}

/* Bytes of the linear map that no device has. */
static bool is_free(uintptr_t virt, size_t size)
{
	const struct berth_port_linear *linear = &berth_port_linear;

	return virt - linear->virt < linear->size && size <= linear->size - (virt - linear->virt) &&
	       !(check_shadow_any(virt, size) &
		 (SHADOW_DEV_READ | SHADOW_DEV_WRITE | SHADOW_COHERENT));
}

/*
 * What a device is to overwrite is anything from now on: it gets the pattern of new memory, and what the device leaves out is
 * found. A bounce buffer gets the pattern by the copy that would have been saved. Return: the attributes to map with.
 */
static unsigned long make_new(uintptr_t virt, size_t size, enum dma_data_direction dir,
			      unsigned long attrs)
{
	if (!berth_check_is_on() || !(attrs & BERTH_ATTR_OVERWRITE) ||
	    attrs & DMA_ATTR_SKIP_CPU_SYNC || dir != DMA_FROM_DEVICE ||
	    !__atomic_load_n(&berth_port_fresh, __ATOMIC_ACQUIRE) || !is_free(virt, size))
		return attrs;
	berth_port_unpoison((const void *)virt, size);
	return attrs & ~BERTH_ATTR_OVERWRITE;
}

dma_addr_t berth_checked_map_single(struct device *dev, void *ptr, size_t size,
				    enum dma_data_direction dir, unsigned long attrs)
{
	dma_addr_t bus = DMA_MAPPING_ERROR;

	if (!berth_checked_fails(dev))
		bus = dma_map_single_attrs(dev, ptr, size, dir,
					   make_new((uintptr_t)ptr, size, dir, attrs));
	return note(dev, (uintptr_t)ptr, bus, size, dir, attrs, __builtin_return_address(0));
}

dma_addr_t berth_checked_map_page(struct device *dev, struct page *page, size_t offset, size_t size,
				  enum dma_data_direction dir, unsigned long attrs)
{
	const uintptr_t virt = PageHighMem(page) ? 0 : (uintptr_t)page_address(page) + offset;
	dma_addr_t bus = DMA_MAPPING_ERROR;

	if (!berth_checked_fails(dev))
		bus = dma_map_page_attrs(dev, page, offset, size, dir,
					 make_new(virt, size, dir, attrs));
	return note(dev, virt, bus, size, dir, attrs, __builtin_return_address(0));
}

/* Return: whether the call is to be made. */
static bool may_end(struct device *dev, enum check_kind kind, dma_addr_t addr, size_t size,
		    enum dma_data_direction dir, void *caller)
{
	struct check_call call;

	if (!berth_check_is_on())
		return true;
	call = berth_checked_call(dev, kind, addr, size, dir, caller);
	return berth_check_removing(&call);
}

void berth_checked_unmap(struct device *dev, dma_addr_t addr, size_t size,
			 enum dma_data_direction dir, unsigned long attrs)
{
	if (may_end(dev, CHECK_SINGLE, addr, size, dir, __builtin_return_address(0)))
		dma_unmap_page_attrs(dev, addr, size, dir, attrs);
}

dma_addr_t berth_checked_map_resource(struct device *dev, phys_addr_t phys_addr, size_t size,
				      enum dma_data_direction dir, unsigned long attrs)
{
	dma_addr_t bus = berth_checked_fails(dev)
				 ? DMA_MAPPING_ERROR
				 : dma_map_resource(dev, phys_addr, size, dir, attrs);
	struct check_call call;

	if (!berth_check_is_on() || bus == DMA_MAPPING_ERROR)
		return bus;
	call = berth_checked_call(dev, CHECK_RESOURCE, bus, size, dir, __builtin_return_address(0));
	berth_check_added(&call);
	return bus;
}

void berth_checked_unmap_resource(struct device *dev, dma_addr_t addr, size_t size,
				  enum dma_data_direction dir, unsigned long attrs)
{
	if (may_end(dev, CHECK_RESOURCE, addr, size, dir, __builtin_return_address(0)))
		dma_unmap_resource(dev, addr, size, dir, attrs);
}

int berth_checked_mapping_error(struct device *dev, dma_addr_t addr)
{
	if (berth_check_is_on())
		berth_check_error_seen(dev, addr);
	return dma_mapping_error(dev, addr);
}

static bool may_sync(struct device *dev, dma_addr_t addr, size_t size, enum dma_data_direction dir,
		     bool for_cpu, void *caller)
{
	struct check_call call;

	if (!berth_check_is_on())
		return true;
	call = berth_checked_call(dev, CHECK_SINGLE, addr, size, dir, caller);
	if (!berth_check_syncing(&call, for_cpu))
		return false;
	if (!dma_need_sync(dev, addr))
		berth_check_refused(&call, BERTH_CHECK_SYNC_NEEDLESS);
	return true;
}

void berth_checked_sync_for_cpu(struct device *dev, dma_addr_t addr, size_t size,
				enum dma_data_direction dir)
{
	if (may_sync(dev, addr, size, dir, true, __builtin_return_address(0)))
		dma_sync_single_for_cpu(dev, addr, size, dir);
}

void berth_checked_sync_for_device(struct device *dev, dma_addr_t addr, size_t size,
				   enum dma_data_direction dir)
{
	struct check_call call;

	if (!may_sync(dev, addr, size, dir, false, __builtin_return_address(0)))
		return;
	dma_sync_single_for_device(dev, addr, size, dir);
	if (berth_check_is_on()) {
		call = berth_checked_call(dev, CHECK_SINGLE, addr, size, dir, NULL);
		berth_check_given(&call);
	}
}
