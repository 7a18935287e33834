// SPDX-License-Identifier: BSD-2-Clause
/* What a client asks for. Nothing that it says is believed. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <berth/dma-buf.h>

#include "serve/internal.h"

#define MAPPING_MOST (1ull << 46)

static bool note_nonsense(void)
{
	__atomic_fetch_add(&server.dropped, 1, __ATOMIC_RELAXED);
	return false;
}

/* Return: false if the client does not read what it has asked for, or is gone. */
bool berth_port_reply(struct conn *conn, struct answer *answer)
{
	struct berth_serve_reply *reply = (void *)answer->bytes;
	_Alignas(struct cmsghdr) char control[CMSG_SPACE(sizeof(int))] = { 0 };
	struct iovec part = { answer->bytes, sizeof(*reply) + answer->size };
	struct msghdr message = { .msg_iov = &part, .msg_iovlen = 1 };
	ssize_t sent;

	*reply = (struct berth_serve_reply){
		.magic = BERTH_SERVE_MAGIC,
		.size = (uint32_t)answer->size,
		.result = answer->result,
		.fd_at = answer->fd_at,
		.wants = answer->wants,
	};
	if (answer->fd >= 0) {
		struct cmsghdr *header = (void *)control;

		header->cmsg_level = SOL_SOCKET;
		header->cmsg_type = SCM_RIGHTS;
		header->cmsg_len = CMSG_LEN(sizeof(int));
		memcpy(CMSG_DATA(header), &answer->fd, sizeof(int));
		message.msg_control = control;
		message.msg_controllen = sizeof(control);
	}
	do
		sent = sendmsg(conn->fd, &message, MSG_DONTWAIT | MSG_NOSIGNAL);
	while (sent < 0 && errno == EINTR);
	if (sent < 0 && errno == EAGAIN)
		note_nonsense();
	return sent == (ssize_t)part.iov_len;
}

/* A reference to the file of an open node, unless it is gone. */
static struct file *hold_file(struct conn *node)
{
	struct file *file = NULL;

	pthread_mutex_lock(&node->lock);
	if (node->kind == CONN_FILE && node->file)
		file = get_file(node->file);
	pthread_mutex_unlock(&node->lock);
	return file;
}

/* Counts go up, and round. */
static void note_count(struct conn *node, uint32_t count)
{
	pthread_mutex_lock(&node->lock);
	if ((int32_t)(count - node->last) > 0)
		node->last = count;
	pthread_mutex_unlock(&node->lock);
}

/* A count that was sent and is not read yet has not been read. */
static long read_node(struct conn *node, struct file *file, uint64_t length, void *to)
{
	size_t size = length < BERTH_SERVE_DATA_MOST ? (size_t)length : BERTH_SERVE_DATA_MOST;
	long ret = berth_file_read(file, to, size);
	uint32_t count;

	if (!node->is_uio || size != sizeof(count))
		return ret;
	if (ret == (long)sizeof(count)) {
		memcpy(&count, to, sizeof(count));
		note_count(node, count);
	} else if (ret == -EAGAIN && berth_port_unread(node)) {
		pthread_mutex_lock(&node->lock);
		memcpy(to, &node->last, sizeof(count));
		pthread_mutex_unlock(&node->lock);
		ret = sizeof(count);
	}
	return ret;
}

static long write_node(struct file *file, struct packet *packet)
{
	const struct berth_serve_request *request = packet_request(packet);

	/* A driver that sees fewer bytes than there were takes what it gets; one that counts them must not. */
	if (request->length > request->size && request->size < BERTH_SERVE_DATA_MOST)
		return -EINVAL;
	return berth_file_write(file, packet_data(packet), request->size);
}

/* A file that was opened for reading cannot be written through what its client gets. */
static int reopen(int fd)
{
	char path[32];

	snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
	return open(path, O_RDONLY | O_CLOEXEC);
}

/* Always all of it: whoever maps whatever part of it maps the same file. */
static int share_buffer(struct conn *conn, const struct dma_buf *dmabuf,
			const struct berth_serve_request *request)
{
	const uint64_t size = PAGE_ALIGN(dmabuf->size);

	if (request->offset > size || request->length > size - request->offset)
		return -EINVAL;
	return berth_file_share(dmabuf->file, &conn->vma, (size_t)size, 0);
}

static uint64_t number_of(const char *node, unsigned long map, const char *what)
{
	char attr[64], text[PAGE_SIZE];
	long length;

	snprintf(attr, sizeof(attr), "maps/map%lu/%s", map, what);
	length = berth_node_show(node, attr, text);
	if (length <= 0 || length >= (long)sizeof(text))
		return 0;
	text[length] = 0;
	return strtoull(text, NULL, 16);
}

/* Of a region, too, all is shared, whatever part of it is asked for; what is too much is the driver's to refuse. */
static int share_node(struct conn *conn, const struct conn *node, struct file *file,
		      const struct berth_serve_request *request)
{
	const unsigned long at = (unsigned long)(request->offset / PAGE_SIZE);
	uint64_t size = PAGE_ALIGN(request->length), whole = 0;

	if (node->is_uio)
		whole = PAGE_ALIGN(number_of(node->name, at, "offset") +
				   number_of(node->name, at, "size"));
	return berth_file_share(file, &conn->vma, (size_t)(size < whole ? whole : size), at);
}

static long map_node(struct conn *conn, struct conn *node, struct file *file,
		     const struct berth_serve_request *request, struct answer *answer)
{
	const bool is_read_only = (node->flags & BERTH_O_ACCMODE) == BERTH_O_RDONLY;
	struct dma_buf *dmabuf = berth_dma_buf_of_file(file);
	int fd, shown;

	if (!request->length || request->length > MAPPING_MOST || request->offset % PAGE_SIZE)
		return -EINVAL;
	if ((node->flags & BERTH_O_ACCMODE) == BERTH_O_WRONLY)
		return -EACCES;
	fd = dmabuf ? share_buffer(conn, dmabuf, request) : share_node(conn, node, file, request);
	if (fd < 0)
		return fd;
	shown = is_read_only ? reopen(fd) : fd;
	if (shown < 0) {
		berth_vma_release(&conn->vma);
		return -EMFILE;
	}
	answer->fd = shown;
	conn->shared = fd;
	pthread_mutex_lock(&conn->lock);
	__atomic_store_n(&conn->kind, CONN_MAPPING, __ATOMIC_RELEASE);
	pthread_mutex_unlock(&conn->lock);
	return dmabuf ? (long)request->offset : 0;
}

static long about_node(struct conn *conn, struct packet *packet, struct answer *answer)
{
	const struct berth_serve_request *request = packet_request(packet);
	struct conn *node = berth_port_conn_of_fd(packet->fd);
	struct file *file = node ? hold_file(node) : NULL;
	const struct dma_buf *dmabuf;
	long ret = -EBADF;

	if (!file)
		goto out;
	switch (request->op) {
	case BERTH_SERVE_READ:
		ret = read_node(node, file, request->length, answer_data(answer));
		answer->size = ret > 0 ? (size_t)ret : 0;
		break;
	case BERTH_SERVE_WRITE:
		ret = write_node(file, packet);
		break;
	case BERTH_SERVE_IOCTL:
		ret = berth_port_control(conn, file, packet, answer);
		break;
	case BERTH_SERVE_MAP:
		ret = map_node(conn, node, file, request, answer);
		break;
	case BERTH_SERVE_SIZE:
		dmabuf = berth_dma_buf_of_file(file);
		ret = dmabuf ? (long)dmabuf->size : -ESPIPE;
		break;
	default:
		answer->size = strlen(node->name) + 1;
		memcpy(answer_data(answer), node->name, answer->size);
		ret = (long)node->flags;
	}
	fput(file);
out:
	if (node)
		berth_port_conn_put(node);
	return ret;
}

static long open_node(struct conn *conn, struct packet *packet)
{
	const struct berth_serve_request *request = packet_request(packet);
	char name[BERTH_SERVE_NAME_MOST];

	if (!request->size || request->size >= sizeof(name) ||
	    memchr(packet_data(packet), '\0', request->size))
		return -ENOENT;
	memcpy(name, packet_data(packet), request->size);
	name[request->size] = '\0';
	return berth_port_open(conn, name, request->flags);
}

static long say_hello(struct answer *answer)
{
	berth_port_tree_sync();
	answer->size = strlen(berth_port_tree_path()) + 1;
	memcpy(answer_data(answer), berth_port_tree_path(), answer->size);
	return 0;
}

static bool is_sound(const struct conn *conn, struct packet *packet)
{
	const struct berth_serve_request *request = packet_request(packet);
	bool is_about_node;

	if (conn->kind == CONN_MAPPING || packet->size < sizeof(*request) ||
	    packet->size == SIZE_MAX || request->magic != BERTH_SERVE_MAGIC ||
	    request->size != packet->size - sizeof(*request))
		return false;
	if (request->op == BERTH_SERVE_IOCTL && request->flags & BERTH_SERVE_KNOWS)
		return packet->fds == 1 || packet->fds == 2;
	is_about_node = (request->op >= BERTH_SERVE_READ && request->op <= BERTH_SERVE_NAME) ||
			request->op == BERTH_SERVE_SIZE;
	return packet->fds == (is_about_node ? 1 : 0);
}

bool berth_port_request(struct conn *conn, struct packet *packet, struct answer *answer)
{
	const struct berth_serve_request *request = packet_request(packet);
	bool is_read;

	if (!is_sound(conn, packet))
		return note_nonsense();
	if (conn->kind == CONN_NEW && request->op != BERTH_SERVE_OPEN)
		__atomic_store_n(&conn->kind, CONN_ASKING, __ATOMIC_RELEASE);
	switch (request->op) {
	case BERTH_SERVE_HELLO:
		answer->result = say_hello(answer);
		break;
	case BERTH_SERVE_OPEN:
		answer->result = conn->kind == CONN_NEW ? open_node(conn, packet) : -EINVAL;
		break;
	case BERTH_SERVE_REFRESH:
		answer->result = berth_port_tree_refresh(request->arg);
		break;
	case BERTH_SERVE_READ:
	case BERTH_SERVE_WRITE:
	case BERTH_SERVE_IOCTL:
	case BERTH_SERVE_MAP:
	case BERTH_SERVE_NAME:
	case BERTH_SERVE_SIZE:
		answer->result = about_node(conn, packet, answer);
		break;
	default:
		return note_nonsense();
	}
	is_read = berth_port_reply(conn, answer);
	if (answer->fd >= 0 && answer->fd != conn->shared)
		close(answer->fd);
	return is_read;
}
