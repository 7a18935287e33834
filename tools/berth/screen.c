// SPDX-License-Identifier: BSD-2-Clause
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <spawn.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "screen.h"

/* The child's descriptors. */
#define SOCKET_FD 3
#define OUT_FD 4
/* What it ends with if --out is not complete. */
#define NOT_WRITTEN 3
/* Of the host. A machine that is loaded takes its time. */
#define ANSWER_MS 60000
#define END_MS 10000

enum { MESSAGE_BUFFER = 1, MESSAGE_SHOW, MESSAGE_END };

/* To the child; one packet. */
struct message {
	uint32_t kind;
	uint32_t has_out;
	uint64_t size; /* of a buffer */
	struct screen_picture picture;
};

struct screen {
	int fd;
	pid_t pid;
	bool has_out;
	char name[32];
	char error[128];
};

extern char **environ;

uint64_t screen_sum(const void *bytes, size_t size)
{
	const uint8_t *at = bytes;
	uint64_t sum = 0xcbf29ce484222325ull;

	for (size_t i = 0; i < size; i++)
		sum = (sum ^ at[i]) * 0x100000001b3ull;
	return sum;
}

/* This end. */

static void say(struct screen *screen, const char *what)
{
	if (!screen->error[0])
		snprintf(screen->error, sizeof(screen->error), "%s", what);
}

/* How it ended, if it has. */
static void reap(struct screen *screen, bool wait)
{
	char line[96];
	int status;

	if (screen->pid < 0 || waitpid(screen->pid, &status, wait ? 0 : WNOHANG) != screen->pid)
		return;
	screen->pid = -1;
	if (WIFSIGNALED(status))
		snprintf(line, sizeof(line), "the display's process died of signal %d",
			 WTERMSIG(status));
	else if (WEXITSTATUS(status) == NOT_WRITTEN)
		snprintf(line, sizeof(line), "--out: it could not be written completely");
	else
		snprintf(line, sizeof(line), "the display's process ended with status %d",
			 WEXITSTATUS(status));
	if (!WIFEXITED(status) || WEXITSTATUS(status))
		say(screen, line);
}

/* Its end of the socket is closed: it is dead, or about to be. */
static void mourn(struct screen *screen)
{
	if (screen->pid >= 0)
		kill(screen->pid, SIGKILL);
	reap(screen, true);
	say(screen, "the display's process has gone away");
}

static int spawn(struct screen *screen, int child, int out)
{
	char *const arguments[] = { (char *)"berth", (char *)SCREEN_COMMAND, NULL };
	posix_spawn_file_actions_t actions;
	int err;

	if (posix_spawn_file_actions_init(&actions))
		return ENOMEM;
	err = posix_spawn_file_actions_adddup2(&actions, child, SOCKET_FD);
	if (!err)
		err = posix_spawn_file_actions_adddup2(&actions, out, OUT_FD);
	if (!err)
		err = posix_spawn(&screen->pid, "/proc/self/exe", &actions, NULL, arguments,
				  environ);
	posix_spawn_file_actions_destroy(&actions);
	return err;
}

/* Descriptors above those of the child's, so that none lies where another one is put. */
static int lift(int fd)
{
	int lifted = fd < 0 ? -1 : fcntl(fd, F_DUPFD_CLOEXEC, OUT_FD + 1);

	if (fd >= 0)
		close(fd);
	return lifted;
}

struct screen *screen_start(int out, char *error, size_t size)
{
	struct screen *screen = calloc(1, sizeof(*screen));
	int ends[2] = { -1, -1 }, err = ENOMEM, child_out;

	if (!screen)
		goto fail;
	screen->pid = -1;
	screen->has_out = out >= 0;
	err = socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, ends) ? errno : 0;
	child_out = lift(out >= 0 ? dup(out) : open("/dev/null", O_WRONLY | O_CLOEXEC));
	ends[1] = lift(ends[1]);
	if (!err && (child_out < 0 || ends[1] < 0))
		err = errno;
	if (!err)
		err = spawn(screen, ends[1], child_out);
	if (child_out >= 0)
		close(child_out);
	if (ends[1] >= 0)
		close(ends[1]);
	if (!err) {
		screen->fd = ends[0];
		snprintf(screen->name, sizeof(screen->name), "process %ld", (long)screen->pid);
		return screen;
	}
	if (ends[0] >= 0)
		close(ends[0]);
fail:
	snprintf(error, size, "the display's process cannot be started: %s", strerror(err));
	free(screen);
	return NULL;
}

const char *screen_name(const struct screen *screen)
{
	return screen->name;
}

const char *screen_error(const struct screen *screen)
{
	return screen->error;
}

/* @fd: goes with it, if it is not negative. */
static int tell(struct screen *screen, const struct message *message, int fd)
{
	union {
		struct cmsghdr header;
		char bytes[CMSG_SPACE(sizeof(int))];
	} control = { 0 };
	struct iovec bytes = { (void *)(uintptr_t)message, sizeof(*message) };
	struct msghdr packet = { .msg_iov = &bytes, .msg_iovlen = 1 };
	ssize_t sent;

	if (fd >= 0) {
		packet.msg_control = control.bytes;
		packet.msg_controllen = sizeof(control.bytes);
		control.header.cmsg_level = SOL_SOCKET;
		control.header.cmsg_type = SCM_RIGHTS;
		control.header.cmsg_len = CMSG_LEN(sizeof(int));
		memcpy(CMSG_DATA(&control.header), &fd, sizeof(fd));
	}
	do
		sent = sendmsg(screen->fd, &packet, MSG_NOSIGNAL);
	while (sent < 0 && errno == EINTR);
	if (sent == (ssize_t)sizeof(*message))
		return 0;
	mourn(screen);
	return -1;
}

int screen_give(struct screen *screen, uint32_t buffer, int fd, size_t size)
{
	struct message message = { .kind = MESSAGE_BUFFER, .size = size };

	message.has_out = screen->has_out;
	message.picture.buffer = buffer;
	return tell(screen, &message, fd);
}

int screen_show(struct screen *screen, const struct screen_picture *picture)
{
	const struct message message = { .kind = MESSAGE_SHOW, .picture = *picture };

	return tell(screen, &message, -1);
}

int screen_answer(struct screen *screen, struct screen_answer *answer)
{
	struct pollfd poll_fd = { .fd = screen->fd, .events = POLLIN };
	int ready;

	do
		ready = poll(&poll_fd, 1, ANSWER_MS);
	while (ready < 0 && errno == EINTR);
	if (!ready)
		say(screen, "the display's process does not answer");
	if (ready > 0 && recv(screen->fd, answer, sizeof(*answer), 0) == (ssize_t)sizeof(*answer))
		return 0;
	mourn(screen);
	return -1;
}

int screen_end(struct screen *screen, char *error, size_t size)
{
	const struct message message = { .kind = MESSAGE_END };
	struct pollfd poll_fd = { .events = POLLIN };
	int ret;

	if (!screen)
		return 0;
	if (screen->pid >= 0 && !tell(screen, &message, -1)) {
		poll_fd.fd = screen->fd;
		/* Its end of the socket closes with it. */
		if (poll(&poll_fd, 1, END_MS) <= 0)
			kill(screen->pid, SIGKILL);
		reap(screen, true);
	}
	close(screen->fd);
	ret = screen->error[0] ? -1 : 0;
	if (ret)
		snprintf(error, size, "%s", screen->error);
	free(screen);
	return ret;
}

/* The other end. */

struct viewer {
	const uint8_t *buffers[SCREEN_MOST_BUFFERS];
	size_t sizes[SCREEN_MOST_BUFFERS];
	FILE *out;
	bool out_failed;
};

static bool take_buffer(struct viewer *v, const struct message *message, int fd)
{
	uint32_t at = message->picture.buffer;
	void *seen;

	if (fd < 0 || at >= SCREEN_MOST_BUFFERS || v->buffers[at])
		return false;
	seen = mmap(NULL, message->size, PROT_READ, MAP_SHARED, fd, 0);
	if (seen == MAP_FAILED)
		return false;
	v->buffers[at] = seen;
	v->sizes[at] = message->size;
	if (message->has_out && !v->out)
		v->out = fdopen(OUT_FD, "wb");
	return !message->has_out || v->out;
}

static bool look_at(struct viewer *v, const struct screen_picture *picture)
{
	uint32_t at = picture->buffer;
	struct screen_answer answer = { .buffer = at, .sequence = picture->sequence };

	if (at >= SCREEN_MOST_BUFFERS || picture->bytes > v->sizes[at])
		return false;
	answer.sum = screen_sum(v->buffers[at], picture->bytes);
	if (v->out && y4m_write_frame(v->out, v->buffers[at], picture->bytes, picture->text))
		v->out_failed = true;
	return send(SOCKET_FD, &answer, sizeof(answer), MSG_NOSIGNAL) == (ssize_t)sizeof(answer);
}

/* A packet, with the descriptor that came with it or -1. False: there is none any more. */
static bool hear(struct message *message, int *fd)
{
	union {
		struct cmsghdr header;
		char bytes[CMSG_SPACE(sizeof(int))];
	} control;
	struct iovec bytes = { message, sizeof(*message) };
	struct msghdr packet = {
		.msg_iov = &bytes,
		.msg_iovlen = 1,
		.msg_control = control.bytes,
		.msg_controllen = sizeof(control.bytes),
	};
	struct cmsghdr *header;
	ssize_t got;

	do
		got = recvmsg(SOCKET_FD, &packet, MSG_CMSG_CLOEXEC);
	while (got < 0 && errno == EINTR);
	*fd = -1;
	header = got > 0 ? CMSG_FIRSTHDR(&packet) : NULL;
	if (header && header->cmsg_type == SCM_RIGHTS)
		memcpy(fd, CMSG_DATA(header), sizeof(*fd));
	return got == (ssize_t)sizeof(*message);
}

int screen_command(void)
{
	struct viewer v = { 0 };
	struct message message;
	bool is_sane = true;
	int fd;

	/* Who asked for it is told, by the answer that does not come. */
	signal(SIGPIPE, SIG_IGN);
	while (is_sane && hear(&message, &fd) && message.kind != MESSAGE_END) {
		if (message.kind == MESSAGE_BUFFER)
			is_sane = take_buffer(&v, &message, fd);
		else
			is_sane = look_at(&v, &message.picture);
		if (fd >= 0)
			close(fd);
	}
	for (unsigned int i = 0; i < SCREEN_MOST_BUFFERS; i++)
		if (v.buffers[i])
			munmap((void *)(uintptr_t)v.buffers[i], v.sizes[i]);
	if (v.out && fclose(v.out))
		v.out_failed = true;
	return !is_sane ? 1 : (v.out_failed ? NOT_WRITTEN : 0);
}
