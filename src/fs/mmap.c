// SPDX-License-Identifier: BSD-2-Clause
/* Mappings of open files, here and in other processes. Each holds its file open. */
#include <berth/errno.h>

#include "fs/internal.h"
#include "lib/error.h"
#include "mm/vma.h"

/* What a file shows, in an area that is empty yet. Return: 0, or why not, with the area gone. */
static int fill(struct file *file, struct vm_area_struct *vma)
{
	const char *name = berth_file_name(file);
	int err;

	vma->vm_file = get_file(file);
	vma->put_file = fput;
	if ((file->f_flags & BERTH_O_ACCMODE) == BERTH_O_WRONLY)
		err = berth_file_fail(-EACCES, name, "not open for reading");
	else if (!file->f_op->mmap)
		err = berth_file_fail(-ENODEV, name, "no mmap");
	else
		err = file->f_op->mmap(file, vma);
	if (err)
		berth_vma_release(vma);
	return err;
}

int berth_file_mmap(struct file *file, struct vm_area_struct *vma, size_t size, unsigned long pgoff)
{
	int err = berth_vma_reserve(vma, size, pgoff);

	return err ? err : fill(file, vma);
}

int berth_file_share(struct file *file, struct vm_area_struct *vma, size_t size,
		     unsigned long pgoff)
{
	int ret = berth_vma_collect(vma, size, pgoff);

	if (!ret)
		ret = fill(file, vma);
	if (ret)
		return ret;
	ret = berth_vma_share(vma);
	if (ret < 0)
		berth_vma_release(vma);
	return ret;
}
