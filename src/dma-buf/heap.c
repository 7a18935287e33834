// SPDX-License-Identifier: BSD-2-Clause
/* Heaps by name: those that come with the memory that there is, and those that are added. */
#include <berth/dma-heap.h>
#include <berth/mm.h>
#include <berth/slab.h>

#include "dma-buf/heap.h"
#include "lib/error.h"
#include "lib/string.h"
#include "mm/cma.h"
#include "mm/internal.h"

#define HEAP_NAME_LEN 48
#define MAX_HEAPS 40

struct dma_heap {
	char name[HEAP_NAME_LEN];
	const struct dma_heap_ops *ops;
	void *priv;
	struct berth_node *node;
};

/*
 * Heaps are only ever added, up to berth_stop(): who has found one needs no lock.
 * @lock: of adding; a leaf
 */
static struct {
	spinlock_t lock;
	bool is_filled;
	unsigned int nr;
	struct dma_heap heap[MAX_HEAPS];
} heaps;

static struct dma_buf *allocate_system(struct dma_heap *heap, unsigned long len,
				       unsigned long fd_flags, unsigned long heap_flags)
{
	return berth_heap_buffer_new(NULL, len, (unsigned int)fd_flags, heap_flags, heap->name);
}

static struct dma_buf *allocate_from_area(struct dma_heap *heap, unsigned long len,
					  unsigned long fd_flags, unsigned long heap_flags)
{
	return berth_heap_buffer_new(heap->priv, len, (unsigned int)fd_flags, heap_flags,
				     heap->name);
}

static const struct dma_heap_ops system_ops = { .allocate = allocate_system };
static const struct dma_heap_ops area_ops = { .allocate = allocate_from_area };

static struct dma_heap *find(const char *name)
{
	const unsigned int nr = __atomic_load_n(&heaps.nr, __ATOMIC_ACQUIRE);

	for (unsigned int i = 0; i < nr; i++)
		if (!berth_strcmp(heaps.heap[i].name, name))
			return &heaps.heap[i];
	return NULL;
}

/* With the lock. NULL if there is such a name, or no room. */
static struct dma_heap *add(const char *name, const struct dma_heap_ops *ops, void *priv)
{
	struct dma_heap *heap = &heaps.heap[heaps.nr];

	if (heaps.nr == MAX_HEAPS || find(name))
		return NULL;
	*heap = (struct dma_heap){ .ops = ops, .priv = priv };
	berth_strlcpy(heap->name, name, sizeof(heap->name));
	__atomic_store_n(&heaps.nr, heaps.nr + 1, __ATOMIC_RELEASE);
	return heap;
}

static int add_area(struct cma *area, void *data)
{
	(void)data;
	add(cma_get_name(area), &area_ops, area);
	return 0;
}

static int add_guaranteed(struct cma *area, void *data)
{
	(void)data;
	if (!area->guaranteed)
		return 0;
	add("guaranteed", &area_ops, area);
	return 1;
}

/* With the lock. */
static void fill(void)
{
	if (heaps.is_filled)
		return;
	add("system", &system_ops, NULL);
	if (berth_cma_default())
		add("cma", &area_ops, berth_cma_default());
	cma_for_each_area(add_guaranteed, NULL);
	cma_for_each_area(add_area, NULL);
	__atomic_store_n(&heaps.is_filled, true, __ATOMIC_RELEASE);
}

static void make_sure(void)
{
	unsigned long flags;

	if (__atomic_load_n(&heaps.is_filled, __ATOMIC_ACQUIRE))
		return;
	spin_lock_irqsave(&heaps.lock, flags);
	fill();
	spin_unlock_irqrestore(&heaps.lock, flags);
}

void berth_dma_heaps_reset(void)
{
	for (unsigned int i = 0; i < heaps.nr; i++)
		if (heaps.heap[i].node)
			berth_node_unregister(heaps.heap[i].node);
	heaps.nr = 0;
	heaps.is_filled = false;
}

struct dma_heap *dma_heap_add(const struct dma_heap_export_info *info)
{
	struct dma_heap *heap;
	unsigned long flags;

	if (!info->name || !info->name[0] || berth_strlen(info->name) >= HEAP_NAME_LEN ||
	    !info->ops || !info->ops->allocate)
		return ERR_PTR(berth_fail(-EINVAL, BERTH_REASON_ARGUMENT, "dma_heap_add"));
	make_sure();
	spin_lock_irqsave(&heaps.lock, flags);
	heap = add(info->name, info->ops, info->priv);
	spin_unlock_irqrestore(&heaps.lock, flags);
	if (heap)
		return heap;
	if (heaps.nr == MAX_HEAPS)
		return ERR_PTR(berth_fail_limit(-ENOMEM, BERTH_REASON_TABLE_FULL, "dma-heaps", 0,
						MAX_HEAPS));
	return ERR_PTR(berth_fail(-EINVAL, BERTH_REASON_ARGUMENT, info->name));
}

void *dma_heap_get_drvdata(struct dma_heap *heap)
{
	return heap->priv;
}

const char *dma_heap_get_name(struct dma_heap *heap)
{
	return heap->name;
}

struct dma_heap *dma_heap_find(const char *name)
{
	struct dma_heap *heap;

	make_sure();
	heap = find(name);
	if (!heap)
		berth_fail(-ENOENT, BERTH_REASON_ARGUMENT, name);
	return heap;
}

int berth_dma_heap_each(int (*visit)(struct dma_heap *heap, void *data), void *data)
{
	int ret = 0;

	make_sure();
	for (unsigned int i = 0; !ret && i < __atomic_load_n(&heaps.nr, __ATOMIC_ACQUIRE); i++)
		ret = visit(&heaps.heap[i], data);
	return ret;
}

struct dma_buf *dma_heap_buffer_alloc(struct dma_heap *heap, size_t len, unsigned int fd_flags,
				      unsigned int heap_flags)
{
	struct berth_memory_info info;

	if (heap_flags & ~BERTH_HEAP_VALID_FLAGS ||
	    fd_flags & ~(BERTH_O_ACCMODE | BERTH_O_NONBLOCK))
		return ERR_PTR(berth_fail_at(-EINVAL, BERTH_REASON_ARGUMENT, "flags of a dma-buf",
					     (uint64_t)heap_flags << 32 | fd_flags));
	if (!len || len > SIZE_MAX - PAGE_SIZE)
		return ERR_PTR(
			berth_fail_at(-EINVAL, BERTH_REASON_ARGUMENT, "size of a dma-buf", len));
	berth_memory_info(&info);
	if (len > info.total)
		return ERR_PTR(berth_fail_limit(-ENOMEM, BERTH_REASON_TOO_LARGE, heap->name, len,
						info.total));
	return heap->ops->allocate(heap, len, fd_flags, heap_flags);
}

/* /dev/dma_heap/NAME */

static int heap_open(struct inode *inode, struct file *file)
{
	file->private_data = inode->i_private;
	return 0;
}

static long heap_ioctl(struct file *file, unsigned int request, unsigned long arg)
{
	struct berth_dma_heap_allocation wanted;
	struct dma_buf *dmabuf;
	int fd;

	if (request != BERTH_DMA_HEAP_IOCTL_ALLOC)
		return -ENOTTY;
	if (copy_from_user(&wanted, (const void *)arg, sizeof(wanted)))
		return -EFAULT;
	if (wanted.fd || wanted.heap_flags > UINT32_MAX || wanted.len > SIZE_MAX)
		return berth_fail(-EINVAL, BERTH_REASON_ARGUMENT, "DMA_HEAP_IOCTL_ALLOC");
	/* Numbers of berth's do not survive exec() anyway. */
	dmabuf = dma_heap_buffer_alloc(file->private_data, (size_t)wanted.len,
				       wanted.fd_flags & ~BERTH_O_CLOEXEC,
				       (unsigned int)wanted.heap_flags);
	if (IS_ERR(dmabuf))
		return PTR_ERR(dmabuf);
	fd = dma_buf_fd(dmabuf, 0);
	if (fd < 0) {
		dma_buf_put(dmabuf);
		return fd;
	}
	wanted.fd = (uint32_t)fd;
	if (!copy_to_user((void *)arg, &wanted, sizeof(wanted)))
		return 0;
	close_fd((unsigned int)fd);
	return -EFAULT;
}

static const struct berth_ioctl_form heap_form = {
	.request = BERTH_DMA_HEAP_IOCTL_ALLOC,
	.fd_in = BERTH_IOCTL_NONE,
	.fd_out = offsetof(struct berth_dma_heap_allocation, fd),
	.array = BERTH_IOCTL_NONE,
};

static const struct file_operations heap_fops = {
	.open = heap_open,
	.unlocked_ioctl = heap_ioctl,
	.ioctl_forms = &heap_form,
	.nr_ioctl_forms = 1,
};

int berth_dma_heaps_offer(void)
{
	make_sure();
	for (unsigned int i = 0; i < heaps.nr; i++) {
		struct berth_node_info info = { .class_name = "dma_heap", .fops = &heap_fops };
		char name[HEAP_NAME_LEN + 16] = "dma_heap/";
		struct berth_node *node;

		if (heaps.heap[i].node)
			continue;
		berth_strlcpy(name + 9, heaps.heap[i].name, sizeof(name) - 9);
		info.name = name;
		info.priv = &heaps.heap[i];
		node = berth_node_register(&info);
		if (IS_ERR(node))
			return (int)PTR_ERR(node);
		heaps.heap[i].node = node;
	}
	return 0;
}
