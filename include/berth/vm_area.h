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
struct berth_vma_share;
struct file;

/**
 * struct vm_area_struct - a range of addresses
 * @vm_start: first address
 * @vm_end: address behind the last
 * @vm_pgoff: where it begins, in pages of what it shows
 * @vm_page_prot: how the pages are seen; written by whoever shows them
 * @vm_private_data: the driver's own
 * @vm_file: the open file that it is a mapping of, which it holds; or NULL
 * @put_file: gives @vm_file up; berth's own
 * @parts: what is shown; berth's own
 * @last: the last of them; berth's own
 * @share: of an area with @is_elsewhere, what the port shares; berth's own
 * @is_elsewhere: it has no addresses here, they are another process's: see berth_file_share(). Then
 *	@vm_start is 0; berth's own
 *
 * It is one thread's at a time.
 */
struct vm_area_struct {
	unsigned long vm_start;
	unsigned long vm_end;
	unsigned long vm_pgoff;
	pgprot_t vm_page_prot;
	void *vm_private_data;
	struct file *vm_file;
	void (*put_file)(struct file *file);
	struct berth_vma_part *parts;
	struct berth_vma_part *last;
	struct berth_vma_share *share;
	bool is_elsewhere;
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

/**
 * berth_vma_release() - show nothing any more, and give the addresses back
 *
 * Then @vm_file is given up, if there is one. May sleep.
 */
void berth_vma_release(struct vm_area_struct *vma);

/**
 * remap_pfn_range() - show memory of a driver's by its physical address
 * @vma: an area
 * @addr: where in it; vm_start for its beginning
 * @pfn: the first page: of RAM
 * @size: bytes, rounded up to pages
 * @prot: BERTH_MEMORY_*; of memory in the linear map BERTH_MEMORY_CACHED
 *
 * Nothing keeps the memory: whoever shows it sees to that, as in Linux. May sleep. Return: 0; or with the reason and
 * nothing shown -EINVAL (ARGUMENT; MAPPING: registers, which have no mapping of this kind, or another memory
 * type than somebody else has there), -EBUSY, -ENOMEM.
 */
int BERTH_MUST_CHECK remap_pfn_range(struct vm_area_struct *vma, unsigned long addr,
				     unsigned long pfn, unsigned long size, pgprot_t prot);

BERTH_END_DECLS

#ifdef BERTH_NO_SHORT_NAMES
#include <berth/names-off.h>
#endif
#endif
