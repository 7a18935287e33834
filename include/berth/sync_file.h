/* SPDX-License-Identifier: BSD-2-Clause */
/**
 * DOC: sync_file - a fence as a file (linux/sync_file.h)
 *
 * What programs hold of a fence: they poll() it, merge two into one, and ask what is in it. A fence
 * gets in and out of a buffer's reservation by the requests BERTH_DMA_BUF_IOCTL_EXPORT_SYNC_FILE and
 * BERTH_DMA_BUF_IOCTL_IMPORT_SYNC_FILE (berth/dma-buf.h). Meaning: Documentation/driver-api/sync_file.rst and
 * include/uapi/linux/sync_file.h. docs/dma-buf-processes.md shows their use.
 */
#ifndef BERTH_SYNC_FILE_H
#define BERTH_SYNC_FILE_H

#include <berth/dma-fence.h>
#include <berth/fs.h>
#include <berth/types.h>
#include <berth/wait.h>

#include <berth/names.h>

BERTH_BEGIN_DECLS

/* Bytes of the names below, the end mark included. */
#define BERTH_SYNC_NAME_LEN 32

/* Requests of ioctl(); numbers and layouts of <linux/sync_file.h>. */
#define BERTH_SYNC_IOC_MERGE 0xc0303e03u
#define BERTH_SYNC_IOC_FILE_INFO 0xc0383e04u

/**
 * struct berth_sync_merge_data - BERTH_SYNC_IOC_MERGE: one file for the fences of two
 * @name: of the new file
 * @fd2: the other one
 * @fence: out: the new one
 * @flags: 0
 * @pad: 0
 */
struct berth_sync_merge_data {
	char name[BERTH_SYNC_NAME_LEN];
	int32_t fd2;
	int32_t fence;
	uint32_t flags;
	uint32_t pad;
};

/**
 * struct berth_sync_fence_info - one fence
 * @obj_name: its timeline; of a program's timeline the program
 * @driver_name: who signals it
 * @status: 0 not yet, 1 signalled, a negative errno value
 * @flags: 0
 * @timestamp_ns: when it was signalled
 */
struct berth_sync_fence_info {
	char obj_name[BERTH_SYNC_NAME_LEN];
	char driver_name[BERTH_SYNC_NAME_LEN];
	int32_t status;
	uint32_t flags;
	uint64_t timestamp_ns;
};

/**
 * struct berth_sync_file_info - BERTH_SYNC_IOC_FILE_INFO
 * @name: out: of the file
 * @status: out: of all fences: 0, 1, or the error
 * @flags: 0
 * @num_fences: for how many there is room at @sync_fence_info, -EINVAL if there are more; 0: only
 *	count. Out: how many there are
 * @pad: 0
 * @sync_fence_info: address of an array of struct berth_sync_fence_info
 */
struct berth_sync_file_info {
	char name[BERTH_SYNC_NAME_LEN];
	int32_t status;
	uint32_t flags;
	uint32_t num_fences;
	uint32_t pad;
	uint64_t sync_fence_info;
};

/**
 * struct sync_file - a fence as a file
 * @file: a reference of which is one of this
 * @user_name: what a program has called it, or ""
 * @wq: tells that @fence is signalled
 * @fence: with a reference
 * @cb: private
 * @is_watched: private: @cb was added; changed atomically
 */
struct sync_file {
	struct file *file;
	char user_name[BERTH_SYNC_NAME_LEN];
	struct wait_queue_head wq;
	struct dma_fence *fence;
	struct dma_fence_cb cb;
	bool is_watched;
};

/**
 * sync_file_create() - a file for a fence
 * @fence: of which it takes a reference of its own
 *
 * May sleep. Return: it, with one reference of @file, the caller's: berth_fd_install(), or fput(); NULL if memory is
 * out.
 */
struct sync_file *sync_file_create(struct dma_fence *fence);

/**
 * sync_file_get_fence() - the fence of a file's number
 *
 * Any context. Return: a reference of it; NULL (ARGUMENT) if @fd is no such file.
 */
struct dma_fence *sync_file_get_fence(int fd);

/**
 * sync_file_get_name() - what reports call it
 * @buf: where the name goes; always terminated if @len > 0
 * @len: bytes at @buf
 *
 * Any context. Return: @buf.
 */
char *sync_file_get_name(struct sync_file *sync_file, char *buf, int len);

BERTH_END_DECLS

#ifdef BERTH_NO_SHORT_NAMES
#include <berth/names-off.h>
#endif
#endif
