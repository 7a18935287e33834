// SPDX-License-Identifier: BSD-2-Clause
/* Calls on descriptors of nodes, but for those that the socket answers itself. */
#include <errno.h>
#include <fcntl.h>
#include <linux/seccomp.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <unistd.h>

#include "launcher-internal.h"

static _Thread_local unsigned char data[BERTH_SERVE_DATA_MOST];

/* What a read() or a write() is told. parts: addresses and bytes; length: of all */
struct extent {
	struct iovec parts[IOV_MAX];
	size_t nr_parts;
	uint64_t length;
};

static int fetch_extent(const struct launcher_call *call, struct extent *extent)
{
	const bool has_many = call->op == LAUNCHER_READV || call->op == LAUNCHER_PREADV ||
			      call->op == LAUNCHER_WRITEV;

	extent->nr_parts = has_many ? call->args[2] : 1;
	extent->parts[0] = (struct iovec){ (void *)(uintptr_t)call->args[1], call->args[2] };
	if (has_many && extent->nr_parts > IOV_MAX)
		return -EINVAL;
	if (has_many && launcher_fetch(call, call->args[1], extent->parts,
				       extent->nr_parts * sizeof(extent->parts[0])))
		return -EFAULT;
	extent->length = 0;
	for (size_t i = 0; i < extent->nr_parts; i++)
		extent->length += extent->parts[i].iov_len;
	return 0;
}

static int copy_extent(const struct launcher_call *call, const struct extent *extent, size_t bytes,
		       bool is_store)
{
	size_t done = 0;

	for (size_t i = 0; i < extent->nr_parts && done < bytes; i++) {
		const uint64_t at = (uintptr_t)extent->parts[i].iov_base;
		size_t part = extent->parts[i].iov_len;
		int ret;

		if (part > bytes - done)
			part = bytes - done;
		ret = is_store ? launcher_store(call, at, data + done, part)
			       : launcher_fetch(call, at, data + done, part);
		if (ret)
			return ret;
		done += part;
	}
	return 0;
}

static int64_t do_write(const struct launcher_call *call, int node)
{
	static _Thread_local struct extent extent;
	struct launcher_message message = { .request = { .op = BERTH_SERVE_WRITE },
					    .fd = node,
					    .data = data };
	int ret = fetch_extent(call, &extent);

	if (ret)
		return ret;
	message.request.length = extent.length;
	message.size = (uint32_t)(extent.length < sizeof(data) ? extent.length : sizeof(data));
	ret = copy_extent(call, &extent, message.size, false);
	return ret ? ret : launcher_ask(call->launcher, &message);
}

static bool is_counted(const struct launcher_call *call)
{
	return (unsigned int)call->args[0] < call->launcher->numbers + LAUNCHER_COUNTED;
}

/*
 * What lies in the socket says that there is something to read. It is taken first, and the server asked then: a
 * count of it is the result if there is no later one. The server may have put the one that it gives there as well.
 */
static int64_t do_read(const struct launcher_call *call, int node)
{
	static _Thread_local struct extent extent;
	struct launcher_message message = { .request = { .op = BERTH_SERVE_READ },
					    .fd = node,
					    .data = data };
	uint32_t old, next;
	ssize_t had = -1;
	int64_t result = fetch_extent(call, &extent);

	if (result)
		return result;
	if (!is_counted(call) || extent.length == sizeof(old))
		had = recv(node, &old, sizeof(old), MSG_DONTWAIT);
	message.request.length = extent.length;
	result = launcher_ask(call->launcher, &message);
	if (result == -EAGAIN && is_counted(call) && had == sizeof(old)) {
		memcpy(data, &old, sizeof(old));
		result = message.size = sizeof(old);
	} else if (result == sizeof(next) && is_counted(call) &&
		   recv(node, &next, sizeof(next), MSG_DONTWAIT | MSG_PEEK) == sizeof(next) &&
		   !memcmp(data, &next, sizeof(next))) {
		(void)!recv(node, &next, sizeof(next), MSG_DONTWAIT);
	} else if (!is_counted(call)) {
		/* The server says it again if there is more. */
		(void)!recv(node, &next, sizeof(next), MSG_DONTWAIT);
	}
	if (result > 0 && copy_extent(call, &extent, message.size, true))
		return -EFAULT;
	return result;
}

/*
 * read() that found nothing, and ioctl() of a buffer that a device still uses until @fence is signalled (or -1). A copy of the
 * descriptor keeps the node open until the thread is seen to be gone.
 */
static struct waiting {
	struct waiting *next;
	struct launcher_call call;
	int node, fence;
} * all_waiting;
static pthread_mutex_t waiting_lock = PTHREAD_MUTEX_INITIALIZER;

static bool wait_for(const struct launcher_call *call, int node, int fence)
{
	struct waiting *waiting;

	if (fcntl(node, F_GETFL) & O_NONBLOCK)
		return false;
	waiting = malloc(sizeof(*waiting));
	if (!waiting)
		return false;
	pthread_mutex_lock(&waiting_lock);
	*waiting = (struct waiting){ all_waiting, *call, node, fence };
	all_waiting = waiting;
	pthread_mutex_unlock(&waiting_lock);
	launcher_wake();
	return true;
}

unsigned int launcher_waiting(int *fds, unsigned int most)
{
	unsigned int used = 0;

	pthread_mutex_lock(&waiting_lock);
	for (struct waiting *waiting = all_waiting; waiting && used < most; waiting = waiting->next)
		fds[used++] = waiting->fence >= 0 ? waiting->fence : waiting->node;
	pthread_mutex_unlock(&waiting_lock);
	return used;
}

static int64_t retry(struct waiting *waiting)
{
	int64_t result;

	if (waiting->call.op != LAUNCHER_IOCTL)
		return do_read(&waiting->call, waiting->node);
	result = launcher_ioctl(&waiting->call, waiting->node);
	if (result != -EAGAIN)
		return result;
	/* There is another device. */
	close(waiting->fence);
	waiting->fence = launcher_export_fence(&waiting->call, waiting->node);
	return waiting->fence < 0 ? -EIO : -EAGAIN;
}

void launcher_retry(void)
{
	pthread_mutex_lock(&waiting_lock);
	for (struct waiting **at = &all_waiting; *at;) {
		struct waiting *waiting = *at;
		int64_t result = -EINTR;

		if (!ioctl(waiting->call.listener, SECCOMP_IOCTL_NOTIF_ID_VALID, &waiting->call.id))
			result = retry(waiting);
		if (result == -EAGAIN) {
			at = &waiting->next;
			continue;
		}
		*at = waiting->next;
		launcher_result(&waiting->call, result);
		close(waiting->node);
		if (waiting->fence >= 0)
			close(waiting->fence);
		free(waiting);
	}
	pthread_mutex_unlock(&waiting_lock);
}

/* What every file has. */
static bool is_generic(const struct launcher_call *call)
{
	const uint32_t request = (uint32_t)call->args[1];

	return call->op == LAUNCHER_IOCTL && (request == FIOCLEX || request == FIONCLEX ||
					      request == FIONBIO || request == FIOASYNC);
}

/* Of uio's nodes it does nothing; to the end of a buffer it tells the size; others have none. */
static int64_t do_seek(const struct launcher_call *call, int node)
{
	struct launcher_message message = { .request = { .op = BERTH_SERVE_SIZE },
					    .fd = node,
					    .data = data };
	const uint32_t whence = (uint32_t)call->args[2];
	int64_t size;

	if (is_counted(call))
		return 0;
	size = launcher_ask(call->launcher, &message);
	if (size < 0)
		return size;
	if (call->args[1] || (whence != SEEK_SET && whence != SEEK_END))
		return -EINVAL;
	return whence == SEEK_END ? size : 0;
}

/* A copy has a number of ours as well. To one that the program chooses by dup2() none of this applies. */
static bool do_dup(const struct launcher_call *call, int node)
{
	const uint32_t command = (uint32_t)call->args[1];
	const bool is_fcntl = call->op == LAUNCHER_FCNTL;
	const uint64_t least = is_fcntl ? call->args[2] : 0;

	if (is_fcntl && command != F_DUPFD && command != F_DUPFD_CLOEXEC)
		return false;
	if (least > call->launcher->numbers)
		return false;
	launcher_give_number(call, node, is_counted(call),
			     is_fcntl && command == F_DUPFD_CLOEXEC ? O_CLOEXEC : 0);
	return true;
}

/* A socket can always be read and written. */
static bool do_get_flags(const struct launcher_call *call, int node)
{
	struct launcher_message message = { .request = { .op = BERTH_SERVE_NAME },
					    .fd = node,
					    .data = data };
	const int flags = fcntl(node, F_GETFL);
	int64_t opened;

	if (call->op != LAUNCHER_FCNTL || (uint32_t)call->args[1] != F_GETFL)
		return false;
	opened = launcher_ask(call->launcher, &message);
	if (opened < 0)
		return false;
	launcher_result(call, (flags & ~O_ACCMODE) | (opened & O_ACCMODE));
	return true;
}

static bool do_copy(const struct launcher_call *call, int node)
{
	if (call->op != LAUNCHER_DUP && call->op != LAUNCHER_FCNTL)
		return false;
	if (!do_get_flags(call, node) && !do_dup(call, node))
		launcher_continue(call);
	return true;
}

static int64_t do_call(const struct launcher_call *call, int node)
{
	switch (call->op) {
	case LAUNCHER_READ:
	case LAUNCHER_READV:
	case LAUNCHER_PREAD:
	case LAUNCHER_PREADV:
		return do_read(call, node);
	case LAUNCHER_WRITE:
	case LAUNCHER_WRITEV:
		return do_write(call, node);
	case LAUNCHER_IOCTL:
		return launcher_ioctl(call, node);
	case LAUNCHER_LSEEK:
		return do_seek(call, node);
	default: /* no driver of such a node has splice_read() */
		return -EINVAL;
	}
}

static bool is_reading(const struct launcher_call *call)
{
	return call->op >= LAUNCHER_READ && call->op <= LAUNCHER_PREADV;
}

/* Nothing there: the kernel's read() waits for the next count, and signals end it as they should. */
static bool end_read(const struct launcher_call *call, int node)
{
	if (!is_counted(call) || call->op > LAUNCHER_READV)
		return wait_for(call, node, -1);
	launcher_continue(call);
	close(node);
	return true;
}

/* Until the devices are done for which DMA_BUF_IOCTL_SYNC has to wait. */
static bool end_sync(const struct launcher_call *call, int node)
{
	const int fence = launcher_export_fence(call, node);

	if (fence >= 0 && wait_for(call, node, fence))
		return true;
	if (fence >= 0)
		close(fence);
	return false;
}

void launcher_do_call(const struct launcher_call *call)
{
	const int node = launcher_descriptor(
		call, (unsigned int)call->args[call->op == LAUNCHER_SENDFILE ? 1 : 0]);
	int64_t result;

	/* A number of ours that the program uses for a file of its own. */
	if (node < 0 || is_generic(call) || !launcher_is_connection(call->launcher, node)) {
		launcher_continue(call);
		if (node >= 0)
			close(node);
		return;
	}
	if (do_copy(call, node)) {
		close(node);
		return;
	}
	result = do_call(call, node);
	if (result == -EAGAIN &&
	    (is_reading(call) ? end_read(call, node)
			      : call->op == LAUNCHER_IOCTL && end_sync(call, node)))
		return;
	launcher_result(call, result);
	close(node);
}
