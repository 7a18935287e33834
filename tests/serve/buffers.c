// SPDX-License-Identifier: BSD-2-Clause
/*
 * buffers HEAP: buffers and fences by the kernel's headers alone: what is in an ioctl() besides bytes. buffers lost NODE: waits
 * for a line, behind which the server is gone. Prints "ok" or what is wrong. Knows nothing of berth.
 */
#include <errno.h>
#include <fcntl.h>
#include <linux/dma-buf.h>
#include <linux/dma-heap.h>
#include <linux/sync_file.h>
#include <poll.h>
#include <pthread.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <unistd.h>

#define SIZE 12288
#define BOX_NUMBER _IO('B', 2)

#define CHECK(holds)                                                                    \
	do {                                                                            \
		if (!(holds)) {                                                         \
			printf("line %d: %s: %s\n", __LINE__, #holds, strerror(errno)); \
			exit(1);                                                        \
		}                                                                       \
	} while (0)

/* Of the kernel's sw_sync.c, whose header is not for programs. */
struct fence_data {
	uint32_t value;
	char name[32];
	int32_t fence;
};

#define CREATE_FENCE _IOWR('W', 0, struct fence_data)
#define INC _IOW('W', 1, uint32_t)

static int allocate(const char *heap, uint32_t flags)
{
	struct dma_heap_allocation_data wanted = { .len = SIZE, .fd_flags = flags };
	char path[64];
	int fd;

	snprintf(path, sizeof(path), "/dev/dma_heap/%s", heap);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	CHECK(fd >= 0);
	CHECK(!ioctl(fd, DMA_HEAP_IOCTL_ALLOC, &wanted));
	close(fd);
	CHECK(fcntl((int)wanted.fd, F_GETFD) == (flags & O_CLOEXEC ? FD_CLOEXEC : 0));
	return (int)wanted.fd;
}

static int fence_at(int timeline, uint32_t value)
{
	struct fence_data data = { .value = value, .name = "a fence" };

	CHECK(!ioctl(timeline, CREATE_FENCE, &data));
	return data.fence;
}

static int is_done(int fence)
{
	struct pollfd entry = { .fd = fence, .events = POLLIN };

	return poll(&entry, 1, 0) > 0;
}

static struct sync_file_info info_of(int fence, struct sync_fence_info *fences, uint32_t room)
{
	struct sync_file_info info = { .num_fences = room };

	info.sync_fence_info = (uintptr_t)fences;
	CHECK(!ioctl(fence, SYNC_IOC_FILE_INFO, &info));
	return info;
}

static void merge(int timeline, int other)
{
	const int one = fence_at(timeline, 1), two = fence_at(other, 1);
	struct sync_merge_data data = { .name = "both", .fd2 = two };
	struct sync_fence_info fences[4];
	struct sync_file_info info;

	CHECK(!ioctl(one, SYNC_IOC_MERGE, &data));
	CHECK(data.fence >= 0 && fcntl(data.fence, F_GETFD) == FD_CLOEXEC);
	info = info_of(data.fence, NULL, 0);
	CHECK(info.num_fences == 2 && !strcmp(info.name, "both") && !info.status);
	memset(fences, 0, sizeof(fences));
	info = info_of(data.fence, fences, 4);
	CHECK(info.num_fences == 2 && info.sync_fence_info == (uintptr_t)fences);
	CHECK(!strcmp(fences[0].driver_name, fences[1].driver_name) && fences[0].driver_name[0]);
	CHECK(!fences[2].driver_name[0]);
	close(data.fence);
	data.fd2 = 0; /* no file of the server's */
	CHECK(ioctl(one, SYNC_IOC_MERGE, &data) == -1);
	close(one);
	close(two);
}

struct late {
	int timeline;
	uint32_t by;
};

static void *signal_late(void *data)
{
	const struct late *late = data;

	usleep(100000);
	CHECK(!ioctl(late->timeline, INC, &late->by));
	return NULL;
}

/* Who wants to use the buffer waits for the device. */
static void wait_for_device(int buffer, int timeline, uint32_t at)
{
	const int fence = fence_at(timeline, at);
	struct dma_buf_import_sync_file import = { .flags = DMA_BUF_SYNC_WRITE, .fd = fence };
	struct dma_buf_export_sync_file export = { .flags = DMA_BUF_SYNC_READ };
	struct dma_buf_sync sync = { DMA_BUF_SYNC_START | DMA_BUF_SYNC_READ };
	struct late late = { timeline, 1 };
	pthread_t thread;

	CHECK(!ioctl(buffer, DMA_BUF_IOCTL_IMPORT_SYNC_FILE, &import));
	CHECK(!ioctl(buffer, DMA_BUF_IOCTL_EXPORT_SYNC_FILE, &export));
	CHECK(!is_done(fence) && !is_done(export.fd));
	CHECK(!pthread_create(&thread, NULL, signal_late, &late));
	CHECK(!ioctl(buffer, DMA_BUF_IOCTL_SYNC, &sync));
	CHECK(is_done(fence) && info_of(export.fd, NULL, 0).status == 1);
	CHECK(!pthread_join(thread, NULL));
	sync.flags |= DMA_BUF_SYNC_END;
	CHECK(!ioctl(buffer, DMA_BUF_IOCTL_SYNC, &sync));
	import.fd = 0;
	CHECK(ioctl(buffer, DMA_BUF_IOCTL_IMPORT_SYNC_FILE, &import) == -1);
	close(fence);
	close(export.fd);
}

static void use(const char *heap)
{
	const int timeline = open("/dev/sw_sync", O_RDWR), other = open("/dev/sw_sync", O_RDWR);
	const int buffer = allocate(heap, O_RDWR | O_CLOEXEC), second = allocate(heap, O_RDWR);
	char *at, *again;

	CHECK(timeline >= 0 && other >= 0);
	CHECK(lseek(buffer, 0, SEEK_END) == SIZE && lseek(buffer, 0, SEEK_SET) == 0);
	CHECK(lseek(buffer, 1, SEEK_SET) == -1 && errno == EINVAL);
	CHECK(lseek(buffer, 0, SEEK_CUR) == -1 && errno == EINVAL);
	CHECK(!ioctl(buffer, DMA_BUF_SET_NAME_B, "a name of some length"));
	at = mmap(NULL, SIZE, PROT_READ | PROT_WRITE, MAP_SHARED, buffer, 0);
	again = mmap(NULL, 4096, PROT_READ, MAP_SHARED, buffer, 4096);
	CHECK(at != MAP_FAILED && again != MAP_FAILED);
	CHECK(mmap(NULL, SIZE, PROT_READ, MAP_SHARED, buffer, 4096) == MAP_FAILED &&
	      errno == EINVAL);
	strcpy(at + 4096, "shared");
	CHECK(!strcmp(again, "shared"));
	merge(timeline, other);
	wait_for_device(buffer, timeline, 1);
	munmap(at, SIZE);
	munmap(again, 4096);
	close(buffer);
	close(second);
	close(timeline);
	close(other);
}

static void lose(const char *path)
{
	struct dma_heap_allocation_data wanted = { .len = SIZE };
	const int node = open(path, O_RDWR);
	uint32_t value = 1;

	CHECK(node >= 0);
	printf("open\n");
	fflush(stdout);
	(void)getchar();
	CHECK(read(node, &value, 4) == -1 && errno == EIO);
	CHECK(write(node, &value, 4) == -1 && errno == EIO);
	CHECK(ioctl(node, DMA_HEAP_IOCTL_ALLOC, &wanted) == -1 && errno == ENODEV);
	CHECK(mmap(NULL, 4096, PROT_READ, MAP_SHARED, node, 0) == MAP_FAILED && errno == ENODEV);
	CHECK(open(path, O_RDWR) == -1 && errno == ENODEV);
	close(node);
}

int main(int argc, char **argv)
{
	int box;

	if (argc == 3 && !strcmp(argv[1], "lost")) {
		lose(argv[2]);
	} else {
		use(argc > 1 ? argv[1] : "system");
		box = open("/dev/box/data", O_RDWR);
		CHECK(box >= 0 && ioctl(box, BOX_NUMBER, 1234l) == 1234);
		close(box);
	}
	printf("ok\n");
	return 0;
}
