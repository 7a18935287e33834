// SPDX-License-Identifier: BSD-2-Clause
/* The server: its socket, its threads, and what they wait for. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/timerfd.h>

#include "host.h"
#include "serve/internal.h"

#define BACKLOG 128
#define ACCEPTS 16 /* in a row */

/* Events that are not a connection's: its number has a generation, from 1 on, above 32 bits. */
enum { EVENT_LISTENER, EVENT_WAKE, EVENT_STOP, EVENT_TIMER };

struct serve_state server = {
	.listener = -1,
	.epoll = -1,
	.wake = -1,
	.stop = -1,
	.timer = -1,
	.spare = -1,
	.lock = PTHREAD_MUTEX_INITIALIZER,
	.woken_lock = PTHREAD_MUTEX_INITIALIZER,
};

static struct wait_queue_entry news;

static int watch(int fd, uint64_t number, uint32_t events, int how)
{
	struct epoll_event event = { .events = events, .data.u64 = number };

	return epoll_ctl(server.epoll, how, fd, &event);
}

static void tell(int fd)
{
	const uint64_t one = 1;

	/* Full: it has been told. */
	if (write(fd, &one, sizeof(one)) < 0)
		return;
}

void berth_port_conn_kick(struct conn *conn)
{
	bool is_new;

	pthread_mutex_lock(&server.woken_lock);
	is_new = !conn->is_woken;
	if (is_new) {
		conn->is_woken = true;
		conn->next_woken = NULL;
		*server.woken_end = conn;
		server.woken_end = &conn->next_woken;
		__atomic_fetch_add(&conn->refs, 1, __ATOMIC_RELAXED);
	}
	pthread_mutex_unlock(&server.woken_lock);
	if (is_new)
		tell(server.wake);
}

/* One; the rest is for another thread. */
static struct conn *take_woken(void)
{
	struct conn *conn;
	uint64_t count;
	bool has_more;

	if (read(server.wake, &count, sizeof(count)) < 0)
		count = 0;
	pthread_mutex_lock(&server.woken_lock);
	conn = server.woken;
	if (conn) {
		server.woken = conn->next_woken;
		if (!server.woken)
			server.woken_end = &server.woken;
		conn->is_woken = false;
	}
	has_more = server.woken != NULL;
	pthread_mutex_unlock(&server.woken_lock);
	if (has_more)
		tell(server.wake);
	watch(server.wake, EVENT_WAKE, EPOLLIN | EPOLLONESHOT, EPOLL_CTL_MOD);
	return conn;
}

/* The client sees an end of file at once. */
static void refuse(int fd)
{
	__atomic_fetch_add(&server.refused, 1, __ATOMIC_RELAXED);
	close(fd);
}

static bool is_own_user(int fd)
{
	struct ucred who;
	socklen_t size = sizeof(who);

	return !getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &who, &size) && who.uid == geteuid();
}

/* With no descriptor left, the spare one lets the client know. False: there is nobody. */
bool berth_port_accept(void)
{
	struct conn *conn;
	int fd = accept4(server.listener, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);

	if (fd < 0 && (errno == EMFILE || errno == ENFILE) && server.spare >= 0) {
		close(server.spare);
		fd = accept4(server.listener, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);
		if (fd >= 0)
			refuse(fd);
		server.spare = open("/dev/null", O_RDONLY | O_CLOEXEC);
		return fd >= 0;
	}
	if (fd < 0)
		return errno == ECONNABORTED || errno == EINTR;
	conn = is_own_user(fd) ? berth_port_conn_add(fd, false) : NULL;
	if (!conn)
		refuse(fd);
	else
		berth_port_conn_put(conn);
	return true;
}

static void accept_some(void)
{
	int left = ACCEPTS;

	while (left-- && berth_port_accept())
		;
	watch(server.listener, EVENT_LISTENER, EPOLLIN | EPOLLONESHOT, EPOLL_CTL_MOD);
}

static void freshen_tree(void)
{
	uint64_t count;

	if (read(server.timer, &count, sizeof(count)) < 0)
		count = 0;
	watch(server.timer, EVENT_TIMER, EPOLLIN | EPOLLONESHOT, EPOLL_CTL_MOD);
	berth_port_tree_sync();
	berth_port_tree_refresh_all();
}

static void handle(uint64_t number)
{
	struct conn *conn = NULL;

	if (number == EVENT_LISTENER)
		accept_some();
	else if (number == EVENT_TIMER)
		freshen_tree();
	else
		conn = number == EVENT_WAKE ? take_woken() : berth_port_conn_get(number);
	if (conn) {
		berth_port_conn_run(conn);
		berth_port_conn_put(conn);
	}
}

static void *work(void *unused);

/* With the lock. Without a further thread those that there are have to do. */
static void add_thread(void)
{
	if (server.nr_threads < SERVE_THREADS &&
	    !berth_port_quiet_thread(&server.threads[server.nr_threads], work, NULL))
		server.nr_threads++;
}

static bool is_stopping(void)
{
	return __atomic_load_n(&server.stopping, __ATOMIC_ACQUIRE) != 0;
}

static void begin_work(void)
{
	pthread_mutex_lock(&server.lock);
	if (!--server.nr_idle && !is_stopping())
		add_thread();
	pthread_mutex_unlock(&server.lock);
}

static void end_work(void)
{
	pthread_mutex_lock(&server.lock);
	server.nr_idle++;
	pthread_mutex_unlock(&server.lock);
}

/* It has a slot all the time: a client may do what another thread waits for. */
static void *work(void *unused)
{
	struct epoll_event event;

	(void)unused;
	berth_port_slot();
	end_work();
	while (!is_stopping()) {
		if (epoll_wait(server.epoll, &event, 1, -1) != 1 || event.data.u64 == EVENT_STOP)
			continue;
		begin_work();
		handle(event.data.u64);
		end_work();
	}
	return NULL;
}

/* Devices go on while nobody in this process waits for them: this thread does. */
static void *pump(void *unused)
{
	(void)unused;
	while (!is_stopping())
		if (berth_port_wait(&server.stopping, 0, UINT64_MAX) == -EDEADLK)
			usleep(10000);
	return NULL;
}

/* A driver's word may come for every interrupt: a tenth of a second's are one. Any context. */
static int note_news(struct wait_queue_entry *entry, unsigned int mode, int flags, void *key)
{
	const struct itimerspec soon = { .it_value = { .tv_nsec = 50000000 } };
	struct itimerspec now;

	(void)entry;
	(void)mode;
	(void)flags;
	(void)key;
	if (!timerfd_gettime(server.timer, &now) && !now.it_value.tv_sec && !now.it_value.tv_nsec)
		timerfd_settime(server.timer, 0, &soon, NULL);
	return 0;
}

static int bind_listener(void)
{
	struct sockaddr_un address = { .sun_family = AF_UNIX };
	size_t size = strlen(server.name);

	memcpy(address.sun_path + 1, server.name, size);
	server.listener = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (server.listener < 0 ||
	    bind(server.listener, (struct sockaddr *)&address,
		 (socklen_t)(offsetof(struct sockaddr_un, sun_path) + 1 + size)) ||
	    listen(server.listener, BACKLOG))
		return -1;
	return watch(server.listener, EVENT_LISTENER, EPOLLIN | EPOLLONESHOT, EPOLL_CTL_ADD);
}

static int open_descriptors(bool has_listener)
{
	server.epoll = epoll_create1(EPOLL_CLOEXEC);
	server.wake = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	server.stop = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	server.timer = timerfd_create(CLOCK_MONOTONIC, TFD_CLOEXEC | TFD_NONBLOCK);
	server.spare = open("/dev/null", O_RDONLY | O_CLOEXEC);
	if (server.epoll < 0 || server.wake < 0 || server.stop < 0 || server.timer < 0 ||
	    server.spare < 0 || (has_listener && bind_listener()))
		return -1;
	return watch(server.wake, EVENT_WAKE, EPOLLIN | EPOLLONESHOT, EPOLL_CTL_ADD) ||
			       watch(server.stop, EVENT_STOP, EPOLLIN, EPOLL_CTL_ADD) ||
			       watch(server.timer, EVENT_TIMER, EPOLLIN | EPOLLONESHOT,
				     EPOLL_CTL_ADD)
		       ? -1
		       : 0;
}

static void close_one(int *fd)
{
	if (*fd >= 0)
		close(*fd);
	*fd = -1;
}

static void close_descriptors(void)
{
	close_one(&server.listener);
	close_one(&server.epoll);
	close_one(&server.wake);
	close_one(&server.stop);
	close_one(&server.timer);
	close_one(&server.spare);
	free(server.conns);
	free(server.generations);
	server.conns = NULL;
	server.generations = NULL;
}

static void end_threads(void)
{
	unsigned int i;

	__atomic_store_n(&server.stopping, 1, __ATOMIC_RELEASE);
	tell(server.stop);
	berth_port_wake(&server.stopping);
	/* One that was just about to be made is in the table when the lock is had. */
	pthread_mutex_lock(&server.lock);
	pthread_mutex_unlock(&server.lock);
	for (i = 0; i < server.nr_threads; i++)
		pthread_join(server.threads[i], NULL);
	server.nr_threads = server.nr_idle = 0;
}

static int start_threads(void)
{
	bool has_threads;

	__atomic_store_n(&server.stopping, 0, __ATOMIC_RELAXED);
	if (berth_port_quiet_thread(&server.pump, pump, NULL))
		return -1;
	pthread_mutex_lock(&server.lock);
	add_thread();
	add_thread();
	has_threads = server.nr_threads > 0;
	pthread_mutex_unlock(&server.lock);
	if (has_threads)
		return 0;
	end_threads();
	pthread_join(server.pump, NULL);
	return -1;
}

static int choose_name(const struct berth_serve_options *options)
{
	int size;

	if (options->own_only)
		size = snprintf(server.name, sizeof(server.name), "%s", "");
	else if (options->name)
		size = snprintf(server.name, sizeof(server.name), "%s", options->name);
	else
		size = snprintf(server.name, sizeof(server.name), "berth-%u",
				(unsigned int)geteuid());
	return size > 100 || (!size && !options->own_only) ? -1 : 0;
}

static int fail_start(int err)
{
	server.name[0] = '\0';
	close_descriptors();
	return err == ENOMEM ? berth_port_fail(-ENOMEM, BERTH_REASON_OUT_OF_MEMORY, "server", 0, 0)
			     : berth_port_fail(-err, BERTH_REASON_IO, strerror(err), 0, 0);
}

int berth_serve_start(const struct berth_serve_options *options)
{
	static const struct berth_serve_options none;
	int err;

	options = options ? options : &none;
	if (!berth_port_machine() || server.is_serving)
		return berth_port_fail(-EINVAL, BERTH_REASON_STATE,
				       server.is_serving ? "serving" : "stopped", 0, 0);
	if (choose_name(options) || options->connections > SERVE_CONNECTIONS_MOST)
		return berth_port_fail(-EINVAL, BERTH_REASON_ARGUMENT, "options",
				       options->connections, 0);
	server.max_conns = options->connections ? options->connections : SERVE_CONNECTIONS;
	server.nr_conns = 0;
	server.refused = server.dropped = 0;
	server.woken = NULL;
	server.woken_end = &server.woken;
	server.conns = calloc(server.max_conns, sizeof(*server.conns));
	server.generations = calloc(server.max_conns, sizeof(*server.generations));
	if (!server.conns || !server.generations)
		return fail_start(ENOMEM);
	if (open_descriptors(!options->own_only))
		return fail_start(errno);
	err = berth_port_tree_start();
	if (err)
		return fail_start(-err);
	if (start_threads()) {
		berth_port_tree_stop();
		return fail_start(EAGAIN);
	}
	init_waitqueue_func_entry(&news, note_news);
	add_wait_queue(berth_node_news(), &news);
	server.is_serving = true;
	return 0;
}

void berth_serve_stop(void)
{
	if (!server.is_serving)
		return;
	remove_wait_queue(berth_node_news(), &news);
	end_threads();
	pthread_join(server.pump, NULL);
	berth_port_conns_end();
	berth_port_tree_stop();
	pthread_mutex_lock(&server.lock);
	server.is_serving = false;
	server.name[0] = '\0';
	pthread_mutex_unlock(&server.lock);
	close_descriptors();
}

int berth_serve_adopt(int fd)
{
	int domain = 0, type = 0;
	socklen_t size = sizeof(domain);
	struct conn *conn;

	if (!server.is_serving)
		return berth_port_fail(-EINVAL, BERTH_REASON_STATE, "not serving", 0, 0);
	if (getsockopt(fd, SOL_SOCKET, SO_DOMAIN, &domain, &size) ||
	    getsockopt(fd, SOL_SOCKET, SO_TYPE, &type, &size) || domain != AF_UNIX ||
	    type != SOCK_SEQPACKET || fcntl(fd, F_SETFD, FD_CLOEXEC))
		return berth_port_fail(-EINVAL, BERTH_REASON_ARGUMENT, "descriptor", (uint64_t)fd,
				       0);
	conn = berth_port_conn_add(fd, true);
	if (!conn)
		return berth_port_fail(-ENOMEM, BERTH_REASON_TABLE_FULL, "connections", 0,
				       server.max_conns);
	berth_port_conn_put(conn);
	return 0;
}

const char *berth_serve_name(void)
{
	return server.name;
}

void berth_serve_stats(struct berth_serve_stats *stats)
{
	*stats = (struct berth_serve_stats){ 0 };
	pthread_mutex_lock(&server.lock);
	for (unsigned int i = 0; server.is_serving && i < server.max_conns; i++) {
		enum conn_kind kind;

		if (!server.conns[i])
			continue;
		kind = __atomic_load_n(&server.conns[i]->kind, __ATOMIC_RELAXED);
		stats->files += kind == CONN_FILE;
		stats->mappings += kind == CONN_MAPPING;
	}
	if (server.is_serving)
		stats->connections = __atomic_load_n(&server.nr_conns, __ATOMIC_ACQUIRE);
	stats->refused = __atomic_load_n(&server.refused, __ATOMIC_RELAXED);
	stats->dropped = __atomic_load_n(&server.dropped, __ATOMIC_RELAXED);
	pthread_mutex_unlock(&server.lock);
}
