/* SPDX-License-Identifier: BSD-2-Clause */
/* Nodes from the inside. They need the memory of src/mm; what is open shows its areas. */
#ifndef BERTH_FS_INTERNAL_H
#define BERTH_FS_INTERNAL_H

#include <berth/fs.h>
#include <berth/kref.h>
#include <berth/list.h>

#define BERTH_NODE_NAME 64u

/*
 * struct berth_node - a node
 * @inode: its files' inode; they hold the node
 * @in_list: from registration until nobody uses it any more
 * @busy: who runs an open() or show() of it, or visits it; under berth_nodes_lock
 * @idle: tells that @busy is 0
 * @is_gone: nobody finds it any more
 * @opens_with: what open() finds in file->private_data
 * @view: its strings lie behind the node
 */
struct berth_node {
	struct inode inode;
	struct kref kref;
	struct list_head in_list;
	const struct file_operations *fops;
	void *priv;
	void *opens_with;
	unsigned int busy;
	struct wait_queue_head idle;
	bool is_gone;
	struct berth_node_view view;
};

/* A node as berth_node_register() makes it; a file of it is opened with @opens_with. */
#define BERTH_NODE_RDEV_ANY(major) MKDEV(major, 0xfffffu) /* a number of this major that none has */
struct berth_node *berth_node_create(const struct berth_node_info *info, void *opens_with);

/* A node by its name, which stays registered until berth_node_idle(); NULL. May sleep. */
struct berth_node *berth_node_busy(const char *name);
void berth_node_idle(struct berth_node *node);

/* Others find a node from now on: 0, or with the reason -EEXIST, -EINVAL, and nothing changed. May sleep. */
int berth_node_publish(struct berth_node *node);

/* One reference less; the node's memory goes with the last one. */
void berth_node_put(struct berth_node *node);

/* What reports call a file. */
const char *berth_file_name(const struct file *file);

/* A failure about the node of that name. */
int berth_file_fail(int code, const char *node, const char *what);

/* No node is left. */
void berth_fs_reset(void);

/* At berth_stop(): files that still have numbers are leaked, the numbers are not. */
void berth_fds_reset(void);

#endif
