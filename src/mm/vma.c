// SPDX-License-Identifier: BSD-2-Clause
/* Areas: addresses of a program's, and the RAM that is seen there. */
#include <berth/slab.h>
#include <berth/vm_area.h>

#include "lib/error.h"
#include "lib/fault.h"
#include "lib/string.h"
#include "mm/vma.h"

struct berth_vma_part {
	struct berth_vma_part *next;
	uint64_t offset;
	phys_addr_t phys;
	uint64_t size;
	enum berth_memory_type type;
	void (*gone)(void *data);
	void *data;
};

static uint64_t size_of(const struct vm_area_struct *vma)
{
	return vma->vm_end - vma->vm_start;
}

int berth_vma_reserve(struct vm_area_struct *vma, size_t size, unsigned long pgoff)
{
	const size_t bytes = PAGE_ALIGN(size);
	void *virt;

	memset(vma, 0, sizeof(*vma));
	if (!size || size > SIZE_MAX / 2)
		return berth_fail_at(-EINVAL, BERTH_REASON_ARGUMENT, "size of an area", size);
	if (berth_should_fail())
		return berth_fail_limit(-ENOMEM, BERTH_REASON_MAPPING, "area", size, 0);
	virt = berth_port_range_reserve(bytes);
	if (!virt)
		return -ENOMEM;
	vma->vm_start = (uintptr_t)virt;
	vma->vm_end = vma->vm_start + bytes;
	vma->vm_pgoff = pgoff;
	vma->vm_page_prot = PAGE_KERNEL;
	return 0;
}

static bool is_taken(const struct vm_area_struct *vma, uint64_t offset, uint64_t size)
{
	for (const struct berth_vma_part *part = vma->parts; part; part = part->next)
		if (part->offset < offset + size && offset < part->offset + part->size)
			return true;
	return false;
}

int berth_vma_show(struct vm_area_struct *vma, uint64_t offset, phys_addr_t phys, uint64_t size,
		   enum berth_memory_type type, void (*gone)(void *data), void *data)
{
	struct berth_vma_part *part;
	int err;

	if (!size || offset > size_of(vma) || size > size_of(vma) - offset)
		return berth_fail_at(-EINVAL, BERTH_REASON_ARGUMENT, "offset in an area", offset);
	if (is_taken(vma, offset, size))
		return berth_fail(-EBUSY, BERTH_REASON_STATE, "the area shows something already");
	part = kmalloc(sizeof(*part), GFP_KERNEL);
	if (!part)
		return -ENOMEM;
	*part = (struct berth_vma_part){ vma->parts, offset, phys, size, type, gone, data };
	if (berth_should_fail())
		err = berth_fail_at(-ENOMEM, BERTH_REASON_MAPPING, "area", phys);
	else
		err = berth_port_range_map((char *)vma->vm_start + offset, phys, size, type);
	if (err) {
		kfree(part);
		return err;
	}
	vma->parts = part;
	vma->vm_page_prot = type;
	return 0;
}

void berth_vma_release(struct vm_area_struct *vma)
{
	while (vma->parts) {
		struct berth_vma_part *part = vma->parts;

		vma->parts = part->next;
		berth_port_range_unmap((char *)vma->vm_start + part->offset, part->phys, part->size,
				       part->type);
		part->gone(part->data);
		kfree(part);
	}
	if (vma->vm_start)
		berth_port_range_release((void *)vma->vm_start, size_of(vma));
	vma->vm_start = vma->vm_end = 0;
}
