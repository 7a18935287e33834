/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Another process that is handed a descriptor: this program once more, with CLIENT_ARGUMENT. It does what it
 * is told over a socket, so that a test reads as one story.
 */
#ifndef TESTS_MODEL_CLIENT_H
#define TESTS_MODEL_CLIENT_H

#include <fcntl.h>
#include <signal.h>
#include <spawn.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#define CLIENT_ARGUMENT "--client"
#define CLIENT_SOCKET 3

enum client_op {
	CLIENT_MAP, /* the descriptor that comes along, @a bytes of it */
	CLIENT_READ, /* the byte at @a */
	CLIENT_WRITE, /* at @a the byte @b */
	CLIENT_INODE, /* of its mapping */
	CLIENT_MAPPED, /* bytes of mappings of that inode */
	CLIENT_TRUNCATE, /* to @a bytes: 0 or -errno; the same for the next ones */
	CLIENT_PUNCH, /* @a bytes from @b on */
	CLIENT_ALLOCATE, /* @a bytes */
	CLIENT_SEAL, /* add seal @a */
	CLIENT_PWRITE, /* a byte at @a */
	CLIENT_COUNT, /* add 1 to the 64-bit number at @a, @b times */
	CLIENT_FLOOD, /* answer, then write all over it, for ever */
};

struct client_request {
	enum client_op op;
	uint64_t a, b;
};

struct client {
	pid_t pid;
	int socket;
};

/* The client's side. */

static volatile uint8_t *client_bytes;
static size_t client_size;
static int client_fd = -1;

/* Of the mapping that begins at an address, and the bytes of all that are of the same file. */
static inline void maps_of(const volatile void *at, unsigned long *inode, unsigned long *bytes)
{
	FILE *maps = fopen("/proc/self/maps", "re");
	unsigned long start, end, found;
	char line[512];

	*inode = *bytes = 0;
	for (int turn = 0; maps && turn < 2; turn++) {
		rewind(maps);
		while (fgets(line, sizeof(line), maps)) {
			if (sscanf(line, "%lx-%lx %*s %*s %*s %lu", &start, &end, &found) != 3)
				continue;
			if (!turn && start <= (uintptr_t)at && (uintptr_t)at < end)
				*inode = found;
			if (turn && found == *inode)
				*bytes += end - start;
		}
	}
	fclose(maps);
}

static inline int64_t client_error(int64_t ret)
{
	return ret < 0 ? -errno : ret;
}

static inline int64_t client_map(size_t size)
{
	void *at = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED, client_fd, 0);

	client_bytes = at;
	client_size = size;
	return at == MAP_FAILED ? -errno : 0;
}

static inline int64_t client_do(const struct client_request *request)
{
	unsigned long inode, bytes;
	char byte = 1;

	switch (request->op) {
	case CLIENT_MAP:
		return client_map(request->a);
	case CLIENT_READ:
		return client_bytes[request->a];
	case CLIENT_WRITE:
		client_bytes[request->a] = (uint8_t)request->b;
		return 0;
	case CLIENT_INODE:
	case CLIENT_MAPPED:
		maps_of(client_bytes, &inode, &bytes);
		return (int64_t)(request->op == CLIENT_INODE ? inode : bytes);
	case CLIENT_TRUNCATE:
		return client_error(ftruncate(client_fd, (off_t)request->a));
	case CLIENT_PUNCH:
		return client_error(fallocate(client_fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE,
					      (off_t)request->b, (off_t)request->a));
	case CLIENT_ALLOCATE:
		return client_error(fallocate(client_fd, 0, 0, (off_t)request->a));
	case CLIENT_SEAL:
		return client_error(fcntl(client_fd, F_ADD_SEALS, (int)request->a));
	case CLIENT_PWRITE:
		return client_error(pwrite(client_fd, &byte, 1, (off_t)request->a));
	case CLIENT_COUNT:
		for (uint64_t i = 0; i < request->b; i++)
			__atomic_fetch_add(
				(uint64_t *)(uintptr_t)(const volatile void *)(client_bytes +
									       request->a),
				1, __ATOMIC_RELAXED);
		return 0;
	default:
		return 0;
	}
}

static inline bool client_receive(struct client_request *request)
{
	union {
		struct cmsghdr header;
		char bytes[CMSG_SPACE(sizeof(int))];
	} control;
	struct iovec data = { request, sizeof(*request) };
	struct msghdr message = {
		.msg_iov = &data,
		.msg_iovlen = 1,
		.msg_control = control.bytes,
		.msg_controllen = sizeof(control.bytes),
	};
	ssize_t size = recvmsg(CLIENT_SOCKET, &message, MSG_CMSG_CLOEXEC);

	if (size == sizeof(*request) && CMSG_FIRSTHDR(&message)) {
		if (client_fd >= 0)
			close(client_fd);
		memcpy(&client_fd, CMSG_DATA(CMSG_FIRSTHDR(&message)), sizeof(client_fd));
	}
	return size == sizeof(*request);
}

static inline int client_main(void)
{
	struct client_request request;

	signal(SIGSEGV, SIG_DFL);
	signal(SIGBUS, SIG_DFL);
	while (client_receive(&request)) {
		int64_t answer = client_do(&request);

		if (send(CLIENT_SOCKET, &answer, sizeof(answer), MSG_NOSIGNAL) != sizeof(answer))
			return 1;
		for (uint8_t i = 0; request.op == CLIENT_FLOOD; i++)
			memset((void *)(uintptr_t)client_bytes, i, client_size);
	}
	return 0;
}

/* The test's side. */

extern char **environ;

static inline void client_start(struct client *client)
{
	char *arguments[] = { (char *)(uintptr_t) "client", (char *)(uintptr_t)CLIENT_ARGUMENT,
			      NULL };
	posix_spawn_file_actions_t actions;
	int ends[2];

	assert_int_equal(socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, ends), 0);
	posix_spawn_file_actions_init(&actions);
	/* Its own number would stay closed on exec. */
	if (ends[1] == CLIENT_SOCKET) {
		ends[1] = fcntl(ends[1], F_DUPFD_CLOEXEC, CLIENT_SOCKET + 1);
		close(CLIENT_SOCKET);
	}
	posix_spawn_file_actions_adddup2(&actions, ends[1], CLIENT_SOCKET);
	assert_int_equal(
		posix_spawn(&client->pid, "/proc/self/exe", &actions, NULL, arguments, environ), 0);
	posix_spawn_file_actions_destroy(&actions);
	close(ends[1]);
	client->socket = ends[0];
}

static inline bool client_send(const struct client *client, enum client_op op, uint64_t a,
			       uint64_t b, int fd)
{
	struct client_request request = { op, a, b };
	union {
		struct cmsghdr header;
		char bytes[CMSG_SPACE(sizeof(int))];
	} control = { .bytes = { 0 } };
	struct iovec data = { &request, sizeof(request) };
	struct msghdr message = { .msg_iov = &data, .msg_iovlen = 1 };

	if (fd >= 0) {
		message.msg_control = control.bytes;
		message.msg_controllen = sizeof(control.bytes);
		*CMSG_FIRSTHDR(&message) = (struct cmsghdr){
			.cmsg_len = CMSG_LEN(sizeof(fd)),
			.cmsg_level = SOL_SOCKET,
			.cmsg_type = SCM_RIGHTS,
		};
		memcpy(CMSG_DATA(CMSG_FIRSTHDR(&message)), &fd, sizeof(fd));
	}
	return sendmsg(client->socket, &message, MSG_NOSIGNAL) == sizeof(request);
}

/* INT64_MIN: it has died. */
static inline int64_t client_ask(const struct client *client, enum client_op op, uint64_t a,
				 uint64_t b)
{
	int64_t answer;

	if (!client_send(client, op, a, b, -1) ||
	    recv(client->socket, &answer, sizeof(answer), 0) != sizeof(answer))
		return INT64_MIN;
	return answer;
}

static inline int64_t client_give(const struct client *client, int fd, size_t size)
{
	int64_t answer;

	if (!client_send(client, CLIENT_MAP, size, 0, fd) ||
	    recv(client->socket, &answer, sizeof(answer), 0) != sizeof(answer))
		return INT64_MIN;
	return answer;
}

/* Returns its status. */
static inline int client_end(struct client *client, bool is_killed)
{
	int status;

	if (is_killed)
		kill(client->pid, SIGKILL);
	close(client->socket);
	assert_int_equal(waitpid(client->pid, &status, 0), client->pid);
	return status;
}

#endif
