// SPDX-License-Identifier: BSD-2-Clause
/* Open files: open, read, write, ioctl and close. */
#include <berth/slab.h>

#include "fs/internal.h"
#include "lib/error.h"
#include "lib/string.h"

const char *berth_file_name(const struct file *file)
{
	if (file->f_inode->node)
		return file->f_inode->node->view.name;
	return file->f_name ? file->f_name : "a file without a name";
}

/* The name below /dev; NULL if it is another path. */
static const char *node_name(const char *path)
{
	static const char dev[] = "/dev/";
	size_t n = sizeof(dev) - 1;

	return path && berth_strnlen(path, n) == n && !memcmp(path, dev, n) ? path + n : NULL;
}

static struct file *open_node(struct berth_node *node, unsigned int flags, const char *owner)
{
	struct file *file = kzalloc(sizeof(*file), GFP_KERNEL);
	int err = 0;

	if (!file)
		return ERR_PTR(-ENOMEM);
	file->f_op = node->fops;
	file->f_flags = flags;
	file->private_data = node->opens_with;
	file->f_inode = &node->inode;
	berth_strlcpy(file->f_owner, owner, sizeof(file->f_owner));
	kref_init(&file->f_count);
	if (file->f_op->open)
		err = file->f_op->open(file->f_inode, file);
	if (err) {
		kfree(file);
		return ERR_PTR(err);
	}
	kref_get(&node->kref);
	return file;
}

struct file *berth_filp_open(const char *path, unsigned int flags)
{
	return berth_filp_open_as(path, flags, "");
}

struct file *berth_filp_open_as(const char *path, unsigned int flags, const char *owner)
{
	const char *name = node_name(path);
	struct berth_node *node = name ? berth_node_busy(name) : NULL;
	struct file *file;

	if (!node)
		return ERR_PTR(berth_file_fail(-ENOENT, path ? path : "no path", "no such node"));
	if ((flags & BERTH_O_ACCMODE) == BERTH_O_ACCMODE)
		file = ERR_PTR(
			berth_fail_at(-EINVAL, BERTH_REASON_ARGUMENT, "flags of open", flags));
	else
		file = open_node(node, flags, owner);
	berth_node_idle(node);
	return file;
}

struct file *anon_inode_getfile(const char *name, const struct file_operations *fops, void *priv,
				unsigned int flags)
{
	static struct inode nobody;
	struct file *file = kzalloc(sizeof(*file), GFP_KERNEL);

	if (!file)
		return ERR_PTR(-ENOMEM);
	file->f_op = fops;
	file->f_flags = flags;
	file->private_data = priv;
	file->f_inode = &nobody;
	file->f_name = name;
	kref_init(&file->f_count);
	return file;
}

static void release(struct kref *kref)
{
	struct file *file = container_of(kref, struct file, f_count);
	struct berth_node *node = file->f_inode->node;

	if (file->f_op->release)
		file->f_op->release(file->f_inode, file);
	kfree(file);
	if (node)
		berth_node_put(node);
}

void fput(struct file *file)
{
	kref_put(&file->f_count, release);
}

long berth_file_read(struct file *file, void *buf, size_t count)
{
	if ((file->f_flags & BERTH_O_ACCMODE) == BERTH_O_WRONLY)
		return berth_file_fail(-EBADF, berth_file_name(file), "not open for reading");
	if (!file->f_op->read)
		return berth_file_fail(-EINVAL, berth_file_name(file), "nothing to read");
	return file->f_op->read(file, buf, count, &file->f_pos);
}

long berth_file_write(struct file *file, const void *buf, size_t count)
{
	if ((file->f_flags & BERTH_O_ACCMODE) == BERTH_O_RDONLY)
		return berth_file_fail(-EBADF, berth_file_name(file), "not open for writing");
	if (!file->f_op->write)
		return berth_file_fail(-EINVAL, berth_file_name(file), "nothing to write");
	return file->f_op->write(file, buf, count, &file->f_pos);
}

long berth_file_ioctl(struct file *file, unsigned int request, void *arg)
{
	if (!file->f_op->unlocked_ioctl)
		return berth_file_fail(-ENOTTY, berth_file_name(file), "no ioctl");
	return file->f_op->unlocked_ioctl(file, request, (unsigned long)(uintptr_t)arg);
}
