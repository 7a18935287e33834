// SPDX-License-Identifier: BSD-2-Clause
/*
 * One thread of the program makes a system call with other arguments. It is stopped for that only: signals,
 * job control and debuggers are as always before and after.
 */
#include <asm/unistd.h>
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <sys/ptrace.h>
#include <sys/user.h>
#include <sys/wait.h>
#include <unistd.h>

#include "launcher-internal.h"

#define COMPAT_MMAP 192
#define COMPAT_CLOSE 6
/* Both instructions, "syscall" and "int 0x80", which is also what the vDSO returns behind. */
#define INSTRUCTION_BYTES 2
#define SYSCALL_BYTES 0x050f
#define INT80_BYTES 0x80cd

static bool wait_for_stop(pid_t tid, int *status)
{
	pid_t got;

	do
		got = waitpid(tid, status, __WALL);
	while (got < 0 && errno == EINTR);
	return got == tid && WIFSTOPPED(*status);
}

/* Only SIGSTOP can be on its way: the stop of the whole group does not keep it now, but after PTRACE_DETACH. */
static bool run_to_call(pid_t tid)
{
	int status = 0;

	do {
		const int number = status && !(status >> 16) ? WSTOPSIG(status) : 0;

		if (ptrace(PTRACE_SYSCALL, tid, NULL, (void *)(intptr_t)number) ||
		    !wait_for_stop(tid, &status))
			return false;
	} while (WSTOPSIG(status) != (SIGTRAP | 0x80));
	return true;
}

static void put_arguments(struct user_regs_struct *regs, bool is_compat, const uint64_t *args)
{
	if (is_compat) {
		regs->rbx = args[0];
		regs->rcx = args[1];
		regs->rdx = args[2];
		regs->rsi = args[3];
		regs->rdi = args[4];
		regs->rbp = args[5];
		return;
	}
	regs->rdi = args[0];
	regs->rsi = args[1];
	regs->rdx = args[2];
	regs->r10 = args[3];
	regs->r8 = args[4];
	regs->r9 = args[5];
}

/* The instruction behind which the thread is, once more. */
static bool run_call(const struct launcher_call *call, const struct user_regs_struct *at, int nr,
		     const uint64_t *args, int64_t *result)
{
	struct user_regs_struct regs = *at;

	regs.rip -= INSTRUCTION_BYTES;
	regs.rax = (unsigned long long)nr;
	regs.orig_rax = ~0ull; /* no call is to be restarted */
	put_arguments(&regs, call->is_compat, args);
	if (ptrace(PTRACE_SETREGS, call->tid, NULL, &regs) || !run_to_call(call->tid) ||
	    !run_to_call(call->tid) || ptrace(PTRACE_GETREGS, call->tid, NULL, &regs))
		return false;
	*result = call->is_compat && regs.rax > 0xfffff000u ? (int32_t)regs.rax : (int64_t)regs.rax;
	return true;
}

/* Not in a handler of a signal that took it away from the call. */
static bool is_behind_call(const struct launcher_call *call, const struct user_regs_struct *regs)
{
	long word;

	if (regs->rip != call->behind)
		return false;
	errno = 0;
	word = ptrace(PTRACE_PEEKTEXT, call->tid, regs->rip - INSTRUCTION_BYTES, NULL) & 0xffff;
	return !errno && word == (call->is_compat ? INT80_BYTES : SYSCALL_BYTES);
}

/* Stopped behind its call, with no signal in its way. All that is changed is put back. */
static void run_calls(const struct launcher_call *call, const uint64_t *args)
{
	const uint64_t all_signals = ~0ull, close_args[6] = { args[4] };
	struct user_regs_struct regs;
	uint64_t signals;
	int64_t result = -ENODEV, closed;

	if (ptrace(PTRACE_GETREGS, call->tid, NULL, &regs) || !is_behind_call(call, &regs) ||
	    ptrace(PTRACE_GETSIGMASK, call->tid, sizeof(signals), &signals) ||
	    ptrace(PTRACE_SETSIGMASK, call->tid, sizeof(all_signals), &all_signals))
		return;
	if (run_call(call, &regs, call->is_compat ? COMPAT_MMAP : __NR_mmap, args, &result))
		(void)run_call(call, &regs, call->is_compat ? COMPAT_CLOSE : __NR_close, close_args,
			       &closed);
	regs.rax = (unsigned long long)result;
	if (call->is_compat)
		regs.rax &= 0xffffffffu;
	regs.orig_rax = ~0ull;
	(void)ptrace(PTRACE_SETREGS, call->tid, NULL, &regs);
	(void)ptrace(PTRACE_SETSIGMASK, call->tid, sizeof(signals), &signals);
}

/*
 * The number that is for a moment, unless it is the program's own file. A child that was made in another such moment has
 * it still: that one is replaced.
 */
static int give_moment(const struct launcher_call *call, int memory)
{
	const unsigned int moment = launcher_moment(call->launcher);
	const int there = launcher_descriptor(call, moment);
	const bool is_own = there >= 0 && !launcher_mapped_has(there);

	if (there >= 0)
		close(there);
	return is_own ? -EBUSY : launcher_give(call, memory, (int)moment, 0, O_CLOEXEC);
}

/* The number is one thread's of the program at a time. */
static pthread_mutex_t moment_lock = PTHREAD_MUTEX_INITIALIZER;

static void inject(const struct launcher_call *call, uint64_t *args, int memory)
{
	int status, fd;

	/* EPERM: a debugger has it. */
	if (ptrace(PTRACE_SEIZE, call->tid, NULL, PTRACE_O_TRACESYSGOOD)) {
		launcher_result(call, -errno);
		return;
	}
	fd = give_moment(call, memory); /* mmap() needs a descriptor */
	args[4] = (uint64_t)fd;
	if (call->is_compat)
		args[5] >>= 12;
	(void)ptrace(PTRACE_INTERRUPT, call->tid, NULL, NULL);
	/* It stops before it sees this, which is then replaced. EBADF: the program has lowered its limit. */
	launcher_result(call, fd == -EBADF ? -EMFILE : fd < 0 ? fd : -EAGAIN);
	if (!wait_for_stop(call->tid, &status))
		return;
	if (fd >= 0)
		run_calls(call, args);
	(void)ptrace(PTRACE_DETACH, call->tid, NULL, NULL);
}

void launcher_inject(const struct launcher_call *call, uint64_t *args, int memory)
{
	pthread_mutex_lock(&moment_lock);
	inject(call, args, memory);
	pthread_mutex_unlock(&moment_lock);
}
