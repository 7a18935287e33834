// SPDX-License-Identifier: BSD-2-Clause
/* Buffers as files: what a program can do with one. */
#include <berth/dma-buf.h>
#include <berth/dma-fence-unwrap.h>
#include <berth/slab.h>
#include <berth/sync_file.h>

#include "dma-buf/dma-buf.h"
#include "lib/error.h"

static int show(struct file *file, struct vm_area_struct *vma)
{
	return dma_buf_mmap(berth_dma_buf_of_file(file), vma, vma->vm_pgoff);
}

/* Whether the CPU has to wait for somebody. */
static bool is_busy(struct dma_buf *dmabuf, uint64_t flags)
{
	return !dma_resv_test_signaled(dmabuf->resv,
				       dma_resv_usage_rw((flags & DMA_BUF_SYNC_WRITE) != 0));
}

static int sync_request(struct file *file, uint64_t flags)
{
	struct dma_buf *dmabuf = berth_dma_buf_of_file(file);
	enum dma_data_direction dir;

	if (flags & ~(uint64_t)DMA_BUF_SYNC_VALID_FLAGS_MASK || !(flags & DMA_BUF_SYNC_RW))
		return berth_fail_at(-EINVAL, BERTH_REASON_ARGUMENT, "DMA_BUF_IOCTL_SYNC", flags);
	if ((flags & DMA_BUF_SYNC_RW) == DMA_BUF_SYNC_RW)
		dir = DMA_BIDIRECTIONAL;
	else
		dir = flags & DMA_BUF_SYNC_READ ? DMA_FROM_DEVICE : DMA_TO_DEVICE;
	if (!(flags & DMA_BUF_SYNC_END) && file->f_flags & BERTH_O_NONBLOCK &&
	    is_busy(dmabuf, flags))
		return -EAGAIN;
	return flags & DMA_BUF_SYNC_END ? dma_buf_end_cpu_access(dmabuf, dir)
					: dma_buf_begin_cpu_access(dmabuf, dir);
}

/* Only of a program, and not 0. */
static int check_flags(uint32_t flags, const char *request)
{
	if (flags && !(flags & ~(uint32_t)DMA_BUF_SYNC_RW))
		return 0;
	return berth_fail_at(-EINVAL, BERTH_REASON_ARGUMENT, request, flags);
}

/* One fence for what is to be waited for; there may be none. */
static long export_sync_file(struct dma_buf *dmabuf, void *arg)
{
	struct berth_dma_buf_export_sync_file data;
	struct dma_fence *fence = NULL;
	int ret;

	if (copy_from_user(&data, arg, sizeof(data)))
		return -EFAULT;
	ret = check_flags(data.flags, "DMA_BUF_IOCTL_EXPORT_SYNC_FILE");
	if (ret)
		return ret;
	ret = dma_resv_get_singleton(
		dmabuf->resv, dma_resv_usage_rw((data.flags & DMA_BUF_SYNC_WRITE) != 0), &fence);
	if (ret)
		return ret;
	ret = berth_sync_file_install(fence ? fence : dma_fence_get_stub(), NULL);
	if (ret < 0)
		return ret;
	data.fd = ret;
	return copy_to_user(arg, &data, sizeof(data)) ? -EFAULT : 0;
}

/* The fences in @head, each on its own: only then one of them takes the place of an earlier one. */
static int add_fences(struct dma_buf *dmabuf, struct dma_fence *head, enum dma_resv_usage usage)
{
	struct dma_fence_unwrap cursor;
	struct dma_fence *fence;
	unsigned int nr = 0;
	int err;

	dma_fence_unwrap_for_each(fence, &cursor, head)
		nr++;
	if (!nr)
		return 0;
	berth_dma_buf_lock(dmabuf);
	err = dma_resv_reserve_fences(dmabuf->resv, nr);
	if (!err)
		dma_fence_unwrap_for_each(fence, &cursor, head)
			dma_resv_add_fence(dmabuf->resv, fence, usage);
	dma_resv_unlock(dmabuf->resv);
	return err;
}

static long import_sync_file(struct dma_buf *dmabuf, const void *arg)
{
	struct berth_dma_buf_import_sync_file data;
	struct dma_fence *fence;
	int err;

	if (copy_from_user(&data, arg, sizeof(data)))
		return -EFAULT;
	err = check_flags(data.flags, "DMA_BUF_IOCTL_IMPORT_SYNC_FILE");
	if (err)
		return err;
	fence = sync_file_get_fence(data.fd);
	if (!fence)
		return -EINVAL;
	err = add_fences(dmabuf, fence,
			 data.flags & DMA_BUF_SYNC_WRITE ? DMA_RESV_USAGE_WRITE
							 : DMA_RESV_USAGE_READ);
	dma_fence_put(fence);
	return err;
}

static long control(struct file *file, unsigned int request, unsigned long arg)
{
	struct dma_buf *dmabuf = berth_dma_buf_of_file(file);
	char name[DMA_BUF_NAME_LEN];
	uint64_t flags;

	switch (request) {
	case BERTH_DMA_BUF_IOCTL_SYNC:
		if (copy_from_user(&flags, (const void *)arg, sizeof(flags)))
			return -EFAULT;
		return sync_request(file, flags);
	case BERTH_DMA_BUF_SET_NAME:
		if (copy_from_user(name, (const void *)arg, sizeof(name)))
			return -EFAULT;
		name[sizeof(name) - 1] = 0;
		berth_dma_buf_set_name(dmabuf, name);
		return 0;
	case BERTH_DMA_BUF_IOCTL_EXPORT_SYNC_FILE:
		return export_sync_file(dmabuf, (void *)arg);
	case BERTH_DMA_BUF_IOCTL_IMPORT_SYNC_FILE:
		return import_sync_file(dmabuf, (const void *)arg);
	default:
		return -ENOTTY;
	}
}

/* With the lock of the fence, perhaps in an interrupt. */
static void tell(struct dma_fence *fence, struct dma_fence_cb *cb)
{
	struct berth_dma_buf_watch *watch = container_of(cb, struct berth_dma_buf_watch, cb);

	(void)fence;
	__atomic_store_n(&watch->is_set, false, __ATOMIC_RELEASE);
	wake_up_poll(&watch->dmabuf->poll_queue, BERTH_POLLIN | BERTH_POLLOUT);
}

/* No fence calls the watch any more. */
static void drop(struct berth_dma_buf_watch *watch)
{
	if (!watch->fence)
		return;
	dma_fence_remove_callback(watch->fence, &watch->cb);
	dma_fence_put(watch->fence);
	watch->fence = NULL;
	watch->is_set = false;
}

/*
 * Whether all fences up to @usage are signalled. If not, the first one that is not tells the queue; then poll() looks
 * for the next. With the reservation's lock.
 */
static bool is_ready(struct dma_buf *dmabuf, enum dma_resv_usage usage,
		     struct berth_dma_buf_watch *watch)
{
	struct dma_resv_iter cursor;
	struct dma_fence *fence;
	bool is_ready = true;

	if (__atomic_load_n(&watch->is_set, __ATOMIC_ACQUIRE))
		return false;
	drop(watch);
	dma_resv_iter_begin(&cursor, dmabuf->resv, usage);
	for (fence = dma_resv_iter_first(&cursor); fence && is_ready;
	     fence = dma_resv_iter_next(&cursor)) {
		watch->dmabuf = dmabuf;
		watch->is_set = true;
		if (dma_fence_add_callback(fence, &watch->cb, tell)) {
			watch->is_set = false;
			continue;
		}
		watch->fence = dma_fence_get(fence);
		is_ready = false;
	}
	dma_resv_iter_end(&cursor);
	return is_ready;
}

static unsigned int look(struct file *file, struct poll_table_struct *table)
{
	struct dma_buf *dmabuf = berth_dma_buf_of_file(file);
	unsigned int events = 0;

	poll_wait(file, &dmabuf->poll_queue, table);
	berth_dma_buf_lock(dmabuf);
	if (is_ready(dmabuf, DMA_RESV_USAGE_WRITE, &dmabuf->watch[0]))
		events |= BERTH_POLLIN;
	if (is_ready(dmabuf, DMA_RESV_USAGE_READ, &dmabuf->watch[1]))
		events |= BERTH_POLLOUT;
	dma_resv_unlock(dmabuf->resv);
	return events;
}

static int release(struct inode *inode, struct file *file)
{
	struct dma_buf *dmabuf = berth_dma_buf_of_file(file);

	(void)inode;
	berth_dma_buf_trace(BERTH_TRACE_BUF_RELEASE, dmabuf, NULL, 0);
	drop(&dmabuf->watch[0]);
	drop(&dmabuf->watch[1]);
	dmabuf->ops->release(dmabuf);
	dma_resv_fini(&dmabuf->own_resv);
	kfree(dmabuf);
	return 0;
}

static const struct berth_ioctl_form forms[] = {
	{
		.request = BERTH_DMA_BUF_SET_NAME,
		.size = DMA_BUF_NAME_LEN,
		.fd_in = BERTH_IOCTL_NONE,
		.fd_out = BERTH_IOCTL_NONE,
		.array = BERTH_IOCTL_NONE,
	},
	{
		.request = BERTH_DMA_BUF_IOCTL_EXPORT_SYNC_FILE,
		.fd_in = BERTH_IOCTL_NONE,
		.fd_out = offsetof(struct berth_dma_buf_export_sync_file, fd),
		.array = BERTH_IOCTL_NONE,
	},
	{
		.request = BERTH_DMA_BUF_IOCTL_IMPORT_SYNC_FILE,
		.fd_in = offsetof(struct berth_dma_buf_import_sync_file, fd),
		.fd_out = BERTH_IOCTL_NONE,
		.array = BERTH_IOCTL_NONE,
	},
};

const struct file_operations berth_dma_buf_fops = {
	.poll = look,
	.unlocked_ioctl = control,
	.mmap = show,
	.release = release,
	.ioctl_forms = forms,
	.nr_ioctl_forms = ARRAY_SIZE(forms),
};
