// SPDX-License-Identifier: BSD-2-Clause
/* Fences as files, those of programs, and in and out of buffers. */
#include "fence.h"

#include <linux/dma-buf.h>
#include <linux/dma-heap.h>
#include <linux/ioctl.h>
#include <linux/sync_file.h>

#include <berth/dma-buf.h>
#include <berth/dma-heap.h>
#include <berth/errno.h>
#include <berth/fs.h>
#include <berth/sw_sync.h>
#include <berth/sync_file.h>

/* What a program of the kernel's is compiled with. */
_Static_assert(BERTH_SYNC_IOC_MERGE == SYNC_IOC_MERGE, "number");
_Static_assert(BERTH_SYNC_IOC_FILE_INFO == SYNC_IOC_FILE_INFO, "number");
_Static_assert(BERTH_DMA_BUF_IOCTL_EXPORT_SYNC_FILE == DMA_BUF_IOCTL_EXPORT_SYNC_FILE, "number");
_Static_assert(BERTH_DMA_BUF_IOCTL_IMPORT_SYNC_FILE == DMA_BUF_IOCTL_IMPORT_SYNC_FILE, "number");
_Static_assert(BERTH_DMA_BUF_IOCTL_SYNC == DMA_BUF_IOCTL_SYNC, "number");
_Static_assert(BERTH_DMA_HEAP_IOCTL_ALLOC == DMA_HEAP_IOCTL_ALLOC, "number");
_Static_assert(BERTH_SW_SYNC_IOC_CREATE_FENCE ==
		       _IOWR('W', 0, struct berth_sw_sync_create_fence_data),
	       "number");
_Static_assert(BERTH_SW_SYNC_IOC_INC == _IOW('W', 1, __u32), "number");
_Static_assert(BERTH_SW_SYNC_IOC_SET_TIMEOUT == _IOW('W', 0x42, __u32), "number");
_Static_assert(sizeof(struct berth_sync_merge_data) == sizeof(struct sync_merge_data), "size");
_Static_assert(sizeof(struct berth_sync_fence_info) == sizeof(struct sync_fence_info), "size");
_Static_assert(sizeof(struct berth_sync_file_info) == sizeof(struct sync_file_info), "size");
_Static_assert(offsetof(struct berth_sync_merge_data, fence) ==
		       offsetof(struct sync_merge_data, fence),
	       "layout");
_Static_assert(offsetof(struct berth_sync_file_info, sync_fence_info) ==
		       offsetof(struct sync_file_info, sync_fence_info),
	       "layout");
_Static_assert(offsetof(struct berth_sync_fence_info, timestamp_ns) ==
		       offsetof(struct sync_fence_info, timestamp_ns),
	       "layout");

static int number_of(struct dma_fence *fence)
{
	struct sync_file *sync_file = sync_file_create(fence);
	int fd;

	assert_non_null(sync_file);
	fd = berth_fd_install(sync_file->file);
	assert_true(fd >= 0);
	return fd;
}

static void close_number(int fd)
{
	assert_int_equal(close_fd((unsigned int)fd), 0);
}

static long ask(int fd, unsigned int request, void *arg)
{
	struct file *file = fget((unsigned int)fd);
	long ret;

	assert_non_null(file);
	ret = berth_file_ioctl(file, request, arg);
	fput(file);
	return ret;
}

static long events(int fd, int timeout_ms)
{
	struct file *file = fget((unsigned int)fd);
	long ret;

	assert_non_null(file);
	ret = berth_file_poll(file, BERTH_POLLIN, timeout_ms);
	fput(file);
	return ret;
}

static int status(int fd)
{
	struct berth_sync_file_info info = { .status = 77 };

	assert_int_equal(ask(fd, BERTH_SYNC_IOC_FILE_INFO, &info), 0);
	return info.status;
}

static void test_poll(void **state)
{
	struct dma_fence *fence = work_alone(), *other = work_alone();
	int fd = number_of(fence), never = number_of(other);

	(void)state;
	assert_int_equal(events(fd, 0), 0);
	assert_int_equal(events(fd, 20), 0);
	signal_in(fence, 50);
	assert_int_equal(events(fd, -1), BERTH_POLLIN);
	assert_int_equal(events(fd, 0), BERTH_POLLIN);
	assert_int_equal(status(fd), 1);
	/* One goes while its fence could still tell. */
	assert_int_equal(events(never, 1), 0);
	close_number(never);
	dma_fence_signal(other);
	dma_fence_put(other);
	dma_fence_put(fence);
	close_number(fd);
}

static void test_info(void **state)
{
	struct berth_sync_merge_data merge = { .name = "both" };
	struct berth_sync_fence_info each[3];
	struct berth_sync_file_info info = { .sync_fence_info = (uintptr_t)each };
	struct dma_fence *one = work_alone(), *two = work_alone();
	int a = number_of(one), b = number_of(two), both;
	char name[32];

	(void)state;
	snprintf(name, sizeof(name), "worker-line%llu-%llu", (unsigned long long)one->context,
		 (unsigned long long)one->seqno);
	assert_int_equal(ask(a, BERTH_SYNC_IOC_FILE_INFO, &info), 0);
	assert_string_equal(info.name, name);
	assert_int_equal(info.num_fences, 1);
	assert_int_equal(info.status, 0);

	merge.fd2 = b;
	assert_int_equal(ask(a, BERTH_SYNC_IOC_MERGE, &merge), 0);
	both = merge.fence;
	close_number(a);
	close_number(b);
	info.num_fences = 1;
	assert_int_equal(ask(both, BERTH_SYNC_IOC_FILE_INFO, &info), -EINVAL);
	info.num_fences = 3;
	dma_fence_set_error(two, -EIO);
	dma_fence_signal(two);
	memset(each, 0xff, sizeof(each));
	assert_int_equal(ask(both, BERTH_SYNC_IOC_FILE_INFO, &info), 0);
	assert_string_equal(info.name, "both");
	assert_int_equal(info.num_fences, 2);
	assert_int_equal(info.status, 0);
	assert_string_equal(each[0].driver_name, "worker");
	assert_string_equal(each[0].obj_name, "line");
	assert_int_equal(each[0].status + each[1].status, -EIO);
	assert_int_equal(each[2].status, -1); /* not touched */
	assert_int_equal(events(both, 0), 0);
	dma_fence_signal(one);
	assert_int_equal(events(both, -1), BERTH_POLLIN);
	assert_int_equal(status(both), -EIO);
	close_number(both);
	dma_fence_put(one);
	dma_fence_put(two);
}

static void test_nonsense(void **state)
{
	struct berth_sync_merge_data merge = { .fd2 = 0 };
	struct berth_sync_file_info info = { .flags = 1 };
	struct dma_fence *fence = work_alone();
	int fd = number_of(fence);

	(void)state;
	assert_null(sync_file_get_fence(-1));
	assert_null(sync_file_get_fence(99));
	assert_reason(BERTH_REASON_ARGUMENT);
	assert_int_equal(ask(fd, BERTH_SYNC_IOC_FILE_INFO, &info), -EINVAL);
	info = (struct berth_sync_file_info){ .pad = 1 };
	assert_int_equal(ask(fd, BERTH_SYNC_IOC_FILE_INFO, &info), -EINVAL);
	merge.fd2 = 99;
	assert_int_equal(ask(fd, BERTH_SYNC_IOC_MERGE, &merge), -ENOENT);
	merge.flags = 1;
	merge.fd2 = fd;
	assert_int_equal(ask(fd, BERTH_SYNC_IOC_MERGE, &merge), -EINVAL);
	assert_int_equal(ask(fd, BERTH_DMA_BUF_IOCTL_SYNC, &info), -ENOTTY);
	dma_fence_signal(fence);
	dma_fence_put(fence);
	close_number(fd);
}

/* Programs' timelines. */

static struct file *open_timeline(const char *owner)
{
	struct file *file;

	assert_int_equal(berth_sw_sync_offer(), 0);
	assert_int_equal(berth_sw_sync_offer(), 0);
	file = berth_filp_open_as("/dev/sw_sync", BERTH_O_RDWR, owner);
	assert_false(IS_ERR(file));
	return file;
}

static int new_fence(struct file *timeline, uint32_t value, const char *name)
{
	struct berth_sw_sync_create_fence_data data = { .value = value, .fence = -1 };

	strcpy(data.name, name);
	assert_int_equal(berth_file_ioctl(timeline, BERTH_SW_SYNC_IOC_CREATE_FENCE, &data), 0);
	return data.fence;
}

static void count_up(struct file *timeline, uint32_t by)
{
	assert_int_equal(berth_file_ioctl(timeline, BERTH_SW_SYNC_IOC_INC, &by), 0);
}

static void test_timeline(void **state)
{
	struct file *timeline = open_timeline("painter (pid 12)");
	struct berth_sync_fence_info each;
	struct berth_sync_file_info info = { .num_fences = 1, .sync_fence_info = (uintptr_t)&each };
	int first = new_fence(timeline, 1, "one"), later = new_fence(timeline, 3, "three");
	int past = new_fence(timeline, 0, "null");
	int far_away = new_fence(timeline, 0x7fffffffu, "far");

	(void)state;
	assert_int_equal(status(past), 1);
	assert_int_equal(status(first), 0);
	count_up(timeline, 1);
	assert_int_equal(status(first), 1);
	assert_int_equal(events(first, 0), BERTH_POLLIN);
	assert_int_equal(status(later), 0);
	assert_int_equal(ask(later, BERTH_SYNC_IOC_FILE_INFO, &info), 0);
	assert_string_equal(info.name, "three");
	assert_string_equal(each.obj_name, "painter (pid 12)");
	assert_string_equal(each.driver_name, "sw_sync");
	count_up(timeline, 0);
	assert_int_equal(status(later), 0);
	count_up(timeline, 0xffffff00u); /* past everything, although it wraps */
	assert_int_equal(status(later), 1);
	assert_int_equal(status(far_away), 1);
	fput(timeline);
	/* They outlive their timeline. */
	assert_int_equal(status(later), 1);
	close_number(first);
	close_number(later);
	close_number(past);
	close_number(far_away);
}

static void test_deadline(void **state)
{
	struct file *timeline = open_timeline("sleeper (pid 9)");
	uint32_t ms = 0;
	char text[400];
	int fd;

	(void)state;
	assert_int_equal(berth_file_ioctl(timeline, BERTH_SW_SYNC_IOC_SET_TIMEOUT, &ms), -EINVAL);
	ms = BERTH_SW_SYNC_TIMEOUT_MOST + 1;
	assert_int_equal(berth_file_ioctl(timeline, BERTH_SW_SYNC_IOC_SET_TIMEOUT, &ms), -EINVAL);
	ms = 30;
	assert_int_equal(berth_file_ioctl(timeline, BERTH_SW_SYNC_IOC_SET_TIMEOUT, &ms), 0);
	fd = new_fence(timeline, 1, "frame 7");
	console_take();
	assert_int_equal(events(fd, -1), BERTH_POLLIN);
	console_give(text, sizeof(text));
	assert_int_equal(status(fd), -ETIMEDOUT);
	assert_non_null(strstr(text, "sleeper (pid 9) did not signal in time"));
	assert_non_null(strstr(text, "frame 7"));
	/* Too late is no error of who counts. */
	count_up(timeline, 1);
	assert_int_equal(status(fd), -ETIMEDOUT);
	close_number(fd);
	/* The default is one, too. */
	ms = BERTH_SW_SYNC_TIMEOUT;
	fput(timeline);
	timeline = open_timeline("");
	fd = new_fence(timeline, 1, "");
	console_take();
	assert_int_equal(events(fd, (int)ms / 2), 0);
	assert_int_equal(events(fd, -1), BERTH_POLLIN);
	console_give(text, sizeof(text));
	assert_int_equal(status(fd), -ETIMEDOUT);
	close_number(fd);
	fput(timeline);
}

static void test_abandoned(void **state)
{
	struct file *timeline = open_timeline("painter (pid 12)");
	struct berth_sync_merge_data merge = { .name = "both" };
	int fds[7], other;
	struct dma_fence *fence = work_alone();
	char text[1500];

	(void)state;
	for (unsigned int i = 0; i < ARRAY_SIZE(fds); i++)
		fds[i] = new_fence(timeline, i + 1, "frame 7");
	count_up(timeline, 1);
	other = number_of(fence);
	merge.fd2 = other;
	assert_int_equal(ask(fds[1], BERTH_SYNC_IOC_MERGE, &merge), 0);
	console_take();
	fput(timeline);
	console_give(text, sizeof(text));
	assert_non_null(strstr(text, "painter (pid 12) is gone and never signalled"));
	assert_non_null(strstr(text, "frame 7"));
	assert_non_null(strstr(text, "2 more of painter"));
	assert_int_equal(status(fds[0]), 1);
	for (unsigned int i = 1; i < ARRAY_SIZE(fds); i++) {
		assert_int_equal(events(fds[i], 0), BERTH_POLLIN);
		assert_int_equal(status(fds[i]), -ENOENT);
	}
	assert_int_equal(status(merge.fence), 0);
	dma_fence_signal(fence);
	assert_int_equal(events(merge.fence, -1), BERTH_POLLIN);
	assert_int_equal(status(merge.fence), -ENOENT);
	for (unsigned int i = 0; i < ARRAY_SIZE(fds); i++)
		close_number(fds[i]);
	close_number(other);
	close_number(merge.fence);
	dma_fence_put(fence);
}

static void test_limit(void **state)
{
	struct berth_sw_sync_create_fence_data data = { .value = 5 };
	struct file *timeline = open_timeline("greedy (pid 3)");

	(void)state;
	for (unsigned int i = 0; i < BERTH_SW_SYNC_FENCES; i++)
		close_number(new_fence(timeline, 2 + i % 2, ""));
	assert_int_equal(berth_file_ioctl(timeline, BERTH_SW_SYNC_IOC_CREATE_FENCE, &data),
			 -ENOMEM);
	assert_reason(BERTH_REASON_TABLE_FULL);
	count_up(timeline, 2);
	close_number(new_fence(timeline, 5, ""));
	count_up(timeline, 9);
	assert_int_equal(berth_file_ioctl(timeline, 99, &data), -ENOTTY);
	fput(timeline);
}

/* Buffers. */

static void test_buffer(void **state)
{
	struct dma_buf *dmabuf =
		dma_heap_buffer_alloc(dma_heap_find("system"), 4096, BERTH_O_RDWR, 0);
	struct berth_dma_buf_import_sync_file import = { .flags = DMA_BUF_SYNC_WRITE };
	struct berth_dma_buf_export_sync_file out = { .flags = DMA_BUF_SYNC_READ };
	struct file *timeline = open_timeline("painter (pid 12)");
	uint64_t begin = DMA_BUF_SYNC_READ;
	int fd, all;

	(void)state;
	assert_false(IS_ERR(dmabuf));
	fd = dma_buf_fd(dmabuf, 0);
	/* Nothing to wait for. */
	assert_int_equal(ask(fd, BERTH_DMA_BUF_IOCTL_EXPORT_SYNC_FILE, &out), 0);
	assert_int_equal(status(out.fd), 1);
	close_number(out.fd);
	/* A reader of the program's: readers go on, writers wait. */
	import.flags = DMA_BUF_SYNC_READ;
	import.fd = new_fence(timeline, 1, "read");
	assert_int_equal(ask(fd, BERTH_DMA_BUF_IOCTL_IMPORT_SYNC_FILE, &import), 0);
	close_number(import.fd);
	assert_int_equal(events(fd, 0), BERTH_POLLIN);
	assert_int_equal(ask(fd, BERTH_DMA_BUF_IOCTL_EXPORT_SYNC_FILE, &out), 0);
	assert_int_equal(status(out.fd), 1);
	close_number(out.fd);
	out.flags = DMA_BUF_SYNC_WRITE;
	assert_int_equal(ask(fd, BERTH_DMA_BUF_IOCTL_EXPORT_SYNC_FILE, &out), 0);
	all = out.fd;
	assert_int_equal(status(all), 0);
	count_up(timeline, 1);
	assert_int_equal(status(all), 1);
	close_number(all);
	/* A writer: everybody waits, and who does not wait is told. */
	import.flags = DMA_BUF_SYNC_RW;
	import.fd = new_fence(timeline, 2, "write");
	assert_int_equal(ask(fd, BERTH_DMA_BUF_IOCTL_IMPORT_SYNC_FILE, &import), 0);
	close_number(import.fd);
	assert_int_equal(events(fd, 0), 0);
	dmabuf->file->f_flags |= BERTH_O_NONBLOCK;
	assert_int_equal(ask(fd, BERTH_DMA_BUF_IOCTL_SYNC, &begin), -EAGAIN);
	count_up(timeline, 1);
	assert_int_equal(ask(fd, BERTH_DMA_BUF_IOCTL_SYNC, &begin), 0);
	begin |= DMA_BUF_SYNC_END;
	assert_int_equal(ask(fd, BERTH_DMA_BUF_IOCTL_SYNC, &begin), 0);
	/* Nonsense. */
	out.flags = 0;
	assert_int_equal(ask(fd, BERTH_DMA_BUF_IOCTL_EXPORT_SYNC_FILE, &out), -EINVAL);
	out.flags = DMA_BUF_SYNC_END | DMA_BUF_SYNC_READ;
	assert_int_equal(ask(fd, BERTH_DMA_BUF_IOCTL_EXPORT_SYNC_FILE, &out), -EINVAL);
	import.fd = fd;
	assert_int_equal(ask(fd, BERTH_DMA_BUF_IOCTL_IMPORT_SYNC_FILE, &import), -EINVAL);
	import.flags = 0;
	assert_int_equal(ask(fd, BERTH_DMA_BUF_IOCTL_IMPORT_SYNC_FILE, &import), -EINVAL);
	close_number(fd);
	fput(timeline);
}

/* All of it; 0, or what failed. What it leaves behind is what a test of leaks finds. */
static long do_everything(void)
{
	struct berth_sw_sync_create_fence_data a = { .value = 1 }, b = { .value = 2 };
	struct berth_sync_merge_data merge = { .name = "both", .fence = -1 };
	struct berth_dma_buf_import_sync_file import = { .flags = DMA_BUF_SYNC_WRITE };
	struct berth_dma_buf_export_sync_file out = { .flags = DMA_BUF_SYNC_WRITE, .fd = -1 };
	struct file *lines[2] = { NULL, NULL };
	struct dma_buf *dmabuf = NULL;
	long err = berth_sw_sync_offer();
	int fds[2] = { -1, -1 }, fd;

	for (unsigned int i = 0; i < 2 && !err; i++) {
		lines[i] = berth_filp_open("/dev/sw_sync", BERTH_O_RDWR);
		err = IS_ERR(lines[i]) ? PTR_ERR(lines[i]) : 0;
		if (!err)
			err = berth_file_ioctl(lines[i], BERTH_SW_SYNC_IOC_CREATE_FENCE,
					       i ? &b : &a);
		if (!err)
			fds[i] = i ? b.fence : a.fence;
	}
	merge.fd2 = b.fence;
	if (!err)
		err = ask(fds[0], BERTH_SYNC_IOC_MERGE, &merge);
	if (!err)
		dmabuf = dma_heap_buffer_alloc(dma_heap_find("system"), 4096, BERTH_O_RDWR, 0);
	if (!err && IS_ERR(dmabuf))
		err = PTR_ERR(dmabuf);
	fd = err ? -1 : dma_buf_fd(dmabuf, 0);
	if (!err && fd < 0) {
		err = fd;
		dma_buf_put(dmabuf);
	}
	import.fd = merge.fence;
	if (!err)
		err = ask(fd, BERTH_DMA_BUF_IOCTL_IMPORT_SYNC_FILE, &import);
	if (!err)
		err = ask(fd, BERTH_DMA_BUF_IOCTL_EXPORT_SYNC_FILE, &out);
	if (!err)
		events(out.fd, 1);
	for (unsigned int i = 0; i < 2; i++) {
		if (lines[i] && !IS_ERR(lines[i]))
			fput(lines[i]);
		if (fds[i] >= 0)
			close_number(fds[i]);
	}
	if (merge.fence >= 0)
		close_number(merge.fence);
	if (out.fd >= 0) {
		assert_int_equal(events(out.fd, -1), BERTH_POLLIN);
		assert_int_equal(status(out.fd), -ENOENT);
		close_number(out.fd);
	}
	if (fd >= 0)
		close_number(fd);
	return err;
}

static void test_every_failure(void **state)
{
	char text[4000];
	uint64_t nth;
	long err;

	(void)state;
	for (nth = 1;; nth++) {
		bool has_failed;

		must_start(tree_minimal, NULL, NULL);
		console_take();
		berth_test_fail_nth(nth);
		err = do_everything();
		has_failed = berth_test_failed();
		berth_test_fail_nth(0);
		console_give(text, sizeof(text));
		/* Fences that were given up go with what is due. */
		msleep(1);
		must_stop();
		if (!has_failed)
			break;
		if (err && err != -ENOMEM)
			fail_msg("allocation %d: %ld", (int)nth, err);
	}
	assert_int_equal(err, 0);
	assert_true(nth > 20);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		fence_test(test_poll),
		fence_test(test_info),
		fence_test(test_nonsense),
		fence_test(test_timeline),
		fence_test(test_deadline),
		fence_test(test_abandoned),
		fence_test(test_limit),
		fence_test(test_buffer),
		cmocka_unit_test(test_every_failure),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
