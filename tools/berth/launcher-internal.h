/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Three processes: the front (the caller of launcher_run(), the program's parent), the program, and the
 * supervisor, which answers the program's system calls. All are in the mount namespace that the front
 * made, where each node of the server's has a stand-in under /dev: a terminal whose other end is closed. ls
 * shows a character device there, and who opens it without being seen gets EIO.
 *
 * The program has a seccomp filter. open() and its like wait for the supervisor, which gives back a
 * connection to the server, or lets the call go on. Such a descriptor has one of a few high numbers: all other
 * calls that the filter sends to the supervisor are told by that number alone, but for mmap().
 */
#ifndef BERTH_TOOL_LAUNCHER_INTERNAL_H
#define BERTH_TOOL_LAUNCHER_INTERNAL_H

#include <limits.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/stat.h>
#include <sys/types.h>
#include <sys/un.h>

#include <berth/serve-protocol.h>

#include "launcher.h"

/* Numbers of descriptors: of nodes that count interrupts, of other nodes, and one for a moment. */
#define LAUNCHER_COUNTED 40u
#define LAUNCHER_OTHERS 23u
#define LAUNCHER_NUMBERS (LAUNCHER_COUNTED + LAUNCHER_OTHERS + 1u)
#define LAUNCHER_LIMIT 1024u /* what select() can do */

#define LAUNCHER_NODES 256u

/*
 * struct launcher_node - a node of the server's
 * name: below /dev
 * is_counted: of class uio: what its socket gives is what read() returns
 * stand_in: what stat() says of the terminal
 * terminal: its other end, while the stand-ins are made
 */
struct launcher_node {
	char name[BERTH_SERVE_NAME_MOST];
	bool is_counted;
	mode_t mode;
	dev_t number;
	struct stat stand_in;
	int terminal;
};

/*
 * struct launcher - one run
 * numbers: the first of LAUNCHER_NUMBERS
 * tree: the server's
 * tree_dev: its file system
 */
struct launcher {
	struct sockaddr_un server;
	socklen_t server_length;
	unsigned int numbers;
	char tree[PATH_MAX];
	dev_t tree_dev;
	struct launcher_node nodes[LAUNCHER_NODES];
	unsigned int nr_nodes;
};

static inline unsigned int launcher_moment(const struct launcher *launcher)
{
	return launcher->numbers + LAUNCHER_COUNTED + LAUNCHER_OTHERS;
}

/* One line on standard error: what cannot be done, and why if @error is not 0. Returns RUN_UNUSABLE. */
int launcher_unusable(const char *what, int error);

/* The server: launcher-client.c. */

/*
 * struct launcher_message - a request and its reply
 * fd: goes with the request, or -1; other: behind it, if @has_other
 * data, size: go with it; after it what came with the reply, in a buffer of BERTH_SERVE_DATA_MOST bytes
 * reply_fd: came with the reply, or -1; the caller closes it
 */
struct launcher_message {
	struct berth_serve_request request;
	struct berth_serve_reply reply;
	int fd, other, reply_fd;
	bool has_other;
	uint32_t size;
	unsigned char *data;
};

void launcher_name_server(struct launcher *launcher, const char *name);
/* A connection to the server, of one's own user; or a negative errno value. */
int launcher_connect(const struct launcher *launcher);
/* One request over @connection. 0 if there is a reply, whatever it says. */
int launcher_request(int connection, struct launcher_message *message);
/* The same over a new one, which is the caller's if that returns 0. */
int launcher_request_new(const struct launcher *launcher, struct launcher_message *message,
			 int *connection);
/* The same over the connection that is kept for it. Returns the reply's result. */
int64_t launcher_ask(const struct launcher *launcher, struct launcher_message *message);
bool launcher_is_connection(const struct launcher *launcher, int fd);

/* What the program sees: launcher-place.c, launcher-nodes.c. 0, or RUN_UNUSABLE when it is told. */
int launcher_enter(void);
int launcher_place(struct launcher *launcher);
int launcher_stand_in(struct launcher *launcher, int tree, const char *entry, const char *path);
void launcher_close_stand_ins(struct launcher *launcher);

/* System calls: launcher-filter.c. */
enum launcher_op {
	LAUNCHER_OPEN,
	LAUNCHER_CREAT,
	LAUNCHER_OPENAT,
	LAUNCHER_OPENAT2,
	LAUNCHER_MMAP,
	LAUNCHER_MMAP_OLD, /* arguments in memory */
	LAUNCHER_STAT,
	LAUNCHER_LSTAT,
	LAUNCHER_FSTAT,
	LAUNCHER_FSTATAT,
	LAUNCHER_STATX,
	LAUNCHER_READ,
	LAUNCHER_READV,
	LAUNCHER_PREAD,
	LAUNCHER_PREADV,
	LAUNCHER_WRITE,
	LAUNCHER_WRITEV,
	LAUNCHER_IOCTL,
	LAUNCHER_LSEEK,
	LAUNCHER_DUP,
	LAUNCHER_FCNTL,
	LAUNCHER_SPLICE, /* from the descriptor */
	LAUNCHER_SENDFILE, /* likewise: it is the second argument */
	LAUNCHER_NO_OP,
};

/* Filter the calls of this thread. Returns the descriptor on which the supervisor hears of them. */
int launcher_filter(unsigned int numbers);
enum launcher_op launcher_op(uint32_t arch, int nr);

/*
 * struct launcher_call - a system call that waits
 * is_compat: of the 32-bit ABI
 * behind: address of the instruction after the call's
 */
struct launcher_call {
	struct launcher *launcher;
	int listener;
	uint64_t id;
	pid_t tid;
	bool is_compat;
	enum launcher_op op;
	uint64_t behind;
	uint64_t args[6];
};

/* One of these ends it. */
void launcher_result(const struct launcher_call *call, int64_t result);
void launcher_continue(const struct launcher_call *call);

/* The program's memory, descriptors and files. Negative errno values. */
int launcher_fetch(const struct launcher_call *call, uint64_t address, void *to, size_t bytes);
int launcher_store(const struct launcher_call *call, uint64_t address, const void *from,
		   size_t bytes);
int launcher_fetch_text(const struct launcher_call *call, uint64_t address, char *to, size_t bytes);
int launcher_descriptor(const struct launcher_call *call, unsigned int fd);
bool launcher_has_descriptor(const struct launcher_call *call, unsigned int fd);
/*
 * Number @fd, or the lowest that is free if @fd is negative, becomes a copy of @source. Returns its number.
 * @flags: SECCOMP_ADDFD_FLAG_SEND if that ends the call; @fd_flags: O_CLOEXEC or 0.
 */
int launcher_give(const struct launcher_call *call, int source, int fd, unsigned int flags,
		  unsigned int fd_flags);

/*
 * The node that a path leads to, from the descriptor @dir or AT_FDCWD; NULL: none, and then @attribute is its inode
 * number if it is in the server's tree. @flags, @resolve: of openat2(). launcher-find.c
 */
struct launcher_path {
	int dir;
	uint64_t address;
	unsigned int flags;
	uint64_t resolve;
};
const struct launcher_node *launcher_find(const struct launcher_call *call,
					  const struct launcher_path *path, uint64_t *attribute);

void launcher_do_open(const struct launcher_call *call); /* launcher-open.c */
/*
 * A number for @source that is ours and free; or the lowest that is free, with which only what a socket can do is right.
 * @flags, @fd_flags and what is returned as of launcher_give().
 */
int launcher_give_free(const struct launcher_call *call, int source, bool is_counted,
		       unsigned int flags, unsigned int fd_flags);
/* Ends the call with it. */
void launcher_give_number(const struct launcher_call *call, int source, bool is_counted,
			  unsigned int fd_flags);
void launcher_do_stat(const struct launcher_call *call); /* launcher-stat.c */
void launcher_do_call(const struct launcher_call *call); /* launcher-call.c */

int64_t launcher_ioctl(const struct launcher_call *call, int node); /* launcher-ioctl.c */
/* The call is DMA_BUF_IOCTL_SYNC: a sync file of those for whom it has to wait. A negative errno value: it is not. */
int launcher_export_fence(const struct launcher_call *call, int buffer);

/* read() that waits for data, and the like: launcher-call.c. How many, and retrying each that can go on. */
unsigned int launcher_waiting(int *fds, unsigned int most);
/* There is one more: the supervisor's first thread looks again. launcher-supervise.c */
void launcher_wake(void);
void launcher_retry(void);

void launcher_do_mmap(const struct launcher_call *call); /* launcher-map.c */

/* Mappings: launcher-mapped.c. */
int launcher_mapped_open(void);
/*
 * A file of its own of what the server gave, to be mapped by the program. When nothing has it any more, the
 * connection is closed. Takes both, also when it fails.
 */
int launcher_mapped_add(int connection, int memory);
/* Whether it is a file of what is mapped. */
bool launcher_mapped_has(int fd);
/* After the descriptor of launcher_mapped_open() can be read, and as long as it says so (milliseconds, or -1). */
int launcher_mapped_look(void);

/* The thread makes the call with these arguments, but maps @memory from its begin: launcher-trace.c. Ends it. */
void launcher_inject(const struct launcher_call *call, uint64_t *args, int memory);

/*
 * The supervisor: ends the process. @link goes to the front. Its threads take calls, one at a time each, so that what takes
 * long keeps no others; the first looks after all else. None of their locks is taken inside another. launcher-supervise.c
 */
_Noreturn void launcher_supervise(struct launcher *launcher, int link, int from_program);
/* Kill all in this mount namespace but the caller and @other (0: none), until there are no more. */
void launcher_kill_all(pid_t other);

#endif
