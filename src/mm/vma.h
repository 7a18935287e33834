/* SPDX-License-Identifier: BSD-2-Clause */
/* How memory is shown at the addresses of an area. */
#ifndef BERTH_MM_VMA_H
#define BERTH_MM_VMA_H

#include <berth/vm_area.h>

/*
 * Show contiguous RAM, as a type that it has, at @offset of an area. @gone(@data) is called when it is
 * not seen any more. May sleep. Return: 0; or with the reason and nothing changed -EINVAL, -EBUSY
 * (something is shown there), -ENOMEM; then @gone is not called.
 */
int berth_vma_show(struct vm_area_struct *vma, uint64_t offset, phys_addr_t phys, uint64_t size,
		   enum berth_memory_type type, void (*gone)(void *data), void *data);

#endif
