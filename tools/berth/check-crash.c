// SPDX-License-Identifier: BSD-2-Clause
/* In the child: crashes, a hang that is asked where it is, and an end that nobody expects; each says its stack. */
#include <execinfo.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <ucontext.h>
#include <unistd.h>

#include "context.h"
#include "check.h"

#define STACK_SIZE 65536

static int pipe_fd = -1;
static volatile bool is_loading;
static struct check_frame frame;

/* After a call through a bad pointer the unwinder knows nothing; the caller is on the stack, or in a register. */
static uintptr_t caller_of(const ucontext_t *context)
{
#if defined(__x86_64__)
	return *(const uintptr_t *)context->uc_mcontext.gregs[REG_RSP];
#elif defined(__aarch64__)
	return (uintptr_t)context->uc_mcontext.regs[30];
#else
	(void)context;
	return 0;
#endif
}

/* From where the signal came on: what is above it are the handler's own. */
static void find_stack(const ucontext_t *context, struct check_stack *stack)
{
	const uintptr_t pc = context_pc(context);
	void *found[CHECK_FRAMES + 8];
	uintptr_t frames[CHECK_FRAMES + 8];
	const int nr = backtrace(found, CHECK_FRAMES + 8);
	int first = 0;

	if (is_loading)
		check_modules_look(&frame, pipe_fd);
	while (first < nr && (uintptr_t)found[first] != pc)
		first++;
	if (first < nr) {
		for (int i = first; i < nr; i++)
			frames[i - first] = (uintptr_t)found[i];
		check_modules_here(stack, frames, (unsigned int)(nr - first));
	} else {
		frames[0] = pc;
		frames[1] = caller_of(context);
		check_modules_here(stack, frames, 2);
	}
	stack->is_exact = true;
}

static void on_crash(int signal, siginfo_t *info, void *context)
{
	struct check_stack stack;

	find_stack(context, &stack);
	check_frame_begin(&frame, CHECK_SAYS_CRASH);
	check_frame_number(&frame, (uint64_t)signal);
	check_frame_number(&frame, info->si_code > 0 ? (uintptr_t)info->si_addr : 0);
	check_frame_stack(&frame, &stack);
	check_frame_send(&frame, pipe_fd);
	_exit(128 + signal);
}

static void on_question(int signal, siginfo_t *info, void *context)
{
	struct check_stack stack;

	(void)signal;
	(void)info;
	find_stack(context, &stack);
	check_frame_begin(&frame, CHECK_SAYS_WHERE);
	check_frame_stack(&frame, &stack);
	check_frame_send(&frame, pipe_fd);
	_exit(128 + signal);
}

static void on_exit_called(void)
{
	struct check_stack stack;
	void *found[CHECK_FRAMES];
	uintptr_t frames[CHECK_FRAMES];
	const int nr = backtrace(found, CHECK_FRAMES);

	for (int i = 0; i < nr; i++)
		frames[i] = (uintptr_t)found[i];
	if (is_loading)
		check_modules_look(&frame, pipe_fd);
	check_modules_here(&stack, frames, (unsigned int)nr);
	check_frame_begin(&frame, CHECK_SAYS_EXIT);
	check_frame_stack(&frame, &stack);
	check_frame_send(&frame, pipe_fd);
}

void check_crash_loading(bool loading)
{
	is_loading = loading;
}

void check_crash_watch(int fd)
{
	static const int crashes[] = { SIGSEGV, SIGBUS, SIGILL, SIGFPE, SIGABRT, SIGTRAP, SIGSYS };
	static char stack[STACK_SIZE];
	const stack_t alternative = { .ss_sp = stack, .ss_size = sizeof(stack) };
	const struct rlimit no_core = { 0, 0 };
	struct sigaction action = { .sa_flags = SA_SIGINFO | SA_ONSTACK };
	void *loaded;

	pipe_fd = fd;
	setrlimit(RLIMIT_CORE, &no_core);
	sigaltstack(&alternative, NULL);
	backtrace(&loaded, 1); /* loads the unwinder, which a handler could not */
	sigfillset(&action.sa_mask);
	action.sa_sigaction = on_crash;
	for (size_t i = 0; i < sizeof(crashes) / sizeof(crashes[0]); i++)
		sigaction(crashes[i], &action, NULL);
	action.sa_sigaction = on_question;
	sigaction(SIGQUIT, &action, NULL);
	atexit(on_exit_called);
}
