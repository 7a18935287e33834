// SPDX-License-Identifier: BSD-2-Clause
/*
 * Traps with userfaultfd: a page that nobody may touch is taken out of the page table, with minor faults told of; one
 * that nobody may write is write-protected. A thread of ours looks what those who touch it do: see trap.h.
 */
#include <errno.h>
#include <fcntl.h>
#include <linux/userfaultfd.h>
#include <poll.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/eventfd.h>
#include <sys/ioctl.h>
#include <sys/mman.h>

#include "trap.h"

#ifndef UFFD_FEATURE_WP_HUGETLBFS_SHMEM
#define UFFD_FEATURE_WP_HUGETLBFS_SHMEM (1 << 12)
#endif
#ifndef UFFD_FEATURE_EXACT_ADDRESS
#define UFFD_FEATURE_EXACT_ADDRESS (1 << 11)
#endif
#ifndef UFFD_FEATURE_MINOR_SHMEM
#define UFFD_FEATURE_MINOR_SHMEM (1 << 10)
#endif
#ifndef UFFDIO_REGISTER_MODE_MINOR
#define UFFDIO_REGISTER_MODE_MINOR (1ull << 2)
#endif

#define FEATURES                                                                                \
	(UFFD_FEATURE_PAGEFAULT_FLAG_WP | UFFD_FEATURE_EXACT_ADDRESS | UFFD_FEATURE_THREAD_ID | \
	 UFFD_FEATURE_WP_HUGETLBFS_SHMEM | UFFD_FEATURE_MINOR_SHMEM | UFFD_FEATURE_MISSING_SHMEM)

static int uffd = -1, stop_fd = -1;
static pthread_t monitor;

static const struct {
	long nr;
	const char *name;
} calls[] = {
	{ SYS_read, "read()" },	      { SYS_write, "write()" },
	{ SYS_pread64, "pread()" },   { SYS_pwrite64, "pwrite()" },
	{ SYS_readv, "readv()" },     { SYS_writev, "writev()" },
	{ SYS_preadv, "preadv()" },   { SYS_pwritev, "pwritev()" },
	{ SYS_recvfrom, "recv()" },   { SYS_sendto, "send()" },
	{ SYS_recvmsg, "recvmsg()" }, { SYS_sendmsg, "sendmsg()" },
	{ SYS_ioctl, "ioctl()" },     { SYS_getrandom, "getrandom()" },
};

static int uffd_ioctl(unsigned long request, void *arg)
{
	while (ioctl(uffd, request, arg) < 0)
		if (errno != EAGAIN && errno != EINTR)
			return -errno;
	return 0;
}

bool berth_port_trap_uffd_close(uintptr_t at, uint64_t size, bool for_all)
{
	struct uffdio_register add = {
		.range = { .start = at, .len = size },
		.mode = for_all ? UFFDIO_REGISTER_MODE_MINOR | UFFDIO_REGISTER_MODE_MISSING
				: UFFDIO_REGISTER_MODE_WP,
	};
	struct uffdio_writeprotect protect = {
		.range = { .start = at, .len = size },
		.mode = UFFDIO_WRITEPROTECT_MODE_WP,
	};
	int ret = uffd_ioctl(UFFDIO_REGISTER, &add);

	if (ret)
		return false;
	/* The bytes are the file's: they stay. */
	if (for_all)
		ret = madvise((void *)at, size, MADV_DONTNEED);
	else
		ret = uffd_ioctl(UFFDIO_WRITEPROTECT, &protect);
	if (ret)
		berth_port_trap_uffd_open(at, size);
	return !ret;
}

/* Who waits goes on: of those who wait to write, the end of the registration wakes nobody. */
void berth_port_trap_uffd_open(uintptr_t at, uint64_t size)
{
	struct uffdio_range range = { .start = at, .len = size };

	if (uffd < 0)
		return;
	uffd_ioctl(UFFDIO_UNREGISTER, &range);
	uffd_ioctl(UFFDIO_WAKE, &range);
}

/* What a thread that has stopped does: "NUMBER ARGUMENT... SP PC", with -1 for no system call. */
static const char *call_of(unsigned int tid)
{
	char path[64], text[256], *end;
	ssize_t size;
	long nr;
	int fd;

	snprintf(path, sizeof(path), "/proc/self/task/%u/syscall", tid);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return NULL;
	size = read(fd, text, sizeof(text) - 1);
	close(fd);
	if (size <= 0)
		return NULL;
	text[size] = 0;
	nr = strtol(text, &end, 10);
	/* It may say "running": then it is no longer stopped. */
	if (end == text || nr < 0)
		return NULL;
	for (unsigned int i = 0; i < sizeof(calls) / sizeof(calls[0]); i++)
		if (calls[i].nr == nr)
			return calls[i].name;
	return "a system call";
}

static void take(const struct uffd_msg *message)
{
	const uintptr_t at = (uintptr_t)message->arg.pagefault.address;
	const bool is_write = message->arg.pagefault.flags &
			      (UFFD_PAGEFAULT_FLAG_WRITE | UFFD_PAGEFAULT_FLAG_WP);
	const char *call = call_of(message->arg.pagefault.feat.ptid);

	berth_port_trap_met(at, is_write, (pid_t)message->arg.pagefault.feat.ptid, call);
}

static void *watch(void *arg)
{
	struct uffd_msg message;

	(void)arg;
	for (;;) {
		struct pollfd fds[2] = {
			{ .fd = uffd, .events = POLLIN },
			{ .fd = stop_fd, .events = POLLIN },
		};

		poll(fds, 2, -1);
		if (fds[1].revents)
			return NULL;
		if (read(uffd, &message, sizeof(message)) == sizeof(message) &&
		    message.event == UFFD_EVENT_PAGEFAULT)
			take(&message);
	}
}

bool berth_port_trap_uffd_start(void)
{
	struct uffdio_api api = { .api = UFFD_API, .features = FEATURES };

	uffd = (int)syscall(SYS_userfaultfd, O_CLOEXEC | O_NONBLOCK);
	stop_fd = uffd >= 0 ? eventfd(0, EFD_CLOEXEC) : -1;
	if (stop_fd >= 0 && !ioctl(uffd, UFFDIO_API, &api) && !berth_port_helper(&monitor, watch))
		return true;
	if (uffd >= 0)
		close(uffd);
	if (stop_fd >= 0)
		close(stop_fd);
	uffd = stop_fd = -1;
	return false;
}

/* Whoever waits goes on when it is closed. */
void berth_port_trap_uffd_stop(void)
{
	uint64_t one = 1;

	if (write(stop_fd, &one, sizeof(one)) != sizeof(one))
		berth_port_panic("a thread cannot be told to stop");
	berth_port_join_helper(monitor);
	close(stop_fd);
	close(uffd);
	uffd = stop_fd = -1;
}
