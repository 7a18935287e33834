// SPDX-License-Identifier: BSD-2-Clause
/*
 * CPU access to buffers that processes have begun: of one that dies it is ended, so that devices see what
 * it has written.
 */
#include <errno.h>
#include <stdlib.h>

#include <berth/dma-buf.h>

#include "serve/internal.h"

struct access {
	struct access *next;
	struct file *file; /* with a reference */
	pid_t pid;
	uint64_t flags;
};

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static struct access *all;

/* Out of the list: of that process, or of any if @pid is 0. */
static struct access *take(const struct file *file, pid_t pid)
{
	struct access **at = &all, *found;

	pthread_mutex_lock(&lock);
	while (*at && ((*at)->file != file || (pid && (*at)->pid != pid)))
		at = &(*at)->next;
	found = *at;
	if (found)
		*at = found->next;
	pthread_mutex_unlock(&lock);
	return found;
}

static void add(struct access *access)
{
	pthread_mutex_lock(&lock);
	access->next = all;
	all = access;
	pthread_mutex_unlock(&lock);
}

static void drop(struct access *access)
{
	if (access)
		fput(access->file);
	free(access);
}

void berth_port_access_end(struct file *file, pid_t pid)
{
	struct access *access;

	if (!file || !berth_dma_buf_of_file(file))
		return;
	while ((access = take(file, pid)) != NULL) {
		uint64_t flags = (access->flags & DMA_BUF_SYNC_RW) | DMA_BUF_SYNC_END;

		berth_file_ioctl(file, BERTH_DMA_BUF_IOCTL_SYNC, &flags);
		drop(access);
	}
}

/* One record per process and buffer: a second beginning adds to the first. */
static long begin(struct file *file, pid_t pid, uint64_t flags)
{
	struct access *access = take(file, pid);
	long ret;

	if (!access) {
		access = calloc(1, sizeof(*access));
		if (!access)
			return -ENOMEM;
		*access = (struct access){ .file = get_file(file), .pid = pid };
	}
	ret = berth_file_ioctl(file, BERTH_DMA_BUF_IOCTL_SYNC, &flags);
	if (!ret)
		access->flags |= flags & DMA_BUF_SYNC_RW;
	if (access->flags)
		add(access);
	else
		drop(access);
	return ret;
}

long berth_port_access(struct file *file, pid_t pid, uint64_t flags)
{
	long ret;

	if (!(flags & DMA_BUF_SYNC_END))
		return begin(file, pid, flags);
	ret = berth_file_ioctl(file, BERTH_DMA_BUF_IOCTL_SYNC, &flags);
	if (!ret)
		drop(take(file, pid));
	return ret;
}
