/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Inside the preloaded library. Each public function of libc that takes a path or a descriptor is replaced, since
 * libc's own calls among its functions do not come here. What is not about nodes goes to libc at once.
 *
 * Locks: maps_lock and dirs_lock, leaves both.
 */
#ifndef PORTS_LINUX_PRELOAD_INTERNAL_H
#define PORTS_LINUX_PRELOAD_INTERNAL_H

#include <dlfcn.h>
#include <errno.h>
#include <stdbool.h>
#include <stddef.h>
#include <sys/stat.h>

#include "preload/client.h"

#define PATH_ROOM 4096

/* What programs see instead of libc's. */
#define SEEN __attribute__((visibility("default")))
/* One more name of a function that is the same thing on 64-bit machines. */
#define ALSO(ret, name, of, ...) SEEN ret name(__VA_ARGS__) __attribute__((alias(#of)))

/* libc's own, or that of whoever is preloaded behind us. */
#define REAL(name)                                                     \
	(__extension__({                                               \
		static void *at_;                                      \
		void *it_ = __atomic_load_n(&at_, __ATOMIC_RELAXED);   \
                                                                       \
		if (!it_) {                                            \
			it_ = dlsym(RTLD_NEXT, #name);                 \
			__atomic_store_n(&at_, it_, __ATOMIC_RELAXED); \
		}                                                      \
		(__typeof__(&name))it_;                                \
	}))

enum path_kind {
	PATH_OTHER, /* nothing of ours */
	PATH_TREE, /* a file or a directory of the tree alone */
	PATH_NODE, /* a node below /dev */
	PATH_BOTH, /* a directory of the system's to which the tree adds entries */
};

/*
 * path: the file that stands for it; where it is PATH_BOTH, the directory in the tree
 * name: of a node, below /dev; in @path
 * status: of @path
 */
struct place {
	enum path_kind kind;
	char path[PATH_ROOM];
	const char *name;
	struct stat status;
};

/* What a path means. errno stays as it is. */
enum path_kind path_find(int dirfd, const char *path, struct place *place);
/* Whether it is worth asking: cheap. */
bool path_may_be_ours(int dirfd, const char *path);
/* The same of an open descriptor's file. */
enum path_kind path_of_fd(int fd, struct place *place);
/* @path if it is not in the tree, else what it stands for, which is a part of it. */
const char *path_shown(const char *path);
void path_forget_cwd(void);

/* Let the status of a file in the tree be that of what it stands for. */
void status_show(struct stat *status);
/* Whether it is a file that stands for a node. */
bool status_is_node(const struct stat *status);

/* Descriptors. */
bool fd_is_node(int fd);
/* The same, but what is remembered does not count. */
bool fd_is_node_now(int fd);
void fd_set_node(int fd);
void fd_forget(int fd);
void fd_forget_all(void);

/* Mappings of nodes. */
bool maps_is_hidden(int fd);
/* Descriptors of ours in [first, last], lowest first. Return: one, or -1. */
int maps_next_hidden(unsigned int first, unsigned int last);

/* The server is gone, and so is the device: as of one that is unplugged. */
static inline long if_lost(long ret, long then)
{
	return ret == -ECONNREFUSED || ret == -EPIPE || ret == -ECONNRESET ? then : ret;
}

/* Set errno and return -1 for a negative errno value. */
static inline long failed(long ret)
{
	if (ret >= 0)
		return ret;
	errno = (int)-ret;
	return -1;
}

#endif
