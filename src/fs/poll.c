// SPDX-License-Identifier: BSD-2-Clause
/* Waiting until an open file has news. */
#include <berth/port.h>
#include <berth/slab.h>
#include <berth/timer.h>

#include "fs/internal.h"
#include "lib/error.h"

/* In one of the queues that a file's poll() named. */
struct poll_entry {
	struct wait_queue_entry wait;
	struct wait_queue_head *queue;
	struct poll_entry *next;
};

struct poller {
	poll_table table;
	struct poll_entry *entries;
	uint32_t is_told;
	int err;
};

static int tell(struct wait_queue_entry *entry, unsigned int mode, int flags, void *key)
{
	struct poller *poller = entry->private_data;

	(void)mode;
	(void)flags;
	(void)key;
	__atomic_store_n(&poller->is_told, 1, __ATOMIC_RELEASE);
	berth_port_wake(&poller->is_told);
	return 1;
}

static void enqueue(struct file *file, struct wait_queue_head *queue, poll_table *table)
{
	struct poller *poller = container_of(table, struct poller, table);
	struct poll_entry *entry = kmalloc(sizeof(*entry), GFP_KERNEL);

	(void)file;
	if (!entry) {
		poller->err = -ENOMEM;
		return;
	}
	init_waitqueue_func_entry(&entry->wait, tell);
	entry->wait.private_data = poller;
	entry->queue = queue;
	entry->next = poller->entries;
	poller->entries = entry;
	add_wait_queue(queue, &entry->wait);
}

static void leave(struct poller *poller)
{
	while (poller->entries) {
		struct poll_entry *entry = poller->entries;

		poller->entries = entry->next;
		remove_wait_queue(entry->queue, &entry->wait);
		kfree(entry);
	}
}

static unsigned int look(struct file *file, unsigned int events, poll_table *table)
{
	const unsigned int always = BERTH_POLLIN | BERTH_POLLRDNORM | BERTH_POLLOUT |
				    BERTH_POLLWRNORM;

	if (!file->f_op->poll)
		return always & events;
	return file->f_op->poll(file, table) & (events | BERTH_POLLERR | BERTH_POLLHUP);
}

/* The queues are named once: from then on they tell of everything. */
static long wait(struct file *file, unsigned int events, struct poller *poller,
		 uint64_t deadline_ns)
{
	unsigned int now = look(file, events, &poller->table);
	int err = poller->err;

	while (!now && !err) {
		err = berth_port_wait(&poller->is_told, 0, deadline_ns);
		__atomic_store_n(&poller->is_told, 0, __ATOMIC_SEQ_CST);
		now = look(file, events, NULL);
	}
	if (now || err == -ETIMEDOUT)
		return (long)now;
	return err == -EDEADLK ? berth_fail(err, BERTH_REASON_NEVER, "poll of a file") : err;
}

long berth_file_poll(struct file *file, unsigned int events, int timeout_ms)
{
	struct poller poller = { .table = { enqueue } };
	long ret;

	if (!timeout_ms)
		return (long)look(file, events, NULL);
	ret = wait(file, events, &poller, berth_wait_deadline(timeout_ms));
	leave(&poller);
	return ret;
}
