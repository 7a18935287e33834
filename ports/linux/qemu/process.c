// SPDX-License-Identifier: BSD-2-Clause
/* The emulator's process: how it is started, that it ends with us, and how it ended. */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>

#include "qemu/process.h"

#ifndef CLOSE_RANGE_CLOEXEC
#define CLOSE_RANGE_CLOEXEC (1u << 2)
#endif

static uint64_t host_ns(void)
{
	struct timespec time;

	clock_gettime(CLOCK_MONOTONIC, &time);
	return (uint64_t)time.tv_sec * 1000000000 + (uint64_t)time.tv_nsec;
}

/* After vfork(): only what touches nothing of the parent's. */
static void __attribute__((noreturn)) become(pid_t parent, int null, int report)
{
	sigset_t none;
	int error;

	/* The signal comes when the thread ends that made the child: the keeper. */
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	if (getppid() != parent)
		_exit(127);
	setsid();
	sigemptyset(&none);
	sigprocmask(SIG_SETMASK, &none, NULL);
	if (dup2(null, 0) >= 0 && dup2(board.output, 1) >= 0 && dup2(board.output, 2) >= 0 &&
	    dup2(board.peer[0], QEMU_FD_QTEST) >= 0 && dup2(board.peer[1], QEMU_FD_MONITOR) >= 0 &&
	    dup2(board.ram.fd, QEMU_FD_RAM) >= 0) {
		syscall(SYS_close_range, QEMU_FD_RAM + 1, ~0u, CLOSE_RANGE_CLOEXEC);
		execvp(board.argv[0], board.argv);
	}
	error = errno;
	while (write(report, &error, sizeof(error)) < 0 && errno == EINTR)
		;
	_exit(127);
}

/* Not inlined: the child uses the stack of the parent, which goes on when it has left. */
static __attribute__((noinline)) pid_t spawn(pid_t parent, int null, int report)
{
	pid_t pid = vfork();

	if (!pid)
		become(parent, null, report);
	return pid;
}

/* At QEMU_FD_OURS or above, closed by exec; @fd is closed. */
static int lift(int fd)
{
	int lifted = fd < 0 ? -1 : fcntl(fd, F_DUPFD_CLOEXEC, QEMU_FD_OURS);

	if (fd >= 0)
		close(fd);
	return lifted;
}

/* 0 with the process, or an errno value. */
static int start_process(pid_t *pid)
{
	int null = lift(open("/dev/null", O_RDWR | O_CLOEXEC)), ends[2] = { -1, -1 };
	int error = 0;

	if (null < 0 || pipe2(ends, O_CLOEXEC)) {
		error = errno;
		if (null >= 0)
			close(null);
		return error;
	}
	ends[1] = lift(ends[1]);
	*pid = ends[1] < 0 ? -1 : spawn(getpid(), null, ends[1]);
	if (*pid < 0)
		error = errno;
	close(null);
	if (ends[1] >= 0)
		close(ends[1]);
	if (!error && read(ends[0], &error, sizeof(error)) != sizeof(error))
		error = 0;
	close(ends[0]);
	if (error && *pid > 0)
		waitpid(*pid, NULL, 0);
	return error;
}

static void describe(const siginfo_t *info)
{
	if (info->si_code == CLD_EXITED)
		snprintf(board.how, sizeof(board.how), "QEMU: exit status %d", info->si_status);
	else
		snprintf(board.how, sizeof(board.how), "QEMU: killed by signal %d",
			 info->si_status);
}

static void *keep(void *unused)
{
	siginfo_t info = { 0 };
	pid_t pid = 0;
	int error = start_process(&pid);

	(void)unused;
	pthread_mutex_lock(&board.lock);
	board.launch_error = error;
	board.pid = error ? 0 : pid;
	board.is_launched = true;
	pthread_cond_broadcast(&board.changed);
	pthread_mutex_unlock(&board.lock);
	if (error)
		return NULL;
	while (waitid(P_PID, (id_t)pid, &info, WEXITED | WNOWAIT) && errno == EINTR)
		;
	/* Nobody sends a signal to the number once it may be another's. */
	pthread_mutex_lock(&board.lock);
	waitpid(pid, NULL, 0);
	describe(&info);
	board.pid = 0;
	__atomic_store_n(&board.is_gone, true, __ATOMIC_RELAXED);
	pthread_cond_broadcast(&board.changed);
	berth_qemu_kick();
	pthread_mutex_unlock(&board.lock);
	return NULL;
}

/* With the lock, dropped meanwhile. */
static bool await_end(unsigned int ms)
{
	uint64_t end = host_ns() + ms * 1000000ull;
	struct timespec until = { (time_t)(end / 1000000000), (long)(end % 1000000000) };

	while (board.pid &&
	       !pthread_cond_clockwait(&board.changed, &board.lock, CLOCK_MONOTONIC, &until))
		;
	return !board.pid;
}

void berth_qemu_lose(const char *how)
{
	if (!board.is_gone) {
		__atomic_store_n(&board.is_gone, true, __ATOMIC_RELAXED);
		snprintf(board.how, sizeof(board.how), "%s", how);
	}
	/* If it just ended, the keeper is about to know how. */
	if (board.pid && board.has_keeper && !strcmp(how, "QEMU: connection closed"))
		await_end(1000);
	if (board.pid)
		kill(board.pid, SIGKILL);
	berth_qemu_kick();
}

static int socket_pair(int *ours, int *theirs)
{
	int ends[2];

	if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends))
		return -errno;
	*ours = lift(ends[0]);
	*theirs = lift(ends[1]);
	return *ours < 0 || *theirs < 0 ? -EMFILE : 0;
}

static void close_one(int *fd)
{
	if (*fd >= 0)
		close(*fd);
	*fd = -1;
}

static int make_ends(void)
{
	int ret = socket_pair(&board.qtest, &board.peer[0]);

	if (!ret)
		ret = socket_pair(&board.monitor, &board.peer[1]);
	if (!ret) {
		board.output = lift(memfd_create("berth-qemu-output", MFD_CLOEXEC));
		board.ram.fd = lift(board.ram.fd);
		ret = board.output < 0 || board.ram.fd < 0 ? -EMFILE : 0;
	}
	return ret;
}

int berth_qemu_launch(char *const *argv)
{
	struct timeval patience = { (time_t)(board.timeout_ms / 1000),
				    (suseconds_t)(board.timeout_ms % 1000 * 1000) };
	int ret = make_ends();

	if (!ret) {
		setsockopt(board.qtest, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof(patience));
		setsockopt(board.monitor, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof(patience));
		board.argv = argv;
		ret = -berth_port_helper(&board.keeper, keep);
	}
	if (ret)
		return berth_port_fail(ret, BERTH_REASON_IO, argv[0], 0, 0);
	board.has_keeper = true;
	/* A child that is created lets its parent go on only when it has become QEMU. */
	while (!board.is_launched)
		pthread_cond_wait(&board.changed, &board.lock);
	close_one(&board.peer[0]);
	close_one(&board.peer[1]);
	ret = -board.launch_error;
	return ret ? berth_port_fail(ret, BERTH_REASON_IO, argv[0], 0, 0) : 0;
}

void berth_qemu_end(void)
{
	if (board.pid && !board.is_gone)
		berth_qemu_quit();
	if (board.pid && (board.is_gone || !await_end(board.timeout_ms)))
		kill(board.pid, SIGKILL);
	if (board.has_keeper) {
		pthread_mutex_unlock(&board.lock);
		berth_port_join_helper(board.keeper);
		pthread_mutex_lock(&board.lock);
	}
	board.has_keeper = false;
	close_one(&board.qtest);
	close_one(&board.monitor);
	close_one(&board.peer[0]);
	close_one(&board.peer[1]);
	close_one(&board.output);
	free(board.text);
	board.text = NULL;
}

void berth_qemu_last_line(char *line, size_t size)
{
	off_t end = lseek(board.output, 0, SEEK_END);
	char text[1024], *start, *rest;
	ssize_t got;

	line[0] = 0;
	got = pread(board.output, text, sizeof(text) - 1,
		    end > (off_t)sizeof(text) - 1 ? end - (off_t)sizeof(text) + 1 : 0);
	while (got > 0 && (text[got - 1] == '\n' || text[got - 1] == '\r'))
		got--;
	if (got <= 0)
		return;
	text[got] = 0;
	start = strrchr(text, '\n');
	start = start ? start + 1 : text;
	/* It is longer than a reason may be: the console has all of it. */
	berth_port_print(start, strlen(start));
	berth_port_print("\n", 1);
	/* PROGRAM: -OPTION VALUE: what is wrong with it */
	for (unsigned int part = 0; part < 2 && (!part || *start == '-'); part++) {
		rest = strstr(start, ": ");
		start = rest ? rest + 2 : start;
	}
	snprintf(line, size, "%s", start);
}
