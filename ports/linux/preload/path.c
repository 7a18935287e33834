// SPDX-License-Identifier: BSD-2-Clause
/* Which paths are about nodes. */
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "preload/internal.h"

/* Where relative paths begin. */
enum { CWD_UNKNOWN, CWD_OTHER, CWD_OURS };

static uint32_t cwd_kind;

/* The tree's path: written once, then read with no lock. A server that is started again has another one. */
static char tree_path[2][128];
static uint32_t tree_turn; /* 0: none yet; else tree_path[tree_turn % 2] */
static uint32_t tree_lock;

static int stat_raw(int dirfd, const char *path, struct stat *status, int flags)
{
#ifdef SYS_newfstatat
	return (int)syscall(SYS_newfstatat, dirfd, path, status, flags);
#else
	return (int)syscall(SYS_fstatat, dirfd, path, status, flags);
#endif
}

static const char *tree_known(void)
{
	const uint32_t turn = __atomic_load_n(&tree_turn, __ATOMIC_ACQUIRE);

	return turn ? tree_path[turn % 2] : NULL;
}

static bool is_there(const char *path)
{
	struct stat status;

	return path && !stat_raw(AT_FDCWD, path, &status, AT_SYMLINK_NOFOLLOW) &&
	       status.st_uid == geteuid();
}

/* NULL: no server. One thread asks; others that come meanwhile go without. */
static const char *tree_find(void)
{
	const char *known = tree_known();
	char path[128];

	if (is_there(known))
		return known;
	if (__atomic_exchange_n(&tree_lock, 1, __ATOMIC_ACQUIRE))
		return NULL;
	if (!berth_client_tree(path, sizeof(path)) && path[0] == '/') {
		const uint32_t turn = tree_turn + 1;

		strcpy(tree_path[turn % 2], path);
		__atomic_store_n(&tree_turn, turn, __ATOMIC_RELEASE);
	}
	__atomic_store_n(&tree_lock, 0, __ATOMIC_RELEASE);
	known = tree_known();
	return is_there(known) ? known : NULL;
}

static bool begins_with(const char *path, const char *start)
{
	return !strncmp(path, start, strlen(start));
}

/* /dev and /sys, and what is below. */
static bool is_our_root(const char *path)
{
	return (begins_with(path, "/dev") || begins_with(path, "/sys")) &&
	       (!path[4] || path[4] == '/');
}

const char *path_shown(const char *path)
{
	const char *tree = tree_known();

	if (!tree || !begins_with(path, tree) || !is_our_root(path + strlen(tree)))
		return path;
	return path + strlen(tree);
}

void path_forget_cwd(void)
{
	__atomic_store_n(&cwd_kind, CWD_UNKNOWN, __ATOMIC_RELAXED);
}

/* Of "/", "/dev", "/sys" and below, and of the tree. */
static bool cwd_is_ours(void)
{
	uint32_t kind = __atomic_load_n(&cwd_kind, __ATOMIC_RELAXED);
	char cwd[PATH_ROOM];

	if (kind == CWD_UNKNOWN) {
		long size = syscall(SYS_getcwd, cwd, sizeof(cwd));

		kind = size > 0 && (!strcmp(cwd, "/") || is_our_root(path_shown(cwd))) ? CWD_OURS
										       : CWD_OTHER;
		__atomic_store_n(&cwd_kind, kind, __ATOMIC_RELAXED);
	}
	return kind == CWD_OURS;
}

/* Directories are mostly on other file systems than these two, or the tree. */
static bool dirfd_may_be_ours(int dirfd)
{
	static uint64_t dev, sys;
	const char *tree = tree_known();
	struct stat status, other;

	if (stat_raw(dirfd, "", &status, AT_EMPTY_PATH) || !S_ISDIR(status.st_mode))
		return false;
	if (!__atomic_load_n(&dev, __ATOMIC_RELAXED)) {
		__atomic_store_n(&dev, stat_raw(AT_FDCWD, "/dev", &other, 0) ? 1 : other.st_dev,
				 __ATOMIC_RELAXED);
		__atomic_store_n(&sys, stat_raw(AT_FDCWD, "/sys", &other, 0) ? 1 : other.st_dev,
				 __ATOMIC_RELAXED);
	}
	return status.st_dev == dev || status.st_dev == sys ||
	       (tree && !stat_raw(AT_FDCWD, tree, &other, 0) && other.st_dev == status.st_dev);
}

bool path_may_be_ours(int dirfd, const char *path)
{
	bool is_ours;
	int err;

	if (!path)
		return false;
	if (path[0] == '/') {
		while (path[1] == '/')
			path++;
		return is_our_root(path);
	}
	err = errno;
	is_ours = path[0] && (dirfd == AT_FDCWD ? cwd_is_ours() : dirfd_may_be_ours(dirfd));
	errno = err;
	return is_ours;
}

/* Return: 0, or -1 if it is not known, or too long. */
static int path_of_link(int fd, char *path, size_t size)
{
	char link[32];
	long got;

	snprintf(link, sizeof(link), "/proc/self/fd/%d", fd);
	got = syscall(SYS_readlinkat, AT_FDCWD, link, path, size - 1);
	if (got < 0 || got == (long)size - 1)
		return -1;
	path[got] = '\0';
	return path[0] == '/' ? 0 : -1;
}

/* As one path from the root on, as the program sees it. Return: 0 or -1. */
static int make_absolute(int dirfd, const char *path, char *to, size_t size)
{
	char start[PATH_ROOM] = "";
	const char *shown = start;

	while (path[0] == '.' && path[1] == '/')
		for (path++; *path == '/'; path++)
			;
	if (path[0] == '/') {
		while (path[1] == '/')
			path++;
	} else {
		if (dirfd == AT_FDCWD ? syscall(SYS_getcwd, start, sizeof(start)) <= 0
				      : path_of_link(dirfd, start, sizeof(start)) != 0)
			return -1;
		shown = path_shown(start);
		shown = strcmp(shown, "/") ? shown : "";
	}
	if (!strcmp(path, "."))
		return snprintf(to, size, "%s", shown) < (int)size ? 0 : -1;
	return snprintf(to, size, path[0] == '/' ? "%s%s" : "%s/%s", shown, path) < (int)size ? 0
											      : -1;
}

/* The node's name is in the path of the file that stands for it, with all links followed. */
static bool find_node(struct place *place, const char *tree)
{
	int fd = (int)syscall(SYS_openat, AT_FDCWD, place->path, O_PATH | O_CLOEXEC);
	size_t size = strlen(tree);
	bool holds;

	if (fd < 0)
		return false;
	holds = !path_of_link(fd, place->path, sizeof(place->path)) &&
		begins_with(place->path, tree) && begins_with(place->path + size, "/dev/");
	syscall(SYS_close, fd);
	place->name = place->path + size + sizeof("/dev/") - 1;
	return holds;
}

static enum path_kind find(const char *absolute, struct place *place)
{
	const char *tree = is_our_root(absolute) ? tree_find() : NULL;
	struct stat other;

	if (!tree || snprintf(place->path, sizeof(place->path), "%s%s", tree, absolute) >=
			     (int)sizeof(place->path))
		return PATH_OTHER;
	if (stat_raw(AT_FDCWD, place->path, &place->status, 0) &&
	    stat_raw(AT_FDCWD, place->path, &place->status, AT_SYMLINK_NOFOLLOW))
		return PATH_OTHER;
	if (S_ISDIR(place->status.st_mode))
		return !stat_raw(AT_FDCWD, absolute, &other, 0) && S_ISDIR(other.st_mode)
			       ? PATH_BOTH
			       : PATH_TREE;
	if (status_is_node(&place->status))
		return find_node(place, tree) ? PATH_NODE : PATH_OTHER;
	return PATH_TREE;
}

enum path_kind path_find(int dirfd, const char *path, struct place *place)
{
	char absolute[PATH_ROOM];
	int err = errno;

	place->kind = PATH_OTHER;
	if (path_may_be_ours(dirfd, path) &&
	    !make_absolute(dirfd, path, absolute, sizeof(absolute)))
		place->kind = find(absolute, place);
	errno = err;
	return place->kind;
}

enum path_kind path_of_fd(int fd, struct place *place)
{
	char path[PATH_ROOM];
	int err = errno;

	place->kind = PATH_OTHER;
	if (dirfd_may_be_ours(fd) && !path_of_link(fd, path, sizeof(path)))
		place->kind = find(path_shown(path), place);
	errno = err;
	return place->kind;
}
