// SPDX-License-Identifier: BSD-2-Clause
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <time.h>
#include <unistd.h>

#include "launcher-internal.h"

#define SECONDS_FOR_REPLY 10
#define TRIES 40

/* Each thread of the supervisor's has its own. */
static _Thread_local int kept = -1;

void launcher_name_server(struct launcher *launcher, const char *name)
{
	char own[32];
	size_t length;

	if (!name)
		name = getenv(BERTH_SERVE_ENV);
	if (!name || !*name) {
		snprintf(own, sizeof(own), "berth-%u", (unsigned int)getuid());
		name = own;
	}
	length = strnlen(name, sizeof(launcher->server.sun_path) - 1);
	launcher->server.sun_family = AF_UNIX;
	launcher->server.sun_path[0] = '\0';
	memcpy(launcher->server.sun_path + 1, name, length);
	launcher->server_length = (socklen_t)(offsetof(struct sockaddr_un, sun_path) + 1 + length);
}

int launcher_connect(const struct launcher *launcher)
{
	const struct sockaddr_un own = { .sun_family = AF_UNIX };
	const struct timeval patience = { .tv_sec = SECONDS_FOR_REPLY };
	struct ucred peer;
	socklen_t length = sizeof(peer);
	int ret, fd = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0);

	if (fd < 0)
		return -errno;
	setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof(patience));
	setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &patience, sizeof(patience));
	if (bind(fd, (const struct sockaddr *)&own, sizeof(own.sun_family)) ||
	    connect(fd, (const struct sockaddr *)&launcher->server, launcher->server_length) ||
	    getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &peer, &length)) {
		ret = -errno;
		close(fd);
		return ret;
	}
	if (peer.uid != geteuid()) {
		close(fd);
		return -EACCES;
	}
	return fd;
}

static int send_request(int connection, struct launcher_message *message)
{
	_Alignas(struct cmsghdr) char control[CMSG_SPACE(2 * sizeof(int))] = { 0 };
	const int fds[2] = { message->fd, message->other };
	const size_t size = message->has_other ? sizeof(fds) : sizeof(fds[0]);
	struct iovec parts[2] = { { &message->request, sizeof(message->request) },
				  { message->data, message->size } };
	struct msghdr packet = { .msg_iov = parts, .msg_iovlen = message->size ? 2 : 1 };
	struct cmsghdr *head;

	message->request.magic = BERTH_SERVE_MAGIC;
	message->request.size = message->size;
	if (message->fd >= 0) {
		packet.msg_control = control;
		packet.msg_controllen = CMSG_SPACE(size);
		head = CMSG_FIRSTHDR(&packet);
		head->cmsg_level = SOL_SOCKET;
		head->cmsg_type = SCM_RIGHTS;
		head->cmsg_len = CMSG_LEN(size);
		memcpy(CMSG_DATA(head), fds, size);
	}
	return sendmsg(connection, &packet, MSG_NOSIGNAL) < 0 ? -errno : 0;
}

static int receive_reply(int connection, struct launcher_message *message)
{
	static _Thread_local unsigned char unwanted[BERTH_SERVE_DATA_MOST];
	_Alignas(struct cmsghdr) char control[CMSG_SPACE(sizeof(int))];
	struct iovec parts[2] = { { &message->reply, sizeof(message->reply) },
				  { message->data ? message->data : unwanted,
				    BERTH_SERVE_DATA_MOST } };
	struct msghdr packet = { .msg_iov = parts,
				 .msg_iovlen = 2,
				 .msg_control = control,
				 .msg_controllen = sizeof(control) };
	struct cmsghdr *head;
	ssize_t got;

	do
		got = recvmsg(connection, &packet, MSG_CMSG_CLOEXEC);
	while (got < 0 && errno == EINTR);
	if (got < 0)
		return errno == EAGAIN ? -ETIMEDOUT : -errno;
	head = CMSG_FIRSTHDR(&packet);
	if (head && head->cmsg_type == SCM_RIGHTS && head->cmsg_len >= CMSG_LEN(sizeof(int)))
		memcpy(&message->reply_fd, CMSG_DATA(head), sizeof(int));
	if ((size_t)got >= sizeof(message->reply) && message->reply.magic == BERTH_SERVE_MAGIC &&
	    message->reply.size == (size_t)got - sizeof(message->reply)) {
		message->size = message->reply.size;
		return 0;
	}
	if (message->reply_fd >= 0)
		close(message->reply_fd);
	message->reply_fd = -1;
	return got ? -EPROTO : -ENODEV;
}

int launcher_request(int connection, struct launcher_message *message)
{
	int ret;

	message->reply_fd = -1;
	ret = send_request(connection, message);
	return ret ? ret : receive_reply(connection, message);
}

/* A server without room for one more hangs up: there may be some in a moment. */
int launcher_request_new(const struct launcher *launcher, struct launcher_message *message,
			 int *connection)
{
	int ret = -ENFILE;

	for (unsigned int i = 1; i <= TRIES; i++) {
		const struct timespec pause = { .tv_nsec = 1000000 * i };

		*connection = launcher_connect(launcher);
		if (*connection < 0)
			return *connection == -ECONNREFUSED ? -ENODEV : *connection;
		ret = launcher_request(*connection, message);
		if (!ret)
			return 0;
		close(*connection);
		if (ret != -EPIPE && ret != -ECONNRESET && ret != -ENODEV)
			return ret;
		nanosleep(&pause, NULL);
	}
	return -ENFILE;
}

/* The server is gone, and so is the device. */
static int lost(const struct launcher_message *message, int error)
{
	const uint32_t op = message->request.op;

	if (error != -ENODEV && error != -EPIPE && error != -ECONNRESET)
		return error;
	return op == BERTH_SERVE_READ || op == BERTH_SERVE_WRITE ? -EIO : -ENODEV;
}

int64_t launcher_ask(const struct launcher *launcher, struct launcher_message *message)
{
	int ret = -EPIPE;

	message->reply_fd = -1;
	if (kept >= 0) {
		ret = launcher_request(kept, message);
		if (ret)
			close(kept);
	}
	/* A server that was started again since: nothing was done with the request. */
	if (ret == -EPIPE)
		ret = launcher_request_new(launcher, message, &kept);
	if (!ret)
		return message->reply.result;
	kept = -1;
	return lost(message, ret);
}

bool launcher_is_connection(const struct launcher *launcher, int fd)
{
	struct sockaddr_un peer;
	socklen_t length = sizeof(peer);

	return !getpeername(fd, (struct sockaddr *)&peer, &length) &&
	       length == launcher->server_length && !memcmp(&peer, &launcher->server, length);
}
