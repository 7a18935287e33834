// SPDX-License-Identifier: BSD-2-Clause
/*
 * Mappings of nodes. Each has a connection to the server, which holds the node open: a descriptor that
 * the program does not know of, closed with the last page. A child of fork() has a copy; exec() closes it.
 */
#include <fcntl.h>
#include <pthread.h>
#include <stdarg.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "preload/internal.h"

#define PIECES 1024 /* of all mappings */
#define FROM_TOP 256

/* Pages that are mapped still. */
struct piece {
	uintptr_t start, end; /* start == end: free */
	int connection;
};

static pthread_mutex_t maps_lock = PTHREAD_MUTEX_INITIALIZER;
static struct piece pieces[PIECES];
static uint32_t nr_pieces;
static bool is_prepared;

static void lock(void)
{
	pthread_mutex_lock(&maps_lock);
}

static void unlock(void)
{
	pthread_mutex_unlock(&maps_lock);
}

static bool has_pieces(void)
{
	return __atomic_load_n(&nr_pieces, __ATOMIC_RELAXED) != 0;
}

bool maps_is_hidden(int fd)
{
	bool is_hidden = false;

	if (!has_pieces() || fd < 0)
		return false;
	lock();
	for (unsigned int i = 0; i < PIECES && !is_hidden; i++)
		is_hidden = pieces[i].start != pieces[i].end && pieces[i].connection == fd;
	unlock();
	return is_hidden;
}

int maps_next_hidden(unsigned int first, unsigned int last)
{
	unsigned int found = ~0u;

	if (!has_pieces())
		return -1;
	lock();
	for (unsigned int i = 0; i < PIECES; i++) {
		unsigned int fd = (unsigned int)pieces[i].connection;

		if (pieces[i].start != pieces[i].end && fd >= first && fd <= last && fd < found)
			found = fd;
	}
	unlock();
	return found == ~0u ? -1 : (int)found;
}

/* With the lock. */
static bool add_piece(uintptr_t start, uintptr_t end, int connection)
{
	for (unsigned int i = 0; i < PIECES; i++)
		if (pieces[i].start == pieces[i].end) {
			pieces[i] = (struct piece){ start, end, connection };
			nr_pieces++;
			return true;
		}
	return false;
}

/* With the lock. */
static void drop_piece(struct piece *piece)
{
	const int connection = piece->connection;

	*piece = (struct piece){ 0 };
	nr_pieces--;
	for (unsigned int i = 0; i < PIECES; i++)
		if (pieces[i].start != pieces[i].end && pieces[i].connection == connection)
			return;
	syscall(SYS_close, connection);
}

/* Nothing of ours is mapped there any more. Without room for a second piece the hole stays in the first. */
static void forget_range(uintptr_t start, uintptr_t end)
{
	if (!has_pieces())
		return;
	lock();
	for (unsigned int i = 0; i < PIECES; i++) {
		struct piece *piece = &pieces[i];

		if (piece->start == piece->end || piece->end <= start || piece->start >= end)
			continue;
		if (piece->start >= start && piece->end <= end) {
			drop_piece(piece);
		} else if (piece->start >= start) {
			piece->start = end;
		} else if (piece->end <= end) {
			piece->end = start;
		} else if (add_piece(end, piece->end, piece->connection)) {
			piece->end = start;
		}
	}
	unlock();
}

static uintptr_t page_up(uintptr_t value)
{
	const uintptr_t page = (uintptr_t)sysconf(_SC_PAGESIZE);

	return (value + page - 1) & ~(page - 1);
}

/* Out of the way of programs that expect the lowest number, or close those they know. */
static int hide(int fd)
{
	struct rlimit limit;
	int hidden = -1;

	if (!getrlimit(RLIMIT_NOFILE, &limit) && limit.rlim_cur > 2 * FROM_TOP)
		hidden = fcntl(fd, F_DUPFD_CLOEXEC,
			       (int)(limit.rlim_cur > 4096 ? 4096 : limit.rlim_cur) - FROM_TOP);
	if (hidden < 0)
		return fd;
	syscall(SYS_close, fd);
	return hidden;
}

static void *map_raw(void *at, size_t size, int prot, int flags, int fd, off_t offset)
{
	return (void *)syscall(SYS_mmap, at, size, prot, flags, fd, offset);
}

static void *map_node(void *at, size_t size, int prot, int flags, int fd, off_t offset)
{
	int connection, shown, err = 0;
	void *got = MAP_FAILED;
	uint64_t at_file;

	if (!size || offset < 0)
		return (void *)failed(-EINVAL);
	shown = berth_client_map_at(fd, (uint64_t)offset, page_up(size), &at_file, &connection);
	if (shown < 0)
		return (void *)failed(shown);
	connection = hide(connection);
	if (!is_prepared) {
		is_prepared = true;
		pthread_atfork(lock, unlock, unlock);
	}
	got = map_raw(at, size, prot, flags, shown, (off_t)at_file);
	err = errno;
	syscall(SYS_close, shown);
	if (got == MAP_FAILED) {
		syscall(SYS_close, connection);
		errno = err;
		return got;
	}
	lock();
	if (!add_piece((uintptr_t)got, page_up((uintptr_t)got + size), connection))
		err = ENOMEM;
	unlock();
	if (err != ENOMEM)
		return got;
	syscall(SYS_munmap, got, size);
	syscall(SYS_close, connection);
	errno = ENOMEM;
	return MAP_FAILED;
}

SEEN void *mmap(void *at, size_t size, int prot, int flags, int fd, off_t offset)
{
	void *got;

	if (flags & MAP_FIXED && has_pieces())
		forget_range((uintptr_t)at, page_up((uintptr_t)at + size));
	if (fd >= 0 && !(flags & MAP_ANONYMOUS) && fd_is_node(fd))
		return map_node(at, size, prot, flags, fd, offset);
	got = map_raw(at, size, prot, flags, fd, offset);
	return got;
}

SEEN void *mmap64(void *at, size_t size, int prot, int flags, int fd, off64_t offset)
	__attribute__((alias("mmap")));

SEEN int munmap(void *at, size_t size)
{
	int ret = (int)syscall(SYS_munmap, at, size);

	if (!ret)
		forget_range((uintptr_t)at, page_up((uintptr_t)at + size));
	return ret;
}

/* A mapping of a node that moves keeps what it has. */
SEEN void *mremap(void *at, size_t size, size_t new_size, int flags, ...)
{
	const uintptr_t start = (uintptr_t)at;
	void *to = NULL, *got;
	int connection = -1;
	va_list args;

	va_start(args, flags);
	if (flags & MREMAP_FIXED)
		to = va_arg(args, void *);
	va_end(args);
	got = (void *)syscall(SYS_mremap, at, size, new_size, flags, to);
	if (got == MAP_FAILED || !has_pieces())
		return got;
	lock();
	for (unsigned int i = 0; i < PIECES; i++)
		if (pieces[i].start != pieces[i].end && pieces[i].start <= start &&
		    pieces[i].end > start)
			connection = pieces[i].connection;
	if (connection >= 0)
		add_piece((uintptr_t)got, page_up((uintptr_t)got + new_size), connection);
	unlock();
	if (connection >= 0 && got != at)
		forget_range(start, page_up(start + size));
	return got;
}
