// SPDX-License-Identifier: BSD-2-Clause
/* Fences as files. */
#include <berth/dma-fence-unwrap.h>
#include <berth/errno.h>
#include <berth/slab.h>
#include <berth/sync_file.h>

#include "dma-buf/dma-buf.h"
#include "dma-buf/internal.h"
#include "lib/error.h"
#include "lib/printk.h"
#include "lib/string.h"

static const struct file_operations sync_file_fops;

static struct sync_file *sync_file_of(const struct file *file)
{
	return file->f_op == &sync_file_fops ? file->private_data : NULL;
}

struct sync_file *sync_file_create(struct dma_fence *fence)
{
	struct sync_file *sync_file = kzalloc(sizeof(*sync_file), GFP_KERNEL);

	if (!sync_file)
		return NULL;
	sync_file->file = anon_inode_getfile("sync_file", &sync_file_fops, sync_file, 0);
	if (IS_ERR(sync_file->file)) {
		kfree(sync_file);
		return NULL;
	}
	init_waitqueue_head(&sync_file->wq);
	sync_file->fence = dma_fence_get(fence);
	return sync_file;
}

struct dma_fence *sync_file_get_fence(int fd)
{
	struct file *file = fget((unsigned int)fd);
	struct sync_file *sync_file = file ? sync_file_of(file) : NULL;
	struct dma_fence *fence = sync_file ? dma_fence_get(sync_file->fence) : NULL;

	if (file)
		fput(file);
	if (!fence)
		berth_fail_at(-EINVAL, BERTH_REASON_ARGUMENT, "no sync file: file",
			      (uint64_t)(int64_t)fd);
	return fence;
}

static const char *driver_of(struct dma_fence *fence)
{
	const char *name = fence->ops->get_driver_name ? fence->ops->get_driver_name(fence) : NULL;

	return name ? name : "";
}

static const char *timeline_of(struct dma_fence *fence)
{
	const char *name = fence->ops->get_timeline_name ? fence->ops->get_timeline_name(fence)
							 : NULL;

	return name ? name : "";
}

char *sync_file_get_name(struct sync_file *sync_file, char *buf, int len)
{
	struct dma_fence *fence = sync_file->fence;

	if (sync_file->user_name[0])
		berth_strlcpy(buf, sync_file->user_name, (size_t)len);
	else
		berth_snprintf(buf, (size_t)len, "%s-%s%llu-%llu", driver_of(fence),
			       timeline_of(fence), (unsigned long long)fence->context,
			       (unsigned long long)fence->seqno);
	return buf;
}

int berth_sync_file_install(struct dma_fence *fence, const char *name)
{
	struct sync_file *sync_file = fence ? sync_file_create(fence) : NULL;
	int fd;

	dma_fence_put(fence);
	if (!sync_file)
		return -ENOMEM;
	if (name)
		berth_strlcpy(sync_file->user_name, name, sizeof(sync_file->user_name));
	fd = berth_fd_install(sync_file->file);
	if (fd < 0)
		fput(sync_file->file);
	return fd;
}

static long merge(struct sync_file *sync_file, void *arg)
{
	struct berth_sync_merge_data data;
	struct dma_fence *fences[2];
	int fd;

	if (copy_from_user(&data, arg, sizeof(data)))
		return -EFAULT;
	if (data.flags || data.pad)
		return berth_fail_at(-EINVAL, BERTH_REASON_ARGUMENT, "flags of SYNC_IOC_MERGE",
				     (uint64_t)data.flags << 32 | data.pad);
	fences[0] = sync_file->fence;
	fences[1] = sync_file_get_fence(data.fd2);
	if (!fences[1])
		return -ENOENT;
	data.name[sizeof(data.name) - 1] = '\0';
	fd = berth_sync_file_install(berth_dma_fence_unwrap_merge(2, fences), data.name);
	dma_fence_put(fences[1]);
	if (fd < 0)
		return fd;
	data.fence = fd;
	return copy_to_user(arg, &data, sizeof(data)) ? -EFAULT : 0;
}

static void describe(struct dma_fence *fence, struct berth_sync_fence_info *info)
{
	*info = (struct berth_sync_fence_info){ .status = dma_fence_get_status(fence) };
	berth_strlcpy(info->obj_name, timeline_of(fence), sizeof(info->obj_name));
	berth_strlcpy(info->driver_name, driver_of(fence), sizeof(info->driver_name));
	if (info->status)
		info->timestamp_ns = dma_fence_timestamp(fence);
}

/* Return: how many there are; the first @room of them are described. */
static uint32_t describe_all(struct dma_fence *head, struct berth_sync_fence_info *to,
			     uint32_t room)
{
	struct berth_sync_fence_info info;
	struct dma_fence_unwrap cursor;
	struct dma_fence *fence;
	uint32_t nr = 0;

	dma_fence_unwrap_for_each(fence, &cursor, head) {
		if (nr < room) {
			describe(fence, &info);
			if (copy_to_user(to + nr, &info, sizeof(info))) {
				dma_fence_put(cursor.chain);
				break;
			}
		}
		nr++;
	}
	return nr;
}

static long tell_info(struct sync_file *sync_file, void *arg)
{
	struct berth_sync_file_info info;
	uint32_t nr;

	if (copy_from_user(&info, arg, sizeof(info)))
		return -EFAULT;
	if (info.flags || info.pad)
		return berth_fail_at(-EINVAL, BERTH_REASON_ARGUMENT, "flags of SYNC_IOC_FILE_INFO",
				     (uint64_t)info.flags << 32 | info.pad);
	nr = describe_all(sync_file->fence, NULL, 0);
	if (info.num_fences && info.num_fences < nr)
		return berth_fail_limit(-EINVAL, BERTH_REASON_TABLE_FULL, "SYNC_IOC_FILE_INFO", nr,
					info.num_fences);
	/* There is room for those that were counted: links of a chain may go meanwhile, not come. */
	if (info.num_fences)
		nr = describe_all(sync_file->fence, (void *)(uintptr_t)info.sync_fence_info,
				  info.num_fences);
	info.num_fences = nr;
	info.status = dma_fence_get_status(sync_file->fence);
	sync_file_get_name(sync_file, info.name, sizeof(info.name));
	return copy_to_user(arg, &info, sizeof(info)) ? -EFAULT : 0;
}

static long control(struct file *file, unsigned int request, unsigned long arg)
{
	switch (request) {
	case BERTH_SYNC_IOC_MERGE:
		return merge(file->private_data, (void *)arg);
	case BERTH_SYNC_IOC_FILE_INFO:
		return tell_info(file->private_data, (void *)arg);
	default:
		return -ENOTTY;
	}
}

/* With the lock of the fence, perhaps in an interrupt. */
static void tell(struct dma_fence *fence, struct dma_fence_cb *cb)
{
	(void)fence;
	wake_up_poll(&container_of(cb, struct sync_file, cb)->wq, BERTH_POLLIN);
}

static unsigned int look(struct file *file, struct poll_table_struct *table)
{
	struct sync_file *sync_file = file->private_data;

	poll_wait(file, &sync_file->wq, table);
	if (table && !__atomic_exchange_n(&sync_file->is_watched, true, __ATOMIC_ACQ_REL) &&
	    dma_fence_add_callback(sync_file->fence, &sync_file->cb, tell))
		wake_up_poll(&sync_file->wq, BERTH_POLLIN);
	return dma_fence_is_signaled(sync_file->fence) ? BERTH_POLLIN : 0;
}

static int release(struct inode *inode, struct file *file)
{
	struct sync_file *sync_file = file->private_data;

	(void)inode;
	if (sync_file->is_watched)
		dma_fence_remove_callback(sync_file->fence, &sync_file->cb);
	dma_fence_put(sync_file->fence);
	kfree(sync_file);
	return 0;
}

static const struct berth_ioctl_form forms[] = {
	{
		.request = BERTH_SYNC_IOC_MERGE,
		.fd_in = offsetof(struct berth_sync_merge_data, fd2),
		.fd_out = offsetof(struct berth_sync_merge_data, fence),
		.array = BERTH_IOCTL_NONE,
	},
	{
		.request = BERTH_SYNC_IOC_FILE_INFO,
		.fd_in = BERTH_IOCTL_NONE,
		.fd_out = BERTH_IOCTL_NONE,
		.array = offsetof(struct berth_sync_file_info, sync_fence_info),
		.array_count = offsetof(struct berth_sync_file_info, num_fences),
		.array_size = sizeof(struct berth_sync_fence_info),
	},
};

static const struct file_operations sync_file_fops = {
	.poll = look,
	.unlocked_ioctl = control,
	.release = release,
	.ioctl_forms = forms,
	.nr_ioctl_forms = ARRAY_SIZE(forms),
};
