// SPDX-License-Identifier: BSD-2-Clause
#include <errno.h>
#include <fcntl.h>
#include <linux/openat2.h>
#include <linux/seccomp.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "launcher-internal.h"

/*
 * struct opening - open() in all its forms
 * node: NULL if it is a file
 * attribute: its inode number in the tree, if it is one
 */
struct opening {
	char path[PATH_MAX];
	int dir;
	unsigned int flags;
	uint64_t resolve;
	const struct launcher_node *node;
	uint64_t attribute;
};

static int fetch_arguments(const struct launcher_call *call, struct opening *opening)
{
	const bool has_dir = call->op == LAUNCHER_OPENAT || call->op == LAUNCHER_OPENAT2;
	const uint64_t *args = has_dir ? call->args + 1 : call->args;
	struct open_how how;

	opening->dir = has_dir ? (int)call->args[0] : AT_FDCWD;
	opening->flags = (unsigned int)args[1];
	opening->resolve = 0;
	if (call->op == LAUNCHER_CREAT)
		opening->flags = O_CREAT | O_WRONLY | O_TRUNC;
	if (call->op == LAUNCHER_OPENAT2) {
		if (launcher_fetch(call, args[1], &how, sizeof(how)))
			return -EFAULT;
		opening->flags = (unsigned int)how.flags;
		opening->resolve = how.resolve;
	}
	return launcher_fetch_text(call, args[0], opening->path, sizeof(opening->path));
}

static const char *last_of(const char *path)
{
	const char *slash = strrchr(path, '/');

	return slash ? slash + 1 : path;
}

static bool is_in_tree(const struct launcher_call *call, const struct opening *opening)
{
	char path[64], cwd[PATH_MAX];
	ssize_t length;

	if (strstr(opening->path, "uio"))
		return true;
	if (opening->path[0] == '/')
		return false;
	if (opening->dir == AT_FDCWD)
		snprintf(path, sizeof(path), "/proc/%d/cwd", (int)call->tid);
	else
		snprintf(path, sizeof(path), "/proc/%d/fd/%d", (int)call->tid, opening->dir);
	length = readlink(path, cwd, sizeof(cwd) - 1);
	if (length < 0)
		return false;
	cwd[length] = '\0';
	return strstr(cwd, "uio");
}

/*
 * Worth a look: only then is the path followed here as well. A file system that the program itself serves is so
 * not asked by the one who has to answer that program.
 */
static bool is_likely(const struct launcher_call *call, const struct opening *opening)
{
	const char *last = last_of(opening->path);

	if (!strncmp(opening->path, "/dev/", 5))
		return strncmp(opening->path, "/dev/fd/", 8) != 0;
	for (unsigned int i = 0; i < call->launcher->nr_nodes; i++)
		if (!strcmp(last, last_of(call->launcher->nodes[i].name)))
			return true;
	return is_in_tree(call, opening);
}

/* What the path leads to, from the program's root or directory. O_PATH opens no device. */
static int follow(const struct launcher_call *call, const struct opening *opening)
{
	const bool is_absolute = opening->path[0] == '/';
	const struct open_how how = {
		.flags = O_PATH | O_CLOEXEC | (opening->flags & O_NOFOLLOW),
		.resolve = opening->resolve | (is_absolute ? RESOLVE_IN_ROOT : 0u),
	};
	char start[64];
	int dir, fd;

	if (is_absolute)
		snprintf(start, sizeof(start), "/proc/%d/root", (int)call->tid);
	else if (opening->dir == AT_FDCWD)
		snprintf(start, sizeof(start), "/proc/%d/cwd", (int)call->tid);
	else
		snprintf(start, sizeof(start), "/proc/%d/fd/%d", (int)call->tid, opening->dir);
	dir = open(start, O_PATH | O_DIRECTORY | O_CLOEXEC);
	if (dir < 0)
		return -errno;
	fd = (int)syscall(SYS_openat2, dir, opening->path, &how, sizeof(how));
	close(dir);
	return fd;
}

static void find(const struct launcher_call *call, struct opening *opening)
{
	const struct launcher *launcher = call->launcher;
	struct stat stat;
	const int fd = follow(call, opening);
	bool is_known;

	opening->node = NULL;
	opening->attribute = 0;
	if (fd < 0)
		return;
	is_known = !fstat(fd, &stat);
	close(fd);
	if (!is_known)
		return;
	if (S_ISREG(stat.st_mode) && stat.st_dev == launcher->tree_dev)
		opening->attribute = stat.st_ino;
	/* Without a link: a terminal that is in use may have the same number. */
	if (!S_ISCHR(stat.st_mode) || stat.st_nlink)
		return;
	for (unsigned int i = 0; i < launcher->nr_nodes; i++)
		if (launcher->nodes[i].stand_in.st_dev == stat.st_dev &&
		    launcher->nodes[i].stand_in.st_ino == stat.st_ino)
			opening->node = &launcher->nodes[i];
}

/* The server knows one user. The program may have become another. */
static bool is_allowed(const struct launcher_call *call, const struct opening *opening)
{
	const struct launcher_node *node = opening->node;
	const unsigned int mode = opening->flags & O_ACCMODE;
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
	static unsigned char data[BERTH_SERVE_DATA_MOST];
	const struct timeval forever = { 0 };
	int64_t ret;
	int fd;

	if ((opening->flags & (O_CREAT | O_EXCL)) == (O_CREAT | O_EXCL))
		return -EEXIST;
	if (opening->flags & O_DIRECTORY)
		return -ENOTDIR;
	if (!is_allowed(call, opening))
		return -EACCES;
	fd = launcher_connect(call->launcher);
	if (fd < 0)
		return fd == -ECONNREFUSED ? -ENODEV : fd;
	message.request.flags = opening->flags;
	message.data = data;
	message.size = (uint32_t)strlen(opening->node->name);
	memcpy(data, opening->node->name, message.size);
	ret = launcher_request(fd, &message);
	if (!ret)
		ret = message.reply.result;
	if (!ret && (setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &forever, sizeof(forever)) ||
		     setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &forever, sizeof(forever))))
		ret = -errno;
	if (!ret && opening->flags & O_NONBLOCK && fcntl(fd, F_SETFL, O_NONBLOCK))
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

/* The lowest of the numbers that is free, or the lowest of all: then only what a socket can do is right. */
static void give_node(const struct launcher_call *call, const struct opening *opening, int source)
{
	const unsigned int first =
		call->launcher->numbers + (opening->node->is_counted ? 0 : LAUNCHER_COUNTED);
	const unsigned int end =
		first + (opening->node->is_counted ? LAUNCHER_COUNTED : LAUNCHER_OTHERS);
	const unsigned int fd_flags = opening->flags & O_CLOEXEC;
	unsigned int fd = first;
	int ret = -EBADF;

	while (fd < end && launcher_has_descriptor(call, fd))
		fd++;
	if (fd < end)
		ret = launcher_give(call, source, (int)fd, SECCOMP_ADDFD_FLAG_SEND, fd_flags);
	if (ret == -EBADF) /* or the program has lowered its limit */
		ret = launcher_give(call, source, -1, SECCOMP_ADDFD_FLAG_SEND, fd_flags);
	if (ret < 0 && ret != -ENOENT)
		launcher_result(call, ret);
}

static void refresh(const struct launcher_call *call, uint64_t attribute)
{
	static unsigned char data[BERTH_SERVE_DATA_MOST];
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
	static struct opening opening;
	int fd;

	opening.node = NULL;
	opening.attribute = 0;
	if (!fetch_arguments(call, &opening) && !(opening.flags & O_PATH) &&
	    is_likely(call, &opening))
		find(call, &opening);
	if (opening.attribute)
		refresh(call, opening.attribute);
	if (!opening.node) {
		launcher_continue(call);
		return;
	}
	fd = connect_node(call, &opening);
	if (fd < 0) {
		launcher_result(call, fd);
		return;
	}
	give_node(call, &opening, fd);
	close(fd);
}
