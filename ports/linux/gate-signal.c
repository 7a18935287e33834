// SPDX-License-Identifier: BSD-2-Clause
/*
 * The gate without userfaultfd: page protection, and a handler of SIGSEGV that lets the thread wait.
 * The program's own accesses only: a system call on a page that is gated returns EFAULT.
 */
#include <errno.h>
#include <signal.h>
#include <sys/mman.h>
#include <ucontext.h>

#include "context.h"
#include "gate.h"

/* More repeats than this of one access, with nothing changed in between, are no race. */
#define MAX_REPEATS 8

#define PENDING 0u
#define GRANTED 1u
#define REFUSED 2u

static struct sigaction previous;
/* Somebody's handler was put before ours and, one hopes, passes on what is not its own. */
static bool is_behind;

static __thread struct {
	uintptr_t pc, at;
	uint32_t news, repeats;
} last __attribute__((tls_model("initial-exec")));

/* Where the machine does not tell, what may be read already is being written. */
static RAW bool is_write_at(const ucontext_t *context, uintptr_t at)
{
#if defined(__x86_64__)
	(void)at;
	return context->uc_mcontext.gregs[REG_ERR] & 2;
#else
	(void)context;
	return berth_port_trap_look(at, false) != TRAP_ASK;
#endif
}

/* Somebody else's: a handler that was there before, or the end that the signal brings by itself. */
static RAW void pass_on(int signal, siginfo_t *info, void *context)
{
	struct {
		void (*handler)(int);
		unsigned long flags;
		void (*restorer)(void);
		uint64_t mask;
	} fresh;

	if (previous.sa_flags & SA_SIGINFO) {
		previous.sa_sigaction(signal, info, context);
		return;
	}
	if (previous.sa_handler != SIG_DFL && previous.sa_handler != SIG_IGN) {
		previous.sa_handler(signal);
		return;
	}
	fresh.handler = SIG_DFL;
	fresh.flags = 0;
	fresh.restorer = NULL;
	fresh.mask = 0;
	syscall(SYS_rt_sigaction, signal, &fresh, NULL, sizeof(fresh.mask));
	/* The access is repeated, and nobody catches it; one that was sent is sent again. */
	if (info->si_code <= 0)
		syscall(SYS_tgkill, syscall(SYS_getpid), syscall(SYS_gettid), signal);
}

static RAW void answer(const struct trap_fault *fault, int ret)
{
	uint32_t *cookie = fault->cookie;

	__atomic_store_n(cookie, ret ? REFUSED : GRANTED, __ATOMIC_RELEASE);
	/* The thread may be gone by now: then there is nobody at this address, which is no harm. */
	syscall(SYS_futex, cookie, FUTEX_WAKE_PRIVATE, 1, NULL, NULL, 0);
}

static RAW bool ask(uintptr_t at, bool is_write)
{
	struct trap_fault fault;
	uint32_t word = PENDING;

	fault.at = at;
	fault.is_write = is_write;
	fault.done = answer;
	fault.cookie = &word;
	while (!berth_port_trap_submit(&fault))
		syscall(SYS_sched_yield);
	while (__atomic_load_n(&word, __ATOMIC_ACQUIRE) == PENDING)
		syscall(SYS_futex, &word, FUTEX_WAIT_PRIVATE, PENDING, NULL, NULL, 0);
	return __atomic_load_n(&word, __ATOMIC_ACQUIRE) == GRANTED;
}

/* Allowed by now, but is it? What nothing has changed for will not go better the next time. */
static RAW bool is_stuck(uintptr_t pc, uintptr_t at, uint32_t news)
{
	if (last.pc == pc && last.at == at && last.news == news)
		return ++last.repeats > MAX_REPEATS;
	last.pc = pc;
	last.at = at;
	last.news = news;
	last.repeats = 0;
	return false;
}

static RAW bool resolve(uintptr_t pc, uintptr_t at, bool is_write)
{
	uint32_t news = __atomic_load_n(&berth_port_trap_news, __ATOMIC_SEQ_CST);

	switch (berth_port_trap_look(at, is_write)) {
	case TRAP_WAIT:
		__atomic_fetch_add(&berth_port_gate_stats.waits, 1, __ATOMIC_RELAXED);
		berth_port_trap_wait(news);
		return true;
	case TRAP_RETRY:
		return !is_stuck(pc, at, news);
	case TRAP_ASK:
		return ask(at, is_write);
	default:
		return false;
	}
}

static RAW void on_fault(int signal, siginfo_t *info, void *context)
{
	uintptr_t at = (uintptr_t)info->si_addr;
	int saved = errno;

	if (info->si_code != SEGV_ACCERR ||
	    !resolve(context_pc(context), at, is_write_at(context, at)))
		pass_on(signal, info, context);
	errno = saved;
}

static int start(void)
{
	struct sigaction action = {
		.sa_sigaction = on_fault,
		.sa_flags = SA_SIGINFO | SA_NODEFER | SA_ONSTACK | SA_RESTART,
	};

	if (is_behind)
		return 0;
	sigemptyset(&action.sa_mask);
	return sigaction(SIGSEGV, &action, &previous) ? -errno : 0;
}

/* Behind another handler ours has to stay: it passes everything on. */
static void stop(void)
{
	struct sigaction current;

	is_behind = sigaction(SIGSEGV, NULL, &current) || !(current.sa_flags & SA_SIGINFO) ||
		    current.sa_sigaction != on_fault;
	if (!is_behind)
		sigaction(SIGSEGV, &previous, NULL);
}

static RAW int map(uintptr_t at, size_t size, int protection, int flags, int fd, off_t offset)
{
	return syscall(SYS_mmap, at, size, protection, flags | MAP_FIXED, fd, offset) == -1 ? -errno
											    : 0;
}

static RAW int clear(uintptr_t at, size_t size)
{
	return map(at, size, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
}

static RAW int show(uintptr_t at, size_t size, int fd, off_t offset, enum berth_port_access access)
{
	return map(at, size, access == BERTH_ACCESS_READ ? PROT_READ : PROT_READ | PROT_WRITE,
		   MAP_SHARED | MAP_NORESERVE, fd, offset);
}

static RAW int protect(uintptr_t at, size_t size, enum berth_port_access access)
{
	return syscall(SYS_mprotect, at, size,
		       access == BERTH_ACCESS_READ ? PROT_READ : PROT_READ | PROT_WRITE)
		       ? -errno
		       : 0;
}

static RAW int shut(uintptr_t at, size_t size)
{
	return protect(at, size, BERTH_ACCESS_READ);
}

static RAW void open_again(uintptr_t at, size_t size)
{
	protect(at, size, BERTH_ACCESS_WRITE);
}

static RAW void wake(uintptr_t at, size_t size)
{
	(void)at;
	(void)size;
	berth_port_trap_wake();
}

const struct gate berth_port_gate_signal = {
	.name = "signal",
	.start = start,
	.stop = stop,
	.prepare = clear,
	.show = show,
	.clear = clear,
	.protect = protect,
	.shut = shut,
	.open = open_again,
	.wake = wake,
};
