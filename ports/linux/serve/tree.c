// SPDX-License-Identifier: BSD-2-Clause
/*
 * The tree: what /sys and /dev have of the nodes, as files that any program can read. A directory of its own,
 * which only the user can enter.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "serve/internal.h"

#define PATH_MOST 512

struct text {
	uint64_t inode;
	char *attr; /* NULL: it does not change */
	char *path; /* below the tree */
};

struct tree_node {
	struct tree_node *next;
	char *name, *class_name, *parent;
	uint32_t rdev, mode, changes;
	bool is_seen, is_stale;
	char dir[PATH_MOST]; /* sys/devices/... */
	struct text *texts;
	unsigned int nr_texts;
};

static struct {
	pthread_mutex_t lock;
	char path[128];
	int fd, lock_fd;
	struct tree_node *nodes;
} tree = { .lock = PTHREAD_MUTEX_INITIALIZER, .fd = -1, .lock_fd = -1 };

const char *berth_port_tree_path(void)
{
	return tree.path;
}

/* All directories in front of the last component. */
static int make_parents(const char *path)
{
	char part[PATH_MOST];

	for (const char *at = strchr(path, '/'); at; at = strchr(at + 1, '/')) {
		snprintf(part, sizeof(part), "%.*s", (int)(at - path), path);
		if (mkdirat(tree.fd, part, 0755) && errno != EEXIST)
			return -1;
	}
	return 0;
}

/* What is left without entries goes, up to the first that has some. */
static void remove_parents(const char *path)
{
	char part[PATH_MOST];
	char *end;

	snprintf(part, sizeof(part), "%s", path);
	while ((end = strrchr(part, '/')) != NULL) {
		*end = '\0';
		if (!strchr(part, '/') || unlinkat(tree.fd, part, AT_REMOVEDIR))
			return;
	}
}

/* Relative, as the kernel has it: "../../devices/..." at sys/class/uio/uio0. Both are below sys. */
static void link_to(const char *target, const char *path)
{
	char text[2 * PATH_MOST] = "";
	unsigned int depth = 0;

	for (const char *at = path; *at; at++)
		depth += *at == '/';
	for (unsigned int i = 1; i < depth && i < 32; i++)
		strcat(text, "../");
	strncat(text, target + sizeof("sys/") - 1, PATH_MOST);
	if (!make_parents(path) && symlinkat(text, tree.fd, path) && errno == EEXIST &&
	    !unlinkat(tree.fd, path, 0) && symlinkat(text, tree.fd, path))
		return;
}

/* In place: who has the file open reads the new text at its beginning. */
static int write_text(const char *path, const char *bytes, size_t size, uint64_t *inode)
{
	struct stat status;
	int fd, ret = -1;

	if (make_parents(path))
		return -1;
	fd = openat(tree.fd, path, O_WRONLY | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0644);
	if (fd < 0 && errno == EACCES && !fchmodat(tree.fd, path, 0644, 0))
		fd = openat(tree.fd, path, O_WRONLY | O_CLOEXEC | O_NOFOLLOW);
	if (fd < 0)
		return -1;
	if (pwrite(fd, bytes, size, 0) == (ssize_t)size && !ftruncate(fd, (off_t)size) &&
	    !fchmod(fd, 0444) && !fstat(fd, &status)) {
		*inode = status.st_ino;
		ret = 0;
	}
	close(fd);
	return ret;
}

static void add_text(struct tree_node *node, const char *name, const char *attr, const char *bytes)
{
	char path[2 * PATH_MOST];
	struct text *texts = realloc(node->texts, (node->nr_texts + 1) * sizeof(*texts));
	struct text *text;

	if (!texts)
		return;
	node->texts = texts;
	text = &texts[node->nr_texts];
	snprintf(path, sizeof(path), "%s/%s", node->dir, name);
	*text = (struct text){ .attr = attr ? strdup(attr) : NULL, .path = strdup(path) };
	if (strlen(path) < PATH_MOST && text->path && (text->attr || !attr) &&
	    !write_text(path, bytes, strlen(bytes), &text->inode)) {
		node->nr_texts++;
		return;
	}
	free(text->attr);
	free(text->path);
}

/* It stands for the node, and says which: see serve-protocol.h. */
static void add_dev(const struct tree_node *node)
{
	char path[PATH_MOST];
	const struct timespec times[2] = { { .tv_nsec = UTIME_OMIT },
					   { .tv_sec = MAJOR(node->rdev),
					     .tv_nsec = MINOR(node->rdev) } };
	int fd;

	snprintf(path, sizeof(path), "dev/%s", node->name);
	if (make_parents(path))
		return;
	unlinkat(tree.fd, path, 0);
	fd = openat(tree.fd, path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
	if (fd < 0)
		return;
	if (futimens(fd, times) || fchmod(fd, S_ISVTX | (node->mode & 0666)))
		unlinkat(tree.fd, path, 0);
	close(fd);
}

/* As the kernel has it: a name in /sys has no slash. */
static void flat(char *to, size_t size, const char *name)
{
	size_t i;

	for (i = 0; name[i] && i + 1 < size; i++)
		to[i] = name[i] == '/' || (!i && name[i] == '.') ? '!' : name[i];
	to[i] = '\0';
}

static void add_links(const struct tree_node *node, const char *flat_name)
{
	char path[2 * PATH_MOST], target[2 * PATH_MOST];

	snprintf(path, sizeof(path), "sys/class/%s/%s", node->class_name, flat_name);
	link_to(node->dir, path);
	snprintf(path, sizeof(path), "%s/subsystem", node->dir);
	snprintf(target, sizeof(target), "sys/class/%s", node->class_name);
	link_to(target, path);
	snprintf(path, sizeof(path), "sys/dev/char/%u:%u", MAJOR(node->rdev), MINOR(node->rdev));
	link_to(node->dir, path);
	if (node->parent) {
		snprintf(path, sizeof(path), "%s/device", node->dir);
		snprintf(target, sizeof(target), "sys/devices/berth/%s", node->parent);
		link_to(target, path);
	}
}

static int add_attr_names(struct tree_node *node, const struct berth_node_view *view)
{
	for (unsigned int i = 0; i < view->nr_attrs; i++)
		add_text(node, view->attrs[i].name, view->attrs[i].name, "");
	return 0;
}

static struct tree_node *new_node(const struct berth_node_view *view)
{
	struct tree_node *node = calloc(1, sizeof(*node));
	char flat_name[BERTH_SERVE_NAME_MOST], parent[BERTH_SERVE_NAME_MOST] = "virtual";
	char text[3 * BERTH_SERVE_NAME_MOST];

	if (!node)
		return NULL;
	flat(flat_name, sizeof(flat_name), view->name);
	if (view->parent)
		flat(parent, sizeof(parent), view->parent);
	*node = (struct tree_node){
		.name = strdup(view->name),
		.class_name = strdup(view->class_name),
		.parent = view->parent ? strdup(parent) : NULL,
		.rdev = view->rdev,
		.mode = view->mode,
		.changes = view->changes,
		.is_seen = true,
		.is_stale = true,
	};
	if (!node->name || !node->class_name || (view->parent && !node->parent)) {
		free(node->name);
		free(node->class_name);
		free(node->parent);
		free(node);
		return NULL;
	}
	snprintf(node->dir, sizeof(node->dir), "sys/devices/berth/%s/%s/%s", parent,
		 node->class_name, flat_name);
	snprintf(text, sizeof(text), "%u:%u\n", MAJOR(node->rdev), MINOR(node->rdev));
	add_text(node, "dev", NULL, text);
	snprintf(text, sizeof(text), "MAJOR=%u\nMINOR=%u\nDEVNAME=%s\n", MAJOR(node->rdev),
		 MINOR(node->rdev), node->name);
	add_text(node, "uevent", NULL, text);
	add_attr_names(node, view);
	add_links(node, flat_name);
	add_dev(node);
	return node;
}

static void remove_at(const char *path)
{
	unlinkat(tree.fd, path, 0);
	remove_parents(path);
}

static void free_node(struct tree_node *node)
{
	char path[2 * PATH_MOST], flat_name[BERTH_SERVE_NAME_MOST];

	flat(flat_name, sizeof(flat_name), node->name);
	snprintf(path, sizeof(path), "dev/%s", node->name);
	remove_at(path);
	snprintf(path, sizeof(path), "sys/class/%s/%s", node->class_name, flat_name);
	remove_at(path);
	snprintf(path, sizeof(path), "sys/dev/char/%u:%u", MAJOR(node->rdev), MINOR(node->rdev));
	remove_at(path);
	snprintf(path, sizeof(path), "%s/subsystem", node->dir);
	remove_at(path);
	snprintf(path, sizeof(path), "%s/device", node->dir);
	remove_at(path);
	for (unsigned int i = 0; i < node->nr_texts; i++) {
		remove_at(node->texts[i].path);
		free(node->texts[i].path);
		free(node->texts[i].attr);
	}
	free(node->texts);
	free(node->name);
	free(node->class_name);
	free(node->parent);
	free(node);
}

/* Whether it is the one of which there are files: another may have got its name. */
static bool is_same(const struct tree_node *node, const struct berth_node_view *view)
{
	unsigned int texts = 0;

	if (strcmp(node->name, view->name) != 0 ||
	    strcmp(node->class_name, view->class_name) != 0 || node->rdev != view->rdev ||
	    node->mode != view->mode)
		return false;
	for (unsigned int i = 0; i < node->nr_texts; i++)
		if (node->texts[i].attr) {
			if (texts == view->nr_attrs ||
			    strcmp(node->texts[i].attr, view->attrs[texts].name) != 0)
				return false;
			texts++;
		}
	return texts == view->nr_attrs;
}

static int see(const struct berth_node_view *view, void *unused)
{
	struct tree_node *node = tree.nodes;

	(void)unused;
	if (strlen(view->name) >= BERTH_SERVE_NAME_MOST)
		return 0;
	while (node && !(!node->is_seen && is_same(node, view)))
		node = node->next;
	if (node) {
		node->is_stale |= node->changes != view->changes;
		node->changes = view->changes;
		node->is_seen = true;
		return 0;
	}
	node = new_node(view);
	if (node) {
		node->next = tree.nodes;
		tree.nodes = node;
	}
	return 0;
}

static void remove_unseen(void)
{
	for (struct tree_node **at = &tree.nodes; *at;) {
		struct tree_node *node = *at;

		if (node->is_seen) {
			at = &node->next;
		} else {
			*at = node->next;
			free_node(node);
		}
	}
}

/* The driver is asked without the lock; meanwhile the file may have gone. */
static int refresh(uint64_t inode)
{
	char text[PAGE_SIZE];
	char *name = NULL, *attr = NULL;
	bool is_fixed = false;
	struct tree_node *node;
	long size = -ENOENT;
	uint64_t ignored;

	pthread_mutex_lock(&tree.lock);
	for (node = tree.nodes; node && !name; node = node->next)
		for (unsigned int i = 0; i < node->nr_texts && !name; i++)
			if (node->texts[i].inode == inode) {
				is_fixed = !node->texts[i].attr;
				name = strdup(node->name);
				attr = is_fixed ? NULL : strdup(node->texts[i].attr);
			}
	pthread_mutex_unlock(&tree.lock);
	if (name && attr)
		size = berth_node_show(name, attr, text);
	free(name);
	free(attr);
	if (is_fixed)
		return 0;
	if (size < 0 || size > (long)sizeof(text))
		return size < 0 ? (int)size : -EINVAL;
	pthread_mutex_lock(&tree.lock);
	for (node = tree.nodes; node; node = node->next)
		for (unsigned int i = 0; i < node->nr_texts; i++)
			if (node->texts[i].inode == inode)
				write_text(node->texts[i].path, text, (size_t)size, &ignored);
	pthread_mutex_unlock(&tree.lock);
	return 0;
}

int berth_port_tree_refresh(uint64_t inode)
{
	return refresh(inode);
}

/* The texts of one node that may read otherwise. Return: their inodes, to be freed; NULL: none. */
static uint64_t *take_stale(unsigned int *nr)
{
	uint64_t *inodes = NULL;
	struct tree_node *node;

	pthread_mutex_lock(&tree.lock);
	for (node = tree.nodes; node && !node->is_stale; node = node->next)
		;
	if (node && node->nr_texts)
		inodes = calloc(node->nr_texts, sizeof(*inodes));
	*nr = inodes ? node->nr_texts : 0;
	for (unsigned int i = 0; i < *nr; i++)
		inodes[i] = node->texts[i].inode;
	if (node)
		node->is_stale = false;
	pthread_mutex_unlock(&tree.lock);
	return inodes;
}

void berth_port_tree_refresh_all(void)
{
	uint64_t *inodes;
	unsigned int nr;

	while ((inodes = take_stale(&nr)) != NULL) {
		for (unsigned int i = 0; i < nr; i++)
			refresh(inodes[i]);
		free(inodes);
	}
}

void berth_port_tree_sync(void)
{
	pthread_mutex_lock(&tree.lock);
	for (struct tree_node *node = tree.nodes; node; node = node->next)
		node->is_seen = false;
	berth_node_each(see, NULL);
	remove_unseen();
	pthread_mutex_unlock(&tree.lock);
}

int berth_port_tree_start(void)
{
	tree.lock_fd = berth_port_directory_make(tree.path, sizeof(tree.path));
	if (tree.lock_fd < 0)
		return tree.lock_fd;
	tree.fd = open(tree.path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (tree.fd < 0 || mkdirat(tree.fd, "dev", 0755) || mkdirat(tree.fd, "sys", 0755) ||
	    mkdirat(tree.fd, "sys/class", 0755)) {
		const int err = -errno;

		berth_port_tree_stop();
		return err;
	}
	berth_port_tree_sync();
	berth_port_tree_refresh_all();
	return 0;
}

void berth_port_tree_stop(void)
{
	struct tree_node *node;

	while ((node = tree.nodes) != NULL) {
		tree.nodes = node->next;
		free_node(node);
	}
	if (tree.path[0])
		berth_port_directory_remove(tree.path, tree.lock_fd);
	if (tree.fd >= 0)
		close(tree.fd);
	tree.fd = tree.lock_fd = -1;
	tree.path[0] = '\0';
}
