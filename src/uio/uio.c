// SPDX-License-Identifier: BSD-2-Clause
/* The UIO core: what a program does with /dev/uioN. */
#include <berth/slab.h>

#include "fs/internal.h"
#include "lib/error.h"
#include "lib/printk.h"
#include "uio/uio.h"

#define UIO_MAJOR 244
#define UIO_MAX_DEVICES 1024u
#define EVENT_SIZE sizeof(int32_t)

/* An open file: which events it has seen. */
struct listener {
	struct uio_device *idev;
	uint32_t event;
};

static int fail(int code, const struct file *file, const char *what)
{
	return berth_file_fail(code, file->f_inode->node->view.name, what);
}

static void free_device(struct kref *kref)
{
	struct uio_device *idev = container_of(kref, struct uio_device, kref);

	if (idev->gone_info)
		idev->gone_info->gone(idev->gone_info);
	kfree(idev);
}

static uint32_t events(const struct uio_device *idev)
{
	return __atomic_load_n(&idev->event, __ATOMIC_ACQUIRE);
}

static uint32_t seen(const struct listener *listener)
{
	return __atomic_load_n(&listener->event, __ATOMIC_RELAXED);
}

static bool is_gone(const struct uio_device *idev)
{
	return __atomic_load_n(&idev->is_gone, __ATOMIC_ACQUIRE);
}

/* Maps may read otherwise when the first one opens it, and when the last one has gone. */
static int uio_open(struct inode *inode, struct file *file)
{
	struct uio_device *idev = inode->i_private;
	struct listener *listener = kmalloc(sizeof(*listener), GFP_KERNEL);
	int err = 0;

	if (!listener)
		return -ENOMEM;
	*listener = (struct listener){ idev, events(idev) };
	mutex_lock(&idev->lock);
	if (!idev->info)
		err = fail(-EINVAL, file, "unregistered");
	else if (idev->info->open)
		err = idev->info->open(idev->info, inode);
	if (idev->info)
		berth_node_changed(idev->node);
	mutex_unlock(&idev->lock);
	if (err) {
		kfree(listener);
		return err;
	}
	kref_get(&idev->kref);
	file->private_data = listener;
	return 0;
}

static int uio_release(struct inode *inode, struct file *file)
{
	struct listener *listener = file->private_data;
	struct uio_device *idev = listener->idev;
	int err = 0;

	mutex_lock(&idev->lock);
	if (idev->info && idev->info->release)
		err = idev->info->release(idev->info, inode);
	if (idev->info)
		berth_node_changed(idev->node);
	mutex_unlock(&idev->lock);
	kfree(listener);
	kref_put(&idev->kref, free_device);
	return err;
}

/* Whether there is a device with an interrupt. */
static bool has_irq(struct uio_device *idev)
{
	bool has_irq;

	mutex_lock(&idev->lock);
	has_irq = idev->info && idev->info->irq;
	mutex_unlock(&idev->lock);
	return has_irq;
}

static long uio_read(struct file *file, char *buf, size_t count, berth_loff_t *pos)
{
	struct listener *listener = file->private_data;
	struct uio_device *idev = listener->idev;
	uint32_t event;
	int err;

	(void)pos;
	if (count != EVENT_SIZE)
		return fail(-EINVAL, file, "a read is of 4 bytes");
	for (;;) {
		if (!has_irq(idev))
			return fail(-EIO, file, "no interrupt, or unregistered");
		event = events(idev);
		if (event != seen(listener))
			break;
		if (file->f_flags & BERTH_O_NONBLOCK)
			return fail(-EAGAIN, file, "no event");
		err = wait_event_interruptible(&idev->wait,
					       events(idev) != seen(listener) || is_gone(idev));
		if (err)
			return err;
	}
	if (copy_to_user(buf, &event, EVENT_SIZE))
		return fail(-EFAULT, file, "read");
	__atomic_store_n(&listener->event, event, __ATOMIC_RELAXED);
	return EVENT_SIZE;
}

static long uio_write(struct file *file, const char *buf, size_t count, berth_loff_t *pos)
{
	struct listener *listener = file->private_data;
	struct uio_device *idev = listener->idev;
	int32_t irq_on;
	int err;

	(void)pos;
	if (count != EVENT_SIZE)
		return fail(-EINVAL, file, "a write is of 4 bytes");
	if (copy_from_user(&irq_on, buf, EVENT_SIZE))
		return fail(-EFAULT, file, "write");
	mutex_lock(&idev->lock);
	if (!idev->info)
		err = fail(-EINVAL, file, "unregistered");
	else if (!idev->info->irq)
		err = fail(-EIO, file, "no interrupt");
	else if (!idev->info->irqcontrol)
		err = fail(-ENOSYS, file, "no irqcontrol");
	else
		err = idev->info->irqcontrol(idev->info, irq_on);
	mutex_unlock(&idev->lock);
	return err ? err : (long)EVENT_SIZE;
}

static unsigned int uio_poll(struct file *file, poll_table *table)
{
	struct listener *listener = file->private_data;
	struct uio_device *idev = listener->idev;

	poll_wait(file, &idev->wait, table);
	if (!has_irq(idev))
		return is_gone(idev) ? BERTH_POLLERR | BERTH_POLLHUP : BERTH_POLLERR;
	return events(idev) != seen(listener) ? BERTH_POLLIN | BERTH_POLLRDNORM : 0;
}

static long uio_ioctl(struct file *file, unsigned int request, unsigned long arg)
{
	struct uio_device *idev = ((struct listener *)file->private_data)->idev;
	long ret;

	mutex_lock(&idev->lock);
	if (!idev->info)
		ret = fail(-EINVAL, file, "unregistered");
	else if (!idev->info->ioctl)
		ret = fail(-ENOTTY, file, "no ioctl");
	else
		ret = idev->info->ioctl(idev->info, request, arg);
	mutex_unlock(&idev->lock);
	return ret;
}

/* With the lock. */
static int show_map(struct file *file, struct uio_info *info, struct vm_area_struct *vma)
{
	const struct uio_mem *mem;

	if (!info)
		return fail(-EINVAL, file, "unregistered");
	mem = vma->vm_pgoff < MAX_UIO_MAPS ? &info->mem[vma->vm_pgoff] : NULL;
	if (!mem || !mem->size)
		return fail(-EINVAL, file, "no such map");
	if (vma_pages(vma) > PFN_UP(offset_in_page(mem->addr) + mem->size))
		return fail(-EINVAL, file, "larger than the map");
	return info->mmap ? info->mmap(info, vma) : berth_uio_show_map(mem, vma);
}

static int uio_mmap(struct file *file, struct vm_area_struct *vma)
{
	struct uio_device *idev = ((struct listener *)file->private_data)->idev;
	int err;

	mutex_lock(&idev->lock);
	err = show_map(file, idev->info, vma);
	mutex_unlock(&idev->lock);
	return err;
}

static const struct file_operations uio_fops = {
	.read = uio_read,
	.write = uio_write,
	.poll = uio_poll,
	.unlocked_ioctl = uio_ioctl,
	.mmap = uio_mmap,
	.open = uio_open,
	.release = uio_release,
};

void uio_event_notify(struct uio_info *info)
{
	struct uio_device *idev = info->uio_dev;

	__atomic_fetch_add(&idev->event, 1, __ATOMIC_RELEASE);
	wake_up_interruptible(&idev->wait);
	berth_node_changed(idev->node);
}

static irqreturn_t uio_interrupt(int irq, void *data)
{
	struct uio_info *info = ((struct uio_device *)data)->info;
	irqreturn_t ret = info->handler(irq, info);

	if (ret == IRQ_HANDLED)
		uio_event_notify(info);
	return ret;
}

static bool has_own_irq(const struct uio_info *info)
{
	return info->irq && info->irq != UIO_IRQ_CUSTOM;
}

static struct berth_node *add_node(struct device *parent, struct uio_device *idev)
{
	struct berth_node_attr attrs[UIO_MAX_ATTRS];
	char names[UIO_MAX_ATTRS][UIO_ATTR_NAME], name[16];
	struct berth_node_info info = {
		.name = name,
		.class_name = "uio",
		.fops = &uio_fops,
		.parent = parent,
		.priv = idev,
		.attrs = attrs,
		.nr_attrs = berth_uio_attrs(idev->info, attrs, names),
	};
	struct berth_node *node = ERR_PTR(-EEXIST);

	for (unsigned int n = 0; n < UIO_MAX_DEVICES && node == ERR_PTR(-EEXIST); n++) {
		berth_snprintf(name, sizeof(name), "uio%u", n);
		info.rdev = MKDEV(UIO_MAJOR, n);
		node = berth_node_register(&info);
	}
	if (node == ERR_PTR(-EEXIST))
		node = ERR_PTR(berth_fail_limit(-ENOSPC, BERTH_REASON_TABLE_FULL, "UIO devices", 0,
						UIO_MAX_DEVICES));
	return node;
}

int uio_register_device(struct device *parent, struct uio_info *info)
{
	const struct berth_error before = *berth_last_error();
	struct uio_device *idev;
	int err = 0;

	if (!parent || !info || !info->name || !info->version ||
	    (has_own_irq(info) && (info->irq < 0 || !info->handler)))
		return berth_fail(-EINVAL, BERTH_REASON_ARGUMENT, "uio_register_device");
	idev = kzalloc(sizeof(*idev), GFP_KERNEL);
	if (!idev)
		return -ENOMEM;
	kref_init(&idev->kref);
	mutex_init(&idev->lock);
	init_waitqueue_head(&idev->wait);
	info->uio_dev = idev;
	/* Who opens it meanwhile waits for the lock. */
	mutex_lock(&idev->lock);
	idev->info = info;
	idev->node = add_node(parent, idev);
	if (IS_ERR(idev->node))
		err = (int)PTR_ERR(idev->node);
	else if (has_own_irq(info))
		err = request_irq((unsigned int)info->irq, uio_interrupt, info->irq_flags,
				  info->name, idev);
	if (err)
		idev->info = NULL;
	mutex_unlock(&idev->lock);
	if (!err) {
		idev->gone_info = info->gone ? info : NULL;
		*berth_port_error() = before;
		return 0;
	}
	berth_node_unregister(idev->node);
	info->uio_dev = NULL;
	kref_put(&idev->kref, free_device);
	return err;
}

void uio_unregister_device(struct uio_info *info)
{
	struct uio_device *idev = info ? info->uio_dev : NULL;

	if (!idev)
		return;
	mutex_lock(&idev->lock);
	if (has_own_irq(info))
		free_irq((unsigned int)info->irq, idev);
	idev->info = NULL;
	__atomic_store_n(&idev->is_gone, true, __ATOMIC_RELEASE);
	mutex_unlock(&idev->lock);
	wake_up_interruptible(&idev->wait);
	berth_node_unregister(idev->node);
	info->uio_dev = NULL;
	kref_put(&idev->kref, free_device);
}

static void unregister(void *info)
{
	uio_unregister_device(info);
}

int devm_uio_register_device(struct device *parent, struct uio_info *info)
{
	int err = uio_register_device(parent, info);

	return err ? err : devm_add_action_or_reset(parent, unregister, info);
}
