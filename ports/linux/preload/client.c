// SPDX-License-Identifier: BSD-2-Clause
#include <errno.h>
#include <fcntl.h>
#include <linux/ioctl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/un.h>
#include <unistd.h>

#include "preload/client.h"

#define TRIES 50

/* One exchange; what is not used is 0, and @fd and @got -1. */
struct call {
	struct berth_serve_request request;
	const void *data; /* request.size of it */
	int fd;
	struct berth_serve_reply reply;
	void *to; /* at most @room bytes, reply.size of them */
	size_t room;
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
	_Alignas(struct cmsghdr) char control[CMSG_SPACE(sizeof(int))] = { 0 };
	struct iovec parts[2] = { { &call->request, sizeof(call->request) },
				  { (void *)(uintptr_t)call->data, call->request.size } };
	struct msghdr message = { .msg_iov = parts, .msg_iovlen = 2 };
	struct cmsghdr *header = (void *)control;
	ssize_t sent;

	if (call->fd >= 0) {
		header->cmsg_level = SOL_SOCKET;
		header->cmsg_type = SCM_RIGHTS;
		header->cmsg_len = CMSG_LEN(sizeof(int));
		memcpy(CMSG_DATA(header), &call->fd, sizeof(int));
		message.msg_control = control;
		message.msg_controllen = sizeof(control);
	}
	do
		sent = sendmsg(connection, &message, MSG_NOSIGNAL);
	while (sent < 0 && errno == EINTR);
	return sent < 0 ? -errno : 0;
}

static int receive_reply(int connection, struct call *call)
{
	_Alignas(struct cmsghdr) char control[CMSG_SPACE(sizeof(int))];
	struct iovec parts[2] = { { &call->reply, sizeof(call->reply) }, { call->to, call->room } };
	struct msghdr message = {
		.msg_iov = parts,
		.msg_iovlen = 2,
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

int berth_client_open(const char *name, int flags)
{
	struct call call = {
		.request = { .op = BERTH_SERVE_OPEN, .flags = (uint32_t)(flags & O_ACCMODE) },
		.data = name,
		.fd = -1,
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
		.fd = fd,
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
		.fd = fd,
	};

	call.request.size = count < BERTH_SERVE_DATA_MOST ? (uint32_t)count : BERTH_SERVE_DATA_MOST;
	return ask(&call);
}

long berth_client_ioctl(int fd, unsigned long number, void *arg)
{
	const size_t size = _IOC_SIZE(number);
	struct call call = {
		.request = { .op = BERTH_SERVE_IOCTL, .arg = (uint32_t)number },
		.data = arg,
		.fd = fd,
		.to = arg,
		.room = _IOC_DIR(number) & _IOC_READ ? size : 0,
	};
	long ret;

	if (size && !arg)
		return -EFAULT;
	if (_IOC_DIR(number) & _IOC_WRITE)
		call.request.size = (uint32_t)size;
	if (!size)
		call.request.offset = (uintptr_t)arg;
	ret = ask(&call);
	if (call.got >= 0 && size >= sizeof(int) && call.reply.fd_at <= size - sizeof(int))
		memcpy((char *)arg + call.reply.fd_at, &call.got, sizeof(int));
	else if (call.got >= 0)
		close_raw(call.got);
	return ret;
}

int berth_client_map(int fd, uint64_t offset, uint64_t length, int *connection)
{
	struct call call = {
		.request = { .op = BERTH_SERVE_MAP, .offset = offset, .length = length },
		.fd = fd,
	};
	long ret = exchange_new(false, &call, connection);

	if (ret >= 0 && call.got >= 0)
		return call.got;
	if (*connection >= 0)
		close_raw(*connection);
	return ret < 0 ? (int)ret : -EPROTO;
}

int berth_client_name(int fd, char *name)
{
	struct call call = {
		.request = { .op = BERTH_SERVE_NAME },
		.fd = fd,
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
		.fd = -1,
	};

	return (int)ask(&call);
}

int berth_client_tree(char *path, size_t size)
{
	struct call call = {
		.request = { .op = BERTH_SERVE_HELLO },
		.fd = -1,
		.to = path,
		.room = size,
	};
	long ret = ask(&call);

	if (ret < 0)
		return (int)ret;
	return call.reply.size && !path[call.reply.size - 1] ? 0 : -EPROTO;
}
