// SPDX-License-Identifier: BSD-2-Clause
/* The front: prepares all, is the program's parent, and ends as it does. */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "run.h"

#include "launcher-internal.h"

/* Sent to the front alone as a rule: the program gets them. Those of a terminal it has got itself. */
static const int forwarded[] = { SIGTERM, SIGHUP, SIGUSR1, SIGUSR2, SIGALRM, SIGWINCH, SIGCONT };
static const int ignored[] = { SIGINT, SIGQUIT, SIGTSTP, SIGTTIN, SIGTTOU, SIGPIPE };

static volatile sig_atomic_t program;

int launcher_unusable(const char *what, int error)
{
	fprintf(stderr, "berth exec: --no-preload: %s%s%s\n", what, error ? ": " : "",
		error ? strerror(error) : "");
	return RUN_UNUSABLE;
}

/* select() can do with them, and so can who makes numbers of his own from below. */
static int choose_numbers(struct launcher *launcher)
{
	struct rlimit limit;
	rlim_t end;

	if (getrlimit(RLIMIT_NOFILE, &limit))
		return launcher_unusable("the limit of open files", errno);
	end = limit.rlim_cur < LAUNCHER_LIMIT ? limit.rlim_cur : LAUNCHER_LIMIT;
	if (end < 2 * LAUNCHER_NUMBERS)
		return launcher_unusable("too few files may be open (ulimit -n): 128 at least", 0);
	launcher->numbers = (unsigned int)end - LAUNCHER_NUMBERS;
	return RUN_DONE;
}

static int greet(struct launcher *launcher)
{
	static unsigned char data[BERTH_SERVE_DATA_MOST];
	struct launcher_message message = { .request = { .op = BERTH_SERVE_HELLO },
					    .fd = -1,
					    .data = data };
	int connection, ret = launcher_request_new(launcher, &message, &connection);

	if (ret)
		return launcher_unusable("no server (see berth serve)", -ret);
	close(connection);
	if (message.reply.result || !message.size || data[message.size - 1] ||
	    message.size > sizeof(launcher->tree))
		return launcher_unusable("the server says something else than expected", 0);
	memcpy(launcher->tree, data, message.size);
	return RUN_DONE;
}

static bool send_listener(int to, int listener)
{
	_Alignas(struct cmsghdr) char control[CMSG_SPACE(sizeof(int))] = { 0 };
	char byte = 0;
	struct iovec part = { &byte, 1 };
	struct msghdr packet = { .msg_iov = &part,
				 .msg_iovlen = 1,
				 .msg_control = control,
				 .msg_controllen = sizeof(control) };
	struct cmsghdr *head = CMSG_FIRSTHDR(&packet);

	head->cmsg_level = SOL_SOCKET;
	head->cmsg_type = SCM_RIGHTS;
	head->cmsg_len = CMSG_LEN(sizeof(int));
	memcpy(CMSG_DATA(head), &listener, sizeof(int));
	return sendmsg(to, &packet, MSG_NOSIGNAL) == 1;
}

/* In the program's process. All descriptors of this program are closed by execvp(). */
static _Noreturn void execute(const struct launcher *launcher, int to_supervisor, char **argv)
{
	const int listener = launcher_filter(launcher->numbers);

	if (listener < 0)
		_exit(launcher_unusable(listener == -EBUSY ? "it is in one already"
							   : "system calls cannot be filtered",
					-listener));
	if (!send_listener(to_supervisor, listener))
		_exit(launcher_unusable("the supervisor", errno));
	close(listener);
	execvp(argv[0], argv);
	fprintf(stderr, "berth exec: %s: %s\n", argv[0], strerror(errno));
	_exit(errno == ENOENT ? 127 : 126);
}

static void forward(int number)
{
	const int error = errno;

	if (program > 0)
		kill(program, number);
	errno = error;
}

static void set_signals(void)
{
	struct sigaction action = { .sa_handler = forward, .sa_flags = SA_RESTART };

	for (size_t i = 0; i < sizeof(forwarded) / sizeof(forwarded[0]); i++)
		sigaction(forwarded[i], &action, NULL);
	action.sa_handler = SIG_IGN;
	for (size_t i = 0; i < sizeof(ignored) / sizeof(ignored[0]); i++)
		sigaction(ignored[i], &action, NULL);
}

/* The caller sees what became of the program: also a signal, but not a second core dump. */
static int end_like(int status)
{
	const struct rlimit none = { 0 };
	struct sigaction action = { .sa_handler = SIG_DFL };
	sigset_t set;

	if (WIFEXITED(status))
		return WEXITSTATUS(status);
	setrlimit(RLIMIT_CORE, &none);
	sigaction(WTERMSIG(status), &action, NULL);
	sigemptyset(&set);
	sigaddset(&set, WTERMSIG(status));
	sigprocmask(SIG_UNBLOCK, &set, NULL);
	raise(WTERMSIG(status));
	return 128 + WTERMSIG(status);
}

static int end_all(void)
{
	launcher_kill_all(0);
	while (waitpid(-1, NULL, 0) > 0 || errno == EINTR)
		;
	return launcher_unusable("the supervisor was killed, and so is the program", 0);
}

/* The supervisor ends too, or says that others of the program's are still there. False: it was killed. */
static bool part(int link, pid_t supervisor)
{
	char byte = 0;
	int status;

	if (!supervisor ||
	    (send(link, &byte, 1, MSG_NOSIGNAL) == 1 && recv(link, &byte, 1, 0) == 1))
		return true;
	while (waitpid(supervisor, &status, 0) < 0)
		if (errno != EINTR)
			return false;
	return WIFEXITED(status) && !WEXITSTATUS(status);
}

/* The shell sees its job stopped by the terminal. Who stops one process alone has only that one to continue. */
static void stop_like(int status)
{
	if (WSTOPSIG(status) == SIGSTOP)
		return;
	raise(SIGSTOP);
	kill(program, SIGCONT);
}

static int wait_for(int link, pid_t supervisor)
{
	int status;

	for (;;) {
		const pid_t pid = waitpid(-1, &status, WUNTRACED);

		if (pid == program && WIFSTOPPED(status)) {
			stop_like(status);
		} else if (pid == program) {
			program = 0;
			return part(link, supervisor) ? end_like(status) : end_all();
		} else if (pid == supervisor && WIFEXITED(status) && !WEXITSTATUS(status)) {
			supervisor = 0; /* nobody has the filter: the program has ended, or will */
		} else if (pid == supervisor && !WIFSTOPPED(status)) {
			return end_all();
		} else if (pid < 0 && errno != EINTR) {
			return launcher_unusable("no program", errno);
		}
	}
}

static int start(struct launcher *launcher, char **argv)
{
	int link[2], listener[2];
	pid_t pid, supervisor;

	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, link) ||
	    socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, listener))
		return launcher_unusable("sockets", errno);
	supervisor = fork();
	if (!supervisor)
		launcher_supervise(launcher, link[1], listener[1]);
	close(link[1]);
	close(listener[1]);
	if (supervisor < 0)
		return launcher_unusable("fork", errno);
	pid = fork();
	if (!pid)
		execute(launcher, listener[0], argv);
	close(listener[0]);
	if (pid < 0)
		return launcher_unusable("fork", errno);
	program = pid;
	set_signals();
	return wait_for(link[0], supervisor);
}

int launcher_run(const struct launcher_options *options, char **argv)
{
	static struct launcher launcher;
	int ret;

	launcher_name_server(&launcher, options->server);
	ret = choose_numbers(&launcher);
	if (!ret)
		ret = greet(&launcher);
	if (!ret)
		ret = launcher_enter();
	if (!ret)
		ret = launcher_place(&launcher);
	launcher_close_stand_ins(&launcher);
	return ret ? ret : start(&launcher, argv);
}
