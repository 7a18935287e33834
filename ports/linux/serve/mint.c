// SPDX-License-Identifier: BSD-2-Clause
/*
 * Open files that an ioctl() returns: the server connects to itself, keeps the one end, which is the file, and
 * gives the other one to the client. That looks like any open node: its peer has the server's name.
 */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "serve/internal.h"

#define TRIES 2000

/* Return: a socket with a name of its own, which goes to @own; or a negative errno value. */
static int new_end(struct sockaddr_un *own, socklen_t *size)
{
	const struct sockaddr any = { .sa_family = AF_UNIX };
	const int fd = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	int err;

	if (fd < 0)
		return -errno;
	*size = sizeof(*own);
	if (!bind(fd, &any, sizeof(any.sa_family)) &&
	    !getsockname(fd, (struct sockaddr *)own, size))
		return fd;
	err = -errno;
	close(fd);
	return err;
}

/* Whoever waits before us is accepted on the way. */
static int connect_self(int fd)
{
	struct sockaddr_un to = { .sun_family = AF_UNIX };
	const size_t size = strlen(server.name);
	const socklen_t length = (socklen_t)(offsetof(struct sockaddr_un, sun_path) + 1 + size);

	if (server.listener < 0)
		return -EOPNOTSUPP;
	memcpy(to.sun_path + 1, server.name, size);
	for (unsigned int i = 0; i < TRIES; i++) {
		if (!connect(fd, (const struct sockaddr *)&to, length))
			return 0;
		if (errno != EAGAIN && errno != EINTR)
			return -errno;
		if (!berth_port_accept())
			usleep(100);
	}
	return -EAGAIN;
}

static bool is_refused(int fd)
{
	struct pollfd state = { .fd = fd };

	return poll(&state, 1, 0) > 0 && state.revents & (POLLHUP | POLLERR);
}

/* Another thread may be the one that accepts it. Return: with a reference, claimed; NULL: no room. */
static struct conn *find_own(int fd, const struct sockaddr_un *own, socklen_t size)
{
	for (unsigned int i = 0; i < TRIES && !is_refused(fd); i++) {
		struct conn *conn = berth_port_conn_own(own, size);

		if (conn && berth_port_conn_claim(conn))
			return conn;
		if (conn)
			berth_port_conn_put(conn);
		if (!berth_port_accept())
			usleep(100);
	}
	return NULL;
}

int berth_port_mint(struct file *file)
{
	char name[BERTH_SERVE_NAME_MOST];
	struct sockaddr_un own;
	struct conn *conn = NULL;
	socklen_t size;
	int fd = new_end(&own, &size);
	int err = fd < 0 ? fd : connect_self(fd);

	if (!err)
		conn = find_own(fd, &own, size);
	if (!err && !conn)
		err = -ENFILE;
	if (!err && fcntl(fd, F_SETFL, 0))
		err = -errno;
	if (err) {
		if (fd >= 0)
			close(fd);
		if (conn) {
			berth_port_conn_unclaim(conn);
			berth_port_conn_put(conn);
		}
		fput(file);
		return err;
	}
	snprintf(name, sizeof(name), "anon_inode:%s", file->f_name ? file->f_name : "");
	berth_port_attach(conn, file, name, false);
	berth_port_conn_unclaim(conn);
	berth_port_conn_put(conn);
	return fd;
}
