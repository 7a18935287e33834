// SPDX-License-Identifier: BSD-2-Clause
/* Traps on pages of the linear map: see trap.h. */
#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <ucontext.h>
#include <unistd.h>

#include "context.h"
#include "share.h"
#include "trap.h"

/* More repeats than this of one access to a page that is open are no race. */
#define MAX_REPEATS 64

/*
 * What each page is closed for. Under the lock, a leaf that is taken inside the checker's: who holds it makes system
 * calls only, and touches no memory that is closed.
 */
static pthread_mutex_t traps_lock = PTHREAD_MUTEX_INITIALIZER;
static uint8_t *pages;
static uint8_t *refused; /* by how many shares: pages of another file */
static uint64_t nr_pages;
static bool has_uffd, is_behind, is_handling;
/*
 * Who had the signal when we came, and who had it last: test frameworks take it for each test, and it is taken back.
 * The second may pass a fault on to us, whose it is not: then it is for the first.
 */
static struct sigaction first, previous;
static __thread bool is_passing __attribute__((tls_model("initial-exec")));

/* For threads that are on their way back from a system call. @state: 0 empty, 1 being filled in, 2 full. */
static struct message {
	uint32_t state;
	bool is_write;
	uintptr_t at;
	const char *call;
} messages[16];

static __thread struct {
	uintptr_t pc, at;
	uint32_t repeats;
} last __attribute__((tls_model("initial-exec")));

static bool catch_faults(void);

static uint64_t index_of(uintptr_t at)
{
	return (at - berth_port_linear.virt) / TRAP_PAGE;
}

static void protect(uintptr_t at, uint64_t size, unsigned int closed)
{
	const int protection = closed == TRAP_ALL      ? PROT_NONE
			       : closed == TRAP_WRITES ? PROT_READ
						       : PROT_READ | PROT_WRITE;

	/* Without room for one more mapping, what was to be closed is open; what was closed joins its neighbours. */
	if (mprotect((void *)at, size, protection) && closed == TRAP_OPEN)
		berth_port_panic("pages cannot be opened");
}

static void open_pages(uintptr_t at, uint64_t size)
{
	protect(at, size, TRAP_OPEN);
	if (has_uffd)
		berth_port_trap_uffd_open(at, size);
}

static void close_pages(uintptr_t at, uint64_t size, unsigned int closed)
{
	if (!has_uffd || !berth_port_trap_uffd_close(at, size, closed == TRAP_ALL))
		protect(at, size, closed);
}

/* With the lock: pages that are all in one state, and are to be in another one. */
static void change_run(uintptr_t at, uint64_t size, unsigned int closed)
{
	if (pages[index_of(at)] != TRAP_OPEN)
		open_pages(at, size);
	if (closed != TRAP_OPEN && catch_faults())
		close_pages(at, size, closed);
	for (uint64_t i = 0; i < size / TRAP_PAGE; i++)
		__atomic_store_n(&pages[index_of(at) + i], (uint8_t)closed, __ATOMIC_RELAXED);
}

static void change(uintptr_t at, uint64_t size, unsigned int closed)
{
	uintptr_t end = at + size;

	while (at < end) {
		const unsigned int was = pages[index_of(at)];
		const bool may = closed == TRAP_OPEN || !refused[index_of(at)];
		uintptr_t to = at;

		while (to < end && pages[index_of(to)] == was &&
		       (closed == TRAP_OPEN || !refused[index_of(to)]) == may)
			to += TRAP_PAGE;
		if (may && was != closed)
			change_run(at, to - at, closed);
		at = to;
	}
}

static bool trap(uintptr_t at, uint64_t size, enum berth_port_access access)
{
	static const unsigned int closed[] = {
		[BERTH_ACCESS_NONE] = TRAP_ALL,
		[BERTH_ACCESS_READ] = TRAP_WRITES,
		[BERTH_ACCESS_WRITE] = TRAP_OPEN,
	};
	bool is_there;

	pthread_mutex_lock(&traps_lock);
	is_there = pages && !((at | size) & (TRAP_PAGE - 1)) &&
		   at - berth_port_linear.virt < nr_pages * TRAP_PAGE &&
		   size <= nr_pages * TRAP_PAGE - (at - berth_port_linear.virt);
	if (is_there)
		change(at, size, closed[access]);
	pthread_mutex_unlock(&traps_lock);
	return is_there;
}

/* Opens the page of an access. False: it was open. */
static bool open_for(uintptr_t at, bool is_write)
{
	const uintptr_t page = at & ~(TRAP_PAGE - 1);
	unsigned int was;

	pthread_mutex_lock(&traps_lock);
	was = pages ? pages[index_of(page)] : TRAP_OPEN;
	if (was != TRAP_OPEN)
		change_run(page, TRAP_PAGE, TRAP_OPEN);
	pthread_mutex_unlock(&traps_lock);
	return was == TRAP_ALL || (was == TRAP_WRITES && is_write);
}

static bool is_ours(uintptr_t at)
{
	return nr_pages && at - berth_port_linear.virt < nr_pages * TRAP_PAGE;
}

static void tell(uintptr_t at, bool is_write, uintptr_t pc, const char *call)
{
	const struct berth_port_watch *watch = __atomic_load_n(&berth_port_watch, __ATOMIC_ACQUIRE);

	if (!watch || !watch->trapped)
		return;
	/* Nothing is delivered here, in the middle of something. */
	berth_port_thread.irq_depth++;
	watch->trapped(at, is_write, pc, call);
	berth_port_thread.irq_depth--;
}

/* Nobody is told if so many threads have not looked yet. */
static void leave_message(uintptr_t at, bool is_write, pid_t tid, const char *call)
{
	for (unsigned int i = 0; i < ARRAY_SIZE(messages); i++) {
		siginfo_t info = { .si_code = SI_QUEUE };
		uint32_t empty = 0;

		if (!__atomic_compare_exchange_n(&messages[i].state, &empty, 1, false,
						 __ATOMIC_ACQUIRE, __ATOMIC_RELAXED))
			continue;
		messages[i].at = at;
		messages[i].is_write = is_write;
		messages[i].call = call;
		__atomic_store_n(&messages[i].state, 2, __ATOMIC_RELEASE);
		info.si_pid = getpid();
		info.si_uid = getuid();
		info.si_value.sival_ptr = &messages[i];
		if (syscall(SYS_rt_tgsigqueueinfo, getpid(), tid, SIGSEGV, &info))
			__atomic_store_n(&messages[i].state, 0, __ATOMIC_RELEASE);
		return;
	}
}

/*
 * A system call goes on once the page is open; the signal that is sent before reaches the thread on its way back, where its
 * stack says who has made the call.
 */
void berth_port_trap_met(uintptr_t at, bool is_write, pid_t tid, const char *call)
{
	const uintptr_t page = at & ~(TRAP_PAGE - 1);
	unsigned int closed;

	pthread_mutex_lock(&traps_lock);
	closed = pages ? pages[index_of(page)] : TRAP_OPEN;
	if (closed != TRAP_OPEN && call) {
		leave_message(at, is_write, tid, call);
		change_run(page, TRAP_PAGE, TRAP_OPEN);
	} else {
		if (closed != TRAP_OPEN)
			protect(page, TRAP_PAGE, closed);
		berth_port_trap_uffd_open(page, TRAP_PAGE);
	}
	pthread_mutex_unlock(&traps_lock);
}

/* Where the machine does not tell, a page that may be read is being written. */
static bool is_write_at(const ucontext_t *context, uintptr_t at)
{
#if defined(__x86_64__)
	(void)at;
	return context->uc_mcontext.gregs[REG_ERR] & 2;
#else
	(void)context;
	return __atomic_load_n(&pages[index_of(at)], __ATOMIC_RELAXED) == TRAP_WRITES;
#endif
}

static void pass_to(const struct sigaction *who, int signal_number, siginfo_t *info, void *context)
{
	if (who->sa_flags & SA_SIGINFO) {
		who->sa_sigaction(signal_number, info, context);
	} else if (who->sa_handler != SIG_DFL && who->sa_handler != SIG_IGN) {
		who->sa_handler(signal_number);
	} else {
		/* The access is repeated, and nobody catches it; one that was sent is sent again. */
		signal(signal_number, SIG_DFL);
		if (info->si_code <= 0)
			raise(signal_number);
	}
}

static void pass_on(int signal_number, siginfo_t *info, void *context)
{
	const bool was_passing = is_passing;

	is_passing = true;
	pass_to(was_passing ? &first : &previous, signal_number, info, context);
	is_passing = was_passing;
}

/* Another thread may have opened it meanwhile; but not for ever. */
static bool is_race(uintptr_t pc, uintptr_t at)
{
	if (last.pc != pc || last.at != at)
		last.repeats = 0;
	last.pc = pc;
	last.at = at;
	return ++last.repeats < MAX_REPEATS;
}

/* Whether the signal is one of leave_message()'s. */
static bool take_message(const siginfo_t *info, uintptr_t pc)
{
	struct message *message = info->si_value.sival_ptr;
	struct message copy;

	if (info->si_code != SI_QUEUE || info->si_pid != getpid() ||
	    (uintptr_t)message - (uintptr_t)messages >= sizeof(messages))
		return false;
	copy = *message;
	__atomic_store_n(&message->state, 0, __ATOMIC_RELEASE);
	tell(copy.at, copy.is_write, pc, copy.call);
	return true;
}

static void on_fault(int signal_number, siginfo_t *info, void *context)
{
	const uintptr_t at = (uintptr_t)info->si_addr, pc = context_pc(context);
	const int saved = errno;
	bool is_write;

	if (take_message(info, pc)) {
		/* Told. */
	} else if (!is_handling || info->si_code != SEGV_ACCERR || !is_ours(at)) {
		pass_on(signal_number, info, context);
	} else {
		is_write = is_write_at(context, at);
		if (open_for(at, is_write)) {
			last.repeats = 0;
			tell(at, is_write, pc, NULL);
		} else if (!is_race(pc, at)) {
			pass_on(signal_number, info, context);
		}
	}
	errno = saved;
}

static bool is_on_top(void)
{
	struct sigaction current;

	return !sigaction(SIGSEGV, NULL, &current) && current.sa_flags & SA_SIGINFO &&
	       current.sa_sigaction == on_fault;
}

/* With the lock, but at start. */
static bool catch_faults(void)
{
	struct sigaction action = {
		.sa_sigaction = on_fault,
		.sa_flags = SA_SIGINFO | SA_NODEFER | SA_ONSTACK | SA_RESTART,
	};

	sigemptyset(&action.sa_mask);
	return is_on_top() || !sigaction(SIGSEGV, &action, &previous);
}

static uint8_t *bytes(uint64_t nr)
{
	void *at = mmap(NULL, nr, PROT_READ | PROT_WRITE,
			MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);

	return at == MAP_FAILED ? NULL : at;
}

/* Not having them is no reason not to start. */
void berth_port_traps_start(void)
{
	const struct berth_port_watch *watch = __atomic_load_n(&berth_port_watch, __ATOMIC_ACQUIRE);
	const struct berth_machine *machine = berth_port_machine();
	const char *gate;

	if (!watch || !watch->has_traps || !machine->can_trap || !machine->can_trap())
		return;
	nr_pages = berth_port_linear.size / TRAP_PAGE;
	pages = bytes(nr_pages);
	refused = bytes(nr_pages);
	if (!is_behind)
		sigaction(SIGSEGV, NULL, &first);
	is_handling = true;
	if (!pages || !refused || !catch_faults()) {
		berth_port_traps_stop();
		return;
	}
	gate = getenv("BERTH_GATE");
	has_uffd = (!gate || strcmp(gate, "signal")) && berth_port_trap_uffd_start();
	__atomic_store_n(&berth_port_trap, trap, __ATOMIC_RELEASE);
}

/* Behind another handler ours has to stay: it passes everything on. */
static void stop_catching(void)
{
	is_handling = false;
	is_behind = !is_on_top();
	if (!is_behind)
		sigaction(SIGSEGV, &first, NULL);
}

void berth_port_traps_stop(void)
{
	if (!nr_pages)
		return;
	__atomic_store_n(&berth_port_trap, NULL, __ATOMIC_RELEASE);
	if (has_uffd)
		berth_port_trap_uffd_stop();
	pthread_mutex_lock(&traps_lock);
	if (pages && refused)
		for (uint64_t i = 0; i < nr_pages; i++)
			if (pages[i] != TRAP_OPEN)
				protect(berth_port_linear.virt + i * TRAP_PAGE, TRAP_PAGE,
					TRAP_OPEN);
	if (pages)
		munmap(pages, nr_pages);
	if (refused)
		munmap(refused, nr_pages);
	pages = refused = NULL;
	nr_pages = 0;
	has_uffd = false;
	pthread_mutex_unlock(&traps_lock);
	if (is_handling)
		stop_catching();
}

static void refuse(phys_addr_t phys, uint64_t size, int by)
{
	const uintptr_t at = berth_port_linear.virt + (uintptr_t)(phys - berth_port_linear.phys);

	pthread_mutex_lock(&traps_lock);
	if (pages && phys - berth_port_linear.phys < berth_port_linear.size) {
		if (by > 0)
			change(at, size, TRAP_OPEN);
		for (uint64_t i = 0; i < size / TRAP_PAGE; i++)
			refused[index_of(at) + i] = (uint8_t)(refused[index_of(at) + i] + by);
	}
	pthread_mutex_unlock(&traps_lock);
}

void berth_port_traps_refuse(phys_addr_t phys, uint64_t size)
{
	refuse(phys, size, 1);
}

void berth_port_traps_allow(phys_addr_t phys, uint64_t size)
{
	refuse(phys, size, -1);
}
