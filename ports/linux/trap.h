/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Pages of the linear map that the program may not touch, or not write, without somebody being told. Who does is told
 * of with its stack, and goes on: the page is open from then on, until it is closed again.
 *
 * Without userfaultfd the pages are protected, and SIGSEGV comes: a system call that is given such a page returns
 * EFAULT, and nobody is told. With it (trap-uffd.c) whoever touches the page stops in the kernel; if that is a system
 * call it is told of and goes on, else the page is protected only now, for the sake of the stack.
 */
#ifndef PORTS_LINUX_TRAP_H
#define PORTS_LINUX_TRAP_H

#include "host.h"

#define TRAP_PAGE 4096ul

/* At start and stop of the port, between which the linear map is there. */
void berth_port_traps_start(void);
void berth_port_traps_stop(void);

/* Opens what is closed; it stays so until berth_port_traps_allow(). Before pages get another file. */
void berth_port_traps_refuse(phys_addr_t phys, uint64_t size);
void berth_port_traps_allow(phys_addr_t phys, uint64_t size);

/* What a page is closed for. */
enum { TRAP_OPEN, TRAP_WRITES, TRAP_ALL };

/* trap-uffd.c: false: the kernel does not let us. All of it is called with the lock of traps. */
bool berth_port_trap_uffd_start(void);
void berth_port_trap_uffd_stop(void);
bool berth_port_trap_uffd_close(uintptr_t at, uint64_t size, bool for_all);
void berth_port_trap_uffd_open(uintptr_t at, uint64_t size);

/*
 * From trap-uffd.c, without the lock: thread @tid waits for a page. @call: in that system call, NULL: in none. The page is
 * not trapped by userfaultfd any more on return.
 */
void berth_port_trap_met(uintptr_t at, bool is_write, pid_t tid, const char *call);

#endif
