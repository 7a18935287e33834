// SPDX-License-Identifier: BSD-2-Clause
/* dma-buf of checked programs: who holds a buffer, which devices have it, and when the CPU looks. */
#include <berth/dma-buf.h>
#include <berth/dma-mapping.h>

#include "check/check.h"
#include "dma-buf/dma-buf.h"
#include "dma-buf/heap.h"
#include "lib/device.h"
#include "lib/error.h"

#include <berth/check-dma-buf.h>

#define HERE ((uintptr_t)__builtin_return_address(0))

static const char *name_of(const struct dma_buf *dmabuf)
{
	return dmabuf->name[0] ? dmabuf->name : dmabuf->exp_name;
}

/* False, with the reason: it was let go, and is no more. */
static bool is_there(const void *object, uintptr_t caller)
{
	if (!berth_check_is_on())
		return true;
	__atomic_store_n(&berth_dma_buf_made, berth_check_object_made, __ATOMIC_RELEASE);
	if (berth_check_object_used(object, caller))
		return true;
	berth_fail(-ENODEV, BERTH_REASON_STATE, "a dma-buf that is gone");
	return false;
}

static struct check_call call_of(struct dma_buf_attachment *attach, const void *table,
				 enum dma_data_direction dir, uintptr_t caller)
{
	return (struct check_call){
		.dev = attach->dev,
		.name = dev_name(attach->dev),
		.kind = CHECK_BUF,
		.dir = dir,
		.owner = attach,
		.part_of = table,
		.caller = caller,
	};
}

/* References. Whoever has the only one knows that it is. */

static unsigned int references(const struct dma_buf *dmabuf)
{
	return kref_read(&dmabuf->file->f_count);
}

void berth_checked_buf_put(struct dma_buf *dmabuf)
{
	struct check_call call = { .kind = CHECK_BUF, .caller = HERE };
	unsigned int attached;

	if (!is_there(dmabuf, HERE))
		return;
	if (dmabuf && berth_check_is_on()) {
		attached = berth_check_attached(dmabuf, 0);
		call.name = name_of(dmabuf);
		call.owner = dmabuf;
		if (attached && references(dmabuf) == 1 + attached)
			berth_check_buf_problem(BERTH_CHECK_BUF_ATTACHED, &call);
		if (references(dmabuf) == 1)
			berth_check_object_gone(dmabuf, name_of(dmabuf), HERE);
	}
	dma_buf_put(dmabuf);
}

void berth_checked_buf_get_ref(struct dma_buf *dmabuf)
{
	if (is_there(dmabuf, HERE))
		get_dma_buf(dmabuf);
}

int berth_checked_buf_fd(struct dma_buf *dmabuf, unsigned int flags)
{
	return is_there(dmabuf, HERE) ? dma_buf_fd(dmabuf, flags) : -ENODEV;
}

/* Devices. */

struct dma_buf_attachment *
berth_checked_buf_dynamic_attach(struct dma_buf *dmabuf, struct device *dev,
				 const struct dma_buf_attach_ops *importer_ops, void *importer_priv)
{
	struct dma_buf_attachment *attach;

	if (!is_there(dmabuf, HERE))
		return ERR_PTR(-ENODEV);
	attach = dma_buf_dynamic_attach(dmabuf, dev, importer_ops, importer_priv);
	if (!IS_ERR(attach) && berth_check_is_on())
		berth_check_attached(dmabuf, 1);
	return attach;
}

struct dma_buf_attachment *berth_checked_buf_attach(struct dma_buf *dmabuf, struct device *dev)
{
	struct dma_buf_attachment *attach;

	if (!is_there(dmabuf, HERE))
		return ERR_PTR(-ENODEV);
	attach = dma_buf_attach(dmabuf, dev);
	if (!IS_ERR(attach) && berth_check_is_on())
		berth_check_attached(dmabuf, 1);
	return attach;
}

void berth_checked_buf_detach(struct dma_buf *dmabuf, struct dma_buf_attachment *attach)
{
	struct check_call call;

	if (!is_there(dmabuf, HERE) || !is_there(attach, HERE))
		return;
	if (dmabuf && attach && attach->dmabuf == dmabuf && berth_check_is_on()) {
		call = call_of(attach, NULL, DMA_NONE, HERE);
		if (attach->mapped)
			berth_check_buf_problem(BERTH_CHECK_BUF_MAPPED, &call);
		berth_check_buf_unmapped(&call);
		berth_check_attached(dmabuf, -1);
		berth_check_object_gone(attach, name_of(dmabuf), HERE);
		if (references(dmabuf) == 1)
			berth_check_object_gone(dmabuf, name_of(dmabuf), HERE);
	}
	dma_buf_detach(dmabuf, attach);
}

static struct sg_table *note_map(struct dma_buf_attachment *attach, struct sg_table *sgt,
				 enum dma_data_direction dir, uintptr_t caller)
{
	struct check_call call;
	struct scatterlist *sg;
	unsigned int i;

	if (IS_ERR(sgt) || !berth_check_is_on())
		return sgt;
	call = call_of(attach, sgt, dir, caller);
	for_each_sgtable_dma_sg(sgt, sg, i) {
		call.bus = sg_dma_address(sg);
		call.size = sg_dma_len(sg);
		/* What the CPU sees of it is followed for buffers of heaps: others know their own ways. */
		berth_check_buf_mapped(&call, attach->dmabuf->ops == &berth_heap_buffer_ops
						      ? attach->dmabuf
						      : NULL);
	}
	return sgt;
}

struct sg_table *berth_checked_buf_map(struct dma_buf_attachment *attach,
				       enum dma_data_direction dir)
{
	if (!is_there(attach, HERE))
		return ERR_PTR(-ENODEV);
	return note_map(attach, dma_buf_map_attachment(attach, dir), dir, HERE);
}

struct sg_table *berth_checked_buf_map_unlocked(struct dma_buf_attachment *attach,
						enum dma_data_direction dir)
{
	if (!is_there(attach, HERE))
		return ERR_PTR(-ENODEV);
	return note_map(attach, dma_buf_map_attachment_unlocked(attach, dir), dir, HERE);
}

/* The table may be gone: it is a name here. */
static bool note_unmap(struct dma_buf_attachment *attach, const struct sg_table *sgt,
		       enum dma_data_direction dir, uintptr_t caller)
{
	struct check_call call;

	if (!is_there(attach, caller))
		return false;
	if (!attach || IS_ERR_OR_NULL(sgt) || !berth_check_is_on())
		return true;
	call = call_of(attach, sgt, dir, caller);
	if (attach->mapped)
		berth_check_buf_unmapped(&call);
	else
		berth_check_buf_problem(BERTH_CHECK_UNMAP_TWICE, &call);
	return attach->mapped != 0;
}

void berth_checked_buf_unmap(struct dma_buf_attachment *attach, struct sg_table *sgt,
			     enum dma_data_direction dir)
{
	if (note_unmap(attach, sgt, dir, HERE))
		dma_buf_unmap_attachment(attach, sgt, dir);
}

void berth_checked_buf_unmap_unlocked(struct dma_buf_attachment *attach, struct sg_table *sgt,
				      enum dma_data_direction dir)
{
	if (note_unmap(attach, sgt, dir, HERE))
		dma_buf_unmap_attachment_unlocked(attach, sgt, dir);
}

/* The CPU. */

static int note_access(struct dma_buf *dmabuf, enum dma_data_direction dir, bool begin, int err)
{
	if (!err && berth_check_is_on() && dmabuf->ops == &berth_heap_buffer_ops)
		berth_check_cpu_access(dmabuf, begin, dir != DMA_FROM_DEVICE);
	return err;
}

int berth_checked_buf_begin(struct dma_buf *dmabuf, enum dma_data_direction dir)
{
	if (!is_there(dmabuf, HERE))
		return -ENODEV;
	return note_access(dmabuf, dir, true, dma_buf_begin_cpu_access(dmabuf, dir));
}

int berth_checked_buf_end(struct dma_buf *dmabuf, enum dma_data_direction dir)
{
	if (!is_there(dmabuf, HERE))
		return -ENODEV;
	note_access(dmabuf, dir, false, 0);
	return dma_buf_end_cpu_access(dmabuf, dir);
}

int berth_checked_buf_begin_partial(struct dma_buf *dmabuf, enum dma_data_direction dir,
				    size_t offset, size_t len)
{
	if (!is_there(dmabuf, HERE))
		return -ENODEV;
	return note_access(dmabuf, dir, true,
			   dma_buf_begin_cpu_access_partial(dmabuf, dir, offset, len));
}

int berth_checked_buf_end_partial(struct dma_buf *dmabuf, enum dma_data_direction dir,
				  size_t offset, size_t len)
{
	if (!is_there(dmabuf, HERE))
		return -ENODEV;
	note_access(dmabuf, dir, false, 0);
	return dma_buf_end_cpu_access_partial(dmabuf, dir, offset, len);
}

static int note_vmap(struct dma_buf *dmabuf, const struct iosys_map *map, int err, uintptr_t caller)
{
	const struct check_call call = {
		.name = name_of(dmabuf),
		.kind = CHECK_BUF_VIEW,
		.dir = DMA_BIDIRECTIONAL,
		.virt = (uintptr_t)map->vaddr,
		.bus = (uintptr_t)map->vaddr,
		.size = dmabuf->size,
		.owner = dmabuf,
		.caller = caller,
	};

	if (!err && berth_check_is_on() && dmabuf->ops == &berth_heap_buffer_ops)
		berth_check_viewed(&call);
	return err;
}

int berth_checked_buf_vmap(struct dma_buf *dmabuf, struct iosys_map *map)
{
	if (!is_there(dmabuf, HERE))
		return -ENODEV;
	return note_vmap(dmabuf, map, dma_buf_vmap(dmabuf, map), HERE);
}

int berth_checked_buf_vmap_unlocked(struct dma_buf *dmabuf, struct iosys_map *map)
{
	if (!is_there(dmabuf, HERE))
		return -ENODEV;
	return note_vmap(dmabuf, map, dma_buf_vmap_unlocked(dmabuf, map), HERE);
}

void berth_checked_buf_vunmap(struct dma_buf *dmabuf, struct iosys_map *map)
{
	if (!is_there(dmabuf, HERE))
		return;
	if (berth_check_is_on())
		berth_check_unviewed(dmabuf);
	dma_buf_vunmap(dmabuf, map);
}

void berth_checked_buf_vunmap_unlocked(struct dma_buf *dmabuf, struct iosys_map *map)
{
	if (!is_there(dmabuf, HERE))
		return;
	if (berth_check_is_on())
		berth_check_unviewed(dmabuf);
	dma_buf_vunmap_unlocked(dmabuf, map);
}
