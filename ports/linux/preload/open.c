// SPDX-License-Identifier: BSD-2-Clause
/* open() and fopen(), in all their forms. */
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "preload/internal.h"

/* Not declared by <fcntl.h>: what it makes of open() with _FORTIFY_SOURCE. */
SEEN int __open_2(const char *path, int flags);
SEEN int __openat_2(int dirfd, const char *path, int flags);

static int open_node(const struct place *place, int flags)
{
	int fd;

	if (flags & O_DIRECTORY)
		return (int)failed(-ENOTDIR);
	if ((flags & (O_CREAT | O_EXCL)) == (O_CREAT | O_EXCL))
		return (int)failed(-EEXIST);
	fd = berth_client_open(place->name, flags);
	if (fd >= 0)
		fd_set_node(fd);
	return (int)failed(if_lost(fd, -ENODEV));
}

/* Return: -2: it is libc's, at place.path if that is PATH_TREE. */
static int open_ours(int dirfd, const char *path, int flags, struct place *place)
{
	if (path_find(dirfd, path, place) == PATH_NODE && !(flags & O_PATH))
		return open_node(place, flags);
	if (place->kind == PATH_TREE && S_ISREG(place->status.st_mode)) {
		int err = errno;

		berth_client_refresh(place->status.st_ino);
		errno = err;
	}
	return -2;
}

static int open_any(int dirfd, const char *path, int flags, mode_t mode)
{
	struct place place;
	int fd;

	if (path_may_be_ours(dirfd, path)) {
		fd = open_ours(dirfd, path, flags, &place);
		if (fd != -2)
			return fd;
		if (place.kind == PATH_TREE || place.kind == PATH_NODE)
			return REAL(openat)(AT_FDCWD, place.path, flags, mode);
	}
	return dirfd == AT_FDCWD ? REAL(open)(path, flags, mode)
				 : REAL(openat)(dirfd, path, flags, mode);
}

static bool has_mode(int flags)
{
	return flags & O_CREAT || (flags & O_TMPFILE) == O_TMPFILE;
}

SEEN int open(const char *path, int flags, ...)
{
	mode_t mode = 0;
	va_list args;

	va_start(args, flags);
	if (has_mode(flags))
		mode = va_arg(args, mode_t);
	va_end(args);
	return open_any(AT_FDCWD, path, flags, mode);
}

SEEN int openat(int dirfd, const char *path, int flags, ...)
{
	mode_t mode = 0;
	va_list args;

	va_start(args, flags);
	if (has_mode(flags))
		mode = va_arg(args, mode_t);
	va_end(args);
	return open_any(dirfd, path, flags, mode);
}

SEEN int __open_2(const char *path, int flags)
{
	return open_any(AT_FDCWD, path, flags, 0);
}

SEEN int __openat_2(int dirfd, const char *path, int flags)
{
	return open_any(dirfd, path, flags, 0);
}

SEEN int creat(const char *path, mode_t mode)
{
	return open_any(AT_FDCWD, path, O_CREAT | O_WRONLY | O_TRUNC, mode);
}

ALSO(int, open64, open, const char *path, int flags, ...);
ALSO(int, openat64, openat, int dirfd, const char *path, int flags, ...);
ALSO(int, creat64, creat, const char *path, mode_t mode);
ALSO(int, __open64_2, __open_2, const char *path, int flags);
ALSO(int, __openat64_2, __openat_2, int dirfd, const char *path, int flags);
ALSO(int, __open, open, const char *path, int flags, ...);
ALSO(int, __open64, open, const char *path, int flags, ...);

/* Of "r+", "we" and the like. */
static int flags_of(const char *mode)
{
	int flags = mode[0] == 'r'   ? O_RDONLY
		    : mode[0] == 'w' ? O_WRONLY | O_CREAT | O_TRUNC
				     : O_WRONLY | O_CREAT | O_APPEND;

	if (strchr(mode, '+'))
		flags = (flags & ~O_ACCMODE) | O_RDWR;
	return flags | (strchr(mode, 'e') ? O_CLOEXEC : 0) | (strchr(mode, 'x') ? O_EXCL : 0);
}

/* A stream of a node has no buffer of its own size: what is read is what the driver gives. */
SEEN FILE *fopen(const char *path, const char *mode)
{
	struct place place;
	FILE *stream;
	int fd;

	if (!mode || !path_may_be_ours(AT_FDCWD, path))
		return REAL(fopen)(path, mode);
	fd = open_ours(AT_FDCWD, path, flags_of(mode), &place);
	if (fd == -2)
		return REAL(fopen)(place.kind == PATH_TREE ? place.path : path, mode);
	stream = fd >= 0 ? fdopen(fd, mode) : NULL;
	if (fd >= 0 && !stream)
		close(fd);
	return stream;
}

/* A node's descriptor takes the place of the stream's: it is opened on something else first. */
SEEN FILE *freopen(const char *path, const char *mode, FILE *stream)
{
	struct place place;
	int fd;

	if (!mode || !path_may_be_ours(AT_FDCWD, path))
		return REAL(freopen)(path, mode, stream);
	fd = open_ours(AT_FDCWD, path, flags_of(mode), &place);
	if (fd == -2)
		return REAL(freopen)(place.kind == PATH_TREE ? place.path : path, mode, stream);
	if (fd < 0) {
		fclose(stream);
		return NULL;
	}
	stream = REAL(freopen)("/dev/null", mode, stream);
	if (stream && dup3(fd, fileno(stream), strchr(mode, 'e') ? O_CLOEXEC : 0) < 0) {
		fclose(stream);
		stream = NULL;
	}
	close(fd);
	return stream;
}

ALSO(FILE *, fopen64, fopen, const char *path, const char *mode);
ALSO(FILE *, freopen64, freopen, const char *path, const char *mode, FILE *stream);
