// SPDX-License-Identifier: BSD-2-Clause
/* ioctl(): what it describes is in the program's memory, and descriptors have the program's numbers. */
#include <errno.h>
#include <fcntl.h>
#include <linux/dma-buf.h>
#include <linux/dma-heap.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "launcher-internal.h"

static _Thread_local unsigned char data[BERTH_SERVE_DATA_MOST];

static uint32_t request_of(const struct launcher_call *call)
{
	return (uint32_t)call->args[1];
}

/* To @data. Names of buffers are longer than their request says. Returns how many bytes. */
static int fetch_argument(const struct launcher_call *call)
{
	const uint32_t request = request_of(call), size = _IOC_SIZE(request);

	if (request == DMA_BUF_SET_NAME_A || request == DMA_BUF_SET_NAME_B) {
		const int ret =
			launcher_fetch_text(call, call->args[2], (char *)data, DMA_BUF_NAME_LEN);

		if (ret)
			return ret == -ENAMETOOLONG ? -EINVAL : ret;
		return (int)strlen((const char *)data);
	}
	if (!(_IOC_DIR(request) & _IOC_WRITE))
		return 0;
	return launcher_fetch(call, call->args[2], data, size) ? -EFAULT : (int)size;
}

static int64_t ask(const struct launcher_call *call, struct launcher_message *message)
{
	const int size = fetch_argument(call);

	message->reply_fd = -1;
	if (size < 0)
		return size;
	message->data = data;
	message->size = (uint32_t)size;
	return launcher_ask(call->launcher, message);
}

/* The descriptor that the program means goes along, if it is one of the server's. */
static int64_t ask_with_descriptor(const struct launcher_call *call,
				   struct launcher_message *message)
{
	unsigned int number;
	int64_t result;

	if (launcher_fetch(call, call->args[2] + message->reply.fd_at, &number, sizeof(number)))
		return -EFAULT;
	message->other = launcher_descriptor(call, number);
	message->has_other = message->other >= 0 &&
			     launcher_is_connection(call->launcher, message->other);
	result = ask(call, message);
	if (message->other >= 0)
		close(message->other);
	return result;
}

/* What does not fit into the argument belongs where an address in it points to. */
static int64_t ask_with_array(const struct launcher_call *call, struct launcher_message *message)
{
	const uint32_t size = _IOC_SIZE(request_of(call));
	const uint32_t room = message->reply.wants & BERTH_SERVE_ARRAY_BYTES;
	uint64_t address;
	int64_t result;

	if (launcher_fetch(call, call->args[2] + message->reply.fd_at, &address, sizeof(address)))
		return -EFAULT;
	result = ask(call, message);
	if (result < 0 || message->size <= size)
		return result;
	if (message->size - size > room)
		return -EPROTO;
	return launcher_store(call, address, data + size, message->size - size) ? -EFAULT : result;
}

static unsigned int flags_of_new(const struct launcher_call *call)
{
	struct dma_heap_allocation_data wanted;

	if (request_of(call) != DMA_HEAP_IOCTL_ALLOC)
		return O_CLOEXEC;
	memcpy(&wanted, data, sizeof(wanted));
	return wanted.fd_flags & O_CLOEXEC;
}

/* A descriptor in the reply becomes the program's: first all that can fail. */
static int64_t give_descriptor(const struct launcher_call *call,
			       const struct launcher_message *message)
{
	const struct berth_serve_reply *reply = &message->reply;
	const uint32_t size = _IOC_SIZE(request_of(call));
	int fd = -EFAULT;

	if (reply->fd_at <= size && size - reply->fd_at >= sizeof(fd) &&
	    !launcher_store(call, call->args[2] + reply->fd_at, &fd, sizeof(fd)))
		fd = launcher_give_free(call, message->reply_fd, false, 0, flags_of_new(call));
	close(message->reply_fd);
	if (fd < 0)
		return fd;
	(void)launcher_store(call, call->args[2] + reply->fd_at, &fd, sizeof(fd));
	return reply->result;
}

int64_t launcher_ioctl(const struct launcher_call *call, int node)
{
	const uint32_t size = _IOC_SIZE(request_of(call));
	struct launcher_message message = {
		.request = { .op = BERTH_SERVE_IOCTL, .arg = request_of(call) },
		.fd = node,
	};
	int64_t result;

	if (!size)
		message.request.offset = call->args[2];
	result = ask(call, &message);
	if (result == -EBADF && message.reply.wants) {
		message.request.flags = BERTH_SERVE_KNOWS;
		result = message.reply.wants & BERTH_SERVE_WANTS_FD
				 ? ask_with_descriptor(call, &message)
				 : ask_with_array(call, &message);
	}
	if (result >= 0 && message.size &&
	    launcher_store(call, call->args[2], data, message.size < size ? message.size : size))
		result = -EFAULT;
	if (message.reply_fd < 0)
		return result;
	if (result >= 0)
		return give_descriptor(call, &message);
	close(message.reply_fd);
	return result;
}

int launcher_export_fence(const struct launcher_call *call, int buffer)
{
	struct dma_buf_export_sync_file fence = { .fd = -1 };
	struct launcher_message message = {
		.request = { .op = BERTH_SERVE_IOCTL, .arg = DMA_BUF_IOCTL_EXPORT_SYNC_FILE },
		.fd = buffer,
		.size = sizeof(fence),
		.data = data,
	};
	struct dma_buf_sync sync;

	if (call->op != LAUNCHER_IOCTL || request_of(call) != DMA_BUF_IOCTL_SYNC ||
	    launcher_fetch(call, call->args[2], &sync, sizeof(sync)))
		return -EINVAL;
	fence.flags = (uint32_t)sync.flags & DMA_BUF_SYNC_RW;
	memcpy(data, &fence, sizeof(fence));
	return launcher_ask(call->launcher, &message) < 0 ? -EIO : message.reply_fd;
}
