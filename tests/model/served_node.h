/* SPDX-License-Identifier: BSD-2-Clause */
/* A node for tests of the server: /dev/dut, which counts events as UIO does, and shows two pages. */
#ifndef TESTS_MODEL_SERVED_NODE_H
#define TESTS_MODEL_SERVED_NODE_H

#include <stdio.h>
#include <string.h>

#include <berth/errno.h>
#include <berth/fs.h>
#include <berth/gfp.h>
#include <berth/mm.h>

#define GET(x) __atomic_load_n(&(x), __ATOMIC_SEQ_CST)

/* A node of the test's own: counts events as UIO does. */
static struct {
	struct wait_queue_head queue;
	uint32_t events;
	uint32_t opens, releases, writes;
	uint32_t is_gone;
	uint8_t *pages;
	struct berth_node *node;
} dut;

static inline int dut_open(struct inode *inode, struct file *file)
{
	(void)inode;
	file->private_data = (void *)(uintptr_t)GET(dut.events);
	__atomic_fetch_add(&dut.opens, 1, __ATOMIC_SEQ_CST);
	return 0;
}

static inline int dut_release(struct inode *inode, struct file *file)
{
	(void)inode;
	(void)file;
	__atomic_fetch_add(&dut.releases, 1, __ATOMIC_SEQ_CST);
	return 0;
}

static inline long dut_read(struct file *file, char *buf, size_t count, berth_loff_t *pos)
{
	const uint32_t events = GET(dut.events);
	const uint32_t before = (uint32_t)(uintptr_t)__atomic_exchange_n(
		&file->private_data, (void *)(uintptr_t)events, __ATOMIC_SEQ_CST);

	(void)pos;
	if (GET(dut.is_gone))
		return -EIO;
	if (count != sizeof(events)) {
		__atomic_store_n(&file->private_data, (void *)(uintptr_t)before, __ATOMIC_SEQ_CST);
		return -EINVAL;
	}
	if (before == events)
		return -EAGAIN;
	memcpy(buf, &events, sizeof(events));
	return sizeof(events);
}

static inline void event(void)
{
	__atomic_fetch_add(&dut.events, 1, __ATOMIC_SEQ_CST);
	wake_up(&dut.queue);
}

static inline long dut_write(struct file *file, const char *buf, size_t count, berth_loff_t *pos)
{
	uint32_t value;

	(void)file;
	(void)pos;
	if (count != sizeof(value))
		return -EINVAL;
	memcpy(&value, buf, sizeof(value));
	__atomic_fetch_add(&dut.writes, 1, __ATOMIC_SEQ_CST);
	if (value > 1)
		return -EIO;
	if (value)
		event();
	return sizeof(value);
}

static inline unsigned int dut_poll(struct file *file, struct poll_table_struct *table)
{
	poll_wait(file, &dut.queue, table);
	return GET(dut.is_gone) || GET(dut.events) != (uint32_t)(uintptr_t)GET(file->private_data)
		       ? BERTH_POLLIN
		       : 0;
}

static inline int dut_mmap(struct file *file, struct vm_area_struct *vma)
{
	(void)file;
	if (vma->vm_pgoff + vma_pages(vma) > 2)
		return -EINVAL;
	return remap_pfn_range(vma, vma->vm_start,
			       (unsigned long)(virt_to_phys(dut.pages) >> PAGE_SHIFT) +
				       vma->vm_pgoff,
			       vma_pages(vma) << PAGE_SHIFT, BERTH_MEMORY_CACHED);
}

static const struct file_operations dut_ops = {
	.open = dut_open,
	.release = dut_release,
	.read = dut_read,
	.write = dut_write,
	.poll = dut_poll,
	.mmap = dut_mmap,
};

static inline long show_events(void *priv, const struct berth_node_attr *attr, char *buf)
{
	(void)priv;
	(void)attr;
	return sprintf(buf, "%u\n", GET(dut.events));
}

static const struct berth_node_attr dut_attrs[] = { { "event", show_events, 0 } };

static inline bool add_dut(void)
{
	const struct berth_node_info info = {
		.name = "dut",
		.class_name = "uio",
		.fops = &dut_ops,
		.attrs = dut_attrs,
		.nr_attrs = 1,
	};

	dut.node = berth_node_register(&info);
	return !IS_ERR(dut.node);
}

static inline bool make_dut(void)
{
	memset(&dut, 0, sizeof(dut));
	init_waitqueue_head(&dut.queue);
	dut.pages = (uint8_t *)__get_free_pages(GFP_KERNEL | __GFP_ZERO, 1);
	return dut.pages && add_dut();
}

#endif
