// SPDX-License-Identifier: BSD-2-Clause
/*
 * When does a mapping end? The program may unmap a part of it, move it, fork, and be killed. But as long as
 * there is some of it the kernel holds the open file. So the program gets a file of its own, opened anew,
 * with a lock on a byte far behind the end that belongs to this open file: the lock goes with the last
 * mapping and descriptor of it, and inotify tells when to look.
 */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/inotify.h>
#include <unistd.h>

#include "launcher-internal.h"

#define LOCKS ((off_t)1 << 60)
#define PATIENCE_MOST_MS 1000

/* connection: to the server; memory: the server's file; byte: which is locked; watch: of its inode */
struct mapped {
	struct mapped *next;
	int connection, memory, watch;
	off_t byte;
};

/* Of all that follows. */
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static struct mapped *all;
static off_t last_byte = LOCKS;
static int notifier = -1;
/* To look again: what has ended is told a moment before its lock is gone. -1: nothing to wait for. */
static int patience = -1;

int launcher_mapped_open(void)
{
	notifier = inotify_init1(IN_NONBLOCK | IN_CLOEXEC);
	return notifier;
}

static struct flock lock_of(off_t where, short type)
{
	return (struct flock){ .l_type = type, .l_whence = SEEK_SET, .l_start = where, .l_len = 1 };
}

static bool is_held(const struct mapped *mapped)
{
	struct flock test = lock_of(mapped->byte, F_WRLCK);

	return fcntl(mapped->memory, F_OFD_GETLK, &test) || test.l_type != F_UNLCK;
}

static void forget(struct mapped *mapped)
{
	bool is_watched = false;

	for (struct mapped *other = all; other; other = other->next)
		is_watched |= other->watch == mapped->watch;
	if (!is_watched)
		inotify_rm_watch(notifier, mapped->watch);
	close(mapped->connection);
	close(mapped->memory);
	free(mapped);
}

/* The program's own file: not the server's, which the server holds itself. */
static int open_anew(struct mapped *mapped)
{
	const int mode = fcntl(mapped->memory, F_GETFL) & O_ACCMODE;
	struct flock own = lock_of(mapped->byte, F_RDLCK);
	char path[64];
	int fd;

	snprintf(path, sizeof(path), "/proc/self/fd/%d", mapped->memory);
	fd = open(path, mode | O_CLOEXEC);
	if (fd < 0)
		return -errno;
	mapped->watch = inotify_add_watch(notifier, path, IN_CLOSE);
	if (mapped->watch >= 0 && !fcntl(fd, F_OFD_SETLK, &own))
		return fd;
	close(fd);
	return -ENOMEM;
}

static int add(int connection, int memory)
{
	struct mapped *mapped = calloc(1, sizeof(*mapped));
	int fd = -ENOMEM;

	if (mapped) {
		*mapped = (struct mapped){
			.connection = connection, .memory = memory, .watch = -1, .byte = ++last_byte
		};
		fd = open_anew(mapped);
	}
	if (fd < 0) {
		close(connection);
		close(memory);
		free(mapped);
		return fd;
	}
	mapped->next = all;
	all = mapped;
	return fd;
}

int launcher_mapped_add(int connection, int memory)
{
	int fd;

	pthread_mutex_lock(&lock);
	fd = add(connection, memory);
	pthread_mutex_unlock(&lock);
	return fd;
}

bool launcher_mapped_has(int fd)
{
	struct stat what, memory;
	bool has = false;

	if (fstat(fd, &what))
		return false;
	pthread_mutex_lock(&lock);
	for (struct mapped *mapped = all; mapped && !has; mapped = mapped->next)
		has = !fstat(mapped->memory, &memory) && memory.st_dev == what.st_dev &&
		      memory.st_ino == what.st_ino;
	pthread_mutex_unlock(&lock);
	return has;
}

static bool was_told(void)
{
	_Alignas(struct inotify_event) char events[1024];
	bool is_told = false;
	ssize_t got;

	while ((got = read(notifier, events, sizeof(events))) > 0)
		is_told = true;
	return is_told;
}

int launcher_mapped_look(void)
{
	if (was_told())
		patience = 1;
	if (patience < 0)
		return -1;
	pthread_mutex_lock(&lock);
	for (struct mapped **at = &all; *at;) {
		struct mapped *mapped = *at;

		if (is_held(mapped)) {
			at = &mapped->next;
			continue;
		}
		*at = mapped->next;
		forget(mapped);
	}
	patience = all && patience <= PATIENCE_MOST_MS ? patience * 2 : -1;
	pthread_mutex_unlock(&lock);
	return patience;
}
