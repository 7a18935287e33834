// SPDX-License-Identifier: BSD-2-Clause
/*
 * processes-client: a program of another process, told what to do by packets on descriptor 3, each answered with
 * "RESULT TEXT". A descriptor that comes or goes with a packet is in the slot that it names.
 * processes-client chaos SEED: does anything, with descriptors that it finds in the socket 3 and leaves in 4, until there
 * is an end of file on 5.
 */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <linux/dma-buf.h>
#include <linux/dma-heap.h>
#include <linux/sync_file.h>

#include "preload/client.h"

#define SLOTS 32
#define MAPPINGS 8

struct fence_data {
	__u32 value;
	char name[32];
	__s32 fence;
};

#define CREATE_FENCE _IOWR('W', 0, struct fence_data)
#define INC _IOW('W', 1, __u32)
#define SET_TIMEOUT _IOW('W', 0x42, __u32)

static int slots[SLOTS];
static struct berth_client_mapping mappings[MAPPINGS];
static char text[400];

static long send_packet(int to, const void *bytes, size_t size, int fd, int flags)
{
	_Alignas(struct cmsghdr) char control[CMSG_SPACE(sizeof(int))] = { 0 };
	struct iovec part = { (void *)(uintptr_t)bytes, size };
	struct msghdr message = { .msg_iov = &part, .msg_iovlen = 1 };
	struct cmsghdr *header = (void *)control;

	if (fd >= 0) {
		header->cmsg_level = SOL_SOCKET;
		header->cmsg_type = SCM_RIGHTS;
		header->cmsg_len = CMSG_LEN(sizeof(int));
		memcpy(CMSG_DATA(header), &fd, sizeof(int));
		message.msg_control = control;
		message.msg_controllen = sizeof(control);
	}
	return sendmsg(to, &message, flags | MSG_NOSIGNAL);
}

static long receive_packet(int from, void *bytes, size_t size, int *fd, int flags)
{
	_Alignas(struct cmsghdr) char control[CMSG_SPACE(sizeof(int))];
	struct iovec part = { bytes, size };
	struct msghdr message = { .msg_iov = &part,
				  .msg_iovlen = 1,
				  .msg_control = control,
				  .msg_controllen = sizeof(control) };
	struct cmsghdr *header;
	long got = recvmsg(from, &message, flags);

	*fd = -1;
	header = got >= 0 ? CMSG_FIRSTHDR(&message) : NULL;
	if (header && header->cmsg_type == SCM_RIGHTS)
		memcpy(fd, CMSG_DATA(header), sizeof(int));
	return got;
}

/* As in tests/model/dma_buf.h. */
static unsigned char pixel(unsigned int picture, size_t at)
{
	return (unsigned char)((at * 31 + at / 4096 * 7 + picture * 101 + 1) & 0xff);
}

static long fill(const struct berth_client_mapping *mapping, size_t offset, unsigned int picture)
{
	for (size_t i = 0; i < mapping->size; i++)
		((unsigned char *)mapping->address)[i] = pixel(picture, offset + i);
	return 0;
}

static long count_wrong(const struct berth_client_mapping *mapping, size_t offset,
			unsigned int picture)
{
	long wrong = 0;

	for (size_t i = 0; i < mapping->size; i++)
		wrong += ((unsigned char *)mapping->address)[i] != pixel(picture, offset + i);
	return wrong;
}

/* How the kernel describes a mapping: offset, device, inode. */
static long describe_mapping(const struct berth_client_mapping *mapping)
{
	FILE *maps = fopen("/proc/self/maps", "re");
	char line[400];
	long ret = -ENOENT;

	while (maps && ret && fgets(line, sizeof(line), maps)) {
		char offset[20], device[12], inode[24];

		if (strtoull(line, NULL, 16) == (uintptr_t)mapping->address &&
		    sscanf(line, "%*s %*s %19s %11s %23s", offset, device, inode) == 3) {
			snprintf(text, sizeof(text), "%s %s %s", offset, device, inode);
			ret = 0;
		}
	}
	if (maps)
		fclose(maps);
	return ret;
}

static int allocate(const char *heap, unsigned long long size, unsigned int flags)
{
	struct dma_heap_allocation_data data = { .len = size, .fd_flags = flags };
	char path[64];
	long ret;
	int fd;

	snprintf(path, sizeof(path), "/dev/dma_heap/%s", heap);
	fd = berth_client_open(path, O_RDWR | O_CLOEXEC);
	if (fd < 0)
		return fd;
	ret = berth_client_ioctl(fd, DMA_HEAP_IOCTL_ALLOC, &data);
	berth_client_close(fd);
	return ret < 0 ? (int)ret : (int)data.fd;
}

static int new_fence(int timeline, unsigned int value, const char *name)
{
	struct fence_data data = { .value = value };
	long ret;

	snprintf(data.name, sizeof(data.name), "%s", name);
	ret = berth_client_ioctl(timeline, CREATE_FENCE, &data);
	return ret < 0 ? (int)ret : data.fence;
}

static int merge(int a, int b)
{
	struct sync_merge_data data = { .name = "merged", .fd2 = b };
	long ret = berth_client_ioctl(a, SYNC_IOC_MERGE, &data);

	return ret < 0 ? (int)ret : data.fence;
}

static int export(int buffer, unsigned int flags)
{
	struct dma_buf_export_sync_file data = { .flags = flags, .fd = -1 };
	long ret = berth_client_ioctl(buffer, DMA_BUF_IOCTL_EXPORT_SYNC_FILE, &data);

	return ret < 0 ? (int)ret : data.fd;
}

static long import(int buffer, unsigned int flags, int fence)
{
	struct dma_buf_import_sync_file data = { .flags = flags, .fd = fence };

	return berth_client_ioctl(buffer, DMA_BUF_IOCTL_IMPORT_SYNC_FILE, &data);
}

static long sync_buffer(int buffer, unsigned long long flags)
{
	struct dma_buf_sync data = { .flags = flags };

	return berth_client_ioctl(buffer, DMA_BUF_IOCTL_SYNC, &data);
}

static long number(int fd, unsigned long request, unsigned int value)
{
	return berth_client_ioctl(fd, request, &value);
}

/* The text: each fence's status, driver and timeline. */
static long tell_fences(int fd)
{
	struct sync_fence_info each[8];
	struct sync_file_info info = { .num_fences = 8, .sync_fence_info = (uintptr_t)each };
	size_t used = 0;
	long ret;

	memset(each, 0x55, sizeof(each));
	ret = berth_client_ioctl(fd, SYNC_IOC_FILE_INFO, &info);
	if (ret || info.sync_fence_info != (uintptr_t)each)
		return ret ? ret : -EPROTO;
	for (unsigned int i = 0; i < info.num_fences; i++)
		used += (size_t)snprintf(text + used, sizeof(text) - used, "[%d %s: %s]",
					 each[i].status, each[i].driver_name, each[i].obj_name);
	return info.status;
}

/* What a client may try to do to the file that it is given. Return: what of it was not refused. */
static long attack(int fd, size_t size)
{
	uint64_t at;
	int connection;
	const int shown = berth_client_map_at(fd, 0, size, &at, &connection);
	long wrong = 0;
	char byte = 1;

	if (shown < 0)
		return shown;
	wrong += !ftruncate(shown, 0);
	wrong += 2 * !ftruncate(shown, (off_t)size * 16);
	wrong += 4 * (fcntl(shown, F_ADD_SEALS, F_SEAL_WRITE) >= 0);
	wrong += 8 * (pwrite(shown, &byte, 1, (off_t)size) == 1);
	wrong += 16 * !fallocate(shown, 0, 0, (off_t)size * 16);
	/* It may throw away its own bytes, and lock what it likes. */
	fallocate(shown, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, 0, (off_t)size);
	fcntl(shown, F_SETLEASE, F_WRLCK);
	close(shown);
	close(connection);
	return wrong;
}

/* More is mapped than was given: the kernel ends who touches that. */
static long write_beyond(int fd)
{
	const size_t size = (size_t)berth_client_size(fd);
	uint64_t at;
	int connection;
	const int shown = berth_client_map_at(fd, 0, size, &at, &connection);
	volatile char *bytes = mmap(NULL, 2 * size, PROT_READ | PROT_WRITE, MAP_SHARED, shown, 0);

	return bytes == MAP_FAILED ? -errno : (bytes[size] = 1);
}

/* Nonsense to the requests that exist. Return: how many were not refused. */
static long try_nonsense(int buffer, int timeline)
{
	struct dma_heap_allocation_data data = { .len = ~0ull, .fd_flags = O_RDWR };
	struct dma_buf_sync sync = { .flags = 0x80 };
	struct berth_client_mapping map;
	const int64_t size = berth_client_size(buffer);
	const int heap = berth_client_open("dma_heap/system", O_RDWR), null = open("/dev/null", 0);
	int pipes[2], pair[2];
	long wrong = 0;

	if (heap < 0 || size < 0 || pipe(pipes) || socketpair(AF_UNIX, SOCK_SEQPACKET, 0, pair))
		return -1;
	wrong += berth_client_ioctl(heap, DMA_HEAP_IOCTL_ALLOC, &data) >= 0;
	data.len = 0;
	wrong += berth_client_ioctl(heap, DMA_HEAP_IOCTL_ALLOC, &data) >= 0;
	data.len = 1ull << 63;
	wrong += berth_client_ioctl(heap, DMA_HEAP_IOCTL_ALLOC, &data) >= 0;
	data = (struct dma_heap_allocation_data){ .len = 4096, .fd_flags = ~0u };
	wrong += berth_client_ioctl(heap, DMA_HEAP_IOCTL_ALLOC, &data) >= 0;
	data = (struct dma_heap_allocation_data){ .len = 4096, .fd = 3, .fd_flags = O_RDWR };
	wrong += berth_client_ioctl(heap, DMA_HEAP_IOCTL_ALLOC, &data) >= 0;
	wrong += berth_client_ioctl(buffer, DMA_BUF_IOCTL_SYNC, &sync) >= 0;
	wrong += berth_client_ioctl(buffer, DMA_HEAP_IOCTL_ALLOC, &data) >= 0;
	wrong += berth_client_ioctl(buffer, 0xffffffffu, &data) >= 0;
	wrong += berth_client_mmap(buffer, (size_t)size + 1, 0, PROT_READ, &map) >= 0;
	wrong += berth_client_mmap(buffer, 4096, (uint64_t)size, PROT_READ, &map) >= 0;
	wrong += berth_client_mmap(buffer, 4096, ~0ull & ~4095ull, PROT_READ, &map) >= 0;
	wrong += berth_client_mmap(buffer, 4096, 1, PROT_READ, &map) >= 0;
	wrong += berth_client_mmap(buffer, ~(size_t)0, 0, PROT_READ, &map) >= 0;
	wrong += berth_client_mmap(buffer, (size_t)1 << 50, 0, PROT_READ, &map) >= 0;
	wrong += berth_client_mmap(timeline, 4096, 0, PROT_READ, &map) >= 0;
	wrong += berth_client_mmap(heap, 4096, 0, PROT_READ, &map) >= 0;
	/* Of every kind: not there, not the server's, not a fence. */
	for (int i = 0; i < 7; i++) {
		const int others[] = { -1, 999, null, pipes[0], pair[0], heap, buffer };

		wrong += import(buffer, DMA_BUF_SYNC_READ, others[i]) >= 0;
		wrong += berth_client_mmap(others[i] == buffer ? null : others[i], 4096, 0,
					   PROT_READ, &map) >= 0;
		if (i < 5)
			wrong += berth_client_ioctl(others[i], DMA_BUF_IOCTL_SYNC, &sync) >= 0;
	}
	wrong += import(buffer, 0, timeline) >= 0;
	wrong += export(buffer, 4) >= 0;
	wrong += new_fence(buffer, 1, "") >= 0;
	wrong += berth_client_open("../dma_heap/system", O_RDWR) >= 0;
	wrong += berth_client_open("", O_RDWR) >= 0;
	wrong += number(timeline, SET_TIMEOUT, 0) >= 0;
	close(heap);
	close(null);
	close(pipes[0]), close(pipes[1]), close(pair[0]), close(pair[1]);
	return wrong;
}

/* The station's: see processes.h. */
static long do_job(int station, int buffer, unsigned int request, unsigned int picture)
{
	struct {
		__s32 fd;
		__u32 picture;
	} job = { buffer, picture };
	long ret = berth_client_ioctl(station, request, &job);

	return ret ? ret : job.picture;
}

/* One request, in its raw form. Return: the result; 1 if the server has hung up. */
static long ask_raw(unsigned int request, unsigned int flags, const void *data, uint32_t size,
		    const int *fds, unsigned int nr, struct berth_serve_reply *reply)
{
	static unsigned char bytes[sizeof(*reply) + BERTH_SERVE_DATA_MOST];
	struct berth_serve_request head = { .magic = BERTH_SERVE_MAGIC,
					    .op = BERTH_SERVE_IOCTL,
					    .flags = flags,
					    .size = size,
					    .arg = request };
	_Alignas(struct cmsghdr) char control[CMSG_SPACE(4 * sizeof(int))] = { 0 };
	struct iovec parts[2] = { { &head, sizeof(head) }, { (void *)(uintptr_t)data, size } };
	struct msghdr message = { .msg_iov = parts,
				  .msg_iovlen = 2,
				  .msg_control = control,
				  .msg_controllen = CMSG_SPACE(nr * sizeof(int)) };
	struct cmsghdr *header = (void *)control;
	struct sockaddr_un server = { .sun_family = AF_UNIX };
	const char *name = getenv(BERTH_SERVE_ENV);
	const int fd = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0);
	ssize_t got;

	header->cmsg_level = SOL_SOCKET;
	header->cmsg_type = SCM_RIGHTS;
	header->cmsg_len = CMSG_LEN(nr * sizeof(int));
	memcpy(CMSG_DATA(header), fds, nr * sizeof(int));
	strcpy(server.sun_path + 1, name);
	if (connect(fd, (struct sockaddr *)&server,
		    (socklen_t)(offsetof(struct sockaddr_un, sun_path) + 1 + strlen(name))) ||
	    sendmsg(fd, &message, MSG_NOSIGNAL) < 0)
		exit(3);
	got = recv(fd, bytes, sizeof(bytes), 0);
	memcpy(reply, bytes, sizeof(*reply));
	close(fd);
	return got < (ssize_t)sizeof(*reply) ? 1 : (long)reply->result;
}

/* Numbers and addresses in requests, by one who keeps to no rule. Return: 0, or the first that went wrong. */
static long lie_about_numbers(int buffer, int fence)
{
	struct dma_buf_import_sync_file import = { .flags = DMA_BUF_SYNC_READ, .fd = 0 };
	struct sync_file_info info = { .num_fences = ~0u, .sync_fence_info = 1 };
	struct sync_merge_data both = { .fd2 = fence };
	const unsigned int import_it = DMA_BUF_IOCTL_IMPORT_SYNC_FILE;
	int pair[2], fds[4] = { buffer, fence, fence, fence };
	struct berth_serve_reply reply;

	if (socketpair(AF_UNIX, SOCK_SEQPACKET, 0, pair))
		return 1;
	if (ask_raw(import_it, 0, &import, 8, fds, 1, &reply) != -EBADF ||
	    reply.wants != BERTH_SERVE_WANTS_FD || reply.fd_at != 4)
		return 2;
	/* The number that it says is nobody's. */
	for (import.fd = 0; import.fd < 4; import.fd++)
		if (ask_raw(import_it, BERTH_SERVE_KNOWS, &import, 8, fds, 1, &reply) != -EINVAL)
			return 3;
	if (ask_raw(import_it, 0, &import, 8, fds, 2, &reply) != 1 ||
	    ask_raw(import_it, BERTH_SERVE_KNOWS, &import, 8, fds, 3, &reply) != 1 ||
	    ask_raw(import_it, BERTH_SERVE_KNOWS, &import, 8, fds, 4, &reply) != 1)
		return 4;
	fds[1] = pair[0];
	if (ask_raw(import_it, BERTH_SERVE_KNOWS, &import, 8, fds, 2, &reply) != -EINVAL)
		return 5;
	fds[1] = buffer;
	if (ask_raw(import_it, BERTH_SERVE_KNOWS, &import, 8, fds, 2, &reply) != -EINVAL)
		return 6;
	fds[1] = fence;
	if (ask_raw(import_it, BERTH_SERVE_KNOWS, &import, 9, fds, 2, &reply) != -EINVAL ||
	    ask_raw(import_it, BERTH_SERVE_KNOWS, &import, 0, fds, 2, &reply) != -EINVAL ||
	    ask_raw(import_it, BERTH_SERVE_KNOWS, &import, 8, fds, 2, &reply) != 0)
		return 7;
	/* As much room as there is, and no more; the address is the program's own business. */
	fds[0] = fence;
	if (ask_raw(SYNC_IOC_FILE_INFO, 0, &info, sizeof(info), fds, 1, &reply) != -EBADF ||
	    !(reply.wants & BERTH_SERVE_WANTS_ARRAY) ||
	    (reply.wants & BERTH_SERVE_ARRAY_BYTES) > BERTH_SERVE_DATA_MOST)
		return 8;
	if (ask_raw(SYNC_IOC_FILE_INFO, BERTH_SERVE_KNOWS, &info, sizeof(info), fds, 1, &reply) ||
	    reply.size != sizeof(info) + sizeof(struct sync_fence_info))
		return 9;
	/* A descriptor that comes back to nobody. */
	if (ask_raw(SYNC_IOC_MERGE, BERTH_SERVE_KNOWS, &both, sizeof(both), fds, 2, &reply) != 0)
		return 10;
	close(pair[0]);
	close(pair[1]);
	return 0;
}

static long close_all(const int *fds, unsigned int nr, long ret)
{
	while (nr--)
		if (fds[nr] >= 0)
			berth_client_close(fds[nr]);
	return ret;
}

/* All that there is. Return: 0, or what failed first. */
static long do_everything(void)
{
	enum { BUFFER, TIMELINE, FENCE, SECOND, MERGED, EXPORTED, NR };
	int fds[NR] = { -1, -1, -1, -1, -1, -1 };
	struct berth_client_mapping map;
	long err;

	fds[BUFFER] = allocate("system", 3 * 4096, O_RDWR | O_CLOEXEC);
	fds[TIMELINE] = berth_client_open("sw_sync", O_RDWR | O_CLOEXEC);
	if (fds[BUFFER] < 0 || fds[TIMELINE] < 0)
		return close_all(fds, NR, fds[BUFFER] < 0 ? fds[BUFFER] : fds[TIMELINE]);
	fds[FENCE] = new_fence(fds[TIMELINE], 1, "a");
	fds[SECOND] = new_fence(fds[TIMELINE], 2, "b");
	if (fds[FENCE] < 0 || fds[SECOND] < 0)
		return close_all(fds, NR, fds[FENCE] < 0 ? fds[FENCE] : fds[SECOND]);
	fds[MERGED] = merge(fds[FENCE], fds[SECOND]);
	err = fds[MERGED] < 0 ? fds[MERGED] : import(fds[BUFFER], DMA_BUF_SYNC_WRITE, fds[MERGED]);
	if (err)
		return close_all(fds, NR, err);
	fds[EXPORTED] = export(fds[BUFFER], DMA_BUF_SYNC_WRITE);
	err = number(fds[TIMELINE], INC, 2);
	if (!err && fds[EXPORTED] < 0)
		err = fds[EXPORTED];
	if (!err)
		err = berth_client_wait(fds[EXPORTED], -1) == 1 ? 0 : -EIO;
	if (!err)
		err = berth_client_mmap(fds[BUFFER], 4096, 4096, PROT_READ | PROT_WRITE, &map);
	if (err)
		return close_all(fds, NR, err);
	err = sync_buffer(fds[BUFFER], DMA_BUF_SYNC_RW);
	memset(map.address, 1, map.size);
	if (!err)
		err = sync_buffer(fds[BUFFER], DMA_BUF_SYNC_RW | DMA_BUF_SYNC_END);
	berth_client_munmap(&map);
	return close_all(fds, NR, err);
}

/* A packet's words: WORD A B C, or WORD NAME A B. */
struct order {
	char word[32], name[32];
	unsigned long long a, b, c;
	int *slot; /* of @a */
};

static bool is(const struct order *order, const char *word)
{
	return !strcmp(order->word, word);
}

static long obey_tricks(const struct order *order)
{
	if (is(order, "attack"))
		return attack(*order->slot, (size_t)order->b);
	if (is(order, "job"))
		return do_job(slots[SLOTS - 1], *order->slot, (unsigned int)order->b,
			      (unsigned int)order->c);
	if (is(order, "everything"))
		return do_everything();
	if (is(order, "numbers"))
		return lie_about_numbers(*order->slot, slots[order->b]);
	if (is(order, "nonsense"))
		return try_nonsense(*order->slot, slots[order->b]);
	if (is(order, "beyond"))
		return write_beyond(*order->slot);
	return -ENOSYS;
}

static long obey_fences(const struct order *order)
{
	if (is(order, "fence"))
		return slots[order->b] = new_fence(*order->slot, (unsigned int)order->c, "frame 7");
	if (is(order, "inc"))
		return number(*order->slot, INC, (unsigned int)order->b);
	if (is(order, "timeout"))
		return number(*order->slot, SET_TIMEOUT, (unsigned int)order->b);
	if (is(order, "merge"))
		return slots[order->c] = merge(*order->slot, slots[order->b]);
	if (is(order, "import"))
		return import(*order->slot, (unsigned int)order->b, slots[order->c]);
	if (is(order, "export"))
		return slots[order->c] = export(*order->slot, (unsigned int)order->b);
	if (is(order, "wait"))
		return berth_client_wait(*order->slot, (int)order->b);
	if (is(order, "fences"))
		return tell_fences(*order->slot);
	return obey_tricks(order);
}

static long obey_mappings(const struct order *order)
{
	if (is(order, "map"))
		return berth_client_mmap(
			*order->slot, order->c ? order->c : (size_t)berth_client_size(*order->slot),
			order->b, PROT_READ | PROT_WRITE, &mappings[0]);
	if (is(order, "unmap")) {
		berth_client_munmap(&mappings[0]);
		return 0;
	}
	if (is(order, "where"))
		return describe_mapping(&mappings[0]);
	if (is(order, "fill"))
		return fill(&mappings[0], order->a, (unsigned int)order->b);
	if (is(order, "wrong"))
		return count_wrong(&mappings[0], order->a, (unsigned int)order->b);
	return obey_fences(order);
}

static long obey(const char *line)
{
	struct order order = { .word = "" };

	if (sscanf(line, "%31s %llu %llu %llu", order.word, &order.a, &order.b, &order.c) < 2)
		sscanf(line, "%31s %31s %llu %llu", order.word, order.name, &order.a, &order.b);
	order.slot = &slots[order.a % SLOTS];
	if (is(&order, "alloc"))
		return *order.slot = allocate(order.name, order.b, O_RDWR | O_CLOEXEC);
	if (is(&order, "open"))
		return *order.slot = berth_client_open(order.name, O_RDWR | O_CLOEXEC);
	if (is(&order, "close"))
		return berth_client_close(*order.slot);
	if (is(&order, "size"))
		return (long)berth_client_size(*order.slot);
	if (is(&order, "sync"))
		return sync_buffer(*order.slot, order.b);
	if (is(&order, "name"))
		return berth_client_ioctl(*order.slot, DMA_BUF_SET_NAME,
					  (void *)(uintptr_t) "a longer name");
	return obey_mappings(&order);
}

static int serve(void)
{
	char line[200], reply[500];
	long got;
	int fd;

	memset(slots, -1, sizeof(slots));
	while ((got = receive_packet(3, line, sizeof(line) - 1, &fd, MSG_CMSG_CLOEXEC)) > 0) {
		unsigned int slot = 0;
		long result;

		line[got] = text[0] = '\0';
		if (sscanf(line, "take %u", &slot) == 1)
			result = slots[slot % SLOTS] = fd;
		else if (sscanf(line, "give %u", &slot) == 1)
			result = 0;
		else
			result = obey(line);
		snprintf(reply, sizeof(reply), "%ld %s", result, text);
		send_packet(3, reply, strlen(reply) + 1,
			    strncmp(line, "give", 4) ? -1 : slots[slot % SLOTS], 0);
	}
	return 0;
}

/* Anything, at random. */

static unsigned int seed;

static unsigned int any(unsigned int of)
{
	seed = seed * 1664525u + 1013904223u;
	return (seed >> 8) % of;
}

static int *any_slot(void)
{
	return &slots[any(SLOTS)];
}

static void put(int fd)
{
	int *slot = any_slot();

	if (fd < 0)
		return;
	if (*slot >= 0)
		berth_client_close(*slot);
	*slot = fd;
}

static void use_mapping(void)
{
	struct berth_client_mapping *mapping = &mappings[any(MAPPINGS)];
	const int fd = *any_slot();
	int64_t size;

	if (mapping->address) {
		memset(mapping->address, (int)any(256), mapping->size);
		if (!any(3))
			berth_client_munmap(mapping);
		return;
	}
	size = fd >= 0 ? berth_client_size(fd) : -1;
	if (size > 0 &&
	    berth_client_mmap(fd, any(2) ? (size_t)size : 4096, 0, PROT_READ | PROT_WRITE, mapping))
		mapping->address = NULL;
}

static void act(void)
{
	int fd;
	char byte = 0;

	switch (any(13)) {
	case 0:
		put(allocate(any(2) ? "system" : "cma", 4096ull * (1 + any(16)), O_RDWR));
		break;
	case 1:
	case 2:
		use_mapping();
		break;
	case 3:
		sync_buffer(*any_slot(), (1 + any(3)) | (any(2) ? DMA_BUF_SYNC_END : 0));
		break;
	case 4:
		fd = berth_client_open("sw_sync", O_RDWR | O_CLOEXEC);
		if (fd >= 0)
			number(fd, SET_TIMEOUT, 2000);
		put(fd);
		break;
	case 5:
	case 6:
		put(new_fence(*any_slot(), any(4), "chaos"));
		break;
	case 7:
		number(*any_slot(), INC, any(2));
		break;
	case 8:
		import(*any_slot(), 1 + any(3), *any_slot());
		break;
	case 9:
		put(export(*any_slot(), 1 + any(3)));
		put(merge(*any_slot(), *any_slot()));
		break;
	case 10:
		send_packet(4, &byte, 1, *any_slot(), MSG_DONTWAIT);
		break;
	case 11:
		receive_packet(3, &byte, 1, &fd, MSG_DONTWAIT);
		put(fd);
		break;
	default:
		/* As long as it takes: nobody waits for ever. */
		berth_client_wait(*any_slot(), -1);
	}
}

static int chaos(unsigned int from)
{
	struct pollfd end = { .fd = 5, .events = POLLIN };

	seed = from;
	memset(slots, -1, sizeof(slots));
	while (poll(&end, 1, 0) == 0)
		act();
	return 0;
}

int main(int argc, char **argv)
{
	return argc > 2 ? chaos((unsigned int)strtoul(argv[2], NULL, 0)) : serve();
}
