/* SPDX-License-Identifier: BSD-2-Clause */
/**
 * DOC: arm - what the ARMv7-A port offers a firmware beyond port.h
 *
 * A firmware has ``int main(void)``: called with the MMU, the caches, the interrupt controller and
 * the timer on, interrupts let through; what it returns is the exit code. There is one CPU.
 */
#ifndef BERTH_ARM_H
#define BERTH_ARM_H

#include <berth/port.h>

BERTH_BEGIN_DECLS

/** berth_boot_tree() - the device tree that the boot loader left: readable always; NULL: none. */
const void *berth_boot_tree(void);

/** berth_exit() - end the machine with an exit code (semihosting). Any context. */
void berth_exit(int code) __attribute__((noreturn));

BERTH_END_DECLS

#endif
