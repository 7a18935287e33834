/* SPDX-License-Identifier: BSD-2-Clause */
/**
 * DOC: vm_area - addresses at which a program sees memory of a driver's (linux/mm_types.h)
 *
 * What a driver's mmap() is given: a range of addresses, and where in the driver's memory it begins.
 * There is no system call here: the program reserves the addresses itself, has the driver fill them,
 * and releases them.
 */
#ifndef BERTH_VM_AREA_H
#define BERTH_VM_AREA_H

#include <berth/mm.h>
#include <berth/types.h>
#include <berth/vmalloc.h>

#include <berth/names.h>

BERTH_BEGIN_DECLS

struct berth_vma_part;

/**
 * struct vm_area_struct - a range of addresses
 * @vm_start: first address
 * @vm_end: address behind the last
 * @vm_pgoff: where it begins, in pages of what it shows
 * @vm_page_prot: how the pages are seen; written by whoever shows them
 * @vm_private_data: the driver's own
 * @parts: what is shown; berth's own
 *
 * It is one thread's at a time.
 */
struct vm_area_struct {
	unsigned long vm_start;
	unsigned long vm_end;
	unsigned long vm_pgoff;
	pgprot_t vm_page_prot;
	void *vm_private_data;
	struct berth_vma_part *parts;
};

/** vma_pages() - pages of a range */
static inline unsigned long vma_pages(const struct vm_area_struct *vma)
{
	return (vma->vm_end - vma->vm_start) >> PAGE_SHIFT;
}

/**
 * berth_vma_reserve() - addresses at which nothing is shown yet
 * @vma: filled in
 * @size: bytes, rounded up to pages
 * @pgoff: goes to @vm_pgoff
 *
 * May sleep. Return: 0, the addresses the caller's until berth_vma_release(); -EINVAL (ARGUMENT),
 * -ENOMEM (MAPPING: no room for addresses, or a port that has none).
 */
int BERTH_MUST_CHECK berth_vma_reserve(struct vm_area_struct *vma, size_t size,
				       unsigned long pgoff);

/** berth_vma_release() - show nothing any more, and give the addresses back. May sleep. */
void berth_vma_release(struct vm_area_struct *vma);

BERTH_END_DECLS

#ifdef BERTH_NO_SHORT_NAMES
#include <berth/names-off.h>
#endif
#endif
