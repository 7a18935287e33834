// SPDX-License-Identifier: BSD-2-Clause
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/seccomp.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/ioctl.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <time.h>
#include <unistd.h>

#include "launcher-internal.h"

#ifndef SECCOMP_IOCTL_NOTIF_SET_FLAGS
#define SECCOMP_IOCTL_NOTIF_SET_FLAGS SECCOMP_IOW(4, __u64)
#endif

#define MOST_WAITING 64
#define THREADS 4
#define PATIENCE_MS 100 /* for what is not told: a thread killed in read() */

static void reply(const struct launcher_call *call, int64_t value, int error, unsigned int flags)
{
	struct seccomp_notif_resp resp = {
		.id = call->id, .val = value, .error = error, .flags = flags
	};

	/* ENOENT: the thread was killed, or a signal took it away. */
	(void)ioctl(call->listener, SECCOMP_IOCTL_NOTIF_SEND, &resp);
}

void launcher_result(const struct launcher_call *call, int64_t result)
{
	reply(call, result < 0 ? 0 : result, result < 0 ? (int)result : 0, 0);
}

void launcher_continue(const struct launcher_call *call)
{
	reply(call, 0, 0, SECCOMP_USER_NOTIF_FLAG_CONTINUE);
}

int launcher_fetch(const struct launcher_call *call, uint64_t address, void *to, size_t bytes)
{
	const struct iovec local = { to, bytes }, remote = { (void *)(uintptr_t)address, bytes };

	return process_vm_readv(call->tid, &local, 1, &remote, 1, 0) == (ssize_t)bytes ? 0
										       : -EFAULT;
}

int launcher_store(const struct launcher_call *call, uint64_t address, const void *from,
		   size_t bytes)
{
	const struct iovec local = { (void *)(uintptr_t)from, bytes };
	const struct iovec remote = { (void *)(uintptr_t)address, bytes };

	return process_vm_writev(call->tid, &local, 1, &remote, 1, 0) == (ssize_t)bytes ? 0
											: -EFAULT;
}

/* Page by page: what follows the text may not be there. */
int launcher_fetch_text(const struct launcher_call *call, uint64_t address, char *to, size_t bytes)
{
	for (size_t got = 0; got < bytes;) {
		size_t part = 4096 - ((address + got) & 4095);
		int ret;

		if (part > bytes - got)
			part = bytes - got;
		ret = launcher_fetch(call, address + got, to + got, part);
		if (ret)
			return ret;
		if (memchr(to + got, '\0', part))
			return 0;
		got += part;
	}
	return -ENAMETOOLONG;
}

static bool is_in_namespace(const char *pid, const char *own)
{
	char path[64], text[64];
	ssize_t length;

	snprintf(path, sizeof(path), "/proc/%.20s/ns/mnt", pid);
	length = readlink(path, text, sizeof(text) - 1);
	if (length < 0)
		return false;
	text[length] = '\0';
	return !strcmp(text, own);
}

static unsigned int kill_some(pid_t other, const char *own)
{
	DIR *dir = opendir("/proc");
	struct dirent *entry;
	unsigned int killed = 0;

	while (dir && (entry = readdir(dir))) {
		const pid_t pid = (pid_t)atoi(entry->d_name);

		if (pid > 0 && pid != getpid() && pid != other &&
		    is_in_namespace(entry->d_name, own) && !kill(pid, SIGKILL))
			killed++;
	}
	if (dir)
		closedir(dir);
	return killed;
}

void launcher_kill_all(pid_t other)
{
	const struct timespec pause = { .tv_nsec = 1000000 };
	char own[64];
	const ssize_t length = readlink("/proc/self/ns/mnt", own, sizeof(own) - 1);

	if (length < 0)
		return;
	own[length] = '\0';
	/* One that is being killed may have had a child a moment ago. */
	while (kill_some(other, own))
		nanosleep(&pause, NULL);
}

static void take_call(struct launcher *launcher, int listener)
{
	static _Thread_local union {
		struct seccomp_notif notif;
		char room[512]; /* a later kernel's may be larger */
	} told;
	struct launcher_call call;

	memset(&told, 0, sizeof(told));
	if (ioctl(listener, SECCOMP_IOCTL_NOTIF_RECV, &told))
		return;
	call.launcher = launcher;
	call.listener = listener;
	call.id = told.notif.id;
	call.tid = (pid_t)told.notif.pid;
	call.is_compat = !(told.notif.data.arch & 0x80000000u);
	call.behind = told.notif.data.instruction_pointer;
	call.op = launcher_op(told.notif.data.arch, told.notif.data.nr);
	memcpy(call.args, told.notif.data.args, sizeof(call.args));
	if (call.op <= LAUNCHER_OPENAT2)
		launcher_do_open(&call);
	else if (call.op <= LAUNCHER_MMAP_OLD)
		launcher_do_mmap(&call);
	else if (call.op <= LAUNCHER_STATX)
		launcher_do_stat(&call);
	else
		launcher_do_call(&call);
}

static int receive_listener(int from_program)
{
	_Alignas(struct cmsghdr) char control[CMSG_SPACE(sizeof(int))];
	char byte;
	struct iovec part = { &byte, 1 };
	struct msghdr packet = { .msg_iov = &part,
				 .msg_iovlen = 1,
				 .msg_control = control,
				 .msg_controllen = sizeof(control) };
	struct cmsghdr *head;
	int fd = -1;

	if (recvmsg(from_program, &packet, MSG_CMSG_CLOEXEC) == 1 &&
	    (head = CMSG_FIRSTHDR(&packet)))
		memcpy(&fd, CMSG_DATA(head), sizeof(fd));
	close(from_program);
	return fd;
}

/* Nothing of the caller's stays: it may be a pipe whose reader waits for its end. */
static void leave(int *link, int *from_program)
{
	struct rlimit limit;
	sigset_t none;
	int null = open("/dev/null", O_RDWR);

	setpgid(0, 0);
	/* A mapping is two descriptors here. */
	if (!getrlimit(RLIMIT_NOFILE, &limit)) {
		limit.rlim_cur = limit.rlim_max;
		setrlimit(RLIMIT_NOFILE, &limit);
	}
	/* Before the numbers 0 to 2 are taken: the two may be among them. */
	*link = fcntl(*link, F_DUPFD_CLOEXEC, 10);
	*from_program = fcntl(*from_program, F_DUPFD_CLOEXEC, 10);
	null = fcntl(null, F_DUPFD_CLOEXEC, 10);
	for (int i = 0; i < 3; i++)
		dup2(null, i);
	dup2(*link, 3);
	dup2(*from_program, 4);
	*link = 3;
	*from_program = 4;
	close_range(5, ~0u, 0);
	sigemptyset(&none);
	sigprocmask(SIG_SETMASK, &none, NULL);
	(void)!chdir("/");
}

/* The front has told that the program has ended, or is dead: then all is. */
static void hear_front(int *link, int listener)
{
	struct pollfd users = { .fd = listener };
	char byte;

	if (recv(*link, &byte, 1, MSG_DONTWAIT) != 1) {
		launcher_kill_all(0);
		_exit(0);
	}
	poll(&users, 1, 0);
	if (users.revents)
		_exit(0);
	/* Processes in the background go on, and need their supervisor: the front does not wait for it. */
	(void)!send(*link, &byte, 1, MSG_NOSIGNAL);
	close(*link);
	*link = -1;
}

static struct supervision {
	struct launcher *launcher;
	int listener, wake;
} own;

void launcher_wake(void)
{
	const uint64_t one = 1;

	(void)!write(own.wake, &one, sizeof(one));
}

static void *take_calls(void *unused)
{
	for (;;)
		take_call(own.launcher, own.listener);
	return unused;
}

static void start_threads(struct launcher *launcher, int listener)
{
	pthread_attr_t attr;
	pthread_t thread;

	own = (struct supervision){ launcher, listener, eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC) };
	/* Who is woken runs where the other stops: calls are half as dear where the kernel can do that. */
	(void)ioctl(listener, SECCOMP_IOCTL_NOTIF_SET_FLAGS, 1ul);
	pthread_attr_init(&attr);
	pthread_attr_setdetachstate(&attr, PTHREAD_CREATE_DETACHED);
	for (int i = 0; i < THREADS; i++)
		if (pthread_create(&thread, &attr, take_calls, NULL) && !i)
			_exit(1);
}

static unsigned int fill(struct pollfd *polled, int listener, int link, int mapped)
{
	int waiting[MOST_WAITING];
	const unsigned int waits = launcher_waiting(waiting, MOST_WAITING);

	polled[0] = (struct pollfd){ .fd = listener };
	polled[1] = (struct pollfd){ .fd = link, .events = POLLIN };
	polled[2] = (struct pollfd){ .fd = mapped, .events = POLLIN };
	polled[3] = (struct pollfd){ .fd = own.wake, .events = POLLIN };
	for (unsigned int i = 0; i < waits; i++)
		polled[4 + i] = (struct pollfd){ .fd = waiting[i], .events = POLLIN };
	return waits;
}

/* Until the last that has the filter is gone: then its listener hangs up. */
void launcher_supervise(struct launcher *launcher, int link, int from_program)
{
	struct pollfd polled[4 + MOST_WAITING];
	int listener, mapped, patience = -1;
	uint64_t wakes;

	leave(&link, &from_program);
	listener = receive_listener(from_program);
	mapped = launcher_mapped_open();
	if (listener < 0)
		_exit(0); /* the program has told why */
	if (mapped < 0)
		_exit(1);
	start_threads(launcher, listener);
	for (;;) {
		const unsigned int waits = fill(polled, listener, link, mapped);

		if (waits && (patience < 0 || patience > PATIENCE_MS))
			patience = PATIENCE_MS;
		if (poll(polled, 4 + waits, patience) < 0 && errno != EINTR)
			_exit(1);
		if (polled[0].revents)
			_exit(0);
		(void)!read(own.wake, &wakes, sizeof(wakes));
		if (waits)
			launcher_retry();
		patience = launcher_mapped_look();
		if (link >= 0 && polled[1].revents)
			hear_front(&link, listener);
	}
}
