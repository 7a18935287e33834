// SPDX-License-Identifier: BSD-2-Clause
/* An open node of a client's: what it is told, what it writes, and how it goes. */
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/epoll.h>

#include "serve/internal.h"

struct queues {
	struct poll_table_struct table;
	struct conn *conn;
};

/* With the lock of the queue. */
static int note_change(struct wait_queue_entry *entry, unsigned int mode, int flags, void *key)
{
	(void)mode;
	(void)flags;
	(void)key;
	berth_port_conn_kick(entry->private_data);
	return 0;
}

static void add_queue(struct file *file, struct wait_queue_head *queue,
		      struct poll_table_struct *table)
{
	struct conn *conn = ((struct queues *)table)->conn;
	struct conn_waiter *waiter;

	(void)file;
	if (conn->nr_waiters == SERVE_QUEUES)
		return;
	waiter = &conn->waiters[conn->nr_waiters++];
	waiter->queue = queue;
	init_waitqueue_func_entry(&waiter->entry, note_change);
	waiter->entry.private_data = conn;
	add_wait_queue(queue, &waiter->entry);
}

static unsigned int events_of(struct file *file, struct poll_table_struct *table)
{
	return file->f_op->poll ? file->f_op->poll(file, table) : BERTH_POLLIN | BERTH_POLLOUT;
}

struct search {
	const char *name;
	bool is_uio;
};

static int look_at_class(const struct berth_node_view *view, void *data)
{
	struct search *search = data;

	if (strcmp(view->name, search->name) != 0)
		return 0;
	search->is_uio = view->class_name && !strcmp(view->class_name, "uio");
	return 1;
}

void berth_port_attach(struct conn *conn, struct file *file, const char *name, bool is_uio)
{
	struct epoll_event event = { .events = EPOLLIN | EPOLLOUT | EPOLLRDHUP | EPOLLET };
	struct queues queues = { .table = { add_queue }, .conn = conn };

	/* Who waits is the client: the server asks again when something changes. */
	if (!(__atomic_load_n(&file->f_flags, __ATOMIC_RELAXED) & BERTH_O_NONBLOCK))
		__atomic_fetch_or(&file->f_flags, BERTH_O_NONBLOCK, __ATOMIC_RELAXED);
	strcpy(conn->name, name);
	conn->flags = file->f_flags & BERTH_O_ACCMODE;
	conn->is_uio = is_uio;
	conn->file = file;
	events_of(file, &queues.table);
	event.data.u64 = conn->id;
	pthread_mutex_lock(&conn->lock);
	__atomic_store_n(&conn->kind, CONN_FILE, __ATOMIC_RELEASE);
	pthread_mutex_unlock(&conn->lock);
	epoll_ctl(server.epoll, EPOLL_CTL_MOD, conn->fd, &event);
}

/* Who it is for people. Its name is its own choice: nothing of it may do something to a terminal. */
static void name_owner(pid_t pid, char *owner, size_t size)
{
	char path[32], name[16] = "";
	FILE *file;

	snprintf(path, sizeof(path), "/proc/%d/comm", (int)pid);
	file = fopen(path, "re");
	if (file) {
		if (!fgets(name, sizeof(name), file))
			name[0] = '\0';
		fclose(file);
	}
	name[strcspn(name, "\n")] = '\0';
	for (char *at = name; *at; at++)
		if (*at < ' ' || *at > '~')
			*at = '?';
	snprintf(owner, size, "%s (pid %d)", name[0] ? name : "?", (int)pid);
}

int berth_port_open(struct conn *conn, const char *name, unsigned int flags)
{
	struct search search = { .name = name };
	char path[sizeof("/dev/") + BERTH_SERVE_NAME_MOST] = "/dev/";
	char owner[BERTH_FILE_OWNER_LEN];
	struct file *file;

	if (strlen(name) >= sizeof(conn->name) ||
	    (flags & BERTH_O_ACCMODE) == (BERTH_O_RDWR | BERTH_O_WRONLY))
		return -EINVAL;
	strcat(path, name);
	berth_node_each(look_at_class, &search);
	name_owner(conn->pid, owner, sizeof(owner));
	file = berth_filp_open_as(path, flags & BERTH_O_ACCMODE, owner);
	if (IS_ERR(file))
		return (int)PTR_ERR(file);
	berth_port_attach(conn, file, name, search.is_uio);
	return 0;
}

void berth_port_release(struct conn *conn)
{
	struct file *file;

	for (unsigned int i = 0; i < conn->nr_waiters; i++)
		remove_wait_queue(conn->waiters[i].queue, &conn->waiters[i].entry);
	pthread_mutex_lock(&conn->lock);
	file = conn->file;
	conn->file = NULL;
	pthread_mutex_unlock(&conn->lock);
	berth_port_access_end(file, 0);
	fput(file);
}

static void send_to(struct conn *conn, const void *bytes, size_t size)
{
	/* Full: not possible, as nothing is unread. Gone: there is an event for that. */
	if (send(conn->fd, bytes, size, MSG_DONTWAIT | MSG_NOSIGNAL) < 0)
		return;
}

/* One that nobody has read is enough. The end is the device's: the client reads it as one. */
static void tell_count(struct conn *conn)
{
	uint32_t count;
	long ret = berth_file_read(conn->file, &count, sizeof(count));

	if (ret == -EAGAIN)
		return;
	if (ret != (long)sizeof(count)) {
		conn->has_ended = true;
		shutdown(conn->fd, SHUT_WR);
		return;
	}
	pthread_mutex_lock(&conn->lock);
	conn->last = count;
	pthread_mutex_unlock(&conn->lock);
	send_to(conn, &count, sizeof(count));
}

void berth_port_tell(struct conn *conn)
{
	const bool is_readable = (conn->flags & BERTH_O_ACCMODE) != BERTH_O_WRONLY;

	if (conn->has_ended || !is_readable || berth_port_unread(conn))
		return;
	if (conn->is_uio)
		tell_count(conn);
	else if (events_of(conn->file, NULL) & (BERTH_POLLIN | BERTH_POLLERR | BERTH_POLLHUP))
		send_to(conn, "", 1);
}

/* write() of a program whose write() is the kernel's: its result cannot be told. */
void berth_port_take(struct conn *conn, struct packet *packet)
{
	if (packet->size <= sizeof(packet->bytes))
		berth_file_write(conn->file, packet->bytes, packet->size);
}
