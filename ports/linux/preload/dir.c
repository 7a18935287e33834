// SPDX-License-Identifier: BSD-2-Clause
/* Directories: /dev, /sys/class and the like have the tree's entries behind the system's. */
#include <dirent.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "preload/internal.h"

/*
 * of: the program's
 * more: the tree's, or NULL where @of is in the tree itself
 * is_behind: the system's entries are at their end
 */
struct listing {
	struct listing *next;
	DIR *of, *more;
	bool is_behind;
};

static pthread_mutex_t dirs_lock = PTHREAD_MUTEX_INITIALIZER;
static struct listing *listings;

static void note(DIR *dir, const struct place *place)
{
	struct listing *listing = calloc(1, sizeof(*listing));

	if (!listing)
		return;
	listing->of = dir;
	if (place->kind == PATH_BOTH)
		listing->more = REAL(opendir)(place->path);
	pthread_mutex_lock(&dirs_lock);
	listing->next = listings;
	__atomic_store_n(&listings, listing, __ATOMIC_RELEASE);
	pthread_mutex_unlock(&dirs_lock);
}

/* One thread uses a directory at a time. */
static struct listing *listing_of(DIR *dir)
{
	struct listing *listing;

	if (!__atomic_load_n(&listings, __ATOMIC_RELAXED))
		return NULL;
	pthread_mutex_lock(&dirs_lock);
	for (listing = listings; listing && listing->of != dir; listing = listing->next)
		;
	pthread_mutex_unlock(&dirs_lock);
	return listing;
}

static void forget(DIR *dir)
{
	struct listing *found = NULL;

	if (!__atomic_load_n(&listings, __ATOMIC_RELAXED))
		return;
	pthread_mutex_lock(&dirs_lock);
	for (struct listing **at = &listings; *at; at = &(*at)->next)
		if ((*at)->of == dir) {
			found = *at;
			*at = found->next;
			break;
		}
	pthread_mutex_unlock(&dirs_lock);
	if (found && found->more)
		REAL(closedir)(found->more);
	free(found);
}

SEEN DIR *opendir(const char *path)
{
	struct place place;
	DIR *dir;

	if (!path_may_be_ours(AT_FDCWD, path) || path_find(AT_FDCWD, path, &place) == PATH_OTHER)
		return REAL(opendir)(path);
	if (place.kind == PATH_NODE) {
		errno = ENOTDIR;
		return NULL;
	}
	dir = REAL(opendir)(place.kind == PATH_TREE ? place.path : path);
	if (dir)
		note(dir, &place);
	return dir;
}

SEEN DIR *fdopendir(int fd)
{
	struct place place;
	DIR *dir = REAL(fdopendir)(fd);

	if (dir && path_of_fd(fd, &place) != PATH_OTHER)
		note(dir, &place);
	return dir;
}

/* What the system has of that name comes once. */
static bool is_extra(struct listing *listing, const char *name)
{
	int err = errno;
	bool is_extra = strcmp(name, ".") && strcmp(name, "..") &&
			REAL(faccessat)(dirfd(listing->of), name, F_OK, AT_SYMLINK_NOFOLLOW);

	errno = err;
	return is_extra;
}

/* Files that stand for nodes are the only ones with nothing in them that nobody may run. */
static struct dirent *show_type(DIR *dir, struct dirent *entry)
{
	struct stat status;
	int err = errno;

	if (entry && entry->d_type == DT_REG &&
	    !REAL(fstatat)(dirfd(dir), entry->d_name, &status, AT_SYMLINK_NOFOLLOW) &&
	    status_is_node(&status))
		entry->d_type = DT_CHR;
	errno = err;
	return entry;
}

SEEN struct dirent *readdir(DIR *dir)
{
	struct listing *listing = listing_of(dir);
	struct dirent *entry = NULL;

	if (!listing)
		return REAL(readdir)(dir);
	if (!listing->more)
		return show_type(dir, REAL(readdir)(dir));
	if (!listing->is_behind) {
		int err = errno;

		errno = 0;
		entry = REAL(readdir)(dir);
		if (entry || errno) {
			errno = errno ? errno : err;
			return entry;
		}
		errno = err;
		listing->is_behind = true;
	}
	do
		entry = REAL(readdir)(listing->more);
	while (entry && !is_extra(listing, entry->d_name));
	return show_type(listing->more, entry);
}

SEEN int readdir_r(DIR *dir, struct dirent *entry, struct dirent **result)
{
	int before = errno, err;
	struct dirent *next;

	errno = 0;
	next = readdir(dir);
	err = errno;
	errno = before;
	*result = next ? entry : NULL;
	if (next)
		memcpy(entry, next, next->d_reclen);
	return next ? 0 : err;
}

SEEN void rewinddir(DIR *dir)
{
	struct listing *listing = listing_of(dir);

	if (listing) {
		listing->is_behind = false;
		if (listing->more)
			REAL(rewinddir)(listing->more);
	}
	REAL(rewinddir)(dir);
}

SEEN int closedir(DIR *dir)
{
	if (dir) {
		fd_forget(dirfd(dir));
		forget(dir);
	}
	return REAL(closedir)(dir);
}

SEEN struct dirent64 *readdir64(DIR *dir) __attribute__((alias("readdir")));
SEEN int readdir64_r(DIR *dir, struct dirent64 *entry, struct dirent64 **result)
	__attribute__((alias("readdir_r")));

/* libc's own does not come here for the entries. */
static int scan(DIR *dir, struct dirent ***names, int (*chosen)(const struct dirent *),
		int (*compare)(const struct dirent **, const struct dirent **))
{
	struct dirent **list = NULL, *entry;
	size_t nr = 0, room = 0;

	while ((entry = readdir(dir)) != NULL) {
		if (chosen && !chosen(entry))
			continue;
		if (nr == room) {
			struct dirent **more;

			room = room ? 2 * room : 16;
			more = realloc(list, room * sizeof(*list));
			if (!more)
				goto fail;
			list = more;
		}
		list[nr] = malloc(entry->d_reclen);
		if (!list[nr])
			goto fail;
		memcpy(list[nr++], entry, entry->d_reclen);
	}
	if (compare && nr)
		qsort(list, nr, sizeof(*list),
		      (int (*)(const void *, const void *))(void *)compare);
	*names = list ? list : malloc(sizeof(*list));
	return (int)nr;
fail:
	while (nr)
		free(list[--nr]);
	free(list);
	errno = ENOMEM;
	return -1;
}

SEEN int scandirat(int dirfd, const char *path, struct dirent ***names,
		   int (*chosen)(const struct dirent *),
		   int (*compare)(const struct dirent **, const struct dirent **))
{
	struct place place;
	DIR *dir;
	int fd, ret, err;

	if (!path_may_be_ours(dirfd, path) || path_find(dirfd, path, &place) == PATH_OTHER)
		return REAL(scandirat)(dirfd, path, names, chosen, compare);
	fd = openat(dirfd, path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	dir = fd >= 0 ? fdopendir(fd) : NULL;
	if (!dir) {
		err = errno;
		if (fd >= 0)
			close(fd);
		errno = err;
		return -1;
	}
	ret = scan(dir, names, chosen, compare);
	err = errno;
	closedir(dir);
	errno = err;
	return ret;
}

SEEN int scandir(const char *path, struct dirent ***names, int (*chosen)(const struct dirent *),
		 int (*compare)(const struct dirent **, const struct dirent **))
{
	return scandirat(AT_FDCWD, path, names, chosen, compare);
}

SEEN int scandir64(const char *path, struct dirent64 ***names,
		   int (*chosen)(const struct dirent64 *),
		   int (*compare)(const struct dirent64 **, const struct dirent64 **))
	__attribute__((alias("scandir")));
SEEN int scandirat64(int dirfd, const char *path, struct dirent64 ***names,
		     int (*chosen)(const struct dirent64 *),
		     int (*compare)(const struct dirent64 **, const struct dirent64 **))
	__attribute__((alias("scandirat")));
