// SPDX-License-Identifier: BSD-2-Clause
/* Other functions that take a path, or return one. */
#include <fcntl.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <sys/inotify.h>
#include <sys/syscall.h>
#include <sys/xattr.h>
#include <unistd.h>

#include "preload/internal.h"

/* What libc's headers make of some with _FORTIFY_SOURCE. */
SEEN ssize_t __readlink_chk(const char *path, char *to, size_t size, size_t room);
SEEN ssize_t __readlinkat_chk(int dirfd, const char *path, char *to, size_t size, size_t room);
SEEN char *__realpath_chk(const char *path, char *to, size_t room);
SEEN char *__getcwd_chk(char *to, size_t size, size_t room);
SEEN void __chk_fail(void) __attribute__((noreturn));

/* @path, or the file that stands for it. */
static const char *real_path(int dirfd, const char *path, struct place *place)
{
	if (!path_may_be_ours(dirfd, path))
		return path;
	path_find(dirfd, path, place);
	return place->kind == PATH_TREE || place->kind == PATH_NODE ? place->path : path;
}

SEEN int access(const char *path, int mode)
{
	struct place place;

	return REAL(access)(real_path(AT_FDCWD, path, &place), mode);
}

SEEN int euidaccess(const char *path, int mode)
{
	struct place place;

	return REAL(euidaccess)(real_path(AT_FDCWD, path, &place), mode);
}

ALSO(int, eaccess, euidaccess, const char *path, int mode);

SEEN int faccessat(int dirfd, const char *path, int mode, int flags)
{
	struct place place;

	return REAL(faccessat)(dirfd, real_path(dirfd, path, &place), mode, flags);
}

/* A link's own text, which is relative, is right wherever it is; that of /proc/self/fd is not. */
static ssize_t show_link(char *to, ssize_t size, size_t room)
{
	char text[PATH_ROOM];
	const char *shown;

	if (size <= 0 || (size_t)size >= sizeof(text) || (size_t)size > room || to[0] != '/')
		return size;
	memcpy(text, to, (size_t)size);
	text[size] = '\0';
	shown = path_shown(text);
	if (shown == text)
		return size;
	size = (ssize_t)strlen(shown);
	memcpy(to, shown, (size_t)size);
	return size;
}

SEEN ssize_t readlink(const char *path, char *to, size_t size)
{
	struct place place;

	return show_link(to, REAL(readlink)(real_path(AT_FDCWD, path, &place), to, size), size);
}

SEEN ssize_t readlinkat(int dirfd, const char *path, char *to, size_t size)
{
	struct place place;

	return show_link(to, REAL(readlinkat)(dirfd, real_path(dirfd, path, &place), to, size),
			 size);
}

SEEN ssize_t __readlink_chk(const char *path, char *to, size_t size, size_t room)
{
	if (size > room)
		__chk_fail();
	return readlink(path, to, size);
}

SEEN ssize_t __readlinkat_chk(int dirfd, const char *path, char *to, size_t size, size_t room)
{
	if (size > room)
		__chk_fail();
	return readlinkat(dirfd, path, to, size);
}

/* In place: it gets shorter. */
static char *show_path(char *path)
{
	const char *shown = path ? path_shown(path) : NULL;

	if (shown && shown != path)
		memmove(path, shown, strlen(shown) + 1);
	return path;
}

SEEN char *realpath(const char *path, char *to)
{
	struct place place;

	return show_path(REAL(realpath)(real_path(AT_FDCWD, path, &place), to));
}

SEEN char *__realpath_chk(const char *path, char *to, size_t room)
{
	if (room < PATH_MAX)
		__chk_fail();
	return realpath(path, to);
}

SEEN char *canonicalize_file_name(const char *path)
{
	return realpath(path, NULL);
}

SEEN int chdir(const char *path)
{
	struct place place;
	int ret = REAL(chdir)(real_path(AT_FDCWD, path, &place));

	path_forget_cwd();
	return ret;
}

SEEN int fchdir(int fd)
{
	int ret = REAL(fchdir)(fd);

	path_forget_cwd();
	return ret;
}

/* The directory's own path may be longer than what is shown. */
SEEN char *getcwd(char *to, size_t size)
{
	char path[PATH_ROOM];
	const char *shown;

	if (syscall(SYS_getcwd, path, sizeof(path)) <= 0)
		return REAL(getcwd)(to, size);
	shown = path_shown(path);
	if (shown == path)
		return REAL(getcwd)(to, size);
	if (!to)
		return strdup(shown);
	if (strlen(shown) >= size) {
		errno = ERANGE;
		return NULL;
	}
	return strcpy(to, shown);
}

SEEN char *__getcwd_chk(char *to, size_t size, size_t room)
{
	if (size > room)
		__chk_fail();
	return getcwd(to, size);
}

SEEN char *get_current_dir_name(void)
{
	return show_path(REAL(get_current_dir_name)());
}

SEEN ssize_t getxattr(const char *path, const char *name, void *value, size_t size)
{
	struct place place;

	return REAL(getxattr)(real_path(AT_FDCWD, path, &place), name, value, size);
}

SEEN ssize_t lgetxattr(const char *path, const char *name, void *value, size_t size)
{
	struct place place;

	return REAL(lgetxattr)(real_path(AT_FDCWD, path, &place), name, value, size);
}

SEEN ssize_t listxattr(const char *path, char *list, size_t size)
{
	struct place place;

	return REAL(listxattr)(real_path(AT_FDCWD, path, &place), list, size);
}

SEEN ssize_t llistxattr(const char *path, char *list, size_t size)
{
	struct place place;

	return REAL(llistxattr)(real_path(AT_FDCWD, path, &place), list, size);
}

SEEN int inotify_add_watch(int fd, const char *path, uint32_t mask)
{
	struct place place;

	return REAL(inotify_add_watch)(fd, real_path(AT_FDCWD, path, &place), mask);
}

SEEN long pathconf(const char *path, int name)
{
	struct place place;

	return REAL(pathconf)(real_path(AT_FDCWD, path, &place), name);
}
