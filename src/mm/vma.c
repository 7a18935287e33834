// SPDX-License-Identifier: BSD-2-Clause
/* Areas: addresses of a program's, and the RAM that is seen there. */
#include <berth/slab.h>
#include <berth/vm_area.h>

#include "lib/error.h"
#include "lib/fault.h"
#include "lib/string.h"
#include "mm/vma.h"

/* With all of it at address 0. */
static int begin(struct vm_area_struct *vma, size_t size, unsigned long pgoff)
{
	memset(vma, 0, sizeof(*vma));
	if (!size || size > SIZE_MAX / 2)
		return berth_fail_at(-EINVAL, BERTH_REASON_ARGUMENT, "size of an area", size);
	vma->vm_end = PAGE_ALIGN(size);
	vma->vm_pgoff = pgoff;
	vma->vm_page_prot = PAGE_KERNEL;
	return 0;
}

int berth_vma_reserve(struct vm_area_struct *vma, size_t size, unsigned long pgoff)
{
	void *virt;
	int err = begin(vma, size, pgoff);

	if (err)
		return err;
	if (berth_should_fail())
		return berth_fail_limit(-ENOMEM, BERTH_REASON_MAPPING, "area", size, 0);
	virt = berth_port_range_reserve(berth_vma_size(vma));
	if (!virt)
		return -ENOMEM;
	vma->vm_start = (uintptr_t)virt;
	vma->vm_end += vma->vm_start;
	return 0;
}

int berth_vma_collect(struct vm_area_struct *vma, size_t size, unsigned long pgoff)
{
	int err = begin(vma, size, pgoff);

	if (!err)
		vma->is_elsewhere = true;
	return err;
}

static bool is_taken(const struct vm_area_struct *vma, uint64_t offset, uint64_t size)
{
	const struct berth_vma_part *part = vma->parts;

	if (vma->last && vma->last->offset + vma->last->size <= offset)
		return false;
	for (; part; part = part->next)
		if (part->offset < offset + size && offset < part->offset + part->size)
			return true;
	return false;
}

/* By offset. Who shows memory mostly begins at the beginning. */
static void add_part(struct vm_area_struct *vma, struct berth_vma_part *part)
{
	struct berth_vma_part **at = vma->last ? &vma->last->next : &vma->parts;

	if (vma->last && vma->last->offset > part->offset)
		for (at = &vma->parts; (*at)->offset < part->offset; at = &(*at)->next)
			;
	part->next = *at;
	*at = part;
	if (!part->next)
		vma->last = part;
}

int berth_vma_show(struct vm_area_struct *vma, uint64_t offset, phys_addr_t phys, uint64_t size,
		   enum berth_memory_type type, void (*gone)(void *data), void *data)
{
	struct berth_vma_part *part;
	int err;

	if (!size || offset > berth_vma_size(vma) || size > berth_vma_size(vma) - offset)
		return berth_fail_at(-EINVAL, BERTH_REASON_ARGUMENT, "offset in an area", offset);
	if (is_taken(vma, offset, size))
		return berth_fail(-EBUSY, BERTH_REASON_STATE, "the area shows something already");
	part = kmalloc(sizeof(*part), GFP_KERNEL);
	if (!part)
		return -ENOMEM;
	*part = (struct berth_vma_part){ NULL, offset, phys, size, type, gone, data };
	if (vma->is_elsewhere)
		err = 0;
	else if (berth_should_fail())
		err = berth_fail_at(-ENOMEM, BERTH_REASON_MAPPING, "area", phys);
	else
		err = berth_port_range_map((char *)vma->vm_start + offset, phys, size, type);
	if (err) {
		kfree(part);
		return err;
	}
	add_part(vma, part);
	vma->vm_page_prot = type;
	return 0;
}

void berth_vma_release(struct vm_area_struct *vma)
{
	struct berth_vma_part *reversed = NULL;

	berth_vma_unshare(vma);
	/* From the end: the first one goes last. */
	while (vma->parts) {
		struct berth_vma_part *part = vma->parts;

		vma->parts = part->next;
		part->next = reversed;
		reversed = part;
	}
	vma->parts = reversed;
	while (vma->parts) {
		struct berth_vma_part *part = vma->parts;

		vma->parts = part->next;
		if (!vma->is_elsewhere)
			berth_port_range_unmap((char *)vma->vm_start + part->offset, part->phys,
					       part->size, part->type);
		part->gone(part->data);
		kfree(part);
	}
	if (vma->vm_start)
		berth_port_range_release((void *)vma->vm_start, berth_vma_size(vma));
	vma->vm_start = vma->vm_end = 0;
	vma->last = NULL;
	if (vma->vm_file)
		vma->put_file(vma->vm_file);
	vma->vm_file = NULL;
}
