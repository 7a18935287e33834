// SPDX-License-Identifier: BSD-2-Clause
/* glob(), and walks over a directory with all that is below it. */
#include <dirent.h>
#include <fcntl.h>
#include <fts.h>
#include <ftw.h>
#include <glob.h>
#include <stdlib.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "preload/internal.h"

static void *glob_open(const char *path)
{
	return opendir(path);
}

static void glob_close(void *dir)
{
	closedir(dir);
}

static struct dirent *glob_read(void *dir)
{
	return readdir(dir);
}

/* With the functions of ours, unless the program has its own. */
SEEN int glob(const char *pattern, int flags, int (*error)(const char *path, int err),
	      glob_t *found)
{
	int ret;

	if (flags & GLOB_ALTDIRFUNC || !path_may_be_ours(AT_FDCWD, pattern))
		return REAL(glob)(pattern, flags, error, found);
	found->gl_opendir = glob_open;
	found->gl_closedir = glob_close;
	found->gl_readdir = glob_read;
	found->gl_stat = stat;
	found->gl_lstat = lstat;
	ret = REAL(glob)(pattern, flags | GLOB_ALTDIRFUNC, error, found);
	found->gl_flags &= ~GLOB_ALTDIRFUNC;
	return ret;
}

SEEN int glob64(const char *pattern, int flags, int (*error)(const char *path, int err),
		glob64_t *found) __attribute__((alias("glob")));

/* Of one walk: both kinds of function, and what is asked for. */
struct walk {
	__nftw_func_t nftw;
	__ftw_func_t ftw;
	int flags;
	dev_t dev;
	char path[PATH_ROOM];
};

static int visit(struct walk *walk, const struct stat *status, int type, int base, int level)
{
	struct FTW place = { .base = base, .level = level };

	return walk->nftw ? walk->nftw(walk->path, status, type, &place)
			  : walk->ftw(walk->path, status, type == FTW_SL ? FTW_F : type);
}

static int walk_at(struct walk *walk, int base, int level);

static int walk_entries(struct walk *walk, DIR *dir, int level)
{
	const size_t size = strlen(walk->path);
	struct dirent *entry;
	int ret = 0;

	while (!ret && (entry = readdir(dir)) != NULL) {
		if (!strcmp(entry->d_name, ".") || !strcmp(entry->d_name, ".."))
			continue;
		if (size + strlen(entry->d_name) + 2 > sizeof(walk->path))
			continue;
		walk->path[size] = '/';
		strcpy(walk->path + size + 1, entry->d_name);
		ret = walk_at(walk, (int)size + 1, level + 1);
		walk->path[size] = '\0';
	}
	return ret;
}

/* A link to a directory is followed without FTW_PHYS, as deep as paths go. */
static int walk_at(struct walk *walk, int base, int level)
{
	const bool is_physical = walk->flags & FTW_PHYS, is_depth = walk->flags & FTW_DEPTH;
	struct stat status;
	DIR *dir;
	int ret, type;

	if (is_physical ? lstat(walk->path, &status) : stat(walk->path, &status)) {
		if (is_physical || lstat(walk->path, &status))
			return visit(walk, &status, FTW_NS, base, level);
		return visit(walk, &status, FTW_SLN, base, level);
	}
	if (walk->flags & FTW_MOUNT && status.st_dev != walk->dev)
		return 0;
	if (!S_ISDIR(status.st_mode)) {
		type = S_ISLNK(status.st_mode) ? FTW_SL : FTW_F;
		return visit(walk, &status, type, base, level);
	}
	dir = opendir(walk->path);
	if (!dir)
		return visit(walk, &status, FTW_DNR, base, level);
	ret = is_depth ? 0 : visit(walk, &status, FTW_D, base, level);
	if (!ret)
		ret = walk_entries(walk, dir, level);
	if (!ret && is_depth)
		ret = visit(walk, &status, FTW_DP, base, level);
	closedir(dir);
	return ret;
}

static int walk_from(const char *path, struct walk *walk)
{
	const char *base = strrchr(path, '/');
	struct stat status;

	if (lstat(path, &status))
		return -1;
	walk->dev = status.st_dev;
	strcpy(walk->path, path);
	return walk_at(walk, base ? (int)(base - path) + 1 : 0, 0);
}

SEEN int nftw(const char *path, __nftw_func_t fn, int depth, int flags)
{
	struct walk walk = { .nftw = fn, .flags = flags };

	if (!path_may_be_ours(AT_FDCWD, path) || flags & (FTW_CHDIR | FTW_ACTIONRETVAL) ||
	    strlen(path) >= sizeof(walk.path))
		return REAL(nftw)(path, fn, depth, flags);
	return walk_from(path, &walk);
}

SEEN int ftw(const char *path, __ftw_func_t fn, int depth)
{
	struct walk walk = { .ftw = fn };

	if (!path_may_be_ours(AT_FDCWD, path) || strlen(path) >= sizeof(walk.path))
		return REAL(ftw)(path, fn, depth);
	return walk_from(path, &walk);
}

SEEN int nftw64(const char *path, __nftw64_func_t fn, int depth, int flags)
	__attribute__((alias("nftw")));
SEEN int ftw64(const char *path, __ftw64_func_t fn, int depth) __attribute__((alias("ftw")));

/* Directories that the tree alone has are walked under their paths there. */
SEEN FTS *fts_open(char *const *paths, int options,
		   int (*compare)(const FTSENT **, const FTSENT **))
{
	size_t nr = 0;
	char **own;
	FTS *fts;

	while (paths[nr])
		nr++;
	own = calloc(nr + 1, sizeof(*own));
	if (!own)
		return NULL;
	for (size_t i = 0; i < nr; i++) {
		struct place place;
		const bool is_ours = path_find(AT_FDCWD, paths[i], &place) == PATH_TREE;

		own[i] = strdup(is_ours ? place.path : paths[i]);
	}
	fts = REAL(fts_open)(own, options, compare);
	for (size_t i = 0; i < nr; i++)
		free(own[i]);
	free(own);
	return fts;
}

SEEN FTSENT *fts_read(FTS *fts)
{
	FTSENT *entry = REAL(fts_read)(fts);

	if (entry && entry->fts_statp)
		status_show(entry->fts_statp);
	return entry;
}
