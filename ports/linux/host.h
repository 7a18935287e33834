/* SPDX-License-Identifier: BSD-2-Clause */
/* Inside the port to a Linux process: what its files and its machines share. */
#ifndef PORTS_LINUX_HOST_H
#define PORTS_LINUX_HOST_H

#include <linux/futex.h>
#include <pthread.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include <berth/machine.h>
#include <berth/port.h>

/* For functions that touch the program's memory behind its back, as hardware does. */
#if defined(__has_attribute)
#if __has_attribute(disable_sanitizer_instrumentation)
#define RAW                                               \
	__attribute__((disable_sanitizer_instrumentation, \
		       no_sanitize("address", "thread", "undefined")))
#endif
#endif
#ifndef RAW
#define RAW __attribute__((no_sanitize_address, no_sanitize_thread, no_sanitize_undefined))
#endif

/* Sleep while *@word == @value, for @ns at most; UINT64_MAX: for ever. Returns early at will. */
static inline void futex_wait(const uint32_t *word, uint32_t value, uint64_t ns)
{
	struct timespec time = { (time_t)(ns / 1000000000), (long)(ns % 1000000000) };

	syscall(SYS_futex, word, FUTEX_WAIT_PRIVATE, value, ns == UINT64_MAX ? NULL : &time, NULL,
		0);
}

static inline void futex_wake(const uint32_t *word, int threads)
{
	syscall(SYS_futex, word, FUTEX_WAKE_PRIVATE, threads, NULL, NULL, 0);
}

/* This thread goes: what it has kept of call stacks is for others. */
void berth_port_backtrace_leave(void);

/* Record why a call of the caller's failed. Returns @code. */
int berth_port_fail(int code, enum berth_reason reason, const char *subject, uint64_t address,
		    uint64_t length);

/* Threads that have a slot, or share one. */
unsigned int berth_port_threads(void);
/* Threads of the process that have not called berth: they may be about to. */
unsigned int berth_port_strangers(void);
/* Whether another thread of the process runs, or waits for a CPU only. */
bool berth_port_others_run(void);

/* pthread_create() of a thread on which no signal of the program's arrives. */
int berth_port_quiet_thread(pthread_t *thread, void *(*fn)(void *), void *arg);

/*
 * Threads of the port's own. They take no signals; one has a slot only from the first call of
 * berth's that it makes to berth_port_leave(), so that a wait that nothing can end is known for one.
 * 0 or an errno value, as pthread_create().
 */
int berth_port_helper(pthread_t *thread, void *(*fn)(void *));
void berth_port_join_helper(pthread_t thread);
unsigned int berth_port_helpers(void);
/* Give the caller's slot back, if it has one. */
void berth_port_leave(void);

/* The machine that runs, or NULL. */
const struct berth_machine *berth_port_machine(void);

/* Once per start: @has_fresh: the machine wants to know of memory that is handed out. */
void berth_port_host_start(bool has_fresh);

/* Take all ranges of berth_port_range_reserve() away. */
void berth_port_ranges_stop(void);

/* Forget all poison of a range; both ends on a page. */
void berth_port_clear_poison(void *addr, uint64_t size);

#endif
