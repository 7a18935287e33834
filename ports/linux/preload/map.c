// SPDX-License-Identifier: BSD-2-Clause
/*
 * Mappings of nodes. Each has a connection to the server, which holds the node open: a descriptor that
 * the program does not know of, closed with the last page. A child of fork() has a copy; exec() closes it.
 */
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <stdarg.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "preload/internal.h"

#define PIECES 1024 /* of all mappings */
#define FROM_TOP 256

/*
 * Pages that are mapped still.
 * connection: of a free one -1; read without the lock
 * is_new: of the call that is under way
 */
struct piece {
	uintptr_t start, end; /* start == end: free */
	int connection;
	bool is_new;
};

/*
 * What the kernel has mapped and what is written here change together, under the lock: another thread may be given
 * an address as soon as it is free. Signals wait meanwhile, since a handler may map, unmap and fork.
 */
static pthread_mutex_t maps_lock = PTHREAD_MUTEX_INITIALIZER;
static sigset_t signals_before; /* of who has the lock */
static struct piece pieces[PIECES];
static uint32_t nr_pieces;
static pthread_once_t once = PTHREAD_ONCE_INIT;

static void lock(void)
{
	sigset_t all, before;

	sigfillset(&all);
	pthread_sigmask(SIG_SETMASK, &all, &before);
	pthread_mutex_lock(&maps_lock);
	signals_before = before;
}

static void unlock(void)
{
	const sigset_t before = signals_before;

	pthread_mutex_unlock(&maps_lock);
	pthread_sigmask(SIG_SETMASK, &before, NULL);
}

static void prepare(void)
{
	pthread_atfork(lock, unlock, unlock);
}

static bool has_pieces(void)
{
	return __atomic_load_n(&nr_pieces, __ATOMIC_RELAXED) != 0;
}

/* Without the lock, as close() is called by signal handlers. 0 is of one that was never used. */
static int connection_of(const struct piece *piece)
{
	const int connection = __atomic_load_n(&piece->connection, __ATOMIC_RELAXED);

	return connection > 0 ? connection : -1;
}

bool maps_is_hidden(int fd)
{
	if (!has_pieces() || fd < 0)
		return false;
	for (unsigned int i = 0; i < PIECES; i++)
		if (connection_of(&pieces[i]) == fd)
			return true;
	return false;
}

int maps_next_hidden(unsigned int first, unsigned int last)
{
	unsigned int found = ~0u;

	if (!has_pieces())
		return -1;
	for (unsigned int i = 0; i < PIECES; i++) {
		const int connection = connection_of(&pieces[i]);
		const unsigned int fd = (unsigned int)connection;

		if (connection >= 0 && fd >= first && fd <= last && fd < found)
			found = fd;
	}
	return found == ~0u ? -1 : (int)found;
}

/* All that follows until the calls that libc has: with the lock. */

static bool is_within(const struct piece *piece, uintptr_t start, uintptr_t end)
{
	return piece->start < end && piece->end > start;
}

static struct piece *add_piece(uintptr_t start, uintptr_t end, int connection)
{
	for (unsigned int i = 0; i < PIECES; i++)
		if (pieces[i].start == pieces[i].end) {
			pieces[i].start = start;
			pieces[i].end = end;
			__atomic_store_n(&pieces[i].connection, connection, __ATOMIC_RELAXED);
			__atomic_store_n(&nr_pieces, nr_pieces + 1, __ATOMIC_RELAXED);
			return &pieces[i];
		}
	return NULL;
}

static void drop_piece(struct piece *piece)
{
	const int connection = piece->connection;

	piece->start = piece->end = 0;
	__atomic_store_n(&piece->connection, -1, __ATOMIC_RELAXED);
	__atomic_store_n(&nr_pieces, nr_pieces - 1, __ATOMIC_RELAXED);
	for (unsigned int i = 0; i < PIECES; i++)
		if (pieces[i].start != pieces[i].end && pieces[i].connection == connection)
			return;
	syscall(SYS_close, connection);
}

/*
 * Nothing of ours is mapped there any more, but what is new. Without room for a second piece the hole stays in
 * the first.
 */
static void forget_range(uintptr_t start, uintptr_t end)
{
	for (unsigned int i = 0; i < PIECES; i++) {
		struct piece *piece = &pieces[i];

		if (piece->is_new || !is_within(piece, start, end))
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
	if (hidden < 0 && fd <= 2)
		hidden = fcntl(fd, F_DUPFD_CLOEXEC, 3);
	if (hidden < 0)
		return fd;
	syscall(SYS_close, fd);
	return hidden;
}

static void *map_raw(void *at, size_t size, int prot, int flags, int fd, off_t offset)
{
	return (void *)syscall(SYS_mmap, at, size, prot, flags, fd, offset);
}

/* What was mapped there before is forgotten when that has worked. */
static void *map_piece(void *at, size_t size, int prot, int flags, int shown, off_t offset,
		       int connection)
{
	struct piece *piece;
	uintptr_t start;
	void *got;

	if (nr_pieces == PIECES) {
		errno = ENOMEM;
		return MAP_FAILED;
	}
	got = map_raw(at, size, prot, flags, shown, offset);
	if (got == MAP_FAILED)
		return got;
	start = (uintptr_t)got;
	piece = add_piece(start, page_up(start + size), connection);
	piece->is_new = true;
	forget_range(start, page_up(start + size));
	piece->is_new = false;
	return got;
}

static void *map_node(void *at, size_t size, int prot, int flags, int fd, off_t offset)
{
	int connection, shown, err;
	uint64_t at_file;
	void *got;

	if (!size || offset < 0)
		return (void *)failed(-EINVAL);
	shown = berth_client_map_at(fd, (uint64_t)offset, page_up(size), &at_file, &connection);
	if (shown < 0)
		return (void *)failed(if_lost(shown, -ENODEV));
	connection = hide(connection);
	pthread_once(&once, prepare);
	lock();
	got = map_piece(at, size, prot, flags, shown, (off_t)at_file, connection);
	err = errno;
	unlock();
	syscall(SYS_close, shown);
	if (got == MAP_FAILED)
		syscall(SYS_close, connection);
	errno = err;
	return got;
}

SEEN void *mmap(void *at, size_t size, int prot, int flags, int fd, off_t offset)
{
	void *got;

	if (fd >= 0 && !(flags & MAP_ANONYMOUS) && fd_is_node_now(fd))
		return map_node(at, size, prot, flags, fd, offset);
	if (!(flags & MAP_FIXED) || !has_pieces())
		return map_raw(at, size, prot, flags, fd, offset);
	lock();
	got = map_raw(at, size, prot, flags, fd, offset);
	if (got != MAP_FAILED)
		forget_range((uintptr_t)at, page_up((uintptr_t)at + size));
	unlock();
	return got;
}

SEEN void *mmap64(void *at, size_t size, int prot, int flags, int fd, off64_t offset)
	__attribute__((alias("mmap")));

SEEN int munmap(void *at, size_t size)
{
	int ret;

	if (!has_pieces())
		return (int)syscall(SYS_munmap, at, size);
	lock();
	ret = (int)syscall(SYS_munmap, at, size);
	if (!ret)
		forget_range((uintptr_t)at, page_up((uintptr_t)at + size));
	unlock();
	return ret;
}

static unsigned int count_within(uintptr_t start, uintptr_t end)
{
	unsigned int nr = 0;

	for (unsigned int i = 0; i < PIECES; i++)
		nr += is_within(&pieces[i], start, end);
	return nr;
}

/* What is in [start, end) is at @to as well; its end is @grown further. There is room for it. */
static void copy_pieces(uintptr_t start, uintptr_t end, uintptr_t to, uintptr_t grown)
{
	for (unsigned int i = 0; i < PIECES; i++) {
		const struct piece *piece = &pieces[i];
		const uintptr_t first = piece->start > start ? piece->start : start;
		const uintptr_t last = piece->end < end ? piece->end : end;

		if (piece->is_new || !is_within(piece, start, end))
			continue;
		add_piece(to + (first - start), to + (last - start) + (last == end ? grown : 0),
			  piece->connection)
			->is_new = true;
	}
}

/* A mapping that moves, grows or shrinks keeps what it has. @size 0: it stays where it was, too. */
static void *remap(void *at, size_t size, size_t new_size, int flags, void *to)
{
	const uintptr_t start = (uintptr_t)at;
	const size_t kept = page_up(!size ? 1 : size < new_size ? size : new_size);
	const bool is_left = !size || flags & MREMAP_DONTUNMAP;
	uintptr_t new_start;
	void *got;

	if (count_within(start, start + kept) > PIECES - nr_pieces) {
		errno = ENOMEM;
		return MAP_FAILED;
	}
	got = (void *)syscall(SYS_mremap, at, size, new_size, flags, to);
	if (got == MAP_FAILED)
		return got;
	new_start = (uintptr_t)got;
	copy_pieces(start, start + kept, new_start, page_up(new_size) - kept);
	if (!is_left)
		forget_range(start, page_up(start + size));
	forget_range(new_start, page_up(new_start + new_size));
	for (unsigned int i = 0; i < PIECES; i++)
		pieces[i].is_new = false;
	return got;
}

SEEN void *mremap(void *at, size_t size, size_t new_size, int flags, ...)
{
	void *to = NULL, *got;
	va_list args;

	va_start(args, flags);
	if (flags & MREMAP_FIXED)
		to = va_arg(args, void *);
	va_end(args);
	if (!has_pieces())
		return (void *)syscall(SYS_mremap, at, size, new_size, flags, to);
	lock();
	got = remap(at, size, new_size, flags, to);
	unlock();
	return got;
}
