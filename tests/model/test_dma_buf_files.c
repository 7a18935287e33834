// SPDX-License-Identifier: BSD-2-Clause
/* Buffers as files: numbers, references in any order, addresses, polling, and every failing path. */
#include "dma_buf.h"

#include <berth/slab.h>

#define SIZE (8u * 4096u)

static const struct berth_model_config adversarial = { .cache = BERTH_MODEL_CACHE_ADVERSARIAL };

static unsigned int released;

static void count_release(struct dma_buf *dmabuf)
{
	(void)dmabuf;
	released++;
}

static struct sg_table *no_table(struct dma_buf_attachment *attach, enum dma_data_direction dir)
{
	(void)attach, (void)dir;
	return NULL;
}

static void no_unmap(struct dma_buf_attachment *attach, struct sg_table *sgt,
		     enum dma_data_direction dir)
{
	(void)attach, (void)sgt, (void)dir;
}

static const struct dma_buf_ops counting_ops = {
	.map_dma_buf = no_table,
	.unmap_dma_buf = no_unmap,
	.release = count_release,
};

static struct dma_buf *export_counting(void)
{
	const struct dma_buf_export_info info = {
		.exp_name = "counting", .ops = &counting_ops, .size = 100, .flags = BERTH_O_RDWR
	};
	struct dma_buf *dmabuf = dma_buf_export(&info);

	assert_false(IS_ERR(dmabuf));
	return dmabuf;
}

static void test_numbers(void **state)
{
	struct dma_buf *a, *b, *again;
	int fd, other, fds[40];

	(void)state;
	dma_buf_start(NULL);
	released = 0;
	a = export_counting();
	b = export_counting();
	fd = dma_buf_fd(a, 0);
	other = dma_buf_fd(b, 0);
	assert_int_equal(fd, 0);
	assert_int_equal(other, 1);
	again = dma_buf_get(fd);
	assert_ptr_equal(again, a);
	assert_int_equal(close_fd(0), 0);
	assert_int_equal(released, 0);
	dma_buf_put(again);
	assert_int_equal(released, 1);
	assert_int_equal(PTR_ERR(dma_buf_get(0)), -EBADF);
	assert_int_equal(PTR_ERR(dma_buf_get(-1)), -EBADF);
	assert_int_equal(PTR_ERR(dma_buf_get(1 << 30)), -EBADF);
	assert_int_equal(close_fd(0), -EBADF);
	assert_int_equal(dma_buf_fd(b, 1), -EINVAL);
	assert_int_equal(close_fd(1), 0);
	assert_int_equal(released, 2);
	/* The lowest one that is free, through growth. */
	for (unsigned int i = 0; i < ARRAY_SIZE(fds); i++) {
		fds[i] = dma_buf_fd(export_counting(), 0);
		assert_int_equal(fds[i], i);
	}
	assert_int_equal(close_fd(17), 0);
	assert_int_equal(close_fd(5), 0);
	assert_int_equal(dma_buf_fd(export_counting(), 0), 5);
	assert_int_equal(dma_buf_fd(export_counting(), 0), 17);
	for (unsigned int i = 0; i < ARRAY_SIZE(fds); i++)
		assert_int_equal(close_fd((unsigned int)fds[i]), 0);
	dma_buf_stop();
}

static int open_anything(struct inode *inode, struct file *file)
{
	(void)inode, (void)file;
	return 0;
}

static void test_other_files(void **state)
{
	static const struct file_operations fops = { .open = open_anything };
	struct miscdevice misc = { .minor = MISC_DYNAMIC_MINOR, .name = "thing", .fops = &fops };
	struct file *file;
	int fd;

	(void)state;
	dma_buf_start(NULL);
	assert_int_equal(misc_register(&misc), 0);
	file = berth_filp_open("/dev/thing", BERTH_O_RDWR);
	assert_false(IS_ERR(file));
	fd = berth_fd_install(file);
	assert_int_equal(PTR_ERR(dma_buf_get(fd)), -EINVAL);
	assert_why(BERTH_REASON_ARGUMENT);
	assert_int_equal(close_fd((unsigned int)fd), 0);
	misc_deregister(&misc);
	dma_buf_stop();
}

/* Heaps as nodes, with Linux's request. */
static void test_heap_nodes(void **state)
{
	struct berth_dma_heap_allocation wanted = { .len = SIZE, .fd_flags = BERTH_O_RDWR };
	struct berth_dma_heap_allocation bad = { .len = 0, .fd_flags = BERTH_O_RDWR };
	uint64_t sync = DMA_BUF_SYNC_START | DMA_BUF_SYNC_WRITE;
	char name[DMA_BUF_NAME_LEN] = "frame 7";
	struct vm_area_struct vma;
	struct dma_buf *dmabuf;
	struct file *file;

	(void)state;
	dma_buf_start(&adversarial);
	assert_int_equal(berth_dma_heaps_offer(), 0);
	assert_int_equal(berth_dma_heaps_offer(), 0);
	file = berth_filp_open("/dev/dma_heap/cma", BERTH_O_RDWR);
	assert_false(IS_ERR(file));
	assert_int_equal(berth_file_ioctl(file, BERTH_DMA_HEAP_IOCTL_ALLOC, &bad), -EINVAL);
	assert_int_equal(berth_file_ioctl(file, 1234, &bad), -ENOTTY);
	assert_int_equal(berth_file_ioctl(file, BERTH_DMA_HEAP_IOCTL_ALLOC, &wanted), 0);
	fput(file);
	file = fget(wanted.fd);
	assert_non_null(file);
	assert_int_equal(close_fd(wanted.fd), 0);
	dmabuf = berth_dma_buf_of_file(file);
	assert_non_null(dmabuf);
	assert_int_equal(dmabuf->size, SIZE);
	assert_int_equal(berth_file_ioctl(file, BERTH_DMA_BUF_SET_NAME, name), 0);
	assert_string_equal(dmabuf->name, "frame 7");

	assert_int_equal(berth_file_mmap(file, &vma, SIZE, 0), 0);
	assert_int_equal(berth_file_ioctl(file, BERTH_DMA_BUF_IOCTL_SYNC, &sync), 0);
	assert_int_equal(((uint8_t *)vma.vm_start)[SIZE - 1], 0);
	cpu_writes((uint8_t *)vma.vm_start, SIZE, 3);
	sync |= DMA_BUF_SYNC_END;
	assert_int_equal(berth_file_ioctl(file, BERTH_DMA_BUF_IOCTL_SYNC, &sync), 0);
	sync = 0x80;
	assert_int_equal(berth_file_ioctl(file, BERTH_DMA_BUF_IOCTL_SYNC, &sync), -EINVAL);
	sync = DMA_BUF_SYNC_START;
	assert_int_equal(berth_file_ioctl(file, BERTH_DMA_BUF_IOCTL_SYNC, &sync), -EINVAL);
	/* The area is the last to hold it. */
	fput(file);
	assert_int_equal(cpu_reads((uint8_t *)vma.vm_start, SIZE, 3), 0);
	berth_vma_release(&vma);
	dma_buf_stop();
}

static void test_areas(void **state)
{
	struct vm_area_struct vma, part;
	struct dma_buf *dmabuf;
	struct iosys_map map;

	(void)state;
	dma_buf_start(NULL);
	for (unsigned int i = 0; i < 2; i++) {
		dmabuf = new_buffer(i ? "cma" : "system", SIZE);
		assert_int_equal(berth_vma_reserve(&vma, SIZE, 0), 0);
		assert_int_equal(dma_buf_mmap(dmabuf, &vma, 1), -EINVAL);
		assert_why(BERTH_REASON_ARGUMENT);
		assert_int_equal(dma_buf_mmap(dmabuf, &vma, 0), 0);
		assert_int_equal(dma_buf_mmap(dmabuf, &vma, 0), -EBUSY);
		assert_int_equal(berth_vma_reserve(&part, 4096, 0), 0);
		assert_int_equal(dma_buf_mmap(dmabuf, &part, SIZE / 4096), -EINVAL);
		assert_int_equal(dma_buf_mmap(dmabuf, &part, ULONG_MAX), -EINVAL);
		assert_int_equal(dma_buf_mmap(dmabuf, &part, 5), 0);
		assert_int_equal(dma_buf_vmap_unlocked(dmabuf, &map), 0);
		cpu_writes(map.vaddr, SIZE, 8);
		assert_int_equal(cpu_reads((uint8_t *)vma.vm_start, SIZE, 8), 0);
		assert_memory_equal((uint8_t *)part.vm_start, (uint8_t *)map.vaddr + 5 * 4096,
				    4096);
		dma_buf_vunmap_unlocked(dmabuf, &map);
		dma_buf_put(dmabuf);
		berth_vma_release(&part);
		assert_int_equal(cpu_reads((uint8_t *)vma.vm_start, SIZE, 8), 0);
		berth_vma_release(&vma);
	}
	dma_buf_stop();
}

static spinlock_t fence_lock;

static const char *fence_name(struct dma_fence *fence)
{
	(void)fence;
	return "test";
}

static const struct dma_fence_ops fence_ops = { .get_driver_name = fence_name,
						.get_timeline_name = fence_name };

static struct dma_fence *new_fence(uint64_t seqno)
{
	struct dma_fence *fence = kzalloc(sizeof(*fence), GFP_KERNEL);

	assert_non_null(fence);
	dma_fence_init(fence, &fence_ops, &fence_lock, dma_fence_context_alloc(1), seqno);
	return fence;
}

/* Fences: the CPU waits for writers, a writer for readers; poll() tells when they are done. */
static void test_poll(void **state)
{
	struct dma_buf *dmabuf;
	struct dma_fence *writer, *reader;

	(void)state;
	dma_buf_start(NULL);
	dmabuf = new_buffer("system", SIZE);
	assert_int_equal(berth_file_poll(dmabuf->file, BERTH_POLLIN | BERTH_POLLOUT, 0),
			 BERTH_POLLIN | BERTH_POLLOUT);
	writer = new_fence(1);
	reader = new_fence(2);
	assert_int_equal(dma_resv_lock(dmabuf->resv, NULL), 0);
	assert_int_equal(dma_resv_reserve_fences(dmabuf->resv, 2), 0);
	dma_resv_add_fence(dmabuf->resv, writer, DMA_RESV_USAGE_WRITE);
	dma_resv_add_fence(dmabuf->resv, reader, DMA_RESV_USAGE_READ);
	dma_resv_unlock(dmabuf->resv);
	assert_int_equal(berth_file_poll(dmabuf->file, BERTH_POLLIN | BERTH_POLLOUT, 0), 0);
	dma_fence_signal(writer);
	assert_int_equal(berth_file_poll(dmabuf->file, BERTH_POLLIN | BERTH_POLLOUT, -1),
			 BERTH_POLLIN);
	assert_int_equal(berth_file_poll(dmabuf->file, BERTH_POLLOUT, 0), 0);
	assert_int_equal(berth_file_poll(dmabuf->file, BERTH_POLLOUT, 20), 0);
	dma_fence_signal(reader);
	assert_int_equal(berth_file_poll(dmabuf->file, BERTH_POLLOUT, -1), BERTH_POLLOUT);
	/* It goes while somebody could still be told. */
	dma_fence_put(writer);
	dma_fence_put(reader);
	writer = new_fence(3);
	assert_int_equal(dma_resv_lock(dmabuf->resv, NULL), 0);
	assert_int_equal(dma_resv_reserve_fences(dmabuf->resv, 1), 0);
	dma_resv_add_fence(dmabuf->resv, writer, DMA_RESV_USAGE_WRITE);
	dma_resv_unlock(dmabuf->resv);
	assert_int_equal(berth_file_poll(dmabuf->file, BERTH_POLLIN, 0), 0);
	dma_buf_put(dmabuf);
	dma_fence_signal(writer);
	dma_fence_put(writer);
	dma_buf_stop();
}

/* All that can be done with a buffer; 0 if all of it worked. */
static int do_everything(void)
{
	struct dma_buf_attachment *in = NULL, *work = NULL;
	struct vm_area_struct vma = { 0 };
	struct sg_table *sgt;
	struct dma_buf *dmabuf;
	struct iosys_map map;
	int err, fd;

	dmabuf = dma_heap_buffer_alloc(dma_heap_find("system"), SIZE, BERTH_O_RDWR, 0);
	if (IS_ERR(dmabuf))
		return (int)PTR_ERR(dmabuf);
	work = dma_buf_attach(dmabuf, processor.dev);
	err = IS_ERR(work) ? (int)PTR_ERR(work) : 0;
	if (!err) {
		sgt = dma_buf_map_attachment_unlocked(work, DMA_FROM_DEVICE);
		err = IS_ERR(sgt) ? (int)PTR_ERR(sgt) : 0;
		if (!err)
			dma_buf_unmap_attachment_unlocked(work, sgt, DMA_FROM_DEVICE);
	}
	if (!err) {
		in = dma_buf_attach(dmabuf, camera.dev);
		err = IS_ERR(in) ? (int)PTR_ERR(in) : 0;
	}
	if (!err) {
		sgt = dma_buf_map_attachment_unlocked(in, DMA_TO_DEVICE); /* it moves */
		err = IS_ERR(sgt) ? (int)PTR_ERR(sgt) : 0;
		if (!err)
			dma_buf_unmap_attachment_unlocked(in, sgt, DMA_TO_DEVICE);
	}
	if (!err) {
		err = dma_buf_vmap_unlocked(dmabuf, &map);
		if (!err)
			dma_buf_vunmap_unlocked(dmabuf, &map);
	}
	if (!err)
		err = berth_file_mmap(dmabuf->file, &vma, SIZE, 0);
	if (!err)
		berth_vma_release(&vma);
	if (!IS_ERR(work) && work)
		dma_buf_detach(dmabuf, work);
	if (!IS_ERR(in) && in)
		dma_buf_detach(dmabuf, in);
	fd = err ? err : dma_buf_fd(dmabuf, 0);
	if (fd < 0)
		dma_buf_put(dmabuf);
	else
		close_fd((unsigned int)fd);
	return fd < 0 ? fd : 0;
}

static void test_every_failure(void **state)
{
	uint64_t nth;
	int err;

	(void)state;
	for (nth = 1;; nth++) {
		dma_buf_start(NULL);
		berth_test_fail_nth(nth);
		err = do_everything();
		if (!berth_test_failed()) {
			berth_test_fail_nth(0);
			assert_int_equal(err, 0);
			dma_buf_stop();
			break;
		}
		berth_test_fail_nth(0);
		if (err && err != -ENOMEM)
			fail_msg("allocation %d: %d", (int)nth, err);
		dma_buf_stop(); /* nothing is left */
	}
	assert_true(nth > 15);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_numbers),	   cmocka_unit_test(test_other_files),
		cmocka_unit_test(test_heap_nodes), cmocka_unit_test(test_areas),
		cmocka_unit_test(test_poll),	   cmocka_unit_test(test_every_failure),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
