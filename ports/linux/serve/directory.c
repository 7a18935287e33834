// SPDX-License-Identifier: BSD-2-Clause
/*
 * The directory of the tree. It has a file "server" with the server's name, which the server keeps locked: the kernel
 * takes the lock away when the server ends, however it does. So a directory with that name in its file, and without a lock, was
 * left by one that was killed. The name is in the file only when it is locked.
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "serve/internal.h"

#define TEMPLATE "berth-XXXXXX"
#define LOCK_FILE "server"

static int remove_entry(const char *path, const struct stat *status, int type, struct FTW *place)
{
	(void)status;
	(void)type;
	(void)place;
	remove(path);
	return 0;
}

/* The file with the name last: a directory without it is nobody's any more. */
static void remove_all(const char *path)
{
	static const char *const names[] = { "dev", "sys" };
	char part[PATH_MAX];

	for (unsigned int i = 0; i < ARRAY_SIZE(names); i++) {
		snprintf(part, sizeof(part), "%s/%s", path, names[i]);
		nftw(part, remove_entry, 8, FTW_DEPTH | FTW_PHYS);
	}
	snprintf(part, sizeof(part), "%s/" LOCK_FILE, path);
	unlink(part);
	rmdir(path);
}

/* Of the same user and with the same name as this server, which the system gives to one at a time. */
static bool is_left_behind(int lock)
{
	char name[BERTH_SERVE_NAME_MOST + 1];
	struct stat status;
	ssize_t size;

	if (fstat(lock, &status) || !S_ISREG(status.st_mode) || status.st_uid != geteuid() ||
	    flock(lock, LOCK_EX | LOCK_NB))
		return false;
	size = pread(lock, name, sizeof(name), 0);
	return size > 0 && (size_t)size == strlen(server.name) + 1 &&
	       !memcmp(name, server.name, (size_t)size);
}

static void remove_stale(int parent, const char *parent_path, const char *name)
{
	const int dir = openat(parent, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	char path[PATH_MAX];
	struct stat status;
	int lock = -1;

	if (dir >= 0 && !fstat(dir, &status) && status.st_uid == geteuid())
		lock = openat(dir, LOCK_FILE, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
	if (lock >= 0 && is_left_behind(lock) &&
	    snprintf(path, sizeof(path), "%s/%s", parent_path, name) < (int)sizeof(path))
		remove_all(path);
	if (lock >= 0)
		close(lock);
	if (dir >= 0)
		close(dir);
}

static void remove_stale_below(const char *parent)
{
	DIR *dir = parent && parent[0] == '/' ? opendir(parent) : NULL;
	const struct dirent *entry;

	while (dir && (entry = readdir(dir)) != NULL)
		if (strlen(entry->d_name) == strlen(TEMPLATE) &&
		    !strncmp(entry->d_name, TEMPLATE, strcspn(TEMPLATE, "X")))
			remove_stale(dirfd(dir), parent, entry->d_name);
	if (dir)
		closedir(dir);
}

/* Return: the lock, or -1. */
static int claim(const char *path)
{
	const size_t size = strlen(server.name) + 1;
	char file[PATH_MAX];
	int lock;

	snprintf(file, sizeof(file), "%s/" LOCK_FILE, path);
	lock = open(file, O_RDWR | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
	if (lock >= 0 && !flock(lock, LOCK_EX | LOCK_NB) &&
	    write(lock, server.name, size) == (ssize_t)size)
		return lock;
	if (lock >= 0)
		close(lock);
	return -1;
}

static int make_below(const char *parent, char *path, size_t size)
{
	int lock, err;

	if (!parent || parent[0] != '/' ||
	    snprintf(path, size, "%s/" TEMPLATE, parent) >= (int)size) {
		errno = ENOENT;
		return -1;
	}
	if (!mkdtemp(path))
		return -1;
	lock = claim(path);
	if (lock >= 0)
		return lock;
	err = errno;
	remove_all(path);
	errno = err;
	return -1;
}

int berth_port_directory_make(char *path, size_t size)
{
	const char *const parents[] = { getenv("XDG_RUNTIME_DIR"), getenv("TMPDIR"), "/tmp" };
	int lock = -1;

	for (unsigned int i = 0; i < ARRAY_SIZE(parents); i++)
		remove_stale_below(parents[i]);
	for (unsigned int i = 0; i < ARRAY_SIZE(parents) && lock < 0; i++)
		lock = make_below(parents[i], path, size);
	if (lock < 0)
		path[0] = '\0';
	return lock < 0 ? -errno : lock;
}

void berth_port_directory_remove(const char *path, int lock)
{
	remove_all(path);
	close(lock);
}
