// SPDX-License-Identifier: BSD-2-Clause
/* Connections: their table, and what comes in over one. */
#include <errno.h>
#include <linux/sockios.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "serve/internal.h"

/* The kernel's own names are a 0 and five digits. Anything else is no token. */
static size_t token_of(const struct sockaddr_un *address, socklen_t size, uint8_t *token)
{
	const size_t head = offsetof(struct sockaddr_un, sun_path);

	if (size <= head + 1 || size > head + SERVE_TOKEN || address->sun_family != AF_UNIX ||
	    address->sun_path[0])
		return 0;
	memcpy(token, address->sun_path, size - head);
	return size - head;
}

static void free_conn(struct conn *conn)
{
	close(conn->fd);
	pthread_mutex_destroy(&conn->lock);
	free(conn);
	__atomic_fetch_sub(&server.nr_conns, 1, __ATOMIC_RELEASE);
}

void berth_port_conn_put(struct conn *conn)
{
	if (__atomic_fetch_sub(&conn->refs, 1, __ATOMIC_ACQ_REL) == 1)
		free_conn(conn);
}

/* With the lock. Who has been connected for longest and said nothing makes room for the next one. */
static void make_room(void)
{
	struct conn *oldest = NULL;

	for (unsigned int i = 0; i < server.max_conns; i++) {
		struct conn *conn = server.conns[i];

		if (conn && !conn->is_adopted &&
		    __atomic_load_n(&conn->kind, __ATOMIC_RELAXED) == CONN_NEW &&
		    (!oldest || conn->id >> 32 < oldest->id >> 32))
			oldest = conn;
	}
	if (oldest)
		shutdown(oldest->fd, SHUT_RDWR);
}

/* The number is unique for as long as the server runs: a late event meets nobody else. */
static int enter(struct conn *conn)
{
	static uint32_t generation;
	unsigned int i = 0;
	int ret = -1;

	pthread_mutex_lock(&server.lock);
	while (i < server.max_conns && server.conns[i])
		i++;
	if (i < server.max_conns) {
		generation = generation == UINT32_MAX ? 1 : generation + 1;
		conn->id = (uint64_t)generation << 32 | i;
		server.conns[i] = conn;
		__atomic_fetch_add(&server.nr_conns, 1, __ATOMIC_RELAXED);
		ret = 0;
	} else {
		make_room();
	}
	pthread_mutex_unlock(&server.lock);
	return ret;
}

static void leave(struct conn *conn)
{
	pthread_mutex_lock(&server.lock);
	server.conns[(uint32_t)conn->id] = NULL;
	pthread_mutex_unlock(&server.lock);
	berth_port_conn_put(conn);
}

static pid_t peer_of(int fd)
{
	struct ucred who;
	socklen_t size = sizeof(who);

	return getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &who, &size) ? 0 : who.pid;
}

/* Return: with a reference of the caller's; NULL: @fd is still the caller's. */
struct conn *berth_port_conn_add(int fd, bool is_adopted)
{
	struct conn *conn = calloc(1, sizeof(*conn));
	struct epoll_event event = { .events = EPOLLIN | EPOLLRDHUP | EPOLLET };
	struct sockaddr_un peer;
	socklen_t size = sizeof(peer);

	if (!conn)
		return NULL;
	*conn = (struct conn){
		.fd = fd, .refs = 2, .is_adopted = is_adopted, .shared = -1, .pid = peer_of(fd)
	};
	pthread_mutex_init(&conn->lock, NULL);
	if (!getpeername(fd, (struct sockaddr *)&peer, &size))
		conn->token_size = token_of(&peer, size, conn->token);
	if (enter(conn)) {
		pthread_mutex_destroy(&conn->lock);
		free(conn);
		return NULL;
	}
	event.data.u64 = conn->id;
	if (epoll_ctl(server.epoll, EPOLL_CTL_ADD, fd, &event)) {
		conn->fd = -1;
		leave(conn);
		berth_port_conn_put(conn);
		return NULL;
	}
	return conn;
}

struct conn *berth_port_conn_get(uint64_t id)
{
	struct conn *conn = NULL;

	pthread_mutex_lock(&server.lock);
	if ((uint32_t)id < server.max_conns)
		conn = server.conns[(uint32_t)id];
	if (conn && conn->id == id)
		__atomic_fetch_add(&conn->refs, 1, __ATOMIC_RELAXED);
	else
		conn = NULL;
	pthread_mutex_unlock(&server.lock);
	return conn;
}

/* What has this process at its other end was accepted here: nobody else's socket of that name passes. */
static bool is_ours(int fd)
{
	return peer_of(fd) == getpid();
}

/* With a reference of the caller's. */
static struct conn *find(const struct sockaddr_un *name, socklen_t size, enum conn_kind kind)
{
	uint8_t token[SERVE_TOKEN];
	const size_t token_size = token_of(name, size, token);
	struct conn *found = NULL;

	pthread_mutex_lock(&server.lock);
	for (unsigned int i = 0; token_size && i < server.max_conns && !found; i++) {
		struct conn *conn = server.conns[i];

		if (conn && conn->token_size == token_size &&
		    !memcmp(conn->token, token, token_size) &&
		    __atomic_load_n(&conn->kind, __ATOMIC_ACQUIRE) == kind)
			found = conn;
	}
	if (found)
		__atomic_fetch_add(&found->refs, 1, __ATOMIC_RELAXED);
	pthread_mutex_unlock(&server.lock);
	return found;
}

struct conn *berth_port_conn_of_fd(int fd)
{
	struct sockaddr_un own = { 0 };
	socklen_t size = sizeof(own);

	if (fd < 0 || getsockname(fd, (struct sockaddr *)&own, &size) || !is_ours(fd))
		return NULL;
	return find(&own, size, CONN_FILE);
}

struct conn *berth_port_conn_own(const struct sockaddr_un *name, socklen_t size)
{
	struct conn *conn = find(name, size, CONN_NEW);

	if (!conn || conn->pid == getpid())
		return conn;
	berth_port_conn_put(conn);
	return NULL;
}

bool berth_port_conn_claim(struct conn *conn)
{
	bool is_free;

	pthread_mutex_lock(&conn->lock);
	is_free = !conn->is_running && conn->kind == CONN_NEW;
	if (is_free)
		conn->is_running = true;
	pthread_mutex_unlock(&conn->lock);
	return is_free;
}

void berth_port_conn_unclaim(struct conn *conn)
{
	pthread_mutex_lock(&conn->lock);
	conn->is_running = false;
	pthread_mutex_unlock(&conn->lock);
	berth_port_conn_kick(conn);
}

/* The last byte of a packet's accounting goes after the event that it was read. */
int berth_port_unread(const struct conn *conn)
{
	int bytes = 0;

	return !ioctl(conn->fd, SIOCOUTQ, &bytes) && bytes > 1;
}

/* Everything that it held goes back; its client sees the end. */
static void end(struct conn *conn)
{
	enum conn_kind kind;

	pthread_mutex_lock(&conn->lock);
	kind = conn->kind;
	__atomic_store_n(&conn->kind, CONN_DEAD, __ATOMIC_RELEASE);
	pthread_mutex_unlock(&conn->lock);
	if (kind == CONN_DEAD)
		return;
	epoll_ctl(server.epoll, EPOLL_CTL_DEL, conn->fd, NULL);
	if (kind == CONN_FILE)
		berth_port_release(conn);
	if (kind == CONN_MAPPING) {
		berth_port_access_end(conn->vma.vm_file, conn->pid);
		berth_vma_release(&conn->vma);
	}
	shutdown(conn->fd, SHUT_RDWR);
	leave(conn);
}

static void close_both(const struct packet *packet)
{
	if (packet->fd >= 0)
		close(packet->fd);
	if (packet->other >= 0)
		close(packet->other);
}

/* Two are kept: what came with more is nonsense. */
static void keep_descriptors(struct msghdr *message, struct packet *packet)
{
	struct cmsghdr *control;

	packet->fd = packet->other = -1;
	packet->fds = 0;
	for (control = CMSG_FIRSTHDR(message); control; control = CMSG_NXTHDR(message, control)) {
		unsigned int nr = (unsigned int)((control->cmsg_len - CMSG_LEN(0)) / sizeof(int));
		int fds[8];

		if (control->cmsg_level != SOL_SOCKET || control->cmsg_type != SCM_RIGHTS)
			continue;
		memcpy(fds, CMSG_DATA(control), nr * sizeof(int));
		for (unsigned int i = 0; i < nr; i++, packet->fds++) {
			if (!packet->fds)
				packet->fd = fds[i];
			else if (packet->fds == 1)
				packet->other = fds[i];
			else
				close(fds[i]);
		}
	}
	if (message->msg_flags & MSG_CTRUNC)
		packet->fds += 3;
}

/* 1: a packet; 0: there is none; -1: there will be none any more. */
static int receive(struct conn *conn, struct packet *packet)
{
	_Alignas(struct cmsghdr) char control[CMSG_SPACE(4 * sizeof(int))];
	struct iovec part = { packet->bytes, sizeof(packet->bytes) };
	struct msghdr message = {
		.msg_iov = &part,
		.msg_iovlen = 1,
		.msg_control = control,
		.msg_controllen = sizeof(control),
	};
	struct pollfd state = { .fd = conn->fd, .events = POLLRDHUP };
	ssize_t got;

	do
		got = recvmsg(conn->fd, &message, MSG_DONTWAIT | MSG_CMSG_CLOEXEC);
	while (got < 0 && errno == EINTR);
	if (got < 0)
		return errno == EAGAIN ? 0 : -1;
	keep_descriptors(&message, packet);
	packet->size = (size_t)got;
	if (message.msg_flags & MSG_TRUNC)
		packet->size = SIZE_MAX;
	/* A packet may be empty. */
	if (!got && poll(&state, 1, 0) > 0 && state.revents & (POLLRDHUP | POLLHUP | POLLERR)) {
		close_both(packet);
		return -1;
	}
	return 1;
}

/* False: nonsense. */
static bool answer(struct conn *conn, struct packet *packet)
{
	struct answer *reply = calloc(1, sizeof(*reply));
	bool holds = reply != NULL;

	if (holds) {
		reply->fd = -1;
		holds = berth_port_request(conn, packet, reply);
	}
	free(reply);
	return holds;
}

/* Return: whether there may be more. */
static bool serve(struct conn *conn)
{
	struct packet *packet = malloc(sizeof(*packet));
	int got = packet ? 1 : -1;

	for (unsigned int i = 0; i < SERVE_PACKETS && got > 0; i++) {
		got = receive(conn, packet);
		if (got <= 0)
			break;
		if (conn->kind == CONN_FILE)
			berth_port_take(conn, packet);
		else if (!answer(conn, packet))
			got = -1;
		close_both(packet);
	}
	free(packet);
	if (got < 0)
		end(conn);
	else if (conn->kind == CONN_FILE)
		berth_port_tell(conn);
	return got > 0;
}

void berth_port_conn_run(struct conn *conn)
{
	bool is_busy, has_more;

	pthread_mutex_lock(&conn->lock);
	is_busy = conn->is_running;
	conn->has_news = is_busy;
	conn->is_running = true;
	pthread_mutex_unlock(&conn->lock);
	if (is_busy)
		return;
	has_more = conn->kind != CONN_DEAD && serve(conn);
	pthread_mutex_lock(&conn->lock);
	conn->is_running = false;
	has_more = (has_more || conn->has_news) && conn->kind != CONN_DEAD;
	pthread_mutex_unlock(&conn->lock);
	/* The others first. */
	if (has_more)
		berth_port_conn_kick(conn);
}

void berth_port_conns_end(void)
{
	struct conn *conn;

	for (unsigned int i = 0; i < server.max_conns; i++)
		if (server.conns[i])
			end(server.conns[i]);
	while ((conn = server.woken) != NULL) {
		server.woken = conn->next_woken;
		berth_port_conn_put(conn);
	}
}
