/* SPDX-License-Identifier: BSD-2-Clause */
/**
 * DOC: aarch64 - what the AArch64 port offers a firmware beyond port.h
 *
 * A firmware has ``int main(void)``: called once on CPU 0 with the MMU, the caches, the interrupt
 * controller and the timer on, interrupts let through; what it returns is the exit code.
 */
#ifndef BERTH_AARCH64_H
#define BERTH_AARCH64_H

#include <berth/port.h>

BERTH_BEGIN_DECLS

/** berth_cpu_count() - CPUs of the machine, at most BERTH_PORT_MAX_SLOTS; the caller is one. */
unsigned int berth_cpu_count(void);

/**
 * berth_cpu_start() - have another CPU call a function
 * @cpu: 1 to berth_cpu_count() - 1; it is the slot as well
 * @fn: called on that CPU with interrupts let through; when it returns the CPU waits for the next
 * @arg: handed to @fn
 *
 * The first call switches the CPU on. What was written before the call is seen by @fn.
 * Return: 0, -EINVAL (no such CPU, or it is CPU 0), -EBUSY (its last function has not returned),
 * -EIO (the firmware below refuses).
 */
int berth_cpu_start(unsigned int cpu, void (*fn)(void *), void *arg);

/** berth_cpu_join() - wait until the CPU's function has returned; at once if it has none. */
void berth_cpu_join(unsigned int cpu);

/** berth_boot_tree() - the device tree that the boot loader left: readable always, never NULL. */
const void *berth_boot_tree(void);

/** berth_exit() - end the machine with an exit code (semihosting). Any context. */
void berth_exit(int code) __attribute__((noreturn));

BERTH_END_DECLS

#endif
