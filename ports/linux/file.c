// SPDX-License-Identifier: BSD-2-Clause
/* Files of the host as backings. */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/uio.h>

#include <berth/file.h>
#include <berth/mm.h>

#include "host.h"

struct host_file {
	struct backing backing; /* first */
	int fd;
	char path[];
};

/* Pages of one system call. */
#define MAX_PAGES 64u

static int fail(const struct host_file *file, int err, uint64_t offset, uint64_t length)
{
	size_t room = sizeof(berth_port_error()->subject) - 1, used = strlen(file->path);

	/* Of a long path the end says more. */
	return berth_port_fail(-err, BERTH_REASON_IO, file->path + (used > room ? used - room : 0),
			       offset, length);
}

/*
 * The system calls themselves: a program may write to a page meanwhile, through a mapping or into the
 * cache, which a sanitizer would take for a race. What was torn is written once more.
 */
static long transfer(const struct host_file *file, long number, struct iovec *parts, int nr,
		     uint64_t offset)
{
	long ret;

	do {
		ret = syscall(number, file->fd, parts, nr, (unsigned long)offset,
			      (unsigned long)(offset >> 32));
	} while (ret < 0 && errno == EINTR);
	return ret;
}

/* All the bytes of the parts, or up to the end of the file; how many, or -1. */
static long transfer_all(const struct host_file *file, long number, struct iovec *parts, int nr,
			 uint64_t offset)
{
	long done = 0;

	while (nr) {
		long ret = transfer(file, number, parts, nr, offset + (uint64_t)done);

		if (ret < 0)
			return -1;
		if (!ret)
			break;
		done += ret;
		for (; nr && (size_t)ret >= parts->iov_len; parts++, nr--)
			ret -= (long)parts->iov_len;
		if (nr) {
			parts->iov_base = (char *)parts->iov_base + ret;
			parts->iov_len -= (size_t)ret;
		}
	}
	return done;
}

/* Up to MAX_PAGES pages, of which *@bytes are in the file; when reading, what was there of them. */
static int move_bytes(const struct host_file *file, bool is_write, uint64_t offset,
		      struct page *const *pages, uint64_t *bytes)
{
	struct iovec parts[MAX_PAGES];
	int nr = 0;
	long done;

	for (uint64_t at = 0; at < *bytes; at += PAGE_SIZE, nr++) {
		parts[nr].iov_base = page_address(pages[nr]);
		parts[nr].iov_len = *bytes - at < PAGE_SIZE ? (size_t)(*bytes - at) : PAGE_SIZE;
	}
	done = transfer_all(file, is_write ? SYS_pwritev : SYS_preadv, parts, nr, offset);
	if (done < 0)
		return fail(file, errno, offset, *bytes);
	if (is_write && (uint64_t)done < *bytes)
		return fail(file, EIO, offset + (uint64_t)done, *bytes - (uint64_t)done);
	/* Less if the file is just being cut off. */
	*bytes = (uint64_t)done;
	return 0;
}

/* Of @nr pages from @offset on, bytes that are in the file. */
static uint64_t bytes_inside(const struct host_file *file, uint64_t offset, unsigned int nr)
{
	uint64_t size = __atomic_load_n(&file->backing.size, __ATOMIC_ACQUIRE);
	uint64_t bytes = (uint64_t)nr * PAGE_SIZE;

	if (offset >= size)
		return 0;
	return bytes < size - offset ? bytes : size - offset;
}

static void zero_rest(struct page *const *pages, unsigned int nr, uint64_t bytes)
{
	for (unsigned int i = (unsigned int)(bytes / PAGE_SIZE); i < nr; i++) {
		size_t used = bytes > (uint64_t)i * PAGE_SIZE ? bytes % PAGE_SIZE : 0;

		memset((char *)page_address(pages[i]) + used, 0, PAGE_SIZE - used);
	}
}

static int read_or_write(struct backing *backing, bool is_write, uint64_t index,
			 struct page *const *pages, unsigned int nr)
{
	const struct host_file *file = (const struct host_file *)(const void *)backing;
	int ret = 0;

	for (unsigned int some; nr && !ret; nr -= some, pages += some, index += some) {
		uint64_t bytes;

		some = nr < MAX_PAGES ? nr : MAX_PAGES;
		bytes = bytes_inside(file, index * PAGE_SIZE, some);
		ret = bytes ? move_bytes(file, is_write, index * PAGE_SIZE, pages, &bytes) : 0;
		if (!ret && !is_write)
			zero_rest(pages, some, bytes);
	}
	return ret;
}

static int read_pages(struct backing *backing, uint64_t index, struct page *const *pages,
		      unsigned int nr)
{
	return read_or_write(backing, false, index, pages, nr);
}

static int write_pages(struct backing *backing, uint64_t index, struct page *const *pages,
		       unsigned int nr)
{
	return read_or_write(backing, true, index, pages, nr);
}

static int flush(struct backing *backing)
{
	const struct host_file *file = (const struct host_file *)(const void *)backing;

	return fdatasync(file->fd) ? fail(file, errno, 0, backing->size) : 0;
}

static int resize(struct backing *backing, uint64_t size)
{
	const struct host_file *file = (const struct host_file *)(const void *)backing;

	if (size > INT64_MAX)
		return fail(file, EFBIG, size, 0);
	while (ftruncate(file->fd, (off_t)size))
		if (errno != EINTR)
			return fail(file, errno, size, 0);
	__atomic_store_n(&backing->size, size, __ATOMIC_RELEASE);
	return 0;
}

static const struct backing_ops ops_to_read = { .read_pages = read_pages };
static const struct backing_ops ops_fixed = {
	.read_pages = read_pages,
	.write_pages = write_pages,
	.flush = flush,
};
static const struct backing_ops ops_to_write = {
	.read_pages = read_pages,
	.write_pages = write_pages,
	.flush = flush,
	.resize = resize,
};

/* The file, or the errno value. */
static int open_file(struct host_file *file, unsigned int flags)
{
	bool writes = flags & (BERTH_FILE_WRITE | BERTH_FILE_CREATE);
	struct stat status;
	off_t size;

	file->fd = open(file->path,
			(writes ? O_RDWR : O_RDONLY) | O_CLOEXEC |
				(flags & BERTH_FILE_CREATE ? O_CREAT : 0),
			0666);
	if (file->fd < 0)
		return errno;
	if (fstat(file->fd, &status))
		return errno;
	if (!S_ISREG(status.st_mode) && !S_ISBLK(status.st_mode))
		return S_ISDIR(status.st_mode) ? EISDIR : EINVAL;
	/* Of a block device, too. */
	size = lseek(file->fd, 0, SEEK_END);
	if (size < 0)
		return errno;
	file->backing.size = (uint64_t)size;
	file->backing.ops = !writes ? &ops_to_read : &ops_to_write;
	if (writes && (flags & BERTH_FILE_FIXED || S_ISBLK(status.st_mode)))
		file->backing.ops = &ops_fixed;
	return 0;
}

struct backing *berth_file_open(const char *path, unsigned int flags)
{
	struct host_file *file;
	size_t length;
	int err;

	if (!path || flags & ~(BERTH_FILE_WRITE | BERTH_FILE_CREATE | BERTH_FILE_FIXED)) {
		berth_port_fail(-EINVAL, BERTH_REASON_ARGUMENT, path ? "flags" : "path", flags, 0);
		return NULL;
	}
	length = strlen(path) + 1;
	file = calloc(1, sizeof(*file) + length);
	if (!file) {
		berth_port_fail(-ENOMEM, BERTH_REASON_OUT_OF_MEMORY, path, 0, length);
		return NULL;
	}
	memcpy(file->path, path, length);
	file->backing.name = file->path;
	err = open_file(file, flags);
	if (!err)
		return &file->backing;
	fail(file, err, 0, 0);
	if (file->fd >= 0)
		close(file->fd);
	free(file);
	return NULL;
}

int berth_file_close(struct backing *backing)
{
	struct host_file *file = (struct host_file *)(void *)backing;
	int ret = 0;

	if (!backing)
		return 0;
	if (close(file->fd) && errno != EINTR)
		ret = fail(file, errno, 0, 0);
	free(file);
	return ret;
}
