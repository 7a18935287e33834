// SPDX-License-Identifier: BSD-2-Clause
/*
 * read(), write() and ioctl() of nodes are the driver's. Waiting is the kernel's, which knows of signals, of
 * O_NONBLOCK and of threads that are cancelled: what the server has sent is looked at, and taken when
 * the driver has said what it returns.
 */
#include <fcntl.h>
#include <poll.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <unistd.h>

#include "preload/internal.h"

SEEN ssize_t __read_chk(int fd, void *to, size_t size, size_t room);
SEEN ssize_t __pread_chk(int fd, void *to, size_t size, off_t offset, size_t room);
SEEN void __chk_fail(void) __attribute__((noreturn));

static bool is_blocking(int fd)
{
	return !(fcntl(fd, F_GETFL) & O_NONBLOCK);
}

/* A count that another thread was told of meanwhile is nobody else's: counts go up, and round. */
static void take(int fd, void *to, long size)
{
	uint32_t taken, count;
	int err = errno;

	if (recv(fd, &taken, sizeof(taken), MSG_DONTWAIT) == sizeof(taken) &&
	    size == sizeof(count)) {
		memcpy(&count, to, sizeof(count));
		if ((int32_t)(taken - count) > 0)
			memcpy(to, &taken, sizeof(taken));
	}
	errno = err;
}

static ssize_t read_node(int fd, void *to, size_t size)
{
	long ret;

	while ((ret = berth_client_read(fd, to, size)) == -EAGAIN) {
		uint8_t seen;
		ssize_t got = recv(fd, &seen, sizeof(seen), MSG_PEEK);

		if (got < 0)
			return got;
		if (!got)
			return failed(-EIO);
	}
	if (ret >= 0)
		take(fd, to, ret);
	return failed(if_lost(ret, -EIO));
}

/* Where a driver has no room there is nothing to wait on: look again now and then. */
static ssize_t write_node(int fd, const void *from, size_t size)
{
	long ret;
	int pause_ms = 1;

	while ((ret = berth_client_write(fd, from, size)) == -EAGAIN && is_blocking(fd)) {
		if (poll(NULL, 0, pause_ms) < 0)
			return -1;
		pause_ms = pause_ms < 32 ? 2 * pause_ms : pause_ms;
	}
	return failed(if_lost(ret, -EIO));
}

SEEN ssize_t read(int fd, void *to, size_t size)
{
	return fd_is_node(fd) ? read_node(fd, to, size) : REAL(read)(fd, to, size);
}

SEEN ssize_t write(int fd, const void *from, size_t size)
{
	return fd_is_node(fd) ? write_node(fd, from, size) : REAL(write)(fd, from, size);
}

SEEN ssize_t pread(int fd, void *to, size_t size, off_t offset)
{
	return fd_is_node(fd) ? read_node(fd, to, size) : REAL(pread)(fd, to, size, offset);
}

SEEN ssize_t pwrite(int fd, const void *from, size_t size, off_t offset)
{
	return fd_is_node(fd) ? write_node(fd, from, size) : REAL(pwrite)(fd, from, size, offset);
}

SEEN ssize_t __read_chk(int fd, void *to, size_t size, size_t room)
{
	if (size > room)
		__chk_fail();
	return read(fd, to, size);
}

SEEN ssize_t __pread_chk(int fd, void *to, size_t size, off_t offset, size_t room)
{
	if (size > room)
		__chk_fail();
	return pread(fd, to, size, offset);
}

ALSO(ssize_t, __pread64_chk, __pread_chk, int fd, void *to, size_t size, off_t offset, size_t room);
ALSO(ssize_t, pread64, pread, int fd, void *to, size_t size, off64_t offset);
ALSO(ssize_t, pwrite64, pwrite, int fd, const void *from, size_t size, off64_t offset);

/* As of a file without operations for several parts: one after the other, until one is short. */
SEEN ssize_t readv(int fd, const struct iovec *parts, int nr)
{
	ssize_t all = 0;

	if (!fd_is_node(fd))
		return REAL(readv)(fd, parts, nr);
	for (int i = 0; i < nr; i++) {
		ssize_t got;

		if (!parts[i].iov_len)
			continue;
		got = read_node(fd, parts[i].iov_base, parts[i].iov_len);
		if (got < 0)
			return all ? all : got;
		all += got;
		if ((size_t)got < parts[i].iov_len)
			break;
	}
	return all;
}

SEEN ssize_t writev(int fd, const struct iovec *parts, int nr)
{
	ssize_t all = 0;

	if (!fd_is_node(fd))
		return REAL(writev)(fd, parts, nr);
	for (int i = 0; i < nr; i++) {
		ssize_t put;

		if (!parts[i].iov_len)
			continue;
		put = write_node(fd, parts[i].iov_base, parts[i].iov_len);
		if (put < 0)
			return all ? all : put;
		all += put;
		if ((size_t)put < parts[i].iov_len)
			break;
	}
	return all;
}

/* Nodes have no place of their own. To the end of a buffer tells its size. */
static off_t seek_node(int fd, off_t offset, int whence)
{
	const int64_t size = berth_client_size(fd);

	if (size == -ESPIPE)
		return 0;
	if (size < 0)
		return failed(if_lost(size, -ENODEV));
	if (offset || (whence != SEEK_SET && whence != SEEK_END))
		return failed(-EINVAL);
	return whence == SEEK_END ? size : 0;
}

SEEN off_t lseek(int fd, off_t offset, int whence)
{
	return fd_is_node(fd) ? seek_node(fd, offset, whence) : REAL(lseek)(fd, offset, whence);
}

ALSO(off64_t, lseek64, lseek, int fd, off64_t offset, int whence);

/* Those that are about the descriptor are the kernel's. */
static bool is_of_kernel(unsigned long number)
{
	return number == FIOCLEX || number == FIONCLEX || number == FIONBIO || number == FIOASYNC;
}

SEEN int ioctl(int fd, unsigned long number, ...)
{
	va_list args;
	void *arg;

	va_start(args, number);
	arg = va_arg(args, void *);
	va_end(args);
	if (is_of_kernel(number) || !fd_is_node(fd)) {
		const int ret = REAL(ioctl)(fd, number, arg);

		if (!ret || errno != ENOTTY || is_of_kernel(number) || !fd_is_node_now(fd))
			return ret;
	}
	return (int)failed(if_lost(berth_client_ioctl(fd, number, arg), -ENODEV));
}
