// SPDX-License-Identifier: BSD-2-Clause
/* What kind of file something is. */
#include <fcntl.h>
#include <string.h>
#include <sys/statfs.h>
#include <sys/statvfs.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include "preload/internal.h"

/* Of programs that were built with an old libc; @version is that of the structure. */
SEEN int __xstat(int version, const char *path, struct stat *status);
SEEN int __lxstat(int version, const char *path, struct stat *status);
SEEN int __fxstat(int version, int fd, struct stat *status);
SEEN int __fxstatat(int version, int dirfd, const char *path, struct stat *status, int flags);

bool status_is_node(const struct stat *status)
{
	return S_ISREG(status->st_mode) && status->st_mode & S_ISVTX && !status->st_size;
}

void status_show(struct stat *status)
{
	if (!status_is_node(status))
		return;
	status->st_mode = S_IFCHR | (status->st_mode & 0777);
	status->st_rdev = makedev((unsigned int)status->st_mtim.tv_sec,
				  (unsigned int)status->st_mtim.tv_nsec);
	status->st_mtim = status->st_ctim;
	status->st_blocks = 0;
}

/* Of an open node: that of the file that stands for it. */
static int stat_open_node(int fd, struct stat *status)
{
	char path[sizeof("/dev/") + BERTH_SERVE_NAME_MOST] = "/dev/";
	struct place place;
	int err = berth_client_name(fd, path + sizeof("/dev/") - 1);

	if (err || path_find(AT_FDCWD, path, &place) != PATH_NODE) {
		/* The device is gone, or the server. */
		status->st_mode = S_IFCHR | 0600;
		return 0;
	}
	*status = place.status;
	status_show(status);
	return 0;
}

static int stat_any(int dirfd, const char *path, struct stat *status, int flags)
{
	struct place place;
	int ret;

	if (path && !path[0] && flags & AT_EMPTY_PATH && dirfd >= 0)
		return fstat(dirfd, status);
	if (!path_may_be_ours(dirfd, path) || path_find(dirfd, path, &place) == PATH_OTHER ||
	    place.kind == PATH_BOTH)
		return REAL(fstatat)(dirfd, path, status, flags);
	ret = REAL(fstatat)(AT_FDCWD, place.path, status, flags);
	if (!ret && place.kind == PATH_NODE)
		status_show(status);
	return ret;
}

SEEN int stat(const char *path, struct stat *status)
{
	return stat_any(AT_FDCWD, path, status, 0);
}

SEEN int lstat(const char *path, struct stat *status)
{
	return stat_any(AT_FDCWD, path, status, AT_SYMLINK_NOFOLLOW);
}

SEEN int fstatat(int dirfd, const char *path, struct stat *status, int flags)
{
	return stat_any(dirfd, path, status, flags);
}

SEEN int fstat(int fd, struct stat *status)
{
	int ret = REAL(fstat)(fd, status);

	if (ret)
		return ret;
	if (S_ISSOCK(status->st_mode) && fd_is_node(fd))
		return stat_open_node(fd, status);
	return 0;
}

ALSO(int, stat64, stat, const char *path, struct stat64 *status);
ALSO(int, lstat64, lstat, const char *path, struct stat64 *status);
ALSO(int, fstat64, fstat, int fd, struct stat64 *status);
ALSO(int, fstatat64, fstatat, int dirfd, const char *path, struct stat64 *status, int flags);

SEEN int __xstat(int version, const char *path, struct stat *status)
{
	(void)version;
	return stat(path, status);
}

SEEN int __lxstat(int version, const char *path, struct stat *status)
{
	(void)version;
	return lstat(path, status);
}

SEEN int __fxstat(int version, int fd, struct stat *status)
{
	(void)version;
	return fstat(fd, status);
}

SEEN int __fxstatat(int version, int dirfd, const char *path, struct stat *status, int flags)
{
	(void)version;
	return fstatat(dirfd, path, status, flags);
}

ALSO(int, __xstat64, __xstat, int version, const char *path, struct stat64 *status);
ALSO(int, __lxstat64, __lxstat, int version, const char *path, struct stat64 *status);
ALSO(int, __fxstat64, __fxstat, int version, int fd, struct stat64 *status);
ALSO(int, __fxstatat64, __fxstatat, int version, int dirfd, const char *path, struct stat64 *status,
     int flags);

static void show_statx(struct statx *x)
{
	struct stat status = {
		.st_mode = x->stx_mode,
		.st_size = (off_t)x->stx_size,
		.st_mtim = { .tv_sec = x->stx_mtime.tv_sec, .tv_nsec = x->stx_mtime.tv_nsec },
	};

	if (!status_is_node(&status))
		return;
	status_show(&status);
	x->stx_mode = (uint16_t)status.st_mode;
	x->stx_rdev_major = major(status.st_rdev);
	x->stx_rdev_minor = minor(status.st_rdev);
	x->stx_mtime = x->stx_ctime;
	x->stx_blocks = 0;
}

SEEN int statx(int dirfd, const char *path, int flags, unsigned int mask, struct statx *x)
{
	struct place place;
	struct stat status;
	int ret;

	if (path && !path[0] && flags & AT_EMPTY_PATH && fd_is_node(dirfd)) {
		ret = REAL(statx)(dirfd, path, flags, mask, x);
		if (!ret && !fstat(dirfd, &status)) {
			x->stx_mode = (uint16_t)status.st_mode;
			x->stx_ino = status.st_ino;
			x->stx_rdev_major = major(status.st_rdev);
			x->stx_rdev_minor = minor(status.st_rdev);
		}
		return ret;
	}
	if (!path_may_be_ours(dirfd, path) || path_find(dirfd, path, &place) == PATH_OTHER ||
	    place.kind == PATH_BOTH)
		return REAL(statx)(dirfd, path, flags, mask, x);
	/* What says of a node which it is has to be there. */
	ret = REAL(statx)(AT_FDCWD, place.path, flags, mask | STATX_BASIC_STATS, x);
	if (!ret && place.kind == PATH_NODE)
		show_statx(x);
	return ret;
}

/* The file system on which such a path is, as it is on a system with nodes of its own. */
static const char *file_system_of(const char *path, struct place *place)
{
	if (!path_may_be_ours(AT_FDCWD, path) ||
	    (path_find(AT_FDCWD, path, place) != PATH_TREE && place->kind != PATH_NODE))
		return path;
	return strncmp(path_shown(place->path), "/dev", 4) ? "/sys" : "/dev";
}

SEEN int statfs(const char *path, struct statfs *status)
{
	struct place place;

	return REAL(statfs)(file_system_of(path, &place), status);
}

SEEN int statvfs(const char *path, struct statvfs *status)
{
	struct place place;

	return REAL(statvfs)(file_system_of(path, &place), status);
}

ALSO(int, statfs64, statfs, const char *path, struct statfs64 *status);
ALSO(int, statvfs64, statvfs, const char *path, struct statvfs64 *status);
