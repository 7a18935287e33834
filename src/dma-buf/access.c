// SPDX-License-Identifier: BSD-2-Clause
/* Buffers as the CPU sees them. */
#include <berth/dma-buf.h>
#include <berth/timer.h>

#include "dma-buf/dma-buf.h"
#include "lib/error.h"
#include "lib/trace.h"

static int is_legal(const struct dma_buf *dmabuf, enum dma_data_direction dir, size_t offset,
		    size_t len)
{
	if (!valid_dma_direction(dir))
		return berth_fail_at(-EINVAL, BERTH_REASON_ARGUMENT, "direction of CPU access",
				     (uint64_t)dir);
	if (!len || offset > dmabuf->size || len > dmabuf->size - offset)
		return berth_fail_limit(-EINVAL, BERTH_REASON_ARGUMENT, "part of a dma-buf", len,
					dmabuf->size);
	return 0;
}

static void trace_cpu(const struct dma_buf *dmabuf, enum berth_trace_kind kind,
		      enum dma_data_direction dir, size_t offset, size_t len)
{
	berth_trace(.kind = kind, .object = dmabuf, .detail = (int)dir,
		    .name = dmabuf->name[0] ? dmabuf->name : dmabuf->exp_name, .address = offset,
		    .length = len);
}

static int end(struct dma_buf *dmabuf, enum dma_data_direction dir, size_t offset, size_t len)
{
	const struct dma_buf_ops *ops = dmabuf->ops;

	if (ops->end_cpu_access_partial)
		return ops->end_cpu_access_partial(dmabuf, dir, offset, len);
	return ops->end_cpu_access ? ops->end_cpu_access(dmabuf, dir) : 0;
}

/* The lock is the exporter's to take: nobody waits for a fence under it. */
int dma_buf_begin_cpu_access_partial(struct dma_buf *dmabuf, enum dma_data_direction dir,
				     size_t offset, size_t len)
{
	const struct dma_buf_ops *ops = dmabuf->ops;
	int err = is_legal(dmabuf, dir, offset, len);
	long left;

	if (!err)
		err = berth_dma_buf_refuse_revoked(dmabuf);
	if (!err && ops->begin_cpu_access_partial)
		err = ops->begin_cpu_access_partial(dmabuf, dir, offset, len);
	else if (!err && ops->begin_cpu_access)
		err = ops->begin_cpu_access(dmabuf, dir);
	if (err)
		return err;
	left = dma_resv_wait_timeout(dmabuf->resv, dma_resv_usage_rw(dir != DMA_FROM_DEVICE), true,
				     MAX_SCHEDULE_TIMEOUT);
	if (left < 0) {
		/* The exporter knows of an access that there will not be. */
		end(dmabuf, dir, offset, len);
		return (int)left;
	}
	trace_cpu(dmabuf, BERTH_TRACE_BUF_BEGIN_CPU, dir, offset, len);
	return 0;
}

int dma_buf_end_cpu_access_partial(struct dma_buf *dmabuf, enum dma_data_direction dir,
				   size_t offset, size_t len)
{
	int err = is_legal(dmabuf, dir, offset, len);

	if (err)
		return err;
	trace_cpu(dmabuf, BERTH_TRACE_BUF_END_CPU, dir, offset, len);
	return end(dmabuf, dir, offset, len);
}

int dma_buf_begin_cpu_access(struct dma_buf *dmabuf, enum dma_data_direction dir)
{
	return dma_buf_begin_cpu_access_partial(dmabuf, dir, 0, dmabuf->size);
}

int dma_buf_end_cpu_access(struct dma_buf *dmabuf, enum dma_data_direction dir)
{
	return dma_buf_end_cpu_access_partial(dmabuf, dir, 0, dmabuf->size);
}

int dma_buf_mmap(struct dma_buf *dmabuf, struct vm_area_struct *vma, unsigned long pgoff)
{
	unsigned long pages = PFN_UP(dmabuf->size);

	if (!dmabuf->ops->mmap)
		return berth_fail(-EINVAL, BERTH_REASON_CAPABILITY, dmabuf->exp_name);
	if (pgoff >= pages || vma_pages(vma) > pages - pgoff)
		return berth_fail_limit(-EINVAL, BERTH_REASON_ARGUMENT,
					"an area beyond the dma-buf",
					(uint64_t)vma_pages(vma) << PAGE_SHIFT, dmabuf->size);
	if (berth_dma_buf_refuse_revoked(dmabuf))
		return -ENODEV;
	vma->vm_pgoff = pgoff;
	return dmabuf->ops->mmap(dmabuf, vma);
}

int dma_buf_vmap(struct dma_buf *dmabuf, struct iosys_map *map)
{
	int err;

	*map = (struct iosys_map){ 0 };
	if (!dma_resv_is_locked(dmabuf->resv))
		return berth_fail(-EPERM, BERTH_REASON_STATE, "dma_buf_vmap without the lock");
	if (!dmabuf->ops->vmap)
		return berth_fail(-EINVAL, BERTH_REASON_CAPABILITY, dmabuf->exp_name);
	if (berth_dma_buf_refuse_revoked(dmabuf))
		return -ENODEV;
	if (!dmabuf->vmapping_counter) {
		err = dmabuf->ops->vmap(dmabuf, &dmabuf->vmap_ptr);
		if (err)
			return err;
	}
	dmabuf->vmapping_counter++;
	*map = dmabuf->vmap_ptr;
	return 0;
}

void dma_buf_vunmap(struct dma_buf *dmabuf, struct iosys_map *map)
{
	if (dmabuf->vmapping_counter && !--dmabuf->vmapping_counter) {
		if (dmabuf->ops->vunmap)
			dmabuf->ops->vunmap(dmabuf, &dmabuf->vmap_ptr);
		dmabuf->vmap_ptr = (struct iosys_map){ 0 };
	}
	*map = (struct iosys_map){ 0 };
}

int dma_buf_vmap_unlocked(struct dma_buf *dmabuf, struct iosys_map *map)
{
	int err;

	berth_dma_buf_lock(dmabuf);
	err = dma_buf_vmap(dmabuf, map);
	dma_resv_unlock(dmabuf->resv);
	return err;
}

void dma_buf_vunmap_unlocked(struct dma_buf *dmabuf, struct iosys_map *map)
{
	berth_dma_buf_lock(dmabuf);
	dma_buf_vunmap(dmabuf, map);
	dma_resv_unlock(dmabuf->resv);
}
