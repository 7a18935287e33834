// SPDX-License-Identifier: BSD-2-Clause
/* stat() of nodes: the stand-in is a terminal, and a descriptor is a socket. */
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include "launcher-internal.h"

static const struct launcher_node *find_node(const struct launcher_call *call, int node)
{
	static _Thread_local unsigned char data[BERTH_SERVE_DATA_MOST];
	struct launcher_message message = { .request = { .op = BERTH_SERVE_NAME },
					    .fd = node,
					    .data = data };

	if (launcher_ask(call->launcher, &message) < 0 || !message.size)
		return NULL;
	data[message.size - 1] = '\0';
	for (unsigned int i = 0; i < call->launcher->nr_nodes; i++)
		if (!strcmp(call->launcher->nodes[i].name, (const char *)data))
			return &call->launcher->nodes[i];
	return NULL;
}

static int64_t store_stat(const struct launcher_call *call, uint64_t to,
			  const struct launcher_node *node)
{
	struct stat stat = node->stand_in;

	stat.st_mode = node->mode;
	stat.st_rdev = node->number;
	stat.st_nlink = 1;
	return launcher_store(call, to, &stat, sizeof(stat));
}

static int64_t store_statx(const struct launcher_call *call, uint64_t to,
			   const struct launcher_node *node)
{
	const struct stat *stand_in = &node->stand_in;
	struct statx stat;

	memset(&stat, 0, sizeof(stat));
	stat.stx_mask = STATX_BASIC_STATS;
	stat.stx_mtime.tv_sec = stand_in->st_mtim.tv_sec;
	stat.stx_mtime.tv_nsec = (uint32_t)stand_in->st_mtim.tv_nsec;
	stat.stx_atime = stat.stx_ctime = stat.stx_mtime;
	stat.stx_blksize = (uint32_t)stand_in->st_blksize;
	stat.stx_nlink = 1;
	stat.stx_uid = stand_in->st_uid;
	stat.stx_gid = stand_in->st_gid;
	stat.stx_mode = (uint16_t)node->mode;
	stat.stx_ino = stand_in->st_ino;
	stat.stx_rdev_major = major(node->number);
	stat.stx_rdev_minor = minor(node->number);
	stat.stx_dev_major = major(stand_in->st_dev);
	stat.stx_dev_minor = minor(stand_in->st_dev);
	return launcher_store(call, to, &stat, sizeof(stat));
}

/* By the path. launcher-filter.c has let those pass whose path is empty, but for ours. */
static const struct launcher_node *find_path(const struct launcher_call *call)
{
	const bool has_dir = call->op == LAUNCHER_FSTATAT || call->op == LAUNCHER_STATX;
	const uint64_t flags = call->args[call->op == LAUNCHER_STATX ? 2 : 3];
	const bool is_link = has_dir ? (flags & AT_SYMLINK_NOFOLLOW) != 0
				     : call->op == LAUNCHER_LSTAT;
	const struct launcher_path path = {
		.dir = has_dir ? (int)call->args[0] : AT_FDCWD,
		.address = call->args[has_dir ? 1 : 0],
		.flags = is_link ? O_NOFOLLOW : 0,
	};
	uint64_t attribute;

	return launcher_find(call, &path, &attribute);
}

static bool has_path(const struct launcher_call *call)
{
	char first;

	if (call->op == LAUNCHER_FSTAT)
		return false;
	if (call->op <= LAUNCHER_LSTAT)
		return true;
	return call->args[1] && !launcher_fetch(call, call->args[1], &first, 1) && first;
}

static const struct launcher_node *find_descriptor(const struct launcher_call *call)
{
	const struct launcher_node *node = NULL;
	const int fd = launcher_descriptor(call, (unsigned int)call->args[0]);

	if (fd >= 0 && launcher_is_connection(call->launcher, fd))
		node = find_node(call, fd);
	if (fd >= 0)
		close(fd);
	return node;
}

void launcher_do_stat(const struct launcher_call *call)
{
	const struct launcher_node *node = has_path(call) ? find_path(call) : find_descriptor(call);

	if (!node)
		launcher_continue(call);
	else if (call->op == LAUNCHER_STATX)
		launcher_result(call, store_statx(call, call->args[4], node));
	else
		launcher_result(call,
				store_stat(call, call->args[call->op == LAUNCHER_FSTATAT ? 2 : 1],
					   node));
}
