// SPDX-License-Identifier: BSD-2-Clause
/* Buffers: references, and the devices that use them. */
#include <berth/device.h>
#include <berth/dma-buf.h>
#include <berth/slab.h>

#include "dma-buf/dma-buf.h"
#include "lib/error.h"
#include "lib/string.h"
#include "lib/trace.h"

void berth_dma_buf_trace(enum berth_trace_kind kind, const struct dma_buf *dmabuf,
			 const struct device *dev, int detail)
{
	berth_trace(.kind = kind, .dev = dev, .object = dmabuf, .detail = detail,
		    .name = dmabuf->name[0] ? dmabuf->name : dmabuf->exp_name,
		    .length = dmabuf->size);
}

void (*berth_dma_buf_made)(const void *object);

/* A checker may know one that was there before. */
static void note_made(const void *object)
{
	void (*tell)(const void *) = __atomic_load_n(&berth_dma_buf_made, __ATOMIC_ACQUIRE);

	if (tell)
		tell(object);
}

static bool is_legal(const struct dma_buf_export_info *info)
{
	const struct dma_buf_ops *ops = info->ops;

	if (!ops || !ops->map_dma_buf || !ops->unmap_dma_buf || !ops->release ||
	    !ops->pin != !ops->unpin)
		berth_fail(-EINVAL, BERTH_REASON_ARGUMENT, "operations of dma_buf_export");
	else if (!info->size)
		berth_fail_at(-EINVAL, BERTH_REASON_ARGUMENT, "size of dma_buf_export", 0);
	else
		return true;
	return false;
}

struct dma_buf *dma_buf_export(const struct dma_buf_export_info *info)
{
	struct dma_buf *dmabuf;

	if (!is_legal(info))
		return ERR_PTR(-EINVAL);
	dmabuf = kzalloc(sizeof(*dmabuf), GFP_KERNEL);
	if (!dmabuf)
		return ERR_PTR(-ENOMEM);
	dmabuf->file = anon_inode_getfile("dmabuf", &berth_dma_buf_fops, dmabuf, info->flags);
	if (IS_ERR(dmabuf->file)) {
		kfree(dmabuf);
		return ERR_PTR(-ENOMEM);
	}
	dmabuf->size = info->size;
	dmabuf->ops = info->ops;
	dmabuf->exp_name = info->exp_name ? info->exp_name : "";
	dmabuf->priv = info->priv;
	INIT_LIST_HEAD(&dmabuf->attachments);
	init_waitqueue_head(&dmabuf->poll_queue);
	dma_resv_init(&dmabuf->own_resv);
	dmabuf->resv = info->resv ? info->resv : &dmabuf->own_resv;
	note_made(dmabuf);
	berth_dma_buf_trace(BERTH_TRACE_BUF_EXPORT, dmabuf, NULL, 0);
	return dmabuf;
}

void dma_buf_put(struct dma_buf *dmabuf)
{
	if (dmabuf)
		fput(dmabuf->file);
}

struct dma_buf *berth_dma_buf_of_file(const struct file *file)
{
	return file->f_op == &berth_dma_buf_fops ? file->private_data : NULL;
}

int dma_buf_fd(struct dma_buf *dmabuf, unsigned int flags)
{
	if (flags)
		return berth_fail_at(-EINVAL, BERTH_REASON_ARGUMENT, "flags of dma_buf_fd", flags);
	return berth_fd_install(dmabuf->file);
}

struct dma_buf *dma_buf_get(int fd)
{
	struct file *file = fget((unsigned int)fd);

	if (!file)
		return ERR_PTR(berth_fail_at(-EBADF, BERTH_REASON_ARGUMENT, "file of dma_buf_get",
					     (uint64_t)(int64_t)fd));
	if (berth_dma_buf_of_file(file))
		return berth_dma_buf_of_file(file);
	fput(file);
	return ERR_PTR(berth_fail_at(-EINVAL, BERTH_REASON_ARGUMENT, "no dma-buf: file",
				     (uint64_t)(int64_t)fd));
}

void berth_dma_buf_set_name(struct dma_buf *dmabuf, const char *name)
{
	berth_dma_buf_lock(dmabuf);
	berth_strlcpy(dmabuf->name, name ? name : "", sizeof(dmabuf->name));
	dma_resv_unlock(dmabuf->resv);
}

void berth_dma_buf_get_stats(struct dma_buf *dmabuf, struct berth_dma_buf_stats *stats)
{
	berth_dma_buf_lock(dmabuf);
	*stats = dmabuf->stats;
	dma_resv_unlock(dmabuf->resv);
}

/* Devices. */

struct dma_buf_attachment *dma_buf_dynamic_attach(struct dma_buf *dmabuf, struct device *dev,
						  const struct dma_buf_attach_ops *importer_ops,
						  void *importer_priv)
{
	struct dma_buf_attachment *attach;
	int err = 0;

	if (!dmabuf || !dev || (importer_ops && !importer_ops->move_notify))
		return ERR_PTR(
			berth_fail(-EINVAL, BERTH_REASON_ARGUMENT, "dma_buf_dynamic_attach"));
	err = berth_dma_buf_refuse_revoked(dmabuf);
	if (err)
		return ERR_PTR(err);
	attach = kzalloc(sizeof(*attach), GFP_KERNEL);
	if (!attach)
		return ERR_PTR(-ENOMEM);
	get_dma_buf(dmabuf);
	attach->dmabuf = dmabuf;
	attach->dev = dev;
	attach->importer_ops = importer_ops;
	attach->importer_priv = importer_priv;
	attach->peer2peer = importer_ops && importer_ops->allow_peer2peer;
	if (dmabuf->ops->attach)
		err = dmabuf->ops->attach(dmabuf, attach);
	if (err) {
		kfree(attach);
		dma_buf_put(dmabuf);
		return ERR_PTR(err);
	}
	berth_dma_buf_lock(dmabuf);
	list_add_tail(&attach->node, &dmabuf->attachments);
	dma_resv_unlock(dmabuf->resv);
	note_made(attach);
	berth_dma_buf_trace(BERTH_TRACE_BUF_ATTACH, dmabuf, dev, 0);
	return attach;
}

struct dma_buf_attachment *dma_buf_attach(struct dma_buf *dmabuf, struct device *dev)
{
	return dma_buf_dynamic_attach(dmabuf, dev, NULL, NULL);
}

/* With the lock: whether an exporter that moves its buffer has to be held back for @attach. */
static bool wants_pin(const struct dma_buf_attachment *attach)
{
	return dma_buf_is_dynamic(attach->dmabuf) && !dma_buf_attachment_is_dynamic(attach);
}

static void unmap(struct dma_buf_attachment *attach, struct sg_table *sgt,
		  enum dma_data_direction dir)
{
	attach->dmabuf->ops->unmap_dma_buf(attach, sgt, dir);
	berth_dma_buf_trace(BERTH_TRACE_BUF_UNMAP, attach->dmabuf, attach->dev, (int)dir);
	if (wants_pin(attach))
		attach->dmabuf->ops->unpin(attach);
}

void dma_buf_detach(struct dma_buf *dmabuf, struct dma_buf_attachment *attach)
{
	if (!dmabuf || !attach || attach->dmabuf != dmabuf)
		return;
	berth_dma_buf_lock(dmabuf);
	if (attach->sgt)
		unmap(attach, attach->sgt, attach->dir);
	attach->sgt = NULL;
	list_del(&attach->node);
	dma_resv_unlock(dmabuf->resv);
	if (dmabuf->ops->detach)
		dmabuf->ops->detach(dmabuf, attach);
	berth_dma_buf_trace(BERTH_TRACE_BUF_DETACH, dmabuf, attach->dev, 0);
	kfree(attach);
	dma_buf_put(dmabuf);
}

static int refuse_unlocked(const struct dma_buf *dmabuf, const char *what)
{
	if (dma_resv_is_locked(dmabuf->resv))
		return 0;
	return berth_fail(-EPERM, BERTH_REASON_STATE, what);
}

int dma_buf_pin(struct dma_buf_attachment *attach)
{
	int err = refuse_unlocked(attach->dmabuf, "dma_buf_pin without the lock");

	if (!err)
		err = berth_dma_buf_refuse_revoked(attach->dmabuf);
	return !err && attach->dmabuf->ops->pin ? attach->dmabuf->ops->pin(attach) : err;
}

void dma_buf_unpin(struct dma_buf_attachment *attach)
{
	if (attach->dmabuf->ops->unpin)
		attach->dmabuf->ops->unpin(attach);
}

static void trace_map(const struct dma_buf_attachment *attach, const struct sg_table *sgt,
		      enum dma_data_direction dir)
{
	const struct dma_buf *dmabuf = attach->dmabuf;

	berth_trace(.kind = BERTH_TRACE_BUF_MAP, .dev = attach->dev, .object = dmabuf,
		    .detail = (int)dir, .name = dmabuf->name[0] ? dmabuf->name : dmabuf->exp_name,
		    .address = sgt->sgl ? sg_dma_address(sgt->sgl) : 0, .length = dmabuf->size,
		    .other = sgt->nents);
}

static struct sg_table *map(struct dma_buf_attachment *attach, enum dma_data_direction dir)
{
	const struct dma_buf_ops *ops = attach->dmabuf->ops;
	struct sg_table *sgt;
	int err;

	if (wants_pin(attach)) {
		err = ops->pin(attach);
		if (err)
			return ERR_PTR(err);
	}
	sgt = ops->map_dma_buf(attach, dir);
	if (!sgt)
		sgt = ERR_PTR(-ENOMEM);
	if (IS_ERR(sgt) && wants_pin(attach))
		ops->unpin(attach);
	return sgt;
}

struct sg_table *dma_buf_map_attachment(struct dma_buf_attachment *attach,
					enum dma_data_direction dir)
{
	struct sg_table *sgt;
	int err = refuse_unlocked(attach->dmabuf, "dma_buf_map_attachment without the lock");

	if (err)
		return ERR_PTR(err);
	if (!valid_dma_direction(dir))
		return ERR_PTR(berth_fail_at(-EINVAL, BERTH_REASON_ARGUMENT,
					     "direction of a mapping", (uint64_t)dir));
	err = berth_dma_buf_refuse_revoked(attach->dmabuf);
	if (err)
		return ERR_PTR(err);
	if (attach->sgt) {
		if (attach->dir != dir && attach->dir != DMA_BIDIRECTIONAL)
			return ERR_PTR(berth_fail(-EBUSY, BERTH_REASON_STATE,
						  "mapped with another direction"));
		attach->mapped++;
		return attach->sgt;
	}
	sgt = map(attach, dir);
	if (IS_ERR(sgt))
		return sgt;
	attach->mapped++;
	trace_map(attach, sgt, dir);
	if (attach->dmabuf->ops->cache_sgt_mapping) {
		attach->sgt = sgt;
		attach->dir = dir;
	}
	return sgt;
}

void dma_buf_unmap_attachment(struct dma_buf_attachment *attach, struct sg_table *sgt,
			      enum dma_data_direction dir)
{
	if (!attach || IS_ERR_OR_NULL(sgt) || !attach->mapped)
		return;
	attach->mapped--;
	if (attach->sgt != sgt)
		unmap(attach, sgt, dir);
}

struct sg_table *dma_buf_map_attachment_unlocked(struct dma_buf_attachment *attach,
						 enum dma_data_direction dir)
{
	struct sg_table *sgt;

	if (!attach)
		return ERR_PTR(
			berth_fail(-EINVAL, BERTH_REASON_ARGUMENT, "dma_buf_map_attachment"));
	berth_dma_buf_lock(attach->dmabuf);
	sgt = dma_buf_map_attachment(attach, dir);
	dma_resv_unlock(attach->dmabuf->resv);
	return sgt;
}

void dma_buf_unmap_attachment_unlocked(struct dma_buf_attachment *attach, struct sg_table *sgt,
				       enum dma_data_direction dir)
{
	struct dma_buf *dmabuf = attach->dmabuf;

	berth_dma_buf_lock(dmabuf);
	dma_buf_unmap_attachment(attach, sgt, dir);
	dma_resv_unlock(dmabuf->resv);
}

void dma_buf_move_notify(struct dma_buf *dmabuf)
{
	struct dma_buf_attachment *attach;

	list_for_each_entry(attach, &dmabuf->attachments, struct dma_buf_attachment, node)
		if (attach->importer_ops)
			attach->importer_ops->move_notify(attach);
}

int berth_dma_buf_refuse_revoked(const struct dma_buf *dmabuf)
{
	if (!__atomic_load_n(&dmabuf->is_revoked, __ATOMIC_ACQUIRE))
		return 0;
	return berth_fail(-ENODEV, BERTH_REASON_STATE, "a dma-buf whose exporter has gone");
}

static int busy(const char *holder)
{
	struct berth_error *error = berth_error_set(-EBUSY, BERTH_REASON_PAGE_BUSY, "dma-buf");

	berth_strlcpy(error->holder, holder, sizeof(error->holder));
	return -EBUSY;
}

/* With the lock. */
static int drop_mappings(struct dma_buf *dmabuf)
{
	struct dma_buf_attachment *attach;

	dma_buf_move_notify(dmabuf);
	list_for_each_entry(attach, &dmabuf->attachments, struct dma_buf_attachment, node) {
		if (attach->mapped)
			return busy(dev_name(attach->dev));
		if (attach->sgt)
			unmap(attach, attach->sgt, attach->dir);
		attach->sgt = NULL;
	}
	return dmabuf->vmapping_counter ? busy("the CPU") : 0;
}

int berth_dma_buf_revoke(struct dma_buf *dmabuf)
{
	int err;

	berth_dma_buf_lock(dmabuf);
	__atomic_store_n(&dmabuf->is_revoked, true, __ATOMIC_RELEASE);
	err = drop_mappings(dmabuf);
	dma_resv_unlock(dmabuf->resv);
	return err;
}

static int access(struct dma_buf_attachment *attach, bool begin, enum dma_data_direction dir)
{
	const struct dma_buf_ops *ops = attach->dmabuf->ops;
	int err = 0;

	berth_dma_buf_lock(attach->dmabuf);
	if (!attach->mapped)
		err = berth_fail(-EINVAL, BERTH_REASON_STATE,
				 "access of a device: nothing is mapped");
	else if (begin && ops->begin_access)
		err = ops->begin_access(attach, dir);
	else if (!begin && ops->end_access)
		err = ops->end_access(attach);
	if (!err)
		berth_dma_buf_trace(begin ? BERTH_TRACE_BUF_BEGIN_ACCESS
					  : BERTH_TRACE_BUF_END_ACCESS,
				    attach->dmabuf, attach->dev, (int)dir);
	dma_resv_unlock(attach->dmabuf->resv);
	return err;
}

int berth_dma_buf_begin_access(struct dma_buf_attachment *attach, enum dma_data_direction dir)
{
	if (!valid_dma_direction(dir))
		return berth_fail_at(-EINVAL, BERTH_REASON_ARGUMENT, "direction of an access",
				     (uint64_t)dir);
	return access(attach, true, dir);
}

int berth_dma_buf_end_access(struct dma_buf_attachment *attach)
{
	return access(attach, false, DMA_NONE);
}
