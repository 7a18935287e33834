// SPDX-License-Identifier: BSD-2-Clause
#include <ctype.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/sysmacros.h>
#include <time.h>
#include <unistd.h>

#include "run.h"

#include "launcher-internal.h"

static bool is_uio(const char *name)
{
	if (strncmp(name, "uio", 3) || !name[3])
		return false;
	for (name += 3; *name; name++)
		if (!isdigit((unsigned char)*name))
			return false;
	return true;
}

/* Returns the terminal's other end. */
static int mount_terminal(const char *path, mode_t mode)
{
	char name[64];
	const int fd = posix_openpt(O_RDWR | O_NOCTTY | O_CLOEXEC);

	if (fd < 0)
		return -1;
	if (!unlockpt(fd) && !ptsname_r(fd, name, sizeof(name)) && !chmod(name, mode) &&
	    !mount(name, path, NULL, MS_BIND, NULL))
		return fd;
	close(fd);
	return -1;
}

/* From now on open() fails. Not before all are there: no two of them have the same inode number. */
void launcher_close_stand_ins(struct launcher *launcher)
{
	for (unsigned int i = 0; i < launcher->nr_nodes; i++)
		close(launcher->nodes[i].terminal);
}

int launcher_stand_in(struct launcher *launcher, int tree, const char *entry, const char *path)
{
	struct launcher_node *node = &launcher->nodes[launcher->nr_nodes];
	struct stat stat;

	if (launcher->nr_nodes == LAUNCHER_NODES)
		return launcher_unusable("the server has too many nodes", 0);
	if (fstatat(tree, entry, &stat, AT_SYMLINK_NOFOLLOW))
		return launcher_unusable(path, errno);
	snprintf(node->name, sizeof(node->name), "%s", path + sizeof("/dev/") - 1);
	node->is_counted = is_uio(node->name);
	node->mode = S_IFCHR | (stat.st_mode & 0777);
	node->number =
		makedev((unsigned int)stat.st_mtim.tv_sec, (unsigned int)stat.st_mtim.tv_nsec);
	node->terminal = mount_terminal(path, stat.st_mode & 0777);
	if (node->terminal < 0 || lstat(path, &node->stand_in))
		return launcher_unusable(path, errno);
	/* A terminal has no times before it is used. */
	clock_gettime(CLOCK_REALTIME_COARSE, &node->stand_in.st_mtim);
	node->stand_in.st_atim = node->stand_in.st_ctim = node->stand_in.st_mtim;
	launcher->nr_nodes++;
	return RUN_DONE;
}
