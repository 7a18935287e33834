/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Pages that move under running threads: what the calls of port.h (user.c), the two mechanisms
 * behind them (gate-uffd.c, gate-signal.c) and the dispatcher of faults (fault.c) share.
 *
 * Between the moment at which a page is gated and the moment at which its waiters are woken nothing
 * runs that a sanitizer has instrumented or intercepted: a thread that waits may have been stopped
 * inside a sanitizer's runtime, with its locks. What runs there is RAW and makes system calls only.
 */
#ifndef PORTS_LINUX_GATE_H
#define PORTS_LINUX_GATE_H

#include <sys/types.h>

#include "host.h"

#define GATE_PAGE 4096ul

/* The dispatcher (fault.c). */

enum trap_answer {
	TRAP_FOREIGN, /* not ours: the program's own fault */
	TRAP_RETRY, /* allowed by now */
	TRAP_WAIT, /* allowed when berth_port_trap_news has changed */
	TRAP_ASK, /* somebody has to be asked; a thread of the port's does */
};

/*
 * Addresses whose faults are ours. @look is called where the fault is, which may be anywhere in the
 * program: it is RAW, and takes no lock. @ask is called on a thread of the port's: 0, or a negative
 * errno value if it is the program's fault; @calls counts those.
 */
struct trap_range {
	uintptr_t start, size;
	uint32_t calls;
	enum trap_answer (*look)(const struct trap_range *range, uintptr_t at, bool is_write);
	int (*ask)(void *virt, bool is_write);
};

/* Changes whenever an answer of TRAP_WAIT has become another one. */
extern uint32_t berth_port_trap_news;

/*
 * The threads that ask: 0 or a negative errno value. They are stopped before what they call is, and
 * the way to them is closed when nobody can fault any more.
 */
int berth_port_trap_start(void);
void berth_port_trap_stop(void);
void berth_port_trap_close(void);

/* In the child of a fork: all of it is the parent's. */
void berth_port_trap_forget(void);

/* 0 or -ENOMEM. On return from remove, nobody looks into @range any more, or asks about it. */
int berth_port_trap_add(struct trap_range *range);
void berth_port_trap_remove(struct trap_range *range);

/* RAW: the range of an address, as long as a fault in it is not answered; NULL. */
const struct trap_range *berth_port_trap_find(uintptr_t at);

/* RAW, any context. */
enum trap_answer berth_port_trap_look(uintptr_t at, bool is_write);

/* A fault about which somebody is asked; @done is called with the answer, and is RAW. */
struct trap_fault {
	uintptr_t at;
	uint64_t is_write;
	void (*done)(const struct trap_fault *fault, int ret);
	uint32_t *cookie;
};

/* RAW, any context. False: so many wait already that this one has to come again. */
bool berth_port_trap_submit(const struct trap_fault *fault);

/* RAW: news, and whoever waits for it. */
void berth_port_trap_wake(void);
/* RAW: sleep until there is other news than @news. */
void berth_port_trap_wait(uint32_t news);

/* The two mechanisms. */

/*
 * All but @start and @stop are RAW, and return 0 or a negative errno value with nothing changed.
 * Whoever waits for a page is woken by @wake only.
 */
struct gate {
	const char *name;
	int (*start)(void);
	void (*stop)(void);
	/* A fresh mapping at @at becomes BERTH_ACCESS_NONE. */
	int (*prepare)(uintptr_t at, size_t size);
	int (*show)(uintptr_t at, size_t size, int fd, off_t offset, enum berth_port_access access);
	int (*clear)(uintptr_t at, size_t size);
	int (*protect)(uintptr_t at, size_t size, enum berth_port_access access);
	/* Writers stop; @open lets them on if the pages were not mapped anew. */
	int (*shut)(uintptr_t at, size_t size);
	void (*open)(uintptr_t at, size_t size);
	void (*wake)(uintptr_t at, size_t size);
};

extern const struct gate berth_port_gate_uffd, berth_port_gate_signal;

/* Whether the kernel lets us; keeps what it has opened until berth_port_uffd_close(). */
bool berth_port_uffd_open(void);
void berth_port_uffd_close(void);

/* user.c */

/* At start and at stop of the port. 0 or -EINVAL with its reason: BERTH_GATE says nonsense. */
int berth_port_user_start(void);
void berth_port_user_stop(void);

/* RAW: the program's fault at @at, where the mechanism cannot stop the one access: the page is shut. */
void berth_port_user_refuse(uintptr_t at, bool is_write);

/* RAW: copy RAM through the linear map as a CPU's stores would. */
void berth_port_raw_copy(void *to, const void *from, size_t size);

/* For tests. */

enum gate_step {
	GATE_BEFORE,
	GATE_SHUT,
	GATE_COPIED,
	GATE_SHOWING, /* between two views */
	GATE_SHOWN,
};

struct gate_stats {
	uint64_t moves; /* calls of berth_port_user_move() that have moved */
	uint64_t waits; /* faults on a page that was gated */
	uint64_t asked; /* faults that berth_fault_handle() was asked about */
};

extern struct gate_stats berth_port_gate_stats;
/* Called RAW in the middle of a move, if not NULL. */
extern void (*berth_port_gate_hook)(enum gate_step step);
/* Not 0: the host's limit of mappings is lower. */
extern uint64_t berth_port_gate_limit;

const char *berth_port_gate_name(void);
/* Mappings that the port counts as its own. */
uint64_t berth_port_gate_mappings(void);

#endif
