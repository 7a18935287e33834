// SPDX-License-Identifier: BSD-2-Clause
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <stdio.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include "run.h"

#include "launcher-internal.h"

static bool write_file(const char *path, const char *text)
{
	const int fd = open(path, O_WRONLY | O_CLOEXEC);
	bool is_written;

	if (fd < 0)
		return false;
	is_written = write(fd, text, strlen(text)) == (ssize_t)strlen(text);
	close(fd);
	return is_written;
}

/* Users stay who they are, but all others are nobody there. */
static int enter_user_namespace(void)
{
	const unsigned int uid = geteuid(), gid = getegid();
	char users[40], groups[40];

	if (unshare(CLONE_NEWUSER | CLONE_NEWNS))
		return launcher_unusable("user namespaces are not permitted here", errno);
	snprintf(users, sizeof(users), "%u %u 1", uid, uid);
	snprintf(groups, sizeof(groups), "%u %u 1", gid, gid);
	if (!write_file("/proc/self/uid_map", users) ||
	    !write_file("/proc/self/setgroups", "deny") ||
	    !write_file("/proc/self/gid_map", groups))
		return launcher_unusable("no user can be had in a user namespace", errno);
	return RUN_DONE;
}

int launcher_enter(void)
{
	if (unshare(CLONE_NEWNS)) {
		const int ret = enter_user_namespace();

		if (ret)
			return ret;
	}
	if (mount(NULL, "/", NULL, MS_REC | MS_SLAVE, NULL))
		return launcher_unusable("mounts cannot be made here", errno);
	return RUN_DONE;
}

static int bind_file(int dir, const char *entry, const char *to)
{
	char from[PATH_MAX];

	snprintf(from, sizeof(from), "/proc/self/fd/%d/%s", dir, entry);
	return mount(from, to, NULL, MS_BIND | MS_REC, NULL);
}

static int copy_link(int dir, const char *entry, const char *to)
{
	char text[PATH_MAX];
	const ssize_t length = readlinkat(dir, entry, text, sizeof(text) - 1);

	if (length < 0)
		return -1;
	text[length] = '\0';
	return symlink(text, to);
}

static int make_file(const char *path)
{
	const int fd = open(path, O_CREAT | O_WRONLY | O_CLOEXEC, 0600);

	return fd < 0 ? -1 : close(fd);
}

static bool is_terminal_maker(const struct stat *stat)
{
	return S_ISCHR(stat->st_mode) && stat->st_rdev == makedev(5, 2);
}

/* It looks for "pts" in its own mount, beside itself: so all that was there is mounted once more. */
static void carry_terminal_maker(int all, const char *path)
{
	char to[PATH_MAX], link[PATH_MAX];

	snprintf(to, sizeof(to), "%s/.berth", path);
	snprintf(link, sizeof(link), "%s/ptmx", path);
	if (!mkdir(to, 0755) && !move_mount(all, "", AT_FDCWD, to, MOVE_MOUNT_F_EMPTY_PATH))
		(void)!symlink(".berth/ptmx", link);
}

/* @to becomes the same as the entry of @dir: a copy of a link, and a mount of anything else. */
static int carry(int dir, const char *entry, const char *to)
{
	struct stat stat;

	if (fstatat(dir, entry, &stat, AT_SYMLINK_NOFOLLOW))
		return -1;
	if (S_ISLNK(stat.st_mode))
		return copy_link(dir, entry, to);
	if (S_ISDIR(stat.st_mode) ? mkdir(to, 0755) : make_file(to))
		return -1;
	if (!bind_file(dir, entry, to))
		return 0;
	remove(to);
	return -1;
}

static struct dirent *next_entry(DIR *dir)
{
	struct dirent *entry;

	do
		entry = readdir(dir);
	while (entry && (!strcmp(entry->d_name, ".") || !strcmp(entry->d_name, "..")));
	return entry;
}

static DIR *open_dir(int dir, const char *path)
{
	const int fd = openat(dir, path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	DIR *opened = fd < 0 ? NULL : fdopendir(fd);

	if (fd >= 0 && !opened)
		close(fd);
	return opened;
}

static void carry_all(DIR *old, int all, const char *path)
{
	char to[PATH_MAX];
	struct dirent *entry;
	struct stat stat;

	while ((entry = next_entry(old))) {
		if (!strcmp(entry->d_name, "ptmx") &&
		    !fstatat(dirfd(old), entry->d_name, &stat, AT_SYMLINK_NOFOLLOW) &&
		    is_terminal_maker(&stat)) {
			carry_terminal_maker(all, path);
			continue;
		}
		snprintf(to, sizeof(to), "%s/%s", path, entry->d_name);
		(void)carry(dirfd(old), entry->d_name, to);
	}
}

/* A directory in which files can be made, with all that was there. What may not be carried over is not there. */
static int cover(const char *path)
{
	const int all =
		open_tree(AT_FDCWD, path, OPEN_TREE_CLONE | OPEN_TREE_CLOEXEC | AT_RECURSIVE);
	DIR *old = open_dir(AT_FDCWD, path);
	int ret = RUN_DONE;

	if (all < 0 || !old || mount("berth", path, "tmpfs", MS_NOSUID, "mode=755,size=1m"))
		ret = launcher_unusable(path, errno);
	else
		carry_all(old, all, path);
	if (old)
		closedir(old);
	if (all >= 0)
		close(all);
	return ret;
}

static bool has_all(const char *path, DIR *tree)
{
	char to[PATH_MAX];
	struct dirent *entry;
	struct stat stat;
	bool has = true;

	while (has && (entry = next_entry(tree))) {
		snprintf(to, sizeof(to), "%s/%s", path, entry->d_name);
		has = !lstat(to, &stat);
	}
	rewinddir(tree);
	return has;
}

static int merge(struct launcher *launcher, int parent, const char *entry, const char *path,
		 bool is_dev, bool is_new);

/* One entry of the tree. Nodes and their directories are made; what is new under /sys is mounted. */
static int place(struct launcher *launcher, int tree, const char *entry, const char *path,
		 bool is_dev)
{
	char to[PATH_MAX];
	struct stat here, there;
	bool is_there;

	snprintf(to, sizeof(to), "%s/%s", path, entry);
	if (fstatat(tree, entry, &here, AT_SYMLINK_NOFOLLOW))
		return RUN_DONE;
	is_there = !lstat(to, &there);
	if (S_ISDIR(here.st_mode) && (is_dev || (is_there && S_ISDIR(there.st_mode)))) {
		if (!is_there && mkdir(to, 0755))
			return launcher_unusable(to, errno);
		return merge(launcher, tree, entry, to, is_dev, !is_there);
	}
	if (is_dev && S_ISREG(here.st_mode) && here.st_mode & S_ISVTX) {
		if (!is_there && make_file(to))
			return launcher_unusable(to, errno);
		return launcher_stand_in(launcher, tree, entry, to);
	}
	if (is_there ? !S_ISLNK(here.st_mode) && bind_file(tree, entry, to)
		     : carry(tree, entry, to))
		return launcher_unusable(to, errno);
	return RUN_DONE;
}

/* The tree's directory @entry of @parent into @path, which is covered unless it has all or @is_new. */
static int merge(struct launcher *launcher, int parent, const char *entry, const char *path,
		 bool is_dev, bool is_new)
{
	DIR *tree = open_dir(parent, entry);
	struct dirent *next;
	int ret = RUN_DONE;

	if (!tree)
		return errno == ENOENT ? RUN_DONE : launcher_unusable(entry, errno);
	if (!is_new && !has_all(path, tree))
		ret = cover(path);
	while (!ret && (next = next_entry(tree)))
		ret = place(launcher, dirfd(tree), next->d_name, path, is_dev);
	closedir(tree);
	return ret;
}

int launcher_place(struct launcher *launcher)
{
	struct stat stat;
	int ret, tree = open(launcher->tree, O_RDONLY | O_DIRECTORY | O_CLOEXEC);

	if (tree < 0 || fstat(tree, &stat)) {
		ret = launcher_unusable(launcher->tree, errno);
	} else {
		launcher->tree_dev = stat.st_dev;
		ret = merge(launcher, tree, "dev", "/dev", true, false);
		if (!ret)
			ret = merge(launcher, tree, "sys", "/sys", false, false);
	}
	if (tree >= 0)
		close(tree);
	return ret;
}
