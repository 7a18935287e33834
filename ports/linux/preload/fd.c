// SPDX-License-Identifier: BSD-2-Clause
/*
 * Which descriptors are nodes. The kernel knows (getpeername()); what it has said is remembered until the
 * number is closed. Where libc closes one by itself, and its number becomes a node's without an open(), the worst is that
 * a read() is the kernel's, not the driver's: mmap() asks anew, and so does an ioctl() that the kernel does not know.
 */
#include <dirent.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "preload/internal.h"

#define KNOWN 1024

enum { FD_UNKNOWN, FD_OTHER, FD_NODE };

static uint8_t known[KNOWN];

SEEN void closefrom(int first);

bool fd_is_node_now(int fd)
{
	const int err = errno;
	uint8_t kind;

	if (fd < 0)
		return false;
	kind = berth_client_is_node(fd) ? FD_NODE : FD_OTHER;
	if (fd < KNOWN && (kind == FD_NODE || errno != EBADF))
		__atomic_store_n(&known[fd], kind, __ATOMIC_RELAXED);
	errno = err;
	return kind == FD_NODE;
}

/* Of one that is taken for a node the kernel is asked, too: it may have been closed meanwhile. */
bool fd_is_node(int fd)
{
	if (fd >= 0 && fd < KNOWN && __atomic_load_n(&known[fd], __ATOMIC_RELAXED) == FD_OTHER)
		return false;
	return fd_is_node_now(fd);
}

void fd_set_node(int fd)
{
	if (fd >= 0 && fd < KNOWN)
		__atomic_store_n(&known[fd], FD_NODE, __ATOMIC_RELAXED);
}

void fd_forget(int fd)
{
	if (fd >= 0 && fd < KNOWN)
		__atomic_store_n(&known[fd], FD_UNKNOWN, __ATOMIC_RELAXED);
}

void fd_forget_all(void)
{
	for (int fd = 0; fd < KNOWN; fd++)
		fd_forget(fd);
}

SEEN int close(int fd)
{
	if (maps_is_hidden(fd))
		return (int)failed(-EBADF);
	fd_forget(fd);
	return REAL(close)(fd);
}

SEEN int dup2(int fd, int to)
{
	if (maps_is_hidden(to))
		return (int)failed(-EBUSY);
	fd_forget(to);
	return REAL(dup2)(fd, to);
}

SEEN int dup3(int fd, int to, int flags)
{
	if (maps_is_hidden(to))
		return (int)failed(-EBUSY);
	fd_forget(to);
	return REAL(dup3)(fd, to, flags);
}

/* What keeps mappings stays. */
SEEN int close_range(unsigned int first, unsigned int last, int flags)
{
	int hidden, ret = 0;

	fd_forget_all();
	while (!ret && first <= last && (hidden = maps_next_hidden(first, last)) >= 0) {
		if ((unsigned int)hidden > first)
			ret = (int)syscall(SYS_close_range, first, (unsigned int)hidden - 1, flags);
		first = (unsigned int)hidden + 1;
	}
	return ret || first > last ? ret : (int)syscall(SYS_close_range, first, last, flags);
}

SEEN void closefrom(int first)
{
	close_range(first < 0 ? 0 : (unsigned int)first, ~0u, 0);
}

/* libc closes these itself. */
SEEN int fclose(FILE *stream)
{
	fd_forget(fileno(stream));
	return REAL(fclose)(stream);
}
