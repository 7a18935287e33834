// SPDX-License-Identifier: BSD-2-Clause
/* The list of nodes, and who uses one just now. */
#include <berth/mutex.h>

#include "fs/internal.h"
#include "lib/error.h"
#include "lib/string.h"

/* The major number of nodes that were registered without one. */
#define ANY_MAJOR 241

/* No function of a driver's runs, and no memory is taken, while it is held; queues' locks are taken inside. */
static DEFINE_MUTEX(nodes_lock);
static struct list_head nodes = { &nodes, &nodes };

static struct wait_queue_head news = { .head = { &news.head, &news.head } };

int berth_file_fail(int code, const char *node, const char *what)
{
	struct berth_error *error = berth_error_set(code, BERTH_REASON_FILE, node);

	berth_strlcpy(error->holder, what, sizeof(error->holder));
	return code;
}

/* Whether one is the other, or would have to be a directory for it. */
static bool is_in_the_way(const char *a, const char *b)
{
	while (*a && *a == *b) {
		a++;
		b++;
	}
	return (!*a && (!*b || *b == '/')) || (!*b && *a == '/');
}

static bool has_rdev(uint32_t rdev)
{
	struct berth_node *node;

	list_for_each_entry(node, &nodes, struct berth_node, in_list)
		if (!node->is_gone && node->inode.i_rdev == rdev)
			return true;
	return false;
}

/* Where a search begins: as in Linux misc devices count down, and have a number that is none. */
static uint32_t nth_minor(unsigned int major, uint32_t n)
{
	if (major != MISC_MAJOR)
		return n;
	return n < MISC_DYNAMIC_MINOR ? MISC_DYNAMIC_MINOR - 1 - n : n + 1;
}

/* With the lock. */
static int choose_rdev(struct berth_node *node)
{
	uint32_t rdev = node->view.rdev ? node->view.rdev : BERTH_NODE_RDEV_ANY(ANY_MAJOR);
	const unsigned int major = MAJOR(rdev);

	if (rdev == BERTH_NODE_RDEV_ANY(major)) {
		uint32_t n = 0;

		while (has_rdev(MKDEV(major, nth_minor(major, n))))
			n++;
		rdev = MKDEV(major, nth_minor(major, n));
	}
	if (has_rdev(rdev))
		return berth_file_fail(-EEXIST, node->view.name, "its number is taken");
	node->view.rdev = node->inode.i_rdev = rdev;
	return 0;
}

int berth_node_publish(struct berth_node *node)
{
	struct berth_node *other;
	int err = 0;

	mutex_lock(&nodes_lock);
	list_for_each_entry(other, &nodes, struct berth_node, in_list)
		if (!other->is_gone && is_in_the_way(other->view.name, node->view.name))
			err = -EEXIST;
	if (err)
		berth_file_fail(err, node->view.name, "there is such a node");
	else
		err = choose_rdev(node);
	if (!err)
		list_add_tail(&node->in_list, &nodes);
	mutex_unlock(&nodes_lock);
	if (!err)
		wake_up(&news);
	return err;
}

struct berth_node *berth_node_busy(const char *name)
{
	struct berth_node *node, *found = NULL;

	mutex_lock(&nodes_lock);
	list_for_each_entry(node, &nodes, struct berth_node, in_list)
		if (!node->is_gone && !berth_strcmp(node->view.name, name))
			found = node;
	if (found)
		found->busy++;
	mutex_unlock(&nodes_lock);
	return found;
}

/* With the lock: so the node is still there when others have been told. */
static void leave(struct berth_node *node)
{
	if (!--node->busy && node->is_gone)
		wake_up(&node->idle);
}

void berth_node_idle(struct berth_node *node)
{
	mutex_lock(&nodes_lock);
	leave(node);
	mutex_unlock(&nodes_lock);
}

static bool is_idle(const struct berth_node *node)
{
	bool is_idle;

	mutex_lock(&nodes_lock);
	is_idle = !node->busy;
	mutex_unlock(&nodes_lock);
	return is_idle;
}

void berth_node_unregister(struct berth_node *node)
{
	if (IS_ERR_OR_NULL(node))
		return;
	mutex_lock(&nodes_lock);
	node->is_gone = true;
	mutex_unlock(&nodes_lock);
	wait_event(&node->idle, is_idle(node));
	mutex_lock(&nodes_lock);
	list_del(&node->in_list);
	mutex_unlock(&nodes_lock);
	wake_up(&news);
	berth_node_put(node);
}

/* The one behind @prev, or the first, made busy instead of it. */
static struct berth_node *step(struct berth_node *prev)
{
	struct list_head *at;

	mutex_lock(&nodes_lock);
	at = prev ? prev->in_list.next : nodes.next;
	while (at != &nodes && list_entry(at, struct berth_node, in_list)->is_gone)
		at = at->next;
	if (at != &nodes)
		list_entry(at, struct berth_node, in_list)->busy++;
	if (prev)
		leave(prev);
	mutex_unlock(&nodes_lock);
	return at == &nodes ? NULL : list_entry(at, struct berth_node, in_list);
}

int berth_node_each(int (*visit)(const struct berth_node_view *view, void *data), void *data)
{
	struct berth_node *node;
	int ret = 0;

	for (node = step(NULL); node && !ret;) {
		const struct berth_node_view view = {
			.name = node->view.name,
			.class_name = node->view.class_name,
			.parent = node->view.parent,
			.rdev = node->view.rdev,
			.mode = node->view.mode,
			.attrs = node->view.attrs,
			.nr_attrs = node->view.nr_attrs,
			.changes = __atomic_load_n(&node->view.changes, __ATOMIC_ACQUIRE),
		};

		ret = visit(&view, data);
		if (!ret)
			node = step(node);
	}
	if (node)
		berth_node_idle(node);
	return ret;
}

struct wait_queue_head *berth_node_news(void)
{
	return &news;
}

void berth_node_changed(struct berth_node *node)
{
	__atomic_fetch_add(&node->view.changes, 1, __ATOMIC_RELEASE);
	wake_up(&news);
}

void berth_fs_reset(void)
{
	INIT_LIST_HEAD(&nodes);
	mutex_init(&nodes_lock);
}
