/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Inside the server. Its threads wait for events of connections, of which each is one thread's at a time.
 * What is sent to a client never waits: a client has at most one request, and one reply fits.
 *
 * Locks, outermost first: tree.lock; server.lock (the table of connections); conn.lock (who runs it);
 * the lock of access.c; server.woken_lock, which is also taken inside the lock of a wait queue. None is held while a driver's
 * operation runs, or a thread sleeps.
 */
#ifndef PORTS_LINUX_SERVE_INTERNAL_H
#define PORTS_LINUX_SERVE_INTERNAL_H

#include <pthread.h>
#include <sys/socket.h>
#include <sys/un.h>

#include <berth/fs.h>
#include <berth/serve.h>
#include <berth/vm_area.h>
#include <berth/wait.h>

#include <berth/serve-protocol.h>

#define SERVE_THREADS 16
#define SERVE_CONNECTIONS 512
#define SERVE_CONNECTIONS_MOST 4096
#define SERVE_QUEUES 4 /* wait queues of one file */
#define SERVE_PACKETS 32 /* of one client, before the others get a turn */
#define SERVE_TOKEN 16

enum conn_kind {
	CONN_NEW, /* nothing was said yet */
	CONN_ASKING, /* requests and replies */
	CONN_FILE, /* an open node */
	CONN_MAPPING,
	CONN_DEAD,
};

struct conn;

struct conn_waiter {
	struct wait_queue_entry entry;
	struct wait_queue_head *queue;
	struct conn *conn;
};

/*
 * A connection.
 * lock: of what decides who runs it, and of @file
 * pid: of who has connected
 * token, token_size: to what the client has bound its end; 0: to nothing
 */
struct conn {
	int fd;
	uint32_t refs;
	uint64_t id;
	pthread_mutex_t lock;
	pid_t pid;
	bool is_running, has_news, is_adopted;
	enum conn_kind kind;
	uint8_t token[SERVE_TOKEN];
	size_t token_size;
	/* An open node. */
	struct file *file;
	unsigned int flags;
	char name[BERTH_SERVE_NAME_MOST];
	bool is_uio, has_ended;
	uint32_t last; /* what was sent last */
	struct conn_waiter waiters[SERVE_QUEUES];
	unsigned int nr_waiters;
	/* A mapping. */
	struct vm_area_struct vma;
	int shared; /* valid as long as @vma */
	/* In server.woken. */
	bool is_woken;
	struct conn *next_woken;
};

struct serve_state {
	bool is_serving;
	char name[BERTH_SERVE_NAME_MOST];
	int listener, epoll, wake, stop, timer, spare;
	struct conn **conns;
	uint32_t *generations;
	unsigned int max_conns;
	unsigned int nr_conns; /* whose descriptor is not closed yet */
	pthread_mutex_t lock;
	pthread_mutex_t woken_lock;
	struct conn *woken, **woken_end;
	pthread_t threads[SERVE_THREADS];
	pthread_t pump;
	unsigned int nr_threads, nr_idle;
	uint32_t stopping;
	uint64_t refused, dropped;
};

extern struct serve_state berth_port_server;
#define server berth_port_server

/* A packet that came, with what belongs to it: data is behind the request in @bytes. */
struct packet {
	_Alignas(16) uint8_t bytes[sizeof(struct berth_serve_request) + BERTH_SERVE_DATA_MOST];
	size_t size;
	int fd, other; /* or -1 */
	unsigned int fds; /* that came */
};

/* What is sent back: data is behind the reply in @bytes. */
struct answer {
	_Alignas(16) uint8_t bytes[sizeof(struct berth_serve_reply) + BERTH_SERVE_DATA_MOST];
	size_t size; /* of the data */
	int64_t result;
	int fd; /* or -1; stays the caller's */
	uint32_t fd_at, wants;
};

static inline struct berth_serve_request *packet_request(struct packet *packet)
{
	return (void *)packet->bytes;
}

static inline uint8_t *packet_data(struct packet *packet)
{
	return packet->bytes + sizeof(struct berth_serve_request);
}

static inline uint8_t *answer_data(struct answer *answer)
{
	return answer->bytes + sizeof(struct berth_serve_reply);
}

/* The table. A connection that is got is put back. */
struct conn *berth_port_conn_add(int fd, bool is_adopted);
struct conn *berth_port_conn_get(uint64_t id);
void berth_port_conn_put(struct conn *conn);
/* The open node whose descriptor @fd is, or NULL. */
struct conn *berth_port_conn_of_fd(int fd);
/* The one that this process has connected to itself, from that name; NULL: it is not accepted yet. */
struct conn *berth_port_conn_own(const struct sockaddr_un *name, socklen_t size);
/* Whether it is one thread's, this one's, from now on; and no longer. */
bool berth_port_conn_claim(struct conn *conn);
void berth_port_conn_unclaim(struct conn *conn);
/* Every connection ends. No thread of the server's is left. */
void berth_port_conns_end(void);

/* There may be something to do for it. conn_run() on this thread, conn_kick() on another; any context. */
void berth_port_conn_run(struct conn *conn);
void berth_port_conn_kick(struct conn *conn);

/* Do what a request says. False: nonsense, which ends the connection. */
bool berth_port_request(struct conn *conn, struct packet *packet, struct answer *answer);
bool berth_port_reply(struct conn *conn, struct answer *answer);

/* Of an open node: tell the client what is new; take what it writes; give it back. */
int berth_port_open(struct conn *conn, const char *name, unsigned int flags);
void berth_port_tell(struct conn *conn);
void berth_port_take(struct conn *conn, struct packet *packet);
void berth_port_release(struct conn *conn);
/* How many bytes the client has not read. */
int berth_port_unread(const struct conn *conn);

/* The connection is an open file from now on, whose reference it takes. */
void berth_port_attach(struct conn *conn, struct file *file, const char *name, bool is_uio);
/* Accept one who waits. False: there is nobody. */
bool berth_port_accept(void);
/* Another end of a file, for a client; takes the reference. Return: a descriptor or a negative errno value. */
int berth_port_mint(struct file *file);
/* An ioctl(); with what is in its data besides bytes. */
long berth_port_control(struct conn *conn, struct file *file, struct packet *packet,
			struct answer *answer);

/* CPU access that processes have begun. Ends: that of one process, or of all if @pid is 0. */
void berth_port_access_end(struct file *file, pid_t pid);
/* Do the request of that process, and remember. */
long berth_port_access(struct file *file, pid_t pid, uint64_t flags);

/*
 * A new directory for the tree, to @path; those that servers of this name left behind when they were killed go.
 * Return: a descriptor that says whose it is, for berth_port_directory_remove(); or a negative errno value.
 */
int berth_port_directory_make(char *path, size_t size);
void berth_port_directory_remove(const char *path, int lock);

/* The tree of attributes. Return: 0 or a negative errno value. */
int berth_port_tree_start(void);
void berth_port_tree_stop(void);
/* Nodes are as they are now. */
void berth_port_tree_sync(void);
/* All texts are. */
void berth_port_tree_refresh_all(void);
int berth_port_tree_refresh(uint64_t inode);
const char *berth_port_tree_path(void);

#endif
