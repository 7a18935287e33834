// SPDX-License-Identifier: BSD-2-Clause
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/pidfd.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "launcher-internal.h"

#ifndef PIDFD_THREAD
#define PIDFD_THREAD O_EXCL
#endif

static pid_t process_of(pid_t tid)
{
	char path[64], line[128];
	int tgid = -1;
	FILE *status;

	snprintf(path, sizeof(path), "/proc/%d/status", (int)tid);
	status = fopen(path, "re");
	while (status && fgets(line, sizeof(line), status))
		if (sscanf(line, "Tgid: %d", &tgid) == 1)
			break;
	if (status)
		fclose(status);
	return tgid;
}

/* A kernel that has no descriptors of threads has one of their process, with the same files as a rule. */
static int open_thread(pid_t tid)
{
	int fd = (int)syscall(SYS_pidfd_open, tid, 0);

	if (fd < 0)
		fd = (int)syscall(SYS_pidfd_open, tid, PIDFD_THREAD);
	if (fd < 0)
		fd = (int)syscall(SYS_pidfd_open, process_of(tid), 0);
	return fd;
}

int launcher_descriptor(const struct launcher_call *call, unsigned int fd)
{
	const int thread = open_thread(call->tid);
	int copy;

	if (thread < 0)
		return -errno;
	copy = (int)syscall(SYS_pidfd_getfd, thread, fd, 0);
	if (copy < 0)
		copy = -errno;
	close(thread);
	return copy;
}

static bool is_socket(const struct launcher_call *call, unsigned int fd)
{
	char path[64], text[8];

	snprintf(path, sizeof(path), "/proc/%d/fd/%u", (int)call->tid, fd);
	return readlink(path, text, sizeof(text)) == sizeof(text) && !memcmp(text, "socket:[", 8);
}

/* In the order and the units of the 64-bit ABI. */
static int fetch_arguments(const struct launcher_call *call, uint64_t *args)
{
	uint32_t packed[6];

	memcpy(args, call->args, sizeof(call->args));
	if (call->op == LAUNCHER_MMAP_OLD) {
		if (launcher_fetch(call, call->args[0], packed, sizeof(packed)))
			return -EFAULT;
		for (int i = 0; i < 6; i++)
			args[i] = packed[i];
	} else if (call->is_compat) {
		args[5] <<= 12;
	}
	return 0;
}

/* What the node has there, as a descriptor of the program's own file. */
static int fetch_memory(const struct launcher_call *call, int node, uint64_t *args)
{
	static _Thread_local unsigned char data[BERTH_SERVE_DATA_MOST];
	struct launcher_message message = {
		.request = { .op = BERTH_SERVE_MAP, .length = args[1], .offset = args[5] },
		.fd = node,
		.data = data,
	};
	int connection, ret = launcher_request_new(call->launcher, &message, &connection);

	if (ret)
		return ret;
	if (message.reply.result < 0)
		ret = (int)message.reply.result;
	else if (message.reply_fd < 0)
		ret = -EPROTO;
	args[5] = (uint64_t)message.reply.result;
	if (!ret)
		return launcher_mapped_add(connection, message.reply_fd);
	if (message.reply_fd >= 0)
		close(message.reply_fd);
	close(connection);
	return ret;
}

void launcher_do_mmap(const struct launcher_call *call)
{
	uint64_t args[6];
	int node, memory;

	if (fetch_arguments(call, args) || !is_socket(call, (unsigned int)args[4])) {
		launcher_continue(call);
		return;
	}
	node = launcher_descriptor(call, (unsigned int)args[4]);
	if (node < 0 || !launcher_is_connection(call->launcher, node)) {
		launcher_continue(call);
		if (node >= 0)
			close(node);
		return;
	}
	memory = fetch_memory(call, node, args);
	close(node);
	if (memory < 0) {
		launcher_result(call, memory);
		return;
	}
	launcher_inject(call, args, memory);
	close(memory);
}
