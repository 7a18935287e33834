// SPDX-License-Identifier: BSD-2-Clause
/* Which node a path of the program's leads to. */
#include <errno.h>
#include <fcntl.h>
#include <linux/openat2.h>
#include <stdio.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "launcher-internal.h"

static const char *last_of(const char *path)
{
	const char *slash = strrchr(path, '/');

	return slash ? slash + 1 : path;
}

static void name_start(const struct launcher_call *call, int dir, char *start, size_t size)
{
	if (dir == AT_FDCWD)
		snprintf(start, size, "/proc/%d/cwd", (int)call->tid);
	else
		snprintf(start, size, "/proc/%d/fd/%d", (int)call->tid, dir);
}

static bool is_in_tree(const struct launcher_call *call, const struct launcher_path *path,
		       const char *text)
{
	char start[64], cwd[PATH_MAX];
	ssize_t length;

	if (strstr(text, "uio"))
		return true;
	if (text[0] == '/')
		return false;
	name_start(call, path->dir, start, sizeof(start));
	length = readlink(start, cwd, sizeof(cwd) - 1);
	if (length < 0)
		return false;
	cwd[length] = '\0';
	return strstr(cwd, "uio");
}

/*
 * Worth a look: only then is the path followed here as well. A file system that the program itself serves is so
 * not asked by the one who has to answer that program.
 */
static bool is_likely(const struct launcher_call *call, const struct launcher_path *path,
		      const char *text)
{
	const char *last = last_of(text);

	if (!strncmp(text, "/dev/", 5))
		return strncmp(text, "/dev/fd/", 8) != 0;
	for (unsigned int i = 0; i < call->launcher->nr_nodes; i++)
		if (!strcmp(last, last_of(call->launcher->nodes[i].name)))
			return true;
	return is_in_tree(call, path, text);
}

/* What the path leads to, from the program's root or directory. O_PATH opens no device. */
static int follow(const struct launcher_call *call, const struct launcher_path *path,
		  const char *text)
{
	const bool is_absolute = text[0] == '/';
	const struct open_how how = {
		.flags = O_PATH | O_CLOEXEC | (path->flags & O_NOFOLLOW),
		.resolve = path->resolve | (is_absolute ? RESOLVE_IN_ROOT : 0u),
	};
	char start[64];
	int dir, fd;

	if (is_absolute)
		snprintf(start, sizeof(start), "/proc/%d/root", (int)call->tid);
	else
		name_start(call, path->dir, start, sizeof(start));
	dir = open(start, O_PATH | O_DIRECTORY | O_CLOEXEC);
	if (dir < 0)
		return -errno;
	fd = (int)syscall(SYS_openat2, dir, text, &how, sizeof(how));
	close(dir);
	return fd;
}

static const struct launcher_node *find_stand_in(const struct launcher *launcher,
						 const struct stat *stat)
{
	/* Without a link: a terminal that is in use may have the same number. */
	if (!S_ISCHR(stat->st_mode) || stat->st_nlink)
		return NULL;
	for (unsigned int i = 0; i < launcher->nr_nodes; i++)
		if (launcher->nodes[i].stand_in.st_dev == stat->st_dev &&
		    launcher->nodes[i].stand_in.st_ino == stat->st_ino)
			return &launcher->nodes[i];
	return NULL;
}

const struct launcher_node *launcher_find(const struct launcher_call *call,
					  const struct launcher_path *path, uint64_t *attribute)
{
	static _Thread_local char text[PATH_MAX];
	struct stat stat;
	bool is_known;
	int fd;

	*attribute = 0;
	if (launcher_fetch_text(call, path->address, text, sizeof(text)) ||
	    !is_likely(call, path, text))
		return NULL;
	fd = follow(call, path, text);
	if (fd < 0)
		return NULL;
	is_known = !fstat(fd, &stat);
	close(fd);
	if (!is_known)
		return NULL;
	if (S_ISREG(stat.st_mode) && stat.st_dev == call->launcher->tree_dev)
		*attribute = stat.st_ino;
	return find_stand_in(call->launcher, &stat);
}
