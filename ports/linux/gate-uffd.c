// SPDX-License-Identifier: BSD-2-Clause
/*
 * The gate with userfaultfd: whoever may not do what it does sleeps in the kernel, in the middle of
 * a load, a store or a system call, and goes on as if nothing had been.
 *
 *   BERTH_ACCESS_NONE    an empty private mapping, registered for missing pages
 *   BERTH_ACCESS_READ    the RAM, registered for write protection, and protected
 *   BERTH_ACCESS_WRITE   the RAM, not registered, so that neighbours join into one mapping
 *
 * A mapping can be registered only after it is there, and an access that falls in between would go
 * through. So it is made elsewhere and moved into place; UFFD_FEATURE_EVENT_REMAP keeps the
 * registration, at the price of a message for each. Its reader must therefore never wait for anything.
 */
#include <errno.h>
#include <fcntl.h>
#include <linux/userfaultfd.h>
#include <poll.h>
#include <pthread.h>
#include <sys/eventfd.h>
#include <sys/ioctl.h>
#include <sys/mman.h>

#include "gate.h"

/* Debian 12's headers know all of these; older ones do not. */
#ifndef UFFD_FEATURE_WP_HUGETLBFS_SHMEM
#define UFFD_FEATURE_WP_HUGETLBFS_SHMEM (1 << 12)
#endif
#ifndef UFFD_FEATURE_EXACT_ADDRESS
#define UFFD_FEATURE_EXACT_ADDRESS (1 << 11)
#endif
#ifndef USERFAULTFD_IOC_NEW
#define USERFAULTFD_IOC_NEW _IO(0xAA, 0x00)
#endif

#define FEATURES                                                                                  \
	(UFFD_FEATURE_PAGEFAULT_FLAG_WP | UFFD_FEATURE_EVENT_REMAP | UFFD_FEATURE_EXACT_ADDRESS | \
	 UFFD_FEATURE_WP_HUGETLBFS_SHMEM)

static int uffd = -1, stop_fd = -1;
static pthread_t monitor;

static bool has_features(int fd)
{
	struct uffdio_api api = { .api = UFFD_API, .features = FEATURES };

	return !ioctl(fd, UFFDIO_API, &api);
}

/* The call needs CAP_SYS_PTRACE or the sysctl, the device needs its file's permissions. */
bool berth_port_uffd_open(void)
{
	int device;

	uffd = (int)syscall(SYS_userfaultfd, O_CLOEXEC | O_NONBLOCK);
	if (uffd < 0) {
		device = open("/dev/userfaultfd", O_RDWR | O_CLOEXEC);
		if (device >= 0) {
			uffd = ioctl(device, USERFAULTFD_IOC_NEW, O_CLOEXEC | O_NONBLOCK);
			close(device);
		}
	}
	if (uffd >= 0 && !has_features(uffd))
		berth_port_uffd_close();
	return uffd >= 0;
}

void berth_port_uffd_close(void)
{
	if (uffd >= 0)
		close(uffd);
	uffd = -1;
}

/* A mapping that is just being moved keeps the others from changing. */
static RAW int uffd_ioctl(unsigned long request, void *arg)
{
	while (syscall(SYS_ioctl, uffd, request, arg) < 0) {
		if (errno != EAGAIN && errno != EINTR)
			return -errno;
		syscall(SYS_sched_yield);
	}
	return 0;
}

static RAW void wake(uintptr_t at, size_t size)
{
	struct uffdio_range range;

	range.start = at;
	range.len = size;
	uffd_ioctl(UFFDIO_WAKE, &range);
}

static RAW int enroll(uintptr_t at, size_t size, uint64_t mode)
{
	struct uffdio_register arg;

	arg.range.start = at;
	arg.range.len = size;
	arg.mode = mode;
	arg.ioctls = 0;
	return uffd_ioctl(UFFDIO_REGISTER, &arg);
}

static RAW int unenroll(uintptr_t at, size_t size)
{
	struct uffdio_range range;

	range.start = at;
	range.len = size;
	return uffd_ioctl(UFFDIO_UNREGISTER, &range);
}

static RAW int write_protect(uintptr_t at, size_t size)
{
	struct uffdio_writeprotect arg;
	int ret = enroll(at, size, UFFDIO_REGISTER_MODE_WP);

	if (ret)
		return ret;
	arg.range.start = at;
	arg.range.len = size;
	arg.mode = UFFDIO_WRITEPROTECT_MODE_WP;
	ret = uffd_ioctl(UFFDIO_WRITEPROTECT, &arg);
	if (ret)
		unenroll(at, size);
	return ret;
}

/* Make a mapping elsewhere, register it, and put it in the place of what is at @at, at once. */
static RAW int replace(uintptr_t at, size_t size, int flags, int fd, off_t offset)
{
	long staging = syscall(SYS_mmap, NULL, size, PROT_READ | PROT_WRITE, flags | MAP_NORESERVE,
			       fd, offset);
	int ret;

	if (staging == -1)
		return -errno;
	if (flags & MAP_ANONYMOUS)
		ret = enroll((uintptr_t)staging, size, UFFDIO_REGISTER_MODE_MISSING);
	else
		ret = write_protect((uintptr_t)staging, size);
	if (!ret && syscall(SYS_mremap, staging, size, size, MREMAP_MAYMOVE | MREMAP_FIXED, at) < 0)
		ret = -errno;
	if (ret)
		syscall(SYS_munmap, staging, size);
	return ret;
}

static RAW int prepare(uintptr_t at, size_t size)
{
	return enroll(at, size, UFFDIO_REGISTER_MODE_MISSING);
}

static RAW int clear(uintptr_t at, size_t size)
{
	return replace(at, size, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
}

static RAW int show(uintptr_t at, size_t size, int fd, off_t offset, enum berth_port_access access)
{
	if (access == BERTH_ACCESS_READ)
		return replace(at, size, MAP_SHARED, fd, offset);
	return syscall(SYS_mmap, at, size, PROT_READ | PROT_WRITE,
		       MAP_SHARED | MAP_FIXED | MAP_NORESERVE, fd, offset) == -1
		       ? -errno
		       : 0;
}

/* A page that has been refused to a writer is PROT_READ. */
static RAW int protect(uintptr_t at, size_t size, enum berth_port_access access)
{
	if (access == BERTH_ACCESS_READ) {
		int ret = write_protect(at, size);

		if (ret)
			return ret;
	}
	if (syscall(SYS_mprotect, at, size, PROT_READ | PROT_WRITE))
		return -errno;
	return access == BERTH_ACCESS_READ ? 0 : unenroll(at, size);
}

static RAW void open_again(uintptr_t at, size_t size)
{
	unenroll(at, size);
}

static RAW void answer(const struct trap_fault *fault, int ret)
{
	if (ret)
		berth_port_user_refuse(fault->at, fault->is_write);
	/* Who has changed the page has woken them: by now they may be waiting for something else. */
	if (berth_port_trap_look(fault->at, fault->is_write) == TRAP_ASK)
		wake(fault->at & ~(GATE_PAGE - 1), GATE_PAGE);
}

static RAW void take(const struct uffd_msg *message)
{
	uintptr_t at = (uintptr_t)message->arg.pagefault.address;
	struct trap_fault fault;
	bool is_write = message->arg.pagefault.flags &
			(UFFD_PAGEFAULT_FLAG_WRITE | UFFD_PAGEFAULT_FLAG_WP);

	switch (berth_port_trap_look(at, is_write)) {
	case TRAP_WAIT:
		/* Whoever gated the page wakes it afterwards. */
		__atomic_fetch_add(&berth_port_gate_stats.waits, 1, __ATOMIC_RELAXED);
		return;
	case TRAP_ASK:
		fault.at = at;
		fault.is_write = is_write;
		fault.done = answer;
		fault.cookie = NULL;
		if (berth_port_trap_submit(&fault))
			return;
		/* It comes again. */
		syscall(SYS_sched_yield);
		break;
	default:
		break;
	}
	wake(at & ~(GATE_PAGE - 1), GATE_PAGE);
}

/* RAW: those who wait for it may have been stopped anywhere. */
static RAW void *watch(void *arg)
{
	struct uffd_msg messages[8];
	struct pollfd fds[2];

	(void)arg;
	for (;;) {
		long size;

		fds[0].fd = uffd;
		fds[1].fd = stop_fd;
		fds[0].events = fds[1].events = POLLIN;
		fds[0].revents = fds[1].revents = 0;
		syscall(SYS_ppoll, fds, 2, NULL, NULL, 0);
		if (fds[1].revents)
			return NULL;
		size = syscall(SYS_read, uffd, messages, sizeof(messages));
		for (long i = 0; i < size / (long)sizeof(messages[0]); i++)
			if (messages[i].event == UFFD_EVENT_PAGEFAULT)
				take(&messages[i]);
	}
}

static int start(void)
{
	int ret;

	stop_fd = eventfd(0, EFD_CLOEXEC);
	if (stop_fd < 0)
		return -errno;
	ret = berth_port_helper(&monitor, watch);
	if (ret)
		close(stop_fd);
	return -ret;
}

static void stop(void)
{
	uint64_t one = 1;

	if (write(stop_fd, &one, sizeof(one)) != sizeof(one))
		berth_port_panic("a thread cannot be told to stop");
	berth_port_join_helper(monitor);
	close(stop_fd);
}

const struct gate berth_port_gate_uffd = {
	.name = "uffd",
	.start = start,
	.stop = stop,
	.prepare = prepare,
	.show = show,
	.clear = clear,
	.protect = protect,
	.shut = write_protect,
	.open = open_again,
	.wake = wake,
};
