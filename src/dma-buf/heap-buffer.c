// SPDX-License-Identifier: BSD-2-Clause
/*
 * Buffers of heaps, as exporters: memory that is taken late, moves if it must, and whose caches are maintained where
 * bytes change sides.
 */
#include <berth/device.h>
#include <berth/dma-mapping.h>
#include <berth/slab.h>
#include <berth/timer.h>
#include <berth/vmalloc.h>

#include "dma-buf/heap.h"
#include "dma/iommu.h"
#include "lib/device.h"
#include "lib/error.h"
#include "lib/string.h"
#include "mm/vma.h"

static struct heap_buffer *buffer_of(const struct dma_buf *dmabuf)
{
	return dmabuf->priv;
}

static void lock(struct heap_buffer *buffer)
{
	berth_dma_buf_lock(buffer->dmabuf);
}

static void unlock(struct heap_buffer *buffer)
{
	dma_resv_unlock(buffer->dmabuf->resv);
}

static bool is_copied(const struct device *dev)
{
	const struct iommu_dma *iommu = iommu_dma_of(dev);

	/* With swiotlb=force those behind an IOMMU have the flag and use none. */
	if (dev->backend != BERTH_DMA_IOMMU)
		return (dev->flags & BERTH_DEVICE_BOUNCE) != 0;
	return iommu && iommu->is_untrusted && iommu_granule(iommu) > PAGE_SIZE;
}

/* Access */

static int end_access(struct dma_buf_attachment *attach)
{
	berth_heap_end_access(attach->priv);
	return 0;
}

static int begin_access(struct dma_buf_attachment *attach, enum dma_data_direction dir)
{
	struct heap_attachment *a = attach->priv;

	if (a->dir != DMA_BIDIRECTIONAL && a->dir != dir)
		return berth_fail_at(-EINVAL, BERTH_REASON_ARGUMENT,
				     "an access that the mapping does not allow", (uint64_t)dir);
	end_access(attach);
	berth_heap_begin_access(a, dir);
	if (a->is_copied) {
		dma_sync_sgtable_for_device(attach->dev, a->sgt, a->mapped_dir);
		berth_heap_count_copy(a);
	}
	return 0;
}

/* Memory */

static void zero(struct heap_buffer *buffer)
{
	if (!(buffer->flags & BERTH_HEAP_OVERWRITE))
		for (unsigned long i = 0; i < buffer->nr; i++)
			memset(page_address(buffer->memory.pages[i]), 0, PAGE_SIZE);
	/* Even if nothing was written: what had the memory before may have left dirty lines. */
	berth_heap_wrote(buffer, 0, buffer->nr, true);
}

/* Everybody lets go, or one is named who does not. */
static int vacate(struct heap_buffer *buffer)
{
	const struct heap_attachment *a;
	long left;

	if (buffer->pins)
		return berth_fail(-EBUSY, BERTH_REASON_STATE,
				  "the dma-buf cannot move: pinned or seen by a program");
	left = dma_resv_wait_timeout(buffer->dmabuf->resv, DMA_RESV_USAGE_BOOKKEEP, true,
				     MAX_SCHEDULE_TIMEOUT);
	if (left < 0)
		return (int)left;
	dma_buf_move_notify(buffer->dmabuf);
	list_for_each_entry(a, &buffer->attachments, struct heap_attachment, node) {
		if (!a->sgt)
			continue;
		berth_strlcpy(berth_error_set(-EBUSY, BERTH_REASON_PAGE_BUSY, "dma-buf")->holder,
			      dev_name(a->attach->dev), sizeof(berth_last_error()->holder));
		return -EBUSY;
	}
	return 0;
}

static int move(struct heap_buffer *buffer, const struct heap_place *place)
{
	struct heap_memory old = buffer->memory, fresh;
	int err = vacate(buffer);

	if (!err)
		err = berth_heap_take(buffer, place, &fresh);
	if (err)
		return err;
	berth_heap_begin(buffer, 0, buffer->nr, true);
	for (unsigned long i = 0; i < buffer->nr; i++)
		memcpy(page_address(fresh.pages[i]), page_address(old.pages[i]), PAGE_SIZE);
	buffer->memory = fresh;
	berth_heap_wrote(buffer, 0, buffer->nr, true);
	berth_heap_give(&old);
	berth_dma_buf_trace(BERTH_TRACE_BUF_MOVE, buffer->dmabuf, NULL, 0);
	buffer->dmabuf->stats.moves++;
	buffer->dmabuf->stats.copies += (uint64_t)buffer->nr << PAGE_SHIFT;
	return 0;
}

int berth_heap_settle(struct heap_buffer *buffer, const struct heap_attachment *by)
{
	const struct berth_error before = *berth_last_error();
	struct heap_place place;
	int err = 0;

	/* Only for one who cannot do without it does a buffer move: others may hold it. */
	if (buffer->memory.pages && by && !by->is_copied)
		err = berth_heap_fits(&buffer->memory, by->attach->dev);
	/* An area has no better place: why it does not fit is known by now. */
	if (buffer->memory.pages && (!err || buffer->area))
		return err;
	*berth_port_error() = before;
	err = berth_heap_place(buffer, NULL, &place);
	if (err)
		return err;
	if (buffer->memory.pages)
		return move(buffer, &place);
	err = berth_heap_take(buffer, &place, &buffer->memory);
	if (!err)
		zero(buffer);
	return err;
}

/* Devices */

static int attach(struct dma_buf *dmabuf, struct dma_buf_attachment *attach)
{
	struct heap_buffer *buffer = buffer_of(dmabuf);
	struct device *dev = attach->dev;
	struct heap_attachment *a;
	struct heap_place place;
	int err = 0;

	if (!dev->dma_mask || dev->backend == BERTH_DMA_NONE)
		return berth_fail(-EIO, BERTH_REASON_NO_MASK, dev_name(dev));
	a = kzalloc(sizeof(*a), GFP_KERNEL);
	if (!a)
		return -ENOMEM;
	a->attach = attach;
	a->buffer = buffer;
	a->is_copied = is_copied(dev);
	lock(buffer);
	if (!a->is_copied)
		err = berth_heap_place(buffer, dev, &place);
	if (!err && !a->is_copied && buffer->area && buffer->memory.pages)
		err = berth_heap_fits(&buffer->memory, dev);
	if (!err)
		list_add_tail(&a->node, &buffer->attachments);
	unlock(buffer);
	if (err)
		kfree(a);
	else
		attach->priv = a;
	return err;
}

static int pin(struct dma_buf_attachment *attach)
{
	struct heap_attachment *a = attach->priv;
	int err = berth_heap_settle(a->buffer, a);

	if (!err)
		a->buffer->pins++;
	return err;
}

static void unpin(struct dma_buf_attachment *attach)
{
	struct heap_attachment *a = attach->priv;

	a->buffer->pins--;
}

static void free_table(struct sg_table *sgt)
{
	sg_free_table(sgt);
	kfree(sgt);
}

static int map_table(struct heap_attachment *a, struct sg_table *sgt, enum dma_data_direction dir)
{
	struct device *dev = a->attach->dev;
	const unsigned long attrs = a->is_copied ? 0 : DMA_ATTR_SKIP_CPU_SYNC;
	int err = dma_map_sgtable(dev, sgt, dir, attrs);

	if (err || !dev->max_segments || sgt->nents <= dev->max_segments)
		return err;
	err = berth_fail_limit(-EINVAL, BERTH_REASON_SEGMENTS, dev_name(dev), sgt->nents,
			       dev->max_segments);
	dma_unmap_sgtable(dev, sgt, dir, attrs | DMA_ATTR_SKIP_CPU_SYNC);
	return err;
}

static struct sg_table *map(struct dma_buf_attachment *attach, enum dma_data_direction dir)
{
	struct heap_attachment *a = attach->priv;
	struct sg_table *sgt;
	int err = berth_heap_settle(a->buffer, a);

	if (err)
		return ERR_PTR(err);
	if (a->sgt)
		return ERR_PTR(berth_fail(-EBUSY, BERTH_REASON_STATE,
					  "the device has mapped the dma-buf already"));
	sgt = berth_heap_table(&a->buffer->memory, attach->dev);
	if (IS_ERR(sgt))
		return sgt;
	a->dir = dir;
	a->mapped_dir = dir;
	if (a->is_copied && dir == DMA_FROM_DEVICE && attach->dev->backend != BERTH_DMA_IOMMU)
		a->mapped_dir = DMA_BIDIRECTIONAL;
	/* What the CPU copies has to be right before it is copied. */
	if (a->is_copied)
		berth_heap_begin_access(a, dir);
	err = map_table(a, sgt, a->mapped_dir);
	if (err) {
		a->has_access = false;
		free_table(sgt);
		return ERR_PTR(err);
	}
	if (a->is_copied)
		berth_heap_count_copy(a);
	else
		berth_heap_begin_access(a, dir);
	a->sgt = sgt;
	return sgt;
}

static void unmap(struct dma_buf_attachment *attach, struct sg_table *sgt,
		  enum dma_data_direction dir)
{
	struct heap_attachment *a = attach->priv;

	(void)dir;
	berth_heap_end_access(a);
	dma_unmap_sgtable(attach->dev, sgt, a->mapped_dir, DMA_ATTR_SKIP_CPU_SYNC);
	a->sgt = NULL;
	free_table(sgt);
}

static void detach(struct dma_buf *dmabuf, struct dma_buf_attachment *attach)
{
	struct heap_attachment *a = attach->priv;

	lock(buffer_of(dmabuf));
	if (a->sgt) {
		unmap(attach, a->sgt, a->dir);
		if (!dma_buf_attachment_is_dynamic(attach))
			unpin(attach);
	}
	list_del(&a->node);
	unlock(buffer_of(dmabuf));
	kfree(a);
}

/* The CPU */

static unsigned long last_page(size_t offset, size_t len)
{
	return (unsigned long)((offset + len - 1) >> PAGE_SHIFT);
}

static int begin_cpu_access(struct dma_buf *dmabuf, enum dma_data_direction dir, size_t offset,
			    size_t len)
{
	struct heap_buffer *buffer = buffer_of(dmabuf);
	const unsigned long first = (unsigned long)(offset >> PAGE_SHIFT);
	long left;
	int err;

	/* First: what is invalidated before a device has written is stale again afterwards. */
	left = dma_resv_wait_timeout(dmabuf->resv, dma_resv_usage_rw(dir != DMA_FROM_DEVICE), true,
				     MAX_SCHEDULE_TIMEOUT);
	if (left < 0)
		return (int)left;
	lock(buffer);
	err = berth_heap_settle(buffer, NULL);
	if (!err)
		berth_heap_begin_cpu(buffer, first, last_page(offset, len) - first + 1,
				     dir != DMA_FROM_DEVICE);
	unlock(buffer);
	return err;
}

static int end_cpu_access(struct dma_buf *dmabuf, enum dma_data_direction dir, size_t offset,
			  size_t len)
{
	struct heap_buffer *buffer = buffer_of(dmabuf);
	const unsigned long first = (unsigned long)(offset >> PAGE_SHIFT);

	if (dir == DMA_FROM_DEVICE)
		return 0;
	lock(buffer);
	if (buffer->memory.pages)
		berth_heap_end_cpu(buffer, first, last_page(offset, len) - first + 1);
	unlock(buffer);
	return 0;
}

static void gone(void *data)
{
	struct heap_buffer *buffer = data;

	lock(buffer);
	buffer->pins--;
	unlock(buffer);
	dma_buf_put(buffer->dmabuf);
}

/* Run by run; each holds the buffer, and keeps it where it is. */
static int show(struct heap_buffer *buffer, struct vm_area_struct *vma)
{
	const struct heap_memory *memory = &buffer->memory;
	const unsigned long end = vma->vm_pgoff + vma_pages(vma);
	int err = 0;

	for (unsigned long at = vma->vm_pgoff, nr; !err && at < end; at += nr) {
		nr = berth_heap_run(memory, at);
		if (nr > end - at)
			nr = end - at;
		err = berth_vma_show(vma, (uint64_t)(at - vma->vm_pgoff) << PAGE_SHIFT,
				     page_to_phys(memory->pages[at]), (uint64_t)nr << PAGE_SHIFT,
				     BERTH_MEMORY_CACHED, gone, buffer);
		if (!err) {
			get_dma_buf(buffer->dmabuf);
			buffer->pins++;
		}
	}
	return err;
}

static int mmap(struct dma_buf *dmabuf, struct vm_area_struct *vma)
{
	struct heap_buffer *buffer = buffer_of(dmabuf);
	int err;

	lock(buffer);
	err = berth_heap_settle(buffer, NULL);
	if (!err)
		err = show(buffer, vma);
	unlock(buffer);
	return err;
}

static bool is_one_run(const struct heap_memory *memory)
{
	return berth_heap_run(memory, 0) == memory->nr;
}

static int vmap_buffer(struct dma_buf *dmabuf, struct iosys_map *map)
{
	struct heap_buffer *buffer = buffer_of(dmabuf);
	int err = berth_heap_settle(buffer, NULL);

	if (err)
		return err;
	if (is_one_run(&buffer->memory))
		map->vaddr = page_address(buffer->memory.pages[0]);
	else
		map->vaddr =
			vmap(buffer->memory.pages, (unsigned int)buffer->nr, VM_MAP, PAGE_KERNEL);
	if (!map->vaddr)
		return -ENOMEM;
	buffer->pins++;
	return 0;
}

static void vunmap_buffer(struct dma_buf *dmabuf, struct iosys_map *map)
{
	struct heap_buffer *buffer = buffer_of(dmabuf);

	if (!is_one_run(&buffer->memory))
		vunmap(map->vaddr);
	buffer->pins--;
}

static void release(struct dma_buf *dmabuf)
{
	struct heap_buffer *buffer = buffer_of(dmabuf);

	if (buffer->memory.pages)
		berth_heap_give(&buffer->memory);
	kfree(buffer);
}

const struct dma_buf_ops berth_heap_buffer_ops = {
	.attach = attach,
	.detach = detach,
	.map_dma_buf = map,
	.unmap_dma_buf = unmap,
	.pin = pin,
	.unpin = unpin,
	.begin_access = begin_access,
	.end_access = end_access,
	.begin_cpu_access_partial = begin_cpu_access,
	.end_cpu_access_partial = end_cpu_access,
	.mmap = mmap,
	.vmap = vmap_buffer,
	.vunmap = vunmap_buffer,
	.release = release,
};

struct dma_buf *berth_heap_buffer_new(struct cma *area, unsigned long len, unsigned int fd_flags,
				      unsigned long heap_flags, const char *name)
{
	struct dma_buf_export_info info = {
		.exp_name = name,
		.ops = &berth_heap_buffer_ops,
		.size = PAGE_ALIGN(len),
		.flags = fd_flags,
	};
	struct heap_buffer *buffer = kzalloc(sizeof(*buffer), GFP_KERNEL);
	struct dma_buf *dmabuf;

	if (!buffer)
		return ERR_PTR(-ENOMEM);
	INIT_LIST_HEAD(&buffer->attachments);
	buffer->area = area;
	buffer->nr = info.size >> PAGE_SHIFT;
	buffer->flags = heap_flags;
	info.priv = buffer;
	dmabuf = dma_buf_export(&info);
	if (IS_ERR(dmabuf))
		kfree(buffer);
	else
		buffer->dmabuf = dmabuf;
	return dmabuf;
}
