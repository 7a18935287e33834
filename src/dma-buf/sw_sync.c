// SPDX-License-Identifier: BSD-2-Clause
/*
 * Timelines of programs. A timeline's lock is that of its fences; those that wait for the counter are in its list with a
 * reference each, so that none is freed inside the lock.
 */
#include <berth/dma-fence.h>
#include <berth/errno.h>
#include <berth/fs.h>
#include <berth/slab.h>
#include <berth/sw_sync.h>
#include <berth/timer.h>

#include "dma-buf/dma-buf.h"
#include "dma-buf/internal.h"
#include "lib/error.h"
#include "lib/printk.h"
#include "lib/string.h"

#define TOLD 4u /* of fences that a program leaves behind, on the console */

struct timeline {
	struct kref kref;
	spinlock_t lock;
	struct list_head points;
	unsigned int nr_points;
	uint64_t context;
	uint32_t value;
	uint32_t timeout_ms;
	char name[BERTH_FILE_OWNER_LEN];
};

struct point {
	struct dma_fence base;
	struct list_head node;
	struct timeline *timeline;
	char name[32];
};

static struct point *point_of(struct dma_fence *fence)
{
	return container_of(fence, struct point, base);
}

static void free_timeline(struct kref *kref)
{
	kfree(container_of(kref, struct timeline, kref));
}

static const char *driver_name(struct dma_fence *fence)
{
	(void)fence;
	return "sw_sync";
}

static const char *timeline_name(struct dma_fence *fence)
{
	return point_of(fence)->timeline->name;
}

static bool is_reached(struct dma_fence *fence)
{
	const uint32_t value = __atomic_load_n(&point_of(fence)->timeline->value, __ATOMIC_ACQUIRE);

	return !berth_dma_fence_seqno_later(fence->seqno, value, false);
}

static void release_point(struct dma_fence *fence)
{
	struct point *point = point_of(fence);

	kref_put(&point->timeline->kref, free_timeline);
	kfree(point);
}

static void tell_value(struct dma_fence *fence, char *text, int size)
{
	berth_snprintf(text, (size_t)size, "%u %s", (unsigned int)fence->seqno,
		       point_of(fence)->name);
}

static void tell_timeline(struct dma_fence *fence, char *text, int size)
{
	berth_snprintf(text, (size_t)size, "%u",
		       (unsigned int)__atomic_load_n(&point_of(fence)->timeline->value,
						     __ATOMIC_RELAXED));
}

static const struct dma_fence_ops point_ops = {
	.get_driver_name = driver_name,
	.get_timeline_name = timeline_name,
	.signaled = is_reached,
	.release = release_point,
	.fence_value_str = tell_value,
	.timeline_value_str = tell_timeline,
};

/* With the lock: those that are signalled go from the list to @done, as do all others if so. */
static void take_points(struct timeline *timeline, bool is_all, struct list_head *done)
{
	struct point *point, *next;

	list_for_each_entry_safe(point, next, &timeline->points, struct point, node) {
		if (!dma_fence_is_signaled_locked(&point->base) && !is_all)
			continue;
		list_del(&point->node);
		list_add_tail(&point->node, done);
		timeline->nr_points--;
	}
}

static void put_points(struct list_head *done)
{
	struct point *point, *next;

	list_for_each_entry_safe(point, next, done, struct point, node) {
		list_del(&point->node);
		dma_fence_put(&point->base);
	}
}

/* Half of all values at a time: more would be less. */
static void advance(struct timeline *timeline, uint32_t by)
{
	struct list_head done = { &done, &done };
	unsigned long flags;

	spin_lock_irqsave(&timeline->lock, flags);
	do {
		const uint32_t step = by > INT32_MAX ? INT32_MAX : by;

		__atomic_store_n(&timeline->value, timeline->value + step, __ATOMIC_RELEASE);
		take_points(timeline, false, &done);
		by -= step;
	} while (by);
	spin_unlock_irqrestore(&timeline->lock, flags);
	put_points(&done);
}

/* With the lock. */
static int add_point(struct timeline *timeline, struct point *point)
{
	if (dma_fence_is_signaled_locked(&point->base))
		return 0;
	if (timeline->nr_points >= BERTH_SW_SYNC_FENCES)
		return -ENOMEM;
	dma_fence_get(&point->base);
	list_add_tail(&point->node, &timeline->points);
	timeline->nr_points++;
	return 0;
}

/* Return: a reference of the fence, or NULL. */
static struct dma_fence *new_point(struct timeline *timeline, uint32_t value, const char *name)
{
	struct point *point = kzalloc(sizeof(*point), GFP_KERNEL);
	struct list_head done = { &done, &done };
	unsigned long flags;
	uint64_t deadline;
	int err;

	if (!point)
		return NULL;
	kref_get(&timeline->kref);
	point->timeline = timeline;
	berth_strlcpy(point->name, name, sizeof(point->name));
	dma_fence_init(&point->base, &point_ops, &timeline->lock, timeline->context, value);
	spin_lock_irqsave(&timeline->lock, flags);
	take_points(timeline, false, &done);
	err = add_point(timeline, point);
	deadline = ktime_get_ns() + (uint64_t)timeline->timeout_ms * NSEC_PER_MSEC;
	spin_unlock_irqrestore(&timeline->lock, flags);
	put_points(&done);
	if (err)
		berth_fail_limit(err, BERTH_REASON_TABLE_FULL, "fences of a timeline", 0,
				 BERTH_SW_SYNC_FENCES);
	else
		err = berth_dma_fence_set_deadline(&point->base, timeline->name, deadline);
	if (!err || err == -ENOENT)
		return &point->base;
	/* One that nobody has: it goes from the list with the next ones. */
	berth_dma_fence_end(&point->base, err);
	dma_fence_put(&point->base);
	return NULL;
}

static long create_fence(struct timeline *timeline, void *arg)
{
	struct berth_sw_sync_create_fence_data data;
	struct dma_fence *fence;
	int fd;

	if (copy_from_user(&data, arg, sizeof(data)))
		return -EFAULT;
	data.name[sizeof(data.name) - 1] = '\0';
	fence = new_point(timeline, data.value, data.name);
	if (!fence)
		return berth_last_error()->code;
	dma_fence_get(fence);
	fd = berth_sync_file_install(fence, data.name);
	if (fd < 0)
		berth_dma_fence_end(fence, fd);
	dma_fence_put(fence);
	if (fd < 0)
		return fd;
	data.fence = fd;
	return copy_to_user(arg, &data, sizeof(data)) ? -EFAULT : 0;
}

static long set_timeout(struct timeline *timeline, uint32_t ms)
{
	unsigned long flags;

	if (!ms || ms > BERTH_SW_SYNC_TIMEOUT_MOST)
		return berth_fail_at(-EINVAL, BERTH_REASON_ARGUMENT, "SW_SYNC_IOC_SET_TIMEOUT", ms);
	spin_lock_irqsave(&timeline->lock, flags);
	timeline->timeout_ms = ms;
	spin_unlock_irqrestore(&timeline->lock, flags);
	return 0;
}

static long control(struct file *file, unsigned int request, unsigned long arg)
{
	uint32_t value;

	switch (request) {
	case BERTH_SW_SYNC_IOC_CREATE_FENCE:
		return create_fence(file->private_data, (void *)arg);
	case BERTH_SW_SYNC_IOC_INC:
	case BERTH_SW_SYNC_IOC_SET_TIMEOUT:
		if (copy_from_user(&value, (const void *)arg, sizeof(value)))
			return -EFAULT;
		if (request == BERTH_SW_SYNC_IOC_SET_TIMEOUT)
			return set_timeout(file->private_data, value);
		advance(file->private_data, value);
		return 0;
	default:
		return -ENOTTY;
	}
}

static int open(struct inode *inode, struct file *file)
{
	struct timeline *timeline = kzalloc(sizeof(*timeline), GFP_KERNEL);

	(void)inode;
	if (!timeline)
		return -ENOMEM;
	kref_init(&timeline->kref);
	INIT_LIST_HEAD(&timeline->points);
	timeline->context = dma_fence_context_alloc(1);
	timeline->timeout_ms = BERTH_SW_SYNC_TIMEOUT;
	berth_strlcpy(timeline->name, file->f_owner[0] ? file->f_owner : "a program",
		      sizeof(timeline->name));
	file->private_data = timeline;
	return 0;
}

/* Nobody can count any more: who waits for what is left is told. */
static int release(struct inode *inode, struct file *file)
{
	struct timeline *timeline = file->private_data;
	struct point *point;
	unsigned long flags;
	unsigned int nr = 0;
	struct list_head left = { &left, &left };

	(void)inode;
	spin_lock_irqsave(&timeline->lock, flags);
	take_points(timeline, true, &left);
	spin_unlock_irqrestore(&timeline->lock, flags);
	list_for_each_entry(point, &left, struct point, node) {
		if (dma_fence_is_signaled(&point->base))
			continue;
		if (nr < TOLD)
			berth_dma_fence_abandon(&point->base, -ENOENT);
		else
			berth_dma_fence_end(&point->base, -ENOENT);
		nr++;
	}
	if (nr > TOLD)
		berth_printk("berth: and so are %u more of %s\n", nr - TOLD, timeline->name);
	put_points(&left);
	kref_put(&timeline->kref, free_timeline);
	return 0;
}

static const struct berth_ioctl_form form = {
	.request = BERTH_SW_SYNC_IOC_CREATE_FENCE,
	.fd_in = BERTH_IOCTL_NONE,
	.fd_out = offsetof(struct berth_sw_sync_create_fence_data, fence),
	.array = BERTH_IOCTL_NONE,
};

static const struct file_operations sw_sync_fops = {
	.unlocked_ioctl = control,
	.open = open,
	.release = release,
	.ioctl_forms = &form,
	.nr_ioctl_forms = 1,
};

static struct miscdevice sw_sync = {
	.minor = MISC_DYNAMIC_MINOR,
	.name = "sw_sync",
	.fops = &sw_sync_fops,
};

int berth_sw_sync_offer(void)
{
	if (sw_sync.node)
		return 0;
	sw_sync.minor = MISC_DYNAMIC_MINOR;
	return misc_register(&sw_sync);
}

void berth_sw_sync_reset(void)
{
	if (sw_sync.node)
		misc_deregister(&sw_sync);
}
