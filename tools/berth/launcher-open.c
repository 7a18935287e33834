// SPDX-License-Identifier: BSD-2-Clause
#include <errno.h>
#include <fcntl.h>
#include <linux/openat2.h>
#include <linux/seccomp.h>
#include <pthread.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "launcher-internal.h"

/* node, path: open() in all its forms */
struct opening {
	struct launcher_path path;
	const struct launcher_node *node;
};

static int fetch_arguments(const struct launcher_call *call, struct launcher_path *path)
{
	const bool has_dir = call->op == LAUNCHER_OPENAT || call->op == LAUNCHER_OPENAT2;
	const uint64_t *args = has_dir ? call->args + 1 : call->args;
	struct open_how how;

	*path = (struct launcher_path){ .dir = has_dir ? (int)call->args[0] : AT_FDCWD,
					.address = args[0],
					.flags = (unsigned int)args[1] };
	if (call->op == LAUNCHER_CREAT)
		path->flags = O_CREAT | O_WRONLY | O_TRUNC;
	if (call->op == LAUNCHER_OPENAT2) {
		if (launcher_fetch(call, args[1], &how, sizeof(how)))
			return -EFAULT;
		path->flags = (unsigned int)how.flags;
		path->resolve = how.resolve;
	}
	return 0;
}

/* The server knows one user. The program may have become another. */
static bool is_allowed(const struct launcher_call *call, const struct opening *opening)
{
	const struct launcher_node *node = opening->node;
	const unsigned int mode = opening->path.flags & O_ACCMODE;
	const unsigned int need = (mode != O_WRONLY ? 4u : 0u) | (mode != O_RDONLY ? 2u : 0u);
	unsigned int uid = node->stand_in.st_uid;
	char path[64], line[128];
	FILE *status;

	if (geteuid())
		return (node->mode >> 6 & need) == need;
	snprintf(path, sizeof(path), "/proc/%d/status", (int)call->tid);
	status = fopen(path, "re");
	while (status && fgets(line, sizeof(line), status))
		if (sscanf(line, "Uid: %*u %*u %*u %u", &uid) == 1)
			break;
	if (status)
		fclose(status);
	if (!uid)
		return true;
	return (node->mode >> (uid == node->stand_in.st_uid ? 6 : 0) & need) == need;
}

static int connect_node(const struct launcher_call *call, const struct opening *opening)
{
	struct launcher_message message = { .request = { .op = BERTH_SERVE_OPEN }, .fd = -1 };
	static _Thread_local unsigned char data[BERTH_SERVE_DATA_MOST];
	const struct timeval forever = { 0 };
	int64_t ret;
	int fd;

	if ((opening->path.flags & (O_CREAT | O_EXCL)) == (O_CREAT | O_EXCL))
		return -EEXIST;
	if (opening->path.flags & O_DIRECTORY)
		return -ENOTDIR;
	if (!is_allowed(call, opening))
		return -EACCES;
	message.request.flags = opening->path.flags;
	message.data = data;
	message.size = (uint32_t)strlen(opening->node->name);
	memcpy(data, opening->node->name, message.size);
	ret = launcher_request_new(call->launcher, &message, &fd);
	if (ret)
		return (int)ret;
	ret = message.reply.result;
	if (!ret && (setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &forever, sizeof(forever)) ||
		     setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &forever, sizeof(forever))))
		ret = -errno;
	if (!ret && opening->path.flags & O_NONBLOCK && fcntl(fd, F_SETFL, O_NONBLOCK))
		ret = -errno;
	if (!ret)
		return fd;
	close(fd);
	return (int)ret;
}

bool launcher_has_descriptor(const struct launcher_call *call, unsigned int fd)
{
	char path[64], text[8];

	snprintf(path, sizeof(path), "/proc/%d/fd/%u", (int)call->tid, fd);
	return readlink(path, text, sizeof(text)) >= 0;
}

int launcher_give(const struct launcher_call *call, int source, int fd, unsigned int flags,
		  unsigned int fd_flags)
{
	const struct seccomp_notif_addfd add = {
		.id = call->id,
		.flags = flags | (fd < 0 ? 0u : (unsigned int)SECCOMP_ADDFD_FLAG_SETFD),
		.srcfd = (unsigned int)source,
		.newfd = fd < 0 ? 0 : (unsigned int)fd,
		.newfd_flags = fd_flags,
	};
	const int got = ioctl(call->listener, SECCOMP_IOCTL_NOTIF_ADDFD, &add);

	return got < 0 ? -errno : got;
}

/* Of two threads of one program each gets a number that is free. */
static pthread_mutex_t numbers_lock = PTHREAD_MUTEX_INITIALIZER;

int launcher_give_free(const struct launcher_call *call, int source, bool is_counted,
		       unsigned int flags, unsigned int fd_flags)
{
	const unsigned int first = call->launcher->numbers + (is_counted ? 0 : LAUNCHER_COUNTED);
	const unsigned int end = first + (is_counted ? LAUNCHER_COUNTED : LAUNCHER_OTHERS);
	unsigned int fd = first;
	int ret = -EBADF;

	pthread_mutex_lock(&numbers_lock);
	while (fd < end && launcher_has_descriptor(call, fd))
		fd++;
	if (fd < end)
		ret = launcher_give(call, source, (int)fd, flags, fd_flags);
	pthread_mutex_unlock(&numbers_lock);
	if (ret == -EBADF) /* or the program has lowered its limit */
		ret = launcher_give(call, source, -1, flags, fd_flags);
	return ret;
}

void launcher_give_number(const struct launcher_call *call, int source, bool is_counted,
			  unsigned int fd_flags)
{
	const int ret =
		launcher_give_free(call, source, is_counted, SECCOMP_ADDFD_FLAG_SEND, fd_flags);

	if (ret < 0 && ret != -ENOENT)
		launcher_result(call, ret);
}

static void refresh(const struct launcher_call *call, uint64_t attribute)
{
	static _Thread_local unsigned char data[BERTH_SERVE_DATA_MOST];
	struct launcher_message message = {
		.request = { .op = BERTH_SERVE_REFRESH, .arg = attribute },
		.fd = -1,
		.data = data,
	};

	/* If it fails the text is the one of a moment ago. */
	(void)launcher_ask(call->launcher, &message);
}

void launcher_do_open(const struct launcher_call *call)
{
	struct opening opening = { .node = NULL };
	uint64_t attribute = 0;
	int fd;

	if (!fetch_arguments(call, &opening.path) && !(opening.path.flags & O_PATH))
		opening.node = launcher_find(call, &opening.path, &attribute);
	if (attribute)
		refresh(call, attribute);
	if (!opening.node) {
		launcher_continue(call);
		return;
	}
	fd = connect_node(call, &opening);
	if (fd < 0) {
		launcher_result(call, fd);
		return;
	}
	launcher_give_number(call, fd, opening.node->is_counted, opening.path.flags & O_CLOEXEC);
	close(fd);
}
