/* SPDX-License-Identifier: BSD-2-Clause */
/* How memory is shown at the addresses of an area. */
#ifndef BERTH_MM_VMA_H
#define BERTH_MM_VMA_H

#include <berth/vm_area.h>

/*
 * Show contiguous RAM, as a type that it has, at @offset of an area. @gone(@data) is called when it is
 * not seen any more, from the end of the area to its beginning. May sleep. Return: 0; or with the reason and nothing changed -EINVAL, -EBUSY
 * (something is shown there), -ENOMEM; then @gone is not called.
 */
int berth_vma_show(struct vm_area_struct *vma, uint64_t offset, phys_addr_t phys, uint64_t size,
		   enum berth_memory_type type, void (*gone)(void *data), void *data);

/* What is shown at one place of an area. They are sorted by offset. */
struct berth_vma_part {
	struct berth_vma_part *next;
	uint64_t offset;
	phys_addr_t phys;
	uint64_t size;
	enum berth_memory_type type;
	void (*gone)(void *data);
	void *data;
};

static inline uint64_t berth_vma_size(const struct vm_area_struct *vma)
{
	return vma->vm_end - vma->vm_start;
}

/*
 * An area of another process's: without addresses here, it only notes what is shown. 0, or -EINVAL. And
 * once it is full: berth_port_share() of all that; the handle, valid until berth_vma_release(), or with the
 * reason a negative errno value: -EINVAL (MAPPING: a hole, or memory of several types), -ENOMEM, or the port's.
 * Areas that show the same have one handle.
 */
int berth_vma_collect(struct vm_area_struct *vma, size_t size, unsigned long pgoff);
int berth_vma_share(struct vm_area_struct *vma);
void berth_vma_unshare(struct vm_area_struct *vma);

/* Forget all of them. */
void berth_vma_shares_reset(void);

#endif
