// SPDX-License-Identifier: BSD-2-Clause
#include <errno.h>
#include <fcntl.h>
#include <linux/dma-buf.h>
#include <linux/dma-heap.h>
#include <linux/ioctl.h>
#include <linux/sync_file.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/un.h>
#include <unistd.h>

#include "preload/client.h"

#define TRIES 50

/*
 * One exchange; what is not used is 0, @fd and @got -1, and @nr_fds 1 if @fd is not.
 * data: request.size of it
 * to: at most @room bytes, reply.size of them
 * more: behind those, at most @more_room bytes
 */
struct call {
	struct berth_serve_request request;
	const void *data;
	int fds[2];
	unsigned int nr_fds;
	struct berth_serve_reply reply;
	void *to, *more;
	size_t room, more_room;
	int got;
};

/* The preloaded library has a close() of its own, which is not for these; a sanitizer has one that has to know. */
static void close_raw(int fd)
{
#ifdef BERTH_PRELOADED
	syscall(SYS_close, fd);
#else
	close(fd);
#endif
}

static socklen_t server_address(struct sockaddr_un *address)
{
	const char *name = getenv(BERTH_SERVE_ENV);
	char own[32];
	size_t size;

	snprintf(own, sizeof(own), "berth-%u", (unsigned int)geteuid());
	name = name && *name ? name : own;
	size = strlen(name);
	if (size > sizeof(address->sun_path) - 1)
		size = sizeof(address->sun_path) - 1;
	memset(address, 0, sizeof(*address));
	address->sun_family = AF_UNIX;
	memcpy(address->sun_path + 1, name, size);
	return (socklen_t)(offsetof(struct sockaddr_un, sun_path) + 1 + size);
}

bool berth_client_is_node(int fd)
{
	struct sockaddr_un server, peer;
	socklen_t size = sizeof(peer);

	return !getpeername(fd, (struct sockaddr *)&peer, &size) && peer.sun_family == AF_UNIX &&
	       size == server_address(&server) && !memcmp(&peer, &server, size);
}

/* Anybody may have taken the name: only the own user's server is believed. */
static int check_server(int fd)
{
	struct ucred who;
	socklen_t size = sizeof(who);

	if (getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &who, &size))
		return -errno;
	return who.uid == geteuid() ? 0 : -EACCES;
}

static int connect_server(bool is_bound)
{
	struct sockaddr_un address;
	const struct sockaddr own = { .sa_family = AF_UNIX };
	const socklen_t size = server_address(&address);
	int fd = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0);
	int err = 0;

	if (fd < 0)
		return -errno;
	if (is_bound && bind(fd, &own, sizeof(own.sa_family)))
		err = -errno;
	while (!err && connect(fd, (struct sockaddr *)&address, size))
		err = errno == EINTR ? 0 : -errno;
	if (!err)
		err = check_server(fd);
	if (err)
		close_raw(fd);
	return err ? err : fd;
}

static int send_request(int connection, struct call *call)
{
	_Alignas(struct cmsghdr) char control[CMSG_SPACE(sizeof(call->fds))] = { 0 };
	struct iovec parts[2] = { { &call->request, sizeof(call->request) },
				  { (void *)(uintptr_t)call->data, call->request.size } };
	struct msghdr message = { .msg_iov = parts, .msg_iovlen = 2 };
	struct cmsghdr *header = (void *)control;
	ssize_t sent;

	if (call->nr_fds) {
		header->cmsg_level = SOL_SOCKET;
		header->cmsg_type = SCM_RIGHTS;
		header->cmsg_len = CMSG_LEN(call->nr_fds * sizeof(int));
		memcpy(CMSG_DATA(header), call->fds, call->nr_fds * sizeof(int));
		message.msg_control = control;
		message.msg_controllen = CMSG_SPACE(call->nr_fds * sizeof(int));
	}
	do
		sent = sendmsg(connection, &message, MSG_NOSIGNAL);
	while (sent < 0 && errno == EINTR);
	return sent < 0 ? -errno : 0;
}

static int receive_reply(int connection, struct call *call)
{
	_Alignas(struct cmsghdr) char control[CMSG_SPACE(sizeof(int))];
	struct iovec parts[3] = { { &call->reply, sizeof(call->reply) },
				  { call->to, call->room },
				  { call->more, call->more_room } };
	struct msghdr message = {
		.msg_iov = parts,
		.msg_iovlen = 3,
		.msg_control = control,
		.msg_controllen = sizeof(control),
	};
	struct cmsghdr *header;
	ssize_t got;

	do
		got = recvmsg(connection, &message, MSG_CMSG_CLOEXEC);
	while (got < 0 && errno == EINTR);
	if (got < 0)
		return -errno;
	header = CMSG_FIRSTHDR(&message);
	if (header && header->cmsg_type == SCM_RIGHTS && header->cmsg_len == CMSG_LEN(sizeof(int)))
		memcpy(&call->got, CMSG_DATA(header), sizeof(int));
	if ((size_t)got < sizeof(call->reply) || call->reply.magic != BERTH_SERVE_MAGIC ||
	    (size_t)got != sizeof(call->reply) + call->reply.size) {
		if (call->got >= 0)
			close_raw(call->got);
		call->got = -1;
		return got ? -EPROTO : -EPIPE;
	}
	return 0;
}

static long exchange(int connection, struct call *call)
{
	int err;

	call->request.magic = BERTH_SERVE_MAGIC;
	call->got = -1;
	err = send_request(connection, call);
	if (!err)
		err = receive_reply(connection, call);
	return err ? err : (long)call->reply.result;
}

/* The server had no room for this connection: there may be some in a moment. */
static long exchange_new(bool is_bound, struct call *call, int *connection)
{
	long ret = -EPIPE;

	call->got = -1;
	for (unsigned int i = 0; i < TRIES; i++) {
		*connection = connect_server(is_bound);
		if (*connection < 0)
			return *connection;
		ret = exchange(*connection, call);
		if (ret != -EPIPE && ret != -ECONNRESET)
			return ret;
		close_raw(*connection);
		*connection = -1;
		usleep(1000 * (i + 1));
	}
	return -ENFILE;
}

static long ask(struct call *call)
{
	int connection;
	long ret = exchange_new(false, call, &connection);

	if (connection >= 0)
		close_raw(connection);
	return ret;
}

int berth_client_open(const char *path, int flags)
{
	const char *name = strncmp(path, "/dev/", 5) ? path : path + 5;
	struct call call = {
		.request = { .op = BERTH_SERVE_OPEN, .flags = (uint32_t)(flags & O_ACCMODE) },
		.data = name,
	};
	const size_t size = strlen(name);
	int fd;
	long ret;

	if (size >= BERTH_SERVE_NAME_MOST)
		return -ENAMETOOLONG;
	call.request.size = (uint32_t)size;
	ret = exchange_new(true, &call, &fd);
	if (ret < 0) {
		if (fd >= 0)
			close_raw(fd);
		return (int)ret;
	}
	if (flags & O_NONBLOCK)
		fcntl(fd, F_SETFL, O_NONBLOCK);
	if (!(flags & O_CLOEXEC))
		fcntl(fd, F_SETFD, 0);
	return fd;
}

long berth_client_read(int fd, void *bytes, size_t count)
{
	struct call call = {
		.request = { .op = BERTH_SERVE_READ, .length = count },
		.fds = { fd },
		.nr_fds = 1,
		.to = bytes,
		.room = count < BERTH_SERVE_DATA_MOST ? count : BERTH_SERVE_DATA_MOST,
	};

	return ask(&call);
}

long berth_client_write(int fd, const void *bytes, size_t count)
{
	struct call call = {
		.request = { .op = BERTH_SERVE_WRITE, .length = count },
		.data = bytes,
		.fds = { fd },
		.nr_fds = 1,
	};

	call.request.size = count < BERTH_SERVE_DATA_MOST ? (uint32_t)count : BERTH_SERVE_DATA_MOST;
	return ask(&call);
}

/* Of a descriptor, only one of the server's is its business. */
static bool add_descriptor(struct call *call, const uint8_t *arg, size_t size)
{
	int fd;

	if (size < sizeof(fd) || call->reply.fd_at > size - sizeof(fd))
		return false;
	memcpy(&fd, arg + call->reply.fd_at, sizeof(fd));
	if (berth_client_is_node(fd))
		call->fds[call->nr_fds++] = fd;
	return true;
}

static bool add_array(struct call *call, const uint8_t *arg, size_t size)
{
	uint64_t address;

	if (size < sizeof(address) || call->reply.fd_at > size - sizeof(address))
		return false;
	memcpy(&address, arg + call->reply.fd_at, sizeof(address));
	call->more = (void *)(uintptr_t)address;
	call->more_room = call->reply.wants & BERTH_SERVE_ARRAY_BYTES;
	return call->more != NULL;
}

/* What the argument describes; names of buffers are longer than their request says. */
static size_t size_of(unsigned long number, const void *arg)
{
	if (number == DMA_BUF_SET_NAME_A || number == DMA_BUF_SET_NAME_B)
		return strnlen(arg, DMA_BUF_NAME_LEN - 1);
	return _IOC_SIZE(number);
}

static long take_descriptor(const struct call *call, unsigned long number, uint8_t *arg)
{
	const size_t size = _IOC_SIZE(number);
	const struct dma_heap_allocation_data *buffer = (const void *)arg;

	if (size < sizeof(int) || call->reply.fd_at > size - sizeof(int)) {
		close_raw(call->got);
		return -EPROTO;
	}
	memcpy(arg + call->reply.fd_at, &call->got, sizeof(int));
	if (number == DMA_HEAP_IOCTL_ALLOC && !(buffer->fd_flags & O_CLOEXEC))
		fcntl(call->got, F_SETFD, 0);
	return call->reply.result;
}

static long control(int fd, unsigned long number, void *arg)
{
	const size_t size = _IOC_SIZE(number);
	struct call call = {
		.request = { .op = BERTH_SERVE_IOCTL, .arg = (uint32_t)number },
		.data = arg,
		.fds = { fd },
		.nr_fds = 1,
		.to = arg,
		.room = _IOC_DIR(number) & _IOC_READ ? size : 0,
	};
	long ret;

	if (size && !arg)
		return -EFAULT;
	if (_IOC_DIR(number) & _IOC_WRITE)
		call.request.size = (uint32_t)size_of(number, arg);
	if (!size)
		call.request.offset = (uintptr_t)arg;
	ret = ask(&call);
	if (ret == -EBADF && call.reply.wants) {
		if (!(call.reply.wants & BERTH_SERVE_WANTS_FD ? add_descriptor(&call, arg, size)
							      : add_array(&call, arg, size)))
			return -EFAULT;
		call.request.flags = BERTH_SERVE_KNOWS;
		ret = ask(&call);
	}
	return call.got >= 0 ? take_descriptor(&call, number, arg) : ret;
}

/* 1, 0 when time was up, or a negative errno value. */
static int wait_readable(int fd, int timeout_ms)
{
	struct pollfd state = { .fd = fd, .events = POLLIN };
	uint8_t byte;
	int ret = poll(&state, 1, timeout_ms);

	if (ret <= 0)
		return ret ? -errno : 0;
	if (state.revents & POLLNVAL)
		return -EBADF;
	/* A byte stays there. Nothing is the end. */
	return recv(fd, &byte, sizeof(byte), MSG_PEEK | MSG_DONTWAIT) > 0 ? 1 : -EPIPE;
}

/* Until those are done for whom an access has to wait. */
static int wait_buffer(int fd, uint32_t flags, int timeout_ms)
{
	struct dma_buf_export_sync_file fence = { .flags = flags & DMA_BUF_SYNC_RW, .fd = -1 };
	int ret = (int)control(fd, DMA_BUF_IOCTL_EXPORT_SYNC_FILE, &fence);

	if (ret)
		return ret;
	ret = wait_readable(fence.fd, timeout_ms);
	close_raw(fence.fd);
	return ret;
}

long berth_client_ioctl(int fd, unsigned long number, void *arg)
{
	long ret;

	while ((ret = control(fd, number, arg)) == -EAGAIN && number == DMA_BUF_IOCTL_SYNC &&
	       !(fcntl(fd, F_GETFL) & O_NONBLOCK)) {
		const struct dma_buf_sync *sync = arg;
		const int err = wait_buffer(fd, (uint32_t)sync->flags, -1);

		if (err < 0)
			return err;
	}
	return ret;
}

int berth_client_wait(int fd, int timeout_ms)
{
	struct sync_file_info info = { .status = 0 };
	int ret;

	if (!berth_client_is_node(fd))
		return -EBADF;
	if (berth_client_size(fd) >= 0)
		return wait_buffer(fd, DMA_BUF_SYNC_RW, timeout_ms);
	ret = wait_readable(fd, timeout_ms);
	if (ret == 1 && !control(fd, SYNC_IOC_FILE_INFO, &info) && info.status < 0)
		return info.status;
	return ret;
}

int64_t berth_client_size(int fd)
{
	struct call call = {
		.request = { .op = BERTH_SERVE_SIZE },
		.fds = { fd },
		.nr_fds = 1,
	};

	return ask(&call);
}

int berth_client_map_at(int fd, uint64_t offset, uint64_t length, uint64_t *at, int *connection)
{
	struct call call = {
		.request = { .op = BERTH_SERVE_MAP, .offset = offset, .length = length },
		.fds = { fd },
		.nr_fds = 1,
	};
	long ret = exchange_new(false, &call, connection);

	*at = ret >= 0 ? (uint64_t)ret : 0;
	if (ret >= 0 && call.got >= 0)
		return call.got;
	if (*connection >= 0)
		close_raw(*connection);
	return ret < 0 ? (int)ret : -EPROTO;
}

int berth_client_map(int fd, uint64_t offset, uint64_t length, int *connection)
{
	uint64_t at;

	return berth_client_map_at(fd, offset, length, &at, connection);
}

int berth_client_mmap(int fd, size_t size, uint64_t offset, int prot,
		      struct berth_client_mapping *mapping)
{
	const size_t page = (size_t)sysconf(_SC_PAGESIZE);
	uint64_t at;
	int shown;

	if (!size || size > SIZE_MAX - page)
		return -EINVAL;
	size = (size + page - 1) & ~(page - 1);
	shown = berth_client_map_at(fd, offset, size, &at, &mapping->connection);
	if (shown < 0)
		return shown;
	/* Not libc's: it may be replaced. */
	mapping->address =
		(void *)syscall(SYS_mmap, NULL, size, prot, MAP_SHARED, shown, (off_t)at);
	mapping->size = size;
	close_raw(shown);
	if (mapping->address != MAP_FAILED)
		return 0;
	shown = -errno;
	close_raw(mapping->connection);
	return shown;
}

void berth_client_munmap(struct berth_client_mapping *mapping)
{
	syscall(SYS_munmap, mapping->address, mapping->size);
	close_raw(mapping->connection);
	mapping->address = NULL;
	mapping->connection = -1;
}

int berth_client_close(int fd)
{
#ifdef BERTH_PRELOADED
	return syscall(SYS_close, fd) ? -errno : 0;
#else
	return close(fd) ? -errno : 0;
#endif
}

int berth_client_name(int fd, char *name)
{
	struct call call = {
		.request = { .op = BERTH_SERVE_NAME },
		.fds = { fd },
		.nr_fds = 1,
		.to = name,
		.room = BERTH_SERVE_NAME_MOST,
	};
	long ret = ask(&call);

	if (ret < 0)
		return (int)ret;
	return call.reply.size && !name[call.reply.size - 1] ? 0 : -EPROTO;
}

int berth_client_refresh(uint64_t inode)
{
	struct call call = {
		.request = { .op = BERTH_SERVE_REFRESH, .arg = inode },
	};

	return (int)ask(&call);
}

int berth_client_tree(char *path, size_t size)
{
	struct call call = {
		.request = { .op = BERTH_SERVE_HELLO },
		.to = path,
		.room = size,
	};
	long ret = ask(&call);

	if (ret < 0)
		return (int)ret;
	return call.reply.size && !path[call.reply.size - 1] ? 0 : -EPROTO;
}
