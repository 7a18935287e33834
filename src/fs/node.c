// SPDX-License-Identifier: BSD-2-Clause
/* Nodes: what programs can open by name, and what is known of them. */
#include <berth/slab.h>

#include "fs/internal.h"
#include "lib/device.h"
#include "lib/error.h"
#include "lib/string.h"

/* Whether there is a component that is empty, "." or "..". */
static bool is_path(const char *path, size_t limit)
{
	size_t length = berth_strlen(path);

	if (!length || length >= limit)
		return false;
	for (const char *at = path;; at++) {
		size_t n = 0;

		while (at[n] && at[n] != '/')
			n++;
		if (!n || (n == 1 && at[0] == '.') || (n == 2 && at[0] == '.' && at[1] == '.'))
			return false;
		at += n;
		if (!*at)
			return true;
	}
}

static bool is_single(const char *name)
{
	while (*name && *name != '/')
		name++;
	return !*name;
}

static int check(const struct berth_node_info *info)
{
	if (!info || !info->fops || !info->name || !is_path(info->name, BERTH_NODE_NAME))
		return berth_fail(-EINVAL, BERTH_REASON_ARGUMENT,
				  info && info->name ? info->name : "name of a node");
	if (info->class_name &&
	    (!is_path(info->class_name, BERTH_NODE_NAME) || !is_single(info->class_name)))
		return berth_fail(-EINVAL, BERTH_REASON_ARGUMENT, info->class_name);
	for (unsigned int i = 0; i < info->nr_attrs; i++)
		if (!info->attrs[i].name || !info->attrs[i].show ||
		    !is_path(info->attrs[i].name, BERTH_NODE_NAME))
			return berth_fail_at(-EINVAL, BERTH_REASON_ARGUMENT, "attribute of a node",
					     i);
	return 0;
}

static size_t length_of(const char *text)
{
	return text ? berth_strlen(text) + 1 : 0;
}

/* A copy at *@at, which goes on behind it. */
static const char *copy(char **at, const char *text)
{
	char *start = *at;

	if (!text)
		return NULL;
	memcpy(start, text, length_of(text));
	*at += length_of(text);
	return start;
}

static struct berth_node *new_node(const struct berth_node_info *info)
{
	const char *class_name = info->class_name ? info->class_name : "misc";
	const char *parent = info->parent ? dev_name(info->parent) : NULL;
	const size_t attrs_size = info->nr_attrs * sizeof(info->attrs[0]);
	size_t size = sizeof(struct berth_node) + attrs_size + length_of(info->name) +
		      length_of(class_name) + length_of(parent);
	struct berth_node_attr *attrs;
	struct berth_node *node;
	char *at;

	for (unsigned int i = 0; i < info->nr_attrs; i++)
		size += length_of(info->attrs[i].name);
	node = kzalloc(size, GFP_KERNEL);
	if (!node)
		return NULL;
	attrs = (struct berth_node_attr *)(node + 1);
	at = (char *)attrs + attrs_size;
	node->view = (struct berth_node_view){
		.name = copy(&at, info->name),
		.class_name = copy(&at, class_name),
		.parent = copy(&at, parent),
		.rdev = info->rdev,
		.mode = info->mode ? info->mode : 0600,
		.attrs = attrs,
		.nr_attrs = info->nr_attrs,
	};
	for (unsigned int i = 0; i < info->nr_attrs; i++) {
		attrs[i] = info->attrs[i];
		attrs[i].name = copy(&at, info->attrs[i].name);
	}
	return node;
}

struct berth_node *berth_node_create(const struct berth_node_info *info, void *opens_with)
{
	struct berth_node *node;
	int err = check(info);

	if (err)
		return ERR_PTR(err);
	node = new_node(info);
	if (!node)
		return ERR_PTR(-ENOMEM);
	kref_init(&node->kref);
	init_waitqueue_head(&node->idle);
	node->fops = info->fops;
	node->priv = info->priv;
	node->opens_with = opens_with;
	node->inode.i_private = info->priv;
	node->inode.node = node;
	err = berth_node_publish(node);
	if (!err)
		return node;
	kfree(node);
	return ERR_PTR(err);
}

struct berth_node *berth_node_register(const struct berth_node_info *info)
{
	return berth_node_create(info, NULL);
}

static void free_node(struct kref *kref)
{
	kfree(container_of(kref, struct berth_node, kref));
}

void berth_node_put(struct berth_node *node)
{
	kref_put(&node->kref, free_node);
}

long berth_node_show(const char *name, const char *attr, char *buf)
{
	struct berth_node *node = name && attr ? berth_node_busy(name) : NULL;
	long ret = -ENOENT;

	if (!node)
		return berth_file_fail(-ENOENT, name ? name : "", "no such node");
	for (unsigned int i = 0; i < node->view.nr_attrs && ret == -ENOENT; i++)
		if (!berth_strcmp(node->view.attrs[i].name, attr))
			ret = node->view.attrs[i].show(node->priv, &node->view.attrs[i], buf);
	if (ret == -ENOENT)
		berth_file_fail(-ENOENT, name, "no such attribute");
	berth_node_idle(node);
	return ret;
}
